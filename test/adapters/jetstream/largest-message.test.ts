/** The largest message that is taken can be given up and redriven, whatever it is called and however it failed. On real servers. */
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { jetstream } from '../../../adapters/jetstream/index.js'
import { createBus } from '../../../src/bus.js'
import type { DeadLetter } from '../../../src/dead-letter.js'
import { isBusError, Reject } from '../../../src/errors.js'
import type { MessageBus } from '../../../src/message-bus.js'
import { nth, until } from '../../../testing/suite/expect.js'
import { codeOfAsync } from '../../code-of.js'
import { type NatsServer, startNats } from '../../servers/nats-server.js'

const MAX_PAYLOAD = 100_000

/** All but the payload. */
interface Wording {
  /** Another one of the same length for each number below 100. */
  readonly id: (number: number) => string
  /** Of the subject, behind a token of 64 characters. */
  readonly rest: string
  readonly headers: Readonly<Record<string, string>>
  readonly error: string
}

const plain: Wording = { id: (number) => `id-${100 + number}`, rest: 'a', headers: {}, error: 'bad' }
/** As long as can be, and of what takes most room on the wire. */
const escaped: Wording = {
  id: (number) => '漢'.repeat(255) + String.fromCharCode(0x4e00 + number),
  rest: [256, 256, 256, 188].map((length) => '%'.repeat(length)).join('.'),
  headers: { note: 'ü'.repeat(3000) },
  error: '漢 %'.repeat(2000),
}
const wide: Wording = { ...escaped, headers: unprintable([2700, 2700, 2700, 1000]) }

describe.each(['2.15', '2.10'] as const)('the largest message, server %s', (version) => {
  let server: NatsServer
  beforeAll(async () => {
    server = await startNats({ version, maxPayloadBytes: MAX_PAYLOAD })
  })
  afterAll(async () => {
    await server.stop()
  })

  it.each([
    ['short words', plain],
    ['words that grow when they are escaped', escaped],
    ['nearly as many headers as a server stores', wide],
  ])(
    'JS-P6: becomes a dead letter and is handled once it is redriven, with %s',
    { timeout: 30_000 },
    async (_, wording) => {
      const [name, other, consumer] = [fullName(), fullName(), fullName()]
      const streams = [name, other].map((stream) => ({ name: stream, subjects: [`${stream}.>`] }))
      await using bus = createBus({ adapter: jetstream({ servers: server.url }), streams })
      await bus.connect()
      const data = 'x'.repeat(await largest(bus, other, wording))
      const { rest, headers, error } = wording
      const options = { id: wording.id(0), headers }
      expect(await codeOfAsync(() => bus.publish(`${name}.${rest}`, `${data}x`, options))).toBe('BUS_TOO_LARGE')
      await bus.publish(`${name}.${rest}`, data, options)
      const handled: unknown[] = []
      let isMended = false
      const pool = await bus.consume({ name: consumer, stream: name }, (message) => {
        if (!isMended) throw new Reject(error)
        handled.push(message.data)
      })
      await until(() => pool.stats().dead === 1, 'the dead letter')
      const letters: DeadLetter[] = []
      for await (const letter of bus.deadLetters(consumer).list()) letters.push(letter)
      const letter = nth(letters, 0)
      expect([letter.id, { ...letter.headers }, letter.data === data]).toEqual([options.id, headers, true])
      isMended = true
      expect(await bus.deadLetters(consumer).redrive()).toEqual({ matched: 1, redriven: 1 })
      await until(() => handled.length > 0, 'the redriven message')
      expect([handled.length, handled[0] === data]).toEqual([1, true])
    },
  )

  it('JS-P6: leaves room among the headers too, of which a server stores 65,535 bytes', async () => {
    const name = fullName()
    const streams = [{ name, subjects: [`${name}.>`] }]
    await using bus = createBus({ adapter: jetstream({ servers: server.url }), streams })
    await bus.connect()
    const publish = (lengths: readonly number[]): Promise<unknown> =>
      bus.publish(`${name}.a`, 1, { headers: unprintable(lengths) })
    // Six bytes for each character: 57,000, and 57,600 of the 57,343 that are left.
    await publish([2700, 2700, 2700, 1400])
    expect(await codeOfAsync(() => publish([2700, 2700, 2700, 1500]))).toBe('BUS_TOO_LARGE')
  })
})

/** Headers of that many characters each, all of which are escaped. */
function unprintable(lengths: readonly number[]): Readonly<Record<string, string>> {
  return Object.fromEntries(lengths.map((length, at) => [`h${at}`, '漢'.repeat(length)]))
}

/** As long as a name may be. */
function fullName(): string {
  return randomBytes(32).toString('hex')
}

/** Characters of the largest text that a stream takes. */
async function largest(bus: MessageBus, stream: string, { id, rest, headers }: Wording): Promise<number> {
  let [taken, refused] = [0, MAX_PAYLOAD]
  for (let number = 0; refused - taken > 1; number++) {
    const size = Math.floor((taken + refused) / 2)
    try {
      await bus.publish(`${stream}.${rest}`, 'x'.repeat(size), { id: id(number), headers })
      taken = size
    } catch (thrown) {
      if (!isBusError(thrown, 'BUS_TOO_LARGE')) throw thrown
      refused = size
    }
  }
  return taken
}
