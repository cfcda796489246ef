// SPDX-License-Identifier: MIT
// contract_claims.c - who owns a task: claims against claims, takeover and its crash counts,
// retiring, operators' claims.
#include <pthread.h>

#include "contract.h"

static void put_tasks(struct world *w, int64_t first, int count)
{
    for (int i = 0; i < count; i++) {
        struct script s = {0};
        script_task(w, &s, first + i, (first + i) * 10, false);
        plain_write(w->a, &s, T0);
    }
}

static void claims_in_turn_are_disjoint_and_lose_nothing(void **state)
{
    struct world *w = *state;
    struct owner x, y;
    bool seen[20] = {false};
    size_t total = 0;
    put_tasks(w, 1, 20);
    owner_begin(&x, w->a, T0);
    owner_begin(&y, w->b, T0);
    for (int round = 0; round < 12; round++) {
        struct owner *o = round % 2 ? &x : &y;
        size_t n = owner_claim(o, 3);
        for (size_t i = 0; i < n; i++) {
            assert_false(seen[o->r.claimed[i] - 1]);
            seen[o->r.claimed[i] - 1] = true;
        }
        total += n;
    }
    assert_int_equal(total, 20);
    owner_end(&x);
    owner_end(&y);
}

struct claimer {
    struct store *store;
    int64_t got[64];
    size_t count;
    bool failed;
};

static void *claim_until_empty(void *user)
{
    struct claimer *c = user;
    struct turn_result r;
    int64_t number = 0;
    struct turn t = {.kind = TURN_REGISTER, .now = T0, .lease_us = LEASE};
    turn_result_init(&r);
    c->store->ops->commit(c->store, &t, &r);
    t = (struct turn){
        .kind = TURN_WORK, .lane = r.lane, .now = T0, .lease_us = LEASE, .claim_limit = 1};
    do {
        t.number = ++number;
        c->store->ops->commit(c->store, &t, &r);
        c->failed = c->failed || r.outcome != OUT_COMMITTED;
        if (r.claimed_count == 1)
            c->got[c->count++] = r.claimed[0];
    } while (r.claimed_count == 1 && c->count < 64);
    turn_result_done(&r);
    return NULL;
}

static void claims_at_the_same_time_are_disjoint_and_lose_nothing(void **state)
{
    struct world *w = *state;
    struct claimer c[2] = {{.store = w->a}, {.store = w->b}};
    pthread_t threads[2];
    bool seen[40] = {false};
    put_tasks(w, 1, 40);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, claim_until_empty, &c[i]), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(c[0].count + c[1].count, 40);
    for (int i = 0; i < 2; i++) {
        assert_false(c[i].failed);
        for (size_t k = 0; k < c[i].count; k++) {
            assert_false(seen[c[i].got[k] - 1]);
            seen[c[i].got[k] - 1] = true;
        }
    }
}

