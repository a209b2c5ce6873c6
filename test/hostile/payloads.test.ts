/** Payloads: each arrives as it was or is refused, and none becomes something else. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { memory } from '../../adapters/memory/index.js'
import { createBus } from '../../src/index.js'
import { codeOfAsync } from '../code-of.js'
import { codeOfCall } from './neighbour.js'
import { PATIENCE, runs } from './runs.js'
import { text } from './words.js'

describe('payloads', () => {
  const json = fc.jsonValue({ maxDepth: 4 })
  const hostile = fc.oneof(
    { weight: 3, arbitrary: json },
    { weight: 2, arbitrary: text },
    {
      weight: 1,
      arbitrary: fc.anything({
        withBigInt: true,
        withDate: true,
        withMap: true,
        withSet: true,
        withTypedArray: true,
        withSparseArray: true,
        withNullPrototype: true,
        withObjectString: true,
        withBoxedValues: true,
        key: text,
      }),
    },
    { weight: 1, arbitrary: fc.dictionary(text, fc.oneof(json, text), { maxKeys: 4, noNullPrototype: true }) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 40 }) },
  )

  it('arrive as they were, or are refused; none becomes something else', PATIENCE, async () => {
    await using bus = createBus({
      adapter: memory(),
      streams: [{ name: 's', subjects: ['s.>'], maxMessages: 5, discard: 'old' }],
    })
    await bus.connect()
    const one = fc.asyncProperty(hostile, async (data) => {
      const code = await codeOfCall(() => bus.publish('s.a', data))
      if (code !== undefined) expect(code).toBe('BUS_INVALID_MESSAGE')
      else expect((await bus.last('s.a'))?.data).toEqual(meantBy(data))
    })
    await fc.assert(one, runs(900))
  })

  const bytes = Uint8Array.of(1, 2, 3)
  const shared = new Uint8Array(new SharedArrayBuffer(8), 2, 3)
  shared.set(bytes)
  const transferred = Uint8Array.of(1, 2, 3)
  structuredClone(transferred, { transfer: [transferred.buffer] })
  const revoked = Proxy.revocable({}, {})
  revoked.revoke()

  it.each<readonly [string, unknown]>([
    ['bytes whose memory was transferred', transferred],
    ['a revoked proxy', revoked.proxy],
    ['an object that pretends to be bytes', Object.create(Uint8Array.prototype)],
    [
      'an object whose toJSON returns itself with NaN',
      {
        n: Number.NaN,
        toJSON() {
          return this
        },
      },
    ],
    ['an object whose toJSON returns a Date', { toJSON: () => new Date(0) }],
    ['an object whose toJSON returns an object with a toJSON', { toJSON: () => new Map() }],
    ['a list whose toJSON returns nothing', Object.assign([1], { toJSON: () => undefined })],
    [
      'a getter that throws',
      {
        get a() {
          throw new Error('no')
        },
      },
    ],
    ['bytes inside an object', { bytes }],
    ['a list with holes', new Array(3)],
  ])('%s is refused', async (_, data) => {
    await using bus = createBus({ adapter: memory(), streams: [{ name: 's', subjects: ['s.>'] }] })
    await bus.connect()
    expect(await codeOfAsync(() => bus.publish('s.a', data))).toBe('BUS_INVALID_MESSAGE')
  })

  it.each<readonly [string, Uint8Array]>([
    ['a view with an offset', new Uint8Array(Uint8Array.of(9, 1, 2, 3, 9).buffer, 1, 3)],
    ['a view of shared memory', shared],
    ['a slice of the pool of buffers', Buffer.from('x\x01\x02\x03x').subarray(1, 4)],
  ])('%s is copied exactly', async (_, data) => {
    await using bus = createBus({ adapter: memory(), streams: [{ name: 's', subjects: ['s.>'] }] })
    await bus.connect()
    await bus.publish('s.a', data)
    data.fill(0)
    expect((await bus.last('s.a'))?.data).toEqual(bytes)
  })
})

/** What the documentation of the codec says that a reader gets. */
function meantBy(data: unknown): unknown {
  return data instanceof Uint8Array ? new Uint8Array(data) : JSON.parse(JSON.stringify(data))
}
