// SPDX-License-Identifier: MIT
// query_lists.c - the lists: what each of them shows, of which rows, and (in filters.h) what narrows it.
//
// A new column is a row here; a new filter a row in filters.h.
#include "store/query_list.h"

#include <string.h>

#include "base/util.h"
#include "model/template.h"
#include "store/queries.h"

#define TASK_NAMES                                                                                                     \
    " JOIN tasker_named_tasks nt ON nt.named_task_id = t.named_task_id"                                                \
    " JOIN tasker_task_namespaces n ON n.task_namespace_id = nt.task_namespace_id"
#define COLUMN_END                                                                                                     \
    {                                                                                                                  \
        NULL, COLUMN_INT, NULL                                                                                         \
    }

// ---- tasks

static const struct filter task_filters[] = {TASK_FILTERS(FILTER_ROW) FILTER_END};
static const struct column task_columns[] = {
    {"task_id", COLUMN_INT, "t.task_id"},
    {"namespace", COLUMN_TEXT, "n.name"},
    {"name", COLUMN_TEXT, "nt.name"},
    {"version", COLUMN_TEXT, "nt.version"},
    {"state", COLUMN_TEXT, TASK_STATE},
    {"priority", COLUMN_PRIORITY, "a.priority"},
    {"initiator", COLUMN_TEXT, "t.initiator"},
    {"source_system", COLUMN_TEXT, "t.source_system"},
    {"reason", COLUMN_TEXT, "t.reason"},
    {"tags", COLUMN_JSON, "t.tags"},
    {"identity", COLUMN_TEXT, "t.identity_hash"},
    {"created_at", COLUMN_TIME, "t.created_at"},
    {"requested_at", COLUMN_TIME, "t.requested_at"},
    {"run_at", COLUMN_US, "a.run_at"},
    {"started_at", COLUMN_TIME,
     "(SELECT b.created_at FROM tasker_task_transitions b WHERE b.task_id = t.task_id"
     " AND b.to_state = 'in_progress' ORDER BY b.sort_key DESC LIMIT 1)"},
    {"finished_at", COLUMN_TIME, "CASE WHEN " TASK_ENDED " THEN r.created_at END"},
    {"duration_ms", COLUMN_MS, NULL},
    COLUMN_END};

static const struct listing tasks = {
    .name = "tasks",
    .from = " FROM tasker_tasks t" TASK_NAMES
            " LEFT JOIN tasker_task_transitions r ON r.task_id = t.task_id AND r.most_recent = {true}"
            " LEFT JOIN tasker_core_active a ON a.task_id = t.task_id",
    .key = "t.task_id",
    .filters = task_filters,
    .columns = task_columns,
};

int query_task_list(struct inquiry *a, tasker_error *err)
{
    return list_answer(a, &tasks, err);
}

// ---- steps

static const struct filter step_filters[] = {STEP_FILTERS(FILTER_ROW) FILTER_END};
static const struct column step_columns[] = {
    {"step_id", COLUMN_INT, "s.workflow_step_id"},
    {"task_id", COLUMN_INT, "s.task_id"},
    {"name", COLUMN_TEXT, "ns.name"},
    {"system", COLUMN_TEXT, "ds.name"},
    {"state", COLUMN_TEXT, STEP_STATE},
    {"attempts", COLUMN_INT, "COALESCE(s.attempts, 0)"},
    {"retry_limit", COLUMN_INT, "COALESCE(s.retry_limit, 3)"},
    {"retryable", COLUMN_BOOL, "s.retryable"},
    {"skippable", COLUMN_BOOL, "s.skippable"},
    {"in_process", COLUMN_BOOL, "s.in_process"},
    {"processed", COLUMN_BOOL, "s.processed"},
    {"backoff_seconds", COLUMN_INT, "s.backoff_request_seconds"},
    {"state_at", COLUMN_TIME, "sr.created_at"},
    {"last_attempted_at", COLUMN_TIME, "s.last_attempted_at"},
    {"processed_at", COLUMN_TIME, "s.processed_at"},
    {"created_at", COLUMN_TIME, "s.created_at"},
    COLUMN_END};

static const struct listing steps = {
    .name = "steps",
    .from = " FROM tasker_workflow_steps s"
            " JOIN tasker_named_steps ns ON ns.named_step_id = s.named_step_id"
            " JOIN tasker_dependent_systems ds ON ds.dependent_system_id = ns.dependent_system_id"
            " JOIN tasker_tasks t ON t.task_id = s.task_id" TASK_NAMES STEP_NOW,
    .key = "s.workflow_step_id",
    .filters = step_filters,
    .columns = step_columns,
};

