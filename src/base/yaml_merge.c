// SPDX-License-Identifier: MIT
// yaml_merge.c - what happens when a mapping is complete: duplicate keys are found, a merge key is resolved.
//
// All members that want to be in the mapping, its own and those to be merged, are sorted by key and then by rank; the
// first of each key stays. A second one of the mapping's own is an error, a merged one just loses.
#include "base/yaml_merge.h"

#include <stdlib.h>
#include <string.h>

#define FEW 32

const char yaml_merge_key[] = "<<";

// A member that wants to be in a mapping.
struct candidate {
    struct yaml *node;
    size_t rank;  // lower ones win
    bool merged;
};

static int compare_candidates(const void *a, const void *b)
{
    const struct candidate *p = a, *q = b;
    int order = strcmp(p->node->key, q->node->key);

    return order != 0 ? order : (p->rank > q->rank) - (p->rank < q->rank);
}

// Finds the first member of the text whose key an earlier one has; takes the key off merged members that lose.
static struct yaml *settle_keys(struct candidate *list, size_t count)
{
    const struct candidate *twice = NULL;

    qsort(list, count, sizeof(*list), compare_candidates);
    for (size_t i = 1, first = 0; i < count; i++) {
        if (strcmp(list[i].node->key, list[first].node->key) != 0)
            first = i;
        else if (list[i].merged)
            list[i].node->key = NULL;
        else if (twice == NULL || list[i].rank < twice->rank)
            twice = &list[i];
    }
    return twice != NULL ? twice->node : NULL;
}

// The mappings that a merge value stands for: itself, or the elements of a sequence. `from` NULL asks for the first.
static struct yaml *next_source(struct yaml *value, struct yaml *from)
{
    if (value->type == YAML_MAPPING)
        return from == NULL ? value : NULL;
    return from == NULL ? value->child : from->next;
}

static int fail_at(tasker_error *err, const char *file, int line, int column)
{
    err_where(err, line, column, "%s", file);
    return TASKER_E_INVALID;
}

static int check_merge(const char *file, struct yaml *value, size_t *ret_members, tasker_error *err)
{
    size_t members = 0;
    bool fits = value->type == YAML_MAPPING || value->type == YAML_SEQUENCE;

    for (struct yaml *m = NULL; fits && (m = next_source(value, m)) != NULL;) {
        fits = m->type == YAML_MAPPING;
        members += m->count;
    }
    if (!fits) {
        err_set(err, TASKER_E_INVALID, "invalid YAML: '<<' needs a mapping or a sequence of mappings");
        return fail_at(err, file, value->line, value->column);
    }
    *ret_members = members;
    return 0;
}

// Copies the members of all sources, since an anchor may still refer to the originals, and chains them in order. Adds
// them to the `n` candidates of `list`.
static bool list_merged(struct arena *arena, struct yaml *value, struct candidate *list, size_t n, struct yaml **ret)
{
    struct yaml **tail = ret;

    for (struct yaml *s = NULL; (s = next_source(value, s)) != NULL;)
        for (const struct yaml *m = s->child; m != NULL; m = m->next, n++) {
            struct yaml *copy = arena_alloc(arena, sizeof(*copy));
            if (copy == NULL)
                return false;
            *copy = *m;
            copy->next = NULL;
            *tail = copy;
            tail = &copy->next;
            list[n] = (struct candidate){.node = copy, .rank = n, .merged = true};
        }
    return true;
}

// Puts those members of a chain that kept their keys where the merge value at *link is.
static void splice(struct yaml *mapping, struct yaml **link, struct yaml *chain)
{
    struct yaml *after = (*link)->next;

    mapping->count--;
    for (; chain != NULL; chain = chain->next) {
        if (chain->key == NULL)
            continue;
        *link = chain;
        link = &chain->next;
        mapping->count++;
    }
    *link = after;
}

int yaml_finish_mapping(struct arena *arena, struct yaml *mapping, const char *file, tasker_error *err)
{
    struct candidate few[FEW], *list = few;
    CLEANUP(mem_freep) struct candidate *many = NULL;
    struct yaml **merge = &mapping->child, *chain = NULL;
    size_t merged = 0, count = 0;

    while (*merge != NULL && (*merge)->key != yaml_merge_key)
        merge = &(*merge)->next;
    int r = *merge != NULL ? check_merge(file, *merge, &merged, err) : 0;
    if (r < 0)
        return r;
    if (mapping->count + merged > FEW) {
        list = many = mem_alloc((mapping->count + merged) * sizeof(*many));
        if (many == NULL)
            return err_nomem(err);
    }
    for (struct yaml *m = mapping->child; m != NULL; m = m->next, count++)
        list[count] = (struct candidate){.node = m, .rank = count};
    if (*merge != NULL && !list_merged(arena, *merge, list, count, &chain))
        return err_nomem(err);
    const struct yaml *twice = settle_keys(list, count + merged);
    if (twice != NULL) {
        err_set(err, TASKER_E_INVALID, "invalid YAML: the key \"%s\" occurs twice in its mapping", twice->key);
        return fail_at(err, file, twice->key_line, twice->key_column);
    }
    if (*merge != NULL)
        splice(mapping, merge, chain);
    return 0;
}
