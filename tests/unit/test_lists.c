// SPDX-License-Identifier: MIT
// test_lists.c - lists on both databases: every filter held against a filter in C over the same rows, in random
// combinations and orders; pages that join while rows are inserted; columns; refusals.
#include "common/both.h"

#include "model/readiness.h"
#include "store/inquiry.h"
#include "store/store.h"


#define SECOND US_PER_SECOND
#define TASKS 60
#define STEPS 5 // of a task, at most

struct mstep {
    int64_t id, state_at, attempted_at;
    enum state state;
    bool row, retryable, in_process;
    int attempts, limit, backoff; // backoff -1: none
    int parent;                   // index in the task, -1: none
};
struct mtask {
    int64_t id, created_at, ended_at;
    enum state state;
    bool row, queued, tagged, noted;
    int named, initiator, note;
    int steps;
    struct mstep step[STEPS];
};
static struct mtask made[TASKS];
static struct rng dice;

static int roll(int sides)
{
    return (int)rng_below(&dice, (uint64_t)sides);
}

// ---- random rows

static void make_step(struct mtask *t, int k, int64_t id)
{
    struct mstep *s = &t->step[k];

    *s = (struct mstep){.id = id, .state = (enum state)roll(ST_COUNT), .attempts = roll(5), .limit = 1 + roll(4),
                        .backoff = roll(3) == 0 ? roll(40) : -1, .retryable = roll(5) > 0, .in_process = roll(9) == 0,
                        .parent = k > 0 && roll(2) ? roll(k) : -1};
    s->row = s->state != ST_PENDING || roll(2);
    s->state_at = BOTH_NOW - (int64_t)roll(40) * SECOND - roll(1000);
    s->attempted_at = roll(3) ? BOTH_NOW - (int64_t)roll(40) * SECOND - roll(1000000) : 0;
    both_step(id, t->id, k % 4 + 1, s->attempts);
    both_sql("UPDATE tasker_workflow_steps SET retry_limit = %d, retryable = %s, in_process = %s WHERE workflow_step_id = %lld",
             s->limit, s->retryable ? "true" : "false", s->in_process ? "true" : "false", (long long)id);
    if (s->backoff >= 0)
        both_sql("UPDATE tasker_workflow_steps SET backoff_request_seconds = %d WHERE workflow_step_id = %lld", s->backoff,
                 (long long)id);
    if (s->attempted_at != 0)
        both_sql("UPDATE tasker_workflow_steps SET last_attempted_at = '%s' WHERE workflow_step_id = %lld",
                 both_time(s->attempted_at), (long long)id);
    if (s->row)
        both_step_row(id, NULL, state_names[s->state], s->state_at, "{}");
    if (s->parent >= 0)
        both_edge(t->step[s->parent].id, id);
}

static void make_task(int i)
{
    struct mtask *t = &made[i];

    *t = (struct mtask){.id = 10 + i * 3, .created_at = BOTH_NOW - (int64_t)(TASKS - i) * SECOND,
                        .state = (enum state)roll(ST_COUNT), .queued = roll(4) == 0, .tagged = roll(3) == 0,
                        .note = roll(4), .named = 1 + roll(3), .initiator = roll(3), .steps = roll(STEPS + 1)};
    t->row = t->state != ST_PENDING || roll(2);
    both_task(t->id, t->named, t->created_at);
    both_sql("UPDATE tasker_tasks SET initiator = 'user %d', tags = '%s' WHERE task_id = %lld", t->initiator,
             t->tagged ? "[\"red\",\"it''s\"]" : "[\"blue\"]", (long long)t->id);
    t->ended_at = BOTH_NOW - (int64_t)roll(30) * SECOND;
    if (roll(2))
        both_task_row(t->id, NULL, "in_progress", t->ended_at - SECOND, "{}"), t->row = true;
    if (t->row)
        both_task_row(t->id, NULL, state_names[t->state], t->ended_at, "{\"k\":\"v\"}");
    if (t->queued)
        both_active(t->id, BOTH_NOW);
    for (int n = 0; n < t->note; n++) // several of them must not list the task several times
        both_sql("INSERT INTO tasker_task_annotations(task_id, annotation_type_id, annotation, created_at, updated_at)"
                 " VALUES (%lld, %d, '{\"size\":\"%d\",\"n\":%d,\"on\":true}', '%s', '%s')",
                 (long long)t->id, n % 2 + 1, n, n, both_time(BOTH_NOW), both_time(BOTH_NOW));
    for (int k = 0; k < t->steps; k++)
        make_step(t, k, t->id * 10 + k);
}

