// SPDX-License-Identifier: MIT
// limit.c - what SQLite alone can do: writes the rows that the engine writes for the workloads of
// `tasker bench`, and nothing else.
//
//     bench-limit [--json] [--runs N] [--rows N] [--workload NAME] [--compare FILE]
//     [--no-foreign-keys]
//
// No decisions, no threads, no events, no JSON: the same statements on the same tables with the
// same pragmas, prepared once, in one loop. A transaction takes `--rows` rows (2,000: what a turn
// of the engine takes at most) and begins with the fence; the log is moved between transactions, as
// the engine moves it. W5 commits as the engine does: once for the task, once per level. All tasks
// are created first, then each level of all of them is finished.
//
// One task goes ahead of the measured ones, as in `tasker bench`, so the rows are the same to the
// last one: --compare counts those of every table in a database that `tasker bench --workload NAME
// --db sqlite:FILE` has left.
//
// A bare commit is a transaction that changes one small row (the fence). Each W5 task is followed
// by as many bare commits as it has needed, so that both see the same disk.
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "limit_common.h"
#include "store/sqlite.h"

#define RUNS_MAX 100
#define LOG_PAGES 4000 // as in store/sqlite.c

static const char pragmas[] = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA "
                              "foreign_keys = ON; PRAGMA secure_delete = OFF; "
                              "PRAGMA cache_size = -65536; PRAGMA mmap_size = 0; PRAGMA temp_store "
                              "= MEMORY; PRAGMA recursive_triggers = OFF; "
                              "PRAGMA trusted_schema = OFF; PRAGMA journal_size_limit = 67108864; "
                              "PRAGMA wal_autocheckpoint = 0";

struct settings {
    bool json, foreign_keys;
    int runs, rows;
    const char *workload, *compare;
};

struct limit {
    const struct settings *set;
    const struct workload *w;
    struct template *tpl;
    sqlite3 *db;
    sqlite3_stmt *statements[SQL_COUNT];
    int64_t lane, turn;
    int64_t now;
    char time[TIME_TEXT_SIZE];   // of this transaction
    char before[TIME_TEXT_SIZE]; // of the one before: when its steps began
    char start[META_START_SIZE]; // metadata of a task's start
    struct rng rng;
    int rows, log_pages;
    unsigned commits;
};

static void check(const struct limit *l, int rc, const char *what)
{
    if (rc != SQLITE_OK && rc != SQLITE_DONE)
        limit_die(what, sqlite3_errmsg(l->db));
}

// ---- statements

// Runs a statement; `types` has a letter per parameter: i int64_t, s text, n NULL (no argument).
static void run(struct limit *l, enum sqlite_statement id, const char *types, ...)
{
    sqlite3_stmt *st = l->statements[id];
    va_list args;
    int rc = SQLITE_OK;

    if (sqlite3_bind_parameter_count(st) != (int)strlen(types))
        limit_die(sqlite_statement_texts[id], "the statement has changed: it wants other parameters");
    va_start(args, types);
    for (int i = 0; types[i] != '\0' && rc == SQLITE_OK; i++) {
        if (types[i] == 'i')
            rc = sqlite3_bind_int64(st, i + 1, va_arg(args, int64_t));
        else if (types[i] == 's')
            rc = sqlite3_bind_text(st, i + 1, va_arg(args, const char *), -1, SQLITE_STATIC);
        else
            rc = sqlite3_bind_null(st, i + 1);
    }
    va_end(args);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    check(l, rc, sqlite_statement_texts[id]);
    sqlite3_reset(st);
    l->rows++;
}

static void exec(struct limit *l, const char *text)
{
    check(l, sqlite3_exec(l->db, text, NULL, NULL, NULL), text);
}

// ---- transactions

static int on_log_grown(void *user, sqlite3 *db, const char *schema, int pages)
{
    (void)db;
    (void)schema;
    ((struct limit *)user)->log_pages = pages;
    return SQLITE_OK;
}

