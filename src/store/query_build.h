// SPDX-License-Identifier: MIT
// query_build.h - a statement put together from parts, with its parameters, for both databases.
//
// Parts are SQL that both understand. In braces stands what they write differently:
//
//   {true} {false}       a boolean
//   {now}                the time of the question, in microseconds since 1970
//   {us EXPR}            a time column in microseconds since 1970; NULL for NULL
//   {tagged COLUMN}      the JSON array in COLUMN has the string `?`
//   {has COLUMN}         the JSON object in COLUMN has the key `?`
//   {value COLUMN}       the text of what the JSON object in COLUMN has under a key is `?`; a key, then a value
//   {member COLUMN KEY}  the text of what the JSON object in COLUMN has under KEY; NULL when there is none, or no object
//   {object COLUMN}      COLUMN is a JSON object
//   {json}               the next parameter, which is JSON
//   {lock}               behind a SELECT: its rows (of PostgreSQL; SQLite has one writer) are locked, locked ones skipped
//   {hold}               behind a SELECT: its rows are not deleted before the transaction ends
//   {among}SELECT ...{end}   is one of these, which are looked for first
//   {own}                behind a SELECT: its rows are locked for one that wants the same; waits for others
//   {alone}              behind a SELECT: its rows are locked, also for rows of others that would point at them; waits
//
// and lists of names, in brackets, that the model's tables give:
//
//   {task_moves} {step_moves}  every legal transition, as 'from>to'
//   {task_ends}                states in which nothing happens to a task by itself
//   {step_done}                states of a step whose children may run
//   {step_spent}               states in which a step that ran has used up an attempt
//
// A question mark is the next parameter; for a list all of its items, in brackets.
#ifndef STORE_QUERY_BUILD_H
#define STORE_QUERY_BUILD_H

#include "store/filters.h"
#include "store/inquiry.h"

struct build {
    struct inquiry *a;
    struct buf sql;
    struct value *values;
    size_t count, cap;
    size_t places; // question marks so far
    bool failed;   // out of memory, or a part that is wrong
};

void build_init(struct build *b, struct inquiry *a);
void build_done(struct build *b);

// build_add appends a part whose question marks have their parameters added beforehand or afterwards, in order.
void build_add(struct build *b, const char *part);
void build_int(struct build *b, int64_t v);
void build_text(struct build *b, struct span text); // absent: NULL
void build_time(struct build *b, int64_t us);       // 0 is 1970 here
void build_bool(struct build *b, bool v);
// build_list appends a part with one question mark, which becomes as many as the list has items: "IN ?".
void build_list(struct build *b, const char *part, const struct json *list);

// build_open runs it. TASKER_E_NOMEM, or what the database said.
int build_open(struct build *b, struct rows *ret, tasker_error *err) CHECKED;
// build_run runs a change; ret_hit (may be NULL) is how many rows it hit.
int build_run(struct build *b, int64_t *ret_hit, tasker_error *err) CHECKED;
// build_one runs it and gives the integer in the first column of its first row, `otherwise` when there is none.
int build_one(struct build *b, int64_t otherwise, int64_t *ret, tasker_error *err) CHECKED;

#endif
