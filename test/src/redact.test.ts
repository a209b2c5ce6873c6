/** Secrets leave text before a person sees it, by their shape and by their value. */
import { describe, expect, it } from 'vitest'
import { redact } from '../../src/redact.js'

const shapes: readonly (readonly [string, string, string])[] = [
  ['the password of a URL', 'connect nats://bus:hunter2@10.0.0.1:4222 failed', 'hunter2'],
  ['the password of a DSN', 'postgres://app:hun%40ter2@db/x?sslmode=disable', 'hun%40ter2'],
  ['a password with an at sign in it', 'nats://bus:hun@ter2@host', 'hun@ter2'],
  ['a private key', '-----BEGIN EC PRIVATE KEY-----\nMHcCAQ\n-----END EC PRIVATE KEY-----', 'MHcCAQ'],
  ['an nkey seed in its block', '-----BEGIN USER NKEY SEED-----\nabc\n-----END USER NKEY SEED-----', 'abc'],
  ['an nkey seed', `seed SU${'A'.repeat(56)} end`, `SU${'A'.repeat(56)}`],
  ['a JWT', 'jwt eyJhbGciOiJI.eyJzdWIiOiIx.sig-_x.', 'eyJzdWIiOiIx'],
  ['a password in JSON', '{"password":"hunter2","user":"a"}', 'hunter2'],
  ['a password in key=value form', 'host=db password=hunter2 user=a', 'hunter2'],
  ['an API key in a query', 'https://x/y?api_key=hunter2&z=1', 'hunter2'],
  ['a bearer token', 'Authorization: Bearer abcdefgh12345', 'abcdefgh12345'],
  ['basic credentials', 'authorization: basic aHVudGVyMjp4', 'aHVudGVyMjp4'],
]

describe('redact', () => {
  for (const [what, text, secret] of shapes) {
    it(`hides ${what}`, () => {
      expect(text).toContain(secret)
      const clean = redact(text)
      expect(clean).not.toContain(secret)
      expect(clean).toContain('[redacted]')
    })
  }

  it('hides every occurrence', () => {
    const clean = redact('nats://a:one@h nats://b:two@h password=three')
    for (const secret of ['one', 'two', 'three']) expect(clean).not.toContain(secret)
  })

  it('hides a known value plain, in a URL and in base64', () => {
    const secret = 'p@:/% w'
    const forms = [secret, encodeURIComponent(secret), Buffer.from(secret).toString('base64')]
    const clean = redact(`driver said ${forms.join(' and ')}.`, [secret, ''])
    for (const form of forms) expect(clean).not.toContain(form)
    expect(clean).toBe('driver said [redacted] and [redacted] and [redacted].')
  })

  it('keeps what a person needs to find the trouble', () => {
    for (const text of [
      'connect nats://10.0.0.1:4222 failed: ECONNREFUSED',
      'postgres://app@db:5432/orders',
      'consumer audit: 5 attempts, tokens of the subject: 3',
      '',
    ])
      expect(redact(text)).toBe(text)
    expect(redact('nats://hunter2@10.0.0.1:4222')).toBe('nats://[redacted]@10.0.0.1:4222')
    expect(redact('nats://bus:hunter2@10.0.0.1:4222')).toBe('nats://bus:[redacted]@10.0.0.1:4222')
  })

  it('takes a long text in little time', () => {
    const long = `nats://${'a:'.repeat(20_000)}`
    const started = performance.now()
    redact(long)
    redact('password'.repeat(10_000))
    redact('-----BEGIN KEY-----'.repeat(1000))
    expect(performance.now() - started).toBeLessThan(2000)
  })
})
