// SPDX-License-Identifier: MIT
// postgres.c - see postgres.h.
#include "postgres.h"

#include <unistd.h>

static char template_name[64];
static const char *strategy = "STRATEGY file_copy";  // the fastest copy; PostgreSQL 14 has only it, without the word
static int serial;

const char *postgres_server(void)
{
    const char *uri = getenv("TASKER_TEST_POSTGRESQL");
    if (!uri)
        fail_msg("TASKER_TEST_POSTGRESQL is not set: run this by `tools/postgres run`");
    return uri;
}

// The URI of another database of the same server, or of the pooler in front of it.
static void uri_of(const char *base, const char *name, char *out, size_t size)
{
    const char *query = strchr(base, '?');
    const char *slash = strchr(strstr(base, "://") + 3, '/');
    (void)snprintf(out, size, "%.*s/%s%s", (int)(slash - base), base, name, query ? query : "");
}

static void name_of(const char *uri, char *out, size_t size)
{
    const char *slash = strchr(strstr(uri, "://") + 3, '/');
    (void)snprintf(out, size, "%.*s", (int)strcspn(slash + 1, "?"), slash + 1);
}

void postgres_ask(const char *uri, const char *sql, char *out, size_t size)
{
    char said[512] = "";
    PGconn *c = PQconnectdb(uri);
    PGresult *r = PQexec(c, sql);
    if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK)
        (void)snprintf(said, sizeof(said), "%s", PQerrorMessage(c));
    else if (out)
        (void)snprintf(out, size, "%s", PQntuples(r) > 0 ? PQgetvalue(r, 0, 0) : "");
    PQclear(r);
    PQfinish(c);
    if (said[0])
        fail_msg("%s: %s", sql, said);
}

static void make_template(void)
{
    char uri[512], sql[128], number[16];
    tasker_error err = {0};
    struct store *s = NULL;
    struct store_options o = {.host = "h", .boot_id = "b", .migrate = true};
    (void)snprintf(template_name, sizeof(template_name), "contract_%ld", (long)getpid());
    (void)snprintf(sql, sizeof(sql), "CREATE DATABASE %s", template_name);
    postgres_ask(postgres_server(), sql, NULL, 0);
    uri_of(postgres_server(), template_name, uri, sizeof(uri));
    if (store_open(uri, &o, &s, &err) < 0)
        fail_msg("%s", err.message);
    store_close(s);
    postgres_ask(postgres_server(), "SHOW server_version_num", number, sizeof(number));
    if (atoi(number) < 150000)
        strategy = "";
}

static void create_behind(const char *base, char *uri, size_t size)
{
    char name[80], sql[200];
    if (template_name[0] == '\0')
        make_template();
    (void)snprintf(name, sizeof(name), "%s_%d", template_name, ++serial);
    (void)snprintf(sql, sizeof(sql), "CREATE DATABASE %s TEMPLATE %s %s", name, template_name, strategy);
    postgres_ask(postgres_server(), sql, NULL, 0);
    uri_of(base, name, uri, size);
}

static void create(char *uri, size_t size)
{
    create_behind(postgres_server(), uri, size);
}

static void create_pooled(char *uri, size_t size)
{
    create_behind(getenv("TASKER_TEST_PGBOUNCER"), uri, size);
}

// Every foreign key of the schema, whoever has checked it.
#define NO_ORPHANS \
    "DO $$ DECLARE k record; n bigint; BEGIN FOR k IN SELECT c.conname, c.conrelid::regclass AS child, c.confrelid::regclass " \
    "AS parent, a.attname AS col, b.attname AS key FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND " \
    "a.attnum = c.conkey[1] JOIN pg_attribute b ON b.attrelid = c.confrelid AND b.attnum = c.confkey[1] WHERE c.contype = 'f' " \
    "LOOP EXECUTE format('SELECT count(*) FROM %s c WHERE NOT EXISTS (SELECT 1 FROM %s p WHERE p.%I = c.%I) AND c.%I IS NOT " \
    "NULL', k.child, k.parent, k.key, k.col, k.col) INTO n; IF n > 0 THEN RAISE '% rows of % miss their %', n, k.child, " \
    "k.parent; END IF; END LOOP; END $$"

static void destroy(const char *uri)
{
    char name[80], sql[200], out[64];
    // One most recent row per chain, and it is the last.
    postgres_ask(uri,
        "SELECT count(*) FROM tasker_workflow_step_transitions t WHERE t.most_recent AND EXISTS (SELECT 1 FROM "
        "tasker_workflow_step_transitions u WHERE u.workflow_step_id = t.workflow_step_id AND u.sort_key > t.sort_key)",
        out, sizeof(out));
    assert_string_equal(out, "0");
    postgres_ask(uri, NO_ORPHANS, NULL, 0);
    name_of(uri, name, sizeof(name));
    (void)snprintf(sql, sizeof(sql), "DROP DATABASE %s WITH (FORCE)", name);
    postgres_ask(postgres_server(), sql, NULL, 0);
}

static int64_t number(const char *uri, const char *sql)
{
    char out[64];
    postgres_ask(uri, sql, out, sizeof(out));
    if (strcmp(out, "t") == 0 || strcmp(out, "f") == 0)
        return out[0] == 't';
    assert_true(out[0] != '\0');
    return strtoll(out, NULL, 10);
}

static void text(const char *uri, const char *sql, char *out, size_t size)
{
    postgres_ask(uri, sql, out, size);
}

static void run_sql(const char *uri, const char *sql)
{
    postgres_ask(uri, sql, NULL, 0);
}

const struct backend postgres_backend = {
    .name = "postgresql", .create = create, .destroy = destroy, .number = number, .text = text, .run = run_sql,
};
const struct backend keys_backend = {
    .name = "postgresql, keys", .parameter = "tasker_foreign_keys=each_turn",
    .create = create, .destroy = destroy, .number = number, .text = text, .run = run_sql,
};
const struct backend pgbouncer_backend = {
    .name = "pgbouncer", .create = create_pooled, .destroy = destroy, .number = number, .text = text, .run = run_sql,
};

int postgres_clean(int failed)
{
    char sql[100];
    if (template_name[0] == '\0')
        return failed;
    (void)snprintf(sql, sizeof(sql), "DROP DATABASE %s", template_name);
    postgres_ask(postgres_server(), sql, NULL, 0);
    return failed;
}

PGconn *postgres_session(const char *uri)
{
    PGconn *c = PQconnectdb(uri);
    if (PQstatus(c) != CONNECTION_OK)
        fail_msg("%s", PQerrorMessage(c));
    return c;
}

void postgres_run(PGconn *c, const char *fmt, ...)
{
    char sql[1024];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(sql, sizeof(sql), fmt, args);
    va_end(args);
    PGresult *r = PQexec(c, sql);
    if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(c));
    PQclear(r);
}

void postgres_parameter(const char *uri, const char *name, char *out, size_t size)
{
    PQconninfoOption *all = PQconninfoParse(uri, NULL);
    out[0] = '\0';
    for (PQconninfoOption *o = all; o && o->keyword; o++)
        if (strcmp(o->keyword, name) == 0 && o->val)
            (void)snprintf(out, size, "%s", o->val);
    PQconninfoFree(all);
}

void postgres_uri_through(const char *uri, const char *host, const char *port, char *out, size_t size)
{
    char user[64], name[80];
    postgres_parameter(uri, "user", user, sizeof(user));
    postgres_parameter(uri, "dbname", name, sizeof(name));
    (void)snprintf(out, size, "postgresql://%s@/%s?host=%s&port=%s", user, name, host, port);
}