int query_step_list(struct inquiry *a, tasker_error *err)
{
    return list_answer(a, &steps, err);
}

// ---- transitions

// Rows of the Rails engine do not say where they come from: it is where the row before went to.
#define FROM_STATE(table, owner)                                                                                       \
    "COALESCE(r.from_state, (SELECT b.to_state FROM " table " b WHERE b." owner " = r." owner                          \
    " AND b.sort_key < r.sort_key ORDER BY b.sort_key DESC LIMIT 1),"                                                  \
    " CASE WHEN r.to_state <> 'pending' THEN 'pending' END)"

static const struct filter transition_filters[] = {TRANSITION_FILTERS(FILTER_ROW) FILTER_END};
static const struct filter step_transition_filters[] = {
    {"step_id", FILTER_INT, "s.workflow_step_id = ?"}, TRANSITION_FILTERS(FILTER_ROW) FILTER_END};

#define TRANSITION_COLUMNS(step, name, from_state)                                                                     \
    {                                                                                                                  \
        {"transition_id", COLUMN_INT, "r.id"},                                                                         \
        {"task_id", COLUMN_INT, "t.task_id"},                                                                          \
        {"step_id", COLUMN_INT, step},                                                                                 \
        {"step", COLUMN_TEXT, name},                                                                                   \
        {"from", COLUMN_TEXT, from_state},                                                                             \
        {"to", COLUMN_TEXT, "r.to_state"},                                                                             \
        {"at", COLUMN_TIME, "r.created_at"},                                                                           \
        {"sort_key", COLUMN_INT, "r.sort_key"},                                                                        \
        {"most_recent", COLUMN_BOOL, "r.most_recent"},                                                                 \
        {"metadata", COLUMN_JSON, "r.metadata"},                                                                       \
        COLUMN_END                                                                                                     \
    }

static const struct column transition_columns[] =
    TRANSITION_COLUMNS("NULL", "NULL", FROM_STATE("tasker_task_transitions", "task_id"));
static const struct column step_transition_columns[] = TRANSITION_COLUMNS(
    "s.workflow_step_id", "ns.name", FROM_STATE("tasker_workflow_step_transitions", "workflow_step_id"));

static const struct listing transitions = {
    .name = "transitions",
    .from = " FROM tasker_task_transitions r JOIN tasker_tasks t ON t.task_id = r.task_id" TASK_NAMES,
    .key = "r.id",
    .filters = transition_filters,
    .columns = transition_columns,
};
static const struct listing step_transitions = {
    .name = "transitions",
    .from = " FROM tasker_workflow_step_transitions r"
            " JOIN tasker_workflow_steps s ON s.workflow_step_id = r.workflow_step_id"
            " JOIN tasker_named_steps ns ON ns.named_step_id = s.named_step_id"
            " JOIN tasker_tasks t ON t.task_id = s.task_id" TASK_NAMES,
    .key = "r.id",
    .filters = step_transition_filters,
    .columns = step_transition_columns,
};

int query_transition_list(struct inquiry *a, tasker_error *err)
{
    struct span of = given_text(a, "of");
    bool step = given_int(a, "step_id", 0) != 0;

    if (of.p == NULL)
        return list_answer(a, step ? &step_transitions : &transitions, err);
    if (span_is(of, "steps"))
        return list_answer(a, &step_transitions, err);
    if (span_is(of, "tasks") && !step)
        return list_answer(a, &transitions, err);
    err_set(err, TASKER_E_INVALID, "transitions are of \"tasks\" or of \"steps\", and with a step_id of \"steps\"");
    err_where(err, 0, 0, "$.of");
    return TASKER_E_INVALID;
}

// ---- edges

static const struct filter edge_filters[] = {EDGE_FILTERS(FILTER_ROW) FILTER_END};
static const struct column edge_columns[] = {{"edge_id", COLUMN_INT, "e.id"},
                                             {"task_id", COLUMN_INT, "s.task_id"},
                                             {"from_step_id", COLUMN_INT, "e.from_step_id"},
                                             {"from_step", COLUMN_TEXT, "fn.name"},
                                             {"to_step_id", COLUMN_INT, "e.to_step_id"},
                                             {"to_step", COLUMN_TEXT, "sn.name"},
                                             {"name", COLUMN_TEXT, "e.name"},
                                             {"created_at", COLUMN_TIME, "e.created_at"},
                                             COLUMN_END};

static const struct listing edges = {
    .name = "edges",
    .from = " FROM tasker_workflow_step_edges e"
            " JOIN tasker_workflow_steps f ON f.workflow_step_id = e.from_step_id"
            " JOIN tasker_named_steps fn ON fn.named_step_id = f.named_step_id"
            " JOIN tasker_workflow_steps s ON s.workflow_step_id = e.to_step_id"
            " JOIN tasker_named_steps sn ON sn.named_step_id = s.named_step_id",
    .key = "e.id",
    .filters = edge_filters,
    .columns = edge_columns,
    .oldest = true,
};

