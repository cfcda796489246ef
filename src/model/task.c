// SPDX-License-Identifier: MIT
// task.c - the life of a task, from its rows' first insertion to its end: transitions, retries, finalisation. Operators'
// actions are in task_operator.c, making a task from its rows in task_rebuild.c.
//
// Every transition goes through step_to or task_to, which ask the tables of state.h and write the row.
#include "model/task.h"

#include "model/task_private.h"

#include <stdio.h>
#include <string.h>

#define SORT_KEY_STEP 10  // as the Rails engine counts

const char *step_name(const struct task *t, const struct tstep *s)
{
    return t->tpl->steps[s->index].name;
}

// ------------------------------------------------------------------------------------------------- metadata text

// The text of a small JSON object in the decision's arena. The buffer is done afterwards.
static struct span keep(struct decision *d, struct buf *b)
{
    struct span s = {NULL, 0};
    if (!buf_failed(b))
        s.p = arena_dup(&d->arena, b->data ? b->data : "", b->len);
    if (s.p)
        s.len = b->len;
    else
        d->failed = true;
    buf_done(b);
    return s;
}

// What people write may be long, and every row of the turn repeats it: its beginning is kept, ending between characters.
#define WORDS_MAX 2000

static void put_words(struct buf *b, const char *key, const char *text)
{
    if (!text)
        return;
    size_t n = strnlen(text, WORDS_MAX + 1);
    if (n > WORDS_MAX)
        for (n = WORDS_MAX; n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80; n--)
            continue;
    jw_key(b, key);
    jw_strn(b, text, n);
}

struct span meta_text(struct decision *d, const struct meta *m)
{
    struct buf b;
    buf_init(&b, 64 * 1024);
    jw_open(&b, '{');
    if (m->attempt)
        jw_kint(&b, "attempt", m->attempt);
    if (d->engine)
        jw_kstr(&b, "engine", d->engine);
    put_words(&b, "reason", m->reason);
    put_words(&b, "by", m->by);
    if (m->category)
        jw_kstr(&b, "category", m->category);
    if (m->code.len) {
        jw_key(&b, "code");
        jw_strn(&b, m->code.p, m->code.len > 500 ? 500 : m->code.len);
    }
    if (m->message.len) {
        jw_key(&b, "message");
        jw_strn(&b, m->message.p, m->message.len > 500 ? 500 : m->message.len);
    }
    if (m->retry_at)
        jw_kint(&b, "retry_at", m->retry_at);
    if (m->released)
        jw_kbool(&b, "released", true);
    jw_close(&b, '}');
    return keep(d, &b);
}

// -------------------------------------------------------------------------------------------------- rows

// A row of an owner that has one in this very turn replaces it as the current one; an older one is flipped.
static bool supersede(struct decision *d, uint64_t serial, uint32_t change, enum state row_state)
{
    if (row_state == ST_NONE)
        return false;
    if (serial != d->serial)
        return true;
    d->changes[change].row.most_recent = false;
    return false;
}

static void step_row(struct decision *d, struct tstep *s, enum state to, int64_t at, struct span metadata)
{
    bool flip = supersede(d, s->row_serial, s->row_change, s->row_state);
    struct change *c = decision_change(d, CH_STEP_ROW);
    if (!c)
        return;
    s->sort_key += SORT_KEY_STEP;
    c->row.owner_id = s->id;
    c->row.at = at;
    c->row.from = s->row_state == ST_NONE ? ST_PENDING : s->row_state;
    c->row.to = (uint8_t)to;
    c->row.flip = flip;
    c->row.most_recent = true;
    c->row.sort_key = s->sort_key;
    c->row.metadata = metadata;
    s->row_state = (uint8_t)to;
    s->row_at = at;
    s->retry_at = 0;
    s->row_serial = d->serial;
    s->row_change = (uint32_t)(d->change_count - 1);
}

static void task_row(struct decision *d, struct task *t, enum state to, struct span metadata)
{
    bool flip = supersede(d, t->row_serial, t->row_change, t->row_state);
    struct change *c = decision_change(d, CH_TASK_ROW);
    if (!c)
        return;
    t->sort_key += SORT_KEY_STEP;
    c->row.owner_id = t->id;
    c->row.at = d->now;
    c->row.from = t->row_state == ST_NONE ? ST_PENDING : t->row_state;
    c->row.to = (uint8_t)to;
    c->row.flip = flip;
    c->row.most_recent = true;
    c->row.sort_key = t->sort_key;
    c->row.metadata = metadata;
    t->row_state = (uint8_t)to;
    t->row_serial = d->serial;
    t->row_change = (uint32_t)(d->change_count - 1);
}

