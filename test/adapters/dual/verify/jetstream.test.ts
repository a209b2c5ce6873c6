/** Comparing and mending with a NATS server behind the ledger. */
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { afterAll, beforeAll, describe } from 'vitest'
import { jetstream } from '../../../../adapters/jetstream/index.js'
import { type NatsServer, startNats } from '../../../servers/nats-server.js'
import { type PostgresServer, startPostgres } from '../../../servers/postgres.js'
import { Pair } from './fixture.js'
import { losses } from './losses.js'

let postgres: PostgresServer
let nats: NatsServer
let raw: NatsConnection
let jsm: JetStreamManager

beforeAll(async () => {
  ;[postgres, nats] = await Promise.all([startPostgres(), startNats()])
  raw = await connect({ servers: nats.url })
  jsm = await jetstreamManager(raw)
})
afterAll(async () => {
  await raw.close()
  await Promise.all([postgres.stop(), nats.stop()])
})

describe('verify and repair with JetStream inside', () => {
  losses({
    open: (options) => Pair.open(postgres.url, jetstream({ servers: nats.url }), options),
    destroy: async ({ name }) => {
      await jsm.streams.delete(name)
    },
  })
})
