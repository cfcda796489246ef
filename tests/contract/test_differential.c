// SPDX-License-Identifier: MIT
// test_differential.c - what is ready, said four times: by the rules in memory (model/readiness.h, model/graph.h, and a
// task rebuilt from its rows), by SQL on SQLite, and by the functions and the view on PostgreSQL. Thousands of random
// graphs with rows as they should be and as they should not be; every column of every answer must agree, to the
// microsecond and at the very boundary of each wait.
//
// TASKER_TEST_POSTGRESQL is the URI of a server (tools/postgres run gives one). SEED=n repeats a run, GRAPHS=n changes
// their number. Everything happens in one transaction, so that `now()` is one moment, and is rolled back.
#include "differential.h"

#include <math.h>
#include <unistd.h>

#include "model/graph.h"
#include "model/readiness.h"
#include "model/task.h"
#include "store/sqlite.h"

#define GRAPHS 2400

static struct store *lite_store, *pg_store;

static void readiness_in_memory(const struct dstep *s, struct readiness_in *in, struct readiness *r)
{
    *in = (struct readiness_in){
        .state = s->state == ST_NONE ? ST_PENDING : s->state,
        .state_at = s->state_at,
        .retryable = s->retryable,
        .in_process = s->in_process,
        .processed = s->processed,
        .has_attempts = s->attempts != NULL_INT,
        .has_retry_limit = s->limit != NULL_INT,
        .has_backoff = s->backoff != NULL_INT,
        .attempts = s->attempts,
        .retry_limit = s->limit,
        .backoff_seconds = s->backoff,
        .last_attempted_at = s->attempted_at,
        .total_parents = (int32_t)s->parents,
        .completed_parents = (int32_t)s->done_parents,
    };
    readiness_of(in, w.now, r);
}

// ------------------------------------------------------------------------------------------------------- comparing

// Where two answers, line by line, first differ.
static void same(const char *who, struct buf *expected, struct buf *got)
{
    const char *a = buf_view(expected).p, *b = buf_view(got).p;
    assert_false(expected->failed || got->failed);
    while (*a || *b) {
        size_t n = strcspn(a, "\n"), m = strcspn(b, "\n");
        if (n != m || memcmp(a, b, n) != 0)
            fail_msg("SEED=%llu: memory says\n  %.*s\n%s says\n  %.*s\n", (unsigned long long)w.seed, (int)n, a, who,
                     (int)m, b);
        a += n + (a[n] != '\0');
        b += m + (b[m] != '\0');
    }
    buf_done(got);
}

static void ask_postgres(const char *sql, struct buf *out)
{
    buf_init(out, 64 << 20);
    PGresult *r = PQexec(pg, sql);
    if (PQresultStatus(r) != PGRES_TUPLES_OK)
        fail_msg("SEED=%llu: %s", (unsigned long long)w.seed, PQerrorMessage(pg));
    for (int i = 0; i < PQntuples(r); i++) {
        buf_str(out, PQgetvalue(r, i, 0));
        buf_str(out, "\n");
    }
    PQclear(r);
}

static void ask_sqlite(const char *sql, struct buf *out)
{
    sqlite3_stmt *st;
    buf_init(out, 64 << 20);
    if (sqlite3_prepare_v2(lite, sql, -1, &st, NULL) != SQLITE_OK)
        fail_msg("%s", sqlite3_errmsg(lite));
    if (sqlite3_bind_parameter_count(st) > 0)
        sqlite3_bind_int64(st, 1, w.now);
    while (sqlite3_step(st) == SQLITE_ROW) {
        buf_str(out, (const char *)sqlite3_column_text(st, 0));
        buf_str(out, "\n");
    }
    assert_int_equal(sqlite3_finalize(st), SQLITE_OK);
}

static void put_time(struct buf *out, int64_t us)
{
    if (us)
        buf_printf(out, "|%lld", (long long)us);
    else
        buf_str(out, "|-");
}

