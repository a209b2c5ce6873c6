/** The dedup window against the list of everything ever added. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DedupWindow } from '../../src/dedup-window.js'

const WINDOW_MS = 10

interface Entry {
  readonly id: string
  readonly value: number
}

const idOf = (entry: Entry): string => entry.id

const step = fc.record({
  kind: fc.constantFrom('add' as const, 'add' as const, 'get' as const),
  id: fc.constantFrom('a', 'b', 'c', 'd', 'e', '__proto__', 'constructor'),
  laterMs: fc.nat({ max: 4 }),
})

describe('DedupWindow', () => {
  it('remembers the newest half for exactly the window, nothing for longer, and never more than its maximum', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 2, max: 9 }), (steps, maxIds) => {
        const window = new DedupWindow<Entry>(WINDOW_MS, maxIds, idOf)
        const added: { id: string; value: number; at: number }[] = []
        let now = 0
        for (const [value, { kind, id, laterMs }] of steps.entries()) {
          now += laterMs
          if (kind === 'add') {
            window.add({ id, value }, now)
            added.push({ id, value, at: now })
          }
          const newest = added.findLast((each) => each.id === id)
          const expected = newest !== undefined && newest.at + WINDOW_MS > now ? newest.value : undefined
          const isRecent = added.slice(-Math.floor(maxIds / 2)).some((each) => each.id === id)
          const got = window.get(id, now)?.value
          if (isRecent) expect(got).toBe(expected)
          else expect([expected, undefined]).toContain(got)
          expect(window.size).toBeLessThanOrEqual(maxIds)
        }
      }),
      { numRuns: 2000 },
    )
  })

  it('remembers every id of the window while they are few', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const window = new DedupWindow<Entry>(WINDOW_MS, 200, idOf)
        const added = new Map<string, { value: number; at: number }>()
        let now = 0
        for (const [value, { kind, id, laterMs }] of steps.entries()) {
          now += laterMs
          if (kind === 'add') {
            window.add({ id, value }, now)
            added.set(id, { value, at: now })
          }
          const newest = added.get(id)
          const isYoung = newest !== undefined && newest.at + WINDOW_MS > now
          expect(window.get(id, now)?.value).toBe(isYoung ? newest.value : undefined)
        }
      }),
      { numRuns: 1000 },
    )
  })

  it('is not extended by asking', () => {
    const window = new DedupWindow<Entry>(WINDOW_MS, 10, idOf)
    window.add({ id: 'a', value: 1 }, 0)
    for (let now = 0; now < WINDOW_MS; now++) expect(window.get('a', now)?.value).toBe(1)
    expect(window.get('a', WINDOW_MS)).toBeUndefined()
  })

  it('remembers nothing when the window is 0', () => {
    const window = new DedupWindow<Entry>(0, 10, idOf)
    window.add({ id: 'a', value: 1 }, 0)
    expect(window.get('a', 0)).toBeUndefined()
    expect(window.size).toBe(0)
  })

  it('lets go of what is over age as time goes on, though its maximum is far away', () => {
    const window = new DedupWindow<Entry>(WINDOW_MS, 1_000_000, idOf)
    for (let now = 0; now < 10_000; now++) window.add({ id: `id${now}`, value: now }, now)
    expect(window.size).toBeLessThanOrEqual(2 * WINDOW_MS + 2)
  })
})
