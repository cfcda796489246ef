/* SPDX-License-Identifier: MIT */
/*
 * tasker.h - the public face of tasker-core, a workflow orchestration engine in a library.
 *
 * A *task* is one run of a *template* (namespace, name, version): a directed acyclic graph of *steps*. *Handlers*,
 * your code, run the steps; the engine decides everything else: which steps may run, when to retry, when a task is
 * finished, who owns it, what is recorded, what is published. All of it is rows in a database, so any process may die
 * at any instruction and the next one goes on.
 *
 *   handle         made by               freed by              threads
 *   tasker         tasker_open           tasker_close          any number at once
 *   tasker_worker  tasker_worker_open    tasker_worker_close   any number at once (poll from several is fine)
 *   tasker_step    tasker_worker_poll    tasker_step_complete, one at a time; different steps in different threads
 *                                        tasker_step_fail or tasker_step_release
 *   tasker_events  tasker_events_open    tasker_events_close   one at a time
 *   tasker_text    any call that has     tasker_text_free      read-only, any number
 *                  a ret_text
 *
 * Handlers are never called from a thread of ours. A worker *asks* for steps (tasker_worker_poll, or the descriptor of
 * tasker_worker_fd in your event loop) and *answers* (tasker_step_complete, tasker_step_fail). They run at least once:
 * a crash after the handler and before the commit repeats it. tasker_step_idempotency_key() is the same in each repeat.
 *
 * Conventions. Every fallible call returns 0 (or a count) or a negative TASKER_E_ code, and describes a failure in the
 * caller's `tasker_error` when one is given (NULL is fine). Outputs begin with ret_ and are untouched on failure. Text
 * is UTF-8; JSON is text with a length, kept as it is (numbers of any size keep every digit). Times are microseconds
 * since 1970 UTC unless the name says otherwise. Strings returned by accessors are borrowed from the handle they were
 * asked of.
 *
 * Fork. After fork() every handle of the parent answers TASKER_E_FORKED in the child; open new ones there.
 *
 * SQLite. Never open the engine's database file in the same process through another copy of the SQLite library: POSIX
 * file locks belong to the process, and closing that other copy would drop ours.
 */
#ifndef TASKER_H
#define TASKER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TASKER_VERSION "0.1.0"

#if defined(__GNUC__)
#define TASKER_CHECKED __attribute__((warn_unused_result))
#define TASKER_API __attribute__((visibility("default")))
#else
#define TASKER_CHECKED
#define TASKER_API
#endif

/* ------------------------------------------------------------------------------------------------------- errors */

/*
 * XX(NAME, number, text, HTTP status, may be retried, exit code of the command line). Numbers never change.
 */
#define TASKER_ERRORS(XX)                                                                             \
    XX(INVALID, -1, "invalid input", 400, 0, 65)                                                      \
    XX(NOT_FOUND, -2, "not found", 404, 0, 66)                                                        \
    XX(BUSY, -3, "busy, try again", 503, 1, 75)                                                       \
    XX(NOMEM, -4, "out of memory", 500, 1, 71)                                                        \
    XX(IO, -5, "input or output failed", 500, 1, 74)                                                  \
    XX(CONFLICT, -6, "conflicts with what is stored", 409, 0, 65)                                     \
    XX(STATE, -7, "not allowed in this state", 409, 0, 65)                                            \
    XX(DUPLICATE, -8, "an identical task exists", 409, 0, 65)                                         \
    XX(STALE, -9, "the step was taken away from this worker", 410, 0, 75)                             \
    XX(CLOSED, -10, "the handle is closing", 503, 0, 75)                                              \
    XX(FORKED, -11, "the handle belongs to the parent process", 500, 0, 70)                           \
    XX(TIMEOUT, -12, "timed out", 504, 1, 75)                                                         \
    XX(TOO_BIG, -13, "too big", 413, 0, 65)                                                           \
    XX(CONFIG, -14, "configuration error", 500, 0, 78)                                                \
    XX(SCHEMA, -15, "the database has another schema version", 500, 0, 78)                            \
    XX(UNSUPPORTED, -16, "not supported", 501, 0, 69)                                                 \
    XX(STORE, -17, "the database refused", 500, 1, 74)                                                \
    XX(BUG, -18, "internal error, please report", 500, 0, 70)

enum {
    TASKER_OK = 0,
#define XX(name, number, text, http, retry, exit) TASKER_E_##name = number,
    TASKER_ERRORS(XX)
#undef XX
};

