// SPDX-License-Identifier: MIT
// schema_refs.c - "$id" and "$ref": which place of the text a reference means.
//
// Every "$id" in a place where a schema may stand names a resource (or, as "#name", an anchor in
// one). A reference is resolved against the base of where it stands; what it names must be one of
// these, the document itself, or the draft-07 meta-schema. Nothing is fetched. A fragment is a JSON
// pointer from the resource's root, or an anchor.
#include <string.h>

#include "model/schema_private.h"

// ---- URIs (RFC 3986)

struct uri {
    struct span scheme, authority, path, query, fragment; // absent: p is NULL
};

static struct span cut(const char *from, const char *to)
{
    return (struct span){from, (size_t)(to - from)};
}

static const char *find_any(const char *p, const char *end, const char *set)
{
    while (p < end && strchr(set, *p) == NULL)
        p++;
    return p;
}

// The regular expression of RFC 3986 appendix B, by hand.
static struct uri uri_parse(struct span text)
{
    struct uri u = {.path = {"", 0}};
    const char *p = text.p, *end = p + text.len;
    const char *stop = find_any(p, end, ":/?#");
    if (stop < end && *stop == ':' && stop > p) {
        u.scheme = cut(p, stop);
        p = stop + 1;
    }
    if (end - p >= 2 && p[0] == '/' && p[1] == '/') {
        stop = find_any(p + 2, end, "/?#");
        u.authority = cut(p + 2, stop);
        p = stop;
    }
    stop = find_any(p, end, "?#");
    u.path = cut(p, stop);
    p = stop;
    if (p < end && *p == '?') {
        stop = find_any(p, end, "#");
        u.query = cut(p + 1, stop);
        p = stop;
    }
    if (p < end)
        u.fragment = cut(p + 1, end);
    return u;
}

static void drop_segment(struct buf *out, size_t start)
{
    while (out->len > start && out->data[out->len - 1] != '/')
        out->len--;
    if (out->len > start)
        out->len--;
}

// Appends a path without its . and .. segments (section 5.2.4).
static void add_path(struct buf *out, struct span path)
{
    size_t start = out->len;
    const char *p = path.p, *end = p + path.len;
    while (p < end) {
        bool slash = *p == '/';
        const char *stop = find_any(p + slash, end, "/");
        struct span segment = cut(p + slash, stop);
        bool up = span_is(segment, ".."), stay = span_is(segment, ".");
        if (up)
            drop_segment(out, start);
        if (!up && !stay)
            buf_add(out, p, (size_t)(stop - p));
        else if (stop == end)
            buf_char(out, '/');
        p = stop;
    }
}

// The path of the base up to its last slash, then the reference's (section 5.2.3).
static void add_merged(struct buf *out, const struct uri *base, struct span path)
{
    struct buf joined;
    buf_init(&joined, JSON_MAX_SIZE);
    const char *last = base->path.len > 0 ? memrchr(base->path.p, '/', base->path.len) : NULL;
    if (base->authority.p != NULL && base->path.len == 0)
        buf_char(&joined, '/');
    else if (last != NULL)
        buf_span(&joined, cut(base->path.p, last + 1));
    buf_span(&joined, path);
    if (buf_failed(&joined))
        out->failed = true;
    add_path(out, buf_view(&joined));
    buf_done(&joined);
}

static void add_resolved(struct buf *out, const struct uri *base, const struct uri *ref)
{
    bool own_scheme = ref->scheme.p != NULL, own_authority = own_scheme || ref->authority.p != NULL;
    bool own_path = own_authority || ref->path.len > 0;
    struct span scheme = own_scheme ? ref->scheme : base->scheme;
    struct span authority = own_authority ? ref->authority : base->authority;
    struct span query = own_path || ref->query.p != NULL ? ref->query : base->query;
    if (scheme.p != NULL) {
        buf_span(out, scheme);
        buf_char(out, ':');
    }
    if (authority.p != NULL) {
        buf_str(out, "//");
        buf_span(out, authority);
    }
    if (!own_path)
        buf_span(out, base->path);
    else if (own_authority || ref->path.p[0] == '/')
        add_path(out, ref->path);
    else
        add_merged(out, base, ref->path);
    if (query.p != NULL) {
        buf_char(out, '?');
        buf_span(out, query);
    }
}

