/** What one backend accepts, every backend accepts, and it arrives exactly: id, key, subject, headers, data, by position and by consumer. */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { encodeToken, type Message } from '../../src/index.js'
import { until } from '../../testing/suite/expect.js'
import { endOf } from './neighbour.js'
import { PATIENCE, runs } from './runs.js'
import { printable, text } from './words.js'
import { openWorlds, type World, type Worlds } from './worlds.js'

interface Written {
  readonly path: string
  readonly data: unknown
  readonly options: { readonly id: string; readonly key?: string; readonly headers?: Readonly<Record<string, string>> }
}

const headerName = fc.oneof(
  fc.constantFrom(
    'x',
    'X-Trace',
    '__proto__',
    'constructor',
    "!#$%&'*+-.^_`|~",
    'nats',
    'Description',
    'a'.repeat(300),
  ),
  text,
)
const headers = fc.dictionary(headerName, text, { maxKeys: 4, noNullPrototype: true })
const data = fc.oneof(fc.jsonValue({ maxDepth: 3 }), text, fc.uint8Array({ maxLength: 60 }))

let written = 0
/** Ids of their own, since each case is a message of its own. */
const message: fc.Arbitrary<
  Omit<Written, 'options'> & { readonly options: Omit<Written['options'], 'id'>; readonly id: string }
> = fc.record({
  path: fc.oneof(
    fc.constantFrom('a', 'a.b'),
    text.map((part) => encodeToken(part).slice(0, 256)),
  ),
  data,
  id: printable,
  options: fc.record({ key: printable, headers }, { requiredKeys: [] }),
})

/** What a reader sees of a message. */
function seen(found: Message | undefined): unknown {
  if (found === undefined) return undefined
  expect(Object.getPrototypeOf(found.headers)).toBe(null)
  return {
    id: found.id,
    key: found.key,
    subject: found.subject,
    headers: Object.entries(found.headers).toSorted(),
    data: found.data,
  }
}

function meant({ path, data: sent, options }: Written): unknown {
  const { id, key, headers: own = {} } = options
  return { id, key, subject: `h.${path}`, headers: Object.entries(own).toSorted(), data: decoded(sent) }
}

function decoded(sent: unknown): unknown {
  return sent instanceof Uint8Array ? new Uint8Array(sent) : JSON.parse(JSON.stringify(sent))
}

describe('on memory, nats and dual', () => {
  let worlds: Worlds
  const collected = new Map<string, Map<string, unknown>>()
  beforeAll(async () => {
    worlds = await openWorlds('h')
    for (const { name, bus } of worlds.all) {
      const own = new Map<string, unknown>()
      collected.set(name, own)
      await bus.consume({ name: 'reader', stream: 'h' }, (found) => void own.set(found.id, seen(found)))
    }
  })
  afterAll(() => worlds.end())

  async function publish({ bus }: World, each: Written): Promise<{ code: string | undefined; sequence: number }> {
    const { code, value } = await endOf(() => bus.publish(`h.${each.path}`, each.data, each.options))
    return { code, sequence: code === undefined ? (value as { sequence: number }).sequence : 0 }
  }

  it('a message is accepted and arrives as it was, or is refused with the same code', PATIENCE, async () => {
    const accepted = new Map<string, unknown>()
    const one = fc.asyncProperty(fc.array(message, { minLength: 1, maxLength: 12 }), async (messages) => {
      const batch: Written[] = messages.map(({ id, options, ...rest }) => ({
        ...rest,
        options: { ...options, id: `${++written}${id}` },
      }))
      const ends = await Promise.all(worlds.all.map((world) => Promise.all(batch.map((each) => publish(world, each)))))
      for (const [at, each] of batch.entries()) {
        const codes = ends.map((own) => own[at]?.code)
        expect(new Set(codes).size, codes.join()).toBe(1)
        if (codes[0] === undefined) accepted.set(each.options.id, meant(each))
        for (const [which, { bus }] of worlds.all.entries())
          if (codes[0] === undefined)
            expect(seen(await bus.get('h', ends[which]?.[at]?.sequence ?? 0))).toEqual(meant(each))
      }
      for (const { neighbour } of worlds.all) await neighbour.say()
    })
    await fc.assert(one, runs(40))
    for (const own of collected.values()) {
      await until(() => own.size >= accepted.size, 'all messages at the consumer')
      expect(own).toEqual(accepted)
    }
  })

  it('an id names one message: repeated it is a duplicate, with other content a conflict', PATIENCE, async () => {
    const one = fc.asyncProperty(printable, data, data, async (word, content, other) => {
      const id = `again-${++written}-${word}`
      const isSame =
        JSON.stringify(decoded(content)) === JSON.stringify(decoded(other)) &&
        content instanceof Uint8Array === other instanceof Uint8Array
      const ends = await Promise.all(
        worlds.all.map(async ({ bus }) => {
          const tell = async (sent: unknown): Promise<unknown> => {
            const { code, value } = await endOf(() => bus.publish('h.again', sent, { id }))
            return code ?? (value as { duplicate: boolean }).duplicate
          }
          return [await tell(content), await tell(content), await tell(other)]
        }),
      )
      for (const end of ends) expect(end).toEqual(ends[0])
      if (ends[0]?.[0] === false) expect(ends[0]).toEqual([false, true, expect.anything()])
      if (ends[0]?.[0] === false && !isSame && ends[0][2] !== 'BUS_INVALID_MESSAGE')
        expect(ends[0][2]).toBe('BUS_ID_CONFLICT')
    })
    await fc.assert(one, runs(60))
  })
})
