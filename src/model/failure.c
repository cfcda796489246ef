// SPDX-License-Identifier: MIT
// failure.c - the classifier of failed attempts.
//
// In this order: the handler's own category; a typed cause that the engine knows; `permanent`; a
// Retry-After (only a service that wants fewer calls says that); then words of the error class, of
// the code and of the message, the most telling first. Words are whole words without case:
// "generate" is no rate and "author" no authority. Names are split where their writers split them
// (ReadTimeoutError, rate_limit, HTTP 429), so classes and sentences match alike.
#include <string.h>

#include "model/failure.h"

struct category {
    const char *code, *remedy;
    bool retryable;
    int32_t delay;
};

#define X(name, text, code, retry, delay, remedy) [FC_##name] = {code, remedy, retry, delay},
static const struct category categories[FC_COUNT] = {FAILURE_CATEGORIES(X)};
#undef X

#define X(name, text, code, retry, delay, remedy) text,
const char *const failure_category_names[FC_COUNT] = {FAILURE_CATEGORIES(X)};
#undef X

// A lost worker says nothing about the step; a task whose time is over has none left for another
// attempt.
static const struct {
    bool typed, final;
    enum failure_category category;
} causes[] = {
    [CAUSE_HANDLER] = {.typed = false},
    [CAUSE_TIMEOUT] = {.typed = true, .category = FC_TIMEOUT},
    [CAUSE_WORKER_LOST] = {.typed = true, .category = FC_TRANSIENT},
    [CAUSE_CONFIG] = {.typed = true, .category = FC_CONFIGURATION},
    [CAUSE_NOT_STORABLE] = {.typed = true, .category = FC_PERMANENT},
    [CAUSE_TASK_TIMEOUT] = {.typed = true, .final = true, .category = FC_TIMEOUT},
};

// Words in lower case; words of a phrase stand next to each other. The first row that matches
// decides, so what may be tried again stands before what may not: a wrong guess then costs an
// attempt, not the step. The rows of intent come first, they are the writer's own verdict.
static const struct {
    const char *phrase;
    enum failure_category category;
} phrases[] = {
    {"not retryable", FC_PERMANENT},
    {"non retryable", FC_PERMANENT},
    {"permanent", FC_PERMANENT},
    {"retryable", FC_TRANSIENT},
    {"transient", FC_TRANSIENT},

    {"rate limit", FC_RATE_LIMIT},
    {"rate limits", FC_RATE_LIMIT},
    {"rate limited", FC_RATE_LIMIT},
    {"rate limiting", FC_RATE_LIMIT},
    {"ratelimit", FC_RATE_LIMIT},
    {"too many requests", FC_RATE_LIMIT},
    {"throttled", FC_RATE_LIMIT},
    {"throttling", FC_RATE_LIMIT},
    {"429", FC_RATE_LIMIT},

    {"dependency", FC_DEPENDENCY},
    {"dependencies", FC_DEPENDENCY},
    {"upstream", FC_DEPENDENCY},
    {"bad gateway", FC_DEPENDENCY},
    {"service unavailable", FC_DEPENDENCY},
    {"502", FC_DEPENDENCY},
    {"503", FC_DEPENDENCY},
    {"504", FC_DEPENDENCY},

    {"deadlock", FC_STATE},
    {"deadlocked", FC_STATE},
    {"lock", FC_STATE},
    {"locks", FC_STATE},
    {"locked", FC_STATE},
    {"conflict", FC_STATE},
    {"conflicts", FC_STATE},
    {"stale", FC_STATE},
    {"concurrent", FC_STATE},
    {"concurrently", FC_STATE},
    {"concurrency", FC_STATE},

    {"timeout", FC_TIMEOUT},
    {"timeouts", FC_TIMEOUT},
    {"timed out", FC_TIMEOUT},
    {"time out", FC_TIMEOUT},
    {"deadline exceeded", FC_TIMEOUT},
    {"etimedout", FC_TIMEOUT},

    {"connection", FC_NETWORK},
    {"connections", FC_NETWORK},
    {"network", FC_NETWORK},
    {"unreachable", FC_NETWORK},
    {"refused", FC_NETWORK},
    {"reset", FC_NETWORK},
    {"dns", FC_NETWORK},
    {"socket", FC_NETWORK},
    {"broken pipe", FC_NETWORK},
    {"econnrefused", FC_NETWORK},
    {"econnreset", FC_NETWORK},
    {"ehostunreach", FC_NETWORK},
    {"epipe", FC_NETWORK},

    {"memory", FC_RESOURCE},
    {"disk", FC_RESOURCE},
    {"quota", FC_RESOURCE},
    {"no space", FC_RESOURCE},
    {"too many open files", FC_RESOURCE},
    {"enospc", FC_RESOURCE},
    {"enomem", FC_RESOURCE},
    {"emfile", FC_RESOURCE},

    {"permission", FC_CONFIGURATION},
    {"permissions", FC_CONFIGURATION},
    {"unauthorized", FC_CONFIGURATION},
    {"unauthorised", FC_CONFIGURATION},
    {"forbidden", FC_CONFIGURATION},
    {"access denied", FC_CONFIGURATION},
    {"configuration", FC_CONFIGURATION},
    {"misconfigured", FC_CONFIGURATION},
    {"not configured", FC_CONFIGURATION},
    {"eacces", FC_CONFIGURATION},

    {"validation", FC_PERMANENT},
    {"invalid", FC_PERMANENT},
};

// Longer texts are looked at up to here only.
#define WORDS_MAX 2048
#define SCAN_MAX 16384
#define MESSAGE_MAX 32768
#define BACKTRACE_MAX 65536
#define NAME_MAX_BYTES 1024