static void claims_go_by_priority_then_id_and_wait_for_their_time(void **state)
{
    struct world *w = *state;
    static const uint8_t priorities[] = {PRIO_LOW, PRIO_NORMAL, PRIO_CRITICAL, PRIO_NORMAL,
                                         PRIO_HIGH};
    static const int64_t expected[] = {5, 2, 4, 1};
    struct owner o;
    for (int i = 0; i < 5; i++) {
        struct script s = {0};
        script_task(w, &s, i + 1, (i + 1) * 10, false);
        s.list[1].active.priority = priorities[i];
        s.list[1].active.run_at = i == 2 ? T0 + 5 * SECOND : T0;
        plain_write(w->a, &s, T0);
    }
    owner_begin(&o, w->b, T0);
    assert_int_equal(owner_claim(&o, 3), 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(o.r.claimed[i], expected[i]);
    assert_int_equal(owner_claim(&o, 3), 1);
    assert_int_equal(o.r.claimed[0], expected[3]);
    o.now = T0 + 5 * SECOND;
    assert_int_equal(owner_claim(&o, 3), 1);
    assert_int_equal(o.r.claimed[0], 3);
    owner_end(&o);
}

static void a_long_queue_is_claimed_from_its_head(void **state)
{
    struct world *w = *state;
    struct owner o;
    (*contract_backend)
        ->run(w->uri,
              "INSERT INTO tasker_core_active(task_id, priority, run_at, crashes, suspect, "
              "template_id) "
              "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500) "
              "SELECT i, i % 4, 0, 0, FALSE, 1 FROM n");
    owner_begin(&o, w->b, T0);
    assert_int_equal(owner_claim(&o, 3), 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(o.r.claimed[i], (i + 1) * 4);
    assert_int_equal(owner_claim(&o, 2000), 2000);
    assert_int_equal(o.r.claimed[1999],
                     511); // 1,875 of the first three priorities, then 3, 7, ... the 128th
    assert_int_equal(owner_claim(&o, 2000), 497);
    assert_int_equal(owner_claim(&o, 2000), 0);
    owner_end(&o);
}

static void an_operators_claim_has_four_answers(void **state)
{
    struct world *w = *state;
    struct owner o, other;
    struct script s = {0};
    owner_begin(&o, w->a, T0);
    owner_begin(&other, w->b, T0);
    assert_int_equal(owner_claim_task(&o, 12345), CLAIM_NO_SUCH_TASK);
    assert_int_equal(o.r.claimed_count, 0);

    script_task(w, &s, 1, 1, false);
    s.list[1].active.run_at = T0 + 60 * SECOND; // free, not due: an operator does not wait
    plain_write(w->a, &s, T0);
    assert_int_equal(owner_claim_task(&o, 1), CLAIM_TAKEN);
    assert_int_equal(o.r.claimed_count, 1);
    assert_int_equal(owner_claim_task(&o, 1), CLAIM_TAKEN); // ours already
    assert_int_equal(o.r.claimed_count, 0);
    assert_int_equal(owner_claim_task(&other, 1), CLAIM_OWNED_BY_OTHER);
    assert_int_equal(other.r.claim_owner, o.lane);
    owner_end(&o);
    owner_end(&other);
}

static void a_finished_task_becomes_active_again_for_an_operator(void **state)
{
    struct world *w = *state;
    struct owner o;
    struct script s = {0};
    struct task_rows r;
    script_task(w, &s, 1, 1, false);
    script_start(w, &s, 1, T0);
    script_row(&s, CH_TASK_ROW, 1, ST_IN_PROGRESS, ST_ERROR, 20, T0, "{\"engine\":\"e\"}");
    s.list[s.count - 2].row.most_recent = false;
    s.list[s.count - 1].row.flip = false;
    script_add(&s, CH_ACTIVE_DELETE)->active.task_id = 1;
    plain_write(w->b, &s, T0);
    load(w->b, 1, &r);
    assert_false(r.active);
    assert_int_equal(r.template_id, w->tpl->template_id);
    task_rows_done(&r);

    owner_begin(&o, w->a, T0 + SECOND);
    assert_int_equal(owner_claim_task(&o, 1), CLAIM_TAKEN);
    assert_int_equal(o.r.claimed_count, 1);
    load(w->b, 1, &r);
    assert_true(r.active);
    assert_int_equal(r.active_lane, o.lane);
    assert_int_equal(r.template_id, w->tpl->template_id);
    assert_int_equal(r.priority, PRIO_NORMAL);
    assert_int_equal(r.run_at, T0 + SECOND);
    assert_int_equal(r.crashes, 0);
    assert_int_equal(r.deadline, 0);
    task_rows_done(&r);
    owner_end(&o);
}

// Task 1 has never run, 2 was written by somebody else last, 3 was given back.
static void a_task_of_somebody_else_is_not_claimed(void **state)
{
    struct world *w = *state;
    struct owner o;
    struct script s = {0};
    owner_begin(&o, w->a, T0);
    for (int task = 1; task <= 3; task++) {
        script_task(w, &s, task, task * 10, false);
        script_add(&s, CH_ACTIVE_DELETE)->active.task_id = task;
    }
    for (int task = 2; task <= 3; task++) {
        script_row(&s, CH_TASK_ROW, task, ST_PENDING, ST_IN_PROGRESS, 10, T0,
                   "{\"template_id\":1,\"engine\":\"e\"}");
        script_row(&s, CH_TASK_ROW, task, ST_IN_PROGRESS, ST_PENDING, 20, T0,
                   task == 3 ? "{\"engine\":\"e\",\"released\":true}" : "{}");
    }
    plain_write(w->b, &s, T0);
    for (int task = 1; task <= 3; task++) {
        assert_int_equal(owner_claim_task(&o, task), CLAIM_NOT_OURS);
        assert_int_equal(o.r.claimed_count, 0);
    }
    assert_int_equal(world_number(w, "SELECT count(*) FROM tasker_core_active"), 0);
    owner_end(&o);
}

static void tasks_of_a_lane_that_does_not_exist_are_seen_and_freed(void **state)
{
    struct world *w = *state;
    struct owner o, lost;
    struct script s = {0};
    struct poll_result p;
    owner_begin(&o, w->a, T0);
    owner_begin(&lost, w->b, T0);
    for (int i = 1; i <= 2; i++)
        script_task(w, &s, i, i * 10, true);
    assert_int_equal(owner_write(&lost, &s), OUT_COMMITTED);
    struct poll_want want = {.lane = o.lane, .tasks = true};
    poll_result_init(&p);
    look(w->a, &want, T0, &p);
    assert_false(p.stranded);
    assert_false(p.tasks_due);
    (*contract_backend)
        ->run(w->uri, "DELETE FROM tasker_core_lanes WHERE lane_id = (SELECT max(lane_id) FROM "
                      "tasker_core_lanes)");
    look(w->a, &want, T0, &p);
    assert_true(p.stranded);

    assert_int_equal(owner_claim_task(&o, 1),
                     CLAIM_TAKEN); // an operator need not wait for the takeover
    struct turn t = {.kind = TURN_WORK, .takeover = true, .claim_limit = 5};
    assert_int_equal(owner_commit(&o, &t), OUT_COMMITTED);
    assert_int_equal(o.r.taken_over, 0);
    assert_int_equal(o.r.claimed_count, 1);
    assert_int_equal(o.r.claimed[0], 2);
    look(w->a, &want, T0, &p);
    assert_false(p.stranded);
    poll_result_done(&p);
    owner_end(&o);
    owner_end(&lost);
}

// Five tasks of a lane that dies, and what each was doing.
static void only_tasks_that_ran_in_the_dead_process_count_a_crash(void **state)
{
    struct world *w = *state;
    struct owner dead, worker, next, gone;
    struct script s = {0};
    owner_begin(&dead, w->a, T0);
    owner_begin(&worker, w->b, T0 + LEASE); // lives on
    owner_begin(&gone, w->b, T0);
    for (int i = 1; i <= 5; i++) {
        script_task(w, &s, i, i * 10, true);
        script_start(w, &s, i, T0);
        if (i >= 2) // 1: nothing begun
            script_row(&s, CH_STEP_ROW, i * 10, ST_PENDING, ST_IN_PROGRESS, 10, T0, "{}");
    }
    for (int i = 3; i <= 5;
         i++) { // 3: a worker that lives; 4: one that is dead; 5: offered, not begun
        struct change *c = script_add(&s, CH_OFFER_INSERT);
        c->offer.token = 100 + i;
        c->offer.task_id = i;
        c->offer.step_id = i * 10;
        c->offer.attempt = 1;
        c->offer.handler_class = i == 3 ? SPAN("live") : i == 4 ? SPAN("dead") : SPAN("none");
    }
    assert_int_equal(owner_write(&dead, &s), OUT_COMMITTED);
    struct offer_want want[2] = {{"live", 5}, {"dead", 5}};
    struct turn take = {.kind = TURN_WORK, .wants = &want[0], .want_count = 1};
    assert_int_equal(owner_commit(&worker, &take), OUT_COMMITTED);
    take.wants = &want[1];
    assert_int_equal(owner_commit(&gone, &take), OUT_COMMITTED);

    owner_begin(&next, w->b, T0 + LEASE + 5);
    struct turn t = {.kind = TURN_WORK, .takeover = true};
    assert_int_equal(owner_commit(&next, &t), OUT_COMMITTED);
    assert_int_equal(next.r.taken_over, 2);
    static const int crashes[] = {0, 1, 0, 1, 1};
    for (int i = 1; i <= 5; i++) {
        struct task_rows r;
        load(w->a, i, &r);
        assert_int_equal(r.crashes, crashes[i - 1]);
        assert_true(r.suspect);
        assert_int_equal(r.active_lane, 0);
        task_rows_done(&r);
    }
    owner_end(&dead);
    owner_end(&worker);
    owner_end(&gone);
    owner_end(&next);
}

static void retiring_frees_tasks_and_offers_without_suspicion(void **state)
{
    struct world *w = *state;
    struct owner o, other;
    struct script s = {0}, offer = {0};
    owner_begin(&o, w->a, T0);
    owner_begin(&other, w->b, T0);
    script_task(w, &s, 1, 10, true);
    script_start(w, &s, 1, T0);
    script_row(&s, CH_STEP_ROW, 10, ST_PENDING, ST_IN_PROGRESS, 10, T0, "{}");
    script_add(&s, CH_REQUEST_INSERT)->request.task_id = 5;
    s.list[s.count - 1].request.body = SPAN("{}");
    assert_int_equal(owner_write(&o, &s), OUT_COMMITTED);
    script_task(w, &offer, 2, 20, true);
    struct change *c = script_add(&offer, CH_OFFER_INSERT);
    c->offer.token = 7;
    c->offer.task_id = 2;
    c->offer.step_id = 20;
    c->offer.handler_class = SPAN("A");
    assert_int_equal(owner_write(&other, &offer), OUT_COMMITTED);
    struct offer_want want = {"A", 1};
    struct turn take = {.kind = TURN_WORK, .wants = &want, .want_count = 1};
    assert_int_equal(owner_commit(&o, &take), OUT_COMMITTED);
    assert_int_equal(o.r.offer_count, 1);

    struct turn t = {.kind = TURN_RETIRE};
    assert_int_equal(owner_commit(&o, &t), OUT_COMMITTED);
    struct task_rows r;
    load(w->b, 1, &r);
    assert_int_equal(r.active_lane, 0);
    assert_false(r.suspect);
    assert_int_equal(r.crashes, 0);
    task_rows_done(&r);
    load(w->b, 2, &r);
    assert_int_equal(r.active_lane, other.lane);
    assert_int_equal(r.steps[0].offer_token, 7);
    assert_false(r.steps[0].offer_begun);
    task_rows_done(&r);
    assert_int_equal(world_number(w, "SELECT count(*) FROM tasker_core_requests"), 0);
    assert_int_equal(owner_claim(&other, 5), 1);
    owner_end(&o);
    owner_end(&other);
}

static void polls_see_what_is_due_and_who_is_there(void **state)
{
    struct world *w = *state;
    struct owner o, other;
    struct poll_result p;
    struct script s = {0}, later = {0};
    owner_begin(&o, w->a, T0);
    owner_begin(&other, w->b, T0);
    poll_result_init(&p);
    struct poll_want want = {.lane = o.lane, .tasks = true};
    look(w->a, &want, T0, &p);
    assert_true(p.lane_alive);
    assert_false(p.tasks_due);
    assert_int_equal(p.next_run_at, 0);
    assert_int_equal(p.lane_count, 1);
    assert_int_equal(p.lanes[0].lane, other.lane);
    assert_int_equal(p.lanes[0].expires_at, T0 + LEASE);
    assert_string_equal(p.lanes[0].host, "host");
    assert_string_equal(p.lanes[0].boot_id, "boot");
    assert_string_equal(p.lanes[0].process, "1/1");
    assert_false(p.lanes[0].owns);

    script_task(w, &s, 1, 10, true);
    assert_int_equal(owner_write(&other, &s), OUT_COMMITTED);
    script_task(w, &later, 2, 20, false);
    later.list[1].active.run_at = T0 + 9;
    plain_write(w->b, &later, T0);
    look(w->a, &want, T0, &p);
    assert_true(p.lanes[0].owns);
    assert_false(p.tasks_due);
    assert_int_equal(p.next_run_at, T0 + 9);
    look(w->a, &want, T0 + 9, &p);
    assert_true(p.tasks_due);
    assert_int_equal(p.next_run_at, 0);
    want.lane = 0;
    want.tasks = false;
    look(w->a, &want, T0 + 9, &p);
    assert_false(p.lane_alive);
    assert_false(p.tasks_due);
    assert_int_equal(p.lane_count, 2);
    poll_result_done(&p);
    owner_end(&o);
    owner_end(&other);
}

const struct CMUnitTest contract_claim_tests[] = {
    CONTRACT_TEST(claims_in_turn_are_disjoint_and_lose_nothing),
    CONTRACT_TEST(claims_at_the_same_time_are_disjoint_and_lose_nothing),
    CONTRACT_TEST(claims_go_by_priority_then_id_and_wait_for_their_time),
    CONTRACT_TEST(a_long_queue_is_claimed_from_its_head),
    CONTRACT_TEST(an_operators_claim_has_four_answers),
    CONTRACT_TEST(a_finished_task_becomes_active_again_for_an_operator),
    CONTRACT_TEST(a_task_of_somebody_else_is_not_claimed),
    CONTRACT_TEST(tasks_of_a_lane_that_does_not_exist_are_seen_and_freed),
    CONTRACT_TEST(only_tasks_that_ran_in_the_dead_process_count_a_crash),
    CONTRACT_TEST(retiring_frees_tasks_and_offers_without_suspicion),
    CONTRACT_TEST(polls_see_what_is_due_and_who_is_there),
    CONTRACT_END,
};