static void put_int(struct buf *out, int32_t v)
{
    if (v != NULL_INT)
        buf_printf(out, "|%d", (int)v);
    else
        buf_str(out, "|-");
}

static void expect_readiness(struct buf *out, int64_t every)
{
    buf_init(out, 64 << 20);
    for (size_t i = 0; i < w.step_count; i++) {
        const struct dstep *s = &w.steps[i];
        struct readiness_in in;
        struct readiness r;
        if (s->id % every != 0)
            continue;
        readiness_in_memory(s, &in, &r);
        buf_printf(out, "%lld|%lld|%u|step %u|%s|%d|%d|%d", (long long)s->id, (long long)w.tasks[s->task].id, 500 + s->name,
                   s->name, state_names[in.state], r.dependencies_satisfied, r.retry_eligible, r.ready);
        put_time(out, r.last_failure_at);
        put_time(out, r.next_retry_at);
        buf_printf(out, "|%u|%u|%d|%d", s->parents, s->done_parents, (int)r.attempts, (int)r.retry_limit);
        put_int(out, s->backoff);
        put_time(out, s->attempted_at);
        buf_str(out, "\n");
    }
}

#define PG_US(x) "coalesce((extract(epoch FROM " x ") * 1000000)::bigint::text, '-')"
#define PG_READINESS                                                                                                 \
    "concat_ws('|', r.workflow_step_id, r.task_id, r.named_step_id, r.name, r.current_state, "                      \
    "r.dependencies_satisfied::integer, r.retry_eligible::integer, r.ready_for_execution::integer, "                \
    PG_US("r.last_failure_at") ", " PG_US("r.next_retry_at")                                                        \
    ", r.total_parents, r.completed_parents, r.attempts, r.retry_limit, "                                           \
    "coalesce(r.backoff_request_seconds::text, '-'), " PG_US("r.last_attempted_at") ")"
#define ALL_TASKS "(SELECT array_agg(task_id) FROM tasker_tasks)"

#define LITE_US(x) "(CAST(strftime('%s', substr(" x ", 1, 19)) AS INTEGER) * 1000000 + CAST(substr(" x ", 21, 6) AS INTEGER))"
#define LITE_READINESS                                                                                              \
    "WITH r AS (SELECT s.*, ns.name AS step_name, coalesce(t.to_state, 'pending') AS state, "                       \
    "coalesce(s.attempts, 0) AS a, coalesce(s.retry_limit, 3) AS l, "                                               \
    LITE_US("s.last_attempted_at") " AS attempted, CASE WHEN t.to_state = 'error' THEN " LITE_US("t.created_at")     \
    " END AS failed, CASE WHEN coalesce(s.attempts, 1) >= 5 THEN 30 ELSE 1 << coalesce(s.attempts, 1) END AS delay, " \
    "(SELECT count(*) FROM tasker_workflow_step_edges e WHERE e.to_step_id = s.workflow_step_id) AS parents, "      \
    "(SELECT count(*) FROM tasker_workflow_step_edges e JOIN tasker_workflow_step_transitions p "                   \
    "ON p.workflow_step_id = e.from_step_id AND p.most_recent = 1 AND p.to_state IN ('complete', "                  \
    "'resolved_manually') WHERE e.to_step_id = s.workflow_step_id) AS done "                                        \
    "FROM tasker_workflow_steps s JOIN tasker_named_steps ns ON ns.named_step_id = s.named_step_id "                \
    "LEFT JOIN tasker_workflow_step_transitions t ON t.workflow_step_id = s.workflow_step_id AND t.most_recent = 1), " \
    "x AS (SELECT *, attempted + backoff_request_seconds * 1000000 AS asked, failed + delay * 1000000 AS again FROM r) " \
    "SELECT workflow_step_id || '|' || task_id || '|' || named_step_id || '|' || step_name || '|' || state || '|' || " \
    "(parents = done) || '|' || (a < l) || '|' || (state IN ('pending', 'error') AND NOT processed AND NOT in_process " \
    "AND retryable AND parents = done AND a < l AND coalesce(asked <= ?1, 1) AND coalesce(again <= ?1, 1)) || '|' || " \
    "coalesce(failed, '-') || '|' || coalesce(asked, again, '-') || '|' || parents || '|' || done || '|' || a || '|' " \
    "|| l || '|' || coalesce(backoff_request_seconds, '-') || '|' || coalesce(attempted, '-') FROM x "               \
    "ORDER BY workflow_step_id"

