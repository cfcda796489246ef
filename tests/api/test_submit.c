// SPDX-License-Identifier: MIT
// test_submit.c - what tasker_submit accepts and refuses, what it stores, and what makes two
// submissions the same task.
#include "fixture.h"

static const char with_schema[] = "name: checked\n"
                                  "task_handler_class: Checked\n"
                                  "schema:\n"
                                  "  type: object\n"
                                  "  required: [cart_id]\n"
                                  "  properties:\n"
                                  "    cart_id: {type: integer, minimum: 1}\n"
                                  "    items: {type: array, items: {type: object, properties: "
                                  "{price: {type: number, minimum: 0}}}, default: []}\n"
                                  "step_templates:\n"
                                  "  - {name: only, dependent_system: test, handler_class: Work}\n";

static int prepared(void **state)
{
    int rc = fresh(state);

    if (rc == 0)
        register_one("one", "");
    return rc;
}

// ---- types and lengths

static void a_request_must_be_an_object_with_a_name(void **state)
{
    (void)state;
    refused(TASKER_E_INVALID, "$", "[]");
    refused(TASKER_E_INVALID, "$", "\"one\"");
    refused(TASKER_E_INVALID, "$.name", "{}");
    refused(TASKER_E_INVALID, "$.name", "{\"name\":null}");
    refused(TASKER_E_INVALID, "$.name", "{\"name\":1}");
    refused(TASKER_E_INVALID, "$.colour", "{\"name\":\"one\",\"colour\":\"red\"}");
    assert_non_null(strstr(error.remedy, "source_system"));
    refused(TASKER_E_INVALID, "$.wait_ms", "{\"name\":\"one\",\"wait_ms\":1}");
}

static void broken_json_is_refused(void **state)
{
    (void)state;
    static const char *const broken[] = {"",
                                         "{",
                                         "{\"name\":\"one\"",
                                         "{\"name\":\"one\"}}",
                                         "{'name':'one'}",
                                         "{\"name\":\"one\",\"name\":\"one\"}",
                                         "{\"name\":\"\\u0000\"}"};

    for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
        int64_t id = 7;
        assert_int_equal(tasker_submit(t, broken[i], strlen(broken[i]), &id, &error),
                         TASKER_E_INVALID);
        assert_int_equal(id, 7);
    }
    assert_int_equal(tasker_submit(t, NULL, 0, NULL, &error), TASKER_E_INVALID);
}

static void an_unknown_template_is_not_found(void **state)
{
    (void)state;
    refused(TASKER_E_NOT_FOUND, "", "{\"name\":\"two\"}");
    refused(TASKER_E_NOT_FOUND, "", "{\"name\":\"one\",\"namespace\":\"shop\"}");
    refused(TASKER_E_NOT_FOUND, "", "{\"name\":\"one\",\"version\":\"9.9.9\"}");
}

static void wrong_values_are_refused_where_they_stand(void **state)
{
    (void)state;
    static const struct {
        const char *where, *member;
    } cases[] = {
        {"$.tags", "\"tags\":\"a\""},
        {"$.tags", "\"tags\":[\"a\",1]"},
        {"$.tags", "\"tags\":{}"},
        {"$.bypass_steps", "\"bypass_steps\":[null]"},
        {"$.context", "\"context\":[]"},
        {"$.context", "\"context\":1"},
        {"$.priority", "\"priority\":\"urgent\""},
        {"$.priority", "\"priority\":1"},
        {"$.run_at", "\"run_at\":\"tomorrow\""},
        {"$.run_at", "\"run_at\":1800000000"},
        {"$.requested_at", "\"requested_at\":\"\""},
        {"$.timeout_seconds", "\"timeout_seconds\":0"},
        {"$.timeout_seconds", "\"timeout_seconds\":-1"},
        {"$.timeout_seconds", "\"timeout_seconds\":1.5"},
        {"$.timeout_seconds", "\"timeout_seconds\":315360001"},
        {"$.if_exists", "\"if_exists\":\"ignore\""},
        {"$.identity_strategy", "\"identity_strategy\":\"random\""},
        {"$.identity", "\"identity_strategy\":\"custom\""},
        {"$.identity", "\"identity_strategy\":\"hash\",\"identity\":\"x\""},
        {"$.identity", "\"identity\":\"\""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char request[256];
        snprintf(request, sizeof(request), "{\"name\":\"one\",%s}", cases[i].member);
        refused(TASKER_E_INVALID, cases[i].where, request);
    }
}

// Columns have 128 characters, however many bytes each has.
static void short_texts_have_128_characters_at_most(void **state)
{
    (void)state;
    static const char *const fields[] = {"initiator", "source_system", "reason"};

    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        char text[512] = "", request[1024], where[64];
        for (int n = 0; n < 128; n++)
            strcat(text, "\xc3\xa4");
        int64_t id = submit("{\"name\":\"one\",\"%s\":\"%s\"}", fields[i], text);
        show(id);
        assert_pick(fields[i], text);
        snprintf(request, sizeof(request), "{\"name\":\"one\",\"%s\":\"%sx\"}", fields[i], text);
        snprintf(where, sizeof(where), "$.%s", fields[i]);
        refused(TASKER_E_INVALID, where, request);
    }
    char identity[140], request[256];
    memset(identity, 'i', 129);
    identity[129] = '\0';
    snprintf(request, sizeof(request), "{\"name\":\"one\",\"identity\":\"%s\"}", identity);
    refused(TASKER_E_INVALID, "$.identity", request);
    identity[128] = '\0';
    submit("{\"name\":\"one\",\"identity\":\"%s\"}", identity);
}

