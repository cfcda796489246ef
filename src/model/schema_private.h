// SPDX-License-Identifier: MIT
// schema_private.h - a compiled schema, as schema_compile.c makes it and schema_validate.c walks
// it.
//
// Every place of the text that is a schema becomes one node, made once, however many references
// lead to it. A node holds what draft-07 says of a value, grouped by the type of value that it
// speaks of. Nodes are immutable after compiling.
#ifndef MODEL_SCHEMA_PRIVATE_H
#define MODEL_SCHEMA_PRIVATE_H

#include "model/schema.h"

// ---- numbers: exact at any size (schema_number.c)

// digits x 10^exponent; the first and the last digit are not 0. Digits are read from the text, past
// its dot.
struct decimal {
    const char *digits;
    size_t count; // 0: zero
    int64_t exponent;
    bool negative;
};

struct decimal decimal_of(struct span text);
int decimal_compare(const struct decimal *a, const struct decimal *b);
bool decimal_whole(const struct decimal *d);
#define DIVISOR_DIGITS 18
// decimal_divides: value is a multiple of divisor, which has 1 to DIVISOR_DIGITS digits.
bool decimal_divides(const struct decimal *divisor, const struct decimal *value);
// value_hash is equal for values that json_equal calls equal.
uint64_t value_hash(const struct json *v);

// ---- patterns (schema_pattern.c)

struct pattern;
// pattern_compile reads an ECMAScript regular expression as far as PCRE2 does. TASKER_E_INVALID,
// TASKER_E_NOMEM.
int pattern_compile(struct span text, struct pattern **ret, tasker_error *err) CHECKED;
void pattern_free(struct pattern *p);
// pattern_matches returns 1 when it matches somewhere in `text`, 0 when not, TASKER_E_TOO_BIG when
// finding out takes too long, TASKER_E_NOMEM.
int pattern_matches(const struct pattern *p, struct span text);

// ---- nodes

struct number_rules {
    // Limits by text, for messages; absent: none.
    struct span minimum, maximum, above, below, multiple;
};

struct text_rules {
    int64_t min, max; // -1: none
    struct pattern *pattern;
    struct span pattern_text;
};

struct array_rules {
    int64_t min, max;
    bool unique;
    struct node *items;  // every item, when there is no tuple
    struct node **tuple; // the first items
    size_t tuple_count;
    bool has_tuple;
    struct node *additional; // items behind the tuple
    struct node *contains;
};

// One name that an object schema mentions.
struct property {
    struct span name;
    struct node *node; // NULL: not in "properties"
    bool listed, required, has_default;
    struct node *dependency;       // applies to the object when the property is there
    const struct json *companions; // array of names that must be there as well
    struct property *next;         // while compiling
};

struct pattern_property {
    struct pattern *pattern;
    struct node *node;
    struct pattern_property *next;
};

struct object_rules {
    int64_t min, max;
    struct property *list;   // while compiling
    struct property **table; // sorted by name
    size_t count;
    bool has_properties;
    bool closed; // strict: no property but the listed
    struct pattern_property *patterns;
    struct node *additional, *names;
};

// Schemas that apply to the same value.
struct branches {
    struct node **nodes;
    size_t count;
};

struct node {
    const struct json *json;
    const char *base;                     // base URI for references, "" when there is none
    bool never;                           // the schema `false`
    bool foreign;                         // of the meta-schema, where the strict rule does not hold
    uint8_t color;                        // of the search for endless references
    uint16_t height;                      // longest chain of schemas that apply to the same value
    struct node *ref;                     // everything else is ignored then
    unsigned types;                       // bits of enum json_type, 0: all
    bool integer;                         // "integer" is among the types and "number" is not
    const struct json *values, *constant; // "enum", "const"
    struct number_rules *number;
    struct text_rules *text;
    struct array_rules *array;
    struct object_rules *object;
    struct branches all, any, one;
    struct node *not_, *if_, *then_, *else_;
    struct node *next_in_bucket, *next_in_order;
};

// A place that an "$id" names: a whole resource, or an anchor in it.
struct resource {
    const char *uri, *anchor; // anchor "": the resource itself
    const struct json *json;
    bool foreign;
    struct resource *next;
};

#define NODE_BUCKETS 1024

struct schema {
    struct arena arena;
    bool strict;
    const struct json *root_json;
    struct node *root;
    struct node *first, *last; // all nodes in order of making; compiling walks this list
    struct node *todo;         // the first that is not compiled yet
    struct node *buckets[NODE_BUCKETS];
    struct resource *resources;
    bool meta_loaded;
    struct pattern_link {
        struct pattern *pattern;
        struct pattern_link *next;
    } * patterns; // to be freed
};

// schema_node returns the node of a place, made when it is new; `base` is the base URI inside of
// it. NULL: out of memory.
struct node *schema_node(struct schema *s, const struct json *json, const char *base, bool foreign);

// schema_fail fills err with a message and the path of `at`, and returns TASKER_E_INVALID.
int schema_fail(const struct schema *s, const struct json *at, tasker_error *err, const char *fmt,
                ...) PRINTF_LIKE(4, 5);

// schema_expect is schema_fail unless the value has that type.
int schema_expect(const struct schema *s, const struct json *value, enum json_type type,
                  tasker_error *err) CHECKED;
// schema_child gives the node of a schema inside of n's; schema_children those of an array.
int schema_child(struct schema *s, const struct node *n, const struct json *value,
                 struct node **ret, tasker_error *err) CHECKED;
int schema_children(struct schema *s, const struct node *n, const struct json *value,
                    struct branches *ret, tasker_error *err) CHECKED;

// ---- keywords (schema_keywords.c)

// schema_keyword files one member of a schema in its node; schema_close makes the table of
// properties when all are in.
int schema_keyword(struct schema *s, struct node *n, const struct json *member,
                   tasker_error *err) CHECKED;
int schema_close(struct schema *s, struct node *n, tasker_error *err) CHECKED;

// ---- references (schema_refs.c)

// refs_add registers a resource, or an anchor in it. TASKER_E_NOMEM, also when a text is NULL.
int refs_add(struct schema *s, const char *uri, const char *anchor, const struct json *json,
             bool foreign) CHECKED;
// refs_collect registers all "$id"s below a document's root. TASKER_E_NOMEM.
int refs_collect(struct schema *s, const struct json *root, const char *base, bool foreign) CHECKED;
// refs_base returns the base URI inside of a schema whose parent's is `base`. NULL: out of memory.
const char *refs_base(struct schema *s, const struct json *json, const char *base);
// refs_find returns the node that `ref` of `from` means. TASKER_E_INVALID, TASKER_E_NOMEM.
int refs_find(struct schema *s, const struct node *from, const struct json *ref, struct node **ret,
              tasker_error *err) CHECKED;
// uri_resolve applies a reference to a base (RFC 3986 section 5.2), leaving the fragment to
// ret_fragment. NULL: memory.
const char *uri_resolve(struct arena *arena, const char *base, struct span ref,
                        const char **ret_fragment);

// schema_meta is the draft-07 meta-schema; schema_meta_uri its name.
extern const char schema_meta[];
extern const char schema_meta_uri[];

#endif
