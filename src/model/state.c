// SPDX-License-Identifier: MIT
// state.c - the two tables behind state.h. A cell that is not written here is illegal.
//
// Every move is one that the Rails engine's machines allow too, so that its own classes can read
// and continue what is written here. Not used although legal there: a pending step that fails
// on its own. A task goes from in_progress back to pending only when it is given to the Rails engine.
#include "model/state.h"

#define X(name, text) text,
const char *const state_names[ST_COUNT] = {STATES(X)};
const char *const state_event_names[SE_COUNT] = {STATE_EVENTS(X)};
#undef X

// Cells hold the next state + 1, so that those that are not listed are 0: illegal.
#define TO(state) (ST_##state + 1)
#define STEP_TO(state, effects)                                                                    \
    {                                                                                              \
        TO(state), effects                                                                         \
    }

static const struct step_move step_moves[ST_COUNT][SE_COUNT] = {
    [ST_PENDING] =
        {
            [SE_START] = STEP_TO(IN_PROGRESS, 0),
            [SE_CANCEL] = STEP_TO(CANCELLED, FX_SHUT),
            [SE_RESOLVE] = STEP_TO(RESOLVED, FX_SHUT | FX_DONE),
        },
    [ST_IN_PROGRESS] =
        {
            [SE_SUCCEED] = STEP_TO(COMPLETE, FX_SHUT | FX_DONE | FX_ATTEMPT),
            [SE_FAIL] = STEP_TO(ERROR, FX_SHUT | FX_ATTEMPT),
            [SE_CANCEL] = STEP_TO(CANCELLED, FX_SHUT),
        },
    [ST_ERROR] =
        {
            [SE_RETRY] = STEP_TO(PENDING, FX_OPEN),
            [SE_RESOLVE] = STEP_TO(RESOLVED, FX_SHUT | FX_DONE),
        },
};

static const uint8_t task_moves[ST_COUNT][SE_COUNT] = {
    [ST_PENDING] =
        {
            [SE_START] = TO(IN_PROGRESS),
            [SE_FAIL] = TO(ERROR),
            [SE_CANCEL] = TO(CANCELLED),
        },
    [ST_IN_PROGRESS] =
        {
            [SE_SUCCEED] = TO(COMPLETE),
            [SE_FAIL] = TO(ERROR),
            [SE_CANCEL] = TO(CANCELLED),
            [SE_RELEASE] = TO(PENDING),
        },
    [ST_ERROR] =
        {
            [SE_RETRY] = TO(PENDING),
            [SE_RESOLVE] = TO(RESOLVED),
        },
    [ST_COMPLETE] = {[SE_CANCEL] = TO(CANCELLED)},
    [ST_RESOLVED] = {[SE_CANCEL] = TO(CANCELLED)},
};

static const struct {
    bool step_done, task_final;
} traits[ST_COUNT] = {
    [ST_COMPLETE] = {.step_done = true, .task_final = true},
    [ST_RESOLVED] = {.step_done = true, .task_final = true},
    [ST_ERROR] = {.task_final = true},
    [ST_CANCELLED] = {.task_final = true},
};

static bool in_table(enum state from, enum state_event event)
{
    return (unsigned)from < ST_COUNT && (unsigned)event < SE_COUNT;
}

enum state state_from_name(struct span name)
{
    for (unsigned i = 0; i < ST_COUNT; i++)
        if (span_is(name, state_names[i]))
            return (enum state)i;
    return ST_NONE;
}

struct step_move step_move(enum state from, enum state_event event)
{
    if (!in_table(from, event) || step_moves[from][event].next == 0)
        return (struct step_move){ST_NONE, 0};
    struct step_move cell = step_moves[from][event];
    return (struct step_move){(uint8_t)(cell.next - 1), cell.effects};
}

enum state task_move(enum state from, enum state_event event)
{
    if (!in_table(from, event) || task_moves[from][event] == 0)
        return ST_NONE;
    return (enum state)(task_moves[from][event] - 1);
}

bool state_done(enum state s)
{
    return (unsigned)s < ST_COUNT && traits[s].step_done;
}

bool task_state_final(enum state s)
{
    return (unsigned)s < ST_COUNT && traits[s].task_final;
}
