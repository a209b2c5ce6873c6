/** A ledger with an inner backend behind it and a relay between them, for tests of what compares and mends. */
import { randomUUID } from 'node:crypto'
import { innerDefinition } from '../../../../adapters/dual/inner-definition.js'
import { Relay } from '../../../../adapters/dual/relay/relay.js'
import { STAMP_HEADER, stampOf } from '../../../../adapters/dual/stamp.js'
import type { LedgerStream } from '../../../../adapters/dual/streams.js'
import { type RepairParts, repairStream, verifyStream } from '../../../../adapters/dual/verify/repair.js'
import type { Adapter, AdapterHost } from '../../../../src/adapter.js'
import { systemClock } from '../../../../src/clock.js'
import type { RepairOptions, RepairReport, VerifyReport } from '../../../../src/ledger.js'
import { type LogFields, type Logger, silentLogger } from '../../../../src/logger.js'
import { NO_HEADERS, type Outgoing, type StoredMessage } from '../../../../src/message.js'
import type { StreamDefinition } from '../../../../src/topology.js'
import { nth, until } from '../../../../testing/suite/expect.js'
import { LedgerLab, type Note } from '../fixtures/ledger-lab.js'

/** What a consumer would see of a copy, and where it lies. */
export interface SeenCopy {
  readonly position: number
  readonly sequence: number
  readonly id: string
  readonly subject: string
  readonly key: string | undefined
  readonly text: string
  readonly isAgain: boolean
}

export interface PairOptions {
  readonly stream?: Omit<StreamDefinition, 'name' | 'subjects'>
  readonly logger?: Logger
  readonly random?: () => number
}

export class Pair implements AsyncDisposable {
  readonly lab: LedgerLab
  readonly inner: Adapter
  readonly name: string
  readonly parts: RepairParts
  readonly relay: Relay
  readonly #closing = new AbortController()
  #isGuest = false

