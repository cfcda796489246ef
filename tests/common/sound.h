// SPDX-License-Identifier: MIT
// sound.h - db.verify asked of a store, for tests that have made histories of their own.
#ifndef TESTS_COMMON_SOUND_H
#define TESTS_COMMON_SOUND_H

#include "store/store.h"

// unsound is NULL when every history in the store can have happened, else what db.verify says about the first rows, or
// why it could not look. The text stands until the next call.
const char *unsound(struct store *s);

#endif
