// SPDX-License-Identifier: MIT
// start.c - `tasker start`: an engine with the exec worker, until a signal or until nothing is left
// to do.
//
// A first signal drains: nothing new is handed out, running steps may finish for --drain-seconds,
// the rest is handed back. The drain waits in a thread of its own, so that a second signal can
// still be heard; that one hands everything back at once and kills what runs.
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "worker/exec.h"

#define SLICE_MS 100  // how soon a signal is noticed
#define IDLE_SHARE 10 // --until-idle spends at most this share of its time on asking

const struct option start_options[] = {
    {"concurrency", "N", "programs that run at once (default: twice the processors)"},
    {"lanes", "N", "connections that work at once on PostgreSQL, 1 to 16 (default: 1)"},
    {"limit", "WHAT=N",
     "steps at once: class:NAME=N, template:NAMESPACE/NAME=N, or steps=N; may be repeated"},
    {"lease", "SECONDS", "how long a silent engine keeps its tasks, 1 to 3600 (default: 10)"},
    {"name", "NAME", "how this engine is called (default: host:pid)"},
    {"drain-seconds", "SECONDS", "how long running steps may take to finish (default: 30)"},
    {"until-idle", NULL, "end when nothing is left that could run"},
    {"verbose", NULL, "a line for every step, not only for failures"},
    {NULL, NULL, NULL},
};

struct start {
    struct cli *c;
    tasker *t;
    struct exec *exec;
    tasker_events *events;
    int drain_ms;
    bool until_idle, verbose;
    int64_t ask_at; // when --until-idle asks again, monotonic
    uint64_t complete, error, cancelled;
    int64_t unserved; // tasks that wait for workers which nobody has opened, when idle
    int signal;
};

// ---- options

static int limit_error(const char *text, tasker_error *err)
{
    return err_set(
        err, TASKER_E_INVALID,
        "--limit must be class:NAME=N, template:NAMESPACE/NAME=N or steps=N, not \"%.80s\"", text);
}

// Appends the limits whose text begins with `prefix` as members of an object.
static int add_limits(const struct args *a, const char *prefix, const char *key, struct buf *out,
                      tasker_error *err)
{
    size_t n = strlen(prefix);
    bool any = false;

    for (size_t i = 0; i < a->option_count; i++) {
        const char *text = a->options[i].value, *equals = strrchr(text, '=');
        char *end, name[544];
        if (strcmp(a->options[i].option->name, "limit") != 0 || strncmp(text, prefix, n) != 0)
            continue;
        long count = equals != NULL ? strtol(equals + 1, &end, 10) : 0;
        if (equals == NULL || end == equals + 1 || *end != '\0' || count < 0 || count > 1000000 ||
            (size_t)(equals - text) >= sizeof(name) || equals < text + n)
            return limit_error(text, err);
        if (!any && key != NULL) {
            jw_key(out, key);
            jw_open(out, '{');
        }
        any = true;
        snprintf(name, sizeof(name), "%.*s",
                 (int)(equals - text - (key != NULL ? (ptrdiff_t)n : 0)),
                 text + (key != NULL ? n : 0));
        jw_kint(out, key != NULL ? name : "max_concurrent_steps", count);
    }
    if (any && key != NULL)
        jw_close(out, '}');
    return 0;
}

static int check_limits(const struct args *a, tasker_error *err)
{
    static const char *const known[] = {"class:", "template:", "steps="};

    for (size_t i = 0; i < a->option_count; i++) {
        const char *text = a->options[i].value;
        bool good = strcmp(a->options[i].option->name, "limit") != 0;
        for (size_t k = 0; k < ARRAY_SIZE(known); k++)
            good = good || strncmp(text, known[k], strlen(known[k])) == 0;
        if (!good)
            return limit_error(text, err);
    }
    return 0;
}

