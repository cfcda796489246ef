# SPDX-License-Identifier: MIT
# databases.sh - sourced by the scripts of this folder: databases on a throw-away server, made from dumps and dumped.
. "$(dirname "$0")/../../cli/postgres/server.sh"
pg_dump=$(dirname "$(readlink -f "$(command -v pg_dump)")")/pg_dump
[ -x "$pg_dump" ] || pg_dump=$(dirname "$psql")/pg_dump

# fresh NAME [MORE]: a new database of that name; an old one is removed.
fresh()
{
    sql "DROP DATABASE IF EXISTS $1" 2>/dev/null
    new_database "$@"
}

load()
{
    fresh "$2"
    "$psql" -Xq -v ON_ERROR_STOP=1 -d "$TASKER_DATABASE_URL" -f "$dumps/$1.sql" >/dev/null
}

# Newer programs put a word of their own, another each time, around the dump. One that fails ends the script: two dumps
# that are not there would be the same.
dump()
{
    "$pg_dump" -d "$TASKER_DATABASE_URL" >"$work/dumped" || exit
    sed '/^\\\(un\)*restrict /d' "$work/dumped"
}

age() { rows "SELECT value FROM tasker_core_meta WHERE key = 'schema_version'"; }
