// SPDX-License-Identifier: MIT
// bench.c - `tasker bench`: which workloads, how often, in which database, and the report.
//
// fsync_ms is what the disk takes for one durable write of 4 KiB into a file that has its room
// already, as a database's log has: a chain of four steps needs five commits, so five times that is
// about the least that W5 can take here.
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/bench.h"

#define RUNS_MAX 100
#define SCALE_MAX 1000
#define SYNCS 101

const struct option bench_options[] = {
    {"workload", "NAME", "W1 to W6, or all (default)"},
    {"lanes", "N", "connections that work at once on PostgreSQL, 1 to 16 (default: 1)"},
    {"scale", "N", "times as many tasks (default: 1)"},
    {"runs", "N", "run each so often and report the median (default: 1)"},
    {NULL, NULL, NULL},
};

struct report {
    struct workload w;
    struct measure m;
};

static double steps_per_second(const struct report *r)
{
    return (double)r->w.tasks * r->w.steps / (r->m.seconds > 0 ? r->m.seconds : 1e-9);
}

static int by_seconds(const void *a, const void *b)
{
    double x = ((const struct measure *)a)->seconds, y = ((const struct measure *)b)->seconds;
    return (x > y) - (x < y);
}

static void remove_database(const char *path)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    char name[256];

    for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
        snprintf(name, sizeof(name), "%s%s", path, suffixes[i]);
        unlink(name);
    }
}

static int run_once(const struct cli *c, const struct workload *w, struct measure *ret,
                    tasker_error *err)
{
    char path[64], uri[80];

    if (args_flag(&c->args, "db"))
        return workload_run(c, c->db, w, ret, err);
    snprintf(path, sizeof(path), "tasker-bench-%ld-%s.db", (long)getpid(), w->name);
    snprintf(uri, sizeof(uri), "sqlite:%s", path);
    remove_database(path);
    int rc = workload_run(c, uri, w, ret, err);
    remove_database(path);
    return rc;
}

static int run_workload(const struct cli *c, const struct workload *w, int64_t runs,
                        struct report *ret, tasker_error *err)
{
    struct measure all[RUNS_MAX];

    for (int64_t i = 0; i < runs; i++) {
        note(c, "%s: %u %s, run %lld of %lld", w->name, w->tasks, w->what, (long long)i + 1,
             (long long)runs);
        int rc = run_once(c, w, &all[i], err);
        if (rc < 0)
            return rc;
    }
    qsort(all, (size_t)runs, sizeof(all[0]), by_seconds);
    *ret = (struct report){*w, all[runs / 2]};
    return 0;
}

// ---- the disk

static int write_durably(int fd, const void *block, size_t size, int place)
{
    return pwrite(fd, block, size, (off_t)size * place) == (ssize_t)size && fdatasync(fd) == 0 ? 0
                                                                                               : -1;
}

static int make_room(int fd, const void *block, size_t size)
{
    for (int i = 0; i < SYNCS; i++)
        if (pwrite(fd, block, size, (off_t)size * i) != (ssize_t)size)
            return -1;
    return fsync(fd);
}

static int by_number(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

// The median time of a durable write, in milliseconds; 0 when it cannot be measured.
static double measure_sync(void)
{
    char block[4096], path[64];
    int64_t times[SYNCS];
    int i = 0;

    memset(block, 'x', sizeof(block));
    snprintf(path, sizeof(path), "tasker-bench-%ld.sync", (long)getpid());
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return 0;
    for (int rc = make_room(fd, block, sizeof(block)); rc == 0 && i < SYNCS; i++) {
        int64_t before = clock_monotonic_us();
        if (write_durably(fd, block, sizeof(block), i) < 0)
            break;
        times[i] = clock_monotonic_us() - before;
    }
    close(fd);
    unlink(path);
    if (i < SYNCS)
        return 0;
    qsort(times, SYNCS, sizeof(times[0]), by_number);
    return (double)times[SYNCS / 2] / 1e3;
}

// ---- the report

static void print_json(const struct report *list, size_t count, double sync_ms)
{
    printf("{\"workloads\":[");
    for (size_t i = 0; i < count; i++) {
        const struct report *r = &list[i];
        printf("%s{\"workload\":\"%s\",\"tasks\":%u,\"steps\":%u,\"seconds\":%.4f,\"steps_per_s\":%"
               ".1f,\"p50_ms\":%.3f,"
               "\"p99_ms\":%.3f,\"cpu_us_per_step\":%.1f,\"peak_rss_mb\":%.1f}",
               i > 0 ? "," : "", r->w.name, r->w.tasks, r->w.tasks * r->w.steps, r->m.seconds,
               steps_per_second(r), r->m.p50_ms, r->m.p99_ms, r->m.cpu_us_per_step,
               r->m.peak_rss_mb);
    }
    printf("],\"fsync_ms\":%.3f}\n", sync_ms);
}

static void print_people(const struct report *list, size_t count, double sync_ms)
{
    printf("%-4s %6s %6s %9s %9s %9s %9s %9s %8s  %s\n", "", "tasks", "steps", "seconds", "steps/s",
           "p50 ms", "p99 ms", "us/step", "peak MB", "what");
    for (size_t i = 0; i < count; i++) {
        const struct report *r = &list[i];
        printf("%-4s %6u %6u %9.3f %9.0f %9.2f %9.2f %9.1f %8.1f  %s\n", r->w.name, r->w.tasks,
               r->w.tasks * r->w.steps, r->m.seconds, steps_per_second(r), r->m.p50_ms,
               r->m.p99_ms, r->m.cpu_us_per_step, r->m.peak_rss_mb, r->w.what);
    }
    printf("a durable write of 4 KiB takes %.3f ms here; a commit of SQLite is one such write and some "
           "work of its own (make bench compares with that)\n",
           sync_ms);
}

int command_bench(struct cli *c)
{
    const char *chosen = args_value(&c->args, "workload");
    struct report list[16];
    int64_t runs = 1, scale = 1;
    size_t count = 0;
    tasker_error err;

    int rc = args_number(&c->args, "runs", 1, RUNS_MAX, &runs, &err);
    if (rc >= 0)
        rc = args_number(&c->args, "scale", 1, SCALE_MAX, &scale, &err);
    if (rc < 0)
        return usage_error(c, "bench", &err);
    for (const struct workload *w = workloads; w->name != NULL && count < ARRAY_SIZE(list); w++) {
        if (chosen != NULL && strcmp(chosen, "all") != 0 && strcmp(chosen, w->name) != 0)
            continue;
        struct workload scaled = *w;
        scaled.tasks *= (unsigned)scale;
        rc = run_workload(c, &scaled, runs, &list[count++], &err);
        if (rc < 0)
            return fail(c, &err);
    }
    if (count == 0) {
        err_set(&err, TASKER_E_INVALID, "--workload must be W1 to W6, or all, not \"%.40s\"",
                chosen);
        return usage_error(c, "bench", &err);
    }
    double sync_ms = measure_sync();
    if (c->json)
        print_json(list, count, sync_ms);
    else
        print_people(list, count, sync_ms);
    return 0;
}
