// SPDX-License-Identifier: MIT
// progress.c - one line for people about what just happened, from a live event.
#include <math.h>
#include <string.h>

#include "cli/cli.h"

struct form {
    const char *event;
    const char *mark, *colour, *verb;
};

static const struct form forms[] = {
    {"step.completed", "✓", "\033[32m", "done"},
    {"step.failed", "✗", "\033[31m", "failed"},
    {"step.cancelled", "-", "\033[35m", "cancelled"},
    {"step.resolved_manually", "✓", "\033[32m", "resolved by hand"},
    {"task.completed", "✓", "\033[32m", "complete"},
    {"task.failed", "✗", "\033[31m", "error"},
    {"task.cancelled", "-", "\033[35m", "cancelled"},
    {"task.resolved_manually", "✓", "\033[32m", "resolved by hand"},
};

static void add_span(struct buf *out, struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        buf_char(out, (unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7F ? ' ' : s.p[i]);
}

static bool number(const struct json *event, const char *key, double *ret)
{
    const struct json *v = json_get(event, key);

    return v != NULL && v->type == JSON_NUMBER && json_double(v, ret);
}

static void add_duration(struct buf *out, double us)
{
    if (us < 1e6)
        buf_printf(out, " in %.0f ms", us / 1e3);
    else
        buf_printf(out, " in %.1f s", us / 1e6);
}

static void add_retry(struct buf *out, const struct json *event)
{
    int64_t at;

    if (!time_parse(json_text(event, "next_retry_at"), &at))
        return;
    double left = (double)(at - clock_real_us()) / 1e6;
    buf_printf(out, "; again in %.1f s", left > 0 ? left : 0);
}

static void add_details(struct buf *out, const struct json *event)
{
    const struct json *metadata = json_get(event, "metadata");
    struct span message = json_text(metadata, "message");
    double us, attempt, limit;

    if (number(event, "execution_us", &us) || number(event, "duration_us", &us))
        add_duration(out, us);
    if (message.len == 0)
        message = json_text(metadata, "reason");
    if (message.len > 0) {
        buf_str(out, ": ");
        add_span(out, message);
    }
    if (number(event, "attempt_number", &attempt) && number(event, "retry_limit", &limit) &&
        (attempt > 1 || message.len > 0))
        buf_printf(out, " (attempt %.0f of %.0f)", attempt, limit);
    add_retry(out, event);
}

void progress_print(const struct cli *c, const struct json *event, bool named)
{
    CLEANUP(buf_done) struct buf line;
    const struct form *form = NULL;
    struct span step = json_text(event, "step_name");

    buf_init(&line, 1 << 16);
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++)
        if (span_is(json_text(event, "event"), forms[i].event))
            form = &forms[i];
    if (form == NULL || c->json)
        return;
    buf_printf(&line, "%s%s%s ", c->colour_err ? form->colour : "", form->mark,
               c->colour_err ? COLOUR_END : "");
    if (named) {
        buf_str(&line, "task ");
        add_span(&line, json_text(event, "task_id"));
        buf_char(&line, ' ');
        add_span(&line, json_text(event, "task_name"));
        buf_str(&line, step.len > 0 ? " " : "");
    }
    add_span(&line, step);
    buf_printf(&line, " %s", form->verb);
    add_details(&line, event);
    fprintf(stderr, "%s\n", buf_view(&line).p);
}
