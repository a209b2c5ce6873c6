/** The log of a stream against a Map, with sequences that cross its blocks. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MessageLog } from '../../../adapters/memory/log.js'
import { NO_HEADERS, type StoredMessage } from '../../../src/message.js'

const payload = new Uint8Array(0)

function stored(sequence: number): StoredMessage {
  return {
    stream: 's',
    sequence,
    time: 0,
    id: `${sequence}`,
    subject: 'a',
    key: undefined,
    headers: NO_HEADERS,
    payload,
  }
}

type Step =
  | { readonly kind: 'append'; readonly count: number }
  | { readonly kind: 'skip'; readonly count: number }
  | { readonly kind: 'remove'; readonly which: number }
  | { readonly kind: 'dropFirst'; readonly count: number }

const count = fc.oneof(fc.integer({ min: 1, max: 5 }), fc.constantFrom(1000, 1024, 1500))
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('append' as const), count }),
  fc.record({ kind: fc.constant('skip' as const), count }),
  fc.record({ kind: fc.constant('remove' as const), which: fc.nat() }),
  fc.record({ kind: fc.constant('dropFirst' as const), count }),
)

class Pair {
  readonly log = new MessageLog()
  readonly model = new Map<number, StoredMessage>()
  last = 0

  apply(step: Step): void {
    if (step.kind === 'remove') return this.remove(step.which % (this.last + 2))
    for (let done = 0; done < step.count; done++) {
      if (step.kind === 'dropFirst') this.remove(this.log.first)
      else this.#grow(step.kind === 'append')
    }
  }

  remove(sequence: number): void {
    expect(this.log.remove(sequence)).toBe(this.model.get(sequence))
    this.model.delete(sequence)
  }

  #grow(isKept: boolean): void {
    this.last++
    if (!isKept) return this.log.skip()
    const message = stored(this.last)
    this.model.set(this.last, message)
    this.log.append(message)
  }

  check(from: number): void {
    const present = [...this.model.keys()]
    const first = present[0] ?? this.last + 1
    expect([this.log.count, this.log.last, this.log.first]).toEqual([present.length, this.last, first])
    expect(this.log.get(from)).toBe(this.model.get(from))
    const next = present.find((sequence) => sequence >= from)
    expect(this.log.next(from)?.sequence).toBe(next)
  }
}

describe('MessageLog', () => {
  it('answers like a map under any sequence of append, skip and remove', () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 15 }),
        fc.array(fc.nat({ max: 8000 }), { maxLength: 5 }),
        (steps, probes) => {
          const pair = new Pair()
          for (const each of steps) {
            pair.apply(each)
            for (const probe of [0, 1, pair.log.first, pair.last, pair.last + 1, ...probes]) pair.check(probe)
          }
          expect([...pair.log.backwards()].map((message) => message.sequence)).toEqual([...pair.model.keys()].reverse())
        },
      ),
      { numRuns: 150 },
    )
  })

  it('passes a gap of a million at once', () => {
    const log = new MessageLog()
    log.append(stored(1))
    for (let sequence = 2; sequence <= 1_000_000; sequence++) log.skip()
    log.append(stored(1_000_001))
    const started = performance.now()
    for (let round = 0; round < 100; round++) expect(log.next(2)?.sequence).toBe(1_000_001)
    expect(performance.now() - started).toBeLessThan(1000)
    log.remove(1)
    expect(log.first).toBe(1_000_001)
  })
})