static int make_options(const struct args *a, struct buf *out, tasker_error *err)
{
    const char *name = args_value(a, "name");
    int64_t lease = 0, lanes = 0;

    int rc = args_number(a, "lease", 1, 3600, &lease, err);
    if (rc == 0)
        rc = args_number(a, "lanes", 1, 16, &lanes, err);
    if (rc == 0)
        rc = check_limits(a, err);
    if (rc == 0)
        rc = add_limits(a, "class:", "class_limits", out, err);
    if (rc == 0)
        rc = add_limits(a, "template:", "template_limits", out, err);
    if (rc == 0)
        rc = add_limits(a, "steps", NULL, out, err);
    if (rc < 0)
        return rc;
    if (lease > 0)
        jw_kint(out, "lease_seconds", lease);
    if (lanes > 0)
        jw_kint(out, "lanes", lanes);
    if (name != NULL)
        jw_kstr(out, "name", name);
    return buf_failed(out) ? err_nomem(err) : 0;
}

// ---- while it runs

static void see_event(struct start *s, const struct json *event)
{
    struct span name = json_text(event, "event");
    bool failed = span_is(name, "task.failed");

    s->complete += span_is(name, "task.completed");
    s->error += failed;
    s->cancelled += span_is(name, "task.cancelled");
    if (s->verbose || failed)
        progress_print(s->c, event, true);
}

static int next_event(struct start *s, int timeout_ms, tasker_error *err)
{
    CLEANUP(arena_done) struct arena arena;
    const struct json *event;
    tasker_text *text;

    arena_init(&arena);
    int rc = tasker_events_next(s->events, timeout_ms, &text, err);
    if (rc <= 0)
        return rc;
    rc = json_parse(&arena, (struct span){tasker_text_data(text), tasker_text_size(text)}, &event,
                    err);
    if (rc == 0)
        see_event(s, event);
    tasker_text_free(text);
    return rc < 0 ? rc : 1;
}

static int64_t count_of(const struct json *health, const char *key)
{
    const struct json *database = json_get(health, "database"), *v = json_get(health, key);
    int64_t n = -1;

    if (v == NULL)
        v = json_get(database, key);
    if (v == NULL)
        v = json_get(json_get(database, "queue"), key);
    return v != NULL && json_int(v, &n) ? n : -1;
}

// 1: nothing is left that could run, whoever would run it.
static int is_idle(struct start *s, tasker_error *err)
{
    CLEANUP(arena_done) struct arena arena;
    const struct json *health;
    tasker_text *text;

    arena_init(&arena);
    int rc = cli_call(s->t, "health.status", NULL, &arena, &text, &health, err);
    if (rc < 0)
        return rc;
    int64_t unfinished = count_of(health, "unfinished"),
            unservable = count_of(health, "unservable");
    tasker_text_free(text);
    if (unfinished < 0 || unservable < 0)
        return err_set(err, TASKER_E_BUG,
                       "health.status does not count unfinished and unservable tasks");
    s->unserved = unservable;
    return unfinished <= unservable;
}

static int serve(struct start *s, tasker_error *err)
{
    while ((s->signal = signals_pending()) == 0) {
        int rc = next_event(s, SLICE_MS, err);
        if (rc < 0)
            return rc;
        // As long as something happens there is no need to ask, and the answer costs more the
        // longer the history is.
        int64_t before = clock_monotonic_us();
        if (rc > 0 || !s->until_idle || before < s->ask_at)
            continue;
        rc = is_idle(s, err);
        if (rc != 0)
            return rc < 0 ? rc : 0;
        int64_t now = clock_monotonic_us();
        s->ask_at = now + (now - before) * IDLE_SHARE;
    }
    return 0;
}

// ---- the end

struct drain {
    tasker *t;
    int timeout_ms;
    int rc;
    tasker_error err;
    atomic_bool done;
};

static void *drain_thread(void *arg)
{
    struct drain *d = arg;

    d->rc = tasker_drain(d->t, d->timeout_ms, &d->err);
    atomic_store(&d->done, true);
    return NULL;
}

