#!/bin/sh
# SPDX-License-Identifier: MIT
# A database that the Rails engine's migrations made: whatever is migrated, everything of it stays as it was, byte for byte,
# rows included; and what is ours can be taken away without asking it.
#
# The likeness has all tables and indexes of the Rails engine; functions and view with other texts than ours, other
# storage parameters, a column and an index of somebody's own, and a task that is under way there.
. "$(dirname "$0")/databases.sh"

# without_ours FILE: the database that is there, dumped after all that is ours was dropped from a copy. Nothing cascades.
without_ours()
{
    database=$(rows "SELECT current_database()")
    sql "DROP DATABASE IF EXISTS without_ours" 2>/dev/null
    sql "CREATE DATABASE without_ours TEMPLATE $database"
    drops=$(ask_sql without_ours "SELECT format('DROP TABLE %I;', tablename) FROM pg_tables WHERE tablename LIKE 'tasker\_core\_%'
        UNION ALL SELECT format('DROP FUNCTION %s;', oid::regprocedure) FROM pg_proc WHERE proname LIKE 'tasker\_core\_%'")
    ask_sql without_ours "$drops" || not_ok "what is ours can be dropped"
    (TASKER_DATABASE_URL=$(uri_of without_ours) && dump) >"$1" || exit
}

# become_theirs: the database that is there becomes one that the Rails engine made.
become_theirs()
{
    rows "SET client_min_messages = warning;
        DROP INDEX IF EXISTS tasker_core_task_states, tasker_core_step_states;
        ALTER TABLE tasker_tasks RESET (fillfactor);
        ALTER TABLE tasker_workflow_steps RESET (fillfactor);
        ALTER TABLE tasker_tasks ADD COLUMN desk text DEFAULT 'front';
        CREATE INDEX desks ON tasker_tasks (desk);
        COMMENT ON TABLE tasker_tasks IS 'of the application';
        CREATE VIEW desk_tasks AS SELECT desk, task_id FROM tasker_tasks;
        DO \$\$ DECLARE f oid; BEGIN
         FOR f IN SELECT oid FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND proname NOT LIKE 'tasker\_core\_%' LOOP
          EXECUTE replace(pg_get_functiondef(f), 'AS \$function\$', E'AS \$function\$\n -- the text of its own migration\n');
         END LOOP;
         EXECUTE 'CREATE OR REPLACE VIEW tasker_step_dag_relationships AS SELECT * FROM ('
          || rtrim(pg_get_viewdef('tasker_step_dag_relationships'::regclass), ';') || ') AS of_its_own_migration';
        END \$\$;
        INSERT INTO tasker_task_namespaces (name, created_at, updated_at) VALUES ('shop', now(), now());
        INSERT INTO tasker_named_tasks (name, task_namespace_id, created_at, updated_at)
         SELECT 'order', max(task_namespace_id), now(), now() FROM tasker_task_namespaces;
        INSERT INTO tasker_tasks (named_task_id, requested_at, context, identity_hash, created_at, updated_at)
         SELECT max(named_task_id), now(), '{\"order\": 7}', 'theirs', now(), now() FROM tasker_named_tasks;
        INSERT INTO tasker_task_transitions (to_state, metadata, sort_key, most_recent, task_id, created_at, updated_at)
         SELECT 'in_progress', '{}', 10, true, max(task_id), now(), now() FROM tasker_tasks"
}

# left_alone NAME: a migration changes what is ours and nothing else.
left_alone()
{
    without_ours "$work/before"
    t db migrate
    is "$1: it is migrated" "$rc $(age)" "0 $wanted"
    without_ours "$work/after"
    if cmp -s "$work/before" "$work/after"; then
        ok "$1: all that Rails made is as it was"
    else
        not_ok "$1: all that Rails made is as it was" "$(diff "$work/before" "$work/after")"
    fi
    is "$1: the texts are those of Rails" "$(rows "SELECT count(*) FROM pg_proc WHERE prosrc LIKE '%the text of its own migration%'")" 9
    is "$1: no index of ours is on its tables" "$(rows "SELECT count(*) FROM pg_indexes WHERE indexname LIKE 'tasker\_core\_%' AND tablename NOT LIKE 'tasker\_core\_%'")" 0
    t db check --json
    json "$1: what is missing or changed is nothing but what somebody added" \
        '[.drift[] | select(.object != "tasker_tasks.desk")] == []'
    t task explain "$(id_of theirs)"
    contains "$1: its task is its own" "$out" 'belongs to the Rails engine'
    dump >"$work/once"
    t db migrate
    same "$1: a second migration changes nothing" "$work/once"
}

fresh likeness
t db migrate --rails-indexes
become_theirs
indexes=$(rows "SELECT replace(replace(indexdef, ' INDEX ', ' INDEX IF NOT EXISTS '), 'public.', '') || ';' FROM pg_indexes
    WHERE tablename LIKE 'tasker\_%' AND indexname NOT LIKE '%\_pkey' AND tablename NOT LIKE 'tasker\_core\_%' AND indexname <> 'desks'")
without_ours "$work/theirs.sql"
fresh rails
"$psql" -Xq -v ON_ERROR_STOP=1 -d "$TASKER_DATABASE_URL" -f "$work/theirs.sql" >/dev/null
is "the likeness has nothing of ours" "$(rows "SELECT count(*) FROM pg_class WHERE relname LIKE 'tasker\_core\_%'")" 0
left_alone "made by Rails"

for file in "$dumps"/postgresql-*.sql; do
    frozen=$(basename "$file" .sql)
    load "$frozen" earlier
    rows "SET client_min_messages = warning; $indexes"
    become_theirs
    rows "UPDATE tasker_core_meta SET value = 'true' WHERE key = 'rails_made'"
    left_alone "made by Rails, ours of $frozen"
done

rows "DROP INDEX workflow_steps_task_id_index; DROP INDEX tasker_core_active_due"
t db check --json
json "an index of ours, or one that we need, is missed there too" \
    '[.drift[] | select(.problem == "missing").object] | sort == ["tasker_core_active_due", "workflow_steps_task_id_index"]'

done_testing
