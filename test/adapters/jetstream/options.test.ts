/** What an application may say about its NATS servers, and what is refused before anything is sent. */
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { Connection } from '../../../adapters/jetstream/connect/connection.js'
import type { JetStreamOptions } from '../../../adapters/jetstream/connect/options.js'
import { parseServers } from '../../../adapters/jetstream/connect/servers.js'
import { codeOf } from '../../code-of.js'
import { makeNkey } from '../../servers/auth.js'

const { seed } = makeNkey()

describe('options of the nats adapter', () => {
  it.each([
    [''],
    [[]],
    ['nats://'],
    ['nats://a b:4222'],
    ['http://a:4222'],
    ['ws://a:4222'],
    ['nats://a:99999'],
    ['nats://a:0'],
    ['nats://a:4222/path'],
    ['nats://a:4222?x=1'],
    [['nats://a:4222', '']],
    ['nats://a:4222,,nats://b'],
    ['nats://u:%zz@127.0.0.1'],
    [42 as unknown as string],
    [[null] as unknown as string[]],
  ])('refuses servers %j', (servers) => {
    expect(codeOf(() => new Connection({ servers, allowInsecure: true }))).toBe('BUS_INVALID_OPTION')
  })

  it('takes servers as a list or separated by commas, with or without scheme and port', () => {
    expect(parseServers('nats://A.example:1, tls://b:2,c').addresses).toEqual(['a.example:1', 'b:2', 'c:4222'])
    expect(parseServers(['nats://[::1]:5', '127.0.0.1']).addresses).toEqual(['[::1]:5', '127.0.0.1:4222'])
    expect(parseServers('nats://a,tls://b').wantsTls).toBe(true)
  })

  it.each<[string, JetStreamOptions]>([
    ['user without password', { user: 'a' }],
    ['password without user', { password: 'a' }],
    ['token and user', { token: 't', user: 'a', password: 'b' }],
    ['token and URL', { token: 't', servers: 'nats://a:b@127.0.0.1' }],
    ['seed and its file', { nkeySeed: seed, nkeySeedFile: '/nowhere' }],
    ['seed and credentials', { nkeySeed: seed, credentialsFile: '/nowhere' }],
    ['URLs that differ', { servers: 'nats://a:b@127.0.0.1:1,nats://c:d@127.0.0.1:2' }],
    ['a malformed seed', { nkeySeed: 'SUXYZ' }],
    ['malformed credentials', { credentials: 'nothing' }],
    ['an empty token', { token: '' }],
    ['a token that is no text', { token: 5 as unknown as string }],
    ['certificate without key', { tls: { cert: '/a.pem' } }],
    ['key without certificate', { tls: { key: '/a.key' } }],
    ['tls:// and tls: false', { servers: 'tls://127.0.0.1', tls: false }],
  ])('refuses contradictory or broken credentials with BUS_CONFIG: %s', (_, options) => {
    expect(codeOf(() => new Connection(options))).toBe('BUS_CONFIG')
  })

  it.each<[string, JetStreamOptions]>([
    ['connectTimeout', { connectTimeout: 0 }],
    ['connectTimeout', { connectTimeout: 'soon' as '1s' }],
    ['inboxPrefix', { inboxPrefix: '_INBOX.*' }],
    ['inboxPrefix', { inboxPrefix: 'a b' }],
    ['syncInterval', { syncInterval: 'sometimes' as '1s' }],
    ['monitorUrl', { monitorUrl: 'localhost:8222' }],
    ['monitorUrl', { monitorUrl: 'http://user:pw@localhost:8222' }],
    ['tls', { tls: 'yes' as unknown as boolean }],
    ['tls.ca', { tls: { ca: '' } }],
  ])('refuses a bad %s', (name, options) => {
    expect(() => new Connection(options)).toThrow(expect.objectContaining({ code: 'BUS_INVALID_OPTION' }))
    expect(() => new Connection(options)).toThrow(new RegExp(name.replace('.', '\\.')))
  })

  it('refuses credentials in clear text to another host, unless told that nobody listens (TLS-3)', () => {
    const elsewhere = 'nats://user:secret-word@10.0.0.1'
    const kinds: JetStreamOptions[] = [
      { servers: elsewhere },
      { servers: 'nats://10.0.0.1', user: 'a', password: 'b' },
      { servers: ['nats://127.0.0.1', 'nats://nats.example'], token: 't' },
      { servers: 'nats://127.0.0.1.example', nkeySeed: seed },
    ]
    for (const options of kinds) {
      expect(codeOf(() => new Connection(options))).toBe('BUS_CONFIG')
      expect(codeOf(() => new Connection({ ...options, allowInsecure: true }))).toBeUndefined()
      expect(codeOf(() => new Connection({ ...options, tls: true }))).toBeUndefined()
    }
    for (const servers of ['nats://127.0.0.1', 'nats://localhost', 'nats://[::1]', 'tls://10.0.0.1'])
      expect(codeOf(() => new Connection({ servers, token: 't' }))).toBeUndefined()
    expect(codeOf(() => new Connection({ servers: 'nats://10.0.0.1' }))).toBeUndefined()
  })

  it('shows no secret in a refusal or in itself', () => {
    const broken: JetStreamOptions[] = [
      { servers: 'nats://me:secret-word@10.0.0.1' },
      { servers: 'http://me:secret-word@10.0.0.1' },
      { servers: 'nats://me:secret-word@a b' },
      { servers: 'nats://me:secret-word@a/path' },
      { token: 'secret-word', user: 'a', password: 'secret-word' },
      { nkeySeed: 'secret-word' },
      { credentials: 'secret-word' },
      { monitorUrl: 'http://me:secret-word@a' },
    ]
    for (const options of broken) expect(shownBy(() => new Connection(options))).not.toContain('secret-word')
    const whole = new Connection({ user: 'me', password: 'secret-word', tls: { cert: 'c', key: 'secret-word' } })
    expect(inspect(whole, { depth: Number.POSITIVE_INFINITY, showHidden: true })).not.toContain('secret-word')
    expect(JSON.stringify(whole)).not.toContain('secret-word')
  })
})

function shownBy(call: () => unknown): string {
  try {
    return inspect(call(), { depth: 20, showHidden: true })
  } catch (thrown) {
    return inspect(thrown, { depth: 20, showHidden: true })
  }
}
