// SPDX-License-Identifier: MIT
// store.c - what all backends share: the table of URI schemes, and the beginning and end of the
// structs that carry results out of a store.
#include "store/store.h"

#include <stdio.h>
#include <string.h>

#include "store/backends.h"

const char *const commit_outcome_names[OUT_COUNT] = {
#define X(name, text) [OUT_##name] = text,
    COMMIT_OUTCOMES(X)
#undef X
};

// One row per backend: what its URIs begin with and who opens the rest.
static const struct {
    struct span prefix;
    bool whole; // it is given the URI as it is
    int (*open)(const char *place, const struct store_options *options, struct store **ret,
                tasker_error *err);
} schemes[] = {
    {{"sqlite:", 7}, false, sqlite_open},
    {{"postgresql:", 11}, true, postgres_open},
    {{"postgres:", 9}, true, postgres_open},
};

int store_open(const char *uri, const struct store_options *options, struct store **ret,
               tasker_error *err)
{
    for (size_t i = 0; uri && i < ARRAY_SIZE(schemes); i++)
        if (strncmp(uri, schemes[i].prefix.p, schemes[i].prefix.len) == 0)
            return schemes[i].open(schemes[i].whole ? uri : uri + schemes[i].prefix.len, options,
                                   ret, err);
    // A URI may carry a password, so it is not repeated.
    err_set(err, TASKER_E_INVALID, "this is not the URI of a database that is supported");
    err_remedy(err, "write \"sqlite:path\", \"sqlite::memory:\" or \"postgresql://user@host/database\"");
    return TASKER_E_INVALID;
}

void store_close(struct store *s)
{
    if (s)
        s->ops->close(s);
}

void turn_result_init(struct turn_result *r)
{
    memset(r, 0, sizeof(*r));
    arena_init(&r->arena);
    r->culprit = -1;
}

void turn_result_done(struct turn_result *r)
{
    arena_done(&r->arena);
    turn_result_init(r);
}

int err_locked(const char *what, tasker_error *err)
{
    (void)err_set(err, TASKER_E_BUSY, "%s locked by another session", what);
    err_remedy(err, "tasker health names the session, in stuck_sessions");
    return TASKER_E_BUSY;
}

int err_task_locked(int64_t task_id, tasker_error *err)
{
    char what[48];
    (void)snprintf(what, sizeof(what), "rows of task %lld are", (long long)task_id);
    return err_locked(what, err);
}

bool turns_lost(const struct turn *turn, int64_t number)
{
    return number >= 0 && number < turn->number - 1;
}

enum commit_outcome turn_became(const struct turn *turn, int64_t number, tasker_error *err)
{
    long long lane = turn->lane, before = turn->number - 1;

    if (number == turn->number + 1)
        return OUT_RETRY; // resolve has spent its number
    if (number == turn->number || (number == -1 && turn->kind == TURN_RETIRE))
        return OUT_COMMITTED;
    if (turns_lost(turn, number))
        err_set(err, TASKER_E_STALE,
                "the database went back in time: lane %lld is at turn %lld there, %lld was "
                "committed",
                lane, (long long)number, before);
    else
        err_set(err, TASKER_E_STALE, "lane %lld was taken over, or its turn is not %lld", lane,
                before);
    return OUT_FENCED;
}

void poll_result_init(struct poll_result *r)
{
    memset(r, 0, sizeof(*r));
    arena_init(&r->arena);
}

void poll_result_done(struct poll_result *r)
{
    arena_done(&r->arena);
    poll_result_init(r);
}

void holdings_init(struct holdings *h)
{
    memset(h, 0, sizeof(*h));
    arena_init(&h->arena);
}

void holdings_done(struct holdings *h)
{
    arena_done(&h->arena);
    holdings_init(h);
}

void task_rows_init(struct task_rows *r)
{
    memset(r, 0, sizeof(*r));
    arena_init(&r->arena);
}

void task_rows_done(struct task_rows *r)
{
    blob_unref(r->context);
    for (size_t i = 0; i < r->step_count; i++)
        blob_unref(r->steps[i].results);
    arena_done(&r->arena);
    task_rows_init(r);
}

void offer_rows_init(struct offer_rows *r)
{
    memset(r, 0, sizeof(*r));
    arena_init(&r->arena);
}

void offer_rows_done(struct offer_rows *r)
{
    blob_unref(r->context);
    for (size_t i = 0; i < r->parent_count; i++)
        blob_unref(r->parents[i].results);
    arena_done(&r->arena);
    offer_rows_init(r);
}
