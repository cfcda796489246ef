// SPDX-License-Identifier: MIT
// beside.h - a database that others can open too, and another program at it: SQL on a connection beside the handle's.
#ifndef TESTS_API_BESIDE_H
#define TESTS_API_BESIDE_H

#include "fixture.h"

// fresh_beside opens `t` like fresh, but a file where that would be memory; gone_beside closes it and takes it away.
int fresh_beside(void **state);
int gone_beside(void **state);
#define BESIDE(name) cmocka_unit_test_setup_teardown(name, fresh_beside, gone_beside)

// beside_hold begins a transaction that takes locks by the question, and stays open until beside_let_go; false: there are no
// such locks (SQLite).
bool beside_hold(const char *question);
void beside_let_go(void);

// beside runs statements that both databases understand, in one transaction; beside_number asks for a number.
void beside(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int64_t beside_number(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
