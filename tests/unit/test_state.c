// SPDX-License-Identifier: MIT
// test_state.c - every cell of both state tables, held against the moves that the Rails engine's
// machines allow.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/state.h"

#define TO(name) (1u << ST_##name)

// The Rails engine's machines: where a task and a step may go from each state.
static const struct {
    unsigned task, step;
} legal[ST_COUNT] = {
    [ST_PENDING] = {TO(IN_PROGRESS) | TO(CANCELLED) | TO(ERROR),
                    TO(IN_PROGRESS) | TO(ERROR) | TO(CANCELLED) | TO(RESOLVED)},
    [ST_IN_PROGRESS] = {TO(COMPLETE) | TO(ERROR) | TO(CANCELLED) | TO(PENDING),
                        TO(COMPLETE) | TO(ERROR) | TO(CANCELLED)},
    [ST_ERROR] = {TO(PENDING) | TO(RESOLVED), TO(PENDING) | TO(RESOLVED)},
    [ST_COMPLETE] = {TO(CANCELLED), 0},
    [ST_RESOLVED] = {TO(CANCELLED), 0},
    [ST_CANCELLED] = {0, 0},
};

// What our tables say, written down a second time: next state by event, in the order of
// STATE_EVENTS.
#define NO ST_NONE
static const uint8_t wanted_step[ST_COUNT][SE_COUNT] = {
    /*               start           succeed      fail      retry       cancel        resolve  release */
    [ST_PENDING] = {ST_IN_PROGRESS, NO, NO, NO, ST_CANCELLED, ST_RESOLVED, NO},
    [ST_IN_PROGRESS] = {NO, ST_COMPLETE, ST_ERROR, NO, ST_CANCELLED, NO, NO},
    [ST_COMPLETE] = {NO, NO, NO, NO, NO, NO, NO},
    [ST_ERROR] = {NO, NO, NO, ST_PENDING, NO, ST_RESOLVED, NO},
    [ST_CANCELLED] = {NO, NO, NO, NO, NO, NO, NO},
    [ST_RESOLVED] = {NO, NO, NO, NO, NO, NO, NO},
};
static const uint8_t wanted_task[ST_COUNT][SE_COUNT] = {
    [ST_PENDING] = {ST_IN_PROGRESS, NO, ST_ERROR, NO, ST_CANCELLED, NO, NO},
    [ST_IN_PROGRESS] = {NO, ST_COMPLETE, ST_ERROR, NO, ST_CANCELLED, NO, ST_PENDING},
    [ST_COMPLETE] = {NO, NO, NO, NO, ST_CANCELLED, NO, NO},
    [ST_ERROR] = {NO, NO, NO, ST_PENDING, NO, ST_RESOLVED, NO},
    [ST_CANCELLED] = {NO, NO, NO, NO, NO, NO, NO},
    [ST_RESOLVED] = {NO, NO, NO, NO, ST_CANCELLED, NO, NO},
};

static void every_cell_is_as_written(void **state)
{
    (void)state;
    for (unsigned from = 0; from < ST_COUNT; from++)
        for (unsigned event = 0; event < SE_COUNT; event++) {
            assert_int_equal(step_move(from, event).next, wanted_step[from][event]);
            assert_int_equal(task_move(from, event), wanted_task[from][event]);
        }
}

static void every_move_is_legal_for_rails(void **state)
{
    (void)state;
    for (unsigned from = 0; from < ST_COUNT; from++)
        for (unsigned event = 0; event < SE_COUNT; event++) {
            unsigned step = step_move(from, event).next, task = task_move(from, event);
            if (step != ST_NONE)
                assert_true(legal[from].step & (1u << step));
            if (task != ST_NONE)
                assert_true(legal[from].task & (1u << task));
        }
}

static void effects_follow_from_the_states(void **state)
{
    (void)state;
    for (unsigned from = 0; from < ST_COUNT; from++)
        for (unsigned event = 0; event < SE_COUNT; event++) {
            struct step_move m = step_move(from, event);
            if (m.next == ST_NONE) {
                assert_int_equal(m.effects, 0);
                continue;
            }
            assert_int_equal((m.effects & FX_DONE) != 0, state_done(m.next));
            assert_int_equal((m.effects & FX_SHUT) != 0,
                             m.next != ST_IN_PROGRESS && m.next != ST_PENDING);
            assert_int_equal((m.effects & FX_OPEN) != 0, m.next == ST_PENDING);
            assert_int_equal((m.effects & FX_ATTEMPT) != 0,
                             event == SE_SUCCEED || event == SE_FAIL);
        }
}

static void values_outside_of_the_tables_are_illegal(void **state)
{
    (void)state;
    assert_int_equal(step_move(ST_NONE, SE_START).next, ST_NONE);
    assert_int_equal(step_move(ST_PENDING, SE_COUNT).next, ST_NONE);
    assert_int_equal(task_move(ST_NONE, SE_START), ST_NONE);
    assert_int_equal(task_move((enum state) - 1, SE_START), ST_NONE);
    assert_false(state_done(ST_NONE));
    assert_false(task_state_final(ST_NONE));
}

static void names_are_those_of_the_database(void **state)
{
    (void)state;
    static const char *const names[] = {"pending", "in_progress", "complete",
                                        "error",   "cancelled",   "resolved_manually"};
    for (unsigned i = 0; i < ST_COUNT; i++) {
        assert_string_equal(state_names[i], names[i]);
        assert_int_equal(state_from_name(span_of(names[i])), i);
    }
    assert_int_equal(state_from_name(SPAN("failed")), ST_NONE);
    assert_int_equal(state_from_name(SPAN("completed")), ST_NONE);
    assert_int_equal(state_from_name(span_of(NULL)), ST_NONE);
    assert_string_equal(state_event_names[SE_RESOLVE], "resolve");
}

static void ends_are_known(void **state)
{
    (void)state;
    static const bool done[ST_COUNT] = {[ST_COMPLETE] = true, [ST_RESOLVED] = true};
    static const bool final[ST_COUNT] = {
        [ST_COMPLETE] = true, [ST_ERROR] = true, [ST_CANCELLED] = true, [ST_RESOLVED] = true};
    for (unsigned i = 0; i < ST_COUNT; i++) {
        assert_int_equal(state_done(i), done[i]);
        assert_int_equal(task_state_final(i), final[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cell_is_as_written),
        cmocka_unit_test(every_move_is_legal_for_rails),
        cmocka_unit_test(effects_follow_from_the_states),
        cmocka_unit_test(values_outside_of_the_tables_are_illegal),
        cmocka_unit_test(names_are_those_of_the_database),
        cmocka_unit_test(ends_are_known),
    };
    return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}