static void make_all(uint64_t seed)
{
    const char *t = both_time(BOTH_NOW);

    dice.state = seed;
    both_catalogue();
    both_sql("INSERT INTO tasker_annotation_types VALUES (1, 'weight', NULL, '%s', '%s'), (2, 'colour', 'c', '%s', '%s')", t, t,
             t, t);
    for (int i = 0; i < TASKS; i++)
        make_task(i);
}

// ---- the same filters in C

static struct readiness ready_of(const struct mtask *t, const struct mstep *s, struct readiness_in *in)
{
    struct readiness r;
    enum state parent = s->parent >= 0 ? t->step[s->parent].state : ST_COMPLETE;

    *in = (struct readiness_in){.state = s->state, .state_at = s->row ? s->state_at : 0, .retryable = s->retryable,
                                .in_process = s->in_process, .has_attempts = true, .has_retry_limit = true,
                                .has_backoff = s->backoff >= 0, .attempts = s->attempts, .retry_limit = s->limit,
                                .backoff_seconds = s->backoff, .last_attempted_at = s->attempted_at,
                                .total_parents = s->parent >= 0,
                                .completed_parents = s->parent >= 0 && state_done(parent)};
    readiness_of(in, BOTH_NOW, &r);
    return r;
}

static bool step_waits(const struct mtask *t, const struct mstep *s)
{
    struct readiness_in in;
    struct readiness now = ready_of(t, s, &in), later;

    in.total_parents = in.completed_parents = 0;
    readiness_of(&in, BOTH_NOW, &now);
    readiness_of(&in, INT64_MAX / 2, &later);
    return !now.ready && later.ready;
}

static const int64_t pivot = BOTH_NOW - 15 * SECOND;
static const char *const names[] = {"order", "other", "other"}, *const versions[] = {"0.1.0", "0.9.0", "0.10.0"};

static bool is_error(const struct mtask *t) { return t->state == ST_ERROR; }
static bool in_two_states(const struct mtask *t) { return t->state == ST_PENDING || t->state == ST_COMPLETE; }
static bool in_shop(const struct mtask *t) { return t->named > 1; }
static bool named_other(const struct mtask *t) { return strcmp(names[t->named - 1], "other") == 0; }
static bool version_nine(const struct mtask *t) { return strcmp(versions[t->named - 1], "0.9.0") == 0; }
static bool by_ids(const struct mtask *t) { return t->id == 10 || t->id == 13 || t->id == 100 || t->id == 103; }
static bool by_user(const struct mtask *t) { return t->initiator == 1; }
static bool red(const struct mtask *t) { return t->tagged; }
static bool created_since(const struct mtask *t) { return t->created_at >= BOTH_NOW - 40 * SECOND; }
static bool created_until(const struct mtask *t) { return t->created_at < BOTH_NOW - 10 * SECOND; }
static bool ended(const struct mtask *t) { return t->row && task_state_final(t->state); }
static bool finished_since(const struct mtask *t) { return ended(t) && t->ended_at >= pivot; }
static bool finished_until(const struct mtask *t) { return ended(t) && t->ended_at < pivot; }
static bool queued(const struct mtask *t) { return t->queued; }
static bool not_queued(const struct mtask *t) { return !t->queued; }
static bool noted(const struct mtask *t) { return t->note > 1; }
static bool sized(const struct mtask *t) { return t->note > 2; }
static bool numbered(const struct mtask *t) { return t->note > 1; }

static bool some(const struct mtask *t, enum state state)
{
    for (int k = 0; k < t->steps; k++)
        if (t->step[k].row && t->step[k].state == state && t->step[k].state_at >= pivot)
            return true;
    return false;
}
static bool completed_since(const struct mtask *t) { return some(t, ST_COMPLETE); }
static bool failed_since(const struct mtask *t) { return some(t, ST_ERROR); }

