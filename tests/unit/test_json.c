// SPDX-License-Identifier: MIT
// test_json.c - what the JSON scanner takes and refuses, where it says a fault is, the nodes it leaves, and values.
//
// Most texts go through json_check and json_parse, from memory that ends with the text, so that reading behind the end
// is seen.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct doc {
    struct arena arena;
    char *text;
    const struct json *root;
    tasker_error err;
    int result;
};

// Parses a copy of the text without a NUL behind it, and checks it too.
static void open_span(struct doc *d, struct span text)
{
    arena_init(&d->arena);
    d->root = NULL;
    d->text = mem_alloc(text.len);
    memcpy(d->text, text.p, text.len);
    struct span exact = {d->text, text.len};
    enum json_type type = JSON_NULL;
    tasker_error err;

    memset(&d->err, 0, sizeof(d->err));
    d->result = json_parse(&d->arena, exact, &d->root, &d->err);
    assert_int_equal(json_check(exact, &type, &err), d->result);
    assert_int_equal(json_check(exact, NULL, NULL), d->result);
    if (d->result == 0) {
        assert_int_equal(type, d->root->type);
    } else {
        assert_null(d->root);
        assert_string_equal(err.message, d->err.message);
        assert_string_equal(err.where, d->err.where);
        assert_int_equal(err.line, d->err.line);
        assert_int_equal(err.column, d->err.column);
    }
}

static void open_doc(struct doc *d, const char *text)
{
    open_span(d, span_of(text));
}

static void close_doc(struct doc *d)
{
    arena_done(&d->arena);
    mem_free(d->text);
}

// ---- acceptance

static void valid_texts_are_accepted(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "null", "true", "false", "0", "-0", "1", "-1", "10", "1.5", "0.10", "1e5", "1E+5", "1e-5", "0e0", "1e1000",
        "1e-1000", "1e0000000000001", "\"\"", "\"abc\"", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\u0041\"",
        "\"\\uD83D\\uDE00\"", "\"\\ud83d\\ude00\"", "\"\xF0\x9F\x98\x80\"", "\"\x7f\"", "[]", "{}", "[1]", "[1,2]",
        "[[],[]]", "{\"a\":1}", "{\"a\":{\"a\":1},\"b\":[{\"a\":2}]}", " \t\r\n1 \t\r\n", "[ 1 , 2 ]",
        "{ \"a\" : 1 , \"b\" : 2 }", "{\"\":1}", "\"\\uFFFF\"", "\"12345678\"", "\"1234567\\n89012345\"",
        "123456789012345678901234567890123456789012345678901234567890.5",
    };

    for (size_t i = 0; i < COUNT(texts); i++) {
        struct doc d;
        open_doc(&d, texts[i]);
        if (d.result != 0)
            fail_msg("%s: %s", texts[i], d.err.message);
        close_doc(&d);
    }
}

