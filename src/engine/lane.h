// SPDX-License-Identifier: MIT
// lane.h - a lane: the pure heart of an engine. It owns tasks, decides what happens to them, and says what to write and
// what to do. It does no I/O, has no clock and no threads: whoever drives it (the lane thread, or the simulator) feeds it
//
//     lane_push(input)                  whatever happened: submissions, answers, commands, what a poll or a load found
//     turn = lane_step(now)             decide; NULL: nothing to write
//     lane_outcome(now, result)         what became of the turn
//     action = lane_next_action()       what to do now that it is durable
//     lane_deadline()                   when to step again although nothing happened
//
// One turn is in flight at a time. While it is, the lane is frozen: it takes inputs into its queue and decides nothing.
// Actions come out only after the commit of the turn that decided them. Memory is never rolled back: tasks whose changes
// were refused are dropped, rebuilt from their rows, and their inputs decided again.
#ifndef ENGINE_LANE_H
#define ENGINE_LANE_H

#include "engine/engine.h"
#include "model/task.h"

// ---------------------------------------------------------------------------------------------------- inputs

enum input_kind {
    IN_SUBMIT,       // a new task
    IN_COMMAND,      // an operator's action, from this process or a request row
    IN_ANSWER,       // a worker of this process answered
    IN_PROGRESS,     // a heartbeat with progress
    IN_WORKER_OPEN,  // a worker of this process
    IN_WORKER_CLOSE,
    IN_START,        // become an engine; claim says whether of others' tasks too
    IN_DRAIN,        // stop handing out; force: give running steps back at once
    IN_POLLED,       // what a poll found
    IN_LOADED,       // a task's rows
    IN_OFFER_LOADED, // a foreign step's input
    IN_HOLDINGS,     // what the lane has by the rows
    IN_KIND_COUNT
};

enum answer_kind { ANSWER_COMPLETE, ANSWER_FAIL, ANSWER_RELEASE, ANSWER_RETURNED };

// A failure with texts of its own.
struct failure_copy {
    struct arena arena;
    struct failure f;
};

struct lane_input {
    struct list link;
    uint8_t kind;
    uint8_t tries;    // how often it was decided again
    bool doubtful;    // a turn that had it had an unknown outcome: it may be written already
    bool withdrawn;   // its caller has gone: a command that changes nothing any more
    uint32_t origin;  // its number in the turn that decides it
    void *ticket;   // of the caller who waits; NULL: nobody
    union {
        struct submission submit;
        struct {
            uint8_t command;  // enum command_kind
            int64_t task_id, request_id;  // request_id 0: asked here
            int64_t asked_id, asked_at;   // asked of another lane: its request row
            char *step, *reason, *by;     // owned, may be NULL
            struct blob *results;
        } cmd;
        struct {
            int64_t token;
            uint8_t answer;  // enum answer_kind
            bool late;       // RETURNED: with an answer that is refused
            struct blob *results;
            struct blob *log;
            struct failure_copy *failure;
        } answer;
        struct {
            int64_t token;
            struct blob *progress;
        } progress;
        struct {
            int64_t worker;
            int32_t capacity;
            char **classes;
            size_t class_count;
        } worker;
        struct {
            bool claim, force;
        } mode;
        struct {
            struct poll_result *found;  // NULL: nothing new
            int64_t *dead;              // lanes whose process is gone from this host
            size_t dead_count;
            int rc;
        } polled;
        struct {
            int64_t task_id, number;  // number: the action's token
            struct task_rows *rows;
            struct template *tpl;  // reference
            int rc;                // 0, TASKER_E_NOT_FOUND, or what went wrong
        } loaded;
        struct {
            int64_t token;
            struct offer_rows *rows;
            struct template *tpl;
            int rc;
        } offer;
        struct {
            int64_t lane, number;  // the action's id and token
            struct holdings *found;
            int rc;
        } holdings;
    };
};
struct lane_input *lane_input_new(enum input_kind kind);  // NULL: out of memory
void lane_input_free(struct lane_input *in);              // and all it owns

// --------------------------------------------------------------------------------------------------- actions