  private constructor(
    lab: LedgerLab,
    inner: Adapter,
    name: string,
    host: AdapterHost,
    repairRate = lab.options.repairRate,
  ) {
    this.lab = lab
    this.inner = inner
    this.name = name
    const { database, streams } = lab
    const { clock, logger, random } = host
    const shared = { database, inner, repairRate }
    this.relay = new Relay({
      ...shared,
      owner: randomUUID(),
      streams,
      leaseMs: 8000,
      onRelayed: () => {},
      onLost: async () => {},
    })
    this.parts = { ...shared, clock, logger, random, relay: this.relay, closing: this.#closing.signal }
  }

  static async open(url: string, inner: Adapter, options: PairOptions = {}): Promise<Pair> {
    const name = `s${randomUUID().slice(0, 8)}`
    const host = {
      clock: systemClock,
      logger: options.logger ?? silentLogger,
      random: options.random ?? Math.random,
      strict: false,
    }
    await inner.open(host)
    const lab = await LedgerLab.open(url, [{ name, subjects: [`${name}.>`], ...options.stream }], {
      inner,
      schema: `lab_${name}`,
    })
    const pair = new Pair(lab, inner, name, host)
    await pair.makeInner()
    await pair.relay.open(host)
    return pair
  }

  get stream(): LedgerStream {
    return this.lab.streams.require(this.name)
  }

  async makeInner(): Promise<void> {
    await this.inner.provision([innerDefinition(this.stream.definition)])
  }

  /** Accepted, and on the way. */
  async publish(...notes: readonly Omit<Note, 'subject'>[]): Promise<void> {
    await this.lab.publish(...notes.map((note) => ({ subject: `${this.name}.a`, ...note })))
  }

  /** `count` messages, relayed; every third has no key, the others one of five. */
  async fill(count: number): Promise<void> {
    for (let at = 0; at < count; at += 500) {
      const length = Math.min(500, count - at)
      await this.publish(
        ...Array.from({ length }, (_, n) => ((at + n) % 3 === 0 ? {} : { key: `key-${(at + n) % 5}` })),
      )
    }
    await this.relayed()
  }

  async relayed(): Promise<void> {
    this.relay.nudge()
    await until(async () => (await this.lab.sql('select from %.outbox')).length === 0, 'the outbox to be empty')
  }

  verify(changes: Partial<RepairParts> = {}): Promise<VerifyReport> {
    return verifyStream({ ...this.parts, ...changes }, this.stream)
  }

  repair(options: RepairOptions = {}, changes: Partial<RepairParts> = {}): Promise<RepairReport> {
    return repairStream({ ...this.parts, ...changes }, this.stream, options)
  }

  /** The same, with a relay of its own, as another process would be. Ends with its relay only. */
  async withRate(repairRate: number): Promise<Pair> {
    const host = { clock: systemClock, logger: silentLogger, random: Math.random, strict: false }
    const pair = new Pair(this.lab, this.inner, this.name, host, repairRate)
    pair.#isGuest = true
    await pair.relay.open(host)
    return pair
  }

  /** What the inner stream holds, in its order. */
  async copies(): Promise<SeenCopy[]> {
    const { name, subjects } = this.stream.definition
    const copies: SeenCopy[] = []
    for await (const message of this.inner.read({ stream: name, filters: subjects, from: 'all' }))
      copies.push(toSeen(message))
    return copies
  }

  /** Takes copies out of the inner stream, as somebody else would. */
  async lose(...positions: readonly number[]): Promise<void> {
    const lost = (await this.copies()).filter(({ position }) => positions.includes(position))
    await this.inner.remove(
      this.name,
      lost.map(({ sequence }) => sequence),
    )
  }

  /** Publishes past the ledger. */
  async intrude(changes: Partial<Outgoing> = {}): Promise<void> {
    const id = changes.id ?? randomUUID()
    const base = { id, dedupId: randomUUID(), isFresh: false, subject: `${this.name}.b`, key: undefined }
    const message = { ...base, headers: NO_HEADERS, payload: Buffer.from('"stranger"'), delayMs: 0, ...changes }
    const [outcome] = await this.inner.publish([message], 5000)
    if (outcome?.status !== 'accepted') throw new Error('the inner backend refused it')
  }

  /** Once more the copy of a position, with another stamp or content where that is said. */
  async copyAgain(position: number, changes: Partial<Outgoing> = {}, stampPosition = position): Promise<void> {
    const copy = nth(
      (await this.copies()).filter((each) => each.position === position),
      0,
    )
    const { id, subject, key, text } = copy
    const headers = { [STAMP_HEADER]: `${stampPosition} ${Date.now()}` }
    await this.intrude({ id, subject, key, headers, payload: Buffer.from(text), ...changes })
  }

  /** Ids by position, as the ledger has them. */
  async ledgerIds(): Promise<string[]> {
    const rows = await this.lab.sql<{ id: string }>(
      'select id from %.ledger where stream_id = $1 order by position',
      this.stream.id,
    )
    return rows.map(({ id }) => id)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    await this.relay.close()
    if (this.#isGuest) return
    await this.inner.close()
    await this.lab[Symbol.asyncDispose]()
  }
}

function toSeen({ sequence, id, subject, key, headers, payload }: StoredMessage): SeenCopy {
  const stamp = stampOf(headers)
  const text = Buffer.from(payload).toString()
  return { position: stamp?.position ?? 0, sequence, id, subject, key, text, isAgain: stamp?.isAgain ?? false }
}

/** Keeps what was logged. */
export class LogBook implements Logger {
  readonly lines: { readonly message: string; readonly fields: LogFields | undefined }[] = []

  log(_level: string, message: string, fields?: LogFields): void {
    this.lines.push({ message, fields })
  }
}

/** Positions of each key, in the order of the copies. */
export function byKey(copies: readonly SeenCopy[]): Map<string, number[]> {
  const found = new Map<string, number[]>()
  for (const { key, position } of copies) if (key !== undefined) found.set(key, [...(found.get(key) ?? []), position])
  return found
}
