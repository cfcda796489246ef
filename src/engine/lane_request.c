// SPDX-License-Identifier: MIT
// lane_request.c - commands for a task that another lane owns: a row that its owner reads, and the answer in that row.
#include "engine/lane_private.h"

// -------------------------------------------------------------------------------------------- commands between lanes

void answer_command(struct lane *l, struct lane_input *in, int rc, const tasker_error *error, struct blob *result)
{
    if (in->cmd.request_id == 0) {
        struct action a = {.kind = ACT_REPLY, .ticket = in->ticket, .id = in->cmd.task_id, .blob = result};
        if (rc < 0)
            a.error = *error;
        if (in->ticket)
            hold_action(l, &a);
        else
            blob_unref(result);
        return;
    }
    struct buf b;
    buf_init(&b, 1 << 20);
    jw_open(&b, '{');
    jw_kint(&b, "code", rc);
    if (rc < 0) {
        jw_kstr(&b, "message", error->message);
        jw_kstr(&b, "remedy", error->remedy);
    }
    if (result)
        jw_kraw(&b, "result", result->data, result->size);
    jw_close(&b, '}');
    struct change *c = decision_change(&l->d, CH_REQUEST_ANSWER);
    if (c) {
        c->request.request_id = in->cmd.request_id;
        c->request.task_id = in->cmd.task_id;
        c->request.body = span_of(arena_dup(&l->d.arena, buf_view(&b).p, b.len));
    }
    if (buf_failed(&b) || l->d.arena.failed)
        l->d.failed = true;
    buf_done(&b);
    blob_unref(result);
}

struct span request_body(struct lane *l, const struct lane_input *in)
{
    struct buf b;
    buf_init(&b, (size_t)1 << 30);
    jw_open(&b, '{');
    jw_kstr(&b, "command", command_names[in->cmd.command]);
    if (in->cmd.step)
        jw_kstr(&b, "step", in->cmd.step);
    if (in->cmd.reason)
        jw_kstr(&b, "reason", in->cmd.reason);
    if (in->cmd.by)
        jw_kstr(&b, "by", in->cmd.by);
    if (in->cmd.results)
        jw_kraw(&b, "results", in->cmd.results->data, in->cmd.results->size);
    jw_close(&b, '}');
    struct span s = span_of(arena_dup(&l->d.arena, buf_view(&b).p, b.len));
    if (buf_failed(&b) || l->d.arena.failed)
        l->d.failed = true;
    buf_done(&b);
    return s;
}

void request_others(struct lane *l)
{
    for (size_t i = 0; i < l->read_count && l->id != 0; i++) {
        struct change *c = decision_change(&l->d, CH_REQUEST_DELETE);
        if (c)
            c->request.request_id = l->read_requests[i];
    }
    struct list *node;
    while (l->id != 0 && (node = list_pop(&l->to_request))) {
        struct lane_input *in = container_of(node, struct lane_input, link);
        struct change *c = decision_change(&l->d, CH_REQUEST_INSERT);
        if (c) {
            c->request.task_id = in->cmd.task_id;
            c->request.body = request_body(l, in);
        }
        list_push(&l->asking, &in->link);
    }
}

static char *json_text_dup(const struct json *v)
{
    return v && v->type == JSON_STRING ? mem_dup(v->str.p, v->str.len) : NULL;
}

