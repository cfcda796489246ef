// SPDX-License-Identifier: MIT
// options.c - the settings of tasker_open as a table: name, type, where the value goes, and what it
// may be.
//
// Adding a setting is one row here and one field of struct engine_options. The text is checked in
// full: an unknown name, a wrong type or a number out of range is an error that says what is
// possible.
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"

enum setting_type { SET_STRING, SET_BOOL, SET_INT32, SET_TIME, SET_LIMITS, SET_STRATEGY };

struct setting {
    const char *name;
    enum setting_type type;
    size_t offset;    // of the field in struct engine_options
    int64_t min, max; // of the number as it is written; of a string's length
    int64_t unit;     // SET_TIME: microseconds of one
};

#define FIELD(f) offsetof(struct engine_options, f)

static const struct setting settings[] = {
    {"name", SET_STRING, FIELD(name), 1, 128, 0},
    {"environment", SET_STRING, FIELD(environment), 1, 64, 0},
    {"migrate", SET_BOOL, FIELD(migrate), 0, 0, 0},
    {"tables_only", SET_BOOL, FIELD(tables_only), 0, 0, 0},
    {"lease_seconds", SET_TIME, FIELD(lease_us), 1, 3600, US_PER_SECOND},
    {"max_concurrent_steps", SET_INT32, FIELD(max_concurrent_steps), 0, 1000000, 0},
    {"max_active_tasks", SET_INT32, FIELD(max_active_tasks), 1, 10000000, 0},
    {"lanes", SET_INT32, FIELD(lanes), 1, LANES_MAX, 0},
    {"class_limits", SET_LIMITS, FIELD(class_limits), 0, 1000000, 0},
    {"template_limits", SET_LIMITS, FIELD(template_limits), 0, 1000000, 0},
    {"queue_limit", SET_INT32, FIELD(queue_limit), 1, 10000000, 0},
    {"database_timeout_seconds", SET_TIME, FIELD(database_timeout_us), 0, 31536000, US_PER_SECOND},
    {"default_step_timeout_seconds", SET_TIME, FIELD(step_timeout_us), 0, 31536000, US_PER_SECOND},
    {"default_task_timeout_seconds", SET_TIME, FIELD(task_timeout_us), 0, 31536000, US_PER_SECOND},
    {"start_row_delay_ms", SET_TIME, FIELD(start_row_delay_us), 0, 60000, US_PER_MS},
    {"poll_interval_ms", SET_TIME, FIELD(poll_interval_us), 1, 60000, US_PER_MS},
    {"max_crashes", SET_INT32, FIELD(max_crashes), 0, 1000, 0},
    {"identity_strategy", SET_STRATEGY, FIELD(identity_hash), 0, 0, 0},
};

// The count of a list of limits stands in a field of its own.
static size_t *limit_count(struct engine_options *o, const struct setting *s)
{
    return s->offset == FIELD(class_limits) ? &o->class_limit_count : &o->template_limit_count;
}

static int wrong(const struct setting *s, const char *want, tasker_error *err)
{
    err_set(err, TASKER_E_INVALID, "the option \"%s\" must be %s", s->name, want);
    err_where(err, 0, 0, "$.%s", s->name);
    return TASKER_E_INVALID;
}

static int out_of_range(const struct setting *s, const char *key, tasker_error *err)
{
    err_set(err, TASKER_E_INVALID, "must be a number from %lld to %lld", (long long)s->min,
            (long long)s->max);
    err_where(err, 0, 0, key[0] == '\0' ? "$.%s" : "$.%s.%s", s->name, key);
    return TASKER_E_INVALID;
}

static int set_string(const struct setting *s, const struct json *v, void *field, tasker_error *err)
{
    if (v->type != JSON_STRING)
        return wrong(s, "a string", err);
    if (v->str.len < (size_t)s->min || v->str.len > (size_t)s->max) {
        err_set(err, TASKER_E_INVALID, "must have %lld to %lld bytes", (long long)s->min,
                (long long)s->max);
        err_where(err, 0, 0, "$.%s", s->name);
        return TASKER_E_INVALID;
    }
    char *copy = mem_dup(v->str.p, v->str.len);
    if (copy == NULL)
        return err_nomem(err);
    char **place = field;
    mem_free(*place);
    *place = copy;
    return 0;
}

