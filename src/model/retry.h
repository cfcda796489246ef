// SPDX-License-Identifier: MIT
// retry.h - how long to wait before the next attempt. One calculator for everything: strategies of templates, jitter
// inside the cap from a seedable source, Retry-After, and the lower bound of the Rails engine's SQL (2^attempts seconds,
// at most 30), which readiness applies too.
#ifndef MODEL_RETRY_H
#define MODEL_RETRY_H

#include "base/util.h"

#define RETRY_STRATEGIES(X)                                                                           \
    X(EXPONENTIAL, "exponential") X(FIXED, "fixed") X(LINEAR, "linear") X(IMMEDIATE, "immediate") X(NONE, "none")

enum retry_strategy {
#define X(name, text) RS_##name,
    RETRY_STRATEGIES(X)
#undef X
    RS_COUNT
};
extern const char *const retry_strategy_names[RS_COUNT];

struct retry_policy {
    enum retry_strategy strategy;
    int32_t base_ms;     // 1000
    int32_t max_ms;      // 300000; no computed wait exceeds it, jitter included; Retry-After is capped at 300 s
    double multiplier;   // 2.0
    double jitter;       // 0.1: +-10 %
};
extern const struct retry_policy retry_default;

// retry_backoff_ms returns the wait after failed attempt number `attempt` (from 1). RS_IMMEDIATE gives 0. RS_NONE is for
// the caller: it means no retry at all.
int64_t retry_backoff_ms(const struct retry_policy *p, int attempt, struct rng *rng);

// retry_sql_floor_seconds returns min(2^attempts, 30) (attempts from 0): what get_step_readiness_status waits for.
int retry_sql_floor_seconds(int attempts);

// retry_after_seconds reads a Retry-After value (seconds, a fraction is rounded up; or an HTTP date, 0 when it is past),
// at most `cap`. -1: unreadable.
int32_t retry_after_seconds(struct span text, int64_t now, int32_t cap);

#endif
