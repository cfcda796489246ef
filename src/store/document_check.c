// SPDX-License-Identifier: MIT
// document_check.c - a task's document held against the table of fields before anything of it is written. It comes from
// anywhere, so nothing of it is believed; the first thing that is wrong is named.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "base/util.h"
#include "model/state.h"
#include "model/template.h"
#include "store/document.h"

#define PATH_SIZE 256

struct check {
    struct arena *arena;
    const struct json *document;
    struct document_id *steps; // ids of the steps, sorted
    size_t step_count;
    const struct document_part *part; // at hand, with its row
    size_t row;
    tasker_error *err;
};

// ---- naming what is wrong

static void path_of(const struct document_part *part, size_t row, struct span field, char out[PATH_SIZE])
{
    char index[32] = "";

    if (part->list)
        snprintf(index, sizeof(index), "[%zu]", row);
    snprintf(out, PATH_SIZE, "%s%s%s%.*s", part->name, index, field.len > 0 ? "." : "",
             (int)(field.len > 100 ? 100 : field.len), field.len > 0 ? field.p : "");
}

static int wrong_at(tasker_error *err, int code, const char *path, const char *what)
{
    err_set(err, code, "%s: %s", path, what);
    err_where(err, 0, 0, "$.document.%s", path);
    return code;
}

static int wrong(struct check *c, int code, struct span field, const char *what)
{
    char path[PATH_SIZE];

    path_of(c->part, c->row, field, path);
    return wrong_at(c->err, code, path, what);
}

void document_blame(enum document_part_id part, size_t row, tasker_error *err)
{
    char path[PATH_SIZE];

    path_of(&document_parts[part], row, (struct span){NULL, 0}, path);
    err_where(err, 0, 0, "$.document.%s", path);
}

// ---- kinds

static bool is_id(const struct check *c, const struct json *v)
{
    int64_t n;

    (void)c;
    return json_int(v, &n) && n > 0;
}

static bool is_step(const struct check *c, const struct json *v)
{
    int64_t n;

    return json_int(v, &n) && document_find(c->steps, c->step_count, n) != NULL;
}

static bool is_text(const struct check *c, const struct json *v)
{
    (void)c;
    return v->type == JSON_STRING;
}

static bool is_state(const struct check *c, const struct json *v)
{
    (void)c;
    for (size_t i = 0; i < ST_COUNT; i++)
        if (v->type == JSON_STRING && span_is(v->str, state_names[i]))
            return true;
    return false;
}

static bool is_int(const struct check *c, const struct json *v)
{
    int64_t n;

    (void)c;
    return json_int(v, &n) && n >= INT32_MIN && n <= INT32_MAX;
}

static bool is_bool(const struct check *c, const struct json *v)
{
    (void)c;
    return v->type == JSON_BOOL;
}

static bool is_time(const struct check *c, const struct json *v)
{
    int64_t us = 0;

    (void)c;
    return v->type == JSON_STRING && time_parse(v->str, &us) && us != 0;
}

static bool is_json(const struct check *c, const struct json *v)
{
    (void)c;
    (void)v;
    return true;
}

static bool (*const fits[DOCUMENT_KIND_COUNT])(const struct check *c, const struct json *v) = {
    [DOCUMENT_ID] = is_id,       [DOCUMENT_STEP] = is_step, [DOCUMENT_NAME] = is_text, [DOCUMENT_TEXT] = is_text,
    [DOCUMENT_STATE] = is_state, [DOCUMENT_INT] = is_int,   [DOCUMENT_BOOL] = is_bool, [DOCUMENT_TIME] = is_time,
    [DOCUMENT_JSON] = is_json,
};

// ---- a row

static int check_size(struct check *c, const struct document_field *f, const struct json *v)
{
    char what[64];
    bool json = f->kind == DOCUMENT_JSON;

    if (f->kind == DOCUMENT_NAME && v->str.len == 0)
        return wrong(c, TASKER_E_INVALID, span_of(f->name), "must not be empty");
    if (f->max == 0 || (json ? v->raw.len : utf8_count(v->str.p, v->str.len)) <= f->max)
        return 0;
    snprintf(what, sizeof(what), "must have %u %s at most", f->max, json ? "bytes" : "characters");
    return wrong(c, TASKER_E_TOO_BIG, span_of(f->name), what);
}

