/**
 * Finds a nats-server for the tests, and fetches one into the project's cache when the machine has none.
 * Where it looks, in this order: NATS_SERVER_BIN, PATH, the cache, Debian packages, a release on GitHub. It starts nothing.
 */
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { access, constants, link, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { fromDebian } from './nats-debian.js'
import { fromGitHub } from './nats-release.js'

/** Major and minor version that a test asks for. */
export type VersionLine = '2.15' | '2.10'

export interface NatsBinary {
  readonly path: string
  /** Such as `2.15.1`. */
  readonly version: string
}

/** Puts a nats-server of the line into the folder and returns its path; rejects when it cannot. */
export type Fetch = (line: VersionLine, folder: string) => Promise<string>

/** Where to look; only a test looks elsewhere than this machine and this checkout. */
export interface Places {
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly cache: string
  readonly sources: readonly (readonly [name: string, fetch: Fetch])[]
}

const HERE: Places = {
  environment: process.env,
  cache: fileURLToPath(new URL('../../.cache/nats-server', import.meta.url)),
  sources: [
    ['Debian packages', fromDebian],
    ['the release on GitHub', fromGitHub],
  ],
}
const NEWEST: VersionLine = '2.15'
const LOCK_POLL_MS = 100

const run = promisify(execFile)
const found = new Map<VersionLine | undefined, Promise<NatsBinary>>()

/**
 * @param line only a server of this line will do; without it the first one found, of whatever version
 * @throws Error that says what was tried, and the remedy
 */
export function natsBinary(line?: VersionLine): Promise<NatsBinary> {
  let binary = found.get(line)
  if (binary === undefined) {
    binary = findNatsBinary(line, HERE)
    found.set(line, binary)
  }
  return binary
}

/** As `natsBinary`, in these places, and without remembering. */
export async function findNatsBinary(line: VersionLine | undefined, places: Places): Promise<NatsBinary> {
  const { cache, environment, sources } = places
  const tried: string[] = []
  const installed = (await firstFitting(onMachine(environment), line, tried)) ?? (await cached(cache, line))
  if (installed !== undefined) return installed
  await mkdir(cache, { recursive: true })
  const unlock = await lock(join(cache, `fetching-${line ?? NEWEST}`))
  try {
    return (await cached(cache, line)) ?? (await fetched(line ?? NEWEST, cache, sources, tried))
  } finally {
    await unlock()
  }
}

function onMachine({ NATS_SERVER_BIN: named = '', PATH: path = '' }: Places['environment']): string[] {
  const onPath = path.split(delimiter).filter((folder) => folder !== '')
  return [...(named === '' ? [] : [named]), ...onPath.map((folder) => join(folder, 'nats-server'))]
}

async function cached(cache: string, line: VersionLine | undefined): Promise<NatsBinary | undefined> {
  const versions = (await readdir(cache).catch(() => [])).filter((name) => /^\d/.test(name))
  const newestFirst = versions.sort((a, b) => b.localeCompare(a, 'en', { numeric: true }))
  const paths = newestFirst.map((version) => join(cache, version, 'nats-server'))
  return await firstFitting(paths, line, [])
}

/** Runs what exists, one after the other; what exists and does not fit goes on the list of what was tried. */
async function firstFitting(paths: readonly string[], line: VersionLine | undefined, tried: string[]) {
  for (const path of paths) {
    if (!(await isExecutable(path))) continue
    const version = await versionOf(path)
    if (version !== undefined && fits(version, line)) return { path, version }
    tried.push(`${path}: version ${version ?? 'unknown'}`)
  }
  return undefined
}

async function fetched(line: VersionLine, cache: string, sources: Places['sources'], tried: string[]) {
  for (const [name, fetch] of sources) {
    const folder = await mkdtemp(join(cache, 'fetch-'))
    try {
      return await keep(await fetch(line, folder), line, cache)
    } catch (error) {
      tried.push(`${name}: ${reasonOf(error)}`)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }
  throw new Error(
    `no nats-server ${line} on this machine, and none could be fetched. ` +
      `Install one and set NATS_SERVER_BIN to its path (its version must be ${line}.x). Tried:\n- ${tried.join('\n- ')}`,
  )
}

/** `fetch` keeps what happened on the network in the cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause === undefined ? error.message : `${error.message}: ${reasonOf(error.cause)}`
}

/** Renamed into place, so that nobody ever sees half a file. */
async function keep(path: string, line: VersionLine, cache: string): Promise<NatsBinary> {
  const version = await versionOf(path)
  if (version === undefined || !fits(version, line)) throw new Error(`brought version ${version ?? 'unknown'}`)
  const place = join(cache, version, 'nats-server')
  await mkdir(join(cache, version), { recursive: true })
  await rename(path, place)
  return { path: place, version }
}

async function isExecutable(path: string): Promise<boolean> {
  return await access(path, constants.X_OK).then(
    () => true,
    () => false,
  )
}

async function versionOf(path: string): Promise<string | undefined> {
  const { stdout } = await run(path, ['--version'], { timeout: 10_000 }).catch(() => ({ stdout: '' }))
  return /v(\d+\.\d+\.\d+)/.exec(stdout)?.[1]
}

function fits(version: string, line: VersionLine | undefined): boolean {
  return line === undefined || version.startsWith(`${line}.`)
}

/**
 * Held by one process of the machine at a time; one whose holder is dead is broken. Two who break it at the same moment both fetch,
 * which costs time and does no harm.
 */
async function lock(path: string): Promise<() => Promise<void>> {
  const own = `${path}.${randomUUID()}`
  await writeFile(own, String(process.pid))
  try {
    // A link appears at once and whole, with the process id in it.
    while (!(await linked(own, path))) {
      if (await isAbandoned(path)) await rm(path, { force: true })
      else await delay(LOCK_POLL_MS)
    }
  } finally {
    await rm(own)
  }
  return () => rm(path, { force: true })
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

async function isAbandoned(path: string): Promise<boolean> {
  const holder = Number(await readFile(path, 'utf8').catch(() => '0'))
  if (holder === 0) return false
  try {
    process.kill(holder, 0)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'
  }
}
