#!/bin/sh
# SPDX-License-Identifier: MIT
# tasker start: draining, dying, sharing, and ending when nothing is left.
. "$(dirname "$0")/common.sh"

# A step that waits for a file called go, and one behind it.
template waits <<'STEPS'
  - name: first
    handler_class: tasker.exec
    handler_config:
      command: ['echo $$ >self; until [ -e go ]; do sleep 0.02; done; jq .step.attempt']
      shell: true
  - name: second
    depends_on_step: first
    handler_class: tasker.exec
    handler_config: {command: ["true"]}
STEPS

begin()
{
    rm -f self go
    t submit waits.yaml
    task=$(cat "$out")
    engine "$@"
    eventually test -s self
}

# ends PID: its exit code, when it has ended within 20 s.
ends()
{
    eventually gone "$1" || return
    code=0
    wait "$1" || code=$?
}

# ---- a signal
begin
kill "$engine"
contains_draining() { grep -q '^draining' "$work/engine.err"; }
succeeds "a signal begins to drain" eventually contains_draining
touch go
ends "$engine"
is "the engine ends when its steps have finished" "$code" 0
is "a step that runs may finish" "$("$tasker" step show "$task" first --json | jq -r .state)" complete
is "the next one is not begun" "$("$tasker" step show "$task" second --json | jq -r .state)" pending
t explain "$task" --json
json "its task is free" '.owner == null'
t start --until-idle --json
json "the next engine goes on with it" '.reason == "idle" and .complete == 1 and .handed_back == false'
is "to its end" "$("$tasker" task show "$task" --json | jq -r .state)" complete

begin --drain-seconds 0.2
kill -INT "$engine"
ends "$engine"
is "an engine drains no longer than it may" "$code" 0
succeeds "the program is stopped" eventually gone "$(cat self)"
touch go
t start --until-idle
t task show "$task" --json
is "a step that was handed back uses up no attempt" "$(jq -c '[.state, .steps[0].attempts, .steps[0].results]' "$out")" \
    '["complete",1,1]'

begin --drain-seconds 600
kill "$engine"
succeeds "a long drain waits" eventually sh -c "[ \"\$(grep -c '^draining' '$work/engine.err')\" -ge 3 ]"
kill "$engine"
ends "$engine"
is "a second signal ends it" "$code" 0
succeeds "and its programs" eventually gone "$(cat self)"
touch go
t start --until-idle
is "the task goes on" "$("$tasker" task show "$task" --json | jq -r .state)" complete

# ---- death
begin --lease 1
succeeds "the start of a step that takes longer is recorded" eventually step_is "$task" first in_progress
kill -9 "$engine"
wait "$engine" 2>/dev/null
succeeds "programs die with a killed engine" eventually gone "$(cat self)"
touch go
t start --until-idle
is "the next engine takes its tasks over" "$rc" 0
t task show "$task" --json
is "the lost attempt is not counted" "$(jq -c '[.state, .steps[0].attempts, .steps[0].results]' "$out")" '["complete",1,1]'
json "it is told what happened" 'any(.steps[0].transitions[]; .to == "error" and (.metadata | tostring | test("worker")))'

# ---- until idle
t --db sqlite:fresh.db start --until-idle --json
json "an empty database is idle" '.reason == "idle" and .complete == 0'
template later <<'STEPS'
  - name: only
    handler_class: tasker.exec
    retry_backoff: {strategy: fixed, base_seconds: 0.5, jitter: 0}
    handler_config: {command: ['[ "$TASKER_ATTEMPT" -ge 2 ]'], shell: true}
STEPS
t submit later.yaml
task=$(cat "$out")
t start --until-idle
is "a retry is waited for" "$("$tasker" task show "$task" --json | jq -r .state)" complete
template foreign <<'STEPS'
  - name: only
    handler_class: Somebody::Else
