// SPDX-License-Identifier: MIT
// test_engine.c - whole workflows through the public calls: every shape in its order, failures and
// retries, what operators do, limits and priorities, and numbers that keep every digit.
//
// The handlers run in the test itself: it takes a step, looks, and answers. Where handlers must
// overlap, several steps are taken before one is answered.
#include "fixture.h"

static const char at_once[] = "    retry_backoff: immediate\n";

static int started(void **state)
{
    int rc = fresh(state);

    return rc < 0 ? rc : tasker_start(t, 1, &error);
}

// ---- shapes

static size_t done_parents(const struct shape *shape, size_t step, const bool *done)
{
    size_t n = 0;

    for (size_t k = 0; k < 4 && shape->steps[step].parents[k] != NULL; k++)
        n += done[shape_step_index(shape, shape->steps[step].parents[k])];
    return n;
}

static size_t parent_count(const struct shape *shape, size_t step)
{
    size_t n = 0;

    while (n < 4 && shape->steps[step].parents[n] != NULL)
        n++;
    return n;
}

// The results of all parents, and of nobody else, are with the step.
static void check_parents(const struct shape *shape, tasker_step *s, size_t step)
{
    const char *name, *results;
    size_t size, n = 0;

    for (; tasker_step_parent(s, n, &name, &results, &size) == 1; n++) {
        int parent = shape_step_index(shape, name);
        char want[64];
        bool listed = false;
        for (size_t k = 0; k < 4 && shape->steps[step].parents[k] != NULL; k++)
            listed = listed || strcmp(shape->steps[step].parents[k], name) == 0;
        assert_true(listed);
        snprintf(want, sizeof(want), "{\"place\":%d}", parent);
        assert_int_equal(size, strlen(want));
        assert_memory_equal(results, want, size);
    }
    assert_int_equal(n, parent_count(shape, step));
}

static void run_shape(int which)
{
    const struct shape *shape = &shapes[which];
    bool done[16] = {false};
    size_t edges = 0;

    register_shape(which, "");
    tasker_worker *w = open_worker("Work", 16);
    int64_t id = submit("{\"name\":\"%s\"}", shape->name);
    for (size_t n = 0; n < shape->step_count; n++) {
        tasker_step *s = take(w);
        int step = shape_step_index(shape, tasker_step_name(s));
        char results[64];
        assert_true(step >= 0 && !done[step]);
        assert_int_equal(done_parents(shape, (size_t)step, done),
                         parent_count(shape, (size_t)step));
        check_parents(shape, s, (size_t)step);
        snprintf(results, sizeof(results), "{\"place\":%d}", step);
        complete(s, results);
        done[step] = true;
    }
    assert_string_equal(wait_state(id), "complete");
    take_nothing(w);
    show(id);
    assert_int_equal(pick_count(answer, "steps"), shape->step_count);
    for (size_t i = 0; i < shape->step_count; i++) {
        assert_pick(step_path(shape->steps[i].name, "state"), "complete");
        assert_pick(step_path(shape->steps[i].name, "attempts"), "1");
        assert_int_equal(pick_count(answer, step_path(shape->steps[i].name, "transitions")), 2);
        edges += (size_t)pick_count(answer, step_path(shape->steps[i].name, "depends_on"));
    }
    assert_int_equal(edges, shape->edge_count);
    tasker_worker_close(w);
}

static void a_chain_runs_step_by_step(void **state)
{
    (void)state;
    run_shape(SHAPE_LINEAR);
}

static void a_diamond_joins_both_branches(void **state)
{
    (void)state;
    run_shape(SHAPE_DIAMOND);
}

static void a_merge_waits_for_all_roots(void **state)
{
    (void)state;
    run_shape(SHAPE_PARALLEL);
}

static void a_tree_branches_out(void **state)
{
    (void)state;
    run_shape(SHAPE_TREE);
}

static void a_mixed_graph_keeps_every_edge(void **state)
{
    (void)state;
    run_shape(SHAPE_MIXED);
}

static void independent_steps_are_handed_out_together(void **state)
{
    (void)state;
    tasker_step *roots[3];

    register_shape(SHAPE_PARALLEL, "");
    tasker_worker *w = open_worker("Work", 3);
    int64_t id = submit("{\"name\":\"parallel\"}");
    for (int i = 0; i < 3; i++)
        roots[i] = take(w);
    take_nothing(w);
    complete(roots[1], "1");
    complete(roots[0], "1");
    take_nothing(w);
    complete(roots[2], "1");
    assert_string_equal(work(w, id), "complete");
}

