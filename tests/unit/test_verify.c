// SPDX-License-Identifier: MIT
// test_verify.c - db.verify on both databases: histories of every kind are sound, and each rule finds the one row that
// breaks it. A rule that nothing here breaks fails the test.
//
// That what engines write is sound is asked elsewhere of real ones: after every test of a lane and every run of the
// simulator, and by the crash tests.
#include "common/both.h"

#define T(seconds) (BOTH_NOW - 1000 * US_PER_SECOND + (seconds) * US_PER_SECOND)
#define OURS "{\"engine\":\"e\"}"
#define RUN(n) "{\"attempt\":" n ",\"engine\":\"e\"}"
#define FAILED(n, more) "{\"attempt\":" n ",\"engine\":\"e\",\"category\":\"timeout\"" more "}"
#define BY_HAND "{\"engine\":\"e\",\"reason\":\"again\",\"by\":\"mia\"}"
#define LOST "{\"attempt\":1,\"engine\":\"e\",\"reason\":\"worker_lost\"}"
#define RAILS "{}"

struct row {
    const char *from, *to;
    int at; // T(at)
    const char *metadata;
};

static const char *time_or_null(bool there, int64_t us)
{
    static char text[40];

    if (!there)
        return "NULL";
    snprintf(text, sizeof(text), "'%s'", both_time(us));
    return text;
}

// A step with its transitions (the list ends with a to of NULL) and the columns that go with them.
static void step(int64_t id, int64_t task, int attempts, bool processed, const struct row *rows)
{
    both_step(id, task, (int)(id % 10), attempts);
    for (; rows != NULL && rows->to != NULL; rows++)
        both_step_row(id, rows->from, rows->to, T(rows->at), rows->metadata);
    both_sql("UPDATE tasker_workflow_steps SET processed = %s, processed_at = %s WHERE workflow_step_id = %lld",
             processed ? "true" : "false", time_or_null(processed, T(9)), (long long)id);
    both_sql("UPDATE tasker_workflow_steps SET last_attempted_at = %s WHERE workflow_step_id = %lld",
             time_or_null(attempts > 0, T(9)), (long long)id);
}

static void task(int64_t id, bool complete, const struct row *rows)
{
    both_task(id, 1, T(0));
    for (; rows != NULL && rows->to != NULL; rows++)
        both_task_row(id, rows->from, rows->to, T(rows->at), rows->metadata);
    if (complete)
        both_sql("UPDATE tasker_tasks SET complete = true WHERE task_id = %lld", (long long)id);
}

#define ROWS(...) ((const struct row[]){__VA_ARGS__, {NULL, NULL, 0, NULL}})
#define P "pending"
#define I "in_progress"
#define C "complete"
#define E "error"
#define START {P, I, 1, OURS}
#define ONCE ROWS({P, I, 2, RUN("1")}, {I, C, 3, RUN("1")})

static void edge(int id, int64_t from, int64_t to)
{
    both_sql("INSERT INTO tasker_workflow_step_edges(id, from_step_id, to_step_id, name, created_at, updated_at) VALUES"
             " (%d, %lld, %lld, 'provides', '%s', '%s')", id, (long long)from, (long long)to, both_time(T(0)), both_time(T(0)));
}

static void offer(int64_t token, int64_t task_id, int64_t step_id, bool cancelled)
{
    both_sql("INSERT INTO tasker_core_dispatch(token, task_id, workflow_step_id, attempt, handler_class, deadline_us, cancel)"
             " VALUES (%lld, %lld, %lld, 1, 'A', 0, %s)", (long long)token, (long long)task_id, (long long)step_id,
             cancelled ? "true" : "false");
}

