// SPDX-License-Identifier: MIT
// yaml_scalar.c - types of YAML scalars, and nodes as JSON.
//
// A number that JSON cannot hold (see json.h for its limits) is refused here, where its line is known, rather than by
// whoever reads the JSON that is made of it.
#include "base/yaml_scalar.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_lex.h"

#define CORE "tag:yaml.org,2002:"
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

// A number taken apart. radix 10: sign, digits, fraction and exponent as they stand; else `digits` alone.
struct number {
    bool negative;
    bool special;  // .inf or .nan
    bool fractional;
    unsigned radix;
    struct span digits, fraction, exponent;
};

static bool is_one_of(struct span s, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (span_is(s, words[i]))
            return true;
    return false;
}

static bool is_null(struct span s)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};

    return is_one_of(s, words, COUNT(words));
}

static bool is_bool(struct span s, bool *ret)
{
    static const char *const yes[] = {"true", "True", "TRUE"}, *const no[] = {"false", "False", "FALSE"};

    *ret = is_one_of(s, yes, COUNT(yes));
    return *ret || is_one_of(s, no, COUNT(no));
}

// Takes the bytes of `allowed` from the front of *in.
static struct span take(struct span *in, const char *allowed)
{
    struct span taken = {in->p, 0};

    while (in->len > 0 && *in->p != '\0' && strchr(allowed, *in->p) != NULL) {
        in->p++;
        in->len--;
        taken.len++;
    }
    return taken;
}

static bool take_one(struct span *in, const char *allowed)
{
    if (in->len == 0 || *in->p == '\0' || strchr(allowed, *in->p) == NULL)
        return false;
    in->p++;
    in->len--;
    return true;
}

static bool read_radix(struct span s, struct number *ret)
{
    if (s.len < 3 || s.p[0] != '0' || (s.p[1] != 'x' && s.p[1] != 'o'))
        return false;
    struct span rest = {s.p + 2, s.len - 2};
    *ret = (struct number){.radix = s.p[1] == 'x' ? 16 : 8};
    ret->digits = take(&rest, ret->radix == 16 ? "0123456789abcdefABCDEF" : "01234567");
    return rest.len == 0;
}

static bool read_special(struct span s, struct number *ret)
{
    static const char *const infinite[] = {".inf", ".Inf", ".INF"}, *const none[] = {".nan", ".NaN", ".NAN"};

    *ret = (struct number){.special = true, .fractional = true};
    if (is_one_of(s, none, COUNT(none)))
        return true;
    take_one(&s, "+-");
    return is_one_of(s, infinite, COUNT(infinite));
}

static bool read_decimal(struct span s, struct number *ret)
{
    *ret = (struct number){.radix = 10, .negative = s.len > 0 && *s.p == '-'};
    take_one(&s, "+-");
    ret->digits = take(&s, "0123456789");
    if (take_one(&s, ".")) {
        ret->fractional = true;
        ret->fraction = take(&s, "0123456789");
    }
    if (ret->digits.len + ret->fraction.len == 0)
        return false;
    struct span exponent = s;
    if (take_one(&s, "eE")) {
        ret->fractional = true;
        take_one(&s, "+-");
        if (take(&s, "0123456789").len == 0)
            return false;
        ret->exponent = exponent;
    }
    return s.len == 0;
}

static bool read_number(struct span s, struct number *ret)
{
    return read_decimal(s, ret) || read_radix(s, ret) || read_special(s, ret);
}

// Appends the number as JSON. Digits stay; signs, zeros and points that JSON does not know go.
static void add_number(struct buf *out, const struct number *n)
{
    struct span digits = n->digits;

    if (n->radix != 10) {
        uint64_t value = 0;
        for (size_t i = 0; i < digits.len; i++) {
            const char digit[] = {digits.p[i], '\0'};
            value = value * n->radix + strtoul(digit, NULL, 16);
        }
        buf_printf(out, "%" PRIu64, value);
        return;
    }
    while (digits.len > 1 && *digits.p == '0') {
        digits.p++;
        digits.len--;
    }
    if (n->negative)
        buf_char(out, '-');
    buf_span(out, digits.len > 0 ? digits : SPAN("0"));
    if (n->fraction.len > 0) {
        buf_char(out, '.');
        buf_span(out, n->fraction);
    }
    buf_span(out, n->exponent);
}

static bool fits_64_bits(const struct number *n)
{
    struct span s = n->digits;

    take(&s, "0");
    if (n->radix == 16)
        return s.len <= 16;
    return s.len <= 21 || (s.len == 22 && *s.p == '1');  // 3 bits each, the 22nd digit holds one more
}

// Whether JSON can hold the number: 0, or what yaml_scalar_resolve returns.
static int check_number(struct span text, const struct number *n, const char **ret_why)
{
    struct json_fault fault = {0};

    if (n->special || json_lex_number(text.p, text.p + text.len, &fault) == text.p + text.len)
        return 0;
    if (n->radix != 10 && !fits_64_bits(n)) {
        *ret_why = "a hexadecimal or octal number must fit into 64 bits";
        return TASKER_E_INVALID;
    }
    CLEANUP(buf_done) struct buf rewritten;
    buf_init(&rewritten, SIZE_MAX);
    add_number(&rewritten, n);
    if (buf_failed(&rewritten))
        return TASKER_E_NOMEM;
    struct span json = buf_view(&rewritten);
    if (json_lex_number(json.p, json.p + json.len, &fault) != NULL)
        return 0;
    *ret_why = fault.why;
    return TASKER_E_INVALID;
}

