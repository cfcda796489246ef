// SPDX-License-Identifier: MIT
// test_memory.c - running out of memory in the caller's thread: every call is made once for each of
// its allocations, with that one failing. It then says TASKER_E_NOMEM and has done nothing, or goes
// on without what it could not keep; it loses no memory and the handle goes on working.
#include "fixture.h"

static const char yaml[] =
    "{name: checked, task_handler_class: C, schema: {type: object, properties: {a: {type: "
    "integer}}},"
    " step_templates: [{name: a, dependent_system: s, handler_class: Work},"
    " {name: b, dependent_system: s, handler_class: Work, depends_on_step: a}]}";
static const char request[] = "{\"name\":\"checked\",\"context\":{\"a\":1},\"tags\":[\"x\"],"
                              "\"identity_strategy\":\"hash\",\"reason\":\"r\"}";

static int64_t task_id;
static int serial;
static tasker_worker *w;

// ---- one call each; a negative code is its failure

static int do_open(void)
{
    tasker *handle = NULL;
    int rc = tasker_open("sqlite::memory:", "{\"name\":\"x\",\"class_limits\":{\"A\":1}}", &handle,
                         &error);

    tasker_close(handle);
    return rc;
}

static int do_register(void)
{
    tasker_text *text = NULL;
    int rc = tasker_register(t, yaml, strlen(yaml), "/x/y.yaml", 0, &text, &error);

    tasker_text_free(text);
    return rc;
}

static int do_submit(void)
{
    char text[256];
    int64_t id = 0;

    snprintf(text, sizeof(text),
             "{\"name\":\"checked\",\"context\":{\"a\":1},\"identity\":\"n%d\"}", serial++);
    int rc = tasker_submit(t, text, strlen(text), &id, &error);
    assert_true(rc < 0 || id > 0);
    return rc;
}

static int do_submit_again(void)
{
    int rc = tasker_submit(t, request, strlen(request), NULL, &error);

    return rc == TASKER_E_DUPLICATE ? 0 : rc;
}

static int do_submit_many(void)
{
    tasker_submission list[2] = {{.request = request, .size = strlen(request)},
                                 {.request = "{", .size = 1}};

    return tasker_submit_many(t, list, 2, &error);
}

static int do_wait(void)
{
    const char *state = NULL;
    int rc = tasker_wait(t, task_id, 0, &state, &error);

    return rc == TASKER_E_TIMEOUT ? 0 : rc;
}

static int call_with_id(const char *name, const char *more)
{
    char text[128];
    tasker_text *result = NULL;

    snprintf(text, sizeof(text), "{\"task_id\":%lld%s}", (long long)task_id, more);
    int rc = tasker_call(t, name, text, strlen(text), &result, &error);
    assert_true(rc < 0 || result != NULL);
    tasker_text_free(result);
    return rc;
}

static int do_show(void)
{
    return call_with_id("task.show", "");
}

static int do_explain(void)
{
    return call_with_id("task.explain", "");
}

static int do_step(void)
{
    return call_with_id("step.show", ",\"step\":\"a\"");
}

static int do_health(void)
{
    tasker_text *result = NULL;
    int rc = tasker_call(t, "health.status", NULL, 0, &result, &error);

    tasker_text_free(result);
    return rc;
}

static int do_log(void)
{
    tasker_events *events = NULL;
    tasker_text *text = NULL;
    int rc = tasker_events_open(t, "task.*,step.*", "start", &events, &error);

    if (rc == 0)
        rc = tasker_events_next(events, 0, &text, &error);
    tasker_text_free(text);
    tasker_events_close(events);
    return rc;
}

static int do_subscribe(void)
{
    tasker_events *events = NULL;
    int rc = tasker_events_open(t, "task.*", NULL, &events, &error);

    tasker_events_close(events);
    return rc;
}

static int do_worker(void)
{
    static const char *const classes[] = {"Other", "Other", "Third"};
    tasker_worker *other = NULL;
    int rc = tasker_worker_open(t, classes, 3, 1, &other, &error);

    tasker_worker_close(other);
    return rc;
}

static const struct {
    const char *name;
    int (*run)(void);
} calls[] = {
    {"open", do_open},          {"register", do_register}, {"submit", do_submit},
    {"again", do_submit_again}, {"many", do_submit_many},  {"wait", do_wait},
    {"show", do_show},          {"explain", do_explain},   {"step", do_step},
    {"health", do_health},      {"log", do_log},           {"subscribe", do_subscribe},
    {"worker", do_worker},
};

static int prepared(void **state)
{
    int rc = fresh(state);

    if (rc == 0)
        rc = tasker_start(t, 1, &error);
    if (rc == 0) {
        register_yaml(yaml);
        w = open_worker("Work", 1);
        task_id = submit("%s", request);
        complete(take(w), "{\"n\":1.10}");
    }
    return rc;
}

static void every_call_survives_each_failed_allocation(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
        uint64_t n = 1;
        for (bool failed = true; failed; n++) {
            assert_true(n < 5000);
            fail_allocation(n);
            int rc = calls[i].run();
            failed = allocation_failed();
            fail_allocation(0);
            if (rc < 0 && !(failed && rc == TASKER_E_NOMEM))
                fail_msg("%s, allocation %d: %s: %s", calls[i].name, (int)n, tasker_error_name(rc),
                         error.message);
        }
        assert_true(n > 2);
    }
    complete(take(w), "{}");
    assert_string_equal(work(w, task_id), "complete");
}

static void a_step_that_could_not_be_answered_is_answered_again(void **state)
{
    (void)state;
    tasker_step *s = take(w);
    tasker_text *text = NULL;
    int rc = TASKER_E_NOMEM;

    for (uint64_t n = 1; rc == TASKER_E_NOMEM; n++) {
        fail_allocation(n);
        rc = tasker_step_document(s, &text, &error);
        fail_allocation(0);
    }
    assert_int_equal(rc, 0);
    tasker_text_free(text);
    rc = TASKER_E_NOMEM;
    for (uint64_t n = 1; rc == TASKER_E_NOMEM; n++) {
        fail_allocation(n);
        rc = tasker_step_complete(s, "{\"x\":[1,2,3]}", 13, "log", 3, &error);
        fail_allocation(0);
    }
    assert_int_equal(rc, 0);
    assert_string_equal(wait_state(task_id), "complete");
}

#define P(name) cmocka_unit_test_setup_teardown(name, prepared, gone)

int main(void)
{
    const struct CMUnitTest tests[] = {
        P(every_call_survives_each_failed_allocation),
        P(a_step_that_could_not_be_answered_is_answered_again),
    };
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
