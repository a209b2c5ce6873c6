/** Options of the connection, checked before anything is sent, with every default written once. */
import { type Duration, durationMs } from '../../../src/duration.js'
import { BusError } from '../../../src/errors.js'
import { Credentials } from './credentials.js'
import type { JetStreamOptions } from './options.js'
import { parseServers, type ServerList } from './servers.js'
import { Tls } from './tls.js'

/** As in subjects: printable ASCII without dots and wildcards, and nothing that a server has reserved (SUB-4). */
const TOKEN = /^(?!\$)[!-)+,\-/-=?-~]{1,256}$/

export interface Settings {
  readonly servers: ServerList
  readonly credentials: Credentials
  readonly tls: Tls | undefined
  readonly name: string
  readonly inboxPrefix: string
  readonly connectTimeoutMs: number
  /** Whether to use servers that a server tells us of. Not when they could be elsewhere and would get our credentials in clear text. */
  readonly followsGossip: boolean
}

/** Throws `BUS_INVALID_OPTION` or `BUS_CONFIG`; no text holds a secret. */
export function resolveSettings(options: JetStreamOptions): Settings {
  const servers = parseServers(options.servers)
  const credentials = new Credentials(options, servers.login)
  const tls = tlsOf(options, servers)
  const isExposed = !credentials.isEmpty && tls === undefined && options.allowInsecure !== true
  if (isExposed && !servers.isLoopback) {
    const remedy = 'Use tls:// or the option tls, or set allowInsecure: true if nobody can listen'
    throw new BusError(
      'BUS_CONFIG',
      `[nats] servers: credentials would be sent in clear text to another host. ${remedy}`,
    )
  }
  checkPlaces(options)
  return {
    servers,
    credentials,
    tls,
    name: options.name ?? 'busbar',
    inboxPrefix: prefixOf(options.inboxPrefix ?? '_INBOX'),
    connectTimeoutMs: durationMs('connectTimeout', options.connectTimeout ?? '5s', { min: 1 }),
    followsGossip: !isExposed,
  }
}

function tlsOf({ tls }: JetStreamOptions, servers: ServerList): Tls | undefined {
  if (tls === false && servers.wantsTls)
    throw new BusError('BUS_CONFIG', '[nats] servers say tls:// and the option tls is false. Drop one of them')
  if (typeof tls === 'object' && tls !== null) return new Tls(tls, servers.hosts)
  if (tls !== undefined && typeof tls !== 'boolean')
    throw new BusError('BUS_INVALID_OPTION', '[nats] tls is no boolean and no object. Give true, or { ca, cert, key }')
  return tls === true || servers.wantsTls ? new Tls({}, servers.hosts) : undefined
}

/** What the probe will read. */
function checkPlaces({ syncInterval, monitorUrl }: JetStreamOptions): void {
  if (syncInterval !== undefined && syncInterval !== 'always')
    durationMs('syncInterval', syncInterval satisfies Duration)
  if (monitorUrl === undefined) return
  const url = URL.canParse(monitorUrl) ? new URL(monitorUrl) : undefined
  const isHttp = url?.protocol === 'http:' || url?.protocol === 'https:'
  if (!isHttp || url?.username !== '' || url.password !== '')
    throw new BusError('BUS_INVALID_OPTION', '[nats] monitorUrl is no URL. Give http://host:port, without credentials')
}

function prefixOf(prefix: string): string {
  if (typeof prefix === 'string' && prefix.split('.').every((token) => TOKEN.test(token))) return prefix
  const remedy = 'Give subject tokens without wildcards, such as "_INBOX.billing"'
  throw new BusError('BUS_INVALID_OPTION', `[nats] inboxPrefix cannot begin a subject. ${remedy}`)
}
