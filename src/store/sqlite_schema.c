// SPDX-License-Identifier: MIT
// sqlite_schema.c - the tables, as a list of versions, and the migration from one to the next.
//
// The first thirteen tables and the view have the names, columns, NOT NULL and unique rules and
// foreign keys of the Rails engine's schema, so that queries read the same on every backend.
// SQLite's types: INTEGER, TEXT; booleans are 0 and 1, times UTC text "YYYY-MM-DD HH:MM:SS.ffffff",
// JSON is TEXT kept byte for byte. The tables tasker_core_... are ours.
//
// Ids that others may remember (tasks, steps, edges, transitions, annotations, maps, templates, lanes,
// requests) are AUTOINCREMENT: never used twice, not even after the last rows were deleted. Migration runs in one
// write transaction that reads the version first, so processes that start together upgrade once. To
// change the schema, add a row to `versions`; never edit one.
#include <string.h>

#include "store/sqlite.h"

static const char catalogue_tables[] =
    "CREATE TABLE tasker_task_namespaces ("
    " task_namespace_id INTEGER PRIMARY KEY, name TEXT NOT NULL, description TEXT,"
    " created_at TEXT NOT NULL, updated_at TEXT NOT NULL);"
    "CREATE UNIQUE INDEX task_namespaces_name_unique ON tasker_task_namespaces(name);"

    "CREATE TABLE tasker_named_tasks ("
    " named_task_id INTEGER PRIMARY KEY, name TEXT NOT NULL, description TEXT,"
    " task_namespace_id INTEGER NOT NULL DEFAULT 1 REFERENCES "
    "tasker_task_namespaces(task_namespace_id),"
    " version TEXT NOT NULL DEFAULT '0.1.0', configuration TEXT DEFAULT '\"{}\"',"
    " created_at TEXT NOT NULL, updated_at TEXT NOT NULL);"
    "CREATE UNIQUE INDEX named_tasks_namespace_name_version_unique"
    " ON tasker_named_tasks(task_namespace_id, name, version);"

    "CREATE TABLE tasker_dependent_systems ("
    " dependent_system_id INTEGER PRIMARY KEY, name TEXT NOT NULL, description TEXT,"
    " created_at TEXT NOT NULL, updated_at TEXT NOT NULL);"
    "CREATE UNIQUE INDEX dependent_systems_name_unique ON tasker_dependent_systems(name);"

    "CREATE TABLE tasker_dependent_system_object_maps ("
    " dependent_system_object_map_id INTEGER PRIMARY KEY,"
    " dependent_system_one_id INTEGER NOT NULL REFERENCES "
    "tasker_dependent_systems(dependent_system_id),"
    " dependent_system_two_id INTEGER NOT NULL REFERENCES "
    "tasker_dependent_systems(dependent_system_id),"
    " remote_id_one TEXT NOT NULL, remote_id_two TEXT NOT NULL,"
    " created_at TEXT NOT NULL, updated_at TEXT NOT NULL);"
    "CREATE UNIQUE INDEX dependent_system_object_maps_unique ON "
    "tasker_dependent_system_object_maps("
    "dependent_system_one_id, dependent_system_two_id, remote_id_one, remote_id_two);"

    "CREATE TABLE tasker_named_steps ("
    " named_step_id INTEGER PRIMARY KEY,"
    " dependent_system_id INTEGER NOT NULL REFERENCES "
    "tasker_dependent_systems(dependent_system_id),"
    " name TEXT NOT NULL, description TEXT, created_at TEXT NOT NULL, updated_at TEXT NOT NULL);"
    "CREATE UNIQUE INDEX named_step_by_system_uniq ON tasker_named_steps(dependent_system_id, "
    "name);"

    "CREATE TABLE tasker_named_tasks_named_steps ("
    " id INTEGER PRIMARY KEY,"
    " named_task_id INTEGER NOT NULL REFERENCES tasker_named_tasks(named_task_id),"
    " named_step_id INTEGER NOT NULL REFERENCES tasker_named_steps(named_step_id),"
    " skippable INTEGER NOT NULL DEFAULT 0, default_retryable INTEGER NOT NULL DEFAULT 1,"
    " default_retry_limit INTEGER NOT NULL DEFAULT 3, created_at TEXT NOT NULL, updated_at TEXT "
    "NOT NULL);"
    "CREATE UNIQUE INDEX named_tasks_steps_ids_unique"
    " ON tasker_named_tasks_named_steps(named_task_id, named_step_id);"

    "CREATE TABLE tasker_annotation_types ("
    " annotation_type_id INTEGER PRIMARY KEY, name TEXT NOT NULL, description TEXT,"
    " created_at TEXT NOT NULL, updated_at TEXT NOT NULL);"
    "CREATE UNIQUE INDEX annotation_types_name_unique ON tasker_annotation_types(name);";

