// SPDX-License-Identifier: MIT
// test_lane.c - what a lane does with every outcome of its turns, with limits, late handlers, suspects, operators, offers of
// other lanes, draining, and when there is no memory. Driven step by step (tests/common/lane_rig.h).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/lane_rig.h"

// ---------------------------------------------------------------------------------------------------------- turns

static void submissions_that_wait_share_one_commit(void **state)
{
    (void)state;
    struct rig r;
    struct template *t = rig_template(HEAD("one") STEP("a", "A", ""));
    (void)rig_one_task(&r, t, 1);
    rig_answer(&r, r.given[0].token, ANSWER_COMPLETE);
    rig_pass(&r, SECOND);
    size_t before = r.turns;
    for (int i = 0; i < 8; i++)
        (void)rig_submit(&r, t);
    rig_run(&r);
    assert_in_range(r.turns - before, 1, 2);  // one may fetch more ids
    for (size_t i = 1; i < 9; i++)
        assert_int_equal(r.told[i].code, 0);
    rig_close(&r);
}

static void a_task_of_quick_steps_keeps_the_row_budget(void **state)
{
    (void)state;
    struct rig r;
    struct template *t = rig_template(HEAD("two") STEP("a", "A", "") STEP("b", "A", ", depends_on_step: a"));
    int64_t id = rig_one_task(&r, t, 1);
    rig_answer(&r, r.given[0].token, ANSWER_COMPLETE);
    rig_run(&r);
    rig_answer(&r, r.given[1].token, ANSWER_COMPLETE);
    rig_run(&r);
    assert_int_equal(rig_state(id, NULL), ST_COMPLETE);
    assert_int_equal(r.rows - (size_t)r.kinds[CH_LANE_CLASSES], 7 + 2 * 4 + 1);
    rig_close(&r);
}

static void a_start_row_is_written_after_50_ms_and_not_before(void **state)
{
    (void)state;
    struct rig r;
    int64_t id = rig_one_task(&r, rig_template(HEAD("slow") STEP("a", "A", "")), 1);
    assert_int_equal(rig_state(id, "a"), ST_PENDING);
    rig_pass(&r, 49 * US_PER_MS);
    assert_int_equal(rig_state(id, "a"), ST_PENDING);
    rig_pass(&r, 2 * US_PER_MS);
    assert_int_equal(rig_state(id, "a"), ST_IN_PROGRESS);
    rig_answer(&r, r.given[0].token, ANSWER_COMPLETE);
    rig_run(&r);
    assert_int_equal(r.rows - (size_t)r.kinds[CH_LANE_CLASSES], 7 + 4 + 1);
    rig_close(&r);
}

// One task runs, and the turn that hands out the step of a second one takes its time.
static int64_t slow_hand_out(struct rig *r, int64_t *ret_first)
{
    struct template *t = rig_template(HEAD("slow") STEP("a", "A", ", timeout_seconds: 1"));
    *ret_first = rig_one_task(r, t, 2);
    rig_dice(r, -1, 1, OUT_RETRY);
    size_t second = rig_submit(r, t);
    rig_run(r);
    assert_int_equal(r->given_count, 1);
    return (int64_t)second;
}

static void the_time_of_a_commit_is_not_its_handlers(void **state)
{
    (void)state;
    struct rig r;
    int64_t first, second = slow_hand_out(&r, &first);
    rig_now += 900 * US_PER_MS;
    rig_run(&r);
    int64_t id = r.told[second].id;
    assert_int_equal(r.given_count, 2);
    assert_int_equal(rig_state(first, "a"), ST_IN_PROGRESS);
    assert_int_equal(rig_state(id, "a"), ST_PENDING);
    rig_pass(&r, 49 * US_PER_MS);
    assert_int_equal(rig_state(id, "a"), ST_PENDING);
    rig_pass(&r, 2 * US_PER_MS);
    assert_int_equal(rig_state(id, "a"), ST_IN_PROGRESS);
    rig_pass(&r, 940 * US_PER_MS);
    assert_int_equal(rig_state(first, "a"), ST_ERROR);
    assert_int_equal(rig_state(id, "a"), ST_IN_PROGRESS);
    rig_pass(&r, 20 * US_PER_MS);
    assert_int_equal(rig_state(id, "a"), ST_ERROR);
    rig_close(&r);
}

