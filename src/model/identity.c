// SPDX-License-Identifier: MIT
// identity.c - the request hash as the Rails engine computes it: SHA-256 over one compact JSON
// object with the members name, initiator, source_system, context, reason, bypass_steps and
// requested_at ("YYYY-MM-DD HH:MM", UTC).
//
// Its JSON is ActiveSupport's: keys in the order given, strings escaped as little as JSON allows,
// except that < > & and the line separators U+2028 and U+2029 are written as \u escapes. None of
// these can stand outside of a string, so they are replaced in the finished text. Numbers keep
// their text, which differs from Ruby's only where a client writes a float in a way that Ruby does
// not (1.10, 1e3).
#include <string.h>

#include "model/identity.h"

// The longest context with every byte escaped, and the other members.
#define TEXT_MAX (6 * JSON_MAX_SIZE + (16 << 20))

static void add_value(struct buf *out, const struct json *v);

static void add_container(struct buf *out, const struct json *v)
{
    jw_open(out, v->type == JSON_OBJECT ? '{' : '[');
    for (const struct json *item = v->child; item != NULL; item = item->next) {
        if (v->type == JSON_OBJECT) {
            jw_strn(out, item->key.p, item->key.len);
            buf_char(out, ':');
        }
        add_value(out, item);
    }
    jw_close(out, v->type == JSON_OBJECT ? '}' : ']');
}

// Strings are written anew: the client may have escaped what needs no escape. As deep as the JSON,
// at most 512.
static void add_value(struct buf *out, const struct json *v)
{
    if (v->type == JSON_OBJECT || v->type == JSON_ARRAY)
        add_container(out, v);
    else if (v->type == JSON_STRING)
        jw_strn(out, v->str.p, v->str.len);
    else
        jw_raw(out, v->raw.p, v->raw.len);
}

static void add_text(struct buf *out, const char *key, struct span text)
{
    struct span value = text.p != NULL ? text : SPAN("unknown");
    jw_key(out, key);
    jw_strn(out, value.p, value.len);
}

static void add_json(struct buf *out, const char *key, const struct json *v, const char *otherwise)
{
    jw_key(out, key);
    if (v != NULL)
        add_value(out, v);
    else
        jw_raw(out, otherwise, strlen(otherwise));
}

static void add_minute(struct buf *out, int64_t us)
{
    char text[TIME_TEXT_SIZE];
    jw_key(out, "requested_at");
    jw_strn(out, time_db(us, text), strlen("2026-11-23 02:57"));
}

static const struct {
    const char *bytes, *escape;
} html[] = {
    {"<", "\\u003c"},      {">", "\\u003e"},      {"&", "\\u0026"},
    {"\u2028", "\\u2028"}, {"\u2029", "\\u2029"},
};

// Appends `text` with HTML's own characters escaped.
static void escape_html(struct buf *out, struct span text)
{
    size_t done = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (strchr("<>&\xE2", text.p[i]) == NULL)
            continue;
        for (size_t k = 0; k < ARRAY_SIZE(html); k++) {
            size_t n = strlen(html[k].bytes);
            if (text.len - i < n || memcmp(text.p + i, html[k].bytes, n) != 0)
                continue;
            buf_add(out, text.p + done, i - done);
            buf_str(out, html[k].escape);
            done = i + n;
        }
    }
    buf_add(out, text.p + done, text.len - done);
}

int identity_hash(const struct identity_fields *f, char out[IDENTITY_SIZE], tasker_error *err)
{
    struct buf plain, text;
    buf_init(&plain, TEXT_MAX);
    buf_init(&text, TEXT_MAX);
    jw_open(&plain, '{');
    add_text(&plain, "name", f->name);
    add_text(&plain, "initiator", f->initiator);
    add_text(&plain, "source_system", f->source_system);
    add_json(&plain, "context", f->context, "{}");
    add_text(&plain, "reason", f->reason);
    add_json(&plain, "bypass_steps", f->bypass_steps, "[]");
    add_minute(&plain, f->requested_at);
    jw_close(&plain, '}');
    if (!buf_failed(&plain))
        escape_html(&text, buf_view(&plain));
    bool failed = buf_failed(&plain) || buf_failed(&text);
    if (!failed)
        (void)sha256_hex(buf_view(&text).p, buf_view(&text).len, out);
    buf_done(&plain);
    buf_done(&text);
    return failed ? err_nomem(err) : 0;
}
