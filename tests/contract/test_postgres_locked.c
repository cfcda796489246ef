// SPDX-License-Identifier: MIT
// test_postgres_locked.c - a person who holds rows of a task: "BEGIN; SELECT ... FOR UPDATE" in psql, and then lunch. The
// turn that meets it says which tasks these are, so that they alone wait, and health says who it is.
#include "meanwhile.h"
#include "store/postgres.h"

// Three tasks of the owner, 1 to 3, whose first steps (10, 20, 30) have begun.
static void begin_three(struct world *w, struct owner *o)
{
    struct script s = {0};
    for (int i = 1; i <= 3; i++)
        seed_task(w, i, i * 10, true);
    owner_begin(o, w->a, T0);
    assert_int_equal(owner_claim(o, 3), 3);
    for (int i = 1; i <= 3; i++)
        script_row(&s, CH_STEP_ROW, i * 10, ST_PENDING, ST_IN_PROGRESS, 10, T0, "{\"attempt\":1}");
    assert_int_equal(owner_write(o, &s), OUT_COMMITTED);
}

// A turn of SHORT patience.
#define SHORT (SECOND / 2)
static enum commit_outcome try_write(struct owner *o, const struct script *s)
{
    struct turn t = {.kind = TURN_WORK, .changes = s->list, .change_count = s->count};
    fill(o, &t);
    t.lease_us = SHORT;
    o->store->ops->commit(o->store, &t, &o->r);
    o->number += o->r.outcome == OUT_COMMITTED;
    return o->r.outcome;
}

static void first_steps_done(struct script *s)
{
    for (int i = 1; i <= 3; i++)
        script_step_done(s, i * 10, T0 + 1, true, "{}");
    struct change *c = script_add(s, CH_ACTIVE_UPDATE);
    c->active.task_id = 3;
    c->active.run_at = T0;
    c->active.template_id = 1;
    c->active.own = true;
}

static void a_turn_that_meets_locked_rows_names_their_tasks(void **state)
{
    static const char *const holds[] = {
        "SELECT 1 FROM tasker_workflow_steps WHERE workflow_step_id = 20 FOR UPDATE",
        "SELECT 1 FROM tasker_workflow_steps WHERE workflow_step_id = 20 FOR NO KEY UPDATE",
        "SELECT 1 FROM tasker_workflow_step_transitions WHERE workflow_step_id = 20 FOR UPDATE",
        "UPDATE tasker_workflow_steps SET inputs = inputs WHERE task_id = 2",
        "DELETE FROM tasker_workflow_step_transitions WHERE workflow_step_id = 20",
    };
    struct world *w = *state;
    struct owner o;
    begin_three(w, &o);
    PGconn *person = postgres_session(w->uri);
    for (size_t i = 0; i < sizeof(holds) / sizeof(holds[0]); i++) {
        struct script s = {0};
        first_steps_done(&s);
        postgres_run(person, "BEGIN; %s", holds[i]);
        assert_int_equal(try_write(&o, &s), OUT_RETRY);
        assert_int_equal(o.r.error.code, TASKER_E_BUSY);
        assert_int_equal(o.r.locked_count, 1);
        assert_int_equal(o.r.locked[0], 2);
        assert_string_equal(o.r.error.message, "rows of task 2 are locked by another session");
        assert_int_equal(w->b->ops->task_locked(w->b, 2, NULL), 1);
        assert_int_equal(w->b->ops->task_locked(w->b, 1, NULL), 0);
        postgres_run(person, "ROLLBACK");
        assert_int_equal(w->b->ops->task_locked(w->b, 2, NULL), 0);
    }
    struct script s = {0};
    first_steps_done(&s);
    assert_int_equal(try_write(&o, &s), OUT_COMMITTED); // the same as before
    assert_int_equal(o.r.locked_count, 0);
    PQfinish(person);
    owner_end(&o);
}

static void the_rows_of_the_task_itself_and_of_the_queue_are_found_too(void **state)
{
    struct world *w = *state;
    struct owner o;
    begin_three(w, &o);
    PGconn *person = postgres_session(w->uri);
    struct script s = {0};
    first_steps_done(&s);
    for (int i = 1; i <= 3; i++) {
        struct change *c = script_add(&s, CH_TASK_COMPLETE);
        c->complete.task_id = i;
    }
    postgres_run(person, "BEGIN; SELECT 1 FROM tasker_tasks WHERE task_id IN (1, 2) FOR UPDATE");
    assert_int_equal(try_write(&o, &s), OUT_RETRY);
    assert_int_equal(o.r.locked_count, 2);
    postgres_run(person, "ROLLBACK; BEGIN; SELECT 1 FROM tasker_core_active WHERE task_id = 3 FOR UPDATE");
    assert_int_equal(try_write(&o, &s), OUT_RETRY);
    assert_int_equal(o.r.locked_count, 1);
    assert_int_equal(o.r.locked[0], 3);
    postgres_run(person, "ROLLBACK");
    PQfinish(person);
    owner_end(&o);
}

