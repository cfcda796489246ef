// SPDX-License-Identifier: MIT
// test_prune.c - deleting old finished tasks on both databases: which ones, what goes with them, batch by batch.
#include "common/both.h"

#define DAY (86400 * US_PER_SECOND)
#define OURS "{\"engine\":\"alpha\"}"
#define RAILS "{\"processed_by\":\"rails\"}"

// A task with steps 10 * id + 1 and + 2, an edge between them, two transitions each (of the task, too), a log, an offer,
// a request and an annotation.
static void a_task(int64_t id, int named, const char *state, int64_t ended_at, const char *metadata)
{
    const char *t = both_time(BOTH_NOW);

    both_task(id, named, ended_at - US_PER_SECOND);
    both_task_row(id, NULL, "in_progress", ended_at - US_PER_SECOND, OURS);
    both_task_row(id, "in_progress", state, ended_at, metadata);
    for (int64_t step = 10 * id + 1; step <= 10 * id + 2; step++) {
        both_step(step, id, (int)(step - 10 * id), 1);
        both_step_row(step, NULL, "in_progress", ended_at - US_PER_SECOND, OURS);
        both_step_row(step, "in_progress", "complete", ended_at, OURS);
    }
    both_edge(10 * id + 1, 10 * id + 2);
    both_sql("INSERT INTO tasker_core_logs VALUES (%lld, 1, 'complete', 'words', '%s')", (long long)(10 * id + 1), t);
    both_sql("INSERT INTO tasker_core_dispatch(token, task_id, workflow_step_id, attempt, handler_class, deadline_us)"
             " VALUES (%lld, %lld, %lld, 1, 'A', 0)", (long long)id, (long long)id, (long long)(10 * id + 1));
    both_sql("INSERT INTO tasker_core_requests(task_id, asker_lane, body, created_at) VALUES (%lld, 1, '{}', '%s')",
             (long long)id, t);
    both_sql("INSERT INTO tasker_task_annotations(task_id, annotation_type_id, annotation, created_at, updated_at)"
             " VALUES (%lld, 1, '{}', '%s', '%s')", (long long)id, t, t);
}

static void catalogue(void)
{
    const char *t = both_time(BOTH_NOW);

    both_catalogue();
    both_sql("INSERT INTO tasker_annotation_types VALUES (1, 'note', NULL, '%s', '%s')", t, t);
}

// All that a_task made is there of each of `count` tasks, the listed ones among them, and nothing else.
static void only_left(int count, const char *ids)
{
    static const struct {
        const char *table;
        int each;
    } tables[] = {
        {"tasker_tasks", 1}, {"tasker_workflow_steps", 2}, {"tasker_workflow_step_edges", 1},
        {"tasker_task_transitions", 2}, {"tasker_workflow_step_transitions", 4}, {"tasker_task_annotations", 1},
        {"tasker_core_logs", 1}, {"tasker_core_dispatch", 1}, {"tasker_core_requests", 1},
    };

    for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
        assert_int_equal(both_number("SELECT count(*) FROM %s", tables[i].table), tables[i].each * count);
    assert_int_equal(both_number("SELECT count(*) FROM tasker_tasks WHERE task_id IN (%s)", ids), count);
}

static void six_tasks(void)
{
    catalogue();
    a_task(10, 1, "complete", BOTH_NOW - 31 * DAY, OURS);
    a_task(11, 1, "complete", BOTH_NOW - 29 * DAY, OURS);
    a_task(12, 1, "error", BOTH_NOW - 40 * DAY, OURS);
    a_task(13, 2, "cancelled", BOTH_NOW - 40 * DAY, OURS);
    a_task(14, 3, "resolved_manually", BOTH_NOW - 40 * DAY, OURS);
    a_task(15, 1, "in_progress", BOTH_NOW - 40 * DAY, OURS);
    both_active(15, BOTH_NOW);
}

