// SPDX-License-Identifier: MIT
// test_insights.c - readiness, contexts, graphs and figures on both databases, held against values worked out by hand.
#include "common/both.h"

#include "store/store.h"

#define SECOND US_PER_SECOND

// ---- readiness: one step per row, as the Rails engine's functions were observed to answer

static const struct {
    const char *attempts, *limit, *backoff, *state;
    bool retryable, in_process, processed;
    int attempted_ago, state_ago; // -1: none
    const char *eligible, *ready, *next_retry_at, *reason;
} vectors[] = {
    {"0", "3", "NULL", NULL, true, false, false, -1, -1, "true", "true", "null", "null"},
    {"NULL", "NULL", "NULL", NULL, true, false, false, -1, -1, "true", "true", "null", "null"},
    {"1", "3", "NULL", "error", true, false, false, 1, 1, "true", "false", "2027-01-15T08:00:01.000000Z", "in_backoff"},
    {"1", "3", "NULL", "error", true, false, false, 3, 3, "true", "true", "2027-01-15T07:59:59.000000Z", "null"},
    {"1", "3", "60", "error", true, false, false, 10, 10, "true", "false", "2027-01-15T08:00:50.000000Z", "in_backoff"},
    {"2", "3", "5", "error", true, false, false, 10, 3, "true", "false", "2027-01-15T07:59:55.000000Z", "in_backoff"},
    {"3", "3", "NULL", "error", true, false, false, 100, 100, "false", "false", "2027-01-15T07:58:28.000000Z",
     "retry_not_eligible"},
    {"0", "3", "NULL", NULL, false, false, false, -1, -1, "true", "false", "null", "not_retryable"},
    {"0", "0", "NULL", NULL, true, false, false, -1, -1, "false", "false", "null", "retry_not_eligible"},
    {"0", "3", "NULL", NULL, true, true, false, -1, -1, "true", "false", "null", "in_process"},
    {"1", "3", "5", "complete", true, false, true, 10, 10, "true", "false", "2027-01-15T07:59:55.000000Z",
     "invalid_state"},
    {"7", "9", "NULL", "error", true, false, false, 31, 31, "true", "true", "2027-01-15T07:59:59.000000Z", "null"},
    {"7", "9", "NULL", "error", true, false, false, 29, 29, "true", "false", "2027-01-15T08:00:01.000000Z", "in_backoff"},
    {"1", "3", "NULL", "pending", true, false, false, 1, 1, "true", "true", "null", "null"},
    {"1", "3", "NULL", "cancelled", true, false, false, 1, 1, "true", "false", "null", "invalid_state"},
    {"1", "3", "NULL", "error", false, false, false, 100, 100, "true", "false", "2027-01-15T07:58:22.000000Z",
     "not_retryable"},
    {"50", "99", "NULL", "error", true, false, false, 31, 31, "true", "true", "2027-01-15T07:59:59.000000Z", "null"},
};

static void put_vectors(void)
{
    both_catalogue();
    both_task(1, 1, BOTH_NOW);
    for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
        int64_t id = (int64_t)i + 1;
        both_step(id, 1, 1, 0);
        both_sql("UPDATE tasker_workflow_steps SET attempts = %s, retry_limit = %s, backoff_request_seconds = %s,"
                 " retryable = %s, in_process = %s, processed = %s WHERE workflow_step_id = %lld",
                 vectors[i].attempts, vectors[i].limit, vectors[i].backoff, vectors[i].retryable ? "true" : "false",
                 vectors[i].in_process ? "true" : "false", vectors[i].processed ? "true" : "false", (long long)id);
        if (vectors[i].attempted_ago >= 0)
            both_sql("UPDATE tasker_workflow_steps SET last_attempted_at = '%s' WHERE workflow_step_id = %lld",
                     both_time(BOTH_NOW - vectors[i].attempted_ago * SECOND), (long long)id);
        if (vectors[i].state != NULL)
            both_step_row(id, NULL, vectors[i].state, BOTH_NOW - vectors[i].state_ago * SECOND, "{}");
    }
}

