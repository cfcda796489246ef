// SPDX-License-Identifier: MIT
// exec_plan.c - from a step's configuration to what is started: arguments, environment, folder.
// Pure: nothing is looked up on the disk, so that a missing program is reported by the attempt to
// start it.
#include <stdio.h>
#include <string.h>

#include "worker/exec_private.h"

#define OWN_VARIABLES 4

struct config {
    const struct json *command, *environment, *directory, *shell;
};

struct config_key {
    const char *name;
    size_t offset; // in struct config
    enum json_type type;
    const char *want;
};

static const struct config_key config_keys[] = {
    {"command", offsetof(struct config, command), JSON_ARRAY, "a list of strings"},
    {"environment", offsetof(struct config, environment), JSON_OBJECT, "a mapping"},
    {"working_directory", offsetof(struct config, directory), JSON_STRING, "a string"},
    {"shell", offsetof(struct config, shell), JSON_BOOL, "true or false"},
};

static int PRINTF_LIKE(3, 4) refuse(tasker_error *err, const char *where, const char *fmt, ...)
{
    char message[256];
    va_list args;

    va_start(args, fmt);
    vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    err_set(err, TASKER_E_CONFIG, "handler_config of " EXEC_CLASS ": %s", message);
    err_where(err, 0, 0, "%s", where);
    return TASKER_E_CONFIG;
}

static const struct config_key *find_key(struct span name)
{
    for (size_t i = 0; i < ARRAY_SIZE(config_keys); i++)
        if (span_is(name, config_keys[i].name))
            return &config_keys[i];
    return NULL;
}

static int read_config(const struct json *root, struct config *ret, tasker_error *err)
{
    if (root->type != JSON_OBJECT)
        return refuse(err, "$", "it must be a mapping");
    for (const struct json *v = root->child; v != NULL; v = v->next) {
        const struct config_key *key = find_key(v->key);
        if (key == NULL)
            continue; // the program's own
        if (v->type != key->type)
            return refuse(err, "$", "%s must be %s, not %s", key->name, key->want,
                          json_type_name(v->type));
        memcpy((char *)ret + key->offset, &v, sizeof(v));
    }
    if (ret->command == NULL || ret->command->count == 0) {
        refuse(err, "$.command", "command is missing");
        err_remedy(err, "write command: [program, argument, ...]");
        return TASKER_E_CONFIG;
    }
    return 0;
}

// A path of the configuration as seen from where this process runs.
static char *resolve(struct arena *arena, const char *base, const char *path)
{
    if (path[0] == '/' || base[0] == '\0')
        return arena_strdup(arena, path);
    return arena_printf(arena, "%s%s%s", base, base[strlen(base) - 1] == '/' ? "" : "/", path);
}

// The folder is changed before the program starts, so a program path must not depend on where we
// are now.
static char *resolve_program(struct arena *arena, const struct exec_facts *facts,
                             const char *directory, const char *name)
{
    if (strchr(name, '/') == NULL || name[0] == '/')
        return arena_strdup(arena, name);
    if (strcmp(directory, facts->directory) == 0)
        return arena_printf(arena, "%s%s", strncmp(name, "./", 2) == 0 ? "" : "./", name);
    return resolve(arena, facts->directory, name);
}

static int check_argument(const struct json *v, size_t i, tasker_error *err)
{
    char where[32];

    snprintf(where, sizeof(where), "$.command[%zu]", i);
    if (v->type != JSON_STRING && v->type != JSON_NUMBER)
        return refuse(err, where, "an argument must be a string, not %s", json_type_name(v->type));
    if (i == 0 && v->str.len == 0)
        return refuse(err, where, "the program's name is empty");
    return 0;
}

static int make_argv(struct arena *arena, const struct exec_facts *facts,
                     const struct config *config, struct exec_plan *plan, tasker_error *err)
{
    bool shell = config->shell != NULL && config->shell->truth;
    size_t count = 0;

    if (shell && config->command->count != 1) {
        refuse(err, "$.command", "with shell: true the command must have exactly one element");
        err_remedy(err, "write the whole command line as one string");
        return TASKER_E_CONFIG;
    }
    plan->argv = arena_alloc(arena, (config->command->count + 4) * sizeof(char *));
    if (plan->argv == NULL)
        return err_nomem(err);
    if (shell) {
        plan->argv[count++] = arena_strdup(arena, "/bin/sh");
        plan->argv[count++] = arena_strdup(arena, "-c");
    }
    size_t i = 0;
    for (const struct json *v = config->command->child; v != NULL; v = v->next, i++) {
        int rc = check_argument(v, i, err);
        if (rc < 0)
            return rc;
        char *text = arena_dup(arena, v->str.p, v->str.len);
        if (text != NULL && count == 0)
            text = resolve_program(arena, facts, plan->directory, text);
        plan->argv[count++] = text;
    }
    return arena->failed ? err_nomem(err) : 0;
}

