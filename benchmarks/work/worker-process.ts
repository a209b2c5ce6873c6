/** One of the worker processes of `processes.ts`: connects, consumes when told so, and says how far it is. */
import type { MessageBus } from '../../src/index.js'
import { openBus } from '../place.js'
import type { Command, News } from './processes.js'

const NEWS_EVERY_MS = 5

let bus: MessageBus | undefined
let stream = ''

process.on('message', (command: Command) => void obey(command))
// Nobody is left who could ask for anything.
process.on('disconnect', () => process.exit(1))

async function obey({ address, consumer, stop }: Command): Promise<void> {
  if (address !== undefined) {
    stream = address.definition.name
    bus = await openBus(address)
    tell({ isReady: true })
  }
  if (consumer !== undefined && bus !== undefined) await consume(bus, consumer)
  if (stop === undefined) return
  await bus?.close()
  process.exit(0)
}

async function consume(open: MessageBus, name: string): Promise<void> {
  const before = process.cpuUsage()
  // Decoded, and nothing else.
  const pool = await open.consume({ name, stream }, ({ data }) => void data, { concurrency: 64 })
  let told = 0
  setInterval(() => {
    const { handled } = pool.stats()
    if (handled === told) return
    told = handled
    const { user, system } = process.cpuUsage(before)
    tell({ handled, cpuUs: user + system })
  }, NEWS_EVERY_MS)
}

function tell(news: News): void {
  process.send?.(news)
}
