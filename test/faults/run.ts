/**
 * One run: a world, load all the while, faults one after the other (or what a composition draws), then everything is healed, comes to rest, is
 * read from the servers, and the checker judges the history.
 */
import { rm } from 'node:fs/promises'
import { setTimeout as wait } from 'node:timers/promises'
import { check, type Exemption, type Report, readHistory } from '../../testing/history/index.js'
import type { GroupLag } from './client/setting.js'
import type { Fault } from './fault.js'
import { lagOf, outboxOf, writeState } from './world/state.js'
import { World, type WorldOptions } from './world/world.js'

export interface RunPlan extends Omit<WorldOptions, 'run' | 'folder'> {
  readonly name: string
  /** One cycle each, in this order. */
  readonly faults: readonly Fault[]
  /** Messages a second, of all producers. */
  readonly perSecond: number
  /** Load before, between and after faults. */
  readonly pauseMs: number
  readonly exempt?: readonly Exemption[]
}

export interface RunResult {
  readonly plan: RunPlan
  readonly run: string
  readonly versions: Readonly<Record<string, string>>
  readonly report: Report
  readonly cycles: readonly Cycle[]
  readonly seconds: number
}

export interface Cycle {
  readonly fault: string
  /** Why it did not happen; undefined when it did. */
  readonly skipped?: string
}

const PRODUCERS = 2
const WORKERS = 2
const QUIET_WITHIN_MS = 60_000
const POLL_MS = 250
/** A machine that runs everything at once stands still for seconds now and then. */
const LATE_MS = 5000
const QUIET_POLLS = 4

/** @param folder for histories; removed when the run passes */
export async function runPlan(plan: RunPlan, folder: string, say: (text: string) => void): Promise<RunResult> {
  const run = `${plan.name.replaceAll(/[^a-z0-9]+/gi, '-')}-${plan.seed}`
  const startedAt = performance.now()
  const world = await World.start({ ...plan, run, folder: `${folder}/${run}` })
  let cycles: readonly Cycle[] = []
  try {
    await startClients(world)
    cycles = await breakThings(world, plan, say)
    world.note({ ev: 'heal' })
    await comeToRest(world)
  } finally {
    await world.stop()
  }
  const happened = plan.faults.filter((_, at) => cycles[at]?.skipped === undefined)
  const exempt = [...(plan.exempt ?? []), ...happened.flatMap((fault) => fault.exempt?.(world) ?? [])]
  const report = check(await readHistory(`${folder}/${run}`), {
    ...{ exempt, voidBecause: await doubtsOf(happened), lateMs: LATE_MS },
  })
  const seconds = (performance.now() - startedAt) / 1000
  if (report.verdict === 'pass') await rm(`${folder}/${run}`, { recursive: true })
  return { plan, run, versions: world.versions, report, cycles, seconds }
}

async function doubtsOf(faults: readonly Fault[]): Promise<string[]> {
  const doubts = new Set<string>()
  for (const fault of faults) {
    const doubt = await fault.doubt?.()
    if (doubt !== undefined) doubts.add(doubt)
  }
  return [...doubts]
}

async function startClients(world: World): Promise<void> {
  if (world.options.adapter === 'memory') {
    await world.startClient('b1', 'both')
    return
  }
  const producers = Array.from({ length: PRODUCERS }, (_, at) => world.startClient(`p${at + 1}`, 'producer'))
  const workers = Array.from({ length: WORKERS }, (_, at) => world.startClient(`w${at + 1}`, 'worker'))
  await Promise.all([...producers, ...workers])
}

async function breakThings(world: World, plan: RunPlan, say: (text: string) => void): Promise<Cycle[]> {
  const cycles: Cycle[] = []
  load(world, plan.perSecond)
  await wait(plan.pauseMs)
  for (const fault of plan.faults) {
    const skipped = await fault.lacks?.(world)
    cycles.push({ fault: fault.code, ...(skipped !== undefined && { skipped }) })
    say(`${plan.name}: ${fault.code} ${fault.title}${skipped === undefined ? '' : ` — skipped: ${skipped}`}`)
    if (skipped !== undefined) continue
    await fault.happen(world)
    load(world, plan.perSecond)
    await wait(plan.pauseMs)
  }
  return cycles
}

/** Also whoever was started since. */
export function load(world: World, perSecond: number): void {
  const producers = world.living().filter(({ proc }) => proc.startsWith('p') || proc.startsWith('b'))
  for (const producer of producers) producer.tell({ do: 'produce', perSecond: perSecond / producers.length })
}

async function comeToRest(world: World): Promise<void> {
  await Promise.all(world.living().map((client) => client.hush()))
  const { drained, lags } = await drain(world)
  world.note({ ev: 'quiesce', drained, bound_ms: QUIET_WITHIN_MS })
  await world.living().at(-1)?.replay()
  await Promise.all(world.living().map((client) => client.stop()))
  await writeState(world, lags)
}

/** What is left at the end of the wait. Nothing is left when nothing has been left for a while: a leader may say so before it knows. */
async function drain(world: World): Promise<{ drained: boolean; lags: readonly GroupLag[] }> {
  const giveUpAt = performance.now() + QUIET_WITHIN_MS
  for (let quiet = 1; ; quiet++) {
    const lags = await lagOf(world)
    const left = lags.reduce((sum, { pending, inFlight }) => sum + pending + inFlight, await outboxOf(world))
    if (left > 0) quiet = 0
    const drained = quiet === QUIET_POLLS
    if (drained || performance.now() > giveUpAt) return { drained, lags }
    await wait(POLL_MS)
  }
}
