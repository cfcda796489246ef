// SPDX-License-Identifier: MIT
// task.h - a task in memory and every decision about it. Pure: no I/O, no clock, no threads; rows to write and things to
// do go to the decision (change.h).
//
// What holds between calls (task_check verifies it in debug builds and in the simulator):
//   1. `done` is the number of steps whose state is complete or resolved_manually.
//   2. step.waiting is the number of its parents that are not done.
//   3. A step is `open` when it runs (in_progress), is ready, or waits for a retry; task.open counts them. A task in
//      progress is over exactly when open is 0: everything else waits for a parent that can not finish.
//   4. `ready` steps are pending or in error, have waiting = 0, and belong to a task in progress.
//   5. step.row_state and sort_key are those of its newest row, durable or in this turn. They lag behind `state` in one
//      case only: a step that was started lazily (state in_progress, no such row yet).
//   6. results are kept while a child needs them (needed_by > 0), and only then.
#ifndef MODEL_TASK_H
#define MODEL_TASK_H

#include "model/change.h"
#include "model/failure.h"

struct tstep {
    int64_t id;
    struct blob *results;      // NULL: null, or not needed any more
    int64_t started_at;        // of the running attempt; a worker elsewhere says so by a clock of its own
    int64_t row_at;            // time of the newest row; 0: none
    int64_t wake_at;           // in error and to be tried again: when; else 0
    int64_t retry_at;          // what its error row says of that, also while its task is over; else 0
    int32_t attempts;          // used up
    int32_t retry_limit;
    int32_t sort_key;
    uint32_t waiting;
    uint32_t needed_by;        // children that are not done
    uint32_t index;            // in its task
    uint32_t row_change;       // the newest row's place in the decision numbered row_serial
    uint64_t row_serial;
    uint8_t state, row_state;  // enum state; row_state ST_NONE: no row
    bool open, ready, retryable, failed_once;  // failed_once: has been in error since its row_state was last pending
    // the engine's own:
    struct heap_node timer, queue;
    struct heap *queued_in;    // the heap of `queue`, NULL: none
    uint64_t order;            // place among equals in a queue
    void *slot;
};

struct task {
    int64_t id;
    struct template *tpl;  // reference
    struct blob *context;  // reference
    int64_t run_at, deadline, started_at;  // deadline 0: none
    int32_t sort_key, crashes;
    uint32_t open, done, count;
    uint32_t row_change;
    uint64_t row_serial;
    uint8_t state, row_state, priority;
    bool suspect;
    bool active;  // has its row in the queue of tasks
    void *entry;  // the engine's own
    struct tstep steps[];
};

// What a submission is made of, checked already.
struct task_request {
    struct template *tpl;
    struct blob *context;
    struct span initiator, source_system, reason, identity, tags, bypass_steps;
    int64_t requested_at, run_at, timeout_us;
    uint8_t priority;
    bool own;  // the active row belongs to this lane
};

// task_create decides a new task: its rows, its steps, its edges. `step_ids` has step_count ids. NULL: out of memory
// (d->failed is set). The task is pending; task_start begins it.
struct task *task_create(struct decision *d, const struct task_request *r, int64_t task_id, const int64_t *step_ids);
void task_free(struct task *t);  // NULL is fine

// A step's inputs are the task's context; a larger one is not copied into every step (NULL means the context).
#define INPUTS_COPY_MAX 2048

// task_start: pending -> in_progress, root steps become ready; a task without steps is complete at once.
void task_start(struct decision *d, struct task *t);
// task_start_members writes what the metadata of a start says: the template that the task keeps, and the engine (NULL:
// nobody).
void task_start_members(struct buf *b, const struct template *tpl, const char *engine);

// task_begin_step: a ready step is being handed out. `eager` writes its rows now; else they come with its end, or with
// task_write_start.
void task_begin_step(struct decision *d, struct task *t, struct tstep *s, bool eager);
// task_write_start writes the start rows of a running step unless they are written.
void task_write_start(struct decision *d, struct task *t, struct tstep *s);
bool task_start_written(const struct tstep *s);

