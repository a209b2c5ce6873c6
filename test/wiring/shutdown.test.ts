/** The order of an ending process; real signals are in cli.test.ts. */
import { EventEmitter } from 'node:events'
import { describe, expect, it } from 'vitest'
import { type EndSignal, type SignalSource, untilSignal } from '../../wiring/shutdown.js'
import { Gate } from '../gate.js'
import { HandClock } from '../hand-clock.js'

class FakeProcess extends EventEmitter implements SignalSource {
  readonly exits: number[] = []
  exit(code: number): void {
    this.exits.push(code)
  }
  get attached(): number {
    return this.listenerCount('SIGTERM') + this.listenerCount('SIGINT')
  }
}

const stoppedBy = async (signal: EndSignal | undefined): Promise<string> => `stopped by ${signal ?? 'itself'}`

describe('untilSignal', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('stops on %s and tells what stop() said', async (signal) => {
    const source = new FakeProcess()
    const ended = untilSignal(source, stoppedBy)
    source.emit(signal, signal)
    expect(await ended).toBe(`stopped by ${signal}`)
    expect(source.exits).toEqual([])
  })

  it('takes its listeners away when it is over, also after a failing stop', async () => {
    const source = new FakeProcess()
    const ended = untilSignal(source, () => Promise.reject(new Error('cannot stop')))
    source.emit('SIGTERM', 'SIGTERM')
    await expect(ended).rejects.toThrow('cannot stop')
    expect(source.attached).toBe(0)
  })

  it.each([
    ['SIGTERM', 'SIGTERM', 143],
    ['SIGTERM', 'SIGINT', 130],
  ] as const)('ends at once on %s and then %s, while stop() still runs', async (first, second, code) => {
    const [source, clock, gate] = [new FakeProcess(), new HandClock(), new Gate()]
    const ended = untilSignal(source, () => gate.opened, { clock })
    source.emit(first, first)
    clock.advance(500)
    source.emit(second, second)
    expect(source.exits).toEqual([code])
    gate.open()
    await ended
  })

  it('takes a signal that comes again within 400 ms for one that a launcher passed on, and stops once', async () => {
    const [source, clock] = [new FakeProcess(), new HandClock()]
    const stops: unknown[] = []
    const ended = untilSignal(source, async (signal) => stops.push(signal), { clock })
    source.emit('SIGINT', 'SIGINT')
    clock.advance(400)
    source.emit('SIGINT', 'SIGINT')
    await ended
    expect([stops, source.exits]).toEqual([['SIGINT'], []])
  })

  it('stops when the work fails, and then throws its error', async () => {
    const source = new FakeProcess()
    const stops: unknown[] = []
    const work = Promise.reject(new Error('no database'))
    await expect(untilSignal(source, async (signal) => stops.push(signal), { work })).rejects.toThrow('no database')
    expect([stops, source.attached]).toEqual([[undefined], 0])
  })

  it('waits for a signal when the work is done, and not for the work when the signal is there', async () => {
    for (const work of [Promise.resolve(), new Promise(() => {})]) {
      const source = new FakeProcess()
      const ended = untilSignal(source, stoppedBy, { work })
      await Promise.resolve()
      source.emit('SIGTERM', 'SIGTERM')
      expect(await ended).toBe('stopped by SIGTERM')
    }
  })
})