const char *uri_resolve(struct arena *arena, const char *base, struct span ref,
                        const char **ret_fragment)
{
    struct uri b = uri_parse(span_of(base)), r = uri_parse(ref);
    struct buf out;
    buf_init(&out, JSON_MAX_SIZE);
    add_resolved(&out, &b, &r);
    struct span view = buf_view(&out);
    const char *kept = buf_failed(&out) ? NULL : arena_dup(arena, view.p, view.len);
    const char *fragment = arena_dup(arena, r.fragment.p, r.fragment.len);
    buf_done(&out);
    if (kept == NULL || fragment == NULL)
        return NULL;
    *ret_fragment = fragment;
    return kept;
}

// ---- resources

static const struct json *own_id(const struct json *json)
{
    // In draft-07 a "$ref" silences everything beside it.
    const struct json *id = json_get(json, "$id");
    return id != NULL && id->type == JSON_STRING && json_get(json, "$ref") == NULL ? id : NULL;
}

const char *refs_base(struct schema *s, const struct json *json, const char *base)
{
    const char *fragment;
    const struct json *id = own_id(json);
    return id != NULL ? uri_resolve(&s->arena, base, id->str, &fragment) : base;
}

int refs_add(struct schema *s, const char *uri, const char *anchor, const struct json *json,
             bool foreign)
{
    struct resource *r = arena_alloc(&s->arena, sizeof *r);
    if (r == NULL || uri == NULL || anchor == NULL)
        return TASKER_E_NOMEM;
    *r = (struct resource){
        .uri = uri, .anchor = anchor, .json = json, .foreign = foreign, .next = s->resources};
    s->resources = r;
    return 0;
}

// Where schemas stand inside of schemas.
enum nesting { ONE, LIST, MAP, ONE_OR_LIST };
static const struct {
    const char *key;
    enum nesting nesting;
} nestings[] = {
    {"items", ONE_OR_LIST},
    {"additionalItems", ONE},
    {"contains", ONE},
    {"additionalProperties", ONE},
    {"propertyNames", ONE},
    {"if", ONE},
    {"then", ONE},
    {"else", ONE},
    {"not", ONE},
    {"allOf", LIST},
    {"anyOf", LIST},
    {"oneOf", LIST},
    {"definitions", MAP},
    {"properties", MAP},
    {"patternProperties", MAP},
    {"dependencies", MAP},
};

static int collect_in(struct schema *s, const struct json *value, enum nesting nesting,
                      const char *base, bool foreign)
{
    bool list = value->type == JSON_ARRAY && (nesting == LIST || nesting == ONE_OR_LIST);
    bool map = value->type == JSON_OBJECT && nesting == MAP;
    if (!list && !map)
        return nesting == ONE || nesting == ONE_OR_LIST ? refs_collect(s, value, base, foreign) : 0;
    int rc = 0;
    for (const struct json *item = value->child; item != NULL && rc == 0; item = item->next)
        rc = refs_collect(s, item, base, foreign);
    return rc;
}

// As deep as the JSON, at most 512.
int refs_collect(struct schema *s, const struct json *json, const char *base, bool foreign)
{
    const struct json *id = own_id(json);
    int rc = 0;
    if (id != NULL) {
        const char *anchor = NULL;
        base = uri_resolve(&s->arena, base, id->str, &anchor);
        rc = refs_add(s, base, anchor, json, foreign);
        if (rc == 0 && anchor[0] != '\0' && id->str.p[0] != '#')
            rc = refs_add(s, base, "", json, foreign);
    }
    for (size_t i = 0; i < sizeof nestings / sizeof nestings[0] && rc == 0; i++) {
        const struct json *value = json_get(json, nestings[i].key);
        if (value != NULL)
            rc = collect_in(s, value, nestings[i].nesting, base, foreign);
    }
    return rc;
}

static const struct resource *find_resource(const struct schema *s, const char *uri,
                                            const char *anchor)
{
    for (const struct resource *r = s->resources; r != NULL; r = r->next)
        if (strcmp(r->uri, uri) == 0 && strcmp(r->anchor, anchor) == 0)
            return r;
    return NULL;
}

