// SPDX-License-Identifier: MIT
// query_task.c - the questions about one task or step: state, show, log.
//
// A step's results are shown once it is done. Until then the column may hold the failure of its
// last attempt, which is shown as "error".
#include "base/util.h"
#include "model/change.h"
#include "store/query_seen.h"

// ---- pieces of JSON

static void write_rows(struct buf *out, const struct seen_row *rows, size_t count)
{
    jw_key(out, "transitions");
    jw_open(out, '[');
    for (size_t i = 0; i < count; i++) {
        jw_open(out, '{');
        jw_kstr(out, "from", rows[i].from == ST_NONE ? NULL : state_names[rows[i].from]);
        jw_kstr(out, "to", rows[i].to == ST_NONE ? NULL : state_names[rows[i].to]);
        jw_ktime(out, "at", rows[i].at);
        jw_kraw(out, "metadata", rows[i].metadata.p, rows[i].metadata.len);
        jw_close(out, '}');
    }
    jw_close(out, ']');
}

static void write_member(struct buf *out, const char *key, const struct json *object,
                         const char *name)
{
    const struct json *v = json_get(object, name);

    jw_kraw(out, key, v == NULL ? NULL : v->raw.p, v == NULL ? 0 : v->raw.len);
}

void write_failure(struct buf *out, const struct json *failure)
{
    jw_key(out, "error");
    if (failure == NULL) {
        jw_null(out);
        return;
    }
    jw_open(out, '{');
    write_member(out, "message", failure, "error");
    write_member(out, "class", failure, "error_class");
    write_member(out, "category", failure, "category");
    write_member(out, "code", failure, "code");
    write_member(out, "retryable", failure, "retryable");
    write_member(out, "remediation", failure, "remediation");
    jw_close(out, '}');
}

static void write_parents(struct buf *out, const struct seen_task *t, const struct seen_step *s)
{
    jw_key(out, "depends_on");
    jw_open(out, '[');
    for (size_t i = 0; i < s->parent_count; i++) {
        struct span name = t->steps[s->parents[i]].name;
        jw_strn(out, name.p, name.len);
    }
    jw_close(out, ']');
}

// The members of STEP without the braces.
static void write_step(struct buf *out, const struct seen_task *t, const struct seen_step *s)
{
    bool done = state_done(s->state);

    jw_kint(out, "step_id", s->id);
    write_span(out, "name", s->name);
    jw_kstr(out, "state", state_names[s->state]);
    jw_kint(out, "attempts", s->attempts);
    jw_kint(out, "retry_limit", s->retry_limit);
    jw_kbool(out, "retryable", s->retryable);
    write_parents(out, t, s);
    jw_kraw(out, "results", s->results.p, done ? s->results.len : 0);
    write_failure(out, s->failure);
    jw_ktime(out, "started_at", s->started_at);
    jw_ktime(out, "finished_at", s->finished_at);
    jw_ktime(out, "next_retry_at", s->wake_at);
    write_span(out, "handler_class", s->handler_class);
    write_rows(out, s->rows, s->row_count);
}

static void write_head(struct buf *out, const struct seen_task *t)
{
    bool ended = t->finished_at != 0 && t->started_at != 0;

    jw_kint(out, "task_id", t->id);
    write_span(out, "namespace", t->namespace_name);
    write_span(out, "name", t->name);
    write_span(out, "version", t->version);
    jw_kstr(out, "state", state_names[t->state]);
    jw_kstr(out, "priority",
            t->active && t->priority >= 0 && t->priority < PRIO_COUNT ? priority_names[t->priority]
                                                                      : NULL);
    jw_kraw(out, "context", t->context.p, t->context.len);
    write_span(out, "initiator", t->initiator);
    write_span(out, "source_system", t->source_system);
    write_span(out, "reason", t->reason);
    jw_kraw(out, "tags", t->tags.p, t->tags.len);
    jw_kraw(out, "bypass_steps", t->bypass_steps.p, t->bypass_steps.len);
    write_span(out, "identity", t->identity);
    jw_ktime(out, "requested_at", t->requested_at);
    jw_ktime(out, "run_at", t->active ? t->run_at : 0);
    jw_ktime(out, "deadline", t->active ? t->deadline : 0);
    jw_ktime(out, "started_at", t->started_at);
    jw_ktime(out, "finished_at", t->finished_at);
    jw_key(out, "duration_ms");
    if (ended)
        jw_int(out, (t->finished_at - t->started_at) / US_PER_MS);
    else
        jw_null(out);
    jw_kint(out, "crashes", t->crashes);
    write_span(out, "owner", t->owner);
    write_span(out, "error",
               t->state == ST_ERROR ? meta_text_of(t->meta, "reason") : (struct span){NULL, 0});
}

// ---- the questions

