// SPDX-License-Identifier: MIT
// lane_rig.h - a lane driven by hand: the test is its clock, its workers, its callers and, when it wants, its database.
// Turns go to a store in memory unless the test says what became of them, so that what is read again is what was written.
// What the lane gives, tells and asks is noted in the rig; lane_check is asked after every turn.
#ifndef TESTS_COMMON_LANE_RIG_H
#define TESTS_COMMON_LANE_RIG_H

#include "engine/lane_private.h"

#define SECOND US_PER_SECOND
#define START (INT64_C(1790000000) * SECOND)
#define MAX 64

struct given {
    int64_t token, task;
    uint32_t step;
    int32_t attempt;
    bool stopped, stale;
};
struct told {
    bool answered;
    int code;
    int64_t id;
    char remedy[256];
};

// One engine of the test.
struct rig {
    struct lane *lane;
    struct engine_options opt;
    struct turn_result result;
    struct given given[MAX];
    size_t given_count;
    struct told told[MAX];
    size_t told_count;
    int polls, drained;
    int64_t left, left_first;  // tasks that were left behind then
    int dice[16];       // outcomes of the next turns, -1: the store's
    int64_t culprit;    // of those that are refused, as the index of a change
    size_t dice_count, dice_at;
    int64_t locked;     // the task that another session has locked, 0: none
    int32_t locked_named_task; // of which no new task can be made, 0: none
    size_t kept_out;    // turns and readings that met it
    int64_t waited_us;  // by these turns
    int64_t barred[MAX];
    size_t turns, rows; // committed turns, and their changes but offers and claims
    int kinds[CH_COUNT];
    int64_t lease;      // until when the last turn that ended a task held it
    bool mute;          // what it asks to be read is not answered
};

#define HEAD(name) "name: " name "\nnamespace_name: lane\nversion: 1.0.0\nstep_templates:\n"
#define STEP(name, handler, more) "  - {name: " name ", handler_class: " handler more "}\n"

extern struct store *rig_store;
extern struct template *rig_templates[8];
extern int64_t rig_now;
extern const char *rig_spoilt;  // the rule of db.verify that a test breaks by hand; NULL: none

int rig_fresh(void **state);  // opens the store and sets the clock; rig_gone closes it
int rig_gone(void **state);   // fails when the rows that a test leaves are not sound
struct template *rig_template(const char *yaml);  // registered; lives until rig_gone
void rig_sql(const char *text);
int64_t rig_count(const char *question);  // the number that it answers

void rig_open(struct rig *r, const char *process);
void rig_close(struct rig *r);
// rig_one_task opens a rig with one worker of class A for `capacity` steps, and submits a task. Returns its id.
int64_t rig_one_task(struct rig *r, struct template *t, int32_t capacity);

// Inputs. rig_submit and rig_command return the place of what the caller is told.
struct lane_input *rig_input(enum input_kind kind);
void rig_push(struct rig *r, struct lane_input *in);
void rig_start(struct rig *r);
void rig_worker(struct rig *r, int64_t id, const char *handler_class, int32_t capacity);
void rig_worker_closes(struct rig *r, int64_t id);
size_t rig_submit(struct rig *r, struct template *t);
size_t rig_command(struct rig *r, enum command_kind kind, int64_t task, const char *step, const char *reason);
void rig_answer(struct rig *r, int64_t token, enum answer_kind kind);

// rig_dice says what becomes of the next `count` turns.
void rig_dice(struct rig *r, int64_t culprit, size_t count, int outcome);
void rig_act(struct rig *r);                            // carries out what the lane wants done
void rig_commit(struct rig *r, const struct turn *t);   // one turn, into rig.result
void rig_run(struct rig *r);                            // until it has nothing to do before its next deadline
void rig_pass(struct rig *r, int64_t us);               // lets time pass, deadline by deadline

enum state rig_state(int64_t task, const char *step);  // as the rows say; step NULL: of the task
int64_t rig_attempts(int64_t task);                    // of its first step

#endif
