// SPDX-License-Identifier: MIT
// schema_keywords.c - one table of keywords, each with a function that checks its value and files
// it in the node. Unknown keywords, `format` and annotations say nothing and are skipped.
//
// A new keyword is a row in the table, a function here, a field in the node and a check in
// schema_check.c.
#include <stdlib.h>
#include <string.h>

#include "model/schema_private.h"

struct keyword {
    const char *name;
    int (*compile)(struct schema *s, struct node *n, const struct json *value, tasker_error *err);
};

// The groups of a node are made when something speaks of them.
static void *group(struct schema *s, void *present, size_t size)
{
    return present != NULL ? present : arena_alloc(&s->arena, size);
}

static struct number_rules *number_group(struct schema *s, struct node *n)
{
    return n->number = group(s, n->number, sizeof *n->number);
}

static struct text_rules *text_group(struct schema *s, struct node *n)
{
    bool fresh = n->text == NULL;
    n->text = group(s, n->text, sizeof *n->text);
    if (fresh && n->text != NULL)
        n->text->min = n->text->max = -1;
    return n->text;
}

static struct array_rules *array_group(struct schema *s, struct node *n)
{
    bool fresh = n->array == NULL;
    n->array = group(s, n->array, sizeof *n->array);
    if (fresh && n->array != NULL)
        n->array->min = n->array->max = -1;
    return n->array;
}

static struct object_rules *object_group(struct schema *s, struct node *n)
{
    bool fresh = n->object == NULL;
    n->object = group(s, n->object, sizeof *n->object);
    if (fresh && n->object != NULL)
        n->object->min = n->object->max = -1;
    return n->object;
}

// ---- keywords of any value

static const struct {
    const char *name;
    unsigned bits;
    bool integer;
} type_names[] = {
    {"null", 1u << JSON_NULL, false},     {"boolean", 1u << JSON_BOOL, false},
    {"number", 1u << JSON_NUMBER, false}, {"string", 1u << JSON_STRING, false},
    {"array", 1u << JSON_ARRAY, false},   {"object", 1u << JSON_OBJECT, false},
    {"integer", 1u << JSON_NUMBER, true},
};

static int add_type(struct schema *s, struct node *n, const struct json *name, tasker_error *err)
{
    int rc = schema_expect(s, name, JSON_STRING, err);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < sizeof type_names / sizeof type_names[0]; i++) {
        if (!span_is(name->str, type_names[i].name))
            continue;
        bool number_before = (n->types & (1u << JSON_NUMBER)) != 0 && !n->integer;
        n->integer = type_names[i].integer ? !number_before
                                           : n->integer && type_names[i].bits != 1u << JSON_NUMBER;
        n->types |= type_names[i].bits;
        return 0;
    }
    return schema_fail(s, name, err, "\"%.*s\" is no type",
                       name->str.len < 100 ? (int)name->str.len : 100, name->str.p);
}

static int compile_type(struct schema *s, struct node *n, const struct json *value,
                        tasker_error *err)
{
    if (value->type != JSON_ARRAY)
        return add_type(s, n, value, err);
    int rc = value->count > 0 ? 0 : schema_fail(s, value, err, "must name a type");
    for (const struct json *item = value->child; item != NULL && rc == 0; item = item->next)
        rc = add_type(s, n, item, err);
    return rc;
}

static int compile_enum(struct schema *s, struct node *n, const struct json *value,
                        tasker_error *err)
{
    n->values = value;
    return schema_expect(s, value, JSON_ARRAY, err);
}

static int compile_const(struct schema *s, struct node *n, const struct json *value,
                         tasker_error *err)
{
    (void)s;
    (void)err;
    n->constant = value;
    return 0;
}

#define BRANCH_KEYWORD(function, field)                                                            \
    static int function(struct schema *s, struct node *n, const struct json *value,                \
                        tasker_error *err)                                                         \
    {                                                                                              \
        if (value->type == JSON_ARRAY && value->count == 0)                                        \
            return schema_fail(s, value, err, "must hold a schema");                               \
        return schema_children(s, n, value, &n->field, err);                                       \
    }
