// SPDX-License-Identifier: MIT
// contract.c - the words of contract.h: worlds, scripts, owners; and the runner that puts the parts
// of the suite together.
#include "contract.h"

#include "base/json.h"

static const struct backend *the_backend;
const struct backend *const *const contract_backend = &the_backend;

static const char line_yaml[] = "name: line\n"
                                "namespace_name: contract\n"
                                "version: 1.0.0\n"
                                "task_handler_class: Line\n"
                                "default_dependent_system: here\n"
                                "step_templates:\n"
                                "  - { name: a, handler_class: A }\n"
                                "  - { name: b, handler_class: B, depends_on_step: a }\n"
                                "  - { name: c, handler_class: C, depends_on_step: b }\n";

// ------------------------------------------------------------------------------------------ worlds

struct template *template_from(const char *yaml)
{
    struct template_errors errors;
    struct template *t = NULL;
    tasker_error err = {0};
    template_errors_init(&errors);
    if (template_read(span_of(yaml), NULL, NULL, &t, &errors, &err) != 0)
        fail_msg("template: %s", err.message);
    template_errors_done(&errors);
    return t;
}

struct store *world_open(const char *uri)
{
    struct store_options o = {.host = "host", .boot_id = "boot", .migrate = true, .turns = true};
    struct store *s = NULL;
    tasker_error err = {0};
    char whole[512];
    const char *parameter = the_backend->parameter;
    (void)snprintf(whole, sizeof(whole), "%s%s%s", uri, !parameter ? "" : strchr(uri, '?') ? "&" : "?",
                   parameter ? parameter : "");
    if (store_open(whole, &o, &s, &err) != 0)
        fail_msg("open: %s", err.message);
    return s;
}

int world_begin(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    tasker_error err = {0};
    the_backend->create(w->uri, sizeof(w->uri));
    w->a = world_open(w->uri);
    w->b = world_open(w->uri);
    w->tpl = template_from(line_yaml);
    if (w->a->ops->register_template(w->a, w->tpl, false, T0, &err) != 0)
        fail_msg("register: %s", err.message);
    *state = w;
    return 0;
}

int world_end(void **state)
{
    struct world *w = *state;
    template_unref(w->tpl);
    store_close(w->a);
    store_close(w->b);
    the_backend->destroy(w->uri);
    free(w);
    return 0;
}

int64_t world_number(struct world *w, const char *fmt, ...)
{
    char sql[1024];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(sql, sizeof(sql), fmt, args);
    va_end(args);
    return the_backend->number(w->uri, sql);
}

void world_text(struct world *w, char *out, size_t size, const char *fmt, ...)
{
    char sql[1024];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(sql, sizeof(sql), fmt, args);
    va_end(args);
    the_backend->text(w->uri, sql, out, size);
}

// ----------------------------------------------------------------------------------------- scripts

struct change *script_add(struct script *s, enum change_kind kind)
{
    assert_true(s->count < ARRAY_SIZE(s->list));
    struct change *c = &s->list[s->count++];
    memset(c, 0, sizeof(*c));
    c->kind = (uint8_t)kind;
    return c;
}

void script_row(struct script *s, enum change_kind kind, int64_t owner, enum state from,
                enum state to, int sort_key, int64_t at, const char *metadata)
{
    struct change *c = script_add(s, kind);
    c->row.owner_id = owner;
    c->row.from = (uint8_t)from;
    c->row.to = (uint8_t)to;
    c->row.sort_key = sort_key;
    c->row.flip = sort_key > 10;
    c->row.most_recent = true;
    c->row.at = at;
    c->row.metadata = span_of(metadata);
}

static char identities[64][32]; // texts must live until the commit

void script_task(struct world *w, struct script *s, int64_t task, int64_t step, bool own)
{
    static size_t next;
    char *identity = identities[next++ % ARRAY_SIZE(identities)];
    (void)snprintf(identity, sizeof(identities[0]), "task-%lld", (long long)task);
    struct change *c = script_add(s, CH_TASK_INSERT);
    c->task.task_id = task;
    c->task.named_task_id = w->tpl->named_task_id;
    c->task.requested_at = T0;
    c->task.initiator = SPAN("me");
    c->task.source_system = SPAN("tests");
    c->task.reason = SPAN("because");
    c->task.identity = span_of(identity);
    c->task.tags = SPAN("[\"x\"]");
    c->task.context = SPAN("{\"order\":1}");
    c = script_add(s, CH_ACTIVE_INSERT);
    c->active.task_id = task;
    c->active.run_at = T0;
    c->active.template_id = w->tpl->template_id;
    c->active.priority = PRIO_NORMAL;
    c->active.own = own;
    for (uint32_t i = 0; i < w->tpl->step_count; i++) {
        c = script_add(s, CH_STEP_INSERT);
        c->step.step_id = step + i;
        c->step.task_id = task;
        c->step.named_step_id = w->tpl->named_step_ids[i];
        c->step.retry_limit = 3;
        c->step.retryable = true;
        c->step.inputs = SPAN("{\"order\":1}");
    }
    for (uint32_t i = 1; i < w->tpl->step_count; i++) {
        c = script_add(s, CH_EDGE_INSERT);
        c->edge.from = step + i - 1;
        c->edge.to = step + i;
    }
}

void script_start(struct world *w, struct script *s, int64_t task, int64_t at)
{
    static char metadata[64];
    (void)snprintf(metadata, sizeof(metadata), "{\"template_id\":%lld}",
                   (long long)w->tpl->template_id);
    script_row(s, CH_TASK_ROW, task, ST_PENDING, ST_IN_PROGRESS, 10, at, metadata);
}

