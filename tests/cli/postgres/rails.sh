#!/bin/sh
# SPDX-License-Identifier: MIT
# Tasks of the Rails engine in its own database.
. "$(dirname "$0")/server.sh"
new_database rails
CLI_DATABASE=$TASKER_DATABASE_URL "$here/../rails.sh"
