/**
 * The few assertions that the scenarios share, over `node:assert/strict`.
 */
import assert from 'node:assert/strict'
import { setTimeout as wait } from 'node:timers/promises'
import { BusError, type BusErrorCode } from '../../src/errors.js'

const PATIENCE_MS = 10_000
/** Looks often at first, then less often: a look may cost a round trip to a server. */
const [FIRST_POLL_MS, LAST_POLL_MS] = [2, 30]
/** Timers and wall clocks count whole ms, so something on time can seem that much early. */
const CLOCK_GRAIN_MS = 2

/** Waits until the condition holds; fails, naming what was awaited, when it does not within ten seconds, or what else is asked for. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  patienceMs = PATIENCE_MS,
): Promise<void> {
  const deadline = performance.now() + patienceMs
  for (let pollMs = FIRST_POLL_MS; !(await condition()); pollMs = Math.min(LAST_POLL_MS, pollMs * 1.3)) {
    assert.ok(performance.now() < deadline, `waited ${patienceMs} ms for ${what}`)
    await wait(pollMs)
  }
}

/** Lets real time pass. Only for proving that something does not happen meanwhile. */
export async function pass(ms: number): Promise<void> {
  await wait(ms)
}

/** Fails unless the call throws or rejects with a `BusError` of that code; returns the error. */
export async function refuses(code: BusErrorCode, call: () => unknown): Promise<BusError> {
  let result: unknown
  try {
    result = await call()
  } catch (thrown) {
    if (thrown instanceof BusError && thrown.code === code) return thrown
    throw new assert.AssertionError({
      message: `expected ${code}, caught ${describe(thrown)}`,
      actual: thrown,
      expected: code,
    })
  }
  throw new assert.AssertionError({
    message: `expected ${code}, but the call succeeded`,
    actual: result,
    expected: code,
  })
}

function describe(thrown: unknown): string {
  return thrown instanceof BusError ? `${thrown.code}: ${thrown.message}` : String(thrown)
}

/** Fails unless at least `ms` have passed since `since`, a `performance.now()`. */
export function notBefore(since: number, ms: number, what: string): void {
  const elapsed = performance.now() - since
  assert.ok(elapsed >= ms - CLOCK_GRAIN_MS, `${what} came after ${elapsed.toFixed(1)} ms, before ${ms} ms had passed`)
}

/** Fails when a list is not strictly growing. */
export function growing(numbers: readonly number[]): void {
  for (const [at, number] of numbers.entries()) {
    const earlier = numbers[at - 1]
    assert.ok(earlier === undefined || number > earlier, `[${numbers.join(', ')}] does not grow at index ${at}`)
  }
}

/** Whole numbers from `from` to `to`, inclusive. */
export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, at) => from + at)
}

/** The element at an index; fails when there is none. */
export function nth<Item>(items: readonly Item[], at: number): Item {
  const item = items.at(at)
  assert.ok(item !== undefined, `there is no element ${at} among ${items.length}`)
  return item
}
