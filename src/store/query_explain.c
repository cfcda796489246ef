// SPDX-License-Identifier: MIT
// query_explain.c - why a task stands where it stands: one reason for the task, one for each
// step, one sentence for each reason, and what happens next.
//
// Reasons follow from rows alone, so the answer is the same whichever process gives it. A step that
// began less than the delay of start rows ago may still be called ready.
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "store/explain.h"
#include "store/stuck.h"

const char *const task_reason_names[TR_COUNT] = {
#define X(name, text) [TR_##name] = text,
    TASK_REASONS(X)
#undef X
};

const char *const step_reason_names[SR_COUNT] = {
#define X(name, text) [SR_##name] = text,
    STEP_REASONS(X)
#undef X
};

// ---- what is read besides the task

static int load_lanes(struct inquiry *a, struct explanation *x, tasker_error *err)
{
    CLEANUP(rows_close) struct rows rows = {0};
    int rc = ask_plain(a, "SELECT lane_id, expires_at, name, host, process, classes FROM tasker_core_lanes"
        " ORDER BY lane_id",
        &rows, err);

    while (rc == 0 && (rc = rows_next(&rows, err)) == 1) {
        struct seen_lane *l = arena_push(&a->arena, &x->lanes, &x->lane_count, sizeof(*l));
        if (l == NULL)
            return err_nomem(err);
        l->id = rows_int(&rows, 0);
        l->expires_at = rows_int(&rows, 1);
        l->name = rows_keep(&rows, 2);
        l->host = rows_keep(&rows, 3);
        l->process = rows_keep(&rows, 4);
        l->classes = ask_json(a, rows_keep(&rows, 5));
        l->alive = l->expires_at >= a->now;
        rc = 0;
    }
    return rc;
}

static int load_offers(struct inquiry *a, struct explanation *x, tasker_error *err)
{
    CLEANUP(rows_close) struct rows rows = {0};
    int rc =
        ask_by_id(a, "SELECT workflow_step_id, worker_lane, begun_at, deadline_us, attempt"
                       " FROM tasker_core_dispatch WHERE task_id = $1 ORDER BY workflow_step_id",
                       x->task.id, &rows, err);

    while (rc == 0 && (rc = rows_next(&rows, err)) == 1) {
        struct seen_offer *o = arena_push(&a->arena, &x->offers, &x->offer_count, sizeof(*o));
        if (o == NULL)
            return err_nomem(err);
        o->step_id = rows_int(&rows, 0);
        o->lane = rows_int(&rows, 1);
        o->begun_at = rows_int(&rows, 2);
        o->deadline_us = rows_int(&rows, 3);
        o->attempt = (int32_t)rows_int(&rows, 4);
        rc = 0;
    }
    return rc;
}

static int load_holder(struct inquiry *a, struct explanation *x, tasker_error *err)
{
    CLEANUP(rows_close) struct rows rows = {0};
    int rc = ask_by_id(a, "SELECT s.pid, s.xact_start AT TIME ZONE 'UTC', s.usename, s.application_name FROM " TASK_HOLDERS
                          " ORDER BY s.xact_start LIMIT 1",
                       x->task.id, &rows, err);

    if (rc == 0)
        rc = rows_next(&rows, err);
    if (rc == 1)
        x->holder = (struct seen_holder){rows_int(&rows, 0), rows_time(&rows, 1), rows_keep(&rows, 2), rows_keep(&rows, 3)};
    return rc < 0 ? rc : 0;
}

static int load_standby(struct inquiry *a, struct explanation *x, tasker_error *err)
{
    CLEANUP(rows_close) struct rows rows = {0};
    int rc = ask_by_id(a, "SELECT y.since, y.standbys FROM " STANDBY_WAIT, a->now, &rows, err);

    if (rc == 0)
        rc = rows_next(&rows, err);
    if (rc == 1)
        x->standby = (struct seen_standby){rows_time(&rows, 0), rows_keep(&rows, 1)};
    return rc < 0 ? rc : 0;
}

const struct seen_lane *explain_lane(const struct explanation *x, int64_t id)
{
    for (size_t i = 0; i < x->lane_count; i++)
        if (x->lanes[i].id == id)
            return &x->lanes[i];
    return NULL;
}

const struct seen_offer *explain_offer(const struct explanation *x, const struct seen_step *s)
{
    for (size_t i = 0; i < x->offer_count; i++)
        if (x->offers[i].step_id == s->id)
            return &x->offers[i];
    return NULL;
}

static bool serves(const struct seen_lane *l, struct span handler_class)
{
    for (const struct json *c = l->classes == NULL ? NULL : l->classes->child; c != NULL;
         c = c->next)
        if (c->type == JSON_STRING && span_eq(c->str, handler_class))
            return true;
    return false;
}

static bool anybody_serves(const struct explanation *x, struct span handler_class)
{
    for (size_t i = 0; i < x->lane_count; i++)
        if (x->lanes[i].alive && serves(&x->lanes[i], handler_class))
            return true;
    return false;
}

// ---- reasons

static bool starts_with(struct span text, const char *start)
{
    size_t n = strlen(start);

    return text.len >= n && memcmp(text.p, start, n) == 0;
}

// Not finished and not in our queue: the Rails engine's, or imported and not adopted, whoever began it elsewhere.
static bool of_rails(const struct seen_task *t)
{
    return !t->active;
}

static enum task_reason task_reason(const struct explanation *x, int64_t now)
{
    const struct seen_task *t = &x->task;

