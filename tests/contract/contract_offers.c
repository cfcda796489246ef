// SPDX-License-Identifier: MIT
// contract_offers.c - steps that are offered to workers of other processes, and commands for tasks
// that another lane owns: rows through which lanes talk. Every answer is a compare-and-set; whoever
// comes too late changes nothing.
#include "contract.h"

// An owner with one task (1, steps 10 to 12) and offers 101.. of its first step's class "A"; two
// workers.
struct stage {
    struct owner owner, x, y;
    struct poll_result p;
};

static void offer(struct script *s, int64_t token, int64_t step, struct span handler_class)
{
    struct change *c = script_add(s, CH_OFFER_INSERT);
    c->offer.token = token;
    c->offer.task_id = 1;
    c->offer.step_id = step;
    c->offer.attempt = 1;
    c->offer.deadline_us = 30 * SECOND;
    c->offer.handler_class = handler_class;
}

static void stage_begin(struct stage *g, struct world *w, int offers)
{
    struct script s = {0};
    owner_begin(&g->owner, w->a, T0);
    owner_begin(&g->x, w->b, T0);
    owner_begin(&g->y, w->b, T0);
    poll_result_init(&g->p);
    script_task(w, &s, 1, 10, true);
    script_start(w, &s, 1, T0);
    for (int i = 0; i < offers; i++)
        offer(&s, 101 + i, 10 + i, SPAN("A"));
    assert_int_equal(owner_write(&g->owner, &s), OUT_COMMITTED);
}

static void stage_end(struct stage *g)
{
    owner_end(&g->owner);
    owner_end(&g->x);
    owner_end(&g->y);
    poll_result_done(&g->p);
}

static size_t take(struct owner *o, const char *handler_class, int limit)
{
    struct offer_want want = {handler_class, limit};
    struct turn t = {.kind = TURN_WORK, .wants = &want, .want_count = 1};
    assert_int_equal(owner_commit(o, &t), OUT_COMMITTED);
    return o->r.offer_count;
}

static enum commit_outcome tell(struct owner *o, enum change_kind kind, int64_t token,
                                const char *answer)
{
    struct script s = {0};
    struct change *c = script_add(&s, kind);
    c->offer.token = token;
    c->offer.verdict = 1;
    c->offer.answer = span_of(answer);
    return owner_write(o, &s);
}

static void news(struct stage *g, struct owner *o)
{
    struct poll_want want = {.lane = o->lane};
    look(o->store, &want, T0, &g->p);
}

static void an_offer_is_taken_once(void **state)
{
    struct world *w = *state;
    struct stage g;
    stage_begin(&g, w, 3);
    struct offer_want want = {"A", 1};
    struct poll_want poll = {.lane = g.x.lane, .wants = &want, .want_count = 1};
    look(w->b, &poll, T0, &g.p);
    assert_non_null(g.p.offer_class);
    assert_int_equal(take(&g.x, "B", 5), 0);
    assert_int_equal(take(&g.x, "A", 2), 2);
    assert_int_equal(g.x.r.offers[0].token, 101);
    assert_int_equal(g.x.r.offers[0].task_id, 1);
    assert_int_equal(g.x.r.offers[0].step_id, 10);
    assert_int_equal(g.x.r.offers[0].attempt, 1);
    assert_int_equal(g.x.r.offers[0].deadline_us, 30 * SECOND);
    assert_string_equal(g.x.r.offers[0].handler_class, "A");
    assert_int_equal(g.x.r.offers[1].token, 102);
    assert_int_equal(take(&g.y, "A", 2), 1);
    assert_int_equal(g.y.r.offers[0].token, 103);
    assert_int_equal(take(&g.y, "A", 2), 0);
    poll.lane = g.x.lane;
    look(w->b, &poll, T0, &g.p);
    assert_null(g.p.offer_class);
    stage_end(&g);
}

// A worker that opened late in the owner's process may serve what the owner has offered already.
static void an_owner_may_take_its_own_offer(void **state)
{
    struct world *w = *state;
    struct stage g;
    stage_begin(&g, w, 1);
    struct offer_want want = {"A", 1};
    struct poll_want poll = {.lane = g.owner.lane, .wants = &want, .want_count = 1};
    look(w->a, &poll, T0, &g.p);
    assert_string_equal(g.p.offer_class, "A");
    assert_int_equal(take(&g.owner, "A", 5), 1);
    news(&g, &g.owner);
    assert_int_equal(g.p.offer_news_count, 1);
    assert_int_equal(g.p.offer_news[0].news, OFFER_BEGUN);
    assert_int_equal(take(&g.x, "A", 5), 0);
    stage_end(&g);
}

