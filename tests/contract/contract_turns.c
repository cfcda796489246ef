// SPDX-License-Identifier: MIT
// contract_turns.c - turns as transactions: the fence, ids, outcomes, and what remains of a turn
// that was not committed.
#include "contract.h"

static void owner_that_was_taken_over_is_fenced_and_writes_nothing(void **state)
{
    struct world *w = *state;
    struct owner sleeper, other;
    struct script s = {0};
    owner_begin(&sleeper, w->a, T0);
    owner_begin(&other, w->b, T0);
    script_task(w, &s, 1001, 2001, true);
    assert_int_equal(owner_write(&sleeper, &s), OUT_COMMITTED);

    other.now = T0 + LEASE + 2;
    struct turn takeover = {.kind = TURN_WORK, .takeover = true, .claim_limit = 5};
    assert_int_equal(owner_commit(&other, &takeover), OUT_COMMITTED);
    assert_int_equal(other.r.taken_over, 1);
    assert_int_equal(other.r.claimed_count, 1);
    assert_int_equal(other.r.claimed[0], 1001);

    struct script late = {0};
    script_start(w, &late, 1001, T0);
    script_task(w, &late, 1002, 2010, true);
    struct turn all = {.kind = TURN_WORK,
                       .changes = late.list,
                       .change_count = late.count,
                       .claim_limit = 5,
                       .want_task_ids = 10};
    sleeper.now = T0 + LEASE + 3;
    assert_int_equal(owner_commit(&sleeper, &all), OUT_FENCED);
    assert_int_equal(sleeper.r.error.code, TASKER_E_STALE);
    assert_int_equal(sleeper.r.claimed_count, 0);
    assert_int_equal(sleeper.r.task_id_ranges, 0);
    assert_int_equal(world_number(w, "SELECT count(*) FROM tasker_tasks"), 1);
    assert_int_equal(world_number(w, "SELECT count(*) FROM tasker_task_transitions"), 0);
    assert_int_equal(world_number(w, "SELECT lane_id FROM tasker_core_active WHERE task_id = 1001"),
                     other.lane);
    assert_int_equal(owner_write(&sleeper, &(struct script){0}), OUT_FENCED);
    owner_end(&sleeper);
    owner_end(&other);
}

static void fence_takes_only_the_next_turn(void **state)
{
    struct world *w = *state;
    struct owner o;
    struct script none = {0};
    owner_begin(&o, w->a, T0);
    assert_int_equal(owner_write(&o, &none), OUT_COMMITTED);
    o.number = 0; // the same turn once more
    assert_int_equal(owner_write(&o, &none), OUT_FENCED);
    o.number = 2; // one was left out
    assert_int_equal(owner_write(&o, &none), OUT_FENCED);
    o.number = 1;
    assert_int_equal(owner_write(&o, &none), OUT_COMMITTED);
    owner_end(&o);
}

static void every_turn_renews_the_lease(void **state)
{
    struct world *w = *state;
    struct owner o;
    struct script none = {0};
    owner_begin(&o, w->a, T0);
    o.now = T0 + 5 * SECOND;
    assert_int_equal(owner_write(&o, &none), OUT_COMMITTED);
    assert_int_equal(world_number(w,
                                  "SELECT expires_at FROM tasker_core_lanes WHERE lane_id = %lld",
                                  (long long)o.lane),
                     T0 + 5 * SECOND + LEASE);
    owner_end(&o);
}

static void takeover_spares_our_own_lane_and_those_that_are_alive(void **state)
{
    struct world *w = *state;
    struct owner o, alive;
    owner_begin(&o, w->a, T0);
    owner_begin(&alive, w->b, T0 + 20 * SECOND);
    o.now = T0 + LEASE + SECOND; // our own lease has run out, but nobody has noticed
    int64_t own = o.lane;
    struct turn t = {.kind = TURN_WORK, .takeover = true, .dead_lanes = &own, .dead_lane_count = 1};
    assert_int_equal(owner_commit(&o, &t), OUT_COMMITTED);
    assert_int_equal(o.r.taken_over, 0);
    assert_int_equal(world_number(w, "SELECT count(*) FROM tasker_core_lanes"), 2);
    owner_end(&o);
    owner_end(&alive);
}