static void old_finished_tasks_are_deleted_with_all_that_hangs_on_them(void **state)
{
    (void)state;
    six_tasks();
    assert_int_equal(both_do("db.prune", "{\"older_than\":\"30d\"}"), 0);
    assert_both("tasks", "3");
    assert_both("steps", "6");
    assert_both("edges", "3");
    assert_both("transitions", "18");
    assert_both("annotations", "3");
    assert_both("logs", "3");
    assert_both("before", "2026-12-16T08:00:00.000000Z");
    only_left(3, "11, 12, 15");
    assert_int_equal(both_number("SELECT count(*) FROM tasker_core_active"), 1);
    assert_int_equal(both_do("db.prune", "{\"older_than\":\"30d\"}"), 0);
    assert_both("tasks", "0");
}

static void a_dry_run_counts_the_same_and_deletes_nothing(void **state)
{
    (void)state;
    six_tasks();
    assert_int_equal(both_do("db.prune", "{\"before\":\"2026-12-16T08:00:00Z\",\"dry_run\":true}"), 0);
    assert_both("tasks", "3");
    assert_both("steps", "6");
    assert_both("edges", "3");
    assert_both("transitions", "18");
    assert_both("logs", "3");
    only_left(6, "10, 11, 12, 13, 14, 15");
}

static void failed_tasks_go_only_when_asked_for(void **state)
{
    (void)state;
    six_tasks();
    assert_int_equal(both_do("db.prune", "{\"older_than\":\"30d\",\"states\":[\"error\",\"cancelled\"]}"), 0);
    assert_both("tasks", "2");
    only_left(4, "10, 11, 14, 15");
}

static void what_is_not_finished_cannot_be_asked_for(void **state)
{
    static const char *const wrong[] = {"pending", "in_progress", "lost"};

    (void)state;
    six_tasks();
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        assert_int_equal(both_do("db.prune", "{\"older_than\":\"30d\",\"states\":[\"error\",\"%s\"]}", wrong[i]),
                         TASKER_E_INVALID);
        assert_string_equal(both_error.where, "$.states[1]");
    }
    assert_int_equal(both_do("db.prune", "{}"), TASKER_E_INVALID);
    assert_int_equal(both_do("db.prune", "{\"older_than\":\"1d\",\"before\":\"2026-12-16T08:00:00Z\"}"), TASKER_E_INVALID);
    assert_int_equal(both_do("db.prune", "{\"older_than\":\"30\"}"), TASKER_E_INVALID);
    assert_string_equal(both_error.where, "$.older_than");
    only_left(6, "10, 11, 12, 13, 14, 15");
}

static void filters_narrow_what_goes(void **state)
{
    (void)state;
    six_tasks();
    assert_int_equal(both_do("db.prune", "{\"older_than\":\"1d\",\"namespace\":\"shop\",\"version\":\"0.10.0\"}"), 0);
    assert_both("tasks", "1");
    only_left(5, "10, 11, 12, 13, 15");
    assert_int_equal(both_do("db.prune", "{\"older_than\":\"1d\",\"name\":\"order\"}"), 0);
    assert_both("tasks", "2");
    only_left(3, "12, 13, 15");
}

static void a_task_that_was_taken_up_again_stays(void **state)
{
    (void)state;
    catalogue();
    a_task(10, 1, "error", BOTH_NOW - 40 * DAY, OURS);
    both_active(10, BOTH_NOW); // its operator's retry has not been decided yet
    assert_int_equal(both_do("db.prune", "{\"older_than\":\"30d\",\"states\":[\"error\"]}"), 0);
    assert_both("tasks", "0");
    only_left(1, "10");
}

static void tasks_of_the_rails_engine_go_only_when_asked_for(void **state)
{
    (void)state;
    catalogue();
    a_task(10, 1, "complete", BOTH_NOW - 40 * DAY, RAILS);
    a_task(11, 1, "complete", BOTH_NOW - 40 * DAY, "{\"engine\":\"alpha\",\"released\":true}");
    a_task(12, 1, "complete", BOTH_NOW - 40 * DAY, OURS);
    both_sql("UPDATE tasker_task_transitions SET metadata = NULL WHERE task_id = 10 AND most_recent = true");
    assert_int_equal(both_do("db.prune", "{\"older_than\":\"30d\"}"), 0);
    assert_both("tasks", "1");
    only_left(2, "10, 11");
    assert_int_equal(both_do("db.prune", "{\"older_than\":\"30d\",\"all\":true}"), 0);
    assert_both("tasks", "2");
    only_left(0, "0");
}

