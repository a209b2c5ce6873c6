/**
 * Job queues on the same PostgreSQL, each as its documentation advises: pg-boss with its own pool, graphile-worker with its local queue and
 * completions in batches. What they do besides (priorities, schedules) is not used, and is not taken from them.
 */
import { Logger, makeWorkerUtils, type Runner, run as runWorker } from 'graphile-worker'
import PgBoss from 'pg-boss'
import { type Contender, IN_FLIGHT, type Load, type Order } from '../contender.js'
import { askPostgres, count, newSchema, postgresUrl, SYNCED } from '../ledgers.js'
import { Handled, publishAll } from '../load.js'

const QUEUE = 'billing'
/** Of pg-boss: jobs that are fetched, and completed, together. */
const BATCH = 512
/** Callers of addJob, one for each connection. */
const ADDERS = 16
/** Of the messages of an ordinary run, so that a run takes some seconds at most. */
const SHARE = 0.1

export function pgBossSend(name: string, what: string, callers: number): Contender {
  return {
    name,
    what,
    durability: SYNCED,
    beside: 'dual',
    groups: ['throughput'],
    messages: ({ messages }) => Math.ceil(messages * SHARE),
    prepare: async (load) => {
      const { messages } = load
      const { boss, schema, close } = await startBoss()
      return {
        run: () => publishAll({ publish: (order) => boss.send(QUEUE, order) }, load, callers),
        async close() {
          await assertJobs(`${schema}.job where name = '${QUEUE}'`, messages, 'sent')
          await close()
        },
      }
    },
  }
}

export const pgBossFlow: Contender = {
  name: 'pg-boss-flow',
  what: `pg-boss: sent to completed, ${IN_FLIGHT} callers of send, fetch and complete of ${BATCH}`,
  durability: SYNCED,
  beside: 'dual',
  groups: ['throughput'],
  messages: ({ messages }) => Math.ceil(messages * SHARE),
  prepare: async (load) => {
    const { messages } = load
    const { boss, schema, close } = await startBoss()
    const handled = new Handled(load)
    const work = async (): Promise<void> => {
      for (let done = 0; done < messages; ) {
        const jobs = await boss.fetch<Order>(QUEUE, { batchSize: BATCH })
        if (jobs.length === 0) continue
        for (const { data } of jobs) await handled.handle(data)
        const ids = jobs.map(({ id }) => id)
        await boss.complete(QUEUE, ids)
        done += jobs.length
      }
    }
    return {
      async run() {
        const sent = publishAll({ publish: (order) => boss.send(QUEUE, order) }, load, IN_FLIGHT)
        await Promise.all([sent, work(), handled.all])
      },
      async close() {
        await assertJobs(`${schema}.job where state = 'completed' and name = '${QUEUE}'`, messages, 'completed')
        await close()
      },
    }
  },
}

async function startBoss() {
  const schema = newSchema()
  const boss = new PgBoss({ connectionString: await postgresUrl(), schema })
  // One that fails ends the process, and the run with it.
  boss.on('error', (error) => {
    throw error
  })
  await boss.start()
  await boss.createQueue(QUEUE)
  const close = async (): Promise<void> => {
    await boss.stop({ graceful: false })
    await drop(schema)
  }
  return { boss, schema, close }
}

export const graphileFlow: Contender = {
  name: 'graphile-worker',
  what: `graphile-worker: added to completed, ${ADDERS} callers of addJob, then its local queue of 512, 64 jobs at a time`,
  durability: SYNCED,
  beside: 'dual',
  groups: ['throughput'],
  messages: ({ messages }) => Math.ceil(messages * SHARE),
  prepare: async (load) => {
    const worker = await prepareWorker(load)
    return {
      async run() {
        await publishAll({ publish: (order) => worker.utils.addJob(QUEUE, order) }, load, ADDERS)
        await worker.workOff()
      },
      close: worker.close,
    }
  },
}

export const graphileRun: Contender = {
  name: 'graphile-worker-run',
  what: 'graphile-worker: only the second half of it, a backlog to completed',
  durability: SYNCED,
  beside: 'dual',
  groups: ['throughput'],
  messages: ({ messages }) => Math.ceil(messages / 2),
  prepare: async (load) => {
    const worker = await prepareWorker(load)
    await worker.pile()
    return { run: worker.workOff, close: worker.close }
  },
}

async function prepareWorker(load: Load) {
  const schema = newSchema()
  // Not a fresh literal: versions before 0.17 do not know the local queue.
  const worker = {
    connectionString: await postgresUrl(),
    schema,
    maxPoolSize: ADDERS,
    concurrentJobs: 64,
    localQueue: { size: 512 },
    completeJobBatchDelay: 0,
  }
  const options = { preset: { worker }, logger: new Logger(() => () => {}) }
  const utils = await makeWorkerUtils(options)
  await utils.migrate()
  const handled = new Handled(load)
  let runner: Runner | undefined
  return {
    utils,
    /** Fills the queue at once, as its function for other languages does. */
    async pile() {
      const job = `row('${QUEUE}', $1::json, null, now(), 25, null, 0, null)::${schema}.job_spec`
      const text = `select from ${schema}.add_jobs(array(select ${job} from generate_series(1, $2)))`
      await utils.withPgClient((client) => client.query(text, [JSON.stringify(load.order), load.messages]))
    },
    /** Starts it. Resolves when the queue is empty: jobs that are done are deleted. */
    async workOff() {
      const taskList = { [QUEUE]: async (job: unknown) => handled.handle(job as Order) }
      runner = await runWorker({ ...options, noHandleSignals: true, taskList })
      await handled.all
      await runner.stop()
    },
    async close() {
      await utils.release()
      await assertJobs(`${schema}.jobs`, 0, 'left')
      await drop(schema)
    },
  }
}

async function assertJobs(where: string, wanted: number, what: string): Promise<void> {
  const jobs = await count(`select count(*) from ${where}`)
  if (jobs !== wanted) throw new Error(`${jobs} jobs are ${what}, and not ${wanted}`)
}

async function drop(schema: string): Promise<void> {
  await askPostgres(`set client_min_messages = warning; drop schema ${schema} cascade`)
}
