// SPDX-License-Identifier: MIT
// sqlite_statements.h - every statement that the SQLite backend prepares once and uses again, in
// one list: name and text. Parameters are numbered where one is used twice, and bound in the order
// in which they first appear.
//
// A statement that runs for every row of a turn finds its row by a primary key or a unique index
// and touches nothing else. Partial indexes are found only by their literal condition (most_recent
// = 1, lane_id IS NULL).
#ifndef STORE_SQLITE_STATEMENTS_H
#define STORE_SQLITE_STATEMENTS_H

// Which template a task was started with: named by its latest start transition, else the current
// one of its kind (a task that never started). Parameter ?1 is the task.
#define TEMPLATE_OF_TASK                                                                           \
    "coalesce((SELECT json_extract(metadata, '$.template_id') FROM tasker_task_transitions WHERE " \
    "task_id = ?1 "                                                                                \
    "AND to_state = 'in_progress' AND json_extract(metadata, '$.template_id') IS NOT NULL "        \
    "ORDER BY sort_key DESC LIMIT 1), "                                                            \
    "(SELECT c.template_id FROM tasker_tasks k JOIN tasker_core_templates c ON c.named_task_id = " \
    "k.named_task_id "                                                                             \
    "AND c.current = 1 WHERE k.task_id = ?1), 0)"

#define DONE_STATES "('complete', 'resolved_manually')"

#define TRANSACTION_STATEMENTS(X)                                                                  \
    X(BEGIN, "BEGIN IMMEDIATE")                                                                    \
    X(BEGIN_READ, "BEGIN")                                                                         \
    X(COMMIT, "COMMIT")                                                                            \
    X(ROLLBACK, "ROLLBACK")                                                                        \
    X(DATA_VERSION, "PRAGMA data_version")                                                         \
    X(META_GET, "SELECT value FROM tasker_core_meta WHERE key = ?")                                \
    X(META_SET, "INSERT INTO tasker_core_meta(key, value) VALUES (?, ?) "                          \
                "ON CONFLICT(key) DO UPDATE SET value = excluded.value")

