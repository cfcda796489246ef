// SPDX-License-Identifier: MIT
// lane.c - the turn of a lane: take inputs, decide, hand the turn out, and deal with its outcome. See lane.h for the
// rules and lane_private.h for who does what.
#include "engine/lane_private.h"

#include <string.h>

#define RESEND_MIN_US (2 * US_PER_MS)
#define RESEND_MAX_US US_PER_SECOND
#define MAX_TRIES 5

// ------------------------------------------------------------------------------------------------------ actions

static bool make_room(struct lane *l, size_t actions)
{
    return mem_grow(&l->out, &l->out_cap, l->out_count + actions, sizeof(l->out[0])) == 0;
}

void hold_action(struct lane *l, const struct action *a)
{
    if (mem_grow(&l->held, &l->held_cap, l->held_count + 1, sizeof(l->held[0])) < 0) {
        l->d.failed = true;
        blob_unref(a->blob);
        return;
    }
    l->held[l->held_count++] = *a;
}

bool out_action(struct lane *l, const struct action *a)
{
    if (!make_room(l, 1)) {
        l->d.failed = true;
        blob_unref(a->blob);
        handout_free(a->handout);
        return false;
    }
    l->out[l->out_count++] = *a;
    return true;
}

// Room for all that follows from a commit, or from its failure: when it is known, memory must not be what is missing.
static void reserve_actions(struct lane *l)
{
    size_t n = l->held_count + (size_t)l->turn.claim_limit + 2;
    for (size_t i = 0; i < l->turn.want_count; i++)
        n += (size_t)l->turn.wants[i].limit;
    list_each(slot, &l->fresh_slots) n++;
    list_each(slot, &l->late_slots) n++;
    list_each(entry, &l->touched) n++;
    list_each(input, &l->turn_inputs) n++;
    if (!make_room(l, n))
        l->d.failed = true;
}

static void promote_actions(struct lane *l)
{
    for (size_t i = 0; i < l->held_count; i++)
        (void)out_action(l, &l->held[i]);
    l->held_count = 0;
}

static void discard_actions(struct lane *l)
{
    for (size_t i = 0; i < l->held_count; i++)
        blob_unref(l->held[i].blob);
    l->held_count = 0;
}

bool lane_next_action(struct lane *l, struct action *ret)
{
    if (l->out_next >= l->out_count) {
        l->out_next = l->out_count = 0;
        return false;
    }
    *ret = l->out[l->out_next++];
    return true;
}

// --------------------------------------------------------------------------------------------------- the turn

static void begin_turn(struct lane *l, int64_t now)
{
    uint64_t serial = l->d.serial + 1;
    decision_clear(&l->d);
    l->d.serial = serial;
    l->d.now = now > l->seen_at ? now : l->seen_at;
    l->d.rng = &l->rng;
    l->d.engine = l->config.name;
    l->d.failed = false;
    l->notes_seen = 0;
}

static bool room_left(const struct lane *l)
{
    return l->d.change_count < TURN_MAX_CHANGES && l->d.bytes < TURN_MAX_BYTES && !l->d.failed;
}

// Decides inputs of one queue in order until the turn is full or one of them has to wait.
static void decide_queue(struct lane *l, struct list *queue, size_t *decided)
{
    while (!list_empty(queue) && room_left(l) && (l->single == 0 || *decided < l->single)) {
        struct lane_input *in = take_input(l, queue);
        in->origin = l->d.origin = (uint32_t)*decided;
        list_push(&l->turn_inputs, &in->link);
        if (!decide(l, in)) {
            list_remove(&in->link);
            struct list one;
            list_init(&one);
            list_push(&one, &in->link);
            queue_front(l, &one);
            return;
        }
        absorb_notes(l);
        (*decided)++;
    }
}

static void free_inputs(struct list *inputs)
{
    struct list *node;
    while ((node = list_pop(inputs)))
        lane_input_free(container_of(node, struct lane_input, link));
}

