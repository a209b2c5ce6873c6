/** The suite on dual(memory) with the PostgreSQL that comes as a development dependency, whatever the system has. */
import { MemoryBroker, memory } from '../../../adapters/memory/index.js'
import { describeDualSuite } from './suite.js'

const broker = new MemoryBroker()
describeDualSuite({
  name: 'dual(memory), PostgreSQL 18',
  binaries: 'embedded',
  inner: () => memory({ broker }),
})
