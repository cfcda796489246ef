// SPDX-License-Identifier: MIT
// postgres_keys.c - foreign keys checked once a turn, where the URI asks for it ("tasker_foreign_keys=each_turn").
//
// PostgreSQL checks a foreign key row by row: a query for each, which is a third to more than half of what a step costs
// the server. A turn knows better which rows it refers to. Most it has inserted, updated or flipped itself. Of what is
// left, each row is locked and counted once, FOR KEY SHARE, exactly as the server would have done it: so it is there, and
// stays until the turn has ended. What has been flipped pins its task or step: nobody deletes that before the row, and the
// row is ours.
//
// The server's own checks are off in such a session (session_replication_role = replica), and with them all triggers of
// others on these tables. Where there are any, unless they are ENABLE ALWAYS, nothing is written in this way. The parameter
// goes with the request to connect, never by SET: no pooler can give a session with it to somebody else.
#include "store/postgres.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum parent { NAMED_TASKS, NAMED_STEPS, TASKS, STEPS, PARENTS };

static const struct {
    enum pg_statement lock;
    enum pg_type type;
} parents[PARENTS] = {
    [NAMED_TASKS] = {PG_LOCK_NAMED_TASKS, PG_INT4},
    [NAMED_STEPS] = {PG_LOCK_NAMED_STEPS, PG_INT4},
    [TASKS] = {PG_LOCK_TASKS, PG_INT8},
    [STEPS] = {PG_LOCK_STEPS, PG_INT8},
};

// Where a change names one of them, and whether with that change it is there for certain. A row of a chain, when it flips
// the one before.
enum holds { NEEDS, HOLDS, HOLDS_FLIPPED };
#define ID(member) offsetof(struct change, member), sizeof(((struct change *)NULL)->member)
static const struct reference {
    uint8_t kind, parent, holds;
    size_t offset, size;
} references[] = {
    {CH_TASK_INSERT, NAMED_TASKS, NEEDS, ID(task.named_task_id)},
    {CH_TASK_INSERT, TASKS, HOLDS, ID(task.task_id)},
    {CH_STEP_INSERT, NAMED_STEPS, NEEDS, ID(step.named_step_id)},
    {CH_STEP_INSERT, TASKS, NEEDS, ID(step.task_id)},
    {CH_STEP_INSERT, STEPS, HOLDS, ID(step.step_id)},
    {CH_EDGE_INSERT, STEPS, NEEDS, ID(edge.from)},
    {CH_EDGE_INSERT, STEPS, NEEDS, ID(edge.to)},
    {CH_TASK_ROW, TASKS, HOLDS_FLIPPED, ID(row.owner_id)},
    {CH_STEP_ROW, STEPS, HOLDS_FLIPPED, ID(row.owner_id)},
    {CH_TASK_COMPLETE, TASKS, HOLDS, ID(complete.task_id)},
    {CH_STEP_UPDATE, STEPS, HOLDS, ID(step_update.step_id)},
};

// An id, and from which change of the turn on it holds, or which change needs it.
struct id {
    int64_t id;
    size_t at;
};
struct ids {
    struct id *list;
    size_t count;
};

static bool holds(const struct reference *r, const struct change *c)
{
    return r->holds == HOLDS_FLIPPED ? c->row.flip : r->holds == HOLDS;
}

static int64_t id_in(const struct change *c, const struct reference *r)
{
    int32_t narrow;
    int64_t wide;
    const char *at = (const char *)c + r->offset;
    if (r->size == sizeof(wide)) {
        memcpy(&wide, at, sizeof(wide));
        return wide;
    }
    memcpy(&narrow, at, sizeof(narrow));
    return narrow;
}

static int in_order(const void *a, const void *b)
{
    const struct id *x = a, *y = b;
    return x->id != y->id ? (x->id > y->id) - (x->id < y->id) : (x->at > y->at) - (x->at < y->at);
}