static void the_owner_hears_of_beginnings_and_answers(void **state)
{
    struct world *w = *state;
    struct stage g;
    stage_begin(&g, w, 2);
    news(&g, &g.owner);
    assert_int_equal(g.p.offer_news_count, 0);
    g.x.now = T0 + 5;
    assert_int_equal(take(&g.x, "A", 1), 1);
    news(&g, &g.owner);
    assert_int_equal(g.p.offer_news_count, 1);
    assert_int_equal(g.p.offer_news[0].token, 101);
    assert_int_equal(g.p.offer_news[0].news, OFFER_BEGUN);
    assert_int_equal(g.p.offer_news[0].begun_at, T0 + 5);

    struct script s = {0};
    struct change *c = script_add(&s, CH_OFFER_ANSWER);
    c->offer.token = 101;
    c->offer.verdict = 1;
    c->offer.answer = SPAN("{\"n\":1.10}");
    c->offer.log = SPAN("said");
    assert_int_equal(owner_write(&g.x, &s), OUT_COMMITTED);
    news(&g, &g.owner);
    assert_int_equal(g.p.offer_news_count, 1);
    assert_int_equal(g.p.offer_news[0].news, OFFER_ANSWERED);
    assert_int_equal(g.p.offer_news[0].verdict, 1);
    assert_span(g.p.offer_news[0].answer, "{\"n\":1.10}");
    assert_span(g.p.offer_news[0].log, "said");
    news(&g, &g.y);
    assert_int_equal(g.p.offer_news_count, 0); // it is not the owner

    assert_int_equal(tell(&g.owner, CH_OFFER_DELETE, 101, NULL), OUT_COMMITTED);
    news(&g, &g.owner);
    assert_int_equal(g.p.offer_news_count, 0);
    stage_end(&g);
}

static void an_answer_counts_once_and_from_the_one_that_runs_it(void **state)
{
    struct world *w = *state;
    struct stage g;
    stage_begin(&g, w, 1);
    assert_int_equal(tell(&g.x, CH_OFFER_ANSWER, 101, "\"not taken\""), OUT_COMMITTED);
    assert_int_equal(take(&g.x, "A", 1), 1);
    assert_int_equal(tell(&g.y, CH_OFFER_ANSWER, 101, "\"not mine\""), OUT_COMMITTED);
    news(&g, &g.owner);
    assert_int_equal(g.p.offer_news[0].news, OFFER_BEGUN);
    assert_int_equal(tell(&g.x, CH_OFFER_ANSWER, 101, "\"first\""), OUT_COMMITTED);
    assert_int_equal(tell(&g.x, CH_OFFER_ANSWER, 101, "\"second\""), OUT_COMMITTED);
    assert_int_equal(tell(&g.x, CH_OFFER_RELEASE, 101, NULL), OUT_COMMITTED);
    news(&g, &g.owner);
    assert_int_equal(g.p.offer_news[0].news, OFFER_ANSWERED);
    assert_span(g.p.offer_news[0].answer, "\"first\"");
    assert_int_equal(tell(&g.x, CH_OFFER_ANSWER, 999, "\"of nothing\""), OUT_COMMITTED);
    stage_end(&g);
}

static void a_released_offer_is_free_again(void **state)
{
    struct world *w = *state;
    struct stage g;
    stage_begin(&g, w, 1);
    assert_int_equal(take(&g.x, "A", 1), 1);
    assert_int_equal(tell(&g.y, CH_OFFER_RELEASE, 101, NULL),
                     OUT_COMMITTED); // not its to give back
    assert_int_equal(take(&g.y, "A", 1), 0);
    assert_int_equal(tell(&g.x, CH_OFFER_RELEASE, 101, NULL), OUT_COMMITTED);
    news(&g, &g.owner);
    assert_int_equal(g.p.offer_news_count, 0);
    assert_int_equal(take(&g.y, "A", 1), 1);
    stage_end(&g);
}

