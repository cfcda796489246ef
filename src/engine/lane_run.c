// SPDX-License-Identifier: MIT
// lane_run.c - which ready step runs where and when: queues by handler class and priority, places of workers, limits,
// hand-outs, and the timers of retries, timeouts and lazy start rows.
//
// Steps of suspects wait in queues of their own. A step that its template's limit does not let run waits in its group;
// schedule() brings it back when there is room, one at a time, until one of them can run.
//
// A step with a slot is out (given, offered, or held by a late handler) and is in no queue. A place is counted in four
// sums (worker, class, template group, engine) from slot_place to slot_unplace.
#include "engine/lane_private.h"

#include <stdio.h>
#include <string.h>

// -------------------------------------------------------------------------------------------- classes and groups

static int32_t limit_of(const struct limit *list, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i].name, name) == 0)
            return list[i].count;
    return 0;
}

struct klass *klass_get(struct lane *l, const char *name)
{
    struct klass *k = NULL;
    HASH_FIND_STR(l->classes, name, k);
    if (k)
        return k;
    k = mem_alloc(sizeof(*k));
    if (!k || !(k->name = mem_strdup(name))) {
        mem_free(k);
        l->d.failed = true;
        return NULL;
    }
    meter_init(&k->running, tally_count(l->config.tally, "class", name));
    k->limit = limit_of(l->opt->class_limits, l->opt->class_limit_count, name);
    heap_init(&k->ready, queue_less);
    heap_init(&k->suspects, queue_less);
    HASH_ADD_KEYPTR(hh, l->classes, k->name, strlen(k->name), k);
    if (!HASH_ADDED(hh, k)) {
        mem_free(k->name);
        mem_free(k);
        l->d.failed = true;
        return NULL;
    }
    return k;
}

// The group of a template that has a limit; NULL: none.
static struct group *group_of(struct lane *l, const struct template *tpl)
{
    if (tpl->max_concurrent_steps == 0 && l->opt->template_limit_count == 0)
        return NULL;
    char *key = arena_printf(&l->d.arena, "%s/%s", tpl->namespace_name, tpl->name);
    if (!key)
        return NULL;
    int32_t limit = limit_of(l->opt->template_limits, l->opt->template_limit_count, key);
    if (limit == 0)
        limit = tpl->max_concurrent_steps;
    if (limit == 0)
        return NULL;
    struct group *g = NULL;
    HASH_FIND_STR(l->groups, key, g);
    if (g)
        return g;
    g = mem_alloc(sizeof(*g));
    if (!g || !(g->key = mem_strdup(key))) {
        mem_free(g);
        l->d.failed = true;
        return NULL;
    }
    g->limit = limit;
    meter_init(&g->running, tally_count(l->config.tally, "template", key));
    heap_init(&g->deferred, queue_less);
    HASH_ADD_KEYPTR(hh, l->groups, g->key, strlen(g->key), g);
    if (!HASH_ADDED(hh, g)) {
        mem_free(g->key);
        mem_free(g);
        l->d.failed = true;
        return NULL;
    }
    return g;
}

// ----------------------------------------------------------------------------------------------------- queues

// Out of memory: the task is read again, and queued then.
static void not_queued(struct lane *l, const struct tstep *s)
{
    l->d.failed = true;
    touch(l, step_task((struct tstep *)s)->entry);
}

static void queue_in(struct lane *l, struct heap *h, struct tstep *s)
{
    if (heap_push(h, &s->queue) < 0)
        not_queued(l, s);
    else
        s->queued_in = h;
}

void dequeue(struct tstep *s)
{
    if (s->queued_in)
        heap_remove(s->queued_in, &s->queue);
    s->queued_in = NULL;
}

static struct klass *klass_of(struct lane *l, const struct task *t, const struct tstep *s)
{
    return klass_get(l, t->tpl->steps[s->index].handler_class);
}

void enqueue(struct lane *l, struct task *t, struct tstep *s)
{
    if (s->queued_in || s->slot || !s->ready)
        return;
    struct klass *k = klass_of(l, t, s);
    if (!k) {
        not_queued(l, s);
        return;
    }
    s->order = ++l->order;
    queue_in(l, t->suspect ? &k->suspects : &k->ready, s);
}

