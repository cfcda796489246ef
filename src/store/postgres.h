// SPDX-License-Identifier: MIT
// postgres.h - what the files of the PostgreSQL backend share, and nobody else includes.
//
//     postgres.c            opening, connecting again, session settings, errors; the table of operations
//     postgres_pipe.c       statements: queue them with their parameters, send all, read all (one round trip)
//     postgres_statements.h every statement that is sent more than once: name, text
//     postgres_schema*.c    the tables, the functions, versions, migration, drift
//     postgres_turn.c       commit and resolve: the fence, takeover, claims, ids, outcomes
//     postgres_history.c    failovers and restored backups: ids that are lost are not given again
//     postgres_keys.c       foreign keys that are checked once a turn, by us
//     postgres_change.c     changes sorted into one array statement per kind
//     postgres_locked.c     which tasks have rows that somebody else has locked
//     postgres_poll.c, postgres_load.c, postgres_template.c   reading
//     postgres_inquiry.c    what the questions of query*.c need of a database
//
// One connection, one thread at a time. A connection that was lost is made again by the next use; nothing is ever sent
// twice by this floor. All parameters are binary, all columns of results are text.
#ifndef STORE_POSTGRES_H
#define STORE_POSTGRES_H

#include <libpq-fe.h>

#include "store/postgres_statements.h"
#include "store/store.h"

struct postgres {
    struct store base;  // first
    PGconn *conn;       // NULL: not connected; the next use connects
    PQconninfoOption *options;  // what to connect with, the password among them: never shown
    char *own_options;  // in place of `options` among them, where keys_by_turn
    char *place;        // "host:port/database", for error texts
    char *host, *boot_id;
    bool read_only;     // queries only: listens to nothing
    bool notify;        // LISTEN and NOTIFY are wanted
    bool keys_by_turn;  // foreign keys are checked once a turn, not by the server: postgres_keys.c
    bool pooled;        // behind a pooler: statements are not named
    bool listening;
    int32_t tuned_ms;   // the session has the settings of turns, and this patience with locks; 0: not yet
    bool prepared[PG_COUNT];  // the server has it under its name
    char database_id[UUID_TEXT_SIZE];
    int64_t clock_offset;  // time of the database minus the monotonic clock
    bool clock_known, heard;  // heard: a notification came since `changed` was asked
    char history[64];      // of the connection's database, "" not known
    char written[64];      // in which the last turn was committed
    uint64_t session;      // number of the connection
    bool follows, followed;  // its history is looked at before ids are taken; it was, on this connection
    int64_t tried_at, hinted_at, freed_at;  // monotonic
    int64_t backoff_us;    // before the next try to connect; 0: at once
    tasker_error trouble;  // of the last try
    char failed_with[6];   // SQLSTATE of the last statement that failed, "" for the connection's own trouble
};

static inline struct postgres *postgres_of(struct store *s)
{
    return container_of(s, struct postgres, base);
}

// ------------------------------------------------------------------------------------------- connection (postgres.c)

// postgres_connect makes sure that there is a connection with our settings (TimeZone UTC, UTF-8, keepalives); what it
// lost is not repeated. TASKER_E_IO with what the server said; at once, with what was said last, when the last failure
// is only a moment ago.
int postgres_connect(struct postgres *p, tasker_error *err) CHECKED;
void postgres_disconnect(struct postgres *p);
// postgres_clock learns the time of the database from an answer: it said `database_us` at some moment between two
// readings of the monotonic clock.
void postgres_clock(struct postgres *p, int64_t database_us, int64_t sent, int64_t received);
// postgres_fail describes a failed result (NULL: the connection's own trouble) as "what: reason (place)"; returns the
// TASKER_E_ code: CONFLICT class 23, INVALID class 22, SCHEMA class 42 and 3F, BUSY 40001 40P01 55P03, FULL 53100, ...
int postgres_fail(struct postgres *p, const PGresult *r, const char *what, tasker_error *err);
// postgres_sqlstate is the five characters of a failed result, "" when it has none.
const char *postgres_sqlstate(const PGresult *r);

// ------------------------------------------------------------------------------------------------ pipe (postgres_pipe.c)