#define TURN_STATEMENTS(X)                                                                         \
    X(FENCE, "UPDATE tasker_core_lanes SET turn = ?1, expires_at = ?2, lease_us = ?3 WHERE "       \
             "lane_id = ?4 AND turn = ?1 - 1")                                                                      \
    X(LANE_SETTLE, "UPDATE tasker_core_lanes SET turn = turn + 2 WHERE lane_id = ? AND turn = ? - 1") \
    X(LANE_TURN, "SELECT turn FROM tasker_core_lanes WHERE lane_id = ?")                           \
    X(LANE_INSERT,                                                                                 \
      "INSERT INTO tasker_core_lanes(turn, expires_at, lease_us, host, boot_id, process, name, "   \
      "classes, started_at) VALUES (0, ?, ?, ?, ?, ?, ?, '[]', ?)")                                            \
    X(LANE_DELETE, "DELETE FROM tasker_core_lanes WHERE lane_id = ?")                              \
    X(LANES_EXPIRED, "DELETE FROM tasker_core_lanes WHERE expires_at < ? AND lane_id <> ?")        \
    X(ACTIVE_SWEEP,                                                                                \
      "UPDATE tasker_core_active SET lane_id = NULL, suspect = 1, crashes = crashes + EXISTS ("    \
      "SELECT 1 FROM tasker_workflow_steps s JOIN tasker_workflow_step_transitions t "             \
      "ON t.workflow_step_id = s.workflow_step_id AND t.most_recent = 1 "                          \
      "WHERE s.task_id = tasker_core_active.task_id AND s.processed = 0 AND t.to_state = "         \
      "'in_progress' "                                                                             \
      "AND NOT EXISTS (SELECT 1 FROM tasker_core_dispatch d JOIN tasker_core_lanes w ON "          \
      "w.lane_id = d.worker_lane "                                                                 \
      "WHERE d.task_id = s.task_id AND d.workflow_step_id = s.workflow_step_id)) "                 \
      "WHERE lane_id IS NOT NULL AND NOT EXISTS ("                                                 \
      "SELECT 1 FROM tasker_core_lanes l WHERE l.lane_id = tasker_core_active.lane_id)")           \
    X(REQUESTS_SWEEP, "DELETE FROM tasker_core_requests WHERE asker_lane NOT IN "                  \
                      "(SELECT lane_id FROM tasker_core_lanes)")                                   \
    X(ACTIVE_FREE, "UPDATE tasker_core_active SET lane_id = NULL WHERE lane_id = ?")               \
    X(OFFERS_FREE, "UPDATE tasker_core_dispatch SET worker_lane = NULL, begun_at = NULL "          \
                   "WHERE worker_lane = ? AND verdict IS NULL AND cancel = 0")                     \
    X(REQUESTS_FREE, "DELETE FROM tasker_core_requests WHERE asker_lane = ?")                      \
    X(SEQUENCE_TAKE, "UPDATE sqlite_sequence SET seq = seq + ? WHERE name = ? RETURNING seq")      \
    X(ACTIVE_DUE_COUNT,                                                                            \
      "SELECT count(*) FROM (SELECT 1 FROM tasker_core_active "                                    \
      "INDEXED BY tasker_core_active_due WHERE lane_id IS NULL AND run_at <= ? LIMIT 1000)")       \
    X(ACTIVE_DUE, "SELECT task_id FROM tasker_core_active INDEXED BY tasker_core_active_due "      \
                  "WHERE lane_id IS NULL AND run_at <= ? ORDER BY priority, task_id LIMIT ?")      \
    X(ACTIVE_QUEUE, "SELECT task_id FROM tasker_core_active INDEXED BY tasker_core_active_queue "  \
                    "WHERE lane_id IS NULL AND run_at <= ? ORDER BY priority, task_id LIMIT ?")    \
    X(ACTIVE_TAKE,                                                                                 \
      "UPDATE tasker_core_active SET lane_id = ? WHERE task_id = ? AND lane_id IS NULL")           \
    X(ACTIVE_OWNER,                                                                                \
      "SELECT coalesce(a.lane_id, 0), l.lane_id IS NOT NULL FROM tasker_core_active a "            \
      "LEFT JOIN tasker_core_lanes l ON l.lane_id = a.lane_id WHERE a.task_id = ?")                \
    X(ACTIVE_REVIVE,                                                                               \
      "INSERT INTO tasker_core_active(task_id, priority, run_at, lane_id, crashes, suspect, "      \
      "template_id, deadline) SELECT task_id, ?2, ?3, ?4, 0, 0, " TEMPLATE_OF_TASK                 \
      ", NULL FROM tasker_tasks WHERE task_id = ?1 AND EXISTS (SELECT 1 FROM "                     \
      "tasker_task_transitions n WHERE n.task_id = ?1 AND n.most_recent = 1 AND "                  \
      "json_extract(n.metadata, '$.engine') IS NOT NULL AND "                                      \
      "json_extract(n.metadata, '$.released') IS NULL)")                                           \
    X(TASK_EXISTS, "SELECT count(*) FROM tasker_tasks WHERE task_id = ?")                          \
    X(OFFERS_QUEUE,                                                                                \
      "SELECT d.token, d.task_id, d.workflow_step_id, d.attempt, d.deadline_us "                   \
      "FROM tasker_core_dispatch d WHERE d.handler_class = ?1 AND d.worker_lane IS NULL "          \
      "AND d.cancel = 0 ORDER BY d.token LIMIT ?2")                                                \
    X(OFFER_TAKE, "UPDATE tasker_core_dispatch SET worker_lane = ?, begun_at = ? WHERE token = ?") \
    X(TASK_BY_IDENTITY, "SELECT task_id FROM tasker_tasks WHERE identity_hash = ?")

