// SPDX-License-Identifier: MIT
// utf8.h - one character of UTF-8 at a time, strictly as RFC 3629 has it: no overlong forms, no surrogates, nothing over
// U+10FFFF.
//
// For the files of base/ that read or write text byte by byte; whoever holds checked JSON needs none of it.
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// utf8_length returns how many bytes (1 to 4) the valid character at `p` has, 0 when the bytes there, `n` at most, are
// not a character.
size_t utf8_length(const char *p, size_t n);

// utf8_count is the number of characters in valid text.
size_t utf8_count(const char *p, size_t n);

// utf8_decode is utf8_length and the character itself.
size_t utf8_decode(const char *p, size_t n, uint32_t *ret);

// utf8_encode writes a character (below 0x110000) and returns its length.
size_t utf8_encode(uint32_t c, char out[4]);

// utf8_check says whether all n bytes are valid; ret_at (may be NULL) is where the first bad one is.
bool utf8_check(const char *p, size_t n, size_t *ret_at);

// utf8_place says on which line and in which column, both from 1 and counted in characters, the byte at `at` is.
void utf8_place(const char *text, const char *at, int *ret_line, int *ret_column);

#endif
