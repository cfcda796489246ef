// SPDX-License-Identifier: MIT
// test_document.c - a task as a document on both databases: what is in it, and that it becomes the same task again in
// either of them; what is refused, and that nothing is written then.
#include "common/both.h"

#define SECOND US_PER_SECOND
#define STEP(name, more) "  - name: " name "\n    dependent_system: api\n    handler_class: H\n" more
#define HEAD "name: chain\ntask_handler_class: C\nversion: 1.0.0\ndescription: a chain\nstep_templates:\n"
#define CHAIN HEAD STEP("a", "") STEP("b", "    depends_on_step: a\n") STEP("c", "    depends_on_step: b\n")
#define CHANGED HEAD STEP("a", "    default_retry_limit: 7\n") STEP("b", "    depends_on_step: a\n")

// Namespace 1, named task 1, named steps a, b, c are 1, 2, 3.
static int64_t chain; // id of the template
static char start[256]; // metadata of the row with which a task of ours begins

static void catalogue(void)
{
    chain = both_template(CHAIN);
    assert_int_equal(both_ask("template.list", "{}"), 0);
    snprintf(start, sizeof(start), "{\"engine\":\"alpha\",\"template\":\"%s\",\"template_id\":%lld}",
             both_picked("templates.0.hash"), (long long)chain);
}

// A task of ours with steps 10 * id + 1, 2, 3, the first one done, the second in `state`.
static void a_task(int64_t id, const char *state, const char *step_state)
{
    both_task(id, 1, BOTH_NOW - 100 * SECOND);
    both_task_row(id, NULL, "in_progress", BOTH_NOW - 90 * SECOND, start);
    for (int i = 1; i <= 3; i++)
        both_step(10 * id + i, id, i, i < 3);
    both_edge(10 * id + 1, 10 * id + 2);
    both_edge(10 * id + 2, 10 * id + 3);
    both_step_row(10 * id + 1, NULL, "in_progress", BOTH_NOW - 80 * SECOND, "{\"attempt\":1}");
    both_step_row(10 * id + 1, "in_progress", "complete", BOTH_NOW - 70 * SECOND, "{\"attempt\":1}");
    both_step_row(10 * id + 2, NULL, "in_progress", BOTH_NOW - 60 * SECOND, "{\"attempt\":1}");
    if (strcmp(step_state, "in_progress") != 0)
        both_step_row(10 * id + 2, "in_progress", step_state, BOTH_NOW - 50 * SECOND, "{\"attempt\":1}");
    if (strcmp(state, "in_progress") != 0)
        both_task_row(id, "in_progress", state, BOTH_NOW - 40 * SECOND, "{\"engine\":\"alpha\"}");
}

static void annotate(int64_t id)
{
    const char *t = both_time(BOTH_NOW);

    both_sql("INSERT INTO tasker_annotation_types VALUES (1, 'note', NULL, '%s', '%s')", t, t);
    both_sql("INSERT INTO tasker_task_annotations(task_id, annotation_type_id, annotation, created_at, updated_at)"
             " VALUES (%lld, 1, '{\"by\":\"mia\",\"n\":12345678901234567890.5}', '%s', '%s')", (long long)id, t, t);
    both_sql("INSERT INTO tasker_core_logs VALUES (%lld, 1, 'complete', 'two\nlines', '%s')", (long long)(10 * id + 1), t);
}

static void export_task(int64_t id)
{
    assert_int_equal(both_ask("task.export", "{\"task_id\":%lld}", (long long)id), 0);
}

