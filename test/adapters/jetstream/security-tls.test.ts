/** Which certificates are trusted, on both sides, against real servers. */
import { readFileSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { JetStreamOptions, TlsSettings } from '../../../adapters/jetstream/connect/options.js'
import { type Certificates, makeCertificates } from '../../servers/tls.js'
import { Lab } from './fixtures/lab.js'

let certificates: Certificates
let lab: Lab

beforeEach(() => {
  lab = new Lab()
})

afterEach(() => lab.end())

beforeAll(async () => {
  certificates = await makeCertificates()
})

afterAll(() => certificates.remove())

const pem = (path: string): string => readFileSync(path, 'utf8')

describe('TLS', () => {
  it('connects by the name and by the address in the certificate, with tls:// or the option, by path and by text', async () => {
    const { server: certificate } = certificates
    const { port } = await lab.start({ tls: certificate })
    const ca = certificate.caFile
    const all: JetStreamOptions[] = [
      { servers: `tls://localhost:${port}`, tls: { ca } },
      { servers: `nats://127.0.0.1:${port}`, tls: { ca: pem(ca) } },
    ]
    for (const options of all) expect((await lab.open(options)).isConnected).toBe(true)
  })

  it('presents a client certificate, by path and by text (TLS-4)', async () => {
    const { server: certificate, client } = certificates
    const { url } = await lab.start({ tls: { ...certificate, verify: true } })
    const paths = { ca: certificate.caFile, cert: client.certFile, key: client.keyFile }
    const texts = { ca: pem(paths.ca), cert: pem(paths.cert), key: pem(paths.key) }
    for (const tls of [paths, texts]) expect((await lab.open({ servers: url, tls })).isConnected).toBe(true)
  })

  it('refuses a server whose certificate is of an unknown authority, expired, or for another name (TLS-1)', async () => {
    const { server: good, stranger, expired, wrongHost } = certificates
    const { url } = await lab.start({ tls: good })
    expect(await lab.refusal({ servers: url, tls: { ca: stranger.caFile } })).toMatchObject({
      code: 'BUS_AUTH',
      message: expect.stringMatching(/authority.*tls\.ca/),
    })
    for (const [certificate, why] of [
      [expired, /expired.*Renew/],
      [wrongHost, /another name/],
    ] as const) {
      const { port } = await lab.start({ tls: certificate })
      for (const host of ['localhost', '127.0.0.1']) {
        const refused = await lab.refusal({ servers: `tls://${host}:${port}`, tls: { ca: good.caFile } })
        expect(refused).toMatchObject({ code: 'BUS_AUTH', message: expect.stringMatching(why) })
      }
    }
  })

  it('says that the server asks for a client certificate, or that it does not accept ours', async () => {
    const { server: certificate, stranger } = certificates
    const { url } = await lab.start({ tls: { ...certificate, verify: true } })
    const ca = certificate.caFile
    expect(await lab.refusal({ servers: url, tls: { ca } })).toMatchObject({
      code: 'BUS_AUTH',
      message: expect.stringContaining('tls.cert and tls.key'),
    })
    const tls = { ca, cert: stranger.certFile, key: stranger.keyFile }
    expect(await lab.refusal({ servers: url, tls })).toMatchObject({
      code: 'BUS_AUTH',
      message: expect.stringContaining('does not accept our certificate'),
    })
  })

  it.each<[string, (certificates: Certificates) => TlsSettings]>([
    ['a missing file', () => ({ ca: '/nowhere/ca.pem' })],
    ['a text that is no PEM', () => ({ ca: '-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----' })],
    ['a key of another certificate', ({ client, server }) => ({ cert: client.certFile, key: server.keyFile })],
  ])('refuses %s with BUS_CONFIG before it connects', async (_, tls) => {
    expect((await lab.refusal({ servers: 'tls://127.0.0.1:1', tls: tls(certificates) })).code).toBe('BUS_CONFIG')
  })

  it('sends not one byte to a server that offers no TLS when TLS is required (TLS-2)', async () => {
    const received: Buffer[] = []
    const info = { server_id: 'X', version: '2.15.1', proto: 1, headers: true, max_payload: 1_000_000 }
    const port = await lab.listen((socket) => {
      socket.on('data', (bytes) => received.push(bytes))
      socket.write(`INFO ${JSON.stringify(info)} \r\n`)
    })
    for (const options of [{ servers: `tls://127.0.0.1:${port}` }, { servers: `127.0.0.1:${port}`, tls: true }]) {
      const refused = await lab.refusal({ ...options, user: 'me', password: 'secret-word' })
      expect(refused).toMatchObject({ code: 'BUS_CONFIG', message: expect.stringContaining('offers none') })
    }
    expect(Buffer.concat(received).toString()).toBe('')
    // The recorder does hear what is sent: without TLS the client introduces itself.
    await lab.refusal({ servers: `127.0.0.1:${port}`, user: 'me', password: 'secret-word', connectTimeout: '300ms' })
    expect(Buffer.concat(received).toString()).toContain('CONNECT')
  })
})
