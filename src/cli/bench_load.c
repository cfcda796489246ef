// SPDX-License-Identifier: MIT
// bench_load.c - the shapes of the workloads, a worker that does nothing, and one measured run.
//
// A burst hands in all tasks at once: its latencies count from that moment, so they say how long
// the last in the queue waits. A single run hands in one task after the other: its latencies are
// those of an idle engine.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench.h"

#define CONCURRENCY 1024
#define SILENCE_MS 60000 // without an event for so long, something is broken

// ---- shapes

static void add_step(struct buf *out, const char *name)
{
    jw_open(out, '{');
    jw_kstr(out, "name", name);
    jw_kstr(out, "handler_class", BENCH_CLASS);
}

static void end_step(struct buf *out)
{
    jw_close(out, '}');
}

// A step that depends on `count` others, called <prefix>0, <prefix>1, ...
static void add_join(struct buf *out, const char *name, const char *prefix, int count)
{
    char parent[32];

    add_step(out, name);
    jw_key(out, "depends_on_steps");
    jw_open(out, '[');
    for (int i = 0; i < count; i++) {
        snprintf(parent, sizeof(parent), "%s%d", prefix, i);
        jw_str(out, parent);
    }
    jw_close(out, ']');
    end_step(out);
}

static void add_child(struct buf *out, const char *name, const char *parent)
{
    add_step(out, name);
    jw_kstr(out, "depends_on_step", parent);
    end_step(out);
}

static void shape_single(struct buf *out)
{
    add_step(out, "only");
    end_step(out);
}

static void shape_chain(struct buf *out)
{
    add_step(out, "first");
    end_step(out);
    add_child(out, "second", "first");
    add_child(out, "third", "second");
    add_child(out, "fourth", "third");
}

static void shape_diamond(struct buf *out)
{
    add_step(out, "top");
    end_step(out);
    add_child(out, "side0", "top");
    add_child(out, "side1", "top");
    add_join(out, "bottom", "side", 2);
}

static void shape_fan(struct buf *out)
{
    char name[32];

    add_step(out, "source");
    end_step(out);
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "wide%d", i);
        add_child(out, name, "source");
    }
    add_join(out, "join", "wide", 100);
}

static void shape_layers(struct buf *out)
{
    char name[32], above[32];

    for (int level = 0; level < 10; level++) {
        snprintf(above, sizeof(above), "l%d_", level - 1);
        for (int i = 0; i < 10; i++) {
            snprintf(name, sizeof(name), "l%d_%d", level, i);
            add_join(out, name, above, level > 0 ? 10 : 0);
        }
    }
}

const struct workload workloads[] = {
    {"W1", "tasks of one step", 2000, 1, false, shape_single},
    {"W2", "chains of four steps", 1000, 4, false, shape_chain},
    {"W3", "diamonds of four steps", 1000, 4, false, shape_diamond},
    {"W4", "fans of 1 + 100 + 1", 20, 102, false, shape_fan},
    {"W5", "chains of four, one at a time", 200, 4, true, shape_chain},
    {"W6", "layers, 10 by 10, 900 edges", 50, 100, false, shape_layers},
    {NULL, NULL, 0, 0, false, NULL},
};

// ---- the worker

static void *serve(void *arg)
{
    static const char result[] = "{\"ok\":true}";
    tasker_worker *worker = arg;
    tasker_step *steps[CONCURRENCY];
    int rc;

    while ((rc = tasker_worker_poll(worker, -1, &steps[0], NULL)) >= 0) {
        size_t count = rc > 0 ? 1 : 0;
        while (count > 0 && count < CONCURRENCY &&
               tasker_worker_poll(worker, 0, &steps[count], NULL) == 1)
            count++;
        for (size_t i = 0; i < count; i++)
            if (tasker_step_complete(steps[i], result, sizeof(result) - 1, NULL, 0, NULL) ==
                TASKER_E_INVALID)
                return NULL;
    }
    return NULL;
}

// ---- one run

