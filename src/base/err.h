// SPDX-License-Identifier: MIT
// err.h - how every floor reports a failure: a negative TASKER_E_ code, and optionally a filled struct (code, message,
// place, remedy). The codes and their texts are the public table TASKER_ERRORS of tasker.h.
//
// The first error wins nowhere: err_set overwrites. Outputs of a function that failed are untouched.
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdarg.h>
#include <tasker.h>

#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define CHECKED __attribute__((warn_unused_result))

// err_set fills `err` (NULL is fine) with code and message, clears place and remedy, and returns `code`.
int err_set(tasker_error *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

// err_where adds a place (file name or JSON path) and, when known, line and column (else 0). NULL err is fine.
void err_where(tasker_error *err, int line, int column, const char *fmt, ...) PRINTF_LIKE(4, 5);

// err_remedy adds one sentence that says what to do.
void err_remedy(tasker_error *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

// err_nomem is err_set(err, TASKER_E_NOMEM, "out of memory").
int err_nomem(tasker_error *err);

// err_errno is err_set with ": " and strerror(errno_value) behind the message.
int err_errno(tasker_error *err, int code, int errno_value, const char *fmt, ...) PRINTF_LIKE(4, 5);

#endif
