// SPDX-License-Identifier: MIT
// worker.c - workers and steps: what a handler is told, and how it answers.
//
// A step is a thin cover over a hand-out of the engine; every text it gives is borrowed from there.
// Answers free it, also when they come too late. Only an answer that could not be given at all (not
// JSON, too big, no memory) leaves it alive.
#include <stdio.h>
#include <string.h>

#include "api/api.h"

#define LOG_MAX ((size_t)16 << 10)     // the last bytes of a log are kept
#define RESULTS_MAX ((size_t)16 << 20) // bytes of a step's results
#define MESSAGE_MAX ((size_t)16 << 10) // the first bytes of a failure's texts are kept
#define BACKTRACE_MAX ((size_t)64 << 10)
#define NAME_MAX_BYTES ((size_t)512)
#define KEY_SIZE 640 // database id (36), task id (20), step name (128 characters of up to 4 bytes)

struct tasker_worker {
    struct tasker *t;
    struct worker *worker;
    struct list link; // in tasker.workers
};

struct tasker_step {
    struct tasker *t;
    struct handout *h;
    char key[KEY_SIZE];
};

// ---- workers

int tasker_worker_open(tasker *t, const char *const *classes, size_t class_count, int concurrency,
                       tasker_worker **ret, tasker_error *err)
{
    int rc = tasker_alive(t, err);

    if (rc < 0)
        return rc;
    if (concurrency < 1)
        return err_set(err, TASKER_E_INVALID, "concurrency must be 1 or more");
    if (class_count < 1)
        return err_set(err, TASKER_E_INVALID, "a worker must serve a handler class");
    for (size_t i = 0; i < class_count; i++)
        if (classes[i] == NULL || classes[i][0] == '\0')
            return err_set(err, TASKER_E_INVALID, "handler class %zu has no name", i);

    tasker_worker *w = mem_alloc(sizeof(*w));
    if (w == NULL)
        return err_nomem(err);
    w->t = t;
    pthread_mutex_lock(&t->lock);
    if (!t->started)
        rc = engine_start(t->engine, false, err);
    t->started = t->started || rc == 0;
    if (rc == 0)
        rc = engine_worker_open(t->engine, classes, class_count, concurrency, &w->worker, err);
    if (rc == 0)
        list_push(&t->workers, &w->link);
    pthread_mutex_unlock(&t->lock);
    if (rc < 0) {
        mem_free(w);
        return rc;
    }
    *ret = w;
    return 0;
}

int tasker_worker_fd(const tasker_worker *w)
{
    int rc = w == NULL ? TASKER_E_INVALID : tasker_alive(w->t, NULL);

    return rc < 0 ? rc : engine_worker_fd(w->worker);
}

static void make_key(tasker_step *s)
{
    snprintf(s->key, sizeof(s->key), "%s/%lld/%s", engine_database_id(s->t->engine),
             (long long)s->h->task_id, tasker_step_name(s));
}

int tasker_worker_poll(tasker_worker *w, int timeout_ms, tasker_step **ret, tasker_error *err)
{
    int rc =
        w == NULL ? err_set(err, TASKER_E_INVALID, "no worker was given") : tasker_alive(w->t, err);

    if (rc < 0)
        return rc;
    // The cover is made first: a step that was taken can then always be handed on.
    tasker_step *s = mem_alloc(sizeof(*s));
    if (s == NULL)
        return err_nomem(err);
    s->t = w->t;
    rc = engine_worker_poll(w->worker, timeout_ms, &s->h, err);
    if (rc <= 0) {
        mem_free(s);
        return rc;
    }
    make_key(s);
    *ret = s;
    return 1;
}

int tasker_worker_cancelled(tasker_worker *w, int64_t *ret_token)
{
    int rc = w == NULL ? TASKER_E_INVALID : tasker_alive(w->t, NULL);

    return rc < 0 ? rc : engine_worker_stop_next(w->worker, ret_token);
}

void tasker_worker_close(tasker_worker *w)
{
    if (w == NULL || tasker_alive(w->t, NULL) == TASKER_E_FORKED)
        return;
    engine_worker_close(w->worker);
}

void workers_done(struct tasker *t)
{
    struct list *node;

    while ((node = list_pop(&t->workers)) != NULL)
        mem_free(container_of(node, struct tasker_worker, link));
}

// ---- facts about a step

static const struct template_step *step_of(const tasker_step *s)
{
    return &s->h->tpl->steps[s->h->step];
}

int64_t tasker_step_token(const tasker_step *s)
{
    return s->h->token;
}

