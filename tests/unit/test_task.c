// SPDX-License-Identifier: MIT
// test_task.c - the model of a task: every operator's action in every state, retries, ends by force, and that after each event
// of random lives a task made again from its rows is the task in memory. The rows are kept here, as the changes say.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "model/task.h"

#define STEPS 6
#define START (INT64_C(1790000000) * US_PER_SECOND)

// What the changes of all turns have made of the rows.
struct rows {
    struct task_image task;
    struct step_image steps[STEPS];
    char metadata[STEPS][4096];
    char results[STEPS][4096];
    bool has_results[STEPS], processed[STEPS], complete;
    size_t written;  // rows, a flip counts as one
};

static struct decision d;
static struct rng dice;
static struct rows rows;
static struct template *tpl;
static struct blob *context;
static struct task *t;
static tasker_error error;

static struct template *template_of(const char *yaml)
{
    struct template_errors errors;
    struct template *made = NULL;
    template_errors_init(&errors);
    if (template_read(span_of(yaml), NULL, NULL, &made, &errors, &error) < 0)
        fail_msg("%s %s", error.message, errors.first ? errors.first->message : "");
    template_errors_done(&errors);
    made->template_id = 3;
    return made;
}

#define HEAD "name: t\nnamespace_name: n\nversion: 1.0.0\nstep_templates:\n"
#define S(name, more) "  - {name: " name ", handler_class: A" more "}\n"
#define CHAIN HEAD S("a", "") S("b", ", depends_on_step: a") S("c", ", depends_on_step: b")
#define DIAMOND                                                                                                        \
    HEAD S("a", "") S("b", ", depends_on_step: a") S("c", ", depends_on_step: a, default_retryable: false")              \
        S("d", ", depends_on_steps: [b, c]") S("e", ", default_retry_limit: 1") S("f", ", depends_on_step: e")

// ----------------------------------------------------------------------------------------------------------- rows

static size_t step_at(int64_t id)
{
    assert_in_range(id, 100, 100 + STEPS - 1);
    return (size_t)(id - 100);
}

static void apply_row(const struct change *c, uint8_t *state, bool *has_row, int32_t *sort_key)
{
    uint8_t before = *has_row ? *state : ST_PENDING;
    enum state_event legal = SE_COUNT;
    assert_int_equal(c->row.from, before);
    assert_int_equal(c->row.sort_key, *sort_key + 10);
    for (int e = 0; e < SE_COUNT; e++) {
        enum state next = c->kind == CH_TASK_ROW ? task_move(before, e) : (enum state)step_move(before, e).next;
        legal = next == c->row.to ? (enum state_event)e : legal;
    }
    assert_int_not_equal(legal, SE_COUNT);
    rows.written += 1 + c->row.flip;
    *state = c->row.to;
    *has_row = true;
    *sort_key = c->row.sort_key;
}

static void apply_step(const struct change *c)
{
    size_t i = step_at(c->row.owner_id);
    apply_row(c, &rows.steps[i].state, &rows.steps[i].has_row, &rows.steps[i].sort_key);
    rows.steps[i].state_at = c->row.at;
    assert_true(c->row.metadata.len < sizeof(rows.metadata[i]));
    memcpy(rows.metadata[i], c->row.metadata.p, c->row.metadata.len);
    rows.steps[i].metadata = (struct span){rows.metadata[i], c->row.metadata.len};
}

static void apply_update(const struct change *c)
{
    size_t i = step_at(c->step_update.step_id);
    rows.steps[i].attempts = c->step_update.attempts;
    rows.steps[i].backoff_seconds = c->step_update.backoff_seconds;
    rows.steps[i].last_attempted_at = c->step_update.last_attempted_at;
    rows.processed[i] = c->step_update.processed;
    if (c->step_update.set_results) {
        assert_true(c->step_update.results.len < sizeof(rows.results[i]));
        rows.has_results[i] = c->step_update.results.p != NULL;
        if (rows.has_results[i])
            memcpy(rows.results[i], c->step_update.results.p, c->step_update.results.len + 1);
    }
}

