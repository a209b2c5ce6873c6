/** Order by key against a model that keeps plain lists, and the promises themselves, checked after every step. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Lanes } from '../../src/lanes.js'

interface Item {
  readonly message: { readonly key: string | undefined; readonly sequence: number }
}

function item(key: string | undefined, sequence: number): Item {
  return { message: { key, sequence } }
}

/** What a message is doing; a message not listed was never seen or is settled. */
type Place = 'waiting' | 'running' | 'absent'

class Model {
  readonly lanes = new Lanes<Item>()
  readonly #places = new Map<number, Place>()
  readonly #items = new Map<number, Item>()
  #next = 1

  /** Puts every kind of step through the real lanes and through the rules. */
  apply(step: Step): void {
    if (step.kind === 'arrive') this.#enter(item(step.key, this.#next++))
    else if (step.kind === 'expect') this.#expect(item(step.key, this.#next++))
    else if (step.kind === 'return') this.#pick('absent', step.which, (chosen) => this.#enter(chosen))
    else if (step.kind === 'forget')
      this.#pick('absent', step.which, (chosen) => this.#end(chosen, () => this.lanes.forget(chosen.message)))
    else if (step.kind === 'leave')
      this.#pick('running', step.which, (chosen) => this.#end(chosen, () => this.lanes.leave(chosen)))
    else this.#pick('running', step.which, (chosen) => this.#park(chosen))
    this.#check()
  }

  list(place: Place): Item[] {
    return [...this.#items.values()].filter((each) => this.#places.get(each.message.sequence) === place)
  }

  #pick(place: Place, which: number, act: (chosen: Item) => void): void {
    const all = this.list(place)
    const chosen = all[which % Math.max(1, all.length)]
    if (chosen !== undefined) act(chosen)
  }

  #enter(entering: Item): void {
    this.#put(entering, 'waiting')
    this.#started(entering.message.key, this.lanes.enter(entering))
  }

  #expect(expected: Item): void {
    this.#put(expected, 'absent')
    this.lanes.expect(expected.message)
  }

  #park(parked: Item): void {
    this.#put(parked, 'absent')
    this.#started(parked.message.key, this.lanes.park(parked))
  }

  #end(ended: Item, act: () => Item | undefined): void {
    this.#places.delete(ended.message.sequence)
    this.#items.delete(ended.message.sequence)
    this.#started(ended.message.key, act())
  }

  #put(each: Item, place: Place): void {
    this.#items.set(each.message.sequence, each)
    this.#places.set(each.message.sequence, place)
  }

  /** Whatever starts must be what the rules let start: the lowest of its key, and only when nothing of the key runs. */
  #started(key: string | undefined, started: Item | undefined): void {
    const ofKey = (place: Place): Item[] => this.list(place).filter((each) => each.message.key === key)
    const unsettled = [...ofKey('waiting'), ...ofKey('absent')].sort((a, b) => a.message.sequence - b.message.sequence)
    const mayStart = ofKey('running').length === 0 ? unsettled[0] : undefined
    const isReady = mayStart !== undefined && this.#places.get(mayStart.message.sequence) === 'waiting'
    expect(started).toBe(isReady ? mayStart : undefined)
    if (started !== undefined) this.#put(started, 'running')
  }

  #check(): void {
    const running = this.list('running').map((each) => each.message.key)
    expect(new Set(running).size).toBe(running.length)
    expect(this.lanes.waiting).toBe(this.list('waiting').length)
    expect(this.lanes.size).toBe(new Set([...this.#items.values()].map((each) => each.message.key)).size)
  }
}

type Step =
  | { readonly kind: 'arrive'; readonly key: string }
  | { readonly kind: 'expect'; readonly key: string }
  | { readonly kind: 'return'; readonly which: number }
  | { readonly kind: 'forget'; readonly which: number }
  | { readonly kind: 'leave'; readonly which: number }
  | { readonly kind: 'park'; readonly which: number }

const key = fc.constantFrom('a', 'b', '__proto__')
const chosen = fc.nat({ max: 20 })
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('arrive' as const), key }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('expect' as const), key }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('return' as const), which: chosen }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('forget' as const), which: chosen }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('leave' as const), which: chosen }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('park' as const), which: chosen }) },
)

describe('Lanes', () => {
  it('start the lowest unsettled message of a key, one at a time, under any sequence of steps', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const model = new Model()
        for (const each of steps) model.apply(each)
      }),
      { numRuns: 1500 },
    )
  })

  it('lead every message to its end once nothing fails any more, and then hold nothing', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const model = new Model()
        for (const each of steps) model.apply(each)
        for (let rest = 200; rest > 0 && model.lanes.size > 0; rest--) {
          model.apply({ kind: 'return', which: 0 })
          model.apply({ kind: 'leave', which: 0 })
        }
        expect([model.lanes.size, model.lanes.waiting]).toEqual([0, 0])
      }),
      { numRuns: 500 },
    )
  })

  it('let a failed head hold up its own key only', () => {
    const lanes = new Lanes<Item>()
    const [a1, a2, b3] = [item('a', 1), item('a', 2), item('b', 3)]
    expect(lanes.enter(a1)).toBe(a1)
    expect(lanes.park(a1)).toBeUndefined()
    expect(lanes.enter(a2)).toBeUndefined()
    expect(lanes.enter(b3)).toBe(b3)
    expect(lanes.enter(a1)).toBe(a1)
    expect(lanes.leave(a1)).toBe(a2)
  })

  it('start an older message that came late before the newer ones that wait', () => {
    const lanes = new Lanes<Item>()
    const [five, two, nine] = [item('a', 5), item('a', 2), item('a', 9)]
    expect(lanes.enter(five)).toBe(five)
    expect(lanes.enter(nine)).toBeUndefined()
    expect(lanes.enter(two)).toBeUndefined()
    expect(lanes.leave(five)).toBe(two)
    expect(lanes.leave(two)).toBe(nine)
  })

  it('let messages without a key pass', () => {
    const lanes = new Lanes<Item>()
    const [one, two] = [item(undefined, 1), item(undefined, 2)]
    expect(lanes.enter(one)).toBe(one)
    expect(lanes.enter(two)).toBe(two)
    lanes.expect(item(undefined, 3).message)
    expect([lanes.park(one), lanes.leave(two), lanes.forget(one.message), lanes.size]).toEqual([
      undefined,
      undefined,
      undefined,
      0,
    ])
  })

  it('give back all that waits, and only that', () => {
    const lanes = new Lanes<Item>()
    const items = [item('a', 1), item('a', 2), item('b', 3), item('b', 4), item('a', 5)]
    for (const each of items) lanes.enter(each)
    const waiting = [items[1], items[4], items[3]]
    expect(lanes.drain()).toEqual(waiting)
    expect(lanes.waiting).toBe(0)
    expect(lanes.leave(item('a', 1))).toBeUndefined()
  })
})
