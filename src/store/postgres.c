// SPDX-License-Identifier: MIT
// postgres.c - the PostgreSQL connection: opening, connecting again, session settings, the server's clock, hints, errors;
// the table of operations.
//
// The whole URI goes to libpq, less two parameters of ours: "tasker_notify=off" sends no NOTIFY and listens to none,
// "tasker_foreign_keys=each_turn" see postgres_keys.c.
// What the user left open is filled in: timeouts and keepalives, so that a peer that is gone is noticed within half a
// minute, and with several hosts the one that takes writes.
//
// A connection that was lost is made again by its next use; when that happened while it was idle, nothing fails. After a
// failure the next try waits 50 ms, doubling to 2 s; until then the answer is the last failure's, at once.
//
// Behind a pooler that hands out connections by transaction (PgBouncer) nothing may be kept in the session: no named
// statements, no LISTEN. Such a pooler tells its clients a process id of its own, which is how it is recognised; TimeZone
// and encoding it keeps per client. `changed` then never says so, and others are heard of by polling.
#include "store/postgres.h"

#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/backends.h"

#define FIRST_BACKOFF_US (50 * US_PER_MS)
#define MAX_BACKOFF_US (2 * US_PER_SECOND)
#define HINT_EVERY_US (250 * US_PER_MS)
#define CHANNEL "tasker_core"
#define OLDEST_SERVER 14
#define OPTIONS_MAX 65536

// -------------------------------------------------------------------------------------- errors

// SQLSTATEs by their first characters, the longer ones first.
static const struct {
    const char *state;
    int code;
    const char *remedy;
} error_codes[] = {
    {"40", TASKER_E_BUSY, NULL},
    {"55P03", TASKER_E_BUSY, "end the session that holds the lock, or wait for its end"},
    {"57014", TASKER_E_BUSY, "if it took too long: raise statement_timeout of the role or of the database"},
    {"26000", TASKER_E_BUSY, NULL},
    {"42P05", TASKER_E_BUSY, NULL},
    {"23", TASKER_E_CONFLICT, NULL},
    {"22", TASKER_E_INVALID, NULL},
    {"54000", TASKER_E_TOO_BIG, NULL},
    {"TC001", TASKER_E_STALE, NULL},
    {"TC002", TASKER_E_CONFLICT, NULL},
    {"25006", TASKER_E_IO, "the server takes no writes (a standby, or default_transaction_read_only): promote it, or "
                           "name the server that does"},
    {"53100", TASKER_E_IO, "make room on the server's disk"},
    {"53300", TASKER_E_IO, "raise max_connections, or put a pooler in front"},
    {"53", TASKER_E_IO, NULL},
    {"57P03", TASKER_E_IO, "wait until the server has started, or is a server again"},
    {"57P", TASKER_E_IO, NULL},
    {"58", TASKER_E_IO, NULL},
    {"08", TASKER_E_IO, NULL},
    {"28P01", TASKER_E_IO, "correct the password: in the URI, in PGPASSWORD, or in the password file (~/.pgpass)"},
    {"28", TASKER_E_IO, "create the role with the right to log in, or let it in by pg_hba.conf on the server"},
    {"3D000", TASKER_E_IO, "correct the name of the database, or create it: CREATE DATABASE name ENCODING 'UTF8'"},
    {"42501", TASKER_E_STORE, "grant the role what an engine needs: USAGE on the schema and its sequences, SELECT, INSERT, "
                             "UPDATE and DELETE on its tables"},
    {"42", TASKER_E_SCHEMA, "run `tasker db migrate`"},
    {"3F", TASKER_E_SCHEMA, "run `tasker db migrate`"},
};

const char *postgres_sqlstate(const PGresult *r)
{
    const char *state = r ? PQresultErrorField(r, PG_DIAG_SQLSTATE) : NULL;
    return state ? state : "";
}