// Statements that are sent together and answered together, ended by one Sync. Without BEGIN they are one implicit
// transaction. Usage: pipe_init; per statement pipe_add and one pipe_... per parameter in order; pipe_run; then read the
// results by the number that pipe_add returned; pipe_done. `failed` (out of memory) is sticky. Parameters are copied.
// A pipe may be run once. A pipe that failed leaves no transaction open.
struct pipe_item;
struct pipe_parameter;
struct pipe {
    struct postgres *p;
    struct pipe_item *items;
    size_t count, cap;
    struct pipe_parameter *parameters;
    size_t parameter_count, parameter_cap;
    struct buf data;    // their bytes, one behind the other
    int array_type;     // enum pg_type of the array that is being filled
    bool failed;
    bool bound;         // pipe_bind: for
    uint64_t session;   // this one
    int64_t patience_us;  // without a byte from the server the connection counts as lost; 30 s unless set
    size_t failed_at;   // after pipe_run < 0: the first statement that failed; count: the connection
    char sqlstate[6];   // of that, "" for the connection's own trouble
    bool sent_all;      // after pipe_run: everything, the last statement too, may have reached the server
    int64_t sent, received;  // monotonic: when pipe_run began to send, and had all answers
};
void pipe_init(struct pipe *q, struct postgres *p);
void pipe_done(struct pipe *q);
// pipe_bind, behind pipe_init, is for a pipe whose statements depend on what the session has had before: it sees to it that
// there is a session, and pipe_run fails with nothing sent when that is another one by then.
void pipe_bind(struct pipe *q);
size_t pipe_add(struct pipe *q, enum pg_statement id);
size_t pipe_add_text(struct pipe *q, const char *sql);  // a statement that is not in the list; copied
// pipe_note keeps a number with the statement that was added last; pipe_noted gives it back, -1: none.
void pipe_note(struct pipe *q, int64_t note);
int64_t pipe_noted(const struct pipe *q, size_t statement);
void pipe_int8(struct pipe *q, int64_t v);
void pipe_int8_or_null(struct pipe *q, int64_t v, int64_t null);  // `null` is written as NULL
void pipe_int4(struct pipe *q, int32_t v);
void pipe_bool(struct pipe *q, bool v);
void pipe_text(struct pipe *q, struct span v);  // absent: NULL
void pipe_str(struct pipe *q, const char *v);
void pipe_jsonb(struct pipe *q, struct span v);
void pipe_time(struct pipe *q, int64_t us);     // timestamp without time zone; 0: NULL
void pipe_moment(struct pipe *q, int64_t us);   // the same; 0 is 1970

// An array parameter: pipe_array, then one pipe_item_... per element. Elements of the same rules as above.
enum pg_type { PG_INT8, PG_INT4, PG_BOOL, PG_TEXT, PG_JSONB, PG_JSON, PG_TIME };
void pipe_array(struct pipe *q, enum pg_type type, size_t count);
void pipe_item_int(struct pipe *q, int64_t v);  // INT8, INT4, BOOL, TIME (microseconds since 1970; 0 is NULL for TIME)
void pipe_item_null(struct pipe *q);
void pipe_item_span(struct pipe *q, struct span v);  // TEXT, JSONB, JSON; absent: NULL

// pipe_run connects if need be, sends everything with one Sync and reads everything. 0, or the error of the first
// statement that failed. Never blocks in one direction only: it reads while it writes.
int pipe_run(struct pipe *q, const char *what, tasker_error *err) CHECKED;
const PGresult *pipe_result(const struct pipe *q, size_t statement);  // valid until pipe_done

// Columns of a result, as of sqlite.h.
size_t pg_rows(const PGresult *r);
bool pg_null_at(const PGresult *r, size_t row, int column);
int64_t pg_int_at(const PGresult *r, size_t row, int column);  // NULL: 0
int64_t pg_int_or(const PGresult *r, size_t row, int column, int64_t otherwise);
bool pg_bool_at(const PGresult *r, size_t row, int column);
struct span pg_span_at(const PGresult *r, size_t row, int column);  // borrowed from the result; NULL: absent
int64_t pg_time_at(const PGresult *r, size_t row, int column);      // NULL or no time: 0
struct blob *pg_blob_at(struct pipe *q, const PGresult *r, size_t row, int column);  // NULL: NULL; OOM sets q->failed
struct span pg_keep(struct pipe *q, struct arena *a, const PGresult *r, size_t row, int column);
int64_t pg_hit(const PGresult *r);  // rows changed