// The transitions' events, by the state that was reached.
static const uint8_t task_notes[ST_COUNT] = {
    [ST_PENDING] = NOTE_TASK_RETRIED,     [ST_IN_PROGRESS] = NOTE_TASK_STARTED,
    [ST_COMPLETE] = NOTE_TASK_COMPLETED,  [ST_ERROR] = NOTE_TASK_FAILED,
    [ST_CANCELLED] = NOTE_TASK_CANCELLED, [ST_RESOLVED] = NOTE_TASK_RESOLVED,
};
static const uint8_t step_notes[ST_COUNT] = {
    [ST_PENDING] = NOTE_STEP_RETRIED,     [ST_IN_PROGRESS] = NOTE_STEP_STARTED,
    [ST_COMPLETE] = NOTE_STEP_COMPLETED,  [ST_ERROR] = NOTE_STEP_FAILED,
    [ST_CANCELLED] = NOTE_STEP_CANCELLED, [ST_RESOLVED] = NOTE_STEP_RESOLVED,
};

void task_to(struct decision *d, struct task *t, enum state_event event, struct span metadata)
{
    enum state next = task_move(t->state, event);
    if (next == ST_NONE) {
        d->failed = true;  // a bug: the turn must not be sent
        return;
    }
    task_row(d, t, next, metadata);
    t->state = (uint8_t)next;
    decision_note(d, event == SE_RELEASE ? NOTE_TASK_RELEASED : task_notes[next], t, -1, metadata);
    if (next == ST_COMPLETE) {
        struct change *c = decision_change(d, CH_TASK_COMPLETE);
        if (c) {
            c->complete.task_id = t->id;
            c->complete.complete = true;
        }
    }
}

static void set_open(struct task *t, struct tstep *s, bool open)
{
    if (s->open == open)
        return;
    s->open = open;
    t->open += open ? 1 : UINT32_MAX;
}

void step_make_ready(struct decision *d, struct task *t, struct tstep *s)
{
    set_open(t, s, true);
    s->ready = true;
    s->wake_at = 0;
    decision_note(d, NOTE_STEP_READY, t, (int32_t)s->index, (struct span){NULL, 0});
}

void step_shut(struct task *t, struct tstep *s)
{
    s->ready = false;
    s->wake_at = 0;
    set_open(t, s, false);
}

// Parents of a step that is done need not remember their results for it any longer.
static void forget_parents(struct task *t, const struct tstep *s)
{
    const struct template_step *def = &t->tpl->steps[s->index];
    for (uint32_t i = 0; i < def->parent_count; i++) {
        struct tstep *p = &t->steps[def->parents[i]];
        if (p->needed_by > 0 && --p->needed_by == 0) {
            blob_unref(p->results);
            p->results = NULL;
        }
    }
}

static void wake_children(struct decision *d, struct task *t, const struct tstep *s)
{
    const struct template_step *def = &t->tpl->steps[s->index];
    for (uint32_t i = 0; i < def->child_count; i++) {
        struct tstep *c = &t->steps[def->children[i]];
        c->waiting--;
        if (c->waiting == 0 && c->state == ST_PENDING && t->state == ST_IN_PROGRESS)
            step_make_ready(d, t, c);
    }
}

// When the attempt began, as a row tells it: two clocks may differ by as much as an answer was on its way, but no row is
// older than what it follows from, and none is of the future.
static int64_t start_time(const struct decision *d, const struct task *t, const struct tstep *s)
{
    const struct template_step *def = &t->tpl->steps[s->index];
    int64_t from = t->started_at > s->row_at ? t->started_at : s->row_at;
    for (uint32_t i = 0; i < def->parent_count; i++)
        if (t->steps[def->parents[i]].row_at > from)
            from = t->steps[def->parents[i]].row_at;
    int64_t at = s->started_at > from ? s->started_at : from;
    return at < d->now ? at : d->now;
}

// A lazily started step has rows to catch up with before its end can be written.
static void catch_up(struct decision *d, struct task *t, struct tstep *s)
{
    if (s->row_state == ST_IN_PROGRESS)
        return;
    struct meta m = {.attempt = s->attempts + 1};
    struct span text = meta_text(d, &m);
    int64_t at = start_time(d, t, s);
    if (s->row_state == ST_ERROR)
        step_row(d, s, ST_PENDING, at, text);
    step_row(d, s, ST_IN_PROGRESS, at, text);
}

