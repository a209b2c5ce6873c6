/** The proxy does to bytes what it says: hands them on, late, one way only, or not at all. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { notBefore, pass, until } from '../../testing/suite/expect.js'
import { type LinkProxy, startProxy } from './proxy.js'

describe('a proxy before a server that sends back what it gets', () => {
  let echo: Server
  let proxy: LinkProxy
  let client: Socket
  let heard = ''
  beforeEach(async () => {
    echo = createServer((socket) => void socket.on('error', () => {}).pipe(socket)).listen(0, '127.0.0.1')
    await once(echo, 'listening')
    proxy = await startProxy((echo.address() as AddressInfo).port)
    heard = ''
    client = connect(proxy.port, '127.0.0.1').on('error', () => {})
    client.on('data', (chunk) => {
      heard += chunk.toString()
    })
    await once(client, 'connect')
  })
  afterEach(async () => {
    client.destroy()
    await proxy.stop()
    await proxy.stop()
    echo.close()
  })

  it('hands on both ways, and tells what was sent', async () => {
    client.write('ab')
    await until(() => heard === 'ab', 'the echo')
    expect([proxy.sent, proxy.connections]).toEqual(['ab', 1])
  })

  it('holds back what is on its way until it may pass, in both directions or one', async () => {
    proxy.stall()
    client.write('a')
    await pass(30)
    expect([heard, proxy.sent]).toEqual(['', ''])
    proxy.pass()
    await until(() => heard === 'a', 'the echo')
    proxy.stall('toClient')
    client.write('b')
    await until(() => proxy.sent === 'ab', 'the way there')
    await pass(30)
    expect(heard).toBe('a')
    proxy.pass()
    await until(() => heard === 'ab', 'the way back')
  })

  it('ends connections, and new ones, until it may pass', async () => {
    proxy.cut()
    await once(client, 'close')
    const refused = connect(proxy.port, '127.0.0.1').on('error', () => {})
    await once(refused, 'close')
    expect(proxy.connections).toBe(0)
    proxy.pass()
    const again = connect(proxy.port, '127.0.0.1')
    again.write('c')
    expect(String(await once(again, 'data'))).toBe('c')
    again.destroy()
  })

  it('delays each way and keeps the order', async () => {
    proxy.delay(40)
    const sent = performance.now()
    for (const text of 'abc') client.write(text)
    await until(() => heard.length === 3, 'the echo')
    notBefore(sent, 80, 'the echo')
    expect(heard).toBe('abc')
  })

  it('keeps the order when the delay ends', async () => {
    proxy.delay(40)
    client.write('a')
    await until(() => proxy.connections === 1, 'the link')
    client.write('b')
    await pass(10)
    proxy.delay(0)
    client.write('c')
    await until(() => heard.length === 3, 'the echo')
    expect(heard).toBe('abc')
  })
})
