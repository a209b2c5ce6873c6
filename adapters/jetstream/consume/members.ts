/**
 * The processes that serve one divided consumer, as one of them sees it, and its fair share of the work. All who see the same members
 * come to shares that add up. Who sees others holds up nothing: whether a partition is served twice is not decided here (`lease.ts`).
 */
import type { Timer } from '../../../src/clock.js'
import type { Connection } from '../connect/connection.js'
import type { Announced, Presence } from './presence.js'

const BEAT_MS = 1000
/** Beats that a member may miss. Counted by our own, so that a process that was suspended does not give up all others. */
const MISSES = 3

export class Members {
  readonly #connection: Connection
  readonly #presence: Presence
  readonly #me: Announced
  readonly #onLook: () => void
  /** Beats of our own since each member was last heard. */
  readonly #missed = new Map<string, number>()
  #stopListening: () => void = () => {}
  #withdraw: () => Promise<void> = async () => {}
  #timer: Timer | undefined
  #hasLeft = false

  /** @param onLook called whenever the members may have changed, at least once a second */
  constructor(connection: Connection, presence: Presence, stream: string, consumer: string, onLook: () => void) {
    this.#connection = connection
    this.#presence = presence
    this.#me = presence.name(stream, consumer)
    this.#onLook = onLook
    this.#missed.set(this.#me.feed, 0)
  }

  /** Known to the others when it resolves, as they are here: those, too, that ended within the last seconds. */
  async join(): Promise<void> {
    const { stream, consumer } = this.#me
    this.#stopListening = this.#presence.listen(stream, consumer, (feed, isThere) => this.#hear(feed, isThere))
    this.#withdraw = await this.#presence.announce(this.#me, BEAT_MS)
    for (const feed of await this.#presence.feeds(stream, consumer).catch(() => [])) this.#missed.set(feed, 0)
    if (this.#hasLeft) await this.#withdraw()
    else this.#tick()
  }

  async leave(): Promise<void> {
    if (this.#hasLeft) return
    this.#hasLeft = true
    this.#timer?.cancel()
    this.#stopListening()
    await this.#withdraw()
  }

  /** Which of that many parts are ours when everybody takes as many as the others, or one more: from where on, and how many. */
  share(parts: number): { readonly from: number; readonly count: number } {
    const feeds = [...this.#missed.keys()].toSorted()
    const rank = feeds.indexOf(this.#me.feed)
    const [least, over] = [Math.floor(parts / feeds.length), parts % feeds.length]
    return { from: rank * least + Math.min(rank, over), count: least + (rank < over ? 1 : 0) }
  }

  #hear(feed: string, isThere: boolean): void {
    const isKnown = this.#missed.has(feed)
    if (isThere) this.#missed.set(feed, 0)
    else if (feed !== this.#me.feed) this.#missed.delete(feed)
    if (isKnown !== isThere) this.#onLook()
  }

  /** While the link is down nobody can be heard, and nobody is given up. */
  #tick(): void {
    if (this.#connection.isConnected) {
      for (const [feed, missed] of this.#missed) {
        if (feed === this.#me.feed) continue
        if (missed >= MISSES) this.#missed.delete(feed)
        else this.#missed.set(feed, missed + 1)
      }
      this.#onLook()
    }
    this.#timer = this.#connection.host.clock.timer(BEAT_MS, () => this.#tick(), { ref: false })
  }
}
