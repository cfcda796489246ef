// SPDX-License-Identifier: MIT
// operations.c - the operations of the library as commands: "task.list" is `tasker task list`.
// Nothing here knows any single operation, but for some whose answers deserve a better form than a
// table.
//
// An argument with a place may stand as a word or as --name; underscores of names are dashes on the
// command line.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

// ---- names

void operation_words(const tasker_operation_info *op, char out[96])
{
    snprintf(out, 96, "%s", op->name);
    for (char *p = out; *p != '\0'; p++)
        if (*p == '.')
            *p = ' ';
}

// Operations that are asked for so often that one word is enough.
static const struct {
    const char *word, *operation;
} shorts[] = {
    {"list", "task.list"},       {"show", "task.show"},   {"explain", "task.explain"},
    {"cancel", "task.cancel"},   {"retry", "task.retry"}, {"logs", "step.log"},
    {"health", "health.status"},
};

const char *operation_short(const tasker_operation_info *op)
{
    for (size_t i = 0; i < ARRAY_SIZE(shorts); i++)
        if (strcmp(shorts[i].operation, op->name) == 0)
            return shorts[i].word;
    return NULL;
}

static int match(const char *name, int argc, char **argv)
{
    int words = 0;

    for (;; words++) {
        size_t n = strcspn(name, ".");
        if (words >= argc || strlen(argv[words]) != n || memcmp(argv[words], name, n) != 0)
            return 0;
        if (name[n] == '\0')
            return words + 1;
        name += n + 1;
    }
}

const tasker_operation_info *operation_find(int argc, char **argv, int *ret_words)
{
    const tasker_operation_info *op;

    *ret_words = 0;
    for (size_t i = 0; (op = tasker_operation(i)) != NULL; i++) {
        *ret_words = match(op->name, argc, argv);
        if (*ret_words > 0)
            return op;
    }
    for (size_t i = 0; (op = tasker_operation(i)) != NULL; i++) {
        const char *word = operation_short(op);
        *ret_words = word != NULL ? match(word, argc, argv) : 0;
        if (*ret_words > 0)
            return op;
    }
    return NULL;
}

const struct option *operation_options(struct arena *arena, const tasker_operation_info *op)
{
    size_t count = 0;

    while (op->arguments[count].name != NULL)
        count++;
    struct option *list = arena_alloc(arena, (count + 1) * sizeof(*list));
    for (size_t i = 0; list != NULL && i < count; i++) {
        const tasker_argument *a = &op->arguments[i];
        char *name = arena_strdup(arena, a->name);
        for (char *p = name; p != NULL && *p != '\0'; p++)
            if (*p == '_')
                *p = '-';
        list[i] =
            (struct option){name, strcmp(a->type, "boolean") == 0 ? NULL : a->type, a->summary};
    }
    return arena->failed ? NULL : list;
}

// ---- arguments

static int add_integer(struct buf *out, const char *name, const char *text, tasker_error *err)
{
    char *end;

    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0)
        return err_set(err, TASKER_E_INVALID, "%s must be a whole number, not \"%.40s\"", name,
                       text);
    jw_int(out, n);
    return 0;
}

static int add_json(struct buf *out, const char *name, const char *text, tasker_error *err)
{
    CLEANUP(buf_done) struct buf value;

    buf_init(&value, INPUT_MAX);
    int rc = read_json(text, name, &value, err);
    if (rc == 0)
        jw_raw(out, buf_view(&value).p, value.len);
    return rc;
}

static int add_document(struct buf *out, const char *path, tasker_error *err)
{
    CLEANUP(buf_done) struct buf value;
    CLEANUP(arena_done) struct arena arena;
    const struct json *ignored;
    tasker_error found;

    buf_init(&value, INPUT_MAX);
    arena_init(&arena);
    int rc = read_input(path, &value, err);
    if (rc < 0)
        return rc;
    rc = json_parse_around(&arena, buf_view(&value), &ignored, &found);
    if (rc < 0) {
        err_set(err, rc, "%s is not JSON: %s", path, found.message);
        err_where(err, found.line, found.column, "%s", path);
        return rc;
    }
    jw_raw(out, buf_view(&value).p, value.len);
    return 0;
}

// A list is its items with commas between them.
static int add_list(struct buf *out, const char *name, const char *text, bool numbers,
                    tasker_error *err)
{
    int rc = 0;

    jw_open(out, '[');
    while (*text != '\0' && rc == 0) {
        CLEANUP(buf_done) struct buf item;
        size_t n = strcspn(text, ",");
        buf_init(&item, INPUT_MAX);
        buf_add(&item, text, n);
        if (buf_failed(&item))
            return err_nomem(err);
        if (numbers)
            rc = add_integer(out, name, buf_view(&item).p, err);
        else
            jw_strn(out, text, n);
        text += n + (text[n] == ',');
    }
    jw_close(out, ']');
    return rc;
}