static int set_number(const struct setting *s, const struct json *v, void *field, tasker_error *err)
{
    if (s->type == SET_INT32) {
        int64_t n;
        if (!json_int(v, &n) || n < s->min || n > s->max)
            return out_of_range(s, "", err);
        *(int32_t *)field = (int32_t)n;
        return 0;
    }
    double n;
    if (!json_double(v, &n) || !(n >= (double)s->min && n <= (double)s->max))
        return out_of_range(s, "", err);
    *(int64_t *)field = (int64_t)(n * (double)s->unit);
    return 0;
}

static int set_limits(const struct setting *s, const struct json *v, struct engine_options *o,
                      tasker_error *err)
{
    if (v->type != JSON_OBJECT)
        return wrong(s, "an object of names and numbers", err);

    struct limit **list = (void *)((char *)o + s->offset);
    size_t *count = limit_count(o, s), cap = 0;
    for (const struct json *m = v->child; m != NULL; m = m->next) {
        int64_t n;
        char *name = mem_dup(m->key.p, m->key.len);
        if (name == NULL)
            return err_nomem(err);
        if (!json_int(m, &n) || n < s->min || n > s->max) {
            out_of_range(s, name, err);
            mem_free(name);
            return TASKER_E_INVALID;
        }
        if (mem_grow(list, &cap, *count + 1, sizeof(**list)) < 0) {
            mem_free(name);
            return err_nomem(err);
        }
        (*list)[(*count)++] = (struct limit){.name = name, .count = (int32_t)n};
    }
    return 0;
}

static int set_strategy(const struct setting *s, const struct json *v, void *field,
                        tasker_error *err)
{
    bool hash = v->type == JSON_STRING && span_is(v->str, "hash");
    if (!hash && !(v->type == JSON_STRING && span_is(v->str, "default")))
        return wrong(s, "\"default\" or \"hash\"", err);
    *(bool *)field = hash;
    return 0;
}

static int set(const struct setting *s, const struct json *v, struct engine_options *o,
               tasker_error *err)
{
    void *field = (char *)o + s->offset;

    switch (s->type) {
    case SET_STRING:
        return set_string(s, v, field, err);
    case SET_LIMITS:
        return set_limits(s, v, o, err);
    case SET_STRATEGY:
        return set_strategy(s, v, field, err);
    case SET_INT32:
    case SET_TIME:
        return set_number(s, v, field, err);
    case SET_BOOL:
        break;
    }
    if (v->type != JSON_BOOL)
        return wrong(s, "true or false", err);
    *(bool *)field = v->truth;
    return 0;
}

static const struct setting *find(struct span name)
{
    for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
        if (span_is(name, settings[i].name))
            return &settings[i];
    return NULL;
}

static int unknown(struct span name, tasker_error *err)
{
    char known[sizeof(err->remedy)] = "";

    for (size_t i = 0, n = 0; i < ARRAY_SIZE(settings) && n < sizeof(known); i++)
        n += (size_t)snprintf(known + n, sizeof(known) - n, "%s%s", i > 0 ? ", " : "",
                              settings[i].name);
    err_set(err, TASKER_E_INVALID, "there is no option \"%.*s\"", (int)name.len, name.p);
    err_where(err, 0, 0, "$.%.*s", (int)name.len, name.p);
    err_remedy(err, "%s", known);
    return TASKER_E_INVALID;
}

static int read_options(const char *text, struct engine_options *o, tasker_error *err)
{
    CLEANUP(arena_done) struct arena arena;
    const struct json *root;

    arena_init(&arena);
    int rc = json_parse(&arena, span_of(text), &root, err);
    if (rc < 0)
        return rc;
    if (root->type != JSON_OBJECT) {
        err_set(err, TASKER_E_INVALID, "options must be a JSON object");
        err_where(err, 0, 0, "$");
        return TASKER_E_INVALID;
    }
    for (const struct json *m = root->child; m != NULL && rc == 0; m = m->next) {
        const struct setting *s = find(m->key);
        rc = s == NULL ? unknown(m->key, err) : set(s, m, o, err);
    }
    return rc;
}

int options_parse(const char *text, struct engine_options *o, tasker_error *err)
{
    int rc = text == NULL ? 0 : read_options(text, o, err);

    if (rc < 0 || o->environment != NULL)
        return rc;
    const char *environment = getenv("TASKER_ENV");
    bool given = environment != NULL && environment[0] != '\0';
    o->environment = mem_strdup(given ? environment : "development");
    return o->environment == NULL ? err_nomem(err) : 0;
}
