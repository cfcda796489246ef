// SPDX-License-Identifier: MIT
// bench.h - workloads and how one of them is run; inside cli/ only.
#ifndef CLI_BENCH_H
#define CLI_BENCH_H

#include "cli/cli.h"

#define BENCH_CLASS "tasker.bench"

struct workload {
    const char *name; // "W1"
    const char *what; // for people
    unsigned tasks;   // of one run
    unsigned steps;   // of one task
    bool single;      // one task at a time, on an idle engine
    // Appends the step templates of one task as JSON array elements.
    void (*shape)(struct buf *out);
};

extern const struct workload workloads[]; // name NULL ends the list

// workload_template appends the definition of a workload's template, workload_request a submission.
void workload_template(const struct workload *w, struct buf *out);
void workload_request(const struct workload *w, struct buf *out);

struct measure {
    double seconds; // first submission to last completion
    double p50_ms, p99_ms;
    double cpu_us_per_step, peak_rss_mb;
};

// workload_run registers the template in the database at `uri`, runs the workload once and measures
// it.
int workload_run(const struct cli *c, const char *uri, const struct workload *w,
                 struct measure *ret, tasker_error *err) CHECKED;

#endif
