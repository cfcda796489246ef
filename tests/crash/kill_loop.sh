#!/bin/sh
# SPDX-License-Identifier: MIT
# Kills real engines with SIGKILL at random moments, round after round, while they run diamonds and chains of programs
# that leave a trace. Then one engine finishes what is left, and the rows must tell a whole and legal story.
#
# TASKER: the binary. CRASH_ROUNDS: how many rounds (50). CRASH_SEED: repeats the sequence of moments of an earlier run.
set -u
here=$(cd "$(dirname "$0")" && pwd)
tasker=${TASKER:-$here/../../build/tasker}
rounds=${CRASH_ROUNDS:-50}
seed=${CRASH_SEED:-$(od -An -N3 -tu4 /dev/urandom | tr -d ' ')}
work=$(mktemp -d)
db=$work/crash.db
export EFFECTS="$work/effects"
: >"$EFFECTS"
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

ok() { echo "ok - $1"; }

not_ok()
{
    echo "not ok - $1"
    echo "# seed $seed"
    failed=1
}

# none NAME SQL: passes when the query finds no row.
none()
{
    found=$(sqlite3 -readonly "$db" "$2 LIMIT 10") || found="sqlite3 failed"
    if [ -z "$found" ]; then
        ok "$1"
    else
        not_ok "$1"
        echo "$found" | sed 's/^/# /'
    fi
}

# verified NAME: passes when db verify finds that every row can have come to be. It asks while engines run, too.
verified()
{
    if run db verify >"$work/verdict" 2>&1; then
        ok "$1: $(tail -n 1 "$work/verdict")"
    else
        not_ok "$1"
        sed 's/^/# /' "$work/verdict"
    fi
}

run() { "$tasker" --db "sqlite:$db" "$@"; }

must()
{
    "$@" >"$work/out" 2>&1 && return
    echo "not ok - $* "
    sed 's/^/# /' "$work/out"
    exit 1
}

# The binary itself is in the background, not a shell around it: its id is the one to kill.
start_engine()
{
    "$tasker" --db "sqlite:$db" start --concurrency 4 >>"$work/log" 2>&1 &
    engines="$engines $!"
}

