#!/bin/sh
# SPDX-License-Identifier: MIT
# What a program of a step is given, and what becomes of its output, its log and its exit code.
. "$(dirname "$0")/common.sh"

# ---- exit codes
for row in '0 complete 0' '1 error 3' '3 error 3' '64 error 3' '65 error 3' '75 error 3' '77 error 3' '78 error 3'; do
    # shellcheck disable=SC2086
    set -- $row
    run_step "exit $1"
    is "exit code $1 gives $2" "$rc $(jq -r '.steps[0].state' "$out")" "$3 $2"
done
for row in '1 transient true' '64 permanent false' '65 permanent false' '75 transient true' '77 permanent false' \
    '78 configuration false'; do
    # shellcheck disable=SC2086
    set -- $row
    run_step "exit $1"
    json "exit code $1 is $2, retryable: $3" ".steps[0].error | .category == \"$2\" and .retryable == $3"
done
run_step 'kill -SEGV $$'
json "death by a signal is transient" '.steps[0].error | .category == "transient" and (.message | startswith("killed by signal 11"))'

# ---- results
run_step 'echo "{\"n\": 1.10, \"big\": 123456789012345678901234567890}"'
contains "the result keeps every digit" "$out" '"results":{"n": 1.10, "big": 123456789012345678901234567890}'
run_step 'true'
json "no output is null" '.state == "complete" and .steps[0].results == null'
run_step "printf ' \\n\\t '"
json "white space is null" '.state == "complete" and .steps[0].results == null'
run_step 'echo hello'
is "output that is not JSON fails" "$rc" 3
json "it fails for good and shows its beginning" \
    '.steps[0] | .error.retryable == false and (.error.message | contains("not JSON") and contains("hello"))'
run_step 'head -c 9000000 /dev/zero | tr "\\0" 1'
json "more than 8 MiB of output fails for good" \
    '.steps[0] | .error.retryable == false and (.error.message | startswith("output too big"))'
run_step 'printf "\""; head -c 8000000 /dev/zero | tr "\\0" x; printf "\""'
json "just under 8 MiB is a result" '.state == "complete" and (.steps[0].results | length) == 8000000'
run_step 'printf "[1"; printf "\377]"'
json "output that is not UTF-8 fails" '.state == "error"'

# ---- failures in words
run_step 'echo one >&2; echo no such order >&2; exit 3'
json "the message is the last line of the log" '.steps[0].error.message == "exited with 3: no such order"'
run_step 'echo "{\"error\": {\"message\": \"card declined\", \"class\": \"Card\", \"code\": \"C1\", \"permanent\": true}}"; exit 1'
json "a failure may describe itself" \
    '.steps[0].error | .message == "card declined" and .class == "Card" and .code == "C1" and .retryable == false'
run_step 'echo "{\"error\": {\"message\": \"x\"}}"'
json "with exit code 0 an error object is just a result" '.state == "complete" and .steps[0].results.error.message == "x"'

# ---- logs
run_step 'echo line one >&2; echo line two >&2'
t step log "$(jq -r .task_id "$out")" only
contains "the log is kept" "$out" 'line two'
run_step 'seq 1 20000 >&2; exit 1'
t step log "$(jq -r .task_id "$out")" only --json
json "of a long log the end is kept" '.attempts[0].text | (endswith("20000\n") and (length <= 16384) and (length > 16000))'
run_step 'printf "a\\000b\\377c\\n" >&2'
t step log "$(jq -r .task_id "$out")" only --json
json "a log that is not text is made text" '.attempts[0].text | startswith("a") and endswith("c\n")'

# ---- input
run_step 'jq -c .'
json "the document has task, step and parents" \
    '.steps[0].results | .task.namespace == "cli" and .task.name == "case" and .step.name == "only" and .step.attempt == 1
     and .parents == {} and .step.retry_limit == 1'
