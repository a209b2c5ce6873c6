/**
 * TLS as an application asks for it: certificates by path or as text, checked before they are used, and whose name a server's certificate
 * must bear. The handshake is the client's.
 */
import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { checkServerIdentity, createSecureContext, type PeerCertificate } from 'node:tls'
import type { TlsOptions } from '@nats-io/transport-node'
import { BusError } from '../../../src/errors.js'
import { failure } from '../failure.js'
import { nativeCode } from './native-error.js'
import type { TlsSettings } from './options.js'

const PARTS = ['ca', 'cert', 'key'] as const

export class Tls {
  readonly #settings: TlsSettings
  readonly #hosts: readonly string[]

  /** @param hosts names and addresses of the configured servers. Throws `BUS_CONFIG` or `BUS_INVALID_OPTION`. */
  constructor(settings: TlsSettings, hosts: readonly string[]) {
    for (const part of PARTS) {
      const value: unknown = settings[part]
      if (value !== undefined && (typeof value !== 'string' || value === ''))
        throw new BusError(
          'BUS_INVALID_OPTION',
          `[nats] tls.${part} is no text. Give PEM text, or the path of a PEM file`,
        )
    }
    if (settings.cert !== undefined && settings.key === undefined) throw incomplete('tls.cert', 'tls.key')
    if (settings.key !== undefined && settings.cert === undefined) throw incomplete('tls.key', 'tls.cert')
    this.#settings = settings
    this.#hosts = hosts
  }

  get hasCertificate(): boolean {
    return this.#settings.cert !== undefined
  }

  /** Rejects with `BUS_CONFIG` when a file cannot be read, a text is no PEM, or key and certificate do not belong together. */
  async check(): Promise<void> {
    const [ca, cert, key] = await Promise.all(PARTS.map((part) => this.#load(part)))
    try {
      // The context takes any text for an authority, and then trusts nobody.
      if (ca !== undefined) new X509Certificate(ca)
      createSecureContext({ ca, cert, key })
    } catch (thrown) {
      const remedy = 'Check that they are unencrypted PEM, and that key and certificate belong together'
      const problem = `tls.ca, tls.cert or tls.key cannot be used (${nativeCode(thrown)}). ${remedy}`
      throw failure('connect', 'BUS_CONFIG', problem, thrown)
    }
  }

  /** As the client wants it. It reads files again for every connect, so that certificates can be renewed. */
  get clientOptions(): TlsOptions {
    const { ca, cert, key, handshakeFirst = false } = this.#settings
    const options = {
      handshakeFirst,
      minVersion: 'TLSv1.2',
      checkServerIdentity: identityCheck(this.#hosts),
      ...source('ca', ca),
      ...source('cert', cert),
    }
    // A getter shows its value to nobody who only looks.
    return Object.defineProperty(options, isPem(key) ? 'key' : 'keyFile', { get: () => key })
  }

  async #load(part: (typeof PARTS)[number]): Promise<string | undefined> {
    const value = this.#settings[part]
    if (value === undefined || isPem(value)) return value
    try {
      return await readFile(value, 'utf8')
    } catch (thrown) {
      const problem = `tls.${part} cannot be read (${nativeCode(thrown)}). Check the path and who may read it`
      throw failure('connect', 'BUS_CONFIG', problem, thrown)
    }
  }
}

/** What Node hands its check as `this`: the options of the connection. */
interface Dialled {
  readonly servername?: string
  readonly socket?: { readonly remoteAddress?: string }
}

/**
 * The client leaves the name out when it dials an address, and Node would then look for "localhost" in the certificate. The address
 * itself is right, or the name of a configured server when a server told us of the address (TLS-1, TLS-5).
 */
function identityCheck(hosts: readonly string[]) {
  return function (this: Dialled | undefined, name: string, certificate: PeerCertificate): Error | undefined {
    const { servername = '', socket } = this ?? {}
    const address = socket?.remoteAddress
    if (servername !== '' || address === undefined) return checkServerIdentity(name, certificate)
    const errors = [address, ...hosts].map((each) => checkServerIdentity(each, certificate))
    return errors.includes(undefined) ? undefined : errors[0]
  }
}

function source(part: 'ca' | 'cert', value: string | undefined): TlsOptions {
  if (value === undefined) return {}
  return isPem(value) ? { [part]: value } : { [`${part}File`]: value }
}

function isPem(text: string | undefined): boolean {
  return text?.includes('-----BEGIN ') === true
}

function incomplete(given: string, missing: string): BusError {
  return new BusError('BUS_CONFIG', `[nats] ${given} is given without ${missing}. Give both, or neither`)
}
