// SPDX-License-Identifier: MIT
// exec.c - the thread of the exec worker: a libuv loop that takes steps when the worker's
// descriptor is readable, starts a program for each, and passes cancellations on.
//
// The loop ends when exec_stop was called and the last child is gone. No program may outlive the
// thread: the kernel would kill it then, because PR_SET_PDEATHSIG watches the thread that forked.
#include <pthread.h>
#include <signal.h>

#include "worker/exec_child.h"

#define POLL_AGAIN_MS 100 // after tasker_worker_poll failed

static void on_again(uv_timer_t *timer);

static struct child *find_child(struct exec *e, int64_t token)
{
    list_each(pos, &e->children)
    {
        struct child *c = container_of(pos, struct child, link);
        if (c->token == token)
            return c;
    }
    return NULL;
}

static void stop_cancelled(struct exec *e)
{
    int64_t token;

    while (tasker_worker_cancelled(e->worker, &token) == 1) {
        struct child *c = find_child(e, token);
        if (c == NULL)
            continue;
        if (atomic_load(&e->aborting))
            child_kill(c);
        else
            child_stop(c);
    }
}

static void take_steps(struct exec *e)
{
    tasker_step *step;
    int rc;

    stop_cancelled(e);
    while (!e->closed && (rc = tasker_worker_poll(e->worker, 0, &step, NULL)) != 0) {
        if (rc > 0) {
            child_start(e, step);
            continue;
        }
        // The descriptor may stay readable, so it is not watched until the next try.
        uv_poll_stop(&e->ready);
        if (rc != TASKER_E_CLOSED)
            uv_timer_start(&e->again, on_again, POLL_AGAIN_MS, 0);
        return;
    }
}

static void on_ready(uv_poll_t *handle, int status, int events)
{
    (void)status;
    (void)events;
    take_steps(handle->data);
}

static void on_again(uv_timer_t *timer)
{
    struct exec *e = timer->data;

    if (e->closed)
        return;
    uv_poll_start(&e->ready, UV_READABLE, on_ready);
    take_steps(e);
}

static void close_loop_when_done(struct exec *e)
{
    if (!e->closed || !list_empty(&e->children) || uv_is_closing((uv_handle_t *)&e->wake))
        return;
    uv_close((uv_handle_t *)&e->ready, NULL);
    uv_close((uv_handle_t *)&e->wake, NULL);
    uv_close((uv_handle_t *)&e->again, NULL);
}

static void on_wake(uv_async_t *handle)
{
    struct exec *e = handle->data;
    bool abort = atomic_load(&e->aborting), stop = atomic_load(&e->stopping);

    if (stop)
        e->closed = true;
    list_each(pos, &e->children)
    {
        struct child *c = container_of(pos, struct child, link);
        if (abort && (stop || c->stopped))
            child_kill(c);
        else if (stop)
            child_stop(c);
    }
}

static void *run(void *arg)
{
    struct exec *e = arg;

    for (;;) {
        uv_run(&e->loop, UV_RUN_ONCE);
        close_loop_when_done(e);
        if (!uv_loop_alive(&e->loop))
            return NULL;
    }
}

static int start_thread(struct exec *e)
{
    sigset_t all, old;

    // Only SIGCHLD is for this thread; a SIGPIPE of a program that does not read must not end us.
    sigfillset(&all);
    sigdelset(&all, SIGCHLD);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = pthread_create(&e->thread, NULL, run, e);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return -rc;
}

static void discard_loop(struct exec *e)
{
    uv_walk(&e->loop, (uv_walk_cb)uv_close, NULL);
    uv_run(&e->loop, UV_RUN_DEFAULT);
    uv_loop_close(&e->loop);
}

static int init_loop(struct exec *e)
{
    int rc = uv_loop_init(&e->loop);

    if (rc < 0)
        return rc;
    rc = uv_async_init(&e->loop, &e->wake, on_wake);
    if (rc == 0)
        rc = uv_timer_init(&e->loop, &e->again);
    if (rc == 0)
        rc = uv_poll_init(&e->loop, &e->ready, tasker_worker_fd(e->worker));
    e->wake.data = e->again.data = e->ready.data = e;
    if (rc == 0)
        rc = uv_poll_start(&e->ready, UV_READABLE, on_ready);
    if (rc == 0)
        rc = start_thread(e);
    if (rc < 0)
        discard_loop(e);
    return rc;
}

int exec_start(tasker *t, int concurrency, struct exec **ret, tasker_error *err)
{
    static const char *const classes[] = {EXEC_CLASS};
    struct exec *e = mem_alloc(sizeof(*e));

    if (e == NULL)
        return err_nomem(err);
    list_init(&e->children);
    int rc = tasker_worker_open(t, classes, ARRAY_SIZE(classes), concurrency, &e->worker, err);
    if (rc == 0 && (rc = init_loop(e)) < 0) {
        rc = err_set(err, TASKER_E_IO, "the exec worker cannot start: %s", uv_strerror(rc));
        tasker_worker_close(e->worker);
    }
    if (rc < 0) {
        mem_free(e);
        return rc;
    }
    *ret = e;
    return 0;
}

void exec_abort(struct exec *e)
{
    atomic_store(&e->aborting, true);
    uv_async_send(&e->wake);
}

void exec_stop(struct exec *e)
{
    if (e == NULL)
        return;
    atomic_store(&e->stopping, true);
    uv_async_send(&e->wake);
    pthread_join(e->thread, NULL);
    uv_loop_close(&e->loop);
    tasker_worker_close(e->worker);
    mem_free(e);
}