// ------------------------------------------------------------------------------------------------------ slots

struct slot *slot_find(struct lane *l, int64_t token)
{
    struct slot *s = NULL;
    HASH_FIND(hh, l->slots, &token, sizeof(token), s);
    return s;
}

struct slot *foreign_find(struct lane *l, int64_t token)
{
    struct slot *s = NULL;
    HASH_FIND(hh, l->foreign, &token, sizeof(token), s);
    return s;
}

struct slot *slot_new(struct lane *l, enum slot_kind kind, int64_t token)
{
    struct slot *s = mem_alloc(sizeof(*s));
    if (!s) {
        l->d.failed = true;
        return NULL;
    }
    s->kind = (uint8_t)kind;
    s->token = token;
    list_init(&s->lazy);
    list_init(&s->turn);
    if (kind == SLOT_FOREIGN)
        HASH_ADD(hh, l->foreign, token, sizeof(s->token), s);
    else
        HASH_ADD(hh, l->slots, token, sizeof(s->token), s);
    if (!HASH_ADDED(hh, s)) {
        mem_free(s);
        l->d.failed = true;
        return NULL;
    }
    if (kind == SLOT_OFFER)
        l->offered++;
    return s;
}

// Tokens are never used twice: a lane's id is from a sequence, and it has four thousand million of them.
static int64_t new_token(struct lane *l)
{
    return (l->id << 32) | ++l->counter;
}

static void unlink_step(struct slot *s)
{
    if (s->entry && s->entry->task && s->entry->task->steps[s->step].slot == s)
        s->entry->task->steps[s->step].slot = NULL;
}

static void free_worker_if_gone(struct lane *l, struct lworker *w)
{
    if (!w->closing || w->slots > 0)
        return;
    HASH_DEL(l->workers, w);
    mem_free(w->classes);
    mem_free(w);
}

void slot_free(struct lane *l, struct slot *s)
{
    struct lworker *w = s->worker;
    slot_unplace(l, s);
    unlink_step(s);
    heap_remove(&l->deadlines, &s->timer);
    list_remove(&s->lazy);
    list_remove(&s->turn);
    if (s->entry)
        s->entry->slots--;
    if (s->kind == SLOT_FOREIGN)
        HASH_DEL(l->foreign, s);
    else
        HASH_DEL(l->slots, s);
    if (s->kind == SLOT_OFFER)
        l->offered--;
    mem_free(s);
    if (w) {
        w->slots--;
        free_worker_if_gone(l, w);
    }
}

void slot_worker(struct slot *s, struct lworker *w)
{
    s->worker = w;
    w->slots++;
}

static void count_places(struct lane *l, struct slot *s, int32_t n)
{
    meter_add(&l->running, n);
    if (s->suspect)
        meter_add(&l->suspects_running, n);
    if (s->klass)
        meter_add(&s->klass->running, n);
    if (s->group)
        meter_add(&s->group->running, n);
    if (s->worker)
        meter_add(&s->worker->used, n);
}

void slot_place(struct lane *l, struct slot *s)
{
    if (s->placed || s->kind == SLOT_OFFER)
        return;
    s->placed = true;
    count_places(l, s, 1);
}

void slot_unplace(struct lane *l, struct slot *s)
{
    if (!s->placed)
        return;
    s->placed = false;
    count_places(l, s, -1);
    l->freed = true;
}

void slot_spend(struct lane *l, struct slot *s)
{
    if (s->spent)
        return;
    if (s->kind == SLOT_OFFER) {
        struct change *c = decision_change(&l->d, CH_OFFER_DELETE);
        if (c)
            c->offer.token = s->token;
    }
    s->spent = true;
    heap_remove(&l->deadlines, &s->timer);
    list_remove(&s->lazy);
    unlink_step(s);
    slot_unplace(l, s);
    list_remove(&s->turn);
    list_push(&l->spent_slots, &s->turn);
}

// A handler that does not return may hold its place for ever, but not all other suspects up.
void slot_zombie(struct lane *l, struct slot *s)
{
    if (!s->zombie)
        s->zombied = l->d.serial;
    s->zombie = true;
    if (s->placed && s->suspect)
        meter_add(&l->suspects_running, -1);
    s->suspect = false;
    heap_remove(&l->deadlines, &s->timer);
    list_remove(&s->lazy);
}

