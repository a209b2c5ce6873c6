/** What is seen of the servers, and what a strict bus makes of it. */
import { createServer, type Server } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { Connection } from '../../../adapters/jetstream/connect/connection.js'
import type { JetStreamOptions } from '../../../adapters/jetstream/connect/options.js'
import { provisionStreams } from '../../../adapters/jetstream/provision/provision.js'
import { Streams } from '../../../adapters/jetstream/provision/streams.js'
import { assertStrict, observe } from '../../../adapters/jetstream/report/probe.js'
import { systemClock } from '../../../src/clock.js'
import { silentLogger } from '../../../src/logger.js'
import { resolveStreams, type StreamDefinition } from '../../../src/topology.js'
import { until } from '../../../testing/suite/expect.js'
import { codeOfAsync } from '../../code-of.js'
import { type NatsOptions, type NatsServer, startNats } from '../../servers/nats-server.js'

const servers: NatsServer[] = []
const connections: Connection[] = []
const endpoints: Server[] = []

afterEach(async () => {
  await Promise.all(connections.splice(0).map((connection) => connection.close()))
  await Promise.all(servers.splice(0).map((server) => server.stop()))
  for (const endpoint of endpoints.splice(0)) endpoint.close()
})

async function start(options: NatsOptions = {}): Promise<NatsServer> {
  const server = await startNats(options)
  servers.push(server)
  return server
}

interface Probed {
  readonly connection: Connection
  readonly streams: Streams
  readonly options: JetStreamOptions
}

async function probed(options: JetStreamOptions, ...changes: Partial<StreamDefinition>[]): Promise<Probed> {
  const connection = new Connection(options)
  connections.push(connection)
  await connection.open({ clock: systemClock, logger: silentLogger, random: Math.random, strict: true })
  const resolved = resolveStreams(changes.map((each, at) => ({ name: `s${at}`, subjects: [`s${at}.>`], ...each })))
  await provisionStreams(connection.jsm, resolved)
  const streams = new Streams()
  streams.declare(resolved)
  return { connection, streams, options }
}

const look = ({ connection, streams, options }: Probed) => observe(connection, streams, options)
const strictly = ({ connection, streams, options }: Probed) => codeOfAsync(assertStrict(connection, streams, options))

describe.each(['2.15', '2.10'] as const)('on server %s', (version) => {
  it('sync_interval is seen at the monitoring endpoint, whatever was declared (JS-Y1)', async () => {
    for (const [syncInterval, seen] of [
      [undefined, { mode: 'interval', intervalMs: 120_000 }],
      ['10s', { mode: 'interval', intervalMs: 10_000 }],
      ['always', { mode: 'always', intervalMs: 0 }],
    ] as const) {
      const { url, monitorUrl } = await start({ version, ...(syncInterval === undefined ? {} : { syncInterval }) })
      const { sync } = await look(await probed({ servers: url, monitorUrl, syncInterval: '1s' }))
      expect(sync).toEqual({ ...seen, source: 'monitoring' })
    }
  })

  it('sync_interval is seen by a system request where the account may ask', async () => {
    const subject = '$SYS.REQ.SERVER.PING.VARZ'
    const config = `accounts {
      SYS { users: [{ user: sys, password: sys }], exports: [{ service: "${subject}" }] }
      APP { jetstream: enabled, users: [{ user: me, password: word }], imports: [{ service: { account: SYS, subject: "${subject}" } }] }
    }
    system_account: SYS`
    const { url } = await start({ version, syncInterval: 'always', auth: { config } })
    const { sync } = await look(await probed({ servers: url, user: 'me', password: 'word' }))
    expect(sync).toEqual({ mode: 'always', intervalMs: 0, source: 'system' })
  })

  it('the version is reported, with a warning where it has known vulnerabilities (JSP-4)', async () => {
    const { url } = await start({ version })
    const { guarantees } = await look(await probed({ servers: url }))
    const accepted = guarantees.find(({ topic }) => topic === 'accepted')
    expect(accepted?.observed).toContain(`server ${version}.`)
    expect(accepted?.observed.includes('below the security floor')).toBe(version === '2.10')
  })
})

