// SPDX-License-Identifier: MIT
// engine.c - an engine's life, its templates, and questions to its database. What it does all day is in engine_thread.c.
#include "engine/engine_private.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TEMPLATE_FRESH_US (200 * US_PER_MS)  // how long a name may stand for a template that another process replaced
#define FORCE_DRAIN_MS 2000  // a database that takes longer has trouble; the lease does the rest

// ---------------------------------------------------------------------------------------------------- options

void engine_options_init(struct engine_options *o)
{
    *o = (struct engine_options){.migrate = true,
                                 .lease_us = 10 * US_PER_SECOND,
                                 .start_row_delay_us = 50 * US_PER_MS,
                                 .poll_interval_us = 100 * US_PER_MS,
                                 .max_active_tasks = 4096,
                                 .queue_limit = 8192,
                                 .max_crashes = 5};
}

static void free_limits(struct limit *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        mem_free(list[i].name);
    mem_free(list);
}

void engine_options_done(struct engine_options *o)
{
    mem_free(o->name);
    mem_free(o->environment);
    free_limits(o->class_limits, o->class_limit_count);
    free_limits(o->template_limits, o->template_limit_count);
    *o = (struct engine_options){0};
}

void submission_done(struct submission *s)
{
    template_unref(s->tpl);
    blob_unref(s->context);
    mem_free(s->initiator);
    mem_free(s->source_system);
    mem_free(s->reason);
    mem_free(s->tags);
    mem_free(s->bypass_steps);
    *s = (struct submission){0};
}

// ------------------------------------------------------------------------------------------------------ conditions

void cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

int cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t monotonic_us)
{
    if (monotonic_us == INT64_MAX)
        return pthread_cond_wait(cond, lock);
    struct timespec at = {.tv_sec = monotonic_us / US_PER_SECOND,
                          .tv_nsec = (monotonic_us % US_PER_SECOND) * 1000};
    return pthread_cond_timedwait(cond, lock, &at);
}

// -------------------------------------------------------------------------------------------------- who we are

static void read_line(const char *path, char *out, size_t size)
{
    FILE *f = fopen(path, "re");
    out[0] = '\0';
    if (!f)
        return;
    if (!fgets(out, (int)size, f))
        out[0] = '\0';
    out[strcspn(out, "\n")] = '\0';
    (void)fclose(f);
}

// "pid/start time": a process id alone may belong to another process by now.
static void describe_process(struct engine *e)
{
    char stat[1024];
    unsigned long long start = 0;
    read_line("/proc/self/stat", stat, sizeof(stat));
    const char *p = strrchr(stat, ')');  // the name may hold spaces and parentheses
    for (int field = 2; p && field < 22; field++)
        p = strchr(p + 1, ' ');
    if (p)
        (void)sscanf(p, "%llu", &start);
    (void)snprintf(e->process, sizeof(e->process), "%ld/%llu", (long)getpid(), start);
    (void)gethostname(e->host, sizeof(e->host) - 1);
    read_line("/proc/sys/kernel/random/boot_id", e->boot_id, sizeof(e->boot_id));
}

static int name_engine(struct engine *e)
{
    if (e->options.name)
        return 0;
    char name[300];
    (void)snprintf(name, sizeof(name), "%s:%ld", e->host, (long)e->pid);
    e->options.name = mem_strdup(name);
    return e->options.name ? 0 : TASKER_E_NOMEM;
}

// -------------------------------------------------------------------------------------------------------- opening

static int open_stores(struct engine *e, const char *uri, tasker_error *err)
{
    struct store_options so = {.host = e->host, .boot_id = e->boot_id, .migrate = e->options.migrate};
    int rc = store_open(uri, &so, &e->store, err);
    if (rc < 0)
        return rc;
    if (e->store->shared) {
        e->reader = e->store;
        return 0;
    }
    so.migrate = false;
    return store_open(uri, &so, &e->reader, err);
}

