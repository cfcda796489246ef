// SPDX-License-Identifier: MIT
// exec_child.c - one running program: its pipes, its end, its answer.
//
// Real pipes are used, not the socket pairs that libuv would make: programs open /dev/stdin and
// /dev/stderr, which sockets refuse. The handles of a child are closed only after its step was
// answered, and its memory goes with the last of them.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "worker/exec_child.h"

#define LOG_SLACK (2 * EXEC_LOG_MAX)
#define FD_COUNT (EXEC_STATUS_FD + 1)

extern char **environ;

// ---- the answer

static void release(struct child *c)
{
    arena_done(&c->arena);
    buf_done(&c->output);
    buf_done(&c->log);
    tasker_text_free(c->document);
    mem_free(c);
}

static void answer(struct child *c, struct exec_verdict *v)
{
    tasker_step *step = c->step;
    tasker_error err;
    int rc = 0;

    c->step = NULL;
    if (v->done) {
        rc = tasker_step_complete(step, v->results.p, v->results.len, v->failure.log,
                                  v->failure.log_size, &err);
        if (rc == TASKER_E_INVALID || rc == TASKER_E_TOO_BIG) {
            v->failure.message = err.message;
            v->failure.error_class = EXEC_CLASS;
            v->failure.category = "permanent";
            v->failure.permanent = 1;
            v->done = false;
        }
    }
    if (!v->done)
        rc = tasker_step_fail(step, &v->failure, &err);
    // Otherwise the step was taken away (cancelled, timed out): nobody waits for this answer any
    // more.
    (void)rc;
}

static void fail_start(struct child *c, int permanent, const char *category, const char *message)
{
    struct exec_verdict v = {.failure = {.message = message,
                                         .error_class = EXEC_CLASS,
                                         .category = category,
                                         .permanent = permanent}};

    answer(c, &v);
}

static void on_closed(uv_handle_t *handle)
{
    struct child *c = handle->data;

    if (--c->open == 0)
        release(c);
}

static void close_handle(void *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, on_closed);
}

static void made(struct child *c, void *handle)
{
    ((uv_handle_t *)handle)->data = c;
    c->made[c->made_count++] = handle;
    c->open++;
}

static void close_all(struct child *c)
{
    if (c->made_count == 0)
        release(c);
    else
        for (unsigned i = 0, n = c->made_count; i < n; i++)
            close_handle(c->made[i]);
}

// Signals the whole group. It exists as long as its leader was not waited for or anybody else is in
// it.
static void signal_group(struct child *c, int number)
{
    if (c->spawned)
        kill(-c->process.pid, number);
}

static void judge_and_answer(struct child *c)
{
    CLEANUP(buf_done) struct buf log;
    struct exec_verdict v;
    struct exec_end end = {
        .exit_code = c->exit_code,
        .signal = c->signal,
        .status = c->report_len == sizeof(c->report) ? c->report : (struct exec_status){0},
        .program = c->plan.argv[0],
        .directory = c->plan.directory,
        .too_big = c->too_big,
        .stopped = c->stopped,
        .output = buf_view(&c->output),
    };

    buf_init(&log, 4 * EXEC_LOG_MAX);
    exec_clean_log(buf_view(&c->log), &log);
    end.log = buf_view(&log);
    exec_judge(&c->arena, &end, &v);
    v.failure.log = end.log.len > 0 ? end.log.p : NULL;
    v.failure.log_size = end.log.len;
    answer(c, &v);
}

static void finish(struct child *c)
{
    if (c->step == NULL)
        return;
    signal_group(c, SIGKILL);
    list_remove(&c->link);
    judge_and_answer(c);
    close_all(c);
}

// ---- its end

static void on_grace_over(uv_timer_t *timer)
{
    struct child *c = timer->data;

    if (c->exited)
        finish(c);
    else
        signal_group(c, SIGKILL);
}

static void start_grace(struct child *c)
{
    if (!uv_is_active((uv_handle_t *)&c->timer))
        uv_timer_start(&c->timer, on_grace_over, EXEC_GRACE_MS, 0);
}

void child_stop(struct child *c)
{
    if (c->stopped)
        return;
    c->stopped = true;
    signal_group(c, SIGTERM);
    start_grace(c);
}

