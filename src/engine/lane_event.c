// SPDX-License-Identifier: MIT
// lane_event.c - what happened, as JSON for subscribers and callers, and failures as JSON between lanes.
//
// Payloads: every event has event, task_id (text, as in the catalogue), task_name, namespace, version, timestamp; step
// events also step_id, step_name, attempt_number, retry_limit; failures error_message. Transition metadata is spliced in
// as "metadata".
#include "engine/lane_private.h"

#include <stdio.h>

// What a transition is announced with, and what it means to the workflow. 0 ends a list (TASK_SUBMITTED accompanies none).
#define TASK_MOVE .before = NOTE_TASK_BEFORE
#define STEP_MOVE .before = NOTE_STEP_BEFORE
static const struct {
    uint8_t before, after[2];
} trains[NOTE_COUNT] = {
    [NOTE_TASK_SUBMITTED] = {.after = {NOTE_WORKFLOW_REQUESTED}},
    [NOTE_TASK_STARTED] = {TASK_MOVE, .after = {NOTE_WORKFLOW_STARTED}},
    [NOTE_TASK_COMPLETED] = {TASK_MOVE, .after = {NOTE_WORKFLOW_COMPLETED}},
    [NOTE_TASK_FAILED] = {TASK_MOVE, .after = {NOTE_WORKFLOW_FAILED}},
    [NOTE_TASK_RETRIED] = {TASK_MOVE},
    [NOTE_TASK_RELEASED] = {TASK_MOVE},
    [NOTE_TASK_CANCELLED] = {TASK_MOVE},
    [NOTE_TASK_RESOLVED] = {TASK_MOVE},
    [NOTE_STEP_STARTED] = {STEP_MOVE, .after = {NOTE_STEP_BEFORE_HANDLE, NOTE_STEP_HANDLE}},
    [NOTE_STEP_COMPLETED] = {STEP_MOVE, .after = {NOTE_WORKFLOW_STEP_COMPLETED}},
    [NOTE_STEP_FAILED] = {STEP_MOVE, .after = {NOTE_WORKFLOW_STEP_FAILED}},
    [NOTE_STEP_RETRIED] = {STEP_MOVE},
    [NOTE_STEP_CANCELLED] = {STEP_MOVE},
    [NOTE_STEP_RESOLVED] = {STEP_MOVE},
};

static void step_members(struct buf *b, const struct note *n)
{
    const struct tstep *s = &n->task->steps[n->step];
    char id[24];
    (void)snprintf(id, sizeof(id), "%lld", (long long)s->id);
    jw_kstr(b, "step_id", id);
    jw_kstr(b, "step_name", step_name(n->task, s));
    bool ended = n->kind == NOTE_STEP_COMPLETED || n->kind == NOTE_STEP_FAILED;
    jw_kint(b, "attempt_number", s->attempts + (ended ? 0 : 1));
    jw_kint(b, "retry_limit", s->retry_limit);
    if (ended && s->started_at)
        jw_kint(b, "execution_us", n->at - s->started_at);
    if (s->wake_at)
        jw_ktime(b, "next_retry_at", s->wake_at);
}

static void task_members(struct buf *b, const struct note *n)
{
    const struct task *t = n->task;
    jw_kint(b, "total_steps", t->count);
    jw_kint(b, "completed_steps", t->done);
    if (n->extra)
        jw_kint(b, "step_count", n->extra);
    if (task_state_final(t->state) && t->started_at)
        jw_kint(b, "duration_us", n->at - t->started_at);
}

static void publish(struct lane *l, const struct note *n, enum note_kind kind)
{
    if (note_names[kind][0] == '\0' || !(l->listeners >> kind & 1))
        return;
    struct buf b;
    char id[24];
    (void)snprintf(id, sizeof(id), "%lld", (long long)n->task->id);
    buf_init(&b, 1 << 20);
    jw_open(&b, '{');
    jw_kstr(&b, "event", note_names[kind]);
    jw_kstr(&b, "task_id", id);
    jw_kstr(&b, "task_name", n->task->tpl->name);
    jw_kstr(&b, "namespace", n->task->tpl->namespace_name);
    jw_kstr(&b, "version", n->task->tpl->version);
    jw_ktime(&b, "timestamp", n->at);
    if (n->step >= 0)
        step_members(&b, n);
    else
        task_members(&b, n);
    if (n->detail.len && n->detail.p[0] == '{') {
        jw_kraw(&b, "metadata", n->detail.p, n->detail.len);
    } else if (n->detail.len) {
        buf_char(&b, ',');
        buf_span(&b, n->detail);
    }
    jw_close(&b, '}');
    struct action a = {.kind = ACT_EVENT, .name = note_names[kind]};
    if (!buf_failed(&b))
        a.blob = blob_new(b.data, b.len);
    buf_done(&b);
    if (a.blob)
        out_action(l, &a);
}

