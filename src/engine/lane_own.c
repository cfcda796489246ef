// SPDX-License-Identifier: MIT
// lane_own.c - what a lane owns and how it comes to own it: ids taken ahead, claims, takeovers of dead lanes, tasks read
// from their rows, commands passed between lanes, offers of other lanes, and the end (draining).
//
// What a turn asks for besides its changes is filled in by ask(); the answers come with the commit (take_answers).
#include "engine/lane_private.h"

#include <stdio.h>
#include <string.h>

#define TASK_IDS_MIN 1
#define TASK_IDS_MAX 512
#define STEPS_PER_TASK 8  // ids of steps taken ahead for one of a task
#define CLAIM_MIN 8
#define OFFER_WANT_MAX 64

// ----------------------------------------------------------------------------------------------------------- ids

int64_t id_take(struct id_pool *p)
{
    struct id_range *r = &p->ranges[p->count - 1];
    int64_t id = r->first++;
    p->total--;
    if (r->first > r->last)
        p->count--;
    return id;
}

int id_add(struct id_pool *p, const struct id_range *ranges, size_t count)
{
    if (count == 0)
        return 0;
    if (mem_grow(&p->ranges, &p->cap, p->count + count, sizeof(p->ranges[0])) < 0)
        return TASKER_E_NOMEM;
    // What is left of older ids is used first, and stands at the end.
    memmove(p->ranges + count, p->ranges, p->count * sizeof(p->ranges[0]));
    p->count += count;
    for (size_t i = 0; i < count; i++) {
        p->ranges[i] = ranges[count - 1 - i];
        p->total += (size_t)(ranges[i].last - ranges[i].first + 1);
    }
    return 0;
}

// Enough for the submissions that wait, and some ahead once a lane creates tasks at all.
static void ask_ids(struct lane *l)
{
    if (list_empty(&l->submits) && (l->task_ids.total == 0 || l->d.change_count == 0))
        return;
    size_t tasks = 0, steps = 0;
    list_each(node, &l->submits)
    {
        tasks++;
        steps += container_of(node, struct lane_input, link)->submit.tpl->step_count;
        if (steps > TURN_MAX_CHANGES || tasks > TURN_MAX_CHANGES)
            break;  // no turn creates more
    }
    if (l->id_appetite == 0)
        l->id_appetite = TASK_IDS_MIN;
    uint32_t low = l->id_appetite / 4;
    if (l->task_ids.total < tasks || l->task_ids.total < low)
        l->turn.want_task_ids = tasks > l->id_appetite ? (uint32_t)tasks : l->id_appetite;
    if (l->step_ids.total < steps || l->step_ids.total < low * STEPS_PER_TASK)
        l->turn.want_step_ids = steps > l->id_appetite * STEPS_PER_TASK ? (uint32_t)steps
                                                                        : l->id_appetite * STEPS_PER_TASK;
    if (l->turn.want_task_ids > 0 && l->id_appetite < TASK_IDS_MAX)
        l->id_appetite *= 2;
}

// ---------------------------------------------------------------------------------------------------------- asks

// Tasks that wait for a worker elsewhere do not keep others out, up to so many times the limit.
#define WAITING_TASKS_FACTOR 15

int32_t task_room(const struct lane *l)
{
    int64_t limit = l->opt->max_active_tasks, have = HASH_COUNT(l->entries), waiting = l->offered;
    if (waiting > have)
        waiting = have; // a task may have several offers
    if (waiting > limit * WAITING_TASKS_FACTOR)
        waiting = limit * WAITING_TASKS_FACTOR;
    return have - waiting < limit ? (int32_t)(limit - (have - waiting)) : 0;
}

static void ask_claims(struct lane *l)
{
    if (!list_empty(&l->claims))
        l->turn.claim_task = container_of(l->claims.next, struct entry, claim_link)->id;
    if (!l->tasks_due || !l->claiming || !l->started || l->draining)
        return;
    int32_t room = 2 * free_places(l);
    if (room < CLAIM_MIN)
        room = l->workers ? (room > 0 ? room : 0) : CLAIM_MIN;
    int32_t left = task_room(l);
    l->turn.claim_limit = room < left ? room : left;
}

