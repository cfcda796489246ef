// SPDX-License-Identifier: MIT
// query_build.c - see query_build.h.
#include "store/query_build.h"

#include <string.h>

#include "model/state.h"

#define SQL_MAX ((size_t)1 << 20)

void build_init(struct build *b, struct inquiry *a)
{
    *b = (struct build){.a = a};
    buf_init(&b->sql, SQL_MAX);
}

void build_done(struct build *b)
{
    buf_done(&b->sql);
    mem_free(b->values);
    b->values = NULL;
}

// ---- parameters

static void add_value(struct build *b, struct value v)
{
    if (mem_grow(&b->values, &b->cap, b->count + 1, sizeof(*b->values)) < 0)
        b->failed = true;
    else
        b->values[b->count++] = v;
}

void build_int(struct build *b, int64_t v)
{
    add_value(b, (struct value){VALUE_INT, v, {NULL, 0}});
}

void build_text(struct build *b, struct span text)
{
    add_value(b, (struct value){text.p == NULL ? VALUE_NULL : VALUE_TEXT, 0, text});
}

void build_time(struct build *b, int64_t us)
{
    add_value(b, (struct value){VALUE_TIME, us, {NULL, 0}});
}

void build_bool(struct build *b, bool v)
{
    add_value(b, (struct value){VALUE_BOOL, v, {NULL, 0}});
}

// ---- parts

static void put_us(struct build *b, struct span x)
{
    int n = (int)x.len;

    if (b->a->postgres)
        buf_printf(&b->sql, "(EXTRACT(EPOCH FROM %.*s) * 1000000)::bigint", n, x.p);
    else
        buf_printf(&b->sql,
                   "(CAST(strftime('%%s', substr(%.*s, 1, 19)) AS INTEGER) * 1000000"
                   " + CAST(substr(%.*s || '000000', 21, 6) AS INTEGER))",
                   n, x.p, n, x.p);
}

static void put_tagged(struct build *b, struct span x)
{
    int n = (int)x.len;

    buf_printf(&b->sql,
               b->a->postgres ? "(jsonb_typeof(%.*s) = 'array' AND jsonb_exists(%.*s, "
                              : "(json_type(%.*s) = 'array' AND EXISTS (SELECT 1 FROM json_each(%.*s) j"
                                " WHERE j.type = 'text' AND j.value = ",
               n, x.p, n, x.p);
    build_add(b, "?))");
}

static void put_has(struct build *b, struct span x)
{
    int n = (int)x.len;

    if (b->a->postgres)
        buf_printf(&b->sql, "(jsonb_typeof(%.*s) = 'object' AND jsonb_exists(%.*s, ", n, x.p, n, x.p);
    else
        buf_printf(&b->sql, "(json_type(%.*s) = 'object' AND EXISTS (SELECT 1 FROM json_each(%.*s) j WHERE j.key = ",
                   n, x.p, n, x.p);
    build_add(b, b->a->postgres ? "?))" : "?))");
}

// Numbers as the database writes them: in SQLite as they were given, which a value of the row would round. A key with a
// quotation mark has no path there.
static void put_value(struct build *b, struct span x)
{
    int n = (int)x.len;

    if (b->a->postgres) {
        buf_printf(&b->sql, "(jsonb_typeof(%.*s) = 'object' AND (%.*s ->> CAST(", n, x.p, n, x.p);
        build_add(b, "? AS text)) = ?");
        buf_printf(&b->sql, " AND jsonb_typeof(%.*s -> CAST($%zu AS text)) NOT IN ('object', 'array'))", n, x.p,
                   b->places - 1);
        return;
    }
    buf_printf(&b->sql,
               "(json_type(%.*s) = 'object' AND EXISTS (SELECT 1 FROM json_each(%.*s) j WHERE j.key = ", n, x.p, n,
               x.p);
    build_add(b, "? AND CASE WHEN j.type IN ('true', 'false') THEN j.type WHEN j.type IN ('null', 'object', 'array')"
                 " THEN NULL WHEN j.type = 'text' OR instr(j.key, '\"') > 0 THEN CAST(j.value AS TEXT)");
    buf_printf(&b->sql, " ELSE %.*s -> j.fullkey END = ", n, x.p);
    build_add(b, "?))");
}