static int load_meta(struct schema *s, tasker_error *err)
{
    const struct json *root;
    if (s->meta_loaded)
        return 0;
    s->meta_loaded = true;
    int rc = json_parse(&s->arena, span_of(schema_meta), &root, err);
    return rc < 0 ? rc : refs_add(s, schema_meta_uri, "", root, true);
}

// ---- pointers

static int hex(char c)
{
    const char *at = c != '\0' ? strchr("0123456789abcdef0123456789ABCDEF", c) : NULL;
    return at != NULL ? (int)(at - "0123456789abcdef0123456789ABCDEF") % 16 : -1;
}

// Undoes %41 in place.
static void unescape_percent(char *text)
{
    char *to = text;
    for (const char *p = text; *p != '\0'; p++) {
        if (p[0] == '%' && hex(p[1]) >= 0 && hex(p[2]) >= 0) {
            *to++ = (char)(hex(p[1]) * 16 + hex(p[2]));
            p += 2;
        } else {
            *to++ = *p;
        }
    }
    *to = '\0';
}

// Undoes ~0 and ~1 in place.
static void unescape_tilde(char *text)
{
    char *to = text;
    for (const char *p = text; *p != '\0'; p++) {
        bool escape = p[0] == '~' && (p[1] == '0' || p[1] == '1');
        *to++ = escape ? (p[1] == '0' ? '~' : '/') : *p;
        p += escape;
    }
    *to = '\0';
}

static const struct json *step_into(const struct json *json, const char *token)
{
    if (json->type != JSON_ARRAY)
        return json_get(json, token);
    size_t i = 0, digits = strspn(token, "0123456789");
    if (digits == 0 || token[digits] != '\0' || digits > 9)
        return NULL;
    for (size_t k = 0; k < digits; k++)
        i = i * 10 + (size_t)(token[k] - '0');
    return json_at(json, i);
}

// Follows a JSON pointer from a resource's root; *base becomes the one inside of the place reached.
// NULL: leads nowhere, or memory (the arena knows).
static const struct json *follow(struct schema *s, const struct json *json, char *pointer,
                                 const char **base)
{
    while (*pointer == '/' && json != NULL) {
        char *token = pointer + 1;
        char *end = token + strcspn(token, "/");
        bool more = *end == '/';
        *end = '\0';
        unescape_tilde(token);
        json = step_into(json, token);
        *end = more ? '/' : '\0';
        pointer = end;
        if (json != NULL && (*base = refs_base(s, json, *base)) == NULL)
            return NULL;
    }
    return json;
}

static int unresolved(const struct schema *s, const struct json *ref, tasker_error *err)
{
    if (s->arena.failed)
        return err_nomem(err);
    int shown = ref->str.len < 200 ? (int)ref->str.len : 200;
    return schema_fail(
        s, ref, err, "\"$ref\" leads to \"%.*s\", which is not in this schema (nothing is fetched)",
        shown, ref->str.p);
}

int refs_find(struct schema *s, const struct node *from, const struct json *ref, struct node **ret,
              tasker_error *err)
{
    const char *fragment;
    const char *uri = uri_resolve(&s->arena, from->base, ref->str, &fragment);
    if (uri == NULL)
        return err_nomem(err);
    if (strcmp(uri, schema_meta_uri) == 0) {
        int rc = load_meta(s, err);
        if (rc < 0)
            return rc;
    }
    char *pointer = arena_strdup(&s->arena, fragment);
    if (pointer == NULL)
        return err_nomem(err);
    unescape_percent(pointer);
    bool anchor = pointer[0] != '\0' && pointer[0] != '/';
    const struct resource *resource = find_resource(s, uri, anchor ? pointer : "");
    const struct json *target = resource != NULL ? resource->json : NULL;
    const char *base = uri;
    if (target != NULL && !anchor)
        target = follow(s, target, pointer, &base);
    if (target == NULL)
        return unresolved(s, ref, err);
    if (target->type != JSON_OBJECT && target->type != JSON_BOOL)
        return schema_fail(s, ref, err, "\"$ref\" leads to %s, which is no schema",
                           json_type_name(target->type));
    struct node *node = schema_node(s, target, base, resource->foreign);
    if (node == NULL)
        return err_nomem(err);
    *ret = node;
    return 0;
}