STEPS
t submit foreign.yaml
task=$(cat "$out")
t start --until-idle
is "a step that nobody serves is not waited for" "$rc $("$tasker" task show "$task" --json | jq -r .state)" '0 in_progress'
contains "which is told" "$err" '1 tasks wait for handlers that nobody serves'
t submit foreign.yaml
orphan=$(cat "$out")
t start --until-idle
t cancel "$orphan"
is "cancelling what an engine had offered takes the offer away" "$("$tasker" health --json | jq .database.offers.open)" 1
engine
explained() { "$tasker" explain "$task" | grep -q Somebody::Else; }
succeeds "and explained while an engine runs" eventually explained
t cancel "$task"
kill "$engine"
ends "$engine"
begin --name holder
"$tasker" start --until-idle >"$work/idle.out" 2>&1 &
idle=$!
engines="$engines $idle"
other_engine() { [ "$("$tasker" health --json | jq '.database.engines | length')" -ge 1 ] && kill -0 "$idle"; }
succeeds "a task of another engine is waited for" eventually other_engine
touch go
ends "$idle"
is "until it has ended" "$code $("$tasker" task show "$task" --json | jq -r .state)" '0 complete'
kill "$engine"
ends "$engine"

# ---- limits
template limited <<'STEPS'
  - name: a
    handler_class: tasker.exec
    handler_config: &alone {command: ['mkdir only && sleep 0.1 && rmdir only'], shell: true}
  - name: b
    handler_class: tasker.exec
    handler_config: *alone
  - name: c
    handler_class: tasker.exec
    handler_config: *alone
STEPS
for limit in class:tasker.exec=1 template:cli/limited=1 steps=1; do
    t submit limited.yaml
    task=$(cat "$out")
    t start --until-idle --concurrency 4 --limit "$limit"
    is "a limit holds: $limit" "$("$tasker" task show "$task" --json | jq -c '[.state, .steps[].attempts]')" '["complete",1,1,1]'
done
t start --limit class:=x
is "a limit that is none is refused" "$rc" 64

# ---- a database that takes nothing
template held <<'STEPS'
  - name: only
    handler_class: tasker.exec
    handler_config: {command: ["true"]}
STEPS
t register held.yaml
t submit cli/held@1.0.0
waits=$(cat "$out")
mkfifo hold
sqlite3 tasker.db <hold >held &
engines="$engines $!"
exec 7>hold
echo 'BEGIN IMMEDIATE; SELECT 1;' >&7
eventually test -s held
"$tasker" submit cli/held@1.0.0 >stuck 2>&1 &
stuck=$!
engines="$engines $stuck"
succeeds "who waits for the database is told so" eventually grep -q 'still trying: .*locked' stuck
kill "$stuck"
wait "$stuck" 2>/dev/null
is "and may give up" "$?" 143
# gives_up CODE COMMAND...: it waits for half a second and says what it knows.
gives_up()
{
    code=$1
    shift
    t --json "$@" --database-timeout 0.5
    is "$1 gives up" "$rc" 75
    is "$1 says what is the matter, and the truth" "$(jq -r 'select(.error.code == "TASKER_E_BUSY") | .error.message' "$err" |
        grep -c "^the database has not taken it for 0.5 s, and nothing was written: .*database is locked")" "$code"
}
printf '{"n": 1}\n{"n": 2}\n' >lines
yes '{"n": 3}' | head -n 1000 >>lines
gives_up 1 submit cli/held@1.0.0 --identity late
gives_up 1 task cancel "$waits"
gives_up 1000 submit cli/held@1.0.0 --context-lines lines
"$tasker" submit cli/held@1.0.0 >stuck 2>&1 &
stuck=$!
engines="$engines $stuck"
echo 'ROLLBACK;' >&7
wait "$stuck"
is "or goes on when the database is free again" "$?" 0
exec 7>&-
is "what was said not to be written is not" "$(t list --name held --json && jq '[.tasks[].task_id] | length' "$out")" 2
t show "$waits" --json
json "and what was not carried out is not" '.state == "pending"'

done_testing
