// SPDX-License-Identifier: MIT
// engine_private.h - the engine's inside, shared by
//
//   engine.c         opening, closing, templates, questions
//   engine_thread.c  a lane thread: feeds its lane, commits its turns, carries out its actions
//   engine_share.c   what each lane gets of the limits, and who of them gets a submission
//   engine_door.c    submissions and commands of callers, who wait for their tickets
//   desk.c           workers, and the hand-outs they have
//   hub.c            subscribers of live events
//
// Locks, never held two at a time except store_lock inside none: `lock` (intakes, tickets, numbers), `desk_lock`,
// `hub_lock`, `reader_lock`, `store_lock` (only when the database has one connection for all), `template_lock`. But what is
// told of the database is published (hub_lock) under `lock`.
#ifndef ENGINE_ENGINE_PRIVATE_H
#define ENGINE_ENGINE_PRIVATE_H

#include <pthread.h>
#include <sys/types.h>

#include "engine/lane.h"
#include "engine/tally.h"

// Somebody who waits for answers, in one piece with the tickets for them. Each ticket that was handed in is answered once,
// also when nobody waits any more: the last answer then frees the waiter.
struct ticket {
    struct waiter *waiter;
    struct lane_thread *lane;
    struct list link;  // of engine.tickets
    int64_t since;     // monotonic
    bool waits, done;
    int64_t id;
    struct blob *blob;
    tasker_error error;
};
struct waiter {
    pthread_cond_t cond;
    size_t left;
    bool gives_up;   // atomic: lanes take back what they can
    bool gone;
    size_t count;
    struct ticket tickets[];
};

struct cached_template {
    int64_t id;
    struct template *tpl;
    UT_hash_handle hh;
};
struct current_template {
    char key[560];      // "namespace/name/version" as asked
    struct template *tpl;
    int64_t until;      // monotonic
    UT_hash_handle hh;
};

struct worker {
    struct engine *engine;
    int64_t id;
    struct list mailbox;  // hand-outs not polled yet
    int64_t *stops;       // tokens to be told
    size_t stop_count, stop_cap;
    pthread_cond_t ready;
    int fd;
    bool signalled, closed;
    struct lane_input *farewells[LANES_MAX];  // made at the beginning: closing must not fail
    struct list link;
};

struct subscriber {
    struct engine *engine;
    char *patterns;
    struct blob **ring;
    size_t first, count, lost;
    pthread_cond_t ready;
    struct list link;
};

// What a lane can not do when it can not reach the database. Reading may work where writing does not.
enum cut_off { CUT_OFF_WRITING = 1, CUT_OFF_READING = 2 };

// A lane and the thread that drives it, with a connection of its own.
struct lane_thread {
    struct engine *engine;
    struct engine_options share;   // as the engine's, but for what is divided; texts are the engine's
    struct store *store;
    struct lane *lane;
    pthread_t thread;
    bool running;                  // the thread was started
    int64_t last_now, last_monotonic;
    unsigned cut_off;              // the database can not be reached: enum cut_off, as bits
    // under engine.lock:
    pthread_cond_t wake;
    struct list intake;
    bool sleeping;
    bool nudged;                   // a place became free that it may be waiting for
    bool withdraw;                 // some waiter gives up
    int64_t sent_at;               // monotonic: the turn under way was first sent; 0: none is
    tasker_error trouble;          // why it is not written yet, code 0: nothing is known
    uint64_t drains;
    int64_t left, left_first;  // by the last of them: tasks that another session had locked
    struct lane_numbers numbers;
    char *overdue;                 // JSON array, NULL: none
};

struct engine {
    struct engine_options options;
    pid_t pid;
    bool closing;
    struct lane_thread lanes[LANES_MAX];
    size_t lane_count;
    struct tally *tally;           // what the lanes count together; NULL with one lane
    struct store *reader;          // the first lane's when the database has one connection for all
    pthread_mutex_t store_lock, reader_lock;
    char host[256], boot_id[64], process[64];

    pthread_mutex_t lock;
    pthread_cond_t turned, drained_cond;
    struct list tickets;
    size_t bounded;                // submissions and commands not answered yet
    bool stop, stopped;
    uint32_t turn_waiters;
    size_t next_lane;              // gets the next submission
    size_t cut_off;                // lanes that can not reach the database
    int64_t cut_off_at;            // when the first of them could not
    size_t lanes_stopped;
    char last_error[sizeof(((tasker_error *)0)->message)];
    int64_t last_error_at;

    pthread_mutex_t desk_lock;
    struct list workers;
    struct handout *handouts;
    int64_t next_worker;

    pthread_mutex_t hub_lock;
    struct list subscribers;
    uint64_t wanted; // atomic; events that a subscriber wants, a bit per enum note_kind

    pthread_mutex_t template_lock;
    struct cached_template *templates;
    struct current_template *current;
};

// ---- engine.c
void cond_init(pthread_cond_t *cond);                       // waits by the monotonic clock
int cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t monotonic_us);  // 0, or ETIMEDOUT
struct store *lock_reader(struct engine *e);
void unlock_reader(struct engine *e);
struct template *template_by_id(struct engine *e, struct store *s, int64_t id, tasker_error *err);

// ---- engine_thread.c
void *engine_thread(void *lane_thread);
// engine_push hands an input to a lane; TASKER_E_BUSY (bounded kinds), TASKER_E_CLOSED: it is the caller's still.
int engine_push(struct lane_thread *t, struct lane_input *in, tasker_error *err) CHECKED;
uint64_t engine_turns(const struct engine *e);  // of all lanes; under lock

// ---- engine_share.c
size_t share_lanes(const struct engine_options *o, const struct store *s);  // how many lanes the engine has
void share_options(struct lane_thread *t, size_t lane, size_t lanes);
struct lane_thread *share_next(struct engine *e, const struct lane_input *in);  // the lane that takes it

// ---- engine_door.c
void ticket_answer(struct engine *e, struct ticket *t, const struct action *a);
// door_withdraw answers the tickets of those who gave up, as far as the lane can take them back.
void door_withdraw(struct lane_thread *t);

// ---- desk.c
void desk_give(struct lane_thread *t, int64_t worker, struct handout *h);
void desk_stop(struct engine *e, int64_t token, bool stale);
void desk_done(struct engine *e);

// ---- hub.c
void hub_publish(struct engine *e, const char *name, struct blob *event);  // takes the reference over
void hub_done(struct engine *e);

#endif
