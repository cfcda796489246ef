// SPDX-License-Identifier: MIT
// backends.h - how each backend is opened: the functions behind the table of URI schemes in
// store.c. A new backend is one line here, one row there, and its own files.
#ifndef STORE_BACKENDS_H
#define STORE_BACKENDS_H

#include "store/store.h"

// sqlite_open opens what stands behind "sqlite:" in a URI: the path of a file, or ":memory:".
int sqlite_open(const char *place, const struct store_options *options, struct store **ret,
                tasker_error *err) CHECKED;

// postgres_open connects to the server of a whole URI, "postgresql://..." or "postgres://...".
int postgres_open(const char *uri, const struct store_options *options, struct store **ret,
                  tasker_error *err) CHECKED;

#endif
