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
                                 .thorough_us = US_PER_SECOND,
                                 .database_timeout_us = 30 * US_PER_SECOND,
                                 .lanes = 1,
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
    // Numbers of processes mean something only where they are seen: containers may share the host's name, and no process.
    char space[32];
    size_t used = strlen(e->boot_id);
    ssize_t n = readlink("/proc/self/ns/pid", space, sizeof(space) - 1);
    if (n > 0)
        (void)snprintf(e->boot_id + used, sizeof(e->boot_id) - used, " %.*s", (int)n, space);
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
    struct store_options so = {.host = e->host, .boot_id = e->boot_id, .migrate = e->options.migrate,
                               .any_version = e->options.tables_only, .turns = !e->options.tables_only};
    int rc = store_open(uri, &so, &e->lanes[0].store, err);
    if (rc < 0)
        return rc;
    e->reader = e->options.tables_only ? e->lanes[0].store : NULL;
    if (e->reader)
        return 0;
    so.migrate = false;
    e->lane_count = share_lanes(&e->options, e->lanes[0].store);
    for (size_t i = 1; i < e->lane_count && rc == 0; i++)
        rc = store_open(uri, &so, &e->lanes[i].store, err);
    so.turns = false;
    if (e->lanes[0].store->shared)
        e->reader = e->lanes[0].store;
    else if (rc == 0)
        rc = store_open(uri, &so, &e->reader, err);
    return rc;
}

static void init_locks(struct engine *e)
{
    pthread_mutex_t *locks[] = {&e->store_lock, &e->reader_lock, &e->lock, &e->desk_lock, &e->hub_lock,
                                &e->template_lock};
    for (size_t i = 0; i < ARRAY_SIZE(locks); i++)
        pthread_mutex_init(locks[i], NULL);
    for (size_t i = 0; i < LANES_MAX; i++) {
        cond_init(&e->lanes[i].wake);
        list_init(&e->lanes[i].intake);
    }
    cond_init(&e->turned);
    cond_init(&e->drained_cond);
    list_init(&e->tickets);
    list_init(&e->workers);
    list_init(&e->subscribers);
}

static int start_thread(struct lane_thread *t, tasker_error *err)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);  // signals belong to the host's threads
    int rc = pthread_create(&t->thread, NULL, engine_thread, t);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    t->running = rc == 0;
    return rc == 0 ? 0 : err_errno(err, TASKER_E_NOMEM, rc, "cannot start the engine's thread");
}

static int start_lane(struct engine *e, size_t i, tasker_error *err)
{
    struct lane_thread *t = &e->lanes[i];
    t->engine = e;
    share_options(t, i, e->lane_count);
    struct lane_config config = {.name = e->options.name,
                                 .process = e->process,
                                 .database_id = t->store->ops->database_id(t->store),
                                 .options = &t->share,
                                 .tally = e->tally,
                                 .seed = rng_seed_system()};
    t->lane = lane_new(&config);
    return t->lane ? start_thread(t, err) : err_nomem(err);
}

