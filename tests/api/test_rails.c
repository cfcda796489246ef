// SPDX-License-Identifier: MIT
// test_rails.c - tasks that go to the Rails engine and come from it, and that engine at tasks of ours. What it would write
// is written on a connection beside ours.
#include "beside.h"

#define PAST "2026-01-01 00:00:00"
#define STEP(name, more) "  - name: " name "\n    dependent_system: test\n    handler_class: Work\n" more
#define CHAIN "name: chain\ntask_handler_class: Chain\nstep_templates:\n" STEP("a", "") STEP("b", "    depends_on_step: a\n") \
    STEP("c", "    depends_on_step: b\n")

static int started(void **state)
{
    int rc = fresh_beside(state);

    return rc < 0 ? rc : tasker_start(t, 1, &error);
}

// ---- what Rails writes

// A task of the template "chain": no transitions, steps 10 * id + 1, 2, 3.
static void rails_task(int64_t id)
{
    static const char *const steps[] = {"a", "b", "c"};

    beside("INSERT INTO tasker_tasks(task_id, named_task_id, requested_at, context, identity_hash, created_at, updated_at)"
           " VALUES (%lld, (SELECT named_task_id FROM tasker_named_tasks WHERE name = 'chain'), '" PAST "', '{\"n\":1}',"
           " 'rails-%lld', '" PAST "', '" PAST "')", (long long)id, (long long)id);
    for (int i = 0; i < 3; i++) {
        int64_t step = 10 * id + i + 1;
        beside("INSERT INTO tasker_workflow_steps(workflow_step_id, task_id, named_step_id, attempts, inputs, results,"
               " created_at, updated_at) VALUES (%lld, %lld, (SELECT named_step_id FROM tasker_named_steps WHERE name = '%s'),"
               " 0, '{\"n\":1}', '{}', '" PAST "', '" PAST "')", (long long)step, (long long)id, steps[i]);
        if (i > 0)
            beside("INSERT INTO tasker_workflow_step_edges(from_step_id, to_step_id, name, created_at, updated_at) VALUES"
                   " (%lld, %lld, 'provides', '" PAST "', '" PAST "')", (long long)step - 1, (long long)step);
    }
}

static void rails_row(const char *table, const char *owner, int64_t id, const char *state, const char *at)
{
    beside("UPDATE %s SET most_recent = false WHERE %s = %lld AND most_recent = true; INSERT INTO %s(to_state, metadata,"
           " sort_key, most_recent, %s, created_at, updated_at) SELECT '%s', '{}', coalesce(max(sort_key), 0) + 10, true,"
           " %lld, '%s', '%s' FROM %s WHERE %s = %lld",
           table, owner, (long long)id, table, owner, state, (long long)id, at, at, table, owner, (long long)id);
}

static void rails_task_row(int64_t task, const char *state)
{
    rails_row("tasker_task_transitions", "task_id", task, state, PAST);
}

static void rails_step_row(int64_t step, const char *state)
{
    rails_row("tasker_workflow_step_transitions", "workflow_step_id", step, state, PAST);
}

static void rails_completes(int64_t step)
{
    rails_step_row(step, "in_progress");
    beside("UPDATE tasker_workflow_steps SET attempts = attempts + 1, processed = true, processed_at = '" PAST "',"
           " last_attempted_at = '" PAST "', results = '{\"from\":\"rails\"}' WHERE workflow_step_id = %lld", (long long)step);
    rails_step_row(step, "complete");
}

static void rails_fails(int64_t step, int attempts, const char *backoff)
{
    rails_step_row(step, "in_progress");
    beside("UPDATE tasker_workflow_steps SET attempts = %d, last_attempted_at = '" PAST "', backoff_request_seconds = %s,"
           " results = '{\"error\":\"no\",\"error_class\":\"Oops\"}' WHERE workflow_step_id = %lld",
           attempts, backoff, (long long)step);
    rails_step_row(step, "error");
}

// ---- what must have come of it

// Every chain of the task is what one writer after the other would have made.
static void chains_are_whole(int64_t task)
{
    assert_int_equal(beside_number("SELECT count(*) FROM tasker_task_transitions WHERE task_id = %lld AND most_recent", (long long)task), 1);
    assert_int_equal(beside_number("SELECT count(*) FROM tasker_task_transitions r WHERE task_id = %lld AND most_recent <> (NOT"
                                   " EXISTS (SELECT 1 FROM tasker_task_transitions l WHERE l.task_id = r.task_id AND l.sort_key >"
                                   " r.sort_key))", (long long)task), 0);
    assert_int_equal(beside_number("SELECT count(*) FROM tasker_workflow_step_transitions r JOIN tasker_workflow_steps s ON"
                                   " s.workflow_step_id = r.workflow_step_id WHERE s.task_id = %lld AND r.most_recent <> (NOT EXISTS"
                                   " (SELECT 1 FROM tasker_workflow_step_transitions l WHERE l.workflow_step_id ="
                                   " r.workflow_step_id AND l.sort_key > r.sort_key))", (long long)task), 0);
}

