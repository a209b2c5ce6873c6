/** The suite on dual(memory): PostgreSQL alone. The clients share one broker, as handlers in one process do. */
import { MemoryBroker, memory } from '../../../adapters/memory/index.js'
import { describeDualSuite } from './suite.js'

const broker = new MemoryBroker()
describeDualSuite({ name: 'dual(memory)', inner: () => memory({ broker }) })
