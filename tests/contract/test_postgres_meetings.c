// SPDX-License-Identifier: MIT
// test_postgres_meetings.c - two that reach for the same task or lane at the same time: a claim and a claim, a claim and a
// lane that gives back, an operator and an end, a takeover and a takeover, a question and a takeover. One is a session that
// stops in the middle, so the order is the test's; each ends with one owner at most, and with no task that nobody finds.
#include "meanwhile.h"
#include "store/postgres.h"

static enum commit_outcome take_over(struct owner *o)
{
    struct turn t = {.kind = TURN_WORK, .takeover = true};
    return owner_commit(o, &t);
}

// Tasks 1 to `count`, which the owner claims.
static void own_tasks(struct world *w, struct owner *o, int count)
{
    for (int i = 1; i <= count; i++)
        seed_task(w, i, i * 10, true);
    assert_int_equal(owner_claim(o, count), count);
}

static bool stranded(struct world *w, const struct owner *o)
{
    struct poll_result r;
    poll_result_init(&r);
    look(w->b, &(struct poll_want){.lane = o->lane, .lease_us = LEASE}, o->now, &r);
    bool is = r.stranded;
    poll_result_done(&r);
    return is;
}

// The claim of task 1 by an operator at `o`, on a thread; it has to wait for a lock.
static void begin_claim(struct world *w, struct background *b, struct owner *o)
{
    *b = (struct background){.owner = o, .turn = {.kind = TURN_WORK, .claim_task = 1}};
    fill(o, &b->turn);
    background_begin(b);
    wait_until(w, WAITERS, 1);
}

static enum claim_answer end_claim(struct background *b)
{
    assert_int_equal(background_end(b), OUT_COMMITTED);
    b->owner->number++;
    return b->owner->r.claim_answer;
}

static void a_task_whose_row_is_locked_at_a_takeover_is_freed_by_the_next(void **state)
{
    struct world *w = *state;
    struct owner dead, o;
    owner_begin(&dead, w->a, T0);
    own_tasks(w, &dead, 2);
    owner_begin(&o, w->b, T0 + 2 * LEASE);
    PGconn *c = postgres_session(w->uri);
    postgres_run(c, "BEGIN; SELECT 1 FROM tasker_core_active WHERE task_id = 1 FOR UPDATE");
    assert_int_equal(take_over(&o), OUT_COMMITTED);
    assert_int_equal(o.r.taken_over, 1);
    assert_int_equal(owner_claim(&o, 10), 1);
    assert_int_equal(o.r.claimed[0], 2);
    assert_true(stranded(w, &o)); // so that it is not forgotten
    postgres_run(c, "COMMIT");
    assert_int_equal(take_over(&o), OUT_COMMITTED);
    assert_false(stranded(w, &o));
    assert_int_equal(owner_claim(&o, 10), 1);
    assert_int_equal(o.r.claimed[0], 1);
    PQfinish(c);
    owner_end(&dead);
    owner_end(&o);
}

static void two_takeovers_at_once_free_each_task_once(void **state)
{
    struct world *w = *state;
    struct owner dead, o;
    struct script s = {0};
    owner_begin(&dead, w->a, T0);
    own_tasks(w, &dead, 1);
    script_row(&s, CH_STEP_ROW, 10, ST_PENDING, ST_IN_PROGRESS, 10, T0, "{}");
    assert_int_equal(owner_write(&dead, &s), OUT_COMMITTED);
    owner_begin(&o, w->b, T0 + 2 * LEASE);
    PGconn *c = postgres_session(w->uri);
    postgres_run(c, "BEGIN; SELECT tasker_core_take_over(0, %lld, '{}')", (long long)o.now);
    assert_int_equal(take_over(&o), OUT_COMMITTED); // it does not wait
    assert_int_equal(o.r.taken_over, 0);
    assert_int_equal(owner_claim(&o, 10), 0);
    postgres_run(c, "COMMIT");
    assert_int_equal(take_over(&o), OUT_COMMITTED);
    assert_int_equal(o.r.taken_over, 0);
    assert_int_equal(ask_number(w, "SELECT crashes FROM tasker_core_active"), 1);
    assert_int_equal(owner_claim(&o, 10), 1);
    PQfinish(c);
    owner_end(&dead);
    owner_end(&o);
}

