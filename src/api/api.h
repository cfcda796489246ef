// SPDX-License-Identifier: MIT
// api.h - what the files of this floor share: the handle behind `tasker`, results, options and
// submissions.
//
// The floor is thin: it checks what callers give, asks the engine, and writes JSON. It holds no
// workflow state. Every public call asks tasker_alive first, so that a forked child or a closed
// handle touches nothing.
#ifndef API_API_H
#define API_API_H

#include <pthread.h>

#include "base/json.h"
#include "engine/engine.h"
#include "model/schema.h"

#define RESULT_MAX JSON_MAX_SIZE // bytes of one result of a query

// A template's schema, compiled. Entries live as long as the handle.
struct schema_entry {
    char hash[SHA256_HEX_SIZE]; // of the template
    struct schema *schema;
};

struct tasker {
    struct engine *engine;
    pthread_mutex_t lock; // guards what follows
    bool started;         // engine_start was called
    struct schema_entry *schemas;
    size_t schema_count, schema_cap;
    struct list workers; // all that were opened: a poll may still hold one that is closed
};

// tasker_alive is 0, or the error that every call of a dead handle answers (no handle, forked,
// closed).
int tasker_alive(const tasker *t, tasker_error *err) CHECKED;
// tasker_alive_at_all is the same for what a handle for the tables only may do.
int tasker_alive_at_all(const tasker *t, tasker_error *err) CHECKED;

// ---- results
// text_from_buf hands the bytes of `b` (emptied) to a new text; text_from_blob takes over one
// reference (NULL: "null").
int text_from_buf(struct buf *b, tasker_text **ret, tasker_error *err) CHECKED;
int text_from_blob(struct blob *blob, tasker_text **ret, tasker_error *err) CHECKED;
// buf_error says why a buffer failed: too big, or out of memory.
int buf_error(const struct buf *b, const char *what, tasker_error *err);

// ---- options
// options_parse reads the JSON object of tasker_open (NULL: none) over the defaults in `o`; the
// environment's own default is that of TASKER_ENV.
int options_parse(const char *text, struct engine_options *o, tasker_error *err) CHECKED;

// ---- submissions
#define CONTEXT_MAX ((size_t)4 << 20) // bytes of a task's context

// submission_read checks a request (an object whose members have the right types already) and fills
// `ret`, which is to be given to engine_submit or released with submission_done.
int submission_read(struct tasker *t, const struct json *request, struct arena *arena,
                    struct submission *ret, tasker_error *err) CHECKED;
void schemas_done(struct tasker *t);

// ---- templates
// register_template is tasker_register; `out` gets the members of the result, or, on
// TASKER_E_INVALID, {"errors": [...]}.
int register_template(struct tasker *t, struct span text, const char *file, bool replace,
                      struct buf *out, tasker_error *err) CHECKED;

// ---- the durable log
// log_read appends {"events": [...], "cursor": "...", "more": ...} with up to `limit` events behind
// `after` whose names match `patterns` (NULL: all). The cursor stands behind everything that was
// looked at, which is the end of the log unless there is more.
int log_read(struct tasker *t, const char *after, const char *patterns, int64_t limit,
             struct buf *out, tasker_error *err) CHECKED;

// ---- waiting
// task_wait is tasker_wait; `ret_state` also gets the unfinished state when the answer is
// TASKER_E_TIMEOUT.
int task_wait(struct tasker *t, int64_t task_id, int timeout_ms, enum state *ret_state,
              tasker_error *err) CHECKED;

// workers_done frees the memory of closed workers.
void workers_done(struct tasker *t);

#endif
