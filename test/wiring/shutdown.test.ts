/** The order of an ending process; real signals are in cli.test.ts. */
import { EventEmitter } from 'node:events'
import { describe, expect, it } from 'vitest'
import { type EndSignal, type SignalSource, untilSignal } from '../../wiring/shutdown.js'

class FakeProcess extends EventEmitter implements SignalSource {
  readonly exits: number[] = []
  exit(code: number): void {
    this.exits.push(code)
  }
}

describe('untilSignal', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('stops on %s and tells what stop() said', async (signal) => {
    const source = new FakeProcess()
    const ended = untilSignal(source, async (got: EndSignal) => `stopped by ${got}`)
    source.emit(signal, signal)
    expect(await ended).toBe(`stopped by ${signal}`)
    expect(source.exits).toEqual([])
  })

  it('takes its listeners away when it is over, also after a failing stop', async () => {
    const source = new FakeProcess()
    const ended = untilSignal(source, () => Promise.reject(new Error('cannot stop')))
    source.emit('SIGTERM', 'SIGTERM')
    await expect(ended).rejects.toThrow('cannot stop')
    expect(source.listenerCount('SIGTERM') + source.listenerCount('SIGINT')).toBe(0)
  })
})
