// SPDX-License-Identifier: MIT
// postgres_change.c - the changes of a turn as a few statements: one per kind, with an array per column.
//
// Kinds are written in a fixed order, parents first and flips of most_recent before the rows that replace them. The
// list of changes has an order too, and what one object goes through must end as it says. So changes go in *waves*: one
// that meets its object again, in a kind that is not written later than the last, opens the next wave for it. There is
// nearly always one wave.
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "store/postgres.h"

// What is written together, in the order in which it is written.
#define GROUPS(X)                                                                                                    \
    X(PUT_TASKS, TASK_INSERT) X(PUT_STEPS, STEP_INSERT) X(PUT_EDGES, EDGE_INSERT) X(TASK_ROWS, TASK_ROW)              \
    X(STEP_ROWS, STEP_ROW) X(SET_COMPLETE, TASK_COMPLETE) X(SET_STEPS, STEP_UPDATE) X(PUT_ACTIVE, ACTIVE_INSERT)      \
    X(SET_ACTIVE, ACTIVE_UPDATE) X(DROP_ACTIVE, ACTIVE_DELETE) X(PUT_OFFERS, OFFER_INSERT)                            \
    X(CANCEL_OFFERS, OFFER_CANCEL) X(ANSWER_OFFERS, OFFER_ANSWER) X(RELEASE_OFFERS, OFFER_RELEASE)                    \
    X(DROP_OFFERS, OFFER_DELETE) X(PUT_REQUESTS, REQUEST_INSERT) X(ANSWER_REQUESTS, REQUEST_ANSWER)                   \
    X(DROP_REQUESTS, REQUEST_DELETE) X(PUT_LOGS, LOG_INSERT) X(SET_CLASSES, LANE_CLASSES)
enum group {
#define X(name, kind) GROUP_##name,
    GROUPS(X)
#undef X
        GROUP_COUNT
};
static const uint8_t group_of[CH_COUNT] = {
#define X(name, kind) [CH_##kind] = GROUP_##name,
    GROUPS(X)
#undef X
};

#define NONE UINT32_MAX
#define WAVES_MAX 64

// Changes of one group in one wave, linked in their order.
struct lot {
    uint32_t first, last, count;
};

// What has happened to one object so far.
struct seen {
    uint64_t key;  // 0: unused
    uint32_t wave;
    uint8_t group;
    bool used;
};

struct sorter {
    const struct turn *turn;
    struct pipe *q;
    struct arena arena;
    uint32_t *next;  // of each change
    struct lot lots[WAVES_MAX][GROUP_COUNT];
    uint32_t waves;
    struct seen *seen;
    size_t mask;
    size_t requests;  // the statement that inserts requests
};

// --------------------------------------------------------------------------------------------------------- sorting

// Which object a change is about; 0: none that could be met again.
static uint64_t key_of(const struct change *c)
{
    switch ((enum change_kind)c->kind) {
    case CH_TASK_ROW:
        return (uint64_t)c->row.owner_id * 8 + 1;
    case CH_STEP_ROW:
        return (uint64_t)c->row.owner_id * 8 + 2;
    case CH_TASK_COMPLETE:
        return (uint64_t)c->complete.task_id * 8 + 3;
    case CH_STEP_UPDATE:
        return (uint64_t)c->step_update.step_id * 8 + 4;
    case CH_ACTIVE_INSERT:
    case CH_ACTIVE_UPDATE:
    case CH_ACTIVE_DELETE:
        return (uint64_t)c->active.task_id * 8 + 5;
    case CH_OFFER_INSERT:
    case CH_OFFER_DELETE:
    case CH_OFFER_CANCEL:
    case CH_OFFER_ANSWER:
    case CH_OFFER_RELEASE:
        return (uint64_t)c->offer.token * 8 + 6;
    case CH_REQUEST_ANSWER:
    case CH_REQUEST_DELETE:
        return (uint64_t)c->request.request_id * 8 + 7;
    case CH_LANE_CLASSES:
        return 8;
    case CH_TASK_INSERT:
    case CH_STEP_INSERT:
    case CH_EDGE_INSERT:
    case CH_REQUEST_INSERT:
    case CH_LOG_INSERT:
    case CH_COUNT:
        break;
    }
    return 0;
}

