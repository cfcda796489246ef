// SPDX-License-Identifier: MIT
// operate_import.c - task.import: a document of a task (document.h) becomes rows of this database, in one transaction.
//
// The document is checked first and as a whole. Rows of the catalogue are found by their names or made; what is there
// already stays as it is. Everything of the task gets new ids, and what speaks of an old one speaks of the new one: the
// references between rows, and the template_id in the metadata of the task's transitions, by which engines know what
// the task began with (null when the document has no such template). All else is written as it stands.
//
// No row of our queue is written, and an unfinished task is left as task.release would leave it (operate_import_end.c):
// no engine touches it, and no command gives it to one, until somebody adopts it.
#include <string.h>

#include "model/state.h"
#include "model/template.h"
#include "store/document.h"
#include "store/operate_import.h"

#define METADATA_MAX ((size_t)2 << 20)

struct import {
    const struct json *document;
    int64_t named_task, task;
    struct document_id *steps, *templates;
    size_t step_count, template_count;
};

static struct span text_of(const struct json *row, const char *name)
{
    const struct json *v = json_get(row, name);

    return v != NULL && v->type == JSON_STRING ? v->str : (struct span){NULL, 0};
}

static int64_t int_of(const struct json *row, const char *name)
{
    const struct json *v = json_get(row, name);
    int64_t n = 0;

    return v != NULL && json_int(v, &n) ? n : 0;
}

static int64_t time_of(const struct json *row, const char *name)
{
    int64_t us;

    return time_parse(text_of(row, name), &us) ? us : 0;
}

static void add_json(struct build *b, struct span text)
{
    build_add(b, b->a->postgres ? "CAST(? AS json)" : "?"); // a column is json or jsonb
    build_text(b, text);
}

// ---- the catalogue

// found_or_put gives the id that `find` finds, and otherwise that of the row that `put` makes.
static int found_or_put(struct build *find, struct build *put, int64_t *ret, tasker_error *err)
{
    int rc = build_one(find, 0, ret, err);

    if (rc == 0 && *ret == 0)
        rc = build_id(put, ret, err);
    if (rc == 0 && *ret == 0) // somebody else was first
        rc = build_one(find, 0, ret, err);
    return rc;
}

static int put_named_task(struct inquiry *a, struct import *x, tasker_error *err)
{
    CLEANUP(build_done) struct build find;
    CLEANUP(build_done) struct build put;
    const struct json *row = document_first(x->document, PART_NAMED_TASK), *configuration = json_get(row, "configuration");
    int64_t namespace_id = 0;
    bool created;
    int rc = catalogue_put(a, CATALOGUE_NAMESPACE, text_of(row, "namespace"), (struct span){NULL, 0}, &namespace_id,
                           &created, err);

    build_init(&find, a);
    build_add(&find, "SELECT named_task_id FROM tasker_named_tasks WHERE task_namespace_id = ? AND name = ? AND version = ?");
    build_init(&put, a);
    build_add(&put, "INSERT INTO tasker_named_tasks(task_namespace_id, name, version, description, created_at, updated_at,"
                    " configuration) VALUES (?, ?, ?, ?, ?, ?, ");
    struct build *both[] = {&find, &put};
    for (size_t i = 0; i < ARRAY_SIZE(both); i++) {
        build_int(both[i], namespace_id);
        build_text(both[i], text_of(row, "name"));
        build_text(both[i], text_of(row, "version"));
    }
    build_text(&put, text_of(row, "description"));
    build_time(&put, time_of(row, "created_at"));
    build_time(&put, time_of(row, "updated_at"));
    add_json(&put, configuration == NULL ? (struct span){NULL, 0} : configuration->raw);
    build_add(&put, ") ON CONFLICT (task_namespace_id, name, version) DO NOTHING RETURNING named_task_id");
    return rc == 0 ? found_or_put(&find, &put, &x->named_task, err) : rc;
}

static int put_named_step(struct inquiry *a, struct span system, struct span name, int64_t *ret, tasker_error *err)
{
    CLEANUP(build_done) struct build find;
    CLEANUP(build_done) struct build put;
    int64_t system_id = 0;
    bool created;
    int rc = catalogue_put(a, CATALOGUE_SYSTEM, system, (struct span){NULL, 0}, &system_id, &created, err);

    build_init(&find, a);
    build_add(&find, "SELECT named_step_id FROM tasker_named_steps WHERE dependent_system_id = ? AND name = ?");
    build_int(&find, system_id);
    build_text(&find, name);
    build_init(&put, a);
    build_add(&put, "INSERT INTO tasker_named_steps(dependent_system_id, name, created_at, updated_at) VALUES (?, ?, ?, ?)"
                    " ON CONFLICT (dependent_system_id, name) DO NOTHING RETURNING named_step_id");
    build_int(&put, system_id);
    build_text(&put, name);
    build_time(&put, a->now);
    build_time(&put, a->now);
    return rc == 0 ? found_or_put(&find, &put, ret, err) : rc;
}

