// SPDX-License-Identifier: MIT
// test_postgres_faults.c - what only PostgreSQL has: several writers at once, and a network between us and the server.
// Interleavings are scripted: the other side is a plain session that stops where the test says, and the network is a
// proxy that breaks at an exact place. Nothing waits for time; who must be waiting is asked of the server.
#include <poll.h>

#include "meanwhile.h"
#include "proxy.h"
#include "store/postgres.h"

// ------------------------------------------------------------------------------------------- interleavings

static void takeover_passes_by_a_lane_that_is_committing(void **state)
{
    struct world *w = *state;
    struct owner slow, other;
    owner_begin(&slow, w->a, T0);
    owner_begin(&other, w->b, T0 + LEASE + SECOND);
    PGconn *c = postgres_session(w->uri); // the slow lane's turn, in the middle
    postgres_run(c, "BEGIN; SELECT tasker_core_fence(%lld, 1, %lld, %lld, 1000)", (long long)slow.lane,
                 (long long)(T0 + 2 * LEASE), (long long)LEASE);
    struct turn t = {.kind = TURN_WORK, .takeover = true};
    assert_int_equal(owner_commit(&other, &t), OUT_COMMITTED);
    assert_int_equal(other.r.taken_over, 0);
    postgres_run(c, "COMMIT");
    assert_int_equal(owner_commit(&other, &t), OUT_COMMITTED); // it renewed its lease
    assert_int_equal(other.r.taken_over, 0);
    other.now = T0 + 3 * LEASE;
    assert_int_equal(owner_commit(&other, &t), OUT_COMMITTED);
    assert_int_equal(other.r.taken_over, 1);
    PQfinish(c);
    owner_end(&slow);
    owner_end(&other);
}

static void a_turn_that_meets_a_takeover_is_fenced(void **state)
{
    struct world *w = *state;
    struct owner slow;
    struct script s = {0};
    seed_task(w, 1, 1, false);
    owner_begin(&slow, w->a, T0);
    assert_int_equal(owner_claim(&slow, 1), 1);
    PGconn *c = postgres_session(w->uri);
    postgres_run(c, "BEGIN; SELECT tasker_core_take_over(0, %lld, '{}')", (long long)(T0 + 2 * LEASE));
    script_start(w, &s, 1, T0);
    struct background b = {.owner = &slow,
                           .turn = {.kind = TURN_WORK, .changes = s.list, .change_count = s.count}};
    fill(&slow, &b.turn);
    background_begin(&b);
    wait_until(w, WAITERS, 1);
    postgres_run(c, "COMMIT");
    assert_int_equal(background_end(&b), OUT_FENCED);
    assert_int_equal(ask_number(w, "SELECT count(*) FROM tasker_task_transitions"), 0);
    assert_int_equal(ask_number(w, "SELECT count(*) FROM tasker_core_active WHERE lane_id IS NULL AND suspect"), 1);
    PQfinish(c);
    owner_end(&slow);
}

static void claims_pass_by_rows_that_others_are_claiming(void **state)
{
    struct world *w = *state;
    struct owner o;
    for (int i = 1; i <= 4; i++)
        seed_task(w, i, i * 10, false);
    owner_begin(&o, w->a, T0);
    PGconn *c = postgres_session(w->uri);
    postgres_run(c, "BEGIN; SELECT * FROM tasker_core_claim(77, %lld, 2)", (long long)T0);
    assert_int_equal(owner_claim(&o, 3), 2);
    assert_int_equal(o.r.claimed[0], 3);
    assert_int_equal(o.r.claimed[1], 4);
    postgres_run(c, "ROLLBACK");
    assert_int_equal(owner_claim(&o, 3), 2);
    assert_int_equal(o.r.claimed[0], 1);
    PQfinish(c);
    owner_end(&o);
}

