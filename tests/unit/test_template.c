// SPDX-License-Identifier: MIT
// test_template.c - workflow definitions: both dialects, defaults, environments, every error with
// its place, and running out of memory.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/template.h"

// What reading gave: a template, or findings as "line:column: message" lines.
struct outcome {
    struct template *t;
    char findings[30000];
    int rc;
    tasker_error err;
};

static void read_into(struct outcome *o, const char *text, const char *environment)
{
    struct template_errors errors;
    template_errors_init(&errors);
    o->t = NULL;
    o->findings[0] = '\0';
    memset(&o->err, 0, sizeof o->err);
    o->rc = template_read(span_of(text), "flows/x.yaml", environment, &o->t, &errors, &o->err);
    size_t used = 0;
    for (struct template_error *e = errors.first; e != NULL && used < sizeof o->findings;
         e = e->next)
        used += (size_t)snprintf(o->findings + used, sizeof o->findings - used, "%d:%d: %s\n",
                                 e->line, e->column, e->message);
    template_errors_done(&errors);
}

static struct template *must_read_in(const char *text, const char *environment)
{
    static struct outcome o;
    read_into(&o, text, environment);
    if (o.rc < 0)
        fail_msg("%d %s\n%s", o.rc, o.err.message, o.findings);
    return o.t;
}

static struct template *must_read(const char *text)
{
    return must_read_in(text, NULL);
}

static void expect_findings(const char *text, const char *expected)
{
    static struct outcome o;
    read_into(&o, text, NULL);
    assert_string_equal(o.findings, expected);
    assert_int_equal(o.rc, expected[0] != '\0' ? TASKER_E_INVALID : 0);
    template_unref(o.t);
}

// One finding in a definition that is right but for the lines given, which begin in line 2.
static void expect_top(const char *lines, const char *expected)
{
    char text[4000];
    snprintf(text, sizeof text, "name: t\n%s\nstep_templates: []\n", lines);
    expect_findings(text, expected);
}

// Likewise for lines of a step, which begin in line 4, indented by four.
static void expect_step(const char *lines, const char *expected)
{
    char text[4000];
    snprintf(text, sizeof text, "name: t\nstep_templates:\n  - name: a\n%s\n", lines);
    expect_findings(text, expected);
}

// ---- reading

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

static void a_rails_definition_is_read_in_full(void **state)
{
    (void)state;
    struct template *t = must_read(orders);
    assert_string_equal(t->name, "import_orders");
    assert_string_equal(t->namespace_name, "shop");
    assert_string_equal(t->version, "1.2.0");
    assert_string_equal(t->key, "shop/import_orders/1.2.0");
    assert_string_equal(t->task_handler_class, "ImportOrders");
    assert_string_equal(t->default_dependent_system, "erp");
    assert_string_equal(t->description, "");
    assert_string_equal(t->module_namespace, "");
    assert_string_equal(t->directory, "flows");
    assert_null(t->default_context);
    assert_true(span_is(t->schema,
                        "{\"type\":\"object\",\"properties\":{\"batch\":{\"type\":\"integer\"}}}"));
    assert_int_equal(t->step_count, 3);
    assert_int_equal(t->edge_count, 3);
    assert_memory_equal(t->order, ((uint32_t[]){0, 1, 2}), 3 * sizeof(uint32_t));
    const struct template_step *s = t->steps;
    assert_string_equal(s[0].name, "fetch");
    assert_string_equal(s[0].description, "fetch");
    assert_string_equal(s[0].dependent_system, "erp");
    assert_string_equal(s[0].handler_class, "FetchStep");
    assert_true(span_is(
        s[0].config,
        "{\"type\":\"api\",\"url\":\"https://erp.example\",\"enable_exponential_backoff\":true}"));
    assert_true(span_is(s[1].config, "{}"));
    assert_true(s[0].retryable && !s[0].skippable);
    assert_int_equal(s[0].retry_limit, 3);
    assert_int_equal(s[2].retry_limit, 5);
    assert_int_equal(s[0].timeout_us, 0);
    assert_memory_equal(&s[0].retry, &retry_default, sizeof retry_default);
    assert_int_equal(s[0].child_count, 2);
    assert_memory_equal(s[0].children, ((uint32_t[]){1, 2}), 2 * sizeof(uint32_t));
    assert_memory_equal(s[2].parents, ((uint32_t[]){0, 1}), 2 * sizeof(uint32_t));
    assert_int_equal(s[2].level, 2);
    assert_int_equal(t->named_step_ids[2], 0);
    template_unref(t);
}

