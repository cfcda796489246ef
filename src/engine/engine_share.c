// SPDX-License-Identifier: MIT
// engine_share.c - lanes share nothing, so what is limited for an engine is divided among them: each gets its part of
// every limit and of every worker's places, and submissions in turn. An engine never has more lanes than its smallest
// limit, so that no part is nothing. A worker with fewer places than there are lanes serves only the first of them; the
// others offer its steps, and the first takes them from the offers.
#include "engine/engine_private.h"

static size_t at_most(size_t lanes, int32_t limit)
{
    return limit > 0 && (size_t)limit < lanes ? (size_t)limit : lanes;
}

size_t share_lanes(const struct engine_options *o, const struct store *s)
{
    size_t lanes = s->single_writer || o->lanes < 1 ? 1 : (size_t)o->lanes;
    lanes = at_most(lanes, LANES_MAX);
    lanes = at_most(lanes, o->max_concurrent_steps);
    lanes = at_most(lanes, o->max_active_tasks);
    for (size_t i = 0; i < o->class_limit_count; i++)
        lanes = at_most(lanes, o->class_limits[i].count);
    for (size_t i = 0; i < o->template_limit_count; i++)
        lanes = at_most(lanes, o->template_limits[i].count);
    return lanes;
}

int32_t share_of(int32_t whole, size_t lane, size_t lanes)
{
    int32_t n = (int32_t)lanes;
    return whole / n + ((int32_t)lane < whole % n ? 1 : 0);
}

// The names stay the engine's.
static struct limit *share_limits(const struct limit *limits, size_t count, size_t lane, size_t lanes)
{
    struct limit *list = mem_alloc((count + 1) * sizeof(*list));
    for (size_t i = 0; i < count && list; i++)
        list[i] = (struct limit){limits[i].name, share_of(limits[i].count, lane, lanes)};
    return list;
}

int share_options(struct lane_thread *t, size_t lane, size_t lanes)
{
    const struct engine_options *o = &t->engine->options;
    struct engine_options *share = &t->share;
    *share = *o;
    share->lanes = (int32_t)lanes;
    share->max_concurrent_steps = share_of(o->max_concurrent_steps, lane, lanes);
    share->max_active_tasks = share_of(o->max_active_tasks, lane, lanes);
    // One look a second by all of them together, or one a lease when that is shorter.
    share->thorough_us = (o->lease_us < US_PER_SECOND ? o->lease_us : US_PER_SECOND) * (int64_t)lanes;
    share->class_limits = share_limits(o->class_limits, o->class_limit_count, lane, lanes);
    share->template_limits = share_limits(o->template_limits, o->template_limit_count, lane, lanes);
    return share->class_limits && share->template_limits ? 0 : TASKER_E_NOMEM;
}

void share_done(struct lane_thread *t)
{
    mem_free(t->share.class_limits);
    mem_free(t->share.template_limits);
}

struct lane_thread *share_next(struct engine *e)
{
    pthread_mutex_lock(&e->lock);
    struct lane_thread *t = &e->lanes[e->next_lane++ % e->lane_count];
    pthread_mutex_unlock(&e->lock);
    return t;
}
