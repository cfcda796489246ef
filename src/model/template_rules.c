// SPDX-License-Identifier: MIT
// template_rules.c - the keys of a workflow definition as tables: name, kind of value, range,
// required or not. One walk over a mapping finds unknown keys (with the nearest known one), wrong
// types, nulls, values out of range and missing keys, each at its own place.
//
// A new key is one row in a table here, one constant in template_private.h, one line in
// template_build.c that takes it and one in template_canon.c that writes it.
#include <string.h>

#include "model/template_private.h"

// What a value may be. `check` (NULL: the type is all) notes more and says whether the value can be
// used.
struct value_kind {
    unsigned types; // bits of enum yaml_type
    const char *expected;
    bool (*check)(struct reader *r, const struct key_rule *rule, const struct yaml *node);
};

#define BIT(type) (1u << YAML_##type)
#define COUNT_OF(list) (sizeof(list) / sizeof((list)[0]))
#define RULES(what, list, open)                                                                    \
    {                                                                                              \
        what, list, COUNT_OF(list), open                                                           \
    }
#define MILLION INT64_C(1000000)
#define YEAR (INT64_C(366) * 86400 * MILLION)
#define DAY (INT64_C(86400) * MILLION)

// ---- kinds of values

// The number of characters, -1 when there is a control character among them.
static int64_t plain_characters(const struct yaml *node)
{
    int64_t count = 0;
    for (size_t i = 0; i < node->len; i++) {
        unsigned char c = (unsigned char)node->text[i], next = (unsigned char)node->text[i + 1];
        if (c < 0x20 || c == 0x7F || (c == 0xC2 && next < 0xA0))
            return -1;
        count += (c & 0xC0) != 0x80;
    }
    return count;
}

static bool check_name(struct reader *r, const struct key_rule *rule, const struct yaml *node)
{
    int64_t length = plain_characters(node);
    if (length < 0)
        reader_at(r, node, "\"%s\" must not contain control characters", rule->name);
    else if (length == 0)
        reader_at(r, node, "\"%s\" must not be empty", rule->name);
    else if (length > rule->high)
        reader_at(r, node, "\"%s\" is %lld characters long, at most %lld are allowed", rule->name,
                  (long long)length, (long long)rule->high);
    return length > 0 && length <= rule->high;
}

static bool check_version(struct reader *r, const struct key_rule *rule, const struct yaml *node)
{
    const char *p = node->text;
    int numbers = 0;
    for (bool more = true; more; p += more) {
        size_t digits = strspn(p, "0123456789");
        numbers += digits > 0 ? 1 : 4; // a missing number makes it never three
        p += digits;
        more = *p == '.';
    }
    if (numbers != 3 || p != node->text + node->len) {
        reader_at(r, node, "\"%s\" must be three numbers with dots between them, like 1.2.0",
                  rule->name);
        return false;
    }
    return check_name(r, rule, node);
}

static bool check_range(struct reader *r, const struct key_rule *rule, const struct yaml *node,
                        int digits)
{
    int64_t value, unit = digits == 0 ? 1 : MILLION;
    bool good = yaml_scaled(r, node, digits, &value) && value >= rule->low && value <= rule->high;
    if (!good)
        reader_at(r, node, "\"%s\" must be between %lld and %lld", rule->name,
                  (long long)(rule->low / unit), (long long)(rule->high / unit));
    return good;
}

static bool check_count(struct reader *r, const struct key_rule *rule, const struct yaml *node)
{
    return check_range(r, rule, node, 0);
}

static bool check_number(struct reader *r, const struct key_rule *rule, const struct yaml *node)
{
    return check_range(r, rule, node, 6);
}

// Whatever is kept as JSON must be JSON that both databases take.
static bool check_mapping(struct reader *r, const struct key_rule *rule, const struct yaml *node)
{
    struct buf text;
    buf_init(&text, JSON_MAX_SIZE);
    yaml_to_json(&text, node);
    tasker_error why = {0};
    int rc = buf_failed(&text) ? TASKER_E_NOMEM : json_check(buf_view(&text), NULL, &why);
    buf_done(&text);
    if (rc == TASKER_E_NOMEM)
        r->errors->arena.failed = true;
    else if (rc < 0)
        reader_at(r, node, "\"%s\" can not be kept as JSON: %s (%s)", rule->name, why.message,
                  why.where);
    return rc == 0;
}

// A list stays usable when some of its items are not, so that the good ones are looked up as well.
static bool check_names(struct reader *r, const struct key_rule *rule, const struct yaml *node)
{
    for (const struct yaml *item = node->child; item != NULL; item = item->next)
        if (item->type == YAML_STRING)
            (void)check_name(r, rule, item);
        else
            reader_at(r, item, "\"%s\" must list strings, this is %s", rule->name,
                      yaml_type_name(item->type));
    return true;
}

