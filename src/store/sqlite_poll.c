// SPDX-License-Identifier: MIT
// sqlite_poll.c - one look at what others did, in one snapshot: a handful of indexed lookups,
// whatever the history is. Nothing is written. What it costs grows with the number of lanes, of
// offers that are being run, and of requests that wait, all of which are small.
#include "store/sqlite.h"

// A poll under way.
struct look {
    struct sqlite *s;
    const struct poll_want *want;
    int64_t now;
    struct poll_result *ret;
};

static int look_at_lane(struct look *k)
{
    int64_t turn = -1;
    if (k->want->lane == 0)
        return SQLITE_OK;
    int rc = sql_one_int(k->s, SQL_LANE_TURN, k->want->lane, -1, &turn);
    k->ret->lane_alive = rc == SQLITE_OK && turn >= 0;
    return rc;
}

static int look_for_tasks(struct look *k)
{
    int64_t first = 0;
    if (!k->want->tasks)
        return SQLITE_OK;
    int rc = sql_one_int(k->s, SQL_POLL_FIRST_DUE, 0, INT64_MAX, &first);
    if (rc != SQLITE_OK || first == INT64_MAX)
        return rc;
    k->ret->tasks_due = first <= k->now;
    return sql_one_int(k->s, SQL_POLL_NEXT_DUE, k->now, 0, &k->ret->next_run_at);
}

static int look_for_offers(struct look *k)
{
    for (size_t i = 0; i < k->want->want_count && !k->ret->offer_class; i++) {
        struct sql q;
        sql_start(&q, k->s, SQL_OFFERS_QUEUE);
        sql_str(&q, k->want->wants[i].handler_class);
        sql_int(&q, k->want->wants[i].limit > 0);
        if (sql_row(&q))
            k->ret->offer_class = k->want->wants[i].handler_class;
        if (sql_end(&q) != SQLITE_OK)
            return q.rc;
    }
    return SQLITE_OK;
}

static int look_at_lanes(struct look *k)
{
    struct sql q;
    struct arena *a = &k->ret->arena;
    sql_start(&q, k->s, SQL_POLL_LANES);
    sql_int(&q, k->want->lane);
    while (sql_row(&q)) {
        struct poll_lane *l = arena_push(a, &k->ret->lanes, &k->ret->lane_count, sizeof(*l));
        if (!l) {
            q.rc = SQLITE_NOMEM;
            continue;
        }
        l->lane = sql_int_at(&q, 0);
        l->expires_at = sql_int_at(&q, 1);
        l->host = sql_keep(&q, a, 2).p;
        l->boot_id = sql_keep(&q, a, 3).p;
        l->process = sql_keep(&q, a, 4).p;
        l->owns = sql_int_at(&q, 5) != 0;
    }
    return q.rc;
}

static int list_requests(struct sqlite *s, enum sqlite_statement id, int64_t lane, struct arena *arena,
                         struct poll_request **list, size_t *count)
{
    struct sql q;
    sql_start(&q, s, id);
    sql_int(&q, lane);
    while (sql_row(&q)) {
        struct poll_request *r = arena_push(arena, list, count, sizeof(*r));
        if (!r) {
            q.rc = SQLITE_NOMEM;
            continue;
        }
        r->request_id = sql_int_at(&q, 0);
        r->task_id = sql_int_at(&q, 1);
        r->body = sql_keep(&q, arena, 2);
    }
    return q.rc;
}

static int look_for_requests(struct look *k)
{
    return list_requests(k->s, SQL_POLL_REQUESTS, k->want->lane, &k->ret->arena, &k->ret->requests, &k->ret->request_count);
}

static int look_for_answer(struct look *k, int64_t request_id)
{
    struct sql q;
    sql_start(&q, k->s, SQL_POLL_ANSWER);
    sql_int(&q, request_id);
    while (sql_row(&q)) {
        struct poll_answer *r =
            arena_push(&k->ret->arena, &k->ret->answers, &k->ret->answer_count, sizeof(*r));
        if (!r) {
            q.rc = SQLITE_NOMEM;
            continue;
        }
        r->request_id = request_id;
        r->body = sql_keep(&q, &k->ret->arena, 0);
    }
    return q.rc;
}

static int look_for_answers(struct look *k)
{
    int rc = SQLITE_OK;
    for (size_t i = 0; i < k->want->my_request_count && rc == SQLITE_OK; i++)
        rc = look_for_answer(k, k->want->my_requests[i]);
    return rc;
}

// An answer counts also when the process that gave it is gone by now.
static void read_news(struct sql *q, struct arena *a, struct poll_offer *o)
{
    o->token = sql_int_at(q, 0);
    o->begun_at = sql_int_at(q, 1);
    if (!sql_null_at(q, 2)) {
        o->news = OFFER_ANSWERED;
        o->verdict = (uint8_t)sql_int_at(q, 2);
        o->answer = sql_keep(q, a, 3);
        o->log = sql_keep(q, a, 4);
        return;
    }
    o->news = sql_int_at(q, 5) ? OFFER_BEGUN : OFFER_LOST;
}

