/** What Node and the client threw, read and freed of secrets, before it leaves the connection (RED-1, RED-4, RED-5). */
import { inspect } from 'node:util'
import { describeThrown } from '../../../src/errors.js'
import { redact } from '../../../src/redact.js'

/** To hide a shorter one wherever it occurs would make a text unreadable. */
const SHORTEST_SECRET = 4

/** @param secrets known values; their URL-encoded and base64 forms are hidden too */
export function redacted(text: string, secrets: readonly string[]): string {
  return redact(
    text,
    secrets.filter(({ length }) => length >= SHORTEST_SECRET),
  )
}

/** The error itself when nothing in it shows a secret, however deep; else a copy of its name, text, code and stack. */
export function withoutSecrets(thrown: unknown, secrets: readonly string[]): Error {
  const clean = (text: string): string => redacted(text, secrets)
  const shown = inspect(thrown, { depth: 10, showHidden: true })
  if (thrown instanceof Error && clean(shown) === shown) return thrown
  const copy = new Error(clean(thrown instanceof Error ? thrown.message : describeThrown(thrown)))
  if (thrown instanceof Error) {
    copy.name = clean(thrown.name)
    copy.stack = clean(thrown.stack ?? '')
  }
  return copy
}

/** Node's word for what went wrong, of the error or of what caused it: `ECONNREFUSED`, `CERT_HAS_EXPIRED`. Undefined without one. */
export function nativeCode(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error)) return undefined
  const code: unknown = Reflect.get(thrown, 'code')
  return typeof code === 'string' ? code : nativeCode(thrown.cause)
}
