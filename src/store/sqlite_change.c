// SPDX-License-Identifier: MIT
// sqlite_change.c - how each kind of change is written: one function per kind, found by table.
//
// A change of a row that must exist (a transition that ends another, a step's columns, an owner's
// active row) checks that it was there: memory that differs from the rows is noticed here at the
// latest, and the turn is refused. Offers and requests may be gone: the other side was free to
// withdraw them.
#include "store/sqlite.h"

// Runs it; the row must have been there.
static int run_one(struct sql *q)
{
    int64_t hit = 0;
    int rc = sql_hit(q, &hit);
    return rc == SQLITE_OK && hit != 1 ? TURN_MISSED : rc;
}

static int put_task(struct writer *w, const struct change *c)
{
    struct sql q;
    sql_start(&q, w->s, SQL_TASK_INSERT);
    sql_int(&q, c->task.task_id);
    sql_int(&q, c->task.named_task_id);
    sql_time(&q, c->task.requested_at);
    sql_span(&q, c->task.initiator);
    sql_span(&q, c->task.source_system);
    sql_span(&q, c->task.reason);
    sql_span(&q, c->task.bypass_steps);
    sql_span(&q, c->task.tags);
    sql_span(&q, c->task.context);
    sql_span(&q, c->task.identity);
    sql_time(&q, w->turn->now);
    return sql_run(&q);
}

static int put_step(struct writer *w, const struct change *c)
{
    struct sql q;
    sql_start(&q, w->s, SQL_STEP_INSERT);
    sql_int(&q, c->step.step_id);
    sql_int(&q, c->step.task_id);
    sql_int(&q, c->step.named_step_id);
    sql_int(&q, c->step.retryable);
    sql_int(&q, c->step.retry_limit);
    sql_span(&q, c->step.inputs);
    sql_time(&q, w->turn->now);
    sql_int(&q, c->step.skippable);
    return sql_run(&q);
}

static int put_edge(struct writer *w, const struct change *c)
{
    struct sql q;
    sql_start(&q, w->s, SQL_EDGE_INSERT);
    sql_int(&q, c->edge.from);
    sql_int(&q, c->edge.to);
    sql_time(&q, w->turn->now);
    return sql_run(&q);
}

static int put_row(struct writer *w, const struct change *c, enum sqlite_statement flip,
                   enum sqlite_statement insert)
{
    struct sql q;
    if (c->row.flip) {
        sql_start(&q, w->s, flip);
        sql_time(&q, w->turn->now);
        sql_int(&q, c->row.owner_id);
        int rc = run_one(&q);
        if (rc != SQLITE_OK)
            return rc;
    }
    sql_start(&q, w->s, insert);
    sql_str(&q, state_names[c->row.to]);
    sql_str(&q, c->row.from == ST_NONE ? NULL : state_names[c->row.from]);
    sql_span(&q, c->row.metadata.p ? c->row.metadata : SPAN("{}"));
    sql_int(&q, c->row.sort_key);
    sql_int(&q, c->row.most_recent);
    sql_int(&q, c->row.owner_id);
    sql_time(&q, c->row.at);
    return sql_run(&q);
}

static int put_task_row(struct writer *w, const struct change *c)
{
    return put_row(w, c, SQL_TASK_FLIP, SQL_TASK_ROW);
}

static int put_step_row(struct writer *w, const struct change *c)
{
    return put_row(w, c, SQL_STEP_FLIP, SQL_STEP_ROW);
}

static int set_complete(struct writer *w, const struct change *c)
{
    struct sql q;
    sql_start(&q, w->s, SQL_TASK_COMPLETE);
    sql_int(&q, c->complete.complete);
    sql_time(&q, w->turn->now);
    sql_int(&q, c->complete.task_id);
    return run_one(&q);
}

static int set_step(struct writer *w, const struct change *c)
{
    struct sql q;
    sql_start(&q, w->s, c->step_update.set_results ? SQL_STEP_RESULTS : SQL_STEP_UPDATE);
    sql_int(&q, c->step_update.processed);
    sql_time(&q, c->step_update.processed_at);
    sql_int(&q, c->step_update.attempts);
    sql_time(&q, c->step_update.last_attempted_at);
    sql_int_or_null(&q, c->step_update.backoff_seconds, -1);
    sql_time(&q, w->turn->now);
    if (c->step_update.set_results)
        sql_span(&q, c->step_update.results);
    sql_int(&q, c->step_update.step_id);
    return run_one(&q);
}

static int put_active(struct writer *w, const struct change *c, enum sqlite_statement id)
{
    struct sql q;
    sql_start(&q, w->s, id);
    sql_int(&q, c->active.priority);
    sql_int(&q, c->active.run_at);
    sql_int_or_null(&q, c->active.own ? w->turn->lane : 0, 0);
    sql_int(&q, c->active.crashes);
    sql_int(&q, c->active.suspect);
    sql_int(&q, c->active.template_id);
    sql_int_or_null(&q, c->active.deadline, 0);
    sql_int(&q, c->active.task_id);
    return run_one(&q);
}

static int insert_active(struct writer *w, const struct change *c)
{
    return put_active(w, c, SQL_ACTIVE_INSERT);
}

static int update_active(struct writer *w, const struct change *c)
{
    return put_active(w, c, SQL_ACTIVE_UPDATE);
}