struct load {
    const struct workload *w;
    tasker *t;
    tasker_worker *worker;
    tasker_events *events;
    struct buf request;
    int64_t begun;      // monotonic, of the burst
    int64_t *latencies; // microseconds, by order of completion
    unsigned count;
    tasker_error err; // of the thread that counts
    int rc;
};

// Waits for the next end of a task. 0 or an error.
static int next_end(struct load *l, tasker_error *err)
{
    tasker_text *text;

    int rc = tasker_events_next(l->events, SILENCE_MS, &text, err);
    if (rc == 0)
        return err_set(err, TASKER_E_TIMEOUT, "%s: nothing happened for %d s", l->w->name,
                       SILENCE_MS / 1000);
    if (rc < 0)
        return rc;
    const char *data = tasker_text_data(text);
    bool complete = strstr(data, "\"event\":\"task.completed\"") != NULL;
    if (!complete)
        err_set(err, TASKER_E_BUG, "%s: unexpected: %.300s", l->w->name, data);
    tasker_text_free(text);
    return complete ? 0 : TASKER_E_BUG;
}

static void *count_ends(void *arg)
{
    struct load *l = arg;

    while (l->count < l->w->tasks) {
        l->rc = next_end(l, &l->err);
        if (l->rc < 0)
            break;
        l->latencies[l->count++] = clock_monotonic_us() - l->begun;
    }
    return NULL;
}

static int run_burst(struct load *l, tasker_error *err)
{
    CLEANUP(mem_freep) tasker_submission *list = mem_alloc(l->w->tasks * sizeof(*list));
    pthread_t counter;

    if (list == NULL)
        return err_nomem(err);
    for (unsigned i = 0; i < l->w->tasks; i++)
        list[i] = (tasker_submission){.request = buf_view(&l->request).p, .size = l->request.len};
    l->begun = clock_monotonic_us();
    if (pthread_create(&counter, NULL, count_ends, l) != 0)
        return err_set(err, TASKER_E_IO, "no thread can be started");
    int rc = tasker_submit_many(l->t, list, l->w->tasks, err);
    for (unsigned i = 0; rc > 0 && i < l->w->tasks; i++)
        if (list[i].error.code != 0)
            *err = list[i].error, rc = list[i].error.code;
    // A refused submission leaves the counter waiting for its end.
    pthread_join(counter, NULL);
    if (rc == 0 && l->rc < 0) {
        *err = l->err;
        rc = l->rc;
    }
    return rc;
}

static int run_singly(struct load *l, tasker_error *err)
{
    int64_t id;

    l->begun = clock_monotonic_us();
    for (; l->count < l->w->tasks; l->count++) {
        int64_t before = clock_monotonic_us();
        int rc = tasker_submit(l->t, buf_view(&l->request).p, l->request.len, &id, err);
        if (rc == 0)
            rc = next_end(l, err);
        if (rc < 0)
            return rc;
        l->latencies[l->count] = clock_monotonic_us() - before;
    }
    return 0;
}

// The first task pays for caches, statements and the file itself.
static int warm_up(struct load *l, tasker_error *err)
{
    int64_t id;

    int rc = tasker_submit(l->t, buf_view(&l->request).p, l->request.len, &id, err);
    return rc == 0 ? next_end(l, err) : rc;
}

// ---- measures

static void reset_peak(void)
{
    FILE *f = fopen("/proc/self/clear_refs", "we");

    if (f == NULL)
        return;
    fputs("5", f);
    fclose(f);
}

