/** Where a consumer stands, against the list of what it has still to see. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Cursor } from '../../../adapters/memory/cursor.js'
import { MessageLog } from '../../../adapters/memory/log.js'
import { NO_HEADERS, type StoredMessage } from '../../../src/message.js'
import { match } from '../../../src/subject.js'
import type { ResolvedConsumer, ResolvedStart } from '../../../src/topology.js'
import { HandClock } from '../../hand-clock.js'

const payload = new Uint8Array(0)

function stored(sequence: number, subject: string, time = sequence): StoredMessage {
  return { stream: 's', sequence, time, id: `${sequence}`, subject, key: undefined, headers: NO_HEADERS, payload }
}

function consumer(from: ResolvedStart, filters: readonly string[], replay: 'instant' | 'original'): ResolvedConsumer {
  return {
    name: 'c',
    stream: 's',
    filters,
    from,
    ackWaitMs: 1000,
    maxInFlight: 10,
    replay,
    order: 'none',
    partitions: 1,
  }
}

/** What a consumer that starts there has to see of the messages that are there, in order. */
function fromThere(from: ResolvedStart, matching: readonly StoredMessage[]): StoredMessage[] {
  if (from === 'all') return [...matching]
  if (from === 'new') return []
  if (from === 'last') return matching.slice(-1)
  if (from === 'last-per-subject')
    return matching.filter(({ subject }, at) => !matching.slice(at + 1).some((later) => later.subject === subject))
  if ('sequence' in from) return matching.filter(({ sequence }) => sequence >= from.sequence)
  return matching.filter(({ time }) => time >= from.timeMs)
}

const subjects = fc.constantFrom('a.x', 'a.y', 'b.x', 'b.y')
const filters = fc.constantFrom(['>'], ['a.*'], ['a.x', 'b.y'], ['c'])
const starts: fc.Arbitrary<ResolvedStart> = fc.oneof(
  fc.constantFrom('all' as const, 'new' as const, 'last' as const, 'last-per-subject' as const),
  fc.record({ sequence: fc.integer({ min: 1, max: 15 }) }),
  fc.record({ timeMs: fc.nat({ max: 15 }) }),
)

type Step =
  | { readonly kind: 'publish'; readonly subject: string }
  | { readonly kind: 'remove'; readonly which: number }
  | { readonly kind: 'take' }

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('publish' as const), subject: subjects }),
  fc.record({ kind: fc.constant('remove' as const), which: fc.nat() }),
  fc.record({ kind: fc.constant('take' as const) }),
)

describe('Cursor', () => {
  it('takes what its start and its filters say, whatever comes and goes meanwhile', () => {
    const history = fc.array(fc.oneof(subjects, fc.constant(undefined)), { maxLength: 12 })
    fc.assert(
      fc.property(history, filters, starts, fc.array(step, { maxLength: 40 }), (before, wanted, from, steps) => {
        const log = new MessageLog()
        let present: StoredMessage[] = []
        const append = (subject: string): StoredMessage => {
          const message = stored(log.last + 1, subject)
          log.append(message)
          present.push(message)
          return message
        }
        for (const subject of before)
          if (subject === undefined) log.skip()
          else append(subject)
        const matches = ({ subject }: StoredMessage): boolean => wanted.some((filter) => match(filter, subject))
        const earliest = typeof from === 'object' && 'sequence' in from ? from.sequence : 0
        const cursor = new Cursor(consumer(from, wanted, 'instant'), log, new HandClock(), () => {})
        let ahead = fromThere(from, present.filter(matches))
        for (const each of steps) {
          if (each.kind === 'publish') {
            const message = append(each.subject)
            cursor.arrived(message)
            if (matches(message) && message.sequence >= earliest) ahead.push(message)
          } else if (each.kind === 'remove') {
            const gone = present[each.which % Math.max(1, present.length)]
            if (gone === undefined) continue
            present = present.filter((message) => message !== gone)
            ahead = ahead.filter((message) => message !== gone)
            log.remove(gone.sequence)
            cursor.removed(gone)
          } else expect(cursor.take()).toBe(ahead.shift())
          expect(cursor.pending).toBe(ahead.length)
          for (const message of ahead) expect(cursor.isAhead(message.sequence)).toBe(true)
        }
        for (const message of ahead) expect(cursor.take()).toBe(message)
        expect(cursor.take()).toBeUndefined()
      }),
      { numRuns: 2000 },
    )
  })

  it('of the original pace keeps the gaps between the messages', () => {
    const clock = new HandClock()
    const log = new MessageLog()
    for (const [at, time] of [5000, 5100, 5100, 9000].entries()) log.append(stored(at + 1, 'a.x', time))
    const taken: [sequence: number, at: number][] = []
    clock.advance(10_000)
    const cursor: Cursor = new Cursor(consumer('all', ['>'], 'original'), log, clock, () => takeAll())
    const takeAll = (): void => {
      for (let message = cursor.take(); message !== undefined; message = cursor.take())
        taken.push([message.sequence, clock.now()])
    }
    takeAll()
    clock.advance(5000)
    expect(taken).toEqual([
      [1, 10_000],
      [2, 10_100],
      [3, 10_100],
      [4, 14_000],
    ])
    expect(clock.timers).toBe(0)
  })

  it('of the original pace lets go of its timer when it is closed', () => {
    const clock = new HandClock()
    const log = new MessageLog()
    for (const [at, time] of [0, 1000].entries()) log.append(stored(at + 1, 'a.x', time))
    const cursor = new Cursor(consumer('all', ['>'], 'original'), log, clock, () => {})
    expect(cursor.take()?.sequence).toBe(1)
    expect(cursor.take()).toBeUndefined()
    expect(clock.timers).toBe(1)
    cursor.close()
    expect(clock.timers).toBe(0)
  })
})
