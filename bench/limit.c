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

#include "base/json.h"
#include "base/util.h"
#include "cli/bench.h"
#include "store/sqlite.h"
#include "store/store.h"

#define ROWS_PER_TURN 2000
#define RUNS_MAX 100
#define LOG_PAGES 4000 // as in store/sqlite.c
#define LEASE_US (30 * US_PER_SECOND)
#define RESULT "{\"ok\":true}"
#define META_STEP "{\"attempt\":1,\"engine\":\"host:12345\"}"
#define META_END "{\"engine\":\"host:12345\"}"

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
    char start[256];             // metadata of a task's start
    struct rng rng;
    int rows, log_pages;
    unsigned commits;
};

struct figure {
    double seconds, task_ms, commit_ms; // the times are medians, of W5 only
    unsigned commits;
};

static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench-limit: %s: %s\n", what, why);
    exit(1);
}

static void check(const struct limit *l, int rc, const char *what)
{
    if (rc != SQLITE_OK && rc != SQLITE_DONE)
        die(what, sqlite3_errmsg(l->db));
}

// ---- statements

// Runs a statement; `types` has a letter per parameter: i int64_t, s text, n NULL (no argument).
static void run(struct limit *l, enum sqlite_statement id, const char *types, ...)
{
    sqlite3_stmt *st = l->statements[id];
    va_list args;
    int rc = SQLITE_OK;

    if (sqlite3_bind_parameter_count(st) != (int)strlen(types))
        die(sqlite_statement_texts[id], "the statement has changed: it wants other parameters");
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

static int64_t step_id(const struct limit *l, int64_t task, unsigned step)
{
    return (task - 1) * l->tpl->step_count + step + 1;
}

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
        run(l, SQL_STEP_INSERT, "iiiiissi", step_id(l, task, i), task,
            (int64_t)t->named_step_ids[i], (int64_t)t->steps[i].retryable,
            (int64_t)t->steps[i].retry_limit, "{}", l->time, (int64_t)t->steps[i].skippable);
    for (unsigned i = 0; i < t->step_count; i++)
        for (unsigned k = 0; k < t->steps[i].parent_count; k++)
            run(l, SQL_EDGE_INSERT, "iis", step_id(l, task, t->steps[i].parents[k]),
                step_id(l, task, i), l->time);
    run(l, SQL_TASK_ROW, "sssiiis", "in_progress", "pending", l->start, (int64_t)10, (int64_t)1,
        task, l->time);
}

static void finish_step(struct limit *l, int64_t task, unsigned step)
{
    int64_t id = step_id(l, task, step);

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

static unsigned level_count(const struct limit *l)
{
    return l->tpl->steps[l->tpl->order[l->tpl->step_count - 1]].level + 1;
}

// One level of one task; a full transaction ends between two steps.
static void finish_level(struct limit *l, int64_t task, unsigned level)
{
    for (unsigned i = 0; i < l->tpl->step_count; i++)
        if (l->tpl->steps[i].level == level) {
            next_if_full(l);
            finish_step(l, task, i);
        }
    if (level + 1 == level_count(l))
        finish_task(l, task);
}

static void write_burst(struct limit *l, int64_t first, int64_t last)
{
    begin(l);
    for (int64_t task = first; task <= last; task++) {
        next_if_full(l);
        create_task(l, task);
    }
    for (unsigned level = 0; level < level_count(l); level++)
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
    for (unsigned level = 0; level < level_count(l); level++) {
        begin(l);
        finish_level(l, task, level);
        commit(l);
    }
}

// ---- one run

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *list, size_t count)
{
    qsort(list, count, sizeof(*list), by_value);
    return list[count / 2];
}

static double ms_since(int64_t before)
{
    return (double)(clock_monotonic_us() - before) / 1e3;
}

static struct figure measure_burst(struct limit *l)
{
    int64_t before = clock_monotonic_us();

    write_burst(l, 2, l->w->tasks + 1);
    return (struct figure){.seconds = ms_since(before) / 1e3, .commits = l->commits};
}

