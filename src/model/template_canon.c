// SPDX-License-Identifier: MIT
// template_canon.c - the canonical form of a template and its content hash.
//
// The form is compact JSON with the keys in the order below. What has a default stands there with
// its value, so that a template keeps its meaning when a default of a later release differs; what
// may be absent and is, is left out, and so are `concurrent` (no effect), `named_steps` (a check
// that was passed) and `environments` (merged). Both keys for dependencies become one list in order
// of the steps. Seconds are decimals without trailing zeros. Objects that belong to others
// (handler_config, schema, default_context, default_options, custom_events) keep their order and
// every digit.
//
//   {"name", "namespace_name", "version", "description"?, "task_handler_class"?,
//   "module_namespace"?,
//    "default_dependent_system"?, "timeout_seconds", "max_concurrent_steps", "schema"?,
//    "default_context"?, "default_options"?, "custom_events"?, "step_templates": [{"name",
//    "description", "handler_class", "dependent_system", "default_retryable",
//      "default_retry_limit", "skippable", "depends_on_steps", "handler_config", "timeout_seconds",
//      "retry_backoff": {"strategy", "base_seconds", "max_seconds", "multiplier", "jitter"},
//      "custom_events"?}]}
//
// The hash is the SHA-256 of the same JSON with the keys of all objects sorted.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "model/template_private.h"

static void add_given(struct buf *out, const char *key, const char *text)
{
    if (text[0] != '\0')
        jw_kstr(out, key, text);
}

// A count of 10^-6 as a decimal.
static void add_decimal(struct buf *out, const char *key, int64_t millionths)
{
    char text[40];
    int n = snprintf(text, sizeof text, "%" PRId64 ".%06" PRId64, millionths / 1000000,
                     millionths % 1000000);
    while (text[n - 1] == '0')
        n--;
    if (text[n - 1] == '.')
        n--;
    jw_kraw(out, key, text, (size_t)n);
}

static void add_node(struct buf *out, const char *key, const struct yaml *node)
{
    if (node == NULL)
        return;
    jw_key(out, key);
    yaml_to_json(out, node);
}

static int64_t millionths(double v)
{
    return (int64_t)(v * 1e6 + 0.5);
}

static void add_policy(struct buf *out, const struct retry_policy *p)
{
    jw_key(out, "retry_backoff");
    jw_open(out, '{');
    jw_kstr(out, "strategy", retry_strategy_names[p->strategy]);
    add_decimal(out, "base_seconds", p->base_ms * US_PER_MS);
    add_decimal(out, "max_seconds", p->max_ms * US_PER_MS);
    add_decimal(out, "multiplier", millionths(p->multiplier));
    add_decimal(out, "jitter", millionths(p->jitter));
    jw_close(out, '}');
}

static void add_step(struct buf *out, const struct template *t, const struct template_step *s,
                     const struct yaml *const *at)
{
    jw_open(out, '{');
    jw_kstr(out, "name", s->name);
    jw_kstr(out, "description", s->description);
    jw_kstr(out, "handler_class", s->handler_class);
    jw_kstr(out, "dependent_system", s->dependent_system);
    jw_kbool(out, "default_retryable", s->retryable);
    jw_kint(out, "default_retry_limit", s->retry_limit);
    jw_kbool(out, "skippable", s->skippable);
    jw_key(out, "depends_on_steps");
    jw_open(out, '[');
    for (uint32_t i = 0; i < s->parent_count; i++)
        jw_str(out, t->steps[s->parents[i]].name);
    jw_close(out, ']');
    jw_kraw(out, "handler_config", s->config.p, s->config.len);
    add_decimal(out, "timeout_seconds", s->timeout_us);
    add_policy(out, &s->retry);
    add_node(out, "custom_events", at[STEP_EVENTS]);
    jw_close(out, '}');
}

static void add_template(struct buf *out, const struct reader *r)
{
    const struct template *t = r->t;
    jw_open(out, '{');
    jw_kstr(out, "name", t->name);
    jw_kstr(out, "namespace_name", t->namespace_name);
    jw_kstr(out, "version", t->version);
    add_given(out, "description", t->description);
    add_given(out, "task_handler_class", t->task_handler_class);
    add_given(out, "module_namespace", t->module_namespace);
    add_given(out, "default_dependent_system", t->default_dependent_system);
    add_decimal(out, "timeout_seconds", t->timeout_us);
    jw_kint(out, "max_concurrent_steps", t->max_concurrent_steps);
    if (t->schema.p != NULL)
        jw_kraw(out, "schema", t->schema.p, t->schema.len);
    if (t->default_context != NULL)
        jw_kraw(out, "default_context", t->default_context, strlen(t->default_context));
    add_node(out, "default_options", r->top[TOP_OPTIONS]);
    add_node(out, "custom_events", r->top[TOP_EVENTS]);
    jw_key(out, "step_templates");
    jw_open(out, '[');
    for (uint32_t i = 0; i < t->step_count; i++)
        add_step(out, t, &t->steps[i], r->steps[i]);
    jw_close(out, ']');
    jw_close(out, '}');
}

static int buffer_error(const struct buf *b, tasker_error *err)
{
    if (b->len >= b->max / 2)
        return err_set(err, TASKER_E_TOO_BIG, "the template is too big");
    return err_nomem(err);
}

static int hash_text(struct reader *r, struct span text, tasker_error *err)
{
    const struct json *root;
    int rc = json_parse(&r->scratch, text, &root, err);
    if (rc < 0)
        return rc;
    struct buf sorted;
    buf_init(&sorted, JSON_MAX_SIZE);
    json_canonical(&sorted, root);
    struct span view = buf_view(&sorted);
    if (buf_failed(&sorted))
        rc = buffer_error(&sorted, err);
    else
        (void)sha256_hex(view.p, view.len, r->t->hash);
    buf_done(&sorted);
    return rc;
}

int template_canon(struct reader *r, tasker_error *err)
{
    struct buf out;
    buf_init(&out, JSON_MAX_SIZE);
    add_template(&out, r);
    if (buf_failed(&out)) {
        int rc = buffer_error(&out, err);
        buf_done(&out);
        return rc;
    }
    struct span view = buf_view(&out);
    r->t->canonical = (struct span){arena_dup(&r->t->arena, view.p, view.len), view.len};
    buf_done(&out);
    return r->t->canonical.p == NULL ? err_nomem(err) : hash_text(r, r->t->canonical, err);
}
