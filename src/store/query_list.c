// SPDX-License-Identifier: MIT
// query_list.c - see query_list.h.
#include "store/query_list.h"

#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "model/change.h"
#include "model/state.h"

#define LIMIT_DEFAULT 50
#define EACH_GROUP 32 // about the root of FILTER_LIST_MAX

// ---- filters

static int no_state(struct span text, const char *argument, int place, tasker_error *err)
{
    err_set(err, TASKER_E_INVALID, "nothing is ever \"%.*s\"", (int)(text.len < 100 ? text.len : 100), text.p);
    if (place >= 0)
        err_where(err, 0, 0, "$.%s[%d]", argument, place);
    else
        err_where(err, 0, 0, "$.%s", argument);
    err_remedy(err, "states: pending, in_progress, complete, error, cancelled, resolved_manually");
    return TASKER_E_INVALID;
}

static int check_states(const struct filter *f, const struct json *v, tasker_error *err)
{
    int place = 0;

    if (f->kind == FILTER_STATE && state_from_name(v->str) == ST_NONE)
        return no_state(v->str, f->argument, -1, err);
    for (const struct json *s = v->child; f->kind == FILTER_STATES && s != NULL; s = s->next, place++)
        if (state_from_name(s->str) == ST_NONE)
            return no_state(s->str, f->argument, place, err);
    return 0;
}

static bool list_of(const struct json *v, enum json_type type)
{
    if (v->type != JSON_ARRAY)
        return false;
    for (const struct json *item = v->child; item != NULL; item = item->next)
        if (item->type != type)
            return false;
    return true;
}

// The floors above have checked types; what is wrong nevertheless counts as not given.
static bool fits(const struct filter *f, const struct json *v)
{
    int64_t n;

    switch (f->kind) {
    case FILTER_INT:
        return json_int(v, &n);
    case FILTER_BOOL:
        return v->type == JSON_BOOL;
    case FILTER_TIME:
        return v->type == JSON_STRING && time_parse(v->str, &n);
    case FILTER_INTS:
        return list_of(v, JSON_NUMBER);
    case FILTER_STATES:
    case FILTER_TEXTS:
    case FILTER_EACH:
        return list_of(v, JSON_STRING);
    default:
        return v->type == JSON_STRING;
    }
}

// The key that a value belongs to: the argument "x_value" has its key in "x_key".
static int add_key(struct build *b, const struct filter *f, tasker_error *err)
{
    char name[64];
    size_t n = strlen(f->argument) - strlen("value");

    snprintf(name, sizeof(name), "%.*skey", (int)n, f->argument);
    struct span key = given_text(b->a, name);
    if (key.p == NULL) {
        err_set(err, TASKER_E_INVALID, "\"%s\" needs \"%s\", the key that it is looked for under", f->argument, name);
        err_where(err, 0, 0, "$.%s", f->argument);
        return TASKER_E_INVALID;
    }
    build_text(b, key);
    return 0;
}

// A state other than pending has a row. On PostgreSQL there is an index of those that are not complete, which is of no
// use for what stands in a COALESCE; SQLite has none, and would read all rows first.
static void add_state(struct build *b, const struct filter *f, const struct json *v)
{
    bool pending = !b->a->postgres || span_is(v->str, state_names[ST_PENDING]);

    for (const struct json *s = v->child; s != NULL && f->kind == FILTER_STATES; s = s->next)
        pending = pending || span_is(s->str, state_names[ST_PENDING]);
    buf_printf(&b->sql, pending ? "COALESCE(%s, 'pending')" : "%s", f->sql);
    if (f->kind == FILTER_STATES) {
        build_list(b, " IN ?", v);
        return;
    }
    build_add(b, " = ?");
    build_text(b, v->str);
}

static int add_filter(struct build *b, const struct filter *f, const struct json *v, tasker_error *err)
{
    int64_t n = 0;
    int rc = check_states(f, v, err);

    if (rc < 0)
        return rc;
    switch (f->kind) {
    case FILTER_INT:
        (void)json_int(v, &n);
        build_add(b, f->sql);
        build_int(b, n);
        break;
    case FILTER_TIME:
        (void)time_parse(v->str, &n);
        build_add(b, f->sql);
        build_time(b, n);
        break;
    case FILTER_BOOL:
        buf_str(&b->sql, v->truth ? "(" : "NOT (");
        build_add(b, f->sql);
        buf_char(&b->sql, ')');
        break;
    case FILTER_STATE:
    case FILTER_STATES:
        add_state(b, f, v);
        break;
    case FILTER_TEXTS:
    case FILTER_INTS:
        build_list(b, f->sql, v);
        break;
    case FILTER_VALUE:
    case FILTER_ANNOTATION_VALUE:
        rc = add_key(b, f, err);
        build_add(b, f->sql);
        build_text(b, v->str);
        break;
    default:
        build_add(b, f->sql);
        build_text(b, v->str);
    }
    return rc;
}

