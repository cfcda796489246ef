// SPDX-License-Identifier: MIT
// differential.c - random graphs with rows as they should be and as they should not be. See differential.h.
#include "differential.h"

#include "model/retry.h"
#include "model/state.h"

#define NAMES 64

struct graphs w;
PGconn *pg;
sqlite3 *lite;
uint32_t golden_task, shortcut_task;

const struct golden golden[GOLDEN] = {
    {0, 3, true, false, false, -1, -1, ST_NONE, -1, true, true, NULL_INT},
    {-1, -1, true, false, false, -1, -1, ST_NONE, -1, true, true, NULL_INT},
    {1, 3, true, false, false, -1, 1, ST_ERROR, 1, true, false, 1},
    {1, 3, true, false, false, -1, 3, ST_ERROR, 3, true, true, -1},
    {1, 3, true, false, false, 60, 10, ST_ERROR, 10, true, false, 50},
    {2, 3, true, false, false, 5, 10, ST_ERROR, 3, true, false, -5},
    {3, 3, true, false, false, -1, 100, ST_ERROR, 100, false, false, -92},
    {0, 3, false, false, false, -1, -1, ST_NONE, -1, true, false, NULL_INT},
    {0, 0, true, false, false, -1, -1, ST_NONE, -1, false, false, NULL_INT},
    {0, 3, true, true, false, -1, -1, ST_NONE, -1, true, false, NULL_INT},
    {1, 3, true, false, true, 5, 10, ST_COMPLETE, 10, true, false, -5},
    {7, 9, true, false, false, -1, 31, ST_ERROR, 31, true, true, -1},
    {7, 9, true, false, false, -1, 29, ST_ERROR, 29, true, false, 1},
    {1, 3, true, false, false, -1, 1, ST_PENDING, 1, true, true, NULL_INT},
    {1, 3, true, false, false, -1, 1, ST_CANCELLED, 1, true, false, NULL_INT},
    {1, 3, false, false, false, -1, 100, ST_ERROR, 100, true, false, -98},
};
// ----------------------------------------------------------------------------------------------------- random rows

static bool chance(unsigned percent)
{
    return rng_below(&w.rng, 100) < percent;
}

static int32_t below(unsigned bound)
{
    return (int32_t)rng_below(&w.rng, bound);
}

static struct dtask *add_task(uint8_t state, bool tame)
{
    assert_int_equal(mem_grow(&w.tasks, &w.task_cap, w.task_count + 1, sizeof(w.tasks[0])), 0);
    struct dtask *t = &w.tasks[w.task_count++];
    int64_t last = w.task_count > 1 ? w.tasks[w.task_count - 2].id : 1000;
    *t = (struct dtask){.id = last + 1 + below(3), .first = (uint32_t)w.step_count,
                        .first_edge = w.edge_count, .state = state, .tame = tame};
    return t;
}

static struct dstep *add_step(void)
{
    assert_int_equal(mem_grow(&w.steps, &w.step_cap, w.step_count + 1, sizeof(w.steps[0])), 0);
    struct dtask *t = &w.tasks[w.task_count - 1];
    struct dstep *s = &w.steps[w.step_count];
    int64_t last = w.step_count ? w.steps[w.step_count - 1].id : 5000;
    int64_t gap = t->id % 2 == 0 ? below(3) : 0; // every other task has none
    *s = (struct dstep){.id = last + 1 + gap, .task = (uint32_t)w.task_count - 1, .name = t->count % NAMES,
                        .attempts = 0, .limit = 3, .backoff = NULL_INT, .state = ST_NONE, .retryable = true};
    w.step_count++;
    t->count++;
    return s;
}

static void add_edge(uint32_t from, uint32_t to)
{
    assert_int_equal(mem_grow(&w.edges, &w.edge_cap, w.edge_count + 1, sizeof(w.edges[0])), 0);
    w.edges[w.edge_count++] = (struct dedge){from, to};
    w.tasks[w.task_count - 1].edge_count++;
}

// A time of about so many seconds ago; often at the very moment, or one microsecond beside it.
static int64_t around(int64_t seconds)
{
    int64_t at = w.now - seconds * US_PER_SECOND;
    if (chance(40))
        return at + below(3) - 1;
    return at + below(20) * US_PER_SECOND - 10 * US_PER_SECOND + below(1000000);
}