// How many steps of a class could begin here now.
static int32_t class_places(const struct lane *l, const struct klass *k)
{
    int32_t places = 0, all = free_places(l);
    for (size_t i = 0; i < k->worker_count; i++)
        if (k->workers[i]->capacity > meter_used(&k->workers[i]->used))
            places += k->workers[i]->capacity - meter_used(&k->workers[i]->used);
    if (k->limit > 0 && places > k->limit - meter_used(&k->running))
        places = k->limit - meter_used(&k->running);
    if (places > all)
        places = all;
    return places > OFFER_WANT_MAX ? OFFER_WANT_MAX : places;
}

// Classes with free places here and nothing of their own to do: what others offer of them may be taken. Each look begins
// with another class, so that none is forgotten.
static size_t fill_wants(struct lane *l)
{
    struct klass *k, *tmp;
    size_t count = 0, skip = l->want_turn++;
    l->want_count = 0;
    if (!l->started || l->draining || l->d.now < l->no_offers_until)
        return 0;
    HASH_ITER(hh, l->classes, k, tmp)
    {
        int32_t places = class_places(l, k);
        if (places <= 0 || k->ready.count > 0 || k->suspects.count > 0)
            continue;
        if (mem_grow(&l->wants, &l->want_cap, count + 1, sizeof(l->wants[0])) < 0)
            break;
        l->wants[count++] = (struct offer_want){k->name, places};
    }
    for (size_t i = count ? skip % count : 0; i > 0; i--) {
        struct offer_want first = l->wants[0];
        memmove(l->wants, l->wants + 1, (count - 1) * sizeof(first));
        l->wants[count - 1] = first;
    }
    l->want_count = count;
    return count;
}

static void ask_classes(struct lane *l)
{
    if (!l->classes_changed || l->id == 0 || !l->started)
        return;
    struct buf b;
    struct klass *k, *tmp;
    buf_init(&b, 1 << 20);
    jw_open(&b, '[');
    HASH_ITER(hh, l->classes, k, tmp)
    {
        if (k->serving > 0)
            jw_str(&b, k->name);
    }
    jw_close(&b, ']');
    struct change *c = decision_change(&l->d, CH_LANE_CLASSES);
    if (c)
        c->lane.classes = span_of(arena_dup(&l->d.arena, buf_view(&b).p, b.len));
    buf_done(&b);
}

void ask(struct lane *l)
{
    ask_ids(l);
    ask_claims(l);
    ask_classes(l);
    if (l->takeover) {
        l->turn.takeover = true;
        l->turn.dead_lanes = l->dead;
        l->turn.dead_lane_count = l->dead_count;
    }
    struct klass *k = l->offer_class;
    bool may = l->started && !l->draining && l->d.now >= l->no_offers_until;
    int32_t places = k && may ? class_places(l, k) : 0;
    l->offer_class = NULL;
    if (places > 0) {
        l->want = (struct offer_want){k->name, places};
        l->turn.wants = &l->want;
        l->turn.want_count = 1;
    }
}

bool turn_asks(const struct turn *t)
{
    return t->want_task_ids || t->want_step_ids || t->claim_limit > 0 || t->claim_task || t->takeover ||
           t->want_count > 0;
}

// ------------------------------------------------------------------------------------------------------- answers

void load(struct lane *l, struct entry *e)
{
    e->loading = true;
    e->load_number = ++l->loads;
    struct action a = {.kind = ACT_LOAD, .id = e->id, .token = e->load_number, .unlocked = e->locked};
    bool asked = out_action(l, &a);
    entry_timer(l, e, l->d.now + (asked ? ANSWER_LOST_US : RELOAD_US));
}

void load_later(struct lane *l, struct entry *e)
{
    e->loading = true;
    e->load_number = ++l->loads;
    entry_timer(l, e, l->d.now + RELOAD_US);
}

void read_offer(struct lane *l, struct slot *s)
{
    struct action a = {.kind = ACT_LOAD_OFFER, .token = s->token, .id = s->step_id};
    s->deadline = l->d.now + (out_action(l, &a) ? ANSWER_LOST_US : RELOAD_US);
    if (heap_push(&l->deadlines, &s->timer) < 0)
        l->d.failed = true;
}

