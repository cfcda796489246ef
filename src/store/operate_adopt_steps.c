// SPDX-License-Identifier: MIT
// operate_adopt_steps.c - see operate_adopt.h.
//
// An engine of ours drives a task by its template: which steps there are and what each waits for stands there, and the
// rows must say the same. The Rails engine adds to a task what its template lacks whenever it looks at it; we do that
// only when nothing is there yet, so that no task changes its shape under way.
#include "store/operate_adopt.h"

#include <stdio.h>
#include <string.h>

#include "model/task.h"

#define NAMES_MAX 5 // of one kind in one message

// ---- the difference

enum difference { HAS_STEPS, LACKS_STEPS, HAS_EDGES, LACKS_EDGES, DIFFERENCES };
static const char *const kinds[DIFFERENCES] = {"it has the steps", "it lacks the steps", "it has the dependencies",
                                               "it lacks the dependencies"};

struct match {
    const struct seen_task *task;
    const struct template *tpl;
    int *in_template; // by the task's step: index in the template, -1
    int *in_task;     // by the template's step: index in the task, -1
    uint32_t *mark;   // by the template's step, for one child at a time
    size_t count[DIFFERENCES];
    char names[DIFFERENCES][512]; // the first few, cut when they are long
};

static void note(struct match *m, enum difference d, struct span from, const char *to)
{
    char *text = m->names[d];
    size_t n = strlen(text);

    if (++m->count[d] <= NAMES_MAX)
        snprintf(text + n, sizeof(m->names[d]) - n, "%s%.*s%s%s", n > 0 ? ", " : "", (int)from.len,
                 from.p != NULL ? from.p : "", to != NULL ? " -> " : "", to != NULL ? to : "");
}

static void say(const struct match *m, struct buf *why)
{
    for (size_t d = 0; d < DIFFERENCES; d++) {
        if (m->count[d] == 0)
            continue;
        buf_printf(why, "%s%s %s", why->len > 0 ? "; " : "", kinds[d], m->names[d]);
        if (m->count[d] > NAMES_MAX)
            buf_printf(why, " and %zu more", m->count[d] - NAMES_MAX);
    }
}

static void compare_names(struct match *m)
{
    for (uint32_t i = 0; i < m->tpl->step_count; i++)
        m->in_task[i] = -1;
    for (size_t i = 0; i < m->task->step_count; i++) {
        int at = template_find_step(m->tpl, m->task->steps[i].name);
        if (at >= 0 && m->in_task[at] >= 0)
            at = -1; // a second one of that name
        m->in_template[i] = at;
        if (at >= 0)
            m->in_task[at] = (int)i;
        else
            note(m, HAS_STEPS, m->task->steps[i].name, NULL);
    }
    for (uint32_t i = 0; i < m->tpl->step_count; i++)
        if (m->in_task[i] < 0)
            note(m, LACKS_STEPS, span_of(m->tpl->steps[i].name), NULL);
}

// What one step depends on, of the steps that both have. An edge that stands twice counts once.
static void compare_parents(struct match *m, uint32_t child)
{
    const struct template_step *def = &m->tpl->steps[child];
    const struct seen_step *s = &m->task->steps[m->in_task[child]];
    uint32_t wanted = 2 * child + 1, found = wanted + 1; // different for every child

    for (uint32_t k = 0; k < def->parent_count; k++)
        m->mark[def->parents[k]] = wanted;
    for (size_t k = 0; k < s->parent_count; k++) {
        int at = m->in_template[s->parents[k]];
        if (at < 0 || m->mark[at] == found)
            continue;
        if (m->mark[at] != wanted)
            note(m, HAS_EDGES, span_of(m->tpl->steps[at].name), def->name);
        m->mark[at] = found;
    }
    for (uint32_t k = 0; k < def->parent_count; k++)
        if (m->mark[def->parents[k]] == wanted && m->in_task[def->parents[k]] >= 0)
            note(m, LACKS_EDGES, span_of(m->tpl->steps[def->parents[k]].name), def->name);
}