static void invalid_texts_are_refused_at_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int line, column;
        const char *where;
        const char *why;
    } cases[] = {
        {"", 1, 1, "$", "a value is missing"},
        {"  \n ", 2, 2, "$", "a value is missing"},
        {"nul", 1, 1, "$", "a value is missing"},
        {"nulx", 1, 1, "$", "a value is missing"},
        {"nullx", 1, 5, "$", "there is text behind the value"},
        {"True", 1, 1, "$", "a value is missing"},
        {"NaN", 1, 1, "$", "a value is missing"},
        {"Infinity", 1, 1, "$", "a value is missing"},
        {"'a'", 1, 1, "$", "a value is missing"},
        {"\xEF\xBB\xBF{}", 1, 1, "$", "a value is missing"},
        {"1 2", 1, 3, "$", "there is text behind the value"},
        {"1,", 1, 2, "$", "there is text behind the value"},
        {"[1]]", 1, 4, "$", "there is text behind the value"},
        {"-", 1, 1, "$", "a digit is missing behind the sign"},
        {"+1", 1, 1, "$", "a value is missing"},
        {".5", 1, 1, "$", "a value is missing"},
        {"01", 1, 1, "$", "a number must not begin with a zero"},
        {"-01", 1, 1, "$", "a number must not begin with a zero"},
        {"1.", 1, 3, "$", "a digit is missing behind the decimal point"},
        {"1.e5", 1, 3, "$", "a digit is missing behind the decimal point"},
        {"1e", 1, 2, "$", "the exponent has no digits"},
        {"1e+", 1, 2, "$", "the exponent has no digits"},
        {"0x10", 1, 2, "$", "there is text behind the value"},
        {"[1e1001]", 1, 3, "$[0]", "the exponent is beyond 1000"},
        {"[1e-1001]", 1, 3, "$[0]", "the exponent is beyond 1000"},
        {"1e99999999999999999999999999", 1, 2, "$", "the exponent is beyond 1000"},
        {"\"abc", 1, 1, "$", "the string does not end"},
        {"\"abc\\", 1, 5, "$", "the string does not end"},
        {"\"abc\\\"", 1, 1, "$", "the string does not end"},
        {"\"\\x\"", 1, 2, "$", "unknown escape in a string"},
        {"\"a\\u12\"", 1, 3, "$", "\\u needs four hexadecimal digits"},
        {"\"\\u12g4\"", 1, 2, "$", "\\u needs four hexadecimal digits"},
        {"\"\\u", 1, 2, "$", "\\u needs four hexadecimal digits"},
        {"\"\\u0000\"", 1, 2, "$", "\\u0000 is not allowed"},
        {"\"\\ud800\"", 1, 2, "$", "half of a surrogate pair stands alone"},
        {"\"\\ud800x\"", 1, 2, "$", "half of a surrogate pair stands alone"},
        {"\"\\ud800\\u0041\"", 1, 2, "$", "half of a surrogate pair stands alone"},
        {"\"\\ud800\\ud800\"", 1, 2, "$", "half of a surrogate pair stands alone"},
        {"\"\\udc00\"", 1, 2, "$", "half of a surrogate pair stands alone"},
        {"\"\\ud800\\udc0", 1, 2, "$", "half of a surrogate pair stands alone"},
        {"\"a\tb\"", 1, 3, "$", "control characters in a string must be escaped"},
        {"\"a\nb\"", 1, 3, "$", "control characters in a string must be escaped"},
        {"\"\x1f\"", 1, 2, "$", "control characters in a string must be escaped"},
        {"\"gr\xC3\xBC\xC3(\"", 1, 5, "$", "the text is not valid UTF-8"},
        {"\"\xED\xA0\x80\"", 1, 2, "$", "the text is not valid UTF-8"},
        {"\"\xC0\x80\"", 1, 2, "$", "the text is not valid UTF-8"},
        {"\"\xF4\x90\x80\x80\"", 1, 2, "$", "the text is not valid UTF-8"},
        {"\"\xE2\x82", 1, 2, "$", "the text is not valid UTF-8"},
        {"[", 1, 2, "$[0]", "a value is missing"},
        {"[1", 1, 3, "$[0]", "expected ',' or ']'"},
        {"[1,]", 1, 4, "$[1]", "a value is missing"},
        {"[,1]", 1, 2, "$[0]", "a value is missing"},
        {"[1 2]", 1, 4, "$[0]", "expected ',' or ']'"},
        {"[1}", 1, 3, "$[0]", "expected ',' or ']'"},
        {"{", 1, 2, "$", "expected a key in double quotes"},
        {"{a:1}", 1, 2, "$", "expected a key in double quotes"},
        {"{1:1}", 1, 2, "$", "expected a key in double quotes"},
        {"{\"a\"}", 1, 5, "$.a", "expected ':' behind the key"},
        {"{\"a\":}", 1, 6, "$.a", "a value is missing"},
        {"{\"a\":1,}", 1, 8, "$", "expected a key in double quotes"},
        {"{\"a\":1 \"b\":2}", 1, 8, "$.a", "expected ',' or '}'"},
        {"{\"a\":1]", 1, 7, "$.a", "expected ',' or '}'"},
        {"{\"a\\q\":1}", 1, 4, "$", "unknown escape in a string"},
        {"{\"a\":1,\"b\":2,\n  \"a\":3}", 2, 3, "$.a", "the key occurs twice in its object"},
        {"{\"a\":1,\"\\u0061\":2}", 1, 8, "$[\"\\u0061\"]", "the key occurs twice in its object"},
        {"{\"\\ud83d\\ude00\":1,\"\xF0\x9F\x98\x80\":2}", 1, 19, "$[\"\xF0\x9F\x98\x80\"]",
         "the key occurs twice in its object"},
        {"{\"\":1,\"\":2}", 1, 7, "$[\"\"]", "the key occurs twice in its object"},
        {"{\"a\":[1,{\"b c\":[\n1,\n  x]}]}", 3, 3, "$.a[1][\"b c\"][1]", "a value is missing"},
        {"{\"a\":{\"d-1\":{\"_x\":{\"1\":?}}}}", 1, 24, "$.a.d-1._x[\"1\"]", "a value is missing"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct doc d;
        char message[200];
        open_doc(&d, cases[i].text);
        snprintf(message, sizeof(message), "invalid JSON: %s", cases[i].why);
        if (d.result != TASKER_E_INVALID || strcmp(d.err.message, message) != 0 ||
            strcmp(d.err.where, cases[i].where) != 0 || d.err.line != cases[i].line ||
            d.err.column != cases[i].column)
            fail_msg("%s: %d \"%s\" at %s %d:%d", cases[i].text, d.result, d.err.message, d.err.where, d.err.line,
                     d.err.column);
        close_doc(&d);
    }
}

