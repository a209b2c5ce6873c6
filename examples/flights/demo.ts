/**
 * One run of the demo on a connected bus: starts the consumers, publishes, waits until everything is settled, and reports.
 */
import { setTimeout as wait } from 'node:timers/promises'
import type { MessageBus, Pool, PoolStats, Receipt, StopReport } from '../../src/index.js' // busbar
import { type Consumers, listDeadLetters, startConsumers } from './consumers.js'
import type { Flight } from './data.js'
import { AirportStore, Pager } from './downstream.js'
import { compare, type Figures } from './figures.js'
import { publishFlights } from './publish.js'
import { type Interrupted, type Output, reportFinished, reportInterrupted } from './report.js'

export interface DemoOptions {
  readonly bus: MessageBus
  readonly flights: readonly Flight[]
  readonly expected: Figures
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal
  readonly output: Output
  /** Default `'key'`. With `'none'` the demo must fail: the statistics need the order. */
  readonly order?: 'key' | 'none'
}

const STATUS_EVERY_MS = 100
const PATIENCE_MS = 60_000
const HEAR_WITHIN_MS = 2000

/** @returns the exit code: 0 every figure is right, 1 one is not, 130 interrupted */
export async function runDemo({ bus, flights, expected, signal, output, order = 'key' }: DemoOptions): Promise<number> {
  const run = Date.now().toString(36)
  const startedAt = performance.now()
  let published = 0
  const [store, pager] = [new AirportStore(), new Pager()]
  const consumers = await startConsumers(bus, { run, store, pager, order })
  const pools = Object.values(consumers)
  const showStatus = () => output.status(status(published, flights.length, pools))
  const ticker = setInterval(showStatus, STATUS_EVERY_MS)
  try {
    const onAccepted = (receipts: readonly Receipt[]) => {
      published += receipts.filter((receipt) => !receipt.duplicate).length
    }
    await publishFlights(bus, flights, { run, signal, onAccepted })
    await untilSettled(pools, published, signal)
  } finally {
    clearInterval(ticker)
  }
  const stops = await Promise.all(pools.map((pool) => pool.stop({ within: '5s' })))
  showStatus()
  if (signal.aborted) return reportInterrupted(output, await interrupted(bus, published, pools, stops))
  const deadLetters = await listDeadLetters(bus, run)
  const airports = store.rows
  const measured = { published, pages: pager.paged.size, consumers: countsOf(consumers), deadLetters, airports }
  return reportFinished(output, measured, compare(measured, expected), performance.now() - startedAt)
}

/** Handled or dead: nothing more will happen to these messages. */
function settled({ handled, dead }: PoolStats): number {
  return handled + dead
}

/** Ends when every consumer has settled everything, when interrupted, or when nothing has moved for a minute. */
async function untilSettled(pools: readonly Pool[], published: number, signal: AbortSignal): Promise<void> {
  let seen = -1
  let movedAt = performance.now()
  while (!signal.aborted && performance.now() - movedAt < PATIENCE_MS) {
    const counts = pools.map((pool) => settled(pool.stats()))
    if (counts.every((count) => count >= published)) return
    const sum = counts.reduce((total, count) => total + count, 0)
    if (sum !== seen) movedAt = performance.now()
    seen = sum
    await wait(10)
  }
}

function countsOf({ delays, alerts, auditor }: Consumers): Figures['consumers'] {
  return { delays: counts(delays), alerts: counts(alerts), auditor: counts(auditor) }
}

function counts(pool: Pool) {
  const { handled, retried, dead } = pool.stats()
  return { handled, retried, dead }
}

/**
 * What the bus says it still keeps for each consumer, next to what each consumer says it has settled. A server needs a moment to hear the
 * last acknowledgements, so it is asked again until the two agree, or the time is up.
 */
async function interrupted(
  bus: MessageBus,
  published: number,
  pools: readonly Pool[],
  stops: readonly StopReport[],
): Promise<Interrupted> {
  const giveUpAt = performance.now() + HEAR_WITHIN_MS
  for (;;) {
    const rows = await account(bus, pools, stops)
    const isSettled = rows.every(({ handled, dead, left }) => handled + dead + left === published)
    if (isSettled || performance.now() > giveUpAt) return { published, rows }
    await wait(20)
  }
}

async function account(
  bus: MessageBus,
  pools: readonly Pool[],
  stops: readonly StopReport[],
): Promise<Interrupted['rows']> {
  const { consumers } = await bus.inspect()
  return pools.map((pool, at) => {
    const kept = consumers.find((consumer) => consumer.name === pool.consumer)
    const { handled, dead } = pool.stats()
    const { finished = 0, released = 0, aborted = 0 } = stops[at] ?? {}
    return {
      consumer: pool.consumer,
      handled,
      dead,
      finished,
      released,
      aborted,
      left: (kept?.pending ?? 0) + (kept?.inFlight ?? 0),
    }
  })
}

function status(published: number, total: number, pools: readonly Pool[]): string {
  const each = pools.map((pool) => `${pool.consumer.split('-')[0]} ${settled(pool.stats())}`)
  return `published ${published} of ${total} · settled: ${each.join(', ')}`
}
