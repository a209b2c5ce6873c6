/**
 * `tsx benchmarks/rebuild.ts [messages] [rate]`: publishes messages through a ledger, deletes the stream from JetStream, has it rebuilt, and
 * compares every message of the two: id, content, and the order of each key. Exit code 1 on any difference. Starts its own servers.
 */
import { createHash } from 'node:crypto'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { dual } from '../adapters/dual/index.js'
import { jetstream } from '../adapters/jetstream/index.js'
import { createBus, type Message, type MessageBus } from '../src/index.js'
import { startNats } from '../test/servers/nats-server.js'
import { startPostgres } from '../test/servers/postgres.js'

const [messages = 100_000, repairRate = 1_000_000] = process.argv.slice(2).map(Number)
const BATCH = 1000
const KEYS = 1000
const STREAM = 'orders'
const streams = [{ name: STREAM, subjects: ['orders.>'] }]

const nats = await startNats({ version: '2.15' })
const postgres = await startPostgres()
try {
  process.exitCode = await rebuild()
} finally {
  await nats.stop()
  await postgres.stop()
}

async function rebuild(): Promise<number> {
  const inner = jetstream({ servers: nats.url })
  // Compared and repaired only when asked for here.
  const bus = createBus({ adapter: dual({ inner, connection: postgres.url, repairRate, compareEvery: 0 }), streams })
  await bus.connect()
  await publishAll(bus)
  while ((await bus.verify({ stream: STREAM })).waiting > 0);
  await deleteStream()
  const { missing, republished, tookMs } = await bus.repair({ stream: STREAM })
  const { isSame } = await bus.verify({ stream: STREAM })
  const [ledger, copy] = [await digests(bus.replay({ stream: STREAM })), await innerDigests()]
  const differences = [...ledger].filter(([key, digest]) => copy.get(key) !== digest).length
  await bus.close()
  const rate = Math.round((1000 * republished) / tookMs)
  console.log(`${missing} missing, ${republished} sent again in ${(tookMs / 1000).toFixed(1)} s: ${rate} messages/s`)
  console.log(
    `${ledger.size} keys, ${differences} with another order, id or content; the same as the ledger: ${isSame}`,
  )
  return differences === 0 && isSame && republished === messages && copy.size === ledger.size ? 0 : 1
}

async function publishAll(bus: MessageBus): Promise<void> {
  for (let at = 0; at < messages; at += BATCH) {
    const entries = Array.from({ length: Math.min(BATCH, messages - at) }, (_, n) => ({
      to: `orders.${(at + n) % 100}`,
      data: { order: at + n, note: 'x'.repeat(200) },
      options: { key: `k${(at + n) % KEYS}` },
    }))
    await bus.publishBatch(entries, { timeout: '60s' })
  }
}

async function deleteStream(): Promise<void> {
  const client = await connect({ servers: nats.url })
  await (await jetstreamManager(client)).streams.delete(STREAM)
  await client.close()
}

/** Of JetStream alone, without the ledger. */
async function innerDigests(): Promise<Map<string, string>> {
  const bus = createBus({ adapter: jetstream({ servers: nats.url }) })
  await bus.connect()
  try {
    return await digests(bus.replay({ stream: STREAM }))
  } finally {
    await bus.close()
  }
}

/** For each key, over the ids, subjects and contents of its messages in their order. */
async function digests(replay: AsyncIterable<Message>): Promise<Map<string, string>> {
  const hashes = new Map<string, ReturnType<typeof createHash>>()
  for await (const { key = '', id, subject, data } of replay) {
    const hash = hashes.get(key) ?? createHash('sha256')
    hashes.set(key, hash.update(`${id}\n${subject}\n${JSON.stringify(data)}\n`))
  }
  return new Map([...hashes].map(([key, hash]) => [key, hash.digest('hex')]))
}
