// SPDX-License-Identifier: MIT
// yaml.c - one YAML document, read with libfyaml into nodes of our own.
//
// libfyaml parses the text into events; this file builds the tree from them, with a stack of open containers, so nothing
// recurses while reading. Its own document tree is not used: it copies what aliases refer to without a bound, so that a
// few hundred bytes can ask for gigabytes. Here every copied node is counted (EXPANDED_MAX).
//
// Anchors are kept by name, and a later one of the same name replaces the earlier, as YAML has it. An alias copies the
// finished nodes of its anchor; inside its own anchor it is an error.
//
// BUG: libfyaml 0.7.12 drops one line break where a folded block scalar (`>`) has empty lines before a line that is
// indented more than the first.
#include "base/yaml.h"

#include <libfyaml.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "base/yaml_merge.h"
#include "base/yaml_scalar.h"

#define uthash_nonfatal_oom(item) ((item)->node = NULL)
#include "base/hash.h"

#define DEPTH_MAX 512  // as in JSON
#define EXPANDED_MAX 100000

struct anchor {
    char *name;
    struct yaml *node;  // NULL: this entry could not be stored
    bool open;          // its container has not ended
    UT_hash_handle hh;
};

// An open container.
struct frame {
    struct yaml *node;
    struct yaml **tail;
    struct anchor *anchor;
    const char *key;  // read, and waiting for its value; NULL: none
    int key_line, key_column;
};

struct builder {
    struct arena *arena;
    struct fy_parser *parser;
    struct fy_diag *diag;
    const char *file;
    tasker_error *err;
    struct yaml *root;
    struct anchor *anchors;
    struct span source;
    struct buf scratch;
    size_t expanded;   // nodes that aliases have added
    int line, column;  // of the last event that had a place
    size_t documents, depth;
    struct frame frames[DEPTH_MAX];
};

// ---- failures

static int fail_at(struct builder *b, int line, int column, const char *what)
{
    err_set(b->err, TASKER_E_INVALID, "invalid YAML: %s", what);
    err_where(b->err, line, column, "%s", b->file);
    return TASKER_E_INVALID;
}

static int fail(struct builder *b, const char *what)
{
    return fail_at(b, b->line, b->column, what);
}

// What libfyaml had to say when it gave no further event.
static int fail_parser(struct builder *b)
{
    void *iterator = NULL;

    const struct fy_diag_error *first = fy_diag_errors_iterate(b->diag, &iterator);
    if (first == NULL || first->msg == NULL)
        return fail(b, "the text behind this place cannot be read");
    return fail_at(b, first->line, first->column, first->msg);
}

// ---- tree

static struct frame *top(struct builder *b)
{
    return b->depth > 0 ? &b->frames[b->depth - 1] : NULL;
}

static bool wants_key(struct builder *b)
{
    return b->depth > 0 && top(b)->node->type == YAML_MAPPING && top(b)->key == NULL;
}

static struct yaml *new_node(struct builder *b)
{
    struct yaml *node = arena_alloc(b->arena, sizeof(*node));

    if (node == NULL)
        return NULL;
    node->text = "";
    node->line = b->line;
    node->column = b->column;
    return node;
}

// Gives a finished or just opened node its place in the tree.
static void attach(struct builder *b, struct yaml *node)
{
    struct frame *f = top(b);

    if (f == NULL) {
        b->root = node;
        return;
    }
    if (f->key != NULL) {
        node->key = f->key;
        node->key_line = f->key_line;
        node->key_column = f->key_column;
        f->key = NULL;
    }
    *f->tail = node;
    f->tail = &node->next;
    f->node->count++;
}

static void set_key(struct builder *b, const char *key)
{
    struct frame *f = top(b);

    f->key = key;
    f->key_line = b->line;
    f->key_column = b->column;
}

static struct span token_text(struct fy_token *token)
{
    struct span text = {0};

    if (token != NULL)
        text.p = fy_token_get_text(token, &text.len);
    return text.p != NULL ? text : (struct span){"", 0};
}

