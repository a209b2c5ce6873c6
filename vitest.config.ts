/** How `npm test` runs: every test, the type tests, and the coverage of the shipped code. */
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    typecheck: { enabled: true, include: ['test/**/*.test-d.ts'], tsconfig: './tsconfig.json' },
    testTimeout: 20_000,
    // Tests on real servers wait more than they compute.
    maxWorkers: 2,
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
