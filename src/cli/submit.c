// SPDX-License-Identifier: MIT
// submit.c - `tasker submit`, `tasker register` and `tasker validate`: templates go into the
// database, tasks are created.
//
// Many tasks from one file of contexts are created in batches, which share commits. A line that is
// refused does not stop the others.
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

#define BATCH 1000

const struct option register_options[] = {
    {"replace", NULL, "allow other content under the same version"},
    {NULL, NULL, NULL},
};

const struct option submit_options[] = {
    {"name", "NAME", "the template's name, instead of FILE or NAME"},
    {"namespace", "NAME", "its namespace (default: default)"},
    {"version", "VERSION", "its version (default: 0.1.0), or latest"},
    {"context", "JSON", "the task's input: JSON, @file or - for standard input"},
    {"context-lines", "FILE", "create a task for each line, which is its context"},
    {"priority", "NAME", "critical, high, normal or low"},
    {"run-at", "TIME", "not before this time"},
    {"timeout", "SECONDS", "how long the task may take"},
    {"identity", "TEXT", "what makes it the same task"},
    {"identity-strategy", "NAME", "default, hash or custom"},
    {"if-exists", "WHAT", "refuse a duplicate, or return the first task's id"},
    {"initiator", "TEXT", "who asks for the task"},
    {"source-system", "TEXT", "the system it comes from"},
    {"reason", "TEXT", "why it is asked for"},
    {"tags", "JSON", "an array of strings to find it by"},
    {"replace", NULL, "with FILE: allow other content under the same version"},
    {NULL, NULL, NULL},
};

// Options that go into the request.
static const struct {
    const char *option, *member;
    bool text; // else JSON
} members[] = {
    {"priority", "priority", true},
    {"run-at", "run_at", true},
    {"timeout", "timeout_seconds", false},
    {"identity", "identity", true},
    {"identity-strategy", "identity_strategy", true},
    {"if-exists", "if_exists", true},
    {"initiator", "initiator", true},
    {"source-system", "source_system", true},
    {"reason", "reason", true},
    {"tags", "tags", false},
};

void request_write(const struct request *r, struct buf *out)
{
    jw_open(out, '{');
    jw_key(out, "name");
    jw_strn(out, r->name.p, r->name.len);
    if (r->namespace_name.len > 0) {
        jw_key(out, "namespace");
        jw_strn(out, r->namespace_name.p, r->namespace_name.len);
    }
    if (r->version.len > 0) {
        jw_key(out, "version");
        jw_strn(out, r->version.p, r->version.len);
    }
    if (r->context.len > 0)
        jw_kraw(out, "context", r->context.p, r->context.len);
    for (size_t i = 0; r->args != NULL && i < ARRAY_SIZE(members); i++) {
        const char *value = args_value(r->args, members[i].option);
        if (value != NULL && members[i].text)
            jw_kstr(out, members[i].member, value);
        else if (value != NULL)
            jw_kraw(out, members[i].member, value, strlen(value));
    }
    jw_close(out, '}');
}

int request_template(struct request *r, const tasker_text *registered, struct arena *arena,
                     tasker_error *err)
{
    const struct json *v;
    char *text = arena_dup(arena, tasker_text_data(registered), tasker_text_size(registered));

    if (text == NULL)
        return err_nomem(err);
    int rc = json_parse(arena, span_of(text), &v, err);
    if (rc < 0)
        return rc;
    r->name = json_text(v, "name");
    r->namespace_name = json_text(v, "namespace");
    r->version = json_text(v, "version");
    return 0;
}

// "namespace/name@version", of which only the name is needed. Options win.
static void read_reference(struct request *r, const char *word)
{
    const char *at = word != NULL ? strchr(word, '@') : NULL;
    struct span rest = word != NULL ? span_of(word) : (struct span){0};
    const char *value;

    if (at != NULL) {
        r->version = span_of(at + 1);
        rest.len = (size_t)(at - word);
    }
    const char *slash = rest.len > 0 ? memchr(rest.p, '/', rest.len) : NULL;
    if (slash != NULL) {
        r->namespace_name = (struct span){rest.p, (size_t)(slash - rest.p)};
        rest = (struct span){slash + 1, rest.len - r->namespace_name.len - 1};
    }
    r->name = rest;
    if ((value = args_value(r->args, "name")) != NULL)
        r->name = span_of(value);
    if ((value = args_value(r->args, "namespace")) != NULL)
        r->namespace_name = span_of(value);
    if ((value = args_value(r->args, "version")) != NULL)
        r->version = span_of(value);
}

