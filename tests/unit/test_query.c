// SPDX-License-Identifier: MIT
// test_query.c - the questions a SQLite store answers, over rows that each test puts there: every
// reason of an explanation, results and failures as they are shown, pages of lists.
#include "common/query_rows.h"

static void explain(void)
{
    assert_int_equal(ask_store("task.explain", "{\"task_id\":1}"), 0);
}

// ---- explanations of tasks

static void a_finished_task_is_finished(void **state)
{
    (void)state;
    put_task(1, 1);
    put_step(1, 1, 1, 0);
    set_done(1, "{}");
    task_row(1, NULL, "in_progress", NOW - 9 * SECOND, "{}");
    task_row(1, "in_progress", "complete", NOW - 1 * SECOND, "{}");
    explain();
    assert_pick("code", "finished");
    assert_says("explanation", "complete since 2027-01-15T07:59:59.000000Z");
    assert_pick("steps.0.code", "done");
    assert_pick("owner", "null");
    assert_says("next", "nothing");
}

static void a_failed_task_names_the_reason_and_the_commands(void **state)
{
    (void)state;
    put_task(1, 1);
    put_step(1, 1, 1, 0);
    put_step(2, 1, 2, 0);
    put_step(3, 1, 3, 0);
    put_edge(1, 2);
    put_edge(2, 3);
    set_failed(1, 3, "{\"attempt\":3}");
    task_row(1, "pending", "in_progress", NOW - 9 * SECOND, "{\"template_id\":1}");
    task_row(1, "in_progress", "error", NOW - 1 * SECOND,
             "{\"reason\":\"blocked by failed step a\"}");
    explain();
    assert_pick("code", "failed");
    assert_says("explanation", "blocked by failed step a");
    assert_pick("steps.0.code", "failed");
    assert_pick("steps.0.command", "tasker step retry 1 a");
    assert_pick("steps.0.error.message", "no \xc3\xa4");
    assert_says("steps.0.explanation", "after 3 of 3 attempts: no \xc3\xa4");
    assert_pick("steps.1.code", "blocked_by");
    assert_pick("steps.2.code", "blocked_by");
    assert_pick("steps.2.blocked_by.0", "a");
    assert_says("steps.2.explanation", "a (failed)");
    assert_says("next", "tasker step retry 1 a");
    assert_says("next", "tasker step resolve 1 a");
}

static void a_task_that_crashed_its_engines_is_set_aside(void **state)
{
    (void)state;
    put_task(1, 1);
    put_step(1, 1, 1, 0);
    task_row(1, "pending", "error", NOW,
             "{\"reason\":\"set aside after 5 crashes while step a was running\"}");
    explain();
    assert_pick("code", "set_aside");
    assert_pick("steps.0.code", "waiting_for_task");
    assert_says("next", "tasker task retry 1");
}

static void a_task_of_the_future_is_scheduled(void **state)
{
    (void)state;
    put_task(1, 1);
    put_step(1, 1, 1, 0);
    put_active(1, NOW + 60 * SECOND, 0);
    explain();
    assert_pick("code", "scheduled");
    assert_pick("until", "2027-01-15T08:01:00.000000Z");
    assert_pick("steps.0.code", "waiting_for_task");
}

static void a_due_task_waits_for_an_engine(void **state)
{
    (void)state;
    put_task(1, 1);
    put_step(1, 1, 1, 0);
    put_active(1, NOW - SECOND, 0);
    put_lane(1, "dead", NOW - 1, "[\"A\"]");
    put_lane(2, "only submits", NOW + SECOND, "[]");
    explain();
    assert_pick("code", "waiting_for_engine");
    assert_says("explanation", "no engine is running");
    assert_says("next", "until an engine is started");
    put_lane(3, "lives", NOW + SECOND, "[\"A\"]");
    explain();
    assert_pick("code", "waiting_for_engine");
    assert_says("explanation", "as soon as it has room");
}

