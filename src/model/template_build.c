// SPDX-License-Identifier: MIT
// template_build.c - checked nodes become a template: values with their defaults, steps, edges by
// index, levels. Finds what only the whole can show: steps with the same name, dependencies that
// lead nowhere or round in a circle, names that `named_steps` and `step_templates` do not share.
//
// It goes on where something is wrong, to find the rest as well; the template is then thrown away.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/graph.h"
#include "model/template_private.h"

#define CYCLES_MAX 10

// Dependencies while they are collected: child `to` waits for parent `from`, said at `node`.
struct edges {
    uint32_t *from, *to;
    const struct yaml **nodes;
    uint32_t count;
};

// ---- values

static const char *text_or(struct reader *r, const struct yaml *node, const char *otherwise)
{
    return node != NULL ? arena_dup(&r->t->arena, node->text, node->len) : otherwise;
}

static int64_t micros_or(struct reader *r, const struct yaml *node, int64_t otherwise)
{
    int64_t value;
    return node != NULL && yaml_scaled(r, node, 6, &value) ? value : otherwise;
}

static int32_t whole_or(struct reader *r, const struct yaml *node, int32_t otherwise)
{
    int64_t value;
    return node != NULL && yaml_scaled(r, node, 0, &value) ? (int32_t)value : otherwise;
}

static bool truth_or(const struct yaml *node, bool otherwise)
{
    return node != NULL ? node->truth : otherwise;
}

// An absent span when there is no node, or no memory (the arena remembers).
static struct span json_of(struct reader *r, const struct yaml *node)
{
    if (node == NULL)
        return (struct span){NULL, 0};
    struct buf text;
    buf_init(&text, JSON_MAX_SIZE);
    yaml_to_json(&text, node);
    if (buf_failed(&text))
        r->t->arena.failed = true;
    struct span view = buf_view(&text);
    struct span kept = {arena_dup(&r->t->arena, view.p, view.len), view.len};
    buf_done(&text);
    return kept;
}

static enum retry_strategy strategy_of(const struct yaml *node)
{
    for (unsigned i = 0; node != NULL && i < RS_COUNT; i++)
        if (strcmp(node->text, retry_strategy_names[i]) == 0)
            return (enum retry_strategy)i;
    return retry_default.strategy;
}

static struct retry_policy policy_of(struct reader *r, const struct yaml *node)
{
    struct retry_policy p = retry_default;
    if (node == NULL)
        return p;
    if (node->type == YAML_STRING) {
        p.strategy = strategy_of(node);
        return p;
    }
    const struct yaml *at[BACKOFF_COUNT];
    rules_check(r, &backoff_rules, node, at);
    p.strategy = strategy_of(at[BACKOFF_STRATEGY]);
    p.base_ms =
        (int32_t)((micros_or(r, at[BACKOFF_BASE], p.base_ms * US_PER_MS) + 500) / US_PER_MS);
    p.max_ms = (int32_t)((micros_or(r, at[BACKOFF_MAX], p.max_ms * US_PER_MS) + 500) / US_PER_MS);
    p.multiplier = (double)micros_or(r, at[BACKOFF_MULTIPLIER], 2000000) / 1e6;
    p.jitter = (double)micros_or(r, at[BACKOFF_JITTER], 100000) / 1e6;
    return p;
}

static void build_top(struct reader *r)
{
    struct template *t = r->t;
    const struct yaml **at = r->top;
    t->name = text_or(r, at[TOP_NAME], "");
    t->namespace_name = text_or(r, at[TOP_NAMESPACE], "default");
    t->version = text_or(r, at[TOP_VERSION], "0.1.0");
    t->description = text_or(r, at[TOP_DESCRIPTION], "");
    t->task_handler_class = text_or(r, at[TOP_HANDLER_CLASS], "");
    t->module_namespace = text_or(r, at[TOP_MODULE], "");
    t->default_dependent_system = text_or(r, at[TOP_SYSTEM], "");
    t->default_context = json_of(r, at[TOP_CONTEXT]).p;
    t->schema = json_of(r, at[TOP_SCHEMA]);
    t->timeout_us = micros_or(r, at[TOP_TIMEOUT], 0);
    t->max_concurrent_steps = whole_or(r, at[TOP_CONCURRENCY], 0);
    if (t->name != NULL && t->namespace_name != NULL && t->version != NULL)
        (void)snprintf(t->key, sizeof t->key, "%s/%s/%s", t->namespace_name, t->name, t->version);
}

