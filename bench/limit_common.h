// SPDX-License-Identifier: MIT
// limit_common.h - what the programs without an engine share: the shape of a workload's tasks, what stands in the rows
// besides numbers, and the figures.
#ifndef BENCH_LIMIT_COMMON_H
#define BENCH_LIMIT_COMMON_H

#include "base/util.h"
#include "cli/bench.h"
#include "model/template.h"

#define ROWS_PER_TURN 2000 // what a turn of the engine takes at most
#define LEASE_US (30 * US_PER_SECOND)
#define RESULT "{\"ok\":true}"
#define META_STEP "{\"attempt\":1,\"engine\":\"host:12345\"}"
#define META_END "{\"engine\":\"host:12345\"}"
#define META_START_SIZE 256

// limit_die says "bench-...: what: why" and ends the process.
void limit_die(const char *what, const char *why) __attribute__((noreturn));

// limit_prepare makes the tables in the database at `uri` and registers the workload's template there, both through the
// store. The template is the caller's.
struct template *limit_prepare(const char *uri, const struct workload *w);

// limit_start_metadata writes what stands in a task's first transition.
void limit_start_metadata(const struct template *t, char out[META_START_SIZE]);
unsigned limit_levels(const struct template *t);
// Task n has the ids (n - 1) * steps + 1 and on for its steps.
int64_t limit_step_id(const struct template *t, int64_t task, unsigned step);

struct figure {
    double seconds, cpu_us_per_step;
    double p50_ms, p99_ms, commit_ms; // of W5 only: one task, and a bare commit (median)
    unsigned commits;
};

double limit_ms_since(int64_t before); // monotonic
// limit_percentile sorts the list.
double limit_percentile(double *list, size_t count, unsigned percent);

// limit_report prints one workload, as an element of a JSON array or as a line for people.
void limit_report(const struct workload *w, const struct figure *f, bool json, bool first);

#endif
