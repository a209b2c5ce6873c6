/** The link to the servers: found at first, lost, found again, hung, moved and closed. On real servers. */
import dns from 'node:dns'
import type { Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Connection } from '../../../adapters/jetstream/connect/connection.js'
import { pass, until } from '../../../testing/suite/expect.js'
import { codeOf, codeOfAsync } from '../../code-of.js'
import type { NatsOptions, NatsServer } from '../../servers/nats-server.js'
import { freePorts } from '../../servers/ports.js'
import { startProxy } from '../../servers/proxy.js'
import { makeCertificates } from '../../servers/tls.js'
import { Lab } from './fixtures/lab.js'

let lab: Lab

beforeEach(() => {
  lab = new Lab()
})

afterEach(() => lab.end())

/** Two servers of one cluster, which tell their clients of each other. */
async function startPair(first: NatsOptions = {}, second: NatsOptions = first): Promise<[NatsServer, NatsServer]> {
  const [here = 0, there = 0] = await freePorts(2)
  const cluster = (listen: number, route: number): string =>
    `cluster { name: pair-${here}, listen: 127.0.0.1:${listen}, routes: [nats://127.0.0.1:${route}] }\nlame_duck_duration: 30s\nlame_duck_grace_period: 15s`
  const options = { jetStream: false }
  return Promise.all([
    lab.start({ ...options, ...first, config: cluster(here, there) }),
    lab.start({ ...options, ...second, config: cluster(there, here) }),
  ])
}

/** What happens to a connection, in order. */
function record(connection: Connection): string[] {
  const events: string[] = []
  connection.onLost(() => events.push('lost'))
  connection.onConnected(() => events.push('connected'))
  return events
}

describe('the first connection', () => {
  it('gives up after connectTimeout with BUS_UNAVAILABLE when nobody listens, or somebody who does not answer', async () => {
    const silent = await lab.listen(() => {})
    for (const port of [1, silent]) {
      const since = performance.now()
      const connecting = lab.open({ servers: `nats://127.0.0.1:${port}`, connectTimeout: '600ms' })
      expect(await codeOfAsync(connecting)).toBe('BUS_UNAVAILABLE')
      const tookMs = performance.now() - since
      expect(tookMs).toBeGreaterThan(350)
      expect(tookMs).toBeLessThan(1500)
    }
  })

  it('waits for a server that is just starting', async () => {
    const [port = 0] = await freePorts(1)
    const connecting = lab.open({ servers: `nats://127.0.0.1:${port}` })
    await lab.start({ port, jetStream: false })
    expect((await connecting).isConnected).toBe(true)
  })

  it('keeps a server in mind that was down at first', async () => {
    const [late = 0] = await freePorts(1)
    const up = await lab.start({ jetStream: false })
    const connection = await lab.open({ servers: [`nats://127.0.0.1:${late}`, up.url] })
    await lab.start({ port: late, jetStream: false })
    await up.kill()
    await until(() => connection.isConnected && connection.server.port === late, 'the other server to be used')
  })

  it('uses the private inbox prefix for every reply', async () => {
    const { url } = await lab.start({ jetStream: false })
    const connection = await lab.open({ servers: url, inboxPrefix: '_INBOX.billing' })
    expect(connection.inbox()).toMatch(/^_INBOX\.billing\./)
    const replies: string[] = []
    connection.nats.subscribe('ask', { callback: (_, message) => void replies.push(message.reply ?? '') })
    await connection.nats.request('ask', '', { timeout: 50 }).catch(() => {})
    expect(replies).toEqual([expect.stringMatching(/^_INBOX\.billing\./)])
  })
})

