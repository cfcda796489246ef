// SPDX-License-Identifier: MIT
// postgres_statements.h - every statement of the PostgreSQL backend that is sent more than once, in lists by the file
// that uses them: name and text. They are prepared when first used, except behind a pooler.
//
// A statement of a turn takes arrays, one element per row, and finds its rows by a primary key or a unique index.
#ifndef STORE_POSTGRES_STATEMENTS_H
#define STORE_POSTGRES_STATEMENTS_H

#include "store/stuck.h"

// Ids of a sequence that others take from too, as ranges.
#define ID_RANGES(sequence)                                                                          \
    "SELECT min(id), max(id) FROM (SELECT id, id - row_number() OVER (ORDER BY id) AS run FROM "     \
    "(SELECT nextval('" sequence "') AS id FROM generate_series(1, $1)) AS taken) AS runs GROUP BY " \
    "run ORDER BY 1"

// More than can have been taken by turns that were lost. A column that the Rails engine made may have another sequence, but for
// those that ids are taken from ahead.
#define SKIP(sequence, count) \
    "(SELECT count(nextval(s)) FROM to_regclass('" sequence "') AS s, generate_series(1, " count "))"
#define SKIPS                                                                                                           \
    SKIP("tasker_tasks_task_id_seq", "100000") ", " SKIP("tasker_workflow_steps_workflow_step_id_seq", "100000") ", "   \
    SKIP("tasker_core_lanes_lane_id_seq", "1000") ", " SKIP("tasker_core_requests_request_id_seq", "10000") ", "        \
    SKIP("tasker_task_transitions_id_seq", "100000") ", " SKIP("tasker_workflow_step_transitions_id_seq", "200000")

// What names the history of the database (postgres_history.c).
#define PG_HISTORY                                                                                                      \
    "(SELECT system_identifier FROM pg_control_system()) || '/' || (SELECT oid FROM pg_database WHERE datname = "       \
    "current_database()) || '/' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)"

// Rows that nobody else has locked against us: those of others are not there.
#define LEFT_ALONE "FOR NO KEY UPDATE SKIP LOCKED"

// A trigger or a rule of others on a table that turns write, which a session that is a "replica" passes by. NULL: none.
#define WRITTEN_TABLES(X) \
    X(tasker_tasks) X(tasker_workflow_steps) X(tasker_workflow_step_edges) X(tasker_task_transitions) \
    X(tasker_workflow_step_transitions)
#define WRITTEN_OID(name) ", to_regclass('" #name "')"
#define WRITTEN_OIDS "ANY (ARRAY[NULL" WRITTEN_TABLES(WRITTEN_OID) "]::oid[])"
#define SILENCED_TRIGGER \
    "SELECT format('the trigger %s of %s', t.tgname, t.tgrelid::regclass) FROM pg_trigger t WHERE t.tgrelid = " \
    WRITTEN_OIDS " AND NOT t.tgisinternal AND t.tgenabled NOT IN ('A', 'D') UNION ALL SELECT format('the rule %s of %s', " \
    "r.rulename, r.ev_class::regclass) FROM pg_rewrite r WHERE r.ev_class = " WRITTEN_OIDS " AND r.ev_enabled NOT IN " \
    "('A', 'D') LIMIT 1"

// Rows that others refer to are there, and stay: what a foreign key asks of the server, for many at once.
#define LOCK_PARENTS(table, column) \
    "SELECT tasker_core_expect(count(*), $2, '" table "') FROM (SELECT 1 FROM " table " WHERE " column " = ANY ($1) " \
    "FOR KEY SHARE) AS held"