static void a_context_has_a_limit(void **state)
{
    (void)state;
    size_t size = ((size_t)4 << 20) - strlen("{\"a\":\"\"}");
    char *request = malloc(size + 100);
    size_t head = (size_t)sprintf(request, "{\"name\":\"one\",\"context\":{\"a\":\"");
    int64_t id = 0;

    memset(request + head, 'x', size + 1);
    strcpy(request + head + size, "\"}}");
    assert_int_equal(tasker_submit(t, request, strlen(request), &id, &error), 0);
    request[head + size] = 'x';
    strcpy(request + head + size + 1, "\"}}");
    assert_int_equal(tasker_submit(t, request, strlen(request), &id, &error), TASKER_E_TOO_BIG);
    assert_string_equal(error.where, "$.context");
    free(request);
}

// ---- what is stored

static void what_was_not_given_has_the_known_defaults(void **state)
{
    (void)state;
    show(submit("{\"name\":\"one\"}"));
    assert_pick("namespace", "default");
    assert_pick("version", "0.1.0");
    assert_pick("context", "{}");
    assert_pick("initiator", "unknown");
    assert_pick("source_system", "unknown");
    assert_pick("reason", "unknown");
    assert_pick("tags", "[]");
    assert_pick("bypass_steps", "[]");
    assert_pick("priority", "normal");
    assert_pick("deadline", "null");
    assert_int_equal(strlen(picked("identity")), 36);
    assert_pick("state", "pending");
}

static void everything_given_is_stored_as_it_was_written(void **state)
{
    (void)state;
    show(submit(
        "{\"name\":\"one\",\"context\":{ \"n\" : 1.10, "
        "\"b\":12345678901234567890123456789012345678901234567890,"
        "\"e\":1E2,\"z\":-0},\"initiator\":\"me\",\"source_system\":\"sys\",\"reason\":\"why "
        "\\u00e4\","
        "\"tags\":[\"a\",\"b\"],\"bypass_steps\":[\"only\"],\"requested_at\":\"2026-01-31T13:00:00+"
        "01:00\","
        "\"priority\":\"critical\",\"run_at\":\"2100-01-01T00:00:00Z\",\"timeout_seconds\":60,"
        "\"identity\":\"mine\"}"));
    assert_pick("context",
                stored("{ \"n\" : 1.10, \"b\":12345678901234567890123456789012345678901234567890,"
                       "\"e\":1E2,\"z\":-0}",
                       "{\"b\": 12345678901234567890123456789012345678901234567890, \"e\": 100, "
                       "\"n\": 1.10, \"z\": 0}"));
    assert_pick("initiator", "me");
    assert_pick("source_system", "sys");
    assert_pick("reason", "why \xc3\xa4");
    assert_pick("tags", stored("[\"a\",\"b\"]", "[\"a\", \"b\"]"));
    assert_pick("bypass_steps", "[\"only\"]");
    assert_pick("requested_at", "2026-01-31T12:00:00.000000Z");
    assert_pick("priority", "critical");
    assert_pick("run_at", "2100-01-01T00:00:00.000000Z");
    assert_pick("deadline", "2100-01-01T00:01:00.000000Z");
    assert_pick("identity", "mine");
}

static void the_newest_version_can_be_asked_for(void **state)
{
    (void)state;
    register_yaml("{name: one, version: 0.9.0, task_handler_class: One, step_templates: []}");
    register_yaml("{name: one, version: 0.10.0, task_handler_class: One, step_templates: []}");
    show(submit("{\"name\":\"one\",\"version\":\"latest\"}"));
    assert_pick("version", "0.10.0");
}

