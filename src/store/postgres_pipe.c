// SPDX-License-Identifier: MIT
// postgres_pipe.c - statements that are sent together and answered together.
//
// libpq's pipeline mode over a non-blocking socket: everything is queued in libpq, ended by one Sync, and then a loop
// around poll(2) writes and reads whatever is possible. Waiting in one direction only would deadlock as soon as both
// socket buffers are full: the server stops reading when nobody takes its answers.
//
// Parameters are binary. All their bytes lie one behind the other in one buffer; where a parameter begins is noted, it
// ends where the next one begins. An array is, in network byte order: dimensions (1, or 0 when empty), whether it may
// hold NULLs, type of the elements, and for its one dimension the number of elements and the first index; then each
// element with its length in front, -1 for NULL.
//
// A statement of the list is prepared under its name when it is first used, in the same pipeline just in front. It
// counts as prepared when the server has said so; what comes behind a failed statement is skipped by the server, so
// there is never a doubt. Behind a pooler the connection may be another one for every transaction, so there statements
// have no name and are parsed each time.
#include "store/postgres.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE_US (30 * US_PER_SECOND)
#define LAST_PATIENCE_US US_PER_SECOND // of an engine that ends
#define LOOK_MS 200
#define DATA_MAX ((size_t)INT32_MAX)
#define EPOCH_2000_US INT64_C(946684800000000) // PostgreSQL counts from here
#define JSONB_VERSION 1

struct pipe_parameter {
    uint32_t type; // OID
    bool null;
    size_t at; // in pipe.data
};

struct pipe_item {
    int32_t id; // enum pg_statement, -1: a text of its own
    char *text; // of its own; NULL: of the list
    size_t first, parameters;
    bool prepare;
    int64_t note;
    PGresult *result;
};

static const char *const statement_texts[PG_COUNT + 1] = {
#define X(name, text) [PG_##name] = text,
    PG_STATEMENTS(X)
#undef X
};

static const struct {
    uint32_t oid, array_oid;
} types[] = {
    [PG_INT8] = {20, 1016},   [PG_INT4] = {23, 1007},   [PG_BOOL] = {16, 1000},
    [PG_TEXT] = {25, 1009},   [PG_JSONB] = {3802, 3807}, [PG_JSON] = {114, 199},
    [PG_TIME] = {1114, 1115},
};

// ------------------------------------------------------------------------------------ building

void pipe_init(struct pipe *q, struct postgres *p)
{
    *q = (struct pipe){.p = p, .patience_us = PATIENCE_US};
    buf_init(&q->data, DATA_MAX);
}

void pipe_bind(struct pipe *q)
{
    tasker_error ignored;
    int rc = postgres_connect(q->p, &ignored);
    (void)rc;  // pipe_run tries again, and says why not
    q->bound = true;
    q->session = q->p->session;
}

void pipe_done(struct pipe *q)
{
    for (size_t i = 0; i < q->count; i++) {
        PQclear(q->items[i].result);
        mem_free(q->items[i].text);
    }
    mem_free(q->items);
    mem_free(q->parameters);
    buf_done(&q->data);
    *q = (struct pipe){0};
}

static size_t add(struct pipe *q, int32_t id, char *text)
{
    if (q->failed || mem_grow(&q->items, &q->cap, q->count + 1, sizeof(*q->items)) != 0) {
        q->failed = true;
        mem_free(text);
        return q->count;
    }
    q->items[q->count] = (struct pipe_item){.id = id, .text = text, .first = q->parameter_count, .note = -1};
    return q->count++;
}

size_t pipe_add(struct pipe *q, enum pg_statement id)
{
    return add(q, (int32_t)id, NULL);
}

size_t pipe_add_text(struct pipe *q, const char *sql)
{
    char *text = mem_strdup(sql);
    q->failed |= !text;
    return add(q, -1, text);
}

void pipe_note(struct pipe *q, int64_t note)
{
    if (!q->failed)
        q->items[q->count - 1].note = note;
}

