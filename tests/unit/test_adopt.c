// SPDX-License-Identifier: MIT
// test_adopt.c - task.adopt on both databases: what becomes ours and what that writes, what is refused and stays as it was.
#include "common/both.h"

#define STEP(name, more) "  - name: " name "\n    dependent_system: api\n    handler_class: H\n" more
#define HEAD "name: chain\ntask_handler_class: C\nversion: 1.0.0\nstep_templates:\n"
#define CHAIN HEAD STEP("a", "") STEP("b", "    depends_on_step: a\n") STEP("c", "    depends_on_step: b\n")
#define SECOND US_PER_SECOND

static int64_t chain; // id of the template

// Namespace 1, named task 1, named steps a, b, c are 1, 2, 3.
static void catalogue(void)
{
    chain = both_template(CHAIN);
    assert_int_equal(both_number("SELECT named_step_id FROM tasker_named_steps WHERE name = 'b'"), 2);
}

// As the Rails engine makes one: steps 10 * id + 1, 2, 3, edges, no transition.
static void rails_task(int64_t id)
{
    both_task(id, 1, BOTH_NOW - 100 * SECOND);
    for (int i = 1; i <= 3; i++)
        both_step(10 * id + i, id, i, 0);
    both_edge(10 * id + 1, 10 * id + 2);
    both_edge(10 * id + 2, 10 * id + 3);
}

static int adopt(int64_t id)
{
    return both_do("task.adopt", "{\"task_id\":%lld,\"engine\":\"alpha\",\"reason\":\"moving\",\"by\":\"mia\"}", (long long)id);
}

// A count of everything that an adoption could have written.
static int64_t rows(void)
{
    return both_number("SELECT (SELECT count(*) FROM tasker_task_transitions) * 1000000 + (SELECT count(*) FROM"
                       " tasker_core_active) * 10000 + (SELECT count(*) FROM tasker_workflow_steps) * 100 +"
                       " (SELECT count(*) FROM tasker_task_transitions WHERE most_recent)");
}

static void refused(int64_t id, int code, const char *part, const char *remedy)
{
    int64_t before = rows();

    assert_int_equal(adopt(id), code);
    if (strstr(both_error.message, part) == NULL || strstr(both_error.remedy, remedy) == NULL)
        fail_msg("%s (%s)", both_error.message, both_error.remedy);
    assert_int_equal(rows(), before);
}

static int64_t meta_is(const char *key, const char *value)
{
    return both_ask("transition.list", "{\"task_id\":5}") == 0 && pick(both_answer, key) != NULL &&
           strcmp(pick(both_answer, key), value) == 0;
}

static void a_task_that_rails_made_becomes_ours(void **state)
{
    (void)state;
    catalogue();
    rails_task(5);
    assert_int_equal(adopt(5), 0);
    assert_both("adopted", "true");
    assert_both("state", "in_progress");
    assert_both("steps", "3");
    assert_both("made_steps", "0");
    assert_int_equal(both_number("SELECT count(*) FROM tasker_task_transitions WHERE task_id = 5 AND most_recent"
                                 " AND sort_key = 10 AND to_state = 'in_progress' AND from_state = 'pending'"), 1);
    assert_int_equal(both_number("SELECT count(*) FROM tasker_core_active WHERE task_id = 5 AND lane_id IS NULL AND"
                                 " priority = 2 AND crashes = 0 AND deadline IS NULL AND run_at = %lld AND template_id = %lld",
                                 (long long)BOTH_NOW, (long long)chain), 1);
    assert_true(meta_is("transitions.0.metadata.engine", "alpha"));
    assert_true(meta_is("transitions.0.metadata.adopted", "true"));
    assert_true(meta_is("transitions.0.metadata.reason", "moving"));
    assert_true(meta_is("transitions.0.metadata.by", "mia"));
    assert_true(meta_is("transitions.0.metadata.initialization_completed", "true"));
    assert_true(meta_is("transitions.0.metadata.step_dependencies_established", "3"));
    assert_true(meta_is("transitions.0.at", "2027-01-15T08:00:00.000000Z"));
    assert_int_equal(both_number("SELECT count(*) FROM tasker_core_templates WHERE hash = '%s'",
                                 both_picked("transitions.0.metadata.template")), 1);
}

