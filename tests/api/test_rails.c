// SPDX-License-Identifier: MIT
// test_rails.c - tasks that go to the Rails engine and come from it.
#include "fixture.h"

static int started(void **state)
{
    int rc = fresh(state);

    return rc < 0 ? rc : tasker_start(t, 1, &error);
}

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

#define S(name) cmocka_unit_test_setup_teardown(name, started, gone)

int main(void)
{
    const struct CMUnitTest tests[] = {
        S(a_released_task_is_pending_and_nobody_here_runs_it),
    };
    return cmocka_run_group_tests_name("rails", tests, NULL, NULL);
}
