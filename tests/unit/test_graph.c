// SPDX-License-Identifier: MIT
// test_graph.c - adjacency lists, levels, order and cycles, also against a slow but obvious
// computation.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "model/graph.h"

#define MOST 64

static struct arena arena;

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_done(&arena);
    return 0;
}

static struct graph build(uint32_t nodes, const uint32_t (*edges)[2], uint32_t count)
{
    uint32_t from[1024], to[1024];
    struct graph g;
    for (uint32_t i = 0; i < count; i++) {
        from[i] = edges[i][0];
        to[i] = edges[i][1];
    }
    assert_int_equal(graph_build(&arena, nodes, from, to, count, &g), 0);
    return g;
}

static void children_keep_their_order_of_insertion(void **state)
{
    (void)state;
    const uint32_t edges[][2] = {{2, 1}, {0, 3}, {2, 0}, {0, 1}};
    struct graph g = build(4, edges, 4);
    assert_int_equal(g.nodes, 4);
    assert_int_equal(g.edges, 4);
    assert_memory_equal(g.start, ((uint32_t[]){0, 2, 2, 4, 4}), 5 * sizeof(uint32_t));
    assert_memory_equal(g.to, ((uint32_t[]){3, 1, 1, 0}), 4 * sizeof(uint32_t));
}

static void levels_are_longest_paths(void **state)
{
    (void)state;
    // 3 -> 1 -> 0, 3 -> 0, 2 alone, 0 -> 4
    const uint32_t edges[][2] = {{3, 1}, {1, 0}, {3, 0}, {0, 4}};
    struct graph g = build(5, edges, 4);
    uint32_t level[5], order[5], cycle = 99;
    assert_int_equal(graph_levels(&g, &arena, level, order, &cycle), 0);
    assert_memory_equal(level, ((uint32_t[]){2, 1, 0, 0, 3}), sizeof level);
    assert_memory_equal(order, ((uint32_t[]){2, 3, 1, 0, 4}), sizeof order);
    assert_int_equal(cycle, 99);
}

static void an_empty_graph_is_fine(void **state)
{
    (void)state;
    struct graph g;
    uint32_t nothing, cycle;
    assert_int_equal(graph_build(&arena, 0, NULL, NULL, 0, &g), 0);
    assert_int_equal(graph_levels(&g, &arena, &nothing, &nothing, &cycle), 0);
}

static void a_cycle_is_found_behind_other_nodes(void **state)
{
    (void)state;
    // 0 -> 4 -> 2 -> 3 -> 4, and 3 -> 1 behind it
    const uint32_t edges[][2] = {{0, 4}, {4, 2}, {2, 3}, {3, 4}, {3, 1}};
    struct graph g = build(5, edges, 5);
    uint32_t level[5], order[5], cycle = 0;
    assert_int_equal(graph_levels(&g, &arena, level, order, &cycle), 1);
    assert_int_equal(cycle, 3);
    assert_memory_equal(order, ((uint32_t[]){2, 3, 4}), 3 * sizeof(uint32_t));
}

static void a_node_can_be_its_own_cycle(void **state)
{
    (void)state;
    const uint32_t edges[][2] = {{0, 1}, {1, 1}};
    struct graph g = build(2, edges, 2);
    uint32_t level[2], order[2], cycle = 0;
    assert_int_equal(graph_levels(&g, &arena, level, order, &cycle), 1);
    assert_int_equal(cycle, 1);
    assert_int_equal(order[0], 1);
}

// Bellman-Ford on longest paths: still moving after `nodes` rounds means a cycle.
static bool slow_levels(uint32_t nodes, const uint32_t (*edges)[2], uint32_t count, uint32_t *level)
{
    bool moved = true;
    memset(level, 0, nodes * sizeof *level);
    for (uint32_t round = 0; round <= nodes && moved; round++) {
        moved = false;
        for (uint32_t i = 0; i < count; i++)
            if (level[edges[i][1]] < level[edges[i][0]] + 1) {
                level[edges[i][1]] = level[edges[i][0]] + 1;
                moved = true;
            }
    }
    return moved;
}

static bool has_edge(const uint32_t (*edges)[2], uint32_t count, uint32_t from, uint32_t to)
{
    for (uint32_t i = 0; i < count; i++)
        if (edges[i][0] == from && edges[i][1] == to)
            return true;
    return false;
}

static void random_graphs_agree_with_a_slow_computation(void **state)
{
    (void)state;
    struct rng rng = {2026};
    int cyclic = 0, acyclic = 0;
    for (int run = 0; run < 3000; run++) {
        uint32_t nodes = 1 + (uint32_t)rng_below(&rng, 20),
                 count = (uint32_t)rng_below(&rng, nodes * 2);
        uint32_t edges[MOST][2], wanted[MOST], level[MOST], order[MOST], cycle = 0;
        bool forward = rng_below(&rng, 2);
        for (uint32_t i = 0; i < count; i++) {
            uint32_t a = (uint32_t)rng_below(&rng, nodes), b = (uint32_t)rng_below(&rng, nodes);
            edges[i][0] = forward && a > b ? b : a;
            edges[i][1] = forward && a > b    ? a
                          : forward && a == b ? (a + 1 < nodes ? a + 1 : a)
                                              : b;
        }
        struct graph g = build(nodes, (const uint32_t(*)[2])edges, count);
        int rc = graph_levels(&g, &arena, level, order, &cycle);
        assert_int_equal(rc, slow_levels(nodes, (const uint32_t(*)[2])edges, count, wanted));
        if (rc == 0) {
            acyclic++;
            assert_memory_equal(level, wanted, nodes * sizeof *level);
            for (uint32_t i = 1; i < nodes; i++)
                assert_true(level[order[i - 1]] < level[order[i]] ||
                            (level[order[i - 1]] == level[order[i]] && order[i - 1] < order[i]));
        } else {
            cyclic++;
            assert_in_range(cycle, 1, nodes);
            for (uint32_t i = 0; i < cycle; i++)
                assert_true(
                    has_edge((const uint32_t(*)[2])edges, count, order[i], order[(i + 1) % cycle]));
        }
        arena_reset(&arena);
    }
    assert_true(cyclic > 100 && acyclic > 100);
}

static void running_out_of_memory_is_an_error(void **state)
{
    (void)state;
    const uint32_t from[] = {0}, to[] = {1};
    bool done = false;
    for (uint64_t n = 1; n < 20 && !done; n++) {
        struct arena a;
        struct graph g;
        uint32_t level[2], order[2], cycle;
        arena_init(&a);
        mem_fail_after(n);
        int rc = graph_build(&a, 2, from, to, 1, &g);
        if (rc == 0)
            rc = graph_levels(&g, &a, level, order, &cycle);
        done = !mem_failed();
        mem_fail_after(0);
        assert_int_equal(rc, done ? 0 : -1);
        arena_done(&a);
    }
    assert_true(done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(children_keep_their_order_of_insertion),
        cmocka_unit_test(levels_are_longest_paths),
        cmocka_unit_test(an_empty_graph_is_fine),
        cmocka_unit_test(a_cycle_is_found_behind_other_nodes),
        cmocka_unit_test(a_node_can_be_its_own_cycle),
        cmocka_unit_test(random_graphs_agree_with_a_slow_computation),
        cmocka_unit_test(running_out_of_memory_is_an_error),
    };
    return cmocka_run_group_tests_name("graph", tests, set_up, tear_down);
}
