// SPDX-License-Identifier: MIT
// graphile.mjs - graphile-worker: W1 as jobs added at once, chains as jobs that add the next one. It has no joins, so
// W3, W4 and W6 are not for it.
import pg from 'pg'
import { Logger, run, makeWorkerUtils } from 'graphile-worker'
import { countdown, measure } from './common.mjs'

const logger = new Logger(() => () => {})
const connectionString = process.argv[2]
const pool = new pg.Pool({ connectionString, max: 12 })
pool.on('error', error => { throw error })
pool.on('connect', client => client.on('error', () => {}))
const utils = await makeWorkerUtils({ pgPool: pool, logger })
await utils.migrate()

let hit
const taskList = {
  link: async (payload, helpers) => {
    if (payload.left > 1) await helpers.addJob('link', { left: payload.left - 1 })
    hit()
  }
}

// In batches for throughput; one by one, as it does by itself, for latency.
const batches = {
  concurrentJobs: 24,
  preset: { worker: { localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 } }
}
const singly = { concurrentJobs: 4, pollInterval: 1000 }

async function runner ({ concurrentJobs, ...options }) {
  return run({ pgPool: pool, logger, taskList, concurrency: concurrentJobs, noHandleSignals: true, ...options })
}

async function burst (w) {
  if (w.steps > 4 || (w.steps > 1 && w.parents(3).length > 1)) return null // only chains
  const all = countdown(w.tasks * w.steps)
  hit = all.hit
  await utils.addJobs(Array.from({ length: w.tasks }, () => ({ identifier: 'link', payload: { left: w.steps } })))
  const worker = await runner(batches)
  await all.done
  await worker.stop() // what is batched is written then
}

async function single (w) {
  const worker = await runner(singly)
  process.on('exit', () => worker.stop())
  return async () => {
    const all = countdown(w.steps)
    hit = all.hit
    await utils.addJob('link', { left: w.steps })
    await all.done
  }
}

await measure('graphile-worker', { burst, single })
process.exit(0)
