/**
 * Runs contenders side by side: a warm-up each, then rounds in which every contender has its turn, so that whatever else the machine
 * does falls on all of them alike.
 */
import { type Beside, type Contender, type Group, groupsOf, orderOf, PAYLOAD_BYTES, type Sizes } from './contender.js'

export interface Plan extends Sizes {
  readonly rounds: number
  /** Each turn repeats its run until this many seconds were timed. */
  readonly seconds: number
  /** Whether each contender has a run before the first round that does not count. */
  readonly warmUp: boolean
  /** Whether each contender has one more run, in a process that does nothing else, to see how much memory that takes. */
  readonly resident: boolean
}

/** A contender with one of its payloads. */
export interface Entry {
  readonly contender: Contender
  readonly payloadBytes: number
}

export interface Row {
  /** Its name; with another payload than 256 bytes also that, such as `memory@1024`. */
  readonly contender: string
  readonly what: string
  readonly durability: string
  readonly beside: Beside
  readonly groups: readonly Group[]
  readonly payloadBytes: number
  /** Messages of one run. */
  readonly messages: number
  /** Messages per second, by round. */
  readonly rates: readonly number[]
  /** CPU time of the client's processes for each message, in us, by round. Less shaken than rates by what else the machine does. */
  readonly cpuUs: readonly number[]
  /** From publish to handler, by round; empty for what measures rates. */
  readonly latencies: readonly Percentiles[]
  /** From publish to acceptance, by round; empty where that is not measured. */
  readonly accepted: readonly Percentiles[]
  /** Most memory of a process that does this work and nothing else, preparations included, in MB. */
  readonly residentMb?: number
}

/** ms */
export interface Percentiles {
  readonly p50: number
  readonly p95: number
  readonly p99: number
}

export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

/** Called before each turn, and with `done === of` after the last. */
export type OnTurn = (done: number, of: number, what: string) => void

const WARM_UP_MESSAGES = 20_000
/** A run of large payloads has fewer of them: so many bytes for each message of an ordinary run. */
const LARGE_RUN_BYTES = 1280

export function labelOf({ contender, payloadBytes }: Entry): string {
  return payloadBytes === PAYLOAD_BYTES ? contender.name : `${contender.name}@${payloadBytes}`
}

export function messagesOf({ contender, payloadBytes }: Entry, sizes: Sizes): number {
  const messages = contender.messages(sizes)
  if (payloadBytes <= PAYLOAD_BYTES) return messages
  return Math.max(1, Math.min(messages, Math.floor((sizes.messages * LARGE_RUN_BYTES) / payloadBytes)))
}

export async function runRounds(entries: readonly Entry[], plan: Plan, onTurn: OnTurn): Promise<Row[]> {
  const warmUps = plan.warmUp ? entries : []
  const of = plan.rounds * entries.length + warmUps.length
  let done = 0
  for (const entry of warmUps) {
    onTurn(done++, of, `warm-up, ${labelOf(entry)}`)
    await timeRun(entry, Math.min(messagesOf(entry, plan), WARM_UP_MESSAGES))
  }
  const turns = new Map<Entry, Turn[]>(entries.map((entry) => [entry, []]))
  for (let round = 0; round < plan.rounds; round++) {
    for (const [entry, mine] of turns) {
      onTurn(done++, of, `round ${round + 1}, ${labelOf(entry)}`)
      mine.push(await takeTurn(entry, plan))
    }
  }
  onTurn(done, of, '')
  return [...turns].map(([entry, mine]) => toRow(entry, plan, mine))
}

interface Turn {
  /** Messages per second. */
  readonly rate: number
  readonly cpuUs: number
  readonly latency: Percentiles | undefined
  readonly accepted: Percentiles | undefined
}

function toRow(entry: Entry, plan: Plan, turns: readonly Turn[]): Row {
  const { what, durability, beside } = entry.contender
  return {
    contender: labelOf(entry),
    what,
    durability,
    beside,
    groups: groupsOf(entry.contender),
    payloadBytes: entry.payloadBytes,
    messages: messagesOf(entry, plan),
    rates: turns.map(({ rate }) => rate),
    cpuUs: turns.map((turn) => turn.cpuUs),
    latencies: turns.flatMap(({ latency }) => latency ?? []),
    accepted: turns.flatMap(({ accepted }) => accepted ?? []),
  }
}

async function takeTurn(entry: Entry, plan: Plan): Promise<Turn> {
  const messages = messagesOf(entry, plan)
  const latenciesMs: number[] = []
  const acceptedMs: number[] = []
  let runs = 0
  let timedMs = 0
  let cpuUs = 0
  do {
    const run = await timeRun(entry, messages)
    timedMs += run.tookMs
    cpuUs += run.cpuUs
    for (const latencyMs of run.latenciesMs) latenciesMs.push(latencyMs)
    for (const tookMs of run.acceptedMs) acceptedMs.push(tookMs)
    runs++
  } while (timedMs < plan.seconds * 1000)
  const handled = runs * messages
  return {
    rate: handled / (timedMs / 1000),
    cpuUs: cpuUs / handled,
    latency: percentiles(latenciesMs),
    accepted: percentiles(acceptedMs),
  }
}

/** Without preparing and closing. */
export async function timeRun({ contender, payloadBytes }: Entry, messages: number) {
  const prepared = await contender.prepare({ messages, order: orderOf(payloadBytes) })
  const cpuBefore = process.cpuUsage()
  const startedAt = performance.now()
  await prepared.run()
  const tookMs = performance.now() - startedAt
  const { user, system } = process.cpuUsage(cpuBefore)
  const cpuUs = user + system + (prepared.cpuElsewhereUs?.() ?? 0)
  await prepared.close()
  return { tookMs, cpuUs, latenciesMs: prepared.latenciesMs ?? [], acceptedMs: prepared.acceptedMs ?? [] }
}

/** Undefined for none. */
export function percentiles(values: readonly number[]): Percentiles | undefined {
  if (values.length === 0) return undefined
  const sorted = Float64Array.from(values).sort()
  const at = (share: number): number => sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99) }
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.slice(Math.floor((sorted.length - 1) / 2), Math.floor(sorted.length / 2) + 1)
  return {
    median: middle.reduce((sum, value) => sum + value, 0) / middle.length,
    min: sorted[0] ?? Number.NaN,
    max: sorted.at(-1) ?? Number.NaN,
  }
}
