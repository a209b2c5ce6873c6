/** Deadlines of one length against a plain list, with a clock moved by hand. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Deadlines, type Expiring } from '../../src/deadlines.js'
import { HandClock } from '../hand-clock.js'

const WAIT_MS = 10

interface Item extends Expiring {
  readonly name: number
}

function item(name: number): Item {
  return { name, expiresAt: 0, expiresBefore: undefined, expiresAfter: undefined }
}

type Step =
  | { readonly kind: 'add'; readonly which: number }
  | { readonly kind: 'remove'; readonly which: number }
  | { readonly kind: 'advance'; readonly ms: number }
  | { readonly kind: 'clear' }

const which = fc.nat({ max: 5 })
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('add' as const), which }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('remove' as const), which }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('advance' as const), ms: fc.nat({ max: 8 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('clear' as const) }) },
)

interface Fired {
  readonly name: number
  readonly at: number
}

/** What happens to which item when this one expires. */
type Reaction = { readonly kind: 'add' | 'remove'; readonly which: number } | undefined

interface List {
  readonly fired: Fired[]
  add(name: number, now: number): void
  remove(name: number): void
}

class Plain implements List {
  readonly fired: Fired[] = []
  running: { name: number; expiresAt: number }[] = []

  add(name: number, now: number): void {
    this.remove(name)
    this.running.push({ name, expiresAt: now + WAIT_MS })
  }

  remove(name: number): void {
    this.running = this.running.filter((each) => each.name !== name)
  }

  advance(to: number, reactions: readonly Reaction[]): void {
    for (let first = this.running[0]; first !== undefined && first.expiresAt <= to; first = this.running[0]) {
      this.running.shift()
      this.fired.push({ name: first.name, at: first.expiresAt })
      react(this, reactions[first.name], first.expiresAt)
    }
  }
}

function react(list: List, reaction: Reaction, now: number): void {
  if (reaction?.kind === 'add') list.add(reaction.which, now)
  else if (reaction?.kind === 'remove') list.remove(reaction.which)
}

function run(steps: readonly Step[], reactions: readonly Reaction[]): void {
  const clock = new HandClock()
  const items = Array.from({ length: 6 }, (_, name) => item(name))
  const fired: Fired[] = []
  const deadlines = new Deadlines<Item>(clock, WAIT_MS, (expired) => {
    fired.push({ name: expired.name, at: clock.monotonic() })
    react(real, reactions[expired.name], clock.monotonic())
  })
  const real: List = {
    fired,
    add: (name, now) => deadlines.add(items[name] ?? item(name), now),
    remove: (name) => deadlines.remove(items[name] ?? item(name)),
  }
  const model = new Plain()
  for (const each of steps) {
    const now = clock.monotonic()
    if (each.kind === 'add') for (const one of [real, model]) one.add(each.which, now)
    else if (each.kind === 'remove') for (const one of [real, model]) one.remove(each.which)
    else if (each.kind === 'clear') {
      deadlines.clear()
      model.running = []
    } else {
      clock.advance(each.ms)
      model.advance(now + each.ms, reactions)
    }
    expect(fired).toEqual(model.fired)
    expect(clock.timers).toBeLessThanOrEqual(1)
    expect(clock.isHeld).toBe(model.running.length > 0)
  }
}

describe('Deadlines', () => {
  it('expire in time and in order, with one timer that holds the process only while something runs', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 50 }), (steps) => run(steps, [])),
      { numRuns: 1000 },
    )
  })

  it('expire in time and in order when what expires adds and removes others', () => {
    const reaction: fc.Arbitrary<Reaction> = fc.option(
      fc.record({ kind: fc.constantFrom('add' as const, 'remove' as const), which }),
      { nil: undefined },
    )
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 50 }),
        fc.array(reaction, { minLength: 6, maxLength: 6 }),
        (steps, reactions) => run(steps, reactions),
      ),
      { numRuns: 2000 },
    )
  })

  it('do not make an item wait for one that was added while another expired', () => {
    const clock = new HandClock()
    const fired: Fired[] = []
    const again = item(9)
    const deadlines: Deadlines<Item> = new Deadlines(clock, WAIT_MS, (expired) => {
      fired.push({ name: expired.name, at: clock.monotonic() })
      if (expired.name === 1) deadlines.add(again, clock.monotonic())
    })
    deadlines.add(item(1), clock.monotonic())
    clock.advance(3)
    deadlines.add(item(2), clock.monotonic())
    clock.advance(30)
    expect(fired).toEqual([
      { name: 1, at: 10 },
      { name: 2, at: 13 },
      { name: 9, at: 20 },
    ])
  })
})