static void a_task_without_steps_is_complete_at_once(void **state)
{
    (void)state;
    register_yaml("{name: empty, task_handler_class: E, step_templates: []}");
    int64_t id = submit("{\"name\":\"empty\"}");
    assert_string_equal(wait_state(id), "complete");
    show(id);
    assert_int_equal(pick_count(answer, "transitions"), 2);
    assert_pick("transitions.0.to", "in_progress");
    assert_pick("transitions.1.to", "complete");
}

static void many_tasks_run_to_their_ends(void **state)
{
    (void)state;
    enum { COUNT = 50 };
    int64_t ids[COUNT];

    for (int i = 0; i < SHAPE_COUNT; i++)
        register_shape(i, "");
    tasker_worker *w = open_worker("Work", 8);
    for (int i = 0; i < COUNT; i++)
        ids[i] = submit("{\"name\":\"%s\"}", shapes[i % SHAPE_COUNT].name);
    for (int i = 0; i < COUNT; i++)
        assert_string_equal(work(w, ids[i]), "complete");
    take_nothing(w);
    assert_int_equal(call("health.status", "{}"), 0);
    assert_pick("database.tasks.complete", "50");
    assert_pick("database.queue.active", "0");
    assert_pick("engine.tasks_in_memory", "0");
}

// ---- what a step is told

static void every_digit_goes_through_context_results_and_parents(void **state)
{
    static const char value[] =
        "{\"e\": 100, \"n\": 12345678901234567890123456789012345678901234567890, \"p\": 1.10, \"z\": 0}";
    (void)state;
    static const char big[] =
        "{\"n\":12345678901234567890123456789012345678901234567890,\"p\":1.10,\"e\":1e2,\"z\":-0}";
    tasker_text *document = NULL, *results = NULL;

    register_shape(SHAPE_LINEAR, "");
    tasker_worker *w = open_worker("Work", 1);
    int64_t id = submit("{\"name\":\"linear\",\"context\":%s}", big);
    tasker_step *s = take(w);
    size_t size;
    assert_string_equal(tasker_step_context(s, &size), big);
    assert_int_equal(size, strlen(big));
    assert_string_equal(tasker_step_inputs(s, NULL), big);
    complete(s, big);
    s = take(w);
    assert_int_equal(tasker_step_document(s, &document, &error), 0);
    assert_true(pick_is(tasker_text_data(document), "task.context", big));
    assert_true(pick_is(tasker_text_data(document), "parents.linear_step_1", big));
    assert_true(pick_is(tasker_text_data(document), "step.attempt", "1"));
    tasker_text_free(document);
    complete(s, "1.10");
    s = take(w);
    assert_int_equal(tasker_step_result(s, "linear_step_1", &results, &error), 0);
    assert_string_equal(tasker_text_data(results),
                        stored(big, value));
    tasker_text_free(results);
    assert_int_equal(tasker_step_result(s, "linear_step_2", &results, &error), 0);
    assert_string_equal(tasker_text_data(results), "1.10");
    tasker_text_free(results);
    assert_int_equal(tasker_step_result(s, "linear_step_4", &results, &error), TASKER_E_STATE);
    assert_int_equal(tasker_step_result(s, "nobody", &results, &error), TASKER_E_NOT_FOUND);
    complete(s, "null");
    assert_string_equal(work(w, id), "complete");
    show(id);
    assert_pick("context", stored(big, value));
    assert_pick("steps.0.results", stored(big, value));
    assert_pick("steps.1.results", "1.10");
    assert_pick("steps.2.results", "null");
}

