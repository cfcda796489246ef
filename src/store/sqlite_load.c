// SPDX-License-Identifier: MIT
// sqlite_load.c - reading a task whole, in one snapshot; what a worker needs for an offered step; a
// step's results.
#include "store/sqlite.h"

// A JSON column that may not be missing: rows of others may hold NULL.
static struct blob *blob_or(struct sql *q, int column, struct span otherwise)
{
    if (!sql_null_at(q, column))
        return sql_blob_at(q, column);
    struct blob *b = blob_new(otherwise.p, otherwise.len);
    if (!b)
        q->rc = SQLITE_NOMEM;
    return b;
}

static int load_row(struct sqlite *s, struct task_rows *r)
{
    struct sql q;
    bool found = false;
    sql_start(&q, s, SQL_LOAD_TASK);
    sql_int(&q, r->task_id);
    if (sql_row(&q)) {
        found = true;
        r->named_task_id = (int32_t)sql_int_at(&q, 0);
        r->context = blob_or(&q, 1, SPAN("{}"));
        r->template_id = sql_int_at(&q, 2);
        sql_end(&q);
    }
    return q.rc != SQLITE_OK || found ? q.rc : TURN_MISSED;
}

static int load_state(struct sqlite *s, struct task_rows *r)
{
    struct sql q;
    r->state = ST_PENDING;
    sql_start(&q, s, SQL_LOAD_TASK_STATE);
    sql_int(&q, r->task_id);
    if (sql_row(&q)) {
        r->state = (uint8_t)state_from_name(sql_span_at(&q, 0));
        r->has_row = true;
        r->sort_key = (int32_t)sql_int_at(&q, 1);
        sql_end(&q);
    }
    if (q.rc == SQLITE_OK && r->state == ST_NONE)
        return SQLITE_CORRUPT;
    if (q.rc != SQLITE_OK)
        return q.rc;
    sql_start(&q, s, SQL_LOAD_TASK_START);
    sql_int(&q, r->task_id);
    if (sql_row(&q)) {
        r->started_at = sql_time_at(&q, 0);
        sql_end(&q);
    }
    return q.rc;
}

static int load_active(struct sqlite *s, struct task_rows *r)
{
    struct sql q;
    sql_start(&q, s, SQL_LOAD_ACTIVE);
    sql_int(&q, r->task_id);
    if (sql_row(&q)) {
        r->active = true;
        int64_t template_id = sql_int_at(&q, 0);
        r->template_id = template_id ? template_id : r->template_id;
        r->active_lane = sql_int_at(&q, 1);
        r->run_at = sql_int_at(&q, 2);
        r->deadline = sql_int_at(&q, 3);
        r->crashes = (int32_t)sql_int_at(&q, 4);
        r->priority = (uint8_t)sql_int_at(&q, 5);
        r->suspect = sql_int_at(&q, 6) != 0;
        sql_end(&q);
    }
    return q.rc;
}

static void read_step(struct sql *q, struct arena *a, struct step_rows *s)
{
    s->step_id = sql_int_at(q, 0);
    s->named_step_id = (int32_t)sql_int_at(q, 1);
    s->name = sql_keep(q, a, 2);
    s->retryable = sql_int_at(q, 3) != 0;
    s->skippable = sql_int_at(q, 4) != 0;
    s->processed = sql_int_at(q, 5) != 0;
    s->in_process = sql_int_at(q, 6) != 0;
    s->retry_limit = (int32_t)sql_int_or(q, 7, 3);
    s->attempts = (int32_t)sql_int_or(q, 8, 0);
    s->backoff_seconds = (int32_t)sql_int_or(q, 9, -1);
    s->last_attempted_at = sql_time_at(q, 10);
    s->processed_at = sql_time_at(q, 11);
    s->state = ST_PENDING;
    if (!sql_null_at(q, 12)) {
        s->state = (uint8_t)state_from_name(sql_span_at(q, 12));
        s->has_row = true;
        s->sort_key = (int32_t)sql_int_at(q, 13);
        s->state_at = sql_time_at(q, 14);
        s->metadata = sql_keep(q, a, 15);
    }
    s->has_inputs = !sql_null_at(q, 16);
    s->inputs = sql_keep(q, a, 16);
    s->results = sql_blob_at(q, 17);
    if (s->state == ST_NONE)
        q->rc = SQLITE_CORRUPT;
}