void refuse_waiting(struct lane *l, struct entry *e, const tasker_error *error)
{
    list_each(node, &e->waiting)
    {
        struct lane_input *in = container_of(node, struct lane_input, link);
        struct action a = {.kind = ACT_REPLY, .ticket = in->ticket, .error = *error};
        if (in->kind != IN_COMMAND)
            continue;
        if (in->ticket && !out_action(l, &a))
            return;  // the next time
        list_remove(node);
        lane_input_free(in);
    }
}

void not_found(struct lane *l, struct entry *e)
{
    tasker_error error = {0};
    (void)err_set(&error, TASKER_E_NOT_FOUND, "there is no task %lld", (long long)e->id);
    not_ours(l, e, &error);
}

void not_ours(struct lane *l, struct entry *e, const tasker_error *error)
{
    struct list *node;
    refuse_waiting(l, e, error);
    for (node = e->waiting.next; node != &e->waiting; node = e->waiting.next) {
        struct lane_input *in = container_of(node, struct lane_input, link);
        if (in->kind == IN_COMMAND)
            break;  // no memory for its answer: it asks again
        list_remove(node);
        lane_input_free(in);
    }
    entry_remove(l, e);
}

// Another lane owns the task. The first time its process may be dead: a poll finds out. Then it is asked.
static void owned_by_other(struct lane *l, struct entry *e)
{
    struct list *node;
    while ((node = list_pop(&e->waiting))) {
        struct lane_input *in = container_of(node, struct lane_input, link);
        if (in->kind != IN_COMMAND || in->cmd.request_id != 0) {  // the owner finds the request itself
            lane_input_free(in);
            continue;
        }
        list_push(in->tries++ == 0 ? &l->rechecks : &l->to_request, &in->link);
    }
    entry_remove(l, e);
    l->next_poll = l->next_thorough = 0;
}

static void take_claim(struct lane *l, const struct turn_result *r)
{
    if (l->turn.claim_task == 0)
        return;
    struct entry *e = entry_find(l, l->turn.claim_task);
    if (!e || !e->claiming)
        return;
    e->claiming = false;
    list_remove(&e->claim_link);
    if (r->claim_answer == CLAIM_TAKEN) {
        e->visiting = !(l->started && l->claiming && !l->draining);
        load(l, e);
    } else if (r->claim_answer == CLAIM_OWNED_BY_OTHER) {
        owned_by_other(l, e);
    } else if (r->claim_answer == CLAIM_NOT_OURS) {
        tasker_error error = {0};
        (void)err_set(&error, TASKER_E_STATE, "task %lld belongs to the Rails engine", (long long)e->id);
        err_remedy(&error, "take it over first (tasker task adopt %lld), or act on it from there", (long long)e->id);
        not_ours(l, e, &error);
    } else {
        not_found(l, e);
    }
}

// False: out of memory.
static bool take_offers(struct lane *l, const struct turn_result *r)
{
    for (size_t i = 0; i < r->offer_count; i++) {
        const struct offer_taken *o = &r->offers[i];
        struct klass *k = klass_get(l, o->handler_class);
        if (!k || !heap_room(&l->deadlines, l->deadlines.count + 1))
            return false;
        struct slot *known = foreign_find(l, o->token), *s = known ? NULL : slot_new(l, SLOT_FOREIGN, o->token);
        if (known)
            continue;
        if (!s)
            return false;
        s->task_id = o->task_id;
        s->step_id = o->step_id;
        s->attempt = o->attempt;
        s->timeout_us = o->deadline_us;
        s->klass = k;
        struct lworker *w = free_worker(k);
        if (!w && k->worker_count > 0)
            w = k->workers[0];
        if (w)
            slot_worker(s, w);
        slot_place(l, s);
        read_offer(l, s);
    }
    return true;
}

static void take_requests(struct lane *l, const struct turn_result *r)
{
    l->read_count = 0;
    size_t i = 0;
    struct list *node;
    while ((node = list_pop(&l->asking))) {
        struct lane_input *in = container_of(node, struct lane_input, link);
        in->cmd.asked_id = i < r->request_count ? r->request_ids[i] : 0;
        in->cmd.asked_at = l->turn.now;
        i++;
        list_push(&l->asked, &in->link);
    }
}

// A takeover that got nothing was too late, or rows that it wants are locked, for a moment or for as long as a stopped
// process stands: then every look finds them again.
static int64_t takeover_pause(const struct lane *l)
{
    return l->opt->lease_us / 3 < US_PER_SECOND ? l->opt->lease_us / 3 : US_PER_SECOND;
}