static int by_id(const void *a, const void *b)
{
    const struct id *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

// A row that flips one of the turn's own pins nothing: it must come before those that rely on it.
static bool held_at(const struct ids *s, struct id need)
{
    const struct id *held = s->count > 0 ? bsearch(&need, s->list, s->count, sizeof(need), by_id) : NULL;
    return held && held->at <= need.at;
}

// Each id once, with its first change. They come mostly in order.
static void sort_once(struct ids *s)
{
    size_t sorted = 1, kept = 0;
    while (sorted < s->count && in_order(&s->list[sorted - 1], &s->list[sorted]) <= 0)
        sorted++;
    if (sorted < s->count)
        qsort(s->list, s->count, sizeof(s->list[0]), in_order);
    for (size_t i = 0; i < s->count; i++)
        if (kept == 0 || s->list[kept - 1].id != s->list[i].id)
            s->list[kept++] = s->list[i];
    s->count = kept;
}

// The ids of one parent that changes of this sort name, less those of `less`, each once. False: out of memory.
static bool collect(const struct turn *t, enum parent parent, bool held, const struct ids *less, struct arena *a,
                    struct ids *ret)
{
    for (size_t k = 0; k < ARRAY_SIZE(references); k++) {
        const struct reference *r = &references[k];
        for (size_t i = 0; r->parent == parent && i < t->change_count; i++) {
            const struct change *c = &t->changes[i];
            if (c->kind != r->kind || holds(r, c) != held)
                continue;
            struct id id = {id_in(c, r), r->holds == HOLDS ? 0 : i};
            if (held_at(less, id) || (ret->count > 0 && ret->list[ret->count - 1].id == id.id))
                continue;
            struct id *place = arena_push(a, &ret->list, &ret->count, sizeof(*place));
            if (!place)
                return false;
            *place = id;
        }
    }
    sort_once(ret);
    return true;
}

static void lock(struct pipe *q, enum parent parent, const struct ids *s)
{
    pipe_add(q, parents[parent].lock);
    if (s->count == 1)
        pipe_note(q, (int64_t)s->list[0].at);
    pipe_array(q, parents[parent].type, s->count);
    for (size_t i = 0; i < s->count; i++)
        pipe_item_int(q, s->list[i].id);
    pipe_int8(q, (int64_t)s->count);
}

void postgres_lock_parents(struct pipe *q, const struct turn *turn)
{
    struct arena a;
    arena_init(&a);
    for (enum parent p = 0; p < PARENTS && !q->failed; p++) {
        struct ids none = {0}, held = {0}, needed = {0};
        q->failed = !collect(turn, p, true, &none, &a, &held) || !collect(turn, p, false, &held, &a, &needed);
        if (!q->failed && needed.count > 0)
            lock(q, p, &needed);
    }
    arena_done(&a);
}

// ------------------------------------------------------------------------------------------------------- the session

#define NO_POOLER "connect directly, without a pooler, or leave tasker_foreign_keys out of the URI"

const char *postgres_keys_remedy(const char *words)
{
    if (strstr(words, "session_replication_role"))
        return "GRANT SET ON PARAMETER session_replication_role TO the role (PostgreSQL 15 or newer), or leave "
               "tasker_foreign_keys out of the URI";
    return strstr(words, "startup parameter") ? NO_POOLER : NULL;
}

bool postgres_keys_ready(struct postgres *p)
{
    PGresult *r = PQexec(p->conn, "SELECT current_setting('session_replication_role') = 'replica', (" SILENCED_TRIGGER ")");
    bool asked = PQresultStatus(r) == PGRES_TUPLES_OK, ready = asked && pg_bool_at(r, 0, 0) && pg_null_at(r, 0, 1);
    if (asked && !pg_bool_at(r, 0, 0)) {
        err_set(&p->trouble, TASKER_E_UNSUPPORTED, "tasker_foreign_keys=each_turn does not reach the server (%s)", p->place);
        err_remedy(&p->trouble, "%s", NO_POOLER);
    } else if (asked && !ready) {
        struct span name = pg_span_at(r, 0, 1);
        err_set(&p->trouble, TASKER_E_UNSUPPORTED, "%.*s would not be heard with tasker_foreign_keys=each_turn (%s)",
                (int)name.len, name.p, p->place);
        err_remedy(&p->trouble, "make it ENABLE ALWAYS by ALTER TABLE, or leave tasker_foreign_keys out of the URI");
    } else if (!asked)
        (void)postgres_fail(p, r, "whether foreign keys may be checked once a turn", &p->trouble);
    PQclear(r);
    return ready;
}
