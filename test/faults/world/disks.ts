/**
 * A disk of its own for each server of a run: it can lose its power and it can be full. What is done to which of them is told by `faults/`.
 * Needs Linux, root, loop mounts and perl; `whyNoDisks` says what a machine lacks.
 */
import { execFile } from 'node:child_process'
import { chmod, chown, type FileHandle, mkdir, mkdtemp, open, rename, rm, rmdir, stat, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { promisify } from 'node:util'
import { Client } from 'pg'
import { Disk } from '../../../benchmarks/power-cut/disk.js'
import type { NatsServer } from '../../servers/nats-server.js'
import type { PostgresServer } from '../../servers/postgres.js'

const run = promisify(execFile)
const RELEASED_WITHIN_MS = 20_000
const POLL_MS = 50
/** What a full disk still has: a few messages fit, and then nothing does. */
const SPARE_BYTES = 32 * 1024
const WRITTEN_BYTES = 64 * 1024 ** 2
const SMALLEST_BYTES = 4096
const OWNER_ONLY = 0o700

export interface Disks {
  /** One for each node, in the order of the nodes. */
  readonly nats: readonly ServerDisk[]
  readonly postgres: ServerDisk | undefined
  /** Why there are none; undefined when there are. */
  readonly lacking: string | undefined
}

/** Moves servers that have stored nothing worth keeping onto disks of their own, where the machine can have such. */
export async function disksFor(nats: readonly NatsServer[], postgres: PostgresServer | undefined): Promise<Disks> {
  const lacking = await whyNoDisks()
  if (lacking !== undefined) return { nats: [], postgres: undefined, lacking }
  const [ofPostgres, ...ofNats] = await Promise.all([
    postgres && ServerDisk.forPostgres(postgres),
    ...nats.map((node) => ServerDisk.forNats(node)),
  ])
  return { nats: ofNats, postgres: ofPostgres, lacking: undefined }
}

/** The self-test of the plan on a scratch disk. Undefined when power can be cut here; a cut that does not cut is a lack as well. */
async function whyNoDisks(): Promise<string | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'busbar-scratch-'))
  try {
    const disk = await Disk.mount(folder)
    await disk.prove().finally(() => disk.remove())
    return undefined
  } catch (thrown) {
    return `no disk of its own can be mounted here: ${thrown instanceof Error ? thrown.message.trim() : thrown}`
  } finally {
    await rmdir(folder).catch(() => {})
  }
}

export class ServerDisk {
  readonly server: NatsServer | PostgresServer
  readonly #disk: Disk

  /** What the server has stored so far is left behind: it starts with nothing. */
  static async forNats(server: NatsServer): Promise<ServerDisk> {
    await server.kill()
    const disk = await proven(server.storeDir)
    await server.restart()
    return new ServerDisk(server, disk)
  }

  static async forPostgres(server: PostgresServer): Promise<ServerDisk> {
    const data = await dataFolderOf(server)
    const { uid, gid } = await stat(data)
    await server.kill()
    await rename(data, `${data}.first`)
    await mkdir(data)
    const disk = await proven(data)
    await rmdir(join(data, 'lost+found'))
    await run('cp', ['-a', `${data}.first/.`, data])
    await chown(data, uid, gid)
    await chmod(data, OWNER_ONLY)
    await rm(`${data}.first`, { recursive: true })
    await disk.sync()
    await server.restart()
    return new ServerDisk(server, disk)
  }

  private constructor(server: NatsServer | PostgresServer, disk: Disk) {
    this.server = server
    this.#disk = disk
  }

  /** What is written until now is not at stake. */
  async sync(): Promise<void> {
    await this.#disk.sync()
  }

  /**
   * From now on nothing reaches the disk, and nobody hears of the server, which stops first: one that goes on for a moment can meet an error
   * of its disk that no power cut has, and answer all the same.
   */
  async cutPower(): Promise<void> {
    await this.server.pause()
    await this.#disk.cutPower()
  }

  /** The server is gone, and the disk is back with what was synced. The server is not started. */
  async recover(): Promise<void> {
    await this.server.kill()
    await this.#release()
    await this.#disk.powerOn()
  }

  /** Nobody can write more than a few messages until `free`. Most of it is reserved and not written, so it takes no room elsewhere. */
  async fill(): Promise<void> {
    const { bfree, bsize } = await statfs(this.#disk.path)
    await run('fallocate', ['-l', String(bfree * bsize - WRITTEN_BYTES), this.#ballast])
    const file = await open(this.#ballast, 'a')
    try {
      await writeUntilFull(file)
      const { size } = await file.stat()
      await file.truncate(size - SPARE_BYTES)
    } finally {
      await file.close()
    }
  }

  async free(): Promise<void> {
    await rm(this.#ballast, { force: true })
  }

  /** Ends the server as well. */
  async remove(): Promise<void> {
    await this.server.kill()
    await this.#release()
    await this.#disk.remove()
  }

  /** Processes that served clients end a moment after the server does. */
  async #release(): Promise<void> {
    const giveUpAt = performance.now() + RELEASED_WITHIN_MS
    for (;;) {
      try {
        return await this.#disk.powerOff()
      } catch (thrown) {
        if (performance.now() > giveUpAt) throw thrown
        await wait(POLL_MS)
      }
    }
  }

  get #ballast(): string {
    return join(this.#disk.path, 'ballast')
  }
}

/** How much a file system keeps for itself is not to be had from its figures. */
async function writeUntilFull(file: FileHandle): Promise<void> {
  for (let size = WRITTEN_BYTES / 16; size >= SMALLEST_BYTES; size /= 16) {
    const block = Buffer.alloc(size, 1)
    while (await file.writev([block]).then(isWhole(size), isFull));
  }
}

function isWhole(size: number) {
  return ({ bytesWritten }: { readonly bytesWritten: number }): boolean => bytesWritten === size
}

function isFull(thrown: NodeJS.ErrnoException): false {
  if (thrown.code === 'ENOSPC') return false
  throw thrown
}

async function proven(path: string): Promise<Disk> {
  const disk = await Disk.mount(path)
  try {
    await disk.prove()
    return disk
  } catch (thrown) {
    await disk.remove()
    throw thrown
  }
}

async function dataFolderOf(server: PostgresServer): Promise<string> {
  const client = new Client({ connectionString: server.url })
  await client.connect()
  try {
    const { rows } = await client.query<{ data_directory: string }>('show data_directory')
    return rows[0]?.data_directory ?? ''
  } finally {
    await client.end()
  }
}