static void a_task_of_the_rails_engine_says_how_it_becomes_ours(void **state)
{
    (void)state;
    put_task(1, 1);
    put_step(1, 1, 1, 0);
    explain();
    assert_pick("code", "belongs_to_rails");
    assert_says("explanation", "belongs to the Rails engine, and waits there since 2027");
    assert_says("next", "tasker task adopt 1 takes it over");
    assert_pick("steps.0.code", "waiting_for_task");
    assert_says("steps.0.explanation", "once the Rails engine takes up its task");
    task_row(1, NULL, "in_progress", NOW, "{}");
    explain();
    assert_pick("code", "belongs_to_rails");
    assert_says("explanation", "works on it since");
    assert_says("next", "once it is pending");
    task_row(1, "in_progress", "pending", NOW, "{\"engine\":\"alpha\",\"released\":true}");
    explain();
    assert_pick("code", "belongs_to_rails");
    assert_says("explanation", "it was given back at 2027-01-15T08:00:00");
    step_row(1, NULL, "in_progress", NOW, "{}");
    explain();
    assert_says("next", "takes it over once step a has ended");
}

static void a_silent_owner_is_named_with_its_takeover(void **state)
{
    (void)state;
    put_running();
    sql("UPDATE tasker_core_lanes SET expires_at = %lld", NOW - 2 * SECOND);
    step_row(1, "pending", "in_progress", NOW - 5 * SECOND, "{\"attempt\":1,\"engine\":\"alpha\"}");
    explain();
    assert_pick("code", "owner_silent");
    assert_pick("owner.name", "alpha");
    assert_pick("owner.alive", "false");
    assert_pick("until", "2027-01-15T07:59:58.000000Z");
    assert_pick("steps.0.code", "running");
    assert_says("steps.0.explanation", "that engine is silent");
    assert_pick("steps.3.code", "waiting_for_task");
    assert_says("next", "takes it over");
    sql("DELETE FROM tasker_core_lanes");
    explain();
    assert_pick("code", "owner_silent");
    assert_pick("owner", "null");
    assert_says("explanation", "is gone");
}

static void a_suspect_says_that_it_runs_alone(void **state)
{
    (void)state;
    put_running();
    sql("UPDATE tasker_core_active SET suspect = 1, crashes = 2");
    explain();
    assert_pick("code", "owned");
    assert_says("explanation", "died 2 times");
}

static void an_unknown_task_is_not_found(void **state)
{
    (void)state;
    assert_int_equal(ask_store("task.explain", "{\"task_id\":1}"), TASKER_E_NOT_FOUND);
    assert_int_equal(ask_store("task.show", "{\"task_id\":1}"), TASKER_E_NOT_FOUND);
    assert_int_equal(ask_store("task.state", "{\"task_id\":1}"), TASKER_E_NOT_FOUND);
    assert_int_equal(ask_store("no.such.query", "{}"), TASKER_E_UNSUPPORTED);
}

// ---- explanations of steps

static void steps_wait_for_named_parents(void **state)
{
    (void)state;
    put_running();
    explain();
    assert_pick("code", "owned");
    assert_pick("owner.process", "77/1");
    assert_pick("steps.0.code", "ready");
    assert_pick("steps.0.engine", "alpha");
    assert_pick("steps.1.code", "waiting_for_parents");
    assert_pick("steps.1.parents.0.step", "a");
    assert_pick("steps.1.parents.0.state", "pending");
    assert_says("next", "step a starts");
}

static void a_step_of_a_class_nobody_serves_says_so(void **state)
{
    (void)state;
    put_running();
    explain();
    assert_pick("steps.3.code", "no_worker");
    assert_pick("steps.3.handler_class", "D");
    assert_pick("steps.3.explanation", "no worker serves D");
    put_lane(2, "dead", NOW - 1, "[\"D\"]");
    explain();
    assert_pick("steps.3.code", "no_worker");
}

static void a_step_of_a_class_that_others_serve_is_offered(void **state)
{
    (void)state;
    put_running();
    put_lane(2, "beta", NOW + SECOND, "[\"D\"]");
    explain();
    assert_pick("steps.3.code", "offered");
    sql("INSERT INTO tasker_core_dispatch(token, task_id, workflow_step_id, attempt, "
        "handler_class, deadline_us)"
        " VALUES (9, 1, 4, 1, 'D', 0)");
    explain();
    assert_pick("steps.3.code", "offered");
    assert_says("steps.3.explanation", "waits for a worker of D to take it");
}

