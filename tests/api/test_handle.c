// SPDX-License-Identifier: MIT
// test_handle.c - the life of a handle: options, opening, draining, closing, forks, and several
// handles on one file that share tasks and lend each other steps.
#include "fixture.h"

#include <poll.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/tasker-handle-XXXXXX";
static char uri[128];
static int file_number;

static int with_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int without_folder(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return system(command);
}

static int new_file(void **state)
{
    (void)state;
    snprintf(uri, sizeof(uri), "sqlite:%s/%d.db", folder, file_number++);
    return 0;
}

static tasker *open_file(const char *with)
{
    tasker *handle = NULL;

    if (tasker_open(uri, with, &handle, &error) < 0)
        fail_msg("%s: %s", uri, error.message);
    return handle;
}

// ---- options

static void unknown_and_wrong_options_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *options, *where;
    } cases[] = {
        {"[]", "$"},
        {"{\"colour\":1}", "$.colour"},
        {"{\"name\":1}", "$.name"},
        {"{\"name\":\"\"}", "$.name"},
        {"{\"migrate\":1}", "$.migrate"},
        {"{\"lease_seconds\":0}", "$.lease_seconds"},
        {"{\"lease_seconds\":3601}", "$.lease_seconds"},
        {"{\"max_concurrent_steps\":-1}", "$.max_concurrent_steps"},
        {"{\"max_active_tasks\":0}", "$.max_active_tasks"},
        {"{\"queue_limit\":\"8\"}", "$.queue_limit"},
        {"{\"class_limits\":[]}", "$.class_limits"},
        {"{\"class_limits\":{\"A\":1,\"B\":\"x\"}}", "$.class_limits.B"},
        {"{\"template_limits\":{\"a/b\":-1}}", "$.template_limits.a/b"},
        {"{\"poll_interval_ms\":0}", "$.poll_interval_ms"},
        {"{\"max_crashes\":1.5}", "$.max_crashes"},
        {"{\"identity_strategy\":\"custom\"}", "$.identity_strategy"},
        {"{\"start_row_delay_ms\":null}", "$.start_row_delay_ms"},
        {"{\"default_step_timeout_seconds\":true}", "$.default_step_timeout_seconds"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        tasker *handle = NULL;
        error = (tasker_error){0};
        assert_int_equal(tasker_open("sqlite::memory:", cases[i].options, &handle, &error),
                         TASKER_E_INVALID);
        assert_null(handle);
        assert_string_equal(error.where, cases[i].where);
    }
    assert_int_equal(tasker_open("sqlite::memory:", "{\"colour\":1}", &t, &error),
                     TASKER_E_INVALID);
    assert_non_null(strstr(error.remedy, "lease_seconds"));
    assert_int_equal(tasker_open("sqlite::memory:", "{", &t, &error), TASKER_E_INVALID);
}

static void every_option_is_taken(void **state)
{
    (void)state;
    options =
        "{\"name\":\"alpha\",\"environment\":\"test\",\"migrate\":true,\"lease_seconds\":1.5,"
        "\"max_concurrent_steps\":3,\"max_active_tasks\":10,\"class_limits\":{\"A\":1,\"B\":2},"
        "\"template_limits\":{\"default/"
        "x\":1},\"queue_limit\":10,\"default_step_timeout_seconds\":0.5,"
        "\"default_task_timeout_seconds\":9,\"start_row_delay_ms\":10,\"poll_interval_ms\":10,"
        "\"max_crashes\":2,"
        "\"identity_strategy\":\"default\"}";
    assert_int_equal(fresh(NULL), 0);
    options = NULL;
    assert_int_equal(call("health.status", "{}"), 0);
    assert_pick("engine.engine", "alpha");
    register_one("one", "");
    tasker_worker *w = open_worker("Work", 1);
    assert_int_equal(tasker_start(t, 1, &error), 0);
    submit("{\"name\":\"one\"}");
    tasker_step *s = take(w);
    assert_int_equal(tasker_step_timeout_ms(s), 500);
    complete(s, "{}");
    gone(NULL);
}