static void readiness_agrees(void **state)
{
    (void)state;
    struct buf expected, got;
    expect_readiness(&expected, 1);
    ask_sqlite(LITE_READINESS, &got);
    same("SQLite", &expected, &got);
    ask_postgres("SELECT " PG_READINESS " FROM get_step_readiness_status_batch(" ALL_TASKS ") r ORDER BY r.workflow_step_id",
                 &got);
    same("get_step_readiness_status_batch", &expected, &got);
    ask_postgres("SELECT " PG_READINESS " FROM tasker_tasks k, get_step_readiness_status(k.task_id) r "
                 "ORDER BY r.workflow_step_id", &got);
    same("get_step_readiness_status", &expected, &got);
    buf_done(&expected);
    expect_readiness(&expected, 3);
    ask_postgres("SELECT " PG_READINESS " FROM tasker_tasks k, get_step_readiness_status(k.task_id, ARRAY(SELECT "
                 "s.workflow_step_id FROM tasker_workflow_steps s WHERE s.workflow_step_id % 3 = 0)) r "
                 "ORDER BY r.workflow_step_id", &got);
    same("get_step_readiness_status of some steps", &expected, &got);
    buf_done(&expected);
}

static void expect_contexts(struct buf *out)
{
    buf_init(out, 64 << 20);
    for (size_t i = 0; i < w.task_count; i++) {
        const struct dtask *t = &w.tasks[i];
        struct context_counts c = {0};
        struct execution_context e;
        for (uint32_t k = 0; k < t->count; k++) {
            struct readiness_in in;
            struct readiness r;
            readiness_in_memory(&w.steps[t->first + k], &in, &r);
            context_count(&c, &in, &r);
        }
        context_of(&c, &e);
        buf_printf(out, "%lld|88|%s|%lld|%lld|%lld|%lld|%lld|%lld|%s|%s|%lld|%s\n", (long long)t->id,
                   state_names[t->state == ST_NONE ? ST_PENDING : t->state], (long long)c.total, (long long)c.pending,
                   (long long)c.in_progress, (long long)c.completed, (long long)c.failed, (long long)c.ready,
                   e.execution_status, e.recommended_action, llround(e.completion_percentage * 100), e.health_status);
    }
}

#define PG_CONTEXT                                                                                                   \
    "concat_ws('|', r.task_id, r.named_task_id, r.status, r.total_steps, r.pending_steps, r.in_progress_steps, "    \
    "r.completed_steps, r.failed_steps, r.ready_steps, r.execution_status, r.recommended_action, "                  \
    "(r.completion_percentage * 100)::bigint, r.health_status)"

static void contexts_agree(void **state)
{
    (void)state;
    struct buf expected, got;
    expect_contexts(&expected);
    ask_postgres("SELECT " PG_CONTEXT " FROM get_task_execution_contexts_batch(" ALL_TASKS ") r", &got);  // in order
    same("get_task_execution_contexts_batch", &expected, &got);
    ask_postgres("SELECT " PG_CONTEXT " FROM tasker_tasks k, get_task_execution_context(k.task_id) r ORDER BY r.task_id",
                 &got);
    same("get_task_execution_context", &expected, &got);
    buf_done(&expected);
}

// Ids of one side of the edges that touch a step on the other; `sorted` by that step, then by id; steps come in order.
static void put_ids(struct buf *out, const struct dedge *sorted, size_t *at, uint32_t step, bool parents)
{
    buf_str(out, "|[");
    for (bool first = true; *at < w.edge_count; (*at)++, first = false) {
        const struct dedge *e = &sorted[*at];
        if ((parents ? e->to : e->from) != step)
            break;
        buf_printf(out, "%s%lld", first ? "" : ",", (long long)w.steps[parents ? e->from : e->to].id);
    }
    buf_str(out, "]");
}

