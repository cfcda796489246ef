// SPDX-License-Identifier: MIT
// explain_text.c - explanations as JSON: for each reason its sentence and the members that
// go with it.
//
// One function per reason; each writes "explanation" last, after the members that a program would
// read.
#include <stdio.h>

#include "base/util.h"
#include "store/explain.h"

#define NAMES_MAX 20 // names listed in one sentence

#define SENTENCE_MAX ((size_t)64 << 10) // more than any sentence has: names and reasons are cut

static void end_sentence(struct inquiry *a, const char *key, struct buf *text)
{
    if (buf_failed(text))
        a->arena.failed = true;
    jw_key(a->out, key);
    jw_strn(a->out, buf_view(text).p, buf_view(text).len);
    buf_done(text);
}

static const char *iso(int64_t us, char out[TIME_TEXT_SIZE])
{
    return us == 0 ? "an unknown time" : time_iso(us, out);
}

// For %.*s, cut at a length that no name has.
#define TEXT(s) (int)((s).len > 1000 ? 1000 : (s).len), (s).len > 0 ? (s).p : ""

// ---- steps

static void say_done(struct inquiry *a, struct explanation *x, size_t i)
{
    const struct seen_step *s = &x->task.steps[i];
    struct buf text;
    char at[TIME_TEXT_SIZE];

    buf_init(&text, SENTENCE_MAX);
    buf_printf(&text, s->state == ST_RESOLVED ? "settled by hand at %s" : "complete since %s",
               iso(s->finished_at, at));
    end_sentence(a, "explanation", &text);
}

static void say_waiting(struct inquiry *a, struct explanation *x, size_t i)
{
    const struct seen_step *s = &x->task.steps[i];
    struct buf text;
    size_t said = 0;

    buf_init(&text, SENTENCE_MAX);
    buf_str(&text, "waits for ");
    jw_key(a->out, "parents");
    jw_open(a->out, '[');
    for (size_t k = 0; k < s->parent_count; k++) {
        const struct seen_step *p = &x->task.steps[s->parents[k]];
        if (state_done(p->state))
            continue;
        jw_open(a->out, '{');
        write_span(a->out, "step", p->name);
        jw_kstr(a->out, "state", state_names[p->state]);
        jw_close(a->out, '}');
        if (said++ < NAMES_MAX)
            buf_printf(&text, "%s%.*s (%s)", said > 1 ? ", " : "", TEXT(p->name),
                       state_names[p->state]);
    }
    jw_close(a->out, ']');
    if (said > NAMES_MAX)
        buf_printf(&text, " and %zu more", said - NAMES_MAX);
    end_sentence(a, "explanation", &text);
}

static void say_blocked(struct inquiry *a, struct explanation *x, size_t i)
{
    uint32_t names[NAMES_MAX];
    size_t n = explain_blockers(x, i, names, NAMES_MAX);
    struct buf text;

    buf_init(&text, SENTENCE_MAX);
    buf_str(&text, "cannot run, because of ");
    jw_key(a->out, "blocked_by");
    jw_open(a->out, '[');
    for (size_t k = 0; k < n; k++) {
        const struct seen_step *s = &x->task.steps[names[k]];
        jw_strn(a->out, s->name.p, s->name.len);
        buf_printf(&text, "%s%.*s (%s)", k > 0 ? ", " : "", TEXT(s->name),
                   s->state == ST_CANCELLED ? "cancelled" : "failed");
    }
    jw_close(a->out, ']');
    end_sentence(a, "explanation", &text);
}

static void say_backoff(struct inquiry *a, struct explanation *x, size_t i)
{
    const struct seen_step *s = &x->task.steps[i];
    int64_t seconds = (s->wake_at - a->now + US_PER_SECOND - 1) / US_PER_SECOND;
    struct buf text;
    char at[TIME_TEXT_SIZE];

    jw_ktime(a->out, "until", s->wake_at);
    jw_kint(a->out, "in_seconds", seconds);
    jw_kint(a->out, "attempt", s->attempts + 1);
    write_failure(a->out, s->failure);
    buf_init(&text, SENTENCE_MAX);
    buf_printf(&text, "attempt %d of %d failed; the next begins in %lld s, at %s", (int)s->attempts,
               (int)s->retry_limit, (long long)seconds, iso(s->wake_at, at));
    end_sentence(a, "explanation", &text);
}

