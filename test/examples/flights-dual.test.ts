/** The main job on a ledger, in processes of its own: as any user runs it, and while all servers are killed and all of JetStream is deleted. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type NatsServer, startNats } from '../servers/nats-server.js'
import { type PostgresServer, startPostgres } from '../servers/postgres.js'
import { runExample } from './example-process.js'

const SCRIPT = 'examples/flights/main.ts'
const AGREED = 'Every figure equals the one computed straight from the file'
const FEW = ['--flights', '3000']
const PATIENCE_MS = 240_000

describe('npm run demo on dual', () => {
  let nats: NatsServer
  let postgres: PostgresServer
  beforeAll(async () => {
    ;[nats, postgres] = await Promise.all([startNats({ version: '2.15' }), startPostgres()])
  })
  afterAll(async () => {
    await Promise.all([nats.stop(), postgres.stop()])
  })

  /** Each inner backend has a ledger of its own. */
  const environment = (inner: 'nats' | 'memory') => ({
    MESSAGE_BUS: 'dual',
    NATS_URL: nats.url,
    DATABASE_URL: postgres.url,
    BUSBAR_SCHEMA: `flights_${inner}`,
    BUSBAR_DUAL_INNER: inner,
  })

  it.each(['nats', 'memory'] as const)(
    'agrees with the file in every figure with %s inside, also beside what an earlier run has left',
    async (inner) => {
      for (const args of [FEW, ['--flights', '1000']]) {
        const { code, stdout, stderr } = await runExample(SCRIPT, args, environment(inner)).ended
        expect(stdout + stderr).toContain(AGREED)
        expect(code).toBe(0)
      }
    },
    PATIENCE_MS,
  )

  it.each([
    ['nats', 'at the start', 'published'],
    ['nats', 'once a part of it is settled', 'delays 1'],
    ['memory', 'once a part of it is settled', 'delays 1'],
  ] as const)(
    'with %s inside ends cleanly on Ctrl-C %s, with a report that adds up',
    async (inner, _, text) => {
      const demo = runExample(SCRIPT, [], environment(inner))
      await demo.said(text)
      demo.kill('SIGINT')
      const { code, stdout, stderr } = await demo.ended
      expect(stdout + stderr).toContain('handled + dead + left = accepted')
      expect(code).toBe(130)
    },
    PATIENCE_MS,
  )

  it('says what it needs when it is not told of a database', async () => {
    const { code, stderr } = await runExample(SCRIPT, [], { MESSAGE_BUS: 'dual', DATABASE_URL: '' }).ended
    expect(code).toBe(78)
    expect(stderr).toContain('DATABASE_URL is not set')
  })
})

describe.concurrent('npm run demo -- --chaos on dual', () => {
  const env = { MESSAGE_BUS: 'dual' }

  it(
    'agrees with the file though both servers and two workers are killed and all of JetStream is deleted',
    async () => {
      const { code, stdout, stderr } = await runExample(SCRIPT, ['--chaos', ...FEW], env).ended
      expect(stdout + stderr).toContain(AGREED)
      expect(code).toBe(0)
      expect(accidents(stdout)).toEqual(['server 25', 'store 50', 'PostgreSQL 75', 'worker 40', 'worker 70'])
      expect(stdout).toMatch(/^JetStream has 3000 flights and [1-9]\d* dead letters of the ledger$/m)
      expect(stillRunning(stdout)).toEqual([])
    },
    PATIENCE_MS,
  )

  it(
    'leaves no process behind on Ctrl-C, even while PostgreSQL is down',
    async () => {
      const demo = runExample(SCRIPT, ['--chaos', ...FEW], env)
      await demo.said('PostgreSQL stopped')
      demo.kill('SIGINT')
      const { code, stdout } = await demo.ended
      expect(stdout).toContain('Interrupted after')
      expect(code).toBe(130)
      expect(stillRunning(stdout)).toEqual([])
    },
    PATIENCE_MS,
  )
})

/** Whatever was hit and at which percentage of the run, servers first, from the table at the end. */
function accidents(stdout: string): string[] {
  const rows = [...stdout.matchAll(/^ {2}(\w+) +(\d+) % (published|settled)/gm)]
  return ['published', 'settled'].flatMap((share) =>
    rows.filter((row) => row[3] === share).map(([, what, percent]) => `${what} ${percent}`),
  )
}

/** Of the processes that the run has named. */
function stillRunning(stdout: string): number[] {
  const named = [...stdout.matchAll(/runs (?:again )?as process (\d+)/g)].map(([, pid]) => Number(pid))
  expect(named.length).toBeGreaterThan(2)
  return named.filter(isRunning)
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
