#!/bin/sh
# SPDX-License-Identifier: MIT
# How programs are stopped, and how steps are tried again.
. "$(dirname "$0")/common.sh"

# ---- timeouts
run_step 'sleep 300 & echo $! >child; echo $$ >self; sleep 300' 'timeout_seconds: 1'
is "a step that takes too long ends the task in error" "$rc" 3
json "it is a timeout" '.steps[0].error.category == "timeout"'
succeeds "its program was killed" eventually gone "$(cat self)"
succeeds "and what that had started" eventually gone "$(cat child)"
run_step 'trap "" TERM; (trap "" TERM; exec sleep 300) & echo $! >child; echo $$ >self; while :; do sleep 300; done' 'timeout_seconds: 1'
is "a program that ignores SIGTERM times out as well" "$rc" 3
succeeds "it was killed for good" eventually gone "$(cat self)"
succeeds "and its child, too" eventually gone "$(cat child)"
run_step 'trap "echo late; exit 0" TERM; echo $$ >self; sleep 300 & wait' 'timeout_seconds: 1'
is "what a program says after its time does not count" "$(jq -r '.steps[0].state' "$out")" error

# ---- what is left behind
run_step 'sleep 300 >/dev/null 2>&1 & echo $! >child; echo 1'
json "a program may leave a process behind" '.state == "complete"'
succeeds "which is killed when the attempt is over" eventually gone "$(cat child)"
run_step 'sleep 300 & echo $! >child; echo 2'
json "one that keeps the output open does not hold the step for ever" '.state == "complete" and .steps[0].results == 2'
succeeds "it is killed, too" eventually gone "$(cat child)"

# ---- cancelling
step 'echo $$ >self; exec sleep 300'
rm -f self
engine --concurrency 2
t submit case.yaml --replace
task=$(cat "$out")
succeeds "the step runs" eventually test -s self
t task cancel "$task" --reason "enough of it"
is "another process may cancel the task" "$rc" 0
succeeds "its program is stopped" eventually gone "$(cat self)"
succeeds "the task is cancelled" eventually state_is "$task" cancelled
is "so is the step" "$("$tasker" step show "$task" only --json | jq -r .state)" cancelled
rm -f self
t submit case.yaml --replace
task=$(cat "$out")
succeeds "the next step runs" eventually test -s self
t step cancel "$task" only
succeeds "a single step may be cancelled" eventually gone "$(cat self)"
succeeds "its task ends in error" eventually state_is "$task" error
kill "$engine"
wait "$engine"
rm -f self
"$tasker" run case.yaml --json >"$out" 2>"$err" &
run=$!
succeeds "a step of tasker run runs" eventually test -s self
t task cancel "$(sqlite3 "$work/tasker.db" 'SELECT max(task_id) FROM tasker_tasks')"
rc=0
wait "$run" || rc=$?
is "tasker run of a cancelled task exits with 4" "$rc" 4

rm -f self
"$tasker" run case.yaml >"$out" 2>"$err" &
run=$!
succeeds "a step of another run runs" eventually test -s self
kill -TERM "$run"
rc=0
wait "$run" || rc=$?
is "an interrupted run exits with 128 and the signal" "$rc" 143
contains "it says where the task is" "$err" 'stays in the database'
succeeds "its program is stopped" eventually gone "$(cat self)"
is "its task is free" "$("$tasker" list --json | jq -c '.tasks[0] | .state')" '"in_progress"'
t cancel "$("$tasker" list --json | jq '.tasks[0].task_id')"

# ---- trying again
template again <<'STEPS'
  - name: only
    handler_class: tasker.exec
    retry_backoff: {strategy: fixed, base_seconds: 0.1, jitter: 0}
    handler_config:
      command: ['[ "$TASKER_ATTEMPT" -ge 3 ] || exit 75; jq .step.attempt']
      shell: true
STEPS
t run again.yaml --json
is "exit code 75 is tried again until it works" "$rc $(jq -c '.steps[0] | [.state, .attempts, .results]' "$out")" \
    '0 ["complete",3,3]'
template exhausted <<'STEPS'
  - name: only
    handler_class: tasker.exec
    default_retry_limit: 2
    retry_backoff: {strategy: fixed, base_seconds: 0.1, jitter: 0}
    handler_config: {command: [sh, -c, 'exit 75']}
STEPS
t run exhausted.yaml --json
is "and no longer than the limit allows" "$rc $(jq -c '.steps[0] | [.state, .attempts]' "$out")" '3 ["error",2]'
template later <<'STEPS'
  - name: only
    handler_class: tasker.exec
    retry_backoff: {strategy: fixed, base_seconds: 300, max_seconds: 300, jitter: 0}
    handler_config:
      command: ['[ "$TASKER_ATTEMPT" -ge 2 ] && exit 0; echo "{\"error\": {\"message\": \"slow down\", \"retry_after\": 1}}"; exit 75']
      shell: true
STEPS
t run later.yaml --json
is "retry_after replaces the backoff" "$rc $(jq -c '.steps[0] | [.state, .attempts]' "$out")" '0 ["complete",2]'
json "and is waited for" '.duration_ms >= 1000'

# ---- a killed engine
step 'echo $$ >self; exec sleep 300'
rm -f self
"$tasker" run case.yaml >/dev/null 2>&1 &
run=$!
succeeds "a program of a step runs" eventually test -s self
kill -9 "$run"
wait "$run" 2>/dev/null
succeeds "it dies with its engine" eventually gone "$(cat self)"

done_testing
