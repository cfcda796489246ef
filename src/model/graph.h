// SPDX-License-Identifier: MIT
// graph.h - facts about a directed graph given as arrays: levels (longest path), a topological order, a cycle. Linear in
// nodes and edges.
#ifndef MODEL_GRAPH_H
#define MODEL_GRAPH_H

#include "base/mem.h"

// A compressed adjacency list: children of node i are to[start[i]] .. to[start[i+1]-1], in order of insertion.
struct graph {
    uint32_t nodes, edges;
    uint32_t *start;  // nodes + 1
    uint32_t *to;
};

// graph_build makes the lists of `edge_count` edges from[i] -> to[i] in `arena`. -1: out of memory.
int graph_build(struct arena *arena, uint32_t nodes, const uint32_t *from, const uint32_t *to, uint32_t edge_count,
                struct graph *ret) __attribute__((warn_unused_result));

// graph_levels writes each node's longest distance from a root to ret_level and a topological order (by level, then by
// index) to ret_order (both `nodes` long). Returns 0; 1 when there is a cycle, whose nodes are then in ret_order[0..
// *ret_cycle-1] in path order (each has an edge to the next, the last to the first); -1: out of memory.
int graph_levels(const struct graph *g, struct arena *scratch, uint32_t *ret_level, uint32_t *ret_order,
                 uint32_t *ret_cycle) __attribute__((warn_unused_result));

#endif