#define CHANGE_STATEMENTS(X)                                                                       \
    X(TASK_INSERT, "INSERT INTO tasker_tasks(task_id, named_task_id, complete, requested_at, "     \
                   "initiator, source_system, reason, "                                            \
                   "bypass_steps, tags, context, identity_hash, created_at, updated_at) "          \
                   "VALUES (?1, ?2, 0, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?11)")                \
    X(STEP_INSERT,                                                                                 \
      "INSERT INTO tasker_workflow_steps(workflow_step_id, task_id, named_step_id, retryable, "    \
      "retry_limit, "                                                                              \
      "in_process, processed, attempts, inputs, results, created_at, updated_at, skippable) "      \
      "VALUES (?1, ?2, ?3, ?4, ?5, 0, 0, 0, ?6, '{}', ?7, ?7, ?8)")                                \
    X(EDGE_INSERT, "INSERT INTO tasker_workflow_step_edges(from_step_id, to_step_id, name, "       \
                   "created_at, updated_at) "                                                      \
                   "VALUES (?1, ?2, 'provides', ?3, ?3)")                                          \
    X(TASK_FLIP, "UPDATE tasker_task_transitions SET most_recent = 0, updated_at = ? "             \
                 "WHERE task_id = ? AND most_recent = 1")                                          \
    X(STEP_FLIP, "UPDATE tasker_workflow_step_transitions SET most_recent = 0, updated_at = ? "    \
                 "WHERE workflow_step_id = ? AND most_recent = 1")                                 \
    X(TASK_ROW, "INSERT INTO tasker_task_transitions(to_state, from_state, metadata, sort_key, "   \
                "most_recent, task_id, "                                                           \
                "created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)")                 \
    X(STEP_ROW,                                                                                    \
      "INSERT INTO tasker_workflow_step_transitions(to_state, from_state, metadata, sort_key, "    \
      "most_recent, "                                                                              \
      "workflow_step_id, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)")         \
    X(TASK_COMPLETE, "UPDATE tasker_tasks SET complete = ?, updated_at = ? WHERE task_id = ?")     \
    X(STEP_UPDATE, "UPDATE tasker_workflow_steps SET in_process = 0, processed = ?, processed_at " \
                   "= ?, attempts = ?, "                                                           \
                   "last_attempted_at = ?, backoff_request_seconds = ?, updated_at = ? WHERE "     \
                   "workflow_step_id = ?")                                                         \
    X(STEP_RESULTS, "UPDATE tasker_workflow_steps SET in_process = 0, processed = ?, "             \
                    "processed_at = ?, attempts = ?, "                                             \
                    "last_attempted_at = ?, backoff_request_seconds = ?, updated_at = ?, results " \
                    "= ? WHERE workflow_step_id = ?")                                              \
    X(ACTIVE_INSERT,                                                                               \
      "INSERT INTO tasker_core_active(priority, run_at, lane_id, crashes, suspect, template_id, "  \
      "deadline, task_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?)")                                        \
    X(ACTIVE_UPDATE, "UPDATE tasker_core_active SET priority = ?, run_at = ?, lane_id = ?, "       \
                     "crashes = ?, suspect = ?, "                                                  \
                     "template_id = ?, deadline = ? WHERE task_id = ?")                            \
    X(ACTIVE_DELETE, "DELETE FROM tasker_core_active WHERE task_id = ?")                           \
    X(OFFER_INSERT, "INSERT INTO tasker_core_dispatch(token, task_id, workflow_step_id, attempt, " \
                    "handler_class, "                                                              \
                    "deadline_us, cancel) VALUES (?, ?, ?, ?, ?, ?, 0)")                           \
    X(OFFER_DELETE, "DELETE FROM tasker_core_dispatch WHERE token = ?")                            \
    X(OFFER_CANCEL, /* nobody runs it: then lane 0, which never exists, has lost it */             \
      "UPDATE tasker_core_dispatch SET cancel = 1, worker_lane = coalesce(worker_lane, 0) "        \
      "WHERE token = ?")                                                                           \
    X(OFFER_ANSWER, "UPDATE tasker_core_dispatch SET verdict = ?, answer = ?, log = ? "            \
                    "WHERE token = ? AND worker_lane = ? AND verdict IS NULL")                     \
    X(OFFER_RELEASE, /* a cancelled one is over: its owner is told by a verdict that counts for nothing */ \
      "UPDATE tasker_core_dispatch SET verdict = CASE WHEN cancel = 1 THEN 0 END, "                \
      "worker_lane = CASE WHEN cancel = 1 THEN worker_lane END, "                                  \
      "begun_at = CASE WHEN cancel = 1 THEN begun_at END "                                         \
      "WHERE token = ? AND worker_lane = ? AND verdict IS NULL")                                   \
    X(REQUEST_INSERT, "INSERT INTO tasker_core_requests(task_id, asker_lane, body, created_at) "   \
                      "VALUES (?, ?, ?, ?)")                                                       \
    X(REQUEST_ANSWER, "UPDATE tasker_core_requests SET answer = ? WHERE request_id = ?")           \
    X(REQUESTS_AGAIN, "UPDATE tasker_core_requests SET answer = '{\"again\":true}' "               \
                      "WHERE task_id = ? AND answer IS NULL")                                      \
    X(REQUEST_DELETE, "DELETE FROM tasker_core_requests WHERE request_id = ?")                     \
    X(LOG_INSERT,                                                                                  \
      "INSERT INTO tasker_core_logs(workflow_step_id, attempt, outcome, text, created_at) "        \
      "VALUES (?, ?, ?, ?, ?)")                                                                    \
    X(LANE_CLASSES, "UPDATE tasker_core_lanes SET classes = ? WHERE lane_id = ?")

