// SPDX-License-Identifier: MIT
// postgres_template.c - templates and the catalogue rows they need, in a transaction of its own and two round trips: the
// first finds the named task, locks it and reads what it has; the second writes what is missing. Rows are found or
// created in one fixed order, so processes that register at the same time wait for each other and never in a circle;
// what the Rails engine has created is used as it is. Registering what is there already writes nothing.
#include <stdlib.h>
#include <string.h>

#include "store/postgres.h"

#define TRIES 5  // of a registration that others got in the way of

// What a registration finds out.
struct registration {
    struct postgres *p;
    const struct template *t;
    int64_t now, template_id, task;
    int32_t *step_ids;
    bool replace;
};

static void name_of(struct pipe *q, const struct template *t)
{
    pipe_str(q, t->namespace_name);
    pipe_str(q, t->name);
    pipe_str(q, t->version);
}

static void systems_and_names(struct pipe *q, const struct template *t)
{
    pipe_array(q, PG_TEXT, t->step_count);
    for (uint32_t i = 0; i < t->step_count; i++)
        pipe_item_span(q, span_of(template_system(t, i)));
    pipe_array(q, PG_TEXT, t->step_count);
    for (uint32_t i = 0; i < t->step_count; i++)
        pipe_item_span(q, span_of(t->steps[i].name));
}

static int conflict(const struct template *t, tasker_error *err)
{
    err_set(err, TASKER_E_CONFLICT, "%s/%s/%s is registered with other content", t->namespace_name, t->name, t->version);
    err_remedy(err, "raise its version, or ask for the content to be replaced");
    return TASKER_E_CONFLICT;
}

// Begins the transaction; *ret_same: the content is current already.
static int begin(struct registration *r, bool *ret_same, tasker_error *err)
{
    struct pipe q;
    pipe_init(&q, r->p);
    pipe_add(&q, PG_BEGIN);
    pipe_add(&q, PG_LOCK_PATIENCE);
    pipe_add(&q, PG_NAMESPACE_PUT);
    pipe_str(&q, r->t->namespace_name);
    pipe_time(&q, r->now);
    pipe_add(&q, PG_NAMED_TASK_PUT);
    name_of(&q, r->t);
    pipe_time(&q, r->now);
    size_t task = pipe_add(&q, PG_NAMED_TASK_LOCK);
    name_of(&q, r->t);
    size_t current = pipe_add(&q, PG_TEMPLATE_CURRENT);
    name_of(&q, r->t);
    int rc = pipe_run(&q, "the template could not be registered", err);
    if (rc == 0 && pg_rows(pipe_result(&q, task)) == 0)
        rc = err_set(err, TASKER_E_STORE, "the named task of a template is not there");
    if (rc == 0) {
        const PGresult *c = pipe_result(&q, current);
        r->task = pg_int_at(pipe_result(&q, task), 0, 0);
        r->template_id = pg_rows(c) > 0 ? pg_int_at(c, 0, 0) : 0;
        *ret_same = r->template_id != 0 && span_is(pg_span_at(c, 0, 1), r->t->hash);
        if (r->template_id != 0 && !*ret_same && !r->replace)
            rc = conflict(r->t, err);
    }
    pipe_done(&q);
    return rc;
}

static void put_content(struct pipe *q, const struct registration *r)
{
    const struct template *t = r->t;
    pipe_add(q, PG_TEMPLATE_RETIRE);
    pipe_int4(q, (int32_t)r->task);
    pipe_add(q, PG_TEMPLATE_PUT);
    pipe_int4(q, (int32_t)r->task);
    pipe_str(q, t->hash);
    pipe_text(q, t->canonical);
    pipe_str(q, t->directory ? t->directory : "");
    pipe_time(q, r->now);
}

