// SPDX-License-Identifier: MIT
// contract_rows.c - what is written is what is read: a task rebuilt after every kind of change,
// texts kept to the byte, results only while somebody needs them.
#include "contract.h"

static void a_new_task_is_read_back_whole(void **state)
{
    struct world *w = *state;
    struct owner o;
    struct script s = {0};
    struct task_rows r;
    owner_begin(&o, w->a, T0);
    script_task(w, &s, 1, 10, true);
    s.list[1].active.deadline = T0 + 77;
    s.list[1].active.priority = PRIO_HIGH;
    s.list[3].step.retryable = false;
    s.list[3].step.skippable = true;
    s.list[3].step.retry_limit = 9;
    s.list[3].step.inputs = (struct span){NULL, 0};
    assert_int_equal(owner_write(&o, &s), OUT_COMMITTED);

    load(w->b, 1, &r);
    assert_int_equal(r.task_id, 1);
    assert_int_equal(r.named_task_id, w->tpl->named_task_id);
    assert_int_equal(r.state, ST_PENDING);
    assert_int_equal(r.sort_key, 0);
    assert_int_equal(r.started_at, 0);
    assert_int_equal(r.template_id, w->tpl->template_id);
    assert_span(span_of(r.context->data), "{\"order\":1}");
    assert_true(r.active);
    assert_int_equal(r.active_lane, o.lane);
    assert_int_equal(r.deadline, T0 + 77);
    assert_int_equal(r.priority, PRIO_HIGH);
    assert_int_equal(r.step_count, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(r.steps[i].step_id, 10 + i);
        assert_int_equal(r.steps[i].named_step_id, w->tpl->named_step_ids[i]);
        assert_int_equal(r.steps[i].state, ST_PENDING);
        assert_int_equal(r.steps[i].sort_key, 0);
        assert_int_equal(r.steps[i].attempts, 0);
        assert_int_equal(r.steps[i].backoff_seconds, -1);
        assert_int_equal(r.steps[i].last_attempted_at, 0);
        assert_false(r.steps[i].processed);
        assert_null(r.steps[i].results);
    }
    assert_span(r.steps[1].name, "b");
    assert_true(r.steps[0].retryable && r.steps[0].has_inputs);
    assert_span(r.steps[0].inputs, "{\"order\":1}");
    assert_false(r.steps[1].retryable || r.steps[1].has_inputs);
    assert_true(r.steps[1].skippable);
    assert_int_equal(r.steps[1].retry_limit, 9);
    task_rows_done(&r);
    owner_end(&o);
}

static void tables_hold_what_the_rails_engine_would_read(void **state)
{
    struct world *w = *state;
    struct script s = {0};
    char text[256];
    script_task(w, &s, 1, 10, false);
    script_start(w, &s, 1, T0 + 5);
    plain_write(w->a, &s, T0);
    world_text(w, text, sizeof(text),
               "SELECT initiator || '|' || source_system || '|' || reason || '|' || identity_hash "
               "FROM tasker_tasks WHERE complete = %s",
               "FALSE");
    assert_string_equal(text, "me|tests|because|task-1");
    world_text(w, text, sizeof(text),
               "SELECT name FROM tasker_workflow_step_edges WHERE from_step_id = %d", 10);
    assert_string_equal(text, "provides");
    assert_int_equal(world_number(w, "SELECT count(*) FROM tasker_workflow_step_edges"), 2);
    assert_int_equal(
        world_number(w, "SELECT count(*) FROM tasker_workflow_steps WHERE attempts = 0"), 3);
    assert_int_equal(world_number(w, "SELECT count(*) FROM tasker_workflow_step_transitions"), 0);
    world_text(w, text, sizeof(text),
               "SELECT from_state || '>' || to_state || '>' || sort_key FROM "
               "tasker_task_transitions WHERE task_id = %d",
               1);
    assert_string_equal(text, "pending>in_progress>10");
    assert_int_equal(
        world_number(w, "SELECT min(min_depth_from_root) * 100 + max(min_depth_from_root) FROM "
                        "tasker_step_dag_relationships WHERE task_id = 1"),
        2);
}