#define PG_TURN_STATEMENTS(X) \
    X(BEGIN, \
      "BEGIN ISOLATION LEVEL READ COMMITTED") \
    X(COMMIT, \
      "COMMIT") \
    X(ROLLBACK, \
      "ROLLBACK") \
    X(NOTIFY, \
      "NOTIFY tasker_core") \
    X(FENCE, \
      "SELECT tasker_core_fence($1, $2, $3, $4, $5)") \
    X(TUNE, \
      "SELECT set_config('lock_timeout', $1, false), set_config('enable_seqscan', 'off', false), " \
      "set_config('enable_hashjoin', 'off', false), set_config('enable_mergejoin', 'off', false)") \
    X(FENCE_TUNED, \
      "WITH u AS (UPDATE tasker_core_lanes SET turn = $2, expires_at = $3, lease_us = $4 WHERE lane_id = $1 AND turn = " \
      "$2 - 1 RETURNING 1) SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, " \
      "tasker_core_expect(count(*), 1, 'the fence') FROM u") \
    X(LANE_INSERT, \
      "INSERT INTO tasker_core_lanes (turn, expires_at, lease_us, host, boot_id, process, name, " \
      "classes, started_at) VALUES (0, $1, $2, $3, $4, $5, $6, '[]', $7) RETURNING lane_id") \
    X(LANE_TURN, \
      "SELECT turn FROM tasker_core_lanes WHERE lane_id = $1") \
    X(LANE_SETTLE, \
      "UPDATE tasker_core_lanes SET turn = turn + 2 WHERE lane_id = $1 AND turn = $2 - 1") \
    X(LOCK_PATIENCE, \
      "SELECT set_config('lock_timeout', '5s', true)") \
    X(TAKE_OVER, \
      "SELECT tasker_core_take_over($1, $2, $3)") \
    X(TASK_IDS, \
      ID_RANGES("tasker_tasks_task_id_seq")) \
    X(STEP_IDS, \
      ID_RANGES("tasker_workflow_steps_workflow_step_id_seq")) \
    X(SKIP_IDS, \
      "SELECT " SKIPS) \
    X(FOLLOW, \
      "WITH here AS MATERIALIZED (SELECT " PG_HISTORY " AS history), was AS MATERIALIZED (SELECT value FROM " \
      "tasker_core_meta WHERE key = 'history'), moved AS (INSERT INTO tasker_core_meta (key, value) SELECT 'history', " \
      "h.history FROM here h WHERE NOT EXISTS (SELECT 1 FROM was w WHERE w.value = h.history) ON CONFLICT (key) DO UPDATE " \
      "SET value = excluded.value WHERE tasker_core_meta.value <> excluded.value RETURNING 1) SELECT " SKIPS \
      " FROM moved, was") \
    X(CLAIM_TASK, \
      "SELECT answer, owner FROM tasker_core_claim_task($1, $2, $3, $4)") \
    X(CLAIM, \
      "SELECT * FROM tasker_core_claim($1, $2, $3)") \
    X(TAKE_OFFERS, \
      "WITH free AS MATERIALIZED (SELECT token FROM tasker_core_dispatch WHERE handler_class = $1 AND " \
      "worker_lane IS NULL AND cancel = false ORDER BY token LIMIT $2 FOR UPDATE SKIP LOCKED), taken " \
      "AS (UPDATE tasker_core_dispatch d SET worker_lane = $3, begun_at = $4 FROM free WHERE d.token = " \
      "free.token RETURNING d.token, d.task_id, d.workflow_step_id, d.attempt, d.deadline_us) SELECT * FROM " \
      "taken ORDER BY token") \
    X(ACTIVE_FREE, \
      "UPDATE tasker_core_active a SET lane_id = NULL FROM (SELECT o.task_id FROM tasker_core_active o WHERE " \
      "o.lane_id = $1 " LEFT_ALONE ") f WHERE a.task_id = f.task_id") \
    X(ACTIVE_LEFT, \
      "SELECT task_id FROM tasker_core_active WHERE lane_id = $1 ORDER BY task_id") \
    X(OFFERS_FREE, \
      "UPDATE tasker_core_dispatch SET worker_lane = NULL, begun_at = NULL WHERE worker_lane = $1 AND " \
      "verdict IS NULL AND cancel = false") \
    X(REQUESTS_FREE, \
      "DELETE FROM tasker_core_requests WHERE asker_lane = $1") \
    X(LANE_DELETE, \
      "DELETE FROM tasker_core_lanes WHERE lane_id = $1") \
    X(TASKS_BY_IDENTITY, \
      "SELECT identity_hash, task_id FROM tasker_tasks WHERE identity_hash = ANY ($1)")

