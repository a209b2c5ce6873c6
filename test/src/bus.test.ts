/** The life of a bus: before connect, while it closes, after; and handlers that misbehave at any of these times. */
import { describe, expect, it } from 'vitest'
import { memory } from '../../adapters/memory/index.js'
import { createBus, type MessageBus } from '../../src/index.js'
import { TestBus } from '../../testing/test-bus.js'
import { codeOfAsync } from '../code-of.js'
import { Gate } from '../gate.js'

const streams = [{ name: 's', subjects: ['s.>'] }] as const
const consumer = { name: 'c', stream: 's' } as const
const noop = (): void => {}

const operations: readonly (readonly [string, (bus: MessageBus) => unknown])[] = [
  ['publish', (bus) => bus.publish('s.a', 1)],
  ['publishBatch', (bus) => bus.publishBatch([{ to: 's.a', data: 1 }])],
  ['signal', (bus) => bus.signal('a', 1)],
  ['subscribe', (bus) => bus.subscribe('a', noop)],
  ['consume', (bus) => bus.consume(consumer, noop)],
  ['replay', (bus) => bus.replay({ stream: 's' })[Symbol.asyncIterator]().next()],
  ['last', (bus) => bus.last('s.a')],
  ['get', (bus) => bus.get('s', 1)],
  ['request', (bus) => bus.request('a', 1)],
  ['respond', (bus) => bus.respond('a', noop)],
  ['dead letters', (bus) => bus.deadLetters('c').list()[Symbol.asyncIterator]().next()],
  ['redrive', (bus) => bus.deadLetters('c').redrive()],
  ['guarantees', (bus) => bus.guarantees()],
  ['inspect', (bus) => bus.inspect()],
]

describe('every operation', () => {
  for (const [name, call] of operations) {
    it(`(${name}) is refused before connect and after close`, async () => {
      const bus = createBus({ adapter: memory(), streams })
      expect(await codeOfAsync(() => call(bus))).toBe('BUS_CLOSED')
      await bus.connect()
      await bus.close()
      expect(await codeOfAsync(() => call(bus))).toBe('BUS_CLOSED')
    })
  }

  it('that starts something new is refused while the bus closes', async () => {
    await using test = await TestBus.start({ streams })
    const [started, release] = [new Gate(), new Gate()]
    await test.bus.consume(consumer, async () => {
      started.open()
      await release.opened
    })
    await test.bus.publish('s.a', 1)
    await started.opened
    const closed = test.bus.close()
    for (const call of [
      () => test.bus.consume({ ...consumer, name: 'd' }, noop),
      () => test.bus.subscribe('a', noop),
      () => test.bus.respond('a', noop),
      () => test.bus.connect(),
    ])
      expect(await codeOfAsync(call)).toBe('BUS_CLOSED')
    release.open()
    await closed
  })

  it('tells its health at any time', async () => {
    const bus = createBus({ adapter: memory(), streams })
    expect(await bus.health()).toMatchObject({ status: 'down', state: 'new' })
    await bus.connect()
    expect(await bus.health()).toEqual({ status: 'ok', adapter: 'memory', state: 'open', reasons: [] })
    const pool = await bus.consume(consumer, noop)
    pool.pause()
    expect(await bus.health()).toMatchObject({ status: 'degraded', reasons: [expect.stringContaining('c')] })
    await bus.close()
    expect(await bus.health()).toMatchObject({ status: 'down', state: 'closed' })
  })
})

describe('a bus', () => {
  it('connects once, however often it is asked', async () => {
    await using bus = createBus({ adapter: memory(), streams })
    await Promise.all([bus.connect(), bus.connect()])
    await bus.connect()
    expect(await bus.publish('s.a', 1)).toMatchObject({ sequence: 1 })
  })

  it('closes once, however often it is asked, also before it was connected', async () => {
    const bus = createBus({ adapter: memory(), streams })
    await Promise.all([bus.close(), bus.close()])
    await bus.close()
    expect(await codeOfAsync(() => bus.connect())).toBe('BUS_CLOSED')
  })

  it('that is closed while it connects ends closed', async () => {
    const bus = createBus({ adapter: memory(), streams })
    const connecting = bus.connect().catch(noop)
    await bus.close()
    await connecting
    expect(await bus.health()).toMatchObject({ state: 'closed' })
    expect(await codeOfAsync(() => bus.publish('s.a', 1))).toBe('BUS_CLOSED')
  })

  it('lets running handlers publish while it closes', async () => {
    await using test = await TestBus.start({ streams })
    const [started, release] = [new Gate(), new Gate()]
    await test.bus.consume({ ...consumer, filter: 's.a' }, async () => {
      started.open()
      await release.opened
      await test.bus.publish('s.b', 'from the handler')
    })
    await test.bus.publish('s.a', 1)
    await started.opened
    const closed = test.bus.close()
    release.open()
    await closed
    expect(test.published('s.b')).toHaveLength(1)
    expect(test.settlements('c').map(({ settlement }) => settlement.kind)).toEqual(['ack'])
  })

  it('starts no handler after the call of close', async () => {
    await using test = await TestBus.start({ streams })
    let isClosing = false
    let late = 0
    await test.bus.consume(
      consumer,
      () => {
        if (isClosing) late++
      },
      { concurrency: 1 },
    )
    for (let n = 0; n < 50; n++) await test.bus.publish('s.a', n)
    isClosing = true
    await test.bus.close()
    expect(late).toBe(0)
  })

  it('can be closed by its own handler', async () => {
    await using test = await TestBus.start({ streams })
    const closed = new Gate()
    await test.bus.consume(consumer, () => {
      void test.bus.close().then(() => closed.open())
    })
    await test.bus.publish('s.a', 1)
    await closed.opened
    expect(await test.bus.health()).toMatchObject({ state: 'closed' })
  })
})

