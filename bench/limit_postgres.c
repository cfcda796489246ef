// SPDX-License-Identifier: MIT
// limit_postgres.c - what libpq and PostgreSQL alone can do: writes the rows that the engine writes for the workloads of
// `tasker bench`, and nothing else.
//
//     bench-limit_postgres --db URI --workload NAME [--connections N] [--scale N] [--rows N] [--json]
//     [--compare URI]
//
// No decisions, no events, no engine: one INSERT or UPDATE per table and transaction, an array per column, everything
// prepared once, the whole transaction sent in one go and the next one made while the server works on it. A transaction
// takes `--rows` rows (2,000: what a turn of the engine takes at most) and begins with the lane's row, as the engine's
// does. All tasks are created first, then each level of all of them is finished. Each connection has a thread and its
// share of the tasks. W5 commits as the engine does: once for the task, once per level, and waits each time.
//
// The database has to be empty; the tables are made through the store. One task goes ahead of the measured ones, as in
// `tasker bench`, so the rows are the same to the last one: --compare takes a database that `tasker bench --workload NAME
// --db URI` has left, counts the rows of every table in both, and steps and transitions by what they say.
//
// A bare commit is a transaction that changes the lane's row. Each W5 task is followed by as many as it has needed.
#include <endian.h>
#include <libpq-fe.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "limit_common.h"
#include "model/change.h"

#define CONNECTIONS_MAX 16
#define AHEAD 2 // transactions that the server has been given and not answered
#define EPOCH_2000_US INT64_C(946684800000000)
#define COLUMNS_MAX 12
#define ARRAY_HEADER 20

static const char session[] =
    "SET TimeZone = 'UTC'; SET jit = off; SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; "
    "SET enable_hashjoin = off; SET enable_mergejoin = off";

// What a transaction consists of, in its order. A letter per parameter: l int8, i int4, m timestamp, and the same as
// arrays: L I M, B boolean, T text, J jsonb, N json.
#define STATEMENTS(X)                                                                                                  \
    X(LANE, "llll",                                                                                                    \
      "UPDATE tasker_core_lanes SET turn = $1, expires_at = $2, lease_us = $3 WHERE lane_id = $4 AND turn = $1 - 1")   \
    X(TASKS, "LiTTTNJJTm",                                                                                             \
      "INSERT INTO tasker_tasks (task_id, named_task_id, requested_at, initiator, source_system, reason, "             \
      "bypass_steps, tags, context, identity_hash, created_at, updated_at) SELECT x.id, $2, $10, x.a, x.b, x.c, x.d, " \
      "x.e, x.f, x.g, $10, $10 FROM unnest($1, $3, $4, $5, $6, $7, $8, $9) AS x(id, a, b, c, d, e, f, g)")             \
    X(STEPS, "LLIBIJBm",                                                                                               \
      "INSERT INTO tasker_workflow_steps (workflow_step_id, task_id, named_step_id, retryable, retry_limit, attempts, " \
      "inputs, results, created_at, updated_at, skippable) SELECT x.id, x.task, x.named, x.a, x.b, 0, x.c, '{}', $8, " \
      "$8, x.d FROM unnest($1, $2, $3, $4, $5, $6, $7) AS x(id, task, named, a, b, c, d)")                             \
    X(EDGES, "LLm",                                                                                                    \
      "INSERT INTO tasker_workflow_step_edges (from_step_id, to_step_id, name, created_at, updated_at) SELECT x.a, "   \
      "x.b, 'provides', $3, $3 FROM unnest($1, $2) AS x(a, b)")                                                        \
    X(TASK_STARTED, "LJm",                                                                                             \
      "INSERT INTO tasker_task_transitions (to_state, from_state, metadata, sort_key, most_recent, task_id, "          \
      "created_at, updated_at) SELECT 'in_progress', 'pending', x.metadata, 10, true, x.id, $3, $3 FROM unnest($1, "   \
      "$2) AS x(id, metadata)")                                                                                        \
    X(ACTIVE, "LILlL",                                                                                                 \
      "INSERT INTO tasker_core_active (task_id, priority, run_at, lane_id, template_id) SELECT x.id, x.priority, x.at, $4, " \
      "x.template FROM unnest($1, $2, $3, $5) AS x(id, priority, at, template)")                                       \
    X(STEP_STARTED, "LJM",                                                                                             \
      "INSERT INTO tasker_workflow_step_transitions (to_state, from_state, metadata, sort_key, most_recent, "          \
      "workflow_step_id, created_at, updated_at) SELECT 'in_progress', 'pending', x.metadata, 10, false, x.id, x.at, " \
      "x.at FROM unnest($1, $2, $3) AS x(id, metadata, at)")                                                           \
    X(STEP_ENDED, "LJM",                                                                                               \
      "INSERT INTO tasker_workflow_step_transitions (to_state, from_state, metadata, sort_key, most_recent, "          \
      "workflow_step_id, created_at, updated_at) SELECT 'complete', 'in_progress', x.metadata, 20, true, x.id, x.at, " \
      "x.at FROM unnest($1, $2, $3) AS x(id, metadata, at)")                                                           \
    X(STEP_RESULTS, "LMMJm",                                                                                           \
      "UPDATE tasker_workflow_steps s SET in_process = false, processed = true, processed_at = x.ended, attempts = 1, " \
      "last_attempted_at = x.began, updated_at = $5, results = x.results FROM unnest($1, $2, $3, $4) AS x(id, ended, " \
      "began, results) WHERE s.workflow_step_id = x.id")                                                               \
    X(TASK_FLIP, "Lm",                                                                                                 \
      "UPDATE tasker_task_transitions SET most_recent = false, updated_at = $2 WHERE task_id = ANY ($1) AND "          \
      "most_recent = true")                                                                                            \
    X(TASK_ENDED, "LJm",                                                                                               \
      "INSERT INTO tasker_task_transitions (to_state, from_state, metadata, sort_key, most_recent, task_id, "          \
      "created_at, updated_at) SELECT 'complete', 'in_progress', x.metadata, 20, true, x.id, $3, $3 FROM unnest($1, "  \
      "$2) AS x(id, metadata)")                                                                                        \
    X(TASK_COMPLETE, "Lm", "UPDATE tasker_tasks SET complete = true, updated_at = $2 WHERE task_id = ANY ($1)")        \
    X(ACTIVE_DONE, "L", "DELETE FROM tasker_core_active WHERE task_id = ANY ($1)")

