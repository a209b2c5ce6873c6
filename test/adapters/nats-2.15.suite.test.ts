/** The conformance suite on the nats adapter, nats-server 2.15. */
import { describeSuite } from './jetstream/suite.js'

describeSuite('2.15')
