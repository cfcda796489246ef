// SPDX-License-Identifier: MIT
// postgres_functions.c - functions in the database, as SQL. The nine of the Rails engine by name, arguments and columns,
// written anew: the two "slowest" answer, readiness does not overflow, levels do not enumerate paths. And ours, which
// save round trips: the fence, takeover, the claim of one task.
#include "store/postgres_schema.h"

// Which steps may run, of those that fit the condition. One pass over steps, edges and newest transitions, which are
// joined by hash whatever the planner believes of tables that it has not analyzed yet: the plan is made once a session
// and must be right for 3 steps and for 3,000.
#define READINESS(condition)                                                                                          \
    " RETURNS TABLE(workflow_step_id bigint, task_id bigint, named_step_id integer, name text, current_state "        \
      "text, dependencies_satisfied boolean,\n"                                                                       \
    " retry_eligible boolean, ready_for_execution boolean, last_failure_at timestamp without time zone, "             \
      "next_retry_at timestamp without time zone,\n"                                                                  \
    " total_parents integer, completed_parents integer, attempts integer, retry_limit integer, "                      \
      "backoff_request_seconds integer,\n"                                                                            \
    " last_attempted_at timestamp without time zone) LANGUAGE plpgsql STABLE ROWS 1000 SET enable_nestloop = "        \
      "off SET enable_mergejoin = off SET enable_seqscan = off SET jit = off SET plan_cache_mode = "                  \
      "force_generic_plan AS $$\n"                                                                                    \
    "DECLARE\n"                                                                                                       \
    " low bigint; high bigint; ids bigint[]; names_low integer; names_high integer; name_ids integer[]; n "           \
      "bigint;\n"                                                                                                     \
    "BEGIN\n"                                                                                                         \
    " SELECT min(s.workflow_step_id), max(s.workflow_step_id), array_agg(s.workflow_step_id), "                       \
      "min(s.named_step_id), max(s.named_step_id), array_agg(s.named_step_id), count(*)\n"                            \
    "  INTO low, high, ids, names_low, names_high, name_ids, n FROM tasker_workflow_steps s WHERE "                   \
      condition                                                                                                       \
    ";\n"                                                                                                             \
    " -- Ids that stand close together are read as one range, others one by one.\n"                                   \
    " IF high - low < 4 * n THEN ids := NULL; ELSE low := NULL; END IF;\n"                                            \
    " IF names_high - names_low < 4 * n THEN name_ids := NULL; ELSE names_low := NULL; END IF;\n"                     \
    " RETURN QUERY\n"                                                                                                 \
    " WITH latest AS MATERIALIZED (\n"                                                                                \
    "  SELECT t.workflow_step_id AS id, t.to_state AS state, t.created_at AS since FROM "                             \
      "tasker_workflow_step_transitions t\n"                                                                          \
    "   WHERE t.workflow_step_id BETWEEN low AND high AND t.most_recent = true\n"                                     \
    "  UNION ALL SELECT t.workflow_step_id, t.to_state, t.created_at FROM tasker_workflow_step_transitions t\n"       \
    "   WHERE t.workflow_step_id = ANY (ids) AND t.most_recent = true),\n"                                            \
    " edge AS (\n"                                                                                                    \
    "  SELECT g.from_step_id AS a, g.to_step_id AS b FROM tasker_workflow_step_edges g WHERE g.to_step_id "           \
      "BETWEEN low AND high\n"                                                                                        \
    "  UNION ALL SELECT g.from_step_id, g.to_step_id FROM tasker_workflow_step_edges g WHERE g.to_step_id = "         \
      "ANY (ids)),\n"                                                                                                 \
    " -- A parent that was not read above may be a step of another task.\n"                                           \
    " above AS (\n"                                                                                                   \
    "  SELECT g.b AS id, count(*)::integer AS parents, (count(*) FILTER (WHERE\n"                                     \
    "    CASE WHEN p.id IS NOT NULL OR g.a BETWEEN low AND high THEN p.state ELSE\n"                                  \
    "     (SELECT o.to_state FROM tasker_workflow_step_transitions o WHERE o.workflow_step_id = g.a AND "             \
      "o.most_recent = true) END\n"                                                                                   \
    "    IN ('complete', 'resolved_manually')))::integer AS done\n"                                                   \
    "   FROM edge g LEFT JOIN latest p ON p.id = g.a GROUP BY g.b),\n"                                                \
    " names AS (\n"                                                                                                   \
    "  SELECT n.named_step_id AS id, n.name::text AS name FROM tasker_named_steps n WHERE n.named_step_id "           \
      "BETWEEN names_low AND names_high\n"                                                                            \
    "  UNION ALL SELECT n.named_step_id, n.name::text FROM tasker_named_steps n WHERE n.named_step_id = ANY "         \
      "(name_ids))\n"                                                                                                 \
    " SELECT r.id, r.task, r.named, r.step_name, r.state, r.parents = r.done, r.tries < r.most,\n"                    \
    "  r.state IN ('pending', 'error') AND NOT r.processed AND r.parents = r.done AND r.tries < r.most AND "          \
      "r.retryable AND NOT r.busy\n"                                                                                  \
    "   AND (r.backoff IS NULL OR r.attempted IS NULL OR r.attempted + r.backoff * interval '1 second' <= "           \
      "now())\n"                                                                                                      \
    "   AND (r.failed IS NULL OR r.failed + r.delay * interval '1 second' <= now()),\n"                               \
    "  r.failed,\n"                                                                                                   \
    "  CASE WHEN r.backoff IS NOT NULL AND r.attempted IS NOT NULL THEN r.attempted + r.backoff * interval "          \
      "'1 second'\n"                                                                                                  \
    "       WHEN r.failed IS NOT NULL THEN r.failed + r.delay * interval '1 second' END,\n"                           \
    "  r.parents, r.done, r.tries, r.most, r.backoff, r.attempted\n"                                                  \
    " FROM (SELECT s.workflow_step_id AS id, s.task_id AS task, s.named_step_id AS named, ns.name AS "                \
      "step_name,\n"                                                                                                  \
    "   coalesce(t.state, 'pending')::text AS state, s.processed, s.in_process AS busy, s.retryable, "                \
      "coalesce(s.attempts, 0) AS tries,\n"                                                                           \
    "   coalesce(s.retry_limit, 3) AS most, s.backoff_request_seconds AS backoff, s.last_attempted_at AS "            \
      "attempted,\n"                                                                                                  \
    "   CASE WHEN t.state = 'error' THEN t.since::timestamp without time zone END AS failed,\n"                       \
    "   CASE WHEN coalesce(s.attempts, 1) >= 5 THEN 30 ELSE least(power(2, coalesce(s.attempts, 1)), 30) END "        \
      "AS delay,\n"                                                                                                   \
    "   coalesce(e.parents, 0) AS parents, coalesce(e.done, 0) AS done\n"                                             \
    "  FROM tasker_workflow_steps s\n"                                                                                \
    "  JOIN names ns ON ns.id = s.named_step_id\n"                                                                    \
    "  LEFT JOIN latest t ON t.id = s.workflow_step_id\n"                                                             \
    "  LEFT JOIN above e ON e.id = s.workflow_step_id\n"                                                              \
    "  WHERE "                                                                                                        \
      condition                                                                                                       \
    ") r;\n"                                                                                                          \
    "END $$;\n"

