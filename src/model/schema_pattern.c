// SPDX-License-Identifier: MIT
// schema_pattern.c - the thin cover over PCRE2. Patterns are set up to mean what they mean in
// ECMAScript as far as PCRE2 can (\u escapes, empty classes, unset back references, $ only at the
// very end, ASCII \d and \w), and every match has limits on time, depth and memory.
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "model/schema_private.h"

#define MATCH_LIMIT 200000
#define DEPTH_LIMIT 5000
#define HEAP_LIMIT_KIB 8192
#define PATTERN_MAX 65536

struct pattern {
    pcre2_code *code;
    pcre2_match_context *limits;
    pcre2_general_context *memory;
};

static void *take(size_t size, void *unused)
{
    (void)unused;
    return mem_alloc(size);
}

static void give_back(void *p, void *unused)
{
    (void)unused;
    mem_free(p);
}

static int compile_error(int number, tasker_error *err)
{
    PCRE2_UCHAR text[200];
    if (number == PCRE2_ERROR_HEAP_FAILED)
        return err_nomem(err);
    (void)pcre2_get_error_message(number, text, sizeof text);
    return err_set(err, TASKER_E_INVALID, "%s", (const char *)text);
}

static int compile_code(struct pattern *p, struct span text, tasker_error *err)
{
    const uint32_t options = PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_ALT_BSUX |
                             PCRE2_MATCH_UNSET_BACKREF | PCRE2_ALLOW_EMPTY_CLASS |
                             PCRE2_NEVER_BACKSLASH_C;
    pcre2_compile_context *context = pcre2_compile_context_create(p->memory);
    if (context == NULL)
        return err_nomem(err);
    (void)pcre2_set_max_pattern_length(context, PATTERN_MAX);
    (void)pcre2_set_compile_extra_options(context, PCRE2_EXTRA_ALT_BSUX);
    int number = 0;
    size_t offset = 0;
    p->code = pcre2_compile((PCRE2_SPTR)text.p, text.len, options, &number, &offset, context);
    pcre2_compile_context_free(context);
    return p->code != NULL ? 0 : compile_error(number, err);
}

int pattern_compile(struct span text, struct pattern **ret, tasker_error *err)
{
    struct pattern *p = mem_alloc(sizeof *p);
    if (p == NULL)
        return err_nomem(err);
    int rc = 0;
    p->memory = pcre2_general_context_create(take, give_back, NULL);
    p->limits = p->memory != NULL ? pcre2_match_context_create(p->memory) : NULL;
    if (p->limits == NULL)
        rc = err_nomem(err);
    else
        rc = compile_code(p, text, err);
    if (rc < 0) {
        pattern_free(p);
        return rc;
    }
    (void)pcre2_set_match_limit(p->limits, MATCH_LIMIT);
    (void)pcre2_set_depth_limit(p->limits, DEPTH_LIMIT);
    (void)pcre2_set_heap_limit(p->limits, HEAP_LIMIT_KIB);
    *ret = p;
    return 0;
}

void pattern_free(struct pattern *p)
{
    if (p == NULL)
        return;
    pcre2_code_free(p->code);
    pcre2_match_context_free(p->limits);
    pcre2_general_context_free(p->memory);
    mem_free(p);
}

int pattern_matches(const struct pattern *p, struct span text)
{
    // Only whether it matches is asked for, so one pair of offsets is enough.
    pcre2_match_data *data = pcre2_match_data_create(1, p->memory);
    if (data == NULL)
        return TASKER_E_NOMEM;
    PCRE2_SPTR subject = (PCRE2_SPTR)(text.p != NULL ? text.p : "");
    int rc = pcre2_match(p->code, subject, text.len, 0, PCRE2_NO_UTF_CHECK, data, p->limits);
    pcre2_match_data_free(data);
    if (rc >= 0)
        return 1;
    if (rc == PCRE2_ERROR_NOMATCH)
        return 0;
    return rc == PCRE2_ERROR_NOMEMORY ? TASKER_E_NOMEM : TASKER_E_TOO_BIG;
}
