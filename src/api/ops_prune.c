// SPDX-License-Identifier: MIT
// ops_prune.c - db.prune: one batch of the store after the other, with pauses, until nothing is left or the limit is
// reached.
//
// The connection is free between batches, so questions are answered meanwhile. The pause is as long as the batch took:
// on SQLite a lane that waits for the one write lock tries again every half millisecond and gets it then.
#include <string.h>
#include <time.h>

#include "api/ops.h"

#define PRUNE_MAX 1000000
#define PRUNE_LIMIT 10000
#define BATCH_MAX ((size_t)1 << 16) // bytes of its arguments or answer
#define PAUSE_MIN_US (2 * US_PER_MS)
#define PAUSE_MAX_US (200 * US_PER_MS)

static const char *const names[] = {"tasks", "steps", "edges", "transitions", "annotations", "logs", "busy"};

struct prune {
    int64_t counts[ARRAY_SIZE(names)]; // the first is that of tasks
    int64_t limit, after;
    char before[TIME_TEXT_SIZE];
    bool ended; // there are no more ids
};

void op_rest(int64_t us)
{
    int64_t pause = us < PAUSE_MIN_US ? PAUSE_MIN_US : us > PAUSE_MAX_US ? PAUSE_MAX_US : us;
    struct timespec t = {0, (long)pause * 1000};

    nanosleep(&t, NULL);
}

// The first batch says what "before" is; the others keep to it.
static void write_arguments(const struct call *c, const struct prune *p, struct buf *out)
{
    static const char *const same[] = {"states", "namespace", "name", "version", "all", "dry_run"};
    const struct json *age = call_arg(c, "older_than"), *before = call_arg(c, "before");

    jw_open(out, '{');
    if (p->before[0] != '\0')
        jw_kstr(out, "before", p->before);
    if (p->before[0] == '\0' && age != NULL)
        jw_kraw(out, "older_than", age->raw.p, age->raw.len);
    if (p->before[0] == '\0' && before != NULL)
        jw_kraw(out, "before", before->raw.p, before->raw.len);
    for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
        const struct json *v = call_arg(c, same[i]);
        if (v != NULL)
            jw_kraw(out, same[i], v->raw.p, v->raw.len);
    }
    jw_kint(out, "after", p->after);
    jw_kint(out, "take", p->limit - p->counts[0]);
    jw_close(out, '}');
}

static void take_answer(struct prune *p, const struct json *v)
{
    const struct json *before = json_get(v, "before"), *next = json_get(v, "next");
    int64_t n;

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        const struct json *count = json_get(v, names[i]);
        if (count != NULL && json_int(count, &n))
            p->counts[i] += n;
    }
    if (before != NULL && before->str.len < sizeof(p->before))
        memcpy(p->before, before->str.p, before->str.len);
    p->ended = next == NULL || !json_int(next, &p->after);
}

static int batch(const struct call *c, struct prune *p, tasker_error *err)
{
    CLEANUP(arena_done) struct arena arena;
    CLEANUP(buf_done) struct buf in, out;
    const struct json *v;

    arena_init(&arena);
    buf_init(&in, RESULT_MAX);
    buf_init(&out, BATCH_MAX);
    write_arguments(c, p, &in);
    if (buf_failed(&in))
        return err_nomem(err);
    int rc = json_parse(&arena, buf_view(&in), &v, err);
    if (rc == 0)
        rc = engine_operate(c->t->engine, "db.prune", v, &out, err);
    if (rc == 0 && buf_failed(&out))
        rc = err_nomem(err);
    if (rc == 0)
        rc = json_parse(&arena, buf_view(&out), &v, err);
    if (rc == 0)
        take_answer(p, v);
    return rc;
}

int op_db_prune(const struct call *c, tasker_error *err)
{
    struct prune p = {.limit = call_int(c, "limit", PRUNE_LIMIT)};
    int rc = call_range(c, "limit", 1, PRUNE_MAX, err);

    while (rc == 0 && !p.ended && p.counts[0] < p.limit) {
        int64_t began = clock_monotonic_us(), tasks = p.counts[0];
        rc = batch(c, &p, err);
        if (rc == 0 && p.counts[0] > tasks && !p.ended)
            op_rest(clock_monotonic_us() - began);
    }
    if (rc < 0)
        return rc;
    jw_open(c->out, '{');
    jw_kstr(c->out, "before", p.before);
    jw_kbool(c->out, "dry_run", call_bool(c, "dry_run", false));
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        jw_kint(c->out, names[i], p.counts[i]);
    jw_kbool(c->out, "more", !p.ended);
    jw_close(c->out, '}');
    return 0;
}
