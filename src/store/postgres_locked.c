// SPDX-License-Identifier: MIT
// postgres_locked.c - which tasks have rows that somebody else has locked: a person in psql, a program that was stopped.
//
// PostgreSQL tells of a lock that was waited for in vain which statement met it, and a statement of a turn writes rows of
// many tasks. So the rows are asked for once more, passing by those that are locked; what is missing in the answer is it.
// That is done beside any turn, and only when a turn has failed. It locks what it finds for as long as it takes.
//
// A new task has no rows yet, but points at a named task and at named steps: whoever has one of these FOR UPDATE, deletes it
// or changes a key of it keeps the new task out. Namespaces and systems are pointed at by the catalogue alone.
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

static int64_t named_task_of(const struct change *c)
{
    return c->kind == CH_TASK_INSERT ? c->task.named_task_id : 0;
}

static int64_t named_step_of(const struct change *c)
{
    return c->kind == CH_STEP_INSERT ? c->step.named_step_id : 0;
}

static void add_ids(struct pipe *q, enum pg_type type, const struct turn *t, int64_t (*id_of)(const struct change *),
                    int64_t more)
{
    size_t n = more != 0;
    for (size_t i = 0; i < t->change_count; i++)
        n += id_of(&t->changes[i]) != 0;
    pipe_array(q, type, n);
    if (more != 0)
        pipe_item_int(q, more);
    for (size_t i = 0; i < t->change_count; i++)
        if (id_of(&t->changes[i]) != 0)
            pipe_item_int(q, id_of(&t->changes[i]));
}

static bool needs(const struct change *c, const PGresult *catalogue)
{
    for (size_t i = 0; i < pg_rows(catalogue); i++) {
        int64_t id = pg_int_at(catalogue, i, 1);
        if (pg_bool_at(catalogue, i, 0) ? named_task_of(c) == id : named_step_of(c) == id)
            return true;
    }
    return false;
}

// The changes of a new task stand together.
static void add_new_tasks(struct turn_result *ret, const struct turn *t, const PGresult *catalogue)
{
    size_t from = ret->locked_count;
    for (size_t i = 0; i < t->change_count && pg_rows(catalogue) > 0; i++) {
        const struct change *c = &t->changes[i];
        if (!needs(c, catalogue))
            continue;
        int64_t id = c->kind == CH_TASK_INSERT ? c->task.task_id : c->step.task_id;
        if (ret->locked_count == from || ret->locked[ret->locked_count - 1] != id)
            ret->locked[ret->locked_count++] = id;
    }
    if (from == 0 && ret->locked_count > 0)
        err_locked(pg_span_at(catalogue, 0, 2).p, &ret->error);
}

void postgres_find_locked(struct postgres *p, const struct turn *turn, struct turn_result *ret)
{
    struct pipe q;
    tasker_error ignored;
    pipe_init(&q, p);
    size_t tasks = pipe_add(&q, PG_LOCKED_TASKS);
    add_ids(&q, PG_INT8, turn, task_of, turn->claim_task);
    add_ids(&q, PG_INT8, turn, step_of, 0);
    size_t catalogue = pipe_add(&q, PG_LOCKED_CATALOGUE);
    add_ids(&q, PG_INT4, turn, named_task_of, 0);
    add_ids(&q, PG_INT4, turn, named_step_of, 0);
    if (pipe_run(&q, "the tasks that are locked", &ignored) == 0) {
        const PGresult *r = pipe_result(&q, tasks);
        ret->locked = arena_alloc(&ret->arena, (pg_rows(r) + turn->change_count + 1) * sizeof(ret->locked[0]));
        for (size_t i = 0; i < pg_rows(r) && ret->locked; i++)
            ret->locked[ret->locked_count++] = pg_int_at(r, i, 0);
        if (ret->locked_count > 0)
            err_task_locked(ret->locked[0], &ret->error);
        if (ret->locked)
            add_new_tasks(ret, turn, pipe_result(&q, catalogue));
    }
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
        err_task_locked(task_id, err);
        rc = 1;
    }
    pipe_done(&q);
    return rc;
}
