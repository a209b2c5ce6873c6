/** The conformance suite on the memory adapter under stress: twenty copies of each scenario side by side on one backend. */
import { beforeEach, describe, it } from 'vitest'
import { MemoryBroker, memory } from '../../adapters/memory/index.js'
import { adapterSuite } from '../../testing/adapter-suite.js'

const COPIES = 20

let broker = new MemoryBroker()
const connect = () => memory({ broker })
const harness = { name: 'memory under stress', supports: memory().supports, connect, toleranceMs: 5000 }

// What earlier scenarios left behind would only make the reports of later ones longer.
beforeEach(() => {
  broker = new MemoryBroker()
})

for (const group of adapterSuite(harness)) {
  describe(group.name, () => {
    for (const scenario of group.scenarios) {
      it(scenario.title, async () => {
        await Promise.all(Array.from({ length: COPIES }, () => scenario.run()))
      })
    }
  })
}
