// SPDX-License-Identifier: MIT
// print.c - output for people: errors, tables, values. JSON goes out as it came in.
//
// Any answer of an operation can be printed: an array of objects becomes a table, an object becomes
// lines of name and value with its arrays of objects as tables below. Texts of others are cleaned
// of control characters, so that nothing stored in the database can speak to a terminal.
#include <inttypes.h>
#include <string.h>

#include "base/utf8.h"
#include "cli/cli.h"

#define COLUMN_MAX 24       // columns of a table
#define CELL_WIDTH_MAX 64   // characters of a cell of a table
#define LINE_WIDTH_MAX 2000 // characters of a value on a line of its own

// Which columns are shown of a list, by its name, as far as they occur.
struct view {
    const char *name;
    const char *columns[12];
};

static const struct view views[] = {
    {"tasks",
     {"task_id", "namespace", "name", "version", "state", "priority", "requested_at",
      "duration_ms"}},
    {"steps",
     {"name", "state", "attempts", "retry_limit", "handler_class", "started_at", "finished_at",
      "next_retry_at", "error"}},
    {"run", {"name", "state", "attempts", "results", "error"}},
    {"transitions", {"from", "to", "at", "metadata"}},
    {"engines", {"name", "host", "process", "alive", "tasks", "lease_until", "classes"}},
    {"templates", {"namespace", "name", "version", "hash", "directory", "created_at"}},
};

struct colour_row {
    const char *state, *sequence;
};

static const struct colour_row colours[] = {
    {"complete", "\033[32m"},  {"resolved_manually", "\033[32m"}, {"error", "\033[31m"},
    {"cancelled", "\033[35m"}, {"in_progress", "\033[33m"},       {"pending", "\033[36m"},
};

const char *state_colour(struct span state)
{
    for (size_t i = 0; i < ARRAY_SIZE(colours); i++)
        if (span_is(state, colours[i].state))
            return colours[i].sequence;
    return "";
}

struct span json_text(const struct json *object, const char *key)
{
    const struct json *v = json_get(object, key);

    if (v == NULL || (v->type != JSON_STRING && v->type != JSON_NUMBER))
        return (struct span){0};
    return v->str;
}

// ---- errors

static void error_json(FILE *f, const tasker_error *err)
{
    CLEANUP(buf_done) struct buf b;

    buf_init(&b, 1 << 16);
    jw_open(&b, '{');
    jw_key(&b, "error");
    jw_open(&b, '{');
    jw_kstr(&b, "code", tasker_error_name(err->code));
    jw_kstr(&b, "message", err->message);
    jw_kstr(&b, "where", err->where[0] != '\0' ? err->where : NULL);
    if (err->line > 0) {
        jw_kint(&b, "line", err->line);
        jw_kint(&b, "column", err->column);
    } else {
        jw_kraw(&b, "line", NULL, 0);
        jw_kraw(&b, "column", NULL, 0);
    }
    jw_kstr(&b, "remedy", err->remedy[0] != '\0' ? err->remedy : NULL);
    jw_close(&b, '}');
    jw_close(&b, '}');
    fprintf(f, "%s\n", buf_view(&b).p);
}

static void error_text(const struct cli *c, const tasker_error *err)
{
    const char *red = c->colour_err ? "\033[31m" : "", *end = c->colour_err ? COLOUR_END : "";

    if (err->where[0] != '\0' && err->line > 0)
        fprintf(stderr, "%stasker:%s %s:%d:%d: %s\n", red, end, err->where, err->line, err->column,
                err->message);
    else if (err->where[0] != '\0')
        fprintf(stderr, "%stasker:%s %s (at %s)\n", red, end, err->message, err->where);
    else
        fprintf(stderr, "%stasker:%s %s\n", red, end, err->message);
    if (err->remedy[0] != '\0')
        fprintf(stderr, "  %s\n", err->remedy);
}

int fail(const struct cli *c, const tasker_error *err)
{
    fflush(stdout);
    if (c->json)
        error_json(stderr, err);
    else
        error_text(c, err);
    return tasker_error_exit(err->code);
}

int usage_error(const struct cli *c, const char *command, const tasker_error *err)
{
    tasker_error told = *err;

    err_remedy(&told, "see: tasker help%s%s", command[0] != '\0' ? " " : "", command);
    fail(c, &told);
    return EXIT_USAGE;
}

void note(const struct cli *c, const char *fmt, ...)
{
    va_list args;

    if (c->json)
        return;
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
}

// ---- values

int print_text(const tasker_text *text)
{
    size_t size = tasker_text_size(text);

    fwrite(tasker_text_data(text), 1, size, stdout);
    fputc('\n', stdout);
    return fflush(stdout) == 0 ? 0 : tasker_error_exit(TASKER_E_IO);
}