/* What went wrong, where, and what to do. Caller's memory, no pointers inside, copy freely. */
typedef struct tasker_error {
    int code;          /* TASKER_E_..., 0 when empty */
    int line, column;  /* of `where` when it is a file, from 1; 0 when unknown */
    char where[192];   /* file name or JSON path, "" when unknown */
    char message[512]; /* one sentence */
    char remedy[256];  /* what to do about it, "" when there is nothing to say */
} tasker_error;

/* tasker_error_name returns "TASKER_E_BUSY" for TASKER_E_BUSY, "TASKER_E_UNKNOWN" for a number that is none. */
TASKER_API const char *tasker_error_name(int code);

/* tasker_error_text returns the one line of text of the code. */
TASKER_API const char *tasker_error_text(int code);

/* tasker_error_exit returns the process exit code that the command line uses for the code. */
TASKER_API int tasker_error_exit(int code);

/* tasker_version returns the version of the library that is loaded, which may be newer than TASKER_VERSION. */
TASKER_API const char *tasker_version(void);

/* --------------------------------------------------------------------------------------------------------- text */

/* A result: bytes with a length, also NUL-terminated. */
typedef struct tasker_text tasker_text;

TASKER_API const char *tasker_text_data(const tasker_text *text);
TASKER_API size_t tasker_text_size(const tasker_text *text);
TASKER_API void tasker_text_free(tasker_text *text); /* NULL is fine */

/* ----------------------------------------------------------------------------------------------- opening, engine */

typedef struct tasker tasker;

/*
 * tasker_open opens the database at `uri` and, when it is new, creates its tables. `uri` is "sqlite:path",
 * "sqlite::memory:" or "postgresql://...". `options` is a JSON object or NULL; unknown keys are errors:
 *
 *   "name"                        how this process is called in health and explain (default: host:pid)
 *   "environment"                 which `environments` section templates are merged with (default: TASKER_ENV, else
 *                                 "development")
 *   "migrate"                     true: create or upgrade tables (default); false: refuse another schema version
 *   "tables_only"                 true: the handle serves the operations db.status, db.check and db.migrate alone, on tables
 *                                 of any version, and opening it leaves them as they are (default false); "migrate" says
 *                                 whether a file that is not there is made
 *   "lease_seconds"               how long a silent engine keeps its tasks, 1 to 3600 (default 10)
 *   "max_concurrent_steps"        steps that run at once in this engine (default 0: as many as the workers take)
 *   "max_active_tasks"            tasks that this engine keeps in memory (default 4096), not counting those that
 *                                 wait for a worker of another process (up to 15 times as many)
 *   "lanes"                       threads that drive tasks, each with a connection of its own, 1 to 16 (default 1; SQLite
 *                                 has one writer and one lane). Limits and the places of workers count for all of them;
 *                                 tasks go in order of priority in each of them
 *   "class_limits"                {"HandlerClass": n, ...}: steps of a class that run at once in this engine
 *   "template_limits"             {"namespace/name": n, ...}: steps of a template's tasks that run at once
 *   "queue_limit"                 submissions and commands that may wait; beyond it they answer TASKER_E_BUSY
 *                                 (default 8192)
 *   "database_timeout_seconds"    how long submissions and commands wait for a database that does not take them: locked,
 *                                 read-only, full, away (default 30; 0: no limit)
 *   "default_step_timeout_seconds"  for templates that give none (default 0: no limit)
 *   "default_task_timeout_seconds"  likewise
 *   "start_row_delay_ms"          a step that finishes sooner writes its start and its end together (default 50)
 *   "poll_interval_ms"            how often an idle engine looks for the work of other processes (default 100)
 *   "max_crashes"                 crashes after which a task is set aside (default 5)
 *   "identity_strategy"           "default" (every submission is new) or "hash" (Rails' request hash)
 *
 * Blocks while it opens files. The handle starts no engine: it can submit, ask and command. `ret` is freed by
 * tasker_close.
 */
TASKER_API TASKER_CHECKED int tasker_open(const char *uri, const char *options, tasker **ret, tasker_error *err);

/*
 * tasker_start makes this process an engine: it takes free tasks of the database and runs their steps on the workers
 * opened here, or lends them to workers of other processes. `claim` 0 drives only what is submitted through this
 * handle. Calling it again changes `claim`.
 */
TASKER_API TASKER_CHECKED int tasker_start(tasker *t, int claim, tasker_error *err);

