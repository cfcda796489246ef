// SPDX-License-Identifier: MIT
// query_figures.c - figures over many tasks: analytics.metrics, health.score, the slowest tasks and steps, statistics of
// templates.
//
// Everything is computed in whole numbers, and rounded half up at the end, so that both databases give the same digits.
#include "store/query_list.h"

#include <stdio.h>
#include <string.h>

#define HOUR_US (3600 * US_PER_SECOND)

// A number with so many decimals: value / 10^decimals.
static void write_fixed(struct buf *out, const char *key, int64_t value, int decimals)
{
    char text[48];
    int64_t one = 1;

    for (int i = 0; i < decimals; i++)
        one *= 10;
    int n = snprintf(text, sizeof(text), "%s%lld.%0*lld", value < 0 ? "-" : "", (long long)(value < 0 ? -value : value) / one,
                     decimals, (long long)((value < 0 ? -value : value) % one));
    jw_kraw(out, key, text, (size_t)n);
}

// part / total in units of 1 / scale, rounded half up; 0 of nothing.
static int64_t share(int64_t part, int64_t total, int64_t scale)
{
    return total <= 0 ? 0 : (2 * part * scale + total) / (2 * total);
}

static int64_t since(const struct inquiry *a, int64_t otherwise)
{
    int64_t at;

    return given_time(a, "since", &at) ? at : a->now - otherwise;
}

static void write_since(struct inquiry *a, const char *key, int64_t from)
{
    char text[TIME_TEXT_SIZE];

    jw_kstr(a->out, key, time_iso(from, text)); // 1970 is a time here
}

// ---- analytics

struct metrics {
    int64_t active, namespaces, types, recent_done, recent_failed, created, done, failed, spans, task_us, step_us, steps;
};

#define STEP_IS(state)                                                                                                 \
    "EXISTS (SELECT 1 FROM tasker_workflow_steps s JOIN tasker_workflow_step_transitions sr"                           \
    " ON sr.workflow_step_id = s.workflow_step_id AND sr.most_recent = {true}"                                         \
    " WHERE s.task_id = t.task_id AND sr.to_state = '" state "')"

static const char present_sql[] =
    "SELECT (SELECT count(DISTINCT s.task_id) FROM tasker_workflow_step_transitions r"
    "  JOIN tasker_workflow_steps s ON s.workflow_step_id = r.workflow_step_id WHERE r.most_recent = {true}"
    "  AND r.to_state NOT IN ('complete', 'error', 'skipped', 'resolved_manually')),"
    " (SELECT count(DISTINCT nt.task_namespace_id) FROM tasker_named_tasks nt"
    "  WHERE EXISTS (SELECT 1 FROM tasker_tasks u WHERE u.named_task_id = nt.named_task_id)),"
    " (SELECT count(DISTINCT nt.name) FROM tasker_named_tasks nt"
    "  WHERE EXISTS (SELECT 1 FROM tasker_tasks u WHERE u.named_task_id = nt.named_task_id))";

static const char tasks_since_sql[] =
    "SELECT count(*), COALESCE(sum(CASE WHEN x.done THEN 1 ELSE 0 END), 0),"
    " COALESCE(sum(CASE WHEN x.failed THEN 1 ELSE 0 END), 0)"
    " FROM (SELECT " STEP_IS("complete") " AS done, " STEP_IS("error") " AS failed"
    "  FROM tasker_tasks t WHERE t.created_at >= ?) x";

static const char spans_sql[] =
    "SELECT count(DISTINCT s.workflow_step_id), COALESCE(sum(CASE WHEN sr.to_state = 'complete' THEN 1 ELSE 0 END), 0),"
    " COALESCE(sum(CASE WHEN sr.to_state = 'complete' THEN {us sr.created_at} - {us t.created_at} END), 0),"
    " COALESCE(sum(CASE WHEN sr.to_state = 'complete' THEN {us sr.created_at} - {us s.created_at} END), 0)"
    " FROM tasker_tasks t JOIN tasker_workflow_steps s ON s.task_id = t.task_id" STEP_NOW " WHERE t.created_at >= ?";

// Reads the integers of the first row of a statement with at most one parameter, a time.
static int read_numbers(struct inquiry *a, const char *sql, int64_t at, int64_t **numbers, int count, tasker_error *err)
{
    CLEANUP(build_done) struct build b;
    CLEANUP(rows_close) struct rows r = {0};

    build_init(&b, a);
    build_add(&b, sql);
    if (b.places > 0)
        build_time(&b, at);
    int rc = build_open(&b, &r, err);
    if (rc == 0)
        rc = rows_next(&r, err);
    for (int i = 0; i < count && rc == 1; i++)
        *numbers[i] = rows_int(&r, i);
    return rc < 0 ? rc : 0;
}