static void a_context_that_was_not_given_is_the_templates_own(void **state)
{
    (void)state;
    register_yaml("{name: preset, task_handler_class: P, default_context: {region: eu, rate: "
                  "1.10}, step_templates: []}");
    show(submit("{\"name\":\"preset\"}"));
    assert_pick("context.region", "eu");
    assert_pick("context.rate", "1.10");
    show(submit("{\"name\":\"preset\",\"context\":{\"region\":\"us\"}}"));
    assert_pick("context", stored("{\"region\":\"us\"}", "{\"region\": \"us\"}"));
}

// ---- the schema

static void a_context_must_fit_the_schema_and_all_errors_are_told(void **state)
{
    (void)state;
    register_yaml(with_schema);
    submit("{\"name\":\"checked\",\"context\":{\"cart_id\":1}}");
    submit("{\"name\":\"checked\",\"context\":{\"cart_id\":1.0,\"items\":[{\"price\":1.10}]}}");
    refused(TASKER_E_INVALID, "$.context", "{\"name\":\"checked\"}");
    assert_non_null(strstr(error.message, "cart_id"));
    refused(TASKER_E_INVALID, "$.context.cart_id",
            "{\"name\":\"checked\",\"context\":{\"cart_id\":0,\"items\":[{\"price\":2},{\"price\":-"
            "1}]}}");
    assert_non_null(strstr(error.message, "cart_id"));
    assert_non_null(strstr(error.message, "items[1].price"));
    assert_non_null(strstr(error.remedy, "checked"));
}

static void properties_that_the_schema_does_not_list_are_refused(void **state)
{
    (void)state;
    register_yaml(with_schema);
    refused(TASKER_E_INVALID, "$.context.colour",
            "{\"name\":\"checked\",\"context\":{\"cart_id\":1,\"colour\":2}}");
}

// ---- identity

static void equal_requests_are_different_tasks_by_default(void **state)
{
    (void)state;
    int64_t a = submit("{\"name\":\"one\"}"), b = submit("{\"name\":\"one\"}");

    assert_true(a != b);
    show(a);
    char first[64];
    snprintf(first, sizeof(first), "%s", picked("identity"));
    show(b);
    assert_string_not_equal(picked("identity"), first);
}

static void a_duplicate_is_refused_with_the_first_tasks_id(void **state)
{
    (void)state;
    char id[32];

    snprintf(id, sizeof(id), "%lld", (long long)submit("{\"name\":\"one\",\"identity\":\"k\"}"));
    refused(TASKER_E_DUPLICATE, "", "{\"name\":\"one\",\"identity\":\"k\"}");
    assert_non_null(strstr(error.message, id));
    submit("{\"name\":\"one\",\"identity\":\"other\"}");
    assert_int_equal(call("task.list", "{}"), 0);
    assert_int_equal(pick_count(answer, "tasks"), 2);
}

static void a_duplicate_can_be_answered_with_the_first_task(void **state)
{
    (void)state;
    int64_t first = submit("{\"name\":\"one\",\"identity\":\"k\"}");

    assert_int_equal(submit("{\"name\":\"one\",\"identity\":\"k\",\"if_exists\":\"return\"}"),
                     first);
    assert_int_equal(
        call("task.submit", "{\"name\":\"one\",\"identity\":\"k\",\"if_exists\":\"return\"}"), 0);
    assert_int_equal(strtoll(picked("task_id"), NULL, 10), first);
}

static void the_hash_strategy_tells_equal_requests_of_a_minute_apart(void **state)
{
    (void)state;
    static const char at[] = "\"identity_strategy\":\"hash\",\"requested_at\":";

    submit("{\"name\":\"one\",\"context\":{\"a\":1},%s\"2026-01-31T12:00:10Z\"}", at);
    refused(TASKER_E_DUPLICATE, "",
            "{\"name\":\"one\",\"context\":{\"a\":1},\"identity_strategy\":\"hash\","
            "\"requested_at\":\"2026-01-31T12:00:50Z\"}");
    submit("{\"name\":\"one\",\"context\":{\"a\":1},%s\"2026-01-31T12:01:10Z\"}", at);
    submit("{\"name\":\"one\",\"context\":{\"a\":2},%s\"2026-01-31T12:00:10Z\"}", at);
    submit("{\"name\":\"one\",\"context\":{\"a\":1},\"reason\":\"r\",%s\"2026-01-31T12:00:10Z\"}",
           at);
    submit("{\"name\":\"one\",\"context\":{\"a\":1},\"bypass_steps\":[\"only\"],%s\"2026-01-31T12:"
           "00:10Z\"}",
           at);
}