static bool needs_row(const struct lane *l)
{
    return l->id == 0 && (l->started || l->submit_count > 0 || l->command_count > 0 || !list_empty(&l->asked) ||
                          !list_empty(&l->rechecks) || !list_empty(&l->to_request));
}

// A lane that owns nothing has nothing to lose: it keeps its row, which tells what it serves, by a long lease.
static int64_t lease_for(const struct lane *l)
{
    bool rests = !l->entries && !l->foreign && !l->slots && !turn_asks(&l->turn);
    return rests && l->opt->lease_us < REST_LEASE_US ? REST_LEASE_US : l->opt->lease_us;
}

static const struct turn *send(struct lane *l, enum turn_kind kind, int64_t now)
{
    l->turn.kind = kind;
    l->turn.lane = l->id;
    l->turn.number = l->number + 1;
    l->turn.now = now;
    l->turn.lease_us = lease_for(l);
    l->turn.process = l->config.process;
    l->turn.name = l->config.name;
    l->turn.changes = l->d.changes;
    l->turn.change_count = l->d.change_count;
    l->flying = true;
    l->resend_at = 0;
    l->resend_wait = RESEND_MIN_US;
    return &l->turn;
}

static void hand_out(struct lane *l, struct slot *s, int64_t now)
{
    struct action a = {.kind = ACT_GIVE, .worker = s->worker->id, .token = s->token};
    a.handout = make_handout(l, s);
    s->given = a.handout && out_action(l, &a);
    if (s->given)
        slot_begin(l, s, now);
    else
        list_push(&l->late_slots, &s->turn);  // out of memory
}

// Hand-outs for which there was no memory before. What was taken away meanwhile never had a handler that returns.
static void hand_out_late(struct lane *l)
{
    struct list late, *node;
    list_init(&late);
    while ((node = list_pop(&l->late_slots)))
        list_push(&late, node);
    while ((node = list_pop(&late))) {
        struct slot *s = container_of(node, struct slot, turn);
        struct task *t = s->entry ? s->entry->task : NULL;
        if (!s->zombie && t) {
            hand_out(l, s, l->d.now);
        } else if (!s->zombie) {
            list_push(&l->late_slots, node);  // its task is being read again
        } else {
            slot_spend(l, s);
            if (t && t->steps[s->step].ready)
                enqueue(l, t, &t->steps[s->step]);
        }
    }
}

// What the turn's slots and tasks need once it is durable.
static void settle_turn(struct lane *l, int64_t now)
{
    struct list *node;
    while ((node = list_pop(&l->fresh_slots))) {
        struct slot *s = container_of(node, struct slot, turn);
        if (s->kind == SLOT_LOCAL)
            hand_out(l, s, now);
    }
    while ((node = list_pop(&l->spent_slots)))
        slot_free(l, container_of(node, struct slot, turn));
    while ((node = list_pop(&l->touched))) {
        struct entry *e = container_of(node, struct entry, link);
        e->fresh = false;
        if (e->over || e->visiting)
            entry_remove(l, e);
    }
}

static void finish_turn(struct lane *l, int64_t now)
{
    if (l->listeners != 0)
        publish_notes(l);
    promote_actions(l);
    settle_turn(l, now);
    unbar(l);
    free_inputs(&l->turn_inputs);
    l->single = l->single > 512 ? 0 : l->single * 2;
    l->refusals = 0;
    l->unheard = l->unheard && !l->found;
    l->found = false;
    decision_clear(&l->d);
    l->notes_seen = 0;
}

// Inputs that are decided again; the others only said what can be seen again, or are done already.
static bool must_keep(struct lane *l, const struct lane_input *in, bool keep_answers)
{
    if (in->kind == IN_OFFER_LOADED && keep_answers) {
        const struct slot *s = foreign_find(l, in->offer.token);
        return s && !s->given;
    }
    return in->kind == IN_SUBMIT || in->kind == IN_COMMAND || (in->kind == IN_ANSWER && keep_answers);
}