static void a_step_knows_where_it_belongs(void **state)
{
    (void)state;
    char key[256];

    register_one("one", "    handler_config: {url: \"http://x\", n: 1.10}\n    timeout_seconds: 7\n"
                        "    default_retry_limit: 5\n");
    tasker_worker *w = open_worker("Work", 1);
    int64_t id = submit("{\"name\":\"one\"}");
    tasker_step *s = take(w);
    assert_int_equal(tasker_step_task_id(s), id);
    assert_true(tasker_step_id(s) > 0);
    assert_string_equal(tasker_step_name(s), "only");
    assert_string_equal(tasker_step_handler_class(s), "Work");
    assert_string_equal(tasker_step_namespace(s), "default");
    assert_string_equal(tasker_step_task_name(s), "one");
    assert_string_equal(tasker_step_version(s), "0.1.0");
    assert_string_equal(tasker_step_directory(s), "");
    assert_int_equal(tasker_step_attempt(s), 1);
    assert_int_equal(tasker_step_retry_limit(s), 5);
    assert_int_equal(tasker_step_timeout_ms(s), 7000);
    assert_true(pick_is(tasker_step_config(s, NULL), "n", "1.10"));
    assert_int_equal(tasker_step_cancel_requested(s), 0);
    const char *slash = strchr(tasker_step_idempotency_key(s), '/');
    assert_int_equal(slash - tasker_step_idempotency_key(s), 36);
    snprintf(key, sizeof(key), "/%lld/only", (long long)id);
    assert_string_equal(slash, key);
    complete(s, "{}");
}

static void results_that_are_no_json_leave_the_step_to_be_answered_again(void **state)
{
    (void)state;
    register_one("one", "");
    tasker_worker *w = open_worker("Work", 1);
    int64_t id = submit("{\"name\":\"one\"}");
    tasker_step *s = take(w);
    assert_int_equal(tasker_step_complete(s, "{", 1, NULL, 0, &error), TASKER_E_INVALID);
    assert_int_equal(tasker_step_complete(s, "\"\\u0000\"", 8, NULL, 0, &error), TASKER_E_INVALID);
    assert_int_equal(tasker_step_heartbeat(s, "{", 1, &error), TASKER_E_INVALID);
    assert_int_equal(tasker_step_heartbeat(s, "{\"done\":1}", 10, &error), 0);
    assert_int_equal(tasker_step_complete(s, NULL, 0, NULL, 0, &error), 0);
    assert_string_equal(wait_state(id), "complete");
    show(id);
    assert_pick("steps.0.results", "null");
}

static void what_a_handler_wrote_is_kept_with_its_attempt(void **state)
{
    (void)state;
    static char log[20000];

    register_one("one", at_once);
    tasker_worker *w = open_worker("Work", 1);
    int64_t id = submit("{\"name\":\"one\"}");
    fail_step(take(w), &(tasker_failure){.message = "no", .log = "first", .log_size = 5});
    memset(log, 'x', sizeof(log));
    memcpy(log + sizeof(log) - 4, "last", 4);
    assert_int_equal(tasker_step_complete(take(w), "1", 1, log, sizeof(log), &error), 0);
    assert_string_equal(wait_state(id), "complete");
    assert_int_equal(call("step.log", "{\"task_id\":%lld,\"step\":\"only\"}", (long long)id), 0);
    assert_int_equal(pick_count(answer, "attempts"), 2);
    assert_pick("attempts.0.text", "first");
    assert_pick("attempts.0.outcome", "error");
    assert_int_equal(strlen(picked("attempts.1.text")), 16384);
    assert_string_equal(picked("attempts.1.text") + 16380, "last");
}

// ---- failures

static void a_failed_step_is_tried_again_until_its_limit(void **state)
{
    (void)state;
    char key[256];

    register_one("one", "    retry_backoff: immediate\n    default_retry_limit: 3\n");
    tasker_worker *w = open_worker("Work", 1);
    int64_t id = submit("{\"name\":\"one\"}");
    for (int attempt = 1; attempt <= 3; attempt++) {
        tasker_step *s = take(w);
        assert_int_equal(tasker_step_attempt(s), attempt);
        if (attempt == 1)
            snprintf(key, sizeof(key), "%s", tasker_step_idempotency_key(s));
        assert_string_equal(tasker_step_idempotency_key(s), key);
        fail_step(s, &(tasker_failure){.message = "service is away",
                                       .error_class = "Away",
                                       .backtrace = "x.c:1"});
    }
    assert_string_equal(wait_state(id), "error");
    take_nothing(w);
    show(id);
    assert_pick("error", "blocked by failed step only");
    assert_pick("steps.0.state", "error");
    assert_pick("steps.0.attempts", "3");
    assert_pick("steps.0.results", "null");
    assert_pick("steps.0.error.message", "service is away");
    assert_pick("steps.0.error.class", "Away");
    assert_int_equal(pick_count(answer, "steps.0.transitions"), 8);
    assert_int_equal(call("task.explain", "{\"task_id\":%lld}", (long long)id), 0);
    assert_pick("code", "failed");
    assert_pick("steps.0.code", "failed");
}