static void apply_active(const struct change *c)
{
    assert_int_equal(rows.task.active, c->kind != CH_ACTIVE_INSERT);
    rows.task.active = c->kind != CH_ACTIVE_DELETE;
    if (c->kind == CH_ACTIVE_DELETE)
        return;
    rows.task.run_at = c->active.run_at;
    rows.task.deadline = c->active.deadline;
    rows.task.crashes = c->active.crashes;
    rows.task.suspect = c->active.suspect;
    rows.task.priority = c->active.priority;
}

static void apply(const struct change *c)
{
    rows.written += c->kind != CH_TASK_ROW && c->kind != CH_STEP_ROW;
    if (c->kind == CH_TASK_ROW) {
        apply_row(c, &rows.task.state, &rows.task.has_row, &rows.task.sort_key);
        rows.task.started_at = c->row.to == ST_IN_PROGRESS ? c->row.at : rows.task.started_at;
    } else if (c->kind == CH_STEP_ROW) {
        apply_step(c);
    } else if (c->kind == CH_STEP_UPDATE) {
        apply_update(c);
    } else if (c->kind == CH_ACTIVE_INSERT || c->kind == CH_ACTIVE_UPDATE || c->kind == CH_ACTIVE_DELETE) {
        apply_active(c);
    } else if (c->kind == CH_TASK_COMPLETE) {
        rows.complete = c->complete.complete;
    } else if (c->kind == CH_STEP_INSERT) {
        struct step_image *s = &rows.steps[step_at(c->step.step_id)];
        *s = (struct step_image){.id = c->step.step_id, .retryable = c->step.retryable, .retry_limit = c->step.retry_limit,
                                 .backoff_seconds = -1, .state = ST_PENDING};
    }
}

// -------------------------------------------------------------------------------------------------- memory and rows

static struct task *rebuilt(void)
{
    struct step_image steps[STEPS];
    struct task_image im = rows.task;
    for (uint32_t i = 0; i < t->count; i++) {
        steps[i] = rows.steps[i];
        if (rows.processed[i] && rows.has_results[i])
            steps[i].results = blob_new(rows.results[i], strlen(rows.results[i]));
    }
    im.id = t->id;
    im.tpl = tpl;
    im.context = blob_ref(context);
    im.steps = steps;
    struct task *made = task_rebuild(&im);
    assert_non_null(made);
    d.failed = false;
    task_wake_all(&d, made);
    decision_clear(&d);
    return made;
}

static void assert_same_step(const struct tstep *a, const struct tstep *b)
{
    assert_int_equal(a->waiting, b->waiting);
    assert_int_equal(a->needed_by, b->needed_by);
    assert_int_equal(a->attempts, b->attempts);
    assert_int_equal(a->sort_key, b->sort_key);
    assert_int_equal(a->row_state, b->row_state);
    assert_int_equal(a->results != NULL, b->results != NULL);
    if (a->state == ST_IN_PROGRESS && a->row_state != ST_IN_PROGRESS)
        return;  // begun lazily: the rows do not know
    assert_int_equal(a->state, b->state);
    assert_int_equal(a->open, b->open);
    assert_int_equal(a->retry_at, b->retry_at);
    if (a->state == ST_ERROR && a->ready)
        return;  // due: rows say when, memory that it is so
    assert_int_equal(a->ready, b->ready);
    assert_int_equal(a->wake_at, b->wake_at);
}

