/** Who may connect, and to which subjects, against real servers; and that no secret is ever shown. */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { JetStreamOptions } from '../../../adapters/jetstream/connect/options.js'
import { jetstream } from '../../../adapters/jetstream/index.js'
import { createBus } from '../../../src/bus.js'
import type { BusError } from '../../../src/errors.js'
import { until } from '../../../testing/suite/expect.js'
import { JwtAuth, makeNkey, type NatsAuth, nkeyAuth, passwordAuth, tokenAuth } from '../../servers/auth.js'
import { makeCertificates } from '../../servers/tls.js'
import { Lab } from './fixtures/lab.js'

const PASSWORD = 'p@ss:w/rd%"x'

let lab: Lab

beforeEach(() => {
  lab = new Lab()
})

afterEach(() => lab.end())

function file(name: string, text: string, mode = 0o600): string {
  const folder = mkdtempSync(join(tmpdir(), 'busbar-security-'))
  lab.atEnd(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, name)
  writeFileSync(path, text)
  chmodSync(path, mode)
  return path
}

const pem = (path: string): string => readFileSync(path, 'utf8')

describe('credentials', () => {
  const nkey = makeNkey()
  const operator = new JwtAuth()
  const creds = operator.makeCreds()
  const users = passwordAuth([{ user: 'me', password: PASSWORD }])

  const kinds: [string, NatsAuth, (as: 'text' | 'function' | 'async') => JetStreamOptions][] = [
    ['user and password', users, (as) => ({ user: secret('me', as), password: secret(PASSWORD, as) })],
    ['token', tokenAuth('tok-en-tok'), (as) => ({ token: secret('tok-en-tok', as) })],
    ['nkey', nkeyAuth([{ nkey: nkey.publicKey }]), (as) => ({ nkeySeed: secret(nkey.seed, as) })],
    ['JWT', operator, (as) => ({ credentials: secret(creds, as) })],
  ]

  function secret(value: string, as: 'text' | 'function' | 'async'): string | (() => string | Promise<string>) {
    if (as === 'text') return value
    return as === 'function' ? () => value : async () => value
  }

  it.each(kinds)('logs in by %s, given as text, as a function and as an async function', async (_, auth, options) => {
    const { url } = await lab.start({ auth })
    for (const as of ['text', 'function', 'async'] as const)
      expect((await lab.open({ servers: url, ...options(as) })).isConnected).toBe(true)
    expect((await lab.refusal({ servers: url })).code).toBe('BUS_AUTH')
  })

  it('logs in by a seed file, a credentials file, and by what stands in the URL', async () => {
    const byNkey = await lab.start({ auth: nkeyAuth([{ nkey: nkey.publicKey }]) })
    const nkeySeedFile = file('user.nk', `# of the tests\n${nkey.seed}\n`)
    expect((await lab.open({ servers: byNkey.url, nkeySeedFile })).isConnected).toBe(true)
    const byJwt = await lab.start({ auth: operator })
    expect((await lab.open({ servers: byJwt.url, credentialsFile: file('user.creds', creds) })).isConnected).toBe(true)
    const byPassword = await lab.start({ auth: users })
    const login = `me:${encodeURIComponent(PASSWORD)}`
    expect((await lab.open({ servers: `nats://${login}@127.0.0.1:${byPassword.port}` })).isConnected).toBe(true)
    const byToken = await lab.start({ auth: tokenAuth('tok-en-tok') })
    expect((await lab.open({ servers: `nats://tok-en-tok@127.0.0.1:${byToken.port}` })).isConnected).toBe(true)
  })

  it('warns once of a credentials file that others may read, and not of a private one (AUT-3)', async () => {
    const { url } = await lab.start({ auth: operator })
    const mine = file('private.creds', creds, 0o600)
    await lab.open({ servers: url, credentialsFile: mine })
    expect(lab.lines.filter((line) => line.includes(mine))).toEqual([])
    const exposed = file('exposed.creds', creds, 0o644)
    await lab.open({ servers: url, credentialsFile: exposed })
    expect(lab.lines.filter((line) => line.startsWith('warn') && line.includes(`chmod 600 ${exposed}`))).toHaveLength(1)
  })

  it('asks a function again for the next connection, also when its answer takes a while (AUT-1)', async () => {
    const server = await lab.start({ auth: users })
    let password = PASSWORD
    const asked = { once: 0, slowly: 0 }
    const quick = (): string => {
      asked.once++
      return password
    }
    const slow = async (): Promise<string> => {
      asked.slowly++
      // Longer than the client waits before it tries again.
      await new Promise((resolve) => setTimeout(resolve, 500))
      return password
    }
    const connections = [
      await lab.open({ servers: server.url, user: 'me', password: quick }),
      await lab.open({ servers: server.url, user: 'me', password: slow }),
    ]
    expect(asked).toMatchObject({ once: 1, slowly: 1 })
    password = 'another-word'
    await server.reload({ auth: passwordAuth([{ user: 'me', password }]) })
    await until(() => asked.once > 1 && asked.slowly > 1, 'both to be asked again')
    await until(() => connections.every((each) => each.isConnected), 'both to be connected again')
    // The server complains once of each when it ends the old connections. No attempt was refused: the new secret was there in time.
    expect(server.log.split('authentication error')).toHaveLength(1 + connections.length)
  })

  it('keeps trying when its user is refused, says why, and is back when the user is (JS-R1)', async () => {
    const server = await lab.start({ auth: users })
    const connection = await lab.open({ servers: server.url, user: 'me', password: PASSWORD })
    await server.reload({ auth: passwordAuth([{ user: 'somebody', password: 'else' }]) })
    await until(() => server.log.split('authentication error').length > 4, 'several refusals')
    expect(connection.isConnected).toBe(false)
    expect(connection.notes.join()).toMatch(/not connected since .*Authorization/)
    await server.reload({ auth: users })
    await until(() => connection.isConnected, 'the connection to be back')
    expect(connection.notes).toEqual([])
  })

  it('refuses a wrong password, a revoked user and a missing file with a remedy', async () => {
    const byPassword = await lab.start({ auth: users })
    const wrong = await lab.refusal({ servers: byPassword.url, user: 'me', password: 'wrong-password' })
    expect(wrong).toMatchObject({ code: 'BUS_AUTH', message: expect.stringContaining('Check them') })
    const account = new JwtAuth()
    const doomed = account.makeCreds()
    const byJwt = await lab.start({ auth: account })
    await lab.open({ servers: byJwt.url, credentials: doomed })
    account.revoke(doomed)
    await byJwt.reload({ auth: account })
    expect(await lab.refusal({ servers: byJwt.url, credentials: doomed })).toMatchObject({
      code: 'BUS_AUTH',
      message: expect.stringContaining('revoked'),
    })
    expect((await lab.refusal({ servers: byJwt.url, credentialsFile: '/nowhere/user.creds' })).code).toBe('BUS_CONFIG')
  })
})

