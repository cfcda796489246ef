// SPDX-License-Identifier: MIT
// test_ops.c - the table of operations: what its rows must have, and that arguments are checked by
// it, for every operation and every argument.
#include "fixture.h"

static size_t count_operations(void)
{
    size_t n = 0;

    while (tasker_operation(n) != NULL)
        n++;
    return n;
}

// ---- the table

static void every_operation_is_described_once(void **state)
{
    (void)state;
    size_t n = count_operations();

    assert_true(n > 20);
    for (size_t i = 0; i < n; i++) {
        const tasker_operation_info *op = tasker_operation(i);
        assert_non_null(strchr(op->name, '.'));
        assert_true(op->summary[0] != '\0');
        assert_int_equal(strncmp(op->permission, "tasker.", 7), 0);
        assert_non_null(strchr(op->permission, ':'));
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(op->name, tasker_operation(k)->name);
    }
    assert_null(tasker_operation(n));
}

static void positions_of_arguments_are_gapless_and_required_ones_come_first(void **state)
{
    (void)state;
    for (size_t i = 0; tasker_operation(i) != NULL; i++) {
        const tasker_argument *list = tasker_operation(i)->arguments;
        int highest = 0, seen = 0;
        for (const tasker_argument *a = list; a->name != NULL; a++) {
            assert_non_null(strstr("integers strings boolean json document time duration", a->type));
            assert_true(a->summary[0] != '\0');
            highest = a->positional > highest ? a->positional : highest;
            seen += a->positional > 0;
        }
        assert_int_equal(highest, seen);
    }
}

// ---- checks by the table

static void an_unknown_operation_is_refused_with_the_known_ones(void **state)
{
    (void)state;
    assert_int_equal(call("task.sing", "{}"), TASKER_E_INVALID);
    assert_non_null(strstr(error.message, "task.sing"));
    assert_non_null(strstr(error.remedy, "task.submit"));
    assert_int_equal(call_on(t, NULL, "{}"), TASKER_E_INVALID);
}

static void every_operation_refuses_an_unknown_argument(void **state)
{
    (void)state;
    for (size_t i = 0; tasker_operation(i) != NULL; i++) {
        assert_int_equal(call(tasker_operation(i)->name, "{\"colour\":1}"), TASKER_E_INVALID);
        assert_string_equal(error.where, "$.colour");
        assert_true(error.remedy[0] != '\0');
        assert_null(answer);
    }
}

static void every_operation_refuses_what_is_no_object(void **state)
{
    (void)state;
    static const char *const wrong[] = {"[]", "1", "\"x\"", "null", "{", "{} {}"};

    for (size_t i = 0; tasker_operation(i) != NULL; i++)
        for (size_t k = 0; k < ARRAY_SIZE(wrong); k++)
            assert_int_equal(call(tasker_operation(i)->name, "%s", wrong[k]), TASKER_E_INVALID);
}

static const char *good_value(const tasker_argument *a)
{
    if (strcmp(a->type, "integer") == 0)
        return "1";
    if (strcmp(a->type, "boolean") == 0)
        return "true";
    if (strcmp(a->type, "integers") == 0)
        return "[1]";
    if (strcmp(a->type, "strings") == 0)
        return "[\"x\"]";
    if (strcmp(a->type, "duration") == 0)
        return "\"30d\"";
    return strcmp(a->type, "time") == 0 ? "\"2026-01-31T12:00:00Z\"" : "\"x\"";
}

// All required arguments with values of the right type, but one: left out, or with `value`.
static void write_arguments(char *out, size_t size, const tasker_argument *list,
                            const tasker_argument *odd, const char *value)
{
    size_t n = (size_t)snprintf(out, size, "{");

    for (const tasker_argument *a = list; a->name != NULL; a++) {
        const char *text = a == odd ? value : a->required ? good_value(a) : NULL;
        if (text != NULL)
            n +=
                (size_t)snprintf(out + n, size - n, "%s\"%s\":%s", n > 1 ? "," : "", a->name, text);
    }
    snprintf(out + n, size - n, "}");
}

static void every_required_argument_must_be_given(void **state)
{
    (void)state;
    size_t tried = 0;

    for (size_t i = 0; tasker_operation(i) != NULL; i++) {
        const tasker_operation_info *op = tasker_operation(i);
        for (const tasker_argument *a = op->arguments; a->name != NULL; a++) {
            char arguments[1024], where[64];
            if (!a->required)
                continue;
            snprintf(where, sizeof(where), "$.%s", a->name);
            for (int null = 0; null < 2 && strcmp(a->type, "json") != 0; null++) {
                write_arguments(arguments, sizeof(arguments), op->arguments, a,
                                null ? "null" : NULL);
                assert_int_equal(call(op->name, "%s", arguments), TASKER_E_INVALID);
                assert_string_equal(error.where, where);
                assert_non_null(strstr(error.message, "missing"));
                assert_non_null(strstr(error.remedy, "(required)"));
                tried++;
            }
        }
    }
    assert_true(tried > 20);
}

