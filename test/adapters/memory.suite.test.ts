/** The conformance suite on the memory adapter, one scenario at a time. */
import { describe, it } from 'vitest'
import { MemoryBroker, memory } from '../../adapters/memory/index.js'
import { adapterSuite } from '../../testing/adapter-suite.js'

const broker = new MemoryBroker()
const harness = { name: 'memory', supports: memory().supports, connect: () => memory({ broker }) }

for (const group of adapterSuite(harness)) {
  describe(group.name, () => {
    for (const scenario of group.scenarios) it(scenario.title, scenario.run)
  })
}