// A command of another process becomes an input like one of ours; its answer is a row.
void take_request(struct lane *l, const struct poll_request *r)
{
    list_each(node, &l->inputs)
    {
        const struct lane_input *in = container_of(node, struct lane_input, link);
        if (in->kind == IN_COMMAND && in->cmd.request_id == r->request_id)
            return;  // it waits already
    }
    struct entry *e = entry_find(l, r->task_id);
    if (e)
        list_each(node, &e->waiting) if (container_of(node, struct lane_input, link)->cmd.request_id ==
                                         r->request_id) return;
    struct arena arena;
    const struct json *body = NULL;
    arena_init(&arena);
    struct lane_input *in = lane_input_new(IN_COMMAND);
    if (!in || json_parse(&arena, r->body, &body, NULL) < 0) {
        lane_input_free(in);
        arena_done(&arena);
        return;
    }
    const struct json *name = json_get(body, "command"), *results = json_get(body, "results");
    in->cmd.command = CMD_COUNT;
    for (size_t i = 0; i < CMD_COUNT && name; i++)
        if (span_is(name->str, command_names[i]))
            in->cmd.command = (uint8_t)i;
    in->cmd.task_id = r->task_id;
    in->cmd.request_id = r->request_id;
    in->cmd.step = json_text_dup(json_get(body, "step"));
    in->cmd.reason = json_text_dup(json_get(body, "reason"));
    in->cmd.by = json_text_dup(json_get(body, "by"));
    if (results)
        in->cmd.results = blob_new(results->raw.p, results->raw.len);
    arena_done(&arena);
    if (in->cmd.command == CMD_COUNT || lane_push(l, in) < 0)
        lane_input_free(in);
}

// What the answer says is durable, or (a timeout) says nothing. The row goes with the next turn that is committed.
void end_request(struct lane *l, struct lane_input *in, struct action *reply)
{
    if (in->ticket && !out_action(l, reply))
        return;  // out of memory: the next poll finds it again
    if (!in->ticket)
        blob_unref(reply->blob);
    if (mem_grow(&l->read_requests, &l->read_cap, l->read_count + 1, sizeof(l->read_requests[0])) == 0)
        l->read_requests[l->read_count++] = in->cmd.asked_id;  // else it goes when this lane retires
    list_remove(&in->link);
    lane_input_free(in);
}

// The task ended before its owner saw the request: it is free, and can be claimed.
static void ask_again(struct lane *l, struct lane_input *in)
{
    struct list one;
    list_init(&one);
    if (mem_grow(&l->read_requests, &l->read_cap, l->read_count + 1, sizeof(l->read_requests[0])) == 0)
        l->read_requests[l->read_count++] = in->cmd.asked_id;
    in->cmd.asked_id = 0;
    in->tries = 0;
    list_remove(&in->link);
    list_push(&one, &in->link);
    queue_front(l, &one);
}

// The answer of the task's owner to a command that was asked here.
void take_answer(struct lane *l, const struct poll_answer *answer)
{
    list_each(node, &l->asked)
    {
        struct lane_input *in = container_of(node, struct lane_input, link);
        if (in->cmd.asked_id != answer->request_id)
            continue;
        struct action a = {.kind = ACT_REPLY, .ticket = in->ticket, .id = in->cmd.task_id};
        struct arena arena;
        const struct json *body = NULL;
        arena_init(&arena);
        int64_t code = 0;
        bool parsed = json_parse(&arena, answer->body, &body, NULL) == 0;
        if (parsed && json_get(body, "again")) {
            arena_done(&arena);
            ask_again(l, in);
            return;
        }
        if (parsed && json_int(json_get(body, "code"), &code)) {
            const struct json *m = json_get(body, "message"), *r = json_get(body, "result"),
                              *remedy = json_get(body, "remedy");
            if (code < 0)
                err_set(&a.error, (int)code, "%.*s", m ? (int)m->str.len : 0, m ? m->str.p : "");
            if (code < 0 && remedy && remedy->str.len)
                err_remedy(&a.error, "%.*s", (int)remedy->str.len, remedy->str.p);
            if (r)
                a.blob = blob_new(r->raw.p, r->raw.len);
        } else {
            err_set(&a.error, TASKER_E_BUG, "the owner's answer is unreadable");
        }
        arena_done(&arena);
        end_request(l, in, &a);
        return;
    }
}

void give_up_requests(struct lane *l)
{
    list_each(node, &l->asked)
    {
        struct lane_input *in = container_of(node, struct lane_input, link);
        if (in->cmd.asked_at + REQUEST_TIMEOUT_US > l->d.now)
            continue;
        struct action a = {.kind = ACT_REPLY, .ticket = in->ticket, .id = in->cmd.task_id};
        err_set(&a.error, TASKER_E_TIMEOUT, "the engine that owns task %lld did not answer", (long long)in->cmd.task_id);
        err_remedy(&a.error, "see tasker health, and try again");
        end_request(l, in, &a);
    }
}