static void a_running_step_says_where_and_until_when(void **state)
{
    (void)state;
    put_running();
    set_done(1, "{}");
    step_row(2, "pending", "in_progress", NOW - SECOND, "{\"attempt\":1,\"engine\":\"alpha\"}");
    put_lane(2, "beta", NOW + SECOND, "[\"D\"]");
    sql("INSERT INTO tasker_core_dispatch(token, task_id, workflow_step_id, attempt, "
        "handler_class, deadline_us,"
        " worker_lane, begun_at) VALUES (9, 1, 4, 2, 'D', 3000000, 2, %lld)",
        NOW - 2 * SECOND);
    explain();
    assert_pick("steps.1.code", "running");
    assert_pick("steps.1.engine", "alpha");
    assert_pick("steps.1.attempt", "1");
    assert_pick("steps.1.since", "2027-01-15T07:59:59.000000Z");
    assert_pick("steps.1.timeout_at", "2027-01-15T08:00:00.500000Z");
    assert_pick("steps.3.code", "running");
    assert_pick("steps.3.engine", "beta");
    assert_pick("steps.3.attempt", "2");
    assert_pick("steps.3.timeout_at", "2027-01-15T08:00:01.000000Z");
    assert_says("next", "step b is running");
}

static void a_step_in_backoff_says_until_when(void **state)
{
    (void)state;
    char meta[128];

    put_running();
    snprintf(meta, sizeof(meta), "{\"attempt\":1,\"retry_at\":%lld}", (long long)(NOW + 3500000));
    set_failed(1, 1, meta);
    explain();
    assert_pick("steps.0.code", "in_backoff");
    assert_pick("steps.0.until", "2027-01-15T08:00:03.500000Z");
    assert_pick("steps.0.in_seconds", "4");
    assert_pick("steps.0.error.code", "C1");
    assert_pick("steps.1.code", "waiting_for_parents");
    assert_int_equal(ask_store("step.show", "{\"task_id\":1,\"step\":\"a\"}"), 0);
    assert_pick("next_retry_at", "2027-01-15T08:00:03.500000Z");
}

static void a_backoff_that_has_passed_makes_the_step_ready(void **state)
{
    (void)state;
    char meta[128];

    put_running();
    snprintf(meta, sizeof(meta), "{\"attempt\":1,\"retry_at\":%lld}", (long long)(NOW - 1));
    set_failed(1, 1, meta);
    explain();
    assert_pick("steps.0.code", "ready");
}

// Its rows carry no metadata: 2^attempts seconds after the failure, or the backoff that was asked
// for.
static void a_failure_of_the_rails_engine_waits_by_its_own_rule(void **state)
{
    (void)state;
    put_running();
    set_failed(1, 2, "{}");
    sql("UPDATE tasker_core_active SET run_at = 0");
    sql("UPDATE tasker_workflow_step_transitions SET created_at = %Q WHERE to_state = 'error'",
        at_time(NOW - SECOND));
    explain();
    assert_pick("steps.0.code", "in_backoff");
    assert_pick("steps.0.until", "2027-01-15T08:00:03.000000Z");
    sql("UPDATE tasker_workflow_steps SET backoff_request_seconds = 60, last_attempted_at = %Q "
        "WHERE workflow_step_id = 1",
        at_time(NOW - SECOND));
    explain();
    assert_pick("steps.0.until", "2027-01-15T08:00:59.000000Z");
    sql("UPDATE tasker_workflow_steps SET attempts = 3 WHERE workflow_step_id = 1");
    explain();
    assert_pick("steps.0.code", "failed");
}

static void a_permanent_failure_is_failed_while_others_run(void **state)
{
    (void)state;
    put_running();
    set_failed(1, 1, "{\"attempt\":1}");
    explain();
    assert_pick("code", "owned");
    assert_pick("steps.0.code", "failed");
    assert_pick("steps.1.code", "blocked_by");
    assert_pick("steps.2.blocked_by.0", "a");
}

static void a_cancelled_step_blocks_what_is_behind_it(void **state)
{
    (void)state;
    put_running();
    step_row(1, "pending", "cancelled", NOW - SECOND, "{\"reason\":\"not wanted\"}");
    explain();
    assert_pick("steps.0.code", "cancelled");
    assert_says("steps.0.explanation", "not wanted");
    assert_pick("steps.2.code", "blocked_by");
    assert_says("steps.2.explanation", "a (cancelled)");
}

static void a_step_settled_by_hand_is_done(void **state)
{
    (void)state;
    put_running();
    set_failed(1, 3, "{\"attempt\":3}");
    step_row(1, "error", "resolved_manually", NOW - SECOND, "{}");
    explain();
    assert_pick("steps.0.code", "done");
    assert_says("steps.0.explanation", "by hand");
    assert_pick("steps.1.code", "ready");
}