// Ends the threads; what they could not give back is taken over when the lease has passed.
static void stop_threads(struct engine *e)
{
    pthread_mutex_lock(&e->lock);
    e->stop = true;
    for (size_t i = 0; i < e->lane_count; i++) {
        __atomic_store_n(&e->lanes[i].store->hurry, HURRY_ALL, __ATOMIC_RELEASE);
        pthread_cond_broadcast(&e->lanes[i].wake);
    }
    pthread_mutex_unlock(&e->lock);
    for (size_t i = 0; i < e->lane_count; i++)
        if (e->lanes[i].running)
            pthread_join(e->lanes[i].thread, NULL);
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
    for (size_t i = 0; i < LANES_MAX; i++)
        lane_free(e->lanes[i].lane);
    free_templates(e);
    if (e->reader != e->lanes[0].store)
        store_close(e->reader);
    for (size_t i = 0; i < LANES_MAX; i++) {
        store_close(e->lanes[i].store);
        mem_free(e->lanes[i].overdue);
    }
    tally_free(e->tally);
    engine_options_done(&e->options);
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
    if (rc == 0 && e->lane_count > 1 && !(e->tally = tally_new()))
        rc = err_nomem(err);
    for (size_t i = 0; i < e->lane_count && rc == 0; i++)
        rc = start_lane(e, i, err);
    if (rc < 0) {
        stop_threads(e);
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
    return e->lanes[0].store->ops->database_id(e->lanes[0].store);
}

// -------------------------------------------------------------------------------------------------- end of life

static int push_mode(struct engine *e, enum input_kind kind, bool claim, bool force, tasker_error *err)
{
    int rc = 0;
    for (size_t i = 0; i < e->lane_count && rc == 0; i++) {
        struct lane_input *in = lane_input_new(kind);
        if (!in)
            return err_nomem(err);
        in->mode.claim = claim;
        in->mode.force = force;
        rc = engine_push(&e->lanes[i], in, err);
        if (rc < 0)
            lane_input_free(in);
    }
    return rc;
}

int engine_start(struct engine *e, bool claim, tasker_error *err)
{
    return push_mode(e, IN_START, claim, false, err);
}

static bool all_drained(const struct engine *e, const uint64_t *before)
{
    for (size_t i = 0; i < e->lane_count; i++)
        if (e->lanes[i].drains == before[i])
            return false;
    return true;
}

// Waits until every lane has retired once more than `before`.
static bool wait_drained(struct engine *e, const uint64_t *before, int timeout_ms)
{
    int64_t until = clock_monotonic_us() + timeout_ms * US_PER_MS;
    pthread_mutex_lock(&e->lock);
    while (!all_drained(e, before) && !e->stopped &&
           cond_wait_until(&e->drained_cond, &e->lock, until) != ETIMEDOUT)
        continue;
    bool done = all_drained(e, before);
    pthread_mutex_unlock(&e->lock);
    return done;
}

// `rc`, unless tasks were left behind.
static int tell_left(struct engine *e, int rc, tasker_error *err)
{
    int64_t left = 0, first = 0;
    pthread_mutex_lock(&e->lock);
    for (size_t i = 0; i < e->lane_count; i++) {
        left += e->lanes[i].left;
        first = first ? first : e->lanes[i].left_first;
    }
    pthread_mutex_unlock(&e->lock);
    if (left == 0)
        return rc;
    if (left == 1)
        (void)err_task_locked(first, err);
    else {
        char what[80];
        (void)snprintf(what, sizeof(what), "rows of %lld tasks, %lld among them, are", (long long)left, (long long)first);
        (void)err_locked(what, err);
    }
    err_remedy(err, "everything else was given back; these go on when they are free: tasker health names the session, in stuck_sessions");
    return TASKER_E_BUSY;
}

int engine_drain(struct engine *e, int timeout_ms, tasker_error *err)
{
    uint64_t before[LANES_MAX];
    pthread_mutex_lock(&e->lock);
    for (size_t i = 0; i < e->lane_count; i++)
        before[i] = e->lanes[i].drains;
    pthread_mutex_unlock(&e->lock);
    int rc = push_mode(e, IN_DRAIN, false, false, err);
    if (rc < 0)
        return rc;
    if (wait_drained(e, before, timeout_ms))
        return tell_left(e, 0, err);
    rc = push_mode(e, IN_DRAIN, false, true, err);
    if (rc < 0)
        return rc;
    if (!wait_drained(e, before, FORCE_DRAIN_MS))
        return err_set(err, TASKER_E_TIMEOUT, "the database does not answer; tasks go on when the lease has passed");
    return tell_left(e, 1, err);
}

void engine_close(struct engine *e)
{
    if (!e || e->pid != getpid())
        return;
    int rc = engine_drain(e, 0, NULL);
    (void)rc;  // a lane that could not retire is taken over when its lease has passed
    __atomic_store_n(&e->closing, true, __ATOMIC_RELEASE);
    stop_threads(e);
    free_engine(e);
}

// ---------------------------------------------------------------------------------------------------- templates

struct store *lock_reader(struct engine *e)
{
    pthread_mutex_lock(e->reader->shared ? &e->store_lock : &e->reader_lock);
    return e->reader;
}

void unlock_reader(struct engine *e)
{
    pthread_mutex_unlock(e->reader->shared ? &e->store_lock : &e->reader_lock);
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
    int rc = s->ops->register_template(s, t, replace, s->ops->now(s), err);
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
    int rc = s->ops->query(s, name, arguments, s->ops->now(s), out, err);
    unlock_reader(e);
    return rc;
}

int engine_operate(struct engine *e, const char *name, const struct json *arguments, struct buf *out, tasker_error *err)
{
    struct store *s = lock_reader(e);
    int rc = s->ops->operate(s, name, arguments, s->ops->now(s), out, err);
    unlock_reader(e);
    return rc;
}

const char *engine_name(const struct engine *e)
{
    return e->options.name;
}

void engine_hint(struct engine *e)
{
    struct store *s = lock_reader(e);
    s->ops->hint(s);
    unlock_reader(e);
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

uint64_t engine_turns(const struct engine *e)
{
    uint64_t turns = 0;
    for (size_t i = 0; i < e->lane_count; i++)
        turns += e->lanes[i].numbers.turns;
    return turns;
}

static struct lane_numbers sum_numbers(const struct engine *e)
{
    struct lane_numbers sum = e->lanes[0].numbers;
    for (size_t i = 1; i < e->lane_count; i++) {
        const struct lane_numbers *n = &e->lanes[i].numbers;
        sum.started = sum.started || n->started;
        sum.claiming = sum.claiming || n->claiming;
        sum.draining = sum.draining || n->draining;
        sum.turns += n->turns;
        sum.tasks += n->tasks;
        sum.running += n->running;
        sum.offered += n->offered;
        sum.foreign += n->foreign;
        sum.ready += n->ready;
        sum.queued += n->queued;
        sum.overdue += n->overdue;
    }
    return sum;
}

static void write_overdue(const struct engine *e, struct buf *out)
{
    bool first = true;
    buf_str(out, "[");
    for (size_t i = 0; i < e->lane_count; i++) {
        const char *text = e->lanes[i].overdue;
        size_t len = text ? strlen(text) : 0;
        if (len <= 2)
            continue;
        buf_printf(out, "%s%.*s", first ? "" : ",", (int)len - 2, text + 1);
        first = false;
    }
    buf_str(out, "]");
}

// The lane whose turn waits for the database the longest, NULL: none waits.
static const struct lane_thread *most_patient(const struct engine *e)
{
    const struct lane_thread *found = NULL;
    for (size_t i = 0; i < e->lane_count; i++)
        if (e->lanes[i].sent_at != 0 && (!found || e->lanes[i].sent_at < found->sent_at))
            found = &e->lanes[i];
    return found;
}

static void write_waiting(const struct engine *e, struct buf *out)
{
    const struct lane_thread *t = most_patient(e);
    jw_kint(out, "waiting_ms", t ? (clock_monotonic_us() - t->sent_at) / US_PER_MS : 0);
    jw_kstr(out, "waiting_for", t && t->trouble.code != 0 ? t->trouble.message : NULL);
}

void engine_status(struct engine *e, struct buf *out)
{
    struct buf overdue;
    buf_init(&overdue, 1 << 20);
    pthread_mutex_lock(&e->lock);
    struct lane_numbers n = sum_numbers(e);
    write_overdue(e, &overdue);
    jw_open(out, '{');
    jw_kstr(out, "engine", e->options.name);
    jw_kbool(out, "running", n.started);
    jw_kbool(out, "claiming", n.claiming);
    jw_kbool(out, "draining", n.draining);
    jw_kbool(out, "connected", e->cut_off == 0);
    jw_kint(out, "lane", n.lane);
    jw_key(out, "lanes");
    jw_open(out, '[');
    for (size_t i = 0; i < e->lane_count; i++)
        jw_int(out, e->lanes[i].numbers.lane);
    jw_close(out, ']');
    jw_kint(out, "turns", (int64_t)n.turns);
    jw_kint(out, "tasks_in_memory", (int64_t)n.tasks);
    jw_kint(out, "steps_running", (int64_t)n.running);
    jw_kint(out, "steps_offered", (int64_t)n.offered);
    jw_kint(out, "foreign_steps", (int64_t)n.foreign);
    jw_kint(out, "ready", (int64_t)n.ready);
    jw_kint(out, "queue", (int64_t)n.queued);
    jw_kstr(out, "last_error", e->last_error[0] ? e->last_error : NULL);
    jw_ktime(out, "last_error_at", e->last_error_at);
    write_waiting(e, out);
    struct span list = buf_view(&overdue);
    jw_kraw(out, "overdue", buf_failed(&overdue) ? "[]" : list.p, buf_failed(&overdue) ? 2 : list.len);
    jw_close(out, '}');
    pthread_mutex_unlock(&e->lock);
    buf_done(&overdue);
}

void engine_wait_turn(struct engine *e, uint64_t *seen, int timeout_ms)
{
    int64_t until = timeout_ms < 0 ? INT64_MAX : clock_monotonic_us() + timeout_ms * US_PER_MS;
    pthread_mutex_lock(&e->lock);
    e->turn_waiters++;
    while (engine_turns(e) == *seen && !e->stopped && cond_wait_until(&e->turned, &e->lock, until) != ETIMEDOUT)
        continue;
    e->turn_waiters--;
    *seen = engine_turns(e);
    pthread_mutex_unlock(&e->lock);
}
