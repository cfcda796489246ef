// SPDX-License-Identifier: MIT
// exec_trampoline.c - what a child runs between fork and its program.
//
//   tasker --exec-trampoline <pid of the parent> <folder or ""> program argument...
//
// The parent started us in a session of our own with EXEC_STATUS_FD open for writing. It closes by
// itself when the program takes over; when it cannot, a struct exec_status goes through it first.
// The exit code says nothing, because any code may be the program's own.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "worker/exec_private.h"

#define CANNOT_START 127

static int report(enum exec_stage stage)
{
    struct exec_status status = {.stage = (int32_t)stage, .error = errno};

    // A pipe takes so few bytes whole; with nobody at the other end there is nobody to tell.
    ssize_t n = write(EXEC_STATUS_FD, &status, sizeof(status));
    return n == (ssize_t)sizeof(status) ? CANNOT_START : CANNOT_START - 1;
}

// The kernel kills us when the parent dies; if it died before we asked for that, its process is no
// longer our parent.
static int follow_parent(const char *pid)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        return -1;
    errno = ESRCH;
    return getppid() == (pid_t)strtol(pid, NULL, 10) ? 0 : -1;
}

static void reset_signals(void)
{
    sigset_t none;

    for (int i = 1; i < NSIG; i++)
        if (i != SIGKILL && i != SIGSTOP)
            signal(i, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

int exec_trampoline(int argc, char **argv)
{
    if (argc < 5 || fcntl(EXEC_STATUS_FD, F_SETFD, FD_CLOEXEC) != 0) {
        fputs("tasker: " EXEC_TRAMPOLINE " is how tasker starts programs, it is not for people\n",
              stderr);
        return 64;
    }
    if (follow_parent(argv[2]) != 0)
        return report(STAGE_PARENT);
    reset_signals();
    if (argv[3][0] != '\0' && chdir(argv[3]) != 0)
        return report(STAGE_DIRECTORY);
    execvp(argv[4], argv + 4);
    return report(STAGE_PROGRAM);
}