// Returns what tasker_drain does.
static int drain(struct start *s, tasker_error *err)
{
    struct drain d = {.t = s->t, .timeout_ms = s->drain_ms};
    pthread_t thread;
    int number;

    if (pthread_create(&thread, NULL, drain_thread, &d) != 0)
        return tasker_drain(s->t, d.timeout_ms, err);
    while (!atomic_load(&d.done)) {
        if (!signals_wait(SLICE_MS / 5, &number))
            continue;
        note(s->c, "stopping at once");
        exec_abort(s->exec);
        (void)!tasker_drain(s->t, 0, NULL);
    }
    pthread_join(thread, NULL);
    if (d.rc < 0)
        *err = d.err;
    return d.rc;
}

static void report(const struct start *s, int handed_back)
{
    const char *reason = s->signal != 0 ? "signal" : "idle";

    if (s->c->json)
        printf("{\"reason\":\"%s\",\"handed_back\":%s,\"complete\":%llu,\"error\":%llu,"
               "\"cancelled\":%llu}\n",
               reason, handed_back > 0 ? "true" : "false", (unsigned long long)s->complete,
               (unsigned long long)s->error, (unsigned long long)s->cancelled);
    else if (s->signal == 0 && s->unserved > 0)
        note(s->c, "%lld tasks wait for handlers that nobody serves: tasker health",
             (long long)s->unserved);
    if (!s->c->json)
        note(s->c, "stopped (%s)%s: %llu tasks complete, %llu in error, %llu cancelled", reason,
             handed_back > 0 ? ", running steps were handed back" : "",
             (unsigned long long)s->complete, (unsigned long long)s->error,
             (unsigned long long)s->cancelled);
}

static int run_engine(struct start *s, int concurrency)
{
    tasker_error err;

    int rc =
        tasker_events_open(s->t, s->verbose ? "step.*,task.*" : "task.*", NULL, &s->events, &err);
    if (rc == 0)
        rc = exec_start(s->t, concurrency, &s->exec, &err);
    if (rc == 0)
        rc = tasker_start(s->t, 1, &err);
    if (rc == 0) {
        note(s->c, "engine started on %s, %d programs at once", s->c->db, concurrency);
        rc = serve(s, &err);
        if (rc == 0 && s->signal != 0)
            note(s->c, "draining, at most %d s; another signal stops at once",
                 (s->drain_ms + 999) / 1000);
        int drained = drain(s, rc < 0 ? &(tasker_error){0} : &err);
        rc = rc < 0 ? rc : drained;
        while (next_event(s, 0, &(tasker_error){0}) > 0)
            ;
    }
    if (rc < 0)
        return fail(s->c, &err);
    report(s, rc);
    return 0;
}

int command_start(struct cli *c)
{
    CLEANUP(buf_done) struct buf options;
    int64_t concurrency = default_concurrency();
    struct start s = {.c = c, .drain_ms = 30000};
    struct trouble trouble;
    tasker_error err;

    buf_init(&options, 1 << 16);
    s.until_idle = args_flag(&c->args, "until-idle");
    s.verbose = args_flag(&c->args, "verbose");
    int rc = args_number(&c->args, "concurrency", 1, 100000, &concurrency, &err);
    if (rc == 0)
        rc = args_milliseconds(&c->args, "drain-seconds", &s.drain_ms, &err);
    if (rc == 0)
        rc = make_options(&c->args, &options, &err);
    if (rc < 0)
        return usage_error(c, "start", &err);
    signals_block();
    if (cli_open(c, buf_view(&options).p, &s.t, &err) < 0)
        return fail(c, &err);
    trouble_watch(&trouble, c, s.t);
    rc = run_engine(&s, (int)concurrency);
    trouble_done(&trouble);
    exec_stop(s.exec);
    tasker_events_close(s.events);
    tasker_close(s.t);
    return rc;
}