    if (t->state == ST_ERROR)
        return starts_with(meta_text_of(t->meta, "reason"), "set aside") ? TR_SET_ASIDE : TR_FAILED;
    if (task_state_final(t->state))
        return TR_FINISHED;
    if (of_rails(t))
        return TR_RAILS;
    if (t->owned)
        return x->owner != NULL && x->owner->alive ? TR_OWNED : TR_OWNER_SILENT;
    return t->run_at > now ? TR_SCHEDULED : TR_WAITING;
}

// A step that will not finish by itself.
static bool stuck(const struct seen_step *s)
{
    return s->state == ST_CANCELLED || (s->state == ST_ERROR && s->wake_at == 0);
}

static bool parents_done(const struct explanation *x, const struct seen_step *s)
{
    for (size_t i = 0; i < s->parent_count; i++)
        if (!state_done(x->task.steps[s->parents[i]].state))
            return false;
    return true;
}

// What a step waits for that could run now: an offer that nobody took, a place, or its task.
static enum step_reason ready_reason(const struct explanation *x, const struct seen_step *s)
{
    const struct seen_offer *o = explain_offer(x, s);

    if (x->reason != TR_OWNED)
        return SR_WAITING_FOR_TASK;
    if (o != NULL && o->lane != 0)
        return SR_RUNNING;
    if (s->handler_class.len > 0 && !anybody_serves(x, s->handler_class))
        return SR_NO_WORKER;
    if (o != NULL || (s->handler_class.len > 0 && !serves(x->owner, s->handler_class)))
        return SR_OFFERED;
    return SR_READY;
}

static enum step_reason step_reason(const struct explanation *x, const struct seen_step *s,
                                    int64_t now)
{
    const struct seen_offer *o = explain_offer(x, s);

    if (state_done(s->state))
        return SR_DONE;
    if (s->state == ST_CANCELLED)
        return SR_CANCELLED;
    if (s->state == ST_ERROR && s->wake_at == 0)
        return SR_FAILED;
    if (s->state == ST_ERROR && s->wake_at > now)
        return SR_IN_BACKOFF;
    if (s->state == ST_IN_PROGRESS && (o == NULL || o->lane != 0))
        return SR_RUNNING;
    if (x->blocked[s - x->task.steps])
        return SR_BLOCKED_BY;
    if (!parents_done(x, s))
        return SR_WAITING_FOR_PARENTS;
    return ready_reason(x, s);
}

// Marks every unfinished step that has a stuck one among its ancestors. Steps mostly stand behind
// their parents, so one pass and one that finds nothing new are the rule.
static void mark_blocked(struct explanation *x)
{
    const struct seen_task *t = &x->task;

    for (bool again = true; again;) {
        again = false;
        for (size_t i = 0; i < t->step_count; i++) {
            const struct seen_step *s = &t->steps[i];
            if (x->blocked[i] || state_done(s->state) || stuck(s))
                continue;
            for (size_t k = 0; k < s->parent_count && !x->blocked[i]; k++)
                x->blocked[i] = x->blocked[s->parents[k]] || stuck(&t->steps[s->parents[k]]);
            again = again || x->blocked[i];
        }
    }
}

static int find_reasons(struct inquiry *a, struct explanation *x, tasker_error *err)
{
    size_t n = x->task.step_count;

    x->blocked = arena_alloc(&a->arena, n * sizeof(*x->blocked));
    x->mark = arena_alloc(&a->arena, n * sizeof(*x->mark));
    x->stack = arena_alloc(&a->arena, n * sizeof(*x->stack));
    x->reasons = arena_alloc(&a->arena, n * sizeof(*x->reasons));
    int rc = ask_nomem(a, err);
    if (rc < 0)
        return rc;
    x->owner = x->task.owned ? explain_lane(x, x->task.lane) : NULL;
    x->reason = task_reason(x, a->now);
    mark_blocked(x);
    for (size_t i = 0; i < n; i++)
        x->reasons[i] = (uint8_t)step_reason(x, &x->task.steps[i], a->now);
    return 0;
}

size_t explain_blockers(struct explanation *x, size_t step, uint32_t *ret, size_t max)
{
    const struct seen_task *t = &x->task;
    size_t depth = 0, found = 0;

    x->generation++;
    x->stack[depth++] = (uint32_t)step;
    while (depth > 0 && found < max) {
        const struct seen_step *s = &t->steps[x->stack[--depth]];
        for (size_t i = 0; i < s->parent_count && found < max; i++) {
            uint32_t p = s->parents[i];
            if (x->mark[p] == x->generation)
                continue;
            x->mark[p] = x->generation;
            if (stuck(&t->steps[p]))
                ret[found++] = p;
            else if (x->blocked[p])
                x->stack[depth++] = p;
        }
    }
    return found;
}

int query_task_explain(struct inquiry *a, tasker_error *err)
{
    struct explanation x = {0};
    int rc = seen_load(a, given_int(a, "task_id", 0), SEEN_STATES, &x.task, err);

    if (rc == 0)
        rc = seen_templates(a, &x.task, err);
    if (rc == 0)
        rc = load_lanes(a, &x, err);
    if (rc == 0)
        rc = load_offers(a, &x, err);
    if (rc == 0 && a->postgres)
        rc = load_holder(a, &x, err);
    if (rc == 0 && a->postgres)
        rc = load_standby(a, &x, err);
    if (rc == 0)
        rc = find_reasons(a, &x, err);
    if (rc == 0)
        explain_write(a, &x);
    return rc;
}
