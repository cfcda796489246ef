// SPDX-License-Identifier: MIT
// operate_maps.c - dependent systems, and what an object of one system is called in another.
//
// A map joins two objects, each a system and an id in it, and has no direction: (A, 1, B, 2) and (B, 2, A, 1) are the
// same. The rows keep the order in which they were given; both orders are looked for. An object may be mapped to
// several objects of a system unless the caller says `unique`.
#include "store/operate.h"

#include <string.h>

#define MATCHES_MAX 1000

// One end of a map.
struct object {
    struct span system, id;
    int64_t system_id;
};

static int given_object(const struct inquiry *a, const char *system, const char *id, struct object *ret,
                        tasker_error *err)
{
    int rc = given_words(a, system, NAME_CHARS, true, &ret->system, err);

    ret->system_id = 0;
    return rc == 0 ? given_words(a, id, REMOTE_ID_CHARS, true, &ret->id, err) : rc;
}

static int given_objects(const struct inquiry *a, struct object o[2], tasker_error *err)
{
    int rc = given_object(a, "system_one", "id_one", &o[0], err);

    if (rc == 0)
        rc = given_object(a, "system_two", "id_two", &o[1], err);
    if (rc == 0 && span_eq(o[0].system, o[1].system) && span_eq(o[0].id, o[1].id))
        rc = refuse(err, TASKER_E_INVALID, "id_two", "an object cannot be mapped to itself");
    return rc;
}

static int no_system(struct span name, const char *argument, tasker_error *err)
{
    refuse(err, TASKER_E_NOT_FOUND, argument, "there is no system \"%.*s\"", (int)name.len, name.p);
    err_remedy(err, "tasker system list shows all");
    return TASKER_E_NOT_FOUND;
}

// ---- making

// Systems are created in the order of their names and locked in the order of their ids, so nobody waits in a circle;
// with both locked nobody else makes the same map the other way round.
static int put_systems(struct inquiry *a, struct object o[2], tasker_error *err)
{
    CLEANUP(build_done) struct build b;
    CLEANUP(rows_close) struct rows r = {0};
    struct span x = o[0].system, y = o[1].system;
    size_t n = x.len < y.len ? x.len : y.len;
    int order = memcmp(x.p, y.p, n), first = order > 0 || (order == 0 && x.len > y.len);
    bool created;
    int rc = 0;

    build_init(&b, a);
    for (int i = 0; i < 2 && rc == 0; i++) {
        struct object *this = &o[i ^ first];
        rc = catalogue_put(a, CATALOGUE_SYSTEM, this->system, (struct span){NULL, 0}, &this->system_id, &created, err);
    }
    if (rc < 0)
        return rc;
    build_add(&b, "SELECT dependent_system_id FROM tasker_dependent_systems WHERE dependent_system_id IN (?, ?)"
                  " ORDER BY dependent_system_id{own}");
    build_int(&b, o[0].system_id);
    build_int(&b, o[1].system_id);
    return build_open(&b, &r, err);
}

// One order; called for both.
static void add_pair(struct build *b, const struct object *one, const struct object *two)
{
    build_add(b, "(dependent_system_one_id = ? AND remote_id_one = ? AND dependent_system_two_id = ? AND"
                 " remote_id_two = ?)");
    build_int(b, one->system_id);
    build_text(b, one->id);
    build_int(b, two->system_id);
    build_text(b, two->id);
}

static int find_map(struct inquiry *a, const struct object o[2], int64_t *ret, tasker_error *err)
{
    CLEANUP(build_done) struct build b;

    build_init(&b, a);
    build_add(&b, "SELECT min(dependent_system_object_map_id) FROM tasker_dependent_system_object_maps WHERE ");
    add_pair(&b, &o[0], &o[1]);
    build_add(&b, " OR ");
    add_pair(&b, &o[1], &o[0]);
    return build_one(&b, 0, ret, err);
}

