/**
 * The only reader of an environment, which it is handed as a record. Everything is checked at once, and everything that is wrong is said
 * at once. Secrets live in closures, so that no log, error or `inspect` can show them.
 */
import { inspect } from 'node:util'
import { z } from 'zod'
import { ADAPTERS, type AdapterName } from '../adapters/index.js'
import { MAX_TIMER_MS } from '../src/clock.js'
import { durationMs, MAX_AGE_MS } from '../src/duration.js'
import { BusError } from '../src/errors.js'
import { redact } from '../src/redact.js'

export type Environment = Readonly<Record<string, string | undefined>>

/** Everything that is wrong with an environment. */
export class ConfigError extends BusError {
  override readonly name = 'ConfigError'
  /** One line each: the variable, what it is, what is expected. */
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(
      'BUS_CONFIG',
      `[config] ${problems.length === 1 ? 'a problem' : `${problems.length} problems`}:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`,
    )
    this.problems = problems
  }
}

const DAY_MS = 86_400_000

/** A duration, given in ms. */
function duration(min = 0, max = MAX_TIMER_MS): z.ZodType<number, string> {
  return z.string().transform((text, context) => {
    try {
      return durationMs('', /^\d+$/.test(text) ? Number(text) : text, { min, max })
    } catch {
      const examples = "'250ms', '30s', '2m', '4h', '7d' or a number of ms"
      const days = Math.floor(max / DAY_MS)
      context.addIssue(`is not a duration such as ${examples}, from ${min} to ${max} ms (${days} days)`)
      return z.NEVER
    }
  })
}

function whole(min: number, max: number): z.ZodType<number, string> {
  return z
    .string()
    .regex(/^\d+$/, `is not a whole number from ${min} to ${max}`)
    .transform(Number)
    .refine((value) => value >= min && value <= max, `is not a whole number from ${min} to ${max}`)
}

const flag = z
  .enum(['true', 'false', '1', '0'], "is not 'true' or 'false'")
  .transform((text) => text === 'true' || text === '1')
const text = z.string()
const url = (...protocols: readonly string[]): z.ZodString =>
  text.refine(
    (value) => hasProtocol(value, protocols),
    `is not a URL with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`,
  )
const urls = (...protocols: readonly string[]): z.ZodType<readonly string[], string> =>
  text
    .transform((list) => list.split(',').map((each) => each.trim()))
    .refine(
      (list) => list.every((each) => hasProtocol(each, protocols) && new URL(each).hostname !== ''),
      `is not a comma-separated list of URLs with ${protocols.map((protocol) => `${protocol}//`).join(', ')} and a host`,
    )

function hasProtocol(value: string, protocols: readonly string[]): boolean {
  return URL.canParse(value) && protocols.includes(new URL(value).protocol)
}

const messageBus = z.enum(Object.keys(ADAPTERS) as AdapterName[], {
  error: () => `is not one of: ${Object.keys(ADAPTERS).join(', ')}`,
})

/** As `topology.ts` has it: a bad value is to be found before the first consumer starts. */
const MIN_ACK_WAIT_MS = 50

/** As `subject.ts` has it, without wildcards: what servers read as part of a subject and nothing else. */
const SUBJECT_TOKEN = /^(?!\$)[!-)+,\-/-=?-~]{1,256}$/

