// SPDX-License-Identifier: MIT
// sim.c - runs seeds: sim [--seeds COUNT] [--first SEED] [--verbose]. One line per failing seed, with the command that replays it, and at the end
// the plain line that test runners count.
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define START (INT64_C(1780000000) * US_PER_SECOND)

// A random layered graph of up to seven steps over three handler classes.
static void make_template(struct sim *s, size_t index)
{
    struct buf b;
    struct template_errors errors;
    tasker_error err = {0};
    size_t steps = index == 0 ? 0 : 1 + rng_below(&s->rng, 7);
    buf_init(&b, 1 << 20);
    buf_printf(&b, "name: t%zu\nnamespace_name: sim\nversion: 1.0.0\nstep_templates:%s\n", index, steps ? "" : " []");
    for (size_t i = 0; i < steps; i++) {
        buf_printf(&b, "  - {name: s%zu, handler_class: %s, default_retry_limit: %d, default_retryable: %s", i,
                   sim_classes[rng_below(&s->rng, 3)], 1 + (int)rng_below(&s->rng, 4),
                   chance(s, 90) ? "true" : "false");
        if (chance(s, 20))
            buf_printf(&b, ", timeout_seconds: 1");
        if (chance(s, 50))
            buf_printf(&b, ", retry_backoff: {strategy: exponential, base_seconds: 0.1, max_seconds: 1}");
        buf_printf(&b, ", depends_on_steps: [");
        bool first = true;
        for (size_t k = 0; k < i; k++)
            if (chance(s, 35)) {
                buf_printf(&b, "%ss%zu", first ? "" : ", ", k);
                first = false;
            }
        buf_printf(&b, "]}\n");
    }
    template_errors_init(&errors);
    if (template_read(buf_view(&b), NULL, NULL, &s->templates[index], &errors, &err) < 0 ||
        s->store->ops->register_template(s->store, s->templates[index], false, s->now, &err) < 0) {
        fprintf(stderr, "template: %s\n%s", err.message, b.data);
        exit(2);
    }
    template_errors_done(&errors);
    buf_done(&b);
}

static void set_up(struct sim *s, uint64_t seed)
{
    struct store_options so = {.host = "sim", .boot_id = "boot", .migrate = true};
    tasker_error err = {0};
    memset(s, 0, sizeof(*s));
    s->seed = seed;
    s->rng.state = seed * 7919 + 1;
    s->now = START;
    s->faults_until = START + 20 * US_PER_SECOND;
    s->fault_percent = (int)rng_below(&s->rng, 20);
    if (store_open("sqlite::memory:", &so, &s->store, &err) < 0) {
        fprintf(stderr, "store: %s\n", err.message);
        exit(2);
    }
    for (size_t i = 0; i < SIM_TEMPLATES; i++)
        make_template(s, i);
    static const unsigned serves[][SIM_ENGINES] = {{7, 7, 7, 7}, {1, 2, 4, 7}, {3, 6, 5, 1}, {7, 1, 2, 2}};
    size_t mix = rng_below(&s->rng, ARRAY_SIZE(serves));
    for (int i = 0; i < SIM_ENGINES; i++) {
        s->engines[i].index = i;
        s->engines[i].serves = serves[mix][i];
        s->engines[i].restart_at = s->now + (int64_t)rng_below(&s->rng, US_PER_SECOND);
    }
}

static void tear_down(struct sim *s)
{
    for (int i = 0; i < SIM_ENGINES; i++)
        if (s->engines[i].up)
            engine_crash(s, &s->engines[i]);
    for (size_t i = 0; i < SIM_TEMPLATES; i++)
        template_unref(s->templates[i]);
    store_close(s->store);
}

static struct sim_engine *next_engine(struct sim *s, int64_t *ret_at)
{
    struct sim_engine *first = NULL;
    for (int i = 0; i < SIM_ENGINES; i++) {
        int64_t at = engine_next(s, &s->engines[i]);
        if (!first || at < *ret_at) {
            first = &s->engines[i];
            *ret_at = at;
        }
    }
    return first;
}

static void callers(struct sim *s)
{
    struct sim_engine *e = &s->engines[rng_below(&s->rng, SIM_ENGINES)];
    if (!e->up || s->now >= s->faults_until || e->paused_until > s->now)
        return;
    if (s->submitted < 40 && chance(s, 6))
        sim_submit(s, e);
    if (chance(s, 1))
        sim_command(s, e);
}

static void run(struct sim *s)
{
    size_t last_checked = 0, still = 0;
    int64_t end = s->faults_until + 600 * US_PER_SECOND;
    for (uint64_t i = 0; !s->wrong[0]; i++) {
        int64_t at = 0;
        struct sim_engine *e = next_engine(s, &at);
        still = at > s->now ? 0 : still + 1;
        if (still > 5000)
            fail(s, "%s spins", e->name);
        if (at > s->now)
            s->now = at;
        if (s->now > end || i > 3000000)
            break;
        callers(s);
        engine_run(s, e);
        check_memory(s, e);
        if (s->commits >= last_checked + 40) {
            last_checked = s->commits;
            check_rows(s);
        }
        if (s->now > s->faults_until + 5 * US_PER_SECOND && i % 50 == 0 && all_over(s) && all_answered(s))
            break;
    }
    check_rows(s);
    if (!s->wrong[0])
        check_end(s);
}

int main(int argc, char **argv)
{
    uint64_t count = 1000, first = 1;
    bool verbose = false;
    for (int i = 1; i < argc; i++) {
        verbose = verbose || strcmp(argv[i], "--verbose") == 0;
        if (i + 1 < argc && strcmp(argv[i], "--seeds") == 0)
            count = strtoull(argv[i + 1], NULL, 10);
        if (i + 1 < argc && strcmp(argv[i], "--first") == 0)
            first = strtoull(argv[i + 1], NULL, 10);
    }
    unsigned long passed = 0, failed = 0;
    size_t commits = 0, crashes = 0, steps = 0;
    struct sim *s = mem_alloc(sizeof(*s));
    for (uint64_t seed = first; seed < first + count; seed++) {
        set_up(s, seed);
        s->verbose = verbose;
        run(s);
        commits += s->commits;
        crashes += s->crashes;
        steps += s->handed_out;
        if (s->wrong[0]) {
            printf("seed %llu: %s\n  replay: %s --seeds 1 --first %llu --verbose\n", (unsigned long long)seed, s->wrong, argv[0],
                   (unsigned long long)seed);
            failed++;
        } else {
            passed++;
        }
        tear_down(s);
        if (failed >= 5)
            break;
    }
    mem_free(s);
    printf("%zu commits, %zu crashes, %zu attempts\n", commits, crashes, steps);
    printf("%lu passed, %lu failed\n", passed, failed);
    return failed > 0;
}
