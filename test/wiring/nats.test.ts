/** From the variables of an environment to a bus on a real NATS server. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { parseConfig } from '../../wiring/config.js'
import { busFromEnv, createAdapter, type Environment } from '../../wiring/env.js'
import { codeOfAsync as codeOf } from '../code-of.js'
import { JwtAuth, makeNkey, type NatsAuth, nkeyAuth, passwordAuth, tokenAuth } from '../servers/auth.js'
import { type NatsOptions, type NatsServer, startNats } from '../servers/nats-server.js'
import { makeCertificates } from '../servers/tls.js'

const ends: (() => unknown)[] = []

afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end()
})

async function start(options: NatsOptions = {}): Promise<NatsServer> {
  const server = await startNats(options)
  ends.push(() => server.stop())
  return server
}

function file(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'busbar-env-'))
  ends.push(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, 'secret'), text, { mode: 0o600 })
  return join(folder, 'secret')
}

/** Opens the adapter that an environment describes. */
async function connects(env: Environment): Promise<void> {
  const adapter = await createAdapter(parseConfig({ MESSAGE_BUS: 'nats', ...env }))
  ends.push(() => adapter.close())
  const clock = (await import('../../src/clock.js')).systemClock
  await adapter.open({ clock, logger: { log: () => {} }, random: Math.random, strict: false })
  expect((await adapter.inspect()).connected).toBe(true)
}

describe('MESSAGE_BUS=nats', () => {
  it('gives a connected bus that stores what is published', async () => {
    const { url } = await start()
    await using bus = await busFromEnv({
      MESSAGE_BUS: 'nats',
      NATS_URL: `nats://127.0.0.1:1, ${url}`,
      NATS_STREAM_NAME: 'env',
    })
    const receipt = await bus.publish('env.1', { n: 1 })
    expect([receipt.stream, receipt.sequence, receipt.durability]).toEqual(['env', 1, 'stream'])
    expect((await bus.last('env.1'))?.data).toEqual({ n: 1 })
    expect((await bus.health()).adapter).toBe('nats')
  })

  const nkey = makeNkey()
  const operator = new JwtAuth()
  const users = passwordAuth([{ user: 'me', password: 'p@ss' }])

  it.each<[string, NatsAuth, () => Environment]>([
    ['NATS_USER and NATS_PASSWORD', users, () => ({ NATS_USER: 'me', NATS_PASSWORD: 'p@ss' })],
    ['NATS_TOKEN', tokenAuth('tok-en'), () => ({ NATS_TOKEN: 'tok-en' })],
    ['NATS_NKEY_SEED_FILE', nkeyAuth([{ nkey: nkey.publicKey }]), () => ({ NATS_NKEY_SEED_FILE: file(nkey.seed) })],
    ['NATS_CREDS', operator, () => ({ NATS_CREDS: file(operator.makeCreds()) })],
  ])('logs in by %s', async (_, auth, env) => {
    const { url } = await start({ auth })
    await connects({ NATS_URL: url, ...env() })
    expect(await codeOf(() => connects({ NATS_URL: url }))).toBe('BUS_AUTH')
  })

  it('logs in by credentials inside NATS_URL', async () => {
    const { port } = await start({ auth: users })
    await connects({ NATS_URL: `nats://me:${encodeURIComponent('p@ss')}@127.0.0.1:${port}` })
  })

  it('takes certificates from NATS_TLS_CA, NATS_TLS_CERT and NATS_TLS_KEY', async () => {
    const certificates = await makeCertificates()
    ends.push(() => certificates.remove())
    const { server, client } = certificates
    const { url } = await start({ tls: { ...server, verify: true } })
    const env = {
      NATS_URL: url,
      NATS_TLS_CA: server.caFile,
      NATS_TLS_CERT: client.certFile,
      NATS_TLS_KEY: client.keyFile,
    }
    await connects(env)
    expect(await codeOf(() => connects({ ...env, NATS_TLS_KEY: '' }))).toBe('BUS_CONFIG')
  })

  it('shows what NATS_MONITOR_URL and NATS_SYNC_INTERVAL say, and a strict bus asks for it', async () => {
    const { url, monitorUrl } = await start({ syncInterval: 'always' })
    const env = { MESSAGE_BUS: 'nats', NATS_URL: url, NATS_STREAM_NAME: 'sync' }
    for (const [known, text] of [
      [{ NATS_MONITOR_URL: monitorUrl }, 'sync_interval always (seen by monitoring)'],
      [{ NATS_SYNC_INTERVAL: '10s' }, 'sync_interval 10000 ms (declared by the operator)'],
      [{}, 'sync_interval unknown'],
    ] as const) {
      await using bus = await busFromEnv({ ...env, ...known })
      const line = (await bus.guarantees()).find(({ topic }) => topic === 'lost-only-if')
      expect(line?.observed).toContain(text)
    }
    const strict = { ...env, BUSBAR_STRICT: 'true' }
    expect(await codeOf(() => busFromEnv(strict))).toBe('BUS_CONFIG')
    await using bus = await busFromEnv({ ...strict, NATS_MONITOR_URL: monitorUrl })
    expect((await bus.health()).status).toBe('ok')
  })

  it('refuses credentials in clear text to another host, contradictions, and shows no secret', async () => {
    const elsewhere = { NATS_URL: 'nats://10.0.0.1', NATS_TOKEN: 'tok-en-tok' }
    expect(await codeOf(() => connects(elsewhere))).toBe('BUS_CONFIG')
    const allowed = createAdapter(parseConfig({ MESSAGE_BUS: 'nats', NATS_ALLOW_INSECURE: 'true', ...elsewhere }))
    expect(await codeOf(allowed)).toBeUndefined()
    const both = connects({ NATS_TOKEN: 'tok-en-tok', NATS_USER: 'me', NATS_PASSWORD: 'tok-en-tok' })
    await expect(both).rejects.toThrow(expect.objectContaining({ code: 'BUS_CONFIG' }))
    await expect(both).rejects.not.toThrow(/tok-en-tok/)
  })
})
