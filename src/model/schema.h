// SPDX-License-Identifier: MIT
// schema.h - JSON Schema draft-07 for task contexts. Compiled once per template, thread-safe afterwards.
//
// Remote references are not fetched: a $ref must stay inside the schema (or name an "$id" in it, or the draft-07
// meta-schema). `format` is an annotation only. Patterns are PCRE2 with match limits, so that no pattern can hang a
// submission.
#ifndef MODEL_SCHEMA_H
#define MODEL_SCHEMA_H

#include "base/err.h"
#include "base/json.h"

struct schema;

// schema_compile checks and compiles the schema text (copied). TASKER_E_INVALID with the JSON path of what is wrong.
// `strict` adds the Rails engine's rule for contexts (json-schema's strict mode with insert_defaults): in every object
// schema that has "properties", all listed properties without a "default" are required and no unlisted one is allowed.
int schema_compile(struct span text, bool strict, struct schema **ret, tasker_error *err) CHECKED;
void schema_free(struct schema *s);

// One failed rule.
struct schema_error {
    const char *path;     // of the value, "$.items[2].price"
    const char *message;  // "must be at least 0"
    struct schema_error *next;
};

// schema_validate returns 0, or the number of errors (at most 100) with the list in `arena`, or TASKER_E_NOMEM.
int schema_validate(const struct schema *s, const struct json *value, struct arena *arena,
                    struct schema_error **ret_errors) CHECKED;

#endif
