/**
 * A ledger in PostgreSQL before a stream: what it costs to have a publish accepted, and to have a message settled; beside bare loops and
 * job queues on the same PostgreSQL. What is measured is looked up afterwards: every
 * message stored once, every one settled.
 */
import type { Handler, PoolOptions } from '../../src/index.js'
import { type Contender, type Group, IN_FLIGHT, type Order, PAYLOADS } from '../contender.js'
import { askPostgres, BenchLedger, count, type Inner, SYNCED, SYNCED_THEN_STREAM } from '../ledgers.js'
import { Handled, publishAll } from '../load.js'
import { CONSUMER, openBus } from '../place.js'
import { settled } from '../work/flow.js'
import { openGroup, openNaive, type Way } from './dual-peers.js'
import { graphileFlow, graphileRun, pgBossFlow, pgBossSend } from './job-queues.js'

const CALLERS = 1024
const FEW_CALLERS = 64
const TRANSACTIONS = 16
const GROUPS: readonly Group[] = ['throughput', 'growth']

const DURABILITY: Readonly<Record<Inner, string>> = { jetstream: SYNCED_THEN_STREAM, memory: SYNCED }

export const dualContenders: readonly Contender[] = [
  publisher('dual-publish', `busbar: ${CALLERS} callers, each awaiting acceptance`, openLedger('jetstream'), {
    payloads: PAYLOADS,
  }),
  publisher('dual-publish-memory', 'busbar: the same with BUSBAR_DUAL_INNER=memory', openLedger('memory'), {
    durability: SYNCED,
  }),
  publisher('dual-publish-64', `busbar: ${FEW_CALLERS} callers`, openLedger('jetstream'), { callers: FEW_CALLERS }),
  publisher('dual-publish-group', 'bare loop: one unnest insert of who waits, then a bare publish of each', openGroup, {
    payloads: PAYLOADS,
  }),
  publisher('dual-publish-naive', 'one insert by a pool of 16, then js.publish, both awaited', openNaive, {
    share: 0.2,
  }),
  pgBossSend('pg-boss', `pg-boss: ${CALLERS} callers of send`, CALLERS),
  flow('dual-flow', `busbar: published to settled, ${IN_FLIGHT} publishes in flight, pool of 64`),
  flow('dual-flow-448', 'busbar: the same with prefetch: 448', { prefetch: 448 }),
  flow('dual-flow-memory', 'busbar: the same with BUSBAR_DUAL_INNER=memory', { inner: 'memory' }),
  flow('dual-flow-tx', `busbar: the same, each handler inserts a row by ctx.tx, ${TRANSACTIONS} at a time`, {
    transactions: TRANSACTIONS,
  }),
  graphileFlow,
  graphileRun,
  pgBossFlow,
]

interface Options {
  readonly callers?: number
  readonly durability?: string
  /** Of the messages of an ordinary run, so that a run takes some seconds at most. */
  readonly share?: number
  readonly payloads?: readonly number[]
}

function publisher(name: string, what: string, open: () => Promise<Way>, options: Options = {}): Contender {
  const { callers = CALLERS, durability = SYNCED_THEN_STREAM, share = 1, payloads } = options
  return {
    name,
    what,
    durability,
    beside: 'dual',
    groups: ['throughput'],
    ...(payloads === undefined ? {} : { payloads }),
    messages: ({ messages }) => Math.ceil(messages * share),
    prepare: async (load) => {
      const way = await open()
      const acceptedMs = new Float64Array(load.messages)
      const run = () => publishAll(way, load, callers, acceptedMs)
      return { acceptedMs, run, close: () => way.close(load.messages) }
    },
  }
}

function openLedger(inner: Inner): () => Promise<Way> {
  return async () => {
    const ledger = await BenchLedger.create(inner)
    const bus = await openBus(ledger.address)
    return {
      publish: (order) => bus.publish(ledger.subject, order),
      async close(messages) {
        await ledger.assertStored(messages)
        await bus.close()
        await ledger.remove()
      },
    }
  }
}

interface Flow extends Partial<PoolOptions> {
  readonly inner?: Inner
  /** So many handlers at a time write a row of their own, in a transaction; default: they write none. */
  readonly transactions?: number
}

function flow(name: string, what: string, { inner = 'jetstream', transactions, ...options }: Flow = {}): Contender {
  const isWriting = transactions !== undefined
  return {
    name,
    what,
    durability: DURABILITY[inner],
    beside: 'dual',
    groups: isWriting || inner === 'memory' ? ['throughput'] : GROUPS,
    messages: ({ messages }) => Math.ceil(messages * (isWriting ? 0.1 : 0.5)),
    prepare: async (load) => {
      const { messages } = load
      const ledger = await BenchLedger.create(inner, isWriting ? { transactions } : {})
      const bus = await openBus(ledger.address)
      const handled = new Handled(load)
      const handler = isWriting ? await writing(ledger.schema, handled) : plain(handled)
      const consumer = { name: CONSUMER, stream: ledger.address.definition.name }
      const pool = await bus.consume(consumer, handler, { concurrency: 64, ...options })
      return {
        async run() {
          await publishAll({ publish: (order) => bus.publish(ledger.subject, order) }, load, IN_FLIGHT)
          await handled.all
          await settled(pool, messages)
        },
        async close() {
          await ledger.assertStored(messages)
          await bus.close()
          await ledger.assertSettled(messages)
          if (isWriting) await assertWritten(ledger.schema, messages)
          await ledger.remove()
        },
      }
    },
  }
}

function plain({ handle }: Handled): Handler {
  return ({ data }) => handle(data as Order)
}

async function writing(schema: string, { handle }: Handled): Promise<Handler> {
  await askPostgres(`create table ${schema}.written (id text not null)`)
  return async ({ id, data }, { tx }) => {
    await tx.query(`insert into ${schema}.written (id) values ($1)`, [id])
    await handle(data as Order)
  }
}

async function assertWritten(schema: string, messages: number): Promise<void> {
  const rows = await count(`select count(*) from ${schema}.written`)
  if (rows !== messages) throw new Error(`${messages} messages were handled, ${rows} rows are written`)
}
