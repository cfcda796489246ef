// SPDX-License-Identifier: MIT
// lane_rig.c - the rig of lane_rig.h: the store, the driver, the notes. Allocations of the rig itself are made once more when
// they fail, because a sweep fails one and does not know whose it is.
#include "common/lane_rig.h"

#include "common/sound.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "store/sqlite.h"

struct store *rig_store;
struct template *rig_templates[8];
static size_t tpl_count;
int64_t rig_now;
const char *rig_spoilt;
static uint64_t seed;

struct template *rig_template(const char *yaml)
{
    struct template_errors errors;
    tasker_error err = {0};
    template_errors_init(&errors);
    struct template **t = &rig_templates[tpl_count];
    if (template_read(span_of(yaml), NULL, NULL, t, &errors, &err) < 0)
        fail_msg("%s: %s", err.message, errors.first ? errors.first->message : "");
    template_errors_done(&errors);
    assert_int_equal(rig_store->ops->register_template(rig_store, *t, false, rig_now, &err), 0);
    tpl_count++;
    return *t;
}


int rig_fresh(void **state)
{
    struct store_options so = {.host = "here", .boot_id = "boot", .migrate = true};
    (void)state;
    rig_now = START;
    tpl_count = 0;
    rig_spoilt = NULL;
    return store_open("sqlite::memory:", &so, &rig_store, NULL);
}

int rig_gone(void **state)
{
    const char *wrong = unsound(rig_store);
    bool expected = rig_spoilt == NULL ? wrong == NULL : wrong != NULL && strstr(wrong, rig_spoilt) != NULL;

    (void)state;
    if (!expected)
        print_error("the rows: %s\n", wrong == NULL ? "sound" : wrong);
    while (tpl_count > 0)
        template_unref(rig_templates[--tpl_count]);
    store_close(rig_store);
    return expected ? 0 : -1;
}

// ------------------------------------------------------------------------------------------------------- driving

// The failing allocation of a sweep may be one of the test's own: those are made once more.
struct lane_input *rig_input(enum input_kind kind)
{
    struct lane_input *in = lane_input_new(kind);
    return in ? in : lane_input_new(kind);
}

static struct blob *blob(const char *text)
{
    struct blob *b = blob_new(text, strlen(text));
    return b ? b : blob_new(text, strlen(text));
}

static char *dup(const char *text)
{
    char *s = mem_strdup(text);
    return s || !text ? s : mem_strdup(text);
}

void rig_push(struct rig *r, struct lane_input *in)
{
    assert_non_null(in);
    if (lane_push(r->lane, in) < 0)
        lane_input_free(in);
}

void rig_open(struct rig *r, const char *process)
{
    memset(r, 0, sizeof(*r));
    engine_options_init(&r->opt);
    struct lane_config c = {.name = process, .process = process, .database_id = "x", .options = &r->opt, .seed = ++seed};
    r->lane = lane_new(&c);
    if (!r->lane)
        r->lane = lane_new(&c);
    assert_non_null(r->lane);
    turn_result_init(&r->result);
}

void rig_close(struct rig *r)
{
    lane_free(r->lane);
    turn_result_done(&r->result);
    engine_options_done(&r->opt);
}

void rig_start(struct rig *r)
{
    struct lane_input *in = rig_input(IN_START);
    in->mode.claim = true;
    rig_push(r, in);
}

void rig_worker(struct rig *r, int64_t id, const char *handler_class, int32_t capacity)
{
    struct lane_input *in = rig_input(IN_WORKER_OPEN);
    in->worker.worker = id;
    in->worker.capacity = capacity;
    in->worker.classes = mem_alloc(sizeof(char *));
    if (!in->worker.classes)
        in->worker.classes = mem_alloc(sizeof(char *));
    in->worker.classes[in->worker.class_count++] = dup(handler_class);
    rig_push(r, in);
}

size_t rig_submit(struct rig *r, struct template *t)
{
    struct lane_input *in = rig_input(IN_SUBMIT);
    assert_non_null(in);
    in->ticket = &r->told[r->told_count];
    in->submit.tpl = template_ref(t);
    in->submit.context = blob("{}");
    in->submit.priority = PRIO_NORMAL;
    rig_push(r, in);
    return r->told_count++;
}

