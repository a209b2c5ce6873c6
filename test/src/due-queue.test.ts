/** The queue of things that fall due against a sorted list, with a clock moved by hand. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Due, DueQueue } from '../../src/due-queue.js'
import { HandClock } from '../hand-clock.js'

interface Item extends Due {
  readonly name: number
}

function item(name: number): Item {
  return { name, dueAt: 0, dueSlot: -1, dueOrder: 0 }
}

type Step =
  | { readonly kind: 'add'; readonly which: number; readonly inMs: number }
  | { readonly kind: 'remove'; readonly which: number }
  | { readonly kind: 'advance'; readonly ms: number }
  | { readonly kind: 'clear' }

const which = fc.nat({ max: 7 })
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('add' as const), which, inMs: fc.nat({ max: 10 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('remove' as const), which }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('advance' as const), ms: fc.nat({ max: 6 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('clear' as const) }) },
)

interface Fired {
  readonly name: number
  readonly at: number
}

/** What is queued, in the order of falling due; of two at one time the one that was added first. */
class Sorted {
  readonly fired: Fired[] = []
  #queued: { name: number; dueAt: number; order: number }[] = []
  #order = 0

  get size(): number {
    return this.#queued.length
  }

  add(name: number, dueAt: number): void {
    this.remove(name)
    this.#queued.push({ name, dueAt, order: this.#order++ })
    this.#queued.sort((a, b) => a.dueAt - b.dueAt || a.order - b.order)
  }

  remove(name: number): void {
    this.#queued = this.#queued.filter((queued) => queued.name !== name)
  }

  clear(): void {
    this.#queued = []
  }

  advance(from: number, to: number, onFired: (name: number, at: number) => void): void {
    for (let first = this.#queued[0]; first !== undefined && first.dueAt <= to; first = this.#queued[0]) {
      this.#queued.shift()
      const at = Math.max(from, first.dueAt)
      this.fired.push({ name: first.name, at })
      onFired(first.name, at)
    }
  }
}

function run(steps: readonly Step[], reactions: ReadonlyMap<number, (queue: Queue, now: number) => void>): void {
  const clock = new HandClock()
  const items = Array.from({ length: 8 }, (_, name) => item(name))
  const fired: Fired[] = []
  const queue = new DueQueue<Item>(clock, (due) => {
    expect(due.dueSlot).toBe(-1)
    fired.push({ name: due.name, at: clock.monotonic() })
    reactions.get(due.name)?.(real, clock.monotonic())
  })
  const real: Queue = {
    add: (name, dueAt) => queue.add(items[name] ?? item(name), dueAt),
    remove: (name) => queue.remove(items[name] ?? item(name)),
  }
  const model = new Sorted()
  for (const each of steps) {
    const now = clock.monotonic()
    if (each.kind === 'add') for (const one of [real, model]) one.add(each.which, now + each.inMs)
    else if (each.kind === 'remove') for (const one of [real, model]) one.remove(each.which)
    else if (each.kind === 'clear') for (const one of [queue, model]) one.clear()
    else {
      clock.advance(each.ms)
      model.advance(now, now + each.ms, (name, at) => reactions.get(name)?.(model, at))
    }
    expect(fired).toEqual(model.fired)
    expect(queue.size).toBe(model.size)
    expect([...queue.items()]).toHaveLength(model.size)
    expect(clock.timers).toBeLessThanOrEqual(1)
    expect(clock.isHeld).toBe(model.size > 0)
  }
}

interface Queue {
  add(name: number, dueAt: number): void
  remove(name: number): void
}

describe('DueQueue', () => {
  it('fires everything at its time, earliest first, with one timer that holds the process only while something is queued', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 50 }), (steps) => run(steps, new Map())),
      { numRuns: 1000 },
    )
  })

  it('lets a firing item add, move and remove others', () => {
    const reactions = new Map<number, (queue: Queue, now: number) => void>([
      [0, (queue, now) => queue.add(1, now + 3)],
      [1, (queue) => queue.remove(2)],
      [2, (queue, now) => queue.add(3, now)],
      [4, (queue, now) => queue.add(4, now + 5)],
    ])
    fc.assert(
      fc.property(fc.array(step, { maxLength: 50 }), (steps) => run(steps, reactions)),
      { numRuns: 1000 },
    )
  })

  it('fires what is already due when it is added, in its own turn', () => {
    const clock = new HandClock()
    const fired: number[] = []
    const queue = new DueQueue<Item>(clock, (due) => fired.push(due.name))
    clock.advance(100)
    queue.add(item(1), 50)
    expect(fired).toEqual([])
    clock.advance(0)
    expect(fired).toEqual([1])
  })

  it('never holds the process when it is told not to', () => {
    const clock = new HandClock()
    const queue = new DueQueue<Item>(clock, () => {}, { ref: false })
    const [one, other] = [item(1), item(2)]
    queue.add(one, 10)
    queue.remove(one)
    queue.add(other, 5)
    expect(clock.timers).toBe(1)
    expect(clock.isHeld).toBe(false)
  })

  it('sorts ten thousand items', () => {
    const clock = new HandClock()
    const fired: number[] = []
    const queue = new DueQueue<Item>(clock, (due) => fired.push(due.dueAt))
    for (let name = 0; name < 10_000; name++) queue.add(item(name), (name * 7919) % 10_007)
    clock.advance(20_000)
    expect(fired).toHaveLength(10_000)
    expect(fired).toEqual([...fired].sort((a, b) => a - b))
  })
})
