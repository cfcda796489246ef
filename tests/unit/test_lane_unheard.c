// SPDX-License-Identifier: MIT
// test_lane_unheard.c - a turn was committed and the connection broke before its answers came: what the turn got is found
// out from the rows, and what the lane had before goes on undisturbed.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/lane_rig.h"

// The turns of a lane until one gets something; that one is committed, and its answer is lost.
static void lose_an_answer(struct rig *r, bool (*got)(const struct turn_result *result))
{
    const struct turn *turn = NULL;
    for (int i = 0; i < 50; i++) {
        turn = lane_step(r->lane, rig_now);
        rig_act(r);
        if (!turn)
            continue;
        rig_commit(r, turn);
        if (got(&r->result))
            break;
        lane_outcome(r->lane, rig_now, &r->result);
        rig_act(r);
    }
    assert_true(got(&r->result));
    turn_result_done(&r->result);
    r->result.outcome = OUT_UNKNOWN;
    lane_outcome(r->lane, rig_now, &r->result);
    rig_act(r);
    r->result.outcome = OUT_COMMITTED;
    lane_outcome(r->lane, rig_now, &r->result);
    rig_act(r);
}

static bool got_task(const struct turn_result *result)
{
    return result->claimed_count > 0;
}

static bool got_offer(const struct turn_result *result)
{
    return result->offer_count > 0;
}

static void a_lane_that_did_not_hear_what_it_got_finds_out_and_keeps_its_handlers(void **state)
{
    (void)state;
    struct rig r, other;
    struct template *t = rig_template(HEAD("unheard") STEP("a", "A", ""));
    int64_t own = rig_one_task(&r, t, 2), id = rig_one_task(&other, t, 0);
    rig_sql("UPDATE tasker_core_active SET lane_id = NULL WHERE task_id <> 1");  // a free task that is due
    assert_int_equal(own, 1);
    r.lane->next_poll = r.lane->next_thorough = 0;
    int64_t lane = r.lane->id;
    lose_an_answer(&r, got_task);
    rig_pass(&r, 3 * SECOND);
    assert_false(r.given[0].stopped);
    assert_int_equal(r.lane->id, lane);
    assert_int_equal(r.given_count, 2);
    assert_int_equal(r.given[1].task, id);
    for (size_t i = 0; i < 2; i++)
        rig_answer(&r, r.given[i].token, ANSWER_COMPLETE);
    rig_run(&r);
    assert_int_equal(rig_state(own, NULL), ST_COMPLETE);
    assert_int_equal(rig_state(id, NULL), ST_COMPLETE);
    assert_int_equal(rig_attempts(own), 1);
    rig_close(&other);
    rig_close(&r);
}

static void an_offer_that_was_taken_unheard_is_given_back_and_run(void **state)
{
    (void)state;
    struct rig owner, helper;
    struct template *t = rig_template(HEAD("unheard_offer") STEP("a", "B", ""));
    int64_t own = rig_one_task(&owner, t, 1), mine;
    rig_pass(&owner, SECOND);
    rig_open(&helper, "2/2");
    rig_start(&helper);
    rig_worker(&helper, 1, "B", 2);
    struct template *busy = rig_template(HEAD("busy") STEP("a", "B", ""));
    size_t n = rig_submit(&helper, busy);
    while (helper.given_count == 0) {
        const struct turn *turn = lane_step(helper.lane, rig_now);
        rig_act(&helper);
        if (turn) {
            rig_commit(&helper, turn);
            lane_outcome(helper.lane, rig_now, &helper.result);
            rig_act(&helper);
        }
    }
    mine = helper.told[n].id;
    assert_int_equal(helper.given[0].task, mine);
    lose_an_answer(&helper, got_offer);
    for (int i = 0; i < 6; i++) {
        rig_pass(&helper, SECOND / 2);
        rig_pass(&owner, SECOND / 2);
    }
    assert_int_equal(helper.given_count, 2);
    assert_false(helper.given[0].stopped);
    assert_int_equal(helper.given[1].task, own);
    for (size_t i = 0; i < 2; i++)
        rig_answer(&helper, helper.given[i].token, ANSWER_COMPLETE);
    rig_run(&helper);
    rig_pass(&owner, 2 * SECOND);
    assert_int_equal(rig_state(own, NULL), ST_COMPLETE);
    assert_int_equal(rig_state(mine, NULL), ST_COMPLETE);
    assert_int_equal(rig_attempts(own), 1);
    rig_close(&helper);
    rig_close(&owner);
}

