// SPDX-License-Identifier: MIT
// task_operator.c - what a person may do to a task or a step: cancel, retry, resolve by hand. Each function first makes
// sure that it may, then decides like everything else; a refusal changes nothing and says what the state is.
#include "model/task_private.h"

static int refuse(tasker_error *err, const char *what, const char *name, enum state s)
{
    int rc = err_set(err, TASKER_E_STATE, "%s is %s", name, state_names[s]);
    err_remedy(err, "%s is not possible in this state", what);
    return rc;
}

static struct span why(struct decision *d, const char *reason, const char *by)
{
    struct meta m = {.reason = reason, .by = by};
    return meta_text(d, &m);
}

int task_cancel(struct decision *d, struct task *t, const char *reason, const char *by, tasker_error *err)
{
    if (task_move(t->state, SE_CANCEL) == ST_NONE)
        return refuse(err, "cancelling", "the task", t->state);
    struct span text = why(d, reason ? reason : "cancelled by an operator", by);
    for (uint32_t i = 0; i < t->count && !task_state_final(t->state); i++) {
        struct tstep *s = &t->steps[i];
        bool running = s->state == ST_IN_PROGRESS;
        if (step_move(s->state, SE_CANCEL).next == ST_NONE) {
            step_shut(t, s);  // in error: it is not tried again
            continue;
        }
        step_to(d, t, s, SE_CANCEL, text);
        if (running)
            decision_note(d, NOTE_STEP_STOP, t, (int32_t)i, (struct span){NULL, 0});
    }
    task_to(d, t, SE_CANCEL, text);
    task_settle(d, t);
    return 0;
}

// Steps that were waiting for a retry when their task ended wait again.
static void resume_retries(struct decision *d, struct task *t)
{
    for (uint32_t i = 0; i < t->count; i++) {
        struct tstep *s = &t->steps[i];
        if (s->state != ST_ERROR || s->retry_at == 0)
            continue;
        s->wake_at = s->retry_at;
        s->open = true;
        t->open++;
        decision_note(d, NOTE_STEP_BACKOFF, t, (int32_t)i, (struct span){NULL, 0});
    }
}

// Takes a task that ended in error up again.
static void reopen(struct decision *d, struct task *t, struct span text)
{
    if (t->state != ST_ERROR)
        return;
    if (t->deadline)  // as long again as it was given at first
        t->deadline = d->now + (t->deadline - (t->started_at ? t->started_at : t->run_at));
    else if (t->tpl->timeout_us)  // a finished task's own is not kept
        t->deadline = d->now + t->tpl->timeout_us;
    t->started_at = d->now;
    task_to(d, t, SE_RETRY, text);
    task_to(d, t, SE_START, task_start_metadata(d, t));
    resume_retries(d, t);
    if (t->active && t->deadline)
        task_write_active(d, t, true);
}

// A fresh set of attempts for a step in error.
static void renew(struct decision *d, struct task *t, struct tstep *s, struct span text)
{
    step_to(d, t, s, SE_RETRY, text);
    s->attempts = 0;
    s->wake_at = 0;
    step_write(d, s, -1, false, (struct span){NULL, 0});
    if (t->state == ST_IN_PROGRESS && s->waiting == 0)
        step_make_ready(d, t, s);
}

int task_retry(struct decision *d, struct task *t, const char *reason, const char *by, tasker_error *err)
{
    if (t->state != ST_ERROR)
        return refuse(err, "retrying", "the task", t->state);
    bool some = false;
    for (uint32_t i = 0; i < t->count; i++) {
        const struct tstep *s = &t->steps[i];
        some = some || s->state == ST_ERROR || (s->state == ST_PENDING && s->waiting == 0);
    }
    if (!some && t->done < t->count) {
        char text[256];
        task_blocker(t, text, sizeof(text));
        int rc = err_set(err, TASKER_E_STATE, "nothing of the task can be retried: %s", text);
        err_remedy(err, "resolve the task by hand, or submit a new one");
        return rc;
    }
    struct span text = why(d, reason ? reason : "retried by an operator", by);
    reopen(d, t, text);
    for (uint32_t i = 0; i < t->count; i++)
        if (t->steps[i].state == ST_ERROR)
            renew(d, t, &t->steps[i], text);
    task_wake_all(d, t);
    return 0;
}