static void init_locks(struct engine *e)
{
    pthread_mutex_t *locks[] = {&e->store_lock, &e->reader_lock, &e->lock, &e->desk_lock, &e->hub_lock,
                                &e->template_lock};
    for (size_t i = 0; i < ARRAY_SIZE(locks); i++)
        pthread_mutex_init(locks[i], NULL);
    cond_init(&e->wake);
    cond_init(&e->turned);
    cond_init(&e->drained_cond);
    list_init(&e->intake);
    list_init(&e->tickets);
    list_init(&e->workers);
    list_init(&e->subscribers);
}

static int start_thread(struct engine *e, tasker_error *err)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);  // signals belong to the host's threads
    int rc = pthread_create(&e->thread, NULL, engine_thread, e);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return rc == 0 ? 0 : err_errno(err, TASKER_E_NOMEM, rc, "cannot start the engine's thread");
}

static void free_templates(struct engine *e)
{
    struct cached_template *c, *ctmp;
    struct current_template *n, *ntmp;
    HASH_ITER(hh, e->templates, c, ctmp)
    {
        HASH_DEL(e->templates, c);
        template_unref(c->tpl);
        mem_free(c);
    }
    HASH_ITER(hh, e->current, n, ntmp)
    {
        HASH_DEL(e->current, n);
        template_unref(n->tpl);
        mem_free(n);
    }
}

static void free_engine(struct engine *e)
{
    desk_done(e);
    hub_done(e);
    lane_free(e->lane);
    free_templates(e);
    if (e->reader != e->store)
        store_close(e->reader);
    store_close(e->store);
    engine_options_done(&e->options);
    mem_free(e->overdue);
    mem_free(e);
}

int engine_open(const char *uri, struct engine_options *options, struct engine **ret, tasker_error *err)
{
    struct engine *e = mem_alloc(sizeof(*e));
    if (!e) {
        engine_options_done(options);
        return err_nomem(err);
    }
    e->options = *options;
    *options = (struct engine_options){0};
    e->pid = getpid();
    init_locks(e);
    describe_process(e);
    int rc = name_engine(e) < 0 ? err_nomem(err) : open_stores(e, uri, err);
    if (rc == 0) {
        struct lane_config config = {.name = e->options.name,
                                     .process = e->process,
                                     .database_id = e->store->ops->database_id(e->store),
                                     .options = &e->options,
                                     .seed = rng_seed_system()};
        e->lane = lane_new(&config);
        rc = e->lane ? start_thread(e, err) : err_nomem(err);
    }
    if (rc < 0) {
        free_engine(e);
        return rc;
    }
    *ret = e;
    return 0;
}

int engine_alive(const struct engine *e, tasker_error *err)
{
    if (e->pid != getpid())
        return err_set(err, TASKER_E_FORKED, "this handle belongs to process %ld; open a new one after fork",
                       (long)e->pid);
    if (__atomic_load_n(&e->closing, __ATOMIC_ACQUIRE))
        return err_set(err, TASKER_E_CLOSED, "the handle is closing");
    return 0;
}

const struct engine_options *engine_options(const struct engine *e)
{
    return &e->options;
}

const char *engine_database_id(const struct engine *e)
{
    return e->store->ops->database_id(e->store);
}

// -------------------------------------------------------------------------------------------------- end of life

static int push_mode(struct engine *e, enum input_kind kind, bool claim, bool force, struct ticket *ticket,
                     tasker_error *err)
{
    struct lane_input *in = lane_input_new(kind);
    if (!in)
        return err_nomem(err);
    in->mode.claim = claim;
    in->mode.force = force;
    in->ticket = ticket;
    int rc = engine_push(e, in, err);
    if (rc < 0)
        lane_input_free(in);
    return rc;
}

int engine_start(struct engine *e, bool claim, tasker_error *err)
{
    return push_mode(e, IN_START, claim, false, NULL, err);
}

// Waits until the lane has retired once more than `before`.
static bool wait_drained(struct engine *e, uint64_t before, int timeout_ms)
{
    int64_t until = clock_monotonic_us() + timeout_ms * US_PER_MS;
    pthread_mutex_lock(&e->lock);
    while (e->drains == before && !e->stopped &&
           cond_wait_until(&e->drained_cond, &e->lock, until) != ETIMEDOUT)
        continue;
    bool done = e->drains != before;
    pthread_mutex_unlock(&e->lock);
    return done;
}

