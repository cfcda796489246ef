// SPDX-License-Identifier: MIT
// test_lane_locked.c - a lane and a task of which another session has rows locked: it waits, and nothing else does.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/lane_rig.h"

static const char line[] = HEAD("line") STEP("a", "A", "") STEP("b", "A", ", depends_on_step: a");

// Two tasks, whose first steps are out; somebody locks the first task.
static struct template *begin(struct rig *r, int64_t ids[2])
{
    struct template *t = rig_template(line);
    ids[0] = rig_one_task(r, t, 2);
    size_t second = rig_submit(r, t);
    rig_run(r);
    ids[1] = r->told[second].id;
    assert_int_equal(r->given_count, 2);
    assert_int_equal(r->given[0].task, ids[0]);
    r->locked = ids[0];
    return t;
}

static void answer_both(struct rig *r)
{
    rig_answer(r, r->given[0].token, ANSWER_COMPLETE);
    rig_answer(r, r->given[1].token, ANSWER_COMPLETE);
    rig_run(r);
}

static void a_locked_task_waits_and_the_others_of_its_turn_go_on(void **state)
{
    struct rig r;
    int64_t ids[2];
    (void)state;
    (void)begin(&r, ids);
    answer_both(&r);
    assert_int_equal(r.given_count, 3); // at once: no time has passed
    assert_int_equal(r.given[2].task, ids[1]);
    rig_answer(&r, r.given[2].token, ANSWER_COMPLETE);
    rig_run(&r);
    assert_int_equal(rig_state(ids[1], NULL), ST_COMPLETE);
    assert_int_equal(rig_state(ids[0], "a"), ST_PENDING);
    rig_close(&r);
}

// Its handler has returned, so its place is free, although its answer is not written.
static void a_locked_task_takes_no_place_from_others(void **state)
{
    struct rig r;
    (void)state;
    struct template *t = rig_template(line);
    int64_t id = rig_one_task(&r, t, 1);
    size_t second = rig_submit(&r, t);
    rig_run(&r);
    assert_int_equal(r.given_count, 1);
    r.locked = id;
    rig_answer(&r, r.given[0].token, ANSWER_COMPLETE);
    rig_run(&r);
    assert_int_equal(r.given_count, 2);
    assert_int_equal(r.given[1].task, r.told[second].id);
    r.locked = 0;
    rig_pass(&r, 2 * SECOND);
    assert_int_equal(rig_state(id, "a"), ST_COMPLETE);
    assert_int_equal(r.given_count, 2); // the one place is taken
    rig_answer(&r, r.given[1].token, ANSWER_COMPLETE);
    rig_run(&r);
    assert_int_equal(r.given_count, 3);
    rig_close(&r);
}

static void no_turn_meets_the_lock_again_and_what_was_answered_is_written_when_it_is_gone(void **state)
{
    struct rig r;
    int64_t ids[2];
    (void)state;
    (void)begin(&r, ids);
    answer_both(&r);
    size_t turns = r.turns, looks = r.kept_out;
    rig_pass(&r, 60 * SECOND);
    assert_in_range(r.kept_out - looks, 50, 62); // a look a second
    assert_in_range(r.turns - turns, 0, 20);     // of the other task, and to renew the lease
    assert_int_equal(rig_state(ids[0], "a"), ST_PENDING);
    r.locked = 0;
    rig_pass(&r, 2 * SECOND);
    assert_int_equal(rig_state(ids[0], "a"), ST_COMPLETE); // by the answer that was given then
    assert_int_equal(r.given_count, 4);
    assert_int_equal(r.given[3].task, ids[0]);
    assert_int_equal(r.given[3].step, 1);
    assert_int_equal(rig_attempts(ids[0]), 1);
    rig_close(&r);
}

// Somebody who is asked what a submission became says the truth: the task is there.
static void assert_there(const struct rig *r, size_t n)
{
    char sql[120];
    assert_true(r->told[n].answered);
    assert_int_equal(r->told[n].code, 0);
    (void)snprintf(sql, sizeof(sql), "SELECT count(*) FROM tasker_tasks WHERE task_id = %lld", (long long)r->told[n].id);
    assert_int_equal(rig_count(sql), 1);
}

// A copy of the turn may still be on its way. It can not be written any more, so what it meets now is dealt with as ever.
static void a_turn_that_was_in_doubt_and_meets_a_lock_leaves_the_task_out(void **state)
{
    struct rig r;
    int64_t ids[2];
    (void)state;
    begin(&r, ids);
    rig_answer(&r, r.given[0].token, ANSWER_COMPLETE);
    size_t n = rig_submit(&r, rig_templates[0]);
    const struct turn *turn = lane_step(r.lane, rig_now);
    struct turn late = *turn;
    r.result.outcome = OUT_UNKNOWN;
    lane_outcome(r.lane, rig_now, &r.result);
    assert_int_equal(rig_store->ops->resolve(rig_store, turn, &r.result.error), OUT_RETRY);
    r.result.outcome = OUT_RETRY;
    r.result.spent = true;
    lane_outcome(r.lane, rig_now, &r.result);
    rig_store->ops->commit(rig_store, &late, &r.result);
    assert_int_equal(r.result.outcome, OUT_FENCED);
    rig_pass(&r, SECOND);
    assert_there(&r, n);
    assert_int_equal(rig_state(ids[0], "a"), ST_PENDING);
    r.locked = 0;
    rig_pass(&r, 2 * SECOND);
    assert_int_equal(rig_state(ids[0], "a"), ST_COMPLETE);
    rig_close(&r);
}