// Appends the text of a scalar. The pieces that libfyaml cuts it into are put together here, because fy_token_get_text
// leaks memory when they are many; quoted text is read from the source, because libfyaml 0.7.12 misreads two doubled
// quotes in a row and an escaped backslash before an escaped line break.
static bool read_scalar(struct builder *b, struct fy_token *token)
{
    const struct fy_mark *from = fy_token_start_mark(token), *to = fy_token_end_mark(token);
    enum fy_scalar_style style = fy_token_scalar_style(token);
    const struct fy_iter_chunk *chunk = NULL;
    int error = 0;

    if (style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED) {
        if (from == NULL || to == NULL || from->input_pos > to->input_pos || to->input_pos > b->source.len)
            return false;
        struct span raw = {b->source.p + from->input_pos, to->input_pos - from->input_pos};
        yaml_unquote(&b->scratch, raw, style == FYSS_DOUBLE_QUOTED ? '"' : '\'');
        return true;
    }
    struct fy_token_iter *pieces = fy_token_iter_create(token);
    if (pieces == NULL)
        return false;
    while ((chunk = fy_token_iter_chunk_next(pieces, chunk, &error)) != NULL)
        buf_add(&b->scratch, chunk->str, chunk->len);
    fy_token_iter_destroy(pieces);
    // A block of nothing but spaces has no pieces, and ends with an error.
    return error == 0 || b->scratch.len == 0;
}

static bool copy_scalar(struct builder *b, struct fy_token *token, struct span *ret)
{
    buf_clear(&b->scratch);
    if (token != NULL && !read_scalar(b, token))
        return false;
    struct span text = buf_view(&b->scratch);
    ret->p = arena_dup(b->arena, text.p, text.len);
    ret->len = text.len;
    return !buf_failed(&b->scratch) && ret->p != NULL;
}

// Notes where an event is. libfyaml places quoted scalars and aliases behind their first character.
static void note_place(struct builder *b, struct fy_event *event)
{
    const struct fy_mark *mark = fy_event_start_mark(event);

    if (mark == NULL)
        return;
    b->line = mark->line + 1;
    b->column = mark->column + 1;
    bool behind = event->type == FYET_ALIAS;
    if (event->type == FYET_SCALAR && event->scalar.value != NULL) {
        enum fy_scalar_style style = fy_token_scalar_style(event->scalar.value);
        behind = style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED;
    }
    if (behind && b->column > 1)
        b->column--;
}

// ---- anchors and aliases

// Keeps `node` under the name of `token` (NULL: it has no anchor). ret (may be NULL) is the entry.
static int keep_anchor(struct builder *b, struct fy_token *token, struct yaml *node, struct anchor **ret)
{
    struct span name = token_text(token);
    struct anchor *anchor = NULL;

    if (token == NULL)
        return 0;
    HASH_FIND(hh, b->anchors, name.p, name.len, anchor);
    if (anchor == NULL) {
        anchor = arena_alloc(b->arena, sizeof(*anchor));
        if (anchor == NULL || (anchor->name = arena_dup(b->arena, name.p, name.len)) == NULL)
            return err_nomem(b->err);
        anchor->node = node;
        HASH_ADD_KEYPTR(hh, b->anchors, anchor->name, name.len, anchor);
        if (anchor->node == NULL)
            return err_nomem(b->err);
    }
    anchor->node = node;
    anchor->open = ret != NULL;
    if (ret != NULL)
        *ret = anchor;
    return 0;
}

static int copy_node(struct builder *b, const struct yaml *from, size_t depth, struct yaml **ret)
{
    if (++b->expanded > EXPANDED_MAX)
        return fail(b, "aliases expand to more than 100,000 nodes");
    if (from->count > 0 && depth > DEPTH_MAX)
        return fail(b, "the text is nested deeper than 512");
    struct yaml *copy = arena_alloc(b->arena, sizeof(*copy));
    if (copy == NULL)
        return err_nomem(b->err);
    *copy = *from;
    copy->next = copy->child = NULL;
    struct yaml **tail = &copy->child;
    for (const struct yaml *child = from->child; child != NULL; child = child->next) {
        int r = copy_node(b, child, depth + 1, tail);
        if (r < 0)
            return r;
        tail = &(*tail)->next;
    }
    *ret = copy;
    return 0;
}

