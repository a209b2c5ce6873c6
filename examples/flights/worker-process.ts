/**
 * The worker process as its parent sees it: started, killed with -9, replaced, stopped, always by its own pid. Its calls of store and
 * pager are answered here.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Repair } from './connect.js'
import type { AirportStore, Pager } from './downstream.js'
import type { AirportFigures } from './figures.js'
import type { Call, FromWorker, ToWorker, WorkerFigures } from './remote.js'

const SCRIPT = fileURLToPath(new URL('worker.ts', import.meta.url))
const FOLDER = fileURLToPath(new URL('.', import.meta.url))
const STOP_WITHIN_MS = 10_000

export interface WorkerOptions {
  /** Handed to the process: servers, run, order. */
  readonly args: readonly string[]
  readonly store: AirportStore
  readonly pager: Pager
  /** Hears each call that succeeded. */
  readonly onDone: (call: Call, worker: WorkerProcess) => void
  /** Hears of what its ledger has mended. */
  readonly onRepaired: (repair: Repair) => void
  /** Hears that the process has ended though nobody asked for it. */
  readonly onCrash: (error: Error) => void
}

export class WorkerProcess {
  /** Resolves once its consumers are served; never when it ends before. */
  readonly ready: Promise<void>
  /** As it last told. */
  figures: WorkerFigures = {}
  readonly #options: WorkerOptions
  readonly #child: ChildProcess
  readonly #ended: Promise<unknown>
  #mayEnd = false

  constructor(options: WorkerOptions) {
    this.#options = options
    const child = fork(SCRIPT, options.args, {
      cwd: FOLDER,
      execArgv: ['--import', 'tsx'],
      serialization: 'advanced',
    })
    this.#child = child
    this.#ended = once(child, 'exit').then(([code, signal]) => {
      if (!this.#mayEnd) options.onCrash(new Error(`the worker process ended by itself: ${signal ?? `exit ${code}`}`))
    }, options.onCrash)
    this.ready = new Promise((resolve) => {
      child.on('message', (message: FromWorker) => {
        if (message.kind === 'ready') resolve()
        else if (message.kind === 'figures') this.figures = message.figures
        else if (message.kind === 'repaired') options.onRepaired(message.repair)
        else void this.#answer(message.number, message.call)
      })
    })
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** SIGKILL; resolves when the process is gone. */
  async kill(): Promise<void> {
    this.#mayEnd = true
    this.#child.kill('SIGKILL')
    await this.#ended
  }

  /** Lets it drain, for ten seconds at most. */
  async stop(): Promise<void> {
    this.#mayEnd = true
    this.#send({ kind: 'stop' })
    const insist = setTimeout(() => this.#child.kill('SIGKILL'), STOP_WITHIN_MS)
    await this.#ended
    clearTimeout(insist)
  }

  /** What a process asked for before it was killed is done all the same: that is what makes its handlers run twice. */
  async #answer(number: number, call: Call): Promise<void> {
    try {
      const row = await this.#perform(call)
      this.#options.onDone(call, this)
      this.#send({ kind: 'answer', number, ...(row === undefined ? {} : { row }) })
    } catch (thrown) {
      this.#send({ kind: 'answer', number, error: thrown instanceof Error ? thrown.message : String(thrown) })
    }
  }

  async #perform(call: Call): Promise<AirportFigures | undefined> {
    const { store, pager } = this.#options
    if (call.to === 'load') return store.load(call.airport)
    if (call.to === 'save') await store.save(call.airport, call.row, call.flight, call.line)
    else await pager.page(call.flight, call.line)
    return undefined
  }

  /** It may be dead already. */
  #send(message: ToWorker): void {
    if (this.#child.connected) this.#child.send(message, () => {})
  }
}
