// SPDX-License-Identifier: MIT
// test_change.c - the lists that a turn decides into: what is appended, what is kept between turns,
// what a failed allocation does; and that every kind has its name.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/change.h"

static void every_kind_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (int i = 0; i < CH_COUNT; i++)
        for (int k = 0; k < i; k++)
            assert_string_not_equal(change_names[i], change_names[k]);
    for (int i = 0; i < NOTE_COUNT; i++) {
        assert_non_null(note_names[i]);
        assert_false(note_durable[i] && note_names[i][0] == '\0');
    }
    assert_string_equal(change_names[CH_LANE_CLASSES], "LANE_CLASSES");
    assert_string_equal(priority_names[PRIO_CRITICAL], "critical");
    assert_string_equal(log_outcome_names[LOG_REFUSED], "refused");
    assert_string_equal(note_names[NOTE_STEP_COMPLETED], "step.completed");
    assert_true(note_durable[NOTE_STEP_COMPLETED]);
    assert_false(note_durable[NOTE_STEP_PROGRESS]);
}

static void changes_come_back_in_order_zeroed_and_with_their_origin(void **state)
{
    (void)state;
    struct decision d;
    decision_init(&d);
    for (uint32_t i = 0; i < 100; i++) {
        d.origin = i / 10;
        struct change *c = decision_change(&d, CH_STEP_ROW);
        assert_non_null(c);
        assert_int_equal(c->row.owner_id, 0);
        c->row.owner_id = i;
    }
    assert_int_equal(d.change_count, 100);
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(d.changes[i].kind, CH_STEP_ROW);
        assert_int_equal(d.changes[i].row.owner_id, i);
        assert_int_equal(d.changes[i].origin, i / 10);
    }
    decision_done(&d);
}

static void notes_carry_the_time_of_the_decision(void **state)
{
    (void)state;
    struct decision d;
    decision_init(&d);
    d.now = 42;
    decision_note(&d, NOTE_STEP_READY, NULL, 3, SPAN("\"a\":1"));
    assert_int_equal(d.note_count, 1);
    assert_int_equal(d.notes[0].kind, NOTE_STEP_READY);
    assert_int_equal(d.notes[0].at, 42);
    assert_int_equal(d.notes[0].step, 3);
    assert_true(span_is(d.notes[0].detail, "\"a\":1"));
    decision_done(&d);
}

static void blobs_are_held_until_the_turn_is_over(void **state)
{
    (void)state;
    struct decision d;
    decision_init(&d);
    struct blob *b = blob_new("x", 1);
    assert_null(decision_hold(&d, NULL));
    assert_ptr_equal(decision_hold(&d, b), b);
    assert_ptr_equal(decision_hold(&d, b), b);
    assert_int_equal(b->refs, 3);
    decision_clear(&d);
    assert_int_equal(b->refs, 1);
    assert_ptr_equal(decision_hold(&d, b), b);
    decision_done(&d);
    assert_int_equal(b->refs, 1);
    blob_unref(b);
}

static void clearing_keeps_memory_and_what_belongs_to_the_engine(void **state)
{
    (void)state;
    struct decision d;
    struct rng rng = {1};
    decision_init(&d);
    d.rng = &rng;
    d.engine = "e";
    d.serial = 9;
    d.origin = 5;
    d.bytes = 7;
    (void)decision_change(&d, CH_EDGE_INSERT);
    (void)arena_strdup(&d.arena, "text");
    size_t room = d.change_cap;
    decision_clear(&d);
    assert_int_equal(d.change_count + d.note_count + d.bytes + d.origin + d.arena.used, 0);
    assert_int_equal(d.change_cap, room);
    assert_ptr_equal(d.rng, &rng);
    assert_string_equal(d.engine, "e");
    assert_int_equal(d.serial, 9);
    decision_done(&d);
}

static void a_failed_allocation_stops_everything_until_cleared(void **state)
{
    (void)state;
    struct blob *b = blob_new("x", 1);
    for (int what = 0; what < 3; what++) {
        struct decision d;
        decision_init(&d);
        mem_fail_after(1);
        if (what == 0)
            assert_null(decision_change(&d, CH_TASK_ROW));
        else if (what == 1)
            decision_note(&d, NOTE_STEP_READY, NULL, 0, (struct span){NULL, 0});
        else
            assert_null(decision_hold(&d, b));
        assert_true(mem_failed());
        mem_fail_after(0);
        assert_true(d.failed);
        assert_null(decision_change(&d, CH_TASK_ROW));
        decision_note(&d, NOTE_STEP_READY, NULL, 0, (struct span){NULL, 0});
        assert_null(decision_hold(&d, b));
        assert_int_equal(d.change_count + d.note_count + d.blob_count, 0);
        assert_int_equal(b->refs, 1);
        decision_clear(&d);
        assert_false(d.failed);
        assert_non_null(decision_change(&d, CH_TASK_ROW));
        decision_done(&d);
    }
    blob_unref(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_has_a_name_of_its_own),
        cmocka_unit_test(changes_come_back_in_order_zeroed_and_with_their_origin),
        cmocka_unit_test(notes_carry_the_time_of_the_decision),
        cmocka_unit_test(blobs_are_held_until_the_turn_is_over),
        cmocka_unit_test(clearing_keeps_memory_and_what_belongs_to_the_engine),
        cmocka_unit_test(a_failed_allocation_stops_everything_until_cleared),
    };
    return cmocka_run_group_tests_name("change", tests, NULL, NULL);
}
