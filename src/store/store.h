// SPDX-License-Identifier: MIT
// store.h - the storage contract. Rows are the truth; this is the only floor that speaks SQL. A backend is one table of
// functions (struct store_ops) that passes the contract tests (tests/contract).
//
// A store is one connection, used by one thread at a time (callers lock). Writes of an owner go through store_commit:
// one transaction that begins with the fence
//
//     UPDATE tasker_core_lanes SET turn = :number, expires_at = :now + lease WHERE lane_id = :lane AND turn = :number - 1
//
// and does nothing at all unless exactly one row was hit. Every call takes `now` (microseconds UTC): on SQLite the time of
// the database is the host's.
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/json.h"
#include "model/change.h"
#include "model/template.h"

#define STORE_SCHEMA_VERSION 6

// What `migrate` does. CHECK changes nothing and reports drift: objects that are missing, changed or extra.
enum migrate_mode { MIGRATE_STATUS, MIGRATE_APPLY, MIGRATE_CHECK };
struct migrate_options {
    enum migrate_mode mode;
    bool rails_indexes;  // APPLY on PostgreSQL: also the indexes of the Rails engine that we do without
};

struct store;  // opened by store_open; its first member is `const struct store_ops *ops`

struct store_options {
    const char *host, *boot_id;  // of this machine, recorded with lanes
    bool migrate;                // create or upgrade tables; false: TASKER_E_SCHEMA when they differ
    bool any_version;            // leave the tables as they are, whatever they are: for `migrate` alone
    bool read_only;              // queries only
    bool turns;                  // commits turns: nobody registers a template or operates with it (a lane)
};

// store_open opens `uri` ("sqlite:path", "sqlite::memory:", "postgresql://..."). TASKER_E_INVALID: not a URI we know;
// TASKER_E_SCHEMA; TASKER_E_IO with the path or the server (never its password). SQLite: refuses network file systems
// (NFS, CIFS, 9p, fuse.sshfs).
int store_open(const char *uri, const struct store_options *options, struct store **ret, tasker_error *err) CHECKED;
void store_close(struct store *s);  // NULL is fine

// ------------------------------------------------------------------------------------------------------- turns

#define COMMIT_OUTCOMES(X) \
    X(COMMITTED, "committed") X(RETRY, "retry") X(FENCED, "fenced") X(REFUSED, "refused") X(UNKNOWN, "unknown")
enum commit_outcome {
#define X(name, text) OUT_##name,
    COMMIT_OUTCOMES(X)
#undef X
    OUT_COUNT
};
extern const char *const commit_outcome_names[OUT_COUNT];

enum turn_kind {
    TURN_WORK,      // fence, then what is asked for below, then the changes
    TURN_REGISTER,  // make a new lane row with turn 0; the result has its id. Nothing else.
    TURN_RETIRE,    // fence, free all tasks and foreign offers of the lane, delete its row (a clean stop)
    TURN_PLAIN,     // no lane, no fence: changes of somebody who owns nothing (tests)
};

// What a worker lane may take from the free offers, its own among them.
struct offer_want {
    const char *handler_class;
    int32_t limit;
};

struct turn {
    enum turn_kind kind;
    int64_t lane, number;  // the lane's row must have turn = number - 1
    int64_t now, lease_us;
    const char *process;   // REGISTER: "pid/start time", tells a dead process of this host from a live one
    const char *name;      // REGISTER: what the engine is called
    const struct change *changes;
    size_t change_count;
    uint32_t want_task_ids, want_step_ids;  // reserve that many ids
    int32_t claim_limit;                    // take at most that many free tasks that are due, by priority, then id
    int64_t claim_task;                     // take this task if it is free; make it active first if it is finished
                                            // (an operator's action); 0: none
    const int64_t *dead_lanes;              // lanes known to be dead besides the expired ones
    size_t dead_lane_count;
    bool takeover;                          // delete expired (and `dead_lanes`) lanes but our own; free their tasks with
                                            // suspect = 1, crashes + 1 where a step is durably in progress and is not
                                            // running at a live lane. Offers they had begun stay as they are: the
                                            // owner hears OFFER_LOST. Requests they asked are deleted.
    const struct offer_want *wants;
    size_t want_count;
    bool impatient;                         // waits for a lock only a moment: it tries whether one is gone (PostgreSQL)
};