// Row of error_codes for a SQLSTATE, or its number when there is none.
static size_t error_row(const char *state)
{
    size_t i = 0;
    while (i < ARRAY_SIZE(error_codes) && strncmp(state, error_codes[i].state, strlen(error_codes[i].state)) != 0)
        i++;
    return i;
}

// The connection's own words: several lines, of which the last newlines are cut and the others become spaces.
static void describe_connection(struct postgres *p, PGconn *conn, const char *what, tasker_error *err)
{
    char text[400];
    (void)snprintf(text, sizeof(text), "%s", conn ? PQerrorMessage(conn) : "no connection");
    size_t len = strlen(text);
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == ' '))
        text[--len] = '\0';
    for (char *c = text; *c; c++)
        if (*c == '\n' || *c == '\t')
            *c = ' ';
    err_set(err, TASKER_E_IO, "%s: %s (%s)", what, len > 0 ? text : "the connection was lost or is silent",
            p->place);
}

int postgres_fail(struct postgres *p, const PGresult *r, const char *what, tasker_error *err)
{
    const char *state = postgres_sqlstate(r);
    const char *reason = r ? PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    (void)snprintf(p->failed_with, sizeof(p->failed_with), "%s", state);
    if (state[0] == '\0' || !reason) {
        describe_connection(p, p->conn, what, err);
        return TASKER_E_IO;
    }
    size_t i = error_row(state);
    bool known = i < ARRAY_SIZE(error_codes);
    int code = known ? error_codes[i].code : TASKER_E_STORE;
    err_set(err, code, "%s: %s (%s)", what, reason, p->place);
    if (known && error_codes[i].remedy)
        err_remedy(err, "%s", error_codes[i].remedy);
    return code;
}

// ---------------------------------------------------------------------------------- connecting

static const char *option(const struct postgres *p, const char *keyword)
{
    for (const PQconninfoOption *o = p->options; o && o->keyword; o++)
        if (strcmp(o->keyword, keyword) == 0)
            return o->val && o->val[0] ? o->val : NULL;
    return NULL;
}

// What is used where neither the URI nor the environment says anything.
static const struct {
    const char *keyword, *value;
} defaults[] = {
    {"connect_timeout", "5"},      {"keepalives_idle", "10"},         {"keepalives_interval", "5"},
    {"keepalives_count", "3"},     {"tcp_user_timeout", "20000"},     {"client_encoding", "UTF8"},
    {"fallback_application_name", "tasker"},
};

static const char *default_of(const struct postgres *p, const PQconninfoOption *o)
{
    const char *host = option(p, "host");
    if (o->envvar && getenv(o->envvar))
        return NULL;
    for (size_t i = 0; i < ARRAY_SIZE(defaults); i++)
        if (strcmp(o->keyword, defaults[i].keyword) == 0)
            return defaults[i].value;
    bool many = host && strchr(host, ',') && !p->read_only;
    return many && strcmp(o->keyword, "target_session_attrs") == 0 ? "read-write" : NULL;
}

static PGconn *dial(const struct postgres *p)
{
    const char *keywords[64], *values[64];
    size_t n = 0;
    for (const PQconninfoOption *o = p->options; o->keyword && n < ARRAY_SIZE(keywords) - 1; o++) {
        const char *value = o->val && o->val[0] ? o->val : default_of(p, o);
        if (p->keys_by_turn && strcmp(o->keyword, "options") == 0)
            value = p->own_options;
        if (value) {
            keywords[n] = o->keyword;
            values[n++] = value;
        }
    }
    keywords[n] = values[n] = NULL;
    return PQconnectdbParams(keywords, values, 0);
}

// Every statement of ours is planned once: it finds its rows by index whatever the values are.
#define SESSION \
    "SET TimeZone = 'UTC'; SET standard_conforming_strings = on; "
#define DIRECT_SESSION                                                                            \
    "SET plan_cache_mode = force_generic_plan; SET jit = off; "                                   \
    "SET idle_in_transaction_session_timeout = '30s'; SET client_connection_check_interval = '5s'"
