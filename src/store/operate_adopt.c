// SPDX-License-Identifier: MIT
// operate_adopt.c - task.adopt: a waiting task of the Rails engine becomes ours.
//
// Each task is looked at twice: without a lock, so that one that Rails works on is not even touched, then once more in a
// transaction that holds everything that Rails would have to write for it. The order of the locks is that in which Rails
// takes them when it moves a task: its newest transition first, then (by the new row's reference) the task; then the
// steps, which keeps back whoever moves one of them. What an open transaction of Rails has begun is waited for and then
// seen. With all of that held the task is pending and nothing of it runs, or it is refused; then its next transition is
// written as Rails itself would write it, and its row in our queue. Whoever comes later meets a task in progress.
//
// What the task's shape is stands in its rows and in a template, and both must agree (operate_adopt_steps.c): first the
// template that it was started with when it was ours before, then the current one of its name and version.
#include "store/operate_adopt.h"

#include <string.h>

#include "model/change.h"
#include "model/task.h"

#define BATCH_TASKS 100
#define WINDOW 5000        // ids looked at in one call
#define WORDS_MAX 2000     // characters of reason and by
#define METADATA_MAX 65536
#define WHY_MAX 8192
#define WAIT_MS 10000      // for somebody's lock, when one task is asked for
#define BATCH_WAIT_MS 100  // the same, in a batch

// Why a task is not adopted. A batch passes by those with a name; without one it ends.
#define REFUSALS(X)                                                                                                    \
    X(NONE, NULL)                                                                                                      \
    X(FINISHED, "finished")                                                                                            \
    X(IN_PROGRESS, "in_progress")                                                                                      \
    X(STEP_RUNS, "step_in_progress")                                                                                   \
    X(DIFFERS, "steps_differ")                                                                                         \
    X(BUSY, "busy")                                                                                                    \
    X(CHANGED, "changed")
enum refusal {
#define X(name, text) REFUSED_##name,
    REFUSALS(X)
#undef X
    REFUSAL_COUNT
};
static const char *const refusal_names[REFUSAL_COUNT] = {
#define X(name, text) [REFUSED_##name] = text,
    REFUSALS(X)
#undef X
};

struct adoption {
    struct span engine, reason, by;
    enum priority priority;
    int wait_ms;
    struct template *started, *current; // read last; kept from one task to the next
    // the task at hand
    int64_t id;
    struct seen_task task;
    struct template *tpl; // the one that fits: borrowed from the two
    enum refusal refusal;
    bool adopted;
    size_t made_steps;
};

static void adoption_done(struct adoption *x)
{
    template_unref(x->started);
    template_unref(x->current);
}

// ---- arguments

static int given_priority(const struct inquiry *a, enum priority *ret, tasker_error *err)
{
    struct span given = given_text(a, "priority");

    *ret = PRIO_NORMAL;
    if (given.p == NULL)
        return 0;
    for (unsigned i = 0; i < PRIO_COUNT; i++) {
        if (!span_is(given, priority_names[i]))
            continue;
        *ret = (enum priority)i;
        return 0;
    }
    return refuse(err, TASKER_E_INVALID, "priority", "\"priority\" must be critical, high, normal or low");
}

static int read_arguments(const struct inquiry *a, struct adoption *x, tasker_error *err)
{
    int rc = given_words(a, "reason", WORDS_MAX, false, &x->reason, err);

    if (rc == 0)
        rc = given_words(a, "by", WORDS_MAX, false, &x->by, err);
    if (rc == 0)
        rc = given_priority(a, &x->priority, err);
    x->engine = given_text(a, "engine");
    if (x->engine.p == NULL)
        x->engine = SPAN("tasker"); // a task of ours names some engine
    return rc;
}

// ---- may it be adopted?

static int refuse_state(struct adoption *x, enum refusal why, const char *remedy, tasker_error *err, const char *text)
{
    x->refusal = why;
    err_set(err, TASKER_E_STATE, "task %lld %s", (long long)x->id, text);
    err_remedy(err, "%s", remedy);
    return TASKER_E_STATE;
}