// Ids taken ahead: [first, last] ranges, in order.
struct id_range {
    int64_t first, last;
};

// NOT_OURS: the task is not active, and its newest transition was not written by an engine of ours ("engine" in its
// metadata), or gave it back ("released"): it belongs to the Rails engine.
enum claim_answer { CLAIM_NONE, CLAIM_TAKEN, CLAIM_OWNED_BY_OTHER, CLAIM_NO_SUCH_TASK, CLAIM_NOT_OURS };

struct offer_taken {
    int64_t token, task_id, step_id;
    int32_t attempt;
    int64_t deadline_us;
    const char *handler_class;
};

// Reset by store_commit; everything in it lives in `arena` until the next commit or turn_result_done.
struct turn_result {
    enum commit_outcome outcome;
    struct arena arena;
    tasker_error error;        // for all but COMMITTED
    int64_t culprit;           // REFUSED: index of the change, -1: not known
    int64_t *locked;           // RETRY: tasks of the turn of which another session has rows locked, or new ones that need a
    size_t locked_count;       // catalogue row that is, which the turn waited for in vain; without them it can be written.
                               // RETIRE: tasks that another session has, which keep the lane's name until a takeover
    int64_t existing_task_id;  // REFUSED by a duplicate identity: the first task's id. A duplicate of a task of this same
                               // turn is refused without culprit and id: they are known once the first is committed
    bool spent;                // RETRY, by resolve: the turn's number and the next are used up
    int64_t lane;              // REGISTER: the new lane
    struct id_range *task_ids, *step_ids;
    size_t task_id_ranges, step_id_ranges;
    int64_t *claimed;  // tasks that became ours in this turn, claim_task among them
    size_t claimed_count;
    enum claim_answer claim_answer;  // for claim_task
    int64_t claim_owner;             // CLAIM_OWNED_BY_OTHER: its lane
    size_t taken_over;               // lanes deleted
    struct offer_taken *offers;      // taken from others
    size_t offer_count;
    int64_t *request_ids;            // of the REQUEST_INSERTs, in order
    size_t request_count;
};
void turn_result_init(struct turn_result *r);
void turn_result_done(struct turn_result *r);
// err_task_locked says that another session has rows of the task locked, and returns TASKER_E_BUSY. err_locked says it of
// something else.
int err_task_locked(int64_t task_id, tasker_error *err);
int err_locked(const char *what, tasker_error *err);
// turns_lost: has the database, whose row of the lane has the turn `number` (-1: there is none), forgotten turns that it
// had confirmed? turn_became tells from the same number what became of `turn`; of OUT_FENCED `err` says why.
bool turns_lost(const struct turn *turn, int64_t number);
enum commit_outcome turn_became(const struct turn *turn, int64_t number, tasker_error *err);

// ------------------------------------------------------------------------------------------------------- reading

// One look at what others did. Spans and strings live in `arena`.
struct poll_want {
    int64_t lane;                // 0: not registered
    int64_t lease_us;            // of the asker: a row of a lane that is locked for two leases is freed (PostgreSQL)
    bool tasks;                  // looks for free tasks
    const struct offer_want *wants;  // classes with free places
    size_t want_count;
    const int64_t *my_requests;  // requests of ours that wait for an answer
    size_t my_request_count;
    const int64_t *my_offers;    // tokens of foreign offers that we run, to hear of those that are gone
    size_t my_offer_count;
};
struct poll_lane {
    int64_t lane, expires_at;
    const char *host, *boot_id, *process;
    bool owns;  // has tasks or foreign offers
};
struct poll_request {  // a command for a task of ours
    int64_t request_id, task_id;
    struct span body;
};
struct poll_answer {  // to a request of ours
    int64_t request_id;
    struct span body;
};
struct poll_offer {  // an offer of ours about which there is news
    int64_t token;
    uint8_t news;  // enum offer_news
    int64_t begun_at;
    uint8_t verdict;
    struct span answer, log;
};
enum offer_news { OFFER_BEGUN, OFFER_ANSWERED, OFFER_LOST };  // LOST: begun by a lane that no longer exists
struct poll_result {
    struct arena arena;
    bool lane_alive;          // our row exists
    bool tasks_due;           // free tasks that are due
    int64_t next_run_at;      // earliest free task that is not due, 0: none
    const char *offer_class;  // the first wanted class of which there is a free offer (borrowed from the want), or NULL
    struct poll_lane *lanes;  // all but ours
    size_t lane_count;
    struct poll_request *requests;
    size_t request_count;
    struct poll_answer *answers;
    size_t answer_count;
    struct poll_offer *offer_news;  // of offers that we own
    size_t offer_news_count;
    int64_t *cancelled;  // tokens of foreign offers we run, to be stopped (flag set, or offer gone)
    size_t cancelled_count;
    bool stranded;  // active rows whose lane does not exist
};
void poll_result_init(struct poll_result *r);
void poll_result_done(struct poll_result *r);

