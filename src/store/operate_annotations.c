// SPDX-License-Identifier: MIT
// operate_annotations.c - annotations of tasks and their types: made and removed, as the Rails engine does it. A type is
// found by its name or created. What is annotated are tasks of anybody, whatever their state.
#include "store/operate.h"

#define ANNOTATION_MAX ((size_t)1 << 20)

// The annotation must be an object: what is looked for in annotations is a value under a key.
static int given_annotation(const struct inquiry *a, struct span *ret, tasker_error *err)
{
    const struct json *v = json_get(a->args, "annotation");

    if (v == NULL || v->type != JSON_OBJECT)
        return refuse(err, TASKER_E_INVALID, "annotation", "an annotation must be a JSON object, not %s",
                      v == NULL ? "nothing" : json_type_name(v->type));
    if (v->raw.len > ANNOTATION_MAX)
        return refuse(err, TASKER_E_TOO_BIG, "annotation", "an annotation may have 1 MB at most");
    *ret = v->raw;
    return 0;
}

// The task is kept from being deleted until the annotation is there.
static int hold_task(struct inquiry *a, int64_t task_id, tasker_error *err)
{
    CLEANUP(build_done) struct build b;
    int64_t found = 0;

    build_init(&b, a);
    build_add(&b, "SELECT task_id FROM tasker_tasks WHERE task_id = ?{hold}");
    build_int(&b, task_id);
    int rc = build_one(&b, 0, &found, err);
    if (rc == 0 && found == 0)
        rc = refuse(err, TASKER_E_NOT_FOUND, "task_id", "there is no task %lld", (long long)task_id);
    return rc;
}

static int put_annotation(struct inquiry *a, int64_t task_id, int64_t type_id, struct span annotation, int64_t *ret,
                          tasker_error *err)
{
    CLEANUP(build_done) struct build b;

    build_init(&b, a);
    build_add(&b, "INSERT INTO tasker_task_annotations(task_id, annotation_type_id, annotation, created_at, updated_at)"
                  " VALUES (?, ?, {json}, ?, ?) RETURNING task_annotation_id");
    build_int(&b, task_id);
    build_int(&b, type_id);
    build_text(&b, annotation);
    build_time(&b, a->now);
    build_time(&b, a->now);
    return build_id(&b, ret, err);
}

int operate_annotation_add(struct inquiry *a, tasker_error *err)
{
    int64_t task_id = given_int(a, "task_id", 0), type_id = 0, id = 0;
    struct span type, annotation;
    bool created;
    int rc = given_words(a, "type", NAME_CHARS, true, &type, err);

    if (rc == 0)
        rc = given_annotation(a, &annotation, err);
    if (rc == 0)
        rc = operate_begin(a, err);
    if (rc == 0)
        rc = hold_task(a, task_id, err);
    if (rc == 0)
        rc = catalogue_put(a, CATALOGUE_ANNOTATION_TYPE, type, (struct span){NULL, 0}, &type_id, &created, err);
    if (rc == 0)
        rc = put_annotation(a, task_id, type_id, annotation, &id, err);
    if (rc == 0)
        rc = operate_commit(a, err);
    if (rc < 0)
        return rc;
    jw_open(a->out, '{');
    jw_kint(a->out, "annotation_id", id);
    jw_kint(a->out, "task_id", task_id);
    jw_key(a->out, "type");
    jw_strn(a->out, type.p, type.len);
    jw_kraw(a->out, "annotation", annotation.p, annotation.len);
    jw_ktime(a->out, "created_at", a->now);
    jw_close(a->out, '}');
    return 0;
}

int operate_annotation_remove(struct inquiry *a, tasker_error *err)
{
    int64_t id = given_int(a, "annotation_id", 0), task_id = 0;
    CLEANUP(build_done) struct build b;
    int rc = operate_begin(a, err);

    build_init(&b, a);
    build_add(&b, "DELETE FROM tasker_task_annotations WHERE task_annotation_id = ? RETURNING task_id");
    build_int(&b, id);
    if (rc == 0)
        rc = build_id(&b, &task_id, err);
    if (rc == 0 && task_id == 0)
        rc = refuse(err, TASKER_E_NOT_FOUND, "annotation_id", "there is no annotation %lld", (long long)id);
    if (rc == 0)
        rc = operate_commit(a, err);
    if (rc < 0)
        return rc;
    jw_open(a->out, '{');
    jw_kint(a->out, "annotation_id", id);
    jw_kint(a->out, "task_id", task_id);
    jw_close(a->out, '}');
    return 0;
}

int operate_annotation_type(struct inquiry *a, tasker_error *err)
{
    return catalogue_register(a, CATALOGUE_ANNOTATION_TYPE, "annotation_type_id", err);
}
