// SPDX-License-Identifier: MIT
// postgres_poll.c - one look at what others did: one statement in one round trip, which uses no transaction id. Its rows
// are (kind, three numbers, three texts); `takers` says what each kind means.
//
// A takeover skips lanes whose row somebody holds locked: a process that was stopped in the middle of a turn, most of
// all. A session that has held a row for two leases so is ended, if the role may (stuck.h). It is looked for once a
// lease, whatever the rows say: what such a turn has claimed is in none that others see.
#include "store/postgres.h"

#include <string.h>

#define FREE_EVERY_US US_PER_SECOND

struct look {
    struct pipe q;
    const PGresult *r;
    const struct poll_want *want;
    int64_t now;
    struct poll_result *ret;
    bool failed;
    bool stuck;  // a lane has been silent for longer than a takeover waits
};

enum column { KIND, A, B, C, D, E, F };

static void *push(struct look *k, void *items, size_t *count, size_t size)
{
    void **list = items;
    // Room doubles at powers of two; the first is enough for most.
    size_t n = *count;
    if ((n & (n - 1)) == 0) {
        void *bigger = arena_alloc(&k->ret->arena, (n ? 2 * n : 1) * size);
        if (!bigger) {
            k->failed = true;
            return NULL;
        }
        if (n > 0)
            memcpy(bigger, *list, n * size);
        *list = bigger;
    }
    return (char *)*list + size * (*count)++;
}

static struct span text(struct look *k, size_t row, int column)
{
    return pg_keep(&k->q, &k->ret->arena, k->r, row, column);
}

static void take_lane(struct look *k, size_t row)
{
    int64_t id = pg_int_at(k->r, row, A);
    if (id == k->want->lane) {
        k->ret->lane_alive = true;
        return;
    }
    struct poll_lane *l = push(k, &k->ret->lanes, &k->ret->lane_count, sizeof(*l));
    if (!l)
        return;
    *l = (struct poll_lane){.lane = id,
                            .expires_at = pg_int_at(k->r, row, B),
                            .owns = pg_int_at(k->r, row, C) != 0,
                            .host = text(k, row, D).p,
                            .boot_id = text(k, row, E).p,
                            .process = text(k, row, F).p};
    k->stuck = k->stuck || (l->owns && l->expires_at + k->want->lease_us < k->now);
}

static void take_due(struct look *k, size_t row)
{
    k->ret->tasks_due = !pg_null_at(k->r, row, A) && pg_int_at(k->r, row, A) <= k->now;
    k->ret->next_run_at = pg_int_at(k->r, row, B);
}

static void take_class(struct look *k, size_t row)
{
    k->ret->offer_class = k->want->wants[pg_int_at(k->r, row, A) - 1].handler_class;
}

static void take_request(struct look *k, size_t row)
{
    struct poll_request *r = push(k, &k->ret->requests, &k->ret->request_count, sizeof(*r));
    if (r)
        *r = (struct poll_request){pg_int_at(k->r, row, A), pg_int_at(k->r, row, B), text(k, row, D)};
}

static void take_answer(struct look *k, size_t row)
{
    struct poll_answer *r = push(k, &k->ret->answers, &k->ret->answer_count, sizeof(*r));
    if (r)
        *r = (struct poll_answer){pg_int_at(k->r, row, A), text(k, row, D)};
}

// An answer counts also when the process that gave it is gone by now.
static void take_news(struct look *k, size_t row)
{
    struct poll_offer *o = push(k, &k->ret->offer_news, &k->ret->offer_news_count, sizeof(*o));
    if (!o)
        return;
    *o = (struct poll_offer){.token = pg_int_at(k->r, row, A), .begun_at = pg_int_at(k->r, row, B)};
    if (pg_null_at(k->r, row, C)) {
        o->news = pg_bool_at(k->r, row, F) ? OFFER_BEGUN : OFFER_LOST;
        return;
    }
    o->news = OFFER_ANSWERED;
    o->verdict = (uint8_t)pg_int_at(k->r, row, C);
    o->answer = text(k, row, D);
    o->log = text(k, row, E);
}

static void take_cancelled(struct look *k, size_t row)
{
    int64_t *token = push(k, &k->ret->cancelled, &k->ret->cancelled_count, sizeof(*token));
    if (token)
        *token = pg_int_at(k->r, row, A);
}

static void take_stranded(struct look *k, size_t row)
{
    (void)row;
    k->ret->stranded = true;
}

static void (*const takers[])(struct look *, size_t) = {
    take_lane, take_due, take_class, take_request, take_answer, take_news, take_cancelled, take_cancelled, take_stranded,
};