static double peak_mb(void)
{
    FILE *f = fopen("/proc/self/status", "re");
    char line[256];
    long kb = 0;

    while (f != NULL && fgets(line, sizeof(line), f) != NULL)
        if (strncmp(line, "VmHWM:", 6) == 0)
            kb = strtol(line + 6, NULL, 10);
    if (f != NULL)
        fclose(f);
    return (double)kb / 1024;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static double percentile(const int64_t *sorted, unsigned count, unsigned percent)
{
    size_t at = (size_t)count * percent / 100;
    return (double)sorted[at < count ? at : count - 1] / 1e3;
}

static int measured(struct load *l, struct measure *ret, tasker_error *err)
{
    reset_peak();
    int64_t cpu = clock_cpu_us();
    int rc = l->w->single ? run_singly(l, err) : run_burst(l, err);
    int64_t end = clock_monotonic_us();
    if (rc < 0)
        return rc;
    // The end of a burst is when its last completion was seen, not when submit_many came back.
    if (!l->w->single)
        end = l->begun + l->latencies[l->count - 1];
    *ret = (struct measure){
        .seconds = (double)(end - l->begun) / 1e6,
        .cpu_us_per_step = (double)(clock_cpu_us() - cpu) / ((double)l->w->tasks * l->w->steps),
        .peak_rss_mb = peak_mb(),
    };
    qsort(l->latencies, l->count, sizeof(*l->latencies), by_value);
    ret->p50_ms = percentile(l->latencies, l->count, 50);
    ret->p99_ms = percentile(l->latencies, l->count, 99);
    return 0;
}

void workload_template(const struct workload *w, struct buf *out)
{
    char name[32];

    snprintf(name, sizeof(name), "bench_%s", w->name);
    jw_open(out, '{');
    jw_kstr(out, "name", name);
    jw_kstr(out, "namespace_name", "tasker_bench");
    jw_kstr(out, "task_handler_class", "TaskerBench");
    jw_key(out, "step_templates");
    jw_open(out, '[');
    w->shape(out);
    jw_close(out, ']');
    jw_close(out, '}');
}

void workload_request(const struct workload *w, struct buf *out)
{
    buf_printf(out, "{\"name\":\"bench_%s\",\"namespace\":\"tasker_bench\"}", w->name);
}

static int register_shape(struct load *l, tasker_error *err)
{
    CLEANUP(buf_done) struct buf text;

    buf_init(&text, 1 << 22);
    workload_template(l->w, &text);
    workload_request(l->w, &l->request);
    if (buf_failed(&text) || buf_failed(&l->request))
        return err_nomem(err);
    return tasker_register(l->t, buf_view(&text).p, text.len, NULL, 1, NULL, err);
}

static int run_load(struct load *l, struct measure *ret, tasker_error *err)
{
    static const char *const classes[] = {BENCH_CLASS};
    pthread_t worker;

    int rc = register_shape(l, err);
    if (rc == 0)
        rc = tasker_start(l->t, 0, err);
    if (rc == 0)
        rc = tasker_events_open(l->t, "task.completed,task.failed", NULL, &l->events, err);
    if (rc == 0)
        rc = tasker_worker_open(l->t, classes, 1, CONCURRENCY, &l->worker, err);
    if (rc == 0 && pthread_create(&worker, NULL, serve, l->worker) != 0) {
        tasker_worker_close(l->worker);
        rc = err_set(err, TASKER_E_IO, "no thread can be started");
    }
    if (rc < 0)
        return rc;
    rc = warm_up(l, err);
    if (rc == 0)
        rc = measured(l, ret, err);
    tasker_worker_close(l->worker);
    pthread_join(worker, NULL);
    return rc;
}

int workload_run(const struct cli *c, const char *uri, const struct workload *w,
                 struct measure *ret, tasker_error *err)
{
    struct load l = {.w = w};
    struct cli here = *c;
    int64_t lanes = 1;
    char more[24];

    here.db = uri;
    if (args_number(&c->args, "lanes", 1, 16, &lanes, err) < 0)
        return TASKER_E_INVALID;
    snprintf(more, sizeof(more), "\"lanes\":%lld", (long long)lanes);
    buf_init(&l.request, 1 << 16);
    l.latencies = mem_alloc(w->tasks * sizeof(*l.latencies));
    int rc = l.latencies == NULL ? err_nomem(err) : cli_open(&here, more, &l.t, err);
    if (rc == 0)
        rc = run_load(&l, ret, err);
    tasker_events_close(l.events);
    tasker_close(l.t);
    mem_free(l.latencies);
    buf_done(&l.request);
    return rc;
}
