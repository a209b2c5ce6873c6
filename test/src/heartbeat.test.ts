/** Heartbeats: three to an ack wait, one timer, and none while nothing is held. */
import { describe, expect, it } from 'vitest'
import { Heartbeat } from '../../src/heartbeat.js'
import { HandClock } from '../hand-clock.js'

describe('Heartbeat', () => {
  it('beats three times in an ack wait while something is held, and rests afterwards', () => {
    const clock = new HandClock()
    const beats: [round: number, at: number][] = []
    const heartbeat = new Heartbeat(clock, 30_000, (round) => {
      beats.push([round, clock.monotonic()])
      return round < 4
    })
    expect(clock.timers).toBe(0)
    expect(heartbeat.start()).toBe(0)
    clock.advance(9_999)
    expect(beats).toEqual([])
    clock.advance(100_000)
    expect(beats).toEqual([
      [1, 10_000],
      [2, 20_000],
      [3, 30_000],
      [4, 40_000],
    ])
    expect(clock.timers).toBe(0)
  })

  it('tells the round in which something came, and sets one timer for all that came', () => {
    const clock = new HandClock()
    const heartbeat = new Heartbeat(clock, 3000, () => true)
    expect([heartbeat.start(), heartbeat.start()]).toEqual([0, 0])
    expect(clock.timers).toBe(1)
    clock.advance(1000)
    expect([heartbeat.start(), clock.timers]).toEqual([1, 1])
  })

  it('begins again after it rested', () => {
    const clock = new HandClock()
    const rounds: number[] = []
    const heartbeat = new Heartbeat(clock, 3000, (round) => {
      rounds.push(round)
      return false
    })
    heartbeat.start()
    clock.advance(5000)
    expect(heartbeat.start()).toBe(1)
    clock.advance(5000)
    expect(rounds).toEqual([1, 2])
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
