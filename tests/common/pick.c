// SPDX-License-Identifier: MIT
// pick.c - the path walker of pick.h, on top of the JSON reader.
#include "common/pick.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"

#define PLACES 64

static char *places[PLACES];
static size_t next_place;

static const struct json *walk(struct arena *arena, const char *text, const char *path)
{
    const struct json *v;

    if (json_parse(arena, span_of(text), &v, NULL) < 0)
        return NULL;
    while (v != NULL && *path != '\0') {
        size_t n = strcspn(path, ".");
        char name[128];
        memcpy(name, path, n);
        name[n] = '\0';
        v = v->type == JSON_ARRAY ? json_at(v, (size_t)strtoul(name, NULL, 10)) : json_get(v, name);
        path += n + (path[n] == '.');
    }
    return v;
}

const char *pick(const char *text, const char *path)
{
    struct arena arena;
    const char *found = NULL;

    arena_init(&arena);
    const struct json *v = walk(&arena, text, path);
    if (v != NULL) {
        struct span s = v->type == JSON_STRING ? v->str : v->raw;
        char **place = &places[next_place++ % PLACES];
        mem_free(*place);
        *place = mem_dup(s.len > 0 ? s.p : "", s.len);
        found = *place;
    }
    arena_done(&arena);
    return found;
}

int pick_count(const char *text, const char *path)
{
    struct arena arena;

    arena_init(&arena);
    const struct json *v = walk(&arena, text, path);
    int count = v == NULL ? -1 : (int)v->count;
    arena_done(&arena);
    return count;
}

bool pick_is(const char *text, const char *path, const char *want)
{
    const char *found = pick(text, path);

    return found != NULL && strcmp(found, want) == 0;
}

void pick_done(void)
{
    for (size_t i = 0; i < PLACES; i++) {
        mem_free(places[i]);
        places[i] = NULL;
    }
}
