/** The naive dual write under what happens to processes and brokers: `kill -9` of its writer, an outage, and a broker that stands still. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { Client } from 'pg'
import { type NatsServer, startNats } from '../../servers/nats-server.js'
import { startPostgres } from '../../servers/postgres.js'
import { STREAM, SUBJECTS } from '../client/setting.js'
import { Controlled, type ControlResult } from './control.js'

export interface NaiveSetting {
  readonly folder: string
  readonly run: string
  readonly proc: string
  /** When the event is published: an outage loses it after the commit, and leaves it alone without its order before. */
  readonly style: 'after the commit' | 'before the commit'
  readonly natsUrl: string
  readonly postgresUrl: string
}

const SCRIPT = fileURLToPath(new URL('naive-writer.ts', import.meta.url))
const LOAD_MS = 1500
const DOWN_MS = 1500
const KILLS = 2

export async function naiveDualWrite(folder: string, style: NaiveSetting['style']): Promise<ControlResult> {
  const nats = await startNats()
  const postgres = await startPostgres()
  try {
    await prepare(nats.url, postgres.url)
    const versions = { 'nats-server': nats.version, postgresql: postgres.version }
    const control = await Controlled.begin(folder, `naive-${style.replaceAll(' ', '-')}`, versions)
    const { run, folder: place } = control
    const setting = { folder: place, run, proc: 'p1', style, natsUrl: nats.url, postgresUrl: postgres.url }
    await breakThings(control, setting, nats)
    const setup = `naive dual write, published ${style}`
    return await control.judge(nats.url, { setup, under: 'kill -9 and outages of the broker' })
  } finally {
    await Promise.all([nats.stop(), postgres.stop()])
  }
}

async function breakThings(control: Controlled, setting: NaiveSetting, nats: NatsServer): Promise<void> {
  let writer = await start(setting)
  await wait(LOAD_MS)
  for (let kill = 0; kill < KILLS; kill++) {
    await control.fault('F2', setting.proc, async () => {
      writer.kill('SIGKILL')
      await once(writer, 'exit')
      writer = await start(setting)
    })
    await wait(LOAD_MS)
  }
  await control.fault('F5', 'nats', async () => {
    await nats.kill()
    await wait(DOWN_MS)
    await nats.restart()
  })
  await wait(LOAD_MS)
  await control.fault('F5b', 'nats', async () => {
    await nats.pause()
    await wait(DOWN_MS)
    nats.resume()
  })
  await wait(LOAD_MS)
  writer.stdin?.end()
  await once(writer, 'exit')
}

async function start(setting: NaiveSetting): Promise<ChildProcess> {
  const args = ['--import', 'tsx', SCRIPT, JSON.stringify(setting)]
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = once(child, 'exit').then(() => Promise.reject(new Error('the writer ended before it wrote')))
  await Promise.race([once(child.stdout, 'data'), ended])
  ended.catch(() => {})
  return child
}

async function prepare(natsUrl: string, postgresUrl: string): Promise<void> {
  const client = await connect({ servers: natsUrl })
  await (await jetstreamManager(client)).streams.add({ name: STREAM, subjects: SUBJECTS })
  await client.close()
  const session = new Client({ connectionString: postgresUrl })
  await session.connect()
  await session.query('create schema business')
  await session.query('create table business.orders (id text primary key, body jsonb not null)')
  await session.end()
}
