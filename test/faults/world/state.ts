/** What is there in the end, read from the servers themselves and not through the bus, as events of the history. */
import { type JsMsg, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import type { StateEvent } from '../../../testing/history/event.js'
import { hashOf, headerHash, ID_HEADER } from '../client/content.js'
import { EFFECTS, type GroupLag, STREAM } from '../client/setting.js'
import type { World } from './world.js'

type Headers = Readonly<Record<string, string>>
type Say = (event: StateEvent) => void

/** Rows of the ledger come in pages: a whole one need not fit into memory. */
const PAGE = 5000

/** What each group has left. Memory has no server: its process is asked. */
export async function lagOf(world: World): Promise<readonly GroupLag[]> {
  if (hasLedger(world)) return await lagInLedger(world)
  if (world.nats.length > 0) return await lagInStream(world)
  return (await world.living()[0]?.inspect()) ?? []
}

/** Ranges that wait to be relayed. */
export async function outboxOf(world: World): Promise<number> {
  if (world.postgres === undefined) return 0
  const [row] = await world.sql<{ ranges: string }>('select count(*) as ranges from %.outbox')
  return Number(row?.ranges ?? 0)
}

export async function writeState(world: World, lags: readonly GroupLag[]): Promise<void> {
  const say: Say = (event) => world.note(event)
  for (const { group, pending, inFlight } of lags) {
    if (!world.groups.some((rules) => rules.group === group)) continue
    say({ ev: 'state.group', group, pending, in_flight: inFlight })
  }
  if (hasLedger(world)) await writeLedger(world, say)
  if (world.nats.length > 0) await writeStream(world, say)
}

function hasLedger({ options }: World): boolean {
  return options.adapter === 'dual'
}

async function lagInLedger(world: World): Promise<GroupLag[]> {
  const rows = await world.sql<{ name: string; unsettled: string }>(`
    select c.name, count(l.position) as unsettled
    from %.consumers c left join %.ledger l on l.stream_id = c.stream_id and l.subject ~ c.pattern
      and not exists (select from %.settled s where s.consumer_id = c.id and s.position = l.position)
      and (l.position > c.floor or exists (select from %.owed o where o.consumer_id = c.id and o.position = l.position))
    group by c.name`)
  return rows.map(({ name, unsettled }) => ({ group: name, pending: Number(unsettled), inFlight: 0 }))
}

async function lagInStream(world: World): Promise<GroupLag[]> {
  return await onNats(world, async (client) => {
    const jsm = await jetstreamManager(client)
    const lags: GroupLag[] = []
    for (const { group } of world.groups) {
      const { num_pending, num_ack_pending } = await jsm.consumers.info(STREAM, group)
      lags.push({ group, pending: num_pending, inFlight: num_ack_pending })
    }
    return lags
  })
}

interface LedgerRow {
  readonly position: string
  readonly subject: string
  readonly key: string | null
  readonly headers: string | null
  readonly payload: Buffer
}

async function writeLedger(world: World, say: Say): Promise<void> {
  let messages = 0
  await eachRow(world, STREAM, ({ position, subject, key, headers, payload }) => {
    const own: Headers = JSON.parse(headers ?? '{}')
    const content = { topic: subject, ...(key !== null && { key }), hash: hashOf(payload), hdr_hash: headerHash(own) }
    say({ ev: 'state.message', store: 'ledger', seq: Number(position), id: own[ID_HEADER] ?? '', ...content })
    messages++
  })
  say({ ev: 'state.store', store: 'ledger', messages })
  await eachRow(world, 'dead', ({ headers }) => say(deadOf(JSON.parse(headers ?? '{}'))))
  const effects = await world.sql<{ consumer: string; id: string; attempt: number; owner: string }>(
    `select consumer, id, attempt, owner from ${EFFECTS}.effects order by n`,
  )
  for (const { consumer, ...rest } of effects) say({ ev: 'state.effect', group: consumer, ...rest })
  const parked = await outboxOf(world)
  for (let n = 0; n < parked; n++) say({ ev: 'state.orphan', what: 'a range of the outbox that nobody relays' })
}

async function eachRow(world: World, stream: string, take: (row: LedgerRow) => void): Promise<void> {
  let after = '0'
  for (;;) {
    const rows = await world.sql<LedgerRow>(
      `select l.position, l.subject, l.key, l.headers, l.payload from %.ledger l join %.streams s on s.id = l.stream_id
       where s.name = $1 and l.position > $2 order by l.position limit ${PAGE}`,
      [stream, after],
    )
    for (const row of rows) take(row)
    if (rows.length < PAGE) return
    after = rows.at(-1)?.position ?? after
  }
}

async function writeStream(world: World, say: Say): Promise<void> {
  let messages = 0
  await onNats(world, async (client) => {
    await eachMessage(client, STREAM, (message) => {
      const own = headersOf(message)
      const key = own['Busbar-Key']
      const content = { topic: message.subject, hash: hashOf(message.data), hdr_hash: headerHash(own) }
      const id = own[ID_HEADER] ?? ''
      const again = own['Busbar-Ledger']?.endsWith(' again') === true
      const copy = { ...content, ...(key !== undefined && { key }), ...(again && { again }) }
      say({ ev: 'state.message', store: 'stream', seq: message.seq, id, ...copy })
      messages++
    })
    say({ ev: 'state.store', store: 'stream', messages })
    // On a ledger they were told from there.
    if (!hasLedger(world)) await eachMessage(client, 'dead', (message) => say(deadOf(headersOf(message))))
  })
}

function deadOf(headers: Headers): StateEvent {
  const group = headers['Busbar-Dead-Consumer'] ?? ''
  return { ev: 'state.dead', group, id: headers[ID_HEADER] ?? '', attempts: Number(headers['Busbar-Dead-Attempts']) }
}

function headersOf(message: JsMsg): Headers {
  return Object.fromEntries((message.headers?.keys() ?? []).map((name) => [name, message.headers?.get(name) ?? '']))
}

async function eachMessage(client: NatsConnection, stream: string, take: (message: JsMsg) => void): Promise<void> {
  const jsm = await jetstreamManager(client)
  const { state } = await jsm.streams.info(stream)
  if (state.messages === 0) return
  const consumer = await jetstream(client).consumers.get(stream)
  for await (const message of await consumer.consume({ max_messages: 2000 })) {
    take(message)
    if (message.seq >= state.last_seq) return
  }
}

async function onNats<Result>(world: World, work: (client: NatsConnection) => Promise<Result>): Promise<Result> {
  const client = await connect({ servers: world.nats.map(({ url }) => url), timeout: 20_000 })
  try {
    return await work(client)
  } finally {
    await client.close()
  }
}
