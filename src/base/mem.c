// SPDX-License-Identifier: MIT
// mem.c - allocation that a test can make fail, arenas and blobs.
//
// An arena is a list of blocks. New objects are cut from the first block; an object too large for its share of a block
// gets one of its own behind the first, so that the room left in the first is not lost.
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_MIN ((size_t)4 << 10)
#define BLOCK_MAX ((size_t)256 << 10)
#define BLOB_MAX ((size_t)1 << 30)
#define ALIGNMENT 16

// The test switch of mem_fail_after: how many allocations until one fails (0: off), and whether it did.
static _Thread_local uint64_t fail_countdown;
static _Thread_local bool fail_happened;

void mem_fail_after(uint64_t n)
{
    fail_countdown = n;
    fail_happened = false;
}

bool mem_failed(void)
{
    return fail_happened;
}

static bool must_fail(void)
{
    if (fail_countdown == 0 || --fail_countdown > 0)
        return false;
    fail_happened = true;
    return true;
}

static void *alloc_raw(size_t size)
{
    return must_fail() ? NULL : malloc(size > 0 ? size : 1);
}

void *mem_alloc(size_t size)
{
    return must_fail() ? NULL : calloc(1, size > 0 ? size : 1);
}

void *mem_realloc(void *p, size_t size)
{
    return must_fail() ? NULL : realloc(p, size > 0 ? size : 1);
}

void *mem_dup(const void *p, size_t size)
{
    if (size == SIZE_MAX)
        return NULL;
    char *copy = alloc_raw(size + 1);
    if (copy == NULL)
        return NULL;
    if (size > 0)
        memcpy(copy, p, size);
    copy[size] = '\0';
    return copy;
}

char *mem_strdup(const char *s)
{
    return s != NULL ? mem_dup(s, strlen(s)) : NULL;
}

void mem_free(void *p)
{
    free(p);
}

void mem_freep(void *pp)
{
    void *p;

    memcpy(&p, pp, sizeof(p));
    free(p);
    memset(pp, 0, sizeof(p));
}

int mem_grow(void *items, size_t *cap, size_t need, size_t item_size)
{
    size_t now = *cap, want = now > 0 ? now : 8;
    void *old, *grown;

    if (need <= now)
        return 0;
    while (want < need)
        want = want > SIZE_MAX / 2 ? need : want * 2;
    if (item_size > 0 && want > SIZE_MAX / item_size)
        return -1;
    memcpy(&old, items, sizeof(old));
    grown = mem_realloc(old, want * item_size);
    if (grown == NULL)
        return -1;
    memset((char *)grown + now * item_size, 0, (want - now) * item_size);
    memcpy(items, &grown, sizeof(grown));
    *cap = want;
    return 0;
}

// ---- arenas

struct arena_block {
    struct arena_block *next;
    size_t size, used;
    _Alignas(ALIGNMENT) char data[];
};

void arena_init(struct arena *a)
{
    *a = (struct arena){0};
}

static void free_blocks(struct arena_block *block)
{
    while (block != NULL) {
        struct arena_block *next = block->next;
        free(block);
        block = next;
    }
}

void arena_done(struct arena *a)
{
    free_blocks(a->head);
    arena_init(a);
}

void arena_reset(struct arena *a)
{
    struct arena_block *kept = a->head;

    if (kept != NULL) {
        free_blocks(kept->next);
        kept->next = NULL;
        kept->used = 0;
    }
    *a = (struct arena){.head = kept};
}

// Adds a block with room for `size` bytes and returns it; NULL sets the sticky error.
static struct arena_block *add_block(struct arena *a, size_t size)
{
    size_t usual = a->head != NULL ? a->head->size * 2 : BLOCK_MIN;
    usual = usual > BLOCK_MAX ? BLOCK_MAX : usual;
    bool apart = size > usual / 4;
    size_t room = apart ? size : usual;

    struct arena_block *block = NULL;
    if (room <= SIZE_MAX - sizeof(*block))
        block = alloc_raw(sizeof(*block) + room);
    if (block == NULL) {
        a->failed = true;
        return NULL;
    }
    *block = (struct arena_block){.size = room};
    if (apart && a->head != NULL) {
        block->next = a->head->next;
        a->head->next = block;
    } else {
        block->next = a->head;
        a->head = block;
    }
    return block;
}

// Hands out `size` bytes that still hold whatever they held before.
static void *take(struct arena *a, size_t size)
{
    if (a->failed || size > SIZE_MAX - ALIGNMENT) {
        a->failed = true;
        return NULL;
    }
    size = size > 0 ? (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1) : ALIGNMENT;

    struct arena_block *block = a->head;
    if (block == NULL || block->size - block->used < size)
        block = add_block(a, size);
    if (block == NULL)
        return NULL;
    void *p = block->data + block->used;
    block->used += size;
    a->used += size;
    return p;
}

void *arena_alloc(struct arena *a, size_t size)
{
    void *p = take(a, size);

    return p != NULL ? memset(p, 0, size) : NULL;
}

char *arena_dup(struct arena *a, const char *p, size_t n)
{
    char *copy = n < SIZE_MAX ? take(a, n + 1) : take(a, n);

    if (copy == NULL)
        return NULL;
    if (n > 0)
        memcpy(copy, p, n);
    copy[n] = '\0';
    return copy;
}

char *arena_strdup(struct arena *a, const char *s)
{
    return s != NULL ? arena_dup(a, s, strlen(s)) : NULL;
}

#define PUSH_FIRST 8 // items that the first piece holds

void *arena_push(struct arena *a, void *items, size_t *count, size_t size)
{
    char *list = NULL;
    size_t n = *count;
    memcpy(&list, items, sizeof(list));
    if (n == 0 ||
        (n >= PUSH_FIRST && (n & (n - 1)) == 0)) { // full: its size is the next power of two
        char *larger = arena_alloc(a, (n == 0 ? PUSH_FIRST : 2 * n) * size);
        if (!larger)
            return NULL;
        if (n > 0)
            memcpy(larger, list, n * size);
        list = larger;
        memcpy(items, &list, sizeof(list));
    }
    *count = n + 1;
    return list + n * size;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    char *text = n >= 0 ? take(a, (size_t)n + 1) : NULL;
    if (text == NULL) {
        a->failed = true;
        return NULL;
    }
    va_start(args, fmt);
    vsnprintf(text, (size_t)n + 1, fmt, args);
    va_end(args);
    return text;
}

// ---- blobs

struct blob *blob_new(const char *data, size_t size)
{
    if (size > BLOB_MAX)
        return NULL;
    struct blob *b = alloc_raw(sizeof(*b) + size + 1);
    if (b == NULL)
        return NULL;
    b->refs = 1;
    b->size = (uint32_t)size;
    if (data == NULL)
        memset(b->data, 0, size);
    else
        memcpy(b->data, data, size);
    b->data[size] = '\0';
    return b;
}

struct blob *blob_ref(struct blob *b)
{
    if (b != NULL)
        __atomic_add_fetch(&b->refs, 1, __ATOMIC_RELAXED);
    return b;
}

void blob_unref(struct blob *b)
{
    if (b != NULL && __atomic_sub_fetch(&b->refs, 1, __ATOMIC_ACQ_REL) == 0)
        free(b);
}

void blob_unrefp(struct blob **b)
{
    blob_unref(*b);
    *b = NULL;
}
