// SPDX-License-Identifier: MIT
// engine_thread.c - the thread that drives a lane: feed it, commit what it decides, do what it says. All decisions are the
// lane's; all I/O of an engine that writes is here.
#include "engine/engine_private.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int engine_push(struct lane_thread *t, struct lane_input *in, tasker_error *err)
{
    struct engine *e = t->engine;
    bool bounded = in->kind == IN_SUBMIT || in->kind == IN_COMMAND;
    int rc = 0;
    pthread_mutex_lock(&e->lock);
    if (e->stopped) {
        rc = err_set(err, TASKER_E_CLOSED, "the engine has stopped");
    } else if (bounded && e->bounded >= (size_t)e->options.queue_limit) {
        rc = err_set(err, TASKER_E_BUSY, "%d submissions and commands wait already", (int)e->options.queue_limit);
        err_remedy(err, "try again, or raise queue_limit");
    } else {
        e->bounded += bounded;
        list_push(&t->intake, &in->link);
        if (t->sleeping)
            pthread_cond_signal(&t->wake);
    }
    pthread_mutex_unlock(&e->lock);
    return rc;
}

// Time of the database, but never backwards. When that was set back, time goes on from where
// it was, so that nothing that waits has to wait for the difference.
static int64_t lane_now(struct lane_thread *t)
{
    int64_t now = t->store->ops->now(t->store), monotonic = clock_monotonic_us();
    if (now < t->last_now)
        now = t->last_now + (monotonic - t->last_monotonic);
    t->last_now = now;
    t->last_monotonic = monotonic;
    return now;
}

static void note_error(struct lane_thread *t, const tasker_error *error)
{
    struct engine *e = t->engine;
    pthread_mutex_lock(&e->lock);
    (void)snprintf(e->last_error, sizeof(e->last_error), "%s", error->message);
    e->last_error_at = t->last_now;
    pthread_mutex_unlock(&e->lock);
}

static void lock_store(struct lane_thread *t)
{
    if (t->store->shared)
        pthread_mutex_lock(&t->engine->store_lock);
}

static void unlock_store(struct lane_thread *t)
{
    if (t->store->shared)
        pthread_mutex_unlock(&t->engine->store_lock);
}

static void feed(struct lane_thread *t, struct lane_input *in)
{
    if (lane_push(t->lane, in) == 0)
        return;
    struct action a = {.kind = ACT_REPLY};  // commands of other processes may fill the queue too
    err_set(&a.error, TASKER_E_BUSY, "too many submissions and commands wait already");
    err_remedy(&a.error, "try again, or raise queue_limit");
    if (in->ticket)
        ticket_answer(t->engine, in->ticket, &a);
    lane_input_free(in);
}

// ---------------------------------------------------------------------------------------- what is said of the database

// What subscribers hear of the database itself; `since` 0: nothing of that.
static void tell(struct engine *e, enum note_kind kind, int64_t now, const char *why, int64_t since)
{
    if (!(__atomic_load_n(&e->wanted, __ATOMIC_RELAXED) & (UINT64_C(1) << kind)))
        return;
    struct buf b;
    buf_init(&b, 1 << 16);
    jw_open(&b, '{');
    jw_kstr(&b, "event", note_names[kind]);
    jw_kstr(&b, "engine", e->options.name);
    jw_ktime(&b, "timestamp", now);
    if (why)
        jw_kstr(&b, "error", why);
    if (since)
        jw_ktime(&b, "since", since);
    jw_close(&b, '}');
    struct blob *event = buf_failed(&b) ? NULL : blob_new(buf_view(&b).p, b.len);
    buf_done(&b);
    if (event)
        hub_publish(e, note_names[kind], event);
}

