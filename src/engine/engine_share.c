// SPDX-License-Identifier: MIT
// engine_share.c - what the lanes of one engine have to themselves, and what together. Limits of steps and the places of
// workers are counted for all of them (tally.h); how many tasks are kept in memory, and how often rows are looked at, is
// divided. Submissions go round; those with one identity go to one lane, so that of two the first is the task.
#include "base/hash.h"
#include "engine/engine_private.h"

#include <string.h>

size_t share_lanes(const struct engine_options *o, const struct store *s)
{
    size_t lanes = s->single_writer || o->lanes < 1 ? 1 : (size_t)o->lanes;
    if (lanes > LANES_MAX)
        lanes = LANES_MAX;
    return lanes > (size_t)o->max_active_tasks ? (size_t)o->max_active_tasks : lanes;
}

void share_options(struct lane_thread *t, size_t lane, size_t lanes)
{
    struct engine_options *share = &t->share;
    int32_t n = (int32_t)lanes;
    *share = t->engine->options;
    share->max_active_tasks = share->max_active_tasks / n + ((int32_t)lane < share->max_active_tasks % n);
    // One look a second by all of them together, or one a lease when that is shorter.
    share->thorough_us = (share->lease_us < US_PER_SECOND ? share->lease_us : US_PER_SECOND) * n;
}

struct lane_thread *share_next(struct engine *e, const struct lane_input *in)
{
    if (in->kind == IN_SUBMIT && in->submit.identity[0] != '\0') {
        unsigned hash;
        HASH_FUNCTION(in->submit.identity, strlen(in->submit.identity), hash);
        return &e->lanes[hash % e->lane_count];
    }
    pthread_mutex_lock(&e->lock);
    struct lane_thread *t = &e->lanes[e->next_lane++ % e->lane_count];
    pthread_mutex_unlock(&e->lock);
    return t;
}