static void begin(struct limit *l)
{
    memcpy(l->before, l->time, sizeof(l->before));
    l->now = clock_real_us();
    time_db(l->now, l->time);
    run(l, SQL_BEGIN, "");
    run(l, SQL_FENCE, "iiii", ++l->turn, l->now + LEASE_US, LEASE_US, l->lane);
    l->rows = 1;
}

static void commit(struct limit *l)
{
    run(l, SQL_COMMIT, "");
    l->commits++;
    if (l->log_pages <= LOG_PAGES)
        return;
    check(l, sqlite3_wal_checkpoint_v2(l->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL),
          "checkpoint");
    l->log_pages = 0;
}

static void next_if_full(struct limit *l)
{
    if (l->rows < l->set->rows)
        return;
    commit(l);
    begin(l);
}

// ---- what a task leaves

static void create_task(struct limit *l, int64_t task)
{
    const struct template *t = l->tpl;
    char identity[UUID_TEXT_SIZE];

    uuid_v7(l->now, &l->rng, identity);
    run(l, SQL_TASK_INSERT, "iisssssssss", task, (int64_t)t->named_task_id, l->time, "unknown",
        "unknown", "unknown", "[]", "[]", "{}", identity, l->time);
    run(l, SQL_ACTIVE_INSERT, "iiiiiini", (int64_t)PRIO_NORMAL, l->now, l->lane, (int64_t)0,
        (int64_t)0, t->template_id, task);
    for (unsigned i = 0; i < t->step_count; i++)
        run(l, SQL_STEP_INSERT, "iiiiissi", limit_step_id(l->tpl, task, i), task,
            (int64_t)t->named_step_ids[i], (int64_t)t->steps[i].retryable,
            (int64_t)t->steps[i].retry_limit, "{}", l->time, (int64_t)t->steps[i].skippable);
    for (unsigned i = 0; i < t->step_count; i++)
        for (unsigned k = 0; k < t->steps[i].parent_count; k++)
            run(l, SQL_EDGE_INSERT, "iis", limit_step_id(l->tpl, task, t->steps[i].parents[k]),
                limit_step_id(l->tpl, task, i), l->time);
    run(l, SQL_TASK_ROW, "sssiiis", "in_progress", "pending", l->start, (int64_t)10, (int64_t)1,
        task, l->time);
}

static void finish_step(struct limit *l, int64_t task, unsigned step)
{
    int64_t id = limit_step_id(l->tpl, task, step);

    run(l, SQL_STEP_ROW, "sssiiis", "in_progress", "pending", META_STEP, (int64_t)10, (int64_t)0,
        id, l->before);
    run(l, SQL_STEP_ROW, "sssiiis", "complete", "in_progress", META_STEP, (int64_t)20, (int64_t)1,
        id, l->time);
    run(l, SQL_STEP_RESULTS, "isisnssi", (int64_t)1, l->time, (int64_t)1, l->time, l->time, RESULT,
        id);
}

static void finish_task(struct limit *l, int64_t task)
{
    run(l, SQL_TASK_FLIP, "si", l->time, task);
    run(l, SQL_TASK_ROW, "sssiiis", "complete", "in_progress", META_END, (int64_t)20, (int64_t)1,
        task, l->time);
    run(l, SQL_TASK_COMPLETE, "isi", (int64_t)1, l->time, task);
    run(l, SQL_ACTIVE_DELETE, "i", task);
}

// One level of one task; a full transaction ends between two steps.
static void finish_level(struct limit *l, int64_t task, unsigned level)
{
    for (unsigned i = 0; i < l->tpl->step_count; i++)
        if (l->tpl->steps[i].level == level) {
            next_if_full(l);
            finish_step(l, task, i);
        }
    if (level + 1 == limit_levels(l->tpl))
        finish_task(l, task);
}

