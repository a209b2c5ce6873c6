/** What the suite says of publishing, on the nats adapter where publishes go in atomic batches: nats-server 2.15 that syncs always. */
import { describeSuite } from './jetstream/suite.js'

const PUBLISHING = [
  'publish',
  'payload',
  'subjects',
  'dedup',
  'limits',
  'retention',
  'delayed',
  'close',
  'durability',
  'reconnect',
]
describeSuite(
  '2.15',
  'always',
  PUBLISHING.map((group) => `: ${group}`),
)
