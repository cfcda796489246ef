// SPDX-License-Identifier: MIT
// sqlite_query_seen.c - a task read from its rows for show and explain: steps, edges, transitions,
// and the facts that follow from them (when an attempt began and ended, what failed, when it is
// tried again).
//
// Five statements whatever the number of steps. Steps come by id, which is the order of the
// template; edges and transitions come sorted by step and are matched to them in one pass.
#include <string.h>

#include "base/util.h"
#include "model/retry.h"
#include "store/sqlite_query.h"

static const char task_sql[] =
    "SELECT n.name, nt.name, nt.version, t.initiator, t.source_system, t.reason, t.tags, "
    "t.bypass_steps,"
    " t.identity_hash, t.requested_at, a.task_id IS NOT NULL, a.lane_id, a.priority, a.run_at, "
    "a.deadline,"
    " a.crashes, a.suspect, a.template_id, l.name, CASE WHEN ?2 THEN t.context END"
    " FROM tasker_tasks t"
    " JOIN tasker_named_tasks nt ON nt.named_task_id = t.named_task_id"
    " JOIN tasker_task_namespaces n ON n.task_namespace_id = nt.task_namespace_id"
    " LEFT JOIN tasker_core_active a ON a.task_id = t.task_id"
    " LEFT JOIN tasker_core_lanes l ON l.lane_id = a.lane_id"
    " WHERE t.task_id = ?1";

static const char task_rows_sql[] =
    "SELECT from_state, to_state, created_at, metadata FROM tasker_task_transitions"
    " WHERE task_id = ?1 ORDER BY sort_key";

static const char steps_sql[] = "SELECT s.workflow_step_id, ns.name, s.attempts, s.retry_limit, "
                                "s.retryable, s.backoff_request_seconds,"
                                " s.last_attempted_at, s.processed, s.in_process, CASE WHEN ?2 OR "
                                "NOT s.processed THEN s.results END,"
                                " CASE WHEN ?3 THEN s.inputs END"
                                " FROM tasker_workflow_steps s"
                                " JOIN tasker_named_steps ns ON ns.named_step_id = s.named_step_id"
                                " WHERE s.task_id = ?1 ORDER BY s.workflow_step_id";

static const char edges_sql[] =
    "SELECT e.to_step_id, e.from_step_id FROM tasker_workflow_steps s"
    " JOIN tasker_workflow_step_edges e ON e.to_step_id = s.workflow_step_id"
    " WHERE s.task_id = ?1 ORDER BY e.to_step_id, e.from_step_id";

static const char step_rows_sql[] =
    "SELECT r.workflow_step_id, r.from_state, r.to_state, r.created_at, r.metadata"
    " FROM tasker_workflow_steps s"
    " JOIN tasker_workflow_step_transitions r ON r.workflow_step_id = s.workflow_step_id"
    " WHERE s.task_id = ?1 ORDER BY r.workflow_step_id, r.sort_key";

// ---- JSON in columns

struct span meta_text_of(const struct json *meta, const char *name)
{
    const struct json *v = json_get(meta, name);

    return v != NULL && v->type == JSON_STRING ? v->str : (struct span){NULL, 0};
}

// ---- the task's own rows

static int load_task(struct ask *a, int64_t task_id, bool context, struct seen_task *t,
                     tasker_error *err)
{
    CLEANUP(stmt_freep) sqlite3_stmt *stmt = NULL;
    int rc = ask_prepare_id(a, task_sql, task_id, &stmt, err);

    if (rc < 0)
        return rc;
    sqlite3_bind_int(stmt, 2, context);
    rc = ask_next(a, stmt, err);
    if (rc == 0)
        return err_set(err, TASKER_E_NOT_FOUND, "there is no task %lld", (long long)task_id);
    if (rc < 0)
        return rc;
    struct span *texts[] = {&t->namespace_name, &t->name,          &t->version,
                            &t->initiator,      &t->source_system, &t->reason,
                            &t->tags,           &t->bypass_steps,  &t->identity};
    for (int i = 0; i < (int)ARRAY_SIZE(texts); i++)
        *texts[i] = column_text(a, stmt, i);
    t->id = task_id;
    t->requested_at = column_time(stmt, 9);
    t->active = sqlite3_column_int(stmt, 10) != 0;
    t->owned = sqlite3_column_type(stmt, 11) != SQLITE_NULL;
    t->lane = sqlite3_column_int64(stmt, 11);
    t->priority = sqlite3_column_int(stmt, 12);
    t->run_at = sqlite3_column_int64(stmt, 13);
    t->deadline = sqlite3_column_int64(stmt, 14);
    t->crashes = sqlite3_column_int(stmt, 15);
    t->suspect = sqlite3_column_int(stmt, 16) != 0;
    t->template_id = sqlite3_column_int64(stmt, 17);
    t->owner = column_text(a, stmt, 18);
    t->context = column_text(a, stmt, 19);
    return 0;
}

