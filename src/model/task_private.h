// SPDX-License-Identifier: MIT
// task_private.h - what the files of task.h share with each other and with nobody else.
#ifndef MODEL_TASK_PRIVATE_H
#define MODEL_TASK_PRIVATE_H

#include "model/task.h"

// Members of a transition's metadata; zero ones are left out.
struct meta {
    int32_t attempt;
    const char *reason, *by, *category;
    struct span code, message;
    int64_t retry_at;  // of an error row: the step will be tried again then
    bool released;     // the task was given to the Rails engine
};

struct span meta_text(struct decision *d, const struct meta *m);
struct span task_start_metadata(struct decision *d, const struct task *t);
struct task *task_new(struct template *tpl, struct blob *context);  // takes references
void task_to(struct decision *d, struct task *t, enum state_event event, struct span metadata);
void step_to(struct decision *d, struct task *t, struct tstep *s, enum state_event event, struct span metadata);
void step_make_ready(struct decision *d, struct task *t, struct tstep *s);
void step_shut(struct task *t, struct tstep *s);
void step_keep_results(struct tstep *s, struct blob *results);
// step_write writes the step's own columns; backoff -1: NULL.
void step_write(struct decision *d, struct tstep *s, int32_t backoff, bool set_results, struct span results);
// task_delete_active takes its row out of the queue.
void task_delete_active(struct decision *d, struct task *t);
void task_finish_if_over(struct decision *d, struct task *t);

#endif