// A turn's changes: one statement per kind, with arrays. Those that must find their rows say so to tasker_core_expect.
#define PG_CHANGE_STATEMENTS(X) \
    X(LOCK_NAMED_TASKS, \
      LOCK_PARENTS("tasker_named_tasks", "named_task_id")) \
    X(LOCK_NAMED_STEPS, \
      LOCK_PARENTS("tasker_named_steps", "named_step_id")) \
    X(LOCK_TASKS, \
      LOCK_PARENTS("tasker_tasks", "task_id")) \
    X(LOCK_STEPS, \
      LOCK_PARENTS("tasker_workflow_steps", "workflow_step_id")) \
    X(PUT_TASKS, \
      "INSERT INTO tasker_tasks (task_id, named_task_id, complete, requested_at, initiator, " \
      "source_system, reason, bypass_steps, tags, context, identity_hash, created_at, updated_at) " \
      "SELECT x.id, x.named, false, x.requested, x.initiator, x.source, x.reason, x.bypass, x.tags, " \
      "x.context, x.identity, $11, $11 FROM unnest($1::bigint[], $2::integer[], $3::timestamp[], " \
      "$4::text[], $5::text[], $6::text[], $7::json[], $8::jsonb[], $9::jsonb[], $10::text[]) AS x(id, " \
      "named, requested, initiator, source, reason, bypass, tags, context, identity)") \
    X(PUT_STEPS, \
      "INSERT INTO tasker_workflow_steps (workflow_step_id, task_id, named_step_id, retryable, " \
      "retry_limit, attempts, inputs, results, created_at, updated_at, skippable) SELECT x.id, x.task, " \
      "x.named, x.retryable, x.most, 0, x.inputs, '{}', $8, $8, x.skippable FROM unnest($1::bigint[], " \
      "$2::bigint[], $3::integer[], $4::boolean[], $5::integer[], $6::jsonb[], $7::boolean[]) AS x(id, " \
      "task, named, retryable, most, inputs, skippable)") \
    X(PUT_EDGES, \
      "INSERT INTO tasker_workflow_step_edges (from_step_id, to_step_id, name, created_at, updated_at) " \
      "SELECT x.a, x.b, 'provides', $3, $3 FROM unnest($1::bigint[], $2::bigint[]) AS x(a, b)") \
    X(FLIP_TASKS, \
      "WITH u AS (UPDATE tasker_task_transitions SET most_recent = false, updated_at = $2 WHERE " \
      "task_id = ANY ($1) AND most_recent = true RETURNING 1) SELECT tasker_core_expect(count(*), $3, " \
      "'TASK_ROW') FROM u") \
    X(FLIP_STEPS, \
      "WITH u AS (UPDATE tasker_workflow_step_transitions SET most_recent = false, updated_at = $2 " \
      "WHERE workflow_step_id = ANY ($1) AND most_recent = true RETURNING 1) SELECT " \
      "tasker_core_expect(count(*), $3, 'STEP_ROW') FROM u") \
    X(PUT_TASK_ROWS, \
      "INSERT INTO tasker_task_transitions (to_state, from_state, metadata, sort_key, most_recent, " \
      "task_id, created_at, updated_at) SELECT x.a, x.b, x.c, x.d, x.e, x.f, x.g, x.g FROM " \
      "unnest($1::text[], $2::text[], $3::jsonb[], $4::integer[], $5::boolean[], $6::bigint[], " \
      "$7::timestamp[]) AS x(a, b, c, d, e, f, g)") \
    X(PUT_STEP_ROWS, \
      "INSERT INTO tasker_workflow_step_transitions (to_state, from_state, metadata, sort_key, " \
      "most_recent, workflow_step_id, created_at, updated_at) SELECT x.a, x.b, x.c, x.d, x.e, x.f, " \
      "x.g, x.g FROM unnest($1::text[], $2::text[], $3::jsonb[], $4::integer[], $5::boolean[], " \
      "$6::bigint[], $7::timestamp[]) AS x(a, b, c, d, e, f, g)") \
    X(SET_COMPLETE, \
      "WITH u AS (UPDATE tasker_tasks k SET complete = x.complete, updated_at = $3 FROM " \
      "unnest($1::bigint[], $2::boolean[]) AS x(id, complete) WHERE k.task_id = x.id RETURNING 1) " \
      "SELECT tasker_core_expect(count(*), $4, 'TASK_COMPLETE') FROM u") \
    X(SET_STEPS, \
      "WITH u AS (UPDATE tasker_workflow_steps s SET in_process = false, processed = x.processed, " \
      "processed_at = x.processed_at, attempts = x.attempts, last_attempted_at = x.attempted, " \
      "backoff_request_seconds = x.backoff, updated_at = $9, results = CASE WHEN x.has THEN x.results " \
      "ELSE s.results END FROM unnest($1::bigint[], $2::boolean[], $3::timestamp[], $4::integer[], " \
      "$5::timestamp[], $6::integer[], $7::boolean[], $8::jsonb[]) AS x(id, processed, processed_at, " \
      "attempts, attempted, backoff, has, results) WHERE s.workflow_step_id = x.id RETURNING 1) SELECT " \
      "tasker_core_expect(count(*), $10, 'STEP_UPDATE') FROM u") \
    X(PUT_ACTIVE, \
      "INSERT INTO tasker_core_active (priority, run_at, lane_id, crashes, suspect, template_id, " \
      "deadline, task_id) SELECT * FROM unnest($1::integer[], $2::bigint[], $3::bigint[], " \
      "$4::integer[], $5::boolean[], $6::bigint[], $7::bigint[], $8::bigint[])") \
    X(SET_ACTIVE, \
      "WITH u AS (UPDATE tasker_core_active a SET priority = x.a, run_at = x.b, lane_id = x.c, crashes " \
      "= x.d, suspect = x.e, template_id = x.f, deadline = x.g FROM unnest($1::integer[], " \
      "$2::bigint[], $3::bigint[], $4::integer[], $5::boolean[], $6::bigint[], $7::bigint[], " \
      "$8::bigint[]) AS x(a, b, c, d, e, f, g, id) WHERE a.task_id = x.id RETURNING 1) SELECT " \
      "tasker_core_expect(count(*), $9, 'ACTIVE_UPDATE') FROM u") \
    X(DROP_ACTIVE, \
      "WITH r AS (UPDATE tasker_core_requests SET answer = '{\"again\":true}' WHERE task_id = ANY ($1) " \
      "AND answer IS NULL), u AS (DELETE FROM tasker_core_active WHERE task_id = ANY ($1) RETURNING 1) " \
      "SELECT tasker_core_expect(count(*), $2, 'ACTIVE_DELETE') FROM u") \
    X(PUT_OFFERS, \
      "INSERT INTO tasker_core_dispatch (token, task_id, workflow_step_id, attempt, handler_class, " \
      "deadline_us) SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::integer[], " \
      "$5::text[], $6::bigint[])") \
    X(CANCEL_OFFERS, \
      "UPDATE tasker_core_dispatch SET cancel = true, worker_lane = coalesce(worker_lane, 0) WHERE " \
      "token = ANY ($1)") \
    X(ANSWER_OFFERS, \
      "UPDATE tasker_core_dispatch d SET verdict = x.verdict, answer = x.answer, log = x.log FROM " \
      "unnest($1::bigint[], $2::integer[], $3::text[], $4::text[]) AS x(token, verdict, answer, log) " \
      "WHERE d.token = x.token AND d.worker_lane = $5 AND d.verdict IS NULL") \
    X(RELEASE_OFFERS, \
      "UPDATE tasker_core_dispatch SET verdict = CASE WHEN cancel THEN 0 END, worker_lane = CASE WHEN " \
      "cancel THEN worker_lane END, begun_at = CASE WHEN cancel THEN begun_at END WHERE token = ANY " \
      "($1) AND worker_lane = $2 AND verdict IS NULL") \
    X(DROP_OFFERS, \
      "DELETE FROM tasker_core_dispatch WHERE token = ANY ($1)") \
    X(PUT_REQUESTS, \
      "INSERT INTO tasker_core_requests (task_id, asker_lane, body, created_at) SELECT x.task, $3, " \
      "x.body, $4 FROM unnest($1::bigint[], $2::text[]) AS x(task, body) RETURNING request_id") \
    X(ANSWER_REQUESTS, \
      "UPDATE tasker_core_requests r SET answer = x.answer FROM unnest($1::bigint[], $2::text[]) AS " \
      "x(id, answer) WHERE r.request_id = x.id") \
    X(DROP_REQUESTS, \
      "DELETE FROM tasker_core_requests WHERE request_id = ANY ($1)") \
    X(PUT_LOGS, \
      "INSERT INTO tasker_core_logs (workflow_step_id, attempt, outcome, text, created_at) SELECT * " \
      "FROM unnest($1::bigint[], $2::integer[], $3::text[], $4::text[], $5::timestamp[])") \
    X(SET_CLASSES, \
      "UPDATE tasker_core_lanes SET classes = $1 WHERE lane_id = $2")

