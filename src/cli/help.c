// SPDX-License-Identifier: MIT
// help.c - help, made from the tables of commands, options and operations.
#include <string.h>

#include "cli/cli.h"

static void print_options(FILE *out, const struct option *list, const char *title)
{
    if (list->name == NULL)
        return;
    fprintf(out, "\n%s\n", title);
    for (; list->name != NULL; list++) {
        char left[64];
        snprintf(left, sizeof(left), "--%s%s%s", list->name, list->value != NULL ? " " : "",
                 list->value != NULL ? list->value : "");
        fprintf(out, "  %-26s %s\n", left, list->summary);
    }
}

void help_command(FILE *out, const struct command *cmd)
{
    fprintf(out, "usage: tasker %s%s%s%s\n\n%s.\n", cmd->name, cmd->usage[0] != '\0' ? " " : "",
            cmd->usage, cmd->options->name != NULL ? " [options]" : "", cmd->summary);
    if (cmd->details[0] != '\0')
        fprintf(out, "\n%s\n", cmd->details);
    print_options(out, cmd->options, "options");
    print_options(out, global_options, "options of every command");
}

static void print_places(FILE *out, const tasker_operation_info *op)
{
    for (int place = 1; place < 8; place++) {
        for (const tasker_argument *a = op->arguments; a->name != NULL; a++) {
            if (a->positional != place)
                continue;
            fprintf(out, a->required ? " <%s>" : " [%s]", a->name);
        }
    }
}

void help_operation(FILE *out, const tasker_operation_info *op)
{
    CLEANUP(arena_done) struct arena arena;
    char words[96];

    arena_init(&arena);
    operation_words(op, words);
    fprintf(out, "usage: tasker %s", words);
    print_places(out, op);
    fprintf(out, " [options]\n\n%s.\n", op->summary);
    const struct option *options = operation_options(&arena, op);
    if (options != NULL)
        print_options(out, options,
                      "arguments (those in the usage line may stand without their names)");
    print_options(out, global_options, "options of every command");
    fprintf(out, "\nJSON is given as it is, as @file, or as - for standard input. Permission: %s\n",
            op->permission);
}

static void print_operation(FILE *out, const tasker_operation_info *op)
{
    char words[96];

    operation_words(op, words);
    const char *word = operation_short(op);
    fprintf(out, "  %-20s %s%s%s%s\n", words, op->summary, word != NULL ? " (short: " : "",
            word != NULL ? word : "", word != NULL ? ")" : "");
}

bool help_group(FILE *out, const char *word)
{
    const tasker_operation_info *op;
    size_t n = strlen(word);
    bool any = false;

    for (size_t i = 0; (op = tasker_operation(i)) != NULL; i++) {
        if (strncmp(op->name, word, n) != 0 || op->name[n] != '.')
            continue;
        if (!any)
            fprintf(out, "usage: tasker %s <action> ...\n\n", word);
        any = true;
        print_operation(out, op);
    }
    return any;
}

void help_overview(FILE *out)
{
    const tasker_operation_info *op;

    fprintf(out, "usage: tasker COMMAND [arguments] [options]\n\ncommands\n");
    for (const struct command *cmd = commands; cmd->name != NULL; cmd++)
        fprintf(out, "  %-20s %s\n", cmd->name, cmd->summary);
    fprintf(out, "\noperations\n");
    for (size_t i = 0; (op = tasker_operation(i)) != NULL; i++)
        print_operation(out, op);
    print_options(out, global_options, "options of every command");
    fprintf(out, "\nexit codes: 0 done, 3 the task ended in error, 4 it was cancelled, 5 the database is "
                 "not sound,\n64 wrong usage, 65 wrong input, 66 not found, 74 input or output, 75 try again,\n78 configuration\n"
                 "\nmore: tasker help COMMAND\n");
}

// ---- as JSON

static void write_command(struct buf *out, const struct command *cmd)
{
    jw_open(out, '{');
    jw_kstr(out, "name", cmd->name);
    jw_kstr(out, "summary", cmd->summary);
    jw_kstr(out, "usage", cmd->usage);
    jw_key(out, "options");
    jw_open(out, '[');
    for (const struct option *o = cmd->options; o->name != NULL; o++) {
        jw_open(out, '{');
        jw_kstr(out, "name", o->name);
        jw_kstr(out, "value", o->value);
        jw_kstr(out, "summary", o->summary);
        jw_close(out, '}');
    }
    jw_close(out, ']');
    jw_close(out, '}');
}

static void write_operation(struct buf *out, const tasker_operation_info *op)
{
    jw_open(out, '{');
    jw_kstr(out, "name", op->name);
    jw_kstr(out, "summary", op->summary);
    jw_kstr(out, "permission", op->permission);
    jw_key(out, "arguments");
    jw_open(out, '[');
    for (const tasker_argument *a = op->arguments; a->name != NULL; a++) {
        jw_open(out, '{');
        jw_kstr(out, "name", a->name);
        jw_kstr(out, "type", a->type);
        jw_kstr(out, "summary", a->summary);
        jw_kbool(out, "required", a->required != 0);
        jw_kint(out, "positional", a->positional);
        jw_close(out, '}');
    }
    jw_close(out, ']');
    jw_close(out, '}');
}

// The tables themselves: all rows, or the one that was found.
static int print_tables(const struct command *cmd, const tasker_operation_info *op)
{
    bool all = cmd == NULL && op == NULL;
    CLEANUP(buf_done) struct buf out;

    buf_init(&out, ANSWER_MAX);
    jw_open(&out, '{');
    jw_key(&out, "commands");
    jw_open(&out, '[');
    for (size_t i = 0; commands[i].name != NULL; i++)
        if (all || &commands[i] == cmd)
            write_command(&out, &commands[i]);
    jw_close(&out, ']');
    jw_key(&out, "operations");
    jw_open(&out, '[');
    for (size_t i = 0; tasker_operation(i) != NULL; i++)
        if (all || tasker_operation(i) == op)
            write_operation(&out, tasker_operation(i));
    jw_close(&out, ']');
    jw_close(&out, '}');
    if (buf_failed(&out))
        return tasker_error_exit(TASKER_E_NOMEM);
    printf("%s\n", buf_view(&out).p);
    return 0;
}

int command_help(struct cli *c)
{
    char *words[3] = {NULL, NULL, NULL};
    int count = (int)c->args.count, n, m;
    tasker_error err;

    if (count == 0 && c->json)
        return print_tables(NULL, NULL);
    if (count == 0) {
        help_overview(stdout);
        return 0;
    }
    for (int i = 0; i < count; i++)
        words[i] = (char *)(uintptr_t)c->args.words[i];
    const struct command *cmd = command_find(count, words, &n);
    const tasker_operation_info *op = operation_find(count, words, &m);
    if (op != NULL && m <= n)
        op = NULL;
    if (c->json && (op != NULL || cmd != NULL))
        return print_tables(op != NULL ? NULL : cmd, op);
    if (op != NULL)
        help_operation(stdout, op);
    else if (cmd != NULL)
        help_command(stdout, cmd);
    else if (!help_group(stdout, words[0])) {
        err_set(&err, TASKER_E_INVALID, "there is no command \"%.100s\"", words[0]);
        return usage_error(c, "", &err);
    }
    return 0;
}

int command_version(struct cli *c)
{
    if (c->json)
        printf("{\"version\":\"%s\"}\n", tasker_version());
    else
        printf("tasker %s\n", tasker_version());
    return 0;
}
