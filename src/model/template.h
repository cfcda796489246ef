// SPDX-License-Identifier: MIT
// template.h - a workflow definition, checked and compiled: steps in the order of the file, edges as index arrays.
//
// Made by template_read from YAML in the Rails engine's dialect or that of the July 2025 core (both in full), with one
// environment merged in. Immutable once shared; counted references, so that running tasks keep what they started with.
// The canonical form (template_canon.c) is JSON text that template_read reads back to an equal template; the SHA-256 of
// that text with sorted keys is the content hash. Texts that were not given are "", never NULL.
#ifndef MODEL_TEMPLATE_H
#define MODEL_TEMPLATE_H

#include "base/err.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "model/retry.h"

#define TEMPLATE_MAX_STEPS 10000

struct template_step {
    const char *name;
    const char *handler_class;
    const char *dependent_system;
    const char *description;
    struct span config;  // handler_config as JSON text; "{}" when none
    bool retryable, skippable;
    int32_t retry_limit;
    int64_t timeout_us;  // 0: none
    struct retry_policy retry;
    uint32_t parent_count, child_count;
    uint32_t *parents, *children;  // step indices, ascending
    uint32_t level;                // longest path from a root
};

struct template {
    uint32_t refs;  // atomic
    struct arena arena;
    const char *namespace_name, *name, *version;
    const char *description, *task_handler_class, *module_namespace, *default_dependent_system;
    const char *default_context;  // JSON object text or NULL
    struct span schema;    // JSON Schema of the context, absent when none
    int64_t timeout_us;    // of the whole task, 0: none
    int32_t max_concurrent_steps;  // 0: no limit; over all tasks of the template in one engine
    uint32_t step_count, edge_count;
    struct template_step *steps;
    uint32_t *order;    // a topological order of step indices: by level, then by file order
    uint32_t *by_name;  // step indices in order of their names, for template_find_step
    struct span canonical;
    char hash[SHA256_HEX_SIZE];
    const char *directory;  // folder of the file, "" when none; not part of the hash
    // Filled in when it is registered in a database:
    int64_t template_id;
    int32_t named_task_id;
    int32_t *named_step_ids;  // by step index; allocated, zeros at first
    char key[544];            // "namespace/name/version", for limits and lists
};

// One finding of template_read.
struct template_error {
    int line, column;
    char message[400];
    struct template_error *next;
};
struct template_errors {
    struct arena arena;
    struct template_error *first, *last;
    size_t count;
};
void template_errors_init(struct template_errors *e);
void template_errors_done(struct template_errors *e);

// template_read reads a definition. `file` (may be NULL) names it in errors; its folder becomes `directory`.
// `environment` (may be NULL) selects the section of `environments` to merge. On TASKER_E_INVALID `errors` holds every
// finding, in order of line and column, and `err` the first. ret has one reference.
int template_read(struct span text, const char *file, const char *environment, struct template **ret,
                  struct template_errors *errors, tasker_error *err) CHECKED;

struct template *template_ref(struct template *t);
void template_unref(struct template *t);  // NULL is fine

// template_find_step returns the index of the step of that name, -1 when there is none.
int template_find_step(const struct template *t, struct span name);

// template_system is the name of the dependent system that a step belongs to.
const char *template_system(const struct template *t, uint32_t step);

// template_compare_versions orders "0.10.0" after "0.9.0" (numeric by dots, then as text).
int template_compare_versions(const char *a, const char *b);

#endif
