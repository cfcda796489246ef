// SPDX-License-Identifier: MIT
// hash.h - hash tables: uthash, told to take memory from mem.h and to survive when there is none, with a hash that has no
// switch (clang sees unannotated cases in the default one).
//
// After HASH_ADD look at HASH_ADDED(hh, item): false means out of memory, the table is as it was.
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/mem.h"

#define HASH_FUNCTION(key, length, hash) HASH_FNV(key, length, hash)
#define HASH_NONFATAL_OOM 1
#define uthash_malloc(size) mem_alloc(size)
#define uthash_free(p, size) mem_free(p)
#include <uthash.h>

#define HASH_ADDED(hh, item) ((item)->hh.tbl != NULL)

#endif
