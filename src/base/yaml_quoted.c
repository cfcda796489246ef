// SPDX-License-Identifier: MIT
// yaml_quoted.c - what stands between the quotes of a YAML scalar (YAML 1.2, sections 7.3.1 and 7.3.2).
//
// The text has been accepted by the parser, so escapes are complete and known; should one not be, it is kept as it is.
#include <string.h>

#include "base/utf8.h"
#include "base/yaml_scalar.h"

static bool take_one(struct span *in, char c)
{
    if (in->len == 0 || *in->p != c)
        return false;
    in->p++;
    in->len--;
    return true;
}

static bool take_break(struct span *in)
{
    if (take_one(in, '\r')) {
        take_one(in, '\n');
        return true;
    }
    return take_one(in, '\n');
}

static struct span take_blanks(struct span *in)
{
    struct span blanks = {in->p, 0};

    while (take_one(in, ' ') || take_one(in, '\t'))
        blanks.len++;
    return blanks;
}

// White space around line breaks goes; one break is a space, each further one a line break.
static void fold(struct buf *out, struct span *in)
{
    struct span blanks = take_blanks(in);
    size_t breaks = 0;

    for (; take_break(in); take_blanks(in))
        breaks++;
    if (breaks == 0)
        buf_span(out, blanks);
    else if (breaks == 1)
        buf_char(out, ' ');
    for (; breaks > 1; breaks--)
        buf_char(out, '\n');
}

static bool take_hex(struct span *in, size_t digits, uint32_t *ret)
{
    uint32_t c = 0;

    if (in->len < digits)
        return false;
    for (size_t i = 0; i < digits; i++) {
        const char *all = "0123456789abcdef0123456789ABCDEF";
        const char *digit = in->p[i] != '\0' ? strchr(all, in->p[i]) : NULL;
        if (digit == NULL)
            return false;
        c = c << 4 | (uint32_t)((digit - all) & 15);
    }
    in->p += digits;
    in->len -= digits;
    *ret = c;
    return true;
}

// The second half of a pair, which JSON texts use for characters above U+FFFF.
static bool take_low_surrogate(struct span *in, uint32_t *ret)
{
    struct span rest = *in;

    if (!take_one(&rest, '\\') || !take_one(&rest, 'u') || !take_hex(&rest, 4, ret) || *ret < 0xDC00 || *ret > 0xDFFF)
        return false;
    *in = rest;
    return true;
}

// Reads what follows a backslash; false: it is no escape of a character.
static bool take_escape(struct span *in, uint32_t *ret)
{
    static const char names[] = "0abt\tnvfre \"/\\N_LP";
    static const uint32_t meanings[] = {0,    0x07, 0x08, 0x09, 0x09, 0x0A, 0x0B, 0x0C,   0x0D,
                                        0x1B, 0x20, 0x22, 0x2F, 0x5C, 0x85, 0xA0, 0x2028, 0x2029};
    struct span rest = *in;
    uint32_t c = 0, low;

    if (rest.len == 0)
        return false;
    const char *name = *rest.p != '\0' ? strchr(names, *rest.p) : NULL;
    if (name != NULL) {
        take_one(&rest, *name);
        c = meanings[name - names];
    } else {
        size_t digits = take_one(&rest, 'x') ? 2 : take_one(&rest, 'u') ? 4 : take_one(&rest, 'U') ? 8 : 0;
        if (digits == 0 || !take_hex(&rest, digits, &c))
            return false;
        if (digits == 4 && c >= 0xD800 && c <= 0xDBFF && take_low_surrogate(&rest, &low))
            c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
        if (c > 0x10FFFF)
            return false;
    }
    *in = rest;
    *ret = c;
    return true;
}

static void unescape(struct buf *out, struct span *in)
{
    char bytes[4];
    uint32_t c;

    // An escaped line break joins two lines without a space.
    if (take_break(in))
        take_blanks(in);
    else if (take_escape(in, &c))
        buf_add(out, bytes, utf8_encode(c, bytes));
    else
        buf_char(out, '\\');
}

void yaml_unquote(struct buf *out, struct span raw, char quote)
{
    const char *special = quote == '"' ? " \t\r\n\\" : " \t\r\n'";

    while (raw.len > 0) {
        struct span plain = raw;
        while (raw.len > 0 && memchr(special, *raw.p, 5) == NULL)
            take_one(&raw, *raw.p);
        buf_add(out, plain.p, plain.len - raw.len);
        if (take_one(&raw, '\'')) {
            take_one(&raw, '\'');
            buf_char(out, '\'');
        } else if (take_one(&raw, '\\')) {
            unescape(out, &raw);
        } else {
            fold(out, &raw);
        }
    }
}
