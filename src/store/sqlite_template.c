// SPDX-License-Identifier: MIT
// sqlite_template.c - templates and the catalogue rows they need (namespace, named task, systems,
// named steps, links), in a transaction of its own. Rows are found or created in one fixed order,
// by name, so that processes that register at the same time never wait for each other in a circle.
// Registering what is there already writes nothing.
#include <stdlib.h>
#include <string.h>

#include "store/sqlite.h"

static int by_system_and_name(const void *a, const void *b, void *user)
{
    const struct template *t = user;
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    int order = strcmp(template_system(t, left), template_system(t, right));
    return order != 0 ? order : strcmp(t->steps[left].name, t->steps[right].name);
}

// One integer found by one or two names.
static int find_id(struct sqlite *s, enum sqlite_statement id, const char *first,
                   const char *second, int64_t *ret)
{
    struct sql q;
    bool found = false;
    sql_start(&q, s, id);
    sql_str(&q, first);
    if (second)
        sql_str(&q, second);
    if (sql_row(&q)) {
        found = true;
        *ret = sql_int_at(&q, 0);
        sql_end(&q);
    }
    return q.rc != SQLITE_OK || found ? q.rc : TURN_MISSED;
}

static int put_name(struct sqlite *s, enum sqlite_statement put, enum sqlite_statement get,
                    const char *name, int64_t now, int64_t *ret)
{
    struct sql q;
    sql_start(&q, s, put);
    sql_str(&q, name);
    sql_time(&q, now);
    int rc = sql_run(&q);
    return rc == SQLITE_OK ? find_id(s, get, name, NULL, ret) : rc;
}

static int put_named_task(struct sqlite *s, const struct template *t, int64_t now, int64_t *ret)
{
    int64_t space = 0;
    int rc = put_name(s, SQL_NAMESPACE_PUT, SQL_NAMESPACE_GET, t->namespace_name, now, &space);
    if (rc != SQLITE_OK)
        return rc;
    struct sql q;
    sql_start(&q, s, SQL_NAMED_TASK_PUT);
    sql_int(&q, space);
    sql_str(&q, t->name);
    sql_str(&q, t->version);
    sql_time(&q, now);
    rc = sql_run(&q);
    if (rc != SQLITE_OK)
        return rc;
    sql_start(&q, s, SQL_NAMED_TASK_GET);
    sql_int(&q, space);
    sql_str(&q, t->name);
    sql_str(&q, t->version);
    if (sql_row(&q)) {
        *ret = sql_int_at(&q, 0);
        sql_end(&q);
    }
    return q.rc;
}

static int put_named_step(struct sqlite *s, const struct template *t, uint32_t step, int64_t system,
                          int64_t task, int64_t now, int64_t *ret)
{
    const struct template_step *def = &t->steps[step];
    struct sql q;
    sql_start(&q, s, SQL_NAMED_STEP_PUT);
    sql_int(&q, system);
    sql_str(&q, def->name);
    sql_time(&q, now);
    int rc = sql_run(&q);
    if (rc == SQLITE_OK)
        rc = find_id(s, SQL_NAMED_STEP_GET, template_system(t, step), def->name, ret);
    if (rc != SQLITE_OK)
        return rc;
    sql_start(&q, s, SQL_LINK_PUT);
    sql_int(&q, task);
    sql_int(&q, *ret);
    sql_int(&q, def->skippable);
    sql_int(&q, def->retryable);
    sql_int(&q, def->retry_limit);
    sql_time(&q, now);
    return sql_run(&q);
}

// All systems first, then all named steps: `order` is sorted by system, then name.
static int put_steps(struct sqlite *s, const struct template *t, const uint32_t *order,
                     int64_t task, int64_t now, int32_t *ret_ids)
{
    int rc = SQLITE_OK;
    int64_t system = 0, id = 0;
    for (uint32_t i = 0; i < t->step_count && rc == SQLITE_OK; i++)
        if (i == 0 || strcmp(template_system(t, order[i]), template_system(t, order[i - 1])) != 0)
            rc = put_name(s, SQL_SYSTEM_PUT, SQL_SYSTEM_GET, template_system(t, order[i]), now, &system);
    for (uint32_t i = 0; i < t->step_count && rc == SQLITE_OK; i++) {
        rc = find_id(s, SQL_SYSTEM_GET, template_system(t, order[i]), NULL, &system);
        if (rc == SQLITE_OK)
            rc = put_named_step(s, t, order[i], system, task, now, &id);
        ret_ids[order[i]] = (int32_t)id;
    }
    return rc;
}

// The content that a named task has now; *ret_id 0: none.
static int find_current(struct sqlite *s, int64_t task, const char *hash, int64_t *ret_id,
                        bool *ret_same)
{
    struct sql q;
    sql_start(&q, s, SQL_TEMPLATE_CURRENT);
    sql_int(&q, task);
    if (sql_row(&q)) {
        *ret_id = sql_int_at(&q, 0);
        *ret_same = span_is(sql_span_at(&q, 1), hash);
        sql_end(&q);
    }
    return q.rc;
}