// A poll is one statement whatever it looks for: rows of (kind, three numbers, three texts), see postgres_poll.c.
#define PG_POLL_STATEMENTS(X) \
    X(LOCKED_TASKS, \
      "WITH m AS MATERIALIZED (SELECT x.id FROM unnest($1::bigint[]) AS x(id) UNION SELECT s.task_id FROM " \
      "tasker_workflow_steps s WHERE s.workflow_step_id = ANY ($2::bigint[])), ft AS MATERIALIZED (SELECT " \
      "t.task_id AS id FROM tasker_tasks t WHERE t.task_id = ANY (ARRAY(SELECT id FROM m)) " LEFT_ALONE \
      "), fa AS MATERIALIZED (SELECT a.task_id AS id FROM tasker_core_active a WHERE a.task_id = ANY " \
      "(ARRAY(SELECT id FROM m)) " LEFT_ALONE "), fr AS MATERIALIZED (SELECT r.id FROM tasker_task_transitions " \
      "r WHERE r.task_id = ANY (ARRAY(SELECT id FROM m)) AND r.most_recent = true " LEFT_ALONE "), fs AS " \
      "MATERIALIZED (SELECT s.workflow_step_id AS id FROM tasker_workflow_steps s WHERE s.task_id = ANY " \
      "(ARRAY(SELECT id FROM m)) " LEFT_ALONE "), fq AS MATERIALIZED (SELECT q.id FROM " \
      "tasker_workflow_step_transitions q WHERE q.workflow_step_id = ANY (ARRAY(SELECT s.workflow_step_id FROM " \
      "tasker_workflow_steps s WHERE s.task_id = ANY (ARRAY(SELECT id FROM m)))) AND q.most_recent = true " \
      LEFT_ALONE ") SELECT t.task_id FROM tasker_tasks t WHERE t.task_id = ANY (ARRAY(SELECT id FROM m)) AND " \
      "t.task_id NOT IN (SELECT id FROM ft) UNION SELECT a.task_id FROM tasker_core_active a WHERE a.task_id = " \
      "ANY (ARRAY(SELECT id FROM m)) AND a.task_id NOT IN (SELECT id FROM fa) UNION SELECT r.task_id FROM " \
      "tasker_task_transitions r WHERE r.task_id = ANY (ARRAY(SELECT id FROM m)) AND r.most_recent = true AND " \
      "r.id NOT IN (SELECT id FROM fr) UNION SELECT s.task_id FROM tasker_workflow_steps s WHERE s.task_id = ANY " \
      "(ARRAY(SELECT id FROM m)) AND s.workflow_step_id NOT IN (SELECT id FROM fs) UNION SELECT (SELECT s.task_id " \
      "FROM tasker_workflow_steps s WHERE s.workflow_step_id = q.workflow_step_id) FROM " \
      "tasker_workflow_step_transitions q WHERE q.workflow_step_id = ANY (ARRAY(SELECT s.workflow_step_id FROM " \
      "tasker_workflow_steps s WHERE s.task_id = ANY (ARRAY(SELECT id FROM m)))) AND q.most_recent = true AND q.id " \
      "NOT IN (SELECT id FROM fq) ORDER BY 1") \
    X(LOCKED_CATALOGUE, \
      "WITH ft AS MATERIALIZED (SELECT n.named_task_id AS id FROM tasker_named_tasks n WHERE n.named_task_id = ANY " \
      "($1) FOR KEY SHARE SKIP LOCKED), fs AS MATERIALIZED (SELECT n.named_step_id AS id FROM tasker_named_steps n " \
      "WHERE n.named_step_id = ANY ($2) FOR KEY SHARE SKIP LOCKED) SELECT true, n.named_task_id, 'named task ' || " \
      "n.name || ' is' FROM tasker_named_tasks n WHERE n.named_task_id = ANY ($1) AND n.named_task_id NOT IN (SELECT " \
      "id FROM ft) UNION ALL SELECT false, n.named_step_id, 'named step ' || n.name || ' is' FROM tasker_named_steps n " \
      "WHERE n.named_step_id = ANY ($2) AND n.named_step_id NOT IN (SELECT id FROM fs) ORDER BY 1 DESC, 2") \
    X(POLL, \
      "SELECT * FROM (SELECT 0 AS kind, l.lane_id AS a, l.expires_at AS b, (EXISTS (SELECT 1 FROM " \
      "tasker_core_active o WHERE o.lane_id = l.lane_id) OR EXISTS (SELECT 1 FROM tasker_core_dispatch " \
      "d WHERE d.worker_lane = l.lane_id))::integer::bigint AS c, l.host AS d, l.boot_id AS e, " \
      "l.process AS f FROM tasker_core_lanes l UNION ALL SELECT 1, (SELECT min(run_at) FROM " \
      "tasker_core_active WHERE lane_id IS NULL), (SELECT min(run_at) FROM tasker_core_active WHERE " \
      "lane_id IS NULL AND run_at > $2), NULL::bigint, NULL::text, NULL::text, NULL::text WHERE $3 " \
      "UNION ALL (SELECT 2, w.ord, NULL::bigint, NULL::bigint, NULL::text, NULL::text, NULL::text FROM " \
      "unnest($4) WITH ORDINALITY AS w(name, ord) WHERE EXISTS (SELECT 1 FROM tasker_core_dispatch d " \
      "WHERE d.handler_class = w.name AND d.worker_lane IS NULL AND d.cancel = false) ORDER BY w.ord " \
      "LIMIT 1) UNION ALL SELECT 3, r.request_id, r.task_id, NULL::bigint, r.body, NULL::text, " \
      "NULL::text FROM tasker_core_requests r JOIN tasker_core_active o ON o.task_id = r.task_id WHERE " \
      "r.answer IS NULL AND o.lane_id = $1 UNION ALL SELECT 4, r.request_id, NULL::bigint, " \
      "NULL::bigint, r.answer, NULL::text, NULL::text FROM tasker_core_requests r WHERE r.request_id = " \
      "ANY ($5) AND r.answer IS NOT NULL UNION ALL SELECT 5, d.token, d.begun_at, d.verdict, d.answer, " \
      "d.log, (EXISTS (SELECT 1 FROM tasker_core_lanes w WHERE w.lane_id = d.worker_lane))::text FROM " \
      "tasker_core_dispatch d JOIN tasker_core_active o ON o.task_id = d.task_id WHERE d.worker_lane " \
      "IS NOT NULL AND o.lane_id = $1 UNION ALL SELECT 6, d.token, NULL::bigint, NULL::bigint, " \
      "NULL::text, NULL::text, NULL::text FROM tasker_core_dispatch d WHERE d.worker_lane = $1 AND " \
      "d.cancel AND d.verdict IS NULL UNION ALL SELECT 7, g.token, NULL::bigint, NULL::bigint, " \
      "NULL::text, NULL::text, NULL::text FROM unnest($6) AS g(token) WHERE NOT EXISTS (SELECT 1 FROM " \
      "tasker_core_dispatch d WHERE d.token = g.token AND d.worker_lane = $1) UNION ALL SELECT 8, " \
      "NULL::bigint, NULL::bigint, NULL::bigint, NULL::text, NULL::text, NULL::text WHERE EXISTS (WITH " \
      "RECURSIVE owners(lane) AS ((SELECT min(lane_id) FROM tasker_core_active WHERE lane_id IS NOT " \
      "NULL) UNION ALL SELECT (SELECT min(o.lane_id) FROM tasker_core_active o WHERE o.lane_id > " \
      "owners.lane) FROM owners WHERE owners.lane IS NOT NULL) SELECT 1 FROM owners WHERE lane IS NOT " \
      "NULL AND NOT EXISTS (SELECT 1 FROM tasker_core_lanes l WHERE l.lane_id = owners.lane))) x ORDER " \
      "BY kind, a") \
    X(SILENCED, \
      SILENCED_TRIGGER) \
    X(HOLDINGS, \
      "SELECT 0, task_id, NULL::bigint, NULL::text FROM tasker_core_active WHERE lane_id = $1 UNION ALL SELECT 1, " \
      "token, NULL, NULL FROM tasker_core_dispatch WHERE worker_lane = $1 AND verdict IS NULL UNION ALL SELECT 2, " \
      "request_id, task_id, body FROM tasker_core_requests WHERE asker_lane = $1 ORDER BY 1, 2") \
    X(FREE_LOCKS, \
      "SELECT pg_terminate_backend(s.pid) FROM " STUCK_SESSIONS " WHERE " STUCK_MAY_END)

