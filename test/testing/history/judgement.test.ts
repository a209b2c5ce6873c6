/** What each rule may conclude from little, and what it must not. */
import { describe, expect, it } from 'vitest'
import { ruleOf, Script } from './by-hand.js'

const effect = (id: string, attempt = 1) => ({ ev: 'state.effect', group: 'g', id, attempt, owner: 'w' }) as const
const dead = (id: string, attempts: number) => ({ ev: 'state.dead', group: 'g', id, attempts }) as const
const stored = (id: string, seq: number, hash = 'hash') =>
  ({ ev: 'state.message', store: 'ledger', seq, id, topic: 'orders.a', key: 'k', hash, hdr_hash: 'headers' }) as const
const listed = (messages: number) => ({ ev: 'state.store', store: 'ledger', messages }) as const

describe('an outcome', () => {
  it('that is unknown may be stored, or not', () => {
    const script = new Script().publish('absent', 'unknown').publish('present', 'unknown')
    script.start('w.3', 'present').settle('w.3', 'present', 'done')
    const { verdict, figures } = script.in('control.1', stored('present', 1), listed(1)).run()
    expect(verdict).toBe('pass')
    expect(figures).toMatchObject({ unknown: 2, unknownPublishes: 2, unknownStored: 1 })
  })

  it('that was unknown is accepted when a repeat of it is', () => {
    const script = new Script().publish('a', 'unknown', '1').publish('a', 'ok', '2')
    expect(script.judged('R1')).toEqual(['fail', 'never delivered'])
  })

  it('that was a rejection is accepted when a repeat of it is', () => {
    const script = new Script().publish('a', 'fail', '1').publish('a', 'ok', '2').start('w.3', 'a')
    script.settle('w.3', 'a', 'done').in('control.1', stored('a', 1), listed(1))
    expect(script.run().verdict).toBe('pass')
  })

  it('stays unknown when a repeat of it is rejected', () => {
    const script = new Script().publish('a', 'unknown', '1').publish('a', 'fail', '2')
    script.start('w.3', 'a').settle('w.3', 'a', 'done').in('control.1', stored('a', 1), listed(1))
    expect(script.run().verdict).toBe('pass')
  })

  it('of one content says nothing of another content of the same id', () => {
    const script = new Script().publish('a', 'ok', '1').publish('a', 'fail', '2', { hash: 'other' })
    script.start('w.3', 'a').settle('w.3', 'a', 'done')
    expect(script.in('control.1', stored('a', 1, 'other'), listed(1)).judged('R9')).toEqual(['fail', 'stored'])
  })

  it('that a killed process did not live to see is unknown', () => {
    const script = new Script().publish('a').killed('p.2')
    expect(script.run()).toMatchObject({ verdict: 'pass', figures: { unknown: 1, killed: 1 } })
  })

  it('may not be missing from a process that ended in order', () => {
    expect(new Script().publish('a').judged('R7')).toEqual(['fail', 'pending'])
  })

  it('may not be missing from a process that lived on for longer than the time limit', () => {
    const script = new Script().publish('a').wait(100).publish('b', 'ok').killed('p.2')
    expect(script.judged('R7', { lateMs: 0 })).toEqual(['fail', 'pending'])
    expect(script.judged('R7', { lateMs: 200 })).toEqual(['pass'])
  })

  it('may be late while its process is stopped, and for no other process', () => {
    const late = (target: string) => new Script().in('w.3').publish('a').start('w.3', 'x').fault(target, 100)
    const ended = (target: string) => late(target).in('p.2', { ev: 'pub.ok', op: 'a' })
    expect(ended('p').judged('R7', { lateMs: 0 })).toEqual(['pass'])
    expect(ended('w').judged('R7', { lateMs: 0 })).toEqual(['fail', 'pending'])
  })
})