static int read_metrics(struct inquiry *a, int64_t from, struct metrics *m, tasker_error *err)
{
    int64_t ignored;
    int rc = read_numbers(a, present_sql, 0, (int64_t *[]){&m->active, &m->namespaces, &m->types}, 3, err);

    if (rc == 0)
        rc = read_numbers(a, tasks_since_sql, a->now - HOUR_US,
                          (int64_t *[]){&ignored, &m->recent_done, &m->recent_failed}, 3, err);
    if (rc == 0)
        rc = read_numbers(a, tasks_since_sql, from, (int64_t *[]){&m->created, &m->done, &m->failed}, 3, err);
    if (rc == 0)
        rc = read_numbers(a, spans_sql, from, (int64_t *[]){&m->steps, &m->spans, &m->task_us, &m->step_us}, 4, err);
    return rc;
}

int query_analytics_metrics(struct inquiry *a, tasker_error *err)
{
    int64_t from = since(a, HOUR_US);
    struct metrics m = {0};
    int rc = read_metrics(a, from, &m, err);

    if (rc < 0)
        return rc;
    int64_t judged = m.recent_done + m.recent_failed;
    jw_open(a->out, '{');
    jw_kint(a->out, "active_tasks_count", m.active);
    jw_kint(a->out, "total_namespaces_count", m.namespaces);
    jw_kint(a->out, "unique_task_types_count", m.types);
    write_fixed(a->out, "system_health_score", judged == 0 ? 1000 : share(m.recent_done, judged, 1000), 3);
    jw_kint(a->out, "task_throughput", m.created);
    jw_kint(a->out, "completion_count", m.done);
    jw_kint(a->out, "error_count", m.failed);
    write_fixed(a->out, "completion_rate", share(m.done, m.created, 10000), 2);
    write_fixed(a->out, "error_rate", share(m.failed, m.created, 10000), 2);
    write_fixed(a->out, "avg_task_duration", share(m.task_us, m.spans * US_PER_MS, 1), 3);
    write_fixed(a->out, "avg_step_duration", share(m.step_us, m.spans * US_PER_MS, 1), 3);
    jw_kint(a->out, "step_throughput", m.steps);
    write_since(a, "analysis_period_start", from);
    jw_ktime(a->out, "calculated_at", a->now);
    jw_close(a->out, '}');
    return 0;
}

// ---- health: 100 less what is wrong

// Tasks that ended since a time, in error or not; steps in error since then, with no attempts left or not.
static const char ended_sql[] =
    "SELECT COALESCE(sum(CASE WHEN r.to_state IN ('complete', 'resolved_manually') THEN 1 ELSE 0 END), 0),"
    " COALESCE(sum(CASE WHEN r.to_state = 'error' THEN 1 ELSE 0 END), 0)"
    " FROM tasker_task_transitions r WHERE r.most_recent = {true} AND r.created_at >= ?";
static const char exhausted_sql[] =
    "SELECT count(*), COALESCE(sum(CASE WHEN COALESCE(s.attempts, 0) >= COALESCE(s.retry_limit, 3) OR s.retryable = {false}"
    " THEN 1 ELSE 0 END), 0)"
    " FROM tasker_workflow_step_transitions sr JOIN tasker_workflow_steps s ON s.workflow_step_id = sr.workflow_step_id"
    " WHERE sr.most_recent = {true} AND sr.to_state = 'error' AND sr.created_at >= ?";
// What is in the queue, and what of it is due for more than a minute and belongs to no engine that lives.
static const char waiting_sql[] =
    "SELECT count(*), COALESCE(sum(CASE WHEN q.run_at < {now} - 60000000 AND l.lane_id IS NULL THEN 1 ELSE 0 END), 0)"
    " FROM tasker_core_active q LEFT JOIN tasker_core_lanes l ON l.lane_id = q.lane_id AND l.expires_at >= {now}";

static const struct {
    int64_t least;
    const char *label;
} labels[] = {{90, "excellent"}, {75, "good"}, {50, "fair"}, {25, "poor"}, {0, "critical"}};

struct health {
    int64_t done, failed, in_error, exhausted, queued, late;
};

