// SPDX-License-Identifier: MIT
// contract_templates.c - templates and their catalogue rows, the schema, and opening.
#include <pthread.h>

#include "contract.h"

static const char yaml_format[] =
    "name: %s\n"
    "namespace_name: contract\n"
    "version: %s\n"
    "description: \"%s\"\n"
    "task_handler_class: T\n"
    "default_dependent_system: %s\n"
    "step_templates:\n"
    "  - { name: z, handler_class: Z, default_retry_limit: %d }\n"
    "  - { name: y, handler_class: Y, dependent_system: other, depends_on_step: z }\n";

static struct template *make(const char *name, const char *version, const char *text,
                             const char *system, int limit)
{
    char yaml[1024];
    (void)snprintf(yaml, sizeof(yaml), yaml_format, name, version, text, system, limit);
    return template_from(yaml);
}

static int put(struct store *s, struct template *t, bool replace)
{
    tasker_error err = {0};
    return s->ops->register_template(s, t, replace, T0, &err);
}

static struct template *get(struct store *s, int64_t id, const char *name, const char *version)
{
    struct template *t = NULL;
    tasker_error err = {0};
    int code = s->ops->load_template(s, id, "contract", name, version, &t, &err);
    if (code != 0 && code != TASKER_E_NOT_FOUND)
        fail_msg("%s", err.message);
    return t;
}

static void a_template_is_read_back_with_its_ids(void **state)
{
    struct world *w = *state;
    struct template *t = make("orders", "1.0.0", "what it is", "erp", 5), *back;
    t->directory = "/srv/templates";
    assert_int_equal(put(w->a, t, false), 0);
    assert_true(t->template_id > 0 && t->named_task_id > 0);
    assert_true(t->named_step_ids[0] > 0 && t->named_step_ids[0] != t->named_step_ids[1]);
    for (int i = 0; i < 2; i++) {
        back = get(w->b, i ? t->template_id : 0, "orders", "1.0.0");
        assert_non_null(back);
        assert_int_equal(back->template_id, t->template_id);
        assert_int_equal(back->named_task_id, t->named_task_id);
        assert_memory_equal(back->named_step_ids, t->named_step_ids,
                            2 * sizeof(t->named_step_ids[0]));
        assert_string_equal(back->hash, t->hash);
        assert_string_equal(back->directory, "/srv/templates");
        template_unref(back);
    }
    template_unref(t);
}

static void catalogue_rows_are_those_of_the_rails_engine(void **state)
{
    struct world *w = *state;
    struct template *t = make("orders", "1.0.0", "what it is", "erp", 5);
    char text[1024];
    assert_int_equal(put(w->a, t, false), 0);
    assert_int_equal(
        world_number(w, "SELECT count(*) FROM tasker_task_namespaces WHERE name = 'contract'"), 1);
    world_text(w, text, sizeof(text),
               "SELECT name || '|' || version || '|' || description FROM tasker_named_tasks WHERE "
               "named_task_id = %d",
               t->named_task_id);
    assert_string_equal(text, "orders|1.0.0|what it is");
    world_text(w, text, sizeof(text),
               "SELECT CAST(configuration AS text) FROM tasker_named_tasks WHERE named_task_id = %d",
               t->named_task_id);
    assert_span(t->canonical, text);
    for (int i = 0; i < 2; i++) {
        world_text(
            w, text, sizeof(text),
            "SELECT d.name || '|' || n.name || '|' || l.default_retry_limit FROM "
            "tasker_named_steps n "
            "JOIN tasker_dependent_systems d ON d.dependent_system_id = n.dependent_system_id "
            "JOIN tasker_named_tasks_named_steps l ON l.named_step_id = n.named_step_id "
            "WHERE n.named_step_id = %d AND l.named_task_id = %d",
            t->named_step_ids[i], t->named_task_id);
        assert_string_equal(text, i == 0 ? "erp|z|5" : "other|y|3");
    }
    template_unref(t);
}