static void lanes_known_to_be_dead_are_taken_over_before_they_expire(void **state)
{
    struct world *w = *state;
    struct owner o, dead;
    struct script s = {0};
    owner_begin(&o, w->a, T0);
    owner_begin(&dead, w->b, T0);
    script_task(w, &s, 1, 1, true);
    assert_int_equal(owner_write(&dead, &s), OUT_COMMITTED);
    struct turn t = {
        .kind = TURN_WORK, .dead_lanes = &dead.lane, .dead_lane_count = 1, .claim_limit = 1};
    assert_int_equal(owner_commit(&o, &t), OUT_COMMITTED);
    assert_int_equal(o.r.taken_over, 1);
    assert_int_equal(o.r.claimed_count, 1);
    assert_int_equal(owner_write(&dead, &(struct script){0}), OUT_FENCED);
    owner_end(&o);
    owner_end(&dead);
}

static void lane_ids_are_never_used_twice(void **state)
{
    struct world *w = *state;
    struct owner first, second;
    owner_begin(&first, w->a, T0);
    struct turn t = {.kind = TURN_RETIRE};
    assert_int_equal(owner_commit(&first, &t), OUT_COMMITTED);
    assert_int_equal(world_number(w, "SELECT count(*) FROM tasker_core_lanes"), 0);
    owner_begin(&second, w->b, T0);
    assert_true(second.lane > first.lane);
    owner_end(&first);
    owner_end(&second);
}

static void reserved_ids_are_disjoint_and_never_come_back(void **state)
{
    struct world *w = *state;
    struct owner x, y;
    owner_begin(&x, w->a, T0);
    owner_begin(&y, w->b, T0);
    struct turn t = {.kind = TURN_WORK, .want_task_ids = 100, .want_step_ids = 7};
    assert_int_equal(owner_commit(&x, &t), OUT_COMMITTED);
    assert_true(x.r.task_id_ranges >= 1 && x.r.step_id_ranges >= 1);
    int64_t first = x.r.task_ids[0].first, last = x.r.task_ids[x.r.task_id_ranges - 1].last;
    int64_t last_step = x.r.step_ids[x.r.step_id_ranges - 1].last;
    assert_true(first > 0);
    assert_int_equal(last - first + 1, 100);
    assert_int_equal(owner_commit(&y, &t), OUT_COMMITTED);
    assert_true(y.r.task_ids[0].first > last);
    assert_true(y.r.step_ids[0].first > last_step);

    // The last rows are used, deleted, and the ids behind them stay spent.
    int64_t top = y.r.task_ids[0].last;
    struct script s = {0};
    script_task(w, &s, top, y.r.step_ids[0].first, true);
    assert_int_equal(owner_write(&y, &s), OUT_COMMITTED);
    (*contract_backend)
        ->run(w->uri, "DELETE FROM tasker_workflow_step_edges; DELETE FROM tasker_workflow_steps; "
                      "DELETE FROM tasker_tasks; DELETE FROM tasker_core_active");
    assert_int_equal(owner_commit(&x, &t), OUT_COMMITTED);
    assert_true(x.r.task_ids[0].first > top);
    owner_end(&x);
    owner_end(&y);
}

static void transition_ids_are_never_used_twice(void **state)
{
    struct world *w = *state;
    struct script s = {0};
    script_task(w, &s, 1, 1, false);
    script_start(w, &s, 1, T0);
    plain_write(w->a, &s, T0);
    int64_t id = world_number(w, "SELECT max(id) FROM tasker_task_transitions");
    (*contract_backend)->run(w->uri, "DELETE FROM tasker_task_transitions");
    struct script again = {0};
    script_start(w, &again, 1, T0);
    plain_write(w->a, &again, T0);
    assert_true(world_number(w, "SELECT max(id) FROM tasker_task_transitions") > id);
}

static void duplicate_is_refused_with_the_first_id_and_nothing_else_is_written(void **state)
{
    struct world *w = *state;
    struct owner o;
    struct script first = {0}, second = {0};
    owner_begin(&o, w->a, T0);
    script_task(w, &first, 77, 1, true);
    assert_int_equal(owner_write(&o, &first), OUT_COMMITTED);
    script_task(w, &second, 78, 11, true);
    size_t culprit = second.count;
    script_task(w, &second, 79, 21, true);
    second.list[culprit].task.identity = SPAN("task-77");
    struct turn t = {.kind = TURN_WORK,
                     .changes = second.list,
                     .change_count = second.count,
                     .want_task_ids = 5};
    assert_int_equal(owner_commit(&o, &t), OUT_REFUSED);
    assert_int_equal(o.r.culprit, culprit);
    assert_int_equal(o.r.existing_task_id, 77);
    assert_int_equal(o.r.error.code, TASKER_E_DUPLICATE);
    assert_int_equal(o.r.task_id_ranges, 0);
    assert_int_equal(world_number(w, "SELECT count(*) FROM tasker_tasks"), 1);
    assert_int_equal(world_number(w, "SELECT count(*) FROM tasker_workflow_steps"), 3);
    assert_int_equal(world_number(w, "SELECT turn FROM tasker_core_lanes"), 1);
    owner_end(&o);
}

