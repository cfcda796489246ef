#!/bin/sh
# SPDX-License-Identifier: MIT
# Whatever ALTER ROLE ... SET says for the role that tasker comes as: it works all the same, or says what is in its way.
. "$(dirname "$0")/server.sh"

# role NAME SETTING...: a role with these settings, and a database of its own, on which tasker works from now on.
role()
{
    name=$1
    shift
    sql "CREATE ROLE $name LOGIN"
    sql "CREATE DATABASE $name OWNER $name"
    for setting; do sql "ALTER ROLE $name SET $setting"; done
    TASKER_DATABASE_URL=$(uri_of "$name" "$name")
}

# held WHICH: a session holds such a lock.
held() { [ "$(sql "SELECT count(*) FROM pg_locks WHERE $1 AND granted")" = 1 ]; }

# waiting N: so many sessions wait for the lock of all migrations.
waiting() { [ "$(sql "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")" = "$1" ]; }

# Three processes start together while a fourth migrates, for longer than any patience that the role is given.
role hasty "default_transaction_isolation = 'serializable'" "lock_timeout = '10ms'" "statement_timeout = '1s'"
"$psql" -XAtq -d "$(uri_of hasty)" -c "SELECT pg_advisory_lock(7236827, 1)" -c "SELECT pg_sleep(60)" >"$work/held" 2>&1 &
succeeds "somebody migrates" eventually held "locktype = 'advisory'"
migrations=
for n in 1 2 3; do
    "$tasker" db migrate >"$work/migrate.$n" 2>&1 </dev/null &
    migrations="$migrations $!"
done
succeeds "the others wait" eventually waiting 3
sql "SELECT pg_sleep(1.2)"
succeeds "and wait on" waiting 3
sql "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted" >/dev/null
for one in $migrations; do
    rc=0
    wait "$one" || rc=$?
    is "a process that migrates beside others has no trouble with them" "$rc" 0
done
is "one of them has migrated" "$(grep -l 'tables of the Rails engine' "$work"/migrate.* | wc -l)" 1

# Names in quotes, other formats of dates, times and text.
role odd "DateStyle = 'German, DMY'" "IntervalStyle = 'sql_standard'" "TimeZone = 'America/St_Johns'" \
    "standard_conforming_strings = off" "quote_all_identifiers = on" "bytea_output = 'escape'" "client_encoding = 'LATIN1'" \
    "default_transaction_isolation = 'serializable'" "default_transaction_deferrable = on" "array_nulls = off" \
    "lock_timeout = '10ms'" "idle_in_transaction_session_timeout = '10ms'" "idle_session_timeout = '200ms'"
t db migrate
t db check --json
is "tables of a role with odd settings are what they should be" "$(jq '.drift | length' "$out")" 0
step 'printf "%s" "{\"back\\\\slash\": \"é\"}"'
t run case.yaml --json --context '{"a": "b\\c"}'
json "its tasks run" '.state == "complete"'
is "and what is stored is what was given" "$(rows "SELECT context ->> 'a' FROM tasker_tasks")" 'b\c'
is "by the clock of UTC" "$(rows "SELECT count(*) FROM tasker_task_transitions WHERE abs(extract(epoch FROM created_at - (now() AT TIME ZONE 'UTC'))) > 600")" 0
t db verify
is "every history is sound" "$rc" 0

# A schema whose name must be quoted.
role flow 'search_path = "Work Flow", public'
ask_sql flow 'CREATE SCHEMA "Work Flow" AUTHORIZATION flow'
t db migrate
is "a schema with an odd name is taken" "$rc" 0
t db check --json
is "and its tables are what they should be" "$(jq -c '.drift' "$out")" '[]'
t run case.yaml --json
json "tasks run there" '.state == "complete"'
is "and nowhere else" "$(rows "SELECT DISTINCT schemaname FROM pg_tables WHERE tablename LIKE 'tasker%'")" "Work Flow"

# What can not work is said, with what to do.
role short
t db migrate
"$psql" -XAtq -d "$(uri_of short)" -c "BEGIN; LOCK TABLE tasker_named_tasks; SELECT pg_sleep(60)" >"$work/held" 2>&1 &
succeeds "somebody holds a table" eventually held "mode = 'AccessExclusiveLock'"
sql "ALTER ROLE short SET statement_timeout = '400ms'"
t template list
is "a statement that takes longer than it may" "$rc" 75
contains "is told as such" "$err" "statement timeout"
contains "with the setting that says so" "$err" "raise statement_timeout of the role"
sql "ALTER ROLE short RESET statement_timeout"
sql "ALTER ROLE short SET lock_timeout = '200ms'"
t template list
is "a lock that is not to be had in time" "$rc" 75
contains "is told as such" "$err" "lock timeout"
contains "with what stands in the way" "$err" "session that holds the lock"
done_testing
