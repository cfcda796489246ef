// SPDX-License-Identifier: MIT
// query_insight.c - what follows from the rows of a task: which steps may run and what keeps the others (step.readiness),
// the task as a whole (task.context), the graph (task.dag, task.levels).
//
// Readiness and context are decided by model/readiness.h over rows that are the same on both databases; the functions of
// the Rails schema on PostgreSQL give the same.
#include "model/readiness.h"
#include "model/retry.h"
#include "store/query_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- which tasks

// The tasks asked for, `task_id` or `task_ids`; a single one must be there.
static int add_tasks(struct build *b, const char *column, tasker_error *err)
{
    const struct json *list = given_list(b->a, "task_ids");
    int64_t id = given_int(b->a, "task_id", 0);

    buf_str(&b->sql, column);
    if (json_get(b->a->args, "task_id") != NULL) {
        build_add(b, " = ?");
        build_int(b, id);
        return 0;
    }
    if (list != NULL) {
        build_list(b, " IN ?", list);
        return 0;
    }
    err_set(err, TASKER_E_INVALID, "which tasks? Neither task_id nor task_ids is given");
    err_where(err, 0, 0, "$.task_ids");
    return TASKER_E_INVALID;
}

static int must_exist(struct inquiry *a, tasker_error *err)
{
    CLEANUP(build_done) struct build b;
    int64_t id = given_int(a, "task_id", 0), count = 0;

    build_init(&b, a);
    if (json_get(a->args, "task_id") == NULL)
        return 0;
    build_add(&b, "SELECT count(*) FROM tasker_tasks WHERE task_id = ?");
    build_int(&b, id);
    int rc = build_one(&b, 0, &count, err);
    if (rc == 0 && count == 0)
        return err_set(err, TASKER_E_NOT_FOUND, "there is no task %lld", (long long)id);
    return rc;
}

// ---- steps with their readiness

struct seen {
    int64_t step_id, task_id, named_step_id;
    struct span name;
    struct readiness_in in;
    struct readiness r;
};

static const char seen_sql[] =
    "SELECT s.workflow_step_id, s.task_id, s.named_step_id, ns.name, " STEP_STATE ", sr.created_at, s.retryable,"
    " s.in_process, s.processed, s.attempts, s.retry_limit, s.backoff_request_seconds, s.last_attempted_at,"
    " (SELECT count(*) FROM tasker_workflow_step_edges e WHERE e.to_step_id = s.workflow_step_id),"
    " (SELECT count(*) FROM tasker_workflow_step_edges e JOIN tasker_workflow_step_transitions pr"
    "  ON pr.workflow_step_id = e.from_step_id AND pr.most_recent = {true}"
    "  WHERE e.to_step_id = s.workflow_step_id AND pr.to_state IN ('complete', 'resolved_manually'))"
    " FROM tasker_workflow_steps s JOIN tasker_named_steps ns ON ns.named_step_id = s.named_step_id" STEP_NOW " WHERE ";

static void read_seen(struct rows *r, struct seen *s)
{
    *s = (struct seen){
        .step_id = rows_int(r, 0),
        .task_id = rows_int(r, 1),
        .named_step_id = rows_int(r, 2),
        .name = rows_text(r, 3),
        .in = {.state = state_from_name(rows_text(r, 4)),
               .state_at = rows_time(r, 5),
               .retryable = rows_bool(r, 6),
               .in_process = rows_bool(r, 7),
               .processed = rows_bool(r, 8),
               .has_attempts = !rows_null(r, 9),
               .attempts = (int32_t)rows_int(r, 9),
               .has_retry_limit = !rows_null(r, 10),
               .retry_limit = (int32_t)rows_int(r, 10),
               .has_backoff = !rows_null(r, 11),
               .backoff_seconds = (int32_t)rows_int(r, 11),
               .last_attempted_at = rows_time(r, 12),
               .total_parents = (int32_t)rows_int(r, 13),
               .completed_parents = (int32_t)rows_int(r, 14)},
    };
    readiness_of(&s->in, r->a->now, &s->r);
}

