// SPDX-License-Identifier: MIT
// submit.c - requests for tasks: from JSON to what the engine takes, every check on the way.
//
// Whatever a column or the template's schema would refuse is refused here, before anything is
// queued: types, lengths (the columns count characters), times, names of priorities, the context
// against the schema. Missing texts become "unknown" and missing lists "[]", as the Rails engine
// writes them; the identity hash is made of the same values.
#include <string.h>

#include "api/ops.h"
#include "base/utf8.h"
#include "model/identity.h"

#define TEXT_MAX 128                       // characters of a short column
#define LIST_MAX ((size_t)64 << 10)        // bytes of tags and bypass_steps
#define TASK_TIMEOUT_MAX (10 * 31536000LL) // seconds

const tasker_argument submit_arguments[] = {SUBMIT_ARGUMENTS, {NULL, NULL, NULL, 0, 0}};

// ---- small checks

static int refuse(tasker_error *err, int code, const char *field, const char *message)
{
    err_set(err, code, "%s", message);
    err_where(err, 0, 0, "$.%s", field);
    return code;
}

// A member that was given: null is as good as none.
static const struct json *member(const struct json *request, const char *name)
{
    const struct json *v = json_get(request, name);

    return v == NULL || v->type == JSON_NULL ? NULL : v;
}

// Copies the member `name`, or `otherwise` when it was not given.
static int read_text(const struct json *request, const char *name, const char *otherwise,
                     char **ret, tasker_error *err)
{
    const struct json *v = member(request, name);
    struct span text = v == NULL ? span_of(otherwise) : v->str;

    if (utf8_count(text.p, text.len) > TEXT_MAX)
        return refuse(err, TASKER_E_INVALID, name, "must have 128 characters at most");
    *ret = mem_dup(text.p, text.len);
    return *ret == NULL ? err_nomem(err) : 0;
}

static int read_list(const struct json *request, const char *name, char **ret, tasker_error *err)
{
    const struct json *v = member(request, name);

    if (v != NULL && v->type != JSON_ARRAY)
        return refuse(err, TASKER_E_INVALID, name, "must be an array of strings");
    for (const struct json *item = v == NULL ? NULL : v->child; item != NULL; item = item->next)
        if (item->type != JSON_STRING)
            return refuse(err, TASKER_E_INVALID, name, "must be an array of strings");
    struct span text = v == NULL ? SPAN("[]") : v->raw;
    if (text.len > LIST_MAX)
        return refuse(err, TASKER_E_TOO_BIG, name, "must have 65536 bytes at most");
    *ret = mem_dup(text.p, text.len);
    return *ret == NULL ? err_nomem(err) : 0;
}

static int read_name(const struct json *request, struct arena *arena, const char *name,
                     const char *otherwise, const char **ret, tasker_error *err)
{
    const struct json *v = member(request, name);

    *ret = v == NULL ? otherwise : arena_dup(arena, v->str.p, v->str.len);
    return *ret == NULL ? err_nomem(err) : 0;
}

// ---- the parts of a request

static int read_texts(const struct json *request, struct submission *s, tasker_error *err)
{
    int rc = read_text(request, "initiator", "unknown", &s->initiator, err);

    if (rc == 0)
        rc = read_text(request, "source_system", "unknown", &s->source_system, err);
    if (rc == 0)
        rc = read_text(request, "reason", "unknown", &s->reason, err);
    if (rc == 0)
        rc = read_list(request, "tags", &s->tags, err);
    if (rc == 0)
        rc = read_list(request, "bypass_steps", &s->bypass_steps, err);
    return rc;
}

static int read_priority(const struct json *request, struct submission *s, tasker_error *err)
{
    const struct json *v = member(request, "priority");

    s->priority = PRIO_NORMAL;
    if (v == NULL)
        return 0;
    for (uint8_t i = 0; i < PRIO_COUNT; i++) {
        if (span_is(v->str, priority_names[i])) {
            s->priority = i;
            return 0;
        }
    }
    return refuse(err, TASKER_E_INVALID, "priority", "must be critical, high, normal or low");
}