int engine_drain(struct engine *e, int timeout_ms, tasker_error *err)
{
    pthread_mutex_lock(&e->lock);
    uint64_t before = e->drains;
    pthread_mutex_unlock(&e->lock);
    int rc = push_mode(e, IN_DRAIN, false, false, NULL, err);
    if (rc < 0)
        return rc;
    if (wait_drained(e, before, timeout_ms))
        return 0;
    rc = push_mode(e, IN_DRAIN, false, true, NULL, err);
    if (rc < 0)
        return rc;
    if (!wait_drained(e, before, FORCE_DRAIN_MS))
        return err_set(err, TASKER_E_TIMEOUT, "the database does not answer; tasks go on when the lease has passed");
    return 1;
}

void engine_close(struct engine *e)
{
    if (!e || e->pid != getpid())
        return;
    int rc = engine_drain(e, 0, NULL);
    (void)rc;  // a lane that could not retire is taken over when its lease has passed
    __atomic_store_n(&e->closing, true, __ATOMIC_RELEASE);
    pthread_mutex_lock(&e->lock);
    e->stop = true;
    pthread_cond_broadcast(&e->wake);
    pthread_mutex_unlock(&e->lock);
    pthread_join(e->thread, NULL);
    free_engine(e);
}

// ---------------------------------------------------------------------------------------------------- templates

struct store *lock_reader(struct engine *e)
{
    pthread_mutex_lock(e->reader == e->store ? &e->store_lock : &e->reader_lock);
    return e->reader;
}

void unlock_reader(struct engine *e)
{
    pthread_mutex_unlock(e->reader == e->store ? &e->store_lock : &e->reader_lock);
}

static void remember(struct engine *e, struct template *t)
{
    struct cached_template *c = NULL;
    HASH_FIND(hh, e->templates, &t->template_id, sizeof(t->template_id), c);
    if (c || !(c = mem_alloc(sizeof(*c))))
        return;
    c->id = t->template_id;
    c->tpl = template_ref(t);
    HASH_ADD(hh, e->templates, id, sizeof(c->id), c);
    if (HASH_ADDED(hh, c))
        return;
    template_unref(c->tpl);  // it is read again when it is needed
    mem_free(c);
}

static struct template *recall(struct engine *e, int64_t id)
{
    struct cached_template *c = NULL;
    pthread_mutex_lock(&e->template_lock);
    HASH_FIND(hh, e->templates, &id, sizeof(id), c);
    struct template *t = c ? template_ref(c->tpl) : NULL;
    pthread_mutex_unlock(&e->template_lock);
    return t;
}

struct template *template_by_id(struct engine *e, struct store *s, int64_t id, tasker_error *err)
{
    struct template *t = recall(e, id);
    if (t || s->ops->load_template(s, id, NULL, NULL, NULL, &t, err) < 0)
        return t;
    pthread_mutex_lock(&e->template_lock);
    remember(e, t);
    pthread_mutex_unlock(&e->template_lock);
    return t;
}

static void forget_current(struct engine *e)
{
    struct current_template *n, *tmp;
    HASH_ITER(hh, e->current, n, tmp) n->until = 0;
}

int engine_register(struct engine *e, struct template *t, bool replace, tasker_error *err)
{
    struct store *s = lock_reader(e);
    int rc = s->ops->register_template(s, t, replace, clock_real_us(), err);
    unlock_reader(e);
    if (rc < 0)
        return rc;
    pthread_mutex_lock(&e->template_lock);
    remember(e, t);
    forget_current(e);
    pthread_mutex_unlock(&e->template_lock);
    return 0;
}

static struct template *current_find(struct engine *e, const char *key)
{
    struct current_template *n = NULL;
    pthread_mutex_lock(&e->template_lock);
    HASH_FIND_STR(e->current, key, n);
    struct template *t = n && n->until > clock_monotonic_us() ? template_ref(n->tpl) : NULL;
    pthread_mutex_unlock(&e->template_lock);
    return t;
}

