// SPDX-License-Identifier: MIT
// query_log.c - the durable log: transition rows of tasks and steps behind a cursor, as
// events.
//
// The two tables have ids of their own, and the cursor has one place for each. A batch takes up to `limit` rows of either and merges the two lists, never leaving the
// order of ids within one: so the cursor behind each event is exact, and a reader that stops
// anywhere loses nothing and gets nothing twice.
//
// The heads of the lists are merged by time. That alone would not keep the order within a task:
// clocks of several processes differ a little, and rows of one turn have one time. So the end of a
// task waits for rows of its steps that are not later, and a step's row waits for the start of its
// task. What a batch cannot see any more (its list of steps was cut) is looked up.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "model/change.h"
#include "store/query_seen.h"

struct cursor {
    int64_t task, step; // ids of the last rows given
};

struct entry {
    int64_t id, task_id, step_id; // id of the row
    int64_t at;
    enum state from, to;
    struct span task_name, namespace_name, version, step_name, metadata;
};

struct entries {
    struct entry *list;
    size_t count, next; // of the list; the first that was not given
    bool cut;           // there are more behind the list
};

static const uint8_t task_events[ST_COUNT] = {
    [ST_PENDING] = NOTE_TASK_RETRIED,     [ST_IN_PROGRESS] = NOTE_TASK_STARTED,
    [ST_COMPLETE] = NOTE_TASK_COMPLETED,  [ST_ERROR] = NOTE_TASK_FAILED,
    [ST_CANCELLED] = NOTE_TASK_CANCELLED, [ST_RESOLVED] = NOTE_TASK_RESOLVED,
};

static const uint8_t step_events[ST_COUNT] = {
    [ST_PENDING] = NOTE_STEP_RETRIED,     [ST_IN_PROGRESS] = NOTE_STEP_STARTED,
    [ST_COMPLETE] = NOTE_STEP_COMPLETED,  [ST_ERROR] = NOTE_STEP_FAILED,
    [ST_CANCELLED] = NOTE_STEP_CANCELLED, [ST_RESOLVED] = NOTE_STEP_RESOLVED,
};

static const char task_sql[] =
    "SELECT r.id, r.task_id, 0, r.created_at, r.from_state, r.to_state, nt.name, n.name, "
    "nt.version, NULL,"
    " r.metadata"
    " FROM tasker_task_transitions r JOIN tasker_tasks t ON t.task_id = r.task_id"
    " JOIN tasker_named_tasks nt ON nt.named_task_id = t.named_task_id"
    " JOIN tasker_task_namespaces n ON n.task_namespace_id = nt.task_namespace_id"
    " WHERE r.id > $1 AND r.id <= $2 ORDER BY r.id LIMIT $3";

static const char step_sql[] =
    "SELECT r.id, s.task_id, s.workflow_step_id, r.created_at, r.from_state, r.to_state, nt.name, "
    "n.name,"
    " nt.version, ns.name, r.metadata"
    " FROM tasker_workflow_step_transitions r"
    " JOIN tasker_workflow_steps s ON s.workflow_step_id = r.workflow_step_id"
    " JOIN tasker_named_steps ns ON ns.named_step_id = s.named_step_id"
    " JOIN tasker_tasks t ON t.task_id = s.task_id"
    " JOIN tasker_named_tasks nt ON nt.named_task_id = t.named_task_id"
    " JOIN tasker_task_namespaces n ON n.task_namespace_id = nt.task_namespace_id"
    " WHERE r.id > $1 AND r.id <= $2 ORDER BY r.id LIMIT $3";

// ---- reading

