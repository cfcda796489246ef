#!/bin/sh
# SPDX-License-Identifier: MIT
# The command line is the same on PostgreSQL.
. "$(dirname "$0")/server.sh"
new_database commands
CLI_DATABASE=$TASKER_DATABASE_URL "$here/../commands.sh"
