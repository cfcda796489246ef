// SPDX-License-Identifier: MIT
// subscriber.c - reads events: what happened to tasks and steps, from the durable log that the rows themselves are.
//
//     subscriber DATABASE PATTERNS [FROM]        for example: subscriber greeting.db 'task.*,*.failed' start
//
// Prints every event as a line of JSON, and ends when there are no more. Each carries a cursor; give the last one back
// as FROM and reading goes on behind it, so a subscriber that remembers its cursor misses nothing.
#include <stdio.h>
#include <stdlib.h>
#include <tasker.h>

static void must(int rc, const tasker_error *err)
{
    if (rc >= 0)
        return;
    fprintf(stderr, "%s: %s\n", tasker_error_name(rc), err->message);
    exit(tasker_error_exit(rc));
}

int main(int argc, char **argv)
{
    char uri[512];
    tasker *t;
    tasker_events *events;
    tasker_error err;

    if (argc < 3 || argc > 4)
        return 64;
    snprintf(uri, sizeof(uri), "sqlite:%s", argv[1]);
    must(tasker_open(uri, NULL, &t, &err), &err);
    must(tasker_events_open(t, argv[2], argc == 4 ? argv[3] : "start", &events, &err), &err);
    for (;;) {
        tasker_text *text;
        // A program that follows for ever gives -1 instead of 0 and never sees "none".
        int rc = tasker_events_next(events, 0, &text, &err);
        must(rc, &err);
        if (rc == 0)
            break;
        printf("%s\n", tasker_text_data(text));
        tasker_text_free(text);
    }
    tasker_events_close(events);
    tasker_close(t);
    return 0;
}