/** Every variable that busbar knows. `.env.example` explains each. */
const variables = {
  MESSAGE_BUS: messageBus,
  NATS_URL: urls('nats:', 'tls:').optional(),
  NATS_USER: text.optional(),
  NATS_PASSWORD: text.optional(),
  NATS_TOKEN: text.optional(),
  NATS_CREDS: text.optional(),
  NATS_NKEY_SEED_FILE: text.optional(),
  NATS_TLS_CA: text.optional(),
  NATS_TLS_CERT: text.optional(),
  NATS_TLS_KEY: text.optional(),
  NATS_ALLOW_INSECURE: flag.optional(),
  NATS_INBOX_PREFIX: text
    .refine(
      (value) => value.split('.').every((token) => SUBJECT_TOKEN.test(token)),
      'is not a subject without wildcards',
    )
    .optional(),
  NATS_SYNC_INTERVAL: z.union([z.literal('always'), duration()], "is not 'always' or a duration").optional(),
  NATS_MONITOR_URL: url('http:', 'https:').optional(),
  NATS_STREAM_NAME: text.regex(/^[A-Za-z0-9_-]{1,64}$/, 'is not 1 to 64 letters, digits, "-" or "_"').optional(),
  NATS_MAX_MSGS: whole(1, Number.MAX_SAFE_INTEGER).optional(),
  NATS_MAX_AGE: duration(1, MAX_AGE_MS).optional(),
  NATS_REPLICAS: whole(1, 5).optional(),
  DATABASE_URL: url('postgres:', 'postgresql:').optional(),
  BUSBAR_SCHEMA: text
    .regex(/^[a-z_][a-z0-9_]{0,47}$/, 'is not a lower-case SQL name of at most 48 characters')
    .optional(),
  BUSBAR_DUAL_INNER: z.enum(['nats', 'memory'], "is not 'nats' or 'memory'").optional(),
  BUSBAR_MIGRATE: z.enum(['auto', 'never'], "is not 'auto' or 'never'").optional(),
  BUSBAR_POOLER: flag.optional(),
  BUSBAR_CONCURRENCY: whole(1, 10_000).optional(),
  BUSBAR_ACK_WAIT: duration(MIN_ACK_WAIT_MS).optional(),
  BUSBAR_RETRY_ATTEMPTS: whole(1, 1000).optional(),
  BUSBAR_DEDUP_WINDOW: duration().optional(),
  BUSBAR_SHUTDOWN_WITHIN: duration().optional(),
  BUSBAR_STRICT: flag.optional(),
  BUSBAR_LOG: z
    .enum(['debug', 'info', 'warn', 'error', 'silent'], "is not 'debug', 'info', 'warn', 'error' or 'silent'")
    .optional(),
} as const

const NO_DATABASE = 'DATABASE_URL is not set; dual needs one, such as postgres://user@host:5432/database'

const schema = z.object(variables)
type Values = z.infer<typeof schema>

/** Names of all variables, in the order of `.env.example`. */
export const VARIABLE_NAMES: readonly string[] = Object.keys(variables)

/** Never shown, not even in part. Any other value is shown without what looks like a secret or is a copy of one of these. */
const SECRETS: ReadonlySet<string> = new Set(['NATS_PASSWORD', 'NATS_TOKEN', 'NATS_URL', 'DATABASE_URL'])
// To hide a shorter one wherever it occurs would make a text unreadable.
const SHORTEST_SECRET = 4
const HIDDEN = '[redacted]'
const SHOWN_CHARACTERS = 100
// Anything else is quoted, so that a space at the end is seen and a line break makes no line.
const PLAIN = /^[!-~]+$/
const DEFAULT_SHUTDOWN_MS = 20_000

/** Takes the secrets out of a text. */
type Hide = (text: string) => string

export class Config {
  readonly #values: Values
  readonly #hide: Hide

  constructor(values: Values, hide: Hide) {
    this.#values = values
    this.#hide = hide
  }

  get messageBus(): AdapterName {
    return this.#values.MESSAGE_BUS
  }

  get shutdownWithinMs(): number {
    return this.#values.BUSBAR_SHUTDOWN_WITHIN ?? DEFAULT_SHUTDOWN_MS
  }

  /** The parsed value of one variable, secrets included; undefined when it is not set. */
  get<Name extends keyof Values>(name: Name): Values[Name] {
    return this.#values[name]
  }

  /** The text without the secrets of this configuration, whatever form they are in: plain, URL-encoded, base64, escaped for JSON. */
  hide(text: string): string {
    return this.#hide(text)
  }

