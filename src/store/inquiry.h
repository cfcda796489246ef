// SPDX-License-Identifier: MIT
// inquiry.h - questions and writing operations that are written once, in SQL that both databases understand: the
// transaction around each, its statements, and the rows they give.
//
// A question runs in one read transaction, so all its statements see one snapshot; what is read lives in the inquiry's
// arena. A writing operation begins and commits its own transactions. Statements are put together by query_build.h.
#ifndef STORE_INQUIRY_H
#define STORE_INQUIRY_H

#include "base/json.h"
#include "base/util.h"
#include "store/queries.h"
#include "store/store.h"

struct rows;

struct inquiry {
    struct store *store;
    const struct inquiry_ops *ops;
    const struct json *args;
    int64_t now;
    struct buf *out;
    struct arena arena;
    bool postgres;
    int64_t patience_us; // how long a server may work at a statement without a word; 0: as long as at anything
};

enum value_kind { VALUE_NULL, VALUE_INT, VALUE_BOOL, VALUE_TEXT, VALUE_TIME };
struct value {
    enum value_kind kind;
    int64_t number; // INT, BOOL; TIME in microseconds since 1970
    struct span text;
};

// What a backend gives.
struct inquiry_ops {
    bool postgres;
    int (*begin)(struct inquiry *a, bool write, tasker_error *err);
    int (*commit)(struct inquiry *a, tasker_error *err);
    void (*rollback)(struct inquiry *a); // no transaction: does nothing
    // open runs a statement whose parameters are numbered from 1. After a failure no transaction is open.
    int (*open)(struct inquiry *a, const char *sql, const struct value *values, size_t count, struct rows *ret,
                tasker_error *err);
    int (*next)(struct rows *r, tasker_error *err);
    bool (*null)(const struct rows *r, int i);
    int64_t (*integer)(const struct rows *r, int i); // a boolean is 0 or 1
    struct span (*text)(const struct rows *r, int i);
    int64_t (*hit)(struct rows *r);
    void (*close)(struct rows *r);
};

// The rows of one statement. Texts are borrowed until the next row; times are those of timestamp columns.
struct rows {
    struct inquiry *a; // NULL: closed
    void *held;        // the backend's own
    size_t at, count;  // the row after the current one; how many
};
void rows_close(struct rows *r); // closed already is fine
// rows_next is 1 with a row, 0 behind the last.
int rows_next(struct rows *r, tasker_error *err) CHECKED;
bool rows_null(const struct rows *r, int i);
int64_t rows_int(const struct rows *r, int i);       // NULL: 0
bool rows_bool(const struct rows *r, int i);         // NULL: false
struct span rows_text(const struct rows *r, int i);  // NULL: absent
struct span rows_keep(struct rows *r, int i);        // copied into the inquiry's arena
int64_t rows_time(const struct rows *r, int i);      // NULL: 0

// ---- arguments; a wrong type counts as not given
int64_t given_int(const struct inquiry *a, const char *name, int64_t otherwise);
bool given_bool(const struct inquiry *a, const char *name);
struct span given_text(const struct inquiry *a, const char *name);
bool given_time(const struct inquiry *a, const char *name, int64_t *ret); // false: not given
int64_t given_limit(const struct inquiry *a, int64_t otherwise);
const struct json *given_list(const struct inquiry *a, const char *name); // NULL: not given

// ---- answers: the column of the current row as a member
void put_text(struct inquiry *a, const char *key, struct rows *r, int i);
void put_json(struct inquiry *a, const char *key, struct rows *r, int i);
void put_time(struct inquiry *a, const char *key, struct rows *r, int i);
void put_int(struct inquiry *a, const char *key, struct rows *r, int i);
void put_bool(struct inquiry *a, const char *key, struct rows *r, int i);

// inquire answers a question of the table QUERIES_SHARED, inquire_to_write carries out an operation of OPERATIONS.
// TASKER_E_UNSUPPORTED: there is none of that name.
int inquire(struct store *s, const struct inquiry_ops *ops, const char *name, const struct json *arguments, int64_t now,
            struct buf *out, tasker_error *err) CHECKED;
int inquire_to_write(struct store *s, const struct inquiry_ops *ops, const char *name, const struct json *arguments,
                     int64_t now, struct buf *out, tasker_error *err) CHECKED;

#define X(function, name) int query_##function(struct inquiry *a, tasker_error *err) CHECKED;
QUERIES_SHARED(X)
#undef X
#define X(function, name) int operate_##function(struct inquiry *a, tasker_error *err) CHECKED;
OPERATIONS(X)
#undef X

extern const struct inquiry_ops sqlite_inquiry, postgres_inquiry;

#endif