static struct seen *find(struct sorter *s, uint64_t key)
{
    size_t at = (size_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 20) & s->mask;
    while (s->seen[at].used && s->seen[at].key != key)
        at = (at + 1) & s->mask;
    return &s->seen[at];
}

// Several rows of one chain share a wave as long as only the first flips what was there before.
static bool needs_next(const struct change *c, const struct seen *o)
{
    if (c->kind == CH_TASK_ROW || c->kind == CH_STEP_ROW)
        return c->row.flip;
    return group_of[c->kind] <= o->group;
}

static uint32_t wave_of(struct sorter *s, const struct change *c)
{
    uint64_t key = key_of(c);
    if (key == 0)
        return 0;
    struct seen *o = find(s, key);
    if (o->used && needs_next(c, o))
        o->wave++;
    o->used = true;
    o->key = key;
    o->group = group_of[c->kind];
    return o->wave;
}

// False: out of memory, or an object that changes more often in one turn than any ever does.
static bool sort(struct sorter *s)
{
    size_t n = s->turn->change_count, size = 16;
    while (size < 2 * n)
        size *= 2;
    s->mask = size - 1;
    s->seen = arena_alloc(&s->arena, size * sizeof(s->seen[0]));
    s->next = arena_alloc(&s->arena, (n + 1) * sizeof(s->next[0]));
    if (!s->seen || !s->next)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        const struct change *c = &s->turn->changes[i];
        uint32_t wave = wave_of(s, c);
        if (wave >= WAVES_MAX)
            return false;
        struct lot *lot = &s->lots[wave][group_of[c->kind]];
        if (lot->count++ == 0)
            lot->first = i;
        else
            s->next[lot->last] = i;
        lot->last = i;
        s->next[i] = NONE;
        if (wave >= s->waves)
            s->waves = wave + 1;
    }
    return true;
}

// --------------------------------------------------------------------------------------------------------- columns

#define each(c, s, lot)                                                                                    \
    for (uint32_t i_ = (lot)->first; i_ != NONE; i_ = (s)->next[i_])                                       \
        for (const struct change *c = &(s)->turn->changes[i_]; c; c = NULL)

// One array parameter: `value` of each change of the lot.
#define INTS(type, value)                         \
    do {                                          \
        pipe_array(s->q, type, lot->count);       \
        each(c, s, lot) pipe_item_int(s->q, value); \
    } while (0)
#define SPANS(type, value)                         \
    do {                                           \
        pipe_array(s->q, type, lot->count);        \
        each(c, s, lot) pipe_item_span(s->q, value); \
    } while (0)
#define INTS_OR_NULL(type, value, null)       \
    do {                                      \
        pipe_array(s->q, type, lot->count);   \
        each(c, s, lot)                       \
        {                                     \
            if ((value) == (null))            \
                pipe_item_null(s->q);         \
            else                              \
                pipe_item_int(s->q, value);   \
        }                                     \
    } while (0)

static void put_tasks(struct sorter *s, const struct lot *lot)
{
    pipe_add(s->q, PG_PUT_TASKS);
    INTS(PG_INT8, c->task.task_id);
    INTS(PG_INT4, c->task.named_task_id);
    INTS(PG_TIME, c->task.requested_at);
    SPANS(PG_TEXT, c->task.initiator);
    SPANS(PG_TEXT, c->task.source_system);
    SPANS(PG_TEXT, c->task.reason);
    SPANS(PG_JSON, c->task.bypass_steps);
    SPANS(PG_JSONB, c->task.tags);
    SPANS(PG_JSONB, c->task.context);
    SPANS(PG_TEXT, c->task.identity);
    pipe_time(s->q, s->turn->now);
}

static void put_steps(struct sorter *s, const struct lot *lot)
{
    pipe_add(s->q, PG_PUT_STEPS);
    INTS(PG_INT8, c->step.step_id);
    INTS(PG_INT8, c->step.task_id);
    INTS(PG_INT4, c->step.named_step_id);
    INTS(PG_BOOL, c->step.retryable);
    INTS(PG_INT4, c->step.retry_limit);
    SPANS(PG_JSONB, c->step.inputs);
    INTS(PG_BOOL, c->step.skippable);
    pipe_time(s->q, s->turn->now);
}