// The lanes that own tasks are found by jumping from one to the next in the index, however many
// tasks they own.
#define POLL_STATEMENTS(X)                                                                         \
    X(POLL_FIRST_DUE,                                                                              \
      "SELECT min(run_at) FROM tasker_core_active INDEXED BY tasker_core_active_due "              \
      "WHERE lane_id IS NULL")                                                                     \
    X(POLL_NEXT_DUE,                                                                               \
      "SELECT min(run_at) FROM tasker_core_active INDEXED BY tasker_core_active_due "              \
      "WHERE lane_id IS NULL AND run_at > ?")                                                      \
    X(POLL_LANES,                                                                                  \
      "SELECT lane_id, expires_at, host, boot_id, process, "                                       \
      "EXISTS (SELECT 1 FROM tasker_core_active a WHERE a.lane_id = l.lane_id) "                   \
      "OR EXISTS (SELECT 1 FROM tasker_core_dispatch d WHERE d.worker_lane = l.lane_id) "          \
      "FROM tasker_core_lanes l WHERE lane_id <> ?")                                               \
    X(POLL_REQUESTS, "SELECT r.request_id, r.task_id, r.body FROM tasker_core_requests r "         \
                     "JOIN tasker_core_active a ON a.task_id = r.task_id "                         \
                     "WHERE r.answer IS NULL AND a.lane_id = ? ORDER BY r.request_id")             \
    X(POLL_ANSWER,                                                                                 \
      "SELECT answer FROM tasker_core_requests WHERE request_id = ? AND answer IS NOT NULL")       \
    X(POLL_NEWS, "SELECT d.token, d.begun_at, d.verdict, d.answer, d.log, "                        \
                 "EXISTS (SELECT 1 FROM tasker_core_lanes l WHERE l.lane_id = d.worker_lane) "     \
                 "FROM tasker_core_dispatch d INDEXED BY tasker_core_dispatch_taken "              \
                 "CROSS JOIN tasker_core_active a ON a.task_id = d.task_id "                       \
                 "WHERE d.worker_lane IS NOT NULL AND a.lane_id = ? ORDER BY d.token")             \
    X(POLL_CANCELLED,                                                                              \
      "SELECT token FROM tasker_core_dispatch WHERE worker_lane = ? AND cancel = 1 "               \
      "AND verdict IS NULL ORDER BY token")                                                        \
    X(HELD_TASKS, "SELECT task_id FROM tasker_core_active WHERE lane_id = ?")                      \
    X(HELD_OFFERS,                                                                                 \
      "SELECT token FROM tasker_core_dispatch WHERE worker_lane = ? AND verdict IS NULL")          \
    X(HELD_REQUESTS, "SELECT request_id, task_id, body FROM tasker_core_requests WHERE asker_lane = ? " \
                     "ORDER BY request_id")                                                        \
    X(POLL_STILL_OURS, "SELECT 1 FROM tasker_core_dispatch WHERE token = ? AND worker_lane = ?")   \
    X(POLL_STRANDED,                                                                               \
      "WITH RECURSIVE owner(lane) AS (SELECT min(lane_id) FROM tasker_core_active WHERE lane_id "  \
      "IS NOT NULL "                                                                               \
      "UNION ALL SELECT (SELECT min(lane_id) FROM tasker_core_active WHERE lane_id > owner.lane) " \
      "FROM owner "                                                                                \
      "WHERE owner.lane IS NOT NULL) SELECT EXISTS (SELECT 1 FROM owner WHERE lane IS NOT NULL "   \
      "AND NOT EXISTS (SELECT 1 FROM tasker_core_lanes l WHERE l.lane_id = owner.lane))")

