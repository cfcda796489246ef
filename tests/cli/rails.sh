#!/bin/sh
# SPDX-License-Identifier: MIT
# Tasks of the Rails engine on the command line: explained, adopted by id and by template, run, given back.
. "$(dirname "$0")/common.sh"

template good <<'STEPS'
  - name: first
    handler_class: tasker.exec
    handler_config: {command: ["true"]}
STEPS
past="'2026-01-01 00:00:00'"

# rails_task ID: a task of the template as the Rails engine leaves it.
rails_task()
{
    rows "INSERT INTO tasker_tasks(task_id, named_task_id, requested_at, context, identity_hash, created_at, updated_at)
          SELECT $1, named_task_id, $past, '{}', 'rails-$1', $past, $past FROM tasker_named_tasks WHERE name = 'good'"
    rows "INSERT INTO tasker_workflow_steps(task_id, named_step_id, attempts, results, created_at, updated_at)
          SELECT $1, named_step_id, 0, '{}', $past, $past FROM tasker_named_steps WHERE name = 'first'"
}

# rails_begins ID: it works on the task.
rails_begins()
{
    rows "INSERT INTO tasker_task_transitions(to_state, metadata, sort_key, most_recent, task_id, created_at, updated_at)
          VALUES ('in_progress', '{}', 10, true, $1, $past, $past)"
}

t register good.yaml
for id in 501 502 503 504 505; do rails_task $id; done
rails_begins 502

t task explain 501
contains "a task of the Rails engine is explained" "$out" 'the task belongs to the Rails engine, and waits there since 2026'
contains "and what takes it over" "$out" 'tasker task adopt 501 takes it over'
t task cancel 501
is "nobody acts on it from here" "$rc" 65
contains "and the error says what to do" "$err" 'tasker task adopt 501'
t task adopt
is "somebody must say which" "$rc" 65
t task adopt 999
is "there must be such a task" "$rc" 66
t task adopt 502
is "a task that Rails works on is refused" "$rc" 65
contains "with the reason" "$err" 'task 502 is in progress: the Rails engine works on it'
t task adopt 501 --by mia --reason 'moving over'
is "one that waits is adopted" "$rc" 0
contains "as the answer says" "$out" in_progress
t task adopt 501 --json
json "and is ours then" '.adopted == false and .state == "in_progress"'
t task adopt --name good --namespace cli --version 1.0.0 --limit 2 --json
json "tasks of a template are adopted up to a limit" '.adopted == 2 and .more and .skipped[0].reason == "in_progress"'
t task adopt --name good --namespace cli --version 1.0.0
is "or all of them" "$rc" 0
contains "and what was passed by is counted" "$out" in_progress
t task release 505
is "a task is given back" "$rc" 0
engine
succeeds "adopted tasks are run" eventually state_is 504 complete
succeeds "the first one too" eventually state_is 501 complete
succeeds "one that was given back waits" state_is 505 pending
t task adopt 505
succeeds "until it is adopted again" eventually state_is 505 complete

# Rails ends a task that is ours, while a step of it runs here.
template held <<'STEPS'
  - name: holds
    handler_class: tasker.exec
    default_retry_limit: 1
    handler_config: {command: ["until [ -e go ]; do sleep 0.02; done; exit 1"], shell: true}
STEPS
t register held.yaml
t submit held --namespace cli --version 1.0.0
held=$(cat "$out")
begun() { [ "$(rows "SELECT count(*) FROM tasker_workflow_step_transitions WHERE to_state = 'in_progress' AND workflow_step_id =
    (SELECT workflow_step_id FROM tasker_workflow_steps WHERE task_id = $held)")" = 1 ]; }
queued() { [ "$(rows "SELECT count(*) FROM tasker_core_active")" = "$1" ]; }
succeeds "a step runs" eventually begun
rows "UPDATE tasker_task_transitions SET most_recent = false WHERE task_id = $held;
      INSERT INTO tasker_task_transitions(to_state, metadata, sort_key, most_recent, task_id, created_at, updated_at)
      VALUES ('cancelled', '{}', 20, true, $held, $past, $past)"
touch go
succeeds "a task that Rails has ended leaves the queue when its step is over" eventually queued 0
succeeds "as Rails has left it" state_is "$held" cancelled
t db verify
is "every history is sound, whoever wrote it" "$rc" 0

done_testing
