/** The main job on a real server, in processes of their own: as any user runs it, and while server and worker are killed with -9. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type NatsServer, startNats } from '../servers/nats-server.js'
import { runExample } from './example-process.js'

const SCRIPT = 'examples/flights/main.ts'
const AGREED = 'Every figure equals the one computed straight from the file'

describe('npm run demo on nats', () => {
  let server: NatsServer
  beforeAll(async () => {
    server = await startNats({ version: '2.15' })
  })
  afterAll(() => server.stop())

  it('agrees with the file in every figure, also beside what an earlier run has left', async () => {
    const env = { MESSAGE_BUS: 'nats', NATS_URL: server.url }
    const first = await runExample(SCRIPT, [], env).ended
    expect(first.stdout + first.stderr).toContain(AGREED)
    expect(first.code).toBe(0)
    const second = await runExample(SCRIPT, ['--flights', '1000'], env).ended
    expect(second.stdout + second.stderr).toContain(AGREED)
    expect(second.code).toBe(0)
  }, 120_000)

  it.each([
    ['at the start', 'published'],
    ['once a part of it is settled', 'delays 1'],
  ])('ends cleanly on Ctrl-C %s, with a report that adds up', async (_, text) => {
    const demo = runExample(SCRIPT, [], { MESSAGE_BUS: 'nats', NATS_URL: server.url })
    await demo.said(text)
    demo.kill('SIGINT')
    const { code, stdout, stderr } = await demo.ended
    expect(stdout + stderr).toContain('handled + dead + left = accepted')
    expect(code).toBe(130)
  })
})

// They wait more than they compute.
describe.concurrent('npm run demo -- --chaos', () => {
  const env = { MESSAGE_BUS: 'nats' }

  it('agrees with the file though the server is killed three times and a worker process twice', async () => {
    const { code, stdout, stderr } = await runExample(SCRIPT, ['--chaos', '--flights', '4000'], env).ended
    expect(stdout + stderr).toContain(AGREED)
    expect(code).toBe(0)
    expect(killedAt(stdout, 'server')).toEqual([25, 50, 75])
    expect(killedAt(stdout, 'worker')).toEqual([40, 70])
    expect(stillRunning(stdout)).toEqual([])
  }, 120_000)

  it('finds out that its statistics are wrong without order by key', async () => {
    const { code, stdout } = await runExample(SCRIPT, ['--chaos', '--flights', '2000', '--order', 'none'], env).ended
    expect(stdout).toMatch(/DIFFERENT {2}\w{3} lines/)
    expect(stdout).not.toContain(AGREED)
    expect(code).toBe(1)
  }, 120_000)

  it('leaves no process behind on Ctrl-C, even while the server is down', async () => {
    const demo = runExample(SCRIPT, ['--chaos'], env)
    await demo.said('server killed')
    demo.kill('SIGINT')
    const { code, stdout } = await demo.ended
    expect(stdout).toContain('Interrupted after')
    expect(code).toBe(130)
    expect(stillRunning(stdout)).toEqual([])
  }, 120_000)

  it.each([
    ['memory', { MESSAGE_BUS: 'memory' }],
    ['what is used when nothing is set', {}],
  ])('refuses to run on %s, which has no server to kill', async (_, env) => {
    const { code, stderr } = await runExample(SCRIPT, ['--chaos'], env).ended
    expect(code).toBe(78)
    expect(stderr).toContain('MESSAGE_BUS=nats')
  })
})

/** Shares of the run, in percent, from the table at the end. */
function killedAt(stdout: string, what: 'server' | 'worker'): number[] {
  return [...stdout.matchAll(new RegExp(`^ {2}${what} +(\\d+) %`, 'gm'))].map(([, share]) => Number(share))
}

/** Of the processes that the run has named. */
function stillRunning(stdout: string): number[] {
  const named = [...stdout.matchAll(/runs (?:again )?as process (\d+)/g)].map(([, pid]) => Number(pid))
  expect(named.length).toBeGreaterThan(1)
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