int64_t pipe_noted(const struct pipe *q, size_t statement)
{
    return statement < q->count ? q->items[statement].note : -1;
}

static void parameter(struct pipe *q, uint32_t type, bool null)
{
    if (q->failed || mem_grow(&q->parameters, &q->parameter_cap, q->parameter_count + 1,
                              sizeof(*q->parameters)) != 0) {
        q->failed = true;
        return;
    }
    q->parameters[q->parameter_count++] =
        (struct pipe_parameter){.type = type, .null = null, .at = q->data.len};
    q->items[q->count - 1].parameters++;
}

static void put4(struct pipe *q, int32_t v)
{
    uint32_t bytes = htobe32((uint32_t)v);
    buf_add(&q->data, (const char *)&bytes, sizeof(bytes));
}

static void put8(struct pipe *q, int64_t v)
{
    uint64_t bytes = htobe64((uint64_t)v);
    buf_add(&q->data, (const char *)&bytes, sizeof(bytes));
}

void pipe_int8(struct pipe *q, int64_t v)
{
    parameter(q, types[PG_INT8].oid, false);
    put8(q, v);
}

void pipe_int8_or_null(struct pipe *q, int64_t v, int64_t null)
{
    parameter(q, types[PG_INT8].oid, v == null);
    if (v != null)
        put8(q, v);
}

void pipe_int4(struct pipe *q, int32_t v)
{
    parameter(q, types[PG_INT4].oid, false);
    put4(q, v);
}

void pipe_bool(struct pipe *q, bool v)
{
    parameter(q, types[PG_BOOL].oid, false);
    buf_char(&q->data, v ? 1 : 0);
}

void pipe_text(struct pipe *q, struct span v)
{
    parameter(q, types[PG_TEXT].oid, !v.p);
    buf_add(&q->data, v.p, v.p ? v.len : 0);
}

void pipe_str(struct pipe *q, const char *v)
{
    pipe_text(q, span_of(v));
}

void pipe_jsonb(struct pipe *q, struct span v)
{
    parameter(q, types[PG_JSONB].oid, !v.p);
    if (v.p) {
        buf_char(&q->data, JSONB_VERSION);
        buf_add(&q->data, v.p, v.len);
    }
}

void pipe_time(struct pipe *q, int64_t us)
{
    if (us == 0)
        parameter(q, types[PG_TIME].oid, true);
    else
        pipe_moment(q, us);
}

void pipe_moment(struct pipe *q, int64_t us)
{
    parameter(q, types[PG_TIME].oid, false);
    put8(q, us - EPOCH_2000_US);
}

void pipe_array(struct pipe *q, enum pg_type type, size_t count)
{
    parameter(q, types[type].array_oid, false);
    q->array_type = (int)type;
    put4(q, count > 0);
    put4(q, 1);
    put4(q, (int32_t)types[type].oid);
    if (count > INT32_MAX)
        q->failed = true;
    else if (count > 0) {
        put4(q, (int32_t)count);
        put4(q, 1);
    }
}

void pipe_item_null(struct pipe *q)
{
    put4(q, -1);
}

void pipe_item_int(struct pipe *q, int64_t v)
{
    switch (q->array_type) {
    case PG_INT4:
        put4(q, 4);
        put4(q, (int32_t)v);
        break;
    case PG_BOOL:
        put4(q, 1);
        buf_char(&q->data, v != 0);
        break;
    case PG_TIME:
        if (v == 0) {
            put4(q, -1);
            break;
        }
        put4(q, 8);
        put8(q, v - EPOCH_2000_US);
        break;
    default:
        put4(q, 8);
        put8(q, v);
    }
}

void pipe_item_span(struct pipe *q, struct span v)
{
    bool jsonb = q->array_type == PG_JSONB;
    if (!v.p) {
        put4(q, -1);
        return;
    }
    if (v.len >= DATA_MAX) {
        q->failed = true;
        return;
    }
    put4(q, (int32_t)(v.len + jsonb));
    if (jsonb)
        buf_char(&q->data, JSONB_VERSION);
    buf_add(&q->data, v.p, v.len);
}