static bool active(const struct mtask *t)
{
    for (int k = 0; k < t->steps; k++)
        if (t->step[k].state == ST_PENDING || t->step[k].state == ST_IN_PROGRESS)
            return true;
    return false;
}
static bool not_active(const struct mtask *t) { return !active(t); }

static bool open_task(const struct mtask *t) { return t->state == ST_PENDING || t->state == ST_IN_PROGRESS; }
static bool ready(const struct mtask *t)
{
    struct readiness_in in;
    bool any = false;

    for (int k = 0; k < t->steps; k++)
        any = any || ready_of(t, &t->step[k], &in).ready;
    return any && open_task(t);
}
static bool not_ready(const struct mtask *t) { return !ready(t); }
static bool in_backoff(const struct mtask *t)
{
    bool any = false;

    for (int k = 0; k < t->steps; k++)
        any = any || step_waits(t, &t->step[k]);
    return any && open_task(t);
}

static const struct {
    const char *argument;
    bool (*fits)(const struct mtask *t);
} filters[] = {
    {"\"state\":\"error\"", is_error},
    {"\"states\":[\"pending\",\"complete\"]", in_two_states},
    {"\"namespace\":\"shop\"", in_shop},
    {"\"name\":\"other\"", named_other},
    {"\"version\":\"0.9.0\"", version_nine},
    {"\"ids\":[10,13,100,103,4,13]", by_ids},
    {"\"initiator\":\"user 1\"", by_user},
    {"\"tags\":[\"red\",\"it's\"]", red},
    {"\"created_since\":\"2027-01-15T07:59:20Z\"", created_since},
    {"\"created_until\":\"2027-01-15T07:59:50Z\"", created_until},
    {"\"finished_since\":\"2027-01-15T07:59:45Z\"", finished_since},
    {"\"finished_until\":\"2027-01-15T07:59:45Z\"", finished_until},
    {"\"completed_since\":\"2027-01-15T07:59:45Z\"", completed_since},
    {"\"failed_since\":\"2027-01-15T07:59:45Z\"", failed_since},
    {"\"active\":true", active},
    {"\"active\":false", not_active},
    {"\"ready\":true", ready},
    {"\"ready\":false", not_ready},
    {"\"in_backoff\":true", in_backoff},
    {"\"queued\":true", queued},
    {"\"queued\":false", not_queued},
    {"\"annotation_type\":\"colour\"", noted},
    {"\"annotation_type\":\"weight\",\"annotation_key\":\"size\",\"annotation_value\":\"2\"", sized},
    {"\"annotation_key\":\"n\",\"annotation_value\":\"1\"", numbered},
    {"\"annotation_type\":\"colour\",\"annotation_key\":\"on\",\"annotation_value\":\"true\"", noted},
    {"\"annotation_key\":\"on\"", NULL},
};

static bool fits(size_t filter, const struct mtask *t)
{
    return filters[filter].fits != NULL ? filters[filter].fits(t) : t->note > 0;
}

// Arguments may not be repeated: one filter of each kind.
static bool clash(const char *a, const char *b)
{
    char key[32];

    if (strncmp(a, "\"annotation", 11) == 0 && strncmp(b, "\"annotation", 11) == 0)
        return true;
    snprintf(key, sizeof(key), "%.*s", (int)(strchr(a, ':') - a), a);
    return strncmp(b, key, strlen(key)) == 0;
}

static size_t choose(size_t *chosen)
{
    size_t n = 0, wanted = (size_t)roll(5);

    while (n < wanted) {
        size_t f = (size_t)roll((int)ARRAY_SIZE(filters));
        bool free = true;
        for (size_t k = 0; k < n; k++)
            free = free && !clash(filters[chosen[k]].argument, filters[f].argument);
        if (free)
            chosen[n++] = f;
        else
            wanted--;
    }
    return n;
}