# kill_one N: kills the N-th running engine.
kill_one()
{
    # shellcheck disable=SC2086
    set -- "$1" $engines
    n=$(($1 % ($# - 1) + 1))
    shift "$n"
    kill -9 "$1"
    wait "$1" 2>/dev/null
    victim=$1
    left=
    for pid in $engines; do [ "$pid" = "$victim" ] || left="$left $pid"; done
    engines=$left
}

must run register "$here/diamond.yaml"
must run register "$here/chain.yaml"
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo "{\"n\": $i}"; done >"$work/contexts"

submitted=0
rounds_done=0
begun=$(date +%s)
awk -v seed="$seed" -v rounds="$rounds" \
    'BEGIN { srand(seed); for (i = 0; i < rounds; i++) printf "0.%03d %d\n", 20 + rand() * 250, rand() * 1000 }' >"$work/plan"
while read -r moment dice; do
    case $((dice % 3)) in 0) name=chain ;; *) name=diamond ;; esac
    must run submit "$here/$name.yaml" --context-lines "$work/contexts"
    submitted=$((submitted + 12))
    [ -n "$engines" ] || start_engine
    # shellcheck disable=SC2086
    set -- $engines
    [ $# -ge 2 ] || [ $((dice % 2)) -eq 0 ] || start_engine
    sleep "$moment"
    kill_one "$dice"
    rounds_done=$((rounds_done + 1))
    [ $((rounds_done % 10)) -ne 0 ] || verified "after $rounds_done rounds, with engines at work, every history is sound"
done <"$work/plan"
# shellcheck disable=SC2086
[ -z "$engines" ] || { kill -9 $engines && wait; }
engines=
before=$(sqlite3 -readonly "$db" "SELECT sum(most_recent AND to_state = 'complete') || ' of ' || count(DISTINCT s.workflow_step_id)
    FROM tasker_workflow_steps s LEFT JOIN tasker_workflow_step_transitions x ON x.workflow_step_id = s.workflow_step_id")
ok "$rounds rounds of kill -9, $submitted tasks, $before steps done, seed $seed, $(($(date +%s) - begun)) s"

# A task that was under way in more than five deaths is suspected to cause them, and set aside. An operator may take such
# tasks up again, and so does this test.
finish_rest() { timeout 120 "$tasker" --db "sqlite:$db" start --until-idle --concurrency 4 >"$work/out" 2>&1; }

if finish_rest; then
    ok "the last engine finishes what the others left"
else
    not_ok "the last engine finishes what the others left (exit $?)"
    tail -n 20 "$work/out" | sed 's/^/# /'
fi
aside=$(sqlite3 -readonly "$db" "SELECT task_id FROM tasker_task_transitions WHERE most_recent = 1 AND to_state = 'error'
    AND json_extract(metadata, '$.reason') LIKE 'set aside after % crashes%'")
if [ -n "$aside" ]; then
    for task in $aside; do must run retry "$task"; done
    finish_rest && ok "what was set aside is taken up again" || not_ok "what was set aside is taken up again"
fi

TASKS="tasker_task_transitions"
STEPS="tasker_workflow_step_transitions"
none "every submitted task is there" "SELECT count(*) FROM tasker_tasks HAVING count(*) <> $submitted"
none "every task is complete" \
    "SELECT t.task_id, x.to_state, x.metadata FROM tasker_tasks t LEFT JOIN $TASKS x ON x.task_id = t.task_id
     AND x.most_recent = 1 WHERE x.to_state IS NOT 'complete' OR t.complete <> 1"
verified "every history is sound"
none "no row is one that only the Rails engine may write" \
    "SELECT id FROM $TASKS WHERE from_state IS NULL OR json_extract(metadata, '$.engine') IS NULL
     UNION ALL SELECT id FROM $STEPS WHERE from_state IS NULL OR json_extract(metadata, '$.engine') IS NULL"
none "nothing is left in the queues" \
    "SELECT 'active', task_id FROM tasker_core_active UNION ALL SELECT 'dispatch', task_id FROM tasker_core_dispatch
     UNION ALL SELECT 'request', request_id FROM tasker_core_requests"

lost=$(sqlite3 -readonly "$db" "SELECT count(*) FROM $STEPS WHERE to_state = 'error' AND metadata LIKE '%worker_lost%'")
if [ "$rounds" -lt 20 ] || [ "$lost" -gt 0 ]; then
    ok "attempts were interrupted: $lost are recorded as lost"
else
    not_ok "attempts were interrupted: else this test shows nothing"
fi

# Effects: the keys are database/task/step.
sqlite3 -readonly "$db" "SELECT s.task_id || '/' || n.name FROM tasker_workflow_steps s JOIN tasker_named_steps n
    ON n.named_step_id = s.named_step_id" | sort >"$work/expected"
sed 's,^[^/]*/,,' "$EFFECTS" | sort >"$work/seen"
sort -u "$work/seen" >"$work/happened"
if cmp -s "$work/expected" "$work/happened"; then
    ok "every step's effect happened ($(($(wc -l <"$work/seen") - $(wc -l <"$work/happened"))) of $(wc -l <"$work/expected") once more after a crash)"
else
    not_ok "every step's effect happened"
    diff "$work/expected" "$work/happened" | head -n 10 | sed 's/^/# /'
fi
if [ "$(cut -d/ -f1 "$EFFECTS" | sort -u | wc -l)" -eq 1 ]; then
    ok "all keys name one database"
else
    not_ok "all keys name one database"
fi

check=$(sqlite3 "$db" 'PRAGMA integrity_check')
[ "$check" = ok ] && ok "the file is sound" || not_ok "the file is sound: $check"
exit $failed