describe('a lost connection', () => {
  it('is found again after a restart, with its subscriptions; each listener hears of it, whatever others do (JS-R1)', async () => {
    const server = await lab.start({ jetStream: false })
    const connection = await lab.open({ servers: server.url })
    const fail = (): never => {
      throw new Error('a listener that fails')
    }
    connection.onLost(fail)
    connection.onConnected(fail)
    const events = record(connection)
    const heard: string[] = []
    connection.nats.subscribe('news', { callback: (_, message) => void heard.push(message.string()) })
    await server.kill()
    await until(() => !connection.isConnected, 'the loss to be noticed')
    expect(connection.notes).toEqual([expect.stringMatching(/^not connected since .*attempts so far: /)])
    expect(connection.server.version).toBe(server.version)
    await server.restart()
    await until(() => connection.isConnected, 'the connection to be back')
    connection.nats.publish('news', 'again')
    await connection.nats.flush()
    expect([events, heard, connection.notes]).toEqual([['lost', 'connected'], ['again'], []])
    expect(lab.lines.filter((line) => /connection lost|connected again/.test(line))).toHaveLength(2)
  })

  it('is not given up when the first tries fail, and forgets listeners that were stopped (JS-R1)', async () => {
    const server = await lab.start({ jetStream: false })
    // Far below the range of chance, so that the growing waits are short.
    const connection = await lab.open({ servers: server.url }, { random: () => -0.99 })
    const events = record(connection)
    connection.onLost(() => events.push('never'))()
    connection.onConnected(() => events.push('never'))()
    await server.kill()
    // The client left alone would close for good after ten.
    await until(() => /, (1[2-9]|[2-9]\d) attempts/.test(connection.notes.join()), 'more than ten attempts')
    await server.restart()
    await until(() => connection.isConnected, 'the connection to be back')
    expect(events).toEqual(['lost', 'connected'])
  })
})

describe('a client that gives up for good', () => {
  it('is not silent: the notes and the log tell, and listeners hear of the loss', async () => {
    const { url } = await lab.start({ jetStream: false })
    const connection = await lab.open({ servers: url })
    const events = record(connection)
    await connection.nats.close()
    await until(() => events.length > 0, 'the loss')
    expect([connection.isConnected, events]).toEqual([false, ['lost']])
    expect(connection.notes.join()).toContain('gave up for good')
    expect(lab.lines.some((line) => line.startsWith('error') && line.includes('gave up for good'))).toBe(true)
  })
})

describe('a half-open link', () => {
  it.each([
    ['idle', 0],
    ['with more to send than the buffers take', 40],
  ])('is noticed within 15 s, %s (JS-R2)', { timeout: 40_000 }, async (_, megabytes) => {
    const server = await lab.start({ jetStream: false })
    const ways = [await startProxy(server.port), await startProxy(server.port)]
    for (const way of ways) lab.atEnd(() => way.stop())
    const connection = await lab.open({ servers: ways.map(({ url }) => url) })
    const events = record(connection)
    const reasons: string[] = []
    connection.onLost(() => reasons.push(connection.notes.join()))
    for (const way of ways) if (way.connections > 0) way.stall()
    const since = performance.now()
    for (let sent = 0; sent < megabytes; sent++) connection.nats.publish('load', new Uint8Array(1024 * 1024))
    while (events.length === 0 && performance.now() - since < 20_000)
      await until(() => events.length > 0, 'the loss').catch(() => {})
    expect(performance.now() - since).toBeLessThan(15_000)
    expect(reasons).toEqual([expect.stringContaining('does not answer pings')])
    // The first way still hangs: what does not wait for it is back at once.
    await until(() => connection.isConnected, 'the connection to be back')
    expect(events).toEqual(['lost', 'connected'])
  })
})

describe('a server in lame-duck mode', () => {
  it('is left for another one before it stops', async () => {
    const [first, second] = await startPair()
    const connection = await lab.open({ servers: first.url })
    await until(() => (connection.server.connect_urls ?? []).length === 2, 'the other server to be known')
    const since = performance.now()
    process.kill(first.pid, 'SIGUSR2')
    await until(() => connection.isConnected && connection.server.port === second.port, 'the move')
    expect(performance.now() - since).toBeLessThan(5000)
    expect(lab.lines.some((line) => line.includes('is about to stop'))).toBe(true)
    expect(connection.notes).toEqual([])
    await first.kill()
  })

  it('is kept to the end when it is the only one, and the notes say so', async () => {
    const server = await lab.start({ jetStream: false, config: 'lame_duck_duration: 30s\nlame_duck_grace_period: 15s' })
    const connection = await lab.open({ servers: server.url })
    process.kill(server.pid, 'SIGUSR2')
    await until(() => connection.notes.join().includes('no other is known'), 'the note')
    await connection.nats.flush()
    expect(connection.isConnected).toBe(true)
    await server.kill()
  })
})