static void put_steps(struct pipe *q, const struct registration *r)
{
    const struct template *t = r->t;
    pipe_add(q, PG_SYSTEMS_PUT);
    pipe_array(q, PG_TEXT, t->step_count);
    for (uint32_t i = 0; i < t->step_count; i++)
        pipe_item_span(q, span_of(template_system(t, i)));
    pipe_time(q, r->now);
    pipe_add(q, PG_NAMED_STEPS_PUT);
    systems_and_names(q, t);
    pipe_time(q, r->now);
    pipe_add(q, PG_LINKS_PUT);
    pipe_int4(q, (int32_t)r->task);
    systems_and_names(q, t);
    pipe_array(q, PG_BOOL, t->step_count);
    for (uint32_t i = 0; i < t->step_count; i++)
        pipe_item_int(q, t->steps[i].skippable);
    pipe_array(q, PG_BOOL, t->step_count);
    for (uint32_t i = 0; i < t->step_count; i++)
        pipe_item_int(q, t->steps[i].retryable);
    pipe_array(q, PG_INT4, t->step_count);
    for (uint32_t i = 0; i < t->step_count; i++)
        pipe_item_int(q, t->steps[i].retry_limit);
    pipe_time(q, r->now);
}

static size_t ask_steps(struct pipe *q, const struct template *t)
{
    size_t at = pipe_add(q, PG_NAMED_STEPS_GET);
    systems_and_names(q, t);
    return at;
}

static int take_steps(const PGresult *r, const struct template *t, int32_t *ret, tasker_error *err)
{
    for (uint32_t i = 0; i < t->step_count; i++) {
        if (i >= pg_rows(r) || pg_null_at(r, i, 0))
            return err_set(err, TASKER_E_STORE, "a catalogue row of %s/%s/%s is not there", t->namespace_name, t->name,
                           t->version);
        ret[i] = (int32_t)pg_int_at(r, i, 0);
    }
    return 0;
}

// Writes what is missing and ends the transaction.
static int finish(struct registration *r, bool same, tasker_error *err)
{
    const struct template *t = r->t;
    struct pipe q;
    pipe_init(&q, r->p);
    if (!same)
        put_content(&q, r);
    size_t content = same ? NO_STATEMENT : 1;
    pipe_add(&q, PG_TEMPLATE_DIRECTORY);
    pipe_int4(&q, (int32_t)r->task);
    pipe_str(&q, t->hash);
    pipe_str(&q, t->directory ? t->directory : "");
    pipe_add(&q, PG_NAMED_TASK_SET);
    pipe_int4(&q, (int32_t)r->task);
    pipe_str(&q, t->description);
    pipe_jsonb(&q, t->canonical);
    pipe_time(&q, r->now);
    put_steps(&q, r);
    size_t steps = ask_steps(&q, t);
    pipe_add(&q, PG_COMMIT);
    int rc = pipe_run(&q, "the template could not be registered", err);
    if (rc == 0 && content != NO_STATEMENT)
        r->template_id = pg_int_at(pipe_result(&q, content), 0, 0);
    if (rc == 0)
        rc = take_steps(pipe_result(&q, steps), t, r->step_ids, err);
    pipe_done(&q);
    return rc;
}

static void roll_back(struct postgres *p)
{
    struct pipe q;
    tasker_error ignored;
    pipe_init(&q, p);
    pipe_add(&q, PG_ROLLBACK);
    if (p->conn && pipe_run(&q, "a rollback", &ignored) < 0)
        postgres_disconnect(p);
    pipe_done(&q);
}

static int try_once(struct registration *r, tasker_error *err)
{
    bool same = false;
    int rc = begin(r, &same, err);
    if (rc == 0)
        rc = finish(r, same, err);
    if (rc < 0)
        roll_back(r->p);
    return rc;
}

