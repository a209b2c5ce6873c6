/** Order by key with several worker processes on one consumer, some of which are killed while they work. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { jetstream } from '../../../adapters/jetstream/index.js'
import { createBus } from '../../../src/bus.js'
import type { MessageBus } from '../../../src/message-bus.js'
import { until } from '../../../testing/suite/expect.js'
import { type NatsServer, startNats } from '../../servers/nats-server.js'

const KEYS = 12
const PER_KEY = 60
const TOTAL = KEYS * PER_KEY
const WORKERS = 3
const KILLS = 3

interface Step {
  readonly what: 'ready' | 'start' | 'end'
  readonly key: string
  readonly n: number
  readonly at: string
}

class Worker {
  readonly steps: Step[] = []
  readonly #child: ChildProcess

  constructor(args: readonly string[]) {
    const script = new URL('./fixtures/ordered-worker.ts', import.meta.url).pathname
    const stdio = ['ignore', 'pipe', 'inherit'] as const
    this.#child = spawn(process.execPath, ['--import', 'tsx', script, ...args], { stdio: [...stdio] })
    if (this.#child.stdout !== null)
      createInterface({ input: this.#child.stdout }).on('line', (line) => this.steps.push(JSON.parse(line)))
  }

  get isReady(): boolean {
    return this.steps.length > 0
  }

  get lastAt(): bigint {
    return BigInt(this.steps.at(-1)?.at ?? 0)
  }

  async kill(): Promise<void> {
    const gone = new Promise((resolve) => this.#child.once('close', resolve))
    this.#child.kill('SIGKILL')
    await gone
  }
}

/** Every message that started before an earlier one of its key had ended. */
function overtakings(steps: readonly Step[]): string[] {
  const ended = new Map<string, Set<number>>()
  const found: string[] = []
  for (const { what, key, n } of steps.toSorted((a, b) => Number(BigInt(a.at) - BigInt(b.at)))) {
    const done = ended.get(key) ?? new Set()
    ended.set(key, done)
    if (what === 'end') done.add(n)
    for (let earlier = 1; what === 'start' && earlier < n; earlier++) {
      if (!done.has(earlier)) found.push(`${key}: ${n} started before ${earlier} had ended`)
    }
  }
  return found
}

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
    const ended = (): number =>
      new Set(steps().flatMap(({ what, key, n }) => (what === 'end' ? [`${key} ${n}`] : []))).size
    for (let count = 0; count < WORKERS; count++) add()
    await using bus = createBus({
      adapter: jetstream({ servers: server.url }),
      streams: [{ name: stream, subjects: [subjects] }],
    })
    await bus.connect()
    await untilLong(() => all.every((worker) => worker.isReady), 'the workers')
    const publishing = publishAll(bus, stream)
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

async function publishAll(bus: MessageBus, stream: string): Promise<void> {
  for (let n = 1; n <= PER_KEY; n++) {
    for (let k = 0; k < KEYS; k++) await bus.publish(`${stream}.k${k}`, n, { key: `k${k}` })
  }
}

/** The work of a killed process comes back after its lease and its ack wait: longer than the patience of one `until`. */
async function untilLong(condition: () => boolean, what: string): Promise<void> {
  for (let tries = 0; tries < 3; tries++) {
    if (
      await until(condition, what).then(
        () => true,
        () => false,
      )
    )
      return
  }
  await until(condition, what)
}
