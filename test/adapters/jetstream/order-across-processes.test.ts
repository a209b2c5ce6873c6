/** Order by key with several worker processes on one consumer, some of which are killed while they work. */
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { jetstream } from '../../../adapters/jetstream/index.js'
import { createBus } from '../../../src/bus.js'
import { range } from '../../../testing/suite/expect.js'
import { type NatsServer, startNats } from '../../servers/nats-server.js'
import { endedIn, overtakings, publishKeyed, type Step, untilLong, Worker } from './fixtures/ordered-workers.js'

const KEYS = range(0, 11).map((k) => `k${k}`)
const PER_KEY = 60
const TOTAL = KEYS.length * PER_KEY
const WORKERS = 3
const KILLS = 3

describe.each(['2.15', '2.10'] as const)('order by key across processes, server %s', (version) => {
  let server: NatsServer
  beforeAll(async () => {
    server = await startNats({ version })
  })
  afterAll(async () => {
    await server.stop()
  })

  it('JS-C8: JS-S12: no message of a key starts before the earlier ones have ended, while worker processes are killed with -9', {
    timeout: 90_000,
  }, async () => {
    const stream = `o${randomBytes(4).toString('hex')}`
    const subjects = `${stream}.>`
    const start = (): Worker => new Worker([server.url, stream, subjects, 'ordered'])
    const [workers, all] = [new Set<Worker>(), [] as Worker[]]
    const add = (): void => {
      const worker = start()
      workers.add(worker)
      all.push(worker)
    }
    const steps = (): Step[] => all.flatMap((worker) => worker.steps)
    const ended = (): number => endedIn(steps())
    for (let count = 0; count < WORKERS; count++) add()
    await using bus = createBus({
      adapter: jetstream({ servers: server.url }),
      streams: [{ name: stream, subjects: [subjects] }],
    })
    await bus.connect()
    await untilLong(() => all.every((worker) => worker.isReady), 'the workers')
    const publishing = publishKeyed(bus, stream, KEYS, range(1, PER_KEY))
    for (let kill = 1; kill <= KILLS; kill++) {
      await untilLong(() => ended() > (kill * TOTAL) / (KILLS + 2), `part ${kill} of the work`)
      const [serving] = [...workers].toSorted((a, b) => Number(b.lastAt - a.lastAt))
      if (serving === undefined) throw new Error('no worker is left')
      workers.delete(serving)
      await serving.kill()
      add()
    }
    await publishing
    await untilLong(() => ended() === TOTAL, 'all messages')
    await Promise.all([...workers].map((worker) => worker.kill()))
    expect(overtakings(steps())).toEqual([])
    expect(new Set(all.filter(({ steps: said }) => said.length > 1)).size).toBeGreaterThan(KILLS)
  })
})
