// SPDX-License-Identifier: MIT
// test_schema.c - the schema compiler and validator: the official draft-07 suite (Debian package
// json-schema-test-suite), the strict rule for contexts, error texts with their places, and the
// bounds that keep any schema harmless.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/schema.h"

#define SUITE "/usr/share/json-schema-test-suite/tests/draft7"

static const struct {
    const char *file, *why;
} skipped[] = {
    {"refRemote.json", "every case fetches a document from a server; nothing is fetched here"},
};

// Optional parts that are kept nevertheless. The others test `format` and `content`, which are
// annotations here, and corners of ECMAScript's regular expressions that PCRE2 reads differently.
static const char *const optional[] = {"optional/bignum.json",
                                       "optional/zeroTerminatedFloats.json"};

static struct schema *compiled(const char *text, bool strict)
{
    struct schema *s = NULL;
    tasker_error err = {0};
    if (schema_compile(span_of(text), strict, &s, &err) < 0)
        fail_msg("%s (%s) in %s", err.message, err.where, text);
    return s;
}

// Validates and returns the errors as "path message" lines.
static int check(const struct schema *s, const char *text, char *lines, size_t size)
{
    struct arena arena;
    arena_init(&arena);
    const struct json *value;
    tasker_error err = {0};
    if (json_parse(&arena, span_of(text), &value, &err) < 0)
        fail_msg("%s: %s", text, err.message);
    struct schema_error *errors = NULL;
    int count = schema_validate(s, value, &arena, &errors);
    size_t used = 0;
    lines[0] = '\0';
    for (; errors != NULL && used < size; errors = errors->next)
        used +=
            (size_t)snprintf(lines + used, size - used, "%s %s\n", errors->path, errors->message);
    arena_done(&arena);
    return count;
}

static void expect_errors(const char *schema, bool strict, const char *value, const char *expected)
{
    char lines[20000];
    struct schema *s = compiled(schema, strict);
    check(s, value, lines, sizeof lines);
    assert_string_equal(lines, expected);
    schema_free(s);
}

static void expect_refused(const char *schema, const char *path, const char *message)
{
    struct schema *s = NULL;
    tasker_error err = {0};
    int rc = schema_compile(span_of(schema), false, &s, &err);
    if (rc != TASKER_E_INVALID)
        fail_msg("%s gave %d", schema, rc);
    assert_null(s);
    assert_string_equal(err.where, path);
    assert_string_equal(err.message, message);
}

// ---- the official suite

static char *read_suite(const char *name, size_t *ret_size)
{
    char path[512];
    snprintf(path, sizeof path, SUITE "/%s", name);
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        fail_msg("%s is missing: install the package json-schema-test-suite", path);
    char *text = malloc(1 << 20);
    *ret_size = fread(text, 1, 1 << 20, f);
    fclose(f);
    return text;
}

static int run_case(const struct schema *s, const struct json *one, const char *file,
                    struct span group)
{
    struct arena arena;
    struct schema_error *errors = NULL;
    arena_init(&arena);
    int count = schema_validate(s, json_get(one, "data"), &arena, &errors);
    bool wanted = json_get(one, "valid")->truth, wrong = count < 0 || (count == 0) != wanted;
    struct span name = json_get(one, "description")->str;
    if (wrong)
        print_error("%s: %.*s: %.*s: should be %s, %d errors (%s)\n", file, (int)group.len, group.p,
                    (int)name.len, name.p, wanted ? "valid" : "invalid", count,
                    errors != NULL ? errors->message : "");
    arena_done(&arena);
    return wrong;
}

static int run_file(const char *file, int *cases)
{
    int wrong = 0;
    size_t size;
    char *text = read_suite(file, &size);
    struct arena arena;
    arena_init(&arena);
    const struct json *root;
    assert_int_equal(json_parse(&arena, (struct span){text, size}, &root, NULL), 0);
    for (const struct json *group = root->child; group != NULL; group = group->next) {
        struct schema *s = NULL;
        tasker_error err = {0};
        struct span name = json_get(group, "description")->str;
        if (schema_compile(json_get(group, "schema")->raw, false, &s, &err) < 0) {
            print_error("%s: %.*s: %s (%s)\n", file, (int)name.len, name.p, err.message, err.where);
            wrong++;
            continue;
        }
        for (const struct json *one = json_get(group, "tests")->child; one != NULL;
             one = one->next, ++*cases)
            wrong += run_case(s, one, file, name);
        schema_free(s);
    }
    arena_done(&arena);
    free(text);
    return wrong;
}