// Of the Rails engine's non-unique indexes only those that a statement of ours walks:
//   steps(task_id)            a task's steps: rebuilding, queries, the sweep of a dead lane's tasks
//   edges(to_step_id)         a step's parents: the input of an offered step, readiness, the view
//   edges(from_step_id)       a step's children: which results are still needed, the view
// The transitions' unique indexes serve for everything else: the current row, and the rows of one
// owner in order.
static const char task_tables[] =
    "CREATE TABLE tasker_tasks ("
    " task_id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " named_task_id INTEGER NOT NULL REFERENCES tasker_named_tasks(named_task_id),"
    " complete INTEGER NOT NULL DEFAULT 0, requested_at TEXT NOT NULL,"
    " initiator TEXT, source_system TEXT, reason TEXT, bypass_steps TEXT, tags TEXT, context TEXT,"
    " identity_hash TEXT NOT NULL, created_at TEXT NOT NULL, updated_at TEXT NOT NULL);"
    "CREATE UNIQUE INDEX index_tasks_on_identity_hash ON tasker_tasks(identity_hash);"

    "CREATE TABLE tasker_workflow_steps ("
    " workflow_step_id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " task_id INTEGER NOT NULL REFERENCES tasker_tasks(task_id),"
    " named_step_id INTEGER NOT NULL REFERENCES tasker_named_steps(named_step_id),"
    " retryable INTEGER NOT NULL DEFAULT 1, retry_limit INTEGER DEFAULT 3,"
    " in_process INTEGER NOT NULL DEFAULT 0, processed INTEGER NOT NULL DEFAULT 0, processed_at "
    "TEXT,"
    " attempts INTEGER, last_attempted_at TEXT, backoff_request_seconds INTEGER, inputs TEXT, "
    "results TEXT,"
    " created_at TEXT NOT NULL, updated_at TEXT NOT NULL, skippable INTEGER NOT NULL DEFAULT 0);"
    "CREATE INDEX workflow_steps_task_id_index ON tasker_workflow_steps(task_id);"

    "CREATE TABLE tasker_workflow_step_edges ("
    " id INTEGER PRIMARY KEY,"
    " from_step_id INTEGER NOT NULL REFERENCES tasker_workflow_steps(workflow_step_id),"
    " to_step_id INTEGER NOT NULL REFERENCES tasker_workflow_steps(workflow_step_id),"
    " name TEXT NOT NULL, created_at TEXT NOT NULL, updated_at TEXT NOT NULL);"
    "CREATE INDEX index_step_edges_parent_lookup ON tasker_workflow_step_edges(from_step_id);"
    "CREATE INDEX index_step_edges_child_lookup ON tasker_workflow_step_edges(to_step_id);"

    "CREATE TABLE tasker_task_transitions ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, to_state TEXT NOT NULL, from_state TEXT,"
    " metadata TEXT DEFAULT '{}', sort_key INTEGER NOT NULL, most_recent INTEGER NOT NULL DEFAULT "
    "1,"
    " task_id INTEGER NOT NULL REFERENCES tasker_tasks(task_id),"
    " created_at TEXT NOT NULL, updated_at TEXT NOT NULL);"
    "CREATE UNIQUE INDEX index_tasker_task_transitions_on_task_id_and_sort_key"
    " ON tasker_task_transitions(task_id, sort_key);"
    "CREATE UNIQUE INDEX index_tasker_task_transitions_on_task_id_and_most_recent"
    " ON tasker_task_transitions(task_id, most_recent) WHERE most_recent = 1;"

    "CREATE TABLE tasker_workflow_step_transitions ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, to_state TEXT NOT NULL, from_state TEXT,"
    " metadata TEXT DEFAULT '{}', sort_key INTEGER NOT NULL, most_recent INTEGER NOT NULL DEFAULT "
    "1,"
    " workflow_step_id INTEGER NOT NULL REFERENCES tasker_workflow_steps(workflow_step_id),"
    " created_at TEXT NOT NULL, updated_at TEXT NOT NULL);"
    "CREATE UNIQUE INDEX idx_on_workflow_step_id_sort_key_4d476d7adb"
    " ON tasker_workflow_step_transitions(workflow_step_id, sort_key);"
    "CREATE UNIQUE INDEX idx_on_workflow_step_id_most_recent_97d5374ad6"
    " ON tasker_workflow_step_transitions(workflow_step_id, most_recent) WHERE most_recent = 1;"

    "CREATE TABLE tasker_task_annotations ("
    " task_annotation_id INTEGER PRIMARY KEY,"
    " task_id INTEGER NOT NULL REFERENCES tasker_tasks(task_id),"
    " annotation_type_id INTEGER NOT NULL REFERENCES tasker_annotation_types(annotation_type_id),"
    " annotation TEXT, created_at TEXT NOT NULL, updated_at TEXT NOT NULL);";