/*
 * tasker_drain stops handing out steps, waits up to `timeout_ms` for running handlers to answer, and gives all tasks
 * back, so that other engines go on at once. Steps still running then are handed back too (their workers see a
 * cancellation, and a late answer is refused). Returns 0 when everything had finished, 1 when steps were handed back.
 * TASKER_E_BUSY: all is given back but tasks of which another session has rows locked; their last answers are lost, and they
 * go on when they are free. TASKER_E_TIMEOUT: the database did not answer within 2 seconds more; they go on when the lease
 * has passed.
 */
TASKER_API TASKER_CHECKED int tasker_drain(tasker *t, int timeout_ms, tasker_error *err);

/*
 * tasker_close drains without waiting, stops the threads and frees the handle. NULL is fine. Workers, steps and
 * subscriptions of the handle must have been closed or answered before; text results may live on.
 */
TASKER_API void tasker_close(tasker *t);

/* ------------------------------------------------------------------------------------------------- tasks, calls */

/*
 * tasker_register reads a template (YAML or JSON) of `size` bytes, checks it and stores it. `file` names it in errors
 * and its folder is where exec handlers find their programs; NULL: none. With `replace` 0 other content under a known
 * namespace, name and version is TASKER_E_CONFLICT; the same content is always fine. `ret_text`, when not NULL, gets
 * {"namespace", "name", "version", "hash"}. On TASKER_E_INVALID, `ret_text` gets {"errors": [{"file", "line",
 * "column", "message"}]} with every error at once, and `err` the first of them. (The one exception to untouched
 * outputs.)
 */
TASKER_API TASKER_CHECKED int tasker_register(tasker *t, const char *text, size_t size, const char *file, int replace,
                                              tasker_text **ret_text, tasker_error *err);

/*
 * tasker_submit creates a task from `request`, a JSON object: "name" (required), "namespace" ("default"), "version"
 * ("0.1.0", or the newest when "latest"), "context" (an object), "initiator", "source_system", "reason", "tags",
 * "bypass_steps", "requested_at", "priority" ("critical", "high", "normal", "low"), "run_at" (ISO 8601),
 * "timeout_seconds", "identity" (custom identity, at most 128 characters), "identity_strategy", "if_exists" ("refuse",
 * or "return": the first task's id instead of TASKER_E_DUPLICATE). Returns once the task is durable; safe to call from
 * many threads, which then share commits.
 *
 * TASKER_E_BUSY: nothing was written and nothing will be; the queue is full, or the database took nothing for
 * "database_timeout_seconds", and `err` says why. TASKER_E_TIMEOUT: that time passed too, but the connection broke in the
 * middle, so that nobody knows: the task may exist, or come to exist when the database is back. The remedy in `err` has
 * its identity: a submission with that as "identity" can not make a second one. The time counts from when the database
 * was first asked; up to 6 seconds more are taken to learn the truth.
 */
TASKER_API TASKER_CHECKED int tasker_submit(tasker *t, const char *request, size_t size, int64_t *ret_task_id,
                                            tasker_error *err);

/* One request of tasker_submit_many; task_id and error are filled in. */
typedef struct tasker_submission {
    const char *request;
    size_t size;
    int64_t task_id;    /* 0 when refused (or, with a duplicate, the first task's id) */
    tasker_error error; /* code 0 when created */
} tasker_submission;

/*
 * tasker_submit_many submits `count` requests in few commits, waiting where the queue is full, and returns how many
 * were refused.
 */
TASKER_API TASKER_CHECKED int tasker_submit_many(tasker *t, tasker_submission *list, size_t count, tasker_error *err);

/*
 * tasker_wait blocks until the task is complete, in error, cancelled or resolved, at most `timeout_ms` (negative: for
 * ever), whoever runs it. Returns the state as text in ret_state (static). TASKER_E_TIMEOUT when it is not finished.
 */
TASKER_API TASKER_CHECKED int tasker_wait(tasker *t, int64_t task_id, int timeout_ms, const char **ret_state,
                                          tasker_error *err);

/*
 * tasker_call runs the operation `name` ("task.show", "step.retry", ... see tasker_operation) with `arguments`, a JSON
 * object (NULL: none), and returns its JSON result. Blocks on the database; commands (task.cancel, step.retry, ...) as
 * tasker_submit does, with the same two errors.
 */
TASKER_API TASKER_CHECKED int tasker_call(tasker *t, const char *name, const char *arguments, size_t size,
                                          tasker_text **ret_text, tasker_error *err);

