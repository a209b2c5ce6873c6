/** The continuous comparison: what it notices at little cost, what it does about it, and that it leaves nothing behind. */
import { cp, rm } from 'node:fs/promises'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Watch, type WatchParts } from '../../../../adapters/dual/verify/watch.js'
import { jetstream } from '../../../../adapters/jetstream/index.js'
import { memory } from '../../../../adapters/memory/index.js'
import type { Adapter } from '../../../../src/adapter.js'
import { resolveConsumer } from '../../../../src/topology.js'
import { range, until } from '../../../../testing/suite/expect.js'
import { Probe } from '../../../../testing/suite/port-side.js'
import { HandClock } from '../../../hand-clock.js'
import { startNats } from '../../../servers/nats-server.js'
import { type PostgresServer, startPostgres } from '../../../servers/postgres.js'
import { LogBook, Pair } from './fixture.js'

let postgres: PostgresServer

beforeAll(async () => {
  postgres = await startPostgres()
})
afterAll(async () => {
  await postgres.stop()
})

const open = (inner: Adapter = memory()): Promise<Pair> => Pair.open(postgres.url, inner)

function watchOf(pair: Pair, changes: Partial<WatchParts> = {}): Watch {
  const { streams } = pair.lab
  const idle = { compareEveryMs: 0, reattach: () => {} }
  return new Watch({ ...pair.parts, ...idle, streams, repair: 'auto', ...changes })
}

describe('watch', () => {
  it('mends a hole by itself, and says so in the log', async () => {
    await using pair = await open()
    await pair.fill(60)
    const logger = new LogBook()
    const watch = watchOf(pair, { logger })
    await watch.compare()
    expect(logger.lines).toEqual([])
    await pair.lose(20, 21)
    await watch.compare()
    expect(await pair.verify()).toMatchObject({ isSame: true, inner: 60 })
    expect(logger.lines.map(({ fields }) => fields)).toMatchObject([{ stream: pair.name, missing: 2 }])
    expect(watch.notes).toEqual([])
  })

  it('mends one loss after the other at once', async () => {
    await using pair = await open()
    await pair.fill(60)
    const watch = watchOf(pair)
    for (const position of [3, 30, 33]) {
      await pair.lose(position)
      await watch.compare()
      expect(await pair.verify()).toMatchObject({ isSame: true })
      await watch.compare()
    }
  })

  it('finds a hole that a second copy of another message hides from counting', async () => {
    await using pair = await open()
    await pair.fill(60)
    const watch = watchOf(pair)
    await watch.compare()
    await pair.lose(30)
    await pair.copyAgain(2)
    await watch.compare()
    expect(await pair.verify()).toMatchObject({ missing: 0, inner: 60 })
  })

  it('only tells what it found when it is not to repair, and stops telling when somebody repaired', async () => {
    await using pair = await open()
    await pair.fill(60)
    const watch = watchOf(pair, { repair: 'report' })
    await pair.lose(...range(1, 10))
    await watch.compare()
    expect(watch.notes).toHaveLength(1)
    for (const part of [pair.name, '10 messages', `busbar repair --stream ${pair.name}`])
      expect(watch.notes[0]).toContain(part)
    expect(await pair.verify()).toMatchObject({ missing: 10 })
    await pair.repair()
    await until(async () => {
      await watch.compare()
      return watch.notes.length === 0
    }, 'the note to go')
  })

  it('tells of foreign messages and leaves them where they are', async () => {
    await using pair = await open()
    await pair.fill(60)
    const watch = watchOf(pair)
    await pair.intrude()
    await watch.compare()
    expect(watch.notes[0]).toContain('--import')
    expect(await pair.verify()).toMatchObject({ foreign: 1 })
  })

  it('takes retention and removal for what they are', async () => {
    await using pair = await open()
    await pair.fill(60)
    const logger = new LogBook()
    const watch = watchOf(pair, { logger })
    await watch.compare()
    await pair.lab.forget(pair.name, 1, 2, 3, 30)
    await pair.lose(1, 2, 3, 30)
    await watch.compare()
    expect(logger.lines).toEqual([])
    expect(await pair.verify()).toMatchObject({ ledger: 56, inner: 56, isSame: true })
  })

  it('is a note, and no crash, when the inner backend fails', async () => {
    await using pair = await open()
    await pair.fill(3)
    const watch = watchOf(pair)
    const failing = watchOf(pair, {
      inner: new Proxy(pair.inner, {
        get: (target, property) =>
          property === 'inspect' ? () => Promise.reject(new Error('no answer')) : Reflect.get(target, property),
      }),
    })
    await failing.compare()
    expect(failing.notes).toHaveLength(1)
    await watch.compare()
    expect(watch.notes).toEqual([])
  })

  it('compares again and again until it is stopped, and leaves no timer', async () => {
    await using pair = await open()
    const clock = new HandClock()
    const watch = watchOf(pair, { clock, compareEveryMs: 1000 })
    let looks = 0
    const { inspect } = pair.inner
    pair.inner.inspect = () => {
      looks++
      return inspect.call(pair.inner)
    }
    watch.start()
    for (const seen of [0, 1, 2]) {
      expect(looks).toBeGreaterThanOrEqual(seen)
      await until(() => clock.timers > 0, 'the next timer')
      clock.advance(1000)
      await until(() => looks > seen, 'the next comparison')
    }
    await watch.stop()
    expect(clock.timers).toBe(0)
    await watch.compare()
    expect(clock.timers).toBe(0)
  })
})

