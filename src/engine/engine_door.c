// SPDX-License-Identifier: MIT
// engine_door.c - where callers hand in submissions and commands and wait for the commit that decides them. Many callers
// share one commit.
#include "engine/engine_private.h"

#include <string.h>

void ticket_answer(struct engine *e, struct ticket *t, const struct action *a)
{
    pthread_mutex_lock(&e->lock);
    list_remove(&t->link);
    t->done = true;
    t->id = a->id;
    t->blob = a->blob;
    t->error = a->error;
    e->bounded--;
    if (--t->waiter->left == 0)
        pthread_cond_signal(&t->waiter->cond);
    pthread_mutex_unlock(&e->lock);
}

static void expect(struct engine *e, struct ticket *t, struct waiter *w)
{
    pthread_mutex_lock(&e->lock);
    t->waiter = w;
    w->left++;
    list_push(&e->tickets, &t->link);
    pthread_mutex_unlock(&e->lock);
}

static void unexpect(struct engine *e, struct ticket *t)
{
    pthread_mutex_lock(&e->lock);
    list_remove(&t->link);
    t->waiter->left--;
    pthread_mutex_unlock(&e->lock);
}

static void await(struct engine *e, struct waiter *w, size_t left)
{
    pthread_mutex_lock(&e->lock);
    while (w->left > left)
        pthread_cond_wait(&w->cond, &e->lock);
    pthread_mutex_unlock(&e->lock);
}

static int push_ticket(struct engine *e, struct lane_input *in, struct ticket *t, struct waiter *w, tasker_error *err)
{
    expect(e, t, w);
    in->ticket = t;
    int rc = engine_push(share_next(e, in), in, err);
    if (rc < 0) {
        unexpect(e, t);
        lane_input_free(in);
    }
    return rc;
}

// Leaves some room for others; none when the queue is a short one.
static void wait_for_room(struct engine *e)
{
    size_t limit = (size_t)e->options.queue_limit, spare = limit / 8 < 16 ? limit / 8 : 16;
    for (;;) {
        pthread_mutex_lock(&e->lock);
        bool full = e->bounded + spare >= limit && !e->stopped;
        uint64_t seen = engine_turns(e);
        pthread_mutex_unlock(&e->lock);
        if (!full)
            return;
        engine_wait_turn(e, &seen, 50);
    }
}

// Queues one submission. When the queue is full and the caller may wait, first waits for those it has queued itself.
static int submit_one(struct engine *e, struct submission *s, struct ticket *t, struct waiter *w, bool wait,
                      tasker_error *err)
{
    if (wait)
        wait_for_room(e);
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
    struct ticket *tickets = mem_alloc((count + 1) * sizeof(*tickets));
    struct waiter w = {.left = 0};
    if (!tickets) {
        for (size_t i = 0; i < count; i++)
            submission_done(&list[i]);
        return err_nomem(err);
    }
    cond_init(&w.cond);
    for (size_t i = 0; i < count; i++) {
        list_init(&tickets[i].link);
        ret_ids[i] = 0;
        errors[i] = (tasker_error){0};
        if (submit_one(e, &list[i], &tickets[i], &w, wait_for_room, &errors[i]) < 0)
            submission_done(&list[i]);
    }
    await(e, &w, 0);
    for (size_t i = 0; i < count; i++) {
        if (!tickets[i].done)
            continue;
        ret_ids[i] = tickets[i].id;
        errors[i] = tickets[i].error;
        blob_unref(tickets[i].blob);
    }
    pthread_cond_destroy(&w.cond);
    mem_free(tickets);
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
    struct ticket t = {0};
    struct waiter w = {.left = 0};
    if (!in)
        return err_nomem(err);
    list_init(&t.link);
    cond_init(&w.cond);
    int rc = push_ticket(e, in, &t, &w, err);
    if (rc == 0) {
        await(e, &w, 0);
        rc = t.error.code;
        if (rc < 0 && err)
            *err = t.error;
        if (rc == 0 && t.blob)
            buf_add(out, t.blob->data, t.blob->size);
        blob_unref(t.blob);
    }
    pthread_cond_destroy(&w.cond);
    return rc;
}
