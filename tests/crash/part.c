// SPDX-License-Identifier: MIT
// part.c - the parts that the crash tests need besides engines; everything about them may be killed at any moment.
//
//     part note FAILURES MS          a program of a step: says that it runs, takes MS milliseconds, and fails as long as
//                                    this is one of the first FAILURES attempts
//     part big                       a program of a step: waits for the file $GO, and gives 700 kB of results
//     part serve URI NAME            a worker that owns no task: serves the class Crash::Lent of other processes' tasks
//     part work URI NAME             an engine with four places for the class Crash::Claimed; it begins once the file $GO is
//                                    there, and ends at SIGTERM
//     part drive URI NAME [idle]     an engine that drives tasks of its own, one after the other, of the class Crash::Claimed
//                                    (idle: none) until SIGUSR1, and serves that class until SIGTERM. It writes what it is told
//                                    of the database into $EVENTS, and what engine.status says, again and again, into
//                                    $STATUS. $LEASE: seconds, 1 when it is not set; $LANES likewise
//     part submit URI NAME FILE      a client: submits one task after the other until SIGTERM, and writes number and id
//                                    of each into FILE once it is confirmed. Started again it goes on behind the last.
//
// Every run of a step is a line of the file $RUNS: idempotency key, attempt, process that has the step, nanoseconds since
// 1970. It is appended by one write before anything else happens, so the file knows of every run whatever the database
// knows.
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tasker.h>
#include <time.h>
#include <unistd.h>

#define LENT "Crash::Lent"
#define CLAIMED "Crash::Claimed"
#define SERVERS 4
#define AHEAD 24 // tasks that are under way at once

static volatile sig_atomic_t told_to_end;

static void must(int rc, const tasker_error *err)
{
    if (rc >= 0)
        return;
    fprintf(stderr, "%s: %s\n", tasker_error_name(rc), err->message);
    exit(tasker_error_exit(rc));
}

static void append(const char *path, const char *line)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0 || write(fd, line, strlen(line)) != (ssize_t)strlen(line)) {
        perror(path);
        exit(74);
    }
    close(fd);
}

static void note(const char *key, int attempt, pid_t process)
{
    char line[300];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(line, sizeof(line), "%s %d %ld %lld%09ld\n", key, attempt, (long)process, (long long)now.tv_sec, now.tv_nsec);
    append(getenv("RUNS"), line);
}