static int run_by_id(struct writer *w, enum sqlite_statement id, int64_t row)
{
    struct sql q;
    sql_start(&q, w->s, id);
    sql_int(&q, row);
    return sql_run(&q);
}

// Nobody looks for requests about a task without owner: who asked is told to ask again.
static int delete_active(struct writer *w, const struct change *c)
{
    struct sql q;
    sql_start(&q, w->s, SQL_ACTIVE_DELETE);
    sql_int(&q, c->active.task_id);
    int rc = run_one(&q);
    return rc == SQLITE_OK ? run_by_id(w, SQL_REQUESTS_AGAIN, c->active.task_id) : rc;
}

static int insert_offer(struct writer *w, const struct change *c)
{
    struct sql q;
    sql_start(&q, w->s, SQL_OFFER_INSERT);
    sql_int(&q, c->offer.token);
    sql_int(&q, c->offer.task_id);
    sql_int(&q, c->offer.step_id);
    sql_int(&q, c->offer.attempt);
    sql_span(&q, c->offer.handler_class);
    sql_int(&q, c->offer.deadline_us);
    return sql_run(&q);
}

static int delete_offer(struct writer *w, const struct change *c)
{
    return run_by_id(w, SQL_OFFER_DELETE, c->offer.token);
}

static int cancel_offer(struct writer *w, const struct change *c)
{
    return run_by_id(w, SQL_OFFER_CANCEL, c->offer.token);
}

static int answer_offer(struct writer *w, const struct change *c)
{
    struct sql q;
    sql_start(&q, w->s, SQL_OFFER_ANSWER);
    sql_int(&q, c->offer.verdict);
    sql_span(&q, c->offer.answer);
    sql_span(&q, c->offer.log);
    sql_int(&q, c->offer.token);
    sql_int(&q, w->turn->lane);
    return sql_run(&q);
}

static int release_offer(struct writer *w, const struct change *c)
{
    struct sql q;
    sql_start(&q, w->s, SQL_OFFER_RELEASE);
    sql_int(&q, c->offer.token);
    sql_int(&q, w->turn->lane);
    return sql_run(&q);
}

static int insert_request(struct writer *w, const struct change *c)
{
    struct sql q;
    sql_start(&q, w->s, SQL_REQUEST_INSERT);
    sql_int(&q, c->request.task_id);
    sql_int(&q, w->turn->lane);
    sql_span(&q, c->request.body);
    sql_time(&q, w->turn->now);
    int rc = sql_run(&q);
    if (rc != SQLITE_OK)
        return rc;
    int64_t *slot =
        arena_push(&w->ret->arena, &w->ret->request_ids, &w->ret->request_count, sizeof(*slot));
    if (!slot)
        return SQLITE_NOMEM;
    *slot = sqlite3_last_insert_rowid(w->s->db);
    return SQLITE_OK;
}

static int answer_request(struct writer *w, const struct change *c)
{
    struct sql q;
    sql_start(&q, w->s, SQL_REQUEST_ANSWER);
    sql_span(&q, c->request.body);
    sql_int(&q, c->request.request_id);
    return sql_run(&q);
}

static int delete_request(struct writer *w, const struct change *c)
{
    return run_by_id(w, SQL_REQUEST_DELETE, c->request.request_id);
}

static int insert_log(struct writer *w, const struct change *c)
{
    struct sql q;
    sql_start(&q, w->s, SQL_LOG_INSERT);
    sql_int(&q, c->log.step_id);
    sql_int(&q, c->log.attempt);
    sql_str(&q, log_outcome_names[c->log.outcome]);
    sql_span(&q, c->log.text);
    sql_time(&q, c->log.at);
    return sql_run(&q);
}

static int set_classes(struct writer *w, const struct change *c)
{
    struct sql q;
    sql_start(&q, w->s, SQL_LANE_CLASSES);
    sql_span(&q, c->lane.classes);
    sql_int(&q, w->turn->lane);
    return sql_run(&q);
}

static int (*const apply[CH_COUNT])(struct writer *, const struct change *) = {
    [CH_TASK_INSERT] = put_task,          [CH_STEP_INSERT] = put_step,
    [CH_EDGE_INSERT] = put_edge,          [CH_TASK_ROW] = put_task_row,
    [CH_STEP_ROW] = put_step_row,         [CH_TASK_COMPLETE] = set_complete,
    [CH_STEP_UPDATE] = set_step,          [CH_ACTIVE_INSERT] = insert_active,
    [CH_ACTIVE_UPDATE] = update_active,   [CH_ACTIVE_DELETE] = delete_active,
    [CH_OFFER_INSERT] = insert_offer,     [CH_OFFER_DELETE] = delete_offer,
    [CH_OFFER_CANCEL] = cancel_offer,     [CH_OFFER_ANSWER] = answer_offer,
    [CH_OFFER_RELEASE] = release_offer,   [CH_REQUEST_INSERT] = insert_request,
    [CH_REQUEST_ANSWER] = answer_request, [CH_REQUEST_DELETE] = delete_request,
    [CH_LOG_INSERT] = insert_log,         [CH_LANE_CLASSES] = set_classes,
};

int sqlite_changes(struct writer *w)
{
    for (size_t i = 0; i < w->turn->change_count; i++) {
        const struct change *c = &w->turn->changes[i];
        int rc = apply[c->kind](w, c);
        if (rc != SQLITE_OK) {
            w->ret->culprit = (int64_t)i;
            return rc;
        }
    }
    return SQLITE_OK;
}
