/**
 * Answers that nobody should believe: a client that listens on the subjects of a stream replies to publishes before or beside the server.
 * Only what names the stream and a position is proof; everything else leaves the truth to the server's own answer, and breaks nothing.
 */
import { connect, type Msg, type NatsConnection } from '@nats-io/transport-node'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { jetstream } from '../../adapters/jetstream/index.js'
import { HeaderBlock } from '../../adapters/jetstream/wire.js'
import { createBus, type MessageBus } from '../../src/index.js'
import { until } from '../../testing/suite/expect.js'
import { type NatsServer, startNats } from '../servers/nats-server.js'
import { endOf, Neighbour } from './neighbour.js'
import { PATIENCE, runs } from './runs.js'
import { text } from './words.js'

const position = fc.constantFrom<unknown>(0, -1, 1.5, 1e20, '1', null, true, [], {}, undefined, 2 ** 53)
/** None of them is proof of anything: the stream is another, or the position is none. */
const worthless = fc.oneof(
  fc.constantFrom(
    '',
    ' ',
    '+OK',
    'null',
    '[]',
    '{}',
    '{"stream":"p","seq":',
    '{"stream":"p","seq":}',
    '{"stream":"p","seq":1',
    '{"stream":"p","seq":1 2}',
  ),
  fc
    .record({ stream: fc.constantFrom<unknown>('p', 1, null), seq: position, duplicate: fc.boolean() })
    .map((body) => JSON.stringify(body)),
  fc
    .record({ stream: text, seq: fc.integer({ min: 1 }) })
    .map((body) => JSON.stringify({ ...body, stream: `${body.stream}?` })),
  fc.json(),
  text,
)
const block = fc.constantFrom(
  '',
  'NATS/1.0\r\n\r\n',
  'NATS/1.0\r\nbad name: x\r\n: y\r\n\r\n',
  'NATS/1.0 100\r\n\r\n',
  'NATS/1.0 409 Gone\r\n\r\n',
  'NATS/1.0\r\n\xff: 1\r\n\r\n',
)

describe('answers to publishes that are none', () => {
  let server: NatsServer
  let raw: NatsConnection
  let bus: MessageBus
  let neighbour: Neighbour
  let answer: (message: Msg) => void = () => {}
  beforeAll(async () => {
    server = await startNats()
    raw = await connect({ servers: server.url })
    bus = createBus({
      adapter: jetstream({ servers: server.url }),
      streams: [{ name: 'p', subjects: ['p.>'] }, Neighbour.stream()],
    })
    await bus.connect()
    raw.subscribe('p.>', { callback: (_, message) => answer(message) })
    await raw.flush()
    neighbour = await Neighbour.of(bus)
  })
  afterAll(async () => {
    await neighbour.assertUndisturbed()
    await bus.close()
    await raw.close()
    await server.stop()
  })

  it('make no message accepted that is not stored, and no message rejected that is', PATIENCE, async () => {
    const handled = new Set<string>()
    const pool = await bus.consume({ name: 'worker', stream: 'p' }, ({ id }) => void handled.add(id))
    const accepted: string[] = []
    const one = fc.asyncProperty(fc.array(fc.tuple(worthless, block), { minLength: 1, maxLength: 4 }), async (lies) => {
      answer = (message) => {
        for (const [body, head] of lies)
          message.respond(
            Buffer.from(body),
            head === '' ? {} : { headers: new HeaderBlock(Buffer.from(head, 'latin1')).asHeaders() },
          )
      }
      const { code, value } = await endOf(() => bus.publish('p.a', 1, { timeout: 5000 }))
      await neighbour.say()
      if (code === undefined) {
        const { id, sequence, stream } = value as { id: string; sequence: number; stream: string }
        accepted.push(id)
        expect([stream, (await bus.get('p', sequence))?.id]).toEqual(['p', id])
      } else expect(Reflect.get(value as object, 'name')).toBe('OutcomeUnknownError')
    })
    await fc.assert(one, runs(150))
    answer = () => {}
    await until(() => accepted.every((id) => handled.has(id)), 'every accepted message to be handled')
    await pool.stop()
  })
})

describe('answers to pull requests that are none', () => {
  const status = fc.constantFrom(
    '100 Idle Heartbeat',
    '404 No Messages',
    '408 Request Timeout',
    '409 Message Size Exceeds MaxBytes',
    '503',
    '000',
    '',
  )
  const extra = fc.constantFrom(
    '',
    'Nats-Pending-Messages: -1\r\n',
    'Nats-Pending-Messages: 99999999999999999999\r\n',
    'bad name: x\r\n',
    'Nats-Last-Consumer: x\r\n',
  )
  const reply = fc.constantFrom(
    '',
    '$JS.ACK',
    '$JS.ACK.q.worker.1.1.1.1.1',
    '$JS.ACK.q.worker.x.y.z.t.p',
    '$JS.ACK.q.worker.0.0.0.0.0',
    '$JS.ACK.other.worker.1.5.1.1.1',
    '$JS.ACK.........',
    'q.a',
  )

  it('cost no message, and none is handled that was not published', PATIENCE, async () => {
    const server = await startNats()
    const raw = await connect({ servers: server.url })
    const bus = createBus({ adapter: jetstream({ servers: server.url }), streams: [{ name: 'q', subjects: ['q.>'] }] })
    await bus.connect()
    const inboxes: string[] = []
    raw.subscribe('$JS.API.CONSUMER.MSG.NEXT.q.worker', {
      callback: (_, message) => void inboxes.push(message.reply ?? ''),
    })
    await raw.flush()
    const handled: unknown[] = []
    const pool = await bus.consume(
      { name: 'worker', stream: 'q', ackWait: '1s' },
      ({ data }) => void handled.push(data),
      {
        concurrency: 2,
      },
    )
    await until(() => inboxes.length > 0, 'a pull request')
    let published = 0
    const one = fc.asyncProperty(status, extra, reply, fc.boolean(), async (said, line, to, isStatus) => {
      const inbox = inboxes.at(-1) ?? ''
      const headers = new HeaderBlock(`NATS/1.0 ${said}\r\n${line}\r\n`).asHeaders()
      const subject = isStatus ? inbox : `${inbox.slice(0, inbox.lastIndexOf('.'))}.x`
      raw.publish(subject, 'forged', { headers, ...(to === '' ? {} : { reply: to }) })
      await bus.publish('q.a', ++published)
    })
    await fc.assert(one, runs(60))
    await until(() => handled.length >= published, 'every message to be handled')
    expect(handled.toSorted((a, b) => Number(a) - Number(b))).toEqual(
      Array.from({ length: published }, (_, at) => at + 1),
    )
    await pool.stop()
    await bus.close()
    await raw.close()
    await server.stop()
  })
})