// The first lane that can not reach the database, and the last that can again, speak for the engine. They do so under the
// lock, so that their events come in the order of what happened.
static void note_reach(struct lane_thread *t, unsigned cut_off, const tasker_error *why)
{
    struct engine *e = t->engine;
    bool before = t->cut_off != 0, lost = cut_off != 0;
    t->cut_off = cut_off;
    if (lost == before)
        return;
    pthread_mutex_lock(&e->lock);
    e->cut_off += lost ? 1 : (size_t)-1;
    if (lost && e->cut_off == 1) {
        e->cut_off_at = t->last_now;
        tell(e, NOTE_DATABASE_LOST, t->last_now, why->message, 0);
    } else if (!lost && e->cut_off == 0) {
        tell(e, NOTE_DATABASE_BACK, t->last_now, NULL, e->cut_off_at);
    }
    pthread_mutex_unlock(&e->lock);
}

// ------------------------------------------------------------------------------------------------------ loading

static int unlocked(struct store *s, int64_t task_id, tasker_error *err)
{
    int rc = s->ops->task_locked ? s->ops->task_locked(s, task_id, err) : 0;
    return rc == 1 ? TASKER_E_BUSY : rc;
}

static void load_task(struct lane_thread *t, const struct action *a)
{
    struct lane_input *in = lane_input_new(IN_LOADED);
    struct task_rows *rows = mem_alloc(sizeof(*rows));
    tasker_error err = {0};
    if (!in || !rows) {
        mem_free(rows);
        lane_input_free(in);
        return;  // the lane asks again
    }
    task_rows_init(rows);
    in->loaded.rows = rows;
    in->loaded.task_id = a->id;
    in->loaded.number = a->token;
    lock_store(t);
    in->loaded.rc = a->unlocked ? unlocked(t->store, a->id, &err) : 0;
    if (in->loaded.rc == 0)
        in->loaded.rc = t->store->ops->load_task(t->store, a->id, rows, &err);
    if (in->loaded.rc == 0) {
        in->loaded.tpl = template_by_id(t->engine, t->store, rows->template_id, &err);
        in->loaded.rc = in->loaded.tpl ? 0 : TASKER_E_CONFIG;
    }
    unlock_store(t);
    if (in->loaded.rc < 0)
        note_error(t, &err);
    feed(t, in);
}

static void load_offer(struct lane_thread *t, const struct action *a)
{
    struct lane_input *in = lane_input_new(IN_OFFER_LOADED);
    struct offer_rows *rows = mem_alloc(sizeof(*rows));
    tasker_error err = {0};
    if (!in || !rows) {
        mem_free(rows);
        lane_input_free(in);
        return;
    }
    offer_rows_init(rows);
    in->offer.rows = rows;
    in->offer.token = a->token;
    lock_store(t);
    in->offer.rc = t->store->ops->load_offer(t->store, a->id, rows, &err);
    if (in->offer.rc == 0) {
        in->offer.tpl = template_by_id(t->engine, t->store, rows->template_id, &err);
        in->offer.rc = in->offer.tpl ? 0 : TASKER_E_CONFIG;
    }
    unlock_store(t);
    if (in->offer.rc < 0)
        note_error(t, &err);
    feed(t, in);
}

static void read_holdings(struct lane_thread *t, const struct action *a)
{
    struct lane_input *in = lane_input_new(IN_HOLDINGS);
    struct holdings *found = mem_alloc(sizeof(*found));
    tasker_error err = {0};
    if (!in || !found) {
        mem_free(found);
        lane_input_free(in);
        return;
    }
    holdings_init(found);
    in->holdings.lane = a->id;
    in->holdings.number = a->token;
    in->holdings.found = found;
    lock_store(t);
    in->holdings.rc = t->store->ops->holdings(t->store, a->id, found, &err);
    unlock_store(t);
    if (in->holdings.rc < 0)
        note_error(t, &err);
    feed(t, in);
}

// ------------------------------------------------------------------------------------------------------- polling