static void publish_train(struct lane *l, const struct note *n)
{
    if (trains[n->kind].before)
        publish(l, n, trains[n->kind].before);
    publish(l, n, n->kind);
    for (size_t i = 0; i < ARRAY_SIZE(trains[n->kind].after) && trains[n->kind].after[i]; i++)
        publish(l, n, trains[n->kind].after[i]);
    for (uint32_t i = 0; n->kind == NOTE_TASK_SUBMITTED && i < n->task->count; i++) {
        struct note step = {.kind = NOTE_STEP_INIT, .task = n->task, .step = (int32_t)i, .at = n->at};
        publish(l, &step, NOTE_STEP_INIT);
    }
}

// Once per task and turn: how many steps became able to run, or that none did although one ended.
static void publish_viable(struct lane *l)
{
    list_each(node, &l->touched)
    {
        struct entry *e = container_of(node, struct entry, link);
        struct note n = {.task = e->task, .step = -1, .at = l->d.now, .extra = e->became_ready};
        if (e->task && e->became_ready > 0)
            publish(l, &n, NOTE_WORKFLOW_VIABLE);
        else if (e->task && e->ended > 0 && e->task->state == ST_IN_PROGRESS)
            publish(l, &n, NOTE_WORKFLOW_NONE_VIABLE);
        e->became_ready = e->ended = 0;
    }
}

void publish_notes(struct lane *l)
{
    for (size_t i = 0; i < l->d.note_count; i++) {
        const struct note *n = &l->d.notes[i];
        struct entry *e = n->task->entry;
        e->became_ready += n->kind == NOTE_STEP_READY;
        e->ended += n->kind == NOTE_STEP_COMPLETED || n->kind == NOTE_STEP_FAILED;
        publish_train(l, n);
    }
    publish_viable(l);
}

struct blob *command_result(const struct task *t, const struct tstep *s)
{
    struct buf b;
    buf_init(&b, 4096);
    jw_open(&b, '{');
    jw_kint(&b, "task_id", t->id);
    jw_kstr(&b, "state", state_names[t->state]);
    if (s) {
        jw_kstr(&b, "step", step_name(t, s));
        jw_kstr(&b, "step_state", state_names[s->state]);
    }
    jw_close(&b, '}');
    struct blob *blob = buf_failed(&b) ? NULL : blob_new(b.data, b.len);
    buf_done(&b);
    return blob;
}

// Members of a failure and where they live.
static const struct {
    const char *key;
    size_t at;
} failure_members[] = {
    {"message", offsetof(struct failure, message)},   {"error_class", offsetof(struct failure, error_class)},
    {"backtrace", offsetof(struct failure, backtrace)}, {"category", offsetof(struct failure, category)},
    {"code", offsetof(struct failure, code)},         {"retry_after", offsetof(struct failure, retry_after)},
};

struct span failure_json(struct arena *arena, const struct failure *f)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    jw_open(&b, '{');
    for (size_t i = 0; i < ARRAY_SIZE(failure_members); i++) {
        const struct span *s = (const struct span *)(const void *)((const char *)f + failure_members[i].at);
        if (s->len == 0)
            continue;
        jw_key(&b, failure_members[i].key);
        jw_strn(&b, s->p, s->len);
    }
    jw_kbool(&b, "permanent", f->permanent);
    jw_kint(&b, "cause", f->cause);
    jw_close(&b, '}');
    struct span s = {NULL, 0};
    if (!buf_failed(&b))
        s = span_of(arena_dup(arena, b.data, b.len));
    buf_done(&b);
    return s;
}

struct failure_copy *failure_from_json(struct span text)
{
    struct failure_copy *c = mem_alloc(sizeof(*c));
    const struct json *v = NULL;
    if (!c)
        return NULL;
    arena_init(&c->arena);
    if (json_parse(&c->arena, span_of(arena_dup(&c->arena, text.p, text.len)), &v, NULL) < 0) {
        arena_done(&c->arena);
        mem_free(c);
        return NULL;
    }
    for (size_t i = 0; i < ARRAY_SIZE(failure_members); i++) {
        const struct json *m = json_get(v, failure_members[i].key);
        if (m && m->type == JSON_STRING)
            *(struct span *)(void *)((char *)&c->f + failure_members[i].at) = m->str;
    }
    int64_t cause = CAUSE_HANDLER;
    const struct json *permanent = json_get(v, "permanent");
    c->f.permanent = permanent && permanent->truth;
    if (json_int(json_get(v, "cause"), &cause) && cause >= CAUSE_HANDLER && cause <= CAUSE_TASK_TIMEOUT)
        c->f.cause = (enum failure_cause)cause;
    return c;
}
