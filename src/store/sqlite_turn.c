// SPDX-License-Identifier: MIT
// sqlite_turn.c - a turn as one transaction: the fence, then what the turn asks for, then its
// changes.
//
//     BEGIN IMMEDIATE            busy, disk full, ...: nothing happened, RETRY
//     the fence                  no row hit: rolled back, FENCED
//     takeover, ids, claims, offers
//     the changes in order       a constraint or size: rolled back, REFUSED with the culprit; else
//     RETRY COMMIT                     busy: RETRY; any other failure: UNKNOWN, until resolve has
//     read the lane's turn
//
// SQLite publishes a commit to others (and to us) in its very last step, so a COMMIT that failed is
// not visible and resolve answers at once; only a crash in between can make it so, and then the
// next owner reads it from the file.
#include "store/sqlite.h"

static int run_int(struct sqlite *s, enum sqlite_statement id, int64_t parameter)
{
    struct sql q;
    sql_start(&q, s, id);
    sql_int(&q, parameter);
    return sql_run(&q);
}

static int run_plain(struct sqlite *s, enum sqlite_statement id)
{
    struct sql q;
    sql_start(&q, s, id);
    return sql_run(&q);
}

static int fence(struct writer *w)
{
    struct sql q;
    int64_t hit = 0;
    sql_start(&q, w->s, SQL_FENCE);
    sql_int(&q, w->turn->number);
    sql_int(&q, w->turn->now + w->turn->lease_us);
    sql_int(&q, w->turn->lease_us);
    sql_int(&q, w->turn->lane);
    int rc = sql_hit(&q, &hit);
    return rc != SQLITE_OK ? rc : hit == 1 ? SQLITE_OK : TURN_FENCED;
}

// ---------------------------------------------------------------------------------------- takeover

// Tasks whose lane is not there any more become free, under suspicion.
static int sweep(struct writer *w)
{
    int rc = run_plain(w->s, SQL_ACTIVE_SWEEP);
    return rc != SQLITE_OK ? rc : run_plain(w->s, SQL_REQUESTS_SWEEP);
}

static int delete_lane(struct writer *w, int64_t lane)
{
    struct sql q;
    int64_t hit = 0;
    sql_start(&q, w->s, SQL_LANE_DELETE);
    sql_int(&q, lane);
    int rc = sql_hit(&q, &hit);
    w->ret->taken_over += (size_t)hit;
    return rc;
}

static int take_over(struct writer *w)
{
    const struct turn *t = w->turn;
    struct sql q;
    int64_t expired = 0;
    sql_start(&q, w->s, SQL_LANES_EXPIRED);
    sql_int(&q, t->now);
    sql_int(&q, t->lane);
    int rc = sql_hit(&q, &expired);
    w->ret->taken_over += (size_t)expired;
    for (size_t i = 0; i < t->dead_lane_count && rc == SQLITE_OK; i++)
        if (t->dead_lanes[i] != t->lane)
            rc = delete_lane(w, t->dead_lanes[i]);
    return rc == SQLITE_OK ? sweep(w) : rc;
}

// --------------------------------------------------------------------------------------------- ids

static int take_ids(struct writer *w, const char *table, uint32_t count, struct id_range **ret,
                    size_t *ret_ranges)
{
    if (count == 0)
        return SQLITE_OK;
    struct id_range *range = arena_alloc(&w->ret->arena, sizeof(*range));
    if (!range)
        return SQLITE_NOMEM;
    struct sql q;
    sql_start(&q, w->s, SQL_SEQUENCE_TAKE);
    sql_int(&q, count);
    sql_str(&q, table);
    bool found = sql_row(&q);
    if (found) {
        range->last = sql_int_at(&q, 0);
        range->first = range->last - count + 1;
        *ret = range;
        *ret_ranges = 1;
        sql_end(&q);
    }
    return q.rc != SQLITE_OK ? q.rc : found ? SQLITE_OK : SQLITE_CORRUPT;
}

// ------------------------------------------------------------------------------------------ claims

static int note_claim(struct writer *w, int64_t task_id)
{
    int64_t *slot =
        arena_push(&w->ret->arena, &w->ret->claimed, &w->ret->claimed_count, sizeof(*slot));
    if (!slot)
        return SQLITE_NOMEM;
    *slot = task_id;
    return SQLITE_OK;
}

