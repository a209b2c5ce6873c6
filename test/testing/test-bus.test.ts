/** `TestBus`: hours in milliseconds, spies for the past and the future, faults on request, and an order that a run number fixes. */
import { describe, expect, it } from 'vitest'
import { OutcomeUnknownError, type PoolOptions } from '../../src/index.js'
import { TestBus, type TestBusOptions } from '../../testing/test-bus.js'

const streams = [{ name: 's', subjects: ['s.>'] }] as const
const consumer = { name: 'c', stream: 's' } as const

function start(options: TestBusOptions = {}): Promise<TestBus> {
  return TestBus.start({ streams, ...options })
}

const kindsOf = (test: TestBus): string[] => test.settlements('c').map(({ settlement }) => settlement.kind)

describe('time', () => {
  it('of a retry ladder of four hours passes in less than 100 ms', async () => {
    await using test = await start()
    const retry: PoolOptions['retry'] = { attempts: 16, backoff: ['16m'], jitter: 0 }
    const times: number[] = []
    await test.bus.consume(
      consumer,
      () => {
        times.push(test.clock.now())
        throw new Error('not yet')
      },
      { retry },
    )
    await test.bus.publish('s.a', 1)
    const started = performance.now()
    await test.advance('4h')
    await test.settled()
    expect(performance.now() - started).toBeLessThan(100)
    expect(times).toHaveLength(16)
    expect(new Set(times.slice(1).map((time, at) => time - (times[at] ?? 0)))).toEqual(new Set([16 * 60_000]))
    expect(test.published('dead.c')).toHaveLength(1)
  })

  it('stands still until it is moved', async () => {
    await using test = await start()
    const seen: number[] = []
    await test.bus.consume(consumer, () => void seen.push(test.clock.now()))
    const begin = test.clock.now()
    await test.bus.publish('s.a', 1, { delay: '1h' })
    await test.advance('59m')
    await test.settled()
    expect(seen).toEqual([])
    await test.advance('1m')
    expect(seen).toEqual([begin + 3_600_000])
  })
})

describe('spies', () => {
  it('know what was published before they were asked', async () => {
    await using test = await start()
    await test.bus.publish('s.a', { n: 1 }, { id: 'one', key: 'k', headers: { h: 'v' } })
    await test.bus.publish('s.b', { n: 2 })
    expect(test.published().map((message) => message.subject)).toEqual(['s.a', 's.b'])
    expect(test.published('s.a')[0]).toMatchObject({ id: 'one', key: 'k', data: { n: 1 } })
    expect({ ...test.published('s.a')[0]?.headers }).toEqual({ h: 'v' })
    expect((await test.firstPublished('s.*', (message) => message.subject === 's.b')).data).toEqual({ n: 2 })
  })

  it('wait for what is published after they were asked', async () => {
    await using test = await start()
    const coming = test.firstPublished('s.b', ({ data }) => data === 2)
    await test.bus.publish('s.a', 2)
    await test.bus.publish('s.b', 1)
    await test.bus.publish('s.b', 2)
    expect(await coming).toMatchObject({ subject: 's.b', data: 2 })
  })

  it('know what became of every delivery', async () => {
    await using test = await start()
    await test.bus.consume(consumer, (_message, { attempt }) => {
      if (attempt === 1) throw new Error('first')
    })
    await test.bus.publish('s.a', 1)
    await test.advance('2s')
    await test.settled()
    expect(test.settlements('c').map(({ attempt, settlement }) => [attempt, settlement.kind])).toEqual([
      [1, 'nak'],
      [2, 'ack'],
    ])
    expect(test.settlements('another')).toEqual([])
  })
})