  /** What is set, with secrets hidden. */
  toJSON(): Record<string, unknown> {
    const shown = (name: string, value: unknown): unknown => {
      if (SECRETS.has(name)) return HIDDEN
      return typeof value === 'string' ? this.#hide(value) : value
    }
    return Object.fromEntries(Object.entries(this.#values).map(([name, value]) => [name, shown(name, value)]))
  }

  [inspect.custom](): string {
    return `Config ${inspect(this.toJSON())}`
  }
}

/** Reads an environment. An empty value counts as not set. Throws a `ConfigError` that lists every problem. */
export function parseConfig(env: Environment): Config {
  const set = new Map<string, string>()
  for (const [name, value] of Object.entries(env)) if (value !== undefined && value !== '') set.set(name, value)
  const secrets = secretsIn(set)
  const hide: Hide = (text) => redact(text, secrets)
  const result = schema.safeParse(Object.fromEntries(set))
  const problems = [
    ...(result.success ? [] : result.error.issues.map((issue) => describe(issue, set, hide))),
    ...(set.get('MESSAGE_BUS') === 'dual' && !set.has('DATABASE_URL') ? [NO_DATABASE] : []),
    ...unknownNames(set),
  ]
  if (problems.length > 0 || !result.success) throw new ConfigError(problems)
  return new Config(result.data, hide)
}

function describe(issue: z.core.$ZodIssue, set: ReadonlyMap<string, string>, hide: Hide): string {
  const name = String(issue.path[0])
  const value = set.get(name)
  if (value === undefined) return `${name} is not set; give one of: ${Object.keys(ADAPTERS).join(', ')}`
  // Hidden first and cut afterwards: half a secret would not be recognised.
  const shown = SECRETS.has(name) ? HIDDEN : hide(value).slice(0, SHOWN_CHARACTERS)
  return `${name}=${PLAIN.test(shown) ? shown : JSON.stringify(shown)} ${issue.message}`
}

/** The values of secret variables and the passwords inside their URLs, longest first, so that none hides half of another. */
function secretsIn(set: ReadonlyMap<string, string>): readonly string[] {
  const values = [...SECRETS].flatMap((name) => set.get(name) ?? [])
  const passwords = values.flatMap((value) => [value, ...value.split(',')]).flatMap(passwordsIn)
  const escaped = [...values, ...passwords].flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1)])
  return [...new Set(escaped)].filter(({ length }) => length >= SHORTEST_SECRET).sort((a, b) => b.length - a.length)
}

/** As written, and decoded. Broken URLs have passwords too, hence no parser. What stands alone is a token in NATS, a user in PostgreSQL. */
function passwordsIn(url: string): string[] {
  const [, scheme, colon, password] = /(\w+):\/\/(?:[^:@/]*(:))?(.*)@/.exec(url) ?? []
  if (password === undefined || (colon === undefined && scheme?.startsWith('postgres'))) return []
  try {
    return [password, decodeURIComponent(password)]
  } catch {
    return [password]
  }
}

/** A misspelt setting that is silently ignored is found at three in the morning. Only our own prefix can be checked. */
function unknownNames(set: ReadonlyMap<string, string>): string[] {
  const ours = [...set.keys()].filter((name) => name.startsWith('BUSBAR_') && !VARIABLE_NAMES.includes(name))
  return ours.map((name) => `${name} is not a setting; did you mean ${nearest(name)}?`)
}

function nearest(name: string): string {
  const known = VARIABLE_NAMES.filter((each) => each.startsWith('BUSBAR_'))
  return known.toSorted((a, b) => distance(name, a) - distance(name, b))[0] ?? 'MESSAGE_BUS'
}

/** Levenshtein distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (const [i, letter] of [...a].entries()) {
    const next = [i + 1]
    for (const [j, other] of [...b].entries()) {
      next.push(Math.min((next[j] ?? 0) + 1, (row[j + 1] ?? 0) + 1, (row[j] ?? 0) + (letter === other ? 0 : 1)))
    }
    row = next
  }
  return row[b.length] ?? 0
}