static void put_edges(struct sorter *s, const struct lot *lot)
{
    pipe_add(s->q, PG_PUT_EDGES);
    INTS(PG_INT8, c->edge.from);
    INTS(PG_INT8, c->edge.to);
    pipe_time(s->q, s->turn->now);
}

static void flip_rows(struct sorter *s, const struct lot *lot, enum pg_statement flip)
{
    size_t flips = 0;
    each(c, s, lot) flips += c->row.flip;
    if (flips == 0)
        return;
    pipe_add(s->q, flip);
    if (flips == 1)
        each(c, s, lot) if (c->row.flip) pipe_note(s->q, c - s->turn->changes);
    pipe_array(s->q, PG_INT8, flips);
    each(c, s, lot)
    {
        if (c->row.flip)
            pipe_item_int(s->q, c->row.owner_id);
    }
    pipe_time(s->q, s->turn->now);
    pipe_int8(s->q, (int64_t)flips);
}

static struct span state_span(uint8_t state)
{
    return state == ST_NONE ? (struct span){NULL, 0} : span_of(state_names[state]);
}

static void put_rows(struct sorter *s, const struct lot *lot, enum pg_statement flip, enum pg_statement put)
{
    flip_rows(s, lot, flip);
    pipe_add(s->q, put);
    SPANS(PG_TEXT, state_span(c->row.to));
    SPANS(PG_TEXT, state_span(c->row.from));
    SPANS(PG_JSONB, c->row.metadata.p ? c->row.metadata : SPAN("{}"));
    INTS(PG_INT4, c->row.sort_key);
    INTS(PG_BOOL, c->row.most_recent);
    INTS(PG_INT8, c->row.owner_id);
    INTS(PG_TIME, c->row.at);
}

static void put_task_rows(struct sorter *s, const struct lot *lot)
{
    put_rows(s, lot, PG_FLIP_TASKS, PG_PUT_TASK_ROWS);
}

static void put_step_rows(struct sorter *s, const struct lot *lot)
{
    put_rows(s, lot, PG_FLIP_STEPS, PG_PUT_STEP_ROWS);
}

static void set_complete(struct sorter *s, const struct lot *lot)
{
    pipe_add(s->q, PG_SET_COMPLETE);
    INTS(PG_INT8, c->complete.task_id);
    INTS(PG_BOOL, c->complete.complete);
    pipe_time(s->q, s->turn->now);
    pipe_int8(s->q, lot->count);
}

static void set_steps(struct sorter *s, const struct lot *lot)
{
    pipe_add(s->q, PG_SET_STEPS);
    INTS(PG_INT8, c->step_update.step_id);
    INTS(PG_BOOL, c->step_update.processed);
    INTS(PG_TIME, c->step_update.processed_at);
    INTS(PG_INT4, c->step_update.attempts);
    INTS(PG_TIME, c->step_update.last_attempted_at);
    INTS_OR_NULL(PG_INT4, c->step_update.backoff_seconds, -1);
    INTS(PG_BOOL, c->step_update.set_results);
    SPANS(PG_JSONB, c->step_update.set_results ? c->step_update.results : ((struct span){NULL, 0}));
    pipe_time(s->q, s->turn->now);
    pipe_int8(s->q, lot->count);
}

static void active_columns(struct sorter *s, const struct lot *lot)
{
    INTS(PG_INT4, c->active.priority);
    INTS(PG_INT8, c->active.run_at);
    INTS_OR_NULL(PG_INT8, c->active.own ? s->turn->lane : 0, 0);
    INTS(PG_INT4, c->active.crashes);
    INTS(PG_BOOL, c->active.suspect);
    INTS(PG_INT8, c->active.template_id);
    INTS_OR_NULL(PG_INT8, c->active.deadline, 0);
    INTS(PG_INT8, c->active.task_id);
}

static void put_active(struct sorter *s, const struct lot *lot)
{
    pipe_add(s->q, PG_PUT_ACTIVE);
    active_columns(s, lot);
}

static void set_active(struct sorter *s, const struct lot *lot)
{
    pipe_add(s->q, PG_SET_ACTIVE);
    active_columns(s, lot);
    pipe_int8(s->q, lot->count);
}