describe('watch over consumers', () => {
  const consumer = (stream: string) => resolveConsumer({ name: 'worker', stream }, [`${stream}.>`])

  it('asks for a consumer that waits and that the inner backend does not know', async () => {
    await using pair = await open()
    await pair.fill(3)
    await pair.lab.consumer('worker', pair.name)
    const asked: string[] = []
    const watch = watchOf(pair, { reattach: (name) => void asked.push(name) })
    await watch.compare()
    expect(asked).toEqual([])
    await watch.compare()
    expect(asked).toEqual(['worker'])
  })

  it('leaves a consumer alone that has something to do, and one that has nothing', async () => {
    await using pair = await open()
    await pair.fill(3)
    const worker = await pair.lab.consumer('worker', pair.name)
    const asked: string[] = []
    const watch = watchOf(pair, { reattach: (name) => void asked.push(name) })
    const feed = await pair.inner.attach(consumer(pair.name), new Probe())
    for (const _ of range(1, 3)) await watch.compare()
    await feed.stop()
    await pair.lab.settle(worker, 1, 2, 3)
    for (const _ of range(1, 3)) await watch.compare()
    expect(asked).toEqual([])
  })

  it('asks for one that lost its place: nothing pending there, something unsettled here', async () => {
    await using pair = await open()
    await pair.fill(3)
    const worker = await pair.lab.consumer('worker', pair.name)
    await pair.lab.settle(worker, 1)
    const feed = await pair.inner.attach({ ...consumer(pair.name), from: 'new' }, new Probe())
    const asked: string[] = []
    const watch = watchOf(pair, { reattach: (name) => void asked.push(name) })
    await watch.compare()
    await watch.compare()
    expect(asked).toEqual(['worker'])
    await feed.stop()
  })
})

describe('watch over JetStream', () => {
  it('finds a stream that was deleted, made again and filled by others', async () => {
    const nats = await startNats()
    try {
      await using pair = await open(jetstream({ servers: nats.url }))
      await pair.fill(20)
      await watchOf(pair).compare()
      const raw = await connect({ servers: nats.url })
      await (await jetstreamManager(raw)).streams.delete(pair.name)
      await raw.close()
      await pair.makeInner()
      // They look like what was there, and there are as many of them.
      for (const position of range(1, 20))
        await pair.intrude({ headers: { 'Busbar-Ledger': `${position} 1700000000000` } })
      // Another process: it knows what was seen from the ledger.
      const watch = watchOf(pair)
      await watch.compare()
      expect(await pair.verify()).toMatchObject({ inner: 20, missing: 0, foreign: 20 })
      expect(watch.notes[0]).toContain('20 messages')
    } finally {
      await nats.stop()
    }
  })

  it('finds a store that was put back to an older copy', async () => {
    const nats = await startNats()
    const older = `${nats.storeDir}-older`
    try {
      await using pair = await open(jetstream({ servers: nats.url }))
      await pair.fill(20)
      await nats.restartGently()
      await nats.kill()
      await cp(nats.storeDir, older, { recursive: true })
      await nats.restart()
      await pair.fill(30)
      const watch = watchOf(pair)
      await until(async () => (await pair.inner.inspect()).connected, 'the link')
      await watch.compare()
      await nats.kill()
      await rm(nats.storeDir, { recursive: true })
      await cp(older, nats.storeDir, { recursive: true })
      await nats.restart()
      await until(async () => (await pair.inner.inspect()).connected, 'the link')
      expect(await pair.verify()).toMatchObject({ ledger: 50, missing: 30 })
      await watch.compare()
      expect(await pair.verify()).toMatchObject({ ledger: 50, inner: 50, isSame: true })
    } finally {
      await nats.stop()
    }
  })
})
