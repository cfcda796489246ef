// SPDX-License-Identifier: MIT
// hub.c - live events for subscribers of this process. Each has a bounded ring; one that is slow loses its oldest events
// and is told how many, so that nobody can hold the engine up.
#include "engine/engine_private.h"

#include <errno.h>
#include <string.h>

#define RING_SIZE 65536

// One pattern: a name, or "*" standing for any rest ("step.*") or beginning ("*.failed").
static bool pattern_matches(const char *p, size_t n, const char *name)
{
    size_t len = strlen(name);
    if (n == 1 && p[0] == '*')
        return true;
    if (n > 0 && p[n - 1] == '*')
        return len >= n - 1 && memcmp(p, name, n - 1) == 0;
    if (n > 0 && p[0] == '*')
        return len >= n - 1 && memcmp(p + 1, name + len - (n - 1), n - 1) == 0;
    return len == n && memcmp(p, name, n) == 0;
}

bool event_matches(const char *patterns, const char *name)
{
    if (!patterns || !patterns[0])
        return true;
    for (const char *p = patterns; *p;) {
        size_t n = strcspn(p, ",");
        const char *start = p;
        size_t len = n;
        while (len > 0 && *start == ' ')
            start++, len--;
        while (len > 0 && start[len - 1] == ' ')
            len--;
        if (len > 0 && pattern_matches(start, len, name))
            return true;
        p += n + (p[n] == ',');
    }
    return false;
}

// Which events anybody wants; under hub_lock.
static void note_wanted(struct engine *e)
{
    _Static_assert(NOTE_COUNT <= 64, "a bit per kind");
    uint64_t wanted = 0;
    list_each(node, &e->subscribers)
    {
        const char *patterns = container_of(node, struct subscriber, link)->patterns;
        for (int kind = 0; kind < NOTE_COUNT; kind++)
            if (event_matches(patterns, note_names[kind]))
                wanted |= UINT64_C(1) << kind;
    }
    __atomic_store_n(&e->wanted, wanted, __ATOMIC_RELAXED);
}

int engine_subscribe(struct engine *e, const char *patterns, struct subscriber **ret, tasker_error *err)
{
    struct subscriber *s = mem_alloc(sizeof(*s));
    if (!s)
        return err_nomem(err);
    s->engine = e;
    s->ring = mem_alloc(RING_SIZE * sizeof(s->ring[0]));
    s->patterns = mem_strdup(patterns ? patterns : "");
    if (!s->ring || !s->patterns) {
        mem_free(s->ring);
        mem_free(s->patterns);
        mem_free(s);
        return err_nomem(err);
    }
    cond_init(&s->ready);
    pthread_mutex_lock(&e->hub_lock);
    list_push(&e->subscribers, &s->link);
    note_wanted(e);
    pthread_mutex_unlock(&e->hub_lock);
    *ret = s;
    return 0;
}

static void free_subscriber(struct subscriber *s)
{
    for (size_t i = 0; i < s->count; i++)
        blob_unref(s->ring[(s->first + i) % RING_SIZE]);
    pthread_cond_destroy(&s->ready);
    mem_free(s->ring);
    mem_free(s->patterns);
    mem_free(s);
}

void engine_unsubscribe(struct subscriber *s)
{
    if (!s)
        return;
    struct engine *e = s->engine;
    pthread_mutex_lock(&e->hub_lock);
    list_remove(&s->link);
    note_wanted(e);
    pthread_mutex_unlock(&e->hub_lock);
    free_subscriber(s);
}

void hub_publish(struct engine *e, const char *name, struct blob *event)
{
    pthread_mutex_lock(&e->hub_lock);
    list_each(node, &e->subscribers)
    {
        struct subscriber *s = container_of(node, struct subscriber, link);
        if (!event_matches(s->patterns, name))
            continue;
        if (s->count == RING_SIZE) {
            blob_unref(s->ring[s->first]);
            s->first = (s->first + 1) % RING_SIZE;
            s->count--;
            s->lost++;
        }
        s->ring[(s->first + s->count++) % RING_SIZE] = blob_ref(event);
        pthread_cond_signal(&s->ready);
    }
    pthread_mutex_unlock(&e->hub_lock);
    blob_unref(event);
}

static struct blob *lost_event(struct subscriber *s)
{
    struct buf b;
    buf_init(&b, 256);
    jw_open(&b, '{');
    jw_kstr(&b, "event", "events.lost");
    jw_kint(&b, "count", (int64_t)s->lost);
    jw_ktime(&b, "timestamp", clock_real_us());
    jw_close(&b, '}');
    struct blob *blob = buf_failed(&b) ? NULL : blob_new(b.data, b.len);
    buf_done(&b);
    if (blob)
        s->lost = 0;
    return blob;
}

int engine_event_next(struct subscriber *s, int timeout_ms, struct blob **ret, tasker_error *err)
{
    struct engine *e = s->engine;
    int64_t until = timeout_ms < 0 ? INT64_MAX : clock_monotonic_us() + timeout_ms * US_PER_MS;
    struct blob *event = NULL;
    int rc = 0;
    pthread_mutex_lock(&e->hub_lock);
    while (timeout_ms != 0 && s->count == 0 && s->lost == 0 &&
           cond_wait_until(&s->ready, &e->hub_lock, until) != ETIMEDOUT)
        continue;
    if (s->lost > 0) {
        event = lost_event(s);
        rc = event ? 1 : err_nomem(err);
    } else if (s->count > 0) {
        event = s->ring[s->first];
        s->first = (s->first + 1) % RING_SIZE;
        s->count--;
        rc = 1;
    }
    pthread_mutex_unlock(&e->hub_lock);
    if (rc == 1)
        *ret = event;
    return rc;
}

void hub_done(struct engine *e)
{
    struct list *node;
    while ((node = list_pop(&e->subscribers)))
        free_subscriber(container_of(node, struct subscriber, link));
}
