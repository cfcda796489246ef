// SPDX-License-Identifier: MIT
// shapes.h - workflows of known form for tests: chain, diamond, parallel merge, tree, and a graph
// of all that.
#ifndef TESTS_COMMON_SHAPES_H
#define TESTS_COMMON_SHAPES_H

#include <stddef.h>

struct shape_step {
    const char *name;
    const char *parents[4]; // up to a NULL
};

struct shape {
    const char *name;
    size_t step_count, edge_count;
    const struct shape_step *steps; // parents first
};

enum { SHAPE_LINEAR, SHAPE_DIAMOND, SHAPE_PARALLEL, SHAPE_TREE, SHAPE_MIXED, SHAPE_COUNT };
extern const struct shape shapes[SHAPE_COUNT];

// shape_yaml writes the template of a shape; every step has the handler class and the lines of
// `extra` ("" for none, each indented by four spaces and ended).
void shape_yaml(const struct shape *s, const char *handler_class, const char *extra, char *out,
                size_t size);

// shape_step_index finds a step, -1: no such step.
int shape_step_index(const struct shape *s, const char *name);

#endif