static void pass(long ms)
{
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

static int run_step(int failures, int ms)
{
    int attempt = atoi(getenv("TASKER_ATTEMPT"));
    note(getenv("TASKER_IDEMPOTENCY_KEY"), attempt, getppid());
    pass(ms);
    if (attempt <= failures)
        return 75;
    printf("{\"attempt\": %d}\n", attempt);
    return 0;
}

#define BIG 700000

static int run_big(void)
{
    static char text[BIG];
    int attempt = atoi(getenv("TASKER_ATTEMPT"));
    note(getenv("TASKER_IDEMPOTENCY_KEY"), attempt, getppid());
    while (access(getenv("GO"), F_OK) != 0)
        pass(1);
    memset(text, 'x', sizeof(text) - 1);
    printf("{\"text\": \"%s\"}\n", text);
    return 0;
}

static void on_term(int number)
{
    (void)number;
    told_to_end = 1;
}

static void begin(pthread_t *thread, void *(*run)(void *), void *user)
{
    if (pthread_create(thread, NULL, run, user) == 0)
        return;
    perror("a thread");
    exit(71);
}

static tasker *join(const char *uri, const char *name)
{
    char options[120];
    tasker_error err;
    tasker *t;
    signal(SIGTERM, on_term);
    const char *lease = getenv("LEASE"), *lanes = getenv("LANES");
    snprintf(options, sizeof(options), "{\"name\": \"%s\", \"lease_seconds\": %s, \"lanes\": %s}", name,
             lease != NULL ? lease : "1", lanes != NULL ? lanes : "1");
    must(tasker_open(uri, options, &t, &err), &err);
    fprintf(stderr, "%s started\n", name);
    return t;
}

// ---- serve

// A step called "shaky" fails at its first attempt.
static void handle(tasker_step *s)
{
    static const char result[] = "{\"lent\": true}";
    tasker_failure failure = {.message = "the first time it does not work", .category = "transient"};
    tasker_error err;
    int attempt = tasker_step_attempt(s);
    note(tasker_step_idempotency_key(s), attempt, getpid());
    pass(attempt % 2 * 4);
    int rc = strcmp(tasker_step_name(s), "shaky") == 0 && attempt == 1
                 ? tasker_step_fail(s, &failure, &err)
                 : tasker_step_complete(s, result, sizeof(result) - 1, NULL, 0, &err);
    if (rc != TASKER_E_STALE)
        must(rc, &err);
}

static void *serve_thread(void *user)
{
    tasker_step *s;
    tasker_error err;
    int rc;
    while (!told_to_end && (rc = tasker_worker_poll(user, 50, &s, &err)) >= 0)
        if (rc == 1)
            handle(s);
    return NULL;
}

// serve_steps runs steps of the class until it is told to end.
static void serve_steps(tasker *t, const char *class_name)
{
    pthread_t threads[SERVERS];
    tasker_worker *w;
    tasker_error err;
    must(tasker_worker_open(t, &class_name, 1, SERVERS, &w, &err), &err);
    for (int i = 0; i < SERVERS; i++)
        begin(&threads[i], serve_thread, w);
    for (int i = 0; i < SERVERS; i++)
        pthread_join(threads[i], NULL);
    tasker_worker_close(w);
}

static int serve_class(tasker *t, const char *class_name)
{
    tasker_error err;
    serve_steps(t, class_name);
    must(tasker_drain(t, 5000, &err), &err);
    tasker_close(t);
    return 0;
}

static int serve(const char *uri, const char *name)
{
    return serve_class(join(uri, name), LENT);
}

static int work(const char *uri, const char *name)
{
    tasker_error err;
    tasker *t = join(uri, name);
    while (access(getenv("GO"), F_OK) != 0)
        pass(1);
    must(tasker_start(t, 1, &err), &err);
    return serve_class(t, CLAIMED);
}

// ---- submit

static long confirmed(const char *path)
{
    FILE *f = fopen(path, "r");
    long n = 0, last = 0;
    while (f != NULL && fscanf(f, "%ld %*d\n", &n) == 1)
        last = n;
    if (f != NULL)
        fclose(f);
    return last;
}

// The same number is the same request, so that a repetition finds the task that is there.
static int64_t submit_number(tasker *t, long n)
{
    static const char *const names[] = {"chain", "diamond", "fan", "chain", "lent", "diamond", "once", "lent"};
    char request[300];
    tasker_error err;
    int64_t id;
    int rc;
    snprintf(request, sizeof(request),
             "{\"namespace\": \"crash\", \"name\": \"%s\", \"version\": \"1.0.0\", \"context\": {\"n\": %ld}, "
             "\"identity\": \"n-%ld\", \"if_exists\": \"return\"}",
             names[n % 8], n, n);
    // What may be tried again is tried again: that is how a client must treat a database that is away.
    while ((rc = tasker_submit(t, request, strlen(request), &id, &err)) < 0) {
        if (rc != TASKER_E_BUSY && rc != TASKER_E_IO && rc != TASKER_E_STORE && rc != TASKER_E_TIMEOUT)
            must(rc, &err);
        fprintf(stderr, "n-%ld: %s\n", n, err.message);
        pass(20);
    }
    return id;
}

// Waits for the end of a task, through everything that happens meanwhile.
static void wait_end(tasker *t, int64_t id)
{
    const char *state;
    tasker_error err;
    int rc;
    while (!told_to_end && (rc = tasker_wait(t, id, 100, &state, &err)) < 0) {
        if (rc == TASKER_E_TIMEOUT)
            continue;
        if (rc != TASKER_E_IO && rc != TASKER_E_BUSY && rc != TASKER_E_STORE)
            must(rc, &err);
        pass(20);
    }
}

static int submit(const char *uri, const char *name, const char *path)
{
    int64_t ids[AHEAD] = {0};
    char line[80];
    tasker *t = join(uri, name);
    for (long n = confirmed(path) + 1; !told_to_end; n++) {
        if (ids[n % AHEAD] != 0)
            wait_end(t, ids[n % AHEAD]);
        if (told_to_end)
            break;
        ids[n % AHEAD] = submit_number(t, n);
        snprintf(line, sizeof(line), "%ld %lld\n", n, (long long)ids[n % AHEAD]);
        append(path, line);
    }
    tasker_close(t);
    return 0;
}

// ---- drive

static volatile sig_atomic_t last_task; // the driver is to submit no more

static void on_last(int number)
{
    (void)number;
    last_task = 1;
}

// A failover may have lost the task although its id was answered.
static void see_end(tasker *t, int64_t id)
{
    const char *state;
    tasker_error err;
    int rc;
    while ((rc = tasker_wait(t, id, 100, &state, &err)) < 0 && rc != TASKER_E_NOT_FOUND)
        if (rc != TASKER_E_TIMEOUT)
            pass(20);
    if (rc == TASKER_E_NOT_FOUND)
        fprintf(stderr, "task %lld is lost\n", (long long)id);
}

static void *drive_thread(void *t)
{
    char request[200];
    tasker_error err;
    int64_t id;
    for (long n = 1; !last_task && !told_to_end; n++) {
        snprintf(request, sizeof(request),
                 "{\"namespace\": \"crash\", \"name\": \"claimed\", \"version\": \"1.0.0\", \"identity\": \"drive-%ld\", "
                 "\"if_exists\": \"return\"}",
                 n);
        while (tasker_submit(t, request, strlen(request), &id, &err) < 0)
            pass(20);
        see_end(t, id);
        pass(10);
    }
    return NULL;
}

// The file is always a whole answer, never the half of one.
static void write_status(tasker *t, const char *path)
{
    char scratch[300];
    tasker_text *text;
    tasker_error err;
    must(tasker_call(t, "engine.status", NULL, 0, &text, &err), &err);
    snprintf(scratch, sizeof(scratch), "%s.new", path);
    FILE *f = fopen(scratch, "w");
    if (f == NULL || fprintf(f, "%s\n", tasker_text_data(text)) < 0 || fclose(f) != 0 || rename(scratch, path) != 0)
        exit(74);
    tasker_text_free(text);
}

static void write_events(tasker_events *events, int timeout_ms)
{
    tasker_text *text;
    tasker_error err;
    char line[1200];
    int rc;
    while ((rc = tasker_events_next(events, timeout_ms, &text, &err)) > 0) {
        snprintf(line, sizeof(line), "%s\n", tasker_text_data(text));
        append(getenv("EVENTS"), line);
        tasker_text_free(text);
    }
    must(rc, &err);
}

static void *watch_thread(void *t)
{
    tasker_events *events;
    tasker_error err;
    must(tasker_events_open(t, "engine.*", "live", &events, &err), &err);
    while (!told_to_end) {
        write_status(t, getenv("STATUS"));
        write_events(events, 20);
    }
    write_events(events, 0);
    tasker_events_close(events);
    return NULL;
}

static int drive(const char *uri, const char *name, bool idle)
{
    pthread_t submitter, watcher;
    tasker_error err;
    tasker *t = join(uri, name);
    signal(SIGUSR1, on_last);
    must(tasker_start(t, 0, &err), &err);
    begin(&watcher, watch_thread, t);
    if (!idle)
        begin(&submitter, drive_thread, t);
    serve_steps(t, CLAIMED);
    if (!idle)
        pthread_join(submitter, NULL);
    pthread_join(watcher, NULL);
    must(tasker_drain(t, 5000, &err), &err);
    tasker_close(t);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "note") == 0)
        return run_step(atoi(argv[2]), atoi(argv[3]));
    if (argc == 2 && strcmp(argv[1], "big") == 0)
        return run_big();
    if (argc == 4 && strcmp(argv[1], "serve") == 0)
        return serve(argv[2], argv[3]);
    if (argc == 4 && strcmp(argv[1], "work") == 0)
        return work(argv[2], argv[3]);
    if (argc == 4 && strcmp(argv[1], "drive") == 0)
        return drive(argv[2], argv[3], false);
    if (argc == 5 && strcmp(argv[1], "drive") == 0 && strcmp(argv[4], "idle") == 0)
        return drive(argv[2], argv[3], true);
    if (argc == 5 && strcmp(argv[1], "submit") == 0)
        return submit(argv[2], argv[3], argv[4]);
    return 64;
}
