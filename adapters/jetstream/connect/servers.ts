/** The list of servers that an application gives: checked, taken apart, and freed of the credentials that may be written into it. */
import { BusError } from '../../../src/errors.js'

const DEFAULT_SERVER = 'nats://127.0.0.1:4222'
const DEFAULT_PORT = 4222
const LOOPBACK = /^(localhost|.+\.localhost|127(\.\d{1,3}){3}|\[::1\])$/

export interface ServerList {
  /** `host:port`, as the client takes them; an IPv6 address in brackets. */
  readonly addresses: readonly string[]
  /** Host names and addresses, as certificates name them. */
  readonly hosts: readonly string[]
  /** One `tls://` asks for TLS everywhere: which server will be met is chance. */
  readonly wantsTls: boolean
  readonly isLoopback: boolean
  readonly login: UrlLogin | undefined
}

/** What stood before the `@`. Without a colon it is a token. */
export type UrlLogin = { readonly user: string; readonly password: string } | { readonly token: string }

/** Throws `BUS_INVALID_OPTION`, or `BUS_CONFIG` when the URLs contradict each other. No error shows a URL that may hold a secret. */
export function parseServers(servers: string | readonly string[] = DEFAULT_SERVER): ServerList {
  const given: unknown = typeof servers === 'string' ? servers.split(',') : servers
  if (!Array.isArray(given) || given.length === 0) throw malformed('is empty or no list')
  const urls = given.map((each: unknown, at) => parse(each, `entry ${at + 1}`))
  return {
    addresses: urls.map((url) => `${hostOf(url)}:${url.port === '' ? DEFAULT_PORT : url.port}`),
    hosts: urls.map((url) => hostOf(url).replace(/^\[|\]$/g, '')),
    wantsTls: urls.some(({ protocol }) => protocol === 'tls:'),
    isLoopback: urls.every((url) => LOOPBACK.test(hostOf(url))),
    login: sharedLogin(urls),
  }
}

function parse(given: unknown, which: string): URL {
  if (typeof given !== 'string' || given.trim() === '') throw malformed(`has an empty ${which}`)
  const text = given.trim()
  const url = URL.canParse(withScheme(text)) ? new URL(withScheme(text)) : undefined
  if (url === undefined || url.hostname === '') throw malformed(`has a malformed ${which}`)
  if (url.protocol !== 'nats:' && url.protocol !== 'tls:') throw malformed(`has ${url.protocol}// in ${which}`)
  const rest = `${url.pathname}${url.search}${url.hash}`
  if ((rest !== '' && rest !== '/') || url.port === '0') throw malformed(`has a malformed ${which}`)
  return url
}

/** The parser lowers the names of web addresses only. */
function hostOf({ hostname }: URL): string {
  return hostname.toLowerCase()
}

function withScheme(text: string): string {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `nats://${text}`
}

/** The client logs in everywhere alike. */
function sharedLogin(urls: readonly URL[]): UrlLogin | undefined {
  const logins = urls.filter(({ username, password }) => username !== '' || password !== '')
  const [first, ...others] = logins
  if (first === undefined) return undefined
  if (others.some(({ username, password }) => username !== first.username || password !== first.password))
    throw new BusError(
      'BUS_CONFIG',
      '[nats] servers: the URLs hold different credentials. Use the same for every server',
    )
  const user = decode(first.username)
  return first.password === '' ? { token: user } : { user, password: decode(first.password) }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw malformed('holds credentials that are not URL-encoded')
  }
}

function malformed(problem: string): BusError {
  const remedy = 'Give nats://host:port or tls://host:port, one or several'
  return new BusError('BUS_INVALID_OPTION', `[nats] servers ${problem}. ${remedy}`)
}
