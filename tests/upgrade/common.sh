# SPDX-License-Identifier: MIT
# common.sh - sourced by the scripts of this folder and of postgres/, what both databases have in common: databases of
# earlier versions are the dumps here (see freeze), loaded anew for every test.
#
# A script says how: load FILE NAME makes a database of that name from a dump and sets TASKER_DATABASE_URL; dump prints the
# one that is there; age prints the version of its tables without asking tasker. same_tables: dumps that the versions since
# have brought nothing but a number.
top=$(cd "$(dirname "$0")" && while [ ! -d include ]; do cd ..; done && pwd)
. "$top/tests/cli/common.sh"
part=$(dirname "$tasker")/tests/crash-part
wanted=$(sed -n 's/^#define STORE_SCHEMA_VERSION //p' "$top/src/store/store.h")
dumps=$top/tests/upgrade
export RUNS="$work/runs"

# same NAME FILE: the database is, byte for byte, what FILE says.
same()
{
    dump >"$work/now"
    if cmp -s "$work/now" "$2"; then ok "$1"; else not_ok "$1" "$(diff "$2" "$work/now")"; fi
}

id_of() { rows "SELECT task_id FROM tasker_tasks WHERE identity_hash = '$1'"; }

# no_drift NAME: the tables are those of this version.
no_drift()
{
    t db check --json
    json "$1" '.drift == []'
}

# no_rows NAME SQL: passes when the query finds nothing.
no_rows() { is "$1" "$(rows "SELECT * FROM ($2) q LIMIT 10" 2>&1)" ""; }

# The rows tell a whole and legal story, also those of the earlier version.
sound_rows()
{
    t db verify
    is "$1: every history is sound" "$rc $(grep -v ': sound$' "$out")" "0 "
}

serve()
{
    "$part" serve "$TASKER_DATABASE_URL" worker >>"$work/engine.out" 2>&1 </dev/null &
    engines="$engines $!"
    engine --lease 1 --concurrency 4
}

stop_all()
{
    # shellcheck disable=SC2086
    kill -9 $engines && wait $engines 2>/dev/null
    engines=
}

one_left() { [ "$(rows "SELECT count(*) FROM tasker_core_active")" = 1 ]; }

# all_end NAME CANCELLED: what was under way in a dump comes to its end.
all_end()
{
    lost="SELECT x.workflow_step_id FROM tasker_workflow_step_transitions x WHERE x.most_recent AND x.to_state = 'in_progress'
          AND x.workflow_step_id NOT IN (SELECT workflow_step_id FROM tasker_core_dispatch)"
    lost=$(rows "$lost" | tr '\n' ',' | sed 's/,$//')
    serve
    succeeds "$1: all that was under way comes to its end" eventually one_left
    stop_all
    is "$1: as complete, but for what was cancelled" "$(rows "SELECT identity_hash FROM tasker_tasks JOIN tasker_task_transitions
        USING (task_id) WHERE most_recent AND to_state <> 'complete' AND identity_hash NOT LIKE 'broken-%' ORDER BY 1" | xargs)" "$2"
    is "$1: but for the one that waits until 2100" "$(rows "SELECT identity_hash FROM tasker_tasks JOIN tasker_core_active USING (task_id)")" later
    no_rows "$1: the steps of dead engines were lost, and tried again" \
        "SELECT workflow_step_id FROM tasker_workflow_steps s WHERE workflow_step_id IN ($lost) AND NOT EXISTS (
         SELECT 1 FROM tasker_workflow_step_transitions x WHERE x.workflow_step_id = s.workflow_step_id AND to_state = 'error')"
    is "$1: there were some" "$([ -n "$lost" ] && echo yes)" yes
    no_rows "$1: nothing is left of offers and requests" \
        "SELECT task_id FROM tasker_core_dispatch UNION ALL SELECT task_id FROM tasker_core_requests"
    sound_rows "$1"
}

finished_tasks_answer()
{
    t task show "$(id_of done-1)" --json
    json "$1: a finished task is shown" '.state == "complete" and (.steps | length) == 2 and .steps[1].results == {"n": 2}'
    t task list --json --tags kept
    json "$1: finished tasks are found by their tags" '[.tasks[].identity] | sort == ["done-1", "done-2", "done-3"]'
    t task explain "$(id_of broken-1)"
    contains "$1: a task in error is explained" "$out" broken
}

operators_act()
{
    t task retry "$(id_of broken-1)"
    is "$1: an old task in error is tried again" "$rc" 0
    t step resolve "$(id_of broken-2)" broken '{"by": "hand"}'
    is "$1: an old step in error is resolved" "$rc" 0
    t task cancel "$(id_of free-2)"
    is "$1: an old waiting task is cancelled" "$rc" 0
}

