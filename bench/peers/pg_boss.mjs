// SPDX-License-Identifier: MIT
// pg_boss.mjs - pg-boss with its workers: W1 on its plain queue, the graphs as flows. Workers take batches, answer for each
// job by itself, and are woken by NOTIFY. Its own resolver of flows looks once a second at best; here one pass follows the
// other. Single tasks would measure only the half second that its workers sleep at least.
import { countdown, measure, result } from './common.mjs'
import { create, queue, start } from './pg_boss_jobs.mjs'

const boss = await start({ useListenNotify: true }, { notify: true })
let all

async function work (jobs) {
  setImmediate(() => all.hit(jobs.length))
  return jobs.map(job => ({ id: job.id, status: 'completed', output: result }))
}

async function burst (w) {
  let running = true
  all = countdown(w.tasks * w.steps)
  all.done.then(() => { running = false })
  await create(boss, w)
  while (running && w.steps > 1) await boss.resolveFlow()
  await all.done
}

await boss.work(queue, {
  batchSize: 1000,
  localConcurrency: 2,
  perJobResults: true,
  burstWhenBatchFull: true,
  pollingIntervalSeconds: 0.5,
  notifyPollingIntervalSeconds: 0.5
}, work)
await measure('pg-boss', { burst, single: () => null })
await boss.stop() // waits until the last batch is written
process.exit(0)
