// SPDX-License-Identifier: MIT
// test_postgres_adopt.c - task.adopt against others that want the same task in the same moment: another adopter, the start
// of the Rails engine in both orders of its statements, one of its steps. The other side is a plain session that stops
// where the test says; that somebody waits is asked of the server. Whatever the order, exactly one has the task.
#include <pthread.h>

#include "postgres.h"

#define WAIT_TRIES 4000
#define WAITERS \
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"

static void waiting(struct world *w, int64_t wanted)
{
    for (int i = 0; i < WAIT_TRIES; i++)
        if (postgres_backend.number(w->uri, WAITERS) == wanted)
            return;
    fail_msg("never were %lld waiting", (long long)wanted);
}

// Task 1 with the steps 10 to 12 and task 2 with 20 to 22, as the Rails engine leaves them.
static void rails_tasks(struct world *w)
{
    struct script s = {0};

    for (int i = 1; i <= 2; i++) {
        script_task(w, &s, i, 10 * i, false);
        script_add(&s, CH_ACTIVE_DELETE)->active.task_id = i;
    }
    plain_write(w->b, &s, T0);
}

#define ROW "INSERT INTO tasker_%s_transitions(to_state, metadata, sort_key, most_recent, %s_id, created_at, updated_at)" \
            " VALUES ('%s', '{}', %d, %s, %d, now(), now())"

static void rails_row(PGconn *c, const char *table, int id, const char *to, int sort_key)
{
    postgres_run(c, ROW, strcmp(table, "task") == 0 ? "task" : "workflow_step", table, to, sort_key, "true", id);
}

// ---- an adoption on a thread of its own

struct adopter {
    struct store *store;
    const char *arguments;
    int rc;
    tasker_error error;
    char answer[4096];
    pthread_t thread;
};

static void *run_adopter(void *user)
{
    struct adopter *a = user;
    struct arena arena;
    struct buf out;
    const struct json *v;

    arena_init(&arena);
    buf_init(&out, sizeof(a->answer));
    a->rc = json_parse(&arena, span_of(a->arguments), &v, &a->error);
    if (a->rc == 0)
        a->rc = a->store->ops->operate(a->store, "task.adopt", v, T0, &out, &a->error);
    (void)snprintf(a->answer, sizeof(a->answer), "%s", buf_view(&out).p);
    buf_done(&out);
    arena_done(&arena);
    return NULL;
}

#define ONE "{\"task_id\":1,\"engine\":\"alpha\"}"

static void adopter_begin(struct adopter *a, struct store *s, const char *arguments)
{
    *a = (struct adopter){.store = s, .arguments = arguments};
    assert_int_equal(pthread_create(&a->thread, NULL, run_adopter, a), 0);
}

static void adopter_end(struct adopter *a)
{
    assert_int_equal(pthread_join(a->thread, NULL), 0);
}

static void says(const struct adopter *a, int rc, const char *part)
{
    if (a->rc != rc || strstr(rc < 0 ? a->error.message : a->answer, part) == NULL)
        fail_msg("%d: %s %s", a->rc, a->error.message, a->answer);
}

// The task is in progress once: by an engine of ours and in our queue, or by somebody else.
static void belongs(struct world *w, bool ours)
{
    assert_int_equal(world_number(w, "SELECT count(*) FROM tasker_task_transitions WHERE task_id = 1 AND most_recent"
                                     " AND to_state = 'in_progress' AND metadata ? 'engine' = %s", ours ? "true" : "false"), 1);
    assert_int_equal(world_number(w, "SELECT count(*) FROM tasker_task_transitions WHERE task_id = 1 AND to_state ="
                                     " 'in_progress'"), 1);
    assert_int_equal(world_number(w, "SELECT count(*) FROM tasker_core_active WHERE task_id = 1"), ours);
}

static void refused_by_rule(PGconn *c)
{
    PGresult *r = PQgetResult(c);

    assert_string_equal(PQresultErrorField(r, PG_DIAG_SQLSTATE), "23505");
    PQclear(r);
    assert_null(PQgetResult(c));
}

// ---- two adopters