static void raw_nul_is_refused_everywhere(void **state)
{
    (void)state;
    static const struct span texts[] = {
        SPAN("\0"), SPAN("1\0"), SPAN("\"a\0b\""), SPAN("\"\\\0\""), SPAN("[\0]"), SPAN("{\"a\0\":1}"), SPAN("[1,\0 2]"),
    };

    for (size_t i = 0; i < COUNT(texts); i++) {
        struct doc d;
        open_span(&d, texts[i]);
        assert_int_equal(d.result, TASKER_E_INVALID);
        close_doc(&d);
    }
}

static void every_truncation_of_a_text_is_refused(void **state)
{
    (void)state;
    const char *text = "{\"a\":[1.5e3,true,false,null,\"x\\u0041\\ud83d\\ude00\xC3\xBC\"],\"b\":{\"c\":{}},\"d\":-1}";

    for (size_t len = 0; len < strlen(text); len++) {
        struct doc d;
        open_span(&d, (struct span){text, len});
        assert_int_equal(d.result, TASKER_E_INVALID);
        close_doc(&d);
    }
    struct doc d;
    open_doc(&d, text);
    assert_int_equal(d.result, 0);
    close_doc(&d);
}

// A byte that needs a look is found at every offset of the words that plain bytes are skipped in.
static void odd_bytes_are_found_at_every_offset(void **state)
{
    (void)state;
    for (size_t at = 1; at < 40; at++)
        for (int byte = 0; byte < 256; byte++) {
            char text[42];
            memset(text, 'a', sizeof(text));
            text[0] = text[sizeof(text) - 1] = '"';
            text[at] = (char)byte;
            bool plain = byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
            int r = json_check((struct span){text, sizeof(text)}, NULL, NULL);
            assert_int_equal(r, plain ? 0 : TASKER_E_INVALID);
        }
}

static char *nested(size_t depth, char open, char close)
{
    char *text = mem_alloc(2 * depth + 1);

    memset(text, open, depth);
    memset(text + depth, close, depth);
    return text;
}

