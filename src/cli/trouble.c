// SPDX-License-Identifier: MIT
// trouble.c - tells people why an engine of this process makes no progress.
//
// A full disk, or a database that somebody else keeps locked, is no error of a submission or a
// task: the engine tries again until it is over. Whoever sits in front of it should know. A thread
// of its own asks for the engine's last error and says what lasts longer than one question, once.
// The answer comes from memory: an engine that has nothing to do asks its database next to nothing.
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cli/cli.h"

#define ASK_MS 1000 // how often
// An error is as old as the turn that it ended, which may have waited for a lock.
#define FRESH_US (15 * US_PER_SECOND)

// One question. What has failed again since the last one is said.
static void ask(struct trouble *w)
{
    CLEANUP(arena_done) struct arena arena;
    const struct json *engine;
    tasker_text *text;
    int64_t at;

    arena_init(&arena);
    if (cli_call(w->t, "engine.status", NULL, &arena, &text, &engine, NULL) < 0)
        return;
    struct span why = json_text(engine, "last_error");
    if (!time_parse(json_text(engine, "last_error_at"), &at))
        at = 0;
    bool again = at != w->seen_at && w->seen_at != 0, fresh = clock_real_us() - at < FRESH_US;
    w->seen_at = at;
    if (again && fresh && !span_is(why, w->said)) {
        snprintf(w->said, sizeof(w->said), "%.*s", (int)why.len, why.p);
        note(w->c, "… still trying: %s", w->said);
    }
    tasker_text_free(text);
}

static void *watch(void *arg)
{
    struct trouble *w = arg;
    struct pollfd over = {.fd = w->over, .events = POLLIN};

    while (poll(&over, 1, ASK_MS) == 0)
        ask(w);
    return NULL;
}

void trouble_watch(struct trouble *w, const struct cli *c, tasker *t)
{
    sigset_t all, old;

    *w = (struct trouble){.c = c, .t = t, .over = -1};
    if (c->json || (w->over = eventfd(0, EFD_CLOEXEC)) < 0)
        return;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old); // signals are for the thread that asks for them
    w->running = pthread_create(&w->thread, NULL, watch, w) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

void trouble_done(struct trouble *w)
{
    if (w->running && eventfd_write(w->over, 1) == 0)
        pthread_join(w->thread, NULL);
    if (w->over >= 0)
        close(w->over);
    w->running = false;
    w->over = -1;
}
