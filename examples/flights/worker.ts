/**
 * A process of its own for the consumers: `worker.ts <url of the server> <run> <order>`, started by `worker-process.ts` and killed by
 * `chaos.ts`. It lives as long as its IPC channel at most.
 */
import { connectTo } from './connect.js'
import { CONSUMERS, startConsumers } from './consumers.js'
import { type FromWorker, RemoteDownstream, type ToWorker, type WorkerFigures } from './remote.js'

// Each kill of either process costs what is held an attempt, and so does each refusal of the downstream.
const ATTEMPTS = 20
const ACK_WAIT = '2s'
const FIGURES_EVERY_MS = 50

const [url = '', run = '', order] = process.argv.slice(2)
// The parent decides what a Ctrl-C means; the terminal sends it to the whole group.
process.on('SIGINT', () => {})
process.on('disconnect', () => process.exit(1))

const send = (message: FromWorker) => void process.send?.(message)
const downstream = new RemoteDownstream(send)
const bus = await connectTo(url)
const consumers = await startConsumers(bus, {
  run,
  store: downstream,
  pager: downstream,
  order: order === 'none' ? 'none' : 'key',
  attempts: ATTEMPTS,
  ackWait: ACK_WAIT,
})
const tellFigures = () => send({ kind: 'figures', figures: figures() })
const ticker = setInterval(tellFigures, FIGURES_EVERY_MS)

process.on('message', (message: ToWorker) => {
  if (message.kind === 'answer') downstream.onAnswer(message)
  else void stop()
})
send({ kind: 'ready' })

async function stop(): Promise<void> {
  await bus.close({ within: '5s' })
  clearInterval(ticker)
  tellFigures()
  process.disconnect()
}

function figures(): WorkerFigures {
  return Object.fromEntries(CONSUMERS.map((name) => [name, consumers[name].stats()]))
}