// What our own turns, foreign keys and readers hold is in nobody's way.
static void a_task_that_is_read_or_pointed_at_is_not_locked(void **state)
{
    struct world *w = *state;
    struct owner o;
    begin_three(w, &o);
    PGconn *other = postgres_session(w->uri);
    postgres_run(other, "BEGIN; SELECT * FROM tasker_tasks; SELECT 1 FROM tasker_tasks WHERE task_id = 1 FOR KEY SHARE;"
                        "SELECT 1 FROM tasker_workflow_steps WHERE task_id = 1 FOR KEY SHARE");
    assert_int_equal(w->b->ops->task_locked(w->b, 1, NULL), 0);
    postgres_run(other, "ROLLBACK");
    PQfinish(other);
    owner_end(&o);
}

static void an_operators_claim_of_a_locked_task_names_it(void **state)
{
    struct world *w = *state;
    struct owner o;
    seed_task(w, 1, 10, true);
    owner_begin(&o, w->a, T0);
    PGconn *person = postgres_session(w->uri);
    postgres_run(person, "BEGIN; SELECT 1 FROM tasker_core_active WHERE task_id = 1 FOR UPDATE");
    struct turn t = {.kind = TURN_WORK, .claim_task = 1};
    fill(&o, &t);
    t.lease_us = SHORT;
    w->a->ops->commit(w->a, &t, &o.r);
    assert_int_equal(o.r.outcome, OUT_RETRY);
    assert_int_equal(o.r.locked_count, 1);
    assert_int_equal(o.r.locked[0], 1);
    PQfinish(person);
    owner_end(&o);
}

// A new task points at its named task and its named steps. Who is about to delete or rename one, or says FOR UPDATE as the
// Rails method `lock!` does, keeps out the tasks that need it.
static void new_tasks_that_need_a_locked_catalogue_row_are_named(void **state)
{
    static const struct {
        const char *holds, *message;
    } persons[] = {
        {"SELECT 1 FROM tasker_named_tasks FOR UPDATE", "named task line is locked by another session"},
        {"UPDATE tasker_named_tasks SET named_task_id = named_task_id + 1000", "named task line is locked by another session"},
        {"SELECT 1 FROM tasker_named_steps WHERE name = 'b' FOR UPDATE", "named step b is locked by another session"},
        {"UPDATE tasker_named_steps SET name = 'd' WHERE name = 'b'", "named step b is locked by another session"},
    };
    struct world *w = *state;
    struct owner o;
    struct script s = {0};
    owner_begin(&o, w->a, T0);
    script_task(w, &s, 7, 70, true);
    script_task(w, &s, 8, 80, true);
    PGconn *person = postgres_session(w->uri);
    postgres_run(person, "SET session_replication_role = replica"); // a key that is used may be changed all the same
    for (size_t i = 0; i < sizeof(persons) / sizeof(persons[0]); i++) {
        postgres_run(person, "BEGIN; %s", persons[i].holds);
        assert_int_equal(try_write(&o, &s), OUT_RETRY);
        assert_int_equal(o.r.error.code, TASKER_E_BUSY);
        assert_string_equal(o.r.error.message, persons[i].message);
        assert_int_equal(o.r.locked_count, 2);
        assert_int_equal(o.r.locked[0], 7);
        assert_int_equal(o.r.locked[1], 8);
        postgres_run(person, "ROLLBACK");
    }
    assert_int_equal(try_write(&o, &s), OUT_COMMITTED);
    PQfinish(person);
    owner_end(&o);
}

// Nor is anybody kept out by who reads the catalogue, changes what no key has, or has a row that a new task does not need.
static void new_tasks_go_by_locks_that_do_not_matter_to_them(void **state)
{
    static const char *const holds[] = {
        "SELECT 1 FROM tasker_named_tasks FOR NO KEY UPDATE",
        "UPDATE tasker_named_tasks SET description = 'new'",
        "SELECT 1 FROM tasker_task_namespaces FOR UPDATE",
        "SELECT 1 FROM tasker_dependent_systems FOR UPDATE",
        "SELECT 1 FROM tasker_named_tasks_named_steps FOR UPDATE",
        "SELECT 1 FROM tasker_core_templates FOR UPDATE",
    };
    struct world *w = *state;
    struct owner o;
    owner_begin(&o, w->a, T0);
    PGconn *person = postgres_session(w->uri);
    for (int i = 0; i < (int)(sizeof(holds) / sizeof(holds[0])); i++) {
        struct script s = {0};
        script_task(w, &s, i + 1, 10 * (i + 1), true);
        postgres_run(person, "BEGIN; %s", holds[i]);
        assert_int_equal(try_write(&o, &s), OUT_COMMITTED);
        postgres_run(person, "ROLLBACK");
    }
    PQfinish(person);
    owner_end(&o);
}

