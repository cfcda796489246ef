// SPDX-License-Identifier: MIT
// lane_input.c - inputs of a lane: making them, freeing them, and the two queues in which they wait. Submissions wait apart,
// so that answers and commands overtake them.
#include "engine/lane_private.h"

// ------------------------------------------------------------------------------------------------------- inputs

struct lane_input *lane_input_new(enum input_kind kind)
{
    struct lane_input *in = mem_alloc(sizeof(*in));
    if (!in)
        return NULL;
    list_init(&in->link);
    in->kind = (uint8_t)kind;
    return in;
}

static void free_answer(struct lane_input *in)
{
    blob_unref(in->answer.results);
    blob_unref(in->answer.log);
    if (in->answer.failure) {
        arena_done(&in->answer.failure->arena);
        mem_free(in->answer.failure);
    }
}

static void free_submit(struct lane_input *in)
{
    submission_done(&in->submit);
}

static void free_command(struct lane_input *in)
{
    mem_free(in->cmd.step);
    mem_free(in->cmd.reason);
    mem_free(in->cmd.by);
    blob_unref(in->cmd.results);
}

static void free_progress(struct lane_input *in)
{
    blob_unref(in->progress.progress);
}

static void free_classes(struct lane_input *in)
{
    for (size_t i = 0; i < in->worker.class_count; i++)
        mem_free(in->worker.classes[i]);
    mem_free(in->worker.classes);
}

static void free_polled(struct lane_input *in)
{
    if (in->polled.found) {
        poll_result_done(in->polled.found);
        mem_free(in->polled.found);
    }
    mem_free(in->polled.dead);
}

static void free_loaded(struct lane_input *in)
{
    if (in->loaded.rows) {
        task_rows_done(in->loaded.rows);
        mem_free(in->loaded.rows);
    }
    template_unref(in->loaded.tpl);
}

static void free_offer(struct lane_input *in)
{
    if (in->offer.rows) {
        offer_rows_done(in->offer.rows);
        mem_free(in->offer.rows);
    }
    template_unref(in->offer.tpl);
}

static void free_holdings(struct lane_input *in)
{
    if (in->holdings.found) {
        holdings_done(in->holdings.found);
        mem_free(in->holdings.found);
    }
}

static void (*const free_parts[IN_KIND_COUNT])(struct lane_input *in) = {
    [IN_SUBMIT] = free_submit,     [IN_COMMAND] = free_command,    [IN_ANSWER] = free_answer,
    [IN_PROGRESS] = free_progress, [IN_WORKER_OPEN] = free_classes, [IN_POLLED] = free_polled,
    [IN_LOADED] = free_loaded,     [IN_OFFER_LOADED] = free_offer, [IN_HOLDINGS] = free_holdings,
};

void lane_input_free(struct lane_input *in)
{
    if (!in)
        return;
    if (free_parts[in->kind])
        free_parts[in->kind](in);
    mem_free(in);
}

int lane_push(struct lane *l, struct lane_input *in)
{
    bool bounded = in->kind == IN_SUBMIT || (in->kind == IN_COMMAND && in->cmd.request_id == 0);
    size_t limit = (size_t)l->opt->queue_limit;
    if (bounded && l->submit_count + l->command_count >= limit)
        return TASKER_E_BUSY;
    if (in->kind == IN_SUBMIT) {
        list_push(&l->submits, &in->link);
        l->submit_count++;
    } else {
        list_push(&l->inputs, &in->link);
        l->input_count++;
        l->command_count += in->kind == IN_COMMAND;
        if (in->kind == IN_ANSWER)
            slot_answered(l, in->answer.token);
    }
    return 0;
}

void queue_front(struct lane *l, struct list *inputs)
{
    while (!list_empty(inputs)) {
        struct lane_input *in = container_of(inputs->prev, struct lane_input, link);
        list_remove(&in->link);
        if (in->kind == IN_SUBMIT) {
            list_unshift(&l->submits, &in->link);
            l->submit_count++;
        } else {
            list_unshift(&l->inputs, &in->link);
            l->input_count++;
            l->command_count += in->kind == IN_COMMAND;
        }
    }
}

struct lane_input *take_input(struct lane *l, struct list *from)
{
    struct list *node = list_pop(from);
    struct lane_input *in = container_of(node, struct lane_input, link);
    if (from == &l->submits) {
        l->submit_count--;
    } else {
        l->input_count--;
        l->command_count -= in->kind == IN_COMMAND;
    }
    return in;
}