static bool is_skipped(const char *file)
{
    for (size_t i = 0; i < sizeof skipped / sizeof skipped[0]; i++)
        if (strcmp(file, skipped[i].file) == 0)
            return true;
    return false;
}

static void official_suite_passes(void **state)
{
    (void)state;
    DIR *dir = opendir(SUITE);
    if (dir == NULL)
        fail_msg("%s is missing: install the package json-schema-test-suite", SUITE);
    int wrong = 0, cases = 0;
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        const char *dot = strrchr(e->d_name, '.');
        if (dot != NULL && strcmp(dot, ".json") == 0 && !is_skipped(e->d_name))
            wrong += run_file(e->d_name, &cases);
    }
    closedir(dir);
    for (size_t i = 0; i < sizeof optional / sizeof optional[0]; i++)
        wrong += run_file(optional[i], &cases);
    assert_int_equal(wrong, 0);
    assert_true(cases > 400);
}

// ---- errors

static void errors_name_their_place(void **state)
{
    (void)state;
    expect_errors("{\"properties\":{\"items\":{\"items\":{\"properties\":{\"price\":{\"minimum\":0}"
                  "}}},\"a b\":false}}",
                  false, "{\"items\":[{\"price\":1},{},{\"price\":-0.5}],\"a b\":1}",
                  "$.items[2].price must be at least 0\n$[\"a b\"] is not allowed here\n");
}

