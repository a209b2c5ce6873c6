/** Which declared stream a subject belongs to. */
import { invalid } from './duration.js'
import { BusError } from './errors.js'
import { match, overlap } from './subject.js'
import type { ResolvedStream } from './topology.js'

export class StreamMap {
  readonly #streams: readonly ResolvedStream[]

  constructor(streams: readonly ResolvedStream[]) {
    this.#streams = streams
  }

  find(subject: string): string | undefined {
    return this.#streams.find((stream) => stream.subjects.some((pattern) => match(pattern, subject)))?.name
  }

  /** Throws `BUS_NO_STREAM`. @param what names the use in the error text */
  require(subject: string, what: string): string {
    const stream = this.find(subject)
    if (stream !== undefined) return stream
    throw new BusError(
      'BUS_NO_STREAM',
      `[bus] ${what}: no declared stream takes ${subject}. Declare one in the bus's streams`,
    )
  }

  /** The one stream that all the patterns reach. Throws `BUS_NO_STREAM`, or `BUS_INVALID_OPTION` when they reach several. */
  requireUnder(patterns: readonly string[]): string {
    const reached = this.#streams.filter(({ subjects }) =>
      subjects.some((subject) => patterns.some((pattern) => overlap(subject, pattern))),
    )
    const [first, second] = reached
    const shown = patterns.join(', ')
    if (first === undefined)
      throw new BusError('BUS_NO_STREAM', `[bus] no declared stream takes ${shown}. Declare one in the bus's streams`)
    if (second === undefined) return first.name
    throw invalid('filter', shown, `a pattern within one stream; this one reaches ${first.name} and ${second.name}`)
  }
}