static void tasks_of_ours(void)
{
    // 1: complete; its second step succeeded the second time.
    task(1, true, ROWS(START, {I, C, 9, OURS}));
    step(11, 1, 1, true, ONCE);
    step(12, 1, 2, true, ROWS({P, I, 4, RUN("1")}, {I, E, 5, FAILED("1", ",\"retry_at\":1")}, {E, P, 6, RUN("2")},
                              {P, I, 6, RUN("2")}, {I, C, 7, RUN("2")}));
    edge(1, 11, 12);
    // 2: under way; its second step has lost an attempt and is offered.
    task(2, false, ROWS(START));
    step(21, 2, 1, true, ONCE);
    step(22, 2, 0, false, ROWS({P, I, 4, RUN("1")}, {I, E, 5, LOST}, {E, P, 5, LOST}, {P, I, 6, RUN("1")}));
    edge(2, 21, 22);
    both_active(2, T(0));
    offer(1002, 2, 22, false);
    // 3: cancelled while its second step ran elsewhere, which has not been heard of there.
    task(3, false, ROWS(START, {I, "cancelled", 9, BY_HAND}));
    step(31, 3, 1, true, ONCE);
    step(32, 3, 0, false, ROWS({P, I, 4, RUN("1")}, {I, "cancelled", 9, BY_HAND}));
    edge(3, 31, 32);
    offer(1003, 3, 32, true);
    // 4: set aside; an operator's retry of it has just put it into the queue again.
    task(4, false, ROWS(START, {I, E, 9, "{\"engine\":\"e\",\"reason\":\"set aside after 6 crashes\"}"}));
    step(41, 4, 1, false, ROWS({P, I, 2, RUN("1")}, {I, E, 9, "{\"attempt\":1,\"engine\":\"e\",\"reason\":\"set aside\","
                                                              "\"category\":\"system\"}"}));
    step(42, 4, 0, false, NULL);
    both_active(4, T(20));
    // 5: failed, its step resolved by hand, which took it to its end; cancelled in the end.
    task(5, true, ROWS(START, {I, E, 5, "{\"engine\":\"e\",\"reason\":\"blocked\"}"}, {E, P, 7, BY_HAND}, {P, I, 7, OURS},
                       {I, C, 8, OURS}, {C, "cancelled", 9, BY_HAND}));
    step(51, 5, 1, true, ROWS({P, I, 2, RUN("1")}, {I, E, 3, FAILED("1", "")}, {E, "resolved_manually", 7, BY_HAND}));
    step(52, 5, 1, true, ROWS({P, I, 7, RUN("1")}, {I, C, 8, RUN("1")}));
    edge(5, 51, 52);
    // 6: not begun.
    task(6, false, NULL);
    step(61, 6, 0, false, NULL);
    step(62, 6, 0, false, NULL);
    edge(6, 61, 62);
    both_active(6, T(0));
    // 7: waits for a retry; its lane is there.
    task(7, false, ROWS(START));
    step(71, 7, 1, false, ROWS({P, I, 2, RUN("1")}, {I, E, 3, FAILED("1", ",\"retry_at\":1")}));
    step(72, 7, 0, false, NULL);
    edge(7, 71, 72);
    both_active(7, T(0));
    both_sql("UPDATE tasker_core_active SET lane_id = 5 WHERE task_id = 7");
    // 8: exhausted, given a fresh set of attempts by an operator, complete. 9: resolved as it was.
    task(8, true, ROWS(START, {I, E, 5, "{\"engine\":\"e\",\"reason\":\"x\"}"}, {E, P, 6, BY_HAND}, {P, I, 6, OURS}, {I, C, 9, OURS}));
    step(81, 8, 1, true, ROWS({P, I, 2, RUN("1")}, {I, E, 3, FAILED("1", ",\"retry_at\":1")}, {E, P, 4, RUN("2")},
                              {P, I, 4, RUN("2")}, {I, E, 5, FAILED("2", "")}, {E, P, 6, BY_HAND}, {P, I, 7, RUN("1")},
                              {I, C, 8, RUN("1")}));
    task(9, false, ROWS(START, {I, E, 5, "{\"engine\":\"e\",\"reason\":\"x\"}"}, {E, "resolved_manually", 6, BY_HAND}));
    step(91, 9, 1, false, ROWS({P, I, 2, RUN("1")}, {I, E, 3, FAILED("1", "")}));
    step(92, 9, 0, false, NULL);
    edge(9, 91, 92);
}

