#!/bin/sh
# SPDX-License-Identifier: MIT
# Outages of PostgreSQL, one kind after the other, while an engine works: the server away for longer than the lease,
# restarted at once, with a session that stands still, without a free connection (by a limit, or because others took them all), read-only, on a full disk,
# with a full disk of its WAL, without its synchronous standby; a pooler that is restarted; a failover to a synchronous
# standby, and one to an asynchronous standby that has lost commits; and one that begins while many programs with large
# results run. Nothing is restarted but the server: the engine says what is wrong, waits, and goes on by itself. Then every
# task is complete, the rows are sound, and no handler ran after its success, but for what the failover lost.
#
# Besides the engine, `tasker start`, there is a driver: an engine that a program embeds (crash-part drive), with tasks of its
# own, which writes down the events that it is told and what engine.status says.
#
# Run it by `tools/postgres run`. TASKER: the binary, crash-part in tests/ beside it. KINDS: only these (all).
set -u
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../../.." && pwd)
tasker=${TASKER:-$top/build/tasker}
: "${TASKER_TEST_POSTGRESQL:?is the URI of a server: tools/postgres run $0}"
server=$TASKER_TEST_POSTGRESQL_DIR
bin=$TASKER_TEST_POSTGRESQL_BIN
psql=$(command -v psql || ls /usr/lib/postgresql/*/bin/psql | tail -n 1)
PATH=$(cd "$(dirname "$tasker")/tests" && pwd):$PATH
work=$(mktemp -d /tmp/tasker-outage.XXXXXX)
standby=$work/standby
disk=$server/disk
wal=$server/wal
bouncer=$work/bouncer
engine=
drivers=
takers=
client=
n=0
export RUNS="$work/runs" GO="$work/go" LEASE=1 LANES=1

finish()
{
    # shellcheck disable=SC2086
    [ -z "$engine$drivers$client" ] || kill -9 $engine $drivers $client 2>/dev/null
    give_slots_back
    wait
    stop_bouncer KILL
    [ ! -d "$standby/data" ] || "$top/tools/postgres" stop "$standby" -m immediate
    for mounted in "$disk" "$wal"; do ! mountpoint -q "$mounted" || umount -l "$mounted"; done
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

ok() { echo "ok - $1"; }

give_up()
{
    echo "not ok - $1"
    { cat "$work/said" "$work"/events.* "$work"/status.*; tail -n 20 "$work/log"; tail -n 10 "$server/log"; } 2>&1 | sed 's/^/# /'
    exit 1
}

# sql FOLDER DATABASE QUERY: as superuser, who may write to a read-only database and finds a connection in a full one.
sql()
{
    PGOPTIONS='-c default_transaction_read_only=off' "$psql" -XAtq -v ON_ERROR_STOP=1 \
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
# The driver's engine.status says now that it is cut off, and why.
status_says()
{
    grep -q '"connected":false' "$work/status.drive" && grep -qi "\"last_error\":\".*$1.*\"last_error_at\"" "$work/status.drive"
}
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

# said_by_all REASON: the engine, and the driver's status, name the reason while the outage lasts.
said_by_all()
{
    eventually "the engine says: $1" says "still trying:.*$1"
    eventually "engine.status says: $1" status_says "$1"
}

# health_fails REASON: who asks the database for its health hears the same.
health_fails()
{
    timeout 5 "$tasker" health --db "$uri" >"$work/said" 2>&1 && give_up "health is fine during the outage"
    grep -qi -- "$1" "$work/said" || give_up "health says: $1"
}

# Nobody can renew a lease: health answers, and says so.
engines_are_late()
{
    "$tasker" health --db "$uri" --json >"$work/said" && grep -q '"alive":false' "$work/said" && ! grep -q '"alive":true' "$work/said"
}

standby_is_named()
{
    "$tasker" health --db "$uri" --json >"$work/said" && grep -q '"standby_wait":{"commits":[1-9]' "$work/said"
}

# drive NAME [idle]: one more driver.
drive()
{
    : >"$work/events.$1"
    EVENTS=$work/events.$1 STATUS=$work/status.$1 crash-part drive "$uri" "$@" 2>"$work/$1.log" </dev/null &
    drivers="$drivers $!"
    eventually "$1 is connected" grep -q '"connected":true' "$work/status.$1"
}

# told NAME LOST: the driver NAME was told of outages as docs/events.md says, and LOST (none or some) commits;
# nothing: nothing at all.
told()
{
    awk -f "$here/told.awk" -v engine="$1" -v went="$2" "$work/events.$1" >"$work/said"
    [ ! -s "$work/said" ] || give_up "$name: $1 is told of what happens"
}

# create NAME [TABLESPACE [HOST]]: an empty database.
create()
{
    name=$1
    uri="postgresql://runner@/$name?host=${3:-$server}"
    sql "$server" postgres "CREATE DATABASE $name OWNER runner TABLESPACE ${2:-pg_default}" || give_up "$name: no database"
    : >"$RUNS"
}

# start_engine CONCURRENCY
start_engine()
{
    "$tasker" start --db "$uri" --lease "$LEASE" --concurrency "$1" --name "$name" >"$work/log" 2>&1 </dev/null &
    engine=$!
}

# begin NAME [TABLESPACE [HOST]]: a database, an engine, a driver, forty tasks, and some of them have got somewhere.
begin()
{
    create "$@"
    n=0
    while [ $n -lt 40 ]; do submit || give_up "$name: a task is submitted"; done
    "$tasker" register "$here/claimed.yaml" --db "$uri" >"$work/said" 2>&1 || give_up "$name: a template"
    start_engine 4
    drive drive
    eventually "$name: steps are done" yes_of "$server" "$name" "SELECT count(*) > 15 FROM tasker_workflow_steps WHERE processed"
}

# end FOLDER [LOST]: what must be true when it is over; LOST as of `told`, otherwise none.
end()
{
    eventually "$name: the driver is connected again" grep -q '"connected":true' "$work/status.drive"
    # shellcheck disable=SC2086
    kill -USR1 $drivers
    eventually "$name: every task is complete" \
        yes_of "$1" "$name" "SELECT count(*) FILTER (WHERE complete) = count(*) AND count(*) > 40 FROM tasker_tasks"
    for pid in $drivers; do
        kill "$pid" && wait "$pid" || give_up "$name: a driver stops in order"
    done
    drivers=
    told drive "${2:-none}"
    "$tasker" db verify --db "$uri" >"$work/said" 2>&1 || give_up "$name: the rows are sound"
    kill "$engine" && wait "$engine" || give_up "$name: the engine stops in order"
    engine=
}

# none_after_success [FOLDER]: no run of a step began after the row of its success was written; 5 ms is what the clocks may
# differ by.
none_after_success()
{
    sql "${1:-$server}" "$name" "SELECT s.task_id || '/' || n.name || ' ' || (extract(epoch FROM x.created_at) * 1e9)::bigint
        FROM tasker_workflow_step_transitions x JOIN tasker_workflow_steps s USING (workflow_step_id)
        JOIN tasker_named_steps n USING (named_step_id) WHERE x.to_state = 'complete'" >"$work/done"
    late=$(awk 'NR == FNR { done[$1] = $2; next } { key = $1; sub("^[^/]*/", "", key)
        if (!(key in done) || $4 > done[key] + 5e6) print }' "$work/done" "$RUNS" | head -n 3)
    [ -s "$work/done" ] && [ -z "$late" ] || give_up "$name: a handler ran after its success: $late"
}

