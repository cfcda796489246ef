// SPDX-License-Identifier: MIT
// tasker.c - the life of a handle: open, start, drain, close, and waiting for a task; registering
// templates.
//
// Everything else of the public header stands in submit.c, worker.c, events.c and ops.c.
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "api/api.h"

#define WAIT_SLICE_MS 50 // how soon the work of another process is noticed
#define EAGER_QUESTIONS 32

const char *tasker_version(void)
{
    return TASKER_VERSION;
}

int tasker_alive_at_all(const tasker *t, tasker_error *err)
{
    if (t == NULL)
        return err_set(err, TASKER_E_INVALID, "no handle was given");
    return engine_alive(t->engine, err);
}

int tasker_alive(const tasker *t, tasker_error *err)
{
    int rc = tasker_alive_at_all(t, err);

    if (rc == 0 && engine_options(t->engine)->tables_only)
        rc = err_set(err, TASKER_E_INVALID, "this handle was opened for the tables only");
    return rc;
}

int tasker_open(const char *uri, const char *options, tasker **ret, tasker_error *err)
{
    if (uri == NULL)
        return err_set(err, TASKER_E_INVALID, "no database was given");

    struct tasker *t = mem_alloc(sizeof(*t));
    if (t == NULL)
        return err_nomem(err);
    struct engine_options o;
    engine_options_init(&o);
    int rc = options_parse(options, &o, err);
    if (rc == 0)
        rc = engine_open(uri, &o, &t->engine, err);
    engine_options_done(&o);
    if (rc < 0) {
        mem_free(t);
        return rc;
    }
    pthread_mutex_init(&t->lock, NULL);
    list_init(&t->workers);
    *ret = t;
    return 0;
}

int tasker_start(tasker *t, int claim, tasker_error *err)
{
    int rc = tasker_alive(t, err);

    if (rc < 0)
        return rc;
    pthread_mutex_lock(&t->lock);
    rc = engine_start(t->engine, claim != 0, err);
    t->started = t->started || rc == 0;
    pthread_mutex_unlock(&t->lock);
    return rc;
}

int tasker_drain(tasker *t, int timeout_ms, tasker_error *err)
{
    int rc = tasker_alive(t, err);

    return rc < 0 ? rc : engine_drain(t->engine, timeout_ms, err);
}

void tasker_close(tasker *t)
{
    // A forked child owns none of the threads and locks behind the handle; its memory is left
    // alone.
    if (t == NULL || engine_alive(t->engine, NULL) == TASKER_E_FORKED)
        return;
    engine_close(t->engine);
    workers_done(t);
    schemas_done(t);
    pthread_mutex_destroy(&t->lock);
    mem_free(t);
}

static int task_state(struct tasker *t, int64_t task_id, enum state *ret, tasker_error *err)
{
    CLEANUP(arena_done) struct arena arena;
    CLEANUP(buf_done) struct buf out;
    char text[64];
    const struct json *args, *answer;

    arena_init(&arena);
    buf_init(&out, RESULT_MAX);
    int n = snprintf(text, sizeof(text), "{\"task_id\":%lld}", (long long)task_id);
    int rc = json_parse(&arena, (struct span){text, (size_t)n}, &args, err);
    if (rc == 0)
        rc = engine_query(t->engine, "task.state", args, &out, err);
    if (rc == 0 && buf_failed(&out))
        rc = buf_error(&out, "the state", err);
    if (rc == 0)
        rc = json_parse(&arena, buf_view(&out), &answer, err);
    if (rc < 0)
        return rc;

    const struct json *state = json_get(answer, "state");
    enum state found = state == NULL ? ST_NONE : state_from_name(state->str);
    if (found == ST_NONE)
        return err_set(err, TASKER_E_BUG, "task %lld is in no known state", (long long)task_id);
    *ret = found;
    return 0;
}

// A busy engine makes thousands of turns a second. Who has asked often already asks once a
// millisecond at most, so that waiting does not take the database's time.
static void pace(unsigned *asked, int64_t *last_us)
{
    int64_t wait = *last_us + US_PER_MS - clock_monotonic_us();

    if (++*asked > EAGER_QUESTIONS && wait > 0)
        (void)nanosleep(&(struct timespec){.tv_nsec = wait * 1000}, NULL);
    *last_us = clock_monotonic_us();
}