// What is in a document may be nested deeper than what is stored may: it is held to that by itself.
static int check_depth(struct check *c, const struct document_field *f, const struct json *v)
{
    int rc = json_check(v->raw, NULL, NULL);

    if (rc == TASKER_E_NOMEM)
        return err_nomem(c->err);
    return rc < 0 ? wrong(c, TASKER_E_INVALID, span_of(f->name), "must not be nested deeper than 512") : 0;
}

static int check_field(struct check *c, const struct document_field *f, const struct json *v)
{
    char what[128];

    if (v == NULL)
        return f->required ? wrong(c, TASKER_E_INVALID, span_of(f->name), "is missing") : 0;
    if (v->type == JSON_NULL && !f->required)
        return 0;
    if (fits[f->kind](c, v)) {
        int rc = v->type == JSON_STRING || f->kind == DOCUMENT_JSON ? check_size(c, f, v) : 0;
        return rc == 0 && f->kind == DOCUMENT_JSON ? check_depth(c, f, v) : rc;
    }
    snprintf(what, sizeof(what), "must be %s%s", document_kind_names[f->kind], f->required ? "" : ", or null");
    return wrong(c, TASKER_E_INVALID, span_of(f->name), what);
}

static const struct document_field *field_of(const struct document_part *part, struct span key)
{
    for (size_t i = 0; i < part->count; i++)
        if (span_is(key, part->fields[i].name))
            return &part->fields[i];
    return NULL;
}

static int check_row(struct check *c, const struct json *row)
{
    if (row->type != JSON_OBJECT)
        return wrong(c, TASKER_E_INVALID, (struct span){NULL, 0}, "must be an object");
    for (const struct json *m = row->child; m != NULL; m = m->next)
        if (field_of(c->part, m->key) == NULL)
            return wrong(c, TASKER_E_INVALID, m->key, "is not known");
    for (size_t i = 0; i < c->part->count; i++) {
        int rc = check_field(c, &c->part->fields[i], json_get(row, c->part->fields[i].name));
        if (rc < 0)
            return rc;
    }
    return 0;
}

// ---- what fields alone do not say

static int compare_ids(const void *a, const void *b)
{
    const struct document_id *x = a, *y = b;

    return x->from < y->from ? -1 : x->from > y->from;
}

void document_sort(struct document_id *ids, size_t count)
{
    if (count > 0)
        qsort(ids, count, sizeof(*ids), compare_ids);
}

struct document_id *document_find(struct document_id *ids, size_t count, int64_t from)
{
    const struct document_id key = {.from = from};

    return count == 0 ? NULL : bsearch(&key, ids, count, sizeof(*ids), compare_ids);
}

// `to` is the place in the document here, so that a second use of an id can be named.
static int check_steps(struct check *c, const struct json *list)
{
    size_t i = 0;

    c->steps = arena_alloc(c->arena, (list->count + 1) * sizeof(*c->steps));
    if (c->steps == NULL)
        return err_nomem(c->err);
    for (const struct json *row = list->child; row != NULL; row = row->next, i++) {
        c->steps[i].to = (int64_t)i;
        (void)json_int(json_get(row, "workflow_step_id"), &c->steps[i].from);
    }
    c->step_count = i;
    document_sort(c->steps, c->step_count);
    for (i = 1; i < c->step_count; i++) {
        const struct document_id *x = &c->steps[i - 1], *y = &c->steps[i];
        if (x->from != y->from)
            continue;
        c->row = (size_t)(x->to > y->to ? x->to : y->to);
        return wrong(c, TASKER_E_INVALID, SPAN("workflow_step_id"), "is the id of another step of the document");
    }
    return 0;
}

// What no string holds is no row of this task either.
static bool names(const struct json *object, const char *member, const char *text)
{
    const struct json *v = json_get(object, member);

    return v != NULL && span_is(v->str, text);
}

