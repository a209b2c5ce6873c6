/** How `npm test` runs: every test, the type tests, and the coverage of the shipped code. */
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    typecheck: { enabled: true, include: ['test/**/*.test-d.ts'], tsconfig: './tsconfig.json' },
    testTimeout: 20_000,
    // One file at a time: its servers, processes and concurrent scenarios fill two cores, and on a machine that is fuller than that ack waits
    // and leases run out because nobody got to run, which is a fault of its own and not the one that is tested.
    maxWorkers: 1,
    // Servers start in hooks, beside each other.
    hookTimeout: 60_000,
    // Finds or fetches nats-server once, before any file needs it.
    globalSetup: ['test/servers/fetch.ts'],
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
