/** The suite as the application's role of docs/postgresql.md: everything works without a right to change the schema. */
import { afterAll, beforeAll, describe, it } from 'vitest'
import { dual } from '../../../adapters/dual/index.js'
import { MemoryBroker, memory } from '../../../adapters/memory/index.js'
import { adapterSuite } from '../../../testing/adapter-suite.js'
import { HANDBOOK, type HandbookServer, startWithRoles } from './fixtures/handbook-roles.js'

let server: HandbookServer
beforeAll(async () => {
  server = await startWithRoles()
})
afterAll(async () => {
  await server.stop()
})

const broker = new MemoryBroker()
const connect = (url: string) => dual({ inner: memory({ broker }), connection: url, ...HANDBOOK })
const harness = {
  name: 'dual(memory), least privilege',
  supports: connect('postgres://nobody@127.0.0.1:1/none').supports,
  connect: () => connect(server.urlOf('busbar_app')),
  restart: () => server.restart(),
}
for (const group of adapterSuite(harness)) {
  describe(group.name, () => {
    for (const scenario of group.scenarios) it(scenario.title, scenario.run)
  })
}