static void a_document_has_every_row_of_the_task_and_of_no_other(void **state)
{
    (void)state;
    catalogue();
    a_task(5, "complete", "complete");
    a_task(6, "error", "error");
    annotate(5);
    export_task(5);
    assert_both("format", "1");
    assert_both("tasker", TASKER_VERSION);
    assert_both("named_task.namespace", "default");
    assert_both("named_task.name", "chain");
    assert_both("named_task.version", "1.0.0");
    assert_both("named_task.configuration.name", "chain");
    assert_both("task.task_id", "5");
    assert_both("task.identity_hash", "id-5");
    assert_both("task.context.n", "1");
    assert_both("task.created_at", "2027-01-15T07:58:20.000000Z");
    assert_both("steps.0.workflow_step_id", "51");
    assert_both("steps.0.name", "a");
    assert_both("steps.0.system", "api");
    assert_both("steps.2.attempts", "0");
    assert_null(pick(both_answer, "steps.3"));
    assert_both("edges.1.from_step_id", "52");
    assert_both("edges.1.to_step_id", "53");
    assert_null(pick(both_answer, "edges.2"));
    assert_both("task_transitions.1.to_state", "complete");
    assert_both("task_transitions.1.most_recent", "true");
    assert_null(pick(both_answer, "task_transitions.2"));
    assert_both("step_transitions.3.workflow_step_id", "52");
    assert_null(pick(both_answer, "step_transitions.4"));
    assert_both("annotations.0.type", "note");
    assert_both("annotations.0.annotation.n", "12345678901234567890.5");
    assert_both("logs.0.text", "two\nlines");
    assert_null(pick(both_answer, "logs.1"));
}

static void the_template_that_a_task_began_with_is_in_it_beside_the_current_one(void **state)
{
    (void)state;
    catalogue();
    a_task(5, "error", "error");
    export_task(5);
    assert_both("templates.0.current", "true");
    assert_both("templates.0.body.name", "chain");
    assert_null(pick(both_answer, "templates.1"));
    both_template(CHANGED);
    export_task(5);
    assert_both("templates.0.current", "false");
    assert_both("templates.1.current", "true");
    assert_both("templates.1.body.step_templates.0.default_retry_limit", "7");
    a_task(6, "error", "error");
    both_sql("UPDATE tasker_task_transitions SET metadata = '{}' WHERE task_id = 6");
    export_task(6);
    assert_both("templates.0.current", "true");
    assert_null(pick(both_answer, "templates.1"));
}

static void null_columns_of_rails_tasks_are_told_apart_from_json_null(void **state)
{
    (void)state;
    catalogue();
    both_task(7, 1, BOTH_NOW - 100 * SECOND);
    both_step(71, 7, 1, 0);
    both_sql("UPDATE tasker_tasks SET initiator = NULL, source_system = NULL, reason = NULL, bypass_steps = NULL, tags = NULL,"
             " context = 'null' WHERE task_id = 7");
    both_sql("UPDATE tasker_workflow_steps SET attempts = NULL, retry_limit = NULL, results = NULL WHERE task_id = 7");
    both_task_row(7, NULL, "in_progress", BOTH_NOW, "{}");
    both_sql("UPDATE tasker_task_transitions SET metadata = NULL WHERE task_id = 7");
    export_task(7);
    assert_both("task.initiator", "null");
    assert_both("task.context", "null");
    assert_null(pick(both_answer, "task.tags"));
    assert_null(pick(both_answer, "task.bypass_steps"));
    assert_both("steps.0.attempts", "null");
    assert_both("steps.0.retry_limit", "null");
    assert_both("steps.0.processed_at", "null");
    assert_null(pick(both_answer, "steps.0.results"));
    assert_both("task_transitions.0.from_state", "null");
    assert_null(pick(both_answer, "task_transitions.0.metadata"));
}

static void a_task_that_is_not_there_is_not_exported(void **state)
{
    (void)state;
    catalogue();
    assert_int_equal(both_ask("task.export", "{\"task_id\":5}"), TASKER_E_NOT_FOUND);
    assert_string_equal(both_error.message, "there is no task 5");
}

// ---- and back

static char *kept[2]; // documents that SQLite and PostgreSQL gave of the same task

static void keep(int64_t id)
{
    export_task(id);
    for (int i = 0; i < 2; i++)
        free(kept[i]);
    kept[0] = strdup(both_answer);
    kept[1] = strdup(both_postgres() ? both_postgres_answer : both_answer);
}

static int close_all(void **state)
{
    for (int i = 0; i < 2; i++) {
        free(kept[i]);
        kept[i] = NULL;
    }
    return both_close(state);
}

