// SPDX-License-Identifier: MIT
// both.c - see both.h.
#include "common/both.h"

#include <libpq-fe.h>
#include <unistd.h>

#include "store/sqlite.h"

#define ANSWER_MAX ((size_t)64 << 20)

char *both_answer, *both_postgres_answer;
tasker_error both_error;

static struct store *stores[2]; // SQLite, and PostgreSQL or NULL
static PGconn *conn;            // beside the store's
static PGconn *admin;
static char database[64];

static void must(const PGconn *c, PGresult *r, const char *text)
{
    ExecStatusType s = PQresultStatus(r);

    if (s != PGRES_COMMAND_OK && s != PGRES_TUPLES_OK)
        fail_msg("%s: %s", text, PQerrorMessage(c));
    PQclear(r);
}

static void open_postgres(const char *base)
{
    static int serial;
    char text[256], uri[512];
    const char *query = strchr(base, '?'), *slash = strchr(strstr(base, "://") + 3, '/');
    struct store_options o = {.host = "here", .boot_id = "boot", .migrate = true};

    admin = PQconnectdb(base);
    if (PQstatus(admin) != CONNECTION_OK)
        fail_msg("%s", PQerrorMessage(admin));
    snprintf(database, sizeof(database), "both_%ld_%d", (long)getpid(), ++serial);
    snprintf(text, sizeof(text), "CREATE DATABASE %s", database);
    must(admin, PQexec(admin, text), text);
    snprintf(uri, sizeof(uri), "%.*s/%s%s", (int)(slash - base), base, database, query ? query : "");
    if (store_open(uri, &o, &stores[1], &both_error) < 0)
        fail_msg("%s", both_error.message);
    conn = PQconnectdb(uri);
    must(conn, PQexec(conn, "SET TimeZone = 'UTC'; SET client_min_messages = warning"), "settings");
}

int both_open(void **state)
{
    struct store_options o = {.host = "here", .boot_id = "boot", .migrate = true};
    const char *uri = getenv("TASKER_TEST_POSTGRESQL");

    (void)state;
    if (store_open("sqlite::memory:", &o, &stores[0], &both_error) < 0)
        return -1;
    if (uri != NULL)
        open_postgres(uri);
    return 0;
}

int both_close(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++)
        store_close(stores[i]);
    if (conn != NULL) {
        char text[128];
        PQfinish(conn);
        snprintf(text, sizeof(text), "DROP DATABASE %s WITH (FORCE)", database);
        must(admin, PQexec(admin, text), text);
        PQfinish(admin);
    }
    conn = admin = NULL;
    stores[0] = stores[1] = NULL;
    free(both_answer);
    free(both_postgres_answer);
    both_answer = both_postgres_answer = NULL;
    pick_done();
    return 0;
}

bool both_postgres(void)
{
    return conn != NULL;
}

// ---- SQL

