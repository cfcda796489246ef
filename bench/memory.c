// SPDX-License-Identifier: MIT
// memory.c - what an unfinished task costs in memory: submits tasks whose first steps nobody serves
// and looks at the heap before and after. They are in the engine with all their steps, and their
// first steps are offered to other processes.
//
//     bench-memory [--json]
//
// SQLite's own memory (the page cache, at most 64 MB) is subtracted.
#include <malloc.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/bench.h"

static const struct {
    const char *workload;
    unsigned tasks;
} kinds[] = {{"W1", 8000}, {"W2", 8000}, {"W6", 1000}};

static void die(const char *what, const tasker_error *err)
{
    fprintf(stderr, "bench-memory: %s: %s\n", what, err->message);
    exit(1);
}

static double heap_bytes(void)
{
    struct mallinfo2 m = mallinfo2();

    return (double)m.uordblks + (double)m.hblkhd - (double)sqlite3_memory_used();
}

static const struct workload *find_workload(const char *name)
{
    const struct workload *w = workloads;

    while (strcmp(w->name, name) != 0)
        w++;
    return w;
}

// Until every task's first step is offered, and the engine has nothing more to do.
static void settle(tasker *t, unsigned offers)
{
    char wanted[64];
    tasker_error err;
    bool done = false;

    snprintf(wanted, sizeof(wanted), "\"open\":%u,", offers);
    while (!done) {
        tasker_text *health;
        if (tasker_call(t, "health.status", NULL, 0, &health, &err) < 0)
            die("health", &err);
        done = strstr(tasker_text_data(health), wanted) != NULL;
        tasker_text_free(health);
        nanosleep(&(struct timespec){0, 20000000}, NULL);
    }
}

static void submit(tasker *t, const struct workload *w, unsigned count)
{
    CLEANUP(buf_done) struct buf request;
    CLEANUP(mem_freep) tasker_submission *list = mem_alloc(count * sizeof(*list));
    tasker_error err = {.message = "out of memory"};

    buf_init(&request, 4096);
    workload_request(w, &request);
    if (list == NULL || buf_failed(&request))
        die("submissions", &err);
    for (unsigned i = 0; i < count; i++)
        list[i] = (tasker_submission){.request = buf_view(&request).p, .size = request.len};
    if (tasker_submit_many(t, list, count, &err) != 0)
        die("submit", &err);
}

static unsigned roots_of(const struct workload *w)
{
    return strcmp(w->name, "W6") == 0 ? 10 : 1;
}

static double measure(const struct workload *w, unsigned tasks)
{
    CLEANUP(buf_done) struct buf text;
    char uri[64];
    tasker_error err;
    tasker *t;

    buf_init(&text, 1 << 22);
    workload_template(w, &text);
    snprintf(uri, sizeof(uri), "sqlite:memory-%ld-%s.db", (long)getpid(), w->name);
    if (tasker_open(uri, "{\"max_active_tasks\":20000,\"queue_limit\":20000}", &t, &err) < 0 ||
        tasker_register(t, buf_view(&text).p, text.len, NULL, 1, NULL, &err) < 0 ||
        tasker_start(t, 0, &err) < 0)
        die(uri, &err);
    submit(t, w, 1);
    settle(t, roots_of(w));
    double before = heap_bytes();
    submit(t, w, tasks);
    settle(t, (tasks + 1) * roots_of(w));
    double bytes = (heap_bytes() - before) / tasks;
    tasker_close(t);
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
        char name[96];
        snprintf(name, sizeof(name), "%s%s", uri + strlen("sqlite:"), suffixes[i]);
        unlink(name);
    }
    return bytes;
}

int main(int argc, char **argv)
{
    bool json = argc > 1 && strcmp(argv[1], "--json") == 0;

    if (json)
        printf("{\"memory\":[");
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        const struct workload *w = find_workload(kinds[i].workload);
        double bytes = measure(w, kinds[i].tasks);
        if (json)
            printf("%s{\"workload\":\"%s\",\"tasks\":%u,\"bytes_per_task\":%.0f}", i > 0 ? "," : "",
                   w->name, kinds[i].tasks, bytes);
        else
            printf("%s: %6.0f bytes for a task of %u steps (%u at once: %s)\n", w->name, bytes,
                   w->steps, kinds[i].tasks, w->what);
    }
    if (json)
        printf("]}\n");
    return 0;
}