static void a_rebuild_follows_every_change(void **state)
{
    struct world *w = *state;
    struct owner o;
    struct script s = {0};
    struct task_rows r;
    owner_begin(&o, w->a, T0);
    script_task(w, &s, 1, 10, true);
    script_start(w, &s, 1, T0 + 1);
    script_row(&s, CH_STEP_ROW, 10, ST_PENDING, ST_IN_PROGRESS, 10, T0 + 2, "{\"attempt\":1}");
    assert_int_equal(owner_write(&o, &s), OUT_COMMITTED);
    load(w->b, 1, &r);
    assert_int_equal(r.state, ST_IN_PROGRESS);
    assert_int_equal(r.started_at, T0 + 1);
    assert_int_equal(r.steps[0].state, ST_IN_PROGRESS);
    assert_int_equal(r.steps[0].state_at, T0 + 2);
    assert_span(r.steps[0].metadata, "{\"attempt\":1}");
    task_rows_done(&r);

    // The attempt fails; its columns and the active row change.
    s.count = 0;
    script_row(&s, CH_STEP_ROW, 10, ST_IN_PROGRESS, ST_ERROR, 20, T0 + 3, "{\"retry_at\":5}");
    struct change *c = script_add(&s, CH_STEP_UPDATE);
    c->step_update.step_id = 10;
    c->step_update.attempts = 1;
    c->step_update.last_attempted_at = T0 + 3;
    c->step_update.backoff_seconds = 2;
    c = script_add(&s, CH_ACTIVE_UPDATE);
    c->active.task_id = 1;
    c->active.run_at = T0 + 4;
    c->active.crashes = 2;
    c->active.suspect = true;
    c->active.priority = PRIO_LOW;
    c->active.template_id = w->tpl->template_id;
    assert_int_equal(owner_write(&o, &s), OUT_COMMITTED);
    load(w->b, 1, &r);
    assert_int_equal(r.steps[0].state, ST_ERROR);
    assert_int_equal(r.steps[0].sort_key, 20);
    assert_int_equal(r.steps[0].attempts, 1);
    assert_int_equal(r.steps[0].last_attempted_at, T0 + 3);
    assert_int_equal(r.steps[0].backoff_seconds, 2);
    assert_false(r.steps[0].processed);
    assert_int_equal(r.crashes, 2);
    assert_true(r.suspect);
    assert_int_equal(r.active_lane, 0);
    assert_int_equal(r.run_at, T0 + 4);
    assert_int_equal(r.deadline, 0);
    task_rows_done(&r);

    // The task ends.
    s.count = 0;
    script_row(&s, CH_TASK_ROW, 1, ST_IN_PROGRESS, ST_COMPLETE, 20, T0 + 6, "{}");
    c = script_add(&s, CH_TASK_COMPLETE);
    c->complete.task_id = 1;
    c->complete.complete = true;
    script_add(&s, CH_ACTIVE_DELETE)->active.task_id = 1;
    assert_int_equal(owner_write(&o, &s), OUT_COMMITTED);
    load(w->b, 1, &r);
    assert_int_equal(r.state, ST_COMPLETE);
    assert_int_equal(r.sort_key, 20);
    assert_int_equal(r.started_at, T0 + 1);
    assert_false(r.active);
    task_rows_done(&r);
    assert_int_equal(world_number(w, "SELECT count(*) FROM tasker_tasks WHERE complete"), 1);
    assert_int_equal(
        world_number(w, "SELECT count(*) FROM tasker_task_transitions WHERE most_recent"), 1);
    owner_end(&o);
}