static int compare(uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    return a != b ? (a > b) - (a < b) : (c > d) - (c < d);
}

static int by_to(const void *a, const void *b)
{
    const struct dedge *x = a, *y = b;
    return compare(x->to, y->to, x->from, y->from);
}

static int by_from(const void *a, const void *b)
{
    const struct dedge *x = a, *y = b;
    return compare(x->from, y->from, x->to, y->to);
}

static void expect_view(struct buf *out)
{
    size_t size = (w.edge_count + 1) * sizeof(struct dedge), up = 0, down = 0;
    struct dedge *parents = mem_alloc(size), *children = mem_alloc(size);
    assert_true(parents && children);
    memcpy(parents, w.edges, w.edge_count * sizeof(struct dedge));
    memcpy(children, w.edges, w.edge_count * sizeof(struct dedge));
    qsort(parents, w.edge_count, sizeof(struct dedge), by_to);
    qsort(children, w.edge_count, sizeof(struct dedge), by_from);
    buf_init(out, 64 << 20);
    for (uint32_t i = 0; i < w.step_count; i++) {
        const struct dstep *s = &w.steps[i];
        size_t first_up = up, first_down = down;
        buf_printf(out, "%lld|%lld|%u", (long long)s->id, (long long)w.tasks[s->task].id, 500 + s->name);
        put_ids(out, parents, &up, i, true);
        put_ids(out, children, &down, i, false);
        buf_printf(out, "|%zu|%zu|%d|%d", up - first_up, down - first_down, !s->parent, !s->child);
        if (s->depth >= 0)
            buf_printf(out, "|%d\n", (int)s->depth);
        else
            buf_str(out, "|-\n");
    }
    mem_free(parents);
    mem_free(children);
}

static void the_view_agrees(void **state)
{
    (void)state;
    struct buf expected, got;
    expect_view(&expected);
    ask_sqlite("SELECT workflow_step_id || '|' || task_id || '|' || named_step_id || '|' || parent_step_ids || '|' || "
               "child_step_ids || '|' || parent_count || '|' || child_count || '|' || is_root_step || '|' || is_leaf_step "
               "|| '|' || coalesce(min_depth_from_root, '-') FROM tasker_step_dag_relationships ORDER BY workflow_step_id",
               &got);
    same("SQLite", &expected, &got);
    ask_postgres("SELECT concat_ws('|', workflow_step_id, task_id, named_step_id, replace(parent_step_ids::text, ' ', ''), "
                 "replace(child_step_ids::text, ' ', ''), parent_count, child_count, is_root_step::integer, "
                 "is_leaf_step::integer, coalesce(min_depth_from_root::text, '-')) FROM tasker_step_dag_relationships "
                 "ORDER BY workflow_step_id", &got);
    same("tasker_step_dag_relationships", &expected, &got);
    buf_done(&expected);
}

// The steps that can be reached from a root of the task by edges of the task, numbered from 0; UINT32_MAX: the others.
static uint32_t number_reached(const struct dtask *t, uint32_t *number)
{
    bool more = true;
    uint32_t count = 0;
    for (uint32_t k = 0; k < t->count; k++)
        number[k] = w.steps[t->first + k].parent ? UINT32_MAX : 0;
    while (more) {
        more = false;
        for (size_t i = t->first_edge; i < t->first_edge + t->edge_count; i++) {
            const struct dedge *e = &w.edges[i];
            if (e->from < t->first || number[e->from - t->first] != 0 || number[e->to - t->first] == 0)
                continue;
            number[e->to - t->first] = 0;
            more = true;
        }
    }
    for (uint32_t k = 0; k < t->count; k++)
        if (number[k] == 0)
            number[k] = count++;
    return count;
}