static int load_task_rows(struct ask *a, struct seen_task *t, tasker_error *err)
{
    CLEANUP(stmt_freep) sqlite3_stmt *stmt = NULL;
    int rc = ask_prepare_id(a, task_rows_sql, t->id, &stmt, err);

    t->state = ST_PENDING;
    while (rc == 0 && (rc = ask_next(a, stmt, err)) == 1) {
        struct seen_row *row = sqlite_push(&a->arena, &t->rows, &t->row_count, sizeof(*t->rows));
        if (row == NULL)
            return err_nomem(err);
        *row = (struct seen_row){column_state(stmt, 0), column_state(stmt, 1), column_time(stmt, 2),
                                 column_text(a, stmt, 3)};
        t->state = row->to;
        if (row->to == ST_IN_PROGRESS)
            t->started_at = row->at;
        t->finished_at = task_state_final(row->to) ? row->at : 0;
        rc = 0;
    }
    if (t->row_count > 0)
        t->meta = ask_parse(a, t->rows[t->row_count - 1].metadata);
    // The row of the start names the template the task runs with.
    for (size_t i = t->row_count; i > 0 && t->template_id == 0; i--)
        if (t->rows[i - 1].to == ST_IN_PROGRESS)
            (void)json_int(json_get(ask_parse(a, t->rows[i - 1].metadata), "template_id"),
                           &t->template_id);
    return rc;
}

// ---- steps

static void read_step(struct ask *a, sqlite3_stmt *stmt, struct seen_step *s)
{
    *s = (struct seen_step){
        .id = sqlite3_column_int64(stmt, 0),
        .name = column_text(a, stmt, 1),
        .state = ST_PENDING,
        .has_attempts = sqlite3_column_type(stmt, 2) != SQLITE_NULL,
        .attempts = sqlite3_column_int(stmt, 2),
        .has_retry_limit = sqlite3_column_type(stmt, 3) != SQLITE_NULL,
        .retry_limit = sqlite3_column_int(stmt, 3),
        .retryable = sqlite3_column_int(stmt, 4) != 0,
        .has_backoff = sqlite3_column_type(stmt, 5) != SQLITE_NULL,
        .backoff_seconds = sqlite3_column_int(stmt, 5),
        .last_attempted_at = column_time(stmt, 6),
        .processed = sqlite3_column_int(stmt, 7) != 0,
        .in_process = sqlite3_column_int(stmt, 8) != 0,
        .results = column_text(a, stmt, 9),
        .inputs = column_text(a, stmt, 10),
    };
    if (!s->has_retry_limit)
        s->retry_limit = 3;
}

static int load_steps(struct ask *a, struct seen_task *t, enum seen_depth depth, tasker_error *err)
{
    CLEANUP(stmt_freep) sqlite3_stmt *stmt = NULL;
    int rc = ask_prepare_id(a, steps_sql, t->id, &stmt, err);

    if (rc < 0)
        return rc;
    sqlite3_bind_int(stmt, 2, depth >= SEEN_RESULTS);
    sqlite3_bind_int(stmt, 3, depth >= SEEN_ALL);
    while ((rc = ask_next(a, stmt, err)) == 1) {
        struct seen_step *s = sqlite_push(&a->arena, &t->steps, &t->step_count, sizeof(*t->steps));
        if (s == NULL)
            return err_nomem(err);
        read_step(a, stmt, s);
    }
    return rc;
}

