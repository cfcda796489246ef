// SPDX-License-Identifier: MIT
#include "limit_common.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/store.h"

void limit_die(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, why);
    exit(1);
}

struct template *limit_prepare(const char *uri, const struct workload *w)
{
    struct store_options options = {.host = "host", .boot_id = "boot", .migrate = true};
    struct template_errors errors;
    struct template *t = NULL;
    struct store *store = NULL;
    struct buf text;
    tasker_error err;

    buf_init(&text, 1 << 22);
    template_errors_init(&errors);
    workload_template(w, &text);
    if (template_read(buf_view(&text), NULL, NULL, &t, &errors, &err) < 0 ||
        store_open(uri, &options, &store, &err) < 0 ||
        store->ops->register_template(store, t, false, clock_real_us(), &err) < 0)
        limit_die("the database could not be prepared", err.message);
    store_close(store);
    template_errors_done(&errors);
    buf_done(&text);
    return t;
}

void limit_start_metadata(const struct template *t, char out[META_START_SIZE])
{
    snprintf(out, META_START_SIZE,
             "{\"initialization_completed\":true,\"step_dependencies_established\":%u,\"template\":"
             "\"%s\",\"template_id\":%lld,"
             "\"engine\":\"host:12345\"}",
             t->step_count, t->hash, (long long)t->template_id);
}

unsigned limit_levels(const struct template *t)
{
    return t->steps[t->order[t->step_count - 1]].level + 1;
}

int64_t limit_step_id(const struct template *t, int64_t task, unsigned step)
{
    return (task - 1) * t->step_count + step + 1;
}

double limit_ms_since(int64_t before)
{
    return (double)(clock_monotonic_us() - before) / 1e3;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double limit_percentile(double *list, size_t count, unsigned percent)
{
    size_t at = count * percent / 100;

    qsort(list, count, sizeof(*list), by_value);
    return list[at < count ? at : count - 1];
}

void limit_report(const struct workload *w, const struct figure *f, bool json, bool first)
{
    unsigned steps = w->tasks * w->steps;

    if (json) {
        printf("%s{\"workload\":\"%s\",\"steps\":%u,\"seconds\":%.4f,\"steps_per_s\":%.1f,"
               "\"commits\":%u,\"cpu_us_per_step\":%.1f",
               first ? "" : ",", w->name, steps, f->seconds, steps / f->seconds, f->commits,
               f->cpu_us_per_step);
        if (w->single)
            printf(",\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"bare_commit_ms\":%.3f", f->p50_ms, f->p99_ms,
                   f->commit_ms);
        printf("}");
        return;
    }
    printf("%-4s %6u steps %8.3f s %9.0f steps/s %6u commits", w->name, steps, f->seconds,
           steps / f->seconds, f->commits);
    if (w->single)
        printf("  p50 %.3f ms, p99 %.3f ms, bare commit %.3f ms", f->p50_ms, f->p99_ms,
               f->commit_ms);
    printf("\n");
}
