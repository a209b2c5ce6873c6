/**
 * Group `closed`: a table of operations, each proven to be refused with `BUS_CLOSED` whenever the bus or the adapter is not open.
 */
import assert from 'node:assert/strict'
import type { Adapter } from '../../src/adapter.js'
import type { MessageBus } from '../../src/message-bus.js'
import { resolveConsumer, resolveStream } from '../../src/topology.js'
import { refuses } from './expect.js'
import { type GroupDefinition, type ScenarioBody, type ScenarioDefinition, scenario, type YesNo } from './harness.js'
import { type PortSide, Probe } from './port-side.js'
import type { Scene } from './scene.js'

interface Operation {
  readonly name: string
  readonly call: (bus: MessageBus, scene: Scene) => unknown
  readonly needs?: YesNo
  /** Running handlers need it, so it works until the last of them has ended. */
  readonly worksWhileClosing?: boolean
}

const OPERATIONS: readonly Operation[] = [
  { name: 'publish()', call: (bus, s) => bus.publish(s.to('a'), 1), worksWhileClosing: true },
  {
    name: 'publish() to a topic',
    call: (bus, s) => bus.publish(s.numbers('a').at(), { n: 1 }),
    worksWhileClosing: true,
  },
  { name: 'publishBatch()', call: (bus, s) => bus.publishBatch([{ to: s.to('a'), data: 1 }]), worksWhileClosing: true },
  { name: 'signal()', call: (bus, s) => bus.signal(s.to('a', 'presence'), 1), needs: 'live', worksWhileClosing: true },
  { name: 'subscribe()', call: (bus, s) => bus.subscribe(s.to('a'), () => {}), needs: 'live' },
  { name: 'subscribe() with a start', call: (bus, s) => bus.subscribe(s.to('a'), () => {}, { from: 'all' }) },
  { name: 'consume()', call: (bus, s) => bus.consume(s.consumer({ name: s.named('late') }), () => {}, s.pool()) },
  { name: 'replay()', call: (bus, s) => s.stored(bus) },
  { name: 'last()', call: (bus, s) => bus.last(s.to('a')) },
  { name: 'get()', call: (bus, s) => bus.get(s.main, 1) },
  { name: 'respond()', call: (bus, s) => bus.respond(s.to('a', 'ask'), () => 1), needs: 'request' },
  { name: 'deadLetters().list()', call: (bus, s) => s.letters(bus) },
  { name: 'deadLetters().show()', call: (bus, s) => s.deadLetters(bus).show(1) },
  { name: 'deadLetters().redrive()', call: (bus, s) => s.deadLetters(bus).redrive(), needs: 'remove' },
  { name: 'deadLetters().discard()', call: (bus, s) => s.deadLetters(bus).discard(), needs: 'remove' },
  { name: 'inspect()', call: (bus) => bus.inspect(), worksWhileClosing: true },
  { name: 'guarantees()', call: (bus) => bus.guarantees(), worksWhileClosing: true },
]

/** Refused when not open as the others, but of no use to the table while closing: nobody answers. */
const REQUEST: Operation = { name: 'request()', call: (bus, s) => bus.request(s.to('a', 'ask'), 1), needs: 'request' }

type PortCall = (adapter: Adapter, port: PortSide, scene: Scene) => unknown

const PORT_OPERATIONS: ReadonlyMap<string, PortCall> = new Map<string, PortCall>([
  ['provision()', (adapter, _, s) => adapter.provision([resolveStream(s.mainStream())])],
  ['publish()', (_, port) => port.publish('a')],
  ['attach()', (adapter, _, s) => adapter.attach(resolveConsumer(s.consumer(), ['>']), new Probe())],
  ['read()', (_, port) => port.read()],
  ['inspect()', (adapter) => adapter.inspect()],
])

const OPTIONAL_PORT_OPERATIONS: ReadonlyMap<string, readonly [YesNo, PortCall]> = new Map([
  ['remove()', ['remove', (adapter, _, s) => adapter.remove(s.main, [1])]],
  ['signal()', ['live', (adapter, port, s) => adapter.signal(port.signalOf(s.to('a', 'presence'), 'x'))]],
  ['listen()', ['live', (adapter, _, s) => adapter.listen(s.to('a', 'presence'), () => {})]],
  ['request()', ['request', (adapter, port, s) => adapter.request(port.signalOf(s.to('a', 'ask'), 'x'), 1000)]],
])

