#!/bin/sh
# SPDX-License-Identifier: MIT
# Engines of one host that do not see each other's processes, as in containers that share the host's name: neither takes
# the other for dead because it finds no such process.
# shellcheck disable=SC1091 # of the same folder
. "$(dirname "$0")/common.sh"

template long <<'STEPS'
  - name: only
    handler_class: tasker.exec
    handler_config: {command: [sh, -c, "echo run >>$RUNS; sleep 3"]}
STEPS
export RUNS="$work/runs"
apart="unshare --pid --fork --mount-proc --kill-child"
[ "$(id -u)" = 0 ] || apart="$apart --map-root-user"
if ! $apart true 2>/dev/null; then
    ok "skipped: this system gives no namespaces of processes"
    done_testing
fi

t register long.yaml
t submit cli/long@1.0.0
task=$(cat "$out")
"$tasker" start --name here >here.log 2>&1 &
here_pid=$!
engines="$engines $here_pid"
succeeds "an engine runs a step" eventually test -s runs
# shellcheck disable=SC2086
$apart "$tasker" start --name there >there.log 2>&1 &
engines="$engines $!"
both() { [ "$("$tasker" health --json | jq '.database.engines | length')" = 2 ]; }
succeeds "another that does not see its process joins" eventually both
complete() { [ "$("$tasker" task show "$task" --json | jq -r .state)" = complete ]; }
succeeds "the task comes to its end" eventually complete
is "by one run of its step" "$(grep -c run runs)" 1
t task show "$task" --json
json "and by its first attempt" '.steps[0].attempts == 1'
t health --json
json "both engines live" '[.database.engines[] | select(.alive)] | length == 2'

done_testing
