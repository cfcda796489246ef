// SPDX-License-Identifier: MIT
// change.h - what a turn wants to write, and what it wants done once that is durable, as plain lists of values.
//
// The model appends, the store writes all changes of a turn in one transaction in the order of the list, the engine acts
// on the notes afterwards. Nothing here does I/O. Texts (spans) live in the turn's arena or in blobs that the turn holds.
#ifndef MODEL_CHANGE_H
#define MODEL_CHANGE_H

#include "base/mem.h"
#include "base/util.h"
#include "model/state.h"
#include "model/template.h"

// One row per kind: what the store does with it. Adding one is one row here, one struct below, one function in each
// backend.
#define CHANGE_KINDS(X)                                                                  \
    X(TASK_INSERT, "a new task")                                                         \
    X(STEP_INSERT, "a new step")                                                         \
    X(EDGE_INSERT, "a dependency between two new steps")                                 \
    X(TASK_ROW, "a task transition")                                                     \
    X(STEP_ROW, "a step transition")                                                     \
    X(TASK_COMPLETE, "tasks.complete = true or false")                                   \
    X(STEP_UPDATE, "the step's own columns after an attempt or an operator's action")    \
    X(ACTIVE_INSERT, "an unfinished task's row")                                         \
    X(ACTIVE_UPDATE, "its owner, crash count, suspicion, deadline")                      \
    X(ACTIVE_DELETE, "the task is finished; open requests are answered {\"again\":true}")\
    X(OFFER_INSERT, "a step offered to workers of other processes")                      \
    X(OFFER_DELETE, "the offer is over")                                                 \
    X(OFFER_CANCEL, "tell the process that runs it to stop")                             \
    X(OFFER_ANSWER, "what the worker of this process answered to another's offer")       \
    X(OFFER_RELEASE, "hand a foreign offer back unrun")                                  \
    X(REQUEST_INSERT, "a command for a task that another lane owns")                     \
    X(REQUEST_ANSWER, "the owner's answer to a command")                                 \
    X(REQUEST_DELETE, "the asker has read the answer")                                   \
    X(LOG_INSERT, "what a handler wrote during an attempt")                              \
    X(LANE_CLASSES, "the handler classes that this lane's process serves")

enum change_kind {
#define X(name, text) CH_##name,
    CHANGE_KINDS(X)
#undef X
    CH_COUNT
};
extern const char *const change_names[CH_COUNT];  // "TASK_INSERT"

// priority: smaller runs first.
#define PRIORITIES(X) X(CRITICAL, "critical") X(HIGH, "high") X(NORMAL, "normal") X(LOW, "low")
enum priority {
#define X(name, text) PRIO_##name,
    PRIORITIES(X)
#undef X
    PRIO_COUNT
};
extern const char *const priority_names[PRIO_COUNT];

struct change {
    uint8_t kind;     // enum change_kind
    uint32_t origin;  // index of the input of this turn that caused it
    union {
        struct {  // TASK_INSERT. A duplicate identity refuses the turn.
            int64_t task_id, requested_at;
            int32_t named_task_id;
            struct span initiator, source_system, reason, identity;  // text
            struct span bypass_steps, tags, context;                 // JSON; absent: NULL
        } task;
        struct {  // STEP_INSERT: attempts 0, results {}, in_process and processed false
            int64_t step_id, task_id;
            int32_t named_step_id, retry_limit;
            bool retryable, skippable;
            struct span inputs;  // JSON; absent: NULL
        } step;
        struct {  // EDGE_INSERT, name "provides"
            int64_t from, to;
        } edge;
        struct {  // TASK_ROW, STEP_ROW
            int64_t owner_id, at;    // task or step; created_at of the row
            uint8_t from, to;        // enum state; from ST_NONE: NULL
            bool flip;               // the owner's current row loses most_recent first
            bool most_recent;
            int32_t sort_key;
            struct span metadata;    // JSON object
        } row;
        struct {  // TASK_COMPLETE
            int64_t task_id;
            bool complete;
        } complete;
        struct {  // STEP_UPDATE; in_process becomes false
            int64_t step_id;
            int64_t last_attempted_at, processed_at;  // 0: NULL
            int32_t attempts, backoff_seconds;        // backoff -1: NULL
            bool processed;
            bool set_results;                         // false: keep what is there
            struct span results;                      // JSON; absent with set_results: NULL
        } step_update;
        struct {  // ACTIVE_INSERT, ACTIVE_UPDATE (all fields written), ACTIVE_DELETE (task_id only)
            int64_t task_id, run_at, deadline;  // deadline 0: none
            int64_t template_id;
            int32_t crashes;
            uint8_t priority;
            bool suspect;
            bool own;  // true: this turn's lane, false: free
        } active;
        struct {  // OFFER_*: rows of tasker_core_dispatch, named by token
            int64_t token, task_id, step_id;
            int32_t attempt;
            int64_t deadline_us;          // OFFER_INSERT: how long an attempt may take, 0: no limit
            struct span handler_class;    // OFFER_INSERT
            uint8_t verdict;              // OFFER_ANSWER: 0 failed, 1 succeeded
            struct span answer;           // OFFER_ANSWER: results, or the failure as JSON
            struct span log;              // OFFER_ANSWER: absent: none
        } offer;
        struct {  // REQUEST_*
            int64_t request_id, task_id;  // INSERT: request_id 0, given by the database
            struct span body;             // INSERT: the command as JSON; ANSWER: the answer as JSON
        } request;
        struct {  // LOG_INSERT
            int64_t step_id, at;
            int32_t attempt;
            uint8_t outcome;  // enum log_outcome
            struct span text;
        } log;
        struct {  // LANE_CLASSES
            struct span classes;  // JSON array
        } lane;
    };
};

