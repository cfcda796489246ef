// SPDX-License-Identifier: MIT
// exec_result.c - from a program's end to the answer that the engine gets. Pure.
//
// What is said by more specific means wins: a description on standard output over the exit code,
// the exit code over the last line of standard error.
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "worker/exec_private.h"

#define LINE_MAX_BYTES 300 // of the log's last line in a message
#define FIRST_BYTES 60     // of an output that is not JSON

// What an exit code means; others may be tried again.
struct exit_rule {
    int code;
    int permanent;
    const char *category;
};

static const struct exit_rule exit_rules[] = {
    {64, 1, "permanent"},     // EX_USAGE
    {65, 1, "permanent"},     // EX_DATAERR
    {75, 0, "transient"},     // EX_TEMPFAIL
    {77, 1, "permanent"},     // EX_NOPERM
    {78, 1, "configuration"}, // EX_CONFIG
};

static const char out_of_memory[] = "out of memory while the answer was made";

static void fail(struct exec_verdict *ret, int permanent, const char *category, const char *code,
                 char *message)
{
    ret->done = false;
    ret->failure = (tasker_failure){
        .message = message != NULL ? message : out_of_memory,
        .error_class = EXEC_CLASS,
        .category = category,
        .code = code,
        .permanent = permanent,
    };
}

// One line for a message: control characters become spaces, what is not UTF-8 is left out, at most
// `max` bytes.
static char *one_line(struct arena *arena, struct span text, size_t max)
{
    char *line = arena_alloc(arena, max + 4);
    size_t at = 0, out = 0;

    if (line == NULL)
        return NULL;
    while (at < text.len && out < max) {
        size_t n = utf8_length(text.p + at, text.len - at);
        if (n == 1 && ((unsigned char)text.p[at] < 0x20 || text.p[at] == 0x7F))
            line[out++] = ' ';
        else if (n > 0 && out + n <= max)
            memcpy(line + out, text.p + at, n), out += n;
        at += n > 0 ? n : 1;
    }
    if (at < text.len)
        memcpy(line + out, "...", 3);
    return line;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static struct span trim(struct span s)
{
    while (s.len > 0 && is_blank(s.p[s.len - 1]))
        s.len--;
    while (s.len > 0 && is_blank(s.p[0]))
        s.p++, s.len--;
    return s;
}

static struct span last_line(struct span log)
{
    struct span s = trim(log);
    size_t at = s.len;

    while (at > 0 && s.p[at - 1] != '\n')
        at--;
    return trim((struct span){s.p + at, s.len - at});
}

static void judge_start(struct arena *arena, const struct exec_end *end, struct exec_verdict *ret)
{
    const char *why = strerror(end->status.error);

    if (end->status.stage == STAGE_DIRECTORY)
        fail(ret, 1, "configuration", "WORKING_DIRECTORY",
             arena_printf(arena, "the working directory \"%s\" cannot be entered: %s",
                          end->directory, why));
    else if (end->status.stage == STAGE_PROGRAM)
        fail(ret, 1, "configuration", "PROGRAM",
             arena_printf(arena, "the program \"%s\" cannot be started (in \"%s\"): %s",
                          end->program, end->directory, why));
    else
        fail(ret, 0, "resource_exhaustion", NULL,
             arena_printf(arena, "the program cannot be started: %s", why));
}

static void judge_output(struct arena *arena, const struct exec_end *end, struct exec_verdict *ret)
{
    struct span output = trim(end->output);
    tasker_error err;

    if (output.len == 0) {
        *ret = (struct exec_verdict){.done = true, .results = SPAN("null")};
        return;
    }
    int rc = json_check(output, NULL, &err);
    if (rc == 0)
        *ret = (struct exec_verdict){.done = true, .results = output};
    else if (rc == TASKER_E_NOMEM)
        fail(ret, 0, "resource_exhaustion", NULL,
             arena_strdup(arena, "out of memory while the output was read"));
    else
        fail(ret, 1, "permanent", "OUTPUT_NOT_JSON",
             arena_printf(arena, "the output is not JSON: %s (line %d, column %d): %s", err.message,
                          err.line, err.column, one_line(arena, output, FIRST_BYTES)));
}

// A member of the description as text: strings, and numbers as they are written.
static const char *member(struct arena *arena, const struct json *error, const char *name)
{
    const struct json *v = json_get(error, name);

    if (v == NULL || (v->type != JSON_STRING && v->type != JSON_NUMBER) || v->str.len == 0)
        return NULL;
    return arena_dup(arena, v->str.p, v->str.len);
}

// Takes over what {"error": {...}} on standard output says.
static void apply_description(struct arena *arena, struct span output, tasker_failure *f)
{
    const struct json *root, *error;

    if (output.len == 0 || json_parse(arena, output, &root, NULL) < 0)
        return;
    error = json_get(root, "error");
    if (error == NULL)
        return;
    if (error->type == JSON_STRING && error->str.len > 0)
        f->message = arena_dup(arena, error->str.p, error->str.len);
    const struct {
        const char *name, **field;
    } members[] = {
        {"message", &f->message}, {"class", &f->error_class},   {"retry_after", &f->retry_after},
        {"code", &f->code},       {"backtrace", &f->backtrace},
    };
    for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
        const char *text = member(arena, error, members[i].name);
        if (text != NULL)
            *members[i].field = text;
    }
    const struct json *permanent = json_get(error, "permanent");
    if (permanent != NULL && permanent->type == JSON_BOOL) {
        f->permanent = permanent->truth;
        f->category = permanent->truth ? "permanent" : "transient";
    }
    if (f->message == NULL)
        f->message = out_of_memory;
}