// ----------------------------------------------------------------------------------------------- the other files

// postgres_schema_ready brings the schema up to date (migrate) or checks its version; then reads the database's id.
int postgres_schema_ready(struct postgres *p, bool migrate, tasker_error *err) CHECKED;
int postgres_migrate(struct store *base, const struct migrate_options *options, struct buf *out,
                     tasker_error *err) CHECKED;
void postgres_commit(struct store *base, const struct turn *turn, struct turn_result *ret);
enum commit_outcome postgres_resolve(struct store *base, const struct turn *turn, tasker_error *err);
// postgres_learn_history asks a new connection which history its database has. A standby can not tell yet.
void postgres_learn_history(struct postgres *p, bool standby);
// postgres_follow queues, in a pipe that is bound, what has to come before the first ids that are taken of a history, unless
// it is known to be that of the last ones. True: postgres_wrote is to be told when that was committed.
bool postgres_follow(struct pipe *q, bool takes_ids);
void postgres_wrote(struct postgres *p, bool followed);
// postgres_skip_ids leaves out ids that may be lost, at once.
int postgres_skip_ids(struct postgres *p, tasker_error *err) CHECKED;
// postgres_history_changed: the database has another history than the one in which the last turn of this store was committed.
bool postgres_history_changed(const struct postgres *p);
// postgres_changes queues the statements of the turn's changes. Returns the number of the one that answers with the ids
// of new requests, NO_STATEMENT when there is none.
#define NO_STATEMENT SIZE_MAX
size_t postgres_changes(struct pipe *q, const struct turn *turn);
// postgres_lock_parents queues the statements that check the turn's foreign keys in the server's place (postgres_keys.c).
void postgres_lock_parents(struct pipe *q, const struct turn *turn);
// postgres_keys_ready says whether a new session is one in which that is needed and harms no one; else p->trouble says why.
bool postgres_keys_ready(struct postgres *p);
// postgres_keys_remedy is what to do when such a session is refused in these words; NULL: that is not why.
const char *postgres_keys_remedy(const char *words);
// postgres_culprit finds the change that the statement at which the pipe failed speaks of, -1: not known.
int64_t postgres_culprit(const struct pipe *q, const struct turn *turn);
// postgres_free_locks ends sessions that hold a lane's row for a process that was stopped (stuck.h), unless it did so less
// than `every_us` ago. What fails is tried again the next time. A turn that finds its own lane's row locked needs it too:
// its last one may have left a session behind, and there may be nobody else who polls.
void postgres_free_locks(struct postgres *p, int64_t now, int64_t every_us);
// postgres_find_locked fills in ret->locked after a turn that waited for a lock in vain, and the error that says so. Nothing
// when the lock is none of a task's rows nor of the catalogue, or is gone.
void postgres_find_locked(struct postgres *p, const struct turn *turn, struct turn_result *ret);
int postgres_task_locked(struct store *base, int64_t task_id, tasker_error *err) CHECKED;
int postgres_poll(struct store *base, const struct poll_want *want, int64_t now, struct poll_result *ret,
                  tasker_error *err) CHECKED;
int postgres_holdings(struct store *base, int64_t lane, struct holdings *ret, tasker_error *err) CHECKED;
int postgres_load_task(struct store *base, int64_t task_id, struct task_rows *ret, tasker_error *err) CHECKED;
int postgres_load_offer(struct store *base, int64_t step_id, struct offer_rows *ret, tasker_error *err) CHECKED;
int postgres_step_result(struct store *base, int64_t task_id, const char *name, struct blob **ret,
                         tasker_error *err) CHECKED;
int postgres_register_template(struct store *base, struct template *t, bool replace, int64_t now,
                               tasker_error *err) CHECKED;
int postgres_load_template(struct store *base, int64_t template_id, const char *namespace_name, const char *name,
                           const char *version, struct template **ret, tasker_error *err) CHECKED;
int postgres_query(struct store *base, const char *name, const struct json *arguments, int64_t now, struct buf *out,
                   tasker_error *err) CHECKED;
int postgres_operate(struct store *base, const char *name, const struct json *arguments, int64_t now, struct buf *out,
                     tasker_error *err) CHECKED;

#endif
