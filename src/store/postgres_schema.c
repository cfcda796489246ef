// SPDX-License-Identifier: MIT
// postgres_schema.c - migration on PostgreSQL as a list of versions, and the drift report.
//
// A migration is one transaction under an advisory lock that reads the version first, so processes that start together
// upgrade once. On a database of the Rails engine it adds what is ours and leaves the rest as it is; nothing is ever
// dropped. To change the schema, add a row to `versions`; never edit one.
//
// Drift is found by making the tables once more, in a schema of their own inside a transaction that is rolled back, and
// comparing what the catalog says of both.
#include "store/postgres_schema.h"

#include <stdio.h>
#include <string.h>

#include "store/postgres.h"

static const char lock_text[] = "SELECT pg_advisory_xact_lock(7236827, 1)";  // "task", one for all our migrations

static const char meta_table[] =
    "CREATE TABLE IF NOT EXISTS tasker_core_meta (key text PRIMARY KEY, value text NOT NULL)";

// The lease of each lane stands in its row, so that others know how long it has to be silent to be stuck.
static const char lane_lease[] =
    "ALTER TABLE tasker_core_lanes ADD COLUMN lease_us bigint NOT NULL DEFAULT 10000000;\n"
    "CREATE OR REPLACE FUNCTION tasker_core_fence(lane bigint, this bigint, expires bigint, lease bigint,\n"
    " lock_ms integer) RETURNS bigint LANGUAGE plpgsql AS $$\n"
    "BEGIN\n"
    " PERFORM set_config('lock_timeout', lock_ms::text, true), set_config('jit', 'off', true),\n"
    "  set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),\n"
    "  set_config('enable_mergejoin', 'off', true);\n"
    " UPDATE tasker_core_lanes SET turn = this, expires_at = expires, lease_us = lease\n"
    "  WHERE lane_id = lane AND turn = this - 1;\n"
    " IF NOT FOUND THEN\n"
    "  RAISE EXCEPTION 'lane % was taken over, or its turn is not %', lane, this - 1 USING ERRCODE = 'TC001';\n"
    " END IF;\n"
    " RETURN (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;\n"
    "END $$;\n";

// What an object is mapped to, from either side. The Rails engine's migrations make both.
static const char map_indexes[] =
    "CREATE INDEX IF NOT EXISTS dependent_system_object_maps_remote_id_one_index ON "
      "tasker_dependent_system_object_maps (remote_id_one);\n"
    "CREATE INDEX IF NOT EXISTS dependent_system_object_maps_remote_id_two_index ON "
      "tasker_dependent_system_object_maps (remote_id_two);\n";

// What is not complete, by its state: lists and counts of it read nothing else, however long the history is. A row that is
// written together with the one that ends it never enters.
static const char state_indexes[] =
    "CREATE INDEX IF NOT EXISTS tasker_core_task_states ON tasker_task_transitions (to_state, task_id) "
      "WHERE most_recent = true AND to_state <> 'complete';\n"
    "CREATE INDEX IF NOT EXISTS tasker_core_step_states ON tasker_workflow_step_transitions (to_state, workflow_step_id) "
      "WHERE most_recent = true AND to_state <> 'complete';\n";

// A migration under way.
struct migration {
    struct postgres *p;
    bool rails_made;  // the tables of the Rails engine were there before us
    tasker_error *err;
};

// -------------------------------------------------------------------------------------------------- plain statements

static int run(struct postgres *p, const char *sql, tasker_error *err)
{
    PGresult *r = PQexec(p->conn, sql);
    ExecStatusType s = PQresultStatus(r);
    int rc = s == PGRES_COMMAND_OK || s == PGRES_TUPLES_OK ? 0 : postgres_fail(p, r, "the schema", err);
    PQclear(r);
    return rc;
}

// The first column of the first row, copied; no row: "".
static int ask(struct postgres *p, const char *sql, char *out, size_t size, tasker_error *err)
{
    PGresult *r = PQexec(p->conn, sql);
    int rc = 0;
    out[0] = '\0';
    if (PQresultStatus(r) != PGRES_TUPLES_OK)
        rc = postgres_fail(p, r, "the schema", err);
    else if (PQntuples(r) > 0)
        (void)snprintf(out, size, "%s", PQgetvalue(r, 0, 0));
    PQclear(r);
    return rc;
}

