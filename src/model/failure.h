// SPDX-License-Identifier: MIT
// failure.h - what went wrong in an attempt, put into one of ten categories, and what follows: may it be tried again,
// after which delay, with which advice to a person. Decided on typed causes first, then on whole words of the text.
#ifndef MODEL_FAILURE_H
#define MODEL_FAILURE_H

#include "base/mem.h"
#include "base/util.h"
#include "model/retry.h"

// X(NAME, wire text, default code, retryable, fixed delay in seconds or 0 (the step's backoff), remediation)
#define FAILURE_CATEGORIES(X)                                                                                        \
    X(UNKNOWN, "unknown", "UNKNOWN_ERROR", 1, 0, "Read the error details and the step's log.")                       \
    X(PERMANENT, "permanent", "PERMANENT_FAILURE", 0, 0, "Correct the input or the handler, then retry the step.")   \
    X(TRANSIENT, "transient", "STEP_EXECUTION_FAILED", 1, 0, "Read the step's log; while attempts are left it is tried again by itself.")    \
    X(TIMEOUT, "timeout", "EXECUTION_TIMEOUT", 1, 0, "Raise timeout_seconds or find out what the handler waits for.") \
    X(RATE_LIMIT, "rate_limit", "RATE_LIMITED", 1, 60, "Call the service less often or raise its limit.")            \
    X(NETWORK, "network", "NETWORK_ERROR", 1, 0, "Check the connection and the remote service.")                     \
    X(CONFIGURATION, "configuration", "CONFIGURATION_ERROR", 0, 0, "Correct the template or the environment, then retry the step.") \
    X(RESOURCE, "resource_exhaustion", "RESOURCE_EXHAUSTED", 1, 30, "Free memory or disk, or run fewer steps at once.") \
    X(DEPENDENCY, "dependency_failure", "DEPENDENCY_FAILED", 1, 0, "Check the system that the step depends on.")     \
    X(STATE, "state_inconsistency", "STATE_CONFLICT", 1, 0, "Look for another writer of the same rows.")

enum failure_category {
#define X(name, text, code, retry, delay, remedy) FC_##name,
    FAILURE_CATEGORIES(X)
#undef X
    FC_COUNT
};

// Typed causes that the engine itself knows.
enum failure_cause {
    CAUSE_HANDLER,      // the handler said so
    CAUSE_TIMEOUT,      // the step's timeout passed
    CAUSE_WORKER_LOST,  // the process that ran it is gone
    CAUSE_CONFIG,       // it cannot be run as configured
    CAUSE_NOT_STORABLE, // the database refused its result
    CAUSE_TASK_TIMEOUT, // the task's timeout passed
};

// What a handler or the engine says. Spans are borrowed and may be absent.
struct failure {
    enum failure_cause cause;
    struct span message, error_class, backtrace, category, code, retry_after, log;
    bool permanent;
};

// The verdict.
struct verdict {
    enum failure_category category;
    struct span code;    // the handler's own, else the category's
    bool retryable;      // by category (attempts are not looked at)
    int32_t delay;       // seconds asked for (Retry-After or the category's own), -1: the step's backoff
    bool server_delay;   // delay came from Retry-After
};

extern const char *const failure_category_names[FC_COUNT];
const char *failure_remedy(enum failure_category c);
bool failure_retryable(enum failure_category c);

// failure_judge classifies at time `now`. Pure.
void failure_judge(const struct failure *f, int64_t now, struct verdict *ret);

// failure_results appends the JSON object that is stored as the step's results: "error", "error_class", "backtrace" as
// the Rails engine names them, and "code", "category", "retryable", "attempt", "remediation".
void failure_results(struct buf *out, const struct failure *f, const struct verdict *v, int attempt);

#endif
