// SPDX-License-Identifier: MIT
// test_postgres_stopped.c - a process that was stopped in the middle of sending a turn. The server waits for the rest of
// it with rows locked, and no time-out of PostgreSQL applies. The stopped process is a plain session in pipeline mode that
// has sent the beginning of a turn and goes silent.
//
// Leases of rows are made short where one has to be over: SHORT, in the server's own time.
#include "common/pick.h"
#include "meanwhile.h"
#include "store/postgres.h"

#define SHORT_LEASE 20000 // microseconds
#define REST (600 * SECOND)

static void put_tasks(struct world *w, int count)
{
    for (int i = 1; i <= count; i++) {
        struct script s = {0};
        script_task(w, &s, i, i * 10, false);
        plain_write(w->b, &s, T0);
    }
}

// A turn of the lane that has claimed `claims` tasks and never ends.
static PGconn *stop_in_turn(const char *uri, int64_t lane, int claims)
{
    PGconn *c = postgres_session(uri);
    char sql[200];
    assert_int_equal(PQenterPipelineMode(c), 1);
    send_part(c, "BEGIN");
    (void)snprintf(sql, sizeof(sql), "SELECT tasker_core_fence(%lld, 1, %lld, %lld, 1000)", (long long)lane,
                   (long long)(T0 + LEASE), (long long)LEASE);
    send_part(c, sql);
    (void)snprintf(sql, sizeof(sql), "SELECT * FROM tasker_core_claim(%lld, %lld, %d)", (long long)lane, (long long)T0,
                   claims);
    send_part(c, sql);
    return c;
}

static bool lives(struct world *w, PGconn *c)
{
    return world_number(w, "SELECT count(*) FROM pg_stat_activity WHERE pid = %d", PQbackendPID(c)) == 1;
}

// A session that was told to end takes a moment to do so.
static void wait_dead(struct world *w, PGconn *c)
{
    for (int i = 0; i < 2000; i++)
        if (!lives(w, c))
            return;
    fail_msg("the session of the stopped process lives on");
}

// The lease of the row as others read it; the stopped turn began at least two of them ago.
static void shorten_lease(struct world *w, int64_t lane, int64_t expires_at)
{
    (void)world_number(w, "WITH u AS (UPDATE tasker_core_lanes SET lease_us = %d, expires_at = %lld WHERE lane_id = %lld RETURNING 1) SELECT count(*) FROM u",
                       SHORT_LEASE, (long long)expires_at, (long long)lane);
}

static void pass_two_leases(struct world *w)
{
    assert_int_equal(ask_number(w, "SELECT count(pg_sleep(0.05))"), 1);
}

static void look_around(struct store *s, int64_t lane, int64_t now)
{
    struct poll_result r;
    poll_result_init(&r);
    postgres_of(s)->freed_at = 0; // as if the last time were long ago
    look(s, &(struct poll_want){.lane = lane, .lease_us = LEASE, .tasks = true}, now, &r);
    poll_result_done(&r);
}

static void a_stopped_turns_session_is_ended_after_two_leases_and_not_before(void **state)
{
    struct world *w = *state;
    struct owner slow, slower, other;
    struct turn take = {.kind = TURN_WORK, .takeover = true};
    put_tasks(w, 5);
    owner_begin(&slow, w->a, T0);
    owner_begin(&slower, w->a, T0);
    owner_begin(&other, w->b, T0);
    shorten_lease(w, slower.lane, T0);
    PGconn *young = stop_in_turn(w->uri, slow.lane, 2), *old = stop_in_turn(w->uri, slower.lane, 1);
    assert_int_equal(owner_claim(&other, 10), 2); // others go on with all that these did not lock
    other.now = T0 + 3 * LEASE;
    assert_int_equal(owner_commit(&other, &take), OUT_COMMITTED);
    assert_int_equal(other.r.taken_over, 0);
    pass_two_leases(w);
    look_around(w->b, other.lane, other.now);
    wait_dead(w, old);
    assert_true(lives(w, young)); // of a lease of ten seconds
    assert_int_equal(owner_commit(&other, &take), OUT_COMMITTED);
    assert_int_equal(other.r.taken_over, 1);
    assert_int_equal(owner_claim(&other, 10), 1);
    PQfinish(young);
    PQfinish(old);
    owner_end(&slow);
    owner_end(&slower);
    owner_end(&other);
}