static void depth_ends_at_512(void **state)
{
    (void)state;
    struct doc d;
    CLEANUP(mem_freep) char *fits = nested(512, '[', ']');
    open_doc(&d, fits);
    assert_int_equal(d.result, 0);
    close_doc(&d);

    CLEANUP(mem_freep) char *deeper = nested(513, '[', ']');
    open_doc(&d, deeper);
    assert_int_equal(d.result, TASKER_E_INVALID);
    assert_string_equal(d.err.message, "invalid JSON: the text is nested deeper than 512");
    assert_int_equal(d.err.column, 513);
    assert_memory_equal(d.err.where, "$[0][0][0]", 10);
    close_doc(&d);
}

// An answer with a payload of 512 levels in it.
static void what_is_around_payloads_may_be_16_deeper(void **state)
{
    struct arena arena;
    const struct json *v;
    tasker_error err;

    (void)state;
    arena_init(&arena);
    CLEANUP(mem_freep) char *fits = nested(528, '[', ']');
    assert_int_equal(json_parse_around(&arena, span_of(fits), &v, &err), 0);
    CLEANUP(mem_freep) char *deeper = nested(529, '[', ']');
    assert_int_equal(json_parse_around(&arena, span_of(deeper), &v, &err), TASKER_E_INVALID);
    assert_string_equal(err.message, "invalid JSON: the text is nested too deep");
    arena_done(&arena);
}

static void numbers_beyond_numeric_are_refused(void **state)
{
    (void)state;
    CLEANUP(mem_freep) char *digits = mem_alloc(140001);
    memset(digits, '1', 140000);
    assert_int_equal(json_check((struct span){digits, 131072}, NULL, NULL), 0);
    assert_int_equal(json_check((struct span){digits, 131073}, NULL, NULL), TASKER_E_INVALID);
    memcpy(digits, "0.", 2);
    assert_int_equal(json_check((struct span){digits, 2 + 16383}, NULL, NULL), 0);
    assert_int_equal(json_check((struct span){digits, 2 + 16384}, NULL, NULL), TASKER_E_INVALID);
    memcpy(digits + 2 + 16380, "e-10", 4);
    assert_int_equal(json_check((struct span){digits, 2 + 16384}, NULL, NULL), TASKER_E_INVALID);
    memcpy(digits + 2 + 16380, "e+10", 4);
    assert_int_equal(json_check((struct span){digits, 2 + 16384}, NULL, NULL), 0);
}

static void texts_over_the_maximum_are_too_big(void **state)
{
    (void)state;
    tasker_error err;
    // Refused before a byte is read.
    assert_int_equal(json_check((struct span){"1", JSON_MAX_SIZE + 1}, NULL, &err), TASKER_E_TOO_BIG);
    assert_int_equal(err.code, TASKER_E_TOO_BIG);
    struct span none = {0};
    assert_int_equal(json_check(none, NULL, &err), TASKER_E_INVALID);
}

static void long_paths_are_cut(void **state)
{
    (void)state;
    char text[1000], *p = text;
    struct doc d;
    for (int i = 0; i < 30; i++)
        p += sprintf(p, "{\"a_rather_long_key\":");
    open_doc(&d, text);
    assert_int_equal(d.result, TASKER_E_INVALID);
    assert_int_equal(strlen(d.err.where), sizeof(d.err.where) - 1);
    close_doc(&d);
}

// ---- duplicate keys in large objects

// {"k0":0,...} with `count` keys, the last of which is `last` when not NULL.
static void write_object(struct buf *b, int count, const char *last)
{
    buf_init(b, SIZE_MAX);
    jw_open(b, '{');
    for (int i = 0; i < count; i++) {
        char key[32];
        snprintf(key, sizeof(key), "k%d", i);
        jw_kint(b, i == count - 1 && last != NULL ? last : key, i);
    }
    jw_close(b, '}');
}