static void the_environment_chooses_the_section_of_a_template(void **state)
{
    (void)state;
    static const char yaml[] =
        "name: one\ntask_handler_class: One\nstep_templates:\n  - {name: a, dependent_system: s,"
        " handler_class: Work, handler_config: {url: base}}\nenvironments:\n  test:\n"
        "    step_templates:\n      - {name: a, handler_config: {url: test}}\n";

    options = "{\"environment\":\"test\"}";
    assert_int_equal(fresh(NULL), 0);
    options = NULL;
    register_yaml(yaml);
    assert_int_equal(call("template.show", "{\"name\":\"one\"}"), 0);
    assert_pick("definition.step_templates.0.handler_config.url", "test");
    gone(NULL);
    setenv("TASKER_ENV", "test", 1);
    assert_int_equal(fresh(NULL), 0);
    unsetenv("TASKER_ENV");
    register_yaml(yaml);
    assert_int_equal(call("template.show", "{\"name\":\"one\"}"), 0);
    assert_pick("definition.step_templates.0.handler_config.url", "test");
    gone(NULL);
    assert_int_equal(fresh(NULL), 0);
    register_yaml(yaml);
    assert_int_equal(call("template.show", "{\"name\":\"one\"}"), 0);
    assert_pick("definition.step_templates.0.handler_config.url", "base");
    gone(NULL);
}

static void what_is_no_database_is_refused(void **state)
{
    (void)state;
    tasker *handle = NULL;

    assert_int_equal(tasker_open("mongodb://x", NULL, &handle, &error), TASKER_E_INVALID);
    assert_int_equal(tasker_open(NULL, NULL, &handle, &error), TASKER_E_INVALID);
    assert_true(tasker_open("sqlite:/no/such/folder/x.db", NULL, &handle, &error) < 0);
    assert_true(tasker_open(uri, "{\"migrate\":false}", &handle, &error) < 0);
    assert_null(handle);
}

static void a_handle_for_the_tables_only_serves_nothing_else(void **state)
{
    tasker *other = NULL;
    (void)state;
    tasker *h = open_file("{\"tables_only\":true}");
    assert_int_equal(call_on(h, "db.status", "{}"), 0);
    assert_pick("version", "0");
    assert_pick("pending.0.version", "1");
    assert_int_equal(call_on(h, "db.check", "{}"), 0);
    assert_pick("drift.0.problem", "missing");
    assert_int_equal(call_on(h, "task.list", "{}"), TASKER_E_INVALID);
    assert_int_equal(call_on(h, "db.prune", "{\"older_than\":\"1d\"}"), TASKER_E_INVALID);
    assert_int_equal(tasker_start(h, 1, &error), TASKER_E_INVALID);
    assert_non_null(strstr(error.message, "tables only"));
    assert_int_equal(tasker_drain(h, 0, &error), TASKER_E_INVALID);
    assert_int_equal(tasker_open(uri, "{\"migrate\":false}", &other, &error), TASKER_E_SCHEMA);
    assert_non_null(strstr(error.message, "has schema version 0, this program needs"));

    assert_int_equal(call_on(h, "db.migrate", "{}"), 0);
    assert_pick("applied.0.version", "1");
    assert_int_equal(call_on(h, "db.check", "{}"), 0);
    assert_pick("version", picked("wanted"));
    assert_non_null(strstr(answer, "\"drift\":[]"));
    assert_int_equal(call_on(h, "task.list", "{}"), TASKER_E_INVALID);
    tasker_close(h);
    assert_int_equal(tasker_open(uri, "{\"migrate\":false}", &other, &error), 0);
    tasker_close(other);
}

static void no_handle_is_an_error_and_closing_none_is_fine(void **state)
{
    (void)state;
    tasker_text *text = NULL;

    assert_int_equal(tasker_call(NULL, "task.list", NULL, 0, &text, &error), TASKER_E_INVALID);
    assert_int_equal(tasker_start(NULL, 1, NULL), TASKER_E_INVALID);
    tasker_close(NULL);
    tasker_text_free(NULL);
    tasker_worker_close(NULL);
    tasker_events_close(NULL);
    assert_int_equal(tasker_text_size(NULL), 0);
    assert_string_equal(tasker_version(), TASKER_VERSION);
}

