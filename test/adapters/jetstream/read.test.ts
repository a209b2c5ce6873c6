/** Readings that are disturbed: every message once and in order, or an honest end. Titles begin with the fact's code. */
import { cp, rm } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { growing, nth, pass, range, until } from '../../../testing/suite/expect.js'
import { textOf } from '../../../testing/suite/port-side.js'
import { codeOfAsync } from '../../code-of.js'
import { type NatsServer, startNats } from '../../servers/nats-server.js'
import { deleteReaders, Follower, read, readersOf, steal, texts } from './fixtures/readings.js'
import { Port } from './port.js'

describe.each(['2.15', '2.10'] as const)('reading, server %s', (version) => {
  let server: NatsServer
  beforeAll(async () => {
    server = await startNats({ version })
  })
  afterAll(async () => {
    await server.stop()
  })

  describe('without a gap', () => {
    it('JS-F8: JS-C1: a replay whose consumer is deleted again and again yields every message once and in order', async () => {
      await using port = await Port.open(server)
      await port.publish(...texts(1, 2000))
      const seen: string[] = []
      for await (const message of read(port)) {
        seen.push(textOf(message))
        if (seen.length % 400 === 0) await deleteReaders(port)
      }
      expect(seen).toEqual(texts(1, 2000))
    })

    it('JS-F8: a follower notices messages that did not reach it and reads them again', async () => {
      await using port = await Port.open(server)
      await using follower = new Follower(port)
      await port.publish('1')
      await follower.reached(1)
      const consumer = nth(await readersOf(port), 0)
      // Requests are served in turns, so the thief gets every other message.
      const stealing = steal(port, consumer, 2)
      await port.raw.flush()
      await port.publish(...texts(2, 9))
      await stealing
      await follower.reached(9)
      expect(follower.texts).toEqual(texts(1, 9))
      expect(await readersOf(port)).not.toContain(consumer)
    })

    it('JS-C1: a follower whose consumer is deleted reads on behind its last message', async () => {
      await using port = await Port.open(server)
      await using follower = new Follower(port, { from: 'new' })
      await until(async () => (await readersOf(port)).length === 1, 'the consumer')
      await deleteReaders(port)
      await port.publish('1')
      await follower.reached(1)
      await deleteReaders(port)
      await port.publish('2')
      await follower.reached(2)
      expect(follower.texts).toEqual(['1', '2'])
    })

    it('what is published once a reading from new is open is read, however late its first message is asked for', async () => {
      await using port = await Port.open(server)
      await port.publish('before')
      for (const from of ['new', 'last', 'last-per-subject'] as const) {
        const stopping = new AbortController()
        const reading = read(port, { from, follow: true, signal: stopping.signal })
        await reading.open?.()
        await port.publish(`${from} 1`, `${from} 2`)
        const seen: string[] = []
        for await (const message of reading) {
          seen.push(textOf(message))
          if (textOf(message) === `${from} 2`) stopping.abort()
        }
        expect(seen.slice(-2)).toEqual([`${from} 1`, `${from} 2`])
        expect(seen).toHaveLength(from === 'new' ? 2 : 3)
      }
    })

    it('messages that two overlapping filters take are read once', async () => {
      await using port = await Port.open(server)
      for (const path of ['a.x', 'a.y', 'b.y', 'b.z'])
        await port.send([port.outgoing(path, { subject: port.to(path) })])
      const filters = [port.to('a.*'), port.to('*.y')]
      const seen: string[] = []
      for await (const message of read(port, { filters })) seen.push(textOf(message))
      expect(seen).toEqual(['a.x', 'a.y', 'b.y'])
    })

    it('a replay of the newest messages ends with them, by filters that overlap too, while more are published', async () => {
      await using port = await Port.open(server)
      const paths = ['a.x', 'a.y', 'b.y', 'b.z']
      await port.send(paths.map((path) => port.outgoing(path, { subject: port.to(path) })))
      const filters = [port.to('a.*'), port.to('*.y')]
      const seen: string[] = []
      for await (const message of read(port, { filters, from: 'last-per-subject' })) {
        seen.push(textOf(message))
        await port.send(paths.map((path) => port.outgoing('later', { subject: port.to(path) })))
      }
      expect(seen).toEqual(['a.x', 'a.y', 'b.y'])
    })

    it('JS-C1: a replay of the newest messages of each subject is exact, though its consumer was deleted meanwhile', async () => {
      await using port = await Port.open(server)
      const pathOf = (n: number): string => (n % 3 === 0 ? 'often' : `once${n}`)
      await port.send(range(1, 900).map((n) => port.outgoing(`${n}`, { subject: port.to(pathOf(n)) })))
      const seen: string[] = []
      for await (const message of read(port, { from: 'last-per-subject' })) {
        seen.push(textOf(message))
        if (seen.length !== 3) continue
        // Neither what comes nor what is replaced now belongs to the reading.
        await port.send([port.outgoing('later', { subject: port.to('once1') })])
        await deleteReaders(port)
      }
      expect(seen).toEqual(texts(1, 900).filter((n) => Number(n) % 3 !== 0 || n === '900'))
    })
  })

  describe('ends', () => {
    it('stopping early leaves no consumer behind', async () => {
      await using port = await Port.open(server)
      await port.publish(...texts(1, 10))
      for await (const message of read(port)) if (textOf(message) === '3') break
      expect(await readersOf(port)).toEqual([])
    })

    it('aborting a follower that waits ends it at once, without an error and without a consumer', async () => {
      await using port = await Port.open(server)
      await using follower = new Follower(port)
      await until(async () => (await readersOf(port)).length === 1, 'the consumer')
      await follower[Symbol.asyncDispose]()
      expect(await readersOf(port)).toEqual([])
    })

    it('closing the adapter ends a follower with BUS_CLOSED and leaves no consumer behind', async () => {
      await using port = await Port.open(server)
      const other = await port.another()
      const reading = other.read({ stream: port.stream, filters: ['>'], from: 'all', follow: true })
      const ended = codeOfAsync(async () => {
        for await (const message of reading) expect(message.sequence).toBe(0)
      })
      await until(async () => (await readersOf(port)).length === 1, 'the consumer')
      await other.close()
      expect(await ended).toBe('BUS_CLOSED')
      await until(async () => (await readersOf(port)).length === 0, 'the consumer to be gone')
    })

    it('a replay ends although what it still had to read was removed meanwhile', async () => {
      await using port = await Port.open(server)
      await port.publish(...texts(1, 600))
      const seen: string[] = []
      for await (const message of read(port)) {
        seen.push(textOf(message))
        if (seen.length === 1) await port.jsm.streams.purge(port.stream)
      }
      expect(seen.length).toBeLessThan(600)
      expect(seen).toEqual(texts(1, seen.length))
    })

    it('JS-C1: a replay of a stream that is deleted meanwhile fails with BUS_NOT_FOUND', async () => {
      await using port = await Port.open(server)
      await port.publish(...texts(1, 600))
      let count = 0
      const code = codeOfAsync(async () => {
        for await (const message of read(port)) {
          expect(message.sequence).toBe(++count)
          if (count === 1) await port.jsm.streams.delete(port.stream)
        }
      })
      expect(await code).toBe('BUS_NOT_FOUND')
    })

    it('JS-C4: a follower waits for a stream that was deleted and reads the new one from its beginning', async () => {
      await using port = await Port.open(server)
      await port.publish('old 1', 'old 2')
      await using follower = new Follower(port)
      await follower.reached(2)
      await port.jsm.streams.delete(port.stream)
      await port.provision(port.adapter)
      await port.publish('new 1', 'new 2')
      await follower.reached(4)
      expect(follower.texts).toEqual(['old 1', 'old 2', 'new 1', 'new 2'])
    })
  })
})