static struct figure measure_alone(struct limit *l)
{
    unsigned bare = level_count(l) + 1, tasks = l->w->tasks;
    double *task_ms = mem_alloc(tasks * sizeof(double)),
           *commit_ms = mem_alloc((size_t)tasks * bare * sizeof(double));
    struct figure f = {0};

    if (task_ms == NULL || commit_ms == NULL)
        die("W5", "out of memory");

    for (unsigned i = 0; i < tasks; i++) {
        int64_t before = clock_monotonic_us();
        write_alone(l, (int64_t)i + 2);
        task_ms[i] = ms_since(before);
        f.seconds += task_ms[i] / 1e3;
        for (unsigned k = 0; k < bare; k++) {
            before = clock_monotonic_us();
            begin(l);
            commit(l);
            commit_ms[i * bare + k] = ms_since(before);
        }
    }
    f.commits = l->commits / 2;
    f.task_ms = median(task_ms, tasks);
    f.commit_ms = median(commit_ms, (size_t)tasks * bare);
    mem_free(task_ms);
    mem_free(commit_ms);
    return f;
}

// The tables and the template, through the store.
static void prepare_file(struct limit *l, const char *path)
{
    char uri[96];
    struct store_options options = {.host = "host", .boot_id = "boot", .migrate = true};
    struct template_errors errors;
    struct store *store = NULL;
    struct buf text;
    tasker_error err;

    buf_init(&text, 1 << 22);
    template_errors_init(&errors);
    snprintf(uri, sizeof(uri), "sqlite:%s", path);
    workload_template(l->w, &text);
    if (template_read(buf_view(&text), NULL, NULL, &l->tpl, &errors, &err) < 0 ||
        store_open(uri, &options, &store, &err) < 0 ||
        store->ops->register_template(store, l->tpl, false, clock_real_us(), &err) < 0)
        die(path, err.message);
    store_close(store);
    template_errors_done(&errors);
    buf_done(&text);
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
    snprintf(l->start, sizeof(l->start),
             "{\"initialization_completed\":true,\"step_dependencies_established\":%u,\"template\":"
             "\"%s\",\"template_id\":%lld,"
             "\"engine\":\"host:12345\"}",
             l->tpl->step_count, l->tpl->hash, (long long)l->tpl->template_id);
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
    char path[64];

    snprintf(path, sizeof(path), "limit-%ld-%s.db", (long)getpid(), w->name);
    remove_file(path);
    prepare_file(&l, path);
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
    return by_value(&((const struct figure *)a)->seconds, &((const struct figure *)b)->seconds);
}

static void report(const struct settings *set, const struct workload *w, const struct figure *f,
                   bool first)
{
    unsigned steps = w->tasks * w->steps;

    if (set->json) {
        printf("%s{\"workload\":\"%s\",\"steps\":%u,\"seconds\":%.4f,\"steps_per_s\":%.1f,"
               "\"commits\":%u",
               first ? "" : ",", w->name, steps, f->seconds, steps / f->seconds, f->commits);
        if (w->single)
            printf(",\"p50_ms\":%.3f,\"bare_commit_ms\":%.3f", f->task_ms, f->commit_ms);
        printf("}");
        return;
    }
    printf("%-4s %6u steps %8.3f s %9.0f steps/s %6u commits", w->name, steps, f->seconds,
           steps / f->seconds, f->commits);
    if (w->single)
        printf("  p50 %.3f ms, bare commit %.3f ms", f->task_ms, f->commit_ms);
    printf("\n");
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
            die(argv[i], "not an option");
    }
    if (set.runs < 1 || set.runs > RUNS_MAX || set.rows < 1)
        die("--runs, --rows", "out of range");
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
        report(&set, w, &all[set.runs / 2], first);
        first = false;
    }
    if (set.json)
        printf("],\"sqlite\":\"%s\"}\n", sqlite3_libversion());
    return 0;
}