static void results_outlive_their_handle(void **state)
{
    (void)state;
    tasker_text *text = NULL;

    assert_int_equal(fresh(NULL), 0);
    assert_int_equal(tasker_call(t, "failure.categories", NULL, 0, &text, &error), 0);
    gone(NULL);
    assert_int_equal(pick_count(tasker_text_data(text), "categories"), 10);
    assert_int_equal(tasker_text_size(text), strlen(tasker_text_data(text)));
    tasker_text_free(text);
}

// ---- workers

static void a_worker_needs_classes_and_places(void **state)
{
    (void)state;
    static const char *const nothing[] = {""};
    static const char *const work[] = {"Work"};
    tasker_worker *w = NULL;

    assert_int_equal(tasker_worker_open(t, work, 0, 1, &w, &error), TASKER_E_INVALID);
    assert_int_equal(tasker_worker_open(t, work, 1, 0, &w, &error), TASKER_E_INVALID);
    assert_int_equal(tasker_worker_open(t, nothing, 1, 1, &w, &error), TASKER_E_INVALID);
    assert_null(w);
}

static void the_descriptor_is_readable_while_there_is_a_step(void **state)
{
    (void)state;
    register_one("one", "");
    assert_int_equal(tasker_start(t, 1, &error), 0);
    tasker_worker *w = open_worker("Work", 1);
    struct pollfd fd = {.fd = tasker_worker_fd(w), .events = POLLIN};
    assert_int_equal(poll(&fd, 1, 0), 0);
    submit("{\"name\":\"one\"}");
    assert_int_equal(poll(&fd, 1, 20000), 1);
    tasker_step *s = take(w);
    assert_int_equal(poll(&fd, 1, 0), 0);
    complete(s, "{}");
}

static void *poll_until_closed(void *w)
{
    tasker_step *s = NULL;
    tasker_error e = {0};

    return (void *)(intptr_t)tasker_worker_poll(w, -1, &s, &e);
}

static void closing_a_worker_wakes_those_who_poll_it(void **state)
{
    (void)state;
    tasker_worker *w = open_worker("Work", 1);
    tasker_step *s = NULL;
    pthread_t threads[3];
    void *rc;

    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, poll_until_closed, w), 0);
    tasker_worker_close(w);
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], &rc);
        assert_int_equal((intptr_t)rc, TASKER_E_CLOSED);
    }
    assert_int_equal(tasker_worker_poll(w, 0, &s, &error), TASKER_E_CLOSED);
}

static void a_step_is_answered_after_its_worker_was_closed(void **state)
{
    (void)state;
    register_one("one", "");
    assert_int_equal(tasker_start(t, 1, &error), 0);
    tasker_worker *w = open_worker("Work", 1);
    int64_t id = submit("{\"name\":\"one\"}");
    tasker_step *s = take(w);
    tasker_worker_close(w);
    complete(s, "{}");
    assert_string_equal(wait_state(id), "complete");
}

static void *work_on(void *w)
{
    tasker_step *s = NULL;
    tasker_error e = {0};
    intptr_t count = 0;

    while (tasker_worker_poll(w, -1, &s, &e) == 1)
        count += tasker_step_complete(s, "{}", 2, NULL, 0, &e) == 0;
    return (void *)count;
}

static void several_threads_share_a_worker(void **state)
{
    (void)state;
    enum { TASKS = 40 };
    int64_t ids[TASKS];
    pthread_t threads[4];
    intptr_t sum = 0;

    register_shape(SHAPE_MIXED, "");
    assert_int_equal(tasker_start(t, 1, &error), 0);
    tasker_worker *w = open_worker("Work", 4);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work_on, w), 0);
    for (int i = 0; i < TASKS; i++)
        ids[i] = submit("{\"name\":\"mixed\"}");
    for (int i = 0; i < TASKS; i++)
        assert_string_equal(wait_state(ids[i]), "complete");
    tasker_worker_close(w);
    for (int i = 0; i < 4; i++) {
        void *count;
        pthread_join(threads[i], &count);
        sum += (intptr_t)count;
    }
    assert_int_equal(sum, TASKS * 7);
}

