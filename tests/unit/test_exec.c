// SPDX-License-Identifier: MIT
// test_exec.c - the pure parts of the exec worker: what is started, what an end means, and what is
// kept of a log.
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "worker/exec_private.h"

static char *no_environment[] = {NULL};

struct fixture {
    struct arena arena;
    struct exec_plan plan;
    tasker_error err;
};

static int setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    arena_init(&f.arena);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    arena_done(&f->arena);
    return 0;
}

static int plan_with(struct fixture *f, const char *config, const char *directory,
                     char *const *environment)
{
    struct exec_facts facts = {
        .config = span_of(config),
        .directory = directory,
        .task_id = 42,
        .step = "resize",
        .key = "db/42/resize",
        .attempt = 2,
        .environment = environment,
    };

    return exec_plan_make(&f->arena, &facts, &f->plan, &f->err);
}

static int plan(struct fixture *f, const char *config)
{
    return plan_with(f, config, "/srv/flows", no_environment);
}

static const char *variable(const struct exec_plan *p, const char *name)
{
    size_t n = strlen(name);

    for (char **at = p->environment; *at != NULL; at++)
        if (strncmp(*at, name, n) == 0 && (*at)[n] == '=')
            return *at + n + 1;
    return NULL;
}

static size_t variable_count(const struct exec_plan *p)
{
    size_t n = 0;

    while (p->environment[n] != NULL)
        n++;
    return n;
}

// ---- what is started

static void program_and_arguments_are_passed_as_they_are(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(plan(f, "{\"command\":[\"convert\",\"-x\",\"a b\",\"\",7]}"), 0);
    assert_string_equal(f->plan.argv[0], "convert");
    assert_string_equal(f->plan.argv[1], "-x");
    assert_string_equal(f->plan.argv[2], "a b");
    assert_string_equal(f->plan.argv[3], "");
    assert_string_equal(f->plan.argv[4], "7");
    assert_null(f->plan.argv[5]);
    assert_string_equal(f->plan.directory, "/srv/flows");
}

