// SPDX-License-Identifier: MIT
// history.c - gives a database a past: copies its finished tasks, with their steps, edges and
// transitions, until it has as many tasks as asked for. Nothing of it goes through the engine,
// which has to be closed.
//
//     bench-history FILE TASKS
//
// Each round copies all tasks there are, under ids above the highest; the last one only what is
// missing.
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static void die(sqlite3 *db, const char *what)
{
    fprintf(stderr, "bench-history: %s: %s\n", what, sqlite3_errmsg(db));
    exit(1);
}

static int64_t ask(sqlite3 *db, const char *query)
{
    sqlite3_stmt *st;

    if (sqlite3_prepare_v2(db, query, -1, &st, NULL) != SQLITE_OK || sqlite3_step(st) != SQLITE_ROW)
        die(db, query);
    int64_t v = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return v;
}

// ?1 raises task ids, ?2 step ids, ?3 is the last task to be copied.
static void copy(sqlite3 *db, const char *text, const int64_t parameters[3])
{
    sqlite3_stmt *st;

    if (sqlite3_prepare_v2(db, text, -1, &st, NULL) != SQLITE_OK)
        die(db, text);
    for (int i = 0; i < sqlite3_bind_parameter_count(st); i++)
        sqlite3_bind_int64(st, i + 1, parameters[i]);
    if (sqlite3_step(st) != SQLITE_DONE)
        die(db, text);
    sqlite3_finalize(st);
}

static const char *const copies[] = {
    "INSERT INTO tasker_tasks SELECT task_id + ?1, named_task_id, complete, requested_at, "
    "initiator, source_system, reason, bypass_steps, tags, context, "
    "printf('%016x', random()) || (task_id + ?1), created_at, updated_at "
    "FROM tasker_tasks WHERE task_id <= ?3",

    "INSERT INTO tasker_workflow_steps SELECT workflow_step_id + ?2, task_id + ?1, named_step_id, "
    "retryable, retry_limit, in_process, processed, processed_at, attempts, last_attempted_at, "
    "backoff_request_seconds, inputs, results, created_at, updated_at, skippable "
    "FROM tasker_workflow_steps WHERE task_id <= ?3",

    "INSERT INTO tasker_workflow_step_edges SELECT NULL, e.from_step_id + ?2, e.to_step_id + ?2, "
    "e.name, e.created_at, e.updated_at FROM tasker_workflow_step_edges e "
    "JOIN tasker_workflow_steps s ON s.workflow_step_id = e.from_step_id WHERE s.task_id <= ?3",

    "INSERT INTO tasker_task_transitions SELECT NULL, to_state, from_state, metadata, sort_key, "
    "most_recent, task_id + ?1, created_at, updated_at "
    "FROM tasker_task_transitions WHERE task_id <= ?3",

    "INSERT INTO tasker_workflow_step_transitions SELECT NULL, t.to_state, t.from_state, "
    "t.metadata, t.sort_key, t.most_recent, t.workflow_step_id + ?2, t.created_at, t.updated_at "
    "FROM tasker_workflow_step_transitions t "
    "JOIN tasker_workflow_steps s ON s.workflow_step_id = t.workflow_step_id WHERE s.task_id <= ?3",
};

int main(int argc, char **argv)
{
    sqlite3 *db = NULL;
    int64_t wanted = argc == 3 ? atoll(argv[2]) : 0, count;

    if (wanted < 1) {
        fprintf(stderr, "usage: bench-history FILE TASKS\n");
        return 64;
    }
    if (sqlite3_open_v2(argv[1], &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
        die(db, argv[1]);
    // A crash may ruin the file: it is a measurement's.
    if (sqlite3_exec(
            db,
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF; "
            "PRAGMA cache_size = -2000000",
            NULL, NULL, NULL) != SQLITE_OK)
        die(db, "pragmas");
    if (ask(db, "SELECT count(*) FROM tasker_core_active") > 0 ||
        ask(db, "SELECT count(*) FROM tasker_tasks") == 0) {
        fprintf(stderr, "bench-history: %s: wants finished tasks, and no others\n", argv[1]);
        return 1;
    }
    while ((count = ask(db, "SELECT count(*) FROM tasker_tasks")) < wanted) {
        int64_t last = ask(db, "SELECT max(task_id) FROM tasker_tasks");
        int64_t parameters[3] = {
            last, ask(db, "SELECT max(workflow_step_id) FROM tasker_workflow_steps"), last};
        if (count * 2 > wanted) {
            char query[128];
            sqlite3_snprintf(
                (int)sizeof(query), query,
                "SELECT task_id FROM tasker_tasks ORDER BY task_id LIMIT 1 OFFSET %lld",
                (long long)(wanted - count - 1));
            parameters[2] = ask(db, query);
        }
        sqlite3_exec(db, "BEGIN", NULL, NULL, NULL);
        for (size_t i = 0; i < sizeof(copies) / sizeof(copies[0]); i++)
            copy(db, copies[i], parameters);
        if (sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
            die(db, "commit");
    }
    if (sqlite3_exec(db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL) != SQLITE_OK)
        die(db, "journal_mode");
    sqlite3_close(db);
    return 0;
}