BRANCH_KEYWORD(compile_all, all)
BRANCH_KEYWORD(compile_any, any)
BRANCH_KEYWORD(compile_one, one)

#define NODE_KEYWORD(function, field)                                                              \
    static int function(struct schema *s, struct node *n, const struct json *value,                \
                        tasker_error *err)                                                         \
    {                                                                                              \
        return schema_child(s, n, value, &n->field, err);                                          \
    }
NODE_KEYWORD(compile_not, not_)
NODE_KEYWORD(compile_if, if_)
NODE_KEYWORD(compile_then, then_)
NODE_KEYWORD(compile_else, else_)

// ---- keywords of one type of value

// Sizes that no value can have are cut to what fits.
static int read_size(const struct schema *s, const struct json *value, int64_t *ret,
                     tasker_error *err)
{
    int rc = schema_expect(s, value, JSON_NUMBER, err);
    if (rc < 0)
        return rc;
    struct decimal d = decimal_of(value->raw);
    if (!decimal_whole(&d) || (d.negative && d.count > 0))
        return schema_fail(s, value, err, "must be a whole number from 0 on");
    int64_t size;
    *ret = json_int(value, &size) ? size : INT64_MAX;
    return 0;
}

#define SIZE_KEYWORD(function, make, field)                                                        \
    static int function(struct schema *s, struct node *n, const struct json *value,                \
                        tasker_error *err)                                                         \
    {                                                                                              \
        return make(s, n) == NULL ? err_nomem(err) : read_size(s, value, &make(s, n)->field, err); \
    }
SIZE_KEYWORD(compile_min_length, text_group, min)
SIZE_KEYWORD(compile_max_length, text_group, max)
SIZE_KEYWORD(compile_min_items, array_group, min)
SIZE_KEYWORD(compile_max_items, array_group, max)
SIZE_KEYWORD(compile_min_properties, object_group, min)
SIZE_KEYWORD(compile_max_properties, object_group, max)

#define LIMIT_KEYWORD(function, field)                                                             \
    static int function(struct schema *s, struct node *n, const struct json *value,                \
                        tasker_error *err)                                                         \
    {                                                                                              \
        if (number_group(s, n) == NULL)                                                            \
            return err_nomem(err);                                                                 \
        n->number->field = value->raw;                                                             \
        return schema_expect(s, value, JSON_NUMBER, err);                                          \
    }
LIMIT_KEYWORD(compile_minimum, minimum)
LIMIT_KEYWORD(compile_maximum, maximum)
LIMIT_KEYWORD(compile_above, above)
LIMIT_KEYWORD(compile_below, below)
LIMIT_KEYWORD(keep_multiple, multiple)

static int compile_multiple(struct schema *s, struct node *n, const struct json *value,
                            tasker_error *err)
{
    int rc = keep_multiple(s, n, value, err);
    if (rc < 0)
        return rc;
    struct decimal d = decimal_of(value->raw);
    if (d.count == 0 || d.negative)
        return schema_fail(s, value, err, "must be greater than 0");
    if (d.count > DIVISOR_DIGITS)
        return schema_fail(s, value, err, "must not have more than %d digits", DIVISOR_DIGITS);
    return 0;
}

static int make_pattern(struct schema *s, const struct json *at, struct span text,
                        struct pattern **ret, tasker_error *err)
{
    tasker_error why = {0};
    struct pattern_link *link = arena_alloc(&s->arena, sizeof *link);
    int rc = link != NULL ? pattern_compile(text, &link->pattern, &why) : TASKER_E_NOMEM;
    if (rc == TASKER_E_NOMEM)
        return err_nomem(err);
    if (rc < 0)
        return schema_fail(s, at, err, "is no regular expression: %s", why.message);
    link->next = s->patterns;
    s->patterns = link;
    *ret = link->pattern;
    return 0;
}