describe('reading while the server is away', () => {
  it('JS-R4: a follower goes on after a kill and a restart, and after a silence, with every message once', {
    timeout: 40_000,
  }, async () => {
    const server = await startNats({ version: '2.15' })
    try {
      await using port = await Port.open(server)
      await using follower = new Follower(port)
      await port.publish(...texts(1, 20))
      await follower.reached(20)
      await server.restart()
      await until(async () => (await port.adapter.inspect()).connected, 'the connection')
      await port.publish(...texts(21, 40))
      await follower.reached(40)
      server.pause()
      await pass(3500)
      server.resume()
      await port.publish(...texts(41, 60))
      await follower.reached(60)
      expect(follower.texts).toEqual(texts(1, 60))
      growing(follower.messages.map(({ sequence }) => sequence))
    } finally {
      await server.stop()
    }
  })

  it('a replay that loses its server fails within its patience, and one that finds it again ends well', {
    timeout: 40_000,
  }, async () => {
    const server = await startNats({ version: '2.15' })
    try {
      await using port = await Port.open(server)
      await port.publish(...texts(1, 1000))
      const seen: string[] = []
      for await (const message of read(port)) {
        seen.push(textOf(message))
        if (seen.length === 10) await server.restart()
      }
      expect(seen).toEqual(texts(1, 1000))
      let count = 0
      const code = await codeOfAsync(async () => {
        for await (const message of read(port)) {
          expect(message.sequence).toBe(++count)
          if (count === 10) await server.kill()
        }
      })
      expect(code).toBe('BUS_UNAVAILABLE')
      await server.restart()
    } finally {
      await server.stop()
    }
  })

  it('JS-C3: a follower of a stream that has lost its end reads what is stored in its place', {
    timeout: 40_000,
  }, async () => {
    const server = await startNats({ version: '2.15' })
    const copy = `${server.storeDir}-copy`
    try {
      await using port = await Port.open(server)
      await port.publish('1', '2')
      await server.kill()
      await cp(server.storeDir, copy, { recursive: true })
      await server.restart()
      await using follower = new Follower(port)
      await until(async () => (await port.adapter.inspect()).connected, 'the connection')
      await port.publish('lost 3', 'lost 4', 'lost 5')
      await follower.reached(5)
      await server.kill()
      await rm(server.storeDir, { recursive: true })
      await cp(copy, server.storeDir, { recursive: true })
      await server.restart()
      await until(async () => (await port.adapter.inspect()).connected, 'the connection')
      await port.publish('new 3', 'new 4')
      await follower.reached(7)
      expect(follower.texts.slice(2)).toEqual(['lost 3', 'lost 4', 'lost 5', 'new 3', 'new 4'])
    } finally {
      await server.stop()
      await rm(copy, { recursive: true, force: true })
    }
  })
})
