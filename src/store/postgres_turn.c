// SPDX-License-Identifier: MIT
// postgres_turn.c - a turn as one transaction in one round trip:
//
//     BEGIN, the fence, takeover, ids, claims, offers, the changes, COMMIT
//
// all sent before anything is answered. The first statement that fails aborts those behind it, COMMIT among them, so a
// turn is written whole or not at all; it counts as committed only when the answer to COMMIT says COMMIT. When the
// connection breaks the server may or may not have seen the end: what had not been sent was not committed, everything
// else is UNKNOWN until resolve has settled it: the lane's row is brought past the turn's number, which waits for the old
// session's end and makes a turn that was not committed one that never will be, wherever it still lies.
#include "store/postgres.h"

#include <stdio.h>
#include <string.h>

// A turn waits a quarter of its lease for a row that somebody else has locked, within these bounds.
#define LOCK_LEAST_MS 100
#define LOCK_MOST_MS 1000 // all tasks of the lane wait meanwhile
#define LOCK_IMPATIENT_MS 20
#define TAKE_MOST 65536 // claims, or offers of one class, in one turn

// A turn under way: which statement of the pipe answers what.
struct writer {
    struct postgres *p;
    const struct turn *turn;
    struct turn_result *ret;
    struct pipe q;
    size_t fence, lane, taken_over, task_ids, step_ids, claim_task, claims, requests, left, commit;
    size_t offers;  // the first of turn->want_count
    bool follows;  // the statement of postgres_follow is in it
    const char **names;  // of the wanted classes, in the result's arena
};

// Room for answers is made before anything is sent: when they come the turn is committed, and nothing may fail any more.
static void *room(struct writer *w, size_t count, size_t size)
{
    void *p = arena_alloc(&w->ret->arena, (count + 1) * size);
    w->q.failed |= !p;
    return p;
}

static int32_t lock_patience_ms(const struct turn *t)
{
    int64_t ms = t->lease_us / US_PER_MS / 4;
    if (t->impatient)
        return LOCK_IMPATIENT_MS;
    return (int32_t)(ms < LOCK_LEAST_MS ? LOCK_LEAST_MS : ms > LOCK_MOST_MS ? LOCK_MOST_MS : ms);
}

static int32_t bounded(int32_t limit)
{
    return limit < 0 ? 0 : limit > TAKE_MOST ? TAKE_MOST : limit;
}

// --------------------------------------------------------------------------------------------------------- asking

// The settings of turns are given to the session once; behind a pooler there is none, and the fence gives them each time.
// A turn that fails takes them back with all else.
static void ask_settings(struct writer *w)
{
    char patience[16];
    if (w->p->tuned_ms == lock_patience_ms(w->turn))
        return;
    (void)snprintf(patience, sizeof(patience), "%dms", lock_patience_ms(w->turn));
    pipe_add(&w->q, PG_TUNE);
    pipe_str(&w->q, patience);
}

static void ask_fence(struct writer *w)
{
    const struct turn *t = w->turn;
    if (!w->p->pooled)
        ask_settings(w);
    w->fence = pipe_add(&w->q, w->p->pooled ? PG_FENCE : PG_FENCE_TUNED);
    pipe_int8(&w->q, t->lane);
    pipe_int8(&w->q, t->number);
    pipe_int8(&w->q, t->now + t->lease_us);
    pipe_int8(&w->q, t->lease_us);
    if (w->p->pooled)
        pipe_int4(&w->q, lock_patience_ms(t));
}

static void ask_takeover(struct writer *w)
{
    const struct turn *t = w->turn;
    if (!t->takeover && t->dead_lane_count == 0)
        return;
    w->taken_over = pipe_add(&w->q, PG_TAKE_OVER);
    pipe_int8(&w->q, t->lane);
    pipe_int8(&w->q, t->now);
    pipe_array(&w->q, PG_INT8, t->dead_lane_count);
    for (size_t i = 0; i < t->dead_lane_count; i++)
        pipe_item_int(&w->q, t->dead_lanes[i]);
}

static size_t ask_ids(struct writer *w, enum pg_statement id, uint32_t count, struct id_range **ret)
{
    if (count == 0)
        return NO_STATEMENT;
    *ret = room(w, count, sizeof(**ret));
    size_t at = pipe_add(&w->q, id);
    pipe_int4(&w->q, (int32_t)count);
    return at;
}