static void say_running(struct inquiry *a, struct explanation *x, size_t i)
{
    const struct seen_step *s = &x->task.steps[i];
    const struct seen_offer *o = explain_offer(x, s);
    const struct seen_lane *lane = o == NULL ? x->owner : explain_lane(x, o->lane);
    struct span engine = lane == NULL ? meta_text_of(s->meta, "engine") : lane->name;
    int64_t since = o == NULL || o->begun_at == 0 ? s->started_at : o->begun_at;
    int64_t timeout = o == NULL ? s->timeout_us : o->deadline_us;
    int64_t attempt = o == NULL ? s->attempts + 1 : o->attempt;
    struct buf text;
    char at[TIME_TEXT_SIZE], end[TIME_TEXT_SIZE];

    jw_ktime(a->out, "since", since);
    jw_kint(a->out, "attempt", attempt);
    write_span(a->out, "engine", engine);
    jw_ktime(a->out, "timeout_at", timeout == 0 ? 0 : since + timeout);
    buf_init(&text, SENTENCE_MAX);
    buf_printf(&text, "attempt %lld of %d runs at %.*s since %s", (long long)attempt,
               (int)s->retry_limit, TEXT(engine), iso(since, at));
    if (timeout != 0)
        buf_printf(&text, ", until %s at most", iso(since + timeout, end));
    if (lane == NULL || !lane->alive)
        buf_str(&text, "; that engine is silent");
    end_sentence(a, "explanation", &text);
}

static void say_offered(struct inquiry *a, struct explanation *x, size_t i)
{
    const struct seen_step *s = &x->task.steps[i];
    struct buf text;

    write_span(a->out, "handler_class", s->handler_class);
    buf_init(&text, SENTENCE_MAX);
    buf_printf(&text, "waits for a worker of %.*s to take it", TEXT(s->handler_class));
    end_sentence(a, "explanation", &text);
}

static void say_no_worker(struct inquiry *a, struct explanation *x, size_t i)
{
    const struct seen_step *s = &x->task.steps[i];
    struct buf text;

    write_span(a->out, "handler_class", s->handler_class);
    buf_init(&text, SENTENCE_MAX);
    buf_printf(&text, "no worker serves %.*s", TEXT(s->handler_class));
    end_sentence(a, "explanation", &text);
}

static void say_ready(struct inquiry *a, struct explanation *x, size_t i)
{
    const struct seen_step *s = &x->task.steps[i];
    struct buf text;

    write_span(a->out, "handler_class", s->handler_class);
    write_span(a->out, "engine", x->owner->name);
    buf_init(&text, SENTENCE_MAX);
    buf_printf(&text,
               "can run; waits for a free place in %.*s (concurrency of its workers, "
               "max_concurrent_steps, limits of "
               "class and template)",
               TEXT(x->owner->name));
    end_sentence(a, "explanation", &text);
}

static void say_waiting_for_task(struct inquiry *a, struct explanation *x, size_t i)
{
    static const char *const why[TR_COUNT] = {
        [TR_FINISHED] = "did not run before the task ended",
        [TR_FAILED] = "did not run before the task failed",
        [TR_SET_ASIDE] = "waits, because its task was set aside",
        [TR_SCHEDULED] = "can run once its task begins",
        [TR_WAITING] = "can run once an engine takes its task",
        [TR_RAILS] = "can run once the Rails engine takes up its task",
        [TR_OWNED] = "can run once its task begins",
        [TR_OWNER_SILENT] = "can run once another engine takes over its task",
    };

    (void)i;
    jw_kstr(a->out, "explanation", why[x->reason]);
}

