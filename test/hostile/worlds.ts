/** A bus on each backend, side by side, over real servers: for what must be the same on all of them. */
import { dual } from '../../adapters/dual/index.js'
import { jetstream } from '../../adapters/jetstream/index.js'
import { memory } from '../../adapters/memory/index.js'
import type { Adapter } from '../../src/adapter.js'
import { createBus, type MessageBus } from '../../src/index.js'
import { startNats } from '../servers/nats-server.js'
import { startPostgres } from '../servers/postgres.js'
import { Neighbour } from './neighbour.js'

export interface World {
  readonly name: string
  readonly bus: MessageBus
  readonly neighbour: Neighbour
}

export interface Worlds {
  readonly all: readonly World[]
  /** Proves that nobody was disturbed, and ends everything. */
  end(): Promise<void>
}

/** Streams of that name and `quiet` on each. */
export async function openWorlds(stream: string): Promise<Worlds> {
  const [nats, postgres] = await Promise.all([startNats(), startPostgres()])
  const adapters: Readonly<Record<string, Adapter>> = {
    memory: memory(),
    nats: jetstream({ servers: nats.url }),
    dual: dual({ inner: memory(), connection: postgres.url, schema: 'hostile' }),
  }
  const open = async ([name, adapter]: [string, Adapter]): Promise<World> => {
    const bus = createBus({ adapter, streams: [{ name: stream, subjects: [`${stream}.>`] }, Neighbour.stream()] })
    await bus.connect()
    return { name, bus, neighbour: await Neighbour.of(bus) }
  }
  const all = await Promise.all(Object.entries(adapters).map(open))
  const end = async (): Promise<void> => {
    for (const { neighbour } of all) await neighbour.assertUndisturbed()
    await Promise.all(all.map(({ bus }) => bus.close()))
    await Promise.all([nats.stop(), postgres.stop()])
  }
  return { all, end }
}