// A process of this host is gone when its number is, or belongs to one that started at another time.
static bool process_gone(const char *process)
{
    char path[64], text[1024];
    const char *slash = strchr(process, '/');
    long pid = strtol(process, NULL, 10);
    if (pid <= 0 || !slash)
        return false;
    (void)snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
    FILE *f = fopen(path, "re");
    if (!f)
        return kill((pid_t)pid, 0) != 0 && errno == ESRCH;  // it may only be hidden from us (hidepid)
    size_t n = fread(text, 1, sizeof(text) - 1, f);
    (void)fclose(f);
    text[n] = '\0';
    const char *p = strrchr(text, ')');
    if (!p)
        return false;
    char state = p[1] == ' ' ? p[2] : '?';
    for (int field = 2; p && field < 22; field++)
        p = strchr(p + 1, ' ');
    if (state == 'Z' || state == 'X')
        return true;  // dead, only not waited for
    return p && strtoull(p, NULL, 10) != strtoull(slash + 1, NULL, 10);
}

static void find_gone(struct lane_thread *t, struct lane_input *in)
{
    const struct poll_result *p = in->polled.found;
    in->polled.dead = mem_alloc((p->lane_count + 1) * sizeof(int64_t));
    for (size_t i = 0; i < p->lane_count && in->polled.dead; i++) {
        const struct poll_lane *lane = &p->lanes[i];
        if (strcmp(lane->host, t->engine->host) == 0 && strcmp(lane->boot_id, t->engine->boot_id) == 0 &&
            process_gone(lane->process))
            in->polled.dead[in->polled.dead_count++] = lane->lane;
    }
}

// An idle engine writes nothing: only its looks at what others did tell it that the database is away.
static void note_poll(struct lane_thread *t, int rc, const tasker_error *err)
{
    if (rc < 0)
        note_error(t, err);
    if (rc == 0)
        note_reach(t, t->cut_off & ~(unsigned)CUT_OFF_READING, NULL);
    else if (rc == TASKER_E_IO)
        note_reach(t, t->cut_off | CUT_OFF_READING, err);
}

static void poll_others(struct lane_thread *t, const struct action *a)
{
    struct lane_input *in = lane_input_new(IN_POLLED);
    if (!in)
        return;
    lock_store(t);
    if (a->thorough || t->store->ops->changed(t->store)) {
        struct poll_want want;
        tasker_error err = {0};
        in->polled.found = mem_alloc(sizeof(*in->polled.found));
        if (in->polled.found) {
            poll_result_init(in->polled.found);
            lane_poll_want(t->lane, &want);
            in->polled.rc = t->store->ops->poll(t->store, &want, lane_now(t), in->polled.found, &err);
            note_poll(t, in->polled.rc, &err);
        }
    }
    unlock_store(t);
    if (in->polled.found && in->polled.rc == 0)
        find_gone(t, in);
    feed(t, in);
}

// -------------------------------------------------------------------------------------------------------- acting

static void act_give(struct lane_thread *t, struct action *a)
{
    desk_give(t, a->worker, a->handout);
}

static void act_stop(struct lane_thread *t, struct action *a)
{
    desk_stop(t->engine, a->token, a->stale);
}

static void act_event(struct lane_thread *t, struct action *a)
{
    hub_publish(t->engine, a->name, a->blob);
}

static void act_reply(struct lane_thread *t, struct action *a)
{
    ticket_answer(t->engine, a->ticket, a);
}

static void act_load(struct lane_thread *t, struct action *a)
{
    load_task(t, a);
}

static void act_load_offer(struct lane_thread *t, struct action *a)
{
    load_offer(t, a);
}

static void act_holdings(struct lane_thread *t, struct action *a)
{
    read_holdings(t, a);
}

static void act_poll(struct lane_thread *t, struct action *a)
{
    poll_others(t, a);
}

static void act_drained(struct lane_thread *t, struct action *a)
{
    pthread_mutex_lock(&t->engine->lock);
    t->left = a->token;
    t->left_first = a->id;
    t->drains++;
    pthread_cond_broadcast(&t->engine->drained_cond);
    pthread_mutex_unlock(&t->engine->lock);
}