static int read_times(const struct json *request, struct submission *s, tasker_error *err)
{
    const struct json *requested_at = member(request, "requested_at");
    const struct json *run_at = member(request, "run_at");
    const struct json *timeout = member(request, "timeout_seconds");
    int64_t seconds = 0;

    s->requested_at = clock_real_us();
    if (requested_at != NULL && !time_parse(requested_at->str, &s->requested_at))
        return refuse(err, TASKER_E_INVALID, "requested_at", "is not a time");
    if (run_at != NULL && !time_parse(run_at->str, &s->run_at))
        return refuse(err, TASKER_E_INVALID, "run_at", "is not a time");
    if (timeout != NULL &&
        (!json_int(timeout, &seconds) || seconds < 1 || seconds > TASK_TIMEOUT_MAX))
        return refuse(err, TASKER_E_INVALID, "timeout_seconds", "must be from 1 to 315360000");
    s->timeout_us = seconds * US_PER_SECOND;
    return 0;
}

static int read_if_exists(const struct json *request, struct submission *s, tasker_error *err)
{
    const struct json *v = member(request, "if_exists");

    s->return_existing = v != NULL && span_is(v->str, "return");
    if (v == NULL || s->return_existing || span_is(v->str, "refuse"))
        return 0;
    return refuse(err, TASKER_E_INVALID, "if_exists", "must be refuse or return");
}

static int read_template(struct tasker *t, const struct json *request, struct arena *arena,
                         struct submission *s, tasker_error *err)
{
    const char *namespace_name, *name, *version;
    int rc = read_name(request, arena, "namespace", "default", &namespace_name, err);

    if (rc == 0)
        rc = read_name(request, arena, "name", "", &name, err);
    if (rc == 0)
        rc = read_name(request, arena, "version", "0.1.0", &version, err);
    return rc < 0 ? rc : engine_template(t->engine, namespace_name, name, version, &s->tpl, err);
}

// ---- the context and its schema

static const struct schema *cached(struct tasker *t, const char *hash)
{
    for (size_t i = 0; i < t->schema_count; i++)
        if (strcmp(t->schemas[i].hash, hash) == 0)
            return t->schemas[i].schema;
    return NULL;
}

// Compiles a template's schema once. Two threads that meet here may both compile it; the second
// one's is dropped.
static int find_schema(struct tasker *t, const struct template *tpl, const struct schema **ret,
                       tasker_error *err)
{
    struct schema *fresh;

    pthread_mutex_lock(&t->lock);
    const struct schema *found = cached(t, tpl->hash);
    pthread_mutex_unlock(&t->lock);
    if (found != NULL) {
        *ret = found;
        return 0;
    }
    int rc = schema_compile(tpl->schema, true, &fresh, err);
    if (rc < 0)
        return rc;

    pthread_mutex_lock(&t->lock);
    found = cached(t, tpl->hash);
    if (found == NULL &&
        mem_grow(&t->schemas, &t->schema_cap, t->schema_count + 1, sizeof(*t->schemas)) == 0) {
        struct schema_entry *e = &t->schemas[t->schema_count++];
        memcpy(e->hash, tpl->hash, sizeof(e->hash));
        e->schema = fresh;
        found = fresh;
    }
    pthread_mutex_unlock(&t->lock);
    if (found != fresh)
        schema_free(fresh);
    if (found == NULL)
        return err_nomem(err);
    *ret = found;
    return 0;
}

void schemas_done(struct tasker *t)
{
    for (size_t i = 0; i < t->schema_count; i++)
        schema_free(t->schemas[i].schema);
    mem_free(t->schemas);
}

static int check_schema(struct tasker *t, const struct template *tpl, const struct json *context,
                        struct arena *arena, tasker_error *err)
{
    const struct schema *schema = NULL;
    struct schema_error *errors = NULL;

    if (tpl->schema.len == 0)
        return 0;
    int rc = find_schema(t, tpl, &schema, err);
    if (rc == 0)
        rc = schema_validate(schema, context, arena, &errors);
    if (rc <= 0)
        return rc == TASKER_E_NOMEM ? err_nomem(err) : rc;

