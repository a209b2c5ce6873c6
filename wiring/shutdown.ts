/**
 * Ends a process in order: the first SIGTERM or SIGINT starts the stop, a second one ends at once. Keeps the process alive until then.
 *
 *   running --- SIGTERM, SIGINT, failed work ---> stopping --- stop() settled ---> over
 *                                                    +--------- second signal ---> process.exit(128 + number of the signal)
 */
import { type Clock, systemClock } from '../src/clock.js'

export type EndSignal = 'SIGTERM' | 'SIGINT'

/** The part of `process` that is needed. */
export interface SignalSource {
  on(signal: EndSignal, listener: (signal: EndSignal) => void): unknown
  off(signal: EndSignal, listener: (signal: EndSignal) => void): unknown
  exit(code: number): void
}

export interface UntilSignalOptions {
  /** What the process is there for. When it fails, that starts the stop too, and its error is thrown in the end; its success means nothing. */
  readonly work?: Promise<unknown>
  /** Default: the system's. */
  readonly clock?: Clock
}

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const
// A launcher such as npm passes on a signal that the terminal has sent to the whole group already: that is one signal, not two.
const SAME_SIGNAL_MS = 400
const KEEP_ALIVE_MS = 60_000

/**
 * Waits for a signal, then for `stop`, and resolves with what it resolved with. Its listeners are gone afterwards.
 * @param stop is told the signal; nothing when the work failed
 */
export async function untilSignal<Report>(
  source: SignalSource,
  stop: (signal: EndSignal | undefined) => Promise<Report>,
  { work = Promise.resolve(), clock = systemClock }: UntilSignalOptions = {},
): Promise<Report> {
  const keepAlive = setInterval(() => {}, KEEP_ALIVE_MS)
  let firstAt: number | undefined
  let begin: (signal: EndSignal | undefined) => void = () => {}
  const begun = new Promise<EndSignal | undefined>((resolve) => {
    begin = resolve
  })
  const listener = (signal: EndSignal): void => {
    if (firstAt !== undefined && clock.monotonic() - firstAt > SAME_SIGNAL_MS) source.exit(EXIT_CODES[signal])
    firstAt ??= clock.monotonic()
    begin(signal)
  }
  source.on('SIGTERM', listener)
  source.on('SIGINT', listener)
  work.catch(() => begin(undefined))
  try {
    const signal = await begun
    const report = await stop(signal)
    if (signal === undefined) await work
    return report
  } finally {
    clearInterval(keepAlive)
    source.off('SIGTERM', listener)
    source.off('SIGINT', listener)
  }
}