static void act(struct lane_thread *t)
{
    static void (*const acts[ACT_KIND_COUNT])(struct lane_thread *, struct action *) = {
        [ACT_GIVE] = act_give,   [ACT_STOP] = act_stop, [ACT_EVENT] = act_event,           [ACT_REPLY] = act_reply,
        [ACT_LOAD] = act_load,   [ACT_POLL] = act_poll, [ACT_LOAD_OFFER] = act_load_offer, [ACT_DRAINED] = act_drained,
        [ACT_HOLDINGS] = act_holdings,
    };
    struct action a;
    while (lane_next_action(t->lane, &a))
        acts[a.kind](t, &a);
}

// ----------------------------------------------------------------------------------------------------------- loop

static void publish_numbers(struct lane_thread *t)
{
    struct lane_numbers n;
    struct buf overdue;
    char *text = NULL;
    lane_numbers(t->lane, &n);
    if (n.overdue > 0) {
        buf_init(&overdue, 1 << 20);
        lane_overdue(t->lane, &overdue);
        text = buf_take(&overdue, NULL);
    }
    pthread_mutex_lock(&t->engine->lock);
    t->numbers = n;
    mem_free(t->overdue);
    t->overdue = text;
    if (t->engine->turn_waiters > 0)
        pthread_cond_broadcast(&t->engine->turned);
    pthread_mutex_unlock(&t->engine->lock);
}

// False: the engine is to stop.
static bool take_intake(struct lane_thread *t)
{
    struct list taken;
    struct list *node;
    list_init(&taken);
    pthread_mutex_lock(&t->engine->lock);
    while ((node = list_pop(&t->intake)))
        list_push(&taken, node);
    bool go_on = !t->engine->stop, withdraw = t->withdraw;
    t->withdraw = false;
    if (withdraw && go_on)
        __atomic_store_n(&t->store->hurry, HURRY_NOT, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&t->engine->lock);
    while ((node = list_pop(&taken)))
        feed(t, container_of(node, struct lane_input, link));
    if (withdraw)
        door_withdraw(t);
    lane_listeners(t->lane, __atomic_load_n(&t->engine->wanted, __ATOMIC_RELAXED));
    return go_on;
}

// Does the turn write what lanes of other processes wait for?
static bool wakes_others(const struct turn *turn)
{
    static const bool wakes[CH_COUNT] = {
        [CH_OFFER_INSERT] = true,   [CH_OFFER_ANSWER] = true,   [CH_OFFER_RELEASE] = true, [CH_OFFER_CANCEL] = true,
        [CH_REQUEST_INSERT] = true, [CH_REQUEST_ANSWER] = true,
    };
    bool news = turn->kind == TURN_RETIRE || turn->want_count > 0;
    for (size_t i = 0; i < turn->change_count && !news; i++) {
        const struct change *c = &turn->changes[i];
        news = wakes[c->kind] || ((c->kind == CH_ACTIVE_INSERT || c->kind == CH_ACTIVE_UPDATE) && !c->active.own);
    }
    return news;
}

// Since when callers wait for the turn under way, and why, as far as is known.
static void note_waiting(struct lane_thread *t, const struct turn_result *r)
{
    bool over = r && (r->outcome == OUT_COMMITTED || r->outcome == OUT_REFUSED || r->outcome == OUT_FENCED);
    pthread_mutex_lock(&t->engine->lock);
    if (over)
        t->sent_at = 0;
    else if (t->sent_at == 0)
        t->sent_at = clock_monotonic_us();
    if (r)
        t->trouble = over ? (tasker_error){0} : r->error;
    pthread_mutex_unlock(&t->engine->lock);
}

