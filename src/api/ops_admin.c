// SPDX-License-Identifier: MIT
// ops_admin.c - the operations on templates, the log, health and the tables.
//
// Queries of the store and commands of the engine need no function of their own; what stands here
// does a little more.
#include "api/ops.h"
#include "model/failure.h"

int op_template_register(const struct call *c, tasker_error *err)
{
    const struct json *text = call_arg(c, "text");
    const char *file;
    int rc = call_text(c, "file", &file, err);

    if (rc < 0)
        return rc;
    return register_template(c->t, text->str, file, call_bool(c, "replace", false), c->out, err);
}

int op_event_log(const struct call *c, tasker_error *err)
{
    const char *after, *patterns;
    int rc = call_range(c, "limit", 1, LIMIT_MAX, err);

    if (rc == 0)
        rc = call_text(c, "after", &after, err);
    if (rc == 0)
        rc = call_text(c, "patterns", &patterns, err);
    if (rc < 0)
        return rc;
    return log_read(c->t, after, patterns, call_int(c, "limit", 100), c->out, err);
}

int op_engine_status(const struct call *c, tasker_error *err)
{
    (void)err;
    engine_status(c->t->engine, c->out);
    return 0;
}

int op_health_status(const struct call *c, tasker_error *err)
{
    jw_open(c->out, '{');
    jw_key(c->out, "engine");
    engine_status(c->t->engine, c->out);
    jw_key(c->out, "database");
    int rc = engine_query(c->t->engine, "health", c->args, c->out, err);
    jw_close(c->out, '}');
    return rc;
}

int op_db_status(const struct call *c, tasker_error *err)
{
    return engine_migrate(c->t->engine, &(struct migrate_options){.mode = MIGRATE_STATUS}, c->out, err);
}

int op_db_check(const struct call *c, tasker_error *err)
{
    return engine_migrate(c->t->engine, &(struct migrate_options){.mode = MIGRATE_CHECK}, c->out, err);
}

int op_db_migrate(const struct call *c, tasker_error *err)
{
    struct migrate_options o = {.mode = MIGRATE_APPLY, .rails_indexes = call_bool(c, "rails_indexes", false)};
    return engine_migrate(c->t->engine, &o, c->out, err);
}

static const struct {
    const char *name, *code, *remediation;
    int retryable, delay;
} categories[] = {
#define X(id, text, code, retry, delay, remedy) {text, code, remedy, retry, delay},
    FAILURE_CATEGORIES(X)
#undef X
};

int op_failure_categories(const struct call *c, tasker_error *err)
{
    (void)err;
    jw_open(c->out, '{');
    jw_key(c->out, "categories");
    jw_open(c->out, '[');
    for (size_t i = 0; i < ARRAY_SIZE(categories); i++) {
        jw_open(c->out, '{');
        jw_kstr(c->out, "category", categories[i].name);
        jw_kstr(c->out, "code", categories[i].code);
        jw_kbool(c->out, "retryable", categories[i].retryable != 0);
        jw_key(c->out, "delay_seconds");
        if (categories[i].delay > 0)
            jw_int(c->out, categories[i].delay);
        else
            jw_null(c->out);
        jw_kstr(c->out, "remediation", categories[i].remediation);
        jw_close(c->out, '}');
    }
    jw_close(c->out, ']');
    jw_close(c->out, '}');
    return 0;
}