#define ASK_SERVER                                                                                \
    "SELECT pg_backend_pid(), (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, pg_is_in_recovery()"

static void stay_silent(void *user, const PGresult *r)
{
    (void)user;
    (void)r;
}

// Runs it; false: refused, or the connection was lost.
static bool plain(PGconn *conn, const char *sql)
{
    PGresult *r = PQexec(conn, sql);
    ExecStatusType status = PQresultStatus(r);
    PQclear(r);
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

void postgres_clock(struct postgres *p, int64_t database_us, int64_t sent, int64_t received)
{
    // The answer was made between the two, so the offset lies between these. What is known stays as long as it can be
    // true; it is then moved no further than this answer proves.
    int64_t least = database_us - received, most = database_us - sent;
    if (!p->clock_known)
        p->clock_offset = least + (most - least) / 2;
    else if (p->clock_offset < least)
        p->clock_offset = least;
    else if (p->clock_offset > most)
        p->clock_offset = most;
    p->clock_known = true;
}

static bool set_up(struct postgres *p)
{
    PQsetNoticeReceiver(p->conn, stay_silent, NULL);
    if (!plain(p->conn, SESSION))
        return false;
    int64_t sent = clock_monotonic_us();
    PGresult *r = PQexec(p->conn, ASK_SERVER);
    bool ok = PQresultStatus(r) == PGRES_TUPLES_OK;
    bool standby = ok && pg_bool_at(r, 0, 2);
    if (ok) {
        p->pooled = pg_int_at(r, 0, 0) != PQbackendPID(p->conn);
        postgres_clock(p, pg_int_at(r, 0, 1), sent, clock_monotonic_us());
    }
    PQclear(r);
    if (!ok || (!p->pooled && !plain(p->conn, DIRECT_SESSION)))
        return false;
    postgres_learn_history(p, standby);
    p->listening = !p->pooled && !standby && p->notify && !p->read_only;
    p->heard = p->listening; // what was said meanwhile was missed
    return !p->listening || plain(p->conn, "LISTEN " CHANNEL);
}

void postgres_disconnect(struct postgres *p)
{
    PQfinish(p->conn);
    p->conn = NULL;
    p->listening = false;
    p->tuned_ms = 0;
    memset(p->prepared, 0, sizeof(p->prepared));
}

// ------------------------------------------------------------------------------------------------- why it did not work

// libpq gives away the SQLSTATE of a refused connection only in its most talkative text: "FATAL:  3D000: ...".
static void sqlstate_in(const char *text, char out[6])
{
    out[0] = '\0';
    for (const char *at = text; (at = strstr(at, ":  ")); at++)
        if (strspn(at + 3, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 5 && at[8] == ':')
            (void)snprintf(out, 6, "%.5s", at + 3);
}

// What libpq itself complains of, by words that no translation loses or few read translated; the last fits everything.
static const struct {
    const char *words, *remedy;
} complaints[] = {
    {"SSL", "see sslmode, sslrootcert and sslcert of the URI"},
    {"certificate", "see sslmode, sslrootcert and sslcert of the URI"},
    {"invalid ", "correct that parameter of the URI, or the variable PG... that sets it"},
    {"session is", "none of these takes writes: promote a standby, or name the server that does"},
    {"", "see whether the server runs and listens there, and correct host and port: pg_isready -h HOST -p PORT"},
};

static const char *complaint_remedy(const char *text)
{
    size_t i = 0;
    while (!strstr(text, complaints[i].words))
        i++;
    return complaints[i].remedy;
}

// What to do about a connection that was not made. Whoever spoke with a server, which is what ":  " shows in every
// language, asks it once more for the SQLSTATE. NULL: there is nothing to advise.
static const char *connect_remedy(PGconn *conn)
{
    char state[6];
    if (PQconnectionNeedsPassword(conn))
        return "the server asks for a password: give it in the URI, in PGPASSWORD, or in the password file (~/.pgpass)";
    if (!strstr(PQerrorMessage(conn), ":  "))
        return complaint_remedy(PQerrorMessage(conn));
    PQsetErrorVerbosity(conn, PQERRORS_VERBOSE);
    PQreset(conn);
    sqlstate_in(PQerrorMessage(conn), state);
    size_t i = state[0] ? error_row(state) : ARRAY_SIZE(error_codes);
    return i < ARRAY_SIZE(error_codes) ? error_codes[i].remedy : NULL;
}

// Fills in p->trouble. As long as it stays the same, nobody is asked what to do again.
static void explain_trouble(struct postgres *p)
{
    tasker_error last = p->trouble;
    describe_connection(p, p->conn, "no connection to the database", &p->trouble);
    if (p->backoff_us > 0 && strcmp(last.message, p->trouble.message) == 0) {
        p->trouble = last;
        return;
    }
    bool refused = p->conn && PQstatus(p->conn) != CONNECTION_OK;
    const char *remedy = refused ? connect_remedy(p->conn) : NULL;
    if (p->keys_by_turn && postgres_keys_remedy(p->trouble.message))
        remedy = postgres_keys_remedy(p->trouble.message);
    if (remedy)
        err_remedy(&p->trouble, "%s", remedy);
}

// What no later try will change: a server that is too old, a database whose texts are no Unicode.
static bool fits(struct postgres *p)
{
    const char *encoding = PQparameterStatus(p->conn, "server_encoding");
    int version = PQserverVersion(p->conn);
    if (version > 0 && version < OLDEST_SERVER * 10000) {
        err_set(&p->trouble, TASKER_E_UNSUPPORTED, "the server is PostgreSQL %s (%s)",
                PQparameterStatus(p->conn, "server_version"), p->place);
        err_remedy(&p->trouble, "use PostgreSQL %d or newer", OLDEST_SERVER);
        return false;
    }
    if (encoding && strcmp(encoding, "UTF8") != 0) {
        err_set(&p->trouble, TASKER_E_UNSUPPORTED, "the encoding of the database is %s, not UTF8 (%s)", encoding, p->place);
        err_remedy(&p->trouble, "use a database made by CREATE DATABASE name ENCODING 'UTF8' TEMPLATE template0");
        return false;
    }
    return true;
}

static int refuse(struct postgres *p, tasker_error *err)
{
    if (err)
        *err = p->trouble;
    return p->trouble.code;
}

#define LAST_WORDS 4 // reads until the end of a stream: what the server said before it hung up comes first

// A session that the server has ended while nothing was asked is known to be over before anything is sent on it: nobody
// has to wonder what became of that.
static bool hung_up(PGconn *conn)
{
    struct pollfd fd = {.fd = PQsocket(conn), .events = POLLIN};
    bool over = PQstatus(conn) != CONNECTION_OK;
    for (int i = 0; i < LAST_WORDS && !over && poll(&fd, 1, 0) > 0; i++)
        over = PQconsumeInput(conn) != 1;
    return over;
}

int postgres_connect(struct postgres *p, tasker_error *err)
{
    if (p->conn && !hung_up(p->conn))
        return 0;
    postgres_disconnect(p);
    if (p->backoff_us > 0 && clock_monotonic_us() - p->tried_at < p->backoff_us)
        return refuse(p, err);
    p->conn = dial(p);
    bool made = p->conn && PQstatus(p->conn) == CONNECTION_OK, fit = !made || fits(p);
    bool ready = made && fit && set_up(p);
    if (ready && (!p->keys_by_turn || postgres_keys_ready(p)) && PQsetnonblocking(p->conn, 1) == 0) {
        p->backoff_us = 0;
        return 0;
    }
    if (fit && !ready)
        explain_trouble(p);
    postgres_disconnect(p);
    p->tried_at = clock_monotonic_us();
    p->backoff_us = p->backoff_us == 0 ? FIRST_BACKOFF_US : p->backoff_us * 2;
    if (p->backoff_us > MAX_BACKOFF_US)
        p->backoff_us = MAX_BACKOFF_US;
    return refuse(p, err);
}

// ------------------------------------------------------------------------------ time and hints

static int64_t postgres_now(struct store *base)
{
    struct postgres *p = postgres_of(base);
    return p->clock_known ? clock_monotonic_us() + p->clock_offset : clock_real_us();
}

// Takes what has arrived. Others' notifications count, not our own.
static void take_notifications(struct postgres *p)
{
    struct pollfd fd = {.fd = PQsocket(p->conn), .events = POLLIN};
    if (poll(&fd, 1, 0) > 0 && PQconsumeInput(p->conn) != 1) {
        postgres_disconnect(p);
        p->heard = true;
        return;
    }
    PGnotify *n;
    while ((n = PQnotifies(p->conn))) {
        p->heard |= n->be_pid != PQbackendPID(p->conn);
        PQfreemem(n);
    }
}

static bool postgres_changed(struct store *base)
{
    struct postgres *p = postgres_of(base);
    if (p->conn && p->listening)
        take_notifications(p);
    bool heard = p->heard;
    p->heard = false;
    return heard;
}

// Sent apart from any turn: a transaction that notifies holds a lock until it is durable, so all of them would wait for
// each other's commits.
static void postgres_hint(struct store *base)
{
    struct postgres *p = postgres_of(base);
    int64_t now = clock_monotonic_us();
    if (!p->conn || !p->notify || p->read_only || (p->hinted_at != 0 && now - p->hinted_at < HINT_EVERY_US))
        return;
    p->hinted_at = now;
    struct pipe q;
    pipe_init(&q, p);
    pipe_add(&q, PG_NOTIFY);
    tasker_error ignored;
    int code = pipe_run(&q, "a hint to others", &ignored);
    (void)code; // only a hint: the next turn meets the same trouble
    pipe_done(&q);
}

// ------------------------------------------------------------------------------------- opening

static const char *postgres_database_id(struct store *base)
{
    return postgres_of(base)->database_id;
}

// The server keeps its log by itself.
static int postgres_checkpoint(struct store *base, tasker_error *err)
{
    (void)base;
    (void)err;
    return 0;
}

static void postgres_close(struct store *base)
{
    struct postgres *p = postgres_of(base);
    postgres_disconnect(p);
    PQconninfoFree(p->options);
    mem_free(p->place);
    mem_free(p->own_options);
    mem_free(p->host);
    mem_free(p->boot_id);
    mem_free(p);
}

// Parameters of ours: what stands behind each for no and yes.
static const struct own_parameter {
    const char *name, *no, *yes;
    size_t offset;
} own_parameters[] = {
    {"tasker_notify", "off", "on", offsetof(struct postgres, notify)},
    {"tasker_foreign_keys", "each_row", "each_turn", offsetof(struct postgres, keys_by_turn)},
};

// Takes the parameter out of the URI's query.
static int read_own_parameter(struct postgres *p, char *uri, const struct own_parameter *own, tasker_error *err)
{
    bool *yes = (bool *)((char *)p + own->offset);
    size_t name = strlen(own->name);
    for (char *at = strchr(uri, '?'); at && at[0] != '\0';) {
        char *word = at + 1;
        size_t len = strcspn(word, "&");
        if (strncmp(word, own->name, name) != 0 || word[name] != '=') {
            at = word[len] == '&' ? word + len : NULL;
            continue;
        }
        struct span value = {word + name + 1, len - name - 1};
        if (!span_is(value, own->yes) && !span_is(value, own->no))
            return err_set(err, TASKER_E_INVALID, "%s is \"%s\" or \"%s\"", own->name, own->yes, own->no);
        *yes = span_is(value, own->yes);
        // The one behind takes its place, or the separator in front goes too.
        if (word[len] == '&')
            memmove(word, word + len + 1, strlen(word + len + 1) + 1);
        else
            at[0] = '\0';
    }
    return 0;
}

// Where the server is not to check foreign keys, it is told so with the request to connect. The user's own options come
// first: of two with one name the last counts.
static int keep_own_options(struct postgres *p, tasker_error *err)
{
    const char *given = option(p, "options"), *environment = getenv("PGOPTIONS");
    struct buf b;
    buf_init(&b, OPTIONS_MAX);
    given = given ? given : environment ? environment : "";
    buf_printf(&b, "%s -csession_replication_role=replica", given);
    p->own_options = buf_take(&b, NULL);
    buf_done(&b);
    return p->own_options ? 0 : err_nomem(err);
}

static char *describe_place(const struct postgres *p)
{
    const char *host = option(p, "host"), *port = option(p, "port"), *name = option(p, "dbname");
    const char *user = option(p, "user");
    char text[300];
    host = host ? host : option(p, "hostaddr");
    host = host ? host : getenv("PGHOST");
    port = port ? port : getenv("PGPORT");
    name = name ? name : getenv("PGDATABASE");
    (void)snprintf(text, sizeof(text), "%s:%s/%s", host ? host : "localhost", port ? port : "5432",
                   name ? name : user ? user : "");
    return mem_strdup(text);
}

static int read_uri(struct postgres *p, const char *uri, tasker_error *err)
{
    CLEANUP(mem_freep) char *own = mem_strdup(uri);
    if (!own)
        return err_nomem(err);
    int code = 0;
    for (size_t i = 0; i < ARRAY_SIZE(own_parameters) && code == 0; i++)
        code = read_own_parameter(p, own, &own_parameters[i], err);
    if (code != 0)
        return code;
    char *complaint = NULL;
    p->options = PQconninfoParse(own, &complaint);
    if (!p->options) {
        // libpq's own words may repeat a part of the URI, and so of the password.
        PQfreemem(complaint);
        err_set(err, TASKER_E_INVALID, "the URI of the database can not be read");
        err_remedy(err, "write postgresql://user:password@host:port/database?parameter=value, with special characters "
                        "as %%XX");
        return TASKER_E_INVALID;
    }
    p->place = describe_place(p);
    if (!p->place)
        return err_nomem(err);
    return p->keys_by_turn ? keep_own_options(p, err) : 0;
}

static const struct store_ops postgres_ops;

int postgres_open(const char *uri, const struct store_options *options, struct store **ret, tasker_error *err)
{
    struct postgres *p = mem_alloc(sizeof(*p));
    if (!p)
        return err_nomem(err);
    p->base.ops = &postgres_ops;
    p->read_only = options->read_only;
    p->notify = true;
    p->host = mem_strdup(options->host ? options->host : "");
    p->boot_id = mem_strdup(options->boot_id ? options->boot_id : "");
    int code = p->host && p->boot_id ? read_uri(p, uri, err) : err_nomem(err);
    p->keys_by_turn = p->keys_by_turn && options->turns;
    if (code == 0)
        code = postgres_connect(p, err);
    if (code == 0 && !options->any_version)
        code = postgres_schema_ready(p, options->migrate && !options->read_only, err);
    if (code != 0) {
        postgres_close(&p->base);
        return code;
    }
    *ret = &p->base;
    return 0;
}

static const struct store_ops postgres_ops = {
    .close = postgres_close,
    .now = postgres_now,
    .commit = postgres_commit,
    .resolve = postgres_resolve,
    .poll = postgres_poll,
    .holdings = postgres_holdings,
    .changed = postgres_changed,
    .hint = postgres_hint,
    .load_task = postgres_load_task,
    .task_locked = postgres_task_locked,
    .load_offer = postgres_load_offer,
    .step_result = postgres_step_result,
    .register_template = postgres_register_template,
    .load_template = postgres_load_template,
    .checkpoint = postgres_checkpoint,
    .query = postgres_query,
    .operate = postgres_operate,
    .database_id = postgres_database_id,
    .migrate = postgres_migrate,
};
