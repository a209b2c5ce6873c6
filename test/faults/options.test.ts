/** What the command of the fault suite takes, and what it refuses before anything is started. */
import { expect, it } from 'vitest'
import { HELP, readOptions, UsageError } from './options.js'

it('chooses what to run', () => {
  expect(readOptions([])).toMatchObject({ size: 'chosen', adapter: 'dual', seed: 1, rate: 300, world: {} })
  expect(readOptions(['--quick', '--seed', '3'])).toMatchObject({ size: 'quick', seed: 3 })
  expect(readOptions(['--minutes', '30'])).toMatchObject({ size: 'long', minutes: 30 })
  expect(readOptions(['--random', '--adapter', 'nats'])).toMatchObject({ size: 'random', minutes: 1 })
  const chosen = ['--adapter', 'nats', '--only', 'F5,F1', '--sync', 'always', '--nodes', '3']
  expect(readOptions(chosen)).toMatchObject({ codes: ['F5', 'F1'], world: { syncInterval: 'always', nodes: 3 } })
  expect(readOptions(['--help'])).toBeUndefined()
  expect(HELP).toMatch(/^ {2}F5 +nats dual/m)
})

it.each([
  [['--adapter', 'kafka'], /choose from memory, nats, dual/],
  [['--random', '--adapter', 'memory'], /nats or dual/],
  [['--nodes', '2'], /give 1 or 3/],
  [['--rate', 'fast'], /above 0/],
  [['--seed', '0'], /above 0/],
  [['--minutes', ''], /above 0/],
  [['--only', 'F99'], /no fault of dual\. Choose from .*F5/],
  [['--adapter', 'nats', '--only', 'F10'], /but for dual/],
  [['--what'], /See --help/],
])('refuses %j with the remedy', (args, text) => {
  expect(() => readOptions(args)).toThrow(UsageError)
  expect(() => readOptions(args)).toThrow(text)
})
