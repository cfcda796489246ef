// SPDX-License-Identifier: MIT
// events.c - subscriptions: to what happens in this process (live), or to the durable log of the
// whole database.
//
// The log is read in batches behind a cursor. A batch that brings nothing is followed by a wait:
// for the next turn of this process's engine, at most 50 ms, because other processes write too. The
// cursor moves with each event given, so a subscription opened at an event's cursor goes on behind
// it.
#include <string.h>

#include "api/api.h"

#define BATCH 500
#define CURSOR_MAX 64 // bytes
#define BATCHES_MAX 20 // read before an answer, however few events match
#define WAIT_SLICE_MS 50

struct tasker_events {
    struct tasker *t;
    struct subscriber *live; // NULL: the durable log
    char *patterns;          // NULL: all
    struct arena arena;      // of the batch
    struct buf batch;
    const struct json *next; // of the batch, NULL: read another
    char *cursor;            // behind the batch
    bool more;               // of the log behind the cursor, as far as known
    uint64_t seen;           // turns of the engine
};

// ---- reading the log

// Builds {"after": ..., "limit": ...} and asks for the rows behind `after`.
static int query_log(struct tasker *t, const char *after, int64_t limit, struct arena *arena,
                     struct buf *out, const struct json **ret, tasker_error *err)
{
    CLEANUP(buf_done) struct buf text;
    const struct json *args;

    buf_init(&text, 4096);
    if (after != NULL && strlen(after) > CURSOR_MAX) {
        err_set(err, TASKER_E_INVALID, "the cursor is too long to be one");
        err_where(err, 0, 0, "$.after");
        return TASKER_E_INVALID;
    }
    jw_open(&text, '{');
    if (after != NULL)
        jw_kstr(&text, "after", after);
    jw_kint(&text, "limit", limit);
    jw_close(&text, '}');
    if (buf_failed(&text))
        return err_nomem(err);
    int rc = json_parse(arena, buf_view(&text), &args, err);
    if (rc == 0)
        rc = engine_query(t->engine, "log", args, out, err);
    if (rc == 0 && buf_failed(out))
        rc = buf_error(out, "the batch of events", err);
    return rc < 0 ? rc : json_parse(arena, buf_view(out), ret, err);
}

// One batch of rows goes through the patterns. Returns how many events were taken, *ret_cursor
// stands behind them.
static int64_t take_matching(const struct json *batch, const char *patterns, int64_t limit,
                             struct arena *arena, struct buf *out, const char **ret_cursor)
{
    const struct json *cursor = json_get(batch, "cursor"), *e = json_get(batch, "events")->child;
    int64_t taken = 0;

    for (; e != NULL && taken < limit; e = e->next) {
        const struct json *name = json_get(e, "event");
        const char *text = arena_dup(arena, name->str.p, name->str.len);
        if (text != NULL && patterns != NULL && !event_matches(patterns, text))
            continue;
        jw_raw(out, e->raw.p, e->raw.len);
        cursor = json_get(e, "cursor");
        taken++;
    }
    if (e == NULL)
        cursor = json_get(batch, "cursor");
    *ret_cursor = arena_dup(arena, cursor->str.p, cursor->str.len);
    return taken;
}

int log_read(struct tasker *t, const char *after, const char *patterns, int64_t limit,
             struct buf *out, tasker_error *err)
{
    CLEANUP(arena_done) struct arena arena;
    CLEANUP(buf_done) struct buf rows;
    int64_t taken = 0;
    bool more = true;

    arena_init(&arena);
    buf_init(&rows, RESULT_MAX);
    jw_open(out, '{');
    jw_key(out, "events");
    jw_open(out, '[');
    for (int i = 0; i < BATCHES_MAX && more && taken < limit; i++) {
        const struct json *batch;
        buf_clear(&rows);
        int rc = query_log(t, after, patterns == NULL ? limit : BATCH, &arena, &rows, &batch, err);
        if (rc < 0)
            return rc;
        taken += take_matching(batch, patterns, limit - taken, &arena, out, &after);
        more = taken == limit || json_get(batch, "more")->truth;
        if (arena.failed)
            return err_nomem(err);
    }
    jw_close(out, ']');
    jw_kstr(out, "cursor", after);
    jw_kbool(out, "more", more);
    jw_close(out, '}');
    return 0;
}

// ---- subscriptions

static int log_end(struct tasker *t, char **ret, tasker_error *err)
{
    CLEANUP(arena_done) struct arena arena;
    CLEANUP(buf_done) struct buf out;
    const struct json *args, *answer;

    arena_init(&arena);
    buf_init(&out, RESULT_MAX);
    int rc = json_parse(&arena, SPAN("{}"), &args, err);
    if (rc == 0)
        rc = engine_query(t->engine, "log.end", args, &out, err);
    if (rc == 0)
        rc = json_parse(&arena, buf_view(&out), &answer, err);
    if (rc < 0)
        return rc;
    const struct json *cursor = json_get(answer, "cursor");
    *ret = mem_dup(cursor->str.p, cursor->str.len);
    return *ret == NULL ? err_nomem(err) : 0;
}