static void an_answer_that_waits_makes_its_start_row_wait_too(void **state)
{
    (void)state;
    struct rig r;
    int64_t first;
    (void)slow_hand_out(&r, &first);
    assert_false(list_empty(&r.lane->lazy));
    rig_answer(&r, r.given[0].token, ANSWER_COMPLETE);  // while the turn is on its way
    rig_now += 900 * US_PER_MS;
    struct slot *s, *tmp;
    HASH_ITER(hh, r.lane->slots, s, tmp) assert_true(s->task_id != first || list_empty(&s->lazy));
    rig_run(&r);
    assert_int_equal(rig_state(first, NULL), ST_COMPLETE);
    rig_close(&r);
}

static void a_step_that_may_run_only_once_is_written_before_it_is_handed_out(void **state)
{
    (void)state;
    static const char *const texts[] = {
        HEAD("once") STEP("a", "A", ", default_retryable: false"),
        HEAD("single") STEP("a", "A", ", default_retry_limit: 1"),
    };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct rig r;
        int64_t id = rig_one_task(&r, rig_template(texts[i]), 1);
        assert_int_equal(r.given_count, 1);
        assert_int_equal(rig_state(id, "a"), ST_IN_PROGRESS);
        rig_close(&r);
    }
}

static void a_turn_that_can_not_be_sent_is_sent_again_and_its_lease_counts_from_then(void **state)
{
    (void)state;
    struct rig r;
    int64_t id = rig_one_task(&r, rig_template(HEAD("retry") STEP("a", "A", "")), 1);
    rig_answer(&r, r.given[0].token, ANSWER_COMPLETE);
    rig_dice(&r, -1, 12, OUT_RETRY);
    rig_run(&r);
    assert_int_equal(rig_state(id, NULL), ST_IN_PROGRESS);
    rig_now += 120 * SECOND;  // the last attempts are minutes away
    for (int i = 0; i < 20; i++)
        rig_pass(&r, SECOND);
    assert_int_equal(rig_state(id, NULL), ST_COMPLETE);
    assert_true(r.lease > START + 125 * SECOND);
    rig_close(&r);
}

static void a_lane_that_owns_nothing_rests_and_writes_nothing(void **state)
{
    (void)state;
    struct rig r;
    struct template *t = rig_template(HEAD("rest") STEP("a", "A", ""));
    (void)rig_one_task(&r, t, 1);
    rig_answer(&r, r.given[0].token, ANSWER_COMPLETE);
    rig_run(&r);
    rig_pass(&r, 10 * SECOND);  // the last short lease is renewed by a long one
    size_t before = r.turns;
    int polls = r.polls;
    rig_pass(&r, 100 * SECOND);
    assert_int_equal(r.turns, before);
    assert_true(r.polls > polls);
    assert_int_equal(r.lane->leased_us, REST_LEASE_US);
    (void)rig_submit(&r, t);
    rig_run(&r);
    assert_int_equal(r.lane->leased_us, r.opt.lease_us);
    rig_pass(&r, 8 * SECOND);
    assert_true(r.turns > before + 2);  // it owns a task: renewed every third of the lease
    rig_close(&r);
}

static void a_lane_that_was_away_itself_does_not_take_the_others_for_dead(void **state)
{
    (void)state;
    struct rig owner, other;
    (void)rig_one_task(&owner, rig_template(HEAD("away") STEP("a", "A", "")), 1);
    rig_open(&other, "2/2");
    rig_start(&other);
    rig_worker(&other, 1, "B", 1);
    for (int i = 0; i < 20; i++) {
        int64_t before = rig_now;
        rig_pass(&owner, US_PER_SECOND);
        rig_now = before;
        rig_pass(&other, US_PER_SECOND);
    }
    int64_t lane = owner.lane->id;
    rig_now += 60 * US_PER_SECOND;  // the disk was full for both
    rig_pass(&other, US_PER_SECOND);
    rig_pass(&owner, US_PER_SECOND);
    assert_int_equal(owner.lane->id, lane);
    assert_false(owner.given[0].stale);
    rig_close(&other);
    rig_close(&owner);
}

