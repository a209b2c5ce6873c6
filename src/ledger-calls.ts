/** What applications ask of a backend with a ledger: transactions of their own, comparing and mending, questions about the past. */
import type { Adapter } from './adapter.js'
import { Contract, type ReceivedMessage } from './contract.js'
import { flagOf, invalid, oneOf, timeMs, wholeNumber } from './duration.js'
import { toBusError } from './errors.js'
import type { Ledger, LedgerQuery, RepairReport, VerifyReport } from './ledger.js'
import type { Logger } from './logger.js'
import { checkIdentifier } from './message.js'
import type { HistoryQuery, RepairQuery } from './message-bus.js'
import type { Publisher } from './publisher.js'
import { assertSupported } from './support.js'
import { checkName } from './topology.js'
import { beginWork, type Transaction } from './transaction.js'

const DEFAULT_LIMIT = 1000

export class LedgerCalls {
  readonly #adapter: Adapter
  readonly #publisher: Publisher
  readonly #logger: Logger

  constructor(adapter: Adapter, publisher: Publisher, logger: Logger) {
    this.#adapter = adapter
    this.#publisher = publisher
    this.#logger = logger
  }

  async transaction<Result>(body: (tx: Transaction) => Promise<Result>, client: unknown): Promise<Result> {
    const ledger = requireLedger(this.#adapter)
    if (typeof body !== 'function') throw invalid('transaction', body, 'a function of a transaction')
    if (client !== undefined && typeof (client as { readonly query?: unknown } | null)?.query !== 'function')
      throw invalid('client', client, 'a client of pg on which a transaction was begun')
    const { tx, work } = beginWork(ledger.begin([], client), (...message) => this.#publisher.prepare(...message))
    try {
      const result = await body(tx)
      if (work.isUsed) await work.commit()
      return result
    } catch (thrown) {
      await work.rollback()
      throw thrown
    }
  }

  async verify(query: { readonly stream: string }): Promise<VerifyReport> {
    return requireLedger(this.#adapter).verify(checkName('stream', query?.stream))
  }

  async repair(query: RepairQuery): Promise<RepairReport> {
    const ledger = requireLedger(this.#adapter)
    const stream = checkName('stream', query?.stream)
    const { dryRun = false, importForeign = false } = query
    const options = { dryRun: flagOf('dryRun', dryRun), importForeign: flagOf('importForeign', importForeign) }
    return ledger.repair(stream, options)
  }

  async *history(query: HistoryQuery): AsyncIterable<ReceivedMessage> {
    const ledger = requireLedger(this.#adapter)
    if (typeof query !== 'object' || query === null) throw invalid('query', query, '{ stream, key, id, … }')
    const contract = new Contract(query.filter, this.#logger)
    try {
      for await (const stored of ledger.history(resolveHistory(query, contract))) yield await contract.open(stored)
    } catch (thrown) {
      throw toBusError(thrown, 'BUS_UNAVAILABLE', `[${this.#adapter.name}] history`)
    }
  }
}

/** Throws `BUS_UNSUPPORTED`. */
export function requireLedger(adapter: Adapter): Ledger {
  assertSupported(adapter, 'transactions')
  if (adapter.ledger === undefined) throw invalid('adapter.ledger', undefined, 'there, since transactions are declared')
  return adapter.ledger
}

function resolveHistory(query: HistoryQuery, contract: Contract): LedgerQuery {
  return {
    filters: query.filter === undefined ? [] : contract.patterns,
    order: oneOf('order', query.order ?? 'oldest-first', ['oldest-first', 'newest-first']),
    limit: wholeNumber('limit', query.limit ?? DEFAULT_LIMIT, 1),
    ...(query.stream === undefined ? {} : { stream: checkName('stream', query.stream) }),
    ...(query.key === undefined ? {} : { key: checkIdentifier('key', query.key) }),
    ...(query.id === undefined ? {} : { id: checkIdentifier('id', query.id) }),
    ...(query.from === undefined ? {} : { fromMs: timeMs('from', query.from) }),
    ...(query.to === undefined ? {} : { toMs: timeMs('to', query.to) }),
  }
}