static int look_at_my_offers(struct look *k)
{
    struct sql q;
    sql_start(&q, k->s, SQL_POLL_NEWS);
    sql_int(&q, k->want->lane);
    while (sql_row(&q)) {
        struct poll_offer *o =
            arena_push(&k->ret->arena, &k->ret->offer_news, &k->ret->offer_news_count, sizeof(*o));
        if (!o)
            q.rc = SQLITE_NOMEM;
        else
            read_news(&q, &k->ret->arena, o);
    }
    return q.rc;
}

static int note_cancelled(struct look *k, int64_t token)
{
    int64_t *slot =
        arena_push(&k->ret->arena, &k->ret->cancelled, &k->ret->cancelled_count, sizeof(*slot));
    if (!slot)
        return SQLITE_NOMEM;
    *slot = token;
    return SQLITE_OK;
}

static int look_for_flags(struct look *k)
{
    struct sql q;
    sql_start(&q, k->s, SQL_POLL_CANCELLED);
    sql_int(&q, k->want->lane);
    while (sql_row(&q))
        if (note_cancelled(k, sql_int_at(&q, 0)) != SQLITE_OK)
            q.rc = SQLITE_NOMEM;
    return q.rc;
}

static int look_for_gone_offers(struct look *k)
{
    for (size_t i = 0; i < k->want->my_offer_count; i++) {
        struct sql q;
        sql_start(&q, k->s, SQL_POLL_STILL_OURS);
        sql_int(&q, k->want->my_offers[i]);
        sql_int(&q, k->want->lane);
        bool ours = sql_row(&q);
        if (sql_end(&q) != SQLITE_OK)
            return q.rc;
        if (!ours && note_cancelled(k, k->want->my_offers[i]) != SQLITE_OK)
            return SQLITE_NOMEM;
    }
    return SQLITE_OK;
}

static int look_for_stranded(struct look *k)
{
    int64_t stranded = 0;
    int rc = sql_one_int(k->s, SQL_POLL_STRANDED, 0, 0, &stranded);
    k->ret->stranded = stranded != 0;
    return rc;
}

static int (*const looks[])(struct look *) = {
    look_at_lane,     look_for_tasks,    look_for_offers, look_at_lanes,        look_for_requests,
    look_for_answers, look_at_my_offers, look_for_flags,  look_for_gone_offers, look_for_stranded,
};

int sqlite_poll(struct store *base, const struct poll_want *want, int64_t now,
                struct poll_result *ret, tasker_error *err)
{
    struct look k = {.s = sqlite_of(base), .want = want, .now = now, .ret = ret};
    poll_result_done(ret);
    int code = sqlite_read_begin(k.s, err);
    if (code != 0)
        return code;
    int rc = SQLITE_OK;
    for (size_t i = 0; i < ARRAY_SIZE(looks) && rc == SQLITE_OK; i++)
        rc = looks[i](&k);
    if (rc != SQLITE_OK)
        code = sqlite_fail(k.s, rc, "the database could not be polled", err);
    sqlite_read_end(k.s);
    if (code != 0)
        poll_result_done(ret);
    return code;
}

// Appends what a query finds to a list of numbers.
static int list_numbers(struct sqlite *s, enum sqlite_statement id, int64_t lane, struct arena *arena,
                        int64_t **list, size_t *count)
{
    struct sql q;
    sql_start(&q, s, id);
    sql_int(&q, lane);
    while (sql_row(&q)) {
        int64_t *place = arena_push(arena, list, count, sizeof(*place));
        if (!place)
            q.rc = SQLITE_NOMEM;
        else
            *place = sql_int_at(&q, 0);
    }
    return q.rc;
}

int sqlite_holdings(struct store *base, int64_t lane, struct holdings *ret, tasker_error *err)
{
    struct sqlite *s = sqlite_of(base);
    holdings_done(ret);
    int code = sqlite_read_begin(s, err);
    if (code != 0)
        return code;
    int rc = list_numbers(s, SQL_HELD_TASKS, lane, &ret->arena, &ret->tasks, &ret->task_count);
    if (rc == SQLITE_OK)
        rc = list_numbers(s, SQL_HELD_OFFERS, lane, &ret->arena, &ret->offers, &ret->offer_count);
    if (rc == SQLITE_OK)
        rc = list_requests(s, SQL_HELD_REQUESTS, lane, &ret->arena, &ret->requests, &ret->request_count);
    if (rc != SQLITE_OK)
        code = sqlite_fail(s, rc, "what the lane has could not be read", err);
    sqlite_read_end(s);
    if (code != 0)
        holdings_done(ret);
    return code;
}
