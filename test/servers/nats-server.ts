/**
 * One throw-away nats-server: its configuration, its life and its sudden deaths.
 * The binary comes from `nats-binary.ts`, certificates from `tls.ts`, accounts and credentials from `auth.ts`.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { natsBinary, type VersionLine } from './nats-binary.js'
import { freePorts } from './ports.js'
import { ServerProcess } from './server-process.js'

const PORT_TRIES = 10
/** The product admits payloads of 1 MiB; headers come on top. */
const MAX_PAYLOAD_BYTES = 8 * 1024 * 1024

export interface NatsOptions {
  /** Default: the first binary found, whatever its version. */
  readonly version?: VersionLine
  /** `server_name`; default: the server makes one up. */
  readonly name?: string
  /** Port for clients; default: a free one. */
  readonly port?: number
  /** Default true. */
  readonly jetStream?: boolean
  /** JetStream's `sync_interval` such as `always` or `10s`; default: the server's two minutes. */
  readonly syncInterval?: string
  /** Default 8 MiB. */
  readonly maxPayloadBytes?: number
  /** No file may grow beyond this, in whole blocks of 512 bytes: writes fail then, as on a full disk. Default: no limit. */
  readonly maxFileBytes?: number
  readonly tls?: NatsTls
  /** Accounts and users as configuration text, see `auth.ts`; default: anyone may do anything. */
  readonly auth?: { readonly config: string }
  /** Adds a system account with user `sys`, password `sys`; anyone else is still let in. Not together with `auth`. */
  readonly systemAccount?: boolean
  /** More configuration text, at the top level. */
  readonly config?: string
}

/** Paths of PEM files. */
export interface NatsTls {
  readonly certFile: string
  readonly keyFile: string
  readonly caFile?: string
  /** Refuse clients without a certificate of the CA; default false. */
  readonly verify?: boolean
}

export interface NatsServer {
  /** `nats://127.0.0.1:port`, or `tls://localhost:port` when the server has a certificate. */
  readonly url: string
  readonly port: number
  /** `http://127.0.0.1:port`, for paths such as `/jsz`. */
  readonly monitorUrl: string
  /** Of the running process; another one after each restart. */
  readonly pid: number
  /** Such as `2.15.1`. */
  readonly version: string
  readonly storeDir: string
  /** What the current process has logged. */
  readonly log: string
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>
  /** Kills with -9 what still runs and starts again, on the same ports and data; resolves when clients can connect. */
  restart(changes?: Pick<NatsOptions, 'maxFileBytes'>): Promise<void>
  /** Ends with SIGTERM and starts again, on the same ports and data. */
  restartGently(): Promise<void>
  /** SIGSTOP: connections stay open and nothing answers. Resolves when the process stands still. */
  pause(): Promise<void>
  resume(): void
  /** Changes options of the running server (SIGHUP); resolves when they are in force, rejects when the server refuses them. */
  reload(changes: Pick<NatsOptions, 'auth' | 'tls' | 'config' | 'maxPayloadBytes'>): Promise<void>
  /** SIGTERM; resolves when the process and its folder are gone. Also after a kill, and twice. */
  stop(): Promise<void>
}

/**
 * Resolves when clients can connect.
 * @throws Error with the end of the server's log when it does not start, or with a remedy when there is no binary
 */
export async function startNats(options: NatsOptions = {}): Promise<NatsServer> {
  const binary = await natsBinary(options.version)
  const folder = await mkdtemp(join(tmpdir(), 'busbar-nats-'))
  for (let tries = 1; ; tries++) {
    const [free = 0, monitorPort = 0] = await freePorts(2)
    const ports = { port: options.port ?? free, monitorPort }
    const server = new ThrowAwayNats(binary, folder, ports, options)
    try {
      await server.restart()
      return server
    } catch (error) {
      const mayRetry = tries < PORT_TRIES && options.port === undefined && isPortTaken(server.log)
      await server.end(mayRetry ? 'keep folder' : 'remove folder')
      if (!mayRetry) throw error
    }
  }
}

function isPortTaken(log: string): boolean {
  return log.includes('address already in use')
}

/** A limit of the process, which needs no file system of its own and no rights. The shell becomes the server, so its pid is the server's. */
function withFileLimit(
  [command = '', ...args]: readonly string[],
  maxFileBytes = Number.POSITIVE_INFINITY,
): { command: string; args: readonly string[] } {
  if (maxFileBytes === Number.POSITIVE_INFINITY) return { command, args }
  return {
    command: 'sh',
    args: ['-c', `ulimit -f ${Math.floor(maxFileBytes / 512)} && exec "$0" "$@"`, command, ...args],
  }
}