static int judge_state(struct adoption *x, tasker_error *err)
{
    static const char *const ended[ST_COUNT] = {
        [ST_COMPLETE] = "is complete: there is nothing left to do",
        [ST_CANCELLED] = "is cancelled: it stays so",
        [ST_RESOLVED] = "was resolved by hand: there is nothing left to do",
        [ST_ERROR] = "is in error: it has ended in the Rails engine",
    };
    enum state s = x->task.state;

    if (s == ST_PENDING)
        return 0;
    if (s == ST_ERROR)
        return refuse_state(x, REFUSED_FINISHED, "move it to pending there first, then adopt it", err, ended[s]);
    if (s == ST_IN_PROGRESS)
        return refuse_state(x, REFUSED_IN_PROGRESS,
                            "wait until it is pending there; when no Rails worker has it any more, move it to pending "
                            "there first",
                            err, "is in progress: the Rails engine works on it");
    return refuse_state(x, REFUSED_FINISHED, "submit a new one", err, ended[s]);
}

static int judge_steps(struct adoption *x, tasker_error *err)
{
    for (size_t i = 0; i < x->task.step_count; i++) {
        const struct seen_step *s = &x->task.steps[i];
        if (s->state != ST_IN_PROGRESS && !s->in_process)
            continue;
        x->refusal = REFUSED_STEP_RUNS;
        err_set(err, TASKER_E_STATE, "step \"%.*s\" of task %lld is in progress: a Rails worker runs it",
                (int)s->name.len, s->name.p, (long long)x->id);
        err_remedy(err, "wait until it has ended; when no Rails worker has it any more, move it to error there first");
        return TASKER_E_STATE;
    }
    return 0;
}

// look reads the task. 1: it may be adopted, as far as states go; 0: it is ours already.
static int look(struct inquiry *a, struct adoption *x, tasker_error *err)
{
    int rc = seen_load(a, x->id, SEEN_STATES, &x->task, err);

    if (rc < 0 || x->task.active)
        return rc;
    rc = judge_state(x, err);
    if (rc == 0)
        rc = judge_steps(x, err);
    return rc < 0 ? rc : 1;
}

// ---- the template

static int keep_template(struct inquiry *a, int64_t id, struct template **slot, tasker_error *err)
{
    struct template *read = NULL;

    if (*slot != NULL && (*slot)->template_id == id)
        return 0;
    template_unref(*slot);
    *slot = NULL;
    int rc = id != 0 ? a->store->ops->load_template(a->store, id, NULL, NULL, NULL, &read, err) : 0;
    *slot = read;
    return rc == TASKER_E_NOT_FOUND ? 0 : rc; // of another database
}

static int find_current(struct inquiry *a, int64_t task_id, int64_t *ret, tasker_error *err)
{
    CLEANUP(build_done) struct build b;

    build_init(&b, a);
    build_add(&b, "SELECT c.template_id FROM tasker_tasks t JOIN tasker_core_templates c"
                  " ON c.named_task_id = t.named_task_id AND c.current = {true} WHERE t.task_id = ?");
    build_int(&b, task_id);
    return build_one(&b, 0, ret, err);
}

// Outside of any transaction: reading a template takes one of its own.
static int read_templates(struct inquiry *a, struct adoption *x, tasker_error *err)
{
    int64_t current = 0;
    int rc = find_current(a, x->id, &current, err);

    if (rc == 0)
        rc = keep_template(a, current, &x->current, err);
    if (rc == 0)
        rc = keep_template(a, x->task.template_id == current ? 0 : x->task.template_id, &x->started, err);
    if (rc < 0 || x->current != NULL || x->started != NULL)
        return rc;
    err_set(err, TASKER_E_NOT_FOUND, "no template %.*s/%.*s/%.*s is registered", (int)x->task.namespace_name.len,
            x->task.namespace_name.p, (int)x->task.name.len, x->task.name.p, (int)x->task.version.len,
            x->task.version.p);
    err_remedy(err, "register it first: tasker register FILE");
    return TASKER_E_NOT_FOUND;
}

static int choose_template(struct inquiry *a, struct adoption *x, tasker_error *err)
{
    struct template *choice[] = {x->started, x->current};
    CLEANUP(buf_done) struct buf why;
    int rc = 1;

    buf_init(&why, WHY_MAX);
    x->tpl = NULL;
    for (size_t i = 0; i < ARRAY_SIZE(choice) && rc == 1; i++) {
        if (choice[i] == NULL)
            continue;
        buf_clear(&why);
        x->tpl = choice[i];
        rc = adopt_differs(a, &x->task, x->tpl, &why, err);
    }
    if (rc <= 0)
        return rc;
    x->refusal = REFUSED_DIFFERS;
    err_set(err, TASKER_E_CONFLICT, "task %lld is not made as template %s (%lld) says: %s", (long long)x->id, x->tpl->key,
            (long long)x->tpl->template_id, buf_view(&why).p);
    err_remedy(err, "register the template that it was made from (tasker register FILE --replace), or leave it "
                    "to the Rails engine");
    return TASKER_E_CONFLICT;
}

