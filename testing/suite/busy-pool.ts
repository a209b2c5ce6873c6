/**
 * A pool caught in the middle of its work, for scenarios that stop it there.
 */
import type { PoolOptions } from '../../src/worker-pool-options.js'
import { range, until } from './expect.js'
import type { Scene } from './scene.js'

/** A pool whose handlers all wait at a gate: `concurrency` of them started, `prefetch` messages held ready, the rest not handed out. */
export async function busyPool(
  s: Scene,
  options: Required<Pick<PoolOptions, 'concurrency' | 'prefetch'>> & PoolOptions,
  messages = 8,
) {
  const bus = await s.bus()
  const gate = s.gate()
  const pool = await bus.consume(s.consumer(), gate.enter, s.pool(options))
  await s.publish(bus, 'a', range(1, messages))
  await gate.reached(options.concurrency)
  await until(() => pool.stats().waiting === options.prefetch, `${options.prefetch} to be held ready`)
  return { bus, pool, gate, messages }
}
