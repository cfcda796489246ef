// SPDX-License-Identifier: MIT
// test_sqlite.c - the storage contract on SQLite files, and what only SQLite has: locks, disk full,
// a COMMIT that fails, checkpoints, the memory database, network file systems. Every database is
// checked for soundness when its test ends.
#include "contract.h"

#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/sqlite.h"

// ------------------------------------------------------------------------------------- the backend

static const char *path_of(const char *uri)
{
    return uri + strlen("sqlite:");
}

static void create(char *uri, size_t size)
{
    static int serial;
    char folder[128];
    const char *base = getenv("TMPDIR");
    (void)snprintf(folder, sizeof(folder), "%s/contract-XXXXXX",
                   base && strlen(base) < 90 ? base : "/tmp");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(uri, size, "sqlite:%s/%d.db", folder, ++serial);
}

static int on_value(void *user, int columns, char **values, char **names)
{
    (void)columns;
    (void)names;
    char *out = user;
    (void)snprintf(out, 1024, "%s", values[0] ? values[0] : "");
    return 0;
}

static void ask(const char *uri, const char *sql, char out[1024])
{
    sqlite3 *db = NULL;
    out[0] = '\0';
    assert_int_equal(sqlite3_open_v2(path_of(uri), &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    if (sqlite3_exec(db, sql, on_value, out, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_close(db);
}

static void run_sql(const char *uri, const char *sql)
{
    char out[1024];
    ask(uri, sql, out);
}

static int64_t number(const char *uri, const char *sql)
{
    char out[1024];
    ask(uri, sql, out);
    assert_true(out[0] != '\0');
    return strtoll(out, NULL, 10);
}

static void text(const char *uri, const char *sql, char *ret, size_t size)
{
    char out[1024];
    ask(uri, sql, out);
    (void)snprintf(ret, size, "%s", out);
}

static void destroy(const char *uri)
{
    char out[1024], name[300];
    static const char *const tails[] = {"", "-wal", "-shm"};
    ask(uri, "PRAGMA integrity_check", out);
    assert_string_equal(out, "ok");
    ask(uri, "PRAGMA foreign_key_check", out);
    assert_string_equal(out, "");
    for (size_t i = 0; i < ARRAY_SIZE(tails); i++) {
        (void)snprintf(name, sizeof(name), "%s%s", path_of(uri), tails[i]);
        (void)unlink(name);
    }
    *strrchr(name, '/') = '\0';
    assert_int_equal(rmdir(name), 0);
}

static const struct backend sqlite_backend = {
    .name = "sqlite",
    .create = create,
    .destroy = destroy,
    .number = number,
    .text = text,
    .run = run_sql,
};

// ------------------------------------------------------------------------------------ SQLite's own

static void a_locked_database_is_a_retry(void **state)
{
    struct world *w = *state;
    struct owner o;
    struct script s = {0};
    owner_begin(&o, w->a, T0);
    script_task(w, &s, 1, 10, true);
    // No waiting for five seconds here: the connection gives up at once.
    assert_int_equal(sqlite3_busy_timeout(sqlite_of(w->a)->db, 0), SQLITE_OK);
    assert_int_equal(sqlite3_exec(sqlite_of(w->b)->db, "BEGIN IMMEDIATE", NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(owner_write(&o, &s), OUT_RETRY);
    assert_int_equal(o.r.error.code, TASKER_E_BUSY);
    assert_int_equal(sqlite3_exec(sqlite_of(w->b)->db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(owner_write(&o, &s), OUT_COMMITTED);
    owner_end(&o);
}

static void a_full_disk_is_a_retry_and_the_same_turn_fits_later(void **state)
{
    struct world *w = *state;
    struct owner o;
    struct script s = {0};
    struct task_rows r;
    char *big = malloc(1 << 20);
    memset(big, '1', 1 << 20);
    owner_begin(&o, w->a, T0);
    script_task(w, &s, 1, 10, true);
    s.list[0].task.context = (struct span){big, 1 << 20};
    sqlite3 *db = sqlite_of(w->a)->db;
    assert_int_equal(sqlite3_exec(db, "PRAGMA max_page_count = 1", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(owner_write(&o, &s), OUT_RETRY);
    assert_int_equal(o.r.error.code, TASKER_E_IO);
    assert_int_equal(number(w->uri, "SELECT count(*) FROM tasker_tasks"), 0);
    assert_int_equal(sqlite3_exec(db, "PRAGMA max_page_count = 1000000", NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(owner_write(&o, &s), OUT_COMMITTED);
    load(w->b, 1, &r);
    assert_int_equal(r.context->size, 1 << 20);
    task_rows_done(&r);
    free(big);
    owner_end(&o);
}

static void a_value_too_big_refuses_the_turn(void **state)
{
    struct world *w = *state;
    struct owner o;
    struct script s = {0};
    char value[2000];
    memset(value, '1', sizeof(value));
    owner_begin(&o, w->a, T0);
    script_task(w, &s, 1, 10, true);
    script_step_done(&s, 10, T0, false, "{}");
    s.list[s.count - 1].step_update.results = (struct span){value, sizeof(value)};
    int before = sqlite3_limit(sqlite_of(w->a)->db, SQLITE_LIMIT_LENGTH, 1000);
    assert_int_equal(owner_write(&o, &s), OUT_REFUSED);
    assert_int_equal(o.r.culprit, s.count - 1);
    assert_int_equal(o.r.error.code, TASKER_E_TOO_BIG);
    sqlite3_limit(sqlite_of(w->a)->db, SQLITE_LIMIT_LENGTH, before);
    assert_int_equal(owner_write(&o, &s), OUT_COMMITTED);
    owner_end(&o);
}

static int veto(void *user)
{
    (void)user;
    return 1;
}

static void a_commit_that_fails_is_unknown_until_it_is_resolved(void **state)
{
    struct world *w = *state;
    struct owner o;
    struct script s = {0};
    owner_begin(&o, w->a, T0);
    script_task(w, &s, 1, 10, true);
    struct turn t = {
        .kind = TURN_WORK, .changes = s.list, .change_count = s.count, .want_task_ids = 3};
    sqlite3_commit_hook(sqlite_of(w->a)->db, veto, NULL);
    assert_int_equal(owner_commit(&o, &t), OUT_UNKNOWN);
    assert_int_equal(o.r.task_id_ranges, 0);
    sqlite3_commit_hook(sqlite_of(w->a)->db, NULL, NULL);
    assert_int_equal(w->a->ops->resolve(w->a, &t, NULL), OUT_RETRY);
    o.number += 2;
    assert_int_equal(owner_commit(&o, &t), OUT_COMMITTED);
    assert_int_equal(w->a->ops->resolve(w->a, &t, NULL), OUT_COMMITTED);
    assert_int_equal(number(w->uri, "SELECT count(*) FROM tasker_tasks"), 1);
    owner_end(&o);
}

static void only_the_writes_of_others_are_changes(void **state)
{
    struct world *w = *state;
    struct script s = {0};
    (void)w->a->ops->changed(w->a);
    assert_false(w->a->ops->changed(w->a));
    script_task(w, &s, 1, 10, false);
    plain_write(w->a, &s, T0);
    assert_false(w->a->ops->changed(w->a));
    s.count = 0;
    script_start(w, &s, 1, T0);
    plain_write(w->b, &s, T0);
    assert_true(w->a->ops->changed(w->a));
    assert_false(w->a->ops->changed(w->a));
}

// Grows the log by about `pages` pages.
static void grow_log(struct world *w, int64_t task, int pages)
{
    struct script s = {0};
    size_t size = (size_t)pages * 4096;
    char *value = malloc(size);
    memset(value, '1', size);
    script_task(w, &s, task, task * 10, false);
    s.list[0].task.context = (struct span){value, size};
    plain_write(w->a, &s, T0);
    free(value);
}

static void a_grown_log_is_moved_and_used_again(void **state)
{
    struct world *w = *state;
    struct sqlite *s = sqlite_of(w->a);
    tasker_error err = {0};
    grow_log(w, 1, 100);
    assert_int_equal(w->a->ops->checkpoint(w->a, &err), 0);
    grow_log(w, 2, 4000);
    assert_true(s->wal_pages > 4000); // the small log was left alone
    assert_int_equal(w->a->ops->checkpoint(w->a, &err), 0);
    grow_log(w, 3, 1);
    assert_true(s->wal_pages < 100);
    assert_int_equal(number(w->uri, "SELECT count(*) FROM tasker_tasks"), 3);
}

static void a_reader_does_not_stop_a_checkpoint_for_ever(void **state)
{
    struct world *w = *state;
    struct sqlite *s = sqlite_of(w->a);
    sqlite3 *reader = sqlite_of(w->b)->db;
    struct task_rows r;
    tasker_error err = {0};
    assert_int_equal(
        sqlite3_exec(reader, "BEGIN; SELECT count(*) FROM tasker_tasks", NULL, NULL, NULL),
        SQLITE_OK);
    grow_log(w, 1, 4200);
    assert_int_equal(w->a->ops->checkpoint(w->a, &err),
                     0); // in time, although nothing could be moved
    grow_log(w, 2, 1);
    assert_true(s->wal_pages > 4000);
    assert_int_equal(sqlite3_exec(reader, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    grow_log(w, 3, 600);
    assert_int_equal(w->a->ops->checkpoint(w->a, &err), 0);
    grow_log(w, 4, 1);
    assert_true(s->wal_pages < 100);
    load(w->b, 1, &r);
    assert_int_equal(r.context->size, 4200 * 4096);
    task_rows_done(&r);
}

static void a_writer_puts_a_checkpoint_off(void **state)
{
    struct world *w = *state;
    struct sqlite *s = sqlite_of(w->a);
    tasker_error err = {0};
    grow_log(w, 1, 4200);
    int pages = s->wal_pages;
    assert_int_equal(sqlite3_open_v2(s->path, &s->guard, SQLITE_OPEN_READWRITE, NULL),
                     SQLITE_OK); // gives up at once
    assert_int_equal(sqlite3_exec(sqlite_of(w->b)->db, "BEGIN IMMEDIATE", NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(w->a->ops->checkpoint(w->a, &err), 0);
    assert_int_equal(sqlite3_exec(sqlite_of(w->b)->db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    grow_log(w, 2, 1);
    assert_true(s->wal_pages > pages);
    assert_int_equal(w->a->ops->checkpoint(w->a, &err), 0);
    grow_log(w, 3, 1);
    assert_true(s->wal_pages < 100);
}

static void settings_are_those_that_durability_rests_on(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *pragma, *value;
    } wanted[] = {{"PRAGMA journal_mode", "wal"},     {"PRAGMA synchronous", "2"},
                  {"PRAGMA foreign_keys", "1"},       {"PRAGMA secure_delete", "0"},
                  {"PRAGMA wal_autocheckpoint", "0"}, {"PRAGMA mmap_size", "0"},
                  {"PRAGMA cache_size", "-65536"}};
    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
        char out[1024] = "";
        assert_int_equal(sqlite3_exec(sqlite_of(w->a)->db, wanted[i].pragma, on_value, out, NULL),
                         SQLITE_OK);
        assert_string_equal(out, wanted[i].value);
    }
}

static void a_database_in_memory_is_shared_and_works(void **state)
{
    (void)state;
    struct store_options options = {.host = "h", .boot_id = "b", .migrate = true};
    struct store *s = NULL;
    tasker_error err = {0};
    assert_int_equal(store_open("sqlite::memory:", &options, &s, &err), 0);
    assert_true(s->shared);
    struct owner o;
    owner_begin(&o, s, T0);
    struct turn t = {.kind = TURN_WORK, .want_task_ids = 4};
    assert_int_equal(owner_commit(&o, &t), OUT_COMMITTED);
    assert_int_equal(s->ops->checkpoint(s, &err), 0);
    owner_end(&o);
    store_close(s);
    options.read_only = true;
    assert_int_equal(store_open("sqlite::memory:", &options, &s, &err), TASKER_E_INVALID);
}

static void a_path_that_can_not_be_opened_is_named(void **state)
{
    struct world *w = *state;
    struct store_options options = {.migrate = true};
    struct store *s = NULL;
    tasker_error err = {0};
    assert_int_equal(store_open("sqlite:/nowhere/at/all.db", &options, &s, &err), TASKER_E_IO);
    assert_non_null(strstr(err.message, "/nowhere/at/all.db"));
    char uri[300];
    (void)snprintf(uri, sizeof(uri), "%s-text", w->uri);
    FILE *f = fopen(path_of(uri), "w");
    for (int i = 0; i < 200; i++)
        (void)fputs("this is no database at all\n", f);
    (void)fclose(f);
    assert_int_equal(store_open(uri, &options, &s, &err), TASKER_E_IO);
    assert_non_null(strstr(err.message, "-text"));
    assert_int_equal(unlink(path_of(uri)), 0);
    options.migrate = false; // nothing is created then
    assert_int_equal(store_open(uri, &options, &s, &err), TASKER_E_IO);
    assert_int_equal(access(path_of(uri), F_OK), -1);
}

static void an_empty_file_without_migration_has_the_wrong_schema(void **state)
{
    struct world *w = *state;
    struct store_options options = {.migrate = false};
    struct store *s = NULL;
    tasker_error err = {0};
    char uri[300];
    (void)snprintf(uri, sizeof(uri), "%s-empty", w->uri);
    run_sql(w->uri, "SELECT 1");
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path_of(uri), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "CREATE TABLE mine(x)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(store_open(uri, &options, &s, &err), TASKER_E_SCHEMA);
    options.migrate = true; // lives beside the tables of others
    assert_int_equal(store_open(uri, &options, &s, &err), 0);
    store_close(s);
    assert_int_equal(number(uri, "SELECT count(*) FROM mine"), 0);
    assert_int_equal(unlink(path_of(uri)), 0);
}

static void network_file_systems_are_known(void **state)
{
    (void)state;
    assert_string_equal(sqlite_network_fs(0x6969, ""), "NFS");
    assert_string_equal(sqlite_network_fs(0xFF534D42, ""), "CIFS");
    assert_string_equal(sqlite_network_fs(0x01021997, ""), "9p");
    assert_string_equal(sqlite_network_fs(0x65735546, "fuse.sshfs"), "sshfs");
    assert_null(sqlite_network_fs(0x65735546, "fuse.ntfs-3g"));
    assert_null(sqlite_network_fs(0x65735546, "fuseblk"));
    assert_null(sqlite_network_fs(0xEF53, "ext4"));
    assert_null(sqlite_network_fs(0x01021994, "tmpfs"));
}

// A shortcut from the root to the leaf: the least depth counts; double edges are listed twice.
static void the_view_tells_parents_children_and_least_depth(void **state)
{
    struct world *w = *state;
    struct script s = {0};
    char out[256];
    script_task(w, &s, 1, 10, false);
    struct change *c = script_add(&s, CH_EDGE_INSERT);
    c->edge.from = 10;
    c->edge.to = 12;
    plain_write(w->a, &s, T0);
    world_text(w, out, sizeof(out),
               "SELECT group_concat(workflow_step_id || parent_step_ids || child_step_ids || "
               "parent_count || child_count "
               "|| is_root_step || is_leaf_step || min_depth_from_root, ' ') FROM (SELECT * FROM "
               "tasker_step_dag_relationships WHERE task_id = %d ORDER BY workflow_step_id)",
               1);
    assert_string_equal(out, "10[][11,12]02100 11[10][12]11001 12[10,11][]20011");
}

static void depths_over_fifty_are_unknown(void **state)
{
    struct world *w = *state;
    struct script s = {0};
    script_task(w, &s, 1, 10, false);
    for (int i = 3; i <= 60; i++) { // the line goes on; all further steps are of the kind "c"
        struct change *c = script_add(&s, CH_STEP_INSERT);
        c->step.step_id = 10 + i;
        c->step.task_id = 1;
        c->step.named_step_id = w->tpl->named_step_ids[2];
        c = script_add(&s, CH_EDGE_INSERT);
        c->edge.from = 9 + i;
        c->edge.to = 10 + i;
    }
    plain_write(w->a, &s, T0);
    assert_int_equal(
        world_number(w, "SELECT max(min_depth_from_root) FROM tasker_step_dag_relationships"), 50);
    assert_int_equal(world_number(w, "SELECT count(*) FROM tasker_step_dag_relationships "
                                     "WHERE min_depth_from_root IS NULL"),
                     10);
}

static void every_statement_compiles(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < SQL_COUNT; i++) {
        struct sql q;
        sql_start(&q, sqlite_of(w->a), (enum sqlite_statement)i);
        assert_int_equal(q.rc, SQLITE_OK);
    }
}

// What runs for every row of a turn, and every poll, finds its rows by an index.
static void statements_of_turns_and_polls_scan_no_large_table(void **state)
{
    struct world *w = *state;
    static const char *const large[] = {"SCAN tasker_tasks",
                                        "SCAN tasker_workflow",
                                        "SCAN tasker_task_transitions",
                                        "SCAN s\n",
                                        "SCAN t\n",
                                        "SCAN a\n",
                                        "SCAN e\n",
                                        "SCAN k\n",
                                        "SCAN d\n",
                                        "SCAN tasker_core_active\n",
                                        "SCAN tasker_core_dispatch\n"};
    for (size_t i = SQL_FENCE; i < SQL_NAMESPACE_PUT; i++) {
        char sql[4096];
        sqlite3_stmt *st = NULL;
        (void)snprintf(sql, sizeof(sql), "EXPLAIN QUERY PLAN %s", sqlite_statement_texts[i]);
        assert_int_equal(sqlite3_prepare_v2(sqlite_of(w->a)->db, sql, -1, &st, NULL), SQLITE_OK);
        while (sqlite3_step(st) == SQLITE_ROW) {
            char line[512];
            (void)snprintf(line, sizeof(line), "%s\n", (const char *)sqlite3_column_text(st, 3));
            for (size_t k = 0; k < ARRAY_SIZE(large); k++)
                if (strstr(line, large[k]))
                    fail_msg("%s: %s", sqlite_statement_texts[i], line);
        }
        sqlite3_finalize(st);
    }
}

static const struct CMUnitTest own_tests[] = {
    CONTRACT_TEST(a_locked_database_is_a_retry),
    CONTRACT_TEST(a_full_disk_is_a_retry_and_the_same_turn_fits_later),
    CONTRACT_TEST(a_value_too_big_refuses_the_turn),
    CONTRACT_TEST(a_commit_that_fails_is_unknown_until_it_is_resolved),
    CONTRACT_TEST(only_the_writes_of_others_are_changes),
    CONTRACT_TEST(a_grown_log_is_moved_and_used_again),
    CONTRACT_TEST(a_reader_does_not_stop_a_checkpoint_for_ever),
    CONTRACT_TEST(a_writer_puts_a_checkpoint_off),
    CONTRACT_TEST(settings_are_those_that_durability_rests_on),
    CONTRACT_TEST(a_database_in_memory_is_shared_and_works),
    CONTRACT_TEST(a_path_that_can_not_be_opened_is_named),
    CONTRACT_TEST(an_empty_file_without_migration_has_the_wrong_schema),
    CONTRACT_TEST(network_file_systems_are_known),
    CONTRACT_TEST(the_view_tells_parents_children_and_least_depth),
    CONTRACT_TEST(depths_over_fifty_are_unknown),
    CONTRACT_TEST(every_statement_compiles),
    CONTRACT_TEST(statements_of_turns_and_polls_scan_no_large_table),
};

int main(void)
{
    int failed = contract_run(&sqlite_backend);
    return failed + cmocka_run_group_tests_name("sqlite's own", own_tests, NULL, NULL);
}
