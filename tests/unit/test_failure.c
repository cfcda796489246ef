// SPDX-License-Identifier: MIT
// test_failure.c - which category a failure gets from typed causes and from whole words, and what
// follows from it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "model/failure.h"

#define NOW INT64_C(1790000000000000)

static struct verdict judge(struct failure f)
{
    struct verdict v;
    failure_judge(&f, NOW, &v);
    return v;
}

static enum failure_category of_text(const char *error_class, const char *message)
{
    return judge((struct failure){.error_class = span_of(error_class), .message = span_of(message)})
        .category;
}

static void all_ten_categories_are_reached_from_text_or_cause(void **state)
{
    (void)state;
    static const struct {
        const char *error_class, *message;
        enum failure_category category;
    } rows[] = {
        {NULL, NULL, FC_UNKNOWN},
        {NULL, "validation failed", FC_PERMANENT},
        {"ArgumentError", "wrong number of arguments", FC_TRANSIENT},
        {NULL, "the call timed out", FC_TIMEOUT},
        {NULL, "429 Too Many Requests", FC_RATE_LIMIT},
        {NULL, "network is unreachable", FC_NETWORK},
        {NULL, "SMTP is not configured", FC_CONFIGURATION},
        {NULL, "no space left on device", FC_RESOURCE},
        {NULL, "HTTP 503 from payments", FC_DEPENDENCY},
        {NULL, "deadlock detected", FC_STATE},
    };
    bool reached[FC_COUNT] = {false};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_int_equal(of_text(rows[i].error_class, rows[i].message), rows[i].category);
        reached[rows[i].category] = true;
    }
    for (unsigned i = 0; i < FC_COUNT; i++)
        assert_true(reached[i]);
}

static void words_are_whole(void **state)
{
    (void)state;
    static const char *const harmless[] = {
        "could not generate the report",
        "the author limit was hit",
        "unlocking failed",
        "blocked by a clock",
        "disconnection",
        "invalidated cache entry",
        "reconfigurations",
        "dnsmasq",
        "took 503ms",
        "version 1.503 is out",
        "price 1,429 too high",
        "order 4290 failed",
        "memoryless",
        "restaleness",
        "rate is too high",
        "limit of 3",
        "timeoutless",
        "0x502",
    };
    for (size_t i = 0; i < ARRAY_SIZE(harmless); i++)
        if (of_text(NULL, harmless[i]) != FC_TRANSIENT)
            fail_msg("%s is %s", harmless[i], failure_category_names[of_text(NULL, harmless[i])]);
}

static void words_are_found_in_every_spelling(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum failure_category category;
    } rows[] = {
        {"Net::ReadTimeout", FC_TIMEOUT},
        {"HTTPTimeoutError", FC_TIMEOUT},
        {"TIMED OUT", FC_TIMEOUT},
        {"Errno::ETIMEDOUT", FC_TIMEOUT},
        {"RateLimitError", FC_RATE_LIMIT},
        {"rate_limit_exceeded", FC_RATE_LIMIT},
        {"Rate-Limited", FC_RATE_LIMIT},
        {"Errno::ECONNREFUSED", FC_NETWORK},
        {"connectionReset", FC_NETWORK},
        {"DNSError", FC_NETWORK},
        {"(connection)", FC_NETWORK},
        {"Http503Error", FC_DEPENDENCY},
        {"status=502.", FC_DEPENDENCY},
        {"StaleObjectError", FC_STATE},
        {"409 Conflict", FC_STATE},
        {"LockWaitTimeout", FC_STATE},
        {"OutOfMemoryError", FC_RESOURCE},
        {"disk quota exceeded", FC_RESOURCE},
        {"permission denied", FC_CONFIGURATION},
        {"Forbidden", FC_CONFIGURATION},
        {"ActiveRecord::RecordInvalid", FC_PERMANENT},
        {"Tasker::PermanentError", FC_PERMANENT},
        {"Tasker::RetryableError", FC_TRANSIENT},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (of_text(rows[i].text, "x") != rows[i].category)
            fail_msg("%s is %s", rows[i].text, failure_category_names[of_text(rows[i].text, "x")]);
        assert_int_equal(of_text(NULL, rows[i].text), rows[i].category);
    }
}

static void the_class_counts_more_than_the_message(void **state)
{
    (void)state;
    assert_int_equal(of_text("ValidationError", "timeout must be positive"), FC_PERMANENT);
    assert_int_equal(of_text("Timeout::Error", "invalid state"), FC_TIMEOUT);
    struct failure f = {.code = SPAN("ECONNRESET"), .message = SPAN("invalid answer")};
    assert_int_equal(judge(f).category, FC_NETWORK);
}

static void the_handlers_own_word_wins(void **state)
{
    (void)state;
    for (unsigned i = 0; i < FC_COUNT; i++) {
        struct failure f = {.category = span_of(failure_category_names[i]),
                            .message = SPAN("timed out"),
                            .retry_after = SPAN("5")};
        struct verdict v = judge(f);
        assert_int_equal(v.category, i);
        assert_int_equal(v.retryable, failure_retryable(i));
        assert_int_equal(v.delay, 5);
        f.permanent = true;
        assert_int_equal(judge(f).category, i);
        assert_false(judge(f).retryable);
    }
    struct failure unknown_word = {.category = SPAN("sometimes"), .message = SPAN("timed out")};
    assert_int_equal(judge(unknown_word).category, FC_TIMEOUT);
}