static void drop_active(struct sorter *s, const struct lot *lot)
{
    pipe_add(s->q, PG_DROP_ACTIVE);
    INTS(PG_INT8, c->active.task_id);
    pipe_int8(s->q, lot->count);
}

static void put_offers(struct sorter *s, const struct lot *lot)
{
    pipe_add(s->q, PG_PUT_OFFERS);
    INTS(PG_INT8, c->offer.token);
    INTS(PG_INT8, c->offer.task_id);
    INTS(PG_INT8, c->offer.step_id);
    INTS(PG_INT4, c->offer.attempt);
    SPANS(PG_TEXT, c->offer.handler_class);
    INTS(PG_INT8, c->offer.deadline_us);
}

static void cancel_offers(struct sorter *s, const struct lot *lot)
{
    pipe_add(s->q, PG_CANCEL_OFFERS);
    INTS(PG_INT8, c->offer.token);
}

static void answer_offers(struct sorter *s, const struct lot *lot)
{
    pipe_add(s->q, PG_ANSWER_OFFERS);
    INTS(PG_INT8, c->offer.token);
    INTS(PG_INT4, c->offer.verdict);
    SPANS(PG_TEXT, c->offer.answer);
    SPANS(PG_TEXT, c->offer.log);
    pipe_int8(s->q, s->turn->lane);
}

static void release_offers(struct sorter *s, const struct lot *lot)
{
    pipe_add(s->q, PG_RELEASE_OFFERS);
    INTS(PG_INT8, c->offer.token);
    pipe_int8(s->q, s->turn->lane);
}

static void drop_offers(struct sorter *s, const struct lot *lot)
{
    pipe_add(s->q, PG_DROP_OFFERS);
    INTS(PG_INT8, c->offer.token);
}

static void put_requests(struct sorter *s, const struct lot *lot)
{
    s->requests = pipe_add(s->q, PG_PUT_REQUESTS);
    INTS(PG_INT8, c->request.task_id);
    SPANS(PG_TEXT, c->request.body);
    pipe_int8(s->q, s->turn->lane);
    pipe_time(s->q, s->turn->now);
}

static void answer_requests(struct sorter *s, const struct lot *lot)
{
    pipe_add(s->q, PG_ANSWER_REQUESTS);
    INTS(PG_INT8, c->request.request_id);
    SPANS(PG_TEXT, c->request.body);
}

static void drop_requests(struct sorter *s, const struct lot *lot)
{
    pipe_add(s->q, PG_DROP_REQUESTS);
    INTS(PG_INT8, c->request.request_id);
}

static void put_logs(struct sorter *s, const struct lot *lot)
{
    pipe_add(s->q, PG_PUT_LOGS);
    INTS(PG_INT8, c->log.step_id);
    INTS(PG_INT4, c->log.attempt);
    SPANS(PG_TEXT, span_of(log_outcome_names[c->log.outcome]));
    SPANS(PG_TEXT, c->log.text);
    INTS(PG_TIME, c->log.at);
}

static void set_classes(struct sorter *s, const struct lot *lot)
{
    pipe_add(s->q, PG_SET_CLASSES);
    pipe_text(s->q, s->turn->changes[lot->last].lane.classes);
    pipe_int8(s->q, s->turn->lane);
}

static void (*const writers[GROUP_COUNT])(struct sorter *, const struct lot *) = {
    [GROUP_PUT_TASKS] = put_tasks,         [GROUP_PUT_STEPS] = put_steps,
    [GROUP_PUT_EDGES] = put_edges,         [GROUP_TASK_ROWS] = put_task_rows,
    [GROUP_STEP_ROWS] = put_step_rows,     [GROUP_SET_COMPLETE] = set_complete,
    [GROUP_SET_STEPS] = set_steps,         [GROUP_PUT_ACTIVE] = put_active,
    [GROUP_SET_ACTIVE] = set_active,       [GROUP_DROP_ACTIVE] = drop_active,
    [GROUP_PUT_OFFERS] = put_offers,       [GROUP_CANCEL_OFFERS] = cancel_offers,
    [GROUP_ANSWER_OFFERS] = answer_offers, [GROUP_RELEASE_OFFERS] = release_offers,
    [GROUP_DROP_OFFERS] = drop_offers,     [GROUP_PUT_REQUESTS] = put_requests,
    [GROUP_ANSWER_REQUESTS] = answer_requests, [GROUP_DROP_REQUESTS] = drop_requests,
    [GROUP_PUT_LOGS] = put_logs,           [GROUP_SET_CLASSES] = set_classes,
};

