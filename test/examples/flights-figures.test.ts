/** The comparison that the demo rests on: figures computed by hand, and every kind of difference is found. */
import { describe, expect, it } from 'vitest'
import { type Flight, isImpossible, loadFlights } from '../../examples/flights/data.js'
import { compare, type Figures, list } from '../../examples/flights/figures.js'
import { trueFigures } from '../../examples/flights/truth.js'

const base = { distance: 400, origin: 'AAA', destination: 'BBB' }
const few: readonly Flight[] = [
  { ...base, date: '2001/01/01 00:01', delay: 70 },
  { ...base, date: '2001/01/01 00:02', delay: 61, distance: 401 },
  { ...base, date: '2001/01/01 00:03', delay: 5, origin: 'CCC' },
  { ...base, date: '2001/01/01 00:04', delay: 60 },
  { ...base, date: '2001/01/01 00:05', delay: -81, distance: 399 },
]

describe('the true figures', () => {
  it('are those of a calculation by hand', () => {
    const figures = trueFigures(few)
    expect(figures.published).toBe(5)
    expect(figures.pages).toBe(3)
    // 400 miles are turned away once by the store; the pager fails twice for 70 minutes, once for 60, never for 61.
    expect(figures.consumers.delays).toEqual({ handled: 5, retried: 3, dead: 0 })
    expect(figures.consumers.alerts).toEqual({ handled: 5, retried: 3, dead: 0 })
    expect(figures.consumers.auditor).toEqual({ handled: 4, retried: 0, dead: 1 })
    expect([...figures.deadLetters]).toEqual([[4, JSON.stringify(few[4])]])
    expect(figures.airports.get('AAA')).toEqual({
      flights: 4,
      delay: 110,
      worst: 70,
      miles: 1600,
      lateInARow: 3,
      lateNow: 0,
      lastDeparture: '2001/01/01 00:05',
      lines: [0, 1, 3, 4],
    })
    expect(figures.airports.get('CCC')).toMatchObject({ flights: 1, delay: 5, lateInARow: 0, lines: [2] })
  })

  it('of the real file exercise every part of the demo', async () => {
    const flights = await loadFlights()
    const { published, pages, consumers, deadLetters, airports } = trueFigures(flights)
    expect(published).toBe(20_000)
    expect(pages).toBeGreaterThan(1000)
    expect(consumers.delays.retried).toBeGreaterThan(100)
    expect(consumers.alerts.retried).toBeGreaterThan(100)
    expect(deadLetters.size).toBe(flights.filter(isImpossible).length)
    expect(deadLetters.size).toBeGreaterThan(0)
    expect(deadLetters.size).toBeLessThan(100)
    expect(airports.size).toBeGreaterThan(200)
  })
})

describe('the comparison', () => {
  const expected = trueFigures(few)

  it('finds nothing between equal figures', () => {
    expect(compare(trueFigures(few), expected)).toEqual([])
  })

  it('names every figure that is altered, whichever it is', () => {
    for (const [path, altered] of alterations(expected)) {
      const differences = compare(altered, expected)
      expect(differences.length, `altering ${path} goes unnoticed`).toBeGreaterThan(0)
    }
  })

  it('sees a changed order though every sum is right', () => {
    const airports = new Map(expected.airports)
    const row = airports.get('AAA')
    if (row === undefined) throw new Error('no airport AAA')
    airports.set('AAA', { ...row, lines: [1, 0, 3, 4] })
    expect(compare({ ...expected, airports }, expected)).toEqual([
      { figure: 'AAA lines', measured: '1,0,3,4', expected: '0,1,3,4' },
    ])
  })

  it('sees a dead letter too many, and one too few', () => {
    const more = new Map([...expected.deadLetters, [0, '{}'] as const])
    expect(compare({ ...expected, deadLetters: more }, expected)).toEqual([
      { figure: 'dead letter of line 0', measured: '{}', expected: 'none' },
    ])
    expect(compare({ ...expected, deadLetters: new Map() }, expected)).toHaveLength(1)
  })
})

/** The figures with one number or text changed, once for each. */
function alterations(figures: Figures): [path: string, altered: Figures][] {
  const { consumers, airports } = figures
  const all: [string, Figures][] = [
    ['published', { ...figures, published: figures.published + 1 }],
    ['pages', { ...figures, pages: figures.pages - 1 }],
  ]
  for (const consumer of ['delays', 'alerts', 'auditor'] as const) {
    for (const count of ['handled', 'retried', 'dead'] as const) {
      const counts = { ...consumers[consumer], [count]: consumers[consumer][count] + 1 }
      all.push([`${consumer} ${count}`, { ...figures, consumers: { ...consumers, [consumer]: counts } }])
    }
  }
  for (const [airport, row] of airports) {
    for (const field of Object.keys(row)) {
      const changed = { ...row, [field]: field === 'lines' ? [...row.lines, 99] : `${Reflect.get(row, field)}1` }
      all.push([`${airport} ${field}`, { ...figures, airports: new Map([...airports, [airport, changed]]) }])
    }
  }
  // One alteration for each figure but the dead letters, which have a test of their own.
  expect(all).toHaveLength(list(figures).size - figures.deadLetters.size)
  return all
}
