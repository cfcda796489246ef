// SPDX-License-Identifier: MIT
// sqlite_query_health.c - the state of the database as a whole: counts, engines, the queue, and
// what needs a person.
//
// Counts of finished work read all current transitions; everything else is small.
#include "base/util.h"
#include "store/sqlite_query.h"

#define SET_ASIDE_MAX 100

// Counts by state; what has no transition is pending.
static int write_counts(struct ask *a, const char *key, const char *sql, tasker_error *err)
{
    CLEANUP(stmt_freep) sqlite3_stmt *stmt = NULL;
    int64_t counts[ST_COUNT] = {0}, total = 0, seen = 0;
    int rc = ask_prepare(a, sql, &stmt, err);

    while (rc == 0 && (rc = ask_next(a, stmt, err)) == 1) {
        enum state state = column_state(stmt, 0);
        if (state == ST_NONE) {
            total = sqlite3_column_int64(stmt, 1);
        } else {
            counts[state] += sqlite3_column_int64(stmt, 1);
            seen += sqlite3_column_int64(stmt, 1);
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

static int write_engines(struct ask *a, tasker_error *err)
{
    CLEANUP(stmt_freep) sqlite3_stmt *stmt = NULL;
    int rc = ask_prepare(
        a,
        "SELECT l.lane_id, l.name, l.host, l.process, l.expires_at, l.started_at, l.classes,"
        " (SELECT count(*) FROM tasker_core_active a WHERE a.lane_id = l.lane_id)"
        " FROM tasker_core_lanes l ORDER BY l.lane_id",
        &stmt, err);

    jw_key(a->out, "engines");
    jw_open(a->out, '[');
    while (rc == 0 && (rc = ask_next(a, stmt, err)) == 1) {
        int64_t until = sqlite3_column_int64(stmt, 4);
        jw_open(a->out, '{');
        jw_kint(a->out, "lane_id", sqlite3_column_int64(stmt, 0));
        write_text(a, "name", stmt, 1);
        write_text(a, "host", stmt, 2);
        write_text(a, "process", stmt, 3);
        jw_kbool(a->out, "alive", until >= a->now);
        jw_ktime(a->out, "lease_until", until);
        jw_kint(a->out, "silent_seconds", until >= a->now ? 0 : (a->now - until) / US_PER_SECOND);
        write_time(a, "started_at", stmt, 5);
        write_json(a, "classes", stmt, 6);
        jw_kint(a->out, "tasks", sqlite3_column_int64(stmt, 7));
        jw_close(a->out, '}');
        rc = 0;
    }
    jw_close(a->out, ']');
    return rc;
}

static int write_queue(struct ask *a, tasker_error *err)
{
    CLEANUP(stmt_freep) sqlite3_stmt *stmt = NULL;
    int rc = ask_prepare_id(
        a,
        "SELECT count(*), count(l.lane_id),"
        " count(*) FILTER (WHERE a.lane_id IS NULL AND a.run_at <= ?1),"
        " count(*) FILTER (WHERE a.lane_id IS NULL AND a.run_at > ?1),"
        " count(*) FILTER (WHERE a.lane_id IS NOT NULL AND l.lane_id IS NULL),"
        " min(a.run_at) FILTER (WHERE a.lane_id IS NULL AND a.run_at <= ?1)"
        " FROM tasker_core_active a LEFT JOIN tasker_core_lanes l ON l.lane_id = a.lane_id",
        a->now, &stmt, err);

    if (rc == 0)
        rc = ask_next(a, stmt, err);
    if (rc < 0)
        return rc;
    jw_key(a->out, "queue");
    jw_open(a->out, '{');
    jw_kint(a->out, "active", sqlite3_column_int64(stmt, 0));
    jw_kint(a->out, "owned", sqlite3_column_int64(stmt, 1));
    jw_kint(a->out, "due", sqlite3_column_int64(stmt, 2));
    jw_kint(a->out, "scheduled", sqlite3_column_int64(stmt, 3));
    jw_kint(a->out, "stranded", sqlite3_column_int64(stmt, 4));
    jw_ktime(a->out, "oldest_due_at", sqlite3_column_int64(stmt, 5));
    jw_close(a->out, '}');
    return 0;
}

static int write_offers(struct ask *a, tasker_error *err)
{
    CLEANUP(stmt_freep) sqlite3_stmt *stmt = NULL;
    int rc = ask_prepare(
        a, "SELECT count(*) - count(worker_lane), count(worker_lane) FROM tasker_core_dispatch",
        &stmt, err);

    if (rc == 0)
        rc = ask_next(a, stmt, err);
    if (rc < 0)
        return rc;
    jw_key(a->out, "offers");
    jw_open(a->out, '{');
    jw_kint(a->out, "open", sqlite3_column_int64(stmt, 0));
    jw_kint(a->out, "running", sqlite3_column_int64(stmt, 1));
    jw_close(a->out, '}');
    return 0;
}

// Offers of classes that no living engine serves.
static int write_unserved(struct ask *a, tasker_error *err)
{
    CLEANUP(stmt_freep) sqlite3_stmt *stmt = NULL;
    int rc = ask_prepare_id(a,
                            "SELECT d.handler_class, count(*) FROM tasker_core_dispatch d"
                            " WHERE d.worker_lane IS NULL AND NOT EXISTS"
                            " (SELECT 1 FROM tasker_core_lanes l, json_each(l.classes) c"
                            "  WHERE l.expires_at >= ?1 AND c.value = d.handler_class)"
                            " GROUP BY d.handler_class ORDER BY d.handler_class",
                            a->now, &stmt, err);

    jw_key(a->out, "unserved");
    jw_open(a->out, '[');
    while (rc == 0 && (rc = ask_next(a, stmt, err)) == 1) {
        jw_open(a->out, '{');
        write_text(a, "handler_class", stmt, 0);
        jw_kint(a->out, "steps", sqlite3_column_int64(stmt, 1));
        jw_close(a->out, '}');
        rc = 0;
    }
    jw_close(a->out, ']');
    return rc;
}

// A step of task a that may run, or be tried again, without a worker that nobody has: it runs, waits for its retry, or is
// ready and not among the offers that no living engine serves.
#define HOPEFUL_STEP                                                                               \
    "SELECT 1 FROM tasker_workflow_steps s LEFT JOIN tasker_workflow_step_transitions t"           \
    " ON t.workflow_step_id = s.workflow_step_id AND t.most_recent = 1"                            \
    " WHERE s.task_id = a.task_id AND coalesce(t.to_state, 'pending') IN ('pending', 'error',"     \
    " 'in_progress') AND (coalesce(t.to_state, 'pending') != 'error' OR"                           \
    " json_extract(t.metadata, '$.retry_at') IS NOT NULL) AND NOT EXISTS"                          \
    " (SELECT 1 FROM tasker_workflow_step_edges e LEFT JOIN tasker_workflow_step_transitions p"    \
    "  ON p.workflow_step_id = e.from_step_id AND p.most_recent = 1 WHERE e.to_step_id ="          \
    "  s.workflow_step_id AND coalesce(p.to_state, '') NOT IN ('complete', 'resolved_manually'))"  \
    " AND NOT EXISTS (SELECT 1 FROM tasker_core_dispatch d WHERE d.workflow_step_id ="             \
    "  s.workflow_step_id AND d.worker_lane IS NULL AND d.handler_class NOT IN"                    \
    "  (SELECT c.value FROM tasker_core_lanes l, json_each(l.classes) c WHERE l.expires_at >= ?1))"

// How many tasks are not finished, and how many of them can only wait for a worker that nobody has.
static int write_outlook(struct ask *a, tasker_error *err)
{
    CLEANUP(stmt_freep) sqlite3_stmt *stmt = NULL;
    int rc = ask_prepare_id(a,
                            "SELECT count(*), count(*) FILTER (WHERE EXISTS (SELECT 1 FROM"
                            " tasker_core_dispatch d WHERE d.task_id = a.task_id AND d.worker_lane"
                            " IS NULL) AND NOT EXISTS (" HOPEFUL_STEP ")) FROM tasker_core_active a",
                            a->now, &stmt, err);
    if (rc == 0 && (rc = ask_next(a, stmt, err)) == 1) {
        jw_kint(a->out, "unfinished", sqlite3_column_int64(stmt, 0));
        jw_kint(a->out, "unservable", sqlite3_column_int64(stmt, 1));
        rc = 0;
    }
    return rc;
}

static int write_set_aside(struct ask *a, tasker_error *err)
{
    CLEANUP(stmt_freep) sqlite3_stmt *stmt = NULL;
    int rc =
        ask_prepare_id(a,
                       "SELECT task_id, json_extract(metadata, '$.reason'), created_at"
                       " FROM tasker_task_transitions WHERE most_recent = 1 AND to_state = 'error'"
                       " AND json_extract(metadata, '$.reason') LIKE 'set aside%'"
                       " ORDER BY task_id DESC LIMIT ?1",
                       SET_ASIDE_MAX, &stmt, err);

    jw_key(a->out, "set_aside");
    jw_open(a->out, '[');
    while (rc == 0 && (rc = ask_next(a, stmt, err)) == 1) {
        jw_open(a->out, '{');
        jw_kint(a->out, "task_id", sqlite3_column_int64(stmt, 0));
        write_text(a, "reason", stmt, 1);
        write_time(a, "at", stmt, 2);
        jw_close(a->out, '}');
        rc = 0;
    }
    jw_close(a->out, ']');
    return rc;
}

int query_health(struct ask *a, tasker_error *err)
{
    jw_open(a->out, '{');
    int rc =
        write_counts(a, "tasks",
                     "SELECT NULL, count(*) FROM tasker_tasks UNION ALL SELECT to_state, count(*)"
                     " FROM tasker_task_transitions WHERE most_recent = 1 GROUP BY to_state",
                     err);
    if (rc == 0)
        rc = write_counts(
            a, "steps",
            "SELECT NULL, count(*) FROM tasker_workflow_steps UNION ALL SELECT to_state, count(*)"
            " FROM tasker_workflow_step_transitions WHERE most_recent = 1 GROUP BY to_state",
            err);
    if (rc == 0)
        rc = write_engines(a, err);
    if (rc == 0)
        rc = write_queue(a, err);
    if (rc == 0)
        rc = write_offers(a, err);
    if (rc == 0)
        rc = write_unserved(a, err);
    if (rc == 0)
        rc = write_outlook(a, err);
    if (rc == 0)
        rc = write_set_aside(a, err);
    jw_close(a->out, '}');
    return rc;
}