void step_to(struct decision *d, struct task *t, struct tstep *s, enum state_event event, struct span metadata)
{
    struct step_move mv = step_move(s->state, event);
    if (mv.next == ST_NONE) {
        d->failed = true;  // a bug: the turn must not be sent
        return;
    }
    if (s->state == ST_IN_PROGRESS)
        catch_up(d, t, s);
    step_row(d, s, mv.next, d->now, metadata);
    s->state = mv.next;
    if (mv.effects & FX_ATTEMPT)
        s->attempts++;
    if (mv.effects & FX_SHUT)
        step_shut(t, s);
    decision_note(d, step_notes[mv.next], t, (int32_t)s->index, metadata);
    if (mv.effects & FX_DONE) {
        t->done++;
        forget_parents(t, s);
        wake_children(d, t, s);
    }
}

void step_keep_results(struct tstep *s, struct blob *results)
{
    blob_unref(s->results);
    s->results = s->needed_by > 0 ? blob_ref(results) : NULL;
}

void step_write(struct decision *d, struct tstep *s, int32_t backoff, bool set_results, struct span results)
{
    struct change *c = decision_change(d, CH_STEP_UPDATE);
    if (!c)
        return;
    bool done = state_done(s->state);
    c->step_update.step_id = s->id;
    c->step_update.attempts = s->attempts;
    c->step_update.last_attempted_at = s->attempts > 0 ? d->now : 0;
    c->step_update.processed = done;
    c->step_update.processed_at = done ? d->now : 0;
    c->step_update.backoff_seconds = backoff;
    c->step_update.set_results = set_results;
    c->step_update.results = results;
    d->bytes += results.len;
}

static void write_log(struct decision *d, const struct tstep *s, int32_t attempt, enum log_outcome outcome,
                      struct span text)
{
    if (text.len == 0)
        return;
    struct change *c = decision_change(d, CH_LOG_INSERT);
    if (!c)
        return;
    c->log.step_id = s->id;
    c->log.at = d->now;
    c->log.attempt = attempt;
    c->log.outcome = (uint8_t)outcome;
    c->log.text = text;
    d->bytes += text.len;
}

void task_write_active(struct decision *d, struct task *t, bool own)
{
    struct change *c = decision_change(d, CH_ACTIVE_UPDATE);
    if (!c)
        return;
    c->active.task_id = t->id;
    c->active.run_at = t->run_at;
    c->active.deadline = t->deadline;
    c->active.template_id = t->tpl->template_id;
    c->active.crashes = t->crashes;
    c->active.priority = t->priority;
    c->active.suspect = t->suspect;
    c->active.own = own;
}

// Any step that ends by itself shows that the task does not kill its engine.
static void clear_suspicion(struct decision *d, struct task *t)
{
    if (t->crashes == 0 && !t->suspect)
        return;
    t->crashes = 0;
    t->suspect = false;
    if (t->open > 0)  // else the row is deleted in this turn
        task_write_active(d, t, true);
}

// ------------------------------------------------------------------------------------------------- finalisation

// An end of a task: its row in the queue goes with it.
void task_delete_active(struct decision *d, struct task *t)
{
    if (!t->active)
        return;
    struct change *c = decision_change(d, CH_ACTIVE_DELETE);
    if (c)
        c->active.task_id = t->id;
    t->active = false;
}

void task_settle(struct decision *d, struct task *t)
{
    if (task_state_final(t->state))
        task_delete_active(d, t);
}

void task_blocker(const struct task *t, char *out, size_t size)
{
    static const struct {
        enum state state;
        const char *text;
    } kinds[] = {{ST_ERROR, "blocked by failed step"}, {ST_CANCELLED, "blocked by cancelled step"}};
    for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
        for (uint32_t i = 0; i < t->count; i++)
            if (t->steps[i].state == kinds[k].state) {
                (void)snprintf(out, size, "%s %s", kinds[k].text, t->tpl->steps[i].name);
                return;
            }
    (void)snprintf(out, size, "no step can run");
}

void task_finish_if_over(struct decision *d, struct task *t)
{
    if (t->state != ST_IN_PROGRESS || t->open > 0)
        return;
    struct meta m = {0};
    char reason[256];
    if (t->done == t->count) {
        task_to(d, t, SE_SUCCEED, meta_text(d, &m));
    } else {
        task_blocker(t, reason, sizeof(reason));
        m.reason = reason;
        task_to(d, t, SE_FAIL, meta_text(d, &m));
    }
    task_delete_active(d, t);
}

