// SPDX-License-Identifier: MIT
// json_value.c - asking, comparing and rewriting indexed JSON.
//
// Objects are compared and put in order by sorting their members, so that no pair of texts costs quadratic time; only
// when there is no memory for that does the comparison fall back to looking through the members one by one.
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/json_lex.h"

#define FEW 16

const char *json_type_name(enum json_type type)
{
    static const char *const names[] = {
        [JSON_NULL] = "null",     [JSON_BOOL] = "boolean", [JSON_NUMBER] = "number",
        [JSON_STRING] = "string", [JSON_ARRAY] = "array",  [JSON_OBJECT] = "object",
    };

    return names[type];
}

const struct json *json_get(const struct json *object, const char *key)
{
    struct span wanted = span_of(key);

    if (object == NULL || object->type != JSON_OBJECT)
        return NULL;
    const struct json *m = object->child;
    while (m != NULL && !span_eq(m->key, wanted))
        m = m->next;
    return m;
}

const struct json *json_at(const struct json *container, size_t i)
{
    if (container == NULL || i >= container->count)
        return NULL;
    const struct json *child = container->child;
    while (i-- > 0)
        child = child->next;
    return child;
}

// ---- members in order

static int compare_bytes(struct span a, struct span b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common > 0 ? memcmp(a.p, b.p, common) : 0;

    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_keys(const void *a, const void *b)
{
    const struct json *const *m = a, *const *n = b;

    return compare_bytes((*m)->key, (*n)->key);
}

// Puts the `count` members from `first` on into `out`, sorted by key.
static void sort_members(const struct json *first, size_t count, const struct json **out)
{
    for (size_t i = 0; i < count; i++, first = first->next)
        out[i] = first;
    qsort(out, count, sizeof(struct json *), compare_keys);
}

// ---- equality

static bool equal_by_search(const struct json *a, const struct json *b)
{
    for (; a != NULL; a = a->next) {
        const struct json *m = b;
        while (m != NULL && !span_eq(m->key, a->key))
            m = m->next;
        if (m == NULL || !json_equal(a, m))
            return false;
    }
    return true;
}

// Compares the members from `a` on with those from `b` on, `count` of each, in any order.
static bool members_equal(const struct json *a, const struct json *b, size_t count)
{
    if (count <= FEW)
        return equal_by_search(a, b);
    CLEANUP(mem_freep) const struct json **sorted = mem_alloc(2 * count * sizeof(struct json *));
    if (sorted == NULL)
        return equal_by_search(a, b);
    sort_members(a, count, sorted);
    sort_members(b, count, sorted + count);
    for (size_t i = 0; i < count; i++)
        if (!span_eq(sorted[i]->key, sorted[count + i]->key))
            return false;
    for (size_t i = 0; i < count; i++)
        if (!json_equal(sorted[i], sorted[count + i]))
            return false;
    return true;
}

static bool children_equal(const struct json *a, const struct json *b)
{
    const struct json *m = a->child, *n = b->child;
    size_t left = a->count;

    if (a->count != b->count)
        return false;
    // Most objects that are equal have their keys in the same order.
    for (; m != NULL && span_eq(m->key, n->key); m = m->next, n = n->next, left--)
        if (!json_equal(m, n))
            return false;
    return left == 0 || members_equal(m, n, left);
}

bool json_equal(const struct json *a, const struct json *b)
{
    if (a->type != b->type)
        return false;
    switch (a->type) {
    case JSON_NULL:
        return true;
    case JSON_BOOL:
        return a->truth == b->truth;
    case JSON_NUMBER:
        return json_number_equal(a->str, b->str);
    case JSON_STRING:
        return span_eq(a->str, b->str);
    case JSON_ARRAY:
    case JSON_OBJECT:
        return children_equal(a, b);
    }
    return false;
}

// ---- rewriting

static const char *skip_string(const char *p)
{
    for (p++; *p != '"'; p++)
        p += *p == '\\';
    return p + 1;
}

void json_compact(struct buf *out, const struct json *v)
{
    const char *p = v->raw.p, *end = v->raw.p + v->raw.len;

    while (p < end) {
        const char *run = p;
        while (p < end && !json_is_space(*p))
            p = *p == '"' ? skip_string(p) : p + 1;
        buf_add(out, run, (size_t)(p - run));
        p = json_skip_space(p, end);
    }
}

static void canonical_object(struct buf *out, const struct json *v)
{
    const struct json *few[FEW], **sorted = few;
    CLEANUP(mem_freep) const struct json **many = NULL;

    if (v->count > FEW) {
        many = mem_alloc(v->count * sizeof(struct json *));
        if (many == NULL) {
            out->failed = true;
            return;
        }
        sorted = many;
    }
    sort_members(v->child, v->count, sorted);
    buf_char(out, '{');
    for (size_t i = 0; i < v->count; i++) {
        if (i > 0)
            buf_char(out, ',');
        json_escape(out, sorted[i]->key.p, sorted[i]->key.len);
        buf_char(out, ':');
        json_canonical(out, sorted[i]);
    }
    buf_char(out, '}');
}

static void canonical_array(struct buf *out, const struct json *v)
{
    buf_char(out, '[');
    for (const struct json *child = v->child; child != NULL; child = child->next) {
        if (child != v->child)
            buf_char(out, ',');
        json_canonical(out, child);
    }
    buf_char(out, ']');
}

void json_canonical(struct buf *out, const struct json *v)
{
    if (out->failed)
        return;
    if (v->type == JSON_OBJECT)
        canonical_object(out, v);
    else if (v->type == JSON_ARRAY)
        canonical_array(out, v);
    else if (v->type == JSON_STRING)
        json_escape(out, v->str.p, v->str.len);
    else
        buf_span(out, v->raw);
}
