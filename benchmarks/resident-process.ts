/** The process of `resident.ts`: one contender, run for some seconds, watched for the most memory it takes. */
import { orderOf } from './contender.js'
import { contenders } from './contenders/index.js'
import type { Errand, Measured } from './resident.js'
import { stopServers } from './servers.js'

const SAMPLE_EVERY_MS = 5
const ENOUGH_MESSAGES = 200_000
const ENOUGH_MS = 3000

const { contender: name, payloadBytes, messages }: Errand = JSON.parse(process.argv[2] ?? '')
const contender = contenders.find((each) => each.name === name)

let most = 0
const sample = (): void => {
  most = Math.max(most, process.memoryUsage.rss())
}
const startedAt = performance.now()
const sampling = setInterval(sample, SAMPLE_EVERY_MS)
sample()
if (contender !== undefined) {
  // A short run ends before the collector has found its pace.
  for (let done = 0; done < ENOUGH_MESSAGES && performance.now() - startedAt < ENOUGH_MS; done += messages) {
    const prepared = await contender.prepare({ messages, order: orderOf(payloadBytes) })
    await prepared.run()
    sample()
    await prepared.close()
  }
}
clearInterval(sampling)
await stopServers()
const measured: Measured = { residentMb: most / 2 ** 20 }
process.send?.(measured, () => process.exit(0))
