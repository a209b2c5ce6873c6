/** The throw-away servers keep what they hold through sudden deaths, and leave nothing behind. TLS and users are in `access.test.ts`. */
import { existsSync } from 'node:fs'
import { chmod, copyFile, mkdtemp, readdir, rm } from 'node:fs/promises'
import { connect as dial } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { describe, expect, it } from 'vitest'
import { pass, until } from '../../testing/suite/expect.js'
import { type ExampleProcess, runExample } from '../examples/example-process.js'
import { findNatsBinary, natsBinary, type Places } from './nats-binary.js'
import { startNats } from './nats-server.js'
import { startPostgres } from './postgres.js'

const LINES = ['2.15', '2.10'] as const
const POSTGRES = existsSync('/usr/lib/postgresql') ? (['system', 'embedded'] as const) : (['embedded'] as const)

describe.each(LINES)('nats-server %s', (version) => {
  it('leaves no process and no folder when it is stopped, also when paused, killed, or stopped before', async () => {
    const server = await startNats({ version })
    expect(server.version).toMatch(new RegExp(`^${version}\\.`))
    expect(isRunning(server.pid)).toBe(true)
    expect(existsSync(server.storeDir)).toBe(true)
    await server.pause()
    await server.stop()
    await server.stop()
    expect(isRunning(server.pid)).toBe(false)
    expect(existsSync(dirname(server.storeDir))).toBe(false)
  })

  it('keeps its address and stored messages through kill -9 and a new start, and its clients come back', async () => {
    const server = await startNats({ version })
    const client = await connect({ servers: server.url, reconnectTimeWait: 20, maxReconnectAttempts: -1 })
    const comesBack = async () => {
      for await (const { type } of client.status()) if (type === 'reconnect') return
    }
    await (await jetstreamManager(client)).streams.add({ name: 'KEPT', subjects: ['kept'] })
    await jetstream(client).publish('kept', 'a')
    const { pid, url } = server
    for (const restart of [() => server.restart(), () => server.restartGently()]) {
      const back = comesBack()
      await restart()
      expect(await messagesOf(url, 'KEPT')).toBe(1)
      await back
    }
    expect(isRunning(pid)).toBe(false)
    expect(server.url).toBe(url)
    await client.close()
    await server.stop()
  })

  it('answers nothing while paused, and goes on afterwards', async () => {
    const server = await startNats({ version, jetStream: false })
    const connection = await connect({ servers: server.url })
    await server.pause()
    const answer = connection.flush().then(() => 'answered')
    expect(await Promise.race([answer, pass(100).then(() => 'silent')])).toBe('silent')
    server.resume()
    expect(await answer).toBe('answered')
    await connection.close()
    await server.stop()
  })

  it('takes messages of a mebibyte with headers, and a smaller limit by reload', async () => {
    const server = await startNats({ version })
    const connection = await connect({ servers: server.url })
    expect(connection.info?.max_payload).toBe(8 * 1024 * 1024)
    await server.reload({ maxPayloadBytes: 1_000 })
    await connection.close()
    const second = await connect({ servers: server.url })
    expect(second.info?.max_payload).toBe(1_000)
    await second.close()
    await expect(server.reload({ config: 'no_such_setting: 1' })).rejects.toThrow('Failed to reload')
    await server.stop()
  })

  it('lets the system account in beside everyone else, and syncs as asked', async () => {
    const server = await startNats({ version, systemAccount: true, syncInterval: 'always' })
    const system = await connect({ servers: server.url, user: 'sys', pass: 'sys' })
    const pong = await system.request('$SYS.REQ.SERVER.PING.JSZ')
    expect(pong.json()).toMatchObject({ data: { config: { sync_always: true } } })
    const anyone = await connect({ servers: server.url })
    expect(await (await jetstreamManager(anyone)).getAccountInfo()).toMatchObject({ streams: 0 })
    await Promise.all([system.close(), anyone.close()])
    await server.stop()
  })
})

describe('finding a nats-server', () => {
  it('takes NATS_SERVER_BIN when its version fits, and passes it over when not', async () => {
    const { path } = await natsBinary('2.10')
    await inFolder(async (cache) => {
      const places = { cache, environment: { NATS_SERVER_BIN: path }, sources: [] }
      expect(await findNatsBinary('2.10', places)).toMatchObject({ path })
      expect(await findNatsBinary(undefined, places)).toMatchObject({ path })
      expect(await findNatsBinary('2.10', { ...places, environment: { PATH: dirname(path) } })).toMatchObject({ path })
      await expect(findNatsBinary('2.15', places)).rejects.toThrow(/NATS_SERVER_BIN[\s\S]*2\.10/)
    })
  })

  it('fetches once when several ask at the same time, from the next source when one fails', async () => {
    const { path } = await natsBinary('2.10')
    await inFolder(async (cache) => {
      let fetched = 0
      const sources: Places['sources'] = [
        ['nowhere', () => Promise.reject(new Error('unreachable'))],
        [
          'here',
          async (_, folder) => {
            fetched++
            await copyFile(path, join(folder, 'nats-server'))
            return join(folder, 'nats-server')
          },
        ],
      ]
      const places = { cache, environment: {}, sources }
      const binaries = await Promise.all([1, 2, 3].map(() => findNatsBinary('2.10', places)))
      expect(new Set(binaries.map((binary) => binary.path)).size).toBe(1)
      expect(fetched).toBe(1)
      expect(await readdir(cache)).toEqual([binaries[0]?.version])
    })
  })

  it('says what was tried and how to help when nothing works', async () => {
    await inFolder(async (cache) => {
      const sources: Places['sources'] = [['nowhere', () => Promise.reject(new Error('unreachable'))]]
      const search = findNatsBinary('2.15', { cache, environment: {}, sources })
      await expect(search).rejects.toThrow(/set NATS_SERVER_BIN[\s\S]*nowhere: unreachable/)
      expect(await readdir(cache)).toEqual([])
    })
  })
})

