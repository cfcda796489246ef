// SPDX-License-Identifier: MIT
// exec_private.h - what the files behind exec.h share.
//
//   step --exec_plan_make--> plan --child_start--> running program --child_end--> end
//   --exec_judge--> verdict --> answer
//        exec_plan.c, pure         exec_child.c, libuv                       exec_result.c, pure
//
// exec.c has the thread and its loop; exec_trampoline.c is the other side of child_start.
#ifndef WORKER_EXEC_PRIVATE_H
#define WORKER_EXEC_PRIVATE_H

#include "base/json.h"
#include "base/util.h"
#include "worker/exec.h"

#define EXEC_OUTPUT_MAX ((size_t)8 << 20) // bytes of standard output
#define EXEC_LOG_MAX ((size_t)16 << 10)   // last bytes of standard error that are kept
#define EXEC_GRACE_MS 2000 // between SIGTERM and SIGKILL, and for output after the exit
#define EXEC_STATUS_FD 3   // where the trampoline reports that it failed

// ---- what to start

// The facts of a step that a plan is made of; all borrowed.
struct exec_facts {
    struct span config;
    const char *directory; // the template's folder, "" when none
    int64_t task_id;
    const char *step, *key;
    int attempt;
    char *const *environment; // of this process, NULL-terminated
};

// Everything lives in the arena that it was made in.
struct exec_plan {
    const char *directory; // to run in, "" means where this process is
    char **argv;           // program and arguments, NULL-terminated
    char **environment;
};

// exec_plan_make reads the configuration. TASKER_E_CONFIG with a path ("$.command[0]"),
// TASKER_E_NOMEM.
int exec_plan_make(struct arena *arena, const struct exec_facts *facts, struct exec_plan *ret,
                   tasker_error *err) CHECKED;

// ---- how it went

enum exec_stage { STAGE_NONE, STAGE_DIRECTORY, STAGE_PROGRAM, STAGE_PARENT };

// What the trampoline reports when it cannot become the program.
struct exec_status {
    int32_t stage; // enum exec_stage, STAGE_NONE: it did
    int32_t error; // errno
};

struct exec_end {
    int exit_code, signal; // signal 0: it exited
    struct exec_status status;
    const char *program, *directory; // for messages
    bool too_big;                    // its output went over EXEC_OUTPUT_MAX
    bool stopped;                    // we were asked to stop it
    struct span output, log;
};

// The answer to the engine. Texts live in the arena or are borrowed from the end.
struct exec_verdict {
    bool done;
    struct span results;    // done
    tasker_failure failure; // not done
};

// exec_judge never fails: short of memory it gives a failure that says so.
void exec_judge(struct arena *arena, const struct exec_end *end, struct exec_verdict *ret);

// exec_clean_log replaces what is not UTF-8, and NUL, by U+FFFD, and keeps the last EXEC_LOG_MAX
// bytes.
void exec_clean_log(struct span raw, struct buf *out);

#endif
