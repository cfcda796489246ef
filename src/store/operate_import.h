// SPDX-License-Identifier: MIT
// operate_import.h - what the two files of task.import share: an unfinished task that was written as it stood in its
// document, brought to where task.adopt can take it over.
#ifndef STORE_OPERATE_IMPORT_H
#define STORE_OPERATE_IMPORT_H

#include "store/operate.h"

struct import_end {
    enum state state;  // of the task, then
    size_t taken_back; // steps that were in progress
};

// import_end does nothing to a finished task.
int import_end(struct inquiry *a, int64_t task_id, struct import_end *ret, tasker_error *err) CHECKED;

#endif
