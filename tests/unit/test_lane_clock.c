// SPDX-License-Identifier: MIT
// test_lane_clock.c - several processes write the rows of one task, and each tells time by a clock that it has learned from
// the database's answers. They differ by less than an answer takes; the rows must not show it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/lane_rig.h"

#define APART (300 * (US_PER_MS / 1000))

// In one task nothing follows from what is younger: no row of a step is older than the one before it or than the end of
// a parent.
static void assert_time_goes_forward(void)
{
    assert_int_equal(rig_count("SELECT count(*) FROM tasker_workflow_step_transitions a JOIN tasker_workflow_step_transitions b"
                               " ON b.workflow_step_id = a.workflow_step_id AND b.sort_key > a.sort_key"
                               " AND b.created_at < a.created_at"), 0);
    assert_int_equal(rig_count("SELECT count(*) FROM tasker_workflow_step_edges e JOIN tasker_workflow_step_transitions p"
                               " ON p.workflow_step_id = e.from_step_id JOIN tasker_workflow_step_transitions c"
                               " ON c.workflow_step_id = e.to_step_id WHERE c.created_at < p.created_at"), 0);
}

// The owner finishes step a, and a helper, whose clock is `apart` from the owner's, takes and answers step b.
static void lend(int64_t apart, enum answer_kind kind)
{
    struct rig owner, helper;
    struct template *t = rig_template(HEAD("pair") STEP("a", "A", "")
                                             STEP("b", "K", ", depends_on_step: a, retry_backoff: immediate"));
    rig_open(&helper, "2/2");
    rig_start(&helper);
    rig_worker(&helper, 1, "K", 1);
    rig_pass(&helper, SECOND);
    int64_t id = rig_one_task(&owner, t, 1);
    rig_now = helper.lane->next_thorough - apart;  // the helper looks just when a ends
    rig_answer(&owner, owner.given[0].token, ANSWER_COMPLETE);
    rig_run(&owner);
    for (int i = 0; i < 100 && rig_state(id, NULL) != ST_COMPLETE; i++) {
        rig_now += apart;
        rig_run(&helper);
        for (size_t n = 0; n < helper.given_count; n++) {
            struct given *g = &helper.given[n];
            if (g->token != 0)
                rig_answer(&helper, g->token, g->attempt == 1 ? kind : ANSWER_COMPLETE);
            g->token = 0;
        }
        rig_run(&helper);
        rig_now -= apart;
        owner.lane->next_poll = owner.lane->next_thorough = 0;  // the owner looks at once
        rig_run(&owner);
        int64_t next = helper.lane->next_thorough - apart;
        rig_now = next > rig_now ? next : rig_now;
    }
    assert_int_equal(rig_state(id, NULL), ST_COMPLETE);
    assert_time_goes_forward();
    rig_close(&owner);
    rig_close(&helper);
}

static void a_worker_whose_clock_is_behind_begins_no_step_before_its_parents_end(void **state)
{
    (void)state;
    lend(-APART, ANSWER_COMPLETE);
}

static void a_worker_whose_clock_is_ahead_begins_no_step_after_its_end(void **state)
{
    (void)state;
    lend(APART, ANSWER_COMPLETE);
}

static void a_second_attempt_elsewhere_begins_after_the_first_has_failed(void **state)
{
    (void)state;
    lend(-APART, ANSWER_FAIL);
}

// The first owner has written a's end and is fenced; the next one, whose clock is `behind`, goes on.
static int64_t take_over(int64_t behind)
{
    struct rig owner, next;
    struct template *t = rig_template(HEAD("two") STEP("a", "A", "") STEP("b", "A", ", depends_on_step: a"));
    int64_t id = rig_one_task(&owner, t, 1);
    rig_answer(&owner, owner.given[0].token, ANSWER_COMPLETE);
    rig_run(&owner);
    rig_close(&owner);
    rig_sql("DELETE FROM tasker_core_lanes; UPDATE tasker_core_active SET lane_id = NULL, run_at = 0");
    int64_t end = rig_now;
    rig_now -= behind;
    rig_open(&next, "2/2");
    rig_start(&next);
    rig_worker(&next, 1, "A", 1);
    rig_run(&next);
    assert_int_equal(next.given_count, 1);
    rig_answer(&next, next.given[0].token, ANSWER_COMPLETE);
    rig_run(&next);
    assert_int_equal(rig_state(id, NULL), ST_COMPLETE);
    rig_close(&next);
    return end;
}

static void an_owner_whose_clock_is_behind_goes_on_from_the_rows_that_it_has_read(void **state)
{
    (void)state;
    (void)take_over(APART);
    assert_time_goes_forward();
}

// A clock that was wrong by an hour must not make everybody's timers fire an hour too soon.
static void rows_of_the_future_do_not_take_the_lane_along(void **state)
{
    (void)state;
    int64_t wrong = take_over(3600 * SECOND);
    rig_spoilt = "task_times";
    struct task_rows rows;
    task_rows_init(&rows);
    assert_int_equal(rig_store->ops->load_task(rig_store, 1, &rows, NULL), 0);
    assert_in_range(rows.steps[1].state_at, wrong - 3600 * SECOND, wrong - 3500 * SECOND);
    task_rows_done(&rows);
}

#define T(name) cmocka_unit_test_setup_teardown(name, rig_fresh, rig_gone)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        T(a_worker_whose_clock_is_behind_begins_no_step_before_its_parents_end),
        T(a_worker_whose_clock_is_ahead_begins_no_step_after_its_end),
        T(a_second_attempt_elsewhere_begins_after_the_first_has_failed),
        T(an_owner_whose_clock_is_behind_goes_on_from_the_rows_that_it_has_read),
        T(rows_of_the_future_do_not_take_the_lane_along),
    };
    return cmocka_run_group_tests_name("lane, clocks", tests, NULL, NULL);
}