static void a_fenced_lane_forgets_its_tasks_stops_its_handlers_and_takes_the_tasks_up_again(void **state)
{
    (void)state;
    struct rig r;
    int64_t id = rig_one_task(&r, rig_template(HEAD("fence") STEP("a", "A", "")), 1);
    rig_sql("DELETE FROM tasker_core_lanes");
    rig_sql("UPDATE tasker_core_active SET lane_id = NULL");
    rig_pass(&r, 5 * SECOND);
    assert_true(r.given[0].stale);
    rig_answer(&r, r.given[0].token, ANSWER_COMPLETE);  // late: of the lane that is gone
    rig_run(&r);
    assert_int_equal(r.given_count, 2);
    assert_int_equal(r.given[1].attempt, 1);
    rig_answer(&r, r.given[1].token, ANSWER_COMPLETE);
    rig_run(&r);
    assert_int_equal(rig_state(id, NULL), ST_COMPLETE);
    rig_close(&r);
}

static void a_result_that_is_refused_fails_its_step_and_nobody_elses(void **state)
{
    (void)state;
    struct rig r;
    struct template *t = rig_template(HEAD("refuse") STEP("a", "A", ""));
    int64_t first = rig_one_task(&r, t, 2);
    size_t n = rig_submit(&r, t);
    rig_run(&r);
    rig_answer(&r, r.given[0].token, ANSWER_COMPLETE);
    rig_answer(&r, r.given[1].token, ANSWER_COMPLETE);
    rig_dice(&r, 2, 1, OUT_REFUSED);  // the results of the first
    rig_run(&r);
    rig_pass(&r, SECOND);
    assert_int_equal(rig_state(first, NULL), ST_ERROR);
    assert_int_equal(rig_state(r.told[n].id, NULL), ST_COMPLETE);
    rig_close(&r);
}

static void refusals_without_a_culprit_halve_the_turn_and_lose_nothing(void **state)
{
    (void)state;
    struct rig r;
    struct template *t = rig_template(HEAD("halve") STEP("a", "A", ""));
    (void)rig_one_task(&r, t, 8);
    for (int i = 0; i < 8; i++)
        (void)rig_submit(&r, t);
    rig_dice(&r, -1, 3, OUT_REFUSED);
    rig_pass(&r, SECOND);
    for (size_t i = 0; i < 9; i++) {
        assert_true(r.told[i].answered);
        assert_int_equal(r.told[i].code, 0);
    }
    rig_close(&r);
}

static void an_answer_that_is_refused_for_ever_does_not_hold_the_others_up(void **state)
{
    (void)state;
    struct rig r;
    struct template *t = rig_template(HEAD("poison") STEP("a", "A", ", default_retry_limit: 1"));
    int64_t id = rig_one_task(&r, t, 2);
    rig_sql("DELETE FROM tasker_core_active");  // whatever it says: its task is in nobody's hands
    rig_answer(&r, r.given[0].token, ANSWER_FAIL);
    for (int i = 0; i < 30; i++)
        rig_pass(&r, SECOND);
    size_t n = rig_submit(&r, t);
    rig_pass(&r, SECOND);
    assert_true(r.told[n].answered);
    assert_true(r.turns < 2000);
    (void)id;
    rig_close(&r);
}

static void a_timeout_in_a_refused_turn_is_still_a_timeout(void **state)
{
    (void)state;
    struct rig r;
    int64_t id = rig_one_task(&r, rig_template(HEAD("time") STEP("a", "A", ", timeout_seconds: 1")), 1);
    rig_pass(&r, SECOND / 2);
    rig_dice(&r, -1, 1, OUT_REFUSED);
    rig_pass(&r, SECOND);
    assert_true(r.given[0].stale);
    assert_int_equal(rig_state(id, "a"), ST_ERROR);
    assert_int_equal(rig_attempts(id), 1);
    rig_close(&r);
}

// ------------------------------------------------------------------------------------------- limits, queues, places