/* An argument of an operation. */
typedef struct tasker_argument {
    const char *name;    /* NULL ends the list */
    const char *type;    /* "integer", "string", "boolean", "json", "document" (a JSON object,
                          * on a command line its file), "time", "duration", or a list: "integers", "strings" */
    const char *summary; /* one line */
    int required;
    int positional; /* its place on the command line, from 1; 0: given as --name */
} tasker_argument;

/* An operation: what command line, manual and bindings are made of. */
typedef struct tasker_operation_info {
    const char *name;       /* "task.show" */
    const char *summary;    /* one line */
    const char *permission; /* "tasker.task:show" */
    const tasker_argument *arguments;
} tasker_operation_info;

/* tasker_operation returns row `index` of the table of operations, NULL behind its end. Static data. */
TASKER_API const tasker_operation_info *tasker_operation(size_t index);

/* ------------------------------------------------------------------------------------------------------ workers */

typedef struct tasker_worker tasker_worker;
typedef struct tasker_step tasker_step;

/*
 * tasker_worker_open offers to run steps whose handler_class is one of `classes` (`class_count` of them), at most
 * `concurrency` at once. The handle's engine is started with claim 0 when tasker_start was not called: such a process
 * only serves the steps that other engines lend it.
 */
TASKER_API TASKER_CHECKED int tasker_worker_open(tasker *t, const char *const *classes, size_t class_count,
                                                 int concurrency, tasker_worker **ret, tasker_error *err);

/*
 * tasker_worker_fd returns a descriptor that is readable while tasker_worker_poll or tasker_worker_cancelled has
 * something to give. Wait for it in your loop; never read or close it.
 */
TASKER_API int tasker_worker_fd(const tasker_worker *w);

/*
 * tasker_worker_poll takes the next step. Waits up to `timeout_ms` (0: not at all, negative: for ever). Returns 1 with
 * a step, 0 when there is none, TASKER_E_CLOSED once the worker is closing. A step not answered when its timeout
 * passes is cancelled and recorded as failed, but holds its place in `concurrency` until it is answered.
 */
TASKER_API TASKER_CHECKED int tasker_worker_poll(tasker_worker *w, int timeout_ms, tasker_step **ret,
                                                 tasker_error *err);

/* tasker_worker_cancelled returns 1 and the token of a running step that should stop, each once; 0 when none. */
TASKER_API int tasker_worker_cancelled(tasker_worker *w, int64_t *ret_token);

/*
 * tasker_worker_close takes no more steps; what is handed out may still be answered, and the worker's memory lives
 * until the last step of it is. NULL is fine.
 */
TASKER_API void tasker_worker_close(tasker_worker *w);

/* Facts about a step; text is borrowed until the step is answered. JSON accessors give valid JSON, never NULL. */
TASKER_API int64_t tasker_step_token(const tasker_step *s);   /* names this hand-out */
TASKER_API int64_t tasker_step_id(const tasker_step *s);      /* workflow_step_id */
TASKER_API int64_t tasker_step_task_id(const tasker_step *s);
TASKER_API const char *tasker_step_name(const tasker_step *s);
TASKER_API const char *tasker_step_handler_class(const tasker_step *s);
TASKER_API const char *tasker_step_namespace(const tasker_step *s);
TASKER_API const char *tasker_step_task_name(const tasker_step *s);
TASKER_API const char *tasker_step_version(const tasker_step *s);
TASKER_API const char *tasker_step_directory(const tasker_step *s); /* the template's folder, "" when none */
TASKER_API int tasker_step_attempt(const tasker_step *s);           /* from 1 */
TASKER_API int tasker_step_retry_limit(const tasker_step *s);
TASKER_API int64_t tasker_step_timeout_ms(const tasker_step *s); /* 0: none */
TASKER_API const char *tasker_step_idempotency_key(const tasker_step *s);
TASKER_API const char *tasker_step_context(const tasker_step *s, size_t *ret_size); /* the task's context */
TASKER_API const char *tasker_step_config(const tasker_step *s, size_t *ret_size);  /* handler_config */
TASKER_API const char *tasker_step_inputs(const tasker_step *s, size_t *ret_size);
TASKER_API int tasker_step_cancel_requested(const tasker_step *s); /* any thread */

/* tasker_step_parent returns name and results of parent `index`, 0 behind the last. ret_results may be "null". */
TASKER_API int tasker_step_parent(const tasker_step *s, size_t index, const char **ret_name, const char **ret_results,
                                  size_t *ret_size);