describe('a message of a worker that was killed', () => {
  const killed = (transactional = false) => new Script({ transactional }).publish('a', 'ok').killed('w.3')

  it('is lost when nobody began with it, although the group has nothing left', () => {
    expect(killed().start('w.3', 'other').judged('R1')).toEqual(['fail', 'never delivered'])
  })

  it('is lost when it was begun and nothing was done', () => {
    expect(killed().start('w.3', 'a').judged('R1')).toEqual(['fail', 'never settled'])
  })

  it('is presumed settled when its effect was written and the group has nothing left, and the report says so', () => {
    const report = killed().start('w.3', 'a').effect('w.3', 'a').run()
    expect(ruleOf(report, 'R1')).toMatchObject({ verdict: 'pass', notes: [expect.stringContaining('1 presumed')] })
  })

  it('is not presumed settled when its process ended in order', () => {
    const script = new Script().publish('a', 'ok').start('w.3', 'a').effect('w.3', 'a')
    expect(script.judged('R1')).toEqual(['fail', 'never settled'])
  })

  it('is settled when its transaction was committed before anything could be written', () => {
    expect(killed(true).start('w.3', 'a').in('control.1', effect('a')).judged('R1')).toEqual(['pass'])
  })

  it('is lost when it said that it was done and its transaction was not committed', () => {
    const script = killed(true).start('w.3', 'a').settle('w.3', 'a', 'done')
    expect(script.judged('R1')).toEqual(['fail', 'never settled'])
  })

  it('may be handled again by another, and counts as a duplicate', () => {
    const report = killed().start('w.3', 'a').start('v.4', 'a', 2).settle('v.4', 'a', 'done', 2).run()
    expect(report).toMatchObject({ verdict: 'pass', figures: { starts: 2, duplicates: 1 } })
  })

  it('may not be handled again when it was done long before the kill', () => {
    const script = killed().start('w.3', 'a').settle('w.3', 'a', 'done').wait(500).start('w.3', 'b')
    expect(script.start('v.4', 'a', 2).settle('v.4', 'a', 'done', 2).judged('R3')).toEqual(['fail', 'no reason'])
  })

  it('may not be handled again while the worker still lives', () => {
    const script = killed().start('w.3', 'a').start('v.4', 'a', 2).settle('v.4', 'a', 'done', 2).start('w.3', 'b')
    expect(script.judged('R3')).toEqual(['fail', 'no reason'])
  })
})

describe('a second start', () => {
  const again = (target: string, file = 'v.4') => {
    const script = new Script().publish('a', 'ok').start('w.3', 'a').settle('w.3', 'a', 'done').start('u.5', 'x')
    return script.fault(target).start(file, 'a', 2).settle(file, 'a', 'done', 2)
  }

  it('is excused by a fault of a server', () => {
    expect(again('nats').judged('R3')).toEqual(['pass'])
  })

  it('is excused by a fault of one of its workers, and not of another worker', () => {
    expect(again('w').judged('R3')).toEqual(['pass'])
    expect(again('v').judged('R3')).toEqual(['pass'])
    expect(again('u').judged('R3')).toEqual(['fail', 'no reason'])
  })

  it('is excused by a fault that ended an ack wait before, and by none that ended earlier', () => {
    const since = (ms: number) => new Script().publish('a', 'ok').fault('nats').wait(ms).start('w.3', 'a')
    const done = (ms: number) => since(ms).settle('w.3', 'a', 'done')
    const judged = (ms: number) => done(ms).start('v.4', 'a', 2).settle('v.4', 'a', 'done', 2).judged('R3')
    expect(judged(50)).toEqual(['pass'])
    expect(judged(150)).toEqual(['fail', 'no reason'])
  })

  it('is excused by the end of its process, which gave it up, and not long before that', () => {
    const givenUp = (ms: number) =>
      new Script().publish('a', 'ok').start('u.5', 'x').fault('u').start('w.3', 'a').start('v.4', 'a', 2).wait(ms)
    const judged = (ms: number) => givenUp(ms).settle('v.4', 'a', 'done', 2).judged('R3')
    expect(judged(10)).toEqual(['pass'])
    expect(judged(150)).toEqual(['fail', 'no reason'])
  })

  it('needs no fault after a failure, a hand-back or a time limit', () => {
    for (const how of ['retry', 'returned'] as const) {
      const script = new Script({ backoff_ms: [] }).publish('a', 'ok').start('w.3', 'a').settle('w.3', 'a', how)
      const attempt = how === 'retry' ? 2 : 1
      expect(script.start('w.3', 'a', attempt).settle('w.3', 'a', 'done', attempt).run()).toMatchObject({
        verdict: 'pass',
        figures: { duplicates: 0 },
      })
    }
    const hung = new Script({ timeout_ms: 30 }).publish('a', 'ok').start('w.3', 'a').wait(30).start('w.3', 'a', 2)
    expect(hung.settle('w.3', 'a', 'done', 2).judged('R3')).toEqual(['pass'])
  })

  it('needs a reason of its own: one failure explains one start', () => {
    const script = new Script({ backoff_ms: [] }).publish('a', 'ok').start('w.3', 'a').settle('w.3', 'a', 'retry')
    script.start('w.3', 'a', 2).start('v.4', 'a', 3).settle('v.4', 'a', 'done', 3)
    expect(script.judged('R3')).toEqual(['fail', 'no reason'])
  })
})