// ----------------------------------------------------------------------------------------------------- creation

static void insert_task(struct decision *d, const struct task *t, const struct task_request *r)
{
    struct change *c = decision_change(d, CH_TASK_INSERT);
    if (!c)
        return;
    c->task.task_id = t->id;
    c->task.requested_at = r->requested_at;
    c->task.named_task_id = t->tpl->named_task_id;
    c->task.initiator = r->initiator;
    c->task.source_system = r->source_system;
    c->task.reason = r->reason;
    c->task.identity = r->identity;
    c->task.bypass_steps = r->bypass_steps;
    c->task.tags = r->tags;
    c->task.context = (struct span){r->context->data, r->context->size};
    d->bytes += r->context->size;
}

static void insert_step(struct decision *d, const struct task *t, const struct tstep *s)
{
    const struct template_step *def = &t->tpl->steps[s->index];
    struct change *c = decision_change(d, CH_STEP_INSERT);
    if (!c)
        return;
    c->step.step_id = s->id;
    c->step.task_id = t->id;
    c->step.named_step_id = t->tpl->named_step_ids[s->index];
    c->step.retry_limit = def->retry_limit;
    c->step.retryable = def->retryable;
    c->step.skippable = def->skippable;
    if (t->context->size <= INPUTS_COPY_MAX) {
        c->step.inputs = (struct span){t->context->data, t->context->size};
        d->bytes += t->context->size;
    }
}

static void insert_edges(struct decision *d, const struct task *t)
{
    for (uint32_t i = 0; i < t->count; i++) {
        const struct template_step *def = &t->tpl->steps[i];
        for (uint32_t k = 0; k < def->parent_count; k++) {
            struct change *c = decision_change(d, CH_EDGE_INSERT);
            if (!c)
                return;
            c->edge.from = t->steps[def->parents[k]].id;
            c->edge.to = t->steps[i].id;
        }
    }
}

static void insert_active(struct decision *d, struct task *t, bool own)
{
    struct change *c = decision_change(d, CH_ACTIVE_INSERT);
    if (!c)
        return;
    c->active.task_id = t->id;
    c->active.run_at = t->run_at;
    c->active.deadline = t->deadline;
    c->active.template_id = t->tpl->template_id;
    c->active.crashes = 0;
    c->active.priority = t->priority;
    c->active.suspect = false;
    c->active.own = own;
    t->active = true;
}

struct task *task_new(struct template *tpl, struct blob *context)
{
    struct task *t = mem_alloc(sizeof(*t) + tpl->step_count * sizeof(t->steps[0]));
    if (!t)
        return NULL;
    t->tpl = template_ref(tpl);
    t->context = blob_ref(context);
    t->count = tpl->step_count;
    t->row_state = ST_NONE;
    for (uint32_t i = 0; i < t->count; i++) {
        struct tstep *s = &t->steps[i];
        s->index = i;
        s->row_state = ST_NONE;
        s->waiting = tpl->steps[i].parent_count;
        s->needed_by = tpl->steps[i].child_count;
        s->retry_limit = tpl->steps[i].retry_limit;
        s->retryable = tpl->steps[i].retryable;
    }
    return t;
}

struct task *task_create(struct decision *d, const struct task_request *r, int64_t task_id, const int64_t *step_ids)
{
    struct task *t = task_new(r->tpl, r->context);
    if (!t) {
        d->failed = true;
        return NULL;
    }
    t->id = task_id;
    t->priority = r->priority;
    t->run_at = r->run_at;
    if (r->timeout_us)  // counted from the moment it may run
        t->deadline = (r->run_at > d->now ? r->run_at : d->now) + r->timeout_us;
    (void)decision_hold(d, t->context);
    insert_task(d, t, r);
    insert_active(d, t, r->own);
    for (uint32_t i = 0; i < t->count; i++) {
        t->steps[i].id = step_ids[i];
        insert_step(d, t, &t->steps[i]);
    }
    insert_edges(d, t);
    decision_note(d, NOTE_TASK_SUBMITTED, t, -1, (struct span){NULL, 0});
    return t;
}

void task_free(struct task *t)
{
    if (!t)
        return;
    for (uint32_t i = 0; i < t->count; i++)
        blob_unref(t->steps[i].results);
    blob_unref(t->context);
    template_unref(t->tpl);
    mem_free(t);
}

