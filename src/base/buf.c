// SPDX-License-Identifier: MIT
// buf.c - spans and the growing buffer.
//
// The memory is always one byte larger than what is counted, for the NUL behind the text. Growth doubles, so n appends
// cost O(n) in all, and never goes over the maximum.
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define FIRST_CAP 256

struct span span_of(const char *s)
{
    return s != NULL ? (struct span){s, strlen(s)} : (struct span){0};
}

bool span_is(struct span s, const char *text)
{
    return span_eq(s, span_of(text));
}

bool span_eq(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void buf_done(struct buf *b)
{
    mem_free(b->data);
    buf_init(b, b->max);
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->failed = false;
    if (b->data != NULL)
        b->data[0] = '\0';
}

bool buf_failed(const struct buf *b)
{
    return b->failed;
}

// Makes room for n more bytes and a NUL; false sets the sticky error.
static bool make_room(struct buf *b, size_t n)
{
    if (b->failed)
        return false;
    if (n > b->max - b->len || b->len + n == SIZE_MAX) {
        b->failed = true;
        return false;
    }
    size_t need = b->len + n + 1, cap = b->cap;
    if (need <= cap)
        return true;
    if (cap < FIRST_CAP)
        cap = FIRST_CAP;
    while (cap < need)
        cap = cap > SIZE_MAX / 2 ? need : cap * 2;
    if (b->max < SIZE_MAX && cap > b->max + 1)
        cap = b->max + 1;
    char *data = mem_realloc(b->data, cap);
    if (data == NULL) {
        b->failed = true;
        return false;
    }
    b->data = data;
    b->cap = cap;
    return true;
}

void buf_add(struct buf *b, const char *p, size_t n)
{
    if (n == 0 || !make_room(b, n))
        return;
    memcpy(b->data + b->len, p, n);
    b->len += n;
    b->data[b->len] = '\0';
}

void buf_str(struct buf *b, const char *s)
{
    if (s != NULL)
        buf_add(b, s, strlen(s));
}

void buf_span(struct buf *b, struct span s)
{
    buf_add(b, s.p, s.len);
}

void buf_char(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list args;

    if (b->failed)
        return;
    va_start(args, fmt);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n < 0) {
        b->failed = true;
        return;
    }
    if (n == 0 || !make_room(b, (size_t)n))
        return;
    va_start(args, fmt);
    vsnprintf(b->data + b->len, (size_t)n + 1, fmt, args);
    va_end(args);
    b->len += (size_t)n;
}

struct span buf_view(const struct buf *b)
{
    return b->len > 0 ? (struct span){b->data, b->len} : (struct span){"", 0};
}

char *buf_take(struct buf *b, size_t *ret_len)
{
    if (!make_room(b, 0))
        return NULL;

    char *data = b->data;
    data[b->len] = '\0';
    if (ret_len != NULL)
        *ret_len = b->len;
    buf_init(b, b->max);
    return data;
}