// Ends the turn: the changes become rows, and what they make is what is in memory.
static void settle(void)
{
    assert_false(d.failed);
    for (size_t i = 0; i < d.change_count; i++)
        apply(&d.changes[i]);
    uint64_t serial = d.serial + 1;
    decision_clear(&d);
    d.serial = serial;
    const char *wrong = task_check(t);
    if (wrong)
        fail_msg("%s", wrong);
    assert_int_equal(rows.complete, t->state == ST_COMPLETE || (t->state == ST_CANCELLED && rows.complete));
    assert_int_equal(rows.task.active, t->active);
    if (task_state_final(t->state))
        return;  // nobody keeps it in memory
    struct task *other = rebuilt();
    assert_int_equal(other->state, t->state);
    assert_int_equal(other->sort_key, t->sort_key);
    assert_int_equal(other->deadline, t->deadline);
    assert_int_equal(other->crashes, t->crashes);
    assert_int_equal(other->suspect, t->suspect);
    for (uint32_t i = 0; i < t->count; i++)
        assert_same_step(&t->steps[i], &other->steps[i]);
    task_free(other);
}

static void begin(const char *yaml)
{
    tpl = template_of(yaml);
    assert_true(tpl->step_count <= STEPS);
    tpl->named_step_ids = tpl->named_step_ids ? tpl->named_step_ids : mem_alloc(STEPS * sizeof(tpl->named_step_ids[0]));
    context = blob_new("{}", 2);
    memset(&rows, 0, sizeof(rows));
    rows.task.state = ST_PENDING;
    decision_init(&d);
    dice.state = 5;
    d.rng = &dice;
    d.now = START;
    d.serial = 1;
    d.engine = "test";
    int64_t ids[STEPS];
    for (int i = 0; i < STEPS; i++)
        ids[i] = 100 + i;
    struct task_request r = {.tpl = tpl, .context = context, .run_at = START, .priority = PRIO_NORMAL, .own = true,
                             .identity = SPAN("x")};
    t = task_create(&d, &r, 7, ids);
    assert_non_null(t);
}

static void begin_started(const char *yaml)
{
    begin(yaml);
    task_start(&d, t);
    settle();
}

static void end(void)
{
    task_free(t);
    decision_done(&d);
    blob_unref(context);
    template_unref(tpl);
}

static void run_step(uint32_t i, bool eager)
{
    assert_true(t->steps[i].ready);
    task_begin_step(&d, t, &t->steps[i], eager);
}

// A finished task is claimed for an operator: it gets a new row in the queue.
static void claim(void)
{
    rows.task.active = t->active = true;
    rows.task.crashes = t->crashes = 0;
    rows.task.suspect = t->suspect = false;
    rows.task.deadline = t->deadline = 0;
}

static void complete(uint32_t i)
{
    struct blob *b = blob_new("{\"r\":1}", 7);
    run_step(i, false);
    task_succeed(&d, t, &t->steps[i], b, (struct span){NULL, 0});
    blob_unref(b);
    settle();
}

static void fail_step(uint32_t i, bool permanent)
{
    struct failure f = {.message = SPAN("no"), .permanent = permanent};
    run_step(i, false);
    task_fail(&d, t, &t->steps[i], &f);
    settle();
}

// -------------------------------------------------------------------------------------------------------- lives

static void a_chain_of_quick_steps_keeps_the_row_budget(void **state)
{
    (void)state;
    begin_started(CHAIN);
    for (uint32_t i = 0; i < 3; i++)
        complete(i);
    assert_int_equal(t->state, ST_COMPLETE);
    assert_int_equal(rows.written, 7 + 3 * 4 + 2);
    end();
}

static void a_slow_step_costs_one_row_more_and_a_retry_five(void **state)
{
    (void)state;
    begin_started(HEAD S("a", ""));
    run_step(0, false);
    task_write_start(&d, t, &t->steps[0]);
    assert_true(task_start_written(&t->steps[0]));
    settle();
    task_succeed(&d, t, &t->steps[0], NULL, (struct span){NULL, 0});
    settle();
    assert_int_equal(rows.written, 7 + 4 + 1);
    end();
    begin_started(HEAD S("a", ""));
    fail_step(0, false);
    d.now = t->steps[0].wake_at;
    task_wake(&d, t, &t->steps[0]);
    complete(0);
    assert_int_equal(rows.written, 7 + 4 + 5);  // in_progress, error, its columns; the flip, pending
    end();
}