static int read_cursor(struct span text, struct cursor *ret, tasker_error *err)
{
    char copy[48];
    int used = 0;
    long long task = 0, step = 0;

    if (text.p == NULL)
        return 0;
    snprintf(copy, sizeof(copy), "%.*s", (int)text.len, text.p);
    if (text.len < sizeof(copy) && sscanf(copy, "%19lld.%19lld%n", &task, &step, &used) == 2 &&
        (size_t)used == text.len && task >= 0 && step >= 0) {
        *ret = (struct cursor){task, step};
        return 0;
    }
    err_set(err, TASKER_E_INVALID, "\"%s\" is not a cursor", copy);
    err_where(err, 0, 0, "$.after");
    err_remedy(err, "give the \"cursor\" of an event of the durable log");
    return TASKER_E_INVALID;
}

// ---- the end of the log
//
// SQLite gives ids in the order of commits. On PostgreSQL they come from sequences, so a row may become visible after
// one with a higher id. What is visible at one moment is whole once every transaction that was under way at that moment
// has ended: until then nothing beyond is given.

#define END_TRIES 25
#define END_NAP_US 2000

static int read_end(struct inquiry *a, struct cursor *ret, struct span *ret_horizon, tasker_error *err)
{
    CLEANUP(rows_close) struct rows rows = {0};
    int rc = ask_plain(a,
                       a->postgres ? "SELECT (SELECT max(id) FROM tasker_task_transitions),"
                                     " (SELECT max(id) FROM tasker_workflow_step_transitions),"
                                     " pg_snapshot_xmax(pg_current_snapshot())::text"
                                   : "SELECT (SELECT max(id) FROM tasker_task_transitions),"
                                     " (SELECT max(id) FROM tasker_workflow_step_transitions), ''",
                       &rows, err);

    if (rc == 0)
        rc = rows_next(&rows, err);
    if (rc < 0)
        return rc;
    *ret = (struct cursor){rows_int(&rows, 0), rows_int(&rows, 1)};
    *ret_horizon = rows_keep(&rows, 2);
    return ask_nomem(a, err);
}

// A new snapshot: has everything ended that was under way at the horizon?
static int is_past(struct inquiry *a, struct span horizon, bool *ret, tasker_error *err)
{
    CLEANUP(rows_close) struct rows rows = {0};
    const struct value value = {.kind = VALUE_TEXT, .text = horizon};

    a->ops->rollback(a);
    int rc = a->ops->begin(a, false, err);
    if (rc == 0)
        rc = ask_with(a, "SELECT pg_snapshot_xmin(pg_current_snapshot()) >= $1::xid8", &value, 1, &rows, err);
    if (rc == 0)
        rc = rows_next(&rows, err);
    if (rc < 0)
        return rc;
    *ret = rows_bool(&rows, 0);
    return 0;
}

// The last ids that may be given now. TASKER_E_BUSY: a transaction that has been under way for long keeps it open.
static int find_end(struct inquiry *a, struct cursor *ret, tasker_error *err)
{
    struct span horizon = {NULL, 0};
    bool past = !a->postgres;
    int rc = read_end(a, ret, &horizon, err);

    for (int i = 0; i < END_TRIES && rc == 0 && !past; i++) {
        rc = is_past(a, horizon, &past, err);
        if (rc == 0 && !past)
            usleep(END_NAP_US);
    }
    return rc == 0 && !past ? err_set(err, TASKER_E_BUSY, "a transaction under way keeps the end of the log open") : rc;
}

static int read_entries(struct inquiry *a, const char *sql, int64_t after, int64_t end, int64_t limit,
                        struct entries *ret, tasker_error *err)
{
    const struct value values[] = {{.kind = VALUE_INT, .number = after},
                                   {.kind = VALUE_INT, .number = end},
                                   {.kind = VALUE_INT, .number = limit}};
    CLEANUP(rows_close) struct rows rows = {0};
    int rc = ask_with(a, sql, values, 3, &rows, err);