static int check_template(struct check *c, const struct json *row)
{
    const struct json *task = json_get(c->document, document_parts[PART_NAMED_TASK].name);
    struct template_errors errors;
    struct template *t = NULL;
    char what[600];
    int rc;

    template_errors_init(&errors);
    rc = template_read(json_get(row, "body")->raw, NULL, NULL, &t, &errors, c->err);
    if (rc < 0 && rc != TASKER_E_NOMEM) {
        snprintf(what, sizeof(what), "must be a template%s%s", errors.first != NULL ? ": " : "",
                 errors.first != NULL ? errors.first->message : "");
        rc = wrong(c, rc, SPAN("body"), what);
    }
    template_errors_done(&errors);
    if (rc == 0 && !names(row, "hash", t->hash))
        rc = wrong(c, TASKER_E_INVALID, SPAN("hash"), "must be the hash of the body");
    if (rc == 0 && !(names(task, "namespace", t->namespace_name) && names(task, "name", t->name) &&
                     names(task, "version", t->version)))
        rc = wrong(c, TASKER_E_INVALID, SPAN("body"), "must be a template of the named task");
    template_unref(t);
    return rc;
}

static int check_templates(struct check *c, const struct json *list)
{
    int rc = 0;

    c->row = 0;
    for (const struct json *row = list->child; row != NULL && rc == 0; row = row->next, c->row++)
        rc = check_template(c, row);
    return rc;
}

static int (*const more[PART_COUNT])(struct check *c, const struct json *list) = {
    [PART_TEMPLATES] = check_templates,
    [PART_STEPS] = check_steps,
};

// ---- the whole

static int check_part(struct check *c, enum document_part_id id)
{
    const struct json *v = json_get(c->document, document_parts[id].name);
    int rc = 0;

    c->part = &document_parts[id];
    c->row = 0;
    if (v == NULL)
        return wrong_at(c->err, TASKER_E_INVALID, c->part->name, "is missing");
    if (!c->part->list)
        return check_row(c, v);
    if (v->type != JSON_ARRAY)
        return wrong_at(c->err, TASKER_E_INVALID, c->part->name, "must be an array");
    for (const struct json *row = v->child; row != NULL && rc == 0; row = row->next, c->row++)
        rc = check_row(c, row);
    return rc == 0 && more[id] != NULL ? more[id](c, v) : rc;
}

static bool is_member(struct span key)
{
    for (size_t i = 0; i < PART_COUNT; i++)
        if (span_is(key, document_parts[i].name))
            return true;
    return span_is(key, "format") || span_is(key, "tasker");
}

static int check_head(const struct json *document, tasker_error *err)
{
    const struct json *format = json_get(document, "format"), *by = json_get(document, "tasker");
    int64_t n = 0;

    if (format == NULL)
        return wrong_at(err, TASKER_E_INVALID, "format", "is missing: this is no document of a task");
    if (!json_int(format, &n) || n < 1)
        return wrong_at(err, TASKER_E_INVALID, "format", "must be an integer above 0");
    if (n > DOCUMENT_FORMAT) {
        err_set(err, TASKER_E_UNSUPPORTED, "format: the document has version %lld, this program knows %d", (long long)n,
                DOCUMENT_FORMAT);
        err_where(err, 0, 0, "$.document.format");
        err_remedy(err, "use a newer version of this program");
        return TASKER_E_UNSUPPORTED;
    }
    if (by == NULL || by->type != JSON_STRING)
        return wrong_at(err, TASKER_E_INVALID, "tasker", by == NULL ? "is missing" : "must be a string");
    return 0;
}

int document_check(struct arena *arena, const struct json *document, tasker_error *err)
{
    struct check c = {.arena = arena, .document = document, .err = err};

    if (document == NULL || document->type != JSON_OBJECT) {
        err_set(err, TASKER_E_INVALID, "the document must be an object");
        err_where(err, 0, 0, "$.document");
        return TASKER_E_INVALID;
    }
    int rc = check_head(document, err);
    for (const struct json *m = document->child; m != NULL && rc == 0; m = m->next) {
        char key[64];
        snprintf(key, sizeof(key), "%.*s", (int)m->key.len, m->key.p);
        if (!is_member(m->key))
            rc = wrong_at(err, TASKER_E_INVALID, key, "is not known");
    }
    for (size_t i = 0; i < PART_COUNT && rc == 0; i++)
        rc = check_part(&c, (enum document_part_id)i);
    return rc;
}

const struct json *document_first(const struct json *document, enum document_part_id part)
{
    const struct json *v = json_get(document, document_parts[part].name);

    return document_parts[part].list ? v->child : v;
}
