// SPDX-License-Identifier: MIT
// schema_check.c - the rules for numbers, strings, arrays and objects. Work is linear in the value,
// or n log n where properties are looked up and items compared.
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "model/schema_run.h"

// Quoted values in messages are cut to this.
#define SHOWN 80

static int shown(struct span s)
{
    return s.len < SHOWN ? (int)s.len : SHOWN;
}

// ---- numbers

static bool at_least(int order)
{
    return order >= 0;
}

static bool at_most(int order)
{
    return order <= 0;
}

static bool above(int order)
{
    return order > 0;
}

static bool below(int order)
{
    return order < 0;
}

bool check_number(struct run *r, const struct number_rules *rules, const struct json *v,
                  const struct place *at)
{
    const struct {
        struct span limit;
        bool (*fits)(int order);
        const char *text;
    } limits[] = {
        {rules->minimum, at_least, "at least"},
        {rules->maximum, at_most, "at most"},
        {rules->above, above, "more than"},
        {rules->below, below, "less than"},
    };
    struct decimal value = decimal_of(v->raw);
    bool good = true;
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        if (limits[i].limit.p == NULL)
            continue;
        struct decimal limit = decimal_of(limits[i].limit);
        if (!limits[i].fits(decimal_compare(&value, &limit)))
            good = run_fail(r, at, "must be %s %.*s", limits[i].text, shown(limits[i].limit),
                            limits[i].limit.p);
    }
    if (rules->multiple.p != NULL) {
        struct decimal divisor = decimal_of(rules->multiple);
        if (!decimal_divides(&divisor, &value))
            good = run_fail(r, at, "must be a multiple of %.*s", shown(rules->multiple),
                            rules->multiple.p);
    }
    return good;
}

// ---- strings

// Whether a pattern matches; an answer that takes too long stops the run.
static bool matches(struct run *r, const struct pattern *p, struct span text,
                    const struct place *at)
{
    int rc = pattern_matches(p, text);
    if (rc == TASKER_E_NOMEM)
        r->nomem = true;
    if (rc < 0)
        return run_stop(r, at, "takes too long to match with a pattern of the schema");
    return rc == 1;
}

bool check_text(struct run *r, const struct text_rules *rules, const struct json *v,
                const struct place *at)
{
    bool good = true;
    int64_t length = (int64_t)utf8_count(v->str.p, v->str.len);
    if (rules->min >= 0 && length < rules->min)
        good = run_fail(r, at, "must have at least %lld characters", (long long)rules->min);
    if (rules->max >= 0 && length > rules->max)
        good = run_fail(r, at, "must have at most %lld characters", (long long)rules->max);
    if (rules->pattern != NULL && !matches(r, rules->pattern, v->str, at))
        good = run_fail(r, at, "must match the pattern %.*s", shown(rules->pattern_text),
                        rules->pattern_text.p);
    return good;
}

// ---- arrays

struct hashed {
    uint64_t hash;
    size_t index;
    const struct json *value;
};

static int compare_hashed(const void *a, const void *b)
{
    const struct hashed *x = a, *y = b;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

// Looks for equals among items of the same hash, which stand side by side.
static bool find_twins(struct run *r, const struct hashed *items, size_t count,
                       const struct place *at)
{
    for (size_t i = 0; i < count; i++)
        for (size_t k = i + 1; k < count && items[k].hash == items[i].hash; k++) {
            if (!run_spend(r, at, 1))
                return false;
            if (json_equal(items[i].value, items[k].value))
                return run_fail(r, at, "must not hold the same item twice ([%zu] and [%zu])",
                                items[i].index, items[k].index);
        }
    return true;
}

static bool check_unique(struct run *r, const struct json *v, const struct place *at)
{
    struct hashed *items = mem_alloc(v->count * sizeof *items);
    size_t count = 0;
    if (items == NULL) {
        r->nomem = true;
        return run_stop(r, at, "out of memory");
    }
    for (const struct json *item = v->child; item != NULL; item = item->next, count++)
        items[count] = (struct hashed){.hash = value_hash(item), .index = count, .value = item};
    if (count > 1)
        qsort(items, count, sizeof *items, compare_hashed);
    bool good = find_twins(r, items, count, at);
    mem_free(items);
    return good;
}

static bool check_contains(struct run *r, const struct node *wanted, const struct json *v,
                           const struct place *at)
{
    struct place inside = {.up = at};
    for (const struct json *item = v->child; item != NULL; item = item->next, inside.index++)
        if (run_quiet(r, wanted, item, &inside))
            return true;
    return run_fail(r, at, "must hold an item as \"contains\" describes it");
}

static const struct node *node_of_item(const struct array_rules *rules, size_t i)
{
    if (!rules->has_tuple)
        return rules->items;
    return i < rules->tuple_count ? rules->tuple[i] : rules->additional;
}

static bool check_items(struct run *r, const struct array_rules *rules, const struct json *v,
                        const struct place *at)
{
    bool good = true;
    struct place inside = {.up = at};
    for (const struct json *item = v->child; item != NULL; item = item->next, inside.index++) {
        const struct node *n = node_of_item(rules, inside.index);
        if (n == NULL || run_node(r, n, item, &inside))
            continue;
        good = false;
        if (!run_go_on(r))
            break;
    }
    return good;
}

bool check_array(struct run *r, const struct array_rules *rules, const struct json *v,
                 const struct place *at)
{
    bool good = true;
    int64_t count = (int64_t)v->count;
    if (rules->min >= 0 && count < rules->min)
        good = run_fail(r, at, "must have at least %lld items", (long long)rules->min);
    if (rules->max >= 0 && count > rules->max)
        good = run_fail(r, at, "must have at most %lld items", (long long)rules->max);
    if (rules->unique && (good || run_go_on(r)) && !check_unique(r, v, at))
        good = false;
    if (rules->contains != NULL && (good || run_go_on(r)) &&
        !check_contains(r, rules->contains, v, at))
        good = false;
    if ((rules->items != NULL || rules->has_tuple) && (good || run_go_on(r)) &&
        !check_items(r, rules, v, at))
        good = false;
    return good;
}

// ---- objects

// The place of a name in the table, or the count when it is not there.
static size_t find_property(const struct object_rules *rules, struct span name)
{
    size_t low = 0, high = rules->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        struct span other = rules->table[middle]->name;
        size_t common = other.len < name.len ? other.len : name.len;
        int order = common > 0 ? memcmp(other.p, name.p, common) : 0;
        if (order < 0 || (order == 0 && other.len < name.len))
            low = middle + 1;
        else
            high = middle;
    }
    return low < rules->count && span_eq(rules->table[low]->name, name) ? low : rules->count;
}

