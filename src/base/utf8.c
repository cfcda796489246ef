// SPDX-License-Identifier: MIT
// utf8.c - UTF-8, character by character.
//
// The ranges of the second byte carry all the rules of RFC 3629: E0 and F0 exclude overlong forms, ED the surrogates, F4
// what lies above U+10FFFF. The bytes behind it are always 80 to BF.
#include "base/utf8.h"

#include <string.h>

static bool is_tail(unsigned char c)
{
    return (c & 0xC0) == 0x80;
}

static bool second_fits(unsigned char lead, unsigned char second)
{
    unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;

    return second >= low && second <= high;
}

size_t utf8_length(const char *p, size_t n)
{
    const unsigned char *u = (const unsigned char *)p;

    if (n == 0)
        return 0;
    if (u[0] < 0x80)
        return 1;
    size_t want = u[0] < 0xC2 ? 0 : u[0] < 0xE0 ? 2 : u[0] < 0xF0 ? 3 : u[0] < 0xF5 ? 4 : 0;
    if (want == 0 || n < want || !second_fits(u[0], u[1]))
        return 0;
    for (size_t i = 2; i < want; i++)
        if (!is_tail(u[i]))
            return 0;
    return want;
}

size_t utf8_count(const char *p, size_t n)
{
    size_t count = 0;

    for (size_t i = 0; i < n; i++)
        count += ((unsigned char)p[i] & 0xC0) != 0x80;
    return count;
}

size_t utf8_decode(const char *p, size_t n, uint32_t *ret)
{
    static const unsigned char lead_bits[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    size_t len = utf8_length(p, n);

    if (len == 0)
        return 0;
    uint32_t c = (unsigned char)p[0] & lead_bits[len];
    for (size_t i = 1; i < len; i++)
        c = c << 6 | ((unsigned char)p[i] & 0x3F);
    *ret = c;
    return len;
}

size_t utf8_encode(uint32_t c, char out[4])
{
    static const unsigned char lead_mark[] = {0, 0, 0xC0, 0xE0, 0xF0};
    size_t len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

    for (size_t i = len - 1; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3F));
    out[0] = (char)(lead_mark[len] | c);
    return len;
}

bool utf8_check(const char *p, size_t n, size_t *ret_at)
{
    size_t at = 0;

    while (at < n) {
        uint64_t eight;
        if (n - at >= sizeof(eight)) {
            memcpy(&eight, p + at, sizeof(eight));
            if ((eight & UINT64_C(0x8080808080808080)) == 0) {
                at += sizeof(eight);
                continue;
            }
        }
        size_t len = utf8_length(p + at, n - at);
        if (len == 0) {
            if (ret_at != NULL)
                *ret_at = at;
            return false;
        }
        at += len;
    }
    return true;
}

void utf8_place(const char *text, const char *at, int *ret_line, int *ret_column)
{
    int line = 1, column = 1;

    for (; text < at; text++) {
        if (*text == '\n') {
            line++;
            column = 1;
        } else if (!is_tail((unsigned char)*text)) {
            column++;
        }
    }
    *ret_line = line;
    *ret_column = column;
}