static int load_steps(struct sqlite *s, struct task_rows *r)
{
    struct sql q;
    sql_start(&q, s, SQL_LOAD_STEPS);
    sql_int(&q, r->task_id);
    while (sql_row(&q)) {
        struct step_rows *step = arena_push(&r->arena, &r->steps, &r->step_count, sizeof(*step));
        if (!step)
            q.rc = SQLITE_NOMEM;
        else
            read_step(&q, &r->arena, step);
    }
    return q.rc;
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

static int load_offers(struct sqlite *s, struct task_rows *r)
{
    struct sql q;
    sql_start(&q, s, SQL_LOAD_OFFERS);
    sql_int(&q, r->task_id);
    while (sql_row(&q)) {
        struct step_rows *step = find_step(r, sql_int_at(&q, 0));
        if (!step)
            continue;
        step->offer_token = sql_int_at(&q, 1);
        step->offer_begun = sql_int_at(&q, 2) != 0;
        step->offer_lane_alive = sql_int_at(&q, 3) != 0;
        step->offer_begun_at = sql_int_at(&q, 4);
        step->offer_cancelled = sql_int_at(&q, 5) != 0;
    }
    return q.rc;
}

static int (*const parts[])(struct sqlite *, struct task_rows *) = {
    load_row, load_state, load_active, load_steps, load_offers,
};

int sqlite_load_task(struct store *base, int64_t task_id, struct task_rows *ret, tasker_error *err)
{
    struct sqlite *s = sqlite_of(base);
    struct task_rows r;
    int code = sqlite_read_begin(s, err);
    if (code != 0)
        return code;
    task_rows_init(&r);
    r.task_id = task_id;
    r.priority = PRIO_NORMAL;
    int rc = SQLITE_OK;
    for (size_t i = 0; i < ARRAY_SIZE(parts) && rc == SQLITE_OK; i++)
        rc = parts[i](s, &r);
    if (rc == TURN_MISSED)
        code = err_set(err, TASKER_E_NOT_FOUND, "there is no task %lld", (long long)task_id);
    else if (rc != SQLITE_OK)
        code = sqlite_fail(s, rc, "a task could not be read", err);
    sqlite_read_end(s);
    if (code != 0) {
        task_rows_done(&r);
        return code;
    }
    task_rows_done(ret);
    *ret = r;
    return 0;
}

// --------------------------------------------------------------------------------- an offered step

static int load_offered(struct sqlite *s, int64_t step_id, struct offer_rows *r, int64_t *ret_task)
{
    struct sql q;
    bool found = false;
    sql_start(&q, s, SQL_LOAD_OFFER);
    sql_int(&q, step_id);
    if (sql_row(&q)) {
        found = true;
        *ret_task = sql_int_at(&q, 0);
        r->step_name = sql_keep(&q, &r->arena, 1);
        r->has_inputs = !sql_null_at(&q, 2);
        r->inputs = sql_keep(&q, &r->arena, 2);
        r->attempts = (int32_t)sql_int_or(&q, 3, 0);
        r->retry_limit = (int32_t)sql_int_or(&q, 4, 3);
        r->context = blob_or(&q, 5, SPAN("{}"));
        sql_end(&q);
    }
    return q.rc != SQLITE_OK || found ? q.rc : TURN_MISSED;
}

static int load_parents(struct sqlite *s, int64_t step_id, struct offer_rows *r)
{
    struct sql q;
    sql_start(&q, s, SQL_LOAD_PARENTS);
    sql_int(&q, step_id);
    while (sql_row(&q)) {
        size_t i = r->parent_count;
        if (!arena_push(&r->arena, &r->parents, &r->parent_count, sizeof(r->parents[0]))) {
            q.rc = SQLITE_NOMEM;
            continue;
        }
        r->parents[i].name = sql_keep(&q, &r->arena, 0);
        r->parents[i].results = sql_blob_at(&q, 1);
    }
    return q.rc;
}

int sqlite_load_offer(struct store *base, int64_t step_id, struct offer_rows *ret,
                      tasker_error *err)
{
    struct sqlite *s = sqlite_of(base);
    struct offer_rows r;
    int64_t task_id = 0;
    int code = sqlite_read_begin(s, err);
    if (code != 0)
        return code;
    offer_rows_init(&r);
    int rc = load_offered(s, step_id, &r, &task_id);
    if (rc == SQLITE_OK)
        rc = sql_one_int(s, SQL_LOAD_OFFER_TEMPLATE, task_id, 0, &r.template_id);
    if (rc == SQLITE_OK)
        rc = load_parents(s, step_id, &r);
    if (rc == TURN_MISSED)
        code = err_set(err, TASKER_E_NOT_FOUND, "there is no step %lld", (long long)step_id);
    else if (rc != SQLITE_OK)
        code = sqlite_fail(s, rc, "a step could not be read", err);
    sqlite_read_end(s);
    if (code != 0) {
        offer_rows_done(&r);
        return code;
    }
    offer_rows_done(ret);
    *ret = r;
    return 0;
}

// -------------------------------------------------------------------------------- a step's results

int sqlite_step_result(struct store *base, int64_t task_id, const char *name, struct blob **ret,
                       tasker_error *err)
{
    struct sqlite *s = sqlite_of(base);
    struct sql q;
    struct blob *results = NULL;
    bool found = false;
    enum state state = ST_PENDING;
    sql_start(&q, s, SQL_LOAD_RESULT);
    sql_int(&q, task_id);
    sql_str(&q, name);
    if (sql_row(&q)) {
        found = true;
        if (!sql_null_at(&q, 1))
            state = state_from_name(sql_span_at(&q, 1));
        if (state != ST_NONE && state_done(state))
            results = sql_blob_at(&q, 0);
        sql_end(&q);
    }
    if (q.rc != SQLITE_OK)
        return sqlite_fail(s, q.rc, "a step's results could not be read", err);
    if (!found)
        return err_set(err, TASKER_E_NOT_FOUND, "task %lld has no step \"%s\"", (long long)task_id,
                       name);
    if (state == ST_NONE || !state_done(state))
        return err_set(err, TASKER_E_STATE, "step \"%s\" of task %lld is %s, it has no results",
                       name, (long long)task_id,
                       state == ST_NONE ? "in an unknown state" : state_names[state]);
    *ret = results;
    return 0;
}
