// SPDX-License-Identifier: MIT
// run.c - `tasker run`: one file, one task, here and now.
//
// An engine of this process drives only that task (claim 0). The end is learned from a live event;
// should the event not come, because another engine took the task over, the database is asked once
// a second.
#include <string.h>

#include "cli/cli.h"
#include "worker/exec.h"

#define SLICE_MS 100          // how soon a signal is noticed
#define ASK_US US_PER_SECOND  // how often the database is asked when nothing happens
#define TOLD_US US_PER_SECOND // a step that runs so long is mentioned

const struct option run_options[] = {
    {"context", "JSON", "the task's input: JSON, @file or - for standard input"},
    {"concurrency", "N", "programs that run at once (default: twice the processors)"},
    {"timeout", "SECONDS", "stop waiting after so long"},
    {NULL, NULL, NULL},
};

struct running {
    struct span step;
    int64_t since;
    bool told;
    struct running *next;
};

struct run {
    struct cli *c;
    tasker *t;
    struct exec *exec;
    tasker_events *events;
    struct arena arena;
    struct running *running; // steps that began and did not end
    int64_t id, deadline;    // deadline: monotonic, 0: none
    int signal;              // that interrupted us
    bool explained;          // that a step waits for a worker
    char state[32];          // in the end, else ""
};

// ---- what happens

static void began(struct run *r, struct span step)
{
    struct running *one = arena_alloc(&r->arena, sizeof(*one));

    if (one == NULL || (one->step.p = arena_dup(&r->arena, step.p, step.len)) == NULL)
        return;
    one->step.len = step.len;
    one->since = clock_monotonic_us();
    one->next = r->running;
    r->running = one;
}

static void ended(struct run *r, struct span step)
{
    struct running **at = &r->running;

    while (*at != NULL && !span_eq((*at)->step, step))
        at = &(*at)->next;
    if (*at != NULL)
        *at = (*at)->next;
}

static void mention_slow(struct run *r)
{
    int64_t now = clock_monotonic_us();

    for (struct running *one = r->running; one != NULL; one = one->next) {
        if (one->told || now - one->since < TOLD_US)
            continue;
        one->told = true;
        note(r->c, "… %.*s is running", (int)one->step.len, one->step.p);
    }
}

// Says once which steps wait because nobody serves their class.
static void mention_waiting(struct run *r)
{
    CLEANUP(arena_done) struct arena arena;
    char arguments[TASK_ARGUMENTS_SIZE];
    const struct json *v, *steps;
    tasker_text *text;

    arena_init(&arena);
    if (r->explained || r->running != NULL ||
        cli_call(r->t, "task.explain", task_arguments(arguments, r->id), &arena, &text, &v, NULL) <
            0)
        return;
    steps = json_get(v, "steps");
    for (const struct json *s = steps != NULL ? steps->child : NULL; s != NULL; s = s->next) {
        struct span name = json_text(s, "step"), why = json_text(s, "explanation");
        if (!span_is(json_text(s, "code"), "no_worker"))
            continue;
        r->explained = true;
        note(r->c, "… %.*s waits: %.*s", (int)name.len, name.p, (int)why.len, why.p);
    }
    tasker_text_free(text);
}

static void see_event(struct run *r, const struct json *event)
{
    static const struct {
        const char *event, *state;
    } ends[] = {
        {"task.completed", "complete"},
        {"task.failed", "error"},
        {"task.cancelled", "cancelled"},
        {"task.resolved_manually", "resolved_manually"},
    };
    struct span name = json_text(event, "event"), step = json_text(event, "step_name");
    char id[24];

    snprintf(id, sizeof(id), "%lld", (long long)r->id);
    if (!span_is(json_text(event, "task_id"), id))
        return;
    if (span_is(name, "step.execution_requested"))
        began(r, step);
    else if (step.len > 0)
        ended(r, step);
    for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
        if (span_is(name, ends[i].event))
            snprintf(r->state, sizeof(r->state), "%s", ends[i].state);
    if (r->state[0] == '\0')
        progress_print(r->c, event, false);
}