static void program_paths_are_relative_to_the_template(void **state)
{
    static const struct {
        const char *config, *program, *directory;
    } rows[] = {
        {"{\"command\":[\"./a.sh\"]}", "./a.sh", "/srv/flows"},
        {"{\"command\":[\"bin/a.sh\"]}", "./bin/a.sh", "/srv/flows"},
        {"{\"command\":[\"../a.sh\"]}", "./../a.sh", "/srv/flows"},
        {"{\"command\":[\"/bin/a\"]}", "/bin/a", "/srv/flows"},
        {"{\"command\":[\"a\"]}", "a", "/srv/flows"},
        {"{\"command\":[\"./a.sh\"],\"working_directory\":\"data\"}", "/srv/flows/./a.sh",
         "/srv/flows/data"},
        {"{\"command\":[\"a\"],\"working_directory\":\"data\"}", "a", "/srv/flows/data"},
        {"{\"command\":[\"bin/a\"],\"working_directory\":\"/tmp\"}", "/srv/flows/bin/a", "/tmp"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_int_equal(plan(f, rows[i].config), 0);
        assert_string_equal(f->plan.argv[0], rows[i].program);
        assert_string_equal(f->plan.directory, rows[i].directory);
    }
}

static void paths_of_a_template_in_the_root_folder_have_one_slash(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(
        plan_with(f, "{\"command\":[\"x/y\"],\"working_directory\":\"tmp\"}", "/", no_environment),
        0);
    assert_string_equal(f->plan.argv[0], "/x/y");
    assert_string_equal(f->plan.directory, "/tmp");
}

static void shell_takes_one_element(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(plan(f, "{\"command\":[\"./a | b\"],\"shell\":true}"), 0);
    assert_string_equal(f->plan.argv[0], "/bin/sh");
    assert_string_equal(f->plan.argv[1], "-c");
    assert_string_equal(f->plan.argv[2], "./a | b");
    assert_null(f->plan.argv[3]);
    assert_int_equal(plan(f, "{\"command\":[\"a\",\"b\"],\"shell\":true}"), TASKER_E_CONFIG);
    assert_string_equal(f->err.where, "$.command");
    assert_int_equal(plan(f, "{\"command\":[\"a\",\"b\"],\"shell\":false}"), 0);
    assert_string_equal(f->plan.argv[0], "a");
}

static void environment_is_inherited_and_extended(void **state)
{
    char *inherited[] = {"PATH=/bin", "LANG=C", "TASKER_STEP=outer", NULL};
    struct fixture *f = *state;

    assert_int_equal(plan_with(f,
                               "{\"command\":[\"a\"],\"environment\":{\"LANG\":\"de\",\"N\":8080,"
                               "\"B\":true,\"E\":\"\"}}",
                               "/", inherited),
                     0);
    assert_string_equal(variable(&f->plan, "PATH"), "/bin");
    assert_string_equal(variable(&f->plan, "LANG"), "de");
    assert_string_equal(variable(&f->plan, "N"), "8080");
    assert_string_equal(variable(&f->plan, "B"), "true");
    assert_string_equal(variable(&f->plan, "E"), "");
    assert_string_equal(variable(&f->plan, "TASKER_STEP"), "resize");
    assert_string_equal(variable(&f->plan, "TASKER_TASK_ID"), "42");
    assert_string_equal(variable(&f->plan, "TASKER_ATTEMPT"), "2");
    assert_string_equal(variable(&f->plan, "TASKER_IDEMPOTENCY_KEY"), "db/42/resize");
    assert_int_equal(variable_count(&f->plan), 9);
}

static void template_cannot_pretend_to_be_another_step(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(plan(f, "{\"command\":[\"a\"],\"environment\":{\"TASKER_TASK_ID\":\"1\"}}"),
                     0);
    assert_string_equal(variable(&f->plan, "TASKER_TASK_ID"), "42");
    assert_int_equal(variable_count(&f->plan), 4);
}

static void wrong_configurations_are_refused(void **state)
{
    static const char *const configs[] = {
        "{}",
        "{\"command\":[]}",
        "{\"command\":\"a b\"}",
        "{\"command\":[\"\"]}",
        "{\"command\":[[\"a\"]]}",
        "{\"command\":[\"a\",null]}",
        "{\"command\":[\"a\"],\"shell\":\"yes\"}",
        "{\"command\":[\"a\"],\"working_directory\":1}",
        "{\"command\":[\"a\"],\"environment\":[]}",
        "{\"command\":[\"a\"],\"environment\":{\"A=B\":\"x\"}}",
        "{\"command\":[\"a\"],\"environment\":{\"\":\"x\"}}",
        "{\"command\":[\"a\"],\"environment\":{\"A\":null}}",
        "{\"command\":[\"a\"],\"environment\":{\"A\":{}}}",
        "[]",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(configs); i++) {
        f->plan.directory = "untouched";
        assert_int_equal(plan(f, configs[i]), TASKER_E_CONFIG);
        assert_true(strlen(f->err.message) > 0);
        assert_string_equal(f->plan.directory, "untouched");
    }
}

static void a_configuration_may_hold_settings_of_the_program(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(plan(f, "{\"threshold\":1.10,\"command\":[\"a\"],\"mail\":{\"to\":[\"b\"]}}"), 0);
    assert_string_equal(f->plan.argv[0], "a");
    assert_null(f->plan.argv[1]);
}

static void every_failed_allocation_of_a_plan_is_reported(void **state)
{
    struct fixture *f = *state;
    unsigned failures = 0;
    int rc;

    do {
        arena_done(&f->arena);
        arena_init(&f->arena);
        mem_fail_after(++failures);
        rc = plan(f, "{\"command\":[\"./"
                     "a\",\"b\"],\"environment\":{\"A\":\"1\"},\"working_directory\":\"d\"}");
        if (mem_failed())
            assert_int_equal(rc, TASKER_E_NOMEM);
    } while (mem_failed());
    mem_fail_after(0);
    assert_int_equal(rc, 0);
    assert_true(failures > 1);
}

// ---- what an end means

static struct exec_verdict judge(struct fixture *f, struct exec_end end)
{
    struct exec_verdict v;

    end.program = "./a";
    end.directory = "/srv/flows";
    exec_judge(&f->arena, &end, &v);
    return v;
}

static void exit_codes_follow_the_table(void **state)
{
    static const struct {
        int code, permanent;
        const char *category;
    } rows[] = {
        {1, 0, "transient"},   {2, 0, "transient"},      {64, 1, "permanent"},
        {65, 1, "permanent"},  {66, 0, "transient"},     {75, 0, "transient"},
        {77, 1, "permanent"},  {78, 1, "configuration"}, {79, 0, "transient"},
        {127, 0, "transient"}, {255, 0, "transient"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct exec_verdict v = judge(f, (struct exec_end){.exit_code = rows[i].code});
        assert_false(v.done);
        assert_int_equal(v.failure.permanent, rows[i].permanent);
        assert_string_equal(v.failure.category, rows[i].category);
        assert_string_equal(v.failure.error_class, "tasker.exec");
    }
}

static void output_of_a_success_is_its_result(void **state)
{
    static const struct {
        const char *output, *results;
    } rows[] = {
        {"", "null"},
        {" \n\t\r\n", "null"},
        {"{\"a\":1.10}\n", "{\"a\":1.10}"},
        {"  [1, 2]  ", "[1, 2]"},
        {"null", "null"},
        {"12345678901234567890123", "12345678901234567890123"},
        {"\"text\"", "\"text\""},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct exec_verdict v = judge(f, (struct exec_end){.output = span_of(rows[i].output)});
        assert_true(v.done);
        assert_true(span_is(v.results, rows[i].results));
    }
}

static void output_that_is_not_json_fails_for_good_and_shows_its_beginning(void **state)
{
    struct fixture *f = *state;
    struct exec_verdict v =
        judge(f, (struct exec_end){.output = SPAN("hello\nworld \x1b[31m\xff")});

    assert_false(v.done);
    assert_int_equal(v.failure.permanent, 1);
    assert_string_equal(v.failure.code, "OUTPUT_NOT_JSON");
    assert_non_null(strstr(v.failure.message, "the output is not JSON"));
    assert_non_null(strstr(v.failure.message, "hello world  [31m"));
    v = judge(f, (struct exec_end){.output = SPAN("{} {}")});
    assert_false(v.done);
    assert_int_equal(v.failure.permanent, 1);
}

static void message_has_the_last_line_of_the_log(void **state)
{
    struct fixture *f = *state;

    struct exec_verdict v =
        judge(f, (struct exec_end){.exit_code = 3, .log = SPAN("one\ntwo\nno such order: 7 \n\n")});
    assert_string_equal(v.failure.message, "exited with 3: no such order: 7");
    assert_int_equal(v.failure.log_size, 27);
    v = judge(f, (struct exec_end){.exit_code = 3});
    assert_string_equal(v.failure.message, "exited with 3");
    assert_null(v.failure.log);
}

static void very_long_last_line_is_cut(void **state)
{
    struct fixture *f = *state;
    char line[2000];

    memset(line, 'x', sizeof(line));
    struct exec_verdict v =
        judge(f, (struct exec_end){.exit_code = 1, .log = {line, sizeof(line)}});
    assert_true(strlen(v.failure.message) < 400);
    assert_string_equal(v.failure.message + strlen(v.failure.message) - 4, "x...");
}

static void death_by_signal_may_be_tried_again(void **state)
{
    struct fixture *f = *state;

    struct exec_verdict v = judge(f, (struct exec_end){.signal = SIGSEGV, .log = SPAN("oops")});
    assert_false(v.done);
    assert_int_equal(v.failure.permanent, 0);
    assert_string_equal(v.failure.message, "killed by signal 11 (Segmentation fault): oops");
    v = judge(f, (struct exec_end){.signal = SIGTERM, .stopped = true});
    assert_string_equal(v.failure.message, "stopped by signal 15 (Terminated)");
}

static void description_on_standard_output_wins(void **state)
{
    struct fixture *f = *state;

    struct exec_verdict v =
        judge(f, (struct exec_end){
                     .exit_code = 75,
                     .output = SPAN("{\"error\":{\"message\":\"card "
                                    "declined\",\"class\":\"Card::Declined\",\"code\":\"C1\","
                                    "\"permanent\":true,\"backtrace\":\"a:1\"}}\n"),
                     .log = SPAN("noise"),
                 });
    assert_string_equal(v.failure.message, "card declined");
    assert_string_equal(v.failure.error_class, "Card::Declined");
    assert_string_equal(v.failure.code, "C1");
    assert_string_equal(v.failure.backtrace, "a:1");
    assert_int_equal(v.failure.permanent, 1);
    assert_string_equal(v.failure.category, "permanent");
}

static void description_may_ask_for_a_delay_and_for_another_try(void **state)
{
    struct fixture *f = *state;

    struct exec_verdict v = judge(
        f, (struct exec_end){.exit_code = 65,
                             .output = SPAN("{\"error\":{\"retry_after\":20,\"permanent\":false}}"),
                             .log = SPAN("slow down")});
    assert_string_equal(v.failure.retry_after, "20");
    assert_int_equal(v.failure.permanent, 0);
    assert_string_equal(v.failure.message, "exited with 65: slow down");
    v = judge(
        f, (struct exec_end){
               .exit_code = 1,
               .output = SPAN("{\"error\":{\"retry_after\":\"Wed, 21 Oct 2026 07:28:00 GMT\"}}")});
    assert_string_equal(v.failure.retry_after, "Wed, 21 Oct 2026 07:28:00 GMT");
    v = judge(f, (struct exec_end){.exit_code = 1, .output = SPAN("{\"error\":\"plain words\"}")});
    assert_string_equal(v.failure.message, "plain words");
}

static void other_output_of_a_failure_is_ignored(void **state)
{
    static const char *const outputs[] = {"hello", "{\"error\":7}", "[]",
                                          "{\"error\":{\"message\":[1]}}", "{\"a\":1}"};
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(outputs); i++) {
        struct exec_verdict v =
            judge(f, (struct exec_end){.exit_code = 1, .output = span_of(outputs[i])});
        assert_string_equal(v.failure.message, "exited with 1");
        assert_string_equal(v.failure.error_class, "tasker.exec");
    }
}

static void program_that_cannot_start_is_a_configuration_error(void **state)
{
    struct fixture *f = *state;

    struct exec_verdict v =
        judge(f, (struct exec_end){.exit_code = 127,
                                   .status = {.stage = STAGE_PROGRAM, .error = ENOENT}});
    assert_int_equal(v.failure.permanent, 1);
    assert_string_equal(v.failure.category, "configuration");
    assert_string_equal(
        v.failure.message,
        "the program \"./a\" cannot be started (in \"/srv/flows\"): No such file or directory");
    v = judge(f, (struct exec_end){.exit_code = 127,
                                   .status = {.stage = STAGE_DIRECTORY, .error = EACCES}});
    assert_string_equal(v.failure.category, "configuration");
    assert_non_null(
        strstr(v.failure.message, "\"/srv/flows\" cannot be entered: Permission denied"));
    v = judge(
        f, (struct exec_end){.exit_code = 127, .status = {.stage = STAGE_PARENT, .error = ESRCH}});
    assert_int_equal(v.failure.permanent, 0);
}

static void too_much_output_fails_for_good(void **state)
{
    struct fixture *f = *state;

    struct exec_verdict v =
        judge(f, (struct exec_end){.signal = SIGTERM, .too_big = true, .stopped = true});
    assert_int_equal(v.failure.permanent, 1);
    assert_string_equal(v.failure.message, "output too big: more than 8 MiB on standard output");
}

static void verdict_without_memory_still_says_something(void **state)
{
    struct fixture *f = *state;
    struct exec_end end = {.exit_code = 1,
                           .output = SPAN("{\"error\":{\"message\":\"m\",\"class\":\"c\"}}"),
                           .program = "./a",
                           .directory = "/",
                           .log = SPAN("l")};

    for (unsigned n = 1;; n++) {
        struct exec_verdict v;
        arena_done(&f->arena);
        arena_init(&f->arena);
        mem_fail_after(n);
        exec_judge(&f->arena, &end, &v);
        bool failed = mem_failed();
        mem_fail_after(0);
        assert_false(v.done);
        assert_true(strlen(v.failure.message) > 0);
        if (!failed)
            break;
    }
}

// ---- logs

static void log_keeps_its_end_and_becomes_valid_text(void **state)
{
    struct fixture *f = *state;
    char *text = arena_alloc(&f->arena, EXEC_LOG_MAX + 100);
    struct buf out;

    buf_init(&out, 4 * EXEC_LOG_MAX);
    exec_clean_log((struct span){"a\0b\xff\xc3\xa9\xc3", 7}, &out);
    assert_string_equal(out.data, "a\xEF\xBF\xBD"
                                  "b\xEF\xBF\xBD"
                                  "\xc3\xa9\xEF\xBF\xBD");
    buf_clear(&out);
    memset(text, 'y', EXEC_LOG_MAX + 100);
    text[99] = 'x';
    text[100] = 'z';
    exec_clean_log((struct span){text, EXEC_LOG_MAX + 100}, &out);
    assert_int_equal(out.len, EXEC_LOG_MAX);
    assert_int_equal(out.data[0], 'z');
    buf_done(&out);
}

static void log_is_not_cut_through_a_character(void **state)
{
    struct fixture *f = *state;
    char *text = arena_alloc(&f->arena, EXEC_LOG_MAX + 2);
    struct buf out;

    buf_init(&out, 4 * EXEC_LOG_MAX);
    memset(text, 'y', EXEC_LOG_MAX + 2);
    memcpy(text + 1, "\xE2\x82\xAC", 3);
    exec_clean_log((struct span){text, EXEC_LOG_MAX + 2}, &out);
    assert_int_equal(out.len, EXEC_LOG_MAX - 2);
    assert_int_equal(out.data[0], 'y');
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(program_and_arguments_are_passed_as_they_are),
        TEST(program_paths_are_relative_to_the_template),
        TEST(paths_of_a_template_in_the_root_folder_have_one_slash),
        TEST(shell_takes_one_element),
        TEST(environment_is_inherited_and_extended),
        TEST(template_cannot_pretend_to_be_another_step),
        TEST(wrong_configurations_are_refused),
        TEST(a_configuration_may_hold_settings_of_the_program),
        TEST(every_failed_allocation_of_a_plan_is_reported),
        TEST(exit_codes_follow_the_table),
        TEST(output_of_a_success_is_its_result),
        TEST(output_that_is_not_json_fails_for_good_and_shows_its_beginning),
        TEST(message_has_the_last_line_of_the_log),
        TEST(very_long_last_line_is_cut),
        TEST(death_by_signal_may_be_tried_again),
        TEST(description_on_standard_output_wins),
        TEST(description_may_ask_for_a_delay_and_for_another_try),
        TEST(other_output_of_a_failure_is_ignored),
        TEST(program_that_cannot_start_is_a_configuration_error),
        TEST(too_much_output_fails_for_good),
        TEST(verdict_without_memory_still_says_something),
        TEST(log_keeps_its_end_and_becomes_valid_text),
        TEST(log_is_not_cut_through_a_character),
    };

    return cmocka_run_group_tests_name("exec", tests, NULL, NULL);
}
