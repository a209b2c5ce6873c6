/** What can happen to an inner stream, and what comparing and mending must make of it: the same for every inner backend. */
import { describe, expect, it } from 'vitest'
import { range, until } from '../../../../testing/suite/expect.js'
import { byKey, type Pair, type PairOptions } from './fixture.js'

export interface Backend {
  open(options?: PairOptions): Promise<Pair>
  /** The stream is deleted. */
  destroy(pair: Pair): Promise<void>
}

const COUNT = 60

/** The inner stream has what the ledger has, once, and each key in its order. */
async function expectSame(pair: Pair): Promise<void> {
  const copies = await pair.copies()
  const byPosition = copies.toSorted((a, b) => a.position - b.position)
  expect(byPosition.map(({ id }) => id)).toEqual(await pair.ledgerIds())
  for (const positions of byKey(copies).values()) expect(positions).toEqual(positions.toSorted((a, b) => a - b))
  expect(await pair.verify()).toMatchObject({ isSame: true, missing: 0, foreign: 0, repeated: 0 })
}

export function losses(backend: Backend): void {
  describe('lost messages', () => lostMessages(backend))
  describe('a stream that is not what it was', () => changedStream(backend))
  describe('foreign messages', () => foreignMessages(backend))
  describe('work of others meanwhile', () => othersMeanwhile(backend))
}

function lostMessages(backend: Backend): void {
  it('finds nothing where nothing is lost', async () => {
    await using pair = await backend.open()
    await pair.fill(COUNT)
    const { name: stream } = pair
    expect(await pair.verify()).toEqual({
      stream,
      ledger: COUNT,
      inner: COUNT,
      waiting: 0,
      missing: 0,
      missingSample: [],
      repeated: 0,
      foreign: 0,
      isSame: true,
    })
    expect(await pair.repair()).toMatchObject({ isSame: true, republished: 0, imported: 0 })
  })

  it.each([
    ['a lost tail', range(50, COUNT)],
    ['a hole in the middle', range(20, 30)],
    ['single holes', [7, 21, 22, 40]],
    ['the beginning', range(1, 12)],
    ['everything', range(1, COUNT)],
  ])('finds and mends %s', async (_what, positions) => {
    await using pair = await backend.open()
    await pair.fill(COUNT)
    await pair.lose(...positions)
    const found = await pair.verify()
    expect(found).toMatchObject({ ledger: COUNT, inner: COUNT - positions.length, missing: positions.length })
    expect(found.missingSample).toEqual(positions.slice(0, 20))
    const { republished } = await pair.repair()
    expect(republished).toBeGreaterThanOrEqual(positions.length)
    await expectSame(pair)
  })

  it('sends again no more than what is missing and what comes later of its keys', async () => {
    await using pair = await backend.open()
    await pair.publish({ key: 'a' }, { key: 'b' }, {}, { key: 'a' }, { key: 'b' }, {}, { key: 'a' })
    await pair.relayed()
    await pair.lose(4)
    expect(await pair.repair()).toMatchObject({ missing: 1, republished: 2 })
    expect((await pair.copies()).map(({ position }) => position)).toEqual([1, 2, 3, 5, 6, 4, 7])
    await expectSame(pair)
  })
}

function changedStream(backend: Backend): void {
  it('makes a deleted stream again, with everything in it', async () => {
    await using pair = await backend.open()
    await pair.fill(COUNT)
    await backend.destroy(pair)
    expect(await pair.verify()).toMatchObject({ ledger: COUNT, inner: 0, missing: COUNT, isSame: false })
    expect(await pair.repair()).toMatchObject({ republished: COUNT })
    expect((await pair.copies()).every(({ isAgain }) => isAgain)).toBe(true)
    await expectSame(pair)
  })

  it('makes a stream again that is deleted while what it lacked is on its way', async () => {
    await using pair = await backend.open()
    await pair.fill(COUNT)
    await pair.lose(3, 4)
    await pair.relay.close()
    const repairing = pair.repair()
    await until(async () => (await pair.lab.sql('select from %.outbox')).length > 0, 'messages on their way')
    await backend.destroy(pair)
    await using _another = await pair.withRate(20_000)
    await repairing
    await expectSame(pair)
  })

  it('finds and mends what an older copy of the stream lacks, and what it has too much', async () => {
    await using pair = await backend.open()
    await pair.fill(COUNT)
    // As a copy that was made before the last 20 were published, and before one was removed from the ledger.
    await pair.lose(...range(41, COUNT))
    await pair.lab.forget(pair.name, 10)
    expect(await pair.verify()).toMatchObject({ ledger: COUNT - 1, inner: 39, missing: 20, foreign: 0 })
    expect(await pair.repair()).toMatchObject({ missing: 20 })
    expect(await pair.verify()).toMatchObject({ ledger: COUNT - 1, inner: COUNT - 1, isSame: true })
  })

  it('changes nothing in a dry run', async () => {
    await using pair = await backend.open()
    await pair.fill(COUNT)
    await pair.lose(3, 4)
    const before = await pair.copies()
    expect(await pair.repair({ dryRun: true })).toMatchObject({ missing: 2, republished: 0, isSame: false })
    expect(await pair.copies()).toEqual(before)
    expect(await pair.lab.sql('select from %.outbox')).toEqual([])
  })

  it('counts copies that are there twice', async () => {
    await using pair = await backend.open()
    await pair.fill(5)
    await pair.copyAgain(2)
    expect(await pair.verify()).toMatchObject({ inner: 5, missing: 0, foreign: 0, repeated: 1, isSame: true })
  })
}

