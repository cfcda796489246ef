// SPDX-License-Identifier: MIT
// main.c - the table of commands, and what happens before one of them runs.
//
// A command is a row of the table below, or an operation of the library (operations.c). Adding a
// command is one row here and one function.
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "worker/exec.h"

static const struct option no_options[] = {{NULL, NULL, NULL}};

const struct command commands[] = {
    {"run", "FILE", "run a template file once and wait for its end",
     "Registers the template, creates one task and runs it here, in the foreground. Steps of "
     "handler class tasker.exec\n"
     "run as programs. A changed file simply replaces the template of the same version; tasks that "
     "are under way keep\n"
     "what they started with. Interrupted, the task stays in the database and `tasker start` goes "
     "on with it.\n"
     "\n"
     "Exit code 0: complete, 3: error, 4: cancelled, 75: not finished within --timeout.",
     run_options, 1, 1, command_run},
    {"submit", "[FILE | NAME]", "create a task, or many, for engines to run",
     "FILE is registered first. NAME is a template that the database knows: name, namespace/name "
     "or\n"
     "namespace/name@version. Prints the new task's id. --context-lines creates one task for each "
     "line of a file, and\n"
     "prints one id a line.",
     submit_options, 0, 1, command_submit},
    {"start", "", "run an engine until it is told to stop",
     "Takes free tasks of the database and runs their steps of handler class tasker.exec; steps of "
     "other classes are\n"
     "lent to workers of other processes. SIGTERM or SIGINT: takes no more, lets running steps "
     "finish and hands the\n"
     "rest back; a second signal stops at once.\n"
     "\n"
     "--until-idle ends when nothing is left that could run or be tried again, tasks of other "
     "engines included. Steps\n"
     "that no worker serves are not waited for.",
     start_options, 0, 0, command_start},
    {"events", "", "print the log of events, one JSON object a line",
     "The log is read from its start, or from what --from or --after says; with --follow from now. "
     "Each event has a\n"
     "cursor, behind which --after goes on. Without --follow it ends at the log's end.",
     events_options, 0, 0, command_events},
    {"register", "FILE", "check a template file and store it",
     "Other content under a known namespace, name and version is refused without --replace.",
     register_options, 1, 1, command_register},
    {"validate", "FILE", "check a template file",
     "Prints every error as file:line:column: message. No database is needed.", no_options, 1, 1,
     command_validate},
    {"bench", "", "measure the engine on this machine",
     "Runs workloads with handlers that do nothing, each in a fresh database file in the current "
     "folder (removed\n"
     "afterwards) unless --db is given. Every commit is as durable as always.\n"
     "\n"
     "W1 2,000 tasks of one step      W2 1,000 chains of four          W3 1,000 diamonds of four\n"
     "W4 20 fans of 1 + 100 + 1       W5 one chain of four at a time   W6 50 layered graphs, 10 by "
     "10, 900 edges",
     bench_options, 0, 0, command_bench},
    {"help", "[COMMAND...]", "explain a command", "", no_options, 0, 3, command_help},
    {"version", "", "print the version", "", no_options, 0, 0, command_version},
    {NULL, NULL, NULL, NULL, NULL, 0, 0, NULL},
};

// How many words of argv the name takes up, 0 when it is not that.
static int words_match(const char *name, int argc, char **argv)
{
    int words = 0;

    for (;;) {
        size_t n = strcspn(name, " ");
        if (words >= argc || strlen(argv[words]) != n || memcmp(argv[words], name, n) != 0)
            return 0;
        words++;
        if (name[n] == '\0')
            return words;
        name += n + 1;
    }
}

const struct command *command_find(int argc, char **argv, int *ret_words)
{
    const struct command *best = NULL;

    *ret_words = 0;
    for (const struct command *cmd = commands; cmd->name != NULL; cmd++) {
        int words = words_match(cmd->name, argc, argv);
        if (words > *ret_words) {
            best = cmd;
            *ret_words = words;
        }
    }
    return best;
}

static int run_command(struct cli *c, const struct command *cmd, int argc, char **argv)
{
    tasker_error err;

    int rc = args_parse(c, argc, argv, cmd->options, &err);
    if (rc == 0 && args_flag(&c->args, "help")) {
        help_command(stdout, cmd);
        rc = 0;
    } else if (rc == 0 && (c->args.count < cmd->min_words || c->args.count > cmd->max_words)) {
        err_set(&err, TASKER_E_INVALID, "%s",
                c->args.count < cmd->min_words ? "an argument is missing" : "too many arguments");
        rc = usage_error(c, cmd->name, &err);
    } else {
        rc = rc < 0 ? usage_error(c, cmd->name, &err) : cmd->run(c);
    }
    args_done(&c->args);
    return rc;
}

static int run_unknown(struct cli *c, const char *word)
{
    tasker_error err;

    if (help_group(stdout, word))
        return EXIT_USAGE;
    err_set(&err, TASKER_E_INVALID, "there is no command \"%.100s\"", word);
    return usage_error(c, "", &err);
}

// Options in front of the command are the global ones.
static int leading_options(int argc, char **argv)
{
    int i = 0;

    while (i < argc && argv[i][0] == '-' && argv[i][1] != '\0') {
        bool value = strcmp(argv[i], "--db") == 0 || strcmp(argv[i], "--env") == 0;
        i += value ? 2 : 1;
    }
    return i < argc ? i : argc;
}

static int run_words(struct cli *c, int argc, char **argv)
{
    int command_words, operation_words_used;
    const struct command *cmd = command_find(argc, argv, &command_words);
    const tasker_operation_info *op = operation_find(argc, argv, &operation_words_used);

    if (op != NULL && operation_words_used > command_words)
        return operation_run(c, op, argc - operation_words_used, argv + operation_words_used);
    if (cmd != NULL)
        return run_command(c, cmd, argc - command_words, argv + command_words);
    return run_unknown(c, argv[0]);
}

static int run(struct cli *c, int argc, char **argv)
{
    int front = leading_options(argc, argv);
    tasker_error err;

    int rc = args_parse(c, front, argv, NULL, &err);
    bool help = args_flag(&c->args, "help");
    args_done(&c->args);
    if (rc < 0)
        return usage_error(c, "", &err);
    if (front == argc || help) {
        help_overview(help ? stdout : stderr);
        return help ? 0 : EXIT_USAGE;
    }
    return run_words(c, argc - front, argv + front);
}

static bool takes_colours(int fd)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    return isatty(fd) && (no == NULL || no[0] == '\0') &&
           (term == NULL || strcmp(term, "dumb") != 0);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], EXEC_TRAMPOLINE) == 0)
        return exec_trampoline(argc, argv);

    const char *db = getenv("TASKER_DATABASE_URL");
    struct cli c = {
        .db = db != NULL && db[0] != '\0' ? db : "sqlite:tasker.db",
        .database_timeout_ms = -1,
        .colour = takes_colours(STDOUT_FILENO),
        .colour_err = takes_colours(STDERR_FILENO),
    };
    int rc = run(&c, argc - 1, argv + 1);
    if ((fflush(stdout) != 0 || ferror(stdout)) && rc == 0) {
        fprintf(stderr, "tasker: the output could not be written\n");
        rc = tasker_error_exit(TASKER_E_IO);
    }
    return rc;
}
