/** Servers with certificates and users let the right client in and no other, with the official client on the other side. */
import {
  AuthorizationError,
  type ConnectionOptions,
  connect,
  credsAuthenticator,
  type NatsConnection,
  nkeyAuthenticator,
  PermissionViolationError,
} from '@nats-io/transport-node'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { JwtAuth, makeNkey, nkeyAuth, passwordAuth, tokenAuth } from './auth.js'
import { type NatsOptions, type NatsServer, startNats } from './nats-server.js'
import { type Certificates, makeCertificates } from './tls.js'

let certificates: Certificates
let server: NatsServer | undefined

beforeAll(async () => {
  certificates = await makeCertificates()
})
afterEach(async () => {
  await server?.stop()
})
afterAll(async () => {
  await certificates.remove()
})

type Credentials = Pick<ConnectionOptions, 'user' | 'pass' | 'token' | 'authenticator' | 'tls'>

describe.each(['2.15', '2.10'] as const)('nats-server %s', (version) => {
  const start = async (options: NatsOptions): Promise<NatsServer> => {
    server = await startNats({ version, jetStream: false, ...options })
    return server
  }

  it('is trusted by who knows its CA, and by nobody else', async () => {
    const { url } = await start({ tls: certificates.server })
    expect(await refusal(url, { tls: trusting('server') })).toBeUndefined()
    expect(await refusal(url, { tls: trusting('stranger') })).toBe('UNABLE_TO_VERIFY_LEAF_SIGNATURE')
  })

  it('is not trusted with a certificate for another host, or one that has expired', async () => {
    const started = await start({ tls: certificates.wrongHost })
    expect(await refusal(started.url, { tls: trusting('server') })).toBe('ERR_TLS_CERT_ALTNAME_INVALID')
    await started.reload({ tls: certificates.expired })
    expect(await refusal(started.url, { tls: trusting('server') })).toBe('CERT_HAS_EXPIRED')
  })

  it('asks for a client certificate of its CA', async () => {
    const { url } = await start({ tls: { ...certificates.server, verify: true } })
    expect(await refusal(url, { tls: certificates.client })).toBeUndefined()
    expect(await refusal(url, { tls: trusting('server') })).toBeDefined()
    expect(await refusal(url, { tls: { ...certificates.stranger, ...trusting('server') } })).toBeDefined()
  })

  it('knows users by password, and forgets them', async () => {
    const started = await start({ auth: passwordAuth([{ user: 'ada', password: 'right' }]) })
    expect(await refusal(started.url, { user: 'ada', pass: 'wrong' })).toBe(AuthorizationError)
    expect(await refusal(started.url, {})).toBe(AuthorizationError)
    const ada = await open(started.url, { user: 'ada', pass: 'right' })
    await started.reload({ auth: passwordAuth([]) })
    await ada.closed()
    expect(await refusal(started.url, { user: 'ada', pass: 'right' })).toBe(AuthorizationError)
    expect(await refusal(started.url, { user: 'sys', pass: 'sys' })).toBeUndefined()
  })

  it('knows a token', async () => {
    const { url } = await start({ auth: tokenAuth('right') })
    expect(await refusal(url, { token: 'right' })).toBeUndefined()
    expect(await refusal(url, { token: 'wrong' })).toBe(AuthorizationError)
  })

  it('knows users by nkey', async () => {
    const [known, unknown] = [makeNkey(), makeNkey()]
    const { url } = await start({ auth: nkeyAuth([{ nkey: known.publicKey }]) })
    expect(await refusal(url, { authenticator: nkeyAuthenticator(bytes(known.seed)) })).toBeUndefined()
    expect(await refusal(url, { authenticator: nkeyAuthenticator(bytes(unknown.seed)) })).toBe(AuthorizationError)
  })

  it('knows users by JWT, and revokes them', async () => {
    const auth = new JwtAuth()
    const started = await start({ auth })
    const [one, other, foreign] = [auth.makeCreds(), auth.makeCreds(), new JwtAuth().makeCreds()].map(byCreds)
    const creds = auth.makeCreds()
    const user = await open(started.url, byCreds(creds))
    expect(await refusal(started.url, one)).toBeUndefined()
    expect(await refusal(started.url, foreign)).toBe(AuthorizationError)
    expect(await refusal(started.url, byCreds(auth.makeSystemCreds()))).toBeUndefined()
    auth.revoke(creds)
    await started.reload({ auth })
    await user.closed()
    expect(await refusal(started.url, byCreds(creds))).toBe(AuthorizationError)
    expect(await refusal(started.url, other)).toBeUndefined()
  })

  it('keeps users to their subjects, whatever they are known by', async () => {
    const allowed = { publish: ['mine.>'], subscribe: ['mine.>', '_INBOX.>'] }
    const [nkey, jwt] = [makeNkey(), new JwtAuth()]
    const byNkey = { authenticator: nkeyAuthenticator(bytes(nkey.seed)) }
    const byPassword = { user: 'ada', pass: 'right' }
    const cases: readonly (readonly [NatsOptions['auth'], Credentials])[] = [
      [passwordAuth([{ user: 'ada', password: 'right', ...allowed }]), byPassword],
      [nkeyAuth([{ nkey: nkey.publicKey, ...allowed }]), byNkey],
      [jwt, byCreds(jwt.makeCreds(allowed))],
    ]
    for (const [auth, credentials] of cases) {
      const started = await start({ ...(auth && { auth }) })
      const user = await open(started.url, credentials)
      expect(await violation(user, () => user.publish('mine.a'))).toBeUndefined()
      expect(await violation(user, () => user.publish('theirs.a'))).toBe('publish theirs.a')
      expect(await violation(user, () => user.subscribe('theirs.b'))).toBe('subscription theirs.b')
      await user.close()
      await started.stop()
    }
  })

  it('runs JetStream for the users of every variant', async () => {
    const { url } = await start({ jetStream: true, auth: passwordAuth([{ user: 'ada', password: 'right' }]) })
    const ada = await open(url, { user: 'ada', pass: 'right' })
    const report = await ada.request('$JS.API.INFO')
    expect(report.json()).toMatchObject({ streams: 0 })
    await ada.close()
  })
})

function trusting(whose: 'server' | 'stranger'): { caFile: string } {
  return { caFile: certificates[whose].caFile }
}

function byCreds(creds: string): Credentials {
  return { authenticator: credsAuthenticator(bytes(creds)) }
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

function open(url: string, credentials: Credentials): Promise<NatsConnection> {
  return connect({ servers: url, reconnect: false, ...credentials })
}

/** The code of the failure, or its class when it has none; undefined when the server lets the client in. */
async function refusal(url: string, credentials: Credentials = {}): Promise<unknown> {
  try {
    const connection = await open(url, credentials)
    await connection.close()
    return undefined
  } catch (error) {
    if (!(error instanceof Error)) throw error
    return (error as NodeJS.ErrnoException).code ?? error.constructor
  }
}

/** What the server objects to in the meantime, up to its answer to a ping. */
async function violation(connection: NatsConnection, work: () => void): Promise<string | undefined> {
  const seen: string[] = []
  const statuses = connection.status()
  const watching = (async () => {
    for await (const status of statuses) {
      const error = status.type === 'error' ? status.error : undefined
      if (error instanceof PermissionViolationError) seen.push(`${error.operation} ${error.subject}`)
    }
  })()
  work()
  await connection.flush()
  return await Promise.race([watching, connection.flush()]).then(() => seen[0])
}
