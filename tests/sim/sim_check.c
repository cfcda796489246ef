// SPDX-License-Identifier: MIT
// sim_check.c - the rules that hold after every committed turn, read from the rows, and that memory is what its rows would
// rebuild.
#include "sim.h"

#include "common/sound.h"
#include "engine/lane_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void fail(struct sim *s, const char *fmt, ...)
{
    va_list ap;
    if (s->wrong[0])
        return;
    va_start(ap, fmt);
    (void)vsnprintf(s->wrong, sizeof(s->wrong), fmt, ap);
    va_end(ap);
}

#define CHAIN(table, owner)                                                                                    \
    "SELECT group_concat(" owner ") FROM (SELECT " owner ", sort_key k, from_state f, most_recent m, "         \
    "lag(to_state) OVER w p, lag(sort_key) OVER w pk, lead(sort_key) OVER w nk FROM " table                    \
    " WINDOW w AS (PARTITION BY " owner " ORDER BY sort_key)) "                                                \
    "WHERE f IS NOT coalesce(p, 'pending') OR k != coalesce(pk, 0) + 10 OR m != (nk IS NULL) HAVING count(*) > 0"

#define LEGAL(table, owner, pairs)                                                                             \
    "SELECT group_concat(" owner " || ':' || from_state || '>' || to_state) FROM " table                       \
    " WHERE from_state || '>' || to_state NOT IN (" pairs ") HAVING count(*) > 0"

// Written by hand, as the Rails engine allows them: the model under test moves by its own table, so a list made from that
// table (as that of db.verify is) would agree with whatever stands in it.
#define TASK_PAIRS                                                                                             \
    "'pending>in_progress','pending>cancelled','pending>error','in_progress>complete','in_progress>error',"   \
    "'in_progress>cancelled','in_progress>pending','error>pending','error>resolved_manually',"                \
    "'complete>cancelled','resolved_manually>cancelled'"
#define STEP_PAIRS                                                                                             \
    "'pending>in_progress','pending>error','pending>cancelled','pending>resolved_manually',"                  \
    "'in_progress>complete','in_progress>error','in_progress>cancelled','error>pending',"                     \
    "'error>resolved_manually'"

#define STATE_OF(table, owner, id)                                                                             \
    "coalesce((SELECT to_state FROM " table " x WHERE x." owner " = " id " AND x.most_recent = 1), 'pending')"

static const struct {
    const char *rule, *sql;
} rules[] = {
    {"chain of task transitions", CHAIN("tasker_task_transitions", "task_id")},
    {"chain of step transitions", CHAIN("tasker_workflow_step_transitions", "workflow_step_id")},
    {"legal task transitions", LEGAL("tasker_task_transitions", "task_id", TASK_PAIRS)},
    {"legal step transitions", LEGAL("tasker_workflow_step_transitions", "workflow_step_id", STEP_PAIRS)},
    {"no step starts before its parents are done",
     "SELECT group_concat(t.workflow_step_id) FROM tasker_workflow_step_transitions t "
     "JOIN tasker_workflow_step_edges e ON e.to_step_id = t.workflow_step_id WHERE t.to_state = 'in_progress' "
     "AND NOT EXISTS (SELECT 1 FROM tasker_workflow_step_transitions p WHERE p.workflow_step_id = e.from_step_id "
     "AND p.to_state IN ('complete', 'resolved_manually') AND p.id < t.id) HAVING count(*) > 0"},
    {"no attempt beyond the limit",
     "SELECT group_concat(workflow_step_id) FROM tasker_workflow_steps "
     "WHERE retry_limit > 0 AND attempts > retry_limit HAVING count(*) > 0"},
    {"a step completes once",
     "SELECT group_concat(id) FROM (SELECT workflow_step_id id FROM tasker_workflow_step_transitions "
     "WHERE to_state = 'complete' GROUP BY 1 HAVING count(*) > 1) HAVING count(*) > 0"},
    {"processed follows the state",
     "SELECT group_concat(workflow_step_id) FROM tasker_workflow_steps s WHERE processed != (" STATE_OF(
         "tasker_workflow_step_transitions", "workflow_step_id",
         "s.workflow_step_id") " IN ('complete', 'resolved_manually')) HAVING count(*) > 0"},
    {"complete follows the state",
     "SELECT group_concat(task_id) FROM tasker_tasks t WHERE complete = 0 AND " STATE_OF(
         "tasker_task_transitions", "task_id", "t.task_id") " = 'complete' HAVING count(*) > 0"},
    {"an active row for every unfinished task",
     "SELECT group_concat(task_id) FROM tasker_tasks t WHERE (" STATE_OF(
         "tasker_task_transitions", "task_id",
         "t.task_id") " IN ('pending', 'in_progress')) AND NOT EXISTS (SELECT 1 FROM tasker_core_active a "
                      "WHERE a.task_id = t.task_id) HAVING count(*) > 0"},
    {"a complete task has complete steps",
     "SELECT group_concat(t.task_id) FROM tasker_tasks t JOIN tasker_workflow_steps s ON s.task_id = t.task_id WHERE " STATE_OF(
         "tasker_task_transitions", "task_id", "t.task_id") " = 'complete' AND s.processed = 0 HAVING count(*) > 0"},
};

