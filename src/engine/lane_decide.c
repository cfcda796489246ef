// SPDX-License-Identifier: MIT
// lane_decide.c - what each kind of input means: submissions, commands, answers, workers, modes. Inputs about other lanes
// and the database (polls, loads) are in lane_own.c.
#include "engine/lane_private.h"

#include <string.h>

const char *const command_names[CMD_COUNT] = {
#define X(name, text) [CMD_##name] = text,
    COMMANDS(X)
#undef X
};

// ------------------------------------------------------------------------------------------------- submissions

static size_t ids_wanted(const struct lane_input *in)
{
    return in->submit.tpl->step_count;
}

// A task that this lane will drive: at once, or (when it takes no others) at its time. Others are left free in the queue.
static bool keeps(const struct lane *l, const struct submission *s, int64_t now)
{
    if (!l->started || l->draining)
        return false;
    if (!l->claiming)
        return true;
    return s->run_at <= now && task_room(l) > 0;
}

static struct task *create(struct lane *l, struct submission *s, bool own)
{
    if (s->identity[0] == '\0') {  // once: deciding again what was committed after all must not make another task
        (void)uuid_v7(l->d.now, &l->rng, s->identity);
        s->named_here = true;
    }
    struct task_request r = {.tpl = s->tpl,
                             .context = s->context,
                             .initiator = span_of(s->initiator),
                             .source_system = span_of(s->source_system),
                             .reason = span_of(s->reason),
                             .identity = span_of(s->identity),
                             .tags = span_of(s->tags),
                             .bypass_steps = span_of(s->bypass_steps),
                             .requested_at = s->requested_at ? s->requested_at : l->d.now,
                             .run_at = s->run_at ? s->run_at : l->d.now,
                             .timeout_us = s->timeout_us ? s->timeout_us : s->tpl->timeout_us,
                             .priority = s->priority,
                             .own = own};
    if (r.timeout_us == 0)
        r.timeout_us = l->opt->task_timeout_us;
    size_t n = s->tpl->step_count;
    int64_t *ids = arena_alloc(&l->d.arena, (n ? n : 1) * sizeof(*ids));
    if (!ids) {
        l->d.failed = true;
        return NULL;
    }
    int64_t task_id = id_take(&l->task_ids);
    for (size_t i = 0; i < n; i++)
        ids[i] = id_take(&l->step_ids);
    return task_create(&l->d, &r, task_id, ids);
}

static bool decide_submit(struct lane *l, struct lane_input *in)
{
    struct submission *s = &in->submit;
    if (is_barred(l, in))
        return true;
    if (l->task_ids.total == 0 || l->step_ids.total < ids_wanted(in))
        return false;  // ask() takes more of them
    bool own = keeps(l, s, l->d.now);
    struct task *t = create(l, s, own);
    struct entry *e = t ? entry_add(l, t->id) : NULL;
    if (!e) {
        task_free(t);
        return true;
    }
    s->task_id = t->id;
    e->task = t;
    t->entry = e;
    e->fresh = true;
    e->visiting = !own;
    touch(l, e);
    if (own && t->run_at <= l->d.now) {
        task_start(&l->d, t);
        entry_timer(l, e, t->deadline);
    } else if (own) {
        entry_timer(l, e, t->run_at);
    } else if (l->claiming && t->run_at < l->next_thorough) {
        l->next_thorough = t->run_at;  // it is to start at its time, not when a look happens to find it
        l->next_poll = l->next_thorough < l->next_poll ? l->next_thorough : l->next_poll;
    }
    struct action a = {.kind = ACT_REPLY, .ticket = in->ticket, .id = t->id};
    if (in->ticket)
        hold_action(l, &a);
    return true;
}

// ---------------------------------------------------------------------------------------------------- commands

struct command_call {
    struct lane *l;
    struct task *t;
    struct tstep *s;
    const struct lane_input *in;
    tasker_error *err;
};

