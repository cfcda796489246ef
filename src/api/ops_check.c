// SPDX-License-Identifier: MIT
// ops_check.c - the types of arguments: what is given is held against what the table of operations
// says, and functions get at what was given.
#include "api/ops.h"

#include "store/filters.h"

#include <stdio.h>
#include <string.h>

static bool is_integer(const struct json *v)
{
    int64_t n;
    return json_int(v, &n);
}

static bool is_string(const struct json *v)
{
    return v->type == JSON_STRING;
}

static bool is_boolean(const struct json *v)
{
    return v->type == JSON_BOOL;
}

static bool is_json(const struct json *v)
{
    (void)v;
    return true;
}

static bool is_object(const struct json *v)
{
    return v->type == JSON_OBJECT;
}

static bool is_time(const struct json *v)
{
    int64_t us;
    return v->type == JSON_STRING && time_parse(v->str, &us);
}

static bool is_duration(const struct json *v)
{
    int64_t us;
    return v->type == JSON_STRING && duration_parse(v->str, &us);
}

static bool is_list(const struct json *v)
{
    return v->type == JSON_ARRAY && v->count <= FILTER_LIST_MAX;
}

static const struct argument_type {
    const char *name;
    bool (*fits)(const struct json *v);
    const char *what;
    bool (*item)(const struct json *v); // of a list
} argument_types[] = {
    {"integer", is_integer, "an integer", NULL},
    {"integers", is_list, "a list of at most 1000 integers", is_integer},
    {"string", is_string, "a string", NULL},
    {"strings", is_list, "a list of at most 1000 strings", is_string},
    {"boolean", is_boolean, "true or false", NULL},
    {"json", is_json, "JSON", NULL},
    {"document", is_object, "a JSON object", NULL}, // on the command line its file
    {"time", is_time, "a time such as \"2026-01-31T12:00:00Z\"", NULL},
    {"duration", is_duration, "a duration such as \"30d\", \"12h\" or \"1h30m\"", NULL},
};
_Static_assert(FILTER_LIST_MAX == 1000, "the texts above say so");

static const struct argument_type *type_of(const tasker_argument *a)
{
    for (size_t i = 0; i < ARRAY_SIZE(argument_types); i++)
        if (strcmp(a->type, argument_types[i].name) == 0)
            return &argument_types[i];
    return NULL; // the table is wrong
}

static void name_known(const tasker_argument *list, tasker_error *err)
{
    char known[sizeof(err->remedy)] = "";

    for (size_t n = 0; list->name != NULL && n < sizeof(known); list++)
        n += (size_t)snprintf(known + n, sizeof(known) - n, "%s%s%s", n > 0 ? ", " : "", list->name,
                              list->required ? " (required)" : "");
    err_remedy(err, known[0] == '\0' ? "there are no arguments" : "arguments: %s", known);
}

static bool given(const struct json *v, const tasker_argument *a)
{
    return v != NULL && (v->type != JSON_NULL || strcmp(a->type, "json") == 0);
}

static int check_unknown(const tasker_argument *list, const struct json *args, tasker_error *err)
{
    for (const struct json *m = args->child; m != NULL; m = m->next) {
        const tasker_argument *a = list;
        while (a->name != NULL && !span_is(m->key, a->name))
            a++;
        if (a->name != NULL)
            continue;
        err_set(err, TASKER_E_INVALID, "there is no argument \"%.*s\"", (int)m->key.len, m->key.p);
        err_where(err, 0, 0, "$.%.*s", (int)m->key.len, m->key.p);
        name_known(list, err);
        return TASKER_E_INVALID;
    }
    return 0;
}

// The place of the first item that does not fit, -1: all do.
static int odd_item(const struct argument_type *type, const struct json *v)
{
    int at = 0;

    for (const struct json *item = type->item != NULL ? v->child : NULL; item != NULL;
         item = item->next, at++)
        if (!type->item(item))
            return at;
    return -1;
}

static int check_value(const tasker_argument *a, const struct json *v, tasker_error *err)
{
    const struct argument_type *type = type_of(a);

    if (type == NULL)
        return err_set(err, TASKER_E_BUG, "the argument \"%s\" has the unknown type %s", a->name,
                       a->type);
    int odd = type->fits(v) ? odd_item(type, v) : -1;
    if (type->fits(v) && odd < 0)
        return 0;
    err_set(err, TASKER_E_INVALID, "the argument \"%s\" must be %s", a->name, type->what);
    if (odd >= 0)
        err_where(err, 0, 0, "$.%s[%d]", a->name, odd);
    else
        err_where(err, 0, 0, "$.%s", a->name);
    return TASKER_E_INVALID;
}

int arguments_check(const tasker_argument *list, const struct json *args, tasker_error *err)
{
    if (args->type != JSON_OBJECT) {
        err_set(err, TASKER_E_INVALID, "arguments must be a JSON object, not %s",
                json_type_name(args->type));
        err_where(err, 0, 0, "$");
        name_known(list, err);
        return TASKER_E_INVALID;
    }
    int rc = check_unknown(list, args, err);
    for (const tasker_argument *a = list; a->name != NULL && rc == 0; a++) {
        const struct json *v = json_get(args, a->name);
        if (given(v, a)) {
            rc = check_value(a, v, err);
        } else if (a->required) {
            rc = err_set(err, TASKER_E_INVALID, "the argument \"%s\" is missing", a->name);
            err_where(err, 0, 0, "$.%s", a->name);
        }
        if (rc < 0)
            name_known(list, err);
    }
    return rc;
}

const struct json *call_arg(const struct call *c, const char *name)
{
    const struct json *v = json_get(c->args, name);
    const tasker_argument *a = c->op->info.arguments;

    while (a->name != NULL && strcmp(a->name, name) != 0)
        a++;
    return a->name != NULL && given(v, a) ? v : NULL;
}

int call_text(const struct call *c, const char *name, const char **ret, tasker_error *err)
{
    const struct json *v = call_arg(c, name);

    if (v == NULL) {
        *ret = NULL;
        return 0;
    }
    char *copy = arena_dup(c->arena, v->str.p, v->str.len);
    if (copy == NULL)
        return err_nomem(err);
    *ret = copy;
    return 0;
}

int64_t call_int(const struct call *c, const char *name, int64_t otherwise)
{
    const struct json *v = call_arg(c, name);
    int64_t n;

    return v != NULL && json_int(v, &n) ? n : otherwise;
}

bool call_bool(const struct call *c, const char *name, bool otherwise)
{
    const struct json *v = call_arg(c, name);

    return v != NULL ? v->truth : otherwise;
}

int call_range(const struct call *c, const char *name, int64_t min, int64_t max, tasker_error *err)
{
    int64_t n = call_int(c, name, min);

    if (n >= min && n <= max)
        return 0;
    err_set(err, TASKER_E_INVALID, "the argument \"%s\" must be from %lld to %lld", name,
            (long long)min, (long long)max);
    err_where(err, 0, 0, "$.%s", name);
    return TASKER_E_INVALID;
}

