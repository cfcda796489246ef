// SPDX-License-Identifier: MIT
// engine.h - the engine as the floor above sees it: lane threads that drive tasks, a desk where workers take and answer
// steps, a hub that hands events to subscribers, and doors for submissions, commands and questions.
//
// All functions may be called from any thread. What waits, waits on condition variables; nothing is called back.
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "base/hash.h"
#include "base/json.h"
#include "model/failure.h"
#include "model/template.h"
#include "store/store.h"

struct engine;
struct lane_thread;
#define LANES_MAX 16

// Limits by name: "class" or "namespace/name" -> count.
struct limit {
    char *name;
    int32_t count;
};

struct engine_options {
    char *name;         // engine name; owned
    char *environment;  // owned
    bool migrate;
    bool tables_only;   // no lanes: engine_migrate is all that may be called
    int64_t lease_us, start_row_delay_us, poll_interval_us;
    int64_t thorough_us;  // how often a lane looks at the rows although nobody gave a hint
    int64_t database_timeout_us;  // how long callers wait for a database that does not take their turn; 0: no limit
    int64_t step_timeout_us, task_timeout_us;  // defaults for templates that give none; 0: none
    int32_t max_concurrent_steps, max_active_tasks, queue_limit, max_crashes;
    int32_t lanes;  // threads with a connection each, 1..LANES_MAX; one on SQLite
    bool identity_hash;  // default identity strategy is "hash"
    struct limit *class_limits, *template_limits;
    size_t class_limit_count, template_limit_count;
};
void engine_options_init(struct engine_options *o);  // the defaults of tasker_open
void engine_options_done(struct engine_options *o);

// engine_open opens the database and starts the lane threads, which own nothing and claim nothing yet. Takes over the
// contents of `options`.
int engine_open(const char *uri, struct engine_options *options, struct engine **ret, tasker_error *err) CHECKED;
int engine_start(struct engine *e, bool claim, tasker_error *err) CHECKED;
// engine_drain as tasker_drain; engine_close ends everything and frees. `forked`: do not touch threads, free nothing.
int engine_drain(struct engine *e, int timeout_ms, tasker_error *err) CHECKED;
void engine_close(struct engine *e);
// engine_alive is 0, TASKER_E_FORKED in a child process, or TASKER_E_CLOSED.
int engine_alive(const struct engine *e, tasker_error *err) CHECKED;
const struct engine_options *engine_options(const struct engine *e);
const char *engine_database_id(const struct engine *e);

// ---- templates
int engine_register(struct engine *e, struct template *t, bool replace, tasker_error *err) CHECKED;
// engine_template finds the current template (cached); version "latest" is the newest. ret holds a reference.
int engine_template(struct engine *e, const char *namespace_name, const char *name, const char *version,
                    struct template **ret, tasker_error *err) CHECKED;

// ---- submissions: filled by the floor above, checked there (JSON, lengths, schema).
struct submission {
    struct template *tpl;  // a reference, taken over
    struct blob *context;  // taken over
    char *initiator, *source_system, *reason;  // owned
    char *tags, *bypass_steps;                 // JSON text or NULL, owned
    char identity[129];                        // "": the lane makes a UUID, once, and says so in named_here
    int64_t requested_at, run_at, timeout_us;  // run_at 0: now; timeout 0: the template's
    uint8_t priority;
    bool named_here;       // a duplicate can only be the task itself, from a turn that was committed unheard
    bool return_existing;  // a duplicate gives the first task's id as success
    int64_t task_id;       // the task that the turn under way makes of it
    int64_t doubted_id;    // that one, in the last turn whose outcome was unknown: a duplicate with this id is the task itself
    int64_t barred_at;     // since when the lane keeps it aside, for a lock of somebody else; 0: it does not
    bool tries_lock;       // it is in a turn that finds out whether the lock is gone
};
void submission_done(struct submission *s);

// engine_submit queues `count` submissions (contents taken over) and waits until all are decided. ret_ids[i] is the task's
// id (of the first task for a duplicate), errors[i].code what became of it. `wait_for_room` false: TASKER_E_BUSY for
// those that do not fit. When the database does not take the turn within database_timeout: TASKER_E_BUSY, nothing was
// written and nothing will be; or TASKER_E_TIMEOUT, that is not known.
int engine_submit(struct engine *e, struct submission *list, size_t count, bool wait_for_room, int64_t *ret_ids,
                  tasker_error *errors, tasker_error *err) CHECKED;

// ---- commands of operators, carried out by the lane that owns the task, wherever it is.
#define COMMANDS(X)                                    \
    X(TASK_CANCEL, "task.cancel")                      \
    X(TASK_RETRY, "task.retry")                        \
    X(TASK_RESOLVE, "task.resolve")                    \
    X(STEP_RETRY, "step.retry")                        \
    X(STEP_RESOLVE, "step.resolve")                    \
    X(STEP_CANCEL, "step.cancel")                      \
    X(TASK_RELEASE, "task.release")
