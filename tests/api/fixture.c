// SPDX-License-Identifier: MIT
// fixture.c - see fixture.h. Everything that must succeed fails the test with what the library
// said.
#include "fixture.h"

#include <libpq-fe.h>
#include <unistd.h>

#include "base/mem.h"

#define LONG_MS 20000 // longer than anything takes, also under sanitizers

tasker *t;
tasker_error error;
char *answer;
const char *options;
int server_lanes = 2;
char server_uri[512];

static void must(int rc)
{
    if (rc < 0)
        fail_msg("%s: %s (%s) %s", tasker_error_name(rc), error.message, error.where, error.remedy);
}

// ---- a database of its own for each test: in memory, or on the server of TASKER_TEST_POSTGRESQL with two lanes

static char database[64];

static void administer(const char *fmt)
{
    char text[128];
    PGconn *c = PQconnectdb(getenv("TASKER_TEST_POSTGRESQL"));
    snprintf(text, sizeof(text), fmt, database);
    PGresult *r = PQexec(c, text);
    if (PQresultStatus(r) != PGRES_COMMAND_OK)
        fail_msg("%s: %s", text, PQerrorMessage(c));
    PQclear(r);
    PQfinish(c);
}

static int open_on_server(const char *server)
{
    static int serial;
    char more[2048];
    const char *query = strchr(server, '?'), *slash = strchr(strstr(server, "://") + 3, '/');

    snprintf(database, sizeof(database), "api_%ld_%d", (long)getpid(), ++serial);
    administer("CREATE DATABASE %s");
    snprintf(server_uri, sizeof(server_uri), "%.*s/%s%s", (int)(slash - server), server, database, query ? query : "");
    bool some = options != NULL && strcmp(options, "{}") != 0;
    snprintf(more, sizeof(more), "{\"lanes\":%d%s%s", server_lanes, some ? "," : "}", some ? options + 1 : "");
    return tasker_open(server_uri, more, &t, &error);
}

int fresh(void **state)
{
    const char *server = getenv("TASKER_TEST_POSTGRESQL");

    (void)state;
    return server != NULL ? open_on_server(server) : tasker_open("sqlite::memory:", options, &t, &error);
}

int gone(void **state)
{
    (void)state;
    tasker_close(t);
    t = NULL;
    if (database[0] != '\0')
        administer("DROP DATABASE %s WITH (FORCE)");
    database[0] = server_uri[0] = '\0';
    free(answer);
    answer = NULL;
    pick_done();
    return 0;
}

bool lose_database(void)
{
    bool there = database[0] != '\0';

    if (there)
        administer("DROP DATABASE %s WITH (FORCE)");
    database[0] = '\0';
    return there;
}

const char *stored(const char *written, const char *value)
{
    return getenv("TASKER_TEST_POSTGRESQL") != NULL ? value : written;
}

bool came_back(const char *text, const char *written, const char *value)
{
    return strcmp(text, written) == 0 || strcmp(text, stored(written, value)) == 0;
}

static void keep(tasker_text *text)
{
    free(answer);
    answer = NULL;
    if (text != NULL)
        answer = strdup(tasker_text_data(text));
    tasker_text_free(text);
}

int call_on(tasker *handle, const char *name, const char *arguments)
{
    tasker_text *text = NULL;

    error = (tasker_error){0};
    int rc = tasker_call(handle, name, arguments, arguments == NULL ? 0 : strlen(arguments), &text,
                         &error);
    keep(text);
    return rc;
}

int call(const char *name, const char *fmt, ...)
{
    char arguments[4096];
    va_list args;

    va_start(args, fmt);
    vsnprintf(arguments, sizeof(arguments), fmt, args);
    va_end(args);
    return call_on(t, name, arguments);
}

void register_yaml(const char *yaml)
{
    must(tasker_register(t, yaml, strlen(yaml), NULL, 0, NULL, &error));
}