// In groups: the depth of an expression has a limit in SQLite, and "a AND b AND c" is deeper by one for each of them.
static int add_each(struct build *b, const struct filter *f, const struct json *list, tasker_error *err)
{
    const struct filter one = {f->argument, FILTER_TEXT, f->sql};
    int rc = 0, place = 0;

    build_add(b, "({true} = {true}");
    for (const struct json *v = list->child; v != NULL && rc == 0; v = v->next, place++) {
        buf_str(&b->sql, place % EACH_GROUP == 0 ? ") AND (" : " AND ");
        rc = add_filter(b, &one, v, err);
    }
    buf_char(&b->sql, ')');
    return rc;
}

int list_filters(struct build *b, const struct filter *filters, tasker_error *err)
{
    bool inside = false; // of the EXISTS around the filters about an annotation
    int rc = 0;

    for (const struct filter *f = filters; f->argument != NULL && rc == 0; f++) {
        const struct json *v = json_get(b->a->args, f->argument);
        if (v == NULL || !fits(f, v))
            continue;
        bool annotation = f->kind >= FILTER_ANNOTATION_TEXT;
        if (inside && !annotation)
            buf_char(&b->sql, ')');
        if (!inside && annotation)
            build_add(b, " AND " SOME_ANNOTATION);
        inside = annotation;
        buf_str(&b->sql, " AND ");
        rc = f->kind == FILTER_EACH ? add_each(b, f, v, err) : add_filter(b, f, v, err);
    }
    if (inside)
        buf_char(&b->sql, ')');
    return rc;
}

// ---- columns

static void write_us(struct inquiry *a, const char *name, struct rows *c, int i)
{
    jw_ktime(a->out, name, rows_int(c, i));
}

static void write_priority(struct inquiry *a, const char *name, struct rows *c, int i)
{
    int64_t n = rows_null(c, i) ? -1 : rows_int(c, i);

    jw_kstr(a->out, name, n >= 0 && n < PRIO_COUNT ? priority_names[n] : NULL);
}

static void write_ms(struct inquiry *a, const char *name, struct rows *c, int i)
{
    int64_t from = rows_time(c, i - 2), to = rows_time(c, i - 1);

    if (from != 0 && to != 0)
        jw_kint(a->out, name, (to - from) / US_PER_MS);
    else
        jw_kraw(a->out, name, NULL, 0);
}

static void (*const writers[])(struct inquiry *a, const char *name, struct rows *c, int i) = {
    [COLUMN_INT] = put_int,   [COLUMN_TEXT] = put_text, [COLUMN_JSON] = put_json,
    [COLUMN_BOOL] = put_bool, [COLUMN_TIME] = put_time, [COLUMN_US] = write_us,
    [COLUMN_PRIORITY] = write_priority, [COLUMN_MS] = write_ms,
};

void write_columns(struct inquiry *a, struct rows *c, const struct column *columns, int first)
{
    int i = first;

    for (const struct column *m = columns; m->name != NULL; m++) {
        writers[m->kind](a, m->name, c, i);
        i += m->sql != NULL;
    }
}

// ---- pages

struct page {
    int64_t limit, behind; // behind: the key of the row before, when `follows`
    bool follows, oldest, count;
};

// "n17": newest first, behind key 17.
static int read_after(const struct inquiry *a, struct page *p, tasker_error *err)
{
    struct span after = given_text(a, "after");
    const struct json *number = NULL;
    CLEANUP(arena_done) struct arena arena;

    arena_init(&arena);
    if (after.p == NULL)
        return 0;
    bool whole = after.len > 1 && after.p[0] == (p->oldest ? 'o' : 'n') &&
                 json_parse(&arena, (struct span){after.p + 1, after.len - 1}, &number, NULL) == 0 &&
                 json_int(number, &p->behind);
    p->follows = true;
    if (whole)
        return 0;
    err_set(err, TASKER_E_INVALID, "\"%.*s\" is no place in this list", (int)(after.len < 60 ? after.len : 60),
            after.p);
    err_where(err, 0, 0, "$.after");
    err_remedy(err, "\"after\" takes the \"next\" of the page before, with the same order");
    return TASKER_E_INVALID;
}

