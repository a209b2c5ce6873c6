/**
 * The suite on dual(memory) with the PostgreSQL that comes as a development dependency, as the application's role of docs/postgresql.md:
 * everything works without a right to change the schema. The short form is about storing.
 */
import { MemoryBroker, memory } from '../../../adapters/memory/index.js'
import { isShort } from '../../short-form.js'
import { HANDBOOK, startWithRoles } from './fixtures/handbook-roles.js'
import { describeDualSuite } from './suite.js'

/** What a server of another version, and a role with few rights, could do differently. */
const GROUPS = [
  'publish',
  'settle',
  'dedup',
  'delayed',
  'retention',
  'limits',
  'replay',
  'redrive',
  'dead letter',
  'transactions',
  'ledger',
  'durability',
]
const broker = new MemoryBroker()
describeDualSuite({
  name: 'dual(memory), PostgreSQL 18, least privilege',
  inner: () => memory({ broker }),
  options: HANDBOOK,
  ...(isShort && { groups: GROUPS }),
  start: async () => {
    const server = await startWithRoles({ binaries: 'embedded' })
    return { url: server.urlOf('busbar_app'), restart: () => server.restart(), stop: () => server.stop() }
  },
})