// ---- the transaction

static int lock_one(struct inquiry *a, const char *sql, int64_t id, int64_t *ret, tasker_error *err)
{
    CLEANUP(build_done) struct build b;

    build_init(&b, a);
    build_add(&b, sql);
    build_int(&b, id);
    return build_one(&b, -1, ret, err);
}

static int lock_rows(struct inquiry *a, struct adoption *x, tasker_error *err)
{
    int64_t complete = 0, ignored;
    CLEANUP(build_done) struct build b;
    CLEANUP(rows_close) struct rows r = {0};
    int rc = 0;

    build_init(&b, a);
    if (a->postgres) {
        buf_printf(&b.sql, "SELECT set_config('lock_timeout', '%dms', true)", x->wait_ms);
        rc = build_open(&b, &r, err);
    }
    if (rc == 0)
        rc = lock_one(a, "SELECT id FROM tasker_task_transitions WHERE task_id = ? AND most_recent = {true}{alone}", x->id,
                      &ignored, err);
    if (rc == 0)
        rc = lock_one(a, "SELECT complete FROM tasker_tasks WHERE task_id = ?{alone}", x->id, &complete, err);
    if (rc == 0)
        rc = lock_one(a, "SELECT workflow_step_id FROM tasker_workflow_steps WHERE task_id = ? ORDER BY workflow_step_id"
                         "{alone}", x->id, &ignored, err);
    if (rc == 0 && complete == 1)
        rc = refuse_state(x, REFUSED_FINISHED, "submit a new one", err, "is complete: there is nothing left to do");
    return rc;
}

static int lost_race(struct adoption *x, tasker_error *err)
{
    x->refusal = REFUSED_CHANGED;
    err_set(err, TASKER_E_CONFLICT, "task %lld was changed by somebody else in the same moment", (long long)x->id);
    err_remedy(err, "look at it again: tasker task show %lld", (long long)x->id);
    return TASKER_E_CONFLICT;
}

static void write_words(struct buf *b, const char *key, struct span text)
{
    jw_key(b, key);
    jw_strn(b, text.p, text.len);
}

static int start(struct inquiry *a, struct adoption *x, tasker_error *err)
{
    CLEANUP(buf_done) struct buf meta;
    const char *engine = arena_dup(&a->arena, x->engine.p, x->engine.len);
    int64_t flipped = 0;

    buf_init(&meta, METADATA_MAX);
    jw_open(&meta, '{');
    task_start_members(&meta, x->tpl, engine);
    jw_kbool(&meta, "adopted", true);
    if (x->reason.p != NULL)
        write_words(&meta, "reason", x->reason);
    if (x->by.p != NULL)
        write_words(&meta, "by", x->by);
    jw_close(&meta, '}');
    if (buf_failed(&meta) || engine == NULL)
        return err_nomem(err);
    size_t n = x->task.row_count;
    int rc = operate_move(a, MOVES_TASK, x->id, ST_PENDING, ST_IN_PROGRESS, buf_view(&meta),
                          n > 0 ? x->task.rows[n - 1].at : 0, &flipped, err);
    return rc == 0 && flipped != (n > 0) ? lost_race(x, err) : rc;
}

static int enqueue(struct inquiry *a, const struct adoption *x, tasker_error *err)
{
    CLEANUP(build_done) struct build b;

    build_init(&b, a);
    build_add(&b, "INSERT INTO tasker_core_active(task_id, priority, run_at, lane_id, crashes, suspect, template_id, deadline)"
                  " VALUES (?, ?, ?, NULL, 0, {false}, ?, ");
    build_int(&b, x->id);
    build_int(&b, x->priority);
    build_int(&b, a->now);
    build_int(&b, x->tpl->template_id);
    build_add(&b, x->tpl->timeout_us > 0 ? "?)" : "NULL)");
    if (x->tpl->timeout_us > 0)
        build_int(&b, a->now + x->tpl->timeout_us);
    return build_run(&b, NULL, err);
}

static int take(struct inquiry *a, struct adoption *x, tasker_error *err)
{
    int rc = operate_begin(a, err);

    if (rc == 0)
        rc = lock_rows(a, x, err);
    if (rc == 0)
        rc = look(a, x, err);
    if (rc <= 0)
        return rc;
    rc = choose_template(a, x, err);
    x->made_steps = x->task.step_count == 0 ? x->tpl->step_count : 0;
    if (rc == 0 && x->made_steps > 0)
        rc = adopt_make_steps(a, x->id, x->tpl, err);
    if (rc == 0)
        rc = start(a, x, err);
    if (rc == 0)
        rc = enqueue(a, x, err);
    if (rc == 0)
        rc = operate_commit(a, err);
    x->adopted = rc == 0;
    return rc;
}