// What the Rails engine may leave behind, and what goes to and from it.
static void tasks_of_rails(void)
{
    // 20: not begun. 21: complete, by hosts whose clocks differ; an initial row; a step that was moved to pending and run
    // more often than its limit allows, and one that failed without having begun.
    task(20, false, NULL);
    step(201, 20, 0, false, NULL);
    both_sql("UPDATE tasker_workflow_steps SET attempts = NULL WHERE workflow_step_id = 201");
    task(21, true, ROWS({NULL, P, 1, RAILS}, {NULL, I, 3, RAILS}, {NULL, C, 2, RAILS}));
    step(211, 21, 2, true, ROWS({NULL, P, 1, RAILS}, {NULL, I, 3, RAILS}, {NULL, C, 2, RAILS}));
    step(212, 21, 4, true, ROWS({NULL, I, 1, RAILS}, {NULL, E, 2, RAILS}, {NULL, P, 3, RAILS}, {NULL, I, 4, RAILS}, {NULL, C, 5, RAILS}));
    step(213, 21, 0, false, ROWS({NULL, E, 2, RAILS}));
    both_sql("UPDATE tasker_workflow_steps SET retry_limit = NULL WHERE workflow_step_id = 211");
    edge(21, 211, 212);
    // 22: given to the Rails engine, which has not begun. 23: adopted, not looked at: all of it is done.
    task(22, false, ROWS(START, {I, P, 5, "{\"engine\":\"e\",\"reason\":\"moving\",\"released\":true}"}));
    step(221, 22, 1, false, ROWS({P, I, 2, RUN("1")}, {I, E, 3, FAILED("1", ",\"retry_at\":1")},
                                 {E, P, 5, "{\"engine\":\"e\",\"reason\":\"moving\",\"released\":true}"}));
    task(23, false, ROWS({NULL, I, 2, RAILS}, {NULL, P, 3, RAILS}, {P, I, 1, "{\"engine\":\"e\",\"adopted\":true}"}));
    step(231, 23, 1, true, ROWS({NULL, I, 3, RAILS}, {NULL, C, 4, RAILS}));
    both_active(23, T(1));
    // 24: adopted and complete: its first step Rails ran, with a clock that was ahead.
    task(24, true, ROWS({NULL, I, 4, RAILS}, {NULL, P, 5, RAILS}, {P, I, 4, "{\"engine\":\"e\",\"adopted\":true}"}, {I, C, 8, OURS}));
    step(241, 24, 1, true, ROWS({NULL, I, 6, RAILS}, {NULL, C, 7, RAILS}));
    step(242, 24, 1, true, ROWS({P, I, 5, RUN("1")}, {I, C, 6, RUN("1")}));
    edge(24, 241, 242);
}

static void sound_rows(void)
{
    static const char *const tables[] = {
        "tasker_core_lanes", "tasker_core_logs", "tasker_core_dispatch", "tasker_core_active",
        "tasker_workflow_step_transitions", "tasker_task_transitions", "tasker_workflow_step_edges", "tasker_workflow_steps",
        "tasker_tasks",
    };

    for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
        both_sql("DELETE FROM %s", tables[i]);
    both_sql("INSERT INTO tasker_core_lanes(lane_id, turn, expires_at, host, boot_id, process, name, classes, started_at)"
             " VALUES (5, 1, 1, 'h', 'b', '1/1', 'e', '[]', '%s')", both_time(T(0)));
    both_sql("INSERT INTO tasker_core_logs VALUES (11, 1, 'complete', 'words', '%s')", both_time(T(3)));
    tasks_of_ours();
    tasks_of_rails();
}

static void histories_of_every_kind_are_sound(void **state)
{
    (void)state;
    both_catalogue();
    assert_int_equal(both_ask("db.verify", "{}"), 0);
    assert_both("sound", "true");
    assert_both("tasks", "0");
    sound_rows();
    assert_int_equal(both_ask("db.verify", "{}"), 0);
    if (strcmp(both_picked("sound"), "true") != 0)
        fail_msg("%s", strstr(both_answer, "\"offenders\":["));
    assert_both("tasks", "14");
    assert_int_equal(both_number("SELECT count(*) FROM tasker_workflow_steps"), atoi(both_picked("steps")));
    assert_int_equal(both_number("SELECT (SELECT count(*) FROM tasker_task_transitions) + (SELECT count(*) FROM"
                                 " tasker_workflow_step_transitions)"), atoi(both_picked("transitions")));
}

// ---- one broken row for each rule