int query_task_state(struct inquiry *a, tasker_error *err)
{
    CLEANUP(rows_close) struct rows rows = {0};
    int64_t id = given_int(a, "task_id", 0);
    int rc = ask_by_id(a, "SELECT COALESCE(r.to_state, 'pending') FROM tasker_tasks t"
                            " LEFT JOIN tasker_task_transitions r"
                            " ON r.task_id = t.task_id AND r.most_recent = TRUE WHERE t.task_id = $1",
                            id, &rows, err);

    if (rc == 0)
        rc = rows_next(&rows, err);
    if (rc == 0)
        return err_set(err, TASKER_E_NOT_FOUND, "there is no task %lld", (long long)id);
    if (rc < 0)
        return rc;
    jw_open(a->out, '{');
    jw_kint(a->out, "task_id", id);
    put_text(a, "state", &rows, 0);
    jw_close(a->out, '}');
    return 0;
}

int query_task_show(struct inquiry *a, tasker_error *err)
{
    struct seen_task t;
    int rc = seen_load(a, given_int(a, "task_id", 0), SEEN_RESULTS, &t, err);

    if (rc == 0)
        rc = seen_templates(a, &t, err);
    if (rc < 0)
        return rc;
    jw_open(a->out, '{');
    write_head(a->out, &t);
    jw_key(a->out, "steps");
    jw_open(a->out, '[');
    for (size_t i = 0; i < t.step_count; i++) {
        jw_open(a->out, '{');
        write_step(a->out, &t, &t.steps[i]);
        jw_close(a->out, '}');
    }
    jw_close(a->out, ']');
    write_rows(a->out, t.rows, t.row_count);
    jw_close(a->out, '}');
    return 0;
}

static int find_step(struct inquiry *a, const struct seen_task *t, const struct seen_step **ret,
                     tasker_error *err)
{
    struct span name = given_text(a, "step");

    for (size_t i = 0; i < t->step_count; i++) {
        if (span_eq(t->steps[i].name, name)) {
            *ret = &t->steps[i];
            return 0;
        }
    }
    err_set(err, TASKER_E_NOT_FOUND, "task %lld has no step \"%.*s\"", (long long)t->id,
            (int)name.len, name.len > 0 ? name.p : "");
    err_remedy(err, "tasker task show %lld lists its steps", (long long)t->id);
    return TASKER_E_NOT_FOUND;
}

int query_step_show(struct inquiry *a, tasker_error *err)
{
    struct seen_task t;
    const struct seen_step *s = NULL;
    int rc = seen_load(a, given_int(a, "task_id", 0), SEEN_ALL, &t, err);

    if (rc == 0)
        rc = seen_templates(a, &t, err);
    if (rc == 0)
        rc = find_step(a, &t, &s, err);
    if (rc < 0)
        return rc;
    // Inputs that are not stored are the task's context.
    struct span inputs = s->inputs.p == NULL ? t.context : s->inputs;
    jw_open(a->out, '{');
    jw_kint(a->out, "task_id", t.id);
    write_step(a->out, &t, s);
    jw_kraw(a->out, "inputs", inputs.p, inputs.len);
    write_member(a->out, "backtrace", s->failure, "backtrace");
    jw_close(a->out, '}');
    return 0;
}

static int write_logs(struct inquiry *a, int64_t step_id, tasker_error *err)
{
    CLEANUP(rows_close) struct rows rows = {0};
    const struct value values[] = {{.kind = VALUE_INT, .number = step_id},
                                   {.kind = VALUE_INT, .number = given_int(a, "attempt", 0)}};
    int rc = ask_with(a, "SELECT attempt, outcome, created_at, text FROM tasker_core_logs"
                        " WHERE workflow_step_id = $1 AND ($2 = 0 OR attempt = $2)"
                        " ORDER BY attempt, created_at",
                        values, 2, &rows, err);

    if (rc < 0)
        return rc;
    while ((rc = rows_next(&rows, err)) == 1) {
        jw_open(a->out, '{');
        jw_kint(a->out, "attempt", rows_int(&rows, 0));
        put_text(a, "outcome", &rows, 1);
        put_time(a, "at", &rows, 2);
        put_text(a, "text", &rows, 3);
        jw_close(a->out, '}');
    }
    return rc;
}

int query_step_log(struct inquiry *a, tasker_error *err)
{
    struct seen_task t;
    const struct seen_step *s = NULL;
    int rc = seen_load(a, given_int(a, "task_id", 0), SEEN_STATES, &t, err);

    if (rc == 0)
        rc = find_step(a, &t, &s, err);
    if (rc < 0)
        return rc;
    jw_open(a->out, '{');
    jw_kint(a->out, "task_id", t.id);
    jw_kint(a->out, "step_id", s->id);
    write_span(a->out, "step", s->name);
    jw_key(a->out, "attempts");
    jw_open(a->out, '[');
    rc = write_logs(a, s->id, err);
    jw_close(a->out, ']');
    jw_close(a->out, '}');
    return rc;
}