static void duplicates_are_found_in_objects_of_any_size(void **state)
{
    (void)state;
    static const int sizes[] = {2, 3, 15, 16, 17, 18, 63, 64, 65, 66, 127, 128, 129, 1000, 20000};

    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct buf b;
        struct doc d;
        write_object(&b, sizes[i], NULL);
        open_span(&d, buf_view(&b));
        assert_int_equal(d.result, 0);
        assert_int_equal(d.root->count, sizes[i]);
        close_doc(&d);
        buf_done(&b);

        write_object(&b, sizes[i], "k0");
        open_span(&d, buf_view(&b));
        assert_int_equal(d.result, TASKER_E_INVALID);
        assert_string_equal(d.err.where, "$.k0");
        char *again = strstr(b.data + 3, "\"k0\"");
        assert_int_equal(d.err.column, again - b.data + 1);
        close_doc(&d);
        buf_done(&b);
    }
}

static void first_duplicate_of_several_is_reported(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf b;
    struct doc d;
    write_object(&b, 50, NULL);
    b.len--;
    buf_str(&b, ",\"k40\":1,\"k1\":1,\"k40\":1}");
    open_span(&d, buf_view(&b));
    assert_int_equal(d.result, TASKER_E_INVALID);
    assert_string_equal(d.err.where, "$.k40");
    close_doc(&d);
}

static void same_key_on_other_levels_is_fine(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf b, inner;
    struct doc d;
    write_object(&inner, 100, NULL);
    buf_init(&b, SIZE_MAX);
    jw_open(&b, '{');
    for (int i = 0; i < 20; i++) {
        char key[32];
        snprintf(key, sizeof(key), "k%d", i);
        jw_kraw(&b, key, inner.data, inner.len);
    }
    jw_close(&b, '}');
    open_span(&d, buf_view(&b));
    assert_int_equal(d.result, 0);
    close_doc(&d);
}

// ---- nodes

static void nodes_carry_text_value_and_links(void **state)
{
    (void)state;
    struct doc d;
    open_doc(&d, " {\"s\" : \"a\\n\\u00fc\\ud83d\\ude00\", \"n\":-1.10e+02,\"t\":true,\"f\":false,\"z\":null,"
                 "\"a\":[ 1,\"\" ,[]],\"k\\\"\\u0041\":{ } } ");
    assert_int_equal(d.result, 0);
    assert_int_equal(d.root->type, JSON_OBJECT);
    assert_int_equal(d.root->count, 7);
    assert_int_equal(d.root->raw.p - d.text, 1);
    assert_int_equal(d.root->raw.p[d.root->raw.len - 1], '}');

    const struct json *s = json_get(d.root, "s");
    assert_int_equal(s->type, JSON_STRING);
    assert_true(span_is(s->str, "a\n\xC3\xBC\xF0\x9F\x98\x80"));
    assert_true(span_is(s->raw, "\"a\\n\\u00fc\\ud83d\\ude00\""));
    const struct json *n = json_get(d.root, "n");
    assert_int_equal(n->type, JSON_NUMBER);
    assert_true(span_is(n->str, "-1.10e+02"));
    assert_true(span_is(n->raw, "-1.10e+02"));
    assert_true(json_get(d.root, "t")->truth);
    assert_int_equal(json_get(d.root, "f")->type, JSON_BOOL);
    assert_false(json_get(d.root, "f")->truth);
    assert_int_equal(json_get(d.root, "z")->type, JSON_NULL);
    const struct json *a = json_get(d.root, "a");
    assert_int_equal(a->count, 3);
    assert_true(span_is(a->raw, "[ 1,\"\" ,[]]"));
    assert_true(span_is(json_at(a, 0)->raw, "1"));
    assert_int_equal(json_at(a, 1)->str.len, 0);
    assert_int_equal(json_at(a, 2)->count, 0);
    assert_null(json_at(a, 3));
    assert_null(json_at(a, 0)->key.p);
    const struct json *k = json_get(d.root, "k\"A");
    assert_true(span_is(k->raw, "{ }"));
    assert_null(k->next);
    assert_null(json_get(d.root, "none"));
    assert_null(json_get(a, "s"));
    assert_null(json_get(NULL, "s"));
    assert_null(json_at(NULL, 0));
    assert_null(json_at(s, 0));
    close_doc(&d);
}