int query_edge_list(struct inquiry *a, tasker_error *err)
{
    return list_answer(a, &edges, err);
}

// ---- templates

#define TEMPLATE_TABLES                                                                                                \
    " FROM tasker_named_tasks nt"                                                                                      \
    " JOIN tasker_task_namespaces n ON n.task_namespace_id = nt.task_namespace_id"                                     \
    " LEFT JOIN tasker_core_templates c ON c.named_task_id = nt.named_task_id AND c.current = {true}"

static const struct filter template_filters[] = {TEMPLATE_FILTERS(FILTER_ROW) FILTER_END};
static const struct column template_columns[] = {{"template_id", COLUMN_INT, "c.template_id"},
                                                 {"named_task_id", COLUMN_INT, "nt.named_task_id"},
                                                 {"namespace", COLUMN_TEXT, "n.name"},
                                                 {"name", COLUMN_TEXT, "nt.name"},
                                                 {"version", COLUMN_TEXT, "nt.version"},
                                                 {"description", COLUMN_TEXT, "nt.description"},
                                                 {"hash", COLUMN_TEXT, "c.hash"},
                                                 {"directory", COLUMN_TEXT, "c.directory"},
                                                 {"created_at", COLUMN_TIME, "c.created_at"},
                                                 COLUMN_END};

// The rows come by namespace and name; of each the one with the highest version is listed.
static int add_newest(struct build *b, struct rows *c, tasker_error *err)
{
    struct span namespace_name = {NULL, 0}, name = {NULL, 0};
    const char *version = "";
    int64_t best = 0;
    int rc;

    buf_str(&b->sql, " AND nt.named_task_id IN (0");
    while ((rc = rows_next(c, err)) == 1) {
        struct span its[3];
        for (int i = 0; i < 3; i++)
            its[i] = rows_keep(c, i + 1);
        if (b->a->arena.failed)
            return err_nomem(err);
        bool same = span_eq(its[0], namespace_name) && span_eq(its[1], name);
        if (same && template_compare_versions(version, its[2].p) >= 0)
            continue;
        if (!same && best != 0)
            buf_printf(&b->sql, ",%lld", (long long)best);
        namespace_name = its[0];
        name = its[1];
        version = its[2].p;
        best = rows_int(c, 0);
    }
    buf_printf(&b->sql, ",%lld)", (long long)best);
    return rc;
}

static int template_conditions(struct build *b, tasker_error *err)
{
    bool all = given_bool(b->a, "unregistered");
    CLEANUP(build_done) struct build q;
    CLEANUP(rows_close) struct rows c = {0};

    build_init(&q, b->a);
    if (!all)
        buf_str(&b->sql, " AND c.template_id IS NOT NULL");
    if (!given_bool(b->a, "latest"))
        return 0;
    build_add(&q, "SELECT nt.named_task_id, n.name, nt.name, nt.version" TEMPLATE_TABLES);
    build_add(&q, all ? "" : " WHERE c.template_id IS NOT NULL");
    build_add(&q, " ORDER BY n.task_namespace_id, nt.name");
    int rc = build_open(&q, &c, err);
    return rc == 0 ? add_newest(b, &c, err) : rc;
}

static const struct listing templates = {
    .name = "templates",
    .from = TEMPLATE_TABLES,
    .key = "nt.named_task_id",
    .filters = template_filters,
    .columns = template_columns,
    .oldest = true,
    .more = template_conditions,
};

int query_template_list(struct inquiry *a, tasker_error *err)
{
    return list_answer(a, &templates, err);
}

// ---- the catalogue

static const struct filter namespace_filters[] = {NAMESPACE_FILTERS(FILTER_ROW) FILTER_END};
static const struct column namespace_columns[] = {
    {"namespace_id", COLUMN_INT, "n.task_namespace_id"},
    {"name", COLUMN_TEXT, "n.name"},
    {"description", COLUMN_TEXT, "n.description"},
    {"named_tasks", COLUMN_INT,
     "(SELECT count(*) FROM tasker_named_tasks nt WHERE nt.task_namespace_id = n.task_namespace_id)"},
    {"created_at", COLUMN_TIME, "n.created_at"},
    COLUMN_END};
static const struct listing namespaces = {
    .name = "namespaces",
    .from = " FROM tasker_task_namespaces n",
    .key = "n.task_namespace_id",
    .filters = namespace_filters,
    .columns = namespace_columns,
    .oldest = true,
};

