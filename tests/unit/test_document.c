// SPDX-License-Identifier: MIT
// test_document.c - a task as a document on both databases: what is in it, of tasks of every kind.
#include "common/both.h"

#define SECOND US_PER_SECOND
#define STEP(name, more) "  - name: " name "\n    dependent_system: api\n    handler_class: H\n" more
#define HEAD "name: chain\ntask_handler_class: C\nversion: 1.0.0\ndescription: a chain\nstep_templates:\n"
#define CHAIN HEAD STEP("a", "") STEP("b", "    depends_on_step: a\n") STEP("c", "    depends_on_step: b\n")
#define CHANGED HEAD STEP("a", "    default_retry_limit: 7\n") STEP("b", "    depends_on_step: a\n")

// Namespace 1, named task 1, named steps a, b, c are 1, 2, 3.
static int64_t chain; // id of the template
static char start[256]; // metadata of the row with which a task of ours begins

static void catalogue(void)
{
    chain = both_template(CHAIN);
    assert_int_equal(both_ask("template.list", "{}"), 0);
    snprintf(start, sizeof(start), "{\"engine\":\"alpha\",\"template\":\"%s\",\"template_id\":%lld}",
             both_picked("templates.0.hash"), (long long)chain);
}

// A task of ours with steps 10 * id + 1, 2, 3, the first one done, the second in `state`.
static void a_task(int64_t id, const char *state, const char *step_state)
{
    both_task(id, 1, BOTH_NOW - 100 * SECOND);
    both_task_row(id, NULL, "in_progress", BOTH_NOW - 90 * SECOND, start);
    for (int i = 1; i <= 3; i++)
        both_step(10 * id + i, id, i, i < 3);
    both_edge(10 * id + 1, 10 * id + 2);
    both_edge(10 * id + 2, 10 * id + 3);
    both_step_row(10 * id + 1, NULL, "in_progress", BOTH_NOW - 80 * SECOND, "{\"attempt\":1}");
    both_step_row(10 * id + 1, "in_progress", "complete", BOTH_NOW - 70 * SECOND, "{\"attempt\":1}");
    both_step_row(10 * id + 2, NULL, "in_progress", BOTH_NOW - 60 * SECOND, "{\"attempt\":1}");
    if (strcmp(step_state, "in_progress") != 0)
        both_step_row(10 * id + 2, "in_progress", step_state, BOTH_NOW - 50 * SECOND, "{\"attempt\":1}");
    if (strcmp(state, "in_progress") != 0)
        both_task_row(id, "in_progress", state, BOTH_NOW - 40 * SECOND, "{\"engine\":\"alpha\"}");
}

static void annotate(int64_t id)
{
    const char *t = both_time(BOTH_NOW);

    both_sql("INSERT INTO tasker_annotation_types VALUES (1, 'note', NULL, '%s', '%s')", t, t);
    both_sql("INSERT INTO tasker_task_annotations(task_id, annotation_type_id, annotation, created_at, updated_at)"
             " VALUES (%lld, 1, '{\"by\":\"mia\",\"n\":12345678901234567890.5}', '%s', '%s')", (long long)id, t, t);
    both_sql("INSERT INTO tasker_core_logs VALUES (%lld, 1, 'complete', 'two\nlines', '%s')", (long long)(10 * id + 1), t);
}

static void export_task(int64_t id)
{
    assert_int_equal(both_ask("task.export", "{\"task_id\":%lld}", (long long)id), 0);
}