static void type_names_are_those_of_json_schema(void **state)
{
    (void)state;
    assert_string_equal(json_type_name(JSON_NULL), "null");
    assert_string_equal(json_type_name(JSON_BOOL), "boolean");
    assert_string_equal(json_type_name(JSON_NUMBER), "number");
    assert_string_equal(json_type_name(JSON_STRING), "string");
    assert_string_equal(json_type_name(JSON_ARRAY), "array");
    assert_string_equal(json_type_name(JSON_OBJECT), "object");
}

// ---- numbers

static void integers_are_exact(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_int;
        int64_t value;
    } cases[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"0e1000", true, 0},
        {"0.000", true, 0},
        {"1", true, 1},
        {"-17", true, -17},
        {"1.0", true, 1},
        {"1e3", true, 1000},
        {"1.50e1", true, 15},
        {"1500e-2", true, 15},
        {"0.00012e5", true, 12},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"9223372036854775807.0", true, INT64_MAX},
        {"922337203685477580.7e1", true, INT64_MAX},
        {"92233720368547758070", false, 0},
        {"9999999999999999999", false, 0},
        {"1e18", true, INT64_C(1000000000000000000)},
        {"1e19", false, 0},
        {"1e1000", false, 0},
        {"1e-1000", false, 0},
        {"1.5", false, 0},
        {"1e-1", false, 0},
        {"9223372036854775807.5", false, 0},
        {"true", false, 0},
        {"\"1\"", false, 0},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct doc d;
        int64_t value = 42;
        open_doc(&d, cases[i].text);
        bool is_int = json_int(d.root, &value);
        if (is_int != cases[i].is_int || value != (is_int ? cases[i].value : 42))
            fail_msg("%s: %d %lld", cases[i].text, is_int, (long long)value);
        close_doc(&d);
    }
    int64_t none = 42;
    assert_false(json_int(NULL, &none));
}

static void doubles_are_the_nearest(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double value;
    } cases[] = {
        {"0", 0.0},
        {"1", 1.0},
        {"-2.5", -2.5},
        {"0.1", 0.1},
        {"123.456e-3", 123.456e-3},
        {"1e308", 1e308},
        {"5e-324", 5e-324},
        {"1e-1000", 0.0},
        {"1.7976931348623157e308", 1.7976931348623157e308},
        {"9007199254740993", 9007199254740992.0},
        {"9007199254740993.0000000000000000000000000000000000000000000000000000001", 9007199254740994.0},
        {"2.2250738585072011e-308", 2.2250738585072011e-308},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct doc d;
        double value = 42;
        open_doc(&d, cases[i].text);
        assert_true(json_double(d.root, &value));
        if (value != cases[i].value)
            fail_msg("%s: %.17g", cases[i].text, value);
        close_doc(&d);
    }
    struct doc d;
    double value = 42;
    open_doc(&d, "1e1000");
    assert_true(json_double(d.root, &value));
    assert_true(value > 1.7976931348623157e308);
    close_doc(&d);
    open_doc(&d, "\"1\"");
    assert_false(json_double(d.root, &value));
    assert_false(json_double(NULL, &value));
    close_doc(&d);
}

// A digit behind a thousand others still decides to which side a middle is rounded.
static void the_last_of_many_digits_decides_the_rounding(void **state)
{
    (void)state;
    char text[1100] = "9007199254740993.";
    struct doc d;
    double value;
    memset(text + 17, '0', 1000);
    open_doc(&d, text);
    assert_true(json_double(d.root, &value));
    assert_true(value == 9007199254740992.0);
    close_doc(&d);
    text[1016] = '1';
    open_doc(&d, text);
    assert_true(json_double(d.root, &value));
    assert_true(value == 9007199254740994.0);
    close_doc(&d);
}

// ---- equality

