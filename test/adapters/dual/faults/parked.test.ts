/** Messages that the inner backend refuses for what they are: they wait with those of their keys, and nobody else does. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { innerDefinition } from '../../../../adapters/dual/inner-definition.js'
import { findParked } from '../../../../adapters/dual/report/hindrances.js'
import { jetstream } from '../../../../adapters/jetstream/index.js'
import { memory } from '../../../../adapters/memory/index.js'
import type { Adapter } from '../../../../src/adapter.js'
import { range, until } from '../../../../testing/suite/expect.js'
import { type NatsServer, startNats } from '../../../servers/nats-server.js'
import { type PostgresServer, startPostgres } from '../../../servers/postgres.js'
import { Pair } from '../verify/fixture.js'

const LARGE = Buffer.alloc(8192)

let nats: NatsServer
let postgres: PostgresServer
beforeAll(async () => {
  ;[nats, postgres] = await Promise.all([startNats(), startPostgres()])
})
afterAll(async () => {
  await Promise.all([nats.stop(), postgres.stop()])
})

const INNERS: readonly (readonly [name: string, inner: () => Adapter])[] = [
  ['memory', () => memory()],
  ['nats', () => jetstream({ servers: nats.url })],
]

/** Somebody changed the limit in the inner backend. */
async function limitTo(pair: Pair, maxMessageBytes: number): Promise<void> {
  await pair.inner.provision([{ ...innerDefinition(pair.stream.definition), maxMessageBytes }])
}

it.each(INNERS)(
  'what is too large for %s waits with its key, all others go on, and it arrives in order when it may',
  { timeout: 60_000 },
  async (_, inner) => {
    await using pair = await Pair.open(postgres.url, inner())
    await limitTo(pair, 4096)
    await pair.publish({}, { key: 'stuck', payload: LARGE }, { key: 'free' }, { payload: LARGE })
    await pair.relayed()
    for (const _ of range(1, 3)) await pair.publish({ key: 'stuck' }, { key: 'free' }, {})
    await pair.relayed()
    const there = async (): Promise<number[]> => (await pair.copies()).map(({ position }) => position)
    expect(await there()).toEqual([1, 3, 6, 7, 9, 10, 12, 13])
    expect(await pair.verify()).toMatchObject({ missing: 0, waiting: 5, isSame: true })
    expect((await findParked(pair.lab.database)).join()).toContain(`stream ${pair.name}: 5 messages are parked`)
    // Another process keeps the order, too.
    await using another = await pair.withRate(1000)
    await another.publish({ key: 'stuck' }, { key: 'free' })
    await another.relayed()
    expect((await there()).at(-1)).toBe(15)
    await pair.lab.forget(pair.name, 5)
    await limitTo(pair, 1024 * 1024)
    await until(async () => (await pair.lab.sql('select from %.parked')).length === 0, 'everything to be taken')
    const copies = await pair.copies()
    expect(copies.filter(({ key }) => key === 'stuck').map(({ position }) => position)).toEqual([2, 8, 11, 14])
    expect(copies.map(({ position }) => position)).toContain(4)
    expect(await pair.verify()).toMatchObject({ missing: 0, waiting: 0, isSame: true })
  },
)
