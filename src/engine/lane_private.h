// SPDX-License-Identifier: MIT
// lane_private.h - what the files of lane.h share:
//
//   lane.c          the turn: begin, step, outcome, undo
//   lane_input.c    inputs and the queues in which they wait
//   lane_entry.c    tasks in memory, and what the model's notes mean for them
//   lane_decide.c   one function per kind of input
//   lane_run.c      places, ready queues, hand-outs, timers
//   lane_own.c      ids, claims, takeover, polls, draining
//   lane_unheard.c  what a turn got whose answers were lost
//   lane_withdraw.c callers who wait no longer
//   lane_load.c     tasks made again from their rows, steps of other lanes
//   lane_request.c  commands between lanes
//   lane_event.c    events and replies as JSON
//   lane_check.c    what must be true between turns
//
// Terms: an *entry* is a task that this lane owns (or visits for an operator's action); a *slot* is one attempt of one
// step: given to a worker here (local), offered to other processes (offer), or taken from another lane (foreign).
#ifndef ENGINE_LANE_PRIVATE_H
#define ENGINE_LANE_PRIVATE_H

#include "engine/lane.h"
#include "engine/tally.h"

#define TURN_MAX_CHANGES 2000
#define TURN_MAX_BYTES ((size_t)4 << 20)
#define REST_LEASE_US (600 * US_PER_SECOND)  // of a lane that owns nothing: nobody waits for it, and it need not write
#define REQUEST_TIMEOUT_US (30 * US_PER_SECOND)
#define RELOAD_US US_PER_SECOND
#define ANSWER_LOST_US (10 * US_PER_SECOND)  // what was asked of the driver and not answered is asked again

struct entry {
    int64_t id;
    struct task *task;    // NULL while claiming or loading
    struct list waiting;  // inputs to decide once it is there
    struct heap_node timer;
    int64_t timer_at;     // run_at, deadline, or when to load again
    struct list link;     // of lane.claims or lane.touched_list
    struct list claim_link;
    uint64_t touched;     // serial of the last turn that changed it
    bool fresh;           // created in the turn under way
    bool claiming;        // waits for a turn that asks for it
    bool loading;         // ACT_LOAD is out
    int64_t load_number;  // which one: an older answer tells of older rows
    bool locked;          // another session has rows of it: it waits, and is read when it has not
    bool visiting;        // for one action of an operator; given back in the same commit
    bool over;            // ends with the turn under way
    uint8_t unreadable;   // how often its rows could not be made sense of
    uint32_t slots;       // attempts of it that are out
    uint32_t became_ready, ended;  // steps, in the turn whose events are being published
    UT_hash_handle hh;
};

// Steps of one handler class.
struct klass {
    char *name;
    int32_t limit;           // 0: none
    struct meter running;
    int32_t serving;         // open workers
    struct heap ready;
    struct heap suspects;    // ready, of tasks that may have killed their engine
    struct lworker **workers;
    size_t worker_count, worker_cap;
    UT_hash_handle hh;
};

// Tasks of one template, when there is a limit for them.
struct group {
    char *key;
    int32_t limit;
    struct meter running;
    struct heap deferred;  // ready, but the group is full
    UT_hash_handle hh;
};

struct lworker {
    int64_t id;
    int32_t capacity;
    struct meter used;
    uint32_t slots;  // attempts that refer to it
    bool closing;
    struct klass **classes;
    size_t class_count;
    UT_hash_handle hh;
};

enum slot_kind { SLOT_LOCAL, SLOT_OFFER, SLOT_FOREIGN };

struct slot {
    int64_t token, task_id, step_id;
    uint8_t kind;
    bool zombie;   // its answer does not count any more, but it still holds its place
    bool begun;    // OFFER: a worker has taken it
    bool suspect;
    bool given;    // FOREIGN: a worker has it
    bool placed;   // counts in worker, class, group and engine
    bool spent;    // answered in the turn under way
    uint64_t zombied;     // serial of the turn that made it one
    struct entry *entry;  // NULL: FOREIGN, or its task is gone
    uint32_t step;
    int32_t attempt;
    int64_t started_at, deadline, timeout_us;  // 0: none
    struct klass *klass;
    struct group *group;
    struct lworker *worker;
    struct heap_node timer;
    struct list lazy;   // of lane.lazy: start row not written
    struct list turn;   // of lane.fresh_slots, spent_slots or late_slots
    UT_hash_handle hh;
};

struct id_pool {
    struct id_range *ranges;
    size_t count, cap, total;  // total: ids left
};