describe('guarantees', () => {
  it('has eleven lines, made of what the streams really are', async () => {
    const { url } = await start({ syncInterval: '30s' })
    const probe = await probed(
      { servers: url, syncInterval: '30s' },
      { discard: 'old', maxMessages: 5 },
      { storage: 'memory' },
    )
    const { guarantees } = await look(probe)
    expect(guarantees).toHaveLength(11)
    const observed = Object.fromEntries(guarantees.map((line) => [line.topic, line.observed]))
    expect(observed.accepted).toMatch(/s0: 1 replica; s1: 1 replica$/)
    expect(observed['lost-only-if']).toBe(
      'sync_interval 30000 ms (declared by the operator); s0: file, discard old; s1: memory, discard new',
    )
    expect(observed.replay).toBe('s0: limits, discard old; s1: everything')
  })

  it('says unknown of what nobody saw, and declared of what the operator said', async () => {
    const { url, monitorUrl: elsewhere } = await start()
    const { monitorUrl } = await start({ syncInterval: 'always' })
    expect(elsewhere).not.toBe(monitorUrl)
    const sources: [JetStreamOptions, object][] = [
      [{}, { mode: 'unknown', source: 'none' }],
      [{ syncInterval: 'always' }, { mode: 'always', source: 'declared' }],
      [{ syncInterval: '5s' }, { mode: 'interval', intervalMs: 5000, source: 'declared' }],
      [{ monitorUrl: 'http://127.0.0.1:1' }, { mode: 'unknown' }],
      // Another server's endpoint proves nothing.
      [{ monitorUrl }, { mode: 'unknown' }],
    ]
    for (const [options, sync] of sources)
      expect((await look(await probed({ servers: url, ...options }))).sync).toMatchObject(sync)
  })

  it('asks an endpoint that does not speak our language no more than once a minute', async () => {
    let asked = 0
    const endpoint = createServer((_, response) => {
      asked++
      response.end('<html>')
    })
    endpoints.push(endpoint)
    await new Promise<void>((listening) => endpoint.listen(0, '127.0.0.1', listening))
    const address = endpoint.address()
    const port = typeof address === 'object' ? address?.port : 0
    const { url } = await start()
    const probe = await probed({ servers: url, monitorUrl: `http://127.0.0.1:${port}` })
    for (let looks = 0; looks < 3; looks++) expect((await look(probe)).sync.mode).toBe('unknown')
    expect(asked).toBe(1)
  })

  it('still has its eleven lines while the connection is lost', async () => {
    const server = await start({ syncInterval: 'always' })
    const probe = await probed({ servers: server.url, monitorUrl: server.monitorUrl }, {})
    await look(probe)
    await server.kill()
    await until(() => !probe.connection.isConnected, 'the loss')
    const { guarantees, sync, version } = await look(probe)
    expect([guarantees.length, sync.mode, version]).toEqual([11, 'always', server.version])
    expect(guarantees.find(({ topic }) => topic === 'delivery')?.observed).toBe('unknown')
  })
})

describe('a strict bus', () => {
  it('refuses files when nobody knows when they are synced, and one copy that is not synced at once (JS-Y1)', async () => {
    const { url, monitorUrl } = await start()
    expect(await strictly(await probed({ servers: url }, {}))).toBe('BUS_CONFIG')
    expect(await strictly(await probed({ servers: url, monitorUrl }, {}))).toBe('BUS_CONFIG')
    const synced = await start({ syncInterval: 'always' })
    expect(await strictly(await probed({ servers: synced.url, monitorUrl: synced.monitorUrl }, {}))).toBeUndefined()
    expect(await strictly(await probed({ servers: synced.url, syncInterval: 'always' }, {}))).toBeUndefined()
  })

  it('asks nothing of streams in memory', async () => {
    const { url } = await start()
    expect(await strictly(await probed({ servers: url }, { storage: 'memory' }))).toBeUndefined()
  })

  it('refuses fewer replicas than declared, and a stream that is not there', async () => {
    const { url } = await start()
    const probe = await probed({ servers: url, syncInterval: 'always' }, {})
    const [asked] = probe.streams.all
    if (asked === undefined) throw new Error('no stream')
    probe.streams.declare([{ ...asked, replicas: 3 }])
    expect(await strictly(probe)).toBe('BUS_CONFIG')
    probe.streams.declare([{ ...asked, name: 'absent' }, asked])
    expect(await strictly(probe)).toBe('BUS_CONFIG')
  })

  it('refuses a server with known vulnerabilities (JSP-4)', async () => {
    const { url } = await start({ version: '2.10' })
    expect(await strictly(await probed({ servers: url, syncInterval: 'always' }, {}))).toBe('BUS_UNSUPPORTED')
  })
})