void child_kill(struct child *c)
{
    c->stopped = true;
    signal_group(c, SIGKILL);
    start_grace(c);
}

static void finish_when_done(struct child *c)
{
    if (c->exited && c->streams == 0)
        finish(c);
}

static void on_exit(uv_process_t *process, int64_t code, int signal_number)
{
    struct child *c = process->data;

    c->exited = true;
    c->exit_code = (int)code;
    c->signal = signal_number;
    // What the program left behind may hold its output open, for ever if we let it.
    start_grace(c);
    finish_when_done(c);
}

// ---- its output

static void on_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct child *c = handle->data;

    (void)suggested;
    *buf = uv_buf_init(c->exec->input, sizeof(c->exec->input));
}

static void take_output(struct child *c, const char *p, size_t n)
{
    if (c->too_big)
        return;
    buf_add(&c->output, p, n);
    if (!buf_failed(&c->output))
        return;
    c->too_big = true;
    buf_done(&c->output);
    child_stop(c);
}

static void take_log(struct child *c, const char *p, size_t n)
{
    buf_add(&c->log, p, n);
    if (c->log.len <= LOG_SLACK)
        return;
    memmove(c->log.data, c->log.data + c->log.len - EXEC_LOG_MAX, EXEC_LOG_MAX);
    c->log.len = EXEC_LOG_MAX;
}

static void take_report(struct child *c, const char *p, size_t n)
{
    size_t room = sizeof(c->report) - c->report_len;

    n = n < room ? n : room;
    memcpy((char *)&c->report + c->report_len, p, n);
    c->report_len += n;
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct child *c = stream->data;

    if (n < 0) {
        c->streams--;
        close_handle(stream);
        finish_when_done(c);
    } else if (stream == (uv_stream_t *)&c->out) {
        take_output(c, buf->base, (size_t)n);
    } else if (stream == (uv_stream_t *)&c->err) {
        take_log(c, buf->base, (size_t)n);
    } else {
        take_report(c, buf->base, (size_t)n);
    }
}

// The program may end or close its input before it has read everything: that is its right.
static void on_written(uv_write_t *request, int status)
{
    struct child *c = request->data;

    (void)status;
    close_handle(&c->in);
}

// ---- its start

static int init_handles(struct child *c)
{
    uv_loop_t *loop = &c->exec->loop;
    uv_pipe_t *pipes[] = {&c->in, &c->out, &c->err, &c->status};

    for (size_t i = 0; i < ARRAY_SIZE(pipes); i++) {
        int rc = uv_pipe_init(loop, pipes[i], 0);
        if (rc < 0)
            return rc;
        made(c, pipes[i]);
    }
    int rc = uv_timer_init(loop, &c->timer);
    if (rc < 0)
        return rc;
    made(c, &c->timer);
    c->write.data = c;
    return 0;
}

// Four pipes, [0] is our end and [1] the child's.
static int make_pipes(int fds[FD_COUNT][2])
{
    for (int i = 0; i < FD_COUNT; i++) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) != 0)
            return -errno;
        fds[i][0] = ends[i == 0 ? 1 : 0];
        fds[i][1] = ends[i == 0 ? 0 : 1];
    }
    return 0;
}

static void close_fds(int fds[FD_COUNT][2], int side)
{
    for (int i = 0; i < FD_COUNT; i++) {
        if (fds[i][side] >= 0)
            close(fds[i][side]);
        fds[i][side] = -1;
    }
}

static int spawn(struct child *c, int fds[FD_COUNT][2])
{
    uv_stdio_container_t stdio[FD_COUNT];
    size_t count = 0;
    char parent[24];

    while (c->plan.argv[count] != NULL)
        count++;
    char **argv = arena_alloc(&c->arena, (count + 5) * sizeof(char *));
    if (argv == NULL)
        return UV_ENOMEM;
    snprintf(parent, sizeof(parent), "%ld", (long)getpid());
    argv[0] = arena_strdup(&c->arena, "tasker");
    argv[1] = arena_strdup(&c->arena, EXEC_TRAMPOLINE);
    argv[2] = arena_strdup(&c->arena, parent);
    argv[3] = arena_strdup(&c->arena, c->plan.directory);
    memcpy(argv + 4, c->plan.argv, count * sizeof(char *));
    if (c->arena.failed)
        return UV_ENOMEM;
    for (int i = 0; i < FD_COUNT; i++)
        stdio[i] = (uv_stdio_container_t){.flags = UV_INHERIT_FD, .data.fd = fds[i][1]};
    uv_process_options_t options = {
        .exit_cb = on_exit,
        .file = "/proc/self/exe",
        .args = argv,
        .env = c->plan.environment,
        .flags = UV_PROCESS_DETACHED,
        .stdio = stdio,
        .stdio_count = FD_COUNT,
    };
    // A failed uv_spawn leaves a handle that must be closed, too.
    made(c, &c->process);
    return uv_spawn(&c->exec->loop, &c->process, &options);
}