    CLEANUP(buf_done) struct buf message;
    buf_init(&message, (size_t)1 << 20);
    for (const struct schema_error *e = errors; e != NULL; e = e->next)
        buf_printf(&message, "%s%s %s", e == errors ? "" : "; ", e->path, e->message);
    err_set(err, TASKER_E_INVALID, "the context does not fit the template's schema: %s",
            buf_failed(&message) ? errors->message : buf_view(&message).p);
    err_where(err, 0, 0, "$.context%s", errors->path[0] == '$' ? errors->path + 1 : errors->path);
    err_remedy(err, "the schema of %s says what a context has", tpl->key);
    return TASKER_E_INVALID;
}

static int read_context(struct tasker *t, const struct json *request, struct arena *arena,
                        struct submission *s, const struct json **ret, tasker_error *err)
{
    const struct json *context = member(request, "context");
    const char *otherwise = s->tpl->default_context;
    int rc = 0;

    if (context == NULL)
        rc = json_parse(arena, otherwise == NULL ? SPAN("{}") : span_of(otherwise), &context, err);
    if (rc < 0)
        return rc;
    if (context->type != JSON_OBJECT)
        return refuse(err, TASKER_E_INVALID, "context", "must be an object");
    if (context->raw.len > CONTEXT_MAX)
        return refuse(err, TASKER_E_TOO_BIG, "context", "must have 4194304 bytes at most");
    rc = check_schema(t, s->tpl, context, arena, err);
    if (rc < 0)
        return rc;
    s->context = blob_new(context->raw.p, context->raw.len);
    *ret = context;
    return s->context == NULL ? err_nomem(err) : 0;
}

// ---- identity

static int identity_by_hash(const struct json *request, const struct json *context,
                            struct submission *s, tasker_error *err)
{
    struct identity_fields f = {
        .name = span_of(s->tpl->name),
        .initiator = span_of(s->initiator),
        .source_system = span_of(s->source_system),
        .reason = span_of(s->reason),
        .context = context,
        .bypass_steps = member(request, "bypass_steps"),
        .requested_at = s->requested_at,
    };
    return identity_hash(&f, s->identity, err);
}

static int read_identity(struct tasker *t, const struct json *request, const struct json *context,
                         struct submission *s, tasker_error *err)
{
    const struct json *own = member(request, "identity");
    const struct json *strategy = member(request, "identity_strategy");
    bool custom = strategy == NULL ? own != NULL : span_is(strategy->str, "custom");
    bool hash = strategy == NULL ? engine_options(t->engine)->identity_hash
                                 : span_is(strategy->str, "hash");

    if (strategy != NULL && !custom && !hash && !span_is(strategy->str, "default"))
        return refuse(err, TASKER_E_INVALID, "identity_strategy",
                      "must be default, hash or custom");
    if (custom != (own != NULL))
        return refuse(err, TASKER_E_INVALID, "identity",
                      "goes with the strategy custom, and only with it");
    if (!custom)
        return hash ? identity_by_hash(request, context, s, err) : 0;
    // The identity's column counts characters, its field bytes: the smaller of both holds.
    if (own->str.len == 0 || own->str.len >= sizeof(s->identity))
        return refuse(err, TASKER_E_INVALID, "identity", "must have 1 to 128 bytes");
    memcpy(s->identity, own->str.p, own->str.len);
    s->identity[own->str.len] = '\0';
    return 0;
}

int submission_read(struct tasker *t, const struct json *request, struct arena *arena,
                    struct submission *ret, tasker_error *err)
{
    struct submission s = {0};
    const struct json *context = NULL;
    int rc = read_texts(request, &s, err);

    if (rc == 0)
        rc = read_priority(request, &s, err);
    if (rc == 0)
        rc = read_times(request, &s, err);
    if (rc == 0)
        rc = read_if_exists(request, &s, err);
    if (rc == 0)
        rc = read_template(t, request, arena, &s, err);
    if (rc == 0)
        rc = read_context(t, request, arena, &s, &context, err);
    if (rc == 0)
        rc = read_identity(t, request, context, &s, err);
    if (rc < 0) {
        submission_done(&s);
        return rc;
    }
    *ret = s;
    return 0;
}

// ---- the public calls

static int parse_request(struct tasker *t, const char *text, size_t size, struct submission *ret,
                         tasker_error *err)
{
    CLEANUP(arena_done) struct arena arena;
    const struct json *request;

    arena_init(&arena);
    int rc = json_parse(&arena, (struct span){text, text == NULL ? 0 : size}, &request, err);
    if (rc == 0)
        rc = arguments_check(submit_arguments, request, err);
    if (rc == 0)
        rc = submission_read(t, request, &arena, ret, err);
    return rc;
}

