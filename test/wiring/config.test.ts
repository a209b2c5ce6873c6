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
    ['MESSAGE_BUS', 'nats'],
    ['BUSBAR_CONCURRENCY', '0'],
    ['BUSBAR_CONCURRENCY', '1.5'],
    ['BUSBAR_CONCURRENCY', 'many'],
    ['BUSBAR_ACK_WAIT', '10 minutes'],
    ['BUSBAR_ACK_WAIT', '-1s'],
    ['BUSBAR_ACK_WAIT', '60d'],
    ['BUSBAR_RETRY_ATTEMPTS', '1001'],
    ['BUSBAR_STRICT', 'yes'],
    ['BUSBAR_LOG', 'loud'],
    ['BUSBAR_SCHEMA', 'bus; drop table x'],
    ['BUSBAR_DUAL_INNER', 'redis'],
    ['NATS_URL', 'http://example.org'],
    ['NATS_URL', 'nats://a:4222,nonsense'],
    ['NATS_STREAM_NAME', 'a.b'],
    ['NATS_REPLICAS', '6'],
    ['NATS_MAX_MSGS', '-1'],
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