static void results_are_read_while_a_child_needs_them(void **state)
{
    struct world *w = *state;
    struct owner o;
    struct script s = {0};
    struct task_rows r;
    owner_begin(&o, w->a, T0);
    script_task(w, &s, 1, 10, true);
    script_step_done(&s, 10, T0, false, "{\"a\":1}");
    assert_int_equal(owner_write(&o, &s), OUT_COMMITTED);
    load(w->b, 1, &r);
    assert_int_equal(r.steps[0].state, ST_COMPLETE);
    assert_true(r.steps[0].processed);
    assert_int_equal(r.steps[0].processed_at, T0);
    assert_span(span_of(r.steps[0].results->data), "{\"a\":1}");
    assert_null(r.steps[1].results);
    task_rows_done(&r);

    s.count = 0;
    script_step_done(&s, 11, T0, false, "{\"b\":1}");
    s.list[s.count - 1].step_update.results = (struct span){NULL, 0}; // SQL NULL
    assert_int_equal(owner_write(&o, &s), OUT_COMMITTED);
    load(w->b, 1, &r);
    assert_null(r.steps[0].results); // its only child is done
    assert_null(r.steps[1].results);
    task_rows_done(&r);

    // Columns may be written without touching results.
    s.count = 0;
    struct change *c = script_add(&s, CH_STEP_UPDATE);
    c->step_update.step_id = 10;
    c->step_update.attempts = 2;
    assert_int_equal(owner_write(&o, &s), OUT_COMMITTED);
    char text[64];
    world_text(w, text, sizeof(text),
               "SELECT results FROM tasker_workflow_steps WHERE workflow_step_id = %d", 10);
    assert_span(span_of(text), "{\"a\":1}");
    owner_end(&o);
}

static void json_text_is_kept_to_the_last_digit(void **state)
{
    struct world *w = *state;
    struct script s = {0};
    struct task_rows r;
    static const char json[] =
        "{\"n\":12345678901234567890123456789012345678901234567890,\"p\":1.10,\"e\":-0.0,"
        "\"s\":\"\\u00e9 \xc3\xa9 \xf0\x9f\x98\x80 '\\\"\"}";
    script_task(w, &s, 1, 10, false);
    s.list[0].task.context = span_of(json);
    s.list[2].step.inputs = span_of(json);
    script_step_done(&s, 10, T0, false, json);
    plain_write(w->a, &s, T0);
    load(w->b, 1, &r);
    assert_true(strstr(r.context->data, "12345678901234567890123456789012345678901234567890") !=
                NULL);
    assert_true(strstr(r.context->data, "1.10") != NULL);
    assert_int_equal(r.context->size, strlen(r.context->data));
    assert_int_equal(r.steps[0].inputs.len, r.context->size);
    assert_memory_equal(r.steps[0].inputs.p, r.context->data, r.context->size);
    assert_string_equal(r.steps[0].results->data, r.context->data);
    task_rows_done(&r);
}

static void a_large_payload_is_kept_whole(void **state)
{
    struct world *w = *state;
    struct script s = {0};
    struct task_rows r;
    size_t size = (size_t)3 << 20;
    char *text = malloc(size + 1);
    memset(text, 'x', size);
    text[0] = text[size - 1] = '"';
    text[size] = '\0';
    script_task(w, &s, 1, 10, false);
    s.list[0].task.context = (struct span){text, size};
    plain_write(w->a, &s, T0);
    load(w->b, 1, &r);
    assert_int_equal(r.context->size, size);
    assert_memory_equal(r.context->data, text, size);
    task_rows_done(&r);
    free(text);
}

static void times_keep_their_microseconds(void **state)
{
    struct world *w = *state;
    static const int64_t times[] = {T0,           T0 + 1,     T0 + 999999,
                                    T0 + 1000000, INT64_C(1), INT64_C(951782399999999)};
    for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
        struct script s = {0};
        struct task_rows r;
        int64_t task = (int64_t)i + 1;
        script_task(w, &s, task, task * 10, false);
        script_start(w, &s, task, times[i]);
        script_step_done(&s, task * 10, times[i] + 7, false, "{}");
        plain_write(w->a, &s, T0);
        load(w->b, task, &r);
        assert_int_equal(r.started_at, times[i]);
        assert_int_equal(r.steps[0].state_at, times[i] + 7);
        assert_int_equal(r.steps[0].processed_at, times[i] + 7);
        task_rows_done(&r);
    }
    char text[64];
    world_text(w, text, sizeof(text),
               "SELECT created_at FROM tasker_task_transitions WHERE task_id = %d", 2);
    assert_string_equal(text, "2026-05-28 20:26:40.000001");
}

