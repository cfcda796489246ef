// SPDX-License-Identifier: MIT
// beside.c - see beside.h.
#include "beside.h"

#include <libpq-fe.h>
#include <sqlite3.h>
#include <unistd.h>

static char folder[64];
static sqlite3 *file;
static PGconn *server;

int fresh_beside(void **state)
{
    char uri[128];

    if (getenv("TASKER_TEST_POSTGRESQL") != NULL) {
        int rc = fresh(state);
        server = rc < 0 ? NULL : PQconnectdb(server_uri);
        return rc;
    }
    const char *tmp = getenv("TMPDIR");
    snprintf(folder, sizeof(folder), "%.40s/beside-XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(uri, sizeof(uri), "sqlite:%s/x.db", folder);
    int rc = tasker_open(uri, options, &t, &error);
    if (rc == 0)
        rc = sqlite3_open(uri + strlen("sqlite:"), &file) == SQLITE_OK ? 0 : -1;
    if (rc == 0)
        sqlite3_busy_timeout(file, 20000);
    return rc;
}

int gone_beside(void **state)
{
    char command[128];

    PQfinish(server);
    server = NULL;
    sqlite3_close(file);
    file = NULL;
    int rc = gone(state);
    if (folder[0] != '\0') {
        snprintf(command, sizeof(command), "rm -rf '%s'", folder);
        rc += system(command);
    }
    folder[0] = '\0';
    return rc;
}

static char *text_of(const char *fmt, va_list args)
{
    char *text = NULL;

    if (vasprintf(&text, fmt, args) < 0)
        fail();
    return text;
}

void beside(const char *fmt, ...)
{
    va_list args;
    char *whole = NULL, *message = NULL;

    va_start(args, fmt);
    char *text = text_of(fmt, args);
    va_end(args);
    if (asprintf(&whole, "%s; %s; COMMIT", server != NULL ? "BEGIN" : "BEGIN IMMEDIATE", text) < 0)
        fail();
    if (server != NULL) {
        PGresult *r = PQexec(server, whole);
        if (PQresultStatus(r) != PGRES_COMMAND_OK)
            fail_msg("%s: %s", text, PQerrorMessage(server));
        PQclear(r);
    } else if (sqlite3_exec(file, whole, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", text, message);
    free(whole);
    free(text);
}

static PGconn *holder;

bool beside_hold(const char *question)
{
    char sql[400];

    if (server == NULL)
        return false;
    holder = PQconnectdb(server_uri);
    snprintf(sql, sizeof(sql), "BEGIN; %s", question);
    PGresult *r = PQexec(holder, sql);
    if (PQresultStatus(r) != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(holder));
    PQclear(r);
    return true;
}

void beside_let_go(void)
{
    PQfinish(holder);
    holder = NULL;
}

int64_t beside_number(const char *fmt, ...)
{
    va_list args;
    int64_t n = 0;

    va_start(args, fmt);
    char *text = text_of(fmt, args);
    va_end(args);
    if (server != NULL) {
        PGresult *r = PQexec(server, text);
        if (PQresultStatus(r) != PGRES_TUPLES_OK)
            fail_msg("%s: %s", text, PQerrorMessage(server));
        n = PQntuples(r) > 0 ? strtoll(PQgetvalue(r, 0, 0), NULL, 10) : 0;
        PQclear(r);
    } else {
        sqlite3_stmt *stmt = NULL;
        if (sqlite3_prepare_v2(file, text, -1, &stmt, NULL) != SQLITE_OK)
            fail_msg("%s: %s", text, sqlite3_errmsg(file));
        n = sqlite3_step(stmt) == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
        sqlite3_finalize(stmt);
    }
    free(text);
    return n;
}