static int compile_pattern(struct schema *s, struct node *n, const struct json *value,
                           tasker_error *err)
{
    int rc = schema_expect(s, value, JSON_STRING, err);
    if (rc < 0)
        return rc;
    if (text_group(s, n) == NULL)
        return err_nomem(err);
    n->text->pattern_text = value->str;
    return make_pattern(s, value, value->str, &n->text->pattern, err);
}

static int compile_items(struct schema *s, struct node *n, const struct json *value,
                         tasker_error *err)
{
    if (array_group(s, n) == NULL)
        return err_nomem(err);
    if (value->type != JSON_ARRAY)
        return schema_child(s, n, value, &n->array->items, err);
    struct branches b;
    int rc = schema_children(s, n, value, &b, err);
    if (rc < 0)
        return rc;
    n->array->has_tuple = true;
    n->array->tuple = b.nodes;
    n->array->tuple_count = b.count;
    return 0;
}

static int compile_unique(struct schema *s, struct node *n, const struct json *value,
                          tasker_error *err)
{
    if (array_group(s, n) == NULL)
        return err_nomem(err);
    n->array->unique = value->truth;
    return schema_expect(s, value, JSON_BOOL, err);
}

#define GROUP_NODE_KEYWORD(function, make, field)                                                  \
    static int function(struct schema *s, struct node *n, const struct json *value,                \
                        tasker_error *err)                                                         \
    {                                                                                              \
        return make(s, n) == NULL ? err_nomem(err)                                                 \
                                  : schema_child(s, n, value, &make(s, n)->field, err);            \
    }
GROUP_NODE_KEYWORD(compile_additional_items, array_group, additional)
GROUP_NODE_KEYWORD(compile_contains, array_group, contains)
GROUP_NODE_KEYWORD(compile_additional_properties, object_group, additional)
GROUP_NODE_KEYWORD(compile_names, object_group, names)

// Adds to the list; entries of the same name are joined when the table is made.
static struct property *add_property(struct schema *s, struct node *n, struct span name)
{
    struct object_rules *o = object_group(s, n);
    struct property *p = arena_alloc(&s->arena, sizeof *p);
    if (o == NULL || p == NULL)
        return NULL;
    p->name = name;
    p->next = o->list;
    o->list = p;
    o->count++;
    return p;
}

static int compile_properties(struct schema *s, struct node *n, const struct json *value,
                              tasker_error *err)
{
    int rc = schema_expect(s, value, JSON_OBJECT, err);
    if (rc == 0 && object_group(s, n) == NULL)
        rc = err_nomem(err);
    if (rc < 0)
        return rc;
    n->object->has_properties = true;
    for (const struct json *item = value->child; item != NULL && rc == 0; item = item->next) {
        struct property *p = add_property(s, n, item->key);
        if (p == NULL)
            return err_nomem(err);
        p->listed = true;
        p->has_default = json_get(item, "default") != NULL;
        rc = schema_child(s, n, item, &p->node, err);
    }
    return rc;
}

static int check_strings(const struct schema *s, const struct json *list, tasker_error *err)
{
    int rc = schema_expect(s, list, JSON_ARRAY, err);
    for (const struct json *item = list->child; item != NULL && rc == 0; item = item->next)
        rc = schema_expect(s, item, JSON_STRING, err);
    return rc;
}

static int compile_required(struct schema *s, struct node *n, const struct json *value,
                            tasker_error *err)
{
    int rc = check_strings(s, value, err);
    for (const struct json *item = value->child; item != NULL && rc == 0; item = item->next) {
        struct property *p = add_property(s, n, item->str);
        if (p == NULL)
            return err_nomem(err);
        p->required = true;
    }
    return rc;
}

static int compile_patterns(struct schema *s, struct node *n, const struct json *value,
                            tasker_error *err)
{
    int rc = schema_expect(s, value, JSON_OBJECT, err);
    if (rc == 0 && object_group(s, n) == NULL)
        rc = err_nomem(err);
    for (const struct json *item = value->child; item != NULL && rc == 0; item = item->next) {
        struct pattern_property *p = arena_alloc(&s->arena, sizeof *p);
        if (p == NULL)
            return err_nomem(err);
        rc = make_pattern(s, item, item->key, &p->pattern, err);
        if (rc == 0)
            rc = schema_child(s, n, item, &p->node, err);
        p->next = n->object->patterns;
        n->object->patterns = p;
    }
    return rc;
}