static void a_step_that_succeeds_later_completes_its_task(void **state)
{
    (void)state;
    register_shape(SHAPE_DIAMOND, at_once);
    tasker_worker *w = open_worker("Work", 4);
    int64_t id = submit("{\"name\":\"diamond\"}");
    fail_step(take(w), &(tasker_failure){.message = "not yet"});
    assert_string_equal(work(w, id), "complete");
    show(id);
    assert_pick("steps.0.attempts", "2");
    assert_pick("steps.0.error", "null");
    assert_pick("steps.3.attempts", "1");
}

static void a_permanent_failure_is_not_tried_again(void **state)
{
    (void)state;
    static const tasker_failure permanent[] = {
        {.message = "no such customer", .permanent = 1},
        {.message = "no such customer", .category = "permanent"},
        {.message = "no such customer", .category = "configuration"},
    };
    tasker_worker *w = open_worker("Work", 4);

    register_shape(SHAPE_LINEAR, at_once);
    for (size_t i = 0; i < ARRAY_SIZE(permanent); i++) {
        int64_t id = submit("{\"name\":\"linear\"}");
        fail_step(take(w), &permanent[i]);
        assert_string_equal(wait_state(id), "error");
        show(id);
        assert_pick("steps.0.attempts", "1");
        assert_pick("steps.0.error.retryable", "false");
        assert_pick("steps.1.state", "pending");
    }
    take_nothing(w);
}

static void a_step_that_is_not_retryable_fails_at_once(void **state)
{
    (void)state;
    register_one("one", "    default_retryable: false\n");
    tasker_worker *w = open_worker("Work", 1);
    int64_t id = submit("{\"name\":\"one\"}");
    fail_step(take(w), &(tasker_failure){.message = "no"});
    assert_string_equal(wait_state(id), "error");
}

static void a_branch_that_failed_does_not_stop_the_other(void **state)
{
    (void)state;
    register_shape(SHAPE_TREE, "    default_retry_limit: 1\n");
    tasker_worker *w = open_worker("Work", 8);
    int64_t id = submit("{\"name\":\"tree\"}");
    complete(take(w), "{}");
    tasker_step *a = take(w), *b = take(w);
    tasker_step *left = strcmp(tasker_step_name(a), "tree_branch_left") == 0 ? a : b;
    fail_step(left, &(tasker_failure){.message = "no"});
    complete(left == a ? b : a, "{}");
    complete(take(w), "{}");
    complete(take(w), "{}");
    assert_string_equal(wait_state(id), "error");
    show(id);
    assert_pick(step_path("tree_leaf_d", "state"), "pending");
    assert_pick(step_path("tree_leaf_f", "state"), "complete");
    assert_pick(step_path("tree_leaf_g", "state"), "complete");
}

static void retry_after_decides_when_it_is_tried_again(void **state)
{
    (void)state;
    register_one("one", at_once);
    tasker_worker *w = open_worker("Work", 1);
    int64_t id = submit("{\"name\":\"one\"}");
    fail_step(take(w), &(tasker_failure){
                           .message = "slow down", .category = "rate_limit", .retry_after = "120"});
    while (call("task.explain", "{\"task_id\":%lld}", (long long)id) == 0 &&
           !pick_is(answer, "steps.0.code", "in_backoff"))
        continue;
    assert_true(atoi(picked("steps.0.in_seconds")) > 100);
    assert_true(atoi(picked("steps.0.in_seconds")) <= 120);
    take_nothing(w);
    // An operator need not wait.
    assert_int_equal(call("step.retry", "{\"task_id\":%lld,\"step\":\"only\"}", (long long)id), 0);
    assert_string_equal(work(w, id), "complete");
}

