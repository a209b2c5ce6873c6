/** Desks that publish in atomic batches, and what went through them. */
import type { PublishOutcome } from '../../../src/adapter.js'
import { range } from '../../../testing/suite/expect.js'
import type { NatsServer } from '../../servers/nats-server.js'
import { Publishing, type PublishingOptions } from './publishing.js'

export const ALWAYS = { syncInterval: 'always' } as const

/** A desk that knows, or was told, how its server syncs. */
export function openDesk(server: NatsServer, options: PublishingOptions = {}): Promise<Publishing> {
  return Publishing.open(server, { ...ALWAYS, ...options })
}

/** Sizes of the batches that were committed to the server, as it received them. */
export function committed({ proxy }: Publishing): number[] {
  const commits = proxy.sent.matchAll(/Nats-Batch-Sequence:(\d+)\r\nNats-Batch-Commit:1\r\n/g)
  return [...commits].map(([, size]) => Number(size))
}

export function countOf({ proxy }: Publishing, text: string): number {
  return proxy.sent.split(text).length - 1
}

export function sequencesOf(outcomes: readonly PublishOutcome[]): number[] {
  return outcomes.map((outcome) => (outcome.status === 'accepted' ? outcome.sequence : 0))
}

/** Beyond any stall of the machine that would have a batch repeated. */
export const PATIENT_MS = 60_000

export function sendAll(desk: Publishing, count: number, prefix = ''): Promise<readonly PublishOutcome[]> {
  return desk.send(desk.batch(...texts(count, prefix)), PATIENT_MS)
}

export function texts(count: number, prefix = ''): string[] {
  return range(1, count).map((n) => `${prefix}${n}`)
}

export const accepted = (count: number): string[] => range(1, count).map(() => 'accepted')
