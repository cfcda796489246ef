// SPDX-License-Identifier: MIT
// query_verify.c - db.verify: is every history in the database one that can have happened? It reads rows alone, all rules
// in one snapshot, and says which rows no history explains.
//
// A rule is one row of the table below: what must be true of the rows of one table, and a statement that finds those of
// which it is not. Which transitions are legal and which states are ends is not written here but given by the model's
// tables (query_build.h).
//
// The Rails engine writes the same tables and keeps fewer promises: no from_state, no reason, clocks of several hosts,
// attempts beyond the limit after somebody moved a step. So most rules look only at rows that name an engine of ours in
// their metadata, or at owners of which all rows do. A task without any transition and without a row in the queue is one
// that the Rails engine has made; whether it may wait is not ours to say.
//
// The state of a task or step is that of the row with its highest sort key, so that a wrong most_recent is one finding
// and not many.
#include "store/query_build.h"

#define OFFENDERS_SHOWN 10
#define PATIENCE_US (3600 * US_PER_SECOND) // for one rule: it reads whole tables

// Row r was written by an engine of ours.
#define OURS(r) "{member " r ".metadata engine} IS NOT NULL"

// r is the newest transition of task t, or of step s: looked up by its id, which costs the same for each owner whatever
// PostgreSQL believes about how many rows there are.
#define NEWEST(r, table, owner, id)                                                                                    \
    " " table " " r " ON " r ".id = (SELECT n.id FROM " table " n WHERE n." owner " = " id                             \
    " ORDER BY n.sort_key DESC LIMIT 1)"
#define TASK_ROW(t, r) NEWEST(r, "tasker_task_transitions", "task_id", t ".task_id")
#define STEP_ROW(s, r) NEWEST(r, "tasker_workflow_step_transitions", "workflow_step_id", s ".workflow_step_id")

// Every transition r with what stands around it in its owner's history.
#define AROUND                                                                                                         \
    "x.id, x.from_state, x.to_state, x.metadata, x.sort_key, x.most_recent, x.created_at,"                             \
    " lag(x.to_state) OVER w AS was, lag(x.metadata) OVER w AS metadata_before, lag(x.sort_key) OVER w AS key_before," \
    " lag(x.id) OVER w AS id_before, lag(x.created_at) OVER w AS at_before, lead(x.id) OVER w AS id_after"
#define TASK_HISTORY                                                                                                   \
    "(SELECT x.task_id, " AROUND " FROM tasker_task_transitions x WINDOW w AS (PARTITION BY x.task_id ORDER BY"        \
    " x.sort_key)) r"
#define STEP_HISTORY                                                                                                   \
    "(SELECT s.task_id, x.workflow_step_id, " AROUND " FROM tasker_workflow_step_transitions x JOIN"                   \
    " tasker_workflow_steps s ON s.workflow_step_id = x.workflow_step_id WINDOW w AS (PARTITION BY x.workflow_step_id" \
    " ORDER BY x.sort_key)) r"
// The same without what stands around it: cheaper, and a join with another row is one of tables.
#define EVERY_STEP_ROW                                                                                                 \
    "(SELECT s.task_id, x.* FROM tasker_workflow_step_transitions x JOIN tasker_workflow_steps s"                      \
    " ON s.workflow_step_id = x.workflow_step_id) r"
#define WAS "coalesce(r.was, 'pending')"

#define OFFENDER(id, task, detail) "SELECT " id " AS row_id, " task " AS task_id, " detail " AS detail FROM "
#define TRANSITION(detail) OFFENDER("r.id", "r.task_id", detail)

#define MOVE WAS " || ' > ' || r.to_state"
#define CHAIN                                                                                                          \
    " WHERE coalesce(r.from_state, '') <> " WAS " AND (r.from_state IS NOT NULL OR " OURS("r") ")"
#define CHAIN_DETAIL "'from ' || coalesce(r.from_state, 'nothing') || ' after ' || " WAS
#define KEYS                                                                                                           \
    " WHERE r.id < r.id_before OR (r.sort_key <> coalesce(r.key_before, 0) + 10 AND " OURS("r") ")"
#define KEYS_DETAIL "'sort key ' || r.sort_key || ' after ' || coalesce(r.key_before, 0)"
#define RECENT " WHERE r.most_recent <> (r.id_after IS NULL)"
#define RECENT_DETAIL                                                                                                  \
    "CASE WHEN r.id_after IS NULL THEN 'the last row, not most recent' ELSE 'most recent, not the last row' END"