static void a_step_that_takes_too_long_is_stopped_and_its_answer_refused(void **state)
{
    (void)state;
    int64_t token = 0;

    register_one("one", "    timeout_seconds: 0.05\n    default_retry_limit: 1\n");
    tasker_worker *w = open_worker("Work", 1);
    int64_t id = submit("{\"name\":\"one\"}");
    tasker_step *s = take(w);
    assert_string_equal(wait_state(id), "error");
    while (!tasker_step_cancel_requested(s))
        continue;
    assert_int_equal(tasker_step_heartbeat(s, NULL, 0, &error), 1);
    assert_int_equal(tasker_worker_cancelled(w, &token), 1);
    assert_int_equal(token, tasker_step_token(s));
    assert_int_equal(tasker_worker_cancelled(w, &token), 0);
    assert_int_equal(tasker_step_complete(s, "1", 1, NULL, 0, &error), TASKER_E_STALE);
    show(id);
    assert_pick("steps.0.state", "error");
    assert_pick("steps.0.error.category", "timeout");
}

static void a_task_that_takes_too_long_ends_in_error(void **state)
{
    (void)state;
    register_one("one", "");
    tasker_worker *w = open_worker("Work", 1);
    int64_t id = submit("{\"name\":\"one\",\"timeout_seconds\":1}");
    tasker_step *s = take(w);
    assert_string_equal(wait_state(id), "error");
    assert_int_equal(tasker_step_complete(s, "1", 1, NULL, 0, &error), TASKER_E_STALE);
    show(id);
    assert_non_null(strstr(picked("error"), "time"));
}

static void a_released_step_uses_up_no_attempt(void **state)
{
    (void)state;
    register_one("one", "");
    tasker_worker *w = open_worker("Work", 1);
    int64_t id = submit("{\"name\":\"one\"}");
    tasker_step *s = take(w);
    int64_t first = tasker_step_token(s);
    assert_int_equal(tasker_step_release(s, &error), 0);
    s = take(w);
    assert_int_equal(tasker_step_attempt(s), 1);
    assert_true(tasker_step_token(s) != first);
    complete(s, "{}");
    assert_string_equal(wait_state(id), "complete");
    show(id);
    assert_pick("steps.0.attempts", "1");
}

// ---- operators

static void a_cancelled_task_stops_its_handlers_and_refuses_their_answers(void **state)
{
    (void)state;
    register_shape(SHAPE_LINEAR, "");
    tasker_worker *w = open_worker("Work", 2);
    int64_t id = submit("{\"name\":\"linear\"}");
    tasker_step *s = take(w);
    assert_int_equal(call("task.cancel",
                          "{\"task_id\":%lld,\"reason\":\"not wanted\",\"by\":\"me\"}",
                          (long long)id),
                     0);
    assert_pick("state", "cancelled");
    while (!tasker_step_cancel_requested(s))
        continue;
    assert_int_equal(tasker_step_complete(s, "1", 1, "too late", 8, &error), TASKER_E_STALE);
    do // the refusal is recorded with what the handler wrote
        assert_int_equal(call("step.log", "{\"task_id\":%lld,\"step\":\"%s\"}", (long long)id,
                              shapes[SHAPE_LINEAR].steps[0].name),
                         0);
    while (!pick_is(answer, "attempts.0.outcome", "refused"));
    assert_pick("attempts.0.text", "too late");
    assert_string_equal(wait_state(id), "cancelled");
    show(id);
    for (int i = 0; i < 4; i++)
        assert_pick(step_path(shapes[SHAPE_LINEAR].steps[i].name, "state"), "cancelled");
    assert_pick("transitions.1.metadata.reason", "not wanted");
    assert_pick("transitions.1.metadata.by", "me");
    assert_int_equal(call("task.cancel", "{\"task_id\":%lld}", (long long)id), TASKER_E_STATE);
    take_nothing(w);
}

static void a_cancelled_step_blocks_its_descendants_and_ends_the_task(void **state)
{
    (void)state;
    register_shape(SHAPE_DIAMOND, "");
    tasker_worker *w = open_worker("Work", 4);
    int64_t id = submit("{\"name\":\"diamond\"}");
    complete(take(w), "{}");
    tasker_step *a = take(w), *b = take(w);
    assert_int_equal(call("step.cancel", "{\"task_id\":%lld,\"step\":\"%s\"}", (long long)id,
                          tasker_step_name(a)),
                     0);
    assert_pick("step_state", "cancelled");
    assert_int_equal(tasker_step_complete(a, "1", 1, NULL, 0, &error), TASKER_E_STALE);
    complete(b, "{}");
    assert_string_equal(wait_state(id), "error");
    assert_int_equal(call("task.explain", "{\"task_id\":%lld}", (long long)id), 0);
    assert_pick("steps.3.code", "blocked_by");
}

