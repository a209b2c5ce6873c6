/** What is known of server versions: features, the least we work with, and the versions with known vulnerabilities. */
import { describe, expect, it } from 'vitest'
import { assertServer, hasFeature, securityNote } from '../../../adapters/jetstream/connect/server-version.js'
import { codeOf } from '../../code-of.js'

describe('server versions', () => {
  it.each(['2.9.25', '2.8.0', '1.4.1', '2.10.0-RC.1'])('refuses %s, which is too old to work with', (version) => {
    expect(codeOf(() => assertServer(version))).toBe('BUS_UNSUPPORTED')
  })

  it.each(['2.10.0', '2.10.27', 'v2.11.0', '2.15.1', '3.0.0', '2.10.27-1+deb13u1', 'weird'])(
    'works with %s',
    (version) => {
      expect(codeOf(() => assertServer(version))).toBeUndefined()
    },
  )

  it('refuses a server that lacks a needed feature, and names the version that has it', () => {
    expect(() => assertServer('2.11.16', ['message TTL', 'schedules'])).toThrow(/no schedules.*2\.12\.0/)
    expect(codeOf(() => assertServer('2.12.0', ['schedules']))).toBeUndefined()
  })

  it.each([
    ['message TTL', '2.10.99', '2.11.0'],
    ['priority groups', '2.10.27', '2.11.0'],
    ['atomic batches', '2.12.0', '2.12.1'],
    ['schedules', '2.11.16', '2.12.0'],
    ['fast-ingest batches', '2.13.9', '2.14.0'],
    ['consumer reset', '2.14.5', '2.15.0'],
  ] as const)('knows that %s is not in %s and is in %s', (feature, before, since) => {
    expect([hasFeature(before, feature), hasFeature(since, feature)]).toEqual([false, true])
  })

  it('takes a pre-release for older than its release, and a version that cannot be read for one without features', () => {
    expect(hasFeature('2.12.0-RC.1', 'schedules')).toBe(false)
    expect(hasFeature('2.12.1-preview.1', 'schedules')).toBe(true)
    expect(hasFeature('weird', 'message TTL')).toBe(false)
  })

  it.each(['2.11.16', '2.11.20', '2.12.7', '2.14.0', '2.15.1', '2.16.0', '3.0.0'])('trusts %s', (version) => {
    expect(securityNote(version)).toBeUndefined()
  })

  it.each(['2.10.27', '2.11.15', '2.12.6', '2.13.9', '2.14.0-RC.2', '2.11.16-dev', 'weird', ''])(
    'warns of %s (JSP-4)',
    (version) => {
      expect(securityNote(version)).toEqual(expect.any(String))
    },
  )
})
