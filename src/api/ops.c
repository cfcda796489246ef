// SPDX-License-Identifier: MIT
// ops.c - the one table of operations, and the loop over it: tasker_call.
//
// A row says everything about an operation that a surface needs: name, summary, permission,
// arguments with their types. Arguments are checked by the table (ops_check.c); the functions behind
// the rows only look at values.
#include "api/ops_arguments.h"

#include <stdio.h>
#include <string.h>

#define OP(name, summary, permission, arguments, run)                                              \
    {                                                                                              \
        {name, summary, permission, arguments}, run, 0, NULL, false                                \
    }
#define TABLES(name, summary, permission, arguments, run)                                          \
    {                                                                                              \
        {name, summary, permission, arguments}, run, 0, NULL, true                                 \
    }
#define QUERY(name, summary, permission, arguments)                                                \
    {                                                                                              \
        {name, summary, permission, arguments}, op_query, 0, name, false                           \
    }
#define WRITE(name, summary, permission, arguments)                                                \
    {                                                                                              \
        {name, summary, permission, arguments}, op_store, 0, name, false                           \
    }
#define COMMAND(kind, name, summary, permission, arguments)                                        \
    {                                                                                              \
        {name, summary, permission, arguments}, op_command, CMD_##kind, NULL, false                \
    }

static const struct operation operations[] = {
    OP("task.submit", "create a task", "tasker.task:create", task_submit_arguments, op_task_submit),
    QUERY("task.list", "list tasks", "tasker.task:index", task_list_arguments),
    QUERY("task.show", "show a task with its steps and transitions", "tasker.task:show",
          task_arguments),
    QUERY("task.explain", "say why a task stands where it stands, and what happens next",
          "tasker.task:show", task_arguments),
    QUERY("task.context", "count the steps of tasks by state and say what is next",
          "tasker.task:show", task_context_arguments),
    QUERY("task.dag", "show how the steps of a task depend on each other", "tasker.task:show",
          task_arguments),
    QUERY("task.levels", "show the steps of a task by level: what may run together",
          "tasker.task:show", task_arguments),
    QUERY("task.export", "write a task with everything that belongs to it as one JSON document",
          "tasker.task:show", task_arguments),
    WRITE("task.import", "make a task of such a document, which nothing runs until it is adopted",
          "tasker.task:create", task_import_arguments),
    QUERY("task.slowest", "list the slowest tasks (of 24 hours)", "tasker.task:index",
          slowest_arguments),
    OP("task.adopt", "take a waiting task, or those of a template, over from the Rails engine",
       "tasker.task:update", task_adopt_arguments, op_task_adopt),
    COMMAND(TASK_RELEASE, "task.release", "give a task to the Rails engine", "tasker.task:update",
            task_command_arguments),
    COMMAND(TASK_CANCEL, "task.cancel", "cancel a task and what runs of it", "tasker.task:cancel",
            task_command_arguments),
    COMMAND(TASK_RETRY, "task.retry", "run the failed steps of a task again", "tasker.task:update",
            task_command_arguments),
    COMMAND(TASK_RESOLVE, "task.resolve", "declare a failed task settled by hand",
            "tasker.task:update", task_command_arguments),
    QUERY("step.list", "list steps", "tasker.workflow_step:index", step_list_arguments),
    QUERY("step.readiness", "say of each step whether it may run, and what keeps it",
          "tasker.workflow_step:index", step_readiness_arguments),
    QUERY("step.slowest", "list the slowest steps (of 24 hours)", "tasker.workflow_step:index",
          slowest_arguments),
    QUERY("transition.list", "list transitions of tasks or steps", "tasker.task:index",
          transition_list_arguments),
    QUERY("edge.list", "list dependencies between steps", "tasker.workflow_step:index",
          edge_list_arguments),
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
    QUERY("template.list", "list the templates", "tasker.handler:index", template_list_arguments),
    QUERY("template.stats", "count tasks, retries and durations by template (of 24 hours)",
          "tasker.handler:index", slowest_arguments),
    QUERY("namespace.list", "list the namespaces", "tasker.handler:index",
          namespace_list_arguments),
    QUERY("system.list", "list the dependent systems", "tasker.handler:index",
          system_list_arguments),
    WRITE("system.register", "find or create a dependent system", "tasker.handler:create",
          catalogue_arguments),
    QUERY("map.list", "list which object of a system is which of another", "tasker.task:index",
          map_list_arguments),
    QUERY("map.find", "find what an object of a system is called in others", "tasker.task:index",
          map_find_arguments),
    WRITE("map.set", "say that an object of a system is this one of another", "tasker.task:update",
          map_set_arguments),
    WRITE("map.remove", "forget that two objects are the same", "tasker.task:update",
          map_arguments),
    WRITE("annotation.add", "annotate a task", "tasker.task:update", annotation_add_arguments),
    WRITE("annotation.remove", "remove an annotation", "tasker.task:update",
          annotation_remove_arguments),
    WRITE("annotation.type", "find or create a type of annotations", "tasker.task:update",
          catalogue_arguments),
    QUERY("annotation.list", "list annotations of tasks", "tasker.task:index",
          annotation_list_arguments),
    QUERY("annotation.types", "list the types of annotations", "tasker.task:index",
          annotation_types_arguments),
    QUERY("template.show", "show a template", "tasker.handler:show", template_show_arguments),
    OP("event.log", "read the durable log of events", "tasker.event:index", event_log_arguments,
       op_event_log),
    OP("engine.status", "show the state of the engine of this process, from memory alone",
       "tasker.health_status:index", no_arguments, op_engine_status),
    OP("health.status", "show the state of database and engines", "tasker.health_status:index",
       no_arguments, op_health_status),
    QUERY("health.score", "sum up the health of the system in one number (of the last hour)",
          "tasker.health_status:index", since_arguments),
    QUERY("analytics.metrics", "count what was created, completed and failed (of the last hour)",
          "tasker.health_status:index", since_arguments),
    TABLES("db.status", "show the version of the tables", "tasker.database:show", no_arguments,
           op_db_status),
    TABLES("db.check", "compare the tables with what this version expects", "tasker.database:show",
           no_arguments, op_db_check),
    QUERY("db.verify", "say whether every history in the database is one that can have happened",
          "tasker.database:show", db_verify_arguments),
    TABLES("db.migrate", "create the tables or bring them up to date", "tasker.database:update",
           db_migrate_arguments, op_db_migrate),
    OP("db.prune", "delete old finished tasks with everything that belongs to them",
       "tasker.database:update", db_prune_arguments, op_db_prune),
    OP("failure.categories", "list the kinds of failure and what follows from them",
       "tasker.failure:index", no_arguments, op_failure_categories),
};

