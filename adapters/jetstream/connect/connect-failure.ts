/** Why a server could not be connected to, in busbar's words with a remedy. The client's own errors on an open connection are `failure.ts`. */
import { createConnection } from 'node:net'
import { errors } from '@nats-io/transport-node'
import { BusError, type BusErrorCode } from '../../../src/errors.js'
import { clientFailure, failure } from '../failure.js'
import { nativeCode } from './native-error.js'
import type { Settings } from './settings.js'

const PEEK_MS = 1000

interface Reason {
  readonly code: BusErrorCode
  readonly problem: string
}

const UNTRUSTED: Reason = {
  code: 'BUS_AUTH',
  problem: "no authority that we trust signed the server's certificate. Give its authority as tls.ca",
}

/** By Node's code, of the error or of its cause. */
const REASONS: ReadonlyMap<string, Reason> = new Map([
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', UNTRUSTED],
  ['UNABLE_TO_GET_ISSUER_CERT', UNTRUSTED],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', UNTRUSTED],
  ['SELF_SIGNED_CERT_IN_CHAIN', UNTRUSTED],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', UNTRUSTED],
  ['CERT_SIGNATURE_FAILURE', UNTRUSTED],
  ['CERT_HAS_EXPIRED', auth("the server's certificate has expired. Renew it on the server")],
  ['CERT_NOT_YET_VALID', auth("the server's certificate is not valid yet. Check the clocks")],
  ['CERT_REVOKED', auth("the server's certificate was revoked. Renew it on the server")],
  [
    'ERR_TLS_CERT_ALTNAME_INVALID',
    auth("the server's certificate is for another name. Use a name that it bears, with tls://"),
  ],
  ['ECONNREFUSED', unreachable('nobody listens there. Start the server, or check host and port')],
  ['ENOTFOUND', unreachable('there is no host of that name. Check the name')],
  ['EAI_AGAIN', unreachable('the host name cannot be looked up now. Check the name, and the name server')],
  ['EHOSTUNREACH', unreachable('there is no way to the host. Check the network')],
  ['ENETUNREACH', unreachable('there is no way to the host. Check the network')],
  ['ECONNRESET', unreachable('the server hung up. Check that it is a NATS server, and its log')],
])

function auth(problem: string): Reason {
  return { code: 'BUS_AUTH', problem }
}

function unreachable(problem: string): Reason {
  return { code: 'BUS_UNAVAILABLE', problem }
}

/** @param thrown by the client's `connect` */
export async function connectFailure(settings: Settings, thrown: unknown): Promise<BusError> {
  if (thrown instanceof BusError) return thrown
  const cause = settings.credentials.clean(thrown)
  const { code, problem } = (await reasonOf(settings, thrown)) ?? {}
  const what = `connect to ${settings.servers.addresses.join(', ')}`
  if (code !== undefined && problem !== undefined) return failure(what, code, problem, cause)
  return clientFailure(what, cause)
}

async function reasonOf({ servers, tls, credentials }: Settings, thrown: unknown): Promise<Reason | undefined> {
  const known = REASONS.get(nativeCode(thrown) ?? '')
  if (known !== undefined) return known
  if (thrown instanceof errors.AuthorizationError) {
    if (credentials.isEmpty)
      return auth('the server wants to know who we are. Give user and password, token, nkey or credentials')
    return auth('the server does not accept these credentials. Check them, and that the user was not revoked')
  }
  if (thrown instanceof errors.UserAuthenticationExpiredError)
    return auth('these credentials have expired. Get new ones')
  const text = thrown instanceof Error ? thrown.message : ''
  // The client has no class of its own for these two.
  if (tls !== undefined && text.includes("does not support 'tls'"))
    return {
      code: 'BUS_CONFIG',
      problem: 'TLS is required and the server offers none. Nothing was sent. Give the server a certificate',
    }
  if (text.includes('undefined error'))
    return unreachable(
      'the server hung up without a word. If it expects TLS from the first byte, set tls.handshakeFirst',
    )
  if (!(thrown instanceof errors.TimeoutError)) return undefined
  if (await someAsksForCertificate(servers.addresses))
    return tls?.hasCertificate === true
      ? auth('the server does not accept our certificate. Use one of the authority that it trusts')
      : auth('the server asks for a client certificate. Give tls.cert and tls.key')
  return unreachable('no server answered in time. Check host and port, and what is between')
}

/**
 * In TLS 1.3 a server refuses a client's certificate after the client believes that the handshake is done, and the client then waits for
 * a greeting in vain. What the server says before TLS tells whether it asks for one.
 */
async function someAsksForCertificate(addresses: readonly string[]): Promise<boolean> {
  const greetings = await Promise.all(addresses.map((address) => greetingOf(address)))
  return greetings.some((greeting) => /"tls_verify":\s*true/.test(greeting))
}

/** Empty when there is none. Sends nothing. */
function greetingOf(address: string): Promise<string> {
  const { hostname, port } = new URL(`nats://${address}`)
  return new Promise((resolve) => {
    const socket = createConnection({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port), timeout: PEEK_MS })
    const end = (text: string): void => {
      socket.destroy()
      resolve(text)
    }
    socket.once('data', (bytes) => end(bytes.toString()))
    socket
      .once('timeout', () => end(''))
      .once('error', () => end(''))
      .once('close', () => end(''))
  })
}