static int put_content(struct sqlite *s, const struct template *t, int64_t task, int64_t now,
                       int64_t *ret)
{
    struct sql q;
    sql_start(&q, s, SQL_TEMPLATE_RETIRE);
    sql_int(&q, task);
    int rc = sql_run(&q);
    if (rc != SQLITE_OK)
        return rc;
    sql_start(&q, s, SQL_TEMPLATE_PUT);
    sql_int(&q, task);
    sql_str(&q, t->hash);
    sql_span(&q, t->canonical);
    sql_str(&q, t->directory ? t->directory : "");
    sql_time(&q, now);
    if (sql_row(&q)) {
        *ret = sql_int_at(&q, 0);
        sql_run(&q); // RETURNING gives its row before the statement is through
    }
    return q.rc;
}

// What does not belong to the content: the folder that relative paths start from, and the copy for
// the Rails engine.
static int put_rest(struct sqlite *s, const struct template *t, int64_t task, int64_t template_id,
                    int64_t now)
{
    struct sql q;
    sql_start(&q, s, SQL_TEMPLATE_DIRECTORY);
    sql_str(&q, t->directory ? t->directory : "");
    sql_int(&q, template_id);
    int rc = sql_run(&q);
    if (rc != SQLITE_OK)
        return rc;
    sql_start(&q, s, SQL_NAMED_TASK_SET);
    sql_str(&q, t->description);
    sql_span(&q, t->canonical);
    sql_time(&q, now);
    sql_int(&q, task);
    return sql_run(&q);
}

// What a registration finds out.
struct registration {
    int64_t template_id, task;
    int32_t *step_ids;
    uint32_t *order;
    bool conflict;
};

static int put_template(struct sqlite *s, const struct template *t, bool replace, int64_t now,
                        struct registration *r)
{
    int64_t current = 0;
    bool same = false;
    int rc = put_named_task(s, t, now, &r->task);
    if (rc == SQLITE_OK)
        rc = find_current(s, r->task, t->hash, &current, &same);
    if (rc != SQLITE_OK)
        return rc;
    r->conflict = current != 0 && !same && !replace;
    if (r->conflict)
        return SQLITE_OK;
    r->template_id = current;
    if (!same)
        rc = put_content(s, t, r->task, now, &r->template_id);
    if (rc == SQLITE_OK)
        rc = put_rest(s, t, r->task, r->template_id, now);
    return rc == SQLITE_OK ? put_steps(s, t, r->order, r->task, now, r->step_ids) : rc;
}

static int transact(struct sqlite *s, const struct template *t, bool replace, int64_t now,
                    struct registration *r)
{
    struct sql q;
    sql_start(&q, s, SQL_BEGIN);
    int rc = sql_run(&q);
    if (rc == SQLITE_OK)
        rc = put_template(s, t, replace, now, r);
    if (rc != SQLITE_OK || r->conflict)
        return rc;
    sql_start(&q, s, SQL_COMMIT);
    return sql_run(&q);
}

static void fill_in(struct template *t, const struct registration *r)
{
    t->template_id = r->template_id;
    t->named_task_id = (int32_t)r->task;
    t->named_step_ids = r->step_ids;
}

int sqlite_register_template(struct store *base, struct template *t, bool replace, int64_t now,
                             tasker_error *err)
{
    struct sqlite *s = sqlite_of(base);
    struct registration r = {0};
    r.step_ids = arena_alloc(&t->arena, t->step_count * sizeof(r.step_ids[0]));
    r.order = arena_alloc(&t->arena, t->step_count * sizeof(r.order[0]));
    if (!r.step_ids || !r.order)
        return err_nomem(err);
    for (uint32_t i = 0; i < t->step_count; i++)
        r.order[i] = i;
    if (t->step_count > 1)
        qsort_r(r.order, t->step_count, sizeof(r.order[0]), by_system_and_name, t);
    int rc = transact(s, t, replace, now, &r);
    if (rc == SQLITE_OK && !r.conflict) {
        fill_in(t, &r);
        return 0;
    }
    int code;
    if (rc == SQLITE_OK) {
        code = err_set(err, TASKER_E_CONFLICT, "%s/%s/%s is registered with other content",
                       t->namespace_name, t->name, t->version);
        err_remedy(err, "raise its version, or ask for the content to be replaced");
    } else if (rc == TURN_MISSED) {
        code = err_set(err, TASKER_E_STORE, "a catalogue row of %s/%s/%s is not there",
                       t->namespace_name, t->name, t->version);
    } else {
        code = sqlite_fail(s, rc, "the template could not be registered", err);
    }
    sqlite_rollback(s);
    return code;
}

