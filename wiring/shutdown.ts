/**
 * Ends a process in order: the first SIGTERM or SIGINT starts the stop, a second one ends at once. Keeps the process alive until then.
 *
 *   running --- SIGTERM, SIGINT ---> stopping --- stop() resolved ---> over
 *                                        +------- second signal -----> process.exit(128 + number of the signal)
 */

export type EndSignal = 'SIGTERM' | 'SIGINT'

/** The part of `process` that is needed. */
export interface SignalSource {
  on(signal: EndSignal, listener: (signal: EndSignal) => void): unknown
  off(signal: EndSignal, listener: (signal: EndSignal) => void): unknown
  exit(code: number): void
}

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const
// A launcher such as npm passes on a signal that the terminal has sent to the whole group already: that is one signal, not two.
const SAME_SIGNAL_MS = 400
const KEEP_ALIVE_MS = 60_000

/** Waits for a signal, then for `stop`, and resolves with what it resolved with. Its listeners are gone afterwards. */
export async function untilSignal<Report>(
  source: SignalSource,
  stop: (signal: EndSignal) => Promise<Report>,
): Promise<Report> {
  const keepAlive = setInterval(() => {}, KEEP_ALIVE_MS)
  let firstAt: number | undefined
  let onFirst: (signal: EndSignal) => void = () => {}
  const first = new Promise<EndSignal>((resolve) => {
    onFirst = resolve
  })
  const listener = (signal: EndSignal): void => {
    if (firstAt !== undefined && performance.now() - firstAt > SAME_SIGNAL_MS) source.exit(EXIT_CODES[signal])
    firstAt ??= performance.now()
    onFirst(signal)
  }
  source.on('SIGTERM', listener)
  source.on('SIGINT', listener)
  try {
    return await stop(await first)
  } finally {
    clearInterval(keepAlive)
    source.off('SIGTERM', listener)
    source.off('SIGINT', listener)
  }
}
