// SPDX-License-Identifier: MIT
// mem.h - the only place that calls malloc. Failure is a NULL, never an abort; a test can make the n-th allocation fail.
// Also arenas (everything inside dies together) and blobs (shared immutable bytes with a reference count).
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A local variable that is released when it goes out of scope: CLEANUP(mem_freep) char *text = NULL;
#define CLEANUP(fn) __attribute__((cleanup(fn)))

void *mem_alloc(size_t size);               // zeroed; NULL when out of memory; size 0 gives a valid pointer
void *mem_realloc(void *p, size_t size);    // NULL leaves p as it was
void *mem_dup(const void *p, size_t size);  // a copy with a NUL behind it
char *mem_strdup(const char *s);            // NULL gives NULL
void mem_free(void *p);                     // NULL is fine
void mem_freep(void *pp);                   // frees *pp, for CLEANUP

// mem_grow makes *items (of `item_size`) hold at least `need`, doubling *cap. 0 or -1 when out of memory (unchanged).
int mem_grow(void *items, size_t *cap, size_t need, size_t item_size) __attribute__((warn_unused_result));

// mem_fail_after makes the n-th allocation from now (1: the next) fail, once; 0 switches that off. Tests only; the
// counter is per thread. mem_failed says whether it has happened.
void mem_fail_after(uint64_t n);
bool mem_failed(void);

// An arena: allocate freely, check once. After a failure every later allocation gives NULL and `failed` stays set.
struct arena {
    struct arena_block *head;
    size_t used;  // bytes handed out
    bool failed;
};

void arena_init(struct arena *a);
void arena_done(struct arena *a);                           // frees all; the arena may be used again
void arena_reset(struct arena *a);                          // frees all but one block
void *arena_alloc(struct arena *a, size_t size);            // zeroed, aligned to 16; NULL when failed
char *arena_dup(struct arena *a, const char *p, size_t n);  // NUL-terminated copy
char *arena_strdup(struct arena *a, const char *s);         // NULL gives NULL
// arena_push adds a zeroed item to an array in the arena that holds *count items (`items` points to the pointer), and
// counts it. NULL: out of memory.
void *arena_push(struct arena *a, void *items, size_t *count, size_t size);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// A blob: immutable bytes, a NUL behind them, shared between threads. blob_ref and blob_unref are atomic.
struct blob {
    uint32_t refs;
    uint32_t size;  // at most 1 GiB
    char data[];
};

struct blob *blob_new(const char *data, size_t size);  // NULL when out of memory or over 1 GiB; data NULL: zero bytes
struct blob *blob_ref(struct blob *b);                  // NULL gives NULL
void blob_unref(struct blob *b);                        // NULL is fine
void blob_unrefp(struct blob **b);                      // for CLEANUP

#endif
