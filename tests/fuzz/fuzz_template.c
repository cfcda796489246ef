// SPDX-License-Identifier: MIT
// fuzz_template.c - any bytes as a workflow definition. What is refused has findings in order; what
// is accepted has a canonical form that is JSON and reads back to itself with the same hash, and
// links that agree in both directions.
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "model/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

static void check_findings(const struct template_errors *errors, const tasker_error *err)
{
    size_t count = 0;
    REQUIRE(errors->first != NULL && err->code == TASKER_E_INVALID && err->message[0] != '\0');
    for (const struct template_error *e = errors->first; e != NULL; e = e->next, count++) {
        REQUIRE(e->line > 0 && e->column > 0 && e->message[0] != '\0');
        REQUIRE(e->next == NULL || e->line < e->next->line ||
                (e->line == e->next->line && e->column <= e->next->column));
        REQUIRE(e->next != NULL || e == errors->last);
    }
    REQUIRE(count == errors->count);
}

static void check_links(const struct template *t)
{
    uint32_t edges = 0;
    for (uint32_t i = 0; i < t->step_count; i++) {
        const struct template_step *s = &t->steps[i];
        REQUIRE(template_find_step(t, span_of(s->name)) == (int)i);
        REQUIRE((s->level == 0) == (s->parent_count == 0));
        for (uint32_t k = 0; k < s->parent_count; k++) {
            REQUIRE(t->steps[s->parents[k]].level < s->level);
            REQUIRE(k == 0 || s->parents[k - 1] < s->parents[k]);
        }
        edges += s->child_count;
    }
    REQUIRE(edges == t->edge_count);
}

static void check_template(const struct template *t)
{
    struct template_errors errors;
    struct template *again = NULL;
    check_links(t);
    REQUIRE(json_check(t->canonical, NULL, NULL) == 0);
    template_errors_init(&errors);
    REQUIRE(template_read(t->canonical, NULL, NULL, &again, &errors, NULL) == 0);
    REQUIRE(errors.first == NULL);
    REQUIRE(span_eq(t->canonical, again->canonical));
    REQUIRE(strcmp(t->hash, again->hash) == 0);
    template_unref(again);
    template_errors_done(&errors);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct template_errors errors;
    struct template *t = NULL;
    tasker_error err = {0};
    template_errors_init(&errors);
    int rc =
        template_read((struct span){(const char *)data, size}, "x.yaml", "test", &t, &errors, &err);
    if (rc == TASKER_E_INVALID)
        check_findings(&errors, &err);
    if (rc == 0)
        check_template(t);
    template_unref(t);
    template_errors_done(&errors);
    return 0;
}
