// SPDX-License-Identifier: MIT
// schema_compile.c - from the text of a schema to nodes.
//
// Nodes are made when something leads to them and compiled from a list, not by recursion, so that
// no text can exhaust the stack. In the end a search follows everything that applies to the same
// value (references, allOf, if, ...): a circle there would never come to an end and is refused.
#include <stdio.h>
#include <string.h>

#include "model/schema_private.h"

// Longest chain of schemas that apply to one value.
#define CHAIN_MAX 200

// ---- errors

// Writes the path of `target`, when it is somewhere below `json`.
static bool path_to(const struct json *json, const struct json *target, char *text, size_t size,
                    size_t used)
{
    if (json == target)
        return true;
    size_t i = 0;
    for (const struct json *item = json->child; item != NULL; item = item->next, i++) {
        int n = json->type == JSON_OBJECT
                    ? snprintf(text + used, size - used, ".%.*s", (int)item->key.len, item->key.p)
                    : snprintf(text + used, size - used, "[%zu]", i);
        size_t next = used + (n > 0 ? (size_t)n : 0);
        if (path_to(item, target, text, size, next < size ? next : size - 1))
            return true;
    }
    text[used] = '\0';
    return false;
}

int schema_fail(const struct schema *s, const struct json *at, tasker_error *err, const char *fmt,
                ...)
{
    char message[400], path[180] = "$";
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    (void)path_to(s->root_json, at, path, sizeof path, 1);
    err_set(err, TASKER_E_INVALID, "%s", message);
    err_where(err, 0, 0, "%s", path);
    return TASKER_E_INVALID;
}

int schema_expect(const struct schema *s, const struct json *value, enum json_type type,
                  tasker_error *err)
{
    if (value->type == type)
        return 0;
    return schema_fail(s, value, err, "must be %s %s, this is %s",
                       strchr("ao", json_type_name(type)[0]) ? "an" : "a", json_type_name(type),
                       json_type_name(value->type));
}

// ---- nodes

static size_t bucket_of(const struct json *json)
{
    return ((uintptr_t)json >> 4) % NODE_BUCKETS;
}

struct node *schema_node(struct schema *s, const struct json *json, const char *base, bool foreign)
{
    size_t bucket = bucket_of(json);
    for (struct node *n = s->buckets[bucket]; n != NULL; n = n->next_in_bucket)
        if (n->json == json)
            return n;
    struct node *n = arena_alloc(&s->arena, sizeof *n);
    if (n == NULL || base == NULL)
        return NULL;
    n->json = json;
    n->base = base;
    n->foreign = foreign;
    n->next_in_bucket = s->buckets[bucket];
    s->buckets[bucket] = n;
    if (s->last != NULL)
        s->last->next_in_order = n;
    else
        s->first = n;
    s->last = n;
    if (s->todo == NULL)
        s->todo = n;
    return n;
}

int schema_child(struct schema *s, const struct node *n, const struct json *value,
                 struct node **ret, tasker_error *err)
{
    if (value->type != JSON_OBJECT && value->type != JSON_BOOL)
        return schema_fail(s, value, err, "must be a schema (an object, true or false), this is %s",
                           json_type_name(value->type));
    struct node *child = schema_node(s, value, refs_base(s, value, n->base), n->foreign);
    if (child == NULL)
        return err_nomem(err);
    *ret = child;
    return 0;
}

int schema_children(struct schema *s, const struct node *n, const struct json *value,
                    struct branches *ret, tasker_error *err)
{
    int rc = schema_expect(s, value, JSON_ARRAY, err);
    if (rc < 0)
        return rc;
    struct branches b = {.nodes = arena_alloc(&s->arena, value->count * sizeof(struct node *))};
    if (b.nodes == NULL)
        return err_nomem(err);
    for (const struct json *item = value->child; item != NULL; item = item->next) {
        rc = schema_child(s, n, item, &b.nodes[b.count++], err);
        if (rc < 0)
            return rc;
    }
    *ret = b;
    return 0;
}

// ---- a node