// ----------------------------------------------------------------------------------------- loading

// The newest version, or the one that is named. *ret 0: none.
static int choose_version(struct sqlite *s, const char *namespace_name, const char *name,
                          const char *version, int64_t *ret)
{
    bool latest = !version || strcmp(version, "latest") == 0;
    struct arena arena;
    const char *best = NULL;
    struct sql q;
    arena_init(&arena);
    sql_start(&q, s, SQL_TEMPLATE_VERSIONS);
    sql_str(&q, namespace_name);
    sql_str(&q, name);
    while (sql_row(&q)) {
        const char *candidate = sql_keep(&q, &arena, 1).p;
        if (!candidate)
            continue;
        if (latest ? !best || template_compare_versions(candidate, best) > 0
                   : strcmp(candidate, version) == 0) {
            best = candidate;
            *ret = sql_int_at(&q, 0);
        }
    }
    arena_done(&arena);
    return q.rc;
}

// A template's text and what is stored beside it; NULL text: there is none.
struct stored {
    char *body;
    size_t size;
    char *directory;
    int64_t task;
};

static int read_stored(struct sqlite *s, struct arena *a, int64_t template_id, struct stored *r)
{
    struct sql q;
    sql_start(&q, s, SQL_TEMPLATE_GET);
    sql_int(&q, template_id);
    while (sql_row(&q)) {
        r->task = sql_int_at(&q, 0);
        struct span body = sql_span_at(&q, 1), directory = sql_span_at(&q, 2);
        r->size = body.len;
        r->body = arena_dup(a, body.p, body.len);
        r->directory = arena_dup(a, directory.p, directory.len);
        if (!r->body || !r->directory)
            q.rc = SQLITE_NOMEM;
    }
    return q.rc;
}

static int complete_ids(struct sqlite *s, struct template *t, int64_t template_id,
                        const struct stored *r)
{
    t->template_id = template_id;
    t->named_task_id = (int32_t)r->task;
    t->directory = arena_strdup(&t->arena, r->directory);
    t->named_step_ids = arena_alloc(&t->arena, t->step_count * sizeof(t->named_step_ids[0]));
    if (!t->directory || !t->named_step_ids)
        return SQLITE_NOMEM;
    int rc = SQLITE_OK;
    for (uint32_t i = 0; i < t->step_count && rc == SQLITE_OK; i++) {
        int64_t id = 0;
        rc = find_id(s, SQL_NAMED_STEP_GET, template_system(t, i), t->steps[i].name, &id);
        t->named_step_ids[i] = (int32_t)id;
    }
    return rc;
}

static int compile(struct sqlite *s, const struct stored *r, int64_t template_id,
                   struct template **ret, tasker_error *err)
{
    struct template_errors errors;
    struct template *t = NULL;
    template_errors_init(&errors);
    int code = template_read((struct span){r->body, r->size}, NULL, NULL, &t, &errors, err);
    template_errors_done(&errors);
    if (code != 0)
        return code;
    int rc = complete_ids(s, t, template_id, r);
    if (rc != SQLITE_OK) {
        template_unref(t);
        return rc == TURN_MISSED
                   ? err_set(err, TASKER_E_STORE, "template %lld has no catalogue rows",
                             (long long)template_id)
                   : sqlite_fail(s, rc, "the template could not be read", err);
    }
    *ret = t;
    return 0;
}

static int load(struct sqlite *s, struct arena *a, int64_t template_id, const char *namespace_name,
                const char *name, const char *version, struct template **ret, tasker_error *err)
{
    int rc = SQLITE_OK;
    struct stored stored = {0};
    bool by_id = template_id != 0;
    if (!by_id)
        rc = choose_version(s, namespace_name, name, version, &template_id);
    if (rc == SQLITE_OK && template_id != 0)
        rc = read_stored(s, a, template_id, &stored);
    if (rc != SQLITE_OK)
        return sqlite_fail(s, rc, "the template could not be read", err);
    if (stored.body)
        return compile(s, &stored, template_id, ret, err);
    if (by_id)
        return err_set(err, TASKER_E_NOT_FOUND, "there is no template %lld",
                       (long long)template_id);
    return err_set(err, TASKER_E_NOT_FOUND, "no template %s/%s/%s is registered", namespace_name,
                   name, version ? version : "latest");
}

int sqlite_load_template(struct store *base, int64_t template_id, const char *namespace_name,
                         const char *name, const char *version, struct template **ret,
                         tasker_error *err)
{
    struct sqlite *s = sqlite_of(base);
    struct arena arena;
    int code = sqlite_read_begin(s, err);
    if (code != 0)
        return code;
    arena_init(&arena);
    code = load(s, &arena, template_id, namespace_name, name, version, ret, err);
    arena_done(&arena);
    sqlite_read_end(s);
    return code;
}
