/**
 * What others write where busbar keeps its own things: dead letters, delayed messages, requests and answers. None of it becomes a command,
 * and the honest ones beside it go their way.
 */
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { jetstream } from '../../adapters/jetstream/index.js'
import { delayedSubject } from '../../adapters/jetstream/names.js'
import { HeaderBlock } from '../../adapters/jetstream/wire.js'
import { createBus, type MessageBus } from '../../src/index.js'
import { pass, until } from '../../testing/suite/expect.js'
import { codeOfAsync } from '../code-of.js'
import { type NatsServer, startNats } from '../servers/nats-server.js'
import { Neighbour } from './neighbour.js'

let server: NatsServer
let raw: NatsConnection
let bus: MessageBus
let neighbour: Neighbour
beforeAll(async () => {
  server = await startNats()
  raw = await connect({ servers: server.url })
  const streams = ['f', 'w'].map((name) => ({ name, subjects: [`${name}.>`] }))
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

async function put(subject: string, lines: readonly string[], payload = '1'): Promise<void> {
  const block = new HeaderBlock(`NATS/1.0\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`)
  await raw.request(subject, payload, { headers: block.asHeaders(), timeout: 5000 })
}

async function count(stream: string): Promise<number> {
  const { streams } = await bus.inspect()
  return streams.find((each) => each.name === stream)?.messages ?? 0
}

describe('a forged dead letter', () => {
  it.each([
    ['an API of the server', '$JS.API.STREAM.PURGE.f'],
    ['a line of the protocol', 'f.a%0D%0APUB%20f.b%200%0D%0A%0D%0A'],
    ['a pattern', 'f.>'],
    ['nothing', ''],
    ['an inbox', '_INBOX.x'],
  ])('that names %s as its subject is not redriven', async (what, subject) => {
    const consumer = `forged-${what.replaceAll(' ', '-')}`
    await put(`dead.${consumer}`, [
      `Busbar-Dead-Consumer:${consumer}`,
      `Busbar-Dead-Subject:${subject}`,
      'Busbar-Dead-Id:x',
      'Busbar-Dead-Sequence:NaN',
    ])
    const before = await count('f')
    expect(await codeOfAsync(() => bus.deadLetters(consumer).redrive())).toBe('BUS_INVALID_SUBJECT')
    expect(await count('f')).toBe(before)
    expect(await bus.deadLetters(consumer).discard()).toEqual({ matched: 1, discarded: 1 })
  })
})

describe('a forged delayed message', () => {
  it.each([
    ['is due at no number', ['Busbar-Due:soon', 'Busbar-Subject:w.forged']],
    ['is never due', ['Busbar-Due:Infinity', 'Busbar-Subject:w.forged']],
    ['is due beyond all numbers of a server', ['Busbar-Due:1e300', 'Busbar-Subject:w.forged']],
    ['belongs to an API of the server', ['Busbar-Due:1', 'Busbar-Subject:$JS.API.STREAM.PURGE.w']],
    [
      'belongs to a line of the protocol',
      ['Busbar-Due:1', 'Busbar-Escaped:1', 'Busbar-Subject:w.a%0D%0APUB w.b 0%0D%0A'],
    ],
    ['belongs to a pattern', ['Busbar-Due:1', 'Busbar-Subject:w.*']],
    ['says nothing of itself', []],
  ])('that %s does not keep the others from being moved', async (what, lines) => {
    const id = what.replaceAll(' ', '-')
    await bus.publish('w.first', id, { delay: 1, id: `first-${id}` })
    await put(delayedSubject('w', id), lines)
    await bus.publish('w.honest', id, { delay: 20, id: `honest-${id}` })
    await until(async () => (await bus.last('w.honest'))?.data === id, 'the honest one')
  })

  it('costs its server no more than a look now and then', async () => {
    const { in_msgs: before } = await figures()
    await pass(300)
    const { in_msgs: after } = await figures()
    expect(after - before).toBeLessThan(200)
  })

  async function figures(): Promise<{ readonly in_msgs: number }> {
    return (await (await fetch(`${server.monitorUrl}/varz`)).json()) as { in_msgs: number }
  }
})

describe('a request', () => {
  it('whose answer would go to the server itself is not answered', async () => {
    const heard: string[] = []
    const asked: unknown[] = []
    raw.subscribe('$SYS.hostile', { callback: (_, { subject }) => void heard.push(subject) })
    raw.subscribe('harmless.answer', { callback: (_, { subject }) => void heard.push(subject) })
    await raw.flush()
    const stop = await bus.respond('ask', (message) => asked.push(message.data))
    const headers = new HeaderBlock('NATS/1.0\r\nBusbar-Request:1\r\n\r\n').asHeaders()
    for (const reply of ['$SYS.hostile', '$JS.API.STREAM.PURGE.f', 'harmless.answer'])
      raw.publish('ask', '1', { headers, reply })
    await until(() => heard.length > 0, 'the harmless answer')
    expect(heard).toEqual(['harmless.answer'])
    await stop()
  })

  it.each([
    ['no headers and nothing', '', ''],
    ['headers that no client likes', 'NATS/1.0\r\nbad name: x\r\n: y\r\n\r\n', '1'],
    ['a status', 'NATS/1.0 503\r\n\r\n', '1'],
    ['half an escape', 'NATS/1.0\r\nBusbar-Escaped:1\r\nBusbar-Error:%u12\r\n\r\n', ''],
    ['bytes that are no text', '', '\xff\xfe'],
  ])('that is answered with %s ends with a value or a code', async (_, block, body) => {
    const subscription = raw.subscribe('stranger', {
      callback: (_error, message) => {
        const headers = block === '' ? {} : { headers: new HeaderBlock(block).asHeaders() }
        message.respond(Buffer.from(body, 'latin1'), headers)
      },
    })
    await raw.flush()
    await codeOfAsync(() => bus.request('stranger', 1, { timeout: 3000 }))
    subscription.unsubscribe()
  })
})