enum statement {
#define X(name, types, text) Q_##name,
    STATEMENTS(X)
#undef X
        Q_COUNT
};
static const struct {
    const char *name, *types, *text;
} statements[Q_COUNT] = {
#define X(name, types, text) {#name, types, text},
    STATEMENTS(X)
#undef X
};

static const struct {
    char letter;
    Oid oid, element; // element 0: not an array
} types[] = {
    {'l', 20, 0},     {'i', 23, 0},    {'m', 1114, 0},   {'L', 1016, 20},     {'I', 1007, 23},
    {'B', 1000, 16},  {'T', 1009, 25}, {'J', 3807, 3802}, {'N', 199, 114},    {'M', 1115, 1114},
};

struct settings {
    const char *db, *workload, *compare;
    int connections, scale, rows;
    bool json;
};

// One statement of the transaction that is being made: its rows so far, a buffer per parameter.
struct part {
    int32_t rows;
    struct buf columns[COLUMNS_MAX];
};

struct writer {
    const struct settings *set;
    struct template *tpl;
    PGconn *conn;
    struct part parts[Q_COUNT];
    int64_t lane, turn, now, before; // before: the transaction before this one, when its steps began
    int64_t first, last;             // its tasks
    char start[META_START_SIZE];
    struct rng rng;
    int rows, ahead; // rows of this transaction; transactions that were sent and not answered
    unsigned commits;
};

// ---- parameters, binary

static size_t type_of(char letter)
{
    size_t i = 0;

    while (types[i].letter != letter)
        i++;
    return i;
}

static void add4(struct buf *b, int32_t v)
{
    uint32_t bytes = htobe32((uint32_t)v);
    buf_add(b, (const char *)&bytes, sizeof(bytes));
}

static void add8(struct buf *b, int64_t v)
{
    uint64_t bytes = htobe64((uint64_t)v);
    buf_add(b, (const char *)&bytes, sizeof(bytes));
}

static void add_text(struct buf *b, const char *text, bool jsonb)
{
    add4(b, (int32_t)strlen(text) + jsonb);
    if (jsonb)
        buf_char(b, 1); // its version
    buf_str(b, text);
}

// Room for what is known when the array is full.
static void begin_array(struct buf *b)
{
    static const char header[ARRAY_HEADER];
    buf_add(b, header, sizeof(header));
}

static void end_array(struct buf *b, Oid element, int32_t count)
{
    const uint32_t header[] = {htobe32(1), 0, htobe32(element), htobe32((uint32_t)count), htobe32(1)};

    if (buf_failed(b))
        limit_die("memory", "none");
    memcpy(b->data, header, sizeof(header));
}

