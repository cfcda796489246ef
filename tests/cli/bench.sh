#!/bin/sh
# SPDX-License-Identifier: MIT
# The benchmark compares like with like: the engine and the program without an engine leave the same rows.
. "$(dirname "$0")/common.sh"
limit=$(dirname "$tasker")/tests/bench-limit

# same FIRST SECOND: the rows of workload FIRST, and those that the engine has left for SECOND.
same() { "$limit" --json --workload "$1" --compare "$work/$2.db" >"$out" 2>"$err"; }

for w in W1 W2 W3 W4 W5 W6; do
    "$tasker" bench --json --workload $w --db "sqlite:$work/$w.db" >"$out" 2>"$err"
    succeeds "$w: SQLite alone writes as many rows into each table as the engine" same $w $w
done
same W1 W2
contains "rows that differ are told" "$err" "has 1 rows, the engine's has 4"
done_testing
