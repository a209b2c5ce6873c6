/** What an environment may say, what is refused, and that no secret is ever shown. */
import { readFileSync } from 'node:fs'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { ConfigError, type Environment, parseConfig, VARIABLE_NAMES } from '../../wiring/config.js'

function problemsOf(env: Environment): readonly string[] {
  try {
    parseConfig(env)
  } catch (thrown) {
    if (thrown instanceof ConfigError) return thrown.problems
    throw thrown
  }
  return []
}

describe('configuration', () => {
  it('takes a complete environment', () => {
    const config = parseConfig({
      MESSAGE_BUS: 'memory',
      BUSBAR_CONCURRENCY: '8',
      BUSBAR_ACK_WAIT: '45s',
      BUSBAR_DEDUP_WINDOW: '1000',
      BUSBAR_SHUTDOWN_WITHIN: '3s',
      BUSBAR_STRICT: 'true',
      NATS_URL: 'nats://a:4222, tls://b:4222',
    })
    expect(config.messageBus).toBe('memory')
    expect(config.get('BUSBAR_CONCURRENCY')).toBe(8)
    expect(config.get('BUSBAR_ACK_WAIT')).toBe(45_000)
    expect(config.get('BUSBAR_DEDUP_WINDOW')).toBe(1000)
    expect(config.shutdownWithinMs).toBe(3000)
    expect(config.get('BUSBAR_STRICT')).toBe(true)
    expect(config.get('NATS_URL')).toEqual(['nats://a:4222', 'tls://b:4222'])
  })

  it.each([
    ['MESSAGE_BUS', 'kafka'],
    ['BUSBAR_CONCURRENCY', '0'],
    ['BUSBAR_CONCURRENCY', '1.5'],
    ['BUSBAR_CONCURRENCY', 'many'],
    ['BUSBAR_ACK_WAIT', '10 minutes'],
    ['BUSBAR_ACK_WAIT', '-1s'],
    ['BUSBAR_ACK_WAIT', '60d'],
    ['BUSBAR_ACK_WAIT', '49ms'],
    ['BUSBAR_DEDUP_WINDOW', 'NaN'],
    ['BUSBAR_SHUTDOWN_WITHIN', '20 s'],
    ['BUSBAR_RETRY_ATTEMPTS', '1001'],
    ['BUSBAR_STRICT', 'yes'],
    ['BUSBAR_LOG', 'loud'],
    ['BUSBAR_SCHEMA', 'bus; drop table x'],
    ['BUSBAR_DUAL_INNER', 'redis'],
    ['NATS_URL', 'http://example.org'],
    ['NATS_URL', 'nats://a:4222,nonsense'],
    ['NATS_URL', 'ws://a:4222'],
    ['NATS_ALLOW_INSECURE', 'maybe'],
    ['NATS_INBOX_PREFIX', '_INBOX.*'],
    ['NATS_INBOX_PREFIX', '_INBOX..a'],
    ['NATS_INBOX_PREFIX', '_INBOX.a b'],
    ['NATS_INBOX_PREFIX', '_INBOX.\u0007bell'],
    ['NATS_INBOX_PREFIX', '_INBOX.\u007f'],
    ['NATS_INBOX_PREFIX', '_INBOX.zürich'],
    ['NATS_INBOX_PREFIX', '_INBOX.a\n'],
    ['NATS_INBOX_PREFIX', '$SYS.a'],
    ['NATS_SYNC_INTERVAL', 'sometimes'],
    ['NATS_MONITOR_URL', 'localhost:8222'],
    ['NATS_STREAM_NAME', 'a.b'],
    ['NATS_REPLICAS', '6'],
    ['NATS_MAX_MSGS', '-1'],
    ['NATS_MAX_MSGS', '9007199254740993'],
    ['NATS_MAX_AGE', '0'],
    ['NATS_MAX_AGE', '36526d'],
    ['BUSBAR_ACK_WAIT', '25d'],
    ['NATS_URL', 'nats://'],
    ['NATS_URL', 'nats://a:4222,'],
    ['DATABASE_URL', 'mysql://localhost/x'],
  ])('refuses %s=%s and names the variable', (name, value) => {
    const problems = problemsOf({ MESSAGE_BUS: 'memory', [name]: value })
    expect(problems).toHaveLength(1)
    expect(problems[0]).toContain(name)
  })

  it('lists every problem at once, misspelt names included', () => {
    const problems = problemsOf({ BUSBAR_CONCURRENCY: 'x', BUSBAR_LOG: 'x', BUSBAR_ACKWAIT: '1s' })
    expect(problems.map((problem) => problem.split(/[ =]/)[0]).toSorted()).toEqual([
      'BUSBAR_ACKWAIT',
      'BUSBAR_CONCURRENCY',
      'BUSBAR_LOG',
      'MESSAGE_BUS',
    ])
    expect(problems.find((problem) => problem.startsWith('BUSBAR_ACKWAIT'))).toContain('BUSBAR_ACK_WAIT')
  })

  it('takes an empty value for not set', () => {
    expect(problemsOf({ MESSAGE_BUS: '' })).toEqual(problemsOf({}))
    expect(parseConfig({ MESSAGE_BUS: 'memory', BUSBAR_LOG: '' }).get('BUSBAR_LOG')).toBeUndefined()
  })

  it('shows no secret, neither in an error nor in a printed configuration', () => {
    const secret = 's3cr3t:@/%'
    const env = {
      MESSAGE_BUS: 'memory',
      NATS_PASSWORD: secret,
      NATS_TOKEN: secret,
      NATS_URL: `nats://me:${encodeURIComponent(secret)}@127.0.0.1:4222`,
      DATABASE_URL: `postgres://me:${encodeURIComponent(secret)}@127.0.0.1/bus`,
    }
    const config = parseConfig(env)
    const broken = problemsOf({ ...env, DATABASE_URL: `mysql://me:${secret}@x/y`, NATS_URL: `http://me:${secret}@x` })
    expect(broken).toHaveLength(2)
    const shown = [
      inspect(config, { depth: Number.POSITIVE_INFINITY, showHidden: true }),
      JSON.stringify(config),
      String(new ConfigError(broken).stack),
    ].join('\n')
    for (const form of [secret, encodeURIComponent(secret), Buffer.from(secret).toString('base64')]) {
      expect(shown).not.toContain(form)
    }
    expect(shown).toContain('[redacted]')
    expect(config.get('NATS_PASSWORD')).toBe(secret)
  })

  it.each([
    ['plain', (password: string) => password],
    ['URL-encoded', encodeURIComponent],
    ['base64', (password: string) => Buffer.from(password).toString('base64')],
  ])('hides a password that another variable repeats, %s', (_, form) => {
    const password = 'hunter:2@/%"x'
    const userinfo = `me:${encodeURIComponent(password)}`
    for (const secret of [
      { NATS_PASSWORD: password },
      { DATABASE_URL: `postgres://${userinfo}@127.0.0.1/bus` },
      { NATS_URL: `nats://a:4222,nats://${userinfo}@b:4222` },
    ]) {
      const env = { MESSAGE_BUS: 'memory', ...secret }
      expect(problemsOf({ ...env, NATS_STREAM_NAME: form(password) }).join()).not.toContain(form(password))
      const config = parseConfig({ ...env, NATS_USER: form(password) })
      expect(JSON.stringify(config)).toContain('"NATS_USER":"[redacted]"')
      expect(config.hide(JSON.stringify({ message: `driver said ${form(password)}` }))).toBe(
        '{"message":"driver said [redacted]"}',
      )
    }
  })

  it('hides what looks like a secret in a variable that should hold a path or a name, however long it is', () => {
    const seed = `SU${'A'.repeat(56)}`
    const pem = '-----BEGIN PRIVATE KEY-----\nMIIEvQ\n-----END PRIVATE KEY-----'
    const shown = JSON.stringify(parseConfig({ MESSAGE_BUS: 'memory', NATS_NKEY_SEED_FILE: seed, NATS_TLS_KEY: pem }))
    expect(JSON.parse(shown)).toMatchObject({ NATS_NKEY_SEED_FILE: '[redacted]', NATS_TLS_KEY: '[redacted]' })
    const misplaced = `postgres://me:${'p'.repeat(200)}@127.0.0.1/bus`
    expect(problemsOf({ MESSAGE_BUS: 'memory', NATS_STREAM_NAME: misplaced }).join()).not.toContain('ppp')
  })

  it('takes what stands alone before the host for a token in NATS, and for a user name in PostgreSQL', () => {
    const shown = (url: Environment): string => parseConfig({ MESSAGE_BUS: 'memory', ...url }).hide('by busbar')
    expect(shown({ NATS_URL: 'nats://busbar@127.0.0.1:4222' })).toBe('by [redacted]')
    expect(shown({ DATABASE_URL: 'postgres://busbar@127.0.0.1/busbar' })).toBe('by busbar')
  })

  it('shows a wrong value so that spaces and line breaks in it are seen', () => {
    expect(problemsOf({ MESSAGE_BUS: ' memory\n' })).toEqual([expect.stringContaining('MESSAGE_BUS=" memory\\n" ')])
  })

  it('says that dual needs a database', () => {
    expect(problemsOf({ MESSAGE_BUS: 'dual' })).toEqual([expect.stringMatching(/^DATABASE_URL is not set/)])
    expect(problemsOf({ MESSAGE_BUS: 'dual', DATABASE_URL: 'postgres://busbar@127.0.0.1/busbar' })).toEqual([])
  })

  it('says of an unknown backend what there is', () => {
    for (const value of ['kafka', 'toString', '__proto__']) {
      expect(problemsOf({ MESSAGE_BUS: value })).toEqual([expect.stringMatching(/is not one of: memory, nats, dual$/)])
    }
  })

  it('is documented: .env.example names the same variables, and is a valid environment itself', () => {
    const lines = readFileSync(new URL('../../.env.example', import.meta.url), 'utf8').split('\n')
    const entries = lines.flatMap((line) => {
      const [, name, value] = /^([A-Z_]+)=(.*)$/.exec(line) ?? []
      return name === undefined ? [] : [[name, value ?? ''] as const]
    })
    expect(entries.map(([name]) => name).toSorted()).toEqual([...VARIABLE_NAMES].toSorted())
    expect(problemsOf(Object.fromEntries(entries))).toEqual([])
  })
})