static void ask_claims(struct writer *w)
{
    const struct turn *t = w->turn;
    int32_t limit = bounded(t->claim_limit);
    w->ret->claimed = room(w, (size_t)limit + 1, sizeof(w->ret->claimed[0]));
    if (t->claim_task != 0) {
        w->claim_task = pipe_add(&w->q, PG_CLAIM_TASK);
        pipe_int8(&w->q, t->claim_task);
        pipe_int8(&w->q, t->lane);
        pipe_int8(&w->q, t->now);
        pipe_int4(&w->q, PRIO_NORMAL);
    }
    if (limit > 0) {
        w->claims = pipe_add(&w->q, PG_CLAIM);
        pipe_int8(&w->q, t->lane);
        pipe_int8(&w->q, t->now);
        pipe_int4(&w->q, limit);
    }
}

static void ask_offers(struct writer *w)
{
    const struct turn *t = w->turn;
    size_t total = 0;
    for (size_t i = 0; i < t->want_count; i++) {
        size_t at = pipe_add(&w->q, PG_TAKE_OFFERS);
        int32_t limit = bounded(t->wants[i].limit);
        pipe_str(&w->q, t->wants[i].handler_class);
        pipe_int4(&w->q, limit);
        pipe_int8(&w->q, t->lane);
        pipe_int8(&w->q, t->now);
        total += (size_t)limit;
        if (i == 0)
            w->offers = at;
    }
    w->ret->offers = room(w, total, sizeof(w->ret->offers[0]));
    w->names = room(w, t->want_count, sizeof(w->names[0]));
    for (size_t i = 0; i < t->want_count && w->names; i++) {
        w->names[i] = arena_strdup(&w->ret->arena, t->wants[i].handler_class);
        w->q.failed |= !w->names[i];
    }
}

static void ask_changes(struct writer *w)
{
    size_t requests = 0;
    for (size_t i = 0; i < w->turn->change_count; i++)
        requests += w->turn->changes[i].kind == CH_REQUEST_INSERT;
    w->ret->request_ids = room(w, requests, sizeof(w->ret->request_ids[0]));
    if (w->p->keys_by_turn)
        postgres_lock_parents(&w->q, w->turn);
    w->requests = postgres_changes(&w->q, w->turn);
}

static void ask_work(struct writer *w)
{
    ask_fence(w);
    w->follows = postgres_follow(&w->q, w->turn->want_task_ids > 0 || w->turn->want_step_ids > 0);
    ask_takeover(w);
    w->task_ids = ask_ids(w, PG_TASK_IDS, w->turn->want_task_ids, &w->ret->task_ids);
    w->step_ids = ask_ids(w, PG_STEP_IDS, w->turn->want_step_ids, &w->ret->step_ids);
    ask_claims(w);
    ask_offers(w);
    ask_changes(w);
}

static void ask_register(struct writer *w)
{
    const struct turn *t = w->turn;
    pipe_add(&w->q, PG_LOCK_PATIENCE);
    w->follows = postgres_follow(&w->q, true);
    w->lane = pipe_add(&w->q, PG_LANE_INSERT);
    pipe_int8(&w->q, t->now + t->lease_us);
    pipe_int8(&w->q, t->lease_us);
    pipe_str(&w->q, w->p->host);
    pipe_str(&w->q, w->p->boot_id);
    pipe_str(&w->q, t->process ? t->process : "");
    pipe_str(&w->q, t->name ? t->name : "");
    pipe_time(&w->q, t->now);
}

static void ask_retire(struct writer *w)
{
    static const enum pg_statement leave[] = {PG_ACTIVE_FREE, PG_OFFERS_FREE, PG_REQUESTS_FREE, PG_LANE_DELETE, PG_ACTIVE_LEFT};
    ask_fence(w);
    ask_changes(w);
    for (size_t i = 0; i < ARRAY_SIZE(leave); i++) {
        w->left = pipe_add(&w->q, leave[i]);
        pipe_int8(&w->q, w->turn->lane);
    }
}

static void (*const kinds[])(struct writer *) = {
    [TURN_WORK] = ask_work,
    [TURN_REGISTER] = ask_register,
    [TURN_RETIRE] = ask_retire,
    [TURN_PLAIN] = ask_changes,
};

// --------------------------------------------------------------------------------------------------------- answers

static size_t take_ids(struct writer *w, size_t statement, struct id_range *list)
{
    const PGresult *r = statement == NO_STATEMENT ? NULL : pipe_result(&w->q, statement);
    size_t n = r ? pg_rows(r) : 0;
    for (size_t i = 0; i < n; i++)
        list[i] = (struct id_range){pg_int_at(r, i, 0), pg_int_at(r, i, 1)};
    return n;
}

