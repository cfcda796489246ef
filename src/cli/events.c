// SPDX-License-Identifier: MIT
// events.c - `tasker events`: the durable log, one JSON object a line.
#include <string.h>

#include "cli/cli.h"

#define SLICE_MS 200 // how soon a signal is noticed

const struct option events_options[] = {
    {"follow", NULL, "wait for more"},
    {"from", "WHERE", "start, now, or a cursor"},
    {"after", "CURSOR", "the same with a cursor"},
    {"patterns", "LIST", "names, separated by commas, with * (\"task.*,*.failed\")"},
    {NULL, NULL, NULL},
};

static int print_events(tasker_events *e, bool follow, tasker_error *err)
{
    tasker_text *text;
    int rc;

    while (signals_pending() == 0) {
        rc = tasker_events_next(e, follow ? SLICE_MS : 0, &text, err);
        if (rc < 0)
            return rc;
        if (rc == 0 && !follow)
            return 0;
        if (rc == 0)
            continue;
        rc = print_text(text);
        tasker_text_free(text);
        if (rc != 0)
            return err_set(err, TASKER_E_IO, "standard output was closed");
    }
    return 0;
}

int command_events(struct cli *c)
{
    bool follow = args_flag(&c->args, "follow");
    const char *from = args_value(&c->args, "after");
    tasker_error err;
    tasker_events *e;
    tasker *t;

    if (args_value(&c->args, "from") != NULL)
        from = args_value(&c->args, "from");
    if (from == NULL)
        from = follow ? "now" : "start";
    signals_block();
    int rc = cli_open(c, NULL, &t, &err);
    if (rc < 0)
        return fail(c, &err);
    rc = tasker_events_open(t, args_value(&c->args, "patterns"), from, &e, &err);
    if (rc == 0) {
        rc = print_events(e, follow, &err);
        tasker_events_close(e);
    }
    tasker_close(t);
    return rc < 0 ? fail(c, &err) : 0;
}
