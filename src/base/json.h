// SPDX-License-Identifier: MIT
// json.h - reading JSON without losing a byte of it: a checking scanner that indexes a text into nodes which borrow it.
//
// Numbers stay text. A text is refused (with path, line and column) for what jsonb refuses too, so that both databases
// take the same payloads: \u0000, lone surrogates, number exponents beyond +-1000, numbers with more than 131072 digits
// before or 16383 behind the decimal point (exponent applied), depth over 512, duplicate keys in an object, invalid UTF-8,
// and of course bad syntax or anything behind the value.
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

// One value. Children of arrays and objects are linked by `next`; a member of an object has its key as well.
struct json {
    enum json_type type;
    struct span raw;     // exactly as in the text: "\"a\"", 1.10, {...}
    struct span str;     // JSON_STRING: unescaped text; JSON_NUMBER: its digits; else absent
    struct span key;     // unescaped key when this is a member of an object
    bool truth;          // JSON_BOOL
    size_t count;        // children
    struct json *child;  // first child
    struct json *next;   // next sibling
};

#define JSON_MAX_SIZE ((size_t)64 << 20)  // largest text that json_parse and json_check take

// json_parse checks and indexes `text`, whose bytes must outlive the nodes. Nodes live in `arena`. TASKER_E_INVALID with
// path ("$.a[3].b"), line and column; TASKER_E_TOO_BIG; TASKER_E_NOMEM.
int json_parse(struct arena *arena, struct span text, const struct json **ret, tasker_error *err) CHECKED;

// json_parse_around is json_parse of a text in which payloads are a few levels down, as in the arguments and answers of
// operations: 16 levels more. Whoever stores such a payload checks it by json_check.
int json_parse_around(struct arena *arena, struct span text, const struct json **ret, tasker_error *err) CHECKED;

// json_check is json_parse without keeping the nodes; ret_type (may be NULL) is the type of the whole.
int json_check(struct span text, enum json_type *ret_type, tasker_error *err) CHECKED;

// json_get finds a member of an object (NULL: none, or not an object); json_at the i-th child (NULL behind the end).
const struct json *json_get(const struct json *object, const char *key);
const struct json *json_at(const struct json *container, size_t i);

// json_int reads an integer number that fits int64_t exactly (1.0 and 1e3 count as integers). false: it is none.
bool json_int(const struct json *v, int64_t *ret);

// json_double reads any number as the nearest double.
bool json_double(const struct json *v, double *ret);

// json_equal compares values as JSON Schema does: objects without order, numbers by value (1 equals 1.0).
bool json_equal(const struct json *a, const struct json *b);

const char *json_type_name(enum json_type type);

// json_compact appends the text of `v` without insignificant white space; json_canonical also sorts object keys by bytes
// and escapes strings in one fixed way; numbers keep their text in both. Neither puts a comma in front.
void json_compact(struct buf *out, const struct json *v);
void json_canonical(struct buf *out, const struct json *v);

#endif
