// SPDX-License-Identifier: MIT
// embedded.c - an engine inside a program: it registers a template, submits one task, runs its steps with handlers
// written in C, and prints how the task ended.
//
//     embedded DATABASE TEMPLATE NAME        for example: embedded greeting.db greeting.yaml Ada
//
// The handlers are called by our own loop, in our own thread: a worker asks for steps and answers them.
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

// One handler for both steps. The second one fails at first, to show a retry.
static void handle(tasker_step *step)
{
    tasker_error err;
    char results[256];
    const char *class = tasker_step_handler_class(step);

    printf("%s, attempt %d of %d\n", tasker_step_name(step), tasker_step_attempt(step),
           tasker_step_retry_limit(step));
    if (strcmp(class, "Greeting::Deliver") == 0 && tasker_step_attempt(step) == 1) {
        tasker_failure failure = {.message = "the letter box is full", .category = "dependency_failure"};
        must(tasker_step_fail(step, &failure, &err), &err);
        return;
    }
    size_t size;
    const char *context = tasker_step_context(step, &size);
    snprintf(results, sizeof(results), "{\"for\": %.*s}", (int)size, context);
    must(tasker_step_complete(step, results, strlen(results), NULL, 0, &err), &err);
}

static void register_file(tasker *t, const char *path)
{
    char text[8192];
    tasker_error err;
    FILE *f = fopen(path, "r");
    size_t n = f == NULL ? 0 : fread(text, 1, sizeof(text), f);

    if (f == NULL || n == sizeof(text)) {
        fprintf(stderr, "%s: can not be read\n", path);
        exit(66);
    }
    fclose(f);
    must(tasker_register(t, text, n, path, 0, NULL, &err), &err);
}

int main(int argc, char **argv)
{
    static const char *const classes[] = {"Greeting::Compose", "Greeting::Deliver"};
    char uri[512], request[512];
    const char *state = NULL;
    tasker *t;
    tasker_worker *worker;
    tasker_error err;
    int64_t task;
    int rc;

    if (argc != 4)
        return 64;
    snprintf(uri, sizeof(uri), "sqlite:%s", argv[1]);
    must(tasker_open(uri, "{\"name\": \"embedded\"}", &t, &err), &err);
    register_file(t, argv[2]);
    must(tasker_start(t, 1, &err), &err);
    must(tasker_worker_open(t, classes, 2, 4, &worker, &err), &err);

    snprintf(request, sizeof(request),
             "{\"namespace\": \"examples\", \"name\": \"greeting\", \"version\": \"1.0.0\", \"context\": {\"name\": \"%s\"}}",
             argv[3]);
    must(tasker_submit(t, request, strlen(request), &task, &err), &err);
    while ((rc = tasker_wait(t, task, 0, &state, &err)) == TASKER_E_TIMEOUT) {
        tasker_step *step;
        int found = tasker_worker_poll(worker, 100, &step, &err);
        must(found, &err);
        if (found > 0)
            handle(step);
    }
    must(rc, &err);
    printf("task %lld: %s\n", (long long)task, state);
    tasker_worker_close(worker);
    tasker_close(t);
    return strcmp(state, "complete") == 0 ? 0 : 1;
}
