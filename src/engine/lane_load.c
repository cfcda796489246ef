// SPDX-License-Identifier: MIT
// lane_load.c - tasks made again from their rows, with the attempts of them that are still out, and steps of other lanes
// that run here.
#include "engine/lane_private.h"

// ------------------------------------------------------------------------------------------------- tasks from rows

static struct task *rebuild(struct task_rows *r, struct template *tpl, struct arena *arena)
{
    struct task_image im = {.id = r->task_id,
                            .tpl = tpl,
                            .context = r->context,
                            .state = r->state,
                            .has_row = r->has_row,
                            .priority = r->priority,
                            .suspect = r->suspect,
                            .active = r->active,
                            .sort_key = r->sort_key,
                            .crashes = r->crashes,
                            .run_at = r->run_at,
                            .deadline = r->deadline,
                            .started_at = r->started_at};
    if (r->step_count != tpl->step_count)
        return NULL;
    im.steps = arena_alloc(arena, (r->step_count + 1) * sizeof(im.steps[0]));
    if (!im.steps)
        return NULL;
    for (size_t i = 0; i < r->step_count; i++) {
        struct step_rows *s = &r->steps[i];
        int at = template_find_step(tpl, s->name);
        if (at < 0 || im.steps[at].id != 0)
            return NULL;
        im.steps[at] = (struct step_image){.id = s->step_id,
                                           .state = s->state,
                                           .has_row = s->has_row,
                                           .retryable = s->retryable,
                                           .sort_key = s->sort_key,
                                           .attempts = s->attempts,
                                           .retry_limit = s->retry_limit,
                                           .backoff_seconds = s->backoff_seconds,
                                           .state_at = s->state_at,
                                           .last_attempted_at = s->last_attempted_at,
                                           .metadata = s->metadata,
                                           .results = s->results};
    }
    struct task *t = task_rebuild(&im);
    if (t) {
        r->context = NULL;
        for (size_t i = 0; i < r->step_count; i++)
            r->steps[i].results = NULL;
    }
    return t;
}

// The owner before us told time by a clock of its own, which may be ahead of ours by as much as an answer was on its way.
// What follows from its rows is not older than they are. A row further ahead is somebody's wrong clock.
#define CLOCKS_APART_US US_PER_SECOND

static void catch_up_with(struct lane *l, const struct task_rows *r)
{
    int64_t newest = r->started_at;
    for (size_t i = 0; i < r->step_count; i++)
        if (r->steps[i].state_at > newest)
            newest = r->steps[i].state_at;
    if (newest > l->d.now && newest - l->d.now <= CLOCKS_APART_US)
        l->seen_at = l->d.now = newest;
}

// An offer that an earlier owner, or this lane before it forgot the task, has made: its row goes on.
static void adopt_offer(struct lane *l, struct entry *e, struct tstep *step, const struct step_rows *r)
{
    struct slot *s = slot_find(l, r->offer_token);
    if (s)
        return;  // attached already
    bool wanted = step->state == ST_IN_PROGRESS || step->state == ST_PENDING ||
                  (step->state == ST_ERROR && step->wake_at != 0);
    if (!wanted) {
        struct change *c = decision_change(&l->d, CH_OFFER_DELETE);
        if (c)
            c->offer.token = r->offer_token;
        return;
    }
    s = slot_new(l, SLOT_OFFER, r->offer_token);
    if (!s)
        return;
    s->entry = e;
    e->slots++;
    s->task_id = e->id;
    s->step_id = step->id;
    s->step = step->index;
    s->attempt = step->attempts + 1;
    s->timeout_us = e->task->tpl->steps[step->index].timeout_us;
    if (s->timeout_us == 0)
        s->timeout_us = l->opt->step_timeout_us;
    s->klass = klass_get(l, e->task->tpl->steps[step->index].handler_class);
    step->slot = s;
    s->begun = r->offer_begun;
    s->started_at = r->offer_begun_at;
    if (r->offer_cancelled) {
        slot_zombie(l, s);  // timed out: the step waits until its worker has returned
        s->zombied = 0;     // its row says so, whatever becomes of this turn
    }
    if (!r->offer_begun || s->zombie)
        return;
    if (step->state != ST_IN_PROGRESS) {
        if (!step->open) {
            step->open = true;
            e->task->open++;
        }
        task_begin_step(&l->d, e->task, step, false);
        list_push(&l->lazy, &s->lazy);
    }
    step->started_at = s->started_at;
    slot_watch(l, s);
}

