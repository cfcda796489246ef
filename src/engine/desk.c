// SPDX-License-Identifier: MIT
// desk.c - the desk where workers of this process take steps and answer them. It only passes things on: the lane decides
// who gets what, and whether an answer counts. The one thing it knows by itself is that a hand-out is stale, so that a
// late answer is refused on the spot.
#include "engine/engine_private.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct engine *handout_engine(const struct handout *h)
{
    return h->worker->engine;
}

// ---------------------------------------------------------------------------------------------------- signalling

static bool has_news(const struct worker *w)
{
    return !list_empty(&w->mailbox) || w->stop_count > 0 || w->closed;
}

// Keeps the descriptor readable exactly while there is something to take.
static void signal_worker(struct worker *w)
{
    bool news = has_news(w);
    if (news && !w->signalled) {
        (void)!write(w->fd, &(uint64_t){1}, sizeof(uint64_t));
        w->signalled = true;
    } else if (!news && w->signalled) {
        (void)!read(w->fd, &(uint64_t){0}, sizeof(uint64_t));
        w->signalled = false;
    }
}

static struct worker *find_worker(struct engine *e, int64_t id)
{
    list_each(node, &e->workers)
    {
        struct worker *w = container_of(node, struct worker, link);
        if (w->id == id)
            return w;
    }
    return NULL;
}

// ------------------------------------------------------------------------------------------- answers to the lane

// Tells the lane what became of a hand-out that no handler has. When the engine has stopped, its successor finds the step.
static void push_back(struct handout *h, enum answer_kind kind)
{
    struct lane_input *in = h->answer;
    h->answer = NULL;
    in->answer.token = h->token;
    in->answer.answer = (uint8_t)kind;
    if (engine_push(h->home, in, NULL) < 0)
        lane_input_free(in);
    handout_free(h);
}

void desk_give(struct lane_thread *t, int64_t worker, struct handout *h)
{
    struct engine *e = t->engine;
    h->home = t;
    pthread_mutex_lock(&e->desk_lock);
    struct worker *w = find_worker(e, worker);
    bool taken = w && !w->closed;
    if (taken) {
        h->worker = w;
        HASH_ADD(hh, e->handouts, token, sizeof(h->token), h);
        taken = HASH_ADDED(hh, h);
    }
    if (taken) {
        list_push(&w->mailbox, &h->link);
        signal_worker(w);
        pthread_cond_signal(&w->ready);
    }
    pthread_mutex_unlock(&e->desk_lock);
    if (taken)
        return;
    push_back(h, ANSWER_RELEASE);
}

static void tell_stop(struct worker *w, int64_t token)
{
    if (mem_grow(&w->stops, &w->stop_cap, w->stop_count + 1, sizeof(w->stops[0])) == 0)
        w->stops[w->stop_count++] = token;
    signal_worker(w);
    pthread_cond_broadcast(&w->ready);
}

void desk_stop(struct engine *e, int64_t token, bool stale)
{
    struct handout *h = NULL, *unpolled = NULL;
    pthread_mutex_lock(&e->desk_lock);
    HASH_FIND(hh, e->handouts, &token, sizeof(token), h);
    if (h) {
        h->stale = h->stale || stale;
        __atomic_store_n(&h->stop, true, __ATOMIC_RELEASE);
        if (h->polled) {
            tell_stop(h->worker, token);
        } else if (h->stale) {  // nobody has begun it: it is back at once
            list_remove(&h->link);
            HASH_DEL(e->handouts, h);
            signal_worker(h->worker);
            unpolled = h;
        }
    }
    pthread_mutex_unlock(&e->desk_lock);
    if (unpolled)
        push_back(unpolled, ANSWER_RETURNED);
}

// --------------------------------------------------------------------------------------------------- workers

static struct lane_input *worker_input(int64_t id, const char *const *classes, size_t count, int concurrency)
{
    struct lane_input *in = lane_input_new(IN_WORKER_OPEN);
    if (!in)
        return NULL;
    in->worker.worker = id;
    in->worker.capacity = concurrency;
    in->worker.classes = mem_alloc((count + 1) * sizeof(char *));
    for (size_t i = 0; i < count && in->worker.classes; i++) {
        bool again = false;
        for (size_t j = 0; j < in->worker.class_count; j++)
            again = again || strcmp(in->worker.classes[j], classes[i]) == 0;
        if (again)
            continue;
        char *name = mem_strdup(classes[i]);
        if (!name) {
            lane_input_free(in);
            return NULL;
        }
        in->worker.classes[in->worker.class_count++] = name;
    }
    if (in->worker.classes)
        return in;
    lane_input_free(in);
    return NULL;
}