// When both waits are over, 0: neither is one.
static int64_t waits_until(const struct seen *s)
{
    bool asked = s->in.has_backoff && s->in.last_attempted_at != 0;
    int64_t asked_at = asked ? s->in.last_attempted_at + s->in.backoff_seconds * US_PER_SECOND : 0;
    int32_t attempts = s->in.has_attempts ? s->in.attempts : 1;
    int64_t failed_at = s->r.last_failure_at;
    int64_t delayed_at = failed_at != 0 ? failed_at + retry_sql_floor_seconds(attempts) * US_PER_SECOND : 0;

    return asked_at > delayed_at ? asked_at : delayed_at;
}

// What keeps a step from running: the first that holds.
static const char *blocking_reason(const struct seen *s, int64_t now)
{
    if (s->r.ready)
        return NULL;
    if (!s->r.dependencies_satisfied)
        return "dependencies_not_satisfied";
    if (!s->r.retry_eligible)
        return "retry_not_eligible";
    if (s->in.state != ST_PENDING && s->in.state != ST_ERROR)
        return "invalid_state";
    if (!s->in.retryable)
        return "not_retryable";
    if (s->in.in_process || s->in.processed)
        return s->in.in_process ? "in_process" : "processed";
    return waits_until(s) > now ? "in_backoff" : "unknown";
}

static const char *dependency_status(struct inquiry *a, const struct seen *s)
{
    if (s->in.total_parents == 0)
        return "no_dependencies";
    if (s->r.dependencies_satisfied)
        return "all_satisfied";
    return arena_printf(&a->arena, "%d/%d_satisfied", (int)s->in.completed_parents, (int)s->in.total_parents);
}

static int64_t effective_backoff(const struct seen *s)
{
    if (s->in.has_backoff)
        return s->in.backoff_seconds;
    return s->r.attempts > 0 ? retry_sql_floor_seconds(s->r.attempts) : 0;
}

static void write_or_null(struct buf *out, const char *key, bool given, int64_t v)
{
    jw_key(out, key);
    if (given)
        jw_int(out, v);
    else
        jw_null(out);
}

static void write_seen(struct inquiry *a, const struct seen *s)
{
    struct buf *out = a->out;
    int64_t until = waits_until(s);
    bool waits = until > a->now, counted = s->r.ready || waits;

    jw_open(out, '{');
    jw_kint(out, "step_id", s->step_id);
    jw_kint(out, "task_id", s->task_id);
    jw_kint(out, "named_step_id", s->named_step_id);
    jw_key(out, "name");
    jw_strn(out, s->name.p, s->name.len);
    jw_kstr(out, "state", s->in.state == ST_NONE ? NULL : state_names[s->in.state]);
    jw_kbool(out, "ready", s->r.ready);
    jw_kstr(out, "blocking_reason", blocking_reason(s, a->now));
    jw_kbool(out, "dependencies_satisfied", s->r.dependencies_satisfied);
    jw_kstr(out, "dependency_status", dependency_status(a, s));
    jw_kint(out, "total_parents", s->in.total_parents);
    jw_kint(out, "completed_parents", s->in.completed_parents);
    jw_kbool(out, "retry_eligible", s->r.retry_eligible);
    jw_kstr(out, "retry_status", !s->r.retry_eligible ? "max_retries_reached"
                                 : waits              ? "waiting_for_backoff"
                                                      : "retry_eligible");
    jw_kint(out, "attempts", s->r.attempts);
    jw_kint(out, "retry_limit", s->r.retry_limit);
    jw_ktime(out, "last_failure_at", s->r.last_failure_at);
    jw_ktime(out, "next_retry_at", s->r.next_retry_at);
    write_or_null(out, "seconds_until_ready", counted,
                  s->r.ready ? 0 : (until - a->now + US_PER_SECOND - 1) / US_PER_SECOND);
    jw_kstr(out, "backoff_type", s->in.has_backoff && s->in.last_attempted_at != 0 ? "explicit_backoff"
                                 : s->r.last_failure_at != 0                      ? "exponential_backoff"
                                                                                  : "no_backoff");
    write_or_null(out, "backoff_request_seconds", s->in.has_backoff, s->in.backoff_seconds);
    jw_kint(out, "effective_backoff_seconds", effective_backoff(s));
    jw_ktime(out, "last_attempted_at", s->in.last_attempted_at);
    jw_close(out, '}');
}