void slot_stop(struct lane *l, struct slot *s, bool stale)
{
    if (s->kind == SLOT_OFFER || !s->worker)
        return;
    struct action a = {.kind = ACT_STOP, .worker = s->worker->id, .token = s->token, .stale = stale};
    hold_action(l, &a);
}

void slot_watch(struct lane *l, struct slot *s)
{
    s->deadline = s->timeout_us ? s->started_at + s->timeout_us : 0;
    if (s->deadline && heap_push(&l->deadlines, &s->timer) < 0)
        l->d.failed = true;
}

void slot_begin(struct lane *l, struct slot *s, int64_t now)
{
    struct tstep *step = &s->entry->task->steps[s->step];
    s->started_at = now;
    if (!task_start_written(step))
        step->started_at = now;
    if (s->deadline) {
        s->deadline = now + s->timeout_us;
        heap_moved(&l->deadlines, &s->timer);
    }
}

void slot_answered(struct lane *l, int64_t token)
{
    struct slot *s = slot_find(l, token);
    if (s)
        list_remove(&s->lazy);
}

// A task was read again: an attempt of it that is still out runs on, whatever its rows know of it.
void slot_attach(struct lane *l, struct slot *s, struct task *t)
{
    struct tstep *step = &t->steps[s->step];
    bool runs = s->kind == SLOT_LOCAL || s->begun;
    bool fits = step->id == s->step_id && !state_done(step->state) && step->state != ST_CANCELLED &&
                step->attempts + 1 == s->attempt && t->state == ST_IN_PROGRESS;
    if (s->zombie || !fits) {
        slot_stop(l, s, true);
        slot_zombie(l, s);
        if (fits || step->id == s->step_id)
            step->slot = s;
        return;
    }
    step->slot = s;
    if (!runs)
        return;
    if (step->state != ST_IN_PROGRESS)
        task_begin_step(&l->d, t, step, false);
    step->started_at = s->started_at;
    if (!step->open) {
        step->open = true;
        t->open++;
    }
    heap_remove(&l->deadlines, &s->timer);
    slot_watch(l, s);
    if (!task_start_written(step))
        list_push(&l->lazy, &s->lazy);
}

static struct slot *slot_for_step(struct lane *l, enum slot_kind kind, struct task *t, struct tstep *s)
{
    struct slot *slot = slot_new(l, kind, new_token(l));
    if (!slot)
        return NULL;
    const struct template_step *def = &t->tpl->steps[s->index];
    slot->entry = t->entry;
    slot->entry->slots++;
    slot->task_id = t->id;
    slot->step_id = s->id;
    slot->step = s->index;
    slot->attempt = s->attempts + 1;
    slot->suspect = t->suspect;
    slot->timeout_us = def->timeout_us ? def->timeout_us : l->opt->step_timeout_us;
    slot->klass = klass_of(l, t, s);
    slot->group = group_of(l, t->tpl);
    s->slot = slot;
    list_push(&l->fresh_slots, &slot->turn);
    return slot;
}

// --------------------------------------------------------------------------------------------------- hand-outs

static bool is_eager(const struct task *t, const struct tstep *s)
{
    return !s->retryable || s->retry_limit <= 1 || t->suspect;
}

static void give(struct lane *l, struct task *t, struct tstep *s, struct lworker *w)
{
    touch(l, t->entry);
    struct slot *slot = slot_for_step(l, SLOT_LOCAL, t, s);
    if (!slot)
        return;
    bool eager = is_eager(t, s);
    task_begin_step(&l->d, t, s, eager);
    slot_worker(slot, w);
    slot->started_at = s->started_at;
    slot_place(l, slot);
    slot_watch(l, slot);
    if (!eager)
        list_push(&l->lazy, &slot->lazy);
}

