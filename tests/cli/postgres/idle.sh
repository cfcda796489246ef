#!/bin/sh
# SPDX-License-Identifier: MIT
# An engine that has nothing to do leaves the server alone: counted in the server's own log of statements.
. "$(dirname "$0")/server.sh"
seconds=5

new_database idle
sql "ALTER DATABASE idle SET log_statement = 'all'"
sql "ALTER SYSTEM SET autovacuum = off" # it takes transaction ids when it likes
sql "ALTER SYSTEM SET log_line_prefix = '%a/%d '" && sql "SELECT pg_reload_conf()" >/dev/null
engine
registered() { [ "$(ask_sql idle "SELECT count(*) FROM tasker_core_lanes")" = 1 ]; }
succeeds "an engine registers" eventually registered

# Its first turns and looks are over when a second passes without a statement in a transaction of its own.
statements() { grep -c '^tasker/idle LOG:  \(execute\|statement\)' "$TASKER_TEST_POSTGRESQL_DIR/log"; }
writes() { sql "SELECT pg_snapshot_xmax(pg_current_snapshot())"; }
quiet() { before=$(writes) && sleep 1 && [ "$(writes)" = "$before" ]; }
succeeds "it comes to rest" eventually quiet

before=$(writes)
first=$(statements)
sleep "$seconds"
said=$(($(statements) - first))
is "at rest it uses no transaction id" "$(writes)" "$before"
succeeds "at rest it asks fewer than two things a second: $said in $seconds s" [ "$said" -lt $((2 * seconds)) ]
succeeds "it still looks: $said in $seconds s" [ "$said" -gt 0 ]

kill "$engine"
succeeds "it stops" eventually gone "$engine"
done_testing