submit_done() { t submit --namespace upgrade --version 1.0.0 --name done; }

# pruning NAME: takes what is finished, and no id of it is used again.
pruning()
{
    serve
    submit_done
    succeeds "$1: the old template makes new tasks" eventually one_left
    last=$(rows "SELECT max(task_id) FROM tasker_tasks")
    last_edge=$(rows "SELECT max(id) FROM tasker_workflow_step_edges")
    finished=$(rows "SELECT count(*) FROM tasker_tasks WHERE complete")
    t db prune --before 2099-01-01T00:00:00Z --json
    is "$1: finished tasks are pruned" "$rc $(rows "SELECT count(*) FROM tasker_tasks WHERE complete")" "0 0"
    is "$1: there were some" "$([ "$finished" -gt 8 ] && echo yes)" yes
    submit_done
    is "$1: no id is used again" "$([ "$(cat "$out")" -gt "$last" ] && echo yes)" yes
    no_rows "$1: not even an edge's" "SELECT id FROM tasker_workflow_step_edges WHERE id <= $last_edge AND from_step_id IN
        (SELECT workflow_step_id FROM tasker_workflow_steps WHERE task_id = $(cat "$out"))"
    succeeds "$1: what came after the prune ends as well" eventually one_left
    stop_all
}

looked_at_as_it_is()
{
    dump >"$work/old"
    t db status --json
    json "$1: the status says what is to be done" \
        ".version == $(age) and .wanted == $wanted and [.pending[].version] == [range($(age) + 1; $wanted + 1)]"
    drifts='!='
    case " ${same_tables:-} " in *" $1 "*) drifts='==' ;; esac
    t db check --json
    json "$1: the check too, and what is missing" ".version == $(age) and .drift $drifts []"
    same "$1: looking changes nothing" "$work/old"
}

migrated_by_hand()
{
    load "$1" by_hand
    before=$(age)
    [ "$before" = "$wanted" ] || looked_at_as_it_is "$1"
    t db migrate --json
    is "$1: it is migrated" "$rc $(age)" "0 $wanted"
    json "$1: by these steps" ".version == $wanted and [.applied[].version] == [range($before + 1; $wanted + 1)]"
    no_drift "$1: nothing is missing, changed or extra"
    t db status --json
    json "$1: the status says so" ".version == $wanted and .wanted == $wanted and .pending == []"
    finished_tasks_answer "$1"
    operators_act "$1"
    all_end "$1" "cancelled free-2"
    no_rows "$1: old tasks in error are mended too" \
        "SELECT * FROM tasker_task_transitions WHERE most_recent AND to_state = 'error'"
    finished_tasks_answer "$1, later"
    pruning "$1"
    no_drift "$1: nothing is missing, changed or extra after all that"
}

migrated_by_an_engine()
{
    load "$1" by_engine
    all_end "$1, by an engine" cancelled
    is "$1, by an engine: it is migrated" "$(age)" "$wanted"
    no_drift "$1, by an engine: nothing is missing, changed or extra"
}

# What a program of one version back finds when a newer one was here.
newer_version_is_refused()
{
    load "$1" newer
    t db migrate
    rows "UPDATE tasker_core_meta SET value = '$((wanted + 1))' WHERE key = 'schema_version'"
    dump >"$work/newer"
    for command in 'db migrate' 'task list' 'start --until-idle' 'db prune --older-than 1d'; do
        # shellcheck disable=SC2086
        t $command
        is "a newer version: $command is refused" "$rc" 78
        contains "a newer version: $command says why" "$err" "schema version $((wanted + 1)), newer than this program's $wanted"
        contains "a newer version: $command says what to do" "$err" "use a newer version of this program"
    done
    t db status --json
    json "a newer version: the status says so" ".version == $((wanted + 1)) and .wanted == $wanted and .pending == []"
    t db check
    is "a newer version is looked at" "$rc" 0
    same "a newer version is left as it was" "$work/newer"
}

# four_at_once NAME: on the database that is there.
four_at_once()
{
    pids=
    for n in 1 2 3 4; do
        "$tasker" db migrate >"$work/four-$n" 2>&1 </dev/null &
        pids="$pids $!"
    done
    bad=
    for pid in $pids; do wait "$pid" || bad="$bad $pid"; done
    if [ -z "$bad" ]; then ok "$1: all four succeed"; else not_ok "$1: all four succeed" "$(cat "$work"/four-*)"; fi
    is "$1: one version" "$(age)" "$wanted"
    no_drift "$1: one result"
}