// What tasker_core_claim_task answers: 5 is "was ours already".
static void take_claim_answer(struct writer *w)
{
    static const enum claim_answer answers[] = {CLAIM_NONE,         CLAIM_TAKEN,    CLAIM_OWNED_BY_OTHER,
                                                CLAIM_NO_SUCH_TASK, CLAIM_NOT_OURS, CLAIM_TAKEN};
    if (w->claim_task == NO_STATEMENT)
        return;
    const PGresult *r = pipe_result(&w->q, w->claim_task);
    int64_t answer = pg_int_at(r, 0, 0);
    w->ret->claim_answer = answer >= 0 && answer < (int64_t)ARRAY_SIZE(answers) ? answers[answer] : CLAIM_NONE;
    if (w->ret->claim_answer == CLAIM_OWNED_BY_OTHER)
        w->ret->claim_owner = pg_int_at(r, 0, 1);
    if (answer == 1)
        w->ret->claimed[w->ret->claimed_count++] = w->turn->claim_task;
}

static void take_claims(struct writer *w)
{
    const PGresult *r = w->claims == NO_STATEMENT ? NULL : pipe_result(&w->q, w->claims);
    size_t n = r ? pg_rows(r) : 0;
    take_claim_answer(w);
    for (size_t i = 0; i < n; i++)
        w->ret->claimed[w->ret->claimed_count++] = pg_int_at(r, i, 0);
}

static void take_offers(struct writer *w)
{
    for (size_t k = 0; k < w->turn->want_count; k++) {
        const PGresult *r = pipe_result(&w->q, w->offers + k);
        for (size_t i = 0; i < pg_rows(r); i++)
            w->ret->offers[w->ret->offer_count++] = (struct offer_taken){
                .token = pg_int_at(r, i, 0),
                .task_id = pg_int_at(r, i, 1),
                .step_id = pg_int_at(r, i, 2),
                .attempt = (int32_t)pg_int_at(r, i, 3),
                .deadline_us = pg_int_at(r, i, 4),
                .handler_class = w->names[k],
            };
    }
}

static void take_requests(struct writer *w)
{
    const PGresult *r = w->requests == NO_STATEMENT ? NULL : pipe_result(&w->q, w->requests);
    size_t n = r ? pg_rows(r) : 0;
    for (size_t i = 0; i < n; i++)
        w->ret->request_ids[w->ret->request_count++] = pg_int_at(r, i, 0);
}

// Without memory for it nobody is told: they are found and freed all the same.
static void take_left(struct writer *w)
{
    const PGresult *r = pipe_result(&w->q, w->left);
    size_t n = pg_rows(r);
    w->ret->locked = n > 0 ? arena_alloc(&w->ret->arena, n * sizeof(w->ret->locked[0])) : NULL;
    for (size_t i = 0; i < n && w->ret->locked; i++)
        w->ret->locked[w->ret->locked_count++] = pg_int_at(r, i, 0);
}

static void take_answers(struct writer *w)
{
    postgres_wrote(w->p, w->follows);
    if (w->fence != NO_STATEMENT && !w->p->pooled)
        w->p->tuned_ms = lock_patience_ms(w->turn);
    if (w->left != NO_STATEMENT)
        take_left(w);
    if (w->fence != NO_STATEMENT)
        postgres_clock(w->p, pg_int_at(pipe_result(&w->q, w->fence), 0, 0), w->q.sent, w->q.received);
    if (w->lane != NO_STATEMENT)
        w->ret->lane = pg_int_at(pipe_result(&w->q, w->lane), 0, 0);
    if (w->taken_over != NO_STATEMENT)
        w->ret->taken_over = (size_t)pg_int_at(pipe_result(&w->q, w->taken_over), 0, 0);
    w->ret->task_id_ranges = take_ids(w, w->task_ids, w->ret->task_ids);
    w->ret->step_id_ranges = take_ids(w, w->step_ids, w->ret->step_ids);
    if (w->turn->kind == TURN_WORK) {
        take_claims(w);
        take_offers(w);
    }
    take_requests(w);
}

// --------------------------------------------------------------------------------------------------------- outcomes

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
    struct turn_result old = *r;
    reset_result(r);
    r->outcome = old.outcome;
    r->error = old.error;
    r->culprit = old.culprit;
    r->existing_task_id = old.existing_task_id;
}

