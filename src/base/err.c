// SPDX-License-Identifier: MIT
// err.c - filling tasker_error, and the public tables of error names, texts and exit codes.
//
// Every text is formatted apart and copied afterwards, so that a message may quote the struct it replaces. What does not
// fit is cut between two characters, never inside one.
#include "base/err.h"

#include <stdio.h>
#include <string.h>

#include "base/util.h"

struct error_row {
    const char *name;
    const char *text;
    int exit_code;
};

static const struct error_row error_rows[] = {
    [0] = {"TASKER_OK", "no error", 0},
#define XX(name, number, text, http, retry, exit) [-(number)] = {"TASKER_E_" #name, text, exit},
    TASKER_ERRORS(XX)
#undef XX
};

static const struct error_row unknown_row = {"TASKER_E_UNKNOWN", "unknown error", 70};

static const struct error_row *row_of(int code)
{
    if (code > 0 || code <= -(int)ARRAY_SIZE(error_rows) || error_rows[-code].name == NULL)
        return &unknown_row;
    return &error_rows[-code];
}

const char *tasker_error_name(int code)
{
    return row_of(code)->name;
}

const char *tasker_error_text(int code)
{
    return row_of(code)->text;
}

int tasker_error_exit(int code)
{
    return row_of(code)->exit_code;
}

// Removes a UTF-8 character that was cut off at the end of `text`.
static void trim_partial(char *text)
{
    size_t len = strlen(text), at = len;

    while (at > 0 && len - at < 3 && ((unsigned char)text[at - 1] & 0xC0) == 0x80)
        at--;
    if (at == 0)
        return;
    unsigned char lead = (unsigned char)text[at - 1];
    size_t want = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    if (want > 1 && len - (at - 1) < want)
        text[at - 1] = '\0';
}

static void format(char *out, size_t size, const char *fmt, va_list args)
{
    char text[sizeof(((tasker_error *)NULL)->message)];

    int n = vsnprintf(text, size, fmt, args);
    if (n < 0)
        text[0] = '\0';
    else if ((size_t)n >= size)
        trim_partial(text);
    memcpy(out, text, strlen(text) + 1);
}

static void set_code(tasker_error *err, int code)
{
    err->code = code;
    err->line = err->column = 0;
    err->where[0] = err->remedy[0] = '\0';
}

int err_set(tasker_error *err, int code, const char *fmt, ...)
{
    if (err == NULL)
        return code;

    va_list args;
    va_start(args, fmt);
    format(err->message, sizeof(err->message), fmt, args);
    va_end(args);
    set_code(err, code);
    return code;
}

void err_where(tasker_error *err, int line, int column, const char *fmt, ...)
{
    if (err == NULL)
        return;

    va_list args;
    va_start(args, fmt);
    format(err->where, sizeof(err->where), fmt, args);
    va_end(args);
    err->line = line;
    err->column = column;
}

void err_remedy(tasker_error *err, const char *fmt, ...)
{
    if (err == NULL)
        return;

    va_list args;
    va_start(args, fmt);
    format(err->remedy, sizeof(err->remedy), fmt, args);
    va_end(args);
}

int err_nomem(tasker_error *err)
{
    return err_set(err, TASKER_E_NOMEM, "out of memory");
}

int err_errno(tasker_error *err, int code, int errno_value, const char *fmt, ...)
{
    if (err == NULL)
        return code;

    char what[sizeof(err->message)], why[128];
    va_list args;
    va_start(args, fmt);
    format(what, sizeof(what), fmt, args);
    va_end(args);
    return err_set(err, code, "%s: %s", what, strerror_r(errno_value, why, sizeof(why)));
}
