/** Deliveries that a pool holds and that are no longer its own: handed back or dropped, never started. Time is a test's own. */
import { describe, expect, it } from 'vitest'
import { MemoryAdapter } from '../../adapters/memory/adapter.js'
import { MemoryBroker } from '../../adapters/memory/index.js'
import type { Delivery, Settlement } from '../../src/adapter.js'
import { BusError, type ConsumerDefinition, createBus, type MessageBus } from '../../src/index.js'
import { Gate } from '../gate.js'
import { HandClock } from '../hand-clock.js'

const streams = [{ name: 'orders', subjects: ['orders.>'] }]
const consumer: ConsumerDefinition = { name: 'billing', stream: 'orders', ackWait: '30s' }

/** Notes what it was told. */
class Notebook extends MemoryAdapter {
  readonly told: string[] = []
  /** Every extension fails. */
  isDeaf = false

  override settle(deliveries: readonly Delivery[], settlement: Settlement): void {
    for (const { message } of deliveries) this.told.push(`${settlement.kind} ${message.sequence}`)
    if (this.isDeaf && settlement.kind === 'working') throw new BusError('BUS_UNAVAILABLE', '[memory] cannot be heard')
    super.settle(deliveries, settlement)
  }
}

async function open(broker: MemoryBroker, clock: HandClock): Promise<{ bus: MessageBus; adapter: Notebook }> {
  const adapter = new Notebook({ broker })
  const bus = createBus({ adapter, streams, clock })
  await bus.connect()
  return { bus, adapter }
}

async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}

/** A pool that runs `orders.1` and holds the two others, all of them of one key but the first. */
async function holdThree(clock: HandClock) {
  const { bus, adapter } = await open(new MemoryBroker({ clock }), clock)
  const gate = new Gate()
  const ran: string[] = []
  await bus.consume(
    { ...consumer, order: 'key' },
    async (message, { attempt }) => {
      ran.push(`${message.subject} attempt ${attempt}`)
      if (message.sequence === 1) await gate.opened
    },
    { concurrency: 1, prefetch: 4, timeout: 0 },
  )
  await bus.publish('orders.1', 1)
  for (const subject of ['orders.2', 'orders.3']) await bus.publish(subject, 1, { key: 'k' })
  await settled()
  await settled()
  expect(ran).toEqual(['orders.1 attempt 1'])
  return { bus, adapter, gate, ran }
}

const RAN_ONCE = ['orders.1 attempt 1', 'orders.2 attempt 1', 'orders.3 attempt 1']

describe('a pool whose process was suspended', () => {
  it('for the ack wait hands back what it had not started: no attempt lost, the key in order', async () => {
    const clock = new HandClock()
    const { bus, adapter, gate, ran } = await holdThree(clock)
    clock.suspend(30_000)
    gate.open()
    for (let turn = 0; turn < 5; turn++) await settled()
    expect(adapter.told.filter((told) => told.startsWith('release'))).toEqual(['release 2', 'release 3'])
    expect(ran).toEqual(RAN_ONCE)
    await bus.close()
  })

  it('for a little less starts it', async () => {
    const clock = new HandClock()
    const { bus, adapter, gate, ran } = await holdThree(clock)
    clock.suspend(29_999)
    clock.advance(29_999)
    gate.open()
    await settled()
    expect(ran).toEqual(RAN_ONCE)
    expect(adapter.told.filter((told) => told.startsWith('release'))).toEqual([])
    await bus.close()
  })
})

describe('a pool whose heartbeats are not heard', () => {
  it('hands back what it has not started once the ack wait has passed', async () => {
    const clock = new HandClock()
    const { bus, adapter, gate, ran } = await holdThree(clock)
    adapter.isDeaf = true
    clock.advance(29_999)
    clock.suspend(1)
    gate.open()
    for (let turn = 0; turn < 5; turn++) await settled()
    expect(adapter.told.filter((told) => told.startsWith('release'))).toEqual(['release 2', 'release 3'])
    expect(ran).toEqual(RAN_ONCE)
    await bus.close()
  })
})

describe('a message that was handed out again before it was started', () => {
  it('is started as the attempt that it is by then', async () => {
    const clock = new HandClock()
    const { bus, adapter, gate, ran } = await holdThree(clock)
    adapter.isDeaf = true
    clock.advance(30_000)
    await settled()
    adapter.isDeaf = false
    gate.open()
    for (let turn = 0; turn < 5; turn++) await settled()
    expect(ran.slice(0, 2)).toEqual(['orders.1 attempt 1', 'orders.2 attempt 2'])
    await bus.close()
  })
})

describe('a message that was redelivered and then settled by its first holder', () => {
  it('is not started by the second', async () => {
    const [world, slowClock, clock] = [new HandClock(), new HandClock(), new HandClock()]
    const broker = new MemoryBroker({ clock: world })
    const slow = await open(broker, slowClock)
    const quick = await open(broker, clock)
    const [slowGate, quickGate] = [new Gate(), new Gate()]
    const ran: string[] = []
    const pool = (bus: MessageBus, name: string, gate: Gate, prefetch: number) =>
      bus.consume(
        consumer,
        (message) => {
          ran.push(`${name} ${message.sequence}`)
          return gate.opened
        },
        { concurrency: 1, prefetch, timeout: 0 },
      )
    const slowPool = await pool(slow.bus, 'slow', slowGate, 0)
    await slow.bus.publish('orders.1', 1)
    const quickPool = await pool(quick.bus, 'quick', quickGate, 1)
    await slow.bus.publish('orders.2', 2)
    await settled()
    for (let third = 0; third < 3; third++) {
      world.advance(10_000)
      clock.advance(10_000)
    }
    await settled()
    expect([ran, quickPool.stats().waiting]).toEqual([['slow 1', 'quick 2'], 1])
    slowGate.open()
    await settled()
    quickGate.open()
    await settled()
    expect(ran).toEqual(['slow 1', 'quick 2'])
    expect([slowPool.stats().handled, quickPool.stats().handled, quickPool.stats().lag]).toEqual([1, 1, 0])
    await Promise.all([slow.bus.close(), quick.bus.close()])
  })
})