void take_answers(struct lane *l, const struct turn_result *r, bool heard)
{
    const struct turn *t = &l->turn;
    bool whole = true;
    if (id_add(&l->task_ids, r->task_ids, r->task_id_ranges) < 0 ||
        id_add(&l->step_ids, r->step_ids, r->step_id_ranges) < 0)
        l->d.failed = true;  // they are asked for again
    if (l->classes_changed && l->id != 0 && l->started)
        l->classes_changed = false;
    if (t->takeover) {
        l->takeover = false;
        l->dead_count = 0;
        l->no_takeover_until = r->taken_over > 0 ? 0 : l->d.now + takeover_pause(l);
        l->next_poll = 0;
        l->next_thorough = 0;
        queue_front(l, &l->rechecks);
    }
    if (heard && t->claim_limit > 0 && r->claimed_count < (size_t)t->claim_limit)
        l->tasks_due = false;
    if (t->want_count > 0 || l->look_again)
        l->next_poll = l->next_thorough = 0;  // there may be more of them
    for (size_t i = 0; i < r->claimed_count; i++) {
        if (entry_find(l, r->claimed[i]))
            continue;
        struct entry *e = entry_add(l, r->claimed[i]);
        if (e)
            load(l, e);
        whole = whole && e;
    }
    l->look_again = false;
    if (heard)
        take_claim(l, r);  // else it is asked again: what is ours already may be claimed
    whole = take_offers(l, r) && whole;
    take_requests(l, r);
    if (!whole)
        l->retiring = true;  // out of memory: what became ours and is not known here is given back with all the rest
}

// -------------------------------------------------------------------------------------------------------- polling

void lane_poll_want(struct lane *l, struct poll_want *ret)
{
    size_t n = 0;
    list_each(node, &l->asked)
    {
        if (mem_grow(&l->asked_ids, &l->asked_cap, n + 1, sizeof(l->asked_ids[0])) == 0)
            l->asked_ids[n++] = container_of(node, struct lane_input, link)->cmd.asked_id;
    }
    size_t mine = 0;
    struct slot *s, *tmp;
    HASH_ITER(hh, l->foreign, s, tmp)
    {
        if (!s->zombie && mem_grow(&l->foreign_tokens, &l->foreign_cap, mine + 1, sizeof(l->foreign_tokens[0])) == 0)
            l->foreign_tokens[mine++] = s->token;
    }
    *ret = (struct poll_want){.lane = l->id,
                              .lease_us = l->opt->lease_us,
                              .my_offers = l->foreign_tokens,
                              .my_offer_count = mine,
                              .tasks = l->claiming && !l->draining,
                              .want_count = fill_wants(l),
                              .my_requests = l->asked_ids,
                              .my_request_count = n};
    ret->wants = l->wants;
}

void maybe_poll(struct lane *l)
{
    bool needed = l->started || !list_empty(&l->asked) || !list_empty(&l->rechecks);
    bool out = l->polling && l->d.now < l->polled_at + ANSWER_LOST_US;
    if (!needed || out || l->d.now < l->next_poll || l->id == 0)
        return;
    struct action a = {.kind = ACT_POLL, .thorough = l->d.now >= l->next_thorough};
    if (!out_action(l, &a))
        return;
    l->polling = true;
    l->poll_lane = l->id;
    l->polled_at = l->d.now;
    l->next_poll = l->d.now + l->opt->poll_interval_us;
    if (a.thorough)
        l->next_thorough = l->d.now + l->opt->thorough_us;
    if (l->next_thorough < l->next_poll)
        l->next_poll = l->next_thorough;
}

// Lanes are dead when their lease has passed, which counts only once we held our own connection for a full lease; or at
// once when their process is gone from this host. Nobody waits for one that owns nothing: it is only cleared away.
static void find_dead(struct lane *l, const struct lane_input *in)
{
    const struct poll_result *p = in->polled.found;
    bool sure = l->d.now - l->registered_at >= l->opt->lease_us;
    bool found = p->stranded && sure;
    for (size_t i = 0; i < p->lane_count; i++)
        found = found || (sure && p->lanes[i].expires_at + (p->lanes[i].owns ? 0 : REST_LEASE_US) < l->d.now);
    if (in->polled.dead_count > 0) {
        int64_t *dead = mem_alloc(in->polled.dead_count * sizeof(*dead));
        if (dead) {
            memcpy(dead, in->polled.dead, in->polled.dead_count * sizeof(*dead));
            mem_free(l->dead);
            l->dead = dead;
            l->dead_count = in->polled.dead_count;
            found = true;
        }
    }
    if (found && l->d.now >= l->no_takeover_until)
        l->takeover = true;
}

