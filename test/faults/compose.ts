/**
 * Faults at random, one to three at a time, as a run number draws them: the same number gives the same schedule, not the same moments. What
 * excludes each other is never drawn together. A number that failed is kept in `regressions.json`, with what was wrong, and run again.
 */
import { readFileSync } from 'node:fs'
import { randomOf, shuffled } from '../../testing/run-number.js'
import type { Fault } from './fault.js'
import { FAULTS } from './faults/index.js'
import type { World } from './world/world.js'

const MOST_AT_ONCE = 3
/** Faults begin within so long of each other. */
const APART_MS = 800

/** What a fault takes for itself: two that take the same are never at work together. */
type Taken = 'nats' | 'postgres' | 'producers' | 'workers' | 'links' | 'clocks'

/** By the code of the plan, or one of its letters where that differs. What is not listed is not composed: it takes a world of its own. */
const TAKES: Readonly<Record<string, readonly Taken[]>> = {
  F1: ['workers'],
  F2: ['producers'],
  F3: ['producers'],
  F3b: ['producers', 'workers'],
  F4: ['workers'],
  F5: ['nats'],
  F8: ['nats'],
  F10: ['postgres'],
  F11: ['postgres', 'links'],
  F12: ['nats', 'postgres'],
  F13: ['links'],
  F14: ['workers'],
  F15: ['clocks'],
  F16: ['workers'],
  // Its steps need a stream that can be deleted, and a database.
  F17: ['nats', 'postgres', 'producers', 'links'],
  // Its handlers must come to their end in time.
  F19: ['workers', 'nats', 'postgres', 'links', 'producers'],
  F19b: ['producers'],
}

export interface Turn {
  readonly faults: readonly Fault[]
  /** For each: how long after the beginning of the turn. */
  readonly afterMs: readonly number[]
}

/** @param fits worlds differ in what they can carry */
export function composition(seed: number, fits: (fault: Fault) => boolean, turns: number): Turn[] {
  const random = randomOf(seed)
  const faults = FAULTS.filter((fault) => takes(fault) !== undefined && fault.needs === undefined && fits(fault))
  return Array.from({ length: turns }, () => {
    const drawn = together(shuffled(faults, random), 1 + Math.floor(random() * MOST_AT_ONCE))
    return { faults: drawn, afterMs: drawn.map((_, at) => (at === 0 ? 0 : Math.floor(random() * APART_MS))) }
  })
}

function takes({ code }: Fault): readonly Taken[] | undefined {
  return TAKES[code] ?? TAKES[code.replace(/[a-z]$/, '')]
}

/** The first so many that leave each other alone. */
function together(faults: readonly Fault[], most: number): Fault[] {
  const chosen: Fault[] = []
  const taken = new Set<Taken>()
  for (const fault of faults) {
    const its = takes(fault) ?? []
    if (chosen.length === most) break
    if (its.some((each) => taken.has(each))) continue
    chosen.push(fault)
    for (const each of its) taken.add(each)
  }
  return chosen
}

/** One turn as one fault: all of it has to be over, also when a part of it fails. */
export function asFault({ faults, afterMs }: Turn): Fault {
  return {
    code: faults.map(({ code }) => code).join('+'),
    title: faults.map(({ title }) => title).join('; '),
    adapters: ['memory', 'nats', 'dual'],
    async lacks(world) {
      const lacking = await Promise.all(faults.map((fault) => fault.lacks?.(world)))
      return lacking.find((reason) => reason !== undefined)
    },
    async happen(world) {
      const ends = await Promise.allSettled(faults.map((fault, at) => begin(fault, world, afterMs[at] ?? 0)))
      const failed = ends.find((end) => end.status === 'rejected')
      if (failed !== undefined) throw failed.reason
    },
    exempt: (world) => faults.flatMap((fault) => fault.exempt?.(world) ?? []),
  }
}

async function begin(fault: Fault, world: World, afterMs: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, afterMs))
  await fault.happen(world)
}

/** A run number that has failed, and what it found. */
export interface Regression {
  readonly adapter: 'nats' | 'dual'
  readonly seed: number
  readonly minutes: number
  readonly found: string
}

export function regressions(): readonly Regression[] {
  return JSON.parse(readFileSync(new URL('regressions.json', import.meta.url), 'utf8'))
}