static void a_task_without_steps_is_complete_at_once(void **state)
{
    (void)state;
    begin("name: t\nnamespace_name: n\nversion: 1.0.0\nstep_templates: []\n");
    task_start(&d, t);
    settle();
    assert_int_equal(t->state, ST_COMPLETE);
    assert_false(t->active);
    end();
}

static void attempts_end_with_the_limit_and_the_task_with_them(void **state)
{
    (void)state;
    begin_started(CHAIN);
    for (int i = 1; i <= 3; i++) {
        fail_step(0, false);
        assert_int_equal(t->steps[0].attempts, i);
        assert_int_equal(t->steps[0].wake_at != 0, i < 3);
        d.now = t->steps[0].wake_at;
        task_wake(&d, t, &t->steps[0]);
    }
    char text[128];
    assert_int_equal(t->state, ST_ERROR);
    task_blocker(t, text, sizeof(text));
    assert_string_equal(text, "blocked by failed step a");
    end();
}

static void what_is_released_or_lost_uses_up_no_attempt(void **state)
{
    (void)state;
    for (int eager = 0; eager < 2; eager++)
        for (int lost = 0; lost < 2; lost++) {
            begin_started(CHAIN);
            run_step(0, eager);
            settle();
            lost ? task_lose(&d, t, &t->steps[0]) : task_release(&d, t, &t->steps[0]);
            settle();
            assert_true(t->steps[0].ready);
            assert_int_equal(t->steps[0].attempts, 0);
            assert_int_equal(t->steps[0].state, ST_PENDING);
            end();
        }
}

static void a_lost_step_that_must_not_run_twice_stays_in_error(void **state)
{
    (void)state;
    begin_started(DIAMOND);
    complete(0);
    run_step(2, true);
    settle();
    task_lose(&d, t, &t->steps[2]);
    settle();
    assert_int_equal(t->steps[2].state, ST_ERROR);
    assert_int_equal(t->steps[2].wake_at, 0);
    end();
}

static void crashes_set_a_task_aside_and_a_finished_step_clears_them(void **state)
{
    (void)state;
    begin_started(CHAIN);
    run_step(0, true);
    task_crashed(&d, t);
    settle();
    assert_true(t->suspect);
    assert_false(task_set_aside(&d, t, 5));
    task_succeed(&d, t, &t->steps[0], NULL, (struct span){NULL, 0});
    settle();
    assert_false(t->suspect);
    assert_int_equal(t->crashes, 0);
    run_step(1, true);
    for (int i = 0; i < 6; i++)
        task_crashed(&d, t);
    assert_true(task_set_aside(&d, t, 5));
    settle();
    assert_int_equal(t->state, ST_ERROR);
    assert_non_null(strstr(rows.metadata[1], "set aside after 6 crashes while step b was running"));
    end();
}

static void retries_that_waited_when_the_time_was_up_wait_again_when_the_task_goes_on(void **state)
{
    (void)state;
    begin_started(DIAMOND);
    fail_step(0, false);
    int64_t due = t->steps[0].wake_at;
    fail_step(4, true);
    task_expire(&d, t);
    settle();
    assert_int_equal(t->state, ST_ERROR);
    struct task *again = rebuilt();  // as an operator's engine reads it
    task_free(t);
    t = again;
    assert_int_equal(t->steps[0].wake_at, 0);
    d.now += US_PER_SECOND / 2;
    claim();
    assert_int_equal(step_retry(&d, t, &t->steps[4], NULL, "me", &error), 0);
    settle();
    assert_int_equal(t->steps[0].wake_at, due);
    assert_true(t->steps[4].ready);
    end();
}

