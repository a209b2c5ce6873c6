/** One handler call: it has one outcome, whatever the handler does, and nothing after it was aborted. */
import { describe, expect, it } from 'vitest'
import type { Delivery } from '../../src/adapter.js'
import { Attempt, type AttemptOwner, Held } from '../../src/attempt.js'
import { ReceivedMessage } from '../../src/contract.js'
import { BusError } from '../../src/errors.js'
import type { QueryResult } from '../../src/ledger.js'
import { NO_HEADERS } from '../../src/message.js'
import { type Begun, beginWork } from '../../src/transaction.js'
import { codeOf } from '../code-of.js'

type Ending = readonly [outcome: 'succeeded' | 'failed', error: unknown, failures: readonly [Held, unknown][]]

class Owner implements AttemptOwner {
  readonly attempts = 3
  readonly endings: Ending[] = []
  beats = 0

  succeeded(_attempt: Attempt, failures: ReadonlyMap<Held, unknown> | undefined): void {
    this.endings.push(['succeeded', undefined, [...(failures ?? [])]])
  }

  failed(_attempt: Attempt, error: unknown, failures: ReadonlyMap<Held, unknown> | undefined): void {
    this.endings.push(['failed', error, [...(failures ?? [])]])
  }

  working(): void {
    this.beats++
  }

  begin(): Begun {
    return beginWork(this.work, () => Promise.reject(new Error('nothing is published here')))
  }

  readonly work = new Work()
}

/** Writes down how it ended. */
class Work {
  isUsed = false
  isSettledBefore = false
  ended: string[] = []
  refuses: Error | undefined

  async client(): Promise<undefined> {
    this.isUsed = true
    if (this.refuses !== undefined) throw this.refuses
  }

  async query<Row>(): Promise<QueryResult<Row>> {
    await this.client()
    return { rows: [], rowCount: 0 }
  }

  publish(): void {
    this.isUsed = true
  }

  async commit(failed: readonly Delivery[] = []): Promise<void> {
    await this.client()
    this.ended.push(`commit without ${failed.length}`)
  }

  async rollback(): Promise<void> {
    this.ended.push('rollback')
  }
}

function held(sequence: number, attempt = 1): Held {
  const payload = Buffer.from('1')
  const place = { stream: 's', sequence, time: 0 }
  const message = { ...place, id: `${sequence}`, subject: 'a', key: undefined, headers: NO_HEADERS, payload }
  return new Held({ message, attempt, expiresAt: 0 }, new ReceivedMessage(message))
}

const timeout = new BusError('BUS_TIMEOUT', 'too long')
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** What the owner heard of a handler, once everything it started has ended. */
async function endingOf(handler: (attempt: Attempt) => unknown): Promise<readonly Ending[]> {
  const owner = new Owner()
  new Attempt(owner, [held(1)]).run(handler)
  await turn()
  return owner.endings
}

describe('an attempt', () => {
  it('succeeds when its handler returns, later or now', async () => {
    const succeeded = [['succeeded', undefined, []]]
    expect(await endingOf(() => undefined)).toEqual(succeeded)
    expect(await endingOf(() => 0)).toEqual(succeeded)
    expect(await endingOf(async () => 'ignored')).toEqual(succeeded)
    // biome-ignore lint/suspicious/noThenProperty: a promise of another library is the case
    expect(await endingOf(() => ({ then: (resolve: () => void) => resolve() }))).toEqual(succeeded)
  })

  it('fails with whatever its handler throws or rejects with', async () => {
    for (const thrown of [new Error('a'), undefined, null, 0, 'text']) {
      const failed = [['failed', thrown, []]]
      expect(
        await endingOf(() => {
          throw thrown
        }),
      ).toEqual(failed)
      expect(await endingOf(() => Promise.reject(thrown))).toEqual(failed)
    }
    const error = new Error('a getter that throws')
    const hostile = {
      // biome-ignore lint/suspicious/noThenProperty: an object that only looks like a promise is the case
      get then(): never {
        throw error
      },
    }
    expect(await endingOf(() => hostile)).toEqual([['failed', error, []]])
  })

  it('tells its owner of a handler that ends at once before it returns', () => {
    const owner = new Owner()
    new Attempt(owner, [held(1)]).run(() => undefined)
    expect(owner.endings).toHaveLength(1)
  })

  it('ends once, though its handler says more than one thing', async () => {
    // biome-ignore lint/suspicious/noThenProperty: a promise that breaks its promise is the case
    const twoFaced = { then: (resolve: () => void, reject: (error: unknown) => void) => [resolve(), reject('late')] }
    expect(await endingOf(() => twoFaced)).toHaveLength(1)
  })

  it('that was aborted tells its handler why, and its owner nothing', async () => {
    for (const end of [() => Promise.resolve(), () => Promise.reject(new Error('late'))]) {
      const owner = new Owner()
      const attempt = new Attempt(owner, [held(1)])
      let reason: unknown
      attempt.run(async ({ signal }) => {
        signal.addEventListener('abort', () => {
          reason = signal.reason
        })
        await turn()
        return end()
      })
      expect(attempt.abort(timeout)).toBe(true)
      expect(attempt.abort(timeout)).toBe(false)
      expect(reason).toBe(timeout)
      await turn()
      await turn()
      attempt.working()
      expect([owner.endings, owner.beats]).toEqual([[], 0])
    }
  })

  it('cannot be aborted when it is over', () => {
    const attempt = new Attempt(new Owner(), [held(1)])
    attempt.run(() => undefined)
    expect(attempt.abort(timeout)).toBe(false)
    expect(attempt.signal.aborted).toBe(false)
  })

  it('shows a handler that asks late for its signal that it is aborted', () => {
    const attempt = new Attempt(new Owner(), [held(1)])
    attempt.run(() => new Promise(() => {}))
    attempt.abort(timeout)
    expect([attempt.signal.aborted, attempt.signal.reason]).toEqual([true, timeout])
  })

  it('tells its number, and whether it is the last', () => {
    for (const [number, isLast] of [
      [1, false],
      [2, false],
      [3, true],
      [4, true],
    ] as const) {
      const attempt = new Attempt(new Owner(), [held(1, number)])
      expect([attempt.attempt, attempt.lastAttempt]).toEqual([number, isLast])
    }
  })

  it('passes on that its handler is working', () => {
    const owner = new Owner()
    const attempt = new Attempt(owner, [held(1)])
    attempt.run(() => new Promise(() => {}))
    attempt.working()
    expect(owner.beats).toBe(1)
  })
})

