/**
 * `npm run demo -- --chaos`: the demo on servers of its own that are killed on the way, as `stages.ts` says, and with a worker process that is
 * killed twice. What is there in the end must be what is there without accidents. Store and pager live in this process: nobody kills those.
 */
import { setTimeout as wait } from 'node:timers/promises'
import type { MessageBus, Receipt } from '../../src/index.js' // busbar
import { Accidents } from './accidents.js'
import { type ChaosReport, reportChaos } from './chaos-report.js'
import { connectTo, type Repair } from './connect.js'
import { CONSUMERS, listDeadLetters, nameOf } from './consumers.js'
import type { DemoOptions } from './demo.js'
import { AirportStore, Pager } from './downstream.js'
import type { Difference, Outcome } from './figures.js'
import { BATCH, publishFlights } from './publish.js'
import type { Call, WorkerFigures } from './remote.js'
import { dualStage, natsStage, type Outage, type Stage } from './stages.js'
import { WorkerProcess } from './worker-process.js'

const STAGES = { nats: natsStage, dual: dualStage } as const
const WORKER_KILLS = [0.4, 0.7]
/** Publishing is spread over that long, outages not counted, so that every kill meets work: twelve seconds, less for few flights. */
const publishingMs = (flights: number) => Math.min(12_000, 2 * flights)
const PATIENCE_MS = 60_000
/** Of the bus: it repeats by itself, in order and with the same ids, for as long as the server that accepts is away. */
const PUBLISH_TIMEOUT = '60s'

/** @returns the exit code: 0 every figure is right, 1 one is not, 130 interrupted */
export async function runChaos(backend: keyof typeof STAGES, options: Omit<DemoOptions, 'bus'>): Promise<number> {
  const stage = await STAGES[backend]((text) => options.output.line(text))
  const run = new ChaosRun(options, stage)
  try {
    return await run.toEnd()
  } finally {
    await run.stop()
    await stage.stop()
  }
}

class ChaosRun {
  readonly #options: Omit<DemoOptions, 'bus'>
  readonly #stage: Stage
  readonly #run = Date.now().toString(36)
  readonly #store = new AirportStore()
  readonly #pager = new Pager()
  readonly #accidents: Accidents
  readonly #crash = new AbortController()
  readonly #workers: WorkerProcess[] = []
  readonly #repairs: Repair[] = []
  readonly #outages: Outage[]
  readonly #workerKills = [...WORKER_KILLS]
  /** Resolves when no server is down. */
  #up = Promise.resolve()
  #accepted = 0
  #alreadyStored = 0
  #saved = 0

  constructor(options: Omit<DemoOptions, 'bus'>, stage: Stage) {
    this.#options = options
    this.#stage = stage
    this.#outages = [...stage.outages]
    this.#accidents = new Accidents((text) => options.output.line(text))
  }

  async toEnd(): Promise<number> {
    const { flights, expected, signal, output } = this.#options
    const startedAt = performance.now()
    await using bus = await connectTo(this.#stage.servers, (repair) => this.#repairs.push(repair))
    await this.#stage.prepare(bus)
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
      output.line(
        `Interrupted after ${this.#accepted} of ${flights.length} flights; the servers and their data are gone.`,
      )
      return 130
    }
    await Promise.all(this.#workers.slice(-1).map((worker) => worker.stop()))
    const tookMs = performance.now() - startedAt
    const measured = await this.#measure(bus)
    return reportChaos(output, this.#report(tookMs, await this.#stage.audit(bus, expected)), measured, expected)
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

  /** Where publishing goes on without a server, the next outage waits for the end of the one before. */
  async #onSending(line: number): Promise<void> {
    const [outage] = this.#outages
    if (outage === undefined || line < outage.at * this.#options.flights.length) return
    this.#outages.shift()
    await this.#up
    const { what, how, at } = outage
    const isAfter = ({ call }: { call: Call }) => call.to !== 'load' && call.line >= line + BATCH
    this.#up = this.#accidents.start({ what, how, when: `${at * 100} % published` }, isAfter, () => outage.cause())
  }

  #onAccepted(receipts: readonly Receipt[]): void {
    this.#accepted += receipts.length
    this.#alreadyStored += receipts.filter(({ duplicate }) => duplicate).length
  }

  async #startWorker(): Promise<void> {
    const number = this.#workers.length
    const worker = new WorkerProcess({
      args: [JSON.stringify(this.#stage.servers), this.#run, this.#options.order ?? 'key'],
      store: this.#store,
      pager: this.#pager,
      onDone: (call) => this.#onDone(call, number),
      onRepaired: (repair) => this.#repairs.push(repair),
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
    void this.#accidents.start(
      { what: 'worker', how: 'killed with -9', when: `${share * 100} % settled` },
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
      airports: await this.#stage.airports(bus, this.#store),
    }
  }

  #report(tookMs: number, audit: readonly Difference[]): ChaosReport {
    return {
      tookMs,
      audit,
      accidents: this.#accidents.all,
      repairs: this.#repairs,
      planned: this.#stage.outages.length + WORKER_KILLS.length,
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