static int on_alias(struct builder *b, struct fy_event *event)
{
    struct span name = token_text(event->alias.anchor);
    struct anchor *anchor = NULL;
    struct yaml *copy;

    HASH_FIND(hh, b->anchors, name.p, name.len, anchor);
    if (anchor == NULL)
        return fail(b, "the alias names no anchor above it");
    if (anchor->open)
        return fail(b, "the alias stands inside its own anchor");
    if (wants_key(b)) {
        if (anchor->node->type >= YAML_SEQUENCE)
            return fail(b, "a key must be a scalar");
        set_key(b, anchor->node->text);
        return 0;
    }
    int r = copy_node(b, anchor->node, b->depth + 1, &copy);
    if (r < 0)
        return r;
    copy->key = NULL;
    copy->key_line = copy->key_column = 0;
    attach(b, copy);
    return 0;
}

// ---- scalars

static int on_scalar(struct builder *b, struct fy_event *event)
{
    struct fy_token *value = event->scalar.value;
    struct span text, tag = token_text(event->scalar.tag);
    bool plain = value == NULL || fy_token_scalar_style(value) == FYSS_PLAIN;
    const char *why;

    struct yaml *node = new_node(b);
    if (node == NULL || !copy_scalar(b, value, &text))
        return err_nomem(b->err);
    int r = yaml_scalar_resolve(node, text, plain, tag, &why);
    if (r == TASKER_E_NOMEM)
        return err_nomem(b->err);
    if (r < 0)
        return fail(b, why);
    if (wants_key(b))
        set_key(b, plain && tag.len == 0 && span_is(text, yaml_merge_key) ? yaml_merge_key : node->text);
    else
        attach(b, node);
    return keep_anchor(b, event->scalar.anchor, node, NULL);
}

// ---- containers

static int start_container(struct builder *b, enum yaml_type type, struct fy_token *tag, struct fy_token *anchor)
{
    struct anchor *kept = NULL;

    if (wants_key(b))
        return fail(b, "a key must be a scalar");
    if (b->depth == DEPTH_MAX)
        return fail(b, "the text is nested deeper than 512");
    if (!yaml_tag_fits_container(token_text(tag), type))
        return fail(b, "the tag is not one of YAML's core tags for this kind of node");
    struct yaml *node = new_node(b);
    if (node == NULL)
        return err_nomem(b->err);
    node->type = type;
    int r = keep_anchor(b, anchor, node, &kept);
    if (r < 0)
        return r;
    attach(b, node);
    b->frames[b->depth++] = (struct frame){.node = node, .tail = &node->child, .anchor = kept};
    return 0;
}

static int on_mapping_start(struct builder *b, struct fy_event *event)
{
    return start_container(b, YAML_MAPPING, event->mapping_start.tag, event->mapping_start.anchor);
}

static int on_sequence_start(struct builder *b, struct fy_event *event)
{
    return start_container(b, YAML_SEQUENCE, event->sequence_start.tag, event->sequence_start.anchor);
}

static int on_container_end(struct builder *b, struct fy_event *event)
{
    struct frame *f = top(b);

    int r = event->type == FYET_MAPPING_END ? yaml_finish_mapping(b->arena, f->node, b->file, b->err) : 0;
    // A node inside may have taken the name over meanwhile.
    if (f->anchor != NULL && f->anchor->node == f->node)
        f->anchor->open = false;
    b->depth--;
    return r;
}

static int on_document_start(struct builder *b, struct fy_event *event)
{
    (void)event;
    return b->documents++ > 0 ? fail(b, "there is more than one document") : 0;
}

// ---- the whole text

static int handle_event(struct builder *b, struct fy_event *event)
{
    static int (*const handlers[])(struct builder *, struct fy_event *) = {
        [FYET_DOCUMENT_START] = on_document_start,   [FYET_SCALAR] = on_scalar,
        [FYET_MAPPING_START] = on_mapping_start,     [FYET_MAPPING_END] = on_container_end,
        [FYET_SEQUENCE_START] = on_sequence_start,   [FYET_SEQUENCE_END] = on_container_end,
        [FYET_ALIAS] = on_alias,
    };
    size_t type = (size_t)event->type;

    note_place(b, event);
    if (type >= sizeof(handlers) / sizeof(handlers[0]) || handlers[type] == NULL)
        return 0;
    return handlers[type](b, event);
}