static void expect_levels_of(const struct dtask *t, struct buf *out)
{
    uint32_t number[STEPS_MAX], level[STEPS_MAX], order[STEPS_MAX], step[STEPS_MAX], cycle = 0, n = 0;
    struct arena a;
    struct graph g;
    arena_init(&a);
    uint32_t *from = arena_alloc(&a, (t->edge_count + 1) * sizeof(*from));
    uint32_t *to = arena_alloc(&a, (t->edge_count + 1) * sizeof(*to));
    assert_true(from && to);
    uint32_t count = number_reached(t, number);
    for (uint32_t k = 0; k < t->count; k++)
        if (number[k] != UINT32_MAX)
            step[number[k]] = t->first + k;
    for (size_t i = t->first_edge; i < t->first_edge + t->edge_count; i++) {
        const struct dedge *e = &w.edges[i];
        if (e->from < t->first || number[e->from - t->first] == UINT32_MAX)
            continue;
        from[n] = number[e->from - t->first];
        to[n++] = number[e->to - t->first];
    }
    assert_int_equal(graph_build(&a, count, from, to, n, &g), 0);
    assert_int_equal(graph_levels(&g, &a, level, order, &cycle), 0);
    for (uint32_t k = 0; k < count; k++)
        buf_printf(out, "%lld|%lld|%u\n", (long long)t->id, (long long)w.steps[step[order[k]]].id, level[order[k]]);
    arena_done(&a);
}

static void levels_agree(void **state)
{
    (void)state;
    struct buf expected, got;
    buf_init(&expected, 64 << 20);
    for (size_t i = 0; i < w.task_count; i++)
        expect_levels_of(&w.tasks[i], &expected);
    ask_postgres("SELECT concat_ws('|', k.task_id, r.workflow_step_id, r.dependency_level) FROM tasker_tasks k, "
                 "calculate_dependency_levels(k.task_id) WITH ORDINALITY r(workflow_step_id, dependency_level, place) "
                 "ORDER BY k.task_id, r.place", &got);
    same("calculate_dependency_levels", &expected, &got);
    buf_done(&expected);
}

// ------------------------------------------------------------------------------------------- tasks rebuilt from rows

static struct template *template_of(const struct dtask *t)
{
    struct template_errors errors;
    struct template *tpl = NULL;
    struct buf b;
    tasker_error err = {0};
    buf_init(&b, 1 << 20);
    buf_str(&b, "{\"name\": \"d\", \"namespace_name\": \"d\", \"version\": \"1.0.0\", \"step_templates\": [");
    for (uint32_t k = 0; k < t->count; k++) {
        buf_printf(&b, "%s{\"name\": \"s%u\", \"handler_class\": \"A\", \"depends_on_steps\": [", k ? ", " : "", k);
        bool first = true;
        for (size_t i = t->first_edge; i < t->first_edge + t->edge_count; i++)
            if (w.edges[i].to == t->first + k) {
                buf_printf(&b, "%s\"s%u\"", first ? "" : ", ", w.edges[i].from - t->first);
                first = false;
            }
        buf_str(&b, "]}");
    }
    buf_str(&b, "]}");
    template_errors_init(&errors);
    if (template_read(buf_view(&b), NULL, NULL, &tpl, &errors, &err) < 0)
        fail_msg("%s", err.message);
    template_errors_done(&errors);
    buf_done(&b);
    return tpl;
}

static struct task *rebuild(const struct dtask *t, struct template *tpl)
{
    struct step_image images[STEPS_MAX] = {0};
    struct task_image im = {.id = t->id, .tpl = tpl, .context = blob_new("{}", 2), .state = t->state, .has_row = true,
                            .active = true, .sort_key = 20, .steps = images};
    for (uint32_t k = 0; k < t->count; k++) {
        const struct dstep *s = &w.steps[t->first + k];
        images[k] = (struct step_image){.id = s->id,
                                        .state = s->state == ST_NONE ? ST_PENDING : s->state,
                                        .has_row = s->state != ST_NONE,
                                        .retryable = s->retryable,
                                        .sort_key = s->state != ST_NONE ? 20 : 0,
                                        .attempts = s->attempts,
                                        .retry_limit = s->limit,
                                        .backoff_seconds = s->backoff == NULL_INT ? -1 : s->backoff,
                                        .state_at = s->state_at,
                                        .last_attempted_at = s->attempted_at,
                                        .metadata = SPAN("{}")};
    }
    struct task *task = task_rebuild(&im);
    assert_non_null(task);
    return task;
}