static void a_definition_of_the_july_core_is_read_in_full(void **state)
{
    (void)state;
    struct template *t = must_read(
        "name: payment\n"
        "module_namespace: PaymentProcessing\n"
        "task_handler_class: Handler\n"
        "namespace_name: payments\n"
        "version: \"2.10.3\"\n"
        "description: |\n  two\n  lines\n"
        "concurrent: false\n"
        "timeout_seconds: 3600\n"
        "max_concurrent_steps: 7\n"
        "default_context: { currency: EUR, rate: 1.10 }\n"
        "default_options: { a: 1 }\n"
        "custom_events:\n  - { name: paid, description: done, schema: { type: object } }\n"
        "step_templates:\n"
        "  - name: validate\n"
        "    handler_class: Validate\n"
        "    description: looks at it\n"
        "    timeout_seconds: 0.25\n"
        "    retry_backoff: linear\n"
        "    skippable: true\n"
        "    default_retryable: false\n"
        "    default_retry_limit: 0\n"
        "    custom_events: [{ name: looked }]\n"
        "  - name: capture\n"
        "    handler_class: Capture\n"
        "    dependent_system: bank\n"
        "    depends_on_step: validate\n"
        "    depends_on_steps: [validate]\n"
        "    retry_backoff: { strategy: fixed, base_seconds: 0.5, max_seconds: 10, "
        "multiplier: 1.5, jitter: 0 }\n");
    assert_string_equal(t->description, "two\nlines\n");
    assert_string_equal(t->module_namespace, "PaymentProcessing");
    assert_string_equal(t->default_context, "{\"currency\":\"EUR\",\"rate\":1.10}");
    assert_int_equal(t->timeout_us, INT64_C(3600000000));
    assert_int_equal(t->max_concurrent_steps, 7);
    const struct template_step *s = t->steps;
    assert_int_equal(s[0].timeout_us, 250000);
    assert_int_equal(s[0].retry.strategy, RS_LINEAR);
    assert_int_equal(s[0].retry.base_ms, 1000);
    assert_true(s[0].skippable && !s[0].retryable);
    assert_int_equal(s[0].retry_limit, 0);
    assert_string_equal(s[0].description, "looks at it");
    assert_string_equal(s[0].dependent_system, "default");
    assert_string_equal(s[1].dependent_system, "bank");
    assert_int_equal(s[1].parent_count, 1);
    assert_int_equal(t->edge_count, 1);
    assert_int_equal(s[1].retry.strategy, RS_FIXED);
    assert_int_equal(s[1].retry.base_ms, 500);
    assert_int_equal(s[1].retry.max_ms, 10000);
    assert_true(s[1].retry.multiplier == 1.5 && s[1].retry.jitter == 0);
    template_unref(t);
}

static void defaults_fill_what_is_not_said(void **state)
{
    (void)state;
    struct template *t = must_read("{\"name\": \"t\", \"step_templates\": []}");
    assert_string_equal(t->namespace_name, "default");
    assert_string_equal(t->version, "0.1.0");
    assert_string_equal(t->task_handler_class, "");
    assert_int_equal(t->step_count, 0);
    assert_null(t->schema.p);
    assert_int_equal(template_find_step(t, SPAN("a")), -1);
    template_unref(t);
}

static void numbers_are_read_in_every_notation(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t us;
    } rows[] = {
        {"0", 0},
        {"1.5", 1500000},
        {".5", 500000},
        {"1e2", 100000000},
        {"0x10", 16000000},
        {"+3", 3000000},
        {"0.0000005", 1},
        {"1e-9", 0},
        {"0.1", 100000},
        {"31622400", 31622400000000},
        {"12.3456789", 12345679},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[200];
        snprintf(text, sizeof text, "name: t\ntimeout_seconds: %s\nstep_templates: []\n",
                 rows[i].text);
        struct template *t = must_read(text);
        assert_int_equal(t->timeout_us, rows[i].us);
        template_unref(t);
    }
}