// SQLSTATEs by their first characters, and what they mean for a turn. Everything else is tried again.
static const struct {
    const char *state;
    enum commit_outcome outcome;
} outcomes[] = {
    {"TC001", OUT_FENCED}, {"TC002", OUT_REFUSED}, {"22", OUT_REFUSED}, {"23", OUT_REFUSED},
    {"44", OUT_REFUSED},   {"54", OUT_REFUSED},    {"P0", OUT_REFUSED}, {"40", OUT_RETRY},
};

static enum commit_outcome outcome_of(const struct writer *w)
{
    const struct pipe *q = &w->q;
    if (q->sqlstate[0] == '\0' || strncmp(q->sqlstate, "08", 2) == 0)
        return q->sent_all ? OUT_UNKNOWN : OUT_RETRY;
    if (q->failed_at == w->fence && strcmp(q->sqlstate, "TC002") == 0)
        return OUT_FENCED;
    for (size_t i = 0; i < ARRAY_SIZE(outcomes); i++)
        if (strncmp(q->sqlstate, outcomes[i].state, strlen(outcomes[i].state)) == 0)
            return outcomes[i].outcome;
    // A server that is told to stop while it waits for a standby has committed already.
    return q->failed_at == w->commit ? OUT_UNKNOWN : OUT_RETRY;
}

// The lane's turn as the database has it; -1: no row. Settled: the turn was committed, or it can not be any more.
static bool read_turn(struct postgres *p, const struct turn *turn, bool settled, int64_t *ret, tasker_error *err)
{
    struct pipe q;
    pipe_init(&q, p);
    pipe_add(&q, PG_BEGIN);
    pipe_add(&q, PG_LOCK_PATIENCE);
    if (settled) {
        pipe_add(&q, PG_LANE_SETTLE);
        pipe_int8(&q, turn->lane);
        pipe_int8(&q, turn->number);
    }
    size_t at = pipe_add(&q, PG_LANE_TURN);
    pipe_int8(&q, turn->lane);
    pipe_add(&q, PG_COMMIT);
    bool known = pipe_run(&q, "the lane's row", err) == 0;
    if (known)
        *ret = pg_rows(pipe_result(&q, at)) > 0 ? pg_int_at(pipe_result(&q, at), 0, 0) : -1;
    pipe_done(&q);
    return known;
}

// The database has forgotten turns that it had confirmed. Where postgres_history.c can not see that, whoever finds it this way
// leaves out ids before it takes any.
static enum commit_outcome went_back(struct postgres *p, const struct turn *turn, int64_t number, tasker_error *err)
{
    p->base.went_back = postgres_skip_ids(p, err) == 0;
    return p->base.went_back ? turn_became(turn, number, err) : OUT_UNKNOWN;
}

// The row is gone, and since the lane's last turn was committed there was a failover. It may have lost the row, or a lane that
// was connected again sooner took this one over: nothing that is left tells which, so it is told as what it may be.
static enum commit_outcome row_lost(struct postgres *p, const struct turn *turn, tasker_error *err)
{
    p->base.went_back = true;
    err_set(err, TASKER_E_STALE, "lane %lld, whose turn %lld was committed, is gone after a failover: lost, or taken over",
            (long long)turn->lane, (long long)turn->number - 1);
    return OUT_FENCED;
}

// What became of the turn, by the lane's row.
static enum commit_outcome ask_row(struct postgres *p, const struct turn *turn, bool settled, tasker_error *err)
{
    int64_t number = -1;
    p->base.went_back = false;
    if (!read_turn(p, turn, settled, &number, err))
        return OUT_UNKNOWN;
    if (number == -1 && turn->kind != TURN_RETIRE && postgres_history_changed(p))
        return row_lost(p, turn, err);
    return turns_lost(turn, number) ? went_back(p, turn, number, err) : turn_became(turn, number, err);
}

static int64_t task_with(const struct turn *t, struct span identity)
{
    for (size_t i = 0; i < t->change_count; i++)
        if (t->changes[i].kind == CH_TASK_INSERT && span_eq(t->changes[i].task.identity, identity))
            return (int64_t)i;
    return -1;
}