static void of_two_adopters_one_has_the_task(void **state)
{
    struct world *w = *state;
    struct adopter a, b;

    rails_tasks(w);
    PGconn *c = postgres_session(w->uri);
    postgres_run(c, "BEGIN; SELECT 1 FROM tasker_tasks WHERE task_id = 1 FOR UPDATE");
    adopter_begin(&a, w->a, ONE);
    adopter_begin(&b, w->b, ONE);
    waiting(w, 2);
    postgres_run(c, "COMMIT");
    adopter_end(&a);
    adopter_end(&b);
    assert_int_equal(a.rc, 0);
    assert_int_equal(b.rc, 0);
    bool first = strstr(a.answer, "\"adopted\":true") != NULL;
    says(first ? &b : &a, 0, "\"adopted\":false");
    says(first ? &a : &b, 0, "\"adopted\":true");
    belongs(w, true);
    PQfinish(c);
}

// ---- Rails begins the task

static void a_start_of_rails_that_was_first_keeps_the_task(void **state)
{
    struct world *w = *state;
    struct adopter a;

    rails_tasks(w);
    PGconn *rails = postgres_session(w->uri);
    postgres_run(rails, "BEGIN");
    rails_row(rails, "task", 1, "in_progress", 10);
    adopter_begin(&a, w->a, ONE);
    waiting(w, 1);
    postgres_run(rails, "COMMIT");
    adopter_end(&a);
    says(&a, TASKER_E_STATE, "task 1 is in progress: the Rails engine works on it");
    belongs(w, false);
    PQfinish(rails);
}

static void a_start_of_rails_that_comes_to_nothing_leaves_the_task_to_us(void **state)
{
    struct world *w = *state;
    struct adopter a;

    rails_tasks(w);
    PGconn *rails = postgres_session(w->uri);
    postgres_run(rails, "BEGIN");
    rails_row(rails, "task", 1, "in_progress", 10);
    adopter_begin(&a, w->a, ONE);
    waiting(w, 1);
    postgres_run(rails, "ROLLBACK");
    adopter_end(&a);
    says(&a, 0, "\"adopted\":true");
    belongs(w, true);
    PQfinish(rails);
}

#define FLIP "UPDATE tasker_task_transitions SET most_recent = false WHERE task_id = 1 AND most_recent = true"

// The task has run and waits again: Rails takes its last row away first, then writes the next one.
static void a_start_of_rails_half_way_is_waited_for(void **state)
{
    struct world *w = *state;
    struct adopter a;

    rails_tasks(w);
    PGconn *rails = postgres_session(w->uri);
    rails_row(rails, "task", 1, "pending", 10);
    postgres_run(rails, "BEGIN; " FLIP);
    adopter_begin(&a, w->a, ONE);
    waiting(w, 1);
    rails_row(rails, "task", 1, "in_progress", 20); // nothing that the adopter holds is in its way
    postgres_run(rails, "COMMIT");
    adopter_end(&a);
    says(&a, TASKER_E_STATE, "the Rails engine works on it");
    belongs(w, false);
    PQfinish(rails);
}

// The adopter has written its row and is held up before its end.
static void a_start_of_rails_that_comes_second_meets_the_unique_rule(void **state)
{
    struct world *w = *state;
    struct adopter a;

    rails_tasks(w);
    PGconn *c = postgres_session(w->uri), *rails = postgres_session(w->uri);
    postgres_run(c, "BEGIN; LOCK TABLE tasker_core_active IN SHARE MODE");
    adopter_begin(&a, w->a, ONE);
    waiting(w, 1);
    char sql[512];
    (void)snprintf(sql, sizeof(sql), ROW, "task", "task", "in_progress", 10, "true", 1);
    assert_int_equal(PQsendQuery(rails, sql), 1);
    waiting(w, 2);
    postgres_run(c, "COMMIT");
    adopter_end(&a);
    says(&a, 0, "\"adopted\":true");
    refused_by_rule(rails);
    belongs(w, true);
    PQfinish(c);
    PQfinish(rails);
}

static void a_start_of_rails_that_comes_second_finds_its_last_row_taken(void **state)
{
    struct world *w = *state;
    struct adopter a;

    rails_tasks(w);
    PGconn *c = postgres_session(w->uri), *rails = postgres_session(w->uri);
    rails_row(rails, "task", 1, "pending", 10);
    postgres_run(c, "BEGIN; LOCK TABLE tasker_core_active IN SHARE MODE");
    adopter_begin(&a, w->a, ONE);
    waiting(w, 1);
    postgres_run(rails, "BEGIN");
    assert_int_equal(PQsendQuery(rails, FLIP), 1);
    waiting(w, 2);
    postgres_run(c, "COMMIT");
    adopter_end(&a);
    says(&a, 0, "\"adopted\":true");
    PGresult *r = PQgetResult(rails);
    assert_string_equal(PQcmdTuples(r), "0");
    PQclear(r);
    assert_null(PQgetResult(rails));
    char sql[512];
    (void)snprintf(sql, sizeof(sql), ROW, "task", "task", "in_progress", 20, "true", 1);
    assert_int_equal(PQsendQuery(rails, sql), 1);
    refused_by_rule(rails);
    belongs(w, true);
    PQfinish(c);
    PQfinish(rails);
}

