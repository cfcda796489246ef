// SPDX-License-Identifier: MIT
// yaml_merge.h - completing a mapping. Inside base/ only.
//
// Merge keys: a plain `<<` gives its mapping the members of the mapping, or of the mappings in a sequence, that stand
// behind it. Keys of the mapping itself win, then the earlier source. Merged members stand where the `<<` was.
#ifndef BASE_YAML_MERGE_H
#define BASE_YAML_MERGE_H

#include "base/err.h"
#include "base/mem.h"
#include "base/yaml.h"

// The key of a member that is to be merged; recognised by its address, since a quoted "<<" is a key like any other.
extern const char yaml_merge_key[];

// yaml_finish_mapping refuses duplicate keys and resolves the merge key. TASKER_E_INVALID with the place, TASKER_E_NOMEM.
int yaml_finish_mapping(struct arena *arena, struct yaml *mapping, const char *file, tasker_error *err) CHECKED;

#endif
