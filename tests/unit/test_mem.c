// SPDX-License-Identifier: MIT
// test_mem.c - allocation, failure on demand, arenas, blobs; and the error struct, which lives beside them on the lowest
// floor.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"

// ---- allocation

static void allocations_are_zeroed_and_never_null_for_size_0(void **state)
{
    (void)state;
    char *p = mem_alloc(100);
    for (int i = 0; i < 100; i++)
        assert_int_equal(p[i], 0);
    mem_free(p);
    p = mem_alloc(0);
    assert_non_null(p);
    mem_free(p);
    mem_free(NULL);
}

static void dup_puts_a_nul_behind(void **state)
{
    (void)state;
    CLEANUP(mem_freep) char *p = mem_dup("abcdef", 3);
    assert_string_equal(p, "abc");
    CLEANUP(mem_freep) char *empty = mem_dup(NULL, 0);
    assert_string_equal(empty, "");
    CLEANUP(mem_freep) char *s = mem_strdup("xyz");
    assert_string_equal(s, "xyz");
    assert_null(mem_strdup(NULL));
    assert_null(mem_dup("", SIZE_MAX));
}

static void freep_clears_the_pointer(void **state)
{
    (void)state;
    char *p = mem_alloc(1);
    mem_freep(&p);
    assert_null(p);
}

static void the_nth_allocation_fails_once(void **state)
{
    (void)state;
    mem_fail_after(2);
    CLEANUP(mem_freep) void *first = mem_alloc(1);
    assert_non_null(first);
    assert_false(mem_failed());
    assert_null(mem_alloc(1));
    assert_true(mem_failed());
    CLEANUP(mem_freep) void *third = mem_alloc(1);
    assert_non_null(third);
    mem_fail_after(0);
    assert_false(mem_failed());
}

static void realloc_that_fails_leaves_the_memory(void **state)
{
    (void)state;
    CLEANUP(mem_freep) char *p = mem_strdup("kept");
    mem_fail_after(1);
    assert_null(mem_realloc(p, 100));
    mem_fail_after(0);
    assert_string_equal(p, "kept");
}

static void grow_doubles_zeroes_and_keeps(void **state)
{
    (void)state;
    int *items = NULL;
    size_t cap = 0;
    assert_int_equal(mem_grow(&items, &cap, 1, sizeof(int)), 0);
    assert_true(cap >= 1);
    size_t first = cap;
    items[0] = 7;
    assert_int_equal(mem_grow(&items, &cap, first + 1, sizeof(int)), 0);
    assert_int_equal(cap, 2 * first);
    assert_int_equal(items[0], 7);
    assert_int_equal(items[cap - 1], 0);

    int *before = items;
    mem_fail_after(1);
    assert_int_equal(mem_grow(&items, &cap, cap + 1, sizeof(int)), -1);
    mem_fail_after(0);
    assert_ptr_equal(items, before);
    assert_int_equal(cap, 2 * first);
    assert_int_equal(mem_grow(&items, &cap, SIZE_MAX / 2, sizeof(int)), -1);
    assert_int_equal(mem_grow(&items, &cap, cap, sizeof(int)), 0);
    assert_ptr_equal(items, before);
    mem_free(items);
}

// ---- arenas

static void arena_memory_is_aligned_zeroed_and_apart(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    char *last = NULL;
    for (size_t size = 0; size < 3000; size += 7) {
        char *p = arena_alloc(&a, size);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 16, 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xAA, size);
        assert_ptr_not_equal(p, last);
        last = p;
    }
    assert_true(a.used >= 3000 / 7 * 1500);
    arena_done(&a);
    assert_int_equal(a.used, 0);
}

static void arena_takes_objects_larger_than_a_block(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    char *small = arena_alloc(&a, 16);
    char *large = arena_alloc(&a, (size_t)1 << 20);
    char *next = arena_alloc(&a, 16);
    memset(large, 1, (size_t)1 << 20);
    assert_ptr_equal(next, small + 16);
    assert_int_equal(*next, 0);
    arena_done(&a);
}

