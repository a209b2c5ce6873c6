/** The first connection: tried again until the time is up, unless trying again cannot help. Later ones are the client's (`pace.ts`). */
import { type ConnectionOptions, connect, type NatsConnection } from '@nats-io/transport-node'
import type { AdapterHost } from '../../../src/adapter.js'
import type { Clock } from '../../../src/clock.js'
import type { BusError } from '../../../src/errors.js'
import { failure } from '../failure.js'
import { keepServers } from './client-internals.js'
import { connectFailure } from './connect-failure.js'
import type { Pace } from './pace.js'
import type { Settings } from './settings.js'

const RETRY_MS = 200
/** Two pings without an answer: a half-open link is noticed after 8 to 12 s (JS-R2). */
const PING_MS = 4000
const PINGS_OUT = 2

/** Rejects with `BUS_UNAVAILABLE`, `BUS_AUTH`, `BUS_CONFIG`, or `BUS_CLOSED` when `closing` fires. */
export async function dial(
  settings: Settings,
  host: AdapterHost,
  pace: Pace,
  closing: AbortSignal,
): Promise<NatsConnection> {
  const { clock } = host
  const until = clock.monotonic() + settings.connectTimeoutMs
  let last = timedOut(settings)
  while (!closing.aborted) {
    const attempt = attemptOnce(settings, pace)
    try {
      const nats = await withinTime(attempt, until - clock.monotonic(), clock, closing)
      if (nats === undefined) break
      return nats
    } catch (thrown) {
      last = await connectFailure(settings, thrown)
      if (!last.retryable) throw last
    }
    const pauseMs = Math.min(RETRY_MS, until - clock.monotonic())
    if (pauseMs <= 0) break
    await withinTime(new Promise<never>(() => {}), pauseMs, clock, closing)
  }
  throw closing.aborted ? failure('connect', 'BUS_CLOSED', 'the adapter was closed') : last
}

async function attemptOnce(settings: Settings, pace: Pace): Promise<NatsConnection> {
  await settings.credentials.ask()
  const nats = await connect(clientOptions(settings, pace))
  keepServers(nats, settings.servers.addresses)
  return nats
}

function clientOptions(settings: Settings, pace: Pace): ConnectionOptions {
  const { servers, credentials, tls, connectTimeoutMs } = settings
  const authenticator = credentials.authenticator()
  return {
    servers: [...servers.addresses],
    name: settings.name,
    inboxPrefix: settings.inboxPrefix,
    // Each of several servers gets its share of the time, but enough for a slow link.
    timeout: Math.ceil(Math.max((connectTimeoutMs * 0.6) / servers.addresses.length, connectTimeoutMs * 0.4)),
    maxReconnectAttempts: -1,
    reconnectDelayHandler: pace.delay,
    ignoreAuthErrorAbort: true,
    ignoreClusterUpdates: !settings.followsGossip,
    pingInterval: PING_MS,
    maxPingOut: PINGS_OUT,
    noAsyncTraces: true,
    ...(authenticator === undefined ? {} : { authenticator }),
    ...(tls === undefined ? {} : { tls: tls.clientOptions }),
  }
}

/** Undefined when the time is up or `closing` fired; a connection that comes later is closed. */
async function withinTime(
  attempt: Promise<NatsConnection>,
  ms: number,
  clock: Clock,
  closing: AbortSignal,
): Promise<NatsConnection | undefined> {
  let isOver = false
  attempt.then(
    (nats) => (isOver ? nats.close() : undefined),
    () => {},
  )
  return new Promise((resolve, reject) => {
    const end = (): void => {
      isOver = true
      timer.cancel()
      closing.removeEventListener('abort', end)
      resolve(undefined)
    }
    const timer = clock.timer(ms, end)
    closing.addEventListener('abort', end)
    attempt.then(resolve, reject).finally(() => {
      timer.cancel()
      closing.removeEventListener('abort', end)
    })
  })
}

function timedOut({ servers, connectTimeoutMs }: Settings): BusError {
  const problem = `no server answered within ${connectTimeoutMs} ms. Check host and port, and what is between`
  return failure(`connect to ${servers.addresses.join(', ')}`, 'BUS_UNAVAILABLE', problem)
}
