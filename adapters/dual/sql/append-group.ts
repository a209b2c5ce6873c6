/** Appends a group commit of one stream to the ledger. Takes the lock of the stream until the commit. */
import type { Statement } from '../database/database.js'
import type { Columns } from '../publish/columns.js'

/** @param isRepeated looks up fresh ids too, because an attempt before this one may have been committed */
export function appendGroup(
  schema: string,
  owner: string,
  columns: Columns,
  isRepeated: boolean,
  lockMs: number,
): Statement {
  const { stream, isDeduped, isFresh, ids, dedupIds, subjects, keys, headers, hashes, lengths, bytes, payloads } =
    columns
  return {
    text: `select ${schema}.append_batch($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) as answer`,
    values: [
      ...[owner, stream, isDeduped, isRepeated || !isFresh],
      ...[ids, dedupIds, subjects, keys, headers, hashes, lengths, bytes, payloads],
      lockMs,
    ],
  }
}
