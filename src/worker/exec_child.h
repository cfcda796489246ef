// SPDX-License-Identifier: MIT
// exec_child.h - one running program: from its start to its answered step. Inside worker/ only, on
// the thread of the loop; with exec.c and exec_child.c the place where libuv is spoken.
//
//            start            exit and all output read, or 2 s after the exit
//   (none) ---------> RUNNING ----------------------------------------------> answered, handles
//   closing ----> freed
//                        |  child_stop                                  ^
//                        +----------> SIGTERM --- 2 s ---> SIGKILL -----+
#ifndef WORKER_EXEC_CHILD_H
#define WORKER_EXEC_CHILD_H

#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

#include "worker/exec_private.h"

struct exec {
    tasker_worker *worker;
    uv_loop_t loop;
    uv_poll_t ready;  // the worker's descriptor
    uv_async_t wake;  // exec_stop and exec_abort
    uv_timer_t again; // after a poll that failed
    struct list children;
    atomic_bool stopping, aborting;
    bool closed; // takes no more steps
    pthread_t thread;
    char input[65536]; // where libuv reads into
};

struct child {
    struct list link; // in exec->children
    struct exec *exec;
    tasker_step *step; // NULL once answered
    int64_t token;
    struct arena arena; // of the plan
    struct exec_plan plan;
    tasker_text *document;
    uv_process_t process;
    uv_pipe_t in, out, err, status;
    uv_timer_t timer;
    uv_write_t write;
    struct buf output, log;
    struct exec_status report;
    size_t report_len;
    int exit_code, signal;
    uv_handle_t *made[6]; // handles to close
    unsigned made_count;
    unsigned open;    // of them, not closed yet; the memory goes with the last
    unsigned streams; // of out, err and status: not at their end
    bool spawned, exited, too_big, stopped;
};

// child_start starts the step's program and takes the step over: it is answered whatever happens.
void child_start(struct exec *e, tasker_step *step);

// child_stop asks the program's group to end (SIGTERM, SIGKILL after the grace). Again: no effect.
void child_stop(struct child *c);

// child_kill ends it at once.
void child_kill(struct child *c);

#endif
