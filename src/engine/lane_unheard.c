// SPDX-License-Identifier: MIT
// lane_unheard.c - a turn that was committed while the connection broke: its changes are known, what it got is not. Claims
// may be ours, offers of others taken, and what was asked of other lanes has numbers. The rows tell: the lane keeps all that
// it has and takes in the rest.
//
// They are read between two turns, and what was read counts only for a lane that has committed nothing since: then every
// row that names the lane is known here, but for what was not heard.
#include "engine/lane_private.h"

static bool asked_already(const struct lane *l, int64_t request_id)
{
    for (size_t i = 0; i < l->read_count; i++)
        if (l->read_requests[i] == request_id)
            return true;
    list_each(node, &l->asked)
    {
        if (container_of(node, struct lane_input, link)->cmd.asked_id == request_id)
            return true;
    }
    return false;
}

// A command that was asked, but not heard under which number: the row says the same of the same task. When there are two
// such, either answer is good for either.
static void name_request(struct lane *l, const struct poll_request *r)
{
    if (asked_already(l, r->request_id))
        return;
    list_each(node, &l->asked)
    {
        struct lane_input *in = container_of(node, struct lane_input, link);
        if (in->cmd.asked_id != 0 || in->cmd.task_id != r->task_id || !span_eq(request_body(l, in), r->body))
            continue;
        in->cmd.asked_id = r->request_id;
        l->next_poll = l->next_thorough = 0;
        return;
    }
}

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
    for (size_t i = 0; i < h->request_count; i++)
        name_request(l, &h->requests[i]);
    l->found = true;
}