void register_one(const char *name, const char *extra)
{
    char yaml[2048];

    snprintf(yaml, sizeof(yaml),
             "name: %s\ntask_handler_class: One\nstep_templates:\n  - name: only\n    "
             "dependent_system: test\n"
             "    handler_class: Work\n%s",
             name, extra);
    register_yaml(yaml);
}

void register_shape(int shape, const char *extra)
{
    char yaml[8192];

    shape_yaml(&shapes[shape], "Work", extra, yaml, sizeof(yaml));
    register_yaml(yaml);
}

int64_t submit(const char *fmt, ...)
{
    char request[4096];
    va_list args;
    int64_t id = 0;

    va_start(args, fmt);
    vsnprintf(request, sizeof(request), fmt, args);
    va_end(args);
    must(tasker_submit(t, request, strlen(request), &id, &error));
    return id;
}

void refused(int code, const char *where, const char *request)
{
    int64_t id = 7;

    error = (tasker_error){0};
    int rc = tasker_submit(t, request, strlen(request), &id, &error);
    if (rc != code || error.code != code || strcmp(error.where, where) != 0)
        fail_msg("%s: %s at \"%s\": %s", request, tasker_error_name(rc), error.where,
                 error.message);
    assert_int_equal(id, 7);
}

const char *picked(const char *path)
{
    const char *found = answer == NULL ? NULL : pick(answer, path);

    if (found == NULL)
        fail_msg("%s is not in %s (%s)", path, answer == NULL ? "no answer" : answer,
                 error.message);
    return found;
}

void show(int64_t task_id)
{
    must(call("task.show", "{\"task_id\":%lld}", (long long)task_id));
}

const char *step_path(const char *step, const char *member)
{
    static char paths[4][128];
    static int next;
    char *path = paths[next++ % 4];

    for (int i = 0; i < pick_count(answer, "steps"); i++) {
        snprintf(path, sizeof(paths[0]), "steps.%d.name", i);
        if (!pick_is(answer, path, step))
            continue;
        snprintf(path, sizeof(paths[0]), "steps.%d.%s", i, member);
        return path;
    }
    fail_msg("there is no step %s in %s", step, answer);
    return NULL;
}

void fail_allocation(uint64_t n)
{
    mem_fail_after(n);
}

bool allocation_failed(void)
{
    return mem_failed();
}

// ---- workers

tasker_worker *open_worker(const char *handler_class, int concurrency)
{
    tasker_worker *w = NULL;

    must(tasker_worker_open(t, &handler_class, 1, concurrency, &w, &error));
    return w;
}

tasker_step *take(tasker_worker *w)
{
    tasker_step *s = NULL;
    int rc = tasker_worker_poll(w, LONG_MS, &s, &error);

    must(rc);
    if (rc == 0)
        fail_msg("no step came");
    return s;
}

void take_nothing(tasker_worker *w)
{
    tasker_step *s = NULL;

    assert_int_equal(tasker_worker_poll(w, 0, &s, &error), 0);
}

void complete(tasker_step *s, const char *results)
{
    must(tasker_step_complete(s, results, strlen(results), NULL, 0, &error));
}

void fail_step(tasker_step *s, const tasker_failure *failure)
{
    must(tasker_step_fail(s, failure, &error));
}

const char *wait_state(int64_t task_id)
{
    const char *state = NULL;

    must(tasker_wait(t, task_id, LONG_MS, &state, &error));
    return state;
}

const char *work(tasker_worker *w, int64_t task_id)
{
    const char *state = NULL;
    char results[256];

    while (tasker_wait(t, task_id, 0, &state, &error) == TASKER_E_TIMEOUT) {
        tasker_step *s = NULL;
        int rc = tasker_worker_poll(w, 50, &s, &error);
        must(rc);
        if (rc == 0)
            continue;
        snprintf(results, sizeof(results), "{\"step\":\"%s\"}", tasker_step_name(s));
        complete(s, results);
    }
    if (state == NULL)
        fail_msg("task %lld: %s", (long long)task_id, error.message);
    return state;
}
