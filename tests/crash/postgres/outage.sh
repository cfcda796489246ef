#!/bin/sh
# SPDX-License-Identifier: MIT
# Outages of PostgreSQL, one kind after the other, while an engine works: the server away for longer than the lease,
# restarted at once, without a free connection, read-only, on a full disk; and a failover to an asynchronous standby that
# has lost commits. Nothing is restarted but the server: the engine says what is wrong, waits, and goes on by itself. Then
# every task is complete, the rows are sound, and no handler ran after its success, but for what the failover lost.
#
# Run it by `tools/postgres run`. TASKER: the binary, crash-part in tests/ beside it. KINDS: only these (all).
set -u
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../../.." && pwd)
tasker=${TASKER:-$top/build/tasker}
: "${TASKER_TEST_POSTGRESQL:?is the URI of a server: tools/postgres run $0}"
server=$TASKER_TEST_POSTGRESQL_DIR
bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
PATH=$(cd "$(dirname "$tasker")/tests" && pwd):$PATH
work=$(mktemp -d /tmp/tasker-outage.XXXXXX)
standby=$work/standby
disk=$server/disk
engine=
n=0
export RUNS="$work/runs"

finish()
{
    [ -z "$engine" ] || kill -9 "$engine" 2>/dev/null
    wait
    [ ! -d "$standby/data" ] || "$top/tools/postgres" stop "$standby" -m immediate
    ! mountpoint -q "$disk" || umount -l "$disk"
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

ok() { echo "ok - $1"; }

give_up()
{
    echo "not ok - $1"
    { cat "$work/said"; tail -n 20 "$work/log"; tail -n 10 "$server/log"; } 2>&1 | sed 's/^/# /'
    exit 1
}

# sql FOLDER DATABASE QUERY: as superuser, who may write to a read-only database and finds a connection in a full one.
sql()
{
    PGOPTIONS='-c default_transaction_read_only=off' "$bin/psql" -XAtq -v ON_ERROR_STOP=1 \
        -d "postgresql://tasker@/$2?host=$1" -c "$3" </dev/null 2>"$work/said"
}

# eventually WHAT COMMAND...: until the command succeeds. The limit is generous: nothing here is measured.
eventually()
{
    what=$1
    shift
    i=0
    until "$@" >/dev/null 2>&1; do
        i=$((i + 1))
        [ $i -lt 1200 ] || give_up "$what"
        kill -0 "$engine" 2>/dev/null || give_up "$what: the engine has ended"
        sleep 0.05
    done
}

says() { grep -qi -- "$1" "$work/log"; }
yes_of() { [ "$(sql "$@")" = t ]; }

# The engine and the clients are the role "runner", which owns the database.
submit()
{
    n=$((n + 1))
    timeout 3 "$tasker" submit "$here/chain.yaml" --context "{\"n\": $n}" --identity-strategy hash --db "$uri" >/dev/null 2>"$work/said"
}

# client_gives_up REASON: a client waits for two seconds and says why; that it wrote nothing is true (late_is_not_there).
client_gives_up()
{
    timeout 20 "$tasker" submit crash/chain@1.0.0 --identity "late-$name" --database-timeout 2 --db "$uri" \
        >/dev/null 2>"$work/said"
    [ $? -eq 75 ] && grep -q "still trying:.*$1" "$work/said" &&
        grep -q "not taken it for 2 s, and nothing was written:.*$1" "$work/said" ||
        give_up "$name: a client gives up, and says why"
}

late_is_not_there()
{
    yes_of "$1" "$name" "SELECT count(*) = 0 FROM tasker_tasks WHERE identity_hash = 'late-$name'" ||
        give_up "$name: what was not written is there"
}

# begin NAME [TABLESPACE]: an empty database, an engine, forty tasks, and some of them have got somewhere.
begin()
{
    name=$1
    uri="postgresql://runner@/$name?host=$server${3:-}"
    sql "$server" postgres "CREATE DATABASE $name OWNER runner TABLESPACE ${2:-pg_default}" || give_up "$name: no database"
    : >"$RUNS"
    n=0
    while [ $n -lt 40 ]; do submit || give_up "$name: a task is submitted"; done
    "$tasker" start --db "$uri" --lease 1 --concurrency 4 --name "$name" >"$work/log" 2>&1 </dev/null &
    engine=$!
    eventually "$name: steps are done" yes_of "$server" "$name" "SELECT count(*) > 15 FROM tasker_workflow_steps WHERE processed"
}

# end FOLDER: what must be true when it is over.
end()
{
    eventually "$name: every task is complete" \
        yes_of "$1" "$name" "SELECT count(*) FILTER (WHERE complete) = count(*) AND count(*) >= 40 FROM tasker_tasks"
    "$tasker" db verify --db "$uri" >"$work/said" 2>&1 || give_up "$name: the rows are sound"
    kill "$engine" && wait "$engine" || give_up "$name: the engine stops in order"
    engine=
}

# No run of a step began after the row of its success was written; 5 ms is what the clocks may differ by.
none_after_success()
{
    sql "$server" "$name" "SELECT s.task_id || '/' || n.name || ' ' || (extract(epoch FROM x.created_at) * 1e9)::bigint
        FROM tasker_workflow_step_transitions x JOIN tasker_workflow_steps s USING (workflow_step_id)
        JOIN tasker_named_steps n USING (named_step_id) WHERE x.to_state = 'complete'" >"$work/done"
    late=$(awk 'NR == FNR { done[$1] = $2; next } { key = $1; sub("^[^/]*/", "", key)
        if (!(key in done) || $4 > done[key] + 5e6) print }' "$work/done" "$RUNS" | head -n 3)
    [ -s "$work/done" ] && [ -z "$late" ] || give_up "$name: a handler ran after its success: $late"
}

cut_sessions()
{
    sql "$server" postgres "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE datname = '$name' AND usename = 'runner'" >/dev/null
}

# ---- the kinds

server_away()
{
    begin away
    "$top/tools/postgres" stop "$server" -m fast
    eventually "the engine says that the server is away" says "still trying: no connection to the database"
    submit && give_up "a task is accepted without a database"
    grep -q "no connection to the database" "$work/said" || give_up "a client is told that there is no database"
    n=$((n - 1))
    sleep 2.5 # longer than the lease, and than another one
    "$top/tools/postgres" start "$server" >/dev/null
    submit || give_up "the same task is accepted afterwards"
    eventually "the engine says that the server is back" says "the database is back"
    end "$server"
    none_after_success
    ok "a server that is away for longer than the lease: all goes on, no handler ran after its success"
}

restarted_at_once()
{
    begin restarted
    for _ in 1 2 3; do
        before=$(sql "$server" restarted "SELECT count(*) FROM tasker_workflow_steps WHERE processed")
        "$top/tools/postgres" restart "$server" -m immediate
        eventually "steps are done after a restart" yes_of "$server" restarted \
            "SELECT count(*) > least(${before:-0} + 5, 199) FROM tasker_workflow_steps WHERE processed"
    done
    end "$server"
    none_after_success
    ok "three immediate restarts: no commit is lost or done twice, no handler ran after its success"
}

no_connections()
{
    begin crowded
    sql "$server" postgres "ALTER DATABASE crowded CONNECTION LIMIT 0"
    cut_sessions
    eventually "the engine says that there are too many connections" says "still trying:.*too many connections"
    sql "$server" postgres "ALTER DATABASE crowded CONNECTION LIMIT -1"
    end "$server"
    none_after_success
    ok "no connection is left: the engine says so and waits, no handler ran after its success"
}

read_only()
{
    begin readonly
    sql "$server" postgres "ALTER DATABASE readonly SET default_transaction_read_only = on"
    cut_sessions
    eventually "the engine says that the database is read-only" says "still trying:.*read-only"
    client_gives_up "read-only"
    sql "$server" postgres "ALTER DATABASE readonly RESET default_transaction_read_only"
    cut_sessions
    end "$server"
    late_is_not_there "$server"
    none_after_success
    ok "a read-only database: the engine says so and waits, no handler ran after its success"
}

disk_full()
{
    mkdir "$disk" && mount -t tmpfs -o size=96m,mode=0777 tmpfs "$disk" 2>"$work/said" ||
        { ok "a full disk # SKIP no right to mount one"; return; }
    mkdir "$disk/space" && chown --reference="$server/data" "$disk/space"
    sql "$server" postgres "CREATE TABLESPACE small LOCATION '$disk/space'" || give_up "a tablespace on the small disk"
    sql "$server" postgres "GRANT CREATE ON TABLESPACE small TO runner"
    begin fulldisk small
    dd if=/dev/zero of="$disk/filler" bs=64k 2>/dev/null
    # Clients wait for room as engines do; here each of them waits three seconds, and the last in vain.
    while submit; do [ $n -lt 3000 ] || give_up "the disk is not full"; done
    eventually "the engine says that the disk is full" says "still trying:.*No space left"
    client_gives_up "No space left"
    rm "$disk/filler"
    end "$server"
    late_is_not_there "$server"
    none_after_success
    sql "$server" postgres "DROP DATABASE fulldisk WITH (FORCE)"
    sql "$server" postgres "DROP TABLESPACE small"
    umount "$disk"
    ok "a full disk: the engine says so and waits, nothing is lost, no handler ran after its success"
}

# as_server COMMAND...: as the owner of the server's files.
as_server()
{
    if [ "$(id -u)" = 0 ]; then
        owner=$(stat -c %U "$server/data")
        (cd / && setpriv --reuid "$owner" --regid "$(id -g "$owner")" --clear-groups "$@")
    else
        "$@"
    fi
}

failover()
{
    mkdir -p "$standby" && chown --reference="$server/data" "$standby" && chmod 755 "$work" "$standby"
    as_server "$bin/pg_basebackup" -R -c fast -X stream -D "$standby/data" -d "postgresql://tasker@/postgres?host=$server" \
        >"$work/said" 2>&1 || give_up "a standby is made"
    echo "unix_socket_directories = '$standby'" >>"$standby/data/postgresql.conf"
    "$top/tools/postgres" start "$standby" >/dev/null
    begin failover pg_default ",$standby"
    eventually "the standby follows" yes_of "$standby" failover "SELECT count(*) > 20 FROM tasker_workflow_steps WHERE processed"
    # From here on the standby gets nothing more; a hundred commits are confirmed that it will never have.
    sql "$standby" postgres "ALTER SYSTEM SET primary_conninfo = ''" && sql "$standby" postgres "SELECT pg_reload_conf()" >/dev/null
    has=$(sql "$standby" failover "SELECT count(*) FROM tasker_workflow_steps WHERE processed")
    eventually "the primary is ahead" yes_of "$server" failover \
        "SELECT count(*) >= $has + 40 FROM tasker_workflow_steps WHERE processed"
    "$top/tools/postgres" stop "$server" -m immediate
    sql "$standby" postgres "SELECT pg_promote()" >/dev/null
    end "$standby"
    again=$(cut -d ' ' -f 1 "$RUNS" | sort | uniq -d | wc -l)
    [ "$again" -ge 1 ] || give_up "a step whose success was lost runs again"
    says "commits are lost, steps may run again: the database went back in time" || give_up "the engine says that commits are lost"
    [ "$(cut -d ' ' -f 1 "$RUNS" | sort -u | wc -l)" -eq 200 ] || give_up "every step ran under one key"
    ok "a failover that lost commits: the steps whose success it lost ran again under the same key, all is complete"
}

sql "$server" postgres "CREATE ROLE runner LOGIN" || give_up "a role"
for kind in ${KINDS:-server_away restarted_at_once no_connections read_only disk_full failover}; do $kind; done
