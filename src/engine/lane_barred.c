// SPDX-License-Identifier: MIT
// lane_barred.c - submissions of a template of which another session has a catalogue row locked, so that no task of it can be
// made: they wait here and nobody else does.
//
// Once a second one of them is tried, in a turn that waits for locks only a moment. When it is written, all of them are
// decided. Who has waited for as long as callers wait for a database hears that nothing was written.
#include "engine/lane_private.h"

struct barred {
    struct list link;
    struct template *tpl;  // a reference
    struct list waiting;   // submissions
    int64_t next_try;
    tasker_error why;
};

static struct barred *find(const struct lane *l, const struct template *tpl)
{
    list_each(node, &l->barred)
    {
        struct barred *b = container_of(node, struct barred, link);
        if (b->tpl->template_id == tpl->template_id)
            return b;
    }
    return NULL;
}

static struct barred *add(struct lane *l, struct template *tpl)
{
    struct barred *b = mem_alloc(sizeof(*b));
    if (!b)
        return NULL;
    b->tpl = template_ref(tpl);
    list_init(&b->waiting);
    list_push(&l->barred, &b->link);
    return b;
}

static void let_in(struct lane *l, struct barred *b)
{
    queue_front(l, &b->waiting);
    list_remove(&b->link);
    template_unref(b->tpl);
    mem_free(b);
}

bool bar(struct lane *l, int64_t now, struct template *tpl, const tasker_error *why)
{
    struct barred *b = find(l, tpl);
    if (!b)
        b = add(l, tpl);
    if (!b)
        return false;
    b->next_try = now + RELOAD_US;
    b->why = *why;
    list_each(node, &l->turn_inputs)
    {
        struct lane_input *in = container_of(node, struct lane_input, link);
        if (in->kind == IN_SUBMIT && in->submit.tpl->template_id == tpl->template_id)
            in->submit.tries_lock = false;
    }
    return true;
}

bool is_barred(struct lane *l, struct lane_input *in)
{
    struct barred *b = find(l, in->submit.tpl);
    if (in->submit.tries_lock)
        l->turn.impatient = true;
    if (!b || in->submit.tries_lock)
        return false;
    if (in->submit.barred_at == 0)
        in->submit.barred_at = l->d.now;
    list_remove(&in->link);
    list_push(&b->waiting, &in->link);
    return true;
}

static void give_up(struct lane *l, struct barred *b, int64_t now)
{
    struct action a = {.kind = ACT_REPLY};
    (void)err_set(&a.error, TASKER_E_BUSY, "%s: nothing was written", b->why.message);
    err_remedy(&a.error, "%s; then try again", b->why.remedy);
    list_each(node, &b->waiting)
    {
        struct lane_input *in = container_of(node, struct lane_input, link);
        a.ticket = in->ticket;
        if (in->submit.barred_at + l->opt->database_timeout_us > now || (a.ticket && !out_action(l, &a)))
            continue;
        list_remove(node);
        lane_input_free(in);
    }
}

void try_barred(struct lane *l, int64_t now)
{
    list_each(node, &l->barred)
    {
        struct barred *b = container_of(node, struct barred, link);
        if (now < b->next_try)
            continue;
        if (l->opt->database_timeout_us > 0)
            give_up(l, b, now);
        if (list_empty(&b->waiting)) {
            let_in(l, b);
            continue;
        }
        struct list one;
        list_init(&one);
        list_push(&one, list_pop(&b->waiting));
        container_of(one.next, struct lane_input, link)->submit.tries_lock = true;
        queue_front(l, &one);
        b->next_try = now + RELOAD_US;
    }
}

void unbar(struct lane *l)
{
    list_each(node, &l->turn_inputs)
    {
        const struct lane_input *in = container_of(node, struct lane_input, link);
        struct barred *b = in->kind == IN_SUBMIT && in->submit.tries_lock ? find(l, in->submit.tpl) : NULL;
        if (b)
            let_in(l, b);
    }
}

int64_t barred_deadline(const struct lane *l)
{
    int64_t at = INT64_MAX;
    list_each(node, &l->barred)
    {
        const struct barred *b = container_of(node, struct barred, link);
        at = b->next_try < at ? b->next_try : at;
    }
    return at;
}

void each_barred(struct lane *l, void (*visit)(const void *arg, struct list *waiting), const void *arg)
{
    list_each(node, &l->barred) visit(arg, &container_of(node, struct barred, link)->waiting);
}

void let_all_in(struct lane *l)
{
    list_each(node, &l->barred) let_in(l, container_of(node, struct barred, link));
}
