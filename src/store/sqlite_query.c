// SPDX-License-Identifier: MIT
// sqlite_query.c - the questions of queries.h on SQLite: the table of them, the transaction around
// each, and the small things that all of them need.
//
// Adding a query: a row in queries.h and a function in one of the files beside.
#include "store/sqlite_query.h"

#include <string.h>

#include "base/util.h"
#include "store/inquiry.h"

static const struct query {
    const char *name;
    int (*run)(struct ask *a, tasker_error *err);
} queries[] = {
#define X(name, text) {text, query_##name},
    QUERIES(X)
#undef X
};

// ---- arguments

int64_t ask_int(const struct ask *a, const char *name, int64_t otherwise)
{
    const struct json *v = json_get(a->args, name);
    int64_t n;

    return v != NULL && json_int(v, &n) ? n : otherwise;
}

struct span ask_text(const struct ask *a, const char *name)
{
    const struct json *v = json_get(a->args, name);

    return v != NULL && v->type == JSON_STRING ? v->str : (struct span){NULL, 0};
}

int64_t ask_limit(const struct ask *a, int64_t otherwise)
{
    int64_t n = ask_int(a, "limit", otherwise);

    return n < 1 ? 1 : n > QUERY_LIMIT_MAX ? QUERY_LIMIT_MAX : n;
}

// ---- statements

void stmt_freep(sqlite3_stmt **stmt)
{
    sqlite3_finalize(*stmt);
}

int ask_error(struct ask *a, tasker_error *err)
{
    return sqlite_fail(a->s, sqlite3_extended_errcode(a->s->db), "the database was asked", err);
}

int ask_prepare(struct ask *a, const char *sql, sqlite3_stmt **ret, tasker_error *err)
{
    return sqlite3_prepare_v2(a->s->db, sql, -1, ret, NULL) == SQLITE_OK ? 0 : ask_error(a, err);
}

int ask_prepare_id(struct ask *a, const char *sql, int64_t id, sqlite3_stmt **ret,
                   tasker_error *err)
{
    int rc = ask_prepare(a, sql, ret, err);

    if (rc == 0)
        sqlite3_bind_int64(*ret, 1, id);
    return rc;
}

void ask_bind_text(sqlite3_stmt *stmt, int place, struct span text)
{
    if (text.p == NULL)
        sqlite3_bind_null(stmt, place);
    else
        sqlite3_bind_text64(stmt, place, text.p, text.len, SQLITE_STATIC, SQLITE_UTF8);
}

int ask_next(struct ask *a, sqlite3_stmt *stmt, tasker_error *err)
{
    int rc = sqlite3_step(stmt);

    return rc == SQLITE_ROW ? 1 : rc == SQLITE_DONE ? 0 : ask_error(a, err);
}

int ask_nomem(struct ask *a, tasker_error *err)
{
    return a->arena.failed ? err_nomem(err) : 0;
}

const struct json *ask_parse(struct ask *a, struct span text)
{
    const struct json *v = NULL;
    int rc = text.len > 0 ? json_parse(&a->arena, text, &v, NULL) : 0;

    if (rc == TASKER_E_NOMEM)
        a->arena.failed = true;
    return v;
}

// ---- columns

static struct span column_view(sqlite3_stmt *stmt, int i)
{
    const char *text = (const char *)sqlite3_column_text(stmt, i);

    return (struct span){text, text == NULL ? 0 : (size_t)sqlite3_column_bytes(stmt, i)};
}

struct span column_text(struct ask *a, sqlite3_stmt *stmt, int i)
{
    struct span view = column_view(stmt, i);

    if (view.p != NULL)
        view.p = arena_dup(&a->arena, view.p, view.len);
    return view.p == NULL ? (struct span){NULL, 0} : view;
}

int64_t column_time(sqlite3_stmt *stmt, int i)
{
    int64_t us;

    return time_parse(column_view(stmt, i), &us) ? us : 0;
}

enum state column_state(sqlite3_stmt *stmt, int i)
{
    struct span view = column_view(stmt, i);

    return view.p == NULL ? ST_NONE : state_from_name(view);
}

void write_span(struct buf *out, const char *key, struct span text)
{
    jw_key(out, key);
    if (text.p == NULL)
        jw_null(out);
    else
        jw_strn(out, text.p, text.len);
}

void write_text(struct ask *a, const char *key, sqlite3_stmt *stmt, int i)
{
    write_span(a->out, key, column_view(stmt, i));
}

void write_json(struct ask *a, const char *key, sqlite3_stmt *stmt, int i)
{
    struct span view = column_view(stmt, i);

    jw_kraw(a->out, key, view.p, view.len);
}

void write_time(struct ask *a, const char *key, sqlite3_stmt *stmt, int i)
{
    jw_ktime(a->out, key, column_time(stmt, i));
}

// ---- the table

static const struct query *find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(queries); i++)
        if (strcmp(queries[i].name, name) == 0)
            return &queries[i];
    return NULL;
}

int sqlite_query(struct store *base, const char *name, const struct json *arguments, int64_t now,
                 struct buf *out, tasker_error *err)
{
    const struct query *q = find(name);
    struct ask a = {.s = sqlite_of(base), .args = arguments, .now = now, .out = out};

    if (q == NULL)
        return inquire(base, &sqlite_inquiry, name, arguments, now, out, err);
    int rc = sqlite_read_begin(a.s, err);
    if (rc < 0)
        return rc;
    arena_init(&a.arena);
    rc = q->run(&a, err);
    if (rc == 0)
        rc = ask_nomem(&a, err);
    arena_done(&a.arena);
    sqlite_read_end(a.s);
    return rc;
}
