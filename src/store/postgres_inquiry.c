// SPDX-License-Identifier: MIT
// postgres_inquiry.c - what inquiry.h needs of PostgreSQL: transactions, statements, rows. A statement is one round
// trip; all its rows come at once.
#include "store/inquiry.h"
#include "store/postgres.h"

// A pipe that fails leaves no transaction open.
static int plain(struct inquiry *a, const char *sql, tasker_error *err)
{
    struct pipe q;

    pipe_init(&q, postgres_of(a->store));
    (void)pipe_add_text(&q, sql);
    int rc = pipe_run(&q, "the database was asked", err);
    pipe_done(&q);
    return rc;
}

static int begin(struct inquiry *a, bool write, tasker_error *err)
{
    struct pipe q;

    if (!write)
        return plain(a, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", err);
    pipe_init(&q, postgres_of(a->store));
    pipe_bind(&q);
    (void)pipe_add(&q, PG_BEGIN);
    (void)postgres_follow(&q, true); // tasks that are imported take ids
    int rc = pipe_run(&q, "the database was asked", err);
    pipe_done(&q);
    return rc;
}

static int commit(struct inquiry *a, tasker_error *err)
{
    return plain(a, "COMMIT", err);
}

static void roll_back(struct inquiry *a)
{
    const struct postgres *p = postgres_of(a->store);

    if (p->conn == NULL || PQtransactionStatus(p->conn) == PQTRANS_IDLE)
        return;
    int rc = plain(a, "ROLLBACK", NULL);
    (void)rc; // the connection is gone, and the transaction with it
}

static void parameter(struct pipe *q, const struct value *v)
{
    switch (v->kind) {
    case VALUE_INT:
        pipe_int8(q, v->number);
        break;
    case VALUE_BOOL:
        pipe_bool(q, v->number != 0);
        break;
    case VALUE_TIME:
        pipe_moment(q, v->number);
        break;
    default:
        pipe_text(q, v->kind == VALUE_TEXT ? v->text : (struct span){NULL, 0});
    }
}

static void close_rows(struct rows *r)
{
    pipe_done(r->held);
    mem_free(r->held);
}

static int open_rows(struct inquiry *a, const char *sql, const struct value *values, size_t count, struct rows *ret,
                     tasker_error *err)
{
    struct rows r = {.a = a, .held = mem_alloc(sizeof(struct pipe))};

    if (r.held == NULL) {
        roll_back(a);
        return err_nomem(err);
    }
    pipe_init(r.held, postgres_of(a->store));
    if (a->patience_us != 0)
        ((struct pipe *)r.held)->patience_us = a->patience_us;
    (void)pipe_add_text(r.held, sql);
    for (size_t i = 0; i < count; i++)
        parameter(r.held, &values[i]);
    int rc = pipe_run(r.held, "the database was asked", err);
    if (rc < 0) {
        close_rows(&r);
        roll_back(a);
        return rc;
    }
    r.count = pg_rows(pipe_result(r.held, 0));
    *ret = r;
    return 0;
}

static int next(struct rows *r, tasker_error *err)
{
    (void)err;
    if (r->at >= r->count)
        return 0;
    r->at++;
    return 1;
}

static bool null(const struct rows *r, int i)
{
    return pg_null_at(pipe_result(r->held, 0), r->at - 1, i);
}

static int64_t integer(const struct rows *r, int i)
{
    const PGresult *result = pipe_result(r->held, 0);
    struct span s = pg_span_at(result, r->at - 1, i);

    return s.len == 1 && s.p[0] > '9' ? s.p[0] == 't' : pg_int_at(result, r->at - 1, i);
}

static struct span text(const struct rows *r, int i)
{
    return pg_span_at(pipe_result(r->held, 0), r->at - 1, i);
}

static int64_t hit(struct rows *r)
{
    return pg_hit(pipe_result(r->held, 0));
}

const struct inquiry_ops postgres_inquiry = {
    .postgres = true,
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

int postgres_query(struct store *base, const char *name, const struct json *arguments, int64_t now, struct buf *out,
                   tasker_error *err)
{
    return inquire(base, &postgres_inquiry, name, arguments, now, out, err);
}

int postgres_operate(struct store *base, const char *name, const struct json *arguments, int64_t now, struct buf *out,
                     tasker_error *err)
{
    return inquire_to_write(base, &postgres_inquiry, name, arguments, now, out, err);
}