enum action_kind {
    ACT_GIVE,        // a hand-out for a worker of this process
    ACT_STOP,        // tell the handler; stale: its answer will be refused
    ACT_EVENT,       // an event for subscribers
    ACT_REPLY,       // answer a ticket
    ACT_LOAD,        // read a task: answer with IN_LOADED
    ACT_LOAD_OFFER,  // read a foreign step: IN_OFFER_LOADED
    ACT_HOLDINGS,    // read what the lane has: IN_HOLDINGS
    ACT_POLL,        // look what others did: IN_POLLED
    ACT_DRAINED,     // the lane has retired, but for `token` tasks that another session has locked
    ACT_KIND_COUNT
};

struct action {
    uint8_t kind;
    void *ticket;             // REPLY
    int64_t worker;           // GIVE, STOP
    int64_t token;            // STOP, LOAD, LOAD_OFFER; HOLDINGS: the last turn
    int64_t id;               // LOAD: task; LOAD_OFFER: step; REPLY: task; HOLDINGS: lane; DRAINED: first of those tasks
    bool stale;               // STOP
    bool thorough;            // POLL: also when nothing seems to have changed
    bool unlocked;            // LOAD: TASKER_E_BUSY while another session has its rows locked (store.h, task_locked)
    struct handout *handout;  // GIVE, owned by the receiver
    struct blob *blob;        // EVENT: JSON; REPLY: JSON or NULL. Owned by the receiver
    const char *name;         // EVENT
    tasker_error error;       // REPLY
};

// ------------------------------------------------------------------------------------------------------ lane

struct lane_config {
    const char *name, *process, *database_id;
    const struct engine_options *options;
    struct tally *tally;  // NULL: the only lane of its engine
    uint64_t seed;
};

struct lane;
struct tally;
struct lane *lane_new(const struct lane_config *config);  // NULL: out of memory
void lane_free(struct lane *l);

// lane_push takes the input over. TASKER_E_BUSY (submissions and commands beyond the queue limit only): it is the caller's
// still.
int lane_push(struct lane *l, struct lane_input *in) CHECKED;

// lane_step decides and returns the turn to commit (borrowed until lane_outcome), or NULL: nothing to write now. After
// NULL there may be actions.
const struct turn *lane_step(struct lane *l, int64_t now);

// lane_outcome says what became of the turn. OUT_UNKNOWN keeps it: the driver resolves it and calls again.
void lane_outcome(struct lane *l, int64_t now, const struct turn_result *result);

// lane_next_action takes the next action out; false when there is none.
bool lane_next_action(struct lane *l, struct action *ret);

// lane_deadline returns when lane_step should be called again although nothing was pushed; INT64_MAX: never.
int64_t lane_deadline(const struct lane *l);

// lane_withdraw is called between turns for callers who wait no longer: of every submission and command whose ticket `of`
// picks, what no turn can have written is dropped and answered with `unwritten`. What a turn may have written, or another
// lane was asked for, is answered with `doubtful`, to which the remedy is added. Without memory for an answer it stays.
struct lane_regrets {
    tasker_error unwritten, doubtful;
};
void lane_withdraw(struct lane *l, bool (*of)(const void *ticket, const void *who), const void *who,
                   const struct lane_regrets *why);

// lane_listeners says which events somebody wants, a bit per enum note_kind; the others are not
// made.
void lane_listeners(struct lane *l, uint64_t wanted);

// lane_freed says whether a place was given back since it was asked last, for which another lane of the engine may wait.
bool lane_freed(struct lane *l);

// lane_poll_want fills what ACT_POLL has to look for; borrowed until the next call of the lane.
void lane_poll_want(struct lane *l, struct poll_want *ret);

// turn_carry_out commits the lane's turn; ret->outcome comes in as what became of it the last time, and goes out for
// lane_outcome. What became of an unknown turn is settled before it is sent again, under another number, which the turn, being
// the lane's own, then has.
void turn_carry_out(struct store *s, struct lane *l, int64_t now, const struct turn *turn, struct turn_result *ret);

struct lane_numbers {
    bool started, claiming, draining;
    int64_t lane;
    uint64_t turns;
    size_t tasks, running, offered, foreign, ready, queued, overdue;
};
void lane_numbers(const struct lane *l, struct lane_numbers *ret);
// lane_overdue appends a JSON array of hand-outs that timed out and were not answered yet.
void lane_overdue(const struct lane *l, struct buf *out);

void handout_free(struct handout *h);  // NULL is fine

// lane_check returns NULL when every task in memory is consistent and has a reason to wake, else what is wrong.
const char *lane_check(struct lane *l);

#endif