// Tells a lane of the worker, and keeps ready what tells it that the worker is gone.
static int introduce(struct worker *w, size_t lane, const char *const *classes, size_t count, int places,
                     tasker_error *err)
{
    struct lane_input *in = worker_input(w->id, classes, count, places);
    struct lane_input *farewell = lane_input_new(IN_WORKER_CLOSE);
    int rc = in && farewell ? engine_push(&w->engine->lanes[lane], in, err) : err_nomem(err);
    if (rc < 0) {
        lane_input_free(in);
        lane_input_free(farewell);
        return rc;
    }
    w->farewells[lane] = farewell;
    return 0;
}

int engine_worker_open(struct engine *e, const char *const *classes, size_t count, int concurrency, struct worker **ret,
                       tasker_error *err)
{
    struct worker *w = mem_alloc(sizeof(*w));
    if (!w)
        return err_nomem(err);
    w->engine = e;
    w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    list_init(&w->mailbox);
    cond_init(&w->ready);
    if (w->fd < 0) {
        int rc = err_errno(err, TASKER_E_IO, errno, "cannot make a descriptor for the worker");
        mem_free(w);
        return rc;
    }
    pthread_mutex_lock(&e->desk_lock);
    w->id = ++e->next_worker;
    list_push(&e->workers, &w->link);
    pthread_mutex_unlock(&e->desk_lock);
    int rc = 0;
    for (size_t i = 0; i < e->lane_count && rc == 0; i++)
        rc = introduce(w, i, classes, count, concurrency, err);
    if (rc < 0) {
        engine_worker_close(w);
        return rc;
    }
    *ret = w;
    return 0;
}

void engine_worker_close(struct worker *w)
{
    struct engine *e = w->engine;
    struct list back;
    struct list *node;
    list_init(&back);
    pthread_mutex_lock(&e->desk_lock);
    bool was_closed = w->closed;
    w->closed = true;
    while ((node = list_pop(&w->mailbox))) {
        struct handout *h = container_of(node, struct handout, link);
        HASH_DEL(e->handouts, h);
        list_push(&back, node);
    }
    signal_worker(w);
    pthread_cond_broadcast(&w->ready);
    pthread_mutex_unlock(&e->desk_lock);
    if (was_closed)
        return;
    for (size_t i = 0; i < e->lane_count; i++) {
        struct lane_input *in = w->farewells[i];
        w->farewells[i] = NULL;
        if (!in)
            continue;
        in->worker.worker = w->id;
        if (engine_push(&e->lanes[i], in, NULL) < 0)
            lane_input_free(in);
    }
    while ((node = list_pop(&back)))
        push_back(container_of(node, struct handout, link), ANSWER_RELEASE);
}

int engine_worker_fd(const struct worker *w)
{
    return w->fd;
}

int engine_worker_poll(struct worker *w, int timeout_ms, struct handout **ret, tasker_error *err)
{
    struct engine *e = w->engine;
    int64_t until = timeout_ms < 0 ? INT64_MAX : clock_monotonic_us() + timeout_ms * US_PER_MS;
    int rc = 0;
    pthread_mutex_lock(&e->desk_lock);
    while (timeout_ms != 0 && list_empty(&w->mailbox) && !w->closed &&
           cond_wait_until(&w->ready, &e->desk_lock, until) != ETIMEDOUT)
        continue;
    struct list *node = list_pop(&w->mailbox);
    if (node) {
        *ret = container_of(node, struct handout, link);
        (*ret)->polled = true;
        signal_worker(w);
        rc = 1;
    } else if (w->closed) {
        rc = TASKER_E_CLOSED;
    }
    pthread_mutex_unlock(&e->desk_lock);
    return rc < 0 ? err_set(err, rc, "the worker is closed") : rc;
}

int engine_worker_stop_next(struct worker *w, int64_t *ret_token)
{
    struct engine *e = w->engine;
    int rc = 0;
    pthread_mutex_lock(&e->desk_lock);
    if (w->stop_count > 0) {
        *ret_token = w->stops[0];
        w->stop_count--;
        memmove(w->stops, w->stops + 1, w->stop_count * sizeof(w->stops[0]));
        signal_worker(w);
        rc = 1;
    }
    pthread_mutex_unlock(&e->desk_lock);
    return rc;
}

