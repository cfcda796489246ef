// SPDX-License-Identifier: MIT
// test_buf.c - spans, the growing buffer, the JSON writer on top of it, and UTF-8.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/utf8.h"

#define MAX ((size_t)1 << 20)

static void assert_text(const struct buf *b, const char *expected)
{
    assert_false(buf_failed(b));
    struct span view = buf_view(b);
    assert_int_equal(view.len, strlen(expected));
    assert_memory_equal(view.p, expected, view.len + 1);
}

// ---- spans and buffers

static void spans_compare_by_content(void **state)
{
    (void)state;
    assert_true(span_is(SPAN("abc"), "abc"));
    assert_false(span_is(SPAN("abc"), "ab"));
    assert_false(span_is(SPAN("ab"), "abc"));
    assert_true(span_is(span_of(NULL), ""));
    assert_true(span_eq(span_of("x"), SPAN("x")));
    assert_false(span_eq(span_of("x"), SPAN("y")));
    assert_null(span_of(NULL).p);
}

static void appends_of_all_kinds_add_up(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf b;
    buf_init(&b, MAX);
    assert_text(&b, "");
    buf_str(&b, "one ");
    buf_add(&b, "twoxx", 3);
    buf_char(&b, ' ');
    buf_span(&b, SPAN("three"));
    buf_printf(&b, " %d%s", 4, "!");
    buf_str(&b, NULL);
    buf_add(&b, NULL, 0);
    buf_printf(&b, "%s", "");
    assert_text(&b, "one two three 4!");
    buf_clear(&b);
    assert_text(&b, "");
    for (int i = 0; i < 1000; i++)
        buf_printf(&b, "%03d", i);
    assert_int_equal(b.len, 3000);
    assert_memory_equal(b.data + 2997, "999", 4);
}

static void maximum_is_a_sticky_failure(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf b;
    buf_init(&b, 5);
    buf_str(&b, "12345");
    assert_text(&b, "12345");
    buf_char(&b, '6');
    assert_true(buf_failed(&b));
    assert_int_equal(b.len, 5);
    buf_clear(&b);
    assert_text(&b, "");
    buf_str(&b, "ok");
    assert_text(&b, "ok");
    buf_printf(&b, "%s", "abcd");
    assert_true(buf_failed(&b));
    buf_char(&b, 'x');
    assert_int_equal(b.len, 2);
    assert_null(buf_take(&b, NULL));
    buf_done(&b);
    assert_false(buf_failed(&b));
    assert_int_equal(b.max, 5);
}

static void take_gives_the_memory_away(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf b;
    size_t len = 99;
    buf_init(&b, MAX);
    CLEANUP(mem_freep) char *empty = buf_take(&b, &len);
    assert_string_equal(empty, "");
    assert_int_equal(len, 0);
    buf_str(&b, "mine");
    CLEANUP(mem_freep) char *text = buf_take(&b, &len);
    assert_string_equal(text, "mine");
    assert_int_equal(len, 4);
    assert_text(&b, "");
    mem_fail_after(1);
    len = 99;
    assert_null(buf_take(&b, &len));
    mem_fail_after(0);
    assert_int_equal(len, 99);
}

static void buffer_survives_every_failing_allocation(void **state)
{
    (void)state;
    for (uint64_t n = 1;; n++) {
        struct buf b;
        buf_init(&b, MAX);
        mem_fail_after(n);
        for (int i = 0; i < 500; i++) {
            buf_printf(&b, "%d", i);
            jw_kstr(&b, "k", "v\n");
        }
        size_t len;
        char *text = buf_take(&b, &len);
        bool failed = mem_failed();
        mem_fail_after(0);
        assert_int_equal(failed, text == NULL);
        mem_free(text);
        buf_done(&b);
        if (!failed)
            break;
        assert_true(n < 100);
    }
}

// ---- JSON writing