// The depth is searched upwards from the step, breadth first and each (step, depth) once, so a
// graph with many paths costs its edges, not its paths. As in the Rails engine a depth over 50 is
// NULL.
static const char dag_view[] =
    "CREATE VIEW tasker_step_dag_relationships AS SELECT s.workflow_step_id, s.task_id, "
    "s.named_step_id,"
    " (SELECT json_group_array(id) FROM (SELECT from_step_id AS id FROM tasker_workflow_step_edges"
    "  WHERE to_step_id = s.workflow_step_id ORDER BY from_step_id)) AS parent_step_ids,"
    " (SELECT json_group_array(id) FROM (SELECT to_step_id AS id FROM tasker_workflow_step_edges"
    "  WHERE from_step_id = s.workflow_step_id ORDER BY to_step_id)) AS child_step_ids,"
    " (SELECT count(*) FROM tasker_workflow_step_edges WHERE to_step_id = s.workflow_step_id) AS "
    "parent_count,"
    " (SELECT count(*) FROM tasker_workflow_step_edges WHERE from_step_id = s.workflow_step_id) AS "
    "child_count,"
    " NOT EXISTS (SELECT 1 FROM tasker_workflow_step_edges WHERE to_step_id = s.workflow_step_id) "
    "AS is_root_step,"
    " NOT EXISTS (SELECT 1 FROM tasker_workflow_step_edges WHERE from_step_id = "
    "s.workflow_step_id) AS is_leaf_step,"
    " (WITH RECURSIVE above(id, depth) AS (SELECT s.workflow_step_id, 0 UNION"
    "  SELECT e.from_step_id, above.depth + 1 FROM above JOIN tasker_workflow_step_edges e"
    "  ON e.to_step_id = above.id WHERE above.depth < 50)"
    "  SELECT min(depth) FROM above WHERE NOT EXISTS"
    "  (SELECT 1 FROM tasker_workflow_step_edges r WHERE r.to_step_id = above.id)) AS "
    "min_depth_from_root"
    " FROM tasker_workflow_steps s;";

