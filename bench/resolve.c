// SPDX-License-Identifier: MIT
// resolve.c - how long the model takes from a finished step to knowing what is ready, without a
// database.
//
//     bench-resolve [--json]
//
// Graphs of 100 and 1,000 steps: a chain, layers of ten in which every step needs all ten above it,
// and a fan (one step, all others but the last, the last). Each runs to its end a number of times;
// every call of task_succeed is timed by itself. It counts down the children, finds the ready ones,
// and makes the rows to write. So `max` is the first step of a fan, which frees all others at once.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/util.h"
#include "model/task.h"

#define TASKS 50
#define WIDTH 10

static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench-resolve: %s: %s\n", what, why);
    exit(1);
}

// ---- graphs: the parents of step i are the steps first to last (none: last < first)

struct parents {
    int first, last;
};

static struct parents chain(int i, int count)
{
    (void)count;
    return (struct parents){i - 1, i > 0 ? i - 1 : -2};
}

static struct parents layers(int i, int count)
{
    int above = i / WIDTH * WIDTH - WIDTH;

    (void)count;
    return (struct parents){above, above < 0 ? above - 1 : above + WIDTH - 1};
}

static struct parents fan(int i, int count)
{
    if (i == count - 1)
        return (struct parents){1, count - 2};
    return (struct parents){0, i > 0 ? 0 : -1};
}

static const struct {
    const char *name;
    struct parents (*parents)(int i, int count);
} graphs[] = {{"chain", chain}, {"layers of ten", layers}, {"fan", fan}};

static struct template *make_template(struct parents (*parents)(int, int), int count)
{
    struct template_errors errors;
    struct template *t = NULL;
    struct buf text;
    tasker_error err;
    char name[16];

    buf_init(&text, 1 << 24);
    buf_str(&text, "{\"name\":\"graph\",\"task_handler_class\":\"Bench\",\"step_templates\":[");
    for (int i = 0; i < count; i++) {
        struct parents p = parents(i, count);
        jw_open(&text, '{');
        snprintf(name, sizeof(name), "s%d", i);
        jw_kstr(&text, "name", name);
        jw_kstr(&text, "handler_class", "Bench");
        jw_key(&text, "depends_on_steps");
        jw_open(&text, '[');
        for (int k = p.first; k <= p.last; k++) {
            snprintf(name, sizeof(name), "s%d", k);
            jw_str(&text, name);
        }
        jw_close(&text, ']');
        jw_close(&text, '}');
    }
    buf_str(&text, "]}");
    template_errors_init(&errors);
    if (buf_failed(&text) || template_read(buf_view(&text), NULL, NULL, &t, &errors, &err) < 0)
        die("template", buf_failed(&text) ? "too big" : err.message);
    template_errors_done(&errors);
    buf_done(&text);
    return t;
}

// ---- one task from its creation to its end

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

struct runner {
    struct decision d;
    struct template *tpl;
    struct blob *context, *result;
    int64_t *ids;
    uint32_t *ready; // indices, in the order in which they became ready
    uint32_t ready_count;
    int64_t *times; // of task_succeed, nanoseconds
    size_t count;
};

static void next_turn(struct runner *r)
{
    uint64_t serial = r->d.serial;

    for (size_t i = 0; i < r->d.note_count; i++)
        if (r->d.notes[i].kind == NOTE_STEP_READY)
            r->ready[r->ready_count++] = (uint32_t)r->d.notes[i].step;
    decision_clear(&r->d);
    r->d.serial = serial + 1;
}

static void run_task(struct runner *r, int64_t id)
{
    struct task_request request = {
        .tpl = r->tpl, .context = r->context, .identity = SPAN("x"), .own = true};
    struct task *t = task_create(&r->d, &request, id, r->ids);

    if (t == NULL)
        die("task_create", "out of memory");
    r->ready_count = 0;
    task_start(&r->d, t);
    next_turn(r);
    for (uint32_t i = 0; i < r->ready_count; i++) {
        struct tstep *s = &t->steps[r->ready[i]];
        task_begin_step(&r->d, t, s, false);
        int64_t before = now_ns();
        task_succeed(&r->d, t, s, r->result, (struct span){NULL, 0});
        r->times[r->count++] = now_ns() - before;
        next_turn(r);
    }
    if (t->state != ST_COMPLETE || r->d.failed)
        die("task", "did not come to its end");
    task_free(t);
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void measure(size_t graph, int steps, bool json, bool first)
{
    struct rng rng = {1};
    struct runner r = {.tpl = make_template(graphs[graph].parents, steps)};
    int64_t sum = 0;

    decision_init(&r.d);
    r.d.rng = &rng;
    r.d.engine = "host:12345";
    r.d.now = clock_real_us();
    r.context = blob_new("{}", 2);
    r.result = blob_new("{\"ok\":true}", 11);
    r.ids = mem_alloc((size_t)steps * sizeof(*r.ids));
    r.ready = mem_alloc((size_t)steps * sizeof(*r.ready));
    r.times = mem_alloc((size_t)steps * TASKS * sizeof(*r.times));
    if (r.context == NULL || r.result == NULL || r.ids == NULL || r.ready == NULL ||
        r.times == NULL)
        die("memory", "none");
    for (int i = 0; i < steps; i++)
        r.ids[i] = i + 1;
    for (int64_t i = 1; i <= TASKS; i++)
        run_task(&r, i);
    for (size_t i = 0; i < r.count; i++)
        sum += r.times[i];
    qsort(r.times, r.count, sizeof(r.times[0]), by_value);
    double mean = (double)sum / (double)r.count / 1e3;
    double p50 = (double)r.times[r.count / 2] / 1e3;
    // The most expensive step of each task, the median of the tasks: one interruption does not
    // count.
    double most = (double)r.times[r.count - TASKS / 2] / 1e3;
    if (json)
        printf("%s{\"graph\":\"%s\",\"steps\":%d,\"edges\":%u,\"mean_us\":%.3f,\"p50_us\":%.3f,"
               "\"max_us\":%.3f}",
               first ? "" : ",", graphs[graph].name, steps, r.tpl->edge_count, mean, p50, most);
    else
        printf("%-14s %5d steps %6u edges  mean %8.3f us  p50 %8.3f us  max %8.3f us\n",
               graphs[graph].name, steps, r.tpl->edge_count, mean, p50, most);
    decision_done(&r.d);
    blob_unref(r.context);
    blob_unref(r.result);
    mem_free(r.ids);
    mem_free(r.ready);
    mem_free(r.times);
    template_unref(r.tpl);
}

int main(int argc, char **argv)
{
    bool json = argc > 1 && strcmp(argv[1], "--json") == 0;

    if (json)
        printf("{\"resolve\":[");
    for (size_t i = 0; i < ARRAY_SIZE(graphs); i++) {
        measure(i, 100, json, i == 0);
        measure(i, 1000, json, false);
    }
    if (json)
        printf("]}\n");
    return 0;
}
