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

#endif