static void readiness_is_that_of_the_rails_engine(void **state)
{
    (void)state;
    char path[64];

    put_vectors();
    assert_int_equal(both_ask("step.readiness", "{\"task_id\":1}"), 0);
    assert_int_equal(pick_count(both_answer, "steps"), ARRAY_SIZE(vectors));
    for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
        snprintf(path, sizeof(path), "steps.%zu.retry_eligible", i);
        assert_both(path, vectors[i].eligible);
        snprintf(path, sizeof(path), "steps.%zu.ready", i);
        assert_both(path, vectors[i].ready);
        snprintf(path, sizeof(path), "steps.%zu.next_retry_at", i);
        assert_both(path, vectors[i].next_retry_at);
        snprintf(path, sizeof(path), "steps.%zu.blocking_reason", i);
        assert_both(path, vectors[i].reason);
    }
    assert_both("steps.5.seconds_until_ready", "1"); // the failure's 4 s, not the backoff that is over
    assert_both("steps.5.retry_status", "waiting_for_backoff");
    assert_both("steps.6.retry_status", "max_retries_reached");
    assert_both("steps.6.seconds_until_ready", "null");
    assert_both("steps.4.backoff_type", "explicit_backoff");
    assert_both("steps.4.effective_backoff_seconds", "60");
    assert_both("steps.3.backoff_type", "exponential_backoff");
    assert_both("steps.0.dependency_status", "no_dependencies");
    assert_int_equal(both_ask("step.readiness", "{\"task_ids\":[1,1,99],\"only\":\"ready\"}"), 0);
    assert_int_equal(pick_count(both_answer, "steps"), 6);
    assert_int_equal(both_ask("step.readiness", "{\"step_ids\":[3,4]}"), 0);
    assert_int_equal(pick_count(both_answer, "steps"), 2);
}

static void a_context_counts_and_says_what_is_next(void **state)
{
    (void)state;
    put_vectors();
    both_sql("DELETE FROM tasker_workflow_step_transitions WHERE workflow_step_id = 17");
    both_sql("DELETE FROM tasker_workflow_steps WHERE workflow_step_id = 17");
    both_task(2, 1, BOTH_NOW);
    assert_int_equal(both_ask("task.context", "{\"task_ids\":[2,1,7,1]}"), 0);
    assert_int_equal(pick_count(both_answer, "contexts"), 2);
    assert_both("contexts.0.task_id", "1");
    assert_both("contexts.0.total_steps", "16");
    assert_both("contexts.0.pending_steps", "6");
    assert_both("contexts.0.in_progress_steps", "0");
    assert_both("contexts.0.completed_steps", "1");
    assert_both("contexts.0.failed_steps", "8");
    assert_both("contexts.0.ready_steps", "5");
    assert_both("contexts.0.execution_status", "has_ready_steps");
    assert_both("contexts.0.recommended_action", "execute_ready_steps");
    assert_both("contexts.0.completion_percentage", "6.25");
    assert_both("contexts.0.health_status", "recovering");
    assert_both("contexts.0.urgency", "high");
    assert_both("contexts.1.total_steps", "0");
    assert_both("contexts.1.execution_status", "waiting_for_dependencies");
    assert_int_equal(both_ask("task.context", "{\"task_id\":7}"), TASKER_E_NOT_FOUND);
    assert_int_equal(both_ask("task.context", "{}"), TASKER_E_INVALID);
    assert_int_equal(both_ask("step.readiness", "{\"task_id\":1,\"only\":\"sad\"}"), TASKER_E_INVALID);
    assert_string_equal(both_error.where, "$.only");
}

// ---- graphs

// a -> b -> d, a -> c -> d, a -> d: the shortcut makes depth and level differ.
static void put_diamond(void)
{
    both_catalogue();
    both_task(1, 1, BOTH_NOW);
    for (int i = 1; i <= 4; i++)
        both_step(i, 1, i, 0);
    both_edge(1, 2);
    both_edge(1, 3);
    both_edge(2, 4);
    both_edge(3, 4);
    both_edge(1, 4);
}

