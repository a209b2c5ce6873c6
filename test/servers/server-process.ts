/**
 * A server as a child process: its log, its signals, and a guard that ends it and removes its folder when the test process is gone.
 * What the server is and how it is configured belongs to the files that use this one.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'

const READY_WITHIN_MS = 20_000
const STOP_WITHIN_MS = 10_000
const PAUSE_POLL_MS = 1

export interface ServerCommand {
  readonly command: string
  readonly args: readonly string[]
  /** Removed by the guard when this process dies without having stopped the server. */
  readonly folder: string
  /** Run as this user instead of the one of this process; only root can. */
  readonly user?: { readonly uid: number; readonly gid: number }
}

export class ServerProcess {
  readonly pid: number
  /** Resolves when the process has ended, whatever the reason. */
  readonly exited: Promise<void>
  #log = ''
  #isRunning = true
  readonly #child: ChildProcess
  readonly #heard = new Set<() => void>()

  /** @throws Error when the command cannot be run at all */
  static async start(command: ServerCommand): Promise<ServerProcess> {
    const child = spawn(command.command, [...command.args], {
      cwd: command.folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...command.user,
    })
    // `once` rejects on the event "error".
    await once(child, 'spawn')
    return new ServerProcess(child, command.folder)
  }

  private constructor(child: ChildProcess, folder: string) {
    this.#child = child
    this.pid = child.pid ?? 0
    const release = guard(this.pid, folder)
    const hear = (text: string): void => {
      this.#log += text
      this.#tell()
    }
    child.stdout?.setEncoding('utf8').on('data', hear)
    child.stderr?.setEncoding('utf8').on('data', hear)
    this.exited = once(child, 'close').then(() => {
      this.#isRunning = false
      release()
      this.#tell()
    })
  }

  get isRunning(): boolean {
    return this.#isRunning
  }

  /** All that the server has written so far. */
  get log(): string {
    return this.#log
  }

  /**
   * Resolves once the log holds the pattern behind the offset `from`.
   * @throws Error with the end of the log when the server ends without it, or is silent for 20 s
   */
  said(pattern: RegExp, from = 0): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (settled: () => void): void => {
        clearTimeout(timer)
        this.#heard.delete(hear)
        settled()
      }
      const fail = (what: string): void =>
        settle(() => reject(new Error(`${this.#child.spawnfile} ${what} ${pattern}:\n${this.#log.slice(-2_000)}`)))
      const hear = (): void => {
        if (pattern.test(this.#log.slice(from))) settle(resolve)
        else if (!this.#isRunning) fail('ended without saying')
      }
      const timer = setTimeout(() => fail(`did not say within ${READY_WITHIN_MS} ms`), READY_WITHIN_MS)
      this.#heard.add(hear)
      hear()
    })
  }

  signal(signal: NodeJS.Signals): void {
    if (this.#isRunning) this.#child.kill(signal)
  }

  /** SIGSTOP; resolves when no thread runs any more, which is a moment later than the signal. */
  async pause(): Promise<void> {
    this.signal('SIGSTOP')
    while (this.#isRunning && !(await isStopped(this.pid))) await delay(PAUSE_POLL_MS)
  }

  /** Asks with `signal`, insists with SIGKILL after 10 s; resolves when the process has ended. */
  async end(signal: NodeJS.Signals): Promise<void> {
    this.signal(signal)
    // A stopped process takes no other signal than SIGKILL before it goes on.
    this.signal('SIGCONT')
    const insist = setTimeout(() => this.signal('SIGKILL'), STOP_WITHIN_MS)
    await this.exited
    clearTimeout(insist)
  }

  #tell(): void {
    for (const hear of this.#heard) hear()
  }
}

/** True where the system has no /proc to tell: there the signal has to be believed. */
async function isStopped(pid: number): Promise<boolean> {
  const threads = await readdir(`/proc/${pid}/task`).catch(() => [])
  // A thread may have gone since.
  const stats = await Promise.all(
    threads.map((id) => readFile(`/proc/${pid}/task/${id}/stat`, 'utf8').catch(() => ') T')),
  )
  return stats.every((stat) => stat.slice(stat.lastIndexOf(')')).startsWith(') T'))
}

/**
 * A shell that waits for the end of its standard input, which comes also when this process is killed with -9 and no exit handler runs.
 * Its own session keeps a Ctrl-C in the terminal away from it.
 * @returns what calls the guard off
 */
function guard(pid: number, folder: string): () => void {
  const script = 'read -r _ || { kill -9 "$1"; sleep 0.2; rm -rf "$2"; }'
  const watch = spawn('/bin/sh', ['-c', script, 'guard', String(pid), folder], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  watch.unref()
  // The end of the guard is not news; a broken pipe would only say that it is gone already.
  watch.stdin.on('error', () => undefined)
  return () => void watch.stdin.end('released\n')
}