describe('faults', () => {
  it('in a publish leave it unknown, and a repeat with its id is stored once', async () => {
    await using test = await start()
    test.failNext('publish')
    const thrown: unknown = await test.bus.publish('s.a', 1, { id: 'one' }).catch((error: unknown) => error)
    expect(thrown).toBeInstanceOf(OutcomeUnknownError)
    expect(thrown).toMatchObject({ code: 'BUS_UNAVAILABLE', retryable: true, id: 'one' })
    const { id } = thrown as OutcomeUnknownError
    expect(await test.bus.publish('s.a', 1, { id })).toMatchObject({ duplicate: false })
    expect(await test.bus.publish('s.a', 1, { id })).toMatchObject({ duplicate: true })
    const { streams: reports } = await test.bus.inspect()
    expect(reports.find((stream) => stream.name === 's')).toMatchObject({ messages: 1 })
  })

  it('come as often as asked for', async () => {
    await using test = await start()
    test.failNext('publish', 2)
    for (const isUnknown of [true, true, false]) {
      const end: unknown = await test.bus.publish('s.a', 1).catch((error: unknown) => error)
      expect(end instanceof OutcomeUnknownError).toBe(isUnknown)
    }
  })

  it('before an ack bring the message back after its ack wait, and the dedup window hides it', async () => {
    await using test = await start()
    const handled: string[] = []
    const pool = await test.bus.consume({ ...consumer, ackWait: '30s' }, (message) => void handled.push(message.id))
    test.crashBefore('ack')
    await test.bus.publish('s.a', 1, { id: 'one' })
    await test.settled()
    expect([handled, pool.stats().handled, kindsOf(test)]).toEqual([['one'], 1, []])
    await test.advance('29s')
    expect(kindsOf(test)).toEqual([])
    await test.advance('2s')
    await test.settled()
    expect(handled).toEqual(['one'])
    expect(pool.stats()).toMatchObject({ handled: 1, duplicates: 1, lag: 0 })
    expect(kindsOf(test)).toEqual(['ack'])
  })

  it('before an ack run the handler again when the dedup window is off', async () => {
    await using test = await start()
    const attempts: number[] = []
    await test.bus.consume(consumer, (_message, { attempt }) => void attempts.push(attempt), { dedup: 0 })
    test.crashBefore('ack')
    await test.bus.publish('s.a', 1)
    await test.advance('31s')
    await test.settled()
    expect(attempts).toEqual([1, 2])
  })

  it('that deliver twice start one handler only', async () => {
    await using test = await start()
    const handled: string[] = []
    const pool = await test.bus.consume(consumer, (message) => void handled.push(message.id))
    test.duplicateNext()
    await test.bus.publish('s.a', 1, { id: 'one' })
    await test.bus.publish('s.a', 2, { id: 'two' })
    await test.settled()
    expect(handled).toEqual(['one', 'two'])
    expect(pool.stats()).toMatchObject({ handled: 2, inFlight: 0, waiting: 0 })
  })

  it('that deliver late do so by the time asked for', async () => {
    await using test = await start()
    const handled: unknown[] = []
    await test.bus.consume(consumer, (message) => void handled.push(message.data))
    test.delayNext('10s')
    await test.bus.publish('s.a', 'late')
    await test.bus.publish('s.a', 'in time')
    await test.advance('9s')
    expect(handled).toEqual(['in time'])
    await test.advance('1s')
    expect(handled).toEqual(['in time', 'late'])
  })

  it('in attach fail the start of a pool', async () => {
    await using test = await start()
    test.failNext('attach')
    await expect(test.bus.consume(consumer, () => {})).rejects.toMatchObject({ code: 'BUS_UNAVAILABLE' })
  })
})

async function orderOf(run: number): Promise<unknown[]> {
  await using test = await start({ run })
  for (let n = 0; n < 20; n++) await test.bus.publish('s.a', n)
  const order: unknown[] = []
  await test.bus.consume(consumer, (message) => void order.push(message.data))
  await test.settled()
  return order
}

describe('the run number', () => {
  it('fixes the order of hand-out, and another number gives another order', async () => {
    const [one, again, other] = [await orderOf(1), await orderOf(1), await orderOf(2)]
    expect(one).toHaveLength(20)
    expect(again).toEqual(one)
    expect(other).not.toEqual(one)
    expect([...other].sort()).toEqual([...one].sort())
  })

  it('fixes the jitter', async () => {
    const waitOf = async (run: number): Promise<unknown> => {
      await using test = await start({ run })
      await test.bus.consume(consumer, () => Promise.reject(new Error('no')))
      await test.bus.publish('s.a', 1)
      await test.settled()
      return test.settlements('c')[0]?.settlement
    }
    expect(await waitOf(3)).toEqual(await waitOf(3))
    expect(await waitOf(3)).not.toEqual(await waitOf(4))
  })

  it('leaves messages of one key in order', async () => {
    for (const run of [1, 2, 3]) {
      await using test = await start({ run })
      for (let n = 0; n < 30; n++) await test.bus.publish('s.a', n, { key: `k${n % 3}` })
      const seen = new Map<string | undefined, number[]>()
      await test.bus.consume({ ...consumer, order: 'key' }, (message) => {
        seen.set(message.key, [...(seen.get(message.key) ?? []), message.data as number])
      })
      await test.settled()
      expect(seen.size).toBe(3)
      for (const numbers of seen.values()) expect(numbers).toEqual([...numbers].sort((a, b) => a - b))
    }
  })
})

describe('settled', () => {
  it('waits for handlers that do work of their own', async () => {
    await using test = await start()
    let ended = 0
    await test.bus.consume(consumer, async () => {
      for (let turn = 0; turn < 50; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
      ended++
    })
    for (let n = 0; n < 3; n++) await test.bus.publish('s.a', n)
    await test.settled()
    expect(ended).toBe(3)
    expect(kindsOf(test)).toEqual(['ack', 'ack', 'ack'])
  })

  it('resolves at once when there is nothing to do', async () => {
    await using test = await start()
    await test.settled()
    await test.bus.publish('s.a', 1)
    await test.settled()
    expect(test.settlements()).toEqual([])
  })
})
