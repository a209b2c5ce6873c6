/** The story of a message that fails: first and last error, attempts, and no secret or megabyte in it. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FailureLog } from '../../src/failure-log.js'
import { NO_HEADERS, type StoredMessage } from '../../src/message.js'

function stored(sequence: number): StoredMessage {
  const payload = new Uint8Array(0)
  return {
    stream: 's',
    sequence,
    time: 0,
    id: `id${sequence}`,
    subject: 'a',
    key: undefined,
    headers: NO_HEADERS,
    payload,
  }
}

function textOf(error: unknown): string {
  return new FailureLog().record(stored(1), 1, error, 0).lastError
}

describe('FailureLog', () => {
  it('keeps the first error and its time, and the last error and its attempt', () => {
    const log = new FailureLog()
    log.record(stored(1), 1, new Error('first'), 10)
    log.record(stored(1), 2, new Error('second'), 20)
    log.record(stored(2), 1, 'other', 25)
    log.record(stored(1), 3, new TypeError('third'), 30)
    expect(log.get(1)).toEqual({
      message: stored(1),
      attempts: 3,
      firstError: 'Error: first',
      lastError: 'TypeError: third',
      firstFailedAt: 10,
    })
    expect(log.get(2)?.firstError).toBe('other')
  })

  it('forgets a message that is settled', () => {
    const log = new FailureLog()
    log.record(stored(1), 1, 'a', 1)
    log.delete(1)
    log.delete(1)
    expect(log.get(1)).toBeUndefined()
    expect(log.record(stored(1), 1, 'b', 2).firstError).toBe('b')
  })

  it('counts what a condition holds for', () => {
    const log = new FailureLog()
    for (const sequence of [1, 2, 3]) log.record(stored(sequence), 1, 'a', 1)
    expect(log.count((sequence) => sequence !== 2)).toBe(2)
  })

  it('writes an error in at most 4 KB, cut between characters', () => {
    for (const character of ['x', 'é', '漢', '😀']) {
      for (let shift = 0; shift < 4; shift++) {
        const text = 'x'.repeat(shift) + character.repeat(8000)
        const kept = textOf(text)
        expect(Buffer.byteLength(kept)).toBeLessThanOrEqual(4096)
        expect(Buffer.byteLength(kept)).toBeGreaterThan(4096 - 12)
        expect(text.startsWith(kept)).toBe(true)
      }
    }
    expect(textOf('漢'.repeat(1365))).toBe('漢'.repeat(1365))
  })

  it('hides secrets, also one that lies across the cut', () => {
    expect(textOf(new Error('postgres://app:hunter2@db'))).toBe('Error: postgres://app:[redacted]@db')
    const kept = textOf(`${'x'.repeat(4060)} password=${'hunter2'.repeat(20)}`)
    expect(kept).not.toContain('hunter')
  })

  it('describes whatever was thrown', () => {
    const boom = (): never => {
      throw new Error('boom')
    }
    const hostile: readonly unknown[] = [
      undefined,
      null,
      0,
      1n,
      Symbol('s'),
      () => 1,
      {},
      Object.create(null),
      {
        get message(): string {
          return boom()
        },
      },
      { toString: boom },
      new Proxy({}, { get: boom }),
      new Proxy(new Error('a'), { get: boom, getPrototypeOf: boom }),
    ]
    for (const thrown of hostile) expect(textOf(thrown)).toMatch(/./)
    fc.assert(
      fc.property(fc.anything(), (thrown) => {
        expect(typeof textOf(thrown)).toBe('string')
      }),
    )
    expect(textOf({ message: 'like an error' })).toBe('like an error')
    expect(textOf(undefined)).toBe('thrown undefined')
  })
})
