#!/bin/sh
# SPDX-License-Identifier: MIT
# installed.sh BUILD: installs into a folder of its own, builds the examples against what was installed, with the shared
# and with the static library, and runs them.
set -u
cd "$(dirname "$0")/../.."
build=$1
work=$(mktemp -d)
jobs=
failed=0

finish()
{
    # shellcheck disable=SC2086
    [ -z "$jobs" ] || kill -9 $jobs 2>/dev/null
    wait
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

# passes NAME COMMAND...: one case.
passes()
{
    name=$1
    shift
    if "$@" >"$work/out" 2>&1; then
        echo "ok - $name"
    else
        echo "not ok - $name"
        sed 's/^/# /' "$work/out" | tail -n 30
        failed=1
    fi
}

says() { "$@" >"$work/said" 2>&1; status=$?; cat "$work/said"; [ $status -eq 0 ] && grep -q "$pattern" "$work/said"; }

# eventually N COMMAND...: until its answer lists N tasks, at most ten seconds.
eventually()
{
    want=$1
    shift
    for _ in $(seq 100); do
        [ "$("$@" | jq '.tasks | length')" = "$want" ] && return
        sleep 0.1
    done
    "$@"
    return 1
}

passes "everything installs" env DESTDIR="$work/root" meson install -C "$build" --no-rebuild --quiet
pc=$(dirname "$(find "$work/root" -name tasker.pc)")
prefix=$(cd "$(dirname "$(find "$work/root" -name tasker.h)")/.." && pwd)
export PKG_CONFIG_PATH="$pc"
LD_LIBRARY_PATH=$(cd "$pc/.." && pwd)
export LD_LIBRARY_PATH
tasker=$prefix/bin/tasker

pattern=$(tools/version)
passes "the installed binary starts" says "$tasker" version
passes "pkg-config knows the version" says pkg-config --modversion tasker
for page in man1/tasker.1 man5/tasker.5 man3/libtasker.3; do
    passes "$page is installed" test -s "$prefix/share/man/$page"
done
passes "the examples build with the shared library" make -s -C examples/c OUT="$work" CFLAGS="-O2 -Wall -Wextra -Werror"
mkdir "$work/static"
passes "the examples build with the static library" make -s -C examples/c OUT="$work/static" STATIC=1
pattern=libtasker.so.0
passes "the shared library has a versioned name" says sh -c "readelf -d $work/embedded | grep NEEDED"

cat >"$work/plus.cc" <<'CC'
#include <tasker.h>
#include <cstdio>
int main()
{
    tasker *t = nullptr;
    tasker_error err;
    if (tasker_open("sqlite::memory:", nullptr, &t, &err) < 0)
        return 1;
    tasker_close(t);
    return std::puts(tasker_version()) < 0;
}
CC
# shellcheck disable=SC2046
passes "a C++ program builds" g++ -std=c++11 -pedantic -Wall -Wextra -Werror $(pkg-config --cflags tasker) -o "$work/plus" \
    "$work/plus.cc" $(pkg-config --libs tasker)
pattern=$(tools/version)
passes "a C++ program runs" says "$work/plus"

for kind in . static; do
    pattern='^task [0-9]*: complete$'
    passes "the embedded engine finishes its task ($kind)" says "$work/$kind/embedded" "$work/embedded.db" examples/c/greeting.yaml Ada
    passes "and tried the failed step again ($kind)" grep '^deliver, attempt 2 of 3$' "$work/said"
done

# An engine that knows no handler lends its steps to two workers.
db=sqlite:$work/lent.db
printf '{"name": "a"}\n{"name": "b"}\n{"name": "c"}\n' >"$work/names"
passes "tasks are submitted" "$tasker" --db "$db" submit examples/c/greeting.yaml --context-lines "$work/names"
timeout 30 "$work/worker" "$work/lent.db" 3 >"$work/worker1" 2>&1 &
jobs="$jobs $!"
one=$!
timeout 30 "$work/static/worker" "$work/lent.db" 3 >"$work/worker2" 2>&1 &
jobs="$jobs $!"
two=$!
"$tasker" --db "$db" start >"$work/engine" 2>&1 &
jobs="$jobs $!"
engine=$!
passes "the first worker serves three steps" wait "$one"
passes "the second worker serves three steps" wait "$two"
passes "all tasks become complete" eventually 3 "$tasker" --db "$db" --json task list --state complete
kill "$engine"
passes "the engine stops when it is told to" wait "$engine"
jobs=

pattern='"event": *"task.completed"'
passes "the subscriber reads the log" says "$work/subscriber" "$work/lent.db" 'task.*'
passes "with one end for each task" test "$(grep -c "$pattern" "$work/said")" -eq 3
cursor=$(tail -n 1 "$work/said" | jq -r .cursor)
passes "and nothing behind its last cursor" test -z "$("$work/subscriber" "$work/lent.db" 'task.*' "$cursor")"
exit $failed
