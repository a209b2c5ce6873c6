/** A server that cannot write any more, and what its publishers are told. Titles begin with the fact's code. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PublishOutcome } from '../../../src/adapter.js'
import { range } from '../../../testing/suite/expect.js'
import { textOf } from '../../../testing/suite/port-side.js'
import { type NatsServer, startNats } from '../../servers/nats-server.js'
import { Port } from './port.js'

const ROOM_BYTES = 1024 * 1024
const PAD = '.'.repeat(100_000)
const FITTING = Math.floor(ROOM_BYTES / PAD.length)
const [TIMEOUT_MS, PATIENCE_MS] = [700, 10_000]

describe.each(['2.15', '2.10'] as const)('a full disk, server %s', (version) => {
  let server: NatsServer
  beforeAll(async () => {
    server = await startNats({ version, maxFileBytes: ROOM_BYTES })
  })
  afterAll(async () => {
    await server.stop()
  })

  it('JS-X1: JS-X2: what is accepted is kept, what is rejected is not there later, and what is unknown can be repeated after a restart', {
    timeout: 60_000,
  }, async () => {
    await using port = await Port.open(server)
    const outcomes = new Map<string, PublishOutcome['status']>()
    const publish = async (id: string): Promise<void> => {
      const began = performance.now()
      const [outcome] = await port.send([port.outgoing(`${id} ${PAD}`, { id })], TIMEOUT_MS)
      expect(performance.now() - began).toBeLessThan(TIMEOUT_MS + PATIENCE_MS)
      if (outcome === undefined) throw new Error('there is no outcome')
      outcomes.set(id, outcome.status)
      if (outcome.status === 'accepted') return
      expect(outcome.error.retryable).toBe(true)
      expect(['BUS_UNAVAILABLE', 'BUS_TIMEOUT']).toContain(outcome.error.code)
    }
    const idsThat = (status: PublishOutcome['status']): string[] =>
      [...outcomes].flatMap(([id, its]) => (its === status ? [id] : []))
    const stored = async (): Promise<string[]> => {
      const texts: string[] = []
      const all = { stream: port.stream, filters: [port.to('>')], from: 'all' } as const
      for await (const message of port.adapter.read(all)) texts.push(textOf(message).split(' ')[0] ?? '')
      return texts
    }

    for (const n of range(1, FITTING + 4)) await publish(`m${n}`)
    const accepted = idsThat('accepted')
    expect(accepted.length).toBeGreaterThan(0)
    expect(accepted.length).toBeLessThanOrEqual(FITTING)
    expect(server.log).toMatch(/failed to store a msg/)

    await server.restart({ maxFileBytes: Number.POSITIVE_INFINITY })
    const kept = await stored()
    expect(kept.filter((id) => outcomes.get(id) === 'accepted')).toEqual(accepted)
    expect(kept.filter((id) => outcomes.get(id) === 'rejected')).toEqual([])

    const failed = [...idsThat('unknown'), ...idsThat('rejected')]
    for (const id of failed) await publish(id)
    expect(failed.map((id) => outcomes.get(id))).toEqual(failed.map(() => 'accepted'))
    expect((await stored()).toSorted()).toEqual([...accepted, ...failed].toSorted())
  })
})
