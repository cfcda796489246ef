// SPDX-License-Identifier: MIT
// dbos.mjs - DBOS Transact: a task is a workflow, a step a DBOS.runStep that begins when its parents' promises are
// fulfilled.
import { DBOS } from '@dbos-inc/dbos-sdk'
import { measure, result } from './common.mjs'

// It reads the URI by other rules: a host must stand in it, even if another is meant.
const systemDatabaseUrl = process.argv[2].replace('@/', '@localhost/')
const logger = { info () {}, debug () {}, warn () {}, error: console.error }
DBOS.setConfig({ name: 'bench', systemDatabaseUrl, systemDatabasePoolSize: 20, logger })

let now
const task = DBOS.registerWorkflow(async () => {
  const steps = []
  for (let i = 0; i < now.steps; i++) {
    const parents = now.parents(i).map(p => steps[p])
    steps.push(Promise.all(parents).then(() => DBOS.runStep(async () => result, { name: `s${i}` })))
  }
  await Promise.all(steps)
}, { name: 'task' })

await DBOS.launch()

async function burst (w) {
  now = w
  const handles = await Promise.all(Array.from({ length: w.tasks }, () => DBOS.startWorkflow(task)()))
  await Promise.all(handles.map(handle => handle.getResult()))
}

const single = w => { now = w; return () => task() }

await measure('@dbos-inc/dbos-sdk', { burst, single })
await DBOS.shutdown()
process.exit(0)