static void steps_are_found_by_name(void **state)
{
    (void)state;
    struct template *t = must_read(orders);
    assert_int_equal(template_find_step(t, SPAN("fetch")), 0);
    assert_int_equal(template_find_step(t, SPAN("check")), 1);
    assert_int_equal(template_find_step(t, SPAN("store")), 2);
    assert_int_equal(template_find_step(t, SPAN("stor")), -1);
    assert_int_equal(template_find_step(t, SPAN("store2")), -1);
    assert_int_equal(template_find_step(t, SPAN("")), -1);
    template_unref(t);
}

static void references_are_counted(void **state)
{
    (void)state;
    struct template *t = must_read(orders);
    assert_ptr_equal(template_ref(t), t);
    template_unref(t);
    assert_string_equal(t->name, "import_orders");
    template_unref(t);
    template_unref(NULL);
}

static void the_folder_of_the_file_is_kept(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"a/b/c.yaml", "a/b"}, {"c.yaml", ""}, {"/c.yaml", "/"}, {NULL, ""}};
    for (size_t i = 0; i < 4; i++) {
        struct template_errors errors;
        struct template *t;
        template_errors_init(&errors);
        assert_int_equal(template_read(span_of(orders), rows[i][0], NULL, &t, &errors, NULL), 0);
        assert_string_equal(t->directory, rows[i][1]);
        template_unref(t);
        template_errors_done(&errors);
    }
}

// ---- environments

static void the_chosen_environment_is_merged(void **state)
{
    (void)state;
    struct template *t = must_read_in(orders, "test"), *base = must_read_in(orders, "production");
    assert_true(span_is(
        t->steps[0].config,
        "{\"type\":\"api\",\"url\":\"http://localhost:1\",\"enable_exponential_backoff\":true}"));
    assert_true(strstr(base->steps[0].config.p, "erp.example") != NULL);
    assert_string_not_equal(t->hash, base->hash);
    assert_null(strstr(t->canonical.p, "environments"));
    template_unref(t);
    template_unref(base);
}

static void merging_goes_deep_and_replaces_lists(void **state)
{
    (void)state;
    const char *text =
        "name: t\n"
        "step_templates:\n"
        "  - { name: b, handler_class: B, handler_config: { x: { y: 1, z: [1, 2] }, w: 1 } }\n"
        "  - { name: a, handler_class: A }\n"
        "environments:\n"
        "  e:\n"
        "    version: 9.9.9\n"
        "    default_context: { k: v }\n"
        "    step_templates:\n"
        "      - { name: a, default_retry_limit: 9, depends_on_step: b }\n"
        "      - { name: b, handler_config: { x: { z: [3], q: 4 }, n: 5 } }\n";
    struct template *t = must_read_in(text, "e");
    assert_string_equal(t->version, "9.9.9");
    assert_string_equal(t->default_context, "{\"k\":\"v\"}");
    assert_string_equal(t->steps[0].name, "b");
    assert_true(span_is(t->steps[0].config, "{\"x\":{\"y\":1,\"z\":[3],\"q\":4},\"w\":1,\"n\":5}"));
    assert_int_equal(t->steps[1].retry_limit, 9);
    assert_int_equal(t->steps[1].parent_count, 1);
    template_unref(t);
}

static void an_environment_may_bring_what_is_required(void **state)
{
    (void)state;
    const char *text = "name: t\nstep_templates: [{ name: a }]\n"
                       "environments: { e: { step_templates: [{ name: a, handler_class: A }] } }\n";
    template_unref(must_read_in(text, "e"));
    expect_findings(text, "2:18: step \"a\": a step needs \"handler_class\"\n");
}

