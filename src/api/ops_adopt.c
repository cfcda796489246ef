// SPDX-License-Identifier: MIT
// ops_adopt.c - task.adopt: one task, or one batch of a template's tasks after the other, with pauses, until none waits or
// the limit is reached. What was passed by is counted by reason over all batches.
#include <string.h>

#include "api/ops.h"

#define LIMIT_NONE INT64_MAX
#define REASONS_MAX 8
#define BATCH_ANSWER_MAX ((size_t)1 << 16)

struct skipped {
    char reason[32], message[512];
    int64_t tasks, task_id; // the first of them
};

struct adopting {
    int64_t adopted, limit, after;
    struct skipped skipped[REASONS_MAX];
    size_t reasons;
    bool ended; // there are no more ids
};

static void write_arguments(const struct call *c, const struct adopting *p, struct buf *out)
{
    static const char *const same[] = {"task_id", "name", "namespace", "version", "priority", "reason", "by"};

    jw_open(out, '{');
    jw_kstr(out, "engine", engine_name(c->t->engine));
    for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
        const struct json *v = call_arg(c, same[i]);
        if (v != NULL)
            jw_kraw(out, same[i], v->raw.p, v->raw.len);
    }
    jw_kint(out, "after", p->after);
    if (p->limit != LIMIT_NONE)
        jw_kint(out, "take", p->limit - p->adopted);
    jw_close(out, '}');
}

static int operate(const struct call *c, const struct adopting *p, struct buf *out, tasker_error *err)
{
    CLEANUP(arena_done) struct arena arena;
    CLEANUP(buf_done) struct buf in;
    const struct json *v;

    arena_init(&arena);
    buf_init(&in, RESULT_MAX);
    write_arguments(c, p, &in);
    int rc = buf_failed(&in) ? err_nomem(err) : json_parse(&arena, buf_view(&in), &v, err);
    return rc == 0 ? engine_operate(c->t->engine, "task.adopt", v, out, err) : rc;
}

// ---- batches

static void copy(char *to, size_t size, const struct json *v)
{
    size_t n = v == NULL ? 0 : v->str.len < size ? v->str.len : size - 1;

    if (n > 0)
        memcpy(to, v->str.p, n);
    to[n] = '\0';
}

static void add_skipped(struct adopting *p, const struct json *v)
{
    const struct json *reason = json_get(v, "reason");
    int64_t tasks = 0;
    size_t i = 0;

    while (i < p->reasons && !span_is(reason->str, p->skipped[i].reason))
        i++;
    if (i == REASONS_MAX || !json_int(json_get(v, "tasks"), &tasks))
        return;
    if (i == p->reasons) {
        struct skipped *s = &p->skipped[p->reasons++];
        copy(s->reason, sizeof(s->reason), reason);
        copy(s->message, sizeof(s->message), json_get(v, "message"));
        (void)json_int(json_get(v, "task_id"), &s->task_id);
    }
    p->skipped[i].tasks += tasks;
}

static void take_answer(struct adopting *p, const struct json *v)
{
    const struct json *list = json_get(v, "skipped"), *next = json_get(v, "next");
    int64_t n = 0;

    (void)json_int(json_get(v, "adopted"), &n);
    p->adopted += n;
    for (const struct json *s = list->child; s != NULL; s = s->next)
        add_skipped(p, s);
    p->ended = !json_int(next, &p->after);
}

static int batch(const struct call *c, struct adopting *p, tasker_error *err)
{
    CLEANUP(arena_done) struct arena arena;
    CLEANUP(buf_done) struct buf out;
    const struct json *v;

    arena_init(&arena);
    buf_init(&out, BATCH_ANSWER_MAX);
    int rc = operate(c, p, &out, err);
    if (rc == 0)
        rc = buf_failed(&out) ? err_nomem(err) : json_parse(&arena, buf_view(&out), &v, err);
    if (rc == 0)
        take_answer(p, v);
    return rc;
}

static int batches(const struct call *c, struct adopting *p, tasker_error *err)
{
    int rc = 0;

    while (rc == 0 && !p->ended && p->adopted < p->limit) {
        int64_t began = clock_monotonic_us(), before = p->adopted;
        rc = batch(c, p, err);
        if (rc == 0 && p->adopted > before)
            engine_hint(c->t->engine);
        if (rc == 0 && p->adopted > before && !p->ended && p->adopted < p->limit)
            op_rest(clock_monotonic_us() - began);
    }
    return rc;
}

static void write_answer(const struct adopting *p, struct buf *out)
{
    jw_open(out, '{');
    jw_kint(out, "adopted", p->adopted);
    jw_key(out, "skipped");
    jw_open(out, '[');
    for (size_t i = 0; i < p->reasons; i++) {
        const struct skipped *s = &p->skipped[i];
        jw_open(out, '{');
        jw_kstr(out, "reason", s->reason);
        jw_kint(out, "tasks", s->tasks);
        jw_kint(out, "task_id", s->task_id);
        jw_kstr(out, "message", s->message);
        jw_close(out, '}');
    }
    jw_close(out, ']');
    jw_kbool(out, "more", !p->ended);
    jw_close(out, '}');
}

// ----

static int check(const struct call *c, tasker_error *err)
{
    bool one = call_arg(c, "task_id") != NULL;
    static const char *const of_template[] = {"name", "namespace", "version", "limit"};
    int rc = call_range(c, "limit", 1, INT64_MAX, err);

    if (rc == 0 && !one && call_arg(c, "name") == NULL) {
        err_set(err, TASKER_E_INVALID, "give \"task_id\", or the \"name\" of a template");
        err_where(err, 0, 0, "$.task_id");
        return TASKER_E_INVALID;
    }
    for (size_t i = 0; i < ARRAY_SIZE(of_template) && rc == 0 && one; i++) {
        if (call_arg(c, of_template[i]) == NULL)
            continue;
        rc = err_set(err, TASKER_E_INVALID, "give \"task_id\", or a template, not both");
        err_where(err, 0, 0, "$.%s", of_template[i]);
    }
    return rc;
}

int op_task_adopt(const struct call *c, tasker_error *err)
{
    struct adopting p = {.limit = call_int(c, "limit", LIMIT_NONE)};
    int rc = check(c, err);

    if (rc < 0)
        return rc;
    if (call_arg(c, "task_id") != NULL) {
        rc = operate(c, &p, c->out, err);
        if (rc == 0)
            engine_hint(c->t->engine);
        return rc;
    }
    rc = batches(c, &p, err);
    if (rc == 0)
        write_answer(&p, c->out);
    return rc;
}
