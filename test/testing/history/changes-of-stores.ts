/** Changes to what the stores hold, and to what publishers were told of it. */
import type { Change } from './changes.js'
import { acceptedIds, add, all, change, contentOf, found, middle, rejectedIds, stored, unstored } from './entries.js'

export const CHANGES: readonly Change[] = [
  {
    name: 'another content of an id is accepted',
    must: 'R4',
    finding: 'two contents',
    change: (entries) => {
      const refusal = found(all(entries, 'pub.fail').find(({ event }) => event.code === 'BUS_ID_CONFLICT'))
      return change(entries, refusal, { ev: 'pub.ok', duplicate: true })
    },
  },
  {
    name: 'a message is stored twice',
    must: 'R4',
    finding: 'stored twice',
    change: (entries) => {
      const id = middle(acceptedIds(entries))
      return stored(entries, ['ledger', 'stream'], id, contentOf(entries, id))
    },
  },
  {
    name: 'the stream has a message twice',
    must: 'R8',
    finding: 'sent twice',
    may: ['R4'],
    change: (entries) => {
      const id = middle(acceptedIds(entries))
      return stored(entries, ['stream'], id, contentOf(entries, id))
    },
  },
  {
    name: 'the stream lacks a message',
    must: 'R8',
    finding: 'not in the stream',
    change: (entries) => unstored(entries, 'stream', middle(acceptedIds(entries))),
  },
  {
    name: 'the ledger lacks a message',
    must: 'R8',
    finding: 'not in the ledger',
    change: (entries) => unstored(entries, 'ledger', middle(acceptedIds(entries))),
  },
  {
    name: 'the stream has another content',
    must: 'R8',
    finding: 'other content',
    may: ['R2'],
    change: (entries) =>
      change(entries, found(all(entries, 'state.message').findLast(({ event }) => event.store === 'stream')), {
        hash: 'x',
      }),
  },
  {
    name: 'a row is left that nobody will take',
    must: 'R8',
    finding: 'orphan',
    change: (entries) => {
      const last = found(all(entries, 'state.group')[0])
      return add(entries, { ...last, event: { ev: 'state.orphan', what: 'outbox row 7 has no ledger row' } })
    },
  },
  {
    name: 'the stores have a message that was rejected',
    must: 'R9',
    finding: 'stored',
    change: (entries) => {
      const id = found(rejectedIds(entries)[1])
      return stored(entries, ['ledger', 'stream'], id, contentOf(entries, id))
    },
  },
  {
    name: 'a replay has a message that was rejected',
    must: 'R9',
    finding: 'replayed',
    change: (entries) => {
      const replay = found(all(entries, 'state.replay')[0])
      return change(entries, replay, { ids: [...replay.event.ids, found(rejectedIds(entries)[0])] })
    },
  },
  {
    name: 'a time limit is reported as a rejection, and the message is there',
    must: 'R9',
    finding: 'stored',
    // It is delivered and replayed as well.
    may: ['R2'],
    change: (entries) => {
      const unknown = found(all(entries, 'pub.unknown').find(({ event }) => event.op === '5.0'))
      return change(entries, unknown, { ev: 'pub.fail' })
    },
  },
]
