/** The index against a linear scan: same answers, same order, whatever was added and removed before. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { match } from '../../src/subject.js'
import { SubjectIndex } from '../../src/subject-index.js'

const token = fc.constantFrom('a', 'b', '__proto__', 'constructor')
const subjects = fc.array(token, { minLength: 1, maxLength: 4 }).map((tokens) => tokens.join('.'))
const patterns = fc
  .tuple(fc.array(fc.oneof(token, fc.constant('*')), { maxLength: 3 }), fc.constantFrom('a', '*', '>'))
  .map(([start, end]) => [...start, end].join('.'))

type Step =
  | { readonly kind: 'add'; readonly pattern: string }
  | { readonly kind: 'remove'; readonly which: number }
  | { readonly kind: 'match'; readonly subject: string }

const steps = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('add' as const), pattern: patterns }),
    fc.record({ kind: fc.constant('remove' as const), which: fc.nat() }),
    fc.record({ kind: fc.constant('match' as const), subject: subjects }),
  ),
  { maxLength: 60 },
)

interface Listed {
  readonly pattern: string
  readonly value: number
  readonly remove: () => void
}

function run(all: readonly Step[]): void {
  const index = new SubjectIndex<number>()
  const ever: Listed[] = []
  let present: Listed[] = []
  for (const [at, step] of all.entries()) {
    if (step.kind === 'add') {
      const listed = { pattern: step.pattern, value: at, remove: index.add(step.pattern, at) }
      ever.push(listed)
      present.push(listed)
    } else if (step.kind === 'remove') {
      // Out of everything ever added, so that some are removed twice.
      const listed = ever[step.which % Math.max(1, ever.length)]
      listed?.remove()
      present = present.filter((each) => each !== listed)
    } else {
      const scanned = present.filter((each) => match(each.pattern, step.subject)).map((each) => each.value)
      expect(index.match(step.subject)).toEqual(scanned)
    }
    expect(index.size).toBe(present.length)
  }
}

describe('SubjectIndex', () => {
  it('answers like a linear scan under any sequence of add, remove and match', () => {
    fc.assert(fc.property(steps, run), { numRuns: 1000 })
  })

  it('keeps a list that it gave out as it was', () => {
    const index = new SubjectIndex<string>()
    const remove = index.add('a.>', 'one')
    const before = index.match('a.b')
    index.add('a.*', 'two')
    remove()
    expect(before).toEqual(['one'])
    expect(index.match('a.b')).toEqual(['two'])
  })

  it('lists one value twice when it was added twice', () => {
    const index = new SubjectIndex<string>()
    index.add('a', 'x')
    const remove = index.add('a', 'x')
    expect(index.match('a')).toEqual(['x', 'x'])
    remove()
    expect(index.match('a')).toEqual(['x'])
  })

  it('still answers right after more subjects than its cache holds', () => {
    const index = new SubjectIndex<string>()
    index.add('n.*', 'x')
    for (let n = 0; n < 10_050; n++) index.match(`n.${n}`)
    expect(index.match('n.3')).toEqual(['x'])
    expect(index.match('m.3')).toEqual([])
  })
})