# set_server NAME VALUE: a setting that takes effect without a restart.
set_server()
{
    sql "$server" postgres "ALTER SYSTEM SET $1 = '$2'" && sql "$server" postgres "SELECT pg_reload_conf()" >/dev/null ||
        give_up "a setting of the server: $1"
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
    LANES=3 # each of them notices, and the engine tells of it once
    drive idle idle
    LANES=1
    "$top/tools/postgres" stop "$server" -m fast
    said_by_all "no connection to the database"
    health_fails "no connection to the database"
    submit && give_up "a task is accepted without a database"
    grep -q "no connection to the database" "$work/said" || give_up "a client is told that there is no database"
    n=$((n - 1))
    sleep 2.5 # longer than the lease, and than another one
    "$top/tools/postgres" start "$server" >/dev/null
    submit || give_up "the same task is accepted afterwards"
    eventually "the engine says that the server is back" says "the database is back"
    end "$server"
    told idle none
    none_after_success
    ok "a server that is away for longer than the lease: all goes on, no handler ran after its success"
}

# kilobytes MEMBER: of the engine's memory: VmRSS, or VmHWM, the most that it ever was.
kilobytes() { sed -n "s/^$1:[^0-9]*\([0-9]*\) kB/\1/p" "/proc/$engine/status"; }
grown_by() { [ $(($(kilobytes VmRSS) - before)) -ge "$1" ]; }
ran() { [ "$(grep -c /only "$RUNS")" -eq "$1" ]; }
no_programs() { [ -z "$(cat /proc/"$engine"/task/*/children)" ]; }