/* tasker_step_result reads the results of any finished step of the same task, by name. Asks the database unless it is a
 * parent. TASKER_E_NOT_FOUND: no such step; TASKER_E_STATE: not finished. */
TASKER_API TASKER_CHECKED int tasker_step_result(const tasker_step *s, const char *name, tasker_text **ret_text,
                                                 tasker_error *err);

/*
 * tasker_step_document returns the whole input as one JSON object, the one that exec handlers read: {"task": {"id",
 * "namespace", "name", "version", "context"}, "step": {"name", "attempt", "retry_limit", "idempotency_key", "config",
 * "inputs"}, "parents": {name: results}}.
 */
TASKER_API TASKER_CHECKED int tasker_step_document(const tasker_step *s, tasker_text **ret_text, tasker_error *err);

/*
 * tasker_step_complete answers with `results` (JSON; NULL: null) and frees the step. `log`, NULL or text, is kept with
 * the attempt (its last 16 KiB). TASKER_E_INVALID: not JSON; the step is *not* freed, answer again (e.g. fail it).
 * TASKER_E_STALE: the step was cancelled, timed out or given to somebody else; freed, the result is refused.
 */
TASKER_API TASKER_CHECKED int tasker_step_complete(tasker_step *s, const char *results, size_t size, const char *log,
                                                   size_t log_size, tasker_error *err);

/* What a handler says of its failure. Zero everything, then set what you know; all text is copied. */
typedef struct tasker_failure {
    const char *message;     /* what happened */
    const char *error_class; /* e.g. the exception's class */
    const char *backtrace;   /* or NULL */
    const char *category;    /* one of "permanent", "transient", "timeout", "rate_limit", "network", "configuration",
                                "resource_exhaustion", "dependency_failure", "state_inconsistency", "unknown"; NULL:
                                found from the rest */
    const char *code;        /* the handler's own code, or NULL */
    const char *retry_after; /* seconds, or an HTTP date, as the header says it; or NULL */
    int permanent;           /* 1: never try again */
    const char *log;         /* kept with the attempt, or NULL */
    size_t log_size;
} tasker_failure;

/* tasker_step_fail answers with a failure and frees the step (also on TASKER_E_STALE). */
TASKER_API TASKER_CHECKED int tasker_step_fail(tasker_step *s, const tasker_failure *failure, tasker_error *err);

/* tasker_step_release hands the step back unrun: no attempt is used up, another worker may take it. Frees the step. */
TASKER_API TASKER_CHECKED int tasker_step_release(tasker_step *s, tasker_error *err);

/*
 * tasker_step_heartbeat says that the handler is alive; `progress` is JSON or NULL and is published. Returns 1 when the
 * handler should stop (cancelled, timed out, engine draining), else 0.
 */
TASKER_API TASKER_CHECKED int tasker_step_heartbeat(tasker_step *s, const char *progress, size_t size,
                                                    tasker_error *err);

/* ------------------------------------------------------------------------------------------------------- events */

typedef struct tasker_events tasker_events;

/*
 * tasker_events_open subscribes. `patterns` is a comma-separated list of names ("task.completed"), where "*" stands for
 * any rest or beginning ("step.*", "*.failed"); NULL: all. `from`:
 *   NULL or "live"  what happens in this process from now on, every event. A subscriber that is slow loses the oldest
 *                   beyond 65,536 and is told by an event "events.lost" {"count"}; it can not slow the engine.
 *   "now"           the durable log of the whole database from now on: one event per state transition, at least once,
 *                   in order per task, whichever process made it.
 *   "start"         the durable log from its beginning.
 *   a cursor        the durable log behind an event whose "cursor" this is.
 */
TASKER_API TASKER_CHECKED int tasker_events_open(tasker *t, const char *patterns, const char *from, tasker_events **ret,
                                                 tasker_error *err);

/*
 * tasker_events_next waits up to `timeout_ms` (negative: for ever) for the next event. Returns 1 with a JSON object
 * {"event", "task_id", "timestamp", ...; "cursor" in the durable log}, 0 when there is none yet.
 */
TASKER_API TASKER_CHECKED int tasker_events_next(tasker_events *e, int timeout_ms, tasker_text **ret_text,
                                                 tasker_error *err);

/* tasker_events_close ends the subscription. NULL is fine. */
TASKER_API void tasker_events_close(tasker_events *e);

#ifdef __cplusplus
}
#endif
#endif
