// SPDX-License-Identifier: MIT
// lane_own.c - what a lane owns and how it comes to own it: ids taken ahead, claims, takeovers of dead lanes, tasks read
// from their rows, commands passed between lanes, offers of other lanes, and the end (draining).
//
// What a turn asks for besides its changes is filled in by ask(); the answers come with the commit (take_answers).
#include "engine/lane_private.h"

#include <stdio.h>
#include <string.h>

#define TASK_IDS_LOW 64
#define TASK_IDS_WANT 512
#define STEP_IDS_LOW 512
#define STEP_IDS_WANT 4096
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
    if (mem_grow(&p->ranges, &p->cap, p->count + count, sizeof(p->ranges[0])) < 0)
        return TASKER_E_NOMEM;
    for (size_t i = count; i-- > 0;) {  // the first range is used first: it comes last
        p->ranges[p->count++] = ranges[i];
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
        if (steps > 100000)
            break;
    }
    if (l->task_ids.total < tasks || l->task_ids.total < TASK_IDS_LOW)
        l->turn.want_task_ids = (uint32_t)(tasks > TASK_IDS_WANT ? tasks : TASK_IDS_WANT);
    if (l->step_ids.total < steps || l->step_ids.total < STEP_IDS_LOW)
        l->turn.want_step_ids = (uint32_t)(steps > STEP_IDS_WANT ? steps : STEP_IDS_WANT);
}

// ---------------------------------------------------------------------------------------------------------- asks

static void ask_claims(struct lane *l)
{
    if (!list_empty(&l->claims))
        l->turn.claim_task = container_of(l->claims.next, struct entry, claim_link)->id;
    if (!l->tasks_due || !l->claiming || !l->started || l->draining)
        return;
    int32_t room = 2 * free_places(l);
    if (room < CLAIM_MIN)
        room = l->workers ? (room > 0 ? room : 0) : CLAIM_MIN;
    int32_t left = l->opt->max_active_tasks - (int32_t)HASH_COUNT(l->entries);
    l->turn.claim_limit = room < left ? room : (left > 0 ? left : 0);
}

