// SPDX-License-Identifier: MIT
// jsonw.c - writing JSON into a buffer.
//
// There is no writer state: whether a comma is due follows from the last byte of the buffer. Only an opening bracket or
// a colon can end the text before a first value, because every complete value ends in a quote, a bracket that closes, a
// digit or a letter.
#include <string.h>

#include "base/buf.h"
#include "base/json_lex.h"
#include "base/utf8.h"
#include "base/util.h"

static void comma(struct buf *b)
{
    if (b->len > 0 && memchr("{[:", b->data[b->len - 1], 3) == NULL)
        buf_char(b, ',');
}

void jw_open(struct buf *b, char bracket)
{
    comma(b);
    buf_char(b, bracket);
}

void jw_close(struct buf *b, char bracket)
{
    buf_char(b, bracket);
}

void jw_key(struct buf *b, const char *key)
{
    jw_str(b, key);
    buf_char(b, ':');
}

// How each byte below 0x80 stands in a string: 0 as it is, 'u' as \u00xx, else as a backslash and that letter. NUL has no
// form that databases take, so it is treated like an invalid byte.
static const char escapes[0x80] = {
    [0x00] = '?',  [0x01] = 'u', [0x02] = 'u', [0x03] = 'u', [0x04] = 'u', [0x05] = 'u', [0x06] = 'u',
    [0x07] = 'u',  ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', [0x0B] = 'u', ['\f'] = 'f', ['\r'] = 'r',
    [0x0E] = 'u',  [0x0F] = 'u', [0x10] = 'u', [0x11] = 'u', [0x12] = 'u', [0x13] = 'u', [0x14] = 'u',
    [0x15] = 'u',  [0x16] = 'u', [0x17] = 'u', [0x18] = 'u', [0x19] = 'u', [0x1A] = 'u', [0x1B] = 'u',
    [0x1C] = 'u',  [0x1D] = 'u', [0x1E] = 'u', [0x1F] = 'u', ['"'] = '"',  ['\\'] = '\\',
};

static void add_special(struct buf *b, unsigned char c)
{
    char how = c < 0x80 ? escapes[c] : '?';

    if (how == '?')
        buf_add(b, "\xEF\xBF\xBD", 3);  // U+FFFD
    else if (how == 'u')
        buf_printf(b, "\\u%04x", c);
    else
        buf_add(b, (const char[]){'\\', how}, 2);
}

// How many of the n bytes at p can be copied as they are.
static size_t plain_run(const char *p, size_t n)
{
    size_t at = 0;

    while (at < n) {
        unsigned char c = (unsigned char)p[at];
        size_t len = 1;
        if (c < 0x80 ? escapes[c] != 0 : (len = utf8_length(p + at, n - at)) == 0)
            break;
        at += len;
    }
    return at;
}

void json_escape(struct buf *b, const char *p, size_t n)
{
    buf_char(b, '"');
    for (size_t at = 0; at < n && !b->failed; at++) {
        size_t run = plain_run(p + at, n - at);
        buf_add(b, p + at, run);
        at += run;
        if (at < n)
            add_special(b, (unsigned char)p[at]);
    }
    buf_char(b, '"');
}

void jw_strn(struct buf *b, const char *p, size_t n)
{
    comma(b);
    json_escape(b, p, n);
}

void jw_str(struct buf *b, const char *s)
{
    if (s == NULL)
        jw_null(b);
    else
        jw_strn(b, s, strlen(s));
}

// Digit by digit: every row and event of the engine has several numbers, and printf costs more than all of the rest.
void jw_int(struct buf *b, int64_t v)
{
    char digits[20];
    size_t at = sizeof(digits);
    uint64_t rest = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;

    do
        digits[--at] = (char)('0' + rest % 10);
    while ((rest /= 10) > 0);
    if (v < 0)
        digits[--at] = '-';
    comma(b);
    buf_add(b, digits + at, sizeof(digits) - at);
}

void jw_bool(struct buf *b, bool v)
{
    comma(b);
    buf_str(b, v ? "true" : "false");
}

void jw_null(struct buf *b)
{
    comma(b);
    buf_add(b, "null", 4);
}

void jw_raw(struct buf *b, const char *p, size_t n)
{
    if (n == 0) {
        jw_null(b);
        return;
    }
    comma(b);
    buf_add(b, p, n);
}

void jw_time(struct buf *b, int64_t us)
{
    char text[TIME_TEXT_SIZE];

    jw_str(b, us != 0 ? time_iso(us, text) : NULL);
}

void jw_kstr(struct buf *b, const char *key, const char *s)
{
    jw_key(b, key);
    jw_str(b, s);
}

void jw_kint(struct buf *b, const char *key, int64_t v)
{
    jw_key(b, key);
    jw_int(b, v);
}

void jw_kbool(struct buf *b, const char *key, bool v)
{
    jw_key(b, key);
    jw_bool(b, v);
}

void jw_kraw(struct buf *b, const char *key, const char *p, size_t n)
{
    jw_key(b, key);
    jw_raw(b, p, n);
}

void jw_ktime(struct buf *b, const char *key, int64_t us)
{
    jw_key(b, key);
    jw_time(b, us);
}