static void begin_offer(struct lane *l, struct slot *s, int64_t at)
{
    if (s->begun || s->zombie || !s->entry || !s->entry->task)
        return;
    struct task *t = s->entry->task;
    struct tstep *step = &t->steps[s->step];
    s->begun = true;
    s->started_at = at ? at : l->d.now;
    touch(l, s->entry);
    task_begin_step(&l->d, t, step, false);
    step->started_at = s->started_at;
    slot_watch(l, s);
    list_push(&l->lazy, &s->lazy);
}

static void offer_answered(struct lane *l, struct slot *s, const struct poll_offer *news)
{
    struct task *t = s->entry->task;
    struct tstep *step = &t->steps[s->step];
    bool zombie = s->zombie;
    begin_offer(l, s, news->begun_at);
    touch(l, s->entry);
    slot_spend(l, s);
    if (zombie) {
        decision_note(&l->d, NOTE_STEP_REFUSED, t, (int32_t)s->step, (struct span){NULL, 0});
        if (step->ready)
            enqueue(l, t, step);
        return;
    }
    struct blob *log = news->log.len ? blob_new(news->log.p, news->log.len) : NULL;
    if (news->log.len && !log)
        l->d.failed = true;
    struct span text = decision_hold(&l->d, log) ? (struct span){log->data, log->size} : (struct span){NULL, 0};
    if (news->verdict) {
        struct blob *results = news->answer.len ? blob_new(news->answer.p, news->answer.len) : NULL;
        if (news->answer.len && !results)
            l->d.failed = true;
        task_succeed(&l->d, t, step, results, text);
        blob_unref(results);
    } else {
        struct failure_copy *f = failure_from_json(news->answer);
        struct failure none = {.cause = CAUSE_HANDLER, .message = SPAN("the handler failed")};
        struct failure *what = f ? &f->f : &none;
        what->log = text;
        task_fail(&l->d, t, step, what);
        if (f) {
            arena_done(&f->arena);
            mem_free(f);
        }
    }
    blob_unref(log);
}

static void offer_lost(struct lane *l, struct slot *s, const struct poll_offer *news)
{
    struct task *t = s->entry->task;
    struct tstep *step = &t->steps[s->step];
    bool zombie = s->zombie;
    begin_offer(l, s, news->begun_at);
    touch(l, s->entry);
    slot_spend(l, s);
    if (zombie && step->ready)
        enqueue(l, t, step);
    if (zombie)
        return;
    task_crashed(&l->d, t);
    if (!task_set_aside(&l->d, t, l->opt->max_crashes))
        task_lose(&l->d, t, step);
}

static void take_offer_news(struct lane *l, const struct poll_offer *news)
{
    struct slot *s = slot_find(l, news->token);
    if (!s || s->kind != SLOT_OFFER || s->spent || !s->entry || !s->entry->task)
        return;  // its task is being read; the next poll says it again
    if (news->news == OFFER_BEGUN)
        begin_offer(l, s, news->begun_at);
    else if (news->news == OFFER_ANSWERED)
        offer_answered(l, s, news);
    else
        offer_lost(l, s, news);
    absorb_notes(l);
}

