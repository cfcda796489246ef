// SPDX-License-Identifier: MIT
// schema_validate.c - a value against a compiled schema: types, constants, combinations, and the
// list of errors with their places.
#include <stdio.h>
#include <string.h>

#include "model/schema_run.h"

// Keys in paths and values in messages are cut to this.
#define SHOWN 120

// ---- errors

static bool plain_name(struct span key)
{
    for (size_t i = 0; i < key.len; i++) {
        char c = key.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && (i == 0 || !((c >= '0' && c <= '9') || c == '-')))
            return false;
    }
    return key.len > 0;
}

// "$.items[2].price". As deep as the value, at most RUN_DEPTH.
static void add_place(struct buf *out, const struct place *at)
{
    if (at == NULL) {
        buf_char(out, '$');
        return;
    }
    add_place(out, at->up);
    int shown = at->key.len < SHOWN ? (int)at->key.len : SHOWN;
    if (at->key.p == NULL)
        buf_printf(out, "[%zu]", at->index);
    else if (plain_name(at->key))
        buf_printf(out, ".%.*s", shown, at->key.p);
    else
        buf_printf(out, "[\"%.*s\"]", shown, at->key.p);
}

static char *path_of(struct run *r, const struct place *at)
{
    struct buf text;
    buf_init(&text, JSON_MAX_SIZE);
    add_place(&text, at);
    r->nomem = r->nomem || buf_failed(&text);
    struct span view = buf_view(&text);
    char *path = arena_dup(r->arena, view.p, view.len);
    buf_done(&text);
    return path;
}

static void note(struct run *r, const struct place *at, const char *message)
{
    if (r->count >= RUN_ERRORS)
        return;
    struct schema_error *e = arena_alloc(r->arena, sizeof *e);
    if (e == NULL)
        return;
    e->path = path_of(r, at);
    e->message = arena_strdup(r->arena, message);
    *r->end = e;
    r->end = &e->next;
    r->count++;
}

bool run_fail(struct run *r, const struct place *at, const char *fmt, ...)
{
    if (r->quiet > 0 || r->stopped)
        return false;
    char message[400];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    note(r, at, message);
    return false;
}

bool run_stop(struct run *r, const struct place *at, const char *why)
{
    if (!r->stopped)
        note(r, at, why);
    r->stopped = true;
    return false;
}

bool run_spend(struct run *r, const struct place *at, size_t cost)
{
    r->budget -= (int64_t)cost;
    return r->budget >= 0 || run_stop(r, at, "takes too long to check with this schema");
}

bool run_go_on(const struct run *r)
{
    return r->quiet == 0 && !r->stopped && r->count < RUN_ERRORS;
}

bool run_quiet(struct run *r, const struct node *n, const struct json *v, const struct place *at)
{
    r->quiet++;
    bool good = run_node(r, n, v, at);
    r->quiet--;
    return good;
}

// ---- types and constants

// "an integer or a string"
static void list_types(const struct node *n, char *text, size_t size)
{
    static const char *const names[] = {
        [JSON_NULL] = "null",       [JSON_BOOL] = "a boolean", [JSON_NUMBER] = "a number",
        [JSON_STRING] = "a string", [JSON_ARRAY] = "an array", [JSON_OBJECT] = "an object",
    };
    size_t used = 0;
    for (unsigned i = 0; i < sizeof names / sizeof names[0] && used < size; i++) {
        if ((n->types & (1u << i)) == 0)
            continue;
        const char *name = i == JSON_NUMBER && n->integer ? "an integer" : names[i];
        int written = snprintf(text + used, size - used, "%s%s", used > 0 ? " or " : "", name);
        used += written > 0 ? (size_t)written : 0;
    }
}

static bool check_type(struct run *r, const struct node *n, const struct json *v,
                       const struct place *at)
{
    bool good = (n->types & (1u << v->type)) != 0;
    if (good && v->type == JSON_NUMBER && n->integer) {
        struct decimal d = decimal_of(v->raw);
        good = decimal_whole(&d);
    }
    if (good || r->quiet > 0)
        return good;
    char expected[120];
    list_types(n, expected, sizeof expected);
    return run_fail(r, at, "must be %s, this is %s", expected,
                    v->type == JSON_NUMBER && n->integer ? "a number with a fraction"
                                                         : json_type_name(v->type));
}

static bool check_values(struct run *r, const struct json *values, const struct json *v,
                         const struct place *at)
{
    for (const struct json *item = values->child; item != NULL; item = item->next) {
        if (!run_spend(r, at, 1))
            return false;
        if (json_equal(item, v))
            return true;
    }
    int shown = values->raw.len < SHOWN ? (int)values->raw.len : SHOWN;
    return run_fail(r, at, "must be one of %.*s", shown, values->raw.p);
}

