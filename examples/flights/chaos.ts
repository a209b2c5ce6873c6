/**
 * `npm run demo -- --chaos`: the demo on a server of its own that is killed with -9 three times, and with a worker process that is killed
 * twice. What is there in the end must be what is there without accidents. Store and pager live in this process: nobody kills those.
 */
import { setTimeout as wait } from 'node:timers/promises'
import type { MessageBus, Receipt } from '../../src/index.js' // busbar
import { type NatsServer, startNats } from '../../test/servers/nats-server.js'
import { Accidents } from './accidents.js'
import { type ChaosReport, reportChaos } from './chaos-report.js'
import { connectTo } from './connect.js'
import { CONSUMERS, listDeadLetters, nameOf } from './consumers.js'
import type { DemoOptions } from './demo.js'
import { AirportStore, Pager } from './downstream.js'
import type { Outcome } from './figures.js'
import { BATCH, publishFlights } from './publish.js'
import type { Call, WorkerFigures } from './remote.js'
import { WorkerProcess } from './worker-process.js'

const SERVER_KILLS = [0.25, 0.5, 0.75]
const WORKER_KILLS = [0.4, 0.7]
/** Publishing is spread over that long, outages not counted, so that every kill meets work: twelve seconds, less for few flights. */
const publishingMs = (flights: number) => Math.min(12_000, 2 * flights)
/** After a batch was sent: some of it is stored by then, and nobody has been told. */
const KILL_AFTER_MS = 2
const DOWN_MS = 500
const PATIENCE_MS = 60_000
/** Of the bus: it repeats by itself, in order and with the same ids, for as long as the server is away. */
const PUBLISH_TIMEOUT = '60s'

/** @returns the exit code: 0 every figure is right, 1 one is not, 130 interrupted */
export async function runChaos(options: Omit<DemoOptions, 'bus'>): Promise<number> {
  const server = await startNats()
  options.output.line(`nats-server ${server.version} at ${server.url} runs as process ${server.pid}`)
  const run = new ChaosRun(options, server)
  try {
    return await run.toEnd()
  } finally {
    await run.stop()
    await server.stop()
  }
}

class ChaosRun {
  readonly #options: Omit<DemoOptions, 'bus'>
  readonly #server: NatsServer
  readonly #run = Date.now().toString(36)
  readonly #store = new AirportStore()
  readonly #pager = new Pager()
  readonly #accidents: Accidents
  readonly #crash = new AbortController()
  readonly #workers: WorkerProcess[] = []
  readonly #serverKills = [...SERVER_KILLS]
  readonly #workerKills = [...WORKER_KILLS]
  #accepted = 0
  #alreadyStored = 0
  #saved = 0

  constructor(options: Omit<DemoOptions, 'bus'>, server: NatsServer) {
    this.#options = options
    this.#server = server
    this.#accidents = new Accidents((text) => options.output.line(text))
  }