void script_step_done(struct script *s, int64_t step, int64_t at, bool flip, const char *results)
{
    if (!flip) {
        script_row(s, CH_STEP_ROW, step, ST_PENDING, ST_IN_PROGRESS, 10, at, "{\"attempt\":1}");
        s->list[s->count - 1].row.most_recent = false;
    }
    script_row(s, CH_STEP_ROW, step, ST_IN_PROGRESS, ST_COMPLETE, 20, at, "{\"attempt\":1}");
    s->list[s->count - 1].row.flip = flip;
    struct change *c = script_add(s, CH_STEP_UPDATE);
    c->step_update.step_id = step;
    c->step_update.attempts = 1;
    c->step_update.last_attempted_at = at;
    c->step_update.processed_at = at;
    c->step_update.processed = true;
    c->step_update.backoff_seconds = -1;
    c->step_update.set_results = true;
    c->step_update.results = span_of(results);
}

// ------------------------------------------------------------------------------------------ owners

void owner_begin(struct owner *o, struct store *s, int64_t now)
{
    memset(o, 0, sizeof(*o));
    o->store = s;
    o->now = now;
    turn_result_init(&o->r);
    struct turn t = {
        .kind = TURN_REGISTER, .now = now, .lease_us = LEASE, .process = "1/1", .name = "engine"};
    s->ops->commit(s, &t, &o->r);
    assert_int_equal(o->r.outcome, OUT_COMMITTED);
    o->lane = o->r.lane;
    assert_true(o->lane > 0);
}

void owner_end(struct owner *o)
{
    turn_result_done(&o->r);
}

enum commit_outcome owner_commit(struct owner *o, struct turn *t)
{
    t->lane = o->lane;
    t->number = o->number + 1;
    t->now = o->now;
    t->lease_us = LEASE;
    o->store->ops->commit(o->store, t, &o->r);
    if (o->r.outcome == OUT_COMMITTED)
        o->number++;
    else
        assert_true(o->r.error.code < 0);
    return o->r.outcome;
}

enum commit_outcome owner_write(struct owner *o, struct script *s)
{
    struct turn t = {.kind = TURN_WORK, .changes = s->list, .change_count = s->count};
    return owner_commit(o, &t);
}

size_t owner_claim(struct owner *o, int limit)
{
    struct turn t = {.kind = TURN_WORK, .claim_limit = limit};
    assert_int_equal(owner_commit(o, &t), OUT_COMMITTED);
    return o->r.claimed_count;
}

enum claim_answer owner_claim_task(struct owner *o, int64_t task)
{
    struct turn t = {.kind = TURN_WORK, .claim_task = task};
    assert_int_equal(owner_commit(o, &t), OUT_COMMITTED);
    return o->r.claim_answer;
}

void plain_write(struct store *s, struct script *script, int64_t now)
{
    struct turn_result r;
    struct turn t = {
        .kind = TURN_PLAIN, .changes = script->list, .change_count = script->count, .now = now};
    turn_result_init(&r);
    s->ops->commit(s, &t, &r);
    if (r.outcome != OUT_COMMITTED)
        fail_msg("%s: %s", commit_outcome_names[r.outcome], r.error.message);
    turn_result_done(&r);
}

void look(struct store *s, const struct poll_want *want, int64_t now, struct poll_result *r)
{
    tasker_error err = {0};
    if (s->ops->poll(s, want, now, r, &err) != 0)
        fail_msg("poll: %s", err.message);
}

void load(struct store *s, int64_t task, struct task_rows *r)
{
    tasker_error err = {0};
    task_rows_init(r);
    if (s->ops->load_task(s, task, r, &err) != 0)
        fail_msg("load: %s", err.message);
}

// JSON is kept as a value: the order of members and the spaces between them may be others.
static bool same_json(const struct json *a, const struct json *b)
{
    if (a->type != b->type || a->count != b->count)
        return false;
    if (a->type != JSON_OBJECT && a->type != JSON_ARRAY)
        return a->type == JSON_STRING || a->type == JSON_NUMBER ? span_eq(a->str, b->str) : span_eq(a->raw, b->raw);
    const struct json *other = b->child;
    for (const struct json *c = a->child; c; c = c->next, other = other->next) {
        const struct json *match = other;
        if (a->type == JSON_OBJECT)
            for (match = b->child; match && !span_eq(match->key, c->key);)
                match = match->next;
        if (!match || !same_json(c, match))
            return false;
    }
    return true;
}

static bool same_text(struct span s, const char *text)
{
    const struct json *a = NULL, *b = NULL;
    struct arena arena;
    if (span_is(s, text))
        return true;
    arena_init(&arena);
    bool same = s.len > 0 && json_parse(&arena, s, &a, NULL) == 0 &&
                json_parse(&arena, span_of(text), &b, NULL) == 0 && same_json(a, b);
    arena_done(&arena);
    return same;
}

void assert_span_at(struct span s, const char *text, const char *file, int line)
{
    if (!same_text(s, text)) {
        print_error("\"%.*s\" is not \"%s\"\n", (int)s.len, s.p ? s.p : "", text);
        _fail(file, line);
    }
}

// ------------------------------------------------------------------------------------------ runner

void contract_use(const struct backend *b)
{
    the_backend = b;
}

int contract_run(const struct backend *b)
{
    static const struct CMUnitTest *const parts[] = {contract_turn_tests, contract_claim_tests,
                                                     contract_row_tests, contract_offer_tests,
                                                     contract_template_tests};
    struct CMUnitTest tests[128] = {{0}};
    size_t count = 0;
    the_backend = b;
    for (size_t p = 0; p < ARRAY_SIZE(parts); p++)
        for (const struct CMUnitTest *t = parts[p]; t->name && count < ARRAY_SIZE(tests); t++)
            tests[count++] = *t;
    return _cmocka_run_group_tests(b->name, tests, count, NULL, NULL);
}
