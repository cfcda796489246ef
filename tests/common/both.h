// SPDX-License-Identifier: MIT
// both.h - the same rows in SQLite and, when TASKER_TEST_POSTGRESQL names a server, in a PostgreSQL database of its own;
// questions are asked of both, and their answers must be the same.
//
// Statements must be understood by both. Time stands still at NOW.
#ifndef TESTS_COMMON_BOTH_H
#define TESTS_COMMON_BOTH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/util.h"
#include "common/pick.h"
#include "store/store.h"

#define BOTH_NOW INT64_C(1800000000000000) // 2027-01-15T08:00:00Z

extern char *both_answer;          // of the last question or operation
extern char *both_postgres_answer; // of PostgreSQL, when it is there: the same value, perhaps written otherwise
extern tasker_error both_error;

int both_open(void **state);
int both_close(void **state);
#define BOTH(name) cmocka_unit_test_setup_teardown(name, both_open, both_close)
bool both_postgres(void); // PostgreSQL is there

// both_sql runs statements in both. both_number is the first number that a question in SQL gives, which must be the same.
void both_sql(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
// both_unchecked is both_sql while nobody checks foreign keys.
void both_unchecked(const char *sql);
int64_t both_number(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
const char *both_time(int64_t us); // as the database has it; eight at once

// both_ask asks a question, both_do carries out an operation: the same code and the same answer, which is in both_answer
// (or both_error). Ids that databases give must be the same too.
int both_ask(const char *name, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int both_do(const char *name, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
// On PostgreSQL alone: SQL on a connection beside the store's, an operation.
void both_postgres_sql(const char *text);
int both_postgres_do(const char *name, const char *arguments);
const char *both_picked(const char *path);
#define assert_both(path, want) assert_string_equal(both_picked(path), want)

// ---- rows. put_catalogue makes the namespaces default (1) and shop (2), the named tasks order 0.1.0 (1, with template
// 1), other 0.9.0 (2, template 2), other 0.10.0 (3, template 3), all (2, 3) in shop, and the named steps a, b, c, d (1
// to 4) of the system api.
void both_catalogue(void);
// both_template registers a template, over another of its name and version if need be, and returns its id.
int64_t both_template(const char *yaml);
void both_task(int64_t id, int named, int64_t created_at);
void both_step(int64_t id, int64_t task, int named, int attempts);
void both_edge(int64_t from, int64_t to);
void both_task_row(int64_t task, const char *from, const char *to, int64_t at, const char *metadata);
void both_step_row(int64_t step, const char *from, const char *to, int64_t at, const char *metadata);
void both_active(int64_t task, int64_t run_at);

#endif
