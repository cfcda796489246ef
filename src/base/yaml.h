// SPDX-License-Identifier: MIT
// yaml.h - a thin cover over libfyaml: one YAML (or JSON) document as a tree of nodes that know their line and column.
// Aliases, anchors and merge keys are resolved. Duplicate keys, several documents, tags that are not core tags and
// aliases that expand to more than 100,000 nodes are errors; so are depth over 512, control characters, %TAG directives and
// numbers that JSON cannot hold (see json.h). No document at all is null.
#ifndef BASE_YAML_H
#define BASE_YAML_H

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

enum yaml_type { YAML_NULL, YAML_BOOL, YAML_INT, YAML_FLOAT, YAML_STRING, YAML_SEQUENCE, YAML_MAPPING };

struct yaml {
    enum yaml_type type;  // plain scalars are typed by the YAML 1.2 core schema; quoted ones are strings
    const char *text;     // scalars: their text, NUL-terminated; "" for containers
    size_t len;
    bool truth;                   // YAML_BOOL
    int line, column;             // from 1
    const char *key;              // members of a mapping
    int key_line, key_column;     // likewise
    size_t count;                 // children
    struct yaml *child, *next;
};

#define YAML_MAX_SIZE ((size_t)4 << 20)

// yaml_parse reads `text` into nodes of `arena` (which copies everything). TASKER_E_INVALID with `file`, line, column.
int yaml_parse(struct arena *arena, struct span text, const char *file, struct yaml **ret, tasker_error *err) CHECKED;

const struct yaml *yaml_get(const struct yaml *mapping, const char *key);  // NULL: none
const char *yaml_type_name(enum yaml_type type);                           // "a string", "a mapping", ...

// yaml_to_json appends the node as compact JSON: mappings keep their order; a number that is a JSON number keeps its
// digits (1.10, fifty digits), others (hex, octal, .5, +1) are rewritten to an equal JSON number; .inf and .nan become
// strings.
void yaml_to_json(struct buf *out, const struct yaml *node);

#endif