int query_namespace_list(struct inquiry *a, tasker_error *err)
{
    return list_answer(a, &namespaces, err);
}

static const struct filter system_filters[] = {SYSTEM_FILTERS(FILTER_ROW) FILTER_END};
static const struct column system_columns[] = {
    {"system_id", COLUMN_INT, "d.dependent_system_id"},
    {"name", COLUMN_TEXT, "d.name"},
    {"description", COLUMN_TEXT, "d.description"},
    {"named_steps", COLUMN_INT,
     "(SELECT count(*) FROM tasker_named_steps ns WHERE ns.dependent_system_id = d.dependent_system_id)"},
    {"object_maps", COLUMN_INT,
     "(SELECT count(*) FROM tasker_dependent_system_object_maps m"
     " WHERE m.dependent_system_one_id = d.dependent_system_id OR m.dependent_system_two_id = d.dependent_system_id)"},
    {"created_at", COLUMN_TIME, "d.created_at"},
    COLUMN_END};
static const struct listing systems = {
    .name = "systems",
    .from = " FROM tasker_dependent_systems d",
    .key = "d.dependent_system_id",
    .filters = system_filters,
    .columns = system_columns,
    .oldest = true,
};

int query_system_list(struct inquiry *a, tasker_error *err)
{
    return list_answer(a, &systems, err);
}

// ---- maps between systems

static const struct filter map_filters[] = {MAP_FILTERS(FILTER_ROW) FILTER_END};
static const struct column map_columns[] = {{"map_id", COLUMN_INT, "m.dependent_system_object_map_id"},
                                            {"system_one", COLUMN_TEXT, "d1.name"},
                                            {"id_one", COLUMN_TEXT, "m.remote_id_one"},
                                            {"system_two", COLUMN_TEXT, "d2.name"},
                                            {"id_two", COLUMN_TEXT, "m.remote_id_two"},
                                            {"created_at", COLUMN_TIME, "m.created_at"},
                                            COLUMN_END};
static const struct listing maps = {
    .name = "maps",
    .from = " FROM tasker_dependent_system_object_maps m"
            " JOIN tasker_dependent_systems d1 ON d1.dependent_system_id = m.dependent_system_one_id"
            " JOIN tasker_dependent_systems d2 ON d2.dependent_system_id = m.dependent_system_two_id",
    .key = "m.dependent_system_object_map_id",
    .filters = map_filters,
    .columns = map_columns,
};

int query_map_list(struct inquiry *a, tasker_error *err)
{
    return list_answer(a, &maps, err);
}

// ---- annotations

#define ANNOTATION_TABLES                                                                                              \
    " FROM tasker_task_annotations x"                                                                                  \
    " JOIN tasker_annotation_types xt ON xt.annotation_type_id = x.annotation_type_id"

static const struct filter annotation_filters[] = {ANNOTATION_FILTERS(FILTER_ROW) FILTER_END};
static const struct column annotation_columns[] = {{"annotation_id", COLUMN_INT, "x.task_annotation_id"},
                                                   {"task_id", COLUMN_INT, "x.task_id"},
                                                   {"type", COLUMN_TEXT, "xt.name"},
                                                   {"annotation", COLUMN_JSON, "x.annotation"},
                                                   {"created_at", COLUMN_TIME, "x.created_at"},
                                                   COLUMN_END};
static const struct listing annotations = {
    .name = "annotations",
    .from = ANNOTATION_TABLES,
    .key = "x.task_annotation_id",
    .filters = annotation_filters,
    .columns = annotation_columns,
};

int query_annotation_list(struct inquiry *a, tasker_error *err)
{
    return list_answer(a, &annotations, err);
}

static const struct filter annotation_type_filters[] = {ANNOTATION_TYPE_FILTERS(FILTER_ROW) FILTER_END};
static const struct column annotation_type_columns[] = {
    {"annotation_type_id", COLUMN_INT, "xt.annotation_type_id"},
    {"name", COLUMN_TEXT, "xt.name"},
    {"description", COLUMN_TEXT, "xt.description"},
    {"annotations", COLUMN_INT,
     "(SELECT count(*) FROM tasker_task_annotations x WHERE x.annotation_type_id = xt.annotation_type_id)"},
    {"created_at", COLUMN_TIME, "xt.created_at"},
    COLUMN_END};
static const struct listing annotation_types = {
    .name = "annotation_types",
    .from = " FROM tasker_annotation_types xt",
    .key = "xt.annotation_type_id",
    .filters = annotation_type_filters,
    .columns = annotation_type_columns,
    .oldest = true,
};

int query_annotation_types(struct inquiry *a, tasker_error *err)
{
    return list_answer(a, &annotation_types, err);
}