static void a_document_has_every_row_of_the_task_and_of_no_other(void **state)
{
    (void)state;
    catalogue();
    a_task(5, "complete", "complete");
    a_task(6, "error", "error");
    annotate(5);
    export_task(5);
    assert_both("format", "1");
    assert_both("tasker", TASKER_VERSION);
    assert_both("named_task.namespace", "default");
    assert_both("named_task.name", "chain");
    assert_both("named_task.version", "1.0.0");
    assert_both("named_task.configuration.name", "chain");
    assert_both("task.task_id", "5");
    assert_both("task.identity_hash", "id-5");
    assert_both("task.context.n", "1");
    assert_both("task.created_at", "2027-01-15T07:58:20.000000Z");
    assert_both("steps.0.workflow_step_id", "51");
    assert_both("steps.0.name", "a");
    assert_both("steps.0.system", "api");
    assert_both("steps.2.attempts", "0");
    assert_null(pick(both_answer, "steps.3"));
    assert_both("edges.1.from_step_id", "52");
    assert_both("edges.1.to_step_id", "53");
    assert_null(pick(both_answer, "edges.2"));
    assert_both("task_transitions.1.to_state", "complete");
    assert_both("task_transitions.1.most_recent", "true");
    assert_null(pick(both_answer, "task_transitions.2"));
    assert_both("step_transitions.3.workflow_step_id", "52");
    assert_null(pick(both_answer, "step_transitions.4"));
    assert_both("annotations.0.type", "note");
    assert_both("annotations.0.annotation.n", "12345678901234567890.5");
    assert_both("logs.0.text", "two\nlines");
    assert_null(pick(both_answer, "logs.1"));
}

static void the_template_that_a_task_began_with_is_in_it_beside_the_current_one(void **state)
{
    (void)state;
    catalogue();
    a_task(5, "error", "error");
    export_task(5);
    assert_both("templates.0.current", "true");
    assert_both("templates.0.body.name", "chain");
    assert_null(pick(both_answer, "templates.1"));
    both_template(CHANGED);
    export_task(5);
    assert_both("templates.0.current", "false");
    assert_both("templates.1.current", "true");
    assert_both("templates.1.body.step_templates.0.default_retry_limit", "7");
    a_task(6, "error", "error");
    both_sql("UPDATE tasker_task_transitions SET metadata = '{}' WHERE task_id = 6");
    export_task(6);
    assert_both("templates.0.current", "true");
    assert_null(pick(both_answer, "templates.1"));
}

static void null_columns_of_rails_tasks_are_told_apart_from_json_null(void **state)
{
    (void)state;
    catalogue();
    both_task(7, 1, BOTH_NOW - 100 * SECOND);
    both_step(71, 7, 1, 0);
    both_sql("UPDATE tasker_tasks SET initiator = NULL, source_system = NULL, reason = NULL, bypass_steps = NULL, tags = NULL,"
             " context = 'null' WHERE task_id = 7");
    both_sql("UPDATE tasker_workflow_steps SET attempts = NULL, retry_limit = NULL, results = NULL WHERE task_id = 7");
    both_task_row(7, NULL, "in_progress", BOTH_NOW, "{}");
    both_sql("UPDATE tasker_task_transitions SET metadata = NULL WHERE task_id = 7");
    export_task(7);
    assert_both("task.initiator", "null");
    assert_both("task.context", "null");
    assert_null(pick(both_answer, "task.tags"));
    assert_null(pick(both_answer, "task.bypass_steps"));
    assert_both("steps.0.attempts", "null");
    assert_both("steps.0.retry_limit", "null");
    assert_both("steps.0.processed_at", "null");
    assert_null(pick(both_answer, "steps.0.results"));
    assert_both("task_transitions.0.from_state", "null");
    assert_null(pick(both_answer, "task_transitions.0.metadata"));
}

static void a_task_that_is_not_there_is_not_exported(void **state)
{
    (void)state;
    catalogue();
    assert_int_equal(both_ask("task.export", "{\"task_id\":5}"), TASKER_E_NOT_FOUND);
    assert_string_equal(both_error.message, "there is no task 5");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(a_document_has_every_row_of_the_task_and_of_no_other),
        BOTH(the_template_that_a_task_began_with_is_in_it_beside_the_current_one),
        BOTH(null_columns_of_rails_tasks_are_told_apart_from_json_null),
        BOTH(a_task_that_is_not_there_is_not_exported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