// The sweep has seen that the task's lane is gone; before it gets there, another has freed the task, and a lane that
// the sweep does not know has claimed it.
static void a_sweep_spares_a_task_that_found_a_new_owner(void **state)
{
    struct world *w = *state;
    struct owner o;
    seed_task(w, 1, 1, false);
    owner_begin(&o, w->a, T0);
    postgres_backend.run(w->uri, "UPDATE tasker_core_active SET lane_id = 5000");
    PGconn *holder = postgres_session(w->uri), *sweeper = postgres_session(w->uri);
    // The sweep is made to wait between its look at the lanes and its locks.
    postgres_run(holder, "BEGIN; SELECT pg_advisory_xact_lock(1)");
    postgres_run(sweeper, "CREATE FUNCTION hold() RETURNS boolean LANGUAGE plpgsql AS "
                          "$$ BEGIN PERFORM pg_advisory_xact_lock(1); RETURN true; END $$");
    postgres_run(sweeper, "DO $$ BEGIN EXECUTE replace(replace(pg_get_functiondef('tasker_core_sweep'::regproc), "
                          "'tasker_core_sweep', 'held_sweep'), 'l.lane_id = f.lane_id)),', "
                          "'l.lane_id = f.lane_id) AND hold()),'); END $$");
    assert_int_equal(ask_number(w, "SELECT prosrc LIKE '%AND hold()%' FROM pg_proc WHERE proname = 'held_sweep'"), 1);
    assert_int_equal(PQsendQuery(sweeper, "SELECT held_sweep()"), 1);
    wait_until(w, WAITERS, 1);
    assert_int_equal(owner_claim_task(&o, 1), CLAIM_TAKEN);
    postgres_run(holder, "COMMIT");
    PGresult *r = PQgetResult(sweeper);
    assert_int_equal(PQresultStatus(r), PGRES_TUPLES_OK);
    PQclear(r);
    assert_int_equal(ask_number(w, "SELECT lane_id FROM tasker_core_active"), o.lane);
    PQfinish(holder);
    PQfinish(sweeper);
    owner_end(&o);
}

static void a_deadlock_is_tried_again_whole(void **state)
{
    struct world *w = *state;
    struct owner o;
    struct script s = {0};
    char sql[200], name[80];
    seed_task(w, 1, 1, true);
    postgres_parameter(w->uri, "dbname", name, sizeof(name));
    (void)snprintf(sql, sizeof(sql), "ALTER DATABASE %s SET deadlock_timeout = '20ms'", name);
    postgres_backend.run(w->uri, sql);
    store_close(w->a); // so that it has the setting
    w->a = world_open(w->uri);
    owner_begin(&o, w->a, T0);
    script_row(&s, CH_TASK_ROW, 1, ST_IN_PROGRESS, ST_ERROR, 20, T0, "{}");
    script_step_done(&s, 2, T0, false, "{\"a\":1}");
    PGconn *c = postgres_session(w->uri);
    postgres_run(c, "SET deadlock_timeout = '60s'; BEGIN; UPDATE tasker_workflow_steps SET attempts = 0 WHERE "
                    "workflow_step_id = 2");
    struct background b = {.owner = &o, .turn = {.kind = TURN_WORK, .changes = s.list, .change_count = s.count}};
    fill(&o, &b.turn);
    background_begin(&b);
    wait_until(w, WAITERS, 1);
    postgres_run(c, "UPDATE tasker_task_transitions SET updated_at = updated_at"); // returns when the turn gave up
    assert_int_equal(background_end(&b), OUT_RETRY);
    assert_int_equal(o.r.error.code, TASKER_E_BUSY);
    postgres_run(c, "ROLLBACK");
    assert_int_equal(owner_write(&o, &s), OUT_COMMITTED);
    assert_int_equal(ask_number(w, "SELECT count(*) FROM tasker_task_transitions"), 2);
    PQfinish(c);
    owner_end(&o);
}