static int next_event(struct run *r, tasker_error *err)
{
    CLEANUP(arena_done) struct arena arena;
    const struct json *event;
    tasker_text *text;

    arena_init(&arena);
    int rc = tasker_events_next(r->events, SLICE_MS, &text, err);
    if (rc <= 0)
        return rc;
    rc = json_parse(&arena, (struct span){tasker_text_data(text), tasker_text_size(text)}, &event,
                    err);
    if (rc == 0)
        see_event(r, event);
    tasker_text_free(text);
    return rc < 0 ? rc : 1;
}

// Returns 0 when the task has ended, a signal came, or an error code.
static int watch(struct run *r, tasker_error *err)
{
    int64_t asked = clock_monotonic_us();
    const char *state;

    while (r->state[0] == '\0' && (r->signal = signals_pending()) == 0) {
        int rc = next_event(r, err);
        int64_t now = clock_monotonic_us();
        if (rc < 0)
            return rc;
        if (r->deadline > 0 && now > r->deadline)
            return err_set(err, TASKER_E_TIMEOUT, "task %lld has not ended in time",
                           (long long)r->id);
        if (rc > 0 || now - asked < ASK_US)
            continue;
        asked = now;
        mention_slow(r);
        mention_waiting(r);
        rc = tasker_wait(r->t, r->id, 0, &state, err);
        if (rc == 0)
            snprintf(r->state, sizeof(r->state), "%s", state);
        else if (rc != TASKER_E_TIMEOUT)
            return rc;
    }
    return 0;
}

// ---- the report

static void splice(struct buf *out, const struct json *from, const char *const *keys)
{
    for (; *keys != NULL; keys++) {
        const struct json *v = json_get(from, *keys);
        jw_kraw(out, *keys, v != NULL ? v->raw.p : NULL, v != NULL ? v->raw.len : 0);
    }
}

static void print_json(const struct json *task)
{
    static const char *const head[] = {"task_id", "state", "context", "error", NULL};
    static const char *const step_keys[] = {"name",  "state",      "attempts",    "results",
                                            "error", "started_at", "finished_at", NULL};
    static const char *const tail[] = {"duration_ms", NULL};
    const struct json *steps = json_get(task, "steps");
    CLEANUP(buf_done) struct buf out;

    buf_init(&out, ANSWER_MAX);
    jw_open(&out, '{');
    splice(&out, task, head);
    jw_key(&out, "steps");
    jw_open(&out, '[');
    for (const struct json *s = steps != NULL ? steps->child : NULL; s != NULL; s = s->next) {
        jw_open(&out, '{');
        splice(&out, s, step_keys);
        jw_close(&out, '}');
    }
    jw_close(&out, ']');
    splice(&out, task, tail);
    jw_close(&out, '}');
    printf("%s\n", buf_view(&out).p);
}

static void print_summary(const struct run *r, const struct json *task)
{
    const struct json *steps = json_get(task, "steps");
    struct span error = json_text(task, "error"), ms = json_text(task, "duration_ms");
    const char *colour = r->c->colour ? state_colour(span_of(r->state)) : "";

    if (steps != NULL && steps->count > 0)
        print_table(r->c, steps, "run", 0);
    printf("task %lld: %s%s%s", (long long)r->id, colour, r->state,
           colour[0] != '\0' ? COLOUR_END : "");
    if (ms.len > 0)
        printf(" in %.*s ms", (int)ms.len, ms.p);
    if (error.len > 0) {
        printf(": ");
        print_clean(stdout, error);
    }
    putchar('\n');
}

static int report(struct run *r)
{
    CLEANUP(arena_done) struct arena arena;
    char arguments[TASK_ARGUMENTS_SIZE];
    const struct json *task;
    tasker_text *text;
    tasker_error err;

    arena_init(&arena);
    if (cli_call(r->t, "task.show", task_arguments(arguments, r->id), &arena, &text, &task, &err) <
        0)
        return fail(r->c, &err);
    if (r->c->json)
        print_json(task);
    else
        print_summary(r, task);
    tasker_text_free(text);
    if (strcmp(r->state, "error") == 0)
        return EXIT_TASK_ERROR;
    return strcmp(r->state, "cancelled") == 0 ? EXIT_TASK_CANCELLED : 0;
}