static void a_limit_of_a_template_holds_nobody_up_who_could_run(void **state)
{
    (void)state;
    struct rig r;
    struct template *t = rig_template("name: wide\nnamespace_name: lane\nversion: 1.0.0\nmax_concurrent_steps: 1\n"
                                     "step_templates:\n" STEP("a", "A", "") STEP("b", "B", "") STEP("c", "A", ""));
    rig_open(&r, "1/1");
    rig_start(&r);
    rig_worker(&r, 1, "A", 4);
    rig_worker(&r, 2, "B", 4);
    size_t n = rig_submit(&r, t);
    rig_run(&r);
    assert_int_equal(r.given_count, 1);
    rig_worker_closes(&r, 2);  // b is for others now, and they do not come
    rig_run(&r);
    rig_answer(&r, r.given[0].token, ANSWER_COMPLETE);
    rig_run(&r);
    assert_int_equal(r.given_count, 2);
    assert_int_equal(r.given[1].step, 2);
    rig_answer(&r, r.given[1].token, ANSWER_COMPLETE);
    rig_run(&r);
    assert_int_equal(rig_state(r.told[n].id, "c"), ST_COMPLETE);
    assert_int_equal(r.kinds[CH_OFFER_INSERT], 1);
    rig_close(&r);
}

static void limits_of_engine_class_and_template_hold(void **state)
{
    (void)state;
    for (int which = 0; which < 3; which++) {
        struct rig r;
        struct template *t = which == 0 ? rig_template(HEAD("wide") STEP("a", "A", "") STEP("b", "A", "") STEP("c", "A", "")) : rig_templates[0];
        rig_open(&r, "1/1");
        struct limit *limit = mem_alloc(sizeof(*limit));
        *limit = (struct limit){mem_strdup(which == 1 ? "A" : "lane/wide"), 2};
        if (which == 0)
            r.opt.max_concurrent_steps = 2;
        if (which == 1)
            r.opt.class_limits = limit, r.opt.class_limit_count = 1;
        else
            r.opt.template_limits = limit, r.opt.template_limit_count = which == 2;
        rig_start(&r);
        rig_worker(&r, 1, "A", 8);
        (void)rig_submit(&r, t);
        rig_run(&r);
        assert_int_equal(r.given_count, 2);
        rig_answer(&r, r.given[1].token, ANSWER_COMPLETE);
        rig_run(&r);
        assert_int_equal(r.given_count, 3);
        if (which == 0) {
            mem_free(limit->name);
            mem_free(limit);
            r.opt.template_limits = NULL;
        }
        rig_close(&r);
    }
}

static void a_place_is_free_again_only_when_the_late_handler_returns(void **state)
{
    (void)state;
    struct rig r;
    struct lane_numbers n;
    int64_t id = rig_one_task(&r, rig_template(HEAD("late") STEP("a", "A", ", timeout_seconds: 1")), 1);
    rig_pass(&r, 20 * SECOND);
    assert_int_equal(r.given_count, 1);
    lane_numbers(r.lane, &n);
    assert_int_equal(n.running, 1);
    assert_int_equal(n.overdue, 1);
    rig_answer(&r, r.given[0].token, ANSWER_COMPLETE);  // refused
    rig_run(&r);
    assert_int_equal(r.given_count, 2);
    assert_int_equal(r.given[1].attempt, 2);
    rig_answer(&r, r.given[1].token, ANSWER_COMPLETE);
    rig_run(&r);
    assert_int_equal(rig_state(id, NULL), ST_COMPLETE);
    lane_numbers(r.lane, &n);
    assert_int_equal(n.running, 0);
    rig_close(&r);
}

static void one_suspect_runs_at_a_time_and_a_hung_one_does_not_stop_the_others(void **state)
{
    (void)state;
    struct rig r;
    struct template *t = rig_template(HEAD("suspect") STEP("a", "A", ", timeout_seconds: 1"));
    rig_open(&r, "1/1");
    for (int i = 0; i < 3; i++)
        (void)rig_submit(&r, t);
    rig_run(&r);
    rig_sql("UPDATE tasker_core_active SET suspect = 1, crashes = 1");
    rig_start(&r);
    rig_worker(&r, 1, "A", 8);
    rig_pass(&r, SECOND / 2);
    assert_int_equal(r.given_count, 1);
    assert_int_equal(rig_state(r.given[0].task, "a"), ST_IN_PROGRESS);  // eager
    rig_pass(&r, SECOND);
    assert_int_equal(r.given_count, 2);  // the first timed out and hangs
    rig_answer(&r, r.given[1].token, ANSWER_COMPLETE);
    rig_run(&r);
    assert_int_equal(r.given_count, 3);
    rig_close(&r);
}

