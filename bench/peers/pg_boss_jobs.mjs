// SPDX-License-Identifier: MIT
// pg_boss_jobs.mjs - what both ways of running pg-boss share: its options, and the creation of tasks as jobs or as flows.
import { PgBoss } from 'pg-boss'

export const queue = 'bench'
const batch = 1000 // jobs of one call

export async function start (options, queueOptions) {
  const boss = new PgBoss({ connectionString: process.argv[2], max: 8, supervise: false, schedule: false, ...options })
  boss.on('error', error => { console.error(error); process.exit(1) })
  await boss.start()
  await boss.createQueue(queue, queueOptions)
  return boss
}

// flow(TASK, W): the jobs of one task; the names of one call must differ.
export function flow (task, w) {
  return Array.from({ length: w.steps }, (_, i) => ({
    ref: `${task}.${i}`, name: queue, data: {}, dependsOn: w.parents(i).map(p => `${task}.${p}`)
  }))
}

export async function create (boss, w) {
  if (w.steps === 1) return boss.insert(queue, Array.from({ length: w.tasks }, () => ({ data: {} })))
  const each = Math.max(1, Math.floor(batch / w.steps))
  for (let first = 0; first < w.tasks; first += each) {
    const jobs = []
    for (let task = first; task < Math.min(w.tasks, first + each); task++) jobs.push(...flow(task, w))
    await boss.flow(jobs)
  }
}