static void writer_puts_commas_where_they_belong(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf b;
    buf_init(&b, MAX);
    jw_open(&b, '{');
    jw_kstr(&b, "s", "x");
    jw_kint(&b, "i", INT64_MIN);
    jw_kint(&b, "j", INT64_MAX);
    jw_kbool(&b, "t", true);
    jw_kbool(&b, "f", false);
    jw_kstr(&b, "n", NULL);
    jw_kraw(&b, "r", "[1, 2]", 6);
    jw_kraw(&b, "q", NULL, 0);
    jw_key(&b, "a");
    jw_open(&b, '[');
    jw_open(&b, '[');
    jw_close(&b, ']');
    jw_int(&b, 1);
    jw_str(&b, "{");
    jw_str(&b, "[:");
    jw_open(&b, '{');
    jw_close(&b, '}');
    jw_null(&b);
    jw_bool(&b, true);
    jw_raw(&b, "1.10", 4);
    jw_close(&b, ']');
    jw_ktime(&b, "when", INT64_C(1795410950123456));
    jw_ktime(&b, "never", 0);
    jw_close(&b, '}');
    assert_text(&b, "{\"s\":\"x\",\"i\":-9223372036854775808,\"j\":9223372036854775807,\"t\":true,\"f\":false,"
                    "\"n\":null,\"r\":[1, 2],\"q\":null,\"a\":[[],1,\"{\",\"[:\",{},null,true,1.10],"
                    "\"when\":\"2026-11-23T05:15:50.123456Z\",\"never\":null}");
}

static void writer_escapes_what_json_asks_and_no_more(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        size_t len;
        const char *out;
    } cases[] = {
        {"", 0, "\"\""},
        {"a\"b\\c/d", 7, "\"a\\\"b\\\\c/d\""},
        {"\b\f\n\r\t", 5, "\"\\b\\f\\n\\r\\t\""},
        {"\x01\x1f\x7f", 3, "\"\\u0001\\u001f\x7f\""},
        {"gr\xC3\xBC\xC3\x9F \xF0\x9F\x98\x80", 11, "\"gr\xC3\xBC\xC3\x9F \xF0\x9F\x98\x80\""},
        {"a\xFFz", 3, "\"a\xEF\xBF\xBDz\""},
        {"\xC3", 1, "\"\xEF\xBF\xBD\""},
        {"\xED\xA0\x80", 3, "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
        {"a\0b", 3, "\"a\xEF\xBF\xBD" "b\""},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CLEANUP(buf_done) struct buf b;
        buf_init(&b, MAX);
        jw_strn(&b, cases[i].in, cases[i].len);
        assert_text(&b, cases[i].out);
    }
}

// ---- UTF-8

static void utf8_takes_exactly_the_characters_of_unicode(void **state)
{
    (void)state;
    for (uint32_t c = 0; c < 0x110000; c++) {
        char bytes[4];
        uint32_t back = UINT32_MAX;
        size_t len = utf8_encode(c, bytes);
        bool surrogate = c >= 0xD800 && c <= 0xDFFF;
        assert_int_equal(utf8_decode(bytes, len, &back), surrogate ? 0 : len);
        if (!surrogate)
            assert_int_equal(back, c);
        if (len > 1)
            assert_int_equal(utf8_length(bytes, len - 1), 0);
    }
}

static void utf8_refuses_malformed_bytes(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC3(", "\xE0\x80\x80", "\xE0\x9F\xBF", "\xED\xA0\x80",
        "\xE2\x82(", "\xF0\x80\x80\x80", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(utf8_length(bad[i], strlen(bad[i])), 0);
    assert_int_equal(utf8_length("", 0), 0);

    char text[100];
    for (size_t at = 0; at < sizeof(text); at++) {
        size_t found = 999;
        memset(text, 'a', sizeof(text));
        assert_true(utf8_check(text, sizeof(text), &found));
        text[at] = '\x80';
        assert_false(utf8_check(text, sizeof(text), &found));
        assert_int_equal(found, at);
        assert_false(utf8_check(text, sizeof(text), NULL));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_compare_by_content),
        cmocka_unit_test(appends_of_all_kinds_add_up),
        cmocka_unit_test(maximum_is_a_sticky_failure),
        cmocka_unit_test(take_gives_the_memory_away),
        cmocka_unit_test(buffer_survives_every_failing_allocation),
        cmocka_unit_test(writer_puts_commas_where_they_belong),
        cmocka_unit_test(writer_escapes_what_json_asks_and_no_more),
        cmocka_unit_test(utf8_takes_exactly_the_characters_of_unicode),
        cmocka_unit_test(utf8_refuses_malformed_bytes),
    };

    return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