static void registering_again_changes_nothing(void **state)
{
    struct world *w = *state;
    struct template *t = make("orders", "1.0.0", "", "erp", 5),
                    *again = make("orders", "1.0.0", "", "erp", 5);
    assert_int_equal(put(w->a, t, false), 0);
    assert_int_equal(put(w->b, again, false), 0);
    assert_int_equal(again->template_id, t->template_id);
    assert_memory_equal(again->named_step_ids, t->named_step_ids, 2 * sizeof(t->named_step_ids[0]));
    assert_int_equal(world_number(w, "SELECT count(*) FROM tasker_core_templates"),
                     2); // and "line"
    assert_int_equal(world_number(w, "SELECT count(*) FROM tasker_named_steps"), 5);
    again->directory = "/elsewhere"; // no part of the content, but kept
    assert_int_equal(put(w->b, again, false), 0);
    struct template *back = get(w->a, t->template_id, NULL, NULL);
    assert_string_equal(back->directory, "/elsewhere");
    template_unref(back);
    template_unref(t);
    template_unref(again);
}

static void other_content_under_the_same_version_is_a_conflict(void **state)
{
    struct world *w = *state;
    struct template *t = make("orders", "1.0.0", "", "erp", 5),
                    *other = make("orders", "1.0.0", "", "crm", 6), *back;
    assert_int_equal(put(w->a, t, false), 0);
    assert_int_equal(put(w->b, other, false), TASKER_E_CONFLICT);
    assert_int_equal(other->template_id, 0);
    assert_int_equal(
        world_number(w, "SELECT count(*) FROM tasker_dependent_systems WHERE name = 'crm'"), 0);

    // Replaced: the new one is current, a running task still finds what it started with.
    assert_int_equal(put(w->b, other, true), 0);
    assert_true(other->template_id != t->template_id);
    assert_int_equal(other->named_task_id, t->named_task_id);
    back = get(w->a, 0, "orders", "1.0.0");
    assert_int_equal(back->template_id, other->template_id);
    template_unref(back);
    back = get(w->a, t->template_id, NULL, NULL);
    assert_string_equal(back->hash, t->hash);
    assert_memory_equal(back->named_step_ids, t->named_step_ids, 2 * sizeof(t->named_step_ids[0]));
    template_unref(back);

    // And back again: the first row is current once more.
    int64_t first = t->template_id;
    assert_int_equal(put(w->a, t, true), 0);
    assert_int_equal(t->template_id, first);
    assert_int_equal(
        world_number(
            w,
            "SELECT count(*) FROM tasker_core_templates WHERE named_task_id = %d AND current",
            t->named_task_id),
        1);
    back = get(w->b, 0, "orders", "1.0.0");
    assert_int_equal(back->template_id, first);
    template_unref(back);
    template_unref(t);
    template_unref(other);
}

static void latest_is_the_newest_by_number(void **state)
{
    struct world *w = *state;
    static const char *const versions[] = {"0.9.0", "0.10.0", "0.2.0"};
    for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
        struct template *t = make("orders", versions[i], "", "erp", 5);
        assert_int_equal(put(w->a, t, false), 0);
        template_unref(t);
    }
    struct template *t = get(w->b, 0, "orders", "latest");
    assert_string_equal(t->version, "0.10.0");
    template_unref(t);
    t = get(w->b, 0, "orders", "0.2.0");
    assert_string_equal(t->version, "0.2.0");
    template_unref(t);
    assert_null(get(w->b, 0, "orders", "3.0.0"));
    assert_null(get(w->b, 0, "nothing", "latest"));
    assert_null(get(w->b, 4711, NULL, NULL));
}

static void registration_survives_a_failed_allocation(void **state)
{
    struct world *w = *state;
    struct template *t = make("orders", "1.0.0", "", "erp", 5);
    int code = 1;
    for (uint64_t n = 1; code != 0; n++) {
        mem_fail_after(n);
        code = put(w->a, t, false);
        bool failed = mem_failed();
        mem_fail_after(0);
        assert_int_equal(code, failed ? TASKER_E_NOMEM : 0);
        t->arena.failed = false;
    }
    template_unref(t);
}

// ----------------------------------------------------------------------------------------- opening

struct opener {
    const char *uri;
    struct store *store;
    int code;
};

static void *open_one(void *user)
{
    struct opener *o = user;
    struct store_options options = {.host = "h", .boot_id = "b", .migrate = true};
    o->code = store_open(o->uri, &options, &o->store, NULL);
    return NULL;
}

