// SPDX-License-Identifier: MIT
// test_yaml.c - what YAML texts mean, what is refused and where, aliases and merge keys, and YAML as JSON.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/yaml.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct doc {
    struct arena arena;
    struct yaml *root;
    tasker_error err;
    int result;
};

static void open_span(struct doc *d, struct span text)
{
    arena_init(&d->arena);
    d->root = NULL;
    memset(&d->err, 0, sizeof(d->err));
    d->result = yaml_parse(&d->arena, text, "file.yaml", &d->root, &d->err);
    assert_int_equal(d->root != NULL, d->result == 0);
}

static void open_doc(struct doc *d, const char *text)
{
    open_span(d, span_of(text));
}

static void close_doc(struct doc *d)
{
    arena_done(&d->arena);
}

// ---- meaning

static void texts_mean_their_json(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *json;
    } cases[] = {
        {"", "null"},
        {"# nothing\n", "null"},
        {"---\n", "null"},
        {"---\n...\n", "null"},
        {"\xEF\xBB\xBF" "a: 1", "{\"a\":1}"},
        {"plain text", "\"plain text\""},
        {"a: 1\nb: two\nc: [1, x, {y: z}]\n", "{\"a\":1,\"b\":\"two\",\"c\":[1,\"x\",{\"y\":\"z\"}]}"},
        {"- 1\n- - 2\n  - 3\n- a: b\n  c: d\n", "[1,[2,3],{\"a\":\"b\",\"c\":\"d\"}]"},
        {"a:\nb: ~\nc: null\nd: Null\ne: NULL\nf: ''\n", "{\"a\":null,\"b\":null,\"c\":null,\"d\":null,\"e\":null,\"f\":\"\"}"},
        {"[true, True, TRUE, false, False, FALSE, 'true', tRUE]",
         "[true,true,true,false,false,false,\"true\",\"tRUE\"]"},
        {"[yes, no, on, off, y, n]", "[\"yes\",\"no\",\"on\",\"off\",\"y\",\"n\"]"},
        {"[0, 1, -1, +1, 007, -007, 1_000, 0b1, '1', -0]", "[0,1,-1,1,7,-7,\"1_000\",\"0b1\",\"1\",-0]"},
        {"[0x1F, 0xffffffffffffffff, 0o17, 0o1777777777777777777777, 0x, 0o8, -0x1]",
         "[31,18446744073709551615,15,18446744073709551615,\"0x\",\"0o8\",\"-0x1\"]"},
        {"[1.5, 1.10, .5, -.5, +.5, 1., 1.e3, 1e3, 1E+03, -1.5e-3, 00.5]",
         "[1.5,1.10,0.5,-0.5,0.5,1,1e3,1e3,1E+03,-1.5e-3,0.5]"},
        {"[., +, -., e5, 1e, 1.2.3, 1-2, '']", "[\".\",\"+\",\"-.\",\"e5\",\"1e\",\"1.2.3\",\"1-2\",\"\"]"},
        {"[.inf, -.Inf, +.INF, .nan, .NaN, .NAN, .iNF]",
         "[\".inf\",\"-.Inf\",\"+.INF\",\".nan\",\".NaN\",\".NAN\",\".iNF\"]"},
        {"12345678901234567890123456789012345678901234567890.12345678901234567890",
         "12345678901234567890123456789012345678901234567890.12345678901234567890"},
        {"a: |\n  x\n   y\n\nb: >-\n  u\n  v\n", "{\"a\":\"x\\n y\\n\",\"b\":\"u v\"}"},
        {"a: \"x\\n\\u00fc\\x41\\e\"\nb: 'it''s'\n", "{\"a\":\"x\\n\xC3\xBC" "A\\u001b\",\"b\":\"it's\"}"},
        {"1: a\n2.5: b\ntrue: c\n~: d\n'': e\n", "{\"1\":\"a\",\"2.5\":\"b\",\"true\":\"c\",\"~\":\"d\",\"\":\"e\"}"},
        {"? a\n: b\n", "{\"a\":\"b\"}"},
        {"a: !!str 1\nb: !!int '2'\nc: !!float 3\nd: !!bool 'true'\ne: !!null ''\nf: ! 4\ng: !!str true\n",
         "{\"a\":\"1\",\"b\":2,\"c\":3,\"d\":true,\"e\":null,\"f\":\"4\",\"g\":\"true\"}"},
        {"!!map {a: !!seq [1]}", "{\"a\":[1]}"},
        {"%YAML 1.2\n---\na: 1\n", "{\"a\":1}"},
        {"a: >\n  x\n  y\n\n  z\nb: x\n  y\n", "{\"a\":\"x y\\nz\\n\",\"b\":\"x y\"}"},
        {"['''''''''''''''''''''''''''''''''''''''''''''''''''''''''''''']", "[\"''''''''''''''''''''''''''''''\"]"},
        {"- 'a''b''''c'\n- ''''\n- 'a  b \t\n\n \n  c\r\n  d'\n- '\n x\n '\n",
         "[\"a'b''c\",\"'\",\"a  b\\n\\nc d\",\" x \"]"},
        {"- \"a\\\\\\\n   b\"\n- \"c \\\n  \\ d \t\n\n\n e\"\n", "[\"a\\\\b\",\"c  d\\n\\ne\"]"},
        {"\"\\a\\b\\t\\n\\v\\f\\r\\e\\ \\\"\\/\\\\\\N\\_\\L\\P\\x7e\\U0001f600\\uD83D\\uDE00\"",
         "\"\\u0007\\b\\t\\n\\u000b\\f\\r\\u001b \\\"/\\\\\xC2\x85\xC2\xA0\xE2\x80\xA8\xE2\x80\xA9~"
         "\xF0\x9F\x98\x80\xF0\x9F\x98\x80\""},
        {"|\n  ", "\"\""},
        {"a: |\nb: >\n", "{\"a\":\"\",\"b\":\"\"}"},
        // JSON
        {"{\n\t\"a\": [1,\n\t\t2.50],\n\t\"b\\/\": \"\\ud83d\\ude00\\u0041\"\n}\n",
         "{\"a\":[1,2.50],\"b/\":\"\xF0\x9F\x98\x80" "A\"}"},
        {"{\"a\":1,\"b\":{\"c\":[]},\"d\":\"x\"}", "{\"a\":1,\"b\":{\"c\":[]},\"d\":\"x\"}"},
        {"[]", "[]"},
        {"{}", "{}"},
        {"\"text\"", "\"text\""},
        // anchors
        {"a: &x [1, {b: 2}]\nc: *x\nd: {e: *x}\n", "{\"a\":[1,{\"b\":2}],\"c\":[1,{\"b\":2}],\"d\":{\"e\":[1,{\"b\":2}]}}"},
        {"- &a 1\n- *a\n- &a 2\n- *a\n", "[1,1,2,2]"},
        {"&k key: *k\n", "{\"key\":\"key\"}"},
        {"a: &k key\n*k : 1\n", "{\"a\":\"key\",\"key\":1}"},
        {"a: &x {b: &x 1}\nc: *x\n", "{\"a\":{\"b\":1},\"c\":1}"},
        {"a: &n\nb: *n\n", "{\"a\":null,\"b\":null}"},
        // merge keys
        {"base: &b {x: 1, y: 2}\nt:\n  <<: *b\n  y: 3\n  z: 4\n", "{\"base\":{\"x\":1,\"y\":2},\"t\":{\"x\":1,\"y\":3,\"z\":4}}"},
        {"t:\n  y: 3\n  <<: {x: 1, y: 2}\n", "{\"t\":{\"y\":3,\"x\":1}}"},
        {"a: &a {x: 1}\nb: &b {x: 2, y: 2}\nt: {<<: [*a, *b], z: 3}\n",
         "{\"a\":{\"x\":1},\"b\":{\"x\":2,\"y\":2},\"t\":{\"x\":1,\"y\":2,\"z\":3}}"},
        {"a: &a {x: {y: 1}}\nb: &b {<<: *a, z: 2}\nc: {<<: *b, w: 3}\n",
         "{\"a\":{\"x\":{\"y\":1}},\"b\":{\"x\":{\"y\":1},\"z\":2},\"c\":{\"x\":{\"y\":1},\"z\":2,\"w\":3}}"},
        {"{<<: {}}", "{}"},
        {"{<<: []}", "{}"},
        {"a: {<<: &m {x: 1, y: 2}, x: 3, z: 4}\nb: *m\n", "{\"a\":{\"y\":2,\"x\":3,\"z\":4},\"b\":{\"x\":1,\"y\":2}}"},
        {"{'<<': 1}", "{\"<<\":1}"},
        {"[<<]", "[\"<<\"]"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct doc d;
        CLEANUP(buf_done) struct buf b;
        buf_init(&b, SIZE_MAX);
        open_doc(&d, cases[i].yaml);
        if (d.result != 0)
            fail_msg("%s: %s at %d:%d", cases[i].yaml, d.err.message, d.err.line, d.err.column);
        yaml_to_json(&b, d.root);
        assert_string_equal(b.data, cases[i].json);
        assert_int_equal(json_check(buf_view(&b), NULL, NULL), 0);
        close_doc(&d);
    }
}

