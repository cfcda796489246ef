// SPDX-License-Identifier: MIT
// state.h - the two state machines as tables: which event takes a task or a step from which state to which, and what
// must happen with it. Names in SQL, JSON and documents come from the same list.
//
// Step                                                    Task
//   pending --start--> in_progress --succeed--> complete    pending --start--> in_progress --succeed--> complete
//      ^ \--cancel--> cancelled <--cancel--/ |                 ^ \---fail---> error <---fail--/ |         |
//      |  \--resolve--> resolved_manually    |fail             |retry          |  |resolve      |cancel   |cancel
//      |                     ^               v                 \---------------/  v             v         v
//      \-------retry--------- \--resolve-- error                         resolved_manually -> cancelled <-/
//
// complete, cancelled and resolved_manually are ends of a step. A task ends in complete, error, cancelled or
// resolved_manually; an error end can be taken up again by an operator.
#ifndef MODEL_STATE_H
#define MODEL_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define STATES(X)                       \
    X(PENDING, "pending")               \
    X(IN_PROGRESS, "in_progress")       \
    X(COMPLETE, "complete")             \
    X(ERROR, "error")                   \
    X(CANCELLED, "cancelled")           \
    X(RESOLVED, "resolved_manually")

enum state {
#define X(name, text) ST_##name,
    STATES(X)
#undef X
    ST_COUNT,
    ST_NONE = ST_COUNT,  // "no such transition"; as a from_state: no row before
};

#define STATE_EVENTS(X)       \
    X(START, "start")         \
    X(SUCCEED, "succeed")     \
    X(FAIL, "fail")           \
    X(RETRY, "retry")         \
    X(CANCEL, "cancel")       \
    X(RESOLVE, "resolve")     \
    X(RELEASE, "release")

enum state_event {
#define X(name, text) SE_##name,
    STATE_EVENTS(X)
#undef X
    SE_COUNT
};

extern const char *const state_names[ST_COUNT];
extern const char *const state_event_names[SE_COUNT];

// state_from_name returns the state of that name, ST_NONE when there is none.
enum state state_from_name(struct span name);

// What a step's transition brings with it; task.c carries them out in the same turn.
enum step_effect {
    FX_OPEN = 1,     // the step belongs to what may still run
    FX_SHUT = 2,     // it no longer does, unless it waits for a retry
    FX_DONE = 4,     // its children may count it as finished
    FX_ATTEMPT = 8,  // the attempt is used up
};

struct step_move {
    uint8_t next;     // enum state; ST_NONE: illegal
    uint8_t effects;  // enum step_effect bits
};

// step_move returns the cell of the table; task_move the next state of a task, ST_NONE when illegal.
struct step_move step_move(enum state from, enum state_event event);
enum state task_move(enum state from, enum state_event event);

// state_done: a step's children may run (complete, resolved_manually).
bool state_done(enum state s);

// task_state_final: nothing will happen to the task by itself.
bool task_state_final(enum state s);

#endif
