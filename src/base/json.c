// SPDX-License-Identifier: MIT
// json.c - checking and indexing a JSON text: values, arrays and objects.
//
// One scanner does both. With an arena it leaves nodes, without one it only checks, and then allocates nothing unless an
// object tree has more keys open at once than fit the scanner itself.
//
// The recursion is bounded by depth_max. Every container on the way down is a frame on the C stack, and the frames are
// linked, so that a fault can say its path without anything being kept for it.
#include "base/json.h"

#include <stdio.h>
#include <string.h>

#include "base/json_keys.h"
#include "base/json_lex.h"
#include "base/utf8.h"

#define DEPTH_MAX 512
#define DEPTH_AROUND 16

// A container that is being read.
struct frame {
    const struct frame *up;
    struct span key;  // of the member that is being read, as it stands in the text; absent between members
    size_t index;     // of the element that is being read
    bool is_array;
};

struct scanner {
    const char *start, *end;
    struct arena *arena;  // NULL: check only
    const struct frame *top;
    unsigned depth, depth_max;
    tasker_error *err;
    int code;  // of the failure
    struct json_keys keys;
};

static const char *scan_value(struct scanner *s, const char *p, struct json *node);

// ---- faults

// Text that is cut off where its room ends.
struct path {
    char text[sizeof(((tasker_error *)NULL)->where)];
    size_t len;
};

static void path_add(struct path *path, const char *p, size_t n)
{
    size_t room = sizeof(path->text) - 1 - path->len;

    n = n < room ? n : room;
    memcpy(path->text + path->len, p, n);
    path->len += n;
    path->text[path->len] = '\0';
}

static bool is_name(struct span key)
{
    for (size_t i = 0; i < key.len; i++) {
        char c = key.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && (i == 0 || !((c >= '0' && c <= '9') || c == '-')))
            return false;
    }
    return key.len > 0;
}

static void path_add_frames(struct path *path, const struct frame *frame)
{
    char index[32];

    if (frame == NULL) {
        path_add(path, "$", 1);
        return;
    }
    path_add_frames(path, frame->up);
    if (frame->is_array) {
        path_add(path, index, (size_t)snprintf(index, sizeof(index), "[%zu]", frame->index));
    } else if (frame->key.p != NULL) {
        bool name = is_name(frame->key);
        path_add(path, name ? "." : "[\"", name ? 1 : 2);
        path_add(path, frame->key.p, frame->key.len);
        path_add(path, "\"]", name ? 0 : 2);
    }
}

static const char *fail(struct scanner *s, const char *at, const char *why)
{
    int line, column;
    struct path path = {.len = 0};

    s->code = TASKER_E_INVALID;
    if (s->err == NULL)
        return NULL;
    utf8_place(s->start, at, &line, &column);
    path_add_frames(&path, s->top);
    err_set(s->err, TASKER_E_INVALID, "invalid JSON: %s", why);
    err_where(s->err, line, column, "%s", path.text);
    return NULL;
}

static const char *fail_at(struct scanner *s, const struct json_fault *fault)
{
    return fail(s, fault->at, fault->why);
}

static void *fail_nomem(struct scanner *s)
{
    s->code = err_nomem(s->err);
    return NULL;
}

// ---- values

static struct json *new_node(struct scanner *s)
{
    struct json *node = arena_alloc(s->arena, sizeof(*node));

    return node != NULL ? node : fail_nomem(s);
}

// The meaning of the contents of a checked string: themselves, or a copy in the arena.
static bool unescape(struct scanner *s, struct span contents, bool escaped, struct span *ret)
{
    *ret = contents;
    if (!escaped)
        return true;
    char *text = arena_dup(s->arena, contents.p, contents.len);
    if (text == NULL) {
        fail_nomem(s);
        return false;
    }
    *ret = (struct span){text, json_unescape(contents.p, contents.len, text)};
    return true;
}

static const char *scan_string(struct scanner *s, const char *p, struct json *node)
{
    struct json_fault fault;
    bool escaped;

    const char *behind = json_lex_string(p, s->end, &escaped, &fault);
    if (behind == NULL)
        return fail_at(s, &fault);
    if (node != NULL) {
        node->type = JSON_STRING;
        struct span contents = {p + 1, (size_t)(behind - p) - 2};
        if (!unescape(s, contents, escaped, &node->str))
            return NULL;
    }
    return behind;
}