static void processes_that_start_together_make_one_database(void **state)
{
    (void)state;
    char uri[256];
    struct opener openers[6];
    pthread_t threads[6];
    (*contract_backend)->create(uri, sizeof(uri));
    for (int i = 0; i < 6; i++) {
        openers[i] = (struct opener){.uri = uri};
        assert_int_equal(pthread_create(&threads[i], NULL, open_one, &openers[i]), 0);
    }
    for (int i = 0; i < 6; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(openers[i].code, 0);
        assert_string_equal(openers[i].store->ops->database_id(openers[i].store),
                            openers[0].store->ops->database_id(openers[0].store));
    }
    for (int i = 0; i < 6; i++)
        store_close(openers[i].store);
    (*contract_backend)->destroy(uri);
}

static void another_schema_version_is_refused(void **state)
{
    struct world *w = *state;
    struct store *s = NULL;
    struct buf out;
    tasker_error err = {0};
    struct store_options strict = {.host = "h", .boot_id = "b"},
                         migrate = {.host = "h", .boot_id = "b", .migrate = true};
    assert_int_equal(store_open(w->uri, &strict, &s, &err), 0);
    buf_init(&out, 4096);
    assert_int_equal(s->ops->migrate(s, &(struct migrate_options){.mode = MIGRATE_STATUS}, &out, &err), 0);
    char version[32];
    (void)snprintf(version, sizeof(version), "\"version\":%d,", STORE_SCHEMA_VERSION);
    assert_non_null(strstr(out.data, version));
    assert_non_null(strstr(out.data, "\"pending\":[]"));
    buf_done(&out);
    store_close(s);

    (*contract_backend)
        ->run(w->uri, "UPDATE tasker_core_meta SET value = '99' WHERE key = 'schema_version'");
    assert_int_equal(store_open(w->uri, &strict, &s, &err), TASKER_E_SCHEMA);
    assert_int_equal(store_open(w->uri, &migrate, &s, &err), TASKER_E_SCHEMA);
    assert_non_null(strstr(err.message, "99"));
    assert_int_equal(world_number(w, "SELECT count(*) FROM tasker_core_templates"), 1);
}

static void a_reader_reads_and_does_not_write(void **state)
{
    struct world *w = *state;
    struct store *s = NULL;
    struct script script = {0};
    struct task_rows r;
    struct store_options options = {.host = "h", .boot_id = "b", .read_only = true};
    script_task(w, &script, 1, 10, false);
    plain_write(w->a, &script, T0);
    assert_int_equal(store_open(w->uri, &options, &s, NULL), 0);
    load(s, 1, &r);
    assert_int_equal(r.step_count, 3);
    task_rows_done(&r);
    struct turn_result result;
    struct turn t = {.kind = TURN_REGISTER, .now = T0, .lease_us = LEASE};
    turn_result_init(&result);
    s->ops->commit(s, &t, &result);
    assert_int_not_equal(result.outcome, OUT_COMMITTED);
    turn_result_done(&result);
    store_close(s);
    assert_int_equal(world_number(w, "SELECT count(*) FROM tasker_core_lanes"), 0);
}

static void a_uri_that_is_none_is_invalid(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "mongodb://x", "sqlite", "sqlite:", "/tmp/x.db"};
    struct store_options options = {.migrate = true};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct store *s = NULL;
        tasker_error err = {0};
        assert_int_equal(store_open(bad[i], &options, &s, &err), TASKER_E_INVALID);
        assert_null(s);
        assert_int_equal(err.code, TASKER_E_INVALID);
    }
    store_close(NULL);
}

const struct CMUnitTest contract_template_tests[] = {
    CONTRACT_TEST(a_template_is_read_back_with_its_ids),
    CONTRACT_TEST(catalogue_rows_are_those_of_the_rails_engine),
    CONTRACT_TEST(registering_again_changes_nothing),
    CONTRACT_TEST(other_content_under_the_same_version_is_a_conflict),
    CONTRACT_TEST(latest_is_the_newest_by_number),
    CONTRACT_TEST(registration_survives_a_failed_allocation),
    CONTRACT_TEST(processes_that_start_together_make_one_database),
    CONTRACT_TEST(another_schema_version_is_refused),
    CONTRACT_TEST(a_reader_reads_and_does_not_write),
    CONTRACT_TEST(a_uri_that_is_none_is_invalid),
    CONTRACT_END,
};
