// SPDX-License-Identifier: MIT
// test_identity.c - the request hash: a value observed on the Rails engine, and its JSON dialect
// piece by piece.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "model/identity.h"

static struct arena arena;

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_done(&arena);
    return 0;
}

static const struct json *parsed(const char *text)
{
    const struct json *v = NULL;
    assert_int_equal(json_parse(&arena, span_of(text), &v, NULL), 0);
    return v;
}

static int64_t at(const char *text)
{
    int64_t us = 0;
    assert_true(time_parse(span_of(text), &us));
    return us;
}

static struct identity_fields request(const char *context)
{
    return (struct identity_fields){.name = SPAN("canc"),
                                    .context = parsed(context),
                                    .requested_at = at("2026-11-23T02:57:00Z")};
}

// The hash must be that of `text`.
static void expect_text(const struct identity_fields *f, const char *text)
{
    char hash[IDENTITY_SIZE], wanted[SHA256_HEX_SIZE];
    assert_int_equal(identity_hash(f, hash, NULL), 0);
    assert_string_equal(hash, sha256_hex(text, strlen(text), wanted));
}

static void the_hash_is_the_one_observed_on_rails(void **state)
{
    (void)state;
    struct identity_fields f = request("{\"x\":3}");
    char hash[IDENTITY_SIZE];
    assert_int_equal(identity_hash(&f, hash, NULL), 0);
    assert_string_equal(hash, "5c53b6dfe5fc31af401e6a57c31d58847eff0c557dfba88c59cd0f3abc1ee749");
    f.initiator = f.source_system = f.reason = SPAN("unknown");
    f.bypass_steps = parsed("[ ]");
    assert_int_equal(identity_hash(&f, hash, NULL), 0);
    assert_string_equal(hash, "5c53b6dfe5fc31af401e6a57c31d58847eff0c557dfba88c59cd0f3abc1ee749");
}

static void all_fields_stand_in_the_order_of_rails(void **state)
{
    (void)state;
    struct identity_fields f = request("{}");
    f.initiator = SPAN("me");
    f.source_system = SPAN("");
    f.reason = SPAN("\"why\"");
    f.bypass_steps = parsed("[\"a\", \"b\"]");
    expect_text(&f, "{\"name\":\"canc\",\"initiator\":\"me\",\"source_system\":\"\",\"context\":{},"
                    "\"reason\":\"\\\"why\\\"\","
                    "\"bypass_steps\":[\"a\",\"b\"],\"requested_at\":\"2026-11-23 02:57\"}");
}

static void seconds_do_not_count(void **state)
{
    (void)state;
    struct identity_fields f = request("{}");
    char first[IDENTITY_SIZE], again[IDENTITY_SIZE];
    assert_int_equal(identity_hash(&f, first, NULL), 0);
    f.requested_at = at("2026-11-23T02:57:59.999999Z");
    assert_int_equal(identity_hash(&f, again, NULL), 0);
    assert_string_equal(first, again);
    f.requested_at = at("2026-11-23T02:58:00Z");
    assert_int_equal(identity_hash(&f, again, NULL), 0);
    assert_string_not_equal(first, again);
}

static void the_context_is_written_in_the_dialect_of_active_support(void **state)
{
    (void)state;
    static const struct {
        const char *context, *text;
    } rows[] = {
        {" { \"b\" : [ 1 , true , null , { } ] , \"a\" : { } } ",
         "{\"b\":[1,true,null,{}],\"a\":{}}"},
        {"{\"h\":\"<a href='x'>&</a>\"}",
         "{\"h\":\"\\u003ca href='x'\\u003e\\u0026\\u003c/a\\u003e\"}"},
        {"{\"<k>\":1}", "{\"\\u003ck\\u003e\":1}"},
        {"{\"l\":\"a\\u2028b\\u2029\"}", "{\"l\":\"a\\u2028b\\u2029\"}"},
        {"{\"l\":\"\xE2\x80\xA8\xE2\x80\xAA\"}", "{\"l\":\"\\u2028\xE2\x80\xAA\"}"},
        {"{\"e\":\"\\u003c\\/\\u0041\"}", "{\"e\":\"\\u003c/A\"}"},
        {"{\"c\":\"\\u0001\\n\\t\\u001F\"}", "{\"c\":\"\\u0001\\n\\t\\u001f\"}"},
        {"{\"u\":\"\\u00fc\\ud83d\\ude00\"}", "{\"u\":\"\xC3\xBC\xF0\x9F\x98\x80\"}"},
        {"{\"n\":12345678901234567890.10}", "{\"n\":12345678901234567890.10}"},
        {"{\"q\":\"\\\"\\\\\"}", "{\"q\":\"\\\"\\\\\"}"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char text[1000];
        struct identity_fields f = request(rows[i].context);
        snprintf(
            text, sizeof text,
            "{\"name\":\"canc\",\"initiator\":\"unknown\",\"source_system\":\"unknown\","
            "\"context\":%s,"
            "\"reason\":\"unknown\",\"bypass_steps\":[],\"requested_at\":\"2026-11-23 02:57\"}",
            rows[i].text);
        expect_text(&f, text);
    }
}

static void the_order_of_keys_counts(void **state)
{
    (void)state;
    struct identity_fields f = request("{\"a\":1,\"b\":2}"), g = request("{\"b\":2,\"a\":1}");
    char first[IDENTITY_SIZE], second[IDENTITY_SIZE];
    assert_int_equal(identity_hash(&f, first, NULL), 0);
    assert_int_equal(identity_hash(&g, second, NULL), 0);
    assert_string_not_equal(first, second);
}

static void running_out_of_memory_is_an_error(void **state)
{
    (void)state;
    struct identity_fields f = request("{\"a\":[1,2,3]}");
    bool done = false;
    for (uint64_t n = 1; n < 100 && !done; n++) {
        char hash[IDENTITY_SIZE] = "untouched";
        tasker_error err = {0};
        mem_fail_after(n);
        int rc = identity_hash(&f, hash, &err);
        done = !mem_failed();
        mem_fail_after(0);
        assert_int_equal(rc, done ? 0 : TASKER_E_NOMEM);
        assert_int_equal(err.code, done ? 0 : TASKER_E_NOMEM);
        assert_int_equal(strcmp(hash, "untouched") == 0, !done);
    }
    assert_true(done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hash_is_the_one_observed_on_rails),
        cmocka_unit_test(all_fields_stand_in_the_order_of_rails),
        cmocka_unit_test(seconds_do_not_count),
        cmocka_unit_test(the_context_is_written_in_the_dialect_of_active_support),
        cmocka_unit_test(the_order_of_keys_counts),
        cmocka_unit_test(running_out_of_memory_is_an_error),
    };
    return cmocka_run_group_tests_name("identity", tests, set_up, tear_down);
}