static void every_argument_must_have_its_type(void **state)
{
    (void)state;
    static const struct {
        const char *type, *wrong[5];
    } cases[] = {
        {"integer", {"\"1\"", "1.5", "true", "[]", "9223372036854775808"}},
        {"string", {"1", "true", "[]", "{}", "1.0"}},
        {"boolean", {"1", "\"true\"", "[]", "{}", "0"}},
        {"integers", {"1", "\"1\"", "{}", "true", "\"[1]\""}},
        {"strings", {"\"a\"", "1", "{}", "false", "\"[]\""}},
        {"document", {"1", "\"{}\"", "[]", "true", "1.5"}},
        {"time", {"1", "\"yesterday\"", "true", "\"2026-13-01\"", "[]"}},
        {"duration", {"1", "\"soon\"", "\"30\"", "\"0d\"", "\"1d 2h\""}},
    };

    for (size_t i = 0; tasker_operation(i) != NULL; i++) {
        const tasker_operation_info *op = tasker_operation(i);
        for (const tasker_argument *a = op->arguments; a->name != NULL; a++) {
            for (size_t k = 0; k < ARRAY_SIZE(cases) * 5; k++) {
                char arguments[1024], where[64];
                if (strcmp(cases[k / 5].type, a->type) != 0)
                    continue;
                write_arguments(arguments, sizeof(arguments), op->arguments, a,
                                cases[k / 5].wrong[k % 5]);
                snprintf(where, sizeof(where), "$.%s", a->name);
                assert_int_equal(call(op->name, "%s", arguments), TASKER_E_INVALID);
                assert_string_equal(error.where, where);
                assert_non_null(strstr(error.message, "must be"));
            }
        }
    }
}

static void items_of_lists_must_have_their_type(void **state)
{
    (void)state;
    assert_int_equal(call("task.list", "{\"tags\":[\"a\",1]}"), TASKER_E_INVALID);
    assert_string_equal(error.where, "$.tags[1]");
    assert_int_equal(call("task.list", "{\"ids\":[1,2,3.5]}"), TASKER_E_INVALID);
    assert_string_equal(error.where, "$.ids[2]");
    assert_int_equal(call("task.list", "{\"states\":[\"error\",\"lost\"]}"), TASKER_E_INVALID);
    assert_string_equal(error.where, "$.states[1]");
    assert_non_null(strstr(error.remedy, "resolved_manually"));
    assert_int_equal(call("task.list", "{\"annotation_value\":\"x\"}"), TASKER_E_INVALID);
    assert_string_equal(error.where, "$.annotation_value");
    assert_int_equal(call("task.list", "{\"after\":\"5\"}"), TASKER_E_INVALID);
    assert_string_equal(error.where, "$.after");
    assert_int_equal(call("task.list", "{\"after\":\"o5\"}"), TASKER_E_INVALID);
    assert_int_equal(call("task.list", "{\"order\":\"best\"}"), TASKER_E_INVALID);
    assert_string_equal(error.where, "$.order");
    assert_int_equal(call("transition.list", "{\"of\":\"cats\"}"), TASKER_E_INVALID);
    assert_string_equal(error.where, "$.of");
}

static void numbers_out_of_range_are_refused(void **state)
{
    (void)state;
    static const char *const limits[] = {"0", "-1", "1001"};

    for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
        assert_int_equal(call("task.list", "{\"limit\":%s}", limits[i]), TASKER_E_INVALID);
        assert_string_equal(error.where, "$.limit");
        assert_int_equal(call("event.log", "{\"limit\":%s}", limits[i]), TASKER_E_INVALID);
        assert_string_equal(error.where, "$.limit");
    }
    assert_int_equal(call("task.submit", "{\"name\":\"x\",\"wait_ms\":-1}"), TASKER_E_INVALID);
    assert_string_equal(error.where, "$.wait_ms");
}

static void null_counts_as_not_given(void **state)
{
    (void)state;
    assert_int_equal(call("task.list", "{\"limit\":null,\"state\":null}"), 0);
    assert_int_equal(call_on(t, "task.list", NULL), 0);
    assert_int_equal(pick_count(answer, "tasks"), 0);
}

// ---- operations that need no task