static void check_combination(const size_t *chosen, size_t count)
{
    char text[2048] = "";
    size_t wanted[TASKS], n = 0;

    for (size_t k = 0; k < count; k++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), ",%s", filters[chosen[k]].argument);
    for (int i = TASKS; i-- > 0;) {
        bool all = true;
        for (size_t k = 0; k < count; k++)
            all = all && fits(chosen[k], &made[i]);
        if (all)
            wanted[n++] = (size_t)i;
    }
    assert_int_equal(both_ask("task.list", "{\"count\":true,\"limit\":1000%s}", text), 0);
    if (pick_count(both_answer, "tasks") != (int)n)
        fail_msg("%s: %d, not %zu", text, pick_count(both_answer, "tasks"), n);
    char number[24], path[48];
    snprintf(number, sizeof(number), "%zu", n);
    assert_both("total", number);
    assert_both("next", "null");
    for (size_t k = 0; k < n; k++) {
        snprintf(path, sizeof(path), "tasks.%zu.task_id", k);
        snprintf(number, sizeof(number), "%lld", (long long)made[wanted[k]].id);
        if (strcmp(both_picked(path), number) != 0)
            fail_msg("%s: %s is %s, not %s", text, path, both_picked(path), number);
    }
}

static void every_filter_alone_lists_what_it_says(void **state)
{
    (void)state;
    make_all(1);
    for (size_t f = 0; f < ARRAY_SIZE(filters); f++)
        check_combination(&f, 1);
}

static void filters_in_any_number_and_order_list_what_all_of_them_say(void **state)
{
    (void)state;
    make_all(2);
    for (int i = 0; i < 400; i++) {
        size_t chosen[5], n = choose(chosen);
        check_combination(chosen, n);
    }
}

static void pages_join_without_gap_while_rows_are_inserted(void **state)
{
    (void)state;
    static const char *const orders[] = {"newest", "oldest"};

    make_all(3);
    for (int o = 0; o < 2; o++) {
        char after[64] = "";
        int64_t last = 0;
        int seen = 0, inserted = 0;
        do {
            assert_int_equal(both_ask("task.list", "{\"limit\":7,\"order\":\"%s\"%s}", orders[o], after), 0);
            int n = pick_count(both_answer, "tasks");
            for (int k = 0; k < n; k++) {
                char path[48];
                snprintf(path, sizeof(path), "tasks.%d.task_id", k);
                int64_t id = strtoll(both_picked(path), NULL, 10);
                assert_true(last == 0 || (o == 0 ? id < last : id > last));
                last = id;
                seen += id >= made[0].id && id <= made[TASKS - 1].id && (id - 10) % 3 == 0;
            }
            both_task(100000 + o * 1000 + inserted, 1, BOTH_NOW); // at the front
            both_task(made[(++inserted * 17) % TASKS].id + 1 + o, 1, BOTH_NOW); // anywhere
            snprintf(after, sizeof(after), ",\"after\":\"%s\"", both_picked("next"));
        } while (strcmp(both_picked("next"), "null") != 0);
        assert_int_equal(seen, TASKS);
    }
}

// ---- the other lists

static void steps_are_listed_by_state_and_place(void **state)
{
    (void)state;
    make_all(4);
    static const char *const some[] = {"\"ready\":true",  "\"ready\":false", "\"in_backoff\":true", "\"exhausted\":true",
                                       "\"root\":true",   "\"root\":false",  "\"leaf\":true",       "\"active\":true",
                                       "\"retryable\":false", "\"with_results\":true", "\"attempts_min\":3",
                                       "\"system\":\"api\"", "\"name\":\"b\"", "\"namespace\":\"shop\"",
                                       "\"states\":[\"error\"]", "\"in_process\":true", "\"task_name\":\"order\"",
                                       "\"completed_since\":\"2027-01-15T07:59:45Z\"",
                                       "\"failed_since\":\"2027-01-15T07:59:45Z\"",
                                       "\"task_created_since\":\"2027-01-15T07:59:45Z\""};
    for (size_t i = 0; i < ARRAY_SIZE(some); i++) {
        assert_int_equal(both_ask("step.list", "{\"limit\":1000,\"count\":true,%s}", some[i]), 0);
        for (size_t k = 0; k < ARRAY_SIZE(some); k++)
            if (!clash(some[i], some[k]))
                assert_int_equal(both_ask("step.list", "{\"limit\":20,\"count\":true,%s,%s}", some[i], some[k]), 0);
    }
    int ready_steps = 0;
    for (int i = 0; i < TASKS; i++)
        for (int k = 0; k < made[i].steps; k++) {
            struct readiness_in in;
            ready_steps += ready_of(&made[i], &made[i].step[k], &in).ready;
        }
    char number[24];
    snprintf(number, sizeof(number), "%d", ready_steps);
    assert_int_equal(both_ask("step.list", "{\"ready\":true,\"count\":true}"), 0);
    assert_both("total", number);
}