static int64_t left_ms(int64_t deadline)
{
    int64_t left = deadline - clock_monotonic_us();
    return left <= 0 ? 0 : (left + US_PER_MS - 1) / US_PER_MS;
}

int task_wait(struct tasker *t, int64_t task_id, int timeout_ms, enum state *ret_state,
              tasker_error *err)
{
    int64_t deadline = clock_monotonic_us() + (int64_t)timeout_ms * US_PER_MS;
    uint64_t seen = 0;
    unsigned asked = 0;
    int64_t last_us = 0;

    // The turn is noted before the question: what happens in between ends the next wait at once.
    engine_wait_turn(t->engine, &seen, 0);
    for (;;) {
        enum state state = ST_PENDING;
        pace(&asked, &last_us);
        int rc = tasker_alive(t, err);
        if (rc == 0)
            rc = task_state(t, task_id, &state, err);
        if (rc < 0)
            return rc;
        *ret_state = state;
        if (task_state_final(state))
            return 0;
        int64_t left = timeout_ms < 0 ? WAIT_SLICE_MS : left_ms(deadline);
        if (left == 0)
            return err_set(err, TASKER_E_TIMEOUT, "task %lld is still %s", (long long)task_id,
                           state_names[state]);
        engine_wait_turn(t->engine, &seen, (int)(left < WAIT_SLICE_MS ? left : WAIT_SLICE_MS));
    }
}

int tasker_wait(tasker *t, int64_t task_id, int timeout_ms, const char **ret_state,
                tasker_error *err)
{
    enum state state;
    int rc = tasker_alive(t, err);

    if (rc == 0)
        rc = task_wait(t, task_id, timeout_ms, &state, err);
    if (rc == 0 && ret_state != NULL)
        *ret_state = state_names[state];
    return rc;
}

static void write_findings(struct buf *out, const char *file, const struct template_errors *errors)
{
    jw_open(out, '{');
    jw_key(out, "errors");
    jw_open(out, '[');
    for (const struct template_error *e = errors->first; e != NULL; e = e->next) {
        jw_open(out, '{');
        jw_kstr(out, "file", file);
        jw_kint(out, "line", e->line);
        jw_kint(out, "column", e->column);
        jw_kstr(out, "message", e->message);
        jw_close(out, '}');
    }
    jw_close(out, ']');
    jw_close(out, '}');
}

int register_template(struct tasker *t, struct span text, const char *file, bool replace,
                      struct buf *out, tasker_error *err)
{
    struct template_errors errors;
    struct template *tpl = NULL;

    template_errors_init(&errors);
    int rc = template_read(text, file, engine_options(t->engine)->environment, &tpl, &errors, err);
    if (rc == TASKER_E_INVALID)
        write_findings(out, file, &errors);
    template_errors_done(&errors);
    if (rc < 0)
        return rc;

    rc = engine_register(t->engine, tpl, replace, err);
    if (rc == 0) {
        jw_open(out, '{');
        jw_kstr(out, "namespace", tpl->namespace_name);
        jw_kstr(out, "name", tpl->name);
        jw_kstr(out, "version", tpl->version);
        jw_kstr(out, "hash", tpl->hash);
        jw_close(out, '}');
    }
    template_unref(tpl);
    return rc;
}

int tasker_register(tasker *t, const char *text, size_t size, const char *file, int replace,
                    tasker_text **ret_text, tasker_error *err)
{
    int rc = tasker_alive(t, err);

    if (rc < 0)
        return rc;
    CLEANUP(buf_done) struct buf out;
    buf_init(&out, RESULT_MAX);
    rc = register_template(t, (struct span){text, size}, file, replace != 0, &out, err);
    if (ret_text == NULL || (rc < 0 && (rc != TASKER_E_INVALID || out.len == 0)))
        return rc;
    // Findings that cannot be handed out leave the first of them in `err`.
    int made = text_from_buf(&out, ret_text, rc == 0 ? err : NULL);
    return rc < 0 ? rc : made;
}
