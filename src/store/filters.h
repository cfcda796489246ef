// SPDX-License-Identifier: MIT
// filters.h - what lists can be narrowed by: one table per list. A row is the whole filter: the argument's name, its
// type, what it says, and its SQL. The table of operations makes the arguments of it, the lists their statements.
//
// Filters are joined by AND, in any order and number. None of them joins a table: what concerns other rows is an EXISTS
// or an IN, so a row is never there twice. SQL of both databases, but for what query_sql.h writes for them ({true},
// {now}, {us ...} and so on). A question mark stands for the argument; for lists in brackets.
//
// X(argument, type, kind, summary, condition). Kinds:
//   TEXT INT TIME   one value
//   STATE, STATES   names of states; anything else is refused. The condition is the column alone, NULL of what has no row
//                   and is pending
//   TEXTS, INTS     a list, of which one must fit: the condition says "IN ?"
//   EACH            a list, each of which must fit
//   BOOL            the condition, or with false its contrary
//   KEY             a key of a JSON object, which {has ...} looks for
//   VALUE           what stands under the key that the argument before names, as text: {value ...}
#ifndef STORE_FILTERS_H
#define STORE_FILTERS_H

#define FILTER_LIST_MAX 1000 // items of a list

// ---- parts

// The current row of a step's transitions.
#define STEP_NOW                                                                                                       \
    " LEFT JOIN tasker_workflow_step_transitions sr ON sr.workflow_step_id = s.workflow_step_id AND sr.most_recent = " \
    "{true}"
#define STEP_STATE "COALESCE(sr.to_state, 'pending')"
#define TASK_STATE "COALESCE(r.to_state, 'pending')"

// Some step of task t of which more holds.
#define SOME_STEP(more)                                                                                                \
    "EXISTS (SELECT 1 FROM tasker_workflow_steps s" STEP_NOW " WHERE s.task_id = t.task_id AND " more ")"

// The readiness rules of the Rails engine for step s with its current row sr.
#define STEP_DELAYED                                                                                                   \
    "((s.backoff_request_seconds IS NOT NULL AND s.last_attempted_at IS NOT NULL"                                      \
    " AND {us s.last_attempted_at} + s.backoff_request_seconds * CAST(1000000 AS bigint) > {now})"                     \
    " OR (" STEP_STATE " = 'error' AND {us sr.created_at} + CASE WHEN COALESCE(s.attempts, 1) >= 5 THEN 30000000"      \
    " WHEN COALESCE(s.attempts, 1) < 1 THEN 1000000 ELSE 1000000 * (1 << COALESCE(s.attempts, 1)) END > {now}))"
#define STEP_MAY_RUN                                                                                                   \
    STEP_STATE                                                                                                         \
    " IN ('pending', 'error') AND s.processed = {false} AND s.in_process = {false} AND s.retryable = {true}"           \
    " AND COALESCE(s.attempts, 0) < COALESCE(s.retry_limit, 3)"
#define STEP_FREE                                                                                                      \
    "NOT EXISTS (SELECT 1 FROM tasker_workflow_step_edges pe LEFT JOIN tasker_workflow_step_transitions pr"            \
    " ON pr.workflow_step_id = pe.from_step_id AND pr.most_recent = {true} WHERE pe.to_step_id = s.workflow_step_id"   \
    " AND COALESCE(pr.to_state, 'pending') NOT IN ('complete', 'resolved_manually'))"
#define STEP_READY STEP_MAY_RUN " AND NOT " STEP_DELAYED " AND " STEP_FREE
#define STEP_IN_BACKOFF STEP_MAY_RUN " AND " STEP_DELAYED
#define STEP_EXHAUSTED STEP_STATE " = 'error' AND COALESCE(s.attempts, 0) >= COALESCE(s.retry_limit, 3)"
#define STEP_ACTIVE STEP_STATE " IN ('pending', 'in_progress')"

// The filters ANNOTATION_... that were given speak of one annotation: they are put into this together.
#define SOME_ANNOTATION                                                                                                \
    "EXISTS (SELECT 1 FROM tasker_task_annotations x JOIN tasker_annotation_types xt"                                  \
    " ON xt.annotation_type_id = x.annotation_type_id WHERE x.task_id = t.task_id"

// ---- the tables