// ---- show

static void show_keeps_every_digit_of_context_and_results(void **state)
{
    (void)state;
    put_running();
    set_done(1, "{\"big\":12345678901234567890123456789012345678901234567890,\"p\":1.10}");
    assert_int_equal(ask_store("task.show", "{\"task_id\":1}"), 0);
    assert_pick("context", "{\"n\":1.10}");
    assert_pick("steps.0.results",
                "{\"big\":12345678901234567890123456789012345678901234567890,\"p\":1.10}");
    assert_pick("state", "in_progress");
    assert_pick("priority", "normal");
    assert_pick("owner", "alpha");
    assert_pick("tags", "[\"t\"]");
    assert_pick("duration_ms", "null");
    assert_pick("steps.1.depends_on", "[\"a\"]");
    assert_pick("steps.0.handler_class", "A");
    assert_pick("steps.0.transitions.1.to", "complete");
    assert_pick("steps.0.started_at", "2027-01-15T07:59:52.000000Z");
    assert_pick("steps.0.finished_at", "2027-01-15T07:59:53.000000Z");
    assert_pick("transitions.0.metadata.engine", "alpha");
}

static void show_calls_a_stored_failure_an_error(void **state)
{
    (void)state;
    put_running();
    set_failed(1, 1, "{\"attempt\":1}");
    assert_int_equal(ask_store("step.show", "{\"task_id\":1,\"step\":\"a\"}"), 0);
    assert_pick("results", "null");
    assert_pick("error.message", "no \xc3\xa4");
    assert_pick("error.class", "Oops");
    assert_pick("error.category", "network");
    assert_pick("error.retryable", "true");
    assert_pick("error.remediation", "look");
    assert_pick("backtrace", "x.c:1");
    assert_pick("inputs", "{\"n\":1.10}");
    assert_pick("next_retry_at", "null");
}

static void show_says_why_a_task_ended_in_error_and_how_long_it_took(void **state)
{
    (void)state;
    put_running();
    sql("DELETE FROM tasker_core_active");
    task_row(1, "in_progress", "error", NOW - 7 * SECOND, "{\"reason\":\"timed out\"}");
    assert_int_equal(ask_store("task.show", "{\"task_id\":1}"), 0);
    assert_pick("error", "timed out");
    assert_pick("duration_ms", "2000");
    assert_pick("priority", "null");
    assert_pick("steps.3.handler_class", "D");
}

static void an_unknown_step_is_not_found(void **state)
{
    (void)state;
    put_running();
    assert_int_equal(ask_store("step.show", "{\"task_id\":1,\"step\":\"x\"}"), TASKER_E_NOT_FOUND);
    assert_non_null(strstr(error.remedy, "task show 1"));
}

static void logs_are_shown_by_attempt(void **state)
{
    (void)state;
    put_running();
    sql("INSERT INTO tasker_core_logs VALUES (1, 2, 'complete', 'two', %Q), (1, 1, 'error', 'one', "
        "%Q)",
        at_time(NOW), at_time(NOW));
    assert_int_equal(ask_store("step.log", "{\"task_id\":1,\"step\":\"a\"}"), 0);
    assert_int_equal(pick_count(answer, "attempts"), 2);
    assert_pick("attempts.0.text", "one");
    assert_pick("attempts.0.outcome", "error");
    assert_int_equal(ask_store("step.log", "{\"task_id\":1,\"step\":\"a\",\"attempt\":2}"), 0);
    assert_int_equal(pick_count(answer, "attempts"), 1);
    assert_pick("attempts.0.text", "two");
}

// ---- lists

static void tasks_come_newest_first_in_pages(void **state)
{
    (void)state;
    for (int i = 1; i <= 5; i++)
        put_task(i, 1);
    assert_int_equal(ask_store("task.list", "{\"limit\":2}"), 0);
    assert_int_equal(pick_count(answer, "tasks"), 2);
    assert_pick("tasks.0.task_id", "5");
    assert_pick("tasks.1.task_id", "4");
    assert_pick("next", "n4");
    assert_int_equal(ask_store("task.list", "{\"limit\":2,\"after\":\"n4\"}"), 0);
    assert_pick("tasks.0.task_id", "3");
    assert_int_equal(ask_store("task.list", "{\"limit\":2,\"after\":\"n2\"}"), 0);
    assert_int_equal(pick_count(answer, "tasks"), 1);
    assert_pick("next", "null");
}