const char *failure_remedy(enum failure_category c)
{
    return (unsigned)c < FC_COUNT ? categories[c].remedy : categories[FC_UNKNOWN].remedy;
}

bool failure_retryable(enum failure_category c)
{
    return (unsigned)c < FC_COUNT && categories[c].retryable;
}

// ---- words

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

// Bytes of other scripts are letters as well.
static bool is_word(char c)
{
    return is_digit(c) || is_upper(c) || is_lower(c) || (unsigned char)c >= 0x80;
}

// Whether a word of which `start` is the first byte ends before byte i: HTTPError, readTimeout,
// Http503. A number with a fraction or with a unit behind it (1.503, 503ms) is one word, and thus
// no status.
static bool ends_before(struct span text, size_t start, size_t i)
{
    char before = text.p[i - 1], c = text.p[i], after = i + 1 < text.len ? text.p[i + 1] : ' ';
    bool number = is_digit(text.p[start]);
    if (!is_word(c))
        return !(number && (c == '.' || c == ',') && is_digit(before) && is_digit(after));
    if (is_upper(c))
        return is_lower(before) || is_digit(before) || (is_upper(before) && is_lower(after));
    return is_digit(c) && !number && !is_digit(before);
}

static size_t split_words(struct span text, struct span *words)
{
    size_t count = 0, i = 0;
    while (i < text.len && count < WORDS_MAX) {
        if (!is_word(text.p[i])) {
            i++;
            continue;
        }
        size_t start = i++;
        while (i < text.len && !ends_before(text, start, i))
            i++;
        words[count++] = (struct span){text.p + start, i - start};
    }
    return count;
}

static bool word_is(struct span word, const char *lower, size_t len)
{
    if (word.len != len)
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = word.p[i];
        if ((is_upper(c) ? (char)(c + 32) : c) != lower[i])
            return false;
    }
    return true;
}

static bool phrase_at(const struct span *words, size_t count, const char *phrase)
{
    for (size_t i = 0;; i++) {
        size_t len = strcspn(phrase, " ");
        if (i == count || !word_is(words[i], phrase, len))
            return false;
        if (phrase[len] == '\0')
            return true;
        phrase += len + 1;
    }
}

static bool judge_words(struct span text, enum failure_category *ret)
{
    struct span words[WORDS_MAX];
    if (text.len > SCAN_MAX)
        text.len = SCAN_MAX;
    size_t count = split_words(text, words);
    for (size_t row = 0; row < ARRAY_SIZE(phrases); row++)
        for (size_t i = 0; i < count; i++)
            if (phrase_at(words + i, count - i, phrases[row].phrase)) {
                *ret = phrases[row].category;
                return true;
            }
    return false;
}

// ---- verdict

static bool category_named(struct span name, enum failure_category *ret)
{
    for (unsigned i = 0; i < FC_COUNT; i++)
        if (span_is(name, failure_category_names[i])) {
            *ret = (enum failure_category)i;
            return true;
        }
    return false;
}

static enum failure_category judge_category(const struct failure *f, bool server_delay)
{
    enum failure_category found;
    if (category_named(f->category, &found))
        return found;
    if ((unsigned)f->cause < ARRAY_SIZE(causes) && causes[f->cause].typed)
        return causes[f->cause].category;
    if (f->permanent)
        return FC_PERMANENT;
    if (server_delay)
        return FC_RATE_LIMIT;
    if (judge_words(f->error_class, &found) || judge_words(f->code, &found) ||
        judge_words(f->message, &found))
        return found;
    bool said =
        f->error_class.len > 0 || f->code.len > 0 || f->message.len > 0 || f->backtrace.len > 0;
    return said ? FC_TRANSIENT : FC_UNKNOWN;
}

void failure_judge(const struct failure *f, int64_t now, struct verdict *ret)
{
    int32_t cap = retry_default.max_ms / 1000;
    int32_t asked = f->retry_after.len > 0 ? retry_after_seconds(f->retry_after, now, cap) : -1;
    enum failure_category category = judge_category(f, asked >= 0);
    const struct category *row = &categories[category];
    bool final =
        f->permanent || ((unsigned)f->cause < ARRAY_SIZE(causes) && causes[f->cause].final);
    *ret = (struct verdict){
        .category = category,
        .code = f->code.len > 0 ? f->code : span_of(row->code),
        .retryable = row->retryable && !final,
        .delay = asked >= 0       ? asked
                 : row->delay > 0 ? row->delay
                                  : -1,
        .server_delay = asked >= 0,
    };
}

// ---- what is stored

static void add_text(struct buf *out, const char *key, struct span text, size_t max)
{
    jw_key(out, key);
    if (text.p == NULL)
        jw_null(out);
    else
        jw_strn(out, text.p, text.len < max ? text.len : max);
}

void failure_results(struct buf *out, const struct failure *f, const struct verdict *v, int attempt)
{
    jw_open(out, '{');
    add_text(out, "error", f->message, MESSAGE_MAX);
    add_text(out, "error_class", f->error_class, NAME_MAX_BYTES);
    add_text(out, "backtrace", f->backtrace, BACKTRACE_MAX);
    add_text(out, "code", v->code, NAME_MAX_BYTES);
    jw_kstr(out, "category", failure_category_names[v->category]);
    jw_kbool(out, "retryable", v->retryable);
    jw_kint(out, "attempt", attempt);
    jw_kstr(out, "remediation", failure_remedy(v->category));
    jw_close(out, '}');
}