// ---- resolving

// What a scalar may be, from its text alone.
static enum yaml_type plain_type(struct span text, bool *ret_truth, struct number *ret_number)
{
    if (is_null(text))
        return YAML_NULL;
    if (is_bool(text, ret_truth))
        return YAML_BOOL;
    if (read_number(text, ret_number))
        return ret_number->fractional ? YAML_FLOAT : YAML_INT;
    return YAML_STRING;
}

// The type that a scalar's tag demands; false: the tag is unknown, or not one of scalars.
static bool tag_type(struct span tag, enum yaml_type *ret)
{
    static const struct {
        const char *tag;
        enum yaml_type type;
    } tags[] = {
        {"!", YAML_STRING},        {CORE "str", YAML_STRING},  {CORE "null", YAML_NULL},
        {CORE "bool", YAML_BOOL},  {CORE "int", YAML_INT},     {CORE "float", YAML_FLOAT},
    };

    for (size_t i = 0; i < COUNT(tags); i++)
        if (span_is(tag, tags[i].tag)) {
            *ret = tags[i].type;
            return true;
        }
    return false;
}

bool yaml_tag_fits_container(struct span tag, enum yaml_type type)
{
    return tag.len == 0 || span_is(tag, "!") || span_is(tag, type == YAML_MAPPING ? CORE "map" : CORE "seq");
}

int yaml_scalar_resolve(struct yaml *node, struct span text, bool plain, struct span tag, const char **ret_why)
{
    enum yaml_type wanted = YAML_STRING;
    struct number number = {0};
    bool truth = false;

    if (tag.len > 0 && !tag_type(tag, &wanted)) {
        *ret_why = "the tag is not one of YAML's core tags for this kind of node";
        return TASKER_E_INVALID;
    }
    if (memchr(text.p, '\0', text.len) != NULL) {
        *ret_why = "a NUL character is not allowed";
        return TASKER_E_INVALID;
    }
    enum yaml_type found = YAML_STRING;
    if (tag.len > 0 ? wanted != YAML_STRING : plain)
        found = plain_type(text, &truth, &number);
    if (tag.len > 0 && wanted == YAML_FLOAT && found == YAML_INT)
        found = YAML_FLOAT;
    if (tag.len > 0 && found != wanted) {
        *ret_why = "the text does not fit its tag";
        return TASKER_E_INVALID;
    }
    if (found == YAML_INT || found == YAML_FLOAT) {
        int r = check_number(text, &number, ret_why);
        if (r < 0)
            return r;
    }
    node->type = found;
    node->text = text.p;
    node->len = text.len;
    node->truth = truth;
    return 0;
}

// ---- nodes

const struct yaml *yaml_get(const struct yaml *mapping, const char *key)
{
    if (mapping == NULL || mapping->type != YAML_MAPPING)
        return NULL;
    const struct yaml *m = mapping->child;
    while (m != NULL && strcmp(m->key, key) != 0)
        m = m->next;
    return m;
}

const char *yaml_type_name(enum yaml_type type)
{
    static const char *const names[] = {
        [YAML_NULL] = "null",           [YAML_BOOL] = "a boolean",     [YAML_INT] = "an integer",
        [YAML_FLOAT] = "a number",      [YAML_STRING] = "a string",    [YAML_SEQUENCE] = "a sequence",
        [YAML_MAPPING] = "a mapping",
    };

    return names[type];
}

static void number_to_json(struct buf *out, const struct yaml *node)
{
    struct number n;

    if (!read_number((struct span){node->text, node->len}, &n) || n.special)
        json_escape(out, node->text, node->len);
    else
        add_number(out, &n);
}

static void children_to_json(struct buf *out, const struct yaml *node)
{
    buf_char(out, node->type == YAML_MAPPING ? '{' : '[');
    for (const struct yaml *child = node->child; child != NULL && !out->failed; child = child->next) {
        if (child != node->child)
            buf_char(out, ',');
        if (node->type == YAML_MAPPING) {
            json_escape(out, child->key, strlen(child->key));
            buf_char(out, ':');
        }
        yaml_to_json(out, child);
    }
    buf_char(out, node->type == YAML_MAPPING ? '}' : ']');
}

void yaml_to_json(struct buf *out, const struct yaml *node)
{
    switch (node->type) {
    case YAML_NULL:
        buf_str(out, "null");
        break;
    case YAML_BOOL:
        buf_str(out, node->truth ? "true" : "false");
        break;
    case YAML_INT:
    case YAML_FLOAT:
        number_to_json(out, node);
        break;
    case YAML_STRING:
        json_escape(out, node->text, node->len);
        break;
    case YAML_SEQUENCE:
    case YAML_MAPPING:
        children_to_json(out, node);
        break;
    }
}
