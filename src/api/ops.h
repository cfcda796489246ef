// SPDX-License-Identifier: MIT
// ops.h - the rows of the table of operations, and how their functions get at checked arguments.
//
// Adding an operation is one row in ops.c, its arguments beside it, and one function (or the name
// of a query of the store, or a command of the engine). The command line, the manual and every
// binding are loops over the table.
#ifndef API_OPS_H
#define API_OPS_H

#include "api/api.h"

#define LIMIT_MAX 1000 // rows of one answer

struct call {
    struct tasker *t;
    const struct operation *op;
    const struct json *args; // an object that fits op->info.arguments
    struct arena *arena;     // of this call
    struct buf *out;         // the result, JSON
};

struct operation {
    tasker_operation_info info;
    int (*run)(const struct call *c, tasker_error *err);
    enum command_kind command; // for op_command
    const char *query;         // for op_query and op_store
    bool tables;               // a handle for the tables only has it
};

// arguments_check holds `args` against a list of arguments: unknown ones, missing ones and wrong
// types are TASKER_E_INVALID with the JSON path, and the list of what is known as the remedy.
int arguments_check(const tasker_argument *list, const struct json *args,
                    tasker_error *err) CHECKED;

// call_arg finds an argument that was given; null counts as not given, except for type "json".
const struct json *call_arg(const struct call *c, const char *name);
// call_text is the text of a string argument in the call's arena, NULL when it was not given.
int call_text(const struct call *c, const char *name, const char **ret, tasker_error *err) CHECKED;
int64_t call_int(const struct call *c, const char *name, int64_t otherwise);
bool call_bool(const struct call *c, const char *name, bool otherwise);
// call_range refuses an integer argument outside min..max.
int call_range(const struct call *c, const char *name, int64_t min, int64_t max,
               tasker_error *err) CHECKED;

// op_rest is the pause between two batches, after one that took `us`: as long again, so that engines get their turns.
void op_rest(int64_t us);

// The members of a request to tasker_submit, which are also the arguments of task.submit.
#define SUBMIT_ARGUMENTS                                                                           \
    {"name", "string", "name of the template", 1, 1},                                              \
        {"namespace", "string", "its namespace (default)", 0, 0},                                  \
        {"version", "string", "its version (0.1.0), or \"latest\"", 0, 0},                         \
        {"context", "json", "the task's input, an object", 0, 2},                                  \
        {"initiator", "string", "who asks for the task", 0, 0},                                    \
        {"source_system", "string", "the system it comes from", 0, 0},                             \
        {"reason", "string", "why it is asked for", 0, 0},                                         \
        {"tags", "json", "an array of strings to find it by", 0, 0},                               \
        {"bypass_steps", "json", "an array of step names, kept with the task", 0, 0},              \
        {"requested_at", "time", "when it was asked for (now)", 0, 0},                             \
        {"priority", "string", "critical, high, normal or low (normal)", 0, 0},                    \
        {"run_at", "time", "not before this time (now)", 0, 0},                                    \
        {"timeout_seconds", "integer", "how long the task may take", 0, 0},                        \
        {"identity", "string", "what makes it the same task, 128 characters at most", 0, 0},       \
        {"identity_strategy", "string", "default, hash or custom", 0, 0},                          \
    {                                                                                              \
        "if_exists", "string", "refuse a duplicate, or return the first task's id", 0, 0           \
    }

extern const tasker_argument submit_arguments[];

// ---- the functions of the rows
int op_query(const struct call *c, tasker_error *err) CHECKED;
int op_store(const struct call *c, tasker_error *err) CHECKED;
int op_command(const struct call *c, tasker_error *err) CHECKED;
int op_task_submit(const struct call *c, tasker_error *err) CHECKED;
int op_template_register(const struct call *c, tasker_error *err) CHECKED;
int op_event_log(const struct call *c, tasker_error *err) CHECKED;
int op_engine_status(const struct call *c, tasker_error *err) CHECKED;
int op_health_status(const struct call *c, tasker_error *err) CHECKED;
int op_db_status(const struct call *c, tasker_error *err) CHECKED;
int op_db_check(const struct call *c, tasker_error *err) CHECKED;
int op_db_migrate(const struct call *c, tasker_error *err) CHECKED;
int op_task_adopt(const struct call *c, tasker_error *err) CHECKED;
int op_db_prune(const struct call *c, tasker_error *err) CHECKED;
int op_failure_categories(const struct call *c, tasker_error *err) CHECKED;

#endif
