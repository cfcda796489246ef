#!/bin/sh
# SPDX-License-Identifier: MIT
# The command line itself: arguments, output, errors and exit codes.
. "$(dirname "$0")/common.sh"

template good <<'STEPS'
  - name: first
    handler_class: tasker.exec
    handler_config: {command: [echo, '{"a": 1}']}
  - name: second
    depends_on_step: first
    handler_class: tasker.exec
    handler_config: {command: ["true"]}
STEPS

# ---- usage
t
is "no command is wrong usage" "$rc" 64
t help
contains "help lists the commands" "$out" 'run a template file once'
contains "and the operations" "$out" 'task explain'
t help run
contains "help explains a command" "$out" '--concurrency N'
t help task show
contains "and an operation" "$out" 'usage: tasker task show <task_id>'
t task show --help
contains "as --help does" "$out" 'usage: tasker task show <task_id>'
t help --json
json "the tables of commands and operations are JSON when asked for" \
    '(.commands | any(.name == "run")) and (.operations | any(.name == "task.show" and .arguments[0].required))'
t help task show --json
json "so is one row of them" '.commands == [] and (.operations | length) == 1'
t version --json
json "the version is JSON when asked for" '.version | test("^[0-9]+[.][0-9]+[.][0-9]+")'
for words in 'nonsense' 'task' 'run' 'run a b' 'run good.yaml --concurrency x' 'run good.yaml --concurrency 0' 'list --bogus' \
    'run --timeout' 'task show' 'task show x' 'task show 1 2' 'version --json=1' 'start --limit x' 'start --lease 0' \
    'submit' 'submit good.yaml --context {} --context-lines x' 'bench --workload W9' 'run good.yaml -x'; do
    # shellcheck disable=SC2086
    t $words
    is "wrong usage exits with 64: $words" "$rc" 64
done
t list --bogus --json
is "an error is JSON when asked for" "$(jq -r '.error.code' "$err")" TASKER_E_INVALID

# ---- templates
t validate good.yaml
is "a good template is valid" "$rc $(cat "$out")" '0 valid: cli/good@1.0.0'
succeeds "validating leaves no database" test ! -e tasker.db
cat >bad.yaml <<'BAD'
name: bad
namespace_name: cli
task_handler_class: CliTest
step_templates:
  - name: a
    handler_class: tasker.exec
    handler_config: {command: ["true"]}
    default_retry_limit: many
  - name: b
    depends_on_step: nowhere
    handler_klass: tasker.exec
BAD
t validate bad.yaml
is "a bad template is refused" "$rc" 65
contains "an error has file, line and column" "$err" 'bad.yaml:8:'
contains "every error is told" "$err" 'bad.yaml:11:'
contains "the unknown dependency, too" "$err" 'bad.yaml:10:'
t run bad.yaml
is "run refuses it as well" "$rc" 65
t validate bad.yaml --json
is "the errors are JSON when asked for" "$(jq '.errors | length >= 3' "$err")" true
t validate nowhere.yaml
is "a file that is missing exits with 66" "$rc" 66
t register good.yaml
is "a template is registered" "$rc $(cat "$out")" '0 registered cli/good@1.0.0'
t register good.yaml
is "again is fine" "$rc" 0
sed 's/"true"/"false"/' good.yaml >changed.yaml
t register changed.yaml
is "other content under the same version is a conflict" "$rc" 65
contains "whose remedy is named" "$err" '--replace'
t register changed.yaml --replace --json
json "it may be replaced" '.namespace == "cli" and .name == "good" and (.hash | length) == 64'
t register good.yaml --replace
t run changed.yaml
is "run takes a changed file as it is" "$rc" 3

# ---- run
t run good.yaml
is "a run that completes exits with 0" "$rc" 0
contains "steps are reported as they end" "$err" 'first done'
contains "a table shows them in the end" "$out" 'second  complete'
t run good.yaml --json
json "as JSON it is one object" \
    '.state == "complete" and .context == {} and [.steps[].name] == ["first", "second"] and .steps[0].attempts == 1
     and .steps[0].error == null and .steps[0].results == {"a": 1} and (.duration_ms | type) == "number"
     and (.steps[0].started_at | test("^20.*Z$")) and (.task_id | type) == "number"'
is "and nothing else is said" "$(cat "$err")" ""
t run good.yaml --context '{"a":'
is "a context that is not JSON is refused" "$rc" 65
t run good.yaml --context '[1]'
is "a context that is no object is refused" "$rc" 65
echo '{"from": "stdin"}' | "$tasker" run good.yaml --json --context - >"$out" 2>"$err"
json "a context may come from standard input" '.context.from == "stdin"'
template slow <<'STEPS'
  - name: only
    handler_class: tasker.exec
    handler_config: {command: [sleep, "300"]}
STEPS
t run slow.yaml --timeout 0.5 --json
is "run gives up after its timeout" "$rc $(jq -r .error.code "$err")" '75 TASKER_E_TIMEOUT'
t cancel "$(rows 'SELECT max(task_id) FROM tasker_tasks')"
is "what it left may be cancelled" "$rc" 0

