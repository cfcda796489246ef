// SPDX-License-Identifier: MIT
// query_export.c - task.export: a task with everything that hangs on it, as the document that document.h describes. The
// rows are given as they are, whoever made them; nothing is left out because it looks wrong.
#include "store/document.h"
#include "store/query_build.h"

static void put_value(struct inquiry *a, const char *key, struct rows *r, int i)
{
    if (!rows_null(r, i)) // null is a value of JSON
        put_json(a, key, r, i);
}

static void (*const puts_by_kind[DOCUMENT_KIND_COUNT])(struct inquiry *, const char *, struct rows *, int) = {
    [DOCUMENT_ID] = put_int,     [DOCUMENT_STEP] = put_int,  [DOCUMENT_NAME] = put_text, [DOCUMENT_TEXT] = put_text,
    [DOCUMENT_STATE] = put_text, [DOCUMENT_INT] = put_int,   [DOCUMENT_BOOL] = put_bool, [DOCUMENT_TIME] = put_time,
    [DOCUMENT_JSON] = put_value,
};

static int select_part(struct inquiry *a, const struct document_part *part, struct rows *ret, tasker_error *err)
{
    CLEANUP(build_done) struct build b;

    build_init(&b, a);
    for (size_t i = 0; i < part->count; i++) {
        build_add(&b, i == 0 ? "SELECT " : ", ");
        build_add(&b, part->fields[i].column == NULL ? "x." : "");
        build_add(&b, part->fields[i].column == NULL ? part->fields[i].name : part->fields[i].column);
    }
    build_add(&b, " FROM ");
    build_add(&b, part->table);
    build_add(&b, " x");
    build_add(&b, part->from);
    build_int(&b, given_int(a, "task_id", 0));
    return build_open(&b, ret, err);
}

static void write_row(struct inquiry *a, const struct document_part *part, struct rows *r)
{
    jw_open(a->out, '{');
    for (size_t i = 0; i < part->count; i++)
        puts_by_kind[part->fields[i].kind](a, part->fields[i].name, r, (int)i);
    jw_close(a->out, '}');
}

static int write_part(struct inquiry *a, const struct document_part *part, tasker_error *err)
{
    CLEANUP(rows_close) struct rows r = {0};
    long long id = given_int(a, "task_id", 0);
    size_t count = 0;
    int rc = select_part(a, part, &r, err);

    if (rc < 0)
        return rc;
    jw_key(a->out, part->name);
    if (part->list)
        jw_open(a->out, '[');
    for (; (rc = rows_next(&r, err)) == 1; count++)
        write_row(a, part, &r);
    if (part->list)
        jw_close(a->out, ']');
    if (rc == 0 && count == 0 && !part->list)
        rc = err_set(err, TASKER_E_NOT_FOUND, "there is no task %lld", id);
    return rc;
}

int query_task_export(struct inquiry *a, tasker_error *err)
{
    int rc = 0;

    jw_open(a->out, '{');
    jw_kint(a->out, "format", DOCUMENT_FORMAT);
    jw_kstr(a->out, "tasker", TASKER_VERSION);
    for (size_t i = 0; i < PART_COUNT && rc == 0; i++)
        rc = write_part(a, &document_parts[i], err);
    jw_close(a->out, '}');
    return rc;
}
