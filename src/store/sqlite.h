// SPDX-License-Identifier: MIT
// sqlite.h - what the files of the SQLite backend share, and nobody else includes.
//
//     sqlite.c           opening, pragmas, the busy handler, checkpoints, errors; the table of
//     operations sqlite_sql.c       statements: prepare once, bind, run sqlite_schema.c    the
//     tables, versions, migration sqlite_turn.c      commit: the fence, takeover, claims, ids,
//     outcomes sqlite_change.c    one function per kind of change sqlite_poll.c, sqlite_load.c,
//     sqlite_template.c, sqlite_inquiry.c    reading
//
// One connection, one thread at a time. No statement is left open between calls: whoever steps one
// resets it.
#ifndef STORE_SQLITE_H
#define STORE_SQLITE_H

#include <sqlite3.h>

#include "store/sqlite_statements.h"
#include "store/store.h"

struct sqlite {
    struct store base; // first
    sqlite3 *db;
    sqlite3 *guard; // holds the write lock during a checkpoint; opened when first needed
    sqlite3_stmt *statements[SQL_COUNT]; // NULL: not used yet
    char *path;                          // NULL: in memory
    char *host, *boot_id;
    char database_id[UUID_TEXT_SIZE];
    int wal_pages;                    // in the log after our last commit
    int wal_tried;                    // wal_pages at the last checkpoint
    int64_t busy_since;               // monotonic; when the wait for a lock began
    int64_t data_version;             // as PRAGMA data_version last said, 0: never asked
    int64_t text_second;              // which second text_prefix holds
    char text_prefix[TIME_TEXT_SIZE]; // "2026-11-23 05:15:50."
};

static inline struct sqlite *sqlite_of(struct store *s)
{
    return container_of(s, struct sqlite, base);
}

// ----------------------------------------------------------------------- statements (sqlite_sql.c)

extern const char *const sqlite_statement_texts[SQL_COUNT];

// One use of a prepared statement: sql_start, one sql_... per parameter in order, then sql_run, or
// sql_row until it says false. `rc` is sticky: after a failure everything is skipped and sql_run
// returns it. Texts are borrowed until then.
struct sql {
    struct sqlite *s;
    sqlite3_stmt *st;
    int rc;    // SQLITE_OK or the first failure
    int at;    // parameters bound
    int times; // time texts used
    char time[3][TIME_TEXT_SIZE];
};
void sql_start(struct sql *q, struct sqlite *s, enum sqlite_statement id);
void sql_int(struct sql *q, int64_t v);
void sql_int_or_null(struct sql *q, int64_t v, int64_t null); // `null` is written as NULL
void sql_span(struct sql *q, struct span text);               // absent: NULL
void sql_str(struct sql *q, const char *text);                // NULL: NULL
void sql_time(struct sql *q, int64_t us);      // 0: NULL; at most three per statement
int sql_run(struct sql *q);                    // to its end; SQLITE_OK or a result code
int sql_hit(struct sql *q, int64_t *ret_rows); // sql_run, and how many rows it changed
bool sql_row(struct sql *q); // the next row; false: the end, or q->rc says what failed
int sql_end(struct sql *q);  // gives the statement back before its end; returns q->rc

// Columns of the current row.
int64_t sql_int_at(const struct sql *q, int column);                    // NULL: 0
int64_t sql_int_or(const struct sql *q, int column, int64_t otherwise); // NULL: otherwise
bool sql_null_at(const struct sql *q, int column);
// NULL gives an absent span; borrowed until the next row.
struct span sql_span_at(const struct sql *q, int column);
int64_t sql_time_at(const struct sql *q, int column); // NULL or no time: 0
struct blob *sql_blob_at(struct sql *q, int column);  // NULL: NULL; out of memory sets q->rc
// sql_keep copies into `a`; out of memory sets q->rc.
struct span sql_keep(struct sql *q, struct arena *a, int column);
// sql_one_int runs a statement with at most one integer parameter that gives one integer; no row:
// `otherwise`.
int sql_one_int(struct sqlite *s, enum sqlite_statement id, int64_t parameter, int64_t otherwise,
                int64_t *ret);

// -------------------------------------------------------------------------------- errors and files

// sqlite_fail describes result code `rc` of the connection: "what: reason (path)". Returns the
// TASKER_E_ code.
int sqlite_fail(struct sqlite *s, int rc, const char *what, tasker_error *err);

// sqlite_read_begin and sqlite_read_end put several reads into one snapshot. End also after a
// failure.
int sqlite_read_begin(struct sqlite *s, tasker_error *err) CHECKED;
void sqlite_read_end(struct sqlite *s);
// sqlite_rollback ends whatever transaction is open; none is fine.
void sqlite_rollback(struct sqlite *s);

// sqlite_network_fs names the network file system that a statfs magic number and a type of
// /proc/self/mountinfo (used for FUSE, may be "") stand for; NULL: it is a local one.
const char *sqlite_network_fs(uint64_t magic, const char *type);

// -------------------------------------------------------------------------------- schema and turns

// sqlite_schema_ready brings the schema up to date (migrate) or checks it; then reads the
// database's id.
int sqlite_schema_ready(struct sqlite *s, bool migrate, tasker_error *err) CHECKED;
int sqlite_migrate(struct store *base, const struct migrate_options *options, struct buf *out,
                   tasker_error *err) CHECKED;

// A turn under way.
struct writer {
    struct sqlite *s;
    const struct turn *turn;
    struct turn_result *ret;
};
// What the functions of a turn return besides SQLite's result codes.
enum { TURN_FENCED = -1, TURN_MISSED = -2 }; // MISSED: a row that must be there is not

// sqlite_changes writes the turn's changes in order; ret->culprit is the one that failed.
int sqlite_changes(struct writer *w);

void sqlite_commit(struct store *base, const struct turn *turn, struct turn_result *ret);
enum commit_outcome sqlite_resolve(struct store *base, const struct turn *turn, tasker_error *err);
int sqlite_poll(struct store *base, const struct poll_want *want, int64_t now,
                struct poll_result *ret, tasker_error *err) CHECKED;
int sqlite_holdings(struct store *base, int64_t lane, struct holdings *ret, tasker_error *err) CHECKED;
int sqlite_load_task(struct store *base, int64_t task_id, struct task_rows *ret,
                     tasker_error *err) CHECKED;
int sqlite_load_offer(struct store *base, int64_t step_id, struct offer_rows *ret,
                      tasker_error *err) CHECKED;
int sqlite_step_result(struct store *base, int64_t task_id, const char *name, struct blob **ret,
                       tasker_error *err) CHECKED;
int sqlite_register_template(struct store *base, struct template *t, bool replace, int64_t now,
                             tasker_error *err) CHECKED;
int sqlite_load_template(struct store *base, int64_t template_id, const char *namespace_name,
                         const char *name, const char *version, struct template **ret,
                         tasker_error *err) CHECKED;
int sqlite_operate(struct store *base, const char *name, const struct json *arguments, int64_t now,
                   struct buf *out, tasker_error *err) CHECKED;
int sqlite_query(struct store *base, const char *name, const struct json *arguments, int64_t now,
                 struct buf *out, tasker_error *err) CHECKED;

#endif