// How many steps of a class could begin here now.
static int32_t class_places(const struct lane *l, const struct klass *k)
{
    int32_t places = 0, all = free_places(l);
    for (size_t i = 0; i < k->worker_count; i++)
        if (k->workers[i]->capacity > k->workers[i]->used)
            places += k->workers[i]->capacity - k->workers[i]->used;
    if (k->limit > 0 && places > k->limit - k->running)
        places = k->limit - k->running;
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
    if (!l->started || l->draining)
        return 0;
    HASH_ITER(hh, l->classes, k, tmp)
    {
        int32_t places = class_places(l, k);
        if (places <= 0 || k->ready.count > 0)
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
    int32_t places = k && l->started && !l->draining ? class_places(l, k) : 0;
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

static void load(struct lane *l, struct entry *e)
{
    e->loading = true;
    struct action a = {.kind = ACT_LOAD, .id = e->id};
    out_action(l, &a);
}

static void not_found(struct lane *l, struct entry *e)
{
    struct list *node;
    while ((node = list_pop(&e->waiting))) {
        struct lane_input *in = container_of(node, struct lane_input, link);
        struct action a = {.kind = ACT_REPLY, .ticket = in->ticket};
        err_set(&a.error, TASKER_E_NOT_FOUND, "there is no task %lld", (long long)e->id);
        if (in->kind == IN_COMMAND && in->ticket)
            out_action(l, &a);
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
        if (in->kind != IN_COMMAND) {
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
    } else {
        not_found(l, e);
    }
}

static void take_offers(struct lane *l, const struct turn_result *r)
{
    for (size_t i = 0; i < r->offer_count; i++) {
        const struct offer_taken *o = &r->offers[i];
        struct slot *s = foreign_find(l, o->token) ? NULL : slot_new(l, SLOT_FOREIGN, o->token);
        struct klass *k = s ? klass_get(l, o->handler_class) : NULL;
        if (!k)
            continue;
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
        struct action a = {.kind = ACT_LOAD_OFFER, .token = o->token, .id = o->step_id};
        out_action(l, &a);
    }
}

static void take_requests(struct lane *l, const struct turn_result *r)
{
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

void take_answers(struct lane *l, const struct turn_result *r)
{
    const struct turn *t = &l->turn;
    if (id_add(&l->task_ids, r->task_ids, r->task_id_ranges) < 0 ||
        id_add(&l->step_ids, r->step_ids, r->step_id_ranges) < 0)
        l->d.failed = true;  // they are asked for again
    if (l->classes_changed && l->id != 0 && l->started)
        l->classes_changed = false;
    if (t->takeover) {
        l->takeover = false;
        l->dead_count = 0;
        l->next_poll = 0;
        l->next_thorough = 0;
        queue_front(l, &l->rechecks);
    }
    if (t->claim_limit > 0 && r->claimed_count < (size_t)t->claim_limit)
        l->tasks_due = false;
    if (t->want_count > 0)
        l->next_poll = l->next_thorough = 0;  // there may be more of them
    for (size_t i = 0; i < r->claimed_count; i++) {
        struct entry *e = entry_find(l, r->claimed[i]) ? NULL : entry_add(l, r->claimed[i]);
        if (e)
            load(l, e);
    }
    take_claim(l, r);
    take_offers(l, r);
    take_requests(l, r);
}

// -------------------------------------------------------------------------------------------- commands between lanes

void answer_command(struct lane *l, struct lane_input *in, int rc, const tasker_error *error, struct blob *result)
{
    if (in->cmd.request_id == 0) {
        struct action a = {.kind = ACT_REPLY, .ticket = in->ticket, .id = in->cmd.task_id, .blob = result};
        if (rc < 0)
            a.error = *error;
        if (in->ticket)
            hold_action(l, &a);
        else
            blob_unref(result);
        return;
    }
    struct buf b;
    buf_init(&b, 1 << 20);
    jw_open(&b, '{');
    jw_kint(&b, "code", rc);
    if (rc < 0) {
        jw_kstr(&b, "message", error->message);
        jw_kstr(&b, "remedy", error->remedy);
    }
    if (result)
        jw_kraw(&b, "result", result->data, result->size);
    jw_close(&b, '}');
    struct change *c = decision_change(&l->d, CH_REQUEST_ANSWER);
    if (c) {
        c->request.request_id = in->cmd.request_id;
        c->request.task_id = in->cmd.task_id;
        c->request.body = span_of(arena_dup(&l->d.arena, buf_view(&b).p, b.len));
    }
    buf_done(&b);
    blob_unref(result);
}

static struct span request_body(struct lane *l, const struct lane_input *in)
{
    struct buf b;
    buf_init(&b, (size_t)8 << 20);
    jw_open(&b, '{');
    jw_kstr(&b, "command", command_names[in->cmd.command]);
    if (in->cmd.step)
        jw_kstr(&b, "step", in->cmd.step);
    if (in->cmd.reason)
        jw_kstr(&b, "reason", in->cmd.reason);
    if (in->cmd.by)
        jw_kstr(&b, "by", in->cmd.by);
    if (in->cmd.results)
        jw_kraw(&b, "results", in->cmd.results->data, in->cmd.results->size);
    jw_close(&b, '}');
    struct span s = span_of(arena_dup(&l->d.arena, buf_view(&b).p, b.len));
    if (buf_failed(&b))
        l->d.failed = true;
    buf_done(&b);
    return s;
}

void request_others(struct lane *l)
{
    struct list *node;
    while (l->id != 0 && (node = list_pop(&l->to_request))) {
        struct lane_input *in = container_of(node, struct lane_input, link);
        struct change *c = decision_change(&l->d, CH_REQUEST_INSERT);
        if (c) {
            c->request.task_id = in->cmd.task_id;
            c->request.body = request_body(l, in);
        }
        list_push(&l->asking, &in->link);
    }
}

static char *json_text_dup(const struct json *v)
{
    return v && v->type == JSON_STRING ? mem_dup(v->str.p, v->str.len) : NULL;
}

// A command of another process becomes an input like one of ours; its answer is a row.
static void take_request(struct lane *l, const struct poll_request *r)
{
    list_each(node, &l->inputs)
    {
        const struct lane_input *in = container_of(node, struct lane_input, link);
        if (in->kind == IN_COMMAND && in->cmd.request_id == r->request_id)
            return;  // it waits already
    }
    struct entry *e = entry_find(l, r->task_id);
    if (e)
        list_each(node, &e->waiting) if (container_of(node, struct lane_input, link)->cmd.request_id ==
                                         r->request_id) return;
    struct arena arena;
    const struct json *body = NULL;
    arena_init(&arena);
    struct lane_input *in = lane_input_new(IN_COMMAND);
    if (!in || json_parse(&arena, r->body, &body, NULL) < 0) {
        lane_input_free(in);
        arena_done(&arena);
        return;
    }
    const struct json *name = json_get(body, "command"), *results = json_get(body, "results");
    in->cmd.command = CMD_COUNT;
    for (size_t i = 0; i < CMD_COUNT && name; i++)
        if (span_is(name->str, command_names[i]))
            in->cmd.command = (uint8_t)i;
    in->cmd.task_id = r->task_id;
    in->cmd.request_id = r->request_id;
    in->cmd.step = json_text_dup(json_get(body, "step"));
    in->cmd.reason = json_text_dup(json_get(body, "reason"));
    in->cmd.by = json_text_dup(json_get(body, "by"));
    if (results)
        in->cmd.results = blob_new(results->raw.p, results->raw.len);
    arena_done(&arena);
    if (in->cmd.command == CMD_COUNT || lane_push(l, in) < 0)
        lane_input_free(in);
}

// The answer of the task's owner to a command that was asked here.
static void take_answer(struct lane *l, const struct poll_answer *answer)
{
    list_each(node, &l->asked)
    {
        struct lane_input *in = container_of(node, struct lane_input, link);
        if (in->cmd.asked_id != answer->request_id)
            continue;
        struct action a = {.kind = ACT_REPLY, .ticket = in->ticket, .id = in->cmd.task_id};
        struct arena arena;
        const struct json *body = NULL;
        arena_init(&arena);
        int64_t code = 0;
        if (json_parse(&arena, answer->body, &body, NULL) == 0 && json_int(json_get(body, "code"), &code)) {
            const struct json *m = json_get(body, "message"), *r = json_get(body, "result"),
                              *remedy = json_get(body, "remedy");
            if (code < 0)
                err_set(&a.error, (int)code, "%.*s", m ? (int)m->str.len : 0, m ? m->str.p : "");
            if (code < 0 && remedy && remedy->str.len)
                err_remedy(&a.error, "%.*s", (int)remedy->str.len, remedy->str.p);
            if (r)
                a.blob = blob_new(r->raw.p, r->raw.len);
        } else {
            err_set(&a.error, TASKER_E_BUG, "the owner's answer is unreadable");
        }
        arena_done(&arena);
        if (in->ticket)
            hold_action(l, &a);
        else
            blob_unref(a.blob);
        struct change *c = decision_change(&l->d, CH_REQUEST_DELETE);
        if (c)
            c->request.request_id = in->cmd.asked_id;
        list_remove(&in->link);
        lane_input_free(in);
        return;
    }
}

static void give_up_requests(struct lane *l)
{
    list_each(node, &l->asked)
    {
        struct lane_input *in = container_of(node, struct lane_input, link);
        if (in->cmd.asked_at + REQUEST_TIMEOUT_US > l->d.now)
            continue;
        struct action a = {.kind = ACT_REPLY, .ticket = in->ticket, .id = in->cmd.task_id};
        err_set(&a.error, TASKER_E_TIMEOUT, "the engine that owns task %lld did not answer", (long long)in->cmd.task_id);
        err_remedy(&a.error, "see tasker health, and try again");
        if (in->ticket)
            hold_action(l, &a);
        struct change *c = decision_change(&l->d, CH_REQUEST_DELETE);
        if (c)
            c->request.request_id = in->cmd.asked_id;
        list_remove(&in->link);
        lane_input_free(in);
    }
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
    if (!needed || l->polling || l->d.now < l->next_poll || l->id == 0)
        return;
    struct action a = {.kind = ACT_POLL, .thorough = l->d.now >= l->next_thorough};
    out_action(l, &a);
    l->polling = true;
    l->poll_lane = l->id;
    l->next_poll = l->d.now + l->opt->poll_interval_us;
    if (a.thorough)
        l->next_thorough = l->d.now + POLL_THOROUGH_US;
}

// Lanes are dead when their lease has passed, which counts only once we held our own connection for a full lease; or at
// once when their process is gone from this host.
static void find_dead(struct lane *l, const struct lane_input *in)
{
    const struct poll_result *p = in->polled.found;
    bool sure = l->d.now - l->registered_at >= l->opt->lease_us;
    bool found = p->stranded && sure;
    for (size_t i = 0; i < p->lane_count; i++)
        found = found || (sure && p->lanes[i].owns && p->lanes[i].expires_at < l->d.now);
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
    if (found)
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
    struct span text = decision_hold(&l->d, log) ? (struct span){log->data, log->size} : (struct span){NULL, 0};
    if (news->verdict) {
        struct blob *results = news->answer.len ? blob_new(news->answer.p, news->answer.len) : NULL;
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
    if (!zombie)
        task_lose(&l->d, t, step, true);
    else if (step->ready)
        enqueue(l, t, step);
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
    if (!p->lane_alive && l->id != 0 && l->id == l->poll_lane) {
        l->registered_at = l->d.now;  // the next turn is fenced, which cleans up
        l->committed_at = 0;
        if (!l->entries && !l->foreign)
            l->id = 0;
        return;
    }
    l->tasks_due = l->tasks_due || p->tasks_due;
    if (p->offer_class)
        l->offer_class = klass_get(l, p->offer_class);
    if (p->next_run_at && p->next_run_at < l->next_poll)
        l->next_poll = p->next_run_at, l->next_thorough = p->next_run_at;
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
        if (s && !s->zombie)
            slot_stop(l, s, false);
    }
    if (!l->takeover)
        queue_front(l, &l->rechecks);
}

// ------------------------------------------------------------------------------------------------- tasks from rows

static struct task *rebuild(struct task_rows *r, struct template *tpl, struct arena *arena)
{
    struct task_image im = {.id = r->task_id,
                            .tpl = tpl,
                            .context = r->context,
                            .state = r->state,
                            .has_row = r->sort_key > 0,
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
                                           .has_row = s->sort_key > 0,
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

// An offer that an earlier owner, or this lane before it forgot the task, has made: its row goes on.
static void adopt_offer(struct lane *l, struct entry *e, struct tstep *step, const struct step_rows *r)
{
    struct slot *s = slot_find(l, r->offer_token);
    if (s)
        return;  // attached already
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
    s->klass = klass_get(l, e->task->tpl->steps[step->index].handler_class);
    bool wanted = step->state == ST_IN_PROGRESS || step->state == ST_PENDING ||
                  (step->state == ST_ERROR && step->wake_at != 0);
    step->slot = s;
    s->begun = r->offer_begun;
    if (!wanted) {
        slot_spend(l, s);
        return;
    }
    if (r->offer_cancelled)
        slot_zombie(l, s);  // timed out: the step waits until its worker has returned
    if (!r->offer_begun || s->zombie)
        return;
    s->started_at = r->offer_begun_at;
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
        int at = template_find_step(e->task->tpl, r->steps[i].name);
        if (r->steps[i].offer_token != 0)
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
            task_lose(&l->d, t, s, false);
    }
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
    if (task_state_final(t->state) && list_empty(&e->waiting)) {
        task_settle(&l->d, t);  // a command that waits for it settles it otherwise
        e->over = true;
    }
}

void decide_loaded(struct lane *l, struct lane_input *in)
{
    struct entry *e = entry_find(l, in->loaded.task_id);
    if (!e || !e->loading)
        return;
    e->loading = false;
    if (in->loaded.rc == TASKER_E_NOT_FOUND) {
        not_found(l, e);
        return;
    }
    struct arena arena;
    arena_init(&arena);
    if (in->loaded.rc == 0)
        e->task = rebuild(in->loaded.rows, in->loaded.tpl, &arena);
    arena_done(&arena);
    if (!e->task) {  // read it again later
        e->loading = true;
        entry_timer(l, e, l->d.now + RELOAD_US);
        return;
    }
    e->task->entry = e;
    touch(l, e);
    if (!e->visiting)
        resume(l, e, in->loaded.rows);
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
    if (!h->parents || (r->has_inputs && !h->inputs)) {
        blob_unref(h->inputs);
        mem_free(h->parents);
        mem_free(h);
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
    if (!s || s->spent)
        return;
    struct action a = {.kind = ACT_GIVE, .token = s->token};
    if (in->offer.rc == 0 && s->worker && !s->worker->closing && !l->draining) {
        a.worker = s->worker->id;
        a.handout = foreign_handout(s, in);
    }
    if (a.handout) {
        out_action(l, &a);
        return;
    }
    struct change *c = decision_change(&l->d, CH_OFFER_RELEASE);  // somebody else may run it
    if (c)
        c->offer.token = s->token;
    slot_spend(l, s);
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

// Gives running steps back: their rows say so, their handlers are told, late answers are refused.
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
        if (s->kind != SLOT_LOCAL || s->zombie || s->spent || !s->entry || !s->entry->task)
            continue;
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

void drained(struct lane *l)
{
    struct action a = {.kind = ACT_DRAINED};
    if (l->drain_waits)
        out_action(l, &a);
    l->drain_waits = false;
}