function foreignMessages(backend: Backend): void {
  it('are found: without a stamp, and of positions that the ledger never gave', async () => {
    await using pair = await backend.open()
    await pair.fill(5)
    await pair.intrude()
    await pair.copyAgain(3, { id: 'lost-by-the-ledger' }, 99)
    expect(await pair.verify()).toMatchObject({ inner: 5, missing: 0, foreign: 2, isSame: false })
    expect(await pair.repair()).toMatchObject({ republished: 0, imported: 0, foreign: 2 })
    expect(await pair.copies()).toHaveLength(7)
  })

  it('are a copy with other content too, and its row is missing then', async () => {
    await using pair = await backend.open()
    await pair.fill(5)
    const [, second] = await pair.copies()
    await pair.lose(2)
    await pair.intrude({
      id: second?.id ?? '',
      subject: second?.subject ?? '',
      key: second?.key,
      headers: { 'Busbar-Ledger': '2 1700000000000' },
      payload: Buffer.from('"other"'),
    })
    expect(await pair.verify()).toMatchObject({ inner: 4, missing: 1, missingSample: [2], foreign: 1 })
  })

  it('are taken into the ledger on request, in their order, behind what is there, with their ids', async () => {
    await using pair = await backend.open()
    await pair.fill(5)
    await pair.intrude({ id: 'one', key: 'k', payload: Buffer.from('1') })
    await pair.copyAgain(3, { id: 'two', payload: Buffer.from('2') }, 99)
    await pair.intrude({ id: 'three', key: 'k', payload: Buffer.from('3') })
    expect(await pair.repair({ importForeign: true })).toMatchObject({ foreign: 3, imported: 3 })
    await pair.relayed()
    await expectSame(pair)
    expect((await pair.ledgerIds()).slice(5)).toEqual(['one', 'two', 'three'])
    // No message ever gets the position that the lost one had.
    expect((await pair.copies()).map(({ position }) => position).slice(5)).toEqual([100, 101, 102])
  })

  it('that the ledger knows are removed when they are the same, and stay when they are not', async () => {
    await using pair = await backend.open()
    await pair.publish({ id: 'known', payload: Buffer.from('"x"') })
    await pair.relayed()
    await pair.intrude({ id: 'known', subject: `${pair.name}.a`, payload: Buffer.from('"x"') })
    await pair.intrude({ id: 'known', subject: `${pair.name}.a`, payload: Buffer.from('"y"') })
    expect(await pair.repair({ importForeign: true })).toMatchObject({ foreign: 2, imported: 0 })
    expect((await pair.copies()).map(({ text }) => text)).toEqual(['"x"', '"y"'])
    expect(await pair.verify()).toMatchObject({ foreign: 1, isSame: false })
  })
}

function othersMeanwhile(backend: Backend): void {
  it('takes what is on its way for what it is', async () => {
    await using pair = await backend.open()
    await pair.fill(10)
    await pair.relay.close()
    await pair.publish({}, {}, {})
    expect(await pair.verify()).toMatchObject({ ledger: 13, inner: 10, waiting: 3, missing: 0, isSame: true })
  })

  it('keeps the order of keys while others publish', async () => {
    await using pair = await backend.open()
    await pair.fill(COUNT)
    await pair.lose(...range(10, 20))
    let isMended = false
    const publishing = (async () => {
      for (let at = 0; at < 20 || !isMended; at++) {
        await pair.publish({ key: `key-${at % 5}` })
        pair.relay.nudge()
      }
    })()
    await pair.repair()
    isMended = true
    await publishing
    await pair.relayed()
    await expectSame(pair)
  })

  it('lets two repairs of one stream not run at a time', async () => {
    await using pair = await backend.open()
    await pair.fill(COUNT)
    await pair.lose(...range(1, COUNT))
    const ended = await Promise.allSettled([pair.repair(), pair.repair()])
    const [refused] = ended.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []))
    expect(refused).toMatchObject({ code: 'BUS_CONFLICT', retryable: true })
    await expectSame(pair)
  })
}