static void ended(int64_t task)
{
    chains_are_whole(task);
    assert_int_equal(beside_number("SELECT count(*) FROM tasker_core_active WHERE task_id = %lld", (long long)task), 0);
    assert_int_equal(beside_number("SELECT count(*) FROM tasker_tasks WHERE task_id = %lld AND complete", (long long)task), 1);
    assert_int_equal(beside_number("SELECT count(*) FROM tasker_workflow_steps WHERE task_id = %lld AND processed", (long long)task), 3);
}

static int adopt(int64_t task)
{
    return call("task.adopt", "{\"task_id\":%lld,\"by\":\"mia\"}", (long long)task);
}

static int64_t step_rows(int64_t step)
{
    return beside_number("SELECT count(*) FROM tasker_workflow_step_transitions WHERE workflow_step_id = %lld", (long long)step);
}

// ---- over and back

static void a_released_task_is_pending_and_nobody_here_runs_it(void **state)
{
    (void)state;
    register_one("one", "");
    tasker_worker *w = open_worker("Work", 1);
    int64_t id = submit("{\"name\":\"one\"}");
    tasker_step *s = take(w);
    assert_int_equal(call("task.release", "{\"task_id\":%lld}", (long long)id), TASKER_E_STATE);
    assert_string_equal(error.message, "step only of task 1 is given out");
    assert_int_equal(tasker_step_release(s, &error), 0);
    tasker_worker_close(w);
    while (call("task.release", "{\"task_id\":%lld,\"by\":\"mia\"}", (long long)id) == TASKER_E_STATE)
        continue; // the worker's places are being given back
    assert_pick("state", "pending");
    show(id);
    assert_pick("transitions.0.to", "in_progress");
    assert_pick("transitions.1.from", "in_progress");
    assert_pick("transitions.1.to", "pending");
    assert_pick("transitions.1.metadata.released", "true");
    assert_pick("transitions.1.metadata.by", "mia");
    assert_pick("priority", "null"); // not in the queue
    take_nothing(open_worker("Work", 1));
    assert_int_equal(call("event.log", "{\"patterns\":\"task.*\"}"), 0);
    assert_pick("events.1.event", "task.released");
}

static void an_adopted_task_runs_to_its_end(void **state)
{
    (void)state;
    register_yaml(CHAIN);
    rails_task(500);
    tasker_worker *w = open_worker("Work", 2);
    assert_int_equal(call("task.cancel", "{\"task_id\":500}"), TASKER_E_STATE);
    assert_string_equal(error.message, "task 500 belongs to the Rails engine");
    assert_string_equal(error.remedy, "take it over first (tasker task adopt 500), or act on it from there");
    assert_int_equal(adopt(500), 0);
    assert_pick("adopted", "true");
    assert_string_equal(work(w, 500), "complete");
    ended(500);
    assert_int_equal(beside_number("SELECT count(*) FROM tasker_task_transitions WHERE task_id = 500"), 2);
    show(500);
    assert_pick("transitions.0.metadata.adopted", "true");
    assert_pick("transitions.0.metadata.by", "mia");
    assert_int_equal(adopt(500), TASKER_E_STATE);
}

// The Rails engine can write such an initial row; programs around it do.
static void a_first_row_whose_sort_key_is_0_is_a_row(void **state)
{
    (void)state;
    register_yaml(CHAIN);
    rails_task(500);
    rails_task_row(500, "pending");
    beside("UPDATE tasker_task_transitions SET sort_key = 0 WHERE task_id = 500");
    for (int64_t step = 5001; step <= 5003; step++)
        rails_step_row(step, "pending");
    beside("UPDATE tasker_workflow_step_transitions SET sort_key = 0 WHERE workflow_step_id BETWEEN 5001 AND 5003");
    tasker_worker *w = open_worker("Work", 2);
    assert_int_equal(adopt(500), 0);
    assert_string_equal(work(w, 500), "complete");
    ended(500);
    assert_int_equal(step_rows(5001), 3);
    assert_int_equal(beside_number("SELECT max(sort_key) FROM tasker_workflow_step_transitions WHERE workflow_step_id = 5001"), 20);
    assert_int_equal(beside_number("SELECT count(*) FROM tasker_workflow_step_transitions WHERE workflow_step_id BETWEEN 5001"
                                   " AND 5003 AND most_recent"), 3);
}