static bool check_command(struct reader *r, const struct key_rule *rule, const struct yaml *node)
{
    bool good = node->count > 0;
    if (!good)
        reader_at(r, node, "\"%s\" must name a program", rule->name);
    else if (node->child->type == YAML_STRING && node->child->len == 0)
        reader_at(r, node->child, "\"%s\" must begin with the name of a program", rule->name);
    for (const struct yaml *item = node->child; item != NULL; item = item->next)
        if (item->type != YAML_STRING)
            reader_at(r, item, "\"%s\" must list strings, this is %s: put it in quotes", rule->name,
                      yaml_type_name(item->type));
    return good;
}

static bool check_variables(struct reader *r, const struct key_rule *rule, const struct yaml *node)
{
    const unsigned scalars = BIT(BOOL) | BIT(INT) | BIT(FLOAT) | BIT(STRING);
    for (const struct yaml *item = node->child; item != NULL; item = item->next) {
        if (item->key[0] == '\0' || strchr(item->key, '=') != NULL)
            reader_note(r, item->key_line, item->key_column,
                        "\"%s\" is no name of an environment variable", item->key);
        if ((scalars & (1u << item->type)) == 0)
            reader_at(r, item, "\"%s\" must hold strings, numbers and booleans, this is %s",
                      rule->name, yaml_type_name(item->type));
    }
    return true;
}

static void check_each(struct reader *r, const struct rule_set *set, const struct yaml *list);

static bool check_steps(struct reader *r, const struct key_rule *rule, const struct yaml *node)
{
    (void)rule;
    check_each(r, &step_rules, node);
    return true;
}

static const struct rule_set event_rules;

static bool check_events(struct reader *r, const struct key_rule *rule, const struct yaml *node)
{
    check_each(r, &event_rules, node);
    return check_mapping(r, rule, node);
}

static bool check_strategy(struct reader *r, const struct key_rule *rule, const struct yaml *node)
{
    for (unsigned i = 0; i < RS_COUNT; i++)
        if (strcmp(node->text, retry_strategy_names[i]) == 0 && node->len == strlen(node->text))
            return true;
    const char *near = nearest(node->text, retry_strategy_names, RS_COUNT);
    if (near != NULL)
        reader_at(r, node, "\"%s\" has no strategy \"%s\"; did you mean \"%s\"?", rule->name,
                  node->text, near);
    else
        reader_at(r, node,
                  "\"%s\" must be exponential, fixed, linear, immediate or none, not \"%s\"",
                  rule->name, node->text);
    return false;
}

static bool check_backoff(struct reader *r, const struct key_rule *rule, const struct yaml *node)
{
    if (node->type == YAML_STRING)
        return check_strategy(r, rule, node);
    const struct yaml *at[BACKOFF_COUNT];
    rules_check(r, &backoff_rules, node, at);
    int64_t base = retry_default.base_ms * INT64_C(1000),
            max = retry_default.max_ms * INT64_C(1000);
    if ((at[BACKOFF_BASE] != NULL && !yaml_scaled(r, at[BACKOFF_BASE], 6, &base)) ||
        (at[BACKOFF_MAX] != NULL && !yaml_scaled(r, at[BACKOFF_MAX], 6, &max)) || base <= max)
        return true;
    // In a section of environments the other one may come from the template itself.
    if (!r->partial)
        reader_at(
            r, at[BACKOFF_BASE] != NULL ? at[BACKOFF_BASE] : at[BACKOFF_MAX],
            "\"base_seconds\" must not be larger than \"max_seconds\" (by default 1 and 300)");
    return r->partial;
}

static bool check_environments(struct reader *r, const struct key_rule *rule,
                               const struct yaml *node)
{
    (void)rule;
    const char *outer = r->prefix;
    bool outer_partial = r->partial;
    for (const struct yaml *section = node->child; section != NULL; section = section->next) {
        const struct yaml *at[TOP_COUNT];
        if (section->type != YAML_MAPPING) {
            reader_at(r, section, "environment \"%s\" must be a mapping, this is %s", section->key,
                      yaml_type_name(section->type));
            continue;
        }
        reader_prefix(r, "environment \"%.64s\": ", section->key);
        r->partial = true;
        rules_check(r, &top_rules, section, at);
        if (at[TOP_ENVIRONMENTS] != NULL)
            reader_note(r, at[TOP_ENVIRONMENTS]->key_line, at[TOP_ENVIRONMENTS]->key_column,
                        "\"environments\" stands at the top level only");
        r->prefix = outer;
        r->partial = outer_partial;
    }
    return true;
}