int task_resolve(struct decision *d, struct task *t, const char *reason, const char *by, tasker_error *err)
{
    if (task_move(t->state, SE_RESOLVE) == ST_NONE)
        return refuse(err, "resolving", "the task", t->state);
    task_to(d, t, SE_RESOLVE, why(d, reason ? reason : "resolved by an operator", by));
    task_settle(d, t);
    return 0;
}

int task_hand_over(struct decision *d, struct task *t, const char *reason, const char *by, tasker_error *err)
{
    if (task_state_final(t->state))
        return refuse(err, "releasing", "the task", t->state);
    for (uint32_t i = 0; i < t->count; i++)
        if (t->steps[i].state == ST_IN_PROGRESS)
            return refuse(err, "releasing", step_name(t, &t->steps[i]), ST_IN_PROGRESS);
    struct meta m = {.reason = reason ? reason : "released by an operator", .by = by, .released = true};
    struct span text = meta_text(d, &m);
    for (uint32_t i = 0; i < t->count; i++) {
        struct tstep *s = &t->steps[i];
        if (s->wake_at != 0)
            step_to(d, t, s, SE_RETRY, text);
        step_shut(t, s);
    }
    if (t->state == ST_IN_PROGRESS)
        task_to(d, t, SE_RELEASE, text);
    task_delete_active(d, t);
    return 0;
}

// A step's task must not have ended for good.
static int check_task(const struct task *t, const char *what, tasker_error *err)
{
    if (t->state == ST_COMPLETE || t->state == ST_CANCELLED || t->state == ST_RESOLVED)
        return refuse(err, what, "the task", t->state);
    return 0;
}

int step_retry(struct decision *d, struct task *t, struct tstep *s, const char *reason, const char *by,
               tasker_error *err)
{
    int rc = check_task(t, "retrying a step", err);
    if (rc)
        return rc;
    if (s->state != ST_ERROR)
        return refuse(err, "retrying", step_name(t, s), s->state);
    struct span text = why(d, reason ? reason : "retried by an operator", by);
    bool waits = s->wake_at != 0;
    reopen(d, t, text);
    if (waits)
        step_make_ready(d, t, s);  // it would be tried anyway: only sooner
    else
        renew(d, t, s, text);
    task_wake_all(d, t);
    return 0;
}

int step_resolve(struct decision *d, struct task *t, struct tstep *s, struct blob *results, const char *reason,
                 const char *by, tasker_error *err)
{
    int rc = check_task(t, "resolving a step", err);
    if (rc)
        return rc;
    if (step_move(s->state, SE_RESOLVE).next == ST_NONE)
        return refuse(err, "resolving", step_name(t, s), s->state);
    struct span text = why(d, reason ? reason : "resolved by an operator", by);
    reopen(d, t, text);
    step_to(d, t, s, SE_RESOLVE, text);
    step_keep_results(s, results);
    (void)decision_hold(d, results);
    step_write(d, s, -1, true, results ? (struct span){results->data, results->size} : (struct span){NULL, 0});
    task_wake_all(d, t);
    return 0;
}

int step_cancel(struct decision *d, struct task *t, struct tstep *s, const char *reason, const char *by,
                tasker_error *err)
{
    int rc = check_task(t, "cancelling a step", err);
    if (rc)
        return rc;
    if (step_move(s->state, SE_CANCEL).next == ST_NONE)
        return refuse(err, "cancelling", step_name(t, s), s->state);
    bool running = s->state == ST_IN_PROGRESS;
    step_to(d, t, s, SE_CANCEL, why(d, reason ? reason : "cancelled by an operator", by));
    if (running)
        decision_note(d, NOTE_STEP_STOP, t, (int32_t)s->index, (struct span){NULL, 0});
    task_finish_if_over(d, t);
    return 0;
}