static enum state any_state(unsigned done)
{
    static const uint8_t others[] = {ST_NONE,  ST_NONE,        ST_NONE,      ST_PENDING, ST_PENDING,
                                     ST_ERROR, ST_IN_PROGRESS, ST_CANCELLED, ST_ERROR,   ST_ERROR};
    if (chance(done))
        return chance(90) ? ST_COMPLETE : ST_RESOLVED;
    return others[below(ARRAY_SIZE(others))];
}

static void wild_step(struct dstep *s, unsigned done)
{
    s->state = any_state(done);
    s->attempts = chance(10) ? NULL_INT : chance(5) ? 40 + below(30) : below(8);
    s->limit = chance(10) ? NULL_INT : chance(20) && s->attempts != NULL_INT ? s->attempts : chance(50) ? 100 : below(7);
    s->backoff = chance(50) ? NULL_INT : below(90);
    s->retryable = chance(85);
    s->in_process = chance(10);
    s->processed = chance(s->state < ST_COUNT && state_done(s->state) ? 80 : 10);
    if (chance(60))
        s->attempted_at = around(s->backoff != NULL_INT ? s->backoff : below(60));
    if (s->state != ST_NONE)
        s->state_at = around(retry_sql_floor_seconds(s->attempts == NULL_INT ? 1 : s->attempts));
}

// As our own engine leaves rows; parents come first then.
static void tame_step(struct dstep *s, unsigned done)
{
    s->state = any_state(done);
    if (s->state == ST_IN_PROGRESS)
        s->state = ST_PENDING;
    s->attempts = s->state == ST_ERROR ? 1 + below(6) : below(3);
    s->limit = s->attempts + (s->state == ST_ERROR && chance(30) ? 0 : 1 + below(3));
    s->processed = s->state != ST_NONE && state_done(s->state);
    if (s->attempts > 0)
        s->attempted_at = around(below(30));
    if (s->state == ST_ERROR && chance(50)) {
        s->backoff = below(40);
        s->attempted_at = around(s->backoff);
    }
    if (s->state != ST_NONE)
        s->state_at = around(retry_sql_floor_seconds(s->attempts));
}

static void random_edges(const struct dtask *t)
{
    uint32_t order[STEPS_MAX];
    unsigned density = t->count > 1 ? (unsigned)below(60) : 0;
    for (uint32_t i = 0; i < t->count; i++)
        order[i] = t->first + i;
    for (uint32_t i = t->count; i > 1 && !t->tame; i--) {
        uint32_t k = (uint32_t)below(i), swap = order[i - 1];
        order[i - 1] = order[k];
        order[k] = swap;
    }
    for (uint32_t i = 0; i < t->count; i++)
        for (uint32_t k = i + 1; k < t->count; k++) {
            if (!chance(density))
                continue;
            add_edge(order[i], order[k]);
            if (!t->tame && chance(8))
                add_edge(order[i], order[k]);
        }
}

static void random_graph(void)
{
    static const uint8_t states[] = {ST_NONE, ST_PENDING, ST_IN_PROGRESS, ST_COMPLETE, ST_ERROR, ST_CANCELLED, ST_RESOLVED};
    bool tame = chance(40);
    struct dtask *t = add_task(tame ? ST_IN_PROGRESS : states[below(ARRAY_SIZE(states))], tame);
    unsigned done = (unsigned)below(100);
    int32_t count = chance(3) ? 30 + below(30) : below(13);
    if (tame && count == 0)
        count = 1;
    for (int32_t i = 0; i < count; i++) {
        struct dstep *s = add_step();
        if (tame)
            tame_step(s, done);
        else
            wild_step(s, done);
    }
    random_edges(t);
    if (!tame && count > 0 && t->first > 0 && chance(3))  // by hand: a parent in another task
        add_edge((uint32_t)below(t->first), t->first + (uint32_t)below((unsigned)count));
}

// Longer than the view looks.
static void long_chain(void)
{
    add_task(ST_IN_PROGRESS, false);
    for (uint32_t i = 0; i < DEPTH_MAX + 10; i++) {
        add_step();
        if (i > 0)
            add_edge((uint32_t)w.step_count - 2, (uint32_t)w.step_count - 1);
    }
}

