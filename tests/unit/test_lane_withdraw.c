// SPDX-License-Identifier: MIT
// test_lane_withdraw.c - callers who wait no longer for a database that takes nothing: what no turn can have written is
// never written, what one may have written is said to be in doubt, and nobody else's work is lost over it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/lane_rig.h"

static bool is_told(const void *ticket, const void *who)
{
    return ticket == who;
}

// The caller of rig.told[n] gives up. What it is told then: TASKER_E_BUSY nothing is written, TASKER_E_TIMEOUT in doubt.
static int give_up(struct rig *r, size_t n)
{
    struct lane_regrets why = {0};
    (void)err_set(&why.unwritten, TASKER_E_BUSY, "nothing was written");
    (void)err_set(&why.doubtful, TASKER_E_TIMEOUT, "not known");
    lane_withdraw(r->lane, is_told, &r->told[n], &why);
    rig_act(r);
    assert_true(r->told[n].answered);
    return r->told[n].code;
}

static int64_t tasks(void)
{
    return rig_count("SELECT count(*) FROM tasker_tasks");
}

// A lane with ids taken ahead, so that a submission is in the first turn after it; BEFORE tasks are there.
#define BEFORE 4
static void open_lane(struct rig *r, struct template *t)
{
    rig_open(r, "1/1");
    rig_start(r);
    rig_worker(r, 1, "A", 16);
    for (int i = 0; i < BEFORE; i++) {
        (void)rig_submit(r, t);
        rig_run(r);
    }
    assert_true(r->lane->task_ids.total > 2);
}

static bool in_turn(const struct rig *r, size_t n)
{
    list_each(node, &r->lane->turn_inputs)
    {
        if (container_of(node, struct lane_input, link)->ticket == &r->told[n])
            return true;
    }
    return false;
}

// The next turn goes out and its outcome is this, again and again.
static void meet_trouble(struct rig *r, enum commit_outcome outcome)
{
    rig_dice(r, -1, 16, (int)outcome);
    rig_run(r);
    assert_true(r->lane->flying);
}

static void end_trouble(struct rig *r)
{
    r->dice_count = 0;
    rig_pass(r, 5 * SECOND);
}

static void a_submission_whose_turn_could_not_be_sent_is_never_written(void **state)
{
    (void)state;
    struct rig r;
    struct template *t = rig_template(HEAD("withdrawn") STEP("a", "A", ""));
    open_lane(&r, t);
    size_t first = rig_submit(&r, t);
    meet_trouble(&r, OUT_RETRY);
    assert_true(in_turn(&r, first));
    size_t second = rig_submit(&r, t), third = rig_submit(&r, t);
    assert_int_equal(give_up(&r, first), TASKER_E_BUSY);
    assert_int_equal(give_up(&r, third), TASKER_E_BUSY);
    end_trouble(&r);
    assert_true(r.told[second].answered);
    assert_int_equal(r.told[second].code, 0);
    assert_int_equal(tasks(), BEFORE + 1);
    rig_close(&r);
}

static void the_others_of_the_turn_are_written_without_it(void **state)
{
    (void)state;
    struct rig r;
    struct template *t = rig_template(HEAD("others") STEP("a", "A", ""));
    open_lane(&r, t);
    size_t kept = rig_submit(&r, t), gone = rig_submit(&r, t);
    meet_trouble(&r, OUT_RETRY);
    assert_true(in_turn(&r, kept) && in_turn(&r, gone));
    assert_int_equal(give_up(&r, gone), TASKER_E_BUSY);
    end_trouble(&r);
    assert_int_equal(r.told[kept].code, 0);
    assert_int_equal(tasks(), BEFORE + 1);
    assert_int_equal(r.given_count, BEFORE + 1);
    rig_close(&r);
}

