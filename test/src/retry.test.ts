/** What becomes of a failed attempt, for every policy. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BusError, NotAcceptedError, Reject, RetryLater } from '../../src/errors.js'
import { decide, type RetryOptions, resolveRetry } from '../../src/retry.js'
import { codeOf } from '../code-of.js'

const half = (): number => 0.5
const failure = new Error('no')

/** The waits after each attempt but the last. */
function ladder(options: RetryOptions, random = half): number[] {
  const policy = resolveRetry(options)
  const decisions = Array.from({ length: policy.attempts }, (_, at) => decide(at + 1, failure, policy, random))
  expect(decisions.at(-1)).toEqual({ kind: 'dead', reason: 'exhausted' })
  return decisions.flatMap((decision) => (decision.kind === 'retry' ? [decision.delayMs] : []))
}

describe('the default policy', () => {
  it('has five attempts, and waits that begin at a second, double, and lose up to a fifth by chance', () => {
    expect(ladder({}, () => 0)).toEqual([1000, 2000, 4000, 8000])
    expect(ladder({}, () => 0.999_999).map(Math.round)).toEqual([800, 1600, 3200, 6400])
  })

  it('never waits longer than five minutes', () => {
    expect(Math.max(...ladder({ attempts: 1000 }, () => 0))).toBe(300_000)
  })
})

const waits = fc.array(fc.nat({ max: 10_000 }), { minLength: 1, maxLength: 5 })

describe('every policy', () => {
  const options = fc.record(
    {
      attempts: fc.integer({ min: 1, max: 1000 }),
      backoff: fc.oneof(fc.constant('exponential' as const), waits),
      base: fc.nat({ max: 100_000 }),
      max: fc.nat({ max: 1_000_000 }),
      jitter: fc.double({ min: 0, max: 1, noNaN: true }),
    },
    { requiredKeys: [] },
  )

  it('retries exactly until its last attempt, with waits within its bounds', () => {
    fc.assert(
      fc.property(options, fc.double({ min: 0, max: 0.999_999, noNaN: true }), (given, chance) => {
        const delays = ladder(given, () => chance)
        expect(delays).toHaveLength((given.attempts ?? 5) - 1)
        const longest = Array.isArray(given.backoff) ? Math.max(...given.backoff) : (given.max ?? 300_000)
        for (const delay of delays) expect(delay >= 0 && delay <= longest).toBe(true)
      }),
    )
  })

  it('waits at least the share that is not left to chance', () => {
    fc.assert(
      fc.property(options, fc.double({ min: 0, max: 0.999_999, noNaN: true }), (given, chance) => {
        const jitter = given.jitter ?? 0.2
        const full = ladder({ ...given, jitter: 0 })
        for (const [at, delay] of ladder(given, () => chance).entries())
          expect(delay).toBeGreaterThanOrEqual((full[at] ?? 0) * (1 - jitter) - 1e-6)
      }),
    )
  })

  it('never shortens its exponential waits from one attempt to the next', () => {
    fc.assert(
      fc.property(fc.nat({ max: 100_000 }), fc.nat({ max: 1_000_000 }), (base, max) => {
        const delays = ladder({ attempts: 50, base, max, jitter: 0 })
        expect(delays).toEqual([...delays].sort((a, b) => a - b))
      }),
    )
  })

  it('repeats the last wait of a list', () => {
    fc.assert(
      fc.property(waits, (backoff) => {
        const delays = ladder({ attempts: backoff.length + 3, backoff, jitter: 0 })
        expect(delays.slice(0, backoff.length)).toEqual(backoff)
        expect(new Set(delays.slice(backoff.length - 1)).size).toBe(1)
      }),
    )
  })
})

describe('an error', () => {
  const policy = resolveRetry({ attempts: 3, jitter: 0 })

  it('of the kind Reject ends it at any attempt', () => {
    for (const attempt of [1, 2, 3, 4])
      expect(decide(attempt, new Reject('bad'), policy, half)).toEqual({ kind: 'dead', reason: 'rejected' })
  })

  it('of an unreadable message ends it at once', () => {
    const unreadable = new BusError('BUS_INVALID_MESSAGE', 'x')
    expect(decide(1, unreadable, policy, half)).toEqual({ kind: 'dead', reason: 'invalid' })
  })

  it("of a handler's own refused publish is an ordinary failure", () => {
    const refused = new NotAcceptedError('BUS_INVALID_MESSAGE', 'x')
    expect(decide(1, refused, policy, half)).toEqual({ kind: 'retry', delayMs: 1000 })
    expect(decide(1, new BusError('BUS_TIMEOUT', 'x'), policy, half)).toEqual({ kind: 'retry', delayMs: 1000 })
  })

  it('of the kind RetryLater sets its own wait, without chance, but not more attempts', () => {
    const jittery = resolveRetry({ attempts: 3, jitter: 1 })
    expect(decide(1, new RetryLater(123), jittery, half)).toEqual({ kind: 'retry', delayMs: 123 })
    expect(decide(3, new RetryLater(123), jittery, half)).toEqual({ kind: 'dead', reason: 'exhausted' })
  })

  it('of the kind RetryLater with a bad number neither loops nor waits for ever', () => {
    for (const delayMs of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
      expect(decide(1, new RetryLater(delayMs), policy, half)).toEqual({ kind: 'retry', delayMs: 1000 })
    expect(decide(1, new RetryLater(-5), policy, half)).toEqual({ kind: 'retry', delayMs: 0 })
    expect(decide(1, new RetryLater(2 ** 40), policy, half)).toEqual({ kind: 'retry', delayMs: 2 ** 31 - 1 })
  })

  it('may be anything', () => {
    fc.assert(
      fc.property(fc.anything(), (thrown) => {
        expect(decide(1, thrown, policy, half)).toEqual({ kind: 'retry', delayMs: 1000 })
      }),
    )
    expect(decide(2, undefined, policy, half)).toEqual({ kind: 'retry', delayMs: 2000 })
  })
})

describe('a bad policy is refused', () => {
  const bad: readonly (readonly [string, unknown])[] = [
    ['null', null],
    ['a number of attempts by itself', 3],
    ['no attempts', { attempts: 0 }],
    ['half an attempt', { attempts: 1.5 }],
    ['too many attempts', { attempts: 1001 }],
    ['attempts as text', { attempts: '3' }],
    ['an unknown backoff', { backoff: 'linear' }],
    ['an empty list of waits', { backoff: [] }],
    ['a bad wait in the list', { backoff: ['1s', 'soon'] }],
    ['a negative base', { base: -1 }],
    ['a maximum beyond all timers', { max: '30d' }],
    ['jitter below 0', { jitter: -0.1 }],
    ['jitter above 1', { jitter: 1.1 }],
    ['jitter that is no number', { jitter: Number.NaN }],
    ['jitter as text', { jitter: '0.2' }],
  ]
  for (const [what, options] of bad) {
    it(`for ${what}`, () => {
      expect(codeOf(() => resolveRetry(options as RetryOptions))).toBe('BUS_INVALID_OPTION')
    })
  }
})
