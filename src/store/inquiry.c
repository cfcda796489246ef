// SPDX-License-Identifier: MIT
// inquiry.c - see inquiry.h. The tables of questions and operations are in queries.h.
#include "store/inquiry.h"

#include <string.h>

struct entry {
    const char *name;
    int (*run)(struct inquiry *a, tasker_error *err);
};
static const struct entry questions[] = {
#define X(function, name) {name, query_##function},
    QUERIES_SHARED(X)
#undef X
    {NULL, NULL}};
static const struct entry operations[] = {
#define X(function, name) {name, operate_##function},
    OPERATIONS(X)
#undef X
    {NULL, NULL}};

// ---- rows

void rows_close(struct rows *r)
{
    if (r->a != NULL)
        r->a->ops->close(r);
    r->a = NULL;
}

int rows_next(struct rows *r, tasker_error *err)
{
    return r->a->ops->next(r, err);
}

bool rows_null(const struct rows *r, int i)
{
    return r->a->ops->null(r, i);
}

int64_t rows_int(const struct rows *r, int i)
{
    return rows_null(r, i) ? 0 : r->a->ops->integer(r, i);
}

bool rows_bool(const struct rows *r, int i)
{
    return rows_int(r, i) != 0;
}

struct span rows_text(const struct rows *r, int i)
{
    return rows_null(r, i) ? (struct span){NULL, 0} : r->a->ops->text(r, i);
}

struct span rows_keep(struct rows *r, int i)
{
    struct span s = rows_text(r, i);

    if (s.p != NULL)
        s.p = arena_dup(&r->a->arena, s.p, s.len);
    return s.p == NULL ? (struct span){NULL, 0} : s;
}

int64_t rows_time(const struct rows *r, int i)
{
    int64_t us;

    return time_parse(rows_text(r, i), &us) ? us : 0;
}

// ---- arguments

int64_t given_int(const struct inquiry *a, const char *name, int64_t otherwise)
{
    const struct json *v = json_get(a->args, name);
    int64_t n;

    return v != NULL && json_int(v, &n) ? n : otherwise;
}

bool given_bool(const struct inquiry *a, const char *name)
{
    const struct json *v = json_get(a->args, name);

    return v != NULL && v->type == JSON_BOOL && v->truth;
}

struct span given_text(const struct inquiry *a, const char *name)
{
    const struct json *v = json_get(a->args, name);

    return v != NULL && v->type == JSON_STRING ? v->str : (struct span){NULL, 0};
}

bool given_time(const struct inquiry *a, const char *name, int64_t *ret)
{
    return time_parse(given_text(a, name), ret);
}

int64_t given_limit(const struct inquiry *a, int64_t otherwise)
{
    int64_t n = given_int(a, "limit", otherwise);

    return n < 1 ? 1 : n > QUERY_LIMIT_MAX ? QUERY_LIMIT_MAX : n;
}

const struct json *given_list(const struct inquiry *a, const char *name)
{
    const struct json *v = json_get(a->args, name);

    return v != NULL && v->type == JSON_ARRAY ? v : NULL;
}

// ---- answers

void put_text(struct inquiry *a, const char *key, struct rows *r, int i)
{
    struct span s = rows_text(r, i);

    jw_key(a->out, key);
    if (s.p == NULL)
        jw_null(a->out);
    else
        jw_strn(a->out, s.p, s.len);
}

void put_json(struct inquiry *a, const char *key, struct rows *r, int i)
{
    struct span s = rows_text(r, i);

    jw_kraw(a->out, key, s.p, s.len);
}

void put_time(struct inquiry *a, const char *key, struct rows *r, int i)
{
    jw_ktime(a->out, key, rows_time(r, i));
}

void put_int(struct inquiry *a, const char *key, struct rows *r, int i)
{
    jw_key(a->out, key);
    if (rows_null(r, i))
        jw_null(a->out);
    else
        jw_int(a->out, rows_int(r, i));
}

void put_bool(struct inquiry *a, const char *key, struct rows *r, int i)
{
    jw_key(a->out, key);
    if (rows_null(r, i))
        jw_null(a->out);
    else
        jw_bool(a->out, rows_bool(r, i));
}

// ---- the tables

static const struct entry *find(const struct entry *list, const char *name)
{
    for (; list->name != NULL; list++)
        if (strcmp(list->name, name) == 0)
            return list;
    return NULL;
}

static int run(const struct entry *e, struct inquiry *a, tasker_error *err)
{
    arena_init(&a->arena);
    a->postgres = a->ops->postgres;
    int rc = e->run(a, err);
    if (rc >= 0)
        rc = a->arena.failed ? err_nomem(err) : 0;
    arena_done(&a->arena);
    return rc;
}

int inquire(struct store *s, const struct inquiry_ops *ops, const char *name, const struct json *arguments, int64_t now,
            struct buf *out, tasker_error *err)
{
    const struct entry *e = find(questions, name);
    struct inquiry a = {.store = s, .ops = ops, .args = arguments, .now = now, .out = out};

    if (e == NULL)
        return err_set(err, TASKER_E_UNSUPPORTED, "this database answers no query \"%s\"", name);
    int rc = ops->begin(&a, false, err);
    if (rc < 0)
        return rc;
    rc = run(e, &a, err);
    ops->rollback(&a);
    return rc;
}

int inquire_to_write(struct store *s, const struct inquiry_ops *ops, const char *name, const struct json *arguments,
                     int64_t now, struct buf *out, tasker_error *err)
{
    const struct entry *e = find(operations, name);
    struct inquiry a = {.store = s, .ops = ops, .args = arguments, .now = now, .out = out};

    if (e == NULL)
        return err_set(err, TASKER_E_UNSUPPORTED, "this database knows no operation \"%s\"", name);
    int rc = run(e, &a, err);
    ops->rollback(&a); // what a failed operation left open
    return rc;
}
