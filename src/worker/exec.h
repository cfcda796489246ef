// SPDX-License-Identifier: MIT
// exec.h - the built-in handler class "tasker.exec": a step is a program. It reads the step's
// document (JSON) on its standard input, writes its result (JSON, or nothing) on standard output
// and its log on standard error, and says by its exit code how it went.
//
//   handler_config:
//     command: [program, argument, ...]   a program with a slash is relative to the template's
//     folder, else PATH is
//                                         searched; with `shell: true` one element, given to
//                                         /bin/sh -c
//     environment: {NAME: value}          added to the worker's own
//     working_directory: folder           relative to the template's folder, which is the default
//     shell: false
//
//   exit code            meaning
//   0                    done; standard output is the result, nothing or white space is null
//   75                   try again
//   64, 65, 77           never try again
//   78                   never try again, a configuration error
//   others, any signal   try again
//
// With another exit code than 0 the output may say more: {"error": {"message", "class",
// "permanent", "retry_after"}}. The program also gets TASKER_TASK_ID, TASKER_STEP, TASKER_ATTEMPT
// and TASKER_IDEMPOTENCY_KEY.
//
// Each program leads a session and process group of its own. Asked to stop (cancelled, timed out,
// drained) the whole group gets SIGTERM, and 2 s later SIGKILL. What is left of the group when an
// attempt is over is killed too; a program that wants to leave a daemon behind starts it in another
// session. When this process dies without a chance to clean up, the kernel kills each program
// (PR_SET_PDEATHSIG), but not what that program has started: only those that watch their own
// parent, or read a pipe of it, end then.
#ifndef WORKER_EXEC_H
#define WORKER_EXEC_H

#include "base/err.h"

#define EXEC_CLASS "tasker.exec"
#define EXEC_TRAMPOLINE "--exec-trampoline"

struct exec;

// exec_start opens a worker for EXEC_CLASS on `t`, at most `concurrency` programs at once, and
// starts its thread. The program that calls it must run exec_trampoline when its first argument is
// EXEC_TRAMPOLINE. `ret` is freed by exec_stop.
int exec_start(tasker *t, int concurrency, struct exec **ret, tasker_error *err) CHECKED;

// exec_abort takes the grace away: programs that are to be stopped, and those still running when
// exec_stop is called, get SIGKILL at once. Any thread.
void exec_abort(struct exec *e);

// exec_stop takes no more steps, stops the programs that still run, waits until they are gone, and
// frees. NULL is fine.
void exec_stop(struct exec *e);

// exec_trampoline is what a child runs in front of its program: it ties its life to the parent's,
// resets signals, changes the folder and becomes the program. Returns the process's exit code when
// that failed, after telling the parent why.
int exec_trampoline(int argc, char **argv);

#endif
