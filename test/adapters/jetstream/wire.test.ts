/** Messages on the wire: header blocks and ack subjects, there and back, and whatever others may have written into them. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseAckSubject } from '../../../adapters/jetstream/consume/ack-subject.js'
import { headerBlock, parseHeaders } from '../../../adapters/jetstream/wire.js'
import { checkHeaders, NO_HEADERS } from '../../../src/message.js'

const printable = fc
  .string({ minLength: 1, maxLength: 40, unit: 'grapheme' })
  .filter((text) => !/[\p{Cc}\p{Cs}]/u.test(text))
const name = fc.stringMatching(/^[a-z][a-z0-9_-]{0,12}$/).filter((text) => !/^(nats-|busbar-|status$|trace)/.test(text))
const value = fc.string({ maxLength: 60, unit: 'binary' }).filter((text) => !/[\r\n\0]/.test(text))

const textOf = (...args: Parameters<typeof headerBlock>): string =>
  Buffer.from(headerBlock(...args).encode()).toString()

describe('a header block', () => {
  it('JS-H4: gives back every id, key and header value exactly, half surrogate pairs included', () => {
    fc.assert(
      fc.property(printable, fc.option(printable, { nil: undefined }), fc.dictionary(name, value), (id, key, own) => {
        const headers = checkHeaders(own)
        const text = textOf({ id, key, headers }, { stream: 'orders', dedupId: id })
        expect(parseHeaders(text)).toEqual({ id, key, headers: { ...headers } })
      }),
    )
  })

  it('reads the same in an atomic batch as alone', () => {
    fc.assert(
      fc.property(printable, fc.option(printable, { nil: undefined }), fc.dictionary(name, value), (id, key, own) => {
        const alone = headerBlock({ id, key, headers: checkHeaders(own) }, { stream: 'orders', dedupId: id })
        for (const isCommit of [false, true]) {
          const text = Buffer.from(alone.inBatch('B1', 7, isCommit).encode()).toString()
          expect(text).toContain('\r\nNats-Batch-Id:B1\r\nNats-Batch-Sequence:7\r\n')
          expect(text.endsWith('\r\nNats-Batch-Commit:1\r\n\r\n')).toBe(isCommit)
          expect(parseHeaders(text)).toEqual(parseHeaders(Buffer.from(alone.encode()).toString()))
        }
      }),
    )
  })

  it('reads a block that another client has written, with a space behind each colon', () => {
    const text = 'NATS/1.0\r\nNats-Msg-Id: a\r\nNats-Expected-Stream: s\r\n\r\n'
    expect(parseHeaders(text)).toEqual({ id: 'a', key: undefined, headers: {} })
  })

  it('keeps an id apart from what the window of the server compares', () => {
    const text = textOf({ id: 'a', key: undefined, headers: NO_HEADERS }, { stream: 's', dedupId: 'a again' })
    expect(text).toContain('Nats-Msg-Id:a again\r\n')
    expect(parseHeaders(text).id).toBe('a')
  })

  it('sends different ids for ids that only look alike', () => {
    const ids = ['é', '%00E9', '%E9', 'e\u0301', ' a', 'a ', 'a', '%61']
    const sent = ids.map((id) => textOf({ id, key: undefined, headers: NO_HEADERS }, { stream: 's', dedupId: id }))
    const values = sent.map((text) => /Nats-Msg-Id:(.*)\r\n/.exec(text)?.[1])
    expect(new Set(values).size).toBe(ids.length)
  })

  it('JS-H5: takes what a stranger wrote under reserved names as data', () => {
    const text = 'NATS/1.0\r\nNats-Rollup: all\r\nNats-TTL: 1s\r\nplain: x\r\n\r\n'
    expect(parseHeaders(text)).toEqual({
      id: undefined,
      key: undefined,
      headers: { 'Nats-Rollup': 'all', 'Nats-TTL': '1s', plain: 'x' },
    })
  })

  it('JS-H5: sends no command that a stranger wrote, when the message is published again', () => {
    const headers = { 'Nats-Rollup': 'all', 'nats-ttl': '1s', plain: 'x' }
    const text = textOf({ id: 'a', key: undefined, headers }, { stream: 's', dedupId: 'a' })
    expect(text).not.toMatch(/^nats-(rollup|ttl)/im)
    expect(parseHeaders(text).headers).toEqual({
      'Busbar-Was-Nats-Rollup': 'all',
      'Busbar-Was-nats-ttl': '1s',
      plain: 'x',
    })
  })

  it('never throws, whatever it is given', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => void parseHeaders(`NATS/1.0\r\n${text}`)))
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => void parseHeaders(text)))
  })
})

describe('an ack subject', () => {
  const facts = { stream: 'orders', count: 2, sequence: 77, consumerSequence: 90, time: 1_700_000_000_123, pending: 5 }

  it.each([
    '$JS.ACK.orders.billing.2.77.90.1700000000123456789.5',
    '$JS.ACK._.hash.orders.billing.2.77.90.1700000000123456789.5',
    '$JS.ACK.hub.hash.orders.billing.2.77.90.1700000000123456789.5.token',
  ])('JS-H6: is understood as %s', (subject) => {
    expect(parseAckSubject(subject)).toEqual(facts)
  })

  it.each(['orders.42', '$JS.ACK', '$JS.ACK.orders.billing.2.77', '$JS.API.STREAM.INFO.orders', ''])(
    'is not seen in %s',
    (subject) => {
      expect(parseAckSubject(subject)).toBeUndefined()
    },
  )

  it.each(['1e3', '', ' 7', '7 ', '-7', '+7', '7,5', '0x7', '7n', '٧', 'NaN', ':', '/'])(
    'is not seen where %j stands for a number',
    (word) => {
      const numbers = ['2', '77', '90', '1700000000123456789', '5']
      for (const at of numbers.keys()) {
        const subject = numbers.with(at, word).join('.')
        for (const start of ['$JS.ACK.orders.billing', '$JS.ACK.hub.hash.orders.billing'])
          expect([subject, parseAckSubject(`${start}.${subject}`)]).toEqual([subject, undefined])
      }
    },
  )
})