describe('order by key', () => {
  const two = () => new Script({ order: 'key', backoff_ms: [5] }).publish('a', 'ok').publish('b', 'ok')

  it('is kept when the first is retried and the second waits for it', () => {
    const script = two().start('w.3', 'a').settle('w.3', 'a', 'retry').wait(5).start('w.3', 'a', 2)
    expect(script.settle('w.3', 'a', 'done', 2).start('v.4', 'b').settle('v.4', 'b', 'done').judged('R5')).toEqual([
      'pass',
    ])
  })

  it('is broken when the second overtakes a retry', () => {
    const script = two().start('w.3', 'a').settle('w.3', 'a', 'retry').start('v.4', 'b').settle('v.4', 'b', 'done')
    const judged = script.wait(5).start('w.3', 'a', 2).settle('w.3', 'a', 'done', 2).judged('R5')
    expect(judged).toEqual(['fail', 'out of order', 'at once'])
  })

  it('is not broken by a duplicate of what was settled already', () => {
    const script = two().start('w.3', 'a').settle('w.3', 'a', 'done').fault('nats').start('w.3', 'b')
    script.start('v.4', 'a', 2).settle('v.4', 'a', 'done', 2).settle('w.3', 'b', 'done')
    expect(script.judged('R5')).toEqual(['pass'])
  })

  it('concludes nothing from a message that was never settled', () => {
    const script = two().start('w.3', 'a').start('v.4', 'b').settle('v.4', 'b', 'done')
    expect(script.judged('R5')).toEqual(['pass'])
    expect(script.judged('R1')).toEqual(['fail', 'never settled'])
  })

  it('is kept when another one gives up the last attempt of a process that stands still, from its ack wait on', () => {
    const still = (target: string, waitMs: number) => {
      const script = new Script({ order: 'key', attempts: 1 }).publish('a', 'ok').publish('b', 'ok')
      script.start('w.3', 'a').fault(target, waitMs).start('v.4', 'b').settle('v.4', 'b', 'done')
      return script.settle('w.3', 'a', 'dead').in('control.1', dead('a', 1)).judged('R5')
    }
    expect(still('w', 110)).toEqual(['pass'])
    expect(still('w', 50)).toEqual(['fail', 'out of order', 'at once'])
    expect(still('v', 110)).toEqual(['fail', 'out of order', 'at once'])
  })

  it('holds an unknown publish to what was accepted before it', () => {
    const script = new Script({ order: 'key' }).publish('a', 'ok').publish('b', 'unknown')
    script.start('w.3', 'b').settle('w.3', 'b', 'done').start('w.3', 'a').settle('w.3', 'a', 'done')
    expect(script.judged('R5')).toEqual(['fail', 'out of order'])
  })

  it('holds nothing to an unknown publish, which may have been stored later', () => {
    const script = new Script({ order: 'key' }).publish('a', 'unknown').publish('b', 'ok')
    script.start('w.3', 'b').settle('w.3', 'b', 'done').start('w.3', 'a').settle('w.3', 'a', 'done')
    expect(script.judged('R5')).toEqual(['pass'])
  })
})

