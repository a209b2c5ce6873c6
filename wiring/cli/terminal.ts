/** How a command speaks: lines for people, or one JSON document on stdout. Errors go to stderr either way, secrets hidden. */
import { BusError, describeThrown, isBusError } from '../../src/errors.js'
import { redact } from '../../src/redact.js'
import { ConfigError } from '../config.js'

export const EXIT = { done: 0, failed: 1, usage: 2, config: 78 } as const

/** The exit code for what a command threw. */
export function exitOf(thrown: unknown): number {
  return isBusError(thrown, 'BUS_CONFIG') ? EXIT.config : EXIT.failed
}

export interface Terminal {
  /** For people only. */
  line(text: string): void
  /** For programs only: the one document. */
  document(value: unknown): void
  failure(thrown: unknown): void
}

export function terminal(json: boolean): Terminal {
  return {
    line: (text) => {
      if (!json) console.log(redact(text))
    },
    document: (value) => {
      if (json) console.log(redact(JSON.stringify(value)))
    },
    failure: (thrown) => {
      const message = redact(thrown instanceof BusError ? thrown.message : describeThrown(thrown))
      if (json)
        console.error(JSON.stringify({ error: { code: codeOf(thrown), message, problems: problemsOf(thrown) } }))
      else console.error(message)
    },
  }
}

function codeOf(thrown: unknown): string | undefined {
  return thrown instanceof BusError ? thrown.code : undefined
}

function problemsOf(thrown: unknown): readonly string[] | undefined {
  return thrown instanceof ConfigError ? thrown.problems : undefined
}
