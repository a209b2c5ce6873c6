/** The quick start of the README runs with no server, and is as short as the README says. */
import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { runExample } from './example-process.js'

const SCRIPT = 'examples/quick-start.ts'

describe('the quick start', () => {
  it('handles its order at the second attempt and ends by itself', async () => {
    const { code, stdout, stderr } = await runExample(SCRIPT).ended
    expect(stderr).toBe('')
    expect(stdout).toBe('order 42: billed 9 at attempt 2\n')
    expect(code).toBe(0)
  })

  it('has no more than 15 lines of code', async () => {
    const text = await readFile(new URL(`../../${SCRIPT}`, import.meta.url), 'utf8')
    const code = text
      .replace(/^\/\*\*.*?\*\//s, '')
      .split('\n')
      .filter((line) => line.trim() !== '')
    expect(code.length).toBeLessThanOrEqual(15)
  })
})
