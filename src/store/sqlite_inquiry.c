// SPDX-License-Identifier: MIT
// sqlite_inquiry.c - what inquiry.h needs of SQLite: transactions, statements, rows.
#include "store/inquiry.h"
#include "store/sqlite.h"

static struct sqlite *of(const struct inquiry *a)
{
    return sqlite_of(a->store);
}

static int begin(struct inquiry *a, bool write, tasker_error *err)
{
    struct sql q;

    if (!write)
        return sqlite_read_begin(of(a), err);
    sql_start(&q, of(a), SQL_BEGIN);
    int rc = sql_run(&q);
    return rc == SQLITE_OK ? 0 : sqlite_fail(of(a), rc, "the database could not be written", err);
}

static void roll_back(struct inquiry *a)
{
    sqlite_rollback(of(a));
}

static int commit(struct inquiry *a, tasker_error *err)
{
    struct sql q;

    sql_start(&q, of(a), SQL_COMMIT);
    int rc = sql_run(&q);
    if (rc == SQLITE_OK)
        return 0;
    int code = sqlite_fail(of(a), rc, "the database could not be written", err);
    roll_back(a);
    return code;
}

static int fail(struct inquiry *a, sqlite3_stmt *stmt, tasker_error *err)
{
    int code = sqlite_fail(of(a), sqlite3_extended_errcode(of(a)->db), "the database was asked", err);

    sqlite3_finalize(stmt);
    roll_back(a);
    return code;
}

static int bind(sqlite3_stmt *stmt, int place, const struct value *v)
{
    char text[TIME_TEXT_SIZE];

    switch (v->kind) {
    case VALUE_INT:
    case VALUE_BOOL:
        return sqlite3_bind_int64(stmt, place, v->number);
    case VALUE_TEXT:
        return sqlite3_bind_text64(stmt, place, v->text.p, v->text.len, SQLITE_STATIC, SQLITE_UTF8);
    case VALUE_TIME:
        return sqlite3_bind_text(stmt, place, time_db(v->number, text), -1, SQLITE_TRANSIENT);
    default:
        return sqlite3_bind_null(stmt, place);
    }
}

// A statement that gives no rows is run to its end here; of others the first row waits for next.
static int open_rows(struct inquiry *a, const char *sql, const struct value *values, size_t count, struct rows *ret,
                     tasker_error *err)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(of(a)->db, sql, -1, &stmt, NULL);

    for (size_t i = 0; i < count && rc == SQLITE_OK; i++)
        rc = bind(stmt, (int)i + 1, &values[i]);
    if (rc == SQLITE_OK && sqlite3_column_count(stmt) == 0)
        rc = sqlite3_step(stmt) == SQLITE_DONE ? SQLITE_OK : SQLITE_ERROR;
    if (rc != SQLITE_OK)
        return fail(a, stmt, err);
    *ret = (struct rows){.a = a, .held = stmt};
    return 0;
}

static int next(struct rows *r, tasker_error *err)
{
    if (sqlite3_column_count(r->held) == 0)
        return 0;
    int rc = sqlite3_step(r->held);
    if (rc == SQLITE_ROW || rc == SQLITE_DONE)
        return rc == SQLITE_ROW;
    rc = fail(r->a, r->held, err);
    r->a = NULL;
    return rc;
}

static bool null(const struct rows *r, int i)
{
    return sqlite3_column_type(r->held, i) == SQLITE_NULL;
}

static int64_t integer(const struct rows *r, int i)
{
    return sqlite3_column_int64(r->held, i);
}

static struct span text(const struct rows *r, int i)
{
    const char *p = (const char *)sqlite3_column_text(r->held, i);

    return (struct span){p, p == NULL ? 0 : (size_t)sqlite3_column_bytes(r->held, i)};
}

static int64_t hit(struct rows *r)
{
    return sqlite3_changes64(of(r->a)->db);
}

static void close_rows(struct rows *r)
{
    sqlite3_finalize(r->held);
}

const struct inquiry_ops sqlite_inquiry = {
    .begin = begin,
    .commit = commit,
    .rollback = roll_back,
    .open = open_rows,
    .next = next,
    .null = null,
    .integer = integer,
    .text = text,
    .hit = hit,
    .close = close_rows,
};

int sqlite_operate(struct store *base, const char *name, const struct json *arguments, int64_t now, struct buf *out,
                   tasker_error *err)
{
    return inquire_to_write(base, &sqlite_inquiry, name, arguments, now, out, err);
}

int sqlite_query(struct store *base, const char *name, const struct json *arguments, int64_t now, struct buf *out,
                 tasker_error *err)
{
    return inquire(base, &sqlite_inquiry, name, arguments, now, out, err);
}
