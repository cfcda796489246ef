// SPDX-License-Identifier: MIT
// graph.c - Kahn's algorithm on compressed adjacency lists. Levels come out of it as longest paths,
// because a node is taken only after its last parent. What is left over when nothing can be taken
// lies on a cycle or behind one; walking from there from parent to parent must come round.
#include <stdbool.h>
#include <string.h>

#include "model/graph.h"

#define NOBODY UINT32_MAX

int graph_build(struct arena *arena, uint32_t nodes, const uint32_t *from, const uint32_t *to,
                uint32_t edge_count, struct graph *ret)
{
    uint32_t *start = arena_alloc(arena, ((size_t)nodes + 2) * sizeof *start);
    uint32_t *list = arena_alloc(arena, (size_t)edge_count * sizeof *list);
    if (start == NULL || list == NULL)
        return -1;
    // start[i + 1] first counts, then becomes the place of the next child of i, and ends as the
    // start of i + 1.
    uint32_t *place = start + 1;
    for (uint32_t e = 0; e < edge_count; e++)
        place[from[e] + 1]++;
    for (uint32_t i = 0; i < nodes; i++)
        place[i + 1] += place[i];
    for (uint32_t e = 0; e < edge_count; e++)
        list[place[from[e]]++] = to[e];
    *ret = (struct graph){.nodes = nodes, .edges = edge_count, .start = start, .to = list};
    return 0;
}

// Fills `queue` with the nodes that can be taken, in the order of taking, and returns their number.
// Nodes that were left over keep a count above zero in `waiting`.
static uint32_t take_all(const struct graph *g, uint32_t *waiting, uint32_t *queue, uint32_t *level)
{
    uint32_t head = 0, tail = 0;
    for (uint32_t e = 0; e < g->edges; e++)
        waiting[g->to[e]]++;
    for (uint32_t i = 0; i < g->nodes; i++) {
        level[i] = 0;
        if (waiting[i] == 0)
            queue[tail++] = i;
    }
    while (head < tail) {
        uint32_t node = queue[head++];
        for (uint32_t e = g->start[node]; e < g->start[node + 1]; e++) {
            uint32_t child = g->to[e];
            if (level[child] < level[node] + 1)
                level[child] = level[node] + 1;
            if (--waiting[child] == 0)
                queue[tail++] = child;
        }
    }
    return tail;
}

// Sorts all nodes by level, then by index. `count` has nodes + 1 zeroed places.
static void order_by_level(const struct graph *g, const uint32_t *level, uint32_t *count,
                           uint32_t *ret_order)
{
    for (uint32_t i = 0; i < g->nodes; i++)
        count[level[i] + 1]++;
    for (uint32_t i = 0; i < g->nodes; i++)
        count[i + 1] += count[i];
    for (uint32_t i = 0; i < g->nodes; i++)
        ret_order[count[level[i]]++] = i;
}

// Writes one cycle among the nodes that still wait, beginning at its smallest index, and returns
// its length.
static uint32_t find_cycle(const struct graph *g, const uint32_t *waiting, uint32_t *parent,
                           uint32_t *ret_path)
{
    for (uint32_t i = 0; i < g->nodes; i++)
        parent[i] = NOBODY;
    uint32_t walk = NOBODY;
    for (uint32_t i = g->nodes; i-- > 0;) {
        if (waiting[i] == 0)
            continue;
        walk = i;
        for (uint32_t e = g->start[i]; e < g->start[i + 1]; e++)
            parent[g->to[e]] = i;
    }
    // As many steps as there are nodes lead from what is behind the cycle onto it.
    for (uint32_t i = 0; i < g->nodes; i++)
        walk = parent[walk];
    uint32_t first = walk;
    for (uint32_t node = parent[walk]; node != walk; node = parent[node])
        if (node < first)
            first = node;
    uint32_t length = 1;
    for (uint32_t node = parent[first]; node != first; node = parent[node])
        length++;
    // Parents run against the edges: fill from the end.
    uint32_t node = first;
    for (uint32_t i = length; i-- > 1;)
        ret_path[i] = node = parent[node];
    ret_path[0] = first;
    return length;
}

int graph_levels(const struct graph *g, struct arena *scratch, uint32_t *ret_level,
                 uint32_t *ret_order, uint32_t *ret_cycle)
{
    uint32_t *waiting = arena_alloc(scratch, (size_t)g->nodes * sizeof *waiting);
    uint32_t *work = arena_alloc(scratch, ((size_t)g->nodes + 1) * sizeof *work);
    if (waiting == NULL || work == NULL)
        return -1;
    uint32_t taken = take_all(g, waiting, work, ret_level);
    if (taken < g->nodes) {
        *ret_cycle = find_cycle(g, waiting, work, ret_order);
        return 1;
    }
    memset(work, 0, ((size_t)g->nodes + 1) * sizeof *work);
    order_by_level(g, ret_level, work, ret_order);
    return 0;
}
