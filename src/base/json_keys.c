// SPDX-License-Identifier: MIT
// json_keys.c - the stack of the keys of open objects.
//
// When an object ends, its keys are compared in pairs if they are few, and sorted if they are many. Sorting by hash and
// then by meaning costs n log n whatever the keys are, so no text can be written to make it slow, as it could be for a
// hash table.
#include "base/json_keys.h"

#include <stdlib.h>
#include <string.h>

#include "base/json_lex.h"
#include "base/mem.h"
#include "base/utf8.h"

#define PAIRWISE_MAX 16

void json_keys_init(struct json_keys *keys, const char *text)
{
    keys->text = text;
    keys->items = keys->room;
    keys->count = 0;
    keys->cap = JSON_KEYS_INLINE;
}

void json_keys_done(struct json_keys *keys)
{
    if (keys->items != keys->room)
        mem_free(keys->items);
    json_keys_init(keys, NULL);
}

// FNV-1a over what the key means.
static uint32_t hash_key(struct span key, bool escaped)
{
    uint32_t hash = 2166136261u;
    const char *p = key.p, *end = key.p + key.len;

    if (!escaped) {
        for (; p < end; p++)
            hash = (hash ^ (unsigned char)*p) * 16777619u;
        return hash;
    }
    while (p < end) {
        uint32_t c = 0;
        char bytes[4];
        p += json_next_char(p, end, &c);
        size_t len = utf8_encode(c, bytes);
        for (size_t i = 0; i < len; i++)
            hash = (hash ^ (unsigned char)bytes[i]) * 16777619u;
    }
    return hash;
}

static bool grow(struct json_keys *keys)
{
    if (keys->items != keys->room)
        return mem_grow(&keys->items, &keys->cap, keys->count + 1, sizeof(*keys->items)) == 0;
    struct json_key *items = mem_alloc(2 * sizeof(keys->room));
    if (items == NULL)
        return false;
    memcpy(items, keys->room, sizeof(keys->room));
    keys->items = items;
    keys->cap = 2 * JSON_KEYS_INLINE;
    return true;
}

bool json_keys_push(struct json_keys *keys, struct span key, bool escaped)
{
    if (keys->count == keys->cap && !grow(keys))
        return false;
    keys->items[keys->count++] = (struct json_key){
        .hash = hash_key(key, escaped),
        .at = (uint32_t)(key.p - keys->text),
        .len = (uint32_t)key.len,
    };
    return true;
}

// Orders keys by what they mean, escapes resolved.
static int compare_text(struct span a, struct span b)
{
    const char *p = a.p, *p_end = a.p + a.len, *q = b.p, *q_end = b.p + b.len;

    while (p < p_end && q < q_end) {
        uint32_t c = 0, d = 0;
        p += json_next_char(p, p_end, &c);
        q += json_next_char(q, q_end, &d);
        if (c != d)
            return c < d ? -1 : 1;
    }
    return (p < p_end) - (q < q_end);
}

static struct span contents(const struct json_key *k, const char *text)
{
    return (struct span){text + k->at, k->len};
}

static int compare_meaning(const struct json_key *a, const struct json_key *b, const char *text)
{
    if (a->hash != b->hash)
        return a->hash < b->hash ? -1 : 1;
    struct span p = contents(a, text), q = contents(b, text);
    return span_eq(p, q) ? 0 : compare_text(p, q);
}

static int compare_keys(const void *a, const void *b, void *text)
{
    const struct json_key *p = a, *q = b;
    int order = compare_meaning(p, q, text);

    return order != 0 ? order : (p->at > q->at) - (p->at < q->at);
}

static const struct json_key *search_pairs(const struct json_key *list, size_t n, const char *text)
{
    for (size_t i = 1; i < n; i++)
        for (size_t j = 0; j < i; j++)
            if (list[i].hash == list[j].hash && compare_meaning(&list[i], &list[j], text) == 0)
                return &list[i];
    return NULL;
}

static const struct json_key *search_sorted(struct json_key *list, size_t n, const char *text)
{
    const struct json_key *found = NULL;

    qsort_r(list, n, sizeof(*list), compare_keys, (void *)(uintptr_t)text);
    for (size_t i = 1; i < n; i++)
        if (compare_meaning(&list[i - 1], &list[i], text) == 0 && (found == NULL || list[i].at < found->at))
            found = &list[i];
    return found;
}

bool json_keys_pop(struct json_keys *keys, size_t first, struct span *ret_twice)
{
    struct json_key *list = keys->items + first;
    size_t n = keys->count - first;
    const struct json_key *twice =
        n <= PAIRWISE_MAX ? search_pairs(list, n, keys->text) : search_sorted(list, n, keys->text);

    keys->count = first;
    if (twice != NULL)
        *ret_twice = contents(twice, keys->text);
    return twice != NULL;
}
