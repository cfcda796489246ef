// SPDX-License-Identifier: MIT
// document.c - see document.h: the parts and fields of a task's document.
#include "store/document.h"

#include "base/util.h"

#define MB ((uint32_t)1 << 20)
#define REQUIRED true
#define MAY_BE_NULL false

const char *const document_kind_names[DOCUMENT_KIND_COUNT] = {
#define X(name, what) [DOCUMENT_##name] = what,
    DOCUMENT_KINDS(X)
#undef X
};

#define MADE {"created_at", DOCUMENT_TIME, REQUIRED, 0, NULL}
#define MADE_AND_CHANGED MADE, {"updated_at", DOCUMENT_TIME, REQUIRED, 0, NULL}

static const struct document_field named_task[] = {
    {"namespace", DOCUMENT_NAME, REQUIRED, 64, "s.name"},
    {"name", DOCUMENT_TEXT, REQUIRED, 64, NULL},
    {"version", DOCUMENT_TEXT, REQUIRED, 16, NULL},
    {"description", DOCUMENT_TEXT, MAY_BE_NULL, 255, NULL},
    {"configuration", DOCUMENT_JSON, MAY_BE_NULL, 16 * MB, NULL},
    MADE_AND_CHANGED,
};

// Those that the task was started with, and the one that is current.
static const struct document_field templates[] = {
    {"template_id", DOCUMENT_ID, REQUIRED, 0, NULL},
    {"hash", DOCUMENT_TEXT, REQUIRED, 64, NULL},
    {"directory", DOCUMENT_TEXT, REQUIRED, 4096, NULL},
    {"current", DOCUMENT_BOOL, REQUIRED, 0, NULL},
    {"body", DOCUMENT_JSON, REQUIRED, 16 * MB, NULL},
    MADE,
};

static const struct document_field task[] = {
    {"task_id", DOCUMENT_ID, REQUIRED, 0, NULL},
    {"complete", DOCUMENT_BOOL, REQUIRED, 0, NULL},
    {"requested_at", DOCUMENT_TIME, REQUIRED, 0, NULL},
    {"initiator", DOCUMENT_TEXT, MAY_BE_NULL, 128, NULL},
    {"source_system", DOCUMENT_TEXT, MAY_BE_NULL, 128, NULL},
    {"reason", DOCUMENT_TEXT, MAY_BE_NULL, 128, NULL},
    {"bypass_steps", DOCUMENT_JSON, MAY_BE_NULL, MB, NULL},
    {"tags", DOCUMENT_JSON, MAY_BE_NULL, MB, NULL},
    {"context", DOCUMENT_JSON, MAY_BE_NULL, 4 * MB, NULL},
    {"identity_hash", DOCUMENT_TEXT, REQUIRED, 128, NULL},
    MADE_AND_CHANGED,
};

static const struct document_field steps[] = {
    {"workflow_step_id", DOCUMENT_ID, REQUIRED, 0, NULL},
    {"name", DOCUMENT_NAME, REQUIRED, 128, "n.name"},
    {"system", DOCUMENT_NAME, REQUIRED, 64, "y.name"},
    {"retryable", DOCUMENT_BOOL, REQUIRED, 0, NULL},
    {"retry_limit", DOCUMENT_INT, MAY_BE_NULL, 0, NULL},
    {"skippable", DOCUMENT_BOOL, REQUIRED, 0, NULL},
    {"in_process", DOCUMENT_BOOL, REQUIRED, 0, NULL},
    {"processed", DOCUMENT_BOOL, REQUIRED, 0, NULL},
    {"processed_at", DOCUMENT_TIME, MAY_BE_NULL, 0, NULL},
    {"attempts", DOCUMENT_INT, MAY_BE_NULL, 0, NULL},
    {"last_attempted_at", DOCUMENT_TIME, MAY_BE_NULL, 0, NULL},
    {"backoff_request_seconds", DOCUMENT_INT, MAY_BE_NULL, 0, NULL},
    {"inputs", DOCUMENT_JSON, MAY_BE_NULL, 16 * MB, NULL},
    {"results", DOCUMENT_JSON, MAY_BE_NULL, 16 * MB, NULL},
    MADE_AND_CHANGED,
};

static const struct document_field edges[] = {
    {"id", DOCUMENT_ID, REQUIRED, 0, NULL},
    {"from_step_id", DOCUMENT_STEP, REQUIRED, 0, NULL},
    {"to_step_id", DOCUMENT_STEP, REQUIRED, 0, NULL},
    {"name", DOCUMENT_TEXT, REQUIRED, 0, NULL},
    MADE_AND_CHANGED,
};

