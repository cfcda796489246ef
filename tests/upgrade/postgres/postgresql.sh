#!/bin/sh
# SPDX-License-Identifier: MIT
# Databases of earlier versions on PostgreSQL: migrated by hand and by an engine, four times at once, killed in the middle;
# and one of a newer version.
. "$(dirname "$0")/databases.sh"

for file in "$dumps"/postgresql-*.sql; do
    frozen=$(basename "$file" .sql)
    migrated_by_hand "$frozen"
    migrated_by_an_engine "$frozen"
    load "$frozen" four
    four_at_once "four at once, $frozen"
done
newer_version_is_refused "$frozen"

fresh empty
four_at_once "four at once, an empty database"

# Killed while it waits for a table that somebody uses, which is after the first and before the last of its changes.
stands() { [ "$(rows "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()")" = 1 ]; }
left() { [ "$(rows "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND datname = current_database()")" = 1 ]; }
for table in tasker_dependent_system_object_maps tasker_task_transitions tasker_workflow_step_transitions; do
    load postgresql-2 killed
    dump >"$work/old"
    mkfifo "$work/user.$table"
    "$psql" -Xq -d "$TASKER_DATABASE_URL" <"$work/user.$table" >/dev/null &
    exec 7>"$work/user.$table"
    echo "BEGIN; LOCK TABLE $table IN ROW EXCLUSIVE MODE;" >&7
    locked() { [ "$(rows "SELECT count(*) FROM pg_locks WHERE mode = 'RowExclusiveLock' AND relation = '$table'::regclass")" = 1 ]; }
    succeeds "$table is used" eventually locked
    "$tasker" db migrate >/dev/null 2>&1 </dev/null &
    migrating=$!
    succeeds "a migration waits for $table" eventually stands
    kill -9 $migrating
    wait $migrating 2>/dev/null
    exec 7>&-
    succeeds "killed there, it leaves the server" eventually left
    same "killed there, it leaves the old version" "$work/old"
    t db migrate
    is "and the next one completes it" "$rc $(age)" "0 $wanted"
    no_drift "as if nothing had been"
done

done_testing
