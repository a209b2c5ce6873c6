/** Processes that die or stand still between the commit and the relay, and others that go on with what they left. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { jetstream } from '../../../../adapters/jetstream/index.js'
import type { Message } from '../../../../src/message.js'
import type { MessageBus } from '../../../../src/message-bus.js'
import { range, until } from '../../../../testing/suite/expect.js'
import { type NatsServer, startNats } from '../../../servers/nats-server.js'
import { type PostgresServer, startPostgres } from '../../../servers/postgres.js'
import { DualLab } from '../fixtures/dual-lab.js'
import { LedgerProcess } from '../fixtures/ledger-processes.js'

const LEASE_MS = 1000
const TEST = { timeout: 60_000 }

let postgres: PostgresServer
let nats: NatsServer
beforeAll(async () => {
  ;[postgres, nats] = await Promise.all([startPostgres(), startNats({ version: '2.15' })])
})
afterAll(() => Promise.all([postgres.stop(), nats.stop()]))

/** A bus here, a process beside it, and a consumer whose effects are rows. */
class Pair implements AsyncDisposable {
  readonly heard: unknown[] = []
  readonly stream: string
  readonly lab: DualLab
  readonly bus: MessageBus
  readonly other: LedgerProcess

  private constructor(stream: string, lab: DualLab, bus: MessageBus, other: LedgerProcess) {
    this.stream = stream
    this.lab = lab
    this.bus = bus
    this.other = other
  }

  static async open(name: string, dedupWindow: number | string = '2m'): Promise<Pair> {
    const streams = [{ name, subjects: [`${name}.>`], dedupWindow: dedupWindow as '2m' }]
    const inner = () => jetstream({ servers: nats.url })
    const lab = await DualLab.open(postgres, { inner, streams })
    const bus = await lab.bus({ isDirect: true, dual: { lease: LEASE_MS } })
    const { url: connection, schema } = lab
    const other = await LedgerProcess.start({ connection, schema, servers: nats.url, streams, lease: LEASE_MS })
    return new Pair(name, lab, bus, other)
  }

  async consume(): Promise<void> {
    await this.lab.sql('create table %.effects (data text)')
    await this.bus.consume(
      { name: `${this.stream}_c`, stream: this.stream, order: 'key', ackWait: 2000 },
      async ({ data }: Message, { tx }) => {
        this.heard.push(data)
        await tx.query(`insert into ${this.lab.schema}.effects values ($1)`, [data])
      },
      { dedup: 0 },
    )
  }

  publish(data: number): Promise<unknown> {
    return this.bus.publish(`${this.stream}.a`, data, { key: 'k', timeout: 10_000 })
  }

  tell(data: number): void {
    this.other.order({ what: 'publish', subject: `${this.stream}.a`, key: 'k', data })
  }

  async heardAll(count: number): Promise<void> {
    await until(() => this.heard.length >= count, `${count} messages; heard ${this.heard}`)
    await this.lab.settled(`${this.stream}_c`)
    const effects = await this.lab.sql<{ data: string }>('select data from %.effects')
    expect(effects.map(({ data }) => Number(data)).toSorted((a, b) => a - b)).toEqual(range(1, count))
    expect(this.heard).toEqual(range(1, count))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.other.kill()
    await this.lab[Symbol.asyncDispose]()
  }
}

it(
  'PG-L5: what a process had committed and not relayed when it was killed is relayed by another, in order',
  TEST,
  async () => {
    await using pair = await Pair.open('killed')
    const { other } = pair
    await pair.consume()
    pair.tell(1)
    await other.says('accepted')
    await pair.heardAll(1)
    other.order({ what: 'hold' })
    for (const n of range(2, 6)) {
      pair.tell(n)
      await other.says('accepted', n)
    }
    await other.kill()
    expect(pair.heard).toEqual([1])
    await pair.publish(7)
    await pair.heardAll(7)
  },
)

it.each([
  ['recognises repetitions', '2m'],
  ['has forgotten', 100],
])(
  'PG-L2: a process that stood still beyond its lease changes nothing when it goes on, and the inner stream %s',
  TEST,
  async (_, window) => {
    await using pair = await Pair.open(`stopped_${window}`, window)
    const { other } = pair
    await pair.consume()
    other.order({ what: 'hold' })
    for (const n of range(1, 5)) {
      pair.tell(n)
      await other.says('accepted', n)
    }
    other.signal('SIGSTOP')
    await pair.publish(6)
    await pair.heardAll(6)
    other.signal('SIGCONT')
    other.order({ what: 'go' })
    pair.tell(7)
    await other.says('accepted', 6)
    await pair.publish(8)
    await pair.heardAll(8)
  },
)