# As many programs as there are places run when the server goes away, and each then gives 700 kB. As many wait for a place.
results_ready()
{
    places=32
    kept=$((places * 700000 / 1024))
    create ready
    rm -f "$GO"
    seq $((2 * places)) | sed 's/.*/{"n": &}/' >"$work/contexts"
    "$tasker" register "$here/big.yaml" --db "$uri" >"$work/said" 2>&1 &&
        "$tasker" submit crash/big@1.0.0 --db "$uri" --context-lines "$work/contexts" >"$work/said" 2>&1 || give_up "ready: tasks"
    start_engine $places
    eventually "all places are taken" ran $places
    before=$(kilobytes VmRSS)
    "$top/tools/postgres" stop "$server" -m immediate
    eventually "the engine says that the server is away" says "still trying:"
    touch "$GO"
    eventually "the programs end" no_programs
    eventually "the results are kept" grown_by $((kept * 9 / 10))
    then=$(kilobytes VmRSS)
    sleep 3 # it tries more than once
    [ $(($(kilobytes VmRSS) - then)) -lt 2000 ] || give_up "what is tried again takes no memory: $(kilobytes VmRSS) kB, $then before"
    [ $(($(kilobytes VmHWM) - before)) -lt $((kept * 2)) ] || give_up "the results are kept once: $(kilobytes VmHWM) kB, $before before"
    ran $places || give_up "nothing is handed out during the outage"
    "$top/tools/postgres" start "$server" >/dev/null
    eventually "every result is written" yes_of "$server" ready "SELECT count(*) = 2 * $places FROM tasker_workflow_steps
        WHERE processed AND length(results->>'text') = 699999"
    kill "$engine" && wait "$engine" || give_up "ready: the engine stops in order"
    engine=
    ran $((2 * places)) || give_up "every step ran once"
    ok "results that are ready during an outage are kept, as many as there are places, and each step runs once"
}

restarted_at_once()
{
    begin restarted
    while :; do submit || :; done & # so that commits which break claim tasks, too
    client=$!
    for _ in 1 2 3; do
        before=$(sql "$server" restarted "SELECT count(*) FROM tasker_workflow_steps WHERE processed")
        "$top/tools/postgres" restart "$server" -m immediate
        eventually "steps are done after a restart" yes_of "$server" restarted \
            "SELECT count(*) > ${before:-0} + 5 FROM tasker_workflow_steps WHERE processed"
    done
    kill "$client" && wait "$client" 2>/dev/null
    client=
    end "$server"
    none_after_success
    again=$(cut -d ' ' -f 1 "$RUNS" | sort | uniq -d | head -n 3)
    [ -z "$again" ] || give_up "restarted: a handler ran twice: $again"
    ok "three immediate restarts: no commit is lost or done twice, and every handler ran once"
}