// What a lane has by the rows.
struct holdings {
    struct arena arena;
    int64_t *tasks;   // it owns them
    int64_t *offers;  // tokens of foreign offers that it has taken and not answered
    struct poll_request *requests;  // that it has asked, in that order
    size_t task_count, offer_count, request_count;
};
void holdings_init(struct holdings *h);
void holdings_done(struct holdings *h);

// A task as its rows tell it, read in one snapshot. Texts live in `arena`.
struct step_rows {
    int64_t step_id;
    int32_t named_step_id;
    struct span name;
    bool retryable, skippable, processed, in_process;
    int32_t retry_limit, attempts, backoff_seconds;  // NULLs as 3, 0, -1
    int64_t last_attempted_at, processed_at;         // 0: NULL
    uint8_t state;                                   // of the most recent row, ST_PENDING when none
    bool has_row;                                    // there is one
    int32_t sort_key;                                // of that row: 0 may be that of a first one by the Rails engine
    int64_t state_at;
    struct span metadata;
    bool has_inputs;
    struct span inputs;
    struct blob *results;  // JSON; NULL: SQL NULL. Only for finished steps that have an unfinished child. Owned by the
                           // rows until taken (set to NULL).
    int64_t offer_token;   // an offer of this step, 0: none
    bool offer_begun, offer_lane_alive, offer_cancelled;
    int64_t offer_begun_at;
};
struct task_rows {
    struct arena arena;
    int64_t task_id;
    int32_t named_task_id;
    uint8_t state;
    bool has_row;
    int32_t sort_key;
    struct blob *context;  // owned until taken
    int64_t started_at;    // of the latest in_progress row, 0: none
    int64_t template_id;   // of the active row, or named by the start transition's metadata
    bool active;
    int64_t active_lane, run_at, deadline;
    int32_t crashes;
    uint8_t priority;
    bool suspect;
    size_t step_count;
    struct step_rows *steps;  // by step id
};
void task_rows_init(struct task_rows *r);
void task_rows_done(struct task_rows *r);

// What a worker needs for an offer of another process.
struct offer_rows {
    struct arena arena;
    int64_t template_id;
    struct span step_name;
    struct blob *context;
    bool has_inputs;
    struct span inputs;
    int32_t attempts, retry_limit;
    size_t parent_count;
    struct {
        struct span name;
        struct blob *results;  // NULL: null
    } *parents;
};
void offer_rows_init(struct offer_rows *r);
void offer_rows_done(struct offer_rows *r);

// ------------------------------------------------------------------------------------------------- the operations