// A lane that owned nothing rests by a long lease. Its first claim is not committed, so its row says so still.
static void tasks_of_a_claim_that_was_stopped_half_way_are_claimed_by_others(void **state)
{
    struct world *w = *state;
    struct owner slow, other;
    put_tasks(w, 3);
    owner_begin(&slow, w->a, T0);
    owner_begin(&other, w->b, T0);
    shorten_lease(w, slow.lane, T0 + REST);
    PGconn *c = stop_in_turn(w->uri, slow.lane, 10);
    assert_int_equal(owner_claim(&other, 10), 0);
    pass_two_leases(w);
    look_around(w->b, other.lane, T0 + SECOND);
    wait_dead(w, c);
    assert_int_equal(owner_claim(&other, 10), 3);
    PQfinish(c);
    owner_end(&slow);
    owner_end(&other);
}

// A network that forgot a connection leaves the session of our own last turn behind. There may be no other engine that
// would end it.
static void our_own_row_is_freed_of_a_turn_whose_end_never_came(void **state)
{
    struct world *w = *state;
    struct owner o;
    owner_begin(&o, w->a, T0);
    shorten_lease(w, o.lane, T0);
    PGconn *c = stop_in_turn(w->uri, o.lane, 0);
    pass_two_leases(w);
    struct turn t = {.kind = TURN_WORK, .lane = o.lane, .number = 1, .now = T0, .lease_us = SECOND / 2};
    w->a->ops->commit(w->a, &t, &o.r);
    assert_int_equal(o.r.outcome, OUT_RETRY);
    assert_int_equal(o.r.error.code, TASKER_E_BUSY);
    wait_dead(w, c);
    w->a->ops->commit(w->a, &t, &o.r);
    assert_int_equal(o.r.outcome, OUT_COMMITTED);
    PQfinish(c);
    owner_end(&o);
}

static void an_unknown_turn_whose_session_never_ends_is_known_after_two_leases(void **state)
{
    struct world *w = *state;
    struct owner o;
    owner_begin(&o, w->a, T0);
    shorten_lease(w, o.lane, T0);
    PGconn *c = stop_in_turn(w->uri, o.lane, 0);
    struct turn t = {.kind = TURN_WORK, .lane = o.lane, .number = 1, .now = T0, .lease_us = LEASE};
    pass_two_leases(w);
    assert_int_equal(w->a->ops->resolve(w->a, &t, NULL), OUT_RETRY);
    wait_dead(w, c);
    PQfinish(c);
    owner_end(&o);
}

