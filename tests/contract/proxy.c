// SPDX-License-Identifier: MIT
// proxy.c - see proxy.h. One thread with poll(2) over all connections.
//
// A request ends with a Sync message ('S', length 4) or is a simple query ('Q'); the modes are about requests of the
// first kind. The last bytes of a turn's request are those of COMMIT: Bind, Describe, Execute and the Sync.
#include "proxy.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LINKS 32
#define CHUNK 65536
#define END_BYTES 24 // held back: within the Execute of COMMIT, and the Sync

struct link {
    int client, server;  // -1: closed
    enum proxy_mode mode;
    char *held;
    size_t held_len;
};

struct proxy {
    char folder[64], port[8], target[108];
    int listener, wake[2];
    pthread_t thread;
    pthread_mutex_t lock;
    enum proxy_mode next;
    bool stop, release;
    bool aged;
    struct link links[LINKS];
};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void address(struct sockaddr_un *a, const char *folder, const char *port)
{
    memset(a, 0, sizeof(*a));
    a->sun_family = AF_UNIX;
    (void)snprintf(a->sun_path, sizeof(a->sun_path), "%.80s/.s.PGSQL.%.5s", folder, port);
}

static void write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t k = send(fd, p, n, MSG_NOSIGNAL);
        if (k <= 0)
            return;
        p += k;
        n -= (size_t)k;
    }
}

