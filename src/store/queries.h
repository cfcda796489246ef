// SPDX-License-Identifier: MIT
// queries.h - the read-only questions that a store answers as JSON, by name. Both backends answer
// them alike.
//
// Arguments are members of one JSON object; the floors above have checked their types, and a wrong
// one counts as not given. Answers are one JSON object. Times in answers are ISO 8601 with six
// digits and Z, or null. Results and contexts are spliced in as they are stored.
// TASKER_E_NOT_FOUND: no such task, step or template; TASKER_E_INVALID: an argument that cannot be
// (a state nobody has, a text that is no cursor). Adding a query is one row here and one function
// in each backend, or in QUERIES_SHARED one function for both (inquiry.h).
//
// - task.state {task_id}: {"task_id", "state"}
// - task.show {task_id}: {"task_id", "namespace", "name", "version", "state", "priority",
//   "context", "initiator", "source_system", "reason", "tags", "bypass_steps", "identity",
//   "requested_at", "run_at", "deadline", "started_at", "finished_at", "duration_ms", "crashes",
//   "owner", "error", "steps": [STEP], "transitions": [ROW]}. owner: name of the engine that has
//   it, null when none. error: why it ended in error, else null. Steps stand in the order of the
//   template.
// - STEP: {"step_id", "name", "state", "attempts", "retry_limit", "retryable", "depends_on":
//   [names], "results", "error", "started_at", "finished_at", "next_retry_at", "handler_class",
//   "transitions": [ROW]}. results: null until the step is done. error: {"message", "class",
//   "category", "code", "retryable", "remediation"} of the last failed attempt of a step that is
//   not done, else null.
// - ROW: {"from", "to", "at", "metadata"}
// - task.export {task_id}: the task with everything that belongs to it, as document.h says
// - step.show {task_id, step}: STEP, and "task_id", "inputs", "backtrace" (of the error, or null)
// - step.log {task_id, step, attempt}: {"task_id", "step_id", "step", "attempts": [{"attempt",
//   "outcome", "at", "text"}]}
// - task.explain {task_id}: {"task_id", "state", "code", "explanation", "until", "owner", "steps":
//   [EXPLAINED], "next"}. owner: {"lane_id", "name", "host", "process", "alive", "lease_until"} or
//   null. code: finished, failed, set_aside, scheduled, waiting_for_engine, owned, owner_silent,
//   belongs_to_rails.
// - EXPLAINED: {"step_id", "step", "state", "code", "explanation"} and, where they say more,
//   "parents": [{"step", "state"}], "blocked_by": [names], "until", "in_seconds", "since",
//   "attempt", "engine", "timeout_at", "handler_class", "error", "command". code: done,
//   waiting_for_parents, blocked_by, in_backoff, running, offered, no_worker, ready,
//   waiting_for_task, failed, cancelled.
// - lists: {limit (50, 1..1000), after, order ("newest", "oldest"), count, and the filters of
//   filters.h}: {NAME: [rows], "next", "total"}. `next` is the `after` of the next page, null behind
//   the last; `total` (with `count`) is the number of all that fit the filters, else null. Rows stand
//   in the order of their ids. NAME and the members of a row:
//   task.list "tasks": "task_id", "namespace", "name", "version", "state", "priority", "initiator",
//     "source_system", "reason", "tags", "identity", "created_at", "requested_at", "run_at",
//     "started_at", "finished_at", "duration_ms"; priority and run_at are null outside of the queue
//   step.list "steps": "step_id", "task_id", "name", "system", "state", "attempts", "retry_limit",
//     "retryable", "skippable", "in_process", "processed", "backoff_seconds", "state_at",
//     "last_attempted_at", "processed_at", "created_at"
//   transition.list {of ("tasks", "steps"), step_id} "transitions": "transition_id", "task_id",
//     "step_id", "step", "from", "to", "at", "sort_key", "most_recent", "metadata"
//   edge.list "edges", oldest first: "edge_id", "task_id", "from_step_id", "from_step",
//     "to_step_id", "to_step", "name", "created_at"
//   template.list {latest, unregistered} "templates", oldest first: "template_id", "named_task_id",
//     "namespace", "name", "version", "description", "hash", "directory", "created_at"; the current
//     ones, and with `unregistered` named tasks of which there is none (template_id null)
//   namespace.list "namespaces", oldest first: "namespace_id", "name", "description", "named_tasks",
//     "created_at"
//   system.list "systems", oldest first: "system_id", "name", "description", "named_steps",
//     "object_maps", "created_at"
//   annotation.list "annotations": "annotation_id", "task_id", "type", "annotation", "created_at"
//   annotation.types "annotation_types", oldest first: "annotation_type_id", "name", "description",
//     "annotations", "created_at"
//   map.list "maps": "map_id", "system_one", "id_one", "system_two", "id_two", "created_at"
// - map.find {system_one, id_one, system_two}: {"system", "id", "matches": [{"map_id", "system", "id", "created_at"}],
//   "more"}: what an object is mapped to (in system_two, or anywhere), whichever side it was stored on; 1,000 at most
// - task.context {task_id or task_ids}: {"contexts": [{"task_id", "named_task_id", "status",
//   "total_steps", "pending_steps", "in_progress_steps", "completed_steps", "failed_steps",
//   "ready_steps", "execution_status", "recommended_action", "completion_percentage",
//   "health_status", "urgency", "can_proceed"}]}, by id, unknown ones of several left out
// - step.readiness {task_id or task_ids, step_ids, only}: {"steps": [{"step_id", "task_id",
//   "named_step_id", "name", "state", "ready", "blocking_reason", "dependencies_satisfied",
//   "dependency_status", "total_parents", "completed_parents", "retry_eligible", "retry_status",
//   "attempts", "retry_limit", "last_failure_at", "next_retry_at", "seconds_until_ready",
//   "backoff_type", "backoff_request_seconds", "effective_backoff_seconds", "last_attempted_at"}]}.
//   blocking_reason: null when ready, else the first of dependencies_not_satisfied,
//   retry_not_eligible, invalid_state, not_retryable, in_process, processed, in_backoff.
// - task.dag {task_id}: {"task_id", "steps": [{"step_id", "name", "parent_step_ids",
//   "child_step_ids", "parent_count", "child_count", "is_root_step", "is_leaf_step",
//   "min_depth_from_root" (null: deeper than 50, or never reached)}]}
// - task.levels {task_id}: {"task_id", "levels", "steps": [{"step_id", "name", "level"}]}: longest
//   paths from a root; steps of a cycle and behind it are left out
// - analytics.metrics {since (an hour ago)}: the columns of get_analytics_metrics_v01
// - health.score {since (an hour ago)}: {"score", "label", "failed_tasks": PART, "exhausted_steps":
//   PART, "late_tasks": PART, "since"}; PART: {"count", "of", "lost"}. score: 100 less what the
//   parts lost: 50 * failed / ended tasks, 20 * exhausted / steps in error, 30 * late / queued
// - task.slowest, step.slowest {since (24 hours ago), namespace, name, version, limit (10)}:
//   {"tasks" or "steps": [...], "since"}, with "duration_seconds" from creation
// - template.stats {since (24 hours ago), namespace, name, version, limit (100)}: {"templates":
//   [{"named_task_id", "namespace", "name", "version", "tasks", a count for each state, "steps",
//   "attempts", "retries", "retried_steps", "success_rate", "p50_seconds", "p95_seconds",
//   "p99_seconds", "max_seconds", "mean_seconds"}], "since"}: of tasks created since then;
//   durations of complete ones, from the last start
// - template.show {namespace ("default"), name, version ("latest")}: the same members and
//   "definition", the canonical form
// - health {}: {"tasks": {state: count}, "steps": {state: count}, "unfinished", "unservable",
//   "engines": [{"lane_id", "name", "host", "process", "alive", "lease_until", "silent_seconds",
//   "started_at", "classes", "tasks"}], "queue": {"active", "owned", "due", "scheduled",
//   "stranded", "oldest_due_at"}, "offers": {"open", "running"}, "unserved": [{"handler_class",
//   "steps"}], "set_aside": [{"task_id", "reason", "at"}]}. unservable: unfinished tasks that can
//   only wait for a worker that nobody has.
// - log {after ("0.0"), limit (100, 1..1000)}: {"events": [EVENT], "cursor", "more"}, the
//   transition rows behind a cursor as events. A cursor is "<id of a task's transition>.<id of a
//   step's>": everything up to both has been given. Events of one task stand in order: its start
//   first, then its steps', its end last.
// - db.verify {limit (10)}: {"sound", "tasks", "steps", "transitions", "rules": [{"rule", "says",
//   "offenders"}], "offenders": [{"rule", "table", "row_id", "task_id", "detail"}]}: every rule with
//   the number of rows that no history explains, and the first `limit` of them
// - EVENT: {"event", "task_id" (text), "task_name", "namespace", "version", "from_state",
//   "to_state", "timestamp", "cursor"}, for steps "step_id" (text) and "step_name", and where the
//   row tells them "attempt", "engine", "reason", "by", "error_message", "error_category",
//   "error_code", "retry_at"
// - log.end {}: {"cursor"}, the end of the log
#ifndef STORE_QUERIES_H
#define STORE_QUERIES_H

