/** What is measured of busbar on each backend alike: fixed rates, live subscribers, reading again, pools, processes, starting, draining, growth. */
import type { Contender } from '../contender.js'
import { onLedger } from '../ledgers.js'
import { type Backend, inMemory } from '../place.js'
import { ONE, onNats } from '../streams.js'
import { backlogs } from '../work/consume.js'
import { busHub, fanOut } from '../work/fan-out.js'
import { flow, openBusFlow } from '../work/flow.js'
import { latency } from '../work/latency.js'
import { drain, start } from '../work/life.js'
import { processes } from '../work/processes.js'
import { openBusReader, rebuild, replay } from '../work/replay.js'
import { eventEmitterHub } from './memory-peers.js'
import { officialFanOut, officialReplay, officialStart } from './official.js'

const onStream = onNats(ONE)
const BACKENDS = [inMemory, onStream, onLedger]
const RATES = [1000, 10_000, 100_000]
const SUBSCRIBERS = [1, 10, 100]
const POOLS = [1, 8, 64, 512]
const PAUSE_MS = 1

export const everyBackend: readonly Contender[] = [
  // Those of JetStream have the official client beside them, in `nats.ts`.
  ...[inMemory, onLedger].flatMap((backend) => RATES.map((rate) => atRate(backend, rate))),
  ...SUBSCRIBERS.flatMap((count) => [
    ...BACKENDS.map((backend) => liveTo(backend, count)),
    eventEmitterHub(count),
    officialFanOut(count),
  ]),
  ...BACKENDS.map((backend) =>
    replay(backend, { name: `${backend.name}-replay`, what: 'busbar: replay of a stream' }, openBusReader),
  ),
  officialReplay,
  rebuild,
  ...BACKENDS.flatMap((backend) => POOLS.map((count) => pool(backend, count))),
  ...[onStream, onLedger].flatMap((backend) => [
    processes(backend, 1, 'busbar: a backlog, one worker process, pool of 64'),
    processes(backend, 3, 'busbar: the same, three worker processes'),
  ]),
  ...BACKENDS.flatMap((backend) => [start(backend), drain(backend)]),
  officialStart,
  ...[onStream, onLedger].flatMap(keyed),
  ...BACKENDS.map(manySubjects),
  ...[onStream, onLedger].flatMap(backlogs),
]

function atRate(backend: Backend, rate: number): Contender {
  const { name, durability, beside } = backend
  const what = `busbar: publish to handler at ${rate} messages/s, pool of 64`
  return latency({ name: `${name}-latency-${rate}`, what, durability, beside }, rate, openBusFlow(backend))
}

function liveTo(backend: Backend, count: number): Contender {
  const { durability, beside } = backend
  const row = {
    name: `${backend.name}-fan-out-${count}`,
    what: `busbar: ${count} live subscribers`,
    durability,
    beside,
  }
  return fanOut(row, count, busHub(backend))
}

function pool(backend: Backend, concurrency: number): Contender {
  const name = `${backend.name}-pool-${concurrency}`
  const what = `busbar: published to settled, pool of ${concurrency}, handlers that wait ${PAUSE_MS} ms`
  const share = Math.min(1, concurrency / 64) / 4
  return flow(backend, { name, what, groups: ['pools'] }, { concurrency, pauseMs: PAUSE_MS, share })
}

function keyed(backend: Backend): readonly Contender[] {
  return [1, 1000].map((keys) => {
    const name = `${backend.name}-flow-keys-${keys}`
    const what = `busbar: published to settled with order: 'key', keys: ${keys}`
    return flow(backend, { name, what, groups: ['throughput', 'growth'] }, { keys, share: keys === 1 ? 0.1 : 0.5 })
  })
}

function manySubjects(backend: Backend): Contender {
  const name = `${backend.name}-subjects-10000`
  const what = 'busbar: published to settled, 10,000 subjects'
  return flow(backend, { name, what, groups: ['growth'] }, { subjects: 10_000, share: 0.5 })
}