static const char *scan_number(struct scanner *s, const char *p, struct json *node)
{
    struct json_fault fault;

    const char *behind = json_lex_number(p, s->end, &fault);
    if (behind == NULL)
        return fail_at(s, &fault);
    if (node != NULL) {
        node->type = JSON_NUMBER;
        node->str = (struct span){p, (size_t)(behind - p)};
    }
    return behind;
}

static const char *scan_literal(struct scanner *s, const char *p, struct json *node)
{
    static const struct {
        struct span text;
        enum json_type type;
        bool truth;
    } literals[] = {
        {SPAN("true"), JSON_BOOL, true},
        {SPAN("false"), JSON_BOOL, false},
        {SPAN("null"), JSON_NULL, false},
    };

    for (size_t i = 0; i < sizeof(literals) / sizeof(literals[0]); i++) {
        struct span text = literals[i].text;
        if ((size_t)(s->end - p) < text.len || memcmp(p, text.p, text.len) != 0)
            continue;
        if (node != NULL) {
            node->type = literals[i].type;
            node->truth = literals[i].truth;
        }
        return p + text.len;
    }
    return fail(s, p, "a value is missing");
}

static bool enter(struct scanner *s, const char *p, struct frame *frame)
{
    if (s->depth == s->depth_max) {
        fail(s, p, s->depth_max == DEPTH_MAX ? "the text is nested deeper than 512" : "the text is nested too deep");
        return false;
    }
    frame->up = s->top;
    s->top = frame;
    s->depth++;
    return true;
}

static const char *leave(struct scanner *s, const char *behind)
{
    s->top = s->top->up;
    s->depth--;
    return behind;
}

// Reads one element or member value and links its node behind *tail.
static const char *scan_child(struct scanner *s, const char *p, struct json *parent, struct json ***tail,
                              struct span key)
{
    struct json *child = NULL;

    if (parent != NULL) {
        child = new_node(s);
        if (child == NULL)
            return NULL;
        child->key = key;
        **tail = child;
        *tail = &child->next;
        parent->count++;
    }
    p = scan_value(s, p, child);
    return p != NULL ? json_skip_space(p, s->end) : NULL;
}

static const char *scan_array(struct scanner *s, const char *p, struct json *node)
{
    struct frame here = {.is_array = true};
    struct json **tail = node != NULL ? &node->child : NULL;

    if (!enter(s, p, &here))
        return NULL;
    p = json_skip_space(p + 1, s->end);
    if (p < s->end && *p == ']')
        return leave(s, p + 1);
    for (;; here.index++) {
        p = scan_child(s, p, node, &tail, (struct span){0});
        if (p == NULL)
            return NULL;
        if (p < s->end && *p == ']')
            return leave(s, p + 1);
        if (p == s->end || *p != ',')
            return fail(s, p, "expected ',' or ']'");
        p = json_skip_space(p + 1, s->end);
    }
}

// Reads a key and its colon; returns where the value begins. ret_key is what the key means, for nodes.
static const char *scan_key(struct scanner *s, const char *p, struct frame *here, struct span *ret_key)
{
    struct json_fault fault;
    bool escaped;

    here->key = (struct span){0};
    if (p == s->end || *p != '"')
        return fail(s, p, "expected a key in double quotes");
    const char *behind = json_lex_string(p, s->end, &escaped, &fault);
    if (behind == NULL)
        return fail_at(s, &fault);
    here->key = (struct span){p + 1, (size_t)(behind - p) - 2};
    if (!json_keys_push(&s->keys, here->key, escaped))
        return fail_nomem(s);
    if (s->arena != NULL && !unescape(s, here->key, escaped, ret_key))
        return NULL;
    p = json_skip_space(behind, s->end);
    if (p == s->end || *p != ':')
        return fail(s, p, "expected ':' behind the key");
    return json_skip_space(p + 1, s->end);
}

static const char *end_object(struct scanner *s, const char *p, struct frame *here, size_t first_key)
{
    if (json_keys_pop(&s->keys, first_key, &here->key))
        return fail(s, here->key.p - 1, "the key occurs twice in its object");
    return leave(s, p + 1);
}