  async toEnd(): Promise<number> {
    const { flights, expected, signal, output } = this.#options
    const startedAt = performance.now()
    await using bus = await connectTo(this.#server.url)
    await this.#startWorker()
    const ticker = setInterval(() => this.#showStatus(), 100)
    try {
      await this.#publish(bus)
      await this.#accidents.settled()
      await this.#untilSettled(bus)
    } finally {
      clearInterval(ticker)
    }
    if (signal.aborted) {
      output.line(`Interrupted after ${this.#accepted} of ${flights.length} flights; the server and its data are gone.`)
      return 130
    }
    await Promise.all(this.#workers.slice(-1).map((worker) => worker.stop()))
    const measured = await this.#measure(bus)
    return reportChaos(output, this.#report(performance.now() - startedAt), measured, expected)
  }

  /** What was killed is waited for, since what is only being started could not be stopped. */
  async stop(): Promise<void> {
    await this.#accidents.settled().catch(() => {})
    await this.#workers.at(-1)?.kill()
  }

  async #publish(bus: MessageBus): Promise<void> {
    const { flights, signal } = this.#options
    await publishFlights(bus, flights, {
      run: this.#run,
      signal: AbortSignal.any([signal, this.#crash.signal]),
      timeout: PUBLISH_TIMEOUT,
      pauseMs: (publishingMs(flights.length) * BATCH) / flights.length,
      onSending: (line) => this.#onSending(line),
      onAccepted: (receipts) => this.#onAccepted(receipts),
    })
  }

  #onSending(line: number): void {
    const [share] = this.#serverKills
    if (share === undefined || line < share * this.#options.flights.length) return
    this.#serverKills.shift()
    const when = `${share * 100} % published`
    const isAfter = ({ call }: { call: Call }) => call.to !== 'load' && call.line >= line + BATCH
    this.#accidents.start({ what: 'server', when }, isAfter, async () => {
      await wait(KILL_AFTER_MS)
      await this.#server.kill()
      await wait(DOWN_MS)
      await this.#server.restart()
      this.#options.output.line(`server runs again as process ${this.#server.pid}`)
    })
  }

  #onAccepted(receipts: readonly Receipt[]): void {
    this.#accepted += receipts.length
    this.#alreadyStored += receipts.filter(({ duplicate }) => duplicate).length
  }

  async #startWorker(): Promise<void> {
    const number = this.#workers.length
    const worker = new WorkerProcess({
      args: [this.#server.url, this.#run, this.#options.order ?? 'key'],
      store: this.#store,
      pager: this.#pager,
      onDone: (call) => this.#onDone(call, number),
      onCrash: (error) => this.#crash.abort(error),
    })
    this.#workers.push(worker)
    this.#options.output.line(`worker runs as process ${worker.pid}`)
    await Promise.race([worker.ready, aborted(this.#crash.signal), aborted(this.#options.signal)])
  }

  #onDone(call: Call, worker: number): void {
    this.#accidents.observe({ call, worker })
    if (call.to !== 'save') return
    this.#saved++
    const [share] = this.#workerKills
    if (share === undefined || this.#saved < share * this.#options.flights.length) return
    this.#workerKills.shift()
    this.#accidents.start(
      { what: 'worker', when: `${share * 100} % settled` },
      (work) => work.worker > worker,
      async () => {
        await this.#workers.at(-1)?.kill()
        await this.#startWorker()
      },
    )
  }

  /** Ends when the server has nothing left for any consumer, when interrupted, or when nothing has moved for a minute. */
  async #untilSettled(bus: MessageBus): Promise<void> {
    const names = CONSUMERS.map((name) => nameOf(name, this.#run))
    let [seen, movedAt] = [-1, performance.now()]
    while (!this.#options.signal.aborted && performance.now() - movedAt < PATIENCE_MS) {
      this.#crash.signal.throwIfAborted()
      const { consumers } = await bus.inspect()
      const mine = consumers.filter(({ name }) => names.includes(name))
      const left = mine.reduce((sum, { pending, inFlight }) => sum + pending + inFlight, 0)
      if (left === 0 && mine.length === names.length) return
      if (left !== seen) movedAt = performance.now()
      seen = left
      await wait(100)
    }
  }

  /** Published is what the stream holds: a flight stored twice is a difference, however many receipts there are. */
  async #measure(bus: MessageBus): Promise<Outcome> {
    const { streams } = await bus.inspect()
    return {
      published: streams.find(({ name }) => name === 'flights')?.messages ?? 0,
      pages: this.#pager.paged.size,
      deadLetters: await listDeadLetters(bus, this.#run),
      airports: this.#store.rows,
    }
  }

  #report(tookMs: number): ChaosReport {
    return {
      tookMs,
      accidents: this.#accidents.all,
      planned: SERVER_KILLS.length + WORKER_KILLS.length,
      workers: this.#workers.map((worker): WorkerFigures => worker.figures),
      alreadyStored: this.#alreadyStored,
      pagedAgain: this.#pager.repeated,
    }
  }

  #showStatus(): void {
    const { flights, output } = this.#options
    output.status(`published ${this.#accepted} of ${flights.length} · saved ${this.#saved}`)
  }
}

/** Resolves when the signal fires, maybe never. */
function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