// No foreign keys from here into the tables above: their rows may be pruned without asking us.
// Indexes:
//   active_queue      free tasks in the order of claims; covering, so that no row is read in vain
//   active_due        free tasks by time: the next due time for a poll, claims when few are due
//   active_owner      what a lane owns: retiring, takeover, the search for lanes that do not exist
//   dispatch_task     a task's offers: rebuilding, what was running when a lane died
//   dispatch_free     offers to be taken, by class
//   dispatch_taken    offers being run: news for owners, cancelled ones for workers, retiring
//   logs_step         what a step's attempts wrote
// lanes and requests have a handful of rows and are read whole.
static const char core_tables[] =
    "CREATE TABLE tasker_core_lanes ("
    " lane_id INTEGER PRIMARY KEY AUTOINCREMENT, turn INTEGER NOT NULL, expires_at INTEGER NOT "
    "NULL,"
    " host TEXT NOT NULL, boot_id TEXT NOT NULL, process TEXT NOT NULL, name TEXT NOT NULL,"
    " classes TEXT NOT NULL, started_at TEXT NOT NULL);"

    "CREATE TABLE tasker_core_active ("
    " task_id INTEGER PRIMARY KEY, priority INTEGER NOT NULL, run_at INTEGER NOT NULL, lane_id "
    "INTEGER,"
    " crashes INTEGER NOT NULL DEFAULT 0, suspect INTEGER NOT NULL DEFAULT 0, template_id INTEGER "
    "NOT NULL,"
    " deadline INTEGER);"
    "CREATE INDEX tasker_core_active_queue ON tasker_core_active(lane_id, priority, task_id, "
    "run_at)"
    " WHERE lane_id IS NULL;"
    "CREATE INDEX tasker_core_active_due ON tasker_core_active(run_at) WHERE lane_id IS NULL;"
    "CREATE INDEX tasker_core_active_owner ON tasker_core_active(lane_id) WHERE lane_id IS NOT "
    "NULL;"

    "CREATE TABLE tasker_core_templates ("
    " template_id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " named_task_id INTEGER NOT NULL REFERENCES tasker_named_tasks(named_task_id), hash TEXT NOT "
    "NULL,"
    " body TEXT NOT NULL, directory TEXT NOT NULL, current INTEGER NOT NULL, created_at TEXT NOT "
    "NULL);"
    "CREATE UNIQUE INDEX tasker_core_templates_content ON tasker_core_templates(named_task_id, "
    "hash);"
    "CREATE UNIQUE INDEX tasker_core_templates_current ON tasker_core_templates(named_task_id) "
    "WHERE current = 1;"

    "CREATE TABLE tasker_core_dispatch ("
    " token INTEGER PRIMARY KEY, task_id INTEGER NOT NULL, workflow_step_id INTEGER NOT NULL,"
    " attempt INTEGER NOT NULL, handler_class TEXT NOT NULL, deadline_us INTEGER NOT NULL, "
    "worker_lane INTEGER,"
    " begun_at INTEGER, cancel INTEGER NOT NULL DEFAULT 0, verdict INTEGER, answer TEXT, log TEXT);"
    "CREATE INDEX tasker_core_dispatch_task ON tasker_core_dispatch(task_id);"
    "CREATE INDEX tasker_core_dispatch_free ON tasker_core_dispatch(handler_class, token) WHERE "
    "worker_lane IS NULL;"
    "CREATE INDEX tasker_core_dispatch_taken ON tasker_core_dispatch(worker_lane) WHERE "
    "worker_lane IS NOT NULL;"

    "CREATE TABLE tasker_core_requests ("
    " request_id INTEGER PRIMARY KEY AUTOINCREMENT, task_id INTEGER NOT NULL, asker_lane INTEGER "
    "NOT NULL,"
    " body TEXT NOT NULL, answer TEXT, created_at TEXT NOT NULL);"

    "CREATE TABLE tasker_core_logs ("
    " workflow_step_id INTEGER NOT NULL, attempt INTEGER NOT NULL, outcome TEXT NOT NULL, text "
    "TEXT NOT NULL,"
    " created_at TEXT NOT NULL);"
    "CREATE INDEX tasker_core_logs_step ON tasker_core_logs(workflow_step_id);"

    // Ids are taken ahead by raising these rows, so they must be there before the first insert.
    "INSERT INTO sqlite_sequence(name, seq) VALUES ('tasker_tasks', 0), ('tasker_workflow_steps', "
    "0);";

