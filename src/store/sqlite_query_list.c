// SPDX-License-Identifier: MIT
// sqlite_query_list.c - the questions about many: lists of tasks and templates.
//
// A list of tasks is cut by its key: newest first, behind a task id. Unfinished tasks are found
// through the queue, which is small whatever the history is; a filter that was not given is left
// out of the statement, so that an index can serve those that were.
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "model/change.h"
#include "store/sqlite_query.h"

static const char list_head[] =
    "SELECT t.task_id, n.name, nt.name, nt.version, COALESCE(r.to_state, 'pending'), a.priority,"
    " t.initiator, t.reason, t.tags, t.requested_at, a.run_at,"
    " (SELECT b.created_at FROM tasker_task_transitions b WHERE b.task_id = t.task_id"
    "  AND b.to_state = 'in_progress' ORDER BY b.sort_key DESC LIMIT 1), r.created_at";

static const char list_tail[] =
    " JOIN tasker_named_tasks nt ON nt.named_task_id = t.named_task_id"
    " JOIN tasker_task_namespaces n ON n.task_namespace_id = nt.task_namespace_id"
    " LEFT JOIN tasker_task_transitions r ON r.task_id = t.task_id AND r.most_recent = 1";

// A text argument that narrows the list, by the parameter it is bound to.
static const struct filter {
    const char *argument, *condition;
} filters[] = {
    {"state", "COALESCE(r.to_state, 'pending') = ?3"},
    {"namespace", "n.name = ?4"},
    {"name", "nt.name = ?5"},
    {"version", "nt.version = ?6"},
};

static void list_sql(const struct ask *a, bool unfinished, struct buf *sql)
{
    buf_str(sql, list_head);
    buf_str(sql,
            unfinished
                ? " FROM tasker_core_active a CROSS JOIN tasker_tasks t ON t.task_id = a.task_id"
                : " FROM tasker_tasks t");
    buf_str(sql, list_tail);
    if (!unfinished)
        buf_str(sql, " LEFT JOIN tasker_core_active a ON a.task_id = t.task_id");
    buf_str(sql, " WHERE t.task_id < ?1");
    for (size_t i = 0; i < ARRAY_SIZE(filters); i++)
        if (ask_text(a, filters[i].argument).p != NULL)
            buf_printf(sql, " AND %s", filters[i].condition);
    buf_printf(sql, " ORDER BY %s.task_id DESC LIMIT ?2", unfinished ? "a" : "t");
}

static void write_task(struct ask *a, sqlite3_stmt *stmt)
{
    enum state state = column_state(stmt, 4);
    int64_t begun = column_time(stmt, 11);
    int64_t ended = state != ST_NONE && task_state_final(state) ? column_time(stmt, 12) : 0;
    int priority = sqlite3_column_int(stmt, 5);
    bool active = sqlite3_column_type(stmt, 5) != SQLITE_NULL;

    jw_open(a->out, '{');
    jw_kint(a->out, "task_id", sqlite3_column_int64(stmt, 0));
    write_text(a, "namespace", stmt, 1);
    write_text(a, "name", stmt, 2);
    write_text(a, "version", stmt, 3);
    write_text(a, "state", stmt, 4);
    jw_kstr(a->out, "priority",
            active && priority >= 0 && priority < PRIO_COUNT ? priority_names[priority] : NULL);
    write_text(a, "initiator", stmt, 6);
    write_text(a, "reason", stmt, 7);
    write_json(a, "tags", stmt, 8);
    write_time(a, "requested_at", stmt, 9);
    jw_ktime(a->out, "run_at", active ? sqlite3_column_int64(stmt, 10) : 0);
    jw_ktime(a->out, "started_at", begun);
    jw_ktime(a->out, "finished_at", ended);
    jw_key(a->out, "duration_ms");
    if (begun != 0 && ended != 0)
        jw_int(a->out, (ended - begun) / US_PER_MS);
    else
        jw_null(a->out);
    jw_close(a->out, '}');
}

static int list_tasks(struct ask *a, sqlite3_stmt *stmt, tasker_error *err)
{
    int64_t limit = ask_limit(a, 50), last = 0, count = 0;
    int64_t after = ask_int(a, "after", INT64_MAX);
    int rc;

    // One more than is shown tells whether there is a next page.
    sqlite3_bind_int64(stmt, 1, after);
    sqlite3_bind_int64(stmt, 2, limit + 1);
    for (size_t i = 0; i < ARRAY_SIZE(filters); i++)
        if (ask_text(a, filters[i].argument).p != NULL)
            ask_bind_text(stmt, (int)i + 3, ask_text(a, filters[i].argument));
    jw_open(a->out, '{');
    jw_key(a->out, "tasks");
    jw_open(a->out, '[');
    while ((rc = ask_next(a, stmt, err)) == 1 && count < limit) {
        write_task(a, stmt);
        last = sqlite3_column_int64(stmt, 0);
        count++;
    }
    jw_close(a->out, ']');
    jw_key(a->out, "next");
    if (rc == 1)
        jw_int(a->out, last);
    else
        jw_null(a->out);
    jw_close(a->out, '}');
    return rc < 0 ? rc : 0;
}

