/** Whatever a handler throws: its attempt has failed in the ordinary way, its message is kept, and the pool goes on. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { memory } from '../../adapters/memory/index.js'
import { BusError, createBus, Reject, RetryLater } from '../../src/index.js'
import { redact } from '../../src/redact.js'
import { until } from '../../testing/suite/expect.js'
import { Neighbour } from './neighbour.js'
import { PATIENCE, runs } from './runs.js'
import { junk, text } from './words.js'

const no = (): never => {
  throw new Error('not even this')
}
const cycle: { self?: unknown } = {}
cycle.self = cycle
const revoked = Proxy.revocable({}, {})
revoked.revoke()

const MALICE: readonly unknown[] = [
  cycle,
  revoked.proxy,
  new Proxy({}, { getPrototypeOf: no, get: no }),
  new Proxy(new Error('behind a proxy'), { get: no }),
  Object.defineProperty(new Error('hidden'), 'message', { get: no }),
  Object.defineProperty(new Reject('rejected'), 'name', { get: no }),
  Object.assign(new Error('text'), { message: Symbol('no text') }),
  Object.assign(new Error('text'), { message: { toString: no } }),
  { message: 'x'.repeat(2_000_000) },
  new Error('eyJ-'.repeat(200_000)),
  new Error('-----BEGIN A KEY-----'.repeat(20_000)),
  new Error('\ud800 \0 \r\n NATS/1.0'),
  Object.defineProperty(new RetryLater(1), 'delayMs', { get: no }),
  new RetryLater(Number.NaN),
  new RetryLater(-1),
  new RetryLater(0.5),
  new AggregateError([cycle, undefined], 'several'),
  new BusError('BUS_INVALID_MESSAGE', '[bus] as if it could not be read'),
  Promise.resolve(1),
]

/** Malice by its number: some of it cannot even be looked at by whoever generates it. */
const thrown = fc.oneof(
  fc.nat(MALICE.length - 1).map((at) => ({ at, thing: undefined })),
  fc.oneof(junk, text).map((thing) => ({ at: undefined, thing })),
)

describe('what a handler throws', () => {
  it('fails its attempt and nothing else, and the message ends as a dead letter', PATIENCE, async () => {
    const streams = [{ name: 's', subjects: ['s.>'] }, Neighbour.stream()]
    await using bus = createBus({ adapter: memory(), streams })
    await bus.connect()
    const neighbour = await Neighbour.of(bus)
    const things: unknown[] = []
    const fail = (message: { readonly data: unknown }, { attempt }: { readonly attempt: number }): unknown => {
      const thing = things[Number(message.data)]
      if (attempt % 2 === 0) return Promise.reject(thing)
      throw thing
    }
    const retry = { attempts: 2, backoff: [1], jitter: 0 } as const
    const pool = await bus.consume({ name: 'c', stream: 's' }, fail, { retry })
    const one = fc.asyncProperty(thrown, async ({ at, thing }) => {
      await bus.publish('s.a', things.push(at === undefined ? thing : MALICE[at]) - 1)
      await neighbour.say()
    })
    await fc.assert(one, runs(200))
    await until(() => pool.stats().dead === things.length, 'all dead letters')
    const seen: number[] = []
    for await (const letter of bus.deadLetters('c').list()) {
      seen.push(Number(letter.data))
      expect(Buffer.byteLength(letter.lastError)).toBeLessThanOrEqual(4096)
    }
    expect(seen.toSorted((a, b) => a - b)).toEqual([...things.keys()])
    await neighbour.assertUndisturbed()
  })

  it('is answered to who asked, in bearable time and length', async () => {
    await using bus = createBus({ adapter: memory(), streams: [] })
    await bus.connect()
    await bus.respond('ask', (message) => {
      throw MALICE[Number(message.data)]
    })
    for (const at of MALICE.keys()) {
      const error: unknown = await bus.request('ask', at).catch((failed: unknown) => failed)
      expect(error).toBeInstanceOf(BusError)
      expect((error as BusError).message.length).toBeLessThan(1000)
    }
  })

  it('costs time in proportion to its length', () => {
    const unit = ['eyJ-', '-----BEGIN A KEY-----', 'nats://a:', 'password=', 'eyJa.', 'bearer ', 'a://b:'] as const
    for (const each of unit) redact(each.repeat(Math.floor(400_000 / each.length)))
  })
})
