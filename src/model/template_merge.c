// SPDX-License-Identifier: MIT
// template_merge.c - one section of `environments` laid over a definition, on the nodes, so that
// every value keeps the place where it was written.
//
// Mappings merge key by key, everything else is replaced. Only step_templates merges by the steps'
// names and keeps the order of the definition. A section can not add steps: an override of an
// unknown step is an error here, in every section (the Rails engine drops it without a word).
#include <stdlib.h>
#include <string.h>

#include "model/template_private.h"

// The members of a mapping, or the steps of a list, in order of their names.
struct sorted {
    struct entry {
        const char *name;
        const struct yaml *node;
        bool used;
    } * entries;
    size_t count;
};

static int compare_entries(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    if (order != 0 || x->node == y->node)
        return order;
    return x->node->line != y->node->line ? (x->node->line < y->node->line ? -1 : 1)
                                          : (x->node->column < y->node->column ? -1 : 1);
}

static const char *member_name(const struct yaml *node)
{
    return node->key;
}

static int sort_children(struct reader *r, const struct yaml *parent,
                         const char *(*name_of)(const struct yaml *), struct sorted *ret)
{
    struct sorted s = {.entries = arena_alloc(&r->scratch, parent->count * sizeof *s.entries)};
    if (s.entries == NULL)
        return -1;
    for (const struct yaml *item = parent->child; item != NULL; item = item->next)
        s.entries[s.count++] = (struct entry){.name = name_of(item), .node = item};
    if (s.count > 1)
        qsort(s.entries, s.count, sizeof *s.entries, compare_entries);
    *ret = s;
    return 0;
}

// The first entry of that name.
static struct entry *find(const struct sorted *s, const char *name)
{
    size_t low = 0, high = s->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(s->entries[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < s->count && strcmp(s->entries[low].name, name) == 0 ? &s->entries[low] : NULL;
}

static struct yaml *copy(struct reader *r, const struct yaml *node)
{
    struct yaml *twin = arena_alloc(&r->scratch, sizeof *twin);
    if (twin != NULL) {
        *twin = *node;
        twin->next = NULL;
    }
    return twin;
}

// A mapping or list under construction.
struct growing {
    struct yaml *node, **end;
};

static struct growing grow_from(struct reader *r, const struct yaml *like)
{
    struct growing g = {.node = copy(r, like)};
    if (g.node != NULL) {
        g.node->child = NULL;
        g.node->count = 0;
        g.end = &g.node->child;
    }
    return g;
}

static int add(struct growing *g, struct yaml *item)
{
    if (item == NULL)
        return -1;
    *g->end = item;
    g->end = &item->next;
    g->node->count++;
    return 0;
}

// NULL: out of memory.
static struct yaml *merge(struct reader *r, const struct yaml *base, const struct yaml *over)
{
    if (base->type != YAML_MAPPING || over->type != YAML_MAPPING)
        return copy(r, over);
    struct sorted overs;
    struct growing g = grow_from(r, base);
    if (g.node == NULL || sort_children(r, over, member_name, &overs) < 0)
        return NULL;
    for (const struct yaml *item = base->child; item != NULL; item = item->next) {
        struct entry *by = find(&overs, item->key);
        if (by != NULL)
            by->used = true;
        if (add(&g, by != NULL ? merge(r, item, by->node) : copy(r, item)) < 0)
            return NULL;
    }
    for (const struct yaml *item = over->child; item != NULL; item = item->next)
        if (!find(&overs, item->key)->used && add(&g, copy(r, item)) < 0)
            return NULL;
    return g.node;
}

static const struct yaml *list_of_steps(const struct yaml *mapping)
{
    const struct yaml *list = yaml_get(mapping, "step_templates");
    return list != NULL && list->type == YAML_SEQUENCE ? list : NULL;
}

static struct yaml *merge_steps(struct reader *r, const struct yaml *base, const struct yaml *over)
{
    struct sorted overs;
    struct growing g = grow_from(r, base);
    if (g.node == NULL || sort_children(r, over, node_name, &overs) < 0)
        return NULL;
    for (const struct yaml *step = base->child; step != NULL; step = step->next) {
        struct entry *by = node_name(step)[0] != '\0' ? find(&overs, node_name(step)) : NULL;
        if (add(&g, by != NULL ? merge(r, step, by->node) : copy(r, step)) < 0)
            return NULL;
    }
    return g.node;
}

// Overrides must name a step of the definition, each once per section.
static int check_overrides(struct reader *r, const struct yaml *section, const struct sorted *known)
{
    const struct yaml *list = list_of_steps(section);
    if (list == NULL)
        return 0;
    struct sorted overs;
    const char **names = arena_alloc(&r->scratch, known->count * sizeof *names);
    if (names == NULL || sort_children(r, list, node_name, &overs) < 0)
        return -1;
    for (size_t i = 0; i < known->count; i++)
        names[i] = known->entries[i].name;
    for (size_t i = 0; i < overs.count; i++) {
        const char *name = overs.entries[i].name;
        if (name[0] == '\0')
            continue;
        const struct yaml *at = yaml_get(overs.entries[i].node, "name");
        if (i > 0 && strcmp(overs.entries[i - 1].name, name) == 0) {
            reader_at(r, at, "environment \"%.64s\" overrides the step \"%.128s\" twice",
                      section->key, name);
        } else if (find(known, name) == NULL) {
            // Looking for a near name costs a walk over all steps; a file full of wrong ones shall
            // not take for ever.
            const char *near = r->errors->count < 20 ? nearest(name, names, known->count) : NULL;
            reader_at(r, at,
                      "environment \"%.64s\" overrides the step \"%.128s\", which does not "
                      "exist%s%.128s%s",
                      section->key, name, near != NULL ? "; did you mean \"" : "",
                      near != NULL ? near : "", near != NULL ? "\"?" : "");
        }
    }
    return 0;
}

static int check_sections(struct reader *r, const struct yaml *top, const struct yaml *sections)
{
    const struct yaml none = {.type = YAML_SEQUENCE};
    const struct yaml *base = list_of_steps(top);
    struct sorted known;
    if (sort_children(r, base != NULL ? base : &none, node_name, &known) < 0)
        return -1;
    for (const struct yaml *section = sections->child; section != NULL; section = section->next)
        if (section->type == YAML_MAPPING && check_overrides(r, section, &known) < 0)
            return -1;
    return 0;
}

const struct yaml *merge_environment(struct reader *r, const struct yaml *top,
                                     const char *environment)
{
    const struct yaml *sections = yaml_get(top, "environments"), *section = NULL;
    if (sections != NULL && sections->type == YAML_MAPPING) {
        if (check_sections(r, top, sections) < 0)
            return NULL;
        section = environment != NULL ? yaml_get(sections, environment) : NULL;
    }
    const struct yaml nothing = {.type = YAML_MAPPING};
    if (section == NULL || section->type != YAML_MAPPING)
        section = &nothing;
    struct yaml *merged = merge(r, top, section);
    if (merged == NULL)
        return NULL;
    const struct yaml *base = list_of_steps(top), *over = list_of_steps(section);
    struct growing g = grow_from(r, merged);
    if (g.node == NULL)
        return NULL;
    for (const struct yaml *item = merged->child; item != NULL; item = item->next) {
        if (strcmp(item->key, "environments") == 0)
            continue;
        bool steps = strcmp(item->key, "step_templates") == 0 && base != NULL && over != NULL;
        if (add(&g, steps ? merge_steps(r, base, over) : copy(r, item)) < 0)
            return NULL;
    }
    return g.node;
}