static void a_submission_that_waits_for_the_lanes_row_is_never_written(void **state)
{
    (void)state;
    struct rig r;
    struct template *t = rig_template(HEAD("unregistered") STEP("a", "A", ""));
    rig_open(&r, "1/1");
    size_t n = rig_submit(&r, t);
    meet_trouble(&r, OUT_RETRY);
    assert_int_equal(give_up(&r, n), TASKER_E_BUSY);
    end_trouble(&r);
    assert_int_equal(tasks(), 0);
    rig_close(&r);
}

static void a_submission_whose_turn_may_have_been_written_is_in_doubt_and_written_once(void **state)
{
    (void)state;
    struct rig r;
    struct template *t = rig_template(HEAD("doubt") STEP("a", "A", ""));
    open_lane(&r, t);
    size_t n = rig_submit(&r, t);
    meet_trouble(&r, OUT_UNKNOWN);
    assert_true(in_turn(&r, n));
    assert_int_equal(give_up(&r, n), TASKER_E_TIMEOUT);
    end_trouble(&r);  // a database that had not written it gets it now
    assert_int_equal(tasks(), BEFORE + 1);
    char named[200];
    (void)snprintf(named, sizeof(named), "SELECT count(*) FROM tasker_tasks WHERE instr('%s', identity_hash) > 0",
                   r.told[n].remedy);
    assert_int_equal(rig_count(named), 1);
    rig_close(&r);
}

// That a later try of the turn is known to have failed proves nothing of the first.
static void what_was_in_doubt_once_stays_so_until_it_is_written(void **state)
{
    (void)state;
    struct rig r;
    struct template *t = rig_template(HEAD("doubtful") STEP("a", "A", ""));
    open_lane(&r, t);
    size_t n = rig_submit(&r, t);
    rig_dice(&r, -1, 16, OUT_RETRY);
    r.dice[0] = OUT_UNKNOWN;
    rig_run(&r);
    rig_pass(&r, US_PER_SECOND / 10);
    assert_true(r.lane->flying && r.dice_at > 2);
    assert_int_equal(give_up(&r, n), TASKER_E_TIMEOUT);
    end_trouble(&r);
    assert_int_equal(tasks(), BEFORE + 1);
    rig_close(&r);
}

static void a_command_whose_turn_could_not_be_sent_is_never_carried_out(void **state)
{
    (void)state;
    struct rig r;
    int64_t id = rig_one_task(&r, rig_template(HEAD("command") STEP("a", "A", "")), 1);
    size_t n = rig_command(&r, CMD_TASK_CANCEL, id, NULL, "no longer wanted");
    meet_trouble(&r, OUT_RETRY);
    assert_int_equal(give_up(&r, n), TASKER_E_BUSY);
    end_trouble(&r);
    assert_int_equal(rig_state(id, NULL), ST_IN_PROGRESS);
    assert_false(r.given[0].stopped);
    rig_answer(&r, r.given[0].token, ANSWER_COMPLETE);
    rig_run(&r);
    assert_int_equal(rig_state(id, NULL), ST_COMPLETE);
    rig_close(&r);
}

static void a_command_that_waits_for_a_claim_is_never_carried_out(void **state)
{
    (void)state;
    struct rig r, door;
    int64_t id = rig_one_task(&r, rig_template(HEAD("claim") STEP("a", "B", "")), 1);
    rig_sql("UPDATE tasker_core_active SET lane_id = NULL");
    rig_open(&door, "2/2");
    size_t n = rig_command(&door, CMD_TASK_CANCEL, id, NULL, NULL);
    rig_dice(&door, -1, 16, OUT_RETRY);
    door.dice[0] = -1;  // it gets its row
    rig_run(&door);
    assert_true(door.lane->id != 0 && door.lane->flying);
    assert_int_equal(give_up(&door, n), TASKER_E_BUSY);
    end_trouble(&door);
    assert_int_equal(rig_state(id, NULL), ST_IN_PROGRESS);
    assert_int_equal(rig_count("SELECT count(*) FROM tasker_core_active WHERE lane_id IS NULL"), 1);
    rig_close(&door);
    rig_close(&r);
}

