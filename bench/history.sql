-- SPDX-License-Identifier: MIT
-- history.sql - gives a database on PostgreSQL a past: copies its finished tasks, with their steps, edges and transitions,
-- until it has as many tasks as asked for. Nothing of it goes through the engine, which has to be stopped.
--
--     psql -d URI -v tasks=100000 -f history.sql
--
-- The first tasks are copied again and again, copy c of a task under its id plus c times the highest. Foreign keys are not
-- checked for each row, since all of them are copies of rows that keep them.
\set ON_ERROR_STOP on
SELECT count(*) > 0 OR (SELECT count(*) FROM tasker_tasks) = 0 AS unfit FROM tasker_core_active \gset
\if :unfit
    DO $$ BEGIN RAISE EXCEPTION 'history.sql: wants finished tasks, and no others'; END $$;
\endif
SELECT count(*) AS have, max(task_id) AS last FROM tasker_tasks \gset
SELECT max(workflow_step_id) AS last_step FROM tasker_workflow_steps \gset
BEGIN;
SET LOCAL session_replication_role = replica;
SET LOCAL synchronous_commit = off;
CREATE TEMP TABLE copied ON COMMIT DROP AS
    SELECT task_id, c FROM (SELECT task_id, c, row_number() OVER (ORDER BY c, task_id) AS n
        FROM tasker_tasks, generate_series(1, :tasks / :have) AS c) x WHERE n <= :tasks - :have;
ANALYZE copied;
INSERT INTO tasker_tasks (task_id, named_task_id, complete, requested_at, initiator, source_system, reason, bypass_steps, tags,
        context, identity_hash, created_at, updated_at)
    SELECT task_id + c * :last, named_task_id, complete, requested_at, initiator, source_system, reason, bypass_steps, tags,
        context, 'copy ' || task_id + c * :last, created_at, updated_at FROM copied JOIN tasker_tasks USING (task_id) ORDER BY 1;
INSERT INTO tasker_workflow_steps (workflow_step_id, task_id, named_step_id, retryable, retry_limit, in_process, processed,
        processed_at, attempts, last_attempted_at, backoff_request_seconds, inputs, results, created_at, updated_at, skippable)
    SELECT workflow_step_id + c * :last_step, task_id + c * :last, named_step_id, retryable, retry_limit, in_process, processed,
        processed_at, attempts, last_attempted_at, backoff_request_seconds, inputs, results, created_at, updated_at, skippable
    FROM copied JOIN tasker_workflow_steps USING (task_id) ORDER BY 1;
INSERT INTO tasker_workflow_step_edges (from_step_id, to_step_id, name, created_at, updated_at)
    SELECT e.from_step_id + c * :last_step, e.to_step_id + c * :last_step, e.name, e.created_at, e.updated_at
    FROM copied JOIN tasker_workflow_steps s USING (task_id)
    JOIN tasker_workflow_step_edges e ON e.from_step_id = s.workflow_step_id ORDER BY 1;
INSERT INTO tasker_task_transitions (to_state, from_state, metadata, sort_key, most_recent, task_id, created_at, updated_at)
    SELECT to_state, from_state, metadata, sort_key, most_recent, task_id + c * :last, created_at, updated_at
    FROM copied JOIN tasker_task_transitions USING (task_id) ORDER BY task_id + c * :last, sort_key;
INSERT INTO tasker_workflow_step_transitions (to_state, from_state, metadata, sort_key, most_recent, workflow_step_id,
        created_at, updated_at)
    SELECT t.to_state, t.from_state, t.metadata, t.sort_key, t.most_recent, t.workflow_step_id + c * :last_step, t.created_at,
        t.updated_at
    FROM copied JOIN tasker_workflow_steps s USING (task_id)
    JOIN tasker_workflow_step_transitions t ON t.workflow_step_id = s.workflow_step_id ORDER BY t.workflow_step_id + c * :last_step, sort_key;
\o /dev/null
SELECT setval(pg_get_serial_sequence('tasker_tasks', 'task_id'), max(task_id)) FROM tasker_tasks;
SELECT setval(pg_get_serial_sequence('tasker_workflow_steps', 'workflow_step_id'), max(workflow_step_id)) FROM tasker_workflow_steps;
COMMIT;
VACUUM ANALYZE;
CHECKPOINT;
