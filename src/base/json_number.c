// SPDX-License-Identifier: MIT
// json_number.c - the value of a JSON number, exact at any length.
//
// A number is looked at as 0.d1d2...dn * 10^point, where d1 and dn are not zero. Two numbers are equal exactly when sign,
// point and digits are; nothing is ever multiplied out, so a huge exponent costs nothing.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/json_lex.h"

// A double and the middle between two doubles have at most 767 significant digits; one more that is not zero stands for
// all that follow.
#define DOUBLE_DIGITS 768

struct number {
    bool negative;
    struct span whole, fraction;
    size_t first, count;  // the significant digits, counted through whole and fraction; count 0: zero
    int64_t point;
};

static char digit(const struct number *n, size_t i)
{
    i += n->first;
    return i < n->whole.len ? n->whole.p[i] : n->fraction.p[i - n->whole.len];
}

static struct span take_digits(const char **p, const char *end)
{
    const char *start = *p;

    while (*p < end && **p >= '0' && **p <= '9')
        (*p)++;
    return (struct span){start, (size_t)(*p - start)};
}

static int64_t read_exponent(const char *p, const char *end)
{
    bool negative = p < end && *p == '-';
    int64_t n = 0;

    if (p < end && (*p == '-' || *p == '+'))
        p++;
    // Beyond 10^12 a text could not have digits enough to make up for it.
    for (; p < end && n < INT64_C(1000000000000); p++)
        n = n * 10 + (*p - '0');
    return negative ? -n : n;
}

static struct number read_number(struct span text)
{
    const char *p = text.p, *end = text.p + text.len;
    struct number n = {.negative = p < end && *p == '-'};

    p += n.negative;
    n.whole = take_digits(&p, end);
    if (p < end && *p == '.') {
        p++;
        n.fraction = take_digits(&p, end);
    }
    int64_t exponent = p < end ? read_exponent(p + 1, end) : 0;

    size_t digits = n.whole.len + n.fraction.len;
    while (n.first < digits && digit(&n, 0) == '0')
        n.first++;
    n.count = digits - n.first;
    while (n.count > 0 && digit(&n, n.count - 1) == '0')
        n.count--;
    n.point = (int64_t)n.whole.len - (int64_t)n.first + exponent;
    return n;
}

bool json_number_equal(struct span a, struct span b)
{
    if (span_eq(a, b))
        return true;

    struct number m = read_number(a), n = read_number(b);
    if (m.count != n.count)
        return false;
    if (m.count == 0)
        return true;
    if (m.negative != n.negative || m.point != n.point)
        return false;
    for (size_t i = 0; i < m.count; i++)
        if (digit(&m, i) != digit(&n, i))
            return false;
    return true;
}

bool json_int(const struct json *v, int64_t *ret)
{
    if (v == NULL || v->type != JSON_NUMBER)
        return false;

    struct number n = read_number(v->str);
    uint64_t sum = 0, max = (uint64_t)INT64_MAX + n.negative;
    if (n.count > 0) {
        if (n.point > 19 || n.point < (int64_t)n.count)
            return false;
        for (size_t i = 0; i < (size_t)n.point; i++)
            sum = sum * 10 + (uint64_t)(i < n.count ? digit(&n, i) - '0' : 0);
    }
    if (sum > max)
        return false;
    *ret = n.negative ? (int64_t)(0 - sum) : (int64_t)sum;
    return true;
}

bool json_double(const struct json *v, double *ret)
{
    char text[DOUBLE_DIGITS + 32];
    size_t len = 0, used;

    if (v == NULL || v->type != JSON_NUMBER)
        return false;
    struct number n = read_number(v->str);
    used = n.count < DOUBLE_DIGITS ? n.count : DOUBLE_DIGITS;
    if (n.negative)
        text[len++] = '-';
    text[len++] = '0';
    for (size_t i = 0; i < used; i++)
        text[len++] = digit(&n, i);
    if (n.count > used) {
        text[len++] = '1';
        used++;
    }
    // Without a decimal point, strtod does not depend on the locale.
    snprintf(text + len, sizeof(text) - len, "e%" PRId64, n.count > 0 ? n.point - (int64_t)used : 0);
    *ret = strtod(text, NULL);
    return true;
}