static void duplicate_inside_one_turn_has_no_culprit_yet(void **state)
{
    struct world *w = *state;
    struct owner o;
    struct script s = {0};
    owner_begin(&o, w->a, T0);
    script_task(w, &s, 1, 1, true);
    size_t twin = s.count;
    script_task(w, &s, 2, 11, true);
    s.list[twin].task.identity = SPAN("task-1");
    assert_int_equal(owner_write(&o, &s), OUT_REFUSED);
    assert_int_equal(o.r.culprit, -1);
    assert_int_equal(o.r.existing_task_id, 0);
    assert_int_equal(world_number(w, "SELECT count(*) FROM tasker_tasks"), 0);
    owner_end(&o);
}

// What must be there is not, or what must not be is: the change that found out is named.
static void rows_that_differ_from_memory_refuse_the_turn(void **state)
{
    struct world *w = *state;
    struct owner o;
    struct script base = {0};
    owner_begin(&o, w->a, T0);
    script_task(w, &base, 1, 1, true);
    script_start(w, &base, 1, T0);
    assert_int_equal(owner_write(&o, &base), OUT_COMMITTED);

    for (int i = 0; i < 7; i++) {
        struct script s = {0};
        script_add(&s, CH_LANE_CLASSES)->lane.classes = SPAN("[\"A\"]");
        switch (i) {
        case 0: // somebody else wrote the next row
            script_row(&s, CH_TASK_ROW, 1, ST_PENDING, ST_IN_PROGRESS, 10, T0, NULL);
            break;
        case 1: // a current row that is to be ended is not there
            script_row(&s, CH_STEP_ROW, 2, ST_IN_PROGRESS, ST_COMPLETE, 20, T0, NULL);
            break;
        case 2: // a second current row
            script_row(&s, CH_TASK_ROW, 1, ST_IN_PROGRESS, ST_COMPLETE, 20, T0, NULL);
            s.list[1].row.flip = false;
            break;
        case 3:
            script_add(&s, CH_STEP_UPDATE)->step_update.step_id = 99;
            break;
        case 4:
            script_add(&s, CH_ACTIVE_DELETE)->active.task_id = 99;
            break;
        case 5:
            script_add(&s, CH_TASK_COMPLETE)->complete.task_id = 99;
            break;
        default: // a step of no task
            script_add(&s, CH_STEP_INSERT)->step.step_id = 98;
            s.list[1].step.named_step_id = w->tpl->named_step_ids[0];
        }
        assert_int_equal(owner_write(&o, &s), OUT_REFUSED);
        assert_int_equal(o.r.culprit, 1);
        assert_int_equal(o.r.existing_task_id, 0);
    }
    assert_int_equal(world_number(w, "SELECT count(*) FROM tasker_core_lanes WHERE classes = '[]'"),
                     1);
    assert_int_equal(world_number(w, "SELECT count(*) FROM tasker_task_transitions"), 1);
    owner_end(&o);
}

static void unknown_outcome_is_resolved_by_the_lanes_turn(void **state)
{
    struct world *w = *state;
    struct owner o, other;
    struct script none = {0};
    const struct store_ops *ops = w->a->ops;
    owner_begin(&o, w->a, T0);
    owner_begin(&other, w->b, T0 + LEASE + 10);
    assert_int_equal(owner_write(&o, &none), OUT_COMMITTED);
    assert_int_equal(owner_write(&o, &none), OUT_COMMITTED);
    struct turn t = {.kind = TURN_WORK, .lane = o.lane, .now = T0, .lease_us = LEASE};
    t.number = 2;
    assert_int_equal(ops->resolve(w->b, &t, NULL), OUT_COMMITTED);
    t.number = 4; // the database is behind what it has answered: it went back in time
    assert_int_equal(ops->resolve(w->b, &t, NULL), OUT_FENCED);
    t.number = 3;
    assert_int_equal(ops->resolve(w->b, &t, NULL), OUT_RETRY);
    assert_int_equal(ops->resolve(w->b, &t, NULL), OUT_RETRY); // the answer may be lost, too
    t.kind = TURN_RETIRE;
    t.number = 5;
    assert_int_equal(ops->resolve(w->b, &t, NULL), OUT_RETRY);
    struct turn takeover = {.kind = TURN_WORK, .takeover = true};
    assert_int_equal(owner_commit(&other, &takeover), OUT_COMMITTED);
    assert_int_equal(ops->resolve(w->b, &t, NULL), OUT_COMMITTED); // it wanted to be gone
    t.kind = TURN_WORK;
    assert_int_equal(ops->resolve(w->b, &t, NULL), OUT_FENCED);
    owner_end(&o);
    owner_end(&other);
}

