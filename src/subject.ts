/**
 * The grammar of subjects and patterns, the encoder for untrusted parts, and the index from subjects to subscriptions.
 *
 *   subject = token *( "." token )            orders.42.placed
 *   pattern = subject with "*" for one token, and ">" last for one or more
 *   token   = printable ASCII without "." "*" ">" and not starting with "$"
 *
 * Everything else (spaces, dots, any alphabet, line breaks) goes through `encodeToken`, so no input can add a token, a
 * wildcard or a server subject (`security.md` SUB-1..6). ASCII only: a subject then has one spelling and one length.
 */
import { BusError } from './errors.js'
import { escapeUnits, unescapeUnits } from './escape.js'

const MAX_SUBJECT_LENGTH = 1024
const MAX_TOKEN_LENGTH = 256
const MAX_TOKENS = 32

const TOKEN = /^[!-)+,\-/-=?-~]+$/
// `$JS`, `$SYS`, `$KV` start with a dollar; inboxes are the one server namespace that does not.
const RESERVED_FIRST_TOKEN = '_INBOX'
/** Some 5 MB for subjects of ordinary length. A cache that is emptied again and again would be slower than none. */
const CHECKED_MAX = 50_000

const checkedSubjects = new Set<string>()

/** Throws `BUS_INVALID_SUBJECT` unless the value is a subject that a message can be published to. */
export function checkSubject(value: unknown): string {
  if (typeof value === 'string' && checkedSubjects.has(value)) return value
  const subject = check(value, false)
  if (checkedSubjects.size >= CHECKED_MAX) checkedSubjects.clear()
  checkedSubjects.add(subject)
  return subject
}

/** Throws `BUS_INVALID_SUBJECT` unless the value is a subject or a pattern. */
export function checkPattern(value: unknown): string {
  return check(value, true)
}

function check(value: unknown, wildcards: boolean): string {
  const what = wildcards ? 'pattern' : 'subject'
  if (typeof value !== 'string')
    throw invalid(`a ${what} must be a string, not ${value === null ? 'null' : typeof value}`)
  if (value.length === 0) throw invalid(`the ${what} is empty`)
  if (value.length > MAX_SUBJECT_LENGTH)
    throw invalid(`the ${what} has ${value.length} characters, more than ${MAX_SUBJECT_LENGTH}`)
  const tokens = value.split('.')
  if (tokens.length > MAX_TOKENS) throw invalid(`the ${what} has ${tokens.length} tokens, more than ${MAX_TOKENS}`)
  if (tokens[0] === RESERVED_FIRST_TOKEN)
    throw invalid(`${what} ${show(value)} starts with the reserved token ${RESERVED_FIRST_TOKEN}`)
  for (const [at, token] of tokens.entries()) {
    if (wildcards && (token === '*' || (token === '>' && at === tokens.length - 1))) continue
    checkToken(token, what, value)
  }
  return value
}

function checkToken(token: string, what: string, whole: string): void {
  if (token === '') throw invalid(`${what} ${show(whole)} has an empty token`)
  if (token.length > MAX_TOKEN_LENGTH)
    throw invalid(`${what} ${show(whole)} has a token over ${MAX_TOKEN_LENGTH} characters`)
  if (token.startsWith('$'))
    throw invalid(`${what} ${show(whole)} has a token that starts with "$", which servers reserve`)
  if (TOKEN.test(token)) return
  if (/[*>]/.test(token))
    throw invalid(
      `${what} ${show(whole)}: "*" and ">" are whole tokens of a pattern, ">" its last; a subject has neither`,
    )
  throw invalid(
    `${what} ${show(whole)} holds a character outside printable ASCII; pass untrusted parts through encodeToken()`,
  )
}

function invalid(problem: string): BusError {
  return new BusError('BUS_INVALID_SUBJECT', `[bus] ${problem}`)
}

function show(subject: string): string {
  return JSON.stringify(subject.length > 80 ? `${subject.slice(0, 80)}…` : subject)
}

/**
 * Writes any string as one legal token, reversibly: letters, digits, `-` and `_` stay; every other UTF-16 unit becomes `%XX` or
 * `%uXXXX`; the empty string becomes `%`. A long value can exceed the token limit, which `checkSubject` then reports.
 */
export function encodeToken(value: string): string {
  if (typeof value !== 'string') throw invalid(`encodeToken needs a string, not ${typeof value}`)
  if (value === '') return '%'
  return escapeUnits(value, /[^A-Za-z0-9_-]/g)
}

/** Reads a token written by `encodeToken`. A token it did not write comes back unchanged where it holds no escape. */
export function decodeToken(token: string): string {
  if (token === '%') return ''
  return unescapeUnits(token)
}

/** Builds a subject from trusted text and untrusted values: `` subject`orders.${id}.placed` `` encodes each value as one token. */
export function subject(text: TemplateStringsArray, ...values: readonly (string | number)[]): string {
  return checkSubject(String.raw({ raw: text }, ...values.map(encodeValue)))
}

function encodeValue(value: unknown): string {
  return encodeToken(typeof value === 'number' ? String(value) : (value as string))
}

/** Whether the pattern takes the subject. Both must be checked already. */
export function match(pattern: string, subject: string): boolean {
  if (pattern === subject || pattern === '>') return true
  if (!isPattern(pattern)) return false
  const wanted = pattern.split('.')
  const tokens = subject.split('.')
  for (const [at, token] of wanted.entries()) {
    if (token === '>') return tokens.length > at
    if (at >= tokens.length || (token !== '*' && token !== tokens[at])) return false
  }
  return wanted.length === tokens.length
}

/** `match` for a pattern that is asked often. The common ones, with `>` alone behind what is fixed, cost a comparison of that. */
export function matcherOf(pattern: string): (subject: string) => boolean {
  if (pattern === '>') return () => true
  if (!isPattern(pattern)) return (subject) => subject === pattern
  const fixed = pattern.slice(0, -1)
  const isTail = pattern.endsWith('.>') && !isPattern(pattern.slice(0, -2))
  return isTail ? (subject) => subject.startsWith(fixed) : (subject) => match(pattern, subject)
}

export function isPattern(subject: string): boolean {
  return (
    subject.endsWith('>') ||
    subject === '*' ||
    subject.startsWith('*.') ||
    subject.endsWith('.*') ||
    subject.includes('.*.')
  )
}

/** Whether some subject is taken by both patterns. */
export function overlap(a: string, b: string): boolean {
  const left = a.split('.')
  const right = b.split('.')
  const shared = Math.min(left.length, right.length)
  for (let at = 0; at < shared; at++) {
    const [l, r] = [left[at], right[at]]
    if (l === '>' || r === '>') return true
    if (l !== '*' && r !== '*' && l !== r) return false
  }
  return left.length === right.length
}
