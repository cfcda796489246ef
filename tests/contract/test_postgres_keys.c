// SPDX-License-Identifier: MIT
// test_postgres_keys.c - foreign keys that are checked once a turn (tasker_foreign_keys=each_turn): nothing refers to a
// row that is not there, whatever others delete meanwhile, and nobody's triggers are passed by unnoticed. That turns work
// as ever is in test_postgres.c, which runs the whole contract in this way too.
#include <unistd.h>

#include "meanwhile.h"
#include "store/postgres.h"

#define BY_TURN "tasker_foreign_keys=each_turn"

static void uri_with(const char *uri, const char *parameters, char *out, size_t size)
{
    (void)snprintf(out, size, "%s%s%s", uri, strchr(uri, '?') ? "&" : "?", parameters);
}

static int open_lane(const char *uri, struct store **ret, tasker_error *err)
{
    char whole[600];
    struct store_options o = {.host = "h", .boot_id = "b", .turns = true};
    uri_with(uri, BY_TURN, whole, sizeof(whole));
    return store_open(whole, &o, ret, err);
}

// ------------------------------------------------------------------------------------------------------------ checks

static void reference_to_nothing(struct world *w, struct script *s, int which)
{
    struct change *c;
    script_task(w, s, 2, 20, true);
    switch (which) {
    case 0:
        s->list[0].task.named_task_id = 999;
        break;
    case 1:
        for (size_t i = 0; i < s->count; i++)
            if (s->list[i].kind == CH_STEP_INSERT)
                s->list[i].step.named_step_id = 999;
        break;
    case 2:
        c = script_add(s, CH_STEP_INSERT);
        c->step.step_id = 40;
        c->step.task_id = 999;
        c->step.named_step_id = w->tpl->named_step_ids[0];
        break;
    case 3:
        c = script_add(s, CH_EDGE_INSERT);
        c->edge.from = 999;
        c->edge.to = 20;
        break;
    case 4:
        c = script_add(s, CH_EDGE_INSERT);
        c->edge.from = 20;
        c->edge.to = 999;
        break;
    case 5:
        script_row(s, CH_TASK_ROW, 999, ST_NONE, ST_PENDING, 10, T0, NULL);
        s->list[s->count - 1].row.flip = false;
        break;
    case 6:
        script_row(s, CH_STEP_ROW, 999, ST_NONE, ST_PENDING, 10, T0, NULL);
        s->list[s->count - 1].row.flip = false;
        break;
    default:  // what is flipped is the turn's own row, and pins nothing
        script_row(s, CH_STEP_ROW, 999, ST_NONE, ST_PENDING, 10, T0, NULL);
        s->list[s->count - 1].row.flip = false;
        script_row(s, CH_STEP_ROW, 999, ST_PENDING, ST_IN_PROGRESS, 20, T0, NULL);
        s->list[s->count - 1].row.flip = true;
    }
}

static void a_reference_to_nothing_refuses_the_turn(void **state)
{
    struct world *w = *state;
    struct owner o;
    owner_begin(&o, w->a, T0);
    for (int which = 0; which < 8; which++) {
        struct script s = {0};
        reference_to_nothing(w, &s, which);
        assert_int_equal(owner_write(&o, &s), OUT_REFUSED);
        assert_int_equal(world_number(w, "SELECT count(*) FROM tasker_tasks"), 0);
        assert_int_equal(world_number(w, "SELECT count(*) FROM tasker_workflow_steps"), 0);
    }
    struct script s = {0};
    script_task(w, &s, 2, 20, true);
    assert_int_equal(owner_write(&o, &s), OUT_COMMITTED);
    owner_end(&o);
}

// The lane's session does not check, those of questions and templates do.
static void only_lanes_check_by_themselves(void **state)
{
    struct world *w = *state;
    char whole[600];
    struct store *s = NULL;
    struct store_options o = {.host = "h", .boot_id = "b"};
    tasker_error err;
    uri_with(w->uri, BY_TURN, whole, sizeof(whole));
    assert_int_equal(store_open(whole, &o, &s, &err), 0);
    assert_false(postgres_of(s)->keys_by_turn);
    PGresult *r = PQexec(postgres_of(s)->conn, "SHOW session_replication_role");
    assert_string_equal(PQgetvalue(r, 0, 0), "origin");
    PQclear(r);
    r = PQexec(postgres_of(w->a)->conn, "SHOW session_replication_role");
    assert_string_equal(PQgetvalue(r, 0, 0), "replica");
    PQclear(r);
    store_close(s);
}