// X(function behind query_, name). Each is one function for both databases (inquiry.h).
#define QUERIES_SHARED(X)                                                                          \
    X(task_state, "task.state")                                                                    \
    X(task_show, "task.show")                                                                      \
    X(task_explain, "task.explain")                                                                \
    X(task_export, "task.export")                                                                  \
    X(step_show, "step.show")                                                                      \
    X(step_log, "step.log")                                                                        \
    X(template_show, "template.show")                                                              \
    X(health, "health")                                                                            \
    X(log, "log")                                                                                  \
    X(log_end, "log.end")                                                                          \
    X(task_list, "task.list")                                                                      \
    X(step_list, "step.list")                                                                      \
    X(transition_list, "transition.list")                                                          \
    X(edge_list, "edge.list")                                                                      \
    X(template_list, "template.list")                                                              \
    X(namespace_list, "namespace.list")                                                            \
    X(system_list, "system.list")                                                                  \
    X(annotation_list, "annotation.list")                                                          \
    X(annotation_types, "annotation.types")                                                        \
    X(task_context, "task.context")                                                                \
    X(step_readiness, "step.readiness")                                                            \
    X(task_dag, "task.dag")                                                                        \
    X(task_levels, "task.levels")                                                                  \
    X(analytics_metrics, "analytics.metrics")                                                      \
    X(health_score, "health.score")                                                                \
    X(task_slowest, "task.slowest")                                                                \
    X(step_slowest, "step.slowest")                                                                \
    X(template_stats, "template.stats")                                                            \
    X(map_list, "map.list")                                                                        \
    X(map_find, "map.find")                                                                        \
    X(db_verify, "db.verify")

