// SPDX-License-Identifier: MIT
// query_health.c - the state of the database as a whole: counts, engines, the queue, and
// what needs a person.
//
// Counts of finished work read all current transitions; everything else is small.
#include "base/util.h"
#include "store/query_build.h"
#include "store/query_seen.h"
#include "store/stuck.h"

#define SET_ASIDE_MAX 100

// Counts by state; what has no transition is pending.
static int write_counts(struct inquiry *a, const char *key, const char *sql, tasker_error *err)
{
    CLEANUP(rows_close) struct rows rows = {0};
    int64_t counts[ST_COUNT] = {0}, total = 0, seen = 0;
    int rc = ask_plain(a, sql, &rows, err);

    while (rc == 0 && (rc = rows_next(&rows, err)) == 1) {
        enum state state = rows_state(&rows, 0);
        if (state == ST_NONE) {
            total = rows_int(&rows, 1);
        } else {
            counts[state] += rows_int(&rows, 1);
            seen += rows_int(&rows, 1);
        }
        rc = 0;
    }
    if (rc < 0)
        return rc;
    counts[ST_PENDING] += total - seen;
    jw_key(a->out, key);
    jw_open(a->out, '{');
    for (int i = 0; i < ST_COUNT; i++)
        jw_kint(a->out, state_names[i], counts[i]);
    jw_close(a->out, '}');
    return 0;
}

static int write_engines(struct inquiry *a, tasker_error *err)
{
    CLEANUP(rows_close) struct rows rows = {0};
    int rc = ask_plain(a, "SELECT l.lane_id, l.name, l.host, l.process, l.expires_at, l.started_at, l.classes,"
        " (SELECT count(*) FROM tasker_core_active a WHERE a.lane_id = l.lane_id)"
        " FROM tasker_core_lanes l ORDER BY l.lane_id",
        &rows, err);

    jw_key(a->out, "engines");
    jw_open(a->out, '[');
    while (rc == 0 && (rc = rows_next(&rows, err)) == 1) {
        int64_t until = rows_int(&rows, 4);
        jw_open(a->out, '{');
        jw_kint(a->out, "lane_id", rows_int(&rows, 0));
        put_text(a, "name", &rows, 1);
        put_text(a, "host", &rows, 2);
        put_text(a, "process", &rows, 3);
        jw_kbool(a->out, "alive", until >= a->now);
        jw_ktime(a->out, "lease_until", until);
        jw_kint(a->out, "silent_seconds", until >= a->now ? 0 : (a->now - until) / US_PER_SECOND);
        put_time(a, "started_at", &rows, 5);
        put_json(a, "classes", &rows, 6);
        jw_kint(a->out, "tasks", rows_int(&rows, 7));
        jw_close(a->out, '}');
        rc = 0;
    }
    jw_close(a->out, ']');
    return rc;
}

static int write_queue(struct inquiry *a, tasker_error *err)
{
    CLEANUP(rows_close) struct rows rows = {0};
    int rc = ask_by_id(a, "SELECT count(*), count(l.lane_id),"
        " count(*) FILTER (WHERE a.lane_id IS NULL AND a.run_at <= $1),"
        " count(*) FILTER (WHERE a.lane_id IS NULL AND a.run_at > $1),"
        " count(*) FILTER (WHERE a.lane_id IS NOT NULL AND l.lane_id IS NULL),"
        " min(a.run_at) FILTER (WHERE a.lane_id IS NULL AND a.run_at <= $1)"
        " FROM tasker_core_active a LEFT JOIN tasker_core_lanes l ON l.lane_id = a.lane_id",
        a->now, &rows, err);

    if (rc == 0)
        rc = rows_next(&rows, err);
    if (rc < 0)
        return rc;
    jw_key(a->out, "queue");
    jw_open(a->out, '{');
    jw_kint(a->out, "active", rows_int(&rows, 0));
    jw_kint(a->out, "owned", rows_int(&rows, 1));
    jw_kint(a->out, "due", rows_int(&rows, 2));
    jw_kint(a->out, "scheduled", rows_int(&rows, 3));
    jw_kint(a->out, "stranded", rows_int(&rows, 4));
    jw_ktime(a->out, "oldest_due_at", rows_int(&rows, 5));
    jw_close(a->out, '}');
    return 0;
}