// The Rails engine raises an error when a step has no dependent system and the template no default;
// here it is the system "default" then.
static const char *system_of(struct reader *r, const struct yaml *own)
{
    const struct yaml *node = own != NULL ? own : r->top[TOP_SYSTEM];
    return text_or(r, node, "default");
}

static void check_exec(struct reader *r, const struct yaml *step, const struct yaml *const *at)
{
    if (at[STEP_CLASS] == NULL || strcmp(at[STEP_CLASS]->text, "tasker.exec") != 0)
        return;
    const struct yaml *found[4];
    if (at[STEP_CONFIG] != NULL)
        rules_check(r, &exec_rules, at[STEP_CONFIG], found);
    else if (yaml_get(step, "handler_config") == NULL)
        reader_at(r, step,
                  "a step of class tasker.exec needs \"handler_config\" with a \"command\"");
}

static void build_step(struct reader *r, uint32_t i, const struct yaml *node)
{
    struct template_step *s = &r->t->steps[i];
    const struct yaml **at = r->steps[i];
    r->step_nodes[i] = node;
    if (node->type == YAML_MAPPING) {
        if (node_name(node)[0] != '\0')
            reader_prefix(r, "step \"%.128s\": ", node_name(node));
        rules_check(r, &step_rules, node, at);
        check_exec(r, node, at);
    }
    s->name = text_or(r, at[STEP_NAME], "");
    s->handler_class = text_or(r, at[STEP_CLASS], "");
    s->dependent_system = system_of(r, at[STEP_SYSTEM]);
    s->description = text_or(r, at[STEP_DESCRIPTION], s->name);
    s->config = at[STEP_CONFIG] != NULL ? json_of(r, at[STEP_CONFIG]) : SPAN("{}");
    s->retryable = truth_or(at[STEP_RETRYABLE], true);
    s->retry_limit = whole_or(r, at[STEP_RETRY_LIMIT], 3);
    s->skippable = truth_or(at[STEP_SKIPPABLE], false);
    s->timeout_us = micros_or(r, at[STEP_TIMEOUT], 0);
    s->retry = policy_of(r, at[STEP_BACKOFF]);
    r->prefix = "";
}

// ---- names

static int compare_names(const void *a, const void *b, void *steps)
{
    uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
    const struct template_step *list = steps;
    int order = strcmp(list[i].name, list[j].name);
    return order != 0 ? order : (i > j) - (i < j);
}

static void build_names(struct reader *r)
{
    struct template *t = r->t;
    for (uint32_t i = 0; i < t->step_count; i++)
        t->by_name[i] = i;
    qsort_r(t->by_name, t->step_count, sizeof *t->by_name, compare_names, t->steps);
    for (uint32_t i = 1; i < t->step_count; i++) {
        uint32_t first = t->by_name[i - 1], again = t->by_name[i];
        const char *name = t->steps[again].name;
        if (name[0] != '\0' && strcmp(t->steps[first].name, name) == 0)
            reader_at(r, r->steps[again][STEP_NAME],
                      "the step \"%.128s\" is already there, in line %d", name,
                      r->steps[first][STEP_NAME]->line);
    }
}

static const char *near_step(struct reader *r, const char *name)
{
    const struct template *t = r->t;
    // A walk over all steps; a file full of wrong names shall not take for ever.
    if (r->errors->count >= 20)
        return NULL;
    const char **names = arena_alloc(&r->scratch, t->step_count * sizeof *names);
    for (uint32_t i = 0; names != NULL && i < t->step_count; i++)
        names[i] = t->steps[i].name;
    return names != NULL ? nearest(name, names, t->step_count) : NULL;
}

