// SPDX-License-Identifier: MIT
// engine_door.c - where callers hand in submissions and commands and wait for the commit that decides them. Many callers
// share one commit.
//
// Nobody waits longer than database_timeout for a turn that the database does not take. Who gives up says so, and every
// lane that has something of theirs takes it back, or answers that it may be written (lane_withdraw.c). A lane that is in
// the middle of a try answers after it; beyond TRUTH_US nobody waits for that either.
#include "engine/engine_private.h"

#include <string.h>

// How long a lane is given to say what became of what its caller no longer waits for: it may be in the middle of a try.
#define TRUTH_US (6 * US_PER_SECOND)
#define LOOK_US US_PER_SECOND  // how often a caller looks at what it waits for

static struct waiter *waiter_new(size_t count)
{
    struct waiter *w = mem_alloc(sizeof(*w) + (count + 1) * sizeof(w->tickets[0]));
    if (!w)
        return NULL;
    w->count = count;
    cond_init(&w->cond);
    for (size_t i = 0; i < count; i++)
        list_init(&w->tickets[i].link);
    return w;
}

static void waiter_free(struct waiter *w)
{
    for (size_t i = 0; i < w->count; i++)
        blob_unref(w->tickets[i].blob);
    pthread_cond_destroy(&w->cond);
    mem_free(w);
}

void ticket_answer(struct engine *e, struct ticket *t, const struct action *a)
{
    struct waiter *w = t->waiter;
    pthread_mutex_lock(&e->lock);
    list_remove(&t->link);
    t->done = true;
    t->id = a->id;
    t->blob = a->blob;
    t->error = a->error;
    e->bounded--;
    bool last = --w->left == 0, gone = w->gone;
    if (last && !gone)
        pthread_cond_signal(&w->cond);
    pthread_mutex_unlock(&e->lock);
    if (last && gone)
        waiter_free(w);
}

static int push_ticket(struct engine *e, struct lane_input *in, struct ticket *t, struct waiter *w, tasker_error *err)
{
    struct lane_thread *lane = share_next(e, in);
    pthread_mutex_lock(&e->lock);
    *t = (struct ticket){.waiter = w, .lane = lane, .since = clock_monotonic_us(), .waits = true};
    w->left++;
    list_push(&e->tickets, &t->link);
    pthread_mutex_unlock(&e->lock);
    in->ticket = t;
    int rc = engine_push(lane, in, err);
    if (rc < 0) {
        pthread_mutex_lock(&e->lock);
        list_remove(&t->link);
        t->waits = false;
        w->left--;
        pthread_mutex_unlock(&e->lock);
        lane_input_free(in);
    }
    return rc;
}

// ------------------------------------------------------------------------------------------------------ waiting

// A database that does not take the lane's turn is waited for until then; under lock.
static int64_t patience_ends(const struct engine *e, const struct lane_thread *t, int64_t since)
{
    int64_t from = since > t->sent_at ? since : t->sent_at;
    return t->sent_at == 0 || e->options.database_timeout_us == 0 ? INT64_MAX : from + e->options.database_timeout_us;
}

static bool out_of_patience(const struct engine *e, const struct waiter *w)
{
    int64_t now = clock_monotonic_us();
    for (size_t i = 0; i < w->count; i++) {
        const struct ticket *t = &w->tickets[i];
        if (t->waits && !t->done && patience_ends(e, t->lane, t->since) <= now)
            return true;
    }
    return false;
}

static void give_up(struct engine *e, struct waiter *w)
{
    __atomic_store_n(&w->gives_up, true, __ATOMIC_RELEASE);
    for (size_t i = 0; i < e->lane_count; i++) {
        e->lanes[i].withdraw = true;
        if (!e->stop)
            __atomic_store_n(&e->lanes[i].store->hurry, HURRY_LOCKS, __ATOMIC_RELEASE);
        if (e->lanes[i].sleeping)
            pthread_cond_signal(&e->lanes[i].wake);
    }
}

static int64_t next_look(const struct engine *e)
{
    int64_t limit = e->options.database_timeout_us;
    return clock_monotonic_us() + (limit > 0 && limit < LOOK_US ? limit : LOOK_US);
}

// What the database says, and for how long it was waited for.
static void complain(const struct lane_thread *t, int code, const char *what, tasker_error *ret)
{
    double seconds = (double)t->engine->options.database_timeout_us / (double)US_PER_SECOND;
    bool known = t->trouble.code != 0;
    err_set(ret, code, "the database has not taken it for %g s, and %s: %s", seconds, what,
            known ? t->trouble.message : "it does not answer");
    err_remedy(ret, "%s%stry again", t->trouble.remedy, t->trouble.remedy[0] ? "; then " : "");
}

#define UNWRITTEN "nothing was written"
#define DOUBTFUL "whether it was written is not known"

static bool has_given_up(const void *ticket, const void *who)
{
    const struct ticket *t = ticket;
    (void)who;
    return __atomic_load_n(&t->waiter->gives_up, __ATOMIC_ACQUIRE);
}

void door_withdraw(struct lane_thread *t)
{
    struct lane_regrets why = {0};
    pthread_mutex_lock(&t->engine->lock);
    complain(t, TASKER_E_BUSY, UNWRITTEN, &why.unwritten);
    complain(t, TASKER_E_TIMEOUT, DOUBTFUL, &why.doubtful);
    pthread_mutex_unlock(&t->engine->lock);
    lane_withdraw(t->lane, has_given_up, NULL, &why);
}