// Results are read only for steps that are done and still have a child that is not.
#define PG_LOAD_STATEMENTS(X) \
    X(READ_BEGIN, \
      "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY") \
    X(LOAD_TASK, \
      "SELECT k.named_task_id, k.context::text, t.to_state, t.sort_key, (SELECT b.created_at FROM " \
      "tasker_task_transitions b WHERE b.task_id = k.task_id AND b.to_state = 'in_progress' ORDER BY " \
      "b.sort_key DESC LIMIT 1), a.task_id, coalesce(nullif(a.template_id, 0), " \
      "tasker_core_template_of(k.task_id)), a.lane_id, a.run_at, a.deadline, a.crashes, a.priority, " \
      "a.suspect FROM tasker_tasks k LEFT JOIN tasker_task_transitions t ON t.task_id = k.task_id AND " \
      "t.most_recent = true LEFT JOIN tasker_core_active a ON a.task_id = k.task_id WHERE k.task_id = " \
      "$1") \
    X(LOAD_STEPS, \
      "SELECT s.workflow_step_id, s.named_step_id, n.name, s.retryable, s.skippable, s.processed, " \
      "s.in_process, s.retry_limit, s.attempts, s.backoff_request_seconds, s.last_attempted_at, " \
      "s.processed_at, t.to_state, t.sort_key, t.created_at, t.metadata::text, s.inputs::text, CASE " \
      "WHEN t.to_state IN ('complete', 'resolved_manually') AND EXISTS (SELECT 1 FROM " \
      "tasker_workflow_step_edges e LEFT JOIN tasker_workflow_step_transitions c ON c.workflow_step_id " \
      "= e.to_step_id AND c.most_recent = true WHERE e.from_step_id = s.workflow_step_id AND " \
      "coalesce(c.to_state, 'pending') NOT IN ('complete', 'resolved_manually')) THEN s.results::text " \
      "END FROM tasker_workflow_steps s JOIN tasker_named_steps n ON n.named_step_id = s.named_step_id " \
      "LEFT JOIN tasker_workflow_step_transitions t ON t.workflow_step_id = s.workflow_step_id AND " \
      "t.most_recent = true WHERE s.task_id = $1 ORDER BY s.workflow_step_id") \
    X(LOAD_OFFERS, \
      "SELECT d.workflow_step_id, d.token, d.worker_lane IS NOT NULL, l.lane_id IS NOT NULL, " \
      "d.begun_at, d.cancel FROM tasker_core_dispatch d LEFT JOIN tasker_core_lanes l ON l.lane_id = " \
      "d.worker_lane WHERE d.task_id = $1 ORDER BY d.token") \
    X(LOAD_OFFER, \
      "SELECT s.task_id, n.name, s.inputs::text, s.attempts, s.retry_limit, k.context::text, " \
      "coalesce((SELECT nullif(a.template_id, 0) FROM tasker_core_active a WHERE a.task_id = " \
      "s.task_id), tasker_core_template_of(s.task_id)) FROM tasker_workflow_steps s JOIN " \
      "tasker_named_steps n ON n.named_step_id = s.named_step_id JOIN tasker_tasks k ON k.task_id = " \
      "s.task_id WHERE s.workflow_step_id = $1") \
    X(LOAD_PARENTS, \
      "SELECT n.name, s.results::text FROM tasker_workflow_step_edges e JOIN tasker_workflow_steps s " \
      "ON s.workflow_step_id = e.from_step_id JOIN tasker_named_steps n ON n.named_step_id = " \
      "s.named_step_id WHERE e.to_step_id = $1 ORDER BY s.workflow_step_id") \
    X(LOAD_RESULT, \
      "SELECT s.results::text, t.to_state FROM tasker_workflow_steps s JOIN tasker_named_steps n ON " \
      "n.named_step_id = s.named_step_id LEFT JOIN tasker_workflow_step_transitions t ON " \
      "t.workflow_step_id = s.workflow_step_id AND t.most_recent = true WHERE s.task_id = $1 AND " \
      "n.name = $2")

