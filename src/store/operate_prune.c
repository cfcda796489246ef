// SPDX-License-Identifier: MIT
// operate_prune.c - deletes finished tasks that are old, with everything that hangs on them: one batch per call, in one
// short transaction. Whoever wants more calls again with what the batch said is next, and leaves a pause in between, so
// that engines get their turns.
//
// What may go is looked for without a lock, among so many ids at a time that the search is short too. Then the tasks'
// rows are locked (those that somebody else holds are passed by) and looked at again, because an operator may have taken
// a task up meanwhile: that inserts its active row under the same lock. A task is deleted whole or not at all.
#include "store/operate.h"

#include <stdio.h>

#include "model/state.h"

#define BATCH_TASKS 100
#define BATCH_STEPS 1000 // more only when a single task has them
#define WINDOW 5000      // ids looked at in one call

#define PRUNE_COUNTS(X)                                                                                                \
    X(TASKS, "tasks") X(STEPS, "steps") X(EDGES, "edges") X(TRANSITIONS, "transitions") X(ANNOTATIONS, "annotations")  \
    X(LOGS, "logs")
enum prune_count {
#define X(name, text) PRUNED_##name,
    PRUNE_COUNTS(X)
#undef X
    PRUNED_COUNT,
    PRUNED_SILENTLY = PRUNED_COUNT
};
static const char *const count_names[] = {
#define X(name, text) text,
    PRUNE_COUNTS(X)
#undef X
};

struct prune {
    int64_t before, after, end; // looks at ids in (after, end]
    int64_t take;
    bool all, dry_run;
    int64_t ids[BATCH_TASKS];
    size_t count;
    bool full;      // there may be more behind the last one in the window
    int64_t busy;   // passed by because somebody works on them
    int64_t counts[PRUNED_COUNT + 1];
};

// ---- arguments

static int given_before(const struct inquiry *a, int64_t *ret, tasker_error *err)
{
    struct span age = given_text(a, "older_than");
    int64_t us = 0;

    if ((age.p != NULL) == given_time(a, "before", ret))
        return refuse(err, TASKER_E_INVALID, "older_than", "give \"older_than\" or \"before\", one of them");
    if (age.p != NULL && !duration_parse(age, &us))
        return refuse(err, TASKER_E_INVALID, "older_than", "\"older_than\" must be a duration such as \"30d\"");
    if (age.p != NULL)
        *ret = a->now - us;
    return 0;
}

// Only what has come to an end may go.
static int check_states(const struct inquiry *a, tasker_error *err)
{
    const struct json *list = given_list(a, "states");
    int place = 0;

    for (const struct json *v = list != NULL ? list->child : NULL; v != NULL; v = v->next, place++) {
        char where[32];
        enum state state = state_from_name(v->str);
        if (state != ST_NONE && task_state_final(state))
            continue;
        snprintf(where, sizeof(where), "states[%d]", place);
        refuse(err, TASKER_E_INVALID, where, "a task that is \"%.*s\" is not finished",
               (int)(v->str.len < 60 ? v->str.len : 60), v->str.p);
        err_remedy(err, "states that may be pruned: complete, cancelled, resolved_manually, error");
        return TASKER_E_INVALID;
    }
    return 0;
}

static int read_arguments(struct inquiry *a, struct prune *p, tasker_error *err)
{
    int rc = given_before(a, &p->before, err);

    if (rc == 0)
        rc = check_states(a, err);
    p->after = given_int(a, "after", 0);
    p->take = given_int(a, "take", BATCH_TASKS);
    p->take = p->take < 1 ? 1 : p->take > BATCH_TASKS ? BATCH_TASKS : p->take;
    p->all = given_bool(a, "all");
    p->dry_run = given_bool(a, "dry_run");
    return rc;
}

// ---- which

// The tasks t that may go; their newest transition is r. A task that the Rails engine finished bears no name of an
// engine of ours there.
#define PRUNABLE                                                                                                       \
    " FROM tasker_tasks t JOIN tasker_task_transitions r ON r.task_id = t.task_id AND r.most_recent = {true}"          \
    " JOIN tasker_named_tasks nt ON nt.named_task_id = t.named_task_id"                                                \
    " JOIN tasker_task_namespaces n ON n.task_namespace_id = nt.task_namespace_id"                                     \
    " WHERE r.created_at < ? AND NOT EXISTS (SELECT 1 FROM tasker_core_active q WHERE q.task_id = t.task_id)"