#define OF_TASK(id, key) "tasker_task_transitions WHERE task_id = " #id " AND sort_key = " #key
#define OF_STEP(id, key) "tasker_workflow_step_transitions WHERE workflow_step_id = " #id " AND sort_key = " #key
#define SET_TASK(id, key, set) "UPDATE tasker_task_transitions SET " set " WHERE task_id = " #id " AND sort_key = " #key
#define SET_STEP(id, key, set) "UPDATE tasker_workflow_step_transitions SET " set " WHERE workflow_step_id = " #id " AND sort_key = " #key
#define LONG_AGO "created_at = '2026-01-01 00:00:00.000000'"

static const struct {
    const char *rule, *sql, *row; // row: the id that must be named, as SQL
    int64_t task;
    const char *also; // another rule that the same row breaks at its successor
} breaks[] = {
    {"task_moves", SET_TASK(21, 30, "to_state = 'resolved_manually'"), "id FROM " OF_TASK(21, 30), 21, NULL},
    {"step_moves", SET_STEP(211, 30, "to_state = 'resolved_manually'"), "id FROM " OF_STEP(211, 30), 21, NULL},
    {"task_chain", SET_TASK(1, 20, "from_state = 'error'"), "id FROM " OF_TASK(1, 20), 1, NULL},
    {"task_chain", SET_TASK(1, 20, "from_state = NULL"), "id FROM " OF_TASK(1, 20), 1, NULL},
    {"step_chain", SET_STEP(11, 10, "from_state = 'error'"), "id FROM " OF_STEP(11, 10), 1, NULL},
    {"task_sort_keys", SET_TASK(1, 20, "sort_key = 25"), "id FROM " OF_TASK(1, 25), 1, NULL},
    {"step_sort_keys", SET_STEP(11, 20, "sort_key = 25"), "id FROM " OF_STEP(11, 25), 1, NULL},
    {"step_sort_keys", SET_STEP(211, 20, "id = 1000000"), "id FROM " OF_STEP(211, 30), 21, NULL},
    {"task_most_recent", SET_TASK(1, 20, "most_recent = false"), "id FROM " OF_TASK(1, 20), 1, NULL},
    {"step_most_recent", SET_STEP(11, 20, "most_recent = false"), "id FROM " OF_STEP(11, 20), 1, NULL},
    {"task_times", SET_TASK(1, 20, LONG_AGO), "id FROM " OF_TASK(1, 20), 1, NULL},
    {"step_times", SET_STEP(22, 20, LONG_AGO), "id FROM " OF_STEP(22, 20), 2, NULL},
    {"task_metadata", SET_TASK(1, 10, "metadata = '[1]'"), "id FROM " OF_TASK(1, 10), 1, NULL},
    {"step_metadata", SET_STEP(11, 10, "metadata = '[1]'"), "id FROM " OF_STEP(11, 10), 1, NULL},
    {"task_reason", SET_TASK(4, 20, "metadata = '" OURS "'"), "id FROM " OF_TASK(4, 20), 4, NULL},
    {"step_reason", SET_STEP(41, 20, "metadata = '" RUN("1") "'"), "id FROM " OF_STEP(41, 20), 4, NULL},
    {"step_columns", "UPDATE tasker_workflow_steps SET in_process = true WHERE workflow_step_id = 11", "11", 1, NULL},
    {"step_columns", "UPDATE tasker_workflow_steps SET processed_at = NULL WHERE workflow_step_id = 11", "11", 1, NULL},
    {"step_columns", "UPDATE tasker_workflow_steps SET processed = true, processed_at = created_at WHERE workflow_step_id = 71",
     "71", 7, NULL},
    {"step_attempts", "UPDATE tasker_workflow_steps SET attempts = 2 WHERE workflow_step_id = 11", "11", 1, NULL},
    {"step_attempts", "UPDATE tasker_workflow_steps SET last_attempted_at = NULL WHERE workflow_step_id = 81", "81", 8, NULL},
    {"step_limit", "UPDATE tasker_workflow_steps SET retry_limit = 1 WHERE workflow_step_id = 12", "12", 1, NULL},
    {"step_before_parents", SET_STEP(12, 10, "created_at = (SELECT min(created_at) FROM tasker_task_transitions WHERE task_id = 1)"),
     "id FROM " OF_STEP(12, 10), 1, NULL},
    {"step_before_task", SET_STEP(11, 10, LONG_AGO), "id FROM " OF_STEP(11, 10), 1, NULL},
    {"step_again", SET_STEP(212, 20, "to_state = 'complete'"), "id FROM " OF_STEP(212, 40), 21, "step_moves"},
    {"task_complete", "UPDATE tasker_tasks SET complete = false WHERE task_id = 1", "1", 1, NULL},
    {"task_complete", "UPDATE tasker_tasks SET complete = true WHERE task_id = 6", "6", 6, NULL},
    {"complete_steps", "INSERT INTO tasker_workflow_steps(workflow_step_id, task_id, named_step_id, created_at, updated_at)"
                       " SELECT 13, 1, 3, created_at, updated_at FROM tasker_tasks WHERE task_id = 1", "13", 1, NULL},
    {"ended_steps", "INSERT INTO tasker_workflow_step_transitions(to_state, from_state, metadata, sort_key, most_recent,"
                    " workflow_step_id, created_at, updated_at) SELECT 'in_progress', 'pending', metadata, 10, true, 42,"
                    " created_at, created_at FROM " OF_STEP(41, 10), "42", 4, NULL},
    {"task_goes_on", SET_STEP(71, 20, "metadata = '" FAILED("1", "") "'"), "7", 7, NULL},
    {"unfinished_queued", "DELETE FROM tasker_core_active WHERE task_id = 7", "7", 7, NULL},
    {"queue_finished", "UPDATE tasker_core_active SET run_at = 1 WHERE task_id = 4", "4", 4, NULL},
    {"queue_task", "INSERT INTO tasker_core_active(task_id, priority, run_at, template_id) VALUES (999, 2, 1, 1)", "999", 999, NULL},
    {"queue_template", "UPDATE tasker_core_active SET template_id = 3 WHERE task_id = 7", "7", 7, NULL},
    {"queue_lane", "UPDATE tasker_core_active SET lane_id = 77 WHERE task_id = 7", "7", 7, NULL},
    {"offer_step", "UPDATE tasker_core_dispatch SET workflow_step_id = 71 WHERE token = 1002", "1002", 2, NULL},
    {"offer_open", "UPDATE tasker_core_dispatch SET cancel = false WHERE token = 1003", "1003", 3, NULL},
    {"log_step", "UPDATE tasker_core_logs SET workflow_step_id = 999", "999", 0, NULL},
    {"task_refers", "UPDATE tasker_tasks SET named_task_id = 999 WHERE task_id = 4", "4", 4, "queue_template"},
    {"step_refers", "UPDATE tasker_workflow_steps SET named_step_id = 999 WHERE workflow_step_id = 11", "11", 1, NULL},
    {"step_refers", "INSERT INTO tasker_workflow_steps(workflow_step_id, task_id, named_step_id, created_at, updated_at) SELECT"
                    " 9999, 999, 1, created_at, updated_at FROM tasker_workflow_steps WHERE workflow_step_id = 11", "9999", 999, NULL},
    {"edge_refers", "UPDATE tasker_workflow_step_edges SET from_step_id = 999 WHERE id = 6", "6", 0, NULL},
    {"edge_refers", "UPDATE tasker_workflow_step_edges SET to_step_id = 999 WHERE id = 6", "6", 0, NULL},
    {"task_row_refers", "INSERT INTO tasker_task_transitions(id, to_state, metadata, sort_key, most_recent, task_id, created_at,"
                        " updated_at) SELECT 9999, 'pending', '{}', 10, true, 999, created_at, updated_at FROM " OF_TASK(1, 20),
     "9999", 999, NULL},
    {"step_row_refers", "INSERT INTO tasker_workflow_step_transitions(id, to_state, metadata, sort_key, most_recent,"
                        " workflow_step_id, created_at, updated_at) SELECT 9999, 'pending', '{}', 10, true, 999, created_at,"
                        " updated_at FROM " OF_STEP(11, 10), "9999", 0, NULL},
    {"edge_task", "UPDATE tasker_workflow_step_edges SET from_step_id = 11 WHERE id = 3", "3", 3, NULL},
    {"edge_cycle", "INSERT INTO tasker_workflow_step_edges(id, from_step_id, to_step_id, name, created_at, updated_at) SELECT"
                   " 60, 62, 61, name, created_at, updated_at FROM tasker_workflow_step_edges WHERE id = 6", "60", 6, NULL},
    {"edge_cycle", "UPDATE tasker_workflow_step_edges SET to_step_id = from_step_id WHERE id = 6", "6", 6, NULL},
};

