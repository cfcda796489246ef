#!/bin/sh
# SPDX-License-Identifier: MIT
# The tables on whichever version of PostgreSQL there is: made anew, migrated from every earlier version of ours, and
# compared by `tasker db check`, whose texts the server writes. The other scripts of upgrades need a pg_dump as new as the
# server; this one does not.
. "$(dirname "$0")/../postgres/databases.sh"

fresh anew
t db migrate
is "an empty database is migrated" "$rc $(age)" "0 $wanted"
no_drift "an empty database: nothing is missing, changed or extra"

rows "ALTER TABLE tasker_tasks ALTER COLUMN initiator SET NOT NULL;
    DROP INDEX tasker_core_active_due; ALTER TABLE tasker_core_lanes ADD COLUMN floor int;
    CREATE OR REPLACE FUNCTION calculate_dependency_levels(input_task_id bigint) RETURNS TABLE(workflow_step_id bigint,
    dependency_level integer) LANGUAGE sql STABLE AS 'SELECT input_task_id, 0'"
t db check --json
json "what somebody changed is told, and nothing else" '[.drift[] | "\(.object) \(.problem)"] | sort == [
    "calculate_dependency_levels(input_task_id bigint) changed", "tasker_core_active_due missing",
    "tasker_core_lanes.floor extra", "tasker_tasks.initiator changed"]'

for file in "$dumps"/postgresql-*.sql; do migrated_by_an_engine "$(basename "$file" .sql)"; done

done_testing
