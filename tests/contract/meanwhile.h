// SPDX-License-Identifier: MIT
// meanwhile.h - scripted interleavings on PostgreSQL: a turn on a thread of its own, for when it has to wait for the other
// side, which is a plain session that stops where the test says. Nothing waits for time; who must be waiting is asked of
// the server.
#ifndef TESTS_CONTRACT_MEANWHILE_H
#define TESTS_CONTRACT_MEANWHILE_H

#include <pthread.h>

#include "postgres.h"

struct background {
    struct owner *owner;
    struct turn turn;
    bool resolve;  // the outcome of the turn is asked for, it is not sent
    enum commit_outcome outcome;
    pthread_t thread;
};
void background_begin(struct background *b);
enum commit_outcome background_end(struct background *b);
// fill makes it the owner's next turn.
void fill(struct owner *o, struct turn *t);

int64_t ask_number(struct world *w, const char *sql);
// wait_until asks until the answer is `wanted`; each look is a round trip, so this is bounded in time as well.
void wait_until(struct world *w, const char *sql, int64_t wanted);
#define WAITERS \
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"

// send_part sends a statement in pipeline mode: the server has answered all that was sent, and nothing more is coming.
void send_part(PGconn *c, const char *sql);
// ask_store is the answer to a question (arguments NULL: none), to be freed; ask_health that of `health`.
char *ask_store(struct store *s, const char *question, const char *arguments, int64_t now);
char *ask_health(struct store *s, int64_t now);

// seed_task puts a task of w->tpl that nobody owns.
void seed_task(struct world *w, int64_t task, int64_t step, bool started);

#endif
