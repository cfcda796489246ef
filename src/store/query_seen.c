// SPDX-License-Identifier: MIT
// query_seen.c - a task read from its rows for show and explain: steps, edges, transitions,
// and the facts that follow from them (when an attempt began and ended, what failed, when it is
// tried again).
//
// Five statements whatever the number of steps. Steps come by id, which is the order of the
// template; edges and transitions come sorted by step and are matched to them in one pass.
#include <string.h>

#include "base/util.h"
#include "model/retry.h"
#include "store/query_seen.h"

static const char task_sql[] =
    "SELECT n.name, nt.name, nt.version, t.initiator, t.source_system, t.reason, t.tags, "
    "t.bypass_steps,"
    " t.identity_hash, t.requested_at, a.task_id IS NOT NULL, a.lane_id, a.priority, a.run_at, "
    "a.deadline,"
    " a.crashes, a.suspect, a.template_id, l.name, CASE WHEN $1 THEN t.context END"
    " FROM tasker_tasks t"
    " JOIN tasker_named_tasks nt ON nt.named_task_id = t.named_task_id"
    " JOIN tasker_task_namespaces n ON n.task_namespace_id = nt.task_namespace_id"
    " LEFT JOIN tasker_core_active a ON a.task_id = t.task_id"
    " LEFT JOIN tasker_core_lanes l ON l.lane_id = a.lane_id"
    " WHERE t.task_id = $2";

static const char task_rows_sql[] =
    "SELECT from_state, to_state, created_at, metadata FROM tasker_task_transitions"
    " WHERE task_id = $1 ORDER BY sort_key";

static const char steps_sql[] = "SELECT s.workflow_step_id, ns.name, s.attempts, s.retry_limit, "
                                "s.retryable, s.backoff_request_seconds,"
                                " s.last_attempted_at, s.processed, s.in_process, CASE WHEN $1 OR "
                                "NOT s.processed THEN s.results END,"
                                " CASE WHEN $2 THEN s.inputs END"
                                " FROM tasker_workflow_steps s"
                                " JOIN tasker_named_steps ns ON ns.named_step_id = s.named_step_id"
                                " WHERE s.task_id = $3 ORDER BY s.workflow_step_id";

static const char edges_sql[] =
    "SELECT e.to_step_id, e.from_step_id FROM tasker_workflow_steps s"
    " JOIN tasker_workflow_step_edges e ON e.to_step_id = s.workflow_step_id"
    " WHERE s.task_id = $1 ORDER BY e.to_step_id, e.from_step_id";

static const char step_rows_sql[] =
    "SELECT r.workflow_step_id, r.from_state, r.to_state, r.created_at, r.metadata"
    " FROM tasker_workflow_steps s"
    " JOIN tasker_workflow_step_transitions r ON r.workflow_step_id = s.workflow_step_id"
    " WHERE s.task_id = $1 ORDER BY r.workflow_step_id, r.sort_key";

// ---- statements

// SQLite numbers parameters with a question mark, and its partial indexes are found by the literal condition.
static const char *in_dialect(struct inquiry *a, const char *sql)
{
    char *copy = a->postgres ? NULL : arena_strdup(&a->arena, sql);

    for (char *c = copy; c != NULL && *c != '\0'; c++) {
        if (*c == '$' && c[1] >= '1' && c[1] <= '9')
            *c = '?';
        if (strncmp(c, "= TRUE", 6) == 0)
            memcpy(c, "= 1   ", 6);
    }
    return a->postgres ? sql : copy;
}

int ask_with(struct inquiry *a, const char *sql, const struct value *values, size_t count, struct rows *ret,
             tasker_error *err)
{
    const char *text = in_dialect(a, sql);

    return text == NULL ? err_nomem(err) : a->ops->open(a, text, values, count, ret, err);
}

int ask_plain(struct inquiry *a, const char *sql, struct rows *ret, tasker_error *err)
{
    return ask_with(a, sql, NULL, 0, ret, err);
}

int ask_by_id(struct inquiry *a, const char *sql, int64_t id, struct rows *ret, tasker_error *err)
{
    const struct value value = {.kind = VALUE_INT, .number = id};

    return ask_with(a, sql, &value, 1, ret, err);
}

int ask_nomem(struct inquiry *a, tasker_error *err)
{
    return a->arena.failed ? err_nomem(err) : 0;
}

