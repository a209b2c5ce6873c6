/** The ring buffer against a list. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Ring } from '../../src/ring.js'

describe('Ring', () => {
  it('is a queue, whatever is pushed and shifted and however small it begins', () => {
    const step = fc.oneof(
      { weight: 5, arbitrary: fc.constant('push' as const) },
      { weight: 4, arbitrary: fc.constant('shift' as const) },
      { weight: 1, arbitrary: fc.constant('drain' as const) },
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), fc.nat({ max: 5 }), (steps, capacity) => {
        const ring = new Ring<number>(capacity)
        let list: number[] = []
        for (const [at, kind] of steps.entries()) {
          if (kind === 'push') {
            ring.push(at)
            list.push(at)
          } else if (kind === 'shift') expect(ring.shift()).toBe(list.shift())
          else {
            expect(ring.drain()).toEqual(list)
            list = []
          }
          expect([ring.size, ring.peek(), ring.last()]).toEqual([list.length, list[0], list.at(-1)])
        }
      }),
      { numRuns: 500 },
    )
  })

  it('keeps its order while it grows around its end', () => {
    const ring = new Ring<number>(4)
    for (const n of [0, 1, 2]) ring.push(n)
    ring.shift()
    ring.shift()
    for (let n = 3; n < 20; n++) ring.push(n)
    expect(ring.drain()).toEqual(Array.from({ length: 18 }, (_, at) => at + 2))
  })
})