size_t rig_command(struct rig *r, enum command_kind kind, int64_t task, const char *step, const char *reason)
{
    struct lane_input *in = rig_input(IN_COMMAND);
    assert_non_null(in);
    in->ticket = &r->told[r->told_count];
    in->cmd.command = (uint8_t)kind;
    in->cmd.task_id = task;
    in->cmd.step = dup(step);
    in->cmd.reason = dup(reason);
    rig_push(r, in);
    return r->told_count++;
}

void rig_answer(struct rig *r, int64_t token, enum answer_kind kind)
{
    struct lane_input *in = rig_input(IN_ANSWER);
    assert_non_null(in);
    in->answer.token = token;
    in->answer.answer = (uint8_t)kind;
    if (kind == ANSWER_COMPLETE)
        in->answer.results = blob("{\"ok\":1}");
    rig_push(r, in);
}

void rig_worker_closes(struct rig *r, int64_t id)
{
    struct lane_input *in = rig_input(IN_WORKER_CLOSE);
    in->worker.worker = id;
    rig_push(r, in);
}

static void on_load(struct rig *r, const struct action *a)
{
    struct lane_input *in = lane_input_new(IN_LOADED);
    struct task_rows *rows = mem_alloc(sizeof(*rows));
    if (!in || !rows || r->mute) {
        mem_free(rows);
        lane_input_free(in);
        return;
    }
    task_rows_init(rows);
    in->loaded.rows = rows;
    in->loaded.task_id = a->id;
    in->loaded.number = a->token;
    bool kept_out = a->unlocked && a->id == r->locked;
    r->kept_out += kept_out;
    in->loaded.rc = kept_out ? TASKER_E_BUSY : rig_store->ops->load_task(rig_store, a->id, rows, NULL);
    for (size_t i = 0; in->loaded.rc == 0 && i < tpl_count; i++)
        if (rig_templates[i]->template_id == rows->template_id)
            in->loaded.tpl = template_ref(rig_templates[i]);
    if (in->loaded.rc == 0 && !in->loaded.tpl)
        in->loaded.rc = TASKER_E_CONFIG;
    rig_push(r, in);
}

static void on_load_offer(struct rig *r, const struct action *a)
{
    struct lane_input *in = lane_input_new(IN_OFFER_LOADED);
    struct offer_rows *rows = mem_alloc(sizeof(*rows));
    if (!in || !rows || r->mute) {
        mem_free(rows);
        lane_input_free(in);
        return;
    }
    offer_rows_init(rows);
    in->offer.rows = rows;
    in->offer.token = a->token;
    in->offer.rc = rig_store->ops->load_offer(rig_store, a->id, rows, NULL);
    for (size_t i = 0; in->offer.rc == 0 && i < tpl_count; i++)
        if (rig_templates[i]->template_id == rows->template_id)
            in->offer.tpl = template_ref(rig_templates[i]);
    rig_push(r, in);
}

static void on_holdings(struct rig *r, const struct action *a)
{
    struct lane_input *in = lane_input_new(IN_HOLDINGS);
    struct holdings *found = mem_alloc(sizeof(*found));
    if (!in || !found || r->mute) {
        mem_free(found);
        lane_input_free(in);
        return;
    }
    holdings_init(found);
    in->holdings.lane = a->id;
    in->holdings.number = a->token;
    in->holdings.found = found;
    in->holdings.rc = rig_store->ops->holdings(rig_store, a->id, found, NULL);
    rig_push(r, in);
}

static void on_poll(struct rig *r, bool thorough)
{
    struct poll_want want;
    struct lane_input *in = lane_input_new(IN_POLLED);
    r->polls++;
    if (!in || r->mute) {
        lane_input_free(in);
        return;
    }
    if (thorough || rig_store->ops->changed(rig_store))
        in->polled.found = mem_alloc(sizeof(*in->polled.found));
    if (in->polled.found) {
        poll_result_init(in->polled.found);
        lane_poll_want(r->lane, &want);
        in->polled.rc = rig_store->ops->poll(rig_store, &want, rig_now, in->polled.found, NULL);
    }
    rig_push(r, in);
}