static void check_named(struct reader *r)
{
    const struct yaml *list = r->top[TOP_NAMED_STEPS];
    if (list == NULL)
        return;
    const struct template *t = r->t;
    bool *named = arena_alloc(&r->scratch, t->step_count * sizeof *named);
    for (const struct yaml *item = list->child; item != NULL && named != NULL; item = item->next) {
        if (item->type != YAML_STRING || item->len == 0)
            continue;
        int i = template_find_step(t, (struct span){item->text, item->len});
        if (i >= 0)
            named[i] = true;
        else
            reader_at(r, item,
                      "\"named_steps\" lists \"%.128s\", which is not in \"step_templates\"",
                      item->text);
    }
    for (uint32_t i = 0; i < t->step_count && named != NULL; i++)
        if (!named[i] && r->steps[i][STEP_NAME] != NULL)
            reader_at(r, r->steps[i][STEP_NAME],
                      "the step \"%.128s\" is not listed in \"named_steps\"", t->steps[i].name);
}

// ---- edges

// Adds one dependency of step `child`; `last_child[parent]` is the last child that named the
// parent, + 1.
static void add_edge(struct reader *r, struct edges *e, uint32_t child, const struct yaml *node,
                     uint32_t *last_child)
{
    const char *name = r->t->steps[child].name;
    if (node->type != YAML_STRING || node->len == 0)
        return;
    int parent = template_find_step(r->t, (struct span){node->text, node->len});
    if (parent < 0) {
        const char *near = near_step(r, node->text);
        reader_at(r, node,
                  "the step \"%.128s\" depends on \"%.128s\", which does not exist%s%.64s%s", name,
                  node->text, near != NULL ? "; did you mean \"" : "", near != NULL ? near : "",
                  near != NULL ? "\"?" : "");
    } else if ((uint32_t)parent == child || strcmp(name, node->text) == 0) {
        reader_at(r, node, "the step \"%.128s\" depends on itself", name);
    } else if (last_child[parent] != child + 1) {
        last_child[parent] = child + 1;
        e->from[e->count] = (uint32_t)parent;
        e->to[e->count] = child;
        e->nodes[e->count++] = node;
    }
}

static int collect_edges(struct reader *r, struct edges *e)
{
    size_t most = 0;
    for (uint32_t i = 0; i < r->t->step_count; i++)
        most += 1 + (r->steps[i][STEP_DEPENDS_LIST] != NULL ? r->steps[i][STEP_DEPENDS_LIST]->count
                                                            : 0);
    *e = (struct edges){
        .from = arena_alloc(&r->scratch, most * sizeof *e->from),
        .to = arena_alloc(&r->scratch, most * sizeof *e->to),
        .nodes = arena_alloc(&r->scratch, most * sizeof *e->nodes),
    };
    uint32_t *last_child = arena_alloc(&r->scratch, r->t->step_count * sizeof *last_child);
    if (r->scratch.failed)
        return -1;
    for (uint32_t i = 0; i < r->t->step_count; i++) {
        const struct yaml *one = r->steps[i][STEP_DEPENDS_ONE],
                          *list = r->steps[i][STEP_DEPENDS_LIST];
        if (one != NULL)
            add_edge(r, e, i, one, last_child);
        for (const struct yaml *item = list != NULL ? list->child : NULL; item != NULL;
             item = item->next)
            add_edge(r, e, i, item, last_child);
    }
    return 0;
}

// Notes a cycle where its first step, in order of the file, names the last one, and drops that
// edge.
static void note_cycle(struct reader *r, struct edges *e, const uint32_t *path, uint32_t length)
{
    char text[300];
    size_t used = 0;
    for (uint32_t i = 0; i <= length && used < sizeof text; i++) {
        int n = snprintf(text + used, sizeof text - used, "%s%s", i > 0 ? " -> " : "",
                         r->t->steps[path[i % length]].name);
        used += n > 0 ? (size_t)n : 0;
    }
    if (used >= sizeof text)
        memcpy(text + sizeof text - 4, "...", 4);
    for (uint32_t i = 0; i < e->count; i++) {
        if (e->from[i] != path[length - 1] || e->to[i] != path[0])
            continue;
        reader_at(r, e->nodes[i], "dependencies go round in a circle: %s", text);
        e->count--;
        e->from[i] = e->from[e->count];
        e->to[i] = e->to[e->count];
        e->nodes[i] = e->nodes[e->count];
        return;
    }
}

