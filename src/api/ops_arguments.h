// SPDX-License-Identifier: MIT
// ops_arguments.h - the arguments of every operation, for the table in ops.c and for nobody else.
//
// Filters of lists are not written here: their arguments are made of the rows in store/filters.h,
// so that a filter is one row there and nothing else.
#ifndef API_OPS_ARGUMENTS_H
#define API_OPS_ARGUMENTS_H

#include "api/ops.h"
#include "store/filters.h"

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
// ---- lists

#define FILTER_ARGUMENT(name, type, kind, summary, condition) {name, type, "only " summary, 0, 0},
// What every list takes besides its filters.
#define PAGE                                                                                       \
    {"limit", "integer", "how many, 1 to 1000 (50)", 0, 0},                                        \
        {"after", "string", "go on behind this: \"next\" of the page before", 0, 0},               \
        {"order", "string", "newest or oldest first", 0, 0},                                       \
    {                                                                                              \
        "count", "boolean", "also say how many there are in all", 0, 0                             \
    }

static const tasker_argument task_list_arguments[] = {TASK_FILTERS(FILTER_ARGUMENT) PAGE, END};
static const tasker_argument step_list_arguments[] = {STEP_FILTERS(FILTER_ARGUMENT) PAGE, END};
static const tasker_argument transition_list_arguments[] = {
    {"of", "string", "tasks or steps (tasks)", 0, 0},
    {"step_id", "integer", "only of this step", 0, 0},
    TRANSITION_FILTERS(FILTER_ARGUMENT) PAGE,
    END};
static const tasker_argument edge_list_arguments[] = {EDGE_FILTERS(FILTER_ARGUMENT) PAGE, END};
static const tasker_argument template_list_arguments[] = {
    TEMPLATE_FILTERS(FILTER_ARGUMENT){"latest", "boolean", "only the newest version of each name",
                                      0, 0},
    {"unregistered", "boolean", "also named tasks of which no template is stored", 0, 0},
    PAGE,
    END};
static const tasker_argument namespace_list_arguments[] = {
    NAMESPACE_FILTERS(FILTER_ARGUMENT) PAGE, END};
static const tasker_argument system_list_arguments[] = {SYSTEM_FILTERS(FILTER_ARGUMENT) PAGE, END};
static const tasker_argument annotation_list_arguments[] = {
    ANNOTATION_FILTERS(FILTER_ARGUMENT) PAGE, END};
static const tasker_argument annotation_types_arguments[] = {
    ANNOTATION_TYPE_FILTERS(FILTER_ARGUMENT) PAGE, END};

static const tasker_argument map_list_arguments[] = {MAP_FILTERS(FILTER_ARGUMENT) PAGE, END};

// ---- annotations, systems, maps

#define MAP                                                                                        \
    {"system_one", "string", "name of a system", 1, 1},                                            \
        {"id_one", "string", "what the object is called there", 1, 2},                             \
        {"system_two", "string", "name of the other system", 1, 3},                                \
    {                                                                                              \
        "id_two", "string", "what it is called there", 1, 4                                        \
    }

static const tasker_argument map_arguments[] = {MAP, END};
static const tasker_argument map_set_arguments[] = {
    MAP, {"unique", "boolean", "refuse when one of them is mapped to another one there", 0, 0}, END};
static const tasker_argument map_find_arguments[] = {
    {"system_one", "string", "name of the system", 1, 1},
    {"id_one", "string", "what the object is called there", 1, 2},
    {"system_two", "string", "only what it is called in this system", 0, 3},
    END};
static const tasker_argument annotation_add_arguments[] = {
    TASK_ID,
    {"type", "string", "name of its type, which is created when it is new", 1, 2},
    {"annotation", "json", "the annotation, an object", 1, 3},
    END};
static const tasker_argument annotation_remove_arguments[] = {
    {"annotation_id", "integer", "id of the annotation", 1, 1}, END};
static const tasker_argument catalogue_arguments[] = {
    {"name", "string", "its name", 1, 1},
    {"description", "string", "what it is", 0, 0},
    END};

// ---- insights

#define SINCE                                                                                      \
    {                                                                                              \
        "since", "time", "look at what happened at this time or later", 0, 0                       \
    }
#define TEMPLATE_NAME                                                                              \
    {"namespace", "string", "only of this namespace", 0, 0},                                       \
        {"name", "string", "only of templates of this name", 0, 0},                                \
    {                                                                                              \
        "version", "string", "only of this version", 0, 0                                          \
    }
#define LIMIT                                                                                      \
    {                                                                                              \
        "limit", "integer", "how many, 1 to 1000", 0, 0                                            \
    }

static const tasker_argument task_context_arguments[] = {
    {"task_id", "integer", "id of the task", 0, 1},
    {"task_ids", "integers", "ids of several tasks", 0, 0},
    END};
static const tasker_argument step_readiness_arguments[] = {
    {"task_id", "integer", "id of the task", 0, 1},
    {"task_ids", "integers", "ids of several tasks", 0, 0},
    {"step_ids", "integers", "only these steps", 0, 0},
    {"only", "string",
     "ready, blocked_by_dependencies, blocked_by_retry, pending, failed, in_progress or complete", 0, 0},
    END};
static const tasker_argument since_arguments[] = {SINCE, END};
static const tasker_argument db_verify_arguments[] = {
    {"limit", "integer", "how many rows are named for each rule (10, 1000 at most)", 0, 0}, END};
static const tasker_argument slowest_arguments[] = {SINCE, TEMPLATE_NAME, LIMIT, END};

// ---- tasks, steps, templates

static const tasker_argument task_arguments[] = {TASK_ID, END};
static const tasker_argument task_command_arguments[] = {TASK_ID, REASON, BY, END};
static const tasker_argument task_import_arguments[] = {
    {"document", "document", "what task.export has written; on the command line its file", 1, 1}, END};
static const tasker_argument task_adopt_arguments[] = {
    {"task_id", "integer", "id of the task; or else a template:", 0, 1},
    {"name", "string", "all waiting tasks of the template of this name", 0, 0},
    {"namespace", "string", "its namespace (default)", 0, 0},
    {"version", "string", "its version (0.1.0), or \"latest\"", 0, 0},
    {"limit", "integer", "how many of them, the oldest first (all)", 0, 0},
    {"priority", "string", "critical, high, normal or low (normal)", 0, 0},
    REASON,
    BY,
    END};
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
static const tasker_argument db_migrate_arguments[] = {
    {"rails_indexes", "boolean", "on PostgreSQL make all indexes of the Rails engine", 0, 0}, END};
static const tasker_argument db_prune_arguments[] = {
    {"older_than", "duration", "tasks that ended longer ago than this, such as 30d", 0, 0},
    {"before", "time", "tasks that ended before this time", 0, 0},
    {"states", "strings", "only in these states (complete, cancelled, resolved_manually; not error)", 0, 0},
    TEMPLATE_NAME,
    {"all", "boolean", "also tasks that the Rails engine has finished", 0, 0},
    {"dry_run", "boolean", "only count", 0, 0},
    {"limit", "integer", "how many tasks, 1 to 1000000 (10000)", 0, 0},
    END};
static const tasker_argument event_log_arguments[] = {
    {"after", "string", "a cursor to go on behind (the beginning)", 0, 1},
    {"patterns", "string", "names, separated by commas, with * (all)", 0, 0},
    {"limit", "integer", "how many, 1 to 1000 (100)", 0, 0},
    END};

#endif
