// SPDX-License-Identifier: MIT
// template_private.h - what the files behind template.h share. Reading a definition goes
//
//   text --yaml_parse--> nodes --rules--> findings           template_rules.c: keys, types, ranges
//                          |  --merge--> nodes of one environment     template_merge.c
//                          |               |  --compile--> template   template_build.c: steps,
//                          edges, levels |               |                 |  --canon--> text and
//                          hash    template_canon.c
//
// and template_read.c leads. Every file only adds findings; nobody stops at the first.
#ifndef MODEL_TEMPLATE_PRIVATE_H
#define MODEL_TEMPLATE_PRIVATE_H

#include "base/json.h"
#include "model/template.h"

// One key of a mapping: what its value may be.
struct key_rule {
    const char *name;
    const struct value_kind *kind;
    int64_t low, high; // characters of a text, or the range of a number in its own unit
    bool required;
};

// The keys of one kind of mapping. Values that broke their rule stand as NULL in what rules_check
// gives.
struct rule_set {
    const char *what; // "step", for messages: "unknown key of a step"
    const struct key_rule *rules;
    size_t count;
    bool open; // other keys are the user's own, unless one looks like a misspelt known one
};

// Places in the lists that rules_check fills for top_rules and step_rules.
enum top_key {
    TOP_NAME,
    TOP_NAMESPACE,
    TOP_VERSION,
    TOP_DESCRIPTION,
    TOP_HANDLER_CLASS,
    TOP_MODULE,
    TOP_CONCURRENT,
    TOP_SYSTEM,
    TOP_NAMED_STEPS,
    TOP_SCHEMA,
    TOP_STEPS,
    TOP_ENVIRONMENTS,
    TOP_EVENTS,
    TOP_CONTEXT,
    TOP_OPTIONS,
    TOP_TIMEOUT,
    TOP_CONCURRENCY,
    TOP_COUNT
};
enum step_key {
    STEP_NAME,
    STEP_CLASS,
    STEP_SYSTEM,
    STEP_DESCRIPTION,
    STEP_RETRYABLE,
    STEP_RETRY_LIMIT,
    STEP_SKIPPABLE,
    STEP_DEPENDS_ONE,
    STEP_DEPENDS_LIST,
    STEP_CONFIG,
    STEP_EVENTS,
    STEP_TIMEOUT,
    STEP_BACKOFF,
    STEP_COUNT
};
enum backoff_key {
    BACKOFF_STRATEGY,
    BACKOFF_BASE,
    BACKOFF_MAX,
    BACKOFF_MULTIPLIER,
    BACKOFF_JITTER,
    BACKOFF_COUNT
};

extern const struct rule_set top_rules, step_rules, backoff_rules, exec_rules;

// A reading under way.
struct reader {
    struct template_errors *errors;
    struct arena scratch; // nodes and everything that ends with the reading
    const char *prefix;   // stands before each message: "step \"a\": "
    bool partial;         // in a section of environments: nothing is required
    struct template *t;
    const struct yaml *top[TOP_COUNT];
    const struct yaml *(*steps)[STEP_COUNT]; // by step index; rows of broken steps are empty
    const struct yaml **step_nodes;          // by step index
};

// reader_note adds a finding at a place; reader_at at a node.
void reader_note(struct reader *r, int line, int column, const char *fmt, ...) PRINTF_LIKE(4, 5);
void reader_at(struct reader *r, const struct yaml *node, const char *fmt, ...) PRINTF_LIKE(3, 4);

// reader_prefix sets what stands before the messages that follow.
void reader_prefix(struct reader *r, const char *fmt, ...) PRINTF_LIKE(2, 3);

// rules_check notes what is wrong with a mapping and its values, and puts the good values into ret
// (`set->count` long).
void rules_check(struct reader *r, const struct rule_set *set, const struct yaml *mapping,
                 const struct yaml **ret);

// nearest returns the one of `count` names that `word` is probably meant to be, NULL when none is
// near.
const char *nearest(const char *word, const char *const *names, size_t count);

// yaml_scaled reads a number node as an integer count of 10^-digits. false: none, or it does not
// fit; or there is no memory, which the errors' arena then knows.
bool yaml_scaled(struct reader *r, const struct yaml *node, int digits, int64_t *ret);

// merge_environment returns the tree with one environment merged and all removed; the tree itself
// without environments. Notes overrides of unknown steps in all environments. NULL: out of memory.
const struct yaml *merge_environment(struct reader *r, const struct yaml *top,
                                     const char *environment);

// template_build compiles the checked nodes of `r` into r->t. -1: out of memory.
int template_build(struct reader *r) CHECKED;

// template_canon writes canonical text and hash of r->t. TASKER_E_NOMEM, TASKER_E_TOO_BIG,
// TASKER_E_INVALID.
int template_canon(struct reader *r, tasker_error *err) CHECKED;

// node_name returns the text of a step template's name, "" when it has no good one.
const char *node_name(const struct yaml *step);

#endif