static int do_task_cancel(const struct command_call *c)
{
    return task_cancel(&c->l->d, c->t, c->in->cmd.reason, c->in->cmd.by, c->err);
}
static int do_task_retry(const struct command_call *c)
{
    return task_retry(&c->l->d, c->t, c->in->cmd.reason, c->in->cmd.by, c->err);
}
static int do_task_resolve(const struct command_call *c)
{
    return task_resolve(&c->l->d, c->t, c->in->cmd.reason, c->in->cmd.by, c->err);
}
static int do_step_retry(const struct command_call *c)
{
    return step_retry(&c->l->d, c->t, c->s, c->in->cmd.reason, c->in->cmd.by, c->err);
}
static int do_step_resolve(const struct command_call *c)
{
    return step_resolve(&c->l->d, c->t, c->s, c->in->cmd.results, c->in->cmd.reason, c->in->cmd.by, c->err);
}
static int do_step_cancel(const struct command_call *c)
{
    return step_cancel(&c->l->d, c->t, c->s, c->in->cmd.reason, c->in->cmd.by, c->err);
}
// A step that somebody has, be it that its handler does not return, keeps the task here. An offer that nobody took goes
// with the task.
static int do_task_release(const struct command_call *c)
{
    for (uint32_t i = 0; i < c->t->count; i++) {
        const struct slot *slot = c->t->steps[i].slot;
        if (!slot || slot->spent || (slot->kind == SLOT_OFFER && !slot->begun))
            continue;
        err_set(c->err, TASKER_E_STATE, "step %s of task %lld is given out", step_name(c->t, &c->t->steps[i]),
                (long long)c->t->id);
        err_remedy(c->err, "release the task when the step has ended");
        return TASKER_E_STATE;
    }
    return task_hand_over(&c->l->d, c->t, c->in->cmd.reason, c->in->cmd.by, c->err);
}

static const struct {
    int (*run)(const struct command_call *c);
    bool step;
} command_table[CMD_COUNT] = {
    [CMD_TASK_CANCEL] = {do_task_cancel, false},   [CMD_TASK_RETRY] = {do_task_retry, false},
    [CMD_TASK_RESOLVE] = {do_task_resolve, false}, [CMD_STEP_RETRY] = {do_step_retry, true},
    [CMD_STEP_RESOLVE] = {do_step_resolve, true},  [CMD_STEP_CANCEL] = {do_step_cancel, true},
    [CMD_TASK_RELEASE] = {do_task_release, false},
};

static int run_command(struct lane *l, struct task *t, const struct lane_input *in, struct tstep **ret_step,
                       tasker_error *err)
{
    struct command_call c = {l, t, NULL, in, err};
    if (command_table[in->cmd.command].step) {
        int i = template_find_step(t->tpl, span_of(in->cmd.step));
        if (i < 0)
            return err_set(err, TASKER_E_NOT_FOUND, "task %lld has no step %s", (long long)t->id,
                           in->cmd.step ? in->cmd.step : "(none)");
        c.s = *ret_step = &t->steps[i];
    }
    return command_table[in->cmd.command].run(&c);
}

// The claim of a task that is not in memory begins with the next turn.
static void claim_for(struct lane *l, struct lane_input *in)
{
    struct entry *e = entry_add(l, in->cmd.task_id);
    if (!e)
        return;
    e->claiming = true;
    e->visiting = true;
    list_remove(&in->link);
    list_push(&e->waiting, &in->link);
    list_push(&l->claims, &e->claim_link);
}

