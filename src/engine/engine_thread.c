// SPDX-License-Identifier: MIT
// engine_thread.c - the thread that drives a lane: feed it, commit what it decides, do what it says. All decisions are the
// lane's; all I/O of an engine that writes is here.
#include "engine/engine_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int engine_push(struct engine *e, struct lane_input *in, tasker_error *err)
{
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
        list_push(&e->intake, &in->link);
        if (e->sleeping)
            pthread_cond_signal(&e->wake);
    }
    pthread_mutex_unlock(&e->lock);
    return rc;
}

// Time of the database, but never backwards. When that was set back, time goes on from where
// it was, so that nothing that waits has to wait for the difference.
static int64_t lane_now(struct engine *e)
{
    int64_t now = e->store->ops->now(e->store), monotonic = clock_monotonic_us();
    if (now < e->last_now)
        now = e->last_now + (monotonic - e->last_monotonic);
    e->last_now = now;
    e->last_monotonic = monotonic;
    return now;
}

static void note_error(struct engine *e, const tasker_error *error)
{
    pthread_mutex_lock(&e->lock);
    (void)snprintf(e->last_error, sizeof(e->last_error), "%.255s", error->message);
    e->last_error_at = e->last_now;
    pthread_mutex_unlock(&e->lock);
}

static void lock_store(struct engine *e)
{
    if (e->store->shared)
        pthread_mutex_lock(&e->store_lock);
}

static void unlock_store(struct engine *e)
{
    if (e->store->shared)
        pthread_mutex_unlock(&e->store_lock);
}

static void feed(struct engine *e, struct lane_input *in)
{
    if (lane_push(e->lane, in) == 0)
        return;
    struct action a = {.kind = ACT_REPLY};  // commands of other processes may fill the queue too
    err_set(&a.error, TASKER_E_BUSY, "too many submissions and commands wait already");
    err_remedy(&a.error, "try again, or raise queue_limit");
    if (in->ticket)
        ticket_answer(e, in->ticket, &a);
    lane_input_free(in);
}

// ------------------------------------------------------------------------------------------------------ loading

static void load_task(struct engine *e, const struct action *a)
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
    lock_store(e);
    in->loaded.rc = e->store->ops->load_task(e->store, a->id, rows, &err);
    if (in->loaded.rc == 0) {
        in->loaded.tpl = template_by_id(e, e->store, rows->template_id, &err);
        in->loaded.rc = in->loaded.tpl ? 0 : TASKER_E_CONFIG;
    }
    unlock_store(e);
    if (in->loaded.rc < 0)
        note_error(e, &err);
    feed(e, in);
}

static void load_offer(struct engine *e, const struct action *a)
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
    lock_store(e);
    in->offer.rc = e->store->ops->load_offer(e->store, a->id, rows, &err);
    if (in->offer.rc == 0) {
        in->offer.tpl = template_by_id(e, e->store, rows->template_id, &err);
        in->offer.rc = in->offer.tpl ? 0 : TASKER_E_CONFIG;
    }
    unlock_store(e);
    if (in->offer.rc < 0)
        note_error(e, &err);
    feed(e, in);
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
        return true;
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

static void find_gone(struct engine *e, struct lane_input *in)
{
    const struct poll_result *p = in->polled.found;
    in->polled.dead = mem_alloc((p->lane_count + 1) * sizeof(int64_t));
    for (size_t i = 0; i < p->lane_count && in->polled.dead; i++) {
        const struct poll_lane *lane = &p->lanes[i];
        if (strcmp(lane->host, e->host) == 0 && strcmp(lane->boot_id, e->boot_id) == 0 && process_gone(lane->process))
            in->polled.dead[in->polled.dead_count++] = lane->lane;
    }
}

static void poll_others(struct engine *e, const struct action *a)
{
    struct lane_input *in = lane_input_new(IN_POLLED);
    if (!in)
        return;
    lock_store(e);
    if (a->thorough || e->store->ops->changed(e->store)) {
        struct poll_want want;
        tasker_error err = {0};
        in->polled.found = mem_alloc(sizeof(*in->polled.found));
        if (in->polled.found) {
            poll_result_init(in->polled.found);
            lane_poll_want(e->lane, &want);
            in->polled.rc = e->store->ops->poll(e->store, &want, lane_now(e), in->polled.found, &err);
        }
        if (in->polled.rc < 0)
            note_error(e, &err);
    }
    unlock_store(e);
    if (in->polled.found && in->polled.rc == 0)
        find_gone(e, in);
    feed(e, in);
}

// -------------------------------------------------------------------------------------------------------- acting

static void act_give(struct engine *e, struct action *a)
{
    desk_give(e, a->worker, a->handout);
}

static void act_stop(struct engine *e, struct action *a)
{
    desk_stop(e, a->token, a->stale);
}

static void act_event(struct engine *e, struct action *a)
{
    hub_publish(e, a->name, a->blob);
}

static void act_reply(struct engine *e, struct action *a)
{
    ticket_answer(e, a->ticket, a);
}

static void act_load(struct engine *e, struct action *a)
{
    load_task(e, a);
}

static void act_load_offer(struct engine *e, struct action *a)
{
    load_offer(e, a);
}

static void act_poll(struct engine *e, struct action *a)
{
    poll_others(e, a);
}

