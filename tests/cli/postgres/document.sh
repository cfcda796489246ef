#!/bin/sh
# SPDX-License-Identifier: MIT
# Tasks as documents from PostgreSQL to SQLite.
. "$(dirname "$0")/server.sh"
new_database document
CLI_DATABASE=$TASKER_DATABASE_URL "$here/../document.sh"