const tasker_operation_info *tasker_operation(size_t index)
{
    return index < ARRAY_SIZE(operations) ? &operations[index].info : NULL;
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

// A document has payloads as deep as they may be, and they are checked one by one.
static bool takes_document(const struct operation *op)
{
    const tasker_argument *a = op->info.arguments;

    while (a->name != NULL && strcmp(a->type, "document") != 0)
        a++;
    return a->name != NULL;
}

static int run(struct tasker *t, const struct operation *op, struct span arguments,
               struct arena *arena, struct buf *out, tasker_error *err)
{
    struct call c = {.t = t, .op = op, .arena = arena, .out = out};
    struct span text = arguments.len > 0 ? arguments : SPAN("{}");
    int rc = takes_document(op) ? json_parse_around(arena, text, &c.args, err) : json_parse(arena, text, &c.args, err);

    if (rc == 0)
        rc = arguments_check(op->info.arguments, c.args, err);
    if (rc == 0)
        rc = op->run(&c, err);
    return rc;
}

int tasker_call(tasker *t, const char *name, const char *arguments, size_t size,
                tasker_text **ret_text, tasker_error *err)
{
    const struct operation *op = find(name, err);
    int rc = op != NULL && op->tables ? tasker_alive_at_all(t, err) : tasker_alive(t, err);

    if (rc < 0)
        return rc;
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

// op_store passes checked arguments on to a writing operation of the store.
int op_store(const struct call *c, tasker_error *err)
{
    return engine_operate(c->t->engine, c->op->query, c->args, c->out, err);
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