static void put_member(struct build *b, struct span x)
{
    size_t n = x.len;

    while (n > 0 && x.p[n - 1] != ' ')
        n--;
    int column = (int)(n > 0 ? n - 1 : 0), key = (int)(x.len - n);
    if (b->a->postgres)
        buf_printf(&b->sql, "(%.*s ->> '%.*s')", column, x.p, key, x.p + n);
    else
        buf_printf(&b->sql, "(CASE WHEN json_valid(%.*s) THEN %.*s ->> '%.*s' END)", column, x.p, column, x.p, key,
                   x.p + n);
}

static void put_object(struct build *b, struct span x)
{
    int n = (int)x.len;

    if (b->a->postgres)
        buf_printf(&b->sql, "(jsonb_typeof(%.*s) = 'object')", n, x.p);
    else
        buf_printf(&b->sql, "(CASE WHEN json_valid(%.*s) THEN json_type(%.*s) = 'object' ELSE 0 END)", n, x.p, n, x.p);
}

static void put_now(struct build *b, struct span x)
{
    (void)x;
    buf_printf(&b->sql, "%lld", (long long)b->a->now);
}

static void put_true(struct build *b, struct span x)
{
    (void)x;
    buf_str(&b->sql, b->a->postgres ? "true" : "1");
}

static void put_false(struct build *b, struct span x)
{
    (void)x;
    buf_str(&b->sql, b->a->postgres ? "false" : "0");
}

static void put_jsonb(struct build *b, struct span x)
{
    (void)x;
    build_add(b, b->a->postgres ? "CAST(? AS jsonb)" : "?");
}

static void put_lock(struct build *b, struct span x)
{
    (void)x;
    if (b->a->postgres)
        buf_str(&b->sql, " FOR UPDATE SKIP LOCKED");
}

static void put_hold(struct build *b, struct span x)
{
    (void)x;
    if (b->a->postgres)
        buf_str(&b->sql, " FOR KEY SHARE");
}

static void put_own(struct build *b, struct span x)
{
    (void)x;
    if (b->a->postgres)
        buf_str(&b->sql, " FOR NO KEY UPDATE");
}

// An array, because PostgreSQL does not move what it looks for through more than eight joins to their front.
static void put_among(struct build *b, struct span x)
{
    (void)x;
    buf_str(&b->sql, b->a->postgres ? "= ANY (ARRAY(" : "IN (");
}

static void put_end(struct build *b, struct span x)
{
    (void)x;
    buf_str(&b->sql, b->a->postgres ? "))" : ")");
}

static void put_alone(struct build *b, struct span x)
{
    (void)x;
    if (b->a->postgres)
        buf_str(&b->sql, " FOR UPDATE");
}

// ---- lists of the model's

static void put_name(struct build *b, bool *first, const char *from, const char *to)
{
    buf_printf(&b->sql, "%s'%s%s%s'", *first ? "(" : ", ", from, from[0] != '\0' ? ">" : "", to);
    *first = false;
}

static enum state step_next(enum state from, enum state_event event)
{
    return (enum state)step_move(from, event).next;
}

static void put_moves(struct build *b, enum state (*next)(enum state from, enum state_event event))
{
    bool first = true;

    for (unsigned from = 0; from < ST_COUNT; from++)
        for (unsigned event = 0; event < SE_COUNT; event++)
            if (next((enum state)from, (enum state_event)event) != ST_NONE)
                put_name(b, &first, state_names[from], state_names[next((enum state)from, (enum state_event)event)]);
    buf_char(&b->sql, ')');
}

static void put_states(struct build *b, bool (*is)(enum state s))
{
    bool first = true;

    for (unsigned s = 0; s < ST_COUNT; s++)
        if (is((enum state)s))
            put_name(b, &first, "", state_names[s]);
    buf_char(&b->sql, ')');
}

static bool spent(enum state s)
{
    for (unsigned event = 0; event < SE_COUNT; event++) {
        struct step_move mv = step_move(ST_IN_PROGRESS, (enum state_event)event);
        if (mv.next == s && (mv.effects & FX_ATTEMPT) != 0)
            return true;
    }
    return false;
}