// ------------------------------------------------------------------------------------- sending

// Where a run stands.
struct run {
    struct pipe *q;
    const char **values; // of all parameters
    int *lengths, *formats;
    Oid *types;
    size_t at;   // the statement whose answer comes next
    bool parsed; // the answer to its preparation was read
    bool synced; // the end was read
    PGresult *last_words; // what the server said before it hung up
};

static int lay_out(struct run *r)
{
    struct pipe *q = r->q;
    size_t n = q->parameter_count + 1;
    r->values = mem_alloc(n * sizeof(*r->values));
    r->lengths = mem_alloc(n * sizeof(*r->lengths));
    r->formats = mem_alloc(n * sizeof(*r->formats));
    r->types = mem_alloc(n * sizeof(*r->types));
    if (!r->values || !r->lengths || !r->formats || !r->types)
        return -1;
    for (size_t i = 0; i < q->parameter_count; i++) {
        const struct pipe_parameter *v = &q->parameters[i];
        size_t end = i + 1 < q->parameter_count ? q->parameters[i + 1].at : q->data.len;
        r->values[i] = v->null ? NULL : q->data.data ? q->data.data + v->at : "";
        r->lengths[i] = (int)(end - v->at);
        r->formats[i] = 1;
        r->types[i] = v->type;
    }
    return 0;
}

// Queues one statement in libpq, and its preparation in front when nobody has asked for that yet.
static bool queue_item(struct run *r, struct pipe_item *item, bool *asked)
{
    struct pipe *q = r->q;
    PGconn *conn = q->p->conn;
    int n = (int)item->parameters;
    const char *const *values = r->values + item->first;
    const int *lengths = r->lengths + item->first, *formats = r->formats + item->first;
    const Oid *oids = r->types + item->first;
    if (item->id < 0 || q->p->pooled)
        return PQsendQueryParams(conn, item->text ? item->text : statement_texts[item->id], n, oids,
                                 values, lengths, formats, 0) == 1;
    char name[24];
    (void)snprintf(name, sizeof(name), "tasker_%d", (int)item->id);
    item->prepare = !q->p->prepared[item->id] && !asked[item->id];
    asked[item->id] = true;
    if (item->prepare && PQsendPrepare(conn, name, statement_texts[item->id], n, oids) != 1)
        return false;
    return PQsendQueryPrepared(conn, name, n, values, lengths, formats, 0) == 1;
}

static bool queue_all(struct run *r)
{
    struct pipe *q = r->q;
    bool asked[PG_COUNT + 1] = {false};
    if (PQenterPipelineMode(q->p->conn) != 1)
        return false;
    for (size_t i = 0; i < q->count; i++) {
        q->sent_all = i + 1 == q->count;
        if (!queue_item(r, &q->items[i], asked))
            return false;
    }
    return PQpipelineSync(q->p->conn) == 1;
}

// ------------------------------------------------------------------------------------- reading

static bool is_failure(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    return status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_EMPTY_QUERY;
}

// Takes one result: of a preparation, of a statement, or the end.
static void take(struct run *r, PGresult *result)
{
    struct pipe *q = r->q;
    if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
        r->synced = true;
        PQclear(result);
        return;
    }
    if (r->at >= q->count) { // the connection's end
        PQclear(r->last_words);
        r->last_words = result;
        return;
    }
    struct pipe_item *item = &q->items[r->at];
    if (item->prepare && !r->parsed && !is_failure(result)) {
        q->p->prepared[item->id] = true;
        r->parsed = true;
        PQclear(result);
        return;
    }
    if (item->prepare && !r->parsed && item->result) { // of the statement whose preparation failed
        PQclear(result);
        r->parsed = true;
    } else {
        item->result = result;
        if (item->prepare && !r->parsed)
            return;
    }
    r->at++;
    r->parsed = false;
}