// Rows written with ids of their own, and imports that failed, leave PostgreSQL's sequences elsewhere than SQLite's.
static void same_sequences(void)
{
    static const char *const tables[][2] = {
        {"tasker_tasks", "task_id"}, {"tasker_workflow_steps", "workflow_step_id"}, {"tasker_workflow_step_edges", "id"},
        {"tasker_task_transitions", "id"}, {"tasker_workflow_step_transitions", "id"}, {"tasker_core_templates", "template_id"},
        {"tasker_task_annotations", "task_annotation_id"}, {"tasker_annotation_types", "annotation_type_id"},
    };

    for (size_t i = 0; both_postgres() && i < ARRAY_SIZE(tables); i++) {
        char sql[256];
        const char *table = tables[i][0], *id = tables[i][1];
        snprintf(sql, sizeof(sql), "SELECT setval(pg_get_serial_sequence('%s', '%s'), coalesce(max(%s), 0) + 1, false) FROM %s",
                 table, id, id, table);
        both_postgres_sql(sql);
    }
}

static int import(const char *document)
{
    same_sequences();
    return both_do("task.import", "{\"document\":%s}", document);
}

static int64_t number(const char *path)
{
    return strtoll(both_picked(path), NULL, 10);
}

// A document without what may differ: ids become their place among those of their kind, and keys are sorted.
#define ROW_ID 4 // of three tables; nothing refers to it
static const struct {
    const char *name;
    int kind;
} id_names[] = {
    {"task_id", 0},     {"workflow_step_id", 1}, {"from_step_id", 1},       {"to_step_id", 1},
    {"template_id", 2}, {"task_annotation_id", 3}, {"id", ROW_ID},
};
struct seen {
    int64_t ids[5][256];
    int count[5];
};

static int place_of(struct seen *s, int kind, int64_t id)
{
    int i = 0;

    while (i < s->count[kind] && (kind == ROW_ID || s->ids[kind][i] != id))
        i++;
    if (i == s->count[kind])
        s->ids[kind][s->count[kind]++] = id;
    return i;
}

#define ADDED(metadata)                                                                                                \
    "coalesce(CAST(" metadata " AS text) LIKE '%%imported%%' OR CAST(" metadata " AS text) LIKE '%%was exported%%', false)"
static bool added(const struct json *row)
{
    const struct json *reason = json_get(json_get(row, "metadata"), "reason");

    return reason != NULL && (span_is(reason->str, "imported") || strstr(reason->str.p, "was exported") != NULL);
}

static void normal(struct buf *out, struct seen *s, const struct json *v)
{
    int64_t n;

    if (v->type != JSON_OBJECT && v->type != JSON_ARRAY) {
        json_canonical(out, v);
        return;
    }
    jw_open(out, v->type == JSON_OBJECT ? '{' : '[');
    for (const struct json *m = v->child; m != NULL; m = m->next) {
        char key[64];
        int kind = -1;
        if (added(m))
            continue;
        snprintf(key, sizeof(key), "%.*s", (int)m->key.len, m->key.p == NULL ? "" : m->key.p);
        for (size_t i = 0; i < ARRAY_SIZE(id_names); i++)
            if (strcmp(key, id_names[i].name) == 0)
                kind = id_names[i].kind;
        if (v->type == JSON_OBJECT)
            jw_key(out, key);
        if (kind >= 0 && json_int(m, &n)) {
            jw_int(out, place_of(s, kind, n));
        } else if (m->type == JSON_OBJECT || m->type == JSON_ARRAY) {
            normal(out, s, m);
        } else {
            struct buf text;
            buf_init(&text, 1 << 20);
            json_canonical(&text, m);
            jw_raw(out, buf_view(&text).p, text.len);
            buf_done(&text);
        }
    }
    jw_close(out, v->type == JSON_OBJECT ? '}' : ']');
}

static char *normal_text(const char *document)
{
    struct arena arena;
    struct buf first, out;
    struct seen s = {0};
    const struct json *v;

    arena_init(&arena);
    buf_init(&first, 1 << 20);
    buf_init(&out, 1 << 20);
    assert_int_equal(json_parse_around(&arena, span_of(document), &v, NULL), 0);
    json_canonical(&first, v); // PostgreSQL orders keys otherwise
    assert_int_equal(json_parse_around(&arena, buf_view(&first), &v, NULL), 0);
    normal(&out, &s, v);
    char *text = strdup(buf_view(&out).p);
    buf_done(&first);
    buf_done(&out);
    arena_done(&arena);
    return text;
}

static void same_documents(const char *a, const char *b)
{
    char *x = normal_text(a), *y = normal_text(b);

    size_t at = 0;
    while (x[at] != '\0' && x[at] == y[at])
        at++;
    if (x[at] != y[at])
        fail_msg("%.200s\n%.200s", x + (at < 100 ? 0 : at - 100), y + (at < 100 ? 0 : at - 100));
    free(x);
    free(y);
}