struct lane {
    struct lane_config config;
    const struct engine_options *opt;
    struct rng rng;
    // ownership
    int64_t id;               // 0: not registered
    int64_t number;           // of the last committed turn
    int64_t registered_at, committed_at;
    int64_t contact_at;       // the database was last reached
    int64_t seen_at;          // no turn is older than the rows that were read
    int64_t leased_us;        // how long the lease of the last commit is
    bool started, claiming, draining, force_drain, retiring, unknown;
    bool unheard;      // a turn was committed whose answers are lost: what it got is not known here
    bool found;        // the turn under way puts that right
    bool drain_waits;  // ACT_DRAINED is owed
    int64_t *left;     // tasks that the lane could not give back, for somebody has them locked
    size_t left_count, left_cap;
    // inputs
    struct list inputs, submits;      // waiting; submits apart, so that answers overtake them
    struct list barred;               // templates of which no task can be made now
    size_t input_count, submit_count, command_count;
    struct list turn_inputs;          // decided in the turn under way
    // the turn under way
    struct decision d;
    struct turn turn;
    bool flying;
    int64_t resend_at, resend_wait;
    uint64_t turns;
    size_t notes_seen;
    struct list touched;              // entries
    struct list fresh_slots, spent_slots;
    struct list late_slots;           // committed, but there was no memory for their hand-outs
    struct action *held, *out;
    size_t held_count, held_cap, out_count, out_cap, out_next;
    size_t single;                    // after a refusal without a culprit: at most that many inputs, 0: no limit
    uint32_t refusals;                // in a row
    // tasks and steps
    struct entry *entries;
    struct slot *slots, *foreign;
    struct klass *classes;
    struct group *groups;
    struct lworker *workers;
    struct heap wakes, deadlines, task_timers;
    struct list lazy;
    uint64_t order;
    int64_t loads;                    // ACT_LOADs so far
    struct meter running, suspects_running;
    bool freed;                       // a place was given back that others may be waiting for
    uint32_t offered;
    uint32_t counter;                 // of tokens
    bool classes_changed;
    // asks
    struct id_pool task_ids, step_ids;
    uint32_t id_appetite;             // how many to take ahead next time, doubling up to a maximum
    struct list claims;               // entries to be claimed, by claim_link
    struct list rechecks;             // commands whose owner may be dead: a poll first
    struct list to_request, asking, asked;  // commands for other lanes
    bool tasks_due, takeover;
    int64_t no_offers_until;          // one could not be read
    struct klass *offer_class;        // others offer steps of it
    struct offer_want want;
    int64_t *dead;
    size_t dead_count;
    struct offer_want *wants;
    size_t want_count, want_cap, want_turn;
    int64_t *asked_ids;
    size_t asked_cap;
    int64_t *read_requests;           // rows whose answer was read: to be deleted
    size_t read_count, read_cap;
    int64_t *foreign_tokens;
    size_t foreign_cap;
    bool polling;
    bool look_again;                  // this turn writes what a poll of ours has to find
    int64_t poll_lane, polled_at;     // whose poll is out, and since when
    int64_t next_poll, next_thorough;
    int64_t no_takeover_until;  // the last one got nothing
    uint64_t listeners; // a bit per enum note_kind that somebody wants
};

// heap_room makes room for `count` nodes, so that pushing that many can not fail. False: out of memory.
static inline bool heap_room(struct heap *h, size_t count)
{
    return mem_grow(&h->items, &h->cap, count, sizeof(h->items[0])) == 0;
}

// ---- lane.c
void lane_contact(struct lane *l, int64_t now);            // the database was reached
void hold_action(struct lane *l, const struct action *a);  // until the turn is durable
bool out_action(struct lane *l, const struct action *a);   // at once; false: out of memory, what it owns is freed
// undo_turn forgets what the turn decided: tasks it changed are read again, what it decided on is decided again.
void undo_turn(struct lane *l, bool keep_answers);

// ---- lane_input.c
void queue_front(struct lane *l, struct list *inputs);  // puts inputs back to be decided first
struct lane_input *take_input(struct lane *l, struct list *from);  // from l->inputs or l->submits

// ---- lane_entry.c
void touch(struct lane *l, struct entry *e);
void absorb_notes(struct lane *l);  // what the model did, for queues and slots
struct entry *entry_find(struct lane *l, int64_t id);
struct entry *entry_add(struct lane *l, int64_t id);            // NULL: out of memory
void entry_remove(struct lane *l, struct entry *e);             // frees the task and answers nothing
void entry_drop(struct lane *l, struct entry *e);               // forgets the task, keeps the entry and its slots
void give_back(struct lane *l, struct entry *e);                 // its row: free, or gone when the task is over
void entry_timer(struct lane *l, struct entry *e, int64_t at);  // 0: none

// ---- lane_decide.c
// decide carries out one input. False: it can not be decided yet and stays in the queue.
bool decide(struct lane *l, struct lane_input *in);