// What became of a turn is settled before it is sent again, and the lane is told that its answers are lost.
static void commit(struct lane_thread *t, const struct turn *turn, struct turn_result *r)
{
    const struct store_ops *ops = t->store->ops;
    tasker_error err = {0};
    note_waiting(t, NULL);
    lock_store(t);
    turn_carry_out(t->store, t->lane, t->last_now, turn, r);
    bool noted = r->outcome != OUT_COMMITTED && r->outcome != OUT_REFUSED;
    if (noted)
        err = r->error;
    int rc = r->outcome == OUT_COMMITTED ? ops->checkpoint(t->store, &err) : 0;
    if (r->outcome == OUT_COMMITTED && wakes_others(turn))
        ops->hint(t->store);
    unlock_store(t);
    bool lost = (r->outcome == OUT_RETRY || r->outcome == OUT_UNKNOWN) && r->error.code != TASKER_E_BUSY;
    note_reach(t, lost ? t->cut_off | CUT_OFF_WRITING : 0, &r->error);
    note_waiting(t, r);
    if (r->outcome == OUT_FENCED && t->store->went_back)
        tell(t->engine, NOTE_DATABASE_WENT_BACK, t->last_now, r->error.message, 0);
    if (noted || rc < 0)
        note_error(t, &err);
}

// A place that this lane gave back may be what another waits for.
static void nudge_others(struct lane_thread *t)
{
    struct engine *e = t->engine;
    if (!lane_freed(t->lane) || e->lane_count == 1)
        return;
    pthread_mutex_lock(&e->lock);
    for (size_t i = 0; i < e->lane_count; i++) {
        struct lane_thread *other = &e->lanes[i];
        if (other == t || (other->sleeping && other->numbers.ready == 0))
            continue;
        other->nudged = true;
        if (other->sleeping)
            pthread_cond_signal(&other->wake);
    }
    pthread_mutex_unlock(&e->lock);
}

// Turns, one after the other, until the lane has nothing to write.
static void run_turns(struct lane_thread *t, struct turn_result *r)
{
    const struct turn *turn;
    bool go_on = take_intake(t);
    while (go_on && (turn = lane_step(t->lane, lane_now(t)))) {
        act(t);
        commit(t, turn, r);
        lane_outcome(t->lane, lane_now(t), r);
        act(t);
        publish_numbers(t);
        nudge_others(t);
        go_on = take_intake(t);
    }
    act(t);
    publish_numbers(t);
    nudge_others(t);
}

// Sleeps until there is input or the lane's deadline. False: the engine is to stop.
static bool rest(struct lane_thread *t)
{
    int64_t deadline = lane_deadline(t->lane), now = lane_now(t);
    int64_t until = deadline == INT64_MAX ? INT64_MAX : clock_monotonic_us() + (deadline > now ? deadline - now : 0);
    struct engine *e = t->engine;
    pthread_mutex_lock(&e->lock);
    t->sleeping = true;
    if (deadline > now)
        while (list_empty(&t->intake) && !t->nudged && !t->withdraw && !e->stop &&
               cond_wait_until(&t->wake, &e->lock, until) == 0)
            continue;
    t->sleeping = t->nudged = false;
    bool go_on = !e->stop;
    pthread_mutex_unlock(&e->lock);
    return go_on;
}

// Nobody will answer those who still wait; the last lane tells them, since the others may still answer some.
static void abandon(struct lane_thread *t)
{
    struct engine *e = t->engine;
    struct list *node;
    struct action a = {.kind = ACT_REPLY};
    err_set(&a.error, TASKER_E_CLOSED, "the engine has stopped");
    pthread_mutex_lock(&e->lock);
    e->stopped = true;
    bool last = ++e->lanes_stopped == e->lane_count;
    pthread_cond_broadcast(&e->turned);
    pthread_cond_broadcast(&e->drained_cond);
    while ((node = list_pop(&t->intake)))
        lane_input_free(container_of(node, struct lane_input, link));
    pthread_mutex_unlock(&e->lock);
    while (last) {
        pthread_mutex_lock(&e->lock);
        struct ticket *ticket = list_empty(&e->tickets) ? NULL : container_of(e->tickets.next, struct ticket, link);
        pthread_mutex_unlock(&e->lock);
        if (!ticket)
            return;
        ticket_answer(e, ticket, &a);
    }
}

void *engine_thread(void *lane_thread)
{
    struct lane_thread *t = lane_thread;
    struct turn_result result;
    turn_result_init(&result);
    do
        run_turns(t, &result);
    while (rest(t));
    turn_result_done(&result);
    abandon(t);
    return NULL;
}
