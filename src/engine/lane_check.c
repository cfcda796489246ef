// SPDX-License-Identifier: MIT
// lane_check.c - what must be true of a lane between turns. The simulator asks after every turn; a failure names the rule.
#include "engine/lane_private.h"

#include <string.h>

static const char *check_open_step(const struct tstep *s)
{
    const struct slot *slot = s->slot;
    if (s->state == ST_IN_PROGRESS && (!slot || slot->zombie))
        return "a running step has no attempt that is out";
    if (s->state == ST_IN_PROGRESS)
        return NULL;
    if (s->ready && !s->queued_in && !slot)
        return "a ready step is in no queue";
    if (!s->ready && s->wake_at != 0 && s->timer.place == 0)
        return "a step that waits for a retry has no timer";
    return NULL;
}

static const char *check_entry(const struct lane *l, const struct entry *e)
{
    const struct task *t = e->task;
    if (!t)
        return e->loading || e->claiming ? NULL : "an entry without a task waits for nothing";
    const char *wrong = task_check(t);
    if (wrong || e->visiting)
        return wrong;
    if (task_state_final(t->state) && l->input_count == 0)  // else a command for it is queued
        return "a finished task is still owned";
    if (t->state == ST_PENDING && e->timer_at == 0)
        return "a pending task has no timer";
    if (t->deadline && e->timer_at == 0)
        return "a task with a deadline has no timer";
    for (uint32_t i = 0; i < t->count && t->state == ST_IN_PROGRESS; i++)
        if (t->steps[i].open && (wrong = check_open_step(&t->steps[i])))
            return wrong;
    return NULL;
}

static const char *check_slots(const struct lane *l)
{
    struct slot *s, *tmp;
    int32_t placed = 0;
    HASH_ITER(hh, l->slots, s, tmp)
    {
        placed += s->placed;
        if (s->spent)
            return "an answered attempt is still known";
        if (s->kind == SLOT_OFFER && !s->entry)
            return "an offer belongs to no task";
    }
    HASH_ITER(hh, l->foreign, s, tmp) placed += s->placed;
    return placed == l->running.own ? NULL : "places and attempts do not add up";
}

const char *lane_check(struct lane *l)
{
    struct entry *e, *tmp;
    if (l->flying)
        return NULL;
    HASH_ITER(hh, l->entries, e, tmp)
    {
        const char *wrong = check_entry(l, e);
        if (wrong)
            return wrong;
    }
    return check_slots(l);
}