// ---------------------------------------------------------------------------------------------- what memory knows

static void count_parents(void)
{
    for (size_t i = 0; i < w.edge_count; i++) {
        struct dstep *from = &w.steps[w.edges[i].from], *to = &w.steps[w.edges[i].to];
        to->parents++;
        to->done_parents += from->state != ST_NONE && state_done(from->state);
        to->parent = from->child = true;
    }
}

// The fewest edges from any root, over all tasks: round by round.
static void find_depths(void)
{
    for (size_t i = 0; i < w.step_count; i++)
        w.steps[i].depth = w.steps[i].parent ? -1 : 0;
    for (int32_t round = 0; round < DEPTH_MAX; round++)
        for (size_t i = 0; i < w.edge_count; i++)
            if (w.steps[w.edges[i].from].depth == round && w.steps[w.edges[i].to].depth < 0)
                w.steps[w.edges[i].to].depth = round + 1;
}

static void golden_graph(void)
{
    golden_task = (uint32_t)w.task_count;
    add_task(ST_IN_PROGRESS, false);
    for (size_t i = 0; i < ARRAY_SIZE(golden); i++) {
        const struct golden *g = &golden[i];
        struct dstep *s = add_step();
        s->attempts = g->attempts < 0 ? NULL_INT : g->attempts;
        s->limit = g->limit < 0 ? NULL_INT : g->limit;
        s->retryable = g->retryable;
        s->in_process = g->in_process;
        s->processed = g->processed;
        s->backoff = g->backoff < 0 ? NULL_INT : g->backoff;
        s->attempted_at = g->attempted < 0 ? 0 : w.now - g->attempted * US_PER_SECOND;
        s->state = g->state;
        s->state_at = g->age < 0 ? 0 : w.now - g->age * US_PER_SECOND;
    }
    // A diamond with an edge from its root to its leaf.
    static const struct dedge edges[] = {{0, 1}, {0, 2}, {1, 3}, {2, 3}, {0, 3}};
    shortcut_task = (uint32_t)w.task_count;
    add_task(ST_NONE, false);
    uint32_t first = (uint32_t)w.step_count;
    for (int i = 0; i < 4; i++)
        add_step();
    for (size_t i = 0; i < ARRAY_SIZE(edges); i++)
        add_edge(first + edges[i].from, first + edges[i].to);
}

void graphs_make(long count)
{
    golden_graph();
    long_chain();
    while (count-- > 0)
        random_graph();
    count_parents();
    find_depths();
}

// ------------------------------------------------------------------------------------------------ rows on both sides

void both(const char *sql)
{
    char *error = NULL;
    if (sqlite3_exec(lite, sql, NULL, NULL, &error) != SQLITE_OK)
        fail_msg("SQLite: %s: %.300s", error, sql);
    PGresult *r = PQexec(pg, sql);
    if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK)
        fail_msg("%s: %.300s", PQerrorMessage(pg), sql);
    PQclear(r);
}

// Rows go in by the hundred: the same text for both databases.
struct rows {
    const char *head;
    struct rows *before;  // what its rows refer to
    struct buf text;
    int count;
};

static void rows_flush(struct rows *r)
{
    if (r->before)
        rows_flush(r->before);
    if (r->count > 0)
        both(buf_view(&r->text).p);
    buf_done(&r->text);
    r->count = 0;
}

static void rows_next(struct rows *r)
{
    if (r->count == 400)
        rows_flush(r);
    if (r->count == 0)
        buf_init(&r->text, 1 << 20);
    buf_str(&r->text, r->count++ == 0 ? r->head : ", ");
}

static const char *number_or_null(int32_t v, char *out, size_t size)
{
    if (v == NULL_INT)
        return "NULL";
    (void)snprintf(out, size, "%d", (int)v);
    return out;
}

static const char *time_or_null(int64_t us, char *out, size_t size)
{
    char text[TIME_TEXT_SIZE];
    if (us == 0)
        return "NULL";
    (void)snprintf(out, size, "'%s'", time_db(us, text));
    return out;
}

#define CREATED "'2026-01-01 00:00:00', '2026-01-01 00:00:00'"

