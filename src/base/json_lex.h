// SPDX-License-Identifier: MIT
// json_lex.h - the words of JSON: strings and numbers, checked and read. Inside base/ only; others include json.h.
//
// A lex_ function takes the rest of a text from the first byte of a word and returns the place behind the word, or NULL
// with `fault` filled in.
#ifndef BASE_JSON_LEX_H
#define BASE_JSON_LEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct json_fault {
    const char *at;   // where in the text
    const char *why;  // a constant text
};

// json_lex_string checks a string from its opening quote on. ret_escaped: it has a backslash, so that its contents are
// not what it means.
const char *json_lex_string(const char *p, const char *end, bool *ret_escaped, struct json_fault *fault);

const char *json_lex_number(const char *p, const char *end, struct json_fault *fault);

// json_next_char reads one character, escaped or not, of the contents of a checked string and returns how many bytes it
// takes up there.
size_t json_next_char(const char *p, const char *end, uint32_t *ret);

// json_unescape writes what the contents of a checked string mean; `out` has room for n bytes. Returns its length.
size_t json_unescape(const char *p, size_t n, char *out);

// json_number_equal compares the values of two checked numbers, exactly.
bool json_number_equal(struct span a, struct span b);

// json_escape appends a quoted string, with no comma in front (jw_strn is this and the comma).
void json_escape(struct buf *b, const char *p, size_t n);

static inline bool json_is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static inline const char *json_skip_space(const char *p, const char *end)
{
    while (p < end && json_is_space(*p))
        p++;
    return p;
}

#endif