// Reading one row finds out whether a text is a cursor.
static int check_cursor(struct tasker *t, const char *cursor, tasker_error *err)
{
    CLEANUP(buf_done) struct buf probe;

    buf_init(&probe, RESULT_MAX);
    return log_read(t, cursor, NULL, 1, &probe, err);
}

static int open_log(struct tasker_events *e, const char *from, tasker_error *err)
{
    if (strcmp(from, "now") == 0)
        return log_end(e->t, &e->cursor, err);
    e->cursor = mem_strdup(strcmp(from, "start") == 0 ? "0.0" : from);
    return e->cursor == NULL ? err_nomem(err) : check_cursor(e->t, e->cursor, err);
}

int tasker_events_open(tasker *t, const char *patterns, const char *from, tasker_events **ret,
                       tasker_error *err)
{
    int rc = tasker_alive(t, err);

    if (rc < 0)
        return rc;
    struct tasker_events *e = mem_alloc(sizeof(*e));
    if (e == NULL)
        return err_nomem(err);
    e->t = t;
    arena_init(&e->arena);
    buf_init(&e->batch, RESULT_MAX);
    e->patterns = mem_strdup(patterns);
    if (patterns != NULL && e->patterns == NULL)
        rc = err_nomem(err);
    else if (from == NULL || strcmp(from, "live") == 0)
        rc = engine_subscribe(t->engine, e->patterns, &e->live, err);
    else
        rc = open_log(e, from, err);
    if (rc < 0) {
        tasker_events_close(e);
        return rc;
    }
    *ret = e;
    return 0;
}

static int read_batch(struct tasker_events *e, tasker_error *err)
{
    const struct json *root;

    arena_reset(&e->arena);
    buf_clear(&e->batch);
    int rc = log_read(e->t, e->cursor, e->patterns, BATCH, &e->batch, err);
    if (rc == 0 && buf_failed(&e->batch))
        rc = buf_error(&e->batch, "the batch of events", err);
    if (rc == 0)
        rc = json_parse(&e->arena, buf_view(&e->batch), &root, err);
    if (rc < 0)
        return rc;
    const struct json *cursor = json_get(root, "cursor");
    char *copy = mem_dup(cursor->str.p, cursor->str.len);
    if (copy == NULL)
        return err_nomem(err);
    mem_free(e->cursor);
    e->cursor = copy;
    e->next = json_get(root, "events")->child;
    e->more = json_get(root, "more")->truth;
    return 0;
}

static int give_next(struct tasker_events *e, tasker_text **ret_text, tasker_error *err)
{
    struct blob *blob = blob_new(e->next->raw.p, e->next->raw.len);

    if (blob == NULL)
        return err_nomem(err);
    int rc = text_from_blob(blob, ret_text, err);
    if (rc < 0)
        return rc;
    e->next = e->next->next;
    return 1;
}

static int next_logged(struct tasker_events *e, int timeout_ms, tasker_text **ret_text,
                       tasker_error *err)
{
    int64_t deadline = clock_monotonic_us() + (int64_t)timeout_ms * US_PER_MS;

    for (;;) {
        if (e->next != NULL)
            return give_next(e, ret_text, err);
        // The turn is noted before the reading, so that what is written in between ends the wait at
        // once.
        engine_wait_turn(e->t->engine, &e->seen, 0);
        int rc = tasker_alive(e->t, err);
        if (rc == 0)
            rc = read_batch(e, err);
        if (rc < 0)
            return rc;
        if (e->next != NULL)
            continue;
        int64_t left = WAIT_SLICE_MS;
        if (timeout_ms >= 0)
            left = (deadline - clock_monotonic_us() + US_PER_MS - 1) / US_PER_MS;
        if (left <= 0)
            return 0;
        if (!e->more)
            engine_wait_turn(e->t->engine, &e->seen,
                             (int)(left < WAIT_SLICE_MS ? left : WAIT_SLICE_MS));
    }
}

int tasker_events_next(tasker_events *e, int timeout_ms, tasker_text **ret_text, tasker_error *err)
{
    struct blob *blob;
    int rc = e == NULL ? err_set(err, TASKER_E_INVALID, "no subscription was given")
                       : tasker_alive(e->t, err);

    if (rc < 0)
        return rc;
    if (e->live == NULL)
        return next_logged(e, timeout_ms, ret_text, err);
    rc = engine_event_next(e->live, timeout_ms, &blob, err);
    if (rc <= 0)
        return rc;
    rc = text_from_blob(blob, ret_text, err);
    return rc < 0 ? rc : 1;
}

void tasker_events_close(tasker_events *e)
{
    if (e == NULL || tasker_alive(e->t, NULL) == TASKER_E_FORKED)
        return;
    if (e->live != NULL)
        engine_unsubscribe(e->live);
    arena_done(&e->arena);
    buf_done(&e->batch);
    mem_free(e->patterns);
    mem_free(e->cursor);
    mem_free(e);
}