static void sections_are_checked_even_when_not_chosen(void **state)
{
    (void)state;
    expect_findings(
        "name: t\n"
        "step_templates: [{ name: abc, handler_class: A }]\n"
        "environments:\n"
        "  e:\n"
        "    versoin: 1.0.0\n"
        "    environments: {}\n"
        "    step_templates:\n"
        "      - { name: abd }\n"
        "      - { name: abc, skippable: 1 }\n"
        "      - { name: abc }\n"
        "      - { handler_class: X }\n"
        "  f: 3\n",
        "5:5: environment \"e\": unknown key \"versoin\" of a template; did you mean \"version\"?\n"
        "6:5: environment \"e\": \"environments\" stands at the top level only\n"
        "8:17: environment \"e\" overrides the step \"abd\", which does not exist; did you mean "
        "\"abc\"?\n"
        "9:33: environment \"e\": step \"abc\": \"skippable\" must be true or false, this is an "
        "integer\n"
        "10:17: environment \"e\" overrides the step \"abc\" twice\n"
        "11:9: environment \"e\": a step needs \"name\"\n"
        "12:6: environment \"f\" must be a mapping, this is an integer\n");
}

static void a_fault_of_a_merged_value_stands_where_it_was_written(void **state)
{
    (void)state;
    static struct outcome o;
    read_into(&o,
              "name: t\nstep_templates: [{ name: a, handler_class: A }]\nenvironments:\n  e:\n"
              "    step_templates: [{ name: a, depends_on_step: b }]\n",
              "e");
    assert_string_equal(o.findings,
                        "5:50: the step \"a\" depends on \"b\", which does not exist\n");
    assert_int_equal(o.rc, TASKER_E_INVALID);
}

// ---- errors