static void put_task_moves(struct build *b, struct span x)
{
    (void)x;
    put_moves(b, task_move);
}

static void put_step_moves(struct build *b, struct span x)
{
    (void)x;
    put_moves(b, step_next);
}

static void put_task_ends(struct build *b, struct span x)
{
    (void)x;
    put_states(b, task_state_final);
}

static void put_step_done(struct build *b, struct span x)
{
    (void)x;
    put_states(b, state_done);
}

static void put_step_spent(struct build *b, struct span x)
{
    (void)x;
    put_states(b, spent);
}

static const struct {
    const char *word;
    void (*put)(struct build *b, struct span x);
} words[] = {
    {"true", put_true},     {"false", put_false}, {"now", put_now},     {"us", put_us},
    {"tagged", put_tagged}, {"has", put_has},     {"value", put_value}, {"lock", put_lock},
    {"json", put_jsonb},    {"hold", put_hold},   {"own", put_own},
    {"among", put_among},   {"end", put_end},
    {"alone", put_alone},   {"member", put_member}, {"object", put_object},
    {"task_moves", put_task_moves}, {"step_moves", put_step_moves}, {"task_ends", put_task_ends},
    {"step_done", put_step_done},   {"step_spent", put_step_spent},
};

// "us EXPR" between braces.
static void put_word(struct build *b, struct span inside)
{
    size_t n = 0;

    while (n < inside.len && inside.p[n] != ' ')
        n++;
    struct span word = {inside.p, n}, rest = {inside.p + n, inside.len - n};
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (!span_is(word, words[i].word))
            continue;
        words[i].put(b, rest);
        return;
    }
    b->failed = true; // a part that is wrong: the statement must not run
}

static void put_parameter(struct build *b, size_t number)
{
    buf_printf(&b->sql, b->a->postgres ? "$%zu" : "?%zu", number);
}

void build_add(struct build *b, const char *part)
{
    while (*part != '\0') {
        size_t n = strcspn(part, "{?");
        buf_add(&b->sql, part, n);
        part += n;
        if (*part == '?') {
            put_parameter(b, ++b->places);
            part++;
        } else if (*part == '{') {
            size_t end = strcspn(part, "}");
            put_word(b, (struct span){part + 1, end - 1});
            part += end + (part[end] == '}');
        }
    }
}

void build_list(struct build *b, const char *part, const struct json *list)
{
    size_t n = strcspn(part, "?");
    int64_t number;

    buf_add(&b->sql, part, n);
    buf_char(&b->sql, '(');
    if (list->child == NULL)
        buf_str(&b->sql, "NULL"); // nothing fits
    for (const struct json *v = list->child; v != NULL; v = v->next) {
        if (v != list->child)
            buf_char(&b->sql, ',');
        put_parameter(b, ++b->places);
        if (v->type == JSON_STRING)
            build_text(b, v->str);
        else
            build_int(b, json_int(v, &number) ? number : 0);
    }
    buf_char(&b->sql, ')');
    build_add(b, part[n] == '?' ? part + n + 1 : "");
}

// ---- running

int build_open(struct build *b, struct rows *ret, tasker_error *err)
{
    if (b->failed || buf_failed(&b->sql))
        return err_nomem(err);
    if (b->places != b->count)
        return err_set(err, TASKER_E_BUG, "a statement has %zu places for %zu values", b->places, b->count);
    return b->a->ops->open(b->a, buf_view(&b->sql).p, b->values, b->count, ret, err);
}

int build_run(struct build *b, int64_t *ret_hit, tasker_error *err)
{
    CLEANUP(rows_close) struct rows r = {0};
    int rc = build_open(b, &r, err);

    if (rc == 0 && ret_hit != NULL)
        *ret_hit = r.a->ops->hit(&r);
    return rc;
}

int build_one(struct build *b, int64_t otherwise, int64_t *ret, tasker_error *err)
{
    CLEANUP(rows_close) struct rows r = {0};
    int rc = build_open(b, &r, err);

    if (rc == 0)
        rc = rows_next(&r, err);
    if (rc < 0)
        return rc;
    *ret = rc == 1 ? rows_int(&r, 0) : otherwise;
    return 0;
}