static void siblings_have_exactly_the_same_parents(void **state)
{
    (void)state;
    both_catalogue();
    both_task(1, 1, BOTH_NOW);
    for (int i = 1; i <= 4; i++)
        both_step(i, 1, i, 0);
    both_edge(1, 2);
    both_edge(1, 3);
    both_edge(1, 4);
    both_edge(2, 4);
    assert_int_equal(both_ask("step.list", "{\"siblings_of\":2}"), 0);
    assert_int_equal(pick_count(both_answer, "steps"), 1);
    assert_both("steps.0.name", "c");
    assert_int_equal(both_ask("step.list", "{\"siblings_of\":4}"), 0);
    assert_int_equal(pick_count(both_answer, "steps"), 0);
    assert_int_equal(both_ask("step.list", "{\"siblings_of\":1}"), 0);
    assert_int_equal(pick_count(both_answer, "steps"), 0);
    assert_int_equal(both_ask("step.list", "{\"children_of\":1,\"order\":\"oldest\"}"), 0);
    assert_int_equal(pick_count(both_answer, "steps"), 3);
    assert_int_equal(both_ask("step.list", "{\"parents_of\":4,\"order\":\"oldest\"}"), 0);
    assert_both("steps.0.name", "a");
    assert_both("steps.1.name", "b");
    assert_int_equal(both_ask("edge.list", "{\"to_step_id\":4,\"count\":true}"), 0);
    assert_both("total", "2");
    assert_both("edges.0.from_step", "a");
    assert_both("edges.1.from_step", "b");
    assert_both("edges.1.to_step", "d");
}

static void transitions_say_where_they_come_from(void **state)
{
    (void)state;
    both_catalogue();
    both_task(1, 1, BOTH_NOW);
    both_step(1, 1, 1, 0);
    both_task_row(1, NULL, "in_progress", BOTH_NOW - 3 * SECOND, "{\"engine\":\"x\",\"n\":null}");
    both_task_row(1, NULL, "error", BOTH_NOW - 2 * SECOND, "{\"reason\":\"it''s late\"}");
    both_step_row(1, "pending", "in_progress", BOTH_NOW - SECOND, "{}");
    assert_int_equal(both_ask("transition.list", "{\"order\":\"oldest\"}"), 0);
    assert_both("transitions.0.from", "pending");
    assert_both("transitions.1.from", "in_progress");
    assert_both("transitions.1.to", "error");
    assert_both("transitions.1.most_recent", "true");
    assert_int_equal(both_ask("transition.list", "{\"metadata_key\":\"engine\",\"most_recent\":false,\"task_id\":1}"), 0);
    assert_int_equal(pick_count(both_answer, "transitions"), 1);
    assert_int_equal(both_ask("transition.list", "{\"metadata_key\":\"n\",\"metadata_value\":\"\"}"), 0);
    assert_int_equal(pick_count(both_answer, "transitions"), 0);
    assert_int_equal(both_ask("transition.list", "{\"metadata_key\":\"reason\",\"metadata_value\":\"it's late\"}"), 0);
    assert_int_equal(pick_count(both_answer, "transitions"), 1);
    assert_int_equal(both_ask("transition.list", "{\"to_states\":[\"error\",\"cancelled\"],\"since\":\"2027-01-15T07:59:58Z\"}"), 0);
    assert_int_equal(pick_count(both_answer, "transitions"), 1);
    assert_int_equal(both_ask("transition.list", "{\"step_id\":1}"), 0);
    assert_int_equal(pick_count(both_answer, "transitions"), 1);
    assert_both("transitions.0.step", "a");
    assert_int_equal(both_ask("transition.list", "{\"step_id\":null}"), 0); // as if it were not given
    assert_both("transitions.0.step", "null");
    assert_int_equal(both_ask("transition.list", "{\"step_id\":1}"), 0);
    assert_both("transitions.0.task_id", "1");
}

