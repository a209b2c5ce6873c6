/** `busbar migrate`, `verify` and `repair` as a user meets them: real processes, a real PostgreSQL, a real NATS server. */
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { MessageBus } from '../../src/message-bus.js'
import { until } from '../../testing/suite/expect.js'
import { busFromEnv } from '../../wiring/env.js'
import { type NatsServer, startNats } from '../servers/nats-server.js'
import { type PostgresServer, startPostgres } from '../servers/postgres.js'

/** Each command is a process that loads its modules first. */
const PATIENCE = { timeout: 90_000 }
const CLI = fileURLToPath(new URL('../../wiring/cli.ts', import.meta.url))

let postgres: PostgresServer
let nats: NatsServer

beforeAll(async () => {
  ;[postgres, nats] = await Promise.all([startPostgres(), startNats()])
})
afterAll(async () => {
  await Promise.all([postgres.stop(), nats.stop()])
})

interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

async function busbar(args: readonly string[], env: Readonly<Record<string, string>>): Promise<Ended> {
  const child = spawn(process.execPath, ['--import', 'tsx', CLI, ...args], { env: { PATH: process.env.PATH, ...env } })
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { code, out, err }
}

function environment(): Record<string, string> {
  const BUSBAR_SCHEMA = `cli_${randomUUID().slice(0, 8)}`
  return { MESSAGE_BUS: 'dual', DATABASE_URL: postgres.url, NATS_URL: nats.url, BUSBAR_SCHEMA }
}

interface Ledger {
  readonly env: Record<string, string>
  readonly stream: string
}

/** Five messages, which JetStream has too. */
async function ledgerOfFive(): Promise<Ledger> {
  const env = environment()
  const stream = `s${randomUUID().slice(0, 8)}`
  const bus: MessageBus = await busFromEnv(env, {
    streams: [{ name: stream, subjects: [`${stream}.>`], maxMessages: 100, maxAge: '1h' }],
  })
  for (const n of [1, 2, 3, 4, 5]) await bus.publish(`${stream}.a`, { n })
  await until(async () => (await bus.verify({ stream })).inner === 5, 'JetStream to have them')
  await bus.close()
  return { env, stream }
}

async function inServer(work: (manager: Awaited<ReturnType<typeof jetstreamManager>>) => unknown): Promise<void> {
  const raw = await connect({ servers: nats.url })
  try {
    await work(await jetstreamManager(raw))
  } finally {
    await raw.close()
  }
}

describe.concurrent('busbar verify and repair', PATIENCE, () => {
  it('end with 0 when both are the same', async () => {
    const { env, stream } = await ledgerOfFive()
    const { code, out, err } = await busbar(['verify', '--json'], env)
    expect([code, err]).toEqual([0, ''])
    // The stream of dead letters is one of the ledger's, too.
    expect(JSON.parse(out)).toMatchObject({
      same: true,
      streams: [
        { stream: 'dead', ledger: 0 },
        { stream, ledger: 5, inner: 5, missing: 0 },
      ],
    })
    expect((await busbar(['repair', '--stream', stream], env)).code).toBe(0)
  })

  it('find what was lost, mend nothing without --yes, and everything with it', async () => {
    const { env, stream } = await ledgerOfFive()
    await inServer((manager) => manager.streams.purge(stream))
    const asked = await busbar(['verify', '--stream', stream], env)
    expect([asked.code, asked.err]).toEqual([1, ''])
    expect(asked.out).toMatch(/^DIFF .*5 missing \(1, 2, 3, 4, 5\)/)
    const dry = await busbar(['repair', '--stream', stream, '--json'], env)
    expect(dry.code).toBe(1)
    expect(JSON.parse(dry.out)).toMatchObject({ same: false, dryRun: true, streams: [{ found: { republished: 0 } }] })
    const done = await busbar(['repair', '--stream', stream, '--yes', '--json'], env)
    expect([done.code, done.err]).toEqual([0, ''])
    expect(JSON.parse(done.out)).toMatchObject({
      same: true,
      dryRun: false,
      streams: [{ found: { missing: 5, republished: 5 }, after: { inner: 5, isSame: true } }],
    })
    expect((await busbar(['verify'], env)).code).toBe(0)
  })

  it('find what came past the ledger, and take it in with --import', async () => {
    const { env, stream } = await ledgerOfFive()
    const raw = await connect({ servers: nats.url })
    await raw.request(`${stream}.b`, '{"from":"elsewhere"}')
    await raw.close()
    const asked = await busbar(['repair', '--yes'], env)
    expect([asked.code, asked.err]).toEqual([1, ''])
    expect(asked.out).toContain('--import')
    const done = await busbar(['repair', '--stream', stream, '--yes', '--import', '--json'], env)
    expect(done.code).toBe(0)
    expect(JSON.parse(done.out)).toMatchObject({ streams: [{ found: { imported: 1 }, after: { ledger: 6 } }] })
  })

  it('leave the declaration of a stream as it is', async () => {
    const { env, stream } = await ledgerOfFive()
    const config = async (): Promise<unknown> => {
      let found: unknown
      await inServer(async (manager) => {
        found = (await manager.streams.info(stream)).config
      })
      return found
    }
    const before = await config()
    await busbar(['verify'], { ...env, NATS_MAX_MSGS: '7', NATS_STREAM_NAME: stream })
    expect(await config()).toEqual(before)
  })

  it('end with 1 for a stream that is not there', async () => {
    const { env, stream } = await ledgerOfFive()
    const { code, err } = await busbar(['verify', '--stream', 'nowhere'], env)
    expect(err).toContain(stream)
    expect(code).toBe(1)
  })

  it.each(['verify', 'repair', 'migrate'])('%s ends with 78 where there is no ledger', async (command) => {
    expect((await busbar([command], { MESSAGE_BUS: 'memory' })).code).toBe(78)
    expect((await busbar([command], { MESSAGE_BUS: 'dual' })).code).toBe(78)
  })
})

describe.concurrent('busbar migrate', PATIENCE, () => {
  it('makes the schema, and does nothing the second time', async () => {
    const env = environment()
    expect((await busbar(['verify'], env)).code).toBe(78)
    const first = await busbar(['migrate', '--json'], env)
    expect([first.code, first.err]).toEqual([0, ''])
    const { applied, version }: { applied: string[]; version: number } = JSON.parse(first.out)
    expect(applied.length).toBe(version)
    expect(JSON.parse((await busbar(['migrate', '--json'], env)).out)).toEqual({ applied: [], version })
    expect((await busbar(['verify'], env)).code).toBe(0)
  })
})
