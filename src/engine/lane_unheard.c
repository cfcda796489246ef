// SPDX-License-Identifier: MIT
// lane_unheard.c - a turn that was committed while the connection broke: its changes are known, what it got is not. Claims
// may be ours, and offers of others taken. The rows tell: the lane keeps all that it has and takes in the rest.
//
// They are read between two turns, and what was read counts only for a lane that has committed nothing since: then every
// row that names the lane is known here, but for what was not heard.
#include "engine/lane_private.h"

void ask_holdings(struct lane *l)
{
    struct action a = {.kind = ACT_HOLDINGS, .id = l->id, .token = l->number};
    if (l->unheard && l->id != 0)
        (void)out_action(l, &a);  // out of memory: after the next commit, which the lease brings about
}

void decide_holdings(struct lane *l, struct lane_input *in)
{
    const struct holdings *h = in->holdings.found;
    if (!l->unheard || in->holdings.rc < 0 || in->holdings.lane != l->id || in->holdings.number != l->number)
        return;  // asked again after the next commit
    for (size_t i = 0; i < h->task_count; i++) {
        if (entry_find(l, h->tasks[i]))
            continue;
        struct entry *e = entry_add(l, h->tasks[i]);
        if (!e)
            return;
        e->visiting = !(l->started && l->claiming && !l->draining);
        load(l, e);
    }
    for (size_t i = 0; i < h->offer_count; i++) {
        struct change *c = foreign_find(l, h->offers[i]) ? NULL : decision_change(&l->d, CH_OFFER_RELEASE);
        if (c)
            c->offer.token = h->offers[i];
    }
    l->found = true;
}
