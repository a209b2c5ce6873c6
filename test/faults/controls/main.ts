/**
 * `npx tsx test/faults/controls/main.ts`: what is lost by setups that are not busbar, under the faults of the suite. The exit code is 1 when a
 * control did not do what it is there for.
 *
 *   --only default,naive    of default, always, naive, naive-before, id-relay
 *   --chart                 draws docs/loss.svg, together with the runs of faults-report.json where there is one
 *   --chart a.json b.json   together with the runs of these reports
 */
import { parseArgs } from 'node:util'
import { writeChart } from '../chart.js'
import { useMemory } from '../memory-disk.js'
import { CONTROLS, controlsText, runControls, troubleOf } from './index.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string' },
    chart: { type: 'boolean', default: false },
    folder: { type: 'string', default: '.cache/faults' },
  },
})

useMemory()
const names = values.only?.split(',')
const chosen = CONTROLS.filter(({ name }) => names === undefined || names.includes(name))
const outcomes = await runControls(`${values.folder}/controls-${Date.now().toString(36)}`, chosen)
process.stdout.write(`${controlsText(outcomes)}\n`)
const results = outcomes.flatMap(({ result }) => result ?? [])
if (values.chart) await writeChart(results, positionals)
process.exitCode = outcomes.every((outcome) => troubleOf(outcome) === undefined) ? 0 : 1