static void top_level_errors_have_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *lines, *expected;
    } rows[] = {
        {"nmae: x", "2:1: unknown key \"nmae\" of a template; did you mean \"name\"?\n"},
        {"timeout: 3",
         "2:1: unknown key \"timeout\" of a template; did you mean \"timeout_seconds\"?\n"},
        {"frobnicate: 3", "2:1: unknown key \"frobnicate\" of a template\n"},
        {"version: 1.0",
         "2:10: \"version\" must be a string like 1.2.0, this is a number: put it in quotes\n"},
        {"version: '1.0'",
         "2:10: \"version\" must be three numbers with dots between them, like 1.2.0\n"},
        {"version: 1.0.0-rc1",
         "2:10: \"version\" must be three numbers with dots between them, like 1.2.0\n"},
        {"version: 1..3",
         "2:10: \"version\" must be three numbers with dots between them, like 1.2.0\n"},
        {"version: .1.2",
         "2:10: \"version\" must be three numbers with dots between them, like 1.2.0\n"},
        {"version: 1.2.3.",
         "2:10: \"version\" must be three numbers with dots between them, like 1.2.0\n"},
        {"version: 123456.123456.123",
         "2:10: \"version\" is 17 characters long, at most 16 are allowed\n"},
        {"namespace_name:",
         "2:1: \"namespace_name\" must be a string, there is no value here: leave the key out\n"},
        {"namespace_name: ''", "2:17: \"namespace_name\" must not be empty\n"},
        {"namespace_name: \"a\\tb\"",
         "2:17: \"namespace_name\" must not contain control characters\n"},
        {"namespace_name: \"a\\u0085b\"",
         "2:17: \"namespace_name\" must not contain control characters\n"},
        {"namespace_name: 7",
         "2:17: \"namespace_name\" must be a string, this is an integer: put it in quotes\n"},
        {"description: []", "2:14: \"description\" must be a string, this is a sequence\n"},
        {"description: \"\\0\"", "2:14: invalid YAML: a NUL character is not allowed\n"},
        {"concurrent: 1", "2:13: \"concurrent\" must be true or false, this is an integer\n"},
        {"timeout_seconds: -1", "2:18: \"timeout_seconds\" must be between 0 and 31622400\n"},
        {"timeout_seconds: .inf", "2:18: \"timeout_seconds\" must be between 0 and 31622400\n"},
        {"timeout_seconds: 1e300", "2:18: \"timeout_seconds\" must be between 0 and 31622400\n"},
        {"timeout_seconds: x", "2:18: \"timeout_seconds\" must be a number, this is a string\n"},
        {"max_concurrent_steps: 1.5",
         "2:23: \"max_concurrent_steps\" must be a whole number, this is a number\n"},
        {"default_context: 3", "2:18: \"default_context\" must be a mapping, this is an integer\n"},
        {"schema: { type: int }",
         "2:9: \"schema\" is no JSON Schema: \"int\" is no type ($.type)\n"},
        {"custom_events: [{ description: x }]", "2:17: a custom event needs \"name\"\n"},
        {"custom_events: [x]", "2:17: a custom event must be a mapping, this is a string\n"},
        {"named_steps: [a]",
         "2:15: \"named_steps\" lists \"a\", which is not in \"step_templates\"\n"},
        {"environments: []", "2:15: \"environments\" must be a mapping, this is a sequence\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        expect_top(rows[i].lines, rows[i].expected);
}

static void step_errors_have_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *lines, *expected;
    } rows[] = {
        {"", "3:5: step \"a\": a step needs \"handler_class\"\n"},
        {"    handler_class: A\n    depends_on: b",
         "5:5: step \"a\": unknown key \"depends_on\" of a step; did you mean "
         "\"depends_on_step\"?\n"},
        {"    handler_class: A\n    depends_on_step: b",
         "5:22: the step \"a\" depends on \"b\", which does not exist\n"},
        {"    handler_class: A\n    depends_on_step: a",
         "5:22: the step \"a\" depends on itself\n"},
        {"    handler_class: A\n    depends_on_step: null",
         "5:5: step \"a\": \"depends_on_step\" must be a string, there is no value here: leave the "
         "key out\n"},
        {"    handler_class: A\n    depends_on_steps: [a, 1, '', z]",
         "5:24: the step \"a\" depends on itself\n"
         "5:27: step \"a\": \"depends_on_steps\" must list strings, this is an integer\n"
         "5:30: step \"a\": \"depends_on_steps\" must not be empty\n"
         "5:34: the step \"a\" depends on \"z\", which does not exist\n"},
        {"    handler_class: A\n    default_retry_limit: 1001",
         "5:26: step \"a\": \"default_retry_limit\" must be between 0 and 1000\n"},
        {"    handler_class: A\n    retry_backoff: expnential",
         "5:20: step \"a\": \"retry_backoff\" has no strategy \"expnential\"; did you mean "
         "\"exponential\"?\n"},
        {"    handler_class: A\n    retry_backoff: { base_seconds: 301 }",
         "5:36: step \"a\": \"base_seconds\" must not be larger than \"max_seconds\" (by default 1 "
         "and 300)\n"},
        {"    handler_class: A\n    retry_backoff: { jitter: 1.01, multiplier: 0.5 }",
         "5:30: step \"a\": \"jitter\" must be between 0 and 1\n"
         "5:48: step \"a\": \"multiplier\" must be between 1 and 100\n"},
        {"    handler_class: A\n  - name: a\n    handler_class: B",
         "5:11: the step \"a\" is already there, in line 3\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        expect_step(rows[i].lines, rows[i].expected);
}

static void exec_steps_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *config, *expected;
    } rows[] = {
        {"", "3:5: step \"a\": a step of class tasker.exec needs \"handler_config\" with a "
             "\"command\"\n"},
        {"    handler_config: { shell: true }",
         "5:21: step \"a\": the handler_config of tasker.exec needs \"command\"\n"},
        {"    handler_config: { command: ls }",
         "5:32: step \"a\": \"command\" must be a list of strings, this is a string\n"},
        {"    handler_config: { command: [] }",
         "5:32: step \"a\": \"command\" must name a program\n"},
        {"    handler_config: { command: [''] }",
         "5:33: step \"a\": \"command\" must begin with the name of a program\n"},
        {"    handler_config: { command: [sleep, 5] }",
         "5:40: step \"a\": \"command\" must list strings, this is an integer: put it in quotes\n"},
        {"    handler_config: { command: [ls], comand: 1 }",
         "5:38: step \"a\": unknown key \"comand\" of the handler_config of tasker.exec; did you "
         "mean \"command\"?\n"},
        {"    handler_config: { command: [ls], environment: { A: [], B: 1, \"C=\": x } }",
         "5:56: step \"a\": \"environment\" must hold strings, numbers and booleans, this is a "
         "sequence\n"
         "5:66: step \"a\": \"C=\" is no name of an environment variable\n"},
        {"    handler_config: { command: [ls, -l], environment: { A: 1.5, B: true }, "
         "working_directory: w, shell: false }",
         ""},
        {"    handler_config: { command: [ls], threshold: 1.10, mail: { to: [ops] } }", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char lines[1000];
        snprintf(lines, sizeof lines, "    handler_class: tasker.exec\n%s", rows[i].config);
        expect_step(lines, rows[i].expected);
    }
}