static void arena_reset_gives_zeroed_memory_again(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    for (int i = 0; i < 100; i++)
        memset(arena_alloc(&a, 1000), 0xFF, 1000);
    arena_reset(&a);
    assert_int_equal(a.used, 0);
    char *p = arena_alloc(&a, 1000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(p[i], 0);
    arena_done(&a);
    arena_reset(&a);
    assert_non_null(arena_alloc(&a, 1));
    arena_done(&a);
}

static void arena_text_functions_copy(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    assert_string_equal(arena_dup(&a, "hello", 4), "hell");
    assert_string_equal(arena_dup(&a, NULL, 0), "");
    assert_string_equal(arena_strdup(&a, "there"), "there");
    assert_null(arena_strdup(&a, NULL));
    assert_false(a.failed);
    assert_string_equal(arena_printf(&a, "%d-%s", 12, "x"), "12-x");
    char long_text[9000];
    memset(long_text, 'y', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    assert_string_equal(arena_printf(&a, "%s", long_text), long_text);
    arena_done(&a);
}

static void arena_failure_is_sticky_until_reset(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    mem_fail_after(1);
    assert_null(arena_alloc(&a, 8));
    mem_fail_after(0);
    assert_true(a.failed);
    assert_null(arena_alloc(&a, 8));
    assert_null(arena_strdup(&a, "x"));
    assert_null(arena_printf(&a, "x"));
    arena_reset(&a);
    assert_non_null(arena_alloc(&a, 8));
    assert_null(arena_alloc(&a, SIZE_MAX - 8));
    assert_true(a.failed);
    arena_done(&a);
}

static void arena_survives_every_failing_allocation(void **state)
{
    (void)state;
    for (uint64_t n = 1;; n++) {
        struct arena a;
        arena_init(&a);
        mem_fail_after(n);
        for (int i = 0; i < 200; i++) {
            char *p = arena_alloc(&a, 500);
            char *s = arena_printf(&a, "number %d", i);
            assert_true((p != NULL && s != NULL) || a.failed);
            if (s != NULL)
                assert_memory_equal(s, "number ", 7);
        }
        bool failed = mem_failed();
        mem_fail_after(0);
        assert_int_equal(failed, a.failed);
        arena_done(&a);
        if (!failed)
            break;
        assert_true(n < 1000);
    }
}

// ---- blobs

static void blob_lives_until_its_last_reference(void **state)
{
    (void)state;
    struct blob *b = blob_new("data", 4);
    assert_int_equal(b->size, 4);
    assert_string_equal(b->data, "data");
    struct blob *second = blob_ref(b);
    assert_ptr_equal(second, b);
    assert_int_equal(b->refs, 2);
    blob_unref(b);
    assert_int_equal(second->refs, 1);
    assert_string_equal(second->data, "data");
    blob_unrefp(&second);
    assert_null(second);
    assert_null(blob_ref(NULL));
    blob_unref(NULL);
    blob_unrefp(&second);
}

static void blob_without_data_is_zeroed(void **state)
{
    (void)state;
    CLEANUP(blob_unrefp) struct blob *b = blob_new(NULL, 64);
    for (int i = 0; i <= 64; i++)
        assert_int_equal(b->data[i], 0);
}

static void blob_refuses_what_is_too_large_or_does_not_fit(void **state)
{
    (void)state;
    assert_null(blob_new("", ((size_t)1 << 30) + 1));
    mem_fail_after(1);
    assert_null(blob_new("x", 1));
    mem_fail_after(0);
}

// ---- errors

static void error_tables_know_every_code(void **state)
{
    (void)state;
#define XX(name, number, text, http, retry, exit)                         \
    assert_string_equal(tasker_error_name(number), "TASKER_E_" #name);    \
    assert_string_equal(tasker_error_text(TASKER_E_##name), text);        \
    assert_int_equal(tasker_error_exit(TASKER_E_##name), exit);
    TASKER_ERRORS(XX)
#undef XX
    assert_string_equal(tasker_error_name(0), "TASKER_OK");
    assert_int_equal(tasker_error_exit(0), 0);
    const int none[] = {1, 7, -19, -1000, INT32_MIN, INT32_MAX};
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        assert_string_equal(tasker_error_name(none[i]), "TASKER_E_UNKNOWN");
        assert_int_equal(tasker_error_exit(none[i]), 70);
    }
}

static void error_is_filled_and_overwritten(void **state)
{
    (void)state;
    tasker_error err;
    assert_int_equal(err_set(&err, TASKER_E_BUSY, "first %d", 1), TASKER_E_BUSY);
    err_where(&err, 3, 9, "%s", "file.yaml");
    err_remedy(&err, "wait");
    assert_int_equal(err.code, TASKER_E_BUSY);
    assert_string_equal(err.message, "first 1");
    assert_string_equal(err.where, "file.yaml");
    assert_int_equal(err.line, 3);
    assert_int_equal(err.column, 9);
    assert_string_equal(err.remedy, "wait");

    err_nomem(&err);
    assert_int_equal(err.code, TASKER_E_NOMEM);
    assert_string_equal(err.message, "out of memory");
    assert_string_equal(err.where, "");
    assert_string_equal(err.remedy, "");
    assert_int_equal(err.line, 0);
    assert_int_equal(err_set(NULL, TASKER_E_IO, "nobody listens"), TASKER_E_IO);
    assert_int_equal(err_errno(NULL, TASKER_E_IO, 2, "nobody listens"), TASKER_E_IO);
    err_where(NULL, 1, 1, "x");
    err_remedy(NULL, "x");
}

static void error_may_quote_its_own_message(void **state)
{
    (void)state;
    tasker_error err;
    err_set(&err, TASKER_E_IO, "inner");
    err_set(&err, TASKER_E_IO, "outer: %s", err.message);
    assert_string_equal(err.message, "outer: inner");
}

static void errno_text_stands_behind_the_message(void **state)
{
    (void)state;
    tasker_error err;
    assert_int_equal(err_errno(&err, TASKER_E_IO, 2, "cannot open %s", "x"), TASKER_E_IO);
    assert_string_equal(err.message, "cannot open x: No such file or directory");
}

static void long_messages_are_cut_between_characters(void **state)
{
    (void)state;
    tasker_error err;
    // Every offset of a four-byte character at the cut.
    for (size_t lead = 0; lead < 4; lead++) {
        char text[2000] = "";
        memset(text, 'x', lead);
        for (int i = 0; i < 300; i++)
            memcpy(text + lead + 4 * (size_t)i, "\xF0\x9F\x98\x80", 5);
        err_set(&err, TASKER_E_IO, "%s", text);
        size_t len = strlen(err.message);
        assert_int_equal((len - lead) % 4, 0);
        assert_in_range(len, sizeof(err.message) - 4, sizeof(err.message) - 1);
        assert_memory_equal(err.message, text, len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocations_are_zeroed_and_never_null_for_size_0),
        cmocka_unit_test(dup_puts_a_nul_behind),
        cmocka_unit_test(freep_clears_the_pointer),
        cmocka_unit_test(the_nth_allocation_fails_once),
        cmocka_unit_test(realloc_that_fails_leaves_the_memory),
        cmocka_unit_test(grow_doubles_zeroes_and_keeps),
        cmocka_unit_test(arena_memory_is_aligned_zeroed_and_apart),
        cmocka_unit_test(arena_takes_objects_larger_than_a_block),
        cmocka_unit_test(arena_reset_gives_zeroed_memory_again),
        cmocka_unit_test(arena_text_functions_copy),
        cmocka_unit_test(arena_failure_is_sticky_until_reset),
        cmocka_unit_test(arena_survives_every_failing_allocation),
        cmocka_unit_test(blob_lives_until_its_last_reference),
        cmocka_unit_test(blob_without_data_is_zeroed),
        cmocka_unit_test(blob_refuses_what_is_too_large_or_does_not_fit),
        cmocka_unit_test(error_tables_know_every_code),
        cmocka_unit_test(error_is_filled_and_overwritten),
        cmocka_unit_test(error_may_quote_its_own_message),
        cmocka_unit_test(errno_text_stands_behind_the_message),
        cmocka_unit_test(long_messages_are_cut_between_characters),
    };

    return cmocka_run_group_tests_name("mem", tests, NULL, NULL);
}