static void attach_slots(struct lane *l, struct entry *e, const struct task_rows *r)
{
    struct slot *s, *tmp;
    if (e->slots > 0)
        HASH_ITER(hh, l->slots, s, tmp)
        {
            if (s->entry == e && !s->spent)
                slot_attach(l, s, e->task);
        }
    for (size_t i = 0; i < r->step_count; i++) {
        if (r->steps[i].offer_token == 0)
            continue;
        int at = template_find_step(e->task->tpl, r->steps[i].name);
        adopt_offer(l, e, &e->task->steps[at], &r->steps[i]);
    }
}

// What nobody runs any more although the rows say so.
static void lose_steps(struct lane *l, struct entry *e)
{
    struct task *t = e->task;
    for (uint32_t i = 0; i < t->count && !task_state_final(t->state); i++) {
        struct tstep *s = &t->steps[i];
        const struct slot *slot = s->slot;
        if (s->state == ST_IN_PROGRESS && (!slot || slot->zombie))
            task_lose(&l->d, t, s);
    }
}

// Answers of its handlers may wait as well.
static bool awaits_command(const struct entry *e)
{
    list_each(node, &e->waiting)
        if (container_of(node, struct lane_input, link)->kind == IN_COMMAND)
            return true;
    return false;
}

static void resume(struct lane *l, struct entry *e, const struct task_rows *r)
{
    struct task *t = e->task;
    attach_slots(l, e, r);
    if (!task_set_aside(&l->d, t, l->opt->max_crashes))
        lose_steps(l, e);
    absorb_notes(l);
    if (t->state == ST_PENDING && t->run_at <= l->d.now && l->started)
        task_start(&l->d, t);
    task_wake_all(&l->d, t);
    for (uint32_t i = 0; i < t->count; i++) {
        struct tstep *s = &t->steps[i];
        if (s->state == ST_ERROR && s->wake_at != 0 && s->timer.place == 0 && heap_push(&l->wakes, &s->timer) < 0)
            l->d.failed = true;
    }
    absorb_notes(l);
    entry_timer(l, e, t->state == ST_PENDING ? t->run_at : t->deadline);
    if (task_state_final(t->state) && !awaits_command(e)) {
        task_settle(&l->d, t);  // a command that waits for it settles it otherwise
        e->over = true;
    }
}

// ---- tasks of which somebody else has rows locked: they wait, all others go on

bool set_locked(struct lane *l, int64_t now, const struct turn_result *r)
{
    bool some = false;
    for (size_t i = 0; i < r->locked_count; i++) {
        struct entry *e = entry_find(l, r->locked[i]);
        if (e && e->fresh)
            some = bar(l, now, e->task->tpl, &r->error) || some;
        else if (e)
            some = e->locked = true;
    }
    return some;
}

void give_up_claim(struct lane *l, const struct turn_result *r)
{
    tasker_error error = {0};
    for (size_t i = 0; i < r->locked_count; i++) {
        struct entry *e = entry_find(l, r->locked[i]);
        if (!e || !e->claiming)
            continue;
        (void)err_task_locked(e->id, &error);
        not_ours(l, e, &error);
    }
}

// Commands for it are not kept waiting: they are a person's, who may know the other one.
static void wait_for_lock(struct lane *l, struct entry *e)
{
    tasker_error error = {0};
    (void)err_task_locked(e->id, &error);
    refuse_waiting(l, e, &error);
    load_later(l, e);
}

// Its rows can not be read or make no sense: perhaps they do later. Who waits for it hears of it.
#define UNREADABLE_MAX 5

