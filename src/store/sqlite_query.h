// SPDX-License-Identifier: MIT
// sqlite_query.h - what the files of the SQLite queries share: a question under way, and a task as
// its rows show it.
//
// A question runs inside one read transaction, so all its statements see the same snapshot.
// Everything that is read lives in the question's arena until it is answered.
#ifndef STORE_SQLITE_QUERY_H
#define STORE_SQLITE_QUERY_H

#include "base/json.h"
#include "model/state.h"
#include "store/queries.h"
#include "store/sqlite.h"

struct ask {
    struct sqlite *s;
    const struct json *args;
    int64_t now;
    struct buf *out;
    struct arena arena;
};

// ---- arguments; a wrong type counts as not given
int64_t ask_int(const struct ask *a, const char *name, int64_t otherwise);
struct span ask_text(const struct ask *a, const char *name);
int64_t ask_limit(const struct ask *a, int64_t otherwise); // within 1..QUERY_LIMIT_MAX

// ---- statements
void stmt_freep(sqlite3_stmt **stmt); // for CLEANUP
// ask_error turns what the database said into an error.
int ask_error(struct ask *a, tasker_error *err);
int ask_prepare(struct ask *a, const char *sql, sqlite3_stmt **ret, tasker_error *err) CHECKED;
// ask_prepare_id binds `id` to the first parameter.
int ask_prepare_id(struct ask *a, const char *sql, int64_t id, sqlite3_stmt **ret,
                   tasker_error *err) CHECKED;
void ask_bind_text(sqlite3_stmt *stmt, int place, struct span text);
// ask_next is 1 with a row, 0 behind the last.
int ask_next(struct ask *a, sqlite3_stmt *stmt, tasker_error *err) CHECKED;
// ask_nomem is 0 as long as no allocation failed.
int ask_nomem(struct ask *a, tasker_error *err) CHECKED;
// ask_parse reads JSON of a column; NULL: there is none (or no memory, which ask_nomem tells).
const struct json *ask_parse(struct ask *a, struct span text);

// Columns. Text is copied to the arena, or absent for NULL; a time is 0 for NULL.
struct span column_text(struct ask *a, sqlite3_stmt *stmt, int i);
int64_t column_time(sqlite3_stmt *stmt, int i);
enum state column_state(sqlite3_stmt *stmt, int i); // ST_NONE for NULL
// Straight from the current row to JSON.
void write_text(struct ask *a, const char *key, sqlite3_stmt *stmt, int i);
void write_json(struct ask *a, const char *key, sqlite3_stmt *stmt, int i);
void write_time(struct ask *a, const char *key, sqlite3_stmt *stmt, int i);

// write_span is write_text of a text that was kept: absent writes null.
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
int seen_load(struct ask *a, int64_t task_id, enum seen_depth depth, struct seen_task *ret,
              tasker_error *err) CHECKED;
// seen_templates fills handler_class and timeout_us of the steps from the template that the task
// runs with.
int seen_templates(struct ask *a, struct seen_task *t, tasker_error *err) CHECKED;
// meta_text is a member of a transition's metadata when it is a string, else absent.
struct span meta_text_of(const struct json *meta, const char *name);
void write_failure(struct buf *out, const struct json *failure);

// ---- the queries
#define X(name, text) int query_##name(struct ask *a, tasker_error *err) CHECKED;
QUERIES(X)
#undef X

#endif