// What it waits for is not its client: it ends by itself, and may have committed already.
static void a_turn_that_is_slow_at_the_server_is_left_alone(void **state)
{
    struct world *w = *state;
    struct owner slow, other;
    owner_begin(&slow, w->a, T0);
    owner_begin(&other, w->b, T0);
    shorten_lease(w, slow.lane, T0);
    PGconn *holder = postgres_session(w->uri), *c = stop_in_turn(w->uri, slow.lane, 0);
    postgres_run(holder, "BEGIN; SELECT pg_advisory_xact_lock(1)");
    assert_int_equal(PQsendQueryParams(c, "SELECT pg_advisory_xact_lock(1)", 0, NULL, NULL, NULL, NULL, 0), 1);
    assert_int_equal(PQsendFlushRequest(c), 1);
    assert_int_equal(PQflush(c), 0);
    pass_two_leases(w);
    assert_int_equal(ask_number(w, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"), 1);
    look_around(w->b, other.lane, T0 + SECOND);
    postgres_run(holder, "COMMIT");
    PGresult *r = PQgetResult(c);
    assert_int_equal(PQresultStatus(r), PGRES_TUPLES_OK);
    PQclear(r);
    PQfinish(holder);
    PQfinish(c);
    owner_end(&slow);
    owner_end(&other);
}

// ------------------------------------------------------------------------------------------------- other roles

// A role that may run engines, and its URI; `rights`: what it may besides.
static void role_begin(struct world *w, const char *role, const char *rights, char uri[512])
{
    char host[128], port[16], name[80];
    PGconn *c = postgres_session(w->uri);
    postgres_run(c, "CREATE ROLE %s LOGIN; GRANT USAGE ON SCHEMA public TO %s; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL "
                    "TABLES IN SCHEMA public TO %s; GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO %s", role, role, role, role);
    if (rights)
        postgres_run(c, "GRANT %s TO %s", rights, role);
    PQfinish(c);
    postgres_parameter(w->uri, "host", host, sizeof(host));
    postgres_parameter(w->uri, "port", port, sizeof(port));
    postgres_parameter(w->uri, "dbname", name, sizeof(name));
    (void)snprintf(uri, 512, "postgresql://%s@/%s?host=%s&port=%s&application_name=%s", role, name, host, port, role);
}

static void role_end(struct world *w, const char *role)
{
    PGconn *c = postgres_session(w->uri);
    postgres_run(c, "DROP OWNED BY %s; DROP ROLE %s", role, role);
    PQfinish(c);
}

static void a_role_that_may_signal_ends_the_session_of_another(void **state)
{
    struct world *w = *state;
    struct owner slow, other;
    char theirs[512], ours[512];
    put_tasks(w, 1);
    role_begin(w, "stopped_a", NULL, theirs);
    role_begin(w, "stopped_b", "pg_signal_backend", ours);
    struct store *s = world_open(ours);
    owner_begin(&slow, w->a, T0);
    owner_begin(&other, s, T0);
    shorten_lease(w, slow.lane, T0 + LEASE);
    PGconn *c = stop_in_turn(theirs, slow.lane, 1);
    pass_two_leases(w);
    look_around(s, other.lane, T0 + LEASE); // since when it stands is not for us to see, so its lease has to be over
    assert_true(lives(w, c));
    look_around(s, other.lane, T0 + LEASE + 2 * SHORT_LEASE);
    wait_dead(w, c);
    assert_int_equal(owner_claim(&other, 1), 1);
    PQfinish(c);
    owner_end(&slow);
    owner_end(&other);
    store_close(s);
    role_end(w, "stopped_a");
    role_end(w, "stopped_b");
}

static void health_names_a_session_that_our_role_may_not_end(void **state)
{
    struct world *w = *state;
    struct owner slow, mine, other;
    char theirs[512], ours[512], pid[20];
    put_tasks(w, 4);
    role_begin(w, "stopped_a", NULL, theirs);
    role_begin(w, "stopped_b", NULL, ours);
    struct store *s = world_open(ours);
    owner_begin(&slow, w->a, T0);
    owner_begin(&mine, w->a, T0);
    owner_begin(&other, s, T0);
    shorten_lease(w, slow.lane, T0);
    shorten_lease(w, mine.lane, T0);
    PGconn *c = stop_in_turn(theirs, slow.lane, 2), *d = stop_in_turn(ours, mine.lane, 1);
    pass_two_leases(w);
    int64_t now = T0 + SECOND;
    char *text = ask_health(s, now);
    assert_string_equal(pick(text, "stuck_sessions.1.may_end"), "true");
    free(text);
    look_around(s, other.lane, now);
    wait_dead(w, d); // the one that it may end, although there is one that it may not
    assert_true(lives(w, c));
    text = ask_health(s, now);
    (void)snprintf(pid, sizeof(pid), "%d", PQbackendPID(c));
    assert_string_equal(pick(text, "stuck_sessions.0.pid"), pid);
    assert_string_equal(pick(text, "stuck_sessions.0.role"), "stopped_a");
    assert_string_equal(pick(text, "stuck_sessions.0.application_name"), "stopped_a");
    assert_string_equal(pick(text, "stuck_sessions.0.tasks"), "2");
    assert_string_equal(pick(text, "stuck_sessions.0.may_end"), "false");
    assert_non_null(strstr(pick(text, "stuck_sessions.0.holds"), "and 2 tasks that nobody else can claim"));
    assert_non_null(strstr(pick(text, "stuck_sessions.0.remedy"), "as role stopped_a or as superuser: SELECT pg_terminate_backend("));
    assert_null(pick(text, "stuck_sessions.1"));
    free(text);
    assert_int_equal(owner_claim(&other, 10), 2); // all others are claimed as ever
    PQfinish(c);
    PQfinish(d);
    owner_end(&slow);
    owner_end(&mine);
    owner_end(&other);
    store_close(s);
    role_end(w, "stopped_a");
    role_end(w, "stopped_b");
}

// ------------------------------------------------------------------------------------------------- no lane's row

static int64_t server_time(struct world *w)
{
    return ask_number(w, "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint");
}

static void assert_named(const char *text, int place, const char *member, const char *want)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "stuck_sessions.%d.%s", place, member);
    const char *found = pick(text, path);
    if (!found || strcmp(found, want) != 0)
        fail_msg("%s is %s, not %s", path, found ? found : "missing", want);
}