// From here on everything ends in on_exit; a pipe that does not open is taken for one at its end.
static void talk(struct child *c, int fds[FD_COUNT][2])
{
    uv_pipe_t *outputs[] = {NULL, &c->out, &c->err, &c->status};
    uv_buf_t text = uv_buf_init((char *)(uintptr_t)tasker_text_data(c->document),
                                (unsigned)tasker_text_size(c->document));

    for (int i = 1; i < FD_COUNT; i++) {
        uv_stream_t *stream = (uv_stream_t *)outputs[i];
        if (uv_pipe_open(outputs[i], fds[i][0]) < 0)
            continue;
        fds[i][0] = -1;
        if (uv_read_start(stream, on_buffer, on_read) == 0)
            c->streams++;
    }
    if (uv_pipe_open(&c->in, fds[0][0]) < 0)
        return;
    fds[0][0] = -1;
    if (uv_write(&c->write, (uv_stream_t *)&c->in, &text, 1, on_written) < 0)
        close_handle(&c->in);
}

static int make_plan(struct child *c, tasker_error *err)
{
    char *here = NULL;
    struct exec_facts facts = {
        .directory = tasker_step_directory(c->step),
        .task_id = tasker_step_task_id(c->step),
        .step = tasker_step_name(c->step),
        .key = tasker_step_idempotency_key(c->step),
        .attempt = tasker_step_attempt(c->step),
        .environment = environ,
    };

    facts.config.p = tasker_step_config(c->step, &facts.config.len);
    // A template without a folder of its own runs where we are.
    if (facts.directory[0] == '\0') {
        char path[4096];
        here = getcwd(path, sizeof(path)) != NULL ? arena_strdup(&c->arena, path) : NULL;
        facts.directory = here != NULL ? here : "/";
    }
    int rc = exec_plan_make(&c->arena, &facts, &c->plan, err);
    return rc == 0 ? tasker_step_document(c->step, &c->document, err) : rc;
}

// A child whose program did not start: the step is answered, the handles made so far go.
static void give_up(struct child *c, int permanent, const char *category, const char *message)
{
    fail_start(c, permanent, category, message);
    close_all(c);
}

void child_start(struct exec *e, tasker_step *step)
{
    int fds[FD_COUNT][2] = {{-1, -1}, {-1, -1}, {-1, -1}, {-1, -1}};
    struct child *c = mem_alloc(sizeof(*c));
    tasker_error err;

    if (c == NULL) {
        // Freed all the same when it is refused.
        (void)!tasker_step_release(step, NULL);
        return;
    }
    c->exec = e;
    c->step = step;
    c->token = tasker_step_token(step);
    list_init(&c->link);
    arena_init(&c->arena);
    buf_init(&c->output, EXEC_OUTPUT_MAX);
    buf_init(&c->log, LOG_SLACK + sizeof(e->input));
    int rc = make_plan(c, &err);
    if (rc < 0) {
        bool config = rc != TASKER_E_NOMEM;
        give_up(c, config, config ? "configuration" : "resource_exhaustion", err.message);
        return;
    }
    rc = init_handles(c);
    if (rc == 0)
        rc = make_pipes(fds);
    if (rc == 0)
        rc = spawn(c, fds);
    if (rc < 0) {
        close_fds(fds, 0);
        close_fds(fds, 1);
        give_up(c, 0, "resource_exhaustion", uv_strerror(rc));
        return;
    }
    c->spawned = true;
    list_push(&e->children, &c->link);
    close_fds(fds, 1);
    talk(c, fds);
    close_fds(fds, 0);
}
