// SPDX-License-Identifier: MIT
// sqlite_sql.c - prepared statements: each is prepared when it is used for the first time and kept
// until the connection closes; binding goes by position and fails once. Texts are bound without a
// copy, so they must live until the statement has run; they are never looked at after that.
#include <string.h>

#include "store/sqlite.h"

const char *const sqlite_statement_texts[SQL_COUNT] = {
#define X(name, text) [SQL_##name] = text,
    SQLITE_STATEMENTS(X)
#undef X
};

void sql_start(struct sql *q, struct sqlite *s, enum sqlite_statement id)
{
    q->s = s;
    q->rc = SQLITE_OK;
    q->at = q->times = 0;
    if (!s->statements[id])
        q->rc = sqlite3_prepare_v3(s->db, sqlite_statement_texts[id], -1, SQLITE_PREPARE_PERSISTENT,
                                   &s->statements[id], NULL);
    q->st = s->statements[id];
}

// Every binding of a statement comes by here.
#define BIND(q, call)                                                                              \
    do {                                                                                           \
        (q)->at++;                                                                                 \
        if ((q)->rc == 0)                                                                          \
            (q)->rc = (call);                                                                      \
    } while (0)

void sql_int(struct sql *q, int64_t v)
{
    BIND(q, sqlite3_bind_int64(q->st, q->at, v));
}

void sql_int_or_null(struct sql *q, int64_t v, int64_t null)
{
    if (v == null)
        BIND(q, sqlite3_bind_null(q->st, q->at));
    else
        sql_int(q, v);
}

void sql_span(struct sql *q, struct span text)
{
    if (!text.p)
        BIND(q, sqlite3_bind_null(q->st, q->at));
    else
        BIND(q, sqlite3_bind_text64(q->st, q->at, text.p, text.len, SQLITE_STATIC, SQLITE_UTF8));
}

void sql_str(struct sql *q, const char *text)
{
    sql_span(q, span_of(text));
}

// Calendar arithmetic only when the second changes: most rows of a turn share one.
static void time_text(struct sqlite *s, int64_t us, char out[TIME_TEXT_SIZE])
{
    int64_t second = us / US_PER_SECOND, rest = us % US_PER_SECOND;
    if (us < 0 || second != s->text_second) {
        time_db(us, s->text_prefix);
        s->text_second = us < 0 ? INT64_MIN : second;
        memcpy(out, s->text_prefix, TIME_TEXT_SIZE);
        return;
    }
    memcpy(out, s->text_prefix, TIME_TEXT_SIZE);
    for (int i = 25; i >= 20; i--) {
        out[i] = (char)('0' + rest % 10);
        rest /= 10;
    }
}

void sql_time(struct sql *q, int64_t us)
{
    if (us == 0) {
        BIND(q, sqlite3_bind_null(q->st, q->at));
        return;
    }
    char *text = q->time[q->times++];
    time_text(q->s, us, text);
    sql_span(q, span_of(text));
}

int sql_end(struct sql *q)
{
    if (q->st)
        sqlite3_reset(q->st);
    return q->rc;
}

bool sql_row(struct sql *q)
{
    if (q->rc == SQLITE_OK) {
        int rc = sqlite3_step(q->st);
        if (rc == SQLITE_ROW)
            return true;
        if (rc != SQLITE_DONE)
            q->rc = rc;
    }
    sql_end(q);
    return false;
}

int sql_run(struct sql *q)
{
    while (sql_row(q))
        ;
    return q->rc;
}

int sql_hit(struct sql *q, int64_t *ret_rows)
{
    int rc = sql_run(q);
    if (rc == SQLITE_OK)
        *ret_rows = sqlite3_changes64(q->s->db);
    return rc;
}

// ----------------------------------------------------------------------------------------- columns

int64_t sql_int_at(const struct sql *q, int column)
{
    return sqlite3_column_int64(q->st, column);
}

bool sql_null_at(const struct sql *q, int column)
{
    return sqlite3_column_type(q->st, column) == SQLITE_NULL;
}

int64_t sql_int_or(const struct sql *q, int column, int64_t otherwise)
{
    return sql_null_at(q, column) ? otherwise : sql_int_at(q, column);
}

struct span sql_span_at(const struct sql *q, int column)
{
    const char *p = (const char *)sqlite3_column_text(q->st, column);
    return (struct span){p, p ? (size_t)sqlite3_column_bytes(q->st, column) : 0};
}

int64_t sql_time_at(const struct sql *q, int column)
{
    int64_t us = 0;
    struct span text = sql_span_at(q, column);
    return text.p && time_parse(text, &us) ? us : 0;
}

struct blob *sql_blob_at(struct sql *q, int column)
{
    if (sql_null_at(q, column))
        return NULL;
    struct span text = sql_span_at(q, column);
    struct blob *b = text.p ? blob_new(text.p, text.len) : NULL;
    if (!b)
        q->rc = SQLITE_NOMEM;
    return b;
}

struct span sql_keep(struct sql *q, struct arena *a, int column)
{
    if (sql_null_at(q, column))
        return (struct span){NULL, 0};
    struct span text = sql_span_at(q, column);
    const char *copy = text.p ? arena_dup(a, text.p, text.len) : NULL;
    if (!copy) {
        q->rc = SQLITE_NOMEM;
        return (struct span){NULL, 0};
    }
    return (struct span){copy, text.len};
}

int sql_one_int(struct sqlite *s, enum sqlite_statement id, int64_t parameter, int64_t otherwise,
                int64_t *ret)
{
    struct sql q;
    sql_start(&q, s, id);
    if (q.st && sqlite3_bind_parameter_count(q.st) > 0)
        sql_int(&q, parameter);
    int64_t v = otherwise;
    if (sql_row(&q)) {
        v = sql_int_or(&q, 0, otherwise);
        sql_end(&q);
    }
    if (q.rc == SQLITE_OK)
        *ret = v;
    return q.rc;
}

