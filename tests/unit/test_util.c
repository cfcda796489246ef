// SPDX-License-Identifier: MIT
// test_util.c - time as text, random numbers, UUIDs, SHA-256, the list and the heap.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/util.h"

#define SECONDS(s) (INT64_C(s) * US_PER_SECOND)

// ---- time

static void times_are_written_in_both_forms(void **state)
{
    (void)state;
    static const struct {
        int64_t us;
        const char *db;
    } cases[] = {
        {0, "1970-01-01 00:00:00.000000"},
        {-1, "1969-12-31 23:59:59.999999"},
        {INT64_C(1795410950123456), "2026-11-23 05:15:50.123456"},
        {SECONDS(951782400), "2000-02-29 00:00:00.000000"},
        {SECONDS(4107542400), "2100-03-01 00:00:00.000000"},
        {SECONDS(-2203891200), "1900-03-01 00:00:00.000000"},
        {SECONDS(-62135596800), "0001-01-01 00:00:00.000000"},
        {SECONDS(253402300799), "9999-12-31 23:59:59.000000"},
        {SECONDS(253402300800), "10000-01-01 00:00:00.000000"},
        {INT64_MIN, "-290308-12-21 19:59:05.224192"},
        {INT64_MAX, "294247-01-10 04:00:54.775807"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char db[TIME_TEXT_SIZE], iso[TIME_TEXT_SIZE], expected[TIME_TEXT_SIZE];
        assert_string_equal(time_db(cases[i].us, db), cases[i].db);
        strcpy(expected, cases[i].db);
        *strchr(expected, ' ') = 'T';
        strcat(expected, "Z");
        assert_string_equal(time_iso(cases[i].us, iso), expected);
    }
}

static void times_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t us;
    } cases[] = {
        {"1970-01-01", 0},
        {"2026-11-23T05:15:50.123456Z", INT64_C(1795410950123456)},
        {"2026-11-23 05:15:50.123456", INT64_C(1795410950123456)},
        {"2026-11-23t05:15:50z", SECONDS(1795410950)},
        {"2026-11-23T05:15", SECONDS(1795410900)},
        {"2026-11-23T05:15Z", SECONDS(1795410900)},
        {"2026-11-23T06:15:50+01:00", SECONDS(1795410950)},
        {"2026-11-23T06:15:50.5+0100", SECONDS(1795410950) + 500000},
        {"2026-11-22 23:45:50-05:30", SECONDS(1795410950)},
        {"2026-11-23 05:15:50.123456+00", INT64_C(1795410950123456)},
        {"2026-11-23T05:15:50,1Z", SECONDS(1795410950) + 100000},
        {"2026-11-23T05:15:50.123456789Z", INT64_C(1795410950123456)},
        {"2000-02-29", SECONDS(951782400)},
        {"2016-12-31T23:59:60Z", SECONDS(1483228800)},
        {"0001-01-01T00:00:00Z", SECONDS(-62135596800)},
        {"9999-12-31T23:59:59.999999Z", SECONDS(253402300800) - 1},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        int64_t us = -42;
        if (!time_parse(span_of(cases[i].text), &us) || us != cases[i].us)
            fail_msg("%s: %lld", cases[i].text, (long long)us);
    }
}

static void what_is_no_time_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "", "2026", "2026-11", "2026-11-2", "2026-11-23T", "2026-11-23T5:15", "2026-11-23T05", "2026-11-23T05:",
        "2026-11-23T05:15:", "2026-11-23T05:15:5", "2026-11-23T05:15:50.", "2026-11-23T05:15:50.Z", "2026-13-01",
        "2026-00-01", "2026-01-00", "2026-01-32", "2026-02-29", "1900-02-29", "2026-04-31", "2026-11-23T24:00:00Z",
        "2026-11-23T05:60:00Z", "2026-11-23T05:15:61Z", "2026-11-23T05:15:50X", "2026-11-23T05:15:50+", "2026-11-23x",
        "2026-11-23T05:15:50+1", "2026-11-23T05:15:50+24:00", "2026-11-23T05:15:50+01:60", "2026-11-23T05:15:50+01:",
        "2026-11-23T05:15:50Zx", " 2026-11-23", "2026-11-23 ", "2026/11/23", "20261123", "-026-11-23", "2026-11-23Z",
        "0000-12-31", "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01", "9999-12-31T23:59:60Z",
    };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        int64_t us = -42;
        if (time_parse(span_of(texts[i]), &us))
            fail_msg("%s was read", texts[i]);
        assert_int_equal(us, -42);
    }
    int64_t us;
    assert_false(time_parse((struct span){0}, &us));
    assert_false(time_parse((struct span){"2026-11-23T05:15\0", 17}, &us));
}

