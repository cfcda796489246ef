// SPDX-License-Identifier: MIT
// pick.h - looking into JSON answers in tests: pick(text, "steps.0.code") is the text of that
// member.
//
// What is picked lives until pick_done, or until so many were picked that its place is used again.
#ifndef TESTS_COMMON_PICK_H
#define TESTS_COMMON_PICK_H

#include <stdbool.h>
#include <stddef.h>

// pick walks members and indices separated by dots. Strings come without their quotes, everything
// else as it is written; NULL: there is no such member, or the text is not JSON.
const char *pick(const char *text, const char *path);

// pick_count is the number of children there, -1: no such member.
int pick_count(const char *text, const char *path);

// pick_is: the member is there and reads `want`.
bool pick_is(const char *text, const char *path, const char *want);

void pick_done(void);

#endif