static const struct value_kind a_name = {BIT(STRING), "a string", check_name};
static const struct value_kind prose = {BIT(STRING), "a string", NULL};
static const struct value_kind a_version = {BIT(STRING), "a string like 1.2.0", check_version};
static const struct value_kind boolean = {BIT(BOOL), "true or false", NULL};
static const struct value_kind whole = {BIT(INT), "a whole number", check_count};
static const struct value_kind number = {BIT(INT) | BIT(FLOAT), "a number", check_number};
static const struct value_kind mapping = {BIT(MAPPING), "a mapping", check_mapping};
static const struct value_kind names = {BIT(SEQUENCE), "a list of strings", check_names};
static const struct value_kind steps = {BIT(SEQUENCE), "a list of steps", check_steps};
static const struct value_kind events = {BIT(SEQUENCE), "a list of events", check_events};
static const struct value_kind strategy = {BIT(STRING), "a string", check_strategy};
static const struct value_kind backoff = {BIT(STRING) | BIT(MAPPING), "a strategy or a mapping",
                                          check_backoff};
static const struct value_kind sections = {BIT(MAPPING), "a mapping", check_environments};
static const struct value_kind command = {BIT(SEQUENCE), "a list of strings", check_command};
static const struct value_kind variables = {BIT(MAPPING), "a mapping", check_variables};

// ---- tables

#define CLASS_MAX 256
#define NAME_MAX_CHARS 64
#define STEP_NAME_MAX 128

static const struct key_rule top_list[TOP_COUNT] = {
    [TOP_NAME] = {"name", &a_name, 1, NAME_MAX_CHARS, true},
    [TOP_NAMESPACE] = {"namespace_name", &a_name, 1, NAME_MAX_CHARS, false},
    [TOP_VERSION] = {"version", &a_version, 1, 16, false},
    [TOP_DESCRIPTION] = {"description", &prose, 0, 0, false},
    [TOP_HANDLER_CLASS] = {"task_handler_class", &a_name, 1, CLASS_MAX, false},
    [TOP_MODULE] = {"module_namespace", &a_name, 1, CLASS_MAX, false},
    [TOP_CONCURRENT] = {"concurrent", &boolean, 0, 0, false},
    [TOP_SYSTEM] = {"default_dependent_system", &a_name, 1, NAME_MAX_CHARS, false},
    [TOP_NAMED_STEPS] = {"named_steps", &names, 1, STEP_NAME_MAX, false},
    [TOP_SCHEMA] = {"schema", &mapping, 0, 0, false},
    [TOP_STEPS] = {"step_templates", &steps, 0, 0, true},
    [TOP_ENVIRONMENTS] = {"environments", &sections, 0, 0, false},
    [TOP_EVENTS] = {"custom_events", &events, 0, 0, false},
    [TOP_CONTEXT] = {"default_context", &mapping, 0, 0, false},
    [TOP_OPTIONS] = {"default_options", &mapping, 0, 0, false},
    [TOP_TIMEOUT] = {"timeout_seconds", &number, 0, YEAR, false},
    [TOP_CONCURRENCY] = {"max_concurrent_steps", &whole, 0, 1000000, false},
};
const struct rule_set top_rules = RULES("a template", top_list, false);

static const struct key_rule step_list[STEP_COUNT] = {
    [STEP_NAME] = {"name", &a_name, 1, STEP_NAME_MAX, true},
    [STEP_CLASS] = {"handler_class", &a_name, 1, CLASS_MAX, true},
    [STEP_SYSTEM] = {"dependent_system", &a_name, 1, NAME_MAX_CHARS, false},
    [STEP_DESCRIPTION] = {"description", &prose, 0, 0, false},
    [STEP_RETRYABLE] = {"default_retryable", &boolean, 0, 0, false},
    [STEP_RETRY_LIMIT] = {"default_retry_limit", &whole, 0, 1000, false},
    [STEP_SKIPPABLE] = {"skippable", &boolean, 0, 0, false},
    [STEP_DEPENDS_ONE] = {"depends_on_step", &a_name, 1, STEP_NAME_MAX, false},
    [STEP_DEPENDS_LIST] = {"depends_on_steps", &names, 1, STEP_NAME_MAX, false},
    [STEP_CONFIG] = {"handler_config", &mapping, 0, 0, false},
    [STEP_EVENTS] = {"custom_events", &events, 0, 0, false},
    [STEP_TIMEOUT] = {"timeout_seconds", &number, 0, YEAR, false},
    [STEP_BACKOFF] = {"retry_backoff", &backoff, 0, 0, false},
};
const struct rule_set step_rules = RULES("a step", step_list, false);

