/**
 * How `npm test` runs: every test, the type tests, and the coverage of the shipped code. Two files at a time at first; then the conformance
 * suites on servers one by one: their concurrent scenarios fill two cores, and on a machine that is fuller than that ack waits and leases run
 * out because nobody got to run, which is a fault of its own and not the one that is tested.
 */
import { defineConfig } from 'vitest/config'

const SUITES = ['test/adapters/nats-*.suite.test.ts', 'test/adapters/dual/*.suite.test.ts']

const shared = {
  testTimeout: 20_000,
  // Servers start in hooks, beside each other.
  hookTimeout: 60_000,
  // Finds or fetches nats-server once, before any file needs it.
  globalSetup: ['test/servers/fetch.ts'],
}

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...shared,
          name: 'tests',
          include: ['test/**/*.test.ts'],
          exclude: SUITES,
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
          typecheck: { enabled: true, include: ['test/**/*.test-d.ts'], tsconfig: './tsconfig.json' },
        },
      },
      {
        test: {
          ...shared,
          name: 'suites',
          include: SUITES,
          maxWorkers: 1,
          // Of the scenarios that may run at the same time. They wait for disks and clocks most of it.
          maxConcurrency: 8,
          sequence: { groupOrder: 1 },
        },
      },
    ],
    // The second one is for `.ci/run`, which counts.
    reporters: ['default', ['json', { outputFile: '.cache/test-results.json' }]],
    coverage: {
      provider: 'v8',
      include: ['src/**/*.ts', 'adapters/**/*.ts', 'wiring/**/*.ts', 'testing/**/*.ts'],
      reporter: ['text-summary'],
      thresholds: { 'src/**': { lines: 95 } },
    },
  },
})
