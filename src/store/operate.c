// SPDX-License-Identifier: MIT
// operate.c - see operate.h.
#include "store/operate.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

int operate_begin(struct inquiry *a, tasker_error *err)
{
    return a->ops->begin(a, true, err);
}

int operate_commit(struct inquiry *a, tasker_error *err)
{
    return a->ops->commit(a, err);
}

int refuse(tasker_error *err, int code, const char *argument, const char *fmt, ...)
{
    char text[400];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    err_set(err, code, "%s", text);
    err_where(err, 0, 0, "$.%s", argument);
    return code;
}

static bool blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

int given_words(const struct inquiry *a, const char *name, size_t max, bool required, struct span *ret,
                tasker_error *err)
{
    struct span s = given_text(a, name);

    if (s.p == NULL && !required) {
        *ret = s;
        return 0;
    }
    while (s.len > 0 && blank(s.p[0]))
        s = (struct span){s.p + 1, s.len - 1};
    while (s.len > 0 && blank(s.p[s.len - 1]))
        s.len--;
    if (s.len == 0)
        return refuse(err, TASKER_E_INVALID, name, "\"%s\" must not be empty", name);
    if (utf8_count(s.p, s.len) > max)
        return refuse(err, TASKER_E_INVALID, name, "\"%s\" must have %zu characters at most", name, max);
    *ret = s;
    return 0;
}

int build_id(struct build *b, int64_t *ret, tasker_error *err)
{
    CLEANUP(rows_close) struct rows r = {0};
    int64_t id = 0;
    int rc = build_open(b, &r, err);

    if (rc == 0)
        while ((rc = rows_next(&r, err)) == 1)
            id = rows_int(&r, 0);
    if (rc == 0)
        *ret = id;
    return rc;
}

// ---- transitions

static const struct {
    const char *flip, *put;
} moves[] = {
#define ROW(kind, table, id)                                                                                           \
    [kind] = {"UPDATE " table " SET most_recent = {false}, updated_at = ? WHERE " id " = ? AND most_recent = {true}",  \
              "INSERT INTO " table "(from_state, to_state, metadata, sort_key, most_recent, " id ", created_at,"       \
              " updated_at) SELECT ?, ?, {json}, coalesce(max(sort_key), 0) + 10, {true}, ?, ?, ? FROM " table         \
              " WHERE " id " = ?"}
    ROW(MOVES_TASK, "tasker_task_transitions", "task_id"),
    ROW(MOVES_STEP, "tasker_workflow_step_transitions", "workflow_step_id"),
#undef ROW
};

int operate_move(struct inquiry *a, enum mover kind, int64_t id, enum state from, enum state to, struct span metadata,
                 int64_t after, int64_t *ret_flipped, tasker_error *err)
{
    CLEANUP(build_done) struct build flip;
    CLEANUP(build_done) struct build put;
    int64_t at = after > a->now ? after : a->now;

    build_init(&flip, a);
    build_add(&flip, moves[kind].flip);
    build_time(&flip, a->now);
    build_int(&flip, id);
    build_init(&put, a);
    build_add(&put, moves[kind].put);
    build_text(&put, span_of(state_names[from]));
    build_text(&put, span_of(state_names[to]));
    build_text(&put, metadata);
    build_int(&put, id);
    build_time(&put, at);
    build_time(&put, at);
    build_int(&put, id);
    int rc = build_run(&flip, ret_flipped, err);
    return rc == 0 ? build_run(&put, NULL, err) : rc;
}

// ---- the catalogue