// Somebody inserts first and takes the last row away then: each holds what the other needs, and the server ends one.
static void of_a_deadlock_one_comes_out_with_the_task(void **state)
{
    struct world *w = *state;
    struct adopter a;

    rails_tasks(w);
    PGconn *rails = postgres_session(w->uri);
    rails_row(rails, "task", 1, "pending", 10);
    postgres_run(rails, "BEGIN; " ROW, "task", "task", "in_progress", 20, "false", 1);
    adopter_begin(&a, w->a, ONE);
    waiting(w, 1);
    PGresult *r = PQexec(rails, FLIP);
    bool won = PQresultStatus(r) == PGRES_COMMAND_OK;
    if (won)
        postgres_run(rails, "UPDATE tasker_task_transitions SET most_recent = true WHERE task_id = 1 AND sort_key = 20;"
                            " COMMIT");
    else
        assert_string_equal(PQresultErrorField(r, PG_DIAG_SQLSTATE), "40P01");
    PQclear(r);
    PQfinish(rails);
    adopter_end(&a);
    if (won)
        says(&a, TASKER_E_BUSY, "rows of task 1 are held by a transaction of somebody else");
    else
        says(&a, 0, "\"adopted\":true");
    belongs(w, !won);
}

// ---- Rails runs a step of a task that waits

static void a_step_that_rails_is_beginning_keeps_the_task_there(void **state)
{
    struct world *w = *state;
    struct adopter a;

    rails_tasks(w);
    PGconn *rails = postgres_session(w->uri);
    postgres_run(rails, "BEGIN");
    rails_row(rails, "workflow_step", 11, "in_progress", 10);
    adopter_begin(&a, w->a, ONE);
    waiting(w, 1);
    postgres_run(rails, "COMMIT");
    adopter_end(&a);
    says(&a, TASKER_E_STATE, "step \"b\" of task 1 is in progress");
    assert_int_equal(world_number(w, "SELECT count(*) FROM tasker_core_active"), 0);
    assert_int_equal(world_number(w, "SELECT count(*) FROM tasker_task_transitions"), 0);
    PQfinish(rails);
}

// ---- by template

static void a_batch_passes_by_what_is_held(void **state)
{
    struct world *w = *state;
    struct adopter a;

    rails_tasks(w);
    PGconn *rails = postgres_session(w->uri);
    postgres_run(rails, "BEGIN");
    rails_row(rails, "task", 1, "in_progress", 10);
    adopter_begin(&a, w->a, "{\"name\":\"line\",\"namespace\":\"contract\",\"version\":\"1.0.0\",\"engine\":\"alpha\"}");
    adopter_end(&a);
    says(&a, 0, "\"adopted\":1");
    says(&a, 0, "{\"reason\":\"busy\",\"tasks\":1,\"task_id\":1");
    postgres_run(rails, "ROLLBACK");
    assert_int_equal(world_number(w, "SELECT count(*) FROM tasker_core_active WHERE task_id = 2"), 1);
    assert_int_equal(world_number(w, "SELECT count(*) FROM tasker_task_transitions"), 1);
    PQfinish(rails);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_TEST(of_two_adopters_one_has_the_task),
        CONTRACT_TEST(a_start_of_rails_that_was_first_keeps_the_task),
        CONTRACT_TEST(a_start_of_rails_that_comes_to_nothing_leaves_the_task_to_us),
        CONTRACT_TEST(a_start_of_rails_half_way_is_waited_for),
        CONTRACT_TEST(a_start_of_rails_that_comes_second_meets_the_unique_rule),
        CONTRACT_TEST(a_start_of_rails_that_comes_second_finds_its_last_row_taken),
        CONTRACT_TEST(of_a_deadlock_one_comes_out_with_the_task),
        CONTRACT_TEST(a_step_that_rails_is_beginning_keeps_the_task_there),
        CONTRACT_TEST(a_batch_passes_by_what_is_held),
    };
    contract_use(&postgres_backend);
    return postgres_clean(cmocka_run_group_tests_name("postgresql, adoption", tests, NULL, NULL));
}