static void the_default_strategy_is_an_option_of_the_handle(void **state)
{
    (void)state;
    static const char request[] = "{\"name\":\"one\",\"requested_at\":\"2026-01-31T12:00:10Z\"}";

    tasker_close(t);
    options = "{\"identity_strategy\":\"hash\"}";
    assert_int_equal(prepared(NULL), 0);
    options = NULL;
    submit("%s", request);
    refused(TASKER_E_DUPLICATE, "", request);
    submit("{\"name\":\"one\",\"requested_at\":\"2026-01-31T12:00:10Z\",\"identity_strategy\":"
           "\"default\"}");
}

// ---- many at once

static void many_are_submitted_and_each_has_its_answer(void **state)
{
    (void)state;
    static const char *const requests[] = {"{\"name\":\"one\",\"identity\":\"a\"}",
                                           "{\"name\":\"two\"}",
                                           "{\"name\":\"one\",\"identity\":\"a\"}", "nonsense",
                                           "{\"name\":\"one\",\"identity\":\"b\"}"};
    tasker_submission list[5];

    for (size_t i = 0; i < 5; i++)
        list[i] = (tasker_submission){.request = requests[i], .size = strlen(requests[i])};
    assert_int_equal(tasker_submit_many(t, list, 5, &error), 3);
    assert_int_equal(list[0].error.code, 0);
    assert_true(list[0].task_id > 0);
    assert_int_equal(list[1].error.code, TASKER_E_NOT_FOUND);
    assert_int_equal(list[1].task_id, 0);
    assert_int_equal(list[2].error.code, TASKER_E_DUPLICATE);
    assert_int_equal(list[2].task_id, list[0].task_id);
    assert_int_equal(list[3].error.code, TASKER_E_INVALID);
    assert_int_equal(list[4].error.code, 0);
    assert_true(list[4].task_id > 0 && list[4].task_id != list[0].task_id);
    assert_int_equal(tasker_submit_many(t, list, 0, &error), 0);
}

static void more_than_the_queue_takes_can_be_submitted(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    static tasker_submission list[COUNT];

    tasker_close(t);
    options = "{\"queue_limit\":8}";
    assert_int_equal(prepared(NULL), 0);
    options = NULL;
    for (size_t i = 0; i < COUNT; i++)
        list[i] = (tasker_submission){.request = "{\"name\":\"one\"}",
                                      .size = strlen("{\"name\":\"one\"}")};
    assert_int_equal(tasker_submit_many(t, list, COUNT, &error), 0);
    for (size_t i = 1; i < COUNT; i++)
        assert_true(list[i].task_id != list[i - 1].task_id);
}

static void a_submission_can_wait_for_the_end_of_its_task(void **state)
{
    (void)state;
    register_yaml("{name: empty, task_handler_class: E, step_templates: []}");
    assert_int_equal(call("task.submit", "{\"name\":\"one\",\"wait_ms\":1}"), 0);
    assert_pick("finished", "false");
    assert_pick("state", "pending");
    assert_int_equal(tasker_start(t, 1, &error), 0);
    assert_int_equal(call("task.submit", "{\"name\":\"empty\",\"wait_ms\":10000}"), 0);
    assert_pick("finished", "true");
    assert_pick("state", "complete");
}

#define P(name) cmocka_unit_test_setup_teardown(name, prepared, gone)

int main(void)
{
    const struct CMUnitTest tests[] = {
        P(a_request_must_be_an_object_with_a_name),
        P(broken_json_is_refused),
        P(an_unknown_template_is_not_found),
        P(wrong_values_are_refused_where_they_stand),
        P(short_texts_have_128_characters_at_most),
        P(a_context_has_a_limit),
        P(what_was_not_given_has_the_known_defaults),
        P(everything_given_is_stored_as_it_was_written),
        P(the_newest_version_can_be_asked_for),
        P(a_context_that_was_not_given_is_the_templates_own),
        P(a_context_must_fit_the_schema_and_all_errors_are_told),
        P(properties_that_the_schema_does_not_list_are_refused),
        P(equal_requests_are_different_tasks_by_default),
        P(a_duplicate_is_refused_with_the_first_tasks_id),
        P(a_duplicate_can_be_answered_with_the_first_task),
        P(the_hash_strategy_tells_equal_requests_of_a_minute_apart),
        P(the_default_strategy_is_an_option_of_the_handle),
        P(many_are_submitted_and_each_has_its_answer),
        P(more_than_the_queue_takes_can_be_submitted),
        P(a_submission_can_wait_for_the_end_of_its_task),
    };
    return cmocka_run_group_tests_name("submit", tests, NULL, NULL);
}
