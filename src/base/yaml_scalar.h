// SPDX-License-Identifier: MIT
// yaml_scalar.h - what a YAML scalar means. Inside base/ only; others include yaml.h.
//
// Plain scalars follow the core schema of YAML 1.2 (section 10.3.2), quoted ones are strings, a core tag overrides both.
#ifndef BASE_YAML_SCALAR_H
#define BASE_YAML_SCALAR_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/yaml.h"

// yaml_scalar_resolve finds the type of a scalar and fills in type, text, len and truth of `node`; `text` outlives it.
// `tag` is absent or the whole tag. TASKER_E_INVALID with a constant text in ret_why, TASKER_E_NOMEM.
int yaml_scalar_resolve(struct yaml *node, struct span text, bool plain, struct span tag, const char **ret_why);

// yaml_unquote appends what the text between two quotes of this kind means.
void yaml_unquote(struct buf *out, struct span raw, char quote);

// yaml_tag_fits_container says whether a mapping or sequence may have this tag.
bool yaml_tag_fits_container(struct span tag, enum yaml_type type);

#endif