static bool name_equal(const char *a, const char *b)
{
    size_t n = strcspn(a, "=");
    return n == strcspn(b, "=") && memcmp(a, b, n) == 0;
}

// Sets one variable; a later one of the same name replaces the earlier.
static void set_variable(char **list, size_t *count, char *entry)
{
    if (entry == NULL)
        return;
    for (size_t i = 0; i < *count; i++) {
        if (name_equal(list[i], entry)) {
            list[i] = entry;
            return;
        }
    }
    list[(*count)++] = entry;
}

static int add_configured(struct arena *arena, const struct json *environment, char **list,
                          size_t *count, tasker_error *err)
{
    if (environment == NULL)
        return 0;
    for (const struct json *v = environment->child; v != NULL; v = v->next) {
        int name_len = (int)v->key.len;
        if (name_len == 0 || memchr(v->key.p, '=', v->key.len) != NULL)
            return refuse(err, "$.environment", "\"%.*s\" cannot be a variable's name", name_len,
                          v->key.p);
        if (v->type == JSON_ARRAY || v->type == JSON_OBJECT || v->type == JSON_NULL)
            return refuse(err, "$.environment", "%.*s must be a string, not %s", name_len, v->key.p,
                          json_type_name(v->type));
        struct span value = v->type == JSON_BOOL ? v->raw : v->str;
        set_variable(list, count,
                     arena_printf(arena, "%.*s=%.*s", name_len, v->key.p, (int)value.len,
                                  value.p != NULL ? value.p : ""));
    }
    return 0;
}

static int make_environment(struct arena *arena, const struct exec_facts *facts,
                            const struct config *config, struct exec_plan *plan, tasker_error *err)
{
    size_t room = OWN_VARIABLES + 1, count = 0;

    while (facts->environment[count] != NULL)
        count++;
    room += count + (config->environment != NULL ? config->environment->count : 0);
    char **list = arena_alloc(arena, room * sizeof(char *));
    if (list == NULL)
        return err_nomem(err);
    for (size_t i = 0; i < count; i++)
        list[i] = facts->environment[i];
    int rc = add_configured(arena, config->environment, list, &count, err);
    if (rc < 0)
        return rc;
    // Ours come last: a template cannot pretend to be another step.
    set_variable(list, &count,
                 arena_printf(arena, "TASKER_TASK_ID=%lld", (long long)facts->task_id));
    set_variable(list, &count, arena_printf(arena, "TASKER_STEP=%s", facts->step));
    set_variable(list, &count, arena_printf(arena, "TASKER_ATTEMPT=%d", facts->attempt));
    set_variable(list, &count, arena_printf(arena, "TASKER_IDEMPOTENCY_KEY=%s", facts->key));
    plan->environment = list;
    return arena->failed ? err_nomem(err) : 0;
}

int exec_plan_make(struct arena *arena, const struct exec_facts *facts, struct exec_plan *ret,
                   tasker_error *err)
{
    struct config config = {0};
    struct exec_plan plan = {.directory = facts->directory};
    const struct json *root;

    int rc = json_parse(arena, facts->config, &root, err);
    if (rc == 0)
        rc = read_config(root, &config, err);
    if (rc < 0)
        return rc;
    if (config.directory != NULL) {
        char *path = arena_dup(arena, config.directory->str.p, config.directory->str.len);
        plan.directory = path != NULL ? resolve(arena, facts->directory, path) : NULL;
    }
    if (plan.directory == NULL)
        return err_nomem(err);
    rc = make_argv(arena, facts, &config, &plan, err);
    if (rc == 0)
        rc = make_environment(arena, facts, &config, &plan, err);
    if (rc == 0)
        *ret = plan;
    return rc;
}