static void add_prunable(struct build *b, const struct prune *p)
{
    static const struct {
        const char *argument, *sql;
    } names[] = {{"namespace", " AND n.name = ?"}, {"name", " AND nt.name = ?"}, {"version", " AND nt.version = ?"}};
    const struct json *states = given_list(b->a, "states");

    build_add(b, PRUNABLE);
    build_time(b, p->before);
    if (states != NULL)
        build_list(b, " AND r.to_state IN ?", states);
    else
        build_add(b, " AND r.to_state IN ('complete', 'cancelled', 'resolved_manually')");
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct span given = given_text(b->a, names[i].argument);
        if (given.p == NULL)
            continue;
        build_add(b, names[i].sql);
        build_text(b, given);
    }
    if (p->all)
        return;
    build_add(b, " AND {has r.metadata} AND NOT {has r.metadata}");
    build_text(b, SPAN("engine"));
    build_text(b, SPAN("released"));
}

static void add_ids(struct build *b, const struct prune *p)
{
    for (size_t i = 0; i < p->count; i++)
        buf_printf(&b->sql, "%s%lld", i == 0 ? "(" : ",", (long long)p->ids[i]);
    buf_char(&b->sql, ')');
}

static int find_end(struct inquiry *a, struct prune *p, tasker_error *err)
{
    CLEANUP(build_done) struct build b;

    build_init(&b, a);
    build_add(&b, "SELECT max(x.task_id) FROM (SELECT task_id FROM tasker_tasks WHERE task_id > ? ORDER BY task_id"
                  " LIMIT ?) x");
    build_int(&b, p->after);
    build_int(&b, WINDOW);
    return build_one(&b, 0, &p->end, err);
}

static int find_tasks(struct inquiry *a, struct prune *p, tasker_error *err)
{
    CLEANUP(build_done) struct build b;
    CLEANUP(rows_close) struct rows r = {0};
    int64_t steps = 0;
    int rc;

    build_init(&b, a);
    build_add(&b, "SELECT t.task_id, (SELECT count(*) FROM tasker_workflow_steps s WHERE s.task_id = t.task_id)");
    add_prunable(&b, p);
    build_add(&b, " AND t.task_id > ? AND t.task_id <= ? ORDER BY t.task_id LIMIT ?");
    build_int(&b, p->after);
    build_int(&b, p->end);
    build_int(&b, p->take + 1);
    rc = build_open(&b, &r, err);
    if (rc < 0)
        return rc;
    while ((rc = rows_next(&r, err)) == 1 && !p->full) {
        steps += rows_int(&r, 1);
        p->full = (int64_t)p->count == p->take || (p->count > 0 && steps > BATCH_STEPS);
        if (!p->full)
            p->ids[p->count++] = rows_int(&r, 0);
    }
    return rc < 0 ? rc : 0;
}

// Keeps of the ids those that a statement gives.
static int keep_ids(struct build *b, struct prune *p, tasker_error *err)
{
    CLEANUP(rows_close) struct rows r = {0};
    int rc = build_open(b, &r, err);

    if (rc < 0)
        return rc;
    p->count = 0;
    while ((rc = rows_next(&r, err)) == 1 && p->count < BATCH_TASKS)
        p->ids[p->count++] = rows_int(&r, 0);
    return rc < 0 ? rc : 0;
}

static int lock_tasks(struct inquiry *a, struct prune *p, tasker_error *err)
{
    CLEANUP(build_done) struct build b;
    size_t before = p->count;

    build_init(&b, a);
    build_add(&b, "SELECT task_id FROM tasker_tasks WHERE task_id IN ");
    add_ids(&b, p);
    build_add(&b, " ORDER BY task_id{lock}");
    int rc = keep_ids(&b, p, err);
    p->busy = (int64_t)(before - p->count);
    return rc;
}

// With the rows locked nobody can take a task up any more.
static int look_again(struct inquiry *a, struct prune *p, tasker_error *err)
{
    CLEANUP(build_done) struct build b;
    size_t before = p->count;

    build_init(&b, a);
    if (p->count == 0)
        return 0;
    build_add(&b, "SELECT t.task_id");
    add_prunable(&b, p);
    build_add(&b, " AND t.task_id IN ");
    add_ids(&b, p);
    int rc = keep_ids(&b, p, err);
    p->busy += (int64_t)(before - p->count);
    return rc;
}

// ---- what

