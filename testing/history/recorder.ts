/**
 * What a process of a test run writes its history with. Lines are in the file, in order and whole, when the call returns, so that a kill of the
 * process loses none of them; one fsync at a time puts on disk whatever waits for it. Reading is `read.ts`.
 */
import { closeSync, fsync, fsyncSync, openSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { HISTORY_VERSION, type HistoryEvent, type Line, type PublishEvent } from './event.js'

const synced = promisify(fsync)

type Invoke = Extract<PublishEvent, { ev: 'pub.invoke' }>

export class HistoryFile {
  readonly #fd: number
  readonly #stamp: Pick<Line, 'v' | 'run' | 'proc' | 'pid'>
  #lines = 0
  #isDirty = false
  /** The fsync under way, and the one that begins after it: it serves all who came meanwhile. */
  #current: Promise<void> = Promise.resolve()
  #next: Promise<void> | undefined
  #isClosed = false
  #failure: unknown

  /** Begins a new file; one that is there already belongs to another process, and then this fails with `EEXIST`. */
  static async open(
    path: string,
    { run, proc }: { readonly run: string; readonly proc: string },
  ): Promise<HistoryFile> {
    const fd = openSync(path, 'ax')
    // Else a power cut could take the file's name, and nobody would miss it.
    const folder = openSync(dirname(path), 'r')
    fsyncSync(folder)
    closeSync(folder)
    return new HistoryFile(fd, { v: HISTORY_VERSION, run, proc, pid: process.pid })
  }

  private constructor(fd: number, stamp: Pick<Line, 'v' | 'run' | 'proc' | 'pid'>) {
    this.#fd = fd
    this.#stamp = stamp
  }

  /** Writes the beginning of an operation; resolves once it is on disk. Rejects when it is not, and then the operation must not begin. */
  async invoke(event: Invoke): Promise<void> {
    this.note(event)
    await this.#sync()
  }

  /** Writes what has happened; it is on disk soon after. Throws when it cannot be written whole: then the history is worth nothing. */
  note(event: HistoryEvent): void {
    if (this.#isClosed) throw new Error(`[history] "${event.ev}" came after the file was closed`)
    if (this.#failure !== undefined) throw this.#failed()
    const mono_ns = `${process.hrtime.bigint()}`
    const wall = new Date().toISOString()
    const line: Line = { ...this.#stamp, n: this.#lines + 1, mono_ns, wall, ...event }
    const bytes = Buffer.from(`${JSON.stringify(line)}\n`)
    try {
      const written = writeSync(this.#fd, bytes)
      if (written < bytes.length) throw new Error(`only ${written} of ${bytes.length} bytes were written`)
    } catch (thrown) {
      this.#failure = thrown
      throw this.#failed()
    }
    this.#lines++
    if (this.#isDirty) return
    this.#isDirty = true
    // A failure shows at the next call.
    this.#sync().catch(() => {})
  }

  /** Writes that nothing is missing, and waits until all is on disk. A second call does nothing. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    try {
      this.note({ ev: 'close' })
      this.#isClosed = true
      await this.#sync()
    } finally {
      this.#isClosed = true
      closeSync(this.#fd)
    }
  }

  /** Resolves once all that is written so far is on disk. */
  #sync(): Promise<void> {
    this.#next ??= this.#syncAfter(this.#current)
    return this.#next
  }

  async #syncAfter(current: Promise<void>): Promise<void> {
    await current.catch(() => {})
    this.#current = this.#next ?? current
    this.#next = undefined
    this.#isDirty = false
    if (this.#failure !== undefined) throw this.#failed()
    try {
      await synced(this.#fd)
    } catch (thrown) {
      // What the failed fsync was to write may be gone, whatever a later one says.
      this.#failure = thrown
      throw this.#failed()
    }
  }

  #failed(): Error {
    return new Error('[history] a line could not be written; the history is not whole', { cause: this.#failure })
  }
}