export const closed: GroupDefinition = {
  name: 'closed',
  scenarios: [
    ...[...OPERATIONS, REQUEST].flatMap((operation) => [
      needing(operation.needs, `${operation.name} is refused before connect()`, async (s) => {
        const bus = await s.unconnectedBus()
        await refuses('BUS_CLOSED', () => operation.call(bus, s))
      }),
      needing(operation.needs, `${operation.name} is refused after close()`, async (s) => {
        const bus = await s.bus()
        await bus.close()
        await refuses('BUS_CLOSED', () => operation.call(bus, s))
      }),
    ]),

    ...OPERATIONS.map((operation) =>
      operation.worksWhileClosing === true
        ? needing(operation.needs, `${operation.name} works while the bus closes`, (s) =>
            whileClosing(s, async (bus) => {
              await operation.call(bus, s)
            }),
          )
        : needing(operation.needs, `${operation.name} is refused while the bus closes`, (s) =>
            whileClosing(s, async (bus) => {
              await refuses('BUS_CLOSED', () => operation.call(bus, s))
            }),
          ),
    ),

    ...[...PORT_OPERATIONS].map(([name, call]) => portRefuses(undefined, name, call)),
    ...[...OPTIONAL_PORT_OPERATIONS].map(([name, [needs, call]]) => portRefuses(needs, name, call)),

    scenario("the adapter's settle() is refused after its close()", async (s) => {
      const port = await s.port()
      const { probe } = await port.attach(1)
      await port.publish('a')
      const held = await probe.nth(1)
      await port.adapter.close()
      await refuses('BUS_CLOSED', () => port.settle({ kind: 'ack' }, held))
    }),

    scenario("the adapter's close() may be called again, and before open()", async (s) => {
      const { adapter } = await s.port()
      await Promise.all([adapter.close(), adapter.close()])
      await adapter.close()
      const unopened = await s.harness.connect()
      await unopened.close()
      await unopened.close()
    }),

    scenario('a replay that is under way when the bus closes does not go on for ever', async (s) => {
      const bus = await s.bus()
      await s.publish(bus, 'a', [1, 2, 3])
      const messages = bus.replay({ stream: s.main })[Symbol.asyncIterator]()
      await messages.next()
      await bus.close()
      await refuses('BUS_CLOSED', async () => {
        for (let next = await messages.next(); next.done !== true; next = await messages.next());
      })
    }),

    scenario('connect() may be called again while the bus is open, and is refused after close()', async (s) => {
      const bus = await s.unconnectedBus()
      await Promise.all([bus.connect(), bus.connect()])
      await bus.connect()
      await bus.publish(s.to('a'), 1)
      await bus.close()
      await refuses('BUS_CLOSED', () => bus.connect())
    }),

    scenario('closing one client leaves the others open', async (s) => {
      const [one, two] = [await s.bus(), await s.bus()]
      await one.close()
      await s.publish(two, 'a', [1])
      assert.deepEqual(await s.stored(two), [1])
    }),
  ],
}

function needing(needs: YesNo | undefined, title: string, body: ScenarioBody): ScenarioDefinition {
  return { title, body, applies: (supports) => needs === undefined || supports[needs], restarts: false }
}

function portRefuses(needs: YesNo | undefined, name: string, call: PortCall): ScenarioDefinition {
  return needing(needs, `the adapter's ${name} is refused after its close()`, async (s) => {
    const port = await s.port()
    await port.publish('a')
    await port.adapter.close()
    await refuses('BUS_CLOSED', () => call(port.adapter, port, s))
  })
}

/** Runs the check on a bus that is closing and waits for a handler. */
async function whileClosing(s: Scene, check: (bus: MessageBus) => Promise<void>): Promise<void> {
  const bus = await s.bus()
  const gate = s.gate()
  await bus.consume(s.consumer(), gate.enter, s.pool())
  await s.publish(bus, 'a', [1])
  await gate.reached(1)
  const closing = bus.close()
  try {
    await check(bus)
  } finally {
    gate.open()
    await closing
  }
}