// What the engine itself would run now: counted parents and timers instead of questions.
static void rebuilt_tasks_agree(void **state)
{
    (void)state;
    size_t compared = 0, ready = 0;
    for (size_t i = 0; i < w.task_count; i++) {
        const struct dtask *t = &w.tasks[i];
        if (!t->tame)
            continue;
        struct decision d;
        decision_init(&d);
        d.now = w.now;
        d.serial = 1;
        d.rng = &w.rng;
        d.engine = "differential";
        struct template *tpl = template_of(t);
        struct task *task = rebuild(t, tpl);
        task_wake_all(&d, task);
        if (task_check(task) != NULL)
            fail_msg("SEED=%llu: task %lld: %s", (unsigned long long)w.seed, (long long)t->id, task_check(task));
        for (uint32_t k = 0; k < t->count; k++, compared++) {
            const struct tstep *ts = &task->steps[k];
            struct readiness_in in;
            struct readiness r;
            readiness_in_memory(&w.steps[t->first + k], &in, &r);
            bool due = ts->ready || (ts->wake_at != 0 && ts->wake_at <= w.now && ts->waiting == 0);
            if (due != r.ready)
                fail_msg("SEED=%llu: step %lld: the rules say %d, the rebuilt task %d", (unsigned long long)w.seed,
                         (long long)w.steps[t->first + k].id, r.ready, due);
            ready += due;
        }
        decision_done(&d);
        task_free(task);
        template_unref(tpl);
    }
    assert_true(w.task_count < GRAPHS || (compared > 4000 && ready > 500));  // or it compares nothing
}

// ------------------------------------------------------------------------------------------------------ golden rows

static void the_functions_give_what_was_observed(void **state)
{
    (void)state;
    const struct dtask *t = &w.tasks[golden_task], *k = &w.tasks[shortcut_task];
    struct buf expected, got;
    char sql[700];
    buf_init(&expected, 1 << 20);
    for (size_t i = 0; i < ARRAY_SIZE(golden); i++) {
        buf_printf(&expected, "%d|%d", golden[i].eligible, golden[i].ready);
        put_int(&expected, golden[i].next);
        buf_str(&expected, "\n");
    }
    (void)snprintf(sql, sizeof(sql),
                   "SELECT concat_ws('|', r.retry_eligible::integer, r.ready_for_execution::integer, coalesce(extract(epoch "
                   "FROM r.next_retry_at - now()::timestamp)::integer::text, '-')) FROM get_step_readiness_status(%lld) r "
                   "ORDER BY r.workflow_step_id", (long long)t->id);
    ask_postgres(sql, &got);
    same("get_step_readiness_status", &expected, &got);
    buf_done(&expected);
    buf_init(&expected, 1 << 20);
    buf_printf(&expected, "%lld|88|in_progress|16|6|0|1|8|5|has_ready_steps|execute_ready_steps|625|recovering\n",
               (long long)t->id);
    (void)snprintf(sql, sizeof(sql), "SELECT " PG_CONTEXT " FROM get_task_execution_context(%lld) r", (long long)t->id);
    ask_postgres(sql, &got);
    same("get_task_execution_context", &expected, &got);
    buf_done(&expected);
    buf_init(&expected, 1 << 20);
    buf_str(&expected, "0|0\n1|1\n1|1\n2|1\n");
    (void)snprintf(sql, sizeof(sql),
                   "SELECT dependency_level || '|' || min_depth_from_root FROM calculate_dependency_levels(%lld) JOIN "
                   "tasker_step_dag_relationships USING (workflow_step_id) ORDER BY workflow_step_id", (long long)k->id);
    ask_postgres(sql, &got);
    same("levels and depths", &expected, &got);
    buf_done(&expected);
    ask_postgres("SELECT (SELECT count(*) FROM get_task_execution_context(1)) + (SELECT count(*) FROM "
                 "get_step_readiness_status(1)) + (SELECT count(*) FROM calculate_dependency_levels(1))", &got);
    assert_string_equal(buf_view(&got).p, "0\n");  // a task that is not there has no rows
    buf_done(&got);
}