describe('permissions', () => {
  it('tells which subject the server refuses (JSP-3)', async () => {
    const auth = passwordAuth([{ user: 'me', password: PASSWORD, publish: ['allowed.>'], subscribe: ['mine.>'] }])
    const { url } = await lab.start({ auth })
    const connection = await lab.open({ servers: url, user: 'me', password: PASSWORD, inboxPrefix: 'mine' })
    const denied: string[] = []
    connection.onDenied(() => {
      throw new Error('a listener that fails')
    })
    const stop = connection.onDenied((subject, operation, error) => {
      denied.push(`${operation} ${subject} ${(error as BusError).code}`)
    })
    connection.nats.publish('forbidden.1')
    connection.nats.subscribe('forbidden.2', { callback: () => {} })
    await until(() => denied.length === 2, 'two refusals')
    expect(denied.toSorted()).toEqual(['publish forbidden.1 BUS_AUTH', 'subscription forbidden.2 BUS_AUTH'])
    expect(lab.lines.filter((line) => line.startsWith('error') && line.includes('forbidden.1'))).toHaveLength(1)
    expect(connection.isConnected).toBe(true)
    stop()
    connection.nats.publish('forbidden.3')
    await connection.nats.flush()
    expect(denied).toHaveLength(2)
  })
})