static bool is_file(const char *word)
{
    static const char *const endings[] = {".yaml", ".yml", ".json"};
    size_t n = strlen(word);

    for (size_t i = 0; i < ARRAY_SIZE(endings); i++) {
        size_t m = strlen(endings[i]);
        if (n > m && strcmp(word + n - m, endings[i]) == 0)
            return true;
    }
    return strcmp(word, "-") == 0 || (strchr(word, '@') == NULL && access(word, R_OK) == 0);
}

// ---- one task

static void print_id(const struct cli *c, int64_t id)
{
    printf(c->json ? "{\"task_id\":%lld}\n" : "%lld\n", (long long)id);
}

static int submit_one(struct cli *c, tasker *t, struct request *r)
{
    CLEANUP(buf_done) struct buf context, text;
    const char *argument = args_value(&c->args, "context");
    tasker_error err;
    int64_t id;

    buf_init(&context, INPUT_MAX);
    buf_init(&text, INPUT_MAX + 65536);
    int rc = argument != NULL ? read_json(argument, "--context", &context, &err) : 0;
    if (rc == 0) {
        r->context = argument != NULL ? buf_view(&context) : (struct span){0};
        request_write(r, &text);
        rc = buf_failed(&text) ? err_nomem(&err)
                               : tasker_submit(t, buf_view(&text).p, text.len, &id, &err);
    }
    if (rc < 0)
        return fail(c, &err);
    print_id(c, id);
    return 0;
}

// ---- many

struct lines {
    struct request *request;
    tasker_submission list[BATCH];
    struct buf texts[BATCH];
    size_t numbers[BATCH]; // of the lines
    size_t count, line, created, refused;
};

// The place of an error is the line of the file; where in the request it was found stands before
// the message.
static void print_refusal(const struct cli *c, size_t line, const tasker_error *found)
{
    const char *path = found->where;
    tasker_error err;

    err_set(&err, found->code, "%s%s%s", path, path[0] != '\0' ? ": " : "", found->message);
    err_where(&err, (int)line, found->column > 0 ? found->column : 1, "%s",
              args_value(&c->args, "context-lines"));
    err_remedy(&err, "%s", found->remedy);
    fail(c, &err);
}

// A database that did not take these does not take the next ones either: the exit code, 0 when it took all it wanted.
static int given_up(const struct lines *l)
{
    for (size_t i = 0; i < l->count; i++) {
        int code = l->list[i].error.code;
        if (code == TASKER_E_BUSY || code == TASKER_E_TIMEOUT)
            return tasker_error_exit(code);
    }
    return 0;
}

static int send_batch(struct cli *c, tasker *t, struct lines *l)
{
    tasker_error err;

    if (l->count == 0)
        return 0;
    for (size_t i = 0; i < l->count; i++) {
        l->list[i] =
            (tasker_submission){.request = buf_view(&l->texts[i]).p, .size = l->texts[i].len};
        if (buf_failed(&l->texts[i]))
            return fail(c, (err_nomem(&err), &err));
    }
    int rc = tasker_submit_many(t, l->list, l->count, &err);
    if (rc < 0)
        return fail(c, &err);
    for (size_t i = 0; i < l->count; i++) {
        if (l->list[i].error.code == 0)
            print_id(c, l->list[i].task_id);
        else
            print_refusal(c, l->numbers[i], &l->list[i].error);
    }
    l->refused += (size_t)rc;
    l->created += l->count - (size_t)rc;
    rc = given_up(l);
    l->count = 0;
    return rc;
}

// A line that is not JSON is refused here, where its column is known.
static bool is_json(const struct cli *c, struct lines *l, struct span line)
{
    tasker_error err;

    if (json_check(line, NULL, &err) == 0)
        return true;
    err.where[0] = '\0';
    print_refusal(c, l->line, &err);
    l->refused++;
    return false;
}