// ------------------------------------------------------------------------------------------------------------- all

static char database[64], uri[512];

static void server_run(const char *sql)
{
    PGconn *c = PQconnectdb(getenv("TASKER_TEST_POSTGRESQL"));
    PGresult *r = PQexec(c, sql);
    if (PQresultStatus(r) != PGRES_COMMAND_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(c));
    PQclear(r);
    PQfinish(c);
}

static void open_both(void)
{
    struct store_options o = {.host = "h", .boot_id = "b", .migrate = true};
    tasker_error err = {0};
    char sql[128];
    const char *base = getenv("TASKER_TEST_POSTGRESQL");
    if (!base)
        fail_msg("TASKER_TEST_POSTGRESQL is not set: run this by `tools/postgres run`");
    (void)snprintf(database, sizeof(database), "differential_%ld", (long)getpid());
    (void)snprintf(sql, sizeof(sql), "CREATE DATABASE %s", database);
    server_run(sql);
    const char *slash = strchr(strstr(base, "://") + 3, '/'), *query = strchr(base, '?');
    (void)snprintf(uri, sizeof(uri), "%.*s/%s%s", (int)(slash - base), base, database, query ? query : "");
    if (store_open(uri, &o, &pg_store, &err) < 0 || store_open("sqlite::memory:", &o, &lite_store, &err) < 0)
        fail_msg("%s", err.message);
    pg = PQconnectdb(uri);
    assert_int_equal(PQstatus(pg), CONNECTION_OK);
    lite = sqlite_of(lite_store)->db;
    sqlite3_db_config(lite, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 1, NULL);  // the view, as another program reads it
}

static int begin(void **state)
{
    (void)state;
    const char *seed = getenv("SEED"), *graphs = getenv("GRAPHS");
    w.seed = seed ? strtoull(seed, NULL, 10) : rng_seed_system() % 1000000;
    w.rng.state = w.seed;
    print_message("# SEED=%llu\n", (unsigned long long)w.seed);
    open_both();
    both("BEGIN");
    PGresult *r = PQexec(pg, "SET TimeZone = 'UTC'; SELECT (extract(epoch FROM now()) * 1000000)::bigint");
    w.now = strtoll(PQgetvalue(r, 0, 0), NULL, 10);
    PQclear(r);
    graphs_make(graphs ? strtol(graphs, NULL, 10) : GRAPHS);
    graphs_put();
    print_message("# %zu graphs, %zu steps, %zu edges\n", w.task_count, w.step_count, w.edge_count);
    return 0;
}

static int end(void **state)
{
    (void)state;
    char sql[128];
    both("ROLLBACK");
    PQfinish(pg);
    store_close(pg_store);
    store_close(lite_store);
    (void)snprintf(sql, sizeof(sql), "DROP DATABASE %s", database);
    server_run(sql);
    mem_free(w.tasks);
    mem_free(w.steps);
    mem_free(w.edges);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_functions_give_what_was_observed),
        cmocka_unit_test(readiness_agrees),
        cmocka_unit_test(contexts_agree),
        cmocka_unit_test(levels_agree),
        cmocka_unit_test(the_view_agrees),
        cmocka_unit_test(rebuilt_tasks_agree),
    };
    return cmocka_run_group_tests_name("what is ready, on every side", tests, begin, end);
}
