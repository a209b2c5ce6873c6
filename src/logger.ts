/**
 * Where busbar says what a person should know. Never a payload, a header value or a secret.
 */
import { redact } from './redact.js'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'
export type LogFields = Readonly<Record<string, unknown>>

export interface Logger {
  log(level: LogLevel, message: string, fields?: LogFields): void
}

export const silentLogger: Logger = { log: () => {} }

const ORDER: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']

/** One JSON object a line: `time`, `level`, `message`, then the fields. */
export function jsonLogger(
  write: (line: string) => void,
  lowest: LogLevel = 'info',
  now: () => number = Date.now,
): Logger {
  const from = ORDER.indexOf(lowest)
  return {
    log(level, message, fields) {
      if (ORDER.indexOf(level) < from) return
      const time = new Date(now()).toISOString()
      write(`${redact(toLine({ time, level, message }, fields))}\n`)
    },
  }
}

/** A field that cannot be written must not keep the rest of the line from being read. */
function toLine(head: LogFields, fields: LogFields | undefined): string {
  try {
    return JSON.stringify({ ...head, ...fields })
  } catch {
    return JSON.stringify({ ...head, fields: 'cannot be written as JSON' })
  }
}
