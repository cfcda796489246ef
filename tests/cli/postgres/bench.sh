#!/bin/sh
# SPDX-License-Identifier: MIT
# The benchmark compares like with like on PostgreSQL too: libpq alone leaves the rows that the engine leaves.
. "$(dirname "$0")/server.sh"
limit=$(dirname "$tasker")/tests/bench-limit_postgres

# alone DATABASE ENGINE ARGUMENTS...: writes the rows into a new database, compares them with those of the engine.
alone()
{
    sql "CREATE DATABASE $1"
    ours=$(uri_of "$1")
    theirs=$(uri_of "$2")
    shift 2
    "$limit" --json --db "$ours" --compare "$theirs" "$@" >"$out" 2>"$err"
}

for i in 1 2 3 4 5 6; do
    sql "CREATE DATABASE engine$i"
    "$tasker" bench --json --workload W$i --db "$(uri_of engine$i)" >"$out" 2>"$err"
    succeeds "W$i: libpq alone writes as many rows into each table as the engine, and they say the same" \
        alone limit$i engine$i --workload W$i
done
succeeds "so do two connections that share the tasks" alone shared engine2 --workload W2 --connections 2
alone different engine2 --workload W1
contains "rows that differ are told" "$err" "the engine's is 4"
done_testing