size_t postgres_changes(struct pipe *q, const struct turn *turn)
{
    struct sorter *s = mem_alloc(sizeof(*s));
    size_t requests = NO_STATEMENT;
    if (!s) {
        q->failed = true;
        return requests;
    }
    s->turn = turn;
    s->q = q;
    s->requests = NO_STATEMENT;
    arena_init(&s->arena);
    q->failed = q->failed || !sort(s);
    for (uint32_t w = 0; w < s->waves && !q->failed; w++)
        for (size_t g = 0; g < GROUP_COUNT; g++) {
            if (s->lots[w][g].count == 0)
                continue;
            writers[g](s, &s->lots[w][g]);
            if (s->lots[w][g].count == 1)
                pipe_note(q, s->lots[w][g].first);
        }
    requests = s->requests;
    arena_done(&s->arena);
    mem_free(s);
    return requests;
}

// --------------------------------------------------------------------------------------------------------- culprits

// Where a kind of change keeps the value of a column that the server names in "Key (column, ...)=(12, ...)": of a row
// that is there already, or that refers to one that is not.
static const struct key_column {
    const char *table, *column;
    uint8_t kind;
    size_t offset;
} key_columns[] = {
    {"tasker_tasks", "task_id", CH_TASK_INSERT, offsetof(struct change, task.task_id)},
    {"tasker_workflow_steps", "workflow_step_id", CH_STEP_INSERT, offsetof(struct change, step.step_id)},
    {"tasker_workflow_steps", "task_id", CH_STEP_INSERT, offsetof(struct change, step.task_id)},
    {"tasker_workflow_step_edges", "from_step_id", CH_EDGE_INSERT, offsetof(struct change, edge.from)},
    {"tasker_workflow_step_edges", "to_step_id", CH_EDGE_INSERT, offsetof(struct change, edge.to)},
    {"tasker_task_transitions", "task_id", CH_TASK_ROW, offsetof(struct change, row.owner_id)},
    {"tasker_workflow_step_transitions", "workflow_step_id", CH_STEP_ROW, offsetof(struct change, row.owner_id)},
    {"tasker_core_active", "task_id", CH_ACTIVE_INSERT, offsetof(struct change, active.task_id)},
    {"tasker_core_dispatch", "token", CH_OFFER_INSERT, offsetof(struct change, offer.token)},
};

// Whether "Key (workflow_step_id, sort_key)=(12, 20) already exists." begins with this column; its value.
static bool key_of_detail(const char *detail, const char *column, int64_t *ret)
{
    const char *names = strchr(detail, '('), *values = strstr(detail, ")=(");
    size_t len = strlen(column);
    char *end = NULL;
    if (!names || !values || strncmp(names + 1, column, len) != 0 || (names[1 + len] != ',' && names[1 + len] != ')'))
        return false;
    *ret = strtoll(values + 3, &end, 10);
    return end != values + 3;
}

static int64_t find_change(const struct turn *turn, const struct key_column *k, int64_t value)
{
    for (size_t i = 0; i < turn->change_count; i++) {
        int64_t own;
        if (turn->changes[i].kind != k->kind)
            continue;
        memcpy(&own, (const char *)&turn->changes[i] + k->offset, sizeof(own));
        if (own == value)
            return (int64_t)i;
    }
    return -1;
}

int64_t postgres_culprit(const struct pipe *q, const struct turn *turn)
{
    const PGresult *failed = pipe_result(q, q->failed_at);
    const char *table = PQresultErrorField(failed, PG_DIAG_TABLE_NAME);
    const char *detail = PQresultErrorField(failed, PG_DIAG_MESSAGE_DETAIL);
    int64_t value = 0, noted = pipe_noted(q, q->failed_at);
    if (noted >= 0 || !table || !detail)
        return noted;
    for (size_t k = 0; k < ARRAY_SIZE(key_columns); k++)
        if (strcmp(table, key_columns[k].table) == 0 && key_of_detail(detail, key_columns[k].column, &value))
            return find_change(turn, &key_columns[k], value);
    return -1;
}
