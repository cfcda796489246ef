// SPDX-License-Identifier: MIT
// query_rows.h - rows for tests of queries: a SQLite store in memory with a few templates, and
// short ways to put tasks, steps and transitions into it and to ask.
//
// The template "order" has the steps a, b, c, d of the classes A, B, C, D; b may take 1.5 s. Time
// stands still at NOW.
#ifndef TESTS_COMMON_QUERY_ROWS_H
#define TESTS_COMMON_QUERY_ROWS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/util.h"
#include "common/pick.h"
#include "store/sqlite.h"
#include "store/store.h"

#define NOW INT64_C(1800000000000000) // 2027-01-15T08:00:00Z
#define SECOND US_PER_SECOND
#define ANSWER_SIZE ((size_t)1 << 18)

extern struct store *store;
extern char answer[ANSWER_SIZE];
extern tasker_error error;

int fresh(void **state);
int gone(void **state);
#define Q(name) cmocka_unit_test_setup_teardown(name, fresh, gone)

void sql(const char *fmt, ...);
const char *at_time(int64_t us); // as the database has it; eight at once

void put_task(int64_t id, int named);
void put_active(int64_t id, int64_t run_at, int64_t lane); // lane 0: free
void put_step(int64_t id, int64_t task, int named, int attempts);
void put_edge(int64_t from, int64_t to);
void put_lane(int64_t id, const char *name, int64_t expires_at, const char *classes);
// task_row and step_row add the newest transition.
void task_row(int64_t task, const char *from, const char *to, int64_t at, const char *meta);
void step_row(int64_t step, const char *from, const char *to, int64_t at, const char *meta);

// put_running puts task 1 with steps 1 to 4: a -> b -> c, and d alone. It is running at lane 1,
// "alpha", which serves A and B.
void put_running(void);
void set_done(int64_t step, const char *results);
void set_failed(int64_t step, int attempts, const char *meta);

// ask_store fills `answer`, or `error`.
int ask_store(const char *name, const char *arguments);
const char *picked(const char *path);
#define assert_pick(path, want) assert_string_equal(picked(path), want)
#define assert_says(path, part) assert_non_null(strstr(picked(path), part))

#endif
