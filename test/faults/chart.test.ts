/** The chart says what runs and controls said, whatever their names, on light and dark pages. */
import { expect, it } from 'vitest'
import { lossChart, lossesOf } from './chart.js'

const run = (adapter: string, accepted: number, lost: number, exempted: number, verdict = 'pass') => ({
  adapter,
  syncInterval: 'default',
  verdict,
  cycles: [{ fault: 'F7' }, { fault: 'F7b', skipped: 'the world has one node, not three' }],
  figures: { accepted },
  rules: [
    { rule: 'R1', findings: lost > 0 ? [{ count: lost }] : [], exempted: exempted > 0 ? [{ count: exempted }] : [] },
  ],
})

it('adds up the runs of one setup, exempted losses among them, and leaves out what proves nothing', () => {
  const losses = lossesOf([
    run('dual', 400, 0, 0),
    run('nats', 100, 0, 7),
    run('dual', 600, 0, 0),
    run('dual', 9, 0, 0, 'void'),
  ])
  expect(losses.map(({ setup, accepted, lost }) => [setup, accepted, lost])).toEqual([
    ['busbar dual', 1000, 0],
    ['busbar nats, sync_interval default', 100, 7],
  ])
  expect(losses[0]?.under).toBe('2 faults: F7')
})

it('draws nothing of what is no report', () => {
  expect(lossesOf({ runs: [] })).toEqual([])
})

it('shows what was lost of how many, and the bound where nothing was', () => {
  const chart = lossChart([
    { setup: 'relay by id > last', under: 'commits', accepted: 1200, lost: 300, ghosts: 0 },
    { setup: 'published before', under: 'an outage', accepted: 50, lost: 0, ghosts: 3 },
    { setup: 'dual', under: 'power cuts', accepted: 3000, lost: 0, ghosts: 0 },
  ])
  expect(chart).toContain('relay by id &gt; last')
  expect(chart).toContain('300 of 1,200 lost')
  expect(chart).toContain('0 of 50 lost, 3 ghosts')
  expect(chart).toContain('0 of 3,000 lost (below 0.10 %)')
  expect(chart).toContain('prefers-color-scheme: dark')
})
