// SPDX-License-Identifier: MIT
// operate.h - what the writing operations share on top of inquiry.h: refusals, texts that must fit their column, rows of
// the catalogue that are found or created by name.
//
// An operation begins its own transactions; one that fails leaves the open one to be rolled back by inquire_to_write.
#ifndef STORE_OPERATE_H
#define STORE_OPERATE_H

#include "model/state.h"
#include "store/query_build.h"

#define NAME_CHARS 64         // of systems and types of annotations
#define DESCRIPTION_CHARS 255
#define REMOTE_ID_CHARS 128

int operate_begin(struct inquiry *a, tasker_error *err) CHECKED;
int operate_commit(struct inquiry *a, tasker_error *err) CHECKED;

// refuse sets an error at "$.argument" and returns its code.
int refuse(tasker_error *err, int code, const char *argument, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

// given_words reads a text argument without the white space around it. TASKER_E_INVALID: empty, or more than `max`
// characters; one that was not given is absent, and refused when it is `required`.
int given_words(const struct inquiry *a, const char *name, size_t max, bool required, struct span *ret,
                tasker_error *err) CHECKED;

// build_id runs a statement that returns an id to its end: *ret is 0 when it gave no row.
int build_id(struct build *b, int64_t *ret, tasker_error *err) CHECKED;

// operate_move writes the next transition of a task or a step: what was most recent is so no longer, and the new row's sort
// key is ten above the highest, its time that of the operation, but not before `after`, the time of the row before: another
// clock may have been ahead. ret_flipped (may be NULL) is how many rows were most recent. Whether the move is legal the
// caller knows.
enum mover { MOVES_TASK, MOVES_STEP };
int operate_move(struct inquiry *a, enum mover kind, int64_t id, enum state from, enum state to, struct span metadata,
                 int64_t after, int64_t *ret_flipped, tasker_error *err) CHECKED;

// A row of the catalogue by its name, which is unique. catalogue_find: *ret 0 when there is none. catalogue_put also
// creates it, with the description (which may be absent) and the time of the operation.
enum catalogue { CATALOGUE_SYSTEM, CATALOGUE_ANNOTATION_TYPE, CATALOGUE_NAMESPACE };
int catalogue_find(struct inquiry *a, enum catalogue kind, struct span name, int64_t *ret, tasker_error *err) CHECKED;
int catalogue_put(struct inquiry *a, enum catalogue kind, struct span name, struct span description, int64_t *ret,
                  bool *ret_created, tasker_error *err) CHECKED;
// catalogue_register carries out "register" of a kind: finds or creates the row of the arguments "name" and
// "description", and answers {id_name, "name", "description", "created"}.
int catalogue_register(struct inquiry *a, enum catalogue kind, const char *id_name, tasker_error *err) CHECKED;

#endif