static void cycles_are_shown_whole_where_they_close(void **state)
{
    (void)state;
    expect_findings("name: t\n"
                    "step_templates:\n"
                    "  - { name: a, handler_class: A }\n"
                    "  - { name: b, handler_class: A, depends_on_steps: [a, d] }\n"
                    "  - { name: c, handler_class: A, depends_on_step: b }\n"
                    "  - { name: d, handler_class: A, depends_on_step: c }\n"
                    "  - { name: e, handler_class: A, depends_on_steps: [d, f] }\n"
                    "  - { name: f, handler_class: A, depends_on_step: e }\n",
                    "4:56: dependencies go round in a circle: b -> c -> d -> b\n"
                    "7:56: dependencies go round in a circle: e -> f -> e\n");
}

static void named_steps_and_templates_must_agree(void **state)
{
    (void)state;
    expect_findings("name: t\n"
                    "named_steps: [a, c]\n"
                    "step_templates:\n"
                    "  - { name: a, handler_class: A, depends_on_step: b }\n"
                    "  - { name: b, handler_class: A }\n",
                    "2:18: \"named_steps\" lists \"c\", which is not in \"step_templates\"\n"
                    "5:13: the step \"b\" is not listed in \"named_steps\"\n");
}

static void every_error_is_found_at_once_and_in_order(void **state)
{
    (void)state;
    static struct outcome o;
    read_into(&o,
              "stop: []\nversion: 1\nstep_templates:\n  - { nmae: a, handler_class: '' }\n  - 3\n",
              NULL);
    assert_string_equal(
        o.findings,
        "1:1: unknown key \"stop\" of a template\n"
        "1:1: a template needs \"name\"\n"
        "2:10: \"version\" must be a string like 1.2.0, this is an integer: put it in quotes\n"
        "4:5: a step needs \"name\"\n"
        "4:7: unknown key \"nmae\" of a step; did you mean \"name\"?\n"
        "4:31: \"handler_class\" must not be empty\n"
        "5:5: a step must be a mapping, this is an integer\n");
    assert_int_equal(o.rc, TASKER_E_INVALID);
    assert_int_equal(o.err.code, TASKER_E_INVALID);
    assert_int_equal(o.err.line, 1);
    assert_string_equal(o.err.where, "flows/x.yaml");
    assert_string_equal(o.err.message, "unknown key \"stop\" of a template");
    assert_string_equal(o.err.remedy, "There are 7 errors in all.");
}

static void text_that_is_no_mapping_is_refused(void **state)
{
    (void)state;
    expect_findings("- a\n", "1:1: a template must be a mapping, this is a sequence\n");
    expect_findings("just words\n", "1:1: a template must be a mapping, this is a string\n");
    static struct outcome o;
    read_into(&o, "name: t\nstep_templates: [\n", NULL);
    assert_int_equal(o.rc, TASKER_E_INVALID);
    assert_true(o.err.line > 0 && o.err.column > 0);
    assert_true(o.findings[0] != '\0');
}

static void findings_end_somewhere(void **state)
{
    (void)state;
    char *text = malloc(200000);
    size_t used = (size_t)sprintf(text, "name: t\nstep_templates: []\n");
    for (int i = 0; i < 5000; i++)
        used += (size_t)sprintf(text + used, "unknown_%d: %d\n", i, i);
    struct template_errors errors;
    struct template *t;
    template_errors_init(&errors);
    assert_int_equal(template_read((struct span){text, used}, NULL, NULL, &t, &errors, NULL),
                     TASKER_E_INVALID);
    assert_int_equal(errors.count, 500);
    assert_int_equal(errors.last->line, 502);
    template_errors_done(&errors);
    free(text);
}

static char *chain_of(int steps)
{
    char *text = malloc((size_t)steps * 80 + 100);
    size_t used = (size_t)sprintf(text, "name: t\nstep_templates:\n");
    for (int i = 0; i < steps; i++) {
        used += (size_t)sprintf(text + used, "  - { name: s%d, handler_class: A", i);
        if (i > 0)
            used += (size_t)sprintf(text + used, ", depends_on_step: s%d", i - 1);
        used += (size_t)sprintf(text + used, " }\n");
    }
    return text;
}

