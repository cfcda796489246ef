// SPDX-License-Identifier: MIT
// util.c - random numbers, UUIDs, SHA-256 and the intrusive list.
//
// The digest uses libcrypto's plain functions rather than EVP: they allocate nothing and cannot fail.
#define OPENSSL_API_COMPAT 0x10100000L
#include "base/util.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

// ---- random numbers

// splitmix64, Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
uint64_t rng_next(struct rng *r)
{
    uint64_t z = r->state += UINT64_C(0x9E3779B97F4A7C15);

    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

uint64_t rng_below(struct rng *r, uint64_t bound)
{
    if (bound == 0)
        return 0;
    // Numbers below 2^64 mod bound are drawn again; what is left is a whole multiple of bound.
    uint64_t skip = -bound % bound, n = rng_next(r);
    while (n < skip)
        n = rng_next(r);
    return n % bound;
}

double rng_unit(struct rng *r)
{
    return (double)(rng_next(r) >> 11) * 0x1p-53;
}

uint64_t rng_seed_system(void)
{
    uint64_t seed;

    // Not reached on a kernel that knows the call; a sandbox may forbid it.
    if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed)) {
        struct rng mix = {(uint64_t)clock_real_us() ^ (uint64_t)getpid() << 40};
        seed = rng_next(&mix) ^ (uint64_t)clock_monotonic_us();
    }
    return seed;
}

// ---- UUID and SHA-256

static char *hex(const unsigned char *bytes, size_t n, char *out)
{
    for (size_t i = 0; i < n; i++) {
        *out++ = "0123456789abcdef"[bytes[i] >> 4];
        *out++ = "0123456789abcdef"[bytes[i] & 15];
    }
    *out = '\0';
    return out;
}

char *uuid_v7(int64_t us, struct rng *r, char out[UUID_TEXT_SIZE])
{
    uint64_t ms = us > 0 ? (uint64_t)(us / US_PER_MS) : 0;
    uint64_t high = ms << 16 | UINT64_C(0x7000) | (rng_next(r) & 0xFFF);
    uint64_t low = UINT64_C(0x8000000000000000) | rng_next(r) >> 2;
    static const unsigned char group_sizes[] = {4, 2, 2, 2, 6};
    unsigned char bytes[16];
    size_t done = 0;
    char *end = out;

    for (size_t i = 0; i < 8; i++) {
        bytes[i] = (unsigned char)(high >> (56 - 8 * i));
        bytes[8 + i] = (unsigned char)(low >> (56 - 8 * i));
    }
    for (size_t i = 0; i < ARRAY_SIZE(group_sizes); done += group_sizes[i++]) {
        if (i > 0)
            *end++ = '-';
        end = hex(bytes + done, group_sizes[i], end);
    }
    return out;
}

char *sha256_hex(const void *p, size_t n, char out[SHA256_HEX_SIZE])
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256_CTX state;

    SHA256_Init(&state);
    if (n > 0)
        SHA256_Update(&state, p, n);
    SHA256_Final(digest, &state);
    hex(digest, sizeof(digest), out);
    return out;
}

// ---- list

void list_init(struct list *l)
{
    l->prev = l->next = l;
}

static void insert_between(struct list *prev, struct list *node, struct list *next)
{
    node->prev = prev;
    node->next = next;
    prev->next = node;
    next->prev = node;
}

void list_push(struct list *head, struct list *node)
{
    insert_between(head->prev, node, head);
}

void list_unshift(struct list *head, struct list *node)
{
    insert_between(head, node, head->next);
}

void list_remove(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

bool list_empty(const struct list *head)
{
    return head->next == head;
}

struct list *list_pop(struct list *head)
{
    if (list_empty(head))
        return NULL;
    struct list *first = head->next;
    list_remove(first);
    return first;
}