struct store_ops {
    void (*close)(struct store *s);
    // now is the time of the database as far as known here: the host's clock on SQLite; on PostgreSQL the monotonic clock
    // and the offset learned from the last reply. Asks nothing.
    int64_t (*now)(struct store *s);
    // commit carries out a turn; the outcome is in ret. Never fails otherwise.
    void (*commit)(struct store *s, const struct turn *turn, struct turn_result *ret);
    // resolve settles a turn whose outcome is unknown: OUT_COMMITTED; OUT_RETRY: it was not and never will be, for its
    // number is spent: a lane's next turn must have the number after the next; OUT_FENCED (the lane's row is gone, or the
    // database went back in time); OUT_UNKNOWN (still cannot be asked). Of the last two `err` says why.
    enum commit_outcome (*resolve)(struct store *s, const struct turn *turn, tasker_error *err);
    int (*poll)(struct store *s, const struct poll_want *want, int64_t now, struct poll_result *ret,
                tasker_error *err) CHECKED;
    // holdings reads what a lane has by the rows, in one snapshot.
    int (*holdings)(struct store *s, int64_t lane, struct holdings *ret, tasker_error *err) CHECKED;
    // changed is a cheap hint, never a query over a network: true when others have written since the last call, or have
    // said so by `hint`. Polling is what correctness rests on.
    bool (*changed)(struct store *s);
    // hint tells others that there is something to poll for; a few times a second at most, apart from any turn, and never
    // fails. Nothing on SQLite.
    void (*hint)(struct store *s);
    int (*load_task)(struct store *s, int64_t task_id, struct task_rows *ret, tasker_error *err) CHECKED;
    // task_locked is 1 while another session has rows of the task locked that a turn would have to wait for, else 0. NULL:
    // there are no such locks (SQLite).
    int (*task_locked)(struct store *s, int64_t task_id, tasker_error *err) CHECKED;
    int (*load_offer)(struct store *s, int64_t step_id, struct offer_rows *ret, tasker_error *err) CHECKED;
    // step_result reads a finished step's results by name; TASKER_E_NOT_FOUND, TASKER_E_STATE. *ret NULL: null.
    int (*step_result)(struct store *s, int64_t task_id, const char *name, struct blob **ret, tasker_error *err) CHECKED;
    // register_template stores it (hash, canonical text, directory) and the catalogue rows, in a transaction of its own,
    // and fills in template_id, named_task_id and named_step_ids. Other content under the same namespace, name and
    // version is TASKER_E_CONFLICT unless `replace`.
    int (*register_template)(struct store *s, struct template *t, bool replace, int64_t now, tasker_error *err) CHECKED;
    // load_template reads one by id, or (id 0) the current one of a namespace, name and version ("latest": the newest
    // by numeric order). ret has its ids filled in.
    int (*load_template)(struct store *s, int64_t template_id, const char *namespace_name, const char *name,
                         const char *version, struct template **ret, tasker_error *err) CHECKED;
    // checkpoint moves the log into the database file when it has grown (SQLite); between turns only.
    int (*checkpoint)(struct store *s, tasker_error *err) CHECKED;
    // query answers a read-only question of queries.h as JSON.
    int (*query)(struct store *s, const char *name, const struct json *arguments, int64_t now, struct buf *out,
                 tasker_error *err) CHECKED;
    // operate carries out a writing operation of queries.h that no lane decides (catalogue, annotations, prune, import,
    // adopt), in transactions of its own, and answers as JSON.
    int (*operate)(struct store *s, const char *name, const struct json *arguments, int64_t now, struct buf *out,
                   tasker_error *err) CHECKED;
    const char *(*database_id)(struct store *s);  // the database's own UUID, made at creation
    // migrate answers in JSON: {"backend", "version", "wanted", "pending" or "applied": [{"version", "name"}]}; CHECK adds
    // "drift": [{"object", "kind", "problem": "missing|changed|extra", "detail"}].
    int (*migrate)(struct store *s, const struct migrate_options *options, struct buf *out, tasker_error *err) CHECKED;
};

// What is waited for no longer: locks, for what is tried again can be told as not written (SQLite); an answer that does not
// come, for the engine ends (PostgreSQL).
enum hurry { HURRY_NOT, HURRY_LOCKS, HURRY_ALL };

struct store {
    const struct store_ops *ops;
    bool shared;  // one connection for everybody (sqlite::memory:): callers lock it around every call
    bool single_writer;  // a second lane would only wait for the first
    uint8_t hurry;       // enum hurry; atomic, set by other threads
    bool went_back;      // after FENCED: the database has lost commits that it had confirmed (a failover), or may have
};

#endif