static int64_t picked_number(const char *path)
{
    return strtoll(both_picked(path), NULL, 10);
}

// The rules that are broken are those two, and they name nobody's rows but the task's.
static void only_broken(const char *rule, const char *also, int64_t task_id)
{
    char path[64];

    for (int i = 0;; i++) {
        snprintf(path, sizeof(path), "rules.%d.rule", i);
        const char *name = pick(both_answer, path);
        if (name == NULL)
            break;
        bool meant = strcmp(name, rule) == 0 || (also != NULL && strcmp(name, also) == 0);
        snprintf(path, sizeof(path), "rules.%d.offenders", i);
        if (picked_number(path) != meant)
            fail_msg("%s: %s", rule, strstr(both_answer, "\"offenders\":["));
    }
    for (int i = 0; i < 1 + (also != NULL); i++) {
        snprintf(path, sizeof(path), "offenders.%d.task_id", i);
        assert_int_equal(picked_number(path), task_id);
    }
}

static void each_rule_names_the_row_that_breaks_it(void **state)
{
    (void)state;
    both_catalogue();
    for (size_t i = 0; i < ARRAY_SIZE(breaks); i++) {
        char path[64] = "";
        sound_rows();
        strstr(breaks[i].rule, "_refers") ? both_unchecked(breaks[i].sql) : both_sql("%s", breaks[i].sql);
        assert_int_equal(both_ask("db.verify", "{}"), 0);
        assert_both("sound", "false");
        only_broken(breaks[i].rule, breaks[i].also, breaks[i].task);
        int at = breaks[i].also != NULL; // the order is that of the rules
        snprintf(path, sizeof(path), "offenders.%d.rule", at);
        assert_both(path, breaks[i].rule);
        snprintf(path, sizeof(path), "offenders.%d.row_id", at);
        assert_int_equal(picked_number(path), both_number("SELECT %s", breaks[i].row));
    }
}

