// SPDX-License-Identifier: MIT
// fuzz_json.c - any bytes as JSON. What is accepted must survive its canonical form: that parses again, is equal, and is
// its own canonical form; the compact form says the same; json_check agrees with json_parse throughout.
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition) \
    do {                   \
        if (!(condition))  \
            abort();       \
    } while (0)

static const struct json *reparse(struct arena *arena, const struct buf *text)
{
    const struct json *root = NULL;

    REQUIRE(!buf_failed(text));
    REQUIRE(json_parse(arena, buf_view(text), &root, NULL) == 0);
    return root;
}

// The accessors must agree with each other on every number.
static void visit(const struct json *v)
{
    int64_t integer;
    double real;

    if (v->type == JSON_NUMBER) {
        REQUIRE(json_double(v, &real));
        if (json_int(v, &integer))
            REQUIRE(real == (double)integer);
    }
    size_t count = 0;
    for (const struct json *child = v->child; child != NULL; child = child->next, count++)
        visit(child);
    REQUIRE(count == v->count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct span text = {(const char *)data, size};
    const struct json *root = NULL;
    enum json_type type = JSON_NULL;
    tasker_error err = {0};
    struct buf compact, canonical, again;

    arena_init(&arena);
    int r = json_parse(&arena, text, &root, &err);
    REQUIRE(json_check(text, &type, NULL) == r);
    if (r != 0) {
        REQUIRE(err.code == r && err.line > 0 && err.column > 0 && err.message[0] != '\0');
        arena_done(&arena);
        return 0;
    }
    REQUIRE(type == root->type && json_equal(root, root));
    visit(root);
    buf_init(&compact, SIZE_MAX);
    buf_init(&canonical, SIZE_MAX);
    buf_init(&again, SIZE_MAX);
    json_compact(&compact, root);
    json_canonical(&canonical, root);
    const struct json *second = reparse(&arena, &canonical);
    REQUIRE(json_equal(root, second) && json_equal(second, root));
    REQUIRE(json_equal(root, reparse(&arena, &compact)));
    json_canonical(&again, second);
    REQUIRE(span_eq(buf_view(&canonical), buf_view(&again)));
    buf_done(&compact);
    buf_done(&canonical);
    buf_done(&again);
    arena_done(&arena);
    return 0;
}