static void nodes_know_type_text_and_place(void **state)
{
    (void)state;
    struct doc d;
    open_doc(&d, "name: order\n"
                 "steps:\n"
                 "  - id: 12\n"
                 "    \"kind\": 'x y'\n"
                 "  - {a: 1.5, b: true,\n"
                 "     c: }\n"
                 "last: &l [x]\n"
                 "again: *l\n");
    assert_int_equal(d.result, 0);
    assert_int_equal(d.root->type, YAML_MAPPING);
    assert_int_equal(d.root->line, 1);
    assert_int_equal(d.root->column, 1);
    assert_int_equal(d.root->count, 4);
    assert_null(d.root->key);
    assert_string_equal(d.root->text, "");

    const struct yaml *name = yaml_get(d.root, "name");
    assert_int_equal(name->type, YAML_STRING);
    assert_string_equal(name->text, "order");
    assert_int_equal(name->len, 5);
    assert_int_equal(name->line, 1);
    assert_int_equal(name->column, 7);
    assert_string_equal(name->key, "name");
    assert_int_equal(name->key_line, 1);
    assert_int_equal(name->key_column, 1);

    const struct yaml *steps = yaml_get(d.root, "steps");
    assert_int_equal(steps->type, YAML_SEQUENCE);
    assert_int_equal(steps->count, 2);
    assert_int_equal(steps->key_line, 2);
    assert_int_equal(steps->line, 3);
    assert_int_equal(steps->column, 3);
    const struct yaml *first = steps->child;
    assert_int_equal(yaml_get(first, "id")->type, YAML_INT);
    assert_int_equal(first->line, 3);
    assert_int_equal(first->column, 5);
    assert_null(first->key);
    const struct yaml *kind = yaml_get(first, "kind");
    assert_string_equal(kind->text, "x y");
    assert_int_equal(kind->line, 4);
    assert_int_equal(kind->column, 13);
    assert_int_equal(kind->key_column, 5);
    const struct yaml *second = first->next;
    assert_int_equal(second->column, 5);
    assert_int_equal(yaml_get(second, "a")->type, YAML_FLOAT);
    assert_int_equal(yaml_get(second, "b")->type, YAML_BOOL);
    assert_true(yaml_get(second, "b")->truth);
    const struct yaml *c = yaml_get(second, "c");
    assert_int_equal(c->type, YAML_NULL);
    assert_int_equal(c->line, 6);
    assert_int_equal(c->column, 6);
    assert_null(second->next);

    const struct yaml *last = yaml_get(d.root, "last"), *again = yaml_get(d.root, "again");
    assert_int_equal(again->line, last->line);
    assert_int_equal(again->key_line, 8);
    assert_string_equal(again->key, "again");
    assert_string_equal(last->key, "last");
    assert_string_equal(again->child->text, "x");
    assert_null(again->next);
    assert_null(yaml_get(d.root, "none"));
    assert_null(yaml_get(steps, "name"));
    assert_null(yaml_get(NULL, "name"));
    close_doc(&d);
}