// --------------------------------------------------------------------------------------------------- answering

static void forget_stop(struct worker *w, int64_t token)
{
    size_t kept = 0;
    for (size_t i = 0; i < w->stop_count; i++)
        if (w->stops[i] != token)
            w->stops[kept++] = w->stops[i];
    w->stop_count = kept;
    signal_worker(w);
}

// Hands its answer to the lane and frees the hand-out; a stale one's place is only given back.
static int answer(struct handout *h, enum answer_kind kind, tasker_error *err)
{
    struct engine *e = h->worker->engine;
    struct lane_input *in = h->answer;
    h->answer = NULL;
    pthread_mutex_lock(&e->desk_lock);
    bool stale = h->stale;
    HASH_DEL(e->handouts, h);
    if (h->worker->stop_count > 0)
        forget_stop(h->worker, h->token);
    pthread_mutex_unlock(&e->desk_lock);
    in->answer.token = h->token;
    in->answer.answer = (uint8_t)(stale ? ANSWER_RETURNED : kind);
    in->answer.late = stale && kind != ANSWER_RELEASE;
    int rc = engine_push(h->home, in, err);
    if (rc < 0)
        lane_input_free(in);
    if (stale) {
        rc = err_set(err, TASKER_E_STALE, "step %s of task %lld was taken away; its answer is refused",
                     h->tpl->steps[h->step].name, (long long)h->task_id);
        err_remedy(err, "it was cancelled, timed out, or is run by another engine; nothing is to be done");
    }
    handout_free(h);
    return rc;
}

int engine_complete(struct handout *h, struct blob *results, struct span log, tasker_error *err)
{
    h->answer->answer.results = results;
    h->answer->answer.log = log.len ? blob_new(log.p, log.len) : NULL;
    return answer(h, ANSWER_COMPLETE, err);
}

static struct failure_copy *copy_failure(const struct failure *f)
{
    struct failure_copy *c = mem_alloc(sizeof(*c));
    if (!c)
        return NULL;
    arena_init(&c->arena);
    c->f = *f;
    struct span *texts[] = {&c->f.message,  &c->f.error_class, &c->f.backtrace,
                            &c->f.category, &c->f.code,        &c->f.retry_after};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        if (texts[i]->len)
            texts[i]->p = arena_dup(&c->arena, texts[i]->p, texts[i]->len);
    c->f.log = (struct span){NULL, 0};
    if (!c->arena.failed)
        return c;
    arena_done(&c->arena);
    mem_free(c);
    return NULL;
}

int engine_fail(struct handout *h, const struct failure *f, tasker_error *err)
{
    struct failure_copy *copy = copy_failure(f);
    if (!copy)
        return err_nomem(err);
    h->answer->answer.failure = copy;
    h->answer->answer.log = f->log.len ? blob_new(f->log.p, f->log.len) : NULL;
    return answer(h, ANSWER_FAIL, err);
}

int engine_release(struct handout *h, tasker_error *err)
{
    return answer(h, ANSWER_RELEASE, err);
}

int engine_heartbeat(struct handout *h, struct span progress, tasker_error *err)
{
    if (progress.len) {
        struct lane_input *in = lane_input_new(IN_PROGRESS);
        if (!in)
            return err_nomem(err);
        in->progress.token = h->token;
        in->progress.progress = blob_new(progress.p, progress.len);
        int rc = engine_push(h->home, in, err);
        if (rc < 0) {
            lane_input_free(in);
            return rc;
        }
    }
    return __atomic_load_n(&h->stop, __ATOMIC_ACQUIRE) ? 1 : 0;
}

void desk_done(struct engine *e)
{
    struct handout *h, *tmp;
    struct list *node;
    HASH_ITER(hh, e->handouts, h, tmp)
    {
        HASH_DEL(e->handouts, h);
        handout_free(h);
    }
    while ((node = list_pop(&e->workers))) {
        struct worker *w = container_of(node, struct worker, link);
        close(w->fd);
        pthread_cond_destroy(&w->ready);
        mem_free(w->stops);
        for (size_t i = 0; i < LANES_MAX; i++)
            lane_input_free(w->farewells[i]);
        mem_free(w);
    }
}
