// SPDX-License-Identifier: MIT
// text.c - results: bytes with a length that outlive the handle they came from.
//
// A text owns either memory of its own or one reference to a blob, so that results of steps and
// events are never copied.
#include <stdio.h>

#include "api/api.h"

struct tasker_text {
    const char *data;
    size_t size;
    char *owned;       // or
    struct blob *blob; // or neither: static text
};

const char *tasker_text_data(const tasker_text *text)
{
    return text == NULL ? "" : text->data;
}

size_t tasker_text_size(const tasker_text *text)
{
    return text == NULL ? 0 : text->size;
}

void tasker_text_free(tasker_text *text)
{
    if (text == NULL)
        return;
    mem_free(text->owned);
    blob_unref(text->blob);
    mem_free(text);
}

int buf_error(const struct buf *b, const char *what, tasker_error *err)
{
    // A buffer doubles its memory up to its maximum: one that failed far below it found no memory.
    if (b->len < b->max / 4)
        return err_nomem(err);
    err_set(err, TASKER_E_TOO_BIG, "%s is bigger than %zu bytes", what, b->max);
    err_remedy(err, "ask for less at once, for example with a smaller limit");
    return TASKER_E_TOO_BIG;
}

int text_from_buf(struct buf *b, tasker_text **ret, tasker_error *err)
{
    if (buf_failed(b))
        return buf_error(b, "the result", err);

    tasker_text *text = mem_alloc(sizeof(*text));
    if (text == NULL)
        return err_nomem(err);
    text->data = "";
    if (b->len > 0) {
        text->owned = buf_take(b, &text->size);
        text->data = text->owned;
    }
    *ret = text;
    return 0;
}

int text_from_blob(struct blob *blob, tasker_text **ret, tasker_error *err)
{
    tasker_text *text = mem_alloc(sizeof(*text));

    if (text == NULL) {
        blob_unref(blob);
        return err_nomem(err);
    }
    text->blob = blob;
    text->data = blob == NULL ? "null" : blob->data;
    text->size = blob == NULL ? 4 : blob->size;
    *ret = text;
    return 0;
}