static int submit_one(struct tasker *t, struct submission *s, int64_t *ret_task_id,
                      tasker_error *err)
{
    tasker_error what = {0};
    int64_t id = 0;
    int rc = engine_submit(t->engine, s, 1, false, &id, &what, err);

    if (rc >= 0 && what.code != 0) {
        if (err != NULL)
            *err = what;
        rc = what.code;
    }
    if (rc < 0)
        return rc;
    if (ret_task_id != NULL)
        *ret_task_id = id;
    return 0;
}

int tasker_submit(tasker *t, const char *request, size_t size, int64_t *ret_task_id,
                  tasker_error *err)
{
    struct submission s;
    int rc = tasker_alive(t, err);

    if (rc == 0)
        rc = parse_request(t, request, size, &s, err);
    if (rc == 0)
        rc = submit_one(t, &s, ret_task_id, err);
    return rc;
}

// What tasker_submit_many sends at once: requests that were fine, and where their answers go.
struct batch {
    struct submission *list;
    size_t *place;
    int64_t *ids;
    tasker_error *errors;
    size_t count;
};

static int batch_alloc(struct batch *b, size_t count, tasker_error *err)
{
    b->list = mem_alloc(count * sizeof(*b->list));
    b->place = mem_alloc(count * sizeof(*b->place));
    b->ids = mem_alloc(count * sizeof(*b->ids));
    b->errors = mem_alloc(count * sizeof(*b->errors));
    bool ok = b->list != NULL && b->place != NULL && b->ids != NULL && b->errors != NULL;
    return ok ? 0 : err_nomem(err);
}

static void batch_done(struct batch *b)
{
    mem_free(b->list);
    mem_free(b->place);
    mem_free(b->ids);
    mem_free(b->errors);
}

static int batch_send(struct tasker *t, struct batch *b, tasker_submission *list, tasker_error *err)
{
    int refused = 0;
    int rc = b->count == 0
                 ? 0
                 : engine_submit(t->engine, b->list, b->count, true, b->ids, b->errors, err);

    if (rc < 0)
        return rc;
    for (size_t i = 0; i < b->count; i++) {
        tasker_submission *s = &list[b->place[i]];
        s->task_id = b->ids[i];
        s->error = b->errors[i];
        refused += s->error.code != 0;
    }
    return refused;
}

int tasker_submit_many(tasker *t, tasker_submission *list, size_t count, tasker_error *err)
{
    struct batch b = {0};
    int refused = 0, rc = tasker_alive(t, err);

    if (rc < 0)
        return rc;
    if (count > INT32_MAX / 2)
        return err_set(err, TASKER_E_TOO_BIG, "%zu requests at once are too many", count);
    rc = batch_alloc(&b, count, err);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        list[i].task_id = 0;
        list[i].error = (tasker_error){0};
        if (parse_request(t, list[i].request, list[i].size, &b.list[b.count], &list[i].error) < 0)
            refused++;
        else
            b.place[b.count++] = i;
    }
    if (rc == 0)
        rc = batch_send(t, &b, list, err);
    batch_done(&b);
    return rc < 0 ? rc : rc + refused;
}

int op_task_submit(const struct call *c, tasker_error *err)
{
    struct submission s;
    int64_t id;
    enum state state = ST_PENDING;
    int rc = call_range(c, "wait_ms", 0, INT32_MAX, err);

    if (rc == 0)
        rc = submission_read(c->t, c->args, c->arena, &s, err);
    if (rc == 0)
        rc = submit_one(c->t, &s, &id, err);
    if (rc < 0)
        return rc;
    jw_open(c->out, '{');
    jw_kint(c->out, "task_id", id);
    if (call_arg(c, "wait_ms") != NULL) {
        rc = task_wait(c->t, id, (int)call_int(c, "wait_ms", 0), &state, err);
        jw_kstr(c->out, "state", state_names[state]);
        jw_kbool(c->out, "finished", rc == 0);
    }
    jw_close(c->out, '}');
    // The task exists, whether it is finished or not.
    return rc == TASKER_E_TIMEOUT ? 0 : rc;
}