// Attempts that the turn under way gave up go on. Those whose task is gone do not come back.
static void revive_zombies(struct lane *l)
{
    struct slot *s, *tmp;
    HASH_ITER(hh, l->slots, s, tmp)
    {
        if (s->zombie && s->entry && s->zombied == l->d.serial)
            s->zombie = false;
    }
    HASH_ITER(hh, l->foreign, s, tmp)
    {
        if (s->zombie && s->zombied == l->d.serial)
            s->zombie = false;
    }
}

void undo_turn(struct lane *l, bool keep_answers)
{
    struct list *node;
    discard_actions(l);
    l->found = false;
    revive_zombies(l);
    while ((node = list_pop(&l->fresh_slots)))
        slot_free(l, container_of(node, struct slot, turn));
    while ((node = list_pop(&l->spent_slots))) {
        struct slot *s = container_of(node, struct slot, turn);
        if (!keep_answers) {
            slot_free(l, s);  // its handler has returned and its answer is lost with the lane
            continue;
        }
        s->spent = false;
        slot_place(l, s);
        if (s->kind == SLOT_LOCAL && !s->given)
            list_push(&l->late_slots, node);
    }
    while ((node = list_pop(&l->touched))) {
        struct entry *e = container_of(node, struct entry, link);
        if (e->fresh) {
            entry_remove(l, e);
            continue;
        }
        e->over = false;
        entry_drop(l, e);
        if (!e->loading && !e->claiming)
            load(l, e);
    }
    struct list again;
    list_init(&again);
    while ((node = list_pop(&l->turn_inputs))) {
        struct lane_input *in = container_of(node, struct lane_input, link);
        bool keep = must_keep(l, in, keep_answers);
        if (keep)
            list_push(&again, &in->link);
        else
            lane_input_free(in);
    }
    queue_front(l, &again);
    queue_front(l, &l->asking);
    decision_clear(&l->d);
    l->notes_seen = 0;
}

// ----------------------------------------------------------------------------------------------------- outcomes

// What kept this lane away may have kept the others away too: they get a lease to come back.
void lane_contact(struct lane *l, int64_t now)
{
    if (now - l->contact_at > l->opt->lease_us)
        l->registered_at = now;
    l->contact_at = now;
}

static void on_committed(struct lane *l, int64_t now, const struct turn_result *r)
{
    enum turn_kind kind = l->turn.kind;
    lane_contact(l, now);
    l->committed_at = now;
    l->leased_us = l->turn.lease_us;
    l->turns++;
    if (kind == TURN_REGISTER) {
        l->id = r->lane;
        l->number = 0;
        l->registered_at = now;
        l->classes_changed = true;
        l->next_poll = l->next_thorough = now;
        return;
    }
    l->number++;
    if (kind == TURN_RETIRE) {
        l->id = 0;
        l->retiring = l->unheard = false;
        left_behind(l, r);
        drained(l);
        return;
    }
    bool heard = !l->unknown || (!turn_asks(&l->turn) && list_empty(&l->asking));
    finish_turn(l, now);
    take_answers(l, r, heard);
    l->unheard = l->unheard || !heard;
    ask_holdings(l);
}

static void stop_handlers(struct lane *l)
{
    struct slot *s, *tmp;
    HASH_ITER(hh, l->slots, s, tmp)
    {
        if (s->kind == SLOT_LOCAL && !s->zombie)
            slot_stop(l, s, true);
    }
}

// Sent again as it is, but without tasks that somebody else has locked for longer than a turn waits.
static void on_retry(struct lane *l, int64_t now, const struct turn_result *r)
{
    if (r->spent) {
        l->number = l->turn.number + 1;
        l->turn.number = l->number + 1;
    }
    if (l->turn.kind == TURN_WORK && set_locked(l, now, r)) {
        undo_turn(l, true);
        give_up_claim(l, r);
        l->resend_at = 0;
        return;
    }
    l->resend_at = now + l->resend_wait;
    l->resend_wait = l->resend_wait * 2 > RESEND_MAX_US ? RESEND_MAX_US : l->resend_wait * 2;
    l->flying = true;
}

