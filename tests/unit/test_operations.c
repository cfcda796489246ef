// SPDX-License-Identifier: MIT
// test_operations.c - the writing operations on both databases: annotations and their types, dependent systems, maps
// between them.
#include "common/both.h"

#define LONG_65 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void a_task(void)
{
    both_catalogue();
    both_task(10, 1, BOTH_NOW - US_PER_SECOND);
}

// ---- annotations

static void an_annotation_is_added_with_its_type(void **state)
{
    (void)state;
    a_task();
    assert_int_equal(both_do("annotation.add", "{\"task_id\":10,\"type\":\" review \",\"annotation\":{\"by\":\"mia\",\"n\":1.50}}"), 0);
    assert_both("annotation_id", "1");
    assert_both("type", "review");
    assert_both("annotation.n", "1.50");
    assert_both("created_at", "2027-01-15T08:00:00.000000Z");
    assert_int_equal(both_number("SELECT count(*) FROM tasker_annotation_types WHERE name = 'review'"), 1);

    assert_int_equal(both_do("annotation.add", "{\"task_id\":10,\"type\":\"review\",\"annotation\":{}}"), 0);
    assert_int_equal(both_number("SELECT count(*) FROM tasker_annotation_types"), 1);
    assert_int_equal(both_ask("annotation.list", "{\"task_id\":10,\"key\":\"by\",\"value\":\"mia\"}"), 0);
    assert_int_equal(pick_count(both_answer, "annotations"), 1);
    assert_int_equal(both_ask("task.list", "{\"annotation_type\":\"review\",\"annotation_key\":\"n\"}"), 0);
    assert_both("tasks.0.task_id", "10");
}

static void what_is_no_annotation_is_refused(void **state)
{
    static const struct {
        int code;
        const char *where, *arguments;
    } wrong[] = {
        {TASKER_E_NOT_FOUND, "$.task_id", "{\"task_id\":11,\"type\":\"x\",\"annotation\":{}}"},
        {TASKER_E_INVALID, "$.annotation", "{\"task_id\":10,\"type\":\"x\",\"annotation\":[1]}"},
        {TASKER_E_INVALID, "$.annotation", "{\"task_id\":10,\"type\":\"x\",\"annotation\":null}"},
        {TASKER_E_INVALID, "$.type", "{\"task_id\":10,\"type\":\" \\t \",\"annotation\":{}}"},
        {TASKER_E_INVALID, "$.type", "{\"task_id\":10,\"type\":\"" LONG_65 "\",\"annotation\":{}}"},
    };

    (void)state;
    a_task();
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        assert_int_equal(both_do("annotation.add", "%s", wrong[i].arguments), wrong[i].code);
        assert_string_equal(both_error.where, wrong[i].where);
    }
    assert_int_equal(both_number("SELECT count(*) FROM tasker_annotation_types"), 0);
    assert_int_equal(both_number("SELECT count(*) FROM tasker_task_annotations"), 0);
}

static void a_removed_annotation_is_gone_and_its_id_is_not_used_again(void **state)
{
    (void)state;
    a_task();
    for (int i = 0; i < 2; i++)
        assert_int_equal(both_do("annotation.add", "{\"task_id\":10,\"type\":\"x\",\"annotation\":{}}"), 0);
    assert_int_equal(both_do("annotation.remove", "{\"annotation_id\":2}"), 0);
    assert_both("task_id", "10");
    assert_int_equal(both_do("annotation.remove", "{\"annotation_id\":2}"), TASKER_E_NOT_FOUND);
    assert_int_equal(both_number("SELECT count(*) FROM tasker_task_annotations"), 1);
    assert_int_equal(both_do("annotation.add", "{\"task_id\":10,\"type\":\"x\",\"annotation\":{}}"), 0);
    assert_both("annotation_id", "3");
}