static void a_task_that_goes_on_gets_its_templates_time_again(void **state)
{
    (void)state;
    begin_started("name: t\nnamespace_name: n\nversion: 1.0.0\ntimeout_seconds: 60\nstep_templates:\n" S("a", ""));
    fail_step(0, true);
    assert_int_equal(t->state, ST_ERROR);
    claim();
    d.now += 5 * US_PER_SECOND;
    assert_int_equal(task_retry(&d, t, NULL, NULL, &error), 0);
    settle();
    assert_int_equal(t->deadline, d.now + 60 * US_PER_SECOND);
    end();
}

static void a_task_in_progress_that_has_nothing_left_to_run_ends_when_it_is_read(void **state)
{
    (void)state;
    begin_started(HEAD S("a", ""));
    rows.steps[0].state = ST_COMPLETE;  // as another engine leaves it that dies before it ends the task
    rows.steps[0].has_row = true;
    rows.steps[0].sort_key = 20;
    struct task *other = rebuilt();
    assert_int_equal(other->state, ST_COMPLETE);
    task_free(other);
    end();
}

static void a_long_reason_is_cut_between_characters(void **state)
{
    (void)state;
    char *reason = mem_alloc(300001);
    for (int i = 0; i < 300000; i += 2)
        memcpy(reason + i, "\xc3\xa9", 2);
    begin_started(CHAIN);
    assert_int_equal(task_cancel(&d, t, reason, reason, &error), 0);
    settle();
    assert_int_equal(t->state, ST_CANCELLED);
    assert_null(strstr(rows.metadata[0], "\\ufffd"));
    mem_free(reason);
    end();
}

// -------------------------------------------------------------------------------------------------------- operators

// Brings step 0 of a chain, or the task, into a state.
static void bring(enum state step, enum state task)
{
    begin_started(CHAIN);
    if (step == ST_IN_PROGRESS)
        run_step(0, true);
    if (step == ST_COMPLETE)
        complete(0);
    if (step == ST_ERROR)
        fail_step(0, task == ST_ERROR);
    if (step == ST_CANCELLED)
        assert_int_equal(step_cancel(&d, t, &t->steps[0], NULL, NULL, &error), 0);
    if (step == ST_RESOLVED)
        assert_int_equal(step_resolve(&d, t, &t->steps[0], NULL, NULL, NULL, &error), 0);
    settle();
}

static void every_action_on_a_step_is_possible_where_the_table_says(void **state)
{
    (void)state;
    static const struct {
        enum state from;
        bool retry, resolve, cancel;
    } cells[] = {
        {ST_PENDING, false, true, true},    {ST_IN_PROGRESS, false, false, true}, {ST_COMPLETE, false, false, false},
        {ST_ERROR, true, true, false},      {ST_RESOLVED, false, false, false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cells); i++)
        for (int action = 0; action < 3; action++) {
            bring(cells[i].from, ST_IN_PROGRESS);
            size_t before = d.change_count;
            struct tstep *s = &t->steps[0];
            int rc = action == 0   ? step_retry(&d, t, s, NULL, "me", &error)
                     : action == 1 ? step_resolve(&d, t, s, NULL, NULL, "me", &error)
                                   : step_cancel(&d, t, s, NULL, "me", &error);
            bool may = action == 0 ? cells[i].retry : action == 1 ? cells[i].resolve : cells[i].cancel;
            assert_int_equal(rc, may ? 0 : TASKER_E_STATE);
            assert_true(may || d.change_count == before);
            settle();
            end();
        }
}

static void task_to_state(enum state to)
{
    begin(CHAIN);
    if (to != ST_PENDING)
        task_start(&d, t);
    settle();
    for (uint32_t i = 0; i < 3 && to == ST_COMPLETE; i++)
        complete(i);
    if (to == ST_ERROR || to == ST_RESOLVED)
        fail_step(0, true);
    if (to == ST_RESOLVED)
        assert_int_equal(task_resolve(&d, t, NULL, NULL, &error), 0);
    if (to == ST_CANCELLED)
        assert_int_equal(task_cancel(&d, t, NULL, NULL, &error), 0);
    settle();
    assert_int_equal(t->state, to);
}

