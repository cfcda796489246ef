// SPDX-License-Identifier: MIT
// lane_entry.c - the tasks that a lane has in memory, and what the model's notes mean for its queues, timers and attempts.
#include "engine/lane_private.h"

// ------------------------------------------------------------------------------------------------------ entries

struct entry *entry_find(struct lane *l, int64_t id)
{
    struct entry *e = NULL;
    HASH_FIND(hh, l->entries, &id, sizeof(id), e);
    return e;
}

struct entry *entry_add(struct lane *l, int64_t id)
{
    struct entry *e = mem_alloc(sizeof(*e));
    if (!e || !heap_room(&l->task_timers, HASH_COUNT(l->entries) + 1)) {
        mem_free(e);
        l->d.failed = true;
        return NULL;
    }
    e->id = id;
    list_init(&e->waiting);
    list_init(&e->link);
    list_init(&e->claim_link);
    HASH_ADD(hh, l->entries, id, sizeof(e->id), e);
    if (!HASH_ADDED(hh, e)) {
        mem_free(e);
        l->d.failed = true;
        return NULL;
    }
    return e;
}

void give_back(struct lane *l, struct entry *e)
{
    if (task_state_final(e->task->state))
        task_settle(&l->d, e->task);
    else
        task_write_active(&l->d, e->task, false);
}

void entry_timer(struct lane *l, struct entry *e, int64_t at)
{
    heap_remove(&l->task_timers, &e->timer);
    e->timer_at = at;
    if (at != 0 && heap_push(&l->task_timers, &e->timer) < 0)
        l->d.failed = true;  // not so: entry_add made room
}

// Slots of a task that is forgotten keep the entry; slots of an entry that goes keep their place until answered.
void entry_drop(struct lane *l, struct entry *e)
{
    struct slot *s, *tmp;
    if (e->slots > 0)
        HASH_ITER(hh, l->slots, s, tmp)
        {
            if (s->entry != e)
                continue;
            list_remove(&s->lazy);  // slot_attach watches them again
            heap_remove(&l->deadlines, &s->timer);
        }
    if (e->task) {
        for (uint32_t i = 0; i < e->task->count; i++) {
            dequeue(&e->task->steps[i]);
            heap_remove(&l->wakes, &e->task->steps[i].timer);
        }
        task_free(e->task);
        e->task = NULL;
    }
    heap_remove(&l->task_timers, &e->timer);
    e->timer_at = 0;
}

static void orphan_slots(struct lane *l, struct entry *e)
{
    struct slot *s, *tmp;
    if (e->slots == 0)
        return;
    HASH_ITER(hh, l->slots, s, tmp)
    {
        if (s->entry != e)
            continue;
        if (s->kind == SLOT_OFFER) {
            slot_free(l, s);
        } else {
            s->entry = NULL;
            slot_zombie(l, s);
        }
    }
}

void entry_remove(struct lane *l, struct entry *e)
{
    orphan_slots(l, e);
    entry_drop(l, e);
    queue_front(l, &e->waiting);
    list_remove(&e->link);
    list_remove(&e->claim_link);
    HASH_DEL(l->entries, e);
    mem_free(e);
}

void touch(struct lane *l, struct entry *e)
{
    if (e->touched == l->d.serial)
        return;
    e->touched = l->d.serial;
    list_remove(&e->link);
    list_push(&l->touched, &e->link);
}

// --------------------------------------------------------------------------------------- what the model's notes mean

static void on_ready(struct lane *l, struct task *t, struct tstep *s)
{
    heap_remove(&l->wakes, &s->timer);
    if (!((struct entry *)t->entry)->visiting)
        enqueue(l, t, s);
}

static void on_failed(struct lane *l, struct task *t, struct tstep *s)
{
    (void)t;
    heap_remove(&l->wakes, &s->timer);
    if (s->wake_at != 0 && heap_push(&l->wakes, &s->timer) < 0)
        l->d.failed = true;
}

static void on_stop(struct lane *l, struct task *t, struct tstep *s)
{
    (void)t;
    struct slot *slot = s->slot;
    if (!slot || slot->spent)
        return;
    if (slot->kind == SLOT_OFFER) {
        slot_spend(l, slot);  // the row goes; its worker sees that and stops
        return;
    }
    slot_stop(l, slot, true);
    slot_zombie(l, slot);
}

// A step that ended otherwise than by its worker's answer may still be offered to others.
static void on_ended(struct lane *l, struct task *t, struct tstep *s)
{
    (void)t;
    struct slot *slot = s->slot;
    dequeue(s);
    if (slot && slot->kind == SLOT_OFFER && !slot->begun && !slot->spent)
        slot_spend(l, slot);
}

static void on_task_over(struct lane *l, struct task *t)
{
    struct entry *e = t->entry;
    for (uint32_t i = 0; i < t->count; i++) {
        struct slot *slot = t->steps[i].slot;
        dequeue(&t->steps[i]);
        if (slot && slot->kind == SLOT_OFFER && !slot->spent)
            slot_spend(l, slot);
    }
    e->over = true;
}

typedef void step_reaction(struct lane *l, struct task *t, struct tstep *s);
static step_reaction *const step_reactions[NOTE_COUNT] = {
    [NOTE_STEP_READY] = on_ready,     [NOTE_STEP_FAILED] = on_failed,   [NOTE_STEP_BACKOFF] = on_failed,
    [NOTE_STEP_STOP] = on_stop,       [NOTE_STEP_CANCELLED] = on_ended, [NOTE_STEP_RESOLVED] = on_ended,
};

void absorb_notes(struct lane *l)
{
    if (l->d.failed)
        return;  // nothing of the turn comes true, and a task in its notes may be gone
    for (; l->notes_seen < l->d.note_count; l->notes_seen++) {
        const struct note *n = &l->d.notes[l->notes_seen];
        struct entry *e = n->task->entry;
        touch(l, e);
        if (n->step >= 0 && step_reactions[n->kind])
            step_reactions[n->kind](l, n->task, &n->task->steps[n->step]);
        if (n->kind == NOTE_TASK_RETRIED)
            e->over = false;
        bool left = task_state_final(n->task->state) || n->kind == NOTE_TASK_RELEASED;
        if (n->step < 0 && left && !n->task->active)
            on_task_over(l, n->task);
    }
}