static void current_put(struct engine *e, const char *key, struct template *t)
{
    struct current_template *n = NULL;
    pthread_mutex_lock(&e->template_lock);
    remember(e, t);
    HASH_FIND_STR(e->current, key, n);
    if (!n && (n = mem_alloc(sizeof(*n)))) {
        (void)snprintf(n->key, sizeof(n->key), "%s", key);
        HASH_ADD_STR(e->current, key, n);
        if (!HASH_ADDED(hh, n)) {
            mem_free(n);
            n = NULL;
        }
    }
    if (n) {
        template_unref(n->tpl);
        n->tpl = template_ref(t);
        n->until = clock_monotonic_us() + TEMPLATE_FRESH_US;
    }
    pthread_mutex_unlock(&e->template_lock);
}

int engine_template(struct engine *e, const char *namespace_name, const char *name, const char *version,
                    struct template **ret, tasker_error *err)
{
    char key[560];
    (void)snprintf(key, sizeof(key), "%s/%s/%s", namespace_name, name, version);
    struct template *t = current_find(e, key);
    if (!t) {
        struct store *s = lock_reader(e);
        int rc = s->ops->load_template(s, 0, namespace_name, name, version, &t, err);
        unlock_reader(e);
        if (rc < 0)
            return rc;
        struct template *known = recall(e, t->template_id);
        if (known) {  // the same content: running tasks share one
            template_unref(t);
            t = known;
        }
        current_put(e, key, t);
    }
    *ret = t;
    return 0;
}

// ---------------------------------------------------------------------------------------------------- questions

int engine_query(struct engine *e, const char *name, const struct json *arguments, struct buf *out, tasker_error *err)
{
    struct store *s = lock_reader(e);
    int rc = s->ops->query(s, name, arguments, clock_real_us(), out, err);
    unlock_reader(e);
    return rc;
}

int engine_step_result(struct engine *e, int64_t task_id, const char *step, struct blob **ret, tasker_error *err)
{
    struct store *s = lock_reader(e);
    int rc = s->ops->step_result(s, task_id, step, ret, err);
    unlock_reader(e);
    return rc;
}

int engine_migrate(struct engine *e, const struct migrate_options *options, struct buf *out, tasker_error *err)
{
    struct store *s = lock_reader(e);
    int rc = s->ops->migrate(s, options, out, err);
    unlock_reader(e);
    return rc;
}

void engine_status(struct engine *e, struct buf *out)
{
    pthread_mutex_lock(&e->lock);
    const struct lane_numbers *n = &e->numbers;
    jw_open(out, '{');
    jw_kstr(out, "engine", e->options.name);
    jw_kbool(out, "running", n->started);
    jw_kbool(out, "claiming", n->claiming);
    jw_kbool(out, "draining", n->draining);
    jw_kint(out, "lane", n->lane);
    jw_kint(out, "turns", (int64_t)n->turns);
    jw_kint(out, "tasks_in_memory", (int64_t)n->tasks);
    jw_kint(out, "steps_running", (int64_t)n->running);
    jw_kint(out, "steps_offered", (int64_t)n->offered);
    jw_kint(out, "foreign_steps", (int64_t)n->foreign);
    jw_kint(out, "ready", (int64_t)n->ready);
    jw_kint(out, "queue", (int64_t)n->queued);
    jw_kstr(out, "last_error", e->last_error[0] ? e->last_error : NULL);
    jw_ktime(out, "last_error_at", e->last_error_at);
    if (e->overdue)
        jw_kraw(out, "overdue", e->overdue, strlen(e->overdue));
    else
        jw_kraw(out, "overdue", "[]", 2);
    jw_close(out, '}');
    pthread_mutex_unlock(&e->lock);
}

void engine_wait_turn(struct engine *e, uint64_t *seen, int timeout_ms)
{
    int64_t until = timeout_ms < 0 ? INT64_MAX : clock_monotonic_us() + timeout_ms * US_PER_MS;
    pthread_mutex_lock(&e->lock);
    e->turn_waiters++;
    while (e->numbers.turns == *seen && !e->stopped && cond_wait_until(&e->turned, &e->lock, until) != ETIMEDOUT)
        continue;
    e->turn_waiters--;
    *seen = e->numbers.turns;
    pthread_mutex_unlock(&e->lock);
}
