/** This process's side of the outbox: its lease, the ranges that it ended, the ranges that the dead left. */
import type { AdapterHost } from '../../../src/adapter.js'
import type { Timer } from '../../../src/clock.js'
import { describeThrown } from '../../../src/errors.js'
import type { Database } from '../database/database.js'
import { heartbeat, leave } from '../sql/heartbeat.js'
import { leftBehind, type OldestRange } from '../sql/left-behind.js'
import { relayed } from '../sql/relayed.js'

/** Owns ranges that belong to nobody: what the application's own transactions published, repairs, and what was left to the lead. */
export const NOBODY = '00000000-0000-0000-0000-000000000000'

/** Beats for each lease: two may be lost. */
const BEATS = 4
/** How often it looks for ranges that nobody owns; polling is the truth (PG-N4), and the table is all but empty. */
const PATROL_MS = 250
/** A range of our own that is the oldest of its stream for so many looks: its commit was not heard of, or the inner backend is slow. */
const PATIENT_LOOKS = 4

interface Ended {
  readonly stream: number
  readonly first: number
}

export class Outbox {
  readonly #database: Database
  readonly #owner: string
  readonly #leaseMs: number
  readonly #onLeft: (stream: number) => void
  #ended: Ended[] = []
  #isEnding = false
  #onIdle: (() => void)[] = []
  #host: AdapterHost | undefined
  #timer: Timer | undefined
  #beatAt = 0
  /** Our own ranges that are the oldest of their streams, and for how many looks. */
  #oldest = new Map<string, number>()
  #isClosed = false

  /** @param onLeft there may be ranges of a stream that nobody relays */
  constructor(database: Database, owner: string, leaseMs: number, onLeft: (stream: number) => void) {
    this.#database = database
    this.#owner = owner
    this.#leaseMs = leaseMs
    this.#onLeft = onLeft
  }

  async open(host: AdapterHost): Promise<void> {
    this.#host = host
    // Without a lease others may take what is ours, and nothing is lost; the next beat makes up for it.
    await this.#quietly(() => this.#beat())
    this.#arm()
  }

  /** The inner backend has this range. Deleted soon, together with others. */
  end(stream: number, first: number): void {
    this.#ended.push({ stream, first })
    if (!this.#isEnding) void this.#flush()
  }

  /** Resolves when what was ended is gone from the table. */
  settled(): Promise<void> {
    if (!this.#isEnding) return Promise.resolve()
    return new Promise((resolve) => void this.#onIdle.push(resolve))
  }

  /** What this process leaves is free for others at once. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    await this.settled()
    if (this.#host !== undefined)
      await this.#quietly(() => this.#database.query('work', leave(this.#database.schema, this.#owner)))
  }

  async #flush(): Promise<void> {
    this.#isEnding = true
    while (this.#ended.length > 0) {
      const ended = this.#ended
      this.#ended = []
      const streams = ended.map(({ stream }) => stream)
      const firsts = ended.map(({ first }) => first)
      const isDone = await this.#quietly(() =>
        this.#database.query('work', relayed(this.#database.schema, this.#owner, streams, firsts)),
      )
      // They are relayed once more, and recognised.
      if (!isDone) for (const stream of new Set(streams)) this.#onLeft(stream)
    }
    this.#isEnding = false
    for (const idle of this.#onIdle.splice(0)) idle()
  }

  #arm(): void {
    if (this.#isClosed) return
    this.#timer = this.#host?.clock.timer(PATROL_MS, () => void this.#patrol(), { ref: false })
  }

  async #patrol(): Promise<void> {
    await this.#quietly(async () => {
      if ((this.#host?.clock.monotonic() ?? 0) >= this.#beatAt) await this.#beat()
      const ranges = await this.#database.query<OldestRange>('work', leftBehind(this.#database.schema, this.#owner))
      for (const stream of this.#mayWait(ranges)) this.#onLeft(stream)
    })
    this.#arm()
  }

  /** Streams with something that may wait for ever. */
  #mayWait(ranges: readonly OldestRange[]): number[] {
    const before = this.#oldest
    this.#oldest = new Map()
    return ranges.flatMap(({ stream_id: stream, first, is_ours: isOurs }) => {
      if (!isOurs) return [stream]
      const looks = (before.get(`${stream} ${first}`) ?? 0) + 1
      this.#oldest.set(`${stream} ${first}`, looks)
      return looks >= PATIENT_LOOKS ? [stream] : []
    })
  }

  async #beat(): Promise<void> {
    this.#beatAt = (this.#host?.clock.monotonic() ?? 0) + this.#leaseMs / BEATS
    await this.#database.query('work', heartbeat(this.#database.schema, this.#owner, this.#leaseMs))
  }

  /** @returns whether it was done */
  async #quietly(work: () => Promise<unknown>): Promise<boolean> {
    try {
      await work()
      return true
    } catch (thrown) {
      this.#host?.logger.log('debug', '[dual] the outbox cannot be reached', { error: describeThrown(thrown) })
      return false
    }
  }
}