describe('a handler', () => {
  it('that throws undefined or anything else is retried, and ends as a dead letter that says so', async () => {
    for (const thrown of [undefined, null, 0, '', Symbol('s'), Object.create(null), new Proxy({}, { get: throwing })]) {
      await using test = await TestBus.start({ streams })
      await test.bus.consume(consumer, () => Promise.reject(thrown), { retry: { attempts: 2, backoff: ['1s'] } })
      await test.bus.publish('s.a', { n: 1 }, { id: 'one' })
      await test.advance('2s')
      await test.settled()
      const letters = []
      for await (const letter of test.bus.deadLetters('c').list()) letters.push(letter)
      expect(letters).toHaveLength(1)
      expect(letters[0]).toMatchObject({ id: 'one', reason: 'exhausted', attempts: 2, data: { n: 1 } })
    }
  })

  it('that never resolves is aborted at its time limit, each attempt anew, and then given up', async () => {
    await using test = await TestBus.start({ streams })
    const aborted: unknown[] = []
    const pool = await test.bus.consume(
      consumer,
      (_message, { signal }) => {
        signal.addEventListener('abort', () => aborted.push(Reflect.get(signal.reason, 'code')))
        return new Promise(noop)
      },
      { timeout: '10s', retry: { attempts: 2, backoff: ['1s'], jitter: 0 } },
    )
    await test.bus.publish('s.a', 1)
    await test.advance('9s')
    expect(aborted).toEqual([])
    await test.advance('13s')
    expect(aborted).toEqual(['BUS_TIMEOUT', 'BUS_TIMEOUT'])
    expect(pool.stats()).toMatchObject({ failed: 2, retried: 1, dead: 1, inFlight: 0, lag: 0 })
    expect(test.published('dead.c')).toHaveLength(1)
  })

  it('that resolves after its time limit changes nothing any more', async () => {
    await using test = await TestBus.start({ streams })
    const release = new Gate()
    let calls = 0
    const pool = await test.bus.consume(consumer, () => (++calls === 1 ? release.opened : undefined), {
      timeout: '10s',
      retry: { backoff: ['1s'], jitter: 0 },
    })
    await test.bus.publish('s.a', 1)
    await test.advance('10s')
    release.open()
    await test.advance('1s')
    await test.settled()
    expect(pool.stats()).toMatchObject({ handled: 1, failed: 1, dead: 0 })
    expect(test.settlements('c').map(({ settlement }) => settlement.kind)).toEqual(['nak', 'ack'])
  })

  it('that is still running at the stop deadline is aborted, and what it does afterwards is ignored', async () => {
    await using test = await TestBus.start({ streams })
    const [started, release] = [new Gate(), new Gate()]
    let reason: unknown
    const pool = await test.bus.consume(consumer, async (_message, { signal }) => {
      signal.addEventListener('abort', () => {
        reason = signal.reason
      })
      started.open()
      await release.opened
    })
    await test.bus.publish('s.a', 1)
    await started.opened
    const stopped = pool.stop({ within: '5s' })
    await test.advance('5s')
    expect(await stopped).toEqual({ finished: 0, released: 0, aborted: 1 })
    expect(reason).toMatchObject({ code: expect.stringMatching(/^BUS_/) })
    const before = test.settlements('c').length
    release.open()
    await test.settled()
    expect(test.settlements('c')).toHaveLength(before)
    expect(test.settlements('c').some(({ settlement }) => settlement.kind === 'ack')).toBe(false)
    expect(pool.stats().handled).toBe(0)
  })

  it('of a subscription that throws does not end the subscription', async () => {
    await using test = await TestBus.start({ streams })
    const heard: unknown[] = []
    await test.bus.subscribe('live.>', (message) => {
      heard.push(message.data)
      throw undefined
    })
    await test.bus.signal('live.a', 1)
    await test.bus.signal('live.a', 2)
    await test.settled()
    expect(heard).toEqual([1, 2])
  })
})

function throwing(): never {
  throw new Error('a getter that throws')
}