// The lease of each lane stands in its row, so that others know how long it has to be silent to be
// stuck.
static const char lane_lease[] =
    "ALTER TABLE tasker_core_lanes ADD COLUMN lease_us INTEGER NOT NULL DEFAULT 10000000";

// Annotations and maps are deleted one by one, so their ids must be AUTOINCREMENT too; nothing refers
// to either. Indexes:
//   task_annotations(task_id)           a task's annotations, as on PostgreSQL
//   object_maps(remote_id_one, _two)    what an object is mapped to, from either side
static const char notes_and_maps[] =
    "CREATE TABLE tasker_core_annotations_new ("
    " task_annotation_id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " task_id INTEGER NOT NULL REFERENCES tasker_tasks(task_id),"
    " annotation_type_id INTEGER NOT NULL REFERENCES tasker_annotation_types(annotation_type_id),"
    " annotation TEXT, created_at TEXT NOT NULL, updated_at TEXT NOT NULL);"
    "INSERT INTO tasker_core_annotations_new SELECT * FROM tasker_task_annotations;"
    "DROP TABLE tasker_task_annotations;"
    "ALTER TABLE tasker_core_annotations_new RENAME TO tasker_task_annotations;"
    "CREATE INDEX task_annotations_task_id_index ON tasker_task_annotations(task_id);"

    "CREATE TABLE tasker_core_maps_new ("
    " dependent_system_object_map_id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " dependent_system_one_id INTEGER NOT NULL REFERENCES "
    "tasker_dependent_systems(dependent_system_id),"
    " dependent_system_two_id INTEGER NOT NULL REFERENCES "
    "tasker_dependent_systems(dependent_system_id),"
    " remote_id_one TEXT NOT NULL, remote_id_two TEXT NOT NULL,"
    " created_at TEXT NOT NULL, updated_at TEXT NOT NULL);"
    "INSERT INTO tasker_core_maps_new SELECT * FROM tasker_dependent_system_object_maps;"
    "DROP TABLE tasker_dependent_system_object_maps;"
    "ALTER TABLE tasker_core_maps_new RENAME TO tasker_dependent_system_object_maps;"
    "CREATE UNIQUE INDEX dependent_system_object_maps_unique ON "
    "tasker_dependent_system_object_maps("
    "dependent_system_one_id, dependent_system_two_id, remote_id_one, remote_id_two);"
    "CREATE INDEX dependent_system_object_maps_remote_id_one_index ON "
    "tasker_dependent_system_object_maps(remote_id_one);"
    "CREATE INDEX dependent_system_object_maps_remote_id_two_index ON "
    "tasker_dependent_system_object_maps(remote_id_two);";

// edge.list gives ids of edges away, and pages by them; a prune takes the newest.
static const char edge_ids[] =
    "CREATE TABLE tasker_core_edges_new ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " from_step_id INTEGER NOT NULL REFERENCES tasker_workflow_steps(workflow_step_id),"
    " to_step_id INTEGER NOT NULL REFERENCES tasker_workflow_steps(workflow_step_id),"
    " name TEXT NOT NULL, created_at TEXT NOT NULL, updated_at TEXT NOT NULL);"
    "INSERT INTO tasker_core_edges_new SELECT * FROM tasker_workflow_step_edges;"
    "DROP TABLE tasker_workflow_step_edges;"
    "ALTER TABLE tasker_core_edges_new RENAME TO tasker_workflow_step_edges;"
    "CREATE INDEX index_step_edges_parent_lookup ON tasker_workflow_step_edges(from_step_id);"
    "CREATE INDEX index_step_edges_child_lookup ON tasker_workflow_step_edges(to_step_id);";