#define TRANSITION                                                                                                     \
    {"from_state", DOCUMENT_STATE, MAY_BE_NULL, 0, NULL}, {"to_state", DOCUMENT_STATE, REQUIRED, 0, NULL},             \
        {"sort_key", DOCUMENT_INT, REQUIRED, 0, NULL}, {"most_recent", DOCUMENT_BOOL, REQUIRED, 0, NULL},              \
        {"metadata", DOCUMENT_JSON, MAY_BE_NULL, MB, NULL}, MADE_AND_CHANGED

static const struct document_field task_transitions[] = {
    {"id", DOCUMENT_ID, REQUIRED, 0, NULL},
    TRANSITION,
};

static const struct document_field step_transitions[] = {
    {"id", DOCUMENT_ID, REQUIRED, 0, NULL},
    {"workflow_step_id", DOCUMENT_STEP, REQUIRED, 0, NULL},
    TRANSITION,
};

static const struct document_field annotations[] = {
    {"task_annotation_id", DOCUMENT_ID, REQUIRED, 0, NULL},
    {"type", DOCUMENT_NAME, REQUIRED, 64, "n.name"},
    {"annotation", DOCUMENT_JSON, MAY_BE_NULL, MB, NULL},
    MADE_AND_CHANGED,
};

static const struct document_field logs[] = {
    {"workflow_step_id", DOCUMENT_STEP, REQUIRED, 0, NULL},
    {"attempt", DOCUMENT_INT, REQUIRED, 0, NULL},
    {"outcome", DOCUMENT_TEXT, REQUIRED, 64, NULL},
    {"text", DOCUMENT_TEXT, REQUIRED, MB, NULL},
    MADE,
};

#define STEPS_OF_TASK "(SELECT workflow_step_id FROM tasker_workflow_steps WHERE task_id = ?)"
#define PART(id, list, table, fields, from)                                                                            \
    [id] = {#fields, list, table, from, fields, ARRAY_SIZE(fields)}

const struct document_part document_parts[PART_COUNT] = {
    PART(PART_NAMED_TASK, false, "tasker_named_tasks", named_task,
         " JOIN tasker_tasks t ON t.named_task_id = x.named_task_id JOIN tasker_task_namespaces s"
         " ON s.task_namespace_id = x.task_namespace_id WHERE t.task_id = ?"),
    PART(PART_TEMPLATES, true, "tasker_core_templates", templates,
         " JOIN tasker_tasks t ON t.named_task_id = x.named_task_id WHERE t.task_id = ? AND (x.current = {true} OR EXISTS"
         " (SELECT 1 FROM tasker_task_transitions r WHERE r.task_id = t.task_id"
         " AND CAST(r.metadata AS text) LIKE '%' || x.hash || '%')) ORDER BY x.template_id"),
    PART(PART_TASK, false, "tasker_tasks", task, " WHERE x.task_id = ?"),
    PART(PART_STEPS, true, "tasker_workflow_steps", steps,
         " JOIN tasker_named_steps n ON n.named_step_id = x.named_step_id JOIN tasker_dependent_systems y"
         " ON y.dependent_system_id = n.dependent_system_id WHERE x.task_id = ? ORDER BY x.workflow_step_id"),
    PART(PART_EDGES, true, "tasker_workflow_step_edges", edges,
         " WHERE x.to_step_id IN " STEPS_OF_TASK " ORDER BY x.id"),
    PART(PART_TASK_TRANSITIONS, true, "tasker_task_transitions", task_transitions, " WHERE x.task_id = ? ORDER BY x.id"),
    PART(PART_STEP_TRANSITIONS, true, "tasker_workflow_step_transitions", step_transitions,
         " WHERE x.workflow_step_id IN " STEPS_OF_TASK " ORDER BY x.id"),
    PART(PART_ANNOTATIONS, true, "tasker_task_annotations", annotations,
         " JOIN tasker_annotation_types n ON n.annotation_type_id = x.annotation_type_id WHERE x.task_id = ?"
         " ORDER BY x.task_annotation_id"),
    PART(PART_LOGS, true, "tasker_core_logs", logs,
         " WHERE x.workflow_step_id IN " STEPS_OF_TASK " ORDER BY x.workflow_step_id, x.attempt, x.created_at"),
};
