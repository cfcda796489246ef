// SPDX-License-Identifier: MIT
// query_template.c - the question about one template.
#include <string.h>

#include "base/util.h"
#include "model/change.h"
#include "store/query_seen.h"

// ---- templates

#define TEMPLATE_COLUMNS                                                                           \
    "c.template_id, n.name, nt.name, nt.version, c.hash, c.directory, c.created_at"
#define TEMPLATE_TABLES                                                                            \
    " FROM tasker_core_templates c"                                                                \
    " JOIN tasker_named_tasks nt ON nt.named_task_id = c.named_task_id"                            \
    " JOIN tasker_task_namespaces n ON n.task_namespace_id = nt.task_namespace_id"                 \
    " WHERE c.current"

static void write_template(struct inquiry *a, struct rows *rows)
{
    jw_kint(a->out, "template_id", rows_int(rows, 0));
    put_text(a, "namespace", rows, 1);
    put_text(a, "name", rows, 2);
    put_text(a, "version", rows, 3);
    put_text(a, "hash", rows, 4);
    put_text(a, "directory", rows, 5);
    put_time(a, "created_at", rows, 6);
}

// Finds the template id of a version, or of the newest one: versions are ordered by their numbers,
// not as text.
static int find_template(struct inquiry *a, struct span version, int64_t *ret, tasker_error *err)
{
    CLEANUP(rows_close) struct rows rows = {0};
    struct span given = given_text(a, "namespace");
    bool newest = version.p == NULL || span_is(version, "latest");
    const char *best = "";
    const struct value values[] = {{.kind = VALUE_TEXT, .text = given.p == NULL ? SPAN("default") : given},
                                   {.kind = VALUE_TEXT, .text = given_text(a, "name")},
                                   {.kind = VALUE_BOOL, .number = newest},
                                   {.kind = VALUE_TEXT, .text = newest ? SPAN("") : version}};
    int rc = ask_with(a,
                      "SELECT c.template_id, nt.version" TEMPLATE_TABLES
                      " AND n.name = $1 AND nt.name = $2 AND ($3 OR nt.version = $4)",
                      values, 4, &rows, err);

    if (rc < 0)
        return rc;
    while ((rc = rows_next(&rows, err)) == 1) {
        struct span text = rows_keep(&rows, 1);
        if (text.p == NULL)
            return ask_nomem(a, err);
        if (*ret != 0 && template_compare_versions(best, text.p) >= 0)
            continue;
        best = text.p;
        *ret = rows_int(&rows, 0);
    }
    return rc;
}

int query_template_show(struct inquiry *a, tasker_error *err)
{
    CLEANUP(rows_close) struct rows rows = {0};
    struct span name = given_text(a, "name");
    int64_t id = 0;
    int rc = find_template(a, given_text(a, "version"), &id, err);

    if (rc == 0 && id == 0) {
        err_set(err, TASKER_E_NOT_FOUND,
                "there is no template \"%.*s\" of this namespace and version", (int)name.len,
                name.len > 0 ? name.p : "");
        err_remedy(err, "tasker template list shows all");
        return TASKER_E_NOT_FOUND;
    }
    if (rc == 0)
        rc = ask_by_id(a, "SELECT " TEMPLATE_COLUMNS ", c.body" TEMPLATE_TABLES " AND c.template_id = $1", id,
            &rows, err);
    if (rc == 0)
        rc = rows_next(&rows, err);
    if (rc <= 0)
        return rc;
    jw_open(a->out, '{');
    write_template(a, &rows);
    put_json(a, "definition", &rows, 7);
    jw_close(a->out, '}');
    return 0;
}
