// SPDX-License-Identifier: MIT
// test_readiness.c - readiness and execution context, held against rows observed on the Rails
// engine's SQL functions.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "model/readiness.h"

#define NOW (INT64_C(1790000000) * US_PER_SECOND)
#define AGO(seconds) (NOW - (seconds)*US_PER_SECOND)
#define NONE INT32_MIN

// One step without parents; NONE is NULL, ages are seconds before now.
static const struct row {
    int32_t attempts, limit;
    bool retryable, in_process, processed;
    int32_t backoff, attempted_ago;
    enum state state;
    int32_t state_ago;
    bool eligible, ready;
    int32_t next_in;
} rows[] = {
    {0, 3, true, false, false, NONE, NONE, ST_PENDING, NONE, true, true, NONE},
    {NONE, NONE, true, false, false, NONE, NONE, ST_PENDING, NONE, true, true, NONE},
    {1, 3, true, false, false, NONE, 1, ST_ERROR, 1, true, false, 1},
    {1, 3, true, false, false, NONE, 3, ST_ERROR, 3, true, true, -1},
    {1, 3, true, false, false, 60, 10, ST_ERROR, 10, true, false, 50},
    {2, 3, true, false, false, 5, 10, ST_ERROR, 3, true, false, -5},
    {3, 3, true, false, false, NONE, 100, ST_ERROR, 100, false, false, -92},
    {0, 3, false, false, false, NONE, NONE, ST_PENDING, NONE, true, false, NONE},
    {0, 0, true, false, false, NONE, NONE, ST_PENDING, NONE, false, false, NONE},
    {0, 3, true, true, false, NONE, NONE, ST_PENDING, NONE, true, false, NONE},
    {1, 3, true, false, true, 5, 10, ST_COMPLETE, 10, true, false, -5},
    {7, 9, true, false, false, NONE, 31, ST_ERROR, 31, true, true, -1},
    {7, 9, true, false, false, NONE, 29, ST_ERROR, 29, true, false, 1},
    {1, 3, true, false, false, NONE, 1, ST_PENDING, 1, true, true, NONE},
    {1, 3, true, false, false, NONE, 1, ST_CANCELLED, 1, true, false, NONE},
    {1, 3, false, false, false, NONE, 100, ST_ERROR, 100, true, false, -98},
};

static struct readiness_in input(const struct row *row)
{
    return (struct readiness_in){
        .state = row->state,
        .state_at = row->state_ago != NONE ? AGO(row->state_ago) : 0,
        .retryable = row->retryable,
        .in_process = row->in_process,
        .processed = row->processed,
        .has_attempts = row->attempts != NONE,
        .attempts = row->attempts != NONE ? row->attempts : 0,
        .has_retry_limit = row->limit != NONE,
        .retry_limit = row->limit != NONE ? row->limit : 0,
        .has_backoff = row->backoff != NONE,
        .backoff_seconds = row->backoff != NONE ? row->backoff : 0,
        .last_attempted_at = row->attempted_ago != NONE ? AGO(row->attempted_ago) : 0,
    };
}

static void readiness_agrees_with_the_observed_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct readiness_in in = input(&rows[i]);
        struct readiness r;
        readiness_of(&in, NOW, &r);
        int64_t next = rows[i].next_in != NONE ? NOW + rows[i].next_in * US_PER_SECOND : 0;
        if (r.retry_eligible != rows[i].eligible || r.ready != rows[i].ready ||
            r.next_retry_at != next)
            fail_msg("row %zu: eligible %d, ready %d, next %lld", i + 1, r.retry_eligible, r.ready,
                     (long long)(r.next_retry_at - NOW));
        assert_true(r.dependencies_satisfied);
        assert_int_equal(r.last_failure_at, in.state == ST_ERROR ? in.state_at : 0);
        assert_int_equal(r.attempts, in.attempts);
        assert_int_equal(r.retry_limit, in.has_retry_limit ? in.retry_limit : 3);
    }
}

static void the_context_agrees_with_the_observed_one(void **state)
{
    (void)state;
    struct context_counts c = {0};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct readiness_in in = input(&rows[i]);
        struct readiness r;
        readiness_of(&in, NOW, &r);
        context_count(&c, &in, &r);
    }
    assert_int_equal(c.total, 16);
    assert_int_equal(c.pending, 6);
    assert_int_equal(c.in_progress, 0);
    assert_int_equal(c.completed, 1);
    assert_int_equal(c.failed, 8);
    assert_int_equal(c.ready, 5);
    assert_int_equal(c.blocked, 1);
    struct execution_context e;
    context_of(&c, &e);
    assert_string_equal(e.execution_status, "has_ready_steps");
    assert_string_equal(e.recommended_action, "execute_ready_steps");
    assert_string_equal(e.health_status, "recovering");
    assert_true(e.completion_percentage == 6.25);
}