    if (rc < 0)
        return rc;
    ret->list = arena_alloc(&a->arena, (size_t)limit * sizeof(*ret->list));
    while (ret->list != NULL && (rc = rows_next(&rows, err)) == 1) {
        struct entry *e = &ret->list[ret->count++];
        e->id = rows_int(&rows, 0);
        e->task_id = rows_int(&rows, 1);
        e->step_id = rows_int(&rows, 2);
        e->at = rows_time(&rows, 3);
        e->from = rows_state(&rows, 4);
        e->to = rows_state(&rows, 5);
        e->task_name = rows_keep(&rows, 6);
        e->namespace_name = rows_keep(&rows, 7);
        e->version = rows_keep(&rows, 8);
        e->step_name = rows_keep(&rows, 9);
        e->metadata = rows_keep(&rows, 10);
    }
    ret->cut = ret->count == (size_t)limit;
    return rc < 0 ? rc : ask_nomem(a, err);
}

// ---- merging

static const struct entry *head(const struct entries *l)
{
    return l->next < l->count ? &l->list[l->next] : NULL;
}

static bool is_start(const struct entry *e)
{
    return e->step_id == 0 && e->to == ST_IN_PROGRESS;
}

// Are there rows of the task in the rest of `steps`, or behind it, that are not later than `end`?
static int steps_before(struct inquiry *a, const struct entries *steps, const struct entry *end,
                        bool *ret, tasker_error *err)
{
    CLEANUP(rows_close) struct rows rows = {0};

    *ret = false;
    for (size_t i = steps->next; i < steps->count && !*ret; i++)
        *ret = steps->list[i].task_id == end->task_id && steps->list[i].at <= end->at;
    if (*ret || !steps->cut || steps->count == 0)
        return 0;
    const struct value values[] = {{.kind = VALUE_INT, .number = end->task_id},
                                   {.kind = VALUE_INT, .number = steps->list[steps->count - 1].id}};
    int rc = ask_with(a, "SELECT r.created_at FROM tasker_workflow_steps s"
        " JOIN tasker_workflow_step_transitions r ON r.workflow_step_id = s.workflow_step_id"
        " WHERE s.task_id = $1 AND r.id > $2",
        values, 2, &rows, err);
    while (!*ret && (rc = rows_next(&rows, err)) == 1)
        *ret = rows_time(&rows, 0) <= end->at;
    return rc < 0 ? rc : 0;
}

static bool start_before(const struct entries *tasks, const struct entry *step)
{
    for (size_t i = tasks->next; i < tasks->count; i++)
        if (tasks->list[i].task_id == step->task_id && is_start(&tasks->list[i]) &&
            tasks->list[i].at <= step->at)
            return true;
    return false;
}

// Which list gives the next event. When both wait for each other, time decides.
static int choose(struct inquiry *a, struct entries *tasks, struct entries *steps, struct entries **ret,
                  tasker_error *err)
{
    const struct entry *task = head(tasks), *step = head(steps);
    bool task_waits = false;

    if (task == NULL || step == NULL) {
        *ret = task == NULL ? steps : tasks;
        return 0;
    }
    bool task_first = task->at < step->at || (task->at == step->at && is_start(task));
    int rc = is_start(task) ? 0 : steps_before(a, steps, task, &task_waits, err);
    if (rc < 0)
        return rc;
    bool step_waits = start_before(tasks, step);
    if (task_waits != step_waits)
        task_first = step_waits;
    *ret = task_first ? tasks : steps;
    return 0;
}

// ---- writing

static void write_id(struct buf *out, const char *key, int64_t id)
{
    char text[24];

    snprintf(text, sizeof(text), "%lld", (long long)id);
    jw_kstr(out, key, text);
}

static void write_cursor(struct buf *out, const struct cursor *c)
{
    char text[48];

    snprintf(text, sizeof(text), "%lld.%lld", (long long)c->task, (long long)c->step);
    jw_kstr(out, "cursor", text);
}