static void a_claim_for_a_command_whose_answer_is_lost_is_made_again(void **state)
{
    (void)state;
    struct rig r, door;
    int64_t id = rig_one_task(&r, rig_template(HEAD("unheard_claim") STEP("a", "B", "")), 1);
    rig_sql("UPDATE tasker_core_active SET lane_id = NULL");
    rig_open(&door, "2/2");
    size_t n = rig_command(&door, CMD_TASK_CANCEL, id, NULL, "no longer wanted");
    const struct turn *turn = lane_step(door.lane, rig_now);  // its row
    rig_commit(&door, turn);
    lane_outcome(door.lane, rig_now, &door.result);
    for (turn = NULL; !turn || turn->claim_task == 0;) {
        turn = lane_step(door.lane, rig_now);
        rig_act(&door);
    }
    rig_commit(&door, turn);
    assert_int_equal(door.result.claim_answer, CLAIM_TAKEN);
    turn_result_done(&door.result);
    door.result.outcome = OUT_UNKNOWN;
    lane_outcome(door.lane, rig_now, &door.result);
    door.result.outcome = OUT_COMMITTED;
    lane_outcome(door.lane, rig_now, &door.result);
    rig_pass(&door, 5 * SECOND);
    assert_true(door.told[n].answered);
    assert_int_equal(door.told[n].code, 0);
    assert_int_equal(rig_state(id, NULL), ST_CANCELLED);
    rig_close(&door);
    rig_close(&r);
}

static bool got_request(const struct turn_result *result)
{
    return result->request_count > 0;
}

// The owner answers at once; who asked has to know under which number.
static void a_command_for_anothers_task_that_was_written_unheard_is_answered_when_its_owner_answers(void **state)
{
    (void)state;
    struct rig r, door;
    int64_t id = rig_one_task(&r, rig_template(HEAD("unheard_request") STEP("a", "B", "")), 1), other;
    size_t second = rig_submit(&r, rig_templates[0]);
    rig_run(&r);
    other = r.told[second].id;
    rig_open(&door, "2/2");
    size_t gone = rig_command(&door, CMD_TASK_CANCEL, other, NULL, "of somebody who gives up");
    size_t n = rig_command(&door, CMD_TASK_CANCEL, id, NULL, "no longer wanted");
    size_t late = rig_command(&door, CMD_TASK_CANCEL, other, NULL, "me too");
    lose_an_answer(&door, got_request);
    for (int i = 0; i < 6; i++) {
        rig_pass(&r, SECOND / 2);
        rig_pass(&door, SECOND / 2);
    }
    assert_true(door.told[n].answered);
    assert_int_equal(door.told[n].code, 0);
    assert_int_equal(rig_state(id, NULL), ST_CANCELLED);
    assert_true(door.told[gone].answered);
    assert_int_equal(door.told[gone].code, 0);
    assert_true(door.told[late].answered);
    assert_int_equal(door.told[late].code, TASKER_E_STATE); // it is cancelled already
    rig_pass(&door, 40 * SECOND);
    assert_int_equal(rig_count("SELECT count(*) FROM tasker_core_requests"), 0);
    rig_close(&door);
    rig_close(&r);
}

