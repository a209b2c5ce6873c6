/**
 * A ledger in PostgreSQL before a stream: what it costs to have a publish accepted, and to have a message settled; beside bare loops and
 * job queues on the same PostgreSQL. BullMQ would need a Redis server, and has no row. What is measured is looked up afterwards: every
 * message stored once, every one settled.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Handler, Pool, PoolOptions } from '../../src/index.js'
import { type Contender, IN_FLIGHT, type Order } from '../contender.js'
import { askPostgres, BenchLedger, count, SYNCED, SYNCED_THEN_STREAM } from '../ledgers.js'
import { Handled, publishAll } from '../load.js'
import { CONSUMER } from '../servers.js'
import { openGroup, openNaive, type Way } from './dual-peers.js'
import { graphileFlow, graphileRun, pgBossFlow, pgBossSend } from './job-queues.js'

const CALLERS = 1024
const FEW_CALLERS = 64
const TRANSACTIONS = 16

type Inner = 'jetstream' | 'memory'

const DURABILITY: Readonly<Record<Inner, string>> = { jetstream: SYNCED_THEN_STREAM, memory: SYNCED }

export const dualContenders: readonly Contender[] = [
  publisher('dual-publish', `busbar: ${CALLERS} callers, each awaiting acceptance`, openBus('jetstream')),
  publisher('dual-publish-memory', 'busbar: the same with BUSBAR_DUAL_INNER=memory', openBus('memory'), {
    durability: SYNCED,
  }),
  publisher('dual-publish-64', `busbar: ${FEW_CALLERS} callers`, openBus('jetstream'), { callers: FEW_CALLERS }),
  publisher('dual-publish-group', 'bare loop: one unnest insert of who waits, then a bare publish of each', openGroup),
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

interface Load {
  readonly callers?: number
  readonly durability?: string
  /** Of the messages of an ordinary run, so that a run takes some seconds at most. */
  readonly share?: number
}

function publisher(name: string, what: string, open: () => Promise<Way>, load: Load = {}): Contender {
  const { callers = CALLERS, durability = SYNCED_THEN_STREAM, share = 1 } = load
  return {
    name,
    what,
    durability,
    messages: ({ messages }) => Math.ceil(messages * share),
    prepare: async (messages) => {
      const way = await open()
      return { run: () => publishAll(way, messages, callers), close: () => way.close(messages) }
    },
  }
}

function openBus(inner: Inner): () => Promise<Way> {
  return async () => {
    const ledger = await BenchLedger.create(inner)
    const bus = await ledger.openBus()
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
    messages: ({ messages }) => Math.ceil(messages * (isWriting ? 0.1 : 0.5)),
    prepare: async (messages) => {
      const ledger = await BenchLedger.create(inner, isWriting ? { transactions } : {})
      const bus = await ledger.openBus()
      const handled = new Handled(messages)
      const handler = isWriting ? await writing(ledger.schema, handled) : plain(handled)
      const consumer = { name: CONSUMER, stream: ledger.definition.name }
      const pool = await bus.consume(consumer, handler, { concurrency: 64, ...options })
      return {
        async run() {
          await publishAll({ publish: (order) => bus.publish(ledger.subject, order) }, messages, IN_FLIGHT)
          await settled(pool, handled, messages)
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

async function settled(pool: Pool, handled: Handled, messages: number): Promise<void> {
  await handled.all
  for (let stats = pool.stats(); stats.handled < messages || stats.lag > 0; stats = pool.stats()) await nextTurn()
}