describe('an attempt at a batch', () => {
  it('tells what its handler said of single messages, the last word on each, also when it fails', () => {
    for (const isFailing of [false, true]) {
      const owner = new Owner()
      const [one, two, three] = [held(1), held(2), held(3)]
      new Attempt(owner, [one, two, three]).run((attempt) => {
        attempt.fail(two.received, 'first')
        attempt.fail(three.received, 'other')
        attempt.fail(two.received, 'last')
        if (isFailing) throw timeout
      })
      const failures = [
        [two, 'last'],
        [three, 'other'],
      ]
      expect(owner.endings).toEqual([[isFailing ? 'failed' : 'succeeded', isFailing ? timeout : undefined, failures]])
    }
  })

  it('knows the attempt of each message, and no other messages', () => {
    const [one, two, stranger] = [held(1, 1), held(2, 5), held(2, 5)]
    const attempt = new Attempt(new Owner(), [one, two])
    expect([attempt.attemptOf(one.received), attempt.attemptOf(two.received)]).toEqual([1, 5])
    expect(codeOf(() => attempt.attemptOf(stranger.received))).toBe('BUS_INVALID_OPTION')
    expect(codeOf(() => attempt.fail(stranger.received, 'x'))).toBe('BUS_INVALID_OPTION')
  })
})

describe('an attempt with a transaction', () => {
  const run = async (owner: Owner, handler: (attempt: Attempt) => unknown, of = [held(1)]): Promise<Attempt> => {
    const attempt = new Attempt(owner, of)
    attempt.run(handler)
    await turn()
    return attempt
  }

  it('has succeeded when the transaction is committed', async () => {
    const owner = new Owner()
    await run(owner, async ({ tx }) => void (await tx.query('insert')))
    expect([owner.endings, owner.work.ended]).toEqual([[['succeeded', undefined, []]], ['commit without 0']])
  })

  it('commits nothing when the handler has used nothing', async () => {
    const owner = new Owner()
    await run(owner, ({ tx }) => void tx)
    expect([owner.endings.length, owner.work.ended]).toEqual([1, []])
  })

  it('has failed when the transaction cannot be committed', async () => {
    const owner = new Owner()
    owner.work.refuses = new Error('no')
    await run(owner, ({ tx }) => void tx.query('insert').catch(() => {}))
    expect([owner.endings, owner.work.ended]).toEqual([[['failed', owner.work.refuses, []]], ['rollback']])
  })

  it('rolls back when its handler fails, and when it is aborted', async () => {
    const [failing, late] = [new Owner(), new Owner()]
    await run(failing, async ({ tx }) => {
      await tx.query('insert')
      throw timeout
    })
    const attempt = await run(late, ({ tx }) => tx.query('insert').then(() => new Promise(() => {})))
    attempt.abort(timeout)
    expect([failing.work.ended, late.work.ended, late.endings]).toEqual([['rollback'], ['rollback'], []])
  })

  it('has succeeded, whatever its handler says, when an earlier transaction settled its message', async () => {
    const owner = new Owner()
    owner.work.isSettledBefore = true
    owner.work.refuses = new Error('handled already')
    await run(owner, ({ tx }) => tx.query('insert'))
    expect([owner.endings, owner.work.ended]).toEqual([[['succeeded', undefined, []]], []])
  })

  it('leaves out of the commit what the handler called failed', async () => {
    const owner = new Owner()
    const both = [held(1), held(2)]
    const handler = async (attempt: Attempt): Promise<void> => {
      await attempt.tx.query('insert')
      for (const { received } of both.slice(1)) attempt.fail(received, timeout)
    }
    await run(owner, handler, both)
    expect(owner.work.ended).toEqual(['commit without 1'])
  })
})