#define TIMES                                                                                                          \
    " WHERE r.created_at < r.at_before AND " OURS("r") " AND {member r.metadata_before engine} IS NOT NULL"
#define TIMES_DETAIL "r.to_state || ' earlier than ' || r.was"
#define REASONLESS                                                                                                     \
    " WHERE r.to_state = 'error' AND " OURS("r")                                                                       \
    " AND coalesce({member r.metadata reason}, '') = '' AND coalesce({member r.metadata category}, '') = ''"
#define MISSHAPEN " WHERE r.metadata IS NOT NULL AND NOT {object r.metadata}"

// Step s has only transitions of ours.
#define STEP_ALL_OURS                                                                                                  \
    " NOT EXISTS (SELECT 1 FROM tasker_workflow_step_transitions o WHERE o.workflow_step_id = s.workflow_step_id"      \
    " AND {member o.metadata engine} IS NULL)"

// The attempts of step s that its transitions tell, since an operator last gave it a fresh set. A lost or returned attempt
// has a reason and no category: it uses up none. An operator's pending row names no attempt, and is not that of a task
// given away.
#define SPENT                                                                                                          \
    "(SELECT count(*) FROM tasker_workflow_step_transitions a WHERE a.workflow_step_id = s.workflow_step_id"           \
    " AND a.to_state IN {step_spent} AND a.from_state = 'in_progress' AND NOT ({member a.metadata reason} IS NOT NULL" \
    " AND {member a.metadata category} IS NULL) AND NOT EXISTS (SELECT 1 FROM tasker_workflow_step_transitions z"      \
    " WHERE z.workflow_step_id = a.workflow_step_id AND z.sort_key > a.sort_key AND z.to_state = 'pending'"            \
    " AND {member z.metadata attempt} IS NULL AND {member z.metadata released} IS NULL))"
#define SPENT_TEXT "'attempts ' || coalesce(s.attempts, 0) || ', by its transitions ' || " SPENT

// Step s of a task in progress gives it something to do or to wait for.
#define GOES_ON                                                                                                        \
    "(q.to_state = 'in_progress' OR (q.to_state = 'error' AND ({member q.metadata retry_at} IS NOT NULL OR NOT "       \
    OURS("q") ")) OR (coalesce(q.to_state, 'pending') = 'pending' AND NOT EXISTS (SELECT 1 FROM"                       \
    " tasker_workflow_step_edges e LEFT JOIN tasker_workflow_step_transitions p ON p.workflow_step_id = e.from_step_id" \
    " AND p.to_state IN {step_done} WHERE e.to_step_id = s.workflow_step_id AND p.id IS NULL)))"

#define TASK "t.task_id"
#define STEP "s.workflow_step_id"
#define TASK_ROWS "tasker_task_transitions"
#define STEP_ROWS "tasker_workflow_step_transitions"
#define NO_TASK "NOT EXISTS (SELECT 1 FROM tasker_tasks t WHERE t.task_id = q.task_id)"
#define NO_STEP(id) "NOT EXISTS (SELECT 1 FROM tasker_workflow_steps s WHERE s.workflow_step_id = " id ")"
#define QUEUED "EXISTS (SELECT 1 FROM tasker_core_active q WHERE q.task_id = t.task_id)"

