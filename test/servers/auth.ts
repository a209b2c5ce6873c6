/**
 * Ways to let clients in, each as server configuration and the credentials that go with it.
 * Change or revoke a user with `server.reload({ auth: … })`, which takes the configuration of a changed list of users.
 */
import { randomBytes } from 'node:crypto'
import { createAccount, createOperator, createUser, type KeyPair } from '@nats-io/nkeys'

/** Handed to `startNats` and to `reload`. */
export interface NatsAuth {
  readonly config: string
}

/** Subjects that a user may publish or subscribe to; without a list, all. */
export interface Permissions {
  readonly publish?: readonly string[]
  readonly subscribe?: readonly string[]
}

export interface PasswordUser extends Permissions {
  readonly user: string
  readonly password: string
}

/** Users of one account with JetStream; user `sys`, password `sys` of the system account is always there too. */
export function passwordAuth(users: readonly PasswordUser[]): NatsAuth {
  return accounts(
    users.map((user) => `user: ${quoted(user.user)}, password: ${quoted(user.password)}, ${permissionConfig(user)}`),
  )
}

export function tokenAuth(token: string): NatsAuth {
  return { config: `authorization { token: ${quoted(token)} }` }
}

export interface NkeyUser extends Permissions {
  /** The public key that the server knows. */
  readonly nkey: string
}

export interface Nkey {
  /** `SU…`, the secret of the client. */
  readonly seed: string
  /** `U…`. */
  readonly publicKey: string
}

export function makeNkey(): Nkey {
  const pair = createUser()
  return { seed: seedOf(pair), publicKey: pair.getPublicKey() }
}

/** As `passwordAuth`, with users known by their public keys. */
export function nkeyAuth(users: readonly NkeyUser[]): NatsAuth {
  return accounts(users.map((user) => `nkey: ${user.nkey}, ${permissionConfig(user)}`))
}

/** An operator, an account with JetStream and its users, as a hosted NATS has them; the server keeps the account in memory. */
export class JwtAuth implements NatsAuth {
  readonly #operator = createOperator()
  readonly #account = createAccount()
  readonly #system = createAccount()
  /** Public key of a user, and the second up to which its credentials are void. */
  readonly #revoked: Record<string, number> = {}

  /** Signed once: a server refuses to reload when its operator has changed. */
  readonly #operatorJwt = signed(this.#operator, this.#operator.getPublicKey(), 'operator', {
    system_account: this.#system.getPublicKey(),
  })

  get config(): string {
    const [account, system] = [this.#account, this.#system].map((pair) => pair.getPublicKey())
    const accountJwt = signed(this.#operator, account, 'account', { limits: LIMITS, revocations: this.#revoked })
    const systemJwt = signed(this.#operator, system, 'account', { limits: SYSTEM_LIMITS })
    return [
      `operator: ${this.#operatorJwt}`,
      `system_account: ${system}`,
      'resolver: MEMORY',
      `resolver_preload { ${account}: ${accountJwt}, ${system}: ${systemJwt} }`,
    ].join('\n')
  }

  /** A new user of the account. @returns the text of a `.creds` file */
  makeCreds(permissions: Permissions = {}): string {
    return this.#creds(this.#account, permissions)
  }

  /** A new user of the system account. */
  makeSystemCreds(): string {
    return this.#creds(this.#system, {})
  }

  /** Takes the account back from the user of these credentials, once the server has reloaded. */
  revoke(creds: string): void {
    const claims = creds.split('\n')[1]?.split('.')[1] ?? ''
    const { sub } = JSON.parse(Buffer.from(claims, 'base64url').toString('utf8')) as { sub: string }
    this.#revoked[sub] = secondsNow()
  }

  #creds(account: KeyPair, { publish, subscribe }: Permissions): string {
    const user = createUser()
    const jwt = signed(account, user.getPublicKey(), 'user', {
      pub: publish === undefined ? {} : { allow: publish },
      sub: subscribe === undefined ? {} : { allow: subscribe },
      ...UNLIMITED,
    })
    return [
      '-----BEGIN NATS USER JWT-----',
      jwt,
      '------END NATS USER JWT------',
      '-----BEGIN USER NKEY SEED-----',
      seedOf(user),
      '------END USER NKEY SEED------',
      '',
    ].join('\n')
  }
}

/** -1 is no limit; what is left out is zero, which is none at all. */
const UNLIMITED = { subs: -1, data: -1, payload: -1 }
const SYSTEM_LIMITS = { ...UNLIMITED, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 }
const LIMITS = { ...SYSTEM_LIMITS, mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 }

/** The JWT of NATS: Ed25519 by an nkey over the usual two parts. */
function signed(issuer: KeyPair, subject: string | undefined, type: string, claims: object): string {
  const header = part({ typ: 'JWT', alg: 'ed25519-nkey' })
  const body = part({
    jti: randomBytes(16).toString('hex'),
    iat: secondsNow(),
    iss: issuer.getPublicKey(),
    name: type,
    sub: subject,
    nats: { ...claims, type, version: 2 },
  })
  const signature = issuer.sign(Buffer.from(`${header}.${body}`))
  return `${header}.${body}.${Buffer.from(signature).toString('base64url')}`
}

function part(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

function secondsNow(): number {
  return Math.floor(Date.now() / 1_000)
}

function accounts(users: readonly string[]): NatsAuth {
  const config = `
accounts {
  SYS { users: [{ user: sys, password: sys }] }
  APP { jetstream: enabled, users: [${users.map((user) => `{ ${user} }`).join(', ')}] }
}
system_account: SYS`
  return { config }
}

function permissionConfig({ publish, subscribe }: Permissions): string {
  const lists = [
    publish === undefined ? '' : `publish: { allow: ${JSON.stringify(publish)} }`,
    subscribe === undefined ? '' : `subscribe: { allow: ${JSON.stringify(subscribe)} }`,
  ]
  return `permissions: { ${lists.filter((list) => list !== '').join(', ')} }`
}

function seedOf(pair: KeyPair): string {
  return new TextDecoder().decode(pair.getSeed())
}

function quoted(text: string): string {
  return JSON.stringify(text)
}
