// SPDX-License-Identifier: MIT
// fuzz_document.c - any JSON as a task's document. What is refused is named by its place in the document; what is accepted
// has every row that the import goes through, with an id for each step that another row speaks of.
#include <stdlib.h>
#include <string.h>

#include "store/document.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            abort();                                                                                                   \
    } while (0)

static void check_row(const struct document_part *part, const struct json *row)
{
    size_t found = 0;

    for (size_t i = 0; i < part->count; i++) {
        const struct json *v = json_get(row, part->fields[i].name);
        REQUIRE(v != NULL || !part->fields[i].required);
        found += v != NULL;
    }
    REQUIRE(row->type == JSON_OBJECT && found == row->count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    const struct json *document;
    tasker_error err = {0};

    arena_init(&arena);
    if (json_parse(&arena, (struct span){(const char *)data, size}, &document, NULL) == 0) {
        int rc = document_check(&arena, document, &err);
        if (rc < 0)
            REQUIRE(err.code == rc && strncmp(err.where, "$.document", 10) == 0 && err.message[0] != '\0');
        for (size_t i = 0; i < PART_COUNT && rc == 0; i++)
            for (const struct json *row = document_first(document, (enum document_part_id)i); row != NULL;
                 row = document_parts[i].list ? row->next : NULL)
                check_row(&document_parts[i], row);
    }
    arena_done(&arena);
    return 0;
}
