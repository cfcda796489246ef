// SPDX-License-Identifier: MIT
// template_read.c - the life of a template: read, shared, found in, given back.
#include <string.h>

#include "model/schema.h"
#include "model/template_private.h"

#define UNNAMED_SYSTEM "default_system" // as the Rails engine calls it

// ---- reading

static char *folder_of(struct arena *arena, const char *file)
{
    const char *slash = file != NULL ? strrchr(file, '/') : NULL;
    if (slash == NULL)
        return arena_strdup(arena, "");
    return arena_dup(arena, file, slash == file ? 1 : (size_t)(slash - file));
}

// What the schema says of contexts is checked here, so that a task is never refused for a mistake
// of its template.
static void check_schema(struct reader *r)
{
    tasker_error why = {0};
    struct schema *schema;
    if (r->t->schema.p == NULL)
        return;
    int rc = schema_compile(r->t->schema, true, &schema, &why);
    if (rc == TASKER_E_NOMEM)
        r->errors->arena.failed = true;
    else if (rc < 0)
        reader_at(r, r->top[TOP_SCHEMA], "\"schema\" is no JSON Schema: %s (%s)", why.message,
                  why.where);
    else
        schema_free(schema);
}

static int read_nodes(struct reader *r, const struct yaml *top, const char *environment,
                      tasker_error *err)
{
    if (top->type != YAML_MAPPING) {
        reader_at(r, top, "a template must be a mapping, this is %s", yaml_type_name(top->type));
        return 0;
    }
    // The definition as it stands, all environments included; then what the chosen one makes of it.
    r->partial = true;
    rules_check(r, &top_rules, top, r->top);
    const struct yaml *merged = merge_environment(r, top, environment);
    if (merged == NULL)
        return err_nomem(err);
    r->partial = false;
    rules_check(r, &top_rules, merged, r->top);
    if (template_build(r) < 0)
        return err_nomem(err);
    check_schema(r);
    return r->errors->arena.failed || r->scratch.failed ? err_nomem(err) : 0;
}

static int first_error(const struct template_errors *errors, const char *file, tasker_error *err)
{
    err_set(err, TASKER_E_INVALID, "%s", errors->first->message);
    err_where(err, errors->first->line, errors->first->column, "%s", file != NULL ? file : "");
    if (errors->count > 1)
        err_remedy(err, "There are %zu errors in all.", errors->count);
    return TASKER_E_INVALID;
}

// A text that is no YAML has one finding: where the parser gave up.
static int read_text(struct reader *r, struct span text, const char *file, const char *environment,
                     tasker_error *err)
{
    struct yaml *top;
    tasker_error why = {0};
    int rc = yaml_parse(&r->scratch, text, file, &top, &why);
    if (rc == TASKER_E_INVALID) {
        reader_note(r, why.line, why.column, "%s", why.message);
        rc = 0;
    } else if (rc == 0) {
        rc = read_nodes(r, top, environment, &why);
    }
    if (rc == 0 && r->errors->first == NULL)
        rc = template_canon(r, &why);
    if (rc == TASKER_E_INVALID) {
        reader_note(r, 1, 1, "%s (%s)", why.message, why.where);
        rc = 0;
    }
    if (rc == 0 && r->errors->arena.failed)
        rc = err_nomem(&why);
    if (rc < 0) {
        if (err != NULL)
            *err = why;
        return rc;
    }
    return r->errors->first != NULL ? first_error(r->errors, file, err) : 0;
}

static struct template *template_new(const char *file)
{
    struct template *t = mem_alloc(sizeof *t);
    if (t == NULL)
        return NULL;
    t->refs = 1;
    arena_init(&t->arena);
    t->directory = folder_of(&t->arena, file);
    return t;
}

int template_read(struct span text, const char *file, const char *environment,
                  struct template **ret, struct template_errors *errors, tasker_error *err)
{
    struct template *t = template_new(file);
    if (t == NULL)
        return err_nomem(err);
    struct reader r = {.errors = errors, .prefix = "", .t = t};
    arena_init(&r.scratch);
    int rc = read_text(&r, text, file, environment, err);
    arena_done(&r.scratch);
    if (rc == 0 && t->arena.failed)
        rc = err_nomem(err);
    if (rc < 0)
        template_unref(t);
    else
        *ret = t;
    return rc;
}

// ---- sharing

struct template *template_ref(struct template *t)
{
    __atomic_add_fetch(&t->refs, 1, __ATOMIC_RELAXED);
    return t;
}

void template_unref(struct template *t)
{
    if (t == NULL || __atomic_sub_fetch(&t->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    arena_done(&t->arena);
    mem_free(t);
}

// ---- finding

static int compare_span(struct span a, const char *b)
{
    size_t m = strlen(b), least = a.len < m ? a.len : m;
    int order = least > 0 ? memcmp(a.p, b, least) : 0;
    return order != 0 ? order : (a.len > m) - (a.len < m);
}

const char *template_system(const struct template *t, uint32_t step)
{
    if (t->steps[step].dependent_system != NULL)
        return t->steps[step].dependent_system;
    return t->default_dependent_system != NULL ? t->default_dependent_system : UNNAMED_SYSTEM;
}

int template_find_step(const struct template *t, struct span name)
{
    size_t low = 0, high = t->step_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_span(name, t->steps[t->by_name[middle]].name) > 0)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = low < t->step_count && compare_span(name, t->steps[t->by_name[low]].name) == 0;
    return found ? (int)t->by_name[low] : -1;
}

static int compare_parts(struct span a, struct span b)
{
    bool numbers = a.len > 0 && b.len > 0;
    for (size_t i = 0; i < a.len; i++)
        numbers = numbers && a.p[i] >= '0' && a.p[i] <= '9';
    for (size_t i = 0; i < b.len; i++)
        numbers = numbers && b.p[i] >= '0' && b.p[i] <= '9';
    while (numbers && a.len > 1 && a.p[0] == '0')
        a.p++, a.len--;
    while (numbers && b.len > 1 && b.p[0] == '0')
        b.p++, b.len--;
    if (numbers && a.len != b.len)
        return a.len < b.len ? -1 : 1;
    size_t least = a.len < b.len ? a.len : b.len;
    int order = memcmp(a.p, b.p, least);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

int template_compare_versions(const char *a, const char *b)
{
    const char *x = a, *y = b;
    while (*x != '\0' && *y != '\0') {
        struct span p = {x, strcspn(x, ".")}, q = {y, strcspn(y, ".")};
        int order = compare_parts(p, q);
        if (order != 0)
            return order;
        x += p.len + (x[p.len] == '.');
        y += q.len + (y[q.len] == '.');
    }
    if (*x != '\0' || *y != '\0')
        return *x != '\0' ? 1 : -1;
    return strcmp(a, b);
}