// ---- lane_run.c
void enqueue(struct lane *l, struct task *t, struct tstep *s);
void dequeue(struct tstep *s);
bool queue_less(const struct heap_node *a, const struct heap_node *b);  // by priority, then by age
void schedule(struct lane *l);
void run_timers(struct lane *l);
void write_lazy(struct lane *l);
struct slot *slot_find(struct lane *l, int64_t token);
struct slot *foreign_find(struct lane *l, int64_t token);
struct slot *slot_new(struct lane *l, enum slot_kind kind, int64_t token);
void slot_free(struct lane *l, struct slot *s);
void slot_worker(struct slot *s, struct lworker *w);
void slot_place(struct lane *l, struct slot *s);    // takes its place
void slot_unplace(struct lane *l, struct slot *s);  // gives it back
void slot_spend(struct lane *l, struct slot *s);    // answered in this turn
void slot_zombie(struct lane *l, struct slot *s);   // its answer no longer counts
void slot_attach(struct lane *l, struct slot *s, struct task *t);  // to a rebuilt task
void slot_watch(struct lane *l, struct slot *s);    // deadline and lazy start
// slot_begin: the attempt is handed out. Its time counts from now, and not from when that was decided: a slow commit is
// not the handler's.
void slot_begin(struct lane *l, struct slot *s, int64_t now);
// slot_answered: the answer of an attempt has come in, so its start will be written with its end.
void slot_answered(struct lane *l, int64_t token);
void slot_stop(struct lane *l, struct slot *s, bool stale);
struct handout *make_handout(struct lane *l, const struct slot *s);
struct klass *klass_get(struct lane *l, const char *name);
bool worker_open(struct lane *l, struct lane_input *in);  // false: out of memory
void worker_close(struct lane *l, int64_t id);
int32_t free_places(const struct lane *l);
struct lworker *free_worker(const struct klass *k);  // the least busy, NULL: none has a place

// ---- lane_own.c
int64_t id_take(struct id_pool *p);
int id_add(struct id_pool *p, const struct id_range *ranges, size_t count) CHECKED;
void ask(struct lane *l);            // fills in what the turn wants besides its changes
bool turn_asks(const struct turn *t);
void load(struct lane *l, struct entry *e);  // asks for its rows
// load_later asks for them a little later; what is still under way is not waited for.
void load_later(struct lane *l, struct entry *e);
int32_t task_room(const struct lane *l);     // how many more tasks may be taken into memory
// take_answers takes what the turn asked for. Not heard: the turn was committed and its answers are lost, r is empty.
void take_answers(struct lane *l, const struct turn_result *r, bool heard);
void decide_polled(struct lane *l, struct lane_input *in);
void maybe_poll(struct lane *l);
void drain(struct lane *l);
void leave_locked(struct lane *l);  // notes the tasks that others have locked, before the lane retires
void left_behind(struct lane *l, const struct turn_result *r);  // and what the turn that did it left
void drained(struct lane *l);
void read_offer(struct lane *l, struct slot *s);  // asks for a foreign step's rows
void refuse_waiting(struct lane *l, struct entry *e, const tasker_error *error);  // answers the commands that wait for it

void not_found(struct lane *l, struct entry *e);  // tells who waits for it
void not_ours(struct lane *l, struct entry *e, const tasker_error *error);

// ---- lane_unheard.c
void ask_holdings(struct lane *l);  // when something is unheard; after a commit
void decide_holdings(struct lane *l, struct lane_input *in);

// ---- lane_load.c
// set_locked marks the tasks of a turn of which others have rows locked, and bars the templates of new ones; false: they are
// none of ours. give_up_claim tells whoever waits for one that was to be claimed.
bool set_locked(struct lane *l, int64_t now, const struct turn_result *r);
void give_up_claim(struct lane *l, const struct turn_result *r);
void decide_loaded(struct lane *l, struct lane_input *in);
void decide_offer_loaded(struct lane *l, struct lane_input *in);

// ---- lane_barred.c
// bar keeps submissions of the template out of the turns after this one. False: out of memory.
bool bar(struct lane *l, int64_t now, struct template *tpl, const tasker_error *why);
bool is_barred(struct lane *l, struct lane_input *in);  // then it has taken the submission
void try_barred(struct lane *l, int64_t now);           // those that are due
void unbar(struct lane *l);                             // the turn is committed: what it tried is free
int64_t barred_deadline(const struct lane *l);
void each_barred(struct lane *l, void (*visit)(const void *arg, struct list *waiting), const void *arg);
void let_all_in(struct lane *l);

// ---- lane_request.c
void answer_command(struct lane *l, struct lane_input *in, int rc, const tasker_error *error, struct blob *result);
struct span request_body(struct lane *l, const struct lane_input *in);  // what its row says; lives as long as the turn
void request_others(struct lane *l);                                    // writes the requests that wait
void take_request(struct lane *l, const struct poll_request *r);        // of another lane
void take_answer(struct lane *l, const struct poll_answer *answer);     // to one of ours
void end_request(struct lane *l, struct lane_input *in, struct action *reply);  // tells the caller; its row goes later
void give_up_requests(struct lane *l);                                  // that nobody answers

// ---- lane_event.c
void publish_notes(struct lane *l);
struct blob *command_result(const struct task *t, const struct tstep *s);
struct span failure_json(struct arena *arena, const struct failure *f);
struct failure_copy *failure_from_json(struct span text);

#endif