static struct seen_step *step_by_id(struct seen_task *t, int64_t id)
{
    size_t low = 0, high = t->step_count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (t->steps[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < t->step_count && t->steps[low].id == id ? &t->steps[low] : NULL;
}

static int load_edges(struct ask *a, struct seen_task *t, tasker_error *err)
{
    CLEANUP(stmt_freep) sqlite3_stmt *stmt = NULL;
    int rc = ask_prepare_id(a, edges_sql, t->id, &stmt, err);

    while (rc == 0 && (rc = ask_next(a, stmt, err)) == 1) {
        struct seen_step *child = step_by_id(t, sqlite3_column_int64(stmt, 0));
        struct seen_step *parent = step_by_id(t, sqlite3_column_int64(stmt, 1));
        rc = 0;
        if (child == NULL || parent == NULL)
            continue;
        uint32_t *place =
            sqlite_push(&a->arena, &child->parents, &child->parent_count, sizeof(*child->parents));
        if (place == NULL)
            return err_nomem(err);
        *place = (uint32_t)(parent - t->steps);
    }
    return rc;
}

static int load_step_rows(struct ask *a, struct seen_task *t, tasker_error *err)
{
    CLEANUP(stmt_freep) sqlite3_stmt *stmt = NULL;
    int rc = ask_prepare_id(a, step_rows_sql, t->id, &stmt, err);

    while (rc == 0 && (rc = ask_next(a, stmt, err)) == 1) {
        struct seen_step *s = step_by_id(t, sqlite3_column_int64(stmt, 0));
        struct seen_row *row =
            s == NULL ? NULL : sqlite_push(&a->arena, &s->rows, &s->row_count, sizeof(*s->rows));
        if (row == NULL)
            return err_nomem(err);
        *row = (struct seen_row){column_state(stmt, 1), column_state(stmt, 2), column_time(stmt, 3),
                                 column_text(a, stmt, 4)};
        s->state = row->to;
        s->state_at = row->at;
        if (row->to == ST_IN_PROGRESS)
            s->started_at = row->at;
        bool ended = row->to != ST_IN_PROGRESS && row->to != ST_PENDING;
        s->finished_at = ended ? row->at : 0;
        rc = 0;
    }
    return rc;
}

// ---- what follows from the rows

// A step in error is tried again when its row says so; a row of the Rails engine says nothing, then
// that engine's own rule decides.
static int64_t wake_time(const struct seen_step *s)
{
    int64_t at = 0;

    if (json_get(s->meta, "attempt") != NULL) {
        const struct json *retry_at = json_get(s->meta, "retry_at");
        return retry_at != NULL && json_int(retry_at, &at) ? at : 0;
    }
    if (!s->retryable || s->attempts >= s->retry_limit)
        return 0;
    at = s->state_at + retry_sql_floor_seconds(s->attempts) * US_PER_SECOND;
    int64_t asked = s->last_attempted_at + s->backoff_seconds * US_PER_SECOND;
    return s->has_backoff && s->last_attempted_at != 0 && asked > at ? asked : at;
}

static void conclude_step(struct ask *a, const struct seen_task *t, struct seen_step *s)
{
    if (s->row_count > 0)
        s->meta = ask_parse(a, s->rows[s->row_count - 1].metadata);
    if (!state_done(s->state)) {
        const struct json *results = ask_parse(a, s->results);
        if (json_get(results, "error") != NULL)
            s->failure = results;
    }
    if (s->state == ST_ERROR && !task_state_final(t->state))
        s->wake_at = wake_time(s);
}

int seen_load(struct ask *a, int64_t task_id, enum seen_depth depth, struct seen_task *ret,
              tasker_error *err)
{
    struct seen_task t = {0};
    int rc = load_task(a, task_id, depth != SEEN_STATES, &t, err);

    if (rc == 0)
        rc = load_task_rows(a, &t, err);
    if (rc == 0)
        rc = load_steps(a, &t, depth, err);
    if (rc == 0)
        rc = load_edges(a, &t, err);
    if (rc == 0)
        rc = load_step_rows(a, &t, err);
    for (size_t i = 0; i < t.step_count && rc == 0; i++)
        conclude_step(a, &t, &t.steps[i]);
    if (rc == 0)
        rc = ask_nomem(a, err);
    if (rc == 0)
        *ret = t;
    return rc;
}

// ---- the template

// A task that never began names no template: the current one of its name is what it would run with.
static const char body_sql[] =
    "SELECT COALESCE((SELECT body FROM tasker_core_templates WHERE template_id = ?1),"
    " (SELECT c.body FROM tasker_tasks t"
    " JOIN tasker_core_templates c ON c.named_task_id = t.named_task_id AND c.current"
    " WHERE t.task_id = ?2))";

static int load_body(struct ask *a, const struct seen_task *t, struct span *ret, tasker_error *err)
{
    CLEANUP(stmt_freep) sqlite3_stmt *stmt = NULL;
    int rc = ask_prepare_id(a, body_sql, t->template_id, &stmt, err);

    if (rc < 0)
        return rc;
    sqlite3_bind_int64(stmt, 2, t->id);
    rc = ask_next(a, stmt, err);
    if (rc == 1)
        *ret = column_text(a, stmt, 0);
    return rc < 0 ? rc : 0;
}

// Steps of task and template stand in the same order; a task of the Rails engine may lack some or
// have them elsewhere.
static const struct json *definition_of(const struct json *list, const struct json *guess,
                                        const struct seen_step *s)
{
    if (guess != NULL && span_eq(meta_text_of(guess, "name"), s->name))
        return guess;
    for (const struct json *d = list->child; d != NULL; d = d->next)
        if (span_eq(meta_text_of(d, "name"), s->name))
            return d;
    return NULL;
}

int seen_templates(struct ask *a, struct seen_task *t, tasker_error *err)
{
    struct span body = {NULL, 0};
    int rc = load_body(a, t, &body, err);
    const struct json *list = json_get(ask_parse(a, body), "step_templates");

    if (rc < 0 || list == NULL)
        return rc;
    const struct json *guess = list->child;
    for (size_t i = 0; i < t->step_count; i++) {
        struct seen_step *s = &t->steps[i];
        const struct json *d = definition_of(list, guess, s);
        double seconds = 0;
        guess = d == NULL ? guess : d->next;
        s->handler_class = meta_text_of(d, "handler_class");
        const struct json *timeout = json_get(d, "timeout_seconds");
        if (timeout != NULL && json_double(timeout, &seconds))
            s->timeout_us = (int64_t)(seconds * (double)US_PER_SECOND);
    }
    return 0;
}
