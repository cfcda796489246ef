#!/bin/sh
# SPDX-License-Identifier: MIT
# Ten thousand tasks wait while no engine runs; then four engines, processes of their own, claim them together. Each task
# is claimed once, by one of them, and run once; each engine gets its share; none ever holds more tasks than twice the
# steps it can run at once.
#
# Claims are written down by a trigger, in the transaction that makes them; runs by the handlers, outside of the database.
#
# Run it by `tools/postgres run`. TASKER: the binary, crash-part in tests/ beside it. TASKS: how many (10000).
set -u
here=$(cd "$(dirname "$0")" && pwd)
tasker=${TASKER:-$here/../../../build/tasker}
tasks=${TASKS:-10000}
slots=4
: "${TASKER_TEST_POSTGRESQL:?is the URI of a server: tools/postgres run $0}"
psql=$(command -v psql || ls /usr/lib/postgresql/*/bin/psql | tail -n 1)
PATH=$(cd "$(dirname "$tasker")/tests" && pwd):$PATH
uri=$(echo "$TASKER_TEST_POSTGRESQL" | sed 's,/postgres?,/claims?,')
work=$(mktemp -d)
export RUNS="$work/runs" GO="$work/go"
: >"$RUNS"
engines=
failed=0

finish()
{
    # shellcheck disable=SC2086
    [ -z "$engines" ] || kill -9 $engines 2>/dev/null
    wait
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

sql() { "$psql" -XAtq -v ON_ERROR_STOP=1 -d "$uri" -c "$1" </dev/null; }

give_up()
{
    echo "not ok - $1"
    {
        sql "SELECT * FROM tasker_core_lanes ORDER BY 1"
        sql "SELECT lane_id, count(*) FROM tasker_core_active GROUP BY 1 ORDER BY 1"
        for name in e1 e2 e3 e4; do [ ! -f "$work/$name.log" ] || tail -n 3 "$work/$name.log"; done
    } 2>&1 | sed 's/^/# /'
    exit 1
}

# is WHAT WANTED SQL: the query gives that and nothing else.
is()
{
    got=$(sql "$3" 2>&1)
    if [ "$got" = "$2" ]; then
        echo "ok - $1"
    else
        echo "not ok - $1"
        echo "# wanted '$2', got '$(echo "$got" | head -n 5)'"
        failed=1
    fi
}

"$psql" -XAtq -d "$TASKER_TEST_POSTGRESQL" -c "CREATE DATABASE claims" || exit 1
"$tasker" register "$here/claimed.yaml" --db "$uri" >"$work/out" 2>&1 || give_up "$(cat "$work/out")"
seq "$tasks" | sed 's/.*/{"n": &}/' >"$work/contexts"
"$tasker" submit crash/claimed@1.0.0 --db "$uri" --context-lines "$work/contexts" >"$work/ids" 2>"$work/out" || give_up "$(cat "$work/out")"
is "$tasks tasks wait, and nobody owns one" "$tasks|0" "SELECT count(*), count(lane_id) FROM tasker_core_active"

# +1 for what a lane gets, -1 for what leaves it, in the transaction that does it.
sql "CREATE TABLE moves (id bigserial, tx bigint DEFAULT txid_current(), lane bigint, engine text, task bigint, n integer);
    CREATE FUNCTION note_move() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN
     IF OLD.lane_id IS NOT NULL THEN INSERT INTO moves (lane, task, n) VALUES (OLD.lane_id, OLD.task_id, -1); END IF;
     IF TG_OP = 'UPDATE' AND NEW.lane_id IS NOT NULL THEN INSERT INTO moves (lane, engine, task, n)
      SELECT NEW.lane_id, l.name, NEW.task_id, 1 FROM tasker_core_lanes l WHERE l.lane_id = NEW.lane_id; END IF;
     RETURN NULL; END \$\$;
    CREATE TRIGGER note_claim AFTER UPDATE ON tasker_core_active FOR EACH ROW
     WHEN (OLD.lane_id IS DISTINCT FROM NEW.lane_id) EXECUTE FUNCTION note_move();
    CREATE TRIGGER note_end AFTER DELETE ON tasker_core_active FOR EACH ROW EXECUTE FUNCTION note_move()" || give_up "no triggers"

for name in e1 e2 e3 e4; do
    crash-part work "$uri&application_name=$name" "$name" >"$work/$name.log" 2>&1 </dev/null &
    engines="$engines $!"
done
limit=$(($(date +%s) + 60))
until [ "$(cat "$work"/e?.log | grep -c started)" = 4 ]; do
    [ "$(date +%s)" -lt "$limit" ] || give_up "four engines start"
    sleep 0.05
done
begun=$(date +%s)
: >"$GO"
limit=$((begun + 240))
until [ "$(sql "SELECT count(*) FROM tasker_core_active")" = 0 ]; do
    # shellcheck disable=SC2086
    kill -0 $engines 2>/dev/null || give_up "an engine ended by itself"
    [ "$(date +%s)" -lt "$limit" ] || give_up "all tasks come to their ends in $((limit - begun)) s"
    sleep 0.1
done
echo "# $tasks tasks by four engines in $(($(date +%s) - begun)) s"
for pid in $engines; do
    kill "$pid" && wait "$pid" || give_up "an engine ends by SIGTERM: status $?"
done
engines=

is "every task is complete" "$tasks|$tasks" "SELECT count(*), count(*) FILTER (WHERE k.complete AND t.to_state = 'complete')
    FROM tasker_tasks k LEFT JOIN tasker_task_transitions t ON t.task_id = k.task_id AND t.most_recent"
is "every task was claimed exactly once, and left its owner by its end" "$tasks|$tasks|$tasks|0" \
    "SELECT count(*) FILTER (WHERE n = 1), count(DISTINCT task) FILTER (WHERE n = 1), count(*) FILTER (WHERE n = -1),
     (SELECT count(*) FROM (SELECT FROM moves GROUP BY task, lane HAVING sum(n) <> 0) x) FROM moves"
is "every task was started once, by the engine that claimed it" "$tasks|$tasks|0" \
    "SELECT count(*), count(DISTINCT t.task_id), count(*) FILTER (WHERE m.engine IS DISTINCT FROM t.metadata ->> 'engine')
     FROM tasker_task_transitions t LEFT JOIN moves m ON m.task = t.task_id AND m.n = 1 WHERE t.to_state = 'in_progress'"
is "every step has one start and one end, at its first attempt" "$tasks|$tasks|0" \
    "SELECT count(*) FILTER (WHERE t.to_state = 'in_progress'), count(*) FILTER (WHERE t.to_state = 'complete'),
     count(*) FILTER (WHERE t.to_state NOT IN ('in_progress', 'complete') OR s.attempts <> 1)
     FROM tasker_workflow_steps s JOIN tasker_workflow_step_transitions t USING (workflow_step_id)"
sql "CREATE TABLE runs (key text, attempt integer, process integer, at numeric)" &&
    "$psql" -XAtq -d "$uri" -c "\\copy runs FROM '$RUNS' WITH (DELIMITER ' ')" || give_up "the runs are read"
is "every handler ran once, by its first attempt" "$tasks|$tasks|0" \
    "SELECT count(*), count(DISTINCT split_part(r.key, '/', 2)::bigint), count(*) FILTER (WHERE r.attempt <> 1 OR k.task_id IS NULL)
     FROM runs r LEFT JOIN tasker_tasks k ON k.task_id = split_part(r.key, '/', 2)::bigint"
is "each engine ran what it had claimed" "4|0" \
    "SELECT count(DISTINCT r.process), count(*) - $tasks FROM (SELECT DISTINCT process, engine, task FROM runs
     JOIN moves m ON m.n = 1 AND m.task = split_part(key, '/', 2)::bigint) r"
is "each of the four got a share, and none more than 60 %" "4|t" \
    "SELECT count(*), max(c) <= 0.6 * $tasks FROM (SELECT engine, count(*) AS c FROM moves WHERE n = 1 GROUP BY engine) x"
is "no lane ever owned more than twice the steps it can run at once" "t" \
    "SELECT max(owned) <= 2 * $slots FROM (SELECT sum(sum(n)) OVER (PARTITION BY lane ORDER BY min(id)) AS owned
     FROM moves GROUP BY lane, tx) x"
echo "# shares: $(sql "SELECT string_agg(c::text, ' ') FROM (SELECT count(*) AS c FROM moves WHERE n = 1 GROUP BY engine ORDER BY engine) x")," \
    "most at once: $(sql "SELECT max(owned) FROM (SELECT sum(sum(n)) OVER (PARTITION BY lane ORDER BY min(id)) AS owned FROM moves GROUP BY lane, tx) x")"
exit $failed
