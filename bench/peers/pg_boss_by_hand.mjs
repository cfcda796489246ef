// SPDX-License-Identifier: MIT
// pg_boss_by_hand.mjs - pg-boss without its workers, as fast as its public calls allow: two loops fetch and complete a
// thousand jobs at once, all with one and the same result, and a pass of the resolver of flows is asked for as soon as
// nothing is to be fetched.
import { measure, result } from './common.mjs'
import { create, flow, queue, start } from './pg_boss_jobs.mjs'

const boss = await start()

async function consume () {
  const jobs = await boss.fetch(queue, { batchSize: 1000 })
  if (jobs.length > 0) await boss.complete(queue, jobs.map(job => job.id), result)
  return jobs.length
}

async function burst (w) {
  let left = w.tasks * w.steps
  let pass = null
  const resolve = () => (pass ??= boss.resolveFlow().finally(() => { pass = null }))
  const loop = async () => {
    while (left > 0) {
      const count = await consume()
      left -= count
      if (count === 0 && left > 0) await resolve()
    }
  }
  await create(boss, w)
  await Promise.all([loop(), loop()])
}

const single = w => async () => {
  await boss.flow(flow(0, w))
  for (let left = w.steps; (left -= await consume()) > 0;) await boss.resolveFlow()
}

await measure('pg-boss', { burst, single })
await boss.stop({ graceful: false })
process.exit(0)