const struct postgres_function postgres_rails_functions[POSTGRES_RAILS_FUNCTIONS] = {
    {"get_step_readiness_status_batch",
    "CREATE OR REPLACE FUNCTION get_step_readiness_status_batch(input_task_ids bigint[])\n"
    READINESS("s.task_id = ANY (input_task_ids)")},
    {"get_step_readiness_status",
    "CREATE OR REPLACE FUNCTION get_step_readiness_status(input_task_id bigint, step_ids bigint[] DEFAULT "
      "NULL)\n"
    READINESS("s.task_id = input_task_id AND (step_ids IS NULL OR s.workflow_step_id = ANY (step_ids))")},
    {"get_task_execution_contexts_batch",
    "CREATE OR REPLACE FUNCTION get_task_execution_contexts_batch(input_task_ids bigint[])\n"
    " RETURNS TABLE(task_id bigint, named_task_id integer, status text, total_steps bigint, pending_steps "
      "bigint, in_progress_steps bigint,\n"
    " completed_steps bigint, failed_steps bigint, ready_steps bigint, execution_status text, "
      "recommended_action text, completion_percentage numeric,\n"
    " health_status text) LANGUAGE plpgsql STABLE AS $$\n"
    "BEGIN\n"
    " RETURN QUERY\n"
    " WITH counted AS (\n"
    "  SELECT r.task_id AS id, count(*) AS total, count(*) FILTER (WHERE r.current_state = 'pending') AS "
      "pending,\n"
    "   count(*) FILTER (WHERE r.current_state = 'in_progress') AS running,\n"
    "   count(*) FILTER (WHERE r.current_state IN ('complete', 'resolved_manually')) AS done,\n"
    "   count(*) FILTER (WHERE r.current_state = 'error') AS failed, count(*) FILTER (WHERE "
      "r.ready_for_execution) AS ready,\n"
    "   count(*) FILTER (WHERE r.current_state = 'error' AND r.attempts >= r.retry_limit) AS blocked\n"
    "  FROM get_step_readiness_status_batch(input_task_ids) r GROUP BY r.task_id),\n"
    " tasks AS (\n"
    "  SELECT k.task_id AS id, k.named_task_id AS named, coalesce(t.to_state, 'pending')::text AS state, "
      "coalesce(c.total, 0) AS total,\n"
    "   coalesce(c.pending, 0) AS pending, coalesce(c.running, 0) AS running, coalesce(c.done, 0) AS done, "
      "coalesce(c.failed, 0) AS failed,\n"
    "   coalesce(c.ready, 0) AS ready, coalesce(c.blocked, 0) AS blocked\n"
    "  FROM unnest(input_task_ids) AS u(id) JOIN tasker_tasks k ON k.task_id = u.id\n"
    "  LEFT JOIN tasker_task_transitions t ON t.task_id = k.task_id AND t.most_recent = true\n"
    "  LEFT JOIN counted c ON c.id = k.task_id)\n"
    " SELECT x.id, x.named, x.state, x.total, x.pending, x.running, x.done, x.failed, x.ready,\n"
    "  CASE WHEN x.ready > 0 THEN 'has_ready_steps' WHEN x.running > 0 THEN 'processing' WHEN x.blocked > 0 "
      "THEN 'blocked_by_failures'\n"
    "       WHEN x.done = x.total AND x.total > 0 THEN 'all_complete' ELSE 'waiting_for_dependencies' END,\n"
    "  CASE WHEN x.ready > 0 THEN 'execute_ready_steps' WHEN x.running > 0 THEN 'wait_for_completion' WHEN "
      "x.blocked > 0 THEN 'handle_failures'\n"
    "       WHEN x.done = x.total AND x.total > 0 THEN 'finalize_task' ELSE 'wait_for_dependencies' END,\n"
    "  CASE WHEN x.total = 0 THEN 0.0 ELSE round(x.done::numeric / x.total::numeric * 100, 2) END,\n"
    "  CASE WHEN x.failed = 0 THEN 'healthy' WHEN x.ready > 0 THEN 'recovering' WHEN x.blocked > 0 THEN "
      "'blocked' ELSE 'recovering' END\n"
    " FROM tasks x ORDER BY x.id;\n"
    "END $$;\n"},
    {"get_task_execution_context",
    "CREATE OR REPLACE FUNCTION get_task_execution_context(input_task_id bigint)\n"
    " RETURNS TABLE(task_id bigint, named_task_id integer, status text, total_steps bigint, pending_steps "
      "bigint, in_progress_steps bigint,\n"
    " completed_steps bigint, failed_steps bigint, ready_steps bigint, execution_status text, "
      "recommended_action text, completion_percentage numeric,\n"
    " health_status text) LANGUAGE plpgsql STABLE AS $$\n"
    "BEGIN\n"
    " RETURN QUERY SELECT * FROM get_task_execution_contexts_batch(ARRAY[input_task_id]);\n"
    "END $$;\n"},
    {"get_analytics_metrics_v01",
    "CREATE OR REPLACE FUNCTION get_analytics_metrics_v01(since_timestamp timestamp with time zone DEFAULT NULL)\n"
    " RETURNS TABLE(active_tasks_count bigint, total_namespaces_count bigint, unique_task_types_count "
      "bigint, system_health_score numeric,\n"
    " task_throughput bigint, completion_count bigint, error_count bigint, completion_rate numeric, "
      "error_rate numeric, avg_task_duration numeric,\n"
    " avg_step_duration numeric, step_throughput bigint, analysis_period_start timestamp with time zone, "
      "calculated_at timestamp with time zone)\n"
    " LANGUAGE plpgsql STABLE AS $$\n"
    "DECLARE since timestamp with time zone := coalesce(since_timestamp, now() - interval '1 hour');\n"
    "BEGIN\n"
    " RETURN QUERY\n"
    " WITH recent AS (\n"
    "  SELECT k.task_id AS id, k.created_at >= now() - interval '1 hour' AS last_hour, k.created_at >= since "
      "AS in_period,\n"
    "   EXISTS (SELECT 1 FROM tasker_workflow_steps s JOIN tasker_workflow_step_transitions t ON "
      "t.workflow_step_id = s.workflow_step_id\n"
    "    AND t.most_recent = true WHERE s.task_id = k.task_id AND t.to_state = 'complete') AS some_done,\n"
    "   EXISTS (SELECT 1 FROM tasker_workflow_steps s JOIN tasker_workflow_step_transitions t ON "
      "t.workflow_step_id = s.workflow_step_id\n"
    "    AND t.most_recent = true WHERE s.task_id = k.task_id AND t.to_state = 'error') AS some_failed\n"
    "  FROM tasker_tasks k WHERE k.created_at >= least(since, now() - interval '1 hour')),\n"
    " counts AS (\n"
    "  SELECT count(*) FILTER (WHERE r.last_hour AND r.some_done) AS c, count(*) FILTER (WHERE r.last_hour "
      "AND r.some_failed) AS e,\n"
    "   count(*) FILTER (WHERE r.in_period) AS created, count(*) FILTER (WHERE r.in_period AND r.some_done) "
      "AS done,\n"
    "   count(*) FILTER (WHERE r.in_period AND r.some_failed) AS failed FROM recent r),\n"
    " spans AS (\n"
    "  SELECT avg(extract(epoch FROM t.created_at - k.created_at)) FILTER (WHERE t.to_state = 'complete') AS "
      "task_span,\n"
    "   avg(extract(epoch FROM t.created_at - s.created_at)) FILTER (WHERE t.to_state = 'complete') AS "
      "step_span, count(DISTINCT s.workflow_step_id) AS steps\n"
    "  FROM tasker_tasks k JOIN tasker_workflow_steps s ON s.task_id = k.task_id\n"
    "  LEFT JOIN tasker_workflow_step_transitions t ON t.workflow_step_id = s.workflow_step_id AND "
      "t.most_recent = true\n"
    "  WHERE k.created_at >= since)\n"
    " SELECT (SELECT count(DISTINCT s.task_id) FROM tasker_workflow_step_transitions t JOIN "
      "tasker_workflow_steps s ON s.workflow_step_id = t.workflow_step_id\n"
    "   WHERE t.most_recent = true AND t.to_state NOT IN ('complete', 'error', 'skipped', "
      "'resolved_manually')),\n"
    "  (SELECT count(DISTINCT n.name) FROM tasker_task_namespaces n JOIN tasker_named_tasks nt ON "
      "nt.task_namespace_id = n.task_namespace_id\n"
    "   WHERE EXISTS (SELECT 1 FROM tasker_tasks k WHERE k.named_task_id = nt.named_task_id)),\n"
    "  (SELECT count(DISTINCT nt.name) FROM tasker_named_tasks nt WHERE EXISTS (SELECT 1 FROM tasker_tasks k "
      "WHERE k.named_task_id = nt.named_task_id)),\n"
    "  CASE WHEN c.c + c.e = 0 THEN 1.0 ELSE round(c.c::numeric / (c.c + c.e)::numeric, 3) END, c.created, "
      "c.done, c.failed,\n"
    "  CASE WHEN c.created = 0 THEN 0.0 ELSE round(c.done::numeric / c.created::numeric * 100, 2) END,\n"
    "  CASE WHEN c.created = 0 THEN 0.0 ELSE round(c.failed::numeric / c.created::numeric * 100, 2) END,\n"
    "  coalesce(round(s.task_span, 3), 0), coalesce(round(s.step_span, 3), 0), s.steps, since, now()\n"
    " FROM counts c CROSS JOIN spans s;\n"
    "END $$;\n"},
    {"get_slowest_steps_v01",
    "CREATE OR REPLACE FUNCTION get_slowest_steps_v01(since_timestamp timestamp with time zone DEFAULT NULL, "
      "limit_count integer DEFAULT 10,\n"
    " namespace_filter text DEFAULT NULL, task_name_filter text DEFAULT NULL, version_filter text DEFAULT "
      "NULL)\n"
    " RETURNS TABLE(workflow_step_id bigint, task_id bigint, step_name character varying, task_name "
      "character varying, namespace_name character varying,\n"
    " version character varying, duration_seconds numeric, attempts integer, created_at timestamp with time "
      "zone, completed_at timestamp with time zone,\n"
    " retryable boolean, step_status character varying) LANGUAGE plpgsql STABLE AS $$\n"
    "BEGIN\n"
    " RETURN QUERY\n"
    " SELECT s.workflow_step_id, s.task_id, ns.name, nt.name, n.name, nt.version, round(extract(epoch FROM "
      "t.created_at - s.created_at), 3), s.attempts,\n"
    "  s.created_at AT TIME ZONE 'UTC', t.created_at AT TIME ZONE 'UTC', s.retryable, t.to_state\n"
    " FROM tasker_workflow_steps s\n"
    " JOIN tasker_workflow_step_transitions t ON t.workflow_step_id = s.workflow_step_id AND t.most_recent = "
      "true AND t.to_state = 'complete'\n"
    " JOIN tasker_named_steps ns ON ns.named_step_id = s.named_step_id JOIN tasker_tasks k ON k.task_id = "
      "s.task_id\n"
    " JOIN tasker_named_tasks nt ON nt.named_task_id = k.named_task_id JOIN tasker_task_namespaces n ON "
      "n.task_namespace_id = nt.task_namespace_id\n"
    " WHERE s.created_at >= coalesce(since_timestamp, now() - interval '24 hours') AT TIME ZONE 'UTC' AND "
      "t.created_at > s.created_at\n"
    "  AND (namespace_filter IS NULL OR n.name = namespace_filter) AND (task_name_filter IS NULL OR nt.name "
      "= task_name_filter)\n"
    "  AND (version_filter IS NULL OR nt.version = version_filter)\n"
    " ORDER BY 7 DESC, 1 LIMIT limit_count;\n"
    "END $$;\n"},
    {"get_slowest_tasks_v01",
    "CREATE OR REPLACE FUNCTION get_slowest_tasks_v01(since_timestamp timestamp with time zone DEFAULT NULL, "
      "limit_count integer DEFAULT 10,\n"
    " namespace_filter text DEFAULT NULL, task_name_filter text DEFAULT NULL, version_filter text DEFAULT "
      "NULL)\n"
    " RETURNS TABLE(task_id bigint, task_name character varying, namespace_name character varying, version "
      "character varying, duration_seconds numeric,\n"
    " step_count bigint, completed_steps bigint, error_steps bigint, created_at timestamp with time zone, "
      "completed_at timestamp with time zone,\n"
    " initiator character varying, source_system character varying) LANGUAGE plpgsql STABLE AS $$\n"
    "BEGIN\n"
    " RETURN QUERY\n"
    " SELECT k.task_id, nt.name, n.name, nt.version, round(extract(epoch FROM c.ended - k.created_at), 3), "
      "c.steps, c.done, c.failed,\n"
    "  k.created_at AT TIME ZONE 'UTC', c.ended AT TIME ZONE 'UTC', k.initiator, k.source_system\n"
    " FROM tasker_tasks k JOIN tasker_named_tasks nt ON nt.named_task_id = k.named_task_id\n"
    " JOIN tasker_task_namespaces n ON n.task_namespace_id = nt.task_namespace_id\n"
    " CROSS JOIN LATERAL (SELECT count(*) AS steps, count(*) FILTER (WHERE t.to_state = 'complete') AS done,\n"
    "   count(*) FILTER (WHERE t.to_state = 'error') AS failed, max(t.created_at) FILTER (WHERE t.to_state "
      "IN ('complete', 'error')) AS ended\n"
    "  FROM tasker_workflow_steps s LEFT JOIN tasker_workflow_step_transitions t ON t.workflow_step_id = "
      "s.workflow_step_id AND t.most_recent = true\n"
    "  WHERE s.task_id = k.task_id) c\n"
    " WHERE k.created_at >= coalesce(since_timestamp, now() - interval '24 hours') AT TIME ZONE 'UTC' AND "
      "c.ended IS NOT NULL\n"
    "  AND (namespace_filter IS NULL OR n.name = namespace_filter) AND (task_name_filter IS NULL OR nt.name "
      "= task_name_filter)\n"
    "  AND (version_filter IS NULL OR nt.version = version_filter)\n"
    " ORDER BY 5 DESC, 1 LIMIT limit_count;\n"
    "END $$;\n"},
    {"get_system_health_counts_v01",
    "CREATE OR REPLACE FUNCTION get_system_health_counts_v01()\n"
    " RETURNS TABLE(total_tasks bigint, pending_tasks bigint, in_progress_tasks bigint, complete_tasks "
      "bigint, error_tasks bigint, cancelled_tasks bigint,\n"
    " total_steps bigint, pending_steps bigint, in_progress_steps bigint, complete_steps bigint, error_steps "
      "bigint, retryable_error_steps bigint,\n"
    " exhausted_retry_steps bigint, in_backoff_steps bigint, active_connections bigint, max_connections "
      "bigint) LANGUAGE plpgsql STABLE AS $$\n"
    "-- What is complete is all the rest: it is most of what there is, and nothing has to be read to count "
      "it but an index.\n"
    "BEGIN\n"
    " RETURN QUERY\n"
    " SELECT (SELECT count(*) FROM tasker_tasks), t.pending, t.running,\n"
    "  (SELECT count(*) FROM tasker_task_transitions x WHERE x.most_recent = true) - t.others, t.failed, "
      "t.cancelled,\n"
    "  (SELECT count(*) FROM tasker_workflow_steps), s.pending, s.running,\n"
    "  (SELECT count(*) FROM tasker_workflow_step_transitions x WHERE x.most_recent = true) - s.others, "
      "s.failed, f.again, f.exhausted, f.waiting,\n"
    "  (SELECT count(*) FROM pg_stat_activity a WHERE a.datname = current_database() AND a.state = 'active'),\n"
    "  current_setting('max_connections')::bigint\n"
    " FROM (SELECT count(*) FILTER (WHERE x.to_state = 'pending') AS pending, count(*) FILTER (WHERE "
      "x.to_state = 'in_progress') AS running,\n"
    "   count(*) FILTER (WHERE x.to_state = 'error') AS failed, count(*) FILTER (WHERE x.to_state = "
      "'cancelled') AS cancelled, count(*) AS others\n"
    "  FROM tasker_task_transitions x WHERE x.most_recent = true AND x.to_state <> 'complete') t\n"
    " CROSS JOIN (SELECT count(*) FILTER (WHERE x.to_state = 'pending') AS pending, count(*) FILTER (WHERE "
      "x.to_state = 'in_progress') AS running,\n"
    "   count(*) FILTER (WHERE x.to_state = 'error') AS failed, count(*) AS others\n"
    "  FROM tasker_workflow_step_transitions x WHERE x.most_recent = true AND x.to_state <> 'complete') s\n"
    " CROSS JOIN (SELECT count(*) FILTER (WHERE w.attempts < w.retry_limit AND w.retryable) AS again,\n"
    "   count(*) FILTER (WHERE w.attempts >= w.retry_limit) AS exhausted,\n"
    "   count(*) FILTER (WHERE w.attempts < w.retry_limit AND w.retryable AND w.last_attempted_at IS NOT "
      "NULL) AS waiting\n"
    "  FROM tasker_workflow_step_transitions x JOIN tasker_workflow_steps w ON w.workflow_step_id = "
      "x.workflow_step_id\n"
    "  WHERE x.most_recent = true AND x.to_state = 'error') f;\n"
    "END $$;\n"},
    {"calculate_dependency_levels",
    "CREATE OR REPLACE FUNCTION calculate_dependency_levels(input_task_id bigint)\n"
    " RETURNS TABLE(workflow_step_id bigint, dependency_level integer) LANGUAGE plpgsql STABLE SET "
      "enable_seqscan = off SET jit = off AS $$\n"
    "-- Steps are mostly made in an order in which nothing waits for what comes later. Then one look at each edge is enough.\n"
    "-- Else Kahn's algorithm: every edge is looked at once, and what stands in a cycle never comes up.\n"
    "DECLARE\n"
    " ids bigint[]; n integer; froms integer[]; tos integer[]; stops integer[]; waits integer[]; levels integer[];\n"
    " queue integer[];\n"
    " head integer; tail integer; i integer; child integer; next integer; roots integer[]; again boolean := false;\n"
    " back boolean;\n"
    "BEGIN\n"
    " SELECT array_agg(s.workflow_step_id ORDER BY s.workflow_step_id) INTO ids FROM tasker_workflow_steps s\n"
    "  WHERE s.task_id = input_task_id;\n"
    " n := coalesce(array_length(ids, 1), 0);\n"
    " IF n = 0 THEN RETURN; END IF;\n"
    " -- Steps are numbered by their place among the ids; the children of one stand side by side, up to its stop.\n"
    " IF ids[n] - ids[1] = n - 1 THEN -- ids without gaps, whose edges stand side by side in the index\n"
    "  SELECT array_agg((x.a - ids[1] + 1)::integer), array_agg((x.b - ids[1] + 1)::integer), bool_or(x.b <= x.a)\n"
    "   INTO froms, tos, back FROM (SELECT g.from_step_id AS a, g.to_step_id AS b FROM tasker_workflow_step_edges g\n"
    "   WHERE g.from_step_id BETWEEN ids[1] AND ids[n] AND g.to_step_id BETWEEN ids[1] AND ids[n] ORDER BY g.from_step_id) x;\n"
    " ELSE\n"
    "  WITH k AS MATERIALIZED (SELECT ids AS list),\n"
    "  edge AS (SELECT s.place::integer AS a, width_bucket(g.to_step_id, k.list) AS b, g.to_step_id AS id, k.list\n"
    "   FROM k CROSS JOIN unnest(ids) WITH ORDINALITY AS s(id, place)\n"
    "    JOIN tasker_workflow_step_edges g ON g.from_step_id = s.id)\n"
    "  SELECT array_agg(x.a), array_agg(x.b), bool_or(x.b <= x.a) INTO froms, tos, back FROM (\n"
    "   SELECT edge.a, edge.b FROM edge WHERE edge.list[edge.b] = edge.id ORDER BY edge.a) x;\n"
    " END IF;\n"
    " froms := coalesce(froms, '{}'); tos := coalesce(tos, '{}');\n"
    " IF back IS NOT TRUE THEN\n"
    "  levels := array_fill(0, ARRAY[n]); i := 0;\n"
    "  FOREACH child IN ARRAY tos LOOP\n"
    "   i := i + 1;\n"
    "   CONTINUE WHEN levels[child] > levels[froms[i]];\n"
    "   levels[child] := levels[froms[i]] + 1;\n"
    "  END LOOP;\n"
    "  -- A root has no incoming edge at all, from another task neither.\n"
    "  IF NOT EXISTS (SELECT 1 FROM unnest(ids, levels) AS u(id, level) JOIN tasker_workflow_step_edges x ON x.to_step_id = u.id\n"
    "   WHERE u.level = 0) THEN\n"
    "   RETURN QUERY SELECT u.id, u.level FROM unnest(ids, levels) AS u(id, level) ORDER BY 2, 1;\n"
    "   RETURN;\n"
    "  END IF;\n"
    " END IF;\n"
    " WITH k AS MATERIALIZED (SELECT froms AS list)\n"
    " SELECT array_agg(width_bucket(s, k.list) ORDER BY s) INTO stops FROM k CROSS JOIN generate_series(0, n) AS s;\n"
    " waits := array_fill(0, ARRAY[n]);\n"
    " FOREACH child IN ARRAY tos LOOP waits[child] := waits[child] + 1; END LOOP;\n"
    " roots := '{}';\n"
    " FOR i IN 1 .. n LOOP\n"
    "  CONTINUE WHEN waits[i] > 0; -- by itself: with a query in it, the condition would cost a query for each step\n"
    "  IF NOT EXISTS (SELECT 1 FROM tasker_workflow_step_edges x WHERE x.to_step_id = ids[i]) THEN\n"
    "   roots := roots || i;\n"
    "  END IF;\n"
    " END LOOP;\n"
    " levels := array_fill(0, ARRAY[n]);\n"
    " LOOP\n"
    "  queue := roots; head := 1; tail := coalesce(array_length(roots, 1), 0);\n"
    "  WHILE head <= tail LOOP\n"
    "   -- Steps come up in the order of their levels, so the parent that comes last has the highest.\n"
    "   i := queue[head]; head := head + 1; next := levels[i] + 1;\n"
    "   FOR e IN stops[i] + 1 .. stops[i + 1] LOOP\n"
    "    child := tos[e];\n"
    "    waits[child] := waits[child] - 1;\n"
    "    IF waits[child] = 0 THEN levels[child] := next; tail := tail + 1; queue[tail] := child; END IF;\n"
    "   END LOOP;\n"
    "  END LOOP;\n"
    "  EXIT WHEN again OR tail = n;\n"
    "  -- Some steps wait for what no root leads to: once more, with the edges only of what can be reached.\n"
    "  again := true;\n"
    "  waits := array_fill(0, ARRAY[n]);\n"
    "  queue := roots; head := 1; tail := coalesce(array_length(roots, 1), 0);\n"
    "  WHILE head <= tail LOOP\n"
    "   i := queue[head]; head := head + 1;\n"
    "   FOR e IN stops[i] + 1 .. stops[i + 1] LOOP\n"
    "    child := tos[e];\n"
    "    IF waits[child] = 0 THEN tail := tail + 1; queue[tail] := child; END IF;\n"
    "    waits[child] := waits[child] + 1;\n"
    "   END LOOP;\n"
    "  END LOOP;\n"
    " END LOOP;\n"
    " RETURN QUERY SELECT ids[u.place], levels[u.place] FROM unnest(queue) AS u(place) ORDER BY 2, 1;\n"
    "END $$;\n"},
};