describe.each(POSTGRES)('PostgreSQL from the %s binaries', (binaries) => {
  it('answers and leaves nothing behind, or says what to install', async () => {
    if (binaries === 'system' && !existsSync('/usr/lib/postgresql'))
      return await expect(startPostgres({ binaries })).rejects.toThrow('Install the package postgresql')
    const server = await startPostgres({ binaries, settings: { application_name: 'a name' } })
    expect(await query(server.port, 'show application_name')).toContain('a name')
    await server.stop()
    await server.stop()
    expect(isRunning(server.pid)).toBe(false)
  })
})

describe('npm run servers', () => {
  it('prints what to export, and leaves nothing when it is told to stop', async () => {
    await whileServersRun(async (servers, folder) => {
      expect(await foldersIn(folder)).toHaveLength(2)
      servers.kill('SIGTERM')
      const { code, stdout, stderr } = await servers.ended
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      const [nats = '', database = ''] = ['NATS', 'DATABASE'].map((name) => exported(stdout, `${name}_URL`))
      expect(exported(stdout, 'MESSAGE_BUS')).toBe('nats')
      expect(await Promise.all([isListening(nats), isListening(database)])).toEqual([false, false])
      expect(await foldersIn(folder)).toEqual([])
    })
  })

  it('takes its servers along when it is killed with -9', async () => {
    await whileServersRun(async (servers, folder) => {
      servers.kill('SIGKILL')
      const { stdout } = await servers.ended
      const urls = ['NATS_URL', 'DATABASE_URL'].map((name) => exported(stdout, name))
      await until(async () => !(await Promise.all(urls.map(isListening))).includes(true), 'the servers to end')
      await until(async () => (await foldersIn(folder)).length === 0, 'the folders to go')
    })
  })
})

async function messagesOf(url: string, stream: string): Promise<number> {
  const connection = await connect({ servers: url })
  try {
    return (await (await jetstreamManager(connection)).streams.info(stream)).state.messages
  } finally {
    await connection.close()
  }
}

/** A folder that the user who runs PostgreSQL may enter, too. */
async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'busbar-test-'))
  await chmod(folder, 0o755)
  try {
    await work(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function whileServersRun(work: (servers: ExampleProcess, folder: string) => Promise<void>): Promise<void> {
  await inFolder(async (folder) => {
    const servers = runExample('test/servers/main.ts', [], { TMPDIR: folder })
    try {
      await servers.said('export DATABASE_URL=')
      await work(servers, folder)
    } finally {
      servers.kill('SIGKILL')
    }
  })
}

/** Those of the servers; tsx keeps its cache in the temporary folder, too. */
async function foldersIn(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => name.startsWith('busbar-'))
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

function exported(output: string, name: string): string {
  return new RegExp(`^export ${name}=(.+)$`, 'm').exec(output)?.[1] ?? ''
}

async function isListening(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url)
  return await new Promise((resolve) => {
    const socket = dial(Number(port), hostname)
    socket.once('error', () => resolve(false))
    socket.once('connect', () => resolve(true) ?? socket.destroy())
  })
}

/** One statement over the wire protocol; all that the server says until it hangs up. */
async function query(port: number, statement: string): Promise<string> {
  const socket = dial(port, '127.0.0.1')
  socket.write(startupMessage('user\0busbar\0database\0postgres\0\0'))
  socket.write(message('Q', `${statement}\0`))
  socket.write(message('X', ''))
  let heard = ''
  for await (const chunk of socket) heard += String(chunk)
  return heard
}

function startupMessage(body: string): Buffer {
  const head = Buffer.alloc(8)
  head.writeInt32BE(8 + body.length)
  head.writeInt32BE(0x0003_0000, 4)
  return Buffer.concat([head, Buffer.from(body)])
}

function message(type: string, body: string): Buffer {
  const length = Buffer.alloc(4)
  length.writeInt32BE(4 + body.length)
  return Buffer.concat([Buffer.from(type), length, Buffer.from(body)])
}