// Somebody holds its rows for longer than we wait, or wrote the same row first.
static int explain_loss(const struct inquiry *a, struct adoption *x, int rc, tasker_error *err)
{
    if (rc == TASKER_E_CONFLICT && x->refusal == REFUSED_NONE)
        return lost_race(x, err);
    if (rc != TASKER_E_BUSY || !a->postgres) // SQLite: the file is busy, not the task
        return rc;
    x->refusal = REFUSED_BUSY;
    err_set(err, TASKER_E_BUSY, "rows of task %lld are held by a transaction of somebody else: perhaps the Rails engine "
                                "begins it", (long long)x->id);
    err_remedy(err, "try again in a moment");
    return rc;
}

static int adopt(struct inquiry *a, struct adoption *x, int64_t id, tasker_error *err)
{
    arena_reset(&a->arena); // of the task before
    x->id = id;
    x->tpl = NULL;
    x->refusal = REFUSED_NONE;
    x->adopted = false;
    x->made_steps = 0;
    int rc = a->ops->begin(a, false, err);
    if (rc == 0)
        rc = look(a, x, err);
    a->ops->rollback(a);
    if (rc <= 0)
        return rc;
    rc = read_templates(a, x, err);
    if (rc == 0)
        rc = take(a, x, err);
    a->ops->rollback(a);
    return explain_loss(a, x, rc, err);
}

// ---- one task

static int adopt_one(struct inquiry *a, struct adoption *x, tasker_error *err)
{
    x->wait_ms = WAIT_MS;
    int rc = adopt(a, x, given_int(a, "task_id", 0), err);

    if (rc < 0)
        return rc;
    int64_t template_id = x->adopted ? x->tpl->template_id : x->task.template_id;
    size_t steps = x->task.step_count + x->made_steps;
    jw_open(a->out, '{');
    jw_kint(a->out, "task_id", x->id);
    jw_kstr(a->out, "state", state_names[x->adopted ? ST_IN_PROGRESS : x->task.state]);
    jw_kbool(a->out, "adopted", x->adopted);
    jw_kint(a->out, "template_id", template_id);
    jw_kint(a->out, "steps", (int64_t)steps);
    jw_kint(a->out, "made_steps", (int64_t)x->made_steps);
    jw_close(a->out, '}');
    return 0;
}

// ---- a batch of a template

struct batch {
    int64_t named_task_id, after, end, take; // looks at ids in (after, end]
    int64_t ids[BATCH_TASKS];
    size_t count;
    int64_t last;    // everything up to it was looked at
    int64_t adopted;
    struct {
        int64_t tasks, first;
        char message[512];
    } skipped[REFUSAL_COUNT];
};

static int find_template(struct inquiry *a, struct adoption *x, struct batch *b, tasker_error *err)
{
    static const struct {
        const char *name, *otherwise;
    } parts[] = {{"namespace", "default"}, {"name", NULL}, {"version", "0.1.0"}};
    char *text[3];

    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        struct span given = given_text(a, parts[i].name);
        if (given.p == NULL && parts[i].otherwise == NULL)
            return refuse(err, TASKER_E_INVALID, "task_id", "give \"task_id\", or the \"name\" of a template");
        text[i] = given.p != NULL ? arena_dup(&a->arena, given.p, given.len) : arena_strdup(&a->arena, parts[i].otherwise);
        if (text[i] == NULL)
            return err_nomem(err);
    }
    int rc = a->store->ops->load_template(a->store, 0, text[0], text[1], text[2], &x->current, err);
    if (rc == TASKER_E_NOT_FOUND)
        err_remedy(err, "register it first: tasker register FILE");
    if (rc == 0)
        b->named_task_id = x->current->named_task_id;
    return rc;
}

static int find_end(struct inquiry *a, struct batch *b, tasker_error *err)
{
    CLEANUP(build_done) struct build q;

    build_init(&q, a);
    build_add(&q, "SELECT max(x.task_id) FROM (SELECT task_id FROM tasker_tasks WHERE task_id > ? ORDER BY task_id"
                  " LIMIT ?) x");
    build_int(&q, b->after);
    build_int(&q, WINDOW);
    return build_one(&q, 0, &b->end, err);
}