static void lose_lane(struct lane *l)
{
    struct slot *s, *tmp;
    struct entry *e, *etmp;
    HASH_ITER(hh, l->foreign, s, tmp)
    {
        slot_stop(l, s, true);
        slot_zombie(l, s);
    }
    stop_handlers(l);
    HASH_ITER(hh, l->entries, e, etmp)
    {
        entry_remove(l, e);
    }
    l->read_count = 0; // rows of a lane that is gone go with it
    l->id = 0;
    l->tasks_due = l->takeover = l->unheard = false;
    l->offer_class = NULL;
    l->next_poll = l->next_thorough = 0;
    l->task_ids.count = l->step_ids.count = 0;  // ids stay valid, but the database may have gone back in time
    l->task_ids.total = l->step_ids.total = 0;
    promote_actions(l);
}

static void on_fenced(struct lane *l, int64_t now, const struct turn_result *r)
{
    (void)now;
    (void)r;
    undo_turn(l, false);
    lose_lane(l);
    l->retiring = false;
    drained(l);
}

// A result that can not be stored is a failure of its step. False: out of memory.
static bool fail_answer(struct lane_input *in, const tasker_error *why)
{
    struct failure_copy *c = mem_alloc(sizeof(*c));
    if (!c)
        return false;
    arena_init(&c->arena);
    c->f.cause = CAUSE_NOT_STORABLE;
    c->f.message = span_of(arena_strdup(&c->arena, why->message));
    c->f.error_class = SPAN("ResultNotStorable");
    in->answer.answer = ANSWER_FAIL;
    blob_unref(in->answer.results);
    in->answer.results = NULL;
    in->answer.failure = c;
    return true;
}

// An answer that is refused whatever it says is dropped, and its attempt with it: the task's rows, when they are read
// again, tell what becomes of the step.
static void drop_answer(struct lane *l, struct lane_input *in)
{
    struct slot *s = slot_find(l, in->answer.token);
    if (!s)
        s = foreign_find(l, in->answer.token);
    if (s)
        slot_free(l, s);
    list_remove(&in->link);
    lane_input_free(in);
}

// The culprit's caller hears of it; everybody else is decided again without it. False: it is decided again as it was.
static bool refuse_input(struct lane *l, struct lane_input *in, const struct turn_result *r)
{
    uint8_t kind = r->culprit >= 0 ? l->d.changes[r->culprit].kind : CH_STEP_UPDATE;
    bool content = kind == CH_STEP_UPDATE || kind == CH_LOG_INSERT || kind == CH_OFFER_ANSWER;
    if ((kind == CH_STEP_ROW || kind == CH_TASK_ROW) && in->tries <= MAX_TRIES)
        return false;  // somebody else moved the task: it is read again
    if (in->kind == IN_ANSWER && in->answer.answer == ANSWER_COMPLETE && content)
        return fail_answer(in, &r->error);
    if (in->kind == IN_ANSWER && in->tries > MAX_TRIES) {
        drop_answer(l, in);
        return true;
    }
    if (in->kind != IN_SUBMIT && in->kind != IN_COMMAND)
        return false;
    struct action a = {.kind = ACT_REPLY, .ticket = in->ticket, .error = r->error};
    if (in->kind == IN_SUBMIT && r->existing_task_id != 0) {
        a.id = r->existing_task_id;
        if (in->submit.return_existing || in->submit.named_here || in->submit.doubted_id == a.id)
            a.error.code = 0;
    }
    if (in->ticket)
        (void)out_action(l, &a);
    list_remove(&in->link);
    lane_input_free(in);
    return true;
}

// Later and later, when refusals follow one another: whatever it is that is refused, the lane must not spin on it.
static int64_t refusal_wait(struct lane *l)
{
    uint32_t n = l->refusals++;
    return n > 5 ? US_PER_SECOND : (20 * US_PER_MS) << n;
}