# The session of a client's lane stands still, in the middle of nothing: only the client's own patience ends it.
silent()
{
    begin silent
    mkfifo "$work/context"
    sql "$server" postgres "SELECT max(backend_start) FROM pg_stat_activity" >"$work/before"
    timeout 30 "$tasker" submit crash/chain@1.0.0 --context - --identity late-silent --database-timeout 1 --db "$uri" \
        <"$work/context" >"$work/client" 2>&1 &
    client=$!
    exec 8>"$work/context"
    rm "$work/context"
    eventually "silent: a client opens the database" yes_of "$server" postgres "SELECT count(*) = 2 FROM pg_stat_activity
        WHERE backend_start > '$(cat "$work/before")' AND usename = 'runner' AND state = 'idle'"
    stopped=$(sql "$server" postgres "SELECT pid FROM pg_stat_activity WHERE backend_start > '$(cat "$work/before")' AND
        usename = 'runner' ORDER BY backend_start LIMIT 1")
    kill -STOP "$stopped"
    since=$(date +%s)
    echo '{}' >&8
    exec 8>&-
    wait "$client"
    code=$?
    client=
    kill -CONT "$stopped"
    cp "$work/client" "$work/said"
    [ $code -eq 75 ] && [ $(($(date +%s) - since)) -le 12 ] && grep -q "still trying: the database does not answer" "$work/said" &&
        grep -q "not taken it for 1 s, and whether it was written is not known: it does not answer" "$work/said" ||
        give_up "silent: a client gives up, and does not say more than it knows"
    submit_late || submit_late || give_up "silent: it is submitted again"
    end "$server" nothing
    yes_of "$server" silent "SELECT count(*) = 1 FROM tasker_tasks WHERE identity_hash = 'late-silent'" ||
        give_up "silent: what is submitted again by its identity is there once"
    none_after_success
    ok "a session that stands still: a client gives up in doubt, and submits the task again by its identity"
}

submit_late()
{
    timeout 10 "$tasker" submit crash/chain@1.0.0 --identity late-silent --if-exists return --db "$uri" >/dev/null 2>"$work/said"
}

no_connections()
{
    begin crowded
    sql "$server" postgres "ALTER DATABASE crowded CONNECTION LIMIT 0"
    cut_sessions
    said_by_all "too many connections"
    health_fails "too many connections"
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
    said_by_all "read-only"
    eventually "health says that the engines' leases are over" engines_are_late
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
    # After a vacuum of the catalogue nobody can connect to a full disk: the server then writes a file for each connection.
    set_server autovacuum off
    begin fulldisk small
    dd if=/dev/zero of="$disk/filler" bs=64k 2>/dev/null
    # Clients wait for room as engines do; here each of them waits three seconds, and the last in vain.
    while submit; do [ $n -lt 3000 ] || give_up "the disk is not full"; done
    said_by_all "No space left"
    client_gives_up "No space left"
    rm "$disk/filler"
    end "$server"
    late_is_not_there "$server"
    none_after_success
    sql "$server" postgres "DROP DATABASE fulldisk WITH (FORCE)"
    sql "$server" postgres "DROP TABLESPACE small"
    set_server autovacuum on
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

# give_slots_back: the sessions that hold all connections end. (A server does not notice that a client is gone that it has
# nothing to say to.)
give_slots_back()
{
    [ -n "$takers" ] || return
    sql "$server" postgres "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)'" >/dev/null
    # shellcheck disable=SC2086
    kill $takers 2>/dev/null
    takers=
}

# take_slots: a few more sessions that only hold their connection; those that find none end.
take_slots()
{
    for _ in 1 2 3 4 5 6; do
        "$psql" -XAtq -d "postgresql://runner@/postgres?host=$server" -c "SELECT pg_sleep(600)" </dev/null >/dev/null 2>&1 &
        takers="$takers $!"
    done
}

slots_taken()
{
    set_server max_connections 20
    "$top/tools/postgres" restart "$server" -m fast
    begin slots
    i=0
    until says "still trying:.*remaining connection slots" && status_says "remaining connection slots"; do
        i=$((i + 1))
        [ $i -lt 60 ] || give_up "the engines say that all connections are taken"
        take_slots
        cut_sessions
        sleep 0.2
    done
    health_fails "remaining connection slots"
    give_slots_back
    end "$server"
    none_after_success
    set_server max_connections 100
    "$top/tools/postgres" restart "$server" -m fast
    ok "others took all connections but the superuser's: the engine says so, and goes on when one is free"
}

start_bouncer()
{
    as_server "$pgbouncer" -q -d "$bouncer/ini" >"$work/said" 2>&1 || give_up "a pooler starts"
}

# stop_bouncer SIGNAL: and waits until it is gone.
stop_bouncer()
{
    pid=$(cat "$bouncer/pid" 2>/dev/null) || return 0
    kill -s "$1" "$pid"
    while kill -0 "$pid" 2>/dev/null; do sleep 0.02; done
    rm -f "$bouncer/pid"
}

pooler_restarted()
{
    pgbouncer=$(command -v pgbouncer || command -v /usr/sbin/pgbouncer) || { ok "a pooler # SKIP there is no pgbouncer"; return; }
    mkdir -p "$bouncer" && chown --reference="$server/data" "$bouncer" && chmod 755 "$work" "$bouncer"
    echo '"runner" ""' >"$bouncer/users"
    cat >"$bouncer/ini" <<TEXT
[databases]
* = host=$server
[pgbouncer]
listen_port = 5432
unix_socket_dir = $bouncer
auth_type = trust
auth_file = $bouncer/users
server_login_retry = 1
pool_mode = transaction
logfile = $bouncer/log
pidfile = $bouncer/pid
TEXT
    start_bouncer
    begin pooled pg_default "$bouncer"
    for signal in TERM KILL; do
        before=$(sql "$server" pooled "SELECT count(*) FROM tasker_workflow_steps WHERE processed")
        stop_bouncer $signal
        said_by_all "no connection to the database"
        health_fails "no connection to the database"
        start_bouncer
        eventually "steps are done after the pooler's restart" yes_of "$server" pooled \
            "SELECT count(*) > least(${before:-0} + 5, 199) FROM tasker_workflow_steps WHERE processed"
    done
    "$top/tools/postgres" restart "$server" -m immediate # and the pooler stays
    end "$server"
    none_after_success
    stop_bouncer TERM
    ok "a pooler that is stopped, killed, and loses its server: all goes on, no handler ran after its success"
}

# move_wal FROM TO: of a server that is stopped; its data folder gets a link.
move_wal()
{
    cp -a "$1/." "$2/" && rm -rf "$server/data/pg_wal" && [ "$2" = "$server/data/pg_wal.new" ] && mv "$2" "$server/data/pg_wal" && return
    chown --reference="$server/data" "$2" && ln -s "$2" "$server/data/pg_wal"
}

wal_full()
{
    mkdir "$wal" && mount -t tmpfs -o size=80m tmpfs "$wal" 2>"$work/said" || { ok "a full WAL # SKIP no right to mount one"; return; }
    set_server max_wal_size 32MB
    set_server min_wal_size 32MB
    "$top/tools/postgres" stop "$server" -m fast
    move_wal "$server/data/pg_wal" "$wal"
    "$top/tools/postgres" start "$server" >/dev/null
    begin fullwal
    dd if=/dev/zero of="$wal/filler" bs=64k 2>/dev/null
    i=0
    while sql "$server" postgres "SELECT pg_switch_wal()" >/dev/null; do
        i=$((i + 1))
        [ $i -lt 50 ] || give_up "the disk of the WAL is not full"
        sleep 0.05
    done
    said_by_all "no connection to the database"
    health_fails "no connection to the database"
    grep -q "PANIC:.*No space left on device" "$server/log" || give_up "the server has panicked"
    rm "$wal/filler"
    "$top/tools/postgres" start "$server" >/dev/null
    end "$server"
    none_after_success
    "$top/tools/postgres" stop "$server" -m fast
    mkdir "$server/data/pg_wal.new" && chown --reference="$server/data" "$server/data/pg_wal.new"
    move_wal "$wal" "$server/data/pg_wal.new"
    umount "$wal"
    "$top/tools/postgres" start "$server" >/dev/null
    ok "a full disk of the WAL stops the server: nothing is lost once there is room, no handler ran after its success"
}

# begin_standby: the server gets a standby, which follows it.
begin_standby()
{
    mkdir -p "$standby" && chown --reference="$server/data" "$standby" && chmod 755 "$work" "$standby"
    as_server "$bin/pg_basebackup" -R -c fast -X stream -D "$standby/data" -d "postgresql://tasker@/postgres?host=$server" \
        >"$work/said" 2>&1 || give_up "a standby is made"
    echo "unix_socket_directories = '$standby'" >>"$standby/data/postgresql.conf"
    "$top/tools/postgres" start "$standby" >/dev/null
}

# fail_over: the server is killed, and the standby is made the primary once everybody has noticed.
fail_over()
{
    "$top/tools/postgres" stop "$server" -m immediate
    said_by_all "no connection to the database.*session is read-only"
    health_fails "session is read-only"
    sql "$standby" postgres "SELECT pg_promote()" >/dev/null
}

drop_standby()
{
    "$top/tools/postgres" stop "$standby" -m immediate
    rm -rf "$standby"
    set_server synchronous_standby_names ''
}

# waits_for MILLISECONDS: the driver's turn, although it is connected.
waits_for() { [ "$(sed -n 's/.*"connected":true.*"waiting_ms":\([0-9]*\),.*/\1/p' "$work/status.drive")" -gt "$1" ]; }

# A commit waits for the standby, however long, and is neither given up nor ended by the other engine.
standby_away()
{
    begin_standby
    set_server synchronous_standby_names '*'
    begin alone
    "$top/tools/postgres" stop "$standby" -m fast
    eventually "the engine says that the database does not answer" says "still trying: the database does not answer"
    eventually "engine.status says how long" waits_for 3000
    eventually "health says that the engines' leases are over" engines_are_late
    eventually "health says what is waited for" standby_is_named
    "$top/tools/postgres" start "$standby" >/dev/null
    eventually "the engine says that it goes on" says "the database is back"
    end "$server" nothing
    none_after_success
    drop_standby
    ok "a synchronous standby that is away: the engine waits with its commit and goes on, no handler ran after its success"
}

failover_in_step()
{
    begin_standby
    set_server synchronous_standby_names '*'
    begin instep pg_default "$server,$standby"
    eventually "the standby is synchronous" yes_of "$server" postgres \
        "SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'"
    fail_over
    end "$standby"
    none_after_success "$standby"
    yes_of "$standby" instep "SELECT count(*) = 40 FROM tasker_tasks WHERE context ? 'n'" || give_up "every task that was answered is there"
    grep "is lost" "$work/drive.log" >"$work/said" && give_up "no task of the driver's is lost"
    "$top/tools/postgres" start "$server" >/dev/null
    drop_standby
    ok "a failover to a synchronous standby: nothing that was answered is lost, no handler ran after its success"
}

# submit_many: a hundred tasks; their ids go to the file "ids".
submit_many()
{
    seq 100 | sed 's/.*/{"n": &}/' >"$work/contexts"
    "$tasker" submit crash/claimed@1.0.0 --db "$uri" --context-lines "$work/contexts" >>"$work/ids" 2>"$work/said" || give_up "tasks"
}

failover()
{
    begin_standby
    # Nobody takes another engine over before that one is connected again, which takes two seconds at most: a row that was
    # taken over is gone, and can not tell that it went back.
    LEASE=4
    begin failover pg_default "$server,$standby"
    eventually "the standby follows" yes_of "$standby" failover "SELECT count(*) > 20 FROM tasker_workflow_steps WHERE processed"
    # From here on the standby gets nothing more; a hundred commits are confirmed that it will never have.
    sql "$standby" postgres "ALTER SYSTEM SET primary_conninfo = ''" && sql "$standby" postgres "SELECT pg_reload_conf()" >/dev/null
    has=$(sql "$standby" failover "SELECT count(*) FROM tasker_workflow_steps WHERE processed")
    eventually "the primary is ahead" yes_of "$server" failover \
        "SELECT count(*) >= $has + 40 FROM tasker_workflow_steps WHERE processed"
    : >"$work/ids"
    submit_many
    fail_over
    submit_many # whether or not the engines have noticed
    eventually "the driver is told what happened" grep -q went_back "$work/events.drive"
    end "$standby" some
    grep -v '/only ' "$RUNS" | cut -d ' ' -f 1 | sort >"$work/keys" # the driver's tasks may have been lost as a whole
    [ "$(uniq -d "$work/keys" | wc -l)" -ge 1 ] || give_up "a step whose success was lost runs again"
    sort "$work/ids" | uniq -d >"$work/said"
    [ ! -s "$work/said" ] || give_up "no id of a task that is lost is given to another"
    says "commits are lost, steps may run again: the database went back in time" || give_up "the engine says that commits are lost"
    [ "$(uniq "$work/keys" | wc -l)" -eq 200 ] || give_up "every step ran under one key"
    ok "a failover that lost commits: the steps whose success it lost ran again under the same key, all is complete"
}

sql "$server" postgres "CREATE ROLE runner LOGIN" || give_up "a role"
all="server_away results_ready restarted_at_once silent no_connections slots_taken read_only disk_full wal_full pooler_restarted
    standby_away failover_in_step failover"
for kind in ${KINDS:-$all}; do $kind; done
