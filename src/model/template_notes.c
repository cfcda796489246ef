// SPDX-License-Identifier: MIT
// template_notes.c - findings of a reading, kept in order of their places, and two helpers of those
// who make them: the nearest known word, and numbers of YAML as exact integers.
//
// A value may be looked at twice, once in its own section and once after merging; the second
// finding of the same fault is dropped. At most FINDINGS_MAX are kept, so that a broken file can
// not fill the memory.
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "model/template_private.h"

#define FINDINGS_MAX 500
#define WORD_MAX 64

void template_errors_init(struct template_errors *e)
{
    *e = (struct template_errors){.count = 0};
    arena_init(&e->arena);
}

void template_errors_done(struct template_errors *e)
{
    arena_done(&e->arena);
    *e = (struct template_errors){.count = 0};
}

void reader_prefix(struct reader *r, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    const char *kept = arena_strdup(&r->scratch, text);
    r->prefix = kept != NULL ? kept : "";
}

static bool before(const struct template_error *a, const struct template_error *b)
{
    return a->line != b->line ? a->line < b->line : a->column < b->column;
}

// Messages differ by their prefix when one was made in a section and the other after merging.
static bool same_fault(const struct template_error *a, const struct template_error *b)
{
    size_t n = strlen(a->message), m = strlen(b->message);
    const char *x = n > m ? a->message + (n - m) : a->message,
               *y = m > n ? b->message + (m - n) : b->message;
    return a->line == b->line && a->column == b->column && strcmp(x, y) == 0;
}

static void insert(struct template_errors *e, const struct template_error *found)
{
    struct template_error **at = &e->first;
    while (*at != NULL && !before(found, *at)) {
        if (same_fault(*at, found))
            return;
        at = &(*at)->next;
    }
    if (e->count >= FINDINGS_MAX)
        return;
    struct template_error *node = arena_alloc(&e->arena, sizeof *node);
    if (node == NULL)
        return;
    *node = *found;
    node->next = *at;
    *at = node;
    if (node->next == NULL)
        e->last = node;
    e->count++;
}

static void note(struct reader *r, int line, int column, const char *fmt, va_list args)
{
    struct template_error found = {.line = line, .column = column};
    int used = snprintf(found.message, sizeof found.message, "%s", r->prefix);
    size_t at = used < 0                              ? 0
                : (size_t)used < sizeof found.message ? (size_t)used
                                                      : sizeof found.message - 1;
    (void)vsnprintf(found.message + at, sizeof found.message - at, fmt, args);
    insert(r->errors, &found);
}

void reader_note(struct reader *r, int line, int column, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    note(r, line, column, fmt, args);
    va_end(args);
}

void reader_at(struct reader *r, const struct yaml *node, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    note(r, node->line, node->column, fmt, args);
    va_end(args);
}

// ---- nearest word

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

// Levenshtein's distance, where two letters that changed places count as one mistake. Three rows of
// the table are kept. Both words have at most WORD_MAX bytes.
static size_t distance(const char *a, size_t n, const char *b, size_t m)
{
    size_t rows[3][WORD_MAX + 1];
    for (size_t j = 0; j <= m; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *before_that = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            row[j] = min3(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
            bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped && before_that[j - 2] + 1 < row[j])
                row[j] = before_that[j - 2] + 1;
        }
    }
    return rows[n % 3][m];
}

const char *nearest(const char *word, const char *const *names, size_t count)
{
    size_t n = strlen(word), limit = n < 5 ? 1 : n < 8 ? 2 : 3, least = limit + 1;
    const char *found = NULL;
    if (n < 3 || n > WORD_MAX)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        size_t m = strlen(names[i]);
        if (m == 0 || m > WORD_MAX || m + limit < n || n + limit < m)
            continue;
        size_t d = distance(word, n, names[i], m);
        if (d < least) {
            least = d;
            found = names[i];
        }
    }
    // A word that somebody shortened: timeout, retry_limit, depends_on.
    for (size_t i = 0; i < count && found == NULL && n >= 5; i++)
        if (strstr(names[i], word) != NULL)
            found = names[i];
    return found;
}

// ---- numbers

// A decimal number as digits x 10^exponent, digits cut after the 18th.
struct decimal {
    bool negative;
    int64_t digits;
    int64_t exponent;
};

static const char *scan_digits(const char *p, struct decimal *d, bool fraction)
{
    for (; *p >= '0' && *p <= '9'; p++) {
        if (d->digits < INT64_C(100000000000000000))
            d->digits = d->digits * 10 + (*p - '0');
        else if (!fraction)
            d->exponent++;
        else
            continue;
        d->exponent -= fraction;
    }
    return p;
}

// Reads a JSON number; its grammar was checked by whoever wrote it.
static bool scan_decimal(const char *p, struct decimal *ret)
{
    struct decimal d = {.negative = *p == '-'};
    p = scan_digits(p + d.negative, &d, false);
    if (*p == '.')
        p = scan_digits(p + 1, &d, true);
    if (*p == 'e' || *p == 'E') {
        p++;
        bool below = *p == '-';
        int64_t exponent = 0;
        for (p += *p == '-' || *p == '+'; *p >= '0' && *p <= '9'; p++)
            if (exponent < 10000)
                exponent = exponent * 10 + (*p - '0');
        d.exponent += below ? -exponent : exponent;
    }
    *ret = d;
    return *p == '\0';
}

static bool scale(struct decimal d, int places, int64_t *ret)
{
    int64_t value = d.digits, exponent = d.exponent + places;
    for (; exponent > 0 && value != 0; exponent--)
        if (__builtin_mul_overflow(value, 10, &value))
            return false;
    int64_t cut = 0;
    for (; exponent < 0 && (value != 0 || cut != 0); exponent++) {
        cut = value % 10;
        value /= 10;
    }
    value += cut >= 5;
    *ret = d.negative ? -value : value;
    return true;
}

bool yaml_scaled(struct reader *r, const struct yaml *node, int digits, int64_t *ret)
{
    struct decimal d;
    struct buf text;
    buf_init(&text, YAML_MAX_SIZE);
    yaml_to_json(&text, node);
    if (buf_failed(&text))
        r->errors->arena.failed = true;
    const char *p = buf_view(&text).p;
    bool good = !buf_failed(&text) && (*p == '-' || (*p >= '0' && *p <= '9')) &&
                scan_decimal(p, &d) && scale(d, digits, ret);
    buf_done(&text);
    return good;
}
