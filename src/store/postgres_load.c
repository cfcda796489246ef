// SPDX-License-Identifier: MIT
// postgres_load.c - reading a task whole, in one snapshot and one round trip; what a worker needs for an offered step;
// a step's results.
#include "store/postgres.h"

// A JSON column that may not be missing: rows of others may hold NULL.
static struct blob *blob_or(struct pipe *q, const PGresult *r, int column, struct span otherwise)
{
    if (!pg_null_at(r, 0, column))
        return pg_blob_at(q, r, 0, column);
    struct blob *b = blob_new(otherwise.p, otherwise.len);
    q->failed = q->failed || !b;
    return b;
}

static int strange(const struct task_rows *r, tasker_error *err)
{
    return err_set(err, TASKER_E_STORE, "task %lld or one of its steps is in a state that nobody knows",
                   (long long)r->task_id);
}

static int read_task(struct pipe *q, const PGresult *res, struct task_rows *r, tasker_error *err)
{
    r->named_task_id = (int32_t)pg_int_at(res, 0, 0);
    r->context = blob_or(q, res, 1, SPAN("{}"));
    r->state = pg_null_at(res, 0, 2) ? ST_PENDING : (uint8_t)state_from_name(pg_span_at(res, 0, 2));
    r->has_row = !pg_null_at(res, 0, 2);
    r->sort_key = (int32_t)pg_int_at(res, 0, 3);
    r->started_at = pg_time_at(res, 0, 4);
    r->active = !pg_null_at(res, 0, 5);
    r->template_id = pg_int_at(res, 0, 6);
    r->active_lane = pg_int_at(res, 0, 7);
    r->run_at = pg_int_at(res, 0, 8);
    r->deadline = pg_int_at(res, 0, 9);
    r->crashes = (int32_t)pg_int_at(res, 0, 10);
    r->priority = (uint8_t)pg_int_or(res, 0, 11, PRIO_NORMAL);
    r->suspect = pg_bool_at(res, 0, 12);
    return r->state == ST_NONE ? strange(r, err) : 0;
}

static void read_step(struct pipe *q, const PGresult *res, size_t row, struct arena *a, struct step_rows *s)
{
    s->step_id = pg_int_at(res, row, 0);
    s->named_step_id = (int32_t)pg_int_at(res, row, 1);
    s->name = pg_keep(q, a, res, row, 2);
    s->retryable = pg_bool_at(res, row, 3);
    s->skippable = pg_bool_at(res, row, 4);
    s->processed = pg_bool_at(res, row, 5);
    s->in_process = pg_bool_at(res, row, 6);
    s->retry_limit = (int32_t)pg_int_or(res, row, 7, 3);
    s->attempts = (int32_t)pg_int_or(res, row, 8, 0);
    s->backoff_seconds = (int32_t)pg_int_or(res, row, 9, -1);
    s->last_attempted_at = pg_time_at(res, row, 10);
    s->processed_at = pg_time_at(res, row, 11);
    s->state = ST_PENDING;
    if (!pg_null_at(res, row, 12)) {
        s->state = (uint8_t)state_from_name(pg_span_at(res, row, 12));
        s->has_row = true;
        s->sort_key = (int32_t)pg_int_at(res, row, 13);
        s->state_at = pg_time_at(res, row, 14);
        s->metadata = pg_keep(q, a, res, row, 15);
    }
    s->has_inputs = !pg_null_at(res, row, 16);
    s->inputs = pg_keep(q, a, res, row, 16);
    s->results = pg_blob_at(q, res, row, 17);
}

static int read_steps(struct pipe *q, const PGresult *res, struct task_rows *r, tasker_error *err)
{
    size_t n = pg_rows(res);
    r->steps = arena_alloc(&r->arena, (n + 1) * sizeof(r->steps[0]));
    if (!r->steps)
        return err_nomem(err);
    for (size_t row = 0; row < n; row++) {
        read_step(q, res, row, &r->arena, &r->steps[row]);
        r->step_count++;
        if (r->steps[row].state == ST_NONE)
            return strange(r, err);
    }
    return 0;
}