static void templates_are_listed_with_the_newest_version_by_number(void **state)
{
    (void)state;
    both_catalogue();
    both_sql("INSERT INTO tasker_named_tasks(named_task_id, name, task_namespace_id, version, created_at, updated_at)"
             " VALUES (4, 'rails', 1, '1.0.0', '2027-01-01', '2027-01-01')");
    assert_int_equal(both_ask("template.list", "{\"count\":true}"), 0);
    assert_both("total", "3");
    assert_int_equal(both_ask("template.list", "{\"latest\":true}"), 0);
    assert_int_equal(pick_count(both_answer, "templates"), 2);
    assert_both("templates.1.version", "0.10.0");
    assert_int_equal(both_ask("template.list", "{\"unregistered\":true,\"latest\":true,\"namespace\":\"default\"}"), 0);
    assert_int_equal(pick_count(both_answer, "templates"), 2);
    assert_both("templates.1.template_id", "null");
    assert_int_equal(both_ask("template.list", "{\"used\":true}"), 0);
    assert_int_equal(pick_count(both_answer, "templates"), 0);
    assert_int_equal(both_ask("namespace.list", "{\"custom\":true}"), 0);
    assert_int_equal(pick_count(both_answer, "namespaces"), 1);
    assert_both("namespaces.0.description", "sells");
    assert_both("namespaces.0.named_tasks", "2");
    assert_int_equal(both_ask("system.list", "{}"), 0);
    assert_both("systems.0.named_steps", "4");
}

static void an_empty_list_of_ids_fits_nothing(void **state)
{
    (void)state;
    make_all(5);
    assert_int_equal(both_ask("task.list", "{\"ids\":[]}"), 0);
    assert_int_equal(pick_count(both_answer, "tasks"), 0);
    assert_int_equal(both_ask("task.list", "{\"tags\":[],\"count\":true}"), 0);
    assert_both("total", "60");
    assert_int_equal(both_ask("annotation.list", "{\"type\":\"weight\",\"limit\":3,\"count\":true}"), 0);
    assert_int_equal(pick_count(both_answer, "annotations"), 3);
    assert_int_equal(both_ask("annotation.types", "{\"used\":true}"), 0);
    assert_int_equal(pick_count(both_answer, "annotation_types"), 2);
}

// "N,N+1,..." or the text over and over: a thousand items, with commas.
static const char *thousand(const char *item)
{
    static char text[16000];
    size_t n = 0;

    for (int i = 0; i < 1000; i++)
        n += (size_t)(item != NULL ? snprintf(text + n, sizeof(text) - n, "%s%s", i == 0 ? "" : ",", item)
                                   : snprintf(text + n, sizeof(text) - n, "%s%d", i == 0 ? "" : ",", i + 10));
    return text;
}

static void lists_of_a_thousand_items_are_looked_for(void **state)
{
    (void)state;
    char number[24];
    int tagged = 0;

    make_all(6);
    for (int i = 0; i < TASKS; i++)
        tagged += made[i].tagged;
    snprintf(number, sizeof(number), "%d", tagged);
    assert_int_equal(both_ask("task.list", "{\"count\":true,\"ids\":[%s]}", thousand(NULL)), 0);
    assert_both("total", "60");
    assert_int_equal(both_ask("step.list", "{\"count\":true,\"task_id\":10,\"task_ids\":[%s]}", thousand(NULL)), 0);
    assert_int_equal(pick_count(both_answer, "steps"), made[0].steps);
    assert_int_equal(both_ask("task.list", "{\"count\":true,\"tags\":[%s]}", thousand("\"red\"")), 0);
    assert_both("total", number);
    assert_int_equal(both_ask("task.context", "{\"task_ids\":[%s]}", thousand(NULL)), 0);
    assert_int_equal(both_ask("step.readiness", "{\"task_ids\":[%s]}", thousand(NULL)), 0);
    assert_int_equal(both_ask("step.readiness", "{\"step_ids\":[%s]}", thousand(NULL)), 0);
}

