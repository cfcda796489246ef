# SPDX-License-Identifier: MIT
# common.sh - sourced by the scripts of this folder: a scratch folder, templates of one step, and cases in TAP.
#
# TASKER is the binary. CLI_DATABASE is another database than the scratch folder's, an empty one. A case is one call of `is`, `json` or `succeeds`; nothing waits for a fixed time, `eventually`
# looks again and again until something holds.
set -u
here=$(cd "$(dirname "$0")" && pwd)
tasker=${TASKER:-$here/../../build/tasker}
case $tasker in /*) ;; *) tasker=$PWD/$tasker ;; esac
[ -x "$tasker" ] || { echo "not ok 1 - there is no $tasker" && exit 1; }
work=$(mktemp -d)
cd "$work" || exit 1
export TASKER_DATABASE_URL="${CLI_DATABASE:-sqlite:$work/tasker.db}"
unset TASKER_ENV NO_COLOR
cases=0
failed=0
engines=
out=$work/out
err=$work/err

finish()
{
    # shellcheck disable=SC2086
    [ -z "$engines" ] || kill -9 $engines 2>/dev/null
    wait
    cd /
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

done_testing()
{
    echo "1..$cases"
    exit "$failed"
}

ok()
{
    cases=$((cases + 1))
    echo "ok $cases - $1"
}

not_ok()
{
    cases=$((cases + 1))
    failed=1
    echo "not ok $cases - $1"
    shift
    for line; do echo "$line" | head -n 20 | sed 's/^/#   /'; done
    [ ! -s "$err" ] || head -n 5 "$err" | sed 's/^/#   stderr: /'
}

# is NAME GOT WANTED
is()
{
    if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1" "got:    $2" "wanted: $3"; fi
}

# json NAME FILTER: the filter is true of the last output.
json()
{
    if [ "$(jq -r "$2" "$out" 2>&1)" = true ]; then ok "$1"; else not_ok "$1" "not true: $2" "$(cat "$out")"; fi
}

# contains NAME FILE TEXT
contains()
{
    if grep -qF -- "$3" "$2"; then ok "$1"; else not_ok "$1" "not found: $3" "$(cat "$2")"; fi
}

# succeeds NAME COMMAND...
succeeds()
{
    name=$1
    shift
    if "$@"; then ok "$name"; else not_ok "$name" "failed: $*"; fi
}

# eventually COMMAND...: until it succeeds, at most 20 s.
eventually()
{
    tries=0
    until "$@" 2>/dev/null; do
        tries=$((tries + 1))
        [ "$tries" -lt 400 ] || return 1
        sleep 0.05
    done
}

# rows SQL: the answer of the database.
rows()
{
    case $TASKER_DATABASE_URL in
    sqlite:*) sqlite3 "${TASKER_DATABASE_URL#sqlite:}" "$1" ;;
    *) psql -XAtq -d "$TASKER_DATABASE_URL" -c "$1" ;;
    esac
}

# t ARGUMENTS...: runs tasker, keeps its output, error output and exit code.
t()
{
    rc=0
    "$tasker" "$@" >"$out" 2>"$err" </dev/null || rc=$?
}

# template NAME < step templates: a template file NAME.yaml in the scratch folder.
template()
{
    {
        printf 'name: %s\nnamespace_name: cli\nversion: 1.0.0\ntask_handler_class: CliTest\nstep_templates:\n' "$1"
        cat
    } >"$work/$1.yaml"
}

# step COMMAND [MORE...]: a template called case of one step with one attempt; MORE are further lines of the step.
step()
{
    command=$1
    shift
    {
        printf '  - name: only\n    handler_class: tasker.exec\n    default_retry_limit: 1\n'
        for line; do printf '    %s\n' "$line"; done
        printf '    handler_config:\n      command: %s\n      shell: true\n' "$(jq -cn --arg c "$command" '[$c]')"
    } | template case
}

# run_step COMMAND [MORE...]: runs such a template; the output is the JSON of the task.
run_step()
{
    step "$@"
    t run case.yaml --json
}

# engine ARGUMENTS...: starts an engine in the background, its pid is $engine.
engine()
{
    "$tasker" start "$@" >>"$work/engine.out" 2>>"$work/engine.err" </dev/null &
    engine=$!
    engines="$engines $engine"
}

state_is()
{
    [ "$("$tasker" task show "$1" --json | jq -r .state)" = "$2" ]
}

step_is()
{
    [ "$("$tasker" step show "$1" "$2" --json | jq -r .state)" = "$3" ]
}

gone() { ! kill -0 "$1" 2>/dev/null; }
