// SPDX-License-Identifier: MIT
// meanwhile.c - see meanwhile.h.
#include "meanwhile.h"

#define WAIT_TRIES 2000

int64_t ask_number(struct world *w, const char *sql)
{
    return postgres_backend.number(w->uri, sql);
}

static void *run(void *user)
{
    struct background *b = user;
    const struct store_ops *ops = b->owner->store->ops;
    if (b->resolve)
        b->outcome = ops->resolve(b->owner->store, &b->turn, NULL);
    else {
        ops->commit(b->owner->store, &b->turn, &b->owner->r);
        b->outcome = b->owner->r.outcome;
    }
    return NULL;
}

void fill(struct owner *o, struct turn *t)
{
    t->lane = o->lane;
    t->number = o->number + 1;
    t->now = o->now;
    t->lease_us = LEASE;
}

void background_begin(struct background *b)
{
    assert_int_equal(pthread_create(&b->thread, NULL, run, b), 0);
}

enum commit_outcome background_end(struct background *b)
{
    pthread_join(b->thread, NULL);
    return b->outcome;
}

void wait_until(struct world *w, const char *sql, int64_t wanted)
{
    for (int i = 0; i < WAIT_TRIES; i++)
        if (ask_number(w, sql) == wanted)
            return;
    fail_msg("never became %lld: %s", (long long)wanted, sql);
}

void seed_task(struct world *w, int64_t task, int64_t step, bool started)
{
    struct script s = {0};
    script_task(w, &s, task, step, false);
    if (started)
        script_start(w, &s, task, T0);
    plain_write(w->b, &s, T0);
}

void send_part(PGconn *c, const char *sql)
{
    assert_int_equal(PQsendQueryParams(c, sql, 0, NULL, NULL, NULL, NULL, 0), 1);
    assert_int_equal(PQsendFlushRequest(c), 1);
    assert_int_equal(PQflush(c), 0);
    PGresult *r = PQgetResult(c);
    if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(c));
    PQclear(r);
    assert_null(PQgetResult(c));
}

char *ask_store(struct store *s, const char *question, const char *arguments, int64_t now)
{
    struct buf out;
    struct arena arena;
    const struct json *args = NULL;
    tasker_error err = {0};
    buf_init(&out, 1 << 20);
    arena_init(&arena);
    if (arguments)
        assert_int_equal(json_parse(&arena, span_of(arguments), &args, &err), 0);
    if (s->ops->query(s, question, args, now, &out, &err) != 0)
        fail_msg("%s: %s", question, err.message);
    buf_char(&out, '\0');
    arena_done(&arena);
    return buf_take(&out, NULL);
}

char *ask_health(struct store *s, int64_t now)
{
    return ask_store(s, "health", NULL, now);
}