int postgres_register_template(struct store *base, struct template *t, bool replace, int64_t now, tasker_error *err)
{
    struct registration r = {.p = postgres_of(base), .t = t, .now = now, .replace = replace};
    r.step_ids = arena_alloc(&t->arena, (t->step_count + 1) * sizeof(r.step_ids[0]));
    if (!r.step_ids)
        return err_nomem(err);
    int rc = TASKER_E_BUSY;
    for (int i = 0; i < TRIES && rc == TASKER_E_BUSY; i++)
        rc = try_once(&r, err);
    if (rc < 0)
        return rc;
    t->template_id = r.template_id;
    t->named_task_id = (int32_t)r.task;
    t->named_step_ids = r.step_ids;
    return 0;
}

// ----------------------------------------------------------------------------------------------------------- loading

// The newest version, or the one that is named. *ret 0: none.
static int choose_version(struct postgres *p, const char *namespace_name, const char *name, const char *version,
                          int64_t *ret, tasker_error *err)
{
    bool latest = !version || strcmp(version, "latest") == 0;
    const char *best = NULL;
    struct pipe q;
    pipe_init(&q, p);
    pipe_add(&q, PG_TEMPLATE_VERSIONS);
    pipe_str(&q, namespace_name);
    pipe_str(&q, name);
    int rc = pipe_run(&q, "the template could not be read", err);
    const PGresult *r = rc == 0 ? pipe_result(&q, 0) : NULL;
    for (size_t row = 0; r && row < pg_rows(r); row++) {
        const char *candidate = pg_span_at(r, row, 1).p;
        if (latest ? !best || template_compare_versions(candidate, best) > 0 : strcmp(candidate, version) == 0) {
            best = candidate;
            *ret = pg_int_at(r, row, 0);
        }
    }
    pipe_done(&q);
    return rc;
}

static int complete_ids(struct postgres *p, struct template *t, tasker_error *err)
{
    struct pipe q;
    t->named_step_ids = arena_alloc(&t->arena, (t->step_count + 1) * sizeof(t->named_step_ids[0]));
    if (!t->named_step_ids || !t->directory)
        return err_nomem(err);
    pipe_init(&q, p);
    ask_steps(&q, t);
    int rc = pipe_run(&q, "the template could not be read", err);
    if (rc == 0)
        rc = take_steps(pipe_result(&q, 0), t, t->named_step_ids, err);
    pipe_done(&q);
    return rc;
}

static int compile(struct postgres *p, int64_t template_id, const PGresult *r, struct template **ret, tasker_error *err)
{
    struct template_errors errors;
    struct template *t = NULL;
    template_errors_init(&errors);
    int rc = template_read(pg_span_at(r, 0, 1), NULL, NULL, &t, &errors, err);
    template_errors_done(&errors);
    if (rc < 0)
        return rc;
    t->template_id = template_id;
    t->named_task_id = (int32_t)pg_int_at(r, 0, 0);
    t->directory = arena_strdup(&t->arena, pg_span_at(r, 0, 2).p);
    rc = complete_ids(p, t, err);
    if (rc < 0) {
        template_unref(t);
        return rc;
    }
    *ret = t;
    return 0;
}

int postgres_load_template(struct store *base, int64_t template_id, const char *namespace_name, const char *name,
                           const char *version, struct template **ret, tasker_error *err)
{
    struct postgres *p = postgres_of(base);
    bool by_id = template_id != 0;
    struct pipe q;
    int rc = by_id ? 0 : choose_version(p, namespace_name, name, version, &template_id, err);
    if (rc < 0)
        return rc;
    pipe_init(&q, p);
    pipe_add(&q, PG_TEMPLATE_GET);
    pipe_int8(&q, template_id);
    rc = pipe_run(&q, "the template could not be read", err);
    if (rc == 0 && pg_rows(pipe_result(&q, 0)) > 0)
        rc = compile(p, template_id, pipe_result(&q, 0), ret, err);
    else if (rc == 0 && by_id)
        rc = err_set(err, TASKER_E_NOT_FOUND, "there is no template %lld", (long long)template_id);
    else if (rc == 0)
        rc = err_set(err, TASKER_E_NOT_FOUND, "no template %s/%s/%s is registered", namespace_name, name,
                     version ? version : "latest");
    pipe_done(&q);
    return rc;
}