// Functions of PostgreSQL: both count versions together.
static const char *const version_6[] = {NULL};
static const char *const version_5[] = {NULL};
static const char *const version_4[] = {edge_ids, NULL};
static const char *const version_3[] = {notes_and_maps, NULL};
static const char *const version_2[] = {lane_lease, NULL};
static const char *const version_1[] = {catalogue_tables, task_tables, dag_view, core_tables, NULL};

// Row i leads from version i to i + 1.
static const struct {
    const char *name;
    const char *const *scripts;
} versions[] = {
    {"tables of the Rails engine, lanes, queue, dispatch", version_1},
    {"the lease of each lane", version_2},
    {"annotations and maps between systems are found and deleted by id", version_3},
    {"ids of edges are never used twice", version_4},
    {"as before: only PostgreSQL has something new", version_5},
    {"as before: only PostgreSQL has something new again", version_6},
};
_Static_assert(ARRAY_SIZE(versions) == STORE_SCHEMA_VERSION, "one row per schema version");

static const char meta_table[] =
    "CREATE TABLE IF NOT EXISTS tasker_core_meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)";

// ---------------------------------------------------------------------------------------- versions

static int meta_set(struct sqlite *s, const char *key, const char *value)
{
    struct sql q;
    sql_start(&q, s, SQL_META_SET);
    sql_str(&q, key);
    sql_str(&q, value);
    return sql_run(&q);
}

// The version that the database has; 0: none of our tables.
static int read_version(struct sqlite *s, int64_t *ret)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(
        s->db, "SELECT count(*) FROM sqlite_schema WHERE name = 'tasker_core_meta'", -1, &st, NULL);
    int64_t tables = 0;
    if (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        tables = sqlite3_column_int64(st, 0);
        rc = SQLITE_OK;
    }
    sqlite3_finalize(st);
    if (rc != SQLITE_OK)
        return rc;
    if (tables == 0) {
        *ret = 0;
        return SQLITE_OK;
    }
    struct sql q;
    sql_start(&q, s, SQL_META_GET);
    sql_str(&q, "schema_version");
    int64_t version = 0;
    if (sql_row(&q)) {
        version = sql_int_at(&q, 0);
        sql_end(&q);
    }
    if (q.rc == SQLITE_OK)
        *ret = version;
    return q.rc;
}

// A table that takes the place of a dropped one must not look at views of it, ours and those that others made: they name a
// table that is not there in between.
static int rename_blindly(sqlite3 *db, int on)
{
    return sqlite3_db_config(db, SQLITE_DBCONFIG_LEGACY_ALTER_TABLE, on, NULL);
}