static void a_row_that_stays_locked_costs_a_retry(void **state)
{
    struct world *w = *state;
    struct owner o;
    struct script s = {0};
    seed_task(w, 1, 1, false);
    owner_begin(&o, w->a, T0);
    PGconn *c = postgres_session(w->uri);
    postgres_run(c, "BEGIN; SELECT 1 FROM tasker_tasks FOR UPDATE");
    script_add(&s, CH_TASK_COMPLETE)->complete.task_id = 1;
    struct turn t = {.kind = TURN_WORK, .changes = s.list, .change_count = s.count};
    fill(&o, &t);
    t.lease_us = 400 * US_PER_MS;
    w->a->ops->commit(w->a, &t, &o.r);
    assert_int_equal(o.r.outcome, OUT_RETRY);
    assert_int_equal(o.r.error.code, TASKER_E_BUSY);
    postgres_run(c, "COMMIT");
    assert_int_equal(owner_write(&o, &s), OUT_COMMITTED);
    PQfinish(c);
    owner_end(&o);
}

// --------------------------------------------------------------------------------------------- the network

struct wire {
    struct proxy *proxy;
    struct owner owner;
    struct script script;
    struct turn turn;
};

// An owner whose connection goes through the proxy, and a turn that creates a task.
static void wire_begin(struct world *w, struct wire *x)
{
    char host[128], port[16], uri[512];
    memset(x, 0, sizeof(*x));
    postgres_parameter(w->uri, "host", host, sizeof(host));
    postgres_parameter(w->uri, "port", port, sizeof(port));
    x->proxy = proxy_new(host, port[0] ? port : "5432");
    assert_non_null(x->proxy);
    postgres_uri_through(w->uri, proxy_folder(x->proxy), port[0] ? port : "5432", uri, sizeof(uri));
    owner_begin(&x->owner, world_open(uri), T0);
    script_task(w, &x->script, 1, 1, true);
    x->turn = (struct turn){.kind = TURN_WORK, .changes = x->script.list, .change_count = x->script.count};
    fill(&x->owner, &x->turn);
}

static enum commit_outcome wire_commit(struct wire *x)
{
    x->owner.store->ops->commit(x->owner.store, &x->turn, &x->owner.r);
    return x->owner.r.outcome;
}

static void wire_end(struct wire *x)
{
    store_close(x->owner.store);
    owner_end(&x->owner);
    proxy_free(x->proxy);
}

static void an_answer_that_was_lost_is_resolved_as_committed(void **state)
{
    struct world *w = *state;
    struct wire x;
    wire_begin(w, &x);
    proxy_next(x.proxy, PROXY_CUT_ANSWER);
    assert_int_equal(wire_commit(&x), OUT_UNKNOWN);
    assert_int_equal(ask_number(w, "SELECT count(*) FROM tasker_tasks"), 1);
    assert_int_equal(x.owner.store->ops->resolve(x.owner.store, &x.turn, NULL), OUT_COMMITTED);
    x.owner.number++;
    assert_int_equal(owner_write(&x.owner, &(struct script){0}), OUT_COMMITTED);
    wire_end(&x);
}

static void a_turn_that_did_not_arrive_is_resolved_and_sent_again(void **state)
{
    struct world *w = *state;
    struct wire x;
    wire_begin(w, &x);
    proxy_next(x.proxy, PROXY_CUT_REQUEST);
    assert_int_equal(wire_commit(&x), OUT_UNKNOWN);
    assert_int_equal(x.owner.store->ops->resolve(x.owner.store, &x.turn, NULL), OUT_RETRY);
    assert_int_equal(ask_number(w, "SELECT count(*) FROM tasker_tasks"), 0);
    x.turn.number += 2;
    assert_int_equal(wire_commit(&x), OUT_COMMITTED);
    assert_int_equal(ask_number(w, "SELECT count(*) FROM tasker_tasks"), 1);
    wire_end(&x);
}

static void a_server_of_a_version_that_is_too_old_is_refused(void **state)
{
    struct world *w = *state;
    struct wire x;
    struct store *none = NULL;
    char uri[512], port[16];
    tasker_error err;
    wire_begin(w, &x);
    postgres_parameter(w->uri, "port", port, sizeof(port));
    postgres_uri_through(w->uri, proxy_folder(x.proxy), port[0] ? port : "5432", uri, sizeof(uri));
    proxy_age(x.proxy);
    int rc = store_open(uri, &(struct store_options){.migrate = true, .host = "h", .boot_id = "b"}, &none, &err);
    assert_int_equal(rc, TASKER_E_UNSUPPORTED);
    assert_null(none);
    assert_non_null(strstr(err.message, "PostgreSQL 13."));
    assert_string_equal(err.remedy, "use PostgreSQL 14 or newer");
    wire_end(&x);
}