static void commands_for_a_locked_task_are_told_so(void **state)
{
    struct rig r;
    int64_t ids[2];
    (void)state;
    (void)begin(&r, ids);
    answer_both(&r);
    size_t cancel = rig_command(&r, CMD_TASK_CANCEL, ids[0], NULL, "no");
    rig_pass(&r, 2 * SECOND);
    assert_true(r.told[cancel].answered);
    assert_int_equal(r.told[cancel].code, TASKER_E_BUSY);
    r.locked = 0;
    rig_pass(&r, 2 * SECOND);
    cancel = rig_command(&r, CMD_TASK_CANCEL, ids[0], NULL, "no");
    rig_run(&r);
    assert_int_equal(r.told[cancel].code, 0);
    assert_int_equal(rig_state(ids[0], NULL), ST_CANCELLED);
    rig_close(&r);
}

static void a_command_for_a_finished_task_that_is_locked_is_told_so(void **state)
{
    struct rig r;
    int64_t ids[2];
    (void)state;
    struct template *t = begin(&r, ids);
    r.locked = 0;
    size_t first = rig_command(&r, CMD_STEP_CANCEL, ids[0], "a", "no");
    rig_run(&r);
    assert_int_equal(r.told[first].code, 0);
    assert_int_equal(rig_state(ids[0], NULL), ST_ERROR);
    r.locked = ids[0];
    size_t resolve = rig_command(&r, CMD_TASK_RESOLVE, ids[0], NULL, "paid");
    size_t other = rig_submit(&r, t);
    rig_pass(&r, 2 * SECOND);
    assert_int_equal(r.told[resolve].code, TASKER_E_BUSY);
    assert_int_equal(r.told[other].code, 0);
    r.locked = 0;
    resolve = rig_command(&r, CMD_TASK_RESOLVE, ids[0], NULL, "paid");
    rig_pass(&r, 2 * SECOND);
    assert_int_equal(r.told[resolve].code, 0);
    assert_int_equal(rig_state(ids[0], NULL), ST_RESOLVED);
    rig_close(&r);
}

// ---- a clean stop

static void tell_to_drain(struct rig *r, bool force)
{
    struct lane_input *in = rig_input(IN_DRAIN);
    in->mode.force = force;
    rig_push(r, in);
}

// What its handler answered can not be written. The others have ended or are given back.
static void a_lane_that_must_stop_leaves_a_locked_task_behind_and_says_so(void **state)
{
    struct rig r;
    int64_t ids[2];
    (void)state;
    (void)begin(&r, ids);
    rig_answer(&r, r.given[0].token, ANSWER_COMPLETE);
    rig_run(&r);
    tell_to_drain(&r, false);
    rig_pass(&r, 5 * SECOND);
    assert_int_equal(r.drained, 0); // it may become free yet
    tell_to_drain(&r, true);
    rig_run(&r);
    assert_int_equal(r.drained, 1);
    assert_int_equal(r.left, 1);
    assert_int_equal(r.left_first, ids[0]);
    assert_true(r.given[1].stale);
    assert_int_equal(rig_state(ids[1], "a"), ST_PENDING);
    assert_int_equal(rig_count("SELECT count(*) FROM tasker_core_lanes"), 0);
    r.locked = 0;
    rig_close(&r);
}

static void a_lane_that_stops_waits_for_a_locked_task_that_has_an_answer(void **state)
{
    struct rig r;
    int64_t ids[2];
    (void)state;
    (void)begin(&r, ids);
    answer_both(&r);
    rig_answer(&r, r.given[2].token, ANSWER_COMPLETE);
    tell_to_drain(&r, false);
    rig_pass(&r, 5 * SECOND);
    r.locked = 0;
    rig_pass(&r, 2 * SECOND);
    assert_int_equal(r.drained, 1);
    assert_int_equal(r.left, 0);
    assert_int_equal(rig_state(ids[0], "a"), ST_COMPLETE);
    rig_close(&r);
}

static void a_handler_of_a_locked_task_is_told_when_its_lane_must_stop(void **state)
{
    struct rig r;
    int64_t ids[2];
    (void)state;
    (void)begin(&r, ids);
    r.locked = 0;
    rig_pass(&r, SECOND); // their starts are written
    r.locked = ids[0];
    tell_to_drain(&r, true);
    rig_run(&r);
    assert_int_equal(r.drained, 1);
    assert_int_equal(r.left, 1);
    assert_true(r.given[0].stale);
    assert_true(r.given[1].stale);
    r.locked = 0;
    rig_close(&r);
}

// ---- a named task that somebody else has locked: no task of it can be made