static void write_part(struct buf *out, const char *key, int64_t bad, int64_t of, int64_t weight)
{
    jw_key(out, key);
    jw_open(out, '{');
    jw_kint(out, "count", bad);
    jw_kint(out, "of", of);
    jw_kint(out, "lost", share(bad * weight, of, 1));
    jw_close(out, '}');
}

int query_health_score(struct inquiry *a, tasker_error *err)
{
    int64_t from = since(a, HOUR_US), score = 100;
    struct health h = {0};
    int rc = read_numbers(a, ended_sql, from, (int64_t *[]){&h.done, &h.failed}, 2, err);

    if (rc == 0)
        rc = read_numbers(a, exhausted_sql, from, (int64_t *[]){&h.in_error, &h.exhausted}, 2, err);
    if (rc == 0)
        rc = read_numbers(a, waiting_sql, 0, (int64_t *[]){&h.queued, &h.late}, 2, err);
    if (rc < 0)
        return rc;
    score -= share(h.failed * 50, h.done + h.failed, 1);
    score -= share(h.exhausted * 20, h.in_error, 1);
    score -= share(h.late * 30, h.queued, 1);
    size_t label = 0;
    while (score < labels[label].least)
        label++;
    jw_open(a->out, '{');
    jw_kint(a->out, "score", score);
    jw_kstr(a->out, "label", labels[label].label);
    write_part(a->out, "failed_tasks", h.failed, h.done + h.failed, 50);
    write_part(a->out, "exhausted_steps", h.exhausted, h.in_error, 20);
    write_part(a->out, "late_tasks", h.late, h.queued, 30);
    write_since(a, "since", from);
    jw_close(a->out, '}');
    return 0;
}

// ---- the slowest

#define NAME_FILTERS(X)                                                                                                \
    X("namespace", "string", TEXT, "", "n.name = ?")                                                                   \
    X("name", "string", TEXT, "", "nt.name = ?")                                                                       \
    X("version", "string", TEXT, "", "nt.version = ?")
static const struct filter name_filters[] = {NAME_FILTERS(FILTER_ROW) FILTER_END};

// The first column is the duration in microseconds.
struct slowest {
    const char *name, *sql;
    const struct column *columns;
};

static const struct column slow_steps[] = {{"step_id", COLUMN_INT, ""},      {"task_id", COLUMN_INT, ""},
                                           {"step_name", COLUMN_TEXT, ""},   {"task_name", COLUMN_TEXT, ""},
                                           {"namespace", COLUMN_TEXT, ""},   {"version", COLUMN_TEXT, ""},
                                           {"attempts", COLUMN_INT, ""},     {"created_at", COLUMN_TIME, ""},
                                           {"completed_at", COLUMN_TIME, ""}, {"retryable", COLUMN_BOOL, ""},
                                           {"state", COLUMN_TEXT, ""},       {NULL, COLUMN_INT, NULL}};
static const struct slowest steps = {
    "steps",
    "SELECT {us sr.created_at} - {us s.created_at}, s.workflow_step_id, s.task_id, ns.name, nt.name, n.name, nt.version,"
    " COALESCE(s.attempts, 0), s.created_at, sr.created_at, s.retryable, sr.to_state"
    " FROM tasker_workflow_steps s JOIN tasker_workflow_step_transitions sr ON sr.workflow_step_id = s.workflow_step_id"
    "  AND sr.most_recent = {true} AND sr.to_state = 'complete'"
    " JOIN tasker_named_steps ns ON ns.named_step_id = s.named_step_id JOIN tasker_tasks t ON t.task_id = s.task_id"
    " JOIN tasker_named_tasks nt ON nt.named_task_id = t.named_task_id"
    " JOIN tasker_task_namespaces n ON n.task_namespace_id = nt.task_namespace_id"
    " WHERE s.created_at >= ? AND sr.created_at > s.created_at",
    slow_steps};

static const struct column slow_tasks[] = {{"task_id", COLUMN_INT, ""},       {"task_name", COLUMN_TEXT, ""},
                                           {"namespace", COLUMN_TEXT, ""},    {"version", COLUMN_TEXT, ""},
                                           {"step_count", COLUMN_INT, ""},    {"completed_steps", COLUMN_INT, ""},
                                           {"error_steps", COLUMN_INT, ""},   {"created_at", COLUMN_TIME, ""},
                                           {"completed_at", COLUMN_TIME, ""}, {"initiator", COLUMN_TEXT, ""},
                                           {"source_system", COLUMN_TEXT, ""}, {NULL, COLUMN_INT, NULL}};