static int write_offers(struct inquiry *a, tasker_error *err)
{
    CLEANUP(rows_close) struct rows rows = {0};
    int rc = ask_plain(a, "SELECT count(*) - count(worker_lane), count(worker_lane) FROM tasker_core_dispatch",
        &rows, err);

    if (rc == 0)
        rc = rows_next(&rows, err);
    if (rc < 0)
        return rc;
    jw_key(a->out, "offers");
    jw_open(a->out, '{');
    jw_kint(a->out, "open", rows_int(&rows, 0));
    jw_kint(a->out, "running", rows_int(&rows, 1));
    jw_close(a->out, '}');
    return 0;
}

// ---- offers of classes that no living engine serves

struct classes {
    const struct json **lists;  // of the living lanes
    size_t count;
    struct span *unserved;
    size_t unserved_count;
};

static int load_classes(struct inquiry *a, struct classes *c, tasker_error *err)
{
    CLEANUP(rows_close) struct rows rows = {0};
    int rc = ask_by_id(a, "SELECT classes FROM tasker_core_lanes WHERE expires_at >= $1", a->now, &rows, err);

    while (rc == 0 && (rc = rows_next(&rows, err)) == 1) {
        const struct json **list = arena_push(&a->arena, &c->lists, &c->count, sizeof(*list));
        if (list == NULL)
            return err_nomem(err);
        *list = ask_json(a, rows_keep(&rows, 0));
        rc = 0;
    }
    return rc;
}

static bool served(const struct classes *c, struct span name)
{
    for (size_t i = 0; i < c->count; i++)
        for (const struct json *v = c->lists[i] != NULL ? c->lists[i]->child : NULL; v != NULL; v = v->next)
            if (v->type == JSON_STRING && span_eq(v->str, name))
                return true;
    return false;
}

static int write_unserved(struct inquiry *a, struct classes *c, tasker_error *err)
{
    CLEANUP(rows_close) struct rows rows = {0};
    int rc = load_classes(a, c, err);

    if (rc == 0)
        rc = ask_plain(a,
                       "SELECT handler_class, count(*) FROM tasker_core_dispatch WHERE worker_lane IS NULL"
                       " GROUP BY handler_class ORDER BY handler_class",
                       &rows, err);
    jw_key(a->out, "unserved");
    jw_open(a->out, '[');
    while (rc == 0 && (rc = rows_next(&rows, err)) == 1) {
        rc = 0;
        struct span name = rows_keep(&rows, 0);
        if (served(c, name))
            continue;
        struct span *place = arena_push(&a->arena, &c->unserved, &c->unserved_count, sizeof(*place));
        if (place == NULL)
            return err_nomem(err);
        *place = name;
        jw_open(a->out, '{');
        put_text(a, "handler_class", &rows, 0);
        jw_kint(a->out, "steps", rows_int(&rows, 1));
        jw_close(a->out, '}');
    }
    jw_close(a->out, ']');
    return rc;
}

// A step of task a that may run, or be tried again, without a worker that nobody has: it runs, waits for its retry, or is
// ready and not among the offers that no living engine serves.
static const char hopeful_step[] =
    "SELECT 1 FROM tasker_workflow_steps s LEFT JOIN tasker_workflow_step_transitions t"
    " ON t.workflow_step_id = s.workflow_step_id AND t.most_recent = {true}"
    " WHERE s.task_id = a.task_id AND coalesce(t.to_state, 'pending') IN ('pending', 'error', 'in_progress')"
    " AND (coalesce(t.to_state, 'pending') != 'error' OR t.metadata ->> 'retry_at' IS NOT NULL) AND NOT EXISTS"
    " (SELECT 1 FROM tasker_workflow_step_edges e LEFT JOIN tasker_workflow_step_transitions p"
    "  ON p.workflow_step_id = e.from_step_id AND p.most_recent = {true} WHERE e.to_step_id ="
    "  s.workflow_step_id AND coalesce(p.to_state, '') NOT IN ('complete', 'resolved_manually'))"
    " AND NOT EXISTS (SELECT 1 FROM tasker_core_dispatch d WHERE d.workflow_step_id ="
    "  s.workflow_step_id AND d.worker_lane IS NULL AND d.handler_class IN (";