// Three submissions that meet the lock, the second of another template.
static void submit_three(struct rig *r, size_t told[3])
{
    struct template *t = rig_template(line), *other = rig_template(HEAD("other") STEP("a", "A", ""));
    rig_open(r, "1/1");
    rig_start(r);
    rig_worker(r, 1, "A", 9);
    r->opt.database_timeout_us = 30 * SECOND;
    r->locked_named_task = t->named_task_id;
    told[0] = rig_submit(r, t);
    told[1] = rig_submit(r, other);
    told[2] = rig_submit(r, t);
    rig_run(r);
}

static void submissions_of_a_locked_template_wait_and_the_others_go_on(void **state)
{
    struct rig r;
    size_t told[3];
    (void)state;
    submit_three(&r, told);
    assert_false(r.told[told[0]].answered);
    assert_false(r.told[told[2]].answered);
    assert_there(&r, told[1]);
    assert_int_equal(r.given_count, 1);
    assert_int_equal(r.waited_us, SECOND);
    rig_answer(&r, r.given[0].token, ANSWER_COMPLETE);
    rig_pass(&r, 5 * SECOND);
    assert_int_equal(rig_state(r.told[told[1]].id, NULL), ST_COMPLETE);
    r.locked_named_task = 0;
    rig_pass(&r, 2 * SECOND);
    assert_there(&r, told[0]);
    assert_there(&r, told[2]);
    assert_int_equal(rig_count("SELECT count(*) FROM tasker_tasks"), 3);
    assert_int_equal(r.given_count, 3);
    rig_close(&r);
}

static void a_lock_that_lasts_costs_the_lane_a_moment_a_second(void **state)
{
    struct rig r;
    size_t told[3];
    (void)state;
    submit_three(&r, told);
    for (int i = 0; i < 20; i++) {
        (void)rig_submit(&r, rig_templates[0]);
        rig_pass(&r, SECOND / 2);
    }
    assert_in_range(r.waited_us - SECOND, 9 * 20 * US_PER_MS, 11 * 20 * US_PER_MS);
    r.locked_named_task = 0;
    rig_pass(&r, 2 * SECOND);
    assert_int_equal(rig_count("SELECT count(*) FROM tasker_tasks"), 23);
    rig_close(&r);
}

static void who_has_waited_for_a_locked_template_too_long_is_told_that_nothing_was_written(void **state)
{
    struct rig r;
    size_t told[3];
    (void)state;
    submit_three(&r, told);
    rig_pass(&r, 29 * SECOND);
    assert_false(r.told[told[0]].answered);
    rig_pass(&r, 4 * SECOND);
    assert_int_equal(r.told[told[0]].code, TASKER_E_BUSY);
    assert_int_equal(r.told[told[2]].code, TASKER_E_BUSY);
    assert_string_equal(r.told[told[0]].remedy, "tasker health names the session, in stuck_sessions; then try again");
    r.locked_named_task = 0;
    rig_pass(&r, 9 * SECOND);
    assert_int_equal(rig_count("SELECT count(*) FROM tasker_tasks"), 1);
    size_t again = rig_submit(&r, rig_templates[0]);
    rig_run(&r);
    assert_there(&r, again);
    rig_close(&r);
}

static bool any(const void *ticket, const void *who)
{
    (void)ticket;
    (void)who;
    return true;
}

static void who_waits_for_a_locked_template_no_longer_is_let_go(void **state)
{
    struct rig r;
    size_t told[3];
    struct lane_regrets why = {0};
    (void)state;
    submit_three(&r, told);
    (void)err_set(&why.unwritten, TASKER_E_BUSY, "no");
    lane_withdraw(r.lane, any, NULL, &why);
    rig_act(&r);
    assert_int_equal(r.told[told[0]].code, TASKER_E_BUSY);
    assert_int_equal(r.told[told[2]].code, TASKER_E_BUSY);
    rig_close(&r);
}

#define T(name) cmocka_unit_test_setup_teardown(name, rig_fresh, rig_gone)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        T(a_locked_task_waits_and_the_others_of_its_turn_go_on),
        T(a_locked_task_takes_no_place_from_others),
        T(no_turn_meets_the_lock_again_and_what_was_answered_is_written_when_it_is_gone),
        T(a_turn_that_was_in_doubt_and_meets_a_lock_leaves_the_task_out),
        T(commands_for_a_locked_task_are_told_so),
        T(a_command_for_a_finished_task_that_is_locked_is_told_so),
        T(a_lane_that_must_stop_leaves_a_locked_task_behind_and_says_so),
        T(a_lane_that_stops_waits_for_a_locked_task_that_has_an_answer),
        T(a_handler_of_a_locked_task_is_told_when_its_lane_must_stop),
        T(submissions_of_a_locked_template_wait_and_the_others_go_on),
        T(a_lock_that_lasts_costs_the_lane_a_moment_a_second),
        T(who_has_waited_for_a_locked_template_too_long_is_told_that_nothing_was_written),
        T(who_waits_for_a_locked_template_no_longer_is_let_go),
    };
    return cmocka_run_group_tests_name("lane, locked tasks", tests, NULL, NULL);
}
