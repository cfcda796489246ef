// SPDX-License-Identifier: MIT
// lane_withdraw.c - callers who wait no longer for a database that takes nothing, and what they can be told for certain.
//
// An input that is in no turn is dropped. So is one in the turn under way when every try of that turn is known to have
// failed: the turn is undone and decided again without it. A turn whose outcome was unknown once stays as it is, for it may
// be written: what it says is then in doubt, and so is what another lane was asked to do.
#include "engine/lane_private.h"

#include <string.h>

struct picker {
    struct lane *l;
    bool (*of)(const void *ticket, const void *who);
    const void *who;
    const struct lane_regrets *why;
};

static bool picks(const struct picker *p, const struct lane_input *in)
{
    return in->ticket && p->of(in->ticket, p->who);
}

// The answer that the turn under way holds for it is not given.
static void forget_answer(struct lane *l, const void *ticket)
{
    for (size_t i = 0; i < l->held_count; i++) {
        if (l->held[i].kind != ACT_REPLY || l->held[i].ticket != ticket)
            continue;
        blob_unref(l->held[i].blob);
        memmove(l->held + i, l->held + i + 1, (l->held_count - i - 1) * sizeof(l->held[0]));
        l->held_count--;
        return;
    }
}

static void doubt(const struct picker *p, struct lane_input *in)
{
    struct action a = {.kind = ACT_REPLY, .ticket = in->ticket, .error = p->why->doubtful};
    if (in->kind == IN_SUBMIT)
        err_remedy(&a.error, "submit it again with the identity %s: it is created once", in->submit.identity);
    else
        err_remedy(&a.error, "see what became of task %lld when the database is back", (long long)in->cmd.task_id);
    if (!out_action(p->l, &a))
        return;
    forget_answer(p->l, in->ticket);
    in->ticket = NULL;
}

// A command that is about to be decided may be what its task waits for to be given back, or to end: it stays, as one that
// changes nothing.
static void drop(const struct picker *p, struct list *from, struct lane_input *in)
{
    struct action a = {.kind = ACT_REPLY, .ticket = in->ticket, .error = p->why->unwritten};
    struct lane *l = p->l;
    if (!out_action(l, &a))
        return;
    if (from == &l->inputs && in->kind == IN_COMMAND) {
        in->ticket = NULL;
        in->withdrawn = true;
        return;
    }
    if (from == &l->submits)
        l->submit_count--;
    if (from == &l->inputs)
        l->input_count--;
    list_remove(&in->link);
    lane_input_free(in);
}

static void visit(const struct picker *p, struct list *queue)
{
    list_each(node, queue)
    {
        struct lane_input *in = container_of(node, struct lane_input, link);
        if (!picks(p, in))
            continue;
        if (in->doubtful)
            doubt(p, in);
        else
            drop(p, queue, in);
    }
}

static void visit_barred(const void *p, struct list *waiting)
{
    visit(p, waiting);
}

// Those of the turn under way: doubtful are all of them or none.
static void visit_turn(const struct picker *p)
{
    struct lane *l = p->l;
    struct list *lists[] = {&l->turn_inputs, &l->asking};
    bool undo = false;
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        list_each(node, lists[i])
        {
            struct lane_input *in = container_of(node, struct lane_input, link);
            if (picks(p, in) && in->doubtful)
                doubt(p, in);
            else if (picks(p, in))
                undo = true;
        }
    }
    if (!undo || !l->flying)
        return;
    l->flying = false;
    undo_turn(l, true);
}

static void visit_asked(const struct picker *p)
{
    list_each(node, &p->l->asked)
    {
        struct lane_input *in = container_of(node, struct lane_input, link);
        struct action a = {.kind = ACT_REPLY, .ticket = in->ticket, .error = p->why->doubtful};
        if (!picks(p, in))
            continue;
        err_remedy(&a.error, "see what became of task %lld when the database is back", (long long)in->cmd.task_id);
        end_request(p->l, in, &a);
    }
}

void lane_withdraw(struct lane *l, bool (*of)(const void *ticket, const void *who), const void *who,
                   const struct lane_regrets *why)
{
    const struct picker p = {.l = l, .of = of, .who = who, .why = why};
    struct list *queues[] = {&l->inputs, &l->submits, &l->rechecks, &l->to_request};
    struct entry *e, *tmp;
    visit_turn(&p);
    for (size_t i = 0; i < ARRAY_SIZE(queues); i++)
        visit(&p, queues[i]);
    HASH_ITER(hh, l->entries, e, tmp) visit(&p, &e->waiting);
    each_barred(l, visit_barred, &p);
    visit_asked(&p);
}