describe('a server that another one told us of', () => {
  it('is used when its certificate is for a name that we know, and only then (TLS-5)', {
    timeout: 30_000,
  }, async () => {
    const certificates = await makeCertificates()
    lab.atEnd(() => certificates.remove())
    const { server: good, wrongHost } = certificates
    for (const [tls, isUsed] of [
      [good, true],
      [wrongHost, false],
    ] as const) {
      const [first, second] = await startPair({ tls: good }, { tls })
      const connection = await lab.open({ servers: first.url, tls: { ca: good.caFile } })
      await until(() => (connection.server.connect_urls ?? []).length === 2, 'the other server to be known')
      await first.kill()
      if (isUsed)
        await until(() => connection.isConnected && connection.server.port === second.port, 'the other server')
      else {
        await until(() => second.log.split('TLS handshake error').length > 2, 'two refusals')
        expect(connection.isConnected).toBe(false)
      }
    }
  })

  it('gets no credentials in clear text: it might be on another host (TLS-3)', async () => {
    const auth = { config: 'authorization { user: me, password: word }' }
    const [first, second] = await startPair({ auth })
    const connection = await lab.open({ servers: first.url, user: 'me', password: 'word' })
    await until(() => (connection.server.connect_urls ?? []).length === 2, 'the other server to be told of')
    await first.kill()
    await until(() => /, [3-9] attempts/.test(connection.notes.join()), 'some attempts')
    expect(connection.isConnected).toBe(false)
    await first.restart()
    await until(() => connection.isConnected, 'the first server to be back')
    expect(connection.server.port).toBe(first.port)
    expect(second.log).not.toContain('authentication error')
  })
})

describe('closing', () => {
  it('ends an opening with BUS_CLOSED, is idempotent, and leaves nothing open', async () => {
    const connection = lab.make({ servers: 'nats://127.0.0.1:1', connectTimeout: '10s' })
    const opening = codeOfAsync(() => connection.open(lab.host))
    await connection.close()
    await connection.close()
    expect(await opening).toBe('BUS_CLOSED')
    expect(codeOf(() => connection.nats)).toBe('BUS_CLOSED')
  })

  it('is quick when the server does not answer, and no loss', async () => {
    const server = await lab.start({ jetStream: false })
    const connection = await lab.open({ servers: server.url })
    const events = record(connection)
    server.pause()
    const since = performance.now()
    await connection.close()
    expect(performance.now() - since).toBeLessThan(3000)
    server.resume()
    expect([connection.isConnected, connection.closing.aborted, events]).toEqual([false, true, []])
    for (const read of [() => connection.nats, () => connection.jsm, () => connection.server])
      expect(codeOf(read)).toBe('BUS_CLOSED')
  })

  it('while the connection is lost ends the search for servers', async () => {
    const server = await lab.start({ jetStream: false })
    const connection = await lab.open({ servers: server.url })
    const { nats } = connection
    await server.kill()
    await until(() => !connection.isConnected, 'the loss')
    await connection.close()
    expect(nats.isClosed()).toBe(true)
  })

  it('while a server that says nothing is being tried leaves no socket', async () => {
    const server = await lab.start({ jetStream: false })
    const connection = await lab.open({ servers: server.url })
    await server.kill()
    const sockets = new Set<Socket>()
    const keep = (socket: Socket): void => {
      sockets.add(socket)
      socket.resume().on('close', () => sockets.delete(socket))
    }
    await lab.listen(keep, server.port)
    await until(() => sockets.size > 0, 'an attempt to connect again')
    await connection.close()
    await until(() => sockets.size === 0, 'the socket to be closed')
  })

  it('while the name of a server is looked up makes no link afterwards', async () => {
    const server = await lab.start({ jetStream: false })
    const way = await startProxy(server.port)
    lab.atEnd(() => way.stop())
    const connection = await lab.open({ servers: `nats://localhost:${way.port}` })
    const lookups: (() => void)[] = []
    const { lookup } = dns
    lab.atEnd(() => Object.assign(dns, { lookup }))
    Object.assign(dns, { lookup: (...given: unknown[]) => lookups.push(() => Reflect.apply(lookup, dns, given)) })
    way.cut()
    await until(() => lookups.length > 0, 'the name to be looked up')
    await connection.close()
    way.pass()
    const { sent } = way
    for (const go of lookups) go()
    await pass(300)
    expect([way.connections, way.sent]).toEqual([0, sent])
  })
})