// What a row tells besides its states, under the names that events use.
static const struct {
    const char *member, *key;
    bool is_time;
} details[] = {
    {"attempt", "attempt", false},       {"engine", "engine", false},
    {"reason", "reason", false},         {"by", "by", false},
    {"message", "error_message", false}, {"category", "error_category", false},
    {"code", "error_code", false},       {"retry_at", "retry_at", true},
};

static void write_details(struct inquiry *a, const struct entry *e)
{
    const struct json *meta = ask_json(a, e->metadata);
    int64_t at;

    for (size_t i = 0; i < ARRAY_SIZE(details); i++) {
        const struct json *v = json_get(meta, details[i].member);
        if (v == NULL)
            continue;
        if (!details[i].is_time)
            jw_kraw(a->out, details[i].key, v->raw.p, v->raw.len);
        else if (json_int(v, &at))
            jw_ktime(a->out, details[i].key, at);
    }
}

// Pending is where a task comes from an error by a retry, and from in_progress by a release.
static const char *event_name(const struct entry *e)
{
    if (e->to == ST_NONE)
        return "";
    if (e->step_id != 0)
        return note_names[step_events[e->to]];
    bool released = e->to == ST_PENDING && e->from == ST_IN_PROGRESS;
    return note_names[released ? NOTE_TASK_RELEASED : task_events[e->to]];
}

static void write_event(struct inquiry *a, const struct entry *e, const struct cursor *c)
{
    jw_open(a->out, '{');
    jw_kstr(a->out, "event", event_name(e));
    write_id(a->out, "task_id", e->task_id);
    write_span(a->out, "task_name", e->task_name);
    write_span(a->out, "namespace", e->namespace_name);
    write_span(a->out, "version", e->version);
    if (e->step_id != 0) {
        write_id(a->out, "step_id", e->step_id);
        write_span(a->out, "step_name", e->step_name);
    }
    jw_kstr(a->out, "from_state", e->from == ST_NONE ? NULL : state_names[e->from]);
    jw_kstr(a->out, "to_state", e->to == ST_NONE ? NULL : state_names[e->to]);
    jw_ktime(a->out, "timestamp", e->at);
    write_details(a, e);
    write_cursor(a->out, c);
    jw_close(a->out, '}');
}

int query_log(struct inquiry *a, tasker_error *err)
{
    struct entries tasks = {0}, steps = {0}, *from = NULL;
    struct cursor c = {0, 0}, end = {0, 0};
    int64_t limit = given_limit(a, 100), given = 0;
    int rc = read_cursor(given_text(a, "after"), &c, err);

    if (rc == 0)
        rc = find_end(a, &end, err);
    if (rc == TASKER_E_BUSY) {  // nothing yet; the caller comes again
        end = c;
        rc = 0;
    }
    if (rc == 0)
        rc = read_entries(a, task_sql, c.task, end.task, limit, &tasks, err);
    if (rc == 0)
        rc = read_entries(a, step_sql, c.step, end.step, limit, &steps, err);
    if (rc < 0)
        return rc;
    jw_open(a->out, '{');
    jw_key(a->out, "events");
    jw_open(a->out, '[');
    for (; given < limit && (head(&tasks) != NULL || head(&steps) != NULL); given++) {
        rc = choose(a, &tasks, &steps, &from, err);
        if (rc < 0)
            return rc;
        const struct entry *e = &from->list[from->next++];
        *(from == &tasks ? &c.task : &c.step) = e->id;
        write_event(a, e, &c);
    }
    jw_close(a->out, ']');
    write_cursor(a->out, &c);
    jw_kbool(a->out, "more", given == limit);
    jw_close(a->out, '}');
    return 0;
}

int query_log_end(struct inquiry *a, tasker_error *err)
{
    struct cursor c = {0, 0};
    int rc = find_end(a, &c, err);

    if (rc < 0)
        return rc;
    jw_open(a->out, '{');
    write_cursor(a->out, &c);
    jw_close(a->out, '}');
    return 0;
}