step 'jq -c .task.context'
t run case.yaml --json --context '{"n": 1.50}'
contains "the context arrives as it was given" "$out" '"context":{"n": 1.50}'
jq -cn '{text: ("x" * 2000000)}' >big.json
step 'jq ".task.context.text | length"'
t run case.yaml --json --context @big.json
json "a large document is fed whole" '.steps[0].results == 2000000'
step 'exec 0<&-; echo 7'
t run case.yaml --json --context @big.json
json "a program need not read its input" '.state == "complete" and .steps[0].results == 7'
step 'echo 7'
t run case.yaml --json --context @big.json
json "a program may end before it has read anything" '.state == "complete" and .steps[0].results == 7'
run_step 'cat /dev/stdin >/dev/null; echo seen >/dev/stderr; echo 1 >/dev/stdout'
json "standard streams may be opened by their names" '.state == "complete" and .steps[0].results == 1'
template pair <<'STEPS'
  - name: first
    handler_class: tasker.exec
    handler_config: {command: [echo, '{"a": [1, 2.0]}']}
  - name: second
    depends_on_step: first
    handler_class: tasker.exec
    handler_config: {command: [jq, -c, .parents]}
STEPS
t run pair.yaml --json
json "results of parents are handed on" '.steps[1].results == {"first": {"a": [1, 2.0]}}'

# ---- environment, folders, programs
run_step 'printf "[\"%s\",\"%s\",\"%s\",\"%s\"]" "$TASKER_TASK_ID" "$TASKER_STEP" "$TASKER_ATTEMPT" "$TASKER_IDEMPOTENCY_KEY"'
json "the step is named in the environment" \
    '(.task_id | tostring) as $id | .steps[0].results | .[0] == $id and .[1] == "only" and .[2] == "1"
     and (.[3] | endswith("/" + $id + "/only"))'
mkdir -p flows/bin flows/data elsewhere
cat >flows/bin/where <<'PROGRAM'
#!/bin/sh
printf '{"folder": "%s", "value": "%s"}' "$PWD" "$VALUE"
PROGRAM
chmod +x flows/bin/where
where()
{
    template where
    mv where.yaml flows/
    (cd elsewhere && "$tasker" run ../flows/where.yaml --json) >"$out" 2>"$err"
}
where <<'STEPS'
  - name: only
    handler_class: tasker.exec
    handler_config: {command: [bin/where], environment: {VALUE: 8080}}
STEPS
json "a program path is relative to the template" ".steps[0].results == {folder: \"$work/flows\", value: \"8080\"}"
where <<'STEPS'
  - name: only
    handler_class: tasker.exec
    handler_config: {command: [./bin/where], working_directory: data}
STEPS
json "so is the working directory" ".steps[0].results.folder == \"$work/flows/data\""
where <<'STEPS'
  - name: only
    handler_class: tasker.exec
    handler_config: {command: [./bin/nowhere]}
STEPS
json "a program that is missing is a configuration error" \
    '.steps[0] | .attempts == 1 and .error.category == "configuration" and (.error.message | contains("./bin/nowhere"))'
where <<'STEPS'
  - name: only
    handler_class: tasker.exec
    handler_config: {command: [tasker-no-such-program]}
STEPS
json "so is one that is not in PATH" '.steps[0].error.category == "configuration"'
where <<'STEPS'
  - name: only
    handler_class: tasker.exec
    handler_config: {command: ["true"], working_directory: nowhere}
STEPS
json "so is a folder that is missing" '.steps[0].error | .category == "configuration" and (.message | contains("nowhere"))'
where <<'STEPS'
  - name: only
    handler_class: tasker.exec
    handler_config: {command: [printf, '"%s"', '$HOME *']}
STEPS
json "there is no shell unless asked for" '.steps[0].results == "$HOME *"'

where <<'STEPS'
  - name: only
    handler_class: tasker.exec
    handler_config: {command: [cat], threshold: 1.10, mail: {to: [ops]}}
STEPS
contains "further settings reach the program as they were written" "$out" '"threshold":1.10,"mail":{"to":["ops"]}'
step "echo '{\"error\": {\"message\": \"later\", \"retry_after\": 0.3}}'; exit 1" 'retry_backoff: {strategy: fixed, base_seconds: 60}'
sed -i 's/default_retry_limit: 1/default_retry_limit: 2/' case.yaml
t run case.yaml --timeout 20 --json
json "a retry_after with a fraction is honoured" '.steps[0].attempts == 2 and .duration_ms >= 900'

done_testing