static const struct slowest tasks = {
    "tasks",
    "SELECT {us c.ended} - {us t.created_at}, t.task_id, nt.name, n.name, nt.version, c.steps, c.done, c.failed,"
    " t.created_at, c.ended, t.initiator, t.source_system"
    " FROM (SELECT s.task_id, count(*) AS steps, sum(CASE WHEN sr.to_state = 'complete' THEN 1 ELSE 0 END) AS done,"
    "  sum(CASE WHEN sr.to_state = 'error' THEN 1 ELSE 0 END) AS failed,"
    "  max(CASE WHEN sr.to_state IN ('complete', 'error') THEN sr.created_at END) AS ended"
    "  FROM tasker_tasks u JOIN tasker_workflow_steps s ON s.task_id = u.task_id" STEP_NOW
    "  WHERE u.created_at >= ? GROUP BY s.task_id) c JOIN tasker_tasks t ON t.task_id = c.task_id"
    " JOIN tasker_named_tasks nt ON nt.named_task_id = t.named_task_id"
    " JOIN tasker_task_namespaces n ON n.task_namespace_id = nt.task_namespace_id WHERE c.ended IS NOT NULL",
    slow_tasks};

static int answer_slowest(struct inquiry *a, const struct slowest *l, tasker_error *err)
{
    CLEANUP(build_done) struct build b;
    CLEANUP(rows_close) struct rows r = {0};
    int64_t from = since(a, 24 * HOUR_US);

    build_init(&b, a);
    build_add(&b, l->sql);
    build_time(&b, from);
    int rc = list_filters(&b, name_filters, err);
    buf_printf(&b.sql, " ORDER BY 1 DESC, 2 LIMIT %lld", (long long)given_limit(a, 10));
    if (rc == 0)
        rc = build_open(&b, &r, err);
    if (rc < 0)
        return rc;
    jw_open(a->out, '{');
    jw_key(a->out, l->name);
    jw_open(a->out, '[');
    while ((rc = rows_next(&r, err)) == 1) {
        jw_open(a->out, '{');
        write_columns(a, &r, l->columns, 1);
        write_fixed(a->out, "duration_seconds", share(rows_int(&r, 0), US_PER_MS, 1), 3);
        jw_close(a->out, '}');
    }
    jw_close(a->out, ']');
    write_since(a, "since", from);
    jw_close(a->out, '}');
    return rc;
}

int query_task_slowest(struct inquiry *a, tasker_error *err)
{
    return answer_slowest(a, &tasks, err);
}

int query_step_slowest(struct inquiry *a, tasker_error *err)
{
    return answer_slowest(a, &steps, err);
}

// ---- templates. Percentiles are nearest ranks: of n durations the one at place ceil(n * p / 100).

#define RANK(p) "max(CASE WHEN k.place = (k.n * " #p " + 99) / 100 THEN k.us END)"
#define COUNT_OF(state) "sum(CASE WHEN " TASK_STATE " = '" state "' THEN 1 ELSE 0 END)"