static void a_task_that_crashed_its_engine_too_often_is_set_aside(void **state)
{
    (void)state;
    struct rig r;
    struct template *t = rig_template(HEAD("crash") STEP("a", "A", ""));
    int64_t id = rig_one_task(&r, t, 1);
    rig_pass(&r, SECOND);  // its start is written
    rig_close(&r);
    for (int i = 2; i < 8 && rig_state(id, NULL) != ST_ERROR; i++) {
        char process[8];
        snprintf(process, sizeof(process), "%d/1", i);
        rig_open(&r, process);
        rig_start(&r);
        rig_worker(&r, 1, "A", 1);
        rig_pass(&r, 25 * SECOND);
        assert_true(r.given_count == 1 || i == 7);
        rig_close(&r);
    }
    assert_int_equal(rig_state(id, NULL), ST_ERROR);
    assert_int_equal(rig_attempts(id), 1);  // its last
}

// ----------------------------------------------------------------------------------------- operators, requests, offers

static void a_long_reason_is_cut_and_not_decided_for_ever(void **state)
{
    (void)state;
    struct rig r;
    int64_t id = rig_one_task(&r, rig_template(HEAD("long") STEP("a", "A", "")), 1);
    char *reason = mem_alloc(200001);
    memset(reason, 'x', 200000);
    size_t n = rig_command(&r, CMD_TASK_CANCEL, id, NULL, reason);
    mem_free(reason);
    rig_run(&r);
    assert_true(r.told[n].answered);
    assert_int_equal(r.told[n].code, 0);
    assert_int_equal(rig_state(id, NULL), ST_CANCELLED);
    rig_close(&r);
}

static void a_command_for_another_lanes_task_is_answered_by_its_owner(void **state)
{
    (void)state;
    struct rig owner, asker;
    int64_t id = rig_one_task(&owner, rig_template(HEAD("ask") STEP("a", "A", "")), 1);
    rig_open(&asker, "2/2");
    size_t n = rig_command(&asker, CMD_TASK_CANCEL, id, NULL, "no need");
    for (int i = 0; i < 50 && !asker.told[n].answered; i++) {
        int64_t at = rig_now;
        rig_pass(&asker, 50 * US_PER_MS);
        rig_now = at;
        rig_pass(&owner, 50 * US_PER_MS);
    }
    assert_true(asker.told[n].answered);
    assert_int_equal(asker.told[n].code, 0);
    assert_int_equal(rig_state(id, NULL), ST_CANCELLED);
    assert_true(owner.given[0].stale);
    rig_close(&asker);
    rig_close(&owner);
}

static void a_command_for_a_task_that_ends_before_its_owner_looks_is_carried_out(void **state)
{
    (void)state;
    struct rig owner, asker;
    int64_t id = rig_one_task(&owner, rig_template(HEAD("ends") STEP("a", "A", "")), 1);
    rig_open(&asker, "2/2");
    size_t n = rig_command(&asker, CMD_TASK_CANCEL, id, NULL, "too late");
    for (int i = 0; i < 20 && list_empty(&asker.lane->asked); i++)
        rig_pass(&asker, 50 * US_PER_MS);
    assert_false(list_empty(&asker.lane->asked));
    rig_answer(&owner, owner.given[0].token, ANSWER_COMPLETE);
    rig_run(&owner);
    assert_int_equal(rig_state(id, NULL), ST_COMPLETE);
    rig_pass(&asker, 3 * US_PER_SECOND);
    assert_true(asker.told[n].answered);
    assert_int_equal(asker.told[n].code, 0);
    assert_int_equal(rig_state(id, NULL), ST_CANCELLED);
    rig_close(&asker);
    rig_close(&owner);
}