// The lane is in the middle of a try that does not end: it answers nobody.
static void leave_in_doubt(struct waiter *w)
{
    for (size_t i = 0; i < w->count; i++) {
        struct ticket *t = &w->tickets[i];
        if (!t->waits || t->done)
            continue;
        complain(t->lane, TASKER_E_TIMEOUT, DOUBTFUL, &t->error);
        err_remedy(&t->error, "look what became of it when the database is back, before you try again");
    }
}

// Waits until all is decided, or for as long as there is patience.
static void await(struct engine *e, struct waiter *w)
{
    int64_t until = INT64_MAX;
    pthread_mutex_lock(&e->lock);
    while (w->left > 0 && clock_monotonic_us() < until) {
        int64_t look = next_look(e);
        (void)cond_wait_until(&w->cond, &e->lock, look < until ? look : until);
        if (w->left == 0 || w->gives_up || !out_of_patience(e, w))
            continue;
        give_up(e, w);
        until = clock_monotonic_us() + TRUTH_US;
    }
    if (w->left > 0)
        leave_in_doubt(w);
    pthread_mutex_unlock(&e->lock);
}

// What was answered is the caller's; what still is to be, is freed by the last answer.
static void leave(struct engine *e, struct waiter *w)
{
    pthread_mutex_lock(&e->lock);
    w->gone = true;
    bool last = w->left == 0;
    pthread_mutex_unlock(&e->lock);
    if (last)
        waiter_free(w);
}

// ------------------------------------------------------------------------------------------------------ entering

static const struct lane_thread *stuck_lane(const struct engine *e, int64_t since)
{
    for (size_t i = 0; i < e->lane_count; i++)
        if (patience_ends(e, &e->lanes[i], since) <= clock_monotonic_us())
            return &e->lanes[i];
    return NULL;
}

// Leaves some room for others; none when the queue is a short one.
static int wait_for_room(struct engine *e, tasker_error *err)
{
    size_t limit = (size_t)e->options.queue_limit, spare = limit / 8 < 16 ? limit / 8 : 16;
    int64_t since = clock_monotonic_us();
    for (;;) {
        pthread_mutex_lock(&e->lock);
        bool full = e->bounded + spare >= limit && !e->stopped;
        const struct lane_thread *stuck = full ? stuck_lane(e, since) : NULL;
        uint64_t seen = engine_turns(e);
        if (stuck)
            complain(stuck, TASKER_E_BUSY, UNWRITTEN, err);
        pthread_mutex_unlock(&e->lock);
        if (stuck)
            return TASKER_E_BUSY;
        if (!full)
            return 0;
        engine_wait_turn(e, &seen, 50);
    }
}

// Queues one submission. When the queue is full and the caller may wait, first waits for those it has queued itself.
static int submit_one(struct engine *e, struct submission *s, struct ticket *t, struct waiter *w, bool wait,
                      tasker_error *err)
{
    int rc = wait ? wait_for_room(e, err) : 0;
    if (rc < 0)
        return rc;
    struct lane_input *in = lane_input_new(IN_SUBMIT);
    if (!in)
        return err_nomem(err);
    in->submit = *s;
    *s = (struct submission){0};
    return push_ticket(e, in, t, w, err);
}

int engine_submit(struct engine *e, struct submission *list, size_t count, bool wait_for_room, int64_t *ret_ids,
                  tasker_error *errors, tasker_error *err)
{
    struct waiter *w = waiter_new(count);
    if (!w) {
        for (size_t i = 0; i < count; i++)
            submission_done(&list[i]);
        return err_nomem(err);
    }
    for (size_t i = 0; i < count; i++) {
        ret_ids[i] = 0;
        errors[i] = (tasker_error){0};
        if (submit_one(e, &list[i], &w->tickets[i], w, wait_for_room, &errors[i]) < 0)
            submission_done(&list[i]);
    }
    await(e, w);
    pthread_mutex_lock(&e->lock);
    for (size_t i = 0; i < count; i++) {
        if (!w->tickets[i].waits)
            continue;
        ret_ids[i] = w->tickets[i].id;
        errors[i] = w->tickets[i].error;
    }
    pthread_mutex_unlock(&e->lock);
    leave(e, w);
    return 0;
}

static struct lane_input *command_input(enum command_kind kind, int64_t task_id, const char *step, struct span results,
                                        const char *reason, const char *by)
{
    struct lane_input *in = lane_input_new(IN_COMMAND);
    if (!in)
        return NULL;
    in->cmd.command = (uint8_t)kind;
    in->cmd.task_id = task_id;
    in->cmd.step = mem_strdup(step);
    in->cmd.reason = mem_strdup(reason);
    in->cmd.by = mem_strdup(by);
    if (results.len)
        in->cmd.results = blob_new(results.p, results.len);
    bool whole = (!step || in->cmd.step) && (!reason || in->cmd.reason) && (!by || in->cmd.by) &&
                 (!results.len || in->cmd.results);
    if (whole)
        return in;
    lane_input_free(in);
    return NULL;
}

int engine_command(struct engine *e, enum command_kind kind, int64_t task_id, const char *step, struct span results,
                   const char *reason, const char *by, struct buf *out, tasker_error *err)
{
    struct lane_input *in = command_input(kind, task_id, step, results, reason, by);
    struct waiter *w = waiter_new(1);
    if (!in || !w) {
        lane_input_free(in);
        if (w)
            waiter_free(w);
        return err_nomem(err);
    }
    struct ticket *t = &w->tickets[0];
    int rc = push_ticket(e, in, t, w, err);
    if (rc == 0) {
        await(e, w);
        pthread_mutex_lock(&e->lock);
        rc = t->error.code;
        if (rc < 0 && err)
            *err = t->error;
        if (rc == 0 && t->blob)
            buf_add(out, t->blob->data, t->blob->size);
        pthread_mutex_unlock(&e->lock);
    }
    leave(e, w);
    return rc;
}