static void the_next_row_follows_those_of_rails(void **state)
{
    (void)state;
    catalogue();
    rails_task(5);
    both_task_row(5, NULL, "in_progress", BOTH_NOW - 90 * SECOND, "{}");
    both_task_row(5, NULL, "pending", BOTH_NOW - 80 * SECOND, "{}");
    both_step_row(51, NULL, "complete", BOTH_NOW - 80 * SECOND, "{}");
    both_step_row(52, NULL, "error", BOTH_NOW - 80 * SECOND, "{}");
    assert_int_equal(adopt(5), 0);
    assert_int_equal(both_number("SELECT sort_key FROM tasker_task_transitions WHERE task_id = 5 AND most_recent"), 30);
    assert_int_equal(both_number("SELECT count(*) FROM tasker_task_transitions WHERE task_id = 5 AND most_recent"), 1);
    assert_int_equal(both_number("SELECT count(*) FROM tasker_workflow_step_transitions"), 2); // as they were
}

static void a_task_of_ours_is_ours_already(void **state)
{
    (void)state;
    catalogue();
    rails_task(5);
    assert_int_equal(adopt(5), 0);
    int64_t before = rows();
    assert_int_equal(adopt(5), 0);
    assert_both("adopted", "false");
    assert_both("state", "in_progress");
    assert_int_equal(rows(), before);
}

static void what_rails_works_on_is_refused(void **state)
{
    (void)state;
    catalogue();
    rails_task(5);
    both_task_row(5, NULL, "in_progress", BOTH_NOW - SECOND, "{}");
    refused(5, TASKER_E_STATE, "task 5 is in progress: the Rails engine works on it", "wait until it is pending there");
    rails_task(6); // a step that Rails' coordinator did not wait for
    both_step_row(62, NULL, "in_progress", BOTH_NOW - SECOND, "{}");
    refused(6, TASKER_E_STATE, "step \"b\" of task 6 is in progress", "wait until it has ended");
    rails_task(7);
    both_sql("UPDATE tasker_workflow_steps SET in_process = true WHERE workflow_step_id = 73");
    refused(7, TASKER_E_STATE, "step \"c\" of task 7", "wait until it has ended");
}

static void a_finished_task_is_refused(void **state)
{
    static const struct {
        const char *state, *says, *remedy;
    } ends[] = {
        {"complete", "is complete", "submit a new one"},
        {"cancelled", "is cancelled", "submit a new one"},
        {"resolved_manually", "was resolved by hand", "submit a new one"},
        {"error", "is in error", "move it to pending there first"},
    };

    (void)state;
    catalogue();
    for (int i = 0; i < 4; i++) {
        rails_task(20 + i);
        both_task_row(20 + i, NULL, ends[i].state, BOTH_NOW - SECOND, "{}");
        refused(20 + i, TASKER_E_STATE, ends[i].says, ends[i].remedy);
    }
    rails_task(30); // the column alone says so
    both_sql("UPDATE tasker_tasks SET complete = true WHERE task_id = 30");
    refused(30, TASKER_E_STATE, "is complete", "submit a new one");
    refused(31, TASKER_E_NOT_FOUND, "there is no task 31", "");
}

static void without_a_template_nothing_is_adopted(void **state)
{
    (void)state;
    both_catalogue();
    both_task(5, 3, BOTH_NOW);
    both_sql("DELETE FROM tasker_core_templates");
    refused(5, TASKER_E_NOT_FOUND, "no template shop/other/0.10.0 is registered", "tasker register FILE");
}

static void steps_that_are_not_the_templates_are_named(void **state)
{
    (void)state;
    catalogue();
    rails_task(5);
    both_sql("DELETE FROM tasker_workflow_step_edges WHERE to_step_id = 53");
    both_sql("DELETE FROM tasker_workflow_steps WHERE workflow_step_id = 53");
    refused(5, TASKER_E_CONFLICT, "is not made as template default/chain/1.0.0 (1) says: it lacks the steps c", "--replace");
    rails_task(6);
    both_sql("INSERT INTO tasker_named_steps VALUES (4, 1, 'more', NULL, '%s', '%s')", both_time(0), both_time(0));
    both_step(64, 6, 4, 0);
    both_edge(63, 64);
    refused(6, TASKER_E_CONFLICT, "says: it has the steps more", "--replace");
    rails_task(7);
    both_sql("UPDATE tasker_workflow_step_edges SET from_step_id = 71 WHERE to_step_id = 73");
    refused(7, TASKER_E_CONFLICT, "says: it has the dependencies a -> c; it lacks the dependencies b -> c", "--replace");
    rails_task(8); // Rails may write an edge twice
    both_edge(82, 83);
    assert_int_equal(adopt(8), 0);
}