// What an import adds to an unfinished task is left out of the comparison (`added`), and here taken back.
static void undo_release(int64_t task)
{
    static const char *const tables[][2] = {
        {"tasker_task_transitions", "task_id = %lld"},
        {"tasker_workflow_step_transitions",
         "workflow_step_id IN (SELECT workflow_step_id FROM tasker_workflow_steps WHERE task_id = %lld)"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        const char *table = tables[i][0];
        char of_task[160], owner[32];
        snprintf(of_task, sizeof(of_task), tables[i][1], (long long)task);
        snprintf(owner, sizeof(owner), "%.*s", (int)strcspn(of_task, " "), of_task);
        both_sql("UPDATE %s SET most_recent = false WHERE %s AND " ADDED("metadata"), table, of_task);
        both_sql("UPDATE %s SET most_recent = true, updated_at = created_at WHERE %s AND NOT " ADDED("metadata")
                 " AND NOT most_recent AND NOT EXISTS (SELECT 1 FROM %s n WHERE n.%s = %s.%s AND n.sort_key > %s.sort_key"
                 " AND NOT " ADDED("n.metadata") ")", table, of_task, table, owner, table, owner, table);
    }
}

// The document of either database becomes a task of both, which give the same document again.
static void goes_round(int64_t id)
{
    keep(id);
    for (int i = 0; i < 2; i++) {
        int64_t active = both_number("SELECT count(*) FROM tasker_core_active");
        both_sql("UPDATE tasker_tasks SET identity_hash = 'gone-' || CAST(task_id AS text) WHERE identity_hash = 'id-%lld'",
                 (long long)id);
        assert_int_equal(import(kept[i]), 0);
        int64_t made = number("task_id");
        assert_int_equal(number("exported_task_id"), id);
        assert_true(made > id);
        undo_release(made);
        export_task(made);
        same_documents(both_answer, kept[0]);
        same_documents(both_postgres() ? both_postgres_answer : both_answer, kept[1]);
        assert_int_equal(both_number("SELECT count(*) FROM tasker_core_active"), active);
    }
}

static void tasks_of_every_kind_become_the_same_in_either_database(void **state)
{
    static const char *const kinds[][2] = {
        {"complete", "complete"},  {"error", "error"},           {"in_progress", "in_progress"},
        {"in_progress", "error"},  {"resolved_manually", "error"}, {"cancelled", "cancelled"},
        {"complete", "resolved_manually"},
    };

    (void)state;
    catalogue();
    for (int i = 0; i < (int)ARRAY_SIZE(kinds); i++)
        a_task(5 + i, kinds[i][0], kinds[i][1]);
    annotate(5);
    both_active(7, BOTH_NOW);
    both_sql("UPDATE tasker_workflow_steps SET in_process = true WHERE workflow_step_id = 62"); // of a finished task
    both_sql("UPDATE tasker_workflow_steps SET backoff_request_seconds = 30, last_attempted_at = '%s', results ="
             " '{\"error\":\"caf\u00e9 \\ud83d\\ude00\",\"n\":123456789012345678901234567890.125}' WHERE"
             " workflow_step_id = 82", both_time(BOTH_NOW - SECOND + 7));
    for (int i = 0; i < (int)ARRAY_SIZE(kinds); i++)
        goes_round(5 + i);
}

static void rails_tasks_with_nulls_become_the_same(void **state)
{
    (void)state;
    catalogue();
    both_task(7, 1, BOTH_NOW - 100 * SECOND);
    both_step(71, 7, 1, 0);
    both_sql("UPDATE tasker_tasks SET initiator = NULL, source_system = NULL, reason = NULL, bypass_steps = NULL, tags = 'null',"
             " context = NULL WHERE task_id = 7");
    both_sql("UPDATE tasker_workflow_steps SET attempts = NULL, retry_limit = NULL, results = 'null', processed_at = '%s'"
             " WHERE task_id = 7", both_time(BOTH_NOW - 1));
    both_task_row(7, NULL, "pending", BOTH_NOW, "{}");
    both_sql("UPDATE tasker_task_transitions SET metadata = NULL WHERE task_id = 7");
    goes_round(7);
    assert_int_equal(both_number("SELECT count(*) FROM tasker_workflow_steps WHERE results IS NULL"), 0);
    assert_int_equal(both_number("SELECT count(*) FROM tasker_tasks WHERE context IS NULL AND tags IS NOT NULL"), 3);
}

static void an_empty_database_gets_the_catalogue_too(void **state)
{
    (void)state;
    catalogue();
    a_task(5, "complete", "complete");
    annotate(5);
    keep(5);
    both_close(state);
    both_open(state);
    both_template("name: other\ntask_handler_class: C\nversion: 1.0.0\nstep_templates:\n" STEP("z", ""));
    assert_int_equal(import(kept[0]), 0);
    assert_both("state", "complete");
    assert_both("steps", "3");
    export_task(number("task_id"));
    same_documents(both_answer, kept[0]);
    assert_int_equal(both_number("SELECT count(*) FROM tasker_named_tasks"), 2);
    assert_int_equal(both_number("SELECT count(*) FROM tasker_core_templates WHERE current"), 2);
    assert_int_equal(both_number("SELECT count(*) FROM tasker_named_steps"), 4);
    assert_both("task_transitions.0.metadata.template_id", "2"); // was 1
    assert_int_equal(both_ask("task.show", "{\"task_id\":%lld}", (long long)number("task.task_id")), 0);
    assert_both("steps.0.handler_class", "H");
}

static void the_current_template_of_the_database_stays_current(void **state)
{
    (void)state;
    catalogue();
    a_task(5, "complete", "complete");
    keep(5);
    both_close(state);
    both_open(state);
    int64_t id = both_template(CHANGED);
    assert_int_equal(import(kept[0]), 0);
    assert_int_equal(both_number("SELECT template_id FROM tasker_core_templates WHERE current"), id);
    assert_int_equal(both_number("SELECT count(*) FROM tasker_core_templates"), 2);
}

static void an_identity_that_is_taken_is_refused_with_the_first_tasks_id(void **state)
{
    (void)state;
    catalogue();
    a_task(5, "complete", "complete");
    keep(5);
    assert_int_equal(import(kept[0]), TASKER_E_DUPLICATE);
    assert_string_equal(both_error.message, "task 5 has the same identity");
    assert_string_equal(both_error.where, "$.document.task.identity_hash");
    assert_int_equal(both_number("SELECT count(*) FROM tasker_tasks"), 1);
}

static void only_sound_histories(void)
{
    assert_int_equal(both_ask("db.verify", "{}"), 0);
    if (strcmp(both_picked("sound"), "true") != 0)
        fail_msg("%s", both_answer);
}

static void nobody_has_an_imported_task_until_it_is_adopted(void **state)
{
    (void)state;
    catalogue();
    a_task(5, "in_progress", "error");
    a_task(6, "in_progress", "error");
    both_task_row(6, "in_progress", "pending", BOTH_NOW, "{\"engine\":\"alpha\",\"released\":true}");
    a_task(7, "in_progress", "error");
    both_task_row(7, "in_progress", "pending", BOTH_NOW, "{\"engine\":\"alpha\"}");
    for (int id = 5; id <= 7; id++) {
        keep(id);
        both_sql("UPDATE tasker_tasks SET identity_hash = 'gone-%d' WHERE task_id = %d", id, id);
        assert_int_equal(import(kept[0]), 0);
        assert_both("state", "pending");
        int64_t made = number("task_id");
        assert_int_equal(both_number("SELECT count(*) FROM tasker_task_transitions WHERE task_id = %lld AND most_recent AND"
                                     " to_state = 'pending' AND CAST(metadata AS text) LIKE '%%released%%'", (long long)made), 1);
        assert_int_equal(both_number("SELECT count(*) FROM tasker_core_active"), 0);
        assert_int_equal(both_ask("task.explain", "{\"task_id\":%lld}", (long long)made), 0);
        assert_both("code", "belongs_to_rails");
        assert_int_equal(both_do("task.adopt", "{\"task_id\":%lld}", (long long)made), 0);
        assert_int_equal(both_number("SELECT count(*) FROM tasker_core_active WHERE task_id = %lld AND template_id = %lld",
                                     (long long)made, (long long)chain), 1);
        both_sql("DELETE FROM tasker_core_active");
    }
}

// Task 5 with its second step in progress, as an engine of ours leaves it.
static void a_task_under_way(void)
{
    a_task(5, "in_progress", "in_progress");
    both_sql("UPDATE tasker_task_transitions SET from_state = 'pending' WHERE from_state IS NULL");
    both_sql("UPDATE tasker_workflow_steps SET attempts = 0 WHERE workflow_step_id = 52"); // of those that have ended
}

// The document of task 5, in a database where it is the only one.
static int64_t import_alone(void **state)
{
    keep(5);
    both_close(state);
    both_open(state);
    assert_int_equal(import(kept[0]), 0);
    return number("task_id");
}

static void what_was_in_progress_is_taken_back_so_that_the_task_can_be_adopted(void **state)
{
    catalogue();
    a_task_under_way();
    int64_t id = import_alone(state);
    assert_both("state", "pending");
    assert_both("taken_back", "1");
    export_task(id);
    assert_both("task_transitions.0.to_state", "in_progress");
    assert_both("task_transitions.1.from_state", "in_progress");
    assert_both("task_transitions.1.to_state", "pending");
    assert_both("task_transitions.1.metadata.reason", "imported");
    assert_both("step_transitions.3.from_state", "in_progress");
    assert_both("step_transitions.3.to_state", "error");
    assert_both("step_transitions.3.metadata.reason", "was in progress when the task was exported");
    assert_both("step_transitions.3.metadata.attempt", "1");
    assert_both("step_transitions.4.to_state", "pending");
    assert_both("step_transitions.4.sort_key", "30");
    assert_null(pick(both_answer, "step_transitions.5"));
    assert_both("steps.1.attempts", "0");
    only_sound_histories();
    assert_int_equal(both_do("task.adopt", "{\"task_id\":%lld}", (long long)id), 0);
    assert_int_equal(both_number("SELECT count(*) FROM tasker_core_active WHERE task_id = %lld", (long long)id), 1);
    only_sound_histories();
}

static void a_step_that_must_not_run_twice_is_left_in_error(void **state)
{
    catalogue();
    a_task_under_way();
    both_sql("UPDATE tasker_workflow_steps SET retryable = false WHERE workflow_step_id = 52");
    int64_t id = import_alone(state);
    assert_both("taken_back", "1");
    export_task(id);
    assert_both("step_transitions.3.to_state", "error");
    assert_null(pick(both_answer, "step_transitions.4"));
    only_sound_histories();
    assert_int_equal(both_do("task.adopt", "{\"task_id\":%lld}", (long long)id), 0);
    only_sound_histories();
}

// As the Rails engine writes it, by a clock that is ahead.
static void a_rails_task_in_progress_is_taken_back_too(void **state)
{
    catalogue();
    both_task(5, 1, BOTH_NOW);
    for (int i = 1; i <= 3; i++)
        both_step(50 + i, 5, i, 0);
    both_edge(51, 52);
    both_edge(52, 53);
    both_task_row(5, NULL, "in_progress", BOTH_NOW + 60 * SECOND, "{}");
    both_step_row(51, NULL, "in_progress", BOTH_NOW + 70 * SECOND, "{}");
    both_sql("UPDATE tasker_workflow_steps SET in_process = true, attempts = NULL WHERE workflow_step_id = 51");
    int64_t id = import_alone(state);
    assert_both("taken_back", "1");
    export_task(id);
    assert_both("task_transitions.1.created_at", "2027-01-15T08:01:00.000000Z");
    assert_both("step_transitions.2.created_at", "2027-01-15T08:01:10.000000Z");
    assert_both("steps.0.in_process", "false");
    only_sound_histories();
    assert_int_equal(both_do("task.adopt", "{\"task_id\":%lld}", (long long)id), 0);
    only_sound_histories();
}

// {"a":{"a": ... {} }} of that many levels.
static char *nested(int depth)
{
    char *text = calloc(6, (size_t)depth + 1), *p = text;

    for (int i = 1; i < depth; i++)
        p = stpcpy(p, "{\"a\":");
    p = stpcpy(p, "{}");
    for (int i = 1; i < depth; i++)
        *p++ = '}';
    return text;
}

static void payloads_of_every_depth_that_can_be_stored_go_round(void **state)
{
    char *deepest = nested(512), *deeper = nested(513);
    static char text[1 << 16];

    (void)state;
    catalogue();
    a_task(5, "complete", "complete");
    annotate(5);
    both_sql("UPDATE tasker_tasks SET context = '%s'", deepest);
    both_sql("UPDATE tasker_workflow_steps SET inputs = '%s', results = '%s'", deepest, deepest);
    both_sql("UPDATE tasker_task_annotations SET annotation = '%s'", deepest);
    goes_round(5);
    snprintf(text, sizeof(text), "\"context\":%s,", deepest);
    const char *at = strstr(kept[0], text);
    assert_non_null(at);
    snprintf(text, sizeof(text), "%.*s\"context\":%s,%s", (int)(at - kept[0]), kept[0], deeper, at + strlen("\"context\":,") + strlen(deepest));
    assert_int_equal(import(text), TASKER_E_INVALID);
    assert_string_equal(both_error.message, "task.context: must not be nested deeper than 512");
    free(deepest);
    free(deeper);
}

// ---- refusals

static int64_t all_rows(void)
{
    return both_number("SELECT (SELECT count(*) FROM tasker_tasks) + (SELECT count(*) FROM tasker_workflow_steps)"
                       " + (SELECT count(*) FROM tasker_named_tasks) + (SELECT count(*) FROM tasker_task_namespaces)"
                       " + (SELECT count(*) FROM tasker_named_steps) + (SELECT count(*) FROM tasker_dependent_systems)"
                       " + (SELECT count(*) FROM tasker_core_templates) + (SELECT count(*) FROM tasker_annotation_types)");
}

// The document with `to` in place of the first `from`.
static void with(const char *from, const char *to, char *out, size_t size)
{
    const char *at = strstr(kept[0], from);

    if (at == NULL)
        fail_msg("no %s in %s", from, kept[0]);
    snprintf(out, size, "%.*s%s%s", (int)(at - kept[0]), kept[0], to, at + strlen(from));
}

static void what_is_wrong_is_named_by_its_place_and_nothing_is_written(void **state)
{
    static const struct {
        const char *from, *to, *message;
    } wrong[] = {
        {"\"format\":1,", "", "format: is missing: this is no document of a task"},
        {"\"format\":1,", "\"format\":\"1\",", "format: must be an integer above 0"},
        {"\"format\":1,", "\"format\":2,", "format: the document has version 2, this program knows 1"},
        {"\"tasker\":", "\"by\":\"me\",\"tasker\":", "by: is not known"},
        {"\"tasker\":\"" TASKER_VERSION "\",", "", "tasker: is missing"},
        {"\"task\":{", "\"task\":[],\"t\":{", "t: is not known"},
        {"\"edges\":[", "\"edges\":[7,", "edges[0]: must be an object"},
        {"\"namespace\":\"default\"", "\"namespace\":\"\"", "named_task.namespace: must not be empty"},
        {"\"version\":\"1.0.0\"", "\"version\":\"12345678901234567\"", "named_task.version: must have 16 characters at most"},
        {"\"version\":\"1.0.0\"", "\"version\":\"1.0.1\"", "templates[0].body: must be a template of the named task"},
        {"\"hash\":\"", "\"hash\":\"0", "templates[0].hash: must have 64 characters at most"},
        {"\"complete\":", "\"completed\":", "task.completed: is not known"},
        {"\"complete\":false", "\"complete\":0", "task.complete: must be true or false"},
        {"\"initiator\":\"me\"", "\"initiator\":7", "task.initiator: must be a string, or null"},
        {"\"identity_hash\":\"id-5\",", "", "task.identity_hash: is missing"},
        {"\"requested_at\":\"2027", "\"requested_at\":\"never", "task.requested_at: must be a time such as"},
        {"\"workflow_step_id\":52", "\"workflow_step_id\":51", "steps[1].workflow_step_id: is the id of another step"},
        {"\"attempts\":1", "\"attempts\":\"1\"", "steps[0].attempts: must be an integer, or null"},
        {"\"attempts\":0", "\"attempts\":1.5", "steps[2].attempts: must be an integer, or null"},
        {"\"attempts\":0", "\"attempts\":2147483648", "steps[2].attempts: must be an integer, or null"},
        {"\"from_step_id\":51", "\"from_step_id\":54", "edges[0].from_step_id: must be the workflow_step_id of one of"},
        {"\"to_state\":\"complete\"", "\"to_state\":\"done\"", "task_transitions[1].to_state: must be a state: pending"},
        {"\"type\":\"note\"", "\"type\":null", "annotations[0].type: must be a string"},
        {"\"outcome\":\"complete\"", "\"outcome\":\"complete\",\"more\":1", "logs[0].more: is not known"},
    };
    static char text[1 << 16];

    catalogue();
    a_task(5, "complete", "complete");
    annotate(5);
    keep(5);
    both_close(state);
    both_open(state);
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        char path[128];
        with(wrong[i].from, wrong[i].to, text, sizeof(text));
        if (import(text) == 0 || strncmp(both_error.message, wrong[i].message, strlen(wrong[i].message)) != 0)
            fail_msg("%s for %s: %s", wrong[i].to, wrong[i].from, both_error.message);
        snprintf(path, sizeof(path), "$.document.%.*s", (int)strcspn(wrong[i].message, ":"), wrong[i].message);
        assert_string_equal(both_error.where, path);
        assert_int_equal(all_rows(), 0);
    }
}

