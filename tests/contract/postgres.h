// SPDX-License-Identifier: MIT
// postgres.h - PostgreSQL as a backend of the contract suite. TASKER_TEST_POSTGRESQL is the URI of a server where
// databases may be made (`tools/postgres run` gives one). Each test has a database of its own, a copy of one that was
// migrated once.
#ifndef TESTS_CONTRACT_POSTGRES_H
#define TESTS_CONTRACT_POSTGRES_H

#include <libpq-fe.h>

#include "contract.h"

// pgbouncer_backend is the same server through the pooler of TASKER_TEST_PGBOUNCER; keys_backend has foreign keys checked
// once a turn.
extern const struct backend postgres_backend, pgbouncer_backend, keys_backend;
// postgres_clean removes what all tests shared; returns `failed`.
int postgres_clean(int failed);
// postgres_ask runs SQL on a connection of its own; out (NULL is fine) gets the first value.
void postgres_ask(const char *uri, const char *sql, char *out, size_t size);
// postgres_session opens a plain connection, for the other side of an interleaving; run fails the test unless it works.
PGconn *postgres_session(const char *uri);
void postgres_run(PGconn *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
// postgres_server is the URI of the test server; postgres_uri_through is `uri` with another folder for the socket or
// another host and port.
const char *postgres_server(void);
void postgres_uri_through(const char *uri, const char *host, const char *port, char *out, size_t size);
// postgres_parameter is a value of the URI's query, "" when it is not there. Copied.
void postgres_parameter(const char *uri, const char *name, char *out, size_t size);

#endif
