// SPDX-License-Identifier: MIT
// sim.h - a deterministic world for lanes: several engines drive the real model through lane_step over a real SQLite
// store, with a clock, workers, crashes and commit outcomes that one seed decides. The same seed replays the same run.
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include "engine/lane.h"
#include "store/sqlite.h"

#define SIM_ENGINES 4  // the last one takes no tasks of others: a client, or an engine for its own submissions
#define SIM_TEMPLATES 6
#define SIM_MAX_TASKS 400

// An attempt that a worker of an engine has.
struct sim_handout {
    struct list link;
    int64_t token, finish_at;
    int32_t attempt;
    bool stale;
};

struct sim_ticket {
    int64_t id;
    bool answered, command;
    bool gives_up, named;           // its caller waits no longer; the task's identity is "ticket-<place>"
    int code, engine, incarnation;  // who was asked
};

// One engine: an incarnation of a process with a lane.
struct sim_engine {
    int index, incarnation;
    bool up;
    char name[32], process[32];
    struct engine_options options;
    struct lane *lane;
    struct turn_result result;
    int64_t locked;  // a task that the last turn met locked
    const struct turn *turn;  // being committed
    int64_t commit_at;
    int64_t paused_until, restart_at, drain_at;
    int64_t worker;
    struct list handouts;
    unsigned serves;          // bit per class
    bool client;              // started never: it submits and commands
};

struct sim {
    uint64_t seed;
    struct rng rng;
    int64_t now, faults_until;
    struct store *store;
    struct sim_engine engines[SIM_ENGINES];
    struct template *templates[SIM_TEMPLATES];
    struct sim_ticket tickets[SIM_MAX_TASKS * 4];
    size_t ticket_count, commits, crashes, submitted, handed_out;
    int64_t tasks[SIM_MAX_TASKS];
    size_t task_count;
    int fault_percent;
    bool verbose;
    char wrong[512];  // what failed, "" while all is well
};

extern const char *const sim_classes[3];

// ---- sim_engine.c
void engine_boot(struct sim *s, struct sim_engine *e);
void engine_crash(struct sim *s, struct sim_engine *e);
void engine_run(struct sim *s, struct sim_engine *e);   // one thing it would do now
int64_t engine_next(const struct sim *s, const struct sim_engine *e);
void sim_submit(struct sim *s, struct sim_engine *e);
void sim_command(struct sim *s, struct sim_engine *e);
bool chance(struct sim *s, int percent);

// ---- sim_check.c
void check_rows(struct sim *s);                            // every rule that rows must obey
void check_memory(struct sim *s, struct sim_engine *e);    // memory equals what its rows would rebuild
void check_end(struct sim *s);                             // every task has ended, every answer given was kept
bool all_over(struct sim *s);
bool all_answered(const struct sim *s);                    // by engines that did not die meanwhile

void fail(struct sim *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
