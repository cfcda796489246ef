// SPDX-License-Identifier: MIT
// ops.c - the one table of operations, and the loop over it: tasker_call.
//
// A row says everything about an operation that a surface needs: name, summary, permission,
// arguments with their types. Arguments are checked here, by the table; the functions behind the
// rows only look at values.
#include "api/ops.h"

#include <stdio.h>
#include <string.h>

#define TASK_ID                                                                                    \
    {                                                                                              \
        "task_id", "integer", "id of the task", 1, 1                                               \
    }
#define STEP                                                                                       \
    {                                                                                              \
        "step", "string", "name of the step", 1, 2                                                 \
    }
#define REASON                                                                                     \
    {                                                                                              \
        "reason", "string", "why, kept with the transition", 0, 0                                  \
    }
#define BY                                                                                         \
    {                                                                                              \
        "by", "string", "who, kept with the transition", 0, 0                                      \
    }
#define END                                                                                        \
    {                                                                                              \
        NULL, NULL, NULL, 0, 0                                                                     \
    }

static const tasker_argument no_arguments[] = {END};
static const tasker_argument task_submit_arguments[] = {
    SUBMIT_ARGUMENTS,
    {"wait_ms", "integer", "wait until it is finished, at most so long", 0, 0},
    END};
static const tasker_argument task_list_arguments[] = {
    {"state", "string", "only tasks in this state", 0, 0},
    {"namespace", "string", "only tasks of this namespace", 0, 0},
    {"name", "string", "only tasks of this name", 0, 0},
    {"version", "string", "only tasks of this version", 0, 0},
    {"limit", "integer", "how many, 1 to 1000 (50)", 0, 0},
    {"after", "integer", "go on behind this task id, downwards", 0, 0},
    END};
static const tasker_argument task_arguments[] = {TASK_ID, END};
static const tasker_argument task_command_arguments[] = {TASK_ID, REASON, BY, END};
static const tasker_argument step_arguments[] = {TASK_ID, STEP, END};
static const tasker_argument step_log_arguments[] = {
    TASK_ID, STEP, {"attempt", "integer", "only this attempt", 0, 3}, END};
static const tasker_argument step_command_arguments[] = {TASK_ID, STEP, REASON, BY, END};
static const tasker_argument step_resolve_arguments[] = {
    TASK_ID, STEP, {"results", "json", "what its children get as its results", 0, 3},
    REASON,  BY,   END};
static const tasker_argument template_register_arguments[] = {
    {"text", "string", "the template, YAML or JSON", 1, 0},
    {"file", "string", "names it in errors; its folder is where programs are found", 0, 1},
    {"replace", "boolean", "allow other content under the same version", 0, 0},
    END};
static const tasker_argument template_show_arguments[] = {
    {"name", "string", "name of the template", 1, 1},
    {"namespace", "string", "its namespace (default)", 0, 0},
    {"version", "string", "its version (latest)", 0, 2},
    END};
static const tasker_argument event_log_arguments[] = {
    {"after", "string", "a cursor to go on behind (the beginning)", 0, 1},
    {"patterns", "string", "names, separated by commas, with * (all)", 0, 0},
    {"limit", "integer", "how many, 1 to 1000 (100)", 0, 0},
    END};

#define OP(name, summary, permission, arguments, run)                                              \
    {                                                                                              \
        {name, summary, permission, arguments}, run, 0, NULL                                       \
    }
#define QUERY(name, summary, permission, arguments)                                                \
    {                                                                                              \
        {name, summary, permission, arguments}, op_query, 0, name                                  \
    }
#define COMMAND(kind, name, summary, permission, arguments)                                        \
    {                                                                                              \
        {name, summary, permission, arguments}, op_command, CMD_##kind, NULL                       \
    }

static const struct operation operations[] = {
    OP("task.submit", "create a task", "tasker.task:create", task_submit_arguments, op_task_submit),
    QUERY("task.list", "list tasks, newest first", "tasker.task:index", task_list_arguments),
    QUERY("task.show", "show a task with its steps and transitions", "tasker.task:show",
          task_arguments),
    QUERY("task.explain", "say why a task stands where it stands, and what happens next",
          "tasker.task:show", task_arguments),
    COMMAND(TASK_CANCEL, "task.cancel", "cancel a task and what runs of it", "tasker.task:cancel",
            task_command_arguments),
    COMMAND(TASK_RETRY, "task.retry", "run the failed steps of a task again", "tasker.task:update",
            task_command_arguments),
    COMMAND(TASK_RESOLVE, "task.resolve", "declare a failed task settled by hand",
            "tasker.task:update", task_command_arguments),
    COMMAND(TASK_RELEASE, "task.release", "give a task to the Rails engine", "tasker.task:update",
            task_command_arguments),
    QUERY("step.show", "show a step with its inputs, results and transitions",
          "tasker.workflow_step:show", step_arguments),
    QUERY("step.log", "show what a step's handler wrote", "tasker.workflow_step:show",
          step_log_arguments),
    COMMAND(STEP_RETRY, "step.retry", "run a failed step again", "tasker.workflow_step:update",
            step_command_arguments),
    COMMAND(STEP_RESOLVE, "step.resolve", "declare a step done by hand, with results",
            "tasker.workflow_step:update", step_resolve_arguments),
    COMMAND(STEP_CANCEL, "step.cancel", "cancel a step", "tasker.workflow_step:cancel",
            step_command_arguments),
    OP("template.register", "check a template and store it", "tasker.handler:create",
       template_register_arguments, op_template_register),
    QUERY("template.list", "list the templates", "tasker.handler:index", no_arguments),
    QUERY("template.show", "show a template", "tasker.handler:show", template_show_arguments),
    OP("event.log", "read the durable log of events", "tasker.event:index", event_log_arguments,
       op_event_log),
    OP("health.status", "show the state of database and engines", "tasker.health_status:index",
       no_arguments, op_health_status),
    OP("db.status", "show the version of the tables", "tasker.database:show", no_arguments,
       op_db_status),
    OP("db.migrate", "create the tables or bring them up to date", "tasker.database:update",
       no_arguments, op_db_migrate),
    OP("failure.categories", "list the kinds of failure and what follows from them",
       "tasker.failure:index", no_arguments, op_failure_categories),
};