static void tasks_are_found_by_state_and_name(void **state)
{
    (void)state;
    put_running();
    put_task(2, 2);
    put_active(2, NOW, 0);
    put_task(3, 3);
    task_row(3, "pending", "in_progress", NOW - 3 * SECOND, "{}");
    task_row(3, "in_progress", "error", NOW - SECOND, "{}");
    static const struct {
        const char *arguments, *id;
    } cases[] = {
        {"{\"state\":\"in_progress\"}", "1"},
        {"{\"state\":\"pending\"}", "2"},
        {"{\"state\":\"error\"}", "3"},
        {"{\"name\":\"order\"}", "1"},
        {"{\"version\":\"0.10.0\"}", "3"},
        {"{\"namespace\":\"shop\",\"version\":\"0.9.0\"}", "2"},
        {"{\"namespace\":\"shop\",\"state\":\"pending\"}", "2"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(ask_store("task.list", cases[i].arguments), 0);
        assert_int_equal(pick_count(answer, "tasks"), 1);
        assert_pick("tasks.0.task_id", cases[i].id);
    }
    assert_int_equal(ask_store("task.list", "{\"state\":\"error\"}"), 0);
    assert_pick("tasks.0.duration_ms", "2000");
    assert_int_equal(ask_store("task.list", "{\"state\":\"complete\"}"), 0);
    assert_int_equal(pick_count(answer, "tasks"), 0);
    assert_int_equal(ask_store("task.list", "{\"state\":\"broken\"}"), TASKER_E_INVALID);
    assert_string_equal(error.where, "$.state");
}

static void the_newest_template_is_found_by_number(void **state)
{
    (void)state;
    assert_int_equal(ask_store("template.list", "{}"), 0);
    assert_int_equal(pick_count(answer, "templates"), 3);
    assert_int_equal(ask_store("template.show", "{\"namespace\":\"shop\",\"name\":\"other\"}"), 0);
    assert_pick("version", "0.10.0");
    assert_pick("definition.v", "10");
    assert_int_equal(ask_store("template.show",
                               "{\"namespace\":\"shop\",\"name\":\"other\",\"version\":\"0.9.0\"}"),
                     0);
    assert_pick("definition.v", "9");
    assert_int_equal(ask_store("template.show", "{\"name\":\"other\"}"), TASKER_E_NOT_FOUND);
}

static void health_counts_and_names_what_needs_a_person(void **state)
{
    (void)state;
    put_running();
    set_done(1, "{}");
    put_lane(2, "dead", NOW - 3 * SECOND, "[\"D\"]");
    put_task(2, 1);
    put_active(2, NOW - SECOND, 0);
    put_task(3, 1);
    put_active(3, NOW + SECOND, 0);
    put_task(4, 1);
    put_active(4, NOW, 99);
    put_task(5, 1);
    task_row(5, NULL, "error", NOW, "{\"reason\":\"set aside after 5 crashes\"}");
    sql("INSERT INTO tasker_core_dispatch(token, task_id, workflow_step_id, attempt, "
        "handler_class, deadline_us,"
        " worker_lane) VALUES (9, 1, 4, 1, 'D', 0, NULL), (10, 1, 3, 1, 'A', 0, NULL), (11, 1, 2, "
        "1, 'D', 0, 2)");
    assert_int_equal(ask_store("health", "{}"), 0);
    assert_pick("tasks.pending", "3");
    assert_pick("tasks.in_progress", "1");
    assert_pick("tasks.error", "1");
    assert_pick("steps.complete", "1");
    assert_pick("steps.pending", "3");
    assert_pick("engines.0.alive", "true");
    assert_pick("engines.0.tasks", "1");
    assert_pick("engines.1.alive", "false");
    assert_pick("engines.1.silent_seconds", "3");
    assert_pick("stuck_sessions", "[]"); // of PostgreSQL
    assert_pick("queue.active", "4");
    assert_pick("queue.owned", "1");
    assert_pick("queue.due", "1");
    assert_pick("queue.scheduled", "1");
    assert_pick("queue.stranded", "1");
    assert_pick("queue.oldest_due_at", "2027-01-15T07:59:59.000000Z");
    assert_pick("offers.open", "2");
    assert_pick("offers.running", "1");
    assert_int_equal(pick_count(answer, "unserved"), 1);
    assert_pick("unserved.0.handler_class", "D");
    assert_pick("set_aside.0.task_id", "5");
}

static void tasks_that_only_a_missing_worker_can_move_are_counted(void **state)
{
    (void)state;
    put_running();
    put_lane(2, "dead", NOW - SECOND, "[\"D\"]");
    sql("INSERT INTO tasker_core_dispatch(token, task_id, workflow_step_id, attempt,"
        " handler_class, deadline_us) VALUES (9, 1, 4, 1, 'D', 0)");
    assert_int_equal(ask_store("health", "{}"), 0);
    assert_pick("unfinished", "1");
    assert_pick("unservable", "0"); // a can run
    sql("INSERT INTO tasker_core_dispatch(token, task_id, workflow_step_id, attempt,"
        " handler_class, deadline_us) VALUES (10, 1, 1, 1, 'A', 0)");
    sql("UPDATE tasker_core_lanes SET classes = '[]' WHERE lane_id = 1");
    assert_int_equal(ask_store("health", "{}"), 0);
    assert_pick("unservable", "1");
    put_lane(3, "helper", NOW + SECOND, "[\"D\"]");
    assert_int_equal(ask_store("health", "{}"), 0);
    assert_pick("unservable", "0");
}

// ---- memory

static void every_failed_allocation_is_an_error(void **state)
{
    (void)state;
    static const char *const questions[] = {"task.show", "task.explain", "task.list",
                                            "health",    "log",          "step.log"};

    put_running();
    set_failed(1, 1, "{\"attempt\":1}");
    for (size_t i = 0; i < ARRAY_SIZE(questions); i++) {
        bool failed = true;
        for (uint64_t n = 1; failed; n++) {
            struct arena arena;
            struct buf out;
            const struct json *args;
            arena_init(&arena);
            buf_init(&out, sizeof(answer));
            assert_int_equal(
                json_parse(&arena, SPAN("{\"task_id\":1,\"step\":\"a\"}"), &args, NULL), 0);
            mem_fail_after(n);
            int rc = store->ops->query(store, questions[i], args, NOW, &out, &error);
            failed = mem_failed();
            mem_fail_after(0);
            if (failed)
                assert_true(rc == TASKER_E_NOMEM || (rc == 0 && buf_failed(&out)));
            else
                assert_int_equal(rc, 0);
            buf_done(&out);
            arena_done(&arena);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        Q(a_finished_task_is_finished),
        Q(a_failed_task_names_the_reason_and_the_commands),
        Q(a_task_that_crashed_its_engines_is_set_aside),
        Q(a_task_of_the_future_is_scheduled),
        Q(a_due_task_waits_for_an_engine),
        Q(a_task_of_the_rails_engine_says_how_it_becomes_ours),
        Q(a_silent_owner_is_named_with_its_takeover),
        Q(a_suspect_says_that_it_runs_alone),
        Q(an_unknown_task_is_not_found),
        Q(steps_wait_for_named_parents),
        Q(a_step_of_a_class_nobody_serves_says_so),
        Q(a_step_of_a_class_that_others_serve_is_offered),
        Q(a_running_step_says_where_and_until_when),
        Q(a_step_in_backoff_says_until_when),
        Q(a_backoff_that_has_passed_makes_the_step_ready),
        Q(a_failure_of_the_rails_engine_waits_by_its_own_rule),
        Q(a_permanent_failure_is_failed_while_others_run),
        Q(a_cancelled_step_blocks_what_is_behind_it),
        Q(a_step_settled_by_hand_is_done),
        Q(show_keeps_every_digit_of_context_and_results),
        Q(show_calls_a_stored_failure_an_error),
        Q(show_says_why_a_task_ended_in_error_and_how_long_it_took),
        Q(an_unknown_step_is_not_found),
        Q(logs_are_shown_by_attempt),
        Q(tasks_come_newest_first_in_pages),
        Q(tasks_are_found_by_state_and_name),
        Q(the_newest_template_is_found_by_number),
        Q(health_counts_and_names_what_needs_a_person),
        Q(tasks_that_only_a_missing_worker_can_move_are_counted),
        Q(every_failed_allocation_is_an_error),
    };
    return cmocka_run_group_tests_name("query", tests, NULL, NULL);
}
