// SPDX-License-Identifier: MIT
// test_postgres.c - the storage contract on PostgreSQL. TASKER_TEST_POSTGRESQL is the URI of a server where databases
// may be made (tools/postgres run gives one). Each test has a database of its own, a copy of one that was migrated once.
#include "contract.h"

#include <libpq-fe.h>
#include <unistd.h>

static char template_name[64];
static int serial;

static const char *server(void)
{
    const char *uri = getenv("TASKER_TEST_POSTGRESQL");
    if (!uri)
        fail_msg("TASKER_TEST_POSTGRESQL is not set: run this by `tools/postgres run`");
    return uri;
}

// The URI of another database of the same server.
static void uri_of(const char *name, char *out, size_t size)
{
    const char *base = server(), *query = strchr(base, '?');
    const char *slash = strchr(strstr(base, "://") + 3, '/');
    (void)snprintf(out, size, "%.*s/%s%s", (int)(slash - base), base, name, query ? query : "");
}

static void name_of(const char *uri, char *out, size_t size)
{
    const char *slash = strchr(strstr(uri, "://") + 3, '/');
    (void)snprintf(out, size, "%.*s", (int)strcspn(slash + 1, "?"), slash + 1);
}

static void ask(const char *uri, const char *sql, char *out, size_t size)
{
    PGconn *c = PQconnectdb(uri);
    if (PQstatus(c) != CONNECTION_OK)
        fail_msg("%s", PQerrorMessage(c));
    PGresult *r = PQexec(c, sql);
    if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(c));
    if (out)
        (void)snprintf(out, size, "%s", PQntuples(r) > 0 ? PQgetvalue(r, 0, 0) : "");
    PQclear(r);
    PQfinish(c);
}

static void make_template(void)
{
    char uri[512], sql[128];
    tasker_error err = {0};
    struct store *s = NULL;
    struct store_options o = {.host = "h", .boot_id = "b", .migrate = true};
    (void)snprintf(template_name, sizeof(template_name), "contract_%ld", (long)getpid());
    (void)snprintf(sql, sizeof(sql), "CREATE DATABASE %s", template_name);
    ask(server(), sql, NULL, 0);
    uri_of(template_name, uri, sizeof(uri));
    if (store_open(uri, &o, &s, &err) < 0)
        fail_msg("%s", err.message);
    store_close(s);
}

static void create(char *uri, size_t size)
{
    char name[80], sql[200];
    if (template_name[0] == '\0')
        make_template();
    (void)snprintf(name, sizeof(name), "%s_%d", template_name, ++serial);
    (void)snprintf(sql, sizeof(sql), "CREATE DATABASE %s TEMPLATE %s STRATEGY file_copy", name, template_name);
    ask(server(), sql, NULL, 0);
    uri_of(name, uri, size);
}

static void destroy(const char *uri)
{
    char name[80], sql[200], out[64];
    // One most recent row per chain, and it is the last.
    ask(uri,
        "SELECT count(*) FROM tasker_workflow_step_transitions t WHERE t.most_recent AND EXISTS (SELECT 1 FROM "
        "tasker_workflow_step_transitions u WHERE u.workflow_step_id = t.workflow_step_id AND u.sort_key > t.sort_key)",
        out, sizeof(out));
    assert_string_equal(out, "0");
    name_of(uri, name, sizeof(name));
    (void)snprintf(sql, sizeof(sql), "DROP DATABASE %s WITH (FORCE)", name);
    ask(server(), sql, NULL, 0);
}

static int64_t number(const char *uri, const char *sql)
{
    char out[64];
    ask(uri, sql, out, sizeof(out));
    if (strcmp(out, "t") == 0 || strcmp(out, "f") == 0)
        return out[0] == 't';
    assert_true(out[0] != '\0');
    return strtoll(out, NULL, 10);
}

static void text(const char *uri, const char *sql, char *out, size_t size)
{
    ask(uri, sql, out, size);
}

static void run_sql(const char *uri, const char *sql)
{
    ask(uri, sql, NULL, 0);
}

static const struct backend postgres_backend = {
    .name = "postgresql", .create = create, .destroy = destroy, .number = number, .text = text, .run = run_sql,
};

int main(void)
{
    int failed = contract_run(&postgres_backend);
    if (template_name[0] != '\0') {
        char sql[100];
        (void)snprintf(sql, sizeof(sql), "DROP DATABASE %s", template_name);
        ask(server(), sql, NULL, 0);
    }
    return failed;
}