static int take_active(struct writer *w, int64_t task_id)
{
    struct sql q;
    int64_t hit = 0;
    sql_start(&q, w->s, SQL_ACTIVE_TAKE);
    sql_int(&q, w->turn->lane);
    sql_int(&q, task_id);
    int rc = sql_hit(&q, &hit);
    return rc == SQLITE_OK && hit != 1 ? TURN_MISSED : rc;
}

// The queue is in the order of claims, so a long one is read from its head. When little of it is
// due (a million tasks for tomorrow) those few are found by their time and put in order.
#define FEW_DUE 1000

static int claim_free(struct writer *w)
{
    if (w->turn->claim_limit <= 0)
        return SQLITE_OK;
    size_t first = w->ret->claimed_count;
    int64_t due = 0;
    int counted = sql_one_int(w->s, SQL_ACTIVE_DUE_COUNT, w->turn->now, 0, &due);
    if (counted != SQLITE_OK || due == 0)
        return counted;
    struct sql q;
    sql_start(&q, w->s, due < FEW_DUE ? SQL_ACTIVE_DUE : SQL_ACTIVE_QUEUE);
    sql_int(&q, w->turn->now);
    sql_int(&q, w->turn->claim_limit);
    while (sql_row(&q))
        if (note_claim(w, sql_int_at(&q, 0)) != SQLITE_OK)
            q.rc = SQLITE_NOMEM;
    int rc = q.rc;
    for (size_t i = first; i < w->ret->claimed_count && rc == SQLITE_OK; i++)
        rc = take_active(w, w->ret->claimed[i]);
    return rc;
}

// A finished task becomes active again, in our hands, if its newest row was written by an engine of ours and does not say
// that the task was given back.
static int revive(struct writer *w, int64_t task_id)
{
    struct sql q;
    int64_t hit = 0;
    sql_start(&q, w->s, SQL_ACTIVE_REVIVE);
    sql_int(&q, task_id);
    sql_int(&q, PRIO_NORMAL);
    sql_int(&q, w->turn->now);
    sql_int(&q, w->turn->lane);
    int rc = sql_hit(&q, &hit);
    if (rc != SQLITE_OK)
        return rc;
    if (hit == 1) {
        w->ret->claim_answer = CLAIM_TAKEN;
        return note_claim(w, task_id);
    }
    int64_t there = 0;
    rc = sql_one_int(w->s, SQL_TASK_EXISTS, task_id, 0, &there);
    w->ret->claim_answer = there ? CLAIM_NOT_OURS : CLAIM_NO_SUCH_TASK;
    return rc;
}

// Whose the task is: 0 free, -1 not active. A lane that does not exist owns nothing.
static int find_owner(struct writer *w, int64_t task_id, int64_t *ret_owner)
{
    struct sql q;
    bool dangling = false;
    int64_t owner = -1;
    sql_start(&q, w->s, SQL_ACTIVE_OWNER);
    sql_int(&q, task_id);
    if (sql_row(&q)) {
        owner = sql_int_at(&q, 0);
        dangling = owner != 0 && !sql_int_at(&q, 1);
        sql_end(&q);
    }
    if (q.rc != SQLITE_OK)
        return q.rc;
    *ret_owner = dangling ? 0 : owner;
    return dangling ? sweep(w) : SQLITE_OK;
}

static int claim_one(struct writer *w)
{
    int64_t task_id = w->turn->claim_task, owner = 0;
    if (task_id == 0)
        return SQLITE_OK;
    int rc = find_owner(w, task_id, &owner);
    if (rc != SQLITE_OK)
        return rc;
    if (owner == -1)
        return revive(w, task_id);
    w->ret->claim_answer = CLAIM_TAKEN;
    if (owner == w->turn->lane)
        return SQLITE_OK;
    if (owner != 0) {
        w->ret->claim_answer = CLAIM_OWNED_BY_OTHER;
        w->ret->claim_owner = owner;
        return SQLITE_OK;
    }
    rc = take_active(w, task_id);
    return rc == SQLITE_OK ? note_claim(w, task_id) : rc;
}

// ------------------------------------------------------------------------------------------ offers