static const struct rule {
    const char *name, *table, *says, *sql;
} rules[] = {
    {"task_moves", TASK_ROWS, "every transition of a task is legal",
     // An initial pending row is no move; the Rails engine may write one.
     TRANSITION(MOVE) TASK_HISTORY " WHERE " WAS " || '>' || r.to_state NOT IN {task_moves}"
                                   " AND NOT (r.was IS NULL AND r.to_state = 'pending' AND NOT " OURS("r") ")"},
    {"step_moves", STEP_ROWS, "every transition of a step is legal",
     // A pending step that fails on its own: only the Rails engine knows that.
     TRANSITION(MOVE) STEP_HISTORY " WHERE " WAS " || '>' || r.to_state NOT IN {step_moves}"
                                   " AND NOT (((r.was IS NULL AND r.to_state = 'pending') OR (" WAS " = 'pending'"
                                   " AND r.to_state = 'error')) AND NOT " OURS("r") ")"},
    {"task_chain", TASK_ROWS, "every transition of a task begins in the state in which the one before it ended",
     TRANSITION(CHAIN_DETAIL) TASK_HISTORY CHAIN},
    {"step_chain", STEP_ROWS, "every transition of a step begins in the state in which the one before it ended",
     TRANSITION(CHAIN_DETAIL) STEP_HISTORY CHAIN},
    {"task_sort_keys", TASK_ROWS, "a task's sort keys rise by ten, and ids with them", TRANSITION(KEYS_DETAIL) TASK_HISTORY KEYS},
    {"step_sort_keys", STEP_ROWS, "a step's sort keys rise by ten, and ids with them", TRANSITION(KEYS_DETAIL) STEP_HISTORY KEYS},
    {"task_most_recent", TASK_ROWS, "the last transition of a task, and no other, is most recent",
     TRANSITION(RECENT_DETAIL) TASK_HISTORY RECENT},
    {"step_most_recent", STEP_ROWS, "the last transition of a step, and no other, is most recent",
     TRANSITION(RECENT_DETAIL) STEP_HISTORY RECENT},
    {"task_times", TASK_ROWS, "no transition of a task is older than the one before it", TRANSITION(TIMES_DETAIL) TASK_HISTORY TIMES},
    {"step_times", STEP_ROWS, "no transition of a step is older than the one before it", TRANSITION(TIMES_DETAIL) STEP_HISTORY TIMES},
    {"task_metadata", TASK_ROWS, "metadata of a task's transition is a JSON object",
     TRANSITION("'not an object'") TASK_ROWS " r" MISSHAPEN},
    {"step_metadata", STEP_ROWS, "metadata of a step's transition is a JSON object",
     TRANSITION("'not an object'") EVERY_STEP_ROW MISSHAPEN},
    {"task_reason", TASK_ROWS, "a task in error says why", TRANSITION("'no reason'") TASK_ROWS " r" REASONLESS},
    {"step_reason", STEP_ROWS, "a step in error says why", TRANSITION("'neither reason nor category'") EVERY_STEP_ROW REASONLESS},

    {"step_columns", "tasker_workflow_steps", "processed, processed_at and in_process say what the state says",
     OFFENDER(STEP, "s.task_id",
              "coalesce(r.to_state, 'pending') || CASE WHEN s.processed THEN ', processed' ELSE ', not processed' END"
              " || CASE WHEN s.processed_at IS NULL THEN ', no time' ELSE ', with a time' END"
              " || CASE WHEN s.in_process THEN ', in process' ELSE '' END")
     "tasker_workflow_steps s LEFT JOIN" STEP_ROW("s", "r") " WHERE (r.id IS NULL OR " OURS("r") ") AND"
     " (s.in_process = {true} OR s.processed <> (coalesce(r.to_state, 'pending') IN {step_done})"
     " OR s.processed <> (s.processed_at IS NOT NULL))"},
    {"step_attempts", "tasker_workflow_steps", "attempts is the number of attempts that the transitions tell",
     OFFENDER(STEP, "s.task_id", SPENT_TEXT)
     "tasker_workflow_steps s WHERE (coalesce(s.attempts, 0) <> " SPENT
     " OR (coalesce(s.attempts, 0) > 0) <> (s.last_attempted_at IS NOT NULL)) AND" STEP_ALL_OURS},
    {"step_limit", "tasker_workflow_steps", "no step has more attempts than its limit",
     OFFENDER(STEP, "s.task_id", "s.attempts || ' of ' || s.retry_limit")
     "tasker_workflow_steps s WHERE (s.attempts < 0 OR s.attempts > CASE WHEN s.retry_limit > 0 THEN s.retry_limit ELSE 1 END)"
     " AND" STEP_ALL_OURS},
    {"step_before_parents", STEP_ROWS, "no step begins before its parents are done",
     TRANSITION("'begins before step ' || e.from_step_id || ' is done'")
     EVERY_STEP_ROW
     " JOIN tasker_workflow_step_edges e ON e.to_step_id = r.workflow_step_id WHERE r.to_state = 'in_progress' AND " OURS("r")
     " AND NOT EXISTS (SELECT 1 FROM " STEP_ROWS " p WHERE p.workflow_step_id = e.from_step_id AND p.to_state IN {step_done}"
     " AND p.id < r.id AND (p.created_at <= r.created_at OR NOT " OURS("p") "))"},
    {"step_before_task", STEP_ROWS, "no step begins before its task",
     TRANSITION("'begins before its task'")
     EVERY_STEP_ROW
     " WHERE r.to_state = 'in_progress' AND " OURS("r") " AND NOT EXISTS (SELECT 1 FROM " TASK_ROWS " p WHERE p.task_id ="
     " r.task_id AND p.to_state = 'in_progress' AND (p.created_at <= r.created_at OR NOT " OURS("p") "))"},
    {"step_again", STEP_ROWS, "no step runs again after a success",
     TRANSITION("'runs again'")
     EVERY_STEP_ROW
     " WHERE r.to_state = 'in_progress' AND EXISTS (SELECT 1 FROM " STEP_ROWS " p WHERE p.workflow_step_id ="
     " r.workflow_step_id AND p.to_state IN {step_done} AND p.sort_key < r.sort_key)"},

    {"task_complete", "tasker_tasks", "a task says that it is complete if it came to be, and only then",
     OFFENDER(TASK, TASK, "coalesce(r.to_state, 'pending') || CASE WHEN t.complete THEN ', complete' ELSE ', not complete' END")
     "tasker_tasks t LEFT JOIN" TASK_ROW("t", "r") " WHERE (r.id IS NULL OR " OURS("r") ") AND t.complete <>"
     " EXISTS (SELECT 1 FROM " TASK_ROWS " c WHERE c.task_id = t.task_id AND c.to_state = 'complete')"},
    {"complete_steps", "tasker_workflow_steps", "every step of a complete task is done",
     OFFENDER(STEP, TASK, "coalesce(q.to_state, 'pending')")
     "tasker_tasks t JOIN" TASK_ROW("t", "r") " JOIN tasker_workflow_steps s ON s.task_id = t.task_id LEFT JOIN"
     STEP_ROW("s", "q") " WHERE r.to_state = 'complete' AND " OURS("r")
     " AND coalesce(q.to_state, 'pending') NOT IN {step_done}"},
    {"ended_steps", "tasker_workflow_steps", "no step of a finished task is in progress",
     OFFENDER(STEP, TASK, "'in progress in a task that is ' || r.to_state")
     "tasker_tasks t JOIN" TASK_ROW("t", "r") " JOIN tasker_workflow_steps s ON s.task_id = t.task_id JOIN" STEP_ROW("s", "q")
     " WHERE r.to_state IN {task_ends} AND r.to_state <> 'complete' AND " OURS("r") " AND q.to_state = 'in_progress'"},
    {"task_goes_on", "tasker_tasks", "a task in progress has a step that runs, may run or waits for its retry",
     // One that was just adopted has not been looked at. Steps are counted, and looked for by both of its rows, so that
     // PostgreSQL does so for such tasks alone.
     OFFENDER(TASK, TASK, "'nothing can happen to it'")
     "tasker_tasks t JOIN" TASK_ROW("t", "r") " WHERE r.to_state = 'in_progress' AND " OURS("r")
     " AND {member r.metadata adopted} IS NULL AND 0 = (SELECT count(*) FROM tasker_workflow_steps s LEFT JOIN " STEP_ROWS " q"
     " ON q.workflow_step_id = s.workflow_step_id AND q.sort_key = (SELECT max(n.sort_key) FROM " STEP_ROWS " n WHERE"
     " n.workflow_step_id = q.workflow_step_id) WHERE s.task_id = coalesce(r.task_id, t.task_id) AND " GOES_ON ")"},
    {"unfinished_queued", "tasker_tasks", "an unfinished task of ours is in the queue",
     OFFENDER(TASK, TASK, "r.to_state || ', not in the queue'")
     "tasker_tasks t JOIN" TASK_ROW("t", "r") " WHERE r.to_state NOT IN {task_ends} AND " OURS("r")
     " AND {member r.metadata released} IS NULL AND NOT " QUEUED},

    {"queue_finished", "tasker_core_active", "no finished task is in the queue",
     // An operator's command puts it there once more, before it is decided: then it may run from that moment on.
     OFFENDER(TASK, TASK, "r.to_state") "tasker_tasks t JOIN" TASK_ROW("t", "r") " JOIN tasker_core_active a ON a.task_id ="
     " t.task_id WHERE r.to_state IN {task_ends} AND a.run_at <= {us r.created_at}"},
    {"queue_task", "tasker_core_active", "what is in the queue is a task",
     OFFENDER("q.task_id", "q.task_id", "'there is no such task'") "tasker_core_active q WHERE " NO_TASK},
    {"queue_template", "tasker_core_active", "a task in the queue has a template of its own named task",
     OFFENDER(TASK, TASK, "'template ' || q.template_id")
     "tasker_core_active q JOIN tasker_tasks t ON t.task_id = q.task_id WHERE NOT EXISTS (SELECT 1 FROM tasker_core_templates"
     " c WHERE c.template_id = q.template_id AND c.named_task_id = t.named_task_id)"},
    {"queue_lane", "tasker_core_active", "a task's owner is there",
     OFFENDER("q.task_id", "q.task_id", "'lane ' || q.lane_id || ' is gone'")
     "tasker_core_active q WHERE q.lane_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM tasker_core_lanes l WHERE l.lane_id ="
     " q.lane_id)"},
    {"offer_step", "tasker_core_dispatch", "what is offered is a step of its task",
     OFFENDER("q.token", "q.task_id", "'step ' || q.workflow_step_id")
     "tasker_core_dispatch q WHERE NOT EXISTS (SELECT 1 FROM tasker_workflow_steps s WHERE s.workflow_step_id ="
     " q.workflow_step_id AND s.task_id = q.task_id)"},
    {"offer_open", "tasker_core_dispatch", "what is offered may still run, in a task that is in the queue",
     // A cancelled offer stays until its worker has heard of it.
     OFFENDER("q.token", "q.task_id", "'step ' || q.workflow_step_id || ' is ' || coalesce(r.to_state, 'pending')")
     "tasker_core_dispatch q JOIN tasker_workflow_steps s ON s.workflow_step_id = q.workflow_step_id LEFT JOIN"
     STEP_ROW("s", "r") " WHERE q.cancel = {false} AND (coalesce(r.to_state, 'pending') NOT IN ('pending', 'in_progress',"
     " 'error') OR NOT EXISTS (SELECT 1 FROM tasker_core_active t WHERE t.task_id = s.task_id))"},
    {"log_step", "tasker_core_logs", "what a handler wrote belongs to a step",
     OFFENDER("q.workflow_step_id", "0", "'attempt ' || q.attempt")
     "tasker_core_logs q WHERE " NO_STEP("q.workflow_step_id")},

    {"task_refers", "tasker_tasks", "what a task refers to is there",
     OFFENDER(TASK, TASK, "'named task ' || t.named_task_id") "tasker_tasks t WHERE NOT EXISTS (SELECT 1 FROM"
     " tasker_named_tasks n WHERE n.named_task_id = t.named_task_id)"},
    {"step_refers", "tasker_workflow_steps", "what a step refers to is there",
     OFFENDER("q.workflow_step_id", "q.task_id", "'named step ' || q.named_step_id")
     "tasker_workflow_steps q WHERE " NO_TASK " OR NOT EXISTS (SELECT 1 FROM tasker_named_steps n WHERE n.named_step_id ="
     " q.named_step_id)"},
    {"edge_refers", "tasker_workflow_step_edges", "the steps of a dependency are there",
     OFFENDER("e.id", "0", "'from step ' || e.from_step_id || ' to step ' || e.to_step_id")
     "tasker_workflow_step_edges e WHERE " NO_STEP("e.from_step_id") " OR " NO_STEP("e.to_step_id")},
    {"task_row_refers", TASK_ROWS, "a task's transition is one of a task",
     OFFENDER("q.id", "q.task_id", "'there is no such task'") TASK_ROWS " q WHERE " NO_TASK},
    {"step_row_refers", STEP_ROWS, "a step's transition is one of a step",
     OFFENDER("q.id", "0", "'step ' || q.workflow_step_id") STEP_ROWS " q WHERE " NO_STEP("q.workflow_step_id")},
    {"edge_task", "tasker_workflow_step_edges", "a dependency is between steps of one task",
     OFFENDER("e.id", "b.task_id", "'from step ' || e.from_step_id || ' of task ' || a.task_id")
     "tasker_workflow_step_edges e JOIN tasker_workflow_steps a ON a.workflow_step_id = e.from_step_id JOIN"
     " tasker_workflow_steps b ON b.workflow_step_id = e.to_step_id WHERE a.task_id <> b.task_id"},
    {"edge_cycle", "tasker_workflow_step_edges", "no step depends on itself, directly or through others",
     // A cycle has an edge that does not lead to a higher id; most graphs have none, so only what is behind one is walked.
     OFFENDER("d.edge", "d.task_id", "'a cycle through step ' || d.goal")
     "(WITH RECURSIVE down(edge, task_id, goal, id) AS (SELECT e.id, s.task_id, e.from_step_id, e.to_step_id FROM"
     " tasker_workflow_step_edges e JOIN tasker_workflow_steps s ON s.workflow_step_id = e.to_step_id WHERE"
     " e.from_step_id >= e.to_step_id UNION SELECT d.edge, d.task_id, d.goal, n.to_step_id FROM down d JOIN"
     " tasker_workflow_step_edges n ON n.from_step_id = d.id) SELECT * FROM down) d WHERE d.id = d.goal"},
};