const tasker_operation_info *tasker_operation(size_t index)
{
    return index < ARRAY_SIZE(operations) ? &operations[index].info : NULL;
}

// ---- arguments

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

static bool is_time(const struct json *v)
{
    int64_t us;
    return v->type == JSON_STRING && time_parse(v->str, &us);
}

static const struct argument_type {
    const char *name;
    bool (*fits)(const struct json *v);
    const char *what;
} argument_types[] = {
    {"integer", is_integer, "an integer"},
    {"string", is_string, "a string"},
    {"boolean", is_boolean, "true or false"},
    {"json", is_json, "JSON"},
    {"time", is_time, "a time such as \"2026-01-31T12:00:00Z\""},
};

static const struct argument_type *type_of(const tasker_argument *a)
{
    for (size_t i = 0; i < ARRAY_SIZE(argument_types); i++)
        if (strcmp(a->type, argument_types[i].name) == 0)
            return &argument_types[i];
    return &argument_types[ARRAY_SIZE(argument_types) - 1];
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
        const struct argument_type *type = type_of(a);
        if (!given(v, a)) {
            if (!a->required)
                continue;
            rc = err_set(err, TASKER_E_INVALID, "the argument \"%s\" is missing", a->name);
        } else if (!type->fits(v)) {
            rc = err_set(err, TASKER_E_INVALID, "the argument \"%s\" must be %s", a->name,
                         type->what);
        } else {
            continue;
        }
        err_where(err, 0, 0, "$.%s", a->name);
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

// ---- the loop

static const struct operation *find(const char *name, tasker_error *err)
{
    for (size_t i = 0; name != NULL && i < ARRAY_SIZE(operations); i++)
        if (strcmp(operations[i].info.name, name) == 0)
            return &operations[i];
    err_set(err, TASKER_E_INVALID, "there is no operation \"%s\"", name == NULL ? "" : name);

    char known[sizeof(err->remedy)] = "";
    for (size_t i = 0, n = 0; i < ARRAY_SIZE(operations) && n < sizeof(known); i++)
        n += (size_t)snprintf(known + n, sizeof(known) - n, "%s%s", i > 0 ? ", " : "",
                              operations[i].info.name);
    err_remedy(err, "%s", known);
    return NULL;
}

static int run(struct tasker *t, const struct operation *op, struct span arguments,
               struct arena *arena, struct buf *out, tasker_error *err)
{
    struct call c = {.t = t, .op = op, .arena = arena, .out = out};
    int rc = json_parse(arena, arguments.len > 0 ? arguments : SPAN("{}"), &c.args, err);

    if (rc == 0)
        rc = arguments_check(op->info.arguments, c.args, err);
    if (rc == 0)
        rc = op->run(&c, err);
    return rc;
}

int tasker_call(tasker *t, const char *name, const char *arguments, size_t size,
                tasker_text **ret_text, tasker_error *err)
{
    int rc = tasker_alive(t, err);

    if (rc < 0)
        return rc;
    const struct operation *op = find(name, err);
    if (op == NULL)
        return TASKER_E_INVALID;

    CLEANUP(arena_done) struct arena arena;
    CLEANUP(buf_done) struct buf out;
    arena_init(&arena);
    buf_init(&out, RESULT_MAX);
    rc = run(t, op, (struct span){arguments, arguments == NULL ? 0 : size}, &arena, &out, err);
    if (rc < 0 || ret_text == NULL)
        return rc;
    return text_from_buf(&out, ret_text, err);
}

// op_query passes checked arguments on to a query of the store.
int op_query(const struct call *c, tasker_error *err)
{
    int rc = call_range(c, "limit", 1, LIMIT_MAX, err);

    return rc < 0 ? rc : engine_query(c->t->engine, c->op->query, c->args, c->out, err);
}

int op_command(const struct call *c, tasker_error *err)
{
    const char *step = NULL, *reason = NULL, *by = NULL;
    int rc = call_text(c, "step", &step, err);

    if (rc == 0)
        rc = call_text(c, "reason", &reason, err);
    if (rc == 0)
        rc = call_text(c, "by", &by, err);
    if (rc < 0)
        return rc;
    const struct json *results = call_arg(c, "results");
    return engine_command(c->t->engine, c->op->command, call_int(c, "task_id", 0), step,
                          results == NULL ? (struct span){NULL, 0} : results->raw, reason, by,
                          c->out, err);
}
