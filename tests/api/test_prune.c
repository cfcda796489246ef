// SPDX-License-Identifier: MIT
// test_prune.c - db.prune through the public calls: limits, running work beside it, operators who take up what it is
// about to delete, memory that runs out in the middle.
#include "fixture.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <unistd.h>

#define EVER "\"before\":\"2100-01-01T00:00:00Z\""

static void empty_template(void)
{
    register_yaml("name: empty\ntask_handler_class: Empty\nstep_templates: []\n");
}

static int64_t finished(void)
{
    int64_t id = submit("{\"name\":\"empty\",\"context\":{\"n\":1}}");

    assert_int_equal(call("task.cancel", "{\"task_id\":%lld}", (long long)id), 0);
    return id;
}

static void finished_tasks_go_and_others_run_on(void **state)
{
    (void)state;
    empty_template();
    register_shape(SHAPE_DIAMOND, "");
    tasker_worker *w = open_worker("Work", 2);
    int64_t done = submit("{\"name\":\"diamond\",\"context\":{\"n\":1}}");
    assert_string_equal(work(w, done), "complete");
    int64_t open = submit("{\"name\":\"diamond\",\"context\":{\"n\":2}}");
    tasker_step *s = take(w);

    assert_int_equal(call("db.prune", "{" EVER "}"), 0);
    assert_pick("tasks", "1");
    assert_pick("steps", "4");
    assert_pick("more", "false");
    assert_int_equal(call("task.show", "{\"task_id\":%lld}", (long long)done), TASKER_E_NOT_FOUND);
    complete(s, "{}");
    assert_string_equal(work(w, open), "complete");
    assert_int_equal(call("db.prune", "{\"older_than\":\"1d\"}"), 0);
    assert_pick("tasks", "0");
    tasker_worker_close(w);
}

static void a_limit_says_that_there_is_more(void **state)
{
    (void)state;
    empty_template();
    for (int i = 0; i < 5; i++)
        finished();
    assert_int_equal(call("db.prune", "{" EVER ",\"dry_run\":true,\"limit\":2}"), 0);
    assert_pick("tasks", "2");
    assert_pick("more", "true");
    assert_int_equal(call("db.prune", "{" EVER ",\"limit\":3}"), 0);
    assert_pick("tasks", "3");
    assert_pick("more", "true");
    assert_int_equal(call("db.prune", "{" EVER ",\"limit\":3}"), 0);
    assert_pick("tasks", "2");
    assert_pick("more", "false");
    assert_int_equal(call("db.prune", "{" EVER ",\"limit\":0}"), TASKER_E_INVALID);
    assert_int_equal(call("db.prune", "{\"older_than\":\"soon\"}"), TASKER_E_INVALID);
    assert_string_equal(error.where, "$.older_than");
}

static void out_of_memory_leaves_whole_tasks(void **state)
{
    (void)state;
    if (getenv("TASKER_TEST_POSTGRESQL") != NULL)
        return; // the server's client allocates for itself
    register_shape(SHAPE_DIAMOND, "");
    tasker_worker *w = open_worker("Work", 2);
    int64_t id = 0;
    bool failed = true;

    for (uint64_t n = 1; failed; n++) {
        if (id == 0) {
            id = submit("{\"name\":\"diamond\",\"context\":{\"n\":1}}");
            assert_string_equal(work(w, id), "complete");
        }
        fail_allocation(n);
        int rc = call("db.prune", "{" EVER "}");
        failed = allocation_failed();
        fail_allocation(0);
        assert_true(rc == 0 || (failed && rc == TASKER_E_NOMEM));
        if (call("task.show", "{\"task_id\":%lld}", (long long)id) == 0)
            assert_int_equal(pick_count(answer, "steps"), 4);
        else
            id = 0;
    }
    assert_int_equal(id, 0);
    tasker_worker_close(w);
}

// ---- operators beside it

#define FAILED_TASKS 40
struct retries {
    int64_t ids[FAILED_TASKS];
    int rc[FAILED_TASKS];
};

static void *retry_all(void *user)
{
    struct retries *r = user;

    for (int i = FAILED_TASKS - 1; i >= 0; i--) { // from the other end
        char arguments[64];
        tasker_error err;
        snprintf(arguments, sizeof(arguments), "{\"task_id\":%lld}", (long long)r->ids[i]);
        r->rc[i] = tasker_call(t, "task.retry", arguments, strlen(arguments), NULL, &err);
    }
    return NULL;
}