static void every_action_on_a_task_is_possible_where_the_table_says(void **state)
{
    (void)state;
    static const struct {
        enum state from;
        bool may[4]; // cancel, retry, resolve, hand over
    } cells[] = {
        {ST_PENDING, {true, false, false, true}},   {ST_IN_PROGRESS, {true, false, false, true}},
        {ST_COMPLETE, {true, false, false, false}}, {ST_ERROR, {false, true, true, false}},
        {ST_CANCELLED, {false, false, false, false}}, {ST_RESOLVED, {true, false, false, false}},
    };
    static int (*const actions[])(struct decision *, struct task *, const char *, const char *, tasker_error *) = {
        task_cancel, task_retry, task_resolve, task_hand_over};
    for (size_t i = 0; i < ARRAY_SIZE(cells); i++)
        for (int action = 0; action < 4; action++) {
            task_to_state(cells[i].from);
            bool may = cells[i].may[action];
            claim();
            int rc = actions[action](&d, t, NULL, "me", &error);
            assert_int_equal(rc, may ? 0 : TASKER_E_STATE);
            assert_true(may || d.change_count == 0);
            task_settle(&d, t);
            settle();
            end();
        }
}

static void a_task_blocked_by_a_cancelled_step_can_not_be_retried_but_resolved(void **state)
{
    (void)state;
    bring(ST_CANCELLED, ST_ERROR);
    assert_int_equal(t->state, ST_ERROR);
    assert_int_equal(task_retry(&d, t, NULL, NULL, &error), TASKER_E_STATE);
    assert_non_null(strstr(error.message, "blocked by cancelled step a"));
    assert_int_equal(task_resolve(&d, t, NULL, NULL, &error), 0);
    end();
}

static void a_task_that_is_handed_over_is_pending_and_out_of_the_queue(void **state)
{
    (void)state;
    begin_started(CHAIN);
    run_step(0, true);
    size_t before = d.change_count;
    assert_int_equal(task_hand_over(&d, t, NULL, NULL, &error), TASKER_E_STATE); // a step runs
    assert_int_equal(d.change_count, before);
    settle();
    struct failure f = {.message = SPAN("later")};
    task_fail(&d, t, &t->steps[0], &f);
    settle();
    assert_int_equal(task_hand_over(&d, t, "back to Rails", "mia", &error), 0);
    assert_int_equal(t->state, ST_PENDING);
    assert_int_equal(t->steps[0].state, ST_PENDING); // it waited for a retry
    assert_int_equal(t->steps[0].attempts, 1);
    assert_false(t->active);
    assert_int_equal(t->open, 0);
    settle();
    end();
}

// ----------------------------------------------------------------------------------------------------- random lives

static uint32_t some_step(enum state in, bool ready)
{
    uint32_t from = (uint32_t)rng_below(&dice, t->count);
    for (uint32_t i = 0; i < t->count; i++) {
        const struct tstep *s = &t->steps[(from + i) % t->count];
        if (s->state == in && (!ready || s->ready || s->wake_at != 0))
            return s->index;
    }
    return t->count;
}

static void live_running(struct tstep *s)
{
    struct blob *b = blob_new("[1]", 3);
    struct failure f = {.message = SPAN("random"), .permanent = rng_below(&dice, 8) == 0};
    switch (rng_below(&dice, 6)) {
    case 0:
    case 1:
        task_succeed(&d, t, s, b, SPAN("log"));
        break;
    case 2:
        task_fail(&d, t, s, &f);
        break;
    case 3:
        task_release(&d, t, s);
        break;
    case 4:
        task_write_start(&d, t, s);
        break;
    default:
        task_crashed(&d, t);
        task_lose(&d, t, s);
    }
    blob_unref(b);
}