static void a_parent_must_be_done(void **state)
{
    (void)state;
    struct readiness_in in = input(&rows[0]);
    struct readiness r;
    in.total_parents = 2;
    in.completed_parents = 1;
    readiness_of(&in, NOW, &r);
    assert_false(r.dependencies_satisfied || r.ready);
    in.completed_parents = 2;
    readiness_of(&in, NOW, &r);
    assert_true(r.dependencies_satisfied && r.ready);
}

static void unknown_attempts_wait_two_seconds(void **state)
{
    (void)state;
    struct readiness_in in = {.state = ST_ERROR, .state_at = AGO(1), .retryable = true};
    struct readiness r;
    readiness_of(&in, NOW, &r);
    assert_int_equal(r.next_retry_at, NOW + US_PER_SECOND);
    assert_false(r.ready);
    in.has_attempts = true;
    readiness_of(&in, NOW, &r);
    assert_int_equal(r.next_retry_at, NOW);
    assert_true(r.ready);
}

static void many_attempts_do_not_overflow(void **state)
{
    (void)state;
    static const int32_t attempts[] = {43, 44, 63, 64, INT32_MAX};
    for (size_t i = 0; i < ARRAY_SIZE(attempts); i++) {
        struct readiness_in in = {.state = ST_ERROR,
                                  .state_at = AGO(31),
                                  .retryable = true,
                                  .has_attempts = true,
                                  .attempts = attempts[i],
                                  .has_retry_limit = true,
                                  .retry_limit = INT32_MAX};
        struct readiness r;
        readiness_of(&in, NOW, &r);
        assert_int_equal(r.next_retry_at, AGO(1));
        assert_int_equal(r.ready, attempts[i] < INT32_MAX);
    }
    struct readiness_in in = {.state = ST_PENDING,
                              .retryable = true,
                              .has_backoff = true,
                              .backoff_seconds = INT32_MAX,
                              .last_attempted_at = NOW};
    struct readiness r;
    readiness_of(&in, NOW, &r);
    assert_int_equal(r.next_retry_at, NOW + INT32_MAX * US_PER_SECOND);
}

static void every_context_row_is_reached(void **state)
{
    (void)state;
    static const struct {
        struct context_counts c;
        const char *status, *action, *health;
        double percent;
    } contexts[] = {
        {{0}, "waiting_for_dependencies", "wait_for_dependencies", "healthy", 0},
        {{.total = 3, .ready = 1, .in_progress = 1, .failed = 1},
         "has_ready_steps",
         "execute_ready_steps",
         "recovering",
         0},
        {{.total = 3, .in_progress = 1, .blocked = 1, .failed = 1},
         "processing",
         "wait_for_completion",
         "blocked",
         0},
        {{.total = 3, .completed = 1, .blocked = 1, .failed = 1},
         "blocked_by_failures",
         "handle_failures",
         "blocked",
         33.33},
        {{.total = 3, .completed = 3}, "all_complete", "finalize_task", "healthy", 100},
        {{.total = 3, .completed = 2},
         "waiting_for_dependencies",
         "wait_for_dependencies",
         "healthy",
         66.67},
        {{.total = 3, .completed = 2, .failed = 1},
         "waiting_for_dependencies",
         "wait_for_dependencies",
         "recovering",
         66.67},
    };
    for (size_t i = 0; i < ARRAY_SIZE(contexts); i++) {
        struct execution_context e;
        context_of(&contexts[i].c, &e);
        assert_string_equal(e.execution_status, contexts[i].status);
        assert_string_equal(e.recommended_action, contexts[i].action);
        assert_string_equal(e.health_status, contexts[i].health);
        assert_true(e.completion_percentage == contexts[i].percent);
    }
}

static void resolved_steps_count_as_completed_and_cancelled_ones_nowhere(void **state)
{
    (void)state;
    struct context_counts c = {0};
    static const enum state states[] = {ST_RESOLVED, ST_CANCELLED, ST_IN_PROGRESS};
    for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
        struct readiness_in in = {.state = states[i], .retryable = true};
        struct readiness r;
        readiness_of(&in, NOW, &r);
        assert_false(r.ready);
        context_count(&c, &in, &r);
    }
    assert_int_equal(c.total, 3);
    assert_int_equal(c.completed, 1);
    assert_int_equal(c.in_progress, 1);
    assert_int_equal(c.pending + c.failed + c.ready + c.blocked, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readiness_agrees_with_the_observed_rows),
        cmocka_unit_test(the_context_agrees_with_the_observed_one),
        cmocka_unit_test(a_parent_must_be_done),
        cmocka_unit_test(unknown_attempts_wait_two_seconds),
        cmocka_unit_test(many_attempts_do_not_overflow),
        cmocka_unit_test(every_context_row_is_reached),
        cmocka_unit_test(resolved_steps_count_as_completed_and_cancelled_ones_nowhere),
    };
    return cmocka_run_group_tests_name("readiness", tests, NULL, NULL);
}