static int compile_dependencies(struct schema *s, struct node *n, const struct json *value,
                                tasker_error *err)
{
    int rc = schema_expect(s, value, JSON_OBJECT, err);
    for (const struct json *item = value->child; item != NULL && rc == 0; item = item->next) {
        struct property *p = add_property(s, n, item->key);
        if (p == NULL)
            return err_nomem(err);
        if (item->type == JSON_ARRAY) {
            p->companions = item;
            rc = check_strings(s, item, err);
        } else {
            rc = schema_child(s, n, item, &p->dependency, err);
        }
    }
    return rc;
}

static const struct keyword keywords[] = {
    {"type", compile_type},
    {"enum", compile_enum},
    {"const", compile_const},
    {"allOf", compile_all},
    {"anyOf", compile_any},
    {"oneOf", compile_one},
    {"not", compile_not},
    {"if", compile_if},
    {"then", compile_then},
    {"else", compile_else},
    {"minimum", compile_minimum},
    {"maximum", compile_maximum},
    {"exclusiveMinimum", compile_above},
    {"exclusiveMaximum", compile_below},
    {"multipleOf", compile_multiple},
    {"minLength", compile_min_length},
    {"maxLength", compile_max_length},
    {"pattern", compile_pattern},
    {"items", compile_items},
    {"additionalItems", compile_additional_items},
    {"contains", compile_contains},
    {"minItems", compile_min_items},
    {"maxItems", compile_max_items},
    {"uniqueItems", compile_unique},
    {"properties", compile_properties},
    {"patternProperties", compile_patterns},
    {"additionalProperties", compile_additional_properties},
    {"propertyNames", compile_names},
    {"required", compile_required},
    {"dependencies", compile_dependencies},
    {"minProperties", compile_min_properties},
    {"maxProperties", compile_max_properties},
};

// ---- objects

static int compare_properties(const void *a, const void *b)
{
    const struct property *const *p = a, *const *q = b;
    struct span x = (*p)->name, y = (*q)->name;
    size_t common = x.len < y.len ? x.len : y.len;
    int order = common > 0 ? memcmp(x.p, y.p, common) : 0;
    return order != 0 ? order : (x.len > y.len) - (x.len < y.len);
}

static void join(struct property *into, const struct property *from)
{
    into->listed |= from->listed;
    into->required |= from->required;
    into->has_default |= from->has_default;
    into->node = into->node != NULL ? into->node : from->node;
    into->dependency = into->dependency != NULL ? into->dependency : from->dependency;
    into->companions = into->companions != NULL ? into->companions : from->companions;
}

// Sorts the properties into a table with one entry per name, and applies the strict rule.
int schema_close(struct schema *s, struct node *n, tasker_error *err)
{
    struct object_rules *o = n->object;
    o->closed = s->strict && !n->foreign && o->has_properties;
    o->table = arena_alloc(&s->arena, o->count * sizeof *o->table);
    if (o->table == NULL)
        return err_nomem(err);
    size_t count = 0;
    for (struct property *p = o->list; p != NULL; p = p->next)
        o->table[count++] = p;
    if (count > 1)
        qsort(o->table, count, sizeof *o->table, compare_properties);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && span_eq(o->table[kept - 1]->name, o->table[i]->name))
            join(o->table[kept - 1], o->table[i]);
        else
            o->table[kept++] = o->table[i];
    }
    o->count = kept;
    for (size_t i = 0; i < kept && o->closed; i++)
        o->table[i]->required =
            (o->table[i]->required || o->table[i]->listed) && !o->table[i]->has_default;
    return 0;
}

int schema_keyword(struct schema *s, struct node *n, const struct json *member, tasker_error *err)
{
    for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++)
        if (span_is(member->key, keywords[i].name))
            return keywords[i].compile(s, n, member, err);
    return 0;
}