static int send_lines(struct cli *c, tasker *t, struct lines *l, struct span all)
{
    int rc = 0;

    while (all.len > 0 && rc == 0) {
        const char *end = memchr(all.p, '\n', all.len);
        size_t n = end != NULL ? (size_t)(end - all.p) : all.len;
        struct span line = {all.p, n};
        l->line++;
        all.p += end != NULL ? n + 1 : n;
        all.len -= end != NULL ? n + 1 : n;
        if (strspn(line.p, " \t\r") >= n || !is_json(c, l, line))
            continue;
        l->request->context = line;
        l->numbers[l->count] = l->line;
        buf_clear(&l->texts[l->count]);
        request_write(l->request, &l->texts[l->count++]);
        if (l->count == BATCH)
            rc = send_batch(c, t, l);
    }
    return rc == 0 ? send_batch(c, t, l) : rc;
}

static int submit_lines(struct cli *c, tasker *t, struct request *r)
{
    CLEANUP(buf_done) struct buf text;
    CLEANUP(mem_freep) struct lines *l = mem_alloc(sizeof(*l));
    tasker_error err;

    buf_init(&text, ANSWER_MAX);
    int rc = l == NULL ? err_nomem(&err)
                       : read_input(args_value(&c->args, "context-lines"), &text, &err);
    if (rc < 0)
        return fail(c, &err);
    l->request = r;
    for (size_t i = 0; i < BATCH; i++)
        buf_init(&l->texts[i], INPUT_MAX);
    rc = send_lines(c, t, l, buf_view(&text));
    for (size_t i = 0; i < BATCH; i++)
        buf_done(&l->texts[i]);
    note(c, "%zu created, %zu refused%s", l->created, l->refused,
         rc == tasker_error_exit(TASKER_E_BUSY) ? ", the lines behind them not sent" : "");
    return rc == 0 && l->refused > 0 ? tasker_error_exit(TASKER_E_INVALID) : rc;
}

// ---- the commands

static int submit(struct cli *c, tasker *t)
{
    CLEANUP(arena_done) struct arena arena;
    const char *word = c->args.count > 0 ? c->args.words[0] : NULL;
    struct request r = {.args = &c->args};
    tasker_text *registered = NULL;
    tasker_error err;
    int rc = 0;

    arena_init(&arena);
    if (word != NULL && is_file(word)) {
        rc = cli_register(c, t, word, args_flag(&c->args, "replace"), &registered);
        if (rc == 0 && request_template(&r, registered, &arena, &err) < 0)
            rc = fail(c, &err);
        tasker_text_free(registered);
    } else {
        read_reference(&r, word);
    }
    if (rc != 0)
        return rc;
    return args_flag(&c->args, "context-lines") ? submit_lines(c, t, &r) : submit_one(c, t, &r);
}

int command_submit(struct cli *c)
{
    struct trouble trouble;
    tasker_error err;
    tasker *t;

    if (c->args.count == 0 && args_value(&c->args, "name") == NULL) {
        err_set(&err, TASKER_E_INVALID, "which template? Give a file, a name, or --name");
        return usage_error(c, "submit", &err);
    }
    if (args_flag(&c->args, "context") && args_flag(&c->args, "context-lines")) {
        err_set(&err, TASKER_E_INVALID, "--context and --context-lines exclude each other");
        return usage_error(c, "submit", &err);
    }
    if (cli_open(c, NULL, &t, &err) < 0)
        return fail(c, &err);
    trouble_watch(&trouble, c, t);
    int rc = submit(c, t);
    trouble_done(&trouble);
    tasker_close(t);
    return rc;
}

static int register_into(struct cli *c, const char *verb, bool replace)
{
    CLEANUP(arena_done) struct arena arena;
    struct request r = {0};
    tasker_text *registered;
    tasker_error err;
    tasker *t;

    arena_init(&arena);
    if (cli_open(c, NULL, &t, &err) < 0)
        return fail(c, &err);
    int rc = cli_register(c, t, c->args.words[0], replace, &registered);
    tasker_close(t);
    if (rc != 0)
        return rc;
    if (c->json)
        rc = print_text(registered);
    else if (request_template(&r, registered, &arena, &err) < 0)
        rc = fail(c, &err);
    else
        printf("%s %.*s/%.*s@%.*s\n", verb, (int)r.namespace_name.len, r.namespace_name.p,
               (int)r.name.len, r.name.p, (int)r.version.len, r.version.p);
    tasker_text_free(registered);
    return rc;
}

int command_register(struct cli *c)
{
    return register_into(c, "registered", args_flag(&c->args, "replace"));
}

// A template is checked by registering it in a database that nobody keeps.
int command_validate(struct cli *c)
{
    c->db = "sqlite::memory:";
    return register_into(c, "valid:", false);
}