static void write_burst(struct limit *l, int64_t first, int64_t last)
{
    begin(l);
    for (int64_t task = first; task <= last; task++) {
        next_if_full(l);
        create_task(l, task);
    }
    for (unsigned level = 0; level < limit_levels(l->tpl); level++)
        for (int64_t task = first; task <= last; task++)
            finish_level(l, task, level);
    commit(l);
}

// One task as the engine runs it when it is alone: a commit for the task, one per level.
static void write_alone(struct limit *l, int64_t task)
{
    begin(l);
    create_task(l, task);
    commit(l);
    for (unsigned level = 0; level < limit_levels(l->tpl); level++) {
        begin(l);
        finish_level(l, task, level);
        commit(l);
    }
}

// ---- one run

static double steps_of(const struct workload *w)
{
    return (double)w->tasks * w->steps;
}

static struct figure measure_burst(struct limit *l)
{
    int64_t before = clock_monotonic_us(), cpu = clock_cpu_us();

    write_burst(l, 2, l->w->tasks + 1);
    return (struct figure){.seconds = limit_ms_since(before) / 1e3,
                           .cpu_us_per_step = (double)(clock_cpu_us() - cpu) / steps_of(l->w),
                           .commits = l->commits};
}

static struct figure measure_alone(struct limit *l)
{
    unsigned bare = limit_levels(l->tpl) + 1, tasks = l->w->tasks;
    double *task_ms = mem_alloc(tasks * sizeof(double)),
           *commit_ms = mem_alloc((size_t)tasks * bare * sizeof(double));
    struct figure f = {0};

    if (task_ms == NULL || commit_ms == NULL)
        limit_die("W5", "out of memory");

    for (unsigned i = 0; i < tasks; i++) {
        int64_t before = clock_monotonic_us(), cpu = clock_cpu_us();
        write_alone(l, (int64_t)i + 2);
        task_ms[i] = limit_ms_since(before);
        f.cpu_us_per_step += (double)(clock_cpu_us() - cpu) / steps_of(l->w);
        f.seconds += task_ms[i] / 1e3;
        for (unsigned k = 0; k < bare; k++) {
            before = clock_monotonic_us();
            begin(l);
            commit(l);
            commit_ms[i * bare + k] = limit_ms_since(before);
        }
    }
    f.commits = l->commits / 2;
    f.p50_ms = limit_percentile(task_ms, tasks, 50);
    f.p99_ms = limit_percentile(task_ms, tasks, 99);
    f.commit_ms = limit_percentile(commit_ms, (size_t)tasks * bare, 50);
    mem_free(task_ms);
    mem_free(commit_ms);
    return f;
}

static void open_file(struct limit *l, const char *path)
{
    check(l, sqlite3_open_v2(path, &l->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL),
          path);
    exec(l, pragmas);
    if (!l->set->foreign_keys)
        exec(l, "PRAGMA foreign_keys = OFF");
    sqlite3_wal_hook(l->db, on_log_grown, l);
    for (int i = 0; i < SQL_COUNT; i++)
        check(l,
              sqlite3_prepare_v3(l->db, sqlite_statement_texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                                 &l->statements[i], NULL),
              sqlite_statement_texts[i]);
    time_db(clock_real_us(), l->time);
    run(l, SQL_LANE_INSERT, "iisssss", clock_real_us() + LEASE_US, LEASE_US, "host", "boot", "1/1",
        "host:12345", l->time);
    l->lane = sqlite3_last_insert_rowid(l->db);
    limit_start_metadata(l->tpl, l->start);
}

static void close_file(struct limit *l)
{
    for (int i = 0; i < SQL_COUNT; i++)
        sqlite3_finalize(l->statements[i]);
    check(l, sqlite3_close(l->db), "close");
    template_unref(l->tpl);
}