void rig_act(struct rig *r)
{
    struct action a;
    while (lane_next_action(r->lane, &a)) {
        struct told *t = a.ticket;
        assert_true(a.kind != ACT_GIVE || r->given_count < MAX);
        if (a.kind == ACT_GIVE)
            r->given[r->given_count++] = (struct given){a.token, a.handout->task_id, a.handout->step,
                                                        a.handout->attempt, false, false};
        for (size_t i = 0; a.kind == ACT_STOP && i < r->given_count; i++)
            if (r->given[i].token == a.token)
                r->given[i].stopped = true, r->given[i].stale |= a.stale;
        if (a.kind == ACT_REPLY) {
            assert_false(t->answered);
            *t = (struct told){true, a.error.code, a.id, {0}};
            (void)snprintf(t->remedy, sizeof(t->remedy), "%s", a.error.remedy);
        }
        if (a.kind == ACT_LOAD)
            on_load(r, &a);
        if (a.kind == ACT_LOAD_OFFER)
            on_load_offer(r, &a);
        if (a.kind == ACT_HOLDINGS)
            on_holdings(r, &a);
        if (a.kind == ACT_POLL)
            on_poll(r, a.thorough);
        if (a.kind == ACT_DRAINED) {
            r->drained++;
            r->left = a.token;
            r->left_first = a.id;
        }
        blob_unref(a.blob);
        handout_free(a.handout);
    }
}

static void count_changes(struct rig *r, const struct turn *t)
{
    r->turns++;
    for (size_t i = 0; i < t->change_count; i++) {
        r->kinds[t->changes[i].kind]++;
        r->rows += 1 + ((t->changes[i].kind == CH_TASK_ROW || t->changes[i].kind == CH_STEP_ROW) &&
                        t->changes[i].row.flip);
    }
}

// Does the turn write rows of the task that somebody has locked?
static bool meets_lock(const struct rig *r, const struct turn *t)
{
    char sql[120];
    bool meets = t->claim_task != 0 && t->claim_task == r->locked;
    for (size_t i = 0; i < t->change_count && r->locked != 0 && !meets; i++) {
        const struct change *c = &t->changes[i];
        if (c->kind == CH_TASK_ROW)
            meets = c->row.owner_id == r->locked;
        if (c->kind != CH_STEP_ROW)
            continue;
        (void)snprintf(sql, sizeof(sql), "SELECT task_id FROM tasker_workflow_steps WHERE workflow_step_id = %lld",
                       (long long)c->row.owner_id);
        meets = rig_count(sql) == r->locked;
    }
    return meets;
}

// Or makes one of the named task? They are the ones that the turn waited for.
static size_t find_barred(struct rig *r, const struct turn *t)
{
    size_t n = 0;
    for (size_t i = 0; i < t->change_count && r->locked_named_task != 0; i++)
        if (t->changes[i].kind == CH_TASK_INSERT && t->changes[i].task.named_task_id == r->locked_named_task)
            r->barred[n++] = t->changes[i].task.task_id;
    return n;
}

// As PostgreSQL does it: the turn has waited, and another look says for whom.
static void fail_locked(struct rig *r, const struct turn *t, int64_t *locked, size_t count)
{
    int64_t waited = t->impatient ? 20 * US_PER_MS : SECOND;
    r->kept_out++;
    r->waited_us += waited;
    rig_now += r->locked_named_task ? waited : 0;
    r->result.outcome = OUT_RETRY;
    r->result.locked = locked;
    r->result.locked_count = count;
    (void)err_locked("something is", &r->result.error);
}

