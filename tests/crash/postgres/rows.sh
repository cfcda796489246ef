# SPDX-License-Identifier: MIT
# rows.sh - sourced by faults.sh: what must be true of the rows, and of the runs that the programs have written down,
# whatever has happened, once every submitted task is at its end.
#
# runs, stops and engines are tables of a session, filled from the files: a run has begun at a time, by a process; a process
# stood still from a time to a time; a process was the engine of that name. They are compared with the moment at which a
# success was committed, which the server keeps (track_commit_timestamp); all of it is one clock.
TASKS="tasker_task_transitions"
STEPS="tasker_workflow_step_transitions"
loads="CREATE TEMP TABLE confirmed (n bigint, id bigint);
\\copy confirmed FROM '$work/confirmed' WITH (DELIMITER ' ')
CREATE TEMP TABLE runs (key text, attempt integer, process integer, at numeric, task bigint, step bigint);
\\copy runs (key, attempt, process, at) FROM '$work/runs' WITH (DELIMITER ' ')
CREATE TEMP TABLE stops (process integer, begun numeric, ended numeric);
\\copy stops FROM '$work/stops' WITH (DELIMITER ' ')
CREATE TEMP TABLE engines (process integer, name text);
\\copy engines FROM '$work/engines' WITH (DELIMITER ' ')
UPDATE runs SET at = at / 1000, task = split_part(key, '/', 2)::bigint;
UPDATE runs r SET step = s.workflow_step_id FROM tasker_workflow_steps s JOIN tasker_named_steps n
    ON n.named_step_id = s.named_step_id WHERE s.task_id = r.task AND n.name = split_part(r.key, '/', 3);
UPDATE stops SET begun = begun / 1000, ended = ended / 1000;
CREATE TEMP TABLE successes AS SELECT workflow_step_id AS step, extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000000 AS at,
    metadata ->> 'engine' AS engine FROM $STEPS WHERE to_state = 'complete'"

# none NAME SQL: passes when the query finds no row. All of them are one session, so they are collected first.
none()
{
    printf "\\\\echo - %s\n%s;\n" "$1" "$2" >>"$work/rows.sql"
}

collect_rows()
{
    printf '%s;\n' "$loads" >"$work/rows.sql"
    none "a task that was confirmed is there, under its number" \
        "SELECT c.* FROM confirmed c LEFT JOIN tasker_tasks t ON t.task_id = c.id
         WHERE t.task_id IS NULL OR t.context <> jsonb_build_object('n', c.n)"
    none "no request has become two tasks, and none without a request is there" \
        "SELECT t.context, count(*), min(task_id), max(task_id) FROM tasker_tasks t LEFT JOIN confirmed c ON c.id = t.task_id
         GROUP BY t.context HAVING count(*) <> 1 OR count(c.id) <> 1"
    none "every task is complete, but for those whose once-only step was interrupted" \
        "SELECT t.task_id, x.to_state, x.metadata FROM tasker_tasks t LEFT JOIN $TASKS x ON x.task_id = t.task_id AND x.most_recent
         WHERE (x.to_state IS DISTINCT FROM 'complete' OR NOT t.complete) AND NOT (x.to_state = 'error' AND EXISTS (
         SELECT 1 FROM tasker_workflow_steps s JOIN $STEPS y ON y.workflow_step_id = s.workflow_step_id AND y.most_recent
         WHERE s.task_id = t.task_id AND NOT s.retryable AND y.to_state = 'error' AND y.metadata::text LIKE ANY ('{%the process that ran this step died%,%set aside after%}')))"
    none "no row is one that only the Rails engine may write" \
        "SELECT id FROM $TASKS WHERE from_state IS NULL OR metadata ->> 'engine' IS NULL
         UNION ALL SELECT id FROM $STEPS WHERE from_state IS NULL OR metadata ->> 'engine' IS NULL"
    none "nothing is left in the queues" \
        "SELECT 'active', task_id FROM tasker_core_active UNION ALL SELECT 'dispatch', task_id FROM tasker_core_dispatch
         UNION ALL SELECT 'request', request_id FROM tasker_core_requests"
    none "every run is one of a step that is there" "SELECT * FROM runs WHERE step IS NULL"
    none "every success was a run" \
        "SELECT step FROM successes s WHERE NOT EXISTS (SELECT 1 FROM runs r WHERE r.step = s.step AND r.at < s.at)"
    # A process that was stopped between taking a step and running it may run it when it wakes; nothing can prevent that,
    # and nothing of it is recorded. So a success committed since it was stopped does not count against its next runs. On a
    # busy machine an engine may get no processor for longer than its lease, which is the same, but nobody knows when it
    # was: so the success of a later attempt that another engine has committed a moment before does not count against it either.
    none "no run began after a success was committed" \
        "SELECT r.*, s.at AS success, r.at - s.at AS after FROM runs r JOIN successes s ON s.step = r.step WHERE r.at > s.at AND NOT EXISTS (
         SELECT 1 FROM stops p WHERE p.process = r.process AND p.begun < s.at AND r.at BETWEEN p.ended AND p.ended + 5000000)
         AND NOT EXISTS (SELECT 1 FROM engines e WHERE e.process = r.process AND e.name <> s.engine AND r.at < s.at + 5000000
         AND r.attempt < (SELECT max(x.attempt) FROM runs x WHERE x.step = r.step AND x.at < s.at))"
    none "what may be started once ran once" \
        "SELECT r.step, count(*) FROM runs r JOIN tasker_workflow_steps s ON s.workflow_step_id = r.step
         WHERE NOT s.retryable GROUP BY r.step HAVING count(*) > 1"
}

# check_rows: prints what is wrong, nothing when all is sound. Each check must have been made. What is true of every sound
# database whatever has happened, db verify knows.
check_rows()
{
    "$tasker" db verify --db "$uri" >"$work/verdict" 2>&1 || sed 's/^/not true: /' "$work/verdict"
    collect_rows
    sql_file "$work/rows.sql" >"$work/rows" 2>&1 || echo "the checks failed"
    grep -v '^- ' "$work/rows" >/dev/null && awk '/^- / { name = $0; n = 0; next } n++ < 5 { if (n == 1) print "not true: " name; print "    " $0 }' "$work/rows"
    made=$(grep -c '^- ' "$work/rows")
    [ "$made" -eq "$(grep -c '^.echo - ' "$work/rows.sql")" ] || echo "only $made checks were made"
}