// t: the task, nt and n: its name and namespace, r: its current transition (or none), a: its place in the queue (or none)
#define TASK_FILTERS(X)                                                                                                \
    X("state", "string", STATE, "in this state", "r.to_state")                                                         \
    X("states", "strings", STATES, "in one of these states", "r.to_state")                                             \
    X("namespace", "string", TEXT, "of this namespace", "n.name = ?")                                                  \
    X("name", "string", TEXT, "of this name", "nt.name = ?")                                                           \
    X("version", "string", TEXT, "of this version", "nt.version = ?")                                                  \
    X("ids", "integers", INTS, "with these ids", "t.task_id IN ?")                                                     \
    X("identity", "string", TEXT, "of this identity", "t.identity_hash = ?")                                           \
    X("initiator", "string", TEXT, "asked for by this initiator", "t.initiator = ?")                                   \
    X("source_system", "string", TEXT, "from this system", "t.source_system = ?")                                      \
    X("reason", "string", TEXT, "asked for because of this", "t.reason = ?")                                           \
    X("tags", "strings", EACH, "with all of these tags", "{tagged t.tags}")                                            \
    X("annotation_type", "string", ANNOTATION_TEXT, "with an annotation of this type", "xt.name = ?")                  \
    X("annotation_key", "string", ANNOTATION_KEY, "with an annotation (of that type) that has this key",               \
      "{has x.annotation}")                                                                                            \
    X("annotation_value", "string", ANNOTATION_VALUE, "and this value under that key", "{value x.annotation}")         \
    X("created_since", "time", TIME, "created at this time or later", "t.created_at >= ?")                             \
    X("created_until", "time", TIME, "created before this time", "t.created_at < ?")                                   \
    X("requested_since", "time", TIME, "asked for at this time or later", "t.requested_at >= ?")                       \
    X("requested_until", "time", TIME, "asked for before this time", "t.requested_at < ?")                             \
    X("finished_since", "time", TIME, "finished at this time or later", TASK_ENDED " AND r.created_at >= ?")           \
    X("finished_until", "time", TIME, "finished before this time", TASK_ENDED " AND r.created_at < ?")                 \
    X("completed_since", "time", TIME, "with a step completed at this time or later",                                  \
      SOME_STEP("sr.to_state = 'complete' AND sr.created_at >= ?"))                                                    \
    X("failed_since", "time", TIME, "with a step in error since this time or later",                                   \
      SOME_STEP("sr.to_state = 'error' AND sr.created_at >= ?"))                                                       \
    X("active", "boolean", BOOL, "with a step that waits or runs", SOME_STEP(STEP_ACTIVE))                             \
    X("ready", "boolean", BOOL, "unfinished, with a step that may run now",                                            \
      "(" TASK_STATE " IN ('pending', 'in_progress') AND " SOME_STEP(STEP_READY) ")")                                  \
    X("in_backoff", "boolean", BOOL, "unfinished, with a step that waits for its next attempt",                        \
      "(" TASK_STATE " IN ('pending', 'in_progress') AND " SOME_STEP(STEP_IN_BACKOFF) ")")                             \
    X("queued", "boolean", BOOL, "in the queue: unfinished, and ours; quick whatever the history is",                  \
      "t.task_id IN (SELECT q.task_id FROM tasker_core_active q)")
#define TASK_ENDED TASK_STATE " IN ('complete', 'error', 'cancelled', 'resolved_manually')"