int64_t tasker_step_id(const tasker_step *s)
{
    return s->h->step_id;
}

int64_t tasker_step_task_id(const tasker_step *s)
{
    return s->h->task_id;
}

const char *tasker_step_name(const tasker_step *s)
{
    return step_of(s)->name;
}

const char *tasker_step_handler_class(const tasker_step *s)
{
    return step_of(s)->handler_class;
}

const char *tasker_step_namespace(const tasker_step *s)
{
    return s->h->tpl->namespace_name;
}

const char *tasker_step_task_name(const tasker_step *s)
{
    return s->h->tpl->name;
}

const char *tasker_step_version(const tasker_step *s)
{
    return s->h->tpl->version;
}

const char *tasker_step_directory(const tasker_step *s)
{
    return s->h->tpl->directory == NULL ? "" : s->h->tpl->directory;
}

int tasker_step_attempt(const tasker_step *s)
{
    return s->h->attempt;
}

int tasker_step_retry_limit(const tasker_step *s)
{
    return s->h->retry_limit;
}

int64_t tasker_step_timeout_ms(const tasker_step *s)
{
    return (s->h->timeout_us + US_PER_MS - 1) / US_PER_MS;
}

const char *tasker_step_idempotency_key(const tasker_step *s)
{
    return s->key;
}

static const char *give(struct span text, const char *otherwise, size_t *ret_size)
{
    if (text.len == 0)
        text = span_of(otherwise);
    if (ret_size != NULL)
        *ret_size = text.len;
    return text.p;
}

static struct span blob_span(const struct blob *b)
{
    return b == NULL ? (struct span){NULL, 0} : (struct span){b->data, b->size};
}

const char *tasker_step_context(const tasker_step *s, size_t *ret_size)
{
    return give(blob_span(s->h->context), "{}", ret_size);
}

const char *tasker_step_config(const tasker_step *s, size_t *ret_size)
{
    return give(step_of(s)->config, "{}", ret_size);
}

const char *tasker_step_inputs(const tasker_step *s, size_t *ret_size)
{
    return give(blob_span(s->h->inputs == NULL ? s->h->context : s->h->inputs), "{}", ret_size);
}

int tasker_step_cancel_requested(const tasker_step *s)
{
    return __atomic_load_n(&s->h->stop, __ATOMIC_ACQUIRE);
}

int tasker_step_parent(const tasker_step *s, size_t index, const char **ret_name,
                       const char **ret_results, size_t *ret_size)
{
    const struct handout *h = s->h;

    if (index >= h->parent_count)
        return 0;
    *ret_name = h->tpl->steps[step_of(s)->parents[index]].name;
    *ret_results = give(blob_span(h->parents[index]), "null", ret_size);
    return 1;
}

static bool is_parent(const tasker_step *s, const char *name, size_t *ret_index)
{
    const char *parent, *results;

    for (size_t i = 0; tasker_step_parent(s, i, &parent, &results, NULL) == 1; i++) {
        if (strcmp(parent, name) == 0) {
            *ret_index = i;
            return true;
        }
    }
    return false;
}

int tasker_step_result(const tasker_step *s, const char *name, tasker_text **ret_text,
                       tasker_error *err)
{
    struct blob *results = NULL;
    size_t index;
    int rc = tasker_alive(s->t, err);

    if (rc < 0)
        return rc;
    if (name == NULL || template_find_step(s->h->tpl, span_of(name)) < 0)
        return err_set(err, TASKER_E_NOT_FOUND, "the task has no step \"%s\"",
                       name == NULL ? "" : name);
    if (is_parent(s, name, &index))
        results = blob_ref(s->h->parents[index]);
    else
        rc = engine_step_result(s->t->engine, s->h->task_id, name, &results, err);
    return rc < 0 ? rc : text_from_blob(results, ret_text, err);
}

// ---- the whole input as one document

static void document_task(struct buf *out, const tasker_step *s)
{
    size_t n;
    const char *context = tasker_step_context(s, &n);

    jw_key(out, "task");
    jw_open(out, '{');
    jw_kint(out, "id", tasker_step_task_id(s));
    jw_kstr(out, "namespace", tasker_step_namespace(s));
    jw_kstr(out, "name", tasker_step_task_name(s));
    jw_kstr(out, "version", tasker_step_version(s));
    jw_kraw(out, "context", context, n);
    jw_close(out, '}');
}