// Writing operations, one function each for both.
// - annotation.add {task_id, type, annotation}: {"annotation_id", "task_id", "type", "annotation", "created_at"}. The type
//   is found or created. annotation.remove {annotation_id}: {"annotation_id", "task_id"}
// - annotation.type {name, description}: finds, describes or creates one: {"annotation_type_id", "name", "description",
//   "created"}. system.register the same with "system_id"
// - map.set {system_one, id_one, system_two, id_two, unique}: {"map_id", the four, "created"}; systems are created.
//   map.remove: {"map_id", the four, "removed"}, both orders
// - db.prune {older_than or before, states (complete, cancelled, resolved_manually), namespace, name, version, all,
//   dry_run, after (0), take (100)}: one batch of at most `take` tasks with an id above `after`: {"before", "tasks",
//   "steps", "edges", "transitions", "annotations", "logs", "busy", "next"}. busy: tasks passed by because somebody works
//   on them; next: the `after` of the next batch, null when there are no more ids
// - task.adopt {engine, reason, by, priority (normal), task_id}: takes a task over from the Rails engine: {"task_id",
//   "state", "adopted", "template_id", "steps", "made_steps"}. adopted: false for a task that is ours already. TASKER_E_STATE:
//   not pending, or one of its steps runs; TASKER_E_CONFLICT: its steps are not those of the template; TASKER_E_BUSY:
//   somebody holds its rows. Without task_id {namespace (default), name, version (0.1.0), after (0), take (100)}: one batch
//   of the template's waiting tasks with an id above `after`: {"adopted", "skipped": [{"reason", "tasks", "task_id",
//   "message"}], "next"}. reason: in_progress, step_in_progress, steps_differ, busy, changed; task_id and message are
//   those of the first; next: the `after` of the next batch, null when there are no more
// - task.import {document}: writes the task of a document (document.h) under new ids: {"task_id", "exported_task_id", "state",
//   "steps"}. It is in nobody's queue. TASKER_E_INVALID, TASKER_E_TOO_BIG: a member that cannot be; TASKER_E_UNSUPPORTED: a
//   newer format; TASKER_E_DUPLICATE: its identity is taken
#define OPERATIONS(X)                                                                              \
    X(annotation_add, "annotation.add")                                                            \
    X(annotation_remove, "annotation.remove")                                                      \
    X(annotation_type, "annotation.type")                                                          \
    X(system_register, "system.register")                                                          \
    X(map_set, "map.set")                                                                          \
    X(map_remove, "map.remove")                                                                    \
    X(db_prune, "db.prune")                                                                        \
    X(task_adopt, "task.adopt")                                                                    \
    X(task_import, "task.import")

#define QUERY_LIMIT_MAX 1000

#endif
