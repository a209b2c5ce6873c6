/**
 * A process of a fault run: publishes, works, or both, and writes a history of its own. It does what the lines of its standard input say
 * (`Command`) and answers on standard output (`Said`). Argument: a `ClientSetting` as JSON.
 */
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { BusError } from '../../../src/errors.js'
import { jsonLogger } from '../../../src/logger.js'
import { HistoryFile } from '../../../testing/history/recorder.js'
import { brokenOf } from '../broken/index.js'
import { busOf } from './connect.js'
import { ID_HEADER } from './content.js'
import { Producer } from './producer.js'
import { type ClientSetting, type Command, type Said, STREAM } from './setting.js'
import { ShiftedClock } from './shifted-clock.js'
import { Worker } from './worker.js'

const COUNT_MS = 250
const GOODBYE_MS = 2000
const OWN = /^(PipeWrap|FSReq.*|TTYWrap|FileHandleCloseReq|Immediate|WriteWrap)$/
/** What a process may grow to: a thousandth of that many messages are in flight at a time. */
const RSS_LIMIT_BYTES = 700 * 1024 ** 2

const setting: ClientSetting = JSON.parse(process.argv[2] ?? '{}')
const { run, proc, folder, backend, groups, seed, concurrency } = setting
const name = `${proc}.${process.pid}`
const before = process.getActiveResourcesInfo()
const history = await HistoryFile.open(join(folder, `${name}.jsonl`), { run, proc })
const logger = jsonLogger((line) => appendFileSync(join(folder, `${name}.log`), line))
const clock = new ShiftedClock()
const bus = busOf(backend, { logger, clock, broken: brokenOf(backend.broken) })
const producer = new Producer(bus, history, { name, seed, hasLedger: backend.adapter === 'dual' })
const worker = new Worker(bus, history, { owner: name, concurrency })

function say(said: Said): void {
  process.stdout.write(`${JSON.stringify(said)}\n`)
}

function count(): void {
  say({ say: 'count', accepted: producer.accepted, handled: worker.handled })
}

async function start(): Promise<void> {
  await bus.connect()
  for (const group of groups) await worker.work(group)
  say({ say: 'ready' })
}

async function replay(): Promise<void> {
  const ids: string[] = []
  for await (const message of bus.replay({ stream: STREAM })) ids.push(message.id)
  history.note({ ev: 'state.replay', reader: name, ids })
  if (backend.adapter === 'memory') await noteDead()
  say({ say: 'replayed' })
}

/** Of a backend that has no server to be asked. */
async function noteDead(): Promise<void> {
  for (const { group } of groups)
    for await (const { id, headers, attempts } of bus.deadLetters(group).list())
      history.note({ ev: 'state.dead', group, id: headers[ID_HEADER] ?? id, attempts })
}

async function inspect(): Promise<void> {
  const { consumers } = await bus.inspect()
  const lags = consumers.map(({ name: group, pending, inFlight }) => ({ group, pending, inFlight }))
  say({ say: 'inspected', groups: lags })
}

/** Another one may be at it: then that is the answer. */
async function repair(): Promise<void> {
  const how = await bus.repair({ stream: STREAM }).then(
    ({ republished }) => `${republished}`,
    (thrown) => (thrown instanceof BusError ? thrown.code : `${thrown}`),
  )
  say({ say: 'repaired', how })
}

async function stop(withinMs: number): Promise<void> {
  clearInterval(counting)
  await producer.hush()
  await bus.close({ within: withinMs })
  count()
  const left = await leftBehind()
  const rss_bytes = process.memoryUsage().rss
  history.note({ ev: 'state.process', proc: name, left, rss_bytes, rss_limit_bytes: RSS_LIMIT_BYTES })
  await history.close()
  say({ say: 'stopped' })
  process.stdin.destroy()
}

/** What the bus opened and has not given back a moment after it was closed: a socket takes its time to say goodbye. */
async function leftBehind(): Promise<string[]> {
  const giveUpAt = performance.now() + GOODBYE_MS
  for (;;) {
    const left = openedSince(before, process.getActiveResourcesInfo())
    if (left.length === 0 || performance.now() > giveUpAt) return left
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** This program itself holds its standard streams and its files. */
function openedSince(had: readonly string[], has: readonly string[]): string[] {
  const rest = [...had]
  return has.filter((resource) => {
    const at = rest.indexOf(resource)
    if (at >= 0) rest.splice(at, 1)
    return at < 0 && !OWN.test(resource)
  })
}

async function obey(command: Command): Promise<void> {
  if (command.do === 'produce') return producer.produce(command.perSecond)
  if (command.do === 'dawdle') {
    worker.dawdleMs = command.ms
    return
  }
  if (command.do === 'block') return block(command.ms)
  if (command.do === 'set clock') {
    clock.aheadMs = command.aheadMs
    return
  }
  if (command.do === 'poison') return await producer.poison(command.how)
  if (command.do === 'repair') return await repair()
  if (command.do === 'replay') return await replay()
  if (command.do === 'inspect') return await inspect()
  if (command.do === 'stop') return await stop(command.withinMs)
  await producer.hush()
  count()
  say({ say: 'hushed' })
}

function block(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until);
}

function fail(thrown: unknown): void {
  say({ say: 'failed', text: thrown instanceof Error ? `${thrown.stack}` : `${thrown}` })
}

process.on('unhandledRejection', fail)
const counting = setInterval(count, COUNT_MS)
await start().catch((thrown) => {
  fail(thrown)
  process.exit(1)
})
for await (const line of createInterface({ input: process.stdin })) void obey(JSON.parse(line)).catch(fail)