// No worker of this process serves the class: the step is offered to all others. It counts as started when one of them
// takes it.
static void offer(struct lane *l, struct task *t, struct tstep *s)
{
    touch(l, t->entry);
    struct slot *slot = slot_for_step(l, SLOT_OFFER, t, s);
    struct change *c = slot ? decision_change(&l->d, CH_OFFER_INSERT) : NULL;
    if (!c)
        return;
    c->offer.token = slot->token;
    c->offer.task_id = t->id;
    c->offer.step_id = s->id;
    c->offer.attempt = slot->attempt;
    c->offer.deadline_us = slot->timeout_us;
    c->offer.handler_class = span_of(t->tpl->steps[s->index].handler_class);
}

struct handout *make_handout(struct lane *l, const struct slot *s)
{
    (void)l;
    const struct task *t = s->entry->task;
    const struct template_step *def = &t->tpl->steps[s->step];
    struct handout *h = mem_alloc(sizeof(*h));
    if (!h)
        return NULL;
    h->parents = mem_alloc((def->parent_count ? def->parent_count : 1) * sizeof(h->parents[0]));
    h->answer = lane_input_new(IN_ANSWER);
    if (!h->parents || !h->answer) {
        handout_free(h);
        return NULL;
    }
    h->token = s->token;
    h->task_id = t->id;
    h->step_id = s->step_id;
    h->tpl = template_ref(t->tpl);
    h->step = s->step;
    h->attempt = s->attempt;
    h->retry_limit = t->steps[s->step].retry_limit;
    h->timeout_us = s->timeout_us;
    h->context = blob_ref(t->context);
    h->parent_count = def->parent_count;
    for (uint32_t i = 0; i < def->parent_count; i++)
        h->parents[i] = blob_ref(t->steps[def->parents[i]].results);
    list_init(&h->link);
    return h;
}

void handout_free(struct handout *h)
{
    if (!h)
        return;
    for (size_t i = 0; i < h->parent_count; i++)
        blob_unref(h->parents[i]);
    mem_free(h->parents);
    lane_input_free(h->answer);
    blob_unref(h->context);
    blob_unref(h->inputs);
    template_unref(h->tpl);
    mem_free(h);
}

// --------------------------------------------------------------------------------------------------- scheduling

static bool engine_full(const struct lane *l)
{
    return l->opt->max_concurrent_steps > 0 && meter_used(&l->running) >= l->opt->max_concurrent_steps;
}

static bool class_full(const struct klass *k)
{
    return k->limit > 0 && meter_used(&k->running) >= k->limit;
}

struct lworker *free_worker(const struct klass *k)
{
    struct lworker *best = NULL;
    for (size_t i = 0; i < k->worker_count; i++) {
        struct lworker *w = k->workers[i];
        int32_t used = meter_used(&w->used);
        if (!w->closing && used < w->capacity && (!best || used < meter_used(&best->used)))
            best = w;
    }
    return best;
}

int32_t free_places(const struct lane *l)
{
    int32_t places = 0;
    struct lworker *w, *tmp;
    HASH_ITER(hh, l->workers, w, tmp)
    {
        if (!w->closing && meter_used(&w->used) < w->capacity)
            places += w->capacity - meter_used(&w->used);
    }
    if (l->opt->max_concurrent_steps > 0 && places > l->opt->max_concurrent_steps - meter_used(&l->running))
        places = l->opt->max_concurrent_steps - meter_used(&l->running);
    return places < 0 ? 0 : places;
}

static bool turn_full(const struct lane *l)
{
    return l->d.failed || l->d.change_count >= TURN_MAX_CHANGES + 500;
}

static struct heap *queue_of(struct klass *k, bool suspects)
{
    return suspects ? &k->suspects : &k->ready;
}

// The class whose first step is due next, among those that have a place for it.
static struct klass *next_class(struct lane *l, bool suspects, struct lworker **ret_worker)
{
    struct klass *best = NULL, *k, *tmp;
    HASH_ITER(hh, l->classes, k, tmp)
    {
        const struct heap *queue = queue_of(k, suspects);
        if (queue->count == 0 || k->serving == 0 || class_full(k))
            continue;
        if (best && !queue_less(heap_top(queue), heap_top(queue_of(best, suspects))))
            continue;
        struct lworker *w = free_worker(k);
        if (!w)
            continue;
        best = k;
        *ret_worker = w;
    }
    return best;
}