static void a_task_is_taken_up_again_or_deleted_never_both(void **state)
{
    struct retries r;
    pthread_t thread;

    (void)state;
    register_one("one", "    default_retry_limit: 1\n");
    tasker_worker *w = open_worker("Work", 4);
    for (int i = 0; i < FAILED_TASKS; i++) {
        r.ids[i] = submit("{\"name\":\"one\",\"context\":{\"n\":%d}}", i);
        tasker_failure f = {.message = "no", .category = "permanent"};
        fail_step(take(w), &f);
    }
    for (int i = 0; i < FAILED_TASKS; i++)
        assert_string_equal(wait_state(r.ids[i]), "error");
    tasker_worker_close(w);
    pthread_create(&thread, NULL, retry_all, &r);
    int left = 0;
    for (int i = 0; i < 4 * FAILED_TASKS; i++)
        assert_int_equal(call("db.prune", "{" EVER ",\"states\":[\"error\"],\"limit\":1}"), 0);
    pthread_join(thread, NULL);
    for (int i = 0; i < FAILED_TASKS; i++) {
        assert_true(r.rc[i] == 0 || r.rc[i] == TASKER_E_NOT_FOUND);
        int rc = call("task.show", "{\"task_id\":%lld}", (long long)r.ids[i]);
        assert_int_equal(rc, r.rc[i]);
        if (rc < 0)
            continue;
        left++;
        assert_string_not_equal(picked("state"), "error");
        assert_int_equal(pick_count(answer, "steps"), 1);
    }
    assert_true(left > 0);
}

// ---- the one write lock of SQLite

#define OLD_TASKS 3000

struct pruning {
    tasker *handle;
    atomic_bool ended;
    int rc;
};

static void *prune_all(void *user)
{
    struct pruning *p = user;
    static const char arguments[] = "{" EVER ",\"limit\":1000000}";
    tasker_error err;

    p->rc = tasker_call(p->handle, "db.prune", arguments, strlen(arguments), NULL, &err);
    atomic_store(&p->ended, true);
    return NULL;
}

static void multiply(const char *path)
{
    char sql[1024];
    sqlite3 *db = NULL;
    char *message = NULL;

    snprintf(sql, sizeof(sql),
             "BEGIN IMMEDIATE; INSERT INTO tasker_tasks(named_task_id, requested_at, identity_hash, created_at, updated_at)"
             " WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
             " SELECT t.named_task_id, t.requested_at, 'old-' || i, t.created_at, t.updated_at FROM n, tasker_tasks t;"
             "INSERT INTO tasker_task_transitions(to_state, metadata, sort_key, most_recent, task_id, created_at, updated_at)"
             " SELECT 'complete', '{\"engine\":\"old\"}', 10, 1, task_id, created_at, updated_at FROM tasker_tasks"
             " WHERE identity_hash LIKE 'old-%%'; COMMIT", OLD_TASKS);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s", message);
    sqlite3_close(db);
}

static void on_sqlite_lanes_get_their_turns_between_batches(void **state)
{
    char folder[] = "/tmp/prune-XXXXXX", path[64], uri[80];
    struct pruning p = {0};
    pthread_t thread;
    sqlite3 *db = NULL;
    int asked = 0, got = 0;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/t.db", folder);
    snprintf(uri, sizeof(uri), "sqlite:%s", path);
    assert_int_equal(tasker_open(uri, NULL, &t, &error), 0);
    assert_int_equal(tasker_open(uri, NULL, &p.handle, &error), 0);
    empty_template();
    finished();
    multiply(path);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    pthread_create(&thread, NULL, prune_all, &p);
    for (; !atomic_load(&p.ended); asked++) {
        got += sqlite3_exec(db, "BEGIN IMMEDIATE; ROLLBACK", NULL, NULL, NULL) == SQLITE_OK;
        nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
    }
    pthread_join(thread, NULL);
    sqlite3_close(db);
    assert_int_equal(p.rc, 0);
    // A lane that waits for the lock asks as often as this, and gets it more than every other time (one time in
    // seven when batches follow each other without a pause).
    assert_true(asked > 100);
    assert_true(got * 5 > asked * 2);
    assert_int_equal(call("task.list", "{\"identity\":\"old-%d\",\"count\":true}", OLD_TASKS), 0);
    assert_pick("total", "0");
    tasker_close(p.handle);
    gone(NULL);
    snprintf(uri, sizeof(uri), "rm -rf %s", folder);
    assert_int_equal(system(uri), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(finished_tasks_go_and_others_run_on),
        T(a_limit_says_that_there_is_more),
        T(out_of_memory_leaves_whole_tasks),
        T(a_task_is_taken_up_again_or_deleted_never_both),
        cmocka_unit_test(on_sqlite_lanes_get_their_turns_between_batches),
    };
    return cmocka_run_group_tests_name("prune", tests, NULL, NULL);
}