static void many_differences_are_counted(void **state)
{
    (void)state;
    catalogue();
    both_template(HEAD STEP("s1", "") STEP("s2", "") STEP("s3", "") STEP("s4", "") STEP("s5", "") STEP("s6", "") STEP("s7", ""));
    rails_task(5);
    refused(5, TASKER_E_CONFLICT, "it has the steps a, b, c; it lacks the steps s1, s2, s3, s4, s5 and 2 more", "");
}

static void a_task_without_steps_gets_those_of_its_template(void **state)
{
    (void)state;
    catalogue();
    both_task(5, 1, BOTH_NOW - SECOND);
    assert_int_equal(adopt(5), 0);
    assert_both("steps", "3");
    assert_both("made_steps", "3");
    assert_int_equal(both_number("SELECT count(*) FROM tasker_workflow_steps WHERE task_id = 5 AND attempts = 0 AND"
                                 " retry_limit = 3 AND retryable AND NOT processed AND NOT in_process AND NOT skippable"), 3);
    assert_int_equal(both_ask("task.show", "{\"task_id\":5}"), 0);
    assert_both("steps.2.name", "c");
    assert_both("steps.2.depends_on.0", "b");
    assert_int_equal(both_ask("step.show", "{\"task_id\":5,\"step\":\"a\"}"), 0);
    assert_both("inputs.n", "1");
    assert_int_equal(both_number("SELECT count(*) FROM tasker_workflow_step_edges WHERE name = 'provides'"), 2);
}

// A template's new text under the same version does not change a task that was ours before.
static void a_task_that_was_released_keeps_its_template(void **state)
{
    (void)state;
    catalogue();
    rails_task(5);
    assert_int_equal(adopt(5), 0);
    both_sql("DELETE FROM tasker_core_active");
    both_task_row(5, "in_progress", "pending", BOTH_NOW, "{\"engine\":\"alpha\",\"released\":true}");
    int64_t newer = both_template(HEAD STEP("a", ""));
    assert_int_equal(adopt(5), 0);
    assert_both("adopted", "true");
    assert_int_equal(both_number("SELECT template_id FROM tasker_core_active"), chain);
    assert_int_equal(both_number("SELECT sort_key FROM tasker_task_transitions WHERE most_recent"), 30);

    both_sql("DELETE FROM tasker_core_active"); // Rails has made it like the newer one meanwhile
    both_task_row(5, "in_progress", "pending", BOTH_NOW, "{\"engine\":\"alpha\",\"released\":true}");
    both_sql("DELETE FROM tasker_workflow_step_edges");
    both_sql("DELETE FROM tasker_workflow_steps WHERE workflow_step_id > 51");
    assert_int_equal(adopt(5), 0);
    assert_int_equal(both_number("SELECT template_id FROM tasker_core_active"), newer);
}

static void a_templates_timeout_counts_from_the_adoption(void **state)
{
    (void)state;
    catalogue();
    both_template("name: chain\ntask_handler_class: C\nversion: 1.0.0\ntimeout_seconds: 60\nstep_templates:\n" STEP("a", ""));
    both_task(5, 1, BOTH_NOW - 100 * SECOND);
    assert_int_equal(both_do("task.adopt", "{\"task_id\":5,\"priority\":\"high\"}"), 0);
    assert_int_equal(both_number("SELECT count(*) FROM tasker_core_active WHERE deadline = %lld AND priority = 1",
                                 (long long)(BOTH_NOW + 60 * SECOND)), 1);
    assert_int_equal(both_do("task.adopt", "{\"task_id\":5,\"priority\":\"soon\"}"), TASKER_E_INVALID);
    assert_string_equal(both_error.where, "$.priority");
}

// ---- by template

