// SPDX-License-Identifier: MIT
// args.c - the command line: --name value, --name=value, --flag, words; `--` ends the options, `-`
// is a word.
//
// Options may stand anywhere, and may be shortened as long as only one of the command's begins so.
// An option that is given twice counts by its last value, unless the command reads all.
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

const struct option global_options[] = {
    {"db", "URI", "the database (default: TASKER_DATABASE_URL, else sqlite:tasker.db)"},
    {"env", "NAME",
     "the environment that templates are read for (default: TASKER_ENV, else development)"},
    {"database-timeout", "SECONDS",
     "how long a database that does not take a submission or a command is waited for (default: 30; 0: no limit)"},
    {"json", NULL, "print JSON"},
    {"help", NULL, "explain the command"},
    {NULL, NULL, NULL},
};

static const struct option *find(const struct option *list, const char *name, size_t len)
{
    for (; list != NULL && list->name != NULL; list++)
        if (strlen(list->name) == len && memcmp(list->name, name, len) == 0)
            return list;
    return NULL;
}

// The one option of the command that begins with `name`; NULL when none or several do.
static const struct option *find_short(const struct option *list, const char *name, size_t len)
{
    const struct option *found = NULL;

    for (; len > 0 && list != NULL && list->name != NULL; list++) {
        if (strncmp(list->name, name, len) != 0)
            continue;
        if (found != NULL)
            return NULL;
        found = list;
    }
    return found;
}

static bool is_option(const char *arg)
{
    return arg[0] == '-' && arg[1] != '\0' && !(arg[1] >= '0' && arg[1] <= '9');
}

static int usage(tasker_error *err, const char *fmt, const char *what)
{
    char message[200];

    snprintf(message, sizeof(message), "%.40s%.150s", fmt, what);
    return err_set(err, TASKER_E_INVALID, "%s", message);
}

// Takes the option at argv[i]; returns how many arguments it used.
static int take_option(struct cli *c, int argc, char **argv, int i, const struct option *known,
                       tasker_error *err)
{
    static const char help[] = "--help";
    const char *arg = strcmp(argv[i], "-h") == 0 ? help : argv[i];

    if (strncmp(arg, "--", 2) != 0)
        return usage(err, "unknown option ", arg);
    const char *name = arg + 2, *equals = strchr(name, '=');
    size_t len = equals != NULL ? (size_t)(equals - name) : strlen(name);
    const struct option *option = find(known, name, len);
    if (option == NULL)
        option = find(global_options, name, len);
    if (option == NULL)
        option = find_short(known, name, len);
    if (option == NULL)
        return usage(err, "unknown option ", arg);
    if (option->value == NULL && equals != NULL)
        return usage(err, "no value is taken by --", option->name);
    if (option->value != NULL && equals == NULL && i + 1 >= argc)
        return usage(err, "a value is missing behind --", option->name);
    const char *value = option->value == NULL ? "" : equals != NULL ? equals + 1 : argv[i + 1];
    c->args.options[c->args.option_count++] = (struct given){option, value};
    return option->value != NULL && equals == NULL ? 2 : 1;
}

static void take_globals(struct cli *c)
{
    const char *value;

    if ((value = args_value(&c->args, "db")) != NULL)
        c->db = value;
    if ((value = args_value(&c->args, "env")) != NULL)
        c->environment = value;
    if (args_flag(&c->args, "json"))
        c->json = true;
}

int args_parse(struct cli *c, int argc, char **argv, const struct option *known, tasker_error *err)
{
    struct args *a = &c->args;
    bool options = true;

    *a = (struct args){0};
    a->options = mem_alloc((size_t)argc * sizeof(*a->options));
    a->words = mem_alloc((size_t)argc * sizeof(*a->words));
    if (a->options == NULL || a->words == NULL)
        return err_nomem(err);
    int rc = 0;
    for (int i = 0; i < argc && rc >= 0; i++) {
        if (options && strcmp(argv[i], "--") == 0)
            options = false;
        else if (options && is_option(argv[i]))
            rc = take_option(c, argc, argv, i, known, err), i += rc > 0 ? rc - 1 : 0;
        else
            a->words[a->count++] = argv[i];
    }
    // How an error is told is asked of the whole line, also of what stands behind the error.
    for (int i = 0; i < argc && rc < 0; i++)
        c->json = c->json || strcmp(argv[i], "--json") == 0;
    take_globals(c);
    if (rc >= 0)
        rc = args_milliseconds(a, "database-timeout", &c->database_timeout_ms, err);
    return rc < 0 ? rc : 0;
}

void args_done(struct args *a)
{
    mem_free(a->options);
    mem_free(a->words);
    *a = (struct args){0};
}

const char *args_value(const struct args *a, const char *name)
{
    const char *value = NULL;

    for (size_t i = 0; i < a->option_count; i++)
        if (strcmp(a->options[i].option->name, name) == 0)
            value = a->options[i].value;
    return value;
}

bool args_flag(const struct args *a, const char *name)
{
    return args_value(a, name) != NULL;
}

int args_number(const struct args *a, const char *name, int64_t low, int64_t high, int64_t *ret,
                tasker_error *err)
{
    const char *text = args_value(a, name);
    char *end;

    if (text == NULL)
        return 0;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || value < low || value > high)
        return err_set(err, TASKER_E_INVALID,
                       "--%s must be a whole number from %lld to %lld, not \"%.40s\"", name,
                       (long long)low, (long long)high, text);
    *ret = value;
    return 0;
}

int args_milliseconds(const struct args *a, const char *name, int *ret, tasker_error *err)
{
    const char *text = args_value(a, name);
    char *end;

    if (text == NULL)
        return 0;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(value) || value < 0 || value > 2000000)
        return err_set(err, TASKER_E_INVALID,
                       "--%s must be a number of seconds from 0 to 2000000, not \"%.40s\"", name,
                       text);
    *ret = (int)(value * 1000 + 0.5);
    return 0;
}