static bool check_constant(struct run *r, const struct json *wanted, const struct json *v,
                           const struct place *at)
{
    int shown = wanted->raw.len < SHOWN ? (int)wanted->raw.len : SHOWN;
    return json_equal(wanted, v) || run_fail(r, at, "must be %.*s", shown, wanted->raw.p);
}

// ---- combinations

static bool check_all(struct run *r, const struct branches *b, const struct json *v,
                      const struct place *at)
{
    bool good = true;
    for (size_t i = 0; i < b->count && (good || run_go_on(r)); i++)
        if (!run_node(r, b->nodes[i], v, at))
            good = false;
    return good;
}

static bool check_any(struct run *r, const struct branches *b, const struct json *v,
                      const struct place *at)
{
    // A single branch explains itself.
    if (b->count == 1)
        return run_node(r, b->nodes[0], v, at);
    for (size_t i = 0; i < b->count; i++)
        if (run_quiet(r, b->nodes[i], v, at))
            return true;
    return run_fail(r, at, "matches none of the %zu schemas of \"anyOf\"", b->count);
}

static bool check_one(struct run *r, const struct branches *b, const struct json *v,
                      const struct place *at)
{
    size_t matching = 0;
    for (size_t i = 0; i < b->count && matching < 2; i++)
        matching += run_quiet(r, b->nodes[i], v, at);
    if (matching == 1)
        return true;
    return run_fail(r, at, "matches %s of the %zu schemas of \"oneOf\", must match exactly one",
                    matching == 0 ? "none" : "several", b->count);
}

static bool check_not(struct run *r, const struct node *n, const struct json *v,
                      const struct place *at)
{
    return !run_quiet(r, n, v, at) || run_fail(r, at, "must not match the schema of \"not\"");
}

static bool check_condition(struct run *r, const struct node *n, const struct json *v,
                            const struct place *at)
{
    const struct node *next = run_quiet(r, n->if_, v, at) ? n->then_ : n->else_;
    return next == NULL || run_node(r, next, v, at);
}

static bool check_groups(struct run *r, const struct node *n, const struct json *v,
                         const struct place *at)
{
    if (v->type == JSON_NUMBER && n->number != NULL)
        return check_number(r, n->number, v, at);
    if (v->type == JSON_STRING && n->text != NULL)
        return check_text(r, n->text, v, at);
    if (v->type == JSON_ARRAY && n->array != NULL)
        return check_array(r, n->array, v, at);
    return v->type != JSON_OBJECT || n->object == NULL || check_object(r, n->object, v, at);
}

static bool check_combinations(struct run *r, const struct node *n, const struct json *v,
                               const struct place *at)
{
    bool good = check_all(r, &n->all, v, at);
    if (n->any.count > 0 && (good || run_go_on(r)) && !check_any(r, &n->any, v, at))
        good = false;
    if (n->one.count > 0 && (good || run_go_on(r)) && !check_one(r, &n->one, v, at))
        good = false;
    if (n->not_ != NULL && (good || run_go_on(r)) && !check_not(r, n->not_, v, at))
        good = false;
    if (n->if_ != NULL && (good || run_go_on(r)) && !check_condition(r, n, v, at))
        good = false;
    return good;
}

static bool check_node(struct run *r, const struct node *n, const struct json *v,
                       const struct place *at)
{
    if (n->never)
        return run_fail(r, at, "is not allowed here");
    // A value of the wrong type has no further errors worth reading.
    if (n->types != 0 && !check_type(r, n, v, at))
        return false;
    bool good = n->values == NULL || check_values(r, n->values, v, at);
    if (n->constant != NULL && (good || run_go_on(r)) && !check_constant(r, n->constant, v, at))
        good = false;
    if ((good || run_go_on(r)) && !check_groups(r, n, v, at))
        good = false;
    if ((good || run_go_on(r)) && !check_combinations(r, n, v, at))
        good = false;
    return good;
}

bool run_node(struct run *r, const struct node *n, const struct json *v, const struct place *at)
{
    if (r->stopped || !run_spend(r, at, 1))
        return false;
    while (n->ref != NULL)
        n = n->ref;
    if (r->depth >= RUN_DEPTH)
        return run_stop(r, at, "is nested too deep for this schema");
    r->depth++;
    bool good = check_node(r, n, v, at);
    r->depth--;
    return good && !r->stopped;
}

int schema_validate(const struct schema *s, const struct json *value, struct arena *arena,
                    struct schema_error **ret_errors)
{
    struct run r = {.arena = arena, .budget = RUN_BUDGET};
    r.end = &r.first;
    bool good = run_node(&r, s->root, value, NULL);
    if (r.nomem || arena->failed)
        return TASKER_E_NOMEM;
    if (good)
        return 0;
    *ret_errors = r.first;
    return r.count;
}
