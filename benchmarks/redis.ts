/**
 * A throw-away redis-server with the settings that BullMQ's documentation advises for production. Found on PATH, else taken out of the
 * Debian packages that this machine would install: nothing is installed and root is not needed.
 */
import { execFile } from 'node:child_process'
import { access, constants, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { freePorts } from '../test/servers/ports.js'
import { ServerProcess } from '../test/servers/server-process.js'

/** An append-only file, written by the system each second; no key is ever evicted. */
export const REDIS_DURABILITY = 'Redis: file, sync 1 s'
const SETTINGS = ['--appendonly', 'yes', '--appendfsync', 'everysec', '--maxmemory-policy', 'noeviction', '--save', '']

const APT_WITHIN_MS = 60_000

const run = promisify(execFile)

interface RedisBinary {
  readonly path: string
  /** Folders of the shared libraries that came with it. */
  readonly libraries: readonly string[]
}

let found: Promise<RedisBinary> | undefined

/** Why there is none, with the remedy; undefined when there is one. */
export async function redisIsMissing(): Promise<string | undefined> {
  return await redisBinary().then(
    () => undefined,
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  )
}

export async function startRedis() {
  const { path, libraries } = await redisBinary()
  const folder = await mkdtemp(join(tmpdir(), 'busbar-redis-'))
  const [port = 0] = await freePorts(1)
  const args = ['--bind', '127.0.0.1', '--port', String(port), '--dir', folder, ...SETTINGS]
  const environment = [`LD_LIBRARY_PATH=${libraries.join(delimiter)}`]
  const process = await ServerProcess.start({ command: 'env', args: [...environment, path, ...args], folder })
  await process.said(/Ready to accept connections/)
  return {
    url: `redis://127.0.0.1:${port}`,
    version: /version=([\d.]+)/i.exec(process.log)?.[1] ?? 'unknown',
    async stop() {
      await process.end('SIGTERM')
      await rm(folder, { recursive: true, force: true })
    },
  }
}

function redisBinary(): Promise<RedisBinary> {
  found ??= findRedis()
  return found
}

async function findRedis(): Promise<RedisBinary> {
  const onPath = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'redis-server'))
  for (const path of onPath) if (await isExecutable(path)) return { path, libraries: [] }
  const folder = resolve('.cache/redis')
  if (!(await isExecutable(binaryIn(folder)))) await unpack(folder)
  return { path: binaryIn(folder), libraries: await librariesIn(folder) }
}

/** @throws Error with the remedy */
async function unpack(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  const scratch = await mkdtemp(join(folder, 'fetch-'))
  const within = { cwd: scratch, timeout: APT_WITHIN_MS }
  try {
    const { stdout } = await run('apt-get', ['--simulate', 'install', 'redis-server'], within)
    const lacking = [...stdout.matchAll(/^Inst (\S+)/gm)].map(([, name = '']) => name)
    await run('apt-get', ['download', ...lacking], within)
    const packages = (await readdir(scratch)).filter((name) => name.endsWith('.deb'))
    for (const name of packages) await run('dpkg', ['-x', join(scratch, name), join(folder, 'root')])
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error)
    throw new Error(
      `no redis-server on PATH, and no Debian package of it (${reason}): install one, or run apt-get update`,
    )
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

function binaryIn(folder: string): string {
  return join(folder, 'root/usr/bin/redis-server')
}

async function librariesIn(folder: string): Promise<string[]> {
  const lib = join(folder, 'root/usr/lib')
  const architectures = await readdir(lib).catch(() => [])
  return architectures.map((name) => join(lib, name))
}

async function isExecutable(path: string): Promise<boolean> {
  return await access(path, constants.X_OK).then(
    () => true,
    () => false,
  )
}
