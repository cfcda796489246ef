#!/bin/sh
# SPDX-License-Identifier: MIT
# Three engines, a worker that is lent steps, and a client that submits all the while, on one PostgreSQL database. Round
# after round something breaks: a process is killed or stopped until its lease has passed, the server is restarted at
# once, sessions are terminated, idle ones or in the middle of a turn; now and then two of these together. Every ten
# rounds, and at the end, all tasks must come to their ends and the rows must tell a whole and legal story (rows.sh).
#
# Run it by `tools/postgres run`. TASKER: the binary, crash-part in tests/ beside it. ROUNDS: how many (110). SEED repeats the
# faults of an earlier run. The server has fsync off: what it wrote is in the system's memory, which a restart of the
# server leaves alone.
set -u
here=$(cd "$(dirname "$0")" && pwd)
top=$here/../../..
tasker=${TASKER:-$top/build/tasker}
rounds=${ROUNDS:-110}
seed=${SEED:-$(od -An -N3 -tu4 /dev/urandom | tr -d ' ')}
: "${TASKER_TEST_POSTGRESQL:?is the URI of a server: tools/postgres run $0}"
server=$TASKER_TEST_POSTGRESQL_DIR
psql=$(command -v psql || ls /usr/lib/postgresql/*/bin/psql | tail -n 1)
PATH=$(cd "$(dirname "$tasker")/tests" && pwd):$PATH
uri=$(echo "$TASKER_TEST_POSTGRESQL" | sed 's,/postgres?,/crash?,')
work=$(mktemp -d)
export RUNS="$work/runs"
: >"$RUNS" && : >"$work/stops" && : >"$work/confirmed" && : >"$work/engines"
names="e1 e2 e3 worker client"
round=0
fault="nothing yet"

finish()
{
    for name in $names; do
        eval "pid=\${pid_$name:-}"
        [ -z "$pid" ] || kill -9 "$pid" 2>/dev/null
    done
    wait
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

ok() { echo "ok - $1"; }

# What all have said and written, the rows and the server's log, in a folder beside the build's programs.
keep()
{
    kept=$(cd "$(dirname "$tasker")" && pwd)/failed/faults.$seed
    mkdir -p "$kept" && cp "$server/log" "$work"/* "$kept"
    "$(dirname "$psql")/pg_dump" -d "$uri" >"$kept/rows.dump"
    echo "all of it: $kept"
}

# Ends the test, with all that may explain it.
give_up()
{
    echo "not ok - $1"
    {
        echo "round $round of $rounds: $fault"
        sql "SELECT s.task_id, x.* FROM tasker_workflow_step_transitions x JOIN tasker_workflow_steps s USING (workflow_step_id)
             WHERE x.to_state = 'error' AND x.most_recent ORDER BY x.id DESC LIMIT 5"
        sql "SELECT task_id, lane_id, crashes, suspect FROM tasker_core_active ORDER BY 1 LIMIT 10"
        sql "SELECT l.*, round(l.expires_at / 1e6 - extract(epoch FROM clock_timestamp()), 1) AS lease_left FROM tasker_core_lanes l ORDER BY 1"
        sql "SELECT * FROM tasker_core_dispatch ORDER BY 1 LIMIT 10"
        sql "SELECT pid, application_name, state, wait_event_type, wait_event, backend_xid, now() - xact_start, pg_blocking_pids(pid),
             left(query, 80) FROM pg_stat_activity WHERE datname = 'crash' AND pid <> pg_backend_pid()"
        for name in $names; do
            eval "echo \"$name: process \${pid_$name:-none}\""
            tail -n 12 "$work/$name.log"
        done
        echo "the server:"
        tail -n 15 "$server/log"
        keep
        # The last lines are those that are looked at first.
        echo "$1 (round $round of $rounds: $fault)"
        echo "again: SEED=$seed ROUNDS=$rounds tools/postgres run tests/crash/postgres/faults.sh"
    } 2>&1 | sed 's/^/# /'
    exit 1
}

sql() { "$psql" -XAtq -d "$uri" -c "$1" </dev/null; }
sql_file() { "$psql" -XAtq -v ON_ERROR_STOP=1 -d "$uri" -f "$1" </dev/null; }
now_ns() { date +%s%N; }

# ---- processes

# The process itself is in the background, not a shell around it: its id is the one to kill.
start()
{
    echo "# round $round" >>"$work/$1.log"
    : >"$work/$1.last"
    keys=row
    [ "$1" != e3 ] || keys=turn
    case $1 in
    e*) "$tasker" start --db "$uri&application_name=$1&tasker_foreign_keys=each_$keys" --name "$1" --lease 1 --lanes $((1 + (${1#e} == 2))) --concurrency 4 --drain-seconds 5 ;;
    worker) crash-part serve "$uri&application_name=$1" "$1" ;;
    client) crash-part submit "$uri&application_name=$1" "$1" "$work/confirmed" ;;
    esac >>"$work/$1.last" 2>&1 </dev/null &
    eval "pid_$1=$!"
    case $1 in e*) echo "$! $1" >>"$work/engines" ;; esac
}

# bury NAME: forgets a process that has ended, and sets `status`.
bury()
{
    eval "pid=\$pid_$1"
    wait "$pid" 2>/dev/null
    status=$?
    eval "pid_$1="
    cat "$work/$1.last" >>"$work/$1.log"
}

# Who could not start because the server was away is started again; whoever has worked must not end by himself.
supervise()
{
    for name in $names; do
        eval "pid=\${pid_$name:-}"
        [ -n "$pid" ] || continue
        ! kill -0 "$pid" 2>/dev/null || continue
        bury "$name"
        ! grep -q started "$work/$name.last" || give_up "$name ended by itself, exit status $status"
        start "$name"
    done
}

# until_true WHAT SQL: until the query says t. The limit is generous: nothing here is measured.
until_true()
{
    limit=$(($(date +%s) + 90))
    until [ "$(sql "$2" 2>/dev/null)" = t ]; do
        supervise
        [ "$(date +%s)" -lt "$limit" ] || give_up "$1: it did not come to that in 90 s"
        sleep 0.03
    done
}

# working NAME: waits until it listens to signals: one that was started a moment ago dies of them.
working()
{
    limit=$(($(date +%s) + 90))
    until grep -q started "$work/$1.last"; do
        supervise
        [ "$(date +%s)" -lt "$limit" ] || give_up "$1 does not start in 90 s"
        sleep 0.03
    done
}

# stop_all NAME...: a clean end of each.
stop_all()
{
    for one_of_all; do working "$one_of_all"; done
    for name; do eval "kill \$pid_$name"; done
    for name; do
        eval "pid=\$pid_$name"
        limit=$(($(date +%s) + 60))
        while kill -0 "$pid" 2>/dev/null; do
            [ "$(date +%s)" -lt "$limit" ] || give_up "$name does not end after SIGTERM"
            sleep 0.03
        done
        bury "$name"
        [ "$status" -eq 0 ] || give_up "$name was told to end, and did with exit status $status"
    done
}

# ---- faults: begin_FAULT VICTIM NUMBER breaks something; end_FAULT VICTIM comes when others have gone on.

begin_kill()
{
    eval "kill -9 \$pid_$1"
    bury "$1"
    start "$1"
}
end_kill() { :; }

begin_stop()
{
    eval "kill -STOP \$pid_$1"
    stopped_at=$(now_ns)
}
# Its lease is over: it owns nothing any more, and each lane of it is gone, unless it was resting.
end_stop()
{
    until_true "others take over what the stopped $1 had" \
        "SELECT NOT EXISTS (SELECT 1 FROM tasker_core_lanes l WHERE l.name = '$1' AND (
         l.expires_at / 1e6 - extract(epoch FROM clock_timestamp()) BETWEEN 0 AND 5
         OR EXISTS (SELECT 1 FROM tasker_core_active a WHERE a.lane_id = l.lane_id)
         OR EXISTS (SELECT 1 FROM tasker_core_dispatch d WHERE d.worker_lane = l.lane_id AND d.verdict IS NULL)))"
    eval "echo \"\$pid_$1 $stopped_at $(now_ns)\"" >>"$work/stops"
    eval "kill -CONT \$pid_$1"
}

begin_restart() { "$top/tools/postgres" restart "$server" -m immediate >"$work/out" 2>&1 || give_up "the server does not restart: $(cat "$work/out")"; }
end_restart() { :; }

# All sessions of one process, whatever they do.
begin_terminate() { sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '$1'" >/dev/null; }
end_terminate() { :; }

# Sessions of any process that are in the middle of a turn: they have a transaction id.
begin_cut()
{
    sql "DO \$\$ DECLARE todo integer := 1 + $2 % 4; tries integer := 0; one record; BEGIN
         WHILE todo > 0 AND tries < 300 LOOP
          tries := tries + 1; PERFORM pg_stat_clear_snapshot();
          FOR one IN SELECT pid FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND application_name <> 'psql' LIMIT 1 LOOP
           todo := todo - 1; PERFORM pg_terminate_backend(one.pid);
          END LOOP;
          PERFORM pg_sleep(0.001);
         END LOOP; RAISE LOG 'cut % turns', 1 + $2 % 4 - todo; END \$\$" >/dev/null
}
end_cut() { :; }

# ---- rounds

# A round a line: fault, victim, number, how many steps others must do meanwhile; and a second fault, or none.
make_plan()
{
    awk -v seed="$seed" -v rounds="$rounds" '
        function pick(list, n, of) { n = split(list, of, " "); return of[1 + int(rand() * n)] }
        function fault() { return pick("kill kill kill stop stop restart terminate cut cut cut") }
        function victim() { return pick("e1 e1 e2 e2 e3 e3 worker client") }
        BEGIN {
            srand(seed)
            for (i = 0; i < rounds; i++) {
                one = fault(); two = rand() < 0.15 ? fault() : "none"
                a = victim(); do b = victim(); while (b == a)
                printf "%s %s %d %d %s %s\n", one, a, rand() * 1000, 6 + rand() * 10, two == one && one != "kill" ? "none" : two, b
            }
        }'
}

steps_done="(SELECT count(*) FROM tasker_workflow_step_transitions WHERE to_state = 'complete')"
set_aside="SELECT task_id FROM tasker_task_transitions x WHERE most_recent AND to_state = 'error' AND metadata ->> 'reason' LIKE 'set aside after %'
    AND NOT EXISTS (SELECT 1 FROM tasker_workflow_steps s JOIN tasker_workflow_step_transitions y USING (workflow_step_id)
    WHERE s.task_id = x.task_id AND NOT s.retryable AND y.most_recent AND y.to_state = 'error')"

# Every ten rounds: what is there while engines work can have happened; then nothing new, all comes to its end, and is looked at. A task that was under way in more than five deaths
# is set aside, as one that may cause them; an operator may take it up again, and so do we, unless a once-only step of it ran.
quiet()
{
    fault="quiet after round $round"
    "$tasker" db verify --db "$uri" >"$work/out" 2>&1 || give_up "the rows are sound while engines work
$(sed 's/^/# /' "$work/out")"
    stop_all client
    until_true "all tasks come to their ends" "SELECT NOT EXISTS (SELECT 1 FROM tasker_core_active)"
    for task in $(sql "$set_aside"); do
        aside=$((aside + 1))
        take_up "$task"
    done
    until_true "all tasks come to their ends" "SELECT NOT EXISTS (SELECT 1 FROM tasker_core_active)"
    wrong=$(check_rows)
    [ -z "$wrong" ] || give_up "the rows are sound
$(echo "$wrong" | sed 's/^/# /')"
    living="SELECT process FROM tasker_core_lanes"
    for name in e1 e2 e3 worker; do eval "living=\"\$living EXCEPT SELECT process FROM tasker_core_lanes WHERE process LIKE '\$pid_$name/%'\""; done
    until_true "only processes that live have lanes" "SELECT NOT EXISTS ($living)"
}

# An operator who is told that the task is busy (75) tries again.
take_up()
{
    limit=$(($(date +%s) + 90))
    until "$tasker" retry "$1" --db "$uri" >"$work/out" 2>&1; do
        [ $? -eq 75 ] && [ "$(date +%s)" -lt "$limit" ] || give_up "task $1 is taken up again: $(cat "$work/out")"
    done
}

do_round()
{
    round=$((round + 1))
    fault="$1 $2${5:+ and $5 $6}"
    goal=$(($(sql "SELECT $steps_done" 2>/dev/null || echo "$goal") + $4))
    begin_"$1" "$2" "$3"
    [ "$5" = none ] || begin_"$5" "$6" "$3"
    until_true "the others go on" "SELECT $steps_done >= $goal OR NOT EXISTS (SELECT 1 FROM tasker_core_active)"
    end_"$1" "$2"
    [ "$5" = none ] || end_"$5" "$6"
    supervise
}

. "$here/rows.sh"
begun=$(date +%s)
"$psql" -XAtq -d "$TASKER_TEST_POSTGRESQL" -c "ALTER SYSTEM SET track_commit_timestamp = on" -c "CREATE DATABASE crash" || exit 1
begin_restart
for template in "$here"/*.yaml; do "$tasker" register "$template" --db "$uri" >"$work/out" 2>&1 || give_up "$(cat "$work/out")"; done
make_plan >"$work/plan"
goal=0
aside=0
for name in $names; do start "$name"; done
until_true "the engines work" "SELECT $steps_done > 20"
exec 3<"$work/plan"
while read -r one a number steps two b <&3; do
    do_round "$one" "$a" "$number" "$steps" "$two" "$b"
    [ $((round % 10)) -ne 0 ] || [ "$round" -eq "$rounds" ] || { quiet && start client; }
done
quiet
ok "$rounds rounds, $(wc -l <"$work/confirmed") tasks, $(sql "SELECT $steps_done") steps, seed $seed, $(($(date +%s) - begun)) s"
sed -n 's/^- /ok - /p' "$work/rows"
echo "ok - every history is sound: $(tail -n 1 "$work/verdict")"
stop_all e1 e2 e3 worker
[ "$(sql "SELECT count(*) FROM tasker_core_lanes")" = 0 ] && ok "no lane is left after clean stops" || give_up "no lane is left after clean stops"

count() { awk '{ print $1; if ($5 != "none") print $5 }' "$work/plan" | grep -c "^$1$"; }
lost=$(sql "SELECT count(*) FROM tasker_workflow_step_transitions WHERE metadata::text LIKE '%worker_lost%' AND to_state = 'error'")
twice=$(sort "$work/runs" | awk '{ print $1 "/" $2 }' | uniq -d | wc -l)
cuts=$(sed -n 's/.*cut \([0-9]\) turns$/\1/p' "$server/log" | awk '{ n += $1 } END { print n + 0 }')
echo "# kill $(count kill), stop $(count stop), restart $(count restart), terminate $(count terminate), cut $(count cut): $cuts turns cut"
echo "# $lost attempts recorded as lost, $twice run more than once, $aside tasks set aside"
[ "$rounds" -lt 50 ] || { [ "$lost" -gt 0 ] && [ "$twice" -gt 0 ] && [ "$cuts" -gt 0 ]; } || give_up "attempts were interrupted: else this test shows nothing"
ok "attempts were interrupted, and turns"