const struct json *ask_json(struct inquiry *a, struct span text)
{
    const struct json *v = NULL;
    int rc = text.len > 0 ? json_parse(&a->arena, text, &v, NULL) : 0;

    if (rc == TASKER_E_NOMEM)
        a->arena.failed = true;
    return v;
}

enum state rows_state(const struct rows *r, int i)
{
    struct span text = rows_text(r, i);

    return text.p == NULL ? ST_NONE : state_from_name(text);
}

void write_span(struct buf *out, const char *key, struct span text)
{
    jw_key(out, key);
    if (text.p == NULL)
        jw_null(out);
    else
        jw_strn(out, text.p, text.len);
}

// ---- JSON in columns

struct span meta_text_of(const struct json *meta, const char *name)
{
    const struct json *v = json_get(meta, name);

    return v != NULL && v->type == JSON_STRING ? v->str : (struct span){NULL, 0};
}

// ---- the task's own rows

static int load_task(struct inquiry *a, int64_t task_id, bool context, struct seen_task *t,
                     tasker_error *err)
{
    CLEANUP(rows_close) struct rows rows = {0};
    // In the order in which the statement has them first.
    const struct value values[] = {{.kind = VALUE_BOOL, .number = context}, {.kind = VALUE_INT, .number = task_id}};
    int rc = ask_with(a, task_sql, values, 2, &rows, err);

    if (rc == 0)
        rc = rows_next(&rows, err);
    if (rc == 0)
        return err_set(err, TASKER_E_NOT_FOUND, "there is no task %lld", (long long)task_id);
    if (rc < 0)
        return rc;
    struct span *texts[] = {&t->namespace_name, &t->name,          &t->version,
                            &t->initiator,      &t->source_system, &t->reason,
                            &t->tags,           &t->bypass_steps,  &t->identity};
    for (int i = 0; i < (int)ARRAY_SIZE(texts); i++)
        *texts[i] = rows_keep(&rows, i);
    t->id = task_id;
    t->requested_at = rows_time(&rows, 9);
    t->active = rows_bool(&rows, 10);
    t->owned = !rows_null(&rows, 11);
    t->lane = rows_int(&rows, 11);
    t->priority = (int32_t)rows_int(&rows, 12);
    t->run_at = rows_int(&rows, 13);
    t->deadline = rows_int(&rows, 14);
    t->crashes = (int32_t)rows_int(&rows, 15);
    t->suspect = rows_bool(&rows, 16);
    t->template_id = rows_int(&rows, 17);
    t->owner = rows_keep(&rows, 18);
    t->context = rows_keep(&rows, 19);
    return 0;
}

static int load_task_rows(struct inquiry *a, struct seen_task *t, tasker_error *err)
{
    CLEANUP(rows_close) struct rows rows = {0};
    int rc = ask_by_id(a, task_rows_sql, t->id, &rows, err);

    t->state = ST_PENDING;
    while (rc == 0 && (rc = rows_next(&rows, err)) == 1) {
        struct seen_row *row = arena_push(&a->arena, &t->rows, &t->row_count, sizeof(*t->rows));
        if (row == NULL)
            return err_nomem(err);
        *row = (struct seen_row){rows_state(&rows, 0), rows_state(&rows, 1), rows_time(&rows, 2),
                                 rows_keep(&rows, 3)};
        t->state = row->to;
        if (row->to == ST_IN_PROGRESS)
            t->started_at = row->at;
        t->finished_at = task_state_final(row->to) ? row->at : 0;
        rc = 0;
    }
    if (t->row_count > 0)
        t->meta = ask_json(a, t->rows[t->row_count - 1].metadata);
    // The row of the start names the template the task runs with.
    for (size_t i = t->row_count; i > 0 && t->template_id == 0; i--)
        if (t->rows[i - 1].to == ST_IN_PROGRESS)
            (void)json_int(json_get(ask_json(a, t->rows[i - 1].metadata), "template_id"),
                           &t->template_id);
    return rc;
}

// ---- steps

static void read_step(struct rows *rows, struct seen_step *s)
{
    *s = (struct seen_step){
        .id = rows_int(rows, 0),
        .name = rows_keep(rows, 1),
        .state = ST_PENDING,
        .has_attempts = !rows_null(rows, 2),
        .attempts = (int32_t)rows_int(rows, 2),
        .has_retry_limit = !rows_null(rows, 3),
        .retry_limit = (int32_t)rows_int(rows, 3),
        .retryable = rows_bool(rows, 4),
        .has_backoff = !rows_null(rows, 5),
        .backoff_seconds = (int32_t)rows_int(rows, 5),
        .last_attempted_at = rows_time(rows, 6),
        .processed = rows_bool(rows, 7),
        .in_process = rows_bool(rows, 8),
        .results = rows_keep(rows, 9),
        .inputs = rows_keep(rows, 10),
    };
    if (!s->has_retry_limit)
        s->retry_limit = 3;
}

