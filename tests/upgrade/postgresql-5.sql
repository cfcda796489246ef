-- A database of schema version 5 on postgresql, made by tests/upgrade/freeze with the programs of commit e40fe60.
-- PostgreSQL database dump
SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
CREATE FUNCTION public.calculate_dependency_levels(input_task_id bigint) RETURNS TABLE(workflow_step_id bigint, dependency_level integer)
    LANGUAGE plpgsql STABLE
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
-- Kahn's algorithm over arrays: every edge is looked at once, and what stands in a cycle never comes up.
DECLARE
 ids bigint[]; n integer; froms integer[]; tos integer[]; stops integer[]; waits integer[]; levels integer[];
 queue integer[];
 head integer; tail integer; i integer; child integer; next integer; roots integer[]; again boolean := false;
BEGIN
 SELECT array_agg(s.workflow_step_id ORDER BY s.workflow_step_id) INTO ids FROM tasker_workflow_steps s
  WHERE s.task_id = input_task_id;
 n := coalesce(array_length(ids, 1), 0);
 IF n = 0 THEN RETURN; END IF;
 -- Steps are numbered by their place among the ids; the children of one stand side by side, up to its stop.
 WITH k AS MATERIALIZED (SELECT ids AS list),
 edge AS (SELECT s.place::integer AS a, width_bucket(g.to_step_id, k.list) AS b, g.to_step_id AS id, k.list
  FROM k CROSS JOIN unnest(ids) WITH ORDINALITY AS s(id, place)
   JOIN tasker_workflow_step_edges g ON g.from_step_id = s.id)
 SELECT array_agg(x.a), array_agg(x.b) INTO froms, tos FROM (
  SELECT edge.a, edge.b FROM edge WHERE edge.list[edge.b] = edge.id ORDER BY edge.a) x;
 froms := coalesce(froms, '{}'); tos := coalesce(tos, '{}');
 WITH k AS MATERIALIZED (SELECT froms AS list)
 SELECT array_agg(width_bucket(s, k.list) ORDER BY s) INTO stops FROM k CROSS JOIN generate_series(0, n) AS s;
 waits := array_fill(0, ARRAY[n]);
 FOREACH child IN ARRAY tos LOOP waits[child] := waits[child] + 1; END LOOP;
 -- A root has no incoming edge at all, from another task neither.
 roots := '{}';
 FOR i IN 1 .. n LOOP
  CONTINUE WHEN waits[i] > 0; -- by itself: with a query in it, the condition would cost a query for each step
  IF NOT EXISTS (SELECT 1 FROM tasker_workflow_step_edges x WHERE x.to_step_id = ids[i]) THEN
   roots := roots || i;
  END IF;
 END LOOP;
 levels := array_fill(0, ARRAY[n]);
 LOOP
  queue := roots; head := 1; tail := coalesce(array_length(roots, 1), 0);
  WHILE head <= tail LOOP
   -- Steps come up in the order of their levels, so the parent that comes last has the highest.
   i := queue[head]; head := head + 1; next := levels[i] + 1;
   FOR e IN stops[i] + 1 .. stops[i + 1] LOOP
    child := tos[e];
    waits[child] := waits[child] - 1;
    IF waits[child] = 0 THEN levels[child] := next; tail := tail + 1; queue[tail] := child; END IF;
   END LOOP;
  END LOOP;
  EXIT WHEN again OR tail = n;
  -- Some steps wait for what no root leads to: once more, with the edges only of what can be reached.
  again := true;
  waits := array_fill(0, ARRAY[n]);
  queue := roots; head := 1; tail := coalesce(array_length(roots, 1), 0);
  WHILE head <= tail LOOP
   i := queue[head]; head := head + 1;
   FOR e IN stops[i] + 1 .. stops[i + 1] LOOP
    child := tos[e];
    IF waits[child] = 0 THEN tail := tail + 1; queue[tail] := child; END IF;
    waits[child] := waits[child] + 1;
   END LOOP;
  END LOOP;
 END LOOP;
 RETURN QUERY SELECT ids[u.place], levels[u.place] FROM unnest(queue) AS u(place) ORDER BY 2, 1;
