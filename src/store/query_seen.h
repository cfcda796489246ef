// SPDX-License-Identifier: MIT
// query_seen.h - what the questions about single tasks share on top of inquiry.h: shorter ways to run a statement, and a
// task as its rows show it.
#ifndef STORE_QUERY_SEEN_H
#define STORE_QUERY_SEEN_H

#include "model/state.h"
#include "store/inquiry.h"

// ask_plain runs a statement without parameters; ask_by_id one with `id` as the first, and ask_with with as many as
// `values` has. Parameters are written $1, $2 ..., in the order in which they first appear.
int ask_plain(struct inquiry *a, const char *sql, struct rows *ret, tasker_error *err) CHECKED;
int ask_by_id(struct inquiry *a, const char *sql, int64_t id, struct rows *ret, tasker_error *err) CHECKED;
int ask_with(struct inquiry *a, const char *sql, const struct value *values, size_t count, struct rows *ret,
             tasker_error *err) CHECKED;
// ask_nomem is 0 as long as no allocation failed.
int ask_nomem(struct inquiry *a, tasker_error *err) CHECKED;
// ask_json reads JSON of a column; NULL: there is none (or no memory, which ask_nomem tells).
const struct json *ask_json(struct inquiry *a, struct span text);
enum state rows_state(const struct rows *r, int i);  // ST_NONE for NULL

// write_span writes a text that was kept: absent writes null.
void write_span(struct buf *out, const char *key, struct span text);

// ---- a task as its rows show it
struct seen_row { // a transition
    enum state from, to;
    int64_t at;
    struct span metadata;
};

struct seen_step {
    int64_t id;
    struct span name, handler_class;
    enum state state;
    bool has_attempts, has_retry_limit, has_backoff, retryable, processed, in_process;
    int32_t attempts, retry_limit, backoff_seconds;
    int64_t last_attempted_at, state_at, started_at, finished_at, timeout_us;
    int64_t wake_at;             // in error and to be tried again by itself: when, else 0
    struct span results, inputs; // as stored
    const struct json
        *failure; // of a step that is not done: the failure object in its results, or NULL
    const struct json *meta; // of the newest transition, or NULL
    uint32_t *parents;       // indices of steps
    size_t parent_count;
    struct seen_row *rows;
    size_t row_count;
};

struct seen_task {
    int64_t id, template_id, lane, run_at, deadline;
    struct span namespace_name, name, version, context, initiator, source_system, reason, tags,
        bypass_steps, identity;
    int64_t requested_at, started_at, finished_at;
    enum state state;
    bool active, owned, suspect;
    int32_t crashes, priority;
    struct span owner;       // name of the owning lane's engine, absent when there is none
    const struct json *meta; // of the newest transition, or NULL
    struct seen_row *rows;
    size_t row_count;
    struct seen_step *steps;
    size_t step_count;
};

enum seen_depth {
    SEEN_STATES,  // no contexts, inputs and results but those of failures
    SEEN_RESULTS, // all but inputs
    SEEN_ALL,
};

// seen_load reads a task with its steps. TASKER_E_NOT_FOUND.
int seen_load(struct inquiry *a, int64_t task_id, enum seen_depth depth, struct seen_task *ret,
              tasker_error *err) CHECKED;
// seen_templates fills handler_class and timeout_us of the steps from the template that the task
// runs with.
int seen_templates(struct inquiry *a, struct seen_task *t, tasker_error *err) CHECKED;
// meta_text is a member of a transition's metadata when it is a string, else absent.
struct span meta_text_of(const struct json *meta, const char *name);
void write_failure(struct buf *out, const struct json *failure);

#endif
