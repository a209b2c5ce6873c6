/** The conformance suite on the nats adapter where publishes go in atomic batches: nats-server 2.15 that syncs always. */
import { describeSuite } from './jetstream/suite.js'

describeSuite('2.15', 'always')