static void an_operator_retries_a_failed_step_and_the_task_goes_on(void **state)
{
    (void)state;
    register_shape(SHAPE_LINEAR, "    default_retry_limit: 1\n");
    tasker_worker *w = open_worker("Work", 1);
    int64_t id = submit("{\"name\":\"linear\"}");
    fail_step(take(w), &(tasker_failure){.message = "no"});
    assert_string_equal(wait_state(id), "error");
    assert_int_equal(call("step.retry",
                          "{\"task_id\":%lld,\"step\":\"linear_step_1\",\"by\":\"me\"}",
                          (long long)id),
                     0);
    assert_string_equal(work(w, id), "complete");
    assert_int_equal(
        call("step.retry", "{\"task_id\":%lld,\"step\":\"linear_step_1\"}", (long long)id),
        TASKER_E_STATE);
    assert_int_equal(call("step.retry", "{\"task_id\":%lld,\"step\":\"x\"}", (long long)id),
                     TASKER_E_NOT_FOUND);
    assert_int_equal(call("step.retry", "{\"task_id\":999,\"step\":\"x\"}"), TASKER_E_NOT_FOUND);
}

static void an_operator_retries_a_task_with_all_its_failed_steps(void **state)
{
    (void)state;
    register_shape(SHAPE_PARALLEL, "    default_retry_limit: 1\n");
    tasker_worker *w = open_worker("Work", 4);
    int64_t id = submit("{\"name\":\"parallel\"}");
    tasker_step *s[3] = {take(w), take(w), take(w)};
    fail_step(s[0], &(tasker_failure){.message = "no"});
    fail_step(s[1], &(tasker_failure){.message = "no"});
    complete(s[2], "{}");
    assert_string_equal(wait_state(id), "error");
    assert_int_equal(call("task.retry", "{\"task_id\":%lld}", (long long)id), 0);
    assert_string_equal(work(w, id), "complete");
}

static void an_operator_settles_a_step_by_hand_and_its_children_get_the_results(void **state)
{
    (void)state;
    const char *name, *results;

    register_shape(SHAPE_LINEAR, "    default_retry_limit: 1\n");
    tasker_worker *w = open_worker("Work", 1);
    int64_t id = submit("{\"name\":\"linear\"}");
    fail_step(take(w), &(tasker_failure){.message = "no"});
    assert_string_equal(wait_state(id), "error");
    assert_int_equal(call("step.resolve",
                          "{\"task_id\":%lld,\"step\":\"linear_step_1\",\"results\":{\"by\":"
                          "\"hand\",\"n\":1.10}}",
                          (long long)id),
                     0);
    assert_pick("step_state", "resolved_manually");
    tasker_step *s = take(w);
    assert_string_equal(tasker_step_name(s), "linear_step_2");
    assert_int_equal(tasker_step_parent(s, 0, &name, &results, NULL), 1);
    assert_true(came_back(results, "{\"by\":\"hand\",\"n\":1.10}", "{\"n\": 1.10, \"by\": \"hand\"}"));
    complete(s, "{}");
    assert_string_equal(work(w, id), "complete");
}

static void an_operator_closes_a_failed_task_by_hand(void **state)
{
    (void)state;
    register_one("one", "    default_retry_limit: 1\n");
    tasker_worker *w = open_worker("Work", 1);
    int64_t id = submit("{\"name\":\"one\"}");
    fail_step(take(w), &(tasker_failure){.message = "no"});
    assert_string_equal(wait_state(id), "error");
    assert_int_equal(
        call("task.resolve", "{\"task_id\":%lld,\"reason\":\"done by phone\"}", (long long)id), 0);
    assert_string_equal(wait_state(id), "resolved_manually");
    assert_int_equal(call("task.resolve", "{\"task_id\":%lld}", (long long)id), TASKER_E_STATE);
}

// ---- when and how many