static void a_batch_takes_so_many_and_says_where_it_goes_on(void **state)
{
    (void)state;
    six_tasks();
    assert_int_equal(both_do("db.prune", "{\"older_than\":\"30d\",\"take\":2}"), 0);
    assert_both("tasks", "2");
    assert_both("next", "13");
    only_left(4, "11, 12, 14, 15");
    assert_int_equal(both_do("db.prune", "{\"older_than\":\"30d\",\"take\":2,\"after\":13}"), 0);
    assert_both("tasks", "1");
    assert_both("next", "15"); // the end of what it looked at
    assert_int_equal(both_do("db.prune", "{\"older_than\":\"30d\",\"after\":15}"), 0);
    assert_both("next", "null");
    assert_both("tasks", "0");
}

static void a_batch_is_cut_by_steps_too(void **state)
{
    (void)state;
    catalogue();
    for (int64_t id = 10; id < 13; id++)
        a_task(id, 1, "complete", BOTH_NOW - 40 * DAY, OURS);
    for (int k = 0; k < 1200; k++)
        both_sql("INSERT INTO tasker_workflow_steps(workflow_step_id, task_id, named_step_id, created_at, updated_at)"
                 " VALUES (%d, 11, 3, '%s', '%s')", 1000 + k, both_time(BOTH_NOW), both_time(BOTH_NOW));
    assert_int_equal(both_do("db.prune", "{\"older_than\":\"30d\"}"), 0);
    assert_both("tasks", "1");
    assert_int_equal(both_do("db.prune", "{\"older_than\":\"30d\",\"after\":10}"), 0); // alone it goes whole
    assert_both("tasks", "1");
    assert_both("steps", "1202");
    only_left(1, "12");
}

static void a_task_whose_row_is_locked_is_passed_by(void **state)
{
    (void)state;
    if (!both_postgres())
        return;
    six_tasks();
    both_postgres_sql("BEGIN");
    both_postgres_sql("SELECT 1 FROM tasker_tasks WHERE task_id = 13 FOR KEY SHARE"); // as a row that refers to it does
    assert_int_equal(both_postgres_do("db.prune", "{\"older_than\":\"30d\"}"), 0);
    assert_both("tasks", "2");
    assert_both("busy", "1");
    both_postgres_sql("ROLLBACK");
    assert_int_equal(both_postgres_do("db.prune", "{\"older_than\":\"30d\"}"), 0);
    assert_both("tasks", "1");
    assert_both("busy", "0");
}

static int64_t new_task(const char *identity)
{
    const char *t = both_time(BOTH_NOW - 50 * DAY);

    both_sql("INSERT INTO tasker_tasks(named_task_id, requested_at, identity_hash, created_at, updated_at)"
             " VALUES (1, '%s', '%s', '%s', '%s')", t, identity, t, t);
    int64_t id = both_number("SELECT max(task_id) FROM tasker_tasks");
    both_task_row(id, NULL, "complete", BOTH_NOW - 50 * DAY, OURS);
    return id;
}

static void ids_are_not_used_again(void **state)
{
    (void)state;
    catalogue();
    assert_int_equal(new_task("first"), 1);
    assert_int_equal(both_do("db.prune", "{\"older_than\":\"30d\"}"), 0);
    assert_both("tasks", "1");
    assert_int_equal(both_number("SELECT count(*) FROM tasker_tasks"), 0);
    assert_int_equal(new_task("second"), 2);
    assert_int_equal(both_number("SELECT max(id) FROM tasker_task_transitions"), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(old_finished_tasks_are_deleted_with_all_that_hangs_on_them),
        BOTH(a_dry_run_counts_the_same_and_deletes_nothing),
        BOTH(failed_tasks_go_only_when_asked_for),
        BOTH(what_is_not_finished_cannot_be_asked_for),
        BOTH(filters_narrow_what_goes),
        BOTH(a_task_that_was_taken_up_again_stays),
        BOTH(tasks_of_the_rails_engine_go_only_when_asked_for),
        BOTH(a_batch_takes_so_many_and_says_where_it_goes_on),
        BOTH(a_batch_is_cut_by_steps_too),
        BOTH(a_task_whose_row_is_locked_is_passed_by),
        BOTH(ids_are_not_used_again),
    };
    return cmocka_run_group_tests_name("prune", tests, NULL, NULL);
}