static void a_type_is_found_described_or_created(void **state)
{
    (void)state;
    assert_int_equal(both_do("annotation.type", "{\"name\":\"review\",\"description\":\"who looked\"}"), 0);
    assert_both("created", "true");
    assert_both("description", "who looked");
    assert_int_equal(both_do("annotation.type", "{\"name\":\"review\"}"), 0);
    assert_both("created", "false");
    assert_both("description", "who looked");
    assert_int_equal(both_do("annotation.type", "{\"name\":\"review\",\"description\":\"changed\"}"), 0);
    assert_both("annotation_type_id", "1");
    assert_both("description", "changed");
    assert_int_equal(both_number("SELECT count(*) FROM tasker_annotation_types"), 1);
}

// ---- systems and maps

static void a_system_is_registered_once(void **state)
{
    (void)state;
    assert_int_equal(both_do("system.register", "{\"name\":\"crm\",\"description\":\"customers\"}"), 0);
    assert_both("system_id", "1");
    assert_both("created", "true");
    assert_int_equal(both_do("system.register", "{\"name\":\" crm\"}"), 0);
    assert_both("system_id", "1");
    assert_both("created", "false");
    assert_int_equal(both_do("system.register", "{\"name\":\"" LONG_65 "\"}"), TASKER_E_INVALID);
    assert_int_equal(both_ask("system.list", "{}"), 0);
    assert_both("systems.0.description", "customers");
}

static void set(const char *one, const char *id_one, const char *two, const char *id_two)
{
    assert_int_equal(both_do("map.set", "{\"system_one\":\"%s\",\"id_one\":\"%s\",\"system_two\":\"%s\",\"id_two\":\"%s\"}",
                             one, id_one, two, id_two), 0);
}

static void a_map_is_the_same_in_both_orders(void **state)
{
    (void)state;
    set("crm", "17", "erp", "K-9");
    assert_both("created", "true");
    set("erp", "K-9", "crm", "17");
    assert_both("created", "false");
    assert_both("map_id", "1");
    assert_int_equal(both_number("SELECT count(*) FROM tasker_dependent_system_object_maps"), 1);
    set("erp", "17", "crm", "K-9"); // the ids of the other
    assert_both("created", "true");
    assert_int_equal(both_number("SELECT count(*) FROM tasker_dependent_systems"), 2);
}

static void a_map_is_found_from_both_sides(void **state)
{
    (void)state;
    set("crm", "17", "erp", "K-9");
    set("shop", "s", "crm", "17");
    set("crm", "17", "erp", "K-10");
    set("crm", "18", "erp", "K-11");
    assert_int_equal(both_ask("map.find", "{\"system_one\":\"crm\",\"id_one\":\"17\",\"system_two\":\"erp\"}"), 0);
    assert_int_equal(pick_count(both_answer, "matches"), 2);
    assert_both("matches.0.id", "K-9");
    assert_both("matches.1.id", "K-10");
    assert_int_equal(both_ask("map.find", "{\"system_one\":\"crm\",\"id_one\":\"17\"}"), 0);
    assert_int_equal(pick_count(both_answer, "matches"), 3);
    assert_both("matches.1.system", "shop");
    assert_int_equal(both_ask("map.find", "{\"system_one\":\"erp\",\"id_one\":\"K-10\"}"), 0);
    assert_both("matches.0.id", "17");
    assert_both("matches.0.system", "crm");
    assert_int_equal(both_ask("map.find", "{\"system_one\":\"erp\",\"id_one\":\"17\"}"), 0);
    assert_int_equal(pick_count(both_answer, "matches"), 0);
    assert_int_equal(both_ask("map.find", "{\"system_one\":\"nowhere\",\"id_one\":\"17\"}"), TASKER_E_NOT_FOUND);
    assert_string_equal(both_error.where, "$.system_one");
    assert_int_equal(both_ask("map.find", "{\"system_one\":\"crm\",\"id_one\":\"17\",\"system_two\":\"x\"}"), TASKER_E_NOT_FOUND);
}