int adopt_differs(struct inquiry *a, const struct seen_task *t, const struct template *tpl, struct buf *ret_why,
                  tasker_error *err)
{
    struct match m = {.task = t, .tpl = tpl};

    if (t->step_count == 0)
        return 0;
    m.in_template = arena_alloc(&a->arena, t->step_count * sizeof(*m.in_template));
    m.in_task = arena_alloc(&a->arena, (tpl->step_count + 1) * sizeof(*m.in_task));
    m.mark = arena_alloc(&a->arena, (tpl->step_count + 1) * sizeof(*m.mark));
    if (a->arena.failed)
        return err_nomem(err);
    compare_names(&m);
    for (uint32_t i = 0; i < tpl->step_count; i++)
        if (m.in_task[i] >= 0)
            compare_parents(&m, i);
    say(&m, ret_why);
    return buf_failed(ret_why) ? err_nomem(err) : ret_why->len > 0;
}

// ---- steps for a task that has none

static int read_inputs(struct inquiry *a, int64_t task_id, struct span *ret, tasker_error *err)
{
    CLEANUP(build_done) struct build b;
    CLEANUP(rows_close) struct rows r = {0};

    build_init(&b, a);
    build_add(&b, "SELECT context FROM tasker_tasks WHERE task_id = ?");
    build_int(&b, task_id);
    int rc = build_open(&b, &r, err);
    if (rc == 0)
        rc = rows_next(&r, err);
    if (rc == 1)
        *ret = rows_keep(&r, 0);
    if (ret->len > INPUTS_COPY_MAX)
        *ret = (struct span){NULL, 0};
    return rc < 0 ? rc : 0;
}

static int make_step(struct inquiry *a, int64_t task_id, const struct template *tpl, uint32_t i, struct span inputs,
                     int64_t *ret_id, tasker_error *err)
{
    const struct template_step *def = &tpl->steps[i];
    CLEANUP(build_done) struct build b;

    build_init(&b, a);
    build_add(&b, "INSERT INTO tasker_workflow_steps(task_id, named_step_id, retryable, retry_limit, in_process, processed,"
                  " attempts, inputs, results, created_at, updated_at, skippable)"
                  " VALUES (?, ?, ?, ?, {false}, {false}, 0, {json}, {json}, ?, ?, ?) RETURNING workflow_step_id");
    build_int(&b, task_id);
    build_int(&b, tpl->named_step_ids[i]);
    build_bool(&b, def->retryable);
    build_int(&b, def->retry_limit);
    build_text(&b, inputs);
    build_text(&b, SPAN("{}"));
    build_time(&b, a->now);
    build_time(&b, a->now);
    build_bool(&b, def->skippable);
    return build_id(&b, ret_id, err);
}

static int make_edge(struct inquiry *a, int64_t from, int64_t to, tasker_error *err)
{
    CLEANUP(build_done) struct build b;

    build_init(&b, a);
    build_add(&b, "INSERT INTO tasker_workflow_step_edges(from_step_id, to_step_id, name, created_at, updated_at)"
                  " VALUES (?, ?, 'provides', ?, ?)");
    build_int(&b, from);
    build_int(&b, to);
    build_time(&b, a->now);
    build_time(&b, a->now);
    return build_run(&b, NULL, err);
}

int adopt_make_steps(struct inquiry *a, int64_t task_id, const struct template *tpl, tasker_error *err)
{
    struct span inputs = {NULL, 0};
    int64_t *ids = arena_alloc(&a->arena, (tpl->step_count + 1) * sizeof(*ids));
    int rc = ids == NULL ? err_nomem(err) : read_inputs(a, task_id, &inputs, err);

    for (uint32_t i = 0; i < tpl->step_count && rc == 0; i++)
        rc = make_step(a, task_id, tpl, i, inputs, &ids[i], err);
    for (uint32_t i = 0; i < tpl->step_count && rc == 0; i++)
        for (uint32_t k = 0; k < tpl->steps[i].parent_count && rc == 0; k++)
            rc = make_edge(a, ids[tpl->steps[i].parents[k]], ids[i], err);
    return rc;
}