// The ends of an attempt; s must be in progress. `results` (NULL: null) gets a reference of its own.
void task_succeed(struct decision *d, struct task *t, struct tstep *s, struct blob *results, struct span log);
void task_fail(struct decision *d, struct task *t, struct tstep *s, const struct failure *f);
// task_release hands it back unrun: no attempt is used up.
void task_release(struct decision *d, struct task *t, struct tstep *s);
// task_lose: the process that ran it is gone. Uses up no attempt; a step that is not retryable stays in error.
void task_lose(struct decision *d, struct task *t, struct tstep *s);
// task_crashed counts the death of a process that ran one of its steps (a takeover has counted already).
void task_crashed(struct decision *d, struct task *t);

// task_wake: a retry is due; the step becomes ready.
void task_wake(struct decision *d, struct task *t, struct tstep *s);
// task_expire: the task's deadline has passed; it ends in error.
void task_expire(struct decision *d, struct task *t);
// task_set_aside ends a task in error that crashed its engine more than `max_crashes` times. True when it did.
bool task_set_aside(struct decision *d, struct task *t, int32_t max_crashes);

// Operators. 0, or TASKER_E_STATE with what is in the way; nothing is changed then.
int task_cancel(struct decision *d, struct task *t, const char *reason, const char *by, tasker_error *err) CHECKED;
int task_retry(struct decision *d, struct task *t, const char *reason, const char *by, tasker_error *err) CHECKED;
int task_resolve(struct decision *d, struct task *t, const char *reason, const char *by, tasker_error *err) CHECKED;
// task_hand_over gives an unfinished task of which nothing runs to the Rails engine: it is pending, and no longer in the
// queue. Steps that wait for a retry are pending too, so that they are not met in error there.
int task_hand_over(struct decision *d, struct task *t, const char *reason, const char *by, tasker_error *err) CHECKED;
int step_retry(struct decision *d, struct task *t, struct tstep *s, const char *reason, const char *by,
               tasker_error *err) CHECKED;
int step_resolve(struct decision *d, struct task *t, struct tstep *s, struct blob *results, const char *reason,
                 const char *by, tasker_error *err) CHECKED;
int step_cancel(struct decision *d, struct task *t, struct tstep *s, const char *reason, const char *by,
                tasker_error *err) CHECKED;

// task_settle deletes the active row of a task that is over (an operator's action may have left it so).
void task_settle(struct decision *d, struct task *t);

// task_write_active writes the active row's fields again; own false frees the task.
void task_write_active(struct decision *d, struct task *t, bool own);

// ---- from rows
// One step as its rows tell it.
struct step_image {
    int64_t id;
    uint8_t state;     // ST_PENDING when there is no row
    bool has_row, retryable;
    int32_t sort_key, attempts, retry_limit, backoff_seconds;  // backoff -1: none
    int64_t state_at, last_attempted_at;
    struct span metadata;
    struct blob *results;  // taken over
};
struct task_image {
    int64_t id;
    struct template *tpl;  // a reference is taken
    struct blob *context;  // taken over
    uint8_t state, priority;
    bool has_row, suspect, active;
    int32_t sort_key, crashes;
    int64_t run_at, deadline, started_at;
    struct step_image *steps;  // by template index, step_count of them
};
// task_rebuild makes the task. Steps whose rows say in_progress stay so: the engine re-attaches those that run and loses
// the others. NULL: out of memory; the image's blobs are then still the caller's.
struct task *task_rebuild(struct task_image *image);
// task_wake_all marks what is ready in a rebuilt task in progress (notes STEP_READY); one that has nothing left to run
// ends.
void task_wake_all(struct decision *d, struct task *t);

static inline struct task *step_task(struct tstep *s)
{
    return container_of(s - s->index, struct task, steps);
}
const char *step_name(const struct task *t, const struct tstep *s);

// task_blocker describes why a finished task is not complete: "blocked by failed step X"; for messages.
void task_blocker(const struct task *t, char *out, size_t size);

// task_check returns NULL when what holds between calls holds, else what does not.
const char *task_check(const struct task *t);

#endif
