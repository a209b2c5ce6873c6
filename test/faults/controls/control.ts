/**
 * Positive controls: small programs on the raw clients that do what many applications do, under the same faults, judged by the same checker.
 * A suite in which they lost nothing would prove nothing. Here is what they have in common: their histories and their results.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { JetStreamApiError, type JsMsg, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { check, HistoryFile, type Report, readHistory } from '../../../testing/history/index.js'
import { type Draft, draftOf, hashOf, headerHash, ID_HEADER } from '../client/content.js'
import { STREAM } from '../client/setting.js'

/** Everything is taken by one group, once, when all is over: what it is not given then is lost. */
const GROUP = 'reader'
/** The server's code for a stream that it does not know. */
const NO_STREAM = 10059
const BOUND_MS = 60_000
const TIMEOUT_MS = 5000

export interface ControlResult {
  /** As it stands in a table or a chart. */
  readonly setup: string
  /** What was done to it. */
  readonly under: string
  readonly accepted: number
  readonly lost: number
  /** Messages whose write was rejected or rolled back, and that are there. */
  readonly ghosts: number
  readonly versions: Readonly<Record<string, string>>
  readonly report: Report
}

/** The history of a control, with the events that every history has. */
export class Controlled {
  readonly folder: string
  readonly run: string
  readonly #history: HistoryFile
  #faults = 0

  static async begin(folder: string, run: string, versions: Readonly<Record<string, string>>): Promise<Controlled> {
    const place = join(folder, run)
    await mkdir(place, { recursive: true })
    const controlled = new Controlled(
      place,
      run,
      await HistoryFile.open(join(place, 'control.jsonl'), { run, proc: 'control' }),
    )
    const rules = { order: 'none', attempts: 1, backoff_ms: [], transactional: false, ack_wait_ms: 30_000 } as const
    const groups = [{ group: GROUP, ...rules }]
    controlled.#history.note({ ev: 'config', adapter: 'control', groups, dedup_window_ms: 0, versions })
    return controlled
  }

  private constructor(folder: string, run: string, history: HistoryFile) {
    this.folder = folder
    this.run = run
    this.#history = history
  }

  /** The file of what publishes in this process. */
  async writer(proc: string): Promise<HistoryFile> {
    return await openWriter(this.folder, this.run, proc)
  }

  async fault(kind: string, target: string, during: () => Promise<unknown>): Promise<void> {
    const id = `${++this.#faults}`
    this.#history.note({ ev: 'fault.begin', id, kind, target })
    await during()
    this.#history.note({ ev: 'fault.end', id })
  }

  /** Reads all that the stream has, and lets the checker judge. @param url of a nats-server that runs */
  async judge(url: string, { setup, under }: Pick<ControlResult, 'setup' | 'under'>): Promise<ControlResult> {
    this.#history.note({ ev: 'heal' })
    const messages = await messagesOf(url)
    for (const message of messages) this.#take(message)
    this.#history.note({ ev: 'state.store', store: 'stream', messages: messages.length })
    this.#history.note({ ev: 'quiesce', drained: true, bound_ms: BOUND_MS })
    await this.#history.close()
    const report = check(await readHistory(this.folder))
    const { versions, figures } = report
    const [lost, ghosts] = [countOf(report, 'R1'), countOf(report, 'R9')]
    return { setup, under, accepted: figures.accepted, lost, ghosts, versions, report }
  }

  #take({ subject, data, headers, seq }: JsMsg): void {
    const own = Object.fromEntries((headers?.keys() ?? []).map((name) => [name, headers?.get(name) ?? '']))
    const key = own['X-Key']
    const content = { topic: subject, ...(key && { key }), hash: hashOf(data), hdr_hash: headerHash(own) }
    const id = own[ID_HEADER] ?? ''
    const at = { group: GROUP, id, attempt: 1 }
    this.#history.note({ ev: 'h.start', ...at, seq, ...content })
    this.#history.note({ ev: 'h.effect', ...at })
    this.#history.note({ ev: 'h.settle', ...at, how: 'done' })
    this.#history.note({ ev: 'state.message', store: 'stream', seq, id, ...content })
  }
}

export async function openWriter(folder: string, run: string, proc: string): Promise<HistoryFile> {
  return await HistoryFile.open(join(folder, `${proc}.${process.pid}.jsonl`), { run, proc })
}

/** As an application's message, with nothing of busbar's: the key is a header like any other. */
export interface Raw extends Draft {
  readonly payload: Uint8Array
}

export function rawOf(id: string, random: () => number): Raw {
  const draft = draftOf(id, random)
  const headers = { ...draft.headers, ...(draft.key !== undefined && { 'X-Key': draft.key }) }
  const content = { ...draft.content, hdr_hash: headerHash(headers) }
  return { ...draft, headers, content, payload: Buffer.from(JSON.stringify(draft.data)) }
}

/** Of one publish. Whether what it throws means that nothing was written is for the control to know. */
export async function recordPublish(
  history: HistoryFile,
  op: string,
  { id, bytes, content }: Raw,
  write: (accept: () => void) => Promise<'accepted' | 'rejected' | 'unknown'>,
): Promise<void> {
  await history.invoke({ ev: 'pub.invoke', op, id, bytes, timeout_ms: TIMEOUT_MS, ...content })
  let isAccepted = false
  const accept = (): void => {
    isAccepted = true
    history.note({ ev: 'pub.ok', op })
  }
  const outcome = await write(accept)
  if (isAccepted) return
  if (outcome === 'accepted') accept()
  else history.note({ ev: outcome === 'rejected' ? 'pub.fail' : 'pub.unknown', op, code: 'CONTROL' })
}

async function messagesOf(url: string): Promise<JsMsg[]> {
  const client = await connect({ servers: url, timeout: 20_000 })
  try {
    const { state } = await (await jetstreamManager(client)).streams.info(STREAM)
    const messages: JsMsg[] = []
    if (state.messages === 0) return messages
    const consumer = await jetstream(client).consumers.get(STREAM)
    for await (const message of await consumer.consume({ max_messages: 2000 })) {
      messages.push(message)
      if (message.seq >= state.last_seq) break
    }
    return messages
  } catch (thrown) {
    // The whole stream is gone.
    if (thrown instanceof JetStreamApiError && thrown.code === NO_STREAM) return []
    throw thrown
  } finally {
    await client.close()
  }
}

function countOf({ rules }: Report, code: string): number {
  return rules.find(({ rule }) => rule === code)?.findings.reduce((sum, { count }) => sum + count, 0) ?? 0
}