static void on_refused(struct lane *l, int64_t now, const struct turn_result *r)
{
    struct lane_input *culprit = NULL;
    size_t count = 0;
    if (r->culprit >= 0 && (size_t)r->culprit < l->d.change_count) {
        list_each(node, &l->turn_inputs)
        {
            struct lane_input *in = container_of(node, struct lane_input, link);
            if (in->origin == l->d.changes[r->culprit].origin)
                culprit = in;
        }
    }
    list_each(node, &l->turn_inputs)
    {
        struct lane_input *in = container_of(node, struct lane_input, link);
        in->tries++;
        count++;
        if (!culprit && (l->single == 1 || in->tries > MAX_TRIES + 8))
            culprit = in;
    }
    bool found = culprit && refuse_input(l, culprit, r);
    if (!culprit)
        l->single = count > 1 ? count / 2 : 1;
    l->resend_at = found ? 0 : now + refusal_wait(l);
    undo_turn(l, true);
}

static void on_unknown(struct lane *l, int64_t now, const struct turn_result *r)
{
    l->unknown = true;
    list_each(node, &l->turn_inputs)
    {
        struct lane_input *in = container_of(node, struct lane_input, link);
        in->doubtful = true;
        if (in->kind == IN_SUBMIT)
            in->submit.doubted_id = in->submit.task_id;
    }
    list_each(node, &l->asking) container_of(node, struct lane_input, link)->doubtful = true;
    on_retry(l, now, r);
}

void lane_outcome(struct lane *l, int64_t now, const struct turn_result *r)
{
    static void (*const react[OUT_COUNT])(struct lane *, int64_t, const struct turn_result *) = {
        [OUT_COMMITTED] = on_committed, [OUT_RETRY] = on_retry,     [OUT_FENCED] = on_fenced,
        [OUT_REFUSED] = on_refused,     [OUT_UNKNOWN] = on_unknown,
    };
    if (!l->flying)
        return;
    l->flying = false;
    react[r->outcome](l, now, r);
    if (l->turn.kind == TURN_REGISTER && l->id == 0 && !l->flying)
        l->resend_at = now + US_PER_SECOND;  // the database would not have it: not again at once
    if (r->outcome != OUT_UNKNOWN)
        l->unknown = false;
}

// --------------------------------------------------------------------------------------------------------- step

// Out of memory while deciding: nothing of it may be sent. It is decided again a little later.
static const struct turn *fail_turn(struct lane *l, int64_t now)
{
    undo_turn(l, true);
    l->resend_at = now + 100 * US_PER_MS;
    return NULL;
}

// When the lease is renewed: after a third of it. A lane that no longer rests needs a short one at once, lest the
// others believe it alive when it is not.
static int64_t lease_left(const struct lane *l)
{
    bool owns = l->entries || l->foreign || l->slots;
    int64_t lease = owns && l->leased_us > l->opt->lease_us ? l->opt->lease_us : l->leased_us;
    return lease / 3;
}

static bool heartbeat_due(const struct lane *l, int64_t now)
{
    bool owns = l->started || l->entries != NULL || l->foreign != NULL;
    return l->id != 0 && owns && now >= l->committed_at + lease_left(l);
}

static const struct turn *retire(struct lane *l, int64_t now)
{
    struct entry *e, *tmp;
    stop_handlers(l);
    promote_actions(l);
    leave_locked(l);
    HASH_ITER(hh, l->entries, e, tmp)
    {
        entry_remove(l, e);
    }
    begin_turn(l, now);
    return send(l, TURN_RETIRE, now);
}

const struct turn *lane_step(struct lane *l, int64_t now)
{
    if (l->flying && l->turn.kind == TURN_REGISTER && !needs_row(l))
        l->flying = false;  // whoever it was for has given up
    if (l->flying) {
        if (now < l->resend_at)
            return NULL;
        l->turn.lease_us = now - l->turn.now + lease_for(l);  // it counts from now, however long that took
        return &l->turn;
    }
    if (now < l->resend_at)
        return NULL;
    l->turn = (struct turn){0};
    try_barred(l, now);
    if (l->retiring && l->id != 0)
        return retire(l, now);
    if (needs_row(l)) {
        begin_turn(l, now);
        return send(l, TURN_REGISTER, now);
    }
    begin_turn(l, now);
    size_t decided = 0;
    decide_queue(l, &l->inputs, &decided);
    run_timers(l);
    absorb_notes(l);
    decide_queue(l, &l->submits, &decided);
    l->d.origin = UINT32_MAX;
    hand_out_late(l);
    drain(l);
    request_others(l);
    schedule(l);
    absorb_notes(l);
    write_lazy(l);
    maybe_poll(l);
    ask(l);
    reserve_actions(l);
    if (l->d.failed)
        return fail_turn(l, now);
    if (l->d.change_count > 0 || turn_asks(&l->turn) || heartbeat_due(l, now))
        return send(l, TURN_WORK, now);
    finish_turn(l, now);
    return NULL;
}

