/** A stream that was empty when it was looked at, and has its first messages when a sample of them is read. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { innerDefinition } from '../../../../adapters/dual/inner-definition.js'
import { toInner } from '../../../../adapters/dual/stamp.js'
import { sampleSuspicion } from '../../../../adapters/dual/verify/suspicion.js'
import { jetstream } from '../../../../adapters/jetstream/index.js'
import { systemClock } from '../../../../src/clock.js'
import { silentLogger } from '../../../../src/logger.js'
import { NO_HEADERS } from '../../../../src/message.js'
import { nth } from '../../../../testing/suite/expect.js'
import { type NatsServer, startNats } from '../../../servers/nats-server.js'
import { type PostgresServer, startPostgres } from '../../../servers/postgres.js'
import { LedgerLab } from '../fixtures/ledger-lab.js'

let nats: NatsServer
let postgres: PostgresServer
beforeAll(async () => {
  ;[nats, postgres] = await Promise.all([startNats({ version: '2.15' }), startPostgres()])
})
afterAll(async () => {
  await Promise.all([nats.stop(), postgres.stop()])
})

it('samples a stream that has got its first messages since it was looked at', async () => {
  await using lab = await LedgerLab.open(postgres.url)
  const stream = lab.streams.require('orders')
  const inner = jetstream({ servers: nats.url })
  await inner.open({ clock: systemClock, logger: silentLogger, random: Math.random, strict: false })
  try {
    await inner.provision([innerDefinition(stream.definition)])
    const report = nth((await inner.inspect()).streams, 0)
    const message = { id: 'note-1', subject: 'orders.1', key: undefined, headers: NO_HEADERS, text: undefined }
    const stamp = { position: 1, timeMs: Date.now(), isAgain: false }
    await inner.publish([toInner({ ...message, payload: new Uint8Array() }, stamp)], 5000)

    expect(await sampleSuspicion({ database: lab.database, inner, random: () => 0 }, stream, report)).toBe(undefined)
  } finally {
    await inner.close()
  }
})