static void the_users_own_options_are_kept(void **state)
{
    struct world *w = *state;
    struct store *s = NULL;
    tasker_error err;
    char whole[600];
    uri_with(w->uri, "options=-cwork_mem%3D7MB", whole, sizeof(whole));
    assert_int_equal(open_lane(whole, &s, &err), 0);
    PGresult *r = PQexec(postgres_of(s)->conn, "SELECT current_setting('work_mem') || current_setting('session_replication_role')");
    assert_string_equal(PQgetvalue(r, 0, 0), "7MBreplica");
    PQclear(r);
    store_close(s);
}

// ------------------------------------------------------------------------------------------------------- interleavings

// Somebody removes what the next turn refers to and has not committed yet: the turn waits, and is refused.
static void refused_after(struct world *w, struct owner *o, const struct script *s, const char *removal)
{
    struct background b = {.owner = o, .turn = {.kind = TURN_WORK, .changes = s->list, .change_count = s->count}};
    PGconn *person = postgres_session(w->uri);
    postgres_run(person, "BEGIN; %s", removal);
    fill(o, &b.turn);
    background_begin(&b);
    wait_until(w, WAITERS, 1);
    postgres_run(person, "COMMIT");
    assert_int_equal(background_end(&b), OUT_REFUSED);
    PQfinish(person);
}

static void who_refers_to_a_row_that_is_being_deleted_waits_and_is_refused(void **state)
{
    struct world *w = *state;
    struct owner o;
    struct script s = {0};
    owner_begin(&o, w->a, T0);
    script_task(w, &s, 1, 10, true);
    refused_after(w, &o, &s,
                  "DELETE FROM tasker_named_tasks_named_steps; DELETE FROM tasker_core_templates; DELETE FROM "
                  "tasker_named_tasks");
    assert_int_equal(world_number(w, "SELECT count(*) FROM tasker_tasks"), 0);
    owner_end(&o);
}

#define REMOVE_STEP_30                                                                                        \
    "DELETE FROM tasker_workflow_step_transitions WHERE workflow_step_id = 30; DELETE FROM "                   \
    "tasker_workflow_step_edges WHERE 30 IN (from_step_id, to_step_id); DELETE FROM tasker_workflow_steps "   \
    "WHERE workflow_step_id = 30"

static void a_first_row_of_a_step_that_is_being_deleted_waits_and_is_refused(void **state)
{
    struct world *w = *state;
    struct owner o;
    struct script s = {0};
    seed_task(w, 3, 30, true);
    owner_begin(&o, w->a, T0);
    assert_int_equal(owner_claim(&o, 1), 1);
    postgres_ask(w->uri, "DELETE FROM tasker_workflow_step_transitions WHERE workflow_step_id = 30", NULL, 0);
    script_row(&s, CH_STEP_ROW, 30, ST_NONE, ST_PENDING, 10, T0, NULL);
    s.list[0].row.flip = false;
    refused_after(w, &o, &s, REMOVE_STEP_30);
    assert_int_equal(world_number(w, "SELECT count(*) FROM tasker_workflow_step_transitions WHERE workflow_step_id = 30"), 0);
    owner_end(&o);
}

// The row that is flipped pins its step: no lock of the step is asked for.
static void a_flip_in_a_chain_that_is_being_deleted_waits_and_is_refused(void **state)
{
    struct world *w = *state;
    struct owner o;
    struct script first = {0}, s = {0};
    seed_task(w, 3, 30, true);
    owner_begin(&o, w->a, T0);
    assert_int_equal(owner_claim(&o, 1), 1);
    script_row(&first, CH_STEP_ROW, 30, ST_NONE, ST_PENDING, 10, T0, NULL);
    first.list[0].row.flip = false;
    assert_int_equal(owner_write(&o, &first), OUT_COMMITTED);
    script_row(&s, CH_STEP_ROW, 30, ST_PENDING, ST_IN_PROGRESS, 20, T0, NULL);
    s.list[0].row.flip = true;
    refused_after(w, &o, &s, REMOVE_STEP_30);
    assert_int_equal(world_number(w, "SELECT count(*) FROM tasker_workflow_step_transitions WHERE workflow_step_id = 30"), 0);
    owner_end(&o);
}

