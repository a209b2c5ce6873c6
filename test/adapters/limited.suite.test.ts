/**
 * The conformance suite on an adapter that can do little: every declared "no" is proven too. It is the memory adapter with its optional
 * abilities taken away, and a backend that restarts without losing anything.
 */
import { describe, it } from 'vitest'
import { MemoryBroker, memory } from '../../adapters/memory/index.js'
import type { Adapter, Capabilities } from '../../src/adapter.js'
import { BusError } from '../../src/errors.js'
import type { Outgoing } from '../../src/message.js'
import { adapterSuite, type Harness } from '../../testing/adapter-suite.js'

const NO: Capabilities = {
  durability: 'process',
  survivesRestart: false,
  reconnects: false,
  publishDedup: false,
  keepsIds: false,
  idConflict: false,
  delayedPublish: false,
  workqueue: false,
  interest: false,
  lastPerSubject: false,
  originalReplay: false,
  live: false,
  request: false,
  remove: false,
  transactions: false,
}

let publishes = 0

/** The same message under a dedup id that never occurs twice. */
function withoutDedup({ id, subject, key, headers, payload, delayMs }: Outgoing): Outgoing {
  return { id, dedupId: `${id}/${publishes++}`, isFresh: false, subject, key, headers, payload, delayMs }
}

/** An adapter that declares less than memory and refuses what it does not declare. */
function limited(inner: Adapter): Adapter {
  const refuse = async (): Promise<never> => {
    throw new BusError('BUS_UNSUPPORTED', '[limited] this adapter cannot do that')
  }
  return {
    name: 'limited',
    supports: NO,
    open: (host) => inner.open(host),
    provision: (streams) =>
      streams.some((stream) => stream.retention !== 'limits') ? refuse() : inner.provision(streams),
    publish: (batch, timeoutMs) => inner.publish(batch.map(withoutDedup), timeoutMs),
    attach: (consumer, sink) => inner.attach(consumer, sink),
    settle: (deliveries, settlement) => inner.settle(deliveries, settlement),
    read: (query) => inner.read(query),
    remove: refuse,
    signal: refuse,
    listen: refuse,
    request: refuse,
    inspect: () => inner.inspect(),
    close: () => inner.close(),
  }
}

const broker = new MemoryBroker()
const weak: Harness = { name: 'limited', supports: NO, connect: () => limited(memory({ broker })) }

const able = memory().supports
const proud: Capabilities = { ...able, durability: 'stream', survivesRestart: true, reconnects: true }
const restartable: Harness = {
  name: 'restartable',
  supports: proud,
  connect: () => Object.defineProperty(memory({ broker }), 'supports', { value: proud }),
  restart: async () => {},
}

const ofMemory = new Set(titles({ name: '', supports: able, connect: () => memory() }))

function titles(harness: Harness): string[] {
  return adapterSuite(harness).flatMap((group) => group.scenarios.map((scenario) => scenario.title))
}

for (const harness of [weak, restartable]) {
  for (const { name, scenarios } of adapterSuite(harness)) {
    const others = scenarios.filter((scenario) => !ofMemory.has(scenario.title))
    if (others.length === 0) continue
    describe(name, () => {
      for (const scenario of others) it(scenario.title, scenario.run)
    })
  }
}