static void add_unserved(struct build *b, const struct classes *c)
{
    for (size_t i = 0; i < c->unserved_count; i++) {
        build_add(b, i == 0 ? "?" : ", ?");
        build_text(b, c->unserved[i]);
    }
}

// Unfinished tasks that can only wait for a worker that nobody has.
static int count_unservable(struct inquiry *a, const struct classes *c, int64_t *ret, tasker_error *err)
{
    struct build b;

    *ret = 0;
    if (c->unserved_count == 0)
        return 0;
    build_init(&b, a);
    build_add(&b, "SELECT count(*) FROM tasker_core_active a WHERE EXISTS (SELECT 1 FROM tasker_core_dispatch d"
                  " WHERE d.task_id = a.task_id AND d.worker_lane IS NULL AND d.handler_class IN (");
    add_unserved(&b, c);
    build_add(&b, ")) AND NOT EXISTS (");
    build_add(&b, hopeful_step);
    add_unserved(&b, c);
    build_add(&b, ")))");
    int rc = build_one(&b, 0, ret, err);
    build_done(&b);
    return rc;
}

static int write_outlook(struct inquiry *a, const struct classes *c, tasker_error *err)
{
    CLEANUP(rows_close) struct rows rows = {0};
    int64_t unservable = 0;
    int rc = count_unservable(a, c, &unservable, err);

    if (rc == 0)
        rc = ask_plain(a, "SELECT count(*) FROM tasker_core_active", &rows, err);
    if (rc == 0)
        rc = rows_next(&rows, err);
    if (rc < 0)
        return rc;
    jw_kint(a->out, "unfinished", rows_int(&rows, 0));
    jw_kint(a->out, "unservable", unservable);
    return 0;
}

static int write_set_aside(struct inquiry *a, tasker_error *err)
{
    CLEANUP(rows_close) struct rows rows = {0};
    int rc =
        ask_by_id(a, "SELECT task_id, metadata ->> 'reason', created_at"
                       " FROM tasker_task_transitions WHERE most_recent = TRUE AND to_state = 'error'"
                       " AND metadata ->> 'reason' LIKE 'set aside%'"
                       " ORDER BY task_id DESC LIMIT $1",
                       SET_ASIDE_MAX, &rows, err);

    jw_key(a->out, "set_aside");
    jw_open(a->out, '[');
    while (rc == 0 && (rc = rows_next(&rows, err)) == 1) {
        jw_open(a->out, '{');
        jw_kint(a->out, "task_id", rows_int(&rows, 0));
        put_text(a, "reason", &rows, 1);
        put_time(a, "at", &rows, 2);
        jw_close(a->out, '}');
        rc = 0;
    }
    jw_close(a->out, ']');
    return rc;
}

// ---- sessions that hold a lane's row for a process that was stopped

static const char stuck_sessions[] =
    "SELECT x.pid, x.role, x.application_name, x.since, x.lane_id, x.engine, x.tasks, x.may_end,"
    " format('the row of lane %s and %s tasks that nobody else can claim', x.lane_id, x.tasks),"
    " CASE WHEN x.may_end THEN format('an engine ends it by itself, once a lease; or do it: SELECT pg_terminate_backend(%s)', x.pid)"
    " ELSE format('as role %I or as superuser: SELECT pg_terminate_backend(%s); and let engines use one role, or grant them"
    " pg_signal_backend', x.role, x.pid) END FROM (SELECT s.pid, s.usename AS role, s.application_name,"
    " s.xact_start AT TIME ZONE 'UTC' AS since, l.lane_id, l.name AS engine, " STUCK_MAY_END " AS may_end,"
    " (SELECT count(*) FROM tasker_core_active o WHERE o.xmax = l.xmax) AS tasks FROM " STUCK_SESSIONS ") x ORDER BY x.lane_id";

