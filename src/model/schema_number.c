// SPDX-License-Identifier: MIT
// schema_number.c - comparing and dividing decimal numbers of any length without rounding, and
// hashing JSON values so that 1, 1.0 and 10e-1 come out alike.
#include <string.h>

#include "model/schema_private.h"

// ---- decimals

static const char *skip_digits(const char *p, const char *end)
{
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p;
}

static int64_t read_exponent(const char *p, const char *end)
{
    int64_t n = 0;
    bool negative = *p == '-';
    for (p += *p == '-' || *p == '+'; p < end && n < INT64_C(1000000000000); p++)
        n = n * 10 + (*p - '0');
    return negative ? -n : n;
}

struct decimal decimal_of(struct span text)
{
    const char *end = text.p + text.len;
    struct decimal d = {.negative = *text.p == '-'};
    const char *start = text.p + d.negative, *dot = skip_digits(start, end), *last = dot;
    if (dot < end && *dot == '.')
        last = skip_digits(dot + 1, end);
    int64_t written = last < end ? read_exponent(last + 1, end) : 0;
    // Zeros in front and behind say nothing.
    while (start < last && (*start == '0' || *start == '.'))
        start++;
    const char *stop = last;
    while (stop > start && (stop[-1] == '0' || stop[-1] == '.'))
        stop--;
    if (stop == start)
        return (struct decimal){.count = 0};
    d.digits = start;
    d.count = (size_t)(stop - start) - (start < dot && dot < stop);
    // The last digit stands before the dot or behind it.
    d.exponent = written + (stop <= dot ? dot - stop : -(stop - (dot + 1)));
    return d;
}

// The i-th digit is read by walking; *p is moved past it.
static int next_digit(const char **p)
{
    if (**p == '.')
        (*p)++;
    return *(*p)++ - '0';
}

static int compare_size(const struct decimal *a, const struct decimal *b)
{
    if (a->count == 0 || b->count == 0)
        return (a->count > 0) - (b->count > 0);
    int64_t x = (int64_t)a->count + a->exponent, y = (int64_t)b->count + b->exponent;
    if (x != y)
        return x < y ? -1 : 1;
    const char *p = a->digits, *q = b->digits;
    for (size_t i = 0; i < a->count && i < b->count; i++) {
        int m = next_digit(&p), n = next_digit(&q);
        if (m != n)
            return m < n ? -1 : 1;
    }
    return (a->count > b->count) - (a->count < b->count);
}

int decimal_compare(const struct decimal *a, const struct decimal *b)
{
    bool a_below = a->negative && a->count > 0, b_below = b->negative && b->count > 0;
    if (a_below != b_below)
        return a_below ? -1 : 1;
    return a_below ? compare_size(b, a) : compare_size(a, b);
}

bool decimal_whole(const struct decimal *d)
{
    return d->count == 0 || d->exponent >= 0;
}

bool decimal_divides(const struct decimal *divisor, const struct decimal *value)
{
    if (value->count == 0)
        return true;
    // The value's digits do not end in 0, so they can not make up for a divisor with the larger
    // exponent.
    if (value->exponent < divisor->exponent)
        return false;
    uint64_t by = 0, rest = 0;
    const char *p = divisor->digits;
    for (size_t i = 0; i < divisor->count; i++)
        by = by * 10 + (uint64_t)next_digit(&p);
    p = value->digits;
    for (size_t i = 0; i < value->count; i++)
        rest = (rest * 10 + (uint64_t)next_digit(&p)) % by;
    for (int64_t e = value->exponent - divisor->exponent; e > 0 && rest != 0; e--)
        rest = rest * 10 % by;
    return rest == 0;
}

// ---- hashes

#define HASH_SEED UINT64_C(0xcbf29ce484222325)
#define HASH_PRIME UINT64_C(0x100000001b3)

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * HASH_PRIME;
    return h ^ (h >> 29);
}

static uint64_t hash_bytes(uint64_t h, struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        h = mix(h, (unsigned char)s.p[i]);
    return mix(h, s.len);
}

static uint64_t hash_number(struct span text)
{
    struct decimal d = decimal_of(text);
    uint64_t h = mix(HASH_SEED, (uint64_t)d.exponent);
    const char *p = d.digits;
    for (size_t i = 0; i < d.count; i++)
        h = mix(h, (uint64_t)next_digit(&p));
    return mix(h, d.negative);
}

uint64_t value_hash(const struct json *v)
{
    uint64_t h = mix(HASH_SEED, v->type), sum = 0;
    if (v->type == JSON_NUMBER)
        return mix(h, hash_number(v->raw));
    if (v->type == JSON_STRING)
        return hash_bytes(h, v->str);
    if (v->type == JSON_BOOL)
        return mix(h, v->truth);
    for (const struct json *item = v->child; item != NULL; item = item->next) {
        if (v->type == JSON_OBJECT)
            sum += mix(hash_bytes(HASH_SEED, item->key),
                       value_hash(item)); // a sum, members have no order
        else
            h = mix(h, value_hash(item));
    }
    return mix(h, sum + v->count);
}
