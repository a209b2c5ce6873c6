/** Everything that is stored, read once more in order; and a stream that is lost, rebuilt from the ledger. */
import { type Contender, IN_FLIGHT, type Load, type Order, type Prepared } from '../contender.js'
import { BenchLedger, SYNCED_THEN_STREAM } from '../ledgers.js'
import { publishAll } from '../load.js'
import { type Backend, openBus } from '../place.js'
import { backlogOf, fill } from './backlog.js'

/** Each message of a place, in order. */
export interface Reader {
  read(onOrder: (order: Order) => void): Promise<unknown>
  close(): Promise<unknown>
}

export type OpenReader = (backend: Backend, load: Load) => Promise<Reader>

export function replay(backend: Backend, row: Pick<Contender, 'name' | 'what'>, open: OpenReader): Contender {
  const { durability, beside } = backend
  const prepare = async (load: Load): Promise<Prepared> => {
    const reader = await open(backend, load)
    return { run: () => readAll(reader, load), close: () => reader.close() }
  }
  return { ...row, durability, beside, groups: ['replay'], messages: ({ messages }) => messages, prepare }
}

async function readAll(reader: Reader, { messages, order }: Load): Promise<void> {
  let total = 0
  await reader.read((read) => {
    total += read.total
  })
  if (Math.round(total / order.total) !== messages) throw new Error(`${messages} messages were not read once each`)
}

/** By another bus than the one that wrote, which nobody in memory has. */
export const openBusReader: OpenReader = async (backend, load) => {
  const isShared = backend.beside !== 'memory'
  const { address, subject } = isShared ? await backlogOf(backend, load) : await backend.create()
  const bus = await openBus(address)
  if (!isShared) await publishAll({ publish: (order) => bus.publish(subject, order) }, load, IN_FLIGHT)
  return {
    async read(onOrder) {
      for await (const { data } of bus.replay({ stream: address.definition.name })) onOrder(data as Order)
    },
    close: () => bus.close(),
  }
}

/** Nothing is held back by the default limit of 20,000 a second. */
const UNLIMITED = 10_000_000

export const rebuild: Contender = {
  name: 'dual-rebuild',
  what: 'busbar: a stream deleted from JetStream, sent again from the ledger until they are the same',
  durability: SYNCED_THEN_STREAM,
  beside: 'dual',
  groups: ['replay'],
  messages: ({ messages }) => Math.ceil(messages / 2),
  async prepare(load) {
    const create = () => BenchLedger.create('jetstream', { repairRate: UNLIMITED, compareEvery: 0 })
    const ledger = await create()
    await fill({ name: 'dual', beside: 'dual', durability: '', create: async () => ledger }, load)
    const bus = await openBus(ledger.address)
    const stream = ledger.address.definition.name
    await ledger.loseStream()
    return {
      async run() {
        const { republished } = await bus.repair({ stream })
        if (republished !== load.messages) throw new Error(`${republished} of ${load.messages} were sent again`)
      },
      async close() {
        const { isSame } = await bus.verify({ stream })
        if (!isSame) throw new Error('the rebuilt stream is not the same as its ledger')
        await ledger.assertStored(load.messages)
        await bus.close()
        await ledger.remove()
      },
    }
  },
}
