/** From an environment to a bus, and what is loaded on the way. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { MemoryAdapter } from '../../adapters/memory/adapter.js'
import type { ProvisionReport } from '../../src/adapter.js'
import type { ResolvedStream } from '../../src/topology.js'
import { VirtualClock } from '../../testing/virtual-clock.js'
import { busFromEnv, openBus, parseConfig } from '../../wiring/env.js'
import { codeOfAsync as codeOf } from '../code-of.js'
import { Gate } from '../gate.js'

const streams = [{ name: 'orders', subjects: ['orders.>'] }]

describe('busFromEnv', () => {
  it('gives a connected bus on the backend that MESSAGE_BUS names', async () => {
    await using bus = await busFromEnv({ MESSAGE_BUS: 'memory' }, { streams })
    const receipt = await bus.publish('orders.1', 'x')
    expect([receipt.stream, receipt.durability]).toEqual(['orders', 'process'])
    expect((await bus.health()).adapter).toBe('memory')
  })

  it('refuses an unknown backend with BUS_CONFIG', async () => {
    expect(await codeOf(() => busFromEnv({ MESSAGE_BUS: 'carrier-pigeon' }))).toBe('BUS_CONFIG')
  })

  it('takes the defaults of pools from the environment', async () => {
    const env = { MESSAGE_BUS: 'memory', BUSBAR_RETRY_ATTEMPTS: '1', BUSBAR_LOG: 'silent' }
    await using bus = await busFromEnv(env, { streams })
    const dead = new Gate()
    await bus.subscribe('dead.billing', () => dead.open())
    await bus.consume({ name: 'billing', stream: 'orders' }, () => {
      throw new Error('always')
    })
    await bus.publish('orders.1', 'x')
    await dead.opened
    for await (const letter of bus.deadLetters('billing').list())
      expect([letter.attempts, letter.reason]).toEqual([1, 'exhausted'])
  })

  it('gives limits to streams that do not say', async () => {
    const limited = [...streams, { name: 'free', subjects: ['free.>'], maxMessages: 5 }]
    await using bus = await busFromEnv({ MESSAGE_BUS: 'memory', NATS_MAX_MSGS: '1' }, { streams: limited })
    await bus.publish('orders.1', 1)
    expect(await codeOf(() => bus.publish('orders.1', 2))).toBe('BUS_UNAVAILABLE')
    await bus.publish('free.1', 1)
    await bus.publish('free.1', 2)
    expect((await bus.last('free.1'))?.sequence).toBe(2)
  })

  it('gives them to the stream for dead letters too', async () => {
    const provisioned: ResolvedStream[] = []
    const config = parseConfig({ MESSAGE_BUS: 'memory', NATS_REPLICAS: '3', NATS_MAX_AGE: '30d' })
    class Recorder extends MemoryAdapter {
      override provision(asked: readonly ResolvedStream[]): Promise<ProvisionReport> {
        provisioned.push(...asked)
        return super.provision(asked)
      }
    }
    await using bus = await openBus(config, { streams }, new Recorder())
    expect((await bus.health()).status).toBe('ok')
    const asked = { replicas: 3, maxAgeMs: 30 * 86_400_000 }
    expect(provisioned).toMatchObject([
      { name: 'orders', ...asked },
      { name: 'dead', ...asked },
    ])
  })

  it('makes one stream of NATS_STREAM_NAME when none is declared', async () => {
    await using bus = await busFromEnv({ MESSAGE_BUS: 'memory', NATS_STREAM_NAME: 'events' })
    expect((await bus.publish('events.a.b', 1)).stream).toBe('events')
  })

  it('refuses to start when strict and a stream asks to outlive the process', async () => {
    const durable = [{ name: 'orders', subjects: ['orders.>'], storage: 'file' as const }]
    expect(await codeOf(() => busFromEnv({ MESSAGE_BUS: 'memory', BUSBAR_STRICT: 'true' }, { streams: durable }))).toBe(
      'BUS_CONFIG',
    )
    await using bus = await busFromEnv({ MESSAGE_BUS: 'memory' }, { streams: durable })
    expect((await bus.health()).status).toBe('ok')
  })

  it.each([
    {
      BUSBAR_ACK_WAIT: '50ms',
      BUSBAR_CONCURRENCY: '1',
      BUSBAR_RETRY_ATTEMPTS: '1',
      BUSBAR_DEDUP_WINDOW: '0',
      BUSBAR_SHUTDOWN_WITHIN: '0',
      NATS_MAX_AGE: '1',
      NATS_MAX_MSGS: '1',
      NATS_REPLICAS: '1',
    },
    {
      BUSBAR_ACK_WAIT: '24d',
      BUSBAR_CONCURRENCY: '10000',
      BUSBAR_RETRY_ATTEMPTS: '1000',
      BUSBAR_DEDUP_WINDOW: '24d',
      BUSBAR_SHUTDOWN_WITHIN: '24d',
      NATS_MAX_AGE: '36525d',
      NATS_MAX_MSGS: '9007199254740991',
      NATS_REPLICAS: '5',
    },
  ])('accepts no number that the bus then refuses: %j', async (bounds) => {
    await using bus = await busFromEnv({ MESSAGE_BUS: 'memory', BUSBAR_LOG: 'silent', ...bounds }, { streams })
    const pool = await bus.consume({ name: 'billing', stream: 'orders' }, () => {})
    expect(pool.stats().paused).toBe(false)
  })

  it('runs on the clock it is given', async () => {
    const clock = new VirtualClock(Math.random, 1_000_000)
    await using bus = await busFromEnv({ MESSAGE_BUS: 'memory' }, { streams, clock })
    await bus.publish('orders.1', 1)
    expect((await bus.last('orders.1'))?.time).toBe(1_000_000)
  })

  it('writes log lines to stderr without the secrets of its environment', () => {
    const password = 'correct-horse'
    const child = spawnSync(process.execPath, ['--import', 'tsx', fixture('log-failure.ts')], {
      encoding: 'utf8',
      env: { PATH: process.env.PATH, MESSAGE_BUS: 'memory', NATS_PASSWORD: password },
    })
    expect(child.status, child.stderr).toBe(0)
    const lines = child.stderr.trim().split('\n')
    expect(lines.map((line) => JSON.parse(line).level)).toContain('warn')
    expect(child.stderr).toContain('[redacted]')
    expect(child.stderr).not.toContain(password)
  })

  it('loads neither a NATS client nor pg nor inversify for MESSAGE_BUS=memory', () => {
    const loaded = modulesLoadedBy('open-memory.ts')
    expect(loaded.filter((url) => /node_modules\/(@nats-io|nats|pg|inversify|reflect-metadata)\//.test(url))).toEqual(
      [],
    )
    // The recorder does see packages: the configuration is read with zod.
    expect(loaded.some((url) => url.includes('node_modules/zod/'))).toBe(true)
    expect(loaded.some((url) => url.includes('/adapters/memory/'))).toBe(true)
  })

  it('says which package to install when the client of the chosen backend is missing', () => {
    const args = ['--import', 'tsx', '--import', fixture('hide-nats.mjs'), fixture('open-nats.ts')]
    const child = spawnSync(process.execPath, args, { encoding: 'utf8' })
    expect(child.stdout).toMatch(/^BUS_CONFIG .*npm install @nats-io\//)
  })

  it("loads no package at all for import 'busbar'", () => {
    const loaded = modulesLoadedBy('import-core.ts')
    expect(loaded.filter((url) => url.includes('/node_modules/'))).toEqual([])
    expect(loaded.some((url) => url.includes('/src/bus.'))).toBe(true)
  })
})

function fixture(name: string): string {
  return fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url))
}

/** The modules that a program loads, as Node's own resolver reports them. */
function modulesLoadedBy(program: string): string[] {
  const args = ['--import', 'tsx', '--import', fixture('record-modules.mjs'), fixture(program)]
  const child = spawnSync(process.execPath, args, { encoding: 'utf8' })
  expect(child.status, child.stderr).toBe(0)
  return child.stdout.split('\n').flatMap((line) => (line.startsWith('loaded ') ? [line.slice('loaded '.length)] : []))
}