static int check_state(const struct ask *a, bool *ret_unfinished, tasker_error *err)
{
    struct span text = ask_text(a, "state");
    enum state state = text.p == NULL ? ST_COMPLETE : state_from_name(text);

    *ret_unfinished = state == ST_PENDING || state == ST_IN_PROGRESS;
    if (state != ST_NONE)
        return 0;
    err_set(err, TASKER_E_INVALID, "no task is ever \"%.*s\"", (int)text.len, text.p);
    err_where(err, 0, 0, "$.state");
    err_remedy(err, "states: pending, in_progress, complete, error, cancelled, resolved_manually");
    return TASKER_E_INVALID;
}

int query_task_list(struct ask *a, tasker_error *err)
{
    CLEANUP(stmt_freep) sqlite3_stmt *stmt = NULL;
    CLEANUP(buf_done) struct buf sql;
    bool unfinished;
    int rc = check_state(a, &unfinished, err);

    buf_init(&sql, 4096);
    if (rc < 0)
        return rc;
    list_sql(a, unfinished, &sql);
    if (buf_failed(&sql))
        return err_nomem(err);
    rc = ask_prepare(a, sql.data, &stmt, err);
    return rc < 0 ? rc : list_tasks(a, stmt, err);
}

// ---- templates

#define TEMPLATE_COLUMNS                                                                           \
    "c.template_id, n.name, nt.name, nt.version, c.hash, c.directory, c.created_at"
#define TEMPLATE_TABLES                                                                            \
    " FROM tasker_core_templates c"                                                                \
    " JOIN tasker_named_tasks nt ON nt.named_task_id = c.named_task_id"                            \
    " JOIN tasker_task_namespaces n ON n.task_namespace_id = nt.task_namespace_id"                 \
    " WHERE c.current = 1"

static void write_template(struct ask *a, sqlite3_stmt *stmt)
{
    jw_kint(a->out, "template_id", sqlite3_column_int64(stmt, 0));
    write_text(a, "namespace", stmt, 1);
    write_text(a, "name", stmt, 2);
    write_text(a, "version", stmt, 3);
    write_text(a, "hash", stmt, 4);
    write_text(a, "directory", stmt, 5);
    write_time(a, "created_at", stmt, 6);
}

int query_template_list(struct ask *a, tasker_error *err)
{
    CLEANUP(stmt_freep) sqlite3_stmt *stmt = NULL;
    int rc = ask_prepare(
        a, "SELECT " TEMPLATE_COLUMNS TEMPLATE_TABLES " ORDER BY n.name, nt.name, nt.named_task_id",
        &stmt, err);

    if (rc < 0)
        return rc;
    jw_open(a->out, '{');
    jw_key(a->out, "templates");
    jw_open(a->out, '[');
    while ((rc = ask_next(a, stmt, err)) == 1) {
        jw_open(a->out, '{');
        write_template(a, stmt);
        jw_close(a->out, '}');
    }
    jw_close(a->out, ']');
    jw_close(a->out, '}');
    return rc;
}

// Finds the template id of a version, or of the newest one: versions are ordered by their numbers,
// not as text.
static int find_template(struct ask *a, struct span version, int64_t *ret, tasker_error *err)
{
    CLEANUP(stmt_freep) sqlite3_stmt *stmt = NULL;
    struct span given = ask_text(a, "namespace");
    bool newest = version.p == NULL || span_is(version, "latest");
    const char *best = "";
    int rc = ask_prepare(a,
                         "SELECT c.template_id, nt.version" TEMPLATE_TABLES
                         " AND n.name = ?1 AND nt.name = ?2 AND (?3 OR nt.version = ?4)",
                         &stmt, err);

    if (rc < 0)
        return rc;
    ask_bind_text(stmt, 1, given.p == NULL ? SPAN("default") : given);
    ask_bind_text(stmt, 2, ask_text(a, "name"));
    sqlite3_bind_int(stmt, 3, newest);
    ask_bind_text(stmt, 4, version);
    while ((rc = ask_next(a, stmt, err)) == 1) {
        struct span text = column_text(a, stmt, 1);
        if (text.p == NULL)
            return ask_nomem(a, err);
        if (*ret != 0 && template_compare_versions(best, text.p) >= 0)
            continue;
        best = text.p;
        *ret = sqlite3_column_int64(stmt, 0);
    }
    return rc;
}

int query_template_show(struct ask *a, tasker_error *err)
{
    CLEANUP(stmt_freep) sqlite3_stmt *stmt = NULL;
    struct span name = ask_text(a, "name");
    int64_t id = 0;
    int rc = find_template(a, ask_text(a, "version"), &id, err);

    if (rc == 0 && id == 0) {
        err_set(err, TASKER_E_NOT_FOUND,
                "there is no template \"%.*s\" of this namespace and version", (int)name.len,
                name.len > 0 ? name.p : "");
        err_remedy(err, "tasker template list shows all");
        return TASKER_E_NOT_FOUND;
    }
    if (rc == 0)
        rc = ask_prepare_id(
            a, "SELECT " TEMPLATE_COLUMNS ", c.body" TEMPLATE_TABLES " AND c.template_id = ?1", id,
            &stmt, err);
    if (rc == 0)
        rc = ask_next(a, stmt, err);
    if (rc <= 0)
        return rc;
    jw_open(a->out, '{');
    write_template(a, stmt);
    write_json(a, "definition", stmt, 7);
    jw_close(a->out, '}');
    return 0;
}
