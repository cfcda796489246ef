#!/bin/sh
# SPDX-License-Identifier: MIT
# Databases of earlier versions on SQLite: migrated by hand and by an engine, four times at once, killed in the middle; and
# one of a newer version.
. "$(dirname "$0")/common.sh"

load()
{
    db=$work/$2.db
    rm -f "$db" "$db-wal" "$db-shm"
    sqlite3 "$db" 'PRAGMA journal_mode = WAL' ".read $dumps/$1.sql" >/dev/null
    TASKER_DATABASE_URL=sqlite:$db
}

same_tables="sqlite-4 sqlite-5" # versions 5 and 6 are for PostgreSQL

dump() { sqlite3 "$db" .dump; }

age() { sqlite3 "$db" "SELECT value FROM tasker_core_meta WHERE key = 'schema_version'"; }

for file in "$dumps"/sqlite-*.sql; do
    frozen=$(basename "$file" .sql)
    migrated_by_hand "$frozen"
    migrated_by_an_engine "$frozen"
    load "$frozen" four
    four_at_once "four at once, $frozen"
done
newer_version_is_refused "$frozen"

load sqlite-1 views
rows "CREATE VIEW my_edges AS SELECT from_step_id, to_step_id FROM tasker_workflow_step_edges;
      CREATE VIEW my_notes AS SELECT annotation FROM tasker_task_annotations"
before=$(rows "SELECT count(*) FROM my_edges")
t db migrate
is "views that somebody made of the tables are no hindrance" "$rc" 0
is "and show what they showed" "$(rows "SELECT count(*) FROM my_edges") $(rows "SELECT count(*) FROM my_notes")" "$before 0"

db=$work/empty.db
TASKER_DATABASE_URL=sqlite:$db
four_at_once "four at once, no database"

# Killed at moments that lie evenly over the time that it takes.
load sqlite-1 killed
dump >"$work/old"
begun=$(date +%s%N)
t db migrate
span=$((($(date +%s%N) - begun) / 1000))
dump >"$work/migrated"
olds=0
for n in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23; do
    load sqlite-1 killed
    "$tasker" db migrate >/dev/null 2>&1 </dev/null &
    sleep "$(awk "BEGIN { printf \"%.6f\", $span * $n / 20 / 1000000 }")"
    kill -9 $! 2>/dev/null
    wait $! 2>/dev/null
    dump >"$work/now"
    cmp -s "$work/now" "$work/old" && olds=$((olds + 1)) || cmp -s "$work/now" "$work/migrated" || not_ok "kill $n leaves neither the old nor the new version"
    t db migrate
    [ "$rc" = 0 ] || not_ok "after kill $n it is migrated"
    dump >"$work/now"
    cmp -s "$work/now" "$work/migrated" || not_ok "after kill $n the next one completes it" "$(diff "$work/migrated" "$work/now")"
done
is "killed at 24 moments: some left the old version, some the new" "$([ $olds -gt 0 ] && [ $olds -lt 24 ] && echo yes || echo "$olds old")" yes

done_testing