// What a lane has by the rows is its tasks, the offers of others that it took and did not answer, and what it asked.
static void the_rows_tell_what_a_lane_has(void **state)
{
    struct world *w = *state;
    struct stage g;
    struct holdings h;
    tasker_error err = {0};
    holdings_init(&h);
    stage_begin(&g, w, 3);
    assert_int_equal(take(&g.x, "A", 2), 2);
    assert_int_equal(take(&g.y, "A", 1), 1);
    assert_int_equal(tell(&g.x, CH_OFFER_ANSWER, 101, "\"done\""), OUT_COMMITTED);
    struct script s = {0};
    struct change *c = script_add(&s, CH_REQUEST_INSERT);
    c->request.task_id = 1;
    c->request.body = SPAN("{\"command\":\"task.cancel\"}");
    assert_int_equal(owner_write(&g.x, &s), OUT_COMMITTED);
    int64_t asked = g.x.r.request_ids[0];
    assert_int_equal(w->b->ops->holdings(w->b, g.x.lane, &h, &err), 0);
    assert_int_equal(h.request_count, 1);
    assert_int_equal(h.requests[0].request_id, asked);
    assert_int_equal(h.requests[0].task_id, 1);
    assert_span(h.requests[0].body, "{\"command\":\"task.cancel\"}");
    assert_int_equal(h.task_count, 0);
    assert_int_equal(h.offer_count, 1);
    assert_int_equal(h.offers[0], 102);
    assert_int_equal(w->a->ops->holdings(w->a, g.owner.lane, &h, &err), 0);
    assert_int_equal(h.task_count, 1);
    assert_int_equal(h.tasks[0], 1);
    assert_int_equal(h.offer_count + h.request_count, 0);
    assert_int_equal(w->a->ops->holdings(w->a, 987654, &h, &err), 0);
    assert_int_equal(h.task_count + h.offer_count, 0);
    holdings_done(&h);
    stage_end(&g);
}

static void a_cancelled_offer_is_told_to_its_worker_and_not_taken(void **state)
{
    struct world *w = *state;
    struct stage g;
    stage_begin(&g, w, 2);
    assert_int_equal(take(&g.x, "A", 1), 1);
    news(&g, &g.x);
    assert_int_equal(g.p.cancelled_count, 0);
    assert_int_equal(tell(&g.owner, CH_OFFER_CANCEL, 101, NULL), OUT_COMMITTED);
    assert_int_equal(tell(&g.owner, CH_OFFER_CANCEL, 102, NULL), OUT_COMMITTED);
    news(&g, &g.x);
    assert_int_equal(g.p.cancelled_count, 1);
    assert_int_equal(g.p.cancelled[0], 101);
    assert_int_equal(take(&g.y, "A", 1), 0);

    // An offer that is gone, or somebody else's by now, is found by its token.
    assert_int_equal(tell(&g.owner, CH_OFFER_DELETE, 102, NULL), OUT_COMMITTED);
    int64_t tokens[] = {101, 102};
    struct poll_want want = {.lane = g.x.lane, .my_offers = tokens, .my_offer_count = 2};
    look(w->b, &want, T0, &g.p);
    assert_int_equal(g.p.cancelled_count, 2);
    assert_int_equal(g.p.cancelled[1], 102);
    stage_end(&g);
}

static void an_offer_whose_worker_died_is_lost_unless_it_was_answered(void **state)
{
    struct world *w = *state;
    struct stage g;
    stage_begin(&g, w, 2);
    assert_int_equal(take(&g.x, "A", 2), 2);
    assert_int_equal(tell(&g.x, CH_OFFER_ANSWER, 102, "{}"), OUT_COMMITTED);
    g.y.now = g.owner.now = T0 + 8 * SECOND;
    assert_int_equal(owner_write(&g.owner, &(struct script){0}), OUT_COMMITTED);
    g.y.now = T0 + LEASE + 1;
    struct turn t = {.kind = TURN_WORK, .takeover = true};
    assert_int_equal(owner_commit(&g.y, &t), OUT_COMMITTED);
    assert_int_equal(g.y.r.taken_over, 1);
    news(&g, &g.owner);
    assert_int_equal(g.p.offer_news_count, 2);
    assert_int_equal(g.p.offer_news[0].news, OFFER_LOST);
    assert_int_equal(g.p.offer_news[1].news, OFFER_ANSWERED);
    struct task_rows r;
    load(w->a, 1, &r);
    assert_int_equal(r.steps[0].offer_token, 101);
    assert_true(r.steps[0].offer_begun);
    assert_false(r.steps[0].offer_lane_alive);
    assert_int_equal(r.steps[2].offer_token, 0);
    task_rows_done(&r);
    stage_end(&g);
}

static void a_worker_reads_what_it_needs_for_an_offer(void **state)
{
    struct world *w = *state;
    struct stage g;
    struct offer_rows r;
    struct script s = {0};
    tasker_error err = {0};
    stage_begin(&g, w, 0);
    script_step_done(&s, 10, T0, false, "{\"a\":1}");
    offer(&s, 55, 11, SPAN("B"));
    assert_int_equal(owner_write(&g.owner, &s), OUT_COMMITTED);
    offer_rows_init(&r);
    assert_int_equal(w->b->ops->load_offer(w->b, 11, &r, &err), 0);
    assert_int_equal(r.template_id, w->tpl->template_id);
    assert_span(r.step_name, "b");
    assert_span(span_of(r.context->data), "{\"order\":1}");
    assert_true(r.has_inputs);
    assert_span(r.inputs, "{\"order\":1}");
    assert_int_equal(r.attempts, 0);
    assert_int_equal(r.retry_limit, 3);
    assert_int_equal(r.parent_count, 1);
    assert_span(r.parents[0].name, "a");
    assert_span(span_of(r.parents[0].results->data), "{\"a\":1}");
    offer_rows_done(&r);
    stage_end(&g);
}