static bool decide_command(struct lane *l, struct lane_input *in)
{
    struct entry *e = entry_find(l, in->cmd.task_id);
    if (in->withdrawn && (!e || !e->task || e->over))
        return true;
    if (!e && in->cmd.request_id != 0)
        return true;  // it is no longer ours: its next owner finds the request, or who asked asks again
    if (!e) {
        claim_for(l, in);
        return true;
    }
    if (!e->task || e->over) {  // being read, or ending with this turn
        list_remove(&in->link);
        list_push(&e->waiting, &in->link);
        return true;
    }
    tasker_error error = {0};
    struct tstep *s = NULL;
    touch(l, e);
    int rc = in->withdrawn ? TASKER_E_BUSY : run_command(l, e->task, in, &s, &error);
    struct blob *result = rc == 0 ? command_result(e->task, s) : NULL;
    absorb_notes(l);
    if (e->visiting && e->task->active)
        give_back(l, e);
    else
        task_settle(&l->d, e->task);
    if (!e->task->active)
        e->over = true;
    else if (!e->visiting)
        entry_timer(l, e, e->task->state == ST_PENDING ? e->task->run_at : e->task->deadline);
    answer_command(l, in, rc, &error, result);
    return true;
}

// ----------------------------------------------------------------------------------------------------- answers

// A foreign step's answer goes to its row, where the owner finds it. One that was taken away only gives its row back: the
// owner waits for that before it tries the step again.
static void answer_foreign(struct lane *l, struct slot *s, const struct lane_input *in)
{
    bool back = s->zombie || in->answer.answer == ANSWER_RETURNED || in->answer.answer == ANSWER_RELEASE;
    struct change *c = l->id != 0 ? decision_change(&l->d, back ? CH_OFFER_RELEASE : CH_OFFER_ANSWER) : NULL;
    slot_spend(l, s);
    if (!c)
        return;
    c->offer.token = s->token;
    l->look_again = l->offered > 0; // the offer may be our own
    if (back)
        return;
    c->offer.verdict = in->answer.answer == ANSWER_COMPLETE;
    struct blob *results = decision_hold(&l->d, in->answer.results), *log = decision_hold(&l->d, in->answer.log);
    if (results)
        c->offer.answer = (struct span){results->data, results->size};
    else if (in->answer.failure)
        c->offer.answer = failure_json(&l->d.arena, &in->answer.failure->f);
    if (log)
        c->offer.log = (struct span){log->data, log->size};
}

// An answer that came too late is refused, and that it came is recorded with what the handler wrote.
static void refused(struct lane *l, const struct slot *s, const struct lane_input *in)
{
    if (in->answer.answer == ANSWER_RETURNED && !in->answer.late)
        return; // no handler had begun it
    if (s->entry && s->entry->task)
        decision_note(&l->d, NOTE_STEP_REFUSED, s->entry->task, (int32_t)s->step, (struct span){NULL, 0});
    struct change *c = l->id != 0 ? decision_change(&l->d, CH_LOG_INSERT) : NULL;
    if (!c)
        return;
    struct blob *log = decision_hold(&l->d, in->answer.log);
    c->log.step_id = s->step_id;
    c->log.at = l->d.now;
    c->log.attempt = s->attempt;
    c->log.outcome = LOG_REFUSED;
    c->log.text = log ? (struct span){log->data, log->size} : SPAN("(the handler wrote nothing)");
}

// The handler of an attempt that no longer counts has returned: its place is free, and its step may be tried again.
static void zombie_returned(struct lane *l, struct slot *s, const struct lane_input *in)
{
    struct entry *e = s->entry;
    struct tstep *step = e && e->task ? &e->task->steps[s->step] : NULL;
    refused(l, s, in);
    if (e)
        touch(l, e);
    slot_spend(l, s);
    if (step && step->ready && !step->slot)
        enqueue(l, e->task, step);
}

static void apply_answer(struct lane *l, struct task *t, struct tstep *step, struct lane_input *in)
{
    struct blob *log = decision_hold(&l->d, in->answer.log);
    struct span text = log ? (struct span){log->data, log->size} : (struct span){NULL, 0};
    switch (in->answer.answer) {
    case ANSWER_COMPLETE:
        task_succeed(&l->d, t, step, in->answer.results, text);
        break;
    case ANSWER_FAIL: {
        struct failure none = {.cause = CAUSE_HANDLER, .message = SPAN("the handler failed")};
        struct failure f = in->answer.failure ? in->answer.failure->f : none;
        f.log = text;
        task_fail(&l->d, t, step, &f);
        break;
    }
    default:
        task_release(&l->d, t, step);
    }
}