static int read_page(const struct inquiry *a, const struct listing *l, struct page *p, tasker_error *err)
{
    struct span order = given_text(a, "order");
    const struct json *count = json_get(a->args, "count");

    *p = (struct page){.limit = given_limit(a, LIMIT_DEFAULT), .oldest = l->oldest};
    p->count = count != NULL && count->type == JSON_BOOL && count->truth;
    if (order.p != NULL) {
        p->oldest = span_is(order, "oldest");
        if (!p->oldest && !span_is(order, "newest")) {
            err_set(err, TASKER_E_INVALID, "there is no order \"%.*s\"", (int)(order.len < 60 ? order.len : 60),
                    order.p);
            err_where(err, 0, 0, "$.order");
            err_remedy(err, "orders: newest, oldest");
            return TASKER_E_INVALID;
        }
    }
    return read_after(a, p, err);
}

static int add_conditions(struct build *b, const struct listing *l, tasker_error *err)
{
    build_add(b, " WHERE ");
    build_add(b, l->where != NULL ? l->where : "{true} = {true}");
    int rc = list_filters(b, l->filters, err);
    return rc == 0 && l->more != NULL ? l->more(b, err) : rc;
}

static int open_page(struct build *b, const struct listing *l, const struct page *p, struct rows *c,
                     tasker_error *err)
{
    build_add(b, "SELECT ");
    build_add(b, l->key);
    for (const struct column *m = l->columns; m->name != NULL; m++) {
        if (m->sql == NULL)
            continue;
        buf_str(&b->sql, ", ");
        build_add(b, m->sql);
    }
    build_add(b, l->from);
    int rc = add_conditions(b, l, err);
    if (p->follows) {
        buf_printf(&b->sql, " AND %s %c ", l->key, p->oldest ? '>' : '<');
        build_add(b, "?");
        build_int(b, p->behind);
    }
    // One more than is shown tells whether there is a next page.
    buf_printf(&b->sql, " ORDER BY %s %s LIMIT %lld", l->key, p->oldest ? "ASC" : "DESC", (long long)p->limit + 1);
    return rc < 0 ? rc : build_open(b, c, err);
}

static int write_page(struct inquiry *a, const struct listing *l, const struct page *p, tasker_error *err)
{
    CLEANUP(build_done) struct build b;
    CLEANUP(rows_close) struct rows c = {0};
    int64_t last = 0, shown = 0;

    build_init(&b, a);
    int rc = open_page(&b, l, p, &c, err);
    if (rc < 0)
        return rc;
    jw_key(a->out, l->name);
    jw_open(a->out, '[');
    while ((rc = rows_next(&c, err)) == 1 && shown < p->limit) {
        jw_open(a->out, '{');
        write_columns(a, &c, l->columns, 1);
        jw_close(a->out, '}');
        last = rows_int(&c, 0);
        shown++;
    }
    jw_close(a->out, ']');
    jw_key(a->out, "next");
    char next[32];
    snprintf(next, sizeof(next), "%c%lld", p->oldest ? 'o' : 'n', (long long)last);
    jw_str(a->out, rc == 1 ? next : NULL);
    return rc < 0 ? rc : 0;
}

static int write_total(struct inquiry *a, const struct listing *l, tasker_error *err)
{
    CLEANUP(build_done) struct build b;
    CLEANUP(rows_close) struct rows c = {0};

    build_init(&b, a);
    build_add(&b, "SELECT count(*)");
    build_add(&b, l->from);
    int rc = add_conditions(&b, l, err);
    if (rc == 0)
        rc = build_open(&b, &c, err);
    if (rc == 0)
        rc = rows_next(&c, err);
    if (rc == 1)
        jw_kint(a->out, "total", rows_int(&c, 0));
    return rc < 0 ? rc : 0;
}

int list_answer(struct inquiry *a, const struct listing *l, tasker_error *err)
{
    struct page p;
    int rc = read_page(a, l, &p, err);

    if (rc < 0)
        return rc;
    jw_open(a->out, '{');
    rc = write_page(a, l, &p, err);
    if (rc == 0 && p.count)
        rc = write_total(a, l, err);
    else
        jw_kraw(a->out, "total", NULL, 0);
    jw_close(a->out, '}');
    return rc;
}