static bool is_ready(const struct seen *s)
{
    return s->r.ready;
}
static bool is_blocked(const struct seen *s)
{
    return !s->r.dependencies_satisfied;
}
static bool is_exhausted(const struct seen *s)
{
    return s->r.dependencies_satisfied && !s->r.retry_eligible;
}
static bool is_pending(const struct seen *s)
{
    return s->in.state == ST_PENDING;
}
static bool is_failed(const struct seen *s)
{
    return s->in.state == ST_ERROR;
}
static bool is_running(const struct seen *s)
{
    return s->in.state == ST_IN_PROGRESS;
}
static bool is_complete(const struct seen *s)
{
    return state_done(s->in.state);
}
static const struct {
    const char *name;
    bool (*fits)(const struct seen *s);
} kinds[] = {
    {"ready", is_ready},   {"blocked_by_dependencies", is_blocked}, {"blocked_by_retry", is_exhausted},
    {"pending", is_pending}, {"failed", is_failed},                 {"in_progress", is_running},
    {"complete", is_complete},
};

static int find_kind(const struct inquiry *a, size_t *ret, tasker_error *err)
{
    struct span only = given_text(a, "only");

    *ret = ARRAY_SIZE(kinds);
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (only.p != NULL && span_is(only, kinds[i].name))
            *ret = i;
    if (only.p == NULL || *ret < ARRAY_SIZE(kinds))
        return 0;
    err_set(err, TASKER_E_INVALID, "\"only\" is ready, blocked_by_dependencies, blocked_by_retry, pending, failed,"
                                   " in_progress or complete");
    err_where(err, 0, 0, "$.only");
    return TASKER_E_INVALID;
}

static int open_seen(struct build *b, struct rows *r, tasker_error *err)
{
    const struct json *steps = given_list(b->a, "step_ids");
    bool tasks = json_get(b->a->args, "task_id") != NULL || given_list(b->a, "task_ids") != NULL;

    build_add(b, seen_sql);
    if (steps != NULL)
        build_list(b, "s.workflow_step_id IN ?", steps);
    if (steps != NULL && tasks)
        buf_str(&b->sql, " AND ");
    int rc = tasks || steps == NULL ? add_tasks(b, "s.task_id", err) : 0;
    buf_str(&b->sql, " ORDER BY s.task_id, s.workflow_step_id");
    return rc < 0 ? rc : build_open(b, r, err);
}

int query_step_readiness(struct inquiry *a, tasker_error *err)
{
    CLEANUP(build_done) struct build b;
    CLEANUP(rows_close) struct rows r = {0};
    struct seen s;
    size_t kind;
    int rc = find_kind(a, &kind, err);

    build_init(&b, a);
    if (rc == 0)
        rc = must_exist(a, err);
    if (rc == 0)
        rc = open_seen(&b, &r, err);
    if (rc < 0)
        return rc;
    jw_open(a->out, '{');
    jw_key(a->out, "steps");
    jw_open(a->out, '[');
    while ((rc = rows_next(&r, err)) == 1) {
        read_seen(&r, &s);
        if (kind == ARRAY_SIZE(kinds) || kinds[kind].fits(&s))
            write_seen(a, &s);
    }
    jw_close(a->out, ']');
    jw_close(a->out, '}');
    return rc;
}

