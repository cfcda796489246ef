// SPDX-License-Identifier: MIT
// util.h - small things without a home of their own: time as text, random numbers with a seed, UUIDs, SHA-256, and the
// intrusive list and heap that queues and timers are made of.
#ifndef BASE_UTIL_H
#define BASE_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define US_PER_SECOND INT64_C(1000000)
#define US_PER_MS INT64_C(1000)

#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

// ---- time. Everything is microseconds since 1970 UTC.
int64_t clock_real_us(void);       // wall clock
int64_t clock_monotonic_us(void);  // never goes back; its zero means nothing
int64_t clock_cpu_us(void);        // processor time of this process

#define TIME_TEXT_SIZE 32
// time_db writes "2026-11-23 05:15:50.123456", time_iso "2026-11-23T05:15:50.123456Z". Both return `out`.
char *time_db(int64_t us, char out[TIME_TEXT_SIZE]);
char *time_iso(int64_t us, char out[TIME_TEXT_SIZE]);
// time_parse reads ISO 8601 and the database form: date, optional time ('T' or space), optional fraction, optional zone
// (Z, +hh:mm, +hhmm; none: UTC). false: not a time.
bool time_parse(struct span text, int64_t *ret_us);
// time_parse_http reads the three forms of an HTTP date (RFC 9110 section 5.6.7).
bool time_parse_http(struct span text, int64_t *ret_us);
// duration_parse reads "30d", "12h", "1d12h": numbers with a unit each (s, m, h, d, w), not zero, 1,000 years at most.
bool duration_parse(struct span text, int64_t *ret_us);

// ---- random numbers: splitmix64, one state per user, the same seed gives the same numbers.
struct rng {
    uint64_t state;
};
uint64_t rng_next(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t bound);  // 0 to bound-1; bound 0 gives 0
double rng_unit(struct rng *r);                     // in [0, 1)
uint64_t rng_seed_system(void);                     // from the kernel

#define UUID_TEXT_SIZE 37
// uuid_v7 writes a time-ordered UUID (RFC 9562) of `us` with 74 bits of `r`.
char *uuid_v7(int64_t us, struct rng *r, char out[UUID_TEXT_SIZE]);

#define SHA256_HEX_SIZE 65
// sha256_hex writes the lower-case hex SHA-256 of n bytes. Returns `out`.
char *sha256_hex(const void *p, size_t n, char out[SHA256_HEX_SIZE]);

// ---- intrusive doubly linked list. A list is a ring with a head; an unlinked node points to itself.
struct list {
    struct list *prev, *next;
};
void list_init(struct list *l);                        // heads and nodes alike
void list_push(struct list *head, struct list *node);  // at the end
void list_unshift(struct list *head, struct list *node);
void list_remove(struct list *node);  // an unlinked node is fine; it is unlinked afterwards
bool list_empty(const struct list *head);
struct list *list_pop(struct list *head);  // the first, unlinked; NULL when empty
#define list_each(pos, head) for (struct list *pos = (head)->next, *pos##_n = pos->next; pos != (head); pos = pos##_n, pos##_n = pos->next)

// ---- intrusive binary min-heap of timers and queues. `less` orders nodes; a node knows its place.
struct heap_node {
    size_t place;  // index + 1; 0: in no heap
};
struct heap {
    struct heap_node **items;
    size_t count, cap;
    bool (*less)(const struct heap_node *a, const struct heap_node *b);
};
void heap_init(struct heap *h, bool (*less)(const struct heap_node *, const struct heap_node *));
void heap_done(struct heap *h);
int heap_push(struct heap *h, struct heap_node *n) __attribute__((warn_unused_result));  // -1 when out of memory
void heap_remove(struct heap *h, struct heap_node *n);  // a node in no heap is fine
void heap_moved(struct heap *h, struct heap_node *n);   // its key changed
struct heap_node *heap_top(const struct heap *h);       // NULL when empty
struct heap_node *heap_pop(struct heap *h);

#endif