static void what_only_the_database_sees_leaves_nothing_either(void **state)
{
    static char text[1 << 16];

    catalogue();
    a_task(5, "complete", "complete");
    keep(5);
    both_close(state);
    both_open(state);
    with("\"sort_key\":20", "\"sort_key\":10", text, sizeof(text));
    assert_int_equal(import(text), TASKER_E_CONFLICT);
    assert_string_equal(both_error.where, "$.document.task_transitions[1]");
    assert_int_equal(all_rows(), 0);
    with("\"name\":\"chain\"", "\"name\":\"other\"", text, sizeof(text));
    assert_int_equal(import(text), TASKER_E_INVALID);
    assert_int_equal(import("[]"), TASKER_E_INVALID);
    assert_string_equal(both_error.where, "$.document");
    assert_int_equal(all_rows(), 0);
    assert_int_equal(import(kept[1]), 0);
}

// On SQLite alone: an allocation fails once, in one of the two.
static void an_import_without_memory_leaves_nothing(void **state)
{
    bool done = false;

    if (both_postgres())
        skip();
    catalogue();
    a_task(5, "complete", "complete");
    annotate(5);
    keep(5);
    both_close(state);
    both_open(state);
    for (uint64_t n = 1; !done; n++) {
        mem_fail_after(n);
        int rc = import(kept[0]);
        bool failed = mem_failed();
        mem_fail_after(0);
        done = rc == 0; // the last that can fail is the answer's text, when all is written
        assert_int_equal(rc, done ? 0 : TASKER_E_NOMEM);
        assert_true(failed || done);
        assert_true(!done || n > 50);
        assert_int_equal(both_number("SELECT count(*) FROM tasker_tasks"), done);
        assert_int_equal(both_number("SELECT count(*) FROM tasker_task_namespaces"), done);
    }
    export_task(1);
    same_documents(both_answer, kept[0]);
}