static void say_command(struct inquiry *a, struct explanation *x, const struct seen_step *s)
{
    struct buf text;

    buf_init(&text, SENTENCE_MAX);
    buf_printf(&text, "tasker step retry %lld %.*s", (long long)x->task.id, TEXT(s->name));
    end_sentence(a, "command", &text);
}

static void say_failed(struct inquiry *a, struct explanation *x, size_t i)
{
    const struct seen_step *s = &x->task.steps[i];
    const struct json *message = json_get(s->failure, "error");
    struct span what = message != NULL && message->type == JSON_STRING
                           ? message->str
                           : meta_text_of(s->meta, "reason");
    struct buf text;

    write_failure(a->out, s->failure);
    say_command(a, x, s);
    buf_init(&text, SENTENCE_MAX);
    buf_printf(&text, "failed for good after %d of %d attempts", (int)s->attempts,
               (int)s->retry_limit);
    if (what.len > 0)
        buf_printf(&text, ": %.*s", TEXT(what));
    end_sentence(a, "explanation", &text);
}

static void say_cancelled(struct inquiry *a, struct explanation *x, size_t i)
{
    const struct seen_step *s = &x->task.steps[i];
    struct span why = meta_text_of(s->meta, "reason");
    struct buf text;
    char at[TIME_TEXT_SIZE];

    buf_init(&text, SENTENCE_MAX);
    buf_printf(&text, "cancelled at %s", iso(s->finished_at, at));
    if (why.len > 0)
        buf_printf(&text, ": %.*s", TEXT(why));
    end_sentence(a, "explanation", &text);
}

static void (*const say_step[SR_COUNT])(struct inquiry *, struct explanation *, size_t) = {
    [SR_DONE] = say_done,
    [SR_WAITING_FOR_PARENTS] = say_waiting,
    [SR_BLOCKED_BY] = say_blocked,
    [SR_IN_BACKOFF] = say_backoff,
    [SR_RUNNING] = say_running,
    [SR_OFFERED] = say_offered,
    [SR_NO_WORKER] = say_no_worker,
    [SR_READY] = say_ready,
    [SR_WAITING_FOR_TASK] = say_waiting_for_task,
    [SR_FAILED] = say_failed,
    [SR_CANCELLED] = say_cancelled,
};

static void write_step(struct inquiry *a, struct explanation *x, size_t i)
{
    const struct seen_step *s = &x->task.steps[i];

    jw_open(a->out, '{');
    jw_kint(a->out, "step_id", s->id);
    write_span(a->out, "step", s->name);
    jw_kstr(a->out, "state", state_names[s->state]);
    jw_kstr(a->out, "code", step_reason_names[x->reasons[i]]);
    say_step[x->reasons[i]](a, x, i);
    jw_close(a->out, '}');
}

// ---- the task

// Is there an engine that runs steps? One that serves no class may be a process that only submits.
static bool living(const struct explanation *x)
{
    for (size_t i = 0; i < x->lane_count; i++)
        if (x->lanes[i].alive && x->lanes[i].classes != NULL && x->lanes[i].classes->count > 0)
            return true;
    return false;
}

static void say_rails(const struct seen_task *t, struct buf *text)
{
    char at[TIME_TEXT_SIZE];
    int64_t since = t->row_count > 0 ? t->rows[t->row_count - 1].at : t->requested_at;

    if (t->state == ST_IN_PROGRESS)
        buf_printf(text, "the task belongs to the Rails engine, which works on it since %s", iso(since, at));
    else if (json_get(t->meta, "released") != NULL)
        buf_printf(text, "the task belongs to the Rails engine: it was given back at %s", iso(since, at));
    else
        buf_printf(text, "the task belongs to the Rails engine, and waits there since %s", iso(since, at));
}

