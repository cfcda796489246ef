// SPDX-License-Identifier: MIT
// common.mjs - what every peer needs: the workloads of `tasker bench`, the clock, and the line of JSON that a run prints.
//
//     node PEER.mjs URI WORKLOAD...
//
// A peer calls measure() with its package and one function per kind of workload.
import { readFileSync } from 'node:fs'

const none = () => []
const range = (first, last) => Array.from({ length: last - first + 1 }, (_, i) => first + i)
const chain = i => (i > 0 ? [i - 1] : [])
const diamond = i => [[], [0], [0], [1, 2]][i]
const fan = i => (i === 0 ? [] : i === 101 ? range(1, 100) : [0])
const layers = i => (i < 10 ? [] : range(i - (i % 10) - 10, i - (i % 10) - 1))

// As in src/cli/bench_load.c: tasks, steps of a task, and the parents of each step by number.
export const workloads = {
  W1: { tasks: 2000, steps: 1, parents: none },
  W2: { tasks: 1000, steps: 4, parents: chain },
  W3: { tasks: 1000, steps: 4, parents: diamond },
  W4: { tasks: 20, steps: 102, parents: fan },
  W5: { tasks: 200, steps: 4, parents: chain, alone: true },
  W6: { tasks: 50, steps: 100, parents: layers }
}

export const result = { ok: true }

const version = name => JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url))).version

function percentile (sorted, share) {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
}

// Counts down to zero; `done` is then fulfilled.
export function countdown (count) {
  let finish
  const done = new Promise(resolve => { finish = resolve })
  return { done, hit: (n = 1) => { if ((count -= n) === 0) finish() } }
}

// measure(PACKAGE, {burst, single}): for each workload asked for, `burst(w)` hands in all tasks and returns when the last one
// is at its end; `single(w)` returns a function that does one task from its creation to its end. A workload that the peer
// cannot do is one for which the function returns null. The first tenth of the singles is for warming up.
export async function measure (name, { burst, single }) {
  for (const key of process.argv.slice(3)) {
    const w = workloads[key]
    const line = { package: name, version: version(name), workload: key }
    if (w.alone) {
      const one = await single(w)
      if (!one) continue
      const times = []
      for (let i = 0; i < w.tasks * 1.1; i++) {
        const begun = performance.now()
        await one()
        times.push(performance.now() - begun)
      }
      const sorted = times.slice(w.tasks * 0.1).sort((a, b) => a - b)
      Object.assign(line, { p50_ms: percentile(sorted, 0.5), p99_ms: percentile(sorted, 0.99) })
    } else {
      const begun = performance.now()
      if (await burst(w) === null) continue
      line.steps_per_s = w.tasks * w.steps / (performance.now() - begun) * 1000
    }
    console.log(JSON.stringify(line))
  }
}
