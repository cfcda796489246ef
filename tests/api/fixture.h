// SPDX-License-Identifier: MIT
// fixture.h - what tests of the public calls share: a handle on a database in memory, short ways to
// call, and the answers of the last call.
#ifndef TESTS_API_FIXTURE_H
#define TESTS_API_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <tasker.h>

#include "common/pick.h"
#include "common/shapes.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

extern tasker *t;          // opened by fresh
extern tasker_error error; // of the last call
extern char *answer;       // of the last call, NULL: none

// fresh opens sqlite::memory: with the options of `options` (set by a test group, NULL: none), or with two lanes a
// database of its own on the server of TASKER_TEST_POSTGRESQL; gone closes it.
extern const char *options;
extern int server_lanes;  // of an engine on the server
extern char server_uri[512]; // of the database there, "" when it is in memory
int fresh(void **state);
int gone(void **state);
// lose_database takes the database of `t` away; false: it is in memory.
bool lose_database(void);
#define T(name) cmocka_unit_test_setup_teardown(name, fresh, gone)

// stored is JSON as the database gives it back: SQLite as it was written, PostgreSQL as a value. came_back is what `text`
// may be when it may also come from memory, where it is as it was written.
const char *stored(const char *written, const char *value);
bool came_back(const char *text, const char *written, const char *value);

// call runs an operation on `t`; the result is its code, `answer` and `error` are set.
int call(const char *name, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int call_on(tasker *handle, const char *name, const char *arguments);

// register_yaml registers a template that must be right; step_yaml one with a single step "only" of
// class "Work" and more lines for it.
void register_yaml(const char *yaml);
void register_one(const char *name, const char *extra);
void register_shape(int shape, const char *extra);

// submit creates a task that must be accepted.
int64_t submit(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
// refused expects a submission to be refused with a code at a place.
void refused(int code, const char *where, const char *request);

// picked is a member of the answer, which must be there.
const char *picked(const char *path);
#define assert_pick(path, want) assert_string_equal(picked(path), want)
#define assert_says(path, part) assert_non_null(strstr(picked(path), part))

// show reads a task into `answer`; step_path is "steps.<index of the step>.<member>" of the task
// read last.
void show(int64_t task_id);
const char *step_path(const char *step, const char *member);

// fail_allocation makes the n-th allocation of this thread fail (0: none); allocation_failed says
// whether it came to that.
void fail_allocation(uint64_t n);
bool allocation_failed(void);

// ---- workers
tasker_worker *open_worker(const char *handler_class, int concurrency);
// take waits for the next step, which must come; taken_nothing makes sure that none is there.
tasker_step *take(tasker_worker *w);
void take_nothing(tasker_worker *w);
void complete(tasker_step *s, const char *results);
void fail_step(tasker_step *s, const tasker_failure *failure);
// work answers steps with {"step": name} until the task is finished, and returns its state.
const char *work(tasker_worker *w, int64_t task_id);
const char *wait_state(int64_t task_id);

#endif