static void accept_one(struct proxy *p)
{
    struct sockaddr_un to;
    int client = accept(p->listener, NULL, NULL);
    address(&to, p->target, p->port);
    for (size_t i = 0; i < LINKS && client >= 0; i++) {
        struct link *l = &p->links[i];
        if (l->client >= 0 || l->server >= 0)
            continue;
        *l = (struct link){.client = client, .server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        if (connect(l->server, (struct sockaddr *)&to, sizeof(to)) != 0) {
            close_fd(&l->client);
            close_fd(&l->server);
        }
        return;
    }
    close_fd(&client);
}

static bool ends_with_sync(const char *p, size_t n)
{
    return n >= 5 && memcmp(p + n - 5, "S\0\0\0\4", 5) == 0;
}

static bool holds(const struct link *l)
{
    return l->mode == PROXY_HOLD_END || l->mode == PROXY_HOLD_ALL;
}

// Bytes of the client. A request that is to be broken is collected until it is whole.
static void from_client(struct proxy *p, struct link *l)
{
    char bytes[CHUNK];
    ssize_t n = recv(l->client, bytes, sizeof(bytes), 0);
    if (n <= 0) {
        close_fd(&l->client);
        if (!holds(l))
            close_fd(&l->server);
        return;
    }
    pthread_mutex_lock(&p->lock);
    if (l->mode == PROXY_PASS && p->next != PROXY_PASS && bytes[0] != 'Q' && bytes[0] != 'X' && bytes[0] != '\0') {
        l->mode = p->next;
        p->next = PROXY_PASS;
    }
    pthread_mutex_unlock(&p->lock);
    if (l->mode == PROXY_PASS) {
        write_all(l->server, bytes, (size_t)n);
        return;
    }
    l->held = realloc(l->held, l->held_len + (size_t)n);
    memcpy(l->held + l->held_len, bytes, (size_t)n);
    l->held_len += (size_t)n;
    if (!ends_with_sync(l->held, l->held_len))
        return;
    if (l->mode == PROXY_CUT_REQUEST) {
        close_fd(&l->client);
        close_fd(&l->server);
    } else if (l->mode == PROXY_CUT_ANSWER) {
        write_all(l->server, l->held, l->held_len);
    } else {
        size_t first = l->mode == PROXY_HOLD_END ? l->held_len - END_BYTES : 0;
        write_all(l->server, l->held, first);
        l->held_len -= first;
        memmove(l->held, l->held + first, l->held_len);
        close_fd(&l->client);
    }
}

static bool says_ready(const char *p, size_t n)
{
    return n >= 6 && memcmp(p + n - 6, "Z\0\0\0\5", 5) == 0;
}

// Makes "server_version", "15..." of a greeting "13...".
static void age_server(char *p, size_t n)
{
    static const char name[] = "server_version";
    for (size_t i = 0; i + sizeof(name) + 2 <= n; i++)
        if (memcmp(p + i, name, sizeof(name)) == 0)
            memcpy(p + i + sizeof(name), "13", 2);
}

static void from_server(struct proxy *p, struct link *l)
{
    char bytes[CHUNK];
    ssize_t n = recv(l->server, bytes, sizeof(bytes), 0);
    bool over = n <= 0, aged;
    pthread_mutex_lock(&p->lock);
    aged = p->aged;
    pthread_mutex_unlock(&p->lock);
    if (aged && !over)
        age_server(bytes, (size_t)n);
    if (!over && l->mode == PROXY_PASS)
        write_all(l->client, bytes, (size_t)n);
    else if (!over)
        over = says_ready(bytes, (size_t)n);
    if (over) {
        close_fd(&l->client);
        close_fd(&l->server);
    }
}

static void release_held(struct proxy *p)
{
    for (size_t i = 0; i < LINKS; i++) {
        struct link *l = &p->links[i];
        if (holds(l) && l->server >= 0 && l->held_len > 0) {
            write_all(l->server, l->held, l->held_len);
            l->held_len = 0;
        }
    }
}

static void *run(void *user)
{
    struct proxy *p = user;
    for (;;) {
        struct pollfd fds[2 + 2 * LINKS];
        fds[0] = (struct pollfd){.fd = p->listener, .events = POLLIN};
        fds[1] = (struct pollfd){.fd = p->wake[0], .events = POLLIN};
        for (size_t i = 0; i < LINKS; i++) {
            fds[2 + 2 * i] = (struct pollfd){.fd = p->links[i].client, .events = POLLIN};
            fds[3 + 2 * i] = (struct pollfd){.fd = p->links[i].server, .events = POLLIN};
        }
        (void)poll(fds, 2 + 2 * LINKS, -1);
        if (fds[1].revents) {
            char byte;
            (void)!read(p->wake[0], &byte, 1);
            pthread_mutex_lock(&p->lock);
            bool stop = p->stop, release = p->release;
            p->release = false;
            pthread_mutex_unlock(&p->lock);
            if (stop)
                return NULL;
            if (release)
                release_held(p);
        }
        for (size_t i = 0; i < LINKS; i++) {
            struct link *l = &p->links[i];
            if (fds[2 + 2 * i].revents && l->client >= 0)
                from_client(p, l);
            if (fds[3 + 2 * i].revents && l->server >= 0)
                from_server(p, l);
            if (l->client < 0 && l->server < 0 && l->held) {
                free(l->held);
                l->held = NULL;
                l->held_len = 0;
            }
        }
        if (fds[0].revents)
            accept_one(p);
    }
}

struct proxy *proxy_new(const char *folder, const char *port)
{
    struct proxy *p = calloc(1, sizeof(*p));
    struct sockaddr_un own;
    const char *base = getenv("TMPDIR");
    (void)snprintf(p->folder, sizeof(p->folder), "%s/proxy-XXXXXX", base && strlen(base) < 40 ? base : "/tmp");
    (void)snprintf(p->port, sizeof(p->port), "%s", port);
    (void)snprintf(p->target, sizeof(p->target), "%s", folder);
    for (size_t i = 0; i < LINKS; i++)
        p->links[i].client = p->links[i].server = -1;
    pthread_mutex_init(&p->lock, NULL);
    if (!mkdtemp(p->folder) || pipe(p->wake) != 0)
        return NULL;
    address(&own, p->folder, port);
    p->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(p->listener, (struct sockaddr *)&own, sizeof(own)) != 0 || listen(p->listener, 16) != 0 ||
        pthread_create(&p->thread, NULL, run, p) != 0)
        return NULL;
    return p;
}

static void wake(struct proxy *p)
{
    (void)!write(p->wake[1], "x", 1);
}

void proxy_free(struct proxy *p)
{
    struct sockaddr_un own;
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    pthread_mutex_unlock(&p->lock);
    wake(p);
    pthread_join(p->thread, NULL);
    for (size_t i = 0; i < LINKS; i++) {
        close_fd(&p->links[i].client);
        close_fd(&p->links[i].server);
        free(p->links[i].held);
    }
    close_fd(&p->listener);
    close_fd(&p->wake[0]);
    close_fd(&p->wake[1]);
    address(&own, p->folder, p->port);
    unlink(own.sun_path);
    rmdir(p->folder);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

const char *proxy_folder(const struct proxy *p)
{
    return p->folder;
}

void proxy_next(struct proxy *p, enum proxy_mode mode)
{
    pthread_mutex_lock(&p->lock);
    p->next = mode;
    pthread_mutex_unlock(&p->lock);
}

void proxy_age(struct proxy *p)
{
    pthread_mutex_lock(&p->lock);
    p->aged = true;
    pthread_mutex_unlock(&p->lock);
}

void proxy_release(struct proxy *p)
{
    pthread_mutex_lock(&p->lock);
    p->release = true;
    pthread_mutex_unlock(&p->lock);
    wake(p);
}