// ---- contexts

struct context {
    int64_t task_id, named_task_id;
    struct span status;
    struct context_counts counts;
};

struct contexts {
    struct context *list;
    size_t count, cap;
};

static int read_contexts(struct inquiry *a, struct contexts *all, tasker_error *err)
{
    CLEANUP(build_done) struct build b;
    CLEANUP(rows_close) struct rows r = {0};

    build_init(&b, a);
    build_add(&b, "SELECT t.task_id, t.named_task_id, " TASK_STATE " FROM tasker_tasks t"
                  " LEFT JOIN tasker_task_transitions r ON r.task_id = t.task_id AND r.most_recent = {true} WHERE ");
    int rc = add_tasks(&b, "t.task_id", err);
    buf_str(&b.sql, " ORDER BY t.task_id");
    if (rc == 0)
        rc = build_open(&b, &r, err);
    while (rc == 0 && (rc = rows_next(&r, err)) == 1) {
        if (mem_grow(&all->list, &all->cap, all->count + 1, sizeof(*all->list)) < 0)
            return err_nomem(err);
        all->list[all->count++] = (struct context){rows_int(&r, 0), rows_int(&r, 1), rows_keep(&r, 2), {0}};
        rc = 0;
    }
    return rc;
}

// Both come by the task's id.
static int count_steps(struct inquiry *a, struct contexts *all, tasker_error *err)
{
    CLEANUP(build_done) struct build b;
    CLEANUP(rows_close) struct rows r = {0};
    size_t at = 0;

    build_init(&b, a);
    build_add(&b, seen_sql);
    int rc = add_tasks(&b, "s.task_id", err);
    buf_str(&b.sql, " ORDER BY s.task_id");
    if (rc == 0)
        rc = build_open(&b, &r, err);
    while (rc == 0 && (rc = rows_next(&r, err)) == 1) {
        struct seen s;
        read_seen(&r, &s);
        while (at < all->count && all->list[at].task_id < s.task_id)
            at++;
        if (at < all->count)
            context_count(&all->list[at].counts, &s.in, &s.r);
        rc = 0;
    }
    return rc;
}

// What is to be done next, how urgent that is, and whether it needs nobody.
static const struct {
    const char *action, *urgency;
    bool can_proceed;
} actions[] = {
    {"execute_ready_steps", "high", true}, {"wait_for_completion", "low", false},    {"handle_failures", "critical", false},
    {"finalize_task", "medium", true},     {"wait_for_dependencies", "low", false},
};

static void write_context(struct inquiry *a, const struct context *t)
{
    const struct context_counts *n = &t->counts;
    struct execution_context c;
    char percent[32];

    context_of(n, &c);
    snprintf(percent, sizeof(percent), "%.2f", c.completion_percentage);
    jw_open(a->out, '{');
    jw_kint(a->out, "task_id", t->task_id);
    jw_kint(a->out, "named_task_id", t->named_task_id);
    jw_key(a->out, "status");
    jw_strn(a->out, t->status.p, t->status.len);
    jw_kint(a->out, "total_steps", n->total);
    jw_kint(a->out, "pending_steps", n->pending);
    jw_kint(a->out, "in_progress_steps", n->in_progress);
    jw_kint(a->out, "completed_steps", n->completed);
    jw_kint(a->out, "failed_steps", n->failed);
    jw_kint(a->out, "ready_steps", n->ready);
    jw_kstr(a->out, "execution_status", c.execution_status);
    jw_kstr(a->out, "recommended_action", c.recommended_action);
    jw_kraw(a->out, "completion_percentage", percent, strlen(percent));
    jw_kstr(a->out, "health_status", c.health_status);
    for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
        if (strcmp(actions[i].action, c.recommended_action) != 0)
            continue;
        jw_kstr(a->out, "urgency", actions[i].urgency);
        jw_kbool(a->out, "can_proceed", actions[i].can_proceed);
    }
    jw_close(a->out, '}');
}