// "2026-11-23T05:15:50.123456Z" is shown without its fraction.
static bool is_time(struct span s)
{
    return s.len == 27 && s.p[4] == '-' && s.p[10] == 'T' && s.p[19] == '.' && s.p[26] == 'Z';
}

// Appends at most `max` characters of `s`, without control characters; returns how many.
static size_t add_clean(struct buf *out, struct span s, size_t max)
{
    size_t at = 0, width = 0;

    while (at < s.len && width < max) {
        size_t n = utf8_length(s.p + at, s.len - at);
        unsigned char first = (unsigned char)s.p[at];
        // 0xC2 0x80-0x9F are control characters too.
        bool plain = n > 0 && first >= 0x20 && first != 0x7F &&
                     !(n == 2 && first == 0xC2 && (unsigned char)s.p[at + 1] < 0xA0);
        if (plain)
            buf_add(out, s.p + at, n);
        else
            buf_char(out, ' ');
        at += n > 0 ? n : 1;
        width++;
    }
    if (at < s.len) {
        buf_str(out, "…");
        width++;
    }
    return width;
}

static size_t add_cell(struct buf *out, const struct json *v, size_t max)
{
    if (v == NULL || v->type == JSON_NULL)
        return add_clean(out, SPAN("-"), max);
    if (v->type == JSON_STRING && is_time(v->str)) {
        size_t n = add_clean(out, (struct span){v->str.p, 10}, max);
        buf_char(out, ' ');
        return n + 1 + add_clean(out, (struct span){v->str.p + 11, 8}, max);
    }
    if (v->type == JSON_STRING || v->type == JSON_NUMBER)
        return add_clean(out, v->str, max);
    // An error says the most by its message.
    if (json_text(v, "message").p != NULL)
        return add_clean(out, json_text(v, "message"), max);
    return add_clean(out, v->raw, max);
}

static void pad(struct buf *out, size_t n)
{
    while (n-- > 0)
        buf_char(out, ' ');
}

static void add_coloured(const struct cli *c, struct buf *out, const struct json *v, size_t width)
{
    const char *colour =
        c->colour && v != NULL && v->type == JSON_STRING ? state_colour(v->str) : "";

    buf_str(out, colour);
    size_t n = add_cell(out, v, CELL_WIDTH_MAX);
    if (colour[0] != '\0')
        buf_str(out, COLOUR_END);
    if (width > n)
        pad(out, width - n);
}

// ---- tables

struct table {
    const char *names[COLUMN_MAX];
    struct span keys[COLUMN_MAX];
    size_t widths[COLUMN_MAX];
    bool numbers[COLUMN_MAX]; // to the right
    size_t count;
};

static void add_column(struct table *t, struct span key)
{
    for (size_t i = 0; i < t->count; i++)
        if (span_eq(t->keys[i], key))
            return;
    if (t->count < COLUMN_MAX) {
        t->numbers[t->count] = true;
        t->keys[t->count++] = key;
    }
}

static const struct json *cell_of(const struct json *row, struct span key)
{
    for (const struct json *v = row->child; v != NULL; v = v->next)
        if (span_eq(v->key, key))
            return v;
    return NULL;
}

static void measure(struct table *t, const struct json *rows)
{
    CLEANUP(buf_done) struct buf scratch;

    buf_init(&scratch, 1 << 20);
    for (size_t i = 0; i < t->count; i++) {
        t->widths[i] = t->keys[i].len;
        for (const struct json *row = rows->child; row != NULL; row = row->next) {
            const struct json *v = cell_of(row, t->keys[i]);
            buf_clear(&scratch);
            size_t n = add_cell(&scratch, v, CELL_WIDTH_MAX);
            t->widths[i] = n > t->widths[i] ? n : t->widths[i];
            if (v != NULL && v->type != JSON_NULL && v->type != JSON_NUMBER)
                t->numbers[i] = false;
        }
    }
}

static void print_row(const struct cli *c, const struct table *t, const struct json *row,
                      int indent)
{
    CLEANUP(buf_done) struct buf line, cell;

    buf_init(&line, 1 << 20);
    buf_init(&cell, 1 << 20);
    pad(&line, (size_t)indent);
    for (size_t i = 0; i < t->count; i++) {
        const struct json *v = cell_of(row, t->keys[i]);
        if (i > 0)
            buf_str(&line, "  ");
        if (t->numbers[i]) {
            buf_clear(&cell);
            size_t n = add_cell(&cell, v, CELL_WIDTH_MAX);
            pad(&line, t->widths[i] - n);
            buf_span(&line, buf_view(&cell));
        } else {
            add_coloured(c, &line, v, i + 1 < t->count ? t->widths[i] : 0);
        }
    }
    printf("%s\n", buf_view(&line).p);
}

