// SPDX-License-Identifier: MIT
// test_turn_outcome.c - turns whose outcome is unknown: what was committed unheard is found and not done again, whenever it
// reaches the database and whatever became of the lane meanwhile.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/lane_rig.h"
#include "engine/lane.h"
#include "store/sqlite.h"

static struct rig r;
static struct template *tpl;
static int broken;           // so many commits break: the connection is lost with them on their way
static bool refusing;        // the next commit is refused, and what had been on its way arrives just then
static struct turn on_its_way;
static int away;             // so many questions are not answered either, each for a reason of its own
static struct store network; // what is between the lane and rig_store

static void commit(struct store *s, const struct turn *t, struct turn_result *ret)
{
    (void)s;
    if (broken > 0) {
        broken--;
        on_its_way = *t;
        ret->outcome = OUT_UNKNOWN;
        err_set(&ret->error, TASKER_E_IO, "the connection broke");
        return;
    }
    if (!refusing) {
        rig_store->ops->commit(rig_store, t, ret);
        return;
    }
    refusing = false;
    rig_store->ops->commit(rig_store, &on_its_way, ret);
    turn_result_done(ret);
    ret->outcome = OUT_REFUSED;
    ret->culprit = -1;
    err_set(&ret->error, TASKER_E_STORE, "refused");
}

static enum commit_outcome resolve(struct store *s, const struct turn *t, tasker_error *err)
{
    (void)s;
    if (away > 0) {
        err_set(err, TASKER_E_IO, "no connection, %d", away--);
        return OUT_UNKNOWN;
    }
    return rig_store->ops->resolve(rig_store, t, err);
}

static int64_t tasks(void)
{
    sqlite3_stmt *st;
    assert_int_equal(sqlite3_prepare_v2(sqlite_of(rig_store)->db, "SELECT count(*) FROM tasker_tasks", -1, &st, NULL), 0);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return n;
}

// The lane's next turn that has changes to commit.
static const struct turn *submitted_turn(void)
{
    for (int i = 0; i < 20; i++) {
        const struct turn *t = lane_step(r.lane, rig_now);
        rig_act(&r);
        if (!t)
            continue;
        for (size_t k = 0; k < t->change_count; k++)
            if (t->changes[k].kind == CH_TASK_INSERT)
                return t;
        rig_commit(&r, t);
        lane_outcome(r.lane, rig_now, &r.result);
    }
    fail_msg("the lane creates no task");
    return NULL;
}

static void carry_out(const struct turn *t)
{
    turn_carry_out(&network, r.lane, rig_now, t, &r.result);
    lane_outcome(r.lane, rig_now, &r.result);
    rig_act(&r);
}

static int begin(void **state)
{
    static struct store_ops ops;
    if (rig_fresh(state) < 0)
        return -1;
    ops = *rig_store->ops;
    ops.commit = commit;
    ops.resolve = resolve;
    network.ops = &ops;
    broken = 1;
    away = 0;
    refusing = false;
    tpl = rig_template(HEAD("outcome") STEP("a", "A", ""));
    rig_open(&r, "1/1");
    rig_start(&r);
    rig_worker(&r, 1, "A", 1);
    return 0;
}

static int end(void **state)
{
    rig_close(&r);
    return rig_gone(state);
}

static void a_turn_that_arrives_after_it_was_asked_for_is_not_done_twice(void **state)
{
    (void)state;
    struct turn_result late;
    turn_result_init(&late);
    size_t n = rig_submit(&r, tpl);
    const struct turn *t = submitted_turn();
    int64_t lane = t->lane;
    r.result.outcome = OUT_COMMITTED;
    carry_out(t);
    assert_int_equal(r.result.outcome, OUT_RETRY);           // nothing is there
    rig_store->ops->commit(rig_store, &on_its_way, &late);   // now it arrives
    assert_int_equal(late.outcome, OUT_FENCED);
    turn_result_done(&late);
    assert_int_equal(tasks(), 0);
    rig_now += SECOND;
    t = lane_step(r.lane, rig_now);
    assert_non_null(t);
    carry_out(t);
    assert_int_equal(r.result.outcome, OUT_COMMITTED);
    assert_true(r.told[n].answered);
    assert_int_equal(r.told[n].code, 0);
    assert_int_equal(tasks(), 1);
    assert_int_equal(t->lane, lane);
    rig_pass(&r, SECOND);
    assert_int_equal(rig_state(r.told[n].id, NULL), ST_IN_PROGRESS);
}

