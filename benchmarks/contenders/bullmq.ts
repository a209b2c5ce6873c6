/**
 * BullMQ on a Redis server of the run, as its documentation advises for production: an append-only file, no eviction, finished jobs removed,
 * `maxRetriesPerRequest: null` for the worker.
 */
import { Queue, Worker } from 'bullmq'
import { type Contender, IN_FLIGHT, type Order } from '../contender.js'
import { Handled, publishAll } from '../load.js'
import { REDIS_DURABILITY, redisIsMissing } from '../redis.js'
import { server } from '../servers.js'

const JOB = 'placed'
const CALLERS = 1024
const CONCURRENCY = 100
const KEEP_NOTHING = { removeOnComplete: true, removeOnFail: true }
/** Of the messages of an ordinary run, so that a run takes some seconds at most. */
const SHARE = 0.2

let queues = 0

const row = {
  durability: REDIS_DURABILITY,
  beside: 'dual',
  groups: ['throughput'],
  missing: redisIsMissing,
  messages: ({ messages }) => Math.ceil(messages * SHARE),
} satisfies Partial<Contender>

export const bullmqContenders: readonly Contender[] = [
  {
    ...row,
    name: 'bullmq',
    what: `BullMQ: ${CALLERS} callers of add`,
    prepare: async (load) => {
      const { queue, close } = await openQueue()
      const acceptedMs = new Float64Array(load.messages)
      return {
        acceptedMs,
        run: () => publishAll({ publish: (order) => queue.add(JOB, order) }, load, CALLERS, acceptedMs),
        async close() {
          const waiting = await queue.getWaitingCount()
          if (waiting !== load.messages) throw new Error(`${load.messages} jobs were added, ${waiting} are waiting`)
          await close()
        },
      }
    },
  },
  {
    ...row,
    name: 'bullmq-flow',
    what: `BullMQ: added to completed, ${IN_FLIGHT} callers of add, a worker with concurrency ${CONCURRENCY}`,
    prepare: async (load) => {
      const { queue, connection, close } = await openQueue()
      const handled = new Handled(load)
      let completed = 0
      let allCompleted = (): void => {}
      const done = new Promise<void>((resolve) => {
        allCompleted = resolve
      })
      const worker = new Worker<Order>(queue.name, ({ data }) => handled.handle(data), {
        connection,
        concurrency: CONCURRENCY,
      })
      worker.on('completed', () => {
        if (++completed === load.messages) allCompleted()
      })
      // A failure ends the process, and the run with it.
      worker.on('error', (error) => {
        throw error
      })
      await worker.waitUntilReady()
      return {
        async run() {
          await publishAll({ publish: (order) => queue.add(JOB, order) }, load, IN_FLIGHT)
          await Promise.all([handled.all, done])
        },
        async close() {
          await worker.close()
          await close()
        },
      }
    },
  },
]

async function openQueue() {
  const { url } = await server('redis')
  const { hostname: host, port } = new URL(url)
  const connection = { host, port: Number(port), maxRetriesPerRequest: null }
  const queue = new Queue<Order>(`orders-${process.pid}-${++queues}`, { connection, defaultJobOptions: KEEP_NOTHING })
  await queue.waitUntilReady()
  const close = async (): Promise<void> => {
    await queue.obliterate({ force: true })
    await queue.close()
  }
  return { queue, connection, close }
}
