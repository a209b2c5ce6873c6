/** Puts the parts of an open dual adapter together: who writes, who relays, who compares, and what they share. */
import { randomUUID } from 'node:crypto'
import type { PoolClient } from 'pg'
import type { AdapterHost, AdapterReport, Reading, ReadQuery } from '../../src/adapter.js'
import { BusError, describeThrown, isBusError } from '../../src/errors.js'
import type { Ledger } from '../../src/ledger.js'
import type { Outgoing } from '../../src/message.js'
import { Burials } from './consume/burial.js'
import { ledgerDeliveries } from './consume/ledger-delivery.js'
import { failedStatement, Settlements, settledStatement } from './consume/settlements.js'
import { LedgerWork } from './consume/work.js'
import type { Database } from './database/database.js'
import type { ResolvedDual } from './options.js'
import { toColumns } from './publish/columns.js'
import { DelayedMessages } from './publish/delayed.js'
import { type Draft, toDrafts } from './publish/drafts.js'
import type { GroupCommitParts } from './publish/group-commit.js'
import { Publisher } from './publish/publisher.js'
import { StreamCommits } from './publish/stream-commits.js'
import { Fresh } from './read/fresh.js'
import { history } from './read/history.js'
import { LedgerReading } from './read/read.js'
import { Relay } from './relay/relay.js'
import { Cleanup } from './report/cleanup.js'
import { inspectDual } from './report/report.js'
import { appendGroup } from './sql/append-group.js'
import { postpone } from './sql/postpone.js'
import type { LedgerStream, Streams } from './streams.js'
import { isAhead } from './verify/ahead.js'
import { rebuildLost } from './verify/rebuild.js'
import { type RepairParts, repairStream, verifyStream } from './verify/repair.js'
import { wakeConsumer } from './verify/wake.js'
import { Watch } from './verify/watch.js'

/** Of the locks that a statement waits for; a lock that is held longer is somebody's open transaction. */
const LOCK_MS = 2000
const REFILL_PAUSE_MS = 50

interface Setting {
  readonly options: ResolvedDual
  readonly database: Database
  readonly streams: Streams
  readonly host: AdapterHost
}

export class Rooms {
  readonly host: AdapterHost
  readonly publisher: Publisher
  readonly settlements: Settlements
  readonly failures: Settlements
  readonly ledger: Ledger
  readonly #setting: Setting
  readonly #relay: Relay
  readonly #fresh: Fresh
  readonly #delayed: DelayedMessages
  readonly #commits: readonly StreamCommits[]
  readonly #commit: Omit<GroupCommitParts, 'statement'>
  readonly #burials: Burials
  readonly #repairs: RepairParts
  readonly #watch: Watch
  readonly #cleanup: Cleanup
  readonly #closing = new AbortController()

