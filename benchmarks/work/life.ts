/** How long it takes from nothing to the first message handled, and from `close()` to the last handler finished. Repeated; each time is one value. */
import { setTimeout as delay } from 'node:timers/promises'
import { type Contender, IN_FLIGHT, type Load, type Order, type Prepared } from '../contender.js'
import { publishAll } from '../load.js'
import { type Backend, openBus, type Place } from '../place.js'
import { newConsumer } from './backlog.js'

const REPETITIONS = 5
const CONCURRENCY = 64
const HANDLER_MS = 10
/** More than is handed out at a time, so that some is held and goes back. */
const WAITING = 1000

/** Does it once, on a place that is there already, and tells how long it took. */
export type Once = (place: Place, load: Load) => Promise<number>

export function start(backend: Backend): Contender {
  const what = 'busbar: createBus, connect, consume, and one message published and handled'
  return life(backend, { name: `${backend.name}-start`, what }, startOnce)
}

export function drain(backend: Backend): Contender {
  const what = `busbar: close() while ${CONCURRENCY} handlers of ${HANDLER_MS} ms run and more is waiting`
  return life(backend, { name: `${backend.name}-drain`, what }, drainOnce)
}

export function life(backend: Backend, row: Pick<Contender, 'name' | 'what'>, once: Once): Contender {
  const { durability, beside } = backend
  const prepare = async (load: Load): Promise<Prepared> => {
    const place = await backend.create()
    const latenciesMs = new Float64Array(load.messages)
    const run = async (): Promise<void> => {
      for (let at = 0; at < load.messages; at++) latenciesMs[at] = await once(place, load)
    }
    return { latenciesMs, run, close: () => place.remove() }
  }
  return { ...row, durability, beside, groups: ['lifecycle'], messages: () => REPETITIONS, prepare }
}

const startOnce: Once = async ({ address, subject }, { order }) => {
  const startedAt = performance.now()
  const bus = await openBus(address)
  let tookMs = 0
  await new Promise<void>((resolve, reject) => {
    const consumer = { name: newConsumer(), stream: address.definition.name, from: 'new' } as const
    const handle = (): void => {
      tookMs = performance.now() - startedAt
      resolve()
    }
    bus
      .consume(consumer, handle)
      .then(() => bus.publish(subject, order))
      .catch(reject)
  })
  await bus.close()
  return tookMs
}

const drainOnce: Once = async ({ address, subject }, { order }) => {
  const bus = await openBus(address)
  let running = 0
  await new Promise<void>((resolve, reject) => {
    const handle = async (): Promise<void> => {
      if (++running === CONCURRENCY) resolve()
      await delay(HANDLER_MS)
    }
    const publish = (each: Order): Promise<unknown> => bus.publish(subject, each)
    publishAll({ publish }, { messages: WAITING, order }, IN_FLIGHT)
      .then(() =>
        bus.consume({ name: newConsumer(), stream: address.definition.name }, handle, {
          concurrency: CONCURRENCY,
        }),
      )
      .catch(reject)
  })
  const startedAt = performance.now()
  await bus.close()
  return performance.now() - startedAt
}