static void what_rails_has_done_stays_done(void **state)
{
    tasker_text *text = NULL;

    (void)state;
    register_yaml(CHAIN);
    rails_task(500);
    rails_task_row(500, "in_progress");
    rails_completes(5001);
    rails_fails(5002, 1, "NULL");
    rails_task_row(500, "pending"); // its finalizer has put the task back
    tasker_worker *w = open_worker("Work", 2);
    assert_int_equal(adopt(500), 0);
    tasker_step *s = take(w);
    assert_string_equal(tasker_step_name(s), "b");
    assert_int_equal(tasker_step_attempt(s), 2); // the attempt at Rails counts
    assert_int_equal(tasker_step_result(s, "a", &text, &error), 0);
    assert_true(came_back(tasker_text_data(text), "{\"from\":\"rails\"}", "{\"from\": \"rails\"}"));
    tasker_text_free(text);
    complete(s, "{}");
    assert_string_equal(work(w, 500), "complete");
    ended(500);
    assert_int_equal(step_rows(5001), 2);
    assert_int_equal(step_rows(5002), 5); // in_progress, error, pending, in_progress, complete
    assert_int_equal(beside_number("SELECT attempts FROM tasker_workflow_steps WHERE workflow_step_id = 5002"), 2);
}

static void a_step_in_error_waits_as_rails_has_asked(void **state)
{
    (void)state;
    register_yaml(CHAIN);
    rails_task(500);
    rails_fails(5001, 1, "2000000000"); // until 2089
    tasker_worker *w = open_worker("Work", 2);
    assert_int_equal(adopt(500), 0);
    while (call("task.explain", "{\"task_id\":500}") == 0 && strcmp(picked("code"), "owned") != 0)
        continue;
    assert_pick("steps.0.code", "in_backoff");
    assert_says("steps.0.until", "2089-");
    take_nothing(w);
    assert_int_equal(call("step.retry", "{\"task_id\":500,\"step\":\"a\"}"), 0);
    assert_string_equal(work(w, 500), "complete");
    ended(500);
}

static void attempts_that_rails_has_used_up_end_the_task_until_somebody_says_otherwise(void **state)
{
    (void)state;
    register_yaml(CHAIN);
    rails_task(500);
    rails_completes(5001);
    rails_fails(5002, 3, "NULL");
    tasker_worker *w = open_worker("Work", 2);
    assert_int_equal(adopt(500), 0);
    assert_string_equal(wait_state(500), "error");
    show(500);
    assert_says("error", "blocked by failed step b");
    assert_int_equal(call("task.retry", "{\"task_id\":500}"), 0);
    assert_string_equal(work(w, 500), "complete");
    ended(500);
}

// Moved to pending there by hand, after its last attempt: that is one more.
static void a_pending_step_without_attempts_left_is_tried_once(void **state)
{
    tasker_failure f = {.message = "again no", .category = "timeout"};

    (void)state;
    register_yaml(CHAIN);
    rails_task(500);
    rails_fails(5001, 3, "NULL");
    rails_step_row(5001, "pending");
    tasker_worker *w = open_worker("Work", 2);
    assert_int_equal(adopt(500), 0);
    tasker_step *s = take(w);
    assert_int_equal(tasker_step_attempt(s), 4);
    fail_step(s, &f);
    assert_string_equal(wait_state(500), "error");
    chains_are_whole(500);
}

static void a_task_goes_back_and_is_adopted_again(void **state)
{
    (void)state;
    register_yaml(CHAIN);
    rails_task(500);
    tasker_worker *w = open_worker("Work", 1);
    assert_int_equal(adopt(500), 0);
    complete(take(w), "{}");                        // a
    assert_int_equal(tasker_step_release(take(w), &error), 0); // b, unrun
    tasker_worker_close(w);
    while (call("task.release", "{\"task_id\":500}") == TASKER_E_STATE)
        continue; // the worker's places are being given back
    assert_pick("state", "pending");
    assert_int_equal(call("task.explain", "{\"task_id\":500}"), 0);
    assert_pick("code", "belongs_to_rails");
    assert_says("next", "tasker task adopt 500");

    rails_task_row(500, "in_progress"); // Rails goes on
    assert_int_equal(adopt(500), TASKER_E_STATE);
    rails_completes(5002);
    rails_task_row(500, "pending");
    assert_int_equal(adopt(500), 0);
    assert_pick("adopted", "true");
    w = open_worker("Work", 1);
    tasker_step *s = take(w);
    assert_string_equal(tasker_step_name(s), "c");
    complete(s, "{}");
    assert_string_equal(wait_state(500), "complete");
    ended(500);
    assert_int_equal(beside_number("SELECT count(*) FROM tasker_task_transitions WHERE task_id = 500"), 6);
}