// Reads what is there; false: the connection is lost.
static bool take_all(struct run *r)
{
    PGconn *conn = r->q->p->conn;
    while (!r->synced && !PQisBusy(conn)) {
        PGresult *result = PQgetResult(conn);
        if (result)
            take(r, result);
        if (PQstatus(conn) == CONNECTION_BAD)
            return false;
    }
    return true;
}

// How long the server may be silent.
static int64_t patience(const struct pipe *q)
{
    bool ends = __atomic_load_n(&q->p->base.hurry, __ATOMIC_ACQUIRE) == HURRY_ALL;
    return ends && q->patience_us > LAST_PATIENCE_US ? LAST_PATIENCE_US : q->patience_us;
}

// Sends and reads until everything is answered; false: the connection is lost.
static bool exchange(struct run *r)
{
    PGconn *conn = r->q->p->conn;
    int64_t heard = clock_monotonic_us();
    while (!r->synced) {
        int unsent = PQflush(conn);
        if (unsent < 0)
            return false;
        struct pollfd fd = {.fd = PQsocket(conn), .events = POLLIN};
        if (unsent > 0)
            fd.events |= POLLOUT;
        int n = poll(&fd, 1, LOOK_MS);
        if (n == 0 && clock_monotonic_us() - heard < patience(r->q))
            continue;
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        if (fd.revents & ~POLLOUT)
            heard = clock_monotonic_us();
        if (PQconsumeInput(conn) != 1) {
            (void)take_all(r); // what it said before it hung up
            return false;
        }
        if (!take_all(r))
            return false;
    }
    return true;
}

// ------------------------------------------------------------------------------------ outcomes

static bool state_is(const char *sqlstate, const char *one)
{
    return strcmp(sqlstate, one) == 0;
}

// The answers that mean that this connection is of no use any more: the server is going away, or it takes no writes and
// another one behind the same address may.
static bool ends_connection(const PGresult *result)
{
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char *state = postgres_sqlstate(result);
    return (severity && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0)) ||
           strncmp(state, "57P", 3) == 0 || strncmp(state, "08", 2) == 0 || state_is(state, "25006");
}

// A name that the server does not know, or knows although we did not give it: the connections behind us change.
static void notice_pooler(struct postgres *p, const char *state)
{
    if (state_is(state, "26000") || state_is(state, "42P05")) {
        p->pooled = true;
        p->listening = false;
        memset(p->prepared, 0, sizeof(p->prepared));
    }
}

// Ends a transaction that a failure left open. Blocks for one round trip.
static bool roll_back(struct postgres *p)
{
    if (PQtransactionStatus(p->conn) != PQTRANS_INERROR)
        return PQtransactionStatus(p->conn) != PQTRANS_UNKNOWN;
    PGresult *result = PQexec(p->conn, "ROLLBACK");
    bool done = PQresultStatus(result) == PGRES_COMMAND_OK;
    PQclear(result);
    return done;
}

static void leave_pipeline(struct postgres *p)
{
    if (PQexitPipelineMode(p->conn) != 1 || !roll_back(p))
        postgres_disconnect(p);
}

static int find_failure(struct run *r, const char *what, tasker_error *err)
{
    struct pipe *q = r->q;
    for (size_t i = 0; i < q->count && q->items[i].result; i++)
        if (is_failure(q->items[i].result)) {
            const PGresult *result = q->items[i].result;
            q->failed_at = i;
            (void)snprintf(q->sqlstate, sizeof(q->sqlstate), "%s", postgres_sqlstate(result));
            int code = postgres_fail(q->p, result, what, err);
            notice_pooler(q->p, q->sqlstate);
            if (ends_connection(result))
                postgres_disconnect(q->p);
            return code;
        }
    return 0;
}