// Whoever was told that its turn is not there may decide otherwise: the turn must not appear after all.
static void a_turn_that_was_found_not_committed_never_is(void **state)
{
    struct world *w = *state;
    struct owner o;
    struct script s = {0}, none = {0};
    owner_begin(&o, w->a, T0);
    script_task(w, &s, 1, 1, true);
    struct turn t = {.kind = TURN_WORK, .lane = o.lane, .number = 1, .now = T0, .lease_us = LEASE};
    t.changes = s.list;
    t.change_count = s.count;
    assert_int_equal(w->a->ops->resolve(w->a, &t, NULL), OUT_RETRY);
    w->b->ops->commit(w->b, &t, &o.r); // the first, late
    assert_int_equal(o.r.outcome, OUT_FENCED);
    t.number = 2;
    w->b->ops->commit(w->b, &t, &o.r);
    assert_int_equal(o.r.outcome, OUT_FENCED); // nobody has that number
    assert_int_equal(world_number(w, "SELECT count(*) FROM tasker_tasks"), 0);
    o.number = 2;
    assert_int_equal(owner_write(&o, &none), OUT_COMMITTED);
    assert_int_equal(owner_write(&o, &s), OUT_COMMITTED);
    owner_end(&o);
}

static void a_failed_allocation_is_a_retry_that_wrote_nothing(void **state)
{
    struct world *w = *state;
    struct owner o;
    struct script seed = {0}, s = {0};
    owner_begin(&o, w->a, T0);
    script_task(w, &seed, 900, 900, false);
    plain_write(w->b, &seed, T0);
    script_task(w, &s, 1, 1, true);
    script_add(&s, CH_REQUEST_INSERT)->request.task_id = 1;
    s.list[s.count - 1].request.body = SPAN("{}");
    struct turn t = {.kind = TURN_WORK,
                     .changes = s.list,
                     .change_count = s.count,
                     .claim_limit = 4,
                     .want_task_ids = 1,
                     .want_step_ids = 1};
    bool committed = false;
    for (uint64_t n = 1; !committed; n++) {
        turn_result_done(&o.r);
        mem_fail_after(n);
        enum commit_outcome outcome = owner_commit(&o, &t);
        bool failed = mem_failed();
        mem_fail_after(0);
        committed = outcome == OUT_COMMITTED;
        assert_true(failed ? outcome == OUT_RETRY : committed);
        assert_int_equal(world_number(w, "SELECT count(*) FROM tasker_tasks"), committed ? 2 : 1);
    }
    assert_int_equal(o.r.claimed_count, 1);
    assert_int_equal(o.r.request_count, 1);
    owner_end(&o);
}

const struct CMUnitTest contract_turn_tests[] = {
    CONTRACT_TEST(owner_that_was_taken_over_is_fenced_and_writes_nothing),
    CONTRACT_TEST(fence_takes_only_the_next_turn),
    CONTRACT_TEST(every_turn_renews_the_lease),
    CONTRACT_TEST(takeover_spares_our_own_lane_and_those_that_are_alive),
    CONTRACT_TEST(lanes_known_to_be_dead_are_taken_over_before_they_expire),
    CONTRACT_TEST(lane_ids_are_never_used_twice),
    CONTRACT_TEST(reserved_ids_are_disjoint_and_never_come_back),
    CONTRACT_TEST(transition_ids_are_never_used_twice),
    CONTRACT_TEST(duplicate_is_refused_with_the_first_id_and_nothing_else_is_written),
    CONTRACT_TEST(duplicate_inside_one_turn_has_no_culprit_yet),
    CONTRACT_TEST(rows_that_differ_from_memory_refuse_the_turn),
    CONTRACT_TEST(unknown_outcome_is_resolved_by_the_lanes_turn),
    CONTRACT_TEST(a_turn_that_was_found_not_committed_never_is),
    CONTRACT_TEST(a_failed_allocation_is_a_retry_that_wrote_nothing),
    CONTRACT_END,
};
