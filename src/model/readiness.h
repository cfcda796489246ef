// SPDX-License-Identifier: MIT
// readiness.h - the Rails engine's readiness and execution-context rules (functions get_step_readiness_status v02 and
// get_task_execution_context) as pure functions over row values. They are the reference that other answers to
// "what is ready" are compared with; the engine itself counts parents instead (task.h).
#ifndef MODEL_READINESS_H
#define MODEL_READINESS_H

#include "model/state.h"

struct readiness_in {
    enum state state;      // of the most recent transition; ST_PENDING when there is none
    int64_t state_at;      // its created_at, 0 when there is none
    bool retryable, in_process, processed;
    bool has_attempts, has_retry_limit, has_backoff;
    int32_t attempts, retry_limit, backoff_seconds;
    int64_t last_attempted_at;  // 0: none
    int32_t total_parents, completed_parents;
};

struct readiness {
    bool dependencies_satisfied, retry_eligible, ready;
    int64_t last_failure_at, next_retry_at;  // 0: none
    int32_t attempts, retry_limit;           // defaults applied
};

void readiness_of(const struct readiness_in *in, int64_t now, struct readiness *ret);

struct context_counts {
    int64_t total, pending, in_progress, completed, failed, ready, blocked;
};
// context_count adds one step to the counts.
void context_count(struct context_counts *c, const struct readiness_in *in, const struct readiness *r);

struct execution_context {
    const char *execution_status, *recommended_action, *health_status;
    double completion_percentage;  // rounded to two decimals
};
void context_of(const struct context_counts *c, struct execution_context *ret);

#endif
