/** An id that was used before, by another message, when the server is too slow to say so: the publish is not called accepted (JS-D1). */
import { expect, it } from 'vitest'
import { jetstream } from '../../../adapters/jetstream/index.js'
import { createBus } from '../../../src/bus.js'
import { OutcomeUnknownError } from '../../../src/errors.js'
import type { MessageBus } from '../../../src/message-bus.js'
import { codeOfAsync } from '../../code-of.js'
import { startNats } from '../../servers/nats-server.js'
import { startProxy } from '../../servers/proxy.js'

/** One way. The acknowledgement comes after two of them, the stored message after four. */
const DELAY_MS = 400

it('JS-D1: a duplicate that cannot be compared in time is of unknown outcome', { timeout: 40_000 }, async () => {
  const server = await startNats()
  const link = await startProxy(server.port)
  const [near, far] = [busOver(server.url), busOver(link.url)]
  try {
    await near.connect()
    await far.connect()
    await far.publish('orders.a', 'warm')
    await near.publish('orders.a', 'first', { id: 'same' })

    link.delay(DELAY_MS)
    const late = far.publish('orders.a', 'second', { id: 'same', timeout: 3 * DELAY_MS })
    await expect(late).rejects.toBeInstanceOf(OutcomeUnknownError)
    link.delay(0)
    expect(await codeOfAsync(far.publish('orders.a', 'second', { id: 'same' }))).toBe('BUS_ID_CONFLICT')
    expect(await far.publish('orders.a', 'first', { id: 'same' })).toMatchObject({ duplicate: true })
  } finally {
    await Promise.all([near.close({ within: 500 }), far.close({ within: 500 })])
    await link.stop()
    await server.stop()
  }
})

function busOver(servers: string): MessageBus {
  const streams = [{ name: 'orders', subjects: ['orders.>'] }]
  return createBus({ adapter: jetstream({ servers }), streams })
}
