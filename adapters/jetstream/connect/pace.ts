/** When the client tries again after a lost connection: soon, then more slowly, never all clients at once, and for ever (JS-R1). */
import type { AdapterHost } from '../../../src/adapter.js'
import type { Credentials } from './credentials.js'

const FIRST_WAIT_MS = 200
const LONGEST_WAIT_MS = 2000
/** A secret that is being asked for may hold up an attempt that long. */
const LONGEST_HOLD_MS = 2000
const HOLD_STEP_MS = 50
const NOT_ASKED = -1

export class Pace {
  readonly #host: AdapterHost
  readonly #credentials: Credentials
  readonly #servers: number
  #attempts = 0
  #waitMs = FIRST_WAIT_MS
  /** The attempt that the secrets were asked for. The first connection asks by itself. */
  #askedFor = 0
  #holdsUntil = 0
  #calledAt = 0
  #dialledAt = 0
  #trouble = ''

  constructor(host: AdapterHost, credentials: Credentials, servers: number) {
    this.#host = host
    this.#credentials = credentials
    this.#servers = servers
  }

  /** Since the connection was lost. */
  get attempts(): number {
    return this.#attempts
  }

  /** Why the secrets could not be asked for; empty when they could. */
  get trouble(): string {
    return this.#trouble
  }

  /** The client has begun an attempt. */
  attempted(): void {
    this.#attempts++
    const longest = Math.min(
      LONGEST_WAIT_MS,
      FIRST_WAIT_MS * 2 ** Math.min(8, Math.floor(this.#attempts / this.#servers)),
    )
    this.#waitMs = longest * (0.5 + this.#host.random() / 2)
  }

  connected(): void {
    this.#attempts = 0
    this.#waitMs = FIRST_WAIT_MS
    this.#askedFor = NOT_ASKED
    this.#dialledAt = this.#calledAt
    this.#trouble = ''
  }

  /**
   * The client calls this before each attempt and lets the answer, in ms, pass since it last dialled the server. It does not wait for a
   * secret; but since the server in question was last dialled when this was last called, a longer answer makes it come back.
   */
  readonly delay = (): number => {
    const now = this.#host.clock.now()
    if (this.#askedFor !== this.#attempts) {
      this.#askedFor = this.#attempts
      this.#holdsUntil = now + LONGEST_HOLD_MS
      this.#ask()
    }
    this.#calledAt = now
    const holds = this.#credentials.isPending && now < this.#holdsUntil
    return holds ? now - this.#dialledAt + HOLD_STEP_MS : this.#waitMs
  }

  #ask(): void {
    this.#credentials.ask().then(
      () => {
        this.#trouble = ''
      },
      (thrown: unknown) => this.#report(this.#credentials.clean(thrown).message),
    )
  }

  #report(trouble: string): void {
    if (trouble !== this.#trouble) this.#host.logger.log('warn', trouble)
    this.#trouble = trouble
  }
}