static void ask(struct look *k)
{
    const struct poll_want *w = k->want;
    pipe_add(&k->q, PG_POLL);
    pipe_int8(&k->q, w->lane);
    pipe_int8(&k->q, k->now);
    pipe_bool(&k->q, w->tasks);
    pipe_array(&k->q, PG_TEXT, w->want_count);
    for (size_t i = 0; i < w->want_count; i++)
        pipe_item_span(&k->q, w->wants[i].limit > 0 ? span_of(w->wants[i].handler_class) : (struct span){NULL, 0});
    pipe_array(&k->q, PG_INT8, w->my_request_count);
    for (size_t i = 0; i < w->my_request_count; i++)
        pipe_item_int(&k->q, w->my_requests[i]);
    pipe_array(&k->q, PG_INT8, w->my_offer_count);
    for (size_t i = 0; i < w->my_offer_count; i++)
        pipe_item_int(&k->q, w->my_offers[i]);
}

void postgres_free_locks(struct postgres *p, int64_t now, int64_t every_us)
{
    int64_t moment = clock_monotonic_us();
    tasker_error ignored;
    struct pipe q;
    if (every_us < FREE_EVERY_US)
        every_us = FREE_EVERY_US;
    if (p->read_only || (p->freed_at != 0 && moment - p->freed_at < every_us))
        return;
    p->freed_at = moment;
    pipe_init(&q, p);
    pipe_add(&q, PG_FREE_LOCKS);
    pipe_int8(&q, now);
    int rc = pipe_run(&q, "the holder of a lane's row", &ignored);
    (void)rc;  // the next look tries again; `health` names the holder
    pipe_done(&q);
}

int postgres_poll(struct store *base, const struct poll_want *want, int64_t now, struct poll_result *ret,
                  tasker_error *err)
{
    struct postgres *p = postgres_of(base);
    struct look k = {.want = want, .now = now, .ret = ret};
    poll_result_done(ret);
    pipe_init(&k.q, p);
    ask(&k);
    size_t silenced = p->keys_by_turn ? pipe_add(&k.q, PG_SILENCED) : NO_STATEMENT;
    int rc = pipe_run(&k.q, "the database could not be polled", err);
    if (rc == 0) {
        k.r = pipe_result(&k.q, 0);
        for (size_t row = 0; row < pg_rows(k.r); row++)
            takers[pg_int_at(k.r, row, KIND)](&k, row);
        if (k.failed || k.q.failed)
            rc = err_nomem(err);
    }
    bool again = rc == 0 && silenced != NO_STATEMENT && pg_rows(pipe_result(&k.q, silenced)) > 0;
    pipe_done(&k.q);
    if (again)
        postgres_disconnect(p);  // the next session is refused, with the reason
    if (rc < 0)
        poll_result_done(ret);
    else
        postgres_free_locks(p, now, k.stuck ? 0 : want->lease_us);
    return rc;
}

static bool hold_number(struct arena *arena, int64_t **list, size_t *count, const PGresult *r, size_t row)
{
    int64_t *place = arena_push(arena, list, count, sizeof(*place));
    if (place)
        *place = pg_int_at(r, row, 1);
    return place != NULL;
}

static bool hold_task(struct holdings *h, const PGresult *r, size_t row)
{
    return hold_number(&h->arena, &h->tasks, &h->task_count, r, row);
}

static bool hold_offer(struct holdings *h, const PGresult *r, size_t row)
{
    return hold_number(&h->arena, &h->offers, &h->offer_count, r, row);
}

static bool hold_request(struct holdings *h, const PGresult *r, size_t row)
{
    struct poll_request *q = arena_push(&h->arena, &h->requests, &h->request_count, sizeof(*q));
    struct span body = pg_span_at(r, row, 3);
    if (q)
        *q = (struct poll_request){pg_int_at(r, row, 1), pg_int_at(r, row, 2), {arena_dup(&h->arena, body.p, body.len), body.len}};
    return q && q->body.p;
}

static bool (*const hold[])(struct holdings *h, const PGresult *r, size_t row) = {hold_task, hold_offer, hold_request};

int postgres_holdings(struct store *base, int64_t lane, struct holdings *ret, tasker_error *err)
{
    struct pipe q;
    bool failed = false;
    holdings_done(ret);
    pipe_init(&q, postgres_of(base));
    size_t at = pipe_add(&q, PG_HOLDINGS);
    pipe_int8(&q, lane);
    int rc = pipe_run(&q, "what the lane has could not be read", err);
    const PGresult *r = rc == 0 ? pipe_result(&q, at) : NULL;
    for (size_t i = 0; r && i < pg_rows(r) && !failed; i++)
        failed = !hold[pg_int_at(r, i, 0)](ret, r, i);
    if (failed)
        rc = err_nomem(err);
    pipe_done(&q);
    if (rc < 0)
        holdings_done(ret);
    return rc;
}