// The old connection is still open at the server, with COMMIT on its way: who asks has to wait for it.
static void a_commit_that_is_on_its_way_is_waited_for(void **state)
{
    struct world *w = *state;
    struct wire x;
    wire_begin(w, &x);
    proxy_next(x.proxy, PROXY_HOLD_END);
    assert_int_equal(wire_commit(&x), OUT_UNKNOWN);
    assert_int_equal(ask_number(w, "SELECT turn FROM tasker_core_lanes"), 0);
    struct background b = {.owner = &x.owner, .turn = x.turn, .resolve = true};
    background_begin(&b);
    wait_until(w, WAITERS, 1);
    proxy_release(x.proxy);
    assert_int_equal(background_end(&b), OUT_COMMITTED);
    assert_int_equal(ask_number(w, "SELECT count(*) FROM tasker_tasks"), 1);
    wire_end(&x);
}

#define SESSIONS \
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"

// The turn lies in a buffer somewhere when it is asked for, which nobody can see. What the lane sends then is another turn.
static void a_turn_that_reaches_the_server_after_it_was_asked_for_is_fenced(void **state)
{
    struct world *w = *state;
    struct wire x;
    struct script none = {0};
    wire_begin(w, &x);
    proxy_next(x.proxy, PROXY_HOLD_ALL);
    assert_int_equal(wire_commit(&x), OUT_UNKNOWN);
    assert_int_equal(x.owner.store->ops->resolve(x.owner.store, &x.turn, NULL), OUT_RETRY);
    int64_t sessions = ask_number(w, SESSIONS);
    proxy_release(x.proxy);
    wait_until(w, SESSIONS, sessions - 1); // it was answered, to nobody
    assert_int_equal(ask_number(w, "SELECT count(*) FROM tasker_tasks"), 0);
    x.owner.number += 2;
    assert_int_equal(owner_write(&x.owner, &none), OUT_COMMITTED);
    wire_end(&x);
}

#define TERMINATE_OTHERS                                                                                       \
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND " \
    "pid <> pg_backend_pid()"

// Ends the store's session, and waits until the end of its stream has come.
static void end_session(struct world *w, struct store *s)
{
    struct pollfd fd = {.fd = PQsocket(postgres_of(s)->conn), .events = POLLRDHUP};
    postgres_backend.run(w->uri, TERMINATE_OTHERS);
    wait_until(w, SESSIONS, 0);
    assert_int_equal(poll(&fd, 1, 10000), 1);
}

static void an_idle_connection_that_was_terminated_is_made_again_unnoticed(void **state)
{
    struct world *w = *state;
    struct owner o;
    struct holdings h;
    tasker_error err = {0};
    holdings_init(&h);
    owner_begin(&o, w->a, T0);
    assert_int_equal(owner_write(&o, &(struct script){0}), OUT_COMMITTED);
    end_session(w, w->a);
    struct turn t = {.kind = TURN_WORK, .want_task_ids = 3};
    assert_int_equal(owner_commit(&o, &t), OUT_COMMITTED); // with its statements prepared and its settings made anew
    assert_int_equal(o.r.task_id_ranges, 1);
    PGresult *setting = PQexec(postgres_of(w->a)->conn, "SHOW enable_seqscan");
    assert_string_equal(PQgetvalue(setting, 0, 0), "off");
    PQclear(setting);
    end_session(w, w->a);
    assert_int_equal(w->a->ops->holdings(w->a, o.lane, &h, &err), 0);
    holdings_done(&h);
    owner_end(&o);
}