static void levels_are_longest_paths_and_depths_shortest(void **state)
{
    (void)state;
    put_diamond();
    assert_int_equal(both_ask("task.levels", "{\"task_id\":1}"), 0);
    assert_both("levels", "3");
    assert_both("steps.0.name", "a");
    assert_both("steps.1.name", "b");
    assert_both("steps.2.level", "1");
    assert_both("steps.3.name", "d");
    assert_both("steps.3.level", "2");
    if (both_ask("task.dag", "{\"task_id\":1}") < 0) fail_msg("%s", both_error.message);
    assert_both("steps.3.min_depth_from_root", "1");
    assert_both("steps.3.parent_count", "3");
    assert_both("steps.3.parent_step_ids.1", "2");
    assert_both("steps.3.is_leaf_step", "true");
    assert_both("steps.0.is_root_step", "true");
    assert_both("steps.0.child_count", "3");
    assert_int_equal(both_ask("task.dag", "{\"task_id\":2}"), TASKER_E_NOT_FOUND);
    assert_int_equal(both_ask("task.levels", "{\"task_id\":2}"), TASKER_E_NOT_FOUND);
}

static void what_stands_in_a_cycle_has_no_level(void **state)
{
    (void)state;
    put_diamond();
    both_edge(4, 3);
    assert_int_equal(both_ask("task.levels", "{\"task_id\":1}"), 0);
    assert_int_equal(pick_count(both_answer, "steps"), 2);
    both_edge(4, 1);
    assert_int_equal(both_ask("task.levels", "{\"task_id\":1}"), 0);
    assert_both("levels", "0");
}

static void a_layered_graph_has_its_levels_at_once(void **state)
{
    (void)state;
    both_catalogue();
    both_task(1, 1, BOTH_NOW);
    for (int i = 0; i < 300; i++)
        both_step(i + 1, 1, 1, 0);
    both_sql("INSERT INTO tasker_workflow_step_edges(from_step_id, to_step_id, name, created_at, updated_at)"
             " SELECT f.workflow_step_id, s.workflow_step_id, 'provides', f.created_at, f.created_at"
             " FROM tasker_workflow_steps f JOIN tasker_workflow_steps s"
             " ON (f.workflow_step_id - 1) / 10 + 1 = (s.workflow_step_id - 1) / 10");
    assert_int_equal(both_ask("task.levels", "{\"task_id\":1}"), 0);
    assert_both("levels", "30");
    assert_int_equal(pick_count(both_answer, "steps"), 300);
    assert_both("steps.299.level", "29");
}

// ---- figures

static void finish(int64_t task, int named, int64_t start, int64_t seconds, const char *to)
{
    both_task(task, named, start - SECOND);
    both_task_row(task, "pending", "in_progress", start, "{}");
    both_task_row(task, "in_progress", to, start + seconds * SECOND, "{}");
    both_step(task * 10, task, 1, strcmp(to, "complete") == 0 ? 1 : 3);
    both_sql("UPDATE tasker_workflow_steps SET created_at = '%s' WHERE workflow_step_id = %lld",
             both_time(start - SECOND), (long long)task * 10);
    both_step_row(task * 10, NULL, to, start + seconds * SECOND, "{}");
}

static void put_history(void)
{
    both_catalogue();
    for (int i = 1; i <= 20; i++)
        finish(i, 1, BOTH_NOW - 1000 * SECOND, i, "complete");
    for (int i = 21; i <= 24; i++)
        finish(i, 2, BOTH_NOW - 1000 * SECOND, 100 + i, "error");
    finish(25, 3, BOTH_NOW - 7200 * SECOND, 500, "complete");
    both_task(26, 3, BOTH_NOW - 10 * SECOND);
    both_active(26, BOTH_NOW - 90 * SECOND);
    both_step(260, 26, 1, 0);
    both_step_row(260, NULL, "in_progress", BOTH_NOW - 5 * SECOND, "{}");
}

static void metrics_count_the_period(void **state)
{
    (void)state;
    put_history();
    assert_int_equal(both_ask("analytics.metrics", "{}"), 0);
    assert_both("active_tasks_count", "1");
    assert_both("total_namespaces_count", "2");
    assert_both("unique_task_types_count", "2");
    assert_both("system_health_score", "0.833"); // 20 of 24
    assert_both("task_throughput", "25");
    assert_both("completion_count", "20");
    assert_both("error_count", "4");
    assert_both("completion_rate", "80.00");
    assert_both("error_rate", "16.00");
    assert_both("avg_task_duration", "11.500"); // 1 s to wait and 10.5 on the average
    assert_both("avg_step_duration", "11.500");
    assert_both("step_throughput", "25");
    assert_int_equal(both_ask("analytics.metrics", "{\"since\":\"2027-01-15T07:59:45Z\"}"), 0);
    assert_both("task_throughput", "1");
    assert_both("completion_rate", "0.00");
    assert_both("analysis_period_start", "2027-01-15T07:59:45.000000Z");
}

