/** Heartbeats: three to an ack wait, one timer, and none while nothing is held. */
import { describe, expect, it } from 'vitest'
import { Heartbeat } from '../../src/heartbeat.js'
import { HandClock } from '../hand-clock.js'

describe('Heartbeat', () => {
  it('beats three times in an ack wait while something is held, and rests afterwards', () => {
    const clock = new HandClock()
    const beats: number[] = []
    const heartbeat = new Heartbeat(clock, 30_000, () => beats.push(clock.monotonic()) < 4)
    expect(clock.timers).toBe(0)
    heartbeat.start()
    clock.advance(9_999)
    expect(beats).toEqual([])
    clock.advance(100_000)
    expect(beats).toEqual([10_000, 20_000, 30_000, 40_000])
    expect(clock.timers).toBe(0)
  })

  it('sets one timer for all that came', () => {
    const clock = new HandClock()
    const heartbeat = new Heartbeat(clock, 3000, () => true)
    for (const came of [1, 2]) {
      heartbeat.start()
      expect([came, clock.timers]).toEqual([came, 1])
    }
    clock.advance(1000)
    heartbeat.start()
    expect(clock.timers).toBe(1)
  })

  it('begins again after it rested', () => {
    const clock = new HandClock()
    const beats: number[] = []
    const heartbeat = new Heartbeat(clock, 3000, () => {
      beats.push(clock.monotonic())
      return false
    })
    heartbeat.start()
    clock.advance(5000)
    heartbeat.start()
    clock.advance(5000)
    expect(beats).toEqual([1000, 6000])
  })

  it('does not keep the process alive, and ends when it is stopped', () => {
    const clock = new HandClock()
    let beats = 0
    const heartbeat = new Heartbeat(clock, 3000, () => {
      beats++
      return true
    })
    heartbeat.start()
    expect(clock.isHeld).toBe(false)
    heartbeat.stop()
    heartbeat.stop()
    clock.advance(10_000)
    expect([beats, clock.timers]).toEqual([0, 0])
  })
})
