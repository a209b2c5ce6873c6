/** Message ids: version 7 of RFC 9562, unique and in order within a process. */
import { describe, expect, it } from 'vitest'
import { createIdSource } from '../../src/id.js'

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

function timeOf(id: string): number {
  return Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16)
}

describe('message ids', () => {
  it('are UUIDs of version 7 that hold the time', () => {
    const at = Date.UTC(2026, 0, 2, 3, 4, 5, 678)
    const next = createIdSource(() => at + 0.25)
    for (let count = 0; count < 2000; count++) {
      const id = next()
      expect(id).toMatch(UUID_V7)
      expect(timeOf(id)).toBe(at)
    }
  })

  it('are unique and in order over 100,000, with a clock that runs, rests and goes back', () => {
    let now = 1_700_000_000_000
    let calls = 0
    const next = createIdSource(() => {
      calls++
      if (calls % 10 === 0) now++
      if (calls % 5000 === 0) now -= 1000
      return now
    })
    const ids = Array.from({ length: 100_000 }, next)
    expect(new Set(ids).size).toBe(ids.length)
    expect(ids.findIndex((id, at) => at > 0 && id <= (ids[at - 1] ?? ''))).toBe(-1)
  })

  it('borrow the next millisecond when more than 4,096 are made in one', () => {
    const next = createIdSource(() => 1_700_000_000_000)
    const ids = Array.from({ length: 10_000 }, next)
    expect(timeOf(ids[4095] ?? '')).toBe(1_700_000_000_000)
    expect(timeOf(ids[4096] ?? '')).toBe(1_700_000_000_001)
    expect(timeOf(ids[9999] ?? '')).toBe(1_700_000_000_002)
    expect([...ids].sort()).toEqual(ids)
    for (const id of ids.slice(4090, 4100)) expect(id).toMatch(UUID_V7)
  })

  it('of two sources at one time differ', () => {
    const [one, other] = [createIdSource(() => 5), createIdSource(() => 5)]
    const ids = [...Array.from({ length: 1000 }, one), ...Array.from({ length: 1000 }, other)]
    expect(new Set(ids).size).toBe(2000)
  })

  it('hold random bits in every digit after the counter', () => {
    const next = createIdSource(() => 1)
    const ids = Array.from({ length: 500 }, next)
    for (let digit = 20; digit < 36; digit++) {
      if (digit === 23) continue
      expect([digit, new Set(ids.map((id) => id[digit])).size > 8]).toEqual([digit, true])
    }
  })
})
