/** Messages as they pass by: what is heard, by whom, and who may answer. Titles begin with the fact's code. */
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Adapter, Signal } from '../../../src/adapter.js'
import { NO_HEADERS, withHeaders } from '../../../src/message.js'
import { nth, pass, until } from '../../../testing/suite/expect.js'
import { textOf } from '../../../testing/suite/port-side.js'
import { codeOf, codeOfAsync } from '../../code-of.js'
import { type NatsServer, startNats } from '../../servers/nats-server.js'
import { Port } from './port.js'

function signalTo(subject: string, text: string, changes: Partial<Signal> = {}): Signal {
  return { subject, id: randomUUID(), key: undefined, headers: NO_HEADERS, payload: Buffer.from(text), ...changes }
}

/** A subject that no stream takes. */
const aside = (port: Port, path: string): string => `aside.${port.stream}.${path}`

interface Heard extends Signal {
  readonly mayReply: boolean
}

async function hear(adapter: Adapter, pattern: string, share?: string): Promise<Heard[]> {
  const heard: Heard[] = []
  await adapter.listen(pattern, (signal, reply) => heard.push({ ...signal, mayReply: reply !== undefined }), share)
  return heard
}

describe.each(['2.15', '2.10'] as const)('live messages, server %s', (version) => {
  let server: NatsServer
  beforeAll(async () => {
    server = await startNats({ version })
  })
  afterAll(async () => {
    await server.stop()
  })

  it('JS-P1: a listener that answers everything cannot make a publisher believe that its message was stored', async () => {
    await using port = await Port.open(server)
    const rogue = await port.another()
    let answers = 0
    await rogue.listen('>', (signal, reply) => {
      if (reply === undefined) return
      answers++
      reply(signalTo(signal.subject, JSON.stringify({ stream: port.stream, seq: 999 })))
    })
    const outcomes = await port.publish('1', '2', '3')
    expect(outcomes.map((outcome) => outcome.status === 'accepted' && outcome.sequence)).toEqual([1, 2, 3])
    expect(answers).toBe(0)
  })

  it('JS-P1: only what says that it is a request can be answered', async () => {
    await using port = await Port.open(server)
    const heard = await hear(port.adapter, aside(port, '>'))
    port.raw.publish(aside(port, 'foreign'), 'x', { reply: 'somewhere' })
    port.adapter.signal(signalTo(aside(port, 'signal'), 'x'))
    await codeOfAsync(port.adapter.request(signalTo(aside(port, 'request'), 'x'), 60))
    await until(() => heard.length === 3, 'all three')
    const may = heard.filter(({ mayReply }) => mayReply)
    expect(may.map(({ subject, headers }) => [subject, { ...headers }])).toEqual([[aside(port, 'request'), {}]])
  })

  it('JS-P1: a request to a subject that a stream takes fails instead of being answered by the stream', async () => {
    await using port = await Port.open(server)
    expect(await codeOfAsync(port.adapter.request(signalTo(port.to('a'), 'x'), 2000))).toBe('BUS_CONFLICT')
  })

  it('a listener hears what another client sends right after it began, and nothing after it stopped', async () => {
    await using port = await Port.open(server)
    const heard: string[] = []
    const listening = await port.adapter.listen(aside(port, '*'), (signal) => heard.push(textOf(signal)))
    port.raw.publish(aside(port, 'a'), 'first')
    await until(() => heard.length === 1, 'the first')
    await listening.stop()
    await listening.stop()
    port.raw.publish(aside(port, 'a'), 'second')
    await port.raw.flush()
    await pass(30)
    expect(heard).toEqual(['first'])
  })

  it('a stopped responder is asked no more from the moment when its stop has resolved', async () => {
    await using port = await Port.open(server)
    const asker = await port.another()
    const subject = aside(port, 'price')
    for (let round = 0; round < 20; round++) {
      const answering = await port.adapter.listen(subject, (signal, reply) => reply?.(signal), 'share')
      expect(textOf(await asker.request(signalTo(subject, 'x'), 2000))).toBe('x')
      await answering.stop()
      expect(await codeOfAsync(asker.request(signalTo(subject, 'x'), 2000))).toBe('BUS_NOT_FOUND')
    }
  })

  it('a listener that throws hears the next message, and so do the others', async () => {
    await using port = await Port.open(server)
    let throwing = 0
    await port.adapter.listen(aside(port, '>'), () => {
      throwing++
      throw new Error('mine')
    })
    const heard = await hear(port.adapter, aside(port, '>'))
    for (const text of ['1', '2']) port.adapter.signal(signalTo(aside(port, 'a'), text))
    await until(() => heard.length === 2, 'both')
    expect([throwing, heard.map(textOf)]).toEqual([2, ['1', '2']])
  })

  it('a published message passes by as it is stored', async () => {
    await using port = await Port.open(server)
    const heard = await hear(port.adapter, port.to('>'))
    const headers = withHeaders(NO_HEADERS, { tenant: 'zürich %' })
    await port.send([port.outgoing('x', { id: 'mine', key: 'käse', headers })])
    await until(() => heard.length === 1, 'the message')
    const { id, key, subject, headers: own, mayReply } = nth(heard, 0)
    expect([id, key, subject, { ...own }, mayReply]).toEqual([
      'mine',
      'käse',
      port.to('a'),
      { tenant: 'zürich %' },
      false,
    ])
  })

  it('JS-H4: headers that are no plain text travel with signals, requests and answers as they are', async () => {
    await using port = await Port.open(server)
    const headers = withHeaders(NO_HEADERS, { odd: ' \u00fc%41\t"\u2028 ', empty: '' })
    const heard = await hear(port.adapter, aside(port, 'signal'))
    port.adapter.signal(signalTo(aside(port, 'signal'), 'x', { headers, key: 'a b' }))
    await port.adapter.listen(aside(port, 'echo'), (signal, reply) => reply?.(signal))
    const answer = await port.adapter.request(signalTo(aside(port, 'echo'), 'x', { headers }), 2000)
    await until(() => heard.length === 1, 'the signal')
    for (const each of [answer, nth(heard, 0)]) expect({ ...each.headers }).toEqual({ ...headers })
    expect(nth(heard, 0).key).toBe('a b')
  })

  it('listeners of one share hear each message once between them, whatever the share is called', async () => {
    await using port = await Port.open(server)
    const share = 'a share. with > odd * letters'
    const one = await hear(port.adapter, aside(port, '>'), share)
    const two = await hear(await port.another(), aside(port, '>'), share)
    const texts = Array.from({ length: 40 }, (_, n) => `${n}`)
    for (const text of texts) port.adapter.signal(signalTo(aside(port, 'a'), text))
    await until(() => one.length + two.length >= texts.length, 'all of them')
    await pass(20)
    expect([...one, ...two].map(textOf).sort((a, b) => Number(a) - Number(b))).toEqual(texts)
  })

  it('only the first answer counts', async () => {
    await using port = await Port.open(server)
    const subject = aside(port, 'twice')
    await port.adapter.listen(subject, (signal, reply) => {
      reply?.({ ...signal, payload: Buffer.from('one') })
      reply?.({ ...signal, payload: Buffer.from('two') })
    })
    let answers = 0
    port.raw.subscribe('_INBOX.>', { callback: () => void answers++ })
    await port.raw.flush()
    expect(textOf(await port.adapter.request(signalTo(subject, 'x'), 2000))).toBe('one')
    await port.raw.flush()
    expect(answers).toBe(1)
  })

  it('JS-P6: what the server does not take is refused before it is sent, and the connection stays', async () => {
    await using port = await Port.open(server)
    const large = { payload: new Uint8Array(port.raw.info?.max_payload ?? 0) }
    const heard = await hear(port.adapter, aside(port, '>'))
    expect(codeOf(() => port.adapter.signal(signalTo(aside(port, 'a'), '', large)))).toBe('BUS_TOO_LARGE')
    expect(await codeOfAsync(port.adapter.request(signalTo(aside(port, 'a'), '', large), 100))).toBe('BUS_TOO_LARGE')
    port.adapter.signal(signalTo(aside(port, 'a'), 'small'))
    await until(() => heard.length === 1, 'the small one')
    expect((await port.adapter.inspect()).connected).toBe(true)
  })

  it('a request that waits when the adapter closes fails with BUS_CLOSED', async () => {
    await using port = await Port.open(server)
    const asker = await port.another()
    const heard = await hear(port.adapter, aside(port, 'slow'))
    const code = codeOfAsync(asker.request(signalTo(aside(port, 'slow'), 'x'), 10_000))
    await until(() => heard.length === 1, 'the request')
    await asker.close()
    expect(await code).toBe('BUS_CLOSED')
  })
})