static void a_turn_that_is_terminated_half_way_is_tried_again(void **state)
{
    struct world *w = *state;
    struct owner o;
    struct script s = {0};
    seed_task(w, 1, 1, true);
    owner_begin(&o, w->a, T0);
    PGconn *c = postgres_session(w->uri);
    postgres_run(c, "BEGIN; SELECT 1 FROM tasker_tasks FOR UPDATE");
    script_row(&s, CH_TASK_ROW, 1, ST_IN_PROGRESS, ST_ERROR, 20, T0, "{}");
    struct background b = {.owner = &o, .turn = {.kind = TURN_WORK, .changes = s.list, .change_count = s.count}};
    fill(&o, &b.turn);
    background_begin(&b);
    wait_until(w, WAITERS, 1);
    postgres_backend.run(w->uri, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "
                                 "current_database() AND wait_event_type = 'Lock'");
    assert_int_equal(background_end(&b), OUT_RETRY); // the server said that it stopped before COMMIT
    assert_int_equal(o.r.error.code, TASKER_E_IO);
    postgres_run(c, "ROLLBACK");
    assert_int_equal(owner_write(&o, &s), OUT_COMMITTED);
    PQfinish(c);
    owner_end(&o);
}

static void a_server_that_takes_no_writes_is_waited_for(void **state)
{
    struct world *w = *state;
    struct owner o;
    char sql[200], name[80];
    owner_begin(&o, w->a, T0);
    postgres_parameter(w->uri, "dbname", name, sizeof(name));
    (void)snprintf(sql, sizeof(sql), "ALTER DATABASE %s SET default_transaction_read_only = on", name);
    postgres_backend.run(w->uri, sql);
    ((struct postgres *)w->a)->backoff_us = 0;
    postgres_disconnect(postgres_of(w->a));
    assert_int_equal(owner_write(&o, &(struct script){0}), OUT_RETRY);
    assert_int_equal(o.r.error.code, TASKER_E_IO);
    assert_non_null(strstr(o.r.error.message, "read-only"));
    assert_non_null(strstr(o.r.error.remedy, "takes no writes"));
    assert_null(postgres_of(w->a)->conn); // another server may answer at this address the next time
    (void)snprintf(sql, sizeof(sql), "ALTER DATABASE %s RESET default_transaction_read_only", name);
    postgres_backend.run(postgres_server(), sql);
    assert_int_equal(owner_write(&o, &(struct script){0}), OUT_COMMITTED);
    owner_end(&o);
}

static void a_server_that_is_away_is_tried_again_later_and_says_why_meanwhile(void **state)
{
    struct world *w = *state;
    struct wire x;
    wire_begin(w, &x);
    char port[16];
    (void)snprintf(port, sizeof(port), "%s", PQport(postgres_of(x.owner.store)->conn));
    char socket_name[160], away[170];
    (void)snprintf(socket_name, sizeof(socket_name), "%s/.s.PGSQL.%s", proxy_folder(x.proxy), port);
    (void)snprintf(away, sizeof(away), "%s.away", socket_name);
    assert_int_equal(rename(socket_name, away), 0);
    postgres_disconnect(postgres_of(x.owner.store));
    int64_t backoff = 0;
    for (int i = 0; i < 9; i++) {
        postgres_of(x.owner.store)->tried_at = 0; // as if the wait were over
        assert_int_equal(wire_commit(&x), OUT_RETRY);
        assert_int_equal(x.owner.r.error.code, TASKER_E_IO);
        assert_true(postgres_of(x.owner.store)->backoff_us >= backoff);
        backoff = postgres_of(x.owner.store)->backoff_us;
    }
    assert_int_equal(backoff, 2 * SECOND);
    assert_int_equal(rename(away, socket_name), 0);
    assert_int_equal(wire_commit(&x), OUT_RETRY); // too early: the last failure once more, at once
    postgres_of(x.owner.store)->tried_at = 0;
    assert_int_equal(wire_commit(&x), OUT_COMMITTED);
    assert_int_equal(postgres_of(x.owner.store)->backoff_us, 0);
    wire_end(&x);
}