static void who_waits_for_a_task_that_can_not_be_read_is_told(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, "1/1");
    size_t n = rig_submit(&r, rig_template(HEAD("broken") STEP("a", "A", "")));
    rig_run(&r);
    rig_sql("UPDATE tasker_core_active SET template_id = 12345");
    rig_spoilt = "queue_template";
    size_t c = rig_command(&r, CMD_TASK_CANCEL, r.told[n].id, NULL, NULL);
    rig_pass(&r, 20 * SECOND);
    assert_true(r.told[c].answered);
    assert_int_equal(r.told[c].code, TASKER_E_STORE);
    rig_close(&r);
}

static void a_step_that_kills_the_processes_that_take_it_is_set_aside(void **state)
{
    (void)state;
    struct rig owner;
    struct template *t = rig_template(HEAD("killer") STEP("a", "K", ""));
    int64_t id = rig_one_task(&owner, t, 1);
    for (int i = 2; i < 12 && rig_state(id, NULL) != ST_ERROR; i++) {
        char process[8];
        struct rig victim;
        snprintf(process, sizeof(process), "%d/1", i);
        rig_open(&victim, process);
        rig_start(&victim);
        rig_worker(&victim, 1, "K", 1);
        for (int k = 0; k < 40 && victim.given_count == 0; k++) {
            rig_pass(&owner, 50 * US_PER_MS);
            rig_run(&victim);
        }
        assert_int_equal(victim.given_count, 1);
        rig_sql("DELETE FROM tasker_core_lanes WHERE lane_id = (SELECT worker_lane FROM tasker_core_dispatch)");
        rig_close(&victim);
        rig_pass(&owner, 2 * SECOND);
    }
    assert_int_equal(rig_state(id, NULL), ST_ERROR);
    rig_close(&owner);
}

static void a_task_of_the_future_starts_at_its_time(void **state)
{
    (void)state;
    struct rig r;
    struct template *t = rig_template(HEAD("later") STEP("a", "A", ""));
    (void)rig_one_task(&r, t, 2);
    rig_pass(&r, 3 * SECOND + 130 * US_PER_MS);
    struct lane_input *in = lane_input_new(IN_SUBMIT);
    in->submit.tpl = template_ref(t);
    in->submit.context = blob_new("{}", 2);
    in->submit.run_at = rig_now + 400 * US_PER_MS;
    rig_push(&r, in);
    rig_pass(&r, 399 * US_PER_MS);
    assert_int_equal(r.given_count, 1);
    rig_pass(&r, 5 * US_PER_MS);
    assert_int_equal(r.given_count, 2);
    rig_close(&r);
}

static void what_is_asked_of_the_driver_and_not_answered_is_asked_again(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, "1/1");
    size_t n = rig_submit(&r, rig_template(HEAD("mute") STEP("a", "A", "")));
    rig_run(&r);
    rig_start(&r);
    rig_worker(&r, 1, "A", 1);
    r.mute = true;
    rig_pass(&r, SECOND);
    r.mute = false;
    rig_pass(&r, 40 * SECOND);
    assert_int_equal(r.given_count, 1);
    assert_int_equal(r.given[0].task, r.told[n].id);
    rig_close(&r);
}

// ------------------------------------------------------------------------------------------------------- draining

static void draining_waits_for_what_runs_and_gives_it_back_when_told(void **state)
{
    (void)state;
    struct rig r;
    int64_t id = rig_one_task(&r, rig_template(HEAD("drain") STEP("a", "A", "")), 1);
    rig_pass(&r, SECOND);
    struct lane_input *in = lane_input_new(IN_DRAIN);
    rig_push(&r, in);
    rig_pass(&r, 2 * SECOND);
    assert_int_equal(r.drained, 0);
    in = lane_input_new(IN_DRAIN);
    in->mode.force = true;
    rig_push(&r, in);
    rig_run(&r);
    assert_int_equal(r.drained, 1);
    assert_true(r.given[0].stale);
    assert_int_equal(rig_state(id, "a"), ST_PENDING);
    assert_int_equal(rig_attempts(id), 0);
    assert_int_equal(r.lane->id, 0);
    assert_int_equal(lane_deadline(r.lane), INT64_MAX);
    rig_answer(&r, r.given[0].token, ANSWER_RETURNED);
    rig_run(&r);
    assert_int_equal(r.lane->running.own, 0);
    rig_close(&r);
}