// As long as that lasts the task waits, whatever else is said of it.
static void say_holder(const struct seen_holder *h, struct buf *text)
{
    char at[TIME_TEXT_SIZE];

    buf_printf(text, "; the session of process %lld at the server (role %.*s", (long long)h->pid, TEXT(h->role));
    if (h->application.len > 0)
        buf_printf(text, ", %.*s", TEXT(h->application));
    buf_str(text, ") has rows of it locked");
    if (h->since != 0)
        buf_printf(text, " by a transaction that began at %s", iso(h->since, at));
    buf_str(text, ", and it waits for that");
}

static void say_standby(const struct seen_standby *s, struct buf *text)
{
    char at[TIME_TEXT_SIZE];

    buf_printf(text, "; commits wait for a synchronous standby (%.*s) since %s, and all tasks with them", TEXT(s->names),
               iso(s->since, at));
}

static void task_sentence(const struct explanation *x, struct buf *text)
{
    const struct seen_task *t = &x->task;
    const struct seen_lane *l = x->owner;
    struct span why = meta_text_of(t->meta, "reason");
    char at[TIME_TEXT_SIZE];

    switch (x->reason) {
    case TR_FINISHED:
        buf_printf(text, "the task is %s since %s", state_names[t->state], iso(t->finished_at, at));
        break;
    case TR_FAILED:
    case TR_SET_ASIDE:
        buf_printf(text, "the task is in error since %s", iso(t->finished_at, at));
        if (why.len > 0)
            buf_printf(text, ": %.*s", TEXT(why));
        break;
    case TR_SCHEDULED:
        buf_printf(text, "the task begins at %s", iso(t->run_at, at));
        break;
    case TR_WAITING:
        buf_printf(text, "the task is due since %s; %s", iso(t->run_at, at),
                   living(x) ? "an engine takes it as soon as it has room"
                             : "no engine is running");
        break;
    case TR_RAILS:
        say_rails(t, text);
        break;
    case TR_OWNED:
        buf_printf(text, "engine %.*s has it (host %.*s, process %.*s)", TEXT(l->name),
                   TEXT(l->host), TEXT(l->process));
        break;
    default:
        if (l == NULL)
            buf_str(text,
                    "the engine that had it is gone; the next engine that looks takes it over");
        else
            buf_printf(text,
                       "engine %.*s (host %.*s, process %.*s) has it and is silent; due for "
                       "takeover since %s",
                       TEXT(l->name), TEXT(l->host), TEXT(l->process), iso(l->expires_at, at));
    }
    if (t->suspect && t->active)
        buf_printf(
            text,
            "; its engine died %d times, so it runs alone until one of its steps has finished",
            (int)t->crashes);
    if (x->holder.pid != 0 && t->active)
        say_holder(&x->holder, text);
    if (x->standby.since != 0 && t->active)
        say_standby(&x->standby, text);
}

static void write_owner(struct inquiry *a, const struct seen_lane *l)
{
    jw_key(a->out, "owner");
    if (l == NULL) {
        jw_null(a->out);
        return;
    }
    jw_open(a->out, '{');
    jw_kint(a->out, "lane_id", l->id);
    write_span(a->out, "name", l->name);
    write_span(a->out, "host", l->host);
    write_span(a->out, "process", l->process);
    jw_kbool(a->out, "alive", l->alive);
    jw_ktime(a->out, "lease_until", l->expires_at);
    jw_close(a->out, '}');
}

// The first step with this reason, or the one that is tried again first.
static const struct seen_step *first_with(const struct explanation *x, enum step_reason reason)
{
    const struct seen_step *found = NULL;

    for (size_t i = 0; i < x->task.step_count; i++) {
        const struct seen_step *s = &x->task.steps[i];
        if (x->reasons[i] == reason && (found == NULL || s->wake_at < found->wake_at))
            found = s;
    }
    return found;
}

