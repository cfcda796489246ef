// SPDX-License-Identifier: MIT
// schema_run.h - one validation under way; shared by schema_validate.c (what any value must
// satisfy) and schema_check.c (what numbers, strings, arrays and objects must).
//
// A run is loud, noting every error, or quiet, where only the answer counts (branches of anyOf,
// not, if, contains) and the first failure ends a check. What it may do in all is bounded: levels
// of nesting by RUN_DEPTH, so that the stack of any thread suffices, and single checks by
// RUN_BUDGET. Beyond that the value is refused ("stopped").
#ifndef MODEL_SCHEMA_RUN_H
#define MODEL_SCHEMA_RUN_H

#include "model/schema_private.h"

#define RUN_DEPTH 900
#define RUN_BUDGET 20000000
#define RUN_ERRORS 100

struct run {
    struct arena *arena;
    struct schema_error *first, **end;
    int count;
    int quiet; // > 0: inside of a branch
    int depth;
    int64_t budget;
    bool stopped; // an answer can not be found; true ones are no longer given
    bool nomem;
};

// Where a value stands; up NULL: the whole value.
struct place {
    const struct place *up;
    struct span key; // of a member; p NULL: an item
    size_t index;
};

// run_node says whether a value satisfies a node. run_quiet does so without noting errors.
bool run_node(struct run *r, const struct node *n, const struct json *v, const struct place *at);
bool run_quiet(struct run *r, const struct node *n, const struct json *v, const struct place *at);

// run_fail notes an error (when loud) and returns false.
bool run_fail(struct run *r, const struct place *at, const char *fmt, ...) PRINTF_LIKE(3, 4);
// run_stop notes why there is no answer, also when quiet, and returns false.
bool run_stop(struct run *r, const struct place *at, const char *why);
// run_spend takes from the budget; false: it is used up.
bool run_spend(struct run *r, const struct place *at, size_t cost);
// run_go_on: after a failed check, whether further ones make sense.
bool run_go_on(const struct run *r);

bool check_number(struct run *r, const struct number_rules *rules, const struct json *v,
                  const struct place *at);
bool check_text(struct run *r, const struct text_rules *rules, const struct json *v,
                const struct place *at);
bool check_array(struct run *r, const struct array_rules *rules, const struct json *v,
                 const struct place *at);
bool check_object(struct run *r, const struct object_rules *rules, const struct json *v,
                  const struct place *at);

#endif