void both_sql(const char *fmt, ...)
{
    va_list args;
    char *text = NULL, *message = NULL;

    va_start(args, fmt);
    if (vasprintf(&text, fmt, args) < 0)
        fail();
    va_end(args);
    if (sqlite3_exec(sqlite_of(stores[0])->db, text, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", text, message);
    if (conn != NULL)
        must(conn, PQexec(conn, text), text);
    free(text);
}

static void check_keys(bool on)
{
    sqlite3 *db = sqlite_of(stores[0])->db;
    if (sqlite3_exec(db, on ? "PRAGMA foreign_keys = ON" : "PRAGMA foreign_keys = OFF", NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s", sqlite3_errmsg(db));
    const char *role = on ? "SET session_replication_role = origin" : "SET session_replication_role = replica";
    if (conn != NULL)
        must(conn, PQexec(conn, role), role);
}

void both_unchecked(const char *sql)
{
    check_keys(false);
    both_sql("%s", sql);
    check_keys(true);
}

void both_postgres_sql(const char *text)
{
    must(conn, PQexec(conn, text), text);
}

int64_t both_number(const char *fmt, ...)
{
    va_list args;
    char *text = NULL;
    sqlite3_stmt *stmt = NULL;

    va_start(args, fmt);
    if (vasprintf(&text, fmt, args) < 0)
        fail();
    va_end(args);
    if (sqlite3_prepare_v2(sqlite_of(stores[0])->db, text, -1, &stmt, NULL) != SQLITE_OK)
        fail_msg("%s: %s", text, sqlite3_errmsg(sqlite_of(stores[0])->db));
    int64_t n = sqlite3_step(stmt) == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
    sqlite3_finalize(stmt);
    if (conn != NULL) {
        PGresult *r = PQexec(conn, text);
        if (PQresultStatus(r) != PGRES_TUPLES_OK)
            fail_msg("%s: %s", text, PQerrorMessage(conn));
        int64_t m = PQntuples(r) > 0 ? strtoll(PQgetvalue(r, 0, 0), NULL, 10) : 0;
        PQclear(r);
        if (m != n)
            fail_msg("%s: %lld in SQLite, %lld in PostgreSQL", text, (long long)n, (long long)m);
    }
    free(text);
    return n;
}

const char *both_time(int64_t us)
{
    static char texts[8][TIME_TEXT_SIZE];
    static int next;

    return time_db(us, texts[next++ % 8]);
}

// ---- questions

static int one(struct store *s, bool write, const char *name, const char *text, struct buf *out)
{
    struct arena arena;
    const struct json *v;

    arena_init(&arena);
    both_error = (tasker_error){0};
    int rc = json_parse_around(&arena, span_of(text), &v, &both_error);
    if (rc == 0)
        rc = (write ? s->ops->operate : s->ops->query)(s, name, v, BOTH_NOW, out, &both_error);
    arena_done(&arena);
    return rc;
}

static bool same(struct span a, struct span b)
{
    struct arena arena;
    const struct json *x, *y;

    arena_init(&arena);
    bool equal = json_parse_around(&arena, a, &x, NULL) == 0 && json_parse_around(&arena, b, &y, NULL) == 0 && json_equal(x, y);
    arena_done(&arena);
    return equal;
}

static int ask(bool write, const char *name, const char *text)
{
    struct buf out[2];
    int rc[2] = {0, 0};

    for (int i = 0; i < 2; i++) {
        buf_init(&out[i], ANSWER_MAX);
        if (stores[i] != NULL)
            rc[i] = one(stores[i], write, name, text, &out[i]);
    }
    if (stores[1] != NULL && rc[0] != rc[1])
        fail_msg("%d in SQLite, %d in PostgreSQL: %s (%s %s)", rc[0], rc[1], both_error.message, name, text);
    if (stores[1] != NULL && rc[0] == 0 && !same(buf_view(&out[0]), buf_view(&out[1])))
        fail_msg("%s %s:\n%s\n%s", name, text, buf_view(&out[0]).p, buf_view(&out[1]).p);
    free(both_answer);
    free(both_postgres_answer);
    both_answer = strdup(buf_view(&out[0]).p);
    both_postgres_answer = stores[1] != NULL ? strdup(buf_view(&out[1]).p) : NULL;
    buf_done(&out[0]);
    buf_done(&out[1]);
    return rc[0];
}

int both_ask(const char *name, const char *fmt, ...)
{
    static char text[1 << 16];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    return ask(false, name, text);
}

int both_do(const char *name, const char *fmt, ...)
{
    static char text[1 << 20];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    return ask(true, name, text);
}

int both_postgres_do(const char *name, const char *arguments)
{
    struct buf out;

    buf_init(&out, ANSWER_MAX);
    int rc = one(stores[1], true, name, arguments, &out);
    free(both_answer);
    both_answer = strdup(buf_view(&out).p);
    buf_done(&out);
    return rc;
}

const char *both_picked(const char *path)
{
    const char *text = pick(both_answer, path);

    if (text == NULL)
        fail_msg("no %s in %s", path, both_answer);
    return text;
}

// ---- rows

void both_catalogue(void)
{
    static const char *const definitions[] = {"{\"name\":\"order\",\"step_templates\":[]}", "{\"v\":9}", "{\"v\":10}"};
    const char *t = both_time(BOTH_NOW - 1000 * US_PER_SECOND);

    both_sql("INSERT INTO tasker_task_namespaces VALUES (1, 'default', NULL, '%s', '%s'), (2, 'shop', 'sells', '%s', '%s')",
             t, t, t, t);
    both_sql("INSERT INTO tasker_dependent_systems VALUES (1, 'api', NULL, '%s', '%s')", t, t);
    for (int i = 0; i < 4; i++)
        both_sql("INSERT INTO tasker_named_steps VALUES (%d, 1, '%c', NULL, '%s', '%s')", i + 1, 'a' + i, t, t);
    both_sql("INSERT INTO tasker_named_tasks(named_task_id, name, task_namespace_id, version, created_at, updated_at)"
             " VALUES (1, 'order', 1, '0.1.0', '%s', '%s'), (2, 'other', 2, '0.9.0', '%s', '%s'),"
             " (3, 'other', 2, '0.10.0', '%s', '%s')",
             t, t, t, t, t, t);
    for (int i = 0; i < 3; i++)
        both_sql("INSERT INTO tasker_core_templates(template_id, named_task_id, hash, body, directory, current, created_at)"
                 " VALUES (%d, %d, 'h%d', '%s', '', true, '%s')",
                 i + 1, i + 1, i + 1, definitions[i], t);
}

int64_t both_template(const char *yaml)
{
    int64_t id = 0;

    for (int i = 0; i < 2 && stores[i] != NULL; i++) {
        struct template_errors errors;
        struct template *t = NULL;
        template_errors_init(&errors);
        if (template_read(span_of(yaml), NULL, NULL, &t, &errors, &both_error) < 0 ||
            stores[i]->ops->register_template(stores[i], t, true, BOTH_NOW, &both_error) < 0)
            fail_msg("%s", both_error.message);
        if (i == 1 && t->template_id != id)
            fail_msg("template %lld in SQLite, %lld in PostgreSQL", (long long)id, (long long)t->template_id);
        id = t->template_id;
        template_unref(t);
        template_errors_done(&errors);
    }
    return id;
}

void both_task(int64_t id, int named, int64_t created_at)
{
    const char *t = both_time(created_at);

    both_sql("INSERT INTO tasker_tasks(task_id, named_task_id, requested_at, initiator, source_system, reason, bypass_steps,"
             " tags, context, identity_hash, created_at, updated_at)"
             " VALUES (%lld, %d, '%s', 'me', 'sys', 'why', '[]', '[\"t\"]', '{\"n\":1}', 'id-%lld', '%s', '%s')",
             (long long)id, named, t, (long long)id, t, t);
}

void both_step(int64_t id, int64_t task, int named, int attempts)
{
    const char *t = both_time(BOTH_NOW - 500 * US_PER_SECOND);

    both_sql("INSERT INTO tasker_workflow_steps(workflow_step_id, task_id, named_step_id, attempts, results, created_at,"
             " updated_at) VALUES (%lld, %lld, %d, %d, '{}', '%s', '%s')",
             (long long)id, (long long)task, named, attempts, t, t);
}

void both_edge(int64_t from, int64_t to)
{
    const char *t = both_time(BOTH_NOW - 500 * US_PER_SECOND);

    both_sql("INSERT INTO tasker_workflow_step_edges(from_step_id, to_step_id, name, created_at, updated_at) VALUES"
             " (%lld, %lld, 'provides', '%s', '%s')",
             (long long)from, (long long)to, t, t);
}

static void add_row(const char *table, const char *owner, int64_t id, const char *from, const char *to, int64_t at,
                    const char *metadata)
{
    const char *t = both_time(at);
    char quoted[64];

    snprintf(quoted, sizeof(quoted), from == NULL ? "NULL" : "'%s'", from);
    both_sql("UPDATE %s SET most_recent = false WHERE %s = %lld", table, owner, (long long)id);
    both_sql("INSERT INTO %s(to_state, from_state, metadata, sort_key, most_recent, %s, created_at, updated_at)"
             " VALUES ('%s', %s, '%s', (SELECT 10 + coalesce(max(sort_key), 0) FROM %s WHERE %s = %lld), true, %lld,"
             " '%s', '%s')",
             table, owner, to, quoted, metadata, table, owner, (long long)id, (long long)id, t, t);
}

void both_task_row(int64_t task, const char *from, const char *to, int64_t at, const char *metadata)
{
    add_row("tasker_task_transitions", "task_id", task, from, to, at, metadata);
}

void both_step_row(int64_t step, const char *from, const char *to, int64_t at, const char *metadata)
{
    add_row("tasker_workflow_step_transitions", "workflow_step_id", step, from, to, at, metadata);
}

void both_active(int64_t task, int64_t run_at)
{
    both_sql("INSERT INTO tasker_core_active(task_id, priority, run_at, lane_id, crashes, suspect, template_id, deadline)"
             " VALUES (%lld, 2, %lld, NULL, 0, false, 1, NULL)",
             (long long)task, (long long)run_at);
}