static void the_slowest_come_first(void **state)
{
    (void)state;
    put_history();
    assert_int_equal(both_ask("task.slowest", "{\"limit\":2}"), 0);
    assert_int_equal(pick_count(both_answer, "tasks"), 2);
    assert_both("tasks.0.task_id", "25");
    assert_both("tasks.0.duration_seconds", "501.000");
    assert_both("tasks.0.step_count", "1");
    assert_both("tasks.1.task_id", "24");
    assert_both("tasks.1.error_steps", "1");
    assert_int_equal(both_ask("step.slowest", "{\"namespace\":\"default\",\"limit\":3}"), 0);
    assert_both("steps.0.step_id", "200");
    assert_both("steps.0.duration_seconds", "21.000");
    assert_both("steps.2.step_id", "180");
    assert_int_equal(both_ask("step.slowest", "{\"since\":\"2027-01-15T07:59:45Z\"}"), 0);
    assert_int_equal(pick_count(both_answer, "steps"), 0);
}

static void templates_have_rates_and_percentiles(void **state)
{
    (void)state;
    put_history();
    assert_int_equal(both_ask("template.stats", "{}"), 0);
    assert_int_equal(pick_count(both_answer, "templates"), 3);
    assert_both("templates.0.name", "order");
    assert_both("templates.0.tasks", "20");
    assert_both("templates.0.success_rate", "100.00");
    assert_both("templates.0.p50_seconds", "10.000");
    assert_both("templates.0.p95_seconds", "19.000");
    assert_both("templates.0.p99_seconds", "20.000");
    assert_both("templates.0.mean_seconds", "10.500");
    assert_both("templates.1.version", "0.9.0");
    assert_both("templates.1.success_rate", "0.00");
    assert_both("templates.1.retries", "8");
    assert_both("templates.1.p50_seconds", "null");
    assert_both("templates.2.pending", "1");
    assert_int_equal(both_ask("template.stats", "{\"name\":\"other\",\"since\":\"2027-01-15T07:59:45Z\"}"), 0);
    assert_int_equal(pick_count(both_answer, "templates"), 1);
    assert_both("templates.0.success_rate", "null");
}

static void the_score_says_what_it_lost(void **state)
{
    (void)state;
    both_catalogue();
    assert_int_equal(both_ask("health.score", "{}"), 0);
    assert_both("score", "100");
    assert_both("label", "excellent");
    finish(1, 1, BOTH_NOW - 100 * SECOND, 1, "complete");
    finish(2, 1, BOTH_NOW - 100 * SECOND, 1, "error");
    both_task(3, 1, BOTH_NOW);
    both_active(3, BOTH_NOW - 90 * SECOND);
    both_task(4, 1, BOTH_NOW);
    both_active(4, BOTH_NOW + 90 * SECOND);
    assert_int_equal(both_ask("health.score", "{}"), 0);
    assert_both("failed_tasks.lost", "25");
    assert_both("exhausted_steps.lost", "20");
    assert_both("late_tasks.count", "1");
    assert_both("late_tasks.lost", "15");
    assert_both("score", "40");
    assert_both("label", "poor");
    assert_int_equal(both_ask("health.score", "{\"since\":\"2027-01-15T07:59:45Z\"}"), 0);
    assert_both("score", "85");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(readiness_is_that_of_the_rails_engine),
        BOTH(a_context_counts_and_says_what_is_next),
        BOTH(levels_are_longest_paths_and_depths_shortest),
        BOTH(what_stands_in_a_cycle_has_no_level),
        BOTH(a_layered_graph_has_its_levels_at_once),
        BOTH(metrics_count_the_period),
        BOTH(the_slowest_come_first),
        BOTH(templates_have_rates_and_percentiles),
        BOTH(the_score_says_what_it_lost),
    };
    return cmocka_run_group_tests_name("insights", tests, NULL, NULL);
}