// A turn with a submission under an identity of the caller's own; its row is there when `written`, its answer is lost.
static size_t submit_unheard(struct rig *r, bool written)
{
    const struct turn *turn = NULL;
    struct template *t = rig_template(HEAD("unheard_twin") STEP("a", "A", ""));
    (void)rig_one_task(r, t, 1);
    struct lane_input *in = rig_input(IN_SUBMIT);
    in->ticket = &r->told[r->told_count];
    in->submit.tpl = template_ref(t);
    in->submit.context = blob_new("{}", 2);
    (void)snprintf(in->submit.identity, sizeof(in->submit.identity), "order-7");
    rig_push(r, in);
    for (int i = 0; i < 50; i++) {
        turn = lane_step(r->lane, rig_now);
        rig_act(r);
        if (turn && !list_empty(&r->lane->turn_inputs))
            break;
        if (turn) { // it takes ids first
            rig_commit(r, turn);
            lane_outcome(r->lane, rig_now, &r->result);
        }
    }
    assert_false(list_empty(&r->lane->turn_inputs));
    if (written)
        rig_commit(r, turn);
    turn_result_done(&r->result);
    r->result.outcome = OUT_UNKNOWN;
    lane_outcome(r->lane, rig_now, &r->result);
    return r->told_count++;
}

// Meanwhile another engine has taken its tasks.
static void lose_lane(struct rig *r)
{
    rig_sql("UPDATE tasker_core_active SET lane_id = NULL");
    rig_sql("DELETE FROM tasker_core_lanes");
    r->result.outcome = OUT_FENCED;
    lane_outcome(r->lane, rig_now, &r->result);
    rig_pass(r, 2 * SECOND);
}

#define TWINS "SELECT count(*) FROM tasker_tasks WHERE identity_hash = 'order-7'"

static void a_submission_that_was_committed_unheard_by_a_lane_that_is_lost_is_told_its_id(void **state)
{
    (void)state;
    struct rig r;
    size_t n = submit_unheard(&r, true);
    lose_lane(&r);
    assert_true(r.told[n].answered);
    assert_int_equal(r.told[n].code, 0);
    assert_int_equal(r.told[n].id, rig_count("SELECT task_id FROM tasker_tasks WHERE identity_hash = 'order-7'"));
    assert_int_equal(rig_count(TWINS), 1);
    rig_close(&r);
}

static void a_submission_that_was_in_doubt_and_whose_identity_another_has_taken_is_a_duplicate(void **state)
{
    (void)state;
    struct rig r, other;
    size_t n = submit_unheard(&r, false);
    rig_open(&other, "2/2");
    struct lane_input *in = rig_input(IN_SUBMIT);
    in->ticket = &other.told[other.told_count++];
    in->submit.tpl = template_ref(rig_templates[0]);
    in->submit.context = blob_new("{}", 2);
    (void)snprintf(in->submit.identity, sizeof(in->submit.identity), "order-7");
    rig_push(&other, in);
    rig_run(&other);
    assert_int_equal(other.told[0].code, 0);
    lose_lane(&r);
    assert_int_equal(r.told[n].code, TASKER_E_DUPLICATE);
    assert_int_equal(r.told[n].id, other.told[0].id);
    assert_int_equal(rig_count(TWINS), 1);
    rig_close(&other);
    rig_close(&r);
}

#define T(name) cmocka_unit_test_setup_teardown(name, rig_fresh, rig_gone)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_lane_that_did_not_hear_what_it_got_finds_out_and_keeps_its_handlers),
        T(an_offer_that_was_taken_unheard_is_given_back_and_run),
        T(a_claim_for_a_command_whose_answer_is_lost_is_made_again),
        T(a_command_for_anothers_task_that_was_written_unheard_is_answered_when_its_owner_answers),
        T(a_submission_that_was_committed_unheard_by_a_lane_that_is_lost_is_told_its_id),
        T(a_submission_that_was_in_doubt_and_whose_identity_another_has_taken_is_a_duplicate),
    };
    return cmocka_run_group_tests_name("lane_unheard", tests, NULL, NULL);
}