static int note_offers(struct writer *w, const struct offer_want *want)
{
    struct sql q;
    const char *name = arena_strdup(&w->ret->arena, want->handler_class);
    sql_start(&q, w->s, SQL_OFFERS_QUEUE);
    sql_str(&q, want->handler_class);
    sql_int(&q, want->limit > 0 ? want->limit : 0);
    while (sql_row(&q)) {
        struct offer_taken *o =
            arena_push(&w->ret->arena, &w->ret->offers, &w->ret->offer_count, sizeof(*o));
        if (!o || !name) {
            q.rc = SQLITE_NOMEM;
            continue;
        }
        *o = (struct offer_taken){
            .token = sql_int_at(&q, 0),
            .task_id = sql_int_at(&q, 1),
            .step_id = sql_int_at(&q, 2),
            .attempt = (int32_t)sql_int_at(&q, 3),
            .deadline_us = sql_int_at(&q, 4),
            .handler_class = name,
        };
    }
    return q.rc;
}

static int take_offers(struct writer *w)
{
    int rc = SQLITE_OK;
    for (size_t i = 0; i < w->turn->want_count && rc == SQLITE_OK; i++) {
        size_t first = w->ret->offer_count;
        rc = note_offers(w, &w->turn->wants[i]);
        for (size_t k = first; k < w->ret->offer_count && rc == SQLITE_OK; k++) {
            struct sql q;
            sql_start(&q, w->s, SQL_OFFER_TAKE);
            sql_int(&q, w->turn->lane);
            sql_int(&q, w->turn->now);
            sql_int(&q, w->ret->offers[k].token);
            rc = sql_run(&q);
        }
    }
    return rc;
}

// ---------------------------------------------------------------------------------- kinds of turns

static int do_work(struct writer *w)
{
    const struct turn *t = w->turn;
    int rc = fence(w);
    if (rc == SQLITE_OK && (t->takeover || t->dead_lane_count > 0))
        rc = take_over(w);
    if (rc == SQLITE_OK)
        rc = take_ids(w, "tasker_tasks", t->want_task_ids, &w->ret->task_ids,
                      &w->ret->task_id_ranges);
    if (rc == SQLITE_OK)
        rc = take_ids(w, "tasker_workflow_steps", t->want_step_ids, &w->ret->step_ids,
                      &w->ret->step_id_ranges);
    if (rc == SQLITE_OK)
        rc = claim_one(w);
    if (rc == SQLITE_OK)
        rc = claim_free(w);
    if (rc == SQLITE_OK)
        rc = take_offers(w);
    return rc == SQLITE_OK ? sqlite_changes(w) : rc;
}

static int do_register(struct writer *w)
{
    const struct turn *t = w->turn;
    struct sql q;
    sql_start(&q, w->s, SQL_LANE_INSERT);
    sql_int(&q, t->now + t->lease_us);
    sql_int(&q, t->lease_us);
    sql_str(&q, w->s->host);
    sql_str(&q, w->s->boot_id);
    sql_str(&q, t->process ? t->process : "");
    sql_str(&q, t->name ? t->name : "");
    sql_time(&q, t->now);
    int rc = sql_run(&q);
    if (rc == SQLITE_OK)
        w->ret->lane = sqlite3_last_insert_rowid(w->s->db);
    return rc;
}

static int do_retire(struct writer *w)
{
    static const uint16_t leave[] = {SQL_ACTIVE_FREE, SQL_OFFERS_FREE, SQL_REQUESTS_FREE,
                                     SQL_LANE_DELETE};
    int rc = fence(w);
    if (rc == SQLITE_OK)
        rc = sqlite_changes(w);
    for (size_t i = 0; i < ARRAY_SIZE(leave) && rc == SQLITE_OK; i++)
        rc = run_int(w->s, (enum sqlite_statement)leave[i], w->turn->lane);
    return rc;
}

static int (*const kinds[])(struct writer *) = {
    [TURN_WORK] = do_work,
    [TURN_REGISTER] = do_register,
    [TURN_RETIRE] = do_retire,
    [TURN_PLAIN] = sqlite_changes,
};

// ---------------------------------------------------------------------------------------- outcomes

static void reset_result(struct turn_result *r)
{
    struct arena arena = r->arena;
    arena_reset(&arena);
    turn_result_init(r);
    r->arena = arena;
}

// Nothing of a turn that was not committed may be taken for real.
static void forget(struct turn_result *r)
{
    int64_t culprit = r->culprit;
    tasker_error error = r->error;
    reset_result(r);
    r->culprit = culprit;
    r->error = error;
}

