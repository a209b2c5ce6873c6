/**
 * The conformance suite: every promise that the bus makes over an adapter, as scenarios for any test runner. It owns the choice and
 * the running of scenarios; the scenarios are in `suite/`.
 *
 *     for (const group of adapterSuite(harness)) {
 *       describe(group.name, () => {
 *         for (const scenario of group.scenarios) it(scenario.title, scenario.run)
 *       })
 *     }
 */
import { batch } from './suite/batch.js'
import { close } from './suite/close.js'
import { closed } from './suite/closed.js'
import { consume } from './suite/consume.js'
import { credit } from './suite/credit.js'
import { deadLetter } from './suite/dead-letter.js'
import { dedup } from './suite/dedup.js'
import { delayed } from './suite/delayed.js'
import { durability } from './suite/durability.js'
import type { GroupDefinition, Harness, ScenarioDefinition, SuiteGroup, SuiteScenario } from './suite/harness.js'
import { ledger } from './suite/ledger.js'
import { limits } from './suite/limits.js'
import { live } from './suite/live.js'
import { order } from './suite/order.js'
import { partitions } from './suite/partitions.js'
import { payload } from './suite/payload.js'
import { publish } from './suite/publish.js'
import { reconnect } from './suite/reconnect.js'
import { redelivery } from './suite/redelivery.js'
import { redrive } from './suite/redrive.js'
import { replay } from './suite/replay.js'
import { report } from './suite/report.js'
import { request } from './suite/request.js'
import { retention } from './suite/retention.js'
import { Scene } from './suite/scene.js'
import { settle } from './suite/settle.js'
import { shutdown } from './suite/shutdown.js'
import { start } from './suite/start.js'
import { subjects } from './suite/subjects.js'
import { suspended } from './suite/suspended.js'
import { transactions } from './suite/transactions.js'

export type { Harness, SuiteGroup, SuiteScenario } from './suite/harness.js'

/** From the basics to the rare: an adapter is best made green in this order. */
const GROUPS: readonly GroupDefinition[] = [
  publish,
  payload,
  subjects,
  consume,
  batch,
  start,
  settle,
  credit,
  redelivery,
  suspended,
  order,
  partitions,
  dedup,
  limits,
  retention,
  replay,
  delayed,
  live,
  request,
  deadLetter,
  redrive,
  transactions,
  ledger,
  report,
  shutdown,
  close,
  closed,
  durability,
  reconnect,
]

/** The scenarios that hold for what the harness's adapter declares, a declared "no" included. Nothing runs before `run()` is called. */
export function adapterSuite(harness: Harness): readonly SuiteGroup[] {
  return GROUPS.map(({ name, scenarios }) => ({
    name: `${harness.name}: ${name}`,
    scenarios: scenarios.filter((each) => isFor(each, harness)).map((each) => toScenario(each, harness)),
  }))
}

function isFor(definition: ScenarioDefinition, harness: Harness): boolean {
  return definition.applies(harness.supports) && (!definition.restarts || harness.restart !== undefined)
}

function toScenario({ title, body, restarts }: ScenarioDefinition, harness: Harness): SuiteScenario {
  return {
    title,
    alone: restarts,
    run: async () => {
      const scene = new Scene(harness)
      try {
        await body(scene)
      } finally {
        await scene.end()
      }
    },
  }
}
