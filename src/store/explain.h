// SPDX-License-Identifier: MIT
// explain.h - the reasons that an explanation is made of. query_explain.c finds them,
// explain_text.c says them.
//
// Adding a reason is one row here, one place that finds it and one sentence.
#ifndef STORE_EXPLAIN_H
#define STORE_EXPLAIN_H

#include "store/query_seen.h"

#define TASK_REASONS(X)                                                                            \
    X(FINISHED, "finished")                                                                        \
    X(FAILED, "failed")                                                                            \
    X(SET_ASIDE, "set_aside")                                                                      \
    X(SCHEDULED, "scheduled")                                                                      \
    X(WAITING, "waiting_for_engine")                                                               \
    X(RAILS, "belongs_to_rails")                                                                   \
    X(OWNED, "owned")                                                                              \
    X(OWNER_SILENT, "owner_silent")

enum task_reason {
#define X(name, text) TR_##name,
    TASK_REASONS(X)
#undef X
        TR_COUNT
};

#define STEP_REASONS(X)                                                                            \
    X(DONE, "done")                                                                                \
    X(WAITING_FOR_PARENTS, "waiting_for_parents")                                                  \
    X(BLOCKED_BY, "blocked_by")                                                                    \
    X(IN_BACKOFF, "in_backoff")                                                                    \
    X(RUNNING, "running")                                                                          \
    X(OFFERED, "offered")                                                                          \
    X(NO_WORKER, "no_worker")                                                                      \
    X(READY, "ready")                                                                              \
    X(WAITING_FOR_TASK, "waiting_for_task")                                                        \
    X(FAILED, "failed")                                                                            \
    X(CANCELLED, "cancelled")

enum step_reason {
#define X(name, text) SR_##name,
    STEP_REASONS(X)
#undef X
        SR_COUNT
};

extern const char *const task_reason_names[TR_COUNT];
extern const char *const step_reason_names[SR_COUNT];

struct seen_lane {
    int64_t id, expires_at;
    struct span name, host, process;
    const struct json *classes; // array, or NULL
    bool alive;
};

struct seen_offer {
    int64_t step_id, lane, begun_at, deadline_us; // lane 0: nobody took it
    int32_t attempt;
};

// A session of PostgreSQL that is no engine's turn and has rows of the task locked; pid 0: there is none.
struct seen_holder {
    int64_t pid, since; // since 0: not for our role to see
    struct span role, application;
};

// Commits that wait for a standby (PostgreSQL); since 0: none do.
struct seen_standby {
    int64_t since;
    struct span names;
};

struct explanation {
    struct seen_task task;
    struct seen_holder holder;
    struct seen_standby standby;
    struct seen_lane *lanes;
    size_t lane_count;
    struct seen_offer *offers;
    size_t offer_count;
    const struct seen_lane *owner; // NULL: none, or its row is gone
    enum task_reason reason;
    uint8_t *reasons;       // enum step_reason, by step
    bool *blocked;          // by step: an ancestor will not finish by itself
    uint32_t *mark, *stack; // for explain_blockers
    uint32_t generation;
};

const struct seen_lane *explain_lane(const struct explanation *x, int64_t id);
const struct seen_offer *explain_offer(const struct explanation *x, const struct seen_step *s);

// explain_blockers finds the nearest ancestors that keep a blocked step from running, `max` at
// most.
size_t explain_blockers(struct explanation *x, size_t step, uint32_t *ret, size_t max);

// explain_write writes the answer.
void explain_write(struct inquiry *a, struct explanation *x);

#endif