int query_task_context(struct inquiry *a, tasker_error *err)
{
    struct contexts all = {0};
    int rc = must_exist(a, err);

    if (rc == 0)
        rc = read_contexts(a, &all, err);
    if (rc == 0)
        rc = count_steps(a, &all, err);
    jw_open(a->out, '{');
    jw_key(a->out, "contexts");
    jw_open(a->out, '[');
    for (size_t i = 0; i < all.count && rc == 0; i++)
        write_context(a, &all.list[i]);
    jw_close(a->out, ']');
    jw_close(a->out, '}');
    mem_free(all.list);
    return rc;
}

// ---- the graph

struct node {
    int64_t id;
    struct span name;
    int32_t level, waits, place; // waits: parents to come; place: first of its edges
    int32_t depth;               // from the nearest root, -1: none
    bool root;                   // no edge leads to it, from another task neither
};
struct edge {
    int32_t from, to;
};
struct graph_rows {
    struct node *nodes; // by id
    struct edge *edges; // within the task, by `from`
    size_t node_count, edge_count;
};

static void *add_item(struct inquiry *a, void *items, size_t *count, size_t *cap, size_t size)
{
    char **list = items;

    if (*count == *cap) {
        size_t more = *cap == 0 ? 64 : *cap * 2;
        char *copy = arena_alloc(&a->arena, more * size);
        if (copy == NULL)
            return NULL;
        if (*count > 0)
            memcpy(copy, *list, *count * size);
        *list = copy;
        *cap = more;
    }
    return *list + (*count)++ * size;
}

static int load_nodes(struct inquiry *a, struct graph_rows *g, tasker_error *err)
{
    CLEANUP(build_done) struct build b;
    CLEANUP(rows_close) struct rows r = {0};
    size_t cap = 0;

    build_init(&b, a);
    build_add(&b, "SELECT s.workflow_step_id, ns.name, " STEP_HAS_PARENT " FROM tasker_workflow_steps s"
                  " JOIN tasker_named_steps ns ON ns.named_step_id = s.named_step_id WHERE s.task_id = ?"
                  " ORDER BY s.workflow_step_id");
    build_int(&b, given_int(a, "task_id", 0));
    int rc = build_open(&b, &r, err);
    while (rc == 0 && (rc = rows_next(&r, err)) == 1) {
        struct node *n = add_item(a, &g->nodes, &g->node_count, &cap, sizeof(*n));
        if (n == NULL)
            return err_nomem(err);
        *n = (struct node){.id = rows_int(&r, 0), .name = rows_keep(&r, 1), .place = -1, .depth = -1, .root = !rows_bool(&r, 2)};
        rc = 0;
    }
    return rc;
}

