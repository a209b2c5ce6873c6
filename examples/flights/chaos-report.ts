/** What a chaos run says in the end: what was hit, how soon work went on, what was done twice, and the verdict. Counts nothing itself. */
import type { Accident } from './accidents.js'
import type { Repair } from './connect.js'
import { CONSUMERS } from './consumers.js'
import { compare, type Difference, type Figures, type Outcome } from './figures.js'
import type { WorkerFigures } from './remote.js'
import { type Output, reportDifferences, table } from './report.js'

export interface ChaosReport {
  readonly tookMs: number
  readonly accidents: readonly Accident[]
  readonly planned: number
  /** What is wrong with the backend itself. */
  readonly audit: readonly Difference[]
  readonly repairs: readonly Repair[]
  /** Of each worker process, as it last told. */
  readonly workers: readonly WorkerFigures[]
  /** Flights that the bus published again and that were stored already. */
  readonly alreadyStored: number
  /** Pages asked for again. */
  readonly pagedAgain: number
}

/** @returns the exit code */
export function reportChaos(output: Output, report: ChaosReport, measured: Outcome, expected: Figures): 0 | 1 {
  output.line(`${measured.published} flights published and settled by 3 consumers in ${seconds(report.tookMs)}`)
  const header = ['accident', 'at', 'running again after', 'next airport saved after', 'next page after']
  table(output, header, report.accidents.map(accidentRow))
  table(output, ['consumer', 'handled', 'retried', 'dead', 'seen again'], consumerRows(report.workers))
  output.line('  (of all worker processes, as they last told before they were killed; repeats are legitimate here)')
  output.line('')
  output.line(
    `Duplicates hidden: ${report.alreadyStored} flights sent again and stored once, ${report.pagedAgain} pages asked for again and sent once.`,
  )
  for (const { stream, messages } of report.repairs) {
    output.line(`JetStream had lost messages: ${messages} of stream ${stream} were sent again.`)
  }
  const { consumers: _, ...outcome } = expected
  const differences = [...missing(report), ...report.audit, ...compare<Outcome>(measured, outcome)]
  if (reportDifferences(output, differences)) return 1
  output.line('Every figure equals the one computed straight from the file, through all of this:')
  output.line(
    `published, ${measured.pages} pages, ${measured.deadLetters.size} dead letters, sums and order of ${measured.airports.size} airports.`,
  )
  return 0
}

/** A run without its accidents proves nothing. */
function missing({ accidents, planned }: ChaosReport): Difference[] {
  const survived = accidents.filter(({ savedMs }) => savedMs !== undefined).length
  if (survived === planned) return []
  return [{ figure: 'accidents after which work went on', measured: String(survived), expected: String(planned) }]
}

function accidentRow({ what, when, downMs, savedMs, pagedMs }: Accident): string[] {
  return [what, when, seconds(downMs), seconds(savedMs), seconds(pagedMs)]
}

function consumerRows(workers: readonly WorkerFigures[]): string[][] {
  return CONSUMERS.map((name) => {
    const sum = (figure: 'handled' | 'retried' | 'dead' | 'duplicates') =>
      workers.reduce((total, worker) => total + (worker[name]?.[figure] ?? 0), 0)
    return [name, ...[sum('handled'), sum('retried'), sum('dead'), sum('duplicates')].map(String)]
  })
}

function seconds(ms: number | undefined): string {
  return ms === undefined ? 'none came' : `${(ms / 1000).toFixed(1)} s`
}
