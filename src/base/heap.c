// SPDX-License-Identifier: MIT
// heap.c - the intrusive binary min-heap.
//
// items[0] is the smallest; the children of items[i] are items[2i+1] and items[2i+2]. node->place is always its index
// plus one, kept by put() alone, so that a node can leave from the middle in O(log n).
#include "base/mem.h"
#include "base/util.h"

void heap_init(struct heap *h, bool (*less)(const struct heap_node *, const struct heap_node *))
{
    *h = (struct heap){.less = less};
}

void heap_done(struct heap *h)
{
    for (size_t i = 0; i < h->count; i++)
        h->items[i]->place = 0;
    mem_free(h->items);
    heap_init(h, h->less);
}

static void put(struct heap *h, size_t i, struct heap_node *n)
{
    h->items[i] = n;
    n->place = i + 1;
}

// Moves the node that belongs at hole `i` up as far as it must; returns where it came to rest.
static size_t sift_up(struct heap *h, size_t i, struct heap_node *n)
{
    while (i > 0 && h->less(n, h->items[(i - 1) / 2])) {
        put(h, i, h->items[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    put(h, i, n);
    return i;
}

static void sift_down(struct heap *h, size_t i, struct heap_node *n)
{
    for (size_t child = 2 * i + 1; child < h->count; child = 2 * i + 1) {
        if (child + 1 < h->count && h->less(h->items[child + 1], h->items[child]))
            child++;
        if (!h->less(h->items[child], n))
            break;
        put(h, i, h->items[child]);
        i = child;
    }
    put(h, i, n);
}

// Puts the node at place i, whose key is anything, where it belongs.
static void settle(struct heap *h, size_t i, struct heap_node *n)
{
    if (sift_up(h, i, n) == i)
        sift_down(h, i, n);
}

int heap_push(struct heap *h, struct heap_node *n)
{
    if (mem_grow(&h->items, &h->cap, h->count + 1, sizeof(*h->items)) < 0)
        return -1;
    sift_up(h, h->count++, n);
    return 0;
}

void heap_remove(struct heap *h, struct heap_node *n)
{
    if (n->place == 0)
        return;

    size_t i = n->place - 1;
    struct heap_node *last = h->items[--h->count];
    n->place = 0;
    if (last != n)
        settle(h, i, last);
}

void heap_moved(struct heap *h, struct heap_node *n)
{
    if (n->place > 0)
        settle(h, n->place - 1, n);
}

struct heap_node *heap_top(const struct heap *h)
{
    return h->count > 0 ? h->items[0] : NULL;
}

struct heap_node *heap_pop(struct heap *h)
{
    struct heap_node *n = heap_top(h);

    if (n != NULL)
        heap_remove(h, n);
    return n;
}