static void tasks_that_a_lane_is_giving_back_are_claimed_once_it_is_gone(void **state)
{
    struct world *w = *state;
    struct owner leaving, o;
    struct background b;
    owner_begin(&leaving, w->a, T0);
    own_tasks(w, &leaving, 3);
    owner_begin(&o, w->b, T0);
    PGconn *c = postgres_session(w->uri);
    postgres_run(c, "BEGIN; SELECT tasker_core_fence(%lld, %lld, %lld, %lld, 1000)", (long long)leaving.lane,
                 (long long)leaving.number + 1, (long long)(T0 + LEASE), (long long)LEASE);
    postgres_run(c, "UPDATE tasker_core_active SET lane_id = NULL; DELETE FROM tasker_core_lanes WHERE lane_id = %lld",
                 (long long)leaving.lane);
    assert_int_equal(owner_claim(&o, 10), 0); // not yet, and it does not wait
    begin_claim(w, &b, &o);
    postgres_run(c, "COMMIT");
    assert_int_equal(end_claim(&b), CLAIM_TAKEN);
    assert_int_equal(owner_claim(&o, 10), 2);
    assert_int_equal(owner_write(&leaving, &(struct script){0}), OUT_FENCED);
    assert_int_equal(ask_number(w, "SELECT count(*) FROM tasker_core_active WHERE suspect"), 0); // a clean end
    PQfinish(c);
    owner_end(&leaving);
    owner_end(&o);
}

static void an_operators_claim_waits_for_another_claim_and_learns_who_has_the_task(void **state)
{
    struct world *w = *state;
    struct owner first, o;
    struct background b;
    static const char *const ends[] = {"ROLLBACK", "COMMIT"};
    for (int commits = 0; commits < 2; commits++) {
        postgres_backend.run(w->uri, "DELETE FROM tasker_core_active; DELETE FROM tasker_core_lanes");
        seed_task(w, 1 + commits, 10 + commits * 10, false);
        postgres_backend.run(w->uri, "UPDATE tasker_core_active SET task_id = 1");
        owner_begin(&first, w->a, T0);
        owner_begin(&o, w->b, T0);
        PGconn *c = postgres_session(w->uri);
        postgres_run(c, "BEGIN; SELECT * FROM tasker_core_claim(%lld, %lld, 5)", (long long)first.lane, (long long)T0);
        begin_claim(w, &b, &o);
        postgres_run(c, "%s", ends[commits]);
        assert_int_equal(end_claim(&b), commits ? CLAIM_OWNED_BY_OTHER : CLAIM_TAKEN);
        assert_int_equal(o.r.claim_owner, commits ? first.lane : 0);
        assert_int_equal(ask_number(w, "SELECT lane_id FROM tasker_core_active"), commits ? first.lane : o.lane);
        PQfinish(c);
        owner_end(&first);
        owner_end(&o);
    }
}

// The task ends while an operator reaches for it: there is no row to claim any more, so one is made, once.
static void an_operators_claim_that_meets_the_tasks_end_takes_the_finished_task(void **state)
{
    struct world *w = *state;
    struct owner first, o;
    struct background b;
    owner_begin(&first, w->a, T0);
    own_tasks(w, &first, 1);
    postgres_backend.run(w->uri, "UPDATE tasker_task_transitions SET metadata = '{\"engine\":\"e\"}'");
    owner_begin(&o, w->b, T0);
    PGconn *c = postgres_session(w->uri);
    postgres_run(c, "BEGIN; DELETE FROM tasker_core_active WHERE task_id = 1");
    begin_claim(w, &b, &o);
    postgres_run(c, "COMMIT");
    assert_int_equal(end_claim(&b), CLAIM_TAKEN);
    assert_int_equal(ask_number(w, "SELECT lane_id FROM tasker_core_active"), o.lane);
    PQfinish(c);
    owner_end(&first);
    owner_end(&o);
}

static void of_two_operators_that_reach_for_a_finished_task_one_gets_it(void **state)
{
    struct world *w = *state;
    struct owner first, o;
    struct background b;
    seed_task(w, 1, 10, true);
    postgres_backend.run(w->uri, "UPDATE tasker_task_transitions SET metadata = '{\"engine\":\"e\"}'; DELETE FROM tasker_core_active");
    owner_begin(&first, w->a, T0);
    owner_begin(&o, w->b, T0);
    PGconn *c = postgres_session(w->uri);
    postgres_run(c, "BEGIN; SELECT * FROM tasker_core_claim_task(1, %lld, %lld, 2)", (long long)first.lane, (long long)T0);
    begin_claim(w, &b, &o);
    postgres_run(c, "COMMIT");
    assert_int_equal(end_claim(&b), CLAIM_OWNED_BY_OTHER);
    assert_int_equal(o.r.claim_owner, first.lane);
    assert_int_equal(ask_number(w, "SELECT lane_id FROM tasker_core_active"), first.lane);
    PQfinish(c);
    owner_end(&first);
    owner_end(&o);
}