// And the other way round: who deletes finds the row of a turn that was committed while it waited.
static void who_deletes_a_step_that_was_written_meanwhile_fails(void **state)
{
    struct world *w = *state;
    struct owner o;
    struct script first = {0};
    char said[300];
    seed_task(w, 3, 30, true);
    owner_begin(&o, w->a, T0);
    assert_int_equal(owner_claim(&o, 1), 1);
    PGconn *person = postgres_session(w->uri);
    postgres_run(person, "BEGIN ISOLATION LEVEL READ COMMITTED; DELETE FROM tasker_workflow_step_transitions WHERE "
                         "workflow_step_id = 30; DELETE FROM tasker_workflow_step_edges WHERE 30 IN (from_step_id, to_step_id)");
    script_row(&first, CH_STEP_ROW, 30, ST_NONE, ST_PENDING, 10, T0, NULL);
    first.list[0].row.flip = false;
    assert_int_equal(owner_write(&o, &first), OUT_COMMITTED);
    PGresult *r = PQexec(person, "DELETE FROM tasker_workflow_steps WHERE workflow_step_id = 30");
    (void)snprintf(said, sizeof(said), "%s", PQresultErrorField(r, PG_DIAG_SQLSTATE));
    PQclear(r);
    assert_string_equal(said, "23503");
    PQfinish(person);
    owner_end(&o);
}

// --------------------------------------------------------------------------------------------------- others' triggers

#define TRIGGER \
    "CREATE FUNCTION seen() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$; CREATE TRIGGER audit BEFORE " \
    "INSERT ON tasker_tasks FOR EACH ROW EXECUTE FUNCTION seen()"

static void refused_because(struct world *w, const char *words)
{
    struct store *s = NULL;
    tasker_error err;
    assert_int_equal(open_lane(w->uri, &s, &err), TASKER_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, words));
    assert_non_null(strstr(err.remedy, "tasker_foreign_keys"));
}

static void a_trigger_that_would_not_fire_is_named(void **state)
{
    struct world *w = *state;
    struct store *s = NULL;
    postgres_ask(w->uri, TRIGGER, NULL, 0);
    refused_because(w, "the trigger audit of tasker_tasks");
    postgres_ask(w->uri, "ALTER TABLE tasker_tasks ENABLE REPLICA TRIGGER audit", NULL, 0);
    refused_because(w, "the trigger audit of tasker_tasks");
    postgres_ask(w->uri, "ALTER TABLE tasker_tasks ENABLE ALWAYS TRIGGER audit", NULL, 0);
    assert_int_equal(open_lane(w->uri, &s, NULL), 0);
    store_close(s);
    postgres_ask(w->uri, "CREATE RULE none AS ON DELETE TO tasker_workflow_steps DO INSTEAD NOTHING", NULL, 0);
    refused_because(w, "the rule none of tasker_workflow_steps");
    postgres_ask(w->uri, "DROP RULE none ON tasker_workflow_steps", NULL, 0);
}

static int poll_once(struct store *s, tasker_error *err)
{
    struct poll_want want = {.lane = 1, .lease_us = LEASE};
    struct poll_result r = {0};
    int rc = s->ops->poll(s, &want, T0, &r, err);
    poll_result_done(&r);
    return rc;
}

static void a_trigger_that_comes_later_stops_the_lane_until_it_fires_always(void **state)
{
    struct world *w = *state;
    struct owner o;
    struct script s = {0}, again = {0};
    tasker_error err;
    owner_begin(&o, w->a, T0);
    assert_int_equal(poll_once(w->a, &err), 0);
    postgres_ask(w->uri, TRIGGER, NULL, 0);
    assert_int_equal(poll_once(w->a, &err), 0);
    script_task(w, &s, 1, 10, true);
    assert_int_equal(owner_write(&o, &s), OUT_RETRY);
    assert_non_null(strstr(o.r.error.message, "the trigger audit of tasker_tasks"));
    assert_int_equal(world_number(w, "SELECT count(*) FROM tasker_tasks"), 0);
    postgres_ask(w->uri, "ALTER TABLE tasker_tasks ENABLE ALWAYS TRIGGER audit", NULL, 0);
    postgres_of(w->a)->backoff_us = 0;
    script_task(w, &again, 1, 10, true);
    assert_int_equal(owner_write(&o, &again), OUT_COMMITTED);
    owner_end(&o);
}

