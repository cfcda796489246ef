// SPDX-License-Identifier: MIT
// sound.c - see sound.h.
#include "common/sound.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"

#define ANSWER_MAX ((size_t)1 << 20)

static char text[2000];

const char *unsound(struct store *s)
{
    struct arena arena;
    struct buf out;
    const struct json *none = NULL, *v = NULL;
    tasker_error err = {0};

    arena_init(&arena);
    buf_init(&out, ANSWER_MAX);
    int rc = json_parse(&arena, SPAN("{}"), &none, &err);
    if (rc == 0)
        rc = s->ops->query(s, "db.verify", none, 1, &out, &err);
    if (rc == 0)
        rc = json_parse(&arena, buf_view(&out), &v, &err);
    const struct json *sound = v != NULL ? json_get(v, "sound") : NULL, *list = v != NULL ? json_get(v, "offenders") : NULL;
    bool good = sound != NULL && sound->truth;
    text[0] = '\0';
    if (rc < 0)
        (void)snprintf(text, sizeof(text), "%s", err.message);
    for (const struct json *o = list != NULL ? list->child : NULL; o != NULL; o = o->next) {
        struct span rule = json_get(o, "rule")->str, detail = json_get(o, "detail")->str;
        int64_t row = 0, task = 0;
        size_t n = strlen(text);
        (void)json_int(json_get(o, "row_id"), &row);
        (void)json_int(json_get(o, "task_id"), &task);
        (void)snprintf(text + n, sizeof(text) - n, "%s%.*s: row %lld, task %lld: %.*s", n > 0 ? "; " : "", (int)rule.len,
                       rule.p, (long long)row, (long long)task, (int)detail.len, detail.p);
    }
    buf_done(&out);
    arena_done(&arena);
    return good ? NULL : text;
}