// It tries whether a lock is gone, and must not keep the lane waiting when it is not.
static void an_impatient_turn_waits_for_a_lock_only_a_moment(void **state)
{
    static const char *const waits[] = {"125ms", "20ms"};
    struct world *w = *state;
    struct owner o;
    owner_begin(&o, w->a, T0);
    PGconn *watcher = postgres_session(w->uri);
    postgres_run(watcher, "CREATE TABLE waits (w text); CREATE FUNCTION wait_told() RETURNS trigger LANGUAGE plpgsql AS $$"
                          "BEGIN INSERT INTO waits VALUES (current_setting('lock_timeout')); RETURN NEW; END $$;"
                          "CREATE TRIGGER told BEFORE INSERT ON tasker_tasks FOR EACH ROW EXECUTE FUNCTION wait_told()");
    for (int i = 0; i < 2; i++) {
        char told[32];
        struct script s = {0};
        script_task(w, &s, i + 1, 10 * (i + 1), true);
        struct turn t = {.kind = TURN_WORK, .changes = s.list, .change_count = s.count, .impatient = i == 1};
        fill(&o, &t);
        t.lease_us = SHORT;
        w->a->ops->commit(w->a, &t, &o.r);
        assert_int_equal(o.r.outcome, OUT_COMMITTED);
        o.number++;
        world_text(w, told, sizeof(told), "SELECT w FROM waits");
        assert_string_equal(told, waits[i]);
        postgres_run(watcher, "DELETE FROM waits");
    }
    postgres_run(watcher, "DROP TRIGGER told ON tasker_tasks; DROP FUNCTION wait_told(); DROP TABLE waits");
    PQfinish(watcher);
    owner_end(&o);
}

// Whose row somebody has keeps its lane's name, which nobody bears any more: the next takeover that can frees it.
static void a_lane_that_retires_leaves_behind_what_is_locked_and_names_it(void **state)
{
    struct world *w = *state;
    struct owner o, next;
    begin_three(w, &o);
    PGconn *person = postgres_session(w->uri);
    postgres_run(person, "BEGIN; SELECT 1 FROM tasker_core_active WHERE task_id = 2 FOR UPDATE");
    struct turn t = {.kind = TURN_RETIRE};
    fill(&o, &t);
    t.lease_us = SHORT;
    w->a->ops->commit(w->a, &t, &o.r);
    assert_int_equal(o.r.outcome, OUT_COMMITTED);
    assert_int_equal(o.r.locked_count, 1);
    assert_int_equal(o.r.locked[0], 2);
    assert_int_equal(world_number(w, "SELECT count(*) FROM tasker_core_lanes"), 0);
    assert_int_equal(world_number(w, "SELECT count(*) FROM tasker_core_active WHERE lane_id IS NULL"), 2);
    owner_begin(&next, w->b, T0);
    struct turn takeover = {.kind = TURN_WORK, .takeover = true};
    assert_int_equal(owner_commit(&next, &takeover), OUT_COMMITTED);
    assert_int_equal(world_number(w, "SELECT count(*) FROM tasker_core_active WHERE lane_id IS NULL"), 2);
    postgres_run(person, "ROLLBACK");
    assert_int_equal(owner_commit(&next, &takeover), OUT_COMMITTED);
    assert_int_equal(world_number(w, "SELECT count(*) FROM tasker_core_active WHERE lane_id IS NULL"), 3);
    PQfinish(person);
    owner_end(&next);
    owner_end(&o);
}

// A lane's own row is no task's.
static void a_locked_lane_names_no_task(void **state)
{
    struct world *w = *state;
    struct owner o;
    begin_three(w, &o);
    PGconn *person = postgres_session(w->uri);
    struct script s = {0};
    first_steps_done(&s);
    postgres_run(person, "BEGIN; SELECT 1 FROM tasker_core_lanes FOR UPDATE");
    assert_int_equal(try_write(&o, &s), OUT_RETRY);
    assert_int_equal(o.r.locked_count, 0);
    PQfinish(person);
    owner_end(&o);
}

int main(void)
{
#define LOCKED(f) cmocka_unit_test_setup_teardown(f, world_begin, world_end)
    static const struct CMUnitTest tests[] = {
        LOCKED(a_turn_that_meets_locked_rows_names_their_tasks),
        LOCKED(the_rows_of_the_task_itself_and_of_the_queue_are_found_too),
        LOCKED(a_task_that_is_read_or_pointed_at_is_not_locked),
        LOCKED(an_operators_claim_of_a_locked_task_names_it),
        LOCKED(new_tasks_that_need_a_locked_catalogue_row_are_named),
        LOCKED(new_tasks_go_by_locks_that_do_not_matter_to_them),
        LOCKED(an_impatient_turn_waits_for_a_lock_only_a_moment),
        LOCKED(a_lane_that_retires_leaves_behind_what_is_locked_and_names_it),
        LOCKED(a_locked_lane_names_no_task),
    };
    contract_use(&postgres_backend);
    return postgres_clean(cmocka_run_group_tests_name("postgresql, rows that a person holds", tests, NULL, NULL));
}