static void statements_that_the_server_forgot_make_us_do_without_names(void **state)
{
    struct world *w = *state;
    struct owner o;
    owner_begin(&o, w->a, T0);
    assert_int_equal(owner_write(&o, &(struct script){0}), OUT_COMMITTED);
    struct pipe q;
    tasker_error err = {0};
    pipe_init(&q, postgres_of(w->a));
    (void)pipe_add_text(&q, "DEALLOCATE ALL"); // as if the next transaction met another connection behind a pooler
    assert_int_equal(pipe_run(&q, "test", &err), 0);
    pipe_done(&q);
    assert_int_equal(owner_write(&o, &(struct script){0}), OUT_RETRY);
    assert_true(postgres_of(w->a)->pooled);
    assert_int_equal(owner_write(&o, &(struct script){0}), OUT_COMMITTED);
    owner_end(&o);
}

// ------------------------------------------------------------------------------------------- large turns

static void a_duplicate_in_the_middle_of_many_is_the_only_one_refused(void **state)
{
    enum { TASKS = 500 };
    struct world *w = *state;
    struct owner o;
    static struct change list[TASKS];
    static char names[TASKS][16];
    seed_task(w, 100000, 1, false);
    owner_begin(&o, w->a, T0);
    memset(list, 0, sizeof(list));
    for (int i = 0; i < TASKS; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "many-%d", i);
        list[i].kind = CH_TASK_INSERT;
        list[i].task.task_id = i + 1;
        list[i].task.named_task_id = w->tpl->named_task_id;
        list[i].task.requested_at = T0;
        list[i].task.identity = span_of(names[i]);
    }
    list[250].task.identity = SPAN("task-100000");
    struct turn t = {.kind = TURN_WORK, .changes = list, .change_count = TASKS};
    assert_int_equal(owner_commit(&o, &t), OUT_REFUSED);
    assert_int_equal(o.r.culprit, 250);
    assert_int_equal(o.r.existing_task_id, 100000);
    assert_int_equal(o.r.error.code, TASKER_E_DUPLICATE);
    assert_int_equal(ask_number(w, "SELECT count(*) FROM tasker_tasks"), 1);
    list[250].task.identity = span_of(names[250]);
    assert_int_equal(owner_commit(&o, &t), OUT_COMMITTED);
    assert_int_equal(ask_number(w, "SELECT count(*) FROM tasker_tasks"), TASKS + 1);
    owner_end(&o);
}

static void a_value_that_is_none_refuses_the_turn(void **state)
{
    struct world *w = *state;
    struct owner o;
    seed_task(w, 1, 1, false);
    owner_begin(&o, w->a, T0);
    static const char *const values[] = {"{", "\"\\u0000\"", "\"\xff\""};
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        struct script s = {0};
        script_step_done(&s, 1, T0, false, "1");
        script_step_done(&s, 2, T0, false, values[i]);
        assert_int_equal(owner_write(&o, &s), OUT_REFUSED);
        assert_int_equal(o.r.error.code, TASKER_E_INVALID);
        assert_int_equal(o.r.culprit, -1);
    }
    assert_int_equal(ask_number(w, "SELECT count(*) FROM tasker_workflow_step_transitions"), 0);
    owner_end(&o);
}

static void many_megabytes_go_both_ways_at_once(void **state)
{
    enum { SIZE = 9 << 20 };
    struct world *w = *state;
    char *text = malloc(SIZE + 3);
    memset(text, 'x', SIZE + 2);
    text[0] = text[SIZE + 1] = '"';
    text[SIZE + 2] = '\0';
    struct owner o;
    struct script s = {0};
    struct task_rows r;
    seed_task(w, 1, 1, false);
    owner_begin(&o, w->a, T0);
    script_step_done(&s, 1, T0, false, text);
    assert_int_equal(owner_write(&o, &s), OUT_COMMITTED);
    load(w->a, 1, &r);
    assert_int_equal(r.steps[0].results->size, SIZE + 2);
    assert_memory_equal(r.steps[0].results->data, text, SIZE + 2);
    task_rows_done(&r);

    struct pipe q;
    tasker_error err = {0};
    pipe_init(&q, postgres_of(w->a));
    for (int i = 0; i < 3; i++) { // the server answers the first before it has the last
        (void)pipe_add_text(&q, "SELECT $1");
        pipe_text(&q, (struct span){text, SIZE});
    }
    assert_int_equal(pipe_run(&q, "echo", &err), 0);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(pg_span_at(pipe_result(&q, i), 0, 0).len, SIZE);
    pipe_done(&q);
    free(text);
    owner_end(&o);
}