static void waiting_tasks_of_a_template_are_adopted_and_the_others_counted(void **state)
{
    (void)state;
    catalogue();
    for (int64_t id = 1; id <= 9; id++)
        rails_task(id);
    both_task_row(2, NULL, "in_progress", BOTH_NOW, "{}");
    both_task_row(3, NULL, "in_progress", BOTH_NOW, "{}");
    both_task_row(4, NULL, "complete", BOTH_NOW, "{}"); // finished: not even counted
    both_step_row(51, NULL, "in_progress", BOTH_NOW, "{}");
    both_sql("DELETE FROM tasker_workflow_step_edges WHERE to_step_id = 63");
    assert_int_equal(adopt(7), 0); // ours already
    both_sql("INSERT INTO tasker_named_tasks(named_task_id, name, task_namespace_id, version, created_at, updated_at)"
             " VALUES (9, 'chain', 1, '2.0.0', '%s', '%s')", both_time(0), both_time(0));
    both_task(10, 9, BOTH_NOW); // another version
    assert_int_equal(both_do("task.adopt", "{\"name\":\"chain\",\"version\":\"1.0.0\"}"), 0);
    assert_both("adopted", "3");
    assert_both("skipped.0.reason", "in_progress");
    assert_both("skipped.0.tasks", "2");
    assert_both("skipped.0.task_id", "2");
    assert_both("skipped.1.reason", "step_in_progress");
    assert_both("skipped.1.task_id", "5");
    assert_both("skipped.2.reason", "steps_differ");
    assert_both("skipped.2.tasks", "1");
    assert_non_null(strstr(both_picked("skipped.2.message"), "it lacks the dependencies b -> c"));
    assert_int_equal(pick_count(both_answer, "skipped"), 3);
    assert_both("next", "10");
    assert_int_equal(both_number("SELECT count(*) FROM tasker_core_active WHERE task_id IN (1, 7, 8, 9)"), 4);
    assert_int_equal(both_do("task.adopt", "{\"name\":\"chain\",\"version\":\"1.0.0\",\"after\":10}"), 0);
    assert_both("next", "null");
}

static void a_batch_goes_on_behind_the_last(void **state)
{
    (void)state;
    catalogue();
    for (int64_t id = 1; id <= 5; id++)
        rails_task(id);
    assert_int_equal(both_do("task.adopt", "{\"name\":\"chain\",\"version\":\"latest\",\"take\":2}"), 0);
    assert_both("adopted", "2");
    assert_both("next", "2");
    assert_int_equal(both_do("task.adopt", "{\"name\":\"chain\",\"version\":\"1.0.0\",\"take\":9,\"after\":2}"), 0);
    assert_both("adopted", "3");
    assert_both("next", "5");
    assert_int_equal(both_do("task.adopt", "{\"name\":\"chain\"}"), TASKER_E_NOT_FOUND);
    assert_non_null(strstr(both_error.message, "no template default/chain/0.1.0 is registered"));
    assert_int_equal(both_do("task.adopt", "{}"), TASKER_E_INVALID);
}

static void more_than_a_batch_holds_is_adopted_in_two(void **state)
{
    (void)state;
    both_template(HEAD STEP("a", ""));
    for (int64_t id = 1; id <= 101; id++)
        both_task(id, 1, BOTH_NOW);
    assert_int_equal(both_do("task.adopt", "{\"name\":\"chain\",\"version\":\"1.0.0\"}"), 0);
    assert_both("adopted", "100");
    assert_both("next", "100");
    assert_int_equal(both_do("task.adopt", "{\"name\":\"chain\",\"version\":\"1.0.0\",\"after\":100}"), 0);
    assert_both("adopted", "1");
    assert_int_equal(both_number("SELECT count(*) FROM tasker_core_active"), 101);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(a_task_that_rails_made_becomes_ours),
        BOTH(the_next_row_follows_those_of_rails),
        BOTH(a_task_of_ours_is_ours_already),
        BOTH(what_rails_works_on_is_refused),
        BOTH(a_finished_task_is_refused),
        BOTH(without_a_template_nothing_is_adopted),
        BOTH(steps_that_are_not_the_templates_are_named),
        BOTH(many_differences_are_counted),
        BOTH(a_task_without_steps_gets_those_of_its_template),
        BOTH(a_task_that_was_released_keeps_its_template),
        BOTH(a_templates_timeout_counts_from_the_adoption),
        BOTH(waiting_tasks_of_a_template_are_adopted_and_the_others_counted),
        BOTH(a_batch_goes_on_behind_the_last),
        BOTH(more_than_a_batch_holds_is_adopted_in_two),
    };
    return cmocka_run_group_tests_name("adopt", tests, NULL, NULL);
}