static void finished_results_are_read_by_name(void **state)
{
    struct world *w = *state;
    const struct store_ops *ops = w->b->ops;
    struct script s = {0};
    struct blob *b = NULL;
    tasker_error err;
    script_task(w, &s, 1, 10, false);
    script_step_done(&s, 10, T0, false, "[1]");
    script_step_done(&s, 11, T0, false, NULL);
    plain_write(w->a, &s, T0);
    assert_int_equal(ops->step_result(w->b, 1, "a", &b, &err), 0);
    assert_string_equal(b->data, "[1]");
    blob_unref(b);
    assert_int_equal(ops->step_result(w->b, 1, "b", &b, &err), 0);
    assert_null(b);
    assert_int_equal(ops->step_result(w->b, 1, "c", &b, &err), TASKER_E_STATE);
    assert_int_equal(ops->step_result(w->b, 1, "d", &b, &err), TASKER_E_NOT_FOUND);
    assert_int_equal(ops->step_result(w->b, 2, "a", &b, &err), TASKER_E_NOT_FOUND);
}

static void an_unknown_task_is_not_found(void **state)
{
    struct world *w = *state;
    struct task_rows r;
    struct offer_rows offer;
    tasker_error err = {0};
    task_rows_init(&r);
    offer_rows_init(&offer);
    assert_int_equal(w->a->ops->load_task(w->a, 4711, &r, &err), TASKER_E_NOT_FOUND);
    assert_int_equal(w->a->ops->load_offer(w->a, 4711, &offer, &err), TASKER_E_NOT_FOUND);
    assert_int_equal(err.code, TASKER_E_NOT_FOUND);
    task_rows_done(&r);
    offer_rows_done(&offer);
}

static void what_handlers_wrote_is_kept(void **state)
{
    struct world *w = *state;
    struct script s = {0};
    char text[64];
    script_task(w, &s, 1, 10, false);
    struct change *c = script_add(&s, CH_LOG_INSERT);
    c->log.step_id = 10;
    c->log.attempt = 2;
    c->log.outcome = LOG_ERROR;
    c->log.at = T0;
    c->log.text = SPAN("line 1\nline 2");
    plain_write(w->a, &s, T0);
    world_text(
        w, text, sizeof(text),
        "SELECT attempt || outcome || text FROM tasker_core_logs WHERE workflow_step_id = %d", 10);
    assert_string_equal(text, "2errorline 1\nline 2");
}

static void a_second_connection_reads_what_the_first_wrote_before_it_closed(void **state)
{
    struct world *w = *state;
    struct script s = {0};
    struct task_rows r;
    char id[64];
    (void)snprintf(id, sizeof(id), "%s", w->a->ops->database_id(w->a));
    assert_int_equal(strlen(id), 36);
    script_task(w, &s, 1, 10, false);
    plain_write(w->a, &s, T0);
    store_close(w->a);
    store_close(w->b);
    w->a = world_open(w->uri);
    w->b = world_open(w->uri);
    assert_string_equal(w->a->ops->database_id(w->a), id);
    load(w->b, 1, &r);
    assert_int_equal(r.step_count, 3);
    task_rows_done(&r);
}

static void loading_survives_a_failed_allocation(void **state)
{
    struct world *w = *state;
    struct script s = {0};
    struct task_rows r;
    tasker_error err = {0};
    script_task(w, &s, 1, 10, false);
    script_step_done(&s, 10, T0, false, "{\"a\":1}");
    plain_write(w->a, &s, T0);
    int code = 1;
    for (uint64_t n = 1; code != 0; n++) {
        task_rows_init(&r);
        mem_fail_after(n);
        code = w->a->ops->load_task(w->a, 1, &r, &err);
        bool failed = mem_failed();
        mem_fail_after(0);
        assert_int_equal(code, failed ? TASKER_E_NOMEM : 0);
        if (code != 0)
            assert_int_equal(r.step_count, 0);
        else
            assert_int_equal(r.step_count, 3);
        task_rows_done(&r);
    }
}

static struct change *update_step(struct script *s, int64_t step, int attempts)
{
    struct change *c = script_add(s, CH_STEP_UPDATE);
    c->step_update.step_id = step;
    c->step_update.attempts = attempts;
    c->step_update.backoff_seconds = -1;
    return c;
}

static void put_offer(struct script *s, int64_t token, int attempt)
{
    struct change *c = script_add(s, CH_OFFER_INSERT);
    c->offer.token = token;
    c->offer.task_id = 1;
    c->offer.step_id = 1;
    c->offer.attempt = attempt;
    c->offer.handler_class = SPAN("A");
}