// What `from` is mapped to, from either side: rows of map id, system, id, time.
static void add_matches(struct build *b, const struct object *from, int64_t system_id)
{
    static const char *const sides[] = {
        "SELECT m.dependent_system_object_map_id AS map_id, d.name, m.remote_id_two AS remote_id, m.created_at"
        " FROM tasker_dependent_system_object_maps m"
        " JOIN tasker_dependent_systems d ON d.dependent_system_id = m.dependent_system_two_id"
        " WHERE m.remote_id_one = ? AND m.dependent_system_one_id = ?",
        " UNION SELECT m.dependent_system_object_map_id, d.name, m.remote_id_one, m.created_at"
        " FROM tasker_dependent_system_object_maps m"
        " JOIN tasker_dependent_systems d ON d.dependent_system_id = m.dependent_system_one_id"
        " WHERE m.remote_id_two = ? AND m.dependent_system_two_id = ?"};

    for (size_t i = 0; i < ARRAY_SIZE(sides); i++) {
        build_add(b, sides[i]);
        build_text(b, from->id);
        build_int(b, from->system_id);
        if (system_id == 0)
            continue;
        build_add(b, " AND d.dependent_system_id = ?");
        build_int(b, system_id);
    }
    build_add(b, " ORDER BY 1 LIMIT ?");
    build_int(b, MATCHES_MAX + 1);
}

// With `unique` neither object may have another partner in the other's system.
static int refuse_partner(struct inquiry *a, const struct object *from, const struct object *to, tasker_error *err)
{
    CLEANUP(build_done) struct build b;
    CLEANUP(rows_close) struct rows r = {0};

    build_init(&b, a);
    add_matches(&b, from, to->system_id);
    int rc = build_open(&b, &r, err);
    if (rc == 0)
        rc = rows_next(&r, err);
    if (rc <= 0)
        return rc;
    struct span its = rows_text(&r, 2);
    err_set(err, TASKER_E_CONFLICT, "%.*s of %.*s is mapped to %.*s of %.*s already", (int)from->id.len, from->id.p,
            (int)from->system.len, from->system.p, (int)its.len, its.p, (int)to->system.len, to->system.p);
    err_remedy(err, "remove that map first, or leave out \"unique\" when it may have several");
    return TASKER_E_CONFLICT;
}

static int put_map(struct inquiry *a, const struct object o[2], int64_t *ret, tasker_error *err)
{
    CLEANUP(build_done) struct build b;
    int rc = 0;

    build_init(&b, a);
    if (given_bool(a, "unique"))
        for (int i = 0; i < 2 && rc == 0; i++)
            rc = refuse_partner(a, &o[i], &o[1 - i], err);
    if (rc < 0)
        return rc;
    build_add(&b, "INSERT INTO tasker_dependent_system_object_maps(dependent_system_one_id, dependent_system_two_id,"
                  " remote_id_one, remote_id_two, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?)"
                  " RETURNING dependent_system_object_map_id");
    build_int(&b, o[0].system_id);
    build_int(&b, o[1].system_id);
    build_text(&b, o[0].id);
    build_text(&b, o[1].id);
    build_time(&b, a->now);
    build_time(&b, a->now);
    return build_id(&b, ret, err);
}

static void write_map(struct inquiry *a, int64_t id, const struct object o[2])
{
    static const char *const names[] = {"system_one", "id_one", "system_two", "id_two"};

    jw_kint(a->out, "map_id", id);
    for (int i = 0; i < 4; i++) {
        struct span s = i % 2 == 0 ? o[i / 2].system : o[i / 2].id;
        jw_key(a->out, names[i]);
        jw_strn(a->out, s.p, s.len);
    }
}

int operate_map_set(struct inquiry *a, tasker_error *err)
{
    struct object o[2];
    int64_t id = 0;
    bool created = false;
    int rc = given_objects(a, o, err);

    if (rc == 0)
        rc = operate_begin(a, err);
    if (rc == 0)
        rc = put_systems(a, o, err);
    if (rc == 0)
        rc = find_map(a, o, &id, err);
    if (rc == 0 && id == 0) {
        rc = put_map(a, o, &id, err);
        created = true;
    }
    if (rc == 0)
        rc = operate_commit(a, err);
    if (rc < 0)
        return rc;
    jw_open(a->out, '{');
    write_map(a, id, o);
    jw_kbool(a->out, "created", created);
    jw_close(a->out, '}');
    return 0;
}

// ---- removing, finding