// ---------------------------------------------------------------------------------------- hints and time

static void wait_readable(struct store *s)
{
    struct pollfd fd = {.fd = PQsocket(postgres_of(s)->conn), .events = POLLIN};
    assert_int_equal(poll(&fd, 1, 10000), 1);
}

static void a_hint_is_heard_by_others_and_not_by_ourselves(void **state)
{
    struct world *w = *state;
    (void)w->a->ops->changed(w->a); // a new connection has missed what was said before
    (void)w->b->ops->changed(w->b);
    assert_false(w->a->ops->changed(w->a));
    w->b->ops->hint(w->b);
    wait_readable(w->a);
    assert_true(w->a->ops->changed(w->a));
    assert_false(w->a->ops->changed(w->a));
    assert_false(w->b->ops->changed(w->b));
    int64_t at = postgres_of(w->b)->hinted_at;
    w->b->ops->hint(w->b); // within a quarter of a second: none
    assert_int_equal(postgres_of(w->b)->hinted_at, at);
}

static void hints_can_be_switched_off_in_the_uri(void **state)
{
    struct world *w = *state;
    char uri[600];
    (void)snprintf(uri, sizeof(uri), "%s%stasker_notify=off", w->uri, strchr(w->uri, '?') ? "&" : "?");
    struct store *s = world_open(uri);
    assert_true(postgres_of(w->a)->listening);
    assert_false(postgres_of(s)->listening);
    s->ops->hint(s);
    (void)w->a->ops->changed(w->a);
    (void)w->b->ops->changed(w->b);
    w->b->ops->hint(w->b); // the only one that is sent
    wait_readable(w->a);
    assert_true(w->a->ops->changed(w->a));
    assert_int_equal(postgres_of(s)->hinted_at, 0);
    assert_false(s->ops->changed(s));
    store_close(s);
    struct store_options o = {0};
    tasker_error err = {0};
    assert_int_equal(store_open("postgresql://u:secret@/d?tasker_notify=maybe", &o, &s, &err), TASKER_E_INVALID);
    assert_null(strstr(err.message, "secret"));
}

static void the_clock_is_the_servers_and_moves_only_as_far_as_answers_prove(void **state)
{
    struct world *w = *state;
    struct postgres *p = postgres_of(w->a);
    assert_true(p->clock_known);
    int64_t off = w->a->ops->now(w->a) - clock_real_us(); // the same machine
    assert_true(off > -SECOND && off < SECOND);
    p->clock_offset = 0;
    postgres_clock(p, 1000, 100, 300); // between 700 and 900
    assert_int_equal(p->clock_offset, 700);
    postgres_clock(p, 2000, 1250, 1350); // between 650 and 750: it may still be true
    assert_int_equal(p->clock_offset, 700);
    postgres_clock(p, 3000, 2400, 2500); // between 500 and 600
    assert_int_equal(p->clock_offset, 600);
}

static void a_pooler_is_recognised(void **state)
{
    struct world *w = *state;
    char uri[256];
    if (!getenv("TASKER_TEST_PGBOUNCER"))
        skip();
    pgbouncer_backend.create(uri, sizeof(uri));
    struct store *s = world_open(uri);
    assert_true(postgres_of(s)->pooled);
    assert_false(postgres_of(s)->listening);
    assert_false(postgres_of(w->a)->pooled);
    s->ops->hint(s); // NOTIFY needs no session
    assert_non_null(postgres_of(s)->conn);
    assert_false(s->ops->changed(s));
    store_close(s);
    pgbouncer_backend.destroy(uri);
}