// The connection broke. A server that says why, in the place of an answer, has not come further than that.
static int lost(struct run *r, const char *what, tasker_error *err)
{
    struct pipe *q = r->q;
    int code = find_failure(r, what, err);
    if (code != 0 && q->sqlstate[0] != '\0' && strncmp(q->sqlstate, "08", 2) != 0) {
        postgres_disconnect(q->p);
        return code;
    }
    q->failed_at = q->count;
    q->sqlstate[0] = '\0';
    code = postgres_fail(q->p, r->last_words, what, err);
    postgres_disconnect(q->p);
    return code;
}

static int run(struct run *r, const char *what, tasker_error *err)
{
    struct pipe *q = r->q;
    if (lay_out(r) != 0)
        return err_nomem(err);
    q->sent = clock_monotonic_us();
    bool whole = queue_all(r) && exchange(r);
    q->received = clock_monotonic_us();
    if (!whole)
        return lost(r, what, err);
    int code = find_failure(r, what, err);
    if (q->p->conn)
        leave_pipeline(q->p);
    return code;
}

int pipe_run(struct pipe *q, const char *what, tasker_error *err)
{
    q->failed_at = q->count;
    if (q->failed || buf_failed(&q->data)) {
        q->failed = true;
        return err_nomem(err);
    }
    int code = postgres_connect(q->p, err);
    if (code == 0 && q->bound && q->session != q->p->session)
        code = err_set(err, TASKER_E_IO, "%s: the connection was made again (%s)", what, q->p->place);
    if (code != 0 || q->count == 0)
        return code;
    struct run r = {.q = q};
    code = run(&r, what, err);
    PQclear(r.last_words);
    mem_free(r.values);
    mem_free(r.lengths);
    mem_free(r.formats);
    mem_free(r.types);
    return code;
}

// ------------------------------------------------------------------------------------- results

const PGresult *pipe_result(const struct pipe *q, size_t statement)
{
    return statement < q->count ? q->items[statement].result : NULL;
}

size_t pg_rows(const PGresult *r)
{
    int n = PQntuples(r);
    return n > 0 ? (size_t)n : 0;
}

bool pg_null_at(const PGresult *r, size_t row, int column)
{
    return PQgetisnull(r, (int)row, column) != 0;
}

int64_t pg_int_at(const PGresult *r, size_t row, int column)
{
    return pg_int_or(r, row, column, 0);
}

int64_t pg_int_or(const PGresult *r, size_t row, int column, int64_t otherwise)
{
    return pg_null_at(r, row, column) ? otherwise : strtoll(PQgetvalue(r, (int)row, column), NULL, 10);
}

bool pg_bool_at(const PGresult *r, size_t row, int column)
{
    return !pg_null_at(r, row, column) && PQgetvalue(r, (int)row, column)[0] == 't';
}

struct span pg_span_at(const PGresult *r, size_t row, int column)
{
    if (pg_null_at(r, row, column))
        return (struct span){0};
    return (struct span){PQgetvalue(r, (int)row, column), (size_t)PQgetlength(r, (int)row, column)};
}

int64_t pg_time_at(const PGresult *r, size_t row, int column)
{
    int64_t us = 0;
    return time_parse(pg_span_at(r, row, column), &us) ? us : 0;
}

struct blob *pg_blob_at(struct pipe *q, const PGresult *r, size_t row, int column)
{
    struct span s = pg_span_at(r, row, column);
    struct blob *b = s.p ? blob_new(s.p, s.len) : NULL;
    q->failed |= s.p && !b;
    return b;
}

struct span pg_keep(struct pipe *q, struct arena *a, const PGresult *r, size_t row, int column)
{
    struct span s = pg_span_at(r, row, column);
    char *copy = s.p ? arena_dup(a, s.p, s.len) : NULL;
    q->failed |= s.p && !copy;
    return (struct span){copy, copy ? s.len : 0};
}

int64_t pg_hit(const PGresult *r)
{
    return strtoll(PQcmdTuples((PGresult *)(uintptr_t)r), NULL, 10);
}