static void times_may_be_the_first_of_all(void **state)
{
    (void)state;
    static const char *const first[] = {"0001-01-01", "1969-12-31T23:59:59.999999Z", "1970-01-01T00:00:00Z",
                                        "1970-01-01T01:00:00+01:00", "1970-01-01T00:00:00.000001Z"};

    make_all(7);
    for (size_t i = 0; i < ARRAY_SIZE(first); i++) {
        assert_int_equal(both_ask("task.list", "{\"created_since\":\"%s\",\"count\":true}", first[i]), 0);
        assert_both("total", "60");
        assert_int_equal(both_ask("task.list", "{\"created_until\":\"%s\",\"count\":true}", first[i]), 0);
        assert_both("total", "0");
        assert_int_equal(both_ask("analytics.metrics", "{\"since\":\"%s\"}", first[i]), 0);
        assert_both("task_throughput", "60");
        assert_int_equal(strlen(both_picked("analysis_period_start")), strlen("1970-01-01T00:00:00.000000Z"));
        assert_int_equal(both_do("db.prune", "{\"before\":\"%s\"}", first[i]), 0);
        assert_both("tasks", "0");
    }
}

static void values_are_compared_as_they_were_written(void **state)
{
    (void)state;
    static const char *const values[][2] = {{"n", "12345678901234567890"}, {"p", "1.50"}, {"a.b", "0.10"}, {"", "7"},
                                            {"q\\\"", "8"}, {"\\u00fc", "1.0"}, {"t", "1.5"}};
    const char *t = both_time(BOTH_NOW);

    both_catalogue();
    both_task(1, 1, BOTH_NOW);
    both_sql("INSERT INTO tasker_annotation_types VALUES (1, 'x', NULL, '%s', '%s')", t, t);
    both_sql("INSERT INTO tasker_task_annotations(task_id, annotation_type_id, annotation, created_at, updated_at) VALUES (1, 1,"
             " '{\"n\":12345678901234567890,\"p\":1.50,\"a.b\":0.10,\"\":7,\"q\\\"\":8,\"\\u00fc\":1.0,\"t\":\"1.5\",\"o\":{\"a\":1},"
             "\"l\":[1]}', '%s', '%s')", t, t);
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        assert_int_equal(both_ask("annotation.list", "{\"key\":\"%s\",\"value\":\"%s\",\"count\":true}", values[i][0],
                                  values[i][1]), 0);
        assert_both("total", "1");
    }
    assert_int_equal(both_ask("annotation.list", "{\"key\":\"p\",\"value\":\"1.5\",\"count\":true}"), 0);
    assert_both("total", "0");
    assert_int_equal(both_ask("annotation.list", "{\"key\":\"o\",\"value\":\"{\\\"a\\\":1}\",\"count\":true}"), 0);
    assert_both("total", "0");
    assert_int_equal(both_ask("annotation.list", "{\"key\":\"l\",\"value\":\"[1]\",\"count\":true}"), 0);
    assert_both("total", "0");
}

// ---- plans: what a list would run on PostgreSQL, its one parameter written into it

static struct buf statement;
static const char *parameter;

static int begin_nothing(struct inquiry *a, bool write, tasker_error *err)
{
    (void)a, (void)write, (void)err;
    return 0;
}

static void end_nothing(struct inquiry *a)
{
    (void)a;
}

static int keep_statement(struct inquiry *a, const char *text, const struct value *values, size_t count, struct rows *ret,
                          tasker_error *err)
{
    const char *place = strstr(text, "$1");

    (void)a, (void)values, (void)ret;
    assert_int_equal(count, 1);
    assert_non_null(place);
    for (const char *c = text; *c != '\0'; c++)
        if (c == place)
            buf_printf(&statement, "''%s''", parameter), c++;
        else
            buf_printf(&statement, *c == '\'' ? "''" : "%c", *c); // it will stand in quotes
    return err_set(err, TASKER_E_UNSUPPORTED, "nothing is run");
}