describe('live messages and a server that is away or says no', () => {
  it('JS-R3: nothing live is kept for a server that is away; it is refused, and heard again when the server is back', async () => {
    const server = await startNats({ version: '2.15' })
    try {
      await using port = await Port.open(server)
      const heard = await hear(port.adapter, aside(port, '>'))
      await server.kill()
      await until(async () => !(await port.adapter.inspect()).connected, 'the loss')
      const signal = signalTo(aside(port, 'a'), 'lost')
      expect(codeOf(() => port.adapter.signal(signal))).toBe('BUS_UNAVAILABLE')
      expect(await codeOfAsync(port.adapter.request(signal, 500))).toBe('BUS_UNAVAILABLE')
      expect(await codeOfAsync(port.adapter.listen(aside(port, 'b'), () => {}))).toBe('BUS_UNAVAILABLE')
      await server.restart()
      await until(async () => (await port.adapter.inspect()).connected, 'the server')
      port.adapter.signal(signalTo(aside(port, 'a'), 'heard'))
      await until(() => heard.length > 0, 'the signal')
      expect(heard.map(textOf)).toEqual(['heard'])
    } finally {
      await server.stop()
    }
  })

  it('JS-F6: listening or asking where the server forbids it fails with BUS_AUTH', async () => {
    const forbidden = 'deny: ["aside.*.secret"]'
    const config = `authorization { users: [{ user: u, password: p, permissions: {
      publish: { ${forbidden} }, subscribe: { ${forbidden} } } }, { user: v, password: p }] }
      no_auth_user: v`
    const server = await startNats({ version: '2.15', auth: { config } })
    try {
      await using port = await Port.open(server, { user: 'u', password: 'p' })
      const secret = aside(port, 'secret')
      expect(await codeOfAsync(port.adapter.listen(secret, () => {}))).toBe('BUS_AUTH')
      expect(await codeOfAsync(port.adapter.request(signalTo(secret, 'x'), 1000))).toBe('BUS_AUTH')
      const heard = await hear(port.adapter, aside(port, 'public'))
      port.adapter.signal(signalTo(aside(port, 'public'), 'x'))
      await until(() => heard.length === 1, 'what is allowed')
    } finally {
      await server.stop()
    }
  })
})