// Adds a row to a statement of this transaction. A parameter that is no array keeps the last row's value.
static void put(struct writer *w, enum statement id, ...)
{
    struct part *p = &w->parts[id];
    va_list args;

    va_start(args, id);
    for (int i = 0; statements[id].types[i] != '\0'; i++) {
        char letter = statements[id].types[i];
        bool array = types[type_of(letter)].element != 0;
        struct buf *b = &p->columns[i];
        if (!array)
            buf_clear(b);
        else if (p->rows == 0)
            begin_array(b);
        if (letter == 'l')
            add8(b, va_arg(args, int64_t));
        else if (letter == 'm')
            add8(b, va_arg(args, int64_t) - EPOCH_2000_US);
        else if (letter == 'i')
            add4(b, va_arg(args, int));
        else if (letter == 'L')
            add4(b, 8), add8(b, va_arg(args, int64_t));
        else if (letter == 'M')
            add4(b, 8), add8(b, va_arg(args, int64_t) - EPOCH_2000_US);
        else if (letter == 'I')
            add4(b, 4), add4(b, va_arg(args, int));
        else if (letter == 'B')
            add4(b, 1), buf_char(b, (char)va_arg(args, int));
        else
            add_text(b, va_arg(args, const char *), letter == 'J');
    }
    va_end(args);
    p->rows++;
    w->rows++;
}

// ---- transactions

static void check(const struct writer *w, bool fine, const char *what)
{
    if (!fine)
        limit_die(what, PQerrorMessage(w->conn));
}

static void send(struct writer *w, enum statement id)
{
    struct part *p = &w->parts[id];
    const char *values[COLUMNS_MAX];
    int lengths[COLUMNS_MAX], formats[COLUMNS_MAX], n = (int)strlen(statements[id].types);

    for (int i = 0; i < n; i++) {
        Oid element = types[type_of(statements[id].types[i])].element;
        if (element != 0)
            end_array(&p->columns[i], element, p->rows);
        values[i] = p->columns[i].data;
        lengths[i] = (int)p->columns[i].len;
        formats[i] = 1;
    }
    check(w, PQsendQueryPrepared(w->conn, statements[id].name, n, values, lengths, formats, 1) == 1,
          statements[id].name);
    for (int i = 0; i < n; i++)
        buf_clear(&p->columns[i]);
    p->rows = 0;
}

// Reads the answers to one transaction. The last one has to be that it is committed.
static void take_answers(struct writer *w)
{
    bool committed = false;

    for (;;) {
        PGresult *r = PQgetResult(w->conn);
        ExecStatusType status = PQresultStatus(r);
        if (r == NULL && PQstatus(w->conn) == CONNECTION_OK)
            continue; // between two statements
        if (status == PGRES_PIPELINE_SYNC) {
            PQclear(r);
            break;
        }
        if (status != PGRES_COMMAND_OK)
            limit_die("transaction", r != NULL ? PQresultErrorMessage(r) : PQerrorMessage(w->conn));
        committed = strcmp(PQcmdStatus(r), "COMMIT") == 0;
        PQclear(r);
    }
    if (!committed)
        limit_die("transaction", "was not committed");
    w->ahead--;
    w->commits++;
}

static void begin(struct writer *w)
{
    w->before = w->now;
    w->now = clock_real_us();
    w->rows = 0;
    w->turn++;
    put(w, Q_LANE, w->turn, w->now + LEASE_US, LEASE_US, w->lane);
}

static void commit(struct writer *w)
{
    check(w, PQsendQueryPrepared(w->conn, "BEGIN", 0, NULL, NULL, NULL, 1) == 1, "BEGIN");
    for (int id = 0; id < Q_COUNT; id++)
        if (w->parts[id].rows > 0)
            send(w, (enum statement)id);
    check(w, PQsendQueryPrepared(w->conn, "COMMIT", 0, NULL, NULL, NULL, 1) == 1, "COMMIT");
    check(w, PQpipelineSync(w->conn) == 1, "sync");
    if (++w->ahead == AHEAD)
        take_answers(w);
}

static void wait_for_all(struct writer *w)
{
    while (w->ahead > 0)
        take_answers(w);
}

static void next_if_full(struct writer *w)
{
    if (w->rows < w->set->rows)
        return;
    commit(w);
    begin(w);
}

// ---- what a task leaves

