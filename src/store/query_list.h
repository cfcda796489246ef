// SPDX-License-Identifier: MIT
// query_list.h - lists: filters, columns and pages from tables.
//
// Every list answers {"<name>": [rows], "next", "total"}. `next` is the text that goes on behind the last row as `after`,
// null behind the last page. `total` counts all that fit the filters, null unless asked for by `count`. A list is in the
// order of its key, a number that only grows, so pages neither repeat nor skip a row while others are inserted.
#ifndef STORE_QUERY_LIST_H
#define STORE_QUERY_LIST_H

#include "store/query_build.h"

enum filter_kind {
    FILTER_TEXT,
    FILTER_INT,
    FILTER_TIME,
    FILTER_STATE,
    FILTER_STATES,
    FILTER_TEXTS,
    FILTER_INTS,
    FILTER_EACH,
    FILTER_BOOL,
    FILTER_KEY,
    FILTER_VALUE,
    FILTER_ANNOTATION_TEXT, // these three speak of one annotation; they stand together
    FILTER_ANNOTATION_KEY,
    FILTER_ANNOTATION_VALUE,
};

struct filter {
    const char *argument; // NULL ends a table
    enum filter_kind kind;
    const char *sql;
};
#define FILTER_ROW(argument, type, kind, summary, sql) {argument, FILTER_##kind, sql},
#define FILTER_END                                                                                                     \
    {                                                                                                                  \
        NULL, FILTER_TEXT, NULL                                                                                        \
    }

// What a column holds, and so how it is written.
enum column_kind {
    COLUMN_INT,
    COLUMN_TEXT,
    COLUMN_JSON,
    COLUMN_BOOL,
    COLUMN_TIME,
    COLUMN_US,       // a time in microseconds since 1970
    COLUMN_PRIORITY, // its number
    COLUMN_MS,       // no column: the time column before minus the one before that, in milliseconds
};
struct column {
    const char *name; // NULL ends a table
    enum column_kind kind;
    const char *sql; // NULL for MS
};

struct listing {
    const char *name; // of the member with the rows
    const char *from; // tables and joins; none of them makes two rows of one
    const char *key;
    const struct filter *filters;
    const struct column *columns;
    const char *where; // always, or NULL
    bool oldest;       // the order when none is asked for
    // more (or NULL) adds conditions for arguments that are no filters: each begins with " AND ".
    int (*more)(struct build *b, tasker_error *err);
};

// list_answer answers a question with a page of a list.
int list_answer(struct inquiry *a, const struct listing *l, tasker_error *err) CHECKED;

// list_filters appends " AND condition" for every filter that was given. TASKER_E_INVALID with its JSON path.
int list_filters(struct build *b, const struct filter *filters, tasker_error *err) CHECKED;

// write_columns writes the members of the current row, whose first column is `first`.
void write_columns(struct inquiry *a, struct rows *c, const struct column *columns, int first);

#endif