// Unfinished tasks that are not ours. More than fit are found the next time.
static int find_tasks(struct inquiry *a, struct batch *b, tasker_error *err)
{
    CLEANUP(build_done) struct build q;
    CLEANUP(rows_close) struct rows r = {0};
    int rc;

    build_init(&q, a);
    build_add(&q, "SELECT t.task_id FROM tasker_tasks t LEFT JOIN tasker_task_transitions r ON r.task_id = t.task_id"
                  " AND r.most_recent = {true} WHERE t.task_id > ? AND t.task_id <= ? AND t.named_task_id = ?"
                  " AND t.complete = {false} AND (r.id IS NULL OR r.to_state IN ('pending', 'in_progress'))"
                  " AND NOT EXISTS (SELECT 1 FROM tasker_core_active q WHERE q.task_id = t.task_id)"
                  " ORDER BY t.task_id LIMIT ?");
    build_int(&q, b->after);
    build_int(&q, b->end);
    build_int(&q, b->named_task_id);
    build_int(&q, BATCH_TASKS);
    rc = build_open(&q, &r, err);
    while (rc == 0 && (rc = rows_next(&r, err)) == 1) {
        b->ids[b->count++] = rows_int(&r, 0);
        rc = 0;
    }
    if (b->count == BATCH_TASKS)
        b->end = b->ids[BATCH_TASKS - 1];
    return rc;
}

static void skip(struct batch *b, const struct adoption *x, const tasker_error *why)
{
    if (b->skipped[x->refusal].tasks++ > 0)
        return;
    b->skipped[x->refusal].first = x->id;
    memcpy(b->skipped[x->refusal].message, why->message, sizeof(why->message));
}

static int adopt_tasks(struct inquiry *a, struct adoption *x, struct batch *b, tasker_error *err)
{
    b->last = b->end;
    for (size_t i = 0; i < b->count; i++) {
        tasker_error why = {0};
        if (b->adopted == b->take) {
            b->last = b->ids[i] - 1;
            return 0;
        }
        int rc = adopt(a, x, b->ids[i], &why);
        b->adopted += x->adopted;
        if (rc < 0 && refusal_names[x->refusal] == NULL && rc != TASKER_E_NOT_FOUND) {
            if (err != NULL)
                *err = why;
            return rc;
        }
        if (rc < 0 && refusal_names[x->refusal] != NULL)
            skip(b, x, &why);
    }
    return 0;
}

static void write_batch(struct inquiry *a, const struct batch *b)
{
    jw_open(a->out, '{');
    jw_kint(a->out, "adopted", b->adopted);
    jw_key(a->out, "skipped");
    jw_open(a->out, '[');
    for (size_t i = 0; i < REFUSAL_COUNT; i++) {
        if (b->skipped[i].tasks == 0)
            continue;
        jw_open(a->out, '{');
        jw_kstr(a->out, "reason", refusal_names[i]);
        jw_kint(a->out, "tasks", b->skipped[i].tasks);
        jw_kint(a->out, "task_id", b->skipped[i].first);
        jw_kstr(a->out, "message", b->skipped[i].message);
        jw_close(a->out, '}');
    }
    jw_close(a->out, ']');
    if (b->end > 0)
        jw_kint(a->out, "next", b->last);
    else
        jw_kraw(a->out, "next", NULL, 0);
    jw_close(a->out, '}');
}

static int adopt_batch(struct inquiry *a, struct adoption *x, tasker_error *err)
{
    struct batch b = {.after = given_int(a, "after", 0), .take = given_int(a, "take", BATCH_TASKS)};
    int rc = find_template(a, x, &b, err);

    x->wait_ms = BATCH_WAIT_MS;
    if (rc == 0)
        rc = a->ops->begin(a, false, err);
    if (rc < 0)
        return rc;
    rc = find_end(a, &b, err);
    if (rc == 0 && b.end > 0)
        rc = find_tasks(a, &b, err);
    a->ops->rollback(a);
    if (rc == 0)
        rc = adopt_tasks(a, x, &b, err);
    if (rc == 0)
        write_batch(a, &b);
    return rc;
}

int operate_task_adopt(struct inquiry *a, tasker_error *err)
{
    struct adoption x = {0};
    int rc = read_arguments(a, &x, err);

    if (rc == 0)
        rc = json_get(a->args, "task_id") != NULL ? adopt_one(a, &x, err) : adopt_batch(a, &x, err);
    adoption_done(&x);
    return rc;
}
