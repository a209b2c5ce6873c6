/** Data that waits beside its text for the first reader: for one reader, of the newest messages, and no larger than a few KB. */
import { beforeEach, describe, expect, it } from 'vitest'
import { MemoryBroker, memory } from '../../../adapters/memory/index.js'
import type { Adapter } from '../../../src/adapter.js'
import { systemClock } from '../../../src/clock.js'
import { createBus, type MessageBus } from '../../../src/index.js'
import { silentLogger } from '../../../src/logger.js'
import type { StoredMessage } from '../../../src/message.js'
import { nth, until } from '../../../testing/suite/expect.js'

/** After so many, the oldest of them are dropped. */
const KEPT = 1024

let bus: MessageBus
let adapter: Adapter
beforeEach(async () => {
  const broker = new MemoryBroker()
  adapter = memory({ broker })
  await adapter.open({ clock: systemClock, logger: silentLogger, random: Math.random, strict: false })
  bus = createBus({ adapter: memory({ broker }), streams: [{ name: 'orders', subjects: ['orders.>'] }] })
  await bus.connect()
  return async () => {
    await bus.close()
    await adapter.close()
  }
})

async function stored(): Promise<StoredMessage[]> {
  const found: StoredMessage[] = []
  for await (const message of adapter.read({ stream: 'orders', filters: ['orders.>'], from: 'all' }))
    found.push(message)
  return found
}

describe('the copy of what was published', () => {
  it('goes to one reader, and is nobody else’s', async () => {
    const data = { tags: ['new'] }
    await bus.publish('orders.a', data)
    const message = nth(await stored(), 0)
    const copy = message.takeCopy?.()
    expect(copy).toEqual(data)
    expect(copy).not.toBe(data)
    expect(message.takeCopy?.()).toBe(undefined)
    expect((await bus.get('orders', 1))?.data).toEqual(data)
  })

  it('is kept of the newest messages only', async () => {
    for (let n = 1; n <= KEPT; n++) await bus.publish('orders.a', { n })
    const messages = await stored()
    expect(nth(messages, 0).takeCopy?.()).toBe(undefined)
    expect(nth(messages, KEPT / 2 - 2).takeCopy?.()).toBe(undefined)
    expect(nth(messages, KEPT / 2 - 1).takeCopy?.()).toEqual({ n: KEPT / 2 })
    expect(nth(messages, KEPT - 1).takeCopy?.()).toEqual({ n: KEPT })
  })

  it('is not kept of what is large, or no object, or bytes', async () => {
    for (const data of [{ note: 'x'.repeat(4096) }, 'text', 1, null, Uint8Array.of(1)])
      await bus.publish('orders.a', data)
    for (const message of await stored()) expect(message.takeCopy?.()).toBe(undefined)
  })

  it('is not kept while its message is delayed', async () => {
    await bus.publish('orders.a', { n: 1 }, { delay: 20 })
    await until(async () => (await stored()).length === 1, 'the delayed message')
    expect(nth(await stored(), 0).takeCopy?.()).toBe(undefined)
    expect((await bus.get('orders', 1))?.data).toEqual({ n: 1 })
  })
})