void rig_commit(struct rig *r, const struct turn *t)
{
    int die = r->dice_at < r->dice_count ? r->dice[r->dice_at++] : -1;
    for (size_t i = 0; i < t->change_count; i++)
        if (t->changes[i].kind == CH_TASK_COMPLETE)
            r->lease = t->now + t->lease_us;
    if (die >= 0) {
        r->result.outcome = (enum commit_outcome)die;
        r->result.culprit = r->culprit;
        r->result.existing_task_id = 0;
        (void)err_set(&r->result.error, TASKER_E_STORE, "the test says so");
        return;
    }
    size_t barred = find_barred(r, t);
    if (meets_lock(r, t) || barred > 0) {
        fail_locked(r, t, barred > 0 ? r->barred : &r->locked, barred > 0 ? barred : 1);
        return;
    }
    r->result.locked_count = 0;
    rig_store->ops->commit(rig_store, t, &r->result);
    if (r->result.outcome == OUT_REFUSED && r->result.existing_task_id == 0 && !mem_failed())
        print_message("refused: %s\n", r->result.error.message);
    if (r->result.outcome == OUT_COMMITTED)
        count_changes(r, t);
}

void rig_dice(struct rig *r, int64_t culprit, size_t count, int outcome)
{
    r->culprit = culprit;
    r->dice_at = 0;
    r->dice_count = count;
    for (size_t i = 0; i < count; i++)
        r->dice[i] = outcome;
}

// What the lane does now, until it has nothing to do before its next deadline.
void rig_run(struct rig *r)
{
    const struct turn *t;
    for (int i = 0; i < 1000; i++) {
        while ((t = lane_step(r->lane, rig_now))) {
            rig_act(r);
            rig_commit(r, t);
            lane_outcome(r->lane, rig_now, &r->result);
            rig_act(r);
        }
        rig_act(r);
        const char *wrong = lane_check(r->lane);
        if (wrong && !mem_failed())
            fail_msg("%s", wrong);
        if (lane_deadline(r->lane) > rig_now)
            return;
    }
    fail_msg("the lane spins");
}

// Lets time pass, deadline by deadline.
void rig_pass(struct rig *r, int64_t us)
{
    int64_t until = rig_now + us;
    rig_run(r);
    for (int64_t at; (at = lane_deadline(r->lane)) <= until;) {
        rig_now = at > rig_now ? at : rig_now;
        rig_run(r);
    }
    rig_now = until;
    rig_run(r);
}

enum state rig_state(int64_t task, const char *step)
{
    struct task_rows rows;
    enum state s = ST_NONE;
    task_rows_init(&rows);
    if (rig_store->ops->load_task(rig_store, task, &rows, NULL) < 0)
        assert_int_equal(rig_store->ops->load_task(rig_store, task, &rows, NULL), 0);
    if (!step)
        s = rows.state;
    for (size_t i = 0; step && i < rows.step_count; i++)
        if (span_is(rows.steps[i].name, step))
            s = rows.steps[i].state;
    task_rows_done(&rows);
    return s;
}

int64_t rig_attempts(int64_t task)
{
    struct task_rows rows;
    task_rows_init(&rows);
    assert_int_equal(rig_store->ops->load_task(rig_store, task, &rows, NULL), 0);
    int64_t n = rows.steps[0].attempts;
    task_rows_done(&rows);
    return n;
}

void rig_sql(const char *text)
{
    assert_int_equal(sqlite3_exec(sqlite_of(rig_store)->db, text, NULL, NULL, NULL), SQLITE_OK);
}

int64_t rig_count(const char *question)
{
    sqlite3_stmt *q = NULL;
    assert_int_equal(sqlite3_prepare_v2(sqlite_of(rig_store)->db, question, -1, &q, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(q), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(q, 0);
    (void)sqlite3_finalize(q);
    return n;
}

// One engine with one worker of class A for `capacity` steps, and one task submitted.
int64_t rig_one_task(struct rig *r, struct template *t, int32_t capacity)
{
    rig_open(r, "1/1");
    rig_start(r);
    rig_worker(r, 1, "A", capacity);
    size_t n = rig_submit(r, t);
    rig_run(r);
    assert_true(r->told[n].answered);
    assert_int_equal(r->told[n].code, 0);
    return r->told[n].id;
}
