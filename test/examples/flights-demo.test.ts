/** The main job: 20,000 real flights in a process of its own, interrupted or not; and demos that must fail. */
import { beforeAll, describe, expect, it } from 'vitest'
import { memory } from '../../adapters/memory/index.js'
import { streams } from '../../examples/flights/consumers.js'
import { type Flight, loadFlights } from '../../examples/flights/data.js'
import { runDemo } from '../../examples/flights/demo.js'
import type { Figures } from '../../examples/flights/figures.js'
import type { Output } from '../../examples/flights/report.js'
import { trueFigures } from '../../examples/flights/truth.js'
import { createBus } from '../../src/index.js'
import { type ExampleProcess, runExample } from './example-process.js'

const SCRIPT = 'examples/flights/main.ts'

let flights: readonly Flight[] = []
beforeAll(async () => {
  flights = await loadFlights()
})

describe('npm run demo', () => {
  it('agrees with the file in every figure, on memory unless told otherwise', async () => {
    const { code, stdout, stderr } = await runExample(SCRIPT).ended
    expect(stderr).toBe('')
    expect(code).toBe(0)
    expect(stdout).toContain('MESSAGE_BUS is not set: using memory')
    expect(stdout).toContain('Every figure equals the one computed straight from the file')
    const { consumers } = trueFigures(flights)
    for (const [name, { handled, retried, dead }] of Object.entries(consumers)) {
      expect(numbersAfter(stdout, name)).toEqual([handled, retried, dead])
    }
  })

  it('refuses an unknown backend and says so', async () => {
    const { code, stderr } = await runExample(SCRIPT, [], { MESSAGE_BUS: 'pigeon' }).ended
    expect(code).toBe(78)
    expect(stderr).toContain('MESSAGE_BUS')
    expect(stderr).toContain('pigeon')
  })

  it.each(['SIGINT', 'SIGTERM'] as const)(
    'ends cleanly on %s while it runs, with a report that adds up',
    async (signal) => {
      const demo = runExample(SCRIPT)
      await demo.said('published')
      demo.kill(signal)
      await expectInterrupted(demo)
    },
  )

  it('ends cleanly on Ctrl-C before it is connected', async () => {
    const demo = runExample(SCRIPT)
    await demo.said('MESSAGE_BUS')
    demo.kill('SIGINT')
    await expectInterrupted(demo)
  })

  it('takes a signal that npm and the terminal both send for one', async () => {
    const demo = runExample(SCRIPT)
    await demo.said('published')
    demo.kill('SIGINT')
    demo.kill('SIGINT')
    await expectInterrupted(demo)
  })

  async function expectInterrupted(demo: ExampleProcess): Promise<void> {
    const { code, stdout } = await demo.ended
    expect(stdout).toContain('Interrupted.')
    expect(code).toBe(130)
    const accepted = Number(/Interrupted\. (\d+) flights were accepted/.exec(stdout)?.[1])
    expect(accepted).toBeLessThanOrEqual(20_000)
    const report = stdout.slice(stdout.indexOf('Interrupted.'))
    for (const name of ['delays', 'alerts', 'auditor']) {
      const [handled = Number.NaN, dead = Number.NaN, left = Number.NaN] = numbersAfter(report, name)
      expect(handled + dead + left, report).toBe(accepted)
    }
  }
})

describe('a demo', () => {
  it('fails when one expected figure is false', async () => {
    const some = flights.slice(0, 2000)
    const expected = trueFigures(some)
    expect(await run(some, expected)).toMatchObject({ code: 0 })
    const { code, text } = await run(some, { ...expected, pages: expected.pages + 1 })
    expect(code).toBe(1)
    expect(text).toContain(`DIFFERENT  pages: ${expected.pages}, and the file says ${expected.pages + 1}`)
  })

  it('fails without order by key, because its statistics need every departure in its place', async () => {
    const some = flights.slice(0, 2000)
    const { code, text } = await run(some, trueFigures(some), { order: 'none' })
    expect(code).toBe(1)
    expect(text).toMatch(/DIFFERENT {2}\w{3} (flights|lines)/)
  })

  it('that is interrupted before it publishes has nothing to report but zeros', async () => {
    const { code, text } = await run(flights, trueFigures(flights), { signal: AbortSignal.abort() })
    expect(code).toBe(130)
    expect(text).toContain('Interrupted. 0 flights were accepted')
  })

  it('that is interrupted in the middle of publishing hands back what had not started', async () => {
    const controller = new AbortController()
    const { code, text } = await run(flights, trueFigures(flights), {
      signal: controller.signal,
      onStatus: () => controller.abort(),
    })
    expect(code).toBe(130)
    expect(text).toContain('handled + dead + left = accepted')
  })
})

interface RunOptions {
  readonly signal?: AbortSignal
  readonly order?: 'none'
  readonly onStatus?: () => void
}

async function run(
  some: readonly Flight[],
  expected: Figures,
  options: RunOptions = {},
): Promise<{ code: number; text: string }> {
  const { signal = new AbortController().signal, order = 'key', onStatus = () => {} } = options
  const lines: string[] = []
  const output: Output = { line: (text) => void lines.push(text), status: onStatus }
  await using bus = createBus({ adapter: memory(), streams })
  await bus.connect()
  const code = await runDemo({ bus, flights: some, expected, signal, output, order })
  return { code, text: lines.join('\n') }
}

/** The numbers of the table row that starts with the name. */
function numbersAfter(text: string, name: string): number[] {
  const row = new RegExp(`^ {2}${name}\\S* +(.*)$`, 'm').exec(text)?.[1] ?? ''
  return row.split(/\s+/).map(Number)
}
