/** The inversify application runs with no server, retries inside a handler class, and stops in order. */
import { describe, expect, it } from 'vitest'
import { runExample } from './example-process.js'

const SCRIPT = 'examples/inversify/main.ts'

describe('the inversify application', () => {
  it('ships every order once, the one that was billed at the second attempt last, and ends by itself', async () => {
    const { code, stdout, stderr } = await runExample(SCRIPT).ended
    expect(stderr).toBe('')
    expect(code).toBe(0)
    expect(stdout.trim().split('\n')).toEqual([
      'order tea is on its way, invoice tea/12',
      'order lamp is on its way, invoice lamp/55',
      'order table is on its way, invoice table/340',
      expect.stringMatching(/^stopped: \d+ finished, 0 handed back, 0 aborted; 3 shipped$/),
    ])
  })

  it('starts nothing with an environment that is wrong', async () => {
    const { code, stdout, stderr } = await runExample(SCRIPT, [], { MESSAGE_BUS: 'pigeon' }).ended
    expect(code).toBe(1)
    expect(stdout).toBe('')
    expect(stderr).toContain('MESSAGE_BUS=pigeon')
  })
})