static struct tstep *pop_ready(struct heap *h)
{
    struct tstep *s = container_of(heap_pop(h), struct tstep, queue);
    s->queued_in = NULL;
    return s;
}

// True when the step's template has no place left; it waits in the group then.
static bool defer(struct lane *l, struct task *t, struct tstep *s)
{
    struct group *g = group_of(l, t->tpl);
    if (!g || meter_used(&g->running) < g->limit)
        return false;
    queue_in(l, &g->deferred, s);
    return true;
}

// Hands the first steps of the queues out. Of tasks that may have killed their engine one step runs at a time, so that the
// next crash names the guilty one.
static void give_ready(struct lane *l, bool suspects)
{
    struct lworker *w = NULL;
    struct klass *k;
    while (!engine_full(l) && !turn_full(l) && !(suspects && meter_used(&l->suspects_running) > 0) &&
           (k = next_class(l, suspects, &w))) {
        struct tstep *s = pop_ready(queue_of(k, suspects));
        struct task *t = step_task(s);
        if (!s->ready || defer(l, t, s))
            continue;
        give(l, t, s, w);
    }
}

static void offer_queue(struct lane *l, struct heap *queue)
{
    while (queue->count > 0 && !turn_full(l)) {
        struct tstep *s = pop_ready(queue);
        if (s->ready)
            offer(l, step_task(s), s);
    }
}

static void offer_ready(struct lane *l)
{
    struct klass *k, *tmp;
    HASH_ITER(hh, l->classes, k, tmp)
    {
        if (k->serving > 0)
            continue;
        offer_queue(l, &k->ready);
        offer_queue(l, &k->suspects);
    }
}

// Tasks that are suspects no longer queue up with all others.
static void clear_suspects(struct lane *l)
{
    struct klass *k, *tmp;
    HASH_ITER(hh, l->classes, k, tmp)
    {
        while (k->suspects.count > 0) {
            struct tstep *s = container_of(heap_top(&k->suspects), struct tstep, queue);
            if (step_task(s)->suspect || turn_full(l))
                break;
            (void)pop_ready(&k->suspects);
            enqueue(l, step_task(s), s);
        }
    }
}

// Brings one step back to its queue for every group that has room. True when there was one.
static bool undefer(struct lane *l)
{
    struct group *g, *tmp;
    bool some = false;
    HASH_ITER(hh, l->groups, g, tmp)
    {
        if (g->deferred.count == 0 || meter_used(&g->running) >= g->limit)
            continue;
        struct tstep *s = pop_ready(&g->deferred);
        enqueue(l, step_task(s), s);
        some = true;
    }
    return some;
}

void schedule(struct lane *l)
{
    if (!l->started || l->draining || l->id == 0)
        return;
    tally_lock(l->config.tally);
    do {
        clear_suspects(l);
        give_ready(l, true);
        give_ready(l, false);
        offer_ready(l);
    } while (!engine_full(l) && !turn_full(l) && undefer(l));
    tally_unlock(l->config.tally);
}

// -------------------------------------------------------------------------------------------------------- timers

static void time_out(struct lane *l, struct slot *s)
{
    heap_remove(&l->deadlines, &s->timer);
    if (s->kind == SLOT_FOREIGN && !s->given)
        read_offer(l, s);
    if (s->kind == SLOT_FOREIGN || !s->entry || !s->entry->task)
        return;
    struct task *t = s->entry->task;
    struct tstep *step = &t->steps[s->step];
    char *text = arena_printf(&l->d.arena, "timed out after %.3g s", (double)s->timeout_us / 1e6);
    struct failure f = {.cause = CAUSE_TIMEOUT, .message = span_of(text), .error_class = SPAN("Timeout")};
    touch(l, s->entry);
    if (s->kind == SLOT_OFFER) {
        struct change *c = decision_change(&l->d, CH_OFFER_CANCEL);
        if (c)
            c->offer.token = s->token;
    }
    slot_stop(l, s, true);
    slot_zombie(l, s);
    task_fail(&l->d, t, step, &f);
    absorb_notes(l);
}

