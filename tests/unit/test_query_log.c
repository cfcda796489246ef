// SPDX-License-Identifier: MIT
// test_query_log.c - the durable log of a SQLite store: it loses nothing, repeats nothing and keeps
// the order of each task, however it is cut into pages.
#include "common/query_rows.h"

// The names of all events, read `limit` at a time from cursor to cursor, each with the id of its
// task.
static void read_log(int limit, char *out, size_t size)
{
    char cursor[64] = "0.0", arguments[128];
    bool more = true;

    out[0] = '\0';
    for (int i = 0; more && i < 100; i++) {
        snprintf(arguments, sizeof(arguments), "{\"after\":\"%s\",\"limit\":%d}", cursor, limit);
        assert_int_equal(ask_store("log", arguments), 0);
        int n = pick_count(answer, "events");
        for (int k = 0; k < n; k++) {
            char path[32];
            size_t len = strlen(out);
            snprintf(path, sizeof(path), "events.%d.event", k);
            const char *name = pick(answer, path);
            snprintf(path, sizeof(path), "events.%d.task_id", k);
            snprintf(out + len, size - len, "%s%s:%s", len > 0 ? " " : "", pick(answer, path),
                     name);
        }
        snprintf(cursor, sizeof(cursor), "%s", pick(answer, "cursor"));
        more = pick_is(answer, "more", "true");
    }
    assert_int_equal(ask_store("log.end", "{}"), 0);
    assert_pick("cursor", cursor);
}

static void assert_log(const char *want)
{
    for (int limit = 1; limit <= 12; limit++) {
        char events[4096];
        read_log(limit, events, sizeof(events));
        assert_string_equal(events, want);
    }
}

static void the_log_tells_each_event_once_in_order_however_it_is_cut(void **state)
{
    (void)state;
    put_task(1, 1);
    put_task(2, 1);
    put_step(1, 1, 1, 0);
    put_step(2, 2, 1, 0);
    // One turn starts both tasks and their steps; one ends them. All rows of a turn have one time.
    task_row(1, "pending", "in_progress", NOW, "{}");
    task_row(2, "pending", "in_progress", NOW, "{}");
    step_row(1, "pending", "in_progress", NOW, "{\"attempt\":1}");
    step_row(2, "pending", "in_progress", NOW, "{\"attempt\":1}");
    step_row(1, "in_progress", "complete", NOW + 5, "{\"attempt\":1}");
    step_row(
        2, "in_progress", "error", NOW + 5,
        "{\"attempt\":1,\"message\":\"m\",\"category\":\"network\",\"retry_at\":1800000000000001}");
    task_row(1, "in_progress", "complete", NOW + 5, "{}");
    task_row(2, "in_progress", "error", NOW + 5, "{\"reason\":\"r\"}");
    assert_log("1:task.start_requested 2:task.start_requested 1:step.execution_requested "
               "2:step.execution_requested "
               "1:step.completed 2:step.failed 1:task.completed 2:task.failed");
    assert_int_equal(ask_store("log", "{}"), 0);
    assert_pick("events.5.error_message", "m");
    assert_pick("events.5.error_category", "network");
    assert_pick("events.5.retry_at", "2027-01-15T08:00:00.000001Z");
    assert_pick("events.5.attempt", "1");
    assert_pick("events.5.step_name", "a");
    assert_pick("events.5.step_id", "2");
    assert_pick("events.5.from_state", "in_progress");
    assert_pick("events.7.reason", "r");
    assert_pick("events.7.cursor", "4.4");
}

// The clock of the process that wrote task 2's rows is late: its commit came later, its times are
// earlier.
static void the_end_of_a_task_follows_its_steps_although_clocks_differ(void **state)
{
    (void)state;
    put_task(1, 1);
    put_task(2, 1);
    put_step(1, 1, 1, 0);
    put_step(2, 2, 1, 0);
    task_row(1, "pending", "in_progress", NOW, "{}");
    task_row(2, "pending", "in_progress", NOW, "{}");
    step_row(1, "pending", "in_progress", NOW + 9, "{}");
    step_row(1, "in_progress", "complete", NOW + 20, "{}");
    step_row(2, "pending", "in_progress", NOW + 1, "{}");
    step_row(2, "in_progress", "complete", NOW + 10, "{}");
    task_row(2, "in_progress", "complete", NOW + 10, "{}");
    task_row(1, "in_progress", "complete", NOW + 20, "{}");
    assert_log(
        "1:task.start_requested 2:task.start_requested 1:step.execution_requested 1:step.completed "
        "2:step.execution_requested 2:step.completed 2:task.completed 1:task.completed");
}

static void a_retried_task_is_told_again(void **state)
{
    (void)state;
    put_task(1, 1);
    put_step(1, 1, 1, 0);
    task_row(1, "pending", "in_progress", NOW, "{}");
    step_row(1, "pending", "in_progress", NOW, "{}");
    step_row(1, "in_progress", "error", NOW + 1, "{}");
    task_row(1, "in_progress", "error", NOW + 1, "{}");
    step_row(1, "error", "pending", NOW + 2, "{}");
    task_row(1, "error", "pending", NOW + 2, "{\"by\":\"op\"}");
    task_row(1, "pending", "in_progress", NOW + 2, "{}");
    step_row(1, "pending", "in_progress", NOW + 3, "{}");
    step_row(1, "in_progress", "cancelled", NOW + 4, "{}");
    task_row(1, "in_progress", "cancelled", NOW + 4, "{}");
    assert_log("1:task.start_requested 1:step.execution_requested 1:step.failed 1:task.failed "
               "1:step.retry_requested "
               "1:task.retry_requested 1:task.start_requested 1:step.execution_requested "
               "1:step.cancelled 1:task.cancelled");
}

static void what_is_no_cursor_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",
                                        "1",
                                        "1.",
                                        ".1",
                                        "1.2.3",
                                        "-1.0",
                                        "1.x",
                                        "99999999999999999999.0",
                                        "a very long text that is certainly not a cursor at all"};

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        char arguments[128];
        snprintf(arguments, sizeof(arguments), "{\"after\":\"%s\"}", wrong[i]);
        assert_int_equal(ask_store("log", arguments), TASKER_E_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        Q(the_log_tells_each_event_once_in_order_however_it_is_cut),
        Q(the_end_of_a_task_follows_its_steps_although_clocks_differ),
        Q(a_retried_task_is_told_again),
        Q(what_is_no_cursor_is_refused),
    };
    return cmocka_run_group_tests_name("query_log", tests, NULL, NULL);
}