static void sooner(int64_t *at, int64_t other)
{
    if (other < *at)
        *at = other;
}

int64_t lane_deadline(const struct lane *l)
{
    if (l->flying || l->resend_at > l->d.now)
        return l->resend_at;
    if (!list_empty(&l->inputs) || needs_row(l) || (l->retiring && l->id != 0))
        return 0;
    int64_t at = barred_deadline(l);
    if (!list_empty(&l->submits) || !list_empty(&l->claims) || !list_empty(&l->to_request))
        at = 0;
    if (l->wakes.count)
        sooner(&at, container_of(heap_top(&l->wakes), struct tstep, timer)->wake_at);
    if (l->deadlines.count)
        sooner(&at, container_of(heap_top(&l->deadlines), struct slot, timer)->deadline);
    if (l->task_timers.count)
        sooner(&at, container_of(heap_top(&l->task_timers), struct entry, timer)->timer_at);
    if (!list_empty(&l->lazy))
        sooner(&at, container_of(l->lazy.next, struct slot, lazy)->started_at + l->opt->start_row_delay_us);
    if (l->id != 0 && (l->started || l->entries || l->foreign))
        sooner(&at, l->committed_at + lease_left(l));
    if (l->started || !list_empty(&l->asked) || !list_empty(&l->rechecks))
        sooner(&at, l->polling ? l->polled_at + ANSWER_LOST_US : l->next_poll);
    if (!list_empty(&l->late_slots))
        sooner(&at, l->d.now + 100 * US_PER_MS);
    return at;
}

// ------------------------------------------------------------------------------------------------------ life cycle

static bool wake_less(const struct heap_node *a, const struct heap_node *b)
{
    return container_of(a, struct tstep, timer)->wake_at < container_of(b, struct tstep, timer)->wake_at;
}

static bool deadline_less(const struct heap_node *a, const struct heap_node *b)
{
    return container_of(a, struct slot, timer)->deadline < container_of(b, struct slot, timer)->deadline;
}

static bool entry_less(const struct heap_node *a, const struct heap_node *b)
{
    return container_of(a, struct entry, timer)->timer_at < container_of(b, struct entry, timer)->timer_at;
}

bool queue_less(const struct heap_node *a, const struct heap_node *b)
{
    const struct tstep *x = container_of(a, struct tstep, queue), *y = container_of(b, struct tstep, queue);
    uint8_t px = step_task((struct tstep *)x)->priority, py = step_task((struct tstep *)y)->priority;
    return px != py ? px < py : x->order < y->order;
}

struct lane *lane_new(const struct lane_config *config)
{
    struct lane *l = mem_alloc(sizeof(*l));
    if (!l)
        return NULL;
    l->config = *config;
    l->opt = config->options;
    l->rng.state = config->seed;
    meter_init(&l->running, tally_count(config->tally, "engine", ""));
    meter_init(&l->suspects_running, tally_count(config->tally, "suspects", ""));
    struct list *lists[] = {&l->inputs,  &l->submits,  &l->turn_inputs, &l->touched,    &l->fresh_slots, &l->spent_slots, &l->late_slots, &l->barred,
                            &l->lazy,    &l->claims,   &l->rechecks,    &l->to_request, &l->asking,      &l->asked};
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
        list_init(lists[i]);
    heap_init(&l->wakes, wake_less);
    heap_init(&l->deadlines, deadline_less);
    heap_init(&l->task_timers, entry_less);
    decision_init(&l->d);
    return l;
}