static bool refuses(int rc)
{
    int kind = rc & 0xff;
    return rc == TURN_MISSED || kind == SQLITE_CONSTRAINT || kind == SQLITE_TOOBIG ||
           kind == SQLITE_MISMATCH;
}

static void describe(struct writer *w, int rc, const char *phase)
{
    struct turn_result *r = w->ret;
    const char *what = r->culprit >= 0 ? change_names[w->turn->changes[r->culprit].kind] : phase;
    if (rc == TURN_FENCED)
        err_set(&r->error, TASKER_E_STALE, "lane %lld was taken over, or its turn is not %lld",
                (long long)w->turn->lane, (long long)w->turn->number - 1);
    else if (rc == TURN_MISSED)
        err_set(&r->error, TASKER_E_CONFLICT, "%s: the row it changes is not there", what);
    else
        sqlite_fail(w->s, rc, what, &r->error);
}

// A duplicate is refused with the first task's id. When the first is in this same turn nothing is
// durable that could be named, and no culprit either: the caller tries with fewer inputs until the
// first is committed.
static void find_duplicate(struct writer *w, int rc)
{
    struct turn_result *r = w->ret;
    if (rc != SQLITE_CONSTRAINT_UNIQUE || r->culprit < 0 ||
        w->turn->changes[r->culprit].kind != CH_TASK_INSERT)
        return;
    struct sql q;
    int64_t existing = 0;
    sql_start(&q, w->s, SQL_TASK_BY_IDENTITY);
    sql_span(&q, w->turn->changes[r->culprit].task.identity);
    if (sql_row(&q)) {
        existing = sql_int_at(&q, 0);
        sql_end(&q);
    }
    if (existing == 0) {
        r->culprit = -1;
        return;
    }
    r->existing_task_id = existing;
    err_set(&r->error, TASKER_E_DUPLICATE, "task %lld was submitted with the same identity",
            (long long)existing);
}

static enum commit_outcome outcome_of(int rc, bool committing)
{
    if (committing)
        return (rc & 0xff) == SQLITE_BUSY ? OUT_RETRY : OUT_UNKNOWN;
    return rc == TURN_FENCED ? OUT_FENCED : refuses(rc) ? OUT_REFUSED : OUT_RETRY;
}

static void settle(struct writer *w, int rc, bool committing)
{
    describe(w, rc,
             committing ? "the turn could not be committed" : "the turn could not be written");
    sqlite_rollback(w->s);
    forget(w->ret);
    w->ret->outcome = outcome_of(rc, committing);
    if (w->ret->outcome == OUT_REFUSED)
        find_duplicate(w, rc);
    else
        w->ret->culprit = -1;
}

void sqlite_commit(struct store *base, const struct turn *turn, struct turn_result *ret)
{
    struct writer w = {.s = sqlite_of(base), .turn = turn, .ret = ret};
    reset_result(ret);
    ret->outcome = OUT_COMMITTED;
    int rc = run_plain(w.s, SQL_BEGIN);
    if (rc == SQLITE_OK)
        rc = kinds[turn->kind](&w);
    bool committing = rc == SQLITE_OK;
    if (committing)
        rc = run_plain(w.s, SQL_COMMIT);
    if (rc != SQLITE_OK)
        settle(&w, rc, committing);
}

enum commit_outcome sqlite_resolve(struct store *base, const struct turn *turn, tasker_error *err)
{
    struct sqlite *s = sqlite_of(base);
    struct sql q;
    int64_t number = -1;
    if (turn->kind == TURN_REGISTER)
        return OUT_RETRY; // a row that was made after all owns nothing and expires
    if (turn->kind == TURN_PLAIN)
        return OUT_UNKNOWN;
    sql_start(&q, s, SQL_LANE_SETTLE);
    sql_int(&q, turn->lane);
    sql_int(&q, turn->number);
    int rc = sql_run(&q);
    if (rc == SQLITE_OK)
        rc = sql_one_int(s, SQL_LANE_TURN, turn->lane, -1, &number);
    if (rc == SQLITE_OK)
        return turn_became(turn, number, err);
    (void)sqlite_fail(s, rc, "the lane's row", err);
    return OUT_UNKNOWN;
}
