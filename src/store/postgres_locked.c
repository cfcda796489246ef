// SPDX-License-Identifier: MIT
// postgres_locked.c - which tasks have rows that somebody else has locked: a person in psql, a program that was stopped.
//
// PostgreSQL tells of a lock that was waited for in vain which statement met it, and a statement of a turn writes rows of
// many tasks. So the rows are asked for once more, passing by those that are locked; what is missing in the answer is it.
// That is one statement beside any turn, and only when a turn has failed. It locks what it finds for as long as it takes.
#include "store/postgres.h"

// The task or the step that a change is about; 0: neither, or a new one.
static int64_t task_of(const struct change *c)
{
    if (c->kind == CH_TASK_ROW)
        return c->row.owner_id;
    if (c->kind == CH_TASK_COMPLETE)
        return c->complete.task_id;
    return c->kind == CH_ACTIVE_UPDATE || c->kind == CH_ACTIVE_DELETE ? c->active.task_id : 0;
}

static int64_t step_of(const struct change *c)
{
    if (c->kind == CH_STEP_ROW)
        return c->row.owner_id;
    return c->kind == CH_STEP_UPDATE ? c->step_update.step_id : 0;
}

static void add_ids(struct pipe *q, const struct turn *t, int64_t (*id_of)(const struct change *), int64_t more)
{
    size_t n = more != 0;
    for (size_t i = 0; i < t->change_count; i++)
        n += id_of(&t->changes[i]) != 0;
    pipe_array(q, PG_INT8, n);
    if (more != 0)
        pipe_item_int(q, more);
    for (size_t i = 0; i < t->change_count; i++)
        if (id_of(&t->changes[i]) != 0)
            pipe_item_int(q, id_of(&t->changes[i]));
}

static int describe(int64_t task_id, tasker_error *err)
{
    err_set(err, TASKER_E_BUSY, "rows of task %lld are locked by another session", (long long)task_id);
    err_remedy(err, "tasker health names the session, in stuck_sessions");
    return TASKER_E_BUSY;
}

void postgres_find_locked(struct postgres *p, const struct turn *turn, struct turn_result *ret)
{
    struct pipe q;
    tasker_error ignored;
    pipe_init(&q, p);
    size_t at = pipe_add(&q, PG_LOCKED_TASKS);
    add_ids(&q, turn, task_of, turn->claim_task);
    add_ids(&q, turn, step_of, 0);
    const PGresult *r = pipe_run(&q, "the tasks that are locked", &ignored) == 0 ? pipe_result(&q, at) : NULL;
    size_t n = r ? pg_rows(r) : 0;
    ret->locked = n > 0 ? arena_alloc(&ret->arena, n * sizeof(ret->locked[0])) : NULL;
    for (size_t i = 0; i < n && ret->locked; i++)
        ret->locked[ret->locked_count++] = pg_int_at(r, i, 0);
    if (ret->locked_count > 0)
        describe(ret->locked[0], &ret->error);
    pipe_done(&q);
}

int postgres_task_locked(struct store *base, int64_t task_id, tasker_error *err)
{
    struct pipe q;
    pipe_init(&q, postgres_of(base));
    size_t at = pipe_add(&q, PG_LOCKED_TASKS);
    pipe_array(&q, PG_INT8, 1);
    pipe_item_int(&q, task_id);
    pipe_array(&q, PG_INT8, 0);
    int rc = pipe_run(&q, "whether a task is locked", err);
    if (rc == 0 && pg_rows(pipe_result(&q, at)) > 0) {
        describe(task_id, err);
        rc = 1;
    }
    pipe_done(&q);
    return rc;
}