// Children first. The last word closes what the text opened.
#define STEPS_OF " IN (SELECT workflow_step_id FROM tasker_workflow_steps WHERE task_id IN "
static const struct {
    enum prune_count count;
    const char *from, *end;
} tables[] = {
    {PRUNED_EDGES, " FROM tasker_workflow_step_edges WHERE to_step_id" STEPS_OF, ")"},
    {PRUNED_SILENTLY, " FROM tasker_workflow_step_edges WHERE from_step_id" STEPS_OF, ")"},
    {PRUNED_TRANSITIONS, " FROM tasker_workflow_step_transitions WHERE workflow_step_id" STEPS_OF, ")"},
    {PRUNED_LOGS, " FROM tasker_core_logs WHERE workflow_step_id" STEPS_OF, ")"},
    {PRUNED_SILENTLY, " FROM tasker_core_dispatch WHERE task_id IN ", ""},
    {PRUNED_SILENTLY, " FROM tasker_core_requests WHERE task_id IN ", ""},
    {PRUNED_ANNOTATIONS, " FROM tasker_task_annotations WHERE task_id IN ", ""},
    {PRUNED_STEPS, " FROM tasker_workflow_steps WHERE task_id IN ", ""},
    {PRUNED_TRANSITIONS, " FROM tasker_task_transitions WHERE task_id IN ", ""},
    {PRUNED_TASKS, " FROM tasker_tasks WHERE task_id IN ", ""},
};

static int each_table(struct inquiry *a, struct prune *p, tasker_error *err)
{
    int rc = 0;

    for (size_t i = 0; i < ARRAY_SIZE(tables) && rc == 0 && p->count > 0; i++) {
        CLEANUP(build_done) struct build b;
        int64_t n = 0;
        build_init(&b, a);
        build_add(&b, p->dry_run ? "SELECT count(*)" : "DELETE");
        build_add(&b, tables[i].from);
        add_ids(&b, p);
        build_add(&b, tables[i].end);
        rc = p->dry_run ? build_one(&b, 0, &n, err) : build_run(&b, &n, err);
        p->counts[tables[i].count] += n;
    }
    return rc;
}

// Every row is found by an index, whatever the planner thinks of tables that grew since it looked.
static int prefer_indexes(struct inquiry *a, tasker_error *err)
{
    CLEANUP(build_done) struct build b;
    CLEANUP(rows_close) struct rows r = {0};

    build_init(&b, a);
    build_add(&b, "SELECT set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),"
                  " set_config('enable_mergejoin', 'off', true), set_config('jit', 'off', true)");
    return a->postgres ? build_open(&b, &r, err) : 0;
}

static int delete_tasks(struct inquiry *a, struct prune *p, tasker_error *err)
{
    int rc = operate_begin(a, err);

    if (rc == 0)
        rc = prefer_indexes(a, err);
    if (rc == 0)
        rc = lock_tasks(a, p, err);
    if (rc == 0)
        rc = look_again(a, p, err);
    if (rc == 0)
        rc = each_table(a, p, err);
    return rc == 0 ? operate_commit(a, err) : rc;
}

static int look(struct inquiry *a, struct prune *p, tasker_error *err)
{
    int rc = a->ops->begin(a, false, err);

    if (rc == 0)
        rc = find_end(a, p, err);
    if (rc == 0 && p->end > 0)
        rc = find_tasks(a, p, err);
    if (rc == 0 && p->dry_run)
        rc = each_table(a, p, err);
    a->ops->rollback(a);
    return rc;
}

int operate_db_prune(struct inquiry *a, tasker_error *err)
{
    struct prune p = {0};
    char before[TIME_TEXT_SIZE];
    int rc = read_arguments(a, &p, err);

    if (rc == 0)
        rc = look(a, &p, err);
    int64_t last = p.full ? p.ids[p.count - 1] : p.end;
    if (rc == 0 && p.count > 0 && !p.dry_run)
        rc = delete_tasks(a, &p, err);
    if (rc < 0)
        return rc;
    jw_open(a->out, '{');
    jw_kstr(a->out, "before", time_iso(p.before, before));
    for (size_t i = 0; i < PRUNED_COUNT; i++)
        jw_kint(a->out, count_names[i], p.counts[i]);
    jw_kint(a->out, "busy", p.busy);
    if (p.end > 0)
        jw_kint(a->out, "next", last);
    else
        jw_kraw(a->out, "next", NULL, 0);
    jw_close(a->out, '}');
    return 0;
}