// As a program that registers templates does it; no row of a lane is involved.
static void health_names_a_program_that_was_stopped_in_another_transaction(void **state)
{
    struct world *w = *state;
    char pid[20];
    PGconn *c = postgres_session(w->uri);
    assert_int_equal(PQenterPipelineMode(c), 1);
    send_part(c, "BEGIN");
    send_part(c, "INSERT INTO tasker_task_namespaces (name, created_at, updated_at) VALUES ('x', now(), now())");
    int64_t now = server_time(w);
    char *text = ask_health(w->b, now);
    assert_string_equal(pick(text, "stuck_sessions"), "[]"); // it may go on any moment
    free(text);
    text = ask_health(w->b, now + 6 * SECOND);
    (void)snprintf(pid, sizeof(pid), "%d", PQbackendPID(c));
    assert_named(text, 0, "pid", pid);
    assert_named(text, 0, "lane_id", "null");
    assert_named(text, 0, "tasks", "0");
    assert_named(text, 0, "holds", "rows of tasker_task_namespaces");
    assert_named(text, 0, "may_end", "true");
    (void)snprintf(pid, sizeof(pid), "(%d)", PQbackendPID(c));
    assert_non_null(strstr(pick(text, "stuck_sessions.0.remedy"), pid));
    assert_null(pick(text, "stuck_sessions.1"));
    free(text);
    PQfinish(c);
}

static void health_names_a_person_who_holds_rows_of_tasks(void **state)
{
    static const char *const holds[] = {
        "SELECT 1 FROM tasker_tasks WHERE task_id IN (2, 3) FOR UPDATE",
        "SELECT 1 FROM tasker_workflow_steps WHERE task_id IN (2, 3) FOR UPDATE",
        "UPDATE tasker_core_active SET run_at = run_at WHERE task_id IN (2, 3)",
    };
    struct world *w = *state;
    put_tasks(w, 5);
    PGconn *c = postgres_session(w->uri), *reader = postgres_session(w->uri);
    postgres_run(reader, "BEGIN; SELECT * FROM tasker_tasks");
    postgres_run(c, "SET application_name = 'mia'");
    for (size_t i = 0; i < sizeof(holds) / sizeof(holds[0]); i++) {
        postgres_run(c, "BEGIN; %s", holds[i]);
        char *text = ask_health(w->b, server_time(w) + 6 * SECOND);
        assert_named(text, 0, "tasks", "2");
        assert_non_null(strstr(pick(text, "stuck_sessions.0.holds"), "; 2 unfinished tasks wait for them: 2, 3"));
        assert_null(pick(text, "stuck_sessions.1")); // reading holds nobody up
        free(text);
        text = ask_store(w->b, "task.explain", "{\"task_id\":2}", T0);
        assert_non_null(strstr(pick(text, "explanation"), "(role tasker, mia) has rows of it locked by a transaction that began at 2"));
        free(text);
        text = ask_store(w->b, "task.explain", "{\"task_id\":4}", T0);
        assert_null(strstr(pick(text, "explanation"), "locked"));
        free(text);
        postgres_run(c, "ROLLBACK");
    }
    char *text = ask_health(w->b, server_time(w) + 6 * SECOND);
    assert_string_equal(pick(text, "stuck_sessions"), "[]");
    free(text);
    PQfinish(c);
    PQfinish(reader);
}