static void nodes_outlive_their_text(void **state)
{
    (void)state;
    struct doc d;
    CLEANUP(mem_freep) char *text = mem_strdup("a: {b: [one, 'two']}\n");
    open_doc(&d, text);
    memset(text, 'x', strlen(text));
    const struct yaml *b = yaml_get(yaml_get(d.root, "a"), "b");
    assert_string_equal(b->child->text, "one");
    assert_string_equal(b->child->next->text, "two");
    close_doc(&d);
}

static void type_names_have_articles(void **state)
{
    (void)state;
    assert_string_equal(yaml_type_name(YAML_NULL), "null");
    assert_string_equal(yaml_type_name(YAML_BOOL), "a boolean");
    assert_string_equal(yaml_type_name(YAML_INT), "an integer");
    assert_string_equal(yaml_type_name(YAML_FLOAT), "a number");
    assert_string_equal(yaml_type_name(YAML_STRING), "a string");
    assert_string_equal(yaml_type_name(YAML_SEQUENCE), "a sequence");
    assert_string_equal(yaml_type_name(YAML_MAPPING), "a mapping");
}

// ---- refusals

static void invalid_texts_are_refused_at_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int line, column;
        const char *why;
    } cases[] = {
        {"a: 1\nb: 2\na: 3\n", 3, 1, "the key \"a\" occurs twice in its mapping"},
        {"{x: {a: 1, 'a': 2}}", 1, 12, "the key \"a\" occurs twice in its mapping"},
        {"1: x\n'1': y\n", 2, 1, "the key \"1\" occurs twice in its mapping"},
        {"a: &a {x: 1}\nb: {<<: *a, <<: *a}\n", 2, 13, "the key \"<<\" occurs twice in its mapping"},
        {"a: 1\n---\nb: 2\n", 2, 1, "there is more than one document"},
        {"a: !foo 1\n", 1, 9, "the tag is not one of YAML's core tags for this kind of node"},
        {"a: !!binary aGk=\n", 1, 13, "the tag is not one of YAML's core tags for this kind of node"},
        {"a: !!map x\n", 1, 10, "the tag is not one of YAML's core tags for this kind of node"},
        {"a: !!seq {}\n", 1, 10, "the tag is not one of YAML's core tags for this kind of node"},
        {"a: !!str []\n", 1, 10, "the tag is not one of YAML's core tags for this kind of node"},
        {"a: !!int x\n", 1, 10, "the text does not fit its tag"},
        {"a: !!int 1.5\n", 1, 10, "the text does not fit its tag"},
        {"a: !!bool yes\n", 1, 11, "the text does not fit its tag"},
        {"a: !!null x\n", 1, 11, "the text does not fit its tag"},
        {"a: 1e1001\n", 1, 4, "the exponent is beyond 1000"},
        {"a: +1e-1001\n", 1, 4, "the exponent is beyond 1000"},
        {"a: 0x10000000000000000\n", 1, 4, "a hexadecimal or octal number must fit into 64 bits"},
        {"a: 0o2000000000000000000000\n", 1, 4, "a hexadecimal or octal number must fit into 64 bits"},
        {"a: \"x\\0y\"\n", 1, 4, "a NUL character is not allowed"},
        {"\"x\\0y\": 1\n", 1, 1, "a NUL character is not allowed"},
        {"a: *b\n", 1, 4, "the alias names no anchor above it"},
        {"a: &x [*x]\n", 1, 8, "the alias stands inside its own anchor"},
        {"a: &x {b: {c: *x}}\n", 1, 15, "the alias stands inside its own anchor"},
        {"? [a]\n: 1\n", 1, 3, "a key must be a scalar"},
        {"{{a: 1}: 2}", 1, 2, "a key must be a scalar"},
        {"a: &x [1]\n*x : 1\n", 2, 1, "a key must be a scalar"},
        {"<<: 1\n", 1, 5, "'<<' needs a mapping or a sequence of mappings"},
        {"<<: [{a: 1}, 2]\n", 1, 5, "'<<' needs a mapping or a sequence of mappings"},
        {"a: gr\xC3\xBC \xFF\n", 1, 8, "the text is not valid UTF-8"},
        {"a: 1\nb: \x01\n", 2, 4, "the text has a control character"},
        {"%YAML 1.2\n%TAG !e! tag:yaml.org,2002:\n---\na: 1\n", 2, 1, "tag directives are not supported"},
        {"a:\n\tb: 1\n", 2, 1, NULL},
        {"a: b: c\n", 1, 5, NULL},
        {"a: [1,\n", 2, 1, NULL},
        {"a: \"\\ud800\"\n", 1, 5, NULL},
        {"a: 1\nb: >-0\n  x\n", 2, 1, "the text behind this place cannot be read"},
        {"@x", 1, 1, NULL},
        {"{\"a\":1} x", 1, 9, NULL},
        {"[1]]", 1, 4, NULL},
        {"a: 'x\n", 1, 5, NULL},
        {"a: 1\n b: 2\n", 1, 4, NULL},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct doc d;
        char message[200];
        open_doc(&d, cases[i].text);
        snprintf(message, sizeof(message), "invalid YAML: %s", cases[i].why != NULL ? cases[i].why : "");
        size_t n = cases[i].why != NULL ? sizeof(message) : strlen(message);
        if (d.result != TASKER_E_INVALID || strncmp(d.err.message, message, n) != 0 ||
            strcmp(d.err.where, "file.yaml") != 0 || d.err.line != cases[i].line || d.err.column != cases[i].column)
            fail_msg("%s: %d \"%s\" at %s %d:%d", cases[i].text, d.result, d.err.message, d.err.where, d.err.line,
                     d.err.column);
        close_doc(&d);
    }
}