// s: the step, ns: its name, sr: its current transition (or none), ds: its system, t, nt, n: its task
#define STEP_FILTERS(X)                                                                                                \
    X("task_id", "integer", INT, "of this task", "s.task_id = ?")                                                      \
    X("task_ids", "integers", INTS, "of these tasks", "s.task_id IN ?")                                                \
    X("ids", "integers", INTS, "with these ids", "s.workflow_step_id IN ?")                                            \
    X("name", "string", TEXT, "of this name", "ns.name = ?")                                                           \
    X("named_step_id", "integer", INT, "of this named step", "s.named_step_id = ?")                                    \
    X("system", "string", TEXT, "of this dependent system", "ds.name = ?")                                             \
    X("task_name", "string", TEXT, "of tasks of this name", "nt.name = ?")                                             \
    X("namespace", "string", TEXT, "of tasks of this namespace", "n.name = ?")                                         \
    X("version", "string", TEXT, "of tasks of this version", "nt.version = ?")                                         \
    X("state", "string", STATE, "in this state", "sr.to_state")                                                        \
    X("states", "strings", STATES, "in one of these states", "sr.to_state")                                            \
    X("active", "boolean", BOOL, "waiting or running", STEP_ACTIVE)                                                    \
    X("ready", "boolean", BOOL, "may run now", STEP_READY)                                                             \
    X("in_backoff", "boolean", BOOL, "waiting for the next attempt", STEP_IN_BACKOFF)                                  \
    X("exhausted", "boolean", BOOL, "in error with no attempts left", STEP_EXHAUSTED)                                  \
    X("retryable", "boolean", BOOL, "may be tried again", "s.retryable = {true}")                                      \
    X("processed", "boolean", BOOL, "marked as processed", "s.processed = {true}")                                     \
    X("in_process", "boolean", BOOL, "marked as in process", "s.in_process = {true}")                                  \
    X("with_results", "boolean", BOOL, "with results", "s.results IS NOT NULL")                                        \
    X("attempts_min", "integer", INT, "with at least so many attempts", "COALESCE(s.attempts, 0) >= ?")                \
    X("root", "boolean", BOOL, "without parents", "NOT " STEP_HAS_PARENT)                                              \
    X("leaf", "boolean", BOOL, "without children", "NOT " STEP_HAS_CHILD)                                              \
    X("children_of", "integer", INT, "children of this step",                                                          \
      "s.workflow_step_id IN (SELECT e.to_step_id FROM tasker_workflow_step_edges e WHERE e.from_step_id = ?)")        \
    X("parents_of", "integer", INT, "parents of this step",                                                            \
      "s.workflow_step_id IN (SELECT e.from_step_id FROM tasker_workflow_step_edges e WHERE e.to_step_id = ?)")        \
    X("siblings_of", "integer", INT, "others with exactly the parents of this step, of which it has one at least",     \
      STEP_SIBLING)                                                                                                    \
    X("created_since", "time", TIME, "created at this time or later", "s.created_at >= ?")                             \
    X("created_until", "time", TIME, "created before this time", "s.created_at < ?")                                   \
    X("task_created_since", "time", TIME, "of tasks created at this time or later", "t.created_at >= ?")               \
    X("completed_since", "time", TIME, "completed at this time or later",                                              \
      "sr.to_state = 'complete' AND sr.created_at >= ?")                                                               \
    X("failed_since", "time", TIME, "in error since this time or later", "sr.to_state = 'error' AND sr.created_at >= ?")
#define STEP_HAS_PARENT "EXISTS (SELECT 1 FROM tasker_workflow_step_edges e WHERE e.to_step_id = s.workflow_step_id)"
#define STEP_HAS_CHILD "EXISTS (SELECT 1 FROM tasker_workflow_step_edges e WHERE e.from_step_id = s.workflow_step_id)"
// Neither has a parent that the other lacks. `o` is the step asked for.
#define STEP_SIBLING                                                                                                   \
    "s.workflow_step_id {among}SELECT w.workflow_step_id FROM tasker_workflow_steps o JOIN tasker_workflow_steps w"    \
    " ON w.task_id = o.task_id AND w.workflow_step_id <> o.workflow_step_id WHERE o.workflow_step_id = ?"              \
    " AND EXISTS (SELECT 1 FROM tasker_workflow_step_edges e WHERE e.to_step_id = o.workflow_step_id)"                 \
    " AND NOT EXISTS (SELECT 1 FROM tasker_workflow_step_edges e WHERE e.to_step_id = o.workflow_step_id"              \
    "  AND NOT EXISTS (SELECT 1 FROM tasker_workflow_step_edges m WHERE m.to_step_id = w.workflow_step_id"             \
    "   AND m.from_step_id = e.from_step_id))"                                                                         \
    " AND NOT EXISTS (SELECT 1 FROM tasker_workflow_step_edges e WHERE e.to_step_id = w.workflow_step_id"              \
    "  AND NOT EXISTS (SELECT 1 FROM tasker_workflow_step_edges m WHERE m.to_step_id = o.workflow_step_id"             \
    "   AND m.from_step_id = e.from_step_id)){end}"

// r: the transition. Of tasks: t. Of steps: s, and t its task.
#define TRANSITION_FILTERS(X)                                                                                          \
    X("task_id", "integer", INT, "of this task, or of its steps", "t.task_id = ?")                                     \
    X("namespace", "string", TEXT, "of tasks of this namespace", "n.name = ?")                                         \
    X("task_name", "string", TEXT, "of tasks of this name", "nt.name = ?")                                             \
    X("to_state", "string", STATE, "into this state", "r.to_state")                                                    \
    X("to_states", "strings", STATES, "into one of these states", "r.to_state")                                        \
    X("most_recent", "boolean", BOOL, "the current ones", "r.most_recent = {true}")                                    \
    X("since", "time", TIME, "at this time or later", "r.created_at >= ?")                                             \
    X("until", "time", TIME, "before this time", "r.created_at < ?")                                                   \
    X("metadata_key", "string", KEY, "with this key in the metadata", "{has r.metadata}")                              \
    X("metadata_value", "string", VALUE, "and this value under that key", "{value r.metadata}")