static void free_tables(struct lane *l)
{
    struct slot *s, *stmp;
    struct klass *k, *ktmp;
    struct group *g, *gtmp;
    struct lworker *w, *wtmp;
    HASH_ITER(hh, l->slots, s, stmp) slot_free(l, s);
    HASH_ITER(hh, l->foreign, s, stmp) slot_free(l, s);
    HASH_ITER(hh, l->classes, k, ktmp)
    {
        HASH_DEL(l->classes, k);
        heap_done(&k->ready);
        heap_done(&k->suspects);
        mem_free(k->workers);
        mem_free(k->name);
        mem_free(k);
    }
    HASH_ITER(hh, l->groups, g, gtmp)
    {
        HASH_DEL(l->groups, g);
        heap_done(&g->deferred);
        mem_free(g->key);
        mem_free(g);
    }
    HASH_ITER(hh, l->workers, w, wtmp)
    {
        HASH_DEL(l->workers, w);
        mem_free(w->classes);
        mem_free(w);
    }
}

void lane_free(struct lane *l)
{
    if (!l)
        return;
    struct entry *e, *tmp;
    HASH_ITER(hh, l->entries, e, tmp) entry_remove(l, e);
    free_tables(l);
    let_all_in(l);
    struct list *lists[] = {&l->inputs, &l->submits,    &l->turn_inputs, &l->rechecks,
                            &l->to_request, &l->asking, &l->asked};
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
        free_inputs(lists[i]);
    discard_actions(l);
    struct action a;
    while (lane_next_action(l, &a)) {
        blob_unref(a.blob);
        handout_free(a.handout);
    }
    heap_done(&l->wakes);
    heap_done(&l->deadlines);
    heap_done(&l->task_timers);
    decision_done(&l->d);
    mem_free(l->held);
    mem_free(l->out);
    mem_free(l->task_ids.ranges);
    mem_free(l->step_ids.ranges);
    mem_free(l->dead);
    mem_free(l->wants);
    mem_free(l->asked_ids);
    mem_free(l->foreign_tokens);
    mem_free(l->read_requests);
    mem_free(l->left);
    mem_free(l);
}

bool lane_freed(struct lane *l)
{
    bool freed = l->freed;
    l->freed = false;
    return freed;
}

void lane_listeners(struct lane *l, uint64_t wanted)
{
    l->listeners = wanted;
}

void lane_numbers(const struct lane *l, struct lane_numbers *ret)
{
    struct klass *k, *tmp;
    struct group *g, *gtmp;
    struct slot *s, *stmp;
    *ret = (struct lane_numbers){.started = l->started,
                                 .claiming = l->claiming,
                                 .draining = l->draining,
                                 .lane = l->id,
                                 .turns = l->turns,
                                 .tasks = HASH_COUNT(l->entries),
                                 .running = (size_t)l->running.own,
                                 .offered = l->offered,
                                 .foreign = HASH_COUNT(l->foreign),
                                 .queued = l->submit_count + l->input_count};
    HASH_ITER(hh, l->classes, k, tmp) ret->ready += k->ready.count + k->suspects.count;
    HASH_ITER(hh, l->groups, g, gtmp) ret->ready += g->deferred.count;
    HASH_ITER(hh, l->slots, s, stmp) ret->overdue += s->zombie;
}

void lane_overdue(const struct lane *l, struct buf *out)
{
    struct slot *s, *tmp;
    jw_open(out, '[');
    HASH_ITER(hh, l->slots, s, tmp)
    {
        if (!s->zombie || s->kind == SLOT_OFFER)
            continue;
        jw_open(out, '{');
        jw_kint(out, "task_id", s->task_id);
        jw_kint(out, "step_id", s->step_id);
        jw_kstr(out, "handler_class", s->klass ? s->klass->name : NULL);
        jw_ktime(out, "started_at", s->started_at);
        jw_close(out, '}');
    }
    jw_close(out, ']');
}
