/**
 * A report as one picture: a panel for each part, a bar for each row with its median, and a line from its minimum to its maximum. Written by
 * hand, so that no library has to be there, and readable on a light and on a dark page.
 */
import { groups } from './contender.js'
import { type Part, partsOf } from './markdown.js'
import { latencyOf, type MeasuredRow, type Report } from './report.js'
import type { Spread } from './rounds.js'

const WIDTH = 960
const NAMES = 240
const VALUES = 130
const BARS = WIDTH - NAMES - VALUES
const ROW = 20
const TITLE = 44
const MARGIN = 16

const STYLE = `
  text { font: 12px system-ui, sans-serif; fill: #24292f }
  .title { font-weight: 600; font-size: 14px }
  .own { fill: #1f6feb } .other { fill: #8c959f } .range { stroke: #24292f; stroke-width: 1.5 }
  .page { fill: #ffffff }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .page { fill: #0d1117 } .range { stroke: #e6edf3 } .own { fill: #4493f8 } .other { fill: #6e7681 }
  }`

interface Bar {
  readonly name: string
  readonly value: Spread
  readonly isOwn: boolean
  readonly durability: string
}

interface Panel {
  readonly title: string
  readonly unit: string
  readonly bars: readonly Bar[]
}

export function toSvg(report: Report): string {
  const panels = partsOf(report).flatMap(panelsOf)
  let top = MARGIN
  const drawn = panels.map((panel) => {
    const text = drawPanel(panel, top)
    top += heightOf(panel)
    return text
  })
  const height = top + MARGIN
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">`,
    `<title>busbar benchmarks: medians with minimum and maximum</title><style>${STYLE}\n</style>`,
    `<rect class="page" width="${WIDTH}" height="${height}"/>`,
    ...drawn,
    '</svg>\n',
  ].join('\n')
}

/** Rates and latencies do not share a scale. */
function panelsOf({ group, backend, rows }: Part): Panel[] {
  const title = `${groups[group]} (${backend})`
  const isLatency = (row: MeasuredRow): boolean => row.latencies.length > 0
  const rates = rows.filter((row) => !isLatency(row)).map((row) => toBar(row, row))
  const latencies = rows.filter(isLatency).map((row) => toBar(row, latencyOf(row.latencies, 'p95')))
  const panels = [
    { title, unit: 'messages a second', bars: rates },
    { title, unit: 'p95 in ms', bars: latencies },
  ]
  return panels.filter(({ bars }) => bars.length > 0)
}

function toBar({ contender, what, durability }: MeasuredRow, value: Spread): Bar {
  return { name: contender, value, durability, isOwn: what.startsWith('busbar') }
}

function heightOf({ bars }: Panel): number {
  return TITLE + bars.length * ROW + MARGIN
}

function drawPanel({ title, unit, bars }: Panel, top: number): string {
  const most = Math.max(...bars.map(({ value }) => value.max))
  const x = (value: number): string => (NAMES + (value / most) * BARS).toFixed(1)
  const lines = bars.map(({ name, value, isOwn, durability }, at) => {
    const y = top + TITLE + at * ROW
    const { median, min, max } = value
    return [
      `<g><title>${escaped(`${name}: ${format(median)} (${format(min)} to ${format(max)}); ${durability}`)}</title>`,
      `<text x="${NAMES - 8}" y="${y + 10}" text-anchor="end">${escaped(name)}</text>`,
      `<rect class="${isOwn ? 'own' : 'other'}" x="${NAMES}" y="${y}" width="${((median / most) * BARS).toFixed(1)}" height="13"/>`,
      `<line class="range" x1="${x(min)}" x2="${x(max)}" y1="${y + 6.5}" y2="${y + 6.5}"/>`,
      `<text x="${NAMES + BARS + 8}" y="${y + 10}">${format(median)}</text></g>`,
    ].join('')
  })
  const heading = `<text class="title" x="${MARGIN}" y="${top + 20}">${escaped(title)}: ${unit}</text>`
  return [heading, ...lines].join('\n')
}

function format(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en-US') : value.toFixed(2)
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)
}
