/**
 * A ledger in PostgreSQL before a stream: what it costs to have a publish accepted, and to have a message settled; beside bare loops and
 * job queues on the same PostgreSQL. BullMQ would need a Redis server, and has no row. What is measured is looked up afterwards: every
 * message stored once, every one settled.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { DualOptions } from '../../adapters/dual/index.js'
import type { Handler, MessageBus, Pool } from '../../src/index.js'
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
  flow('dual-flow', `busbar: published to settled, ${IN_FLIGHT} publishes in flight, pool of 64`, 'jetstream'),
  flow('dual-flow-memory', 'busbar: the same with BUSBAR_DUAL_INNER=memory', 'memory'),
  flow('dual-flow-tx', `busbar: the same, one insert by ctx.tx, ${TRANSACTIONS} transactions at a time`, 'jetstream', {
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

/** With transactions, every handler writes a row of its own. */
function flow(name: string, what: string, inner: Inner, options: Partial<DualOptions> = {}): Contender {
  return {
    name,
    what,
    durability: DURABILITY[inner],
    messages: ({ messages }) => Math.ceil(messages * (options.transactions === undefined ? 0.5 : 0.1)),
    prepare: async (messages) => {
      const ledger = await BenchLedger.create(inner, options)
      const bus = await ledger.openBus()
      const written = options.transactions === undefined ? undefined : await createTable(ledger.schema)
      const { handle } = new Handled(messages)
      const pool = await startPool(bus, ledger, handle, written)
      return {
        async run() {
          await publishAll({ publish: (order) => bus.publish(ledger.subject, order) }, messages, IN_FLIGHT)
          await settled(pool, messages)
        },
        async close() {
          await ledger.assertStored(messages)
          await bus.close()
          await ledger.assertSettled(messages)
          if (written !== undefined) await assertWritten(written, messages)
          await ledger.remove()
        },
      }
    },
  }
}

function startPool(
  bus: MessageBus,
  { definition }: BenchLedger,
  handle: (order: Order) => Promise<void>,
  table: string | undefined,
): Promise<Pool> {
  const handler: Handler = async (message, context) => {
    if (table !== undefined) await context.tx.query(`insert into ${table} (id) values ($1)`, [message.id])
    await handle(message.data as Order)
  }
  return bus.consume({ name: CONSUMER, stream: definition.name }, handler, { concurrency: 64 })
}

async function settled(pool: Pool, messages: number): Promise<void> {
  for (let stats = pool.stats(); stats.handled < messages || stats.lag > 0; stats = pool.stats()) await nextTurn()
}

async function createTable(schema: string): Promise<string> {
  await askPostgres(`create table ${schema}.written (id text not null)`)
  return `${schema}.written`
}

async function assertWritten(table: string, messages: number): Promise<void> {
  const rows = await count(`select count(*) from ${table}`)
  if (rows !== messages) throw new Error(`${messages} messages were handled, ${rows} rows are written`)
}