static bool decide_answer(struct lane *l, struct lane_input *in)
{
    struct slot *s = foreign_find(l, in->answer.token);
    if (s) {
        answer_foreign(l, s, in);
        return true;
    }
    s = slot_find(l, in->answer.token);
    if (!s || s->kind != SLOT_LOCAL || s->spent)
        return true;  // of an engine that is no more
    if (s->zombie) {
        zombie_returned(l, s, in);
        return true;
    }
    struct entry *e = s->entry;
    if (!e->task) {  // being read again
        list_remove(&in->link);
        list_push(&e->waiting, &in->link);
        if (e->locked)  // who knows for how long
            slot_unplace(l, s);
        return true;
    }
    struct tstep *step = &e->task->steps[s->step];
    touch(l, e);
    slot_spend(l, s);
    apply_answer(l, e->task, step, in);
    return true;
}

static bool decide_progress(struct lane *l, struct lane_input *in)
{
    struct slot *s = slot_find(l, in->progress.token);
    if (!s || s->zombie || !s->entry || !s->entry->task || l->listeners == 0)
        return true;
    struct blob *b = decision_hold(&l->d, in->progress.progress);
    char *detail = b ? arena_printf(&l->d.arena, "\"progress\":%s", b->data) : NULL;
    decision_note(&l->d, NOTE_STEP_PROGRESS, s->entry->task, (int32_t)s->step, span_of(detail));
    return true;
}

// ------------------------------------------------------------------------------------------------ workers, modes

static bool decide_worker_open(struct lane *l, struct lane_input *in)
{
    return worker_open(l, in);
}

static bool decide_worker_close(struct lane *l, struct lane_input *in)
{
    worker_close(l, in->worker.worker);
    return true;
}

static bool decide_start(struct lane *l, struct lane_input *in)
{
    l->started = true;
    l->claiming = in->mode.claim;
    l->draining = l->force_drain = false;
    l->classes_changed = true;
    l->next_poll = l->next_thorough = 0;
    struct action a = {.kind = ACT_REPLY, .ticket = in->ticket};
    if (in->ticket)
        hold_action(l, &a);
    return true;
}

static bool decide_drain(struct lane *l, struct lane_input *in)
{
    l->draining = true;
    l->force_drain = l->force_drain || in->mode.force;
    return true;
}

static bool decide_poll(struct lane *l, struct lane_input *in)
{
    decide_polled(l, in);
    return true;
}

static bool decide_load(struct lane *l, struct lane_input *in)
{
    decide_loaded(l, in);
    return true;
}

static bool decide_offer(struct lane *l, struct lane_input *in)
{
    decide_offer_loaded(l, in);
    return true;
}

static bool decide_found(struct lane *l, struct lane_input *in)
{
    decide_holdings(l, in);
    return true;
}

static bool (*const deciders[IN_KIND_COUNT])(struct lane *l, struct lane_input *in) = {
    [IN_SUBMIT] = decide_submit,           [IN_COMMAND] = decide_command,
    [IN_ANSWER] = decide_answer,           [IN_PROGRESS] = decide_progress,
    [IN_WORKER_OPEN] = decide_worker_open, [IN_WORKER_CLOSE] = decide_worker_close,
    [IN_START] = decide_start,             [IN_DRAIN] = decide_drain,
    [IN_POLLED] = decide_poll,             [IN_LOADED] = decide_load,
    [IN_OFFER_LOADED] = decide_offer,      [IN_HOLDINGS] = decide_found,
};

bool decide(struct lane *l, struct lane_input *in)
{
    return deciders[in->kind](l, in);
}
