#!/bin/sh
# SPDX-License-Identifier: MIT
# An engine is stopped (SIGSTOP) in the middle of sending a turn: the server waits for the rest of it, with the rows locked.
# Another engine goes on with everything else, and after two leases ends that session, takes the task over and finishes
# it. When the first goes on, its turn is refused, and it works as before.
#
# That it stops in the middle is made so: a trigger lets the fence wait, the socket fills, the engine is stopped, and then
# the server may go on.
#
# Run it by `tools/postgres run`. TASKER: the binary, crash-part in tests/ beside it.
set -u
here=$(cd "$(dirname "$0")" && pwd)
tasker=${TASKER:-$here/../../../build/tasker}
: "${TASKER_TEST_POSTGRESQL:?is the URI of a server: tools/postgres run $0}"
psql=$(command -v psql || ls /usr/lib/postgresql/*/bin/psql | tail -n 1)
PATH=$(cd "$(dirname "$tasker")/tests" && pwd):$PATH
uri=$(echo "$TASKER_TEST_POSTGRESQL" | sed 's,/postgres?,/stopped?,')
work=$(mktemp -d)
export RUNS="$work/runs" GO="$work/go"
: >"$RUNS"
first=
second=
holder=

finish()
{
    for pid in $first $second $holder; do kill -9 "$pid" 2>/dev/null; done
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
        sql "SELECT task_id, lane_id, crashes FROM tasker_core_active ORDER BY 1"
        sql "SELECT pid, application_name, state, wait_event, backend_xid, now() - xact_start FROM pg_stat_activity WHERE datname = 'stopped'"
        tail -n 5 "$work/e1.log" "$work/e2.log"
    } 2>&1 | sed 's/^/# /'
    exit 1
}

# until_true WHAT SQL: until the query says t.
until_true()
{
    limit=$(($(date +%s) + 60))
    until [ "$(sql "$2")" = t ]; do
        [ "$(date +%s)" -lt "$limit" ] || give_up "$1"
        sleep 0.05
    done
    echo "ok - $1"
}

start()
{
    "$tasker" start --db "$uri&application_name=$1" --name "$1" --lease 4 --concurrency 2 >"$work/$1.log" 2>&1 </dev/null &
}

"$psql" -XAtq -d "$TASKER_TEST_POSTGRESQL" -c "CREATE DATABASE stopped" || exit 1
for name in big chain; do "$tasker" register "$here/$name.yaml" --db "$uri" >"$work/out" 2>&1 || give_up "$(cat "$work/out")"; done
sql "CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN PERFORM pg_advisory_xact_lock_shared(7); RETURN NEW; END \$\$;
    CREATE TRIGGER hold BEFORE UPDATE ON tasker_core_lanes FOR EACH ROW WHEN (OLD.name = 'e1') EXECUTE FUNCTION hold()" || give_up "no trigger"
mkfifo "$work/hold"
"$psql" -XAtq -d "$uri&application_name=holder" <"$work/hold" >"$work/held" 2>&1 &
holder=$!
exec 7>"$work/hold"

start e1
first=$!
waiting="SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE application_name = 'e1' AND wait_event = 'advisory')"
stuck="SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE application_name = 'e1' AND state = 'active' AND wait_event = 'ClientRead' AND backend_xid IS NOT NULL)"
# A heartbeat may come first: it is sent whole, and goes through. Then it is tried again.
for try in 1 2 3 4 5 6 7 8; do
    rm -f "$GO"
    : >"$RUNS"
    big=$("$tasker" submit crash/big@1.0.0 --db "$uri") || give_up "a task is submitted"
    limit=$(($(date +%s) + 30))
    until [ -s "$RUNS" ]; do [ "$(date +%s)" -lt "$limit" ] || give_up "its step runs"; sleep 0.02; done
    sleep 0.2 # its start row is written
    echo "SELECT pg_advisory_lock(7);" >&7
    : >"$GO"
    limit=$(($(date +%s) + 10))
    until [ "$(sql "$waiting")" = t ]; do [ "$(date +%s)" -lt "$limit" ] || break; done
    sleep 0.1
    kill -STOP "$first"
    echo "SELECT pg_advisory_unlock(7);" >&7
    sleep 0.3
    [ "$(sql "$stuck")" != t ] || break
    kill -CONT "$first"
    [ "$try" -lt 8 ] || give_up "the engine stands in the middle of a turn"
done
echo "ok - the engine stands in the middle of a turn (try $try)"
begun=$(sql "SELECT (extract(epoch FROM xact_start) * 1000)::bigint FROM pg_stat_activity WHERE application_name = 'e1' AND backend_xid IS NOT NULL")
others=$(for i in 1 2 3 4 5; do "$tasker" submit crash/chain@1.0.0 --db "$uri" --context "{\"i\": $i}"; done | paste -sd,)
start e2
second=$!
until_true "another engine goes on with all other tasks" \
    "SELECT count(*) = 5 FROM tasker_task_transitions WHERE most_recent AND to_state = 'complete' AND task_id IN ($others)"
until_true "it ends the session that holds the rows, and finishes the task" \
    "SELECT count(*) = 1 FROM tasker_task_transitions WHERE most_recent AND to_state = 'complete' AND task_id = $big"
took=$(($(date +%s%3N) - begun))
[ "$took" -ge 8000 ] && echo "ok - not before two leases were over" || give_up "it took only $took ms"
[ "$(sql "SELECT count(*) FROM tasker_core_lanes WHERE name = 'e1'")" = 0 ] && echo "ok - the lane of the stopped engine is gone" || give_up "its lane is there"
more=$("$tasker" submit crash/chain@1.0.0 --db "$uri")
kill -CONT "$first"
kill "$second" && wait "$second" || give_up "the second engine ends by SIGTERM: status $?"
second=
last=$("$tasker" submit crash/chain@1.0.0 --db "$uri")
until_true "the first goes on, alone, as before" \
    "SELECT count(*) = 2 FROM tasker_task_transitions WHERE most_recent AND to_state = 'complete' AND task_id IN ($more, $last)"
[ "$(sql "SELECT count(*) FROM tasker_workflow_steps s JOIN tasker_workflow_step_transitions t USING (workflow_step_id)
    WHERE s.task_id = $big AND t.to_state = 'complete'")" = 1 ] && echo "ok - the result of its turn was recorded once, by the other" ||
    give_up "the step has two ends"
kill "$first" && wait "$first" || give_up "the first engine ends by SIGTERM: status $?"
first=
echo "# taken over after $took ms; its step ran $(grep -c "/$big/" "$RUNS") times"