static int build(struct builder *b)
{
    struct fy_event *event;
    int r = 0;

    while (r == 0 && (event = fy_parser_parse(b->parser)) != NULL) {
        r = handle_event(b, event);
        fy_parser_event_free(b->parser, event);
    }
    if (r == 0 && fy_parser_get_stream_error(b->parser))
        r = fail_parser(b);
    if (r == 0 && b->root == NULL) {
        // No document at all is the same as an empty one.
        b->line = b->column = 1;
        b->root = new_node(b);
    }
    return r == 0 && b->root == NULL ? err_nomem(b->err) : r;
}

static const char *find_control(struct span text)
{
    for (const char *p = text.p; p < text.p + text.len; p++) {
        unsigned char c = (unsigned char)*p;
        if (c < 0x20 && c != '\t' && c != '\n' && c != '\r')
            return p;
    }
    return NULL;
}

// A %TAG directive at the start of a line.
static const char *find_tag_directive(struct span text)
{
    const char *p = text.p, *end = text.p + text.len;

    for (; (p = memmem(p, (size_t)(end - p), "%TAG", 4)) != NULL; p++) {
        bool behind_mark = p - text.p == 3 && memcmp(text.p, "\xEF\xBB\xBF", 3) == 0;
        if (p == text.p || p[-1] == '\n' || p[-1] == '\r' || behind_mark)
            return p;
    }
    return NULL;
}

// Refuses what libfyaml deals with badly: it ends silently at bytes that are not UTF-8, and takes quadratic time for tag
// directives, which are of no use where only core tags are allowed.
static int check_text(struct builder *b, struct span text)
{
    size_t bad;
    const char *at = NULL, *why = NULL;

    if (!utf8_check(text.p, text.len, &bad)) {
        at = text.p + bad;
        why = "the text is not valid UTF-8";
    } else if ((at = find_control(text)) != NULL) {
        why = "the text has a control character";
    } else if ((at = find_tag_directive(text)) != NULL) {
        why = "tag directives are not supported";
    }
    if (at == NULL)
        return 0;
    utf8_place(text.p, at, &b->line, &b->column);
    return fail(b, why);
}

static int parse_with(struct builder *b, struct span text)
{
    struct fy_diag_cfg diag_cfg;

    fy_diag_cfg_default(&diag_cfg);
    diag_cfg.fp = NULL;
    diag_cfg.colorize = false;
    b->diag = fy_diag_create(&diag_cfg);
    if (b->diag == NULL)
        return err_nomem(b->err);
    fy_diag_set_collect_errors(b->diag, true);
    // Closing brackets may stand in the first column, as they do in JSON.
    struct fy_parse_cfg cfg = {
        .search_path = "",
        .flags = FYPCF_QUIET | FYPCF_SLOPPY_FLOW_INDENTATION,
        .diag = b->diag,
    };
    b->parser = fy_parser_create(&cfg);
    if (b->parser == NULL || fy_parser_set_string(b->parser, text.p, text.len) != 0)
        return err_nomem(b->err);
    return build(b);
}

int yaml_parse(struct arena *arena, struct span text, const char *file, struct yaml **ret, tasker_error *err)
{
    struct builder b = {.arena = arena, .file = file != NULL ? file : "", .err = err, .line = 1, .column = 1};

    if (text.len > YAML_MAX_SIZE) {
        err_set(err, TASKER_E_TOO_BIG, "the YAML text is larger than %zu MiB", YAML_MAX_SIZE >> 20);
        err_where(err, 0, 0, "%s", b.file);
        return TASKER_E_TOO_BIG;
    }
    if (text.p == NULL)
        text.p = "";
    b.source = text;
    buf_init(&b.scratch, SIZE_MAX);
    int r = check_text(&b, text);
    if (r == 0)
        r = parse_with(&b, text);
    HASH_CLEAR(hh, b.anchors);
    buf_done(&b.scratch);
    fy_parser_destroy(b.parser);
    fy_diag_destroy(b.diag);
    if (r == 0)
        *ret = b.root;
    return r;
}
