// SPDX-License-Identifier: MIT
// contract.h - the storage contract as a suite of tests that every backend must pass, and the small
// language in which they are written: a world (a fresh database, two connections to it), owners (a
// lane on one of them), scripts of changes.
//
// Everything is done through store_ops. Only what the contract does not tell (that a row is *not*
// there) is asked in SQL, which reads the same on every backend because the tables are the same. No
// test sleeps; time is a number.
#ifndef TESTS_CONTRACT_H
#define TESTS_CONTRACT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/store.h"

// What a backend gives the suite.
struct backend {
    const char *name;
    const char *parameter; // of the URI when a store is opened, NULL: none
    void (*create)(char *uri, size_t size);              // names a database that does not exist yet
    void (*destroy)(const char *uri);                    // checks that it is sound, and removes it
    int64_t (*number)(const char *uri, const char *sql); // one integer
    void (*text)(const char *uri, const char *sql, char *out, size_t size);
    void (*run)(const char *uri, const char *sql);
};

// contract_run runs the whole suite; returns the number of failed tests.
int contract_run(const struct backend *b);
// contract_use makes the worlds of other tests be of this backend.
void contract_use(const struct backend *b);

#define T0 INT64_C(1780000000000000)
#define LEASE (10 * US_PER_SECOND)
#define SECOND US_PER_SECOND

// ---- the world of a test: `*state` of every test
struct world {
    char uri[256];
    struct store *a, *b;
    struct template *tpl; // "line": a -> b -> c, class A, B, C
};
extern const struct backend *const *const contract_backend;
int world_begin(void **state);
int world_end(void **state);
struct store *world_open(const char *uri);
int64_t world_number(struct world *w, const char *fmt, ...) PRINTF_LIKE(2, 3);
void world_text(struct world *w, char *out, size_t size, const char *fmt, ...) PRINTF_LIKE(4, 5);

// ---- scripts of changes
struct script {
    struct change list[512];
    size_t count;
};
struct change *script_add(struct script *s, enum change_kind kind);
void script_row(struct script *s, enum change_kind kind, int64_t owner, enum state from,
                enum state to, int sort_key, int64_t at, const char *metadata);
// script_task adds a task of w->tpl with three steps (ids step, step + 1, step + 2), its edges and
// its active row, free or own. The identity is "task-<id>".
void script_task(struct world *w, struct script *s, int64_t task, int64_t step, bool own);
void script_start(struct world *w, struct script *s, int64_t task, int64_t at);
// script_step_done adds rows and columns of a step that ran at once; `flip`: an in_progress row is
// there already.
void script_step_done(struct script *s, int64_t step, int64_t at, bool flip, const char *results);

// ---- owners
struct owner {
    struct store *store;
    int64_t lane, number, now;
    struct turn_result r;
};
void owner_begin(struct owner *o, struct store *s, int64_t now); // registers
void owner_end(struct owner *o);
// owner_commit fills in kind WORK (unless RETIRE), lane, number, now, and counts the turn when it
// was committed.
enum commit_outcome owner_commit(struct owner *o, struct turn *t);
enum commit_outcome owner_write(struct owner *o, struct script *s);
// owner_claim claims up to `limit` and returns how many it got.
size_t owner_claim(struct owner *o, int limit);
enum claim_answer owner_claim_task(struct owner *o, int64_t task);
void plain_write(struct store *s, struct script *script, int64_t now); // must be committed
void look(struct store *s, const struct poll_want *want, int64_t now, struct poll_result *r);
void load(struct store *s, int64_t task, struct task_rows *r);
#define assert_span(span, text) assert_span_at((span), (text), __FILE__, __LINE__)
void assert_span_at(struct span s, const char *text, const char *file, int line);
struct template *template_from(const char *yaml);

// ---- the parts of the suite, each an array that ends with a NULL name
extern const struct CMUnitTest contract_turn_tests[], contract_claim_tests[], contract_row_tests[],
    contract_offer_tests[], contract_template_tests[];

#define CONTRACT_TEST(f)                                                                           \
    {                                                                                              \
#f, f, world_begin, world_end, NULL                                                        \
    }
#define CONTRACT_END                                                                               \
    {                                                                                              \
        NULL, NULL, NULL, NULL, NULL                                                               \
    }

#endif
