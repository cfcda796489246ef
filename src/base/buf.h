// SPDX-License-Identifier: MIT
// buf.h - a growing byte buffer with a maximum and a sticky error, spans of borrowed text, and a JSON writer on top.
//
// Append freely and check buf_failed once. After a failure (out of memory, over the maximum) appends do nothing.
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Borrowed text with a length; p may be NULL when len is 0 ("absent").
struct span {
    const char *p;
    size_t len;
};

#define SPAN(literal) ((struct span){literal, sizeof(literal) - 1})
struct span span_of(const char *s);  // NULL gives an absent span
bool span_is(struct span s, const char *text);
bool span_eq(struct span a, struct span b);

struct buf {
    char *data;  // always NUL-terminated once something was added; NULL when empty
    size_t len, cap, max;
    bool failed;
};

void buf_init(struct buf *b, size_t max);
void buf_done(struct buf *b);   // frees; the buffer is empty again and keeps its max
void buf_clear(struct buf *b);  // empty, memory kept, error cleared
bool buf_failed(const struct buf *b);
void buf_add(struct buf *b, const char *p, size_t n);
void buf_str(struct buf *b, const char *s);
void buf_span(struct buf *b, struct span s);
void buf_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
struct span buf_view(const struct buf *b);  // borrowed until the next append; "" when empty
char *buf_take(struct buf *b, size_t *ret_len);  // the memory, to be freed with mem_free; NULL when failed

// JSON writing. Commas are put where they belong by looking at the last byte: jw_key and values after `{` or `[` or `:`
// get none, all others get one. Strings are escaped as JSON asks and no more (UTF-8 is kept; invalid bytes, and NUL, which
// databases refuse even when escaped, become U+FFFD), raw values are spliced in unchanged.
void jw_open(struct buf *b, char bracket);   // '{' or '['
void jw_close(struct buf *b, char bracket);  // '}' or ']'
void jw_key(struct buf *b, const char *key);
void jw_str(struct buf *b, const char *s);  // NULL writes null
void jw_strn(struct buf *b, const char *p, size_t n);
void jw_int(struct buf *b, int64_t v);
void jw_bool(struct buf *b, bool v);
void jw_null(struct buf *b);
void jw_raw(struct buf *b, const char *p, size_t n);  // n 0 writes null
void jw_time(struct buf *b, int64_t us);              // ISO 8601 with six digits and Z; 0 writes null
// key and value in one
void jw_kstr(struct buf *b, const char *key, const char *s);
void jw_kint(struct buf *b, const char *key, int64_t v);
void jw_kbool(struct buf *b, const char *key, bool v);
void jw_kraw(struct buf *b, const char *key, const char *p, size_t n);
void jw_ktime(struct buf *b, const char *key, int64_t us);

#endif