static const char *scan_object(struct scanner *s, const char *p, struct json *node)
{
    struct frame here = {.is_array = false};
    struct json **tail = node != NULL ? &node->child : NULL;
    size_t first_key = s->keys.count;
    struct span key = {0};

    if (!enter(s, p, &here))
        return NULL;
    p = json_skip_space(p + 1, s->end);
    if (p < s->end && *p == '}')
        return leave(s, p + 1);
    for (;;) {
        p = scan_key(s, p, &here, &key);
        if (p == NULL)
            return NULL;
        p = scan_child(s, p, node, &tail, key);
        if (p == NULL)
            return NULL;
        if (p < s->end && *p == '}')
            return end_object(s, p, &here, first_key);
        if (p == s->end || *p != ',')
            return fail(s, p, "expected ',' or '}'");
        p = json_skip_space(p + 1, s->end);
    }
}

static const char *scan_container(struct scanner *s, const char *p, struct json *node)
{
    if (node != NULL)
        node->type = *p == '{' ? JSON_OBJECT : JSON_ARRAY;
    return *p == '{' ? scan_object(s, p, node) : scan_array(s, p, node);
}

static const char *scan_value(struct scanner *s, const char *p, struct json *node)
{
    const char *behind;

    if (p == s->end)
        return fail(s, p, "a value is missing");
    if (*p == '"')
        behind = scan_string(s, p, node);
    else if (*p == '{' || *p == '[')
        behind = scan_container(s, p, node);
    else if (*p == '-' || (*p >= '0' && *p <= '9'))
        behind = scan_number(s, p, node);
    else
        behind = scan_literal(s, p, node);
    if (behind != NULL && node != NULL)
        node->raw = (struct span){p, (size_t)(behind - p)};
    return behind;
}

// ---- the whole text

static int scan_text(struct arena *arena, struct span text, unsigned depth_max, struct json *root, tasker_error *err)
{
    const char *start = text.p != NULL ? text.p : "";
    struct scanner s;

    if (text.len > JSON_MAX_SIZE)
        return err_set(err, TASKER_E_TOO_BIG, "the JSON text is larger than %zu MiB", JSON_MAX_SIZE >> 20);
    // Field by field, because the room for keys is large and needs no clearing.
    s.start = start;
    s.end = start + text.len;
    s.arena = arena;
    s.top = NULL;
    s.depth = 0;
    s.depth_max = depth_max;
    s.err = err;
    s.code = 0;
    json_keys_init(&s.keys, start);
    const char *p = scan_value(&s, json_skip_space(s.start, s.end), root);
    if (p != NULL) {
        p = json_skip_space(p, s.end);
        if (p < s.end)
            fail(&s, p, "there is text behind the value");
    }
    json_keys_done(&s.keys);
    return s.code;
}

static int parse(struct arena *arena, struct span text, unsigned depth_max, const struct json **ret, tasker_error *err)
{
    struct json *root = arena_alloc(arena, sizeof(*root));

    if (root == NULL)
        return err_nomem(err);
    int r = scan_text(arena, text, depth_max, root, err);
    if (r == 0)
        *ret = root;
    return r;
}

int json_parse(struct arena *arena, struct span text, const struct json **ret, tasker_error *err)
{
    return parse(arena, text, DEPTH_MAX, ret, err);
}

int json_parse_around(struct arena *arena, struct span text, const struct json **ret, tasker_error *err)
{
    return parse(arena, text, DEPTH_MAX + DEPTH_AROUND, ret, err);
}

int json_check(struct span text, enum json_type *ret_type, tasker_error *err)
{
    static const enum json_type types[256] = {
        ['{'] = JSON_OBJECT, ['['] = JSON_ARRAY, ['"'] = JSON_STRING, ['t'] = JSON_BOOL,   ['f'] = JSON_BOOL,
        ['-'] = JSON_NUMBER, ['0'] = JSON_NUMBER, ['1'] = JSON_NUMBER, ['2'] = JSON_NUMBER, ['3'] = JSON_NUMBER,
        ['4'] = JSON_NUMBER, ['5'] = JSON_NUMBER, ['6'] = JSON_NUMBER, ['7'] = JSON_NUMBER, ['8'] = JSON_NUMBER,
        ['9'] = JSON_NUMBER, ['n'] = JSON_NULL,
    };

    int r = scan_text(NULL, text, DEPTH_MAX, NULL, err);
    if (r == 0 && ret_type != NULL)
        *ret_type = types[(unsigned char)*json_skip_space(text.p, text.p + text.len)];
    return r;
}
