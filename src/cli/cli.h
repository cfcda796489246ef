// SPDX-License-Identifier: MIT
// cli.h - what the commands of `tasker` share: the table of commands, arguments, input, output and
// errors.
//
// A command is one row of a table and one function that returns the exit code. Results go to
// standard output (tables for people, JSON with --json), everything else to standard error. Exit
// codes: 0, 3 and 4 for a task that ended in error or was cancelled, 5 for a database that is not
// sound, 64 for a command line that cannot be understood, else those of tasker_error_exit.
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <pthread.h>
#include <stdio.h>

#include "base/json.h"
#include "base/util.h"

#define EXIT_TASK_ERROR 3
#define EXIT_TASK_CANCELLED 4
#define EXIT_UNSOUND 5
#define EXIT_USAGE 64
#define INPUT_MAX ((size_t)64 << 20) // bytes of a file, or of standard input
#define ANSWER_MAX ((size_t)256 << 20)

// ---- the command line

struct option {
    const char *name;    // without dashes; NULL ends a list
    const char *value;   // what stands for the value in help; NULL: a flag
    const char *summary; // one line
};

struct given {
    const struct option *option;
    const char *value; // "" for a flag
};

struct args {
    struct given *options; // in the order of the command line
    size_t option_count;
    const char **words; // all others
    size_t count;
};

struct cli {
    const char *db, *environment;
    int database_timeout_ms; // -1: not given
    bool json;
    bool colour, colour_err; // standard output and error take colours
    struct args args;
};

struct command {
    const char *name;    // NULL ends a list
    const char *usage;   // what follows the name
    const char *summary; // one line
    const char *details; // paragraphs
    const struct option *options;
    size_t min_words, max_words;
    int (*run)(struct cli *c);
};

extern const struct command commands[];      // main.c
extern const struct option global_options[]; // args.c

// command_find looks for the row whose words (one or two) stand at the front of argv; ret_words is
// how many.
const struct command *command_find(int argc, char **argv, int *ret_words);

// args_parse sorts `argv` into options of `known` and of global_options (which it puts into `c`),
// and words. TASKER_E_INVALID with a message. `c->args` is freed by args_done.
int args_parse(struct cli *c, int argc, char **argv, const struct option *known,
               tasker_error *err) CHECKED;
void args_done(struct args *a);

// args_value returns the last value given for the option, NULL when it was not given.
const char *args_value(const struct args *a, const char *name);
bool args_flag(const struct args *a, const char *name);
// args_number reads an option as an integer in low to high; not given leaves ret as it is.
int args_number(const struct args *a, const char *name, int64_t low, int64_t high, int64_t *ret,
                tasker_error *err) CHECKED;
// args_milliseconds reads seconds, which may have a fraction, as args_number does.
int args_milliseconds(const struct args *a, const char *name, int *ret, tasker_error *err) CHECKED;

// ---- input

// read_input appends a file ("-": standard input). TASKER_E_NOT_FOUND, TASKER_E_IO,
// TASKER_E_TOO_BIG.
int read_input(const char *path, struct buf *out, tasker_error *err) CHECKED;

// read_json appends the JSON that an argument means: itself, @file, or - for standard input. `what`
// names it in errors.
int read_json(const char *argument, const char *what, struct buf *out, tasker_error *err) CHECKED;

// ---- the database

// cli_open opens the chosen database. `more` has members of its options without the braces
// ("\"name\":\"x\""), NULL: none.
int cli_open(const struct cli *c, const char *more, tasker **ret, tasker_error *err) CHECKED;

// cli_register reads and registers a template file. Every finding is printed; 0 or the exit code.
// `ret_text` gets what tasker_register answers.
int cli_register(const struct cli *c, tasker *t, const char *path, bool replace,
                 tasker_text **ret_text);

// cli_call runs an operation on a task ("task.show") and parses its answer.
int cli_call(tasker *t, const char *operation, const char *arguments, struct arena *arena,
             tasker_text **ret_text, const struct json **ret, tasker_error *err) CHECKED;

#define TASK_ARGUMENTS_SIZE 48
// task_arguments writes {"task_id": id} and returns `out`.
char *task_arguments(char out[TASK_ARGUMENTS_SIZE], int64_t task_id);