static void create_task(struct writer *w, int64_t task)
{
    const struct template *t = w->tpl;
    char identity[UUID_TEXT_SIZE];

    uuid_v7(w->now, &w->rng, identity);
    put(w, Q_TASKS, task, (int)t->named_task_id, "unknown", "unknown", "unknown", "[]", "[]", "{}", identity, w->now);
    put(w, Q_ACTIVE, task, PRIO_NORMAL, w->now, w->lane, t->template_id);
    for (unsigned i = 0; i < t->step_count; i++)
        put(w, Q_STEPS, limit_step_id(t, task, i), task, (int)t->named_step_ids[i], (int)t->steps[i].retryable,
            (int)t->steps[i].retry_limit, "{}", (int)t->steps[i].skippable, w->now);
    for (unsigned i = 0; i < t->step_count; i++)
        for (unsigned k = 0; k < t->steps[i].parent_count; k++)
            put(w, Q_EDGES, limit_step_id(t, task, t->steps[i].parents[k]), limit_step_id(t, task, i), w->now);
    put(w, Q_TASK_STARTED, task, w->start, w->now);
}

static void finish_step(struct writer *w, int64_t id)
{
    put(w, Q_STEP_STARTED, id, META_STEP, w->before);
    put(w, Q_STEP_ENDED, id, META_STEP, w->now);
    put(w, Q_STEP_RESULTS, id, w->now, w->before, RESULT, w->now);
}

static void finish_task(struct writer *w, int64_t task)
{
    put(w, Q_TASK_FLIP, task, w->now);
    put(w, Q_TASK_ENDED, task, META_END, w->now);
    put(w, Q_TASK_COMPLETE, task, w->now);
    put(w, Q_ACTIVE_DONE, task);
}

// One level of one task; a full transaction ends between two steps.
static void finish_level(struct writer *w, int64_t task, unsigned level)
{
    for (unsigned i = 0; i < w->tpl->step_count; i++)
        if (w->tpl->steps[i].level == level) {
            next_if_full(w);
            finish_step(w, limit_step_id(w->tpl, task, i));
        }
    if (level + 1 == limit_levels(w->tpl))
        finish_task(w, task);
}

static void *write_burst(void *arg)
{
    struct writer *w = arg;

    begin(w);
    for (int64_t task = w->first; task <= w->last; task++) {
        next_if_full(w);
        create_task(w, task);
    }
    for (unsigned level = 0; level < limit_levels(w->tpl); level++)
        for (int64_t task = w->first; task <= w->last; task++)
            finish_level(w, task, level);
    commit(w);
    wait_for_all(w);
    return NULL;
}

// One task as the engine runs it when it is alone: a commit for the task, one per level.
static void write_alone(struct writer *w, int64_t task)
{
    begin(w);
    create_task(w, task);
    commit(w);
    wait_for_all(w);
    for (unsigned level = 0; level < limit_levels(w->tpl); level++) {
        begin(w);
        finish_level(w, task, level);
        commit(w);
        wait_for_all(w);
    }
}

// ---- connections

static PGresult *ask(PGconn *conn, const char *text, ExecStatusType wanted)
{
    PGresult *r = PQexec(conn, text);

    if (PQresultStatus(r) != wanted)
        limit_die(text, PQerrorMessage(conn));
    return r;
}

static void tell(PGconn *conn, const char *text)
{
    PQclear(ask(conn, text, PGRES_COMMAND_OK));
}

static PGconn *connect_to(const char *uri)
{
    PGconn *conn = PQconnectdb(uri);

    if (PQstatus(conn) != CONNECTION_OK)
        limit_die("connection", PQerrorMessage(conn));
    tell(conn, session);
    return conn;
}

static void prepare(struct writer *w, const char *name, const char *text, const char *letters)
{
    Oid oids[COLUMNS_MAX];
    int n = 0;

    for (; letters[n] != '\0'; n++)
        oids[n] = types[type_of(letters[n])].oid;
    PGresult *r = PQprepare(w->conn, name, text, n, oids);
    check(w, PQresultStatus(r) == PGRES_COMMAND_OK, name);
    PQclear(r);
}