#define PG_TEMPLATE_STATEMENTS(X) \
    X(NAMESPACE_PUT, \
      "INSERT INTO tasker_task_namespaces (name, created_at, updated_at) SELECT $1, $2, $2 WHERE NOT " \
      "EXISTS (SELECT 1 FROM tasker_task_namespaces WHERE name = $1) ON CONFLICT (name) DO NOTHING") \
    X(NAMED_TASK_PUT, \
      "INSERT INTO tasker_named_tasks (task_namespace_id, name, version, created_at, updated_at) " \
      "SELECT s.task_namespace_id, $2, $3, $4, $4 FROM tasker_task_namespaces s WHERE s.name = $1 AND " \
      "NOT EXISTS (SELECT 1 FROM tasker_named_tasks n WHERE n.task_namespace_id = s.task_namespace_id " \
      "AND n.name = $2 AND n.version = $3) ON CONFLICT (task_namespace_id, name, version) DO NOTHING") \
    X(NAMED_TASK_LOCK, \
      "SELECT n.named_task_id FROM tasker_named_tasks n JOIN tasker_task_namespaces s ON " \
      "s.task_namespace_id = n.task_namespace_id WHERE s.name = $1 AND n.name = $2 AND n.version = $3 " \
      "FOR NO KEY UPDATE OF n") \
    X(TEMPLATE_CURRENT, \
      "SELECT c.template_id, c.hash FROM tasker_core_templates c JOIN tasker_named_tasks n ON " \
      "n.named_task_id = c.named_task_id JOIN tasker_task_namespaces s ON s.task_namespace_id = " \
      "n.task_namespace_id WHERE s.name = $1 AND n.name = $2 AND n.version = $3 AND c.current") \
    X(TEMPLATE_RETIRE, \
      "UPDATE tasker_core_templates SET current = false WHERE named_task_id = $1 AND current") \
    X(TEMPLATE_PUT, \
      "INSERT INTO tasker_core_templates (named_task_id, hash, body, directory, current, created_at) " \
      "VALUES ($1, $2, $3, $4, true, $5) ON CONFLICT (named_task_id, hash) DO UPDATE SET current = " \
      "true RETURNING template_id") \
    X(TEMPLATE_DIRECTORY, \
      "UPDATE tasker_core_templates SET directory = $3 WHERE named_task_id = $1 AND hash = $2 AND " \
      "directory <> $3") \
    X(NAMED_TASK_SET, \
      "UPDATE tasker_named_tasks SET description = $2, configuration = $3, updated_at = $4 WHERE " \
      "named_task_id = $1 AND (description IS DISTINCT FROM $2 OR configuration IS DISTINCT FROM $3)") \
    X(SYSTEMS_PUT, \
      "INSERT INTO tasker_dependent_systems (name, created_at, updated_at) SELECT DISTINCT x.name, " \
      "$2::timestamp, $2::timestamp FROM unnest($1::text[]) AS x(name) WHERE NOT EXISTS (SELECT 1 FROM " \
      "tasker_dependent_systems d WHERE d.name = x.name) ORDER BY x.name ON CONFLICT (name) DO NOTHING") \
    X(NAMED_STEPS_PUT, \
      "INSERT INTO tasker_named_steps (dependent_system_id, name, created_at, updated_at) SELECT " \
      "d.dependent_system_id, x.name, $3, $3 FROM unnest($1::text[], $2::text[]) AS x(system, name) " \
      "JOIN tasker_dependent_systems d ON d.name = x.system WHERE NOT EXISTS (SELECT 1 FROM " \
      "tasker_named_steps n WHERE n.dependent_system_id = d.dependent_system_id AND n.name = x.name) " \
      "ORDER BY x.system, x.name ON CONFLICT (dependent_system_id, name) DO NOTHING") \
    X(LINKS_PUT, \
      "INSERT INTO tasker_named_tasks_named_steps (named_task_id, named_step_id, skippable, " \
      "default_retryable, default_retry_limit, created_at, updated_at) SELECT $1, n.named_step_id, " \
      "x.skippable, x.retryable, x.most, $7, $7 FROM unnest($2::text[], $3::text[], $4::boolean[], " \
      "$5::boolean[], $6::integer[]) AS x(system, name, skippable, retryable, most) JOIN " \
      "tasker_dependent_systems d ON d.name = x.system JOIN tasker_named_steps n ON " \
      "n.dependent_system_id = d.dependent_system_id AND n.name = x.name WHERE NOT EXISTS (SELECT 1 " \
      "FROM tasker_named_tasks_named_steps l WHERE l.named_task_id = $1 AND l.named_step_id = " \
      "n.named_step_id) ORDER BY n.named_step_id ON CONFLICT (named_task_id, named_step_id) DO NOTHING") \
    X(NAMED_STEPS_GET, \
      "SELECT n.named_step_id FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS x(system, name, " \
      "ord) LEFT JOIN (tasker_named_steps n JOIN tasker_dependent_systems d ON d.dependent_system_id = " \
      "n.dependent_system_id) ON d.name = x.system AND n.name = x.name ORDER BY x.ord") \
    X(TEMPLATE_GET, \
      "SELECT named_task_id, body, directory FROM tasker_core_templates WHERE template_id = $1") \
    X(TEMPLATE_VERSIONS, \
      "SELECT c.template_id, n.version FROM tasker_task_namespaces s JOIN tasker_named_tasks n ON " \
      "n.task_namespace_id = s.task_namespace_id JOIN tasker_core_templates c ON c.named_task_id = " \
      "n.named_task_id AND c.current WHERE s.name = $1 AND n.name = $2")

#define PG_STATEMENTS(X)    \
    PG_TURN_STATEMENTS(X)   \
    PG_CHANGE_STATEMENTS(X) \
    PG_POLL_STATEMENTS(X)   \
    PG_LOAD_STATEMENTS(X)   \
    PG_TEMPLATE_STATEMENTS(X)

enum pg_statement {
#define X(name, text) PG_##name,
    PG_STATEMENTS(X)
#undef X
        PG_COUNT
};

#endif
