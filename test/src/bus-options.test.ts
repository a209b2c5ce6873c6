/** What a bus is made of: defaults, and what is refused before anything is opened. */
import { describe, expect, it } from 'vitest'
import { memory } from '../../adapters/memory/index.js'
import { type BusOptions, resolveBus } from '../../src/bus-options.js'
import { codeOf } from '../code-of.js'

const adapter = memory()
const refusal = (options: unknown): string | undefined => codeOf(() => resolveBus(options as BusOptions))
const names = (options: Omit<BusOptions, 'adapter'>): string[] =>
  resolveBus({ adapter, ...options }).streams.map((stream) => stream.name)

describe('a bus', () => {
  it('needs an adapter', () => {
    for (const options of [undefined, null, {}, { adapter: null }, { adapter: 'memory' }, { adapter: memory }])
      expect(refusal(options)).toBe('BUS_INVALID_OPTION')
  })

  it('gets a stream for dead letters, unless one of its own takes them', () => {
    expect(names({})).toEqual(['dead'])
    expect(names({ streams: [{ name: 'a', subjects: ['a'] }] })).toEqual(['a', 'dead'])
    expect(names({ streams: [{ name: 'graves', subjects: ['dead.*'] }] })).toEqual(['graves'])
    expect(names({ streams: [{ name: 'everything', subjects: ['>'] }] })).toEqual(['everything'])
  })

  it('gives its defaults to every stream that does not say otherwise, that for dead letters included', () => {
    const stream = { replicas: 3, maxAge: '30d', discard: 'old', retention: 'interest' } as const
    const streams = [{ name: 'a', subjects: ['a'], replicas: 1 }]
    const resolved = resolveBus({ adapter, streams, defaults: { stream } }).streams
    const ages = { maxAgeMs: 30 * 86_400_000 }
    expect(resolved).toMatchObject([
      { name: 'a', ...ages, replicas: 1, discard: 'old', retention: 'interest' },
      { name: 'dead', ...ages, replicas: 3, discard: 'new', retention: 'limits' },
    ])
  })

  it('is refused when its own stream is in the way of the one for dead letters', () => {
    expect(refusal({ adapter, streams: [{ name: 'dead', subjects: ['other'] }] })).toBe('BUS_CONFLICT')
    expect(refusal({ adapter, streams: [{ name: 'a', subjects: ['dead.a.b'] }] })).toBe('BUS_CONFLICT')
  })

  it('is refused with bad streams or a bad deadline', () => {
    const stream = { name: 'a', subjects: ['a'] }
    expect(refusal({ adapter, streams: [stream, stream] })).toBe('BUS_CONFLICT')
    expect(refusal({ adapter, streams: [{ ...stream, name: 'a b' }] })).toBe('BUS_INVALID_OPTION')
    expect(refusal({ adapter, streams: [{ ...stream, subjects: ['a..b'] }] })).toBe('BUS_INVALID_SUBJECT')
    expect(refusal({ adapter, defaults: { shutdownWithin: 'soon' } })).toBe('BUS_INVALID_OPTION')
    for (const bad of [null, 5, 'x'])
      for (const defaults of [bad, { stream: bad }, { pool: bad }])
        expect([defaults, refusal({ adapter, defaults })]).toEqual([defaults, 'BUS_INVALID_OPTION'])
  })

  it('that is strict refuses streams that this backend would lose with its process', () => {
    const stream = { name: 'a', subjects: ['a'] }
    const strict = (more: object): string | undefined =>
      refusal({ adapter, strict: true, streams: [{ ...stream, ...more }] })
    expect(strict({ storage: 'file' })).toBe('BUS_CONFIG')
    expect(strict({ storage: 'memory', replicas: 3 })).toBe('BUS_CONFIG')
    expect(strict({ storage: 'memory' })).toBeUndefined()
    expect(strict({})).toBeUndefined()
    expect(refusal({ adapter, streams: [{ ...stream, storage: 'file' }] })).toBeUndefined()
    expect(refusal({ adapter, strict: true, defaults: { stream: { replicas: 3 } } })).toBe('BUS_CONFIG')
  })

  it('has twenty seconds for its shutdown unless it says otherwise', () => {
    expect(resolveBus({ adapter }).shutdownMs).toBe(20_000)
    expect(resolveBus({ adapter, defaults: { shutdownWithin: '1s' } }).shutdownMs).toBe(1000)
  })
})