// The fence of a turn behind a pooler; elsewhere TUNE and FENCE_TUNED (postgres_statements.h) do the same for less. Every
// statement of a turn has to find its rows by index, in a loop: a plan made while the tables were small is kept by the
// session, and must be the right one when they are large.
const char postgres_core_functions[] =
    "CREATE FUNCTION tasker_core_fence(lane bigint, this bigint, expires bigint, lease bigint, lock_ms "
      "integer) RETURNS bigint LANGUAGE plpgsql AS $$\n"
    "BEGIN\n"
    " PERFORM set_config('lock_timeout', lock_ms::text, true), set_config('jit', 'off', true),\n"
    " set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true);\n"
    " UPDATE tasker_core_lanes SET turn = this, expires_at = expires WHERE lane_id = lane AND turn = this - "
      "1;\n"
    " IF NOT FOUND THEN\n"
    "  RAISE EXCEPTION 'lane % was taken over, or its turn is not %', lane, this - 1 USING ERRCODE = 'TC001';\n"
    " END IF;\n"
    " RETURN (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;\n"
    "END $$;\n"
    "CREATE FUNCTION tasker_core_expect(hits bigint, wanted bigint, what text) RETURNS void LANGUAGE "
      "plpgsql AS $$\n"
    "BEGIN\n"
    " IF hits <> wanted THEN\n"
    "  RAISE EXCEPTION '%: the row it changes is not there', what USING ERRCODE = 'TC002';\n"
    " END IF;\n"
    "END $$;\n"
    "CREATE FUNCTION tasker_core_template_of(task bigint) RETURNS bigint LANGUAGE sql STABLE AS $$\n"
    " SELECT coalesce(\n"
    "  (SELECT (t.metadata ->> 'template_id')::bigint FROM tasker_task_transitions t WHERE t.task_id = task "
      "AND t.to_state = 'in_progress'\n"
    "   AND t.metadata ? 'template_id' ORDER BY t.sort_key DESC LIMIT 1),\n"
    "  (SELECT c.template_id FROM tasker_tasks k JOIN tasker_core_templates c ON c.named_task_id = "
      "k.named_task_id AND c.current\n"
    "   WHERE k.task_id = task), 0)\n"
    "$$;\n"
    "CREATE FUNCTION tasker_core_sweep() RETURNS void LANGUAGE plpgsql AS $$\n"
    "BEGIN\n"
    " -- A lane that is gone stays gone, but a row may have found another owner since the snapshot was taken, one\n"
    " -- that the snapshot does not know: so it is locked as a row of that very lane.\n"
    " WITH gone AS MATERIALIZED (SELECT DISTINCT f.lane_id FROM tasker_core_active f WHERE f.lane_id IS NOT NULL\n"
    "  AND NOT EXISTS (SELECT 1 FROM tasker_core_lanes l WHERE l.lane_id = f.lane_id)),\n"
    " held AS MATERIALIZED (SELECT f.task_id FROM gone g JOIN tasker_core_active f ON f.lane_id = g.lane_id\n"
    "  ORDER BY f.task_id FOR UPDATE OF f SKIP LOCKED)\n"
    " UPDATE tasker_core_active a SET lane_id = NULL, suspect = true, crashes = a.crashes + CASE WHEN EXISTS (\n"
    "  SELECT 1 FROM tasker_workflow_steps s JOIN tasker_workflow_step_transitions t\n"
    "   ON t.workflow_step_id = s.workflow_step_id AND t.most_recent = true\n"
    "  WHERE s.task_id = a.task_id AND s.processed = false AND t.to_state = 'in_progress' AND NOT EXISTS (\n"
    "   SELECT 1 FROM tasker_core_dispatch d JOIN tasker_core_lanes w ON w.lane_id = d.worker_lane\n"
    "   WHERE d.task_id = s.task_id AND d.workflow_step_id = s.workflow_step_id)) THEN 1 ELSE 0 END\n"
    " FROM held h WHERE a.task_id = h.task_id;\n"
    " DELETE FROM tasker_core_requests r WHERE NOT EXISTS (SELECT 1 FROM tasker_core_lanes l WHERE l.lane_id "
      "= r.asker_lane);\n"
    "END $$;\n"
    "CREATE FUNCTION tasker_core_take_over(lane bigint, at bigint, dead bigint[]) RETURNS bigint LANGUAGE "
      "plpgsql AS $$\n"
    "DECLARE gone bigint;\n"
    "BEGIN\n"
    " DELETE FROM tasker_core_lanes WHERE lane_id IN (SELECT l.lane_id FROM tasker_core_lanes l\n"
    "  WHERE l.lane_id <> lane AND (l.expires_at < at OR l.lane_id = ANY (dead)) FOR UPDATE SKIP LOCKED);\n"
    " GET DIAGNOSTICS gone = ROW_COUNT;\n"
    " PERFORM tasker_core_sweep();\n"
    " RETURN gone;\n"
    "END $$;\n"
    "CREATE FUNCTION tasker_core_claim_task(task bigint, lane bigint, at bigint, prio integer, OUT answer "
      "integer, OUT owner bigint) LANGUAGE plpgsql AS $$\n"
    "DECLARE newest jsonb;\n"
    "BEGIN\n"
    " SELECT coalesce(a.lane_id, 0) INTO owner FROM tasker_core_active a WHERE a.task_id = task FOR UPDATE;\n"
    " IF NOT FOUND THEN\n"
    "  owner := 0;\n"
    "  PERFORM 1 FROM tasker_tasks k WHERE k.task_id = task FOR UPDATE;\n"
    "  IF NOT FOUND THEN answer := 3; RETURN; END IF;\n"
    "  -- Somebody else may have been first while we waited for the task.\n"
    "  SELECT coalesce(a.lane_id, 0) INTO owner FROM tasker_core_active a WHERE a.task_id = task FOR UPDATE;\n"
    " END IF;\n"
    " IF NOT FOUND THEN\n"
    "  SELECT t.metadata INTO newest FROM tasker_task_transitions t WHERE t.task_id = task AND t.most_recent "
      "= true;\n"
    "  owner := 0;\n"
    "  -- Ours is a task whose newest row an engine of ours has written, unless that gave it back.\n"
    "  IF newest IS NULL OR NOT newest ? 'engine' OR newest ? 'released' THEN answer := 4; RETURN; END IF;\n"
    "  INSERT INTO tasker_core_active (task_id, priority, run_at, lane_id, crashes, suspect, template_id)\n"
    "   VALUES (task, prio, at, lane, 0, false, tasker_core_template_of(task));\n"
    "  answer := 1; owner := lane; RETURN;\n"
    " END IF;\n"
    " IF owner <> 0 AND owner <> lane AND NOT EXISTS (SELECT 1 FROM tasker_core_lanes l WHERE l.lane_id = "
      "owner) THEN\n"
    "  PERFORM tasker_core_sweep();\n"
    "  owner := 0;\n"
    " END IF;\n"
    " IF owner = lane THEN answer := 5; RETURN; END IF;\n"
    " IF owner <> 0 THEN answer := 2; RETURN; END IF;\n"
    " UPDATE tasker_core_active SET lane_id = lane WHERE task_id = task;\n"
    " answer := 1;\n"
    "END $$;\n"
    "CREATE FUNCTION tasker_core_claim(lane bigint, at bigint, most integer) RETURNS SETOF bigint LANGUAGE "
      "plpgsql AS $$\n"
    "DECLARE due bigint[]; mine bigint[];\n"
    "BEGIN\n"
    " -- The queue is in the order of claims. When little of it is due (a million tasks for tomorrow) those "
      "few are found by time.\n"
    " SELECT array_agg(x.task_id) INTO due FROM (SELECT a.task_id FROM tasker_core_active a\n"
    "  WHERE a.lane_id IS NULL AND a.run_at <= at ORDER BY a.run_at LIMIT 1000) x;\n"
    " IF due IS NULL THEN RETURN; END IF;\n"
    " IF array_length(due, 1) < 1000 THEN\n"
    "  SELECT array_agg(x.task_id) INTO mine FROM (SELECT a.task_id FROM tasker_core_active a\n"
    "   WHERE a.task_id = ANY (due) AND a.lane_id IS NULL ORDER BY a.priority, a.task_id LIMIT most FOR "
      "UPDATE SKIP LOCKED) x;\n"
    " ELSE\n"
    "  SELECT array_agg(x.task_id) INTO mine FROM (SELECT a.task_id FROM tasker_core_active a\n"
    "   WHERE a.lane_id IS NULL AND a.run_at <= at ORDER BY a.priority, a.task_id LIMIT most FOR UPDATE SKIP "
      "LOCKED) x;\n"
    " END IF;\n"
    " UPDATE tasker_core_active SET lane_id = lane WHERE task_id = ANY (mine);\n"
    " RETURN QUERY SELECT unnest(mine);\n"
    "END $$;\n";