static int run_scripts(struct sqlite *s, int64_t version)
{
    int rc = SQLITE_OK;
    for (const char *const *script = versions[version].scripts; *script && rc == SQLITE_OK;
         script++)
        rc = sqlite3_exec(s->db, *script, NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        return rc;
    char text[24];
    (void)sqlite3_snprintf((int)sizeof(text), text, "%lld", (long long)version + 1);
    return meta_set(s, "schema_version", text);
}

// Everything that is missing, inside a write transaction.
static int upgrade(struct sqlite *s, int64_t *ret_from)
{
    int64_t version = 0;
    int rc = read_version(s, &version);
    if (rc != SQLITE_OK)
        return rc;
    *ret_from = version;
    if (version >= STORE_SCHEMA_VERSION)
        return SQLITE_OK;
    rc = sqlite3_exec(s->db, meta_table, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = rename_blindly(s->db, 1);
    if (rc == SQLITE_OK && version == 0) {
        char id[UUID_TEXT_SIZE];
        struct rng rng = {rng_seed_system()};
        rc = meta_set(s, "database_id", uuid_v7(clock_real_us(), &rng, id));
    }
    for (int64_t v = version; v < STORE_SCHEMA_VERSION && rc == SQLITE_OK; v++)
        rc = run_scripts(s, v);
    (void)rename_blindly(s->db, 0);
    return rc;
}

static int migrate(struct sqlite *s, int64_t *ret_from, tasker_error *err)
{
    struct sql q;
    sql_start(&q, s, SQL_BEGIN);
    int rc = sql_run(&q);
    if (rc == SQLITE_OK)
        rc = upgrade(s, ret_from);
    if (rc == SQLITE_OK) {
        sql_start(&q, s, SQL_COMMIT);
        rc = sql_run(&q);
    }
    if (rc == SQLITE_OK)
        return 0;
    int code = sqlite_fail(s, rc, "the tables could not be created or upgraded", err);
    sqlite_rollback(s);
    return code;
}

static int wrong_version(struct sqlite *s, int64_t version, tasker_error *err)
{
    const char *path = s->path ? s->path : ":memory:";
    if (version > STORE_SCHEMA_VERSION) {
        err_set(err, TASKER_E_SCHEMA, "%s has schema version %lld, newer than this program's %d",
                path, (long long)version, STORE_SCHEMA_VERSION);
        err_remedy(err, "use a newer version of this program");
    } else {
        err_set(err, TASKER_E_SCHEMA, "%s has schema version %lld, this program needs %d", path,
                (long long)version, STORE_SCHEMA_VERSION);
        err_remedy(err, "run `tasker db migrate`, or open it with \"migrate\": true");
    }
    return TASKER_E_SCHEMA;
}

static int read_id(struct sqlite *s, tasker_error *err)
{
    struct sql q;
    sql_start(&q, s, SQL_META_GET);
    sql_str(&q, "database_id");
    if (sql_row(&q)) {
        struct span id = sql_span_at(&q, 0);
        if (id.p && id.len < sizeof(s->database_id))
            memcpy(s->database_id, id.p, id.len + 1);
        sql_end(&q);
    }
    if (q.rc != SQLITE_OK)
        return sqlite_fail(s, q.rc, "the database's id could not be read", err);
    if (s->database_id[0] == '\0')
        return err_set(err, TASKER_E_SCHEMA, "%s has no database id",
                       s->path ? s->path : ":memory:");
    return 0;
}

int sqlite_schema_ready(struct sqlite *s, bool allowed, tasker_error *err)
{
    int64_t version = 0;
    int rc = read_version(s, &version);
    if (rc != SQLITE_OK)
        return sqlite_fail(s, rc, "the database could not be read", err);
    if (version < STORE_SCHEMA_VERSION && allowed) {
        int code = migrate(s, &version, err);
        if (code != 0)
            return code;
        if (version < STORE_SCHEMA_VERSION)
            version = STORE_SCHEMA_VERSION;
    }
    return version == STORE_SCHEMA_VERSION ? read_id(s, err) : wrong_version(s, version, err);
}

// ------------------------------------------------------------------------------------------- drift

// The same tables are made once more in memory; what differs is drift.
static int make_wanted(sqlite3 **ret)
{
    int rc = sqlite3_open_v2(":memory:", ret, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    if (rc == SQLITE_OK)
        rc = rename_blindly(*ret, 1);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(*ret, meta_table, NULL, NULL, NULL);
    for (size_t v = 0; v < ARRAY_SIZE(versions) && rc == SQLITE_OK; v++)
        for (const char *const *script = versions[v].scripts; *script && rc == SQLITE_OK; script++)
            rc = sqlite3_exec(*ret, *script, NULL, NULL, NULL);
    return rc;
}

static void write_difference(struct buf *out, sqlite3_stmt *object, const char *problem,
                             const char *is, const char *should)
{
    struct buf detail;
    buf_init(&detail, 1 << 16);
    if (is)
        buf_printf(&detail, "is %s", is);
    if (should)
        buf_printf(&detail, "%sshould be %s", is ? "; " : "", should);
    jw_open(out, '{');
    jw_kstr(out, "object", (const char *)sqlite3_column_text(object, 1));
    jw_kstr(out, "kind", (const char *)sqlite3_column_text(object, 0));
    jw_kstr(out, "problem", problem);
    jw_kstr(out, "detail", buf_view(&detail).p);
    jw_close(out, '}');
    buf_done(&detail);
}

// Writes what `all` has and `other` has not, or has otherwise. `extra`: all is the database, and
// what is otherwise was written before.
static int compare(sqlite3 *all, sqlite3 *other, bool extra, struct buf *out)
{
    sqlite3_stmt *objects = NULL, *find = NULL;
    int rc = sqlite3_prepare_v2(all,
                                "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL "
                                "AND tbl_name LIKE 'tasker%' ORDER BY type, name",
                                -1, &objects, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(other, "SELECT sql FROM sqlite_schema WHERE type = ? AND name = ?",
                                -1, &find, NULL);
    while (rc == SQLITE_OK && (rc = sqlite3_step(objects)) == SQLITE_ROW) {
        const char *sql = (const char *)sqlite3_column_text(objects, 2);
        sqlite3_bind_value(find, 1, sqlite3_column_value(objects, 0));
        sqlite3_bind_value(find, 2, sqlite3_column_value(objects, 1));
        bool there = sqlite3_step(find) == SQLITE_ROW;
        const char *found = there ? (const char *)sqlite3_column_text(find, 0) : NULL;
        if (!there)
            write_difference(out, objects, extra ? "extra" : "missing", extra ? sql : NULL,
                             extra ? NULL : sql);
        else if (!extra && (!found || strcmp(found, sql) != 0))
            write_difference(out, objects, "changed", found ? found : "", sql);
        rc = sqlite3_reset(find);
    }
    sqlite3_finalize(objects);
    sqlite3_finalize(find);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int check_drift(struct sqlite *s, struct buf *out, tasker_error *err)
{
    sqlite3 *wanted = NULL;
    int rc = make_wanted(&wanted);
    jw_key(out, "drift");
    jw_open(out, '[');
    if (rc == SQLITE_OK)
        rc = compare(wanted, s->db, false, out);
    if (rc == SQLITE_OK)
        rc = compare(s->db, wanted, true, out);
    jw_close(out, ']');
    sqlite3_close(wanted);
    return rc == SQLITE_OK ? 0 : sqlite_fail(s, rc, "the tables could not be compared", err);
}

int sqlite_migrate(struct store *base, const struct migrate_options *options, struct buf *out,
                   tasker_error *err)
{
    bool apply = options->mode == MIGRATE_APPLY;
    struct sqlite *s = sqlite_of(base);
    int64_t from = 0;
    int rc = read_version(s, &from);
    if (rc != SQLITE_OK)
        return sqlite_fail(s, rc, "the schema's version could not be read", err);
    if (apply && from < STORE_SCHEMA_VERSION) {
        rc = migrate(s, &from, err);
        if (rc != 0)
            return rc;
    }
    if (apply && from > STORE_SCHEMA_VERSION)
        return wrong_version(s, from, err);
    jw_open(out, '{');
    jw_kstr(out, "backend", "sqlite");
    jw_kint(out, "version", apply && from < STORE_SCHEMA_VERSION ? STORE_SCHEMA_VERSION : from);
    jw_kint(out, "wanted", STORE_SCHEMA_VERSION);
    jw_key(out, apply ? "applied" : "pending");
    jw_open(out, '[');
    for (int64_t v = from; v < STORE_SCHEMA_VERSION; v++) {
        jw_open(out, '{');
        jw_kint(out, "version", v + 1);
        jw_kstr(out, "name", versions[v].name);
        jw_close(out, '}');
    }
    jw_close(out, ']');
    int code = options->mode == MIGRATE_CHECK ? check_drift(s, out, err) : 0;
    jw_close(out, '}');
    return code < 0 ? code : buf_failed(out) ? err_nomem(err) : 0;
}
