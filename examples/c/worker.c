// SPDX-License-Identifier: MIT
// worker.c - a process that owns no task: it serves steps that an engine in another process lends it over the database.
//
//     worker DATABASE COUNT        runs COUNT steps of the classes Greeting::*, then ends
//
// Start as many as you like, of any language; each step goes to one of them. Kill one, and its step goes to another.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tasker.h>

static void must(int rc, const tasker_error *err)
{
    if (rc >= 0)
        return;
    fprintf(stderr, "%s: %s\n", tasker_error_name(rc), err->message);
    exit(tasker_error_exit(rc));
}

// The result of a step is any JSON; here, which step it was and what its parents said.
static void handle(tasker_step *step)
{
    tasker_error err;
    char results[1024];
    const char *parent, *said;
    size_t size, n;

    n = (size_t)snprintf(results, sizeof(results), "{\"step\": \"%s\", \"parents\": {", tasker_step_name(step));
    for (size_t i = 0; tasker_step_parent(step, i, &parent, &said, &size) && n + size < 900; i++)
        n += (size_t)snprintf(results + n, sizeof(results) - n, "%s\"%s\": %.*s", i > 0 ? ", " : "", parent, (int)size, said);
    n += (size_t)snprintf(results + n, sizeof(results) - n, "}}");

    // A long handler would call tasker_step_heartbeat now and then, and stop when that returns 1.
    int rc = tasker_step_complete(step, results, n, NULL, 0, &err);
    if (rc == TASKER_E_STALE) {
        printf("too late: the step was given to somebody else\n");
        return;
    }
    must(rc, &err);
}

int main(int argc, char **argv)
{
    static const char *const classes[] = {"Greeting::Compose", "Greeting::Deliver"};
    char uri[512];
    tasker *t;
    tasker_worker *worker;
    tasker_error err;

    if (argc != 3)
        return 64;
    snprintf(uri, sizeof(uri), "sqlite:%s", argv[1]);
    must(tasker_open(uri, "{\"name\": \"worker\"}", &t, &err), &err);
    must(tasker_worker_open(t, classes, 2, 1, &worker, &err), &err);
    for (int left = atoi(argv[2]); left > 0;) {
        tasker_step *step;
        int found = tasker_worker_poll(worker, 1000, &step, &err);
        must(found, &err);
        if (found == 0)
            continue;
        printf("task %lld: %s\n", (long long)tasker_step_task_id(step), tasker_step_name(step));
        handle(step);
        left--;
    }
    tasker_worker_close(worker);
    must(tasker_drain(t, 1000, &err), &err);
    tasker_close(t);
    return 0;
}