// Levels and order; cycles are noted one by one, each without the last one's closing edge.
static int build_levels(struct reader *r, struct edges *e, struct graph *ret)
{
    struct template *t = r->t;
    uint32_t *level = arena_alloc(&r->scratch, t->step_count * sizeof *level);
    if (level == NULL)
        return -1;
    int rc = 1;
    for (int round = 0; rc == 1 && round < CYCLES_MAX; round++) {
        uint32_t length = 0;
        if (graph_build(&t->arena, t->step_count, e->from, e->to, e->count, ret) < 0)
            return -1;
        rc = graph_levels(ret, &r->scratch, level, t->order, &length);
        if (rc == 1)
            note_cycle(r, e, t->order, length);
    }
    for (uint32_t i = 0; i < t->step_count && rc == 0; i++)
        t->steps[i].level = level[i];
    return rc < 0 ? -1 : 0;
}

// Children come out ascending because edges were collected by child; turned round by parent, so do
// the parents.
static int build_links(struct reader *r, struct edges *e, const struct graph *down)
{
    struct template *t = r->t;
    struct graph up;
    uint32_t at = 0;
    for (uint32_t parent = 0; parent < t->step_count; parent++)
        for (uint32_t i = down->start[parent]; i < down->start[parent + 1]; i++) {
            e->from[at] = parent;
            e->to[at++] = down->to[i];
        }
    if (graph_build(&t->arena, t->step_count, e->to, e->from, at, &up) < 0)
        return -1;
    for (uint32_t i = 0; i < t->step_count; i++) {
        struct template_step *s = &t->steps[i];
        s->children = down->to + down->start[i];
        s->child_count = down->start[i + 1] - down->start[i];
        s->parents = up.to + up.start[i];
        s->parent_count = up.start[i + 1] - up.start[i];
    }
    t->edge_count = at;
    return 0;
}

static int alloc_steps(struct reader *r, uint32_t count)
{
    struct template *t = r->t;
    t->step_count = count;
    t->steps = arena_alloc(&t->arena, count * sizeof *t->steps);
    t->order = arena_alloc(&t->arena, count * sizeof *t->order);
    t->by_name = arena_alloc(&t->arena, count * sizeof *t->by_name);
    t->named_step_ids = arena_alloc(&t->arena, count * sizeof *t->named_step_ids);
    r->steps = arena_alloc(&r->scratch, count * sizeof *r->steps);
    r->step_nodes = arena_alloc(&r->scratch, count * sizeof *r->step_nodes);
    return t->arena.failed || r->scratch.failed ? -1 : 0;
}

static bool out_of_memory(const struct reader *r)
{
    return r->t->arena.failed || r->scratch.failed || r->errors->arena.failed;
}

int template_build(struct reader *r)
{
    const struct yaml *list = r->top[TOP_STEPS];
    size_t count = list != NULL ? list->count : 0;
    if (count > TEMPLATE_MAX_STEPS) {
        reader_at(r, list, "%zu steps are too many, at most %d are allowed", count,
                  TEMPLATE_MAX_STEPS);
        count = 0;
    }
    build_top(r);
    if (alloc_steps(r, (uint32_t)count) < 0)
        return -1;
    uint32_t i = 0;
    for (const struct yaml *node = list != NULL ? list->child : NULL; i < count; node = node->next)
        build_step(r, i++, node);
    if (out_of_memory(r))
        return -1;
    struct edges e;
    struct graph down = {.nodes = 0};
    build_names(r);
    check_named(r);
    if (collect_edges(r, &e) < 0 || build_levels(r, &e, &down) < 0 || build_links(r, &e, &down) < 0)
        return -1;
    return out_of_memory(r) ? -1 : 0;
}