static void print_heads(const struct cli *c, const struct table *t, int indent)
{
    printf("%*s%s", indent, "", c->colour ? COLOUR_BOLD : "");
    for (size_t i = 0; i < t->count; i++) {
        int len = (int)t->keys[i].len, width = (int)t->widths[i];
        bool last = i + 1 == t->count;
        if (t->numbers[i])
            printf("%*s%.*s", width - len, "", len, t->keys[i].p);
        else
            printf("%.*s%*s", len, t->keys[i].p, last ? 0 : width - len, "");
        if (!last)
            printf("  ");
    }
    printf("%s\n", c->colour ? COLOUR_END : "");
}

static void choose_columns(struct table *t, const struct json *rows, const char *name)
{
    const struct view *view = NULL;

    for (size_t i = 0; name != NULL && i < ARRAY_SIZE(views); i++)
        if (strcmp(views[i].name, name) == 0)
            view = &views[i];
    for (size_t i = 0; view != NULL && view->columns[i] != NULL; i++)
        for (const struct json *row = rows->child; row != NULL; row = row->next)
            if (json_get(row, view->columns[i]) != NULL)
                add_column(t, span_of(view->columns[i]));
    if (t->count > 0)
        return;
    for (const struct json *row = rows->child; row != NULL; row = row->next)
        for (const struct json *v = row->child; v != NULL; v = v->next)
            add_column(t, v->key);
}

void print_table(const struct cli *c, const struct json *rows, const char *name, int indent)
{
    struct table t = {0};

    if (rows->count == 0) {
        printf("%*snone\n", indent, "");
        return;
    }
    choose_columns(&t, rows, name);
    measure(&t, rows);
    print_heads(c, &t, indent);
    for (const struct json *row = rows->child; row != NULL; row = row->next)
        print_row(c, &t, row, indent);
}

void print_clean(FILE *f, struct span text)
{
    CLEANUP(buf_done) struct buf line;

    buf_init(&line, ANSWER_MAX);
    for (size_t at = 0; at < text.len; at++) {
        size_t start = at;
        while (at < text.len && text.p[at] != '\n' && text.p[at] != '\t')
            at++;
        add_clean(&line, (struct span){text.p + start, at - start}, SIZE_MAX);
        if (at < text.len)
            buf_char(&line, text.p[at]);
    }
    fwrite(buf_view(&line).p, 1, line.len, f);
}

// ---- any value

static bool is_table(const struct json *v)
{
    if (v->type != JSON_ARRAY || v->count == 0)
        return false;
    for (const struct json *row = v->child; row != NULL; row = row->next)
        if (row->type != JSON_OBJECT)
            return false;
    return true;
}

static void print_object(const struct cli *c, const struct json *v, int indent);

static void print_member(const struct cli *c, const struct json *m, int indent, int width)
{
    CLEANUP(buf_done) struct buf text;
    const char *bold = c->colour ? COLOUR_BOLD : "", *end = c->colour ? COLOUR_END : "";

    buf_init(&text, 1 << 20);
    if (is_table(m)) {
        printf("\n%*s%s%.*s%s\n", indent, "", bold, (int)m->key.len, m->key.p, end);
        char name[32];
        snprintf(name, sizeof(name), "%.*s", (int)m->key.len, m->key.p);
        print_table(c, m, name, indent + 2);
        return;
    }
    if (m->type == JSON_OBJECT && m->count > 0) {
        printf("%*s%s%.*s%s\n", indent, "", bold, (int)m->key.len, m->key.p, end);
        print_object(c, m, indent + 2);
        return;
    }
    const char *colour = c->colour && m->type == JSON_STRING ? state_colour(m->str) : "";
    add_cell(&text, m, LINE_WIDTH_MAX);
    printf("%*s%.*s%*s  %s%s%s\n", indent, "", (int)m->key.len, m->key.p, width - (int)m->key.len,
           "", colour, buf_view(&text).p, colour[0] != '\0' ? COLOUR_END : "");
}

static void print_object(const struct cli *c, const struct json *v, int indent)
{
    int width = 0;

    for (const struct json *m = v->child; m != NULL; m = m->next)
        if ((int)m->key.len > width && !is_table(m))
            width = (int)m->key.len;
    for (const struct json *m = v->child; m != NULL; m = m->next)
        if (!is_table(m))
            print_member(c, m, indent, width);
    for (const struct json *m = v->child; m != NULL; m = m->next)
        if (is_table(m))
            print_member(c, m, indent, width);
}

void print_value(const struct cli *c, const struct json *v)
{
    CLEANUP(buf_done) struct buf text;

    buf_init(&text, 1 << 20);
    if (v->type == JSON_OBJECT) {
        print_object(c, v, 0);
    } else if (is_table(v) || (v->type == JSON_ARRAY && v->count == 0)) {
        print_table(c, v, NULL, 0);
    } else {
        add_cell(&text, v, LINE_WIDTH_MAX);
        printf("%s\n", buf_view(&text).p);
    }
}
