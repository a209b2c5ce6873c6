/** Reads what is stored: replay, the newest of a subject, one by position. Settles nothing and follows nothing. */
import type { Adapter, ReadQuery } from './adapter.js'
import { Contract, ReceivedMessage } from './contract.js'
import { checkSignal, invalid, timeMs, wholeNumber } from './duration.js'
import type { Logger } from './logger.js'
import type { Message } from './message.js'
import type { ReplayQuery } from './message-bus.js'
import { checkName, resolveStart } from './topology.js'

export class History {
  readonly #adapter: Adapter
  readonly #logger: Logger

  constructor(adapter: Adapter, logger: Logger) {
    this.#adapter = adapter
    this.#logger = logger
  }

  async *replay(query: ReplayQuery): AsyncIterable<ReceivedMessage> {
    if (typeof query !== 'object' || query === null) throw invalid('query', query, '{ stream, … }')
    const contract = new Contract(query.filter, this.#logger)
    const limit = query.limit === undefined ? Number.POSITIVE_INFINITY : wholeNumber('limit', query.limit, 1)
    let count = 0
    for await (const stored of this.#adapter.read(toRead(query, contract.patterns))) {
      yield await contract.open(stored)
      if (++count >= limit) return
    }
  }

  last(stream: string, subject: string): Promise<Message | undefined> {
    return this.#first({ stream, filters: [subject], from: 'last' })
  }

  get(stream: string, sequence: number): Promise<Message | undefined> {
    const at = wholeNumber('sequence', sequence, 1)
    return this.#first({ stream: checkName('stream', stream), filters: ['>'], from: { sequence: at }, toSequence: at })
  }

  async #first(query: ReadQuery): Promise<Message | undefined> {
    for await (const stored of this.#adapter.read(query)) return new ReceivedMessage(stored)
    return undefined
  }
}

function toRead(query: ReplayQuery, filters: readonly string[]): ReadQuery {
  const signal = checkSignal(query.signal)
  return {
    stream: checkName('stream', query.stream),
    filters,
    from: resolveStart('from', query.from ?? 'all'),
    ...toEnd(query.to),
    ...(signal === undefined ? {} : { signal }),
  }
}

function toEnd(to: ReplayQuery['to']): Pick<ReadQuery, 'toSequence' | 'toTimeMs'> {
  if (to === undefined) return {}
  if (typeof to === 'object' && to !== null && 'sequence' in to)
    return { toSequence: wholeNumber('to.sequence', to.sequence, 1) }
  if (typeof to === 'object' && to !== null && 'time' in to) return { toTimeMs: timeMs('to.time', to.time) }
  throw invalid('to', to, '{ sequence } or { time }')
}
