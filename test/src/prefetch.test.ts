/** How many deliveries a pool holds ready: what its handlers take in 50 ms, within bounds, unless the options say how many. */
import { describe, expect, it } from 'vitest'
import { resolvePool } from '../../src/pool-settings.js'
import { Prefetch } from '../../src/prefetch.js'
import { resolveConsumer } from '../../src/topology.js'
import type { BatchPoolOptions, PoolOptions } from '../../src/worker-pool-options.js'

const BEGAN_AT = 1000

/** After a second of so many messages each ms. */
function sizeAt(perMs: number, prefetch = new Prefetch({ least: 64, most: 512 }), from = BEGAN_AT): number {
  for (let now = from; now <= from + 1000; now++) prefetch.handled(perMs, now)
  return prefetch.size
}

function settings(options: PoolOptions & Partial<BatchPoolOptions>, maxInFlight?: number) {
  const consumer = { stream: 'orders', name: 'billing', ...(maxInFlight && { maxInFlight }) }
  return resolvePool(resolveConsumer(consumer, ['orders.>']), options, 0).prefetch
}

describe('prefetch', () => {
  it('is what is handled in 50 ms', () => {
    expect(sizeAt(2)).toBe(100)
    expect(sizeAt(4)).toBe(200)
  })

  it('stays within its bounds', () => {
    expect(sizeAt(0)).toBe(64)
    expect(sizeAt(1)).toBe(64)
    expect(sizeAt(100)).toBe(512)
  })

  it('is small again when handlers have become slow', () => {
    const prefetch = new Prefetch({ least: 64, most: 512 })
    expect(sizeAt(8, prefetch)).toBe(400)
    expect(sizeAt(0, prefetch, BEGAN_AT + 2000)).toBe(64)
  })

  it('forgets the rate of before a pause', () => {
    const prefetch = new Prefetch({ least: 64, most: 512 })
    sizeAt(8, prefetch)
    prefetch.handled(1, BEGAN_AT + 60_000)
    expect(prefetch.size).toBe(64)
  })

  it('does not trust the first moment', () => {
    const prefetch = new Prefetch({ least: 64, most: 512 })
    for (let handled = 0; handled < 1000; handled++) prefetch.handled(1, BEGAN_AT)
    expect(prefetch.size).toBe(64)
  })

  it('is bounded by what runs, and by what the consumer may have in flight', () => {
    expect(settings({ concurrency: 10 })).toEqual({ least: 10, most: 80 })
    expect(settings({ concurrency: 10, batch: { size: 5 } })).toEqual({ least: 50, most: 400 })
    expect(settings({ concurrency: 10 }, 100)).toEqual({ least: 10, most: 25 })
    expect(settings({ concurrency: 10 }, 8)).toEqual({ least: 10, most: 10 })
  })

  it('is as given', () => {
    for (const prefetch of [0, 7, 5000]) expect(settings({ prefetch })).toEqual({ least: prefetch, most: prefetch })
    expect(() => settings({ prefetch: 10_001 })).toThrow('prefetch')
  })
})