void decide_polled(struct lane *l, struct lane_input *in)
{
    const struct poll_result *p = in->polled.found;
    l->polling = false;
    if (in->polled.rc < 0 || !p)
        return;
    lane_contact(l, l->d.now);
    if (!p->lane_alive && l->id != 0 && l->id == l->poll_lane) {
        l->registered_at = l->d.now;  // the next turn is fenced, which cleans up, and tells why
        l->committed_at = 0;
        if (!l->started && !l->entries && !l->foreign)
            l->id = 0;  // it sends none without anything to write
        return;
    }
    l->tasks_due = l->tasks_due || p->tasks_due;
    if (p->offer_class)
        l->offer_class = klass_get(l, p->offer_class);
    if (p->next_run_at && p->next_run_at < l->next_thorough)
        l->next_thorough = p->next_run_at;
    if (l->next_thorough < l->next_poll)
        l->next_poll = l->next_thorough;
    find_dead(l, in);
    for (size_t i = 0; i < p->answer_count; i++)
        take_answer(l, &p->answers[i]);
    give_up_requests(l);
    for (size_t i = 0; i < p->request_count; i++)
        take_request(l, &p->requests[i]);
    for (size_t i = 0; i < p->offer_news_count; i++)
        take_offer_news(l, &p->offer_news[i]);
    for (size_t i = 0; i < p->cancelled_count; i++) {
        struct slot *s = foreign_find(l, p->cancelled[i]);
        if (!s || s->zombie)
            continue;
        slot_stop(l, s, true);
        slot_zombie(l, s);
    }
    if (!l->takeover)
        queue_front(l, &l->rechecks);
}

// ------------------------------------------------------------------------------------------------------- draining

static bool some_running(const struct lane *l)
{
    struct slot *s, *tmp;
    HASH_ITER(hh, l->slots, s, tmp)
    {
        if (s->kind == SLOT_LOCAL && !s->zombie && !s->spent)
            return true;
    }
    HASH_ITER(hh, l->foreign, s, tmp)
    {
        if (!s->zombie && !s->spent)
            return true;
    }
    return false;
}

// Gives running steps back: their rows say so, their handlers are told, late answers are refused. Of a task that another
// session has locked nothing can be written: its next owner finds the step in progress, and nobody who runs it.
static void hand_back(struct lane *l)
{
    struct slot *s, *tmp;
    HASH_ITER(hh, l->foreign, s, tmp)
    {
        if (s->zombie)
            continue;
        slot_stop(l, s, true);
        slot_zombie(l, s);
    }
    HASH_ITER(hh, l->slots, s, tmp)
    {
        if (s->kind != SLOT_LOCAL || s->zombie || s->spent || !s->entry || !(s->entry->task || s->entry->locked))
            continue;
        if (!s->entry->task) {
            slot_stop(l, s, true);
            slot_zombie(l, s);
            continue;
        }
        touch(l, s->entry);
        slot_stop(l, s, true);
        slot_zombie(l, s);
        task_release(&l->d, s->entry->task, &s->entry->task->steps[s->step]);
        absorb_notes(l);
    }
}

void drain(struct lane *l)
{
    if (!l->draining || l->retiring)
        return;
    if (some_running(l)) {
        if (l->force_drain)
            hand_back(l);
        return;
    }
    if (l->d.change_count > 0 || !list_empty(&l->inputs))
        return;  // first what is decided
    l->draining = l->force_drain = false;
    l->started = false;
    l->retiring = l->id != 0;
    l->drain_waits = true;
    if (!l->retiring)
        drained(l);
}

static void leave_task(struct lane *l, int64_t id)
{
    for (size_t i = 0; i < l->left_count; i++)
        if (l->left[i] == id)
            return;
    if (mem_grow(&l->left, &l->left_cap, l->left_count + 1, sizeof(l->left[0])) == 0)
        l->left[l->left_count++] = id;
}

// What was answered for a task that is locked goes with it.
void leave_locked(struct lane *l)
{
    struct entry *e, *tmp;
    l->left_count = 0;
    HASH_ITER(hh, l->entries, e, tmp)
    {
        if (e->locked)
            leave_task(l, e->id);
        list_each(node, &e->waiting)
        {
            const struct lane_input *in = container_of(node, struct lane_input, link);
            struct slot *s = in->kind == IN_ANSWER ? slot_find(l, in->answer.token) : NULL;
            if (s)
                slot_free(l, s);
        }
    }
}

void left_behind(struct lane *l, const struct turn_result *r)
{
    for (size_t i = 0; i < r->locked_count; i++)
        leave_task(l, r->locked[i]);
}

void drained(struct lane *l)
{
    struct action a = {.kind = ACT_DRAINED, .token = (int64_t)l->left_count, .id = l->left_count ? l->left[0] : 0};
    if (l->drain_waits)
        out_action(l, &a);
    l->drain_waits = false;
}