void task_start_members(struct buf *b, const struct template *tpl, const char *engine)
{
    jw_kbool(b, "initialization_completed", true);
    jw_kint(b, "step_dependencies_established", tpl->step_count);
    jw_kstr(b, "template", tpl->hash);
    jw_kint(b, "template_id", tpl->template_id);
    if (engine)
        jw_kstr(b, "engine", engine);
}

struct span task_start_metadata(struct decision *d, const struct task *t)
{
    struct buf b;
    buf_init(&b, 4096);
    jw_open(&b, '{');
    task_start_members(&b, t->tpl, d->engine);
    jw_close(&b, '}');
    return keep(d, &b);
}

void task_wake_all(struct decision *d, struct task *t)
{
    if (t->state != ST_IN_PROGRESS)
        return;
    for (uint32_t i = 0; i < t->count; i++)
        if (t->steps[i].state == ST_PENDING && t->steps[i].waiting == 0 && !t->steps[i].ready)
            step_make_ready(d, t, &t->steps[i]);
    task_finish_if_over(d, t);
}

void task_start(struct decision *d, struct task *t)
{
    if (t->state != ST_PENDING)
        return;
    t->started_at = d->now;
    task_to(d, t, SE_START, task_start_metadata(d, t));
    task_wake_all(d, t);
}

// ----------------------------------------------------------------------------------------------------- attempts

bool task_start_written(const struct tstep *s)
{
    return s->row_state == ST_IN_PROGRESS;
}

void task_begin_step(struct decision *d, struct task *t, struct tstep *s, bool eager)
{
    s->ready = false;
    s->wake_at = 0;
    s->state = ST_IN_PROGRESS;
    s->started_at = d->now;
    decision_note(d, NOTE_STEP_STARTED, t, (int32_t)s->index, (struct span){NULL, 0});
    if (eager)
        catch_up(d, t, s);
}

void task_write_start(struct decision *d, struct task *t, struct tstep *s)
{
    if (s->state == ST_IN_PROGRESS)
        catch_up(d, t, s);
}

void task_succeed(struct decision *d, struct task *t, struct tstep *s, struct blob *results, struct span log)
{
    struct meta m = {.attempt = s->attempts + 1};
    step_to(d, t, s, SE_SUCCEED, meta_text(d, &m));
    step_keep_results(s, results);
    (void)decision_hold(d, results);
    step_write(d, s, -1, true, results ? (struct span){results->data, results->size} : (struct span){NULL, 0});
    write_log(d, s, s->attempts, LOG_COMPLETE, log);
    clear_suspicion(d, t);
    task_finish_if_over(d, t);
}

static bool may_retry(const struct task *t, const struct tstep *s, const struct verdict *v)
{
    return v->retryable && s->retryable && t->tpl->steps[s->index].retry.strategy != RS_NONE &&
           s->attempts + 1 < s->retry_limit && t->state == ST_IN_PROGRESS;
}

// The wait before the next attempt. A template that says nothing gets the default policy, which also respects the wait of
// the Rails engine's readiness function, so that both see the step ready at the same time.
static int64_t retry_wait_us(struct decision *d, const struct task *t, const struct tstep *s, const struct verdict *v)
{
    const struct retry_policy *p = &t->tpl->steps[s->index].retry;
    int64_t wait = v->delay >= 0 ? v->delay * US_PER_SECOND : retry_backoff_ms(p, s->attempts + 1, d->rng) * US_PER_MS;
    bool silent = p->strategy == retry_default.strategy && p->base_ms == retry_default.base_ms;
    int64_t floor_us = retry_sql_floor_seconds(s->attempts + 1) * US_PER_SECOND;
    return silent && wait < floor_us ? floor_us : wait;
}

static struct span failure_text(struct decision *d, const struct failure *f, const struct verdict *v, int32_t attempt)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    failure_results(&b, f, v, attempt);
    return keep(d, &b);
}