static int find_systems(struct inquiry *a, struct object o[2], tasker_error *err)
{
    static const char *const arguments[] = {"system_one", "system_two"};
    int rc = 0;

    for (int i = 0; i < 2 && rc == 0; i++) {
        rc = catalogue_find(a, CATALOGUE_SYSTEM, o[i].system, &o[i].system_id, err);
        if (rc == 0 && o[i].system_id == 0)
            rc = no_system(o[i].system, arguments[i], err);
    }
    return rc;
}

static int drop_map(struct inquiry *a, const struct object o[2], int64_t *ret_hit, tasker_error *err)
{
    CLEANUP(build_done) struct build b;

    build_init(&b, a);
    build_add(&b, "DELETE FROM tasker_dependent_system_object_maps WHERE ");
    add_pair(&b, &o[0], &o[1]);
    build_add(&b, " OR ");
    add_pair(&b, &o[1], &o[0]);
    return build_run(&b, ret_hit, err);
}

int operate_map_remove(struct inquiry *a, tasker_error *err)
{
    struct object o[2];
    int64_t id = 0, hit = 0;
    int rc = given_objects(a, o, err);

    if (rc == 0)
        rc = operate_begin(a, err);
    if (rc == 0)
        rc = find_systems(a, o, err);
    if (rc == 0)
        rc = find_map(a, o, &id, err);
    if (rc == 0)
        rc = drop_map(a, o, &hit, err);
    if (rc == 0 && hit == 0)
        rc = err_set(err, TASKER_E_NOT_FOUND, "%.*s of %.*s is not mapped to %.*s of %.*s", (int)o[0].id.len, o[0].id.p,
                     (int)o[0].system.len, o[0].system.p, (int)o[1].id.len, o[1].id.p, (int)o[1].system.len,
                     o[1].system.p);
    if (rc == 0)
        rc = operate_commit(a, err);
    if (rc < 0)
        return rc;
    jw_open(a->out, '{');
    write_map(a, id, o);
    jw_kint(a->out, "removed", hit);
    jw_close(a->out, '}');
    return 0;
}

static int write_matches(struct inquiry *a, struct rows *r, tasker_error *err)
{
    int shown = 0, rc;

    jw_key(a->out, "matches");
    jw_open(a->out, '[');
    while ((rc = rows_next(r, err)) == 1 && shown++ < MATCHES_MAX) {
        jw_open(a->out, '{');
        put_int(a, "map_id", r, 0);
        put_text(a, "system", r, 1);
        put_text(a, "id", r, 2);
        put_time(a, "created_at", r, 3);
        jw_close(a->out, '}');
    }
    jw_close(a->out, ']');
    jw_kbool(a->out, "more", rc == 1);
    return rc < 0 ? rc : 0;
}

int query_map_find(struct inquiry *a, tasker_error *err)
{
    CLEANUP(build_done) struct build b;
    CLEANUP(rows_close) struct rows r = {0};
    struct object from = {0};
    struct span in;
    int64_t system_id = 0;
    int rc = given_object(a, "system_one", "id_one", &from, err);

    build_init(&b, a);
    if (rc == 0)
        rc = given_words(a, "system_two", NAME_CHARS, false, &in, err);
    if (rc == 0)
        rc = catalogue_find(a, CATALOGUE_SYSTEM, from.system, &from.system_id, err);
    if (rc == 0 && from.system_id == 0)
        rc = no_system(from.system, "system_one", err);
    if (rc == 0 && in.p != NULL)
        rc = catalogue_find(a, CATALOGUE_SYSTEM, in, &system_id, err);
    if (rc == 0 && in.p != NULL && system_id == 0)
        rc = no_system(in, "system_two", err);
    if (rc < 0)
        return rc;
    add_matches(&b, &from, system_id);
    rc = build_open(&b, &r, err);
    if (rc < 0)
        return rc;
    jw_open(a->out, '{');
    jw_key(a->out, "system");
    jw_strn(a->out, from.system.p, from.system.len);
    jw_key(a->out, "id");
    jw_strn(a->out, from.id.p, from.id.len);
    rc = write_matches(a, &r, err);
    jw_close(a->out, '}');
    return rc;
}

int operate_system_register(struct inquiry *a, tasker_error *err)
{
    return catalogue_register(a, CATALOGUE_SYSTEM, "system_id", err);
}