static void open_writer(struct writer *w, const struct settings *set, struct template *tpl)
{
    *w = (struct writer){.set = set, .tpl = tpl, .now = clock_real_us(), .rng = {rng_seed_system()}};
    limit_start_metadata(tpl, w->start);
    w->conn = connect_to(set->db);
    for (int id = 0; id < Q_COUNT; id++) {
        prepare(w, statements[id].name, statements[id].text, statements[id].types);
        for (int i = 0; i < COLUMNS_MAX; i++)
            buf_init(&w->parts[id].columns[i], 1 << 28);
    }
    prepare(w, "BEGIN", "BEGIN", "");
    prepare(w, "COMMIT", "COMMIT", "");
    PGresult *r = ask(w->conn,
                      "INSERT INTO tasker_core_lanes (turn, expires_at, host, boot_id, process, name, classes, started_at) "
                      "VALUES (0, 0, 'host', 'boot', '1/1', 'host:12345', '[]', now()) RETURNING lane_id",
                      PGRES_TUPLES_OK);
    w->lane = strtoll(PQgetvalue(r, 0, 0), NULL, 10);
    PQclear(r);
    check(w, PQenterPipelineMode(w->conn) == 1, "pipeline");
}

// The lane's row must have gone along with every transaction.
static void close_writer(struct writer *w)
{
    char text[96];

    check(w, PQexitPipelineMode(w->conn) == 1, "pipeline");
    snprintf(text, sizeof(text), "DELETE FROM tasker_core_lanes WHERE lane_id = %lld AND turn = %lld", (long long)w->lane,
             (long long)w->turn);
    PGresult *r = ask(w->conn, text, PGRES_COMMAND_OK);
    if (strcmp(PQcmdTuples(r), "1") != 0)
        limit_die("the lane's row", "is not at the last turn");
    PQclear(r);
    PQfinish(w->conn);
    for (int id = 0; id < Q_COUNT; id++)
        for (int i = 0; i < COLUMNS_MAX; i++)
            buf_done(&w->parts[id].columns[i]);
}

// ---- the same rows

// What both databases must answer alike, besides the number of rows of each table.
static const char *const questions[] = {
    "SELECT complete, count(*) FROM tasker_tasks GROUP BY 1 ORDER BY 1",
    "SELECT in_process, processed, attempts, retryable, retry_limit, inputs, results, count(*) FROM tasker_workflow_steps "
    "GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1, 2, 3, 4, 5",
    "SELECT to_state, from_state, sort_key, most_recent, count(*) FROM tasker_task_transitions GROUP BY 1, 2, 3, 4 ORDER BY 3",
    "SELECT to_state, from_state, sort_key, most_recent, count(*) FROM tasker_workflow_step_transitions "
    "GROUP BY 1, 2, 3, 4 ORDER BY 3",
};

static void compare_answers(PGconn *ours, PGconn *engine, const char *question)
{
    PGresult *a = ask(ours, question, PGRES_TUPLES_OK), *b = ask(engine, question, PGRES_TUPLES_OK);

    if (PQntuples(a) != PQntuples(b))
        limit_die(question, "the number of answers differs from the engine's");
    for (int row = 0; row < PQntuples(a); row++)
        for (int i = 0; i < PQnfields(a); i++)
            if (strcmp(PQgetvalue(a, row, i), PQgetvalue(b, row, i)) != 0) {
                fprintf(stderr, "bench-limit_postgres: %s: row %d, column %s is %s, the engine's is %s\n", question,
                        row + 1, PQfname(a, i), PQgetvalue(a, row, i), PQgetvalue(b, row, i));
                exit(1);
            }
    PQclear(a);
    PQclear(b);
}

static void compare(const struct settings *set)
{
    PGconn *ours = connect_to(set->db), *engine = connect_to(set->compare);
    PGresult *tables = ask(engine, "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname LIKE 'tasker%' AND "
                           "relname <> 'tasker_core_meta' ORDER BY 1", // what an engine knows of the database itself
                           PGRES_TUPLES_OK);
    char question[128];

    if (PQntuples(tables) == 0)
        limit_die(set->compare, "has no tables of the engine");
    for (int i = 0; i < PQntuples(tables); i++) {
        snprintf(question, sizeof(question), "SELECT count(*) FROM %s", PQgetvalue(tables, i, 0));
        compare_answers(ours, engine, question);
    }
    for (size_t i = 0; i < ARRAY_SIZE(questions); i++)
        compare_answers(ours, engine, questions[i]);
    PQclear(tables);
    PQfinish(ours);
    PQfinish(engine);
}

// ---- one run

static double steps_of(const struct workload *w)
{
    return (double)w->tasks * w->steps;
}

static struct figure measure_burst(struct writer *writers, int count, const struct workload *w)
{
    pthread_t threads[CONNECTIONS_MAX];
    struct figure f = {0};
    int64_t before = clock_monotonic_us(), cpu = clock_cpu_us();