static const char stats_sql[] =
    "SELECT nt.named_task_id, n.name, nt.name, nt.version, c.tasks, c.pending, c.in_progress, c.complete, c.error,"
    " c.cancelled, c.resolved, COALESCE(w.steps, 0), COALESCE(w.attempts, 0), COALESCE(w.retries, 0),"
    " COALESCE(w.retried, 0), p.p50, p.p95, p.p99, p.longest, p.total, p.n"
    " FROM (SELECT t.named_task_id, count(*) AS tasks, " COUNT_OF("pending") " AS pending,"
    "  " COUNT_OF("in_progress") " AS in_progress, " COUNT_OF("complete") " AS complete, " COUNT_OF("error") " AS error,"
    "  " COUNT_OF("cancelled") " AS cancelled, " COUNT_OF("resolved_manually") " AS resolved"
    "  FROM tasker_tasks t LEFT JOIN tasker_task_transitions r ON r.task_id = t.task_id AND r.most_recent = {true}"
    "  WHERE t.created_at >= ? GROUP BY t.named_task_id) c"
    " JOIN tasker_named_tasks nt ON nt.named_task_id = c.named_task_id"
    " JOIN tasker_task_namespaces n ON n.task_namespace_id = nt.task_namespace_id"
    " LEFT JOIN (SELECT t.named_task_id, count(*) AS steps, sum(COALESCE(s.attempts, 0)) AS attempts,"
    "  sum(CASE WHEN s.attempts > 1 THEN s.attempts - 1 ELSE 0 END) AS retries,"
    "  sum(CASE WHEN s.attempts > 1 THEN 1 ELSE 0 END) AS retried"
    "  FROM tasker_tasks t JOIN tasker_workflow_steps s ON s.task_id = t.task_id WHERE t.created_at >= ?"
    "  GROUP BY t.named_task_id) w ON w.named_task_id = c.named_task_id"
    " LEFT JOIN (SELECT k.named_task_id, " RANK(50) " AS p50, " RANK(95) " AS p95, " RANK(99) " AS p99,"
    "  max(k.us) AS longest, sum(k.us) AS total, max(k.n) AS n"
    "  FROM (SELECT d.named_task_id, d.us, row_number() OVER (PARTITION BY d.named_task_id ORDER BY d.us) AS place,"
    "   count(*) OVER (PARTITION BY d.named_task_id) AS n"
    "   FROM (SELECT t.named_task_id, {us r.created_at} - {us b.created_at} AS us FROM tasker_tasks t"
    "    JOIN tasker_task_transitions r ON r.task_id = t.task_id AND r.most_recent = {true} AND r.to_state = 'complete'"
    "    JOIN tasker_task_transitions b ON b.task_id = t.task_id AND b.sort_key = (SELECT max(x.sort_key)"
    "     FROM tasker_task_transitions x WHERE x.task_id = t.task_id AND x.to_state = 'in_progress')"
    "    WHERE t.created_at >= ?) d) k"
    "  GROUP BY k.named_task_id) p ON p.named_task_id = c.named_task_id WHERE {true} = {true}";

static const char *const stats_counts[] = {"tasks",    "pending",   "in_progress",       "complete",
                                           "error",    "cancelled", "resolved_manually", "steps",
                                           "attempts", "retries",   "retried_steps"};
static const char *const stats_spans[] = {"p50_seconds", "p95_seconds", "p99_seconds", "max_seconds"};

static void write_stats(struct inquiry *a, struct rows *r)
{
    int64_t done = rows_int(r, 7) + rows_int(r, 10), failed = rows_int(r, 8);

    jw_open(a->out, '{');
    put_int(a, "named_task_id", r, 0);
    put_text(a, "namespace", r, 1);
    put_text(a, "name", r, 2);
    put_text(a, "version", r, 3);
    for (int i = 0; i < (int)ARRAY_SIZE(stats_counts); i++)
        put_int(a, stats_counts[i], r, 4 + i);
    if (done + failed > 0)
        write_fixed(a->out, "success_rate", share(done, done + failed, 10000), 2);
    else
        jw_kraw(a->out, "success_rate", NULL, 0);
    for (int i = 0; i < (int)ARRAY_SIZE(stats_spans); i++) {
        if (rows_null(r, 15 + i))
            jw_kraw(a->out, stats_spans[i], NULL, 0);
        else
            write_fixed(a->out, stats_spans[i], share(rows_int(r, 15 + i), US_PER_MS, 1), 3);
    }
    if (rows_int(r, 20) > 0)
        write_fixed(a->out, "mean_seconds", share(rows_int(r, 19), rows_int(r, 20) * US_PER_MS, 1), 3);
    else
        jw_kraw(a->out, "mean_seconds", NULL, 0);
    jw_close(a->out, '}');
}

int query_template_stats(struct inquiry *a, tasker_error *err)
{
    CLEANUP(build_done) struct build b;
    CLEANUP(rows_close) struct rows r = {0};
    int64_t from = since(a, 24 * HOUR_US);

    build_init(&b, a);
    build_add(&b, stats_sql);
    for (int i = 0; i < 3; i++)
        build_time(&b, from);
    int rc = list_filters(&b, name_filters, err);
    buf_printf(&b.sql, " ORDER BY n.name, nt.name, nt.named_task_id LIMIT %lld", (long long)given_limit(a, 100));
    if (rc == 0)
        rc = build_open(&b, &r, err);
    if (rc < 0)
        return rc;
    jw_open(a->out, '{');
    jw_key(a->out, "templates");
    jw_open(a->out, '[');
    while ((rc = rows_next(&r, err)) == 1)
        write_stats(a, &r);
    jw_close(a->out, ']');
    write_since(a, "since", from);
    jw_close(a->out, '}');
    return rc;
}
