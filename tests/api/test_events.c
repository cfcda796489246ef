// SPDX-License-Identifier: MIT
// test_events.c - subscriptions: what happens in this process, and the durable log, read from its
// beginning, from now, and from a cursor.
#include "fixture.h"

static tasker_events *events;
static tasker_worker *w;

static int prepared(void **state)
{
    int rc = fresh(state);

    if (rc == 0)
        rc = tasker_start(t, 1, &error);
    if (rc == 0) {
        register_shape(SHAPE_LINEAR, "    retry_backoff: immediate\n");
        w = open_worker("Work", 1);
    }
    return rc;
}

static int finished(void **state)
{
    tasker_events_close(events);
    events = NULL;
    return gone(state);
}

static void subscribe(const char *patterns, const char *from)
{
    tasker_events_close(events);
    events = NULL;
    if (tasker_events_open(t, patterns, from, &events, &error) < 0)
        fail_msg("%s", error.message);
}

// The next event, in `answer`; its name.
static const char *next(void)
{
    tasker_text *text = NULL;

    if (tasker_events_next(events, 20000, &text, &error) != 1)
        fail_msg("no event came: %s", error.message);
    free(answer);
    answer = strdup(tasker_text_data(text));
    tasker_text_free(text);
    return picked("event");
}

static void nothing_next(void)
{
    tasker_text *text = NULL;

    assert_int_equal(tasker_events_next(events, 0, &text, &error), 0);
}

static int64_t run_one(void)
{
    int64_t id = submit("{\"name\":\"linear\"}");

    assert_string_equal(work(w, id), "complete");
    return id;
}

static void the_log_tells_a_task_from_start_to_end(void **state)
{
    (void)state;
    char id[32];

    snprintf(id, sizeof(id), "%lld", (long long)run_one());
    subscribe(NULL, "start");
    assert_string_equal(next(), "task.start_requested");
    assert_pick("task_id", id);
    assert_pick("task_name", "linear");
    assert_pick("namespace", "default");
    assert_pick("to_state", "in_progress");
    for (int i = 1; i <= 4; i++) {
        char name[32];
        snprintf(name, sizeof(name), "linear_step_%d", i);
        assert_string_equal(next(), "step.execution_requested");
        assert_pick("step_name", name);
        assert_pick("attempt", "1");
        assert_string_equal(next(), "step.completed");
        assert_pick("step_name", name);
    }
    assert_string_equal(next(), "task.completed");
    assert_pick("from_state", "in_progress");
    nothing_next();
}

static void the_log_goes_on_behind_a_cursor(void **state)
{
    (void)state;
    char cursor[64];

    run_one();
    subscribe(NULL, "start");
    for (int i = 0; i < 5; i++)
        next();
    snprintf(cursor, sizeof(cursor), "%s", picked("cursor"));
    char after[64];
    next();
    snprintf(after, sizeof(after), "%s", picked("cursor"));
    subscribe(NULL, cursor);
    next();
    assert_pick("cursor", after);
}

static void the_log_from_now_tells_only_what_comes(void **state)
{
    (void)state;
    char id[32];

    run_one();
    subscribe(NULL, "now");
    nothing_next();
    snprintf(id, sizeof(id), "%lld", (long long)run_one());
    assert_string_equal(next(), "task.start_requested");
    assert_pick("task_id", id);
}

static void patterns_choose_events(void **state)
{
    (void)state;
    run_one();
    subscribe("task.*", "start");
    assert_string_equal(next(), "task.start_requested");
    assert_string_equal(next(), "task.completed");
    nothing_next();
    subscribe("*.completed", "start");
    for (int i = 0; i < 4; i++)
        assert_string_equal(next(), "step.completed");
    assert_string_equal(next(), "task.completed");
    nothing_next();
    subscribe("step.failed, task.failed", "start");
    nothing_next();
}

static void failures_and_retries_are_told_with_their_reasons(void **state)
{
    (void)state;
    int64_t id = submit("{\"name\":\"linear\"}");

    fail_step(take(w), &(tasker_failure){.message = "away", .code = "E1", .category = "network"});
    assert_string_equal(work(w, id), "complete");
    subscribe("step.failed,step.retry_requested", "start");
    assert_string_equal(next(), "step.failed");
    assert_pick("error_message", "away");
    assert_pick("error_code", "E1");
    assert_pick("error_category", "network");
    assert_non_null(strstr(picked("retry_at"), "Z"));
    assert_string_equal(next(), "step.retry_requested");
    assert_pick("from_state", "error");
    nothing_next();
}

static void live_events_tell_what_happens_here(void **state)
{
    (void)state;
    subscribe("step.progress,step.completed,task.completed", NULL);
    int64_t id = submit("{\"name\":\"linear\"}");
    tasker_step *s = take(w);
    assert_int_equal(tasker_step_heartbeat(s, "{\"percent\":50}", 14, &error), 0);
    assert_string_equal(next(), "step.progress");
    assert_non_null(strstr(answer, "\"percent\":50"));
    complete(s, "{}");
    assert_string_equal(work(w, id), "complete");
    for (int i = 0; i < 4; i++)
        assert_string_equal(next(), "step.completed");
    assert_string_equal(next(), "task.completed");
    nothing_next();
}

static void what_is_no_cursor_opens_nothing(void **state)
{
    (void)state;
    tasker_events *none = NULL;
    char longer[5000];

    memset(longer, '1', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    assert_int_equal(tasker_events_open(t, NULL, "yesterday", &none, &error), TASKER_E_INVALID);
    assert_int_equal(tasker_events_open(t, NULL, longer, &none, &error), TASKER_E_INVALID);
    assert_null(none);
    assert_int_equal(call("event.log", "{\"after\":\"x\"}"), TASKER_E_INVALID);
    assert_string_equal(error.where, "$.after");
}

static void the_operation_reads_the_log_in_pages(void **state)
{
    (void)state;
    char cursor[64] = "0.0";
    int total = 0, pages = 0;

    run_one();
    do {
        assert_int_equal(call("event.log", "{\"limit\":3,\"after\":\"%s\"}", cursor), 0);
        total += pick_count(answer, "events");
        pages++;
        snprintf(cursor, sizeof(cursor), "%s", picked("cursor"));
    } while (pick_is(answer, "more", "true"));
    assert_int_equal(total, 10);
    assert_int_equal(pages, 4);
    assert_int_equal(call("event.log", "{\"patterns\":\"task.*\",\"limit\":1}"), 0);
    assert_int_equal(pick_count(answer, "events"), 1);
    assert_pick("more", "true");
    snprintf(cursor, sizeof(cursor), "%s", picked("cursor"));
    assert_int_equal(call("event.log", "{\"patterns\":\"task.*\",\"after\":\"%s\"}", cursor), 0);
    assert_int_equal(pick_count(answer, "events"), 1);
    assert_pick("events.0.event", "task.completed");
    assert_pick("more", "false");
}

#define P(name) cmocka_unit_test_setup_teardown(name, prepared, finished)

int main(void)
{
    const struct CMUnitTest tests[] = {
        P(the_log_tells_a_task_from_start_to_end),
        P(the_log_goes_on_behind_a_cursor),
        P(the_log_from_now_tells_only_what_comes),
        P(patterns_choose_events),
        P(failures_and_retries_are_told_with_their_reasons),
        P(live_events_tell_what_happens_here),
        P(what_is_no_cursor_opens_nothing),
        P(the_operation_reads_the_log_in_pages),
    };
    return cmocka_run_group_tests_name("events", tests, NULL, NULL);
}