    for (int i = 0; i < count; i++) {
        writers[i].commits = 0;
        writers[i].first = 2 + (int64_t)w->tasks * i / count;
        writers[i].last = 1 + (int64_t)w->tasks * (i + 1) / count;
        if (pthread_create(&threads[i], NULL, write_burst, &writers[i]) != 0)
            limit_die("thread", "cannot be started");
    }
    for (int i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
        f.commits += writers[i].commits;
    }
    f.seconds = limit_ms_since(before) / 1e3;
    f.cpu_us_per_step = (double)(clock_cpu_us() - cpu) / steps_of(w);
    return f;
}

static struct figure measure_alone(struct writer *l, const struct workload *w)
{
    unsigned bare = limit_levels(l->tpl) + 1, tasks = w->tasks;
    double *task_ms = mem_alloc(tasks * sizeof(double)), *commit_ms = mem_alloc((size_t)tasks * bare * sizeof(double));
    struct figure f = {.commits = tasks * bare};

    if (task_ms == NULL || commit_ms == NULL)
        limit_die("W5", "out of memory");
    for (unsigned i = 0; i < tasks; i++) {
        int64_t before = clock_monotonic_us(), cpu = clock_cpu_us();
        write_alone(l, (int64_t)i + 2);
        task_ms[i] = limit_ms_since(before);
        f.seconds += task_ms[i] / 1e3;
        f.cpu_us_per_step += (double)(clock_cpu_us() - cpu) / steps_of(w);
        for (unsigned k = 0; k < bare; k++) {
            before = clock_monotonic_us();
            begin(l);
            commit(l);
            wait_for_all(l);
            commit_ms[i * bare + k] = limit_ms_since(before);
        }
    }
    f.p50_ms = limit_percentile(task_ms, tasks, 50);
    f.p99_ms = limit_percentile(task_ms, tasks, 99);
    f.commit_ms = limit_percentile(commit_ms, (size_t)tasks * bare, 50);
    mem_free(task_ms);
    mem_free(commit_ms);
    return f;
}

static struct settings read_arguments(int argc, char **argv)
{
    struct settings set = {.connections = 1, .scale = 1, .rows = ROWS_PER_TURN};

    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--json") == 0)
            set.json = true;
        else if (strcmp(argv[i], "--db") == 0)
            set.db = value, i++;
        else if (strcmp(argv[i], "--workload") == 0)
            set.workload = value, i++;
        else if (strcmp(argv[i], "--connections") == 0)
            set.connections = atoi(value), i++;
        else if (strcmp(argv[i], "--scale") == 0)
            set.scale = atoi(value), i++;
        else if (strcmp(argv[i], "--rows") == 0)
            set.rows = atoi(value), i++;
        else if (strcmp(argv[i], "--compare") == 0)
            set.compare = value, i++;
        else
            limit_die(argv[i], "not an option");
    }
    if (set.db == NULL || set.workload == NULL)
        limit_die("arguments", "--db and --workload are needed");
    if (set.connections < 1 || set.connections > CONNECTIONS_MAX || set.rows < 1 || set.scale < 1)
        limit_die("--connections, --scale, --rows", "out of range");
    return set;
}

int main(int argc, char **argv)
{
    struct settings set = read_arguments(argc, argv);
    static struct writer writers[CONNECTIONS_MAX];
    const struct workload *chosen = workloads;

    while (chosen->name != NULL && strcmp(chosen->name, set.workload) != 0)
        chosen++;
    if (chosen->name == NULL)
        limit_die(set.workload, "not a workload");
    struct workload scaled = *chosen, *w = &scaled;
    w->tasks *= (unsigned)set.scale;
    int count = w->single ? 1 : set.connections;
    struct template *tpl = limit_prepare(set.db, w);
    for (int i = 0; i < count; i++)
        open_writer(&writers[i], &set, tpl);
    write_alone(&writers[0], 1);
    struct figure f = w->single ? measure_alone(&writers[0], w) : measure_burst(writers, count, w);
    char version[32];
    snprintf(version, sizeof(version), "%s", PQparameterStatus(writers[0].conn, "server_version"));
    for (int i = 0; i < count; i++)
        close_writer(&writers[i]);
    template_unref(tpl);
    if (set.compare != NULL)
        compare(&set);
    if (set.json)
        printf("{\"workloads\":[");
    limit_report(w, &f, set.json, true);
    if (set.json)
        printf("],\"server\":\"%s\"}\n", version);
    return 0;
}
