// SPDX-License-Identifier: MIT
// shapes.c - the tables of shapes.h.
#include "common/shapes.h"

#include <stdio.h>
#include <string.h>

static const struct shape_step linear[] = {
    {"linear_step_1", {NULL}},
    {"linear_step_2", {"linear_step_1"}},
    {"linear_step_3", {"linear_step_2"}},
    {"linear_step_4", {"linear_step_3"}},
};

static const struct shape_step diamond[] = {
    {"diamond_start", {NULL}},
    {"diamond_branch_b", {"diamond_start"}},
    {"diamond_branch_c", {"diamond_start"}},
    {"diamond_merge", {"diamond_branch_b", "diamond_branch_c"}},
};

static const struct shape_step parallel[] = {
    {"parallel_step_1", {NULL}},
    {"parallel_step_2", {NULL}},
    {"parallel_step_3", {NULL}},
    {"parallel_merge", {"parallel_step_1", "parallel_step_2", "parallel_step_3"}},
};

static const struct shape_step tree[] = {
    {"tree_root", {NULL}},
    {"tree_branch_left", {"tree_root"}},
    {"tree_branch_right", {"tree_root"}},
    {"tree_leaf_d", {"tree_branch_left"}},
    {"tree_leaf_e", {"tree_branch_left"}},
    {"tree_leaf_f", {"tree_branch_right"}},
    {"tree_leaf_g", {"tree_branch_right"}},
};

static const struct shape_step mixed[] = {
    {"dag_init", {NULL}},
    {"dag_process_left", {"dag_init"}},
    {"dag_process_right", {"dag_init"}},
    {"dag_validate", {"dag_process_left", "dag_process_right"}},
    {"dag_transform", {"dag_process_left"}},
    {"dag_analyze", {"dag_process_right"}},
    {"dag_finalize", {"dag_validate", "dag_transform", "dag_analyze"}},
};

const struct shape shapes[SHAPE_COUNT] = {
    [SHAPE_LINEAR] = {"linear", 4, 3, linear},       [SHAPE_DIAMOND] = {"diamond", 4, 4, diamond},
    [SHAPE_PARALLEL] = {"parallel", 4, 3, parallel}, [SHAPE_TREE] = {"tree", 7, 6, tree},
    [SHAPE_MIXED] = {"mixed", 7, 9, mixed},
};

static size_t add(char *out, size_t size, size_t at, const char *text)
{
    int n = snprintf(out + at, size - at, "%s", text);
    return at + (size_t)n < size ? at + (size_t)n : size - 1;
}

void shape_yaml(const struct shape *s, const char *handler_class, const char *extra, char *out,
                size_t size)
{
    char line[256];
    size_t at = 0;

    snprintf(line, sizeof(line), "name: %s\ntask_handler_class: Shapes\nstep_templates:\n",
             s->name);
    at = add(out, size, at, line);
    for (size_t i = 0; i < s->step_count; i++) {
        snprintf(line, sizeof(line),
                 "  - name: %s\n    dependent_system: test\n    handler_class: %s\n",
                 s->steps[i].name, handler_class);
        at = add(out, size, at, line);
        for (size_t k = 0; k < 4 && s->steps[i].parents[k] != NULL; k++) {
            snprintf(line, sizeof(line), "%s      - %s\n", k == 0 ? "    depends_on_steps:\n" : "",
                     s->steps[i].parents[k]);
            at = add(out, size, at, line);
        }
        at = add(out, size, at, extra);
    }
}

int shape_step_index(const struct shape *s, const char *name)
{
    for (size_t i = 0; i < s->step_count; i++)
        if (strcmp(s->steps[i].name, name) == 0)
            return (int)i;
    return -1;
}