static void every_keyword_explains_itself(void **state)
{
    (void)state;
    static const struct {
        const char *schema, *value, *expected;
    } rows[] = {
        {"{\"type\":\"integer\"}", "1.5",
         "$ must be an integer, this is a number with a fraction\n"},
        {"{\"type\":[\"string\",\"null\"]}", "[]", "$ must be null or a string, this is array\n"},
        {"{\"enum\":[1,\"a\"]}", "2", "$ must be one of [1,\"a\"]\n"},
        {"{\"const\":{\"a\":1}}", "2", "$ must be {\"a\":1}\n"},
        {"{\"maximum\":3}", "4", "$ must be at most 3\n"},
        {"{\"exclusiveMinimum\":3}", "3", "$ must be more than 3\n"},
        {"{\"exclusiveMaximum\":3}", "3.0", "$ must be less than 3\n"},
        {"{\"multipleOf\":0.01}", "0.015", "$ must be a multiple of 0.01\n"},
        {"{\"minLength\":2}", "\"\xC3\xBC\"", "$ must have at least 2 characters\n"},
        {"{\"maxLength\":1}", "\"ab\"", "$ must have at most 1 characters\n"},
        {"{\"pattern\":\"^a\"}", "\"b\"", "$ must match the pattern ^a\n"},
        {"{\"minItems\":1}", "[]", "$ must have at least 1 items\n"},
        {"{\"maxItems\":0}", "[1]", "$ must have at most 0 items\n"},
        {"{\"uniqueItems\":true}", "[1,2,1.0]",
         "$ must not hold the same item twice ([0] and [2])\n"},
        {"{\"contains\":{\"const\":1}}", "[2]",
         "$ must hold an item as \"contains\" describes it\n"},
        {"{\"minProperties\":1}", "{}", "$ must have at least 1 properties\n"},
        {"{\"maxProperties\":0}", "{\"a\":1}", "$ must have at most 0 properties\n"},
        {"{\"required\":[\"b\",\"a\"]}", "{}", "$ must have \"a\"\n$ must have \"b\"\n"},
        {"{\"additionalProperties\":false}", "{\"a\":1}", "$.a is not allowed here\n"},
        {"{\"propertyNames\":{\"maxLength\":1}}", "{\"ab\":1}",
         "$.ab must have at most 1 characters\n"},
        {"{\"dependencies\":{\"a\":[\"b\"]}}", "{\"a\":1}",
         "$ must have \"b\", because it has \"a\"\n"},
        {"{\"anyOf\":[{\"type\":\"null\"},false]}", "1",
         "$ matches none of the 2 schemas of \"anyOf\"\n"},
        {"{\"oneOf\":[true,true]}", "1",
         "$ matches several of the 2 schemas of \"oneOf\", must match exactly one\n"},
        {"{\"not\":{}}", "1", "$ must not match the schema of \"not\"\n"},
        {"{\"if\":true,\"then\":{\"const\":2}}", "1", "$ must be 2\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        expect_errors(rows[i].schema, false, rows[i].value, rows[i].expected);
}

static void errors_end_at_a_hundred(void **state)
{
    (void)state;
    char text[2000] = "[", lines[20000];
    for (int i = 0; i < 150; i++)
        strcat(text, i > 0 ? ",1" : "1");
    strcat(text, "]");
    struct schema *s = compiled("{\"items\":{\"type\":\"string\"}}", false);
    assert_int_equal(check(s, text, lines, sizeof lines), 100);
    schema_free(s);
}

static void wrong_schemas_are_refused_with_their_place(void **state)
{
    (void)state;
    expect_refused("3", "$", "must be a schema (an object, true or false), this is number");
    expect_refused("{\"type\":\"int\"}", "$.type", "\"int\" is no type");
    expect_refused("{\"properties\":{\"a\":{\"minLength\":-1}}}", "$.properties.a.minLength",
                   "must be a whole number from 0 on");
    expect_refused("{\"allOf\":[{},{\"pattern\":\"(\"}]}", "$.allOf[1].pattern",
                   "is no regular expression: missing closing parenthesis");
    expect_refused("{\"required\":[1]}", "$.required[0]", "must be a string, this is number");
    expect_refused("{\"exclusiveMinimum\":true}", "$.exclusiveMinimum",
                   "must be a number, this is boolean");
    expect_refused("{\"multipleOf\":0}", "$.multipleOf", "must be greater than 0");
    expect_refused("{\"multipleOf\":1234567890123456789}", "$.multipleOf",
                   "must not have more than 18 digits");
    expect_refused("{\"anyOf\":[]}", "$.anyOf", "must hold a schema");
    expect_refused(
        "{\"$ref\":\"#/definitions/x\"}", "$.$ref",
        "\"$ref\" leads to \"#/definitions/x\", which is not in this schema (nothing is fetched)");
    expect_refused("{\"$ref\":\"http://example.com/x\"}", "$.$ref",
                   "\"$ref\" leads to \"http://example.com/x\", which is not in this schema "
                   "(nothing is fetched)");
    expect_refused("{\"title\":\"x\",\"not\":{\"$ref\":\"#/title\"}}", "$.not.$ref",
                   "\"$ref\" leads to string, which is no schema");
}

// ---- references

static void references_follow_ids(void **state)
{
    (void)state;
    const char *schema =
        "{\"$id\":\"http://x.test/root.json\",\"definitions\":{\"a\":{\"$id\":\"dir/"
        "a.json\",\"type\":\"integer\","
        "\"definitions\":{\"b\":{\"$id\":\"../"
        "b.json\",\"type\":\"string\"}}},\"c\":{\"$id\":\"#c\",\"const\":1}},"
        "\"properties\":{\"a\":{\"$ref\":\"dir/"
        "a.json\"},\"b\":{\"$ref\":\"b.json\"},\"c\":{\"$ref\":\"#c\"},"
        "\"d\":{\"$ref\":\"dir/a.json#/definitions/b\"}}}";
    expect_errors(schema, false, "{\"a\":1,\"b\":\"s\",\"c\":1,\"d\":\"s\"}", "");
    expect_errors(schema, false, "{\"a\":\"s\",\"b\":1,\"c\":2,\"d\":1}",
                  "$.a must be an integer, this is string\n$.b must be a string, this is "
                  "number\n$.c must be 1\n"
                  "$.d must be a string, this is number\n");
}

static void endless_references_are_refused(void **state)
{
    (void)state;
    expect_refused("{\"$ref\":\"#\"}", "$", "applies to itself without end");
    expect_refused("{\"allOf\":[{\"$ref\":\"#\"}]}", "$", "applies to itself without end");
    expect_refused("{\"definitions\":{\"a\":{\"not\":{\"$ref\":\"#/definitions/"
                   "b\"}},\"b\":{\"if\":{\"$ref\":\"#/definitions/a\"}}}"
                   ",\"$comment\":\"\",\"items\":{\"$ref\":\"#/definitions/a\"}}",
                   "$.definitions.a", "applies to itself without end");
}

static void long_chains_are_refused_in_any_order(void **state)
{
    (void)state;
    for (int backwards = 0; backwards < 2; backwards++) {
        static char text[100000];
        size_t used = (size_t)sprintf(text, "{\"properties\":{");
        for (int k = 0; k < 300; k++) {
            int i = backwards ? 299 - k : k;
            if (i < 299)
                used += (size_t)sprintf(text + used, "%s\"%d\":{\"$ref\":\"#/properties/%d\"}",
                                        k ? "," : "", i, i + 1);
            else
                used += (size_t)sprintf(text + used, "%s\"%d\":{}", k ? "," : "", i);
        }
        strcpy(text + used, "}}");
        struct schema *s;
        tasker_error err = {0};
        assert_int_equal(schema_compile(span_of(text), false, &s, &err), TASKER_E_INVALID);
        assert_string_equal(err.message, "more than 200 schemas apply to one value in a row");
    }
}

// ---- strict contexts

static void strict_requires_what_is_listed_and_refuses_the_rest(void **state)
{
    (void)state;
    const char *schema =
        "{\"properties\":{\"a\":{},\"b\":{\"default\":1},\"c\":{\"properties\":{\"d\":{}}}},"
        "\"patternProperties\":{\"^x_\":{}},\"required\":[\"b\"],\"additionalProperties\":true}";
    expect_errors(schema, true, "{\"a\":1,\"c\":{\"d\":2},\"x_1\":1}", "");
    expect_errors(
        schema, true, "{\"c\":{},\"e\":1}",
        "$ must have \"a\"\n$.c must have \"d\"\n$.e is not a property that the schema knows\n");
    expect_errors(schema, false, "{\"b\":0,\"c\":{},\"e\":1}", "");
    expect_errors("{\"type\":\"object\"}", true, "{\"e\":1}", "");
}

// ---- bounds

static void patterns_that_explode_are_stopped(void **state)
{
    (void)state;
    expect_errors("{\"pattern\":\"^(a+)+$\"}", false,
                  "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\"",
                  "$ takes too long to match with a pattern of the schema\n");
    // Not even "not" turns the missing answer into a yes.
    expect_errors("{\"not\":{\"pattern\":\"^(a+)+$\"}}", false,
                  "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\"",
                  "$ takes too long to match with a pattern of the schema\n");
}

static void branches_that_multiply_are_stopped(void **state)
{
    (void)state;
    char text[8000], lines[1000];
    size_t used = (size_t)sprintf(text, "{\"$ref\":\"#/definitions/0\",\"definitions\":{");
    for (int i = 0; i < 60; i++)
        used += (size_t)sprintf(
            text + used,
            "\"%d\":{\"allOf\":[{\"$ref\":\"#/definitions/%d\"},{\"$ref\":\"#/definitions/%d\"}]},",
            i, i + 1, i + 1);
    strcpy(text + used, "\"60\":{}}}");
    struct schema *s = compiled(text, false);
    assert_int_equal(check(s, "1", lines, sizeof lines), 1);
    assert_string_equal(lines, "$ takes too long to check with this schema\n");
    schema_free(s);
}

static void deep_values_are_checked_or_refused(void **state)
{
    (void)state;
    char text[5000] = "", lines[6000];
    for (int i = 0; i < 500; i++)
        strcat(text, "[");
    strcat(text, "1");
    for (int i = 0; i < 500; i++)
        strcat(text, "]");
    struct schema *s = compiled("{\"items\":{\"$ref\":\"#\"},\"not\":{\"const\":1}}", false);
    assert_int_equal(check(s, text, lines, sizeof lines), 1);
    assert_non_null(strstr(lines, "[0] must not match the schema of \"not\"\n"));
    schema_free(s);
    s = compiled("{\"items\":{\"allOf\":[{\"allOf\":[{\"$ref\":\"#\"}]}]}}", false);
    assert_int_equal(check(s, text, lines, sizeof lines), 1);
    assert_non_null(strstr(lines, " is nested too deep for this schema\n"));
    schema_free(s);
}

static void many_unique_items_are_compared_quickly(void **state)
{
    (void)state;
    enum { N = 100000 };
    char *text = malloc(N * 8 + 16), lines[200];
    size_t used = (size_t)sprintf(text, "[");
    for (int i = 0; i < N; i++)
        used += (size_t)sprintf(text + used, "%d,", i);
    strcpy(text + used, "-1]");
    struct schema *s = compiled("{\"uniqueItems\":true}", false);
    assert_int_equal(check(s, text, lines, sizeof lines), 0);
    strcpy(text + used, "7.0]");
    assert_int_equal(check(s, text, lines, sizeof lines), 1);
    assert_string_equal(lines, "$ must not hold the same item twice ([7] and [100000])\n");
    schema_free(s);
    free(text);
}

static void numbers_are_never_rounded(void **state)
{
    (void)state;
    const char *limit =
        "{\"maximum\":100000000000000000000000000000000000001,\"multipleOf\":1e-30}";
    expect_errors(limit, false, "100000000000000000000000000000000000001.000", "");
    expect_errors(limit, false, "100000000000000000000000000000000000001.1",
                  "$ must be at most 100000000000000000000000000000000000001\n");
    expect_errors(limit, false, "0.0000000000000000000000000000015",
                  "$ must be a multiple of 1e-30\n");
    expect_errors("{\"multipleOf\":3}", false, "1e999", "$ must be a multiple of 3\n");
    expect_errors("{\"minimum\":-1}", false, "-1.0000000000000000000000001",
                  "$ must be at least -1\n");
}

static void running_out_of_memory_is_an_error_everywhere(void **state)
{
    (void)state;
    const char *schema =
        "{\"$id\":\"http://x.test/"
        "a\",\"properties\":{\"a\":{\"pattern\":\"^x+$\"},\"b\":{\"uniqueItems\":true,"
        "\"items\":{\"$ref\":\"#/definitions/n\"}},\"s\":{\"$ref\":\"http://json-schema.org/"
        "draft-07/schema#\"}},"
        "\"definitions\":{\"n\":{\"anyOf\":[{\"type\":\"null\"},{\"minimum\":3}]}},\"required\":["
        "\"z\"]}";
    struct arena arena;
    arena_init(&arena);
    const struct json *value;
    assert_int_equal(
        json_parse(&arena, SPAN("{\"a\":\"xy\",\"b\":[1,2],\"s\":{\"type\":1}}"), &value, NULL), 0);
    bool compiled_once = false, validated_once = false;
    for (uint64_t n = 1; n < 5000 && !validated_once; n++) {
        struct schema *s = NULL;
        struct schema_error *errors = NULL;
        struct arena results;
        arena_init(&results);
        mem_fail_after(n);
        int rc = schema_compile(span_of(schema), true, &s, NULL);
        if (rc == 0) {
            compiled_once = true;
            rc = schema_validate(s, value, &results, &errors);
        }
        bool failed = mem_failed();
        mem_fail_after(0);
        // Comparing values does without memory when there is none.
        assert_true(rc == 5 || (failed && rc == TASKER_E_NOMEM));
        validated_once = !failed;
        schema_free(s);
        arena_done(&results);
    }
    assert_true(compiled_once && validated_once);
    arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(official_suite_passes),
        cmocka_unit_test(errors_name_their_place),
        cmocka_unit_test(every_keyword_explains_itself),
        cmocka_unit_test(errors_end_at_a_hundred),
        cmocka_unit_test(wrong_schemas_are_refused_with_their_place),
        cmocka_unit_test(references_follow_ids),
        cmocka_unit_test(endless_references_are_refused),
        cmocka_unit_test(long_chains_are_refused_in_any_order),
        cmocka_unit_test(strict_requires_what_is_listed_and_refuses_the_rest),
        cmocka_unit_test(patterns_that_explode_are_stopped),
        cmocka_unit_test(branches_that_multiply_are_stopped),
        cmocka_unit_test(deep_values_are_checked_or_refused),
        cmocka_unit_test(many_unique_items_are_compared_quickly),
        cmocka_unit_test(numbers_are_never_rounded),
        cmocka_unit_test(running_out_of_memory_is_an_error_everywhere),
    };
    return cmocka_run_group_tests_name("schema", tests, NULL, NULL);
}
