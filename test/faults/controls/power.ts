/** Plain JetStream publishes, each acknowledged, and a power cut: what the acknowledgement was worth, for a way of syncing. */
import { jetstream, jetstreamManager, StorageType } from '@nats-io/jetstream'
import { connect, headers } from '@nats-io/transport-node'
import { randomOf } from '../../../testing/run-number.js'
import { type NatsServer, startNats } from '../../servers/nats-server.js'
import { STREAM, SUBJECTS } from '../client/setting.js'
import { disksFor, type ServerDisk } from '../world/disks.js'
import { Controlled, type ControlResult, type Raw, rawOf, recordPublish } from './control.js'

const LOAD_MS = 4000
const CALLERS = 64

/**
 * @param syncInterval `always`, or left out for the server's default
 * @throws Error when this machine cannot cut power
 */
export async function powerCut(folder: string, syncInterval?: 'always'): Promise<ControlResult> {
  const server = await startNats(syncInterval === undefined ? {} : { syncInterval })
  const { nats, lacking } = await disksFor([server], undefined)
  const [disk] = nats
  try {
    if (disk === undefined) throw new Error(lacking)
    const name = `jetstream-${syncInterval ?? 'default'}`
    const versions = { 'nats-server': server.version, sync_interval: syncInterval ?? 'default' }
    const control = await Controlled.begin(folder, name, versions)
    await load(control, server, disk)
    await control.fault('F7', 'nats', async () => {
      await disk.cutPower()
      await disk.recover()
      await server.restart()
    })
    const setup = syncInterval === undefined ? 'JetStream, default' : 'JetStream, sync_interval always'
    return await control.judge(server.url, { setup, under: 'a power cut' })
  } finally {
    await disk?.remove()
    await server.stop()
  }
}

/** The stream itself is on disk before the load begins. */
async function load(control: Controlled, { url }: NatsServer, disk: ServerDisk): Promise<void> {
  const history = await control.writer('p1')
  const client = await connect({ servers: url })
  const stream = { name: STREAM, subjects: SUBJECTS, storage: StorageType.File }
  await (await jetstreamManager(client)).streams.add(stream)
  const js = jetstream(client)
  await disk.sync()
  const random = randomOf(1)
  const end = performance.now() + LOAD_MS
  let ops = 0
  const publish = async ({ topic, payload, headers: own }: Raw): Promise<'accepted' | 'unknown'> => {
    const fields = headers()
    for (const [name, value] of Object.entries(own)) fields.set(name, value)
    return await js.publish(topic, payload, { headers: fields }).then(
      () => 'accepted',
      () => 'unknown',
    )
  }
  const caller = async (): Promise<void> => {
    while (performance.now() < end) {
      const op = `${++ops}`
      const raw = rawOf(`p1-${op}`, random)
      await recordPublish(history, op, raw, () => publish(raw))
    }
  }
  await Promise.all(Array.from({ length: CALLERS }, caller))
  await client.close()
  await history.close()
}