static void written_times_are_read_back(void **state)
{
    (void)state;
    struct rng r = {7};
    for (int i = 0; i < 20000; i++) {
        char text[TIME_TEXT_SIZE];
        int64_t span_us = SECONDS(253402300800) + SECONDS(62135596800), back;
        int64_t us = (int64_t)rng_below(&r, (uint64_t)span_us) - SECONDS(62135596800);
        assert_true(time_parse(span_of(time_iso(us, text)), &back));
        assert_int_equal(back, us);
        assert_true(time_parse(span_of(time_db(us, text)), &back));
        assert_int_equal(back, us);

        time_t seconds = (time_t)(us / US_PER_SECOND - (us % US_PER_SECOND < 0));
        struct tm tm;
        char expected[TIME_TEXT_SIZE];
        gmtime_r(&seconds, &tm);
        strftime(expected, sizeof(expected), "-%m-%d %H:%M:%S.", &tm);
        assert_memory_equal(text + 4, expected, strlen(expected));
    }
}

static void http_dates_are_read_in_three_forms(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t seconds;
    } cases[] = {
        {"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
        {"Sunday, 06-Nov-94 08:49:37 GMT", 784111777},
        {"Sun Nov  6 08:49:37 1994", 784111777},
        {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
        {"Mon, 23 Nov 2026 05:15:50 GMT", 1795410950},
        {"Monday, 23-Nov-26 05:15:50 GMT", 1795410950},
        {"Mon Nov 23 05:15:50 2026", 1795410950},
        {"Sat, 31 Dec 2016 23:59:60 GMT", 1483228800},
    };
    static const char *const bad[] = {
        "", "Sun", "Sun,", "Sunday", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49 GMT", "Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 06 nov 1994 08:49:37 GMT",
        "Xyz, 06 Nov 1994 08:49:37 GMT", "Sun, 31 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT ", "Sunday, 06-Nov-1994 08:49:37 GMT", "Sun, 06-Nov-94 08:49:37 GMT",
        "Sun Nov 6 08:49:37 1994", "Sun Nov  6 08:49:37 94", "Sunday Nov  6 08:49:37 1994", "120",
        "1994-11-06T08:49:37Z",
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        int64_t us = -42;
        if (!time_parse_http(span_of(cases[i].text), &us) || us != cases[i].seconds * US_PER_SECOND)
            fail_msg("%s: %lld", cases[i].text, (long long)us);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        int64_t us = -42;
        if (time_parse_http(span_of(bad[i]), &us))
            fail_msg("%s was read", bad[i]);
        assert_int_equal(us, -42);
    }
}

static void clocks_go_forward(void **state)
{
    (void)state;
    int64_t before = clock_monotonic_us(), cpu = clock_cpu_us();
    assert_true(clock_monotonic_us() >= before);
    assert_true(clock_cpu_us() >= cpu);
    assert_in_range(clock_real_us() / US_PER_SECOND, 1735689600, 4102444800);
    assert_in_range(clock_real_us() / US_PER_SECOND - time(NULL) + 2, 0, 4);
}

// ---- random numbers, UUIDs, digests

static void random_numbers_are_those_of_splitmix64(void **state)
{
    (void)state;
    struct rng r = {1234567};
    static const uint64_t expected[] = {
        UINT64_C(6457827717110365317), UINT64_C(3203168211198807973), UINT64_C(9817491932198370423),
        UINT64_C(4593380528125082431), UINT64_C(16408922859458223821),
    };

    for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
        assert_true(rng_next(&r) == expected[i]);
}

static void bounded_numbers_cover_their_range(void **state)
{
    (void)state;
    struct rng r = {1};
    int seen[7] = {0};
    for (int i = 0; i < 7000; i++)
        seen[rng_below(&r, 7)]++;
    for (int i = 0; i < 7; i++)
        assert_in_range(seen[i], 850, 1150);
    assert_int_equal(rng_below(&r, 0), 0);
    assert_int_equal(rng_below(&r, 1), 0);
    uint64_t bound = UINT64_MAX / 2 + 2;
    for (int i = 0; i < 100; i++)
        assert_true(rng_below(&r, bound) < bound);

    double sum = 0;
    for (int i = 0; i < 10000; i++) {
        double u = rng_unit(&r);
        assert_true(u >= 0 && u < 1);
        sum += u;
    }
    assert_true(sum > 4800 && sum < 5200);
    assert_true(rng_seed_system() != rng_seed_system());
}

static void uuids_have_version_variant_and_order(void **state)
{
    (void)state;
    struct rng r = {5}, same = {5};
    char a[UUID_TEXT_SIZE], b[UUID_TEXT_SIZE];
    const int64_t us = SECONDS(1645557742);  // 0x017F22E279B0 ms, as in RFC 9562, appendix A.6

    assert_string_equal(uuid_v7(us, &r, a), uuid_v7(us, &same, b));
    assert_int_equal(strlen(a), 36);
    assert_memory_equal(a, "017f22e2-79b0-7", 15);
    assert_non_null(strchr("89ab", a[19]));
    for (int i = 0; i < 36; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        assert_non_null(strchr(dash ? "-" : "0123456789abcdef", a[i]));
    }
    for (int i = 1; i < 1000; i++) {
        uuid_v7(us + i * US_PER_MS, &r, b);
        assert_true(strcmp(a, b) < 0);
        strcpy(a, b);
    }
    uuid_v7(-5, &r, a);
    assert_memory_equal(a, "00000000-0000-7", 15);
}

static void sha256_matches_its_standard(void **state)
{
    (void)state;
    char hex[SHA256_HEX_SIZE];
    assert_string_equal(sha256_hex(NULL, 0, hex), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_string_equal(sha256_hex("abc", 3, hex), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CLEANUP(mem_freep) char *million = mem_alloc(1000000);
    memset(million, 'a', 1000000);
    assert_string_equal(sha256_hex(million, 1000000, hex),
                        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

// ---- list

struct item {
    int value;
    struct list link;
};

static void list_keeps_order_and_removes(void **state)
{
    (void)state;
    struct list head;
    struct item items[5];
    list_init(&head);
    assert_true(list_empty(&head));
    assert_null(list_pop(&head));
    for (int i = 0; i < 5; i++) {
        items[i].value = i;
        list_init(&items[i].link);
        assert_true(list_empty(&items[i].link));
    }
    for (int i = 1; i < 5; i++)
        list_push(&head, &items[i].link);
    list_unshift(&head, &items[0].link);
    list_remove(&items[2].link);
    list_remove(&items[2].link);
    assert_true(list_empty(&items[2].link));

    int expected[] = {0, 1, 3, 4}, n = 0;
    list_each(pos, &head)
    {
        assert_int_equal(container_of(pos, struct item, link)->value, expected[n++]);
        list_remove(pos);
    }
    assert_int_equal(n, 4);
    assert_true(list_empty(&head));
    list_push(&head, &items[2].link);
    assert_ptr_equal(list_pop(&head), &items[2].link);
    assert_true(list_empty(&head));
}

// ---- heap

struct timer {
    uint64_t due;
    struct heap_node node;
};

static bool due_earlier(const struct heap_node *a, const struct heap_node *b)
{
    return container_of(a, const struct timer, node)->due < container_of(b, const struct timer, node)->due;
}

static void assert_heap(const struct heap *h)
{
    for (size_t i = 0; i < h->count; i++) {
        assert_int_equal(h->items[i]->place, i + 1);
        if (i > 0)
            assert_false(due_earlier(h->items[i], h->items[(i - 1) / 2]));
    }
}

static void heap_pops_in_order(void **state)
{
    (void)state;
    struct heap h;
    struct timer timers[200] = {0};
    struct rng r = {3};
    heap_init(&h, due_earlier);
    assert_null(heap_top(&h));
    assert_null(heap_pop(&h));
    for (size_t i = 0; i < ARRAY_SIZE(timers); i++) {
        timers[i].due = rng_below(&r, 50);
        assert_int_equal(heap_push(&h, &timers[i].node), 0);
        assert_heap(&h);
    }
    uint64_t last = 0;
    for (size_t i = 0; i < ARRAY_SIZE(timers); i++) {
        struct heap_node *top = heap_top(&h);
        assert_ptr_equal(heap_pop(&h), top);
        assert_int_equal(top->place, 0);
        assert_true(container_of(top, struct timer, node)->due >= last);
        last = container_of(top, struct timer, node)->due;
    }
    assert_null(heap_pop(&h));
    heap_done(&h);
}

static void heap_nodes_move_and_leave_from_anywhere(void **state)
{
    (void)state;
    struct heap h;
    struct timer timers[64] = {0};
    struct rng r = {9};
    heap_init(&h, due_earlier);
    for (int round = 0; round < 20000; round++) {
        struct timer *t = &timers[rng_below(&r, ARRAY_SIZE(timers))];
        bool inside = t->node.place > 0;
        uint64_t what = rng_below(&r, 3);
        if (what == 0) {
            heap_remove(&h, &t->node);
            assert_int_equal(t->node.place, 0);
        } else {
            t->due = rng_below(&r, 1000);
            if (inside)
                heap_moved(&h, &t->node);
            else if (what == 1)
                assert_int_equal(heap_push(&h, &t->node), 0);
            else
                heap_moved(&h, &t->node);
        }
        if (round % 50 == 0)
            assert_heap(&h);
    }
    assert_heap(&h);
    size_t inside = 0;
    for (size_t i = 0; i < ARRAY_SIZE(timers); i++)
        inside += timers[i].node.place > 0;
    assert_int_equal(h.count, inside);
    heap_done(&h);
    for (size_t i = 0; i < ARRAY_SIZE(timers); i++)
        assert_int_equal(timers[i].node.place, 0);
}

static void heap_survives_every_failing_allocation(void **state)
{
    (void)state;
    for (uint64_t n = 1;; n++) {
        struct heap h;
        struct timer timers[100] = {0};
        size_t pushed = 0;
        heap_init(&h, due_earlier);
        mem_fail_after(n);
        for (size_t i = 0; i < ARRAY_SIZE(timers); i++) {
            timers[i].due = ARRAY_SIZE(timers) - i;
            int r = heap_push(&h, &timers[i].node);
            assert_int_equal(timers[i].node.place > 0, r == 0);
            pushed += r == 0;
        }
        bool failed = mem_failed();
        mem_fail_after(0);
        assert_int_equal(pushed, ARRAY_SIZE(timers) - failed);
        assert_int_equal(h.count, pushed);
        assert_heap(&h);
        heap_done(&h);
        if (!failed)
            break;
        assert_true(n < 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_written_in_both_forms),
        cmocka_unit_test(times_are_read),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(written_times_are_read_back),
        cmocka_unit_test(http_dates_are_read_in_three_forms),
        cmocka_unit_test(clocks_go_forward),
        cmocka_unit_test(random_numbers_are_those_of_splitmix64),
        cmocka_unit_test(bounded_numbers_cover_their_range),
        cmocka_unit_test(uuids_have_version_variant_and_order),
        cmocka_unit_test(sha256_matches_its_standard),
        cmocka_unit_test(list_keeps_order_and_removes),
        cmocka_unit_test(heap_pops_in_order),
        cmocka_unit_test(heap_nodes_move_and_leave_from_anywhere),
        cmocka_unit_test(heap_survives_every_failing_allocation),
    };

    return cmocka_run_group_tests_name("util", tests, NULL, NULL);
}
