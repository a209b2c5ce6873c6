/** Which runs make a gate and which a long run. Each run is a world of its own; its faults come one after the other under load. */
import { asFault, composition } from './compose.js'
import type { Fault } from './fault.js'
import { FAULTS, faultOf } from './faults/index.js'
import type { RunPlan } from './run.js'

/** Faults of the short form, by adapter: the common ones, in about two minutes together. */
const QUICK: Readonly<Record<RunPlan['adapter'], readonly string[]>> = {
  memory: ['F16'],
  nats: ['F1', 'F2', 'F4', 'F5', 'F14'],
  dual: ['F1b', 'F2', 'F3', 'F4', 'F5', 'F8b', 'F10', 'F11', 'F11b'],
}

/** About what a turn of a composition takes, with the load behind it. */
const TURN_S = 12
const QUICK_PER_SECOND = 120
const SHORT = { ackWaitMs: 3000, leaseMs: 1500, pauseMs: 1500 }
const LONG = { ackWaitMs: 3000, leaseMs: 2000, pauseMs: 4000 }

export function quickPlans(seed: number): RunPlan[] {
  return (['memory', 'nats', 'dual'] as const).map((adapter) => {
    const faults = QUICK[adapter].map(faultOf)
    return { name: `quick ${adapter}`, adapter, faults, seed, perSecond: QUICK_PER_SECOND, ...SHORT }
  })
}

/** One phase of a long run: the worlds in turn, each with all the faults that fit it. The same number is the same phase. */
export function longPlan(seed: number, phase: number, perSecond: number): RunPlan {
  const worlds = (['dual', 'nats', 'memory'] as const).flatMap(worldsOf)
  const world = worlds[phase % worlds.length] ?? { adapter: 'dual', faults: [] }
  const name = `phase ${phase} ${world.adapter} ${world.faults.map(({ code }) => code).join(' ')}`.slice(0, 40)
  return { ...LONG, ...world, name, seed: seed * 100 + phase, perSecond }
}

type Needs = NonNullable<Fault['needs']>

/** Faults that need the same world share one. */
function worldsOf(adapter: RunPlan['adapter']): (Needs & Pick<RunPlan, 'adapter' | 'faults'>)[] {
  const worlds = new Map<string, Fault[]>()
  for (const fault of faultsOf(adapter)) {
    const needs = JSON.stringify(fault.needs ?? {})
    worlds.set(needs, [...(worlds.get(needs) ?? []), fault])
  }
  return [...worlds].map(([needs, faults]) => ({ ...JSON.parse(needs), adapter, faults }))
}

/** What the number draws, the same for the same number and minutes. */
export function randomPlan(adapter: 'nats' | 'dual', seed: number, perSecond: number, minutes: number): RunPlan {
  const turns = Math.max(1, Math.round((minutes * 60) / TURN_S))
  const faults = composition(seed, (fault) => fault.adapters.includes(adapter), turns).map(asFault)
  return { name: `random ${adapter}`, adapter, faults, seed, perSecond, ...SHORT }
}

/** @param world on top of what the faults need */
export function chosenPlan(
  adapter: RunPlan['adapter'],
  codes: readonly string[],
  seed: number,
  perSecond: number,
  world: Pick<RunPlan, 'nodes' | 'syncInterval'> = {},
): RunPlan {
  const faults = codes.map(faultOf)
  const wrong = faults.find((fault) => !fault.adapters.includes(adapter))
  if (wrong !== undefined)
    throw new Error(`fault ${wrong.code} is for ${wrong.adapters.join(' and ')}, not for ${adapter}`)
  const needs: Fault['needs'] = Object.assign({}, ...faults.map((fault) => fault.needs))
  return { name: adapter, adapter, faults, seed, perSecond, ...LONG, ...needs, ...world }
}

export function faultsOf(adapter: RunPlan['adapter']): readonly Fault[] {
  return FAULTS.filter((fault) => fault.adapters.includes(adapter))
}