// Who asks what became of its turn waits for the takeover that is deleting its row, and is told how that ended.
static void a_question_about_a_turn_waits_for_the_takeover_that_it_meets(void **state)
{
    struct world *w = *state;
    struct owner slow;
    static const char *const ends[] = {"ROLLBACK", "COMMIT"};
    owner_begin(&slow, w->a, T0);
    for (int taken = 0; taken < 2; taken++) {
        PGconn *c = postgres_session(w->uri);
        postgres_run(c, "BEGIN; SELECT tasker_core_take_over(0, %lld, '{}')", (long long)(T0 + 2 * LEASE));
        struct background b = {.owner = &slow, .turn = {.kind = TURN_WORK}, .resolve = true};
        fill(&slow, &b.turn);
        background_begin(&b);
        wait_until(w, WAITERS, 1);
        postgres_run(c, "%s", ends[taken]);
        assert_int_equal(background_end(&b), taken ? OUT_FENCED : OUT_RETRY);
        slow.number += 2;
        PQfinish(c);
    }
    owner_end(&slow);
}

#define ID_TAKEN                                                                                                      \
    "SELECT least((SELECT last_value FROM tasker_tasks_task_id_seq), (SELECT last_value FROM "                        \
    "tasker_workflow_steps_workflow_step_id_seq), (SELECT last_value * 100 FROM tasker_core_lanes_lane_id_seq))"

// A standby that had not heard of the last turns has taken over: the row's number is lower than any that could be explained
// by a turn that was lost. The lane is fenced and told why; a number that fits is no such thing. The ids that the lost turns
// took are never given again.
static void a_database_that_went_back_in_time_is_recognised(void **state)
{
    struct world *w = *state;
    struct owner o;
    static const struct {
        int64_t number; // of the row, -1: none. The lane asks for turn 4.
        enum commit_outcome committed, resolved;
        bool back;
    } rows[] = {
        {3, OUT_COMMITTED, OUT_COMMITTED, false},
        {4, OUT_FENCED, OUT_COMMITTED, false},
        {2, OUT_FENCED, OUT_FENCED, true},
        {-1, OUT_FENCED, OUT_FENCED, false},
    };
    owner_begin(&o, w->a, T0);
    struct turn t = {.kind = TURN_WORK};
    o.number = 3;
    fill(&o, &t);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (rows[i].number < 0)
            postgres_backend.run(w->uri, "DELETE FROM tasker_core_lanes");
        else
            (void)world_number(w, "WITH u AS (UPDATE tasker_core_lanes SET turn = %lld RETURNING 1) SELECT count(*) FROM u",
                               (long long)rows[i].number);
        int64_t taken = world_number(w, ID_TAKEN);
        w->a->ops->commit(w->a, &t, &o.r);
        assert_int_equal(o.r.outcome, rows[i].committed);
        assert_int_equal(world_number(w, ID_TAKEN) - taken > 99000, rows[i].back);
        assert_int_equal(w->a->went_back, rows[i].back);
        assert_int_equal(rows[i].back, o.r.error.code == TASKER_E_STALE && strstr(o.r.error.message, "back in time") != NULL);
        tasker_error why = {0};
        assert_int_equal(w->a->ops->resolve(w->a, &t, &why), rows[i].resolved);
        assert_int_equal(w->a->went_back, rows[i].back);
        assert_int_equal(rows[i].back, strstr(why.message, "back in time") != NULL);
        assert_int_equal(why.code, rows[i].resolved == OUT_FENCED ? TASKER_E_STALE : 0);
    }
    owner_end(&o);
}

// As after a failover: the connection is lost, and the next one is to a database of another history.
static void break_history(struct world *w, struct store *s)
{
    postgres_backend.run(w->uri, "UPDATE tasker_core_meta SET value = '1/1/00000001' WHERE key = 'history'");
    postgres_disconnect(postgres_of(s));
}

static void whoever_comes_first_after_a_failover_leaves_out_the_ids_that_may_be_lost(void **state)
{
    struct world *w = *state;
    struct owner o, other;
    owner_begin(&o, w->a, T0);
    int64_t taken = world_number(w, ID_TAKEN);
    assert_in_range(taken, 0, 1000); // a database's first history takes nothing with it
    break_history(w, w->a);
    assert_int_equal(owner_write(&o, &(struct script){0}), OUT_COMMITTED); // a lane that has lost nothing itself
    assert_in_range(world_number(w, ID_TAKEN) - taken, 99000, 101000);
    break_history(w, w->b);
    owner_begin(&other, w->b, T0); // one that is new
    assert_true(other.lane > o.lane + 2000);
    assert_in_range(world_number(w, ID_TAKEN) - taken, 199000, 202000);
    owner_end(&o);
    owner_end(&other);
}

