/** A client process as the controller sees it: started, told what to do, heard, stopped and killed, always by its own pid. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { ClientSetting, Command, GroupLag, Said } from '../client/setting.js'

const SCRIPT = fileURLToPath(new URL('../client/main.ts', import.meta.url))
const ANSWER_WITHIN_MS = 60_000
const STARTS = 5

export class ClientProcess {
  readonly setting: ClientSetting
  accepted = 0
  handled = 0
  /** What it said of its own failure, and what it wrote to standard error. */
  trouble = ''
  readonly #child: ChildProcess
  readonly #waiting = new Set<(said: Said | undefined) => void>()
  #isOver = false

  /** Resolves once it is connected and its consumers are served. Who ends before that is started anew, as a supervisor would. */
  static async start(setting: ClientSetting): Promise<ClientProcess> {
    for (let starts = 1; ; starts++) {
      const started = new ClientProcess(setting)
      try {
        await started.#hears('ready')
        return started
      } catch (thrown) {
        if (!started.#isOver || starts === STARTS) throw thrown
        // It did nothing that could be judged.
        await rm(`${setting.folder}/${setting.proc}.${started.pid}.jsonl`, { force: true })
      }
    }
  }

  private constructor(setting: ClientSetting) {
    this.setting = setting
    const args = ['--import', 'tsx', SCRIPT, JSON.stringify(setting)]
    this.#child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'pipe'] })
    this.#child.stdin?.on('error', () => {})
    let rest = ''
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) this.#hear(JSON.parse(line))
    })
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.trouble += text
    })
    this.#child.once('exit', () => {
      this.#isOver = true
      for (const wake of this.#waiting) wake(undefined)
    })
  }

  get proc(): string {
    return this.setting.proc
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  get isOver(): boolean {
    return this.#isOver
  }

  tell(command: Command): void {
    this.#child.stdin?.write(`${JSON.stringify(command)}\n`)
  }

  async hush(): Promise<void> {
    if (this.#isOver) return
    this.tell({ do: 'hush' })
    await this.#hears('hushed')
  }

  async replay(): Promise<void> {
    this.tell({ do: 'replay' })
    await this.#hears('replayed')
  }

  async inspect(): Promise<readonly GroupLag[]> {
    this.tell({ do: 'inspect' })
    const said = await this.#hears('inspected')
    return said.say === 'inspected' ? said.groups : []
  }

  /** What was sent again, or the code of the error; undefined when it ended before it was done. */
  async repair(): Promise<string | undefined> {
    this.tell({ do: 'repair' })
    const said = await this.#hears('repaired').catch(() => undefined)
    return said?.say === 'repaired' ? said.how : undefined
  }

  /** Closes its bus; resolves when the process has ended by itself. */
  async stop(withinMs = 10_000): Promise<void> {
    if (this.#isOver) return
    this.tell({ do: 'stop', withinMs })
    await this.#hears('stopped')
    await this.#ended()
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT' | 'SIGTERM'): void {
    if (!this.#isOver) this.#child.kill(signal)
  }

  /** As `kill -9`; resolves when it is gone. */
  async kill(): Promise<void> {
    if (!this.#isOver) this.#child.kill('SIGKILL')
    await this.#ended()
  }

  async #ended(): Promise<void> {
    if (!this.#isOver) await once(this.#child, 'exit')
  }

  #hear(said: Said): void {
    if (said.say === 'failed') this.trouble += `${said.text}\n`
    if (said.say === 'count') {
      this.accepted = said.accepted
      this.handled = said.handled
    }
    for (const wake of this.#waiting) wake(said)
  }

  async #hears(say: Said['say']): Promise<Said> {
    return await new Promise((resolve, reject) => {
      const settle = (settled: () => void): void => {
        clearTimeout(timer)
        this.#waiting.delete(wake)
        settled()
      }
      const fail = (what: string): void =>
        settle(() => reject(new Error(`${this.proc} (${this.pid}) ${what} "${say}". ${this.trouble}`)))
      const wake = (said: Said | undefined): void => {
        if (said === undefined) fail('ended before it said')
        else if (said.say === say) settle(() => resolve(said))
      }
      const timer = setTimeout(() => fail(`did not say within ${ANSWER_WITHIN_MS} ms`), ANSWER_WITHIN_MS)
      this.#waiting.add(wake)
      if (this.#isOver) wake(undefined)
    })
  }
}
