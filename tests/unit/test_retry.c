// SPDX-License-Identifier: MIT
// test_retry.c - the backoff of every strategy, jitter inside the cap, and Retry-After in its
// forms.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "model/retry.h"

static int64_t exact(enum retry_strategy strategy, int attempt)
{
    struct retry_policy p = retry_default;
    struct rng rng = {1};
    p.strategy = strategy;
    p.jitter = 0;
    return retry_backoff_ms(&p, attempt, &rng);
}

static void exponential_doubles_up_to_the_cap(void **state)
{
    (void)state;
    static const int64_t wanted[] = {1000,  2000,   4000,   8000,   16000, 32000,
                                     64000, 128000, 256000, 300000, 300000};
    for (int i = 0; i < (int)ARRAY_SIZE(wanted); i++)
        assert_int_equal(exact(RS_EXPONENTIAL, i + 1), wanted[i]);
    assert_int_equal(exact(RS_EXPONENTIAL, INT32_MAX), 300000);
    assert_int_equal(exact(RS_EXPONENTIAL, 0), 1000);
}

static void other_strategies_are_what_they_are_called(void **state)
{
    (void)state;
    assert_int_equal(exact(RS_FIXED, 1), 1000);
    assert_int_equal(exact(RS_FIXED, 50), 1000);
    assert_int_equal(exact(RS_LINEAR, 3), 3000);
    assert_int_equal(exact(RS_LINEAR, INT32_MAX), 300000);
    assert_int_equal(exact(RS_IMMEDIATE, 9), 0);
    assert_int_equal(exact(RS_NONE, 9), 0);
    assert_int_equal(exact(RS_COUNT, 9), 0);
}

static void a_multiplier_of_one_does_not_loop_for_ever(void **state)
{
    (void)state;
    struct retry_policy p = {
        .strategy = RS_EXPONENTIAL, .base_ms = 7, .max_ms = 300000, .multiplier = 1};
    struct rng rng = {1};
    assert_int_equal(retry_backoff_ms(&p, INT32_MAX, &rng), 7);
    p.base_ms = 0;
    p.multiplier = 2;
    assert_int_equal(retry_backoff_ms(&p, INT32_MAX, &rng), 0);
}

static void jitter_spreads_by_a_tenth_and_stays_below_the_cap(void **state)
{
    (void)state;
    struct rng rng = {42};
    int64_t least = INT64_MAX, most = 0, least_capped = INT64_MAX, most_capped = 0;
    for (int i = 0; i < 2000; i++) {
        int64_t ms = retry_backoff_ms(&retry_default, 3, &rng),
                capped = retry_backoff_ms(&retry_default, 30, &rng);
        least = ms < least ? ms : least;
        most = ms > most ? ms : most;
        least_capped = capped < least_capped ? capped : least_capped;
        most_capped = capped > most_capped ? capped : most_capped;
    }
    assert_in_range(least, 3600, 3650);
    assert_in_range(most, 4350, 4400);
    assert_in_range(least_capped, 270000, 271000);
    assert_in_range(most_capped, 299000, 300000);
}

static void the_same_seed_gives_the_same_waits(void **state)
{
    (void)state;
    struct rng a = {7}, b = {7};
    for (int i = 1; i < 50; i++)
        assert_int_equal(retry_backoff_ms(&retry_default, i, &a),
                         retry_backoff_ms(&retry_default, i, &b));
}

static void the_floor_is_the_one_of_the_sql(void **state)
{
    (void)state;
    static const int wanted[] = {1, 2, 4, 8, 16, 30, 30};
    for (int i = 0; i < (int)ARRAY_SIZE(wanted); i++)
        assert_int_equal(retry_sql_floor_seconds(i), wanted[i]);
    assert_int_equal(retry_sql_floor_seconds(44), 30);
    assert_int_equal(retry_sql_floor_seconds(INT32_MAX), 30);
    assert_int_equal(retry_sql_floor_seconds(-1), 1);
}

static void retry_after_reads_seconds_and_dates(void **state)
{
    (void)state;
    int64_t now;
    assert_true(time_parse(SPAN("2026-11-23T05:15:50.5Z"), &now));
    static const struct {
        const char *text;
        int32_t seconds;
    } rows[] = {
        {"0", 0},
        {"17", 17},
        {" 17\t", 17},
        {"300", 300},
        {"301", 300},
        {"99999999999999999999999999", 300},
        {"Mon, 23 Nov 2026 05:16:00 GMT", 10},
        {"Monday, 23-Nov-26 05:16:00 GMT", 10},
        {"Mon Nov 23 05:16:00 2026", 10},
        {"Mon, 23 Nov 2026 06:16:00 GMT", 300},
        {"Mon, 23 Nov 2026 05:15:50 GMT", 0},
        {"Mon, 23 Nov 2020 05:15:50 GMT", 0},
        {"", -1},
        {"-5", -1},
        {"1.5", 2},
        {"0.2", 1},
        {"2.00", 2},
        {"300.5", 300},
        {"99999999999999999999999999.5", 300},
        {"1.", -1},
        {".5", -1},
        {"1.5.2", -1},
        {"5 s", -1},
        {"tomorrow", -1},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        int32_t seconds = retry_after_seconds(span_of(rows[i].text), now, 300);
        if (seconds != rows[i].seconds)
            fail_msg("%s gave %d", rows[i].text, seconds);
    }
}

static void names_are_in_order(void **state)
{
    (void)state;
    assert_string_equal(retry_strategy_names[RS_EXPONENTIAL], "exponential");
    assert_string_equal(retry_strategy_names[RS_NONE], "none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exponential_doubles_up_to_the_cap),
        cmocka_unit_test(other_strategies_are_what_they_are_called),
        cmocka_unit_test(a_multiplier_of_one_does_not_loop_for_ever),
        cmocka_unit_test(jitter_spreads_by_a_tenth_and_stays_below_the_cap),
        cmocka_unit_test(the_same_seed_gives_the_same_waits),
        cmocka_unit_test(the_floor_is_the_one_of_the_sql),
        cmocka_unit_test(retry_after_reads_seconds_and_dates),
        cmocka_unit_test(names_are_in_order),
    };
    return cmocka_run_group_tests_name("retry", tests, NULL, NULL);
}