static void ids_are_left_out_once_for_each_failover(void **state)
{
    struct world *w = *state;
    struct owner o, other;
    struct turn ids = {.kind = TURN_WORK, .want_task_ids = 5, .want_step_ids = 5};
    owner_begin(&o, w->a, T0);
    break_history(w, w->a);
    assert_int_equal(owner_commit(&o, &ids), OUT_COMMITTED);
    int64_t taken = world_number(w, ID_TAKEN);
    postgres_disconnect(postgres_of(w->a));
    assert_int_equal(owner_commit(&o, &ids), OUT_COMMITTED);
    owner_begin(&other, w->b, T0);
    assert_int_equal(owner_commit(&other, &ids), OUT_COMMITTED);
    assert_in_range(world_number(w, ID_TAKEN) - taken, 0, 1000);
    owner_end(&o);
    owner_end(&other);
}

// Two find it at once: the second waits for the first, and takes its ids behind those that were left out.
static void ids_are_not_taken_while_another_is_leaving_some_out(void **state)
{
    struct world *w = *state;
    struct owner o;
    char history[64], sql[200];
    owner_begin(&o, w->a, T0);
    postgres_ask(w->uri, "SELECT value FROM tasker_core_meta WHERE key = 'history'", history, sizeof(history));
    break_history(w, w->a);
    int64_t taken = world_number(w, ID_TAKEN);
    PGconn *c = postgres_session(w->uri);
    (void)snprintf(sql, sizeof(sql), "UPDATE tasker_core_meta SET value = '%s' WHERE key = 'history'", history);
    postgres_run(c, "BEGIN; %s", sql);
    struct background b = {.owner = &o, .turn = {.kind = TURN_WORK, .want_task_ids = 5}};
    fill(&o, &b.turn);
    background_begin(&b);
    wait_until(w, WAITERS, 1);
    postgres_run(c, "SELECT count(nextval('tasker_tasks_task_id_seq')) FROM generate_series(1, 100); COMMIT");
    assert_int_equal(background_end(&b), OUT_COMMITTED);
    assert_true(o.r.task_ids[0].first > 100);
    assert_in_range(world_number(w, ID_TAKEN) - taken, 0, 1000);
    PQfinish(c);
    owner_end(&o);
}

// Its registration may be what was lost, or it was taken over while it could not connect: either way it is told, and it can not
// be told apart from any other takeover in the same history.
static void a_lane_that_is_gone_after_a_failover_is_told_of_the_failover(void **state)
{
    struct world *w = *state;
    struct owner o;
    struct postgres *p = postgres_of(w->a);
    struct turn t = {.kind = TURN_WORK}, retire = {.kind = TURN_RETIRE};
    for (int broken = 0; broken < 2; broken++) {
        owner_begin(&o, w->a, T0);
        postgres_backend.run(w->uri, "DELETE FROM tasker_core_lanes");
        if (broken)
            (void)snprintf(p->written, sizeof(p->written), "1/1/00000001");
        fill(&o, &t);
        w->a->ops->commit(w->a, &t, &o.r);
        assert_int_equal(o.r.outcome, OUT_FENCED);
        assert_int_equal(o.r.error.code, TASKER_E_STALE);
        assert_int_equal(w->a->went_back, broken);
        assert_int_equal(strstr(o.r.error.message, "failover") != NULL, broken);
        tasker_error why = {0};
        assert_int_equal(w->a->ops->resolve(w->a, &t, &why), OUT_FENCED);
        assert_int_equal(w->a->went_back, broken);
        assert_int_equal(strstr(why.message, "failover") != NULL, broken);
        fill(&o, &retire);
        assert_int_equal(w->a->ops->resolve(w->a, &retire, &why), OUT_COMMITTED); // it wanted to be gone
        assert_false(w->a->went_back);
        owner_end(&o);
    }
}

int main(void)
{
#define MEETING(f) cmocka_unit_test_setup_teardown(f, world_begin, world_end)
    static const struct CMUnitTest tests[] = {
        MEETING(a_task_whose_row_is_locked_at_a_takeover_is_freed_by_the_next),
        MEETING(two_takeovers_at_once_free_each_task_once),
        MEETING(tasks_that_a_lane_is_giving_back_are_claimed_once_it_is_gone),
        MEETING(an_operators_claim_waits_for_another_claim_and_learns_who_has_the_task),
        MEETING(an_operators_claim_that_meets_the_tasks_end_takes_the_finished_task),
        MEETING(of_two_operators_that_reach_for_a_finished_task_one_gets_it),
        MEETING(a_question_about_a_turn_waits_for_the_takeover_that_it_meets),
        MEETING(a_database_that_went_back_in_time_is_recognised),
        MEETING(whoever_comes_first_after_a_failover_leaves_out_the_ids_that_may_be_lost),
        MEETING(ids_are_left_out_once_for_each_failover),
        MEETING(ids_are_not_taken_while_another_is_leaving_some_out),
        MEETING(a_lane_that_is_gone_after_a_failover_is_told_of_the_failover),
    };
    contract_use(&postgres_backend);
    return postgres_clean(cmocka_run_group_tests_name("postgresql, meetings", tests, NULL, NULL));
}