static void tasks_of_the_future_wait(void **state)
{
    (void)state;
    register_one("one", "");
    tasker_worker *w = open_worker("Work", 2);
    int64_t later = submit("{\"name\":\"one\",\"run_at\":\"2100-01-01T00:00:00Z\"}");
    int64_t now = submit("{\"name\":\"one\",\"run_at\":\"2020-01-01T00:00:00Z\"}");
    assert_string_equal(work(w, now), "complete");
    take_nothing(w);
    assert_int_equal(call("task.explain", "{\"task_id\":%lld}", (long long)later), 0);
    assert_pick("code", "scheduled");
    assert_pick("until", "2100-01-01T00:00:00.000000Z");
    assert_int_equal(call("task.cancel", "{\"task_id\":%lld}", (long long)later), 0);
}

static void urgent_tasks_come_first(void **state)
{
    static const char *const priorities[] = {"low", "normal", "critical", "high"};
    int64_t ids[4];
    static const int order[] = {2, 3, 1, 0};

    gone(state);
    server_lanes = 1; // each of two has an order of its own
    assert_int_equal(fresh(state), 0);
    server_lanes = 2;
    assert_int_equal(tasker_start(t, 1, &error), 0);
    register_one("one", "");
    tasker_worker *w = open_worker("Work", 1);
    submit("{\"name\":\"one\"}");
    tasker_step *first = take(w);
    for (int i = 0; i < 4; i++)
        ids[i] = submit("{\"name\":\"one\",\"priority\":\"%s\"}", priorities[i]);
    complete(first, "{}");
    for (int i = 0; i < 4; i++) {
        tasker_step *s = take(w);
        assert_int_equal(tasker_step_task_id(s), ids[order[i]]);
        complete(s, "{}");
    }
}

static void reopen(const char *with)
{
    tasker_close(t);
    options = with;
    assert_int_equal(started(NULL), 0);
    options = NULL;
}

// With room in the worker, a limit decides how many steps are out.
static void limit_holds(const char *with, const char *extra, int want)
{
    tasker_step *out[8];

    reopen(with);
    register_yaml("name: parallel\ntask_handler_class: P\nstep_templates:\n"
                  "  - {name: a, dependent_system: s, handler_class: Work}\n"
                  "  - {name: b, dependent_system: s, handler_class: Work}\n"
                  "  - {name: c, dependent_system: s, handler_class: Work}\n");
    tasker_worker *w = open_worker("Work", 8);
    int64_t ids[2] = {submit("{\"name\":\"parallel\"}"),
                      submit("{\"name\":\"parallel\"%s}", extra)};
    for (int i = 0; i < want; i++)
        out[i] = take(w);
    take_nothing(w);
    for (int i = 0; i < want; i++)
        complete(out[i], "{}");
    assert_string_equal(work(w, ids[0]), "complete");
    assert_string_equal(work(w, ids[1]), "complete");
}

static void limits_hold(void **state)
{
    (void)state;
    limit_holds("{\"max_concurrent_steps\":2}", "", 2);
    limit_holds("{\"class_limits\":{\"Work\":3}}", "", 3);
    limit_holds("{\"template_limits\":{\"default/parallel\":1}}", "", 1);
    limit_holds("{\"class_limits\":{\"Other\":1}}", "", 6);
}

// However many tasks wait for a handler that nobody has, the others run.
static void tasks_that_nobody_serves_keep_no_others_out(void **state)
{
    (void)state;
    reopen("{\"max_active_tasks\":2}");
    register_one("one", "");
    register_yaml("name: foreign\ntask_handler_class: F\nstep_templates:\n"
                  "  - {name: a, dependent_system: s, handler_class: Nobodys}\n");
    for (int i = 0; i < 5; i++)
        submit("{\"name\":\"foreign\"}");
    int64_t id = submit("{\"name\":\"one\"}");
    assert_string_equal(work(open_worker("Work", 1), id), "complete");
}

static void a_worker_gets_no_more_than_it_asked_for(void **state)
{
    (void)state;
    register_shape(SHAPE_PARALLEL, "");
    tasker_worker *w = open_worker("Work", 2);
    int64_t id = submit("{\"name\":\"parallel\"}");
    tasker_step *a = take(w), *b = take(w);
    take_nothing(w);
    complete(a, "{}");
    complete(b, "{}");
    assert_string_equal(work(w, id), "complete");
}