// A duplicate is refused with the first task's id. When the first is in this same turn nothing is durable that could be
// named, and no culprit either: the caller tries with fewer inputs until the first is committed.
static void find_duplicate(struct writer *w)
{
    const struct turn *t = w->turn;
    size_t n = 0;
    for (size_t i = 0; i < t->change_count; i++)
        n += t->changes[i].kind == CH_TASK_INSERT;
    struct pipe q;
    tasker_error err;
    pipe_init(&q, w->p);
    size_t at = pipe_add(&q, PG_TASKS_BY_IDENTITY);
    pipe_array(&q, PG_TEXT, n);
    for (size_t i = 0; i < t->change_count; i++)
        if (t->changes[i].kind == CH_TASK_INSERT)
            pipe_item_span(&q, t->changes[i].task.identity);
    const PGresult *r = pipe_run(&q, "the first of two identical tasks", &err) == 0 ? pipe_result(&q, at) : NULL;
    if (r && pg_rows(r) > 0) {
        w->ret->culprit = task_with(t, pg_span_at(r, 0, 0));
        w->ret->existing_task_id = pg_int_at(r, 0, 1);
        err_set(&w->ret->error, TASKER_E_DUPLICATE, "task %lld was submitted with the same identity",
                (long long)w->ret->existing_task_id);
    }
    pipe_done(&q);
}

static bool is_duplicate(const struct writer *w)
{
    const PGresult *failed = pipe_result(&w->q, w->q.failed_at);
    const char *detail = failed ? PQresultErrorField(failed, PG_DIAG_MESSAGE_DETAIL) : NULL;
    return strcmp(w->q.sqlstate, "23505") == 0 && detail && strstr(detail, "(identity_hash)=(");
}

static void settle(struct writer *w)
{
    struct turn_result *r = w->ret;
    bool locked = strcmp(w->q.sqlstate, "55P03") == 0;
    r->outcome = outcome_of(w);
    if (locked)
        postgres_free_locks(w->p, w->turn->now, 0);
    if (r->outcome == OUT_FENCED)
        err_set(&r->error, TASKER_E_STALE, "lane %lld was taken over, or its turn is not %lld (%s)",
                (long long)w->turn->lane, (long long)w->turn->number - 1, w->p->place);
    if (r->outcome == OUT_FENCED && ask_row(w->p, w->turn, false, &r->error) == OUT_UNKNOWN)
        r->outcome = OUT_UNKNOWN;  // whether it went back is not known
    if (r->outcome == OUT_REFUSED && is_duplicate(w))
        find_duplicate(w);
    else if (r->outcome == OUT_REFUSED)
        r->culprit = postgres_culprit(&w->q, w->turn);
}

// COMMIT of a transaction that failed is answered by ROLLBACK.
static bool says_commit(const PGresult *r)
{
    return strcmp(PQcmdStatus((PGresult *)(uintptr_t)r), "COMMIT") == 0;
}

void postgres_commit(struct store *base, const struct turn *turn, struct turn_result *ret)
{
    struct writer w = {.p = postgres_of(base),
                       .turn = turn,
                       .ret = ret,
                       .fence = NO_STATEMENT,
                       .lane = NO_STATEMENT,
                       .taken_over = NO_STATEMENT,
                       .task_ids = NO_STATEMENT,
                       .step_ids = NO_STATEMENT,
                       .claim_task = NO_STATEMENT,
                       .claims = NO_STATEMENT,
                       .requests = NO_STATEMENT,
                       .left = NO_STATEMENT};
    reset_result(ret);
    base->went_back = false;
    pipe_init(&w.q, w.p);
    pipe_bind(&w.q);
    pipe_add(&w.q, PG_BEGIN);
    kinds[turn->kind](&w);
    w.commit = pipe_add(&w.q, PG_COMMIT);
    ret->outcome = OUT_COMMITTED;
    if (w.p->read_only) {
        ret->outcome = OUT_RETRY;
        err_set(&ret->error, TASKER_E_STORE, "this connection only reads");
    } else if (pipe_run(&w.q, "the turn could not be written", &ret->error) < 0)
        settle(&w);
    else if (!says_commit(pipe_result(&w.q, w.commit))) {
        ret->outcome = OUT_RETRY;
        err_set(&ret->error, TASKER_E_BUSY, "the server rolled the turn back (%s)", w.p->place);
    } else
        take_answers(&w);
    if (ret->outcome != OUT_COMMITTED)
        forget(ret);
    if (strcmp(w.q.sqlstate, "55P03") == 0 && turn->kind == TURN_WORK)
        postgres_find_locked(w.p, turn, ret);
    pipe_done(&w.q);
}

enum commit_outcome postgres_resolve(struct store *base, const struct turn *turn, tasker_error *err)
{
    struct postgres *p = postgres_of(base);
    if (turn->kind == TURN_REGISTER)
        return OUT_RETRY;  // a row that was made after all owns nothing and expires
    if (turn->kind == TURN_PLAIN)
        return OUT_UNKNOWN;
    postgres_disconnect(p);  // the old session may still be deciding: another one asks, and waits for it
    postgres_free_locks(p, turn->now, 0);
    return ask_row(p, turn, true, err);
}
