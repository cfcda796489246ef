// SPDX-License-Identifier: MIT
// retry.c - the one backoff calculator. Deterministic for a given state of the random source.
//
// Jitter stays inside the cap by narrowing its interval instead of clipping its result: steps that
// all wait the longest time still spread over its last tenth.
#include "model/retry.h"

#define X(name, text) text,
const char *const retry_strategy_names[RS_COUNT] = {RETRY_STRATEGIES(X)};
#undef X

const struct retry_policy retry_default = {
    .strategy = RS_EXPONENTIAL,
    .base_ms = 1000,
    .max_ms = 300000,
    .multiplier = 2.0,
    .jitter = 0.1,
};

#define SQL_FLOOR_MAX 30

static double grow_exponential(const struct retry_policy *p, int attempt)
{
    double wait = p->base_ms;
    for (int i = 1; i < attempt && wait > 0 && wait < p->max_ms && p->multiplier > 1; i++)
        wait *= p->multiplier;
    return wait;
}

static double grow_linear(const struct retry_policy *p, int attempt)
{
    return (double)p->base_ms * attempt;
}

static double grow_fixed(const struct retry_policy *p, int attempt)
{
    (void)attempt;
    return p->base_ms;
}

// Strategies without a function do not wait.
static double (*const growth[RS_COUNT])(const struct retry_policy *, int) = {
    [RS_EXPONENTIAL] = grow_exponential,
    [RS_FIXED] = grow_fixed,
    [RS_LINEAR] = grow_linear,
};

int64_t retry_backoff_ms(const struct retry_policy *p, int attempt, struct rng *rng)
{
    if ((unsigned)p->strategy >= RS_COUNT || growth[p->strategy] == NULL)
        return 0;
    double wait = growth[p->strategy](p, attempt < 1 ? 1 : attempt);
    if (wait > p->max_ms)
        wait = p->max_ms;
    double low = wait * (1 - p->jitter);
    double high = wait * (1 + p->jitter);
    if (high > p->max_ms)
        high = p->max_ms;
    if (low < 0)
        low = 0;
    if (p->jitter > 0)
        wait = low + (high - low) * rng_unit(rng);
    return (int64_t)(wait + 0.5);
}

int retry_sql_floor_seconds(int attempts)
{
    if (attempts < 0)
        return 1;
    return attempts >= 5 ? SQL_FLOOR_MAX : 1 << attempts;
}

static size_t digits(struct span s)
{
    size_t n = 0;
    while (n < s.len && s.p[n] >= '0' && s.p[n] <= '9')
        n++;
    return n;
}

// Seconds as JSON and HTTP write them; a fraction is rounded up. false: something else.
static bool parse_seconds(struct span s, int32_t cap, int64_t *ret)
{
    size_t whole = digits(s);
    struct span fraction = {s.p + whole, s.len - whole};
    if (whole == 0)
        return false;
    if (fraction.len > 0) {
        fraction = (struct span){fraction.p + 1, fraction.len - 1};
        if (s.p[whole] != '.' || fraction.len == 0 || digits(fraction) != fraction.len)
            return false;
    }
    *ret = 0;
    for (size_t i = 0; i < whole && *ret <= cap; i++)
        *ret = *ret * 10 + (s.p[i] - '0');
    for (size_t i = 0; i < fraction.len; i++)
        if (fraction.p[i] != '0') {
            ++*ret;
            break;
        }
    return true;
}

static struct span trim(struct span s)
{
    while (s.len > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
        s.p++, s.len--;
    while (s.len > 0 && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t'))
        s.len--;
    return s;
}

int32_t retry_after_seconds(struct span text, int64_t now, int32_t cap)
{
    text = trim(text);
    int64_t seconds = 0, when;
    if (!parse_seconds(text, cap, &seconds)) {
        if (!time_parse_http(text, &when))
            return -1;
        seconds = when <= now ? 0 : (when - now + US_PER_SECOND - 1) / US_PER_SECOND;
    }
    return seconds > cap ? cap : (int32_t)seconds;
}
