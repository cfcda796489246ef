// SPDX-License-Identifier: MIT
// task_rebuild.c - a task from its rows, and the check that a task in memory is what its parts say. Whatever memory knew
// and rows do not (attempts that were handed out but not written) is gone; the engine re-attaches what it still knows.
#include "base/json.h"
#include "model/task_private.h"

// When a step in error is tried again, as its row's metadata tells ("retry_at"). Rows of the Rails engine tell nothing:
// then its own rule decides (attempts left, the larger of both backoffs).
static int64_t wake_time(const struct step_image *im)
{
    struct arena arena;
    arena_init(&arena);
    const struct json *meta = NULL;
    int64_t at = 0;
    bool ours = false;
    if (im->metadata.len && json_parse(&arena, im->metadata, &meta, NULL) == 0) {
        ours = json_get(meta, "attempt") != NULL;
        if (!json_int(json_get(meta, "retry_at"), &at))
            at = 0;
    }
    if (!ours && im->retryable && im->attempts < im->retry_limit) {
        at = im->state_at + retry_sql_floor_seconds(im->attempts) * US_PER_SECOND;
        int64_t asked = im->last_attempted_at + im->backoff_seconds * US_PER_SECOND;
        if (im->backoff_seconds >= 0 && im->last_attempted_at && asked > at)
            at = asked;
    }
    arena_done(&arena);
    return at;
}

static void rebuild_step(struct task *t, struct tstep *s, struct step_image *im)
{
    s->id = im->id;
    s->state = im->state;
    s->row_state = im->has_row ? im->state : ST_NONE;
    s->row_at = im->has_row ? im->state_at : 0;
    s->sort_key = im->sort_key;
    s->attempts = im->attempts;
    s->retry_limit = im->retry_limit;
    s->retryable = im->retryable;
    s->started_at = im->state == ST_IN_PROGRESS ? im->state_at : 0;
    s->results = im->results;
    im->results = NULL;
    if (state_done(s->state))
        t->done++;
}

// Counts of parents and children, which are never stored.
static void rebuild_counts(struct task *t)
{
    for (uint32_t i = 0; i < t->count; i++) {
        const struct template_step *def = &t->tpl->steps[i];
        if (!state_done(t->steps[i].state))
            continue;
        for (uint32_t k = 0; k < def->child_count; k++)
            t->steps[def->children[k]].waiting--;
        for (uint32_t k = 0; k < def->parent_count; k++)
            t->steps[def->parents[k]].needed_by--;
    }
    for (uint32_t i = 0; i < t->count; i++) {
        struct tstep *s = &t->steps[i];
        if (s->results && (s->needed_by == 0 || !state_done(s->state))) {
            blob_unref(s->results);
            s->results = NULL;
        }
    }
}

struct task *task_rebuild(struct task_image *im)
{
    struct task *t = task_new(im->tpl, im->context);
    if (!t)
        return NULL;
    blob_unref(im->context);  // task_new took a reference of its own
    im->context = NULL;
    t->id = im->id;
    t->state = im->state;
    t->row_state = im->has_row ? im->state : ST_NONE;
    t->sort_key = im->sort_key;
    t->priority = im->priority;
    t->run_at = im->run_at;
    t->deadline = im->deadline;
    t->started_at = im->started_at;
    t->crashes = im->crashes;
    t->suspect = im->suspect;
    t->active = im->active;
    for (uint32_t i = 0; i < t->count; i++)
        rebuild_step(t, &t->steps[i], &im->steps[i]);
    rebuild_counts(t);
    bool going = t->state == ST_IN_PROGRESS;
    for (uint32_t i = 0; i < t->count; i++) {
        struct tstep *s = &t->steps[i];
        s->retry_at = s->state == ST_ERROR ? wake_time(&im->steps[i]) : 0;
        s->wake_at = going ? s->retry_at : 0;
        s->open = s->state == ST_IN_PROGRESS || s->wake_at != 0;
        t->open += s->open;
    }
    return t;
}

// ------------------------------------------------------------------------------------------------------- checking

static const char *check_step(const struct task *t, const struct tstep *s)
{
    const struct template_step *def = &t->tpl->steps[s->index];
    uint32_t waiting = 0, needed = 0;
    for (uint32_t k = 0; k < def->parent_count; k++)
        waiting += !state_done(t->steps[def->parents[k]].state);
    for (uint32_t k = 0; k < def->child_count; k++)
        needed += !state_done(t->steps[def->children[k]].state);
    if (s->waiting != waiting)
        return "step.waiting is not the number of unfinished parents";
    if (s->needed_by != needed)
        return "step.needed_by is not the number of unfinished children";
    if (s->open != (s->state == ST_IN_PROGRESS || s->ready || s->wake_at != 0))
        return "step.open does not follow from its state";
    if (s->ready && (s->waiting != 0 || (s->state != ST_PENDING && s->state != ST_ERROR)))
        return "a ready step is not able to run";
    if (s->state == ST_IN_PROGRESS && s->waiting != 0)
        return "a step runs before its parents are done";
    if (s->wake_at != 0 && s->state != ST_ERROR)
        return "a step that is not in error waits for a retry";
    if (s->attempts > s->retry_limit && s->retry_limit > 0)
        return "more attempts than the limit";
    if (s->state != ST_IN_PROGRESS && s->row_state != ST_NONE && s->row_state != s->state)
        return "the newest row has another state";
    if (s->results && (s->needed_by == 0 || !state_done(s->state)))
        return "results are kept that nobody needs";
    return NULL;
}

const char *task_check(const struct task *t)
{
    uint32_t open = 0, done = 0;
    for (uint32_t i = 0; i < t->count; i++) {
        const char *wrong = check_step(t, &t->steps[i]);
        if (wrong)
            return wrong;
        open += t->steps[i].open;
        done += state_done(t->steps[i].state);
    }
    if (t->open != open)
        return "task.open is not the number of open steps";
    if (t->done != done)
        return "task.done is not the number of finished steps";
    if (t->state == ST_IN_PROGRESS && open == 0)
        return "a task in progress has nothing left to run";
    if (task_state_final(t->state) && open != 0)
        return "a finished task has open steps";
    return NULL;
}