// The same columns of those that hold other rows. No engine ends them: what they do may be somebody's work.
static const char other_sessions[] =
    "SELECT s.pid, s.usename AS role, s.application_name, s.xact_start AT TIME ZONE 'UTC' AS since, NULL::bigint, NULL::text,"
    " waiting.tasks, " STUCK_MAY_END " AS may_end, format('rows of %s%s', held.tables, CASE WHEN waiting.tasks > 0 THEN"
    " format('; %s unfinished tasks wait for them: %s%s', waiting.tasks, waiting.first, CASE WHEN waiting.tasks > 3 THEN ', ...'"
    " ELSE '' END) ELSE '' END), format('let it end its transaction, or %sSELECT pg_terminate_backend(%s)', CASE WHEN "
    STUCK_MAY_END " THEN '' ELSE format('as role %I or as superuser: ', s.usename) END, s.pid) FROM " OTHER_SESSIONS
    " ORDER BY since, s.pid";

static int write_sessions(struct inquiry *a, const char *sql, tasker_error *err)
{
    CLEANUP(rows_close) struct rows rows = {0};
    int rc = ask_by_id(a, sql, a->now, &rows, err);

    while (rc == 0 && (rc = rows_next(&rows, err)) == 1) {
        jw_open(a->out, '{');
        put_int(a, "pid", &rows, 0);
        put_text(a, "role", &rows, 1);
        put_text(a, "application_name", &rows, 2);
        put_time(a, "since", &rows, 3);
        put_int(a, "lane_id", &rows, 4);
        put_text(a, "engine", &rows, 5);
        put_int(a, "tasks", &rows, 6);
        put_bool(a, "may_end", &rows, 7);
        put_text(a, "holds", &rows, 8);
        put_text(a, "remedy", &rows, 9);
        jw_close(a->out, '}');
        rc = 0;
    }
    return rc;
}

static int write_stuck(struct inquiry *a, tasker_error *err)
{
    int rc = 0;

    jw_key(a->out, "stuck_sessions");
    jw_open(a->out, '[');
    if (a->postgres)
        rc = write_sessions(a, stuck_sessions, err);
    if (rc == 0 && a->postgres)
        rc = write_sessions(a, other_sessions, err);
    jw_close(a->out, ']');
    return rc;
}

// Commits of PostgreSQL that wait for a standby, and everything with them; null: none.
static int write_standby(struct inquiry *a, tasker_error *err)
{
    CLEANUP(rows_close) struct rows rows = {0};
    int rc = a->postgres ? ask_by_id(a, "SELECT y.commits, y.since, y.standbys FROM " STANDBY_WAIT, a->now, &rows, err) : 0;

    if (rc == 0 && a->postgres)
        rc = rows_next(&rows, err);
    if (rc < 0)
        return rc;
    jw_key(a->out, "standby_wait");
    if (rc == 0) {
        jw_null(a->out);
        return 0;
    }
    jw_open(a->out, '{');
    put_int(a, "commits", &rows, 0);
    put_time(a, "since", &rows, 1);
    put_text(a, "standbys", &rows, 2);
    jw_kstr(a->out, "remedy",
            "start the standby, or, if commits need not wait for it, ALTER SYSTEM SET synchronous_standby_names and pg_reload_conf()");
    jw_close(a->out, '}');
    return 0;
}

int query_health(struct inquiry *a, tasker_error *err)
{
    struct classes classes = {0};

    jw_open(a->out, '{');
    int rc =
        write_counts(a, "tasks",
                     "SELECT NULL, count(*) FROM tasker_tasks UNION ALL SELECT to_state, count(*)"
                     " FROM tasker_task_transitions WHERE most_recent = TRUE GROUP BY to_state",
                     err);
    if (rc == 0)
        rc = write_counts(
            a, "steps",
            "SELECT NULL, count(*) FROM tasker_workflow_steps UNION ALL SELECT to_state, count(*)"
            " FROM tasker_workflow_step_transitions WHERE most_recent = TRUE GROUP BY to_state",
            err);
    if (rc == 0)
        rc = write_engines(a, err);
    if (rc == 0)
        rc = write_queue(a, err);
    if (rc == 0)
        rc = write_offers(a, err);
    if (rc == 0)
        rc = write_unserved(a, &classes, err);
    if (rc == 0)
        rc = write_outlook(a, &classes, err);
    if (rc == 0)
        rc = write_set_aside(a, err);
    if (rc == 0)
        rc = write_stuck(a, err);
    if (rc == 0)
        rc = write_standby(a, err);
    jw_close(a->out, '}');
    return rc;
}