static void every_rule_is_broken_here_once(void **state)
{
    char path[64];
    int count = 0;

    (void)state;
    assert_int_equal(both_ask("db.verify", "{}"), 0);
    for (;; count++) {
        size_t k = 0;
        snprintf(path, sizeof(path), "rules.%d.rule", count);
        const char *name = pick(both_answer, path);
        if (name == NULL)
            break;
        while (k < ARRAY_SIZE(breaks) && strcmp(breaks[k].rule, name) != 0)
            k++;
        if (k == ARRAY_SIZE(breaks))
            fail_msg("nothing breaks the rule %s", name);
    }
    assert_true(count > 30);
}

static void the_first_rows_are_named_and_all_are_counted(void **state)
{
    (void)state;
    both_catalogue();
    sound_rows();
    both_sql("UPDATE tasker_core_active SET lane_id = 77");
    assert_int_equal(both_ask("db.verify", "{\"limit\":2}"), 0);
    assert_both("sound", "false");
    assert_both("offenders.0.rule", "queue_lane");
    assert_both("offenders.0.table", "tasker_core_active");
    assert_both("offenders.0.task_id", "2");
    assert_both("offenders.0.detail", "lane 77 is gone");
    assert_both("offenders.1.task_id", "4");
    assert_null(pick(both_answer, "offenders.2"));
    assert_int_equal(both_number("SELECT count(*) FROM tasker_core_active"), 5);
    assert_non_null(strstr(both_answer, "\"offenders\":5"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(histories_of_every_kind_are_sound),
        BOTH(each_rule_names_the_row_that_breaks_it),
        BOTH(every_rule_is_broken_here_once),
        BOTH(the_first_rows_are_named_and_all_are_counted),
    };
    return cmocka_run_group_tests_name("verify", tests, NULL, NULL);
}
