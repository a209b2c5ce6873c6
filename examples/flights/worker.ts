/**
 * A process of its own for the consumers: `worker.ts <servers as JSON> <run> <order>`, started by `worker-process.ts` and killed by
 * `chaos.ts`. It lives as long as its IPC channel at most.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { isBusError, type RetryOptions } from '../../src/index.js' // busbar
import { connectTo, type Servers } from './connect.js'
import { CONSUMERS, startConsumers } from './consumers.js'
import { LedgerStore } from './ledger-store.js'
import { type FromWorker, RemoteDownstream, type ToWorker, type WorkerFigures } from './remote.js'

// Each kill of either process costs what is held an attempt, and so does each refusal of the downstream. Without its database a handler
// that needs one fails at once: the longest wait, repeated, must be longer than an outage.
const RETRY: RetryOptions = { attempts: 40, backoff: ['2ms', '5ms', '10ms', '500ms'] }
const START_WITHIN_MS = 60_000
const START_AGAIN_MS = 200
const ACK_WAIT = '2s'
const FIGURES_EVERY_MS = 50

const [given = '', run = '', order] = process.argv.slice(2)
const servers: Servers = JSON.parse(given)
// The parent decides what a Ctrl-C means; the terminal sends it to the whole group.
process.on('SIGINT', () => {})
process.on('disconnect', () => process.exit(1))

const send = (message: FromWorker) => void process.send?.(message)
const downstream = new RemoteDownstream(send)
const { bus, consumers } = await startPatiently()
const tellFigures = () => send({ kind: 'figures', figures: figures() })
const ticker = setInterval(tellFigures, FIGURES_EVERY_MS)

process.on('message', (message: ToWorker) => {
  if (message.kind === 'answer') downstream.onAnswer(message)
  else void stop()
})
send({ kind: 'ready' })

/** A server may be away just now. */
async function startPatiently(): ReturnType<typeof start> {
  for (;;) {
    try {
      return await start()
    } catch (thrown) {
      if (!isBusError(thrown) || !thrown.retryable || performance.now() > START_WITHIN_MS) throw thrown
    }
    await wait(START_AGAIN_MS)
  }
}

async function start() {
  const bus = await connectTo(servers, (repair) => send({ kind: 'repaired', repair }))
  try {
    const consumers = await startConsumers(bus, {
      run,
      store: servers.database === undefined ? downstream : (tx) => new LedgerStore(tx, downstream),
      pager: downstream,
      order: order === 'none' ? 'none' : 'key',
      retry: RETRY,
      ackWait: ACK_WAIT,
    })
    return { bus, consumers }
  } catch (thrown) {
    await bus.close()
    throw thrown
  }
}

async function stop(): Promise<void> {
  await bus.close({ within: '5s' })
  clearInterval(ticker)
  tellFigures()
  process.disconnect()
}

function figures(): WorkerFigures {
  return Object.fromEntries(CONSUMERS.map((name) => [name, consumers[name].stats()]))
}