static int compile_node(struct schema *s, struct node *n, tasker_error *err)
{
    if (n->json->type == JSON_BOOL) {
        n->never = !n->json->truth;
        return 0;
    }
    const struct json *ref = json_get(n->json, "$ref");
    if (ref != NULL) {
        int rc = schema_expect(s, ref, JSON_STRING, err);
        return rc < 0 ? rc : refs_find(s, n, ref, &n->ref, err);
    }
    int rc = 0;
    for (const struct json *member = n->json->child; member != NULL && rc == 0;
         member = member->next)
        rc = schema_keyword(s, n, member, err);
    return rc == 0 && n->object != NULL ? schema_close(s, n, err) : rc;
}

// ---- endless references

enum { UNSEEN, OPEN, SEEN };

static int check_chain(const struct schema *s, struct node *n, int depth, tasker_error *err);

// The longest chain below one of the branches, or an error.
static int check_branches(const struct schema *s, const struct branches *b, int depth,
                          tasker_error *err)
{
    int most = 0;
    for (size_t i = 0; i < b->count; i++) {
        int height = b->nodes[i] != NULL ? check_chain(s, b->nodes[i], depth, err) : 0;
        if (height < 0)
            return height;
        most = height > most ? height : most;
    }
    return most;
}

static int check_dependencies(const struct schema *s, const struct object_rules *o, int depth,
                              tasker_error *err)
{
    int most = 0;
    for (size_t i = 0; o != NULL && i < o->count && most >= 0; i++) {
        int height = check_branches(s, &(struct branches){&o->table[i]->dependency, 1}, depth, err);
        most = height < 0 || height > most ? height : most;
    }
    return most;
}

// Follows all that applies to the same value. Returns the length of the longest chain from here, or
// an error.
static int check_chain(const struct schema *s, struct node *n, int depth, tasker_error *err)
{
    if (n->color == OPEN)
        return schema_fail(s, n->json, err, "applies to itself without end");
    if (depth + n->height >= CHAIN_MAX)
        return schema_fail(s, n->json, err, "more than %d schemas apply to one value in a row",
                           CHAIN_MAX);
    if (n->color == SEEN)
        return n->height;
    n->color = OPEN;
    struct node *single[] = {n->ref, n->not_, n->if_, n->then_, n->else_};
    const struct branches lone = {single, sizeof single / sizeof single[0]};
    const struct branches *lists[] = {&lone, &n->all, &n->any, &n->one};
    int most = check_dependencies(s, n->object, depth + 1, err);
    for (size_t i = 0; i < sizeof lists / sizeof lists[0] && most >= 0; i++) {
        int height = check_branches(s, lists[i], depth + 1, err);
        most = height < 0 || height > most ? height : most;
    }
    n->color = SEEN;
    n->height = most < 0 ? 0 : (uint16_t)(most + 1);
    return most < 0 ? most : most + 1;
}

// ---- the whole

static int compile_all_nodes(struct schema *s, tasker_error *err)
{
    while (s->todo != NULL) {
        int rc = compile_node(s, s->todo, err);
        if (rc < 0)
            return rc;
        s->todo = s->todo->next_in_order;
    }
    for (struct node *n = s->first; n != NULL; n = n->next_in_order) {
        int rc = check_chain(s, n, 0, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int compile_text(struct schema *s, struct span text, tasker_error *err)
{
    const char *copy = arena_dup(&s->arena, text.p, text.len);
    if (copy == NULL)
        return err_nomem(err);
    int rc = json_parse(&s->arena, (struct span){copy, text.len}, &s->root_json, err);
    if (rc < 0)
        return rc;
    if (refs_add(s, "", "", s->root_json, false) < 0 ||
        refs_collect(s, s->root_json, "", false) < 0)
        return err_nomem(err);
    static const struct node outside = {.base = ""};
    rc = schema_child(s, &outside, s->root_json, &s->root, err);
    return rc < 0 ? rc : compile_all_nodes(s, err);
}

int schema_compile(struct span text, bool strict, struct schema **ret, tasker_error *err)
{
    struct schema *s = mem_alloc(sizeof *s);
    if (s == NULL)
        return err_nomem(err);
    arena_init(&s->arena);
    s->strict = strict;
    int rc = compile_text(s, text, err);
    if (rc < 0)
        schema_free(s);
    else
        *ret = s;
    return rc;
}

void schema_free(struct schema *s)
{
    if (s == NULL)
        return;
    for (struct pattern_link *link = s->patterns; link != NULL; link = link->next)
        pattern_free(link->pattern);
    arena_done(&s->arena);
    mem_free(s);
}
