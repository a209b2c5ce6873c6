/** Removes messages from the ledger for good, and their copies from the inner backend, where they lie under other positions. */
import type { Adapter } from '../../../src/adapter.js'
import type { Database } from '../database/database.js'
import { ledgerError } from '../database/pg-failure.js'
import { forget, subjectsOf } from '../sql/forget.js'
import { stampOf } from '../stamp.js'
import type { LedgerStream } from '../streams.js'

/** A backend may ask its server for each. */
const AT_ONCE = 500

/** @returns how many were there */
export async function remove(
  database: Database,
  inner: Adapter,
  stream: LedgerStream,
  positions: readonly number[],
): Promise<number> {
  const { name } = stream.definition
  try {
    const rows = await database.query<{ subject: string }>('work', subjectsOf(database.schema, stream.id, positions))
    const gone = await database.query<{ gone: string }>('work', forget(database.schema, stream.id, positions))
    const subjects = rows.map(({ subject }) => subject)
    if (subjects.length > 0) await removeCopies(inner, name, subjects, new Set(positions))
    return Number(gone[0]?.gone ?? 0)
  } catch (thrown) {
    throw ledgerError(`remove from stream ${name}`, thrown)
  }
}

/** A copy that stays behind, because the backend cannot be reached, is passed over when it is delivered. */
async function removeCopies(
  inner: Adapter,
  stream: string,
  subjects: readonly string[],
  positions: ReadonlySet<number>,
): Promise<void> {
  const copies: number[] = []
  try {
    for await (const message of inner.read({ stream, filters: subjects, from: 'all' })) {
      const stamp = stampOf(message.headers)
      if (stamp !== undefined && positions.has(stamp.position)) copies.push(message.sequence)
    }
    for (let at = 0; at < copies.length; at += AT_ONCE) await inner.remove(stream, copies.slice(at, at + AT_ONCE))
  } catch {
    return
  }
}