// ---------------------------------------------------------------------------------------------- many, and no memory

static void ten_thousand_submissions_are_not_counted_for_every_turn(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, "1/1");
    r.opt.queue_limit = 20000;
    struct template *t = rig_template("name: none\nnamespace_name: lane\nversion: 1.0.0\nstep_templates: []\n");
    for (int i = 0; i < 10000; i++) {
        struct lane_input *in = lane_input_new(IN_SUBMIT);
        in->submit.tpl = template_ref(t);
        in->submit.context = blob_new("{}", 2);
        rig_push(&r, in);
    }
    rig_run(&r);
    assert_int_equal(r.kinds[CH_TASK_INSERT], 10000);
    assert_true(r.lane->task_ids.total < 10000);
    rig_close(&r);
}

// A whole small life: two tasks, one failure with a retry, a timeout, a command, an offer, and the end.
static void a_life(struct rig *r, struct template *t)
{
    rig_open(r, "1/1");
    lane_listeners(r->lane, UINT64_MAX);
    rig_start(r);
    rig_worker(r, 1, "A", 2);
    size_t first = rig_submit(r, t), second = rig_submit(r, t);
    for (int i = 0; i < 400; i++) {
        rig_pass(r, 250 * US_PER_MS);
        for (size_t k = 0; k < r->given_count; k++) {
            struct given *g = &r->given[k];
            if (g->token == 0)
                continue;
            rig_answer(r, g->token, g->stale ? ANSWER_RETURNED : g->attempt == 1 && g->step == 0 ? ANSWER_FAIL : ANSWER_COMPLETE);
            g->token = 0;
        }
        if (i == 20)
            (void)rig_command(r, CMD_TASK_CANCEL, r->told[second].id, NULL, "enough");
        if (r->given_count > MAX / 2)
            break;
        if (i > 24 && r->told[2].answered && rig_state(r->told[first].id, NULL) == ST_COMPLETE)
            break;
    }
}

static void a_life_survives_each_failed_allocation(void **state)
{
    (void)state;
    struct template *t = rig_template(
        HEAD("life") STEP("a", "A", ", retry_backoff: {strategy: fixed, base_seconds: 0.1, max_seconds: 1}")
            STEP("b", "A", ", depends_on_step: a") STEP("c", "A", ", depends_on_step: a")
                STEP("d", "A", ", depends_on_steps: [b, c]"));
    for (uint64_t n = 1;; n += 1 + n / 400) {
        struct rig r;
        mem_fail_after(n);
        a_life(&r, t);
        bool happened = mem_failed();
        mem_fail_after(0);
        assert_true(r.told[0].answered && r.told[1].answered && r.told[2].answered);
        assert_int_equal(rig_state(r.told[0].id, NULL), ST_COMPLETE);
        assert_int_equal(rig_state(r.told[1].id, NULL), r.told[2].code == 0 ? ST_CANCELLED : ST_COMPLETE);
        rig_close(&r);
        rig_sql("DELETE FROM tasker_core_lanes");
        if (!happened)
            break;
    }
}

// An owner and a helper that serves what the owner does not: an offer, its answer, a command for the other's task.
static void two_lives(struct rig *owner, struct rig *helper, struct template *t)
{
    struct rig *both[] = {owner, helper};
    rig_open(owner, "1/1");
    rig_open(helper, "2/2");
    rig_start(owner);
    rig_worker(owner, 1, "A", 2);
    (void)rig_submit(owner, t);
    (void)rig_submit(owner, t);
    rig_run(owner);
    rig_start(helper);
    rig_worker(helper, 1, "K", 2);
    for (int i = 0; i < 600; i++) {
        for (size_t k = 0; k < 2; k++) {
            int64_t before = rig_now;
            rig_pass(both[k], 100 * US_PER_MS);
            rig_now = k == 0 ? before : rig_now;
            for (size_t g = 0; g < both[k]->given_count; g++) {
                if (both[k]->given[g].token != 0)
                    rig_answer(both[k], both[k]->given[g].token, both[k]->given[g].stale ? ANSWER_RETURNED : ANSWER_COMPLETE);
                both[k]->given[g].token = 0;
            }
        }
        if (i == 2 && owner->told[1].answered)
            (void)rig_command(helper, CMD_TASK_CANCEL, owner->told[1].id, NULL, "enough");
        if (i > 5 && helper->told[0].answered && rig_state(owner->told[0].id, NULL) == ST_COMPLETE)
            return;
    }
}

