// SPDX-License-Identifier: MIT
// operate_adopt.h - what the two files of task.adopt share: the steps of a task of the Rails engine, held against those of
// a template, and made when there are none.
#ifndef STORE_OPERATE_ADOPT_H
#define STORE_OPERATE_ADOPT_H

#include "model/template.h"
#include "store/operate.h"
#include "store/query_seen.h"

// adopt_differs is 1 when the task's steps and dependencies are not those of the template, and says in `ret_why` which; 0
// when they are, or when the task has no steps at all.
int adopt_differs(struct inquiry *a, const struct seen_task *t, const struct template *tpl, struct buf *ret_why,
                  tasker_error *err) CHECKED;

// adopt_make_steps makes the steps and edges of a task that has none, as the Rails engine would before it ran it.
int adopt_make_steps(struct inquiry *a, int64_t task_id, const struct template *tpl, tasker_error *err) CHECKED;

#endif
