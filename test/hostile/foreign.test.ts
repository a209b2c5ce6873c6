/**
 * Messages that other programs have put into a JetStream stream: any header block, any payload. Each is handed to its handler or becomes a
 * dead letter with its bytes, none is lost, none stands in the way of the others, and nothing in them is an instruction.
 */
import { connect, type NatsConnection } from '@nats-io/transport-node'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { jetstream } from '../../adapters/jetstream/index.js'
import { HeaderBlock } from '../../adapters/jetstream/wire.js'
import { createBus, type DeadLetter, type Message, type MessageBus, Reject } from '../../src/index.js'
import { until } from '../../testing/suite/expect.js'
import { type NatsServer, startNats } from '../servers/nats-server.js'
import { endOf, Neighbour } from './neighbour.js'
import { PATIENCE, runs } from './runs.js'
import { text } from './words.js'

const ONCE = { attempts: 1 } as const

/** Puts a message into a stream past the bus. @returns its position; undefined when the server refused it */
type Put = (subject: string, block: string, payload: Uint8Array) => Promise<number | undefined>

function putter(raw: NatsConnection): Put {
  return async (subject, block, payload) => {
    const headers = new HeaderBlock(block).asHeaders()
    const answer = await raw.request(subject, payload, { timeout: 5000, ...(block === '' ? {} : { headers }) })
    const { seq, error } = answer.json<{ seq?: number; error?: unknown }>()
    return error === undefined ? seq : undefined
  }
}

const status = fc.constantFrom(
  '',
  ' 503',
  ' 503 No Responders',
  ' 100 Idle Heartbeat',
  ' 404 No Messages',
  ' 408',
  ' 409 Consumer Deleted',
)
const name = fc.oneof(
  fc.constantFrom(
    'Busbar-Id',
    'Busbar-Key',
    'Busbar-Escaped',
    'Busbar-Version',
    'Busbar-Content',
    'Busbar-Ledger',
    'Busbar-Request',
  ),
  fc.constantFrom(
    'Nats-Pending-Messages',
    'Nats-Rollup',
    'nats-rollup',
    'Nats-Sequence',
    'Nats-Trace-Only',
    'Busbar-Was-Nats-Rollup',
    'Status',
  ),
  text,
)
const value = fc.oneof(
  text,
  fc.constantFrom('1', 'bytes', '-1', '1e9', 'NaN', '2', '%0D%0ANats-Rollup: all', '%uD800', '%', 'all', '5 123 again'),
)
const line = fc
  .tuple(name, fc.constantFrom(':', ': ', '', ' : '), value)
  .map((parts) => parts.join('').replaceAll('\r\n', ' '))
const block = fc.oneof(
  fc.constant(''),
  fc
    .tuple(status, fc.array(line, { maxLength: 5 }))
    .map(([said, lines]) => `NATS/1.0${said}\r\n${lines.map((each) => `${each}\r\n`).join('')}\r\n`),
)
const payload = fc.oneof(
  fc
    .constantFrom(
      '',
      'null',
      '{}',
      '{"n":1}',
      'not json',
      '{"__proto__":{"a":1}}',
      '[1e999]',
      `${'['.repeat(2000)}${']'.repeat(2000)}`,
    )
    .map((said) => new Uint8Array(Buffer.from(said))),
  fc.uint8Array({ maxLength: 30 }),
)
const path = fc.constantFrom('a', 'b.c', '$x', 'ü', '__proto__', 'a'.repeat(300), 'x.'.repeat(40).slice(0, -1))

interface Stored {
  readonly payload: Uint8Array
}

describe('foreign messages in a stream', () => {
  let server: NatsServer
  let raw: NatsConnection
  let bus: MessageBus
  let put: Put
  let neighbour: Neighbour
  beforeAll(async () => {
    server = await startNats()
    raw = await connect({ servers: server.url })
    put = putter(raw)
    const streams = ['f', 'g', 'h'].map((each) => ({ name: each, subjects: [`${each}.>`] }))
    bus = createBus({ adapter: jetstream({ servers: server.url }), streams: [...streams, Neighbour.stream()] })
    await bus.connect()
    neighbour = await Neighbour.of(bus)
  })
  afterAll(async () => {
    await neighbour.assertUndisturbed()
    await bus.close()
    await raw.close()
    await server.stop()
  })

  async function letters(consumer: string): Promise<DeadLetter[]> {
    const all: DeadLetter[] = []
    for await (const letter of bus.deadLetters(consumer).list()) all.push(letter)
    return all
  }

  it('each is handled or becomes a dead letter with its bytes', PATIENCE, async () => {
    const stored = new Map<number, Stored>()
    const handled = new Map<number, unknown>()
    const handle = (message: Message): void => {
      if (Object.getPrototypeOf(message.headers) !== null) throw new Error('headers with a prototype')
      if (`${message.id}${message.key}${message.subject}`.length > 1e6) throw new Error('too much')
      const { data } = message
      if (message.sequence % 7 === 0) throw new Reject(`rejected ${message.id}`)
      handled.set(message.sequence, data)
    }
    const pool = await bus.consume({ name: 'plain', stream: 'f' }, handle, { retry: ONCE })
    const one = fc.asyncProperty(
      fc.array(fc.tuple(path, block, payload), { minLength: 1, maxLength: 8 }),
      async (messages) => {
        const positions = await Promise.all(messages.map(([to, head, body]) => put(`f.${to}`, head, body)))
        for (const [at, position] of positions.entries())
          if (position !== undefined) stored.set(position, { payload: messages[at]?.[2] ?? new Uint8Array() })
        await neighbour.say()
      },
    )
    await fc.assert(one, runs(60))
    const ended = (): number => pool.stats().handled + pool.stats().dead
    await until(() => ended() >= stored.size, `${stored.size} messages to end, of which ${ended()} have`)
    const dead = await letters('plain')
    expect([...handled.keys(), ...dead.map((letter) => letter.originalSequence)].toSorted((a, b) => a - b)).toEqual(
      [...stored.keys()].toSorted((a, b) => a - b),
    )
    for (const letter of dead)
      expect([...letter.payload]).toEqual([...(stored.get(letter.originalSequence)?.payload ?? [])])
    await pool.stop()
  })

  it('readers see all of them, whichever way they read', PATIENCE, async () => {
    const live: number[] = []
    const stopLive = await bus.subscribe('g.>', (message) => live.push(message.sequence))
    const followed: number[] = []
    const stop = await bus.subscribe('g.>', (message) => followed.push(message.sequence), { from: 'all' })
    let count = 0
    const one = fc.asyncProperty(path, block, payload, async (to, head, body) => {
      const position = await put(`g.${to}`, head, body)
      if (position === undefined) return
      count = position
      const got = await bus.get('g', position)
      expect(got?.subject).toBe(`g.${to}`)
      expect(got?.id).not.toBe('')
      await endOf(() => got?.data)
    })
    await fc.assert(one, runs(60))
    const replayed: number[] = []
    for await (const message of bus.replay({ stream: 'g' })) replayed.push(message.sequence)
    expect(replayed).toEqual(Array.from({ length: count }, (_, at) => at + 1))
    await until(() => followed.length >= count, 'the reader to catch up')
    expect(followed).toEqual(replayed)
    await until(() => live.length >= count, 'the live messages')
    await Promise.all([stopLive(), stop()])
  })
})