// e: the edge, f and s: the steps it comes from and leads to
#define EDGE_FILTERS(X)                                                                                                \
    X("task_id", "integer", INT, "of this task", "s.task_id = ?")                                                      \
    X("task_ids", "integers", INTS, "of these tasks", "s.task_id IN ?")                                                \
    X("ids", "integers", INTS, "with these ids", "e.id IN ?")                                                          \
    X("from_step_id", "integer", INT, "to the children of this step", "e.from_step_id = ?")                            \
    X("to_step_id", "integer", INT, "from the parents of this step", "e.to_step_id = ?")                               \
    X("name", "string", TEXT, "of this name", "e.name = ?")

// nt: the named task, n: its namespace, c: its current template (or none)
#define TEMPLATE_FILTERS(X)                                                                                            \
    X("namespace", "string", TEXT, "of this namespace", "n.name = ?")                                                  \
    X("name", "string", TEXT, "of this name", "nt.name = ?")                                                           \
    X("version", "string", TEXT, "of this version", "nt.version = ?")                                                  \
    X("hash", "string", TEXT, "with this content", "c.hash = ?")                                                       \
    X("step", "string", TEXT, "with a step of this name",                                                              \
      "EXISTS (SELECT 1 FROM tasker_named_tasks_named_steps p JOIN tasker_named_steps ps"                              \
      " ON ps.named_step_id = p.named_step_id WHERE p.named_task_id = nt.named_task_id AND ps.name = ?)")              \
    X("created_since", "time", TIME, "stored at this time or later", "c.created_at >= ?")                              \
    X("used", "boolean", BOOL, "with tasks",                                                                           \
      "EXISTS (SELECT 1 FROM tasker_tasks u WHERE u.named_task_id = nt.named_task_id)")

#define NAMESPACE_FILTERS(X)                                                                                           \
    X("name", "string", TEXT, "of this name", "n.name = ?")                                                            \
    X("custom", "boolean", BOOL, "all but \"default\"", "n.name <> 'default'")                                         \
    X("used", "boolean", BOOL, "with named tasks",                                                                     \
      "EXISTS (SELECT 1 FROM tasker_named_tasks u WHERE u.task_namespace_id = n.task_namespace_id)")

#define SYSTEM_FILTERS(X)                                                                                              \
    X("name", "string", TEXT, "of this name", "d.name = ?")                                                            \
    X("used", "boolean", BOOL, "with named steps",                                                                     \
      "EXISTS (SELECT 1 FROM tasker_named_steps u WHERE u.dependent_system_id = d.dependent_system_id)")

// m: the map, d1 and d2: its systems
#define MAP_FILTERS(X)                                                                                                 \
    X("system", "string", TEXT, "with an object of this system, on either side", "? IN (d1.name, d2.name)")            \
    X("system_one", "string", TEXT, "stored with this system first", "d1.name = ?")                                    \
    X("system_two", "string", TEXT, "stored with this system second", "d2.name = ?")                                   \
    X("id", "string", TEXT, "with this id, on either side", "? IN (m.remote_id_one, m.remote_id_two)")                 \
    X("id_one", "string", TEXT, "with this id first", "m.remote_id_one = ?")                                           \
    X("id_two", "string", TEXT, "with this id second", "m.remote_id_two = ?")                                          \
    X("created_since", "time", TIME, "made at this time or later", "m.created_at >= ?")

// x: the annotation, xt: its type
#define ANNOTATION_FILTERS(X)                                                                                          \
    X("task_id", "integer", INT, "of this task", "x.task_id = ?")                                                      \
    X("type", "string", TEXT, "of this type", "xt.name = ?")                                                           \
    X("key", "string", KEY, "with this key", "{has x.annotation}")                                                     \
    X("value", "string", VALUE, "and this value under that key", "{value x.annotation}")                               \
    X("created_since", "time", TIME, "made at this time or later", "x.created_at >= ?")

// xt: the type
#define ANNOTATION_TYPE_FILTERS(X)                                                                                     \
    X("name", "string", TEXT, "of this name", "xt.name = ?")                                                           \
    X("used", "boolean", BOOL, "with annotations",                                                                     \
      "EXISTS (SELECT 1 FROM tasker_task_annotations u WHERE u.annotation_type_id = xt.annotation_type_id)")

#endif
