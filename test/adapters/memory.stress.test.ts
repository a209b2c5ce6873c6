/** The conformance suite on the memory adapter under stress: twenty copies of each scenario side by side on one backend. */
import { describe, it } from 'vitest'
import { MemoryBroker, memory } from '../../adapters/memory/index.js'
import { adapterSuite } from '../../testing/adapter-suite.js'

const COPIES = 20

const broker = new MemoryBroker()
const harness = {
  name: 'memory under stress',
  supports: memory().supports,
  connect: () => memory({ broker }),
  toleranceMs: 5000,
}

for (const group of adapterSuite(harness)) {
  describe(group.name, () => {
    for (const scenario of group.scenarios) {
      it(scenario.title, async () => {
        await Promise.all(Array.from({ length: COPIES }, () => scenario.run()))
      })
    }
  })
}