static void nul_bytes_and_large_texts_are_refused(void **state)
{
    (void)state;
    struct doc d;
    open_span(&d, SPAN("a: 1\nb: \0x\n"));
    assert_int_equal(d.result, TASKER_E_INVALID);
    assert_int_equal(d.err.line, 2);
    close_doc(&d);
    open_span(&d, (struct span){"a", YAML_MAX_SIZE + 1});
    assert_int_equal(d.result, TASKER_E_TOO_BIG);
    assert_string_equal(d.err.where, "file.yaml");
    close_doc(&d);
    open_span(&d, (struct span){0});
    assert_int_equal(d.result, 0);
    assert_int_equal(d.root->type, YAML_NULL);
    assert_int_equal(d.root->line, 1);
    close_doc(&d);

    tasker_error err;
    arena_init(&d.arena);
    assert_int_equal(yaml_parse(&d.arena, SPAN("a: ["), NULL, &d.root, &err), TASKER_E_INVALID);
    assert_string_equal(err.where, "");
    assert_int_equal(yaml_parse(&d.arena, SPAN("a: ["), NULL, &d.root, NULL), TASKER_E_INVALID);
    close_doc(&d);
}

static void aliases_that_multiply_are_refused(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf b;
    struct doc d;
    buf_init(&b, SIZE_MAX);
    buf_str(&b, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for (int i = 1; i < 20; i++) {
        buf_printf(&b, "a%d: &a%d [", i, i);
        for (int k = 0; k < 10; k++)
            buf_printf(&b, "%s*a%d", k > 0 ? ", " : "", i - 1);
        buf_str(&b, "]\n");
    }
    open_span(&d, buf_view(&b));
    assert_int_equal(d.result, TASKER_E_INVALID);
    assert_string_equal(d.err.message, "invalid YAML: aliases expand to more than 100,000 nodes");
    assert_true(d.arena.used < ((size_t)32 << 20));
    close_doc(&d);
}

static void depth_ends_at_512_also_through_aliases(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf b;
    struct doc d;
    for (int depth = 512; depth <= 513; depth++) {
        buf_init(&b, SIZE_MAX);
        for (int i = 0; i < depth; i++)
            buf_char(&b, '[');
        for (int i = 0; i < depth; i++)
            buf_char(&b, ']');
        open_span(&d, buf_view(&b));
        assert_int_equal(d.result, depth == 512 ? 0 : TASKER_E_INVALID);
        if (depth == 512) {
            CLEANUP(buf_done) struct buf json;
            buf_init(&json, SIZE_MAX);
            yaml_to_json(&json, d.root);
            assert_true(span_eq(buf_view(&json), buf_view(&b)));
        } else {
            assert_string_equal(d.err.message, "invalid YAML: the text is nested deeper than 512");
        }
        close_doc(&d);
        buf_done(&b);
    }
    // a1 is two levels deep, a2 four, and so on, although the text never is.
    buf_init(&b, SIZE_MAX);
    buf_str(&b, "- &a0 [[x]]\n");
    for (int i = 1; i < 300; i++)
        buf_printf(&b, "- &a%d [[*a%d]]\n", i, i - 1);
    open_span(&d, buf_view(&b));
    assert_int_equal(d.result, TASKER_E_INVALID);
    assert_string_equal(d.err.message, "invalid YAML: the text is nested deeper than 512");
    close_doc(&d);
}

static void large_mappings_find_their_duplicates(void **state)
{
    (void)state;
    for (int duplicate = 0; duplicate < 2; duplicate++) {
        CLEANUP(buf_done) struct buf b;
        struct doc d;
        buf_init(&b, SIZE_MAX);
        for (int i = 0; i < 5000; i++)
            buf_printf(&b, "key%d: %d\n", i == 4999 && duplicate ? 17 : i, i);
        open_span(&d, buf_view(&b));
        assert_int_equal(d.result, duplicate ? TASKER_E_INVALID : 0);
        assert_int_equal(d.err.line, duplicate ? 5000 : 0);
        if (!duplicate)
            assert_string_equal(yaml_get(d.root, "key4321")->text, "4321");
        close_doc(&d);
    }
}

// ---- memory

static void parsing_survives_every_failing_allocation(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, SIZE_MAX);
    buf_str(&text, "base: &base {n: +1, h: 0x10}\nother: &o x\n*o : [*base, *o]\nlong:\n  <<: *base\n");
    for (int i = 0; i < 100; i++)
        buf_printf(&text, "  key%d: &k%d some value of number %d\n", i, i, i);
    for (uint64_t n = 1;; n++) {
        struct arena arena;
        struct yaml *root = NULL;
        tasker_error err = {0};
        struct buf json;
        arena_init(&arena);
        buf_init(&json, SIZE_MAX);
        mem_fail_after(n);
        int r = yaml_parse(&arena, buf_view(&text), "f", &root, &err);
        bool failed = mem_failed();
        assert_int_equal(err.code, r);
        assert_int_equal(root != NULL, r == 0);
        assert_true(r == 0 || (failed && r == TASKER_E_NOMEM));
        if (r == 0)
            yaml_to_json(&json, root);
        failed = mem_failed();
        mem_fail_after(0);
        buf_done(&json);
        arena_done(&arena);
        if (!failed)
            break;
        assert_true(n < 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_mean_their_json),
        cmocka_unit_test(nodes_know_type_text_and_place),
        cmocka_unit_test(nodes_outlive_their_text),
        cmocka_unit_test(type_names_have_articles),
        cmocka_unit_test(invalid_texts_are_refused_at_their_place),
        cmocka_unit_test(nul_bytes_and_large_texts_are_refused),
        cmocka_unit_test(aliases_that_multiply_are_refused),
        cmocka_unit_test(depth_ends_at_512_also_through_aliases),
        cmocka_unit_test(large_mappings_find_their_duplicates),
        cmocka_unit_test(parsing_survives_every_failing_allocation),
    };

    return cmocka_run_group_tests_name("yaml", tests, NULL, NULL);
}