  constructor(setting: Setting) {
    const { options, database, streams, host } = setting
    const { inner, leaseMs, keepIdsMs } = options
    const { clock, logger, random } = host
    const owner = randomUUID()
    // What does not outlive the process is filled as fast as it goes.
    const repairRate = inner.supports.survivesRestart ? options.repairRate : Number.POSITIVE_INFINITY
    this.host = host
    this.#setting = setting
    this.settlements = new Settlements(database, clock, settledStatement)
    this.failures = new Settlements(database, clock, failedStatement)
    this.#fresh = new Fresh(clock)
    const onRelayed = ({ id }: { readonly id: number }): void => this.#fresh.tell(id)
    const onLost = (stream: LedgerStream): Promise<void> => rebuildLost(this.#repairs, stream)
    this.#relay = new Relay({ database, inner, owner, streams, leaseMs, repairRate, onRelayed, onLost })
    this.#delayed = new DelayedMessages(database, () => this.#relay.nudge())
    this.#commit = {
      database,
      clock,
      onStored: (runs) => this.#relay.stored(runs),
      onDoubt: (doubtful) => {
        for (const { id } of doubtful) this.#relay.nudge(id)
      },
    }
    this.#burials = new Burials({ ...this.#commit, owner, lockMs: LOCK_MS })
    const now = this.#ledgerCommit(owner)
    const later = this.#delayedCommit()
    this.#commits = [now, later]
    this.publisher = new Publisher(streams, inner, now, later)
    const relay = this.#relay
    this.#repairs = { database, inner, clock, logger, random, relay, repairRate, closing: this.#closing.signal }
    this.#watch = new Watch({
      ...this.#repairs,
      streams,
      compareEveryMs: options.compareEveryMs,
      repair: options.repair,
      reattach: (consumer) => wakeConsumer(this.#repairs, streams, consumer),
    })
    this.#cleanup = new Cleanup({ database, clock, logger, keepIdsMs, leaseMs })
    this.ledger = this.#ledger()
  }

  async open(): Promise<void> {
    await this.#relay.open(this.host)
    this.#delayed.open(this.host)
    this.#watch.start()
    this.#cleanup.start()
  }

  /**
   * Provisions the inner backend. What it has lost of streams that were there before is on its way again by then, and arrived in one that
   * ends with its process.
   */
  async refill(known: readonly string[], provision: () => Promise<unknown>): Promise<void> {
    const { options, streams } = this.#setting
    const { survivesRestart } = options.inner.supports
    if (survivesRestart) for (const name of known) await rebuildLost(this.#repairs, streams.require(name))
    await provision()
    for (const stream of streams.all) await this.#compareEnd(stream)
    if (!survivesRestart) for (const stream of streams.all) await this.#refill(stream)
  }

  /** Before anything is published. What cannot be read now is compared by the watch. */
  async #compareEnd(stream: LedgerStream): Promise<void> {
    try {
      await isAhead(this.#repairs, stream)
    } catch (thrown) {
      const fields = { stream: stream.definition.name, error: describeThrown(thrown) }
      this.host.logger.log('debug', '[dual] a stream cannot be compared yet', fields)
    }
  }

  /** Another bus of this process may be at it. */
  async #refill(stream: LedgerStream): Promise<void> {
    try {
      await repairStream(this.#repairs, stream, {})
    } catch (thrown) {
      if (!isBusError(thrown, 'BUS_CONFLICT')) throw thrown
      await new Promise<void>((resolve) => void this.host.clock.timer(REFILL_PAUSE_MS, resolve))
      await this.#refill(stream)
    }
  }

  read(query: ReadQuery): Reading {
    const { database, streams, host } = this.#setting
    const { clock, logger } = host
    return new LedgerReading(
      { database, streams, news: this.#fresh, clock, logger, closing: this.#closing.signal },
      query,
    )
  }

  /** A consumer waits for what the inner backend should have brought. */
  suspect(stream: LedgerStream): void {
    this.#watch.suspect(stream)
  }

  inspect(foreign: number): Promise<AdapterReport> {
    const strangers = foreign === 0 ? [] : [`${foreign} deliveries were not from the ledger and are put aside`]
    const notes = (): readonly string[] => [...strangers, ...this.#relay.troubles(), ...this.#watch.notes]
    return inspectDual({ ...this.#setting, notes })
  }

  async close(withinMs: number): Promise<void> {
    this.#closing.abort()
    await Promise.all([this.#watch.stop(), this.#cleanup.stop(), this.#delayed.close()])
    await Promise.all(this.#commits.map((commit) => commit.close(withinMs)))
    await Promise.all([this.settlements.close(), this.failures.close()])
    await this.#relay.close()
  }

  #ledgerCommit(owner: string): StreamCommits {
    const { schema } = this.#setting.database
    return new StreamCommits({
      ...this.#commit,
      statement: (drafts, isRepeated) => appendGroup(schema, owner, toColumns(drafts), isRepeated, LOCK_MS),
    })
  }

  #delayedCommit(): StreamCommits {
    const { schema } = this.#setting.database
    return new StreamCommits({
      ...this.#commit,
      statement: (drafts) => {
        const delaysMs = drafts.map(({ message }) => Math.ceil(message.delayMs))
        return postpone(schema, toDrafts(drafts), delaysMs, LOCK_MS)
      },
      onStored: (_, drafts) => this.#delayed.expect(Math.min(...drafts.map(({ message }) => message.delayMs))),
    })
  }

  #ledger(): Ledger {
    const { database, streams, host } = this.#setting
    return {
      begin: (deliveries, client) =>
        new LedgerWork({
          database,
          clock: host.clock,
          deliveries: ledgerDeliveries(deliveries),
          client: client as PoolClient | undefined,
          draft: (message) => this.#draft(message),
          onCommitted: (published) => {
            for (const id of published) this.#relay.nudge(id)
          },
        }),
      bury: async (delivery, letter, timeoutMs) => {
        const [own] = ledgerDeliveries([delivery])
        if (own === undefined) throw new BusError('BUS_INVALID_OPTION', '[dual] the delivery is not of this backend')
        return this.#burials.bury(own, this.#draft(letter), timeoutMs)
      },
      verify: async (stream) => verifyStream(this.#repairs, streams.require(stream)),
      repair: async (stream, how) => repairStream(this.#repairs, streams.require(stream), how),
      history: (query) => history(database, query),
    }
  }

  #draft(message: Outgoing): Draft {
    const made = this.publisher.draft(message)
    if (made instanceof BusError) throw made
    return made
  }
}