static void causes_are_typed(void **state)
{
    (void)state;
    static const struct {
        enum failure_cause cause;
        enum failure_category category;
        bool retryable;
    } rows[] = {
        {CAUSE_TIMEOUT, FC_TIMEOUT, true},       {CAUSE_WORKER_LOST, FC_TRANSIENT, true},
        {CAUSE_CONFIG, FC_CONFIGURATION, false}, {CAUSE_NOT_STORABLE, FC_PERMANENT, false},
        {CAUSE_TASK_TIMEOUT, FC_TIMEOUT, false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct verdict v =
            judge((struct failure){.cause = rows[i].cause, .message = SPAN("disk quota")});
        assert_int_equal(v.category, rows[i].category);
        assert_int_equal(v.retryable, rows[i].retryable);
    }
}

static void permanent_is_never_tried_again(void **state)
{
    (void)state;
    struct verdict v = judge((struct failure){.permanent = true, .message = SPAN("timed out")});
    assert_int_equal(v.category, FC_PERMANENT);
    assert_false(v.retryable);
    assert_true(span_is(v.code, "PERMANENT_FAILURE"));
}

static void retry_after_is_a_servers_delay(void **state)
{
    (void)state;
    struct verdict v =
        judge((struct failure){.retry_after = SPAN("17"), .message = SPAN("invalid")});
    assert_int_equal(v.category, FC_RATE_LIMIT);
    assert_true(v.retryable && v.server_delay);
    assert_int_equal(v.delay, 17);
    v = judge((struct failure){.retry_after = SPAN("soon"), .message = SPAN("slow down")});
    assert_int_equal(v.category, FC_TRANSIENT);
    assert_false(v.server_delay);
    assert_int_equal(v.delay, -1);
    v = judge((struct failure){.retry_after = SPAN("100000")});
    assert_int_equal(v.delay, 300);
}

static void categories_bring_their_delay_and_code(void **state)
{
    (void)state;
    struct verdict v = judge((struct failure){.category = SPAN("rate_limit")});
    assert_int_equal(v.delay, 60);
    assert_false(v.server_delay);
    v = judge((struct failure){.category = SPAN("resource_exhaustion"), .code = SPAN("MINE")});
    assert_int_equal(v.delay, 30);
    assert_true(span_is(v.code, "MINE"));
    v = judge((struct failure){.category = SPAN("network")});
    assert_int_equal(v.delay, -1);
    assert_true(span_is(v.code, "NETWORK_ERROR"));
}

static void only_two_categories_are_not_retryable(void **state)
{
    (void)state;
    for (unsigned i = 0; i < FC_COUNT; i++) {
        assert_int_equal(failure_retryable(i), i != FC_PERMANENT && i != FC_CONFIGURATION);
        assert_true(strlen(failure_remedy(i)) > 10);
    }
    assert_false(failure_retryable(FC_COUNT));
    assert_string_equal(failure_remedy(FC_COUNT), failure_remedy(FC_UNKNOWN));
}

static void results_have_the_keys_of_rails_and_ours(void **state)
{
    (void)state;
    struct failure f = {
        .message = SPAN("it \"broke\""), .error_class = SPAN("Oops"), .category = SPAN("network")};
    struct verdict v = judge(f);
    struct buf out;
    buf_init(&out, 1 << 20);
    failure_results(&out, &f, &v, 2);
    assert_string_equal(
        buf_view(&out).p,
        "{\"error\":\"it "
        "\\\"broke\\\"\",\"error_class\":\"Oops\",\"backtrace\":null,\"code\":\"NETWORK_ERROR\","
        "\"category\":\"network\",\"retryable\":true,\"attempt\":2,"
        "\"remediation\":\"Check the connection and the remote service.\"}");
    buf_done(&out);
}

static void endless_texts_are_cut(void **state)
{
    (void)state;
    static char big[1 << 20];
    memset(big, 1, sizeof big);
    struct span text = {big, sizeof big};
    struct failure f = {.message = text, .error_class = text, .backtrace = text, .code = text};
    struct verdict v = judge(f);
    struct buf out;
    buf_init(&out, 1 << 20);
    failure_results(&out, &f, &v, 1);
    assert_false(buf_failed(&out));
    assert_int_equal(json_check(buf_view(&out), NULL, NULL), 0);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_ten_categories_are_reached_from_text_or_cause),
        cmocka_unit_test(words_are_whole),
        cmocka_unit_test(words_are_found_in_every_spelling),
        cmocka_unit_test(the_class_counts_more_than_the_message),
        cmocka_unit_test(the_handlers_own_word_wins),
        cmocka_unit_test(causes_are_typed),
        cmocka_unit_test(permanent_is_never_tried_again),
        cmocka_unit_test(retry_after_is_a_servers_delay),
        cmocka_unit_test(categories_bring_their_delay_and_code),
        cmocka_unit_test(only_two_categories_are_not_retryable),
        cmocka_unit_test(results_have_the_keys_of_rails_and_ours),
        cmocka_unit_test(endless_texts_are_cut),
    };
    return cmocka_run_group_tests_name("failure", tests, NULL, NULL);
}