static int add_argument(struct buf *out, const tasker_argument *a, const char *text,
                        tasker_error *err)
{
    jw_key(out, a->name);
    if (strcmp(a->type, "integer") == 0)
        return add_integer(out, a->name, text, err);
    if (strcmp(a->type, "json") == 0)
        return add_json(out, a->name, text, err);
    if (strcmp(a->type, "document") == 0)
        return add_document(out, text, err);
    if (strcmp(a->type, "integers") == 0 || strcmp(a->type, "strings") == 0)
        return add_list(out, a->name, text, a->type[0] == 'i', err);
    if (strcmp(a->type, "boolean") == 0)
        jw_bool(out, true);
    else
        jw_str(out, text);
    return 0;
}

static int make_arguments(const struct args *args, const tasker_operation_info *op,
                          const struct option *options, struct buf *out, tasker_error *err)
{
    size_t places = 0;

    jw_open(out, '{');
    for (size_t i = 0; op->arguments[i].name != NULL; i++) {
        const tasker_argument *a = &op->arguments[i];
        size_t place = a->positional > 0 ? (size_t)a->positional : 0;
        const char *text = args_value(args, options[i].name);
        places = place > places ? place : places;
        if (text == NULL && place > 0 && place <= args->count)
            text = args->words[place - 1];
        if (text == NULL && a->required)
            return err_set(err, TASKER_E_INVALID, "%s is missing: %s", a->name, a->summary);
        int rc = text != NULL ? add_argument(out, a, text, err) : 0;
        if (rc < 0)
            return rc;
    }
    jw_close(out, '}');
    if (args->count > places)
        return err_set(err, TASKER_E_INVALID, "one word too many: \"%.100s\"", args->words[places]);
    return buf_failed(out) ? err_nomem(err) : 0;
}

// ---- answers

// What an answer says may be bad news.
static int operation_code(const struct json *v)
{
    const struct json *sound = json_get(v, "sound");

    return sound != NULL && sound->type == JSON_BOOL && !sound->truth ? EXIT_UNSOUND : 0;
}

static void print_log(const struct cli *c, const struct json *v)
{
    const struct json *attempts = json_get(v, "attempts");

    for (const struct json *a = attempts != NULL ? attempts->child : NULL; a != NULL; a = a->next) {
        struct span n = json_text(a, "attempt"), outcome = json_text(a, "outcome"),
                    text = json_text(a, "text");
        printf("%s--- attempt %.*s: %.*s%s\n", c->colour ? COLOUR_DIM : "", (int)n.len, n.p,
               (int)outcome.len, outcome.p, c->colour ? COLOUR_END : "");
        print_clean(stdout, text);
        if (text.len > 0 && text.p[text.len - 1] != '\n')
            putchar('\n');
    }
}

// A page of a list: the rows as a table, the rest (a count) as lines, and where it goes on.
static void print_list(const struct cli *c, const struct json *v)
{
    const struct json *next = json_get(v, "next"), *total = json_get(v, "total");

    for (const struct json *m = v->child; m != NULL; m = m->next) {
        char name[32];
        if (m->type != JSON_ARRAY)
            continue;
        snprintf(name, sizeof(name), "%.*s", (int)m->key.len, m->key.p);
        print_table(c, m, name, 0);
    }
    if (total != NULL && total->type == JSON_NUMBER)
        printf("total: %.*s\n", (int)total->str.len, total->str.p);
    if (next != NULL && next->type == JSON_STRING)
        printf("more: --after %.*s\n", (int)next->str.len, next->str.p);
}

static void print_explained(const struct cli *c, const struct json *step)
{
    struct span name = json_text(step, "step"), state = json_text(step, "state"),
                text = json_text(step, "explanation");
    const char *colour = c->colour ? state_colour(state) : "";

    printf("  %.*s  %s%.*s%s  ", (int)name.len, name.p, colour, (int)state.len, state.p,
           colour[0] != '\0' ? COLOUR_END : "");
    print_clean(stdout, text);
    putchar('\n');
}

static void print_explanation(const struct cli *c, const struct json *v)
{
    struct span id = json_text(v, "task_id"), state = json_text(v, "state"),
                next = json_text(v, "next");
    const struct json *steps = json_get(v, "steps");

    printf("task %.*s is %s%.*s%s: ", (int)id.len, id.p, c->colour ? state_colour(state) : "",
           (int)state.len, state.p, c->colour ? COLOUR_END : "");
    print_clean(stdout, json_text(v, "explanation"));
    putchar('\n');
    for (const struct json *s = steps != NULL ? steps->child : NULL; s != NULL; s = s->next)
        print_explained(c, s);
    if (next.len > 0) {
        printf("next: ");
        print_clean(stdout, next);
        putchar('\n');
    }
}