static bool member_missing(const struct json *object, struct span name)
{
    for (const struct json *m = object->child; m != NULL; m = m->next)
        if (span_eq(m->key, name))
            return false;
    return true;
}

static bool check_companions(struct run *r, const struct property *p, const struct json *v,
                             const struct place *at)
{
    bool good = true;
    for (const struct json *name = p->companions->child; name != NULL; name = name->next) {
        if (!run_spend(r, at, v->count))
            return false;
        if (member_missing(v, name->str))
            good = run_fail(r, at, "must have \"%.*s\", because it has \"%.*s\"", shown(name->str),
                            name->str.p, shown(p->name), p->name.p);
    }
    return good;
}

static bool check_table(struct run *r, const struct object_rules *rules, const bool *seen,
                        const struct json *v, const struct place *at)
{
    bool good = true;
    for (size_t i = 0; i < rules->count && (good || run_go_on(r)); i++) {
        const struct property *p = rules->table[i];
        if (!seen[i] && p->required)
            good = run_fail(r, at, "must have \"%.*s\"", shown(p->name), p->name.p);
        if (seen[i] && p->companions != NULL && !check_companions(r, p, v, at))
            good = false;
        if (seen[i] && p->dependency != NULL && !run_node(r, p->dependency, v, at))
            good = false;
    }
    return good;
}

// What is there and what is missing.
static bool check_presence(struct run *r, const struct object_rules *rules, const struct json *v,
                           const struct place *at)
{
    bool *seen = mem_alloc(rules->count * sizeof *seen);
    if (seen == NULL) {
        r->nomem = true;
        return run_stop(r, at, "out of memory");
    }
    for (const struct json *m = v->child; m != NULL; m = m->next) {
        size_t i = find_property(rules, m->key);
        if (i < rules->count)
            seen[i] = true;
    }
    bool good = check_table(r, rules, seen, v, at);
    mem_free(seen);
    return good;
}

// A member is described by its name, by every pattern that its name matches, or else by
// "additionalProperties".
static bool check_member(struct run *r, const struct object_rules *rules, const struct json *m,
                         const struct place *at)
{
    size_t i = find_property(rules, m->key);
    const struct property *p = i < rules->count && rules->table[i]->listed ? rules->table[i] : NULL;
    bool good = p == NULL || run_node(r, p->node, m, at), described = p != NULL;
    for (const struct pattern_property *q = rules->patterns; q != NULL && (good || run_go_on(r));
         q = q->next) {
        if (!matches(r, q->pattern, m->key, at))
            continue;
        described = true;
        if (!run_node(r, q->node, m, at))
            good = false;
    }
    if (described || !(good || run_go_on(r)))
        return good;
    if (rules->closed)
        return run_fail(r, at, "is not a property that the schema knows");
    return rules->additional == NULL || run_node(r, rules->additional, m, at);
}

static bool check_members(struct run *r, const struct object_rules *rules, const struct json *v,
                          const struct place *at)
{
    bool good = true;
    for (const struct json *m = v->child; m != NULL; m = m->next) {
        struct place inside = {.up = at, .key = m->key.p != NULL ? m->key : SPAN("")};
        const struct json name = {.type = JSON_STRING, .raw = m->key, .str = m->key};
        bool fits = rules->names == NULL || run_node(r, rules->names, &name, &inside);
        if ((fits || run_go_on(r)) && !check_member(r, rules, m, &inside))
            fits = false;
        good = good && fits;
        if (!good && !run_go_on(r))
            break;
    }
    return good;
}

bool check_object(struct run *r, const struct object_rules *rules, const struct json *v,
                  const struct place *at)
{
    bool good = true;
    int64_t count = (int64_t)v->count;
    if (rules->min >= 0 && count < rules->min)
        good = run_fail(r, at, "must have at least %lld properties", (long long)rules->min);
    if (rules->max >= 0 && count > rules->max)
        good = run_fail(r, at, "must have at most %lld properties", (long long)rules->max);
    if ((good || run_go_on(r)) && rules->count > 0 && !check_presence(r, rules, v, at))
        good = false;
    if ((good || run_go_on(r)) && !check_members(r, rules, v, at))
        good = false;
    return good;
}