// A backend may write kinds together; what one object goes through still ends as the list says.
static void changes_of_one_object_take_effect_in_their_order(void **state)
{
    struct world *w = *state;
    struct owner o;
    struct script s = {0};
    owner_begin(&o, w->a, T0);
    script_task(w, &s, 1, 1, true);
    for (int i = 1; i <= 4; i++)
        script_row(&s, CH_STEP_ROW, 1, i % 2 ? ST_PENDING : ST_IN_PROGRESS, i % 2 ? ST_IN_PROGRESS : ST_PENDING,
                   i * 10, T0, "{}");
    struct change *c = update_step(&s, 1, 1);
    c->step_update.set_results = true;
    c->step_update.results = SPAN("[1]");
    (void)update_step(&s, 1, 2);
    (void)update_step(&s, 2, 7);
    (void)update_step(&s, 1, 3);
    script_add(&s, CH_TASK_COMPLETE)->complete = (typeof(c->complete)){1, true};
    script_add(&s, CH_TASK_COMPLETE)->complete = (typeof(c->complete)){1, false};
    struct change again = s.list[1]; // the task's active row
    script_add(&s, CH_ACTIVE_DELETE)->active.task_id = 1;
    s.list[s.count++] = again;
    s.list[s.count - 1].active.crashes = 4;
    put_offer(&s, 50, 1);
    script_add(&s, CH_OFFER_CANCEL)->offer.token = 50;
    put_offer(&s, 51, 1);
    script_add(&s, CH_OFFER_DELETE)->offer.token = 51;
    put_offer(&s, 51, 2);
    script_add(&s, CH_LANE_CLASSES)->lane.classes = SPAN("[\"A\"]");
    script_add(&s, CH_LANE_CLASSES)->lane.classes = SPAN("[\"B\"]");
    assert_int_equal(owner_write(&o, &s), OUT_COMMITTED);

    static const struct {
        const char *sql;
        int64_t wanted;
    } looks[] = {
        {"SELECT count(*) FROM tasker_workflow_step_transitions", 4},
        {"SELECT sort_key FROM tasker_workflow_step_transitions WHERE most_recent", 40},
        {"SELECT attempts FROM tasker_workflow_steps WHERE workflow_step_id = 1", 3},
        {"SELECT attempts FROM tasker_workflow_steps WHERE workflow_step_id = 2", 7},
        {"SELECT count(*) FROM tasker_workflow_steps WHERE CAST(results AS text) = '[1]'", 1},
        {"SELECT count(*) FROM tasker_tasks WHERE NOT complete", 1},
        {"SELECT crashes FROM tasker_core_active", 4},
        {"SELECT count(*) FROM tasker_core_dispatch WHERE token = 50 AND cancel", 1},
        {"SELECT attempt FROM tasker_core_dispatch WHERE token = 51", 2},
        {"SELECT count(*) FROM tasker_core_lanes WHERE classes = '[\"B\"]'", 1},
    };
    for (size_t i = 0; i < ARRAY_SIZE(looks); i++)
        assert_int_equal(world_number(w, "%s", looks[i].sql), looks[i].wanted);
    owner_end(&o);
}

const struct CMUnitTest contract_row_tests[] = {
    CONTRACT_TEST(a_new_task_is_read_back_whole),
    CONTRACT_TEST(tables_hold_what_the_rails_engine_would_read),
    CONTRACT_TEST(a_rebuild_follows_every_change),
    CONTRACT_TEST(results_are_read_while_a_child_needs_them),
    CONTRACT_TEST(json_text_is_kept_to_the_last_digit),
    CONTRACT_TEST(a_large_payload_is_kept_whole),
    CONTRACT_TEST(times_keep_their_microseconds),
    CONTRACT_TEST(finished_results_are_read_by_name),
    CONTRACT_TEST(an_unknown_task_is_not_found),
    CONTRACT_TEST(what_handlers_wrote_is_kept),
    CONTRACT_TEST(a_second_connection_reads_what_the_first_wrote_before_it_closed),
    CONTRACT_TEST(loading_survives_a_failed_allocation),
    CONTRACT_TEST(changes_of_one_object_take_effect_in_their_order),
    CONTRACT_END,
};