// The standby is none that exists, so the commit waits until it is no longer asked for.
static void health_and_explain_say_that_commits_wait_for_a_standby(void **state)
{
    static const char names[] = "SELECT count(*) FROM pg_settings WHERE name = 'synchronous_standby_names' AND setting = 'nobody'";
    struct world *w = *state;
    put_tasks(w, 1);
    PGconn *c = postgres_session(w->uri), *admin = postgres_session(w->uri);
    postgres_run(admin, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    postgres_run(admin, "SELECT pg_reload_conf()");
    wait_until(w, names, 1);
    assert_int_equal(PQsendQuery(c, "UPDATE tasker_tasks SET reason = reason"), 1);
    wait_until(w, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'", 1);
    int64_t now = server_time(w);
    char *text = ask_health(w->b, now - SECOND);
    assert_string_equal(pick(text, "standby_wait"), "null"); // every commit waits for a moment
    free(text);
    text = ask_health(w->b, now + 3 * SECOND);
    assert_string_equal(pick(text, "standby_wait.commits"), "1");
    assert_string_equal(pick(text, "standby_wait.standbys"), "nobody");
    assert_non_null(strstr(pick(text, "standby_wait.remedy"), "synchronous_standby_names"));
    assert_string_equal(pick(text, "stuck_sessions"), "[]");
    free(text);
    text = ask_store(w->b, "task.explain", "{\"task_id\":1}", now + 3 * SECOND);
    assert_non_null(strstr(pick(text, "explanation"), "; commits wait for a synchronous standby (nobody) since 2"));
    free(text);
    postgres_run(admin, "ALTER SYSTEM RESET synchronous_standby_names");
    postgres_run(admin, "SELECT pg_reload_conf()");
    PQclear(PQgetResult(c));
    text = ask_health(w->b, now + 3 * SECOND);
    assert_string_equal(pick(text, "standby_wait"), "null");
    free(text);
    PQfinish(c);
    PQfinish(admin);
}

// How long it has been so is not for our role to see; that a task waits for it is.
static void health_names_a_person_of_another_role(void **state)
{
    struct world *w = *state;
    struct owner o;
    char theirs[512], ours[512];
    put_tasks(w, 2);
    role_begin(w, "stopped_a", NULL, theirs);
    role_begin(w, "stopped_b", NULL, ours);
    struct store *s = world_open(ours);
    owner_begin(&o, w->a, T0);
    PGconn *c = postgres_session(theirs), *turn = stop_in_turn(theirs, o.lane, 1);
    postgres_run(c, "BEGIN; SELECT 1 FROM tasker_tasks WHERE task_id = 2 FOR UPDATE");
    char *text = ask_health(s, T0);
    assert_named(text, 0, "role", "stopped_a");
    assert_named(text, 0, "since", "null");
    assert_named(text, 0, "may_end", "false");
    assert_non_null(strstr(pick(text, "stuck_sessions.0.remedy"), "as role stopped_a or as superuser: SELECT pg_terminate_backend("));
    assert_null(pick(text, "stuck_sessions.1")); // a turn on its way is none of these
    free(text);
    PQfinish(c);
    PQfinish(turn);
    owner_end(&o);
    store_close(s);
    role_end(w, "stopped_a");
    role_end(w, "stopped_b");
}

int main(void)
{
#define STOPPED(f) cmocka_unit_test_setup_teardown(f, world_begin, world_end)
    static const struct CMUnitTest tests[] = {
        STOPPED(a_stopped_turns_session_is_ended_after_two_leases_and_not_before),
        STOPPED(tasks_of_a_claim_that_was_stopped_half_way_are_claimed_by_others),
        STOPPED(our_own_row_is_freed_of_a_turn_whose_end_never_came),
        STOPPED(an_unknown_turn_whose_session_never_ends_is_known_after_two_leases),
        STOPPED(a_turn_that_is_slow_at_the_server_is_left_alone),
        STOPPED(a_role_that_may_signal_ends_the_session_of_another),
        STOPPED(health_names_a_session_that_our_role_may_not_end),
        STOPPED(health_names_a_program_that_was_stopped_in_another_transaction),
        STOPPED(health_names_a_person_who_holds_rows_of_tasks),
        STOPPED(health_and_explain_say_that_commits_wait_for_a_standby),
        STOPPED(health_names_a_person_of_another_role),
    };
    contract_use(&postgres_backend);
    return postgres_clean(cmocka_run_group_tests_name("postgresql, stopped processes", tests, NULL, NULL));
}
