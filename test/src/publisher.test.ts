/** What a publish tells its caller when the backend misbehaves: never that a message is stored, or is not, unless that is known. */
import { describe, expect, it } from 'vitest'
import { memory } from '../../adapters/memory/index.js'
import type { PublishOutcome } from '../../src/adapter.js'
import { systemClock } from '../../src/clock.js'
import {
  BusError,
  createBus,
  type MessageBus,
  NotAcceptedError,
  OutcomeUnknownError,
  PublishBatchError,
  type PublishOptions,
} from '../../src/index.js'
import { FaultyAdapter } from '../../testing/faulty-adapter.js'

type Answer = () => Promise<readonly PublishOutcome[]>

class AnsweringAdapter extends FaultyAdapter {
  readonly #answer: Answer

  constructor(answer: Answer) {
    super(memory(), systemClock, () => 0)
    this.#answer = answer
  }

  override publish(): Promise<readonly PublishOutcome[]> {
    return this.#answer()
  }
}

async function open(answer: Answer): Promise<MessageBus> {
  const bus = createBus({ adapter: new AnsweringAdapter(answer), streams: [{ name: 's', subjects: ['s'] }] })
  await bus.connect()
  return bus
}

async function endOf(answer: Answer, options?: PublishOptions): Promise<unknown> {
  await using bus = await open(answer)
  return await bus.publish('s', 1, options).catch((error: unknown) => error)
}

const never: Answer = () => new Promise(() => {})

describe('a publish is unknown, with the id to repeat it,', () => {
  const answers: readonly (readonly [string, Answer, string])[] = [
    ['when the backend rejects', () => Promise.reject(new Error('reset')), 'BUS_UNAVAILABLE'],
    ['when the backend rejects with nothing', () => Promise.reject(undefined), 'BUS_UNAVAILABLE'],
    ['when the backend times out', () => Promise.reject(new BusError('BUS_TIMEOUT', 'slow')), 'BUS_TIMEOUT'],
    ['when the backend gives no outcome', () => Promise.resolve([]), 'BUS_UNAVAILABLE'],
    [
      'when the backend throws',
      () => {
        throw new Error('broken')
      },
      'BUS_UNAVAILABLE',
    ],
  ]
  for (const [when, answer, code] of answers) {
    it(when, async () => {
      const end = await endOf(answer, { id: 'mine' })
      expect(end).toBeInstanceOf(OutcomeUnknownError)
      expect(end).toMatchObject({ id: 'mine', code, retryable: true })
    })
  }

  it('when its signal aborts after it was sent', async () => {
    const controller = new AbortController()
    const end = endOf(
      () => {
        queueMicrotask(() => controller.abort())
        return never()
      },
      { id: 'mine', signal: controller.signal },
    )
    expect(await end).toBeInstanceOf(OutcomeUnknownError)
    expect(await end).toMatchObject({ id: 'mine', code: 'BUS_TIMEOUT' })
  })

  it('and the id is there when the caller gave none', async () => {
    const end = await endOf(() => Promise.reject(new Error('reset')))
    expect((end as OutcomeUnknownError).id).toMatch(/^[0-9a-f-]{36}$/)
  })
})

describe('a publish is not accepted', () => {
  it('when the backend was closed and sent nothing', async () => {
    const end = await endOf(() => Promise.reject(new BusError('BUS_CLOSED', 'closed')))
    expect(end).toBeInstanceOf(NotAcceptedError)
    expect(end).toMatchObject({ code: 'BUS_CLOSED', retryable: false })
  })

  it('when the backend says so, and its word on a repeat is kept', async () => {
    const error = new BusError('BUS_UNAVAILABLE', 'full')
    const end = await endOf(async () => [{ status: 'rejected', error }])
    expect(end).toBeInstanceOf(NotAcceptedError)
    expect(end).toMatchObject({ code: 'BUS_UNAVAILABLE', retryable: true, cause: error })
  })
})

describe('a batch', () => {
  it('has an ending for each entry, missing outcomes included', async () => {
    const stored: PublishOutcome = { status: 'accepted', stream: 's', sequence: 7, duplicate: false }
    await using bus = await open(async () => [stored])
    const entries = [1, 2].map((data) => ({ to: 's', data }))
    const thrown: unknown = await bus.publishBatch(entries).catch((error: unknown) => error)
    expect(thrown).toBeInstanceOf(PublishBatchError)
    const { outcomes } = thrown as PublishBatchError
    expect(outcomes[0]).toMatchObject({ stream: 's', sequence: 7 })
    expect(outcomes[1]).toBeInstanceOf(OutcomeUnknownError)
  })

  it('of nothing is nothing', async () => {
    await using bus = await open(never)
    expect(await bus.publishBatch([])).toEqual([])
  })
})
