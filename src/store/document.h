// SPDX-License-Identifier: MIT
// document.h - one task as one JSON document: which tables belong to it, and which of their columns.
//
// The document is {"format", "tasker", PART...}: format is DOCUMENT_FORMAT, tasker the version that wrote it, and each
// part of document_parts the rows of one table, an object for one row, else an array of them in the order of their ids.
// A row of document_fields is a member of a part's objects; the export selects by it, and the import checks and inserts
// by it. To add a column, add a row there (and raise DOCUMENT_FORMAT when older programs must not read it: they refuse
// members they do not know).
//
// Ids are those of the database that the document was made from. Times are ISO 8601 with six digits and Z. NULL is null,
// but of JSON columns the member is left out, for null is a value of theirs; JSON is passed through as it is stored.
#ifndef STORE_DOCUMENT_H
#define STORE_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"

#define DOCUMENT_FORMAT 1

// X(name, what it must be)
#define DOCUMENT_KINDS(X)                                                                                              \
    X(ID, "an id: an integer above 0")                                                                                 \
    X(STEP, "the workflow_step_id of one of the steps")                                                                \
    X(NAME, "a string")          /* of a row that this one refers to */                                                \
    X(TEXT, "a string")                                                                                                \
    X(STATE, "a state: pending, in_progress, error, complete, resolved_manually or cancelled")                         \
    X(INT, "an integer")                                                                                               \
    X(BOOL, "true or false")                                                                                           \
    X(TIME, "a time such as \"2026-01-31T12:00:00.000000Z\"")                                                          \
    X(JSON, "JSON")
enum document_kind {
#define X(name, what) DOCUMENT_##name,
    DOCUMENT_KINDS(X)
#undef X
    DOCUMENT_KIND_COUNT
};
extern const char *const document_kind_names[DOCUMENT_KIND_COUNT]; // what it must be

// What a row of one part is told apart by, in the order in which they can be written.
enum document_part_id {
    PART_NAMED_TASK,
    PART_TEMPLATES,
    PART_TASK,
    PART_STEPS,
    PART_EDGES,
    PART_TASK_TRANSITIONS,
    PART_STEP_TRANSITIONS,
    PART_ANNOTATIONS,
    PART_LOGS,
    PART_COUNT
};

struct document_field {
    const char *name;
    enum document_kind kind;
    bool required;      // the column is NOT NULL
    uint32_t max;       // characters of a text, bytes of JSON; 0: no limit of its own
    const char *column; // an expression, of what is not column `name` of the part's own table
};

struct document_part {
    const char *name;
    bool list;
    const char *table; // as "x" in `from`
    const char *from;  // the rest of the question for the rows of task ?, with their order
    const struct document_field *fields;
    size_t count;
};
extern const struct document_part document_parts[PART_COUNT];

// document_check holds a document against the parts and fields: types, sizes, members that are missing or unknown,
// references between rows, templates that are what their hash says. Whatever passes can be written, as far as the
// document itself can tell. TASKER_E_INVALID, TASKER_E_TOO_BIG and, for a newer format, TASKER_E_UNSUPPORTED name the
// member in message ("steps[3].attempts: must be an integer") and place ("$.document.steps[3].attempts").
int document_check(struct arena *arena, const struct json *document, tasker_error *err) CHECKED;

// document_first is the first row of a part of a checked document, the others are linked by `next`; NULL: there is none.
// document_blame adds the place of a row to an error.
const struct json *document_first(const struct json *document, enum document_part_id part);
void document_blame(enum document_part_id part, size_t row, tasker_error *err);

// Ids of a document and what has become of them, in the order of the former once they are sorted.
// document_find: NULL when there is none.
struct document_id {
    int64_t from, to;
};
void document_sort(struct document_id *ids, size_t count);
struct document_id *document_find(struct document_id *ids, size_t count, int64_t from);

#endif