void task_fail(struct decision *d, struct task *t, struct tstep *s, const struct failure *f)
{
    struct verdict v;
    failure_judge(f, d->now, &v);
    bool again = may_retry(t, s, &v);
    int64_t wait = again ? retry_wait_us(d, t, s, &v) : 0;
    struct meta m = {.attempt = s->attempts + 1,
                     .category = failure_category_names[v.category],
                     .code = v.code,
                     .message = f->message,
                     .retry_at = again ? d->now + wait : 0};
    step_to(d, t, s, SE_FAIL, meta_text(d, &m));
    int32_t backoff = again ? (int32_t)((wait + US_PER_SECOND - 1) / US_PER_SECOND) : -1;
    step_write(d, s, backoff, true, failure_text(d, f, &v, s->attempts));
    write_log(d, s, s->attempts, LOG_ERROR, f->log);
    if (again) {
        set_open(t, s, true);
        s->wake_at = s->retry_at = d->now + wait;
        decision_note(d, NOTE_STEP_BACKOFF, t, (int32_t)s->index, m.retry_at ? meta_text(d, &m) : (struct span){NULL, 0});
    } else if (s->attempts >= s->retry_limit) {
        decision_note(d, NOTE_STEP_EXHAUSTED, t, (int32_t)s->index, (struct span){NULL, 0});
    }
    if (f->cause != CAUSE_WORKER_LOST)
        clear_suspicion(d, t);
    task_finish_if_over(d, t);
}

// in_progress -> error -> pending without using up an attempt: what a lost or returned attempt leaves.
static void take_back(struct decision *d, struct task *t, struct tstep *s, const char *reason)
{
    struct meta m = {.attempt = s->attempts + 1, .reason = reason};
    struct span text = meta_text(d, &m);
    int32_t attempts = s->attempts;
    step_to(d, t, s, SE_FAIL, text);
    s->attempts = attempts;
    step_to(d, t, s, SE_RETRY, text);
    step_make_ready(d, t, s);
}

void task_release(struct decision *d, struct task *t, struct tstep *s)
{
    if (task_start_written(s)) {
        take_back(d, t, s, "released");
        return;
    }
    s->state = s->row_state == ST_NONE ? ST_PENDING : s->row_state;
    step_make_ready(d, t, s);
}

void task_crashed(struct decision *d, struct task *t)
{
    t->crashes++;
    t->suspect = true;
    task_write_active(d, t, true);
}

void task_lose(struct decision *d, struct task *t, struct tstep *s)
{
    if (s->retryable) {
        if (task_start_written(s))
            take_back(d, t, s, "worker_lost");
        else
            task_release(d, t, s);
        return;
    }
    struct failure f = {.cause = CAUSE_WORKER_LOST,
                        .message = SPAN("the process that ran this step died, and the step is not retryable"),
                        .error_class = SPAN("WorkerLost")};
    task_fail(d, t, s, &f);
}

void task_wake(struct decision *d, struct task *t, struct tstep *s)
{
    if (s->state == ST_ERROR && s->wake_at != 0 && t->state == ST_IN_PROGRESS)
        step_make_ready(d, t, s);
}

// ---------------------------------------------------------------------------------------------- ends by force

// Stops everything that runs (as a failure that is not retried) or could run.
static void stop_steps(struct decision *d, struct task *t, enum failure_cause cause, const char *why)
{
    for (uint32_t i = 0; i < t->count; i++) {
        struct tstep *s = &t->steps[i];
        if (s->state != ST_IN_PROGRESS) {
            step_shut(t, s);
            continue;
        }
        struct failure f = {.cause = cause, .message = span_of(why), .permanent = true};
        struct verdict v;
        failure_judge(&f, d->now, &v);
        struct meta m = {.attempt = s->attempts + 1, .reason = why, .category = failure_category_names[v.category]};
        step_to(d, t, s, SE_FAIL, meta_text(d, &m));
        step_write(d, s, -1, true, failure_text(d, &f, &v, s->attempts));
        decision_note(d, NOTE_STEP_STOP, t, (int32_t)i, (struct span){NULL, 0});
    }
}

static void fail_task(struct decision *d, struct task *t, const char *reason)
{
    struct meta m = {.reason = reason};
    task_to(d, t, SE_FAIL, meta_text(d, &m));
    task_delete_active(d, t);
}

void task_expire(struct decision *d, struct task *t)
{
    if (task_state_final(t->state))
        return;
    stop_steps(d, t, CAUSE_TASK_TIMEOUT, "the task's timeout passed");
    fail_task(d, t, "timed out");
}

bool task_set_aside(struct decision *d, struct task *t, int32_t max_crashes)
{
    if (t->crashes <= max_crashes || task_state_final(t->state))
        return false;
    char reason[300];
    const char *running = "?";
    for (uint32_t i = 0; i < t->count; i++)
        if (t->steps[i].state == ST_IN_PROGRESS)
            running = t->tpl->steps[i].name;
    (void)snprintf(reason, sizeof(reason), "set aside after %d crashes while step %s was running", (int)t->crashes,
                   running);
    stop_steps(d, t, CAUSE_WORKER_LOST, reason);
    fail_task(d, t, reason);
    return true;
}