// ---- templates

static int has_current(struct inquiry *a, const struct import *x, int64_t *ret, tasker_error *err)
{
    CLEANUP(build_done) struct build b;

    build_init(&b, a);
    build_add(&b, "SELECT count(*) FROM tasker_core_templates WHERE named_task_id = ? AND current = {true}");
    build_int(&b, x->named_task);
    return build_one(&b, 0, ret, err);
}

// The current one of this database stays the current one.
static int put_content(struct inquiry *a, struct import *x, const struct json *row, const struct template *t, int64_t *ret,
                       tasker_error *err)
{
    CLEANUP(build_done) struct build find;
    CLEANUP(build_done) struct build put;
    const struct json *current = json_get(row, "current");
    int64_t others = 0;
    int rc = has_current(a, x, &others, err);

    build_init(&find, a);
    build_add(&find, "SELECT template_id FROM tasker_core_templates WHERE named_task_id = ? AND hash = ?");
    build_int(&find, x->named_task);
    build_text(&find, span_of(t->hash));
    build_init(&put, a);
    build_add(&put, "INSERT INTO tasker_core_templates(named_task_id, hash, body, directory, current, created_at)"
                    " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (named_task_id, hash) DO NOTHING RETURNING template_id");
    build_int(&put, x->named_task);
    build_text(&put, span_of(t->hash));
    build_text(&put, t->canonical);
    build_text(&put, text_of(row, "directory"));
    build_bool(&put, current->truth && others == 0);
    build_time(&put, time_of(row, "created_at"));
    return rc == 0 ? found_or_put(&find, &put, ret, err) : rc;
}

// A template is of use only with all of its steps in the catalogue.
static int put_template_steps(struct inquiry *a, const struct template *t, tasker_error *err)
{
    int64_t ignored;
    int rc = 0;

    for (uint32_t i = 0; i < t->step_count && rc == 0; i++)
        rc = put_named_step(a, span_of(template_system(t, i)), span_of(t->steps[i].name), &ignored, err);
    return rc;
}

static int put_template(struct inquiry *a, struct import *x, const struct json *row, int64_t *ret, tasker_error *err)
{
    struct template_errors errors;
    struct template *t = NULL;

    template_errors_init(&errors);
    int rc = template_read(json_get(row, "body")->raw, NULL, NULL, &t, &errors, err);
    template_errors_done(&errors);
    if (rc == 0)
        rc = put_content(a, x, row, t, ret, err);
    if (rc == 0)
        rc = put_template_steps(a, t, err);
    template_unref(t);
    return rc;
}

static int put_templates(struct inquiry *a, struct import *x, tasker_error *err)
{
    const struct json *list = json_get(x->document, document_parts[PART_TEMPLATES].name);
    int rc = 0;

    x->templates = arena_alloc(&a->arena, (list->count + 1) * sizeof(*x->templates));
    if (x->templates == NULL)
        return err_nomem(err);
    for (const struct json *row = list->child; row != NULL && rc == 0; row = row->next) {
        struct document_id *id = &x->templates[x->template_count++];
        id->from = int_of(row, "template_id");
        rc = put_template(a, x, row, &id->to, err);
    }
    document_sort(x->templates, x->template_count);
    return rc;
}

// ---- columns that are not members, or not as they stand

typedef int extra_value(struct inquiry *a, const struct import *x, const struct json *row, int64_t *ret, tasker_error *err);

static int the_task(struct inquiry *a, const struct import *x, const struct json *row, int64_t *ret, tasker_error *err)
{
    (void)a, (void)row, (void)err;
    *ret = x->task;
    return 0;
}

static int the_named_task(struct inquiry *a, const struct import *x, const struct json *row, int64_t *ret,
                          tasker_error *err)
{
    (void)a, (void)row, (void)err;
    *ret = x->named_task;
    return 0;
}

static int the_named_step(struct inquiry *a, const struct import *x, const struct json *row, int64_t *ret,
                          tasker_error *err)
{
    (void)x;
    return put_named_step(a, text_of(row, "system"), text_of(row, "name"), ret, err);
}

static int the_type(struct inquiry *a, const struct import *x, const struct json *row, int64_t *ret, tasker_error *err)
{
    bool created;

    (void)x;
    return catalogue_put(a, CATALOGUE_ANNOTATION_TYPE, text_of(row, "type"), (struct span){NULL, 0}, ret, &created, err);
}

