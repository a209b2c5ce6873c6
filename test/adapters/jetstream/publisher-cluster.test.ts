/** Publishing to three nodes while the stream has no leader, or another one. Titles that begin with a code prove a fact of JetStream. */
import { RequestError } from '@nats-io/transport-node'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { nth, pass, range, until } from '../../../testing/suite/expect.js'
import { type NatsCluster, startNatsCluster } from '../../servers/nats-cluster.js'
import type { NatsServer } from '../../servers/nats-server.js'
import { committed, openDesk, sendAll, sequencesOf } from './batching.js'
import { endOf, Publishing } from './publishing.js'

describe('publishing to a cluster, server 2.15', () => {
  let cluster: NatsCluster
  beforeAll(async () => {
    cluster = await startNatsCluster({ version: '2.15' })
  }, 60_000)
  afterAll(async () => {
    await cluster.stop()
  })

  beforeEach(() => cluster.ready(), 30_000)

  /** A stream of one copy, and the node that has it; the publisher is connected to another node. */
  async function apart(): Promise<{ desk: Publishing; home: NatsServer }> {
    for (;;) {
      const [here] = cluster.nodes
      const desk = await Publishing.open(nth(cluster.nodes, 0))
      const home = await cluster.leaderOf(desk.stream)
      if (home !== here) return { desk, home }
      await desk[Symbol.asyncDispose]()
    }
  }

  /** It takes the others a moment to notice; until then a publish meets silence, and is in doubt. */
  async function untilNobodyTakes(desk: Publishing): Promise<void> {
    const nobody = (thrown: unknown): boolean => thrown instanceof RequestError && thrown.isNoResponders()
    await until(
      () => desk.raw.request(desk.to('x'), '', { timeout: 200 }).then(() => false, nobody),
      'the loss to be noticed',
    )
  }

  async function stepDown({ raw, stream }: Publishing): Promise<boolean> {
    const subject = `$JS.API.STREAM.LEADER.STEPDOWN.${stream}`
    const answer = await raw.request(subject, '', { timeout: 2000 }).catch(() => undefined)
    return answer !== undefined && !('error' in answer.json<object>())
  }

  it('JS-P3: a message for a stream without a leader waits for it, and is stored once', async () => {
    const { desk, home } = await apart()
    await using _ = desk
    await home.kill()
    await untilNobodyTakes(desk)
    const outcome = desk.one('a', {}, 30_000)
    await pass(500)
    await home.restart()
    expect(await outcome).toMatchObject({ status: 'accepted', sequence: 1, duplicate: false })
    expect(await desk.texts()).toEqual(['a'])
  }, 60_000)

  it('JS-P3: a message for a stream that gets no leader in time is refused, and never stored', async () => {
    const { desk, home } = await apart()
    await using _ = desk
    await home.kill()
    await untilNobodyTakes(desk)
    expect(endOf(await desk.one('a', {}, 500))).toBe('rejected BUS_UNAVAILABLE')
    await home.restart()
    await until(async () => endOf(await desk.one('b')) === 'accepted', 'the stream to be back')
    expect(await desk.texts()).not.toContain('a')
  }, 60_000)

  it('everything is accepted, and stored once, while the leadership moves', async () => {
    await using desk = await Publishing.open(nth(cluster.nodes, 0), { stream: { replicas: 3 } })
    const calls = range(1, 3000).map((n) => desk.one(String(n), {}, 20_000))
    for (const at of [200, 1000]) {
      await nth(calls, at)
      await until(() => stepDown(desk), 'the leader to step down')
    }
    const outcomes = await Promise.all(calls)
    expect(new Set(outcomes.map(endOf))).toEqual(new Set(['accepted']))
    expect(outcomes.some((outcome) => outcome.status === 'accepted' && outcome.duplicate)).toBe(false)
    await cluster.leaderOf(desk.stream)
    expect((await desk.jsm.streams.info(desk.stream)).state.messages).toBe(3000)
  }, 60_000)

  it('a stream of one copy is sent atomic batches, and one of three is not: its leader syncs for many at once', async () => {
    for (const replicas of [1, 3]) {
      await using desk = await openDesk(nth(cluster.nodes, 0), { stream: { replicas } })
      expect(sequencesOf(await sendAll(desk, 50))).toEqual(range(1, 50))
      expect(committed(desk)).toEqual(replicas === 1 ? [50] : [])
    }
  }, 60_000)
})