static const struct key_rule backoff_list[BACKOFF_COUNT] = {
    [BACKOFF_STRATEGY] = {"strategy", &strategy, 0, 0, false},
    [BACKOFF_BASE] = {"base_seconds", &number, 0, DAY, false},
    [BACKOFF_MAX] = {"max_seconds", &number, 0, DAY, false},
    [BACKOFF_MULTIPLIER] = {"multiplier", &number, MILLION, 100 * MILLION, false},
    [BACKOFF_JITTER] = {"jitter", &number, 0, MILLION, false},
};
const struct rule_set backoff_rules = RULES("retry_backoff", backoff_list, false);

static const struct key_rule event_list[] = {
    {"name", &a_name, 1, CLASS_MAX, true},
    {"description", &prose, 0, 0, false},
    {"schema", &mapping, 0, 0, false},
};
static const struct rule_set event_rules = RULES("a custom event", event_list, false);

static const struct key_rule exec_list[] = {
    {"command", &command, 0, 0, true},
    {"environment", &variables, 0, 0, false},
    {"working_directory", &prose, 0, 0, false},
    {"shell", &boolean, 0, 0, false},
};
// The program reads the whole handler_config, so it may have settings of its own.
const struct rule_set exec_rules = RULES("the handler_config of tasker.exec", exec_list, true);

#define MOST_KEYS 32
_Static_assert(TOP_COUNT <= MOST_KEYS && STEP_COUNT <= MOST_KEYS,
               "a table has outgrown the lists of one walk");

// ---- the walk

static size_t find_rule(const struct rule_set *set, const char *key)
{
    size_t i = 0;
    while (i < set->count && strcmp(set->rules[i].name, key) != 0)
        i++;
    return i;
}

static void note_unknown(struct reader *r, const struct rule_set *set, const struct yaml *item)
{
    const char *known[MOST_KEYS];
    for (size_t i = 0; i < set->count; i++)
        known[i] = set->rules[i].name;
    const char *near = nearest(item->key, known, set->count);
    if (near != NULL)
        reader_note(r, item->key_line, item->key_column,
                    "unknown key \"%.100s\" of %s; did you mean \"%s\"?", item->key, set->what,
                    near);
    else if (!set->open)
        reader_note(r, item->key_line, item->key_column, "unknown key \"%.100s\" of %s", item->key,
                    set->what);
}

static bool check_value(struct reader *r, const struct key_rule *rule, const struct yaml *node)
{
    if (node->type == YAML_NULL) {
        reader_note(r, node->key_line, node->key_column,
                    "\"%s\" must be %s, there is no value here: leave the key out", rule->name,
                    rule->kind->expected);
        return false;
    }
    if ((rule->kind->types & (1u << node->type)) == 0) {
        const char *hint = rule->kind->types == BIT(STRING) && node->count == 0 &&
                                   node->type != YAML_SEQUENCE && node->type != YAML_MAPPING
                               ? ": put it in quotes"
                               : "";
        reader_at(r, node, "\"%s\" must be %s, this is %s%s", rule->name, rule->kind->expected,
                  yaml_type_name(node->type), hint);
        return false;
    }
    return rule->kind->check == NULL || rule->kind->check(r, rule, node);
}

void rules_check(struct reader *r, const struct rule_set *set, const struct yaml *node,
                 const struct yaml **ret)
{
    bool present[MOST_KEYS] = {false};
    for (size_t i = 0; i < set->count; i++)
        ret[i] = NULL;
    for (const struct yaml *item = node->child; item != NULL; item = item->next) {
        size_t i = find_rule(set, item->key);
        if (i == set->count) {
            note_unknown(r, set, item);
            continue;
        }
        present[i] = true;
        if (check_value(r, &set->rules[i], item))
            ret[i] = item;
    }
    for (size_t i = 0; i < set->count; i++)
        if (set->rules[i].required && !present[i] &&
            (!r->partial || (set == &step_rules && i == STEP_NAME)))
            reader_at(r, node, "%s needs \"%s\"", set->what, set->rules[i].name);
}

const char *node_name(const struct yaml *step)
{
    const struct yaml *name = step->type == YAML_MAPPING ? yaml_get(step, "name") : NULL;
    return name != NULL && name->type == YAML_STRING ? name->text : "";
}

static void check_each(struct reader *r, const struct rule_set *set, const struct yaml *list)
{
    const char *outer = r->prefix;
    for (const struct yaml *item = list->child; item != NULL; item = item->next) {
        const struct yaml *at[MOST_KEYS];
        if (item->type != YAML_MAPPING) {
            reader_at(r, item, "%s must be a mapping, this is %s", set->what,
                      yaml_type_name(item->type));
            continue;
        }
        const char *name = set == &step_rules ? node_name(item) : "";
        if (name[0] != '\0')
            reader_prefix(r, "%sstep \"%.128s\": ", outer, name);
        rules_check(r, set, item, at);
        r->prefix = outer;
    }
}
