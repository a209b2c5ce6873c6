/** The streams that a ledger has, as somebody declared them: for tools that know no application. */
import type { StreamDefinition } from '../../src/topology.js'
import { Database } from './database/database.js'
import { migrate } from './database/migrate.js'
import { ledgerError } from './database/pg-failure.js'
import { type DualOptions, resolveDual } from './options.js'
import { definitions } from './sql/definitions.js'

/** What is unlimited is null. */
type DefinitionRow = Omit<StreamDefinition, 'maxAge' | 'dedupWindow' | 'maxBytes' | 'maxMessages'> & {
  readonly maxAgeMs: number | null
  readonly dedupWindowMs: number
  readonly maxBytes: number | null
  readonly maxMessages: number | null
}

/** By name. Throws `BUS_CONFIG`, also when the schema is not up to date; `BUS_AUTH`, `BUS_UNAVAILABLE`. */
export async function declaredStreams(options: DualOptions): Promise<StreamDefinition[]> {
  const database = new Database(resolveDual(options))
  try {
    await migrate(database, false)
    const rows = await database.query<{ definition: DefinitionRow }>('work', definitions(database.schema))
    return rows.map(({ definition }) => toDeclared(definition))
  } catch (thrown) {
    throw ledgerError('look up the streams', thrown)
  } finally {
    await database.close()
  }
}

function toDeclared({ maxAgeMs, dedupWindowMs, maxBytes, maxMessages, ...rest }: DefinitionRow): StreamDefinition {
  return {
    ...rest,
    dedupWindow: dedupWindowMs,
    ...(maxAgeMs === null ? {} : { maxAge: maxAgeMs }),
    ...(maxBytes === null ? {} : { maxBytes }),
    ...(maxMessages === null ? {} : { maxMessages }),
  }
}