static void read_later(struct lane *l, struct entry *e)
{
    tasker_error error = {0};
    load_later(l, e);
    if (++e->unreadable < UNREADABLE_MAX)
        return;
    e->unreadable = UNREADABLE_MAX - 1;
    (void)err_set(&error, TASKER_E_STORE, "task %lld can not be read", (long long)e->id);
    err_remedy(&error, "see last_error of tasker health: its rows or its template may be damaged");
    refuse_waiting(l, e, &error);
}

void decide_loaded(struct lane *l, struct lane_input *in)
{
    struct entry *e = entry_find(l, in->loaded.task_id);
    if (!e || !e->loading || in->loaded.number != e->load_number)
        return; // read for somebody who has forgotten it since
    e->loading = false;
    entry_timer(l, e, 0);
    if (in->loaded.rc == TASKER_E_NOT_FOUND) {
        not_found(l, e);
        return;
    }
    if (in->loaded.rc == TASKER_E_BUSY && e->locked) {
        wait_for_lock(l, e);
        return;
    }
    struct arena arena;
    arena_init(&arena);
    if (in->loaded.rc == 0)
        e->task = rebuild(in->loaded.rows, in->loaded.tpl, &arena);
    arena_done(&arena);
    if (!e->task) {
        read_later(l, e);
        return;
    }
    e->unreadable = 0;
    e->locked = false;
    e->task->entry = e;
    catch_up_with(l, in->loaded.rows);
    touch(l, e);
    if (e->visiting)
        attach_slots(l, e, in->loaded.rows); // an action on a step takes its offer along
    else
        resume(l, e, in->loaded.rows);
    if (e->visiting && list_empty(&e->waiting))  // its command was refused: nobody gives the task back otherwise
        give_back(l, e);
    queue_front(l, &e->waiting);
}

// ------------------------------------------------------------------------------------------------ foreign steps

static struct handout *foreign_handout(const struct slot *s, struct lane_input *in)
{
    struct offer_rows *r = in->offer.rows;
    int at = template_find_step(in->offer.tpl, r->step_name);
    struct handout *h = at >= 0 ? mem_alloc(sizeof(*h)) : NULL;
    if (!h)
        return NULL;
    const struct template_step *def = &in->offer.tpl->steps[at];
    h->parents = mem_alloc((def->parent_count + 1) * sizeof(h->parents[0]));
    h->inputs = r->has_inputs ? blob_new(r->inputs.p, r->inputs.len) : NULL;
    h->answer = lane_input_new(IN_ANSWER);
    if (!h->parents || !h->answer || (r->has_inputs && !h->inputs)) {
        handout_free(h);
        return NULL;
    }
    list_init(&h->link);
    h->token = s->token;
    h->task_id = s->task_id;
    h->step_id = s->step_id;
    h->tpl = template_ref(in->offer.tpl);
    h->step = (uint32_t)at;
    h->attempt = s->attempt;
    h->retry_limit = r->retry_limit;
    h->timeout_us = s->timeout_us;
    h->context = blob_ref(r->context);
    h->foreign = true;
    h->parent_count = def->parent_count;
    for (uint32_t i = 0; i < def->parent_count; i++)
        for (size_t k = 0; k < r->parent_count; k++)
            if (span_is(r->parents[k].name, in->offer.tpl->steps[def->parents[i]].name) && !h->parents[i])
                h->parents[i] = blob_ref(r->parents[k].results);
    return h;
}

void decide_offer_loaded(struct lane *l, struct lane_input *in)
{
    struct slot *s = foreign_find(l, in->offer.token);
    if (!s || s->spent || s->given)
        return;
    heap_remove(&l->deadlines, &s->timer);
    struct action a = {.kind = ACT_GIVE, .token = s->token};
    if (in->offer.rc == 0 && s->worker && !s->worker->closing && !l->draining) {
        a.worker = s->worker->id;
        a.handout = foreign_handout(s, in);
    }
    if (a.handout) {
        s->given = out_action(l, &a);
        return;
    }
    l->no_offers_until = l->d.now + RELOAD_US;
    struct change *c = decision_change(&l->d, CH_OFFER_RELEASE);  // somebody else may run it
    if (c)
        c->offer.token = s->token;
    slot_spend(l, s);
}