static void the_ten_categories_of_failure_are_listed(void **state)
{
    (void)state;
    assert_int_equal(call("failure.categories", "{}"), 0);
    assert_int_equal(pick_count(answer, "categories"), 10);
    assert_pick("categories.1.category", "permanent");
    assert_pick("categories.1.retryable", "false");
    assert_pick("categories.4.category", "rate_limit");
    assert_pick("categories.4.delay_seconds", "60");
    assert_pick("categories.5.delay_seconds", "null");
    assert_pick("categories.6.code", "CONFIGURATION_ERROR");
}

static void the_tables_tell_their_version(void **state)
{
    (void)state;
    assert_int_equal(call("db.status", "{}"), 0);
    assert_pick("backend", getenv("TASKER_TEST_POSTGRESQL") ? "postgresql" : "sqlite");
    assert_pick("version", picked("wanted"));
    assert_int_equal(call("db.migrate", "{}"), 0);
}

static void health_tells_of_engine_and_database(void **state)
{
    (void)state;
    assert_int_equal(call("health.status", "{}"), 0);
    assert_pick("engine.running", "false");
    assert_pick("database.tasks.complete", "0");
    assert_pick("database.queue.active", "0");
}

static void the_engine_tells_of_itself_without_the_database(void **state)
{
    (void)state;
    bool lost = lose_database();
    assert_int_equal(call("engine.status", "{}"), 0);
    assert_pick("running", "false");
    assert_pick("last_error", "null");
    assert_pick("tasks_in_memory", "0");
    if (lost)
        assert_int_equal(call("health.status", "{}"), TASKER_E_IO);
}

static void templates_are_registered_listed_and_shown(void **state)
{
    (void)state;
    register_shape(SHAPE_DIAMOND, "");
    assert_int_equal(call("template.list", "{}"), 0);
    assert_int_equal(pick_count(answer, "templates"), 1);
    assert_pick("templates.0.name", "diamond");
    assert_int_equal(call("template.show", "{\"name\":\"diamond\"}"), 0);
    assert_int_equal(pick_count(answer, "definition.step_templates"), 4);
    assert_int_equal(call("template.show", "{\"name\":\"ruby\"}"), TASKER_E_NOT_FOUND);
    assert_int_equal(call("template.register", "{\"text\":\"name: x\"}"), TASKER_E_INVALID);
    assert_null(answer);
}

static void other_content_under_the_same_version_needs_replace(void **state)
{
    (void)state;
    static const char other[] =
        "{\"text\":\"{name: one, task_handler_class: One, step_templates: [{name: other, "
        "dependent_system: s, handler_class: Work}]}\"%s}";

    register_one("one", "");
    register_one("one", "");
    assert_int_equal(call("template.register", other, ""), TASKER_E_CONFLICT);
    assert_int_equal(call("template.register", other, ",\"replace\":true"), 0);
    assert_pick("name", "one");
}

static void every_finding_of_a_template_comes_at_once_with_its_place(void **state)
{
    (void)state;
    static const char bad[] =
        "name: x\ncolour: red\ntask_handler_class: X\nstep_templates:\n  - name: a\n    speed: 9\n"
        "    dependent_system: s\n    handler_class: A\n";
    tasker_text *text = NULL;

    assert_int_equal(tasker_register(t, bad, strlen(bad), "x.yaml", 0, &text, &error),
                     TASKER_E_INVALID);
    assert_int_equal(pick_count(tasker_text_data(text), "errors"), 2);
    assert_true(pick_is(tasker_text_data(text), "errors.0.line", "2"));
    assert_true(pick_is(tasker_text_data(text), "errors.1.line", "6"));
    assert_true(pick_is(tasker_text_data(text), "errors.1.file", "x.yaml"));
    assert_int_equal(error.line, 2);
    tasker_text_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation_is_described_once),
        cmocka_unit_test(positions_of_arguments_are_gapless_and_required_ones_come_first),
        T(an_unknown_operation_is_refused_with_the_known_ones),
        T(every_operation_refuses_an_unknown_argument),
        T(every_operation_refuses_what_is_no_object),
        T(every_required_argument_must_be_given),
        T(every_argument_must_have_its_type),
        T(items_of_lists_must_have_their_type),
        T(numbers_out_of_range_are_refused),
        T(null_counts_as_not_given),
        T(the_ten_categories_of_failure_are_listed),
        T(the_tables_tell_their_version),
        T(health_tells_of_engine_and_database),
        T(the_engine_tells_of_itself_without_the_database),
        T(templates_are_registered_listed_and_shown),
        T(other_content_under_the_same_version_needs_replace),
        T(every_finding_of_a_template_comes_at_once_with_its_place),
    };
    return cmocka_run_group_tests_name("ops", tests, NULL, NULL);
}