static void judge_exit(struct arena *arena, const struct exec_end *end, struct exec_verdict *ret)
{
    const char *line = one_line(arena, last_line(end->log), LINE_MAX_BYTES);
    const struct exit_rule *rule = NULL;
    char *message;

    if (line == NULL)
        line = "";
    const char *between = line[0] != '\0' ? ": " : "";
    if (end->signal != 0)
        message =
            arena_printf(arena, "%s by signal %d (%s)%s%s", end->stopped ? "stopped" : "killed",
                         end->signal, strsignal(end->signal), between, line);
    else
        message = arena_printf(arena, "exited with %d%s%s", end->exit_code, between, line);
    for (size_t i = 0; end->signal == 0 && i < ARRAY_SIZE(exit_rules); i++)
        if (exit_rules[i].code == end->exit_code)
            rule = &exit_rules[i];
    fail(ret, rule != NULL && rule->permanent, rule != NULL ? rule->category : "transient", NULL,
         message);
    apply_description(arena, trim(end->output), &ret->failure);
}

void exec_judge(struct arena *arena, const struct exec_end *end, struct exec_verdict *ret)
{
    *ret = (struct exec_verdict){0};
    if (end->status.stage != STAGE_NONE)
        judge_start(arena, end, ret);
    else if (end->too_big)
        fail(ret, 1, "permanent", "OUTPUT_TOO_BIG",
             arena_printf(arena, "output too big: more than %zu MiB on standard output",
                          EXEC_OUTPUT_MAX >> 20));
    else if (end->signal == 0 && end->exit_code == 0)
        judge_output(arena, end, ret);
    else
        judge_exit(arena, end, ret);
    if (!ret->done) {
        ret->failure.log = end->log.len > 0 ? end->log.p : NULL;
        ret->failure.log_size = end->log.len;
    }
}

void exec_clean_log(struct span raw, struct buf *out)
{
    static const char replacement[] = "\xEF\xBF\xBD";
    size_t at = raw.len > EXEC_LOG_MAX ? raw.len - EXEC_LOG_MAX : 0;

    // The cut may have gone through a character: its rest is not worth a replacement.
    while (at > 0 && at < raw.len && ((unsigned char)raw.p[at] & 0xC0) == 0x80)
        at++;
    while (at < raw.len) {
        size_t n = raw.p[at] != '\0' ? utf8_length(raw.p + at, raw.len - at) : 0;
        if (n > 0)
            buf_add(out, raw.p + at, n);
        else
            buf_add(out, replacement, sizeof(replacement) - 1);
        at += n > 0 ? n : 1;
    }
}