static const struct {
    const char *find, *put, *describe, *show;
} tables[] = {
#define ROW(kind, table, id)                                                                                           \
    [kind] = {"SELECT " id " FROM " table " WHERE name = ?",                                                           \
              "INSERT INTO " table "(name, description, created_at, updated_at) VALUES (?, ?, ?, ?)"                   \
              " ON CONFLICT (name) DO NOTHING RETURNING " id,                                                          \
              "UPDATE " table " SET description = ?, updated_at = ? WHERE " id " = ? AND"                              \
              " (description IS NULL OR description <> ?)",                                                            \
              "SELECT " id ", name, description FROM " table " WHERE " id " = ?"}
    ROW(CATALOGUE_SYSTEM, "tasker_dependent_systems", "dependent_system_id"),
    ROW(CATALOGUE_ANNOTATION_TYPE, "tasker_annotation_types", "annotation_type_id"),
    ROW(CATALOGUE_NAMESPACE, "tasker_task_namespaces", "task_namespace_id"),
#undef ROW
};

int catalogue_find(struct inquiry *a, enum catalogue kind, struct span name, int64_t *ret, tasker_error *err)
{
    CLEANUP(build_done) struct build b;

    build_init(&b, a);
    build_add(&b, tables[kind].find);
    build_text(&b, name);
    return build_one(&b, 0, ret, err);
}

int catalogue_put(struct inquiry *a, enum catalogue kind, struct span name, struct span description, int64_t *ret,
                  bool *ret_created, tasker_error *err)
{
    CLEANUP(build_done) struct build b;
    int64_t id = 0;
    int rc = catalogue_find(a, kind, name, &id, err);

    *ret_created = false;
    build_init(&b, a);
    if (rc == 0 && id == 0) {
        build_add(&b, tables[kind].put);
        build_text(&b, name);
        build_text(&b, description);
        build_time(&b, a->now);
        build_time(&b, a->now);
        rc = build_id(&b, &id, err);
        *ret_created = rc == 0 && id != 0;
    }
    if (rc == 0 && id == 0) // somebody else was first
        rc = catalogue_find(a, kind, name, &id, err);
    if (rc == 0)
        *ret = id;
    return rc;
}

static int describe(struct inquiry *a, enum catalogue kind, int64_t id, struct span description, tasker_error *err)
{
    CLEANUP(build_done) struct build b;

    build_init(&b, a);
    if (description.p == NULL)
        return 0;
    build_add(&b, tables[kind].describe);
    build_text(&b, description);
    build_time(&b, a->now);
    build_int(&b, id);
    build_text(&b, description);
    return build_run(&b, NULL, err);
}

static int show(struct inquiry *a, enum catalogue kind, const char *id_name, int64_t id, bool created,
                tasker_error *err)
{
    CLEANUP(build_done) struct build b;
    CLEANUP(rows_close) struct rows r = {0};

    build_init(&b, a);
    build_add(&b, tables[kind].show);
    build_int(&b, id);
    int rc = build_open(&b, &r, err);
    if (rc == 0)
        rc = rows_next(&r, err);
    if (rc < 0)
        return rc;
    if (rc == 0)
        return err_set(err, TASKER_E_CONFLICT, "the row was deleted in the same moment");
    jw_open(a->out, '{');
    put_int(a, id_name, &r, 0);
    put_text(a, "name", &r, 1);
    put_text(a, "description", &r, 2);
    jw_kbool(a->out, "created", created);
    jw_close(a->out, '}');
    return 0;
}

int catalogue_register(struct inquiry *a, enum catalogue kind, const char *id_name, tasker_error *err)
{
    struct span name, description;
    bool created = false;
    int64_t id = 0;
    int rc = given_words(a, "name", NAME_CHARS, true, &name, err);

    if (rc == 0)
        rc = given_words(a, "description", DESCRIPTION_CHARS, false, &description, err);
    if (rc == 0)
        rc = operate_begin(a, err);
    if (rc == 0)
        rc = catalogue_put(a, kind, name, description, &id, &created, err);
    if (rc == 0)
        rc = describe(a, kind, id, description, err);
    if (rc == 0)
        rc = show(a, kind, id_name, id, created, err);
    return rc == 0 ? operate_commit(a, err) : rc;
}