static void document_step(struct buf *out, const tasker_step *s)
{
    size_t n;

    jw_key(out, "step");
    jw_open(out, '{');
    jw_kstr(out, "name", tasker_step_name(s));
    jw_kint(out, "attempt", tasker_step_attempt(s));
    jw_kint(out, "retry_limit", tasker_step_retry_limit(s));
    jw_kstr(out, "idempotency_key", tasker_step_idempotency_key(s));
    const char *config = tasker_step_config(s, &n);
    jw_kraw(out, "config", config, n);
    const char *inputs = tasker_step_inputs(s, &n);
    jw_kraw(out, "inputs", inputs, n);
    jw_close(out, '}');
}

int tasker_step_document(const tasker_step *s, tasker_text **ret_text, tasker_error *err)
{
    const char *name, *results;
    size_t n;
    int rc = tasker_alive(s->t, err);

    if (rc < 0)
        return rc;
    CLEANUP(buf_done) struct buf out;
    buf_init(&out, (size_t)1 << 30);
    jw_open(&out, '{');
    document_task(&out, s);
    document_step(&out, s);
    jw_key(&out, "parents");
    jw_open(&out, '{');
    for (size_t i = 0; tasker_step_parent(s, i, &name, &results, &n) == 1; i++)
        jw_kraw(&out, name, results, n);
    jw_close(&out, '}');
    jw_close(&out, '}');
    return text_from_buf(&out, ret_text, err);
}

// ---- answers

static bool continues(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

// The last `max` bytes of a text, beginning at a character.
static struct span tail(const char *p, size_t n, size_t max)
{
    size_t at = p != NULL && n > max ? n - max : 0;

    while (at > 0 && at < n && continues(p[at]))
        at++;
    return p == NULL || n == 0 ? (struct span){NULL, 0} : (struct span){p + at, n - at};
}

// The first `max` bytes of a text, ending between two characters.
static struct span head(const char *text, size_t max)
{
    struct span s = span_of(text);

    if (s.len <= max)
        return s;
    for (s.len = max; s.len > 0 && continues(s.p[s.len]); s.len--)
        ;
    return s;
}

// Every answer but one that found no memory has freed the hand-out, and the step goes with it.
static int answered(tasker_step *s, int rc)
{
    if (rc != TASKER_E_NOMEM)
        mem_free(s);
    return rc;
}

int tasker_step_complete(tasker_step *s, const char *results, size_t size, const char *log,
                         size_t log_size, tasker_error *err)
{
    struct blob *blob = NULL;
    int rc = tasker_alive(s->t, err);

    if (rc < 0)
        return rc;
    if (results != NULL && size > RESULTS_MAX)
        return err_set(err, TASKER_E_TOO_BIG, "results of %zu bytes are over the limit of %zu",
                       size, RESULTS_MAX);
    if (results != NULL) {
        rc = json_check((struct span){results, size}, NULL, err);
        if (rc < 0)
            return rc;
        blob = blob_new(results, size);
        if (blob == NULL)
            return err_nomem(err);
    }
    return answered(s, engine_complete(s->h, blob, tail(log, log_size, LOG_MAX), err));
}

int tasker_step_fail(tasker_step *s, const tasker_failure *failure, tasker_error *err)
{
    static const tasker_failure nothing;
    const tasker_failure *f = failure == NULL ? &nothing : failure;
    int rc = tasker_alive(s->t, err);

    if (rc < 0)
        return rc;
    struct failure what = {
        .cause = CAUSE_HANDLER,
        .message = head(f->message, MESSAGE_MAX),
        .error_class = head(f->error_class, NAME_MAX_BYTES),
        .backtrace = head(f->backtrace, BACKTRACE_MAX),
        .category = span_of(f->category),
        .code = head(f->code, NAME_MAX_BYTES),
        .retry_after = head(f->retry_after, NAME_MAX_BYTES),
        .log = tail(f->log, f->log_size, LOG_MAX),
        .permanent = f->permanent != 0,
    };
    return answered(s, engine_fail(s->h, &what, err));
}

int tasker_step_release(tasker_step *s, tasker_error *err)
{
    int rc = tasker_alive(s->t, err);

    if (rc < 0)
        return rc;
    return answered(s, engine_release(s->h, err));
}

int tasker_step_heartbeat(tasker_step *s, const char *progress, size_t size, tasker_error *err)
{
    struct span text = {progress, progress == NULL ? 0 : size};
    int rc = tasker_alive(s->t, err);

    if (rc == 0 && progress != NULL)
        rc = json_check(text, NULL, err);
    return rc < 0 ? rc : engine_heartbeat(s->h, text, err);
}
