#!/bin/sh
# SPDX-License-Identifier: MIT
# What docs/postgresql.md tells people to do does what it says: roles, grants, a schema of its own, the monitoring queries.
. "$(dirname "$0")/server.sh"
page=$here/../../../docs/postgresql.md

# Blocks are indented by four; without the indent.
block() { sed -n "/$1/,/^\$/s/^    //p" "$page"; }

new_database documented
t db migrate
sql "CREATE ROLE runner LOGIN"
ask_sql documented "$(block '^    GRANT USAGE ON SCHEMA public TO runner')"
TASKER_DATABASE_URL=$(uri_of documented runner)
step 'echo {}'
t submit case.yaml
is "a role with the documented rights submits" "$rc" 0
t start --until-idle
is "and runs an engine" "$rc" 0
is "which finishes the task" "$(ask_sql documented "SELECT complete FROM tasker_tasks")" t
t db migrate --rails-indexes
is "but it makes nothing" "$([ "$rc" -ne 0 ] && echo refused)" refused
sql "CREATE ROLE guest LOGIN"
ask_sql documented "GRANT USAGE ON SCHEMA public TO guest; GRANT SELECT ON ALL TABLES IN SCHEMA public TO guest"
TASKER_DATABASE_URL=$(uri_of documented guest)
t list --json
is "a role that may only read reads" "$rc" 0

sql "CREATE DATABASE other"
ask_sql other "CREATE SCHEMA workflow"
TASKER_DATABASE_URL="$(uri_of other)&options=-csearch_path%3Dworkflow"
t db migrate
is "the search path of the URI chooses the schema" "$(ask_sql other "SELECT to_regclass('workflow.tasker_tasks') IS NOT NULL")" t
t db check --json
json "and nothing is amiss there" '.drift == []'

# With an engine, so that each question has something to answer.
TASKER_DATABASE_URL=$(uri_of documented)
engine --name watched
named() { [ "$(ask_sql documented "SELECT name FROM tasker_core_lanes")" = watched ]; }
succeeds "an engine runs" eventually named
sed -n '/^## Monitoring/,/^## Backup/s/^    //p' "$page" >"$work/monitoring.sql"
"$psql" -XAtq -v ON_ERROR_STOP=1 -d "$(uri_of documented)" -f "$work/monitoring.sql" >"$out" 2>"$err"
is "every monitoring query is one" "$?" 0
contains "they show the engine" "$out" "|watched|"
contains "and its sessions" "$out" "tasker|"
is "there are six of them" "$(grep -c ';$' "$work/monitoring.sql")" 6
kill "$engine"
succeeds "it stops" eventually gone "$engine"
done_testing