static int32_t node_of(const struct graph_rows *g, int64_t id)
{
    size_t low = 0, high = g->node_count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (g->nodes[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < g->node_count && g->nodes[low].id == id ? (int32_t)low : -1;
}

static int load_edges(struct inquiry *a, struct graph_rows *g, tasker_error *err)
{
    CLEANUP(build_done) struct build b;
    CLEANUP(rows_close) struct rows r = {0};
    size_t cap = 0;

    build_init(&b, a);
    build_add(&b, "SELECT e.from_step_id, e.to_step_id FROM tasker_workflow_steps s"
                  " JOIN tasker_workflow_step_edges e ON e.from_step_id = s.workflow_step_id WHERE s.task_id = ?"
                  " ORDER BY e.from_step_id, e.to_step_id");
    build_int(&b, given_int(a, "task_id", 0));
    int rc = build_open(&b, &r, err);
    while (rc == 0 && (rc = rows_next(&r, err)) == 1) {
        int32_t from = node_of(g, rows_int(&r, 0)), to = node_of(g, rows_int(&r, 1));
        rc = 0;
        if (from < 0 || to < 0)
            continue; // to a step of another task
        struct edge *e = add_item(a, &g->edges, &g->edge_count, &cap, sizeof(*e));
        if (e == NULL)
            return err_nomem(err);
        *e = (struct edge){from, to};
        if (g->nodes[from].place < 0)
            g->nodes[from].place = (int32_t)g->edge_count - 1;
        g->nodes[to].waits++;
    }
    return rc;
}

static int load_graph(struct inquiry *a, struct graph_rows *g, tasker_error *err)
{
    int rc = must_exist(a, err);

    if (rc == 0)
        rc = load_nodes(a, g, err);
    return rc == 0 ? load_edges(a, g, err) : rc;
}

#define EACH_EDGE(g, n, e)                                                                                             \
    for (int32_t e = (n)->place; e >= 0 && (size_t)e < (g)->edge_count && &(g)->nodes[(g)->edges[e].from] == (n); e++)

// ---- relationships, as the view tasker_step_dag_relationships has them

#define DEPTH_MAX 50 // of the view: deeper steps have none

// Breadth first from the roots.
static bool find_depths(struct inquiry *a, struct graph_rows *g)
{
    struct node **queue = arena_alloc(&a->arena, (g->node_count + 1) * sizeof(struct node *));
    size_t tail = 0;

    for (size_t i = 0; queue != NULL && i < g->node_count; i++) {
        if (!g->nodes[i].root)
            continue;
        g->nodes[i].depth = 0;
        queue[tail++] = &g->nodes[i];
    }
    for (size_t head = 0; queue != NULL && head < tail; head++) {
        const struct node *n = queue[head];
        EACH_EDGE(g, n, e)
        {
            struct node *child = &g->nodes[g->edges[e].to];
            if (child->depth >= 0 || n->depth >= DEPTH_MAX)
                continue;
            child->depth = n->depth + 1;
            queue[tail++] = child;
        }
    }
    return queue != NULL;
}

// The ends of edges by the step they begin at, in order; `far` and `near` are the columns.
static int open_ends(struct build *b, const char *near, const char *far, struct rows *r, tasker_error *err)
{
    buf_printf(&b->sql,
               "SELECT e.%s, e.%s FROM tasker_workflow_steps s JOIN tasker_workflow_step_edges e"
               " ON e.%s = s.workflow_step_id WHERE s.task_id = ",
               near, far, near);
    build_add(b, "?");
    build_int(b, given_int(b->a, "task_id", 0));
    buf_printf(&b->sql, " ORDER BY e.%s, e.%s", near, far);
    int rc = build_open(b, r, err);
    return rc < 0 ? rc : rows_next(r, err);
}

// Writes the ends that belong to the step; `more` says whether there is a current row.
static int write_ends(struct inquiry *a, const char *key, int64_t id, struct rows *r, int *more, int64_t *ret_count,
                      tasker_error *err)
{
    *ret_count = 0;
    jw_key(a->out, key);
    jw_open(a->out, '[');
    while (*more == 1 && rows_int(r, 0) == id) {
        jw_int(a->out, rows_int(r, 1));
        ++*ret_count;
        *more = rows_next(r, err);
    }
    jw_close(a->out, ']');
    return *more < 0 ? *more : 0;
}

struct ends {
    struct rows *parents, *children;
    int more_parents, more_children;
};

static int write_relations(struct inquiry *a, const struct node *n, struct ends *e, tasker_error *err)
{
    int64_t parents = 0, children = 0;

    jw_open(a->out, '{');
    jw_kint(a->out, "step_id", n->id);
    jw_key(a->out, "name");
    jw_strn(a->out, n->name.p, n->name.len);
    int rc = write_ends(a, "parent_step_ids", n->id, e->parents, &e->more_parents, &parents, err);
    if (rc == 0)
        rc = write_ends(a, "child_step_ids", n->id, e->children, &e->more_children, &children, err);
    jw_kint(a->out, "parent_count", parents);
    jw_kint(a->out, "child_count", children);
    jw_kbool(a->out, "is_root_step", parents == 0);
    jw_kbool(a->out, "is_leaf_step", children == 0);
    write_or_null(a->out, "min_depth_from_root", n->depth >= 0, n->depth);
    jw_close(a->out, '}');
    return rc;
}

int query_task_dag(struct inquiry *a, tasker_error *err)
{
    CLEANUP(build_done) struct build up, down;
    CLEANUP(rows_close) struct rows parents = {0}, children = {0};
    struct graph_rows g = {0};
    int rc = load_graph(a, &g, err);

    build_init(&up, a);
    build_init(&down, a);
    if (rc == 0 && !find_depths(a, &g))
        return err_nomem(err);
    struct ends e = {.parents = &parents, .children = &children};
    if (rc == 0)
        rc = e.more_parents = open_ends(&up, "to_step_id", "from_step_id", &parents, err);
    if (rc >= 0)
        rc = e.more_children = open_ends(&down, "from_step_id", "to_step_id", &children, err);
    if (rc < 0)
        return rc;
    jw_open(a->out, '{');
    jw_kint(a->out, "task_id", given_int(a, "task_id", 0));
    jw_key(a->out, "steps");
    jw_open(a->out, '[');
    rc = 0;
    for (size_t i = 0; i < g.node_count && rc == 0; i++)
        rc = write_relations(a, &g.nodes[i], &e, err);
    jw_close(a->out, ']');
    jw_close(a->out, '}');
    return rc;
}

// ---- levels: Kahn's algorithm, every edge once. What stands in a cycle or behind one has no level.

// The nodes in the order in which their parents are done; ret_count of them have a level.
static struct node **walk(struct inquiry *a, struct graph_rows *g, size_t *ret_count)
{
    struct node **queue = arena_alloc(&a->arena, (g->node_count + 1) * sizeof(struct node *));
    size_t tail = 0;

    for (size_t i = 0; queue != NULL && i < g->node_count; i++)
        if (g->nodes[i].root)
            queue[tail++] = &g->nodes[i];
    for (size_t head = 0; queue != NULL && head < tail; head++) {
        const struct node *n = queue[head];
        EACH_EDGE(g, n, e)
        {
            struct node *child = &g->nodes[g->edges[e].to];
            if (child->level < n->level + 1)
                child->level = n->level + 1;
            if (--child->waits == 0)
                queue[tail++] = child;
        }
    }
    *ret_count = tail;
    return queue;
}

static int by_level(const void *x, const void *y)
{
    const struct node *a = *(struct node *const *)x, *b = *(struct node *const *)y;

    return a->level != b->level ? a->level - b->level : a < b ? -1 : a > b;
}

int query_task_levels(struct inquiry *a, tasker_error *err)
{
    struct graph_rows g = {0};
    size_t count = 0;
    int rc = load_graph(a, &g, err);

    if (rc < 0)
        return rc;
    struct node **queue = walk(a, &g, &count);
    if (queue == NULL)
        return err_nomem(err);
    qsort(queue, count, sizeof(struct node *), by_level);
    jw_open(a->out, '{');
    jw_kint(a->out, "task_id", given_int(a, "task_id", 0));
    jw_kint(a->out, "levels", count == 0 ? 0 : queue[count - 1]->level + 1);
    jw_key(a->out, "steps");
    jw_open(a->out, '[');
    for (size_t i = 0; i < count; i++) {
        jw_open(a->out, '{');
        jw_kint(a->out, "step_id", queue[i]->id);
        jw_key(a->out, "name");
        jw_strn(a->out, queue[i]->name.p, queue[i]->name.len);
        jw_kint(a->out, "level", queue[i]->level);
        jw_close(a->out, '}');
    }
    jw_close(a->out, ']');
    jw_close(a->out, '}');
    return 0;
}
