// SPDX-License-Identifier: MIT
// trouble.c - tells people why an engine of this process makes no progress.
//
// A full disk, or a database that somebody else keeps locked, is no error of a submission or a
// task: the engine tries again until it is over. Whoever sits in front of it should know. A thread
// of its own asks what the engine waits for, and says what lasts longer than one question, once.
// The answer comes from memory: an engine that has nothing to do asks its database next to nothing.
// Events tell when the database is back, and that it has lost what it had confirmed.
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cli/cli.h"

#define ASK_MS 1000 // how often
#define SILENT_MS 3000 // a turn that waits for so long without a reason meets a database that does not answer
#define EVENTS "engine.database_back,engine.database_went_back"
// An error is as old as the turn that it ended, which may have waited for a lock.
#define FRESH_US (15 * US_PER_SECOND)

static int64_t time_of(const struct json *object, const char *key)
{
    int64_t at;

    return time_parse(json_text(object, key), &at) ? at : 0;
}

static void say_over(struct trouble *w)
{
    if (w->said[0] != '\0')
        note(w->c, "… the database is back");
    w->said[0] = '\0';
    w->waited = false;
}

static void hear_event(struct trouble *w, const struct json *event)
{
    int64_t at = time_of(event, "timestamp");

    if (span_is(json_text(event, "event"), "engine.database_went_back")) {
        struct span why = json_text(event, "error");
        note(w->c, "… commits are lost, steps may run again: %.*s", (int)why.len, why.p);
    } else {
        say_over(w);
    }
    w->over_at = at > w->over_at ? at : w->over_at;
}

static void hear(struct trouble *w)
{
    const struct json *event;
    tasker_text *text;

    while (tasker_events_next(w->events, 0, &text, NULL) > 0) {
        CLEANUP(arena_done) struct arena arena;
        struct span data = {tasker_text_data(text), tasker_text_size(text)};
        arena_init(&arena);
        if (json_parse(&arena, data, &event, NULL) == 0)
            hear_event(w, event);
        tasker_text_free(text);
    }
}

// What a turn waits for; absent: none waits long enough.
static struct span waits_for(const struct json *engine)
{
    struct span why = json_text(engine, "waiting_for");
    int64_t ms = 0;

    (void)json_int(json_get(engine, "waiting_ms"), &ms);
    if (ms < ASK_MS)
        return (struct span){0};
    return why.len == 0 && ms >= SILENT_MS ? SPAN("the database does not answer") : why;
}

// One question. What a turn waits for is said, and what has failed again since the last one, unless it is over.
static void ask(struct trouble *w)
{
    CLEANUP(arena_done) struct arena arena;
    const struct json *engine;
    tasker_text *text;

    arena_init(&arena);
    if (cli_call(w->t, "engine.status", NULL, &arena, &text, &engine, NULL) < 0)
        return;
    hear(w);
    struct span why = json_text(engine, "last_error");
    int64_t at = time_of(engine, "last_error_at");
    bool again = at != w->seen_at && w->seen_at != 0 && at > w->over_at;
    w->seen_at = at > w->over_at ? at : 0;
    bool fresh = clock_real_us() - at < FRESH_US;
    struct span waits = waits_for(engine);
    if (waits.len > 0)
        why = waits;
    else if (w->waited) // for a database that was there, so that no event tells
        say_over(w);
    w->waited = waits.len > 0;
    if ((waits.len > 0 || (again && fresh)) && !span_is(why, w->said)) {
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
    hear(w);
    return NULL;
}

void trouble_watch(struct trouble *w, const struct cli *c, tasker *t)
{
    sigset_t all, old;

    *w = (struct trouble){.c = c, .t = t, .over = -1};
    if (c->json || tasker_events_open(t, EVENTS, "live", &w->events, NULL) < 0 ||
        (w->over = eventfd(0, EFD_CLOEXEC)) < 0)
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
    tasker_events_close(w->events);
    w->events = NULL;
    w->running = false;
    w->over = -1;
}