static void contradictions_are_refused(void **state)
{
    (void)state;
    set("crm", "17", "erp", "K-9");
    assert_int_equal(both_do("map.set", "{\"system_one\":\"crm\",\"id_one\":\"1\",\"system_two\":\"crm\",\"id_two\":\"1\"}"),
                     TASKER_E_INVALID);
    assert_int_equal(both_do("map.set", "{\"system_one\":\"crm\",\"id_one\":\"\",\"system_two\":\"erp\",\"id_two\":\"1\"}"),
                     TASKER_E_INVALID);
    assert_string_equal(both_error.where, "$.id_one");
    // Another partner, from either side.
    assert_int_equal(both_do("map.set", "{\"system_one\":\"crm\",\"id_one\":\"17\",\"system_two\":\"erp\",\"id_two\":\"K-1\","
                                        "\"unique\":true}"), TASKER_E_CONFLICT);
    assert_non_null(strstr(both_error.message, "17 of crm is mapped to K-9 of erp"));
    assert_int_equal(both_do("map.set", "{\"system_one\":\"crm\",\"id_one\":\"18\",\"system_two\":\"erp\",\"id_two\":\"K-9\","
                                        "\"unique\":true}"), TASKER_E_CONFLICT);
    assert_int_equal(both_do("map.set", "{\"system_one\":\"erp\",\"id_one\":\"K-9\",\"system_two\":\"crm\",\"id_two\":\"17\","
                                        "\"unique\":true}"), 0);
    assert_both("created", "false");
    assert_int_equal(both_number("SELECT count(*) FROM tasker_dependent_system_object_maps"), 1);
}

static void a_map_is_removed_in_whatever_order_it_stands(void **state)
{
    (void)state;
    set("crm", "17", "erp", "K-9");
    assert_int_equal(both_do("map.remove", "{\"system_one\":\"erp\",\"id_one\":\"K-9\",\"system_two\":\"crm\",\"id_two\":\"17\"}"), 0);
    assert_both("removed", "1");
    assert_int_equal(both_do("map.remove", "{\"system_one\":\"erp\",\"id_one\":\"K-9\",\"system_two\":\"crm\",\"id_two\":\"17\"}"),
                     TASKER_E_NOT_FOUND);
    assert_int_equal(both_do("map.remove", "{\"system_one\":\"erp\",\"id_one\":\"1\",\"system_two\":\"no\",\"id_two\":\"1\"}"),
                     TASKER_E_NOT_FOUND);
    assert_string_equal(both_error.where, "$.system_two");
    set("crm", "17", "erp", "K-9");
    assert_both("map_id", "2");
}

static void maps_are_listed_by_page_and_side(void **state)
{
    (void)state;
    set("crm", "17", "erp", "K-9");
    set("shop", "s", "crm", "17");
    set("shop", "t", "erp", "K-9");
    assert_int_equal(both_ask("map.list", "{\"system\":\"crm\",\"count\":true}"), 0);
    assert_both("total", "2");
    assert_both("maps.0.system_one", "shop");
    assert_int_equal(both_ask("map.list", "{\"system_one\":\"crm\"}"), 0);
    assert_int_equal(pick_count(both_answer, "maps"), 1);
    assert_int_equal(both_ask("map.list", "{\"id\":\"K-9\",\"limit\":1,\"order\":\"oldest\"}"), 0);
    assert_both("maps.0.id_one", "17");
    assert_int_equal(both_ask("map.list", "{\"id\":\"K-9\",\"limit\":1,\"order\":\"oldest\",\"after\":\"%s\"}", both_picked("next")), 0);
    assert_both("maps.0.id_one", "t");
    assert_both("next", "null");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(an_annotation_is_added_with_its_type),
        BOTH(what_is_no_annotation_is_refused),
        BOTH(a_removed_annotation_is_gone_and_its_id_is_not_used_again),
        BOTH(a_type_is_found_described_or_created),
        BOTH(a_system_is_registered_once),
        BOTH(a_map_is_the_same_in_both_orders),
        BOTH(a_map_is_found_from_both_sides),
        BOTH(contradictions_are_refused),
        BOTH(a_map_is_removed_in_whatever_order_it_stands),
        BOTH(maps_are_listed_by_page_and_side),
    };
    return cmocka_run_group_tests_name("operations", tests, NULL, NULL);
}
