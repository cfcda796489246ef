// SPDX-License-Identifier: MIT
// differential.h - the rows that test_differential.c asks about: random graphs, kept in memory and written to both
// databases with the same text.
#ifndef TESTS_CONTRACT_DIFFERENTIAL_H
#define TESTS_CONTRACT_DIFFERENTIAL_H

#include <libpq-fe.h>
#include <sqlite3.h>

#include "contract.h"

#define NULL_INT INT32_MIN
#define DEPTH_MAX 50             // what the view shows
#define STEPS_MAX 100            // of one task

struct dstep {
    int64_t id, attempted_at, state_at;  // 0: NULL, no row
    int32_t attempts, limit, backoff;    // NULL_INT: NULL
    uint32_t task, parents, done_parents, name;
    int32_t depth;
    uint8_t state;                       // ST_NONE: no row
    bool retryable, in_process, processed, parent, child;
};
struct dtask {
    int64_t id;
    uint32_t first, count;
    size_t first_edge, edge_count;
    uint8_t state;
    bool tame;  // as our own engine would leave it: then memory must agree too
};
struct dedge {
    uint32_t from, to;
};
struct graphs {
    struct dtask *tasks;
    struct dstep *steps;
    struct dedge *edges;
    size_t task_count, task_cap, step_count, step_cap, edge_count, edge_cap;
    int64_t now;
    struct rng rng;
    uint64_t seed;
};
extern struct graphs w;
extern PGconn *pg;
extern sqlite3 *lite;

// What the Rails engine was observed to say: one task, steps without edges, ages in seconds. -1: NULL or none.
struct golden {
    int32_t attempts, limit;
    bool retryable, in_process, processed;
    int32_t backoff, attempted;
    uint8_t state;
    int32_t age;
    bool eligible, ready;
    int32_t next;
};
#define GOLDEN 16
extern const struct golden golden[GOLDEN];
extern uint32_t golden_task, shortcut_task;

// graphs_make fills w: the golden rows, a long chain, and so many random graphs.
void graphs_make(long count);
// graphs_put writes them into both databases.
void graphs_put(void);
void both(const char *sql);

#endif