static void write_offender(struct buf *out, const struct rule *r, struct rows *row)
{
    struct span detail = rows_text(row, 2);

    jw_open(out, '{');
    jw_kstr(out, "rule", r->name);
    jw_kstr(out, "table", r->table);
    jw_kint(out, "row_id", rows_int(row, 0));
    jw_kint(out, "task_id", rows_int(row, 1));
    jw_key(out, "detail");
    jw_strn(out, detail.p, detail.len);
    jw_close(out, '}');
}

// The first `limit` rows that break it, and how many there are.
static int try_rule(struct inquiry *a, const struct rule *r, int64_t limit, struct buf *out, int64_t *ret, tasker_error *err)
{
    CLEANUP(build_done) struct build b;
    CLEANUP(rows_close) struct rows rows = {0};

    build_init(&b, a);
    build_add(&b, "SELECT x.row_id, x.task_id, x.detail, count(*) OVER () FROM (");
    build_add(&b, r->sql);
    build_add(&b, ") x ORDER BY x.task_id, x.row_id LIMIT ?");
    build_int(&b, limit);
    int rc = build_open(&b, &rows, err);
    while (rc == 0 && (rc = rows_next(&rows, err)) == 1) {
        write_offender(out, r, &rows);
        *ret = rows_int(&rows, 3);
        rc = 0;
    }
    return rc;
}