static int load_steps(struct inquiry *a, struct seen_task *t, enum seen_depth depth, tasker_error *err)
{
    CLEANUP(rows_close) struct rows rows = {0};
    const struct value values[] = {{.kind = VALUE_BOOL, .number = depth >= SEEN_RESULTS},
                                   {.kind = VALUE_BOOL, .number = depth >= SEEN_ALL},
                                   {.kind = VALUE_INT, .number = t->id}};
    int rc = ask_with(a, steps_sql, values, 3, &rows, err);

    if (rc < 0)
        return rc;
    while ((rc = rows_next(&rows, err)) == 1) {
        struct seen_step *s = arena_push(&a->arena, &t->steps, &t->step_count, sizeof(*t->steps));
        if (s == NULL)
            return err_nomem(err);
        read_step(&rows, s);
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

static int load_edges(struct inquiry *a, struct seen_task *t, tasker_error *err)
{
    CLEANUP(rows_close) struct rows rows = {0};
    int rc = ask_by_id(a, edges_sql, t->id, &rows, err);

    while (rc == 0 && (rc = rows_next(&rows, err)) == 1) {
        struct seen_step *child = step_by_id(t, rows_int(&rows, 0));
        struct seen_step *parent = step_by_id(t, rows_int(&rows, 1));
        rc = 0;
        if (child == NULL || parent == NULL)
            continue;
        uint32_t *place =
            arena_push(&a->arena, &child->parents, &child->parent_count, sizeof(*child->parents));
        if (place == NULL)
            return err_nomem(err);
        *place = (uint32_t)(parent - t->steps);
    }
    return rc;
}

static int load_step_rows(struct inquiry *a, struct seen_task *t, tasker_error *err)
{
    CLEANUP(rows_close) struct rows rows = {0};
    int rc = ask_by_id(a, step_rows_sql, t->id, &rows, err);

    while (rc == 0 && (rc = rows_next(&rows, err)) == 1) {
        struct seen_step *s = step_by_id(t, rows_int(&rows, 0));
        struct seen_row *row =
            s == NULL ? NULL : arena_push(&a->arena, &s->rows, &s->row_count, sizeof(*s->rows));
        if (row == NULL)
            return err_nomem(err);
        *row = (struct seen_row){rows_state(&rows, 1), rows_state(&rows, 2), rows_time(&rows, 3),
                                 rows_keep(&rows, 4)};
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

static void conclude_step(struct inquiry *a, const struct seen_task *t, struct seen_step *s)
{
    if (s->row_count > 0)
        s->meta = ask_json(a, s->rows[s->row_count - 1].metadata);
    if (!state_done(s->state)) {
        const struct json *results = ask_json(a, s->results);
        if (json_get(results, "error") != NULL)
            s->failure = results;
    }
    if (s->state == ST_ERROR && !task_state_final(t->state))
        s->wake_at = wake_time(s);
}

int seen_load(struct inquiry *a, int64_t task_id, enum seen_depth depth, struct seen_task *ret,
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
    "SELECT COALESCE((SELECT body FROM tasker_core_templates WHERE template_id = $1),"
    " (SELECT c.body FROM tasker_tasks t"
    " JOIN tasker_core_templates c ON c.named_task_id = t.named_task_id AND c.current"
    " WHERE t.task_id = $2))";

static int load_body(struct inquiry *a, const struct seen_task *t, struct span *ret, tasker_error *err)
{
    CLEANUP(rows_close) struct rows rows = {0};
    const struct value values[] = {{.kind = VALUE_INT, .number = t->template_id}, {.kind = VALUE_INT, .number = t->id}};
    int rc = ask_with(a, body_sql, values, 2, &rows, err);

    if (rc == 0)
        rc = rows_next(&rows, err);
    if (rc == 1)
        *ret = rows_keep(&rows, 0);
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

int seen_templates(struct inquiry *a, struct seen_task *t, tasker_error *err)
{
    struct span body = {NULL, 0};
    int rc = load_body(a, t, &body, err);
    const struct json *list = json_get(ask_json(a, body), "step_templates");

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