describe('one id', () => {
  const copies = (script: Script) => script.in('control.1', stored('a', 1), stored('a', 2), listed(2)).judged('R4')

  it('is one message within the dedup window, and may be another after it', () => {
    expect(copies(new Script().publish('a', 'ok', '1').publish('a', 'ok', '2'))).toEqual(['fail', 'stored twice'])
    expect(copies(new Script().publish('a', 'ok', '1').wait(1100).publish('a', 'ok', '2'))).toEqual(['pass'])
  })

  it('may be stored again by an unknown publish that arrives after the window', () => {
    const script = () => new Script().publish('a', 'unknown', '1').publish('a', 'ok', '2')
    expect(copies(script())).toEqual(['fail', 'stored twice'])
    expect(copies(script().wait(1100))).toEqual(['pass'])
  })

  it('may have two contents when they are further apart than the window', () => {
    const both = (ms: number) =>
      new Script().publish('a', 'ok', '1').wait(ms).publish('a', 'ok', '2', { hash: 'other' })
    expect(both(0).judged('R4')).toEqual(['fail', 'two contents'])
    expect(both(1100).judged('R4')[0]).toBe('skipped')
  })

  it('that a repair may have sent again counts once', () => {
    const script = new Script().publish('a', 'ok').in('control.1', stored('a', 1), { ...stored('a', 2), again: true })
    expect(script.in('control.1', listed(2)).judged('R4')).toEqual(['pass'])
  })
})

describe('a dead letter', () => {
  it('is due when the last attempt was cut off before it could tell', () => {
    const script = new Script({ attempts: 1 }).publish('a', 'ok').start('w.3', 'a').killed('w.3')
    expect(script.in('control.1', dead('a', 1)).run().verdict).toBe('pass')
  })

  it('is not due after success, unless a fault kept the success from the bus', () => {
    const done = () => new Script({ attempts: 1 }).publish('a', 'ok').start('w.3', 'a').settle('w.3', 'a', 'done')
    expect(done().in('control.1', dead('a', 1)).judged('R6')).toEqual(['fail', 'dead too early'])
    expect(done().fault('nats').in('control.1', dead('a', 1)).judged('R6')).toEqual(['pass'])
  })
})

describe('a message that was given up', () => {
  const givenUp = () => new Script({ attempts: 1 }).publish('a', 'ok').start('w.3', 'a').settle('w.3', 'a', 'dead')

  it('is settled by its handler’s word where nobody looked for dead letters', () => {
    expect(givenUp().run().verdict).toBe('pass')
  })

  it('is lost where somebody looked and found none', () => {
    const script = givenUp().in('control.1', stored('a', 1), listed(1))
    expect(script.judged('R6')).toEqual(['fail', 'no dead letter'])
    expect(script.judged('R1')).toEqual(['fail', 'never settled'])
  })
})

describe('a list of a store', () => {
  it('that was made again later replaces the first, except for what must never have been there', () => {
    const script = new Script().publish('a', 'fail').in('control.1', stored('a', 1), listed(1), listed(0))
    expect(script.judged('R9')).toEqual(['fail', 'stored'])
    expect(script.judged('R4')).toEqual(['pass'])
  })
})