static void put_catalogue(void)
{
    char sql[400];
    both("INSERT INTO tasker_task_namespaces (task_namespace_id, name, created_at, updated_at) VALUES (77, 'd', " CREATED
         "); INSERT INTO tasker_named_tasks (named_task_id, name, task_namespace_id, version, created_at, updated_at) "
         "VALUES (88, 'd', 77, '1', " CREATED "); INSERT INTO tasker_dependent_systems (dependent_system_id, name, "
         "created_at, updated_at) VALUES (99, 'd', " CREATED ")");
    for (int i = 0; i < NAMES; i++) {
        (void)snprintf(sql, sizeof(sql),
                       "INSERT INTO tasker_named_steps (named_step_id, dependent_system_id, name, created_at, updated_at) "
                       "VALUES (%d, 99, 'step %d', " CREATED ")", 500 + i, i);
        both(sql);
    }
}

static void put_tasks(void)
{
    struct rows t = {.head = "INSERT INTO tasker_tasks (task_id, named_task_id, requested_at, identity_hash, created_at, "
                             "updated_at) VALUES "},
                r = {.head = "INSERT INTO tasker_task_transitions (to_state, sort_key, most_recent, task_id, created_at, "
                             "updated_at) VALUES ",
                     .before = &t};
    for (size_t i = 0; i < w.task_count; i++) {
        rows_next(&t);
        buf_printf(&t.text, "(%lld, 88, '2026-01-01 00:00:00', 'd%zu', " CREATED ")", (long long)w.tasks[i].id, i);
        if (w.tasks[i].state == ST_NONE)
            continue;
        rows_next(&r);
        buf_printf(&r.text, "('error', 10, false, %lld, " CREATED "), ('%s', 20, true, %lld, " CREATED ")",
                   (long long)w.tasks[i].id, state_names[w.tasks[i].state], (long long)w.tasks[i].id);
    }
    rows_flush(&r);
    rows_flush(&t);
}

static void put_steps(void)
{
    struct rows t = {.head = "INSERT INTO tasker_workflow_steps (workflow_step_id, task_id, named_step_id, retryable, "
                             "retry_limit, in_process, processed, attempts, last_attempted_at, backoff_request_seconds, "
                             "created_at, updated_at) VALUES "},
                r = {.head = "INSERT INTO tasker_workflow_step_transitions (to_state, sort_key, most_recent, "
                             "workflow_step_id, created_at, updated_at) VALUES ",
                     .before = &t};
    for (size_t i = 0; i < w.step_count; i++) {
        const struct dstep *s = &w.steps[i];
        char a[20], b[20], c[20], at[60];
        rows_next(&t);
        buf_printf(&t.text, "(%lld, %lld, %u, %s, %s, %s, %s, %s, %s, %s, " CREATED ")", (long long)s->id,
                   (long long)w.tasks[s->task].id, 500 + s->name, s->retryable ? "true" : "false",
                   number_or_null(s->limit, a, sizeof(a)), s->in_process ? "true" : "false",
                   s->processed ? "true" : "false", number_or_null(s->attempts, b, sizeof(b)),
                   time_or_null(s->attempted_at, at, sizeof(at)), number_or_null(s->backoff, c, sizeof(c)));
        if (s->state == ST_NONE)
            continue;
        rows_next(&r);  // an older row that says something else
        buf_printf(&r.text, "('%s', 10, false, %lld, " CREATED "), ", i % 2 ? "error" : "complete", (long long)s->id);
        buf_printf(&r.text, "('%s', 20, true, %lld, %s, %s)", state_names[s->state], (long long)s->id,
                   time_or_null(s->state_at, at, sizeof(at)), at);
    }
    rows_flush(&r);
    rows_flush(&t);
}

static void put_edges(void)
{
    struct rows e = {.head = "INSERT INTO tasker_workflow_step_edges (from_step_id, to_step_id, name, created_at, "
                             "updated_at) VALUES "};
    for (size_t i = 0; i < w.edge_count; i++) {
        rows_next(&e);
        buf_printf(&e.text, "(%lld, %lld, 'provides', " CREATED ")", (long long)w.steps[w.edges[i].from].id,
                   (long long)w.steps[w.edges[i].to].id);
    }
    rows_flush(&e);
}

void graphs_put(void)
{
    put_catalogue();
    put_tasks();
    put_steps();
    put_edges();
    both("ANALYZE");
}