describe('a bus', () => {
  it.each([
    ['to create streams', { publish: ['$JS.API.STREAM.INFO.>', '$JS.API.STREAM.NAMES'] }, '$JS.API.STREAM.CREATE.'],
    ['to ask JetStream at all', { publish: ['orders.>'] }, '$JS.API.'],
    ['to hear replies', { subscribe: ['orders.>'] }, '_INBOX.'],
  ])(
    'whose user lacks the permission %s does not start, and names the subject (JSP-3)',
    async (_, permissions, subject) => {
      const { url } = await lab.start({ auth: passwordAuth([{ user: 'me', password: PASSWORD, ...permissions }]) })
      const adapter = jetstream({ servers: url, user: 'me', password: PASSWORD })
      const bus = createBus({ adapter, streams: [{ name: 'orders', subjects: ['orders.>'] }] })
      const refused = await bus.connect().catch((thrown: BusError) => thrown)
      expect(refused).toMatchObject({ code: 'BUS_AUTH', message: expect.stringContaining(subject) })
    },
  )

  it('shows none of its secrets, however deep one looks', async () => {
    const certificates = await makeCertificates()
    lab.atEnd(() => certificates.remove())
    const { server: certificate, client } = certificates
    const auth = passwordAuth([{ user: 'me', password: PASSWORD }])
    const { url } = await lab.start({ tls: { ...certificate, verify: true }, auth })
    const tls = { ca: pem(certificate.caFile), cert: pem(client.certFile), key: pem(client.keyFile) }
    const adapter = jetstream({ servers: url, user: 'me', password: PASSWORD, tls })
    await using bus = createBus({ adapter, streams: [{ name: 'orders', subjects: ['orders.>'] }] })
    await bus.connect()
    const reports = [await bus.inspect(), await bus.health(), await bus.guarantees()]
    const depth = Number.POSITIVE_INFINITY
    const shown = [adapter, bus, ...reports].map(
      (each) => inspect(each, { depth, showHidden: true }) + JSON.stringify(each),
    )
    for (const secret of [PASSWORD, 'PRIVATE KEY']) expect(shown.join()).not.toContain(secret)
  })
})

describe('secrets', () => {
  const forms = [PASSWORD, encodeURIComponent(PASSWORD), Buffer.from(PASSWORD).toString('base64')]

  it('are in no error, log line or printed connection, in whatever form', async () => {
    const { url, port } = await lab.start({ auth: passwordAuth([{ user: 'me', password: 'another-word' }]) })
    const login = `me:${encodeURIComponent(PASSWORD)}`
    const shown = [
      await lab.refusal({ servers: url, user: 'me', password: PASSWORD }),
      await lab.refusal({ servers: `nats://${login}@127.0.0.1:${port}` }),
      await lab.refusal({ servers: `nats://${login}@127.0.0.1:1`, connectTimeout: '300ms' }),
      await lab.refusal({
        servers: url,
        user: 'me',
        password: () => Promise.reject(new Error(`vault: nats://${login}@x`)),
      }),
      await lab.refusal({ servers: url, nkeySeed: () => Promise.reject(new Error(`vault gave ${makeNkey().seed}`)) }),
    ].map((refused) => refused.shown)
    shown.push(
      ...lab.lines,
      ...lab.connections.map((each) => inspect(each, { depth: Number.POSITIVE_INFINITY, showHidden: true })),
    )
    for (const form of forms) expect(shown.join('\n')).not.toContain(form)
    expect(shown.join('\n')).not.toMatch(/SU[A-Z2-7]{56}/)
    expect(shown.join('\n')).toContain('[redacted]')
  })

  it('are not in what a failing function throws later, when it repeats what it gave before', async () => {
    const server = await lab.start({ auth: passwordAuth([{ user: 'me', password: PASSWORD }]) })
    let isBroken = false
    const password = (): string => {
      if (isBroken) throw new Error(`the vault has only ${PASSWORD}`)
      return PASSWORD
    }
    const connection = await lab.open({ servers: server.url, user: 'me', password })
    isBroken = true
    await server.kill()
    await until(() => connection.notes.join().includes('the vault has only'), 'a note')
    expect(connection.notes.join()).toContain('[redacted]')
    await server.restart()
    await until(() => connection.isConnected, 'the old password to be used again')
    for (const form of forms) expect(lab.lines.join('\n')).not.toContain(form)
  })
})