template nobody <<'STEPS'
  - name: only
    handler_class: Somebody::Else
STEPS
t run nobody.yaml --timeout 3
contains "run says what it waits for" "$err" 'Somebody::Else'
t cancel "$(rows 'SELECT max(task_id) FROM tasker_tasks')"

# ---- submit, list, show
t submit good.yaml --replace --context '{"n": 1}' --priority high --reason because
is "submit prints the id of the new task" "$(grep -c '^[0-9]*$' "$out")" 1
task=$(cat "$out")
t task show "$task" --json
json "what was said at submission is kept" '.context == {"n": 1} and .priority == "high" and .reason == "because" and .state == "pending"'
t submit cli/good@1.0.0 --json
json "a known template may be named" '.task_id > 0'
t submit --name good --namespace cli --version 1.0.0
is "also with options" "$rc" 0
t submit cli/unknown@1.0.0
is "an unknown one is not found" "$rc" 66
printf '{"n": 1}\n\n{"n": 2}\nnonsense\n{"n": 3}\n' >lines
t submit cli/good@1.0.0 --context-lines lines
is "each line of a file may become a task" "$rc $(grep -c '^[0-9][0-9]*$' "$out")" '65 3'
contains "a bad line is named" "$err" 'lines:4:'
t submit cli/good@1.0.0 --identity same
first=$(cat "$out")
t submit cli/good@1.0.0 --identity same
is "a duplicate is refused" "$rc" 65
t submit cli/good@1.0.0 --identity same --if-exists return
is "or gives the first task's id" "$rc $(cat "$out")" "0 $first"
t list --json --state pending
json "tasks are listed" '(.tasks | length) == 7 and all(.tasks[]; .name == "good")'
t list --limit 2
is "a table has a line of names and says where it goes on" "$(wc -l <"$out") $(grep -c '^more: --after' "$out")" '4 1'
t show 999999
is "an unknown task is not found" "$rc" 66
t show 999999 --json
is "as JSON, too" "$(jq -r .error.code "$err")" TASKER_E_NOT_FOUND
t explain "$task"
contains "a waiting task is explained" "$out" "task $task is pending"
t step retry "$task" first
is "what the state does not allow is refused" "$rc" 65
t template list --json
json "templates are listed" 'any(.templates[]; .name == "good" and .version == "1.0.0")'
t failure categories --json
json "every operation of the library is a command" '.categories | length == 10'
t db status --json
is "the tables' version can be asked for" "$rc" 0
t db verify
is "histories that can have happened are sound" "$rc $(grep -c ': sound$' "$out")" '0 1'
rows "UPDATE tasker_tasks SET complete = true WHERE task_id = $first"
t db verify
is "others are not, which is an exit code of its own" "$rc $(grep -c "^  tasker_tasks $first, task $first: " "$out")" '5 1'
t db verify --json --limit 1
json "the row is named" ".sound == false and .offenders == [{rule: \"task_complete\", table: \"tasker_tasks\", row_id: $first, task_id: $first, detail: .offenders[0].detail}]"
is "as JSON, too, the exit code says it" "$rc" 5
rows "UPDATE tasker_tasks SET complete = false WHERE task_id = $first"
t --db sqlite:/nonexistent/folder/x.db list
succeeds "a database that cannot be opened is an error with a place" grep -q '/nonexistent/folder' "$err"

# ---- events
t events --patterns 'task.completed'
is "the log is printed, one object a line" "$(jq -r .event "$out" | sort -u)" task.completed
t events
total=$(wc -l <"$out")
cursor=$(sed -n 3p "$out" | jq -r .cursor)
t events --after "$cursor"
is "a cursor goes on behind its event" "$(wc -l <"$out")" $((total - 3))
t events --from nonsense
is "what is no cursor is refused" "$rc" 65
"$tasker" events --follow --from now --patterns 'task.*' >"$work/followed" 2>&1 &
follower=$!
engines="$engines $follower"
completed()
{
    "$tasker" run good.yaml >/dev/null 2>&1
    grep -q '"event":"task.completed"' "$work/followed"
}
succeeds "a follower sees what another process does" eventually completed
kill "$follower"
wait "$follower"
status=$?
is "and ends in peace" "$status" 0
[ "$status" -eq 0 ] || sed "s/^/#   follower: /" "$work/followed" | head -n 30
is "every line of it is JSON" "$(jq -r .event "$work/followed" | grep -vc '^task[.]')" 0

# ---- output
t list
is "there are no colours on what is no terminal" "$(grep -c "$(printf '\033')" "$out")" 0
step 'printf "\033[31mred" >&2; exit 1'
t run case.yaml
is "nothing stored speaks to the terminal" "$(cat "$out" "$err" | grep -c "$(printf '\033')")" 0
t bench --workload W1 --json
json "the benchmark prints its figures" \
    '.workloads[0] | .workload == "W1" and .tasks == 2000 and .steps == 2000 and .steps_per_s > 0 and .p99_ms >= .p50_ms'
is "and leaves nothing behind" "$(find . -name 'tasker-bench*' | wc -l)" 0

done_testing