static struct step_rows *find_step(struct task_rows *r, int64_t step_id)
{
    size_t low = 0, high = r->step_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (r->steps[middle].step_id < step_id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < r->step_count && r->steps[low].step_id == step_id ? &r->steps[low] : NULL;
}

static void read_offers(const PGresult *res, struct task_rows *r)
{
    for (size_t row = 0; row < pg_rows(res); row++) {
        struct step_rows *step = find_step(r, pg_int_at(res, row, 0));
        if (!step)
            continue;
        step->offer_token = pg_int_at(res, row, 1);
        step->offer_begun = pg_bool_at(res, row, 2);
        step->offer_lane_alive = pg_bool_at(res, row, 3);
        step->offer_begun_at = pg_int_at(res, row, 4);
        step->offer_cancelled = pg_bool_at(res, row, 5);
    }
}

static size_t ask(struct pipe *q, enum pg_statement id, int64_t parameter)
{
    size_t at = pipe_add(q, id);
    pipe_int8(q, parameter);
    return at;
}

static int read_rows(struct pipe *q, int64_t task_id, struct task_rows *r, tasker_error *err)
{
    pipe_add(q, PG_READ_BEGIN);
    size_t task = ask(q, PG_LOAD_TASK, task_id), steps = ask(q, PG_LOAD_STEPS, task_id);
    size_t offers = ask(q, PG_LOAD_OFFERS, task_id);
    pipe_add(q, PG_COMMIT);
    int rc = pipe_run(q, "a task could not be read", err);
    if (rc < 0)
        return rc;
    if (pg_rows(pipe_result(q, task)) == 0)
        return err_set(err, TASKER_E_NOT_FOUND, "there is no task %lld", (long long)task_id);
    rc = read_task(q, pipe_result(q, task), r, err);
    if (rc == 0)
        rc = read_steps(q, pipe_result(q, steps), r, err);
    if (rc == 0)
        read_offers(pipe_result(q, offers), r);
    return rc == 0 && q->failed ? err_nomem(err) : rc;
}

int postgres_load_task(struct store *base, int64_t task_id, struct task_rows *ret, tasker_error *err)
{
    struct task_rows r;
    struct pipe q;
    task_rows_init(&r);
    r.task_id = task_id;
    pipe_init(&q, postgres_of(base));
    int rc = read_rows(&q, task_id, &r, err);
    pipe_done(&q);
    if (rc < 0) {
        task_rows_done(&r);
        return rc;
    }
    task_rows_done(ret);
    *ret = r;
    return 0;
}

// --------------------------------------------------------------------------------------------------- an offered step

static int read_offer(struct pipe *q, int64_t step_id, struct offer_rows *r, tasker_error *err)
{
    pipe_add(q, PG_READ_BEGIN);
    size_t step = ask(q, PG_LOAD_OFFER, step_id), parents = ask(q, PG_LOAD_PARENTS, step_id);
    pipe_add(q, PG_COMMIT);
    int rc = pipe_run(q, "a step could not be read", err);
    if (rc < 0)
        return rc;
    const PGresult *s = pipe_result(q, step), *p = pipe_result(q, parents);
    if (pg_rows(s) == 0)
        return err_set(err, TASKER_E_NOT_FOUND, "there is no step %lld", (long long)step_id);
    r->step_name = pg_keep(q, &r->arena, s, 0, 1);
    r->has_inputs = !pg_null_at(s, 0, 2);
    r->inputs = pg_keep(q, &r->arena, s, 0, 2);
    r->attempts = (int32_t)pg_int_or(s, 0, 3, 0);
    r->retry_limit = (int32_t)pg_int_or(s, 0, 4, 3);
    r->context = blob_or(q, s, 5, SPAN("{}"));
    r->template_id = pg_int_at(s, 0, 6);
    r->parents = arena_alloc(&r->arena, (pg_rows(p) + 1) * sizeof(r->parents[0]));
    for (size_t row = 0; row < pg_rows(p) && r->parents; row++) {
        r->parents[row].name = pg_keep(q, &r->arena, p, row, 0);
        r->parents[row].results = pg_blob_at(q, p, row, 1);
        r->parent_count++;
    }
    return q->failed || !r->parents ? err_nomem(err) : 0;
}

int postgres_load_offer(struct store *base, int64_t step_id, struct offer_rows *ret, tasker_error *err)
{
    struct offer_rows r;
    struct pipe q;
    offer_rows_init(&r);
    pipe_init(&q, postgres_of(base));
    int rc = read_offer(&q, step_id, &r, err);
    pipe_done(&q);
    if (rc < 0) {
        offer_rows_done(&r);
        return rc;
    }
    offer_rows_done(ret);
    *ret = r;
    return 0;
}

// -------------------------------------------------------------------------------------------------- a step's results

static int read_result(struct pipe *q, int64_t task_id, const char *name, struct blob **ret, tasker_error *err)
{
    ask(q, PG_LOAD_RESULT, task_id);
    pipe_str(q, name);
    int rc = pipe_run(q, "a step's results could not be read", err);
    if (rc < 0)
        return rc;
    const PGresult *r = pipe_result(q, 0);
    if (pg_rows(r) == 0)
        return err_set(err, TASKER_E_NOT_FOUND, "task %lld has no step \"%s\"", (long long)task_id, name);
    enum state state = pg_null_at(r, 0, 1) ? ST_PENDING : state_from_name(pg_span_at(r, 0, 1));
    if (state == ST_NONE || !state_done(state))
        return err_set(err, TASKER_E_STATE, "step \"%s\" of task %lld is %s, it has no results", name, (long long)task_id,
                       state == ST_NONE ? "in an unknown state" : state_names[state]);
    struct blob *results = pg_blob_at(q, r, 0, 0);
    if (q->failed)
        return err_nomem(err);
    *ret = results;
    return 0;
}

int postgres_step_result(struct store *base, int64_t task_id, const char *name, struct blob **ret, tasker_error *err)
{
    struct pipe q;
    pipe_init(&q, postgres_of(base));
    int rc = read_result(&q, task_id, name, ret, err);
    pipe_done(&q);
    return rc;
}