// A finished task was claimed for a command, and read, and the command is to be decided with the next turn.
static void a_task_that_was_claimed_for_a_command_is_given_up_without_it(void **state)
{
    (void)state;
    struct rig r;
    struct template *t = rig_template(HEAD("finished") STEP("a", "A", ""));
    (void)rig_one_task(&r, t, 2);
    (void)rig_submit(&r, t);
    rig_run(&r);
    rig_answer(&r, r.given[1].token, ANSWER_COMPLETE);
    rig_run(&r);
    int64_t finished = r.given[1].task;
    size_t n = rig_command(&r, CMD_TASK_CANCEL, finished, NULL, NULL);
    meet_trouble(&r, OUT_RETRY);
    rig_answer(&r, r.given[0].token, ANSWER_COMPLETE);
    r.lane->single = 1;  // two inputs for the turn after this one: the answer, and what was read
    rig_dice(&r, -1, 16, OUT_RETRY);
    r.dice[0] = -1;
    rig_pass(&r, US_PER_SECOND / 10);
    assert_true(r.lane->flying && !in_turn(&r, n) && r.lane->command_count == 1);
    assert_int_equal(rig_count("SELECT count(*) FROM tasker_core_active"), 2);
    const struct entry *e = entry_find(r.lane, finished);
    assert_true(e && e->task && list_empty(&e->waiting));
    assert_int_equal(give_up(&r, n), TASKER_E_BUSY);
    end_trouble(&r);
    assert_int_equal(rig_state(finished, NULL), ST_COMPLETE);
    assert_int_equal(rig_count("SELECT count(*) FROM tasker_core_active"), 0);
    assert_int_equal(r.lane->command_count, 0);
    rig_close(&r);
}

// The result of a handler that finished in the same turn is kept, and so is the turn's other half: its task goes on.
static void a_result_in_the_same_turn_is_kept(void **state)
{
    (void)state;
    struct rig r;
    struct template *t = rig_template(HEAD("result") STEP("a", "A", ""));
    open_lane(&r, t);
    rig_answer(&r, r.given[0].token, ANSWER_COMPLETE);
    size_t n = rig_submit(&r, t);
    meet_trouble(&r, OUT_RETRY);
    assert_true(in_turn(&r, n));
    assert_int_equal(give_up(&r, n), TASKER_E_BUSY);
    end_trouble(&r);
    assert_int_equal(rig_state(r.given[0].task, NULL), ST_COMPLETE);
    assert_int_equal(r.given_count, BEFORE);
    assert_int_equal(tasks(), BEFORE);
    for (size_t i = 1; i < BEFORE; i++) {
        assert_false(r.given[i].stopped);
        rig_answer(&r, r.given[i].token, ANSWER_COMPLETE);
        rig_run(&r);
        assert_int_equal(rig_state(r.given[i].task, NULL), ST_COMPLETE);
    }
    rig_close(&r);
}

#define T(name) cmocka_unit_test_setup_teardown(name, rig_fresh, rig_gone)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_submission_whose_turn_could_not_be_sent_is_never_written),
        T(the_others_of_the_turn_are_written_without_it),
        T(a_submission_that_waits_for_the_lanes_row_is_never_written),
        T(a_submission_whose_turn_may_have_been_written_is_in_doubt_and_written_once),
        T(what_was_in_doubt_once_stays_so_until_it_is_written),
        T(a_command_whose_turn_could_not_be_sent_is_never_carried_out),
        T(a_command_that_waits_for_a_claim_is_never_carried_out),
        T(a_task_that_was_claimed_for_a_command_is_given_up_without_it),
        T(a_result_in_the_same_turn_is_kept),
    };
    return cmocka_run_group_tests_name("lane_withdraw", tests, NULL, NULL);
}
