/**
 * `npm run power-cut`: how many messages that JetStream has acknowledged are gone after the power failed, for each way of syncing. One
 * server, file storage, one replica; messages are published through the bus. Needs Linux and root. Prints a table.
 */
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { jetstream } from '../../adapters/jetstream/index.js'
import { createBus } from '../../src/bus.js'
import { type NatsServer, startNats } from '../../test/servers/nats-server.js'
import { Disk } from './disk.js'

const LOAD_MS = 4000
const CALLERS = 256
const SETTINGS: readonly (string | undefined)[] = [undefined, '1s', 'always']

interface Result {
  readonly accepted: number
  readonly lost: number
  readonly perSecond: number
}

/** Accepts until the time is up; returns the positions. The stream itself has been there for long when the load begins. */
async function load({ url, monitorUrl }: NatsServer, disk: Disk): Promise<number[]> {
  const streams = [{ name: 'cut', subjects: ['cut.>'] }]
  const bus = createBus({ adapter: jetstream({ servers: url, monitorUrl }), streams })
  await bus.connect()
  await disk.sync()
  const sequences: number[] = []
  const end = performance.now() + LOAD_MS
  const data = { text: 'x'.repeat(230) }
  const caller = async (): Promise<void> => {
    while (performance.now() < end) sequences.push((await bus.publish('cut.a', data)).sequence)
  }
  await Promise.all(Array.from({ length: CALLERS }, caller))
  await bus.close()
  return sequences
}

/** How many of these positions the stream does not have. */
async function countLost(jsm: JetStreamManager, sequences: readonly number[]): Promise<number> {
  try {
    const { state } = await jsm.streams.info('cut', { deleted_details: true })
    const holes = new Set(state.deleted ?? [])
    return sequences.filter((at) => at < state.first_seq || at > state.last_seq || holes.has(at)).length
  } catch {
    // The whole stream is gone.
    return sequences.length
  }
}

async function measure(syncInterval: string | undefined): Promise<Result> {
  const server = await startNats({ version: '2.15', ...(syncInterval === undefined ? {} : { syncInterval }) })
  await server.kill()
  const disk = await Disk.mount(server.storeDir)
  try {
    await disk.prove()
    await server.restart()
    const accepted = await load(server, disk)
    await disk.cutPower()
    await server.kill()
    await disk.powerOff()
    await disk.powerOn()
    await server.restart()
    const client = await connect({ servers: server.url })
    const lost = await countLost(await jetstreamManager(client), accepted)
    await client.close()
    return { accepted: accepted.length, lost, perSecond: Math.round((accepted.length * 1000) / LOAD_MS) }
  } finally {
    await server.kill()
    await disk.remove()
    await server.stop()
  }
}

console.log('| `sync_interval` | acknowledged | lost after the power cut | acknowledged a second |\n|---|--:|--:|--:|')
const results: Result[] = []
for (const setting of SETTINGS) {
  const result = await measure(setting)
  results.push(result)
  const name = setting ?? 'default (2 min)'
  console.log(`| ${name} | ${result.accepted} | ${result.lost} | ${result.perSecond} |`)
}
// A cut that nothing is lost in proves nothing about the setting that loses nothing.
if (results[0]?.lost === 0) console.log('void: the default lost nothing, so the cut did not cut')
process.exitCode = results[0]?.lost === 0 || results.at(-1)?.lost !== 0 ? 1 : 0