#define FAULT(f) cmocka_unit_test_setup_teardown(f, world_begin, world_end)

static void shown(struct world *w, const char *setting, const char *wanted)
{
    char sql[80];
    (void)snprintf(sql, sizeof(sql), "SHOW %s", setting);
    PGresult *r = PQexec(postgres_of(w->a)->conn, sql);
    assert_string_equal(PQgetvalue(r, 0, 0), wanted);
    PQclear(r);
}

// A plan that is kept must not depend on how small the tables were when it was made.
static void the_settings_of_turns_come_with_the_first_that_is_committed(void **state)
{
    struct world *w = *state;
    struct owner o;
    struct script s = {0};
    owner_begin(&o, w->a, T0);
    script_add(&s, CH_STEP_UPDATE)->step_update.step_id = 99;
    assert_int_equal(owner_write(&o, &s), OUT_REFUSED);
    shown(w, "enable_seqscan", "on");
    assert_int_equal(owner_write(&o, &(struct script){0}), OUT_COMMITTED);
    shown(w, "enable_seqscan", "off");
    shown(w, "enable_hashjoin", "off");
    shown(w, "enable_mergejoin", "off");
    shown(w, "lock_timeout", "1s");
    struct turn t = {.kind = TURN_WORK};
    fill(&o, &t);
    t.lease_us = SECOND;
    w->a->ops->commit(w->a, &t, &o.r);
    o.number++;
    assert_int_equal(o.r.outcome, OUT_COMMITTED);
    shown(w, "lock_timeout", "250ms");
    assert_int_equal(world_number(w, "SELECT lease_us FROM tasker_core_lanes WHERE lane_id = %lld", (long long)o.lane), SECOND);
    postgres_disconnect(postgres_of(w->a));
    assert_int_equal(owner_write(&o, &(struct script){0}), OUT_COMMITTED);
    shown(w, "lock_timeout", "1s");
    owner_end(&o);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        FAULT(takeover_passes_by_a_lane_that_is_committing),
        FAULT(a_turn_that_meets_a_takeover_is_fenced),
        FAULT(claims_pass_by_rows_that_others_are_claiming),
        FAULT(a_sweep_spares_a_task_that_found_a_new_owner),
        FAULT(a_deadlock_is_tried_again_whole),
        FAULT(a_row_that_stays_locked_costs_a_retry),
        FAULT(an_answer_that_was_lost_is_resolved_as_committed),
        FAULT(a_turn_that_did_not_arrive_is_resolved_and_sent_again),
        FAULT(a_turn_that_reaches_the_server_after_it_was_asked_for_is_fenced),
        FAULT(a_server_of_a_version_that_is_too_old_is_refused),
        FAULT(a_commit_that_is_on_its_way_is_waited_for),
        FAULT(an_idle_connection_that_was_terminated_is_made_again_unnoticed),
        FAULT(a_turn_that_is_terminated_half_way_is_tried_again),
        FAULT(a_server_that_takes_no_writes_is_waited_for),
        FAULT(a_server_that_is_away_is_tried_again_later_and_says_why_meanwhile),
        FAULT(statements_that_the_server_forgot_make_us_do_without_names),
        FAULT(a_duplicate_in_the_middle_of_many_is_the_only_one_refused),
        FAULT(a_value_that_is_none_refuses_the_turn),
        FAULT(many_megabytes_go_both_ways_at_once),
        FAULT(a_hint_is_heard_by_others_and_not_by_ourselves),
        FAULT(hints_can_be_switched_off_in_the_uri),
        FAULT(a_pooler_is_recognised),
        FAULT(the_settings_of_turns_come_with_the_first_that_is_committed),
        FAULT(the_clock_is_the_servers_and_moves_only_as_far_as_answers_prove),
    };
    contract_use(&postgres_backend);
    return postgres_clean(cmocka_run_group_tests_name("postgresql, faults", tests, NULL, NULL));
}