static const struct {
    const char *column;
    extra_value *value;
} extras[PART_COUNT][2] = {
    [PART_TASK] = {{"named_task_id", the_named_task}},
    [PART_STEPS] = {{"task_id", the_task}, {"named_step_id", the_named_step}},
    [PART_TASK_TRANSITIONS] = {{"task_id", the_task}},
    [PART_ANNOTATIONS] = {{"task_id", the_task}, {"annotation_type_id", the_type}},
};

// An engine's newest row says that it has the task. One in progress gets a row behind it, one that is pending can not.
static bool to_be_released(const struct json *row, const struct json *metadata)
{
    return span_is(text_of(row, "to_state"), state_names[ST_PENDING]) && json_get(row, "most_recent")->truth &&
           json_get(metadata, "engine") != NULL && json_get(metadata, "released") == NULL;
}

// The metadata with the id of the template here in place of the one there, and saying that no engine has the task.
static struct span moved_metadata(struct inquiry *a, const struct import *x, const struct json *row,
                                  const struct json *metadata)
{
    const struct json *id = json_get(metadata, "template_id");
    const struct document_id *known = NULL;
    CLEANUP(buf_done) struct buf b;
    const char *p = metadata->raw.p, *end = p + metadata->raw.len;
    int64_t from = 0;

    buf_init(&b, METADATA_MAX);
    if (id != NULL) {
        buf_add(&b, p, (size_t)(id->raw.p - p));
        if (json_int(id, &from))
            known = document_find(x->templates, x->template_count, from);
        buf_printf(&b, known == NULL ? "null" : "%lld", known == NULL ? 0LL : (long long)known->to);
        p = id->raw.p + id->raw.len;
    }
    bool released = to_be_released(row, metadata);
    buf_add(&b, p, (size_t)(end - p) - released);
    buf_str(&b, released ? ",\"released\":true}" : "");
    struct span all = buf_view(&b);
    char *copy = buf_failed(&b) ? NULL : arena_dup(&a->arena, all.p, all.len);
    return copy == NULL ? (struct span){NULL, 0} : (struct span){copy, all.len};
}

// ---- rows

static bool written(const struct document_field *f)
{
    return f->column == NULL && f->kind != DOCUMENT_ID;
}

static void add_value(struct build *b, const struct import *x, enum document_part_id part, const struct document_field *f,
                      const struct json *row)
{
    const struct json *v = json_get(row, f->name);
    bool moved = part == PART_TASK_TRANSITIONS && f->kind == DOCUMENT_JSON && v != NULL && v->type == JSON_OBJECT;
    int64_t n = 0;

    if (f->kind == DOCUMENT_JSON) {
        add_json(b, v == NULL ? (struct span){NULL, 0} : moved ? moved_metadata(b->a, x, row, v) : v->raw);
        return;
    }
    bool null = v == NULL || v->type == JSON_NULL;
    build_add(b, null ? "NULL" : "?");
    if (null)
        return;
    if (f->kind == DOCUMENT_BOOL)
        build_bool(b, v->truth);
    else if (f->kind == DOCUMENT_TIME)
        build_time(b, time_parse(v->str, &n) ? n : 0);
    else if (f->kind == DOCUMENT_INT)
        build_int(b, json_int(v, &n) ? n : 0);
    else if (f->kind == DOCUMENT_STEP)
        build_int(b, json_int(v, &n) ? document_find(x->steps, x->step_count, n)->to : 0);
    else
        build_text(b, v->str);
}

static void add_columns(struct build *b, const struct document_part *part, enum document_part_id id)
{
    const char *comma = "";

    for (size_t i = 0; i < part->count; i++) {
        if (!written(&part->fields[i]))
            continue;
        build_add(b, comma);
        build_add(b, part->fields[i].name);
        comma = ", ";
    }
    for (size_t i = 0; i < ARRAY_SIZE(extras[id]) && extras[id][i].column != NULL; i++) {
        build_add(b, comma);
        build_add(b, extras[id][i].column);
    }
}

static int add_values(struct build *b, const struct import *x, enum document_part_id id, const struct json *row,
                      tasker_error *err)
{
    const struct document_part *part = &document_parts[id];
    const char *comma = "";
    int rc = 0;

    for (size_t i = 0; i < part->count; i++) {
        if (!written(&part->fields[i]))
            continue;
        build_add(b, comma);
        add_value(b, x, id, &part->fields[i], row);
        comma = ", ";
    }
    for (size_t i = 0; i < ARRAY_SIZE(extras[id]) && extras[id][i].column != NULL && rc == 0; i++) {
        int64_t value = 0;
        rc = extras[id][i].value(b->a, x, row, &value, err);
        build_add(b, ", ?");
        build_int(b, value);
    }
    return rc;
}