// Results are read only for steps that are done and still have a child that is not.
#define LOAD_STATEMENTS(X)                                                                         \
    X(LOAD_TASK,                                                                                   \
      "SELECT named_task_id, context, " TEMPLATE_OF_TASK " FROM tasker_tasks WHERE task_id = ?1")  \
    X(LOAD_TASK_STATE, "SELECT to_state, sort_key FROM tasker_task_transitions WHERE task_id = ? " \
                       "AND most_recent = 1")                                                      \
    X(LOAD_TASK_START, "SELECT created_at FROM tasker_task_transitions WHERE task_id = ? "         \
                       "AND to_state = 'in_progress' ORDER BY sort_key DESC LIMIT 1")              \
    X(LOAD_ACTIVE, "SELECT template_id, lane_id, run_at, deadline, crashes, priority, suspect "    \
                   "FROM tasker_core_active WHERE task_id = ?")                                    \
    X(LOAD_STEPS, "SELECT s.workflow_step_id, s.named_step_id, n.name, s.retryable, s.skippable, " \
                  "s.processed, s.in_process, "                                                    \
                  "s.retry_limit, s.attempts, s.backoff_request_seconds, s.last_attempted_at, "    \
                  "s.processed_at, t.to_state, "                                                   \
                  "t.sort_key, t.created_at, t.metadata, s.inputs, "                               \
                  "CASE WHEN t.to_state IN " DONE_STATES                                           \
                  " AND EXISTS (SELECT 1 FROM tasker_workflow_step_edges e "                       \
                  "LEFT JOIN tasker_workflow_step_transitions c ON c.workflow_step_id = "          \
                  "e.to_step_id AND c.most_recent = 1 "                                            \
                  "WHERE e.from_step_id = s.workflow_step_id AND coalesce(c.to_state, 'pending') " \
                  "NOT IN " DONE_STATES ") "                                                       \
                  "THEN s.results END "                                                            \
                  "FROM tasker_workflow_steps s JOIN tasker_named_steps n ON n.named_step_id = "   \
                  "s.named_step_id "                                                               \
                  "LEFT JOIN tasker_workflow_step_transitions t ON t.workflow_step_id = "          \
                  "s.workflow_step_id AND t.most_recent = 1 "                                      \
                  "WHERE s.task_id = ? ORDER BY s.workflow_step_id")                               \
    X(LOAD_OFFERS,                                                                                 \
      "SELECT d.workflow_step_id, d.token, d.worker_lane IS NOT NULL, l.lane_id IS NOT NULL, "     \
      "d.begun_at, d.cancel "                                                                      \
      "FROM tasker_core_dispatch d LEFT JOIN tasker_core_lanes l ON l.lane_id = d.worker_lane "    \
      "WHERE d.task_id = ? ORDER BY d.token")                                                      \
    X(LOAD_OFFER, "SELECT s.task_id, n.name, s.inputs, s.attempts, s.retry_limit, k.context "      \
                  "FROM tasker_workflow_steps s JOIN tasker_named_steps n ON n.named_step_id = "   \
                  "s.named_step_id "                                                               \
                  "JOIN tasker_tasks k ON k.task_id = s.task_id WHERE s.workflow_step_id = ?")     \
    X(LOAD_OFFER_TEMPLATE,                                                                         \
      "SELECT coalesce((SELECT nullif(template_id, 0) FROM tasker_core_active "                    \
      "WHERE task_id = ?1), " TEMPLATE_OF_TASK ")")                                                \
    X(LOAD_PARENTS, "SELECT n.name, s.results FROM tasker_workflow_step_edges e "                  \
                    "JOIN tasker_workflow_steps s ON s.workflow_step_id = e.from_step_id "         \
                    "JOIN tasker_named_steps n ON n.named_step_id = s.named_step_id "              \
                    "WHERE e.to_step_id = ? ORDER BY s.workflow_step_id")                          \
    X(LOAD_RESULT, "SELECT s.results, t.to_state FROM tasker_workflow_steps s "                    \
                   "JOIN tasker_named_steps n ON n.named_step_id = s.named_step_id "               \
                   "LEFT JOIN tasker_workflow_step_transitions t "                                 \
                   "ON t.workflow_step_id = s.workflow_step_id AND t.most_recent = 1 "             \
                   "WHERE s.task_id = ? AND n.name = ?")

