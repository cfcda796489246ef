// SPDX-License-Identifier: MIT
// readiness.c - the rules of get_step_readiness_status (second version) and
// get_task_execution_context, NULLs included.
//
// Kept as they are, odd or not: a step that is not retryable is not ready for its first attempt
// either; next_retry_at prefers the explicit backoff even when the other ends later. Differs in one
// place: 2^attempts is capped before it is computed, where the SQL fails from 44 attempts on.
#include <stddef.h>

#include "base/util.h"
#include "model/readiness.h"
#include "model/retry.h"

#define DEFAULT_RETRY_LIMIT 3

static int64_t failure_delay_us(const struct readiness_in *in)
{
    return retry_sql_floor_seconds(in->has_attempts ? in->attempts : 1) * US_PER_SECOND;
}

void readiness_of(const struct readiness_in *in, int64_t now, struct readiness *ret)
{
    struct readiness r = {
        .dependencies_satisfied = in->completed_parents == in->total_parents,
        .attempts = in->has_attempts ? in->attempts : 0,
        .retry_limit = in->has_retry_limit ? in->retry_limit : DEFAULT_RETRY_LIMIT,
        .last_failure_at = in->state == ST_ERROR ? in->state_at : 0,
    };
    bool asked = in->has_backoff && in->last_attempted_at != 0;
    int64_t asked_at = asked ? in->last_attempted_at + in->backoff_seconds * US_PER_SECOND : 0;
    int64_t delayed_at = r.last_failure_at != 0 ? r.last_failure_at + failure_delay_us(in) : 0;
    r.next_retry_at = asked ? asked_at : delayed_at;
    r.retry_eligible = r.attempts < r.retry_limit;
    r.ready = (in->state == ST_PENDING || in->state == ST_ERROR) && !in->processed &&
              !in->in_process && in->retryable && r.dependencies_satisfied && r.retry_eligible &&
              asked_at <= now && delayed_at <= now;
    *ret = r;
}

void context_count(struct context_counts *c, const struct readiness_in *in,
                   const struct readiness *r)
{
    c->total++;
    c->pending += in->state == ST_PENDING;
    c->in_progress += in->state == ST_IN_PROGRESS;
    c->completed += state_done(in->state);
    c->failed += in->state == ST_ERROR;
    c->ready += r->ready;
    c->blocked += in->state == ST_ERROR && !r->retry_eligible;
}

// The first row whose question is answered with yes.
static bool has_ready(const struct context_counts *c)
{
    return c->ready > 0;
}

static bool has_running(const struct context_counts *c)
{
    return c->in_progress > 0;
}

static bool has_blocked(const struct context_counts *c)
{
    return c->blocked > 0;
}

static bool all_complete(const struct context_counts *c)
{
    return c->total > 0 && c->completed == c->total;
}

static bool always(const struct context_counts *c)
{
    (void)c;
    return true;
}

static bool none_failed(const struct context_counts *c)
{
    return c->failed == 0;
}

static const struct {
    bool (*when)(const struct context_counts *c);
    const char *status, *action;
} decisions[] = {
    {has_ready, "has_ready_steps", "execute_ready_steps"},
    {has_running, "processing", "wait_for_completion"},
    {has_blocked, "blocked_by_failures", "handle_failures"},
    {all_complete, "all_complete", "finalize_task"},
    {always, "waiting_for_dependencies", "wait_for_dependencies"},
};

static const struct {
    bool (*when)(const struct context_counts *c);
    const char *health;
} healths[] = {
    {none_failed, "healthy"},
    {has_ready, "recovering"},
    {has_blocked, "blocked"},
    {always, "recovering"},
};

// Hundredths of a percent, rounded half up in whole numbers as NUMERIC does.
static double percentage(int64_t part, int64_t total)
{
    if (total <= 0)
        return 0.0;
    return (double)((part * 20000 + total) / (2 * total)) / 100.0;
}

void context_of(const struct context_counts *c, struct execution_context *ret)
{
    size_t d = 0, h = 0;
    while (!decisions[d].when(c))
        d++;
    while (!healths[h].when(c))
        h++;
    *ret = (struct execution_context){
        .execution_status = decisions[d].status,
        .recommended_action = decisions[d].action,
        .health_status = healths[h].health,
        .completion_percentage = percentage(c->completed, c->total),
    };
}