END $$;
CREATE FUNCTION public.get_analytics_metrics_v01(since_timestamp timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS TABLE(active_tasks_count bigint, total_namespaces_count bigint, unique_task_types_count bigint, system_health_score numeric, task_throughput bigint, completion_count bigint, error_count bigint, completion_rate numeric, error_rate numeric, avg_task_duration numeric, avg_step_duration numeric, step_throughput bigint, analysis_period_start timestamp with time zone, calculated_at timestamp with time zone)
    LANGUAGE plpgsql STABLE
    AS $$
DECLARE since timestamp with time zone := coalesce(since_timestamp, now() - interval '1 hour');
BEGIN
 RETURN QUERY
 WITH recent AS (
  SELECT k.task_id AS id, k.created_at >= now() - interval '1 hour' AS last_hour, k.created_at >= since AS in_period,
   EXISTS (SELECT 1 FROM tasker_workflow_steps s JOIN tasker_workflow_step_transitions t ON t.workflow_step_id = s.workflow_step_id
    AND t.most_recent = true WHERE s.task_id = k.task_id AND t.to_state = 'complete') AS some_done,
   EXISTS (SELECT 1 FROM tasker_workflow_steps s JOIN tasker_workflow_step_transitions t ON t.workflow_step_id = s.workflow_step_id
    AND t.most_recent = true WHERE s.task_id = k.task_id AND t.to_state = 'error') AS some_failed
  FROM tasker_tasks k WHERE k.created_at >= least(since, now() - interval '1 hour')),
 counts AS (
  SELECT count(*) FILTER (WHERE r.last_hour AND r.some_done) AS c, count(*) FILTER (WHERE r.last_hour AND r.some_failed) AS e,
   count(*) FILTER (WHERE r.in_period) AS created, count(*) FILTER (WHERE r.in_period AND r.some_done) AS done,
   count(*) FILTER (WHERE r.in_period AND r.some_failed) AS failed FROM recent r),
 spans AS (
  SELECT avg(extract(epoch FROM t.created_at - k.created_at)) FILTER (WHERE t.to_state = 'complete') AS task_span,
   avg(extract(epoch FROM t.created_at - s.created_at)) FILTER (WHERE t.to_state = 'complete') AS step_span, count(DISTINCT s.workflow_step_id) AS steps
  FROM tasker_tasks k JOIN tasker_workflow_steps s ON s.task_id = k.task_id
  LEFT JOIN tasker_workflow_step_transitions t ON t.workflow_step_id = s.workflow_step_id AND t.most_recent = true
  WHERE k.created_at >= since)
 SELECT (SELECT count(DISTINCT s.task_id) FROM tasker_workflow_step_transitions t JOIN tasker_workflow_steps s ON s.workflow_step_id = t.workflow_step_id
   WHERE t.most_recent = true AND t.to_state NOT IN ('complete', 'error', 'skipped', 'resolved_manually')),
  (SELECT count(DISTINCT n.name) FROM tasker_task_namespaces n JOIN tasker_named_tasks nt ON nt.task_namespace_id = n.task_namespace_id
   WHERE EXISTS (SELECT 1 FROM tasker_tasks k WHERE k.named_task_id = nt.named_task_id)),
  (SELECT count(DISTINCT nt.name) FROM tasker_named_tasks nt WHERE EXISTS (SELECT 1 FROM tasker_tasks k WHERE k.named_task_id = nt.named_task_id)),
  CASE WHEN c.c + c.e = 0 THEN 1.0 ELSE round(c.c::numeric / (c.c + c.e)::numeric, 3) END, c.created, c.done, c.failed,
  CASE WHEN c.created = 0 THEN 0.0 ELSE round(c.done::numeric / c.created::numeric * 100, 2) END,
  CASE WHEN c.created = 0 THEN 0.0 ELSE round(c.failed::numeric / c.created::numeric * 100, 2) END,
  coalesce(round(s.task_span, 3), 0), coalesce(round(s.step_span, 3), 0), s.steps, since, now()
 FROM counts c CROSS JOIN spans s;
END $$;
CREATE FUNCTION public.get_slowest_steps_v01(since_timestamp timestamp with time zone DEFAULT NULL::timestamp with time zone, limit_count integer DEFAULT 10, namespace_filter text DEFAULT NULL::text, task_name_filter text DEFAULT NULL::text, version_filter text DEFAULT NULL::text) RETURNS TABLE(workflow_step_id bigint, task_id bigint, step_name character varying, task_name character varying, namespace_name character varying, version character varying, duration_seconds numeric, attempts integer, created_at timestamp with time zone, completed_at timestamp with time zone, retryable boolean, step_status character varying)
    LANGUAGE plpgsql STABLE
    AS $$
BEGIN
 RETURN QUERY
 SELECT s.workflow_step_id, s.task_id, ns.name, nt.name, n.name, nt.version, round(extract(epoch FROM t.created_at - s.created_at), 3), s.attempts,
  s.created_at AT TIME ZONE 'UTC', t.created_at AT TIME ZONE 'UTC', s.retryable, t.to_state
 FROM tasker_workflow_steps s
 JOIN tasker_workflow_step_transitions t ON t.workflow_step_id = s.workflow_step_id AND t.most_recent = true AND t.to_state = 'complete'
 JOIN tasker_named_steps ns ON ns.named_step_id = s.named_step_id JOIN tasker_tasks k ON k.task_id = s.task_id
 JOIN tasker_named_tasks nt ON nt.named_task_id = k.named_task_id JOIN tasker_task_namespaces n ON n.task_namespace_id = nt.task_namespace_id
 WHERE s.created_at >= coalesce(since_timestamp, now() - interval '24 hours') AT TIME ZONE 'UTC' AND t.created_at > s.created_at
  AND (namespace_filter IS NULL OR n.name = namespace_filter) AND (task_name_filter IS NULL OR nt.name = task_name_filter)
  AND (version_filter IS NULL OR nt.version = version_filter)
 ORDER BY 7 DESC, 1 LIMIT limit_count;
END $$;
CREATE FUNCTION public.get_slowest_tasks_v01(since_timestamp timestamp with time zone DEFAULT NULL::timestamp with time zone, limit_count integer DEFAULT 10, namespace_filter text DEFAULT NULL::text, task_name_filter text DEFAULT NULL::text, version_filter text DEFAULT NULL::text) RETURNS TABLE(task_id bigint, task_name character varying, namespace_name character varying, version character varying, duration_seconds numeric, step_count bigint, completed_steps bigint, error_steps bigint, created_at timestamp with time zone, completed_at timestamp with time zone, initiator character varying, source_system character varying)
    LANGUAGE plpgsql STABLE
    AS $$
BEGIN
 RETURN QUERY
 SELECT k.task_id, nt.name, n.name, nt.version, round(extract(epoch FROM c.ended - k.created_at), 3), c.steps, c.done, c.failed,
  k.created_at AT TIME ZONE 'UTC', c.ended AT TIME ZONE 'UTC', k.initiator, k.source_system
 FROM tasker_tasks k JOIN tasker_named_tasks nt ON nt.named_task_id = k.named_task_id
 JOIN tasker_task_namespaces n ON n.task_namespace_id = nt.task_namespace_id
 CROSS JOIN LATERAL (SELECT count(*) AS steps, count(*) FILTER (WHERE t.to_state = 'complete') AS done,
   count(*) FILTER (WHERE t.to_state = 'error') AS failed, max(t.created_at) FILTER (WHERE t.to_state IN ('complete', 'error')) AS ended
  FROM tasker_workflow_steps s LEFT JOIN tasker_workflow_step_transitions t ON t.workflow_step_id = s.workflow_step_id AND t.most_recent = true
  WHERE s.task_id = k.task_id) c
 WHERE k.created_at >= coalesce(since_timestamp, now() - interval '24 hours') AT TIME ZONE 'UTC' AND c.ended IS NOT NULL
  AND (namespace_filter IS NULL OR n.name = namespace_filter) AND (task_name_filter IS NULL OR nt.name = task_name_filter)
  AND (version_filter IS NULL OR nt.version = version_filter)
 ORDER BY 5 DESC, 1 LIMIT limit_count;
END $$;
CREATE FUNCTION public.get_step_readiness_status(input_task_id bigint, step_ids bigint[] DEFAULT NULL::bigint[]) RETURNS TABLE(workflow_step_id bigint, task_id bigint, named_step_id integer, name text, current_state text, dependencies_satisfied boolean, retry_eligible boolean, ready_for_execution boolean, last_failure_at timestamp without time zone, next_retry_at timestamp without time zone, total_parents integer, completed_parents integer, attempts integer, retry_limit integer, backoff_request_seconds integer, last_attempted_at timestamp without time zone)
    LANGUAGE plpgsql STABLE
    SET enable_nestloop TO 'off'
    SET enable_mergejoin TO 'off'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
DECLARE
 low bigint; high bigint; ids bigint[]; names_low integer; names_high integer; name_ids integer[]; n bigint;
BEGIN
 SELECT min(s.workflow_step_id), max(s.workflow_step_id), array_agg(s.workflow_step_id), min(s.named_step_id), max(s.named_step_id), array_agg(s.named_step_id), count(*)
  INTO low, high, ids, names_low, names_high, name_ids, n FROM tasker_workflow_steps s WHERE s.task_id = input_task_id AND (step_ids IS NULL OR s.workflow_step_id = ANY (step_ids));
 -- Ids that stand close together are read as one range, others one by one.
 IF high - low < 4 * n THEN ids := NULL; ELSE low := NULL; END IF;
 IF names_high - names_low < 4 * n THEN name_ids := NULL; ELSE names_low := NULL; END IF;
 RETURN QUERY
 WITH latest AS MATERIALIZED (
  SELECT t.workflow_step_id AS id, t.to_state AS state, t.created_at AS since FROM tasker_workflow_step_transitions t
   WHERE t.workflow_step_id BETWEEN low AND high AND t.most_recent = true
  UNION ALL SELECT t.workflow_step_id, t.to_state, t.created_at FROM tasker_workflow_step_transitions t
   WHERE t.workflow_step_id = ANY (ids) AND t.most_recent = true),
 edge AS (
  SELECT g.from_step_id AS a, g.to_step_id AS b FROM tasker_workflow_step_edges g WHERE g.to_step_id BETWEEN low AND high
  UNION ALL SELECT g.from_step_id, g.to_step_id FROM tasker_workflow_step_edges g WHERE g.to_step_id = ANY (ids)),
 -- A parent that was not read above may be a step of another task.
 above AS (
  SELECT g.b AS id, count(*)::integer AS parents, (count(*) FILTER (WHERE
    CASE WHEN p.id IS NOT NULL OR g.a BETWEEN low AND high THEN p.state ELSE
     (SELECT o.to_state FROM tasker_workflow_step_transitions o WHERE o.workflow_step_id = g.a AND o.most_recent = true) END
    IN ('complete', 'resolved_manually')))::integer AS done
   FROM edge g LEFT JOIN latest p ON p.id = g.a GROUP BY g.b),
 names AS (
  SELECT n.named_step_id AS id, n.name::text AS name FROM tasker_named_steps n WHERE n.named_step_id BETWEEN names_low AND names_high
  UNION ALL SELECT n.named_step_id, n.name::text FROM tasker_named_steps n WHERE n.named_step_id = ANY (name_ids))
 SELECT r.id, r.task, r.named, r.step_name, r.state, r.parents = r.done, r.tries < r.most,
  r.state IN ('pending', 'error') AND NOT r.processed AND r.parents = r.done AND r.tries < r.most AND r.retryable AND NOT r.busy
   AND (r.backoff IS NULL OR r.attempted IS NULL OR r.attempted + r.backoff * interval '1 second' <= now())
   AND (r.failed IS NULL OR r.failed + r.delay * interval '1 second' <= now()),
  r.failed,
  CASE WHEN r.backoff IS NOT NULL AND r.attempted IS NOT NULL THEN r.attempted + r.backoff * interval '1 second'
       WHEN r.failed IS NOT NULL THEN r.failed + r.delay * interval '1 second' END,
  r.parents, r.done, r.tries, r.most, r.backoff, r.attempted
 FROM (SELECT s.workflow_step_id AS id, s.task_id AS task, s.named_step_id AS named, ns.name AS step_name,
   coalesce(t.state, 'pending')::text AS state, s.processed, s.in_process AS busy, s.retryable, coalesce(s.attempts, 0) AS tries,
   coalesce(s.retry_limit, 3) AS most, s.backoff_request_seconds AS backoff, s.last_attempted_at AS attempted,
   CASE WHEN t.state = 'error' THEN t.since::timestamp without time zone END AS failed,
   CASE WHEN coalesce(s.attempts, 1) >= 5 THEN 30 ELSE least(power(2, coalesce(s.attempts, 1)), 30) END AS delay,
   coalesce(e.parents, 0) AS parents, coalesce(e.done, 0) AS done
  FROM tasker_workflow_steps s
  JOIN names ns ON ns.id = s.named_step_id
  LEFT JOIN latest t ON t.id = s.workflow_step_id
  LEFT JOIN above e ON e.id = s.workflow_step_id
  WHERE s.task_id = input_task_id AND (step_ids IS NULL OR s.workflow_step_id = ANY (step_ids))) r;
END $$;
CREATE FUNCTION public.get_step_readiness_status_batch(input_task_ids bigint[]) RETURNS TABLE(workflow_step_id bigint, task_id bigint, named_step_id integer, name text, current_state text, dependencies_satisfied boolean, retry_eligible boolean, ready_for_execution boolean, last_failure_at timestamp without time zone, next_retry_at timestamp without time zone, total_parents integer, completed_parents integer, attempts integer, retry_limit integer, backoff_request_seconds integer, last_attempted_at timestamp without time zone)
    LANGUAGE plpgsql STABLE
    SET enable_nestloop TO 'off'
    SET enable_mergejoin TO 'off'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
DECLARE
 low bigint; high bigint; ids bigint[]; names_low integer; names_high integer; name_ids integer[]; n bigint;
BEGIN
 SELECT min(s.workflow_step_id), max(s.workflow_step_id), array_agg(s.workflow_step_id), min(s.named_step_id), max(s.named_step_id), array_agg(s.named_step_id), count(*)
  INTO low, high, ids, names_low, names_high, name_ids, n FROM tasker_workflow_steps s WHERE s.task_id = ANY (input_task_ids);
 -- Ids that stand close together are read as one range, others one by one.
 IF high - low < 4 * n THEN ids := NULL; ELSE low := NULL; END IF;
 IF names_high - names_low < 4 * n THEN name_ids := NULL; ELSE names_low := NULL; END IF;
 RETURN QUERY
 WITH latest AS MATERIALIZED (
  SELECT t.workflow_step_id AS id, t.to_state AS state, t.created_at AS since FROM tasker_workflow_step_transitions t
   WHERE t.workflow_step_id BETWEEN low AND high AND t.most_recent = true
  UNION ALL SELECT t.workflow_step_id, t.to_state, t.created_at FROM tasker_workflow_step_transitions t
   WHERE t.workflow_step_id = ANY (ids) AND t.most_recent = true),
 edge AS (
  SELECT g.from_step_id AS a, g.to_step_id AS b FROM tasker_workflow_step_edges g WHERE g.to_step_id BETWEEN low AND high
  UNION ALL SELECT g.from_step_id, g.to_step_id FROM tasker_workflow_step_edges g WHERE g.to_step_id = ANY (ids)),
 -- A parent that was not read above may be a step of another task.
 above AS (
  SELECT g.b AS id, count(*)::integer AS parents, (count(*) FILTER (WHERE
    CASE WHEN p.id IS NOT NULL OR g.a BETWEEN low AND high THEN p.state ELSE
     (SELECT o.to_state FROM tasker_workflow_step_transitions o WHERE o.workflow_step_id = g.a AND o.most_recent = true) END
    IN ('complete', 'resolved_manually')))::integer AS done
   FROM edge g LEFT JOIN latest p ON p.id = g.a GROUP BY g.b),
 names AS (
  SELECT n.named_step_id AS id, n.name::text AS name FROM tasker_named_steps n WHERE n.named_step_id BETWEEN names_low AND names_high
  UNION ALL SELECT n.named_step_id, n.name::text FROM tasker_named_steps n WHERE n.named_step_id = ANY (name_ids))
 SELECT r.id, r.task, r.named, r.step_name, r.state, r.parents = r.done, r.tries < r.most,
  r.state IN ('pending', 'error') AND NOT r.processed AND r.parents = r.done AND r.tries < r.most AND r.retryable AND NOT r.busy
   AND (r.backoff IS NULL OR r.attempted IS NULL OR r.attempted + r.backoff * interval '1 second' <= now())
   AND (r.failed IS NULL OR r.failed + r.delay * interval '1 second' <= now()),
  r.failed,
  CASE WHEN r.backoff IS NOT NULL AND r.attempted IS NOT NULL THEN r.attempted + r.backoff * interval '1 second'
       WHEN r.failed IS NOT NULL THEN r.failed + r.delay * interval '1 second' END,
  r.parents, r.done, r.tries, r.most, r.backoff, r.attempted
 FROM (SELECT s.workflow_step_id AS id, s.task_id AS task, s.named_step_id AS named, ns.name AS step_name,
   coalesce(t.state, 'pending')::text AS state, s.processed, s.in_process AS busy, s.retryable, coalesce(s.attempts, 0) AS tries,
   coalesce(s.retry_limit, 3) AS most, s.backoff_request_seconds AS backoff, s.last_attempted_at AS attempted,
   CASE WHEN t.state = 'error' THEN t.since::timestamp without time zone END AS failed,
   CASE WHEN coalesce(s.attempts, 1) >= 5 THEN 30 ELSE least(power(2, coalesce(s.attempts, 1)), 30) END AS delay,
   coalesce(e.parents, 0) AS parents, coalesce(e.done, 0) AS done
  FROM tasker_workflow_steps s
  JOIN names ns ON ns.id = s.named_step_id
  LEFT JOIN latest t ON t.id = s.workflow_step_id
  LEFT JOIN above e ON e.id = s.workflow_step_id
  WHERE s.task_id = ANY (input_task_ids)) r;
END $$;
CREATE FUNCTION public.get_system_health_counts_v01() RETURNS TABLE(total_tasks bigint, pending_tasks bigint, in_progress_tasks bigint, complete_tasks bigint, error_tasks bigint, cancelled_tasks bigint, total_steps bigint, pending_steps bigint, in_progress_steps bigint, complete_steps bigint, error_steps bigint, retryable_error_steps bigint, exhausted_retry_steps bigint, in_backoff_steps bigint, active_connections bigint, max_connections bigint)
    LANGUAGE plpgsql STABLE
    AS $$
-- What is complete is all the rest: it is most of what there is, and nothing has to be read to count it but an index.
BEGIN
 RETURN QUERY
 SELECT (SELECT count(*) FROM tasker_tasks), t.pending, t.running,
  (SELECT count(*) FROM tasker_task_transitions x WHERE x.most_recent = true) - t.others, t.failed, t.cancelled,
  (SELECT count(*) FROM tasker_workflow_steps), s.pending, s.running,
  (SELECT count(*) FROM tasker_workflow_step_transitions x WHERE x.most_recent = true) - s.others, s.failed, f.again, f.exhausted, f.waiting,
  (SELECT count(*) FROM pg_stat_activity a WHERE a.datname = current_database() AND a.state = 'active'),
  current_setting('max_connections')::bigint
 FROM (SELECT count(*) FILTER (WHERE x.to_state = 'pending') AS pending, count(*) FILTER (WHERE x.to_state = 'in_progress') AS running,
   count(*) FILTER (WHERE x.to_state = 'error') AS failed, count(*) FILTER (WHERE x.to_state = 'cancelled') AS cancelled, count(*) AS others
  FROM tasker_task_transitions x WHERE x.most_recent = true AND x.to_state <> 'complete') t
 CROSS JOIN (SELECT count(*) FILTER (WHERE x.to_state = 'pending') AS pending, count(*) FILTER (WHERE x.to_state = 'in_progress') AS running,
   count(*) FILTER (WHERE x.to_state = 'error') AS failed, count(*) AS others
  FROM tasker_workflow_step_transitions x WHERE x.most_recent = true AND x.to_state <> 'complete') s
 CROSS JOIN (SELECT count(*) FILTER (WHERE w.attempts < w.retry_limit AND w.retryable) AS again,
   count(*) FILTER (WHERE w.attempts >= w.retry_limit) AS exhausted,
   count(*) FILTER (WHERE w.attempts < w.retry_limit AND w.retryable AND w.last_attempted_at IS NOT NULL) AS waiting
  FROM tasker_workflow_step_transitions x JOIN tasker_workflow_steps w ON w.workflow_step_id = x.workflow_step_id
  WHERE x.most_recent = true AND x.to_state = 'error') f;
END $$;
CREATE FUNCTION public.get_task_execution_context(input_task_id bigint) RETURNS TABLE(task_id bigint, named_task_id integer, status text, total_steps bigint, pending_steps bigint, in_progress_steps bigint, completed_steps bigint, failed_steps bigint, ready_steps bigint, execution_status text, recommended_action text, completion_percentage numeric, health_status text)
    LANGUAGE plpgsql STABLE
    AS $$
BEGIN
 RETURN QUERY SELECT * FROM get_task_execution_contexts_batch(ARRAY[input_task_id]);
END $$;
CREATE FUNCTION public.get_task_execution_contexts_batch(input_task_ids bigint[]) RETURNS TABLE(task_id bigint, named_task_id integer, status text, total_steps bigint, pending_steps bigint, in_progress_steps bigint, completed_steps bigint, failed_steps bigint, ready_steps bigint, execution_status text, recommended_action text, completion_percentage numeric, health_status text)
    LANGUAGE plpgsql STABLE
    AS $$
BEGIN
 RETURN QUERY
 WITH counted AS (
  SELECT r.task_id AS id, count(*) AS total, count(*) FILTER (WHERE r.current_state = 'pending') AS pending,
   count(*) FILTER (WHERE r.current_state = 'in_progress') AS running,
   count(*) FILTER (WHERE r.current_state IN ('complete', 'resolved_manually')) AS done,
   count(*) FILTER (WHERE r.current_state = 'error') AS failed, count(*) FILTER (WHERE r.ready_for_execution) AS ready,
   count(*) FILTER (WHERE r.current_state = 'error' AND r.attempts >= r.retry_limit) AS blocked
  FROM get_step_readiness_status_batch(input_task_ids) r GROUP BY r.task_id),
 tasks AS (
  SELECT k.task_id AS id, k.named_task_id AS named, coalesce(t.to_state, 'pending')::text AS state, coalesce(c.total, 0) AS total,
   coalesce(c.pending, 0) AS pending, coalesce(c.running, 0) AS running, coalesce(c.done, 0) AS done, coalesce(c.failed, 0) AS failed,
   coalesce(c.ready, 0) AS ready, coalesce(c.blocked, 0) AS blocked
  FROM unnest(input_task_ids) AS u(id) JOIN tasker_tasks k ON k.task_id = u.id
  LEFT JOIN tasker_task_transitions t ON t.task_id = k.task_id AND t.most_recent = true
  LEFT JOIN counted c ON c.id = k.task_id)
 SELECT x.id, x.named, x.state, x.total, x.pending, x.running, x.done, x.failed, x.ready,
  CASE WHEN x.ready > 0 THEN 'has_ready_steps' WHEN x.running > 0 THEN 'processing' WHEN x.blocked > 0 THEN 'blocked_by_failures'
       WHEN x.done = x.total AND x.total > 0 THEN 'all_complete' ELSE 'waiting_for_dependencies' END,
  CASE WHEN x.ready > 0 THEN 'execute_ready_steps' WHEN x.running > 0 THEN 'wait_for_completion' WHEN x.blocked > 0 THEN 'handle_failures'
       WHEN x.done = x.total AND x.total > 0 THEN 'finalize_task' ELSE 'wait_for_dependencies' END,
  CASE WHEN x.total = 0 THEN 0.0 ELSE round(x.done::numeric / x.total::numeric * 100, 2) END,
  CASE WHEN x.failed = 0 THEN 'healthy' WHEN x.ready > 0 THEN 'recovering' WHEN x.blocked > 0 THEN 'blocked' ELSE 'recovering' END
 FROM tasks x ORDER BY x.id;
END $$;
CREATE FUNCTION public.tasker_core_claim(lane bigint, at bigint, most integer) RETURNS SETOF bigint
    LANGUAGE plpgsql
    AS $$
DECLARE due bigint[]; mine bigint[];
BEGIN
 -- The queue is in the order of claims. When little of it is due (a million tasks for tomorrow) those few are found by time.
 SELECT array_agg(x.task_id) INTO due FROM (SELECT a.task_id FROM tasker_core_active a
  WHERE a.lane_id IS NULL AND a.run_at <= at ORDER BY a.run_at LIMIT 1000) x;
 IF due IS NULL THEN RETURN; END IF;
 IF array_length(due, 1) < 1000 THEN
  SELECT array_agg(x.task_id) INTO mine FROM (SELECT a.task_id FROM tasker_core_active a
   WHERE a.task_id = ANY (due) AND a.lane_id IS NULL ORDER BY a.priority, a.task_id LIMIT most FOR UPDATE SKIP LOCKED) x;
 ELSE
  SELECT array_agg(x.task_id) INTO mine FROM (SELECT a.task_id FROM tasker_core_active a
   WHERE a.lane_id IS NULL AND a.run_at <= at ORDER BY a.priority, a.task_id LIMIT most FOR UPDATE SKIP LOCKED) x;
 END IF;
 UPDATE tasker_core_active SET lane_id = lane WHERE task_id = ANY (mine);
 RETURN QUERY SELECT unnest(mine);
END $$;
CREATE FUNCTION public.tasker_core_claim_task(task bigint, lane bigint, at bigint, prio integer, OUT answer integer, OUT owner bigint) RETURNS record
    LANGUAGE plpgsql
    AS $$
DECLARE newest jsonb;
BEGIN
 SELECT coalesce(a.lane_id, 0) INTO owner FROM tasker_core_active a WHERE a.task_id = task FOR UPDATE;
 IF NOT FOUND THEN
  owner := 0;
  PERFORM 1 FROM tasker_tasks k WHERE k.task_id = task FOR UPDATE;
  IF NOT FOUND THEN answer := 3; RETURN; END IF;
  -- Somebody else may have been first while we waited for the task.
  SELECT coalesce(a.lane_id, 0) INTO owner FROM tasker_core_active a WHERE a.task_id = task FOR UPDATE;
 END IF;
 IF NOT FOUND THEN
  SELECT t.metadata INTO newest FROM tasker_task_transitions t WHERE t.task_id = task AND t.most_recent = true;
  owner := 0;
  -- Ours is a task whose newest row an engine of ours has written, unless that gave it back.
  IF newest IS NULL OR NOT newest ? 'engine' OR newest ? 'released' THEN answer := 4; RETURN; END IF;
  INSERT INTO tasker_core_active (task_id, priority, run_at, lane_id, crashes, suspect, template_id)
   VALUES (task, prio, at, lane, 0, false, tasker_core_template_of(task));
  answer := 1; owner := lane; RETURN;
 END IF;
 IF owner <> 0 AND owner <> lane AND NOT EXISTS (SELECT 1 FROM tasker_core_lanes l WHERE l.lane_id = owner) THEN
  PERFORM tasker_core_sweep();
  owner := 0;
 END IF;
 IF owner = lane THEN answer := 5; RETURN; END IF;
 IF owner <> 0 THEN answer := 2; RETURN; END IF;
 UPDATE tasker_core_active SET lane_id = lane WHERE task_id = task;
 answer := 1;
END $$;
CREATE FUNCTION public.tasker_core_expect(hits bigint, wanted bigint, what text) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
 IF hits <> wanted THEN
  RAISE EXCEPTION '%: the row it changes is not there', what USING ERRCODE = 'TC002';
 END IF;
END $$;
CREATE FUNCTION public.tasker_core_fence(lane bigint, this bigint, expires bigint, lease bigint, lock_ms integer) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
BEGIN
 PERFORM set_config('lock_timeout', lock_ms::text, true), set_config('jit', 'off', true),
  set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
  set_config('enable_mergejoin', 'off', true);
 UPDATE tasker_core_lanes SET turn = this, expires_at = expires, lease_us = lease
  WHERE lane_id = lane AND turn = this - 1;
 IF NOT FOUND THEN
  RAISE EXCEPTION 'lane % was taken over, or its turn is not %', lane, this - 1 USING ERRCODE = 'TC001';
 END IF;
 RETURN (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;
END $$;
CREATE FUNCTION public.tasker_core_sweep() RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
 -- A lane that is gone stays gone, but a row may have found another owner since the snapshot was taken, one
 -- that the snapshot does not know: so it is locked as a row of that very lane.
 WITH gone AS MATERIALIZED (SELECT DISTINCT f.lane_id FROM tasker_core_active f WHERE f.lane_id IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM tasker_core_lanes l WHERE l.lane_id = f.lane_id)),
 held AS MATERIALIZED (SELECT f.task_id FROM gone g JOIN tasker_core_active f ON f.lane_id = g.lane_id
  ORDER BY f.task_id FOR UPDATE OF f SKIP LOCKED)
 UPDATE tasker_core_active a SET lane_id = NULL, suspect = true, crashes = a.crashes + CASE WHEN EXISTS (
  SELECT 1 FROM tasker_workflow_steps s JOIN tasker_workflow_step_transitions t
   ON t.workflow_step_id = s.workflow_step_id AND t.most_recent = true
  WHERE s.task_id = a.task_id AND s.processed = false AND t.to_state = 'in_progress' AND NOT EXISTS (
   SELECT 1 FROM tasker_core_dispatch d JOIN tasker_core_lanes w ON w.lane_id = d.worker_lane
   WHERE d.task_id = s.task_id AND d.workflow_step_id = s.workflow_step_id)) THEN 1 ELSE 0 END
 FROM held h WHERE a.task_id = h.task_id;
 DELETE FROM tasker_core_requests r WHERE NOT EXISTS (SELECT 1 FROM tasker_core_lanes l WHERE l.lane_id = r.asker_lane);
END $$;
CREATE FUNCTION public.tasker_core_take_over(lane bigint, at bigint, dead bigint[]) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
DECLARE gone bigint;
BEGIN
 DELETE FROM tasker_core_lanes WHERE lane_id IN (SELECT l.lane_id FROM tasker_core_lanes l
  WHERE l.lane_id <> lane AND (l.expires_at < at OR l.lane_id = ANY (dead)) FOR UPDATE SKIP LOCKED);
 GET DIAGNOSTICS gone = ROW_COUNT;
 PERFORM tasker_core_sweep();
 RETURN gone;
END $$;
CREATE FUNCTION public.tasker_core_template_of(task bigint) RETURNS bigint
    LANGUAGE sql STABLE
    AS $$
 SELECT coalesce(
  (SELECT (t.metadata ->> 'template_id')::bigint FROM tasker_task_transitions t WHERE t.task_id = task AND t.to_state = 'in_progress'
   AND t.metadata ? 'template_id' ORDER BY t.sort_key DESC LIMIT 1),
  (SELECT c.template_id FROM tasker_tasks k JOIN tasker_core_templates c ON c.named_task_id = k.named_task_id AND c.current
   WHERE k.task_id = task), 0)
$$;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE public.tasker_annotation_types (
    annotation_type_id integer NOT NULL,
    name character varying(64) NOT NULL,
    description character varying(255),
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL
);
CREATE SEQUENCE public.tasker_annotation_types_annotation_type_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.tasker_annotation_types_annotation_type_id_seq OWNED BY public.tasker_annotation_types.annotation_type_id;
CREATE TABLE public.tasker_core_active (
    task_id bigint NOT NULL,
    priority integer NOT NULL,
    run_at bigint NOT NULL,
    lane_id bigint,
    crashes integer DEFAULT 0 NOT NULL,
    suspect boolean DEFAULT false NOT NULL,
    template_id bigint NOT NULL,
    deadline bigint
)
WITH (fillfactor='70');
CREATE TABLE public.tasker_core_dispatch (
    token bigint NOT NULL,
    task_id bigint NOT NULL,
    workflow_step_id bigint NOT NULL,
    attempt integer NOT NULL,
    handler_class text NOT NULL,
    deadline_us bigint NOT NULL,
    worker_lane bigint,
    begun_at bigint,
    cancel boolean DEFAULT false NOT NULL,
    verdict integer,
    answer text,
    log text
)
WITH (fillfactor='70');
CREATE TABLE public.tasker_core_lanes (
    lane_id bigint NOT NULL,
    turn bigint NOT NULL,
    expires_at bigint NOT NULL,
    host text NOT NULL,
    boot_id text NOT NULL,
    process text NOT NULL,
    name text NOT NULL,
    classes text NOT NULL,
    started_at timestamp(6) without time zone NOT NULL,
    lease_us bigint DEFAULT 10000000 NOT NULL
)
WITH (fillfactor='20');
CREATE SEQUENCE public.tasker_core_lanes_lane_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.tasker_core_lanes_lane_id_seq OWNED BY public.tasker_core_lanes.lane_id;
CREATE TABLE public.tasker_core_logs (
    workflow_step_id bigint NOT NULL,
    attempt integer NOT NULL,
    outcome text NOT NULL,
    text text NOT NULL,
    created_at timestamp(6) without time zone NOT NULL
);
CREATE TABLE public.tasker_core_meta (
    key text NOT NULL,
    value text NOT NULL
);
CREATE TABLE public.tasker_core_requests (
    request_id bigint NOT NULL,
    task_id bigint NOT NULL,
    asker_lane bigint NOT NULL,
    body text NOT NULL,
    answer text,
    created_at timestamp(6) without time zone NOT NULL
);
CREATE SEQUENCE public.tasker_core_requests_request_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.tasker_core_requests_request_id_seq OWNED BY public.tasker_core_requests.request_id;
CREATE TABLE public.tasker_core_templates (
    template_id bigint NOT NULL,
    named_task_id integer NOT NULL,
    hash text NOT NULL,
    body text NOT NULL,
    directory text NOT NULL,
    current boolean NOT NULL,
    created_at timestamp(6) without time zone NOT NULL
);
CREATE SEQUENCE public.tasker_core_templates_template_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.tasker_core_templates_template_id_seq OWNED BY public.tasker_core_templates.template_id;
CREATE TABLE public.tasker_dependent_system_object_maps (
    dependent_system_object_map_id bigint NOT NULL,
    dependent_system_one_id integer NOT NULL,
    dependent_system_two_id integer NOT NULL,
    remote_id_one character varying(128) NOT NULL,
    remote_id_two character varying(128) NOT NULL,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL
);
CREATE SEQUENCE public.tasker_dependent_system_objec_dependent_system_object_map_i_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.tasker_dependent_system_objec_dependent_system_object_map_i_seq OWNED BY public.tasker_dependent_system_object_maps.dependent_system_object_map_id;
CREATE TABLE public.tasker_dependent_systems (
    dependent_system_id integer NOT NULL,
    name character varying(64) NOT NULL,
    description character varying(255),
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL
);
CREATE SEQUENCE public.tasker_dependent_systems_dependent_system_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.tasker_dependent_systems_dependent_system_id_seq OWNED BY public.tasker_dependent_systems.dependent_system_id;
CREATE TABLE public.tasker_named_steps (
    named_step_id integer NOT NULL,
    dependent_system_id integer NOT NULL,
    name character varying(128) NOT NULL,
    description character varying(255),
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL
);
CREATE SEQUENCE public.tasker_named_steps_named_step_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.tasker_named_steps_named_step_id_seq OWNED BY public.tasker_named_steps.named_step_id;
CREATE TABLE public.tasker_named_tasks (
    named_task_id integer NOT NULL,
    name character varying(64) NOT NULL,
    description character varying(255),
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL,
    task_namespace_id bigint DEFAULT 1 NOT NULL,
    version character varying(16) DEFAULT '0.1.0'::character varying NOT NULL,
    configuration jsonb DEFAULT '"{}"'::jsonb
);
CREATE TABLE public.tasker_named_tasks_named_steps (
    id integer NOT NULL,
    named_task_id integer NOT NULL,
    named_step_id integer NOT NULL,
    skippable boolean DEFAULT false NOT NULL,
    default_retryable boolean DEFAULT true NOT NULL,
    default_retry_limit integer DEFAULT 3 NOT NULL,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL
);
CREATE SEQUENCE public.tasker_named_tasks_named_steps_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.tasker_named_tasks_named_steps_id_seq OWNED BY public.tasker_named_tasks_named_steps.id;
CREATE SEQUENCE public.tasker_named_tasks_named_task_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.tasker_named_tasks_named_task_id_seq OWNED BY public.tasker_named_tasks.named_task_id;
CREATE TABLE public.tasker_workflow_step_edges (
    id bigint NOT NULL,
    from_step_id bigint NOT NULL,
    to_step_id bigint NOT NULL,
    name character varying NOT NULL,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL
);
CREATE TABLE public.tasker_workflow_steps (
    workflow_step_id bigint NOT NULL,
    task_id bigint NOT NULL,
    named_step_id integer NOT NULL,
    retryable boolean DEFAULT true NOT NULL,
    retry_limit integer DEFAULT 3,
    in_process boolean DEFAULT false NOT NULL,
    processed boolean DEFAULT false NOT NULL,
    processed_at timestamp without time zone,
    attempts integer,
    last_attempted_at timestamp without time zone,
    backoff_request_seconds integer,
    inputs jsonb,
    results jsonb,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL,
    skippable boolean DEFAULT false NOT NULL
)
WITH (fillfactor='60');
CREATE VIEW public.tasker_step_dag_relationships AS
 SELECT s.workflow_step_id,
    s.task_id,
    s.named_step_id,
    COALESCE(( SELECT jsonb_agg(e.from_step_id ORDER BY e.from_step_id) AS jsonb_agg
           FROM public.tasker_workflow_step_edges e
          WHERE (e.to_step_id = s.workflow_step_id)), '[]'::jsonb) AS parent_step_ids,
    COALESCE(( SELECT jsonb_agg(e.to_step_id ORDER BY e.to_step_id) AS jsonb_agg
           FROM public.tasker_workflow_step_edges e
          WHERE (e.from_step_id = s.workflow_step_id)), '[]'::jsonb) AS child_step_ids,
    ( SELECT count(*) AS count
           FROM public.tasker_workflow_step_edges e
          WHERE (e.to_step_id = s.workflow_step_id)) AS parent_count,
    ( SELECT count(*) AS count
           FROM public.tasker_workflow_step_edges e
          WHERE (e.from_step_id = s.workflow_step_id)) AS child_count,
    (NOT (EXISTS ( SELECT 1
           FROM public.tasker_workflow_step_edges e
          WHERE (e.to_step_id = s.workflow_step_id)))) AS is_root_step,
    (NOT (EXISTS ( SELECT 1
           FROM public.tasker_workflow_step_edges e
          WHERE (e.from_step_id = s.workflow_step_id)))) AS is_leaf_step,
    ( WITH RECURSIVE above(id, depth) AS (
                 SELECT s.workflow_step_id,
                    0 AS "?column?"
                UNION
                 SELECT e.from_step_id,
                    (a_1.depth + 1)
                   FROM (above a_1
                     JOIN public.tasker_workflow_step_edges e ON ((e.to_step_id = a_1.id)))
                  WHERE (a_1.depth < 50)
                )
         SELECT min(a.depth) AS min
           FROM above a
          WHERE (NOT (EXISTS ( SELECT 1
                   FROM public.tasker_workflow_step_edges r
                  WHERE (r.to_step_id = a.id))))) AS min_depth_from_root
   FROM public.tasker_workflow_steps s;
CREATE TABLE public.tasker_task_annotations (
    task_annotation_id bigint NOT NULL,
    task_id bigint NOT NULL,
    annotation_type_id integer NOT NULL,
    annotation jsonb,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL
);
CREATE SEQUENCE public.tasker_task_annotations_task_annotation_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.tasker_task_annotations_task_annotation_id_seq OWNED BY public.tasker_task_annotations.task_annotation_id;
CREATE TABLE public.tasker_task_namespaces (
    task_namespace_id integer NOT NULL,
    name character varying(64) NOT NULL,
    description character varying(255),
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL
);
CREATE SEQUENCE public.tasker_task_namespaces_task_namespace_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.tasker_task_namespaces_task_namespace_id_seq OWNED BY public.tasker_task_namespaces.task_namespace_id;
CREATE TABLE public.tasker_task_transitions (
    id bigint NOT NULL,
    to_state character varying NOT NULL,
    from_state character varying,
    metadata jsonb DEFAULT '{}'::jsonb,
    sort_key integer NOT NULL,
    most_recent boolean DEFAULT true NOT NULL,
    task_id bigint NOT NULL,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL
);
CREATE SEQUENCE public.tasker_task_transitions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.tasker_task_transitions_id_seq OWNED BY public.tasker_task_transitions.id;
CREATE TABLE public.tasker_tasks (
    task_id bigint NOT NULL,
    named_task_id integer NOT NULL,
    complete boolean DEFAULT false NOT NULL,
    requested_at timestamp without time zone NOT NULL,
    initiator character varying(128),
    source_system character varying(128),
    reason character varying(128),
    bypass_steps json,
    tags jsonb,
    context jsonb,
    identity_hash character varying(128) NOT NULL,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL
)
WITH (fillfactor='60');
CREATE SEQUENCE public.tasker_tasks_task_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.tasker_tasks_task_id_seq OWNED BY public.tasker_tasks.task_id;
CREATE SEQUENCE public.tasker_workflow_step_edges_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.tasker_workflow_step_edges_id_seq OWNED BY public.tasker_workflow_step_edges.id;
CREATE TABLE public.tasker_workflow_step_transitions (
    id bigint NOT NULL,
    to_state character varying NOT NULL,
    from_state character varying,
    metadata jsonb DEFAULT '{}'::jsonb,
    sort_key integer NOT NULL,
    most_recent boolean DEFAULT true NOT NULL,
    workflow_step_id bigint NOT NULL,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL
);
CREATE SEQUENCE public.tasker_workflow_step_transitions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.tasker_workflow_step_transitions_id_seq OWNED BY public.tasker_workflow_step_transitions.id;
CREATE SEQUENCE public.tasker_workflow_steps_workflow_step_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.tasker_workflow_steps_workflow_step_id_seq OWNED BY public.tasker_workflow_steps.workflow_step_id;
ALTER TABLE ONLY public.tasker_annotation_types ALTER COLUMN annotation_type_id SET DEFAULT nextval('public.tasker_annotation_types_annotation_type_id_seq'::regclass);
ALTER TABLE ONLY public.tasker_core_lanes ALTER COLUMN lane_id SET DEFAULT nextval('public.tasker_core_lanes_lane_id_seq'::regclass);
ALTER TABLE ONLY public.tasker_core_requests ALTER COLUMN request_id SET DEFAULT nextval('public.tasker_core_requests_request_id_seq'::regclass);
ALTER TABLE ONLY public.tasker_core_templates ALTER COLUMN template_id SET DEFAULT nextval('public.tasker_core_templates_template_id_seq'::regclass);
ALTER TABLE ONLY public.tasker_dependent_system_object_maps ALTER COLUMN dependent_system_object_map_id SET DEFAULT nextval('public.tasker_dependent_system_objec_dependent_system_object_map_i_seq'::regclass);
ALTER TABLE ONLY public.tasker_dependent_systems ALTER COLUMN dependent_system_id SET DEFAULT nextval('public.tasker_dependent_systems_dependent_system_id_seq'::regclass);
ALTER TABLE ONLY public.tasker_named_steps ALTER COLUMN named_step_id SET DEFAULT nextval('public.tasker_named_steps_named_step_id_seq'::regclass);
ALTER TABLE ONLY public.tasker_named_tasks ALTER COLUMN named_task_id SET DEFAULT nextval('public.tasker_named_tasks_named_task_id_seq'::regclass);
ALTER TABLE ONLY public.tasker_named_tasks_named_steps ALTER COLUMN id SET DEFAULT nextval('public.tasker_named_tasks_named_steps_id_seq'::regclass);
ALTER TABLE ONLY public.tasker_task_annotations ALTER COLUMN task_annotation_id SET DEFAULT nextval('public.tasker_task_annotations_task_annotation_id_seq'::regclass);
ALTER TABLE ONLY public.tasker_task_namespaces ALTER COLUMN task_namespace_id SET DEFAULT nextval('public.tasker_task_namespaces_task_namespace_id_seq'::regclass);
ALTER TABLE ONLY public.tasker_task_transitions ALTER COLUMN id SET DEFAULT nextval('public.tasker_task_transitions_id_seq'::regclass);
ALTER TABLE ONLY public.tasker_tasks ALTER COLUMN task_id SET DEFAULT nextval('public.tasker_tasks_task_id_seq'::regclass);
ALTER TABLE ONLY public.tasker_workflow_step_edges ALTER COLUMN id SET DEFAULT nextval('public.tasker_workflow_step_edges_id_seq'::regclass);
ALTER TABLE ONLY public.tasker_workflow_step_transitions ALTER COLUMN id SET DEFAULT nextval('public.tasker_workflow_step_transitions_id_seq'::regclass);
ALTER TABLE ONLY public.tasker_workflow_steps ALTER COLUMN workflow_step_id SET DEFAULT nextval('public.tasker_workflow_steps_workflow_step_id_seq'::regclass);
-- Data for Name: tasker_annotation_types; Type: TABLE DATA; Schema: public; Owner: -
COPY public.tasker_annotation_types (annotation_type_id, name, description, created_at, updated_at) FROM stdin;
\.
-- Data for Name: tasker_core_active; Type: TABLE DATA; Schema: public; Owner: -
COPY public.tasker_core_active (task_id, priority, run_at, lane_id, crashes, suspect, template_id, deadline) FROM stdin;
7	2	1706811891620138	18	0	t	4	\N
8	2	1706811891647940	18	0	t	3	\N
9	2	1706811891681919	18	0	t	3	\N
10	2	1706811891931287	18	0	t	3	\N
11	2	1706811892127763	18	1	t	5	\N
12	2	1706811892153641	18	1	t	5	\N
13	2	1706811892182799	18	0	t	5	\N
14	2	1706811892516774	\N	0	f	2	\N
15	2	1706811892544535	\N	0	f	2	\N
16	2	4102444800000000	\N	0	f	2	\N
\.
-- Data for Name: tasker_core_dispatch; Type: TABLE DATA; Schema: public; Owner: -
COPY public.tasker_core_dispatch (token, task_id, workflow_step_id, attempt, handler_class, deadline_us, worker_lane, begun_at, cancel, verdict, answer, log) FROM stdin;
55834574850	8	57	1	Crash::Lent	0	12	1706811891812544	f	\N	\N	\N
55834574851	9	65	1	Crash::Lent	0	12	1706811891812544	f	\N	\N	\N
55834574853	10	73	1	Crash::Lent	0	\N	\N	f	\N	\N	\N
\.
-- Data for Name: tasker_core_lanes; Type: TABLE DATA; Schema: public; Owner: -
COPY public.tasker_core_lanes (lane_id, turn, expires_at, host, boot_id, process, name, classes, started_at, lease_us) FROM stdin;
12	2	1706811892812544	old-host	00000000-0000-4000-8000-000000000000 pid:[4026531836]	14351/2897354	worker	["Crash::Lent"]	2024-02-01 18:24:51.710526	600000000
18	6	1706811902421583	old-host	00000000-0000-4000-8000-000000000000 pid:[4026531836]	14416/2897425	second-engine	["tasker.exec"]	2024-02-01 18:24:52.405968	600000000
\.
-- Data for Name: tasker_core_logs; Type: TABLE DATA; Schema: public; Owner: -
COPY public.tasker_core_logs (workflow_step_id, attempt, outcome, text, created_at) FROM stdin;
\.
-- Data for Name: tasker_core_meta; Type: TABLE DATA; Schema: public; Owner: -
COPY public.tasker_core_meta (key, value) FROM stdin;
database_id	01a2191a-684d-7fb8-a044-fb5c4007c0e0
rails_made	false
schema_version	5
\.
-- Data for Name: tasker_core_requests; Type: TABLE DATA; Schema: public; Owner: -
COPY public.tasker_core_requests (request_id, task_id, asker_lane, body, answer, created_at) FROM stdin;
\.
-- Data for Name: tasker_core_templates; Type: TABLE DATA; Schema: public; Owner: -
COPY public.tasker_core_templates (template_id, named_task_id, hash, body, directory, current, created_at) FROM stdin;
1	1	7ad86589d8f31d6743568cb5af46890e9f1fa3f5e3fafcd586d53a5f271be46e	{"name":"broken","namespace_name":"upgrade","version":"1.0.0","timeout_seconds":0,"max_concurrent_steps":0,"step_templates":[{"name":"broken","description":"broken","handler_class":"tasker.exec","dependent_system":"default","default_retryable":true,"default_retry_limit":1,"skippable":false,"depends_on_steps":[],"handler_config":{"shell":true,"command":["[ -z \\"$FREEZE\\" ] || exit 1"]},"timeout_seconds":0,"retry_backoff":{"strategy":"exponential","base_seconds":1,"max_seconds":300,"multiplier":2,"jitter":0.1}},{"name":"after","description":"after","handler_class":"tasker.exec","dependent_system":"default","default_retryable":true,"default_retry_limit":3,"skippable":false,"depends_on_steps":["broken"],"handler_config":{"shell":true,"command":["echo \\"{\\\\\\"n\\\\\\": 2}\\""]},"timeout_seconds":0,"retry_backoff":{"strategy":"exponential","base_seconds":1,"max_seconds":300,"multiplier":2,"jitter":0.1}}]}	/tmp	t	2024-02-01 18:24:50.87651
2	2	502883a54bbb9187fcc8ee7895895797dae5b9ada1eb4ad7eaf8c75b830f82db	{"name":"done","namespace_name":"upgrade","version":"1.0.0","timeout_seconds":0,"max_concurrent_steps":0,"step_templates":[{"name":"first","description":"first","handler_class":"tasker.exec","dependent_system":"default","default_retryable":true,"default_retry_limit":3,"skippable":false,"depends_on_steps":[],"handler_config":{"shell":true,"command":["echo \\"{\\\\\\"n\\\\\\": 1}\\""]},"timeout_seconds":0,"retry_backoff":{"strategy":"exponential","base_seconds":1,"max_seconds":300,"multiplier":2,"jitter":0.1}},{"name":"second","description":"second","handler_class":"tasker.exec","dependent_system":"default","default_retryable":true,"default_retry_limit":3,"skippable":false,"depends_on_steps":["first"],"handler_config":{"shell":true,"command":["echo \\"{\\\\\\"n\\\\\\": 2}\\""]},"timeout_seconds":0,"retry_backoff":{"strategy":"exponential","base_seconds":1,"max_seconds":300,"multiplier":2,"jitter":0.1}}]}	/tmp	t	2024-02-01 18:24:50.904224
3	3	2695703dce420227288d1cec9c28d7bbc35364668fea8422b4bbfcf2eee73805	{"name":"lent","namespace_name":"upgrade","version":"1.0.0","timeout_seconds":0,"max_concurrent_steps":0,"step_templates":[{"name":"steady","description":"steady","handler_class":"Crash::Lent","dependent_system":"default","default_retryable":true,"default_retry_limit":3,"skippable":false,"depends_on_steps":[],"handler_config":{},"timeout_seconds":0,"retry_backoff":{"strategy":"exponential","base_seconds":1,"max_seconds":300,"multiplier":2,"jitter":0.1}},{"name":"shaky","description":"shaky","handler_class":"Crash::Lent","dependent_system":"default","default_retryable":true,"default_retry_limit":3,"skippable":false,"depends_on_steps":["steady"],"handler_config":{},"timeout_seconds":0,"retry_backoff":{"strategy":"immediate","base_seconds":1,"max_seconds":300,"multiplier":2,"jitter":0.1}}]}	/tmp	t	2024-02-01 18:24:50.932468
4	4	66b51be9eb50c97e281b5b3e873c0a8e477a7a5b08c20f21f51c2ef41199975e	{"name":"shaky","namespace_name":"upgrade","version":"1.0.0","timeout_seconds":0,"max_concurrent_steps":0,"step_templates":[{"name":"before","description":"before","handler_class":"tasker.exec","dependent_system":"default","default_retryable":true,"default_retry_limit":3,"skippable":false,"depends_on_steps":[],"handler_config":{"shell":true,"command":["echo \\"{\\\\\\"n\\\\\\": 1}\\""]},"timeout_seconds":0,"retry_backoff":{"strategy":"exponential","base_seconds":1,"max_seconds":300,"multiplier":2,"jitter":0.1}},{"name":"shaky","description":"shaky","handler_class":"tasker.exec","dependent_system":"default","default_retryable":true,"default_retry_limit":3,"skippable":false,"depends_on_steps":["before"],"handler_config":{"shell":true,"command":["[ -z \\"$FREEZE\\" ] || { echo \\"{\\\\\\"error\\\\\\": {\\\\\\"message\\\\\\": \\\\\\"come back later\\\\\\", \\\\\\"retry_after\\\\\\": 600}}\\"; exit 75; }"]},"timeout_seconds":0,"retry_backoff":{"strategy":"exponential","base_seconds":1,"max_seconds":300,"multiplier":2,"jitter":0.1}}]}	/tmp	t	2024-02-01 18:24:50.956341
5	5	2bd6dd02b38cfa837a37166000e8bef933f2af47009ffe1dcd3fe4726821e0c4	{"name":"slow","namespace_name":"upgrade","version":"1.0.0","timeout_seconds":0,"max_concurrent_steps":0,"step_templates":[{"name":"before","description":"before","handler_class":"tasker.exec","dependent_system":"default","default_retryable":true,"default_retry_limit":3,"skippable":false,"depends_on_steps":[],"handler_config":{"shell":true,"command":["echo \\"{\\\\\\"n\\\\\\": 1}\\""]},"timeout_seconds":0,"retry_backoff":{"strategy":"exponential","base_seconds":1,"max_seconds":300,"multiplier":2,"jitter":0.1}},{"name":"hold","description":"hold","handler_class":"tasker.exec","dependent_system":"default","default_retryable":true,"default_retry_limit":3,"skippable":false,"depends_on_steps":["before"],"handler_config":{"shell":true,"command":["[ -z \\"$FREEZE\\" ] || exec sleep 600"]},"timeout_seconds":0,"retry_backoff":{"strategy":"exponential","base_seconds":1,"max_seconds":300,"multiplier":2,"jitter":0.1}},{"name":"after","description":"after","handler_class":"tasker.exec","dependent_system":"default","default_retryable":true,"default_retry_limit":3,"skippable":false,"depends_on_steps":["hold"],"handler_config":{"shell":true,"command":["echo \\"{\\\\\\"n\\\\\\": 3}\\""]},"timeout_seconds":0,"retry_backoff":{"strategy":"exponential","base_seconds":1,"max_seconds":300,"multiplier":2,"jitter":0.1}}]}	/tmp	t	2024-02-01 18:24:50.980702
\.
-- Data for Name: tasker_dependent_system_object_maps; Type: TABLE DATA; Schema: public; Owner: -
COPY public.tasker_dependent_system_object_maps (dependent_system_object_map_id, dependent_system_one_id, dependent_system_two_id, remote_id_one, remote_id_two, created_at, updated_at) FROM stdin;
\.
-- Data for Name: tasker_dependent_systems; Type: TABLE DATA; Schema: public; Owner: -
COPY public.tasker_dependent_systems (dependent_system_id, name, description, created_at, updated_at) FROM stdin;
1	default	\N	2024-02-01 18:24:50.87651	2024-02-01 18:24:50.87651
\.
-- Data for Name: tasker_named_steps; Type: TABLE DATA; Schema: public; Owner: -
COPY public.tasker_named_steps (named_step_id, dependent_system_id, name, description, created_at, updated_at) FROM stdin;
1	1	after	\N	2024-02-01 18:24:50.87651	2024-02-01 18:24:50.87651
2	1	broken	\N	2024-02-01 18:24:50.87651	2024-02-01 18:24:50.87651
3	1	first	\N	2024-02-01 18:24:50.904224	2024-02-01 18:24:50.904224
4	1	second	\N	2024-02-01 18:24:50.904224	2024-02-01 18:24:50.904224
5	1	shaky	\N	2024-02-01 18:24:50.932468	2024-02-01 18:24:50.932468
6	1	steady	\N	2024-02-01 18:24:50.932468	2024-02-01 18:24:50.932468
7	1	before	\N	2024-02-01 18:24:50.956341	2024-02-01 18:24:50.956341
8	1	hold	\N	2024-02-01 18:24:50.980702	2024-02-01 18:24:50.980702
\.
-- Data for Name: tasker_named_tasks; Type: TABLE DATA; Schema: public; Owner: -
COPY public.tasker_named_tasks (named_task_id, name, description, created_at, updated_at, task_namespace_id, version, configuration) FROM stdin;
1	broken		2024-02-01 18:24:50.87651	2024-02-01 18:24:50.87651	1	1.0.0	{"name": "broken", "version": "1.0.0", "namespace_name": "upgrade", "step_templates": [{"name": "broken", "skippable": false, "description": "broken", "handler_class": "tasker.exec", "retry_backoff": {"jitter": 0.1, "strategy": "exponential", "multiplier": 2, "max_seconds": 300, "base_seconds": 1}, "handler_config": {"shell": true, "command": ["[ -z \\"$FREEZE\\" ] || exit 1"]}, "timeout_seconds": 0, "dependent_system": "default", "depends_on_steps": [], "default_retryable": true, "default_retry_limit": 1}, {"name": "after", "skippable": false, "description": "after", "handler_class": "tasker.exec", "retry_backoff": {"jitter": 0.1, "strategy": "exponential", "multiplier": 2, "max_seconds": 300, "base_seconds": 1}, "handler_config": {"shell": true, "command": ["echo \\"{\\\\\\"n\\\\\\": 2}\\""]}, "timeout_seconds": 0, "dependent_system": "default", "depends_on_steps": ["broken"], "default_retryable": true, "default_retry_limit": 3}], "timeout_seconds": 0, "max_concurrent_steps": 0}
2	done		2024-02-01 18:24:50.904224	2024-02-01 18:24:50.904224	1	1.0.0	{"name": "done", "version": "1.0.0", "namespace_name": "upgrade", "step_templates": [{"name": "first", "skippable": false, "description": "first", "handler_class": "tasker.exec", "retry_backoff": {"jitter": 0.1, "strategy": "exponential", "multiplier": 2, "max_seconds": 300, "base_seconds": 1}, "handler_config": {"shell": true, "command": ["echo \\"{\\\\\\"n\\\\\\": 1}\\""]}, "timeout_seconds": 0, "dependent_system": "default", "depends_on_steps": [], "default_retryable": true, "default_retry_limit": 3}, {"name": "second", "skippable": false, "description": "second", "handler_class": "tasker.exec", "retry_backoff": {"jitter": 0.1, "strategy": "exponential", "multiplier": 2, "max_seconds": 300, "base_seconds": 1}, "handler_config": {"shell": true, "command": ["echo \\"{\\\\\\"n\\\\\\": 2}\\""]}, "timeout_seconds": 0, "dependent_system": "default", "depends_on_steps": ["first"], "default_retryable": true, "default_retry_limit": 3}], "timeout_seconds": 0, "max_concurrent_steps": 0}
3	lent		2024-02-01 18:24:50.932468	2024-02-01 18:24:50.932468	1	1.0.0	{"name": "lent", "version": "1.0.0", "namespace_name": "upgrade", "step_templates": [{"name": "steady", "skippable": false, "description": "steady", "handler_class": "Crash::Lent", "retry_backoff": {"jitter": 0.1, "strategy": "exponential", "multiplier": 2, "max_seconds": 300, "base_seconds": 1}, "handler_config": {}, "timeout_seconds": 0, "dependent_system": "default", "depends_on_steps": [], "default_retryable": true, "default_retry_limit": 3}, {"name": "shaky", "skippable": false, "description": "shaky", "handler_class": "Crash::Lent", "retry_backoff": {"jitter": 0.1, "strategy": "immediate", "multiplier": 2, "max_seconds": 300, "base_seconds": 1}, "handler_config": {}, "timeout_seconds": 0, "dependent_system": "default", "depends_on_steps": ["steady"], "default_retryable": true, "default_retry_limit": 3}], "timeout_seconds": 0, "max_concurrent_steps": 0}
4	shaky		2024-02-01 18:24:50.956341	2024-02-01 18:24:50.956341	1	1.0.0	{"name": "shaky", "version": "1.0.0", "namespace_name": "upgrade", "step_templates": [{"name": "before", "skippable": false, "description": "before", "handler_class": "tasker.exec", "retry_backoff": {"jitter": 0.1, "strategy": "exponential", "multiplier": 2, "max_seconds": 300, "base_seconds": 1}, "handler_config": {"shell": true, "command": ["echo \\"{\\\\\\"n\\\\\\": 1}\\""]}, "timeout_seconds": 0, "dependent_system": "default", "depends_on_steps": [], "default_retryable": true, "default_retry_limit": 3}, {"name": "shaky", "skippable": false, "description": "shaky", "handler_class": "tasker.exec", "retry_backoff": {"jitter": 0.1, "strategy": "exponential", "multiplier": 2, "max_seconds": 300, "base_seconds": 1}, "handler_config": {"shell": true, "command": ["[ -z \\"$FREEZE\\" ] || { echo \\"{\\\\\\"error\\\\\\": {\\\\\\"message\\\\\\": \\\\\\"come back later\\\\\\", \\\\\\"retry_after\\\\\\": 600}}\\"; exit 75; }"]}, "timeout_seconds": 0, "dependent_system": "default", "depends_on_steps": ["before"], "default_retryable": true, "default_retry_limit": 3}], "timeout_seconds": 0, "max_concurrent_steps": 0}
5	slow		2024-02-01 18:24:50.980702	2024-02-01 18:24:50.980702	1	1.0.0	{"name": "slow", "version": "1.0.0", "namespace_name": "upgrade", "step_templates": [{"name": "before", "skippable": false, "description": "before", "handler_class": "tasker.exec", "retry_backoff": {"jitter": 0.1, "strategy": "exponential", "multiplier": 2, "max_seconds": 300, "base_seconds": 1}, "handler_config": {"shell": true, "command": ["echo \\"{\\\\\\"n\\\\\\": 1}\\""]}, "timeout_seconds": 0, "dependent_system": "default", "depends_on_steps": [], "default_retryable": true, "default_retry_limit": 3}, {"name": "hold", "skippable": false, "description": "hold", "handler_class": "tasker.exec", "retry_backoff": {"jitter": 0.1, "strategy": "exponential", "multiplier": 2, "max_seconds": 300, "base_seconds": 1}, "handler_config": {"shell": true, "command": ["[ -z \\"$FREEZE\\" ] || exec sleep 600"]}, "timeout_seconds": 0, "dependent_system": "default", "depends_on_steps": ["before"], "default_retryable": true, "default_retry_limit": 3}, {"name": "after", "skippable": false, "description": "after", "handler_class": "tasker.exec", "retry_backoff": {"jitter": 0.1, "strategy": "exponential", "multiplier": 2, "max_seconds": 300, "base_seconds": 1}, "handler_config": {"shell": true, "command": ["echo \\"{\\\\\\"n\\\\\\": 3}\\""]}, "timeout_seconds": 0, "dependent_system": "default", "depends_on_steps": ["hold"], "default_retryable": true, "default_retry_limit": 3}], "timeout_seconds": 0, "max_concurrent_steps": 0}
\.
-- Data for Name: tasker_named_tasks_named_steps; Type: TABLE DATA; Schema: public; Owner: -
COPY public.tasker_named_tasks_named_steps (id, named_task_id, named_step_id, skippable, default_retryable, default_retry_limit, created_at, updated_at) FROM stdin;
1	1	1	f	t	3	2024-02-01 18:24:50.87651	2024-02-01 18:24:50.87651
2	1	2	f	t	1	2024-02-01 18:24:50.87651	2024-02-01 18:24:50.87651
3	2	3	f	t	3	2024-02-01 18:24:50.904224	2024-02-01 18:24:50.904224
4	2	4	f	t	3	2024-02-01 18:24:50.904224	2024-02-01 18:24:50.904224
5	3	5	f	t	3	2024-02-01 18:24:50.932468	2024-02-01 18:24:50.932468
6	3	6	f	t	3	2024-02-01 18:24:50.932468	2024-02-01 18:24:50.932468
7	4	5	f	t	3	2024-02-01 18:24:50.956341	2024-02-01 18:24:50.956341
8	4	7	f	t	3	2024-02-01 18:24:50.956341	2024-02-01 18:24:50.956341
9	5	1	f	t	3	2024-02-01 18:24:50.980702	2024-02-01 18:24:50.980702
10	5	7	f	t	3	2024-02-01 18:24:50.980702	2024-02-01 18:24:50.980702
11	5	8	f	t	3	2024-02-01 18:24:50.980702	2024-02-01 18:24:50.980702
\.
-- Data for Name: tasker_task_annotations; Type: TABLE DATA; Schema: public; Owner: -
COPY public.tasker_task_annotations (task_annotation_id, task_id, annotation_type_id, annotation, created_at, updated_at) FROM stdin;
\.
-- Data for Name: tasker_task_namespaces; Type: TABLE DATA; Schema: public; Owner: -
COPY public.tasker_task_namespaces (task_namespace_id, name, description, created_at, updated_at) FROM stdin;
1	upgrade	\N	2024-02-01 18:24:50.87651	2024-02-01 18:24:50.87651
\.
-- Data for Name: tasker_task_transitions; Type: TABLE DATA; Schema: public; Owner: -
COPY public.tasker_task_transitions (id, to_state, from_state, metadata, sort_key, most_recent, task_id, created_at, updated_at) FROM stdin;
1	cancelled	pending	{"engine": "old-host:14292", "reason": "cancelled by an operator"}	10	t	6	2024-02-01 18:24:51.233243	2024-02-01 18:24:51.233243
5	in_progress	pending	{"engine": "old-host:14297", "template": "7ad86589d8f31d6743568cb5af46890e9f1fa3f5e3fafcd586d53a5f271be46e", "template_id": 1, "initialization_completed": true, "step_dependencies_established": 2}	10	f	4	2024-02-01 18:24:51.278282	2024-02-01 18:24:51.300251
7	error	in_progress	{"engine": "old-host:14297", "reason": "blocked by failed step broken"}	20	t	4	2024-02-01 18:24:51.300251	2024-02-01 18:24:51.300251
6	in_progress	pending	{"engine": "old-host:14297", "template": "7ad86589d8f31d6743568cb5af46890e9f1fa3f5e3fafcd586d53a5f271be46e", "template_id": 1, "initialization_completed": true, "step_dependencies_established": 2}	10	f	5	2024-02-01 18:24:51.278282	2024-02-01 18:24:51.312284
8	error	in_progress	{"engine": "old-host:14297", "reason": "blocked by failed step broken"}	20	t	5	2024-02-01 18:24:51.312284	2024-02-01 18:24:51.312284
2	in_progress	pending	{"engine": "old-host:14297", "template": "502883a54bbb9187fcc8ee7895895797dae5b9ada1eb4ad7eaf8c75b830f82db", "template_id": 2, "initialization_completed": true, "step_dependencies_established": 2}	10	f	1	2024-02-01 18:24:51.278282	2024-02-01 18:24:51.316247
3	in_progress	pending	{"engine": "old-host:14297", "template": "502883a54bbb9187fcc8ee7895895797dae5b9ada1eb4ad7eaf8c75b830f82db", "template_id": 2, "initialization_completed": true, "step_dependencies_established": 2}	10	f	2	2024-02-01 18:24:51.278282	2024-02-01 18:24:51.316247
9	complete	in_progress	{"engine": "old-host:14297"}	20	t	1	2024-02-01 18:24:51.316247	2024-02-01 18:24:51.316247
10	complete	in_progress	{"engine": "old-host:14297"}	20	t	2	2024-02-01 18:24:51.316247	2024-02-01 18:24:51.316247
4	in_progress	pending	{"engine": "old-host:14297", "template": "502883a54bbb9187fcc8ee7895895797dae5b9ada1eb4ad7eaf8c75b830f82db", "template_id": 2, "initialization_completed": true, "step_dependencies_established": 2}	10	f	3	2024-02-01 18:24:51.278282	2024-02-01 18:24:51.31834
11	complete	in_progress	{"engine": "old-host:14297"}	20	t	3	2024-02-01 18:24:51.31834	2024-02-01 18:24:51.31834
12	in_progress	pending	{"engine": "first-engine", "template": "66b51be9eb50c97e281b5b3e873c0a8e477a7a5b08c20f21f51c2ef41199975e", "template_id": 4, "initialization_completed": true, "step_dependencies_established": 2}	10	t	7	2024-02-01 18:24:51.741151	2024-02-01 18:24:51.741151
13	in_progress	pending	{"engine": "first-engine", "template": "2695703dce420227288d1cec9c28d7bbc35364668fea8422b4bbfcf2eee73805", "template_id": 3, "initialization_completed": true, "step_dependencies_established": 2}	10	t	8	2024-02-01 18:24:51.741151	2024-02-01 18:24:51.741151
14	in_progress	pending	{"engine": "first-engine", "template": "2695703dce420227288d1cec9c28d7bbc35364668fea8422b4bbfcf2eee73805", "template_id": 3, "initialization_completed": true, "step_dependencies_established": 2}	10	t	9	2024-02-01 18:24:51.741151	2024-02-01 18:24:51.741151
15	in_progress	pending	{"engine": "first-engine", "template": "2695703dce420227288d1cec9c28d7bbc35364668fea8422b4bbfcf2eee73805", "template_id": 3, "initialization_completed": true, "step_dependencies_established": 2}	10	t	10	2024-02-01 18:24:52.024545	2024-02-01 18:24:52.024545
16	in_progress	pending	{"engine": "first-engine", "template": "2bd6dd02b38cfa837a37166000e8bef933f2af47009ffe1dcd3fe4726821e0c4", "template_id": 5, "initialization_completed": true, "step_dependencies_established": 3}	10	t	11	2024-02-01 18:24:52.225876	2024-02-01 18:24:52.225876
17	in_progress	pending	{"engine": "first-engine", "template": "2bd6dd02b38cfa837a37166000e8bef933f2af47009ffe1dcd3fe4726821e0c4", "template_id": 5, "initialization_completed": true, "step_dependencies_established": 3}	10	t	12	2024-02-01 18:24:52.225876	2024-02-01 18:24:52.225876
18	in_progress	pending	{"engine": "first-engine", "template": "2bd6dd02b38cfa837a37166000e8bef933f2af47009ffe1dcd3fe4726821e0c4", "template_id": 5, "initialization_completed": true, "step_dependencies_established": 3}	10	t	13	2024-02-01 18:24:52.225876	2024-02-01 18:24:52.225876
\.
-- Data for Name: tasker_tasks; Type: TABLE DATA; Schema: public; Owner: -
COPY public.tasker_tasks (task_id, named_task_id, complete, requested_at, initiator, source_system, reason, bypass_steps, tags, context, identity_hash, created_at, updated_at) FROM stdin;
4	1	f	2024-02-01 18:24:51.100872	unknown	unknown	unknown	[]	[]	{}	broken-1	2024-02-01 18:24:51.108745	2024-02-01 18:24:51.108745
5	1	f	2024-02-01 18:24:51.13175	unknown	unknown	unknown	[]	[]	{}	broken-2	2024-02-01 18:24:51.138843	2024-02-01 18:24:51.138843
6	2	f	2024-02-01 18:24:51.156963	unknown	unknown	unknown	[]	[]	{}	cancelled	2024-02-01 18:24:51.165274	2024-02-01 18:24:51.165274
1	2	t	2024-02-01 18:24:51.007076	unknown	unknown	unknown	[]	["kept"]	{"n": 1}	done-1	2024-02-01 18:24:51.015583	2024-02-01 18:24:51.316247
2	2	t	2024-02-01 18:24:51.038572	unknown	unknown	unknown	[]	["kept"]	{"n": 2}	done-2	2024-02-01 18:24:51.046653	2024-02-01 18:24:51.316247
3	2	t	2024-02-01 18:24:51.069683	unknown	unknown	unknown	[]	["kept"]	{"n": 3}	done-3	2024-02-01 18:24:51.077569	2024-02-01 18:24:51.31834
7	4	f	2024-02-01 18:24:51.613566	unknown	unknown	unknown	[]	[]	{}	shaky-1	2024-02-01 18:24:51.620138	2024-02-01 18:24:51.620138
8	3	f	2024-02-01 18:24:51.641085	unknown	unknown	unknown	[]	[]	{}	lent-1	2024-02-01 18:24:51.64794	2024-02-01 18:24:51.64794
9	3	f	2024-02-01 18:24:51.673375	unknown	unknown	unknown	[]	[]	{}	lent-2	2024-02-01 18:24:51.681919	2024-02-01 18:24:51.681919
10	3	f	2024-02-01 18:24:51.925033	unknown	unknown	unknown	[]	[]	{}	lent-3	2024-02-01 18:24:51.931287	2024-02-01 18:24:51.931287
11	5	f	2024-02-01 18:24:52.121657	unknown	unknown	unknown	[]	[]	{}	slow-1	2024-02-01 18:24:52.127763	2024-02-01 18:24:52.127763
12	5	f	2024-02-01 18:24:52.147325	unknown	unknown	unknown	[]	[]	{}	slow-2	2024-02-01 18:24:52.153641	2024-02-01 18:24:52.153641
13	5	f	2024-02-01 18:24:52.176033	unknown	unknown	unknown	[]	[]	{}	slow-3	2024-02-01 18:24:52.182799	2024-02-01 18:24:52.182799
14	2	f	2024-02-01 18:24:52.5098	unknown	unknown	unknown	[]	[]	{}	free-1	2024-02-01 18:24:52.516774	2024-02-01 18:24:52.516774
15	2	f	2024-02-01 18:24:52.53722	unknown	unknown	unknown	[]	[]	{}	free-2	2024-02-01 18:24:52.544535	2024-02-01 18:24:52.544535
16	2	f	2024-02-01 18:24:52.566249	unknown	unknown	unknown	[]	[]	{}	later	2024-02-01 18:24:52.573058	2024-02-01 18:24:52.573058
\.
-- Data for Name: tasker_workflow_step_edges; Type: TABLE DATA; Schema: public; Owner: -
COPY public.tasker_workflow_step_edges (id, from_step_id, to_step_id, name, created_at, updated_at) FROM stdin;
1	1	2	provides	2024-02-01 18:24:51.015583	2024-02-01 18:24:51.015583
2	9	10	provides	2024-02-01 18:24:51.046653	2024-02-01 18:24:51.046653
3	17	18	provides	2024-02-01 18:24:51.077569	2024-02-01 18:24:51.077569
4	25	26	provides	2024-02-01 18:24:51.108745	2024-02-01 18:24:51.108745
5	33	34	provides	2024-02-01 18:24:51.138843	2024-02-01 18:24:51.138843
6	41	42	provides	2024-02-01 18:24:51.165274	2024-02-01 18:24:51.165274
7	49	50	provides	2024-02-01 18:24:51.620138	2024-02-01 18:24:51.620138
8	57	58	provides	2024-02-01 18:24:51.64794	2024-02-01 18:24:51.64794
9	65	66	provides	2024-02-01 18:24:51.681919	2024-02-01 18:24:51.681919
10	73	74	provides	2024-02-01 18:24:51.931287	2024-02-01 18:24:51.931287
11	81	82	provides	2024-02-01 18:24:52.127763	2024-02-01 18:24:52.127763
12	82	83	provides	2024-02-01 18:24:52.127763	2024-02-01 18:24:52.127763
13	89	90	provides	2024-02-01 18:24:52.153641	2024-02-01 18:24:52.153641
14	90	91	provides	2024-02-01 18:24:52.153641	2024-02-01 18:24:52.153641
15	97	98	provides	2024-02-01 18:24:52.182799	2024-02-01 18:24:52.182799
16	98	99	provides	2024-02-01 18:24:52.182799	2024-02-01 18:24:52.182799
17	105	106	provides	2024-02-01 18:24:52.516774	2024-02-01 18:24:52.516774
18	113	114	provides	2024-02-01 18:24:52.544535	2024-02-01 18:24:52.544535
19	121	122	provides	2024-02-01 18:24:52.573058	2024-02-01 18:24:52.573058
\.
-- Data for Name: tasker_workflow_step_transitions; Type: TABLE DATA; Schema: public; Owner: -
COPY public.tasker_workflow_step_transitions (id, to_state, from_state, metadata, sort_key, most_recent, workflow_step_id, created_at, updated_at) FROM stdin;
1	cancelled	pending	{"engine": "old-host:14292", "reason": "cancelled by an operator"}	10	t	41	2024-02-01 18:24:51.233243	2024-02-01 18:24:51.233243
2	cancelled	pending	{"engine": "old-host:14292", "reason": "cancelled by an operator"}	10	t	42	2024-02-01 18:24:51.233243	2024-02-01 18:24:51.233243
4	in_progress	pending	{"engine": "old-host:14297", "attempt": 1}	10	f	1	2024-02-01 18:24:51.279424	2024-02-01 18:24:51.279424
5	complete	in_progress	{"engine": "old-host:14297", "attempt": 1}	20	t	1	2024-02-01 18:24:51.291391	2024-02-01 18:24:51.291391
3	in_progress	pending	{"engine": "old-host:14297", "attempt": 1}	10	f	25	2024-02-01 18:24:51.278282	2024-02-01 18:24:51.300251
7	in_progress	pending	{"engine": "old-host:14297", "attempt": 1}	10	f	9	2024-02-01 18:24:51.279424	2024-02-01 18:24:51.279424
8	complete	in_progress	{"engine": "old-host:14297", "attempt": 1}	20	t	9	2024-02-01 18:24:51.300251	2024-02-01 18:24:51.300251
9	in_progress	pending	{"engine": "old-host:14297", "attempt": 1}	10	f	17	2024-02-01 18:24:51.279424	2024-02-01 18:24:51.279424
10	complete	in_progress	{"engine": "old-host:14297", "attempt": 1}	20	t	17	2024-02-01 18:24:51.300251	2024-02-01 18:24:51.300251
11	error	in_progress	{"code": "STEP_EXECUTION_FAILED", "engine": "old-host:14297", "attempt": 1, "message": "exited with 1", "category": "transient"}	20	t	25	2024-02-01 18:24:51.300251	2024-02-01 18:24:51.300251
6	in_progress	pending	{"engine": "old-host:14297", "attempt": 1}	10	f	33	2024-02-01 18:24:51.291391	2024-02-01 18:24:51.312284
12	error	in_progress	{"code": "STEP_EXECUTION_FAILED", "engine": "old-host:14297", "attempt": 1, "message": "exited with 1", "category": "transient"}	20	t	33	2024-02-01 18:24:51.312284	2024-02-01 18:24:51.312284
13	in_progress	pending	{"engine": "old-host:14297", "attempt": 1}	10	f	2	2024-02-01 18:24:51.30167	2024-02-01 18:24:51.30167
14	complete	in_progress	{"engine": "old-host:14297", "attempt": 1}	20	t	2	2024-02-01 18:24:51.316247	2024-02-01 18:24:51.316247
15	in_progress	pending	{"engine": "old-host:14297", "attempt": 1}	10	f	10	2024-02-01 18:24:51.30167	2024-02-01 18:24:51.30167
16	complete	in_progress	{"engine": "old-host:14297", "attempt": 1}	20	t	10	2024-02-01 18:24:51.316247	2024-02-01 18:24:51.316247
17	in_progress	pending	{"engine": "old-host:14297", "attempt": 1}	10	f	18	2024-02-01 18:24:51.30167	2024-02-01 18:24:51.30167
18	complete	in_progress	{"engine": "old-host:14297", "attempt": 1}	20	t	18	2024-02-01 18:24:51.31834	2024-02-01 18:24:51.31834
19	in_progress	pending	{"engine": "first-engine", "attempt": 1}	10	f	49	2024-02-01 18:24:51.74268	2024-02-01 18:24:51.74268
20	complete	in_progress	{"engine": "first-engine", "attempt": 1}	20	t	49	2024-02-01 18:24:51.748888	2024-02-01 18:24:51.748888
21	in_progress	pending	{"engine": "first-engine", "attempt": 1}	10	f	50	2024-02-01 18:24:51.750233	2024-02-01 18:24:51.750233
22	error	in_progress	{"code": "STEP_EXECUTION_FAILED", "engine": "first-engine", "attempt": 1, "message": "come back later", "category": "transient", "retry_at": 1706812191756178}	20	t	50	2024-02-01 18:24:51.756178	2024-02-01 18:24:51.756178
23	in_progress	pending	{"engine": "first-engine", "attempt": 1}	10	t	57	2024-02-01 18:24:51.812544	2024-02-01 18:24:51.812544
24	in_progress	pending	{"engine": "first-engine", "attempt": 1}	10	t	65	2024-02-01 18:24:51.812544	2024-02-01 18:24:51.812544
25	in_progress	pending	{"engine": "first-engine", "attempt": 1}	10	f	89	2024-02-01 18:24:52.226237	2024-02-01 18:24:52.226237
26	complete	in_progress	{"engine": "first-engine", "attempt": 1}	20	t	89	2024-02-01 18:24:52.240159	2024-02-01 18:24:52.240159
27	in_progress	pending	{"engine": "first-engine", "attempt": 1}	10	f	81	2024-02-01 18:24:52.226237	2024-02-01 18:24:52.226237
28	complete	in_progress	{"engine": "first-engine", "attempt": 1}	20	t	81	2024-02-01 18:24:52.243958	2024-02-01 18:24:52.243958
29	in_progress	pending	{"engine": "first-engine", "attempt": 1}	10	f	97	2024-02-01 18:24:52.240713	2024-02-01 18:24:52.240713
30	complete	in_progress	{"engine": "first-engine", "attempt": 1}	20	t	97	2024-02-01 18:24:52.248468	2024-02-01 18:24:52.248468
31	in_progress	pending	{"engine": "first-engine", "attempt": 1}	10	f	90	2024-02-01 18:24:52.244647	2024-02-01 18:24:52.421583
32	in_progress	pending	{"engine": "first-engine", "attempt": 1}	10	f	82	2024-02-01 18:24:52.249055	2024-02-01 18:24:52.421583
33	error	in_progress	{"engine": "second-engine", "reason": "worker_lost", "attempt": 1}	20	f	82	2024-02-01 18:24:52.421583	2024-02-01 18:24:52.421583
34	pending	error	{"engine": "second-engine", "reason": "worker_lost", "attempt": 1}	30	f	82	2024-02-01 18:24:52.421583	2024-02-01 18:24:52.421583
35	error	in_progress	{"engine": "second-engine", "reason": "worker_lost", "attempt": 1}	20	f	90	2024-02-01 18:24:52.421583	2024-02-01 18:24:52.421583
36	pending	error	{"engine": "second-engine", "reason": "worker_lost", "attempt": 1}	30	t	90	2024-02-01 18:24:52.421583	2024-02-01 18:24:52.421583
37	in_progress	pending	{"engine": "second-engine", "attempt": 1}	40	t	82	2024-02-01 18:24:52.421583	2024-02-01 18:24:52.421583
\.
-- Data for Name: tasker_workflow_steps; Type: TABLE DATA; Schema: public; Owner: -
COPY public.tasker_workflow_steps (workflow_step_id, task_id, named_step_id, retryable, retry_limit, in_process, processed, processed_at, attempts, last_attempted_at, backoff_request_seconds, inputs, results, created_at, updated_at, skippable) FROM stdin;
26	4	1	t	3	f	f	\N	0	\N	\N	{}	{}	2024-02-01 18:24:51.108745	2024-02-01 18:24:51.108745	f
34	5	1	t	3	f	f	\N	0	\N	\N	{}	{}	2024-02-01 18:24:51.138843	2024-02-01 18:24:51.138843	f
41	6	3	t	3	f	f	\N	0	\N	\N	{}	{}	2024-02-01 18:24:51.165274	2024-02-01 18:24:51.165274	f
42	6	4	t	3	f	f	\N	0	\N	\N	{}	{}	2024-02-01 18:24:51.165274	2024-02-01 18:24:51.165274	f
1	1	3	t	3	f	t	2024-02-01 18:24:51.291391	1	2024-02-01 18:24:51.291391	\N	{"n": 1}	{"n": 1}	2024-02-01 18:24:51.015583	2024-02-01 18:24:51.291391	f
9	2	3	t	3	f	t	2024-02-01 18:24:51.300251	1	2024-02-01 18:24:51.300251	\N	{"n": 2}	{"n": 1}	2024-02-01 18:24:51.046653	2024-02-01 18:24:51.300251	f
17	3	3	t	3	f	t	2024-02-01 18:24:51.300251	1	2024-02-01 18:24:51.300251	\N	{"n": 3}	{"n": 1}	2024-02-01 18:24:51.077569	2024-02-01 18:24:51.300251	f
25	4	2	t	1	f	f	\N	1	2024-02-01 18:24:51.300251	\N	{}	{"code": "STEP_EXECUTION_FAILED", "error": "exited with 1", "attempt": 1, "category": "transient", "backtrace": null, "retryable": true, "error_class": "tasker.exec", "remediation": "Read the step's log; while attempts are left it is tried again by itself."}	2024-02-01 18:24:51.108745	2024-02-01 18:24:51.300251	f
33	5	2	t	1	f	f	\N	1	2024-02-01 18:24:51.312284	\N	{}	{"code": "STEP_EXECUTION_FAILED", "error": "exited with 1", "attempt": 1, "category": "transient", "backtrace": null, "retryable": true, "error_class": "tasker.exec", "remediation": "Read the step's log; while attempts are left it is tried again by itself."}	2024-02-01 18:24:51.138843	2024-02-01 18:24:51.312284	f
2	1	4	t	3	f	t	2024-02-01 18:24:51.316247	1	2024-02-01 18:24:51.316247	\N	{"n": 1}	{"n": 2}	2024-02-01 18:24:51.015583	2024-02-01 18:24:51.316247	f
10	2	4	t	3	f	t	2024-02-01 18:24:51.316247	1	2024-02-01 18:24:51.316247	\N	{"n": 2}	{"n": 2}	2024-02-01 18:24:51.046653	2024-02-01 18:24:51.316247	f
18	3	4	t	3	f	t	2024-02-01 18:24:51.31834	1	2024-02-01 18:24:51.31834	\N	{"n": 3}	{"n": 2}	2024-02-01 18:24:51.077569	2024-02-01 18:24:51.31834	f
57	8	6	t	3	f	f	\N	0	\N	\N	{}	{}	2024-02-01 18:24:51.64794	2024-02-01 18:24:51.64794	f
58	8	5	t	3	f	f	\N	0	\N	\N	{}	{}	2024-02-01 18:24:51.64794	2024-02-01 18:24:51.64794	f
65	9	6	t	3	f	f	\N	0	\N	\N	{}	{}	2024-02-01 18:24:51.681919	2024-02-01 18:24:51.681919	f
66	9	5	t	3	f	f	\N	0	\N	\N	{}	{}	2024-02-01 18:24:51.681919	2024-02-01 18:24:51.681919	f
49	7	7	t	3	f	t	2024-02-01 18:24:51.748888	1	2024-02-01 18:24:51.748888	\N	{}	{"n": 1}	2024-02-01 18:24:51.620138	2024-02-01 18:24:51.748888	f
50	7	5	t	3	f	f	\N	1	2024-02-01 18:24:51.756178	300	{}	{"code": "STEP_EXECUTION_FAILED", "error": "come back later", "attempt": 1, "category": "transient", "backtrace": null, "retryable": true, "error_class": "tasker.exec", "remediation": "Read the step's log; while attempts are left it is tried again by itself."}	2024-02-01 18:24:51.620138	2024-02-01 18:24:51.756178	f
73	10	6	t	3	f	f	\N	0	\N	\N	{}	{}	2024-02-01 18:24:51.931287	2024-02-01 18:24:51.931287	f
74	10	5	t	3	f	f	\N	0	\N	\N	{}	{}	2024-02-01 18:24:51.931287	2024-02-01 18:24:51.931287	f
82	11	8	t	3	f	f	\N	0	\N	\N	{}	{}	2024-02-01 18:24:52.127763	2024-02-01 18:24:52.127763	f
81	11	7	t	3	f	t	2024-02-01 18:24:52.243958	1	2024-02-01 18:24:52.243958	\N	{}	{"n": 1}	2024-02-01 18:24:52.127763	2024-02-01 18:24:52.243958	f
83	11	1	t	3	f	f	\N	0	\N	\N	{}	{}	2024-02-01 18:24:52.127763	2024-02-01 18:24:52.127763	f
90	12	8	t	3	f	f	\N	0	\N	\N	{}	{}	2024-02-01 18:24:52.153641	2024-02-01 18:24:52.153641	f
91	12	1	t	3	f	f	\N	0	\N	\N	{}	{}	2024-02-01 18:24:52.153641	2024-02-01 18:24:52.153641	f
98	13	8	t	3	f	f	\N	0	\N	\N	{}	{}	2024-02-01 18:24:52.182799	2024-02-01 18:24:52.182799	f
99	13	1	t	3	f	f	\N	0	\N	\N	{}	{}	2024-02-01 18:24:52.182799	2024-02-01 18:24:52.182799	f
89	12	7	t	3	f	t	2024-02-01 18:24:52.240159	1	2024-02-01 18:24:52.240159	\N	{}	{"n": 1}	2024-02-01 18:24:52.153641	2024-02-01 18:24:52.240159	f
97	13	7	t	3	f	t	2024-02-01 18:24:52.248468	1	2024-02-01 18:24:52.248468	\N	{}	{"n": 1}	2024-02-01 18:24:52.182799	2024-02-01 18:24:52.248468	f
105	14	3	t	3	f	f	\N	0	\N	\N	{}	{}	2024-02-01 18:24:52.516774	2024-02-01 18:24:52.516774	f
106	14	4	t	3	f	f	\N	0	\N	\N	{}	{}	2024-02-01 18:24:52.516774	2024-02-01 18:24:52.516774	f
113	15	3	t	3	f	f	\N	0	\N	\N	{}	{}	2024-02-01 18:24:52.544535	2024-02-01 18:24:52.544535	f
114	15	4	t	3	f	f	\N	0	\N	\N	{}	{}	2024-02-01 18:24:52.544535	2024-02-01 18:24:52.544535	f
121	16	3	t	3	f	f	\N	0	\N	\N	{}	{}	2024-02-01 18:24:52.573058	2024-02-01 18:24:52.573058	f
122	16	4	t	3	f	f	\N	0	\N	\N	{}	{}	2024-02-01 18:24:52.573058	2024-02-01 18:24:52.573058	f
\.
SELECT pg_catalog.setval('public.tasker_annotation_types_annotation_type_id_seq', 1, false);
SELECT pg_catalog.setval('public.tasker_core_lanes_lane_id_seq', 21, true);
SELECT pg_catalog.setval('public.tasker_core_requests_request_id_seq', 1, false);
SELECT pg_catalog.setval('public.tasker_core_templates_template_id_seq', 5, true);
SELECT pg_catalog.setval('public.tasker_dependent_system_objec_dependent_system_object_map_i_seq', 1, false);
SELECT pg_catalog.setval('public.tasker_dependent_systems_dependent_system_id_seq', 1, true);
SELECT pg_catalog.setval('public.tasker_named_steps_named_step_id_seq', 8, true);
SELECT pg_catalog.setval('public.tasker_named_tasks_named_steps_id_seq', 11, true);
SELECT pg_catalog.setval('public.tasker_named_tasks_named_task_id_seq', 5, true);
SELECT pg_catalog.setval('public.tasker_task_annotations_task_annotation_id_seq', 1, false);
SELECT pg_catalog.setval('public.tasker_task_namespaces_task_namespace_id_seq', 1, true);
SELECT pg_catalog.setval('public.tasker_task_transitions_id_seq', 18, true);
SELECT pg_catalog.setval('public.tasker_tasks_task_id_seq', 16, true);
SELECT pg_catalog.setval('public.tasker_workflow_step_edges_id_seq', 19, true);
SELECT pg_catalog.setval('public.tasker_workflow_step_transitions_id_seq', 37, true);
SELECT pg_catalog.setval('public.tasker_workflow_steps_workflow_step_id_seq', 128, true);
ALTER TABLE ONLY public.tasker_annotation_types
    ADD CONSTRAINT tasker_annotation_types_pkey PRIMARY KEY (annotation_type_id);
ALTER TABLE ONLY public.tasker_core_active
    ADD CONSTRAINT tasker_core_active_pkey PRIMARY KEY (task_id);
ALTER TABLE ONLY public.tasker_core_dispatch
    ADD CONSTRAINT tasker_core_dispatch_pkey PRIMARY KEY (token);
ALTER TABLE ONLY public.tasker_core_lanes
    ADD CONSTRAINT tasker_core_lanes_pkey PRIMARY KEY (lane_id);
ALTER TABLE ONLY public.tasker_core_meta
    ADD CONSTRAINT tasker_core_meta_pkey PRIMARY KEY (key);
ALTER TABLE ONLY public.tasker_core_requests
    ADD CONSTRAINT tasker_core_requests_pkey PRIMARY KEY (request_id);
ALTER TABLE ONLY public.tasker_core_templates
    ADD CONSTRAINT tasker_core_templates_pkey PRIMARY KEY (template_id);
ALTER TABLE ONLY public.tasker_dependent_system_object_maps
    ADD CONSTRAINT tasker_dependent_system_object_maps_pkey PRIMARY KEY (dependent_system_object_map_id);
ALTER TABLE ONLY public.tasker_dependent_systems
    ADD CONSTRAINT tasker_dependent_systems_pkey PRIMARY KEY (dependent_system_id);
ALTER TABLE ONLY public.tasker_named_steps
    ADD CONSTRAINT tasker_named_steps_pkey PRIMARY KEY (named_step_id);
ALTER TABLE ONLY public.tasker_named_tasks_named_steps
    ADD CONSTRAINT tasker_named_tasks_named_steps_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.tasker_named_tasks
    ADD CONSTRAINT tasker_named_tasks_pkey PRIMARY KEY (named_task_id);
ALTER TABLE ONLY public.tasker_task_annotations
    ADD CONSTRAINT tasker_task_annotations_pkey PRIMARY KEY (task_annotation_id);
ALTER TABLE ONLY public.tasker_task_namespaces
    ADD CONSTRAINT tasker_task_namespaces_pkey PRIMARY KEY (task_namespace_id);
ALTER TABLE ONLY public.tasker_task_transitions
    ADD CONSTRAINT tasker_task_transitions_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.tasker_tasks
    ADD CONSTRAINT tasker_tasks_pkey PRIMARY KEY (task_id);
ALTER TABLE ONLY public.tasker_workflow_step_edges
    ADD CONSTRAINT tasker_workflow_step_edges_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.tasker_workflow_step_transitions
    ADD CONSTRAINT tasker_workflow_step_transitions_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.tasker_workflow_steps
    ADD CONSTRAINT tasker_workflow_steps_pkey PRIMARY KEY (workflow_step_id);
CREATE UNIQUE INDEX annotation_types_name_unique ON public.tasker_annotation_types USING btree (name);
CREATE UNIQUE INDEX dependent_system_object_maps_dependent_system_one_id_dependent_ ON public.tasker_dependent_system_object_maps USING btree (dependent_system_one_id, dependent_system_two_id, remote_id_one, remote_id_two);
CREATE INDEX dependent_system_object_maps_remote_id_one_index ON public.tasker_dependent_system_object_maps USING btree (remote_id_one);
CREATE INDEX dependent_system_object_maps_remote_id_two_index ON public.tasker_dependent_system_object_maps USING btree (remote_id_two);
CREATE UNIQUE INDEX dependent_systems_name_unique ON public.tasker_dependent_systems USING btree (name);
CREATE UNIQUE INDEX idx_on_workflow_step_id_most_recent_97d5374ad6 ON public.tasker_workflow_step_transitions USING btree (workflow_step_id, most_recent) WHERE (most_recent = true);
CREATE UNIQUE INDEX idx_on_workflow_step_id_sort_key_4d476d7adb ON public.tasker_workflow_step_transitions USING btree (workflow_step_id, sort_key);
CREATE INDEX index_step_edges_child_lookup ON public.tasker_workflow_step_edges USING btree (to_step_id);
CREATE INDEX index_step_edges_parent_lookup ON public.tasker_workflow_step_edges USING btree (from_step_id);
CREATE UNIQUE INDEX index_tasker_task_transitions_on_task_id_and_most_recent ON public.tasker_task_transitions USING btree (task_id, most_recent) WHERE (most_recent = true);
CREATE UNIQUE INDEX index_tasker_task_transitions_on_task_id_and_sort_key ON public.tasker_task_transitions USING btree (task_id, sort_key);
CREATE UNIQUE INDEX index_tasks_on_identity_hash ON public.tasker_tasks USING btree (identity_hash);
CREATE UNIQUE INDEX named_step_by_system_uniq ON public.tasker_named_steps USING btree (dependent_system_id, name);
CREATE UNIQUE INDEX named_tasks_namespace_name_version_unique ON public.tasker_named_tasks USING btree (task_namespace_id, name, version);
CREATE UNIQUE INDEX named_tasks_steps_ids_unique ON public.tasker_named_tasks_named_steps USING btree (named_task_id, named_step_id);
CREATE INDEX task_annotations_task_id_index ON public.tasker_task_annotations USING btree (task_id);
CREATE UNIQUE INDEX task_namespaces_name_unique ON public.tasker_task_namespaces USING btree (name);
CREATE INDEX tasker_core_active_due ON public.tasker_core_active USING btree (run_at) WHERE (lane_id IS NULL);
CREATE INDEX tasker_core_active_owner ON public.tasker_core_active USING btree (lane_id) WHERE (lane_id IS NOT NULL);
CREATE INDEX tasker_core_active_queue ON public.tasker_core_active USING btree (priority, task_id, run_at) WHERE (lane_id IS NULL);
CREATE INDEX tasker_core_dispatch_free ON public.tasker_core_dispatch USING btree (handler_class, token) WHERE (worker_lane IS NULL);
CREATE INDEX tasker_core_dispatch_taken ON public.tasker_core_dispatch USING btree (worker_lane) WHERE (worker_lane IS NOT NULL);
CREATE INDEX tasker_core_dispatch_task ON public.tasker_core_dispatch USING btree (task_id);
CREATE INDEX tasker_core_logs_step ON public.tasker_core_logs USING btree (workflow_step_id);
CREATE INDEX tasker_core_step_states ON public.tasker_workflow_step_transitions USING btree (to_state, workflow_step_id) WHERE ((most_recent = true) AND ((to_state)::text <> 'complete'::text));
CREATE INDEX tasker_core_task_states ON public.tasker_task_transitions USING btree (to_state, task_id) WHERE ((most_recent = true) AND ((to_state)::text <> 'complete'::text));
CREATE UNIQUE INDEX tasker_core_templates_content ON public.tasker_core_templates USING btree (named_task_id, hash);
CREATE UNIQUE INDEX tasker_core_templates_current ON public.tasker_core_templates USING btree (named_task_id) WHERE current;
CREATE INDEX workflow_steps_task_id_index ON public.tasker_workflow_steps USING btree (task_id);
ALTER TABLE ONLY public.tasker_dependent_system_object_maps
    ADD CONSTRAINT dependent_system_object_maps_dependent_system_one_id_foreign FOREIGN KEY (dependent_system_one_id) REFERENCES public.tasker_dependent_systems(dependent_system_id);
ALTER TABLE ONLY public.tasker_dependent_system_object_maps
    ADD CONSTRAINT dependent_system_object_maps_dependent_system_two_id_foreign FOREIGN KEY (dependent_system_two_id) REFERENCES public.tasker_dependent_systems(dependent_system_id);
ALTER TABLE ONLY public.tasker_named_tasks
    ADD CONSTRAINT fk_rails_16a0297759 FOREIGN KEY (task_namespace_id) REFERENCES public.tasker_task_namespaces(task_namespace_id);
ALTER TABLE ONLY public.tasker_workflow_step_transitions
    ADD CONSTRAINT fk_rails_6e0f6eb833 FOREIGN KEY (workflow_step_id) REFERENCES public.tasker_workflow_steps(workflow_step_id);
ALTER TABLE ONLY public.tasker_workflow_step_edges
    ADD CONSTRAINT fk_rails_7b4652ccf2 FOREIGN KEY (from_step_id) REFERENCES public.tasker_workflow_steps(workflow_step_id);
ALTER TABLE ONLY public.tasker_workflow_step_edges
    ADD CONSTRAINT fk_rails_93ec0bf6eb FOREIGN KEY (to_step_id) REFERENCES public.tasker_workflow_steps(workflow_step_id);
ALTER TABLE ONLY public.tasker_task_transitions
    ADD CONSTRAINT fk_rails_e8caec803c FOREIGN KEY (task_id) REFERENCES public.tasker_tasks(task_id);
ALTER TABLE ONLY public.tasker_named_steps
    ADD CONSTRAINT named_steps_dependent_system_id_foreign FOREIGN KEY (dependent_system_id) REFERENCES public.tasker_dependent_systems(dependent_system_id);
ALTER TABLE ONLY public.tasker_named_tasks_named_steps
    ADD CONSTRAINT named_tasks_named_steps_named_step_id_foreign FOREIGN KEY (named_step_id) REFERENCES public.tasker_named_steps(named_step_id);
ALTER TABLE ONLY public.tasker_named_tasks_named_steps
    ADD CONSTRAINT named_tasks_named_steps_named_task_id_foreign FOREIGN KEY (named_task_id) REFERENCES public.tasker_named_tasks(named_task_id);
ALTER TABLE ONLY public.tasker_task_annotations
    ADD CONSTRAINT task_annotations_annotation_type_id_foreign FOREIGN KEY (annotation_type_id) REFERENCES public.tasker_annotation_types(annotation_type_id);
ALTER TABLE ONLY public.tasker_task_annotations
    ADD CONSTRAINT task_annotations_task_id_foreign FOREIGN KEY (task_id) REFERENCES public.tasker_tasks(task_id);
ALTER TABLE ONLY public.tasker_core_templates
    ADD CONSTRAINT tasker_core_templates_named_task_id_fkey FOREIGN KEY (named_task_id) REFERENCES public.tasker_named_tasks(named_task_id);
ALTER TABLE ONLY public.tasker_tasks
    ADD CONSTRAINT tasks_named_task_id_foreign FOREIGN KEY (named_task_id) REFERENCES public.tasker_named_tasks(named_task_id);
ALTER TABLE ONLY public.tasker_workflow_steps
    ADD CONSTRAINT workflow_steps_named_step_id_foreign FOREIGN KEY (named_step_id) REFERENCES public.tasker_named_steps(named_step_id);
ALTER TABLE ONLY public.tasker_workflow_steps
    ADD CONSTRAINT workflow_steps_task_id_foreign FOREIGN KEY (task_id) REFERENCES public.tasker_tasks(task_id);
-- PostgreSQL database dump complete