static void assert_reads(const char *list, const char *filter, const char *value, const char *index)
{
    const struct inquiry_ops ops = {.postgres = true, .begin = begin_nothing, .rollback = end_nothing,
                                    .open = keep_statement};
    struct arena arena;
    struct buf out;
    char text[128];
    const struct json *args;

    snprintf(text, sizeof(text), "{\"%s\":\"%s\"}", filter, value);
    arena_init(&arena);
    buf_init(&out, 1 << 16);
    buf_init(&statement, 1 << 16);
    parameter = value;
    assert_int_equal(json_parse(&arena, span_of(text), &args, NULL), 0);
    assert_int_equal(inquire(NULL, &ops, list, args, BOTH_NOW, &out, &both_error), TASKER_E_UNSUPPORTED);
    struct buf check;
    buf_init(&check, 1 << 17);
    buf_printf(&check,
               "DO $do$ DECLARE line text; plan text := ''; BEGIN FOR line IN EXECUTE 'EXPLAIN %s' LOOP plan := plan || line"
               " || chr(10); END LOOP; IF plan NOT LIKE '%%%s%%' THEN RAISE '%%', plan; END IF; END $do$",
               buf_view(&statement).p, index);
    both_postgres_sql(buf_view(&check).p);
    buf_done(&check);
    buf_done(&statement);
    buf_done(&out);
    arena_done(&arena);
}

static void lists_of_one_state_read_the_index_of_states_on_postgresql(void **state)
{
    (void)state;
    if (!both_postgres())
        skip();
    both_catalogue();
    both_postgres_sql("INSERT INTO tasker_tasks(task_id, named_task_id, requested_at, identity_hash, created_at, updated_at)"
                      " SELECT i, 1, now(), i, now(), now() FROM generate_series(1, 5000) i");
    both_postgres_sql("INSERT INTO tasker_workflow_steps(workflow_step_id, task_id, named_step_id, created_at, updated_at)"
                      " SELECT i, i, 1, now(), now() FROM generate_series(1, 5000) i");
    both_postgres_sql("INSERT INTO tasker_task_transitions(task_id, to_state, sort_key, most_recent, created_at, updated_at)"
                      " SELECT i, CASE WHEN i % 2000 = 7 THEN 'error' ELSE 'complete' END, 10, true, now(), now()"
                      " FROM generate_series(1, 5000) i");
    both_postgres_sql("INSERT INTO tasker_workflow_step_transitions(workflow_step_id, to_state, sort_key, most_recent, created_at,"
                      " updated_at) SELECT i, CASE WHEN i % 2000 = 7 THEN 'error' ELSE 'complete' END, 10, true, now(), now()"
                      " FROM generate_series(1, 5000) i");
    both_postgres_sql("ANALYZE");
    assert_reads("task.list", "state", "error", "tasker_core_task_states");
    assert_reads("step.list", "state", "error", "tasker_core_step_states");
    assert_reads("step.list", "failed_since", "2027-01-01", "tasker_core_step_states");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(every_filter_alone_lists_what_it_says),
        BOTH(filters_in_any_number_and_order_list_what_all_of_them_say),
        BOTH(pages_join_without_gap_while_rows_are_inserted),
        BOTH(steps_are_listed_by_state_and_place),
        BOTH(siblings_have_exactly_the_same_parents),
        BOTH(transitions_say_where_they_come_from),
        BOTH(templates_are_listed_with_the_newest_version_by_number),
        BOTH(an_empty_list_of_ids_fits_nothing),
        BOTH(lists_of_a_thousand_items_are_looked_for),
        BOTH(times_may_be_the_first_of_all),
        BOTH(values_are_compared_as_they_were_written),
        BOTH(lists_of_one_state_read_the_index_of_states_on_postgresql),
    };
    return cmocka_run_group_tests_name("lists", tests, NULL, NULL);
}
