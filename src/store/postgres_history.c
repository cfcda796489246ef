// SPDX-License-Identifier: MIT
// postgres_history.c - a database whose history broke off: an asynchronous standby that was promoted, a backup that was
// restored. It has forgotten turns that were confirmed, and with them which ids were taken, and would give these again: a
// task's are part of idempotency keys, a lane's is its epoch, those of transitions are the cursors of who follows the log.
//
// Every server that is promoted, and every recovery that ends before the log does, begins a timeline of its own; another
// cluster has another identifier, a database made from a dump another oid. The three together name a history. The last one in
// which ids were taken stands in tasker_core_meta, in the database that may go back, and whoever is to take ids of another one
// first leaves out more than can have been lost. Who comes at the same time waits for that at the row.
//
// A history lasts as long as a connection, so only its first turn looks; behind a pooler, each that takes ids. Where the
// server does not tell its timeline (some that are only compatible) nobody looks; then the lanes that find turns missing
// leave out ids (postgres_turn.c).
#include "store/postgres.h"

#include <stdio.h>
#include <string.h>

void postgres_learn_history(struct postgres *p, bool standby)
{
    PGresult *r = standby ? NULL : PQexec(p->conn, "SELECT " PG_HISTORY);
    bool told = PQresultStatus(r) == PGRES_TUPLES_OK;
    (void)snprintf(p->history, sizeof(p->history), "%s", told ? PQgetvalue(r, 0, 0) : "");
    p->follows = told || standby;  // it may be promoted
    p->followed = false;
    p->session++;
    PQclear(r);
}

bool postgres_follow(struct pipe *q, bool takes_ids)
{
    const struct postgres *p = q->p;
    bool due = p->follows && (!p->followed || (p->pooled && takes_ids));
    if (due)
        pipe_add(q, PG_FOLLOW);
    return due;
}

int postgres_skip_ids(struct postgres *p, tasker_error *err)
{
    struct pipe q;
    pipe_init(&q, p);
    pipe_add(&q, PG_SKIP_IDS);
    int rc = pipe_run(&q, "ids that are lost", err);
    pipe_done(&q);
    return rc;
}

void postgres_wrote(struct postgres *p, bool followed)
{
    p->followed = p->followed || followed;
    (void)snprintf(p->written, sizeof(p->written), "%s", p->pooled ? "" : p->history);
}

bool postgres_history_changed(const struct postgres *p)
{
    return p->written[0] != '\0' && !p->pooled && p->history[0] != '\0' && strcmp(p->written, p->history) != 0;
}
