#!/bin/sh
# SPDX-License-Identifier: MIT
# readme.sh BUILD: runs the shell blocks of README.md, in order, as one script, and looks at what came of it.
set -u
cd "$(dirname "$0")/../.." || exit 1
build=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
failed=0

# check NAME PATTERN: one case; the pattern must be in what the blocks printed.
check()
{
    if grep -Eq "$2" "$work/out"; then
        echo "ok - $1"
    else
        echo "not ok - $1"
        failed=1
    fi
}

awk '/^```sh$/ { inside = 1; next } /^```/ { inside = 0 } inside' README.md >"$work/script"
# The folder of the build may be another one here; mktemp makes the reader's folder inside ours.
if BUILD=$build PATH=$build:$PATH TMPDIR=$work sh -eu "$work/script" >"$work/out" 2>&1; then
    echo "ok - the README's commands run"
else
    echo "not ok - the README's commands run (exit $?)"
    failed=1
fi
check "the demo ends every order" '^300 orders in .*: 263 complete, 37 failed for good'
check "the demo charges nobody twice" 'none was charged twice'
check "the template is valid" 'valid: default/report@0.1.0'
check "the first task is complete after a retry" 'task 1: complete'
check "the task without a text failed" 'blocked by failed step (count_words|find_longest)'
check "and is explained" 'failed for good after 3 of 3 attempts'
check "the program's log is shown" 'jq: error'
check "the settled task is complete" '^state +complete'
[ $failed -eq 0 ] || sed 's/^/# /' "$work/out"
exit $failed
