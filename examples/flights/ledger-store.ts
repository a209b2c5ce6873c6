/**
 * The airport statistics in a table beside the ledger, read and written in the transaction that settles the flight: whatever is killed, and
 * however often a handler starts, a flight is counted once. Knows nothing of flights and their figures.
 */
import type { MessageBus, Transaction } from '../../src/index.js' // busbar
import type { Flight } from './data.js'
import type { Store } from './downstream.js'
import type { AirportFigures } from './figures.js'

const TABLE = 'public.airports'

interface Row {
  readonly airport: string
  readonly figures: AirportFigures
}

export class LedgerStore implements Store {
  readonly #tx: Transaction
  readonly #outside: Store

  /** @param outside is told of each save before the commit, and may refuse it: then nothing of it may stay */
  constructor(tx: Transaction, outside: Store) {
    this.#tx = tx
    this.#outside = outside
  }

  async load(airport: string): Promise<AirportFigures | undefined> {
    const { rows } = await this.#tx.query<Row>(`select figures from ${TABLE} where airport = $1`, [airport])
    return rows[0]?.figures
  }

  async save(airport: string, row: AirportFigures, flight: Flight, line: number): Promise<void> {
    const upsert = `insert into ${TABLE} (airport, figures) values ($1, $2)
      on conflict (airport) do update set figures = excluded.figures`
    await this.#tx.query(upsert, [airport, JSON.stringify(row)])
    await this.#outside.save(airport, row, flight, line)
  }
}

export async function createAirports(bus: MessageBus): Promise<void> {
  await bus.transaction((tx) => tx.query(`create table ${TABLE} (airport text primary key, figures jsonb not null)`))
}

export async function readAirports(bus: MessageBus): Promise<ReadonlyMap<string, AirportFigures>> {
  const { rows } = await bus.transaction((tx) => tx.query<Row>(`select airport, figures from ${TABLE}`))
  return new Map(rows.map(({ airport, figures }) => [airport, figures]))
}