static void act_drained(struct engine *e, struct action *a)
{
    (void)a;
    pthread_mutex_lock(&e->lock);
    e->drains++;
    pthread_cond_broadcast(&e->drained_cond);
    pthread_mutex_unlock(&e->lock);
}

static void act(struct engine *e)
{
    static void (*const acts[ACT_KIND_COUNT])(struct engine *, struct action *) = {
        [ACT_GIVE] = act_give,   [ACT_STOP] = act_stop, [ACT_EVENT] = act_event,           [ACT_REPLY] = act_reply,
        [ACT_LOAD] = act_load,   [ACT_POLL] = act_poll, [ACT_LOAD_OFFER] = act_load_offer, [ACT_DRAINED] = act_drained,
    };
    struct action a;
    while (lane_next_action(e->lane, &a))
        acts[a.kind](e, &a);
}

// ----------------------------------------------------------------------------------------------------------- loop

static void publish_numbers(struct engine *e)
{
    struct lane_numbers n;
    struct buf overdue;
    char *text = NULL;
    lane_numbers(e->lane, &n);
    if (n.overdue > 0) {
        buf_init(&overdue, 1 << 20);
        lane_overdue(e->lane, &overdue);
        text = buf_take(&overdue, NULL);
    }
    pthread_mutex_lock(&e->lock);
    e->numbers = n;
    mem_free(e->overdue);
    e->overdue = text;
    if (e->turn_waiters > 0)
        pthread_cond_broadcast(&e->turned);
    pthread_mutex_unlock(&e->lock);
}

// False: the engine is to stop.
static bool take_intake(struct engine *e)
{
    struct list taken;
    struct list *node;
    list_init(&taken);
    pthread_mutex_lock(&e->lock);
    while ((node = list_pop(&e->intake)))
        list_push(&taken, node);
    bool go_on = !e->stop;
    pthread_mutex_unlock(&e->lock);
    while ((node = list_pop(&taken)))
        feed(e, container_of(node, struct lane_input, link));
    lane_listeners(e->lane, __atomic_load_n(&e->wanted, __ATOMIC_RELAXED));
    return go_on;
}

// What became of a turn is found out before it is sent again, and the lane is told that its answers are lost.
static void commit(struct engine *e, const struct turn *turn, struct turn_result *r)
{
    tasker_error err = {0};
    lock_store(e);
    if (r->outcome == OUT_UNKNOWN)
        r->outcome = e->store->ops->resolve(e->store, turn);
    else
        r->outcome = OUT_RETRY;
    if (r->outcome == OUT_RETRY)
        e->store->ops->commit(e->store, turn, r);
    if (r->outcome == OUT_UNKNOWN) {
        lane_outcome(e->lane, e->last_now, r);
        r->outcome = e->store->ops->resolve(e->store, turn);
    }
    bool noted = r->outcome != OUT_COMMITTED && r->outcome != OUT_REFUSED;
    if (noted)
        err = r->error;
    int rc = r->outcome == OUT_COMMITTED ? e->store->ops->checkpoint(e->store, &err) : 0;
    unlock_store(e);
    if (noted || rc < 0)
        note_error(e, &err);
}

// Turns, one after the other, until the lane has nothing to write.
static void run_turns(struct engine *e, struct turn_result *r)
{
    const struct turn *turn;
    bool go_on = take_intake(e);
    while (go_on && (turn = lane_step(e->lane, lane_now(e)))) {
        act(e);
        commit(e, turn, r);
        lane_outcome(e->lane, lane_now(e), r);
        act(e);
        publish_numbers(e);
        go_on = take_intake(e);
    }
    act(e);
    publish_numbers(e);
}

// Sleeps until there is input or the lane's deadline. False: the engine is to stop.
static bool rest(struct engine *e)
{
    int64_t deadline = lane_deadline(e->lane), now = lane_now(e);
    int64_t until = deadline == INT64_MAX ? INT64_MAX : clock_monotonic_us() + (deadline > now ? deadline - now : 0);
    pthread_mutex_lock(&e->lock);
    e->sleeping = true;
    if (deadline > now)
        while (list_empty(&e->intake) && !e->stop && cond_wait_until(&e->wake, &e->lock, until) == 0)
            continue;
    e->sleeping = false;
    bool go_on = !e->stop;
    pthread_mutex_unlock(&e->lock);
    return go_on;
}

// Nobody will answer those who still wait.
static void abandon(struct engine *e)
{
    struct list *node;
    struct action a = {.kind = ACT_REPLY};
    err_set(&a.error, TASKER_E_CLOSED, "the engine has stopped");
    pthread_mutex_lock(&e->lock);
    e->stopped = true;
    pthread_cond_broadcast(&e->turned);
    pthread_cond_broadcast(&e->drained_cond);
    while ((node = list_pop(&e->intake)))
        lane_input_free(container_of(node, struct lane_input, link));
    pthread_mutex_unlock(&e->lock);
    for (;;) {
        pthread_mutex_lock(&e->lock);
        struct ticket *t = list_empty(&e->tickets) ? NULL : container_of(e->tickets.next, struct ticket, link);
        pthread_mutex_unlock(&e->lock);
        if (!t)
            return;
        ticket_answer(e, t, &a);
    }
}

void *engine_thread(void *engine)
{
    struct engine *e = engine;
    struct turn_result result;
    turn_result_init(&result);
    do
        run_turns(e, &result);
    while (rest(e));
    turn_result_done(&result);
    abandon(e);
    return NULL;
}