static void offers_and_requests_survive_each_failed_allocation(void **state)
{
    (void)state;
    struct template *t = rig_template(HEAD("pair") STEP("a", "A", "") STEP("b", "K", ", depends_on_step: a")
                                          STEP("c", "A", ", depends_on_step: b"));
    for (uint64_t n = 1;; n++) {
        struct rig owner, helper;
        mem_fail_after(n);
        two_lives(&owner, &helper, t);
        bool happened = mem_failed();
        mem_fail_after(0);
        assert_true(owner.told[0].answered && owner.told[1].answered);
        if (rig_state(owner.told[0].id, NULL) != ST_COMPLETE || !helper.told[0].answered)
            fail_msg("allocation %lu: task is %s, answered %d", (unsigned long)n,
                     state_names[rig_state(owner.told[0].id, NULL)], helper.told[0].answered);
        rig_close(&owner);
        rig_close(&helper);
        rig_sql("DELETE FROM tasker_core_lanes; DELETE FROM tasker_core_active; DELETE FROM tasker_core_requests;"
                "DELETE FROM tasker_core_dispatch");
        if (!happened)
            break;
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, rig_fresh, rig_gone)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(submissions_that_wait_share_one_commit),
        T(a_task_of_quick_steps_keeps_the_row_budget),
        T(a_start_row_is_written_after_50_ms_and_not_before),
        T(the_time_of_a_commit_is_not_its_handlers),
        T(an_answer_that_waits_makes_its_start_row_wait_too),
        T(a_step_that_may_run_only_once_is_written_before_it_is_handed_out),
        T(a_lane_that_owns_nothing_rests_and_writes_nothing),
        T(a_turn_that_can_not_be_sent_is_sent_again_and_its_lease_counts_from_then),
        T(a_lane_that_was_away_itself_does_not_take_the_others_for_dead),
        T(a_fenced_lane_forgets_its_tasks_stops_its_handlers_and_takes_the_tasks_up_again),
        T(a_result_that_is_refused_fails_its_step_and_nobody_elses),
        T(refusals_without_a_culprit_halve_the_turn_and_lose_nothing),
        T(an_answer_that_is_refused_for_ever_does_not_hold_the_others_up),
        T(a_timeout_in_a_refused_turn_is_still_a_timeout),
        T(a_limit_of_a_template_holds_nobody_up_who_could_run),
        T(limits_of_engine_class_and_template_hold),
        T(a_place_is_free_again_only_when_the_late_handler_returns),
        T(one_suspect_runs_at_a_time_and_a_hung_one_does_not_stop_the_others),
        T(a_task_that_crashed_its_engine_too_often_is_set_aside),
        T(a_long_reason_is_cut_and_not_decided_for_ever),
        T(a_command_for_another_lanes_task_is_answered_by_its_owner),
        T(a_command_for_a_task_that_ends_before_its_owner_looks_is_carried_out),
        T(who_waits_for_a_task_that_can_not_be_read_is_told),
        T(a_step_that_kills_the_processes_that_take_it_is_set_aside),
        T(a_task_of_the_future_starts_at_its_time),
        T(what_is_asked_of_the_driver_and_not_answered_is_asked_again),
        T(draining_waits_for_what_runs_and_gives_it_back_when_told),
        T(ten_thousand_submissions_are_not_counted_for_every_turn),
        T(a_life_survives_each_failed_allocation),
        T(offers_and_requests_survive_each_failed_allocation),
    };
    return cmocka_run_group_tests_name("lane", tests, NULL, NULL);
}
