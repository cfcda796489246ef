// SPDX-License-Identifier: MIT
// operate_import_end.c - see operate_import.h.
//
// Whoever ran the task where it was exported does not run it here. So its steps in progress are taken back as those of a
// process that died: to error and, when they are retryable, on to pending, which uses up no attempt; others stay in error
// for an operator. Then the task goes back to pending as by task.release. All by legal transitions behind those of the
// document, with the reason in them; what the document says stays in the history.
#include "store/operate_import.h"

#include "store/query_seen.h"

#define METADATA_MAX 1024
#define ENGINE "tasker" // what is written is ours, but no engine has written it
#define REASON "was in progress when the task was exported"

// attempt 0: of a task
static void write_metadata(struct buf *out, int32_t attempt, const char *reason)
{
    buf_clear(out);
    jw_open(out, '{');
    if (attempt > 0)
        jw_kint(out, "attempt", attempt);
    jw_kstr(out, "engine", ENGINE);
    jw_kstr(out, "reason", reason);
    if (attempt == 0)
        jw_kbool(out, "released", true);
    jw_close(out, '}');
}

static int take_back(struct inquiry *a, const struct seen_step *s, struct buf *metadata, tasker_error *err)
{
    write_metadata(metadata, s->attempts + 1, REASON);
    if (buf_failed(metadata))
        return err_nomem(err);
    int rc = operate_move(a, MOVES_STEP, s->id, ST_IN_PROGRESS, ST_ERROR, buf_view(metadata), s->state_at, NULL, err);
    if (rc == 0 && s->retryable)
        rc = operate_move(a, MOVES_STEP, s->id, ST_ERROR, ST_PENDING, buf_view(metadata), s->state_at, NULL, err);
    return rc;
}

static int none_in_process(struct inquiry *a, int64_t task_id, tasker_error *err)
{
    CLEANUP(build_done) struct build b;

    build_init(&b, a);
    build_add(&b, "UPDATE tasker_workflow_steps SET in_process = {false} WHERE task_id = ? AND in_process = {true}");
    build_int(&b, task_id);
    return build_run(&b, NULL, err);
}

static int release(struct inquiry *a, const struct seen_task *t, struct buf *metadata, tasker_error *err)
{
    write_metadata(metadata, 0, "imported");
    if (buf_failed(metadata))
        return err_nomem(err);
    return operate_move(a, MOVES_TASK, t->id, ST_IN_PROGRESS, ST_PENDING, buf_view(metadata),
                        t->rows[t->row_count - 1].at, NULL, err);
}

int import_end(struct inquiry *a, int64_t task_id, struct import_end *ret, tasker_error *err)
{
    CLEANUP(buf_done) struct buf metadata;
    struct seen_task t = {0};
    int rc = seen_load(a, task_id, SEEN_STATES, &t, err);

    buf_init(&metadata, METADATA_MAX);
    ret->state = t.state;
    if (rc < 0 || task_state_final(t.state))
        return rc;
    for (size_t i = 0; i < t.step_count && rc == 0; i++) {
        if (t.steps[i].state != ST_IN_PROGRESS)
            continue;
        rc = take_back(a, &t.steps[i], &metadata, err);
        ret->taken_back++;
    }
    if (rc == 0)
        rc = none_in_process(a, task_id, err);
    if (rc == 0 && t.state == ST_IN_PROGRESS)
        rc = release(a, &t, &metadata, err);
    ret->state = ST_PENDING;
    return rc;
}