// ---- draining

static void draining_waits_for_handlers_and_gives_tasks_back(void **state)
{
    (void)state;
    tasker *first = open_file(NULL);

    t = first;
    register_shape(SHAPE_LINEAR, "");
    assert_int_equal(tasker_start(t, 1, &error), 0);
    tasker_worker *w = open_worker("Work", 1);
    int64_t id = submit("{\"name\":\"linear\"}");
    complete(take(w), "{\"from\":1}");
    tasker_step *s = take(w);
    complete(s, "{}");
    tasker_step *third = take(w);
    assert_int_equal(tasker_drain(t, 10, &error), 1);
    assert_int_equal(tasker_step_complete(third, "{}", 2, NULL, 0, &error), TASKER_E_STALE);
    tasker_worker_close(w);
    show(id);
    assert_pick("owner", "null");
    assert_pick("state", "in_progress");
    // Another process goes on where the first has stopped.
    t = open_file(NULL);
    assert_int_equal(tasker_start(t, 1, &error), 0);
    w = open_worker("Work", 1);
    assert_string_equal(work(w, id), "complete");
    show(id);
    assert_pick("steps.0.attempts", "1");
    assert_pick("steps.2.attempts", "1");
    tasker_worker_close(w);
    tasker_close(first);
    gone(NULL);
}

static void draining_an_idle_engine_returns_at_once(void **state)
{
    (void)state;
    assert_int_equal(tasker_start(t, 1, &error), 0);
    assert_int_equal(tasker_drain(t, 20000, &error), 0);
    // It can be started again.
    register_one("one", "");
    assert_int_equal(tasker_start(t, 1, &error), 0);
    tasker_worker *w = open_worker("Work", 1);
    assert_string_equal(work(w, submit("{\"name\":\"one\"}")), "complete");
}

// ---- several handles on one file

static void one_handle_submits_and_another_runs(void **state)
{
    (void)state;
    tasker *client = open_file(NULL);

    t = open_file(NULL);
    register_shape(SHAPE_DIAMOND, "");
    assert_int_equal(tasker_start(t, 1, &error), 0);
    tasker_worker *w = open_worker("Work", 4);
    const char *state_name = NULL;
    int64_t id = 0;
    assert_int_equal(tasker_submit(client, "{\"name\":\"diamond\"}", 18, &id, &error), 0);
    assert_string_equal(work(w, id), "complete");
    assert_int_equal(tasker_wait(client, id, 0, &state_name, &error), 0);
    assert_string_equal(state_name, "complete");
    tasker_worker_close(w);
    tasker_close(client);
    gone(NULL);
}

// The owner has no worker for the class: the other process borrows the step, and what it answers
// arrives.
static void an_engine_lends_steps_to_the_worker_of_another(void **state)
{
    (void)state;
    static const char *const other_class[] = {"Other"};
    tasker *helper = open_file("{\"name\":\"helper\",\"poll_interval_ms\":10}");
    tasker_worker *borrowed = NULL;
    tasker_step *s = NULL;

    options = "{\"name\":\"owner\",\"poll_interval_ms\":10}";
    t = open_file(options);
    options = NULL;
    register_yaml(
        "name: split\ntask_handler_class: S\nstep_templates:\n"
        "  - {name: here, dependent_system: s, handler_class: Work}\n"
        "  - {name: there, dependent_system: s, handler_class: Other, depends_on_step: here,"
        " retry_backoff: immediate}\n"
        "  - {name: back, dependent_system: s, handler_class: Work, depends_on_step: there}\n");
    assert_int_equal(tasker_start(t, 1, &error), 0);
    assert_int_equal(tasker_worker_open(helper, other_class, 1, 1, &borrowed, &error), 0);
    tasker_worker *w = open_worker("Work", 1);
    int64_t id = submit("{\"name\":\"split\",\"context\":{\"n\":1.10}}");
    complete(take(w), "{\"here\":1.10}");
    assert_int_equal(tasker_worker_poll(borrowed, 20000, &s, &error), 1);
    assert_string_equal(tasker_step_name(s), "there");
    assert_string_equal(tasker_step_context(s, NULL), "{\"n\":1.10}");
    tasker_text *document = NULL;
    assert_int_equal(tasker_step_document(s, &document, &error), 0);
    assert_true(pick_is(tasker_text_data(document), "parents.here", "{\"here\":1.10}"));
    tasker_text_free(document);
    assert_int_equal(
        tasker_step_fail(s, &(tasker_failure){.message = "first", .code = "E7"}, &error), 0);
    assert_int_equal(tasker_worker_poll(borrowed, 20000, &s, &error), 1);
    assert_int_equal(tasker_step_attempt(s), 2);
    assert_int_equal(tasker_step_complete(s, "{\"there\":2.20}", 14, "log", 3, &error), 0);
    s = take(w);
    const char *name, *results;
    assert_int_equal(tasker_step_parent(s, 0, &name, &results, NULL), 1);
    assert_string_equal(results, "{\"there\":2.20}");
    complete(s, "{}");
    assert_string_equal(wait_state(id), "complete");
    assert_int_equal(call("step.log", "{\"task_id\":%lld,\"step\":\"there\"}", (long long)id), 0);
    assert_pick("attempts.0.text", "log");
    tasker_worker_close(borrowed);
    tasker_worker_close(w);
    tasker_close(helper);
    gone(NULL);
}