#define BACK(name) cmocka_unit_test_setup_teardown(name, both_open, close_all)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(a_document_has_every_row_of_the_task_and_of_no_other),
        BOTH(the_template_that_a_task_began_with_is_in_it_beside_the_current_one),
        BOTH(null_columns_of_rails_tasks_are_told_apart_from_json_null),
        BOTH(a_task_that_is_not_there_is_not_exported),
        BACK(tasks_of_every_kind_become_the_same_in_either_database),
        BACK(rails_tasks_with_nulls_become_the_same),
        BACK(an_empty_database_gets_the_catalogue_too),
        BACK(the_current_template_of_the_database_stays_current),
        BACK(an_identity_that_is_taken_is_refused_with_the_first_tasks_id),
        BACK(nobody_has_an_imported_task_until_it_is_adopted),
        BACK(what_was_in_progress_is_taken_back_so_that_the_task_can_be_adopted),
        BACK(a_step_that_must_not_run_twice_is_left_in_error),
        BACK(a_rails_task_in_progress_is_taken_back_too),
        BACK(payloads_of_every_depth_that_can_be_stored_go_round),
        BACK(what_is_wrong_is_named_by_its_place_and_nothing_is_written),
        BACK(an_import_without_memory_leaves_nothing),
        BACK(what_only_the_database_sees_leaves_nothing_either),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