static int meta_set(struct postgres *p, const char *key, const char *value, tasker_error *err)
{
    const char *values[] = {key, value};
    PGresult *r = PQexecParams(p->conn,
                               "INSERT INTO tasker_core_meta (key, value) VALUES ($1, $2) "
                               "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                               2, NULL, values, NULL, NULL, 0);
    int rc = PQresultStatus(r) == PGRES_COMMAND_OK ? 0 : postgres_fail(p, r, "the schema", err);
    PQclear(r);
    return rc;
}

// "": there is none, or no table.
static int meta_get(struct postgres *p, const char *key, char *out, size_t size, tasker_error *err)
{
    char sql[160], there[16];
    int rc = ask(p, "SELECT to_regclass('tasker_core_meta') IS NOT NULL", there, sizeof(there), err);
    out[0] = '\0';
    if (rc < 0 || there[0] != 't')
        return rc;
    (void)snprintf(sql, sizeof(sql), "SELECT value FROM tasker_core_meta WHERE key = '%s'", key);
    return ask(p, sql, out, size, err);
}

static int read_version(struct postgres *p, int *ret, tasker_error *err)
{
    char text[32];
    int rc = meta_get(p, "schema_version", text, sizeof(text), err);
    *ret = 0;
    for (const char *c = text; *c >= '0' && *c <= '9'; c++)
        *ret = *ret * 10 + (*c - '0');
    return rc;
}

// --------------------------------------------------------------------------------------------------------- versions

static const char rails_names[] =
    "'tasker_task_namespaces', 'tasker_named_tasks', 'tasker_dependent_systems', 'tasker_dependent_system_object_maps', "
    "'tasker_named_steps', 'tasker_named_tasks_named_steps', 'tasker_tasks', 'tasker_workflow_steps', "
    "'tasker_workflow_step_edges', 'tasker_task_transitions', 'tasker_workflow_step_transitions', "
    "'tasker_annotation_types', 'tasker_task_annotations'";

// Which of the thirteen tables are missing, as text; "" when all are there, "all" when none is.
static int find_missing(struct postgres *p, char *out, size_t size, tasker_error *err)
{
    char sql[1024];
    (void)snprintf(sql, sizeof(sql),
                   "SELECT CASE WHEN count(*) = 13 THEN 'all' ELSE coalesce(string_agg(name, ', '), '') END "
                   "FROM unnest(ARRAY[%s]) AS name WHERE to_regclass(name) IS NULL",
                   rails_names);
    return ask(p, sql, out, size, err);
}

// Functions and the view are made where the Rails engine's migrations did not.
static int make_functions(struct migration *m)
{
    char there[16], sql[200];
    int rc = ask(m->p, "SELECT to_regclass('tasker_step_dag_relationships') IS NOT NULL", there, sizeof(there), m->err);
    if (rc == 0 && there[0] != 't')
        rc = run(m->p, postgres_dag_view, m->err);
    for (size_t i = 0; i < POSTGRES_RAILS_FUNCTIONS && rc == 0; i++) {
        const struct postgres_function *f = &postgres_rails_functions[i];
        (void)snprintf(sql, sizeof(sql),
                       "SELECT count(*) FROM pg_proc WHERE proname = '%s' AND pronamespace = quote_ident(current_schema())::regnamespace",
                       f->name);
        rc = ask(m->p, sql, there, sizeof(there), m->err);
        if (rc == 0 && there[0] == '0')
            rc = run(m->p, f->text, m->err);
    }
    return rc;
}

static int version_1(struct migration *m)
{
    char missing[600];
    int rc = find_missing(m->p, missing, sizeof(missing), m->err);
    if (rc < 0)
        return rc;
    m->rails_made = missing[0] == '\0';
    if (!m->rails_made && strcmp(missing, "all") != 0) {
        err_set(m->err, TASKER_E_SCHEMA, "some tables of the Rails engine are there, but not %s (%s)", missing, m->p->place);
        err_remedy(m->err, "run the migrations of the Rails engine first, or use an empty database or schema");
        return TASKER_E_SCHEMA;
    }
    if (!m->rails_made)
        rc = run(m->p, postgres_rails_tables, m->err);
    if (rc == 0)
        rc = make_functions(m);
    if (rc == 0)
        rc = run(m->p, postgres_core_tables, m->err);
    if (rc == 0)
        rc = run(m->p, postgres_core_functions, m->err);
    return rc == 0 ? meta_set(m->p, "rails_made", m->rails_made ? "true" : "false", m->err) : rc;
}

static int version_2(struct migration *m)
{
    return run(m->p, lane_lease, m->err);
}

// What Rails made stays as it is.
static int unless_rails_made(struct migration *m, const char *sql)
{
    char made[16];
    int rc = meta_get(m->p, "rails_made", made, sizeof(made), m->err);
    return rc < 0 || strcmp(made, "true") == 0 ? rc : run(m->p, sql, m->err);
}

static int version_3(struct migration *m)
{
    return unless_rails_made(m, map_indexes);
}

static int make_functions_again(struct migration *m)
{
    int rc = 0;
    for (size_t i = 0; i < POSTGRES_RAILS_FUNCTIONS && rc == 0; i++)
        rc = unless_rails_made(m, postgres_rails_functions[i].text);
    return rc;
}

// For a time, version 3 made the indexes as well.
static int version_4(struct migration *m)
{
    int rc = unless_rails_made(m, state_indexes);
    return rc == 0 ? make_functions_again(m) : rc;
}

// Row i leads from version i to i + 1.
static const struct {
    const char *name;
    int (*make)(struct migration *m);
} versions[] = {
    {"tables of the Rails engine, lanes, queue, dispatch", version_1},
    {"the lease of each lane", version_2},
    {"maps between systems are found from both sides", version_3},
    {"what is not complete by its state, quicker functions", version_4},
    {"quicker dependency levels", make_functions_again},
    {"quicker dependency levels once more", make_functions_again},
};
_Static_assert(ARRAY_SIZE(versions) == STORE_SCHEMA_VERSION, "one row per schema version");

static int make_id(struct postgres *p, tasker_error *err)
{
    char id[UUID_TEXT_SIZE];
    struct rng rng = {rng_seed_system()};
    return meta_set(p, "database_id", uuid_v7(clock_real_us(), &rng, id), err);
}

// Everything from version `from` to `to`, inside a transaction.
static int make_versions(struct migration *m, int from, int to)
{
    char text[16];
    int rc = run(m->p, meta_table, m->err);
    if (rc == 0 && from == 0)
        rc = make_id(m->p, m->err);
    for (int v = from; v < to && rc == 0; v++)
        rc = versions[v].make(m);
    (void)snprintf(text, sizeof(text), "%d", to);
    return rc == 0 ? meta_set(m->p, "schema_version", text, m->err) : rc;
}

// What a role may not do, it is told by name: whom to ask for what. The answer is one remedy.
static const char ask_rights[] =
    "SELECT coalesce((SELECT format('let the owner of the schema run: GRANT USAGE ON SCHEMA %I TO %I', nspname, current_user) "
    "FROM pg_namespace WHERE current_schema() IS NULL AND NOT has_schema_privilege(oid, 'USAGE') AND nspname = ANY (SELECT trim(BOTH '\" ' FROM x) "
    "FROM unnest(string_to_array(current_setting('search_path'), ',')) x) LIMIT 1), "
    "CASE WHEN current_schema() IS NULL THEN format('make a schema that is in the search_path (%s): CREATE SCHEMA "
    "%s', current_setting('search_path'), replace(trim(split_part(current_setting('search_path'), ',', 1)), '\"$user\"', "
    "quote_ident(current_user))) "
    "WHEN NOT has_schema_privilege(current_schema(), 'CREATE') THEN format('let the owner of the database run: GRANT "
    "USAGE, CREATE ON SCHEMA %I TO %I', current_schema(), current_user) "
    "ELSE format('run `tasker db migrate` as the role that owns the tables of schema %I, or let it run: GRANT SELECT, "
    "INSERT, UPDATE, DELETE, REFERENCES ON ALL TABLES IN SCHEMA %I TO %I', current_schema(), current_schema(), "
    "current_user) END)";

// A check makes the tables as they should be, in a schema beside those that are there, and takes all of it back.
static const char ask_rights_to_check[] =
    "SELECT format('let the owner of the database run: GRANT CREATE, TEMPORARY ON DATABASE %I TO %I', current_database(), "
    "current_user)";

// After a transaction that was rolled back: the server refused it for want of a right, or of a schema. `rights` asks for it.
static void explain_rights(struct postgres *p, const char *rights, tasker_error *err)
{
    static const char *const wants[] = {"42501", "3F000"};
    char text[sizeof(err->remedy)];
    bool want = false;
    for (size_t i = 0; i < ARRAY_SIZE(wants); i++)
        want = want || strcmp(p->failed_with, wants[i]) == 0;
    if (want && ask(p, rights, text, sizeof(text), NULL) == 0)
        err_remedy(err, "%s", text);
}

static int wrong_version(const struct postgres *p, int version, tasker_error *err)
{
    if (version > STORE_SCHEMA_VERSION) {
        err_set(err, TASKER_E_SCHEMA, "%s has schema version %d, newer than this program's %d", p->place, version,
                STORE_SCHEMA_VERSION);
        err_remedy(err, "use a newer version of this program");
    } else {
        err_set(err, TASKER_E_SCHEMA, "%s has schema version %d, this program needs %d", p->place, version,
                STORE_SCHEMA_VERSION);
        err_remedy(err, "run `tasker db migrate`, or open it with \"migrate\": true");
    }
    return TASKER_E_SCHEMA;
}

// A transaction that takes its time, waits for other migrations as long as they take, and then sees what they have made,
// whatever the settings of the role. Only for a lock of somebody's tables it waits no longer than the role wants to.
static const char begin_text[] =
    "BEGIN ISOLATION LEVEL READ COMMITTED; SELECT set_config(name, '0', true) FROM pg_settings "
    "WHERE name IN ('statement_timeout', 'transaction_timeout', 'lock_timeout'); "
    "SELECT set_config('quote_all_identifiers', 'off', true)";
static const char locked_text[] = "SET LOCAL lock_timeout TO DEFAULT";

static int upgrade(struct postgres *p, bool rails_indexes, int *ret_from, tasker_error *err)
{
    struct migration m = {.p = p, .err = err};
    int rc = run(p, begin_text, err);
    if (rc == 0)
        rc = run(p, lock_text, err);
    if (rc == 0)
        rc = run(p, locked_text, err);
    if (rc == 0)
        rc = read_version(p, ret_from, err);
    if (rc == 0 && *ret_from > STORE_SCHEMA_VERSION)
        rc = wrong_version(p, *ret_from, err);
    if (rc == 0 && *ret_from < STORE_SCHEMA_VERSION)
        rc = make_versions(&m, *ret_from, STORE_SCHEMA_VERSION);
    if (rc == 0 && rails_indexes)
        rc = run(p, postgres_rails_indexes, err);
    if (rc == 0)
        return run(p, "COMMIT", err);
    if (run(p, "ROLLBACK", NULL) < 0)
        postgres_disconnect(p);
    else if (err)
        explain_rights(p, ask_rights, err);
    return rc;
}

int postgres_schema_ready(struct postgres *p, bool migrate, tasker_error *err)
{
    int version = 0;
    int rc = read_version(p, &version, err);
    if (rc == 0 && version < STORE_SCHEMA_VERSION && migrate) {
        rc = upgrade(p, false, &version, err);
        if (version < STORE_SCHEMA_VERSION)
            version = STORE_SCHEMA_VERSION;
    }
    if (rc == 0 && version != STORE_SCHEMA_VERSION)
        rc = wrong_version(p, version, err);
    if (rc == 0)
        rc = meta_get(p, "database_id", p->database_id, sizeof(p->database_id), err);
    if (rc == 0 && p->database_id[0] == '\0')
        rc = err_set(err, TASKER_E_SCHEMA, "%s has no database id", p->place);
    return rc;
}

// ------------------------------------------------------------------------------------------------------------ drift

// What the catalog says of one schema: kind, name, detail. %s is the name of the schema, as a literal.
#define DESCRIBE                                                                                                       \
    "(SELECT kind, name, replace(detail, quote_ident(nsp) || '.', '') AS detail FROM (SELECT nspname AS nsp, oid AS ns FROM "    \
    "pg_namespace WHERE nspname = %s) o CROSS JOIN LATERAL ("                                                              \
    "SELECT 'table' AS kind, c.relname::text AS name, c.relkind::text AS detail FROM pg_class c "                       \
    "WHERE c.relnamespace = ns AND c.relkind IN ('r', 'v') AND c.relname LIKE 'tasker\\_%%' "             \
    "UNION ALL SELECT 'column', c.relname || '.' || a.attname, format_type(a.atttypid, a.atttypmod) || "                \
    "CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END || coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), '') " \
    "FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped "                \
    "LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum "                                               \
    "WHERE c.relnamespace = ns AND c.relkind = 'r' AND c.relname LIKE 'tasker\\_%%' "                     \
    "UNION ALL SELECT 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = nsp AND tablename LIKE 'tasker\\_%%' " \
    "UNION ALL SELECT 'constraint', c.relname || '.' || k.conname, pg_get_constraintdef(k.oid) FROM pg_constraint k "    \
    "JOIN pg_class c ON c.oid = k.conrelid WHERE c.relnamespace = ns AND c.relname LIKE 'tasker\\_%%' "   \
    "AND k.contype IN ('p', 'u', 'f', 'c') "                                                                            \
    "UNION ALL SELECT 'view', viewname, definition FROM pg_views WHERE schemaname = nsp AND viewname LIKE 'tasker\\_%%' " \
    "UNION ALL SELECT 'function', f.proname || '(' || pg_get_function_identity_arguments(f.oid) || ')', "               \
    "coalesce(pg_get_function_result(f.oid), '') || ' ' || md5(f.prosrc) FROM pg_proc f "                               \
    "WHERE f.pronamespace = ns AND (f.proname LIKE 'tasker\\_%%' OR f.proname IN ("                       \
    "'calculate_dependency_levels', 'get_step_readiness_status', 'get_step_readiness_status_batch', "                   \
    "'get_task_execution_context', 'get_task_execution_contexts_batch', 'get_analytics_metrics_v01', "                  \
    "'get_slowest_steps_v01', 'get_slowest_tasks_v01', 'get_system_health_counts_v01'))) x)"

#define EXPECTED "tasker_core_expected"

// What only the Rails engine's own migrations make is its own business: more indexes, other bodies. Nor do we put indexes
// of ours on its tables.
static const char drift_text[] =
    "SELECT coalesce(a.name, w.name), coalesce(a.kind, w.kind), CASE WHEN a.name IS NULL THEN 'missing' "
    "WHEN w.name IS NULL THEN 'extra' ELSE 'changed' END, coalesce('is ' || a.detail, '') || "
    "CASE WHEN a.name IS NOT NULL AND w.name IS NOT NULL THEN '; ' ELSE '' END || coalesce('should be ' || w.detail, '') "
    "FROM tasker_core_found a FULL JOIN tasker_core_wanted w ON w.kind = a.kind AND w.name = a.name "
    "WHERE a.detail IS DISTINCT FROM w.detail AND NOT ((CASE WHEN a.name IS NULL THEN w.kind = 'index' "
    "AND w.name LIKE 'tasker\\_core\\_%' AND w.detail NOT LIKE '% ON tasker\\_core\\_%' "
    "ELSE a.kind IN ('index', 'function', 'view') AND a.name NOT LIKE 'tasker\\_core\\_%' END) "
    "AND $1 = 'true') ORDER BY 2, 1";

static int snapshot(struct postgres *p, const char *table, const char *schema, tasker_error *err)
{
    char sql[6000];
    (void)snprintf(sql, sizeof(sql), "CREATE TEMPORARY TABLE %s ON COMMIT DROP AS " DESCRIBE, table, schema);
    return run(p, sql, err);
}

static int write_drift(struct postgres *p, const char *rails_made, struct buf *out, tasker_error *err)
{
    PGresult *r = PQexecParams(p->conn, drift_text, 1, NULL, &rails_made, NULL, NULL, 0);
    int rc = PQresultStatus(r) == PGRES_TUPLES_OK ? 0 : postgres_fail(p, r, "the drift report", err);
    jw_key(out, "drift");
    jw_open(out, '[');
    for (int i = 0; rc == 0 && i < PQntuples(r); i++) {
        jw_open(out, '{');
        jw_kstr(out, "object", PQgetvalue(r, i, 0));
        jw_kstr(out, "kind", PQgetvalue(r, i, 1));
        jw_kstr(out, "problem", PQgetvalue(r, i, 2));
        jw_kstr(out, "detail", PQgetvalue(r, i, 3));
        jw_close(out, '}');
    }
    jw_close(out, ']');
    PQclear(r);
    return rc;
}

// Each side is described with its own schema first in the search path, so that neither names itself.
static int compare(struct postgres *p, struct buf *out, tasker_error *err)
{
    char path[300], sql[400], rails_made[16];
    struct migration m = {.p = p, .err = err};
    int rc = ask(p, "SELECT quote_literal(coalesce(quote_ident(current_schema()), ''))", path, sizeof(path), err);
    if (rc == 0)
        rc = meta_get(p, "rails_made", rails_made, sizeof(rails_made), err);
    if (rc == 0)
        rc = snapshot(p, "tasker_core_found", "current_schema()", err);
    if (rc == 0)
        rc = run(p, "CREATE SCHEMA " EXPECTED "; SET LOCAL search_path = " EXPECTED, err);
    if (rc == 0)
        rc = make_versions(&m, 0, STORE_SCHEMA_VERSION);
    if (rc == 0)
        rc = snapshot(p, "tasker_core_wanted", "'" EXPECTED "'", err);
    (void)snprintf(sql, sizeof(sql), "SELECT set_config('search_path', %s, true)", path);
    if (rc == 0)
        rc = run(p, sql, err);
    return rc == 0 ? write_drift(p, rails_made, out, err) : rc;
}

static int check(struct postgres *p, struct buf *out, tasker_error *err)
{
    int rc = run(p, begin_text, err);
    if (rc == 0)
        rc = compare(p, out, err);
    if (run(p, "ROLLBACK", NULL) < 0)
        postgres_disconnect(p);
    else if (rc < 0 && err)
        explain_rights(p, ask_rights_to_check, err);
    return rc;
}

// ------------------------------------------------------------------------------------------------------- the operation

static void write_versions(struct buf *out, bool applied, int from)
{
    jw_kstr(out, "backend", "postgresql");
    jw_kint(out, "version", applied && from < STORE_SCHEMA_VERSION ? STORE_SCHEMA_VERSION : from);
    jw_kint(out, "wanted", STORE_SCHEMA_VERSION);
    jw_key(out, applied ? "applied" : "pending");
    jw_open(out, '[');
    for (int v = from; v < STORE_SCHEMA_VERSION; v++) {
        jw_open(out, '{');
        jw_kint(out, "version", v + 1);
        jw_kstr(out, "name", versions[v].name);
        jw_close(out, '}');
    }
    jw_close(out, ']');
}

int postgres_migrate(struct store *base, const struct migrate_options *options, struct buf *out, tasker_error *err)
{
    struct postgres *p = postgres_of(base);
    int from = 0;
    int rc = postgres_connect(p, err);
    if (rc == 0)
        rc = options->mode == MIGRATE_APPLY ? upgrade(p, options->rails_indexes, &from, err) : read_version(p, &from, err);
    if (rc < 0)
        return rc;
    jw_open(out, '{');
    write_versions(out, options->mode == MIGRATE_APPLY, from);
    if (options->mode == MIGRATE_CHECK)
        rc = check(p, out, err);
    jw_close(out, '}');
    return rc < 0 ? rc : buf_failed(out) ? err_nomem(err) : 0;
}