interface Ports {
  readonly port: number
  readonly monitorPort: number
}

class ThrowAwayNats implements NatsServer {
  readonly url: string
  readonly port: number
  readonly monitorUrl: string
  readonly version: string
  readonly storeDir: string
  readonly #binary: string
  readonly #folder: string
  readonly #ports: Ports
  #options: NatsOptions
  #process: ServerProcess | undefined

  constructor(binary: { path: string; version: string }, folder: string, ports: Ports, options: NatsOptions) {
    this.url = options.tls === undefined ? `nats://127.0.0.1:${ports.port}` : `tls://localhost:${ports.port}`
    this.port = ports.port
    this.monitorUrl = `http://127.0.0.1:${ports.monitorPort}`
    this.version = binary.version
    this.storeDir = join(folder, 'store')
    this.#binary = binary.path
    this.#folder = folder
    this.#ports = ports
    this.#options = options
  }

  get pid(): number {
    return this.#process?.pid ?? 0
  }

  get log(): string {
    return this.#process?.log ?? ''
  }

  async kill(): Promise<void> {
    await this.#process?.end('SIGKILL')
  }

  async restart(changes: Partial<NatsOptions> = {}): Promise<void> {
    await this.kill()
    this.#options = { ...this.#options, ...changes }
    await this.#start()
  }

  async restartGently(): Promise<void> {
    await this.#process?.end('SIGTERM')
    await this.#start()
  }

  async pause(): Promise<void> {
    await this.#process?.pause()
  }

  resume(): void {
    this.#process?.signal('SIGCONT')
  }

  async reload(changes: Partial<NatsOptions>): Promise<void> {
    const changed = { ...this.#options, ...changes }
    await this.#writeConfig(changed)
    const from = this.log.length
    this.#process?.signal('SIGHUP')
    await this.#process?.said(/Reloaded server configuration|Failed to reload/, from)
    const failure = /Failed to reload.*/.exec(this.log.slice(from))
    if (failure !== null) throw new Error(`nats-server: ${failure[0]}`)
    this.#options = changed
  }

  stop(): Promise<void> {
    return this.end('remove folder')
  }

  async end(what: 'keep folder' | 'remove folder'): Promise<void> {
    await this.#process?.end('SIGTERM')
    if (what === 'remove folder') await rm(this.#folder, { recursive: true, force: true })
  }

  async #start(): Promise<void> {
    const args = ['--config', await this.#writeConfig(this.#options)]
    const run = withFileLimit([this.#binary, ...args], this.#options.maxFileBytes)
    this.#process = await ServerProcess.start({ ...run, folder: this.#folder })
    await this.#process.said(/Server is ready/)
  }

  async #writeConfig(options: NatsOptions): Promise<string> {
    const file = join(this.#folder, 'nats.conf')
    await writeFile(file, configOf(options, this.#ports, this.storeDir))
    return file
  }
}

function configOf(options: NatsOptions, ports: Ports, storeDir: string): string {
  return [
    `listen: 127.0.0.1:${ports.port}`,
    `http: 127.0.0.1:${ports.monitorPort}`,
    options.name === undefined ? '' : `server_name: ${JSON.stringify(options.name)}`,
    `max_payload: ${options.maxPayloadBytes ?? MAX_PAYLOAD_BYTES}`,
    options.jetStream === false ? '' : jetStreamConfig(storeDir, options.syncInterval),
    options.tls === undefined ? '' : tlsConfig(options.tls),
    options.auth?.config ?? '',
    options.systemAccount === true ? SYSTEM_ACCOUNT : '',
    options.config ?? '',
  ].join('\n')
}

/** Limits are given, since the server would otherwise claim most of the disk and memory of the machine, once for each server. */
function jetStreamConfig(storeDir: string, syncInterval: string | undefined): string {
  const sync = syncInterval === undefined ? '' : `sync_interval: ${syncInterval}`
  return `jetstream { store_dir: ${JSON.stringify(storeDir)}, max_mem: 1GB, max_file: 10GB, ${sync} }`
}

function tlsConfig({ certFile, keyFile, caFile, verify = false }: NatsTls): string {
  const ca = caFile === undefined ? '' : `ca_file: ${JSON.stringify(caFile)},`
  return `tls { cert_file: ${JSON.stringify(certFile)}, key_file: ${JSON.stringify(keyFile)}, ${ca} verify: ${verify} }`
}

const SYSTEM_ACCOUNT = `
accounts {
  SYS { users: [{ user: sys, password: sys }] }
  APP { jetstream: enabled, users: [{ user: anyone, password: anyone }] }
}
system_account: SYS
no_auth_user: anyone`