static void a_borrowed_step_hears_of_a_cancellation(void **state)
{
    (void)state;
    static const char *const other_class[] = {"Work"};
    tasker *helper = open_file("{\"name\":\"helper\",\"poll_interval_ms\":10}");
    tasker_worker *borrowed = NULL;
    tasker_step *s = NULL;

    t = open_file("{\"name\":\"owner\",\"poll_interval_ms\":10}");
    register_one("one", "");
    assert_int_equal(tasker_start(t, 1, &error), 0);
    assert_int_equal(tasker_worker_open(helper, other_class, 1, 1, &borrowed, &error), 0);
    int64_t id = submit("{\"name\":\"one\"}");
    assert_int_equal(tasker_worker_poll(borrowed, 20000, &s, &error), 1);
    do
        assert_int_equal(call("task.explain", "{\"task_id\":%lld}", (long long)id), 0);
    while (!pick_is(answer, "steps.0.code", "running"));
    assert_pick("steps.0.engine", "helper");
    assert_int_equal(call("task.cancel", "{\"task_id\":%lld}", (long long)id), 0);
    while (!tasker_step_cancel_requested(s))
        continue;
    assert_int_equal(tasker_step_heartbeat(s, NULL, 0, &error), 1);
    assert_int_equal(tasker_step_complete(s, "1", 1, NULL, 0, &error), TASKER_E_STALE);
    show(id);
    assert_pick("steps.0.state", "cancelled");
    assert_pick("steps.0.results", "null");
    tasker_worker_close(borrowed);
    tasker_close(helper);
    gone(NULL);
}

static void a_command_reaches_the_engine_that_owns_the_task(void **state)
{
    (void)state;
    tasker *client = open_file("{\"poll_interval_ms\":10}");

    t = open_file("{\"poll_interval_ms\":10}");
    register_one("one", "");
    assert_int_equal(tasker_start(t, 1, &error), 0);
    tasker_worker *w = open_worker("Work", 1);
    int64_t id = submit("{\"name\":\"one\"}");
    tasker_step *s = take(w);
    char arguments[64];
    snprintf(arguments, sizeof(arguments), "{\"task_id\":%lld}", (long long)id);
    assert_int_equal(call_on(client, "task.cancel", arguments), 0);
    assert_pick("state", "cancelled");
    while (!tasker_step_cancel_requested(s))
        continue;
    assert_int_equal(tasker_step_complete(s, "1", 1, NULL, 0, &error), TASKER_E_STALE);
    tasker_worker_close(w);
    tasker_close(client);
    gone(NULL);
}

// ---- fork

