// SPDX-License-Identifier: MIT
// fuzz_yaml.c - any bytes as YAML. What is accepted must make valid JSON; read as YAML again, that JSON must mean the same
// (but for control characters, which JSON can escape and YAML reads back, and keys longer than YAML likes).
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition) \
    do {                   \
        if (!(condition))  \
            abort();       \
    } while (0)

static size_t count_nodes(const struct yaml *node)
{
    size_t nodes = 1, count = 0;

    REQUIRE(node->text != NULL && strlen(node->text) == node->len && node->line > 0 && node->column > 0);
    for (const struct yaml *child = node->child; child != NULL; child = child->next, count++) {
        REQUIRE((child->key != NULL) == (node->type == YAML_MAPPING));
        nodes += count_nodes(child);
    }
    REQUIRE(count == node->count);
    return nodes;
}

// JSON that was made of YAML is YAML of the same meaning.
static void read_back(struct arena *arena, const struct buf *json)
{
    struct yaml *root = NULL;
    struct buf again;

    if (yaml_parse(arena, buf_view(json), "again", &root, NULL) != 0)
        return;
    buf_init(&again, SIZE_MAX);
    yaml_to_json(&again, root);
    REQUIRE(!buf_failed(&again) && span_eq(buf_view(json), buf_view(&again)));
    buf_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct yaml *root = NULL;
    tasker_error err = {0};
    struct buf json;

    arena_init(&arena);
    int r = yaml_parse(&arena, (struct span){(const char *)data, size}, "file", &root, &err);
    if (r != 0) {
        REQUIRE(r == TASKER_E_INVALID && err.code == r && err.message[0] != '\0' && err.line > 0);
    } else {
        REQUIRE(count_nodes(root) <= size + 100001);
        buf_init(&json, SIZE_MAX);
        yaml_to_json(&json, root);
        REQUIRE(!buf_failed(&json) && json_check(buf_view(&json), NULL, NULL) == 0);
        read_back(&arena, &json);
        buf_done(&json);
    }
    arena_done(&arena);
    return 0;
}