// ---- by template

static void a_limit_says_that_more_wait(void **state)
{
    (void)state;
    register_yaml(CHAIN);
    for (int64_t id = 500; id < 505; id++)
        rails_task(id);
    rails_task_row(503, "in_progress");
    assert_int_equal(call("task.adopt", "{\"name\":\"chain\",\"limit\":2}"), 0);
    assert_pick("adopted", "2");
    assert_pick("more", "true");
    assert_int_equal(call("task.adopt", "{\"name\":\"chain\",\"reason\":\"moving\"}"), 0);
    assert_pick("adopted", "2");
    assert_pick("more", "false");
    assert_pick("skipped.0.reason", "in_progress");
    assert_pick("skipped.0.tasks", "1");
    assert_pick("skipped.0.task_id", "503");
    assert_says("skipped.0.message", "the Rails engine works on it");
    tasker_worker *w = open_worker("Work", 4);
    for (int64_t id = 500; id < 505; id++)
        if (id != 503)
            assert_string_equal(work(w, id), "complete");
    assert_int_equal(beside_number("SELECT count(*) FROM tasker_tasks WHERE complete"), 4);
}

static void what_is_no_task_and_no_template_is_refused(void **state)
{
    (void)state;
    static const struct {
        int code;
        const char *where, *arguments;
    } wrong[] = {
        {TASKER_E_INVALID, "$.task_id", "{}"},
        {TASKER_E_INVALID, "$.name", "{\"task_id\":1,\"name\":\"chain\"}"},
        {TASKER_E_INVALID, "$.limit", "{\"task_id\":1,\"limit\":2}"},
        {TASKER_E_INVALID, "$.limit", "{\"name\":\"chain\",\"limit\":0}"},
        {TASKER_E_INVALID, "$.reason", "{\"task_id\":1,\"reason\":\" \"}"},
        {TASKER_E_NOT_FOUND, "", "{\"task_id\":1}"},
        {TASKER_E_NOT_FOUND, "", "{\"name\":\"chain\"}"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        assert_int_equal(call_on(t, "task.adopt", wrong[i].arguments), wrong[i].code);
        assert_string_equal(error.where, wrong[i].where);
    }
}

// ---- Rails at a running task of ours

#define TASKS 5

// No row says that a step has begun before it ends.
static int started_with_late_rows(void **state)
{
    options = "{\"start_row_delay_ms\":60000}";
    int rc = started(state);
    options = NULL;
    return rc;
}

struct run_task {
    int64_t id;
    int hand_outs;
};

static struct run_task *run_task_of(struct run_task *list, const tasker_step *s)
{
    for (int i = 0; i < TASKS; i++)
        if (list[i].id == tasker_step_task_id(s))
            return &list[i];
    fail_msg("task %lld is none of ours", (long long)tasker_step_task_id(s));
    return NULL;
}

static void answer_all(tasker_worker *w, struct run_task *list)
{
    while (beside_number("SELECT count(*) FROM tasker_core_active") > 0) {
        tasker_step *s = NULL;
        int rc = tasker_worker_poll(w, 10, &s, &error);
        assert_true(rc >= 0);
        if (rc == 0)
            continue;
        run_task_of(list, s)->hand_outs++;
        complete(s, "{}");
    }
}

// Rails writes that the first step is done while it is given out here, so our answer meets rows that are there already.
static void a_row_of_rails_costs_its_task_a_reload_and_no_other(void **state)
{
    tasker_step *steps[TASKS];
    struct run_task list[TASKS] = {0};

    (void)state;
    register_yaml(CHAIN);
    for (int i = 0; i < TASKS; i++)
        list[i].id = submit("{\"name\":\"chain\"}");
    tasker_worker *w = open_worker("Work", 2 * TASKS);
    for (int i = 0; i < TASKS; i++) {
        tasker_step *s = take(w);
        struct run_task *r = run_task_of(list, s);
        r->hand_outs++;
        steps[r - list] = s;
    }
    int64_t theirs = beside_number("SELECT min(workflow_step_id) FROM tasker_workflow_steps WHERE task_id = %lld", (long long)list[0].id);
    rails_completes(theirs);
    complete(steps[0], "{}");
    tasker_step *next = take(w); // the task is loaded again when it goes on, while the others are at their first steps
    assert_int_equal(tasker_step_task_id(next), list[0].id);
    assert_string_equal(tasker_step_name(next), "b");
    list[0].hand_outs++;
    for (int i = 1; i < TASKS; i++)
        complete(steps[i], "{}");
    complete(next, "{}");
    answer_all(w, list);

    for (int i = 0; i < TASKS; i++) {
        assert_int_equal(list[i].hand_outs, 3); // nothing was forgotten and given out again
        assert_string_equal(wait_state(list[i].id), "complete");
        ended(list[i].id);
        assert_int_equal(beside_number("SELECT count(*) FROM tasker_task_transitions WHERE task_id = %lld", (long long)list[i].id), 2);
    }
    assert_int_equal(step_rows(theirs), 2); // those of Rails
    assert_int_equal(beside_number("SELECT count(*) FROM tasker_workflow_step_transitions WHERE workflow_step_id = %lld"
                                   " AND from_state IS NULL", (long long)theirs), 2);
    assert_int_equal(beside_number("SELECT count(*) FROM tasker_workflow_step_transitions"), TASKS * 3 * 2);
}

static int one_lane(void **state)
{
    server_lanes = 1;
    options = "{\"lease_seconds\":2}";
    int rc = started(state);
    server_lanes = 2;
    options = NULL;
    return rc;
}

// In psql: BEGIN; SELECT ... FOR UPDATE. The lane has both tasks.
static void a_task_whose_rows_a_person_holds_waits_alone(void **state)
{
    char question[200];

    (void)state;
    register_yaml(CHAIN);
    int64_t held = submit("{\"name\":\"chain\"}"), other = submit("{\"name\":\"chain\"}");
    tasker_worker *w = open_worker("Work", 2);
    tasker_step *a = take(w), *b = take(w);
    snprintf(question, sizeof(question), "SELECT 1 FROM tasker_workflow_steps WHERE task_id = %lld FOR UPDATE", (long long)held);
    bool holds = beside_hold(question);
    complete(a, "{}");
    complete(b, "{}");
    if (!holds)
        skip();
    assert_string_equal(work(w, other), "complete");
    assert_int_equal(call("task.cancel", "{\"task_id\":%lld}", (long long)held), TASKER_E_BUSY);
    assert_non_null(strstr(error.message, "are locked by another session"));
    int64_t more = submit("{\"name\":\"chain\"}");
    assert_string_equal(work(w, more), "complete");
    assert_int_equal(beside_number("SELECT count(*) FROM tasker_workflow_step_transitions t JOIN tasker_workflow_steps s USING"
                                   " (workflow_step_id) WHERE s.task_id = %lld AND to_state = 'complete'", (long long)held), 0);
    assert_int_equal(beside_number("SELECT count(*) FROM tasker_core_lanes WHERE lane_id = 1"), 1); // nobody took it over
    beside_let_go();
    assert_string_equal(work(w, held), "complete");
    assert_int_equal(beside_number("SELECT sum(attempts) FROM tasker_workflow_steps WHERE task_id = %lld", (long long)held), 3);
    ended(held);
}

#define S(name) cmocka_unit_test_setup_teardown(name, started, gone_beside)

int main(void)
{
    const struct CMUnitTest tests[] = {
        S(a_released_task_is_pending_and_nobody_here_runs_it),
        S(an_adopted_task_runs_to_its_end),
        S(a_first_row_whose_sort_key_is_0_is_a_row),
        S(what_rails_has_done_stays_done),
        S(a_step_in_error_waits_as_rails_has_asked),
        S(attempts_that_rails_has_used_up_end_the_task_until_somebody_says_otherwise),
        S(a_pending_step_without_attempts_left_is_tried_once),
        S(a_task_goes_back_and_is_adopted_again),
        S(a_limit_says_that_more_wait),
        S(what_is_no_task_and_no_template_is_refused),
        cmocka_unit_test_setup_teardown(a_task_whose_rows_a_person_holds_waits_alone, one_lane, gone_beside),
        cmocka_unit_test_setup_teardown(a_row_of_rails_costs_its_task_a_reload_and_no_other, started_with_late_rows, gone_beside),
    };
    return cmocka_run_group_tests_name("rails", tests, NULL, NULL);
}