static int count_rows(struct inquiry *a, const char *key, const char *sql, tasker_error *err)
{
    CLEANUP(build_done) struct build b;
    int64_t n = 0;

    build_init(&b, a);
    build_add(&b, sql);
    int rc = build_one(&b, 0, &n, err);
    jw_kint(a->out, key, n);
    return rc;
}

static void write_rules(struct buf *out, const int64_t totals[])
{
    jw_key(out, "rules");
    jw_open(out, '[');
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
        jw_open(out, '{');
        jw_kstr(out, "rule", rules[i].name);
        jw_kstr(out, "says", rules[i].says);
        jw_kint(out, "offenders", totals[i]);
        jw_close(out, '}');
    }
    jw_close(out, ']');
}

int query_db_verify(struct inquiry *a, tasker_error *err)
{
    CLEANUP(buf_done) struct buf offenders;
    int64_t totals[ARRAY_SIZE(rules)] = {0}, sum = 0;
    int rc = 0;

    a->patience_us = PATIENCE_US;
    buf_init(&offenders, a->out->max);
    jw_open(&offenders, '[');
    for (size_t i = 0; i < ARRAY_SIZE(rules) && rc == 0; i++) {
        rc = try_rule(a, &rules[i], given_limit(a, OFFENDERS_SHOWN), &offenders, &totals[i], err);
        sum += totals[i];
    }
    jw_close(&offenders, ']');
    if (rc == 0 && buf_failed(&offenders))
        rc = err_nomem(err);
    if (rc < 0)
        return rc;
    jw_open(a->out, '{');
    jw_kbool(a->out, "sound", sum == 0);
    rc = count_rows(a, "tasks", "SELECT count(*) FROM tasker_tasks", err);
    if (rc == 0)
        rc = count_rows(a, "steps", "SELECT count(*) FROM tasker_workflow_steps", err);
    if (rc == 0)
        rc = count_rows(a, "transitions", "SELECT (SELECT count(*) FROM " TASK_ROWS ") + (SELECT count(*) FROM " STEP_ROWS ")",
                        err);
    write_rules(a->out, totals);
    jw_kraw(a->out, "offenders", buf_view(&offenders).p, buf_view(&offenders).len);
    jw_close(a->out, '}');
    return rc;
}