static void a_step_nobody_serves_waits_visibly(void **state)
{
    (void)state;
    register_one("one", "");
    int64_t id = submit("{\"name\":\"one\"}");
    tasker_worker *other = open_worker("Other", 1);
    do
        assert_int_equal(call("task.explain", "{\"task_id\":%lld}", (long long)id), 0);
    while (!pick_is(answer, "steps.0.code", "no_worker"));
    assert_pick("steps.0.explanation", "no worker serves Work");
    take_nothing(other);
    assert_string_equal(work(open_worker("Work", 1), id), "complete");
}

// Its steps were offered to other processes when nobody here served them.
static void a_worker_that_comes_later_gets_what_waits(void **state)
{
    (void)state;
    register_shape(SHAPE_MIXED, "");
    int64_t id = submit("{\"name\":\"mixed\"}");
    do
        assert_int_equal(call("task.explain", "{\"task_id\":%lld}", (long long)id), 0);
    while (!pick_is(answer, "steps.0.code", "no_worker"));
    tasker_worker *w = open_worker("Work", 4);
    assert_string_equal(work(w, id), "complete");
    show(id);
    for (size_t i = 0; i < shapes[SHAPE_MIXED].step_count; i++)
        assert_pick(step_path(shapes[SHAPE_MIXED].steps[i].name, "attempts"), "1");
    assert_int_equal(call("health.status", "{}"), 0);
    assert_pick("database.offers.open", "0");
    assert_pick("database.offers.running", "0");
}

static void a_late_worker_hears_of_a_cancellation(void **state)
{
    (void)state;
    register_one("one", "");
    int64_t id = submit("{\"name\":\"one\"}");
    do
        assert_int_equal(call("task.explain", "{\"task_id\":%lld}", (long long)id), 0);
    while (!pick_is(answer, "steps.0.code", "no_worker"));
    tasker_step *s = take(open_worker("Work", 1));
    assert_int_equal(call("task.cancel", "{\"task_id\":%lld}", (long long)id), 0);
    while (!tasker_step_cancel_requested(s))
        continue;
    assert_int_equal(tasker_step_complete(s, "1", 1, NULL, 0, &error), TASKER_E_STALE);
    assert_string_equal(wait_state(id), "cancelled");
    show(id);
    assert_pick("steps.0.state", "cancelled");
    assert_pick("steps.0.results", "null");
}

#define S(name) cmocka_unit_test_setup_teardown(name, started, gone)

int main(void)
{
    const struct CMUnitTest tests[] = {
        S(a_chain_runs_step_by_step),
        S(a_diamond_joins_both_branches),
        S(a_merge_waits_for_all_roots),
        S(a_tree_branches_out),
        S(a_mixed_graph_keeps_every_edge),
        S(independent_steps_are_handed_out_together),
        S(a_task_without_steps_is_complete_at_once),
        S(many_tasks_run_to_their_ends),
        S(every_digit_goes_through_context_results_and_parents),
        S(a_step_knows_where_it_belongs),
        S(results_that_are_no_json_leave_the_step_to_be_answered_again),
        S(what_a_handler_wrote_is_kept_with_its_attempt),
        S(a_failed_step_is_tried_again_until_its_limit),
        S(a_step_that_succeeds_later_completes_its_task),
        S(a_permanent_failure_is_not_tried_again),
        S(a_step_that_is_not_retryable_fails_at_once),
        S(a_branch_that_failed_does_not_stop_the_other),
        S(retry_after_decides_when_it_is_tried_again),
        S(a_step_that_takes_too_long_is_stopped_and_its_answer_refused),
        S(a_task_that_takes_too_long_ends_in_error),
        S(a_released_step_uses_up_no_attempt),
        S(a_cancelled_task_stops_its_handlers_and_refuses_their_answers),
        S(a_cancelled_step_blocks_its_descendants_and_ends_the_task),
        S(an_operator_retries_a_failed_step_and_the_task_goes_on),
        S(an_operator_retries_a_task_with_all_its_failed_steps),
        S(an_operator_settles_a_step_by_hand_and_its_children_get_the_results),
        S(an_operator_closes_a_failed_task_by_hand),
        S(tasks_of_the_future_wait),
        S(urgent_tasks_come_first),
        S(limits_hold),
        S(tasks_that_nobody_serves_keep_no_others_out),
        S(a_worker_gets_no_more_than_it_asked_for),
        S(a_step_nobody_serves_waits_visibly),
        S(a_worker_that_comes_later_gets_what_waits),
        S(a_late_worker_hears_of_a_cancellation),
    };
    return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}
