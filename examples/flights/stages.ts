/**
 * What a chaos run runs on: servers of its own, what happens to them and when, and where the statistics are in the end. One stage for each
 * backend that has servers; what the run does on it is in `chaos.ts`.
 */
import { rm } from 'node:fs/promises'
import { setTimeout as wait } from 'node:timers/promises'
import type { MessageBus } from '../../src/index.js' // busbar
import { startNats } from '../../test/servers/nats-server.js'
import { startPostgres } from '../../test/servers/postgres.js'
import type { Servers } from './connect.js'
import type { AirportStore } from './downstream.js'
import type { AirportFigures, Difference, Figures } from './figures.js'
import { createAirports, readAirports } from './ledger-store.js'

export interface Stage {
  readonly servers: Servers
  /** In the order in which they happen. */
  readonly outages: readonly Outage[]
  prepare(bus: MessageBus): Promise<void>
  /** @param told what the process of the run was told to store */
  airports(bus: MessageBus, told: AirportStore): Promise<ReadonlyMap<string, AirportFigures>>
  /** What is wrong with the backend itself, once everything is settled. */
  audit(bus: MessageBus, expected: Figures): Promise<Difference[]>
  stop(): Promise<void>
}

export interface Outage {
  readonly what: string
  readonly how: string
  /** Share of the flights that are published when it begins. */
  readonly at: number
  /** Resolves when clients can connect again. */
  cause(): Promise<void>
}

interface Server {
  readonly pid: number
  readonly version: string
  readonly url: string
  kill(): Promise<void>
  restart(): Promise<void>
}

/** After a batch was sent: some of it is stored by then, and nobody has been told. */
const KILL_AFTER_MS = 2
const DOWN_MS = 500
const AUDIT_EVERY_MS = 200
const AUDIT_WITHIN_MS = 60_000

type Say = (text: string) => void

/** A server that is killed three times. */
export async function natsStage(say: Say): Promise<Stage> {
  const nats = await startNats()
  introduce(say, 'nats-server', nats)
  const killed = { what: 'server', how: 'killed with -9', cause: outage(nats, 'server', say) }
  return {
    servers: { nats: nats.url },
    outages: [0.25, 0.5, 0.75].map((at) => ({ ...killed, at })),
    prepare: async () => {},
    airports: async (_, { rows }) => rows,
    audit: async () => [],
    stop: () => nats.stop(),
  }
}

/** Both servers are killed once, and in between all that JetStream has stored is deleted. */
export async function dualStage(say: Say): Promise<Stage> {
  const nats = await startNats()
  const postgres = await startPostgres().catch(async (thrown) => {
    await nats.stop()
    throw thrown
  })
  introduce(say, 'nats-server', nats)
  introduce(say, 'PostgreSQL', postgres)
  const forget = () => rm(nats.storeDir, { recursive: true })
  return {
    servers: { nats: nats.url, database: postgres.url },
    outages: [
      { what: 'server', how: 'killed with -9', at: 0.25, cause: outage(nats, 'server', say) },
      { what: 'store', how: 'deleted', at: 0.5, cause: outage(nats, 'server', say, forget) },
      { what: 'PostgreSQL', how: 'stopped at once', at: 0.75, cause: outage(postgres, 'PostgreSQL', say) },
    ],
    prepare: createAirports,
    airports: readAirports,
    audit: (bus, expected) => auditLedger(bus, expected, say),
    stop: async () => {
      await Promise.all([nats.stop(), postgres.stop()])
    },
  }
}

function introduce(say: Say, name: string, { version, url, pid }: Server): void {
  say(`${name} ${version} at ${url} runs as process ${pid}`)
}

function outage(server: Server, name: string, say: Say, meanwhile = async (): Promise<void> => {}) {
  return async (): Promise<void> => {
    await wait(KILL_AFTER_MS)
    await server.kill()
    await meanwhile()
    await wait(DOWN_MS)
    await server.restart()
    say(`${name} runs again as process ${server.pid}`)
  }
}

/** Exactly one dead letter each, and in JetStream again what the ledger has: nobody asked for that, so it may take a moment. */
async function auditLedger(bus: MessageBus, expected: Figures, say: Say): Promise<Difference[]> {
  const giveUpAt = performance.now() + AUDIT_WITHIN_MS
  for (;;) {
    const flights = await bus.verify({ stream: 'flights' })
    const dead = await bus.verify({ stream: 'dead' })
    const differences = [
      difference('flights of the ledger in JetStream', flights.inner, flights.ledger),
      difference('dead letters of the ledger in JetStream', dead.inner, dead.ledger),
      difference('dead letters in the ledger', dead.ledger, expected.deadLetters.size),
      difference('messages in JetStream only', flights.foreign + dead.foreign, 0),
    ].flat()
    if (differences.length === 0 || performance.now() > giveUpAt) {
      say(`JetStream has ${flights.inner} flights and ${dead.inner} dead letters of the ledger`)
      return differences
    }
    await wait(AUDIT_EVERY_MS)
  }
}

function difference(figure: string, measured: number, expected: number): Difference[] {
  return measured === expected ? [] : [{ figure, measured: String(measured), expected: String(expected) }]
}
