// SPDX-License-Identifier: MIT
// identity.h - what makes two submissions the same task: the identity hash of a request.
//   default: a time-ordered UUID, so every submission is new; hash: the Rails engine's SHA-256 over the request's fields
//   in its order and its JSON dialect (ActiveSupport), one-minute granularity; custom: the caller's own text.
#ifndef MODEL_IDENTITY_H
#define MODEL_IDENTITY_H

#include "base/json.h"
#include "base/util.h"

struct identity_fields {
    struct span name, initiator, source_system, reason;  // texts, not JSON
    const struct json *context;       // object
    const struct json *bypass_steps;  // array or NULL ([])
    int64_t requested_at;
};

#define IDENTITY_SIZE 129

// identity_hash writes the SHA-256 hex of the fields as the Rails engine's :hash strategy does. TASKER_E_NOMEM.
int identity_hash(const struct identity_fields *f, char out[IDENTITY_SIZE], tasker_error *err) CHECKED;

#endif
