// SPDX-License-Identifier: MIT
// tally.h - counts that the lanes of one engine share, so that a limit holds for all of them together: the places of a
// worker, steps of a class, of a template, of the engine. A lane by itself has no tally and counts for itself.
//
// Looking at counts and taking places happens under the tally's lock; places are given back without it.
#ifndef ENGINE_TALLY_H
#define ENGINE_TALLY_H

#include <stdbool.h>
#include <stdint.h>

struct tally;
struct tally *tally_new(void);  // NULL: out of memory
void tally_free(struct tally *t);
void tally_lock(struct tally *t);  // NULL is fine
void tally_unlock(struct tally *t);
// tally_count finds or makes the count of a name; it lives as long as the tally. NULL: out of memory, or no tally.
int32_t *tally_count(struct tally *t, const char *kind, const char *name);

// A count as one lane sees it: what it has taken itself, and what all lanes have.
struct meter {
    int32_t own, *all;  // all is own's address when nobody else counts
};

static inline void meter_init(struct meter *m, int32_t *all)
{
    m->own = 0;
    m->all = all ? all : &m->own;
}

static inline void meter_add(struct meter *m, int32_t n)
{
    m->own += n;
    if (m->all != &m->own)
        __atomic_add_fetch(m->all, n, __ATOMIC_ACQ_REL);
}

static inline int32_t meter_used(const struct meter *m)
{
    return __atomic_load_n(m->all, __ATOMIC_ACQUIRE);
}

#endif
