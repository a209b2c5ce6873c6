/** What a stream keeps, through the bus: never over its limits, always the newest, one sequence after the other. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { memory } from '../../../adapters/memory/index.js'
import {
  type Clock,
  createBus,
  type Message,
  type MessageBus,
  type StreamDefinition,
  systemClock,
} from '../../../src/index.js'
import { codeOfAsync } from '../../code-of.js'
import { Gate } from '../../gate.js'
import { HandClock } from '../../hand-clock.js'

async function open(definition: Partial<StreamDefinition>, clock: Clock = systemClock): Promise<MessageBus> {
  const bus = createBus({ adapter: memory(), streams: [{ name: 's', subjects: ['s.>'], ...definition }], clock })
  await bus.connect()
  return bus
}

async function kept(bus: MessageBus): Promise<Message[]> {
  const all: Message[] = []
  for await (const message of bus.replay({ stream: 's' })) all.push(message)
  return all
}

async function report(bus: MessageBus): Promise<{ messages: number; bytes: number; lastSequence: number }> {
  const { streams } = await bus.inspect()
  const { messages = -1, bytes = -1, lastSequence = -1 } = streams.find((stream) => stream.name === 's') ?? {}
  return { messages, bytes, lastSequence }
}

/** Publishes that many bytes; undefined when the stream took them. */
function put(bus: MessageBus, size: number): Promise<string | undefined> {
  return codeOfAsync(() => bus.publish('s.a', new Uint8Array(size)))
}

const DAY_MS = 86_400_000
const CONTENT_HEADER_BYTES = 'Busbar-Content:bytes\r\n'.length
const sizes = fc.array(fc.nat({ max: 60 }), { minLength: 1, maxLength: 25 })
const limits = fc.record(
  { maxMessages: fc.integer({ min: 1, max: 6 }), maxBytes: fc.integer({ min: 30, max: 300 }) },
  { requiredKeys: [] },
)

interface Kept {
  readonly sequence: number
  readonly bytes: number
}

function sum(all: readonly Kept[]): number {
  return all.reduce((total, each) => total + each.bytes, 0)
}

describe('a stream with limits', () => {
  it('that drops the oldest keeps exactly as many of the newest as fit', async () => {
    await fc.assert(
      fc.asyncProperty(sizes, limits, async (all, { maxMessages = Infinity, maxBytes = Infinity }) => {
        const bounds = {
          ...(maxMessages < Infinity ? { maxMessages } : {}),
          ...(maxBytes < Infinity ? { maxBytes } : {}),
        }
        await using bus = await open({ ...bounds, discard: 'old' })
        let model: Kept[] = []
        let last = 0
        for (const size of all) {
          const bytes = size + CONTENT_HEADER_BYTES
          const refused = await put(bus, size)
          const isPossible = bytes <= maxBytes
          while (isPossible && (model.length + 1 > maxMessages || sum(model) + bytes > maxBytes)) model = model.slice(1)
          expect(refused).toBe(isPossible ? undefined : 'BUS_TOO_LARGE')
          if (refused === undefined) model.push({ sequence: ++last, bytes })
          expect(await report(bus)).toEqual({ messages: model.length, bytes: sum(model), lastSequence: last })
        }
        expect((await kept(bus)).map((message) => message.sequence)).toEqual(model.map((each) => each.sequence))
      }),
      { numRuns: 60 },
    )
  })

  it('that refuses new messages takes exactly those that fit, and uses no sequence for the others', async () => {
    await fc.assert(
      fc.asyncProperty(sizes, limits, async (all, { maxMessages = Infinity, maxBytes = Infinity }) => {
        const bounds = {
          ...(maxMessages < Infinity ? { maxMessages } : {}),
          ...(maxBytes < Infinity ? { maxBytes } : {}),
        }
        await using bus = await open({ ...bounds, discard: 'new' })
        const model: Kept[] = []
        for (const size of all) {
          const bytes = size + CONTENT_HEADER_BYTES
          const fits = model.length < maxMessages && sum(model) + bytes <= maxBytes
          const refusal = bytes > maxBytes ? 'BUS_TOO_LARGE' : 'BUS_UNAVAILABLE'
          expect(await put(bus, size)).toBe(fits ? undefined : refusal)
          if (fits) model.push({ sequence: model.length + 1, bytes })
          expect(await report(bus)).toEqual({ messages: model.length, bytes: sum(model), lastSequence: model.length })
        }
        expect((await kept(bus)).map((message) => message.sequence)).toEqual(model.map((each) => each.sequence))
      }),
      { numRuns: 60 },
    )
  })

  it('makes room for new messages as its consumer settles old ones, when it is a work queue', async () => {
    await using bus = await open({ maxMessages: 3, retention: 'workqueue' })
    for (let n = 0; n < 3; n++) expect(await put(bus, n)).toBeUndefined()
    expect(await put(bus, 3)).toBe('BUS_UNAVAILABLE')
    const handled: number[] = []
    const ended = new Gate()
    const pool = await bus.consume({ name: 'work', stream: 's' }, (message) => {
      handled.push(message.sequence)
      if (handled.length === 3) ended.open()
    })
    await ended.opened
    await pool.stop()
    expect(handled).toEqual([1, 2, 3])
    expect(await report(bus)).toEqual({ messages: 0, bytes: 0, lastSequence: 3 })
    expect(await put(bus, 4)).toBeUndefined()
    expect((await kept(bus)).map((message) => message.sequence)).toEqual([4])
  })
})

describe('a stream with a maxAge', () => {
  it('of years drops a message to the millisecond, though no timer waits as long', async () => {
    const clock = new HandClock()
    const years = 3 * 365 * DAY_MS
    await using bus = await open({ maxAge: years }, clock)
    await put(bus, 1)
    clock.advance(40 * DAY_MS)
    await put(bus, 1)
    clock.advance(years - 40 * DAY_MS - 1)
    expect((await kept(bus)).map((message) => message.sequence)).toEqual([1, 2])
    clock.advance(1)
    expect((await kept(bus)).map((message) => message.sequence)).toEqual([2])
    clock.advance(40 * DAY_MS)
    expect(await kept(bus)).toEqual([])
  })
})

describe('a stream with 200,000 messages', () => {
  it('takes one more in about the time that it took the first', async () => {
    await using bus = await open({ maxMessages: 150_000, discard: 'old' })
    const slice = async (): Promise<number> => {
      const started = performance.now()
      for (let n = 0; n < 20_000; n++) await bus.publish('s.a', n)
      return performance.now() - started
    }
    await slice()
    const times: number[] = []
    while (times.length < 9) times.push(await slice())
    const [early, late] = [Math.min(...times.slice(0, 3)), Math.min(...times.slice(-3))]
    expect(late / early).toBeLessThan(4)
    expect(await report(bus)).toMatchObject({ messages: 150_000, lastSequence: 200_000 })
  })
})