static void live_operator(void)
{
    struct tstep *s = &t->steps[rng_below(&dice, t->count)];
    int rc = 0;
    switch (rng_below(&dice, 12)) {
    case 0:
        rc = step_cancel(&d, t, s, NULL, "op", &error);
        break;
    case 1:
        rc = task_cancel(&d, t, NULL, "op", &error);
        break;
    case 2:
    case 3:
        rc = step_resolve(&d, t, s, context, NULL, "op", &error);
        break;
    case 4:
        task_expire(&d, t);
        break;
    default:
        rc = step_retry(&d, t, s, NULL, "op", &error);
    }
    assert_true(rc == 0 || rc == TASKER_E_STATE);
}

static void live(void)
{
    uint32_t running = some_step(ST_IN_PROGRESS, false), pending = some_step(ST_PENDING, true),
             failed = some_step(ST_ERROR, true);
    d.now += (int64_t)rng_below(&dice, US_PER_SECOND);
    if (rng_below(&dice, 12) == 0)
        live_operator();
    else if (running < t->count && rng_below(&dice, 2))
        live_running(&t->steps[running]);
    else if (pending < t->count)
        task_begin_step(&d, t, &t->steps[pending], rng_below(&dice, 2));
    else if (failed < t->count && t->steps[failed].ready)
        task_begin_step(&d, t, &t->steps[failed], rng_below(&dice, 2));
    else if (failed < t->count) {
        d.now = t->steps[failed].wake_at > d.now ? t->steps[failed].wake_at : d.now;
        task_wake(&d, t, &t->steps[failed]);
    } else if (running < t->count)
        live_running(&t->steps[running]);
}

static void after_every_event_the_rows_make_the_task_that_is_in_memory(void **state)
{
    (void)state;
    size_t ended[ST_COUNT] = {0};
    for (uint64_t seed = 1; seed <= 600; seed++) {
        begin_started(DIAMOND);
        dice.state = seed * 977;
        for (int i = 0; i < 300 && !task_state_final(t->state); i++) {
            live();
            if (rng_below(&dice, 3))  // several events make one turn
                settle();
        }
        settle();
        ended[t->state]++;
        if (t->state == ST_ERROR && seed % 2) {  // and on it goes
            claim();
            if (task_retry(&d, t, NULL, NULL, &error) < 0)
                task_settle(&d, t);
            settle();
            for (int i = 0; i < 300 && !task_state_final(t->state); i++) {
                live();
                settle();
            }
        }
        end();
    }
    assert_true(ended[ST_COMPLETE] > 20 && ended[ST_ERROR] > 20 && ended[ST_CANCELLED] > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chain_of_quick_steps_keeps_the_row_budget),
        cmocka_unit_test(a_slow_step_costs_one_row_more_and_a_retry_five),
        cmocka_unit_test(a_task_without_steps_is_complete_at_once),
        cmocka_unit_test(attempts_end_with_the_limit_and_the_task_with_them),
        cmocka_unit_test(what_is_released_or_lost_uses_up_no_attempt),
        cmocka_unit_test(a_lost_step_that_must_not_run_twice_stays_in_error),
        cmocka_unit_test(crashes_set_a_task_aside_and_a_finished_step_clears_them),
        cmocka_unit_test(retries_that_waited_when_the_time_was_up_wait_again_when_the_task_goes_on),
        cmocka_unit_test(a_task_that_goes_on_gets_its_templates_time_again),
        cmocka_unit_test(a_task_in_progress_that_has_nothing_left_to_run_ends_when_it_is_read),
        cmocka_unit_test(a_long_reason_is_cut_between_characters),
        cmocka_unit_test(every_action_on_a_step_is_possible_where_the_table_says),
        cmocka_unit_test(every_action_on_a_task_is_possible_where_the_table_says),
        cmocka_unit_test(a_task_blocked_by_a_cancelled_step_can_not_be_retried_but_resolved),
        cmocka_unit_test(a_task_that_is_handed_over_is_pending_and_out_of_the_queue),
        cmocka_unit_test(after_every_event_the_rows_make_the_task_that_is_in_memory),
    };
    return cmocka_run_group_tests_name("task", tests, NULL, NULL);
}