// What a task that has an engine does next; the first reason that some step has decides.
static const struct {
    enum step_reason reason;
    const char *text; // with the step's name
} coming[] = {
    {SR_RUNNING, "step %.*s is running; its end decides what comes next"},
    {SR_READY, "step %.*s starts as soon as a place is free"},
    {SR_OFFERED, "step %.*s starts as soon as a worker takes it"},
    {SR_IN_BACKOFF, "step %.*s is tried again by itself"},
    {SR_NO_WORKER, "nothing, until a worker for the handler class of step %.*s is opened"},
};

static void say_recovery(const struct explanation *x, struct buf *text)
{
    const struct seen_step *failed = first_with(x, SR_FAILED);
    long long id = (long long)x->task.id;

    if (failed != NULL)
        buf_printf(text,
                   "nothing by itself: tasker step retry %lld %.*s runs it again, tasker step "
                   "resolve %lld %.*s goes on "
                   "without it, tasker task retry %lld runs all failed steps again",
                   id, TEXT(failed->name), id, TEXT(failed->name), id);
    else
        buf_printf(text,
                   "nothing by itself: tasker task retry %lld takes it up again, tasker task "
                   "resolve %lld closes it",
                   id, id);
}

static void say_adoption(const struct explanation *x, struct buf *text)
{
    const struct seen_step *running = first_with(x, SR_RUNNING);
    long long id = (long long)x->task.id;

    if (x->task.state == ST_IN_PROGRESS)
        buf_printf(text, "the Rails engine goes on with it; tasker task adopt %lld takes it over once it is pending", id);
    else if (running != NULL)
        buf_printf(text, "tasker task adopt %lld takes it over once step %.*s has ended", id, TEXT(running->name));
    else
        buf_printf(text, "the Rails engine runs it when it has a job for it; tasker task adopt %lld takes it over", id);
}

static void next_sentence(const struct explanation *x, struct buf *text)
{
    static const char *const fixed[TR_COUNT] = {
        [TR_FINISHED] = "nothing: the task is finished",
        [TR_SCHEDULED] = "an engine begins it when its time has come",
        [TR_OWNER_SILENT] = "another engine takes it over; running steps are run again",
    };

    if (fixed[x->reason] != NULL)
        buf_str(text, fixed[x->reason]);
    else if (x->reason == TR_FAILED || x->reason == TR_SET_ASIDE)
        say_recovery(x, text);
    else if (x->reason == TR_RAILS)
        say_adoption(x, text);
    else if (x->reason == TR_WAITING)
        buf_str(text, living(x) ? "an engine takes it"
                                : "nothing, until an engine is started on this database");
    for (size_t i = 0; i < ARRAY_SIZE(coming) && x->reason == TR_OWNED && text->len == 0; i++) {
        const struct seen_step *s = first_with(x, coming[i].reason);
        if (s != NULL)
            buf_printf(text, coming[i].text, TEXT(s->name));
    }
    if (text->len == 0)
        buf_str(text, "the engine finds out what can run");
}

static int64_t task_until(const struct explanation *x)
{
    if (x->reason == TR_SCHEDULED)
        return x->task.run_at;
    return x->reason == TR_OWNER_SILENT && x->owner != NULL ? x->owner->expires_at : 0;
}

void explain_write(struct inquiry *a, struct explanation *x)
{
    const struct seen_task *t = &x->task;
    struct buf text;

    jw_open(a->out, '{');
    jw_kint(a->out, "task_id", t->id);
    jw_kstr(a->out, "state", state_names[t->state]);
    jw_kstr(a->out, "code", task_reason_names[x->reason]);
    buf_init(&text, SENTENCE_MAX);
    task_sentence(x, &text);
    end_sentence(a, "explanation", &text);
    jw_ktime(a->out, "until", task_until(x));
    write_owner(a, x->owner);
    jw_key(a->out, "steps");
    jw_open(a->out, '[');
    for (size_t i = 0; i < t->step_count; i++)
        write_step(a, x, i);
    jw_close(a->out, ']');
    buf_init(&text, SENTENCE_MAX);
    next_sentence(x, &text);
    end_sentence(a, "next", &text);
    jw_close(a->out, '}');
}