static void ten_thousand_steps_are_the_most(void **state)
{
    (void)state;
    char *text = chain_of(TEMPLATE_MAX_STEPS);
    struct template *t = must_read(text);
    assert_int_equal(t->steps[TEMPLATE_MAX_STEPS - 1].level, TEMPLATE_MAX_STEPS - 1);
    assert_int_equal(template_find_step(t, SPAN("s9999")), 9999);
    template_unref(t);
    free(text);
    text = chain_of(TEMPLATE_MAX_STEPS + 1);
    expect_findings(text, "3:3: 10001 steps are too many, at most 10000 are allowed\n");
    free(text);
}

static void lengths_are_counted_in_characters(void **state)
{
    (void)state;
    char name[200] = "", text[1000];
    for (int i = 0; i < 64; i++)
        strcat(name, "\xC3\xBC");
    snprintf(text, sizeof text, "name: %s\nstep_templates: []\n", name);
    struct template *t = must_read(text);
    assert_string_equal(t->name, name);
    assert_non_null(strstr(t->key, "\xC3\xBC/0.1.0"));
    template_unref(t);
    snprintf(text, sizeof text, "name: %sx\nstep_templates: []\n", name);
    expect_findings(text, "1:7: \"name\" is 65 characters long, at most 64 are allowed\n");
}

// ---- memory

static void sweep(const char *text, const char *environment, int wanted)
{
    bool done = false;
    for (uint64_t n = 1; n < 20000 && !done; n++) {
        struct template_errors errors;
        struct template *t = NULL;
        tasker_error err = {0};
        template_errors_init(&errors);
        mem_fail_after(n);
        int rc = template_read(span_of(text), "x/y.yaml", environment, &t, &errors, &err);
        done = !mem_failed();
        mem_fail_after(0);
        if (rc != wanted || !done)
            assert_true(rc == TASKER_E_NOMEM || rc == wanted);
        if (rc < 0)
            assert_null(t);
        assert_int_equal(err.code, rc);
        template_unref(t);
        template_errors_done(&errors);
    }
    assert_true(done);
}

static void running_out_of_memory_is_an_error_everywhere(void **state)
{
    (void)state;
    sweep(orders, "test", 0);
    sweep("name: t\nnamed_steps: [x]\nstep_templates:\n"
          "  - { name: a, handler_class: tasker.exec, depends_on_steps: [b, c], handler_config: { "
          "command: [ls] } }\n"
          "  - { name: b, handler_class: A, depends_on_step: a, retry_backoff: { strategy: fixed } "
          "}\n",
          NULL, TASKER_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rails_definition_is_read_in_full),
        cmocka_unit_test(a_definition_of_the_july_core_is_read_in_full),
        cmocka_unit_test(defaults_fill_what_is_not_said),
        cmocka_unit_test(numbers_are_read_in_every_notation),
        cmocka_unit_test(steps_are_found_by_name),
        cmocka_unit_test(references_are_counted),
        cmocka_unit_test(the_folder_of_the_file_is_kept),
        cmocka_unit_test(the_chosen_environment_is_merged),
        cmocka_unit_test(merging_goes_deep_and_replaces_lists),
        cmocka_unit_test(an_environment_may_bring_what_is_required),
        cmocka_unit_test(sections_are_checked_even_when_not_chosen),
        cmocka_unit_test(a_fault_of_a_merged_value_stands_where_it_was_written),
        cmocka_unit_test(top_level_errors_have_their_place),
        cmocka_unit_test(step_errors_have_their_place),
        cmocka_unit_test(exec_steps_are_checked),
        cmocka_unit_test(cycles_are_shown_whole_where_they_close),
        cmocka_unit_test(named_steps_and_templates_must_agree),
        cmocka_unit_test(every_error_is_found_at_once_and_in_order),
        cmocka_unit_test(text_that_is_no_mapping_is_refused),
        cmocka_unit_test(findings_end_somewhere),
        cmocka_unit_test(ten_thousand_steps_are_the_most),
        cmocka_unit_test(lengths_are_counted_in_characters),
        cmocka_unit_test(running_out_of_memory_is_an_error_everywhere),
    };
    return cmocka_run_group_tests_name("template", tests, NULL, NULL);
}
