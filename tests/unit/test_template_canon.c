// SPDX-License-Identifier: MIT
// test_template_canon.c - the canonical form of a template, which reads back to itself, its hash,
// and the order of versions.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "model/template.h"

static struct template *must_read_in(const char *text, const char *environment)
{
    struct template_errors errors;
    struct template *t = NULL;
    tasker_error err = {0};
    template_errors_init(&errors);
    int rc = template_read(span_of(text), NULL, environment, &t, &errors, &err);
    template_errors_done(&errors);
    if (rc < 0)
        fail_msg("%d %s (line %d)", rc, err.message, err.line);
    return t;
}

static struct template *must_read(const char *text)
{
    return must_read_in(text, NULL);
}

static const char orders[] =
    "name: import_orders\n"
    "namespace_name: shop\n"
    "version: 1.2.0\n"
    "task_handler_class: ImportOrders\n"
    "default_dependent_system: erp\n"
    "named_steps: [fetch, check, store]\n"
    "schema: { type: object, properties: { batch: { type: integer } } }\n"
    "step_templates:\n"
    "  - { name: fetch, handler_class: FetchStep, handler_config: { type: api, url: "
    "\"https://erp.example\", "
    "enable_exponential_backoff: true } }\n"
    "  - { name: check, handler_class: CheckStep, depends_on_step: fetch }\n"
    "  - { name: store, handler_class: StoreStep, depends_on_steps: [fetch, check], "
    "default_retry_limit: 5 }\n"
    "environments:\n"
    "  test:\n"
    "    step_templates:\n"
    "      - { name: fetch, handler_config: { url: \"http://localhost:1\" } }\n";

// ---- the canonical form

static void expect_fixed_point(const char *text, const char *environment)
{
    struct template *first = must_read_in(text, environment),
                    *again = must_read(first->canonical.p);
    assert_string_equal(first->canonical.p, again->canonical.p);
    assert_int_equal(first->canonical.len, strlen(first->canonical.p));
    assert_string_equal(first->hash, again->hash);
    assert_int_equal(strlen(first->hash), 64);
    assert_int_equal(json_check(first->canonical, NULL, NULL), 0);
    template_unref(first);
    template_unref(again);
}

static void the_canonical_form_reads_back_to_itself(void **state)
{
    (void)state;
    expect_fixed_point(orders, NULL);
    expect_fixed_point(orders, "test");
    expect_fixed_point("name: t\nstep_templates: []\n", NULL);
    expect_fixed_point(
        "name: \"a \\\"b\\\" \\\\ c: #d\"\ntimeout_seconds: 0.000001\nstep_templates:\n"
        "  - name: 'yes'\n    handler_class: '1.5'\n    description: ''\n    timeout_seconds: "
        "1.10\n"
        "    retry_backoff: { multiplier: 1.333333, jitter: 0.05, base_seconds: 0.001, "
        "max_seconds: 86400 }\n"
        "    custom_events: [{ name: e, schema: { a: [null, 1.50, 'null', {}] } }]\n"
        "    handler_config: { \"k\\n\": \"\\x01\\x7F\\u0085\\u2028\\uFEFF\\U0001F600\", n: 1.10, "
        "big: 123456789012345678901234567890, h: 0x1F, e: 1e5 }\n",
        NULL);
}

static void long_keys_read_back(void **state)
{
    (void)state;
    char text[10000] =
        "name: t\nstep_templates: [{ name: a, handler_class: A, handler_config: { ? ";
    for (int i = 0; i < 2000; i++)
        strcat(text, "k");
    strcat(text, " : 1 } }]\n");
    expect_fixed_point(text, NULL);
}

static void the_canonical_form_is_as_documented(void **state)
{
    (void)state;
    struct template *t = must_read("step_templates:\n  - { handler_class: A, name: a }\nname: t\n");
    assert_string_equal(
        t->canonical.p,
        "{\"name\":\"t\",\"namespace_name\":\"default\",\"version\":\"0.1.0\",\"timeout_seconds\":"
        "0,"
        "\"max_concurrent_steps\":0,\"step_templates\":[{\"name\":\"a\",\"description\":\"a\","
        "\"handler_class\":\"A\",\"dependent_system\":\"default\",\"default_retryable\":true,"
        "\"default_retry_limit\":3,\"skippable\":false,\"depends_on_steps\":[],\"handler_config\":{"
        "},"
        "\"timeout_seconds\":0,\"retry_backoff\":{\"strategy\":\"exponential\",\"base_seconds\":1,"
        "\"max_seconds\":300,\"multiplier\":2,\"jitter\":0.1}}]}");
    template_unref(t);
}

static void expect_same_hash(const char *a, const char *b, bool same)
{
    struct template *x = must_read(a), *y = must_read(b);
    assert_int_equal(strcmp(x->hash, y->hash) == 0, same);
    template_unref(x);
    template_unref(y);
}

static void the_hash_sees_content_and_not_form(void **state)
{
    (void)state;
#define WITH(config)                                                                               \
    "name: t\nstep_templates: [{ name: a, handler_class: A, handler_config: " config " }]\n"
    expect_same_hash(WITH("{ a: 1, b: { c: 2, d: 3 } }"), WITH("{ b: { d: 3, c: 2 }, a: 1 }"),
                     true);
    expect_same_hash(WITH("{ a: x }"), WITH("{ \"a\": 'x',\n # a comment\n }"), true);
    expect_same_hash(WITH("{ a: [1, 2] }"), WITH("{ a: [2, 1] }"), false);
    expect_same_hash(WITH("{ a: 1 }"), WITH("{ a: '1' }"), false);
    expect_same_hash(WITH("{ a: 1 }"), WITH("{ a: 2 }"), false);
    expect_same_hash("name: t\nstep_templates: []\n",
                     "name: t\nnamespace_name: default\nversion: 0.1.0\n"
                     "concurrent: true\nnamed_steps: []\nstep_templates: []\n",
                     true);
    expect_same_hash("name: t\ndefault_options: { a: 1 }\nstep_templates: []\n",
                     "name: t\ndefault_options: { a: 2 }\nstep_templates: []\n", false);
    struct template *t = must_read(WITH("{ b: 1, a: 2 }"));
    assert_non_null(strstr(t->canonical.p, "{\"b\":1,\"a\":2}"));
    template_unref(t);
}

// ---- versions

static void versions_are_compared_by_number(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        int order;
    } rows[] = {
        {"0.10.0", "0.9.0", 1},
        {"1.0.0", "1.0.0", 0},
        {"2.0.0", "10.0.0", -1},
        {"1.0", "1.0.0", -1},
        {"1.0.0", "1.0.a", -1},
        {"1.0.01", "1.0.1", -1},
        {"1.0.beta", "1.0.alpha", 1},
        {"99999999999999999999.0.0", "100000000000000000000.0.0", -1},
        {"", "0.0.1", -1},
        {"", "", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int order = template_compare_versions(rows[i].a, rows[i].b);
        int back = template_compare_versions(rows[i].b, rows[i].a);
        if ((order > 0) - (order < 0) != rows[i].order || (back > 0) - (back < 0) != -rows[i].order)
            fail_msg("%s and %s: %d, %d", rows[i].a, rows[i].b, order, back);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_canonical_form_reads_back_to_itself),
        cmocka_unit_test(long_keys_read_back),
        cmocka_unit_test(the_canonical_form_is_as_documented),
        cmocka_unit_test(the_hash_sees_content_and_not_form),
        cmocka_unit_test(versions_are_compared_by_number),
    };
    return cmocka_run_group_tests_name("template_canon", tests, NULL, NULL);
}
