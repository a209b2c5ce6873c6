/** From stored bytes to typed messages: which topic types what, and what strangers wrote. */
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { Contract, ReceivedMessage } from '../../src/contract.js'
import { silentLogger } from '../../src/logger.js'
import { type Headers, NO_HEADERS, type StoredMessage, VERSION_HEADER } from '../../src/message.js'
import { topic } from '../../src/topic.js'
import { codeOf, codeOfAsync } from '../code-of.js'

function stored(subject: string, text: string, headers: Headers = NO_HEADERS): StoredMessage {
  const place = { stream: 's', sequence: 1, time: 5 }
  return { ...place, id: 'i', subject, key: 'k', headers, payload: Buffer.from(text) }
}

const numbers = topic('n.{name}', { schema: z.object({ n: z.number() }) })
const words = topic('w.{name}', {
  schema: z.object({ word: z.string() }),
  version: 2,
  upcasts: { 1: (text: string) => ({ word: text }) },
})

describe('a contract', () => {
  it('has the patterns of its subjects and topics, or of the whole stream', () => {
    expect(new Contract([numbers, 'x.>'], silentLogger).patterns).toEqual(['n.*', 'x.>'])
    expect(new Contract('a', silentLogger).patterns).toEqual(['a'])
    expect(new Contract(undefined, silentLogger, ['s.>']).patterns).toEqual(['s.>'])
  })

  it('types a message by its own topic, and leaves those of plain patterns alone', async () => {
    const contract = new Contract([numbers, words, 'x'], silentLogger)
    const number = await contract.open(stored('n.a%2Eb', '{"n":1,"more":2}'))
    expect([number.data, { ...number.params }]).toEqual([{ n: 1 }, { name: 'a.b' }])
    const word = await contract.open(stored('w.a', '{"word":"x"}', { [VERSION_HEADER]: '2' }))
    expect(word.data).toEqual({ word: 'x' })
    const plain = await contract.open(stored('x', '{"any":1}'))
    expect([plain.data, { ...plain.params }]).toEqual([{ any: 1 }, {}])
  })

  it('takes a message without a version for one of version 1', async () => {
    expect((await new Contract(words, silentLogger).open(stored('w.a', '"x"'))).data).toEqual({ word: 'x' })
  })

  it('refuses versions that strangers wrote', async () => {
    const contract = new Contract(words, silentLogger)
    for (const version of ['', '0', '-1', '1.5', 'two', '1e20', 'NaN', '3']) {
      const message = stored('w.a', '"x"', { [VERSION_HEADER]: version })
      expect([version, await codeOfAsync(() => contract.open(message))]).toEqual([version, 'BUS_INVALID_MESSAGE'])
    }
  })

  it('refuses payloads of a topic that cannot be read or do not fit', async () => {
    const contract = new Contract(numbers, silentLogger)
    for (const text of ['', 'hello', '{"n":"1"}', 'null'])
      expect(await codeOfAsync(() => contract.open(stored('n.a', text)))).toBe('BUS_INVALID_MESSAGE')
  })

  it('refuses a filter that is none', () => {
    expect(codeOf(() => new Contract([], silentLogger))).toBe('BUS_INVALID_OPTION')
    for (const filter of ['', 'a..b', 1, null, {}, [undefined]])
      expect(codeOf(() => new Contract(filter as string, silentLogger))).toBe('BUS_INVALID_SUBJECT')
  })
})

describe('a message', () => {
  it('is decoded when its data is asked for, and once', () => {
    const unreadable = new ReceivedMessage(stored('x', 'hello'))
    expect(unreadable.id).toBe('i')
    expect(codeOf(() => unreadable.data)).toBe('BUS_INVALID_MESSAGE')
    const readable = new ReceivedMessage(stored('x', '{"a":1}'))
    expect(readable.data).toBe(readable.data)
  })

  it('is printed without its payload and its headers', () => {
    const message = new ReceivedMessage(stored('x', '{"pin":"hunter2"}', { mine: 'hunter3' }))
    expect(message.data).toEqual({ pin: 'hunter2' })
    expect(inspect(message, { depth: Infinity, showHidden: true })).not.toContain('hunter')
    expect(JSON.parse(JSON.stringify({ message }))).toEqual({
      message: { id: 'i', subject: 'x', stream: 's', sequence: 1, time: 5, key: 'k' },
    })
  })
})