enum command_kind {
#define X(name, text) CMD_##name,
    COMMANDS(X)
#undef X
    CMD_COUNT
};
extern const char *const command_names[CMD_COUNT];

// engine_command carries out one command and waits until it is durable. `step` (name) for step commands, `results` JSON
// for resolve or absent, `reason` and `by` may be NULL. Appends {"task_id", "state", ["step", "step_state"]} to out.
// TASKER_E_NOT_FOUND, TASKER_E_STATE with what the state is; TASKER_E_TIMEOUT when the owner did not answer in 30 s. A
// database that does not take it: as engine_submit.
int engine_command(struct engine *e, enum command_kind kind, int64_t task_id, const char *step, struct span results,
                   const char *reason, const char *by, struct buf *out, tasker_error *err) CHECKED;

// ---- questions: store_ops.query on the reader's connection; also step results and the schema's state
int engine_query(struct engine *e, const char *name, const struct json *arguments, struct buf *out,
                 tasker_error *err) CHECKED;
// engine_operate carries out a writing operation of the store (store_ops.operate) on the same connection.
int engine_operate(struct engine *e, const char *name, const struct json *arguments, struct buf *out,
                   tasker_error *err) CHECKED;
// engine_name is what it is called, borrowed. engine_hint tells this engine and others that there is something to look for.
const char *engine_name(const struct engine *e);
void engine_hint(struct engine *e);
int engine_step_result(struct engine *e, int64_t task_id, const char *step, struct blob **ret, tasker_error *err) CHECKED;
int engine_migrate(struct engine *e, const struct migrate_options *options, struct buf *out, tasker_error *err) CHECKED;
// engine_status appends what only this process knows as JSON members of one object: {"engine", "running",
// "tasks_in_memory", "steps_running", "ready", "queue", "turns", "last_error", "waiting_ms" (of
// the turn that the database has not taken yet), "waiting_for" (why), "overdue": [handlers that hold their place
// after a timeout]}.
void engine_status(struct engine *e, struct buf *out);

// engine_wait_turn waits until the lane has finished a turn after `*seen` (updated) or `timeout_ms` passed.
void engine_wait_turn(struct engine *e, uint64_t *seen, int timeout_ms);

// ---- workers: a hand-out is one attempt of one step given to one worker.
struct worker;
struct handout {
    int64_t token, task_id, step_id;
    struct template *tpl;  // reference
    uint32_t step;         // index in tpl
    int32_t attempt, retry_limit;
    int64_t timeout_us;
    struct blob *context;  // reference
    struct blob *inputs;   // reference, NULL: the context
    size_t parent_count;   // = tpl->steps[step].parent_count, in that order
    struct blob **parents; // references, NULL entries: null
    struct lane_input *answer;  // owned; made beforehand, so that every hand-out can be answered
    bool stop;             // atomic: cancel requested
    // the desk's own:
    struct worker *worker;
    struct lane_thread *home;  // the lane that gave it
    struct list link;
    bool stale;            // answers are refused; still holds its place until answered
    bool foreign;          // belongs to another lane's task
    bool polled;           // a handler has it
    UT_hash_handle hh;
};

int engine_worker_open(struct engine *e, const char *const *classes, size_t count, int concurrency, struct worker **ret,
                       tasker_error *err) CHECKED;
void engine_worker_close(struct worker *w);
int engine_worker_fd(const struct worker *w);
// engine_worker_poll as tasker_worker_poll; engine_worker_stop_next as tasker_worker_cancelled.
int engine_worker_poll(struct worker *w, int timeout_ms, struct handout **ret, tasker_error *err) CHECKED;
int engine_worker_stop_next(struct worker *w, int64_t *ret_token);

// The answers free the hand-out, TASKER_E_STALE included. `results` is taken over (NULL: null); log may be absent.
int engine_complete(struct handout *h, struct blob *results, struct span log, tasker_error *err) CHECKED;
int engine_fail(struct handout *h, const struct failure *f, tasker_error *err) CHECKED;
int engine_release(struct handout *h, tasker_error *err) CHECKED;
int engine_heartbeat(struct handout *h, struct span progress, tasker_error *err) CHECKED;
struct engine *handout_engine(const struct handout *h);

// ---- live events: a bounded ring per subscriber.
struct subscriber;
int engine_subscribe(struct engine *e, const char *patterns, struct subscriber **ret, tasker_error *err) CHECKED;
void engine_unsubscribe(struct subscriber *s);
// engine_event_next waits for the next event that matches: 1 with the event's JSON (one reference), 0 when none came.
int engine_event_next(struct subscriber *s, int timeout_ms, struct blob **ret, tasker_error *err) CHECKED;
// event_matches: does the comma-separated list of patterns take this name?
bool event_matches(const char *patterns, const char *name);

#endif
