/** Ways to break the bus, each of which must turn the conformance suite red. How they are tried is in `run.ts`. */

export interface Mutation {
  /** What the broken code does. */
  readonly name: string
  readonly file: string
  /** Stands in the file exactly once. */
  readonly find: string
  readonly replace: string
  /** The suite's groups that must notice. Naming few keeps the run short; the control runs them all. */
  readonly groups: readonly string[]
}

const consumer = 'adapters/memory/consumer.ts'
const stream = 'adapters/memory/stream.ts'
const broker = 'adapters/memory/broker.ts'
const pool = 'src/worker-pool.ts'
const settler = 'src/settler.ts'

export const MUTATIONS: readonly Mutation[] = [
  {
    name: 'a message is acknowledged before its handler runs',
    file: pool,
    find: 'attempt.run(this.#call)',
    replace: "void this.#host.adapter.settle(deliveriesOf(batch), { kind: 'ack' }); attempt.run(this.#call)",
    groups: ['settle', 'redelivery'],
  },
  {
    name: 'a message whose ack wait passed is lost',
    file: consumer,
    find: 'definition.ackWaitMs, (out) => this.#putBack(out, 0)',
    replace: 'definition.ackWaitMs, () => {}',
    groups: ['settle', 'redelivery'],
  },
  {
    name: 'what a handler does to its data is seen by a later attempt',
    file: 'adapters/memory/kept-message.ts',
    find: 'this.#copy = undefined',
    replace: '',
    groups: ['payload'],
  },
  {
    name: 'a message handed back with a delay is lost',
    file: consumer,
    find: '(clock, (out) => this.#putBack(out, 0))',
    replace: '(clock, () => {})',
    groups: ['settle', 'redelivery'],
  },
  {
    name: 'a process that was suspended starts what it still holds',
    file: 'src/intake.ts',
    find: 'return now >= delivery.expiresAt',
    replace: 'return now >= delivery.expiresAt + 1e9',
    groups: ['suspended'],
  },
  {
    name: 'a newer message of a key overtakes a failed one',
    file: 'src/lanes.ts',
    find: 'if (absent < sequence) return false',
    replace: 'if (absent < 0) return false',
    groups: ['order'],
  },
  {
    name: 'two messages of a key run at the same time',
    file: 'src/lanes.ts',
    find: 'if (lane.running) return undefined',
    replace: '',
    groups: ['order'],
  },
  {
    name: 'an id that is used for other content counts as a duplicate',
    file: stream,
    find: 'if (isSameContent(message, earlier))',
    replace: 'if (earlier !== undefined)',
    groups: ['dedup'],
  },
  {
    name: 'a stream keeps one message too many',
    file: stream,
    find: 'if (this.log.count < maxMessages && maxBytes',
    replace: 'if (this.log.count <= maxMessages && maxBytes',
    groups: ['limits'],
  },
  {
    name: 'a message leaves an interest stream when the first of its consumers settled it',
    file: stream,
    find: 'if (consumer.needs(message)) return',
    replace: 'void consumer',
    groups: ['retention'],
  },
  {
    name: 'a hand-back costs an attempt',
    file: consumer,
    find: "if (settlement.kind === 'release') out.attempts--",
    replace: '',
    groups: ['settle', 'shutdown'],
  },
  {
    name: 'credit is ignored',
    file: consumer,
    find: 'feed.credit--',
    replace: '',
    groups: ['credit'],
  },
  {
    name: 'the limit of messages in flight is ignored',
    file: consumer,
    find: 'this.#out.size < this.definition.maxInFlight ?',
    replace: 'this.#out.size < Number.POSITIVE_INFINITY ?',
    groups: ['credit', 'consume'],
  },
  {
    name: 'working does not extend the ack wait',
    file: consumer,
    find: "if (settlement.kind === 'working') return this.#ackWaits.add(out, this.#clock.monotonic())",
    replace: "if (settlement.kind === 'working') return",
    groups: ['settle', 'redelivery'],
  },
  {
    name: 'an older hand-out of a message can hand it back',
    file: consumer,
    find: 'if (out !== delivery || !out.isHeld) return',
    replace: '',
    groups: ['settle'],
  },
  {
    name: 'a message is given up without a dead letter',
    file: settler,
    find: 'this.#track(this.#host.bury(failure, reason, this.#settings, held.delivery).then(stored, refused))',
    replace: 'stored(); void refused',
    groups: ['dead letter'],
  },
  {
    name: 'a message is given up though its dead letter was refused',
    file: settler,
    find: '.then(stored, refused))',
    replace: '.then(stored, stored)); void refused',
    groups: ['dead letter'],
  },
  {
    name: 'a redriven message goes to every consumer',
    file: pool,
    find: 'redriveFor !== undefined && redriveFor !== this.consumer',
    replace: 'false',
    groups: ['redrive'],
  },
  {
    name: 'a failed message gets one attempt too many',
    file: 'src/retry.ts',
    find: 'return { attempts, jitter, waitMs',
    replace: 'return { attempts: attempts + 1, jitter, waitMs',
    groups: ['redelivery', 'dead letter'],
  },
  {
    name: 'a failed message comes back without its wait',
    file: 'src/retry.ts',
    find: 'delayMs: wait * (1 - policy.jitter * random())',
    replace: 'delayMs: 0',
    groups: ['redelivery'],
  },
  {
    name: 'the consumer forgets which ids it handled',
    file: settler,
    find: 'this.#handled.add(held.message.id, now)',
    replace: '',
    groups: ['dedup'],
  },
  {
    name: 'a delayed message is visible at once',
    file: broker,
    find: 'if (message.delayMs === 0)',
    replace: 'if (message.delayMs >= 0)',
    groups: ['delayed'],
  },
  {
    name: 'two consumers of a work queue take the same subject',
    file: broker,
    find: "if (stream.definition.retention === 'workqueue') assertAlone(definition, stream)",
    replace: '',
    groups: ['retention'],
  },
  {
    name: 'only one of several live subscribers hears a message',
    file: 'adapters/memory/live.ts',
    find: 'of hearing) listener(signal, reply)',
    replace: 'of hearing.slice(0, 1)) listener(signal, reply)',
    groups: ['live'],
  },
  {
    name: 'a batch is published in part when one of its messages is bad',
    file: 'src/publisher.ts',
    find: 'const messages = await this.#prepareAll(entries, options)',
    replace: `const messages = await this.#prepareAll(entries, options).catch(async (error) => {
      for (const { to, data, options: own } of entries) await this.publish(to, data, own).catch(() => {})
      throw error
    })`,
    groups: ['publish', 'subjects', 'payload'],
  },
  {
    name: 'last-per-subject starts at the first of each subject',
    file: 'adapters/memory/cursor.ts',
    find: 'if (!newest.has(subject)) newest.set',
    replace: 'newest.set',
    groups: ['start', 'replay'],
  },
]
