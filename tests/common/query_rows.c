// SPDX-License-Identifier: MIT
// query_rows.c - see query_rows.h.
#include "common/query_rows.h"

struct store *store;
char answer[ANSWER_SIZE];
tasker_error error;

// ---- rows

void sql(const char *fmt, ...)
{
    va_list args;
    char *message = NULL;

    va_start(args, fmt);
    char *text = sqlite3_vmprintf(fmt, args);
    va_end(args);
    if (sqlite3_exec(sqlite_of(store)->db, text, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", text, message);
    sqlite3_free(text);
}

const char *at_time(int64_t us)
{
    static char texts[8][TIME_TEXT_SIZE];
    static int next;

    return time_db(us, texts[next++ % 8]);
}

static const char body[] = "{\"name\":\"order\",\"step_templates\":["
                           "{\"name\":\"a\",\"handler_class\":\"A\",\"timeout_seconds\":0},"
                           "{\"name\":\"b\",\"handler_class\":\"B\",\"timeout_seconds\":1.5},"
                           "{\"name\":\"c\",\"handler_class\":\"C\",\"timeout_seconds\":0},"
                           "{\"name\":\"d\",\"handler_class\":\"D\",\"timeout_seconds\":0}]}";

int fresh(void **state)
{
    struct store_options o = {.host = "here", .boot_id = "boot", .migrate = true};
    const char *t = at_time(NOW);

    (void)state;
    if (store_open("sqlite::memory:", &o, &store, &error) < 0)
        return -1;
    sql("INSERT INTO tasker_task_namespaces VALUES (1, 'default', NULL, %Q, %Q), (2, 'shop', NULL, "
        "%Q, %Q)",
        t, t, t, t);
    sql("INSERT INTO tasker_dependent_systems VALUES (1, 'api', NULL, %Q, %Q)", t, t);
    for (int i = 0; i < 4; i++)
        sql("INSERT INTO tasker_named_steps VALUES (%d, 1, '%c', NULL, %Q, %Q)", i + 1, 'a' + i, t,
            t);
    sql("INSERT INTO tasker_named_tasks(named_task_id, name, task_namespace_id, version, "
        "created_at, updated_at) VALUES"
        " (1, 'order', 1, '0.1.0', %Q, %Q), (2, 'other', 2, '0.9.0', %Q, %Q), (3, 'other', 2, "
        "'0.10.0', %Q, %Q)",
        t, t, t, t, t, t);
    sql("INSERT INTO tasker_core_templates VALUES (1, 1, 'h1', %Q, '/dir', 1, %Q),"
        " (2, 2, 'h2', '{\"v\":9}', '', 1, %Q), (3, 3, 'h3', '{\"v\":10}', '', 1, %Q)",
        body, t, t, t);
    return 0;
}

int gone(void **state)
{
    (void)state;
    store_close(store);
    pick_done();
    return 0;
}

void put_task(int64_t id, int named)
{
    const char *t = at_time(NOW - 100 * SECOND);

    sql("INSERT INTO tasker_tasks(task_id, named_task_id, requested_at, initiator, source_system, "
        "reason, bypass_steps,"
        " tags, context, identity_hash, created_at, updated_at) VALUES (%lld, %d, %Q, 'me', 'sys', "
        "'why', '[]',"
        " '[\"t\"]', '{\"n\":1.10}', 'id-%lld', %Q, %Q)",
        id, named, t, id, t, t);
}

// A task that is not finished; lane 0: free.
void put_active(int64_t id, int64_t run_at, int64_t lane)
{
    sql("INSERT INTO tasker_core_active(task_id, priority, run_at, lane_id, template_id) VALUES "
        "(%lld, 2, %lld,"
        " nullif(%lld, 0), 1)",
        id, run_at, lane);
}

void put_step(int64_t id, int64_t task, int named, int attempts)
{
    const char *t = at_time(NOW);

    sql("INSERT INTO tasker_workflow_steps(workflow_step_id, task_id, named_step_id, attempts, "
        "results, created_at,"
        " updated_at) VALUES (%lld, %lld, %d, %d, '{}', %Q, %Q)",
        id, task, named, attempts, t, t);
}

void put_edge(int64_t from, int64_t to)
{
    const char *t = at_time(NOW);

    sql("INSERT INTO tasker_workflow_step_edges(from_step_id, to_step_id, name, created_at, "
        "updated_at) VALUES"
        " (%lld, %lld, 'provides', %Q, %Q)",
        from, to, t, t);
}

void task_row(int64_t task, const char *from, const char *to, int64_t at, const char *meta)
{
    const char *t = at_time(at);

    sql("UPDATE tasker_task_transitions SET most_recent = 0 WHERE task_id = %lld", task);
    sql("INSERT INTO tasker_task_transitions(to_state, from_state, metadata, sort_key, task_id, "
        "created_at, updated_at)"
        " SELECT %Q, %Q, %Q, 10 + coalesce(max(sort_key), 0), %lld, %Q, %Q FROM "
        "tasker_task_transitions"
        " WHERE task_id = %lld",
        to, from, meta, task, t, t, task);
}

void step_row(int64_t step, const char *from, const char *to, int64_t at, const char *meta)
{
    const char *t = at_time(at);

    sql("UPDATE tasker_workflow_step_transitions SET most_recent = 0 WHERE workflow_step_id = %lld",
        step);
    sql("INSERT INTO tasker_workflow_step_transitions(to_state, from_state, metadata, sort_key, "
        "workflow_step_id,"
        " created_at, updated_at) SELECT %Q, %Q, %Q, 10 + coalesce(max(sort_key), 0), %lld, %Q, %Q"
        " FROM tasker_workflow_step_transitions WHERE workflow_step_id = %lld",
        to, from, meta, step, t, t, step);
}

void put_lane(int64_t id, const char *name, int64_t expires_at, const char *classes)
{
    sql("INSERT INTO tasker_core_lanes(lane_id, turn, expires_at, host, boot_id, process, name, classes, started_at)"
        " VALUES (%lld, 1, %lld, 'here', 'boot', '77/1', %Q, %Q, %Q)",
        id, expires_at, name, classes, at_time(NOW - 60 * SECOND));
}

// a -> b -> c, and d alone; the task is running at lane 1, which serves A and B.
void put_running(void)
{
    put_task(1, 1);
    for (int i = 1; i <= 4; i++)
        put_step(i, 1, i, 0);
    put_edge(1, 2);
    put_edge(2, 3);
    put_active(1, NOW - 10 * SECOND, 1);
    put_lane(1, "alpha", NOW + 5 * SECOND, "[\"A\",\"B\"]");
    task_row(1, "pending", "in_progress", NOW - 9 * SECOND,
             "{\"template_id\":1,\"engine\":\"alpha\"}");
}

void set_done(int64_t step, const char *results)
{
    step_row(step, "pending", "in_progress", NOW - 8 * SECOND, "{\"attempt\":1}");
    step_row(step, "in_progress", "complete", NOW - 7 * SECOND, "{\"attempt\":1}");
    sql("UPDATE tasker_workflow_steps SET processed = 1, attempts = 1, results = %Q WHERE "
        "workflow_step_id = %lld",
        results, step);
}

void set_failed(int64_t step, int attempts, const char *meta)
{
    step_row(step, "pending", "in_progress", NOW - 8 * SECOND, "{\"attempt\":1}");
    step_row(step, "in_progress", "error", NOW - 7 * SECOND, meta);
    sql("UPDATE tasker_workflow_steps SET attempts = %d, results = '{\"error\":\"no "
        "\\u00e4\",\"error_class\":\"Oops\","
        "\"backtrace\":\"x.c:1\",\"code\":\"C1\",\"category\":\"network\",\"retryable\":true,"
        "\"attempt\":1,"
        "\"remediation\":\"look\"}' WHERE workflow_step_id = %lld",
        attempts, step);
}

// ---- asking

int ask_store(const char *name, const char *arguments)
{
    struct arena arena;
    struct buf out;
    const struct json *args;

    arena_init(&arena);
    buf_init(&out, ANSWER_SIZE - 1);
    int rc = json_parse(&arena, span_of(arguments), &args, &error);
    if (rc == 0)
        rc = store->ops->query(store, name, args, NOW, &out, &error);
    struct span view = buf_view(&out);
    assert_false(buf_failed(&out));
    memcpy(answer, view.p, view.len);
    answer[view.len] = '\0';
    buf_done(&out);
    arena_done(&arena);
    return rc;
}

const char *picked(const char *path)
{
    const char *found = pick(answer, path);

    if (found == NULL)
        fail_msg("%s is not in %s", path, answer);
    return found;
}
