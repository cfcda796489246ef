// SPDX-License-Identifier: MIT
// json_lex.c - strings and numbers of JSON.
//
// Strings are most of a payload, so they are read eight bytes at a time until a byte needs a look: a quote, a backslash,
// a control character or the start of a character outside ASCII. The limits of numbers are those of PostgreSQL's
// numeric, into which jsonb puts every number.
#include "base/json_lex.h"

#include <endian.h>
#include <string.h>

#include "base/utf8.h"

#define EXPONENT_MAX 1000
#define WHOLE_DIGITS_MAX 131072
#define FRACTION_DIGITS_MAX 16383

static const char *set_fault(struct json_fault *fault, const char *at, const char *why)
{
    *fault = (struct json_fault){at, why};
    return NULL;
}

// ---- strings

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

// Skips plain bytes. The word trick: a byte's high bit in `odd` is set when the byte is below 0x20, a quote, a backslash
// or above 0x7F. A borrow can only disturb bytes above one that is odd itself, so the lowest mark is always right.
static const char *skip_plain(const char *p, const char *end)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), high = UINT64_C(0x8080808080808080);

    while (end - p >= 8) {
        uint64_t word;
        memcpy(&word, p, sizeof(word));
        word = le64toh(word);
        uint64_t quote = word ^ (ones * '"'), backslash = word ^ (ones * '\\');
        uint64_t odd = ((word - ones * 0x20) | (quote - ones) | (backslash - ones) | word) & high;
        if (odd != 0)
            return p + (__builtin_ctzll(odd) >> 3);
        p += 8;
    }
    while (p < end && is_plain((unsigned char)*p))
        p++;
    return p;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

// Reads the four digits behind \u; false: there are not four.
static bool read_hex4(const char *p, const char *end, uint32_t *ret)
{
    uint32_t c = 0;

    if (end - p < 4)
        return false;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(p[i]);
        if (digit < 0)
            return false;
        c = c << 4 | (uint32_t)digit;
    }
    *ret = c;
    return true;
}

// `p` is behind "\u".
static const char *lex_unicode_escape(const char *p, const char *end, struct json_fault *fault)
{
    uint32_t c, low;

    if (!read_hex4(p, end, &c))
        return set_fault(fault, p - 2, "\\u needs four hexadecimal digits");
    if (c == 0)
        return set_fault(fault, p - 2, "\\u0000 is not allowed");
    if (c < 0xD800 || c > 0xDFFF)
        return p + 4;
    if (c < 0xDC00 && end - p >= 10 && p[4] == '\\' && p[5] == 'u' && read_hex4(p + 6, end, &low) &&
        low >= 0xDC00 && low <= 0xDFFF)
        return p + 10;
    return set_fault(fault, p - 2, "half of a surrogate pair stands alone");
}

static const char *lex_escape(const char *p, const char *end, struct json_fault *fault)
{
    if (end - p < 2)
        return set_fault(fault, p, "the string does not end");
    if (p[1] == 'u')
        return lex_unicode_escape(p + 2, end, fault);
    if (p[1] == '\0' || strchr("\"\\/bfnrt", p[1]) == NULL)
        return set_fault(fault, p, "unknown escape in a string");
    return p + 2;
}

const char *json_lex_string(const char *p, const char *end, bool *ret_escaped, struct json_fault *fault)
{
    const char *start = p++;
    bool escaped = false;

    for (;;) {
        p = skip_plain(p, end);
        if (p == end)
            return set_fault(fault, start, "the string does not end");
        unsigned char c = (unsigned char)*p;
        if (c == '"')
            break;
        if (c == '\\') {
            escaped = true;
            p = lex_escape(p, end, fault);
            if (p == NULL)
                return NULL;
        } else if (c < 0x20) {
            return set_fault(fault, p, "control characters in a string must be escaped");
        } else {
            size_t len = utf8_length(p, (size_t)(end - p));
            if (len == 0)
                return set_fault(fault, p, "the text is not valid UTF-8");
            p += len;
        }
    }
    *ret_escaped = escaped;
    return p + 1;
}

size_t json_next_char(const char *p, const char *end, uint32_t *ret)
{
    static const char letters[] = "bfnrt", meanings[] = "\b\f\n\r\t";

    if (*p != '\\')
        return utf8_decode(p, (size_t)(end - p), ret);
    if (p[1] != 'u') {
        const char *letter = strchr(letters, p[1]);
        *ret = (unsigned char)(letter != NULL ? meanings[letter - letters] : p[1]);
        return 2;
    }
    uint32_t c = 0, low = 0;
    read_hex4(p + 2, end, &c);
    if (c < 0xD800 || c > 0xDFFF) {
        *ret = c;
        return 6;
    }
    read_hex4(p + 8, end, &low);
    *ret = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
    return 12;
}

size_t json_unescape(const char *p, size_t n, char *out)
{
    const char *end = p + n;
    char *to = out;

    while (p < end) {
        const char *backslash = memchr(p, '\\', (size_t)(end - p));
        size_t run = (size_t)((backslash != NULL ? backslash : end) - p);
        memcpy(to, p, run);
        to += run;
        p += run;
        if (p < end) {
            uint32_t c = 0;
            p += json_next_char(p, end, &c);
            to += utf8_encode(c, to);
        }
    }
    return (size_t)(to - out);
}

// ---- numbers

static const char *skip_digits(const char *p, const char *end)
{
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p;
}

// `p` is behind the "e". Saturates far beyond what is allowed.
static const char *lex_exponent(const char *p, const char *end, int64_t *ret)
{
    bool negative = p < end && *p == '-';
    int64_t n = 0;

    if (p < end && (*p == '-' || *p == '+'))
        p++;
    const char *digits = p;
    p = skip_digits(p, end);
    for (const char *d = digits; d < p && n <= EXPONENT_MAX; d++)
        n = n * 10 + (*d - '0');
    *ret = negative ? -n : n;
    return p > digits ? p : NULL;
}

const char *json_lex_number(const char *p, const char *end, struct json_fault *fault)
{
    const char *start = p, *whole, *fraction;
    int64_t exponent = 0;

    if (p < end && *p == '-')
        p++;
    whole = p;
    p = skip_digits(p, end);
    size_t whole_digits = (size_t)(p - whole), fraction_digits = 0;
    if (whole_digits == 0)
        return set_fault(fault, start, p > start ? "a digit is missing behind the sign" : "a value is missing");
    if (*whole == '0' && whole_digits > 1)
        return set_fault(fault, start, "a number must not begin with a zero");
    if (p < end && *p == '.') {
        fraction = p + 1;
        p = skip_digits(fraction, end);
        fraction_digits = (size_t)(p - fraction);
        if (fraction_digits == 0)
            return set_fault(fault, fraction, "a digit is missing behind the decimal point");
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        const char *mark = p;
        p = lex_exponent(p + 1, end, &exponent);
        if (p == NULL)
            return set_fault(fault, mark, "the exponent has no digits");
        if (exponent > EXPONENT_MAX || exponent < -EXPONENT_MAX)
            return set_fault(fault, mark, "the exponent is beyond 1000");
    }
    if ((int64_t)whole_digits + exponent > WHOLE_DIGITS_MAX ||
        (int64_t)fraction_digits - exponent > FRACTION_DIGITS_MAX)
        return set_fault(fault, start, "the number has too many digits");
    return p;
}