static void a_command_reaches_the_owner_and_its_answer_the_asker(void **state)
{
    struct world *w = *state;
    struct stage g;
    struct script s = {0};
    stage_begin(&g, w, 0);
    for (int i = 0; i < 2; i++) {
        struct change *c = script_add(&s, CH_REQUEST_INSERT);
        c->request.task_id = i == 0 ? 1 : 99; // nobody owns 99
        c->request.body = SPAN("{\"command\":\"task.cancel\"}");
    }
    assert_int_equal(owner_write(&g.x, &s), OUT_COMMITTED);
    assert_int_equal(g.x.r.request_count, 2);
    int64_t id = g.x.r.request_ids[0];
    assert_true(id > 0 && g.x.r.request_ids[1] > id);

    news(&g, &g.owner);
    assert_int_equal(g.p.request_count, 1);
    assert_int_equal(g.p.requests[0].request_id, id);
    assert_int_equal(g.p.requests[0].task_id, 1);
    assert_span(g.p.requests[0].body, "{\"command\":\"task.cancel\"}");
    news(&g, &g.y);
    assert_int_equal(g.p.request_count, 0);

    struct poll_want want = {.lane = g.x.lane, .my_requests = &id, .my_request_count = 1};
    look(w->b, &want, T0, &g.p);
    assert_int_equal(g.p.answer_count, 0);
    s.count = 0;
    struct change *c = script_add(&s, CH_REQUEST_ANSWER);
    c->request.request_id = id;
    c->request.body = SPAN("{\"ok\":true}");
    assert_int_equal(owner_write(&g.owner, &s), OUT_COMMITTED);
    news(&g, &g.owner);
    assert_int_equal(g.p.request_count, 0);
    look(w->b, &want, T0, &g.p);
    assert_int_equal(g.p.answer_count, 1);
    assert_span(g.p.answers[0].body, "{\"ok\":true}");
    s.count = 0;
    script_add(&s, CH_REQUEST_DELETE)->request.request_id = id;
    assert_int_equal(owner_write(&g.x, &s), OUT_COMMITTED);
    look(w->b, &want, T0, &g.p);
    assert_int_equal(g.p.answer_count, 0);

    // What a dead asker asked goes with it.
    g.owner.now = T0 + LEASE + 1;
    struct turn t = {.kind = TURN_WORK, .takeover = true};
    assert_int_equal(owner_commit(&g.owner, &t), OUT_COMMITTED);
    assert_int_equal(world_number(w, "SELECT count(*) FROM tasker_core_requests"), 0);
    stage_end(&g);
}

static void classes_of_a_lane_are_published(void **state)
{
    struct world *w = *state;
    struct stage g;
    struct script s = {0};
    char text[64];
    stage_begin(&g, w, 0);
    script_add(&s, CH_LANE_CLASSES)->lane.classes = SPAN("[\"A\",\"B\"]");
    assert_int_equal(owner_write(&g.x, &s), OUT_COMMITTED);
    world_text(w, text, sizeof(text), "SELECT classes FROM tasker_core_lanes WHERE lane_id = %lld",
               (long long)g.x.lane);
    assert_string_equal(text, "[\"A\",\"B\"]");
    stage_end(&g);
}

const struct CMUnitTest contract_offer_tests[] = {
    CONTRACT_TEST(an_offer_is_taken_once),
    CONTRACT_TEST(an_owner_may_take_its_own_offer),
    CONTRACT_TEST(the_owner_hears_of_beginnings_and_answers),
    CONTRACT_TEST(an_answer_counts_once_and_from_the_one_that_runs_it),
    CONTRACT_TEST(a_released_offer_is_free_again),
    CONTRACT_TEST(the_rows_tell_what_a_lane_has),
    CONTRACT_TEST(a_cancelled_offer_is_told_to_its_worker_and_not_taken),
    CONTRACT_TEST(an_offer_whose_worker_died_is_lost_unless_it_was_answered),
    CONTRACT_TEST(a_worker_reads_what_it_needs_for_an_offer),
    CONTRACT_TEST(a_command_reaches_the_owner_and_its_answer_the_asker),
    CONTRACT_TEST(classes_of_a_lane_are_published),
    CONTRACT_END,
};
