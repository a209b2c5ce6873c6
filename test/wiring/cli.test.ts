/** The command as a user meets it: a real process, real signals, its exit codes. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const CLI = fileURLToPath(new URL('../../wiring/cli.ts', import.meta.url))
const fixture = (name: string): string => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url))
const WORKERS = fixture('workers.ts')
const MANIFEST = new URL('../../package.json', import.meta.url)

interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

class Busbar {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #closed: Promise<number | null>
  out = ''
  #err = ''

  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.#child = spawn(process.execPath, ['--import', 'tsx', CLI, ...args], {
      env: { PATH: process.env.PATH, ...env },
    })
    // From the start: an exit code may be there before the last output is.
    this.#closed = once(this.#child, 'close').then(([code]) => code)
    this.#child.stdout.on('data', (chunk: Buffer) => {
      this.out += chunk.toString()
    })
    this.#child.stderr.on('data', (chunk: Buffer) => {
      this.#err += chunk.toString()
    })
  }

  async says(text: string): Promise<void> {
    while (!this.out.includes(text)) {
      const code = await Promise.race([once(this.#child.stdout, 'data'), this.#closed])
      if (!Array.isArray(code) && !this.out.includes(text))
        throw new Error(`ended with ${code}: ${this.out}${this.#err}`)
    }
  }

  send(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Lets the handler of `workers.ts` end. */
  letHandlerEnd(): void {
    this.#child.stdin.write('\n')
  }

  async ended(): Promise<Ended> {
    return { code: await this.#closed, out: this.out, err: this.#err }
  }
}

const busbar = (args: readonly string[], env?: Readonly<Record<string, string>>): Promise<Ended> =>
  new Busbar(args, env).ended()
const memory = { MESSAGE_BUS: 'memory' }

describe('busbar', () => {
  it('documents its exit codes in --help', async () => {
    const { code, out } = await busbar(['--help'])
    expect(code).toBe(0)
    for (const exit of ['0', '1', '2', '78', '130', '143']) expect(out).toMatch(new RegExp(`^ +${exit} `, 'm'))
  })

  it('tells the version of the package', async () => {
    const { version }: { version: string } = JSON.parse(readFileSync(MANIFEST, 'utf8'))
    expect((await busbar(['--version'])).out.trim()).toBe(version)
  })

  it('exits with 2 for wrong arguments', async () => {
    expect((await busbar(['frobnicate'])).code).toBe(2)
    expect((await busbar(['run'])).code).toBe(2)
    expect((await busbar(['doctor', '--password', 'x'])).code).toBe(2)
  })

  it('doctor is content with the memory backend', async () => {
    const { code, out } = await busbar(['doctor', '--json'], memory)
    expect(code).toBe(0)
    const { ok, findings, guarantees } = JSON.parse(out)
    expect(ok).toBe(true)
    expect(findings.map((finding: { check: string }) => finding.check)).toEqual(['node', 'configuration', 'backend'])
    expect(guarantees.length).toBeGreaterThan(5)
  })

  it('doctor and run exit with 78 and list every problem of the configuration', async () => {
    const env = { MESSAGE_BUS: 'kafka', BUSBAR_LOG: 'loud' }
    const asked = await busbar(['doctor'], env)
    expect(asked.code).toBe(78)
    for (const name of Object.keys(env)) expect(asked.out).toContain(name)
    const ran = await busbar(['run', WORKERS, '--json'], env)
    expect(ran.code).toBe(78)
    expect(JSON.parse(ran.err).error.problems).toHaveLength(2)
  })

  it('doctor calls it a wrong configuration when strict asks for more than the backend can do', async () => {
    const env = { ...memory, BUSBAR_STRICT: 'true', NATS_STREAM_NAME: 'events', NATS_REPLICAS: '3' }
    const { code, out } = await busbar(['doctor', '--json'], env)
    expect(code).toBe(78)
    expect(JSON.parse(out)).toMatchObject({ ok: false, guarantees: [] })
  })

  it.each([[[]], [['--json']]])('doctor shows no secret with %j', async (args) => {
    const env = { ...memory, NATS_PASSWORD: 'correct-horse', NATS_NKEY_SEED_FILE: `SU${'A'.repeat(56)}` }
    const { code, out, err } = await busbar(['doctor', ...args], env)
    expect(code).toBe(0)
    expect(out).toContain('[redacted]')
    for (const secret of [env.NATS_PASSWORD, env.NATS_NKEY_SEED_FILE]) expect(out + err).not.toContain(secret)
  })

  it('run exits with 1 when start fails, after it has drained what was started', async () => {
    const { code, out, err } = await busbar(['run', fixture('failing-start.ts')], memory)
    expect(code).toBe(1)
    expect(err).toContain('no database')
    expect(out).toContain('start failed')
  })

  it('run stops on a signal though start never ends, and exits though the module leaves a timer behind', async () => {
    const running = new Busbar(['run', fixture('endless-start.ts'), '--json'], {
      ...memory,
      NATS_STREAM_NAME: 'events',
    })
    await running.says('stored in events')
    running.send('SIGTERM')
    const { code, out } = await running.ended()
    expect(code).toBe(0)
    expect(JSON.parse(out.split('\n')[1] ?? '')).toEqual({ stopped: { finished: 0, released: 0, aborted: 0 } })
  })

  it('run exits with 1 when the module is missing or starts nothing', async () => {
    expect((await busbar(['run', './no-such-module.js'], memory)).code).toBe(1)
    expect((await busbar(['run', CLI.replace('cli.ts', 'shutdown.ts')], memory)).code).toBe(1)
  })

  it('run drains on SIGTERM: the running handler ends, and the report counts it', async () => {
    const running = new Busbar(['run', WORKERS], memory)
    await running.says('handler entered')
    running.send('SIGTERM')
    await running.says('draining')
    running.letHandlerEnd()
    const { code, out } = await running.ended()
    expect(code).toBe(0)
    expect(out).toContain('handler ended')
    expect(out).toContain('1 finished, 0 handed back, 0 aborted')
  })

  it('run gives up on a stubborn handler at the deadline, and says so', async () => {
    const running = new Busbar(['run', WORKERS], { ...memory, BUSBAR_SHUTDOWN_WITHIN: '100ms' })
    await running.says('handler entered')
    running.send('SIGINT')
    const { code, out } = await running.ended()
    expect(code).toBe(0)
    expect(out).not.toContain('handler ended')
    expect(out).toContain('0 finished, 0 handed back, 1 aborted')
  })

  it.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const)('run ends at once on a second %s', async (signal, exit) => {
    const running = new Busbar(['run', WORKERS], memory)
    await running.says('handler entered')
    running.send(signal)
    await running.says('draining')
    // The first 400 ms count as the same signal, passed on by a launcher.
    const again = setInterval(() => running.send(signal), 100)
    const { code } = await running.ended()
    clearInterval(again)
    expect(code).toBe(exit)
  })
})