#define TEMPLATE_STATEMENTS(X)                                                                     \
    X(NAMESPACE_PUT,                                                                               \
      "INSERT INTO tasker_task_namespaces(name, created_at, updated_at) VALUES (?1, ?2, ?2) "      \
      "ON CONFLICT(name) DO NOTHING")                                                              \
    X(NAMESPACE_GET, "SELECT task_namespace_id FROM tasker_task_namespaces WHERE name = ?")        \
    X(NAMED_TASK_PUT,                                                                              \
      "INSERT INTO tasker_named_tasks(task_namespace_id, name, version, created_at, updated_at) "  \
      "VALUES (?1, ?2, ?3, ?4, ?4) ON CONFLICT(task_namespace_id, name, version) DO NOTHING")      \
    X(NAMED_TASK_GET,                                                                              \
      "SELECT named_task_id FROM tasker_named_tasks WHERE task_namespace_id = ? AND name = ? "     \
      "AND version = ?")                                                                           \
    X(NAMED_TASK_SET,                                                                              \
      "UPDATE tasker_named_tasks SET description = ?1, configuration = ?2, updated_at = ?3 "       \
      "WHERE named_task_id = ?4 AND (description IS NOT ?1 OR configuration IS NOT ?2)")           \
    X(SYSTEM_PUT,                                                                                  \
      "INSERT INTO tasker_dependent_systems(name, created_at, updated_at) VALUES (?1, ?2, ?2) "    \
      "ON CONFLICT(name) DO NOTHING")                                                              \
    X(SYSTEM_GET, "SELECT dependent_system_id FROM tasker_dependent_systems WHERE name = ?")       \
    X(NAMED_STEP_PUT,                                                                              \
      "INSERT INTO tasker_named_steps(dependent_system_id, name, created_at, updated_at) "         \
      "VALUES (?1, ?2, ?3, ?3) ON CONFLICT(dependent_system_id, name) DO NOTHING")                 \
    X(NAMED_STEP_GET,                                                                              \
      "SELECT n.named_step_id FROM tasker_named_steps n JOIN tasker_dependent_systems d "          \
      "ON d.dependent_system_id = n.dependent_system_id WHERE d.name = ? AND n.name = ?")          \
    X(LINK_PUT,                                                                                    \
      "INSERT INTO tasker_named_tasks_named_steps(named_task_id, named_step_id, skippable, "       \
      "default_retryable, default_retry_limit, created_at, updated_at) "                           \
      "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6) ON CONFLICT(named_task_id, named_step_id) DO NOTHING")  \
    X(TEMPLATE_CURRENT, "SELECT template_id, hash FROM tasker_core_templates WHERE named_task_id " \
                        "= ? AND current = 1")                                                     \
    X(TEMPLATE_RETIRE,                                                                             \
      "UPDATE tasker_core_templates SET current = 0 WHERE named_task_id = ? AND current = 1")      \
    X(TEMPLATE_PUT,                                                                                \
      "INSERT INTO tasker_core_templates(named_task_id, hash, body, directory, current, "          \
      "created_at) "                                                                               \
      "VALUES (?, ?, ?, ?, 1, ?) "                                                                 \
      "ON CONFLICT(named_task_id, hash) DO UPDATE SET current = 1 RETURNING template_id")          \
    X(TEMPLATE_DIRECTORY, "UPDATE tasker_core_templates SET directory = ?1 "                       \
                          "WHERE template_id = ?2 AND directory <> ?1")                            \
    X(TEMPLATE_GET,                                                                                \
      "SELECT named_task_id, body, directory FROM tasker_core_templates WHERE template_id = ?")    \
    X(TEMPLATE_VERSIONS,                                                                           \
      "SELECT c.template_id, n.version FROM tasker_task_namespaces s "                             \
      "JOIN tasker_named_tasks n ON n.task_namespace_id = s.task_namespace_id "                    \
      "JOIN tasker_core_templates c ON c.named_task_id = n.named_task_id AND c.current = 1 "       \
      "WHERE s.name = ? AND n.name = ?")

#define SQLITE_STATEMENTS(X)                                                                       \
    TRANSACTION_STATEMENTS(X)                                                                      \
    TURN_STATEMENTS(X)                                                                             \
    CHANGE_STATEMENTS(X)                                                                           \
    POLL_STATEMENTS(X)                                                                             \
    LOAD_STATEMENTS(X)                                                                             \
    TEMPLATE_STATEMENTS(X)

enum sqlite_statement {
#define X(name, text) SQL_##name,
    SQLITE_STATEMENTS(X)
#undef X
        SQL_COUNT
};

#endif
