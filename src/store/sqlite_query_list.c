// SPDX-License-Identifier: MIT
// sqlite_query_list.c - the question about one template.
#include <string.h>

#include "base/util.h"
#include "model/change.h"
#include "store/sqlite_query.h"

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
