#!/bin/sh
# SPDX-License-Identifier: MIT
# What is wrong between tasker and its database is said at once: what it is, and what to do; and never the password.
. "$(dirname "$0")/server.sh"
secret=hush-hush
socket="host=$TASKER_TEST_POSTGRESQL_DIR"

# refused NAME URI TEXT ADVICE: opening URI fails within 8 s (two connect_timeouts are 10), and says both.
refused()
{
    rc=0
    TASKER_DATABASE_URL=$2 timeout 8 "$tasker" db migrate >"$out" 2>"$err" </dev/null || rc=$?
    is "$1: an exit code of its own" "$([ $rc -ge 64 ] && [ $rc -le 78 ] && echo yes)" yes
    contains "$1: what it is" "$err" "$3"
    contains "$1: what to do" "$err" "$4"
    is "$1: no password is shown" "$(grep -c "$secret" "$out" "$err" | grep -v ':0$')" ""
}

# The server asks one role for a password and knows all others.
sql "CREATE ROLE locked LOGIN PASSWORD '$secret'; CREATE ROLE app LOGIN; CREATE ROLE few LOGIN CONNECTION LIMIT 0"
hba=$TASKER_TEST_POSTGRESQL_DIR/data/pg_hba.conf
{ echo 'local all locked scram-sha-256' && cat "$hba"; } >"$work/hba" && cat "$work/hba" >"$hba"
sql "SELECT pg_reload_conf()" >/dev/null
asks() { ! "$psql" -XAtwq -d "$(uri_of postgres locked)" -c 'SELECT 1'; }
succeeds "the server asks for a password" eventually asks
unset PGPASSWORD PGPASSFILE
HOME=$work && export HOME

refused "wrong host" "postgresql://app:$secret@no-such-host.invalid/postgres" "no-such-host.invalid" "correct host and port"
refused "wrong port" "postgresql://app:$secret@127.0.0.1:1/postgres" "127.0.0.1" "correct host and port"
refused "wrong socket" "postgresql://app:$secret@/postgres?host=$work" "$work" "correct host and port"
refused "unknown database" "postgresql://app:$secret@/nowhere?$socket" 'database "nowhere" does not exist' "CREATE DATABASE"
refused "unknown role" "postgresql://ghost:$secret@/postgres?$socket" 'role "ghost" does not exist' "create the role"
refused "wrong password" "postgresql://locked:$secret-2@/postgres?$socket" "password authentication failed" "correct the password"
refused "no password" "postgresql://locked@/postgres?$socket" "no password supplied" "give it in the URI"
refused "no connection left" "postgresql://few:$secret@/postgres?$socket" 'too many connections for role "few"' "max_connections"
refused "wrong parameter" "postgresql://app:$secret@/postgres?$socket&sslmode=perhaps" 'sslmode value: "perhaps"' "parameter of the URI"

sql "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"
refused "another encoding" "$(uri_of latin)" "LATIN1" "ENCODING 'UTF8'"
is "another encoding: nothing was made" "$(ask_sql latin "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")" 0

# Rights: what the advice says, helps.
sql "CREATE DATABASE rights"
ask_sql rights "REVOKE CREATE ON SCHEMA public FROM PUBLIC"
refused "no right to make tables" "$(uri_of rights app)" "permission denied" "GRANT USAGE, CREATE ON SCHEMA public TO app"
ask_sql rights "$(sed -n 's/.*\(GRANT USAGE.*TO app\).*/\1/p' "$err")"
TASKER_DATABASE_URL=$(uri_of rights app)
t db migrate
is "with the right that was advised it works" "$rc" 0

sql "CREATE DATABASE empty"
ask_sql empty "DROP SCHEMA public"
refused "no schema" "$(uri_of empty)" "no schema" "CREATE SCHEMA"

refused "a search path to nowhere" "$(uri_of empty)&options=-csearch_path%3Dnowhere,public" "no schema" "CREATE SCHEMA nowhere"

# A schema that the role may not even look into is there for it no more than one that was not made.
sql "CREATE DATABASE barred"
ask_sql barred "REVOKE ALL ON SCHEMA public FROM PUBLIC"
refused "a schema that one may not use" "$(uri_of barred app)" "no schema" "GRANT USAGE ON SCHEMA public TO app"

# A role that only looks.
sql "CREATE ROLE looks LOGIN"
sql "CREATE DATABASE seen"
TASKER_DATABASE_URL=$(uri_of seen)
t db migrate
ask_sql seen "GRANT SELECT ON ALL TABLES IN SCHEMA public TO looks"
sql "REVOKE TEMPORARY ON DATABASE seen FROM PUBLIC"
TASKER_DATABASE_URL=$(uri_of seen looks)
t task list
is "a role that only looks may look" "$rc" 0
t db check
is "it may not compare the tables" "$rc" 74
contains "and is told what to ask for" "$err" "GRANT CREATE, TEMPORARY ON DATABASE seen TO looks"
sql "$(sed -n 's/.*\(GRANT CREATE.*TO looks\).*/\1/p' "$err")"
t db check --json
json "with the right that was advised it may" '.drift == []'
step true
t register case.yaml
is "it may register nothing" "$rc" 74
contains "and is told what an engine needs" "$err" "INSERT, UPDATE and DELETE on its tables"

# Tables of somebody else, as a Rails application makes them.
new_database shared
t db migrate
tables=$(ask_sql shared "SELECT string_agg(tablename, ',') FROM pg_tables WHERE tablename LIKE 'tasker\_core\_%'")
ask_sql shared "DROP TABLE $tables CASCADE; GRANT CREATE ON SCHEMA public TO app" 2>/dev/null
refused "tables of somebody else" "$(uri_of shared app)" "permission denied" "as the role that owns the tables"
done_testing
