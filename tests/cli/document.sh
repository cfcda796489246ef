#!/bin/sh
# SPDX-License-Identifier: MIT
# Tasks as documents on the command line: written, read into another database, looked at, adopted there and run.
. "$(dirname "$0")/common.sh"
here_database=$TASKER_DATABASE_URL
there_database=sqlite:$work/there.db

here() { TASKER_DATABASE_URL=$here_database; }
there() { TASKER_DATABASE_URL=$there_database; }

# A document without ids, for those differ.
without_ids='walk(if type == "object" then with_entries(select(.key | test("(^|_)id$") | not)) else . end)'

template good <<'STEPS'
  - name: first
    handler_class: tasker.exec
    handler_config: {command: [sh, -c, 'echo "{\"n\":1}"']}
  - name: second
    depends_on_step: first
    handler_class: tasker.exec
    handler_config: {command: ["true"]}
STEPS
template bad <<'STEPS'
  - name: only
    default_retry_limit: 1
    handler_class: tasker.exec
    handler_config: {command: ["false"]}
STEPS

t run good.yaml --context '{"big": 12345678901234567890.125}' --json
done_task=$(jq -r .task_id "$out")
t run bad.yaml --json
failed_task=$(jq -r .task_id "$out")
t task submit good --namespace cli --version 1.0.0 --identity W-1 --json
waiting=$(jq -r .task_id "$out")

for id in "$done_task" "$failed_task" "$waiting"; do "$tasker" task export "$id" >"$id.json"; done
cp "$done_task.json" "$out"
json "a document says what it is" '.format == 1 and (.tasker | length > 0) and .named_task.name == "good"'
json "it has everything of the task" \
    '(.steps | length) == 2 and (.edges | length) == 1 and (.step_transitions | length) == 4 and (.templates | length) == 1'
contains "every digit of it" "$done_task.json" 12345678901234567890.125
t task export 999
is "a task that is not there is no document" "$rc" 66

t task import "$done_task.json"
is "a task that is here already is refused" "$rc" 65
contains "with the first task's id" "$err" "task $done_task has the same identity"

there
template other <<'STEPS'
  - name: unlike
    handler_class: tasker.exec
    handler_config: {command: ["true"]}
STEPS
t run other.yaml
t task import "$done_task.json" --json
json "another database takes it under an id of its own" '.state == "complete" and .steps == 2 and .exported_task_id == '"$done_task"
"$tasker" task export "$(jq .task_id "$out")" >again.json
is "and gives the same document" "$(jq -cS "$without_ids" again.json)" "$(jq -cS "$without_ids" "$done_task.json")"
"$tasker" task import - --json <"$failed_task.json" >"$out"
json "a document may come from standard input" '.state == "error"'
failed_there=$(jq -r .task_id "$out")
t task explain "$failed_there" --json
json "a failed task is explained there" '.code == "failed"'

t task import "$waiting.json" --json
waiting_there=$(jq -r .task_id "$out")
# One that was in progress elsewhere, as an engine there wrote it.
jq '.task.identity_hash = "W-2" | .task.created_at as $at |
    {id: 1, from_state: "pending", to_state: "in_progress", sort_key: 10, most_recent: true, created_at: $at, updated_at: $at} as $row |
    .task_transitions = [$row + {metadata: {engine: "elsewhere", template_id: .templates[0].template_id}}] |
    .step_transitions = [$row + {metadata: {engine: "elsewhere", attempt: 1}, workflow_step_id: .steps[0].workflow_step_id}]
    ' "$waiting.json" >begun.json
t task import begun.json --json
begun_there=$(jq -r .task_id "$out")
json "what was in progress is taken back" '.state == "pending" and .taken_back == 1'
engine
t run other.yaml
is "an engine runs what is its own" "$rc" 0
is "and leaves the imported task alone" "$("$tasker" task show "$waiting_there" --json | jq -r '.state, .owner')" "pending
null"
is "it is in no queue" "$(rows "SELECT count(*) FROM tasker_core_active WHERE task_id = $waiting_there")" 0
t task adopt "$waiting_there"
is "until it is adopted" "$rc" 0
succeeds "then it runs" eventually state_is "$waiting_there" complete
for command in cancel retry resolve release; do
    t task $command "$begun_there"
    is "$command refuses one that was in progress elsewhere" "$rc" 65
done
t task adopt "$begun_there"
is "it is adopted as well" "$rc" 0
succeeds "and its step, which was under way, runs again" eventually state_is "$begun_there" complete
t db verify
is "and all of it can have happened" "$rc" 0

here
deep=$(awk 'BEGIN { for (i = 0; i < 512; i++) printf "["; for (i = 0; i < 512; i++) printf "]" }')
printf '%s' "$deep" >deep.txt
template deep <<'STEPS'
  - name: dig
    handler_class: tasker.exec
    handler_config: {command: [cat, deep.txt]}
STEPS
t run deep.yaml --json
deep_task=$(sed -n 's/.*"task_id": *\([0-9]*\).*/\1/p' "$out" | head -n 1) # too deep for jq
t task show "$deep_task"
is "results of the deepest kind are shown" "$rc" 0
"$tasker" task export "$deep_task" >deep.json
there
t task import deep.json --json
is "and go round" "$rc" 0
t step show "$(jq -r .task_id "$out")" dig --json
contains "as they are" "$out" "$deep"

jq '.steps[1].attempts = "two"' "$waiting.json" >wrong.json
t task import wrong.json
is "a wrong document is refused" "$rc" 65
contains "and what is wrong is named" "$err" 'steps[1].attempts: must be an integer, or null'
jq '.format = 99' "$waiting.json" >newer.json
t task import newer.json
is "so is one of a newer program" "$rc" 69
echo '{"format": 1' >broken.json
t task import broken.json
contains "and one that is no JSON" "$err" 'broken.json is not JSON'
t task import missing.json
is "and one that is not there" "$rc" 64
is "nothing of them was written" "$(rows "SELECT count(*) FROM tasker_tasks")" 7
done_testing
