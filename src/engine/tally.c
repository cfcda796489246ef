// SPDX-License-Identifier: MIT
// tally.c - see tally.h.
#include "engine/tally.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"

struct count {
    char *name;
    int32_t used;
    UT_hash_handle hh;
};

struct tally {
    pthread_mutex_t lock, names;  // never both
    struct count *counts;
};

struct tally *tally_new(void)
{
    struct tally *t = mem_alloc(sizeof(*t));
    if (!t)
        return NULL;
    pthread_mutex_init(&t->lock, NULL);
    pthread_mutex_init(&t->names, NULL);
    return t;
}

void tally_free(struct tally *t)
{
    struct count *c, *tmp;
    if (!t)
        return;
    HASH_ITER(hh, t->counts, c, tmp)
    {
        HASH_DEL(t->counts, c);
        mem_free(c->name);
        mem_free(c);
    }
    pthread_mutex_destroy(&t->lock);
    pthread_mutex_destroy(&t->names);
    mem_free(t);
}

void tally_lock(struct tally *t)
{
    if (t)
        pthread_mutex_lock(&t->lock);
}

void tally_unlock(struct tally *t)
{
    if (t)
        pthread_mutex_unlock(&t->lock);
}

static struct count *make(struct tally *t, const char *name)
{
    struct count *c = mem_alloc(sizeof(*c));
    if (!c || !(c->name = mem_strdup(name))) {
        mem_free(c);
        return NULL;
    }
    HASH_ADD_KEYPTR(hh, t->counts, c->name, strlen(c->name), c);
    if (HASH_ADDED(hh, c))
        return c;
    mem_free(c->name);
    mem_free(c);
    return NULL;
}

int32_t *tally_count(struct tally *t, const char *kind, const char *name)
{
    struct count *c = NULL;
    char key[640];
    if (!t)
        return NULL;
    (void)snprintf(key, sizeof(key), "%s %s", kind, name);
    pthread_mutex_lock(&t->names);
    HASH_FIND_STR(t->counts, key, c);
    if (!c)
        c = make(t, key);
    pthread_mutex_unlock(&t->names);
    return c ? &c->used : NULL;
}