// A document is for a file: always JSON, to the byte.
static void print_document(const struct cli *c, const struct json *v)
{
    (void)c;
    fwrite(v->raw.p, 1, v->raw.len, stdout);
    putchar('\n');
}

static int64_t number(const struct json *v, const char *name)
{
    int64_t n = 0;

    return json_int(json_get(v, name), &n) ? n : 0;
}

static void print_offenders(const struct json *v, struct span rule)
{
    const struct json *list = json_get(v, "offenders");

    for (const struct json *o = list != NULL ? list->child : NULL; o != NULL; o = o->next) {
        if (!span_eq(json_text(o, "rule"), rule))
            continue;
        struct span table = json_text(o, "table");
        printf("  %.*s %lld, task %lld: ", (int)table.len, table.p, (long long)number(o, "row_id"),
               (long long)number(o, "task_id"));
        print_clean(stdout, json_text(o, "detail"));
        putchar('\n');
    }
}

static void print_verdict(const struct cli *c, const struct json *v)
{
    const struct json *rules = json_get(v, "rules");
    size_t count = 0;

    (void)c;
    for (const struct json *r = rules != NULL ? rules->child : NULL; r != NULL; r = r->next) {
        struct span rule = json_text(r, "rule"), says = json_text(r, "says");
        count++;
        if (number(r, "offenders") == 0)
            continue;
        printf("not so: %.*s (%.*s, %lld)\n", (int)says.len, says.p, (int)rule.len, rule.p,
               (long long)number(r, "offenders"));
        print_offenders(v, rule);
    }
    printf("%lld tasks, %lld steps, %lld transitions, %zu rules: %s\n", (long long)number(v, "tasks"),
           (long long)number(v, "steps"), (long long)number(v, "transitions"), count,
           operation_code(v) == 0 ? "sound" : "not sound");
}

static const struct {
    const char *operation;
    void (*print)(const struct cli *c, const struct json *v);
} forms[] = {
    {"task.export", print_document},
    {"step.log", print_log},
    {"task.explain", print_explanation},
    {"db.verify", print_verdict},
};

static void print_answer(const struct cli *c, const tasker_operation_info *op, const struct json *v)
{
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        if (strcmp(forms[i].operation, op->name) == 0) {
            forms[i].print(c, v);
            return;
        }
    }
    if (json_get(v, "next") != NULL && json_get(v, "task_id") == NULL)
        print_list(c, v);
    else
        print_value(c, v);
}

// What looks at the tables or mends them takes them as they are; only a migration makes a file that is not there.
static const char *options_for(const char *operation)
{
    static const struct {
        const char *operation, *options;
    } special[] = {
        {"db.status", "\"tables_only\":true,\"migrate\":false"},
        {"db.check", "\"tables_only\":true,\"migrate\":false"},
        {"db.verify", "\"migrate\":false"},
        {"db.migrate", "\"tables_only\":true"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(special); i++)
        if (strcmp(special[i].operation, operation) == 0)
            return special[i].options;
    return NULL;
}

static int call(const struct cli *c, const tasker_operation_info *op, const char *arguments)
{
    CLEANUP(arena_done) struct arena arena;
    tasker_text *text = NULL;
    const struct json *v;
    struct trouble trouble;
    tasker_error err;
    tasker *t = NULL;

    arena_init(&arena);
    int rc = cli_open(c, options_for(op->name), &t, &err);
    if (rc == 0) {
        trouble_watch(&trouble, c, t);
        rc = cli_call(t, op->name, arguments, &arena, &text, &v, &err);
        trouble_done(&trouble);
    }
    if (rc < 0)
        rc = fail(c, &err);
    else if (c->json)
        rc = print_text(text);
    else
        print_answer(c, op, v);
    if (rc == 0)
        rc = operation_code(v);
    tasker_text_free(text);
    tasker_close(t);
    return rc;
}

int operation_run(struct cli *c, const tasker_operation_info *op, int argc, char **argv)
{
    CLEANUP(arena_done) struct arena arena;
    CLEANUP(buf_done) struct buf arguments;
    char words[96];
    tasker_error err;

    arena_init(&arena);
    buf_init(&arguments, INPUT_MAX * 2);
    operation_words(op, words);
    const struct option *options = operation_options(&arena, op);
    int rc = options == NULL ? err_nomem(&err) : args_parse(c, argc, argv, options, &err);
    if (rc == 0 && args_flag(&c->args, "help")) {
        help_operation(stdout, op);
        rc = 0;
    } else {
        if (rc == 0)
            rc = make_arguments(&c->args, op, options, &arguments, &err);
        rc = rc < 0 ? usage_error(c, words, &err) : call(c, op, buf_view(&arguments).p);
    }
    args_done(&c->args);
    return rc;
}
