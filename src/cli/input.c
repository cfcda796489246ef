// SPDX-License-Identifier: MIT
// input.c - what several commands need: files and JSON arguments, the database, templates, signals.
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"

// ---- files and arguments

static int read_stream(FILE *f, const char *path, struct buf *out, tasker_error *err)
{
    char chunk[65536];
    size_t n;

    while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0 && !buf_failed(out))
        buf_add(out, chunk, n);
    if (ferror(f))
        return err_errno(err, TASKER_E_IO, errno, "%s cannot be read", path);
    if (buf_failed(out))
        return err_set(err, TASKER_E_TOO_BIG, "%s is too big", path);
    return 0;
}

int read_input(const char *path, struct buf *out, tasker_error *err)
{
    if (strcmp(path, "-") == 0)
        return read_stream(stdin, "standard input", out, err);

    FILE *f = fopen(path, "re");
    if (f == NULL)
        return err_errno(err, errno == ENOENT ? TASKER_E_NOT_FOUND : TASKER_E_IO, errno,
                         "%s cannot be opened", path);
    int rc = read_stream(f, path, out, err);
    fclose(f);
    return rc;
}

int read_json(const char *argument, const char *what, struct buf *out, tasker_error *err)
{
    tasker_error found;
    size_t before = out->len;
    int rc = 0;

    if (strcmp(argument, "-") == 0)
        rc = read_input("-", out, err);
    else if (argument[0] == '@')
        rc = read_input(argument + 1, out, err);
    else
        buf_str(out, argument);
    if (rc < 0)
        return rc;
    if (buf_failed(out))
        return err_set(err, TASKER_E_TOO_BIG, "%s is too big", what);
    rc = json_check((struct span){buf_view(out).p + before, out->len - before}, NULL, &found);
    if (rc == 0)
        return 0;
    err_set(err, rc, "%s is not JSON: %s", what, found.message);
    err_where(err, found.line, found.column, "%s", what);
    if (argument[0] != '@' && argument[0] != '-')
        err_remedy(err, "give JSON, or @file, or - for standard input");
    return rc;
}

// ---- the database

int cli_open(const struct cli *c, const char *more, tasker **ret, tasker_error *err)
{
    CLEANUP(buf_done) struct buf options;

    buf_init(&options, 1 << 20);
    jw_open(&options, '{');
    if (c->environment != NULL)
        jw_kstr(&options, "environment", c->environment);
    if (c->database_timeout_ms >= 0) {
        jw_key(&options, "database_timeout_seconds");
        buf_printf(&options, "%d.%03d", c->database_timeout_ms / 1000,
                   c->database_timeout_ms % 1000);
    }
    if (more != NULL && more[0] != '\0')
        jw_raw(&options, more, strlen(more));
    jw_close(&options, '}');
    if (buf_failed(&options))
        return err_nomem(err);
    return tasker_open(c->db, buf_view(&options).p, ret, err);
}

// Every finding of a template as file:line:column: message, the file called as it was on the
// command line.
static int print_findings(const struct cli *c, const char *path, const tasker_text *text,
                          const tasker_error *first)
{
    CLEANUP(arena_done) struct arena arena;
    const struct json *root, *list;

    arena_init(&arena);
    struct span all = {tasker_text_data(text), tasker_text_size(text)};
    if (json_parse(&arena, all, &root, NULL) < 0 || (list = json_get(root, "errors")) == NULL ||
        list->count == 0)
        return fail(c, first);
    if (c->json) {
        fwrite(all.p, 1, all.len, stderr);
        fputc('\n', stderr);
        return tasker_error_exit(first->code);
    }
    for (const struct json *e = list->child; e != NULL; e = e->next) {
        struct span line = json_text(e, "line"), column = json_text(e, "column"),
                    message = json_text(e, "message");
        fprintf(stderr, "%s:%.*s:%.*s: %.*s\n", path, (int)line.len, line.p, (int)column.len,
                column.p, (int)message.len, message.p);
    }
    fprintf(stderr, "tasker: %zu %s in %s\n", list->count, list->count == 1 ? "error" : "errors",
            path);
    return tasker_error_exit(first->code);
}

int cli_register(const struct cli *c, tasker *t, const char *path, bool replace,
                 tasker_text **ret_text)
{
    CLEANUP(buf_done) struct buf text;
    char resolved[PATH_MAX];
    tasker_text *answer = NULL;
    tasker_error err;

    buf_init(&text, INPUT_MAX);
    int rc = read_input(path, &text, &err);
    if (rc < 0)
        return fail(c, &err);
    // Programs are looked for in the template's folder, by any process on the database: its name
    // must be a full one.
    bool file = strcmp(path, "-") != 0 && realpath(path, resolved) != NULL;
    struct span all = buf_view(&text);
    rc = tasker_register(t, all.p, all.len, file ? resolved : NULL, replace, &answer, &err);
    if (rc == 0) {
        *ret_text = answer;
        return 0;
    }
    if (rc == TASKER_E_CONFLICT)
        err_remedy(
            &err,
            "raise its version, or use --replace (running tasks keep what they started with)");
    rc = rc == TASKER_E_INVALID && answer != NULL ? print_findings(c, path, answer, &err)
                                                  : fail(c, &err);
    tasker_text_free(answer);
    return rc;
}

int cli_call(tasker *t, const char *operation, const char *arguments, struct arena *arena,
             tasker_text **ret_text, const struct json **ret, tasker_error *err)
{
    tasker_text *text;

    int rc =
        tasker_call(t, operation, arguments, arguments != NULL ? strlen(arguments) : 0, &text, err);
    if (rc < 0)
        return rc;
    rc = json_parse_around(arena, (struct span){tasker_text_data(text), tasker_text_size(text)}, ret, err);
    if (rc < 0)
        tasker_text_free(text);
    else
        *ret_text = text;
    return rc;
}

char *task_arguments(char out[TASK_ARGUMENTS_SIZE], int64_t task_id)
{
    snprintf(out, TASK_ARGUMENTS_SIZE, "{\"task_id\":%lld}", (long long)task_id);
    return out;
}

int default_concurrency(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (int)(2 * n) : 2;
}

// ---- signals

static void stop_signals(sigset_t *ret)
{
    struct sigaction hangup;

    sigemptyset(ret);
    sigaddset(ret, SIGINT);
    sigaddset(ret, SIGTERM);
    // Under nohup a terminal that closes is no reason to stop.
    if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN)
        sigaddset(ret, SIGHUP);
}

void signals_block(void)
{
    sigset_t set;

    stop_signals(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

void signals_unblock(void)
{
    sigset_t set;

    stop_signals(&set);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

bool signals_wait(int timeout_ms, int *ret_signal)
{
    struct timespec time = {.tv_sec = timeout_ms / 1000,
                            .tv_nsec = (long)(timeout_ms % 1000) * 1000000};
    sigset_t set;

    stop_signals(&set);
    int number = timeout_ms < 0 ? sigwaitinfo(&set, NULL) : sigtimedwait(&set, NULL, &time);
    if (number <= 0)
        return false;
    *ret_signal = number;
    return true;
}

int signals_pending(void)
{
    int number = 0;

    return signals_wait(0, &number) ? number : 0;
}