// ------------------------------------------------------------------------------------------------------------ refusals

static void a_role_without_the_right_hears_which_one_it_needs(void **state)
{
    struct world *w = *state;
    char uri[600], role[64], sql[300];
    struct store *s = NULL;
    tasker_error err;
    (void)snprintf(role, sizeof(role), "plain_%ld", (long)getpid());
    (void)snprintf(sql, sizeof(sql), "CREATE ROLE %s LOGIN IN ROLE pg_read_all_data, pg_write_all_data", role);
    postgres_ask(w->uri, sql, NULL, 0);
    (void)snprintf(sql, sizeof(sql), "user=%s", role);
    uri_with(w->uri, sql, uri, sizeof(uri));
    int refused = open_lane(uri, &s, &err);
    if (PQserverVersion(postgres_of(w->a)->conn) >= 150000) {
        (void)snprintf(sql, sizeof(sql), "GRANT SET ON PARAMETER session_replication_role TO %s", role);
        postgres_ask(w->uri, sql, NULL, 0);
        assert_int_equal(open_lane(uri, &s, NULL), 0);
        store_close(s);
        (void)snprintf(sql, sizeof(sql), "REVOKE SET ON PARAMETER session_replication_role FROM %s", role);
        postgres_ask(w->uri, sql, NULL, 0);
    }
    (void)snprintf(sql, sizeof(sql), "DROP ROLE %s", role);
    postgres_ask(w->uri, sql, NULL, 0);
    assert_int_equal(refused, TASKER_E_IO);
    assert_non_null(strstr(err.message, "session_replication_role"));
    assert_non_null(strstr(err.remedy, "GRANT SET ON PARAMETER"));
}

static void a_pooler_is_refused(void **state)
{
    char uri[512];
    struct store *s = NULL;
    tasker_error err;
    if (!getenv("TASKER_TEST_PGBOUNCER"))
        skip();
    (void)state;
    pgbouncer_backend.create(uri, sizeof(uri));
    int rc = open_lane(uri, &s, &err);
    pgbouncer_backend.destroy(uri);
    assert_int_equal(rc, TASKER_E_IO);
    assert_non_null(strstr(err.message, "startup parameter"));
    assert_non_null(strstr(err.remedy, "connect directly"));
}

static void an_unknown_value_is_refused(void **state)
{
    struct store *s = NULL;
    struct store_options o = {0};
    tasker_error err;
    (void)state;
    assert_int_equal(store_open("postgresql://u:secret@/d?tasker_foreign_keys=never", &o, &s, &err), TASKER_E_INVALID);
    assert_non_null(strstr(err.message, "each_turn"));
    assert_null(strstr(err.message, "secret"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_begin, world_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_reference_to_nothing_refuses_the_turn),
        TEST(only_lanes_check_by_themselves),
        TEST(the_users_own_options_are_kept),
        TEST(who_refers_to_a_row_that_is_being_deleted_waits_and_is_refused),
        TEST(a_first_row_of_a_step_that_is_being_deleted_waits_and_is_refused),
        TEST(a_flip_in_a_chain_that_is_being_deleted_waits_and_is_refused),
        TEST(who_deletes_a_step_that_was_written_meanwhile_fails),
        TEST(a_trigger_that_would_not_fire_is_named),
        TEST(a_trigger_that_comes_later_stops_the_lane_until_it_fires_always),
        TEST(a_role_without_the_right_hears_which_one_it_needs),
        TEST(a_pooler_is_refused),
        TEST(an_unknown_value_is_refused),
    };
    contract_use(&keys_backend);
    return postgres_clean(cmocka_run_group_tests_name("postgresql: keys once a turn", tests, NULL, NULL));
}