// Every table of the engine's database has as many rows as ours.
static void compare(struct limit *l)
{
    static const char counts[] =
        "SELECT (SELECT count(*) FROM main.\"%w\"), (SELECT count(*) FROM engine.\"%w\")";
    sqlite3_stmt *tables, *st;
    char *text = sqlite3_mprintf("ATTACH %Q AS engine", l->set->compare);

    exec(l, text);
    sqlite3_free(text);
    check(l,
          sqlite3_prepare_v2(
              l->db, "SELECT name FROM engine.sqlite_schema WHERE type = 'table' ORDER BY name", -1,
              &tables, NULL),
          "compare");
    while (sqlite3_step(tables) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(tables, 0);
        text = sqlite3_mprintf(counts, name, name);
        check(l, sqlite3_prepare_v2(l->db, text, -1, &st, NULL), text);
        if (sqlite3_step(st) != SQLITE_ROW ||
            sqlite3_column_int64(st, 0) != sqlite3_column_int64(st, 1)) {
            fprintf(stderr, "bench-limit: %s: %s has %lld rows, the engine's has %lld\n",
                    l->w->name, name, sqlite3_column_int64(st, 0), sqlite3_column_int64(st, 1));
            exit(1);
        }
        sqlite3_finalize(st);
        sqlite3_free(text);
    }
    sqlite3_finalize(tables);
    exec(l, "DETACH engine");
}

static void remove_file(const char *path)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    char name[96];

    for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
        snprintf(name, sizeof(name), "%s%s", path, suffixes[i]);
        unlink(name);
    }
}

static struct figure run_workload(const struct settings *set, const struct workload *w)
{
    struct limit l = {.set = set, .w = w, .rng = {rng_seed_system()}};
    char path[64], uri[80];

    snprintf(path, sizeof(path), "limit-%ld-%s.db", (long)getpid(), w->name);
    snprintf(uri, sizeof(uri), "sqlite:%s", path);
    remove_file(path);
    l.tpl = limit_prepare(uri, w);
    open_file(&l, path);
    write_alone(&l, 1);
    l.commits = 0;
    struct figure f = w->single ? measure_alone(&l) : measure_burst(&l);
    run(&l, SQL_LANE_DELETE, "i", l.lane);
    if (set->compare != NULL)
        compare(&l);
    close_file(&l);
    remove_file(path);
    return f;
}

// ---- all of them

static int by_seconds(const void *a, const void *b)
{
    double x = ((const struct figure *)a)->seconds, y = ((const struct figure *)b)->seconds;
    return (x > y) - (x < y);
}

static struct settings read_arguments(int argc, char **argv)
{
    struct settings set = {.runs = 1, .rows = ROWS_PER_TURN, .foreign_keys = true};

    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--json") == 0)
            set.json = true;
        else if (strcmp(argv[i], "--no-foreign-keys") == 0)
            set.foreign_keys = false;
        else if (strcmp(argv[i], "--runs") == 0)
            set.runs = atoi(value), i++;
        else if (strcmp(argv[i], "--rows") == 0)
            set.rows = atoi(value), i++;
        else if (strcmp(argv[i], "--workload") == 0)
            set.workload = value, i++;
        else if (strcmp(argv[i], "--compare") == 0)
            set.compare = value, i++;
        else
            limit_die(argv[i], "not an option");
    }
    if (set.runs < 1 || set.runs > RUNS_MAX || set.rows < 1)
        limit_die("--runs, --rows", "out of range");
    return set;
}

int main(int argc, char **argv)
{
    struct settings set = read_arguments(argc, argv);
    struct figure all[RUNS_MAX];
    bool first = true;

    if (set.json)
        printf("{\"workloads\":[");
    for (const struct workload *w = workloads; w->name != NULL; w++) {
        if (set.workload != NULL && strcmp(set.workload, w->name) != 0)
            continue;
        for (int i = 0; i < set.runs; i++)
            all[i] = run_workload(&set, w);
        qsort(all, (size_t)set.runs, sizeof(all[0]), by_seconds);
        limit_report(w, &all[set.runs / 2], set.json, first);
        first = false;
    }
    if (set.json)
        printf("],\"sqlite\":\"%s\"}\n", sqlite3_libversion());
    return 0;
}