// What is decided again after a turn was in doubt is other rows. Were they sent under the same number, the first turn, if it
// arrives after all, would pass for them.
static void what_is_decided_again_is_not_taken_for_a_turn_that_arrives_late(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        (void)rig_submit(&r, tpl);
        rig_run(&r);
    }
    assert_true(r.lane->task_ids.total > 2); // so it can be decided again at once
    size_t n[2] = {rig_submit(&r, tpl), rig_submit(&r, tpl)};
    const struct turn *t = submitted_turn();
    r.result.outcome = OUT_COMMITTED;
    carry_out(t);
    assert_int_equal(r.result.outcome, OUT_RETRY);
    refusing = true;
    for (int i = 0; i < 20 && !(r.told[n[0]].answered && r.told[n[1]].answered); i++) {
        rig_now += SECOND;
        if ((t = lane_step(r.lane, rig_now)))
            carry_out(t);
        rig_act(&r);
    }
    assert_false(refusing);
    assert_int_equal(tasks(), 6);
    for (int i = 0; i < 2; i++) {
        assert_true(r.told[n[i]].answered);
        assert_int_equal(r.told[n[i]].code, 0);
        assert_int_equal(rig_state(r.told[n[i]].id, NULL), ST_IN_PROGRESS);
    }
}

static void a_lane_taken_over_is_fenced_also_when_its_turn_was_in_doubt(void **state)
{
    (void)state;
    rig_submit(&r, tpl);
    const struct turn *t = submitted_turn();
    r.result.outcome = OUT_COMMITTED;
    carry_out(t);
    assert_int_equal(r.result.outcome, OUT_RETRY);
    rig_sql("DELETE FROM tasker_core_lanes");
    rig_now += SECOND;
    carry_out(lane_step(r.lane, rig_now));
    assert_int_equal(r.result.outcome, OUT_FENCED);
    rig_pass(&r, SECOND);
    assert_int_equal(tasks(), 1);
}

static void a_submission_committed_unheard_by_a_lane_that_is_gone_is_one_task(void **state)
{
    (void)state;
    struct turn_result unheard;
    turn_result_init(&unheard);
    size_t n = rig_submit(&r, tpl);
    const struct turn *t = submitted_turn();
    rig_store->ops->commit(rig_store, t, &unheard);
    assert_int_equal(unheard.outcome, OUT_COMMITTED);
    turn_result_done(&unheard);
    rig_sql("DELETE FROM tasker_core_lanes");
    rig_spoilt = "queue_lane";
    r.result.outcome = OUT_COMMITTED;
    carry_out(t);
    assert_int_equal(r.result.outcome, OUT_FENCED);       // nothing can tell any more that it was committed
    rig_pass(&r, SECOND);
    assert_true(r.told[n].answered);
    assert_int_equal(r.told[n].code, 0);                  // the identity finds what is there
    assert_int_equal(tasks(), 1);
    assert_int_equal(rig_state(r.told[n].id, NULL), ST_IN_PROGRESS);
}

static void the_newest_reason_counts_while_nobody_can_be_asked(void **state)
{
    (void)state;
    rig_submit(&r, tpl);
    const struct turn *t = submitted_turn();
    r.result.outcome = OUT_COMMITTED;
    away = 3;
    for (int left = 3; left > 0; left--) {
        char why[40];
        carry_out(t);
        assert_int_equal(r.result.outcome, OUT_UNKNOWN);
        (void)snprintf(why, sizeof(why), "no connection, %d", left);
        assert_string_equal(r.result.error.message, why);
        rig_now += 2 * SECOND;
        t = lane_step(r.lane, rig_now);
        assert_non_null(t);
    }
    carry_out(t);
    assert_int_equal(r.result.outcome, OUT_COMMITTED);
    assert_int_equal(tasks(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_turn_that_arrives_after_it_was_asked_for_is_not_done_twice, begin, end),
        cmocka_unit_test_setup_teardown(what_is_decided_again_is_not_taken_for_a_turn_that_arrives_late, begin, end),
        cmocka_unit_test_setup_teardown(a_lane_taken_over_is_fenced_also_when_its_turn_was_in_doubt, begin, end),
        cmocka_unit_test_setup_teardown(a_submission_committed_unheard_by_a_lane_that_is_gone_is_one_task, begin, end),
        cmocka_unit_test_setup_teardown(the_newest_reason_counts_while_nobody_can_be_asked, begin, end),
    };
    return cmocka_run_group_tests_name("unknown outcomes", tests, NULL, NULL);
}