#define LOG_OUTCOMES(X) X(COMPLETE, "complete") X(ERROR, "error") X(REFUSED, "refused")
enum log_outcome {
#define X(name, text) LOG_##name,
    LOG_OUTCOMES(X)
#undef X
    LOG_OUTCOME_COUNT
};
extern const char *const log_outcome_names[LOG_OUTCOME_COUNT];

// What happened, for the engine to act on after the commit and for subscribers: one row per event name. `durable`
// events have a transition row and are in the log as well.
#define NOTES(X)                                                             \
    X(TASK_SUBMITTED, "task.initialize_requested", 0)                        \
    X(TASK_STARTED, "task.start_requested", 1)                               \
    X(TASK_COMPLETED, "task.completed", 1)                                   \
    X(TASK_FAILED, "task.failed", 1)                                         \
    X(TASK_RETRIED, "task.retry_requested", 1)                               \
    X(TASK_RELEASED, "task.released", 1)                                     \
    X(TASK_CANCELLED, "task.cancelled", 1)                                   \
    X(TASK_RESOLVED, "task.resolved_manually", 1)                            \
    X(TASK_BEFORE, "task.before_transition", 0)                              \
    X(STEP_INIT, "step.initialize_requested", 0)                             \
    X(STEP_READY, "", 0)                                                     \
    X(STEP_STARTED, "step.execution_requested", 1)                           \
    X(STEP_BEFORE_HANDLE, "step.before_handle", 0)                           \
    X(STEP_HANDLE, "step.handle", 0)                                         \
    X(STEP_COMPLETED, "step.completed", 1)                                   \
    X(STEP_FAILED, "step.failed", 1)                                         \
    X(STEP_RETRIED, "step.retry_requested", 1)                               \
    X(STEP_CANCELLED, "step.cancelled", 1)                                   \
    X(STEP_RESOLVED, "step.resolved_manually", 1)                            \
    X(STEP_BEFORE, "step.before_transition", 0)                              \
    X(STEP_STOP, "", 0)                                                      \
    X(STEP_BACKOFF, "observability.step.backoff", 0)                         \
    X(STEP_EXHAUSTED, "observability.step.max_retries_reached", 0)           \
    X(STEP_REFUSED, "step.result_refused", 0)                                \
    X(STEP_PROGRESS, "step.progress", 0)                                     \
    X(WORKFLOW_REQUESTED, "workflow.orchestration_requested", 0)             \
    X(WORKFLOW_STARTED, "workflow.task_started", 0)                          \
    X(WORKFLOW_COMPLETED, "workflow.task_completed", 0)                      \
    X(WORKFLOW_FAILED, "workflow.task_failed", 0)                            \
    X(WORKFLOW_STEP_COMPLETED, "workflow.step_completed", 0)                 \
    X(WORKFLOW_STEP_FAILED, "workflow.step_failed", 0)                       \
    X(WORKFLOW_VIABLE, "workflow.viable_steps_discovered", 0)                \
    X(WORKFLOW_NONE_VIABLE, "workflow.no_viable_steps", 0)                   \
    X(DATABASE_LOST, "engine.database_lost", 0)                              \
    X(DATABASE_BACK, "engine.database_back", 0)                              \
    X(DATABASE_WENT_BACK, "engine.database_went_back", 0)

enum note_kind {
#define X(name, text, durable) NOTE_##name,
    NOTES(X)
#undef X
    NOTE_COUNT
};
extern const char *const note_names[NOTE_COUNT];  // event name, "" when it is not an event
extern const bool note_durable[NOTE_COUNT];

struct task;
struct note {
    uint8_t kind;  // enum note_kind
    struct task *task;
    int32_t step;  // index, -1: of the task
    int64_t at;
    uint32_t extra;      // STEP_READY and others: unused; WORKFLOW_VIABLE: how many
    struct span detail;  // JSON members to add to the event, without braces; absent: none
};

// Everything that one turn decides. `now` and `rng` are given, nothing else is asked of the world.
struct decision {
    struct arena arena;  // texts of changes and notes
    struct change *changes;
    size_t change_count, change_cap;
    size_t bytes;  // payload bytes of the changes
    struct note *notes;
    size_t note_count, note_cap;
    struct blob **blobs;  // held until the turn is over
    size_t blob_count, blob_cap;
    int64_t now;
    struct rng *rng;
    const char *engine;  // name of this engine, for metadata
    uint32_t origin;     // input being decided
    uint64_t serial;     // different for every turn; set by the engine, kept by decision_clear
    bool failed;         // out of memory: the turn must not be sent
};

void decision_init(struct decision *d);
void decision_done(struct decision *d);
void decision_clear(struct decision *d);  // empty for the next turn, memory kept

struct change *decision_change(struct decision *d, enum change_kind kind);  // NULL: failed
void decision_note(struct decision *d, enum note_kind kind, struct task *t, int32_t step, struct span detail);
struct blob *decision_hold(struct decision *d, struct blob *b);  // keeps a reference until the turn is over; b or NULL

#endif