void check_rows(struct sim *s)
{
    sqlite3 *db = sqlite_of(s->store)->db;
    for (size_t i = 0; i < ARRAY_SIZE(rules) && !s->wrong[0]; i++) {
        sqlite3_stmt *st = NULL;
        if (sqlite3_prepare_v2(db, rules[i].sql, -1, &st, NULL) != SQLITE_OK) {
            fail(s, "rule %s: %s", rules[i].rule, sqlite3_errmsg(db));
            return;
        }
        if (sqlite3_step(st) == SQLITE_ROW)
            fail(s, "%s: %s", rules[i].rule, (const char *)sqlite3_column_text(st, 0));
        sqlite3_finalize(st);
    }
}

static void compare_step(struct sim *s, const struct task *t, const struct tstep *m, const struct step_rows *r)
{
    enum state row = m->row_state == ST_NONE ? ST_PENDING : m->row_state;
    if (r->step_id != m->id || r->state != row || r->sort_key != m->sort_key || r->attempts != m->attempts)
        fail(s, "task %lld step %s: memory has %s/%d/%d, rows %s/%d/%d", (long long)t->id, step_name(t, m),
             state_names[row], m->sort_key, m->attempts, state_names[r->state], r->sort_key, r->attempts);
    if (m->state != row && m->state != ST_IN_PROGRESS)
        fail(s, "task %lld step %s is %s in memory and %s in its rows", (long long)t->id, step_name(t, m),
             state_names[m->state], state_names[row]);
}

static void compare_task(struct sim *s, const struct sim_engine *e, const struct entry *en)
{
    const struct task *t = en->task;
    struct task_rows rows;
    task_rows_init(&rows);
    if (s->store->ops->load_task(s->store, en->id, &rows, NULL) < 0) {
        fail(s, "task %lld has no rows", (long long)en->id);
    } else if (!rows.active || rows.active_lane != e->lane->id) {
        if (!en->visiting)
            fail(s, "%s holds task %lld, its row belongs to lane %lld", e->name, (long long)en->id,
                 (long long)rows.active_lane);
    } else {
        if (rows.state != t->state || rows.sort_key != t->sort_key)
            fail(s, "task %lld is %s in memory, %s in its rows", (long long)t->id, state_names[t->state],
                 state_names[rows.state]);
        for (size_t i = 0; i < rows.step_count; i++)
            compare_step(s, t, &t->steps[template_find_step(t->tpl, rows.steps[i].name)], &rows.steps[i]);
    }
    task_rows_done(&rows);
}

static bool owner_alive(struct sim *s, const struct sim_engine *e)
{
    struct poll_result p;
    struct poll_want want = {.lane = e->lane->id};
    poll_result_init(&p);
    bool known = s->store->ops->poll(s->store, &want, s->now, &p, NULL) == 0 && p.lane_alive;
    poll_result_done(&p);
    return known;
}

void check_memory(struct sim *s, struct sim_engine *e)
{
    if (!e->up || e->turn)
        return;
    const char *wrong = lane_check(e->lane);
    if (wrong)
        fail(s, "%s: %s", e->name, wrong);
    if (e->lane->flying || e->lane->id == 0 || !owner_alive(s, e))
        return;
    struct entry *en, *tmp;
    HASH_ITER(hh, e->lane->entries, en, tmp)
    {
        if (en->task && !s->wrong[0])
            compare_task(s, e, en);
    }
}

static int64_t count(struct sim *s, const char *sql)
{
    sqlite3_stmt *st = NULL;
    int64_t n = -1;
    if (sqlite3_prepare_v2(sqlite_of(s->store)->db, sql, -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
        n = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return n;
}

bool all_over(struct sim *s)
{
    return count(s, "SELECT count(*) FROM tasker_core_active") == 0;
}

bool all_answered(const struct sim *s)
{
    for (size_t i = 0; i < s->ticket_count; i++) {
        const struct sim_ticket *t = &s->tickets[i];
        const struct sim_engine *e = &s->engines[t->engine];
        if (!t->answered && e->up && e->incarnation == t->incarnation)
            return false;
    }
    return true;
}

// What callers were told of their submissions is true.
static void check_told(struct sim *s)
{
    char sql[120];
    for (size_t i = 0; i < s->ticket_count; i++) {
        const struct sim_ticket *t = &s->tickets[i];
        if (!t->answered || !t->named)
            continue;
        snprintf(sql, sizeof(sql), "SELECT count(*) FROM tasker_tasks WHERE identity_hash = 'ticket-%d'", (int)i);
        int64_t n = count(s, sql);
        if ((t->code == 0 && n != 1) || (t->code == TASKER_E_BUSY && n != 0) || n > 1)
            fail(s, "submission %d was answered %d, and %lld tasks are there", (int)i, t->code, (long long)n);
    }
}

void check_end(struct sim *s)
{
    const char *wrong = unsound(s->store);
    if (wrong)
        fail(s, "db.verify: %s", wrong);
    if (!all_answered(s))
        fail(s, "a caller was never answered");
    check_told(s);
    if (!all_over(s))
        fail(s, "%lld tasks never ended", (long long)count(s, "SELECT count(*) FROM tasker_core_active"));
    if (count(s, "SELECT count(*) FROM tasker_core_dispatch") != 0)
        fail(s, "offers are left over");
    for (size_t i = 0; i < s->task_count; i++) {
        struct task_rows rows;
        task_rows_init(&rows);
        if (s->store->ops->load_task(s->store, s->tasks[i], &rows, NULL) < 0)
            fail(s, "task %lld was promised and is lost", (long long)s->tasks[i]);
        else if (!task_state_final(rows.state))
            fail(s, "task %lld ended as %s", (long long)s->tasks[i], state_names[rows.state]);
        task_rows_done(&rows);
    }
}