static void equality_is_that_of_values(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool equal;
    } cases[] = {
        {"1", "1.0", true},
        {"1", "1.00e0", true},
        {"100", "1e2", true},
        {"0.01", "1e-2", true},
        {"0", "-0.0e5", true},
        {"1", "-1", false},
        {"1", "1.0000000000000000000000000000000000001", false},
        {"12345678901234567890123456789012345678901234567890", "12345678901234567890123456789012345678901234567891", false},
        {"12345678901234567890e30", "12345678901234567890000000000000000000000000000000", true},
        {"1e1000", "10e999", true},
        {"1e1000", "1e999", false},
        {"\"a\"", "\"\\u0061\"", true},
        {"\"a\"", "\"b\"", false},
        {"\"\"", "\"\"", true},
        {"null", "null", true},
        {"null", "false", false},
        {"true", "false", false},
        {"true", "true", true},
        {"1", "\"1\"", false},
        {"1", "true", false},
        {"[]", "{}", false},
        {"[1,2]", "[1.0,2e0]", true},
        {"[1,2]", "[2,1]", false},
        {"[1]", "[1,1]", false},
        {"{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1.0}", true},
        {"{\"a\":1,\"b\":2}", "{\"b\":1,\"a\":2}", false},
        {"{\"a\":1}", "{\"b\":1}", false},
        {"{\"a\":1}", "{\"a\":1,\"b\":1}", false},
        {"{\"a\":{\"x\":[{}]},\"b\":1}", "{\"b\":1,\"a\":{\"x\":[{}]}}", true},
        {"{\"\\u0061\":1}", "{\"a\":1}", true},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct doc a, b;
        open_doc(&a, cases[i].a);
        open_doc(&b, cases[i].b);
        if (json_equal(a.root, b.root) != cases[i].equal || json_equal(b.root, a.root) != cases[i].equal)
            fail_msg("%s and %s", cases[i].a, cases[i].b);
        close_doc(&a);
        close_doc(&b);
    }
}

static void large_objects_are_equal_in_any_order_even_without_memory(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf forward, backward, other;
    struct doc a, b, c;
    write_object(&forward, 300, NULL);
    write_object(&other, 300, "other");
    buf_init(&backward, SIZE_MAX);
    jw_open(&backward, '{');
    for (int i = 299; i >= 0; i--) {
        char key[32];
        snprintf(key, sizeof(key), "k%d", i);
        jw_kint(&backward, key, i);
    }
    jw_close(&backward, '}');
    open_span(&a, buf_view(&forward));
    open_span(&b, buf_view(&backward));
    open_span(&c, buf_view(&other));
    assert_true(json_equal(a.root, b.root));
    assert_false(json_equal(b.root, c.root));
    mem_fail_after(1);
    assert_true(json_equal(a.root, b.root));
    assert_true(mem_failed());
    mem_fail_after(1);
    assert_false(json_equal(b.root, c.root));
    mem_fail_after(0);
    close_doc(&a);
    close_doc(&b);
    close_doc(&c);
}

// ---- rewriting