static void run_child(tasker_worker *w, tasker_step *s, tasker_events *e)
{
    tasker_text *text = NULL;
    tasker_step *other = NULL;
    const char *name;
    int64_t token;
    int wrong = 0;

    wrong += tasker_call(t, "task.list", NULL, 0, &text, NULL) != TASKER_E_FORKED;
    wrong += tasker_submit(t, "{\"name\":\"one\"}", 14, NULL, NULL) != TASKER_E_FORKED;
    wrong += tasker_submit_many(t, NULL, 0, NULL) != TASKER_E_FORKED;
    wrong += tasker_register(t, "x", 1, NULL, 0, NULL, NULL) != TASKER_E_FORKED;
    wrong += tasker_start(t, 1, NULL) != TASKER_E_FORKED;
    wrong += tasker_drain(t, 0, NULL) != TASKER_E_FORKED;
    wrong += tasker_wait(t, 1, 0, &name, NULL) != TASKER_E_FORKED;
    wrong += tasker_worker_poll(w, 0, &other, NULL) != TASKER_E_FORKED;
    wrong += tasker_worker_cancelled(w, &token) != TASKER_E_FORKED;
    wrong += tasker_worker_fd(w) != TASKER_E_FORKED;
    wrong += tasker_step_complete(s, "1", 1, NULL, 0, NULL) != TASKER_E_FORKED;
    wrong += tasker_step_fail(s, NULL, NULL) != TASKER_E_FORKED;
    wrong += tasker_step_release(s, NULL) != TASKER_E_FORKED;
    wrong += tasker_step_heartbeat(s, NULL, 0, NULL) != TASKER_E_FORKED;
    wrong += tasker_step_result(s, "only", &text, NULL) != TASKER_E_FORKED;
    wrong += tasker_events_next(e, 0, &text, NULL) != TASKER_E_FORKED;
    wrong += tasker_events_open(t, NULL, NULL, &e, NULL) != TASKER_E_FORKED;
    tasker_worker_close(w);
    tasker_events_close(e);
    tasker_close(t);
#ifndef __SANITIZE_THREAD__ // which ends a forked child that starts threads
    // A handle of its own works.
    wrong += tasker_open("sqlite::memory:", NULL, &t, NULL) != 0;
    wrong += tasker_call(t, "task.list", NULL, 0, &text, NULL) != 0;
    tasker_text_free(text);
    tasker_close(t);
#endif
    _exit(wrong);
}

static void a_forked_child_has_none_of_its_parents_handles(void **state)
{
    (void)state;
    tasker_events *e = NULL;
    int status = -1;

    register_one("one", "");
    assert_int_equal(tasker_start(t, 1, &error), 0);
    assert_int_equal(tasker_events_open(t, NULL, NULL, &e, &error), 0);
    tasker_worker *w = open_worker("Work", 1);
    int64_t id = submit("{\"name\":\"one\"}");
    tasker_step *s = take(w);
    pid_t child = fork();
    if (child == 0)
        run_child(w, s, e);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    complete(s, "{}");
    assert_string_equal(wait_state(id), "complete");
    tasker_events_close(e);
}

#define F(name) cmocka_unit_test_setup(name, new_file)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_and_wrong_options_are_refused),
        cmocka_unit_test(every_option_is_taken),
        cmocka_unit_test(the_environment_chooses_the_section_of_a_template),
        F(what_is_no_database_is_refused),
        F(a_handle_for_the_tables_only_serves_nothing_else),
        cmocka_unit_test(no_handle_is_an_error_and_closing_none_is_fine),
        cmocka_unit_test(results_outlive_their_handle),
        T(a_worker_needs_classes_and_places),
        T(the_descriptor_is_readable_while_there_is_a_step),
        T(closing_a_worker_wakes_those_who_poll_it),
        T(a_step_is_answered_after_its_worker_was_closed),
        T(several_threads_share_a_worker),
        F(draining_waits_for_handlers_and_gives_tasks_back),
        T(draining_an_idle_engine_returns_at_once),
        F(one_handle_submits_and_another_runs),
        F(an_engine_lends_steps_to_the_worker_of_another),
        F(a_borrowed_step_hears_of_a_cancellation),
        F(a_command_reaches_the_engine_that_owns_the_task),
        T(a_forked_child_has_none_of_its_parents_handles),
    };
    return cmocka_run_group_tests_name("handle", tests, with_folder, without_folder);
}
