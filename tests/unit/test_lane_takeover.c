// SPDX-License-Identifier: MIT
// test_lane_takeover.c - a lane that finds others dead, when their rows can not be had: somebody holds them locked. Here a
// trigger that leaves rows alone plays that. And one that finds its own row gone.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/lane_rig.h"

static const char line[] = HEAD("line") STEP("a", "A", "");

// A lane that owns a task and is silent from now on.
static int64_t leave_task(struct rig *dead)
{
    int64_t id = rig_one_task(dead, rig_template(line), 1);
    rig_run(dead);
    return id;
}

static void begin(struct rig *r)
{
    rig_open(r, "2/2");
    rig_start(r);
    rig_worker(r, 1, "A", 1);
    rig_pass(r, 2 * r->opt.lease_us); // it was there for a lease, and the other's is over
}

// Nobody holds the row any more: the task is taken over, and its one step done.
static void soon_ends(struct rig *r, int64_t task)
{
    rig_sql("DROP TRIGGER locked");
    rig_pass(r, 2 * SECOND);
    assert_int_equal(r->given_count, 1);
    assert_int_equal(r->given[0].task, task);
    rig_answer(r, r->given[0].token, ANSWER_COMPLETE);
    rig_run(r);
    assert_int_equal(rig_state(task, NULL), ST_COMPLETE);
}

static void a_dead_lane_whose_row_is_locked_costs_few_turns_until_it_can_be_had(void **state)
{
    struct rig dead, r;
    (void)state;
    int64_t id = leave_task(&dead);
    rig_sql("CREATE TRIGGER locked BEFORE DELETE ON tasker_core_lanes WHEN OLD.process = '1/1' BEGIN SELECT RAISE(IGNORE); END");
    begin(&r);
    size_t before = r.turns;
    rig_pass(&r, 60 * SECOND);
    assert_in_range(r.turns - before, 20, 70); // about one a second
    soon_ends(&r, id);
    rig_close(&dead);
    rig_close(&r);
}

static void a_task_without_owner_whose_row_is_locked_costs_few_turns_until_it_can_be_had(void **state)
{
    struct rig dead, r;
    (void)state;
    int64_t id = leave_task(&dead);
    rig_sql("CREATE TRIGGER locked BEFORE UPDATE ON tasker_core_active BEGIN SELECT RAISE(IGNORE); END");
    begin(&r);
    assert_int_equal(rig_count("SELECT count(*) FROM tasker_core_lanes WHERE process = '1/1'"), 0);
    size_t before = r.turns;
    rig_pass(&r, 60 * SECOND);
    assert_in_range(r.turns - before, 20, 70);
    soon_ends(&r, id);
    rig_close(&dead);
    rig_close(&r);
}

// Nobody waits for it, but it would be there for ever, and every look would read it.
static void the_row_of_a_dead_lane_that_owned_nothing_goes_in_the_end(void **state)
{
    struct rig dead, r;
    (void)state;
    rig_open(&dead, "1/1");
    rig_start(&dead);
    rig_run(&dead);
    begin(&r);
    rig_pass(&r, 600 * SECOND);
    assert_int_equal(rig_count("SELECT count(*) FROM tasker_core_lanes WHERE process = '1/1'"), 1); // it may only rest
    size_t before = r.turns;
    rig_pass(&r, 700 * SECOND);
    assert_int_equal(rig_count("SELECT count(*) FROM tasker_core_lanes WHERE process = '1/1'"), 0);
    assert_in_range(r.turns - before, 1, 6); // renewals of its own long lease among them
    rig_close(&dead);
    rig_close(&r);
}

// It had nothing any more, but what it had done may be what a failover lost. Only the outcome of a turn can tell.
static void an_idle_engine_whose_row_is_gone_asks_why_by_a_turn(void **state)
{
    struct rig r;
    bool fenced = false;
    (void)state;
    rig_open(&r, "2/2");
    rig_start(&r);
    rig_pass(&r, 5 * SECOND);
    int64_t lane = r.lane->id;
    rig_sql("DELETE FROM tasker_core_lanes");
    for (int i = 0; i < 10 && r.lane->id == lane; i++) {
        rig_now += SECOND;
        const struct turn *t = lane_step(r.lane, rig_now);
        rig_act(&r);
        if (!t)
            continue;
        rig_commit(&r, t);
        fenced = r.result.outcome == OUT_FENCED;
        lane_outcome(r.lane, rig_now, &r.result);
        rig_act(&r);
    }
    assert_true(fenced);
    rig_pass(&r, SECOND);
    assert_true(r.lane->id > lane);
    rig_close(&r);
}

#define T(name) cmocka_unit_test_setup_teardown(name, rig_fresh, rig_gone)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        T(a_dead_lane_whose_row_is_locked_costs_few_turns_until_it_can_be_had),
        T(a_task_without_owner_whose_row_is_locked_costs_few_turns_until_it_can_be_had),
        T(the_row_of_a_dead_lane_that_owned_nothing_goes_in_the_end),
        T(an_idle_engine_whose_row_is_gone_asks_why_by_a_turn),
    };
    return cmocka_run_group_tests_name("lane, takeover", tests, NULL, NULL);
}