static void compact_and_canonical_forms(void **state)
{
    (void)state;
    static const struct {
        const char *text, *compact, *canonical;
    } cases[] = {
        {" 1.10e+02 ", "1.10e+02", "1.10e+02"},
        {" [ 1 , { } , [ ] ] ", "[1,{},[]]", "[1,{},[]]"},
        {"{ \"b\" : \" \\u0041 \\\" \" ,\n\t\"a\" : null }", "{\"b\":\" \\u0041 \\\" \",\"a\":null}",
         "{\"a\":null,\"b\":\" A \\\" \"}"},
        {"[\"\\/\\u00fc\\\\\\u001f\"]", "[\"\\/\\u00fc\\\\\\u001f\"]", "[\"/\xC3\xBC\\\\\\u001f\"]"},
        {"{\"\xC3\xBC\":1,\"z\":2,\"\":3,\"aa\":4,\"a\":5}", "{\"\xC3\xBC\":1,\"z\":2,\"\":3,\"aa\":4,\"a\":5}",
         "{\"\":3,\"a\":5,\"aa\":4,\"z\":2,\"\xC3\xBC\":1}"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct doc d;
        CLEANUP(buf_done) struct buf b;
        buf_init(&b, SIZE_MAX);
        open_doc(&d, cases[i].text);
        json_compact(&b, d.root);
        assert_string_equal(b.data, cases[i].compact);
        buf_clear(&b);
        json_canonical(&b, d.root);
        assert_string_equal(b.data, cases[i].canonical);
        close_doc(&d);
    }
}

static void canonical_form_is_the_same_for_any_order(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf forward, shuffled, a, b;
    struct doc d, e;
    write_object(&forward, 101, NULL);
    buf_init(&shuffled, SIZE_MAX);
    buf_init(&a, SIZE_MAX);
    buf_init(&b, SIZE_MAX);
    jw_open(&shuffled, '{');
    for (int i = 0, k = 0; i < 101; i++, k = (k + 37) % 101) {
        char key[32];
        snprintf(key, sizeof(key), "k%d", k);
        jw_kint(&shuffled, key, k);
    }
    jw_close(&shuffled, '}');
    open_span(&d, buf_view(&forward));
    open_span(&e, buf_view(&shuffled));
    json_canonical(&a, d.root);
    json_canonical(&b, e.root);
    assert_string_equal(a.data, b.data);
    assert_string_not_equal(forward.data, shuffled.data);

    buf_clear(&a);
    mem_fail_after(1);
    json_canonical(&a, d.root);
    mem_fail_after(0);
    assert_true(buf_failed(&a));
    close_doc(&d);
    close_doc(&e);
}

// ---- memory

static void parsing_survives_every_failing_allocation(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf text;
    write_object(&text, 300, "esc\x01" "aped");
    for (uint64_t n = 1;; n++) {
        struct arena arena;
        const struct json *root = NULL;
        tasker_error err = {0};
        arena_init(&arena);
        mem_fail_after(n);
        int r = json_parse(&arena, buf_view(&text), &root, &err);
        bool failed = mem_failed();
        mem_fail_after(0);
        assert_int_equal(r, failed ? TASKER_E_NOMEM : 0);
        assert_int_equal(err.code, r);
        assert_int_equal(root == NULL, failed);
        arena_done(&arena);
        if (!failed)
            break;
        assert_true(n < 100);
    }
    mem_fail_after(1);
    assert_int_equal(json_check(buf_view(&text), NULL, NULL), TASKER_E_NOMEM);
    mem_fail_after(1);
    assert_int_equal(json_check(SPAN("{\"a\":[1,2,{\"b\":\"\\u0041\"}]}"), NULL, NULL), 0);
    assert_false(mem_failed());
    mem_fail_after(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_texts_are_accepted),
        cmocka_unit_test(invalid_texts_are_refused_at_their_place),
        cmocka_unit_test(raw_nul_is_refused_everywhere),
        cmocka_unit_test(every_truncation_of_a_text_is_refused),
        cmocka_unit_test(odd_bytes_are_found_at_every_offset),
        cmocka_unit_test(depth_ends_at_512),
        cmocka_unit_test(what_is_around_payloads_may_be_16_deeper),
        cmocka_unit_test(numbers_beyond_numeric_are_refused),
        cmocka_unit_test(texts_over_the_maximum_are_too_big),
        cmocka_unit_test(long_paths_are_cut),
        cmocka_unit_test(duplicates_are_found_in_objects_of_any_size),
        cmocka_unit_test(first_duplicate_of_several_is_reported),
        cmocka_unit_test(same_key_on_other_levels_is_fine),
        cmocka_unit_test(nodes_carry_text_value_and_links),
        cmocka_unit_test(type_names_are_those_of_json_schema),
        cmocka_unit_test(integers_are_exact),
        cmocka_unit_test(doubles_are_the_nearest),
        cmocka_unit_test(the_last_of_many_digits_decides_the_rounding),
        cmocka_unit_test(equality_is_that_of_values),
        cmocka_unit_test(large_objects_are_equal_in_any_order_even_without_memory),
        cmocka_unit_test(compact_and_canonical_forms),
        cmocka_unit_test(canonical_form_is_the_same_for_any_order),
        cmocka_unit_test(parsing_survives_every_failing_allocation),
    };

    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
