# SPDX-License-Identifier: MIT
# server.sh - sourced by the scripts of this folder, which run with a throw-away server: tools/postgres run SCRIPT.
. "$(dirname "$0")/../common.sh"
: "${TASKER_TEST_POSTGRESQL:?is the URI of a server: tools/postgres run $0}"
psql=$(command -v psql || ls /usr/lib/postgresql/*/bin/psql | tail -n 1)

# uri_of DATABASE [USER]: its URI on the server.
uri_of() { echo "$TASKER_TEST_POSTGRESQL" | sed "s,/postgres?,/$1?,; s,//[^@]*@,//${2:-tasker}@,"; }

# ask_sql DATABASE TEXT: the rows of the answer. sql TEXT: the same where every database can be made.
ask_sql() { "$psql" -XAtq -v ON_ERROR_STOP=1 -d "$(uri_of "$1")" -c "$2"; }
sql() { ask_sql postgres "$1"; }

# new_database NAME [MORE]: makes one, and tasker works on it from now on.
new_database()
{
    sql "CREATE DATABASE $1 ${2:-}"
    TASKER_DATABASE_URL=$(uri_of "$1")
}
