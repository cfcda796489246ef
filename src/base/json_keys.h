// SPDX-License-Identifier: MIT
// json_keys.h - finds the keys that an object has twice, while it is being scanned. Inside base/ only.
//
// The keys of all objects that are open lie on one stack; an object remembers how high it was when it began.
#ifndef BASE_JSON_KEYS_H
#define BASE_JSON_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define JSON_KEYS_INLINE 64  // keys that fit without an allocation

struct json_key {
    uint32_t hash;  // of what the key means
    uint32_t at;    // of its contents, from the start of the text
    uint32_t len;   // of its contents as they stand there
};

struct json_keys {
    const char *text;  // borrowed
    struct json_key *items;
    size_t count, cap;
    struct json_key room[JSON_KEYS_INLINE];
};

void json_keys_init(struct json_keys *keys, const char *text);
void json_keys_done(struct json_keys *keys);

// json_keys_push adds a key, the checked contents of a string of the text. false: out of memory.
bool json_keys_push(struct json_keys *keys, struct span key, bool escaped);

// json_keys_pop takes off the keys from `first` on. true: there were two with the same meaning, and ret_twice is the first
// in the text that repeats an earlier one.
bool json_keys_pop(struct json_keys *keys, size_t first, struct span *ret_twice);

#endif
