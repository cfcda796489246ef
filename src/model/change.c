// SPDX-License-Identifier: MIT
// change.c - the lists that a turn fills while it decides: changes for the store, notes for the
// engine, blobs that must live until both are through; and the names of all kinds.
//
// Every helper has a sticky failure: once an allocation has failed, decision.failed is set, nothing
// more is appended, and the turn must not be sent. Callers check once at the end.
#include "model/change.h"

#include <string.h>

const char *const change_names[CH_COUNT] = {
#define X(name, text) [CH_##name] = #name,
    CHANGE_KINDS(X)
#undef X
};

const char *const priority_names[PRIO_COUNT] = {
#define X(name, text) [PRIO_##name] = text,
    PRIORITIES(X)
#undef X
};

const char *const log_outcome_names[LOG_OUTCOME_COUNT] = {
#define X(name, text) [LOG_##name] = text,
    LOG_OUTCOMES(X)
#undef X
};

const char *const note_names[NOTE_COUNT] = {
#define X(name, text, durable) [NOTE_##name] = text,
    NOTES(X)
#undef X
};

const bool note_durable[NOTE_COUNT] = {
#define X(name, text, durable) [NOTE_##name] = durable,
    NOTES(X)
#undef X
};

void decision_init(struct decision *d)
{
    memset(d, 0, sizeof(*d));
    arena_init(&d->arena);
}

static void drop_blobs(struct decision *d)
{
    for (size_t i = 0; i < d->blob_count; i++)
        blob_unref(d->blobs[i]);
    d->blob_count = 0;
}

void decision_done(struct decision *d)
{
    drop_blobs(d);
    mem_free(d->changes);
    mem_free(d->notes);
    mem_free(d->blobs);
    arena_done(&d->arena);
    memset(d, 0, sizeof(*d));
}

void decision_clear(struct decision *d)
{
    drop_blobs(d);
    arena_reset(&d->arena);
    d->change_count = 0;
    d->note_count = 0;
    d->bytes = 0;
    d->origin = 0;
    d->failed = false;
}

struct change *decision_change(struct decision *d, enum change_kind kind)
{
    if (d->failed ||
        mem_grow(&d->changes, &d->change_cap, d->change_count + 1, sizeof(*d->changes)) != 0) {
        d->failed = true;
        return NULL;
    }
    struct change *c = &d->changes[d->change_count++];
    memset(c, 0, sizeof(*c));
    c->kind = (uint8_t)kind;
    c->origin = d->origin;
    return c;
}

void decision_note(struct decision *d, enum note_kind kind, struct task *t, int32_t step,
                   struct span detail)
{
    if (d->failed || mem_grow(&d->notes, &d->note_cap, d->note_count + 1, sizeof(*d->notes)) != 0) {
        d->failed = true;
        return;
    }
    d->notes[d->note_count++] = (struct note){
        .kind = (uint8_t)kind,
        .task = t,
        .step = step,
        .at = d->now,
        .detail = detail,
    };
}

struct blob *decision_hold(struct decision *d, struct blob *b)
{
    if (b == NULL)
        return NULL;
    if (d->failed ||
        mem_grow(&d->blobs, &d->blob_cap, d->blob_count + 1, sizeof(struct blob *)) != 0) {
        d->failed = true;
        return NULL;
    }
    d->blobs[d->blob_count++] = blob_ref(b);
    return b;
}
