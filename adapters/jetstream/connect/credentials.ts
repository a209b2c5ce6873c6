/**
 * Who we are to the servers. Secrets live in closures and private fields only; functions and files are read again for every connect, so
 * that a secret can be rotated (AUT-1, AUT-2). Sending them is the client's work.
 */
import { readFileSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import {
  type Authenticator,
  credsAuthenticator,
  nkeyAuthenticator,
  tokenAuthenticator,
  usernamePasswordAuthenticator,
} from '@nats-io/transport-node'
import { BusError } from '../../../src/errors.js'
import { failure } from '../failure.js'
import { nativeCode, redacted, withoutSecrets } from './native-error.js'
import type { JetStreamOptions, Secret } from './options.js'
import type { UrlLogin } from './servers.js'

/** Rights of group and others, in a file mode. */
const NOT_OWNER = 0o077
const SEED = /\bSU[A-Z2-7]{56}\b/
/** Refused everywhere. To send nothing could make us the user that a server has for strangers. */
const NOBODY: Authenticator = () => ({ auth_token: 'no-credentials' })

const encoder = new TextEncoder()

/** Takes a secret out of a text; undefined when it is not there. */
type Pick = (text: string) => string | undefined

/** One secret: where it comes from, and what it was when it was last asked for. */
class Answer {
  readonly option: string
  readonly #ask: () => unknown
  readonly #pick: Pick
  #latest = ''
  #pending: Promise<void> | undefined

  constructor(option: string, ask: () => unknown, pick: Pick = asIs) {
    this.option = option
    this.#ask = ask
    this.#pick = pick
  }

  get latest(): string {
    return this.#latest
  }

  get isPending(): boolean {
    return this.#pending !== undefined
  }

  /**
   * Asks unless it is being asked. `latest` is new when it returns, or when the promise resolves. Throws or rejects with a `BusError`,
   * and leaves `latest` as it was.
   */
  ask(): Promise<void> | undefined {
    if (this.#pending !== undefined) return this.#pending
    const text = this.#text()
    if (!(text instanceof Promise)) return this.#take(text)
    this.#pending = text
      .then(
        (answer: unknown) => this.#take(answer),
        (thrown: unknown) => this.#fail(thrown),
      )
      .finally(() => {
        this.#pending = undefined
      })
    return this.#pending
  }

  #text(): unknown {
    try {
      return this.#ask()
    } catch (thrown) {
      return this.#fail(thrown)
    }
  }

  #take(text: unknown): undefined {
    const secret = typeof text === 'string' ? this.#pick(text) : undefined
    if (secret === undefined || secret === '')
      throw failure('connect', 'BUS_CONFIG', `${this.option} gave nothing that can be used. Check its content`)
    this.#latest = secret
  }

  #fail(thrown: unknown): never {
    if (thrown instanceof BusError) throw thrown
    const cause = withoutSecrets(thrown, [this.#latest])
    const remedy = 'Make the function return the secret'
    throw failure('connect', 'BUS_AUTH', `${this.option} could not be asked: ${cause.message}. ${remedy}`, cause)
  }
}

interface Kind {
  readonly answers: readonly Answer[]
  readonly authenticator: Authenticator
}

export class Credentials {
  readonly #kind: Kind | undefined
  readonly #files: readonly string[]

  /** Throws `BUS_CONFIG` when the options contradict each other. */
  constructor(options: JetStreamOptions, login: UrlLogin | undefined) {
    const kinds = kindsIn(options, login)
    if (kinds.length > 1)
      throw config(`${kinds.map(([names]) => names).join(' and ')} contradict each other. Give one kind of credentials`)
    this.#kind = kinds[0]?.[1]
    this.#files = [options.nkeySeedFile, options.credentialsFile].filter((file) => file !== undefined)
  }

  get isEmpty(): boolean {
    return this.#kind === undefined
  }

  /** Asks for every secret anew. Resolves when all are known; rejects with a `BusError`, keeping what was known before. */
  async ask(): Promise<void> {
    // Called one and all before anything is awaited: the client may connect in this turn.
    await Promise.all(this.#answers.map((answer) => answer.ask()))
  }

  /** Whether a function has not answered yet. */
  get isPending(): boolean {
    return this.#answers.some((answer) => answer.isPending)
  }

  /** Answers with what is known by now, because the client does not wait. Never throws: the client would close for good. */
  authenticator(): Authenticator | undefined {
    const kind = this.#kind
    if (kind === undefined) return undefined
    return (nonce) => {
      try {
        return kind.authenticator(nonce)
      } catch {
        return NOBODY(nonce)
      }
    }
  }

  /** Files that others than their owner may read (AUT-3). */
  async exposedFiles(): Promise<string[]> {
    if (process.platform === 'win32') return []
    const modes = await Promise.all(
      this.#files.map((file) =>
        stat(file).then(
          ({ mode }) => mode,
          () => 0,
        ),
      ),
    )
    return this.#files.filter((_, at) => ((modes[at] ?? 0) & NOT_OWNER) !== 0)
  }

  /** The text without the secrets, as written, URL-encoded or in base64 (RED-4, RED-5). */
  redact(text: string): string {
    return redacted(text, this.#known)
  }

  /** What was thrown, or a copy of it when it shows a secret anywhere. */
  clean(thrown: unknown): Error {
    return withoutSecrets(thrown, this.#known)
  }

  get #answers(): readonly Answer[] {
    return this.#kind?.answers ?? []
  }

  get #known(): readonly string[] {
    return this.#answers.filter(({ option }) => option !== 'user').map(({ latest }) => latest)
  }
}

/** Each kind of credentials that is given, with the names of its options. */
function kindsIn(options: JetStreamOptions, login: UrlLogin | undefined): (readonly [names: string, kind: Kind])[] {
  const { user, password, token, nkeySeed, nkeySeedFile, credentials, credentialsFile } = options
  const kinds: (readonly [string, Kind])[] = []
  if (login !== undefined)
    kinds.push(['credentials in servers', 'token' in login ? byToken(login.token) : byPassword(login)])
  if (user !== undefined || password !== undefined) {
    if (user === undefined || password === undefined)
      throw config(`${user === undefined ? 'password' : 'user'} is given alone. Give user and password`)
    kinds.push(['user and password', byPassword({ user, password })])
  }
  if (token !== undefined) kinds.push(['token', byToken(token)])
  if (nkeySeed !== undefined) kinds.push(['nkeySeed', byNkey(given('nkeySeed', nkeySeed, seedIn))])
  if (nkeySeedFile !== undefined) kinds.push(['nkeySeedFile', byNkey(inFile('nkeySeedFile', nkeySeedFile, seedIn))])
  if (credentials !== undefined) kinds.push(['credentials', byJwt(given('credentials', credentials, jwtIn))])
  if (credentialsFile !== undefined)
    kinds.push(['credentialsFile', byJwt(inFile('credentialsFile', credentialsFile, jwtIn))])
  return kinds
}

function byPassword(login: { readonly user: Secret; readonly password: Secret }): Kind {
  const [user, password] = [given('user', login.user), given('password', login.password)]
  return {
    answers: [user, password],
    authenticator: usernamePasswordAuthenticator(
      () => user.latest,
      () => password.latest,
    ),
  }
}

function byToken(secret: Secret): Kind {
  const token = given('token', secret)
  return { answers: [token], authenticator: tokenAuthenticator(() => token.latest) }
}

function byNkey(seed: Answer): Kind {
  return { answers: [seed], authenticator: nkeyAuthenticator(() => encoder.encode(seed.latest)) }
}

function byJwt(credentials: Answer): Kind {
  return { answers: [credentials], authenticator: credsAuthenticator(() => encoder.encode(credentials.latest)) }
}

function given(option: string, secret: Secret, pick: Pick = asIs): Answer {
  if (typeof secret === 'function') return new Answer(option, secret, pick)
  if (typeof secret !== 'string') throw config(`${option} is no text. Give a string, or a function that returns one`)
  if ((pick(secret) ?? '') === '') throw config(`${option} is empty or malformed. Check its content`)
  return new Answer(option, () => secret, pick)
}

function inFile(option: string, path: string, pick: Pick): Answer {
  if (typeof path !== 'string' || path === '') throw config(`${option} is no path. Give the path of a file`)
  const read = (): string => {
    try {
      return readFileSync(path, 'utf8')
    } catch (thrown) {
      const problem = `${option} cannot be read (${nativeCode(thrown)}). Check the path and who may read it`
      throw failure('connect', 'BUS_CONFIG', problem, thrown)
    }
  }
  return new Answer(option, read, pick)
}

function asIs(text: string): string {
  return text
}

function seedIn(text: string): string | undefined {
  const seed = SEED.exec(text)?.[0]
  return seed !== undefined && isUsable(nkeyAuthenticator(encoder.encode(seed))) ? seed : undefined
}

function jwtIn(text: string): string | undefined {
  return isUsable(credsAuthenticator(encoder.encode(text))) ? text : undefined
}

function isUsable(authenticator: Authenticator): boolean {
  try {
    return authenticator('nonce') !== undefined
  } catch {
    return false
  }
}

function config(problem: string): BusError {
  return new BusError('BUS_CONFIG', `[nats] ${problem}`)
}