static void task_timer(struct lane *l, struct entry *e)
{
    entry_timer(l, e, 0);
    if (!e->task) {
        load(l, e); // an earlier reading failed
        return;
    }
    if (e->task->state == ST_PENDING && l->d.now >= e->task->run_at && l->started) {
        task_start(&l->d, e->task);
        absorb_notes(l);
        entry_timer(l, e, e->task->deadline);
    } else if (e->task->deadline && l->d.now >= e->task->deadline) {
        task_expire(&l->d, e->task);
        absorb_notes(l);
    }
}

void run_timers(struct lane *l)
{
    int64_t now = l->d.now;
    l->d.origin = UINT32_MAX;
    while (l->deadlines.count && !turn_full(l)) {
        struct slot *s = container_of(heap_top(&l->deadlines), struct slot, timer);
        if (s->deadline > now)
            break;
        time_out(l, s);
    }
    while (l->task_timers.count && !turn_full(l)) {
        struct entry *e = container_of(heap_top(&l->task_timers), struct entry, timer);
        if (e->timer_at > now)
            break;
        task_timer(l, e);
    }
    while (l->wakes.count && !turn_full(l)) {
        struct tstep *s = container_of(heap_top(&l->wakes), struct tstep, timer);
        if (s->wake_at > now)
            break;
        heap_remove(&l->wakes, &s->timer);
        task_wake(&l->d, step_task(s), s);
        absorb_notes(l);
    }
}

// Start rows of attempts that have been out long enough join the turn.
void write_lazy(struct lane *l)
{
    while (!list_empty(&l->lazy) && !turn_full(l)) {
        struct slot *s = container_of(l->lazy.next, struct slot, lazy);
        if (s->started_at + l->opt->start_row_delay_us > l->d.now)
            break;
        list_remove(&s->lazy);
        touch(l, s->entry);
        task_write_start(&l->d, s->entry->task, &s->entry->task->steps[s->step]);
    }
}

// ------------------------------------------------------------------------------------------------------- workers

static int worker_classes(struct lane *l, struct lworker *w, struct lane_input *in)
{
    w->classes = mem_alloc(in->worker.class_count * sizeof(w->classes[0]) + 1);
    if (!w->classes)
        return -1;
    for (size_t i = 0; i < in->worker.class_count; i++) {
        struct klass *k = klass_get(l, in->worker.classes[i]);
        if (!k || mem_grow(&k->workers, &k->worker_cap, k->worker_count + 1, sizeof(k->workers[0])) < 0)
            return -1;
        k->workers[k->worker_count++] = w;
        k->serving++;
        w->classes[w->class_count++] = k;
    }
    return 0;
}

static void leave_classes(struct lworker *w)
{
    for (size_t i = 0; i < w->class_count; i++) {
        struct klass *k = w->classes[i];
        k->serving--;
        for (size_t j = 0; j < k->worker_count; j++)
            if (k->workers[j] == w) {
                k->workers[j] = k->workers[--k->worker_count];
                break;
            }
    }
    w->class_count = 0;
}

bool worker_open(struct lane *l, struct lane_input *in)
{
    struct lworker *w = mem_alloc(sizeof(*w));
    if (!w) {
        l->d.failed = true;
        return false;
    }
    w->id = in->worker.worker;
    w->capacity = in->worker.capacity;
    char name[24];
    (void)snprintf(name, sizeof(name), "%lld", (long long)w->id);
    meter_init(&w->used, tally_count(l->config.tally, "worker", name));
    HASH_ADD(hh, l->workers, id, sizeof(w->id), w);
    bool added = HASH_ADDED(hh, w);
    if (!added || worker_classes(l, w, in) < 0) {
        if (added)
            HASH_DEL(l->workers, w);
        leave_classes(w);
        mem_free(w->classes);
        mem_free(w);
        l->d.failed = true;
        return false;
    }
    l->classes_changed = true;
    l->next_poll = 0;
    return true;
}

void worker_close(struct lane *l, int64_t id)
{
    struct lworker *w = NULL;
    HASH_FIND(hh, l->workers, &id, sizeof(id), w);
    if (!w)
        return;
    leave_classes(w);
    w->closing = true;
    l->classes_changed = true;
    free_worker_if_gone(l, w);
}