// request_write writes the JSON of a submission: which template, the context (absent: none), and
// what the command line says besides.
struct request {
    struct span name, namespace_name, version, context;
    const struct args *args;
};
void request_write(const struct request *r, struct buf *out);
// request_template takes name, namespace and version from what cli_register answered; they are
// borrowed from `arena`.
int request_template(struct request *r, const tasker_text *registered, struct arena *arena,
                     tasker_error *err) CHECKED;

// progress_print writes one line about a step or task to standard error, from its live event.
// `named` also says which task it is.
void progress_print(const struct cli *c, const struct json *event, bool named);

// trouble_watch begins to say what keeps the engine of `t` from its work, that it is over, and that the database has lost
// commits, until trouble_done, which must come before tasker_close. Nothing is said with --json.
struct trouble {
    const struct cli *c;
    tasker *t;
    pthread_t thread;
    int over; // eventfd: readable when the watch is to end
    bool running;
    tasker_events *events; // of the database
    bool waited;           // at the last question a turn waited
    int64_t seen_at;       // of the engine's error at the last question, 0: none that lasts
    int64_t over_at;       // when the last trouble was over
    char said[512];
};
void trouble_watch(struct trouble *w, const struct cli *c, tasker *t);
void trouble_done(struct trouble *w);

int default_concurrency(void); // twice the processors

// ---- signals: SIGINT, SIGTERM and SIGHUP are blocked in the whole process and asked for

void signals_block(void);
void signals_unblock(void); // they end the process, as if they had never been blocked
int signals_pending(void); // takes one that has arrived; 0: none
bool signals_wait(int timeout_ms, int *ret_signal);

// ---- output

// fail prints the error and returns its exit code; usage_error prints it and where help is, and
// returns EXIT_USAGE.
int fail(const struct cli *c, const tasker_error *err);
int usage_error(const struct cli *c, const char *command, const tasker_error *err);

// note writes a line to standard error, unless --json.
void note(const struct cli *c, const char *fmt, ...) PRINTF_LIKE(2, 3);

// print_text writes JSON as it is and a newline; print_value writes it for people.
int print_text(const tasker_text *text);
void print_value(const struct cli *c, const struct json *v);

// print_table writes an array of objects as a table. `name` chooses the columns; a name that is not
// known, or NULL, gives all that occur.
void print_table(const struct cli *c, const struct json *rows, const char *name, int indent);

// print_clean writes text of any length without control characters other than newlines and tabs.
void print_clean(FILE *f, struct span text);

// state_colour returns the escape sequence for a state ("complete"), "" for other words; COLOUR_END
// ends it.
const char *state_colour(struct span state);
#define COLOUR_END "\033[0m"
#define COLOUR_BOLD "\033[1m"
#define COLOUR_DIM "\033[2m"

// json_text returns a member's text: strings unescaped, numbers as written, else absent.
struct span json_text(const struct json *object, const char *key);

// ---- commands

int command_run(struct cli *c);
int command_submit(struct cli *c);
int command_start(struct cli *c);
int command_register(struct cli *c);
int command_validate(struct cli *c);
int command_events(struct cli *c);
int command_bench(struct cli *c);
int command_help(struct cli *c);
int command_version(struct cli *c);
extern const struct option run_options[], submit_options[], register_options[], start_options[],
    events_options[], bench_options[];

// ---- operations as commands (operations.c)

// operation_find looks for the row whose words, or short word ("explain"), stand at the front of
// argv; ret_words is how many those are.
const tasker_operation_info *operation_find(int argc, char **argv, int *ret_words);
int operation_run(struct cli *c, const tasker_operation_info *op, int argc, char **argv);
// operation_options makes the options of an operation in `arena`; NULL: out of memory.
const struct option *operation_options(struct arena *arena, const tasker_operation_info *op);
void operation_words(const tasker_operation_info *op, char out[96]); // "task list"
const char *operation_short(const tasker_operation_info *op);        // "list", NULL: none

// ---- help (help.c)

void help_overview(FILE *out);
void help_command(FILE *out, const struct command *cmd);
void help_operation(FILE *out, const tasker_operation_info *op);
// help_group lists the operations whose first word this is; false: there are none.
bool help_group(FILE *out, const char *word);

#endif