// ---- from the start to the end

static int start(struct run *r, int concurrency, const tasker_text *registered, struct span context,
                 tasker_error *err)
{
    CLEANUP(buf_done) struct buf text;
    struct request request = {.context = context};

    buf_init(&text, INPUT_MAX + 65536);
    int rc = request_template(&request, registered, &r->arena, err);
    if (rc < 0)
        return rc;
    request_write(&request, &text);
    if (buf_failed(&text))
        return err_nomem(err);
    rc = tasker_start(r->t, 0, err);
    if (rc == 0)
        rc = tasker_events_open(r->t, "step.*,task.*", NULL, &r->events, err);
    if (rc == 0)
        rc = exec_start(r->t, concurrency, &r->exec, err);
    if (rc < 0)
        return rc;
    // It waits as long as the database takes nothing; until there is a task there is nothing to
    // hand back.
    signals_unblock();
    rc = tasker_submit(r->t, buf_view(&text).p, text.len, &r->id, err);
    signals_block();
    return rc;
}

static int run_task(struct run *r, int concurrency, const tasker_text *registered,
                    struct span context)
{
    tasker_error err;

    int rc = start(r, concurrency, registered, context, &err);
    if (rc == 0)
        rc = watch(r, &err);
    if (rc == 0 && r->signal == 0)
        return report(r);
    // What runs is handed back, so that another engine may go on at once.
    (void)!tasker_drain(r->t, 0, NULL);
    if (rc < 0) {
        if (rc == TASKER_E_TIMEOUT)
            err_remedy(&err,
                       "it stays in the database: `tasker start` goes on with it, `tasker cancel "
                       "%lld` ends it",
                       (long long)r->id);
        return fail(r->c, &err);
    }
    note(r->c,
         "interrupted; task %lld stays in the database: `tasker start` goes on with it, `tasker "
         "cancel %lld` ends it",
         (long long)r->id, (long long)r->id);
    return 128 + r->signal;
}

static int run_file(struct run *r, int concurrency, struct span context)
{
    tasker_text *registered = NULL;
    struct trouble trouble;
    tasker_error err;

    if (cli_open(r->c, NULL, &r->t, &err) < 0)
        return fail(r->c, &err);
    trouble_watch(&trouble, r->c, r->t);
    int rc = cli_register(r->c, r->t, r->c->args.words[0], true, &registered);
    if (rc == 0)
        rc = run_task(r, concurrency, registered, context);
    trouble_done(&trouble);
    exec_stop(r->exec);
    tasker_events_close(r->events);
    tasker_text_free(registered);
    tasker_close(r->t);
    return rc;
}

int command_run(struct cli *c)
{
    CLEANUP(buf_done) struct buf context;
    const char *argument = args_value(&c->args, "context");
    int64_t concurrency = default_concurrency();
    struct run r = {.c = c};
    tasker_error err;
    int timeout = 0;

    buf_init(&context, INPUT_MAX);
    int rc = args_number(&c->args, "concurrency", 1, 100000, &concurrency, &err);
    if (rc == 0)
        rc = args_milliseconds(&c->args, "timeout", &timeout, &err);
    if (rc < 0)
        return usage_error(c, "run", &err);
    if (argument != NULL && read_json(argument, "--context", &context, &err) < 0)
        return fail(c, &err);
    if (timeout > 0)
        r.deadline = clock_monotonic_us() + (int64_t)timeout * US_PER_MS;
    arena_init(&r.arena);
    signals_block();
    rc = run_file(&r, (int)concurrency, argument != NULL ? buf_view(&context) : (struct span){0});
    arena_done(&r.arena);
    return rc;
}
