/** The chart of loss by setup, as SVG that is readable on light and on dark pages. It draws what runs and controls say, and measures nothing. */
import { readFile, writeFile } from 'node:fs/promises'

const REPORT = 'faults-report.json'
const CHART = 'docs/loss.svg'
/** Kinds of fault that are named. */
const FEW = 6

export interface Loss {
  readonly setup: string
  /** What was done to it. */
  readonly under: string
  readonly accepted: number
  readonly lost: number
  /** Messages whose write was rolled back, and that are there. */
  readonly ghosts: number
}

/**
 * @param controls what the reports are drawn beside
 * @param files reports of the fault suite; default: the newest, where there is one
 */
export async function writeChart(controls: readonly Loss[], files: readonly string[] = []): Promise<void> {
  const reports: unknown[] = []
  for (const file of files) reports.push(JSON.parse(await readFile(file, 'utf8')))
  if (files.length === 0) reports.push(await readFile(REPORT, 'utf8').then(JSON.parse, () => []))
  await writeFile(CHART, lossChart([...controls, ...lossesOf(reports.flat())]))
}

interface Run {
  readonly adapter: string
  readonly syncInterval: string
  readonly verdict: string
  readonly cycles: readonly { readonly fault: string; readonly skipped?: string }[]
  readonly figures: { readonly accepted: number }
  readonly rules: readonly {
    readonly rule: string
    readonly findings: readonly { readonly count: number }[]
    readonly exempted: readonly { readonly count: number }[]
  }[]
}

/** Of a `faults-report.json`: the runs of one setup together. A run that proves nothing is not drawn. */
export function lossesOf(report: unknown): Loss[] {
  const runs: readonly Run[] = Array.isArray(report) ? report : []
  const bySetup = new Map<string, Run[]>()
  for (const run of runs.filter(({ verdict }) => verdict !== 'void')) {
    const setup = setupOf(run)
    bySetup.set(setup, [...(bySetup.get(setup) ?? []), run])
  }
  return [...bySetup].map(([setup, of]) => {
    const faults = of.flatMap(({ cycles }) => cycles.filter(({ skipped }) => skipped === undefined))
    const kinds = [...new Set(faults.map(({ fault }) => fault))]
    const under = `${faults.length} faults${kinds.length > FEW ? ` of ${kinds.length} kinds` : `: ${kinds.join(', ')}`}`
    const accepted = of.reduce((sum, { figures }) => sum + figures.accepted, 0)
    return { setup, under, accepted, lost: total(of, 'R1'), ghosts: total(of, 'R9') }
  })
}

function setupOf({ adapter, syncInterval }: Run): string {
  if (adapter === 'nats') return `busbar nats, sync_interval ${syncInterval}`
  return `busbar ${adapter}`
}

function total(runs: readonly Run[], code: string): number {
  const rules = runs.flatMap((run) => run.rules.filter(({ rule }) => rule === code))
  return rules
    .flatMap(({ findings, exempted }) => [...findings, ...exempted])
    .reduce((sum, { count }) => sum + count, 0)
}

const WIDTH = 860
const ROW = 56
const TOP = 64
const BAR_FROM = 20
const BAR_WIDTH = 520
const BAR_HEIGHT = 12

/** One bar for each setup: the share of accepted messages that was lost. Nothing lost is a line, and the bound that its count allows. */
export function lossChart(losses: readonly Loss[]): string {
  const height = TOP + losses.length * ROW + 16
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="Loss by setup">`,
    `<style>${STYLE}</style>`,
    '<text class="title" x="20" y="28">Accepted messages that were lost</text>',
    '<text class="quiet" x="20" y="48">share of what each setup had accepted; for none of n, the 95 % bound is 3/n</text>',
    ...losses.map((loss, at) => rowOf(loss, TOP + at * ROW)),
    '</svg>',
    '',
  ].join('\n')
}

function rowOf(loss: Loss, y: number): string {
  const { setup, under, accepted, lost } = loss
  const share = accepted === 0 ? 0 : lost / accepted
  const width = Math.round(Math.max(lost > 0 ? 2 : 0, share * BAR_WIDTH))
  return [
    `<text class="name" x="${BAR_FROM}" y="${y + 18}">${escaped(setup)} <tspan class="quiet">${escaped(under)}</tspan></text>`,
    `<rect class="track" x="${BAR_FROM}" y="${y + 26}" width="${BAR_WIDTH}" height="${BAR_HEIGHT}" rx="3"/>`,
    `<rect class="lost" x="${BAR_FROM}" y="${y + 26}" width="${width}" height="${BAR_HEIGHT}" rx="3"/>`,
    `<text class="${lost + loss.ghosts > 0 ? 'bad' : 'good'}" x="${BAR_FROM + BAR_WIDTH + 14}" y="${y + 37}">${escaped(saying(loss))}</text>`,
  ].join('\n')
}

function saying({ accepted, lost, ghosts }: Loss): string {
  const count = (number: number): string => number.toLocaleString('en-US')
  const of = `${count(lost)} of ${count(accepted)} lost`
  const extra = ghosts > 0 ? `, ${count(ghosts)} ghosts` : ''
  const bound = lost === 0 && accepted > 0 ? ` (below ${(300 / accepted).toPrecision(2)} %)` : ''
  return `${of}${extra}${extra === '' ? bound : ''}`
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

const STYLE = `
text { font: 14px system-ui, sans-serif; fill: #1f2328 }
.title { font-size: 17px; font-weight: 600 }
.quiet { fill: #59636e; font-size: 12px }
.track { fill: #d1d9e0 }
.lost { fill: #cf222e }
.bad { fill: #cf222e }
.good { fill: #1a7f37 }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc }
  .quiet { fill: #9198a1 }
  .track { fill: #3d444d }
  .lost { fill: #f85149 }
  .bad { fill: #f85149 }
  .good { fill: #3fb950 }
}
`