// insert writes a row; *ret is its id, 0 when it has none or (with `skip`) when one like it was there.
static int insert(struct inquiry *a, const struct import *x, enum document_part_id id, const struct json *row,
                  const char *skip, int64_t *ret, tasker_error *err)
{
    const struct document_part *part = &document_parts[id];
    CLEANUP(build_done) struct build b;
    bool has_id = part->fields[0].kind == DOCUMENT_ID;

    build_init(&b, a);
    build_add(&b, "INSERT INTO ");
    build_add(&b, part->table);
    build_add(&b, "(");
    add_columns(&b, part, id);
    build_add(&b, ") VALUES (");
    int rc = add_values(&b, x, id, row, err);
    build_add(&b, ")");
    build_add(&b, skip);
    build_add(&b, has_id ? " RETURNING " : "");
    build_add(&b, has_id ? part->fields[0].name : "");
    *ret = 0;
    if (rc == 0 && a->arena.failed)
        rc = err_nomem(err);
    if (rc < 0)
        return rc;
    return has_id ? build_id(&b, ret, err) : build_run(&b, NULL, err);
}

static int refuse_duplicate(struct inquiry *a, struct span identity, tasker_error *err)
{
    CLEANUP(build_done) struct build b;
    int64_t first = 0;

    build_init(&b, a);
    build_add(&b, "SELECT task_id FROM tasker_tasks WHERE identity_hash = ?");
    build_text(&b, identity);
    int rc = build_one(&b, 0, &first, err);
    if (rc < 0)
        return rc;
    err_set(err, TASKER_E_DUPLICATE, "task %lld has the same identity", (long long)first);
    err_where(err, 0, 0, "$.document.task.identity_hash");
    err_remedy(err, "the task is here already, or another one that was submitted with its identity");
    return TASKER_E_DUPLICATE;
}

static int put_task(struct inquiry *a, struct import *x, tasker_error *err)
{
    const struct json *row = document_first(x->document, PART_TASK);
    int rc = insert(a, x, PART_TASK, row, " ON CONFLICT (identity_hash) DO NOTHING", &x->task, err);

    return rc == 0 && x->task == 0 ? refuse_duplicate(a, text_of(row, "identity_hash"), err) : rc;
}

static int put_rows(struct inquiry *a, struct import *x, enum document_part_id id, tasker_error *err)
{
    const struct json *list = json_get(x->document, document_parts[id].name);
    size_t at = 0;
    int rc = 0;

    if (id == PART_STEPS && (x->steps = arena_alloc(&a->arena, (list->count + 1) * sizeof(*x->steps))) == NULL)
        return err_nomem(err);
    for (const struct json *row = list->child; row != NULL && rc == 0; row = row->next, at++) {
        int64_t made = 0;
        rc = insert(a, x, id, row, "", &made, err);
        if (rc == TASKER_E_CONFLICT || rc == TASKER_E_STORE)
            document_blame(id, at, err);
        if (id == PART_STEPS)
            x->steps[x->step_count++] = (struct document_id){int_of(row, "workflow_step_id"), made};
    }
    if (id == PART_STEPS)
        document_sort(x->steps, x->step_count);
    return rc;
}

static int put_all(struct inquiry *a, struct import *x, tasker_error *err)
{
    int rc = put_named_task(a, x, err);

    if (rc == 0)
        rc = put_templates(a, x, err);
    if (rc == 0)
        rc = put_task(a, x, err);
    for (size_t i = PART_STEPS; i < PART_COUNT && rc == 0; i++)
        rc = put_rows(a, x, (enum document_part_id)i, err);
    return rc;
}

int operate_task_import(struct inquiry *a, tasker_error *err)
{
    struct import x = {.document = json_get(a->args, "document")};
    struct import_end end = {.state = ST_PENDING};
    int rc = document_check(&a->arena, x.document, err);

    if (rc == 0)
        rc = operate_begin(a, err);
    if (rc == 0)
        rc = put_all(a, &x, err);
    if (rc == 0)
        rc = import_end(a, x.task, &end, err);
    if (rc == 0)
        rc = operate_commit(a, err);
    if (rc < 0)
        return rc;
    jw_open(a->out, '{');
    jw_kint(a->out, "task_id", x.task);
    jw_kint(a->out, "exported_task_id", int_of(document_first(x.document, PART_TASK), "task_id"));
    jw_kstr(a->out, "state", state_names[end.state]);
    jw_kint(a->out, "steps", (int64_t)x.step_count);
    jw_kint(a->out, "taken_back", (int64_t)end.taken_back);
    jw_close(a->out, '}');
    return 0;
}
