// SPDX-License-Identifier: MIT
// queries.h - the read-only questions that a store answers as JSON, by name. Both backends answer
// them alike.
//
// Arguments are members of one JSON object; the floors above have checked their types, and a wrong
// one counts as not given. Answers are one JSON object. Times in answers are ISO 8601 with six
// digits and Z, or null. Results and contexts are spliced in as they are stored.
// TASKER_E_NOT_FOUND: no such task, step or template; TASKER_E_INVALID: an argument that cannot be
// (a state nobody has, a text that is no cursor). Adding a query is one row here and one function
// in each backend.
//
// - task.state {task_id}: {"task_id", "state"}
// - task.list {state, namespace, name, version, limit (50, 1..1000), after}: {"tasks": [{"task_id",
//   "namespace", "name", "version", "state", "priority", "initiator", "reason", "tags",
//   "requested_at", "run_at", "started_at", "finished_at", "duration_ms"}], "next"}, newest first;
//   `next` is the `after` of the next page, null behind the last. priority and run_at are null when
//   the task is finished.
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
// - step.show {task_id, step}: STEP, and "task_id", "inputs", "backtrace" (of the error, or null)
// - step.log {task_id, step, attempt}: {"task_id", "step_id", "step", "attempts": [{"attempt",
//   "outcome", "at", "text"}]}
// - task.explain {task_id}: {"task_id", "state", "code", "explanation", "until", "owner", "steps":
//   [EXPLAINED], "next"}. owner: {"lane_id", "name", "host", "process", "alive", "lease_until"} or
//   null. code: finished, failed, set_aside, scheduled, waiting_for_engine, owned, owner_silent.
// - EXPLAINED: {"step_id", "step", "state", "code", "explanation"} and, where they say more,
//   "parents": [{"step", "state"}], "blocked_by": [names], "until", "in_seconds", "since",
//   "attempt", "engine", "timeout_at", "handler_class", "error", "command". code: done,
//   waiting_for_parents, blocked_by, in_backoff, running, offered, no_worker, ready,
//   waiting_for_task, failed, cancelled.
// - template.list {}: {"templates": [{"template_id", "namespace", "name", "version", "hash",
//   "directory", "created_at"}]}, current ones
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
// - EVENT: {"event", "task_id" (text), "task_name", "namespace", "version", "from_state",
//   "to_state", "timestamp", "cursor"}, for steps "step_id" (text) and "step_name", and where the
//   row tells them "attempt", "engine", "reason", "by", "error_message", "error_category",
//   "error_code", "retry_at"
// - log.end {}: {"cursor"}, the end of the log
#ifndef STORE_QUERIES_H
#define STORE_QUERIES_H

// X(function behind query_, name)
#define QUERIES(X)                                                                                 \
    X(task_state, "task.state")                                                                    \
    X(task_list, "task.list")                                                                      \
    X(task_show, "task.show")                                                                      \
    X(task_explain, "task.explain")                                                                \
    X(step_show, "step.show")                                                                      \
    X(step_log, "step.log")                                                                        \
    X(template_list, "template.list")                                                              \
    X(template_show, "template.show")                                                              \
    X(health, "health")                                                                            \
    X(log, "log")                                                                                  \
    X(log_end, "log.end")

#define QUERY_LIMIT_MAX 1000

#endif
